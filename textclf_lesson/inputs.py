"""The questions every level asks of its input, and the sentence it answers with when something is wrong."""

import difflib
from collections.abc import Collection, Iterable, Mapping, Sequence
from numbers import Integral, Real
from typing import Any

import numpy as np
import pandas as pd

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
    there are no labels, lengths differ, one is missing (None, NaN) or not allowed, or all are the same.
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


def check_label_table(y: Any, texts: list[str], allowed: list | None = None) -> pd.DataFrame:
    """Labels of a multi-label set as a table of 0 and 1, shape (texts, labels), its columns named by the labels.

    y: a DataFrame, array or list of rows. Raises ValueError if it has another shape, other columns than `allowed`, or
    holds something else than 0 and 1, the first such place named.
    """
    table = y if isinstance(y, pd.DataFrame) else pd.DataFrame(np.asarray(y)) if np.ndim(y) == 2 else None
    if table is None or not len(table.columns):
        raise ValueError(
            "Several labels need a table of 0 and 1, one row per text and one column per label; "
            f"labels has the shape {np.shape(y)}. For one label per text: problem_type='single_label_classification'."
        )
    if len(table) != len(texts):
        raise ValueError(f"{len(texts)} texts but {len(table)} rows of labels: pass one row for each text.")
    if allowed is not None and list(table.columns) != allowed:
        raise ValueError(f"The labels are {list(table.columns)}, but training had {allowed}: use the same columns.")
    for name, column in table.items():
        wrong = np.flatnonzero(~column.isin([0, 1]))
        if len(wrong):
            raise ValueError(f"Row {wrong[0]} has {name} = {column.iloc[wrong[0]]}, which is neither 0 nor 1.")
    return table


def check_probabilities(probabilities: Any, labels: Sequence[str], rows: int | None = None) -> np.ndarray:
    """Probabilities of several labels as an array of float64, shape (rows, labels).

    `rows` is how many rows there must be, if given. Raises ValueError for another shape, a DataFrame with other columns
    than `labels`, NaN, or a value outside 0 to 1, the first such place named.
    """
    if hasattr(probabilities, "columns") and list(probabilities.columns) != list(labels):
        raise ValueError(f"The probabilities are of {list(probabilities.columns)}, the labels {list(labels)}.")
    table = np.asarray(probabilities, dtype=np.float64)
    if table.ndim != 2 or table.shape[1] != len(labels) or len(table) != (len(table) if rows is None else rows):
        need = f"({'rows' if rows is None else rows}, {len(labels)})"
        raise ValueError(f"Probabilities have the shape {table.shape}; {need} is needed, a column for each label.")
    wrong = np.argwhere(~((table >= 0) & (table <= 1)))  # NaN is neither
    if len(wrong):
        row, column = wrong[0]
        raise ValueError(
            f"Row {row} has {labels[column]} = {table[row, column]:g}, which is no probability (0 to 1; {_ROWS}). "
            "If these are logits, take their sigmoid first, or call predict_proba."
        )
    return table


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
        return str(value)
    if _is_missing(value):
        raise ValueError(f"Row {row} of labels is missing ({value}; {_ROWS}): drop such rows or label them.")
    if isinstance(value, Integral | np.bool_) or (isinstance(value, Real) and float(value).is_integer()):
        return int(value)
    if isinstance(value, list | tuple | np.ndarray):
        raise TypeError(f"Row {row} of labels is of type {_kind(value)} ({_ROWS}): only one label per text fits here.")
    raise TypeError(
        f"Row {row} of labels is of type {_kind(value)}, neither a name nor a whole number: {_short(value)}"
    )


def _check_allowed(labels: list, allowed: list) -> None:
    known = set(allowed)
    for row, label in enumerate(labels):
        if label not in known:
            near = difflib.get_close_matches(str(label), map(str, allowed), n=1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
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
