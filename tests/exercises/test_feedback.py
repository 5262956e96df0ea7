"""A class graded once with all that an instructor brings along: grades, feedback and a platform's export come out."""

import csv
import os
import re
import shutil
import sys
from datetime import UTC, datetime
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import pytest

from tests.exercises import submissions
from tests.exercises.grading import grade
from tools import browser

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="grading needs a POSIX system")
ITEMS = ("kappa", "quiz")  # of exercise 1, quick to check
WRONG = "def kappa(a, b):\n    # they <b>agree</b>\n    return 0.5  # " + "a_long_line_without_a_gap" * 12
DUE = datetime(2026, 11, 20, 22, 59, tzinfo=UTC).timestamp()
FILES = {
    "students.csv": "id,name,email\ns1,Ada Lovelace,ada@x.example\ns2,Grace Hopper,g@x.example\n"
    "s3,Alan Turing,alan@x.example\ns4,Kurt Gödel,kurt@x.example\n",
    "more_time.csv": "id,due\ns2,2026-11-22 12:00 America/New_York\n",
    "marks.csv": "id,memo (6),memo comment,comment\ns1,4.5,Say who decides.,Well <i>argued</i>\ns2,,,\ns4,6,,\n",
    "canvas.csv": '\ufeffStudent,ID,SIS Login ID,01_framing (77)\r\n"Lovelace, Ada",101,ada@x.example,\r\n'
    '"Student, Test",999,,\r\n',
}


@pytest.fixture(scope="module")
def graded(tmp_path_factory):
    """Ada in time, Grace within her extension, Alan with a web page, one whom nobody knows, and Kurt not at all."""
    place = tmp_path_factory.mktemp("term")
    folder = place / "class"
    right, wrong = (submissions.solved("01_framing", ITEMS) for _ in range(2))
    submissions.blank_of(wrong, "kappa").source = WRONG
    handed = {
        "lovelaceada_101_5001_01_framing.ipynb": (right, -60),
        "Grace Hopper - 01_framing.ipynb": (wrong, 3600),
        "turingalan_103_5003_01_framing.ipynb": ("<html>", -60),
        "Zed Zero - 01_framing.ipynb": (wrong, 3600),
    }
    for name, (notebook, later) in handed.items():
        submissions.write(notebook, folder / name)
        os.utime(folder / name, (DUE + later, DUE + later))
    for name, text in FILES.items():
        (folder / name).write_text(text, encoding="utf-8", newline="")
    options = {"roster": "students.csv", "extensions": "more_time.csv", "marks": "marks.csv", "into": "canvas.csv"}
    arguments = [word for option, name in options.items() for word in (f"--{option}", folder / name)]
    arguments += ["--due", "2026-11-20 23:59 Europe/Berlin", "--feedback", folder / "feedback"]
    run = grade(folder, "--assignment", 1, *arguments)
    assert run.returncode == 0, run.stdout + run.stderr
    return folder, run, arguments


def rows_of(folder: Path) -> dict[str, dict[str, str]]:
    with (folder / "grades.csv").open(encoding="utf-8", newline="") as file:
        return {row["submission"]: row for row in csv.DictReader(file)}


def test_the_table_says_who_when_and_what_waits(graded):
    rows = rows_of(graded[0])
    ada = rows["lovelaceada_101_5001_01_framing"]
    assert (ada["student"], ada["name"], ada["late"], ada["memo"], ada["kappa"]) == (
        "s1",
        "Ada Lovelace",
        "",
        "4.5",
        "3",
    )
    assert (ada["points"], ada["comment"]) == ("9.5", "Well <i>argued</i>")
    grace = rows["Grace Hopper - 01_framing"]
    assert (grace["student"], grace["late"], grace["memo"], grace["kappa"]) == ("s2", "", "unmarked", "0")
    assert (grace["handed_in"], grace["due"]) == ("2026-11-21 00:59:00+01:00", "2026-11-22 12:00-05:00")
    stranger = rows["Zed Zero - 01_framing"]
    assert (stranger["student"], stranger["late"], stranger["quiz"]) == ("", "1 h", "2")
    assert stranger["note"] == "no student of students.csv fits its name"
    assert rows["s4 (Kurt Gödel)"]["note"] == "Not graded: nothing handed in for 01_framing."
    assert len(rows) == 5, "what the instructor brought along is no submission"


def test_both_sides_rows_that_do_not_match_are_told(graded):
    shown = graded[1].stdout.splitlines()
    assert "Due 2026-11-20 23:59 Europe/Berlin, which is 2026-11-20 22:59 UTC; 1 extensions." in shown
    assert "Of no student in students.csv, 1: Zed Zero - 01_framing." in shown
    assert "Late, 1: Zed Zero - 01_framing (1 h). No points were taken." in shown
    assert "To be marked by hand, `memo`, 2: s2, Zed Zero - 01_framing." in shown
    assert "Marked by hand, but not graded, 1: s4, 01_framing." in shown
    assert "In canvas.csv, but nothing graded for `01_framing (77)`, 1: 999 (Student, Test)." in shown
    missed = next(line for line in shown if line.startswith("Graded, but not in canvas.csv, 2: "))
    assert "Grace Hopper - 01_framing (s2)" in missed and "Zed Zero - 01_framing" in missed


def test_the_export_has_the_points_and_is_as_it_was_elsewhere(graded):
    before = FILES["canvas.csv"]
    assert (graded[0] / "canvas.before.csv").read_bytes() == before.encode()
    after = (graded[0] / "canvas.csv").read_bytes().decode()
    assert after == before.replace("ada@x.example,", "ada@x.example,9.5")


class Tags(HTMLParser):
    def __init__(self, html: str):
        super().__init__()
        self.found, self.text = [], ""
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        self.found.append((tag, dict(attributes)))

    def handle_data(self, data):
        self.text += data


def test_each_learner_gets_one_page_of_their_own(graded):
    feedback = graded[0] / "feedback"
    with (feedback / "pages.csv").open(encoding="utf-8-sig", newline="") as file:
        pages = {row["student"]: row for row in csv.DictReader(file)}
    assert sorted(path.name for path in feedback.iterdir()) == sorted(
        ["pages.csv", *(p["page"] for p in pages.values())]
    )
    assert pages.keys() == {"s1", "s2", "s3", "Zed Zero - 01_framing"}
    ada, grace, alan = ((feedback / pages[who]["page"]).read_text(encoding="utf-8") for who in ("s1", "s2", "s3"))
    assert "Feedback for Ada Lovelace" in ada and "Well &lt;i&gt;argued&lt;/i&gt;" in ada
    of = rows_of(graded[0])["lovelaceada_101_5001_01_framing"]["out_of"]
    assert "Say who decides." in Tags(ada).text and f"9.5 of {of} points" in Tags(ada).text
    text = Tags(grace).text
    assert WRONG in text, "their own code"
    hint = re.search(r"kappa\n.*?wrong, 0 of 3 points\s+(.+?)\s+Your answer", text, re.S)
    assert hint and len(hint[1]) > 20, "the hint that the check gives"
    assert "It waits for the teacher's mark." in text and "late" not in text
    assert "Your file could not be graded." in alan and "web page" in alan
    for html, others in (
        (ada, "Grace Hopper|Turing|s2"),
        (grace, "Lovelace|Turing|s1\\b"),
        (alan, "Grace|Lovelace|s1\\b"),
    ):
        assert not re.search(others, html)
        assert "HIDDEN" not in html and "seed=" not in html and "<script" not in html
        reached = [
            value for tag, attributes in Tags(html).found for key, value in attributes.items() if key in ("src", "href")
        ]
        assert all(value.startswith("#") for value in reached), "whole in one file"


def test_a_folder_of_feedback_that_exists_is_left_as_it_is(graded):
    folder, _, arguments = graded
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    again = grade(folder, "--assignment", 1, *arguments)
    assert again.returncode == 1
    assert (
        again.stdout
        == f"{folder / 'feedback'} exists already: name a new folder for the feedback. Nothing was graded.\n"
    )
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


def test_a_second_time_grades_nothing_again_and_changes_nothing(graded):
    folder, _, arguments = graded
    shutil.copytree(folder / "feedback", folder / "first")
    others = [*arguments[:-1], folder / "again"]
    again = grade(folder, "--assignment", 1, *others)
    assert again.returncode == 0, again.stdout
    assert f"{folder / 'canvas.csv'}: nothing to change." in again.stdout.splitlines()
    assert "lovelaceada_101_5001_01_framing: " not in again.stdout, "it was graded anew"
    for path in (folder / "first").iterdir():
        assert (folder / "again" / path.name).read_bytes() == path.read_bytes()
    assert "first" not in "".join(rows_of(folder)), "pages of an earlier time are no submissions"
    for name in ("first", "again"):
        shutil.rmtree(folder / name)


def test_without_a_list_pages_go_by_the_names_of_files(graded, tmp_path):
    folder = tmp_path / "class"
    notebook = submissions.solved("01_framing", ("quiz",))
    for name in ("ada/01_framing", "ada/01_framing_old/01_framing", "Ann Lee_7_assignsubmission_file_/01_framing"):
        submissions.write(notebook, folder / f"{name}.ipynb")
    run = grade(folder, "--feedback", tmp_path / "new" / "pages")
    assert run.returncode == 0, run.stdout
    assert sorted(path.name for path in (tmp_path / "new" / "pages").iterdir()) == [
        "ada.html", "ada_01_framing_old.html", "ann_lee_7.html", "pages.csv",
    ]  # fmt: skip


CONTRAST = """() => {
  const light = c => { const [r, g, b] = c.match(/[\\d.]+/g).slice(0, 3).map(v => v / 255)
    .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4); return .2126 * r + .7152 * g + .0722 * b }
  const behind = e => { for (; e; e = e.parentElement) { const c = getComputedStyle(e).backgroundColor
    if (!/, 0\\)$/.test(c) && c !== 'transparent') return c } return 'rgb(255, 255, 255)' }
  const hasText = e => [...e.childNodes].some(n => n.nodeType === 3 && n.data.trim())
  return [...document.body.querySelectorAll('*')].filter(hasText)
    .map(e => { const [a, b] = [light(getComputedStyle(e).color), light(behind(e))].sort((x, y) => y - x)
      return [(a + .05) / (b + .05), e.tagName, e.className] })
}"""


@pytest.mark.skipif(browser.CHROMIUM is None, reason=browser.MISSING)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_page_can_be_read_on_a_phone_and_by_everybody(graded, scheme):
    """WCAG's contrast of 4.5, landmarks, headings in order, links that lead somewhere; 390 pixels wide."""
    address = (graded[0] / "feedback" / "s2.html").as_uri()
    with browser.browser(390, 800, color_scheme=scheme) as chromium:
        page = chromium.new_page()
        requests = []
        page.on("request", lambda request: requests.append(request.url))
        page.goto(address)
        assert requests == [address]
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        for code in page.locator("pre").all():
            assert code.evaluate("e => e.scrollWidth <= e.clientWidth"), "long lines are wrapped"
        measured = page.evaluate(CONTRAST)
        assert len(measured) > 20 and [entry for entry in measured if entry[0] < 4.5] == []
        for landmark in ("banner", "navigation", "main"):
            assert page.get_by_role(landmark).count() == 1, landmark
        levels = page.evaluate("[...document.querySelectorAll('h1, h2, h3')].map(e => +e.tagName[1])")
        assert levels[:3] == [1, 2, 3] and all(after - before <= 1 for before, after in pairwise(levels))
        named = page.evaluate("[...document.links].map(e => !!document.querySelector(e.getAttribute('href')))")
        assert len(named) > 3 and all(named)
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.tagName") == "A"
        assert page.evaluate("document.documentElement.lang") == "en"
