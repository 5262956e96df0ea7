"""What an instructor reads of a class, and what a test without a hint gives away."""

import csv
import io
from html.parser import HTMLParser

import pytest
from rich.console import Console

from tests.exercises import submissions
from textclf_lesson.grade import summary
from textclf_lesson.grade.assignment import Assignment, Item, Submission
from textclf_lesson.grade.marking import VERDICTS, Mark, Marks, mark
from textclf_lesson.grade.sandbox import Sandbox
from textclf_lesson.grade.sitting import printable
from tools import browser

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


def test_only_wrong_answers_count_as_misconceptions():
    marks = [
        Marks(who, "01_x", [Mark("hard", 0, 3, verdict, f"hint of {verdict}")])
        for who, verdict in enumerate(["blank"] * 5 + ["stopped"] * 4 + ["missing"] * 3 + ["wrong"])
    ]
    (row,) = summary.missed(marks)
    assert (row["hint"], row["hinted"]) == ("hint of wrong", 1)
    assert row["verdicts"] == "5 blank, 4 stopped, 3 missing, 1 wrong"


class Page(HTMLParser):
    """The page's ids, its links to them, the marks of its table, and its text in order."""

    def __init__(self, html: str):
        super().__init__()
        self.ids, self.links, self.marks, self.text = set(), [], [], ""
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        named = dict(attributes)
        self.ids |= {named["id"]} if "id" in named else set()
        self.links += [named["href"]] if "href" in named else []
        self.marks += [named["aria-label"]] if named.get("role") == "img" else []

    def handle_data(self, data):
        self.text += data


MIXED = [
    *CLASS,
    Marks("dee", "01_x", [Mark("easy", 0, 2, "blank", "Nothing yet"), Mark("hard", 0, 3, "unjudged", "a full disk")]),
    Marks("bad", "01_x", [Mark("easy", 0, 2, "missing"), Mark("hard", 0, 3, "missing")], "Not graded: it is damaged."),
    Marks("old", "", note="Not graded: an older version: new.ipynb counts."),
    Marks("n.pdf", "", note="Not graded: a .pdf file, not the notebook: hand in the .ipynb."),
]


def test_the_page_has_a_table_of_learners_by_items_whose_links_lead_somewhere():
    page = Page(summary.as_html(MIXED))
    assert len(page.links) == 4 + 2 and {link.removeprefix("#") for link in page.links} <= page.ids
    meant = [summary.MEANINGS[mark.verdict] for marks in MIXED[:4] for mark in marks.marks]
    assert page.marks == meant and len({*meant}) == 5, "blank, wrong, stopped and unjudged are told apart"


def test_what_could_not_be_read_is_on_top_and_not_among_the_graded():
    page = Page(summary.as_html(MIXED))
    assert "Grades of 4 submissions" in page.text
    top, rest = page.text.split("Learners by items", 1)
    assert "bad" in top and "it is damaged." in top and "n.pdf" in top
    assert "old" not in top and "an older version" in rest.rpartition("Submissions")[2]
    rows = {row["submission"]: row for row in csv.DictReader(io.StringIO(summary.as_csv(MIXED)))}
    assert (rows["bad"]["points"], rows["bad"]["easy"], rows["dee"]["points"]) == ("", "", "0")


@pytest.mark.skipif(browser.CHROMIUM is None, reason=browser.MISSING)
def test_the_page_can_be_read_on_a_phone(tmp_path):
    """In a real browser, 390 pixels wide: nothing but the table of learners needs to be moved sideways."""
    hint = "a_long_name_without_a_gap" * 5
    many = [
        Marks(f"learner {k}", "01_x", [Mark(f"item_{i}", 0, 2, "wrong", hint) for i in range(12)]) for k in range(3)
    ]
    (tmp_path / "grades.html").write_text(summary.as_html([*many, MIXED[-1]]), encoding="utf-8")
    with browser.browser(390, 800) as chromium:
        page = chromium.new_page()
        page.goto((tmp_path / "grades.html").as_uri())
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        table = page.locator(".scroll")
        assert table.evaluate("box => box.scrollWidth > box.clientWidth")
        first = page.locator(".scroll tbody th").first
        before = first.bounding_box()["x"]
        table.evaluate("box => { box.scrollLeft = 100 }")
        assert first.bounding_box()["x"] == before, "the names stay in sight"
        hints = [cell.bounding_box() for cell in page.locator("table.wide td", has_text=hint).all()]
        assert len(hints) > 12 and all(box["x"] + box["width"] <= 390 for box in hints)


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
