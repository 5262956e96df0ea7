"""Runs every lesson, stores it clean, and writes its times where readers see them. For authors: `make notebooks`.

    python tools/notebooks.py            run all lessons
    python tools/notebooks.py 02 5       run some
    python tools/notebooks.py --no-amx   run them as on a processor without AMX; store their times and nothing else
    python tools/notebooks.py --tables   run nothing; write the tables below anew from docs/timings.json
    python tools/notebooks.py --check    run nothing; tell where notebooks, docs/timings.json and README.md disagree

The notebooks say what is read, the run says what is waited for. From the two come docs/timings.json, the table at the
top of each lesson (its cell tagged `times`) and the README's table of lessons: none of them is written by hand. Waits
are measured in two columns, with AMX and without (`textclf_lesson.course.waits`): a run fills the one that holds where
it runs and keeps the other.
"""

import argparse
import json
import math
import os
import platform
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode
from rich.console import Console

from textclf_lesson.base import machine, runtime
from textclf_lesson.course import runner, waits

ROOT = Path(__file__).parents[1]
START, END = "<!-- lessons:start -->", "<!-- lessons:end -->"
WORDS_A_MINUTE = 180  # slower than a novel: there are formulas, and guesses to write down
MINUTES_A_CELL = 0.5  # to read the code, and look at what came out
# What a lesson keeps to on two quiet cores without AMX. What is over it is marked and fails nothing: machines differ.
BUDGET = {
    "wait_s": (120, "wait {:.0f} s"),
    "longest_cell_s": (45, "longest cell {:.0f} s"),
    "peak_mb": (2000, "peak memory {:,} MB"),
}

AMX = (
    "*AMX*: matrix instructions that Intel's newer server processors have and most laptops lack. `textclf doctor` says "
    "which wait is yours."
)

Book = dict[str, dict[str, Any]]


def main(arguments: list[str]) -> int:
    """0 if all is well; 1 if a lesson failed, or the check found something, each told in a line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("lessons", nargs="*", help="numbers; all lessons if there is none")
    parser.add_argument("--no-amx", action="store_true", help="as without AMX; the times alone are stored")
    parser.add_argument("--tables", action="store_true", help="run nothing, write the tables from docs/timings.json")
    parser.add_argument("--check", action="store_true", help="run nothing, only compare")
    options = parser.parse_args(arguments)
    try:
        if options.tables:
            write_tables(ROOT, waits.read(ROOT / "docs" / "timings.json"))
            return 0
        if not options.check:
            if options.no_amx and machine.has_amx():
                os.environ |= machine.NO_AMX
            return renew(ROOT, chosen(ROOT, options.lessons), times_only=options.no_amx)
        problems = check(ROOT)
    except ValueError as problem:
        problems = [str(problem)]
    print(*problems or ["Notebooks, docs/timings.json and README.md agree."], sep="\n")
    return 1 if problems else 0


def lessons(root: Path) -> list[Path]:
    """The notebooks, in the order of the course."""
    return sorted((root / "notebooks").glob("[0-9][0-9]_*.ipynb"))


def chosen(root: Path, numbers: list[str]) -> list[Path]:
    """The notebooks of these numbers, all for none; always lesson 0 too, since it shows the map of the others.

    Raises ValueError for a number that no notebook has.
    """
    for number in numbers:
        if not any(path.name.startswith(f"{number:0>2}_") for path in lessons(root)):
            raise ValueError(f"There is no lesson {number} in {root / 'notebooks'}.")
    wanted = ("00_", *(f"{number:0>2}_" for number in numbers))
    return [path for path in lessons(root) if not numbers or path.name.startswith(wanted)]


def renew(root: Path, paths: list[Path], times_only: bool = False) -> int:
    """Run the notebooks and store those that ran through; a failing one stays as it was. Then write the times.

    times_only: store nothing of the notebooks but their table of times. Interrupted by Ctrl+C, it keeps what has
    finished and returns 130.
    """
    with_table((root / "README.md").read_text(encoding="utf-8"), "")  # raises now, not after the wait
    console = Console()
    book = partial(waits.read, root / "docs" / "timings.json")
    outcomes, entries, interrupted = [], {}, None
    try:
        for outcome in runner.run_all(paths, console):
            outcomes.append(outcome)
            if outcome.error:
                continue
            stem, measured = outcome.path.stem, timing(outcome)
            entries[stem] = {waits.this_column(): measured}
            if times_only:  # of a lesson that has an entry, what it says of the notebook stays: `check` compares that
                entries[stem] |= {} if stem in book() else facts(runner.read(outcome.path))
            else:
                entries[stem] |= facts(outcome.notebook)
                tidy(outcome.notebook)
                fill_times(outcome.notebook, book().get(stem, {}) | entries[stem])
                runner.write(outcome.path, nbformat.writes(outcome.notebook) + "\n")
                runner.save(outcome, root / "build" / "lessons")
            for line in over_budget(stem, measured):
                console.print(line, markup=False, highlight=False, soft_wrap=True)
    except KeyboardInterrupt as stop:
        interrupted = stop
    failed = runner.tell_failures(outcomes, console)
    known = book()  # read now: another run may have written in the meantime
    present = [path.stem for path in lessons(root)]
    merged = {stem: known.get(stem, {}) | entries.get(stem, {}) for stem in present}
    write_tables(root, {stem: waits.in_order(entry) for stem, entry in merged.items() if entry})
    stored = "times stored" if times_only else "lessons stored"
    console.print(f"{len(entries)} {stored}, {len(failed)} failed and left as they were.")
    if interrupted is not None:
        for line in runner.farewell(interrupted, paths, len(outcomes), "tools/notebooks.py"):
            console.print(line, markup=False, highlight=False, soft_wrap=True)
        return 130
    return 1 if failed else 0


def over_budget(stem: str, measured: dict[str, Any]) -> list[str]:
    """One line if a lesson's times or memory passed the BUDGET."""
    passed = [
        f"{words.format(measured[name])} (of {most:,})"
        for name, (most, words) in BUDGET.items()
        if measured[name] > most
    ]
    return [f"▲ {stem} is over the budget: {', '.join(passed)}"] if passed else []


def write_tables(root: Path, book: Book) -> None:
    """Store the book of times, and from it the README's table and the times cell of each lesson; nothing else."""
    for path in lessons(root):
        if entry := book.get(path.stem):
            notebook = runner.read(path)
            before = [cell.source for cell in times_cells(notebook)]
            fill_times(notebook, entry)
            if before != [cell.source for cell in times_cells(notebook)]:
                runner.write(path, nbformat.writes(notebook) + "\n")
    runner.write(root / "docs" / "timings.json", json.dumps({"lessons": book}, indent=1, ensure_ascii=False) + "\n")
    readme = root / "README.md"
    runner.write(readme, with_table(readme.read_text(encoding="utf-8"), table(root, book)))


def check(root: Path) -> list[str]:
    """Where the notebooks, the stored times and the README disagree, one sentence each."""
    book = waits.read(root / "docs" / "timings.json")
    problems = []
    for path in lessons(root):
        entry = book.get(path.stem)
        notebook = runner.read(path)
        if entry is None:
            problems.append(f"{path.name} has no times in docs/timings.json")
        elif entry | facts(notebook) != entry:
            problems.append(f"{path.name} has changed since docs/timings.json was written")
        elif [cell.source for cell in times_cells(notebook)] != [times(entry)]:
            problems.append(f"{path.name} does not show the times of docs/timings.json")
    stale = set(book) - {path.stem for path in lessons(root)}
    problems += [f"docs/timings.json has times of {stem}, which is no notebook" for stem in sorted(stale)]
    readme = (root / "README.md").read_text(encoding="utf-8")
    if not problems and with_table(readme, table(root, book)) != readme:
        problems.append("README.md: its table of lessons is not the one of docs/timings.json")
    return [f"{problem}; make notebooks" for problem in problems]


# --- a notebook, clean ------------------------------------------------------------------------------------------------


def tidy(notebook: NotebookNode) -> None:
    """Drop what differs from run to run or from machine to machine. Sources, outputs and cell ids stay."""
    notebook.metadata = nbformat.from_dict(
        {
            "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        }
    )
    for cell in notebook.cells:
        cell.metadata = nbformat.from_dict({k: v for k, v in cell.metadata.items() if k == "tags"})


# --- times ------------------------------------------------------------------------------------------------------------


def facts(notebook: NotebookNode) -> dict:
    """What can be told of a stored notebook without running it."""
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    prose = [
        c.source for c in notebook.cells if c.cell_type == "markdown" and "times" not in c.metadata.get("tags", [])
    ]
    minutes = sum(len(text.split()) for text in prose) / WORDS_A_MINUTE + len(code) * MINUTES_A_CELL
    return {
        "title": runner.lesson_title(notebook),
        "read_min": math.ceil(minutes),
        "cells": len(code),
        "claims": runner.count_claims(notebook),
    }


def timing(outcome: runner.Outcome) -> dict[str, Any]:
    """What one column of the book says of a run."""
    long = {str(number): round(seconds, 1) for number, seconds in outcome.cells.items() if seconds >= waits.LONG}
    return {
        "processor": machine.processor(),
        "cores": runtime.cores(),
        "python": platform.python_version(),
        "wait_s": round(outcome.seconds, 1),
        "longest_cell_s": round(outcome.longest, 1),
        "long_cells_s": long,
        "peak_mb": outcome.peak_mb,
    }


def times(entry: dict[str, Any]) -> str:
    """The table that a learner finds at the top of a lesson."""
    heads, cells = ["read"], [f"{entry['read_min']} min"]
    for column, words in waits.COLUMNS.items():
        cores = f" on {entry[column]['cores']} cores" if column in entry else ""
        heads.append(f"wait{cores} {words}")
        cells.append(waits.wait(entry, column))
    lines = [f"| {' | '.join(heads)} |", f"|{'---|' * len(heads)}", f"| {' | '.join(cells)} |"]
    return "\n".join([*lines, "", AMX])


def times_cells(notebook: NotebookNode) -> list[NotebookNode]:
    return [cell for cell in notebook.cells if "times" in cell.metadata.get("tags", [])]


def fill_times(notebook: NotebookNode, entry: dict[str, Any]) -> None:
    for cell in times_cells(notebook):
        cell.source = times(entry)


# --- the README -------------------------------------------------------------------------------------------------------


def table(root: Path, book: Book) -> str:
    """The README's table: one row a lesson that has been run, their sum, and what was measured on."""
    present = [(path, book[path.stem]) for path in lessons(root) if path.stem in book]

    def rows() -> Iterator[str]:
        yield f"| lesson | read | {' | '.join(f'wait {words}' for words in waits.COLUMNS.values())} | peak memory |"
        yield "|---|---|---|---|---|"
        for path, entry in present:
            title = f"[{entry['title']}](notebooks/{path.name})"
            cells = [waits.wait(entry, column) for column in waits.COLUMNS] + [gigabytes(waits.peak_mb(entry))]
            yield f"| {title} | {entry['read_min']} min | {' | '.join(cells)} |"
        sums = [together([entry for _, entry in present], column) for column in waits.COLUMNS]
        yield f"| together | {sum(entry['read_min'] for _, entry in present)} min | {' | '.join(sums)} | |"
        yield ""
        for column, words in waits.COLUMNS.items():
            yield f"- {words}: {waits.processors(book, column) or 'not measured yet'}"

    return "\n".join(rows())


def together(entries: list[dict[str, Any]], column: str) -> str:
    """The sum of a column's waits; a dash unless every lesson was measured."""
    known = [entry[column]["wait_s"] for entry in entries if column in entry]
    return waits.words(sum(known)) if known and len(known) == len(entries) else "–"


def gigabytes(megabytes: int | None) -> str:
    return "–" if megabytes is None else f"{megabytes / 1000:.1f} GB"


def with_table(readme: str, lines: str) -> str:
    """The README with its table replaced. Raises ValueError if the marks around it are missing."""
    if readme.count(START) != 1 or readme.count(END) != 1:
        raise ValueError(f"README.md needs the lines {START} and {END}, once each; the table of lessons goes between.")
    before, rest = readme.split(START)
    return f"{before}{START}\n{lines}\n{END}{rest.split(END)[1]}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
