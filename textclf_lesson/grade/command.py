"""`textclf grade`, once its arguments are read: grade, write the results, tell."""

import os
import sys
from pathlib import Path

from rich.console import Console

from textclf_lesson import course
from textclf_lesson.grade.assignment import GradingError

SUPPORTED = ("linux", "darwin")


def run(
    path: Path,
    assignment: str | None,
    json_out: Path | None,
    html_out: Path | None,
    jobs: int,
    seconds: float,
    memory: float,
    solutions: Path,
) -> int:
    """Grade; 0 if all went well, 1 with one sentence if grading could not begin, 130 if it was interrupted."""
    console = Console()
    if sys.platform not in SUPPORTED:
        return _tell(console, "Grading runs on Linux and macOS, which can limit a process. On Windows: use WSL.")
    from textclf_lesson.grade import classroom, process, summary

    limits = process.Limits(seconds=seconds, total=10 * seconds, memory=int(memory * 1e9))
    try:
        room = classroom.classroom(path, solutions, assignment)
        if not process.has_namespaces():
            console.print(
                "This system grants no namespaces: submissions are fenced in by Python only, see docs/grading.md."
            )
        _share_cores(min(jobs, len(room.submissions)))
        graded = classroom.grade(room, limits, jobs, console, keep=path.is_dir())
    except GradingError as problem:
        return _tell(console, str(problem))
    except KeyboardInterrupt:
        _tell(console, "Interrupted. What is graded is kept: the same command goes on from here.")
        return 130
    outputs = {json_out: summary.as_json, html_out: summary.as_html}
    if path.is_dir():
        outputs |= {path / "grades.csv": summary.as_csv, html_out or path / "grades.html": summary.as_html}
    for out, write in outputs.items():
        if out is not None:
            out.parent.mkdir(parents=True, exist_ok=True)
            out.write_text(write(graded), encoding="utf-8")
    if not path.is_dir():
        console.print(summary.as_table(graded[0]))
        if graded[0].note:
            console.print(graded[0].note, markup=False)
    else:
        points = [marks.points / marks.out_of for marks in graded if marks.out_of]
        mean = f", {sum(points) / len(points):.0%} of the points on average" if points else ""
        console.print(f"{len(graded)} submissions graded{mean}: {path / 'grades.csv'}", soft_wrap=True, highlight=False)
    return 0


def _tell(console: Console, sentence: str) -> int:
    console.print(sentence, style="bold red", markup=False, highlight=False, soft_wrap=True)
    return 1


def _share_cores(shares: int) -> None:
    """Divide the cores: for the checks, which run in this process, and for the submissions, which read the variable."""
    try:
        os.environ["TEXTCLF_THREADS"] = str(course.limit_threads(shares))
    except ValueError as problem:
        raise GradingError(str(problem)) from None
