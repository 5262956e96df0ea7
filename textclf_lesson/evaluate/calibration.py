"""Does 0.8 happen in eight of ten cases? Measured by ECE and a reliability table, corrected by a temperature.

Everything takes three kinds of probabilities: of one label, shape (rows,), with y of 0 and 1; of several labels, shape
(rows, labels), with a table y of the same shape, all its cells counting alike; and of classes that exclude each other,
shape (rows, classes), with the position of the true class as y. In the last case what counts is the probability of the
predicted class, and whether that class is right; in the others the probability of a yes.

Tables whose columns have names are compared by name (see `label_tables`).
"""

from typing import Any, Self

import numpy as np
import pandas as pd
from scipy.optimize import minimize_scalar
from scipy.special import expit, log_softmax, softmax
from sklearn.exceptions import NotFittedError

from textclf_lesson.base.inputs import align_tables, check_probabilities, check_same_rows, is_table, whole_number

RANGE = (-3.0, 3.0)  # of ln T: temperatures from 0.05 to 20


def ece(probabilities: Any, y: Any, bins: int = 15) -> float:
    """Expected calibration error, 0 (best) to 1 (Naeini et al. 2015; Guo et al. 2017).

    Rows are put into bins of equal width by their probability; of each bin, the gap between the mean probability and
    the share that came true; the mean gap, each bin weighing as many rows as it has.

    With few rows it is above 0 even for a perfect model, since each bin's share is off by chance: compare models on
    the same rows. Raises ValueError as `reliability` does.
    """
    table = reliability(probabilities, y, bins)
    return float(np.average((table["probability"] - table["came true"]).abs(), weights=table["rows"]))


def reliability(probabilities: Any, y: Any, bins: int = 15) -> pd.DataFrame:
    """A row for each bin that is not empty: rows, mean probability, share that came true, and its 95 % interval.

    The interval is Wilson's (1927). Raises ValueError if shapes, names or pandas indexes do not fit, a probability is
    not in [0, 1], y is anything else than the module says, bins < 1 or there are no rows.
    """
    proba, true = _one_column(probabilities, y)
    bins = whole_number("bins", bins)
    which = np.minimum((proba * bins).astype(int), bins - 1)
    grouped = pd.DataFrame({"bin": which, "probability": proba, "came true": true}).groupby("bin")
    table = grouped.mean().assign(rows=grouped.size())
    table["low"], table["high"] = wilson(table["came true"] * table["rows"], table["rows"])
    return table[["rows", "probability", "came true", "low", "high"]].reset_index(drop=True)


def brier(probabilities: Any, y: Any) -> float:
    """Mean squared distance between probability and what came true, 0 (best) to 1 (Brier 1950).

    Unlike ECE it cannot be lowered by always answering the base rate: it rewards telling rows apart as well.
    """
    proba, true = _one_column(probabilities, y)
    return float(((proba - true) ** 2).mean())


def wilson(hits: Any, rows: Any) -> tuple[Any, Any]:
    """95 % interval of the share `hits` / `rows`, Wilson's (1927): it stays in [0, 1] with a handful of rows too.

    hits, rows: numbers, or arrays or Series of them. Raises ValueError if a share has no rows, or more hits than rows.
    """
    if not (np.all(np.asarray(rows) >= 1) and np.all((np.asarray(hits) >= 0) & (np.asarray(hits) <= rows))):
        raise ValueError("A share needs 1 row or more, and from 0 to as many hits: leave out what has no rows.")
    z, share = 1.959964, hits / rows
    centre, spread = share + z**2 / (2 * rows), z * np.sqrt(share * (1 - share) / rows + (z / (2 * rows)) ** 2)
    return tuple(np.clip(end / (1 + z**2 / rows), 0, 1) for end in (centre - spread, centre + spread))


class Temperature:
    """Divide all logits by one number T, chosen on validation rows (Guo et al. 2017).

    T > 1 makes a model that is too sure of itself more modest. The order of rows and of
    classes stays as it is, so accuracy, AUC and the best F1 do not move; thresholds do:
    tune them anew.

    multi_label: True for a sigmoid per label (or for one label, shape (rows,)), False for a
    softmax.
    After `fit`: `temperature_`.

    Four answers of one confidence, three of them right: T brings it from 98 % down to 75 %.

    >>> logits, y = [[4.0, 0.0], [4.0, 0.0], [0.0, 4.0], [0.0, 4.0]], [0, 0, 1, 0]
    >>> round(Temperature().fit(logits, y).temperature_, 2)
    3.64
    """

    def __init__(self, multi_label: bool = False):
        self.multi_label = multi_label

    def fit(self, logits: Any, y: Any) -> Self:
        """Choose the T with the lowest negative log-likelihood; shapes as the module says.

        Raises ValueError if they do not fit each other, by shape, name or index, or a logit is not finite.
        """
        check_same_rows(logits=logits, y=y)
        logits, y = (np.asarray(values) for values in _one_order(logits, y, "logits"))
        logits = _finite(logits)
        _one_column(self._to_probabilities(logits), y)
        if (logits.shape == y.shape) != self.multi_label:
            raise ValueError(
                f"multi_label={self.multi_label} does not fit y of shape {y.shape}: a 0 or 1 for each logit is several "
                "labels (True), a position for each row is one of many classes (False)."
            )

        def loss(log_t: float) -> float:
            scaled = logits / np.exp(log_t)
            if self.multi_label:
                return float(np.logaddexp(0, np.where(y == 1, -scaled, scaled)).mean())
            return float(-log_softmax(scaled, axis=1)[np.arange(len(y)), y].mean())

        found = minimize_scalar(loss, bounds=RANGE, method="bounded")
        self.temperature_ = float(np.exp(found.x))
        return self

    def predict_proba(self, logits: Any) -> np.ndarray:
        """Calibrated probabilities, of the logits' shape. Raises NotFittedError before `fit`."""
        if not hasattr(self, "temperature_"):
            raise NotFittedError("This Temperature has no value yet: call fit(logits, y) with validation rows first.")
        return self._to_probabilities(_finite(logits) / self.temperature_)

    def _to_probabilities(self, logits: np.ndarray) -> np.ndarray:
        if not self.multi_label and logits.ndim != 2:
            raise ValueError(f"Not (rows, classes): {logits.shape}. Did you mean multi_label=True?")
        return expit(logits) if self.multi_label else softmax(logits, axis=1)


def _one_column(probabilities: Any, y: Any) -> tuple[np.ndarray, np.ndarray]:
    """For each prediction its probability, and 1.0 if it came true; both of one dimension."""
    check_same_rows(probabilities=probabilities, y=y)
    proba, y = _one_order(probabilities, y, "probabilities")
    try:
        proba, y = np.asarray(proba, dtype=float), np.asarray(y)
        flat = check_probabilities(proba.reshape(-1, 1), ["p"])  # which takes rounding for what it is
    except (TypeError, ValueError):
        flat = np.empty(0)
    if not flat.size:
        raise ValueError("Probabilities must be there, and lie in [0, 1]: of logits take the sigmoid or softmax first.")
    proba = flat.reshape(proba.shape)
    if proba.shape == y.shape:
        if not np.isin(y, (0, 1)).all():
            raise ValueError(f"y holds something else than 0 and 1, in the shape {y.shape} of the probabilities.")
        return proba.ravel(), y.ravel().astype(float)
    if y.dtype.kind in "OUS":
        raise ValueError(
            f"y holds names, such as {y.ravel()[0]!r}: give the position of each class among the columns of the "
            "probabilities, as np.searchsorted(model.classes_, y) does."
        )
    if proba.ndim != 2 or y.shape != (len(proba),) or y.dtype.kind not in "iu":
        raise ValueError(f"Shapes do not fit: probabilities {proba.shape}, y {y.shape} of type {y.dtype}.")
    if not ((y >= 0) & (y < proba.shape[1])).all():
        raise ValueError(f"y holds positions of classes, 0 to {proba.shape[1] - 1}, not {y.min()} to {y.max()}.")
    return proba.max(axis=1), (proba.argmax(axis=1) == y).astype(float)


def _one_order(values: Any, y: Any, what: str) -> tuple[Any, Any]:
    """Tables of several labels with their columns in one order; all else as it is."""
    if is_table(values) and is_table(y):
        return align_tables({what: values, "y": y})
    if is_table(values):  # then y holds positions
        names = [*map(str, getattr(values, "columns", []))]
        wanted = [str(position) for position in range(len(names))]
        if sorted(names) == sorted(wanted) and names != wanted:
            raise ValueError(f"The columns are {names}, but y counts them from 0: put them into the order {wanted}.")
        return align_tables({what: values})[0], y
    return values, y


def _finite(logits: Any) -> np.ndarray:
    try:
        logits = np.asarray(logits, dtype=float)
    except (TypeError, ValueError) as error:
        raise ValueError(f"Logits must be numbers, of one shape: {error}.") from None
    if not np.isfinite(logits).all():
        raise ValueError("A logit is not finite: look at the model, or at the rows that it was given.")
    return logits
