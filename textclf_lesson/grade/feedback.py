"""What a learner gets back: one page, whole in one file, with each item's points and hint, their own code, and what
the teacher wrote. It names no other learner, no other file, and no hidden test."""

import csv
import io
import shutil
import tempfile
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from importlib import resources
from itertools import zip_longest
from pathlib import Path

from jinja2 import Environment

from textclf_lesson.base.errors import Unreadable
from textclf_lesson.grade import names
from textclf_lesson.grade.assignment import Submission, notebook_cells
from textclf_lesson.grade.classroom import Classroom
from textclf_lesson.grade.marking import Mark, Marks
from textclf_lesson.grade.summary import MEANINGS, OPEN, SIGNS

LONGEST = 20_000  # characters of an answer that are shown
INDEX = "pages.csv"


@dataclass
class Part:
    """One exercise of a learner. `answers`: the source of the learner's cell, by item."""

    title: str
    marks: Marks
    note: str
    answers: dict[str, str] = field(default_factory=dict)

    @property
    def missed(self) -> list[Mark]:
        return [mark for mark in self.marks.marks if mark.verdict not in ("right", *OPEN)]


def write(folder: Path, graded: list[Marks], room: Classroom) -> str:
    """Write a page for each learner whose work was graded, and `pages.csv`, which says whose each is; all or nothing.

    `graded` begins with the marks of the submissions of `room`, in their order. Returns a sentence. Raises OSError.
    """
    pages: dict[str, list[Part]] = {}
    for submission, marks in zip_longest(room.submissions, graded):
        if submission is not None:
            who = marks.about.get("student") or learner_of(marks.submission)
            pages.setdefault(who, []).append(_part(submission, marks))
    folder.absolute().parent.mkdir(parents=True, exist_ok=True)
    made = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.absolute().parent))
    try:
        made.chmod(0o755)  # mkdtemp gives 0o700; whoever else works with the class's folder may read it
        index, taken = io.StringIO(), Counter()
        rows = csv.writer(index, lineterminator="\n")
        rows.writerow(["page", "student", "name", "submissions"])
        for who, parts in pages.items():
            name = _file(who, taken)
            (made / name).write_bytes(page(parts).encode("utf-8", "replace"))
            about = parts[0].marks.about
            entries = [name, who, about.get("name", ""), " | ".join(part.marks.submission for part in parts)]
            rows.writerow(
                [f"'{entry}" if entry[:1] in ("=", "+", "-", "@", "\t", "\r") else entry for entry in entries]
            )
        (made / INDEX).write_bytes(("\ufeff" + index.getvalue()).encode("utf-8", "replace"))
        with suppress(FileNotFoundError):
            folder.rmdir()  # an empty one
        made.rename(folder)
    finally:
        shutil.rmtree(made, ignore_errors=True)
    return f"Feedback, {len(pages)} page{'' if len(pages) == 1 else 's'}: {folder}; {INDEX} there says whose each is."


def page(parts: list[Part]) -> str:
    """The page of a learner, without scripts and without anything from elsewhere."""
    template = resources.files(__package__).joinpath("feedback.html").read_text(encoding="utf-8")
    made = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True).from_string(template)
    return made.render(parts=parts, about=parts[0].marks.about, signs=SIGNS, meanings=MEANINGS, open=OPEN)


def learner_of(submission: str) -> str:
    """Whose a submission is, where no class's list says: the student of Canvas's or Moodle's file names, else the first
    folders of its name, else the file."""
    if owner := names.read(submission).owner:
        return owner.rpartition("/")[2]
    return submission.rpartition("/")[0] or submission


def _part(submission: Submission, marks: Marks) -> Part:
    about_file = "; ".join(submission.notes)  # names other versions, which may be other learners' files
    note = marks.note.replace(about_file, "", 1).strip("; ") if about_file else marks.note
    return Part(submission.assignment.title or marks.assignment, marks, note, answers(submission))


def answers(submission: Submission) -> dict[str, str]:
    """The learner's cells by item, the last of several; none of a file that is not a notebook."""
    wanted = {*submission.assignment.blanks, *(item.name for item in submission.assignment.by_hand)}
    found = {}
    with suppress(Unreadable, OSError):
        for cell in notebook_cells(submission.path):
            marks = cell.get("metadata", {})
            marks = marks.get("nbgrader") if isinstance(marks, dict) else None
            name = marks.get("grade_id") if isinstance(marks, dict) else None
            source = cell.get("source", "")
            source = source if isinstance(source, str) else "".join(line for line in source if isinstance(line, str))
            if isinstance(name, str) and name in wanted and source.strip():
                cut = f"\n# … and {len(source) - LONGEST} characters more" if len(source) > LONGEST else ""
                found[name] = source[:LONGEST] + cut
    return found


def _file(who: str, taken: Counter) -> str:
    name = names.plain(who)[:100] or "learner"
    taken[name] += 1
    return f"{name}.html" if taken[name] == 1 else f"{name}~{taken[name]}.html"
