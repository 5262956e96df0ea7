"""Class weights held to scikit-learn's and to the paper; resampling held to what it promises, on real articles."""

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.utils.class_weight import compute_class_weight

from textclf_lesson import data
from textclf_lesson.models import baselines
from textclf_lesson.training import imbalance
from textclf_lesson.training.losses import FocalLoss


@pytest.fixture(scope="module")
def topics():
    """The labels of reuters-r52's training articles: 52 topics, from one article to thousands."""
    return data.load("reuters-r52")["train"]["label"][:]


@pytest.fixture(scope="module")
def comments():
    return data.load("wiki-toxicity")["train"].to_pandas()[data.TOXICITY]


@pytest.fixture(scope="module")
def articles(topics):
    """Vectors of some articles, letters counted, and their topics: classes of 1, 3, 7 and more rows."""
    texts = data.load("reuters-r52")["train"]["text"][:]
    counts = pd.Series(topics).value_counts()
    chosen = [next(label for label, n in counts.items() if low <= n <= high) for low, high in [(1, 1), (3, 4), (7, 9)]]
    rows = [row for row, label in enumerate(topics) if label in chosen]
    rows += [row for row, label in enumerate(topics) if label == counts.index[5]][:40]
    bag = baselines.pipeline("bow")["features"].fit_transform([texts[row] for row in rows])
    frequent = np.argsort(-bag.sum(axis=0).A1, kind="stable")[:200]
    return bag[:, frequent].toarray().astype(np.float32), np.array(topics)[rows]


def test_balanced_weights_are_scikit_learns(topics):
    ours = imbalance.class_weights(topics)
    theirs = compute_class_weight("balanced", classes=np.unique(topics), y=np.array(topics))
    np.testing.assert_allclose(ours, theirs)
    assert ours.index.tolist() == sorted(set(topics))


def test_effective_weights_are_the_papers(topics):
    ours = imbalance.class_weights(topics, "effective", beta=0.99)
    counts = np.bincount(topics)
    weights = (1 - 0.99) / (1 - 0.99**counts)  # Cui et al. 2019, section 3.2, scaled to add up to the classes
    np.testing.assert_allclose(ours, weights / weights.sum() * len(counts))


def test_beta_leads_from_no_weights_to_balanced(topics):
    np.testing.assert_allclose(imbalance.class_weights(topics, "effective", beta=0), 1)
    near, balanced = imbalance.class_weights(topics, "effective", 1 - 1e-9), imbalance.class_weights(topics)
    np.testing.assert_allclose(near / near.sum(), balanced / balanced.sum(), rtol=1e-3)


def test_weights_of_positives_balance_them_with_the_negatives(comments):
    weights = imbalance.class_weights(comments)
    np.testing.assert_allclose(weights * comments.sum(), len(comments) - comments.sum())
    assert weights.index.tolist() == data.TOXICITY
    gentle = imbalance.class_weights(comments, "effective", beta=0.99)
    rare = weights[weights > 2].index
    assert (gentle[rare] < weights[rare]).all() and (gentle[rare] > 1).all()


def test_names_keep_their_weights():
    weights = imbalance.class_weights(["spam", "ham", "ham", "ham"])
    assert weights.to_dict() == pytest.approx({"ham": 4 / 6, "spam": 2.0})


@pytest.mark.parametrize(
    ("y", "options", "message"),
    [
        ([0, 1], {"method": "inverse"}, "method='inverse' is unknown: choose one of balanced, effective"),
        ([0, 1], {"method": "effective", "beta": 1}, "beta=1 does not fit"),
        ([1, 1], {}, "All 2 labels are 1"),
        ([0, None], {}, "Row 1 of labels is missing"),
        (pd.DataFrame({"a": [0, 1], "b": [0, 0]}), {}, "Label 'b' has no positives in 2 rows"),
        (np.array([[1, 0], [1, 1]]), {}, "Label 0 has no negatives in 2 rows"),
        (np.array([[1, np.nan], [0, 1]]), {}, "which is neither 0 nor 1"),
    ],
)
def test_weights_that_do_not_exist(y, options, message):
    with pytest.raises(ValueError, match=message):
        imbalance.class_weights(y, **options)


def test_a_class_without_rows_has_no_weight_and_the_loss_says_so():
    weights = imbalance.class_weights([0, 0, 2])
    assert weights.index.tolist() == [0, 2]
    with pytest.raises(ValueError, match="alpha has 2 weights for 3 classes"):
        FocalLoss(alpha=weights)(torch.zeros(3, 3), torch.tensor([0, 0, 2]))


@pytest.mark.parametrize("strategy", imbalance.STRATEGIES)
def test_every_class_gets_its_rows(articles, strategy):
    vectors, y = articles
    counts = pd.Series(y).value_counts()
    more, labels = imbalance.resample(vectors, y, strategy)
    even = counts.min() if strategy == "under" else counts.max()
    assert (pd.Series(labels).value_counts() == even).all() and set(labels) == set(y)
    again = imbalance.resample(vectors, y, strategy)
    np.testing.assert_array_equal(more, again[0])
    assert not np.array_equal(more, imbalance.resample(vectors, y, strategy, seed=1)[0])


def test_rows_is_a_floor_when_copying_and_a_ceiling_when_leaving_out(articles):
    vectors, y = articles
    before = pd.Series(y).value_counts()
    after = pd.Series(imbalance.resample(vectors, y, "over", rows=10)[1]).value_counts()
    assert (after[before.index] == before.clip(lower=10)).all()
    after = pd.Series(imbalance.resample(vectors, y, "under", rows=5)[1]).value_counts()
    assert (after[before.index] == before.clip(upper=5)).all()


@pytest.mark.parametrize("strategy", ["over", "under"])
def test_copies_are_copies(articles, strategy):
    vectors, y = articles
    known = {(label, row.tobytes()) for label, row in zip(y, vectors, strict=True)}
    assert {
        (label, row.tobytes()) for label, row in zip(*imbalance.resample(vectors, y, strategy)[::-1], strict=True)
    } <= known


def test_smote_makes_rows_between_neighbours_and_copies_a_lone_one(articles):
    vectors, y = articles
    more, labels = imbalance.resample(vectors, y, "smote")
    lone = vectors[y == pd.Series(y).value_counts().idxmin()]
    assert len(lone) == 1 and (more[labels == y[(vectors == lone).all(axis=1)][0]] == lone).all()
    label = next(label for label, n in pd.Series(y).value_counts().items() if n in (3, 4))
    own, made = vectors[y == label], more[labels == label]
    new = [row for row in made if not (row == own).all(axis=1).any()]
    assert new
    for row in new:  # on the straight line between two rows of its class
        between = [np.linalg.norm(row - a) + np.linalg.norm(row - b) - np.linalg.norm(a - b) for a in own for b in own]
        assert min(between) < 1e-4


@pytest.mark.parametrize(
    ("vectors", "y", "options", "message"),
    [
        (np.eye(4), [0, 0, 1, 1], {"strategy": "copy"}, "strategy='copy' is unknown: choose one of over, under, smote"),
        (np.eye(4), [0, 0, 1], {"strategy": "over"}, "4 texts but 3 labels"),
        (np.eye(4), [0, 0, 1, 1], {"strategy": "over", "rows": 0}, "rows=0 does not fit"),
        (["a", "b"], [0, 1], {"strategy": "over"}, "embed the texts first"),
        (np.eye(2) * np.nan, [0, 1], {"strategy": "smote"}, "hold NaN or infinity"),
        (np.eye(2), [1, 1], {"strategy": "smote"}, "All 2 labels are 1"),
    ],
)
def test_what_cannot_be_resampled_is_named(vectors, y, options, message):
    with pytest.raises(ValueError, match=message):
        imbalance.resample(vectors, y, **options)


@pytest.mark.parametrize(
    "remedy", [{}, {"strategy": "over"}, {"strategy": "smote"}, {"weights": "effective", "gamma": 2.0}]
)
def test_a_head_learns_with_every_remedy_and_repeats(articles, remedy, monkeypatch):
    monkeypatch.setattr(imbalance, "STEPS", 200)  # enough for four topics
    vectors, y = articles
    y = np.unique(y, return_inverse=True)[1]
    state = torch.random.get_rng_state()
    probabilities = imbalance.fit_head(vectors, y, **remedy)(vectors)
    assert torch.equal(state, torch.random.get_rng_state())
    assert (probabilities.argmax(axis=1) == y).mean() > 0.9
    lone = y == np.bincount(y).argmin()
    assert lone.sum() == 1 and (probabilities[lone].argmax() == y[lone] or "strategy" not in remedy)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)
    np.testing.assert_array_equal(probabilities, imbalance.fit_head(vectors, y, **remedy)(vectors))
    assert not np.array_equal(probabilities, imbalance.fit_head(vectors, y, seed=1, **remedy)(vectors))


@pytest.mark.parametrize(
    ("vectors", "y", "message"),
    [
        (np.eye(3), [0, 1, 0, 1, 1], "3 texts but 5 labels"),
        (np.eye(3), [0, 1], "3 texts but 2 labels"),
        (np.eye(2), ["a", "b"], "whole numbers from 0"),
        (np.eye(2), [-1, 1], "whole numbers from 0"),
        (np.eye(2) * np.nan, [0, 1], "NaN or infinity"),
        (pd.DataFrame(np.eye(3)), pd.Series([0, 1, 0], index=[2, 1, 0]), "are not the same"),
    ],
)
def test_a_head_refuses_what_it_cannot_learn_from(vectors, y, message):
    with pytest.raises(ValueError, match=message):
        imbalance.fit_head(vectors, y)


def test_lists_of_labels_are_told_how_to_become_a_table():
    with pytest.raises(ValueError, match="MultiLabelBinarizer"):
        imbalance.class_weights([["a"], ["a", "b"], []])
