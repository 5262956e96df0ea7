"""The items of exercise 13: monitoring."""

from collections.abc import Iterator
from functools import cache

import numpy as np
import pandas as pd

from textclf_lesson.base.errors import CheckFailed
from textclf_lesson.check.core import Answer, guess, item
from textclf_lesson.check.quiz import questions, quiz  # noqa: F401
from textclf_lesson.check.sources import film_classifier, hurried, tables
from textclf_lesson.check.values import close, compare
from textclf_lesson.deploy import monitor
from textclf_lesson.evaluate.calibration import wilson

__getattr__ = guess(__name__)

WINDOW = 200
MONTHS = (25, 50, 100, 200, 400)  # labelled rows of a month
NAMES = {0: "negative", 1: "positive"}


@cache
def _films() -> pd.DataFrame:
    """The film classifier's predictions for rows it was not trained on, shuffled as in the exercise."""
    movies = tables("movie-snippets")
    rows = pd.concat([movies[part] for part in ("validation", "test")])
    return _answered(rows.sample(frac=1, random_state=0))


def _answered(rows: pd.DataFrame) -> pd.DataFrame:
    predicted = film_classifier().predict(rows["text"])
    return rows.assign(predicted=predicted, right=predicted == rows["label"])


@item
def drift(answer: Answer, seed: int = 0) -> Iterator[str]:
    """Takes two readings of a service's counters and a reference's; returns the KL of the counts between them."""
    predicted = _films()["predicted"].map(NAMES)
    reference = _count(predicted[:1500])
    window = _count(_hurried()["predicted"].map(NAMES).sample(150 + seed, random_state=seed))
    window["positive"] //= 3  # a service with more negative reviews
    p, q = _shares(window), _shares(reference)
    counts, known = (np.array([some[label] for label in reference], dtype=float) for some in (window, reference))
    plain = counts / counts.sum()
    hints = {
        "That is the divergence of the reference from the window. The window's shares come first: "
        "they are the weights.": (monitor.kl(q, p)),
        "That is in bits: the formula's ln is the natural logarithm.": monitor.kl(p, q) / np.log(2),
        "Without smoothing, a class with count 0 in the reference makes it infinite: monitor.smooth both.": monitor.kl(
            plain, known / known.sum()
        ),
        "The window is smoothed and the reference is not. Smooth both.": monitor.kl(p, known / known.sum()),
        "That is the population stability index, the sum of both directions. Return KL alone.": monitor.psi(p, q),
    }
    nothing = dict.fromkeys(reference, 0)
    right = monitor.kl(p, q)
    otherwise = "For a service that was just started (`before` all zero) it is not KL(window ‖ reference)."
    compare(answer.number(window, nothing, reference), right, hints, otherwise)
    if not close(answer.number(window, {}, reference), right):
        raise CheckFailed("At the first reading `before` is empty: a label that is missing there has the count 0.")
    yield "KL of the window from the reference"
    before = _count(predicted[:900])
    now = {label: before[label] + window[label] for label in before}
    hints = {
        "You use all counts since the start of the service. Take those *between* the two readings.": monitor.kl(
            _shares(now), q
        ),
        "You use the earlier reading instead of the counts after it.": monitor.kl(_shares(before), q),
    }
    compare(answer.number(now, before, reference), right, hints, "The counts in between are now minus before.")
    yield "the counts between two readings"
    # A restart, after which one counter is already higher than before: only the other is lower.
    before = {"negative": window["negative"] - 20, "positive": window["positive"] + 900}
    hints = {
        "A counter that fell means that *all* were reset to zero: the whole of the others is new too.": monitor.kl(
            monitor.smooth([20 if label == "negative" else window[label] for label in reference]), q
        ),
        "A counter that fell was reset by a restart; it does not mean that there were no predictions.": monitor.kl(
            monitor.smooth([20 if label == "negative" else 0 for label in reference]), q
        ),
    }
    try:
        got = answer.number(window, before, reference)
    except CheckFailed:  # smoothing negative counts fails, their logarithm is NaN
        got = np.inf
    otherwise = "One counter is lower than at the last reading: the service was restarted. Which counts are new then?"
    compare(got, right, hints, otherwise)
    yield "also after a restart"


def _count(predicted: pd.Series) -> dict[str, int]:
    counts = predicted.value_counts()
    return {label: int(counts[label]) for label in NAMES.values()}


def _shares(counts: dict[str, int]) -> np.ndarray:
    return monitor.smooth([counts[label] for label in NAMES.values()])


@item
def alarm_line(answer: Answer, seed: int = 0) -> Iterator[str]:
    """Takes a reference's counts, a window's size, a level; returns the KL exceeded by chance with that probability."""
    predicted = _films()["predicted"].sample(300, random_state=seed)
    counts = np.bincount(predicted)
    for n, level in ((WINDOW, 0.05), (2 * WINDOW, 0.01)):
        right, quarter = monitor.corridor(counts, n, (level, 0.25), draws=40_000)
        drawn = np.random.default_rng(seed).multinomial(n, counts / counts.sum(), 40_000)
        naive = monitor.kl(monitor.smooth(drawn), monitor.smooth(counts))
        got = answer.number(counts, n, level)
        hints = {
            "You take the shares of the reference as exact. From a few hundred rows they are uncertain: draw the "
            "shares first, then the window.": np.quantile(naive, 1 - level) / right,
            "That is the PSI's rule of thumb. It depends on neither the window's size nor the reference's.": 0.25
            / right,
        }
        if got < quarter / 10:
            raise CheckFailed(
                f"Nearly every window is above your line. Only {level:.0%} should be: which quantile is that?"
            )
        where = f"with windows of {n} and a level of {level:.0%}"
        otherwise = f"Your line is {got:.4f} {where}; it should be about {right:.4f}."
        compare(got / right, 1, hints, otherwise, 0.06)
    yield "it depends on the size of the window"
    yield "and on that of the reference"


@cache
def _hurried() -> pd.DataFrame:
    """The phones' reviews: rows outside the reference, misspelt."""
    rest = _films()[1500:]
    return _answered(rest.assign(text=rest["text"].map(hurried)))


@cache
def _shown() -> dict[int, float]:
    """For each number of labelled rows, the share of months in which they show that the phones' accuracy fell."""
    right, home = _hurried()["right"].to_numpy(), _films()[:1500]["right"].mean()
    rng = np.random.default_rng(0)
    return {n: float((wilson(rng.choice(right, (5000, n)).sum(axis=1), n)[1] < home).mean()) for n in MONTHS}


@item
def blind_spots(answer: Answer) -> Iterator[str]:
    """Returns {"false_alarm", "silent", "accuracy", "labels"}: what an alarm without labels misses."""
    record = answer.record(["false_alarm", "silent", "accuracy", "labels"])
    customers = ("fan club", "phones", "press office")
    false_alarm, silent = (answer.choice(record, key, customers) for key in ("false_alarm", "silent"))
    if false_alarm != "fan club":
        raise CheckFailed(
            f"Look at the accuracy of the {false_alarm}: it is far below the reference. For whom is there an alarm "
            "without more errors, because the shares really changed?"
        )
    yield "a shift without errors"
    if silent != "phones":
        raise CheckFailed(f"For the {silent} there is an alarm. Who lost accuracy without an alarm in any window?")
    yield "errors without a shift"
    low, high = answer.as_pair(record["accuracy"], "`accuracy`")
    rows = _hurried()["right"].to_numpy()
    ends = wilson(rows[:WINDOW].sum(), WINDOW)
    hints = {
        "`accuracy` is the interval from all rows. You have two hundred labels only.": wilson(rows.sum(), len(rows)),
        "`accuracy` is that of the reference, not of the phones.": wilson(
            _films()[:1500]["right"][:WINDOW].sum(), WINDOW
        ),
    }
    otherwise = "`accuracy` is not the 95 % interval from the phones' first 200 rows."
    compare((low, high), ends, hints, otherwise, 0.012)
    yield "the accuracy of two hundred labels"
    labels = answer.as_number(record["labels"], "`labels`")
    if labels not in MONTHS:
        raise CheckFailed(f"`labels` should be one of {', '.join(map(str, MONTHS))}.")
    shown = _shown()[int(labels)]
    if shown < 0.9:
        raise CheckFailed(
            f"With {labels:g} labels the fall shows in {shown:.0%} of the months; it should show in 90 %."
        )
    if any(share >= 0.9 for n, share in _shown().items() if n < labels):
        raise CheckFailed(f"{labels:g} labels show it, but fewer are enough, and each one costs money.")
    yield "and the labels needed to see the fall"
