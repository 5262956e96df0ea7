"""`textclf grade`, started as an instructor starts it."""

import json
import subprocess
import sys
from pathlib import Path

from tests.exercises import submissions

ROOT = submissions.ROOT
COMMAND = [str(Path(sys.executable).with_name("textclf")), "grade"]


def grade(*arguments: object, **options) -> subprocess.CompletedProcess:
    command = [*COMMAND, *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=900, **options)


def results(run: subprocess.CompletedProcess, out: Path) -> dict:
    """submission → item → its mark, as a record."""
    assert run.returncode == 0, run.stdout + run.stderr
    graded = json.loads(out.read_text(encoding="utf-8"))
    return {marks["submission"]: {mark["item"]: mark for mark in marks["marks"]} for marks in graded}
