"""The items of exercise 13: monitoring."""

import re
from collections.abc import Iterator
from functools import cache

import numpy as np
import pandas as pd

from textclf_lesson.base.errors import CheckFailed
from textclf_lesson.check.core import Answer, close, compare, guess, item
from textclf_lesson.check.quiz import questions, quiz  # noqa: F401
from textclf_lesson.check.sources import film_classifier, tables
from textclf_lesson.deploy import monitor
from textclf_lesson.evaluate.calibration import wilson

__getattr__ = guess(__name__)

WINDOW = 200
MONTHS = (25, 50, 100, 200, 400)  # rows that one may pay for
NAMES = {0: "negative", 1: "positive"}


@cache
def _films() -> pd.DataFrame:
    """What the film classifier says of rows it was not trained on, in random order, as the exercise has them."""
    movies = tables("movie-snippets")
    rows = pd.concat([movies[part] for part in ("validation", "test")])
    return _answered(rows.sample(frac=1, random_state=0))


def _answered(rows: pd.DataFrame) -> pd.DataFrame:
    said = film_classifier().predict(rows["text"])
    return rows.assign(said=said, right=said == rows["label"])


@item
def drift(answer: Answer, seed: int = 0) -> Iterator[str]:
    """Takes two readings of a service's counters and those of a reference; returns the KL of what came in between."""
    said = _films()["said"].map(NAMES)
    reference = _count(said[:1500])
    window = _count(_hurried()["said"].map(NAMES).sample(150 + seed, random_state=seed))
    window["positive"] //= 3  # a service whose users have become strict
    p, q = _shares(window), _shares(reference)
    counts, known = (np.array([some[label] for label in reference], dtype=float) for some in (window, reference))
    plain = counts / counts.sum()
    hints = {
        "That is the divergence of the reference from the window. The window's shares come first: they weigh.": (
            monitor.kl(q, p)
        ),
        "Those are bits: the formula's ln is the natural logarithm.": monitor.kl(p, q) / np.log(2),
        "Without smoothing a class that the reference never saw makes it infinite: monitor.smooth both.": monitor.kl(
            plain, known / known.sum()
        ),
        "The window is smoothed and the reference is not. Smooth both.": monitor.kl(p, known / known.sum()),
        "That is the population stability index, which counts both directions. Asked is KL alone.": monitor.psi(p, q),
    }
    nothing = dict.fromkeys(reference, 0)
    right = monitor.kl(p, q)
    otherwise = "For a service that was just started (`before` all zero) it is not KL(window ‖ reference)."
    compare(answer.number(window, nothing, reference), right, hints, otherwise)
    if not close(answer.number(window, {}, reference), right):
        raise CheckFailed("At the first reading `before` is empty: a label that is missing there was said 0 times.")
    yield "the window's shares, from the reference's"
    before = _count(said[:900])
    now = {label: before[label] + window[label] for label in before}
    hints = {
        "You compare all that was said since the service started. What came *in between*?": monitor.kl(_shares(now), q),
        "You judge the last reading instead of what came after it.": monitor.kl(_shares(before), q),
    }
    compare(answer.number(now, before, reference), right, hints, "The counts in between are now minus before.")
    yield "what came in between"
    # Started anew, and by now one counter is beyond where it stood: only the other has fallen.
    before = {"negative": window["negative"] - 20, "positive": window["positive"] + 900}
    hints = {
        "A counter that fell means that *all* began at zero again: the others are new as a whole, too.": monitor.kl(
            monitor.smooth([20 if label == "negative" else window[label] for label in reference]), q
        ),
        "A counter that fell was set to zero by a new start; it does not mean that nothing was said.": monitor.kl(
            monitor.smooth([20 if label == "negative" else 0 for label in reference]), q
        ),
    }
    try:
        got = answer.number(window, before, reference)
    except CheckFailed:  # smoothing negative counts fails, their logarithm is NaN
        got = np.inf
    otherwise = "One counter is lower than at the last reading: the service was started anew. What is new then?"
    compare(got, right, hints, otherwise)
    yield "also when the service was started anew"


def _count(said: pd.Series) -> dict[str, int]:
    counts = said.value_counts()
    return {label: int(counts[label]) for label in NAMES.values()}


def _shares(counts: dict[str, int]) -> np.ndarray:
    return monitor.smooth([counts[label] for label in NAMES.values()])


@item
def alarm_line(answer: Answer, seed: int = 0) -> Iterator[str]:
    """Takes the counts of a reference, the size of a window, a level; returns the KL that chance exceeds so often."""
    said = _films()["said"].sample(300, random_state=seed)
    counts = np.bincount(said)
    for n, level in ((WINDOW, 0.05), (2 * WINDOW, 0.01)):
        right, quarter = monitor.corridor(counts, n, (level, 0.25), draws=40_000)
        drawn = np.random.default_rng(seed).multinomial(n, counts / counts.sum(), 40_000)
        naive = monitor.kl(monitor.smooth(drawn), monitor.smooth(counts))
        got = answer.number(counts, n, level)
        hints = {
            "You take the reference for the truth. Of some hundred rows it knows its shares only roughly: draw the "
            "truth first, then the window.": np.quantile(naive, 1 - level) / right,
            "That is the rule of thumb of the PSI. It knows neither the window's size nor the reference's.": 0.25
            / right,
        }
        if got < quarter / 10:
            raise CheckFailed(
                f"Nearly every window lies beyond your line. Only {level:.0%} of them should: which quantile is that?"
            )
        where = f"with windows of {n} and a level of {level:.0%}"
        otherwise = f"Your line is {got:.4f} {where}, and {right:.4f} was expected, roughly."
        compare(got / right, 1, hints, otherwise, 0.06)
    yield "it knows the size of the window"
    yield "and that of the reference"


def hurried(text: str) -> str:
    """Drop the middle letter of every word of four letters or more, as in lesson 2.4."""
    return re.sub(r"\w{4,}", lambda m: m[0][: len(m[0]) // 2] + m[0][len(m[0]) // 2 + 1 :], text)


@cache
def _hurried() -> pd.DataFrame:
    """What the phones send: films that are not of the reference, misspelt."""
    rest = _films()[1500:]
    return _answered(rest.assign(text=rest["text"].map(hurried)))


@cache
def _shown() -> dict[int, float]:
    """For so many labelled rows, in what share of months they show that the phones' accuracy has fallen."""
    right, home = _hurried()["right"].to_numpy(), _films()[:1500]["right"].mean()
    rng = np.random.default_rng(0)
    return {n: float((wilson(rng.choice(right, (5000, n)).sum(axis=1), n)[1] < home).mean()) for n in MONTHS}


@item
def blind_spots(answer: Answer) -> Iterator[str]:
    """Returns {"false_alarm", "silent", "accuracy", "labels"}: what an alarm without labels does not see."""
    said = answer.record(["false_alarm", "silent", "accuracy", "labels"])
    customers = ("fan club", "phones", "press office")
    false_alarm, silent = (answer.choice(said, key, customers) for key in ("false_alarm", "silent"))
    if false_alarm != "fan club":
        raise CheckFailed(
            f"Look at the accuracy of the {false_alarm}: it is far below that at home. Whose alarm calls without "
            "more errors, because the world has changed and the model tells it truly?"
        )
    yield "a shift without errors"
    if silent != "phones":
        raise CheckFailed(f"For the {silent} the alarm does call. Who has lost accuracy, and no window tells?")
    yield "errors without a shift"
    low, high = answer.as_pair(said["accuracy"], "`accuracy`")
    rows = _hurried()["right"].to_numpy()
    ends = wilson(rows[:WINDOW].sum(), WINDOW)
    hints = {
        "`accuracy` is the interval from all rows. You have paid for two hundred labels only.": wilson(
            rows.sum(), len(rows)
        ),
        "`accuracy` is that of films at home, not of the phones.": wilson(
            _films()[:1500]["right"][:WINDOW].sum(), WINDOW
        ),
    }
    otherwise = "`accuracy` is not the 95 % interval from the phones' first 200 rows."
    compare((low, high), ends, hints, otherwise, 0.012)
    yield "the accuracy of two hundred labels"
    labels = answer.as_number(said["labels"], "`labels`")
    if labels not in MONTHS:
        raise CheckFailed(f"`labels` should be one of {', '.join(map(str, MONTHS))}.")
    shown = _shown()[int(labels)]
    if shown < 0.9:
        raise CheckFailed(
            f"With {labels:g} labels the fall shows in {shown:.0%} of the months; nine in ten were asked."
        )
    if any(share >= 0.9 for n, share in _shown().items() if n < labels):
        raise CheckFailed(f"{labels:g} labels show it, but fewer would do, and each is paid for.")
    yield "and what it costs to see it"
