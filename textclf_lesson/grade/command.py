"""`textclf grade`, once its arguments are read: grade, write the results, tell."""

import os
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from rich.console import Console

from textclf_lesson.base import runtime
from textclf_lesson.base.errors import GradingError
from textclf_lesson.grade import unpack

SUPPORTED = ("linux", "darwin")
SHOWN = 10  # files that were not graded, on the terminal; the CSV file and the page have all


def run(
    path: Path,
    *,
    solutions: Path,
    seconds: float,
    memory: float,
    assignment: str | None = None,
    jobs: int = 1,
    json_out: Path | None = None,
    html_out: Path | None = None,
    **brought: Any,
) -> int:
    """Grade the submission or the class at `path`, as `textclf grade` says; returns the exit status.

    seconds: for each cell and for each item's check. memory: of a submission, in GB. brought: what the instructor
    brings along, see `register.Options`. 0: all went well. 1: grading could not begin or a result could not be written;
    one sentence was printed. 130: it was interrupted.
    """
    console = Console()
    if sys.platform not in SUPPORTED:
        return _tell(console, "Grading runs on Linux and macOS, which can limit a process. On Windows: use WSL.")
    from textclf_lesson.grade import classroom, register, sandbox, summary

    limits = sandbox.Limits(seconds=seconds, total=10 * seconds, memory=int(memory * 1e9))
    outputs: dict[Path, Callable] = {}
    table, page = _default_outputs(path)
    if table:
        outputs = {table: summary.as_csv, html_out or page: summary.as_html}
    outputs |= {json_out: summary.as_json} if json_out else {}
    outputs |= {html_out: summary.as_html} if html_out else {}
    # The default page stays one of ours where another is asked for this time.
    options = register.Options(**brought)
    own = {*outputs, *filter(None, (table, page)), *options.files()}
    try:
        class_register = register.read(options)
        room = classroom.classroom(path, solutions, assignment, own)
        register.fit(class_register, room)
        with _alone(path, classroom.KEPT):
            for out in outputs:
                _try_writing(out)
            if not sandbox.has_namespaces():
                console.print(
                    "This system grants no namespaces: submissions are fenced in by Python only, see docs/grading.md."
                )
            _share_cores(max(1, min(jobs, len(room.submissions))))
            graded = classroom.grade(room, limits, jobs, console, keep=path.is_dir())
            graded = class_register.complete(graded, room, whole=table is not None)
            problems = [problem for out, write in outputs.items() if (problem := _write(out, write(graded)))]
            told, undone = class_register.hand_out(graded, room)
    except GradingError as problem:
        return _tell(console, str(problem))
    except KeyboardInterrupt:
        _tell(console, "Interrupted. What is graded is kept: the same command goes on from here.")
        return 130
    _show(console, table, graded, summary, in_full=not table or len(graded) == 1 or bool(problems))
    for sentence in told:
        console.print(sentence, markup=False, highlight=False, soft_wrap=True)
    problems += undone
    if room.unsaved:
        problems.append(f"Results could not be kept in {path / classroom.KEPT} ({room.unsaved[0]}).")
    for problem in problems:
        _tell(console, problem)
    return 1 if problems else 0


def _default_outputs(path: Path) -> tuple[Path | None, Path | None]:
    """Where the table and the page of a class go: into its folder, or beside its archive; nowhere for one notebook."""
    if path.is_dir():
        return path / "grades.csv", path / "grades.html"
    if unpack.is_archive(path.name):  # two archives may lie in one folder
        return path.with_name(f"{path.stem}_grades.csv"), path.with_name(f"{path.stem}_grades.html")
    return None, None


def _show(console: Console, table: Path | None, graded: list, summary, in_full: bool) -> None:
    """The results on the terminal: each submission `in_full`, or a line about all; then what is not final."""
    marked, left = [m for m in graded if not m.unread], [m for m in graded if m.unread]
    if in_full:
        for marks in marked:
            console.print(summary.as_table(marks))
            if marks.note:
                console.print(marks.note, markup=False, highlight=False, soft_wrap=True)
    if table:
        points = [marks.points / marks.out_of for marks in marked if marks.out_of and not marks.open]
        mean = f", {sum(points) / len(points):.0%} of the points on average" if points else ""
        console.print(f"{len(marked)} submissions graded{mean}: {table}", soft_wrap=True, highlight=False)
    for marks in left[:SHOWN]:
        console.print(f"{marks.submission}: {marks.note}", markup=False, highlight=False, soft_wrap=True)
    if len(left) > SHOWN:
        console.print(f"{len(left) - SHOWN} more files were not graded: the results list all.", highlight=False)
    if unjudged := [marks for marks in marked if marks.unjudged]:
        of = f"{unjudged[0].submission} has" if len(unjudged) == 1 else f"{len(unjudged)} submissions have"
        _tell(
            console,
            f"{of} items that could not be judged, by no fault of the learner: this is not final. Mend what the hints "
            "name, and run the same command: only these are graded again.",
        )


def _tell(console: Console, sentence: str) -> int:
    console.print(sentence, style="bold red", markup=False, highlight=False, soft_wrap=True)
    return 1


def _share_cores(shares: int) -> None:
    """Divide the cores: for the checks, which run in this process, and for the submissions, which read the variable."""
    try:
        os.environ["TEXTCLF_THREADS"] = str(runtime.limit_threads(shares))
    except ValueError as problem:
        raise GradingError(str(problem)) from None


# --- files ------------------------------------------------------------------------------------------------------------


@contextmanager
def _alone(path: Path, kept: str) -> Iterator[None]:
    """A block in which no other grader works in the folder; one notebook keeps nothing, and needs no lock.

    Raises GradingError if another one does, or if nothing can be kept there.
    """
    if not path.is_dir():
        yield
        return
    try:
        (path / kept).mkdir(exist_ok=True)
        lock = FileLock(path / kept / "lock")
        lock.acquire(timeout=0)
    except Timeout:
        raise GradingError(
            f"Another `textclf grade` is at work in {path}: wait until it has ended, or end it. Nothing was graded."
        ) from None
    except NotImplementedError:  # a file system without locks
        yield
        return
    except OSError as error:
        raise GradingError(_unwritable(path / kept, error)) from None
    try:
        yield
    finally:
        lock.release()


def _try_writing(out: Path) -> None:
    """Raises GradingError if a result could not be written: before grading, which may take an hour."""
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        if out.is_dir():
            raise IsADirectoryError(0, "it is a folder")
        if out.exists():
            with out.open("ab"):
                pass
        if _is_plain(out):
            trial = _beside(out)
            try:
                trial.write_bytes(bytes(4096))
            finally:
                trial.unlink(missing_ok=True)
    except OSError as error:
        raise GradingError(_unwritable(out, error)) from None


def _write(out: Path, text: str) -> str:
    """Write a result, whole or not at all; "", or a sentence if that is not possible."""
    content = text.encode("utf-8", "replace")  # a lone half of an emoji, say, in what a learner returned
    try:
        if not _is_plain(out):  # /dev/stdout, or a pipe
            out.write_bytes(content)
            return ""
        trial = _beside(out)
        try:
            trial.write_bytes(content)
            trial.replace(out)
        finally:
            with suppress(OSError):
                trial.unlink(missing_ok=True)
    except OSError as error:
        return f"{out} could not be written ({error.strerror or error}): the results stand above."
    return ""


def _is_plain(out: Path) -> bool:
    return not out.is_symlink() and (not out.exists() or stat.S_ISREG(out.stat().st_mode))


def _beside(out: Path) -> Path:
    return out.with_name(f".{out.name[:100]}.{os.getpid()}.part")


def _unwritable(out: Path, error: OSError) -> str:
    return (
        f"Nothing was graded: {out} cannot be written ({error.strerror or error}). Make room or give the right to "
        "write there, or have the results written elsewhere: copy the class's folder, or name --json and --html."
    )
