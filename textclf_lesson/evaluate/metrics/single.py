"""One label per row: reports, bootstrap intervals, paired comparisons.

Everything starts from a table of counts, the confusion matrix: rows are the true classes, columns the predicted ones.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from textclf_lesson.base.inputs import check_labels, check_names, check_same_rows, whole_number
from textclf_lesson.evaluate.metrics.bootstrap import middle, ratio, resample

# A metric reads confusion matrices (..., classes, classes) and returns one number for each, shape (...).
Metric = Callable[[np.ndarray], np.ndarray]


def accuracy(confusion: np.ndarray) -> np.ndarray:
    """Share of rows that are right, 0 to 1: the diagonal over the sum."""
    return np.trace(confusion, axis1=-2, axis2=-1) / confusion.sum(axis=(-2, -1))


def f1(confusion: np.ndarray) -> np.ndarray:
    """F1 of each class, shape (..., classes), 0 to 1: 2 TP / (2 TP + FP + FN), van Rijsbergen 1979.

    NaN for a class that neither occurs nor is predicted: there was nothing to get right or wrong.
    """
    true_positives = np.diagonal(confusion, axis1=-2, axis2=-1)
    return ratio(2 * true_positives, confusion.sum(axis=-1) + confusion.sum(axis=-2))


def macro_f1(confusion: np.ndarray) -> np.ndarray:
    """Mean F1 of the classes, each counting the same, 0 to 1. Classes without an F1 are left out."""
    return np.nanmean(f1(confusion), axis=-1)


def weighted_f1(confusion: np.ndarray) -> np.ndarray:
    """Mean F1 of the classes, each counting as often as it is true, 0 to 1."""
    support = confusion.sum(axis=-1)
    return (np.nan_to_num(f1(confusion)) * support).sum(axis=-1) / support.sum(axis=-1)


METRICS: dict[str, Metric] = {"accuracy": accuracy, "macro_f1": macro_f1, "weighted_f1": weighted_f1}


@dataclass(frozen=True)
class Report:
    """What a classifier got right, made by `report`. `confusion` has the shape (classes, classes).

    >>> Report(["negative", "positive"], np.array([[3, 1], [0, 4]])).accuracy
    0.875
    """

    classes: list
    confusion: np.ndarray

    @property
    def accuracy(self) -> float:
        return float(accuracy(self.confusion))

    @property
    def macro_f1(self) -> float:
        return float(macro_f1(self.confusion))

    @property
    def weighted_f1(self) -> float:
        return float(weighted_f1(self.confusion))

    @property
    def per_class(self) -> pd.DataFrame:
        """Precision, recall, F1 (NaN: undefined) and support, the number of true rows, of each class."""
        hits, support = np.diagonal(self.confusion), self.confusion.sum(axis=1)
        precision, recall = ratio(hits, self.confusion.sum(axis=0)), ratio(hits, support)
        columns = {"precision": precision, "recall": recall, "f1": f1(self.confusion), "support": support}
        return pd.DataFrame(columns, index=pd.Index(self.classes, name="class"))

    def interval(self, metric: str | Metric = "accuracy", n: int = 1000, seed: int = 0) -> tuple[float, float]:
        """95 % percentile bootstrap interval of a metric (Efron 1979): its middle 95 % over n resampled test sets.

        A resampled test set has as many rows, drawn with replacement. A metric sees only how many rows fall into
        each cell of the confusion matrix, so those counts are drawn, from a multinomial: the same thing, but fast.
        """
        n = whole_number("n", n)
        return middle(_metric(metric)(resample(self.confusion.ravel(), n, seed).reshape(n, *self.confusion.shape)))

    def summary(self, n: int = 1000, seed: int = 0) -> pd.DataFrame:
        """The three scores with their bootstrap intervals, rounded for print."""
        rows = {name: (getattr(self, name), *self.interval(name, n, seed)) for name in METRICS}
        return pd.DataFrame.from_dict(rows, orient="index", columns=["value", "low", "high"]).round(3)


def report(y_true: Sequence, y_pred: Sequence, labels: Sequence[str] | None = None) -> Report:
    """Score predictions against the truth, both one label per row.

    `labels` names the classes in order: then whole-number labels are positions in it, as in a `ClassLabel`. Without
    it, the classes are all labels that occur. Raises as `check_labels` does, and ValueError if the lengths or pandas
    indexes differ, or a name occurs twice in `labels`.
    """
    classes, true, pred = _encode(y_true, y_pred, labels=labels)
    cells = np.bincount(true * len(classes) + pred, minlength=len(classes) ** 2)
    return Report(classes, cells.reshape(len(classes), len(classes)))


def interval(
    y_true: Sequence, y_pred: Sequence, metric: str | Metric = "accuracy", n: int = 1000, seed: int = 0
) -> tuple[float, float]:
    """`Report.interval`. `metric` is in METRICS, or a function of confusion matrices (n, classes, classes) → (n,)."""
    return report(y_true, y_pred).interval(metric, n, seed)


@dataclass(frozen=True)
class Difference:
    """How much better b scores than a on the same rows, with its interval. Made by `difference`.

    value, low, high: the difference and the ends of its 95 % interval, in the unit of `metric`. rows: how many rows
    both were scored on, the pairs of the comparison. runs: with how many trainings (seeds) of a and of b the interval
    was drawn. scope: the data and the models it was seen on, as the caller names them.

    >>> Difference(0.02, low=-0.01, high=0.05, metric="accuracy", rows=500).clear
    False
    """

    value: float
    low: float
    high: float
    metric: str = ""
    rows: int = 0
    runs: tuple[int, int] = (1, 1)
    scope: str = ""

    @property
    def clear(self) -> bool:
        """True if the interval leaves out zero: the test set is large enough to tell the two apart."""
        return self.low > 0 or self.high < 0

    def within(self, margin: float) -> bool:
        """True if the whole interval lies inside ±margin: equally good, to within a margin that was named beforehand.

        An interval that merely holds zero says only that these rows cannot tell the two apart.
        """
        return -margin < self.low and self.high < margin

    @property
    def evidence(self) -> str:
        """What a conclusion rests on: metric, difference, interval, pairs, seeds, scope. `course.claim` prints it."""
        runs = max(self.runs)
        trainings = f"{runs} seeds" if runs > 1 else "one training each"
        parts = [f"{self.metric} {self}".strip(), f"{self.rows:,} pairs", trainings, self.scope]
        return ", ".join(part for part in parts if part)

    def __str__(self) -> str:
        return f"{self.value:+.3f} [{self.low:+.3f}, {self.high:+.3f}]"


def difference(
    y_true: Sequence,
    pred_a: Sequence,
    pred_b: Sequence,
    metric: str | Metric = "accuracy",
    n: int = 1000,
    seed: int = 0,
    scope: str = "",
) -> Difference:
    """Metric of b minus metric of a, with its paired 95 % bootstrap interval (Efron 1979).

    Paired: both models are scored on the same resampled rows, so what makes a test set easy or hard for both
    cancels out. The interval is narrower than two separate ones would suggest. Arguments as in `interval`.

    pred_a, pred_b: the predictions of one training each, shape (rows,); or of several trainings with different seeds, a
    list of such columns, shape (seeds, rows). Then the metric is the mean over seeds, and each draw takes rows and
    seeds anew, so that the interval covers the luck of both. Of three seeds it is somewhat too narrow: three values
    show less spread than many would. scope: data and models in a few words, for `Difference.evidence`.

    Raises as `report` does.
    """
    runs_a, runs_b = _runs(pred_a), _runs(pred_b)
    classes, true, *codes = _encode(y_true, *runs_a, *runs_b)
    n = whole_number("n", n)
    k, score = len(classes), _metric(metric)
    # Rows that agree in the truth and in every prediction are drawn together: their number is all that counts.
    kinds, counts = np.unique(np.column_stack([true, *codes]), axis=0, return_counts=True)
    draws = np.vstack([counts, resample(counts, n, seed)])  # the first is the test set itself
    scores = [score(_collect(draws, kinds[:, 0] * k + column, k)) for column in kinds[:, 1:].T]
    rng = np.random.default_rng([seed, 1])
    gain = _over_runs(scores[len(runs_a) :], rng) - _over_runs(scores[: len(runs_a)], rng)
    name = metric if isinstance(metric, str) else getattr(metric, "__name__", "")
    return Difference(
        float(gain[0]), *middle(gain[1:]), name.replace("_", " "), len(true), (len(runs_a), len(runs_b)), scope
    )


def _runs(pred: Sequence) -> list[Sequence]:
    """The predictions of each training: a single column, or a list of them."""
    nested = isinstance(pred, list | tuple) and len(pred) and all(np.ndim(run) == 1 for run in pred)
    return list(pred) if nested or (isinstance(pred, np.ndarray) and pred.ndim == 2 and len(pred)) else [pred]


def _over_runs(scores: list[np.ndarray], rng: np.random.Generator) -> np.ndarray:
    """Of scores (runs, draws) the mean over runs; in every draw but the first, over runs drawn anew."""
    table = np.stack(scores)
    if len(table) == 1:
        return table[0]
    drawn = rng.integers(0, len(table), size=table.shape)
    drawn[:, 0] = np.arange(len(table))
    return np.take_along_axis(table, drawn, axis=0).mean(axis=0)


def _encode(*columns: Sequence, labels: Sequence[str] | None = None) -> tuple:
    """The classes, then each column, the truth first, as positions in them."""
    names = ["truth", "predictions", "the other predictions", *(f"predictions {i}" for i in range(3, len(columns)))]
    check_same_rows(**dict(zip(names, columns, strict=False)))
    true, *preds = columns = [check_labels(column, at_least=1) for column in columns]
    for pred in preds:
        if len(pred) != len(true):
            raise ValueError(f"{len(true)} true labels but {len(pred)} predictions: they must be as many.")
        if pred.dtype.kind != true.dtype.kind:
            raise TypeError(f"The truth holds labels like {true[0]!r}, the predictions like {pred[0]!r}.")
    if labels is None:
        classes, codes = np.unique(np.concatenate(columns), return_inverse=True)
        return classes.tolist(), *np.split(codes, len(columns))
    names = check_names(labels)
    allowed = names if true.dtype.kind == "U" else range(len(names))
    position = {label: at for at, label in enumerate(allowed)}
    return names, *(np.array([position[y] for y in check_labels(c, None, allowed, 1).tolist()]) for c in columns)


def _metric(metric: str | Metric) -> Metric:
    if callable(metric):
        return metric
    if metric not in METRICS:
        raise ValueError(f"There is no metric {metric!r}. There are {', '.join(METRICS)}, or pass a function.")
    return METRICS[metric]


def _collect(draws: np.ndarray, cells: np.ndarray, classes: int) -> np.ndarray:
    """Add up draws (n, triples) that fall into the same cell: confusion matrices (n, classes, classes)."""
    matrices = np.zeros((classes**2, len(draws)), dtype=np.int64)
    np.add.at(matrices, cells, draws.T)
    return matrices.T.reshape(len(draws), classes, classes)
