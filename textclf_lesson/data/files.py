"""One file as a table of text, whatever its kind, packing and encoding."""

import bz2
import codecs
import gzip
import io
import json
import lzma
import re
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from textclf_lesson.base.errors import DataError
from textclf_lesson.base.extras import needed
from textclf_lesson.data.delimited import parse
from textclf_lesson.data.foreign import refuse_foreign

KINDS = (".csv", ".tsv", ".tab", ".jsonl", ".ndjson", ".json", ".parquet")
PACKINGS = (".gz", ".bz2", ".xz", ".zip")
SPLIT_NAMES = {
    "train": "train", "training": "train", "validation": "validation", "valid": "validation", "val": "validation",
    "dev": "validation", "development": "validation", "test": "test", "testing": "test", "test_natural": "test_natural",
}  # fmt: skip
_BOMS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF32_LE: "utf-32", codecs.BOM_UTF32_BE: "utf-32",
         codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}  # fmt: skip
_SHARD = re.compile(r"[-_.]\d+([-_]?of[-_]?\d+)?$")  # train-00000-of-00002
DAMAGED = "Is it whole? Download it again."
_UNPACK: dict[bytes, Callable[[bytes], bytes]] = {
    b"\x1f\x8b": gzip.decompress,
    b"BZh": bz2.decompress,
    b"\xfd7zXZ\x00": lzma.decompress,
}


@dataclass
class Table:
    """A table as it stands in its source.

    rows: cells as text, None where there is none, lists where the source has lists. The index is the line a row
    begins in (from 1, as an editor counts), or the number of the row (from 0) where the source has no lines.
    bad: what could not be read as a row: `source`, `line`, `reason`, and `row`, the line as it stands.
    """

    rows: pd.DataFrame
    source: str
    unit: str = "line"
    bad: list[dict[str, Any]] = field(default_factory=list)


def unpacked(name: str) -> str:
    """The name of a file without the ending of its packing."""
    ending = next((pack for pack in PACKINGS if name.lower().endswith(pack)), "")
    return name[: len(name) - len(ending)]


def kind(name: str) -> str:
    """The ending that says how a table is written, "zip" for an archive of its own, or ""."""
    bare = unpacked(name).lower()
    return next((kind for kind in KINDS if bare.endswith(kind)), "zip" if name.lower().endswith(".zip") else "")


def stem_of(name: str) -> str:
    """The name of a file without its endings."""
    bare = unpacked(name)
    return bare[: len(bare) - len(kind(bare))]


def split_of(name: str) -> str | None:
    """The split that the name of a file or folder stands for, or None."""
    return SPLIT_NAMES.get(_SHARD.sub("", stem_of(name).lower()))


def read_file(path: str, name: str, content: bytes, wanted: set[str], encoding: str | None) -> Table:
    """The content of a file called `name` as a table; `path` is what a message calls it. Raises DataError.

    Packing and Parquet are known by their first bytes, the rest by the ending of the name.
    """
    for magic, unpack in _UNPACK.items():
        if content.startswith(magic):
            try:
                return read_file(path, unpacked(name), unpack(content), wanted, encoding)
            except (OSError, EOFError, ValueError, zlib.error, lzma.LZMAError) as error:
                if isinstance(error, DataError):
                    raise
                raise DataError(f"{path} cannot be read as a table ({error}). {DAMAGED}") from error
    if content.startswith(b"PAR1"):
        return _parquet(path, content)
    if not content.strip():
        raise DataError(f"{path} cannot be read as a table: the file is empty. {DAMAGED}")
    if name.lower().endswith((".parquet", *PACKINGS)):
        raise DataError(f"{path} cannot be read as a table: it is no {Path(name).suffix} file inside. {DAMAGED}")
    refuse_foreign(path, content)
    text = decode(content, path, encoding)
    start = text[:200].lstrip().lower()
    if start.startswith(("<!doctype html", "<html")):
        raise DataError(f"{path} cannot be read as a table: it is a web page. Log in there, then download the file.")
    if start.startswith("version https://git-lfs"):
        raise DataError(f"{path} cannot be read as a table: it is a pointer to a large file. Run `git lfs pull`.")
    ending = kind(name)
    if "json" in ending or (ending == "" and start.startswith(("{", "["))):
        return _json(path, text)
    table = parse(text, tabs=ending in (".tsv", ".tab"), wanted=wanted)
    if table is None:
        raise DataError(f"{path} cannot be read as a table: the file is empty. {DAMAGED}")
    index = pd.Index(table.lines, dtype=int)
    rows = pd.DataFrame(table.cells, index=index, columns=range(len(table.header)), dtype=object)
    rows.columns = table.header  # two may be alike: an error where one of them is needed
    return Table(rows, path, bad=[dict(source=path, line=n, reason=why, row=raw) for n, why, raw in table.bad])


def decode(content: bytes, path: str, encoding: str | None) -> str:
    """Bytes as text: by `encoding` if given, else by the byte order mark, else as UTF-8. Raises DataError."""
    marked = next((name for bom, name in _BOMS.items() if content.startswith(bom)), "utf-8")
    if encoding is None and marked == "utf-8" and content[:4096].count(0) > len(content[:4096]) / 20:
        raise DataError(
            f"{path} cannot be read as a table: it holds zero bytes, as UTF-16 without a byte order mark does. "
            'If it is text, save it as UTF-8, or data.read(…, encoding="utf-16-le") or "utf-16-be".'
        )
    try:
        return content.decode(marked if encoding is None else encoding).removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise DataError(
            f"{path} cannot be read as a table: it is not {encoding or marked} (byte {content[error.start]:#04x} in "
            f'line {line}). Save it as UTF-8, or data.read(…, encoding="latin-1") for Western Europe, "cp1251" for '
            'Cyrillic, "gb18030" for Chinese.'
        ) from error
    except (LookupError, TypeError, ValueError) as error:
        raise DataError(f'There is no encoding {encoding!r}: "utf-8", "latin-1", "cp1251" or "utf-16", say.') from error


def _parquet(path: str, content: bytes) -> Table:
    with needed("train"):
        import pyarrow
        import pyarrow.parquet

    try:
        table = pyarrow.parquet.read_table(io.BytesIO(content))
    except (OSError, ValueError, pyarrow.ArrowException) as error:
        reason = str(error).splitlines()[0]
        raise DataError(f"{path} cannot be read as a table ({reason}). {DAMAGED}") from error
    return arrow(table, path)


def arrow(table: Any, path: str, features: Any = None) -> Table:
    """An Arrow table; numbers that a ClassLabel of `features` (or of the table's own) counts become names."""
    with needed("train"):
        import datasets

    if features is None and b"huggingface" in (table.schema.metadata or {}):
        features = datasets.Features.from_arrow_schema(table.schema)
    columns = [column.to_pylist() for column in table.columns]
    for place, name in enumerate(table.column_names):
        label = (features or {}).get(name)
        inner = getattr(label, "feature", label[0] if isinstance(label, list) and label else label)
        if isinstance(inner, datasets.ClassLabel):
            columns[place] = [_named(cell, inner) for cell in columns[place]]
    rows = pd.DataFrame({place: pd.Series(cells, dtype=object) for place, cells in enumerate(columns)})
    rows.columns = [str(name).strip() for name in table.column_names]
    return Table(rows, path, unit="row")


def _named(cell: Any, label: Any) -> Any:
    if isinstance(cell, list):
        return [_named(item, label) for item in cell]
    return label.names[cell] if cell is not None and cell >= 0 else None  # -1 stands for "no label"


def _json(path: str, text: str) -> Table:
    """An array of objects, one object a line, or one object of columns. Numbers stay as they are written."""
    options = dict(parse_int=str, parse_float=str, parse_constant=lambda _: None, object_pairs_hook=_once)
    items = None
    try:
        items = json.loads(text, **options)
    except (ValueError, RecursionError) as error:  # of one object a line, "Extra data"
        if text.lstrip().startswith("["):
            raise DataError(f"{path} cannot be read as a table ({error}). {DAMAGED}") from error
    items = _of_columns(items) or items
    if isinstance(items, list):
        numbered, unit = list(enumerate(items)), "row"
    else:
        numbered, unit = [], "line"
        for line, written in enumerate(text.split("\n"), start=1):
            if written.strip():
                try:
                    numbered.append((line, json.loads(written, **options)))
                except (ValueError, RecursionError):
                    numbered.append((line, written.rstrip("\r")))
    objects = [(line, item) for line, item in numbered if isinstance(item, dict)]
    bad = [
        dict(source=path, line=line, reason="no JSON object", row=item if isinstance(item, str) else json.dumps(item))
        for line, item in numbered
        if not isinstance(item, dict)
    ]
    names = list(dict.fromkeys(name for _, item in objects for name in item))
    cells = {name: pd.Series([item.get(name) for _, item in objects], dtype=object) for name in names}
    rows = pd.DataFrame(cells, columns=names).set_axis([line for line, _ in objects])
    return Table(rows.rename(columns=str.strip), path, unit, bad)


def _of_columns(item: Any) -> list[dict[str, Any]] | None:
    """The rows of an object of columns: `{"text": ["…", "…"], …}`, or `{"text": {"0": "…"}, …}` as pandas writes it."""
    columns = list(item.values()) if isinstance(item, dict) else []
    keys = [list(column) if isinstance(column, dict) else range(len(column)) for column in columns if column]
    kinds = {type(column) for column in columns}
    if len(columns) < 2 or kinds not in ({list}, {dict}) or len(keys) < len(columns) or any(k != keys[0] for k in keys):
        return None
    return [{name: column[key] for name, column in item.items()} for key in keys[0]]


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """The pairs of a JSON object as a dictionary, if no name stands there twice."""
    if len(dict(pairs)) < len(pairs):
        raise ValueError("a name occurs twice in one object")
    return dict(pairs)
