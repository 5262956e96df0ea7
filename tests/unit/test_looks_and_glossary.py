"""The table of test looks finds a look wherever it may hide; `make lint` compares both generated pages."""

import re

import nbformat
import pytest

from textclf_lesson.course import render
from tools import glossary, test_looks


def test_every_term_of_the_glossary_has_a_heading_of_its_own():
    headings = [line for line in glossary.page().splitlines() if line.startswith("## ")]
    assert len(headings) == len(set(headings)) > 60
    assert "## F1" in headings


def notebook(*sources: str) -> dict:
    cells = [{"cell_type": "markdown", "source": ["## 7.3 A question\n", "text"]}]
    return {"cells": cells + [{"cell_type": "code", "source": [source]} for source in sources]}


LOAD = 'films = data.load("tweets")'


@pytest.mark.parametrize(
    "source",
    [
        'films["test"]["text"]',
        'x = films\nprint(x["test"])',
        'def score(splits):\n    return splits["test"]\nscore(films)',
        'for split in ["train", "test"]:\n    films[split]',
        '{split: films[split] for split in ["train", "test"]}',
        'rows = {name: films[name] for name in films}\nrows["test"]',
        'def part(name):\n    return films[name]\npart("test")',
    ],
)
def test_a_look_is_found(source):
    assert test_looks.looks(notebook(LOAD, source)) == {("tweets", "test"): ["7.3"]}


def test_training_rows_are_no_look_and_stored_results_are_told_apart():
    assert test_looks.looks(notebook(LOAD, 'films["train"], films["validation"]')) == {}
    found = test_looks.looks(notebook('evidence.baseline("tweets")', 'evidence.best("tweets")'))
    assert found == {("tweets", "stored"): ["7.3"]}
    loop = 'for name in ["tweets", "disaster"]:\n    evidence.{}(name)'
    both = {("tweets", "stored"): ["7.3"], ("disaster", "stored"): ["7.3"]}
    assert test_looks.looks(notebook(loop.format("baseline"))) == both
    assert test_looks.looks(notebook(loop.format("best"))) == {}


def test_a_fallback_for_own_data_is_no_look():
    fallback = 'x = films["test_natural"] if "test_natural" in films else films["test"]'
    assert test_looks.looks(notebook(LOAD, fallback)) == {("tweets", "test_natural"): ["7.3"]}
    other = 'x = films["test_natural"] if hard else films["test"]'
    both = {("tweets", "test_natural"): ["7.3"], ("tweets", "test"): ["7.3"]}
    assert test_looks.looks(notebook(LOAD, other)) == both


def test_a_linked_term_shows_its_definition_on_hover():
    cell = nbformat.v4.new_markdown_cell("[F1](../docs/glossary.md#f1) and [a page](../docs/test_looks.md)")
    page = render.to_html(nbformat.v4.new_notebook(cells=[cell]), "x")
    assert re.search(r'<a href="../docs/glossary.md#f1" title="The harmonic mean of precision[^"]+">F1</a>', page)
    assert '<a href="../docs/test_looks.md">a page</a>' in page
