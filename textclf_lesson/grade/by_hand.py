"""What a teacher marks by hand: rows of the rubric that no check can judge, and comments, from a CSV file.

`id`, then a column for each such row: `memo` if the rubric has it, or `memo (6)` with its points for a row of the
course's own. `memo comment` and `comment` are for the learner. `assignment` (15) says which exercise a row is about.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

from textclf_lesson.base.errors import GradingError
from textclf_lesson.grade import roster as lists
from textclf_lesson.grade import tables
from textclf_lesson.grade.assignment import Assignment
from textclf_lesson.grade.marking import Mark, Marks
from textclf_lesson.grade.roster import Roster, Student
from textclf_lesson.grade.tables import NOTHING, Row, Table

WITH_POINTS = re.compile(r"(?P<name>.+?)\s*\((?P<points>\d+(?:[.,]\d+)?)(?:\s*(?:p|points?))?\)")
COMMENT = "comment"
WAITS = "It waits for the teacher's mark."


@dataclass
class ByHand:
    """A teacher's marks. `rows` of an assignment: name and points of what is marked by hand there."""

    path: Path | None = None
    rows: dict[str, dict[str, float]] = field(default_factory=dict)
    given: dict[tuple[str, str], dict[str, float]] = field(default_factory=dict)  # (student, assignment): row: points
    comments: dict[tuple[str, str], dict[str, str]] = field(default_factory=dict)  # likewise; "" is the whole

    def complete(self, marks: Marks, student: str) -> Marks:
        """The marks of a submission with those by hand; what is not marked yet waits."""
        rows, key = self.rows.get(marks.assignment, {}), (student, marks.assignment)
        given, comments = self.given.get(key, {}), self.comments.get(key, {})
        more = [_mark(name, points, given.get(name), comments.get(name, "")) for name, points in rows.items()]
        about = marks.about | ({COMMENT: comments[""]} if comments.get("") else {})
        return replace(marks, marks=[*marks.marks, *more], about=about)

    def unused(self, graded: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
        """The (student, assignment) that were marked by hand, but are not among those graded."""
        marked = {key for given in (self.given, self.comments) for key, entries in given.items() if entries}
        return sorted(marked - set(graded))


def of_assignments(assignments: Iterable[Assignment]) -> ByHand:
    """The rows that the rubrics leave to a teacher, none of them marked yet."""
    return ByHand(rows={a.name: {item.name: item.points for item in a.by_hand} for a in assignments})


def read(path: Path, roster: Roster, assignments: list[Assignment]) -> ByHand:
    """A teacher's marks for these assignments.

    Raises GradingError for an unknown or repeated student, a column that cannot be understood, or a mark that is no
    number from 0 to the row's points.
    """
    table, marks = tables.read(path), of_assignments(assignments)
    marks.path = path
    ids, named = table.columns(["id"]), table.columns(["assignment"])
    if not ids:
        raise GradingError(f"{path} has no column `id`; it has {table.named()}. {NOTHING}")
    points, comments = _columns(table, {*ids, *named}, assignments)
    for name, most in points.values():
        if most is None:
            continue
        if len(assignments) > 1 and not named:
            raise GradingError(
                f"{path}: {len(assignments)} exercises were handed in; say in a column `assignment` which of them each "
                f"row is about. {NOTHING}"
            )
        if not named:
            marks.rows[assignments[0].name][name] = most
    for row in table.rows:
        student = _student(row, ids[0], table, roster)
        for assignment in _assignments(row, named, table, assignments):
            _take(marks, row, student, assignment, points, comments)
    return marks


def _columns(table: Table, others: set[int], assignments: list[Assignment]) -> tuple[dict, dict]:
    """What the columns hold: {column: (row of the rubric, its points or None)}, and {column: the row it comments}."""
    points: dict[int, tuple[str, float | None]] = {}
    comments: dict[int, str] = {}
    by_hand = {item.name for assignment in assignments for item in assignment.by_hand}
    by_check = {item.name for assignment in assignments for item in assignment.items}
    others |= {*table.columns((*lists.IDS, *lists.NAMES, *lists.FIRST, *lists.LAST))}
    for at, head in enumerate(map(str.strip, table.head)):
        if at in others or not head:
            continue
        found = WITH_POINTS.fullmatch(head)
        name = found["name"] if found else head
        if name in by_check:
            raise GradingError(f"{table.path}: `{name}` is judged by a check: rename the column. {NOTHING}")
        if head.casefold() == COMMENT or head.casefold().endswith(f" {COMMENT}"):
            comments[at] = head[: -len(COMMENT)].strip()
        elif name in by_hand:  # the rubric says its points
            points[at] = (name, None)
        elif found:
            points[at] = (name, float(found["points"].replace(",", ".")))
        else:
            raise GradingError(
                f"{table.path}: no rubric has a row `{head}` that is marked by hand; if it is one of your own, write "
                f"its points, as `{head} (6)`. {NOTHING}"
            )
    return points, comments


def _take(marks: ByHand, row: Row, student: Student, assignment: str, points: dict, comments: dict) -> None:
    """Keep what a row of the file says of a student's work."""
    key, rows = (student.id, assignment), marks.rows[assignment]
    if key in marks.given:
        raise GradingError(f"{marks.path}: row {row.number} marks {student.id} a second time: keep one row. {NOTHING}")
    marks.given[key] = {}
    for at, (item, most) in points.items():
        if not row[at] or (most is None and item not in rows):
            continue
        most = rows.setdefault(item, most)
        marks.given[key][item] = _points(row[at], most, f"{marks.path}: row {row.number}, `{item}`")
    marks.comments[key] = {item: row[at] for at, item in comments.items() if row[at]}


def _student(row: Row, at: int, table: Table, roster: Roster) -> Student:
    student = roster.by_id(row[at])
    if student is None:
        raise GradingError(
            f"{table.path}: row {row.number} names {row[at]!r}, who is not in {roster.path.name}: correct one of the "
            f"two. {NOTHING}"
        )
    return student


def _assignments(row: Row, named: list[int], table: Table, assignments: list[Assignment]) -> list[str]:
    """The assignments that a row is about: all, if it does not say."""
    if not named:
        return [assignment.name for assignment in assignments]
    wanted = row[named[0]]
    found = [a.name for a in assignments if wanted in (a.name, a.name[:2], a.name[:2].lstrip("0"))]
    if not found:
        raise GradingError(
            f"{table.path}: row {row.number} is about assignment {wanted!r}, which nobody handed in: leave it out, or "
            f"correct it. {NOTHING}"
        )
    return found


def _points(entry: str, most: float, where: str) -> float:
    try:
        points = float(entry.replace(",", "."))
    except ValueError:
        points = -1.0
    if not 0 <= points <= most:
        raise GradingError(f"{where}: {entry!r} is no number from 0 to {most:g}. {NOTHING}")
    return points


def _mark(name: str, most: float, points: float | None, comment: str) -> Mark:
    if points is None:
        return Mark(name, 0, most, "unmarked", comment or WAITS)
    verdict = "right" if points == most else "partly" if points else "wrong"
    return Mark(name, points, most, verdict, comment)
