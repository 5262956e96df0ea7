"""What every notebook leans on: claims that cannot pass by accident, shown source, quiet and repeatable set-up."""

import math
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from textclf_lesson.base import runtime
from textclf_lesson.base.errors import ClaimError
from textclf_lesson.course import lesson, runner

SETUP = "from textclf_lesson import course\ncourse.setup()"


def run(path):
    outcome = runner.execute(path)
    assert not outcome.error
    return outcome.notebook


def printed(path) -> list[str]:
    return ["".join(output.get("text", "") for output in cell.outputs) for cell in run(path).cells]


# --- claim ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("true", [True, np.True_, np.float64(0.9) > 0.8, pd.Series([1, 2]).is_unique])
def test_a_claim_that_holds_is_printed_with_its_numbers(capsys, true):
    lesson.claim("macro F1 is over 0.8", true, detail=f"{0.91234:.2f}")
    assert capsys.readouterr().out == "✓ macro F1 is over 0.8 (0.91)\n"


def test_a_claim_without_detail_has_no_brackets(capsys):
    lesson.claim("two and two is four", 2 + 2 == 4)
    assert capsys.readouterr().out == "✓ two and two is four\n"


def test_a_detail_of_zero_is_still_told(capsys):
    lesson.claim("no text stands in two splits", True, detail=0)
    assert capsys.readouterr().out == "✓ no text stands in two splits (0)\n"


@pytest.mark.parametrize("false", [False, np.False_, math.nan > 0])
def test_a_claim_that_fails_raises_and_prints_nothing(capsys, false):
    with pytest.raises(ClaimError, match=r"^✗ macro F1 is over 0.8 \(0.41\)$"):
        lesson.claim("macro F1 is over 0.8", false, "0.41")
    assert capsys.readouterr().out == ""


def test_on_other_data_a_claim_that_fails_is_told_and_stops_nothing(make_notebook):
    lax = "from textclf_lesson import course\ncourse.setup(strict=False)"
    said = printed(make_notebook(lax, "course.claim('macro F1 is over 0.8', False, 0.41)", "course.claim('so', True)"))
    assert said[0] == "Ready: seed 0. A claim that does not hold stops nothing.\n"
    assert said[1:] == ["✗ not so here: macro F1 is over 0.8 (0.41)\n", "✓ so\n"]


def test_a_failed_claim_is_an_assertion_error():
    with pytest.raises(AssertionError):
        lesson.claim("one is two", False)


@pytest.mark.parametrize("neither", [math.nan, 1, 0.5, "yes", None, [True], np.array([True]), pd.Series([True, False])])
def test_what_is_neither_true_nor_false_proves_nothing(neither):
    with pytest.raises(TypeError, match=r"^claim needs one True or False, not "):
        lesson.claim("a number is not a proof", neither)


# --- show_source ------------------------------------------------------------------------------------------------------


def test_source_is_shown_highlighted_and_as_text(make_notebook):
    notebook = run(make_notebook("from textclf_lesson import course\ncourse.show_source(course.claim)"))
    (output,) = notebook.cells[0].outputs
    assert output.data["text/plain"].startswith("def claim(text: str, condition: bool")
    assert output.data["text/html"].count("<span style=") > 20
    assert "class ClaimError" not in output.data["text/plain"]


def test_a_method_is_shown_without_its_indentation(make_notebook):
    source = "from textclf_lesson import course\nfrom textclf_lesson.course import watch\n"
    source += "course.show_source(watch.Watch.where)"
    (output,) = run(make_notebook(source)).cells[0].outputs
    assert output.data["text/plain"].startswith("def where(self)")


def test_a_module_is_shown_whole(make_notebook):
    source = "from textclf_lesson import course\nfrom textclf_lesson.base import offline\ncourse.show_source(offline)"
    (output,) = run(make_notebook(source)).cells[0].outputs
    assert output.data["text/plain"].startswith('"""No network: with')


@pytest.mark.parametrize("other", [math, math.sqrt, pd.DataFrame, 7, "claim", np.float64(1), ClaimError("x")])
def test_only_the_package_is_shown(other):
    with pytest.raises(TypeError, match=r"^show_source shows functions, classes and modules of textclf_lesson; "):
        lesson.show_source(other)


# --- progress ---------------------------------------------------------------------------------------------------------


def test_progress_passes_every_item_on(monkeypatch, capsys):
    monkeypatch.setenv("TEXTCLF_PROGRESS", "0")
    assert list(runtime.progress("abc", "letters")) == ["a", "b", "c"]
    assert list(runtime.progress((n for n in range(3)), "numbers", total=3)) == [0, 1, 2]
    assert capsys.readouterr() == ("", "")


def test_progress_shows_a_bar_unless_told_not_to(monkeypatch, capsys):
    monkeypatch.delenv("TEXTCLF_PROGRESS")
    assert list(runtime.progress("abc", "letters")) == ["a", "b", "c"]
    assert "letters: " in capsys.readouterr().err


LOUD = """
from tqdm.auto import tqdm
import datasets
for item in tqdm(range(3)): pass
table = datasets.Dataset.from_dict({"text": ["a", "b"]}).map(lambda row: row)
"""


def test_progress_bars_of_libraries_do_not_get_into_a_stored_notebook(make_notebook):
    """The same cell without set-up does leave bars behind, else this would prove nothing."""
    assert run(make_notebook(LOUD)).cells[0].outputs
    assert not run(make_notebook(SETUP, LOUD)).cells[1].outputs


# --- setup ------------------------------------------------------------------------------------------------------------

DRAW = """
import random, numpy, os
print(random.random(), numpy.random.rand(), os.environ["OMP_NUM_THREADS"])
"""


def test_the_same_seed_repeats_and_another_does_not(make_notebook):
    def draws(seed):
        return printed(make_notebook(f"from textclf_lesson import course\ncourse.setup(seed={seed})", DRAW))

    first, again, other = draws(3), draws(3), draws(4)
    assert first == again
    assert first[0] == "Ready: seed 3.\n"
    assert first[1] != other[1]


def test_torch_is_seeded_only_where_it_is_imported(make_notebook):
    lazy = "import sys; print('torch' in sys.modules)"
    draw = "import torch; course.seed_everything(5); print(torch.rand(1).item())"
    assert printed(make_notebook(SETUP, lazy)) == ["Ready: seed 0.\n", "False\n"]
    _, first, again = printed(make_notebook(SETUP, draw, draw))
    assert first == again


THREADS = """
import numpy, scipy.linalg, threadpoolctl, torch
pools = threadpoolctl.threadpool_info()
print(torch.get_num_threads(), *sorted({(p["user_api"], p["num_threads"]) for p in pools}))
"""


@pytest.mark.parametrize(("count", "loaded_before"), [(1, True), (2, False)])
def test_the_number_of_threads_is_set_in_one_place(make_notebook, monkeypatch, count, loaded_before):
    """But for OpenBLAS, where more than one are slower for what scikit-learn asks of it."""
    monkeypatch.setenv("TEXTCLF_THREADS", str(count))
    cells = [THREADS, SETUP, THREADS] if loaded_before else [SETUP, THREADS]
    assert printed(make_notebook(*cells))[-1] == f"{count} ('blas', 1) ('openmp', {count})\n"


SHARES = """
import os
from textclf_lesson import course
cores = course.limit_threads()
print([course.limit_threads(shares) for shares in (1, cores, 10 * cores)] == [cores, 1, 1])
print(os.environ["OMP_NUM_THREADS"], os.environ["MKL_NUM_THREADS"])
"""


def test_the_cores_are_divided_among_several_processes(make_notebook, monkeypatch):
    monkeypatch.delenv("TEXTCLF_THREADS", raising=False)
    assert printed(make_notebook(SHARES)) == ["True\n1 1\n"]
    monkeypatch.setenv("TEXTCLF_THREADS", "3")
    assert printed(make_notebook(SHARES.replace("[cores, 1, 1]", "[3, 3, 3]"))) == ["True\n3 3\n"]


@pytest.mark.parametrize("nonsense", ["0", "-1", "many", "1.5", ""])
def test_a_number_of_threads_that_is_none_is_refused(monkeypatch, nonsense):
    monkeypatch.setenv("TEXTCLF_THREADS", nonsense)
    with pytest.raises(ValueError, match=r"^TEXTCLF_THREADS must be a whole number from 1 up, not "):
        lesson.setup()


def test_importing_the_package_imports_nothing_heavy():
    heavy = ["numpy", "pandas", "torch", "datasets", "matplotlib", "sklearn", "transformers", "IPython"]
    code = f"import sys, textclf_lesson.course; print([name for name in {heavy} if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "[]\n"
