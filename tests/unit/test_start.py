"""A learner's working copy: made, opened, reset, brought up to date and handed in, with the course left as it is."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
import zipfile
from pathlib import Path

import nbformat
import pytest
from typer.testing import CliRunner

from tests.exercises import answers
from tests.exercises import answers_01 as _answers_01  # noqa: F401  (registers its answers)
from textclf_lesson.base.errors import DeskError
from textclf_lesson.cli import app
from textclf_lesson.course import desk, merging, runner
from textclf_lesson.grade import hand_in

ROOT = Path(__file__).parents[2]
TEXTCLF = [sys.executable, "-c", "from textclf_lesson.cli import app; app()"]


def textclf(*arguments: object, code: int = 0) -> str:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == code, (result.output, result.exception)
    return result.output


@pytest.fixture
def course(tmp_path, monkeypatch):
    """A few notebooks of the course in a repository of their own, which is the working directory."""
    folder = tmp_path / "the course"
    for name in ("notebooks/00_start_here", "notebooks/01_framing", "exercises/01_framing", "exercises/12_serving"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / f"{name}.ipynb", folder / f"{name}.ipynb")
    (folder / "docs").mkdir()
    shutil.copy(ROOT / "docs" / "timings.json", folder / "docs")
    git(folder, "init", "--quiet")
    git(folder, "add", ".")
    git(folder, "-c", "user.name=a", "-c", "user.email=a@b", "commit", "--quiet", "-m", "The course")
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def copy(course, tmp_path):
    """A working copy, in a folder whose name must be quoted in a shell."""
    folder = tmp_path / "ada's copy"
    desk.start(folder)
    return folder


def git(folder: Path, *words: str) -> str:
    done = subprocess.run(["git", *words], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout


def cell(notebook: nbformat.NotebookNode, item: str) -> nbformat.NotebookNode:
    return next(c for c in notebook.cells if c.metadata.get("nbgrader", {}).get("grade_id") == item)


def change(path: Path, **sources: str) -> None:
    """Save the notebook with these cells changed, as JupyterLab would."""
    notebook = nbformat.read(path, as_version=4)
    for item, source in sources.items():
        cell(notebook, item).source = source
    nbformat.write(notebook, path)


def right(item: str) -> str:
    """A right answer to an item of exercise 1, as its cell would have it."""
    solution = nbformat.read(ROOT / "solutions" / "01_framing.ipynb", as_version=4)
    return cell(solution, item).source


# --- start ------------------------------------------------------------------------------------------------------------


def test_lessons_and_exercises_lie_side_by_side_under_different_names(copy):
    found = {path.relative_to(copy).as_posix() for path in copy.glob("*/*.ipynb")}
    names = {"notebooks/00_start_here.ipynb", "notebooks/01_framing.ipynb", "exercises/01_framing_exercise.ipynb"}
    assert found == names | {"exercises/12_serving_exercise.ipynb"}
    assert len({Path(name).name for name in found}) == len(found)


def test_every_link_in_a_copied_notebook_leads_somewhere(tmp_path, monkeypatch):
    """Of the whole course, as it is."""
    monkeypatch.chdir(ROOT)
    desk.start(tmp_path / "copy")
    notebooks = [*(tmp_path / "copy").glob("*/*.ipynb")]
    links = {}
    for path in notebooks:
        sources = "\n".join(c.source for c in nbformat.read(path, as_version=4).cells if c.cell_type == "markdown")
        urls = [
            url for url in re.findall(r"\]\(([^)\s]+)\)", sources) if not url.startswith(("http", "#", "attachment:"))
        ]
        links |= {(path.name, url): (path.parent / url.partition("#")[0]).exists() for url in urls}
    assert len(notebooks) > 20 and len(links) > 20
    assert [link for link, there in links.items() if not there] == []
    lesson = (tmp_path / "copy" / "notebooks" / "01_framing.ipynb").read_text(encoding="utf-8")
    assert "../exercises/01_framing_exercise.ipynb" in lesson


def test_started_again_nothing_changes_and_what_is_missing_comes_back(copy, course):
    exercise = desk.notebook(copy, "01", exercise=True)
    change(exercise, focal_loss="def focal_loss():\n    return 'mine'")
    mine = exercise.read_bytes()
    (copy / "notebooks" / "01_framing.ipynb").unlink()
    assert desk.start(copy) == [f"Your working copy of the course is {copy}"]
    assert exercise.read_bytes() == mine and (copy / "notebooks" / "01_framing.ipynb").exists()


@pytest.mark.parametrize("place", ["inside", "a file", "others"])
def test_a_folder_that_is_not_free_is_left_alone(course, tmp_path, place):
    folder = {"inside": course / "mine", "a file": tmp_path / "file", "others": tmp_path / "others"}[place]
    if place == "a file":
        folder.write_text("kept")
    if place == "others":
        folder.mkdir()
        (folder / "thesis.txt").write_text("kept")
    printed = textclf("start", "--into", folder, "--no-browser", code=1)
    assert "name another folder" in printed or "name a folder elsewhere" in printed
    assert not (folder / "notebooks").exists()
    assert git(course, "status", "--porcelain") == ""


def test_without_the_course_one_sentence_says_where_to_stand(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(desk, "_installed_from", list)  # as where it was not installed from a checkout
    with pytest.raises(DeskError, match="Run this in the folder of the course"):
        desk.start(tmp_path / "copy")
    assert not (tmp_path / "copy").exists()
    with pytest.raises(DeskError, match=r"is not a working copy of the course: make one with textclf start"):
        desk.find(tmp_path)


def reached(address: str) -> bytes:
    """What an address answers. JupyterLab prints it a moment before it listens there."""
    for _ in range(120):
        try:
            with urllib.request.urlopen(address) as answer:
                return answer.read()
        except urllib.error.URLError:
            time.sleep(0.5)
    pytest.fail(f"{address} does not answer.")


def test_start_opens_jupyterlab_there_on_the_lesson(course, tmp_path):
    """The real server, asked over HTTP; it ends when the command is ended."""
    folder = tmp_path / "copy"
    command = [*TEXTCLF, "start", "1", "--into", str(folder), "--no-browser"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as lab:
        try:
            lines = []
            for line in lab.stdout:
                lines.append(line)
                if found := re.search(r"(http://[\w.]+:\d+)(/lab\S*)\?token=(\w+)", line):
                    break
            else:
                pytest.fail("".join(lines))
            assert lines[0] == f"Your working copy of the course was made: {folder}\n"
            server, path, token = found.groups()
            assert path == "/lab/tree/notebooks/01_framing.ipynb"
            asked = f"{server}/api/contents?token={token}"
            content = json.loads(reached(asked))["content"]
            assert {"notebooks", "exercises"} <= {entry["name"] for entry in content}
            with urllib.request.urlopen(f"{server}/lab?token={token}") as answer:
                settings = re.search(r'id="jupyter-config-data"[^>]*>(.*?)</script>', answer.read().decode(), re.S)
            assert "@jupyter/nbgrader" in str(json.loads(settings[1])["disabledExtensions"])
        finally:
            lab.terminate()
            lab.communicate(timeout=60)
    assert git(course, "status", "--porcelain") == ""


# --- reset ------------------------------------------------------------------------------------------------------------


def test_reset_gives_the_exercise_back_fresh_and_keeps_the_old_ones_beside_it(copy, monkeypatch):
    exercise = desk.notebook(copy, "01", exercise=True)
    fresh = exercise.read_bytes()
    monkeypatch.chdir(copy / "exercises")  # the working copy is found from inside it
    for number, answer in enumerate(("'mine'", "'mine again'"), 1):
        change(exercise, focal_loss=f"def focal_loss():\n    return {answer}")
        old = exercise.with_name(f"01_framing_exercise_old{number if number > 1 else ''}.ipynb")
        assert textclf("reset", 1).endswith(f"What you had is kept: {old}\n")
        assert exercise.read_bytes() == fresh
        assert answer in cell(nbformat.read(old, as_version=4), "focal_loss").source
    assert "nothing to put back" in textclf("reset", "01")
    assert len([*exercise.parent.glob("*_old*.ipynb")]) == 2
    assert textclf("reset", 7, code=1).startswith(f"There is no exercise 07 in {copy}.")
    assert textclf("reset", 99, "--into", copy, code=1) == "There is no exercise '99'; exercises are 1 to 15.\n"
    assert "exercises are" in textclf("hand-in", "x", code=1)


# --- update -----------------------------------------------------------------------------------------------------------


def edit(course: Path, name: str, edited) -> None:
    """A new version of the course, in which `edited` has changed a notebook."""
    path = course / name
    notebook = nbformat.read(path, as_version=4)
    edited(notebook)
    nbformat.write(notebook, path)


def test_update_takes_what_the_course_changed_and_keeps_every_answer(course, copy):
    exercise = desk.notebook(copy, "01", exercise=True)
    notebook = nbformat.read(exercise, as_version=4)
    cell(notebook, "focal_loss").source = "def focal_loss(p, truth, gamma):\n    return 'mine'"
    cell(notebook, "kappa").source = "def kappa(a, b):\n    return 'both of us'"
    at = notebook.cells.index(cell(notebook, "focal_loss"))
    notebook.cells.insert(at + 1, nbformat.v4.new_code_cell("my_own = 1", id="my-own"))
    notebook.cells[at + 2].outputs = [nbformat.v4.new_output("stream", text="an output of mine")]
    nbformat.write(notebook, exercise)

    def newer(theirs):
        theirs.cells[0].source += "\n\nA sentence that is new."
        cell(theirs, "kappa").source += "\n# clearer"
        cell(theirs, "kappa_check").source += "\n# stricter"
        theirs.cells.insert(2, nbformat.v4.new_markdown_cell("A new paragraph.", id="brand-new"))

    edit(course, "exercises/01_framing.ipynb", newer)
    printed = textclf("update", "--in", copy)
    name = "exercises/01_framing_exercise.ipynb"
    assert f"{name}: brought up to date, your answers kept; 1 cell was changed by you and by the course" in printed
    merged = nbformat.read(exercise, as_version=4)
    nbformat.validate(merged)
    sources = [c.source for c in merged.cells]
    assert sources[0].endswith("A sentence that is new.") and sources[2] == "A new paragraph."
    assert "'mine'" in cell(merged, "focal_loss").source and "stricter" in cell(merged, "kappa_check").source
    assert sources.index("my_own = 1") == sources.index(cell(merged, "focal_loss").source) + 1
    assert merged.cells[sources.index("my_own = 1") + 1].outputs[0].text == "an output of mine"
    kept = merged.cells.index(cell(merged, "kappa"))
    assert "'both of us'" in merged.cells[kept].source
    assert merged.cells[kept + 1].cell_type == "markdown" and merged.cells[kept + 1].source.startswith(merging.COURSES)
    assert "# clearer" in merged.cells[kept + 1].source
    before = exercise.read_bytes()
    assert textclf("update", "--in", copy) == "Everything is as the course has it: nothing to do.\n"
    assert exercise.read_bytes() == before


def test_a_test_cell_that_was_changed_is_the_courses_again_and_the_learners_stands_below(course, copy):
    exercise = desk.notebook(copy, "01", exercise=True)
    change(exercise, kappa_check="print('skipped')")
    edit(course, "exercises/01_framing.ipynb", lambda theirs: setattr(cell(theirs, "kappa_check"), "source", "new()"))
    desk.update(copy)
    merged = nbformat.read(exercise, as_version=4)
    at = merged.cells.index(cell(merged, "kappa_check"))
    assert merged.cells[at].source == "new()"
    assert merged.cells[at + 1].source.startswith(merging.YOURS) and "print('skipped')" in merged.cells[at + 1].source


def test_answers_survive_a_program_that_drops_the_ids_and_a_course_that_changes_them(course, copy):
    exercise = desk.notebook(copy, "01", exercise=True)
    change(exercise, focal_loss="def focal_loss():\n    return 'mine'")
    content = json.loads(exercise.read_text(encoding="utf-8"))
    for one in content["cells"]:
        del one["id"]
    exercise.write_text(json.dumps(content | {"nbformat_minor": 4}), encoding="utf-8")
    count = len(content["cells"])

    def renamed(theirs):
        cell(theirs, "focal_loss").id = "another-id"
        theirs.cells[0].source += "\n\nNew."

    edit(course, "exercises/01_framing.ipynb", renamed)
    desk.update(copy)
    merged = nbformat.read(exercise, as_version=4)
    nbformat.validate(merged)
    assert "'mine'" in cell(merged, "focal_loss").source and cell(merged, "focal_loss").id == "another-id"
    assert len(merged.cells) == count and merged.cells[0].source.endswith("New.")


def test_what_is_no_notebook_any_more_is_set_aside_and_told(course, copy):
    exercise = desk.notebook(copy, "01", exercise=True)
    exercise.write_text("half a notebo", encoding="utf-8")
    edit(course, "exercises/01_framing.ipynb", lambda theirs: theirs.cells.pop())
    (told,) = desk.update(copy)
    assert told.endswith("could not be merged with it, and is now 01_framing_exercise_old.ipynb")
    assert (exercise.parent / "01_framing_exercise_old.ipynb").read_text() == "half a notebo"
    assert runner.read(exercise).cells


def test_new_and_gone_notebooks_and_a_lesson_that_was_only_run(course, copy):
    lesson = copy / "notebooks" / "01_framing.ipynb"
    notebook = nbformat.read(lesson, as_version=4)
    notebook.cells[3].outputs = []
    nbformat.write(notebook, lesson)  # as JupyterLab writes it
    edit(course, "notebooks/01_framing.ipynb", lambda theirs: theirs.cells[0].update(source="# Another title"))
    change(desk.notebook(copy, "12", exercise=True), quiz="def quiz():\n    return {}")
    (course / "exercises" / "12_serving.ipynb").rename(course / "exercises" / "13_monitoring.ipynb")
    (course / "notebooks" / "00_start_here.ipynb").unlink()
    assert "The course has changed since: " in "".join(desk.start(copy))
    assert desk.update(copy) == [
        "notebooks/01_framing.ipynb: brought up to date",
        "exercises/12_serving_exercise.ipynb: the course no longer has it; yours stays",
        "notebooks/00_start_here.ipynb: the course no longer has it; it was removed, for you had changed nothing in it",
    ]
    assert lesson.read_text(encoding="utf-8") == (course / "notebooks/01_framing.ipynb").read_text(
        encoding="utf-8"
    ).replace("exercises/01_framing.ipynb", "exercises/01_framing_exercise.ipynb")
    assert {path.name for path in (copy / "exercises").iterdir()} == {
        "01_framing_exercise.ipynb",
        "12_serving_exercise.ipynb",
        "13_monitoring_exercise.ipynb",
    }
    assert not (copy / "notebooks" / "00_start_here.ipynb").exists()


# --- hand-in ----------------------------------------------------------------------------------------------------------


def test_a_learners_day_leaves_the_course_untouched_and_ends_in_one_archive_that_the_grader_takes(course, copy):
    """Start, answer, run, reset, update, hand in; then the real grader on what was handed in."""
    exercise = desk.notebook(copy, "01", exercise=True)
    wrong = next(case for case in answers.CASES if (case.lesson, case.item) == ("01", "kappa") and case.hint)
    change(exercise, kappa=wrong.source, focal_loss=right("focal_loss"), quiz="undefined_thing")
    assert not runner.execute(exercise, keep_going=True).error
    assert "nothing to put back" in textclf("reset", "12", "--in", copy)
    textclf("update", "--in", copy)
    saved = exercise.read_bytes()
    printed = textclf("hand-in", "1", "--in", copy, code=1)
    assert "✗ Not answered yet: `kind_of_problem`" in printed and "`focal_loss`" not in printed
    assert "✗ Not right yet, `kappa`: " in printed and "stops with NameError" in printed
    assert exercise.read_bytes() == saved
    archive = copy / "hand-in" / "01_framing_exercise.zip"
    with zipfile.ZipFile(archive) as file:
        assert file.namelist() == ["01_framing_exercise.ipynb"]
        assert file.read("01_framing_exercise.ipynb") == saved
    assert git(course, "status", "--porcelain") == ""

    graded = copy / "hand-in" / "all.json"
    command = [*TEXTCLF, "grade", str(archive), "--solutions", str(ROOT / "solutions"), "--json", str(graded)]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"COLUMNS": "200"})
    assert done.returncode == 0, done.stdout + done.stderr
    (marks,) = json.loads(graded.read_text(encoding="utf-8"))
    assert marks["assignment"] == "01_framing"
    verdicts = {mark["item"]: mark["verdict"] for mark in marks["marks"]}
    assert (verdicts["focal_loss"], verdicts["kappa"], verdicts["kind_of_problem"]) == ("right", "wrong", "blank")
    table, page = (archive.with_name(f"01_framing_exercise_grades.{kind}") for kind in ("csv", "html"))
    assert "01_framing" in table.read_text(encoding="utf-8") and "Learners by items" in page.read_text(encoding="utf-8")
    assert "kappa" in done.stdout and str(table) in done.stdout


def test_a_run_that_is_stopped_is_packed_all_the_same(course, copy, tmp_path):
    """Ctrl+C while a cell of the learner's never ends; a deadline may be near."""
    started = tmp_path / "started"
    change(desk.notebook(copy, "01", exercise=True),
           quiz=f"open({str(started)!r}, 'w').close()\nwhile True:\n    pass")  # fmt: skip
    command = [*TEXTCLF, "hand-in", "1", "--in", str(copy)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as child:
        while not started.exists():
            assert child.poll() is None, child.stdout.read()
            time.sleep(0.1)
        child.send_signal(signal.SIGINT)
        printed = child.communicate()[0]
    assert child.returncode == 1 and "Traceback" not in printed
    assert re.search(
        r"✗ It was not run to its end: you stopped it at 01_framing_exercise\.ipynb, cell \[\d+\] `open", printed
    )
    assert "✗ Not answered yet: " in printed and "Written: " in printed
    with zipfile.ZipFile(copy / "hand-in" / "01_framing_exercise.zip") as file:
        assert file.namelist() == ["01_framing_exercise.ipynb"]


def test_the_practical_is_packed_with_its_artefacts_and_what_is_missing_is_named(tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    copy = tmp_path / "copy"
    desk.start(copy)
    submission = copy / "exercises" / "submission"
    handed = hand_in.hand_in(copy, "15", run=False)
    assert handed.members == ["15_toxicity_capstone_exercise.ipynb"]
    assert any("There is no predictions.csv" in problem for problem in handed.problems)
    assert any(problem.startswith("There is no model.onnx, no config.json") for problem in handed.problems)

    shutil.copytree(ROOT / "solutions" / "submission", submission)
    (submission / "notes.txt").write_text("not asked for")
    handed = hand_in.hand_in(copy, "15", run=False)
    assert [problem for problem in handed.problems if not problem.startswith("Not answered yet: ")] == []
    with zipfile.ZipFile(handed.archive) as file:
        names = set(file.namelist())
    assert {"submission/predictions.csv", "submission/model/model.onnx", "submission/model/thresholds.json"} <= names
    assert "submission/notes.txt" not in names

    (submission / "model" / "model.onnx").write_bytes(b"not a model")
    (submission / "predictions.csv").write_text("id\n", encoding="utf-8")
    told = "\n".join(hand_in.hand_in(copy, "15", run=False).problems)
    assert "The model cannot be served: " in told and "predictions.csv holds no rows" in told
