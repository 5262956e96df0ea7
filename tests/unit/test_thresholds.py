"""Cuts held to a search through all of them, on a real model's probabilities of six labels."""

import json

import hypothesis.strategies as st
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score
from sklearn.multiclass import OneVsRestClassifier

from textclf_lesson import data
from textclf_lesson.evaluate.thresholds import Thresholds, tune
from textclf_lesson.models import baselines


@pytest.fixture(scope="module")
def comments():
    """Truth and probabilities of six labels on validation, from a quick model."""
    wiki = data.load("wiki-toxicity")
    train, validation = wiki["train"].to_pandas().head(1500), wiki["validation"].to_pandas()
    features = baselines.pipeline("tfidf")["features"].fit(train["text"])
    model = OneVsRestClassifier(LogisticRegression()).fit(features.transform(train["text"]), train[data.TOXICITY])
    return validation[data.TOXICITY], model.predict_proba(features.transform(validation["text"]))


def best_f1(truth, scores):
    predictions = scores >= np.unique(scores)[:, None]
    return max(2 * (predictions & (truth == 1)).sum(axis=1) / (predictions.sum(axis=1) + truth.sum()))


def test_no_cut_is_better(comments):
    truth, probabilities = comments
    tuned = tune(truth, probabilities, data.TOXICITY)
    for at, label in enumerate(data.TOXICITY):
        found = f1_score(truth[label], tuned.apply(probabilities)[:, at])
        assert found == pytest.approx(best_f1(truth[label].to_numpy(), probabilities[:, at]))
    better = f1_score(truth, tuned.apply(probabilities), average="macro")
    assert better > f1_score(truth, probabilities >= 0.5, average="macro") + 0.1


@given(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 20)), min_size=2, max_size=40))
@settings(max_examples=200, deadline=None)
def test_ties_and_ends_are_cut_right_too(rows):
    truth, scores = np.array([is_yes for is_yes, _ in rows]), np.array([score / 20 for _, score in rows])
    if not 0 < truth.sum() < len(truth):
        return
    tuned = tune(truth[:, None], scores[:, None], ["x"], min_support=1)
    found = f1_score(truth, tuned.apply(scores[:, None])[:, 0])
    assert found == pytest.approx(best_f1(truth, scores))


def test_the_cut_lies_half_way_between_two_scores():
    tuned = tune([[0], [1], [1]], [[0.2], [0.6], [0.9]], ["x"], min_support=1)
    assert tuned.by_label == {"x": pytest.approx(0.4)}


def test_a_label_with_too_few_positives_keeps_one_half_and_is_named(comments):
    truth, probabilities = comments
    rare = truth.assign(threat=np.where(truth["threat"].cumsum() <= 19, truth["threat"], 0))
    with pytest.warns(UserWarning, match=r"fewer than 20 of a kind: threat \(19\). They keep 0.5."):
        tuned = tune(rare, probabilities, data.TOXICITY)
    assert tuned["threat"] == 0.5 != tuned["toxic"]
    with pytest.warns(UserWarning, match=r"threat \(0\)"):
        assert tune(truth.assign(threat=0), probabilities, data.TOXICITY)["threat"] == 0.5


def test_without_rows_there_is_nothing_to_tune():
    with pytest.warns(UserWarning, match=r"a \(0\), b \(0\). They keep 0.5"):
        assert tune(YES[:0], HALF[:0], ["a", "b"]).by_label == {"a": 0.5, "b": 0.5}


def test_they_survive_json(comments):
    truth, probabilities = comments
    tuned = tune(truth, probabilities, data.TOXICITY)
    again = Thresholds.from_dict(json.loads(json.dumps(tuned.to_dict())))
    np.testing.assert_array_equal(again.apply(probabilities), tuned.apply(probabilities))


def test_columns_in_another_order_are_refused(comments):
    truth, probabilities = comments
    named = pd.DataFrame(probabilities, columns=data.TOXICITY)
    tuned = tune(truth, named, data.TOXICITY)
    np.testing.assert_array_equal(tuned.apply(named), tuned.apply(probabilities))
    with pytest.raises(ValueError, match=r"The probabilities are of \['identity_hate'"):
        tuned.apply(named[data.TOXICITY[::-1]])


YES, HALF = np.array([[0, 1], [1, 0]]), np.full((2, 2), 0.5)


@pytest.mark.parametrize(
    ("truth", "probabilities", "message"),
    [
        (YES, HALF[:1], "2 rows"),
        (YES, HALF[:, :1], r"shape \(2, 1\); \(rows, 2\) is needed"),
        (YES[:, :1], HALF, "The truth has 1 columns for 2 labels"),
        (YES[0], HALF, "Several labels need a table"),
        (YES, HALF * np.nan, "Row 0 has a = nan, which is not a probability"),
        (YES, HALF * 3, "Row 0 has a = 1.5, which is not a probability.*\n?.*take their sigmoid"),
        (YES + 1, HALF, "which is neither 0 nor 1"),
        (YES.astype(str), HALF, "which is neither 0 nor 1"),
        (YES, HALF * -2e4, "Row 0 has a = -10000, which is not a probability"),
    ],
)
def test_what_cannot_be_tuned_is_named(truth, probabilities, message):
    with pytest.raises(ValueError, match=message):
        tune(truth, probabilities, ["a", "b"])


@pytest.mark.parametrize("cut", [1.5, float("nan"), "0.5", None])
def test_a_file_with_a_wrong_cut_is_refused(cut):
    with pytest.raises(ValueError, match="The threshold of 'toxic' is"):
        Thresholds.from_dict({"toxic": cut})
