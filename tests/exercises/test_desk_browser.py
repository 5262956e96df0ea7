"""A working copy in JupyterLab, worked through as a learner does: in headless Chromium.

The tests build on one another, as a sitting does: each goes on where the one before it stopped. Everything is waited
for as an event or a state: no machine is too slow.
"""

import re

import nbformat
import pytest
from playwright.sync_api import expect

from tests.exercises import answers, submissions
from tests.exercises import answers_01 as _answers_01  # noqa: F401  (registers its answers)
from textclf_lesson.check import progress
from textclf_lesson.check.quiz import questions_of
from tools import browser as pages

LIMIT = 1_800_000  # milliseconds; only ends what hangs
ERROR = "[data-mime-type='application/vnd.jupyter.stderr']"  # as JupyterLab marks an error and what goes to stderr
EXERCISE = "exercises/01_framing_exercise.ipynb"
EXPLORER = "notebooks/explorer.ipynb"
# What a learner makes of lesson 1's explorer: with films of the course and a quick model.
FILMS = """\
from textclf_lesson import course, data
from textclf_lesson.plots import explorer
course.setup()
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

films = data.load("movie-snippets")
model = make_pipeline(TfidfVectorizer(), LogisticRegression())
model.fit(films["train"]["text"], films["train"]["label"])
probability = model.predict_proba(films["validation"]["text"])[:, 1]
explorer.threshold_explorer(films["validation"]["label"], probability, alt="Precision, recall and F1.")
"""
# Of every text that an element shows: the least contrast with what is painted behind it, and the text (WCAG 2.2).
CONTRAST = """root => {
    const rgba = colour => {
        const [r, g, b, a = 1] = colour.match(/[\\d.]+/g).map(Number);
        return [r, g, b, a];
    };
    const light = ([r, g, b]) => [r, g, b]
        .map(value => value / 255)
        .map(value => value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4)
        .reduce((sum, value, at) => sum + value * [0.2126, 0.7152, 0.0722][at], 0);
    const over = (top, below) => top.slice(0, 3).map((value, at) => value * top[3] + below[at] * (1 - top[3]));
    const paper = element => {
        const layers = [];
        for (let one = element; one; one = one.parentElement) {
            layers.unshift(rgba(getComputedStyle(one).backgroundColor));
        }
        return layers.reduce((below, top) => over(top, below), [255, 255, 255]);
    };
    const found = [];
    const texts = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
    while (texts.nextNode()) {
        const element = texts.currentNode.parentElement, text = texts.currentNode.textContent.trim();
        if (!text || !element.checkVisibility() || /^(STYLE|SCRIPT)$/.test(element.tagName)) continue;
        const below = paper(element), ink = over(rgba(getComputedStyle(element).color), below);
        const [dark, bright] = [light(ink), light(below)].sort((a, b) => a - b);
        found.push([(bright + 0.05) / (dark + 0.05), text.slice(0, 60)]);
    }
    return found;
}"""
# Notes when the notebook in front is saved.
SAVING = """() => {
    const saving = window.jupyterapp.shell.currentWidget.context.saveState;
    window.saved = false;
    saving.connect((_, state) => { window.saved ||= state === "completed"; });
}"""

pytestmark = pytest.mark.skipif(pages.CHROMIUM is None, reason=pages.MISSING)


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """The address of JupyterLab on a fresh working copy, and its folder."""
    home = tmp_path_factory.mktemp("home")
    copy = home / "course"
    with pages.jupyterlab(copy, "01", home / "jupyter", TEXTCLF_STATIC="0") as address:
        kernel = nbformat.read(copy / EXERCISE, as_version=4).metadata  # without it JupyterLab asks which
        notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(FILMS)], metadata=kernel)
        nbformat.write(notebook, copy / EXPLORER)
        yield address, copy


@pytest.fixture(scope="module")
def page(lab):
    with pages.browser(1200, 900) as context:
        context.set_default_timeout(LIMIT)
        expect.set_options(timeout=LIMIT)
        page = context.new_page()
        pages.open_notebook(page, lab[0], EXERCISE)
        yield page
        expect.set_options(timeout=5_000)  # Playwright's own


def cell(page, start: str):
    """The code cell that holds this source."""
    return page.locator(".jp-CodeCell").filter(has=page.locator(".jp-InputArea", has_text=start)).first


def answer(page, item: str, source: str) -> None:
    """Write into the item's cell, run it, and run the check below it."""
    cell(page, f"def {item}(").locator(".cm-content").click()
    page.keyboard.press("Control+a")
    page.keyboard.insert_text(source)
    page.keyboard.press("Shift+Enter")
    page.keyboard.press("Shift+Enter")


def result(page, item: str):
    return cell(page, f"check.{item}({item}").locator(".jp-OutputArea [role=status]")


def headline(page, item: str):
    return result(page, item).locator("strong").first


def table(page):
    return page.locator("table", has=page.locator("caption", has_text="Your progress"))


def solution_of(item: str) -> str:
    notebook = nbformat.read(submissions.SOLUTIONS / "01_framing.ipynb", as_version=4)
    return re.sub(r" *### (BEGIN|END) SOLUTION\n?", "", submissions.blank_of(notebook, item).source)


def border(box) -> tuple[int, int, int]:
    """Red, green and blue of a box's coloured border."""
    red, green, blue = re.findall(r"\d+", box.evaluate("e => getComputedStyle(e).borderLeftColor"))[:3]
    return int(red), int(green), int(blue)


def save(page, path) -> None:
    """Save the notebook in front; returns when it is on the disk."""
    page.evaluate(SAVING)
    pages.menu(page, "File", "Save Notebook")
    page.wait_for_function("() => window.saved")
    assert nbformat.read(path, as_version=4).cells


# --- an exercise ------------------------------------------------------------------------------------------------------


def test_all_cells_of_a_blank_exercise_run_to_the_table(page):
    pages.menu(page, "Run", "Restart Kernel and Run All Cells…")
    page.get_by_role("dialog").get_by_role("button", name="Confirm Kernel Restart").click()
    expect(table(page)).to_be_visible()
    items = progress.items_of("01")
    expect(table(page).locator("tbody tr")).to_have_count(len(items))
    expect(table(page).locator("tbody tr", has_text="– not answered yet")).to_have_count(len(items))
    for item in items:
        expect(headline(page, item["name"])).to_have_text(f"– Not answered yet: 0 of {item['points']:g} points.")
    assert page.locator(ERROR).count() == 0
    assert page.locator(".jp-InputPrompt", has_text="[ ]:").count() == 0, "every cell was run"


def test_a_wrong_answer_gets_its_hint_in_red_with_a_sign_and_stops_nothing(page):
    case = next(case for case in answers.CASES if (case.lesson, case.item) == ("01", "kappa") and case.hint)
    answer(page, "kappa", case.source)
    expect(headline(page, "kappa")).to_have_text("✗ Not right yet: 0 of 3 points.")
    expect(result(page, "kappa").locator("li")).to_contain_text(case.hint)
    red, green, blue = border(result(page, "kappa"))
    assert red > 2 * max(green, blue)
    pages.menu(page, "Run", "Run All Cells")
    expect(table(page).locator("tbody tr", has_text="✗ not right yet")).to_have_count(1)


def test_the_right_answer_is_told_in_green_with_its_points(page):
    answer(page, "kappa", solution_of("kappa"))
    expect(headline(page, "kappa")).to_have_text("✓ Right: 3 of 3 points.")
    red, green, blue = border(result(page, "kappa"))
    assert green > max(red, blue)


def test_every_question_of_the_quiz_is_judged(page):
    asked = questions_of("01")
    answer(page, "quiz", 'def quiz():\n    return {"shape": "a"}')
    expect(headline(page, "quiz")).to_have_text("✗ Not right yet: 0 of 2 points.")
    expect(result(page, "quiz").locator("li")).to_have_count(len(asked))
    answer(page, "quiz", solution_of("quiz"))
    expect(headline(page, "quiz")).to_have_text("✓ Right: 2 of 2 points.")
    expect(result(page, "quiz").locator("li")).to_have_count(len(asked))


def test_the_table_counts_what_is_right(page):
    cell(page, "check.progress()").locator(".cm-content").click()
    page.keyboard.press("Shift+Enter")
    expect(table(page).locator("tbody tr", has_text="✓ right")).to_have_count(2)
    expect(cell(page, "check.progress()").locator("[role=status]")).to_contain_text("5 of ")


def test_an_endless_loop_is_stopped_by_the_stop_button_and_its_line_is_named(page):
    answer(page, "focal_loss", "def focal_loss(p, truth, gamma):\n    print('in it')\n    while True:\n        pass")
    expect(cell(page, "check.focal_loss(focal_loss").locator(".jp-OutputArea")).to_contain_text("in it")
    page.get_by_role("button", name="Interrupt the kernel").click()
    stopped = cell(page, "check.focal_loss(focal_loss").locator(ERROR)
    expect(stopped).to_contain_text("Interrupted in `focal_loss`, line ")
    assert "core.py" not in stopped.inner_text()


def test_messages_can_be_read_in_the_dark_and_in_the_light(page):
    """Of each theme: text against what is behind it, at least 4.5 : 1 (WCAG 2.2, AA)."""
    answer(page, "focal_loss", 'def focal_loss(p, truth, gamma):\n    return "much"')
    expect(headline(page, "focal_loss")).to_have_text(re.compile("^✗ Not right yet"))
    for theme, name in (("true", "JupyterLab Light"), ("false", "JupyterLab Dark")):
        pages.menu(page, "Settings", "Theme", name)
        expect(page.locator(f"body[data-jp-theme-light='{theme}']")).to_be_attached()
        expect(page.locator(f"body[data-jp-theme-name='{name}']")).to_be_attached()
        outputs = page.locator(".jp-Notebook .jp-OutputArea-output").all()
        measured = [entry for output in outputs for entry in output.evaluate(CONTRAST)]
        assert {"✗ Not right yet: 0 of 3 points.", "✓ Right: 3 of 3 points."} <= {text for _, text in measured}
        assert [(round(ratio, 1), text) for ratio, text in measured if ratio < 4.5] == [], name


def test_a_reload_shows_what_was_shown(page, lab):
    save(page, lab[1] / EXERCISE)
    before = [output.inner_text() for output in page.locator(".jp-Notebook [role=status]").all()]
    rows = table(page).locator("tbody tr").all_inner_texts()
    page.reload()
    pages.wait_for_notebook(page, EXERCISE)
    expect(table(page)).to_be_visible()
    assert [output.inner_text() for output in page.locator(".jp-Notebook [role=status]").all()] == before
    assert table(page).locator("tbody tr").all_inner_texts() == rows
    assert solution_of("kappa").strip() in nbformat.read(lab[1] / EXERCISE, as_version=4).cells[17].source


# --- the threshold explorer -------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def explorer(page, lab):
    """The cell of the explorer, run."""
    pages.open_notebook(page, lab[0], EXPLORER)
    pages.menu(page, "Run", "Run All Cells")
    shown = page.locator(".jp-OutputArea-output", has=page.get_by_role("slider"))
    expect(shown.get_by_role("status")).to_contain_text("Threshold 0.50")
    return shown


def values(explorer) -> tuple[str, str, str]:
    """What a threshold shows: the sentence, the picture's words, and the picture."""
    picture = explorer.get_by_role("img")
    return explorer.get_by_role("status").inner_text(), picture.get_attribute("alt"), picture.get_attribute("src")


def moved(explorer, before: tuple[str, str, str], threshold: str) -> tuple[str, str, str]:
    """What is shown once the threshold stands there; everything has to have moved."""
    expect(explorer.get_by_role("status")).to_contain_text(f"Threshold {threshold}")
    expect(explorer.get_by_role("img")).to_have_attribute("alt", re.compile(f"Threshold {threshold}"))
    after = values(explorer)
    assert all(one != other for one, other in zip(before, after, strict=True))
    return after


def test_the_slider_moves_by_mouse_and_lies_below_the_axis(explorer, page):
    before, handle = values(explorer), explorer.get_by_role("slider")
    track, picture = explorer.locator(".noUi-target").bounding_box(), explorer.get_by_role("img").bounding_box()
    assert track["width"] > picture["width"] / 2
    box = handle.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(track["x"] + track["width"] + 50, box["y"] + box["height"] / 2, steps=20)
    page.mouse.up()
    moved(explorer, before, "0.99")


def test_the_slider_moves_by_keyboard(explorer, page):
    before = values(explorer)
    explorer.get_by_role("slider").focus()
    page.keyboard.press("Home")
    before = moved(explorer, before, "0.01")
    page.keyboard.press("ArrowRight")
    moved(explorer, before, "0.02")


def test_the_field_beside_it_has_a_name_and_takes_a_number(explorer, page):
    before, field = values(explorer), explorer.get_by_label("threshold")
    field.fill("0.8")
    field.press("Enter")
    moved(explorer, before, "0.80")
    assert float(explorer.get_by_role("slider").get_attribute("aria-valuenow")) == pytest.approx(0.8)


def test_after_a_reload_the_explorer_still_shows_a_picture(explorer, page, lab):
    save(page, lab[1] / EXPLORER)
    page.reload()
    pages.wait_for_notebook(page, EXPLORER)
    expect(page.locator(".jp-OutputArea-output img")).to_have_attribute("alt", re.compile("Precision, recall and F1"))
