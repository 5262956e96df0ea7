"""`textclf demo`, started as a user starts it, and its page in headless Chromium."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from textclf_lesson.assets import cache
from tools import browser as pages

needs_browser = pytest.mark.skipif(pages.CHROMIUM is None, reason=pages.MISSING)
COMMAND = [sys.executable, "-c", "from textclf_lesson.cli import app; app()", "demo", "--no-browser", "--rows", "300"]
WCAG = {"runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}}
LEVELS = ["counts", "fasttext", "frozen", "tuned"]


@pytest.fixture(scope="module")
def url():
    """The address of a demo whose small models have learned from few rows; it ends with the tests."""
    with subprocess.Popen([*COMMAND, "--port", "0"], stdout=subprocess.PIPE, text=True) as process:
        try:
            line = process.stdout.readline()
            yield re.search(r"http://127\.0\.0\.1:\d+", line)[0]
        finally:
            process.send_signal(signal.SIGINT)
            assert process.wait() == 0
            for path in (cache.home() / "demo").glob("*-300rows.*"):
                path.unlink()


def ask(url, where, **body):
    request = urllib.request.Request(f"{url}/{where}", json.dumps(body).encode(), {"Content-Type": "application/json"})
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with direct.open(request) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


@pytest.mark.parametrize("level", LEVELS)
def test_each_level_answers_both_tasks(url, level):
    status, answer = ask(url, "answer", text="A dull, awful film.", level=level)
    assert status == 200 and sum(answer["scores"].values()) == pytest.approx(1, abs=0.001)
    assert answer["ms"] > 0 and answer["before"] is None
    assert "".join(part for part, _ in answer["parts"]) == "A dull, awful film."
    assert any(score for _, score in answer["parts"])
    status, answer = ask(url, "answer", text="You are an idiot.", task="toxicity", level=level, label="insult")
    assert status == 200 and next(iter(answer["scores"])) == "toxic" and len(answer["scores"]) == 6


def test_the_fine_tuned_model_is_the_courses(url):
    films = [("A wonderful, moving film.", True), ("A dull, stupid mess.", False)]
    for text, is_positive in films:
        _, answer = ask(url, "answer", text=text, level="tuned")
        assert (answer["scores"]["positive"] > 0.5) is is_positive


def test_an_attack_is_answered_before_and_after(url):
    asked = {"text": "A dull, awful, boring film.", "level": "counts", "attack": "leetspeak"}
    _, answer = ask(url, "answer", **asked)
    _, plain = ask(url, "answer", **asked | {"attack": ""})
    assert answer["before"] == plain["scores"] != answer["scores"]
    _, rewritten = ask(url, "rewritten", text=asked["text"], attack="leetspeak")
    assert rewritten["words"] >= 1 and rewritten["shown"] != asked["text"]


def test_variants_come_with_answers(url):
    _, found = ask(url, "variants", text="A warm and funny film about a boy.")
    assert 1 <= len(found["variants"]) <= 4
    for variant in found["variants"]:
        assert variant["text"] != "A warm and funny film about a boy." and list(variant["answers"]) == LEVELS


@pytest.mark.parametrize(
    ("where", "body", "told"),
    [
        ("answer", {"text": " ", "level": "counts"}, "Type a sentence of 1 to 2,000 characters."),
        ("answer", {"text": "x" * 2001, "level": "counts"}, "Type a sentence of 1 to 2,000 characters."),
        ("answer", {"text": "A film.", "level": "magic"}, "There is no level 'magic'. There are: counts, fasttext"),
        ("answer", {"text": "A film.", "level": "counts", "label": "grey"}, "There is no label 'grey'."),
        ("rewritten", {"text": "A film.", "attack": "magic"}, "There is no attack 'magic'."),
    ],
)
def test_a_refusal_is_a_sentence(url, where, body, told):
    status, answer = ask(url, where, **body)
    assert status == 422 and answer["detail"].startswith(told)


def test_what_was_trained_is_kept_and_nothing_of_it_can_run(url):
    kept = {path.name: path for path in (cache.home() / "demo").glob("*-300rows.*")}
    assert {path.suffix for path in kept.values()} == {".zip", ".npz"} and len(kept) == 4
    for path in kept.values():
        assert path.read_bytes()[:2] == b"PK" and b"numpy.core.multiarray" not in path.read_bytes()


def test_a_busy_port_is_one_sentence():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        command = [*COMMAND, "--port", str(taken.getsockname()[1])]
        done = subprocess.run(command, capture_output=True, text=True)
    assert (
        done.returncode == 1 and "cannot be opened" in done.stderr and "--port 0 takes any that is free" in done.stderr
    )
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(("module", "extra"), [("uvicorn", "serve"), ("torch", "train")])
def test_a_missing_extra_is_one_sentence(tmp_path, module, extra):
    """A finder that does not find the module stands in for an environment without it."""
    hide = "import importlib.util as u; f = u.find_spec"
    hide += f"; u.find_spec = lambda name, *others: None if name == {module!r} else f(name, *others)"
    program = f"{hide}; from textclf_lesson.cli import app; app()"
    done = subprocess.run([sys.executable, "-c", program, "demo"], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 1 and f"pip install 'textclf-lesson[{extra}]'" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_help_and_completion_know_the_command():
    program = [sys.executable, "-c", "from textclf_lesson.cli import app; app()"]
    shown = subprocess.run([*program, "demo", "--help"], capture_output=True, text=True)
    assert shown.returncode == 0 and "--llm" in shown.stdout and "side by side" in shown.stdout
    completing = os.environ | {"_TEXTCLF_COMPLETE": "complete_bash", "COMP_WORDS": "textclf de", "COMP_CWORD": "1"}
    program = [sys.executable, "-c", "from textclf_lesson.cli import app; app(prog_name='textclf')"]
    completed = subprocess.run(program, capture_output=True, text=True, env=completing)
    assert completed.stdout.split() == ["demo"]


# --- the page ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def browser():
    with pages.browser(1280, 720, reduced_motion="reduce", color_scheme="light") as context:
        yield context


@pytest.fixture
def page(browser, url):
    page = browser.new_page()
    page.asked, page.problems = [], []
    page.on("request", lambda request: page.asked.append(request.url))
    page.on("console", lambda message: message.type == "error" and page.problems.append(message.text))
    page.on("pageerror", lambda error: page.problems.append(str(error)))
    page.goto(url)
    page.locator("#level-tuned").wait_for()
    yield page
    page.close()


def say(page, text):
    """Type a sentence, press Enter, and wait until every level has answered."""
    before = page.locator("#levels").get_attribute("data-round") or ""
    page.get_by_label("A sentence").fill(text)
    page.keyboard.press("Enter")
    expect(page.locator("#levels")).not_to_have_attribute("data-round", before, timeout=60_000)


@needs_browser
def test_all_levels_answer_on_one_screen(page, url):
    say(page, "A dull, awful film.")
    cards = page.locator(".card")
    expect(cards).to_have_count(4)
    for card in cards.all():
        expect(card.locator(".answer")).to_have_text(re.compile("^(positive|negative)"))
        expect(card.locator(".ms")).to_have_text(re.compile(r"^[\d.]+ ms$"))
        assert card.locator(".words").inner_text() == "A dull, awful film."
        box = card.locator("ul").bounding_box()
        assert box["y"] + box["height"] <= 720  # seen without scrolling
    assert page.locator("#level-counts [data-score]").count() > 0
    assert {re.sub(r"(:\d+)/.*", r"\1", asked) for asked in page.asked if not asked.startswith("data:")} == {url}
    assert page.problems == []


@needs_browser
def test_the_keyboard_suffices(page):
    expect(page.get_by_label("A sentence")).to_be_focused()
    say(page, "A film.")
    for _ in range(4):
        page.keyboard.press("Shift+Tab")  # back over the examples, to the task
        if page.evaluate("document.activeElement.name") == "task":
            break
    page.keyboard.press("Tab")
    page.get_by_label("sentiment").focus()
    page.keyboard.press("ArrowRight")
    expect(page.get_by_label("toxicity")).to_be_checked()
    expect(page.locator("#thresholds input")).to_have_count(6)
    page.get_by_label(re.compile("^threat")).focus()
    page.keyboard.press("ArrowLeft")
    expect(page.locator("#thresholds div", has_text="threat").locator("output")).to_have_text("0.49")


@needs_browser
def test_a_threshold_changes_the_verdict_at_once(page):
    say(page, "A wonderful, moving film.")
    answer = page.locator("#level-tuned .answer")
    expect(answer).to_have_text("positive")
    asked = len(page.asked)
    page.locator("#threshold-positive").evaluate("e => { e.value = 0.99; e.dispatchEvent(new Event('input')); }")
    expect(answer).to_have_text("negative")
    page.get_by_role("button", name="all to 0.50").click()
    expect(answer).to_have_text("positive")
    assert len(page.asked) == asked  # nothing is computed anew


@needs_browser
def test_an_attack_is_switched_on_and_off(page):
    say(page, "A dull, awful, boring film.")
    plain = page.locator("#level-counts .value").inner_text()
    page.locator("#attack").select_option("leetspeak")
    page.get_by_label("attack on").check()
    expect(page.locator("#rewritten")).to_contain_text(re.compile("words? rewritten"))
    expect(page.locator(".card .before").first).to_be_visible()
    page.get_by_label("attack on").uncheck()
    expect(page.locator(".card .before")).to_have_count(0)
    expect(page.locator("#level-counts .value")).to_have_text(plain)


@needs_browser
def test_rude_words_are_masked_unless_asked_for(page):
    from test_demo_words import rude

    word = rude()
    page.get_by_label("toxicity").check()
    say(page, f"You {word} person.")
    shown = page.locator("#level-counts .words")
    expect(shown).to_have_text(f"You {word[0]}{'*' * (len(word) - 1)} person.")
    page.get_by_label("unmask").check()
    expect(shown).to_have_text(f"You {word} person.")


@needs_browser
def test_variants_stand_in_a_table(page):
    say(page, "A warm and funny film about a boy.")
    page.get_by_role("button", name="Make four variants").click()
    expect(page.locator("#variants thead th")).to_have_count(5)
    assert 1 <= page.locator("#variants tbody tr").count() <= 4


@needs_browser
def test_what_is_typed_is_text_and_not_markup(page):
    say(page, "<img src=x onerror=alert(1)> fine")
    assert page.locator("img").count() == 0
    expect(page.locator("#level-counts .words")).to_contain_text("<img")


@needs_browser
def test_letters_are_readable_from_the_last_row(page):
    say(page, "A film.")
    sizes = page.evaluate("""() => [...document.querySelectorAll('body *')]
        .filter(e => [...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim()) && e.offsetParent)
        .map(e => [parseFloat(getComputedStyle(e).fontSize), e.textContent])""")
    assert [small for small in sizes if small[0] < 16] == []
    assert page.evaluate("parseFloat(getComputedStyle(document.querySelector('.answer')).fontSize)") >= 28
    assert page.evaluate("parseFloat(getComputedStyle(document.querySelector('#text')).fontSize)") >= 28


@needs_browser
@pytest.mark.parametrize("dark", [False, True])
def test_nothing_bars_anybody(page, dark):
    page.get_by_label("toxicity").check()
    say(page, "You are an idiot, and everybody knows it.")
    page.get_by_role("button", name="Make four variants").click()
    page.locator("#variants table").wait_for()
    if dark:
        page.get_by_role("button", name="dark").click()
    found = Axe().run(page, options=WCAG).response["violations"]
    assert [(one["id"], [node["target"] for node in one["nodes"]][:3]) for one in found] == []
    assert page.evaluate("getComputedStyle(document.querySelector('.bar')).transitionDuration") == "0s"


@needs_browser
def test_a_demo_that_is_gone_is_told(page):
    page.context.set_offline(True)
    try:
        page.get_by_label("A sentence").fill("A film.")
        page.keyboard.press("Enter")
        expect(page.locator("#status")).to_have_text(re.compile("cannot be reached"))
    finally:
        page.context.set_offline(False)
