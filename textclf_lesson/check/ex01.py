"""The items of exercise 1: framing the problem."""

from collections.abc import Iterator
from functools import cache

import numpy as np
import pandas as pd

from textclf_lesson import data
from textclf_lesson.base.errors import CheckFailed
from textclf_lesson.check.core import Answer, compare, guess, item, short
from textclf_lesson.check.quiz import questions, quiz  # noqa: F401
from textclf_lesson.evaluate import metrics

__getattr__ = guess(__name__)

COUNTS_ALIKE = {
    "accuracy": "articles",
    "weighted_f1": "articles",
    "macro_f1": "topics",
}  # what each metric counts alike


@cache
def _articles() -> pd.DataFrame:
    """Reuters' training articles, each text once: the agency sent some of them twice."""
    rows = data.load("reuters-r52")["train"].to_pandas()
    return rows[~rows["text"].map(data.normalise).duplicated()]


@cache
def _votes() -> pd.DataFrame:
    return data.agreement()


@cache
def _problems() -> list[tuple[list[list], str, str]]:
    """Labels of real rows, what kind of problem they are, and why."""
    films = [[label] for label in data.load("movie-snippets")["validation"]["label"][:]]
    topics = [[label] for label in _articles()["label"].head(300)]
    majority = _votes().groupby("id")[data.TOXICITY].mean() > 0.5
    comments = [[label for label in data.TOXICITY if row[label]] for _, row in majority.iterrows()]
    several_first = sorted(comments, key=len, reverse=True)
    one_first = sorted(comments, key=lambda labels: len(labels) != 1)
    at_most_one = [labels for labels in one_first if len(labels) < 2]
    return [
        (films, "binary", "Sentences from film reviews carry exactly one of two labels each"),
        (topics, "multi-class", "Newswire articles carry exactly one of many topics each"),
        (
            several_first,
            "multi-label",
            "Some comments carry several labels; how many labels *exist* is not what counts",
        ),
        (one_first, "multi-label", "Look at every row: the same comments in another order are the same problem"),
        (at_most_one, "multi-label", "Some comments here carry no label at all, which is no answer to 'which one?'"),
    ]


@item
def kind_of_problem(answer: Answer) -> Iterator[str]:
    """Takes the labels of each row, a list of lists; returns "binary", "multi-class" or "multi-label"."""
    for rows, right, why in _problems():
        said = answer(rows)
        if not isinstance(said, str) or said != right:
            raise CheckFailed(f"{why}. You say {short(said)}.")
    yield "one of two, one of many, any subset"
    yield "a row without a label counts too"


@item
def price(answer: Answer, seed: int = 0) -> Iterator[str]:
    """Takes probabilities (rows, labels), their truth (0 or 1), γ; returns the focal price of each, same shape."""
    rng = np.random.default_rng(seed)
    p, truth = rng.uniform(0.02, 0.98, size=(6, 3)), rng.integers(0, 2, size=(6, 3))
    truth[0], truth[1] = 1, 0
    p_t = np.where(truth == 1, p, 1 - p)

    def focal(p_t: np.ndarray, gamma: float) -> np.ndarray:
        return -((1 - p_t) ** gamma) * np.log(p_t)

    plain = answer.array(p, truth, 0.0, shape=p.shape)
    hints = {
        "Where the truth is 0 the model was right to give a low p: there p_t is 1 − p. You price p itself.": focal(
            p, 0
        ),
        "A price is positive: the logarithm of a probability is negative, so it wants a minus sign.": -focal(p_t, 0),
        "The formula's log is the natural one (np.log); yours has another base.": focal(p_t, 0) / np.log(10),
        "Those are the prices in bits; the formula's log is the natural one (np.log).": focal(p_t, 0) / np.log(2),
    }
    compare(plain, focal(p_t, 0), hints, "With γ = 0 the price should be plain cross-entropy, −log p_t; yours is not.")
    yield "γ = 0 is cross-entropy"
    gamma = 2.0 + seed % 2
    got = answer.array(p, truth, gamma, shape=p.shape)
    hints = {
        "Your γ makes easy answers *dearer*: the factor is (1 − p_t) to the power γ, not to −γ.": focal(p_t, -gamma),
        "You weigh by p_t to the power γ, so what is right and certain pays most. The factor is 1 − p_t.": (
            -(p_t**gamma) * np.log(p_t)
        ),
        "The price does not change with γ. Where does γ stand in your formula?": focal(p_t, 0),
        "The factor is (1 − p_t), with p_t from the truth. Yours uses 1 − p also where the truth is 0.": (
            -((1 - p) ** gamma) * np.log(p_t)
        ),
    }
    compare(got, focal(p_t, gamma), hints, f"γ = 0 is right, but with γ = {gamma:g} the factor (1 − p_t)^γ is not.")
    yield "what is right and certain costs almost nothing"


@item
def split_then_copy(answer: Answer, seed: int = 0) -> Iterator[str]:
    """Takes rows with `text` and `label`, and how many each class needs; returns (training rows, test rows)."""
    least, rows = 12, _articles().sample(1200, random_state=seed)[["text", "label"]].reset_index(drop=True)
    value = answer(rows, least)
    if not isinstance(value, tuple | list) or len(value) != 2:
        raise CheckFailed("Return two tables, training rows and test rows, in this order.")
    for table in value:
        if not isinstance(table, pd.DataFrame) or not {"text", "label"} <= set(table.columns):
            raise CheckFailed("Both parts should be tables (DataFrames) with the columns `text` and `label`.")
    train, test = value
    leaked = len(data.leaks(train, test))
    if leaked:
        raise CheckFailed(
            f"{leaked} test rows stand in training too: the test knows them by heart. Which comes first, "
            "copying or splitting?"
        )
    yield "no text on both sides"
    if test["text"].duplicated().any():
        raise CheckFailed(
            "Your test holds copies of its own rows, so some count many times. Only training is filled up."
        )
    share = len(test) / len(rows)
    if not 0.15 < share < 0.25:
        raise CheckFailed(f"A fifth of the rows should be test; yours has {share:.0%} of them.")
    yield "a fifth to test, each once"
    if set(train["text"]) | set(test["text"]) != set(rows["text"]):
        raise CheckFailed("Some rows are in neither part. Keep all of them, those of rare classes too.")
    counts = train["label"].value_counts()
    if counts.min() < least:
        raise CheckFailed(
            f"A class still has {counts.min()} training rows, fewer than the {least} asked for. Copy its rows until it "
            "has enough."
        )
    yield "rare classes filled up in training only"


@cache
def _promised() -> dict[str, metrics.Report]:
    """Reports of lesson 1.5's two models on the Reuters test split, as the exercise's own cell computes them."""
    from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
    from sklearn.naive_bayes import MultinomialNB
    from sklearn.pipeline import make_pipeline
    from sklearn.svm import LinearSVC

    reuters = data.load("reuters-r52")
    train, test = reuters["train"].to_pandas(), reuters["test"].to_pandas()
    models = {
        "naive Bayes": make_pipeline(CountVectorizer(), MultinomialNB()),
        "linear SVM": make_pipeline(TfidfVectorizer(sublinear_tf=True), LinearSVC()),
    }
    topics = data.label_names(reuters)
    said = {name: model.fit(train["text"], train["label"]).predict(test["text"]) for name, model in models.items()}
    return {name: metrics.report(test["label"], predicted, topics) for name, predicted in said.items()}


@item
def promise(answer: Answer) -> Iterator[str]:
    """Returns {"metric", "model", "measured", "low", "promise"}: what to promise an archive, and on what evidence."""
    said = answer.record(["metric", "model", "measured", "low", "promise"])
    metric, model = answer.choice(said, "metric", COUNTS_ALIKE), answer.choice(said, "model", _promised())
    if COUNTS_ALIKE[metric] == "articles":
        raise CheckFailed(
            f"{metric} counts every *article* the same, so 'earn' decides it. The archive said each *topic* matters as "
            "much."
        )
    yield "a number that counts topics"
    report, other = _promised()[model], next(r for name, r in _promised().items() if name != model)
    if report.macro_f1 < other.macro_f1:
        raise CheckFailed(f"Look at the table again: by macro F1, {model} is not the better of the two.")
    measured, low = answer.as_number(said["measured"], "`measured`"), answer.as_number(said["low"], "`low`")
    hints = {
        "`measured` is the accuracy. Every topic is to count the same: which row does that?": report.accuracy,
        "`measured` is the weighted F1, in which large topics count more. Take the plain mean.": report.weighted_f1,
        "`measured` is the number of the other model.": other.macro_f1,
        "`measured` should be a share between 0 and 1, not a percentage.": 100 * report.macro_f1,
    }
    compare(measured, report.macro_f1, hints, f"`measured` is not the macro F1 of {model} on test.", 0.006)
    bottom, top = report.interval("macro_f1")
    hints = {"`low` is the upper end of the interval; a promise rests on the lower one.": top}
    compare(low, bottom, hints, "`low` is not the lower end of the 95 % interval of that number.", 0.015)
    yield "the model and its interval, as measured"
    pledged = answer.as_number(said["promise"], "`promise`")
    if pledged > bottom + 0.005:
        raise CheckFailed(
            "You promise more than the lower end of the interval: with other articles of the same kind you might well "
            "break your word. What can you keep?"
        )
    if pledged < bottom - 0.1:
        raise CheckFailed(
            "That promise is safe, but so low that it says nothing for your model. Stay near the evidence."
        )
    yield "a promise you can keep"


@item
def kappa(answer: Answer, seed: int = 0) -> Iterator[str]:
    """Takes the labels that two people gave to the same rows; returns Cohen's kappa."""
    people = _votes().groupby("annotator", sort=True)
    one, two = [people.get_group(name).sort_values("id") for name in sorted(people.groups)[seed % 6 : seed % 6 + 2]]
    for label in ["toxic", "insult"]:
        a, b = one[label].tolist(), two[label].tolist()
        agreed, chance = _agreement(a, b)
        hints = {
            "That is how often they agree. Kappa takes out what two people who guess would agree on by chance.": agreed,
            "Chance is not one half here: 'no' is far more common. Use how often *each of the two* says yes and no.": (
                2 * agreed - 1
            ),
            "You subtract chance but do not divide by what was left to agree on, 1 − P_e.": agreed - chance,
            "That is the chance agreement P_e alone.": chance,
        }
        compare(
            answer.number(a, b),
            (agreed - chance) / (1 - chance),
            hints,
            f"On two people's votes on '{label}' it is off.",
        )
    yield "two annotators' votes"
    names = {0: "no", 1: "yes"}
    a, b = [names[vote] for vote in one["toxic"]], [names[vote] for vote in two["toxic"]]
    agreed, chance = _agreement(a, b)
    compare(answer.number(a, b), (agreed - chance) / (1 - chance), {}, "It should work for labels that are words too.")
    yield "any two labels"
    compare(answer.number(a, a), 1.0, {}, "Somebody who agrees with themselves on every row has kappa 1.")
    yield "1 if they always agree"


def _agreement(a: list, b: list) -> tuple[float, float]:
    """How often two people agree, and how often they would by chance."""
    one, two = np.array(a), np.array(b)
    classes = sorted(set(a) | set(b))
    return float((one == two).mean()), float(sum((one == c).mean() * (two == c).mean() for c in classes))
