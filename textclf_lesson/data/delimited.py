"""CSV and TSV as text, with the line each record begins in; a line that does not fit is handed back, never skipped."""

import csv
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

_QUOTED = dict(quoting=csv.QUOTE_MINIMAL, doublequote=True)  # "He said ""hi""", as spreadsheets and pandas write
# Both ways at once: with doublequote=False, Python takes a quotation mark in the middle of a quoted cell for its end.
_ESCAPED = dict(_QUOTED, escapechar="\\")  # "He said \"hi\"", as databases do
_PLAIN = dict(quoting=csv.QUOTE_NONE)  # a quotation mark is a character like any other, as in GLUE's TSV files
_FOR_EXCEL = re.compile(r'"?sep=.?"?')  # a first line that tells Excel the separator
_LONGEST_CELL = 2**31 - 1  # the module's own limit is 131,072 characters
_OPEN_QUOTE = "a quotation mark that is not closed, or not doubled inside a quoted cell"


@dataclass
class Delimited:
    """A table of text: `cells[i]` begins in line `lines[i]` (from 1, as an editor counts), one cell a header name."""

    header: list[str]
    lines: list[int] = field(default_factory=list)
    cells: list[list[str]] = field(default_factory=list)
    bad: list[tuple[int, str, str]] = field(default_factory=list)  # line, reason, the line as it stands
    doubtful: int = 0  # cells that look as if this reading of quotation marks were the wrong one


def parse(text: str, tabs: bool, wanted: set[str]) -> Delimited | None:
    """Read a table whose first line names the columns; None if there is no line with anything in it.

    Which character separates cells (comma, semicolon, tab, bar) is chosen so that the header holds a `wanted` column,
    and how quotation marks are written so that the fewest lines do not fit.

    tabs: whether the file's name says that cells are separated by tabs.
    """
    lines = list(io.StringIO(text, newline=""))  # at \\n, \\r and \\r\\n only: a text may hold other kinds of line end
    if lines and _FOR_EXCEL.fullmatch(lines[0].strip()):
        lines[0] = "\n"
    limit = csv.field_size_limit(_LONGEST_CELL)
    try:
        best = None
        for quotes in (_PLAIN, _QUOTED) if tabs else (_QUOTED, _ESCAPED, _PLAIN):
            table = _read(lines, tabs, wanted, quotes)
            if table is None:
                return None
            if best is None or _misfits(table) < _misfits(best):
                best = table
            if not _misfits(best):
                break
        return best
    finally:
        csv.field_size_limit(limit)


def _misfits(table: Delimited) -> int:
    return len(table.bad) + table.doubtful


def _read(lines: list[str], tabs: bool, wanted: set[str], quotes: dict) -> Delimited | None:
    table = None
    separator = _separator(lines, tabs, wanted, quotes)
    for first, last, cells in _records(lines, delimiter=separator, **quotes):
        if cells is not None and len(cells) < 2 and not "".join(lines[first:last]).strip():
            continue  # a blank line is not a row; one with separators in it is
        if table is None:
            table = Delimited([name.strip() for name in cells or [lines[first]]])
            table.doubtful = sum(_in_quotes(name) for name in table.header) if quotes is _PLAIN else 0
            continue
        width = len(table.header)
        if cells is None:
            table.bad += [(line + 1, _OPEN_QUOTE, lines[line].rstrip("\r\n")) for line in range(first, last)]
        elif len(cells) < width or any(cells[width:]):
            reason = f"another number of cells than the {width} names of the header"
            table.bad.append((first + 1, reason, "".join(lines[first:last]).rstrip("\r\n")))
        else:
            table.lines.append(first + 1)
            table.cells.append(cells[:width])
            if quotes is _PLAIN:
                # Under tabs a sentence in quotation marks is common; doubled marks inside show that a writer put them.
                table.doubtful += any(_in_quotes(cell) and (not tabs or '""' in cell[1:-1]) for cell in cells)
    return table


def _in_quotes(cell: str) -> bool:
    return len(cell) > 1 and cell[0] == cell[-1] == '"'


def _records(lines: list[str], **dialect) -> Iterator[tuple[int, int, list[str] | None]]:
    """Of each record its first line, the line after its last, and its cells: None if its quotes do not fit."""
    start = 0
    while start < len(lines):
        reader = csv.reader((lines[i] for i in range(start, len(lines))), strict=True, **dialect)
        first = start
        try:
            for cells in reader:
                after = start + reader.line_num
                yield first, after, cells
                first = after
            return
        except csv.Error:
            start = max(start + reader.line_num, first + 1)
            yield first, start, None


def _separator(lines: list[str], tabs: bool, wanted: set[str], quotes: dict) -> str:
    header = next((line for line in lines if line.strip()), "")

    def fit(separator: str) -> tuple[bool, int]:
        names = next(csv.reader([header], delimiter=separator, **quotes), [])
        return bool(wanted & {name.strip() for name in names}), len(names)

    return max("\t,;|" if tabs else ",;\t|", key=fit)  # the first of equals
