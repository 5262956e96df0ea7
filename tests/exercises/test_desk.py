"""What a learner sees in an exercise: nothing stops the cells below, and every message is one that helps."""

import ast
import builtins
import os
import re

import nbformat
import pytest
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output
from jupyter_client.manager import start_new_kernel
from nbclient.exceptions import CellExecutionError
from nbgrader.utils import determine_grade

from tests.exercises import learner, submissions
from textclf_lesson.base.errors import CheckFailed
from textclf_lesson.check import progress
from textclf_lesson.check.notebook import LOOKS, Result
from textclf_lesson.check.quiz import questions_of, quiz
from tools import exercises as tool

SOLUTIONS = tool.solutions(submissions.ROOT)
by_name = pytest.mark.parametrize("path", SOLUTIONS, ids=lambda path: path.stem)


def marks(cell) -> dict:
    return cell.metadata.get("nbgrader", {})


def row_of(table: str, title: str) -> str:
    """The line of an item in the table of progress."""
    (row,) = [line for line in table.splitlines() if line.startswith(title)]
    return row


# --- no cell needs another's answer -----------------------------------------------------------------------------------


def names(source: str) -> tuple[set[str], set[str]]:
    """The names that a cell takes from other cells, and those that it makes."""
    lines = ["pass" if line.lstrip().startswith(("%", "!")) else line for line in source.splitlines()]
    taken, made = set(), set()
    for node in ast.walk(ast.parse("\n".join(lines))):
        match node:
            case ast.Name(ctx=ast.Load()):
                taken.add(node.id)
            case ast.Name():
                made.add(node.id)
            case ast.Import() | ast.ImportFrom():
                made |= {alias.asname or alias.name.partition(".")[0] for alias in node.names}
            case ast.FunctionDef() | ast.ClassDef():
                made.add(node.name)
            case ast.arg():
                made.add(node.arg)
    return taken - made - set(dir(builtins)), made


@by_name
def test_no_cell_needs_what_an_answer_provides(path):
    """Neither a given cell nor another answer: each item can be left out."""
    notebook, given = nbformat.read(path, as_version=4), set()
    for cell in notebook.cells:
        if cell.cell_type != "code":
            continue
        item = marks(cell).get("grade_id", "").removesuffix("_check")
        taken, made = names(cell.source)
        if "not-graded" in cell.metadata.get("tags", []):  # it trains or measures with an answer
            given |= made
            continue
        asked = {"predictions_file"} if item in ("f1_by_label", "served_model") else set()  # two items judge one file
        assert taken - given - {item} - asked == set(), cell.source
        given |= set() if marks(cell).get("solution") else made


@by_name
def test_a_fresh_exercise_runs_to_its_table(path, tmp_path):
    notebook = learner.run(learner.without_training(submissions.exercise(path.stem)), tmp_path)
    assert learner.errors(notebook) == []
    checks = [cell for cell in notebook.cells if marks(cell).get("grade")]
    assert all(learner.shown(cell).startswith("– Not answered yet: 0 of ") for cell in checks)
    table = learner.shown(notebook.cells[-1])
    items = progress.items_of(path.stem[:2])
    assert table.count("– not answered yet") == len(items) == len(checks)
    assert f"0 of {sum(item['points'] for item in items):g} points, 0 of {len(items)} items right." in table


def test_each_answer_left_blank_in_turn_leaves_the_others_right(tmp_path):
    """One kernel, emptied in between, so that the data of the checks are loaded once."""
    solution = nbformat.read(submissions.SOLUTIONS / "01_framing.ipynb", as_version=4)
    items = progress.items_of("01")
    sources = []
    for item in items:
        sources += ["%reset -f"]
        for cell in solution.cells:
            if cell.cell_type == "code":
                blank = f"def {item['name']}(*given):\n    raise NotYet()"
                sources.append(blank if marks(cell).get("grade_id") == item["name"] else cell.source)
    notebook = learner.run(learner.notebook_of(*sources), tmp_path)
    assert learner.errors(notebook) == []
    tables = [learner.shown(cell) for cell in notebook.cells if "check.progress()" in cell.source]
    assert len(tables) == len(items)
    for item, table in zip(items, tables, strict=True):
        assert "– not answered yet" in row_of(table, item["title"])
        assert table.count("✓ right") == len(items) - 1


# --- wrong answers, for a learner and for a grader --------------------------------------------------------------------

HALF_DONE = {
    "kind_of_problem": "def kind_of_problem(rows)\n    return 'binary'",
    "kappa": "def kappa(a, b):\n    agreed = [x == y for x, y in zip(a, b)]\n    return agreed / len(a)",
    "quiz": "def quiz():\n    return {'shape': 'b', 'leak': 'c', 'focal': 'A', 'kappa': ''}",
}


def half_done():
    """An exercise with a slip of the pen, a wrong type, a quiz with one wrong answer and one left out, and an answer
    whose cell was not run; the rest blank."""
    notebook = submissions.answered("01_framing", **HALF_DONE)
    notebook.cells.remove(submissions.blank_of(notebook, "promise"))
    return notebook


@pytest.fixture(scope="module")
def seen(tmp_path_factory):
    return learner.run(half_done(), tmp_path_factory.mktemp("learner"))


@pytest.fixture(scope="module")
def graded(tmp_path_factory):
    """The same, run as graders run it."""
    return learner.run(half_done(), tmp_path_factory.mktemp("grader"), attended=False, allow_errors=True)


def test_a_half_done_exercise_runs_to_its_table(seen):
    table = learner.shown(seen.cells[-1])
    items = {item["name"]: item["title"] for item in progress.items_of("01")}
    rows = {name: row_of(table, title) for name, title in items.items()}
    assert "✗ not right yet" in rows["kappa"] and "✗ not right yet" in rows["quiz"]
    assert all("– not answered yet" in row for name, row in rows.items() if name not in ("kappa", "quiz"))
    assert f"Next: {items['kind_of_problem']}" in table


def test_a_crash_names_line_and_source_and_the_call(seen):
    text = learner.shown(submissions.blank_of(seen, "kappa_check"))
    assert text.startswith("✗ Not right yet: 0 of 3 points.\n  ✗ `kappa` raised TypeError: unsupported operand type")
    assert "in line 3: `return agreed / len(a)` (called with a = a list of length " in text
    assert "Traceback" not in text and "core.py" not in text


def test_a_slip_of_the_pen_is_shown_and_the_check_says_which_cell_did_not_run(seen):
    assert "SyntaxError" in learner.shown(submissions.blank_of(seen, "kind_of_problem"))
    for item in ("kind_of_problem", "promise"):
        text = learner.shown(submissions.blank_of(seen, f"{item}_check"))
        assert f"`{item}` is not defined. If a cell above defines it, run that cell first" in text
        assert "Traceback" not in text


def test_every_question_of_a_quiz_is_judged_at_once(seen):
    cell = submissions.blank_of(seen, "quiz_check")
    html, text = cell.outputs[0].data["text/html"], learner.shown(cell)
    asked = questions_of("01")
    right = [q for q in asked if q["name"] in ("shape", "focal")]
    assert text.count("\n  ✓ ") == len(right) == 2 and text.count("\n  ✗ ") == len(asked) - 2
    assert html.count("<li") == len(asked)
    leak = next(question for question in asked if question["name"] == "leak")
    assert leak["option"][2]["why"].replace("*", "") in re.sub("<.*?>", "", html)
    assert "Question **kappa**: answer with one letter, a to c" in text


def test_a_grader_sees_every_failure(graded):
    for cell in graded.cells:
        if marks(cell).get("grade"):
            assert determine_grade(cell)[0] == 0, cell.source
    failed = [cell for cell in graded.cells if any(o.output_type == "error" for o in cell.get("outputs", []))]
    checks = [cell for cell in graded.cells if marks(cell).get("grade")]
    assert [cell for cell in failed if marks(cell).get("grade")] == checks
    with pytest.raises(CellExecutionError):
        learner.run(learner.notebook_of("from textclf_lesson.check import ex01", "ex01.quiz(None, lesson='01')"),
                    submissions.ROOT, attended=False)  # fmt: skip


def test_right_answers_are_right_for_both():
    sources = ["from textclf_lesson.check import ex01 as check", HALF_DONE["quiz"], "check.quiz(quiz, lesson='01')"]
    sources[1] = submissions.blank_of(
        nbformat.read(submissions.SOLUTIONS / "01_framing.ipynb", as_version=4), "quiz"
    ).source
    for attended in (True, False):
        notebook = learner.run(learner.notebook_of(*sources), submissions.ROOT, attended=attended)
        assert learner.shown(notebook.cells[-1]).startswith("✓ Right: 2 of 2 points.\n  ✓ **shape**: ")


def test_stopping_an_endless_loop_says_where_and_stops_the_run():
    manager, client = start_new_kernel(kernel_name="python3", env={**os.environ, "PYTHONPATH": str(submissions.ROOT)})
    loops = "def quiz():\n    print('in it')\n    while True:\n        pass"
    try:
        client.execute_interactive("from textclf_lesson.check import ex01 as check\n" + loops, timeout=learner.LIMIT)
        told = []

        def hear(message):
            if message["msg_type"] == "stream" and "in it" in message["content"]["text"]:
                manager.interrupt_kernel()
            if message["msg_type"] == "error":
                told.extend(message["content"]["traceback"])

        for call in ("check.quiz(quiz, lesson='01')", "quiz()"):
            told.clear()
            reply = client.execute_interactive(call, allow_stdin=True, timeout=learner.LIMIT, output_hook=hear)
            assert reply["content"]["status"] == "error", "whoever presses stop means the cells below too"
            assert len(told) == 1 and told[0].startswith("✗ Interrupted in ")
            assert re.search(r"line [34]: `(while True:|pass)`", told[0])
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


# --- messages ---------------------------------------------------------------------------------------------------------


def told(source: str) -> str:
    shell = InteractiveShell()
    with capture_output() as captured:
        shell.run_cell(source)
    return captured.stdout.strip()


def test_a_claim_that_fails_is_one_sentence_and_says_how_to_go_on():
    text = told("from textclf_lesson import course\ncourse.claim('two is three', 2 == 3, 'by counting')")
    assert text.startswith("✗ two is three (by counting)\n")
    assert "course.setup(strict=False)" in text and "def claim" not in text and len(text.splitlines()) == 2


def test_a_misspelt_data_set_is_one_sentence_with_the_line():
    text = told("from textclf_lesson import data\n\nrows = data.load('reuter-r52')")
    first, second = text.splitlines()
    assert first.startswith("✗ There is no data set 'reuter-r52'. Did you mean 'reuters-r52'")
    assert second.strip() == "In line 3: `rows = data.load('reuter-r52')`"


MISSPELT = {  # what is typed → what is said
    "data.laod('reuters-r52')": "AttributeError: No textclf_lesson.data attribute laod\nDid you mean 'load'?",
    "check.kapa(len)": "AttributeError: There is no check.kapa. Did you mean 'kappa'?",
    "checkpoints.load('sentimnt')": "ValueError: There is no checkpoint 'sentimnt'.",
    "data.load('tweets')['trian']": "KeyError: 'trian'",
    "pd.DataFrame({'text': []})['txet']": "KeyError: 'txet'",
    "course.claim('two is three', 2)": "TypeError: claim needs one True or False",
}


def test_an_error_in_a_cell_shows_the_cells_line_and_no_source_of_libraries(tmp_path):
    """And the whole traceback is one command away."""
    setup = (
        "import pandas as pd\nfrom textclf_lesson import course, data\nfrom textclf_lesson.check import ex01 as check\n"
        "from textclf_lesson.models import checkpoints\ncourse.setup()"
    )
    sources = [f"x = 1\ny = {call}  # here" for call in MISSPELT]
    notebook = learner.run(learner.notebook_of(setup, *sources, "%tb"), tmp_path, allow_errors=True)
    assert learner.errors(notebook) != []
    for cell, said in zip(notebook.cells[1:-1], MISSPELT.values(), strict=True):
        text = re.sub(r"\x1b\[[\d;]*m", "", learner.shown(cell))
        assert said in text and "2 y = " in text, text
        assert ".py" not in text and "%tb" in text and len(text.splitlines()) < 12, text
    whole = re.sub(r"\x1b\[[\d;]*m", "", learner.shown(notebook.cells[-1]))
    assert "lesson.py" in whole and "raise TypeError" in whole


def test_markdown_is_rendered_and_html_is_not():
    result = Result("wrong", "Not right yet: 0 of 3 points.", right=["`a`"], wrong=["*dear* <b>x</b> & `p_t` of **q**"])
    assert (
        "<em>dear</em> &lt;b&gt;x&lt;/b&gt; &amp; <code" in result.html and ">p_t</code> of <strong>q<" in result.html
    )
    assert 'role="status"' in result.html and "word-break: normal" in result.html
    assert result.plain.splitlines() == [
        "✗ Not right yet: 0 of 3 points.", "  ✓ `a`", "  ✗ *dear* <b>x</b> & `p_t` of **q**"
    ]  # fmt: skip


def test_each_state_has_a_sign_of_its_own_beside_its_colour():
    results = [Result(state, "Text.") for state in LOOKS]
    assert len({result.plain[0] for result in results}) == len(results) == len(progress.WORDS)
    assert all(result.plain[0] in result.html for result in results)


def test_an_answer_that_could_not_be_judged_is_not_called_wrong(tmp_path):
    """The data of a check cannot be had: no fault of the learner's."""
    sources = [
        f"import os\nos.environ |= {{'TEXTCLF_HOME': {str(tmp_path / 'empty')!r}, 'TEXTCLF_OFFLINE': '1'}}",
        "from textclf_lesson.check import ex01 as check\ncheck.split_then_copy(lambda rows, least: (rows, rows))",
        "check.progress()",
    ]
    *_, judged, table = learner.run(learner.notebook_of(*sources), tmp_path).cells
    told = learner.shown(judged).splitlines()
    assert told[0].startswith("? Not judged: 0 of ") and told[1].startswith("  ? This check could not ")
    assert "textclf fetch newsgroups-reuters" in told[1]
    (title,) = [item["title"] for item in progress.items_of("01") if item["name"] == "split_then_copy"]
    assert "? not judged" in row_of(learner.shown(table), title)


def test_a_grader_gets_a_sentence_for_each_wrong_question():
    asked = questions_of("01")
    with pytest.raises(CheckFailed) as failed:
        quiz(lambda: {"shape": "b", "leak": "a"}, lesson="01")
    assert len(failed.value.args) == len(asked) - 1 and str(failed.value) == " ".join(failed.value.args)


def test_an_exercise_that_is_not_there_is_told():
    with pytest.raises(ValueError, match=r"^There is no exercise '99'; they are 01, "):
        progress.show("99")
