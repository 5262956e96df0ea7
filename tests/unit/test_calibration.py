"""Calibration against values worked out by hand, against scikit-learn, and on a real model."""

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError
from sklearn.metrics import brier_score_loss, log_loss

from textclf_lesson import data
from textclf_lesson.evaluate import calibration
from textclf_lesson.evaluate.calibration import Temperature, brier, ece, reliability, wilson
from textclf_lesson.models import baselines


@pytest.fixture(scope="module")
def votes():
    """Logits and truth on validation and test rows of an SVM-like model that is far too sure of itself."""
    movies = data.load("movie-snippets")
    learn = movies["train"].shuffle(seed=0).select(range(2000))
    model = baselines.pipeline("tfidf", "logreg", classifier__C=1e4).fit(learn["text"][:], learn["label"][:])
    return {
        s: (model.decision_function(movies[s]["text"][:]), np.array(movies[s]["label"])) for s in ("validation", "test")
    }


def test_ece_by_hand():
    probabilities, y = [0.9, 0.9, 0.9, 0.9, 0.3, 0.3], [1, 1, 1, 0, 0, 0]
    # two bins: four rows say 0.9 and 0.75 come true, two say 0.3 and none does
    assert ece(probabilities, y, bins=2) == pytest.approx(4 / 6 * 0.15 + 2 / 6 * 0.3)
    assert ece([0.0, 1.0, 0.5, 0.5], [0, 1, 0, 1]) == 0


def test_of_several_classes_the_predicted_one_is_judged():
    probabilities, y = np.array([[0.7, 0.2, 0.1], [0.1, 0.1, 0.8]]), np.array([0, 1])
    assert ece(probabilities, y, bins=1) == pytest.approx(0.75 - 0.5)
    assert brier(probabilities, y) == pytest.approx((0.3**2 + 0.8**2) / 2)


def test_labels_of_a_table_count_alike():
    probabilities, y = np.array([[0.7, 0.2], [0.1, 0.8]]), np.array([[1, 0], [0, 1]])
    assert ece(probabilities, y) == ece(probabilities.ravel(), y.ravel())


def test_ece_of_a_model_that_keeps_its_word_goes_to_zero():
    rng = np.random.default_rng(0)
    said = rng.uniform(size=200_000)
    assert ece(said, (rng.uniform(size=said.size) < said).astype(int)) < 0.005
    assert ece(said, (rng.uniform(size=said.size) < said**2).astype(int)) == pytest.approx(1 / 6, abs=0.01)


def test_reliability_counts_every_row_once_and_its_interval_holds_the_share():
    said, y = np.linspace(0, 1, 101), np.r_[np.zeros(50, int), np.ones(51, int)]
    table = reliability(said, y, bins=10)
    assert table["rows"].sum() == 101 and len(table) == 10
    assert (table["low"] <= table["came true"] + 1e-9).all() and (table["came true"] <= table["high"] + 1e-9).all()
    assert table["low"].min() >= 0 and table["high"].max() <= 1


def test_wilson_agrees_with_a_published_value():
    low, high = calibration.wilson(np.array([5.0]), np.array([50]))
    assert (low[0], high[0]) == pytest.approx((0.0435, 0.2136), abs=1e-4)


def test_brier_is_scikit_learns(votes):
    logits, y = votes["test"]
    probabilities = 1 / (1 + np.exp(-logits))
    assert brier(probabilities, y) == pytest.approx(brier_score_loss(y, probabilities))


def test_a_temperature_mends_a_model_that_is_too_sure(votes):
    fitted = Temperature(multi_label=True).fit(*votes["validation"])
    logits, y = votes["test"]
    before, after = 1 / (1 + np.exp(-logits)), fitted.predict_proba(logits)
    assert fitted.temperature_ > 1.5
    assert ece(after, y) < ece(before, y) / 2
    assert brier(after, y) < brier(before, y)
    assert log_loss(y, after) < log_loss(y, before)
    assert np.array_equal(np.argsort(before, kind="stable"), np.argsort(after, kind="stable"))


def test_no_other_temperature_is_better(votes):
    logits, y = votes["validation"]
    best = Temperature(multi_label=True).fit(logits, y).temperature_

    def loss(t):
        return log_loss(y, 1 / (1 + np.exp(-logits / t)))

    assert loss(best) <= min(loss(t) for t in np.geomspace(0.1, 20, 200)) + 1e-6


def test_softmax_of_two_is_a_sigmoid(votes):
    logits, y = votes["validation"]
    two = np.stack([np.zeros_like(logits), logits], axis=1)
    single, double = Temperature(multi_label=True).fit(logits, y), Temperature().fit(two, y)
    assert single.temperature_ == pytest.approx(double.temperature_, rel=1e-3)
    assert np.allclose(double.predict_proba(two)[:, 1], single.predict_proba(logits), atol=1e-3)


@pytest.mark.parametrize(
    ("probabilities", "y", "message"),
    [
        ([], [], "must be there"),
        ([0.2, 1.2], [0, 1], "sigmoid or softmax first"),
        ([0.2, float("nan")], [0, 1], "must be there"),
        ([0.2, 0.3], [0, 2], "something else than 0 and 1"),
        ([0.2, 0.3], [0, 1, 1], "do not fit"),
        ([[0.2, 0.8]], [2], "0 to 1, not 2 to 2"),
        ([[0.2, 0.8]], [0.5], "do not fit"),
    ],
)
def test_bad_input_is_named(probabilities, y, message):
    for judge in (ece, brier, reliability):
        with pytest.raises(ValueError, match=message):
            judge(probabilities, y)


def test_a_label_that_no_row_has_is_judged_like_the_others(votes):
    logits, y = votes["validation"]
    logits, table = np.stack([logits, logits], axis=1), np.stack([y, np.zeros_like(y)], axis=1)
    fitted = Temperature(multi_label=True).fit(logits, table)
    assert 0.05 < fitted.temperature_ <= 20.1
    assert 0 < ece(fitted.predict_proba(logits), table) < 1 and 0 < brier(fitted.predict_proba(logits), table) < 1


def test_other_bad_input():
    with pytest.raises(ValueError, match="bins=0"):
        ece([0.5], [1], bins=0)
    for wrong in (float("inf"), float("nan")):
        with pytest.raises(ValueError, match="not finite"):
            Temperature(multi_label=True).fit([1.0, wrong], [0, 1])
    with pytest.raises(ValueError, match="multi_label=True"):
        Temperature().fit([1.0, 2.0], [0, 1])


def test_logits_of_any_size_are_safe():
    fitted = Temperature(multi_label=True).fit([1e4, -1e4, 5.0, -5.0], [1, 0, 0, 1])
    assert np.isfinite(fitted.predict_proba([1e4, -1e4])).all()


@pytest.mark.parametrize(
    ("hits", "rows"), [(0, 0), (np.array([1, 0]), np.array([2, 0])), (np.zeros(1), np.zeros(1)), (3, 2), (-1, 2)]
)
def test_a_share_of_no_rows_has_no_interval(hits, rows):
    with pytest.raises(ValueError, match="A share needs 1 row or more"):
        wilson(hits, rows)


@pytest.mark.parametrize(
    ("hits", "rows", "low", "high"), [(0, 10, 0, 0.2775), (10, 10, 0.7225, 1), (5, 10, 0.2366, 0.7634)]
)
def test_wilsons_interval_is_that_of_the_tables(hits, rows, low, high):
    """Against Brown, Cai and DasGupta (2001), formula 4, worked out by hand to four digits."""
    assert wilson(hits, rows) == pytest.approx((low, high), abs=1e-4)


def test_a_temperature_before_fit_says_what_to_do():
    with pytest.raises(NotFittedError, match=r"call fit\(logits, y\) with validation rows first"):
        Temperature().predict_proba([[1.0, 2.0]])
