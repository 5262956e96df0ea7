"""Scores held to scikit-learn's, intervals to a plain row-by-row bootstrap, kappa to a worked example."""

import time

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, f1_score, precision_recall_fscore_support

from textclf_lesson import data
from textclf_lesson.evaluate import metrics
from textclf_lesson.models import baselines


@pytest.fixture(scope="module")
def reuters():
    """Truth and predictions of a linear model on the 52 topics, and of one that saw fewer rows."""
    splits = data.load("reuters-r52")
    texts, labels, test = splits["train"]["text"][:], splits["train"]["label"][:], splits["test"]
    small, full = (
        baselines.pipeline("tfidf", "logreg", features__min_df=3, classifier__tol=0.01).fit(texts[:n], labels[:n])
        for n in (1000, len(texts))
    )
    return test["label"][:], small.predict(test["text"]), full.predict(test["text"]), data.label_names(splits)


def test_scores_are_scikit_learns(reuters):
    y, _, pred, _ = reuters
    report = metrics.report(y, pred)
    assert report.accuracy == pytest.approx(accuracy_score(y, pred))
    assert report.macro_f1 == pytest.approx(f1_score(y, pred, average="macro"))
    assert report.weighted_f1 == pytest.approx(f1_score(y, pred, average="weighted"))


def test_the_per_class_table_is_scikit_learns_and_carries_the_names(reuters):
    y, _, pred, names = reuters
    table = metrics.report(y, pred, names).per_class
    assert table.index.tolist() == names
    theirs = np.array(precision_recall_fscore_support(y, pred, labels=range(len(names)), zero_division=np.nan))
    np.testing.assert_allclose(table.to_numpy().T, theirs)


def test_string_labels_score_like_their_numbers(reuters):
    y, _, pred, names = reuters
    as_words = metrics.report([names[i] for i in y], [names[i] for i in pred], labels=names)
    assert as_words.confusion.tolist() == metrics.report(y, pred, names).confusion.tolist()


def test_resampling_counts_is_resampling_rows(reuters):
    """The interval must be what the textbook bootstrap gives: draw rows, score, repeat."""
    y, _, pred, _ = reuters
    y, pred = np.array(y), np.array(pred)
    rng = np.random.default_rng(1)
    draws = (rng.integers(0, len(y), len(y)) for _ in range(1000))
    by_rows = np.array([f1_score(y[rows], pred[rows], average="macro") for rows in draws])
    low, high = metrics.interval(y, pred, "macro_f1", n=4000)
    # Each end of either interval is itself uncertain, by about a twentieth of the width.
    assert np.quantile(by_rows, [0.025, 0.975]) == pytest.approx([low, high], abs=0.15 * (high - low))


def test_the_interval_of_an_accuracy_is_the_binomial_one(reuters):
    y, _, pred, _ = reuters
    p = accuracy_score(y, pred)
    half = 1.96 * np.sqrt(p * (1 - p) / len(y))
    assert metrics.interval(y, pred, n=4000) == pytest.approx((p - half, p + half), abs=0.15 * half)


def test_intervals_repeat_and_depend_on_the_seed(reuters):
    y, _, pred, _ = reuters
    assert metrics.interval(y, pred) == metrics.interval(y, pred)
    assert metrics.interval(y, pred, "macro_f1", seed=1) != metrics.interval(y, pred, "macro_f1", seed=2)


def test_a_metric_may_be_a_function(reuters):
    y, _, pred, _ = reuters
    assert metrics.interval(y, pred, metrics.accuracy) == metrics.interval(y, pred, "accuracy")
    with pytest.raises(ValueError, match=r"There is no metric 'acuracy'. There are accuracy, macro_f1"):
        metrics.interval(y, pred, "acuracy")


def test_the_summary_is_rounded_and_its_intervals_hold_the_values(reuters):
    y, _, pred, _ = reuters
    summary = metrics.report(y, pred).summary()
    assert summary.index.tolist() == ["accuracy", "macro_f1", "weighted_f1"]
    assert (summary["low"] < summary["high"]).all()
    assert summary.equals(summary.round(3))
    assert summary.loc["accuracy"].between(summary.loc["accuracy", "low"], summary.loc["accuracy", "high"]).all()


def test_a_paired_difference_is_tighter_than_two_intervals(reuters):
    y, small, full, _ = reuters
    gain = metrics.difference(y, small, full)
    assert gain.value == pytest.approx(accuracy_score(y, full) - accuracy_score(y, small))
    assert gain.low < gain.value < gain.high
    assert gain.clear
    (low_a, high_a), (low_b, high_b) = metrics.interval(y, small), metrics.interval(y, full)
    assert gain.high - gain.low < (high_a - low_a) + (high_b - low_b)


def test_a_paired_difference_is_the_textbook_one(reuters):
    y, small, full, _ = map(np.array, reuters)
    rng = np.random.default_rng(1)
    gains = []
    for _ in range(500):
        rows = rng.integers(0, len(y), len(y))
        gains.append(f1_score(y[rows], full[rows], average="macro") - f1_score(y[rows], small[rows], average="macro"))
    ours = metrics.difference(y, small, full, "macro_f1", n=4000)
    assert np.quantile(gains, [0.025, 0.975]) == pytest.approx([ours.low, ours.high], abs=0.2 * (ours.high - ours.low))


def test_a_model_does_not_beat_itself(reuters):
    y, _, pred, _ = reuters
    same = metrics.difference(y, pred, pred, "macro_f1")
    assert (same.value, same.low, same.high) == (0, 0, 0)
    assert not same.clear
    assert str(same) == "+0.000 [+0.000, +0.000]"


@pytest.mark.parametrize(
    ("y_true", "y_pred", "labels", "error", "first_line"),
    [
        ([0, 1], [0, 1, 1], None, ValueError, "2 true labels but 3 predictions"),
        ([], [], None, ValueError, "There are no labels"),
        ([0, 1], ["a", "b"], None, TypeError, "The truth holds labels like"),
        ([0, 1], [0, 2], ["a", "b"], ValueError, "Row 1 has the label 2, which is not in the set"),
        (["a", "b"], ["a", "c"], ["a", "b"], ValueError, "Row 1 has the label 'c', which is not in the set"),
        ([0, None], [0, 1], None, ValueError, "Row 1 of labels is missing"),
    ],
)
def test_bad_predictions_are_named_in_the_first_line(y_true, y_pred, labels, error, first_line):
    with pytest.raises(error) as caught:
        metrics.report(y_true, y_pred, labels)
    assert str(caught.value).splitlines()[0].startswith(first_line)


def test_a_class_that_neither_occurs_nor_is_predicted_does_not_count():
    report = metrics.report([0, 0, 1], [0, 1, 1], labels=["a", "b", "never"])
    assert report.macro_f1 == pytest.approx(f1_score([0, 0, 1], [0, 1, 1], average="macro"))
    assert np.isnan(report.per_class.loc["never", "f1"])
    assert report.weighted_f1 == pytest.approx(f1_score([0, 0, 1], [0, 1, 1], average="weighted"))


def test_fleiss_kappa_of_the_worked_example():
    """The table of Fleiss 1971's method as worked through in most textbooks: 14 raters, 10 items, kappa 0.210."""
    counts = [
        [0, 0, 0, 0, 14], [0, 2, 6, 4, 2], [0, 0, 3, 5, 6], [0, 3, 9, 2, 0], [2, 2, 8, 1, 1],
        [7, 7, 0, 0, 0], [3, 2, 6, 3, 0], [2, 5, 3, 2, 2], [6, 5, 2, 1, 0], [0, 2, 2, 3, 7],
    ]  # fmt: skip
    assert metrics.fleiss_kappa(counts) == pytest.approx(0.210, abs=5e-4)


def test_fleiss_kappa_of_the_shipped_annotators():
    """The agreement that the data set's README reports, computed again from its rows."""
    ratings = data.agreement()
    reported = {"toxic": 0.95, "obscene": 0.96, "identity_hate": 0.93, "insult": 0.85, "threat": 0.83}
    for label, kappa in reported.items():
        yes = ratings.groupby("id")[label].sum()
        assert metrics.fleiss_kappa(np.c_[yes, 8 - yes]) == pytest.approx(kappa, abs=0.005)


@pytest.mark.parametrize(
    ("counts", "first_line"),
    [
        ([[3, 0], [2, 0]], "Every item needs the same number of annotators, at least 2; here 2 to 3."),
        ([[1, 0], [0, 1]], "Every item needs the same number of annotators, at least 2; here 1 to 1."),
        ([[3, 0], [3, 0]], "All ratings are in one category"),
        ([3, 0], "counts must be a table (items, categories)"),
        ([[4, -1], [2, 1]], "counts must be a table (items, categories)"),
    ],
)
def test_fleiss_kappa_names_what_it_cannot_use(counts, first_line):
    with pytest.raises(ValueError) as caught:
        metrics.fleiss_kappa(counts)
    assert str(caught.value).startswith(first_line)


def test_latency_times_single_texts_after_the_warm_up():
    calls = []

    def predict(texts):
        calls.append(texts)
        if len(calls) > 3:
            time.sleep(0.005)  # so that an uncounted call, if it were counted, would show as the fastest

    measured = metrics.latency(predict, ["first", "second"], n=20, warmup=3)
    assert calls[:3] == [["first"], ["second"], ["first"]]
    assert len(calls) == 23
    assert len(measured.times) == 20
    assert measured.times.min() >= 5  # milliseconds
    assert measured.times.min() <= measured.median <= measured.p95 <= measured.times.max()
    assert str(measured).startswith(f"median {measured.median:.2f} ms, p95 ")


def test_latency_needs_texts():
    with pytest.raises(ValueError, match="There is no text"):
        metrics.latency(len, [])
