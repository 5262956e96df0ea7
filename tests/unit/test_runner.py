"""Lessons run in real kernels: what is written, what is told, and what happens when something breaks."""

import json
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import psutil
import pytest

from textclf_lesson.base import machine
from textclf_lesson.base.errors import Interrupted
from textclf_lesson.course import runner, waits
from textclf_lesson.course.render import to_html

LESSON = ("# 7 · A trial", "print('✓ one holds')\nprint('✓ so does two')", "1 + 1", "import time; time.sleep(0.3)")


def test_a_lesson_is_run_counted_and_timed(make_notebook):
    path = make_notebook(*LESSON)
    before = path.read_bytes()
    told = []
    outcome = runner.execute(path, lambda done, cells: told.append((done, cells)))
    assert outcome.error == ""
    assert outcome.claims == 2
    assert outcome.seconds > outcome.longest >= 0.3
    assert list(outcome.cells) == [1, 2, 3] and outcome.longest == outcome.cells[3]
    assert told == [(1, 3), (2, 3), (3, 3)]
    assert [cell.execution_count for cell in outcome.notebook.cells[1:]] == [1, 2, 3]
    assert "execution" not in outcome.notebook.cells[1].metadata
    assert path.read_bytes() == before


def test_a_run_leaves_an_executed_copy_a_page_and_a_table(make_notebook, tmp_path, capsys):
    first = make_notebook(*LESSON)
    second = make_notebook("# 8 · Another", "print('hello')", name="08_another.ipynb")
    out = tmp_path / "build" / "lessons"
    assert runner.run([first, second], out) == 0
    assert sorted(path.name for path in out.iterdir()) == [
        "07_trial.html", "07_trial.ipynb", "08_another.html", "08_another.ipynb",
    ]  # fmt: skip
    assert nbformat.read(out / "07_trial.ipynb", 4).cells[2].outputs[0].data["text/plain"] == "2"
    assert "<title>7 · A trial</title>" in (out / "07_trial.html").read_text(encoding="utf-8")
    told = capsys.readouterr().out
    assert re.search(r"07_trial\W+\d+\.\d\W+\d+\.\d\W+\d+\W+2\W+ok", told)
    assert re.search(r"08_another\W+\d+\.\d\W+\d+\.\d\W+\d+\W+0\W+ok", told)
    assert told.rstrip().endswith("To work through them yourself: make lab")


def test_a_failing_cell_is_named_and_the_other_lessons_still_run(make_notebook, tmp_path, capsys):
    fine = make_notebook(*LESSON, name="09_fine.ipynb")
    broken = make_notebook("# 7 · A trial", "x = 1", "\ny = x / 0\nprint(y)", "print('✓ never reached')")
    assert runner.run([broken, fine], tmp_path / "out") == 1
    told = capsys.readouterr().out
    assert "✗ 07_trial.ipynb, cell [2] `y = x / 0`: ZeroDivisionError: division by zero" in told
    assert re.search(r"07_trial\W.*\W0\W+failed", told)
    assert re.search(r"09_fine\W.*\W2\W+ok", told)
    copy = nbformat.read(tmp_path / "out" / "07_trial.ipynb", 4)
    assert copy.cells[2].outputs[0].ename == "ZeroDivisionError"


def test_outputs_of_an_earlier_run_are_not_taken_for_this_one(make_notebook):
    path = make_notebook("1 / 0", "print('✓ stale')")
    notebook = nbformat.read(path, 4)
    notebook.cells[1].outputs = [nbformat.v4.new_output("stream", text="✓ stale\n")]
    nbformat.write(notebook, path)
    outcome = runner.execute(path)
    assert outcome.claims == 0
    assert outcome.notebook.cells[1].outputs == []


# --- waiting ----------------------------------------------------------------------------------------------------------

COUNT = "import time\nend = time.monotonic() + 4\nwhile time.monotonic() < end: pass"
PRINT = "import time\nfor number in range(8):\n    time.sleep(0.5)\n    print(number)"
ELSEWHERE = f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {COUNT!r}], check=True)"


@pytest.mark.parametrize("busy", [COUNT, PRINT, ELSEWHERE], ids=["computes", "prints", "lets another process compute"])
def test_a_cell_that_goes_on_may_take_any_time(make_notebook, busy):
    outcome = runner.execute(make_notebook(busy), stuck=2)
    assert outcome.error == ""
    assert outcome.longest > 2


def test_a_cell_that_neither_computes_nor_prints_is_stopped(make_notebook, tmp_path):
    """And so is what it started: here a process that would outlive it."""
    lost = "import os, pathlib, subprocess\nchild = subprocess.Popen(['sleep', '600'])"
    lost += "\npathlib.Path('pid').write_text(str(child.pid))"
    outcome = runner.execute(make_notebook(lost, "\nchild.wait()", "print('✓ never reached')"), stuck=2)
    assert outcome.error == (
        "07_trial.ipynb, cell [2] `child.wait()`: stopped, because for 2 s it neither computed nor printed: "
        "it waits for something that does not come"
    )
    assert list(outcome.cells) == [1] and outcome.claims == 0
    assert not runs(int((tmp_path / "pid").read_text()))


def test_a_long_wait_is_told_more_and_more_seldom(make_notebook):
    lines = []
    path = make_notebook("1", "import time; time.sleep(5)")
    assert runner.execute(path, say=lines.append, long_wait=1).error == ""
    start = "07_trial.ipynb, cell [2] `import time; time.sleep(5)` has been running for "
    assert [line.removeprefix(start).split()[1:] for line in lines] == [["s"]] * 3  # after 1, 2 and 4 seconds


def test_a_long_wait_is_told_with_what_is_known_of_it(make_notebook):
    path = make_notebook("import time; time.sleep(2.5)", "time.sleep(2.5)")
    measured = {"wait_s": 60.0, "longest_cell_s": 40.4}
    for known, words in [
        ({}, "no cell of this lesson took longer than 41 s when it was measured"),
        ({"long_cells_s": {"1": 40.4}}, "expected about 40 s"),
        ({"long_cells_s": {"9": 40.4}}, "expected under 10 s"),
    ]:
        store(path, **{waits.this_column(): measured | known})
        lines = []
        runner.execute(path, say=lines.append, long_wait=2)
        assert lines[0].endswith(f" has been running for 2 s ({words})")


def test_the_most_memory_is_noted_also_when_it_is_given_back_and_in_children(make_notebook):
    small = runner.execute(make_notebook("import time; time.sleep(1)")).peak_mb
    large = "import numpy\nx = numpy.ones(50_000_000)\ndel x"  # 400 MB
    assert runner.execute(make_notebook(large)).peak_mb > small + 380
    child = large.replace("del x", "import time; time.sleep(2)")
    start = f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {child!r}], check=True)"
    assert runner.execute(make_notebook(start)).peak_mb > small + 380


def store(path: Path, **columns: dict) -> None:
    """A book of times beside the notebook's folder, with the lesson of this notebook."""
    folder = path.parents[1] / "docs"
    folder.mkdir(exist_ok=True)
    entry = {"title": "7 · A trial", "read_min": 2, "cells": 3, "claims": 2, **columns}
    (folder / "timings.json").write_text(json.dumps({"lessons": {path.stem: entry}}), encoding="utf-8")


@pytest.fixture
def lesson(make_notebook, tmp_path):
    """A notebook in a folder of a course of its own."""
    (tmp_path / "notebooks").mkdir()
    return make_notebook(*LESSON, name="notebooks/07_trial.ipynb")


def measured(seconds: float, **more) -> dict:
    return {"processor": "Some Processor", "cores": 2, "wait_s": seconds, "longest_cell_s": 9.0} | more


def test_the_wait_to_expect_is_that_of_the_column_for_this_machine(lesson, tmp_path, monkeypatch):
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "AVX512_CORE")
    other = tmp_path / "notebooks" / "08_another.ipynb"
    monkeypatch.setattr(machine, "load", lambda: 0.0)
    assert waits.forecast([lesson]) == []
    store(lesson, with_amx=measured(61), without_amx=measured(301.5, cores=4))
    head, row, together, where = waits.forecast([lesson])
    assert head.startswith("The wait to expect (") and head.endswith(" without AMX):")
    assert row.split("  ")[1:] == ["07_trial", "6 min"]
    assert together.split() == ["together", "6", "min"]
    assert where.strip() == "measured on 4 cores of Some Processor"
    assert "at least 6 min" in waits.forecast([lesson, other])[2]
    store(lesson, with_amx=measured(61))
    assert waits.forecast([lesson])[1].endswith("  not measured (with AMX: 2 min)")


def test_a_damaged_book_of_times_stops_no_lesson(lesson, tmp_path, capsys):
    store(lesson)
    (tmp_path / "docs" / "timings.json").write_text("{")
    assert runner.run([lesson], tmp_path / "out") == 0


def test_a_busy_machine_is_told_beforehand(lesson, monkeypatch):
    monkeypatch.setattr(machine, "load", lambda: 1.66)
    (line,) = waits.forecast([lesson])
    assert line.startswith("This machine is busy already (1.7 of ") and line.endswith("): it will take longer.")


# --- what goes wrong --------------------------------------------------------------------------------------------------


def test_a_kernel_that_dies_is_told(make_notebook):
    outcome = runner.execute(make_notebook("import os, signal", "os.kill(os.getpid(), signal.SIGKILL)"))
    assert outcome.error.startswith("07_trial.ipynb, cell [2] `os.kill(os.getpid(), signal.SIGKILL)`: the kernel died")


def test_a_notebook_that_is_not_there(tmp_path):
    assert runner.execute(tmp_path / "99_none.ipynb").error.endswith("99_none.ipynb: there is no such notebook")


@pytest.mark.parametrize("content", [b"", b"{", b"not JSON", b"\xff\xfe\x00", b'{"cells": [', b"<<<<<<< HEAD\n{}"])
def test_a_mangled_file_is_told_and_kept(tmp_path, content):
    path = tmp_path / "07_trial.ipynb"
    path.write_bytes(content)
    assert "07_trial.ipynb: not a notebook (no valid JSON); restore it: git checkout " in runner.execute(path).error
    assert path.read_bytes() == content


@pytest.mark.parametrize("content", ["{}", "[]", "7", '{"nbformat": 4, "nbformat_minor": 5, "cells": 3}'])
def test_json_that_is_no_notebook_is_told(tmp_path, content):
    path = tmp_path / "07_trial.ipynb"
    path.write_text(content)
    assert "07_trial.ipynb: JSON, but not a notebook (" in runner.execute(path).error


def test_nothing_to_run_is_a_failure(tmp_path, capsys):
    assert runner.run([], tmp_path) == 1
    assert "There is no notebook to run." in capsys.readouterr().out


def test_kernels_start_in_the_folder_of_the_notebook_without_bars_and_widgets(make_notebook, monkeypatch):
    monkeypatch.delenv("TEXTCLF_PROGRESS")
    monkeypatch.delenv("TEXTCLF_STATIC")
    path = make_notebook("import os; e = os.environ; print(os.getcwd(), e['TEXTCLF_PROGRESS'], e['TEXTCLF_STATIC'])")
    notebook = runner.execute(path).notebook
    assert notebook.cells[0].outputs[0].text == f"{path.parent.resolve()} 0 1\n"


def runs(pid: int) -> bool:
    """Whether the process is there and has not ended; one that nobody has asked how it ended (a zombie) has."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_says_what_was_done_and_leaves_no_kernel_behind(make_notebook, tmp_path, sign):
    done = make_notebook(*LESSON)
    sleeps = "import os, pathlib, time\npathlib.Path('pid').write_text(str(os.getpid()))\ntime.sleep(600)"
    path, last = make_notebook(sleeps, name="08_another.ipynb"), tmp_path / "09_last.ipynb"
    shutil.rmtree(tmp_path.parent / "docs", ignore_errors=True)  # another test's book of times
    code = "import sys; from pathlib import Path; from textclf_lesson.course.runner import run\n"
    code += f"sys.exit(run([Path(p) for p in {[str(done), str(path), str(last)]}], Path('out')))"
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    child = subprocess.Popen([sys.executable, "-c", code], cwd=tmp_path, **pipes)
    note = tmp_path / "pid"
    while not (note.exists() and note.read_text()):
        assert child.poll() is None, child.communicate()
        time.sleep(0.05)
    child.send_signal(sign)
    told, errors = child.communicate(timeout=120)
    assert child.returncode == 130
    assert "Traceback" not in told + errors
    assert re.search(r"07_trial\W.*\W2\W+ok", told)
    assert told.splitlines()[-4:] == [
        "Read them in out/*.html. To work through them yourself: make lab",
        "Interrupted at 08_another.ipynb, cell [1] `import os, pathlib, time`.",
        "Finished and kept: 07_trial.",
        "The rest: textclf run 08 09",
    ]
    assert sorted(page.name for page in (tmp_path / "out").glob("*.html")) == ["07_trial.html"]
    assert not runs(int(note.read_text()))


def test_interrupted_in_its_first_lesson_a_run_says_that_none_was_finished(tmp_path):
    first, second = tmp_path / "01_trial.ipynb", tmp_path / "02_trial.ipynb"
    stop = Interrupted("01_trial.ipynb, cell [7] `trainer.train()`")
    assert runner.farewell(stop, [first, second], 0) == [
        "Interrupted at 01_trial.ipynb, cell [7] `trainer.train()`.",
        "No lesson was finished.",
        "The rest: textclf run 01 02",
    ]
    assert runner.farewell(KeyboardInterrupt(), [first, second], 2) == [
        "Interrupted.",
        "Finished and kept: 01_trial, 02_trial.",
    ]


def test_a_write_that_fails_leaves_the_old_file(tmp_path):
    path = tmp_path / "page.html"
    runner.write(path, "old")
    with pytest.raises(UnicodeEncodeError):
        runner.write(path, "new \ud800")
    assert path.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["page.html"]


# --- the page ---------------------------------------------------------------------------------------------------------


def page(*sources: str) -> str:
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell(source) for source in sources])
    return to_html(notebook, title="A page")


def test_a_page_loads_nothing_from_elsewhere():
    html = page("# Title", "Formula $p_t$", "[a paper](https://example.org/paper)")
    loads = (
        r"""<(?:script|img|iframe|link|video)[^>]+(?:src|href)\s*=\s*["']?(?!data:)|url\(["']?http|@import|import\("""
    )
    assert not re.findall(loads, html)
    assert 'href="https://example.org/paper"' in html  # a link that the reader may follow is no load


def test_formulas_become_mathml():
    cases = r"\begin{cases} a & b \\ c & d \end{cases}"
    html = page(r"Focal: $(1-p_t)^\gamma$ and `$HOME` stays", r"$$\frac{a}{b}$$", cases)
    assert html.count("<math ") == 3
    assert "<mfrac>" in html
    assert "γ" in html
    assert "<code>$HOME</code>" in html


def test_figures_keep_their_alt_texts():
    output = nbformat.v4.new_output("display_data", data={"image/png": "iVBORw0KGgo="})
    output.metadata = {"image/png": {"alt": 'A curve that "falls" & rises'}}
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("draw()", outputs=[output])])
    (tag,) = re.findall(r"<img [^>]+>", to_html(notebook, title="A page"))
    assert 'src="data:image/png;base64,iVBORw0KGgo="' in tag
    assert re.search(r"""alt=['"]A curve that ("|&quot;)falls("|&quot;) &amp; rises['"]""", tag)


def test_a_formula_that_cannot_be_read_stays_as_it_was_typed():
    assert r"<code>\left( x &lt; 1</code>" in page(r"$\left( x < 1$")


def test_links_between_lessons_lead_from_page_to_page():
    html = page("[next](01_framing.ipynb) [there](01_framing.ipynb#recap) [far](https://example.org/x.ipynb)")
    assert 'href="01_framing.html"' in html
    assert 'href="01_framing.html#recap"' in html
    assert 'href="https://example.org/x.ipynb"' in html
