"""Does a service still predict as it used to? Its predictions in a window of time, compared with a reference.

In service there are no labels. What can be watched without them are the predictions:
how often each class, and how surely. A drift of these is a reason to look, not a proof of errors; and errors may come
without a drift (lesson 13).

    monitor = Monitor(Window.of(labels, confidences, classes))      # of validation rows, or of a good week
    monitor.check(Window.from_metrics(text).since(earlier)).verdict # "ok", "watch", "retrain" or "empty"
"""

import functools
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd

from textclf_lesson.base.inputs import plain, positive_number, whole_number
from textclf_lesson.deploy.traffic import Window, check_bins

EPSILON = 0.01
DRAWS = 10_000
KEPT = 1000  # readings in a saved state


def smooth(counts: Any, epsilon: float = EPSILON) -> Any:
    """Shares from counts, none of them zero: (1 - epsilon) count / sum + epsilon / k (Jelinek and Mercer 1980).

    counts: shape (..., k), at least one above 0 in each row; the same shape comes back, its rows add up to 1. Equal
    shares stay equal whatever the number of rows, which adding a constant to each count would not grant. A Series or a
    DataFrame keeps its names.
    """
    given, counts = counts, np.asarray(counts, dtype=float)
    total = counts.sum(axis=-1, keepdims=True)
    if not np.isfinite(counts).all() or (counts < 0).any() or not (total > 0).all():
        raise ValueError("Counts must be there, finite and not negative: an empty window has no shares.")
    return _with_names(given, (1 - epsilon) * counts / total + epsilon / counts.shape[-1])


def kl(p: Any, q: Any) -> Any:
    """Kullback-Leibler divergence sum_i p_i ln(p_i / q_i) in nats, from 0 (equal) up (Kullback and Leibler 1951).

    p: shares of the window, q: of the reference, both of shape (..., k). Infinite where q lacks what p has: smooth
    both first. Of n predictions that follow q, 2 n KL is about chi-squared with k - 1 degrees of freedom, so a small
    window is far from its reference by chance alone. Two Series, or two DataFrames with a row each, are compared class
    by class. Raises ValueError if a row is no distribution, or the two have other classes.
    """
    p, q = map(_shares, _in_one_order(p, q))
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = np.where(p > 0, p * np.log(p / q), 0.0)
    return np.maximum(terms.sum(axis=-1), 0.0)[()]  # rounding may leave -1e-17


def psi(p: Any, q: Any) -> Any:
    """Population stability index, sum_i (p_i - q_i) ln(p_i / q_i) = KL(p, q) + KL(q, p), from 0 up (Siddiqi 2006).

    Shapes and errors as `kl`. Credit scoring calls less than 0.1 stable and more than 0.25 a shift, whatever the
    number of rows; a small window passes 0.1 by chance alone (Yurdakul and Naranjo 2020).
    """
    return kl(p, q) + kl(q, p)


def corridor(
    reference: Any, n: int, levels: Sequence[float], distance: Callable = kl, draws: int = DRAWS, seed: int = 0
) -> np.ndarray:
    """How far a window of n predictions lies from its reference when nothing has changed, shape (levels,).

    A share of at most `level` of such windows lies further. By bootstrap: draw what the shares may truly be, given
    the counts of the reference (Bayesian bootstrap, Rubin 1981; half a count more for each class, so that a class not
    seen yet is taken for rare, not for impossible), then n predictions from these. The first draw matters: without
    it a small reference would be taken for the truth, and windows blamed for its chance.

    Predictions are taken to be independent. Those of one conversation or one document are not: a corridor for such
    traffic is too narrow. Draw texts at random from it, or let one window span many documents.
    """
    rng = np.random.default_rng([seed, n])
    reference = np.asarray(reference)
    windows = rng.multinomial(n, rng.dirichlet(reference + 0.5, draws))
    distances = distance(smooth(windows), smooth(reference))
    return np.quantile(distances, 1 - np.asarray(levels), method="higher") + 1e-9  # a tie, however rounded, is inside


@dataclass(frozen=True)
class Reading:
    """What a monitor found in one window. Distances are None where there were no predictions.

    n: predictions. kl, inner, outer: distance of the predicted classes and the corridor at this n. psi: the same
    distance as PSI. confidence: its mean. confidence_psi: PSI of its bins; confidence_outer: what it stays below.
    """

    verdict: str
    n: int
    kl: float | None = None
    inner: float | None = None
    outer: float | None = None
    psi: float | None = None
    confidence: float | None = None
    confidence_psi: float | None = None
    confidence_outer: float | None = None
    time: str = ""


@dataclass
class Monitor:
    """Holds windows against a reference and says "ok", "watch" or "retrain"; "empty" if there were no predictions.

    "watch": the KL of the predicted classes lies outside the inner corridor. "retrain": outside the outer one in
    `patience` windows running (empty ones do not count). `levels` are the false alarms one puts up with: of windows in
    which nothing changed, at most these shares lie outside the inner and the outer corridor.

    PSI and confidence are given beside the verdict and do not move it: two alarms would be false twice as often.

    >>> classes = ["clean", "toxic"]
    >>> usual = Window.of(["clean"] * 450 + ["toxic"] * 50, [0.97] * 500, classes)
    >>> odd = Window.of(["clean"] * 250 + ["toxic"] * 250, [0.97] * 500, classes)
    >>> monitor = Monitor(usual)
    >>> [monitor.check(window).verdict for window in (usual, odd, odd)]
    ['ok', 'watch', 'retrain']
    """

    reference: Window
    levels: tuple[float, float] = (0.05, 0.01)
    patience: int = 2
    history: list[Reading] = field(default_factory=list)
    last: Window | None = None  # the counters at the last scrape

    def __post_init__(self) -> None:
        self.levels = tuple(positive_number("levels", level) for level in self.levels)
        self.patience = whole_number("patience", self.patience)
        if sum(self.reference.labels.values()) == 0 or len(self.reference.labels) < 2:
            raise ValueError("The reference needs predictions, and two classes at least: take some hundred rows.")
        if len(self.levels) != 2 or not self.levels[1] <= self.levels[0] < 1:
            raise ValueError(f"levels={self.levels}: two are needed, inner and outer, with 0 < outer <= inner < 1.")

    def check(self, window: Window) -> Reading:
        """The reading of a window, kept in `history`. Raises ValueError for an unknown label or other bins."""
        if unknown := sorted(window.labels.keys() - self.reference.labels.keys()):
            raise ValueError(f"The reference has no class {unknown[0]!r}: for a new model make a new reference.")
        check_bins(self.reference, window)
        reading = self._read(window)
        self.history = [*self.history, reading][-KEPT:]
        return reading

    def check_metrics(self, text: str, time: str = "") -> Reading:
        """The reading of what came since the last call, from the text of /metrics; the first time, since its start."""
        now = Window.from_metrics(text, time)
        reading = self.check(now.since(self.last))
        self.last = now
        return reading

    def table(self) -> pd.DataFrame:
        """The history, one row a window."""
        rows = pd.DataFrame([asdict(reading) for reading in self.history], columns=list(Reading.__annotations__))
        numbers = rows.columns.difference(["verdict", "n", "time"])
        return rows.astype(dict.fromkeys(numbers, float))

    def save(self, path: str | os.PathLike) -> None:
        """The whole state as JSON. A crash leaves the old file or the new one, never half of one."""
        path = Path(path)
        state = {name: getattr(self, name) for name in ("levels", "patience")}
        state |= {"reference": asdict(self.reference), "last": self.last and asdict(self.last)}
        state["history"] = [asdict(reading) for reading in self.history]
        partial = path.with_name(f".{path.name}.{os.getpid()}")
        partial.write_text(json.dumps(plain(state), allow_nan=False) + "\n", encoding="utf-8")
        partial.replace(path)

    @classmethod
    def load(cls, path: str | os.PathLike) -> Self:
        """What `save` wrote: it gives the same verdicts as the one that was saved. Raises ValueError if damaged."""
        try:
            state = json.loads(Path(path).read_text(encoding="utf-8"))
            windows = {name: state[name] and _window(state[name]) for name in ("reference", "last")}
            history = [Reading(**reading) for reading in state["history"]]
            return cls(levels=tuple(state["levels"]), patience=state["patience"], history=history, **windows)
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise ValueError(f"{path} is no state of a monitor ({error}): restore a copy, or start anew.") from error

    def _read(self, window: Window) -> Reading:
        names = list(self.reference.labels)
        now, before = ([w.labels.get(name, 0) for name in names] for w in (window, self.reference))
        n, sure = sum(now), sum(window.bins)
        if n == 0 or sure == 0:
            return Reading("empty", n, time=window.time)
        shares, known = smooth(now), smooth(before)
        inner, outer = _corridor(tuple(before), n, self.levels, kl)
        found = float(kl(shares, known))
        _, confidence_outer = _corridor(self.reference.bins, sure, self.levels, psi)
        confidence_psi = float(psi(smooth(window.bins), smooth(self.reference.bins)))
        return Reading(
            self._verdict(found, inner, outer), n, found, inner, outer, float(psi(shares, known)),
            window.confidence / sure, confidence_psi, confidence_outer, window.time,
        )  # fmt: skip

    def _verdict(self, found: float, inner: float, outer: float) -> str:
        outside = [reading.kl > reading.outer for reading in self.history if reading.kl is not None] + [found > outer]
        if len(outside) >= self.patience and all(outside[-self.patience :]):
            return "retrain"
        return "watch" if found > inner else "ok"


# Computed once for each size of window. The seed is fixed, so a restored monitor has the same.
@functools.lru_cache(maxsize=4096)
def _corridor(reference: tuple[int, ...], n: int, levels: tuple[float, ...], distance: Callable) -> list[float]:
    return corridor(reference, n, levels, distance).tolist()


def _window(state: dict) -> Window:
    return Window(**state | {"bins": tuple(state["bins"]), "edges": tuple(state["edges"])})


def _shares(p: Any) -> np.ndarray:
    p = np.asarray(p, dtype=float)
    if p.ndim == 0 or not (p >= 0).all() or not np.allclose(p.sum(axis=-1), 1, atol=1e-6):
        raise ValueError("These are no shares: each row must add up to 1, without NaN or negative numbers. See smooth.")
    return p


def _in_one_order(p: Any, q: Any) -> tuple[Any, Any]:
    """`p` with its classes in the order of `q`, if both have names: `value_counts` gives each an order of its own."""
    ours, theirs = _classes(p), _classes(q)
    if ours is None or theirs is None or ours.equals(theirs):
        return p, q
    if not (ours.is_unique and theirs.is_unique and set(ours) == set(theirs)):
        raise ValueError(
            f"The classes of the two are not the same: {ours.tolist()[:8]} and {theirs.tolist()[:8]}. Count both over "
            "one list before smooth: counts.reindex(classes, fill_value=0)."
        )
    return (p[theirs] if isinstance(p, pd.DataFrame) else p.reindex(theirs)), q


def _classes(p: Any) -> pd.Index | None:
    """The names of the classes along the last axis, if there are any."""
    names = p.columns if isinstance(p, pd.DataFrame) else p.index if isinstance(p, pd.Series) else None
    return None if isinstance(names, pd.RangeIndex) else names


def _with_names(given: Any, values: np.ndarray) -> Any:
    if isinstance(given, pd.DataFrame):
        return pd.DataFrame(values, given.index, given.columns)
    return pd.Series(values, given.index) if isinstance(given, pd.Series) else values
