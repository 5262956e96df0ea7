"""WCAG 2.2 AA, by axe-core in a real browser: what the course writes for people to read.

A page is added to PAGES by a function that makes it and returns its address. Pages that a server gives are tested where
that server is started, by the same `accessible.faults_in_every_look`: the service's in tests/serve/.
"""

from collections.abc import Callable
from pathlib import Path

import nbformat
import pytest

from tests.book import accessible
from textclf_lesson.course import render
from textclf_lesson.grade import feedback, summary
from textclf_lesson.grade.marking import VERDICTS, Mark, Marks

ROOT = Path(__file__).parents[2]
PAGES: dict[str, Callable[[Path], str]] = {}


def made(maker: Callable[[Path], str]) -> Callable[[Path], str]:
    """Adds a function (a folder to write to) -> HTML to the list."""
    PAGES[maker.__name__] = maker
    return maker


def lesson(number: str) -> str:
    (path,) = (ROOT / "notebooks").glob(f"{number}_*.ipynb")
    return render.to_html(nbformat.read(path, as_version=4), path.stem)


@made
def course_start(folder: Path) -> str:
    return lesson("00")


@made
def course_serving(folder: Path) -> str:
    return lesson("12")


@made
def course_every_kind_of_token(folder: Path) -> str:
    """All that Pygments colours in Python, a wide table, a long line, a link in the text, a formula."""
    code = (
        '''@cache
class A(B):
    """Text."""
    x: int = 0x1F + 1.5 if a is not None and b in "s" else f"{x!r:>3}\\n"  # why

def f(self, *args):
    raise ValueError(len(args)) from None
import os as o
!ls '''
        + "long " * 60
    )
    table = "<table><tr>" + "<td>a wide cell</td>" * 40 + "</tr></table>"
    outputs = [
        nbformat.v4.new_output("execute_result", data={"text/html": table}, execution_count=1),
        nbformat.v4.new_output("stream", name="stderr", text="a warning " * 40),
    ]
    text = "# A page\n\nA [paper](https://example.org) and $x^2$.\n\n| a | b |\n|---|---|\n| 1 | 2 |\n"
    cells = [nbformat.v4.new_markdown_cell(text), nbformat.v4.new_code_cell(code, outputs=outputs, execution_count=1)]
    return render.to_html(nbformat.v4.new_notebook(cells=cells), "A page")


def submissions() -> list[Marks]:
    marks = [Mark(f"item_{name}", 1, 2, name, "A hint that says what to look at next.") for name in VERDICTS]
    return [Marks("ada", "01_framing", marks), Marks("b.pdf", "", note="Not graded: a .pdf file.")]


@made
def grades(folder: Path) -> str:
    return summary.as_html([*submissions(), Marks("old", "", note="Not graded: an older version: ada counts.")])


@made
def learners_feedback(folder: Path) -> str:
    answers = {f"item_{name}": "def item():\n    return 0" for name in VERDICTS}
    return feedback.page([feedback.Part("Exercise 1 · Framing", submissions()[0], "One cell failed.", answers)])


@pytest.mark.parametrize("name", PAGES)
def test_a_page_that_the_course_writes_can_be_used_by_everybody(page, tmp_path, name):
    (tmp_path / "page.html").write_text(PAGES[name](tmp_path), encoding="utf-8")
    assert accessible.faults_in_every_look(page, (tmp_path / "page.html").as_uri()) == []


@pytest.mark.parametrize(
    "name",
    [
        "index",
        "notebooks/12_serving",
        "exercises/09_attention",
        "docs/glossary",
        "api/assets",
    ],
)
def test_a_page_of_the_web_book_can_be_used_by_everybody(built, page, name):
    assert accessible.faults_in_every_look(page, (built / f"{name}.html").as_uri()) == []


def test_the_search_of_the_web_book_can_be_used_by_everybody(built, page):
    page.emulate_media(reduced_motion="reduce")
    page.goto((built / "search.html").as_uri() + "?q=focal+loss")
    page.locator("#search-results li a").first.wait_for()
    assert accessible.faults(page) == []


def test_axe_finds_what_is_wrong(page):
    """A test of the test: a picture without its text, and pale letters."""
    page.set_content(
        '<html lang="en"><title>x</title><main><img src="data:,"><p style="color:#bbb">pale</p></main></html>'
    )
    assert [fault.partition(" ")[0] for fault in accessible.faults(page)] == ["color-contrast", "image-alt"]
