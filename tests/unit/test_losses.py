"""Focal loss held to torch's cross-entropies at gamma 0, to the published formula, and to its own limits."""

import hypothesis.strategies as st
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis.extra.numpy import arrays

from textclf_lesson import data
from textclf_lesson.models.transformer import TransformerClassifier
from textclf_lesson.training.losses import FocalLoss

ALPHA = [0.5, 1.0, 2.0, 4.0]


def drawn(seed: int, rows: int = 32, spread: float = 3.0):
    """Logits of four classes, the position of the true one, and a table of four labels."""
    torch.manual_seed(seed)
    return spread * torch.randn(rows, 4), torch.randint(4, (rows,)), torch.randint(2, (rows, 4)).float()


def published(inputs, targets, alpha, gamma):
    """torchvision.ops.sigmoid_focal_loss, the formula of the paper's authors; a negative alpha: unweighted."""
    p = torch.sigmoid(inputs)
    ce_loss = F.binary_cross_entropy_with_logits(inputs, targets, reduction="none")
    p_t = p * targets + (1 - p) * (1 - targets)
    loss = ce_loss * ((1 - p_t) ** gamma)
    if alpha >= 0:
        loss = (alpha * targets + (1 - alpha) * (1 - targets)) * loss
    return loss


@given(seed=st.integers(0, 10_000), smooth=st.sampled_from([0.0, 0.1, 0.5]), weighted=st.booleans())
@settings(max_examples=50, deadline=None)
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_gamma_zero_is_cross_entropy(reduction, seed, smooth, weighted):
    logits, targets, _ = drawn(seed)
    alpha = torch.tensor(ALPHA) if weighted else None
    ours = FocalLoss(0, alpha, label_smoothing=smooth, reduction=reduction)(logits, targets)
    theirs = F.cross_entropy(logits, targets, weight=alpha, label_smoothing=smooth, reduction=reduction)
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)


@given(seed=st.integers(0, 10_000), weighted=st.booleans())
@settings(max_examples=50, deadline=None)
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_gamma_zero_with_several_labels_is_binary_cross_entropy(reduction, seed, weighted):
    logits, _, targets = drawn(seed)
    alpha = torch.tensor(ALPHA) if weighted else None
    ours = FocalLoss(0, alpha, multi_label=True, reduction=reduction)(logits, targets)
    theirs = F.binary_cross_entropy_with_logits(logits, targets, pos_weight=alpha, reduction=reduction)
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)


@given(seed=st.integers(0, 10_000), gamma=st.floats(0, 5), alpha=st.sampled_from([-1, 0.25, 0.5, 0.9]))
@settings(max_examples=100, deadline=None)
def test_several_labels_agree_with_the_published_formula(seed, gamma, alpha):
    logits, _, targets = drawn(seed)
    weight, scale = (None, 1) if alpha < 0 else ([alpha / (1 - alpha)] * 4, 1 - alpha)
    ours = scale * FocalLoss(gamma, weight, multi_label=True, reduction="none")(logits, targets)
    torch.testing.assert_close(ours, published(logits, targets, alpha, gamma), rtol=1e-3, atol=1e-5)


@given(seed=st.integers(0, 10_000), gamma=st.floats(0, 5))
@settings(max_examples=50, deadline=None)
def test_two_classes_are_one_label(seed, gamma):
    """A softmax over (0, z) is a sigmoid of z, so both forms must give the same loss."""
    logits, _, targets = drawn(seed)
    z, truth = logits[:, :1], targets[:, :1]
    pair = torch.cat([torch.zeros_like(z), z], dim=1)
    softmax = FocalLoss(gamma, reduction="none")(pair, truth[:, 0].long())
    sigmoid = FocalLoss(gamma, multi_label=True, reduction="none")(z, truth)
    torch.testing.assert_close(softmax, sigmoid[:, 0], rtol=1e-3, atol=1e-5)


@given(seed=st.integers(0, 10_000), gamma=st.sampled_from([0, 0.3, 1, 2, 3.7]), weighted=st.booleans())
@settings(max_examples=50, deadline=None)
def test_targets_of_0_and_1_and_targets_beside_them_have_the_same_loss_and_slope(seed, gamma, weighted):
    """Whole targets take a shorter way, in which only one of two terms is computed."""
    logits, _, targets = drawn(seed)
    found = []
    for table in (targets, targets.double() * (1 - 1e-12)):
        z = logits.double().requires_grad_()
        loss = FocalLoss(gamma, ALPHA if weighted else None, multi_label=True, reduction="none")(z, table.double())
        loss.sum().backward()
        found.append((loss, z.grad))
    torch.testing.assert_close(found[0], found[1], rtol=1e-6, atol=1e-9)


def test_a_logit_of_0_has_its_slope():
    """Where a new output layer begins: p = 1/2, and the slope is that of the formula, not that of a kink."""
    z = torch.zeros(1, 2, requires_grad=True)
    FocalLoss(2, multi_label=True, reduction="sum")(z, torch.tensor([[1.0, 0.0]])).backward()
    slope = 0.25 * (2 * 0.5 * np.log(2) + 0.5)
    np.testing.assert_allclose(z.grad.numpy(), [[-slope, slope]], rtol=1e-6)


@pytest.mark.parametrize("z", [-30.0, -15.0, 15.0, 30.0])
def test_a_confident_label_is_exact_to_the_last_digits(z):
    """In float32, where log(1 - p) would be 0 or off in the first digit: held to float64."""
    for target in (0.0, 1.0):
        exact = np.logaddexp(0, z if target == 0 else -z) * (1 / (1 + np.exp(-z if target == 0 else z))) ** 2
        ours = FocalLoss(2, multi_label=True)(torch.tensor([[z]]), torch.tensor([[target]]))
        np.testing.assert_allclose(ours.item(), exact, rtol=1e-5)


@pytest.mark.parametrize("kind", [np.float32, np.float64, np.int32])
def test_settings_may_be_numpys(kind):
    ours, own = FocalLoss(kind(2), np.array(ALPHA)), FocalLoss(2.0, ALPHA)
    assert type(ours.gamma) is float and torch.equal(ours.alpha, own.alpha)
    logits, targets, _ = drawn(4)
    assert torch.equal(ours(logits, targets), own(logits, targets))


def test_smoothing_several_labels_is_smoothing_their_targets():
    logits, _, targets = drawn(0)
    ours = FocalLoss(0, multi_label=True, label_smoothing=0.2)(logits, targets)
    torch.testing.assert_close(ours, F.binary_cross_entropy_with_logits(logits, targets * 0.8 + 0.1))


@given(seed=st.integers(0, 10_000), low=st.floats(0, 3), more=st.floats(0.1, 3))
@settings(max_examples=50, deadline=None)
def test_a_larger_gamma_lowers_the_loss_and_most_where_it_is_easy(seed, low, more):
    logits, targets, _ = drawn(seed)
    p_t = logits.softmax(1).gather(1, targets[:, None])[:, 0]
    small, large = (FocalLoss(gamma, reduction="none")(logits, targets) for gamma in (low, low + more))
    assert (large <= small).all()
    shares = (large / small)[small > 1e-6]
    assert (shares[p_t[small > 1e-6].argsort()].diff() <= 1e-4).all()


@pytest.mark.parametrize("multi_label", [False, True])
@pytest.mark.parametrize("smooth", [0.0, 0.1])
@pytest.mark.parametrize("gamma", [0, 0.5, 1, 2, 5])
def test_slopes_are_those_of_the_values(gamma, smooth, multi_label):
    logits, targets, table = drawn(1, rows=6)
    loss = FocalLoss(gamma, ALPHA, multi_label=multi_label, label_smoothing=smooth)
    truth = table.double() if multi_label else targets
    assert torch.autograd.gradcheck(lambda z: loss(z, truth), logits.double().requires_grad_())


@pytest.mark.parametrize("multi_label", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("smooth", [0.0, 0.1])
@pytest.mark.parametrize("gamma", [0, 0.5, 1, 2, 5])
def test_huge_logits_keep_value_and_slope_finite(gamma, smooth, dtype, multi_label):
    logits = torch.tensor([[1e4, -1e4], [-1e4, 1e4], [0, 0]], dtype=dtype, requires_grad=True)
    targets = torch.tensor([[1.0, 1], [1, 0], [0, 1]]) if multi_label else torch.tensor([0, 0, 1])
    loss = FocalLoss(gamma, multi_label=multi_label, label_smoothing=smooth, reduction="none")(logits, targets)
    assert loss.dtype == torch.float32
    loss.sum().backward()
    assert loss.isfinite().all() and logits.grad.isfinite().all()
    if not smooth:
        assert loss[0].min() == 0  # right and certain costs nothing
        assert loss[1].max() >= 0.99e4  # wrong and certain costs the whole distance


@given(
    values=arrays(np.float32, (5, 4), elements=st.floats(-1e4, 1e4, width=32)),
    gamma=st.floats(0, 5),
    smooth=st.sampled_from([0.0, 0.1]),
)
@settings(max_examples=200, deadline=None)
@pytest.mark.parametrize("multi_label", [False, True])
def test_whatever_the_logits_there_is_a_loss_and_a_slope(multi_label, values, gamma, smooth):
    logits = torch.tensor(values, requires_grad=True)
    targets = torch.eye(5, 4) if multi_label else torch.arange(5) % 4
    loss = FocalLoss(gamma, ALPHA, multi_label=multi_label, label_smoothing=smooth)(logits, targets)
    loss.backward()
    assert 0 <= loss < np.inf and logits.grad.isfinite().all()


@pytest.mark.parametrize("gamma", [0, 2])
def test_a_label_that_no_row_has_is_learned_as_a_no(gamma):
    logits, _, table = drawn(3)
    table[:, 1] = 0
    logits.requires_grad_()
    FocalLoss(gamma, ALPHA, multi_label=True)(logits, table).backward()
    assert logits.grad.isfinite().all() and (logits.grad[:, 1] > 0).all()


@pytest.mark.parametrize("multi_label", [False, True])
def test_alpha_weighs_its_own_class_only(multi_label):
    logits, targets, table = drawn(2)
    truth = table if multi_label else targets
    plain = FocalLoss(multi_label=multi_label, reduction="none")(logits, truth)
    heavy = FocalLoss(alpha=[1, 1, 3, 1], multi_label=multi_label, reduction="none")(logits, truth)
    raised = (table * torch.tensor([0, 0, 1, 0])).bool() if multi_label else targets == 2
    torch.testing.assert_close(heavy / plain, torch.where(raised, 3.0, 1.0))


LOGITS, CLASSES, TABLE = torch.zeros(2, 3), torch.tensor([0, 2]), torch.zeros(2, 3)


@pytest.mark.parametrize(
    ("options", "logits", "targets", "error", "message"),
    [
        ({"gamma": -1}, LOGITS, CLASSES, ValueError, r"gamma=-1 does not fit: it must be 0"),
        ({"gamma": float("nan")}, LOGITS, CLASSES, ValueError, "gamma=nan does not fit"),
        ({"gamma": "2"}, LOGITS, CLASSES, ValueError, "gamma='2' does not fit: it must be 0"),
        ({"gamma": np.float32(-1)}, LOGITS, CLASSES, ValueError, r"gamma=-1\.0 does not fit"),
        ({"label_smoothing": "0.1"}, LOGITS, CLASSES, ValueError, "label_smoothing='0.1' must lie"),
        ({"alpha": ["one", "two"]}, LOGITS, CLASSES, ValueError, "alpha must be one positive, finite weight per class"),
        ({"reduction": "average"}, LOGITS, CLASSES, ValueError, "reduction='average' is unknown: choose one of mean"),
        ({"label_smoothing": 1}, LOGITS, CLASSES, ValueError, "label_smoothing=1 must lie"),
        ({"alpha": [1, 0, 1]}, LOGITS, CLASSES, ValueError, "alpha must be one positive, finite weight per class"),
        ({"alpha": [1, 2]}, LOGITS, CLASSES, ValueError, "alpha has 2 weights for 3 classes"),
        ({"alpha": [1] * 4}, LOGITS, CLASSES, ValueError, "alpha has 4 weights for 3 classes"),
        ({"alpha": [1, 2], "multi_label": True}, LOGITS, TABLE, ValueError, "alpha has 2 weights for 3 classes"),
        ({"alpha": 2.0}, LOGITS, CLASSES, ValueError, "alpha must be one positive, finite weight per class"),
        ({}, LOGITS[:0], CLASSES[:0], ValueError, "1 row or more; here \\(0, 3\\)"),
        ({"multi_label": True}, LOGITS[:0], TABLE[:0], ValueError, "1 row or more; here \\(0, 3\\)"),
        ({"reduction": "none"}, LOGITS[:0], CLASSES[:0], ValueError, "1 row or more"),
        ({}, LOGITS[0], CLASSES, ValueError, "Logits must be"),
        ({}, LOGITS, TABLE, ValueError, r"Targets have the shape \(2, 3\); \(2,\) is needed"),
        ({"multi_label": True}, LOGITS, CLASSES, ValueError, r"Targets have the shape \(2,\); \(2, 3\) is needed"),
        ({}, LOGITS, CLASSES.float(), TypeError, r"pass targets.long\(\)"),
        ({"multi_label": True}, LOGITS, TABLE.long(), TypeError, r"pass targets.float\(\)"),
        ({"multi_label": True}, LOGITS, TABLE.bool(), TypeError, r"Targets are torch.bool: pass targets.float\(\)"),
        ({}, LOGITS, CLASSES.int(), TypeError, r"Targets are torch.int32: pass targets.long\(\)"),
        ({}, LOGITS, CLASSES.to(torch.uint8), TypeError, r"Targets are torch.uint8: pass targets.long\(\)"),
        ({"multi_label": True}, LOGITS, TABLE.int(), TypeError, r"Targets are torch.int32: pass targets.float\(\)"),
        ({}, LOGITS, CLASSES.bool(), TypeError, r"Targets are torch.bool: pass targets.long\(\)"),
        ({}, LOGITS, torch.tensor([0, 3]), ValueError, "lie from 0 to 3, not from 0 to 2"),
        ({"multi_label": True}, LOGITS, TABLE - 1, ValueError, "lie from -1 to -1, not from 0 to 1"),
        ({"multi_label": True}, LOGITS, TABLE * np.nan, ValueError, "lie from nan to nan"),
        ({}, LOGITS * np.nan, CLASSES, ValueError, "The loss is not a number: the logits hold NaN"),
        ({"multi_label": True}, LOGITS * np.nan, TABLE, ValueError, "The loss is not a number"),
        ({}, LOGITS + np.inf, CLASSES, ValueError, "The loss is not a number"),
    ],
)
def test_what_has_no_loss_is_named(options, logits, targets, error, message):
    with pytest.raises(error, match=message):
        FocalLoss(**options)(logits, targets)


def test_a_transformer_trains_with_it():
    """With gamma 0 it must learn what the built-in loss learns, on real comments, weights and all."""
    wiki = data.load("wiki-toxicity")["train"].to_pandas().query("text.str.len() < 60").head(32)
    texts, table = wiki["text"].tolist(), wiki[data.TOXICITY]
    own = {"problem_type": "multi_label_classification", "epochs": 1, "batch_size": 8, "max_length": 16}
    own["precision"] = "fp32"
    scores = [
        TransformerClassifier(loss=loss, **own).fit(texts, table).logits(texts[:8])
        for loss in (None, FocalLoss(0, multi_label=True), FocalLoss(2, [2.0] * 6, multi_label=True))
    ]
    np.testing.assert_allclose(scores[0], scores[1], atol=1e-4)
    assert abs(scores[0] - scores[2]).max() > 1e-3
