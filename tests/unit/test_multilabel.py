"""Scores of several labels held to scikit-learn's, intervals to a bootstrap that draws rows one test set at a time."""

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, f1_score, precision_recall_fscore_support, roc_auc_score
from sklearn.multiclass import OneVsRestClassifier

from textclf_lesson import data
from textclf_lesson.evaluate import metrics
from textclf_lesson.evaluate.thresholds import tune
from textclf_lesson.models import baselines

LABELS = data.TOXICITY


@pytest.fixture(scope="module")
def comments():
    """Truth and rounded (hence often tied) probabilities of six labels on validation, from a quick model."""
    wiki = data.load("wiki-toxicity")
    train, validation = wiki["train"].to_pandas().head(1500), wiki["validation"].to_pandas()
    features = baselines.pipeline("tfidf")["features"].fit(train["text"])
    model = OneVsRestClassifier(LogisticRegression()).fit(features.transform(train["text"]), train[LABELS])
    return validation[LABELS].to_numpy(), model.predict_proba(features.transform(validation["text"])).round(2)


@pytest.fixture(scope="module")
def report(comments):
    return metrics.multilabel_report(*comments, LABELS, thresholds=0.3)


def test_scores_of_a_label_are_scikit_learns(comments, report):
    truth, probabilities = comments
    precision, recall, f1, support = precision_recall_fscore_support(truth, probabilities >= 0.3)
    theirs = {"precision": precision, "recall": recall, "f1": f1, "support": support}
    theirs["ap"] = average_precision_score(truth, probabilities, average=None)
    theirs["auc"] = roc_auc_score(truth, probabilities, average=None)
    for name, values in theirs.items():
        np.testing.assert_allclose(report.per_label[name], values, err_msg=name)
    assert report.per_label.index.tolist() == LABELS


@pytest.mark.parametrize("average", ["micro", "macro", "samples"])
def test_averages_are_scikit_learns(comments, report, average):
    truth, probabilities = comments
    theirs = f1_score(truth, probabilities >= 0.3, average=average, zero_division=1)
    assert report.averages.loc[average, "value"] == pytest.approx(theirs)
    assert report.macro_f1 == report.averages.loc["macro", "value"]


def test_intervals_are_those_of_rows_drawn_again(comments, report):
    truth, probabilities = comments
    rng = np.random.default_rng(1)
    draws = {"f1": [], "ap": [], "auc": [], "macro": []}
    for _ in range(400):
        rows = rng.integers(0, len(truth), len(truth))
        y, p = truth[rows], probabilities[rows]
        draws["f1"].append(f1_score(y, p >= 0.3, average=None))
        draws["ap"].append(average_precision_score(y, p, average=None))
        draws["auc"].append(roc_auc_score(y, p, average=None))
        draws["macro"].append(f1_score(y, p >= 0.3, average="macro"))
    for name in ("f1", "ap", "auc"):
        ends = report.per_label[[f"{name}_low", f"{name}_high"]].to_numpy().T
        slack = 0.25 * (ends[1] - ends[0])  # of so few draws the ends are uncertain themselves
        assert (abs(np.quantile(draws[name], [0.025, 0.975], axis=0) - ends) <= slack).all(), name
    low, high = report.averages.loc["macro", ["low", "high"]]
    assert np.quantile(draws["macro"], [0.025, 0.975]) == pytest.approx([low, high], abs=0.25 * (high - low))


def test_thresholds_come_as_one_number_as_a_list_or_tuned(comments, report):
    truth, probabilities = comments
    cuts = tune(truth, probabilities, LABELS)
    tuned = metrics.multilabel_report(truth, probabilities, LABELS, cuts, n=10)
    listed = metrics.multilabel_report(truth, probabilities, LABELS, [*cuts.by_label.values()], n=10)
    pd.testing.assert_frame_equal(tuned.per_label, listed.per_label)
    assert (tuned.per_label["f1"] >= report.per_label["f1"]).all()
    np.testing.assert_array_equal(tuned.per_label["auc"], report.per_label["auc"])  # no cut moves the order


def test_a_label_without_positives_is_named_and_left_out(comments):
    truth, probabilities = comments
    without = truth.copy()
    without[:, 3] = 0
    with pytest.warns(UserWarning, match=r"No positive rows: threat\. Their scores are undefined"):
        report = metrics.multilabel_report(without, probabilities, LABELS, n=50)
    threat = report.per_label.loc["threat"]
    assert threat.drop("support").isna().all() and threat["support"] == 0
    assert report.macro_f1 == pytest.approx(report.per_label["f1"].drop("threat").mean())
    assert report.per_label[["f1", "ap", "auc"]].drop("threat").notna().all(axis=None) and report.averages.notna().all(
        axis=None
    )
    assert report.summary().loc["threat", "auc 95 %"] == "–"


def test_all_positive_leaves_only_the_auc_undefined():
    report = metrics.multilabel_report([[1], [1]], [[0.4], [0.6]], ["x"], n=20)
    row = report.per_label.loc["x"]
    assert np.isnan(row["auc"]) and row["ap"] == 1 and row["recall"] == 0.5


def test_the_difference_of_two_models_is_paired(comments):
    truth, probabilities = comments
    a, b = (probabilities >= 0.5).astype(int), (probabilities >= 0.3).astype(int)
    gain = metrics.multilabel_difference(truth, a, b)
    assert gain.value == pytest.approx(f1_score(truth, b, average="macro") - f1_score(truth, a, average="macro"))
    assert gain.low < gain.value < gain.high and gain.clear
    same = metrics.multilabel_difference(truth, a, a, "samples", n=20)
    assert (same.value, same.low, same.high) == (0, 0, 0)
    with pytest.raises(ValueError, match="There is no average 'weighted'"):
        metrics.multilabel_difference(truth, a, b, "weighted")


def test_intervals_repeat(comments, report):
    again = metrics.multilabel_report(*comments, LABELS, thresholds=0.3)
    pd.testing.assert_frame_equal(report.per_label, again.per_label)


@pytest.mark.parametrize(
    ("truth", "probabilities", "thresholds", "message"),
    [
        ([[0, 1]], [[0.1]], 0.5, r"shape \(1, 1\); \(rows, 2\) is needed"),
        ([[0, 1], [1, 0]], [[0.1, 0.2]], 0.5, "1 texts but 2 rows of labels"),
        ([[0, 1]], [[0.1, np.nan]], 0.5, "Row 0 has b = nan"),
        ([[0, 1]], [[-3.0, 0.2]], 0.5, "Row 0 has a = -3, which is not a probability"),
        ([[0, 2]], [[0.1, 0.2]], 0.5, "neither 0 nor 1"),
        ([[0, 1]], [[0.1, 0.2]], [0.5, 0.5, 0.5], "one for each"),
        ([[0, 1]], [[0.1, 0.2]], 1.5, "threshold"),
        ([0, 1], [[0.1, 0.2]], 0.5, "Several labels need a table"),
    ],
)
def test_what_cannot_be_scored_is_named(truth, probabilities, thresholds, message):
    with pytest.raises(ValueError, match=message):
        metrics.multilabel_report(truth, probabilities, ["a", "b"], thresholds)


def test_without_rows_there_is_nothing_to_score():
    none = np.zeros((0, 2))
    for call in (
        lambda: metrics.multilabel_report(none, none, ["a", "b"]),
        lambda: metrics.multilabel_difference(none, none, none),
    ):
        with pytest.raises(ValueError, match="There are no rows to score"):
            call()
    for call in (
        lambda: metrics.multilabel_report([[0]], [[0.5]], ["a"], n=0),
        lambda: metrics.difference([0, 1], [0, 1], [1, 1], n=0),
        lambda: metrics.report([0, 1], [0, 1]).interval(n=2.5),
        lambda: metrics.latency(len, ["text"], n=0),
    ):
        with pytest.raises(ValueError, match=r"n=.* must be a whole number from 1 up"):
            call()
