"""Several models' opinions as one: the mean of their logits."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Self

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit, log_softmax, softmax

from textclf_lesson.base.inputs import align_tables, check_label_table, check_same_rows, check_texts, is_table

SMALLEST = 1e-6  # a probability of 0 would outvote everybody else


def average_logits(logits: Sequence[Any], weights: Sequence[float] | None = None) -> np.ndarray:
    """The weighted mean of the members' logits, all of one shape; by default all weigh the
    same.

    The mean of logits is a geometric mean of odds (of probabilities, for a softmax), scaled
    to add up to 1: a "logarithmic opinion pool" (Genest and Zidek 1986). A member that is
    very sure counts for more than in a mean of probabilities.

    Tables with named columns are averaged by name, in the order of the first. Raises
    ValueError if there are no members, shapes, names or pandas indexes differ, or weights are
    not as many, negative or all 0.
    """
    members = _members(logits)
    weights = np.ones(len(members)) if weights is None else _numbers(weights, "weights")
    if weights.shape != (len(members),) or not (weights >= 0).all() or not weights.sum() > 0:
        count = len(members)
        raise ValueError(f"{count} members need as many weights, >= 0, not all 0: {weights}.")
    return np.tensordot(weights / weights.sum(), np.stack(members), axes=1)


def to_logits(model: Any, texts: Sequence[str], multi_label: bool) -> np.ndarray:
    """A model's logits: its own if it has them (`model.logits`), else made from its probabilities.

    With several labels that is ln(p / (1 - p)), with one ln p, probabilities kept 1e-6 away from 0 and 1. So models of
    different kinds can be averaged: logits that differ by a constant per row are one softmax.

    Raises ValueError if a logit is not finite: it would make the whole average so.
    """
    if hasattr(model, "logits"):
        logits = np.asarray(model.logits(texts), dtype=float)
    else:
        p = np.clip(np.asarray(model.predict_proba(texts), dtype=float), SMALLEST, 1 - SMALLEST)
        logits = np.log(p / (1 - p)) if multi_label else np.log(p)
    if not np.isfinite(logits).all():
        row = np.flatnonzero(~np.isfinite(logits).all(axis=1))[0]
        raise ValueError(f"A {type(model).__name__} gives row {row} a logit that is not finite: leave it out.")
    return logits


class Ensemble:
    """Fitted models behind one `predict_proba`.

    models: of any kind, with `predict_proba` and the same classes in the same order. A model that numbers its classes
        0, 1, … (scikit-learn's do, on a 0/1 table) is taken at its word.
    multi_label: True if they give a probability per label, False if their rows add up to 1.
    weights: one per model, not negative; None: all the same. `tune` finds them on validation rows.

    >>> from textclf_lesson.models import baselines
    >>> texts, y = ["a good film", "a bad film", "good", "bad"], [1, 0, 1, 0]
    >>> members = [baselines.pipeline(features).fit(texts, y) for features in ("bow", "char")]
    >>> Ensemble(members, multi_label=False).predict_proba(["so good"]).argmax(axis=1).tolist()
    [1]
    """

    def __init__(self, models: Sequence[Any], multi_label: bool, weights: Sequence[float] | None = None):
        models = list(models)
        orders = [list(map(str, getattr(model, "classes_", []))) for model in models]
        named = [order for order in orders if order != [str(place) for place in range(len(order))]]
        if len({len(order) for order in orders}) > 1 or any(order != named[0] for order in named):
            raise ValueError(f"Members disagree about the classes or their order: {orders}.")
        self.models = models
        self._labels = named[0] if named else None
        self.multi_label = multi_label
        self.weights = weights

    def logits(self, texts: Iterable[str]) -> np.ndarray:
        """Averaged logits, shape (texts, classes)."""
        texts = check_texts(texts)
        return average_logits([to_logits(model, texts, self.multi_label) for model in self.models], self.weights)

    def predict_proba(self, texts: Iterable[str]) -> np.ndarray:
        """Probabilities, shape (texts, classes)."""
        logits = self.logits(texts)
        return expit(logits) if self.multi_label else softmax(logits, axis=1)

    def tune(self, texts: Iterable[str], y: Any) -> Self:
        """Choose weights that add up to 1, by the log-likelihood of validation rows that no member has learned from.

        y: a 0/1 table (texts, labels) if multi-label, else the position of each text's class. Named columns must be the
        members' labels, and find them by name.
        """
        check_same_rows(texts=texts, labels=y)
        texts = check_texts(texts)
        if self.multi_label:
            y = check_label_table(y, texts, self._labels, known="the members have").to_numpy()
        members = [to_logits(model, texts, self.multi_label) for model in self.models]
        self.weights = best_weights(members, y, self.multi_label)
        return self


def best_weights(logits: Sequence[Any], y: Any, multi_label: bool) -> np.ndarray:
    """The weights, not negative and adding up to 1, whose average has the lowest negative log-likelihood on y.

    The loss is convex in the weights, so there is one best answer. Columns with names find each other by name. Raises
    ValueError if there are no rows, names differ, or y is neither 0 or 1 in the shape of the logits (multi-label) nor
    the position of a class for each row.
    """
    members, truth = np.stack(_members(logits)), y
    check_same_rows(y=y, **{f"member {at}": member for at, member in enumerate(_list(logits))})
    y = align_tables({"y": y})[0] if is_table(y) else np.asarray(y)
    if y.shape != (members.shape[1:] if multi_label else members.shape[1:2]):
        raise ValueError(f"y of shape {y.shape} does not fit logits of shape {members.shape[1:]}.")
    if not y.size:
        raise ValueError("There are no rows to choose weights on: pass validation rows.")
    if multi_label:
        *members, y = _members([*_list(logits), truth])
    members = np.stack(members)
    highest = 1 if multi_label else members.shape[2] - 1
    if not np.isin(y, np.arange(highest + 1)).all():
        raise ValueError(f"y must hold whole numbers from 0 to {highest}: a label's 0 or 1, or a class's position.")
    y = y.astype(int)
    loss: Callable = _binary_loss if multi_label else _class_loss
    even = np.full(len(members), 1 / len(members))
    found = minimize(
        lambda weights: loss(np.tensordot(weights, members, axes=1), y),
        even,
        bounds=[(0, 1)] * len(members),
        constraints={"type": "eq", "fun": lambda weights: weights.sum() - 1},
        method="SLSQP",
    )
    return np.clip(found.x, 0, 1) / np.clip(found.x, 0, 1).sum()


def _list(logits: Any) -> list:
    return list(logits.values() if isinstance(logits, Mapping) else logits)


def _members(logits: Any) -> list[np.ndarray]:
    """The members' logits, their columns in one order."""
    tables = _list(logits)
    if len(tables) and all(map(is_table, tables)):
        members = align_tables({f"member {at}": table for at, table in enumerate(tables)})
    else:
        members = [_numbers(member, "logits") for member in tables]
    if len({member.shape for member in members}) != 1:
        raise ValueError(f"Members need logits of one shape, not {[member.shape for member in members]}.")
    return members


def _numbers(values: Any, what: str) -> np.ndarray:
    try:
        return np.asarray(values, dtype=float)
    except (TypeError, ValueError) as error:
        raise ValueError(f"The {what} must be numbers: {error}.") from None


def _binary_loss(logits: np.ndarray, y: np.ndarray) -> float:
    return float(np.logaddexp(0, np.where(y == 1, -logits, logits)).mean())


def _class_loss(logits: np.ndarray, y: np.ndarray) -> float:
    return float(-log_softmax(logits, axis=1)[np.arange(len(y)), y].mean())
