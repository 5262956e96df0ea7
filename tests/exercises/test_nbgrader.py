"""An instructor can adopt nbgrader as it stands: its own commands, on the practical, in a course made for the test."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from tests.exercises import submissions

NAME = "15_toxicity_capstone"
ITEMS = ("explore", "weighted_focal", "enlarge_training", "multilabel_probabilities", "report_labels", "verdicts")
ITEMS += ("false_alarms", "latency_of", "survivors", "predictions_file", "served_model", "quiz")


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    """A course of the practical, released, and graded for one student: one wrong answer, beside it an edited test.

    The notebook is handed in whole, with the cells that train, and writes its own files, as nbgrader runs it.
    """
    folder = tmp_path_factory.mktemp("course")
    source = folder / "source" / NAME
    source.mkdir(parents=True)
    shutil.copy(submissions.SOLUTIONS / f"{NAME}.ipynb", source)
    shutil.copy(submissions.SOLUTIONS / "nbgrader_config.py", folder)
    nbgrader(folder, "generate_assignment", NAME, "--create")
    notebook = nbformat.read(folder / "release" / NAME / f"{NAME}.ipynb", as_version=4)
    solution = nbformat.read(submissions.SOLUTIONS / f"{NAME}.ipynb", as_version=4)
    for item in ITEMS:
        submissions.blank_of(notebook, item).source = submissions.blank_of(solution, item).source
    submissions.blank_of(notebook, "single_label_ceiling").source = """def single_label_ceiling(labels, gravest_first):
    left, recall = labels.copy(), {}
    for label in gravest_first:
        recall[label] = left[label].sum() / labels[label].sum()
        left = left[left[label] == 0]
    return recall"""
    submissions.blank_of(notebook, "single_label_ceiling_check").source = "print('all is well')"
    submissions.write(notebook, folder / "submitted" / "ada" / NAME / f"{NAME}.ipynb")
    nbgrader(folder, "autograde", NAME, "--create")
    return folder


def nbgrader(folder, *arguments: str) -> None:
    # nbgrader starts alembic by its name, so the environment must be on the PATH, as when it is activated.
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    command = [sys.executable, "-m", "nbgrader", *arguments, "--CourseDirectory.course_id=textclf"]
    run = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=3600, env=os.environ | {"PATH": path}
    )
    assert run.returncode == 0, run.stderr[-3000:]


def test_nbgrader_releases_what_make_exercises_writes(course):
    released = nbformat.read(course / "release" / NAME / f"{NAME}.ipynb", as_version=4)
    assert released.cells == submissions.exercise(NAME).cells


def test_nbgrader_gives_the_points(course):
    from nbgrader.api import Gradebook

    with Gradebook(f"sqlite:///{course / 'gradebook.db'}") as book:
        grades = book.find_submission_notebook(NAME, NAME, "ada").grades
        marks = {grade.name.removesuffix("_check"): (grade.auto_score, grade.max_score) for grade in grades}
    assert marks.pop("single_label_ceiling") == (0, 3)
    points, most = marks.pop("f1_by_label")
    assert 0 < points < most == 6, "earned in parts"
    assert marks.keys() == {*ITEMS}
    assert all(score == most > 0 for score, most in marks.values())
