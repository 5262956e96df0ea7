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
    """What a classifier got right, made by `report`. `confusion` has the shape (classes, classes)."""

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
    indexes differ, or a name stands twice in `labels`.
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
    """How much better b scores than a on the same rows, with its interval. Made by `difference`."""

    value: float
    low: float
    high: float

    @property
    def clear(self) -> bool:
        """True if the interval leaves out zero: the test set is large enough to tell the two apart."""
        return self.low > 0 or self.high < 0

    def __str__(self) -> str:
        return f"{self.value:+.3f} [{self.low:+.3f}, {self.high:+.3f}]"


def difference(
    y_true: Sequence,
    pred_a: Sequence,
    pred_b: Sequence,
    metric: str | Metric = "accuracy",
    n: int = 1000,
    seed: int = 0,
) -> Difference:
    """Metric of b minus metric of a, with its paired 95 % bootstrap interval.

    Paired: both models are scored on the same resampled rows, so what makes a test set easy or hard for both
    cancels out. The interval is narrower than two separate ones would suggest. Arguments as in `interval`.
    """
    classes, true, a, b = _encode(y_true, pred_a, pred_b)
    n = whole_number("n", n)
    k, score = len(classes), _metric(metric)
    triples, counts = np.unique((true * k + a) * k + b, return_counts=True)  # cells (true, a, b) that occur
    draws = np.vstack([counts, resample(counts, n, seed)])  # the first is the test set itself
    cell_a, cell_b = triples // k, triples // k**2 * k + triples % k
    gain = score(_collect(draws, cell_b, k)) - score(_collect(draws, cell_a, k))
    return Difference(float(gain[0]), *middle(gain[1:]))


def _encode(*columns: Sequence, labels: Sequence[str] | None = None) -> tuple:
    """The classes, then each column, the truth first, as positions in them."""
    check_same_rows(**dict(zip(("truth", "predictions", "the other predictions"), columns, strict=False)))
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
