"""Averages worked out by hand, and real models of different kinds together."""

import numpy as np
import pytest
from scipy.special import expit, softmax

from textclf_lesson import data
from textclf_lesson.models import baselines
from textclf_lesson.models.ensemble import Ensemble, average_logits, best_weights, to_logits
from textclf_lesson.models.fasttext import FastTextClassifier


@pytest.fixture(scope="module")
def movies():
    splits = data.load("movie-snippets")
    learn = splits["train"].shuffle(seed=0).select(range(1500))
    return {"train": (learn["text"][:], learn["label"][:])} | {
        name: (splits[name]["text"][:], splits[name]["label"][:]) for name in ("validation", "test")
    }


@pytest.fixture(scope="module")
def members(movies):
    """Three kinds, one of them hardly trained."""
    return [
        baselines.pipeline("tfidf", "logreg").fit(*movies["train"]),
        baselines.pipeline("char", "logreg").fit(*movies["train"]),
        FastTextClassifier(epoch=1, dim=10, bucket=1000).fit(*movies["train"]),
    ]


def test_average_by_hand():
    one, other = np.array([[1.0, -1.0]]), np.array([[3.0, 0.0]])
    assert np.allclose(average_logits([one, other]), [[2.0, -0.5]])
    assert np.allclose(average_logits([one, other], [3, 1]), [[1.5, -0.75]])
    assert np.allclose(average_logits([one, other], [0, 2]), other)


def test_the_average_is_the_geometric_mean_of_probabilities():
    one, other = np.array([[0.9, 0.1]]), np.array([[0.5, 0.5]])
    product = np.sqrt(one * other)
    assert np.allclose(softmax(average_logits([np.log(one), np.log(other)]), axis=1), product / product.sum())


def test_models_without_logits_are_averaged_by_their_probabilities(movies, members):
    texts = movies["test"][0][:50]
    assert np.allclose(softmax(to_logits(members[0], texts, False), axis=1), members[0].predict_proba(texts), atol=1e-5)
    assert np.allclose(expit(to_logits(members[0], texts, True)), members[0].predict_proba(texts), atol=1e-5)
    assert np.isfinite(to_logits(members[2], texts, True)).all()


def test_a_transformer_gives_its_own_logits():
    from textclf_lesson.models.transformer import TransformerClassifier

    model = TransformerClassifier(epochs=1, max_length=16).fit(["good film", "bad film"], ["yes", "no"])
    assert np.array_equal(to_logits(model, ["good film"], False), model.logits(["good film"]).astype(float))


def test_an_ensemble_is_at_least_as_good_as_most_of_its_members(movies, members):
    texts, y = movies["test"]
    alone = [np.mean(model.predict_proba(texts).argmax(axis=1) == y) for model in members]
    tuned = Ensemble(members, multi_label=False).tune(*movies["validation"])
    proba = tuned.predict_proba(texts)
    assert np.allclose(proba.sum(axis=1), 1)
    assert np.mean(proba.argmax(axis=1) == y) >= sorted(alone)[1]
    assert tuned.weights[2] < 0.2, "the member that was hardly trained weighs little"
    assert tuned.weights.sum() == pytest.approx(1) and (tuned.weights >= 0).all()


def test_no_other_weights_are_better(movies, members):
    texts, y = movies["validation"]
    logits, y = [to_logits(model, texts, False) for model in members], np.array(y)

    def loss(weights):
        p = softmax(average_logits(logits, weights), axis=1)
        return -np.log(p[np.arange(len(y)), y]).mean()

    found = loss(best_weights(logits, y, False))
    tries = np.random.default_rng(0).dirichlet(np.ones(3), size=200)
    assert found <= min(loss(weights) for weights in tries) + 1e-5


def test_weights_for_several_labels():
    rng = np.random.default_rng(0)
    y = rng.integers(2, size=(300, 2))
    knows, guesses = (2 * y - 1) * 2.0 + rng.normal(size=y.shape), rng.normal(size=y.shape) * 3
    weights = best_weights([guesses, knows], y, True)
    assert weights[1] > 0.9


@pytest.mark.parametrize("weights", [[1], [1, -1], [0, 0], [1, float("nan")]])
def test_weights_that_make_no_sense(weights):
    with pytest.raises(ValueError, match="need as many weights"):
        average_logits([np.zeros((1, 2)), np.zeros((1, 2))], weights)


def test_a_label_that_no_row_has_still_leaves_weights():
    rng = np.random.default_rng(0)
    weights = best_weights(list(rng.normal(size=(2, 50, 2))), np.zeros((50, 2), int), True)
    assert weights.sum() == pytest.approx(1) and (weights >= 0).all()


def test_logits_of_any_size_are_safe():
    sure, y = np.array([[1e4, -1e4], [-1e4, 1e4]]), np.array([0, 1])
    for members, truth, multi_label in (([sure, -sure], y, False), ([sure, -sure], np.eye(2), True)):
        weights = best_weights(members, truth, multi_label)
        assert weights == pytest.approx([1, 0], abs=1e-3) or weights[0] > 0.5
        assert np.isfinite(average_logits(members, weights)).all()


@pytest.mark.parametrize(
    ("y", "multi_label", "message"),
    [
        ([0, 2], False, "whole numbers from 0 to 1"),
        ([0.5, 1], False, "whole numbers from 0 to 1"),
        (["a", "b"], False, "whole numbers from 0 to 1"),
        ([[0, 1], [2, 0]], True, "whole numbers from 0 to 1"),
        ([[0, 1]], True, "does not fit"),
    ],
)
def test_truths_that_no_weights_can_be_chosen_on(y, multi_label, message):
    with pytest.raises(ValueError, match=message):
        best_weights([np.zeros((2, 2)), np.ones((2, 2))], y, multi_label)
    with pytest.raises(ValueError, match="no rows"):
        best_weights([np.zeros((0, 2))], np.zeros((0, 2) if multi_label else 0), multi_label)


def test_a_member_whose_logits_are_no_numbers_is_named(members):
    broken = baselines.pipeline("tfidf").fit(["good film", "bad film"], [0, 1])
    broken["classifier"].coef_[:] = np.nan
    with pytest.raises(ValueError, match=r"Pipeline gives row 0 a logit that is not finite"):
        Ensemble([members[0], broken], multi_label=False).predict_proba(["good film"])


def test_other_bad_input(members):
    with pytest.raises(ValueError, match="one shape"):
        average_logits([np.zeros((1, 2)), np.zeros((1, 3))])
    with pytest.raises(ValueError, match="one shape"):
        average_logits([])
    with pytest.raises(ValueError, match="does not fit"):
        best_weights([np.zeros((3, 2))], np.zeros((3, 2)), False)
    three = baselines.pipeline("bow").fit(["good", "bad", "fair"], [0, 1, 2])
    with pytest.raises(ValueError, match="disagree about the classes"):
        Ensemble([members[0], three], multi_label=False)
    Ensemble([members[0], baselines.pipeline("bow").fit(["good", "bad"], ["yes", "no"])], multi_label=False)
    named = [baselines.pipeline("bow").fit(["good", "bad"], labels) for labels in (["a", "b"], ["b", "c"])]
    with pytest.raises(ValueError, match="disagree about the classes"):
        Ensemble(named, multi_label=False)
    with pytest.raises(ValueError, match="blank"):
        Ensemble(members, multi_label=False).predict_proba([" "])
