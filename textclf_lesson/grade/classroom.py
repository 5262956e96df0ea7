"""Grades a class: several submissions at once, with a progress bar. Results are kept, so that grading can continue."""

import hashlib
import json
import os
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from textclf_lesson import __version__
from textclf_lesson.assets import cache
from textclf_lesson.base import shell
from textclf_lesson.base.errors import GradingError, Unreadable
from textclf_lesson.check import needs
from textclf_lesson.grade import artefacts, handed_in, sitting
from textclf_lesson.grade.assignment import Submission, notebook_cells, of_submission, read_assignments
from textclf_lesson.grade.handed_in import Found, HandedIn
from textclf_lesson.grade.marking import Mark, Marks, mark
from textclf_lesson.grade.sandbox import Limits, Sandbox

PACKAGE = Path(__file__).resolve().parents[1]
COURSE = PACKAGE.parent
KEPT = ".grades"  # the folder, among the submissions, where results are kept


@dataclass(frozen=True)
class Classroom:
    """The submissions of a class. `hidden`: folders that no submission may see. `left`: files that are not graded, with
    the reason. `checks`: a digest of the course, on which marks depend too."""

    folder: Path
    submissions: list[Submission]
    hidden: tuple[Path, ...]
    solutions: Path
    left: list[Marks] = field(default_factory=list)
    checks: bytes = b""
    unsaved: list[str] = field(default_factory=list)  # why results could not be kept
    handed: HandedIn | None = None  # holds what was unpacked

    def kept_at(self, submission: Submission) -> Path:
        """Where this result is kept: another file once submission, solution or course change. Raises OSError."""
        digest = hashlib.sha256(f"{__version__} {submission.name}".encode() + submission.path.read_bytes())
        digest.update((self.solutions / f"{submission.assignment.name}.ipynb").read_bytes())
        digest.update(self.checks)
        if any(item.artefact for item in submission.assignment.items):
            digest.update(artefacts.fingerprint(submission.files))
        return self.folder / KEPT / f"{digest.hexdigest()[:24]}.json"


def classroom(path: Path, solutions: Path, assignment: str | None, own: set[Path] | None = None) -> Classroom:
    """One notebook, or all in a folder and its folders (one per student, as nbgrader collects them, or side by side).

    Archives are unpacked; `path` may be one. `assignment` ("01") is the assignment of all; without it, each file's own
    is found. `own` are the grader's output files, which are not submissions. Raises GradingError.
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
    if spoilt := next((out for out in sorted(own or ()) if out.exists() and handed_in.is_candidate(out)), None):
        raise GradingError(f"{spoilt} is a submission: write the results elsewhere.")
    folder = path if path.is_dir() else path.parent
    handed = handed_in.collect(path, (own or set()) | {folder / KEPT})
    if not handed.notebooks:
        found = [f"{one.name} ({reason})" for one, reason in handed.others]
        more = f" and {len(found) - 3} more" if len(found) > 3 else ""
        raise GradingError(
            f"There is no notebook in {path}." + (f" Found: {'; '.join(found[:3])}{more}." * bool(found))
        )
    only = next(iter(assignments.values())) if assignment is not None else None
    answers = {found.name: only or of_submission(found.path, assignments, found.name) for found in handed.notebooks}
    counted = handed_in.newest(
        handed.notebooks, lambda found: answers[found.name].name if answers[found.name] else "", list(assignments)
    )
    folders = Counter((found.path.parent, answers[found.name]) for found in counted.notebooks)
    submissions, left = [], [*handed.others, *counted.others]
    for found in counted.notebooks:
        if answers[found.name] is None:
            left.append((found, _why_unassigned(found.path)))
            continue
        alone = folders[found.path.parent, answers[found.name]] == 1  # else its artefacts could be either notebook's
        files = artefacts.beside(found.path) if alone else None
        submissions.append(Submission(found.path, found.shown, answers[found.name], files, found.notes))
    hidden = (*_hidden(solutions), *([path] if path.is_dir() else []))
    if handed.unpacked:
        hidden = (*hidden, Path(handed.unpacked.name))
    return Classroom(folder, submissions, hidden, solutions, _left(left, submissions), _checks(), handed=handed)


def _why_unassigned(notebook: Path) -> str:
    try:
        notebook_cells(notebook)
    except (Unreadable, OSError) as problem:
        return str(problem)
    return "neither its cells nor its name show which assignment it is"


def _left(left: list[tuple[Found, str]], submissions: list[Submission]) -> list[Marks]:
    """Files that were not graded, with the reason, in order of names; the artefacts of practicals are left out."""
    practicals = [s.files for s in submissions if s.files and any(item.artefact for item in s.assignment.items)]
    artefact = [folder / name for folder in practicals for name in (artefacts.PREDICTIONS, artefacts.MODEL)]
    rows = [
        Marks(found.shown, "", note=f"Not graded: {reason}.")
        for found, reason in left
        if not any(found.path.is_relative_to(place) for place in artefact)
    ]
    return sorted(rows, key=lambda marks: marks.submission)


def _checks() -> bytes:
    """A digest of the course as it is installed: every file of the package, since a mark may rest on any of them.

    Quiz keys, rubrics, stored results, labels and adapters are files of the package as much as its code is.
    """
    digest = hashlib.sha256()
    for path in sorted(path for path in PACKAGE.rglob("*") if path.is_file() and "__pycache__" not in path.parts):
        name = path.relative_to(PACKAGE).as_posix()
        digest.update(f"{name} {hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return digest.digest()


def _hidden(solutions: Path) -> list[Path]:
    """Folders that no submission may see: solutions, tests with right answers, and the history, which has both."""
    roots = {solutions.resolve().parent, COURSE}
    inside = [root / name for root in sorted(roots) for name in ("solutions", "tests", ".git", "build")]
    return [solutions, *(folder for folder in inside if folder.is_dir() and folder != solutions.resolve())]


def grade(room: Classroom, limits: Limits, jobs: int, console: Console, keep: bool) -> list[Marks]:
    """The marks of all submissions in their order, then the files that are not graded; `jobs` submissions at a time.

    With `keep`, results are stored and reused, except unjudged ones and those that were stopped at lower limits. Raises
    KeyboardInterrupt after ending running submissions (stored results stay), and GradingError if this machine lacks
    something that the assignments need.
    """
    done: dict[int, Marks] = {}
    left = []
    for number, submission in enumerate(room.submissions):
        known = _kept(room, submission, limits) if keep else None
        if known:
            done[number] = known
        else:
            left.append(number)
    _be_ready({room.submissions[number].assignment.name for number in left}, room.hidden)
    with _bar(console) as bar:
        task = bar.add_task("graded", total=len(room.submissions), completed=len(done))
        for number, marks in _each(left, room, limits, jobs):
            done[number] = marks
            if keep and not marks.unjudged:
                _store(room, room.submissions[number], marks, limits)
            bar.advance(task)
            if not console.is_terminal and len(room.submissions) > 1:
                unjudged = f", {marks.unjudged:g} of them unjudged" if marks.unjudged else ""
                console.print(
                    f"{marks.submission}: {marks.points:g} of {marks.out_of:g}{unjudged}", highlight=False, markup=False
                )
    graded = [_with_notes(done[number], submission) for number, submission in enumerate(room.submissions)]
    return [*graded, *room.left]


def _with_notes(marks: Marks, submission: Submission) -> Marks:
    """With the notes on its file, which are not kept with its marks: another version may come and go."""
    return replace(marks, note="; ".join([*submission.notes, *([marks.note] if marks.note else [])]))


def _be_ready(assignments: set[str], hidden: tuple[Path, ...]) -> None:
    """Check that the cache has what the assignments need, where submissions can read it. Raises GradingError."""
    wanted = {name: needs.missing(name) for name in sorted(assignments)}
    lacking = list(dict.fromkeys(asset for names in wanted.values() for asset in names))
    if lacking:
        which = " and ".join(name for name, names in wanted.items() if names)
        damaged = any(map(cache.is_ready, lacking))
        verify = f" and `{shell.textclf('fetch', '--verify')}`" if damaged else ""
        raise GradingError(
            f"Nothing was graded: {which} cannot be, without {', '.join(lacking)}, missing or damaged in the "
            f"cache ({cache.home()}). While online, run `{shell.textclf('fetch', *lacking)}`{verify}, then grade again."
        )
    kept = cache.home().resolve()
    if inside := next((folder for folder in hidden if kept.is_relative_to(folder.resolve())), None):
        raise GradingError(
            f"Nothing was graded: the cache ({kept}) lies in {inside}, which is hidden from submissions. Move it, and "
            "set TEXTCLF_HOME to where it then is."
        )
    for name in sorted(assignments):
        try:
            needs.prepare(name)
        except (RuntimeError, ValueError, OSError) as error:  # AssetError, ModelError, DataError
            raise GradingError(f"Nothing was graded: the cache cannot be made ready for {name}. {error}") from None


def _each(left: list[int], room: Classroom, limits: Limits, jobs: int) -> Iterator[tuple[int, Marks]]:
    """Pairs (number of a submission, its marks), as they are finished."""
    if min(jobs, len(left)) > 1:
        import transformers  # noqa: F401  (here, for it breaks where two threads import it at once, as checks would)
    sitting.interrupted.clear()
    pool = ThreadPoolExecutor(jobs)
    futures = {pool.submit(mark, room.submissions[number], Sandbox(limits, room.hidden)): number for number in left}
    waiting = set(futures)
    try:
        while waiting:
            ready, waiting = wait(waiting, timeout=1, return_when=FIRST_COMPLETED)
            for future in ready:
                yield futures[future], future.result()
    finally:
        sitting.interrupted.set()
        pool.shutdown(cancel_futures=True)
        sitting.interrupted.clear()  # nothing runs any more; another sitting in this process may continue


def _bar(console: Console) -> Progress:
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    return Progress(*columns, console=console, disable=not console.is_terminal)


def _kept(room: Classroom, submission: Submission, limits: Limits) -> Marks | None:
    """The kept result, if it is valid for these limits: one that exceeded a limit is not valid for a higher one."""
    with suppress(OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        known = json.loads(room.kept_at(submission).read_text(encoding="utf-8"))
        under = known["limits"]
        if under and any(value > under[name] for name, value in asdict(limits).items()):
            return None
        marks = [Mark(**one) for one in known["marks"]]
        return Marks(submission.name, known["assignment"], marks, known["note"], bool(under))
    return None


def _store(room: Classroom, submission: Submission, marks: Marks, limits: Limits) -> None:
    """Keep a result, whole or not at all. If the disk is full it is not kept, and grading continues."""
    kept = marks.as_dict() | {"limits": asdict(limits) if marks.limited else None}
    try:
        path = room.kept_at(submission)
        path.parent.mkdir(exist_ok=True)
        part = path.with_name(f".{path.stem}.{os.getpid()}.part")
        part.write_text(json.dumps(kept, indent=1), encoding="utf-8")
        part.replace(path)
    except OSError as error:
        room.unsaved.append(error.strerror or str(error))
