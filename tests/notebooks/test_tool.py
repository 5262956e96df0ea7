"""`make notebooks`: what it stores, what it leaves alone, and what `--check` notices."""

import json

import nbformat
import pytest

from textclf_lesson.base import machine, runtime
from textclf_lesson.course import runner, waits
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


@pytest.fixture
def without_amx(monkeypatch):
    """From here on torch and the tool take this machine for one without AMX, whether it is or not."""
    for name, value in machine.NO_AMX.items():
        monkeypatch.setenv(name, value)
    assert waits.this_column() == "without_amx"


def book(root) -> dict:
    return json.loads((root / "docs" / "timings.json").read_text(encoding="utf-8"))["lessons"]


def bytes_but_times(path) -> bytes:
    """A notebook as it is stored, its times cell blanked."""
    notebook = nbformat.read(path, 4)
    tool.times_cells(notebook)[0].source = ""
    return nbformat.writes(notebook).encode()


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
    entry = book(renewed)["07_trial"]
    assert {"title": "7 · A trial", "cells": 2, "claims": 1, "read_min": 2}.items() <= entry.items()
    (column,) = entry.keys() & waits.COLUMNS.keys()
    measured = entry[column]
    assert column == waits.this_column()
    assert 0 < measured["longest_cell_s"] + 0.1 <= measured["wait_s"] + 0.1
    assert measured["long_cells_s"] == {}
    assert (measured["processor"], measured["cores"]) == (machine.processor(), runtime.cores())
    assert 20 < measured["peak_mb"] < 2000  # of a kernel that has imported nothing
    cell = runner.read(renewed / "notebooks" / "07_trial.ipynb").cells[1]
    assert cell.source == tool.times(entry)
    waited = ["under 1 min" if name == column else "–" for name in waits.COLUMNS]
    assert f"| 2 min | {waited[0]} | {waited[1]} |" in cell.source.splitlines()
    readme = (renewed / "README.md").read_text(encoding="utf-8")
    assert readme.startswith(f"before\n{tool.START}\n| lesson |") and readme.endswith(f"\n{tool.END}\nafter\n")
    peak = tool.gigabytes(measured["peak_mb"])
    row = f"| [7 · A trial](notebooks/07_trial.ipynb) | 2 min | {waited[0]} | {waited[1]} | {peak} |"
    assert row in readme.splitlines()
    assert f"- {waits.COLUMNS[column]}: {measured['cores']} cores of {machine.processor()}" in readme.splitlines()


def test_times_without_amx_fill_their_column_and_leave_the_rest_of_the_notebook(root, without_amx, capsys):
    """As `--no-amx` does. The other column is that of an earlier run on a processor with AMX."""
    (root / "notebooks" / "08_fails.ipynb").unlink()
    path = root / "notebooks" / "07_trial.ipynb"
    tool.renew(root, [path])
    first = book(root)["07_trial"]
    with_amx = first["without_amx"] | {"processor": "Another", "cores": 4, "wait_s": 185.0, "peak_mb": 3210}
    entry = waits.in_order({**{k: v for k, v in first.items() if k != "without_amx"}, "with_amx": with_amx})
    tool.write_tables(root, {"07_trial": entry})
    before = bytes_but_times(path)
    assert tool.check(root) == []
    assert tool.renew(root, [path], times_only=True) == 0
    assert "1 times stored, 0 failed" in capsys.readouterr().out
    after = book(root)["07_trial"]
    assert after["with_amx"] == with_amx
    assert after["without_amx"]["processor"] == machine.processor()
    assert [name for name in after if name in waits.COLUMNS] == ["with_amx", "without_amx"]
    assert bytes_but_times(path) == before
    cores = after["without_amx"]["cores"]
    head, _, row, *_ = tool.times_cells(runner.read(path))[0].source.splitlines()
    assert head == f"| read | wait on 4 cores with AMX | wait on {cores} cores without AMX |"
    assert row == "| 2 min | 4 min | under 1 min |"
    assert "| 4 min | under 1 min | 3.2 GB |" in (root / "README.md").read_text(encoding="utf-8")
    assert tool.check(root) == []


def test_times_alone_do_not_hide_that_a_lesson_has_changed(renewed):
    spoil_prose(renewed)
    tool.renew(renewed, tool.lessons(renewed), times_only=True)
    (problem,) = tool.check(renewed)
    assert "07_trial.ipynb has changed since" in problem


def test_the_book_that_had_one_column_is_read_and_written_anew(renewed):
    entry = book(renewed)["07_trial"]
    (column,) = entry.keys() & waits.COLUMNS.keys()
    measured = {name: entry[column][name] for name in ("wait_s", "longest_cell_s")}
    old = {name: value for name, value in entry.items() if name != column} | measured
    path = renewed / "docs" / "timings.json"
    path.write_text(json.dumps({"machine": {"cores": 2, "python": "3.11.7"}, "lessons": {"07_trial": old}}))
    before = bytes_but_times(renewed / "notebooks" / "07_trial.ipynb")
    tool.write_tables(renewed, waits.read(path))
    new = book(renewed)["07_trial"]
    assert new.keys() & waits.COLUMNS.keys() == {"with_amx"}
    assert new["with_amx"] == measured | {"processor": waits.FIRST_PROCESSOR, "cores": 2, "python": "3.11.7"}
    assert bytes_but_times(renewed / "notebooks" / "07_trial.ipynb") == before
    assert tool.check(renewed) == []


@pytest.mark.parametrize("broken", ["{", "[]", '{"lessons": 3}', '{"lessons": {"07_trial": 4}}', '{"machine": {}}'])
def test_a_book_that_is_none_is_told(root, broken):
    (root / "docs" / "timings.json").write_text(broken)
    with pytest.raises(ValueError, match=r"timings.json is no book of times .*; restore it: git checkout "):
        tool.check(root)


def test_what_is_over_the_budget_is_marked_and_nothing_else():
    kept = {"wait_s": 119.0, "longest_cell_s": 44.0, "peak_mb": 1999}
    assert tool.over_budget("07_trial", kept) == []
    (line,) = tool.over_budget("07_trial", kept | {"longest_cell_s": 51.3, "peak_mb": 3210})
    assert line == "▲ 07_trial is over the budget: longest cell 51 s (of 45), peak memory 3,210 MB (of 2,000)"


@pytest.mark.parametrize(
    ("seconds", "words"), [(0.2, "under 1 min"), (59.9, "under 1 min"), (60, "1 min"), (61, "2 min")]
)
def test_a_wait_is_never_told_shorter_than_it_was(seconds, words):
    assert waits.words(seconds) == words


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
