"""What is graded: the items of an assignment from its solution, and the cells of a submission."""

import ast
import builtins
import json
import re
import stat
from collections.abc import Container
from dataclasses import dataclass
from pathlib import Path

from textclf_lesson import check
from textclf_lesson.base.errors import GradingError, Unreadable
from textclf_lesson.check.rubric import rubric_of
from textclf_lesson.grade import names

LARGEST = 100_000_000  # bytes of a notebook
NOT_GRADED = "not-graded"  # tag of cells that train or measure, and that no item needs


@dataclass(frozen=True)
class Item:
    """One graded question: its name, the points it earns, and the test cell that grades it, hidden tests included.

    `artefact`: it is answered by a file that is handed in, not by a function of the notebook.
    """

    name: str
    points: float
    test: str
    artefact: bool = False

    @property
    def wanted(self) -> list[str]:
        """The names that the test takes from the submission: those it reads and neither defines nor imports."""
        names = [node for node in ast.walk(ast.parse(self.test)) if isinstance(node, ast.Name)]
        made = {node.id for node in names if not isinstance(node.ctx, ast.Load)}
        for node in ast.walk(ast.parse(self.test)):
            if isinstance(node, ast.Import | ast.ImportFrom):
                made |= {alias.asname or alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.arg):
                made.add(node.arg)
            elif isinstance(node, ast.FunctionDef | ast.ClassDef):
                made.add(node.name)
        read = dict.fromkeys(node.id for node in names)
        return [name for name in read if name not in made and not hasattr(builtins, name)]


@dataclass(frozen=True)
class Assignment:
    """The items of one notebook in `solutions/`, in order. `blanks` are the grade ids of the cells to fill in.

    `by_hand`: the rows of its rubric that a teacher marks, and no test.
    """

    name: str
    items: tuple[Item, ...]
    blanks: tuple[str, ...]
    title: str = ""
    by_hand: tuple[Item, ...] = ()

    @property
    def points(self) -> float:
        return sum(item.points for item in self.items)


@dataclass(frozen=True)
class Submission:
    """A notebook, the assignment that it answers, and the folder of its artefacts. `notes` are for its marks' note."""

    path: Path
    name: str
    assignment: Assignment
    files: Path | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Cell:
    """A code cell of a submission that is run. `blank` is its grade id if the learner has to fill it in, else None."""

    source: str
    blank: str | None


def read_assignments(folder: Path) -> dict[str, Assignment]:
    """The assignments of a folder of solutions by name, like "01_framing". Raises GradingError if there is none."""
    found = {path.stem: _assignment(path) for path in sorted(folder.glob("[0-9][0-9]_*.ipynb"))}
    if not found:
        raise GradingError(
            f"There are no solutions in {folder}. Grade in the course's folder, or name theirs: --solutions DIR."
        )
    return found


def _assignment(path: Path) -> Assignment:
    cells, items = [(cell, _marks(cell)) for cell in notebook_cells(path)], []
    exercise = f"ex{path.stem[:2]}"
    # The notebook imports `check` in its first cell. To ask a submission for it would be to let it check itself.
    head = f"from textclf_lesson.check import {exercise} as check\n" * (exercise in check.EXERCISES)
    rubric = {entry["name"]: entry for entry in rubric_of(path.stem[:2])}
    by_hand = {name: float(entry["points"]) for name, entry in rubric.items() if entry["by_hand"]}
    for cell, marks in cells:
        if marks.get("grade"):
            name = marks["grade_id"].removesuffix("_check")
            entry = {"points": marks["points"], "artefact": False} | rubric.get(name, {})
            if name in by_hand or cell.get("cell_type") != "code":  # as nbgrader's cells that are graded by hand
                by_hand[name] = float(entry["points"])
                continue
            items.append(Item(name, float(entry["points"]), head + _source(cell), entry["artefact"]))
    blanks = [marks["grade_id"] for _, marks in cells if marks.get("solution")]
    heading = next((_source(cell) for cell, _ in cells if cell.get("cell_type") == "markdown"), "")
    waiting = tuple(Item(name, points, "") for name, points in by_hand.items())
    return Assignment(path.stem, tuple(items), tuple(blanks), heading.partition("\n")[0].lstrip("# "), waiting)


def notebook_cells(path: Path) -> list[dict]:
    """The cells of a notebook file, read as plain JSON, so that damaged metadata do no harm.

    UTF-8 with or without a byte order mark, UTF-16 and UTF-32; nbformat 3 too. Raises Unreadable for a file that is not
    a notebook, and OSError for one that this machine cannot read, which is not the learner's fault.
    """
    about = path.stat()
    if not stat.S_ISREG(about.st_mode):
        raise Unreadable("it is not a file")  # a pipe, which might never end
    if about.st_size > LARGEST:
        raise Unreadable(f"the file is larger than {LARGEST / 1e6:g} MB")
    content = path.read_bytes()
    if not content.strip():
        raise Unreadable("the file is empty")
    if re.search(rb"^<{7}( |$)", content, re.M) and re.search(rb"^>{7}( |$)", content, re.M):
        raise Unreadable("the file holds two versions that git could not merge (<<<<<<<): keep one, and save it")
    if content.lstrip()[:1] == b"<":
        raise Unreadable("the file is a web page, not a notebook: download the notebook itself")
    try:
        notebook = json.loads(content)
        sheets = [notebook] if "cells" in notebook else notebook["worksheets"]  # of nbformat 3
        return [cell for sheet in sheets for cell in sheet["cells"] if isinstance(cell, dict)]
    except (ValueError, KeyError, TypeError, RecursionError) as problem:
        raise Unreadable(f"the file is not a notebook ({type(problem).__name__})") from None


def cells_to_run(path: Path, assignment: Assignment) -> list[Cell]:
    """The code cells of a submission in its order, without its own test cells and those tagged NOT_GRADED.

    Raises Unreadable.
    """
    tests = {f"{item.name}_check" for item in assignment.items}
    cells = []
    for cell in notebook_cells(path):
        marks, source = _marks(cell), _source(cell)
        name = marks.get("grade_id")
        if cell.get("cell_type") != "code" or not source.strip() or marks.get("grade") is True or name in tests:
            continue
        if name not in assignment.blanks and (NOT_GRADED in _tags(cell) or not _is_python(cell)):
            continue
        cells.append(Cell(source, name if name in assignment.blanks else None))
    return cells


def of_submission(path: Path, assignments: dict[str, Assignment], name: str = "") -> Assignment | None:
    """The assignment that a file answers; None if it is unknown.

    It is found by the grade ids, else by the whole stem of the assignment in the name (`name` may include folders),
    else by the functions that the file defines, for renamed files whose metadata an editor dropped.
    """
    try:
        cells = notebook_cells(path)
    except (Unreadable, OSError):
        cells = []
    name = (name or path.name).removesuffix(".ipynb")
    best = _most_shared({str(_marks(cell).get("grade_id")) for cell in cells}, assignments, least=1)
    called = names.assignment_in(name, best or assignments)
    if called or len(best) == 1:
        return assignments[called or best[0]]
    number = re.match(r"\d\d(?!\d)", name.rpartition("/")[2])
    if best and number:  # "quiz" alone, which every assignment has
        return next((a for stem, a in assignments.items() if stem.startswith(number[0])), None)
    defined = {found for cell in cells for found in re.findall(r"^def (\w+)\(", _source(cell), re.M)}
    best = _most_shared(defined, assignments, least=2)
    return assignments[best[0]] if len(best) == 1 else None


def _most_shared(found: Container[str], assignments: dict[str, Assignment], least: int) -> list[str]:
    """The assignments that share the most of these names with their blanks, if that are `least` or more."""
    shared = {stem: sum(blank in found for blank in a.blanks) for stem, a in assignments.items()}
    most = max(shared.values(), default=0)
    return [stem for stem, count in shared.items() if count == most] if most >= least else []


def _marks(cell: dict) -> dict:
    """A cell's nbgrader metadata; none if they are mangled."""
    metadata = cell.get("metadata")
    marks = metadata.get("nbgrader") if isinstance(metadata, dict) else None
    return marks if isinstance(marks, dict) and isinstance(marks.get("grade_id"), str) else {}


def _tags(cell: dict) -> list:
    metadata = cell.get("metadata")
    tags = metadata.get("tags") if isinstance(metadata, dict) else None
    return tags if isinstance(tags, list) else []


def _is_python(cell: dict) -> bool:
    """VS Code keeps cells in other languages, shell cells for example, in the same notebook."""
    metadata = cell.get("metadata")
    vscode = metadata.get("vscode") if isinstance(metadata, dict) else None
    return not isinstance(vscode, dict) or vscode.get("languageId", "python") in ("python", None)


def _source(cell: dict) -> str:
    source = cell.get("source", cell.get("input", ""))  # as nbformat 3 calls it
    lines = source if isinstance(source, list) else [source]
    return "".join(line for line in lines if isinstance(line, str))
