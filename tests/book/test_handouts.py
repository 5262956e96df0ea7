"""The handouts, printed by a real browser and read again."""

import nbformat
import pytest
from pypdf import PdfReader

from tools import browser, handouts


@pytest.fixture(scope="module")
def printed(tmp_path_factory):
    """Exercise 5 and the recap of lessons 2 and 5, as PDF."""
    if browser.CHROMIUM is None:
        pytest.skip(browser.MISSING)
    wanted = {name: notebook for name, notebook in handouts.handouts(["02", "5"]) if "_02_" not in name}
    return {path.stem: PdfReader(path) for path in handouts.write(wanted, tmp_path_factory.mktemp("handouts"))}


def solid(text: str) -> str:
    """Without spaces: where a line is wrapped is no matter."""
    return "".join(text.split())


def titles(outline: list) -> list[str]:
    return [title for entry in outline for title in (titles(entry) if isinstance(entry, list) else [entry.title])]


def test_every_exercise_and_one_recap_become_handouts():
    names = [name for name, _ in handouts.handouts([])]
    assert names[0] == "exercise_01_framing" and names[-1] == "recap" and len(names) > 15
    assert [name for name, _ in handouts.handouts(["0"])] == ["recap"]  # lesson 0 has no exercise


def test_a_handout_is_tagged_has_a_language_and_an_outline(printed):
    for name, reader in printed.items():
        root = reader.trailer["/Root"]
        assert root["/MarkInfo"]["/Marked"] and root["/StructTreeRoot"]
        assert root["/Lang"] == "en"
        assert reader.metadata.title == name.replace("_", " ")
    assert [
        t
        for t in titles(printed["exercise_05_multilabel_toxicity"].outline)
        if t.startswith(("Exercise 5", "5b", "Quiz"))
    ]
    assert {"2 · Baselines", "5 · Multi-label toxicity", "Recap"} <= set(titles(printed["recap"].outline))


def test_the_text_is_whole_long_lines_of_code_and_the_quiz_too(printed):
    text = solid("".join(page.extract_text() for page in printed["exercise_05_multilabel_toxicity"].pages))
    cells = dict(handouts.handouts(["05"]))["exercise_05_multilabel_toxicity"].cells
    lines = [line for cell in cells if cell.cell_type == "code" for line in cell.source.split("\n")]
    assert max(map(len, lines)) > 90
    assert [line for line in lines if solid(line) not in text] == []
    assert solid("Its logits went through a softmax.") in text


def starts_of_text(page) -> list[float]:
    """How far right each part of a page's text begins, in points."""
    found = []
    page.extract_text(visitor_text=lambda text, cm, tm, *_: text.strip() and found.append(tm[4] * cm[0] + cm[4]))
    return found


def test_nothing_lies_outside_the_paper(printed):
    for page in printed["exercise_05_multilabel_toxicity"].pages:
        assert max(starts_of_text(page), default=0) < float(page.mediabox.width) - 40


def test_each_lesson_s_recap_begins_a_page(printed):
    pages = [page.extract_text() for page in printed["recap"].pages]
    starts = [page.lstrip()[:20] for page in pages]
    assert any(start.startswith("2 · Baselines") for start in starts)
    assert any(start.startswith("5 · Multi-label") for start in starts)


def test_no_link_leads_to_a_file_of_this_machine():
    for _, notebook in handouts.handouts([]):
        text = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
        assert ".ipynb)" not in text and "glossary.md" not in text
        nbformat.validate(notebook)


def test_a_missing_browser_and_an_unknown_lesson_are_told_in_a_sentence(monkeypatch, capsys):
    monkeypatch.setattr(browser, "CHROMIUM", None)
    assert handouts.main(["01"]) == 1
    assert capsys.readouterr().err == f"{browser.MISSING}\n"
    assert handouts.main(["77"]) == 1
    assert capsys.readouterr().err.startswith("There is no lesson 77; there are 00 to ")
