"""What an instructor brings along: the class's list, the due date, marks by hand, a platform's export.

All of it is read before grading begins, which may take an hour; what cannot be understood is said then, and nothing
has been graded or written.
"""

import itertools
from dataclasses import dataclass, field, replace
from pathlib import Path

from textclf_lesson.base.errors import GradingError
from textclf_lesson.grade import by_hand, deadline, feedback, gradebook, roster, summary
from textclf_lesson.grade.by_hand import ByHand
from textclf_lesson.grade.classroom import Classroom
from textclf_lesson.grade.deadline import Deadline
from textclf_lesson.grade.gradebook import Gradebook
from textclf_lesson.grade.marking import Marks
from textclf_lesson.grade.roster import Roster
from textclf_lesson.grade.tables import NOTHING


@dataclass(frozen=True)
class Options:
    """Of `textclf grade`, as they were given."""

    roster: Path | None = None
    due: str | None = None
    extensions: Path | None = None
    marks: Path | None = None
    feedback: Path | None = None
    into: Path | None = None
    column: str | None = None
    id_column: str | None = None

    def files(self) -> set[Path]:
        """What is no submission, wherever it lies."""
        given = {self.roster, self.extensions, self.marks, self.feedback, self.into} - {None}
        return given | ({path for path in self.into.parent.glob(f"{self.into.stem}.before*")} if self.into else set())


@dataclass
class Register:
    """What was read. `students` is the roster, or the export in its place."""

    options: Options
    students: Roster | None = None
    deadline: Deadline | None = None
    marks: ByHand = field(default_factory=ByHand)
    book: Gradebook | None = None

    def complete(self, graded: list[Marks], room: Classroom, whole: bool) -> list[Marks]:
        """The marks with students, times and marks by hand; of a `whole` class, then a row for each that is missing."""
        known = [submission.assignment.name for submission in room.submissions]
        done = []
        for submission, marks in itertools.zip_longest(room.submissions, graded):
            student, why = self.students.whose(marks.submission, known) if self.students else (None, "")
            about = {"student": student.id if student else "", "name": student.name if student else ""}
            marks = replace(marks, about=about if self.students else {})
            if submission is not None:
                if self.deadline:
                    marks.about |= self.deadline.check(marks.submission, submission.path, student)
                if why:
                    marks.note = "; ".join(filter(None, [why, marks.note]))
                if not marks.unread:
                    marks = self.marks.complete(marks, about["student"])  # those of nobody wait
            done.append(marks)
        return [*done, *self._missing(done, room)] if whole and self.students else done

    def hand_out(self, graded: list[Marks], room: Classroom) -> tuple[list[str], list[str]]:
        """Write feedback and export; returns what there is to tell, and what could not be done."""
        told, problems = [], []
        told += [self.deadline.told()] if self.deadline else []
        told += self._of_students(graded) if self.students else []
        told += self._of_marks(graded)
        if self.options.feedback:
            try:
                told.append(feedback.write(self.options.feedback, graded, room))
            except OSError as error:
                problems.append(f"{self.options.feedback} could not be written ({error.strerror or error}).")
        if self.book:
            told += self.book.merge(graded, self.students)
            try:
                told.append(self.book.write())
            except OSError as error:
                problems.append(
                    f"{self.options.into} could not be written ({error.strerror or error}); it is as it was."
                )
        return told, problems

    def _missing(self, graded: list[Marks], room: Classroom) -> list[Marks]:
        """A row without points for each student who has no submission of an assignment that others handed in."""
        there = {(marks.about["student"], marks.assignment) for marks in graded}
        rows = []
        for assignment in sorted({submission.assignment.name for submission in room.submissions}):
            for student in self.students.students:
                if (student.id, assignment) in there:
                    continue
                others = [one for one in graded if one.about["student"] == student.id and not one.assignment]
                others = [one.submission for one in others if not one.note.startswith(summary.HARMLESS)]
                why = f"; there is {', '.join(others)}" if others else ""
                about = {"student": student.id, "name": student.name}
                note = f"Not graded: nothing handed in for {assignment}{why}."
                rows.append(Marks(student.shown, "", note=note, about=about))
        return rows

    def _of_students(self, graded: list[Marks]) -> list[str]:
        unknown = [one.submission for one in graded if one.assignment and not one.about["student"]]
        late = [f"{one.submission} ({one.about['late']})" for one in graded if one.about.get("late")]
        name = self.students.path.name
        told = [f"Of no student in {name}, {len(unknown)}: {'; '.join(unknown)}."] if unknown else []
        return told + ([f"Late, {len(late)}: {'; '.join(late)}. No points were taken."] if late else [])

    def _of_marks(self, graded: list[Marks]) -> list[str]:
        told, waits = [], {}
        for marks in graded:
            for mark in marks.marks:
                if mark.verdict == "unmarked":
                    waits.setdefault(mark.item, []).append(marks.about.get("student") or marks.submission)
        told += [f"To be marked by hand, `{item}`, {len(who)}: {', '.join(who)}." for item, who in waits.items()]
        there = [(marks.about.get("student", ""), marks.assignment) for marks in graded if not marks.unread]
        if unused := self.marks.unused(there):
            listed = "; ".join(f"{student}, {assignment}" for student, assignment in unused)
            told.append(f"Marked by hand, but not graded, {len(unused)}: {listed}.")
        return told


def read(options: Options) -> Register:
    """Read the list and the due date. Raises GradingError."""
    register = Register(options)
    if (
        options.feedback
        and options.feedback.exists()
        and (not options.feedback.is_dir() or any(options.feedback.iterdir()))
    ):
        raise GradingError(f"{options.feedback} exists already: name a new folder for the feedback. {NOTHING}")
    if options.extensions and not options.due:
        raise GradingError(f"--extensions needs --due, the moment for everybody else. {NOTHING}")
    if options.column and not options.into:
        raise GradingError(f"--column needs --into, the file that has it. {NOTHING}")
    if options.roster:
        register.students = roster.read(options.roster, None if options.into else options.id_column)
    elif options.into:
        register.students = roster.read(options.into, options.id_column)
    if options.due:
        register.deadline = deadline.read(options.due, options.extensions, register.students)
    if options.marks and register.students is None:
        raise GradingError(f"--marks needs --roster, which says who the ids of {options.marks} are. {NOTHING}")
    return register


def fit(register: Register, room: Classroom) -> None:
    """Read what depends on the assignments that were handed in. Raises GradingError."""
    options = register.options
    assignments = list({submission.assignment.name: submission.assignment for submission in room.submissions}.values())
    register.marks = by_hand.of_assignments(assignments)
    if options.marks:
        register.marks = by_hand.read(options.marks, register.students, assignments)
    if options.into:
        exported = register.students if not options.roster else roster.read(options.into, options.id_column)
        register.book = gradebook.find(exported, [assignment.name for assignment in assignments], options.column)
