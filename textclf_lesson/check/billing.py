"""The items of lesson 10 that ask what a prompted model costs, and when it is the right level."""

from collections.abc import Iterator
from functools import cache

import numpy as np
import pandas as pd

from textclf_lesson import baselines, data
from textclf_lesson.check.core import Answer, CheckFailed, compare, item
from textclf_lesson.check.sources import runs

COUNTS = [50, 100, 200, 400, 800, 1600]  # labelled rows of the learning curve
DRAWS = 3  # of rows, for each of its points


@cache
def _lengths(name: str) -> np.ndarray:
    """About how many tokens each text has: in English, four for three words."""
    return np.array([round(len(text.split()) * 4 / 3) for text in data.load(name)["test"]["text"][:]])


@item
def bill(answer: Answer, seed: int = 0) -> Iterator[str]:
    """Takes tokens (fixed, of each text, of an answer), two prices of a million, cost of labels; the bill."""
    texts = _lengths("reuters-r8" if seed else "movie-snippets")
    fixed, out, price_in, price_out, labels = 210 + seed, 8, 0.5, 2.0, 100.0
    arguments = fixed, texts, out, price_in, price_out, labels
    said = answer.record(["money", "even_at"], *arguments)
    money, even_at = (answer.as_number(said[key], f"`{key}`") for key in ("money", "even_at"))
    n, tokens = len(texts), texts.sum()

    def priced(tokens_in: float, tokens_out: float, first: float = price_in, second: float = price_out) -> float:
        return (tokens_in * first + tokens_out * second) / 1e6

    right = priced(n * fixed + tokens, n * out)
    hints = {
        "Instructions and examples go in *again with every text*; you count them once.": priced(
            fixed + tokens, n * out
        ),
        "The instructions and examples are missing: they are read, and paid for, with every text.": priced(
            tokens, n * out
        ),
        "What the model writes is paid for too, at its own price.": priced(n * fixed + tokens, 0),
        "An answer is written for every text; you pay for one.": priced(n * fixed + tokens, out),
        "The two prices are swapped: what goes in has the first.": priced(
            n * fixed + tokens, n * out, price_out, price_in
        ),
        "Answers have a price of their own, the second.": priced(n * fixed + tokens, n * out, price_in, price_in),
        "Prices are of a *million* tokens.": 1e6 * right,
        "Prices are of a million tokens, not of a thousand.": 1e3 * right,
        "`money` is for one text; asked is what they cost together.": right / n,
    }
    compare(money, right, hints, "`money` is off: price the tokens of one request first, then add up.")
    yield "instructions go in again with every text"
    each = right / n
    hints = {
        "`even_at` is upside down: how many texts can be asked for the money of the labels?": each / labels,
        "`even_at` is how many times all these texts fit; asked is a number of texts.": labels / right,
    }
    if not -1e-6 <= even_at - labels / each <= 1 + 1e-6:
        compare(
            even_at, labels / each, hints, "`even_at` is where the labels cost as much as that many requests.", 1e-4
        )
    yield "and from so many texts on, labels are cheaper"


@cache
def _study() -> pd.DataFrame:
    """Accuracy of each prompt of studies/prompting.py, its prior from texts."""
    rows = runs("prompting")
    return rows.assign(accuracy=rows["texts"].str[0], raw=rows["none"].str[0])


@cache
def _curve() -> pd.DataFrame:
    """Accuracy of TF-IDF on the study's sentences; a row for each number of labels, a column for each draw."""
    movies = data.load("movie-snippets")
    train, judged = movies["train"].to_pandas(), movies["validation"].shuffle(seed=0).select(range(500)).to_pandas()
    curve = pd.DataFrame(index=COUNTS, columns=range(DRAWS), dtype=float)
    for count in COUNTS:
        for draw in range(DRAWS):
            rows = train.sample(count, random_state=draw)
            said = baselines.pipeline("tfidf").fit(rows["text"], rows["label"]).predict(judged["text"])
            curve.loc[count, draw] = (said == judged["label"]).mean()
    return curve


@item
def launch(answer: Answer) -> Iterator[str]:
    """Returns {"tomorrow", "expect", "labels", "then"}: what starts without labels, and what ends it."""
    said = answer.record(["tomorrow", "expect", "labels", "then"])
    tomorrow, then = (answer.choice(said, key, ["prompt", "TF-IDF"]) for key in ("tomorrow", "then"))
    if tomorrow != "prompt":
        raise CheckFailed("`tomorrow`: there is not one label yet. What could TF-IDF learn from?")
    yield "without labels, a prompt"
    expect = answer.as_number(said["expect"], "`expect`")
    study, curve = _study(), _curve()
    bare = study[study["shots"] == 0]
    hints = {
        "`expect` is the best wording's. To know that it is the best takes labelled rows, and you have none.": (
            bare["accuracy"].max()
        ),
        "`expect` is the best of all prompts: many tries flatter, and its examples were labelled.": (
            study["accuracy"].max()
        ),
        "`expect` counts prompts with examples, and examples are labelled texts.": study["accuracy"].mean(),
        "`expect` is the worst wording's. You might draw it, but is it what you should expect?": bare["accuracy"].min(),
        "`expect` should be a share between 0 and 1, not a percentage.": 100 * bare["accuracy"].mean(),
    }
    otherwise = "`expect` is not what a wording drawn blindly from the five reaches on average."
    compare(expect, bare["accuracy"].mean(), hints, otherwise, 0.003)
    yield "what a wording reaches that nobody could test"
    labels = answer.as_number(said["labels"], "`labels`")
    mean = curve.mean(axis=1)
    hints = {
        "`labels`: there one lucky draw of rows beats the prompt. Take the mean of the draws.": float(
            (curve.max(axis=1) > expect).idxmax()
        ),
        "`labels`: there TF-IDF beats the best wording, which nobody could have chosen.": float(
            (mean > bare["accuracy"].max()).idxmax()
        ),
        "`labels`: there TF-IDF is still behind. From which number on is it ahead?": float(
            mean[mean <= expect].index[-1]
        ),
    }
    otherwise = "`labels` is not the first number of the table with which TF-IDF is ahead of what you expect."
    compare(labels, float((mean > expect).idxmax()), hints, otherwise)
    if then != "TF-IDF":
        raise CheckFailed("`then`: look at the last row of the curve, and at what each of the two costs for an answer.")
    yield "and the number that ends it"
