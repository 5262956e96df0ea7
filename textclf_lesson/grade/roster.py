"""Who is in the class: a CSV file with one row a student, and which of them handed in which file.

A student is known by the `id`, and by whatever else the row has that platforms put into file names: an e-mail address,
the number that Moodle or Canvas gives, the name.
"""

import itertools
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from textclf_lesson.base.errors import GradingError
from textclf_lesson.grade import names, tables
from textclf_lesson.grade.tables import NOTHING, Row, Table

# The first of them that is there is the id. The others identify a student too. Canvas, Moodle, and what people write.
IDS = ("id", "student id", "student_id", "identifier", "id number", "sis user id", "sis login id", "username")
IDS += ("user name", "login id", "login", "email address", "email", "e-mail", "matriculation number")
NAMES = ("name", "full name", "student", "student name")
FIRST, LAST = ("first name", "given name", "firstname"), ("last name", "surname", "family name", "lastname")


@dataclass(frozen=True)
class Student:
    """A row of the class's list. `keys`: what identifies the student, the surest first: id, other ids, the name."""

    id: str
    name: str
    keys: tuple[frozenset[str], frozenset[str], frozenset[str]]
    row: Row

    @property
    def ids(self) -> frozenset[str]:
        return self.keys[0] | self.keys[1]

    @property
    def shown(self) -> str:
        return f"{self.id} ({self.name})" if self.name else self.id


@dataclass
class Roster:
    """The students of a CSV file, in its order."""

    table: Table
    students: list[Student]

    @property
    def path(self) -> Path:
        return self.table.path

    def by_id(self, given: str) -> Student | None:
        """The student with this id, written as in the roster; else None."""
        return next((student for student in self.students if student.id == given.strip()), None)

    def whose(self, submission: str, assignments: Iterable[str]) -> tuple[Student | None, str]:
        """The student who handed in the file of this name, folders included; or None, and why none was found."""
        tokens = tokens_of(submission, assignments)
        for level in range(3):
            found = [student for student in self.students if student.keys[level] & tokens]
            if len(found) > 1:
                several = ", ".join(student.shown for student in found)
                return None, f"its name fits several students of {self.path.name}: {several}"
            if found:
                return found[0], ""
        return None, f"no student of {self.path.name} fits its name"


def read(path: Path, id_column: str | None = None) -> Roster:
    """A class's list: a CSV file with the column `id` (or one of IDS, or `id_column`), and best with names.

    Rows without any id, as Canvas's points possible, are no students. Raises GradingError for a file without that
    column, a student without an id, or two with the same one.
    """
    table = tables.read(path)
    at, *others = _id_columns(table, id_column)
    called, first, last = table.columns(NAMES), table.columns(FIRST), table.columns(LAST)
    students: list[Student] = []
    seen: dict[str, int] = {}
    for row in table.rows:
        name = row[called[0]] if called else " ".join(row[where[0]] for where in (first, last) if where).strip()
        if not row[at]:
            if not any(row[other] for other in others):
                continue
            raise GradingError(
                f"{path}: row {row.number} ({name or row[others[0]]}) has no {_quoted(table, at)}. {NOTHING}"
            )
        if row[at] in seen:
            raise GradingError(
                f"{path}: the {_quoted(table, at)} {row[at]} stands in rows {seen[row[at]]} and {row.number}; each "
                f"student needs one of their own. {NOTHING}"
            )
        seen[row[at]] = row.number
        more = {key for other in others for key in _keys(row[other])}
        students.append(Student(row[at], name, (frozenset(_keys(row[at])), frozenset(more), _forms(name)), row))
    if not students:
        raise GradingError(f"{path} lists no student. {NOTHING}")
    return Roster(table, students)


def tokens_of(submission: str, assignments: Iterable[str]) -> frozenset[str]:
    """What in a submission's name may say whose it is, plain: folders, the name as Canvas and Moodle write it, the
    platform's number of the student, and the file's own name without that of the assignment."""
    parts, stems = submission.split("/"), [names.plain(stem) for stem in assignments]
    found: set[str] = set()
    for at, part in enumerate(parts):
        if given := names.MOODLE.fullmatch(part) or names.CANVAS.fullmatch(part):
            found |= {given["user"], *_forms(given["who"])}
            continue
        part = re.sub(r"\.(zip|tar|tgz|gz|tar\.gz)$", "", part, flags=re.I)
        plain = names.plain(part)
        found.add(plain)
        if at == len(parts) - 1:
            base = names.read(part).base
            for stem, form in itertools.product(stems, (plain, base, base.replace("_exercise", ""))):
                rest = re.sub(rf"(?:^|_){re.escape(stem)}(?:_exercise)?(?:_|$)", "_", form).strip("_")
                found.add(rest)
    return frozenset(found - {""} - set(stems))


def numbers_of(submission: str) -> frozenset[str]:
    """The numbers by which Moodle or Canvas know the student of a file."""
    parts = submission.split("/")
    given = [names.MOODLE.fullmatch(part) or names.CANVAS.fullmatch(part) for part in parts]
    return frozenset(one["user"] for one in given if one)


def _id_columns(table: Table, wanted: str | None) -> list[int]:
    if wanted is not None:
        first = table.columns([wanted])
        if not first:
            raise GradingError(f"{table.path} has no column `{wanted}`; it has {table.named()}. {NOTHING}")
        return [*first, *(at for at in table.columns(IDS) if at not in first)]
    found = table.columns(IDS)
    if not found:
        raise GradingError(
            f"{table.path} has no column `id` by which students are known; it has {table.named()}. Rename one, or name "
            f"it: --id-column NAME. {NOTHING}"
        )
    return found


def _quoted(table: Table, at: int) -> str:
    return f"`{table.head[at].strip()}`"


def _keys(entry: str) -> set[str]:
    """The plain forms of an id: Moodle writes a number as "Participant 12345"; of an address, the part before @ too."""
    found = {names.plain(entry)}
    if number := re.fullmatch(r"[^\W\d]+ (\d+)", entry):
        found.add(number[1])
    if "@" in entry:
        found.add(names.plain(entry.partition("@")[0]))
    return found - {""}


def _forms(name: str) -> frozenset[str]:
    """The plain forms of a name: in any rotation of its words (Ada Lovelace, Lovelace Ada), apart and as one word, with
    accents and without."""
    found = set()
    bare = "".join(sign for sign in unicodedata.normalize("NFKD", name) if not unicodedata.combining(sign))
    for words in {tuple(names.plain(one).split("_")) for one in (unicodedata.normalize("NFC", name), bare)}:
        for at in range(len(words)):
            turned = (*words[at:], *words[:at])
            found |= {"_".join(turned), "".join(turned)}
    return frozenset(found - {""})
