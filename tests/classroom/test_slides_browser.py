"""The slides in headless Chromium: none is taller than the screen, nothing is fetched, keys and notes work."""

import pytest

from tools import browser as pages
from tools import slides

pytestmark = pytest.mark.skipif(pages.CHROMIUM is None, reason=pages.MISSING)
# Of the slide in front: its size if it were as large as it wants to be, and the height of its picture.
SIZE = """() => {
    const slide = Reveal.getCurrentSlide(), image = slide.querySelector('img');
    return [slide.scrollHeight, slide.scrollWidth, image ? image.clientHeight : null, image ? image.alt : null];
}"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """All talks as files, beside reveal.js."""
    folder = tmp_path_factory.mktemp("slides")
    try:
        slides.copy_reveal(folder / "reveal")
    except slides.SlidesError as error:
        pytest.skip(str(error))
    for lesson in slides.talks():
        (folder / f"{lesson}.html").write_text(slides.page(lesson), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def browser():
    with pages.browser(slides.WIDTH, slides.HEIGHT, reduced_motion="reduce") as context:
        yield context


@pytest.fixture
def open_talk(browser, folder):
    """A function that opens a lesson's talk; requests and console errors are kept."""
    page = browser.new_page()
    page.asked, page.problems = [], []
    page.on("request", lambda request: page.asked.append(request.url))
    page.on("console", lambda message: message.type == "error" and page.problems.append(message.text))
    page.on("pageerror", lambda error: page.problems.append(str(error)))

    def open_(lesson):
        page.goto((folder / f"{lesson}.html").as_uri())
        page.wait_for_function("window.Reveal && Reveal.isReady()")
        return page

    yield open_
    page.close()


@pytest.mark.parametrize("lesson", slides.talks())
def test_no_slide_is_taller_than_the_screen(open_talk, lesson):
    page = open_talk(lesson)
    total = page.evaluate("Reveal.getTotalSlides()")
    assert total == len(slides.slides(lesson))
    wrong = []
    for number in range(total):
        page.evaluate(f"Reveal.slide({number})")
        height, width, picture, alt = page.evaluate(SIZE)
        if height > slides.HEIGHT or width > slides.WIDTH or (picture is not None and (picture < 260 or not alt)):
            wrong.append((number + 1, height, width, picture, alt))
    assert wrong == []
    assert [url for url in page.asked if not url.startswith(("file:", "data:"))] == []
    assert page.problems == []


def test_the_keyboard_walks_through(open_talk):
    page = open_talk(slides.talks()[0])
    where = "Reveal.getIndices().h"
    assert page.evaluate(where) == 0
    for key, expected in [("ArrowRight", 1), ("Space", 2), ("ArrowLeft", 1), ("End", None), ("Home", 0)]:
        page.keyboard.press(key)
        expected = page.evaluate("Reveal.getTotalSlides()") - 1 if expected is None else expected
        assert page.evaluate(where) == expected, key


def test_the_notes_are_in_the_page_and_not_on_the_slide(open_talk):
    page = open_talk(slides.talks()[0])
    assert page.locator("section aside.notes").count() == page.evaluate("Reveal.getTotalSlides()")
    assert not page.locator("section.present aside.notes").is_visible()
    with page.expect_popup() as popup:
        page.keyboard.press("s")
    popup.value.wait_for_load_state()
    assert "notes" in popup.value.content().lower()
    popup.value.close()


def test_letters_are_large(open_talk):
    page = open_talk(slides.talks()[0])
    small = """() => [...document.querySelectorAll('.slides section :is(p, li, td, th, pre)')]
        .filter(node => !node.closest('aside') && parseFloat(getComputedStyle(node).fontSize) < 22)
        .map(node => node.textContent)"""
    assert page.evaluate(small) == []
