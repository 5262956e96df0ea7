"""The book of times, docs/timings.json: what each lesson took when it was measured, with AMX and without.

    {"lessons": {"04_bert_sentiment": {
        "title": …, "read_min": …, "cells": …, "claims": …,
        "with_amx": {"processor": "Intel Xeon …", "cores": 2, "python": "3.11.7", "wait_s": 199.2,
                     "longest_cell_s": 50.7, "long_cells_s": {"12": 50.7}, "peak_mb": 2710},
        "without_amx": {…}}}}

A lesson that was not measured in a column lacks it. `long_cells_s` has the cells of LONG seconds and more, by the
number that the notebook shows beside them. It and `peak_mb` are missing where an older version of the tool measured.
`tools/notebooks.py` writes the book; the runner and the doctor read it.
"""

import json
import math
from pathlib import Path
from typing import Any

from textclf_lesson.base import machine, runtime

COLUMNS = {"with_amx": "with AMX", "without_amx": "without AMX"}
LONG = 10  # seconds
BUSY = 0.5  # cores that programs use already, from which on a longer wait is announced
# The book that had one column did not say which processor it was.
FIRST_PROCESSOR = "Intel Xeon (Sapphire Rapids class)"


def read(path: Path) -> dict[str, dict[str, Any]]:
    """The lessons of a book of times, by the names of their notebooks; none if the file is missing.

    Raises ValueError with one sentence if the file is no such book.
    """
    try:
        book = json.loads(path.read_text(encoding="utf-8"))
        return {stem: _in_columns(entry, book.get("machine")) for stem, entry in book["lessons"].items()}
    except FileNotFoundError:
        return {}
    except (ValueError, AttributeError, KeyError, TypeError) as problem:
        raise ValueError(f"{path} is no book of times ({problem!r}); restore it: git checkout {path}") from None


def beside(notebook: Path) -> dict[str, dict[str, Any]]:
    """The lessons of docs/timings.json in the folder above the notebook's; none where there is no such book."""
    try:
        return read(notebook.absolute().parents[1] / "docs" / "timings.json")
    except (ValueError, OSError, IndexError):
        return {}  # a reader can do without; `tools/notebooks.py --check` tells the author


def this_column() -> str:
    """Which column holds for this process: "with_amx" or "without_amx"."""
    return "with_amx" if machine.has_amx() else "without_amx"


def in_order(entry: dict[str, Any]) -> dict[str, Any]:
    """The entry with what it says of the notebook first, then its columns in the order of COLUMNS."""
    facts = [name for name in entry if name not in COLUMNS]
    return {name: entry[name] for name in [*facts, *COLUMNS] if name in entry}


def words(seconds: float) -> str:
    """A time to wait for, in words, never less than it was."""
    return "under 1 min" if seconds < 60 else f"{math.ceil(seconds / 60)} min"


def wait(entry: dict[str, Any], column: str) -> str:
    """What a lesson's entry says of the wait in a column, in words; a dash where it was not measured."""
    return words(entry[column]["wait_s"]) if column in entry else "–"


def peak_mb(entry: dict[str, Any]) -> int | None:
    """The most memory that a lesson's kernel took in any column, in 10^6 bytes; None where it was not measured."""
    return max((peak for name in COLUMNS if (peak := entry.get(name, {}).get("peak_mb"))), default=None)


def processors(book: dict[str, dict[str, Any]], column: str) -> str:
    """What a column was measured on: cores and processor, several if there are; empty if nothing was measured."""
    measured = [entry[column] for entry in book.values() if {"cores", "processor"} <= entry.get(column, {}).keys()]
    return "; ".join(sorted({f"{entry['cores']} cores of {entry['processor']}" for entry in measured}))


def cell_s(measured: dict[str, Any], number: int) -> str:
    """What is known of one cell's time from a lesson's column, as a half-sentence; empty if nothing is."""
    if "long_cells_s" in measured:
        known = measured["long_cells_s"].get(str(number))
        return f"expected about {known:.0f} s" if known else f"expected under {LONG} s"
    if "longest_cell_s" in measured:
        return f"no cell of this lesson took longer than {math.ceil(measured['longest_cell_s'])} s when it was measured"
    return ""


def forecast(notebooks: list[Path]) -> list[str]:
    """The wait to expect for these notebooks on this machine, line by line, from the course's docs/timings.json.

    The times are those of the column that holds here, with AMX or without; nothing is scaled. Empty if nothing is
    known and the machine is idle.
    """
    book, column = beside(notebooks[0]), this_column()
    known = {path: book[path.stem] for path in notebooks if path.stem in book}
    measured = [entry[column] for entry in known.values() if column in entry]
    lines = []
    if known:
        (other,) = set(COLUMNS) - {column}
        width = max(len(path.stem) for path in known)
        lines.append(f"The wait to expect ({runtime.cores()} cores {COLUMNS[column]}):")
        for path, entry in known.items():
            unknown = f" not measured ({COLUMNS[other]}: {wait(entry, other)})"
            lines.append(f"  {path.stem:{width}}  {wait(entry, column) if column in entry else unknown.strip()}")
        if measured:
            total = words(sum(entry["wait_s"] for entry in measured))
            lines.append(f"  {'together':{width}}  {'' if len(measured) == len(notebooks) else 'at least '}{total}")
            lines.append(f"  measured on {processors(book, column)}")
    if (load := machine.load()) > BUSY:
        lines.append(f"This machine is busy already ({load:.1f} of {runtime.cores()} cores): it will take longer.")
    return lines


def _in_columns(entry: dict[str, Any], machine: dict[str, Any] | None) -> dict[str, Any]:
    """The entry as it is; one of the book that had one column, for a processor with AMX, with that column."""
    if not isinstance(entry, dict):
        raise TypeError(entry)
    if machine is None or "wait_s" not in entry:
        return entry
    measured = {"processor": FIRST_PROCESSOR, "cores": machine["cores"], "python": machine["python"]}
    measured |= {name: entry[name] for name in ("wait_s", "longest_cell_s")}
    return {name: value for name, value in entry.items() if name not in measured} | {"with_amx": measured}
