"""Lessons that are done keep to the rules of wording; each rule can fail; the list of the others shrinks."""

from pathlib import Path

import checks
import nbformat
import pytest
import wording

from tools import glossary as tool

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "notebooks"
LESSONS = {path.name[:2]: path for path in sorted(FOLDER.glob("*.ipynb"))}
DONE = [lesson for lesson in LESSONS if lesson not in wording.STILL_TO_DO]


@pytest.mark.parametrize("rule", wording.RULES)
@pytest.mark.parametrize("lesson", DONE)
def test_lesson(lesson, rule):
    assert wording.RULES[rule](checks.read(LESSONS[lesson]), lesson) == []


@pytest.mark.parametrize(
    "path",
    [*LESSONS.values(), *sorted((ROOT / "solutions").glob("*.ipynb"))],
    ids=lambda path: path.parent.name + path.stem,
)
def test_no_private_words_anywhere(path):
    assert wording.no_private_words(checks.read(path), path.name[:2]) == []


@pytest.mark.parametrize("lesson", wording.STILL_TO_DO)
def test_a_lesson_that_keeps_to_all_rules_leaves_the_list(lesson):
    nb = checks.read(LESSONS[lesson])
    assert any(rule(nb, lesson) for rule in wording.RULES.values()), f"take {lesson} out of wording.STILL_TO_DO"


def test_the_glossary_is_sound():
    terms = wording.glossary()
    assert len({term.term.lower() for term in terms}) == len(terms)
    for term in terms:
        assert term.lesson in LESSONS or term.lesson >= "20", term
        assert term.definition.endswith("."), term
        assert len(term.definition) < 400, term
        assert term.section.startswith(f"{int(term.lesson)}.") or not term.section, term
    assert tool.problems() == []


# --- the rules can fail -----------------------------------------------------------------------------------------------


def notebook(*sources: str) -> nbformat.NotebookNode:
    """A lesson 1 of these cells; what begins with `>>> ` is code."""
    cells = [nbformat.v4.new_markdown_cell("# 1 · A title about F1")]
    for source in sources:
        code = source.removeprefix(">>> ")
        cells.append(nbformat.v4.new_code_cell(code) if code != source else nbformat.v4.new_markdown_cell(source))
    return nbformat.v4.new_notebook(cells=cells)


F1 = next(term for term in wording.glossary() if term.term == "F1")
DEFINED = f"## {F1.section} Two numbers in one\n\n**F1** is their harmonic mean."
BOUND = ">>> course.claim('so', x > 1, id='01.so')"


@pytest.mark.parametrize(
    ("rule", "sources"),
    [
        ("terms_first", ["## 1.1 One\n\nIts F1 is high.", DEFINED]),
        ("terms_first", [f"{DEFINED} Micro-averaging follows, says `x`, as LoRA does."]),
        ("terms_are_defined", ["## 1.1 One\n\n**F1** is their harmonic mean."]),
        ("no_private_words", ["The price of a probability."]),
        ("no_private_words", [">>> said = model.predict(texts)"]),
        ("no_private_words", [">>> course.claim('it keeps its word', x > 1)"]),
        ("claims_have_ids", [">>> course.claim('so', x > 1)"]),
        ("claims_have_ids", [">>> course.claim('so', x > 1, id='02.so')"]),
        ("claims_have_ids", [BOUND, BOUND]),
        ("recap_is_bound", [BOUND, "## Recap\n\n- So it is."]),
        ("recap_is_bound", [BOUND, "## Recap\n\n- So it is. `01.other`"]),
        ("recap_is_bound", [BOUND, "## Recap\n\nSo it is."]),
    ],
)
def test_a_spoilt_lesson_is_noticed(rule, sources):
    assert wording.RULES[rule](notebook(*sources), "01")


@pytest.mark.parametrize(
    ("rule", "sources"),
    [
        ("terms_first", ["## 1.1 One\n\nIts [F1](#x) is high. F1 it is.", DEFINED]),
        ("terms_first", ["## 1.1 Why F1?\n\n`f1` and $F1$.", DEFINED, "F1 and **F1**"]),
        ("no_private_words", ["Pieced together, a replacement, an execution"]),
        ("claims_have_ids", [BOUND]),
        (
            "recap_is_bound",
            [BOUND, "## Recap\n\n- So it is. `01.so`\n- And `x` so. `01.so`\n\n**To go further**\n\n- a"],
        ),
    ],
)
def test_a_fine_lesson_is_left_alone(rule, sources):
    assert wording.RULES[rule](notebook(*sources), "01") == []
