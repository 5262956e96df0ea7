"""`textclf grade` on honest classes, interrupted, and with arguments that make no sense."""

import csv
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from tests.exercises import answers, submissions
from tests.exercises import answers_01 as _answers_01  # noqa: F401  (registers its answers)
from tests.exercises import answers_02 as _answers_02  # noqa: F401
from tests.exercises.grading import COMMAND, ROOT, grade, results
from textclf_lesson.base import runtime
from textclf_lesson.check.rubric import rubric_of

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="grading needs a POSIX system")
# The practical is graded with what is handed in beside it: test_artefacts.py.
ALL = sorted(path.stem for path in submissions.SOLUTIONS.glob("*.ipynb") if not rubric_of(path.stem[:2]))
NAMES = ["01_framing", "02_baselines"]  # enough to see blanks and wrong answers travel between processes


# --- an honest class --------------------------------------------------------------------------------------------------


def wrong_answers(assignment: str) -> tuple:
    """A submission of the first wrong answer to each item that needs no cell of the exercise, and their hints."""
    first = {}
    for case in answers.CASES:
        if case.lesson == assignment[:2] and case.hint and case.item not in ("promise", "choose"):
            first.setdefault(case.item, case)
    imports = Path(answers.__file__).with_name(f"answers_{assignment[:2]}.py").read_text().split("from tests")[0]
    sources = {item: case.source for item, case in first.items()}
    notebook = submissions.solved(assignment, tuple(sources))
    notebook.cells[0].source = imports
    for item, source in sources.items():
        submissions.blank_of(notebook, item).source = source
    return notebook, {item: case.hint for item, case in first.items()}


@pytest.fixture(scope="module")
def honest(tmp_path_factory):
    """Every solution, and of two assignments blanks and typical wrong answers; graded once, two at a time."""
    folder, hints = tmp_path_factory.mktemp("class"), {}
    others = shutil.ignore_patterns("15_*", "submission", "*.py", "*.toml", ".*")
    shutil.copytree(submissions.SOLUTIONS, folder / "ada", ignore=others)
    for name in NAMES:
        submissions.write(submissions.exercise(name), folder / "bob" / f"{name}.ipynb")
        notebook, hints[name] = wrong_answers(name)
        submissions.write(notebook, folder / "cyd" / f"{name}.ipynb")
    run = grade(folder, "--jobs", 2, "--json", folder / "all.json")
    return folder, run, results(run, folder / "all.json"), hints


@pytest.mark.parametrize("name", ALL)
def test_the_solution_gets_all_points(honest, name):
    marks = honest[2][f"ada/{name}"]
    assert {item: mark["hint"] for item, mark in marks.items() if mark["verdict"] != "right"} == {}
    assert all(mark["points"] == mark["out_of"] > 0 for mark in marks.values())


@pytest.mark.parametrize("name", NAMES)
def test_the_blank_gets_none_and_is_told_why(honest, name):
    for item, mark in honest[2][f"bob/{name}"].items():
        assert (mark["points"], mark["verdict"]) == (0, "blank")
        assert mark["hint"].startswith(f"Nothing returned yet in `{item}`.")


@pytest.mark.parametrize("name", NAMES)
def test_wrong_answers_get_the_hint_meant_for_them_across_processes_too(honest, name):
    _, _, graded, hints = honest
    marks = graded[f"cyd/{name}"]
    assert len(hints[name]) == 6
    for item, hint in hints[name].items():
        assert marks[item]["points"] == 0
        assert hint in marks[item]["hint"]
    missing = marks.keys() - hints[name].keys()
    assert {marks[item]["verdict"] for item in missing} == {"missing"}


def test_a_class_yields_a_csv_and_a_page(honest):
    folder, run, graded, _ = honest
    with (folder / "grades.csv").open(encoding="utf-8", newline="") as file:
        rows = {row["submission"]: row for row in csv.DictReader(file)}
    assert rows.keys() == graded.keys()
    assert float(rows["ada/01_framing"]["points"]) == float(rows["ada/01_framing"]["out_of"])
    assert rows["bob/02_baselines"]["points"] == "0"
    assert rows["ada/01_framing"]["choose"] == "", "an item of another assignment"
    page = (folder / "grades.html").read_text(encoding="utf-8")
    assert page.index("the most missed first") < page.index("How the points are spread") < page.index("ada/01_framing:")
    assert f"{len(graded)} submissions graded" in run.stdout


def test_nothing_printed_shows_a_hidden_test(honest):
    folder, run, _, _ = honest
    written = [path.read_text(encoding="utf-8") for path in (*folder.glob("grades.*"), folder / "all.json")]
    shown = "".join([run.stdout, run.stderr, *written])
    source = (submissions.SOLUTIONS / "01_framing.ipynb").read_text(encoding="utf-8")
    hidden = re.findall(r"BEGIN HIDDEN TESTS.*?check\.", source, re.S)
    assert len(hidden) >= 3
    assert "HIDDEN" not in shown
    assert "seed=" not in shown


def test_grading_again_changes_and_runs_nothing(honest):
    folder, _, graded, _ = honest
    kept = {path: path.stat().st_mtime_ns for path in (folder / ".grades").glob("*.json")}
    assert len(kept) == len(graded)
    outputs = ["--json", folder / "again.json", "--html", folder / "pages" / "class.html"]
    page = (folder / "grades.html").stat().st_mtime_ns
    assert results(grade(folder, *outputs), folder / "again.json") == graded
    assert (folder / "pages" / "class.html").read_bytes() == (folder / "grades.html").read_bytes()
    assert (folder / "grades.html").stat().st_mtime_ns == page, "the page was asked for elsewhere"
    assert {path: path.stat().st_mtime_ns for path in (folder / ".grades").glob("*.json")} == kept


# --- interrupted ------------------------------------------------------------------------------------------------------


def test_interrupted_grading_ends_at_once_and_goes_on(tmp_path):
    quick = submissions.solved("01_framing", ("quiz",))
    submissions.write(quick, tmp_path / "01_a.ipynb")
    slow = submissions.answered("01_framing", quiz="import time\ntime.sleep(10**6)")
    slow.cells = [submissions.blank_of(slow, "quiz")]
    submissions.write(slow, tmp_path / "01_b.ipynb")
    with subprocess.Popen([*COMMAND, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE, text=True) as run:
        assert "01_a: 2 of 21" in run.stdout.readline()
        time.sleep(1)
        workers = psutil.Process(run.pid).children(recursive=True)
        run.send_signal(signal.SIGINT)
        rest, _ = run.communicate(timeout=120)
    assert run.returncode == 130
    assert "the same command goes on from here" in rest
    assert [worker for worker in workers if worker.is_running() and worker.status() != psutil.STATUS_ZOMBIE] == []
    (tmp_path / "01_b.ipynb").unlink()
    again = grade(tmp_path)
    assert "1 submissions graded" in again.stdout
    assert "01_a: 2 of 21" not in again.stdout.splitlines(), "it was graded anew"


# --- several at once --------------------------------------------------------------------------------------------------


def test_submissions_graded_side_by_side_share_the_cores(tmp_path):
    """Were each to start a thread per core, the threads would wait for each other."""
    tells = "import os\ndef quiz():\n    raise ValueError(f'{os.environ[\"TEXTCLF_THREADS\"]} threads')"
    notebook = submissions.answered("01_framing", quiz=tells)
    notebook.cells = [submissions.blank_of(notebook, "quiz")]
    for name in "ab":
        submissions.write(notebook, tmp_path / "class" / f"01_{name}.ipynb")
    left = {name: value for name, value in os.environ.items() if name != "TEXTCLF_THREADS"}
    cores = runtime.cores()
    for jobs, threads in ((1, cores), (2, max(1, cores // 2))):
        out = tmp_path / f"{jobs}.json"
        graded = results(grade(tmp_path / "class", "--jobs", jobs, "--json", out, env=left), out)
        assert {f"{threads} threads" in marks["quiz"]["hint"] for marks in graded.values()} == {True}
        shutil.rmtree(tmp_path / "class" / ".grades")


# --- the command's own mistakes ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["nowhere.ipynb"], "There is no nowhere.ipynb: name a submission"),
        (["docs"], "There is no notebook in docs."),
        (["."], ". holds the course itself: put the submissions into a folder of their own."),
        (["solutions", "--assignment", "99"], "There is no assignment 99 in solutions."),
        (["solutions", "--solutions", "docs"], "There are no solutions in docs."),
    ],
)
def test_what_cannot_be_graded_is_said_in_a_sentence(arguments, sentence):
    run = grade(*arguments)
    assert run.returncode == 1
    assert run.stdout.startswith(sentence)


def test_a_number_of_threads_that_is_none_is_said_in_a_sentence(tmp_path):
    submissions.write(submissions.exercise("01_framing"), tmp_path / "01_a.ipynb")
    run = grade(tmp_path, env=os.environ | {"TEXTCLF_THREADS": "all"})
    assert run.returncode == 1
    assert run.stdout.startswith("TEXTCLF_THREADS must be a whole number from 1 up, not 'all'.")
