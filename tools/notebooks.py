"""Runs every lesson, stores it clean, and writes its times where readers see them. For authors: `make notebooks`.

    python tools/notebooks.py            run all lessons
    python tools/notebooks.py 02 5       run some
    python tools/notebooks.py --check    run nothing; tell where notebooks, docs/timings.json and README.md disagree

The notebooks say what is read, the run says what is waited for. From the two come docs/timings.json, the table at the
top of each lesson (its cell tagged `times`) and the README's table of lessons: none of them is written by hand.
"""

import argparse
import json
import math
import os
import platform
import sys
from collections.abc import Iterator
from pathlib import Path

import nbformat
from nbformat import NotebookNode
from rich.console import Console

from textclf_lesson import runner

ROOT = Path(__file__).parents[1]
START, END = "<!-- lessons:start -->", "<!-- lessons:end -->"
WORDS_A_MINUTE = 180  # slower than a novel: there are formulas, and guesses to write down
MINUTES_A_CELL = 0.5  # to read the code, and look at what came out


def main(arguments: list[str]) -> int:
    """0 if all is well; 1 if a lesson failed, or the check found something, each told in a line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("lessons", nargs="*", help="numbers; all lessons if there is none")
    parser.add_argument("--check", action="store_true", help="run nothing, only compare")
    options = parser.parse_args(arguments)
    try:
        if not options.check:
            return renew(ROOT, chosen(ROOT, options.lessons))
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


def renew(root: Path, paths: list[Path]) -> int:
    """Run the notebooks and store those that ran through; a failing one stays as it was. Then write the times."""
    readme = root / "README.md"
    with_table(readme.read_text(encoding="utf-8"), "")  # raises now, not after the wait
    console = Console()
    outcomes, entries = [], {}
    machine = this_machine() if paths == lessons(root) else read_timings(root)["machine"]
    for outcome in runner.run_all(paths, console):
        outcomes.append(outcome)
        if not outcome.error:
            tidy(outcome.notebook)
            entry = timing(outcome)
            fill_times(outcome.notebook, entry, machine)
            runner.write(outcome.path, nbformat.writes(outcome.notebook) + "\n")
            runner.save(outcome, root / "build" / "lessons")
            entries[outcome.path.stem] = entry
    failed = runner.tell_failures(outcomes, console)
    known = read_timings(root)["lessons"] | entries  # read now: another run may have written in the meantime
    present = [path.stem for path in lessons(root)]
    timings = {"machine": machine, "lessons": {stem: known[stem] for stem in present if stem in known}}
    runner.write(root / "docs" / "timings.json", json.dumps(timings, indent=1, ensure_ascii=False) + "\n")
    runner.write(readme, with_table(readme.read_text(encoding="utf-8"), table(root, timings)))
    console.print(f"{len(outcomes) - len(failed)} lessons stored, {len(failed)} failed and left as they were.")
    return 1 if failed else 0


def check(root: Path) -> list[str]:
    """Where the notebooks, the stored times and the README disagree, one sentence each."""
    timings = read_timings(root)
    problems = []
    for path in lessons(root):
        entry = timings["lessons"].get(path.stem)
        notebook = runner.read(path)
        if entry is None:
            problems.append(f"{path.name} has no times in docs/timings.json")
        elif entry | facts(notebook) != entry:
            problems.append(f"{path.name} has changed since docs/timings.json was written")
        elif [cell.source for cell in times_cells(notebook)] != [times(entry, timings["machine"])]:
            problems.append(f"{path.name} does not show the times of docs/timings.json")
    stale = set(timings["lessons"]) - {path.stem for path in lessons(root)}
    problems += [f"docs/timings.json has times of {stem}, which is no notebook" for stem in sorted(stale)]
    readme = (root / "README.md").read_text(encoding="utf-8")
    if not problems and with_table(readme, table(root, timings)) != readme:
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


def read_timings(root: Path) -> dict:
    """What the last runs took; an empty book for this machine if there is none yet."""
    path = root / "docs" / "timings.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {"machine": this_machine(), "lessons": {}}


def this_machine() -> dict:
    return {"cores": os.cpu_count(), "python": platform.python_version()}


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


def timing(outcome: runner.Outcome) -> dict:
    measured = {"wait_s": round(outcome.seconds, 1), "longest_cell_s": round(outcome.longest, 1)}
    return facts(outcome.notebook) | measured


def times(entry: dict, machine: dict) -> str:
    """The table that a learner finds at the top of a lesson."""
    cores = f"{machine['cores']} cores" if machine["cores"] > 1 else "1 core"
    return f"| read | wait on {cores} |\n|---|---|\n| {entry['read_min']} min | {wait(entry['wait_s'])} |"


def wait(seconds: float) -> str:
    """A time to wait for, in words, never less than it was."""
    return "under 1 min" if seconds < 60 else f"{math.ceil(seconds / 60)} min"


def times_cells(notebook: NotebookNode) -> list[NotebookNode]:
    return [cell for cell in notebook.cells if "times" in cell.metadata.get("tags", [])]


def fill_times(notebook: NotebookNode, entry: dict, machine: dict) -> None:
    for cell in times_cells(notebook):
        cell.source = times(entry, machine)


# --- the README -------------------------------------------------------------------------------------------------------


def table(root: Path, timings: dict) -> str:
    """The README's table: one row a lesson that has been run."""

    def rows() -> Iterator[str]:
        yield "| lesson | read | wait |"
        yield "|---|---|---|"
        for path in lessons(root):
            if entry := timings["lessons"].get(path.stem):
                title = f"[{entry['title']}](notebooks/{path.name})"
                yield f"| {title} | {entry['read_min']} min | {wait(entry['wait_s'])} |"

    return "\n".join(rows())


def with_table(readme: str, lines: str) -> str:
    """The README with its table replaced. Raises ValueError if the marks around it are missing."""
    if readme.count(START) != 1 or readme.count(END) != 1:
        raise ValueError(f"README.md needs the lines {START} and {END}, once each; the table of lessons goes between.")
    before, rest = readme.split(START)
    return f"{before}{START}\n{lines}\n{END}{rest.split(END)[1]}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
