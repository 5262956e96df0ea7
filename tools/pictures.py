"""The pictures of the README, taken of the real thing: `python -m tools.pictures`. For authors.

A working copy is made, JupyterLab opened on it as `textclf start` does, and Chromium looks: at a lesson, and at an
exercise with a wrong answer that was run. They go to docs/pictures/, small enough to be committed.
"""

import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import nbformat
from PIL import Image
from playwright.sync_api import Locator, Page

from textclf_lesson.course import desk
from tools.browser import browser

PICTURES = Path(__file__).parents[1] / "docs" / "pictures"
SIZE = 1200, 800
COLOURS = 64  # of a picture's palette: text stays sharp, and the file small
PATIENCE = 300_000  # milliseconds, for a busy machine

LESSON = "09"  # whose first figure is shown
# A wrong answer that many give, and the words of its hint.
EXERCISE, ITEM, ANSWER = "01", "kappa", "def kappa(a, b):\n    return (a == b).mean()"
HINT = "how often they agree"


def main() -> int:
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "textclf-course"
        with lab(folder, LESSON) as url, browser(*SIZE) as chromium:
            page = chromium.new_page()
            page.set_default_timeout(PATIENCE)
            lesson(page, url)
            exercise(page, url, desk.notebook(folder, EXERCISE, exercise=True))
    for picture in sorted(PICTURES.glob("*.png")):
        print(f"{picture.relative_to(Path.cwd())}: {picture.stat().st_size / 1e3:.0f} kB")
    return 0


@contextmanager
def lab(folder: Path, lesson: str) -> Iterator[str]:
    """JupyterLab on the working copy `folder`, started as a learner does; yields the address that it prints."""
    program = "from textclf_lesson.cli import app; app()"
    command = [sys.executable, "-c", program, "start", lesson, "--into", str(folder), "--no-browser"]
    environment = os.environ | {"JUPYTER_PREFER_ENV_PATH": "1", "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment) as lab:
        try:
            said = ""
            for line in lab.stdout:
                said += line
                if found := re.search(r"http://(?:127\.0\.0\.1|localhost):\d+/lab\S*token=\w+", line):
                    break
            else:
                raise RuntimeError(f"JupyterLab did not start:\n{said}")
            yield found[0]
        finally:
            lab.terminate()
            lab.stdout.read()  # or its last lines would fill the pipe


def lesson(page: Page, url: str) -> None:
    """The lesson's first figure, with the code that drew it."""
    opened(page, url)
    figure = page.locator(".jp-RenderedImage img").first
    show(page, figure)
    save(page, "lesson.png")


def exercise(page: Page, url: str, notebook: Path) -> None:
    """A wrong answer, run in a fresh kernel, and its hint."""
    content = nbformat.read(notebook, as_version=4)
    next(c for c in content.cells if c.metadata.get("nbgrader", {}).get("grade_id") == ITEM).source = ANSWER
    nbformat.write(content, notebook)
    opened(page, re.sub(r"/lab/tree/[^?]*", f"/lab/tree/exercises/{notebook.name}", url))
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
    hint = page.locator(".jp-OutputArea-output", has_text=HINT).first
    show(page, hint)
    save(page, "exercise.png")


def opened(page: Page, url: str) -> None:
    """JupyterLab with one notebook, the file browser closed."""
    page.goto(url)
    page.locator(".jp-Notebook .jp-Cell").first.wait_for()
    if page.locator("#jp-left-stack").is_visible():
        page.keyboard.press("Control+b")
    page.wait_for_timeout(1000)


def show(page: Page, wanted: Locator) -> None:
    """Scroll down until it is seen: JupyterLab draws only what is near."""
    page.mouse.move(SIZE[0] / 2, SIZE[1] / 2)
    deadline = time.monotonic() + PATIENCE / 1000
    while not wanted.is_visible():
        if time.monotonic() > deadline:
            raise RuntimeError("What the picture is to show did not come up.")
        page.mouse.wheel(0, 500)
        page.wait_for_timeout(1000)
    wanted.scroll_into_view_if_needed()
    page.wait_for_timeout(1000)


def save(page: Page, name: str) -> None:
    PICTURES.mkdir(exist_ok=True)
    page.screenshot(path=PICTURES / name)
    with Image.open(PICTURES / name) as picture:
        picture.convert("RGB").quantize(COLOURS).save(PICTURES / name, optimize=True)


if __name__ == "__main__":
    sys.exit(main())
