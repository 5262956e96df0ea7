"""Tables with a column for each label: truth, predictions, probabilities, logits, thresholds. `inputs` is their door.

One rule holds for all. Columns that have names are put into the order of the labels by their names, and a table with
other names is refused: a wrong order gives wrong numbers, and no error. Arrays and lists have no names and are taken in
the order of the labels; so is `pd.DataFrame(array)`, whose columns pandas has merely counted. Names are compared as
text: a CSV file makes "1" of 1.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations
from numbers import Real
from typing import Any

import numpy as np
import pandas as pd

ROUNDING = 1e-6  # so far beyond 0 or 1 a probability is rounding (float32 of 1.0000001), and is put back
_ROWS = "rows count from 0"
_BINARISER = (
    "for lists of labels, sklearn.preprocessing.MultiLabelBinarizer makes a table: "
    "pd.DataFrame(binariser.fit_transform(labels), columns=binariser.classes_)"
)


def is_table(y: Any) -> bool:
    """Whether `y` has rows and columns, of whatever kind: a DataFrame, a matrix, an Arrow table, rows as lists."""
    if isinstance(y, Mapping) or hasattr(y, "columns") or hasattr(y, "column_names"):
        return True
    if hasattr(y, "ndim"):
        return y.ndim == 2 or bool(getattr(getattr(y, "dtype", None), "names", None))
    rows = list | tuple | np.ndarray | Mapping | pd.Series
    return isinstance(y, list | tuple) and len(y) > 0 and isinstance(y[0], rows)


def check_names(labels: Iterable[Any], what: str = "labels") -> list:
    """The names of labels as a list.

    Raises TypeError for a single string, ValueError if there are none, one is blank or missing, or two are alike.

    Names are alike if they read alike: 1 and "1" would be one key of a JSON file.
    """
    if isinstance(labels, str | bytes) or not isinstance(labels, Iterable):
        raise TypeError(f"{what} is one {type(labels).__name__}, not a list of names: write [{labels!r}].")
    names = list(labels)
    if not names:
        raise ValueError(f"There is no name in {what}: pass one for each column.")
    if blank := [at for at, name in enumerate(names) if np.any(pd.isna(name)) or not str(name).strip()]:
        raise ValueError(f"Name {blank[0]} of {what} is blank or missing (names count from 0): give it one.")
    if twice := [name for name, count in Counter(map(str, names)).items() if count > 1]:
        raise ValueError(f"{twice[0]!r} occurs twice in {what} (1 and '1' read alike): give each its own name.")
    return names


def check_label_table(
    y: Any,
    texts: Any = None,
    allowed: Iterable[Any] | None = None,
    *,
    what: str = "labels",
    known: str = "training had",
) -> pd.DataFrame:
    """Labels of a multi-label set as a table of whole numbers 0 and 1, shape (texts, labels), columns named by labels.

    y: a DataFrame, array, sparse matrix, Arrow table, dict of columns or list of rows. texts: what has as many rows, if
    given; one with another index is refused (see `check_same_rows`). allowed: the labels there must be; the columns
    come back in their order. what, known: how messages call `y` and where `allowed` comes from.

    Raises ValueError if it has another shape, two columns of one name, other columns than `allowed`, or holds something
    else than 0 and 1, the first such place named.
    """
    frame, named = _frame(y, what)
    if texts is not None and len(frame) != len(texts):
        raise ValueError(f"{len(texts)} texts but {len(frame)} rows of labels: pass one row for each text.")
    check_same_rows(**{"texts": texts, what: y})
    if allowed is not None:
        frame = _order(frame, named, check_names(allowed), what, known)
    values = {}
    for at, name in enumerate(frame.columns):
        column = frame.iloc[:, at].to_numpy()
        is_known = np.isin(column, (0, 1)) if column.dtype.kind in "biuf" else np.array([*map(_is_bit, column)], bool)
        if not is_known.all():
            row = int(np.argmin(is_known))
            where = f"Row {row}" if what == "labels" else f"Row {row} of {what}"
            raise ValueError(f"{where} has {name} = {_shown(column[row])}, which is neither 0 nor 1.")
        values[at] = column.astype(np.int64)
    return pd.DataFrame(values, index=frame.index).set_axis(frame.columns, axis=1)


def check_probabilities(
    probabilities: Any, labels: Iterable[Any], rows: int | None = None, *, reorder: bool = True
) -> np.ndarray:
    """Probabilities of several labels as an array of float64, shape (rows, labels), columns in the order of `labels`.

    rows: how many there must be, if given. reorder: False refuses named columns in another order, for a result that
    has no names itself. A value up to 1e-6 outside 0 to 1 is rounding and becomes 0 or 1.

    Raises ValueError for another shape, other columns than `labels`, NaN, or a value outside 0 to 1, the first such
    place named.
    """
    labels = check_names(labels)
    frame, named = _frame(probabilities, "probabilities")
    if (not named and frame.shape[1] != len(labels)) or len(frame) != (len(frame) if rows is None else rows):
        need = f"({'rows' if rows is None else rows}, {len(labels)})"
        raise ValueError(f"Probabilities have the shape {frame.shape}; {need} is needed, a column for each label.")
    if named and not reorder and [*map(str, frame.columns)] != [*map(str, labels)]:
        raise ValueError(
            f"The probabilities are of {list(frame.columns)}, the labels {labels}: the result has no names, so put the "
            "columns into this order first."
        )
    frame = _order(frame, named, labels, "probabilities", "the labels are")
    return _within_0_and_1(_floats(frame, "probabilities"), labels)


def check_thresholds(thresholds: Any, labels: Iterable[Any]) -> np.ndarray:
    """A threshold for each label as an array of float64, shape (labels,), in the order of `labels`.

    thresholds: one number for all, one for each label, or by name: a dict, a Series, `thresholds.Thresholds`.

    Raises ValueError for another number of them, other names than `labels`, or a value that is not from 0 to 1.
    """
    labels = check_names(labels)
    given = getattr(thresholds, "by_label", thresholds)
    counted = isinstance(given, pd.Series) and _counts_from_0(given.index)
    if isinstance(given, pd.Series) and not (counted and {*map(str, given.index)} != {*map(str, labels)}):
        given = dict(zip(check_names(given.index, "thresholds"), given.tolist(), strict=True))
    if isinstance(given, Mapping):
        check_names(given, "thresholds")
        by_name = {str(name): value for name, value in given.items()}
        _check_same_names(list(given), labels, "thresholds", "the labels are")
        given = [by_name[str(name)] for name in labels]
        for name, value in zip(labels, given, strict=True):
            if not (isinstance(value, Real | np.bool_) and 0 <= value <= 1):
                raise ValueError(f"The threshold of {name!r} is {value!r}, but must be a number from 0 to 1.")
    try:
        found = np.asarray(given)
        numbers = found.astype(np.float64) if found.dtype.kind in "biufO" else np.array(np.nan)
    except (TypeError, ValueError):
        numbers = np.array(np.nan)
    if numbers.shape not in ((), (len(labels),)) or not ((numbers >= 0) & (numbers <= 1)).all():
        raise ValueError(
            f"thresholds must be one number from 0 to 1, or one for each of {len(labels)} labels: {given!r}."
        )
    return np.broadcast_to(numbers, (len(labels),)).copy()


def check_scores(y_true: Any, probabilities: Any) -> tuple[np.ndarray, np.ndarray]:
    """Truth (0 or 1, int64) and probabilities (0 to 1, float64) of one label, both of shape (rows,).

    Raises ValueError if they are not columns of one length, differ in their index, or hold anything else.
    """
    check_same_rows(truth=y_true, probabilities=probabilities)
    columns = []
    for what, column in (("truth", y_true), ("probabilities", probabilities)):
        if is_table(column) or not isinstance(column, Iterable) or isinstance(column, str | bytes | Mapping):
            raise ValueError(f"The {what} of one label must be one column, shape (rows,), not {np.shape(column)}.")
        columns.append(column.tolist() if hasattr(column, "tolist") else list(column))
    if len(columns[0]) != len(columns[1]) or not columns[0]:
        raise ValueError(f"{len(columns[0])} rows of truth, {len(columns[1])} probabilities: pass as many, 1 or more.")
    true, scores = (pd.DataFrame({"the label": column}) for column in columns)
    return check_label_table(true, what="truth").to_numpy()[:, 0], check_probabilities(scores, ["the label"])[:, 0]


def align_tables(tables: Mapping[str, Any]) -> list[np.ndarray]:
    """Tables of numbers, all of one shape (rows, labels), as float64 arrays with their columns in one order.

    It is the order of the first with names. An array has none: beside one, all tables with names must have the same
    order, since nobody can tell which of them is the array's. tables: by the names that messages call them.

    Raises ValueError if shapes, names or indexes differ, names occur twice, or something is not a number.
    """
    frames = {what: _frame(table, what) for what, table in tables.items()}
    if len({frame.shape for frame, _ in frames.values()}) > 1:
        shapes = ", ".join(f"{what} {frame.shape}" for what, (frame, _) in frames.items())
        raise ValueError(f"Tables must be of one shape, (rows, labels): {shapes}.")
    check_same_rows(**tables)
    names = {what: list(frame.columns) for what, (frame, named) in frames.items() if named}
    if not names:
        return [_floats(frame, what) for what, (frame, _) in frames.items()]
    first, *others = names
    for what in others:
        _check_same_names(names[what], names[first], what, f"those of {first} are")
        if len(names) < len(frames) and [*map(str, names[what])] != [*map(str, names[first])]:
            raise ValueError(
                f"The columns of {first} are {names[first]}, of {what} {names[what]}, and another table has no names: "
                "put all into one order first."
            )
    return [
        _floats(_order(frame, named, names[first], what, f"those of {first} are"), what)
        for what, (frame, named) in frames.items()
    ]


def check_same_rows(**columns: Any) -> None:
    """Raises ValueError if two of these, tables or columns, have different pandas indexes: they are not of one row.

    An index that merely counts from 0 says nothing of where its rows come from, and passes beside any other, unless
    that one holds the same numbers in another order.
    """
    indexes = {what: column.index for what, column in columns.items() if isinstance(column, pd.DataFrame | pd.Series)}
    for (one, a), (other, b) in combinations(indexes.items(), 2):
        if len(a) != len(b) or a.equals(b):
            continue
        if (_counts_from_0(a) or _counts_from_0(b)) and Counter(a) != Counter(b):
            continue
        row = next(row for row, (x, y) in enumerate(zip(a, b, strict=True)) if x != y)
        here, there = (index[row : row + 1].tolist()[0] for index in (a, b))
        raise ValueError(
            f"The rows of {one} and {other} are not the same: row {row} has the index {here!r} in one and {there!r} "
            "in the other. Put both into one order, or, if they are, drop the index: .reset_index(drop=True)."
        )


def _frame(table: Any, what: str) -> tuple[pd.DataFrame, bool | None]:
    """The table as a DataFrame, and whether its columns have names: False if pandas counted them, None of an array."""
    if isinstance(table, list | tuple) and table and all(isinstance(row, Mapping | pd.Series) for row in table):
        table = pd.DataFrame([dict(row) for row in table])
    elif isinstance(table, Mapping) or getattr(getattr(table, "dtype", None), "names", None):
        try:
            table = pd.DataFrame(table)
        except ValueError as error:  # columns of different lengths, or no columns
            raise ValueError(f"The columns of {what} are not a table: {error}.") from None
    elif not isinstance(table, pd.DataFrame | pd.Series) and hasattr(table, "to_pandas"):  # Arrow, datasets, polars
        table = table.to_pandas()
    if isinstance(table, pd.DataFrame):
        if not len(table.columns):
            raise _no_table(what, table.shape)
        check_names(table.columns, f"the columns of {what}")
        return table, not _counts_from_0(table.columns)
    return _bare(table, what), None


def _bare(table: Any, what: str) -> pd.DataFrame:
    """An array, a tensor, a sparse matrix or rows as lists."""
    if hasattr(table, "toarray"):
        table = table.toarray()
    elif hasattr(table, "detach"):
        table = table.detach().cpu().double().numpy()
    try:
        values = np.asarray(table)
    except ValueError:
        raise ValueError(f"The rows of {what} are not equally long, so they are not a table; {_BINARISER}.") from None
    if values.ndim == 1 and any(isinstance(row, list | tuple | set | frozenset) for row in values.tolist()):
        raise ValueError(f"The rows of {what} are lists or sets, not columns; {_BINARISER}.")
    if values.ndim != 2 or not values.shape[1]:
        raise _no_table(what, values.shape)
    # NumPy makes strings of all numbers if there is one string: row by row each cell keeps its kind.
    return pd.DataFrame([list(row) for row in table] if values.dtype.kind in "US" else values)


def _no_table(what: str, shape: tuple) -> ValueError:
    if what == "probabilities":
        return ValueError(f"Probabilities have the shape {shape}; (rows, labels) is needed, a column for each label.")
    hint = " For one label per text: problem_type='single_label_classification'." if what == "labels" else ""
    return ValueError(
        f"Several labels need a table of 0 and 1, one row per text and one column per label; {what} has the shape "
        f"{shape}.{hint}"
    )


def _order(frame: pd.DataFrame, named: bool | None, labels: list, what: str, known: str) -> pd.DataFrame:
    """The columns in the order of `labels`, and named by them."""
    columns = [*map(str, frame.columns)]
    if named is None or (named is False and {*columns} != {*map(str, labels)}):
        if len(columns) != len(labels):
            raise ValueError(f"The {what} has {len(columns)} columns for {len(labels)} labels: pass one for each.")
        return frame.set_axis(labels, axis=1)
    _check_same_names(list(frame.columns), labels, what, known)
    return frame.iloc[:, [columns.index(str(name)) for name in labels]].set_axis(labels, axis=1)


def _check_same_names(columns: list, labels: list, what: str, known: str) -> None:
    lacking = [name for name in labels if str(name) not in {*map(str, columns)}]
    foreign = [name for name in columns if str(name) not in {*map(str, labels)}]
    if lacking or foreign:
        reasons = [f"{lacking[0]!r} is missing"] if lacking else []
        reasons += [f"{foreign[0]!r} is not among them"] if foreign else []
        subject = "The labels" if what == "labels" else f"The labels of {what}"
        raise ValueError(f"{subject} are {columns}, but {known} {labels}: use the same columns ({', '.join(reasons)}).")


def _counts_from_0(index: pd.Index) -> bool:
    """Whether nobody has given names: pandas counts columns and rows itself."""
    return isinstance(index, pd.RangeIndex) and index.start == 0 and index.step == 1


def _floats(frame: pd.DataFrame, what: str) -> np.ndarray:
    """The table's numbers as float64; None and NA become NaN."""
    if all(isinstance(kind, np.dtype) and kind.kind in "biuf" for kind in frame.dtypes):
        return frame.to_numpy(dtype=np.float64)
    for at, name in enumerate(frame.columns):
        for row, value in enumerate(frame.iloc[:, at]):
            is_number = np.isscalar(value) or value is None or value is pd.NA
            if not is_number or isinstance(value, str | bytes | complex):
                raise ValueError(f"Row {row} of {what} has {name} = {_shown(value)}, which is not a number ({_ROWS}).")
    return frame.to_numpy(dtype=np.float64, na_value=np.nan)


def _within_0_and_1(table: np.ndarray, labels: Sequence[Any]) -> np.ndarray:
    wrong = np.argwhere(~((table >= -ROUNDING) & (table <= 1 + ROUNDING)))  # NaN is neither
    if len(wrong):
        row, column = wrong[0]
        raise ValueError(
            f"Row {row} has {labels[column]} = {table[row, column]:g}, which is not a probability (0 to 1; {_ROWS}). "
            "If these are logits, take their sigmoid first, or call predict_proba."
        )
    return np.clip(table, 0, 1)


def _is_bit(value: Any) -> bool:
    return not isinstance(value, str | bytes) and np.isscalar(value) and value in (0, 1)


def _shown(value: Any) -> str:
    """A cell as messages print it; a string or a list with its cure."""
    if isinstance(value, str):
        is_number = value.strip().lstrip("+-").replace(".", "", 1).isdecimal()
        cure = ".astype(float) makes numbers of such columns" if is_number else _BINARISER
        return f"{value[:40]!r}, a string ({cure})"
    if isinstance(value, list | tuple | set | Mapping | np.ndarray):
        return f"{str(value)[:40]}, a {type(value).__name__}"
    return f"{value:g}" if isinstance(value, float | np.floating) else str(value)
