"""Handouts to print or to read without Jupyter: `make handouts` writes them to build/handouts/, as PDF by Chromium.

    python -m tools.handouts          every exercise, and recap.pdf: what each lesson says at its end
    python -m tools.handouts 02 05    some exercises, and the recap of these lessons

The PDFs are tagged, for screen readers, and have an outline. Long lines are wrapped.
"""

import argparse
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_markdown_cell, new_notebook
from playwright.sync_api import Page

from textclf_lesson.check import quiz
from textclf_lesson.course import render
from tools import browser

ROOT = Path(__file__).parents[1]
OUT = ROOT / "build" / "handouts"
# Prompts and the blanks' frames belong to a screen; on paper each lesson's recap begins a page.
PAPER = """<style>
body.jp-Notebook { padding: 0 !important; }
.jp-InputPrompt, .jp-OutputPrompt { display: none !important; }
.jp-RenderedMarkdown { padding-right: 0 !important; }
h1:not(:first-of-type), .jp-Cell ~ .jp-Cell:has(h1) { break-before: page; }
h1, h2, h3 { break-after: avoid; }
</style>"""
MARGINS = {"top": "18mm", "bottom": "18mm", "left": "18mm", "right": "18mm"}


def main(arguments: list[str]) -> int:
    """0 if all were written; 1 if there is no browser or no such lesson, told in a sentence."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("lessons", nargs="*", help="numbers; all if there is none")
    try:
        write(dict(handouts(parser.parse_args(arguments).lessons)), OUT)
    except (ValueError, RuntimeError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def handouts(lessons: list[str]) -> Iterator[tuple[str, NotebookNode]]:
    """The name and the content of each handout. Raises ValueError for a number that has neither lesson nor exercise."""
    wanted = [f"{number:0>2}" for number in lessons]
    paths = {kind: sorted((ROOT / kind).glob("[0-9][0-9]_*.ipynb")) for kind in ("notebooks", "exercises")}
    known = {path.name[:2] for those in paths.values() for path in those}
    if missing := [number for number in wanted if number not in known]:
        raise ValueError(f"There is no lesson {missing[0]}; there are {min(known)} to {max(known)}.")
    chosen = {kind: [p for p in those if not wanted or p.name[:2] in wanted] for kind, those in paths.items()}
    for path in chosen["exercises"]:
        yield f"exercise_{path.stem}", exercise(path)
    if recaps := [cell for path in chosen["notebooks"] for cell in recap(path)]:
        yield "recap", new_notebook(cells=recaps)


def exercise(path: Path) -> NotebookNode:
    """An exercise with the questions of its quiz, which the notebook shows only when it is run."""
    notebook = nbformat.read(path, as_version=4)
    cells = []
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = without_local_links(cell.source)
        cells.append(cell)
        if cell.cell_type == "code" and "check.questions(" in cell.source:
            cells.append(new_markdown_cell(quiz.as_markdown(path.name[:2])))
    notebook.cells = cells
    return notebook


def recap(path: Path) -> list[NotebookNode]:
    """A lesson's title, its recap and what to read next; nothing of a lesson without a recap.

    The claims that a recap rests on, `05.interval`, can be looked up in the lesson only.
    """
    cells = [cell.source for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "markdown"]
    ends = [source for source in cells if re.match(r"## .*Recap", source)]
    title = re.search(r"^# .+$", cells[0], re.MULTILINE)[0]
    texts = [re.sub(r"\s*`\d\d\.\w+`", "", end.partition("**Now you**")[0]) for end in ends]
    return [new_markdown_cell(f"{title}\n\n{without_local_links(text)}") for text in texts]


def without_local_links(text: str) -> str:
    """On paper a link to another file of the course is its text; one to the web stays."""
    return re.sub(r"\[([^\]]+)\]\((?!https?:)[^)]*\)", r"\1", text)


def write(notebooks: dict[str, NotebookNode], out: Path) -> list[Path]:
    """Print the notebooks into a folder; their paths. Raises RuntimeError if there is no Chromium."""
    paths = []
    with browser.browser(1000, 1400) as chromium:
        out.mkdir(parents=True, exist_ok=True)
        page = chromium.new_page()
        for name, notebook in notebooks.items():
            paths.append(out / f"{name}.pdf")
            to_pdf(page, notebook, name.replace("_", " "), paths[-1])
            print(paths[-1].relative_to(Path.cwd()) if paths[-1].is_relative_to(Path.cwd()) else paths[-1])
    return paths


def to_pdf(page: Page, notebook: NotebookNode, title: str, path: Path) -> None:
    page.set_content(render.to_html(notebook, title).replace("</head>", f"{PAPER}</head>"), wait_until="load")
    page.pdf(path=path, format="A4", margin=MARGINS, tagged=True, outline=True, print_background=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
