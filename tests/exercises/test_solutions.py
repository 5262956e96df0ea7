"""What must be true of every solution, and of the exercise made from it."""

import ast
import copy
import re

import nbformat
import pytest

from tests.exercises import submissions
from tests.notebooks import checks
from textclf_lesson import check
from textclf_lesson.check.rubric import rubric_of
from textclf_lesson.course import runner
from textclf_lesson.grade.assignment import read_assignments
from tools import exercises as tool

ROOT = submissions.ROOT
SOLUTIONS = tool.solutions(ROOT)
ASSIGNMENTS = read_assignments(submissions.SOLUTIONS)
# A lesson's checks that hold for its exercise too. Those of a lesson's own shape (recap, claims, times) do not.
SHARED = ["executed_in_order", "no_errors", "cell_ids", "small", "no_machine_paths", "no_progress_bars", "no_widgets"]
SHARED += ["headings_in_order", "alt_texts", "nothing_remote", "links_resolve", "no_typed_results", "short_cells"]
ALL = "all of the above"
LONGEST_BLANK = 10  # lines of a solution

by_name = pytest.mark.parametrize("path", SOLUTIONS, ids=lambda path: path.stem)


def objective_of(item: str, nb: nbformat.NotebookNode) -> str:
    """What the text above an item's cell says the learner practises."""
    found = ""
    for cell in nb.cells:
        if cell.cell_type == "markdown" and (found_line := re.search(r"^\*Objective: (.*?)\.\*$", cell.source, re.M)):
            found = found_line[1]
        if cell.metadata.get("nbgrader", {}).get("grade_id") in (item, f"{item}_check"):
            return found
    raise LookupError(item)


def unnamed(aim: str, named: set[str]) -> tuple[set[str], str]:
    """Of objectives, those that are no whole part of "to tell this, to do that, and to do the other."; and what of
    that sentence none of them names."""
    foreign = set()
    for objective in sorted(named, key=len, reverse=True):
        part = rf"(?:^|[,;] (?:and )?)(?:to )?{re.escape(objective)}(?=[,;.]|$)"
        aim, found = re.subn(part, "", aim, count=1)
        foreign |= {objective} if not found else set()
    return foreign, aim.strip(" ,;.")


def test_each_exercise_is_what_its_solution_gives():
    assert tool.check(ROOT) == []


@by_name
@pytest.mark.parametrize("name", SHARED)
def test_solution(path, name):
    assert checks.CHECKS[name](checks.read(path), path.parent) == []


@by_name
def test_items_and_objectives_of_the_lesson_hold_together(path):
    """Each item names an objective of its lesson in the lesson's own words; each objective has an item."""
    nb = nbformat.read(path, as_version=4)
    lesson = next((ROOT / "notebooks").glob(f"{path.name[:2]}_*.ipynb"), path)  # the practical promises by itself
    named = {objective_of(item.name, nb) for item in ASSIGNMENTS[path.stem].items}
    foreign, left = unnamed(runner.lesson_aim(runner.read(lesson)), named - {ALL})
    assert foreign == set()
    assert left == "", "an objective that nobody practises"


@by_name
def test_items_are_few_short_and_judged(path):
    nb, assignment = nbformat.read(path, as_version=4), ASSIGNMENTS[path.stem]
    items = [item.name for item in assignment.items]
    assert 4 <= len(items) <= 7 or rubric_of(path.stem[:2]), "three to six, and the quiz; more in the practical"
    assert items[-1] == "quiz"
    assert len(set(items)) == len(items)
    for item in assignment.items:
        assert item.name == "quiz" or item.name in check.items(path.stem[:2])
        assert item.points > 0
        if item.artefact:
            assert set(item.wanted) <= {"predictions_file", "served_model"}, "it is answered by what is handed in"
            assert f"check.{item.name}(" in item.test
            continue
        assert item.wanted == [item.name], "a test takes the learner's function and nothing else"
        assert f"check.{item.name}({item.name}" in item.test
        source = submissions.blank_of(nb, item.name).source
        answer = re.search(r"### BEGIN SOLUTION\n(.*?)### END SOLUTION", source, re.S)[1]
        assert len(answer.rstrip().splitlines()) <= LONGEST_BLANK


@by_name
def test_points_in_the_headings_are_those_that_are_given(path):
    nb = nbformat.read(path, as_version=4)
    headings = [text for level, text in checks.headings(nb) if level >= 2]
    told = [re.search(r"\((\d+) points?\)$", text) for text in headings]
    assert all(told) or rubric_of(path.stem[:2]), "only the practical has sections without points"
    assert [float(points[1]) for points in told if points] == [item.points for item in ASSIGNMENTS[path.stem].items]


@pytest.mark.parametrize("path", [path for path in SOLUTIONS if rubric_of(path.stem[:2])], ids=lambda path: path.stem)
def test_the_rubric_is_what_the_notebook_gives_points_for(path):
    nb, rubric = nbformat.read(path, as_version=4), rubric_of(path.stem[:2])
    marks = [cell.metadata.get("nbgrader", {}) for cell in nb.cells]
    points = {mark["grade_id"].removesuffix("_check"): mark["points"] for mark in marks if mark.get("grade")}
    assert points == {entry["name"]: entry["points"] for entry in rubric}
    assert list(points) == [entry["name"] for entry in rubric]
    assert all(entry["earns"] for entry in rubric)
    shown = [output for cell in nb.cells if "check.rubric(" in cell.source for output in cell.outputs]
    assert all(f"| `{entry['name']}` | {entry['points']} |" in shown[0].data["text/plain"] for entry in rubric)


@by_name
def test_an_exercise_shows_no_answer_and_can_be_run(path):
    nb = submissions.exercise(path.stem)
    text = "\n".join(cell.source for cell in nb.cells)
    assert "SOLUTION" not in text
    assert "HIDDEN" not in text
    assert all(not cell.outputs for cell in nb.cells if cell.cell_type == "code")
    for cell in nb.cells:
        if cell.cell_type == "code":
            ast.parse(cell.source)
    for item in ASSIGNMENTS[path.stem].items:
        if item.name in ASSIGNMENTS[path.stem].blanks:
            assert "raise NotYet()" in submissions.blank_of(nb, item.name).source
        assert submissions.blank_of(nb, f"{item.name}_check").metadata["editable"] is False


def test_every_check_has_its_item_and_every_lesson_s_module_its_solution():
    asked = {item.name for assignment in ASSIGNMENTS.values() for item in assignment.items}
    assert asked == {"quiz", *(name for module in check.EXERCISES for name in check.items(module.removeprefix("ex")))}


# --- the tool ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def course(tmp_path):
    """A course of one solution and its exercise."""
    for folder in ("solutions", "exercises"):
        (tmp_path / folder).mkdir()
    for file in ("nbgrader_config.py", "01_framing.ipynb"):
        (tmp_path / "solutions" / file).write_bytes((submissions.SOLUTIONS / file).read_bytes())
    (tmp_path / "exercises" / "01_framing.ipynb").write_text(
        tool.exercise(tmp_path / "solutions" / "01_framing.ipynb"), encoding="utf-8"
    )
    assert tool.check(tmp_path) == []
    return tmp_path


def edit(path, change):
    nb = nbformat.read(path, as_version=4)
    change(nb)
    nbformat.write(nb, path)


def test_a_difference_is_noticed(course):
    edit(course / "exercises" / "01_framing.ipynb", lambda nb: nb.cells.pop())
    assert tool.check(course) == ["exercises/01_framing.ipynb is not what its solution gives; make exercises"]
    (course / "solutions" / "01_framing.ipynb").unlink()
    assert tool.check(course) == ["exercises/01_framing.ipynb has no solution; make exercises"]


def test_renewing_runs_stores_clean_and_completes_the_marks(course, capsys):
    path = course / "solutions" / "01_framing.ipynb"

    def shorten(nb):
        nb.cells = nb.cells[:4]
        nb.cells[2].metadata = nb.cells[3].metadata = {}
        nb.cells[3].metadata["nbgrader"] = {"grade_id": "kind_of_problem", "solution": True}
        nb.cells[3].metadata["editable"] = True

    edit(path, shorten)
    before = copy.deepcopy(nbformat.read(path, as_version=4))
    assert tool.renew(course, ["1"]) == 0
    stored = nbformat.read(path, as_version=4)
    assert [cell.id for cell in stored.cells] == [cell.id for cell in before.cells]
    completed = {"grade": False, "locked": False, "schema_version": 3, "solution": True, "task": False}
    assert stored.cells[3].metadata == {"nbgrader": completed | {"grade_id": "kind_of_problem"}}
    assert tool.check(course) == []


def test_an_unknown_number_is_said(course):
    with pytest.raises(ValueError, match=r"^There is no solution 99 in "):
        tool.solutions(course, ["99"])
