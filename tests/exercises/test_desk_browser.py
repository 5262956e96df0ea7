"""An exercise in JupyterLab, worked through as a learner does: in headless Chromium."""

import json
import os
import re
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import nbformat
import pytest
from playwright.sync_api import expect

from tests.exercises import submissions
from textclf_lesson.check import progress
from textclf_lesson.check.quiz import questions_of
from tools import browser as pages

LIMIT = 600_000  # milliseconds; only ends what hangs
NAME = "01_framing_exercise.ipynb"
# No news is asked for over the network, and cells out of sight are drawn too.
SETTINGS = {
    "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
    "notebook-extension/tracker": {"windowingMode": "none"},
}

pytestmark = [
    pytest.mark.skipif(pages.CHROMIUM is None, reason=pages.MISSING),
    pytest.mark.skipif(
        os.environ.get("TEXTCLF_DESK_BROWSER") != "1",
        reason="JupyterLab in a browser does not get ready in time on every machine: TEXTCLF_DESK_BROWSER=1 runs it",
    ),
]


def short_exercise():
    """Exercise 1 without the items whose checks read large data sets, so that the test is a short one."""
    notebook = submissions.exercise("01_framing")
    kept = {"price", "price_check", "quiz", "quiz_check"}
    marks = [cell.metadata.get("nbgrader", {}).get("grade_id") for cell in notebook.cells]
    needed = ("course.setup()", "check.questions(", "check.progress()")
    notebook.cells = [
        cell for cell, mark in zip(notebook.cells, marks, strict=True)
        if cell.cell_type == "markdown" or mark in kept or any(call in cell.source for call in needed)
    ]  # fmt: skip
    return notebook


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """The address of a JupyterLab of its own on a working copy."""
    home = tmp_path_factory.mktemp("home")
    copy = home / "course"
    copy.mkdir()
    nbformat.write(short_exercise(), copy / NAME)
    for name, values in SETTINGS.items():
        plugin, _, file = name.partition("/")
        path = home / "settings" / "@jupyterlab" / plugin / f"{file}.jupyterlab-settings"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(values), encoding="utf-8")
    env = {
        **{key: value for key, value in os.environ.items() if not key.startswith(("JUPYTER", "JPY_"))},
        "HOME": str(home), "JUPYTER_CONFIG_DIR": str(home / "config"), "JUPYTER_DATA_DIR": str(home / "data"),
        "JUPYTER_RUNTIME_DIR": str(home / "runtime"), "IPYTHONDIR": str(home / "ipython"),
        "JUPYTERLAB_SETTINGS_DIR": str(home / "settings"), "JUPYTERLAB_WORKSPACES_DIR": str(home / "workspaces"),
        "PYTHONPATH": str(submissions.ROOT),
    }  # fmt: skip
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--ServerApp.port=0",
               f"--ServerApp.root_dir={copy}", "--IdentityProvider.token=learner"]  # fmt: skip
    with (home / "log").open("w") as log:
        server = subprocess.Popen(command, env=env, stdout=log, stderr=log, cwd=copy)
    try:
        yield _address(server, home / "runtime", home / "log")
    finally:
        server.terminate()
        server.wait(60)


def _address(server: subprocess.Popen, runtime: Path, log: Path) -> str:
    """Where it answers, once it does."""
    until = time.monotonic() + LIMIT / 1000
    while time.monotonic() < until and server.poll() is None:
        for file in runtime.glob("jpserver-*.json"):
            try:
                url = json.loads(file.read_text(encoding="utf-8"))["url"]
                with urllib.request.urlopen(f"{url}api?token=learner"):
                    return url
            except (OSError, ValueError):
                pass
        time.sleep(0.2)
    raise AssertionError(log.read_text(encoding="utf-8")[-2000:])


@pytest.fixture(scope="module")
def page(lab):
    with pages.browser(1200, 900) as context:
        context.set_default_timeout(LIMIT)
        expect.set_options(timeout=LIMIT)
        page = context.new_page()
        page.goto(f"{lab}lab/tree/{NAME}?token=learner")
        expect(page.locator(".jp-Notebook .jp-CodeCell").last).to_be_visible()
        expect(page.locator(".jp-Notebook-ExecutionIndicator[data-status='idle']")).to_be_attached()
        yield page


def cell(page, start: str):
    """The code cell whose source begins like this."""
    return page.locator(".jp-CodeCell").filter(has=page.locator(".jp-InputArea", has_text=start)).first


def answer(page, item: str, source: str) -> None:
    """Write into the item's cell, run it, and run the check below it."""
    editor = cell(page, f"def {item}(").locator(".cm-content")
    editor.click()
    page.keyboard.press("Control+a")
    page.keyboard.insert_text(source)
    page.keyboard.press("Shift+Enter")
    page.keyboard.press("Shift+Enter")


def result(page, item: str):
    return cell(page, f"check.{item}({item}").locator(".jp-OutputArea [role=status]")


def solution_of(item: str) -> str:
    notebook = nbformat.read(submissions.SOLUTIONS / "01_framing.ipynb", as_version=4)
    return re.sub(r" *### (BEGIN|END) SOLUTION\n?", "", submissions.blank_of(notebook, item).source)


def test_run_all_on_a_blank_exercise_reaches_the_table(page):
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
    table = page.locator("table", has=page.locator("caption", has_text="Your progress"))
    expect(table).to_be_visible()
    items = progress.items_of("01")
    expect(table.locator("tbody tr")).to_have_count(len(items))
    expect(table.locator("tbody tr", has_text="– not answered yet")).to_have_count(len(items))
    expect(result(page, "quiz")).to_contain_text("– Not answered yet: 0 of 2 points.")


def test_a_wrong_answer_is_told_in_red_and_with_a_sign(page):
    answer(page, "quiz", 'def quiz():\n    return {"shape": "a"}')
    box = result(page, "quiz")
    expect(box.locator("strong").first).to_have_text("✗ Not right yet: 0 of 2 points.")
    expect(box.locator("li")).to_have_count(len(questions_of("01")))
    red, green, blue = map(int, re.findall(r"\d+", box.evaluate("e => getComputedStyle(e).borderLeftColor"))[:3])
    assert red > 2 * max(green, blue)
    assert cell(page, "check.quiz(").locator("[data-mime-type='application/vnd.jupyter.stderr']").count() == 0


def test_the_right_answer_is_told_with_its_points(page):
    answer(page, "quiz", solution_of("quiz"))
    expect(result(page, "quiz").locator("strong").first).to_have_text("✓ Right: 2 of 2 points.")
    expect(result(page, "quiz").locator("li")).to_have_count(len(questions_of("01")))
    cell(page, "check.progress()").locator(".cm-content").click()
    page.keyboard.press("Shift+Enter")
    expect(page.locator("tbody tr", has_text="Quiz")).to_contain_text("✓ right")
