"""Marks one submission: runs its cells in a process of its own, then runs each item's test against that process.

A learner loses points only for their own mistakes. A fault of this machine or of the course (missing assets, a full
disk, a process killed from outside, a check that breaks) leaves an item unjudged, to be graded again.
"""

import ast
from dataclasses import asdict, dataclass, field
from typing import Any

from textclf_lesson.base.errors import (
    AnswerError,
    Blank,
    CheckFailed,
    CheckFault,
    Killed,
    Missing,
    NotYet,
    Stopped,
    Unreadable,
)
from textclf_lesson.check.core import say
from textclf_lesson.grade.artefacts import Artefacts
from textclf_lesson.grade.assignment import Cell, Item, Submission, cells_to_run
from textclf_lesson.grade.sandbox import Sandbox
from textclf_lesson.grade.sitting import Sitting
from textclf_lesson.grade.wire import MISSING

# The verdicts on an item. "right" earns its points, "partly" some; "unjudged" is a fault of the course or of the
# machine: the item is graded again the next time. "unmarked" waits for a teacher's mark: no check can judge it.
VERDICTS = ("right", "partly", "wrong", "blank", "missing", "stopped", "unjudged", "unmarked")


@dataclass
class Mark:
    """One item of one submission. `hint` is the sentence for the learner; of an artefact, also what was measured."""

    item: str
    points: float
    out_of: float
    verdict: str
    hint: str = ""


@dataclass
class Marks:
    """One submission. `note` says what is wrong with the file or its cells as a whole; "" if nothing.

    `assignment` is "" for a file that was not graded. `limited`: a limit was reached, so higher ones may change marks.
    `about`: what the class's list and the clock add: student, name, handed_in, time_from, due, late, comment.
    """

    submission: str
    assignment: str
    marks: list[Mark] = field(default_factory=list)
    note: str = ""
    limited: bool = field(default=False, compare=False, repr=False)
    about: dict[str, str] = field(default_factory=dict)

    @property
    def points(self) -> float:
        return sum(mark.points for mark in self.marks)

    @property
    def out_of(self) -> float:
        return sum(mark.out_of for mark in self.marks)

    @property
    def unjudged(self) -> float:
        """The points of unjudged items."""
        return sum(mark.out_of for mark in self.marks if mark.verdict == "unjudged")

    @property
    def open(self) -> float:
        """The points of items that nobody has judged or marked yet: while there are any, the mark is not final."""
        return sum(mark.out_of for mark in self.marks if mark.verdict in ("unjudged", "unmarked"))

    @property
    def unread(self) -> bool:
        """Whether the file could not be read as a notebook: nothing is known of the learner's answers."""
        return "Not graded: " in self.note and all(mark.verdict == "missing" for mark in self.marks)

    def as_dict(self) -> dict[str, Any]:
        totals = {"points": self.points, "out_of": self.out_of, "unjudged": self.unjudged}
        left = {"limited"} if self.about else {"limited", "about"}
        return {key: value for key, value in asdict(self).items() if key not in left} | totals


def mark(submission: Submission, sandbox: Sandbox) -> Marks:
    """Grade all items of a submission, whatever it does."""
    items = submission.assignment.items
    marks = Marks(submission.name, submission.assignment.name)
    try:
        try:
            cells = cells_to_run(submission.path, submission.assignment)
        except Unreadable as problem:
            marks.note = f"Not graded: {problem}."
            cells = []
        with Attempt(cells, Artefacts(submission.files, sandbox), sandbox) as attempt:
            attempt.begin()
            marks.marks = [attempt.judge(item) for item in items]
            marks.note = marks.note or attempt.note()
            marks.limited = attempt.limited
    except Exception as bug:  # ours: the rest of the class is graded all the same
        marks.note = f"Not graded, by no fault of the submission: {bug!r}"
        marks.marks = [Mark(item.name, 0, item.points, "unjudged", "Grade again.") for item in items]
    return marks


def _unjudged(mark: Mark, why: str) -> Mark:
    return Mark(
        mark.item, 0, mark.out_of, "unjudged", f"Not judged, by no fault of the submission: {why}. Grade again."
    )


class Attempt:
    """The cells of a submission and their outcomes. A cell that had to be stopped is not run again."""

    def __init__(self, cells: list[Cell], artefacts: Artefacts, sandbox: Sandbox):
        self.cells, self.artefacts, self.sitting = cells, artefacts, Sitting(sandbox)
        self.troubles: dict[int, str] = {}  # cell: the error it raised
        self.stopped: dict[int, str] = {}  # cell: why it had to be stopped
        self.killed: dict[int, str] = {}  # cell: why its process was killed from outside, twice
        self.left_out: dict[int, list[str]] = {}  # cell: its lines that only a front end can run
        self.fault = ""  # what this machine lacked while the cells ran
        self.alive = self.limited = False

    def __enter__(self) -> "Attempt":
        return self

    def __exit__(self, *_: object) -> None:
        self.sitting.close()
        self.artefacts.close()

    def begin(self) -> None:
        """Run all cells in a new process; start again without a cell that had to be stopped."""
        once: set[int] = set()  # cells in which the process was killed from outside
        while not self.alive and self.cells and not self._used_up():
            at = -1
            try:
                self.sitting.start()
                for at, cell in enumerate(self.cells):
                    if self._used_up():
                        return
                    if at not in self.stopped and at not in self.killed:
                        self._run(at, cell)
                self.alive, self.fault = True, self.sitting.fault
            except Killed as reason:
                if at < 0:
                    raise RuntimeError(str(reason)) from None
                if at in once:
                    self.killed[at] = str(reason)
                once.add(at)
            except Stopped as reason:
                self.stopped[at] = str(reason)
                self.limited = True

    def _used_up(self) -> bool:
        """Whether the submission has used up its time. The time of the grader and its checks is not counted."""
        return self.sitting.spent > self.sitting.limits.total

    def _run(self, at: int, cell: Cell) -> None:
        try:
            self.left_out[at] = self.sitting.run(cell.source)
        except NotYet:
            pass
        except AnswerError as error:
            self.troubles[at] = f"{error.kind}: {' '.join(str(error).split())}"[:200]

    def judge(self, item: Item) -> Mark:
        """The mark of one item, in a process that holds the answers."""
        if item.artefact:
            mark = self._test(item, {name: self.artefacts.named(name) for name in item.wanted})
            fault, short = self.artefacts.fault, self.artefacts.short
        else:
            self.begin()
            if self.alive:
                self.sitting.started()
                self.sitting.fault = self.fault
                mark = self._test(item, None)
            else:
                mark = Mark(item.name, 0, item.points, *self._why_not_run(item))
            fault, short = self.sitting.fault or next(iter(self.killed.values()), ""), self.sitting.short
        self.limited = self.limited or short or mark.verdict == "stopped"
        # A cell that failed for such a reason may have left undefined what another item needs.
        return mark if mark.verdict in ("right", "unjudged") or not fault else _unjudged(mark, fault)

    def _test(self, item: Item, names: dict[str, Any] | None) -> Mark:
        """The mark that the item's test gives, with `names` defined; without them, those of the submission are used."""
        messages: list[str] = []
        listening = say.set(messages.append)
        try:
            if names is None:
                names = {name: self.sitting.get(name) for name in item.wanted}
            points = _run(item, names)
        except CheckFault as fault:
            return Mark(item.name, 0, item.points, "unjudged", f"{fault} Grade again."[:500])
        except Missing as hint:
            return Mark(item.name, 0, item.points, "missing", str(hint))
        except CheckFailed as hint:
            verdict = "blank" if isinstance(hint, Blank) else "wrong"
            return Mark(item.name, 0, item.points, verdict, str(hint))
        except Stopped as reason:
            self.alive = self.alive and item.artefact  # an artefact's process is another one
            stopped = Mark(item.name, 0, item.points, "stopped", f"While it was checked, {reason}.")
            return _unjudged(stopped, str(reason)) if isinstance(reason, Killed) else stopped
        except AnswerError as error:
            if error.kind == MISSING:
                return Mark(item.name, 0, item.points, *self._why_missing(item))
            return Mark(item.name, 0, item.points, "wrong", f"It raised {error.kind}: {error}"[:300])
        except Exception as bug:
            return Mark(
                item.name, 0, item.points, "unjudged", f"A test failed that has no hint ({type(bug).__name__})."
            )
        finally:
            say.reset(listening)  # whoever checks in this process afterwards is told in the usual way
        verdict = "right" if points == item.points else "partly" if points else "wrong"
        return Mark(item.name, points, item.points, verdict, messages[-1] if item.artefact and messages else "")

    # --- reasons ------------------------------------------------------------------------------------------------------

    def _why_not_run(self, item: Item) -> tuple[str, str]:
        if not self.cells:
            return "missing", "There is no code cell in the submission."
        return "stopped", "The time for the whole submission was used up before this item."

    def _why_missing(self, item: Item) -> tuple[str, str]:
        """Why the submission does not define the names that the item's test needs."""
        for at, cell in enumerate(self.cells):
            if cell.blank == item.name:
                if at in self.stopped:
                    return "stopped", f"Its cell had to be stopped: {self.stopped[at]}."
                if at in self.troubles:
                    return "wrong", f"Its cell does not run: {self.troubles[at]}"
        names = " and ".join(f"`{name}`" for name in item.wanted)
        return "missing", f"The submission defines no {names}: its cell was deleted, or its function has another name."

    def note(self) -> str:
        """Errors of cells that belong to no item, and lines that were left out."""
        notes = [
            f"cell {at + 1} was stopped: {reason}" for at, reason in self.stopped.items() if not self.cells[at].blank
        ]
        notes += [f"cell {at + 1} was not run: {reason}" for at, reason in self.killed.items()]
        notes += [
            f"cell {at + 1} raised {error}"
            for at, error in self.troubles.items()
            if not self.cells[at].blank and not error.startswith(("CheckFailed:", "Blank:"))  # a copy of a test
        ]
        lines = dict.fromkeys(line for lines in self.left_out.values() for line in lines)
        if lines:
            more = f" and {len(lines) - 5} more" if len(lines) > 5 else ""
            notes.append(f"left out, since only a notebook's front end can run it: {', '.join([*lines][:5])}{more}")
        twice = {c.blank for c in self.cells if c.blank and [d.blank for d in self.cells].count(c.blank) > 1}
        notes += [f"{name} was answered more than once, the last one counts" for name in sorted(twice)]
        return "; ".join(notes)


def _run(item: Item, names: dict[str, Any]) -> float:
    """Run an item's test. Returns all its points, or the value of its last line if that is a number, as in nbgrader."""
    tree = ast.parse(item.test)
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, f"<test of {item.name}>", "exec"), names)
    points = (
        None if last is None else eval(compile(ast.Expression(last.value), f"<test of {item.name}>", "eval"), names)
    )
    return item.points if points is None else min(max(float(points), 0.0), item.points)
