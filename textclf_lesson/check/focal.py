"""The item of lesson 6 on focal loss."""

from collections.abc import Iterator

import numpy as np

from textclf_lesson.check.core import Answer, CheckFailed, close, compare, item


def _bce(logits: np.ndarray, yes: np.ndarray) -> np.ndarray:
    return np.logaddexp(0, np.where(yes == 1, -logits, logits))


@item
def multilabel_focal_loss(answer: Answer, seed: int = 0) -> Iterator[str]:
    """Takes logits and targets (batch, labels), α (labels,), γ, a reduction; returns class-weighted focal loss."""
    import torch

    rng = np.random.default_rng(seed)
    z, yes = rng.normal(0, 2, size=(6, 3)), rng.integers(0, 2, size=(6, 3))
    yes[0], yes[1] = 1, 0
    ones, alpha, gamma = np.ones(3), np.array([1.0, 3.0, 8.0]) + seed, 2.0 + seed % 2
    ce, p = _bce(z, yes), 1 / (1 + np.exp(-z))
    p_t = np.exp(-ce)

    def loss(z: np.ndarray, alpha: np.ndarray, gamma: float, *reduction: str, truth: np.ndarray = yes) -> np.ndarray:
        given = [torch.tensor(each, dtype=torch.float32) for each in (z, truth, alpha)]
        if not reduction:
            return answer.number(*given, gamma)
        return answer.array(*given, gamma, *reduction, shape=z.shape)

    softmax = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    hints = {
        "With γ = 0 yours shares out one unit among the labels. Each label has its own sigmoid, no softmax.": -np.log(
            np.where(yes == 1, softmax, 1 - softmax)
        ),
        "With γ = 0 it is not BCE: it looks as if the sigmoid was applied twice. The function takes logits.": _bce(
            p, yes
        ),
        "Your loss is negative: where does the minus sign of −log p_t stand?": -ce,
        "You price p itself also where the target is 0. There the truth was given 1 − p.": -np.log(p),
        "With γ = 0 only the positives cost something. A negative that is called likely costs as well.": yes * ce,
    }
    otherwise = "With γ = 0 and α = 1 your loss should equal BCE; it does not."
    compare(loss(z, ones, 0.0, "none"), ce, hints, otherwise, 1e-4)
    hints = {
        "With γ = 0 your loss should equal BCE, and it is the sum: the mean over all elements is asked.": ce.sum(),
        "With γ = 0 your loss should equal BCE. Yours is larger by the factor labels: did you sum over one axis?": (
            ce.sum(axis=1).mean()
        ),
        "With γ = 0 your loss should equal BCE. Yours is larger by the factor batch: did you sum over one axis?": (
            ce.sum(axis=0).mean()
        ),
    }
    compare(loss(z, ones, 0.0), ce.mean(), hints, "Element by element it is right, but not the mean.", 1e-4)
    yield "γ = 0 is BCE"
    hints = {
        "Your γ makes easy answers *dearer*: the factor is (1 − p_t) to the power γ, not to −γ.": (1 - p_t) ** -gamma,
        "What is right and certain pays most: the factor is 1 − p_t, not p_t.": p_t**gamma,
        "Nothing changes with γ. Where does it stand in your formula?": ones,
        "The factor uses 1 − p for all. Where the target is 0, the truth was given 1 − p, so it is p that counts.": (
            (1 - p) ** gamma
        ),
        "You multiply by γ; it is a power.": gamma * (1 - p_t),
    }
    hints = {hint: factor * ce for hint, factor in hints.items()}
    focal = (1 - p_t) ** gamma * ce
    otherwise = f"γ = 0 is right, but with γ = {gamma:g} the factor (1 − p_t)^γ is not."
    compare(loss(z, ones, gamma, "none"), focal, hints, otherwise, 1e-4)
    yield "confident and right costs nothing"
    weight, spoilt = np.where(yes == 1, alpha, 1), np.exp(-np.where(yes == 1, alpha, 1) * ce)
    hints = {
        "A label's weight changed the loss of its *negatives*. α belongs to positives: look where targets are 1.": (
            alpha * focal
        ),
        "α lifts the negatives and leaves the positives alone. It is the rare yes that should weigh more.": (
            np.where(yes == 1, 1, alpha) * focal
        ),
        "Negatives weigh 1 here, not 1 − α as in the paper.": np.where(yes == 1, alpha, 1 - alpha) * focal,
        "You get p_t back from a price that is weighted already. Weigh last: p_t knows nothing of α.": (
            (1 - spoilt) ** gamma * weight * ce
        ),
        "α changes nothing. Which elements should weigh more?": focal,
    }
    otherwise = "With all α = 1 it is right, with others it is not: α[k] weighs the positives of label k."
    compare(loss(z, alpha, gamma, "none"), weight * focal, hints, otherwise, 1e-4)
    right = (weight * focal).mean()
    hints = {
        "The mean is over all elements, not over the sum of their weights.": (weight * focal).sum() / weight.sum(),
        "Without a reduction it should be the mean; yours is the sum.": (weight * focal).sum(),
    }
    compare(loss(z, alpha, gamma), right, hints, "Element by element it is right, but not the mean.", 1e-4)
    yield "α lifts only its own label's positives"
    far = np.array([[1e4, -1e4, 1e4], [-1e4, 1e4, -1e4]])
    far_yes = np.array([[0, 1, 1], [0, 1, 1]])
    got = loss(far, ones, gamma, "none", truth=far_yes)
    if not np.isfinite(got).all():
        raise CheckFailed(
            "Not finite at a logit of 10 000. Taking the sigmoid first and its logarithm after goes wrong there; start "
            "from the logits."
        )
    if not close(got, _bce(far, far_yes), 1e-3):
        raise CheckFailed("A wrong answer with a logit of 10 000 costs 10 000. Is something clipped?")
    yield "finite"
