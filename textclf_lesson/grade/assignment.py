"""What is graded: the items of an assignment from its solution, and the cells of a submission."""

import ast
import builtins
import json
import re
from dataclasses import dataclass
from pathlib import Path

from textclf_lesson.check.rubric import rubric_of

NOT_GRADED = "not-graded"  # tag of cells that train or measure, and that no item needs


class GradingError(Exception):
    """Grading cannot begin; the first line says why, and what to do."""


class Unreadable(ValueError):
    """A submission that is no notebook."""


@dataclass(frozen=True)
class Item:
    """One graded question: its name, the points it earns, and the test cell that judges it, hidden tests included.

    `artefact`: it is answered by a file that is handed in, and not by a function of the notebook.
    """

    name: str
    points: float
    test: str
    artefact: bool = False

    @property
    def wanted(self) -> list[str]:
        """The names that the test takes from the submission: what it reads, and neither makes nor imports."""
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
    """The items of one notebook in `solutions/`, in order. `blanks` are the grade ids of the cells to fill in."""

    name: str
    items: tuple[Item, ...]
    blanks: tuple[str, ...]
    title: str = ""

    @property
    def points(self) -> float:
        return sum(item.points for item in self.items)


@dataclass(frozen=True)
class Cell:
    """A code cell of a submission that is run. `blank` is its grade id if it is one to fill in."""

    source: str
    blank: str | None


def read_assignments(folder: Path) -> dict[str, Assignment]:
    """The assignments of a folder of solutions by name, like "01_framing". Raises GradingError if there is none."""
    found = {path.stem: _assignment(path) for path in sorted(folder.glob("[0-9][0-9]_*.ipynb"))}
    if not found:
        raise GradingError(
            f"There are no solutions in {folder}. Grade in the folder of the course, or name them: --solutions DIR."
        )
    return found


def _assignment(path: Path) -> Assignment:
    cells, items = [(cell, _marks(cell)) for cell in notebook_cells(path)], []
    rubric = {entry["name"]: entry for entry in rubric_of(path.stem[:2])}
    for cell, marks in cells:
        if marks.get("grade"):
            name = marks["grade_id"].removesuffix("_check")
            entry = {"points": marks["points"], "artefact": False} | rubric.get(name, {})
            items.append(Item(name, float(entry["points"]), _source(cell), entry["artefact"]))
    blanks = [marks["grade_id"] for _, marks in cells if marks.get("solution")]
    heading = next((_source(cell) for cell, _ in cells if cell.get("cell_type") == "markdown"), "")
    return Assignment(path.stem, tuple(items), tuple(blanks), heading.partition("\n")[0].lstrip("# "))


def notebook_cells(path: Path) -> list[dict]:
    """The cells of a notebook file, read as plain JSON so that mangled metadata stop nobody. Raises Unreadable."""
    try:
        if path.stat().st_size > 100_000_000:
            raise Unreadable("the file is larger than 100 MB")
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        return [cell for cell in cells if isinstance(cell, dict)]
    except Unreadable:
        raise
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as problem:
        raise Unreadable(f"the file is no notebook ({type(problem).__name__})") from None


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
        if name not in assignment.blanks and NOT_GRADED in _tags(cell):
            continue
        cells.append(Cell(source, name if name in assignment.blanks else None))
    return cells


def of_submission(path: Path, assignments: dict[str, Assignment]) -> Assignment | None:
    """The assignment that a file answers: by the grade ids in it, else by its name; None if neither tells."""
    try:
        ids = {str(_marks(cell).get("grade_id")) for cell in notebook_cells(path)}
    except Unreadable:
        ids = set()
    shared = {name: len(ids & set(assignment.blanks)) for name, assignment in assignments.items()}
    best = max(shared, key=shared.get)
    if shared[best]:
        return assignments[best]
    number = re.search(r"(?<!\d)(\d\d)_", path.name)
    return next((a for name, a in assignments.items() if number and name.startswith(number[0])), None)


def _marks(cell: dict) -> dict:
    """A cell's nbgrader metadata; none if they are mangled."""
    metadata = cell.get("metadata")
    marks = metadata.get("nbgrader") if isinstance(metadata, dict) else None
    return marks if isinstance(marks, dict) and isinstance(marks.get("grade_id"), str) else {}


def _tags(cell: dict) -> list:
    metadata = cell.get("metadata")
    tags = metadata.get("tags") if isinstance(metadata, dict) else None
    return tags if isinstance(tags, list) else []


def _source(cell: dict) -> str:
    source = cell.get("source", "")
    lines = source if isinstance(source, list) else [source]
    return "".join(line for line in lines if isinstance(line, str))
