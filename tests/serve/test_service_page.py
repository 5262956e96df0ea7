"""The page of the service, used as a person would: in headless Chromium."""

import re

import pytest
from playwright.sync_api import expect

from tests.book import accessible
from textclf_lesson.deploy import serve
from textclf_lesson.deploy.onnx_classifier import OnnxClassifier
from tools import browser as pages

pytestmark = pytest.mark.skipif(pages.CHROMIUM is None, reason=pages.MISSING)


@pytest.fixture(scope="module")
def browser():
    """A fresh profile, its network requests and the messages of its console kept."""
    with pages.browser(1280, 720) as context:
        yield context


@pytest.fixture(scope="module")
def url(sentiment):
    with serve.running(sentiment) as address:
        yield address


@pytest.fixture
def page(browser, url):
    page = browser.new_page()
    page.asked, page.problems = [], []
    page.on("request", lambda request: page.asked.append(request.url))
    page.on("console", lambda message: message.type == "error" and page.problems.append(message.text))
    page.on("pageerror", lambda error: page.problems.append(str(error)))
    page.goto(url)
    yield page
    page.close()


def test_a_text_is_classified_with_its_scores_and_the_version(page, url, sentiment):
    expect(page.locator("#about")).to_contain_text("Labels: negative, positive.")
    version = OnnxClassifier(sentiment).version
    expect(page.locator("#about")).to_contain_text(f"version {version}")
    page.get_by_label("A text").fill("A lovely, funny, moving film.")
    page.get_by_role("button", name="Classify").click()
    expect(page.get_by_role("status")).to_have_text("positive")
    expect(page.locator("#note")).to_have_text(f"Answer of {sentiment.name}, version {version}.")
    rows = page.locator("#scores tr")
    expect(rows).to_have_count(2)
    expect(rows.first).to_contain_text("positive")  # the most probable first
    shown = [float(row.locator("td").last.inner_text()) for row in rows.all()]
    assert shown == sorted(shown, reverse=True) and sum(shown) == pytest.approx(1, abs=0.002)
    assert {re.sub(r"(:\d+)/.*", r"\1", asked) for asked in page.asked} == {url}  # nothing from elsewhere
    assert page.problems == []


def test_a_truncated_text_and_a_repaired_one_are_told(page):
    note, ask = page.locator("#note"), page.get_by_role("button", name="Classify")
    page.get_by_label("A text").fill("A lovely film. " * 100)
    ask.click()
    expect(note).to_contain_text("Truncated: Only the first 64 tokens were read, not the end of the text.")
    page.get_by_label("A text").fill("A lovely film.")
    ask.click()
    expect(note).not_to_contain_text("Truncated")
    page.evaluate("document.getElementById('text').value = 'A lovely film \\ud83d'")
    ask.click()
    expect(note).to_contain_text("Half of a character was read as a question mark.")
    page.get_by_label("A text").fill("a" * 10_001)
    ask.click()
    expect(note).to_be_empty()


def test_the_keyboard_suffices_and_the_answer_is_renewed(page):
    page.get_by_label("A text").fill("Two hours of boredom. A dull, stupid, ugly mess.")
    page.keyboard.press("Control+Enter")
    expect(page.get_by_role("status")).to_have_text("negative")
    expect(page.locator("#scores tr")).to_have_count(2)


def test_a_refusal_is_shown_as_a_sentence(page):
    page.get_by_label("A text").fill("a" * 10_001)
    page.get_by_role("button", name="Classify").click()
    expect(page.get_by_role("status")).to_contain_text("String should have at most 10000 characters")
    expect(page.locator("#scores tr")).to_have_count(0)


def test_what_is_typed_is_text_and_not_markup(page):
    page.get_by_label("A text").fill("<img src=x onerror=alert(1)> fine")
    page.get_by_role("button", name="Classify").click()
    expect(page.get_by_role("status")).to_have_text(re.compile("positive|negative"))
    assert page.locator("img").count() == 0


def test_a_server_that_is_gone_is_told(browser, sentiment):
    page = browser.new_page()
    with serve.running(sentiment) as address:
        page.goto(address)
        page.get_by_label("A text").fill("A fine film.")
    page.get_by_role("button", name="Classify").click()
    expect(page.get_by_role("status")).to_contain_text("The service cannot be reached")
    page.close()


def test_everybody_can_use_the_page_before_and_after_an_answer(page, url):
    """WCAG 2.2 AA, by axe-core; in light and dark, on a phone."""
    assert accessible.faults_in_every_look(page, url) == []
    page.get_by_label("A text").fill("A lovely, funny, moving film. " * 30)
    page.get_by_role("button", name="Classify").click()
    expect(page.locator("#scores tr")).to_have_count(2)
    assert accessible.faults(page) == []
    page.get_by_label("A text").fill("a" * 10_001)
    page.get_by_role("button", name="Classify").click()
    expect(page.locator("#answer.problem")).to_be_visible()
    assert accessible.faults(page) == []
