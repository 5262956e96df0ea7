"""Bad input gets one clear first line; good input of every usual kind passes unchanged."""

import numpy as np
import pandas as pd
import pytest
from datasets import ClassLabel, Dataset, Features, Value

from textclf_lesson.base.inputs import check_label_table, check_labels, check_texts

TEXTS = ["Effective but too tepid biopic", "A good place to start.", "¡Ni fu ni fa!"]
TABLE = Dataset.from_dict(
    {"text": TEXTS, "label": [0, 1, 0]},
    features=Features({"text": Value("string"), "label": ClassLabel(names=["bad", "good"])}),
)


@pytest.mark.parametrize(
    "texts",
    [
        TEXTS,
        tuple(TEXTS),
        (text for text in TEXTS),
        np.array(TEXTS),
        np.array(TEXTS, dtype=object),
        pd.Series(TEXTS),
        pd.Series(TEXTS, dtype=object, index=[7, 8, 9]),
        pd.Index(TEXTS),
        TABLE["text"],
        TABLE[:]["text"],
    ],
    ids=lambda texts: type(texts).__name__,
)
def test_texts_of_every_usual_kind_pass_unchanged(texts):
    checked = check_texts(texts)
    assert checked == TEXTS
    assert {type(text) for text in checked} == {str}


@pytest.mark.parametrize(
    ("texts", "error", "first_line"),
    [
        ("A good place to start.", TypeError, "texts is one str, not a list of texts: write [text]"),
        (b"bytes", TypeError, "texts is one bytes, not a list of texts"),
        (None, TypeError, "texts is of type NoneType, not a list"),
        (3, TypeError, "texts is of type int, not a list"),
        ([], ValueError, "There is no text: texts is empty"),
        (["a good one", None], ValueError, "Row 1 of texts is missing (None; rows count from 0)"),
        (pd.Series(["a good one", np.nan]), ValueError, "Row 1 of texts is missing (nan"),
        (pd.Series(["a good one", None], dtype="string"), ValueError, "Row 1 of texts is missing (<NA>"),
        (["a good one", 42], TypeError, "Row 1 of texts is of type int, not a string (rows count from 0): 42"),
        (["a good one", b"raw"], TypeError, "Row 1 of texts is of type bytes, not a string"),
        ([["nested"], ["lists"]], TypeError, "Row 0 of texts is of type list, not a string"),
        (["a good one", "", " \n\t"], ValueError, "Row 1 of texts is blank (2 in all; rows count from 0)"),
        ({"text": TEXTS}, TypeError, 'texts is a whole dict, not one column: choose one, like table["text"]'),
        (pd.DataFrame({"text": TEXTS}), TypeError, "texts is a whole DataFrame, not one column"),
        (TABLE, TypeError, "texts is a whole Dataset, not one column"),
        (set(TEXTS), TypeError, "texts is a set, which has no order"),
        (np.array([TEXTS]), ValueError, "texts has the shape (1, 3): one dimension is needed, one text per row"),
    ],
)
def test_bad_texts_are_named_in_the_first_line(texts, error, first_line):
    with pytest.raises(error) as caught:
        check_texts(texts)
    assert str(caught.value).splitlines()[0].startswith(first_line)


def test_check_texts_names_the_row_even_in_a_long_list():
    texts = ["word"] * 200_000
    assert len(check_texts(texts)) == 200_000
    with pytest.raises(ValueError, match="Row 199999 of texts is blank"):
        check_texts([*texts[:-1], "   "])


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ([0, 1, 0], [0, 1, 0]),
        (np.array([0, 1, 0], dtype=np.int8), [0, 1, 0]),
        (np.array([0.0, 1.0, 0.0]), [0, 1, 0]),
        ([True, False, True], [1, 0, 1]),
        (pd.Series([-1, 1, -1]), [-1, 1, -1]),
        (TABLE["label"], [0, 1, 0]),
        (("bad", "good", "bad"), ["bad", "good", "bad"]),
        (pd.Series(["bad", "good", "bad"], dtype="category"), ["bad", "good", "bad"]),
    ],
)
def test_labels_of_every_usual_kind_pass(labels, expected):
    checked = check_labels(labels, TEXTS)
    assert checked.ndim == 1
    assert checked.tolist() == expected


@pytest.mark.parametrize(
    ("labels", "options", "error", "first_line"),
    [
        ([0, 1], {"texts": TEXTS}, ValueError, "3 texts but 2 labels: pass one label for each text"),
        ([0, 1, 1, 0], {"texts": TEXTS}, ValueError, "3 texts but 4 labels"),
        ([1, 1, 1], {}, ValueError, "All 3 labels are 1: it takes at least 2 classes to learn a difference"),
        ([0, None], {}, ValueError, "Row 1 of labels is missing (None; rows count from 0)"),
        (np.array([0, 1, np.nan]), {}, ValueError, "Row 2 of labels is missing (nan"),
        (["good", ""], {}, ValueError, "Row 1 of labels is blank (rows count from 0)"),
        (np.array([" ", "bad"]), {}, ValueError, "Row 0 of labels is blank"),
        (pd.Series([0, None, 1], dtype="Int64"), {}, ValueError, "Row 1 of labels is missing (<NA>"),
        (["good", "goood"], {"allowed": ["bad", "good"]}, ValueError, "Row 1 has the label 'goood', which is not"),
        ([0, 1, 2], {"allowed": range(2)}, ValueError, "Row 2 has the label 2, which is not in the set."),
        (["good", 1], {}, TypeError, "labels mix names and numbers: row 0 is 'good', row 1 1"),
        ([0.5, 1], {}, TypeError, "Row 0 of labels is of type float, neither a name nor a whole number: 0.5"),
        (
            [[0, 1], [1, 1]],
            {},
            TypeError,
            "Row 0 of labels is of type list (rows count from 0): only one label per text",
        ),
        (np.eye(3), {}, ValueError, "labels has the shape (3, 3): one dimension is needed, one label per row"),
        ("good", {}, TypeError, "labels is one str, not a list of labels"),
        (None, {}, TypeError, "labels is one NoneType, not a list of labels"),
        ([], {}, ValueError, "There are no labels: labels is empty"),
    ],
)
def test_bad_labels_are_named_in_the_first_line(labels, options, error, first_line):
    with pytest.raises(error) as caught:
        check_labels(labels, **options)
    assert str(caught.value).splitlines()[0].startswith(first_line)


def test_a_misspelt_label_gets_the_nearest_one():
    with pytest.raises(ValueError, match="Did you mean 'good'"):
        check_labels(["bad", "goood"], allowed=["bad", "good"])


def test_one_class_is_enough_to_score_with():
    assert check_labels(["good", "good"], at_least=1).tolist() == ["good", "good"]


@pytest.mark.parametrize("rows", [[[0, 1], [1, 0]], np.eye(2), pd.DataFrame({"toxic": [0, 1], "threat": [1, 1]})])
def test_a_table_of_labels_keeps_its_rows_and_columns(rows):
    table = check_label_table(rows, ["one", "two"])
    assert table.to_numpy().tolist() == np.asarray(rows).tolist()
    assert list(table.columns) == (list(rows.columns) if isinstance(rows, pd.DataFrame) else [0, 1])


@pytest.mark.parametrize(
    ("rows", "allowed", "first_line"),
    [
        ([0, 1], None, "Several labels need a table of 0 and 1"),
        ([[0, 1]], None, "2 texts but 1 rows of labels: pass one row for each text."),
        (pd.DataFrame({"toxic": [0, 2]}), None, "Row 1 has toxic = 2, which is neither 0 nor 1."),
        (pd.DataFrame({"toxic": [0, np.nan]}), None, "Row 1 has toxic = nan, which is neither 0 nor 1."),
        (pd.DataFrame({"toxic": [0, 1], " ": [1, 1]}), None, "Name 1 of the columns of labels is blank or missing"),
        (pd.DataFrame([[0, 1], [1, 1]], columns=[pd.NA, "a"]), None, "Name 0 of the columns of labels is blank"),
        (pd.DataFrame({"toxic": [0, 1]}), ["threat"], "The labels are ['toxic'], but training had ['threat']"),
    ],
)
def test_a_bad_table_of_labels_is_named_in_the_first_line(rows, allowed, first_line):
    with pytest.raises(ValueError) as caught:
        check_label_table(rows, ["one", "two"], allowed)
    assert str(caught.value).splitlines()[0].startswith(first_line)
