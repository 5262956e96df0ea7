"""From probabilities of several labels to yes and no: a threshold for each label, chosen on validation rows."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from textclf_lesson.base.inputs import (
    check_label_table,
    check_names,
    check_probabilities,
    check_same_rows,
    check_thresholds,
)

DEFAULT = 0.5


@dataclass(frozen=True)
class Thresholds:
    """A threshold for each label, 0 to 1: from this probability up it is a yes. `tune` chooses them.

    by_label: a dict; `thresholds["toxic"]` is one of them. Raises ValueError if one is not a number from 0 to 1.

    >>> Thresholds({"toxic": 0.4, "threat": 0.1}).apply([[0.5, 0.05]]).tolist()
    [[1, 0]]
    """

    by_label: dict[str, float]

    def __post_init__(self) -> None:
        labels = check_names(self.by_label, "the thresholds")
        values = check_thresholds(self.by_label, labels).tolist()
        object.__setattr__(self, "by_label", dict(zip(labels, values, strict=True)))

    def __getitem__(self, label: str) -> float:
        return self.by_label[label]

    def apply(self, probabilities: Any) -> np.ndarray:
        """0 or 1 for each probability, shape (rows, labels). Raises ValueError as `check_probabilities` does, and for
        named columns in another order: the result has no names, so its order must be that of what was passed."""
        labels = list(self.by_label)
        return (check_probabilities(probabilities, labels, reorder=False) >= [*self.by_label.values()]).astype(int)

    def to_dict(self) -> dict[str, float]:
        """For JSON: what a service needs beside the model. `Thresholds.from_dict` reads it."""
        return dict(self.by_label)

    @classmethod
    def from_dict(cls, by_label: dict[str, float]) -> Self:
        """Raises ValueError if a threshold is not a number from 0 to 1."""
        return cls(dict(by_label))


def tune(
    y_true: Any,
    probabilities: Any,
    labels: Sequence[str],
    min_support: int = 20,
) -> Thresholds:
    """For each label the threshold with the highest F1 on these rows: of validation, never of the test.

    y_true: 0 or 1, probabilities: 0 to 1, both of shape (rows, labels); columns with names
    find their label by name. Thresholds lie half-way between two neighbouring probabilities; of
    several equally good ones the highest is taken.

    A label with fewer than `min_support` positives or negatives keeps 0.5, and a UserWarning
    names it: on so few rows the best threshold is luck. Raises ValueError for another shape, other
    names or pandas indexes, truth other than 0 and 1, NaN, or no probabilities.
    """
    labels = check_names(labels)
    check_same_rows(truth=y_true, probabilities=probabilities)
    probabilities = check_probabilities(probabilities, labels)
    known = {"what": "truth", "known": "asked for are"}
    truth = check_label_table(y_true, probabilities, labels, **known).to_numpy()
    best, few = {}, []
    for label, is_yes, scores in zip(labels, truth.T, probabilities.T, strict=True):
        support = min(is_yes.sum(), len(is_yes) - is_yes.sum())
        if support < min_support:
            few.append(f"{label} ({support})")
        best[label] = DEFAULT if support < min_support else _best_threshold(is_yes, scores)
    if few:
        warnings.warn(
            f"Too few rows to tune on, fewer than {min_support} of a kind: {', '.join(few)}. They keep {DEFAULT}.",
            stacklevel=2,
        )
    return Thresholds(best)


def _best_threshold(is_yes: np.ndarray, scores: np.ndarray) -> float:
    """Go down through the scores: with each, one row more is called a yes."""
    order = np.argsort(-scores, kind="stable")
    scores, hits, predicted = scores[order], np.cumsum(is_yes[order]), np.arange(1, len(scores) + 1)
    f1 = 2 * hits / (predicted + is_yes.sum())
    last = np.append(scores[:-1] != scores[1:], True)  # rows with the same score fall on the same side
    best = np.argmax(np.where(last, f1, -1))
    below = scores[best + 1] if best + 1 < len(scores) else 0.0
    middle = (scores[best] + below) / 2
    return float(middle if middle > below else scores[best])
