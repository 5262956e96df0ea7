"""Every stored lesson passes every check; and every check is shown able to fail, on lesson 0 spoilt."""

import copy
import itertools
import re
from pathlib import Path

import checks
import nbformat
import pytest
from nbval.plugin import get_sanitize_patterns

FOLDER = Path(__file__).parents[2] / "notebooks"
LESSONS = sorted(FOLDER.glob("*.ipynb"))
FIRST = FOLDER / "00_start_here.ipynb"


def markdown(source: str, **metadata) -> nbformat.NotebookNode:
    return nbformat.v4.new_markdown_cell(source, metadata=metadata)


def code(source: str, *outputs: nbformat.NotebookNode, **metadata) -> nbformat.NotebookNode:
    return nbformat.v4.new_code_cell(source, outputs=list(outputs), execution_count=99, metadata=metadata)


def shown(mime: str, data: str = "x", **metadata) -> nbformat.NotebookNode:
    return nbformat.v4.new_output("display_data", data={mime: data}, metadata=metadata)


def said(text: str, name: str = "stdout") -> nbformat.NotebookNode:
    return nbformat.v4.new_output("stream", text=text, name=name)


def test_there_are_lessons():
    assert FIRST in LESSONS
    assert all(re.fullmatch(r"\d\d_[a-z_]+\.ipynb", path.name) for path in LESSONS)


CORE = [path for path in LESSONS if path.name < "20"]  # the electives after them are taken in any order


@pytest.mark.parametrize(("path", "following"), itertools.pairwise(CORE), ids=lambda path: path.stem[:2])
def test_a_lesson_ends_with_a_link_to_the_next_one(path, following):
    prose = [cell.source for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "markdown"]
    assert f"**Next**: [lesson {int(following.name[:2])}]({following.name}) " in "\n".join(prose[-3:])


@pytest.mark.parametrize("check", checks.CHECKS)
@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_lesson(path, check):
    assert checks.CHECKS[check](checks.read(path), FOLDER) == []


# --- the checks can fail ----------------------------------------------------------------------------------------------


def first_code(nb):
    return checks.of_kind(nb, "code")[0]


def swap_counts(nb):
    first_code(nb).execution_count = 2


def unexecuted(nb):
    first_code(nb).execution_count = None


def same_id(nb):
    nb.cells[1].id = nb.cells[0].id


def no_id(nb):
    del nb.cells[1]["id"]


def bad_id(nb):
    nb.cells[1].id = "a b"


def add(*cells):
    """Insert cells after the first code cell, which stands early in the notebook."""

    def spoil(nb):
        at = nb.cells.index(first_code(nb)) + 1
        nb.cells[at:at] = cells

    return spoil


def replace(old: str, new: str):
    def spoil(nb):
        for cell in nb.cells:
            cell.source = cell.source.replace(old, new)

    return spoil


def metadata(**entries):
    return lambda nb: nb.metadata.update(entries)


def ignore(count: int):
    """Tag the first cells, so that they are too many."""

    def spoil(nb):
        for cell in checks.of_kind(nb, "code")[:count]:
            cell.metadata.tags = [checks.IGNORE]

    return spoil


TIMING = {"execution": {"iopub.status.busy": "2026-01-01T00:00:00Z"}}
ERROR = nbformat.v4.new_output("error", ename="ValueError", evalue="", traceback=[])
GUARD = [markdown("."), code("slow()", tags=[checks.IGNORE]), markdown("."), code("print(1)"), code("claim('x', True)")]

SPOILT = [
    ("executed_in_order", swap_counts),
    ("executed_in_order", unexecuted),
    ("no_errors", add(code("1", ERROR))),
    ("no_errors", add(code("1", said("FutureWarning: soon", "stderr")))),
    ("cell_ids", same_id),
    ("cell_ids", no_id),
    ("cell_ids", bad_id),
    ("metadata_is_reduced", add(code("1", **TIMING))),
    ("metadata_is_reduced", metadata(widgets={"application/vnd.jupyter.widget-state+json": {}})),
    ("metadata_is_reduced", metadata(kernelspec={"name": "my-own-env"})),
    ("small", add(code("1", shown("image/png", "A" * 1_000_000, **{"image/png": {"alt": "a fine picture"}})))),
    ("no_machine_paths", add(code("1", said("saved in /home/ada/.cache/x")))),
    ("no_machine_paths", add(code("1", said(r"C:\Users\ada")))),
    ("no_machine_paths", add(code("1", shown("text/html", "<td>/tmp/xyz</td>")))),
    ("no_progress_bars", add(code("1", said("10\r20\r")))),
    ("no_progress_bars", add(code("1", said("Map: 100%|██████| 2/2 [00:00<00:00, 9.1 examples/s]")))),
    ("headings_in_order", add(markdown("# Another title"))),
    ("headings_in_order", add(markdown("## Two\n\n#### Four"))),
    ("headings_in_order", lambda nb: nb.cells.insert(0, markdown("By the way"))),
    ("alt_texts", add(code("1", shown("image/png")))),
    ("alt_texts", add(code("1", shown("image/png", **{"image/png": {"alt": "figure"}})))),
    ("alt_texts", add(markdown("![](picture.png)"))),
    ("alt_texts", add(markdown('<img src="picture.png">'))),
    ("alt_texts", add(code("1", shown("text/html", '<img alt="" src="data:image/png;base64,A">')))),
    ("nothing_remote", add(markdown("![a fine picture](https://example.org/a.png)"))),
    ("nothing_remote", add(markdown('<img alt="a fine picture" src="//example.org/a.png">'))),
    ("nothing_remote", add(code("1", shown("text/html", '<script src="https://example.org/a.js"></script>')))),
    ("no_widgets", add(code("1", shown(checks.WIDGET)))),
    ("links_resolve", add(markdown("[next](99_nowhere.ipynb)"))),
    ("links_resolve", add(markdown("[below](#No-such-heading)"))),
    ("links_resolve", add(markdown("[there](00_start_here.ipynb#No-such-heading)"))),
    ("links_resolve", add(markdown("[a term](../docs/glossary.md#no-such-term)"))),
    ("links_resolve", add(markdown("[insecure](http://example.org)"))),
    ("no_typed_results", add(markdown("The accuracy is 0.87."))),
    ("no_typed_results", add(markdown("It rises to 87.3 % of the rows"))),
    ("no_typed_results", add(markdown("| model | F1 |\n|---|---|\n| SVM | **0.91** |"))),
    ("no_typed_results", add(markdown("### It reaches 0.87"))),
    ("no_typed_results", add(markdown("Es sind 0,87."))),
    ("ignored_outputs_are_few_and_guarded", ignore(99)),
    ("ignored_outputs_are_few_and_guarded", add(*GUARD)),
    ("claims_compare", add(code("course.claim('all is well', True)"))),
    ("no_other_way_around_nbval", add(code("# NBVAL_SKIP\n1"))),
    ("no_other_way_around_nbval", add(code("1", tags=["nbval-skip"]))),
    ("no_other_way_around_nbval", add(code("1", tags=["raises-exception"]))),
    ("opening", replace("**You will learn**", "You may learn")),
    ("opening", replace("# 0 · ", "# ")),
    ("opening", lambda nb: nb.cells.pop(1)),
    ("begins_with_setup", lambda nb: nb.cells.insert(1, code("import numpy"))),
    ("begins_with_setup", replace("course.setup()", "course.setup(seed=7)")),
    ("ends_in_recap", lambda nb: nb.cells.append(markdown("## One more thing"))),
    ("ends_in_recap", replace("**Now you**", "Now")),
    ("short_cells", add(code("x = 1\n" * 31))),
    ("short_cells", add(code(""))),
    ("prose_before_code", add(code("x = 1"))),
]


@pytest.mark.parametrize(("check", "spoil"), SPOILT, ids=lambda value: value if isinstance(value, str) else "")
def test_a_spoilt_lesson_is_noticed(check, spoil):
    nb = copy.deepcopy(checks.read(FIRST))
    spoil(nb)
    assert checks.CHECKS[check](nb, FOLDER)


def test_each_check_is_shown_able_to_fail():
    assert {check for check, _ in SPOILT} == checks.CHECKS.keys()


FINE = [
    "As section 0.2 and lesson 2.4 say, Python 3.11 is enough.",
    "Where $p_t = 0.9$ the loss is small; so is `0.87`, and $$x = 0.5$$",
    "`load` has 7,000 rows; scikit-learn 1.9.1; [a paper](https://doi.org/10.1145/0.87).",
    "Say 80 % for training, and 95 % of the mass (Lin et al., 2017).",
    "```python\nx = 0.87\n```",
]


@pytest.mark.parametrize("prose", FINE)
def test_numbers_that_come_from_no_run_may_be_typed(prose):
    nb = nbformat.v4.new_notebook(cells=[markdown("# 0 · T"), markdown("## 0.2 S"), markdown(prose)])
    assert checks.no_typed_results(nb, FOLDER) == []


# --- what nbval is told to overlook -----------------------------------------------------------------------------------

SAME = [
    ("it took 12.3 ms", "it took 98 ms"),
    ("fit in 4.2 s, 3 µs each", "fit in 5 s, 12.5 µs each"),
    ("about 4 min", "about 12 min"),
    ("cached in ~/.cache/textclf_lesson", "cached in /tmp/x-1/data"),
    (r"in 'C:\Users\ada\x.csv'", "in '/home/ada/x.csv'"),
    ("scikit-learn 1.9.1", "scikit-learn 1.10.0"),
    ("torch 2.13.0+cpu", "torch 2.13.0"),
]
DIFFERENT = [
    ("accuracy 0.81", "accuracy 0.82"),
    ("1.234", "1.235"),
    ("0.5 1.5", "0.5 1.6"),
    ("7 sentences", "8 sentences"),
    ("3 models", "4 models"),
    ("81 %", "82 %"),
    ("and/or", "and/nor"),
    ("1/2", "1/3"),
    ("</td>", "</th>"),
    ("sci.med", "sci.space"),
    ("comp.sys/ibm", "comp.sys/mac"),
]


def sanitise(text: str) -> str:
    for pattern, instead in get_sanitize_patterns((Path(__file__).parent / "sanitize.cfg").read_text()):
        text = re.sub(pattern, instead, text)
    return text


@pytest.mark.parametrize(("one", "other"), SAME)
def test_durations_paths_and_versions_are_overlooked(one, other):
    assert sanitise(one) == sanitise(other)


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_results_are_not(one, other):
    assert sanitise(one) != sanitise(other)
