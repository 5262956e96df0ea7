"""Cells of a user's table as labels: names, numbers, lists in a cell, or one column of 0 and 1 for each label."""

import ast
import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from numbers import Integral, Real
from typing import Any

import numpy as np
import pandas as pd

from textclf_lesson.base.errors import DataError
from textclf_lesson.data.ledger import Ledger

_ZERO_ONE = {"0": 0, "0.0": 0, "false": 0, "no": 0, "1": 1, "1.0": 1, "true": 1, "yes": 1}
_WHOLE = re.compile(r"[+-]?\d+(\.0*)?")

_ITEM = r"""'[^'\\]*'|"[^"\\]*"|[-+]?\d[\d.]*"""
_ARRAY = re.compile(rf"\[\s*(?:{_ITEM})(?:\s+(?:{_ITEM}))+\s*\]")  # ['a' 'b'], as NumPy prints an array
_LISTS = list | tuple | set | frozenset | np.ndarray

_MANY = 20  # from this many rows on, a column in which most values differ is not a column of classes


def targets(
    cells: pd.DataFrame,
    several: bool,
    names: Mapping | Sequence[str] | None,
    separator: str | None,
    reserved: set[str],
    ledger: Ledger,
) -> tuple[pd.DataFrame, list[str] | None, list[str]]:
    """Labels as whole numbers, the classes they count, and notes.

    cells: the label columns, one of classes or (`several`) one of 0 and 1 for each label. reserved: what no label may
    be called. Rows whose labels cannot be read are put aside in `ledger`.

    Returns a table with the column `label` and the classes in order; or, for several labels a text, a column of 0 and
    1 for each, and None. Raises DataError where no label column can come of it.
    """
    if several:
        if names is not None:
            raise DataError("names= is for labels in one column; columns of 0 and 1 are called by their own names.")
        table, reasons = one_hot(cells)
        ledger.reject(reasons)
        ledger.left(table)
        return table, None, []
    column = cells.columns[0]
    cells = cells[column]
    if in_lists(ledger.left(cells), separator):
        return _multi_label(cells, names, separator, reserved, ledger)
    return _single_label(cells, column, names, ledger)


def _single_label(
    cells: pd.Series, column: str, names: Mapping | Sequence[str] | None, ledger: Ledger
) -> tuple[pd.DataFrame, list[str], list[str]]:
    texts = cells.map(written).astype(object)
    ledger.reject_where(cells.map(lambda cell: isinstance(cell, Mapping | bytes)), f"{column} is no name or number")
    ledger.reject_where(texts.isna(), f"{column} is missing")
    used = ledger.left(texts)
    if names is None and len(used) >= _MANY and used.nunique() > len(used) / 2:
        raise DataError(
            f"{ledger.where}: {column} has {used.nunique():,} different values in {len(used):,} rows, such as "
            f"{used.iloc[0][:30]!r}: that is not a column of classes. Choose another, or put scores into classes first."
        )
    class_of, classes = _renaming(names, set(used))
    number_of = {text: classes.index(name) for text, name in class_of.items()}
    ledger.reject_where(texts.notna() & ~texts.isin(set(class_of)), f"{column} is not among the names given")
    ledger.left(texts)
    return (
        pd.DataFrame({"label": texts.map(number_of).fillna(-1).astype(int)}),
        classes,
        [*_alike(classes), *_perhaps_lists(classes)],
    )


def _multi_label(
    cells: pd.Series, names: Mapping | Sequence[str] | None, separator: str | None, reserved: set[str], ledger: Ledger
) -> tuple[pd.DataFrame, None, list[str]]:
    found, reasons = lists(cells, separator)
    ledger.reject(reasons)
    width = _width_of_vectors(ledger.left(cells))
    if width:
        raise DataError(
            f"{ledger.where}: each cell is a vector of {width} numbers, 0 or 1, not a list of names. Make a column for "
            "each label: table[names] = table[column].tolist(); then labels=names."
        )
    class_of, classes = _renaming(names, {item for items in ledger.left(found) for item in items})
    ledger.reject_where(
        found.map(lambda items: not set(items) <= set(class_of)), "a label is not among the names given"
    )
    ledger.left(found)
    if reserved & set(classes):
        taken = min(reserved & set(classes))
        raise DataError(f"{ledger.where}: a label is called {taken!r}, as a column of the result: rename it by names=.")
    chosen = [{class_of.get(item) for item in items} for items in found]
    table = pd.DataFrame({name: [int(name in own) for own in chosen] for name in classes}, index=cells.index)
    separated = [cell for cell in cells if _separated(cell, separator) and not is_list(cell)]
    note = [f"cells like {separated[0][:40]!r} are lists of labels, with separator=None one name"] if separated else []
    return table, None, [*_alike(classes), *note]


def _perhaps_lists(classes: list[str]) -> list[str]:
    """A note if some names are others with commas between: then the cells may be lists."""
    for name in classes:
        parts = [part.strip() for part in re.split("[,;]", name)]
        if len(parts) > 1 and set(parts) <= set(classes):
            return [f"the label {name!r} looks like a list of others, if it is one: separator={name[len(parts[0])]!r}"]
    return []


def without_absent(table: pd.DataFrame, classes: list[str], used: pd.Index) -> tuple[pd.DataFrame, list[str]]:
    """Labels and classes without the classes that no row in use has."""
    present = sorted(set(table.loc[used, "label"]))
    new = {old: number for number, old in enumerate(present)}
    return pd.DataFrame({"label": table["label"].map(new).fillna(-1).astype(int)}), [classes[old] for old in present]


def _alike(classes: list[str]) -> list[str]:
    count = Counter(name.lower() for name in classes)
    twins = [name for name in classes if count[name.lower()] > 1]
    return [f"the labels {', '.join(twins[:6])} differ in case alone"] if twins else []


def written(cell: Any) -> str | None:
    """A cell as text without white space around it, or None if it is missing: None, NaN, "", "nan"."""
    if isinstance(cell, str):
        text = cell.strip()
        return None if text.lower() in ("", "nan") else text
    if cell is None or cell is pd.NA or cell is pd.NaT or (isinstance(cell, Real) and cell != cell):
        return None
    if isinstance(cell, bool | np.bool_):
        return str(bool(cell)).lower()
    return str(int(cell)) if isinstance(cell, Integral) else str(cell).strip()


def one_hot(cells: pd.DataFrame) -> tuple[pd.DataFrame, pd.Series]:
    """Columns of 0 and 1 (or yes and no, true and false) as whole numbers, and why a row is not ("" where it is)."""
    reasons = pd.Series("", index=cells.index, dtype=object)
    table = pd.DataFrame(0, index=cells.index, columns=cells.columns)
    for name in cells:
        texts = cells[name].map(written)
        values = texts.map(lambda text: _ZERO_ONE.get(text.lower(), -1) if isinstance(text, str) else -2).astype(int)
        reasons = reasons.where((reasons != "") | (values != -2), f"{name} is missing")
        reasons = reasons.where((reasons != "") | (values != -1), f"{name} is neither 0 nor 1")
        table[name] = values
    return table, reasons


def is_list(cell: Any) -> bool:
    """Whether a cell holds a list, as such or as JSON or Python write one."""
    return isinstance(cell, _LISTS) or isinstance(_parsed(cell), list)


def in_lists(cells: pd.Series, separator: str | None) -> bool:
    """Whether the cells of a label column hold lists: as such, as JSON, or as names between separators."""
    return any(is_list(cell) or _separated(cell, separator) for cell in cells)


def _separated(cell: Any, separator: str | None) -> bool:
    return separator is not None and isinstance(cell, str) and separator in cell


def _parsed(cell: Any) -> Any:
    text = cell.strip() if isinstance(cell, str) else ""
    if text.startswith("[") and text.endswith("]"):
        if _ARRAY.fullmatch(text):  # Python would take 'a' 'b' for one string
            return [item.strip("'\"") for item in re.findall(_ITEM, text)]
        for read in (lambda: json.loads(text, parse_int=str, parse_float=str), lambda: ast.literal_eval(text)):
            try:
                return read()
            except (ValueError, SyntaxError, RecursionError, MemoryError):
                continue
    return None


def lists(cells: pd.Series, separator: str | None) -> tuple[pd.Series, pd.Series]:
    """The labels of each cell as a list of texts, each once, and why a row has none ("" where it has)."""
    found, reasons = [], []
    for cell in cells:
        items = list(cell) if isinstance(cell, _LISTS) else _parsed(cell)
        reason = ""
        if items is None and written(cell) is not None:
            items = str(cell).split(separator) if separator else [cell]
        if items is None:
            reason = "the labels are missing (write [] where none applies)"
        elif any(isinstance(item, _LISTS | Mapping) for item in items):
            reason = "a label is itself a list"
        reasons.append(reason)
        items = None if reason else items
        found.append(list(dict.fromkeys(filter(None, map(written, items or [])))))
    return pd.Series(found, cells.index, dtype=object), pd.Series(reasons, cells.index, dtype=object)


def _width_of_vectors(cells: pd.Series) -> int:
    """How long the cells are if all are vectors of 0 and 1, in which a number stands twice; else 0."""
    rows = [list(cell) if isinstance(cell, _LISTS) else _parsed(cell) for cell in cells]
    if not all(isinstance(row, list) for row in rows) or len(set(map(len, rows))) != 1:
        return 0
    bits = [[_ZERO_ONE.get(str(written(item))) for item in row] for row in rows]
    twice = any(len(set(row)) < len(row) for row in bits)
    return len(bits[0]) if twice and all(bit is not None for row in bits for bit in row) else 0


def whole(texts: Iterable[str]) -> dict[str, str]:
    """How to write labels: "1.0" as "1" if all are whole numbers; others stay as they are."""
    texts = list(texts)
    if all(_WHOLE.fullmatch(text) for text in texts):
        return {text: text.partition(".")[0] for text in texts}
    return {text: text for text in texts}


def ordered(labels: set[str]) -> list[str]:
    """Labels in their order: by value where all are numbers, else by the alphabet."""
    try:
        return sorted(labels, key=lambda label: (float(label), label))
    except ValueError:
        return sorted(labels)


def _renaming(names: Mapping | Sequence[str] | None, labels: set[str]) -> tuple[dict[str, str], list[str]]:
    """For each label as it stands in the table its class, and the classes in order; a label without one is left out.

    names: `{label in the table: class}`; or a list, whose items are those in the table, or those of 0, 1, 2 …
    """
    how = whole(labels)
    if names is None:
        return how, ordered(set(how.values()))
    if isinstance(names, Mapping):
        pairs = {str(written(cell)): str(name) for cell, name in names.items()}
        short = whole(pairs)
        given = {short[cell]: name for cell, name in pairs.items()} | pairs
    elif isinstance(names, str) or not all(isinstance(name, str) for name in names):
        raise DataError(f"names={names!r} is no list of names: give names=['clean', 'toxic'], or {{'0': 'clean', …}}.")
    else:
        cells = names if labels & set(names) else map(str, range(len(names)))
        given = dict(zip(cells, names, strict=True))
    twice = [name for name, n in Counter(names if not isinstance(names, Mapping) else []).items() if n > 1]
    if twice:
        raise DataError(f"names= holds {twice[0]!r} twice: each class needs a name of its own.")
    class_of = {text: given.get(text, given.get(short_text)) for text, short_text in how.items()}
    return {text: name for text, name in class_of.items() if name}, list(dict.fromkeys(given.values()))
