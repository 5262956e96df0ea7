"""The grades, merged into the CSV file that Moodle or Canvas exported, so that it can be imported again.

One column changes, in the rows of students whose work is graded. Everything else stays as it was exported, and a copy
of the file as it was is kept beside it.
"""

import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from textclf_lesson.base.errors import GradingError
from textclf_lesson.grade import names
from textclf_lesson.grade import roster as lists
from textclf_lesson.grade.marking import Marks
from textclf_lesson.grade.roster import Roster, Student
from textclf_lesson.grade.tables import NOTHING, Row, Table

MOODLES, MOODLES_MOST = "grade", "maximum grade"  # of its grading worksheet
CANVAS_MOST = "points possible"  # the row of an export of Canvas that has the most of each column


@dataclass
class Gradebook:
    """An export: its rows as students, and the column of each assignment."""

    roster: Roster
    columns: dict[str, int]

    @property
    def table(self) -> Table:
        return self.roster.table

    def merge(self, graded: list[Marks], roster: Roster) -> list[str]:
        """Enter the points; returns what there is to tell, the rows that do not match on either side among it."""
        name, told = self.table.path.name, []
        before = {row.number: list(row.entries) for row in self.table.rows}
        groups: dict[tuple[str, str], list[Marks]] = {}
        for marks in graded:
            if marks.assignment and not marks.unread:
                groups.setdefault((marks.about.get("student") or f"\0{marks.submission}", marks.assignment), []).append(
                    marks
                )
        lost, unfinished, several, entered = [], [], [], {assignment: set() for assignment in self.columns}
        for (student, assignment), those in groups.items():
            rows = self._rows_of(student, those, roster)
            if len(rows) != 1:
                lost += [_shown(one) + " (fits several rows)" * (len(rows) > 1) for one in those]
            elif len(those) > 1:
                several.append(" and ".join(one.submission for one in those))
            elif those[0].open:
                unfinished.append(f"{_shown(those[0])}, {those[0].open:g} points open")
            if len(rows) == 1:
                entered[assignment].add(rows[0].id)
                if len(those) == 1 and not those[0].open:
                    self._enter(rows[0].row, self.columns[assignment], those[0].points)
        replaced = self._replaced(before)
        for assignment, at in self.columns.items():
            without = [one.shown for one in self.roster.students if one.id not in entered[assignment]]
            head = self.table.head[at].strip()
            told += _listed(f"In {name}, but nothing graded for `{head}`", without)
            told += self._limits(assignment, at, groups)
        told += _listed(f"Graded, but not in {name}", lost)
        told += _listed("Not final, so not entered", unfinished)
        told += _listed("Several submissions of one student, none of them entered", several)
        told += _listed(f"Entries of {name} that were replaced", replaced)
        return told

    def write(self) -> str:
        """Write the file, after a copy of it as it was; returns a sentence about both. Raises OSError."""
        path, content = self.table.path, self.table.as_bytes()
        changed = sum(row.changed for row in self.table.rows)
        if content == path.read_bytes():
            return f"{path}: nothing to change."
        kept = next(spare for spare in _spares(path) if not spare.exists())
        shutil.copy2(path, kept)
        part = path.with_name(f".{path.name[:100]}.part")
        part.write_bytes(content)
        part.replace(path)
        return f"{path}: grades entered in {changed} row{'' if changed == 1 else 's'}; as it was before: {kept.name}."

    def _rows_of(self, student: str, those: list[Marks], roster: Roster) -> list[Student]:
        """The rows of the export that are this student's: by an id, or by the platform's number in a file name."""
        known = roster.by_id(student)
        if known is None:
            return []
        if roster is self.roster:
            return [known]
        ids = known.ids | {number for marks in those for number in lists.numbers_of(marks.submission)}
        return [row for row in self.roster.students if row.ids & ids]

    def _enter(self, row: Row, at: int, points: float) -> None:
        entry = f"{round(points, 2):g}"
        if _number(row[at]) == round(points, 2):
            return
        if any(re.fullmatch(r"\d+,\d+", other[column]) for other in self.table.rows for column in self._numeric(at)):
            entry = entry.replace(".", ",")
        row[at] = entry

    def _numeric(self, at: int) -> list[int]:
        return [at, *self.table.columns([MOODLES_MOST])]

    def _replaced(self, before: dict[int, list[str]]) -> list[str]:
        found = []
        for student in self.roster.students:
            row, old = student.row, before[student.row.number]
            for at in dict.fromkeys(self.columns.values()):
                was = old[at].strip() if at < len(old) else ""
                if was and was != row[at] and was != "-":
                    found.append(f"{student.shown}: {was} is now {row[at]}")
        return found

    def _limits(self, assignment: str, at: int, groups: dict[tuple[str, str], list[Marks]]) -> list[str]:
        """Whether the platform's maximum is another than the exercise's: its grades would then mean something else."""
        most = {those[0].out_of for (_, name), those in groups.items() if name == assignment}
        column = self.table.columns([MOODLES_MOST])
        given = {_number(row[column[0]]) for row in self.table.rows} if column else set()
        for row in self.table.rows:
            if any(entry.strip().casefold() == CANVAS_MOST for entry in row.entries):
                given.add(_number(row[at]))
        if not most or not (given - {None}) or given - {None} == most:
            return []
        there, here = (" and ".join(f"{value:g}" for value in sorted(some)) for some in (given - {None}, most))
        return [
            f"`{self.table.head[at].strip()}` has {there} points at most there, and {assignment} has {here}: set the "
            "maximum there to that. Points are entered as they are, not scaled."
        ]


def find(roster: Roster, assignments: list[str], column: str | None) -> Gradebook:
    """The columns of an export for these assignments: `column`, or one whose name has the assignment's (`01_framing
    (9876)`), or `Grade` of Moodle's grading worksheet if there is one assignment.

    Raises GradingError if one cannot be told.
    """
    table = roster.table
    if column is not None:
        if len(assignments) > 1:
            raise GradingError(
                f"--column is for one exercise, and {len(assignments)} were handed in: --assignment NN. {NOTHING}"
            )
        return Gradebook(roster, dict.fromkeys(assignments, _only(table, column)))
    columns = {}
    for assignment in assignments:
        found = [at for at, head in enumerate(table.head) if names.assignment_in(head.replace("/", " "), [assignment])]
        if not found and len(assignments) == 1:
            found = table.columns([MOODLES])
        if len(found) != 1:
            why = "several columns" if found else "no column"
            raise GradingError(
                f"{table.path} has {why} for {assignment}: name one with --column; there are {table.named()}. {NOTHING}"
            )
        columns[assignment] = found[0]
    return Gradebook(roster, columns)


def _only(table: Table, column: str) -> int:
    found = table.columns([column])
    if not found:
        raise GradingError(f"{table.path} has no column `{column}`; it has {table.named()}. {NOTHING}")
    return found[0]


def _spares(path: Path):
    yield path.with_name(f"{path.stem}.before{path.suffix}")
    number = 2
    while True:
        yield path.with_name(f"{path.stem}.before-{number}{path.suffix}")
        number += 1


def _number(entry: str) -> float | None:
    try:
        return float(entry.replace(",", "."))
    except ValueError:
        return None


def _shown(marks: Marks) -> str:
    return f"{marks.submission} ({marks.about['student']})" if marks.about.get("student") else marks.submission


def _listed(what: str, entries: list[str]) -> list[str]:
    return [f"{what}, {len(entries)}: {'; '.join(entries)}."] if entries else []
