"""Makes exercises/ from solutions/ with nbgrader's own preprocessors. For authors: `make exercises`.

    python -m tools.exercises            run all solutions, store them clean, write all exercises
    python -m tools.exercises 02 5       some
    python -m tools.exercises --check    run nothing; tell which exercises are not those of their solution

A cell of a solution needs only its `grade_id` and `"solution": true`, or `"grade": true` and `points`; the
other entries of nbgrader's metadata are filled in here.
"""

import argparse
import json
import re
import sys
from collections import Counter
from pathlib import Path

import nbformat
from nbformat import NotebookNode
from nbgrader.preprocessors import (
    CheckCellMetadata,
    ClearHiddenTests,
    ClearOutput,
    ClearSolutions,
    ComputeChecksums,
    LockCells,
)
from rich.console import Console
from traitlets.config import Config, PyFileConfigLoader

from textclf_lesson.course import runner
from tools.notebooks import tidy

ROOT = Path(__file__).parents[1]
ITEMS = Path("textclf_lesson", "check", "exercises.json")
# In nbgrader's order (`nbgrader generate_assignment`), without what writes into its database.
STEPS = (LockCells, ClearSolutions, ClearOutput, ClearHiddenTests, ComputeChecksums, CheckCellMetadata)


def main(arguments: list[str]) -> int:
    """0 if all is well; 1 if a solution failed, or an exercise is not its solution's, each told in a line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("lessons", nargs="*", help="numbers; all if there is none")
    parser.add_argument("--check", action="store_true", help="run nothing, only compare")
    options = parser.parse_args(arguments)
    if not options.check:
        return renew(ROOT, options.lessons)
    problems = check(ROOT)
    print(*problems or ["Every exercise is that of its solution."], sep="\n")
    return 1 if problems else 0


def solutions(root: Path, numbers: list[str] = ()) -> list[Path]:
    """The solutions of these lessons, all for none. Raises ValueError for a number that none has."""
    found = sorted((root / "solutions").glob("[0-9][0-9]_*.ipynb"))
    wanted = tuple(f"{number:0>2}_" for number in numbers)
    for start in wanted:
        if not any(path.name.startswith(start) for path in found):
            raise ValueError(f"There is no solution {start[:-1]} in {root / 'solutions'}.")
    return [path for path in found if not wanted or path.name.startswith(wanted)]


def renew(root: Path, numbers: list[str]) -> int:
    """Run the solutions and store those that ran through; write the exercises of these."""
    console, outcomes = Console(), []
    (root / "exercises").mkdir(exist_ok=True)
    list_items(root)  # first: the table of progress that is run shows the new ones
    for outcome in runner.run_all(solutions(root, numbers), console):
        outcomes.append(outcome)
        if not outcome.error:
            clean(outcome.notebook)
            runner.write(outcome.path, nbformat.writes(outcome.notebook) + "\n")
            runner.write(root / "exercises" / outcome.path.name, exercise(outcome.path))
    return 1 if runner.tell_failures(outcomes, console) else 0


def clean(notebook: NotebookNode) -> None:
    """As lessons are stored, but nbgrader's metadata stay, and are completed."""
    marks = [cell.metadata.get("nbgrader") for cell in notebook.cells]
    tidy(notebook)
    for cell, known in zip(notebook.cells, marks, strict=True):
        if known:
            cell.metadata["nbgrader"] = nbformat.from_dict(complete(known))


def complete(marks: dict) -> dict:
    """nbgrader's metadata of a cell, schema 3. A blank is open to the learner, a test is not."""
    grade, solution = bool(marks.get("grade")), bool(marks.get("solution"))
    entries = {"grade": grade, "grade_id": marks["grade_id"], "locked": not solution, "schema_version": 3}
    if grade:
        entries["points"] = marks["points"]
    return entries | {"solution": solution, "task": False}


def exercise(solution: Path) -> str:
    """The exercise that a solution is the source of, as a notebook's text."""
    notebook, resources = nbformat.read(solution, as_version=4), {}
    config = nbgrader_config(solution.parent)
    for step in STEPS:
        notebook, resources = step(config=config).preprocess(notebook, resources)
    return nbformat.writes(notebook) + "\n"


def list_items(root: Path) -> None:
    """Write the package's list of the items of every exercise, which the table of progress is made from."""
    if (root / ITEMS).parent.is_dir():
        runner.write(root / ITEMS, items(root))


def items(root: Path) -> str:
    """The items of every solution as JSON: {"01": [{"name", "title", "points"}, …], …}.

    An item's title is the heading above it without its points; where several share one, its name stands behind.
    """
    listed = {}
    for path in solutions(root):
        entries, title = [], ""
        for cell in nbformat.read(path, as_version=4).cells:
            marks = cell.metadata.get("nbgrader", {})
            if cell.cell_type == "markdown" and (found := re.findall(r"^##+ (.+)$", cell.source, re.MULTILINE)):
                title = re.sub(r" \(\d+ points?\)$", "", found[-1])
            if marks.get("grade"):
                name = marks["grade_id"].removesuffix("_check")
                entries.append({"name": name, "title": title, "points": marks["points"]})
        shared = Counter(entry["title"] for entry in entries)
        for entry in entries:
            entry["title"] += f" · `{entry['name']}`" if shared[entry["title"]] > 1 else ""
        listed[path.name[:2]] = entries
    return json.dumps(listed, ensure_ascii=False, indent=1) + "\n"


def nbgrader_config(folder: Path) -> Config:
    return PyFileConfigLoader("nbgrader_config.py", path=str(folder)).load_config()


def check(root: Path) -> list[str]:
    """What is in exercises/ and is not what solutions/ give, one sentence each."""
    wanted = {path.name: exercise(path) for path in solutions(root)}
    there = {path.name: path.read_text(encoding="utf-8") for path in (root / "exercises").glob("*.ipynb")}
    problems = [
        f"exercises/{name} is not what its solution gives" for name in wanted if there.get(name) != wanted[name]
    ]
    problems += [f"exercises/{name} has no solution" for name in sorted(there.keys() - wanted.keys())]
    file = root / ITEMS
    if file.parent.is_dir() and (not file.is_file() or file.read_text(encoding="utf-8") != items(root)):
        problems.append(f"{ITEMS} is not what the solutions give")
    return [f"{problem}; make exercises" for problem in problems]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
