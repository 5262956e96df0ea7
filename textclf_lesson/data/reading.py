"""Your own data in the form the course works with: `read(source)`."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from textclf_lesson.base.errors import DataError
from textclf_lesson.base.extras import needed
from textclf_lesson.base.hints import did_you_mean
from textclf_lesson.data.cards import counts
from textclf_lesson.data.files import SPLIT_NAMES, Table, arrow
from textclf_lesson.data.labels import targets, without_absent, written
from textclf_lesson.data.ledger import Ledger
from textclf_lesson.data.places import tables
from textclf_lesson.data.sharing import shared

with needed("train"):
    import datasets


class Splits(datasets.DatasetDict):
    """Splits of a user's data: a `DatasetDict` that knows which rows it could not use.

    Attributes:
        rejected: a DataFrame with a row for each row of the source that is in no split: `source`, `line` (from 1
            as an editor counts; the row from 0 for Parquet, arrays and objects; the file for a folder of texts),
            `reason`, and `row`, the cells by column name, or the line as it stands.
        notes: list of str, what one should know and `read` has printed.

    >>> table = pd.DataFrame({"text": ["A fine film.", "Dull.", "So dull.", " "], "label": ["yes", "no", "no", "no"]})
    >>> splits = read(table)
    the DataFrame: train ...; 1 rows are put aside in .rejected: 1 × the text is blank (first: row 3)...
    >>> splits.rejected["reason"].tolist()
    ['the text is blank']
    """

    rejected: pd.DataFrame
    notes: list[str]

    @property
    def counts(self) -> pd.DataFrame:
        """Rows of each label (index) in each split (columns); the first row counts all."""
        return counts(self)


def read(
    source: Any,
    text: str = "text",
    labels: str | Sequence[str] = "label",
    *,
    split: str | tuple[float, float] = (0.1, 0.1),
    names: Mapping | Sequence[str] | None = None,
    separator: str | None = "|",
    keep: Sequence[str] = (),
    member: str | None = None,
    encoding: str | None = None,
) -> Splits:
    """Read a table of your own into fixed splits, no text in two of them, with the features `load` returns.

    Every cell is read as text: an id "00000002" stays one. No row is lost: one that cannot be used (blank text, missing
    label, a line with too many cells, the same text with two different labels, a text that is in a later split)
    goes into `rejected`, and a printed line says how many there are and why.

    >>> splits = data.read("comments.csv", text="comment", labels="toxic", names=["clean", "toxic"])
    >>> splits = data.read("train.csv.zip", text="comment_text", labels=["toxic", "insult"])   # several labels a text
    >>> splits["train"]["text"][0], data.label_names(splits), splits.rejected

    Args:
        source: a CSV, TSV, JSON lines, JSON or Parquet file, also gzipped, in a zip archive, or one `member` of an
            archive or folder; a folder or archive with files named train, validation, test, or with a folder of texts
            for each class; a pandas, Arrow or `datasets` table; a list of dictionaries; a dictionary of columns; or a
            dictionary of splits, each any of these.
        text: the column of the texts.
        labels: one column: a name or a number for each text; or, for several labels a text, a list in each cell
            (a list, JSON, or "a|b"; [] where none applies). Or a list of columns, one for each label, of 0 and 1
            (or yes and no, true and false).
        split: fractions of (validation, test), taken by the hash of the text where the source does not give the split;
            or the column that names it (train, validation, test). Of given splits, a missing one is taken from train.
        names: what to call the classes: `["clean", "toxic"]` for 0 and 1, or `{"0": "clean", "1": "toxic"}`. Fixes
            their order too; a row with another label is rejected.
        separator: what stands between several labels in one cell; None if a cell is always one name.
        keep: further columns to keep, as text. A column `id` is always kept.
        member: which file of an archive or folder to read, by path, name or stem.
        encoding: of text files; needed unless they are UTF-8, or have a byte order mark.

    Returns:
        Splits `train`, `validation` and `test` with the columns `text` and `label` (ClassLabel), or a no/yes ClassLabel
        column for each label, and `id` and the columns of `keep`. Classes are ordered by name, or by number.

    Raises:
        DataError: a missing file or column, a damaged file, an unknown encoding, labels that are no classes, a single
            class, nothing to learn from. The message says what to do.
    """
    several = not isinstance(labels, str)
    label_columns = list(labels) if isinstance(labels, Sequence) and several else [labels]
    _check_columns(text, label_columns, several, keep)
    split_column = split if isinstance(split, str) else None
    fractions = (0.1, 0.1) if split_column else _fractions(split)

    needed = [text, *label_columns, *keep, *([split_column] if split_column else [])]
    parts = list(_parts(source, set(needed), member, encoding))
    found = [_columns(table, needed, "id" not in needed) for _, table in parts]
    cells = pd.concat(found, ignore_index=True)
    sizes = [len(part) for part in found]
    rows = pd.DataFrame({
        "part": np.repeat(np.arange(len(parts)), sizes),
        "place": np.concatenate([np.arange(size) for size in sizes]),
        "text": cells[text].map(_text).astype(object),
        "split": cells[split_column] if split_column else np.repeat(np.array([n for n, _ in parts], object), sizes),
    })  # fmt: skip
    ledger = Ledger(rows, [table for _, table in parts])

    ledger.reject_where(rows["text"].isna(), "the text is missing or no text")
    ledger.reject_where(rows["text"].map(lambda t: isinstance(t, str) and not t.strip()), "the text is blank")
    if split_column:
        rows["split"] = rows["split"].map(lambda cell: SPLIT_NAMES.get(str(written(cell)).lower()))
        ledger.reject_where(rows["split"].isna(), f"{split_column} names no split (train, validation, test)")
    reserved = {"text", "label", "id", *keep}
    table, classes, notes = targets(cells[label_columns], several, names, separator, reserved, ledger)
    frames = shared(rows, table, ledger, fractions, notes)
    if classes is not None and names is None:
        table, classes = without_absent(table, classes, pd.concat(frames.values()).index)
    _check_classes(frames, table, classes, ledger, notes)
    kept = cells[[name for name in ("id", *keep) if name in cells and name not in (text, *label_columns)]]
    result = _typed(frames, kept.loc[:, ~kept.columns.duplicated()], table, classes)
    return _reported(result, ledger, notes)


# -- where rows come from ----------------------------------------------------------------------------------


def _parts(source: Any, wanted: set[str], member: str | None, encoding: str | None) -> Iterator[tuple]:
    """Each table of the source with the split it stands for, or None."""
    if isinstance(source, str | Path):
        yield from tables(source, wanted, member, encoding)
    elif isinstance(source, Mapping) and source and all(str(key).lower() in SPLIT_NAMES for key in source):
        for key, part in source.items():
            for _, table in _parts(part, wanted, member, encoding):
                yield SPLIT_NAMES[key.lower()], table
    else:
        yield None, _from_object(source)


def _from_object(source: Any) -> Table:
    kind = f"the {type(source).__name__}"
    if isinstance(source, datasets.Dataset):
        return arrow(source.with_format("arrow")[:], kind, source.features)
    tables = str | Path | pd.DataFrame | datasets.Dataset
    if isinstance(source, Mapping) and any(isinstance(part, tables) for part in source.values()):
        keys = ", ".join(map(str, source))
        raise DataError(f"A dictionary of splits has the keys train, validation and test; this one has {keys}.")
    if isinstance(source, Mapping) or (isinstance(source, list) and all(isinstance(row, Mapping) for row in source)):
        try:
            source = pd.DataFrame(source, dtype=object)
        except ValueError as error:
            raise DataError(f"{kind} is not a table: {error}.") from error
    if isinstance(source, pd.DataFrame):
        rows = source.astype(object).set_axis([str(name).strip() for name in source.columns], axis="columns")
        return Table(rows.set_axis(range(len(rows))), kind, unit="row")
    if hasattr(source, "__arrow_c_stream__") and not isinstance(source, pd.Series):
        import pyarrow

        return arrow(pyarrow.table(source), kind)
    raise DataError(f"{kind} is not a table: give a path, a pandas, Arrow or datasets table, or a dict of splits.")


def _columns(table: Table, names: list[str], with_id: bool) -> pd.DataFrame:
    """The cells of the columns `names`, and of a column `id` if there is one and it is asked for."""
    extra = ["id"] if with_id and "id" in list(table.rows.columns) else []
    return pd.DataFrame({name: table.rows.iloc[:, _column(table, name)].to_numpy(object) for name in [*extra, *names]},
                        dtype=object)  # fmt: skip


def _column(table: Table, name: str) -> int:
    names = list(table.rows.columns)
    if names.count(name) == 1:
        return names.index(name)
    if name in names:
        raise DataError(f"{table.source} has {names.count(name)} columns called {name!r}: rename or delete the others.")
    if not names:
        why = f": {table.unit} {table.bad[0]['line']} is {table.bad[0]['reason']}" if table.bad else ""
        raise DataError(f"{table.source} has no row that can be used{why or ', it is empty'}.")
    guess = did_you_mean(name, names, n=2)
    shown = ", ".join(other[:40] or '""' for other in names[:12]) or "none"
    raise DataError(f"{table.source} lacks the column {name!r}.{guess} It has: {shown}.")


def _text(cell: Any) -> str | None:
    if not isinstance(cell, str):
        if isinstance(cell, bytes | list | tuple | dict | set | np.ndarray):
            return None
        cell = written(cell)
    # Half of a surrogate pair cannot be encoded, and comes from text that was split in the wrong place.
    return None if cell is None else cell.encode("utf-8", "replace").decode()


def _check_classes(
    frames: dict[str, pd.DataFrame], table: pd.DataFrame, classes: list[str] | None, ledger: Ledger, notes: list[str]
) -> None:
    used = pd.concat(frames.values())
    seen, trained = table.loc[used.index], table.loc[frames["train"].index]
    if classes is None:
        if not seen.to_numpy().any():
            some = ", ".join(map(str, table.columns[:8])) or "the labels"
            raise DataError(f"{ledger.where}: no row has any of {some}, so there is nothing to learn.")
        absent = [name for name in table if not trained[name].any()]
    else:
        if seen["label"].nunique() < 2:
            aside = f" ({ledger.summary()})" if len(ledger.rejected()) else ""
            raise DataError(
                f"{ledger.where}: all usable rows have the label {classes[seen['label'].iloc[0]]!r}, and it takes two "
                f"classes to learn{aside}."
            )
        absent = [name for number, name in enumerate(classes) if number not in set(trained["label"])]
    if absent:
        notes.append(f"train has no example of {', '.join(absent[:8])}" + (", …" if len(absent) > 8 else ""))
    if used["text"].map(lambda text: text.strip().isdigit()).all():
        notes.append("all texts are numbers, is it the right column?")


# -- in and out ------------------------------------------------------------------------------------------


def _check_columns(text: str, labels: list[str], several: bool, keep: Sequence[str]) -> None:
    if not isinstance(keep, Sequence) or isinstance(keep, str):
        raise DataError(f"keep={keep!r} is no list of names: write keep=[{keep!r}].")
    if not labels or not all(isinstance(name, str) for name in [text, *labels, *keep]):
        raise DataError(f"Columns are called by name: text={text!r}, labels={labels!r}, keep={keep!r}.")
    twice = [name for name, n in Counter([text, *labels, *keep]).items() if n > 1]
    if twice:
        raise DataError(f"The column {twice[0]!r} occurs twice among text, labels and keep: name each once.")
    taken = {"text", "label", "id"} & set(labels) if several else set()
    if taken:
        one = taken.pop()
        raise DataError(f"A label column may not be called {one!r}, as a column of the result is: rename it first.")
    if {"text", "label"} & set(keep):
        raise DataError("keep= may not name a column 'text' or 'label', as columns of the result are called.")


def _fractions(split: Any) -> tuple[float, float]:
    try:
        validation, test = map(float, split)
        fits = validation >= 0 and test >= 0 and validation + test < 1
    except (TypeError, ValueError):
        fits = False
    if not fits:
        raise DataError(f"split={split!r}: give the fractions of validation and test, (0.1, 0.1), or a column's name.")
    return validation, test


def _typed(
    frames: dict[str, pd.DataFrame], kept: pd.DataFrame, table: pd.DataFrame, classes: list[str] | None
) -> Splits:
    string, kind = datasets.Value("string"), datasets.ClassLabel(names=classes or ["no", "yes"])
    first = [name for name in kept if name == "id"]
    further = [name for name in kept if name != "id"]
    features = datasets.Features({name: string for name in [*first, "text", *further]} | {name: kind for name in table})
    result = Splits()
    for split, rows in frames.items():
        columns = {name: kept.loc[rows.index, name].map(_text).astype(object) for name in kept}
        columns |= {"text": rows["text"], **table.loc[rows.index]}
        frame = pd.DataFrame(columns)[list(features)]
        result[split] = datasets.Dataset.from_pandas(frame, features, preserve_index=False)
    return result


def _reported(result: Splits, ledger: Ledger, notes: list[str]) -> Splits:
    """The result with what was put aside and noted, which is printed in one line."""
    result.rejected, result.notes = ledger.rejected(), notes
    if len(result.rejected):
        counts = ", ".join(f"{name} {len(rows):,}" for name, rows in result.items())
        notes.insert(0, f"{counts}; {len(result.rejected):,} rows are put aside in .rejected: {ledger.summary()}")
    if notes:
        print(f"{ledger.where}: {'; '.join(notes)}.")
    return result
