"""The questions every level asks of its input, and the sentence it answers with when something is wrong."""

from collections.abc import Collection, Iterable, Mapping
from numbers import Integral, Rational, Real
from typing import Any

import numpy as np

from textclf_lesson.base.hints import did_you_mean
from textclf_lesson.base.label_tables import (
    align_tables,
    check_label_table,
    check_names,
    check_probabilities,
    check_same_rows,
    check_scores,
    check_thresholds,
    is_table,
)

__all__ = [
    "align_tables",
    "check_label_table",
    "check_labels",
    "check_names",
    "check_probabilities",
    "check_same_rows",
    "check_scores",
    "check_texts",
    "check_thresholds",
    "is_table",
    "plain",
    "positive_number",
    "whole_number",
]

_ROWS = "rows count from 0"


def check_texts(texts: Iterable[str]) -> list[str]:
    """Return the texts as a list of non-blank strings, unchanged and in order.

    `texts` is a list, tuple, generator, one-dimensional array, pandas Series or `datasets` column.

    Raises TypeError if it is one string, a whole table, or holds something else than strings; ValueError if there
    is no text at all, or one is missing (None, NaN) or blank. The message names the first such row.
    """
    if isinstance(texts, str | bytes):
        raise TypeError(f"texts is one {_kind(texts)}, not a list of texts: write [text] to pass a single one.")
    rows = _rows(texts, "texts", "text")
    for row, text in enumerate(rows):
        if not isinstance(text, str):
            if _is_missing(text):
                raise ValueError(f"Row {row} of texts is missing ({text}; {_ROWS}): drop such rows or fill them.")
            raise TypeError(f"Row {row} of texts is of type {_kind(text)}, not a string ({_ROWS}): {_short(text)}")
        if not text or text.isspace():
            blank = sum(isinstance(other, str) and not other.strip() for other in rows)
            raise ValueError(f"Row {row} of texts is blank ({blank} in all; {_ROWS}): there is nothing to classify.")
    if not rows:
        raise ValueError("There is no text: texts is empty. Check the filter or the split it comes from.")
    return rows


def check_labels(
    y: Iterable[Any],
    texts: Collection[str] | None = None,
    allowed: Iterable[Any] | None = None,
    at_least: int = 2,
) -> np.ndarray:
    """Return the labels, one per text, as a one-dimensional array of whole numbers or of strings.

    `texts` must be as many as the labels, if given; `allowed` are the labels there may be; `at_least` is how many
    different ones there must be (2 to train a classifier, 1 to score one).

    Raises TypeError if a label is neither a name nor a whole number, or names and numbers are mixed; ValueError if
    there are no labels, lengths differ, one is missing (None, NaN, blank) or not allowed, or all are the same.
    """
    if y is None or isinstance(y, str | bytes | Real):
        raise TypeError(f"labels is one {_kind(y)}, not a list of labels: pass one label for each text.")
    rows = _rows(y, "labels", "label")
    if texts is not None and len(rows) != len(texts):
        raise ValueError(f"{len(texts)} texts but {len(rows)} labels: pass one label for each text.")
    labels = [_label(row, value) for row, value in enumerate(rows)]
    kinds = {isinstance(label, str) for label in labels}
    if len(kinds) > 1:
        other = next(row for row, label in enumerate(labels) if isinstance(label, str) != isinstance(labels[0], str))
        raise TypeError(f"labels mix names and numbers: row 0 is {labels[0]!r}, row {other} {labels[other]!r}.")
    if allowed is not None:
        _check_allowed(labels, list(allowed))
    if not labels:
        raise ValueError("There are no labels: labels is empty. Check the filter or the split it comes from.")
    if len(set(labels)) < at_least:
        raise ValueError(
            f"All {len(labels)} labels are {labels[0]!r}: it takes at least {at_least} classes to learn a difference. "
            "Check the filter or the split."
        )
    return np.array(labels)


def plain(value: Any) -> Any:
    """NumPy's numbers, strings and truth values as Python's own, a Fraction as float; inside lists, tuples, dicts too.

    Settings come as NumPy's from grids and random searches. They pass for numbers until something else is asked to take
    them: JSON, a C++ library, a check for `int`.
    """
    if isinstance(value, np.generic) or (isinstance(value, np.ndarray) and value.ndim == 0):
        return value.item()
    if isinstance(value, Rational) and not isinstance(value, Integral):
        return float(value)
    if isinstance(value, dict):
        return {plain(key): plain(entry) for key, entry in value.items()}
    return type(value)(map(plain, value)) if type(value) in (list, tuple) else value


def whole_number(name: str, value: Any, at_least: int = 1) -> int:
    """A setting as Python's int. Raises ValueError, with its name, if it is not a whole number or below `at_least`."""
    if not isinstance(value, Integral) or isinstance(value, bool) or value < at_least:
        raise ValueError(f"{name}={plain(value)!r} does not fit: it must be a whole number from {at_least} up.")
    return int(value)


def positive_number(name: str, value: Any) -> float:
    """A setting as Python's float. Raises ValueError, with its name, if it is not a finite number above 0."""
    if not isinstance(value, Real) or isinstance(value, bool) or not 0 < value < float("inf"):
        raise ValueError(f"{name}={plain(value)!r} does not fit: it must be a number above 0.")
    return float(value)


def _rows(column: Any, name: str, example: str) -> list:
    """The items of a column, in Python's own types where it is an array or a Series."""
    if isinstance(column, Mapping) or hasattr(column, "column_names") or hasattr(column, "columns"):
        raise TypeError(f'{name} is a whole {_kind(column)}, not one column: choose one, like table["{example}"].')
    if isinstance(column, set | frozenset):
        raise TypeError(f"{name} is a set, which has no order: pass a list.")
    if not isinstance(column, Iterable):
        raise TypeError(f"{name} is of type {_kind(column)}, not a list.")
    if getattr(column, "ndim", 1) != 1:
        raise ValueError(f"{name} has the shape {column.shape}: one dimension is needed, one {example} per row.")
    return column.tolist() if hasattr(column, "tolist") else list(column)


def _label(row: int, value: Any) -> str | int:
    if isinstance(value, str):
        if not value.strip():
            raise ValueError(f"Row {row} of labels is blank ({_ROWS}): drop such rows or label them.")
        return str(value)
    if _is_missing(value):
        raise ValueError(f"Row {row} of labels is missing ({value}; {_ROWS}): drop such rows or label them.")
    if isinstance(value, Integral | np.bool_) or (isinstance(value, Real) and float(value).is_integer()):
        return int(value)
    if isinstance(value, list | tuple | set | frozenset | np.ndarray):
        raise TypeError(
            f"Row {row} of labels is of type {_kind(value)} ({_ROWS}): only one label per text fits here. For several, "
            "sklearn.preprocessing.MultiLabelBinarizer makes a table of 0 and 1."
        )
    raise TypeError(
        f"Row {row} of labels is of type {_kind(value)}, neither a name nor a whole number: {_short(value)}"
    )


def _check_allowed(labels: list, allowed: list) -> None:
    known = set(allowed)
    for row, label in enumerate(labels):
        if label not in known:
            hint = did_you_mean(label, allowed)
            some = ", ".join(map(repr, allowed[:10])) + (", …" if len(allowed) > 10 else "")
            raise ValueError(f"Row {row} has the label {label!r}, which is not in the set.{hint} Allowed: {some}.")


def _is_missing(value: Any) -> bool:
    """None, NaN, pandas' NA and NaT: all that is not equal to itself, or refuses to say."""
    return value is None or type(value).__name__ == "NAType" or (np.isscalar(value) and value != value)


def _kind(value: Any) -> str:
    return type(value).__name__


def _short(value: Any) -> str:
    shown = repr(value)
    return shown if len(shown) <= 60 else shown[:57] + "…"
