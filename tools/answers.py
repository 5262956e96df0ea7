"""What an instructor's book adds to a lesson: what its guesses came to, and an answer to each of its in-text tasks.

The answer to a guess is what the lesson itself goes on to say, with what its cells printed on the way, so it is never
out of date. Answers to the tasks at a lesson's end are written by hand: docs/book/answers.toml.
"""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import nbformat
from nbformat import NotebookNode

from textclf_lesson.check import quiz

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "docs" / "book" / "answers.toml"
# A guess is asked for in bold: "**Guess**: how many", "**Before you run it**:", "**Which label gains?**".
BOLD = re.compile(r"\*\*(.+?)\*\*", re.DOTALL)
ASKS = re.compile(r"guess|before you (?!start)|\?", re.IGNORECASE)
LINES = 8  # of an output that are shown; a longer one is read in the lesson


class Guess(NamedTuple):
    """A question of a lesson in Markdown, what the cells below it printed, and what the lesson says to that."""

    section: str
    question: str
    printed: list[str]
    answer: str


def guesses(notebook: NotebookNode) -> list[Guess]:
    """The questions to think about before the next cell; one that nothing follows asks for no answer."""
    found, section = [], ""
    for at, cell in enumerate(notebook.cells):
        if cell.cell_type != "markdown":
            continue
        if heading := re.match(r"## ([\d.]+) ", cell.source):
            section = heading[1]
        for paragraph in cell.source.split("\n\n"):
            if section and _asks(paragraph):
                printed, answer = _what_follows(notebook.cells[at + 1 :])
                found += [Guess(section, paragraph, printed, answer)] if printed or answer else []
    return found


def _asks(paragraph: str) -> bool:
    return any(ASKS.search(bold) for bold in BOLD.findall(paragraph))


def _what_follows(cells: list[NotebookNode]) -> tuple[list[str], str]:
    """What was printed, and the first paragraph after code that does not lead over to another cell."""
    printed, seen = [], False
    for cell in cells:
        if cell.cell_type == "code":
            seen = True
            texts = [output.text.strip("\n") for output in cell.outputs if output.output_type == "stream"]
            printed += [text for text in texts if text.count("\n") < LINES]
        elif cell.source.startswith("#"):
            break
        elif seen:
            for paragraph in cell.source.split("\n\n"):
                if not paragraph.endswith(":") and not _asks(paragraph):
                    return printed, paragraph
    return printed, ""


def tasks(notebook: NotebookNode) -> list[str]:
    """The in-text tasks (Markdown) that stand at the lesson's end; one that is not numbered is the only one."""
    for cell in notebook.cells:
        _, here, rest = cell.source.partition("**Now you**")
        if cell.cell_type == "markdown" and here:
            numbered = re.findall(r"^\d\. (.+(?:\n {2,}.+)*)", rest, re.MULTILINE)
            return numbered or [rest.rpartition("in the cells above: ")[2].partition("\n\n")[0]]
    return []


def written() -> dict[str, list[str]]:
    """The answers to the in-text tasks by lesson ("01"), in the order of the tasks."""
    return tomllib.loads(SOURCE.read_text(encoding="utf-8"))["answers"]


def problems() -> list[str]:
    """A sentence for each lesson whose tasks and answers are not equally many."""
    answers, told = written(), []
    for path in sorted((ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb")):
        there, wanted = len(answers.get(path.name[:2], [])), len(tasks(nbformat.read(path, as_version=4)))
        if there != wanted:
            told.append(
                f"docs/book/answers.toml has {there} answers for lesson {path.name[:2]}, which has {wanted} tasks."
            )
    return told


def page(path: Path) -> str:
    """The instructor's page of a lesson, in Markdown."""
    notebook, lesson = nbformat.read(path, as_version=4), path.name[:2]
    title = re.search(r"^# (.+)$", notebook.cells[0].source, re.MULTILINE)[1]
    lines = [f"# Answers to lesson {title}", f"The lesson: [{title}](../notebooks/{path.name}).", "## Guesses"]
    for guess in guesses(notebook):
        printed = [f"```text\n{text}\n```" for text in guess.printed]
        lines += [f"### {guess.section}", guess.question, *printed, *([quoted(guess.answer)] if guess.answer else [])]
    lines += ["## Tasks in the text"]
    for task, answer in zip(tasks(notebook), written().get(lesson, []), strict=False):
        lines += [f"**Task**: {' '.join(task.split())}", quoted(answer)]
    return "\n\n".join([*lines, *_quiz(lesson)]) + "\n"


def quoted(text: str) -> str:
    return "\n".join(f"> {line}".rstrip() for line in text.strip().split("\n"))


def _quiz(lesson: str) -> Iterator[str]:
    """Every option of the exercise's quiz with its explanation."""
    try:
        questions = quiz.questions_of(lesson)
    except ValueError:  # a lesson without an exercise
        return
    yield "## Quiz of the exercise"
    for question in questions:
        yield f"**{question['name']}**: {question['ask']}"
        yield "\n".join(
            f"- ({letter}) {'**right** ' * bool(option.get('right'))}{option['text']} → {option['why']}"
            for letter, option in zip(quiz.LETTERS, question["option"], strict=False)
        )
