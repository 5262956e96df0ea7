"""An instructor can adopt nbgrader as it stands: its own commands, on one assignment, in a course made for the test."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from tests.exercises import submissions
from tests.exercises.answers_01 import plain_agreement

NAME = "01_framing"


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    """A course of one assignment, released, and graded for one student who has a wrong answer and edited a test."""
    folder = tmp_path_factory.mktemp("course")
    source = folder / "source" / NAME
    source.mkdir(parents=True)
    shutil.copy(submissions.SOLUTIONS / f"{NAME}.ipynb", source)
    shutil.copy(submissions.SOLUTIONS / "nbgrader_config.py", folder)
    nbgrader(folder, "generate_assignment", NAME, "--create")
    notebook = nbformat.read(folder / "release" / NAME / f"{NAME}.ipynb", as_version=4)
    solution = nbformat.read(submissions.SOLUTIONS / f"{NAME}.ipynb", as_version=4)
    for item in ("kind_of_problem", "price", "split_then_copy", "promise", "quiz"):
        submissions.blank_of(notebook, item).source = submissions.blank_of(solution, item).source
    submissions.blank_of(
        notebook, "kappa"
    ).source = "def kappa(a, b):\n    return sum(x == y for x, y in zip(a, b, strict=True)) / len(a)"
    submissions.blank_of(notebook, "kappa_check").source = "print('all is well')"
    submissions.write(notebook, folder / "submitted" / "ada" / NAME / f"{NAME}.ipynb")
    nbgrader(folder, "autograde", NAME, "--create")
    return folder


def nbgrader(folder, *arguments: str) -> None:
    # nbgrader starts alembic by its name, so the environment must be on the PATH, as when it is activated.
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    command = [sys.executable, "-m", "nbgrader", *arguments, "--CourseDirectory.course_id=textclf"]
    run = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=600, env=os.environ | {"PATH": path}
    )
    assert run.returncode == 0, run.stderr[-3000:]


def test_nbgrader_releases_what_make_exercises_writes(course):
    released = nbformat.read(course / "release" / NAME / f"{NAME}.ipynb", as_version=4)
    assert released.cells == submissions.exercise(NAME).cells


def test_nbgrader_gives_the_points(course):
    from nbgrader.api import Gradebook

    assert plain_agreement([1], [1]) == 1  # the wrong answer above is one of those that the checks know
    with Gradebook(f"sqlite:///{course / 'gradebook.db'}") as book:
        grades = book.find_submission_notebook(NAME, NAME, "ada").grades
        marks = {grade.name: (grade.auto_score, grade.max_score) for grade in grades}
    assert marks.pop("kappa_check") == (0, 3)
    assert len(marks) == 5
    assert all(score == most > 0 for score, most in marks.values())
