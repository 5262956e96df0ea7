"""Grades many submissions: several at once, behind a progress bar, each result kept so that grading can go on later."""

import hashlib
import json
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from textclf_lesson import __version__
from textclf_lesson.grade import artefacts, process, sitting
from textclf_lesson.grade.assignment import Assignment, GradingError, of_submission, read_assignments
from textclf_lesson.grade.marking import Mark, Marks, mark

COURSE = Path(__file__).resolve().parents[2]
KEPT = ".grades"  # the folder, among the submissions, where results are kept


@dataclass(frozen=True)
class Submission:
    """A notebook, the assignment it answers, and the folder of what is handed in beside it."""

    path: Path
    name: str
    assignment: Assignment | None
    files: Path | None = None


@dataclass(frozen=True)
class Classroom:
    """What is graded against what. `hidden` are the folders that no submission may see."""

    folder: Path
    submissions: list[Submission]
    hidden: list[Path]
    solutions: Path

    def kept_at(self, submission: Submission) -> Path:
        """Where this result is kept. Another submission, solution or set of checks is another file."""
        digest = hashlib.sha256(f"{__version__} {submission.name}".encode() + submission.path.read_bytes())
        digest.update((self.solutions / f"{submission.assignment.name}.ipynb").read_bytes())
        for part in sorted(resources.files("textclf_lesson.check").iterdir(), key=lambda part: part.name):
            if part.name.endswith(".py"):
                digest.update(part.read_bytes())
        if any(item.artefact for item in submission.assignment.items):
            digest.update(artefacts.fingerprint(submission.files))
        return self.folder / KEPT / f"{digest.hexdigest()[:24]}.json"


def classroom(path: Path, solutions: Path, assignment: str | None) -> Classroom:
    """One notebook, or all in a folder and its folders (one per student, as nbgrader collects them, or side by side).

    `assignment` ("01") names the assignment of all; without it, each file tells. Raises GradingError.
    """
    assignments = read_assignments(solutions)
    if assignment is not None:
        number = assignment.zfill(2)
        assignments = {name: a for name, a in assignments.items() if name.split("_")[0] == number}
        if not assignments:
            raise GradingError(f"There is no assignment {assignment} in {solutions}.")
    if not path.exists():
        raise GradingError(f"There is no {path}: name a submission, or a folder of submissions.")
    if path.is_dir() and any(Path(part).resolve().is_relative_to(path.resolve()) for part in (COURSE, sys.prefix)):
        raise GradingError(f"{path} holds the course itself: put the submissions into a folder of their own.")
    folder = path if path.is_dir() else path.parent
    notebooks = sorted(folder.rglob("*.ipynb"))
    inside = [p for p in notebooks if not any(part.startswith(".") for part in p.relative_to(folder).parts)]
    files = inside if path.is_dir() else [path]
    if not files:
        raise GradingError(f"There is no notebook in {path}.")
    only = next(iter(assignments.values())) if assignment is not None else None
    submissions = [
        Submission(p, str(p.relative_to(folder).with_suffix("")), only or of_submission(p, assignments)) for p in files
    ]
    places = Counter((submission.path.parent, submission.assignment) for submission in submissions)
    submissions = [  # artefacts beside two notebooks of one assignment could be either's
        replace(s, files=artefacts.beside(s.path)) if places[s.path.parent, s.assignment] == 1 else s
        for s in submissions
    ]
    return Classroom(folder, submissions, [*_hidden(solutions), *([path] if path.is_dir() else [])], solutions)


def _hidden(solutions: Path) -> list[Path]:
    """What no submission may see: solutions, the tests with their right answers, the history that has both."""
    roots = {solutions.resolve().parent, COURSE}
    inside = [root / name for root in sorted(roots) for name in ("solutions", "tests", ".git", "build")]
    return [solutions, *(folder for folder in inside if folder.is_dir() and folder != solutions.resolve())]


def grade(room: Classroom, limits: process.Limits, jobs: int, console: Console, keep: bool) -> list[Marks]:
    """The marks of all submissions, in their order; `jobs` at a time. With `keep`, results are stored and reused.

    Raises KeyboardInterrupt after ending what runs; what was graded by then stays stored.
    """
    done: dict[str, Marks] = {}
    left = []
    for submission in room.submissions:
        known = _kept(room, submission) if keep and submission.assignment else None
        if submission.assignment is None:
            note = "Not graded: neither its cells nor its name tell which assignment this is."
            done[submission.name] = Marks(submission.name, "", note=note)
        elif known:
            done[submission.name] = known
        else:
            left.append(submission)
    with _bar(console) as bar:
        task = bar.add_task("graded", total=len(room.submissions), completed=len(done))
        for submission, marks in _each(left, room, limits, jobs):
            done[submission.name] = marks
            if keep and all(mark.verdict != "unjudged" for mark in marks.marks):
                _store(room.kept_at(submission), marks)
            bar.advance(task)
            if not console.is_terminal and len(room.submissions) > 1:
                console.print(
                    f"{marks.submission}: {marks.points:g} of {marks.out_of:g}", highlight=False, markup=False
                )
    return [done[submission.name] for submission in room.submissions]


def _each(
    left: list[Submission], room: Classroom, limits: process.Limits, jobs: int
) -> Iterator[tuple[Submission, Marks]]:
    """Submissions with their marks, as they get ready."""
    if min(jobs, len(left)) > 1:
        import transformers  # noqa: F401  (here, for it breaks where two threads import it at once, as checks would)
    sitting.interrupted.clear()
    pool = ThreadPoolExecutor(jobs)
    futures = {pool.submit(mark, s.path, s.name, s.assignment, limits, room.hidden, s.files): s for s in left}
    waiting = set(futures)
    try:
        while waiting:
            ready, waiting = wait(waiting, timeout=1, return_when=FIRST_COMPLETED)
            for future in ready:
                yield futures[future], future.result()
    finally:
        sitting.interrupted.set()
        pool.shutdown(cancel_futures=True)


def _bar(console: Console) -> Progress:
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    return Progress(*columns, console=console, disable=not console.is_terminal)


def _kept(room: Classroom, submission: Submission) -> Marks | None:
    with suppress(OSError, ValueError, KeyError, TypeError):
        known = json.loads(room.kept_at(submission).read_text(encoding="utf-8"))
        return Marks(known["submission"], known["assignment"], [Mark(**m) for m in known["marks"]], known["note"])
    return None


def _store(path: Path, marks: Marks) -> None:
    path.parent.mkdir(exist_ok=True)
    part = path.with_suffix(".part")
    part.write_text(json.dumps(marks.as_dict(), ensure_ascii=False, indent=1), encoding="utf-8")
    part.replace(path)
