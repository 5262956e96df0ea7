"""The items of the practical that try a model's patience: its latency, and those who write around it."""

import time
from collections.abc import Iterator, Mapping
from functools import cache

import numpy as np
import pandas as pd

from textclf_lesson import robustness
from textclf_lesson.check.capstone import comments
from textclf_lesson.check.core import Answer, CheckFailed, compare, item

WARM_UP, CALLS = 3, 30


@item
def latency_of(answer: Answer, seed: int = 0) -> Iterator[str]:
    """Takes a predict function, texts, n and warmup; returns {"median", "p95"} of n single calls, in ms."""
    texts, starts, sizes = comments()["train"]["text"].head(8).tolist(), [], []

    def predict(texts: list[str]) -> list[float]:
        """Slow at first, as models are; then quick, with every fifth call slower."""
        starts.append(time.perf_counter())
        call = len(starts) - 1
        time.sleep(0.2 if call < WARM_UP else 0.03 if call % 5 == seed % 5 else 0.004)
        sizes.append(len(texts) if isinstance(texts, list | tuple | np.ndarray) else -1)
        return [0.5] * max(sizes[-1], 1)

    said = answer.record(["median", "p95"], predict, texts, CALLS, WARM_UP)
    if set(sizes) != {1}:
        one = "one text" if -1 in sizes else f"a list of {max(sizes, default=0)} texts"
        raise CheckFailed(f"`predict` was given {one}. A visitor sends one text: time calls with a list of one.")
    yield "one text at a time"
    if len(starts) != CALLS + WARM_UP:
        raise CheckFailed(
            f"`predict` was called {len(starts)} times; it should be {CALLS} that count, and {WARM_UP} before."
        )
    got = np.array([answer.as_number(said[key], f"`{key}`") for key in ("median", "p95")])
    # From start to start: what the caller waits, the way to and fro between two processes included.
    every = 1000 * np.diff(starts)
    counted = every[WARM_UP:]

    def both(times: np.ndarray) -> np.ndarray:
        return np.array([np.median(times), np.percentile(times, 95)])

    readings = {
        "": both(counted),
        "The unit is seconds. Say milliseconds: seconds times a thousand.": both(counted) / 1000,
        "The first calls are counted too. They fill caches and start threads: leave them out.": both(every),
        "`p95` is no larger than the typical call: it is the time that 95 of 100 calls stay under.": np.repeat(
            np.median(counted), 2
        ),
        "Both numbers are the mean: one slow call in five moves a mean, but not a median.": np.repeat(
            counted.mean(), 2
        ),
        "`median` is the mean: one slow call in five moves a mean, but not a median.": np.array(
            [counted.mean(), np.percentile(counted, 95)]
        ),
    }
    if (got <= 0).any():
        raise CheckFailed("A time is negative, or nothing. Which of the two readings of the clock comes first?")
    # The nearest reading, by ratio: no machine measures exactly the same twice.
    hint = min(readings, key=lambda hint: np.abs(np.log(got / readings[hint])).sum())
    if hint:
        raise CheckFailed(hint)
    yield "warmed up first"
    yield "the middle, and what the unlucky wait, in ms"


@cache
def quick() -> tuple[object, pd.DataFrame]:
    """A model of words for *toxic*, and test comments that it can be attacked on."""
    from sklearn.feature_extraction.text import CountVectorizer
    from sklearn.naive_bayes import ComplementNB
    from sklearn.pipeline import make_pipeline

    train = comments()["train"]
    model = make_pipeline(CountVectorizer(binary=True), ComplementNB()).fit(train["text"], train["toxic"])
    return model, comments()["test"][["text", "toxic"]]


@item
def survivors(answer: Answer, seed: int = 0) -> Iterator[str]:
    """Takes predict, texts and 0/1 for toxic; returns for each attack the share of its cases that stay toxic."""
    model, test = quick()
    some = test.sample(250, random_state=seed)
    texts, toxic = some["text"].tolist(), some["toxic"].to_numpy()

    def predict(texts: list[str]) -> list[int]:
        return [int(said) for said in model.predict(list(texts))]

    value = answer(predict, texts, toxic.tolist())
    value = value.to_dict() if isinstance(value, pd.Series) else value
    if not isinstance(value, Mapping) or set(value) != set(robustness.ATTACKS):
        names = ", ".join(robustness.ATTACKS)
        raise CheckFailed(f"Return a dictionary with a share for each attack: {names}.")
    got = np.array([answer.as_number(value[kind], f"The share of {kind!r}") for kind in robustness.ATTACKS])
    caught, yes = np.array(predict(texts)) == 1, toxic == 1

    def shares(among: np.ndarray, changed_only: bool = True) -> np.ndarray:
        found = []
        for kind in robustness.ATTACKS:
            pairs = [(texts[row], robustness.attack(kind, texts[row])) for row in np.flatnonzero(among)]
            cases = [new for old, new in pairs if new != old or not changed_only]
            found.append(np.mean(predict(cases)) if cases else 0.0)
        return np.array(found)

    right = shares(yes & caught)
    hints = {
        "Comments that the attack leaves as they are count as survivors: keep those that it changes.": shares(
            yes & caught, changed_only=False
        ),
        "Comments missed from the start are no victims of the attack: keep those called toxic as they stood.": (
            shares(yes)
        ),
        "You attack harmless comments too. Keep the toxic ones.": shares(caught),
        "All comments are counted, harmless ones and unchanged ones too.": shares(np.full(len(yes), True), False),
        "Those are the shares that *escape*. Asked is what is still called toxic.": 1 - right,
    }
    compare(got, right, hints, "On real comments and a model of words the shares are off.", 1e-3)
    yield "toxic, found, and changed: only those are cases"
    yield "each attack by itself"
