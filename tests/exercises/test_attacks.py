"""Mangled and malicious submissions: graded to their end, with a reason, and at no cost to the grader."""

import json
import os
import re
import sys

import psutil
import pytest

from tests.exercises import submissions
from tests.exercises.grading import ROOT, grade, results
from textclf_lesson.grade import sandbox

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="grading needs a POSIX system")


@pytest.fixture(scope="module")
def mangled(tmp_path_factory):
    """Every attack in one class, graded in one run with low limits."""
    folder, secret = tmp_path_factory.mktemp("attacks"), ROOT / "build" / "written-by-a-submission"
    made = {
        "looping": submissions.looping(),
        "greedy": submissions.greedy(),
        "forking": submissions.forking(),
        "leaving": submissions.leaving(),
        "spying": submissions.spying(secret),
        "forging": submissions.forging(),
        "untidy": submissions.untidy(),
        "broken": '{"cells": [',
        "empty": "{}",
    }
    for name, notebook in made.items():
        submissions.write(notebook, folder / f"{name}.ipynb")
    scratch = tmp_path_factory.mktemp("scratch")
    limits = ["--assignment", 1, "--jobs", 2, "--seconds", 8, "--memory", 1.5, "--json", folder / "all.json"]
    run = grade(folder, *limits, env=os.environ | {"TMPDIR": str(scratch)})
    return results(run, folder / "all.json"), folder, run, scratch, secret


def verdicts(marks: dict) -> dict[str, str]:
    return {item: marks[item]["verdict"] for item in submissions.WITNESSES}


RIGHT = dict.fromkeys(submissions.WITNESSES, "right")

# attack: what becomes of its items; the others are right. Verdict, then a part of the reason.
REASONS = {
    "looping": {"focal_loss": ("stopped", "longer than 8 seconds"), "kappa": ("stopped", "longer than 8 seconds")},
    "greedy": {
        "focal_loss": ("wrong", "raised MemoryError"),
        "kappa": ("stopped", "printed more than 5 MB"),
        "quiz": ("stopped", "more than 1.5 GB of memory|its Python ended"),
    },
    "forking": {
        "focal_loss": ("wrong", "may not start other programs"),
        "kappa": ("stopped", "more than (64 processes|1.5 GB)"),
    },
    "leaving": {
        "kind_of_problem": ("wrong", "SystemExit"),
        "focal_loss": ("stopped", "its Python ended"),
        "kappa": ("stopped", "its Python ended"),
    },
    "spying": {
        "kind_of_problem": ("wrong", "raised (Refused|FileNotFoundError)"),
        "focal_loss": ("wrong", "raised (Refused|FileNotFoundError)"),
        "kappa": ("wrong", "raised (OfflineError|OSError)"),
        # By C the solution is read where the kernel puts up no walls: docs/grading.md says so.
        "quiz": ("wrong", "raised Refused" if sandbox.has_namespaces() else "raised (Refused|RuntimeError)"),
    },
    "forging": {
        "kind_of_problem": ("wrong", "carry exactly one of many topics"),
        "focal_loss": ("wrong", "numbers of the shape"),
        "kappa": ("stopped", "broke the connection|it sent a message"),
    },
    "untidy": {"kappa": ("wrong", "does not run: .*SyntaxError"), "quiz": ("missing", "its cell was deleted")},
    "broken": dict.fromkeys(submissions.WITNESSES, ("missing", "no code cell")),
    "empty": dict.fromkeys(submissions.WITNESSES, ("missing", "no code cell")),
}


@pytest.mark.parametrize("attack", REASONS)
def test_a_mangled_submission_is_graded_to_its_end_with_a_reason(mangled, attack):
    marks = mangled[0][attack]
    assert verdicts(marks) == RIGHT | {item: verdict for item, (verdict, _) in REASONS[attack].items()}, marks
    for item, (_, reason) in REASONS[attack].items():
        assert re.search(reason, marks[item]["hint"]), marks[item]
        assert marks[item]["points"] == 0
    assert all(marks[item]["out_of"] <= 4 for item in marks), "points are the solution's, not the submission's"


def test_nothing_is_left_behind(mangled):
    _, _, run, scratch, secret = mangled
    assert list(scratch.iterdir()) == []
    assert not secret.exists()
    workers = [
        p for p in psutil.process_iter(["cmdline"]) if "textclf_lesson.grade.worker" in (p.info["cmdline"] or [])
    ]
    assert [p for p in workers if p.ppid() == 1] == []
    assert len(run.stdout) + len(run.stderr) < 5000


def test_what_is_wrong_with_the_file_is_noted(mangled):
    notes = {marks["submission"]: marks["note"] for marks in json.loads((mangled[1] / "all.json").read_text())}
    assert notes["broken"].startswith("Not graded: the file is not a notebook")
    assert "focal_loss was answered more than once" in notes["untidy"]


def test_namespaces_are_used_where_they_are(mangled):
    if not sandbox.has_namespaces():
        assert "no namespaces" in mangled[2].stdout
