"""What an instructor reads of a class, and what a test without a hint gives away."""

import csv
import io

from rich.console import Console

from tests.exercises import submissions
from textclf_lesson.grade import summary
from textclf_lesson.grade.assignment import Assignment, Item, Submission
from textclf_lesson.grade.marking import VERDICTS, Mark, Marks, mark
from textclf_lesson.grade.sandbox import Sandbox
from textclf_lesson.grade.sitting import printable

CLASS = [
    Marks("ada", "01_x", [Mark("easy", 2, 2, "right"), Mark("hard", 3, 3, "right")]),
    Marks("=cmd()", "01_x", [Mark("easy", 2, 2, "right"), Mark("hard", 0, 3, "wrong", "<script>alert(1)</script>")]),
    Marks("cyd", "01_x", [Mark("easy", 0, 2, "stopped", "too long"), Mark("hard", 0, 3, "wrong", "look")], "a note"),
]


def test_each_verdict_has_its_sign():
    assert tuple(summary.SIGNS) == VERDICTS


def test_what_was_measured_of_a_right_answer_is_no_hint():
    rows = summary.missed([Marks("ada", "15_x", [Mark("labels", 6, 6, "right", "toxic 0.93")])])
    assert rows[0]["hint"] == ""


def test_the_most_missed_item_comes_first():
    rows = summary.missed(CLASS)
    assert [(row["item"], row["right"], row["of"]) for row in rows] == [("hard", 1, 3), ("easy", 2, 3)]
    assert rows[0]["verdicts"] == "2 wrong, 1 right"


def test_the_spread_counts_each_submission_once():
    assert [(bar["from"], bar["count"]) for bar in summary.spread(CLASS) if bar["count"]] == [(0, 1), (40, 1), (90, 1)]


def test_a_spreadsheet_takes_nothing_for_a_formula():
    rows = list(csv.DictReader(io.StringIO(summary.as_csv(CLASS))))
    assert [row["submission"] for row in rows] == ["ada", "'=cmd()", "cyd"]
    assert (rows[2]["points"], rows[2]["out_of"], rows[2]["note"]) == ("0", "5", "a note")


def test_what_a_learner_wrote_is_no_markup():
    page = summary.as_html(CLASS)
    assert "&lt;script&gt;" in page
    assert "<script" not in page
    assert page.index("<td>hard<br>") < page.index("<td>easy<br>")


def test_what_a_learner_wrote_commands_no_terminal():
    shown = io.StringIO()
    marks = Marks("[/ada]", "01_x", [Mark("easy", 0, 2, "wrong", "it says [/bold] and [red]")])
    Console(file=shown, width=200).print(summary.as_table(marks))
    assert "[/ada]" in shown.getvalue()
    assert "it says [/bold] and [red]" in shown.getvalue()
    assert printable("a\x1b[2J\nb", 80) == "a [2J b"


def test_a_hidden_test_without_a_hint_gives_nothing_away(tmp_path):
    path = tmp_path / "01_x.ipynb"
    submissions.write(submissions.solved("01_framing", ("quiz",)), path)
    tests = {"plain": "assert quiz() == {'secret': 'z'}, 'the secret is z'", "spoilt": "quiz() / 0 + undefined_secret"}
    assignment = Assignment("01_x", tuple(Item(name, 1, test) for name, test in tests.items()), ("quiz",))
    told = {one.item: one for one in mark(Submission(path, "x", assignment), Sandbox()).marks}
    assert (told["plain"].verdict, told["plain"].hint) == (
        "unjudged",
        "A test failed that has no hint (AssertionError).",
    )
    assert told["spoilt"].verdict == "missing"
    assert all("z'" not in one.hint and one.points == 0 for one in told.values())


def test_a_fault_of_the_grader_is_told_as_ours_and_stops_nobody(tmp_path, monkeypatch):
    path = tmp_path / "01_x.ipynb"
    submissions.write(submissions.solved("01_framing", ("quiz",)), path)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "nowhere"))
    marks = mark(Submission(path, "x", Assignment("01_x", (Item("quiz", 2, "quiz()"),), ("quiz",))), Sandbox())
    assert [one.verdict for one in marks.marks] == ["unjudged"]
    assert marks.note.startswith("Not graded, by no fault of the submission: FileNotFoundError")


def test_a_result_of_an_earlier_grading_is_known_and_a_learner_s_file_is_not(tmp_path):
    for name, write in {"all.json": summary.as_json, "x.csv": summary.as_csv, "x.html": summary.as_html}.items():
        (tmp_path / name).write_text(write(CLASS), encoding="utf-8")
        assert summary.is_result(tmp_path / name), name
    for name, content in {"a.json": "[]", "a.csv": "submission,f1\n", "a.html": "<!DOCTYPE html>\n<title>x"}.items():
        (tmp_path / name).write_text(content, encoding="utf-8")
        assert not summary.is_result(tmp_path / name), name
    assert not summary.is_result(tmp_path / "gone")
