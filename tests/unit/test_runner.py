"""Lessons run in real kernels: what is written, what is told, and what happens when something breaks."""

import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import pytest

from textclf_lesson import runner
from textclf_lesson.render import to_html

LESSON = ("# 7 · A trial", "print('✓ one holds')\nprint('✓ so does two')", "1 + 1", "import time; time.sleep(0.3)")


def test_a_lesson_is_run_counted_and_timed(make_notebook):
    path = make_notebook(*LESSON)
    before = path.read_bytes()
    told = []
    outcome = runner.execute(path, lambda done, cells: told.append((done, cells)))
    assert outcome.error == ""
    assert outcome.claims == 2
    assert outcome.seconds > outcome.longest >= 0.3
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
    assert re.search(r"07_trial\W+\d+\.\d\W+\d+\.\d\W+2\W+ok", told)
    assert re.search(r"08_another\W+\d+\.\d\W+\d+\.\d\W+0\W+ok", told)
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


def test_a_cell_over_the_limit_ends_its_lesson(make_notebook):
    outcome = runner.execute(make_notebook("import time", "while True: time.sleep(0.1)"), limit=1)
    assert outcome.error == ("07_trial.ipynb, cell [2] `while True: time.sleep(0.1)`: it took longer than 1 seconds")


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


def test_kernels_start_in_the_folder_of_the_notebook_and_without_progress_bars(make_notebook, monkeypatch):
    monkeypatch.delenv("TEXTCLF_PROGRESS")
    path = make_notebook("import os; print(os.path.realpath('.'), os.environ['TEXTCLF_PROGRESS'])")
    notebook = runner.execute(path).notebook
    assert notebook.cells[0].outputs[0].text == f"{path.parent.resolve()} 0\n"


def test_an_interrupted_run_ends_at_once_and_leaves_no_kernel_behind(make_notebook, tmp_path):
    path = make_notebook("import os, pathlib, time\npathlib.Path('pid').write_text(str(os.getpid()))\ntime.sleep(60)")
    code = f"from pathlib import Path; from textclf_lesson.runner import run; run([Path({str(path)!r})], Path('out'))"
    child = subprocess.Popen([sys.executable, "-c", code], cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    note = tmp_path / "pid"
    while not (note.exists() and note.read_text()):
        assert child.poll() is None
        time.sleep(0.05)
    child.send_signal(signal.SIGINT)
    assert child.communicate(timeout=30)[1].splitlines()[-1] == "KeyboardInterrupt"
    assert not Path(f"/proc/{note.read_text()}").exists() or sys.platform != "linux"


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
