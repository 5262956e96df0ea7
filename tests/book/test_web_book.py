"""The web book in a real browser, opened from the disk: nothing is asked for elsewhere, all can be found and read."""

import re
from collections import defaultdict
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import nbformat
import pytest

from tools import book

ROOT = Path(__file__).parents[2]
SOME = ["index", "notebooks/05_multilabel_toxicity", "exercises/01_framing", "docs/glossary", "docs/grading"]


class Parsed(HTMLParser):
    """A page's links, ids and pictures, and its text."""

    def __init__(self, path: Path):
        super().__init__()
        self.links, self.loads, self.ids, self.pictures, self.text = [], [], set(), [], []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attributes):
        named = dict(attributes)
        self.ids |= {named["id"]} if named.get("id") else set()
        if tag == "a" and named.get("href"):
            self.links.append(named["href"])
        if tag in ("script", "img", "iframe", "source", "link"):
            self.loads += [named[key] for key in ("src", "href") if named.get(key)]
        if tag == "img":
            self.pictures.append(named)

    def handle_data(self, data):
        self.text.append(data)


parsed = cache(Parsed)


def pages(built: Path) -> list[Path]:
    found = sorted(path for path in built.rglob("*.html") if "_static" not in path.parts)
    assert len(found) > 50
    return found


def test_every_link_within_the_book_leads_to_a_page_and_a_place_on_it(built):
    broken = defaultdict(set)
    for path in pages(built):
        for link in [*parsed(path).links, *parsed(path).loads]:
            address = urlsplit(link)
            if address.scheme or address.netloc:
                continue
            target = (path.parent / unquote(address.path)).resolve() if address.path else path
            place = unquote(address.fragment)
            if not target.is_file() or (place and target.suffix == ".html" and place not in parsed(target).ids):
                broken[path.relative_to(built).as_posix()].add(link)
    assert dict(broken) == {}


def test_no_page_loads_anything_from_elsewhere(built):
    elsewhere = {load for path in pages(built) for load in parsed(path).loads if urlsplit(load).netloc}
    assert elsewhere == set()


def test_every_picture_has_the_text_that_its_lesson_gives_it(built):
    for notebook in sorted((ROOT / "notebooks").glob("[0-9]*.ipynb")):
        outputs = [out for cell in nbformat.read(notebook, as_version=4).cells for out in cell.get("outputs", [])]
        drawn = [out.metadata["image/png"]["alt"] for out in outputs if "image/png" in out.get("data", {})]
        there = [picture["alt"] for picture in parsed(built / "notebooks" / f"{notebook.stem}.html").pictures]
        assert [text for text in drawn if text not in there] == []
    nameless = [path.name for path in pages(built) for picture in parsed(path).pictures if not picture.get("alt")]
    assert nameless == []


def test_no_answer_is_in_the_book_of_learners(built):
    text = "\n".join("".join(parsed(path).text) for path in pages(built) if "api" not in path.parts)
    for solution in sorted((ROOT / "solutions").glob("*.ipynb")):
        source = "\n".join(cell.source for cell in nbformat.read(solution, as_version=4).cells)
        for answer in re.findall(r"### BEGIN SOLUTION\n(.+?)### END SOLUTION", source, re.DOTALL):
            assert len(answer.strip()) < 60 or answer.strip() not in text
    assert "Answers to lesson" not in text


def test_the_book_of_instructors_has_answers_to_guesses_tasks_and_quizzes_and_the_solutions():
    pages = book.sources(for_instructors=True)
    added = pages.keys() - book.sources(for_instructors=False).keys()
    assert {name.partition("/")[0] for name in added} == {"instructors", "solutions"}
    answers = " ".join(pages["instructors/02_baselines.md"].decode().split())
    assert "**Before you run the next cell**: which word" in answers and "*Mess*: it stands there twice" in answers
    assert answers.count("**Task**") == 3 and "**right**" in answers
    assert "BEGIN SOLUTION" in pages["solutions/02_baselines.ipynb"].decode()
    index = pages["index.md"].decode()
    assert "instructors/02_baselines\n" in index and "solutions/02_baselines\n" in index


def test_terms_lead_to_the_glossary_and_back_to_their_section(built):
    lesson, glossary = parsed(built / "notebooks" / "02_baselines.html"), parsed(built / "docs" / "glossary.html")
    assert "../docs/glossary.html#n-gram" in lesson.links and "n-gram" in glossary.ids
    assert "../notebooks/02_baselines.html#section-2-1" in glossary.links


def test_docstrings_of_lazy_packages_are_in_the_reference(built):
    text = "".join(parsed(built / "api" / "models.html").text)
    assert "A classifier of texts in two steps, untrained." in text
    assert "textclf_lesson.check.ex05" not in parsed(built / "api" / "check.html").ids, (
        "what a check looks at is not told"
    )


# --- in the browser ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SOME)
def test_a_page_asks_for_nothing_elsewhere_and_its_scripts_run(built, page, name):
    page.goto((built / f"{name}.html").as_uri())
    page.wait_for_load_state("networkidle")
    assert [asked for asked in page.asked if not asked.startswith(("file:", "data:"))] == []
    assert page.problems == []


def test_the_search_finds_focal_loss_from_the_disk(built, page):
    page.goto((built / "search.html").as_uri() + "?q=focal+loss")
    found = page.locator("#search-results li a")
    found.first.wait_for()
    assert any("06_imbalance_focal_loss.html" in link.get_attribute("href") for link in found.all())
    assert [asked for asked in page.asked if not asked.startswith(("file:", "data:"))] == []


@pytest.mark.parametrize("name", [*SOME, "notebooks/02_baselines", "api/models", "search"])
def test_a_phone_shows_a_page_without_sideways_scrolling(built, page, name):
    page.set_viewport_size({"width": 390, "height": 800})
    page.goto((built / f"{name}.html").as_uri())
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_on_paper_the_text_has_the_whole_width_and_no_line_of_code_is_cut_off(built, page):
    page.set_viewport_size({"width": 700, "height": 1000})
    page.emulate_media(media="print")
    page.goto((built / "notebooks" / "02_baselines.html").as_uri())
    assert not page.locator(".bd-sidebar-primary").is_visible()
    cut = page.evaluate(
        "[...document.querySelectorAll('pre')].filter(box => box.scrollWidth > box.clientWidth + 1).length"
    )
    assert cut == 0
    assert page.locator("article").bounding_box()["width"] > 600
