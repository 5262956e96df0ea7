"""The pictures of the README, taken of the real thing: `python -m tools.pictures`. For authors.

A working copy is made, JupyterLab opened on it as `textclf start` does, and Chromium looks: at a lesson, and at an
exercise with a wrong answer that was run. They go to docs/pictures/, small enough to be committed.
"""

import sys
import tempfile
from pathlib import Path

import nbformat
from PIL import Image
from playwright.sync_api import Locator, Page

from textclf_lesson.course import desk
from tools.browser import browser, jupyterlab, menu, open_notebook

PICTURES = Path(__file__).parents[1] / "docs" / "pictures"
SIZE = 1200, 800
COLOURS = 64  # of a picture's palette: text stays sharp, and the file small
PATIENCE = 3_600_000  # milliseconds; only ends what hangs

LESSON = "09"  # whose first figure is shown
# A wrong answer that many give, and the words of its hint.
EXERCISE, ITEM = "01", "kappa"
ANSWER = "def kappa(a, b):\n    return sum(one == other for one, other in zip(a, b, strict=True)) / len(a)"
HINT = "how often they agree"


def main() -> int:
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "textclf-course"
        with jupyterlab(folder, LESSON, Path(place) / "jupyter") as address, browser(*SIZE) as chromium:
            page = chromium.new_page()
            page.set_default_timeout(PATIENCE)
            lesson(page, address, desk.notebook(folder, LESSON))
            exercise(page, address, desk.notebook(folder, EXERCISE, exercise=True))
    for picture in sorted(PICTURES.glob("*.png")):
        print(f"{picture.relative_to(Path.cwd())}: {picture.stat().st_size / 1e3:.0f} kB")
    return 0


def lesson(page: Page, address: str, notebook: Path) -> None:
    """The lesson's first figure, with the code that drew it."""
    opened(page, address, f"notebooks/{notebook.name}")
    figure = page.locator(".jp-RenderedImage img").first
    figure.evaluate("image => image.decode()")
    show(page, figure)
    save(page, "lesson.png")


def exercise(page: Page, address: str, notebook: Path) -> None:
    """A wrong answer, run in a fresh kernel, and its hint."""
    content = nbformat.read(notebook, as_version=4)
    next(c for c in content.cells if c.metadata.get("nbgrader", {}).get("grade_id") == ITEM).source = ANSWER
    nbformat.write(content, notebook)
    opened(page, address, f"exercises/{notebook.name}")
    menu(page, "Run", "Run All Cells")
    hint = page.locator(".jp-OutputArea-output", has_text=HINT).first
    hint.wait_for()
    page.locator("table caption", has_text="Your progress").wait_for()  # the last cell: nothing moves any more
    show(page, hint)
    save(page, "exercise.png")


def opened(page: Page, address: str, name: str) -> None:
    """JupyterLab with one notebook, the file browser closed."""
    open_notebook(page, address, name)
    if page.locator("#jp-left-stack").is_visible():
        page.keyboard.press("Control+b")
        page.locator("#jp-left-stack").wait_for(state="hidden")


def show(page: Page, wanted: Locator) -> None:
    """Scroll so that it lies in the lower part of the window, what it belongs to above it; and let that be painted."""
    wanted.evaluate("element => element.scrollIntoView({block: 'end'})")
    page.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")


def save(page: Page, name: str) -> None:
    PICTURES.mkdir(exist_ok=True)
    page.screenshot(path=PICTURES / name)
    with Image.open(PICTURES / name) as picture:
        picture.convert("RGB").quantize(COLOURS).save(PICTURES / name, optimize=True)


if __name__ == "__main__":
    sys.exit(main())
