"""`make notebooks`: what it stores, what it leaves alone, and what `--check` notices."""

import json

import nbformat
import pytest

from textclf_lesson import runner
from tools import notebooks as tool

MARKDOWN, CODE = nbformat.v4.new_markdown_cell, nbformat.v4.new_code_cell


def write_lesson(root, name: str, *sources: str) -> None:
    title = MARKDOWN("# 7 · A trial\n\n**You will learn** to try,\nand to fail.\n\n**Before you start**: nothing.")
    times = MARKDOWN("not yet filled", metadata={"tags": ["times"]})
    code = [CODE(source, metadata={"editable": True}) for source in sources]
    notebook = nbformat.v4.new_notebook(
        cells=[title, times, *code], metadata={"language_info": {"name": "python", "version": "3.9"}}
    )
    nbformat.write(notebook, root / "notebooks" / name)


@pytest.fixture
def root(tmp_path):
    """A course of two lessons, the second of which fails."""
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "docs").mkdir()
    write_lesson(tmp_path, "07_trial.ipynb", "print('✓ it holds')\nx = 1", "x + 1")
    write_lesson(tmp_path, "08_fails.ipynb", "1 / 0")
    (tmp_path / "README.md").write_text(f"before\n{tool.START}\nold\n{tool.END}\nafter\n")
    return tmp_path


@pytest.fixture
def renewed(root, capsys):
    """The course after a run, without its failing lesson."""
    (root / "notebooks" / "08_fails.ipynb").unlink()
    assert tool.renew(root, tool.lessons(root)) == 0
    capsys.readouterr()
    return root


def test_a_run_stores_lessons_clean_with_their_ids_and_leaves_failing_ones(root, capsys):
    before = nbformat.read(root / "notebooks" / "07_trial.ipynb", 4)
    failing = (root / "notebooks" / "08_fails.ipynb").read_bytes()
    assert tool.renew(root, tool.lessons(root)) == 1
    assert "✗ 08_fails.ipynb, cell [1] `1 / 0`: ZeroDivisionError: division by zero" in capsys.readouterr().out
    assert (root / "notebooks" / "08_fails.ipynb").read_bytes() == failing
    stored = nbformat.read(root / "notebooks" / "07_trial.ipynb", 4)
    assert [cell.id for cell in stored.cells] == [cell.id for cell in before.cells]
    assert [cell.source for cell in stored.cells[2:]] == [cell.source for cell in before.cells[2:]]
    assert [cell.execution_count for cell in stored.cells[2:]] == [1, 2]
    assert stored.cells[3].outputs[0].data == {"text/plain": "2"}
    assert [cell.metadata for cell in stored.cells] == [{}, {"tags": ["times"]}, {}, {}]
    assert stored.metadata.keys() == {"kernelspec", "language_info"}
    assert (root / "notebooks" / "07_trial.ipynb").read_bytes().endswith(b"}\n")


def test_a_second_run_changes_nothing_but_times(renewed, capsys):
    first = nbformat.read(renewed / "notebooks" / "07_trial.ipynb", 4)
    tool.renew(renewed, tool.lessons(renewed))
    assert nbformat.read(renewed / "notebooks" / "07_trial.ipynb", 4) == first


def test_times_go_into_the_book_the_lesson_and_the_readme(renewed):
    book = json.loads((renewed / "docs" / "timings.json").read_text(encoding="utf-8"))
    entry = book["lessons"]["07_trial"]
    assert {"title": "7 · A trial", "cells": 2, "claims": 1, "read_min": 2}.items() <= entry.items()
    assert 0 < entry["longest_cell_s"] + 0.1 <= entry["wait_s"] + 0.1
    assert book["machine"].keys() == {"cores", "python"}
    cell = runner.read(renewed / "notebooks" / "07_trial.ipynb").cells[1]
    assert cell.source == tool.times(entry, book["machine"])
    assert cell.source.endswith("| 2 min | under 1 min |")
    readme = (renewed / "README.md").read_text(encoding="utf-8")
    row = "| [7 · A trial](notebooks/07_trial.ipynb) | 2 min | under 1 min |"
    assert readme.splitlines()[-4:] == ["|---|---|---|", row, tool.END, "after"]
    assert readme.startswith(f"before\n{tool.START}\n| lesson |")


@pytest.mark.parametrize(
    ("seconds", "words"), [(0.2, "under 1 min"), (59.9, "under 1 min"), (60, "1 min"), (61, "2 min")]
)
def test_a_wait_is_never_told_shorter_than_it_was(seconds, words):
    assert tool.wait(seconds) == words


def test_one_lesson_can_be_run_and_lesson_0_goes_with_it(root):
    write_lesson(root, "00_start_here.ipynb", "1")
    assert [path.name for path in tool.chosen(root, ["7"])] == ["00_start_here.ipynb", "07_trial.ipynb"]
    assert tool.chosen(root, []) == tool.lessons(root)
    with pytest.raises(ValueError, match=r"^There is no lesson 99 in "):
        tool.chosen(root, ["07", "99"])


def test_a_readme_without_marks_is_told_before_the_wait(root):
    (root / "README.md").write_text("nothing to fill")
    before = (root / "notebooks" / "07_trial.ipynb").read_bytes()
    with pytest.raises(ValueError, match=r"^README.md needs the lines <!-- lessons:start --> and "):
        tool.renew(root, tool.lessons(root))
    assert (root / "notebooks" / "07_trial.ipynb").read_bytes() == before


# --- the check --------------------------------------------------------------------------------------------------------


def test_after_a_run_all_agrees(renewed):
    assert tool.check(renewed) == []


def spoil_prose(root):
    path = root / "notebooks" / "07_trial.ipynb"
    path.write_text(path.read_text(encoding="utf-8").replace("A trial", "Another title"), encoding="utf-8")


def spoil_times(root):
    path = root / "notebooks" / "07_trial.ipynb"
    path.write_text(path.read_text(encoding="utf-8").replace("under 1 min", "1 min"), encoding="utf-8")


def spoil_readme(root):
    path = root / "README.md"
    path.write_text(path.read_text(encoding="utf-8").replace("under 1 min", "1 min"), encoding="utf-8")


SPOILT = {
    "07_trial.ipynb has changed since": spoil_prose,
    "07_trial.ipynb does not show the times": spoil_times,
    "README.md: its table of lessons is not": spoil_readme,
    "09_new.ipynb has no times": lambda root: write_lesson(root, "09_new.ipynb", "1"),
    "times of 07_trial, which is no notebook": lambda root: (root / "notebooks" / "07_trial.ipynb").unlink(),
}


@pytest.mark.parametrize("complaint", SPOILT)
def test_a_disagreement_is_noticed(renewed, complaint):
    SPOILT[complaint](renewed)
    (problem,) = tool.check(renewed)
    assert complaint in problem
    assert problem.endswith("; make notebooks")


def test_the_course_itself_agrees():
    assert tool.check(tool.ROOT) == []
