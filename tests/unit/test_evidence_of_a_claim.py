"""What a claim prints of a comparison, and comparisons over several trainings."""

import numpy as np
import pytest
from sklearn.metrics import accuracy_score

from textclf_lesson.course import lesson
from textclf_lesson.evaluate import metrics

RNG = np.random.default_rng(0)
TRUTH = RNG.integers(0, 3, 600)


def noisy(share: float, seed: int) -> np.ndarray:
    """Predictions that are right but for a share of random ones."""
    rng = np.random.default_rng(seed)
    return np.where(rng.random(len(TRUTH)) < share, rng.integers(0, 3, len(TRUTH)), TRUTH)


def test_a_claim_prints_all_that_a_comparison_rests_on(capsys):
    gain = metrics.difference(TRUTH, noisy(0.5, 1), noisy(0.1, 2), "macro_f1", scope="made-up rows")
    lesson.claim("the second is better", gain.low > 0, gain, id="09.second")
    printed = capsys.readouterr().out
    assert (
        printed == f"✓ the second is better (macro f1 {gain}, 600 pairs, one training each, made-up rows) [09.second]\n"
    )


def test_a_multilabel_comparison_too():
    truth = RNG.integers(0, 2, (50, 3))
    gain = metrics.multilabel_difference(truth, 1 - truth, truth, "micro", scope="test")
    assert gain.evidence == f"micro F1 {gain}, 50 pairs, one training each, test"


def test_several_seeds_are_a_mean_and_their_spread_widens_the_interval():
    base = noisy(0.3, 0)
    alike = [noisy(0.2, 7)] * 3
    unlike = [noisy(share, seed) for share, seed in [(0.05, 1), (0.2, 2), (0.35, 3)]]
    mean = np.mean([accuracy_score(TRUTH, run) for run in unlike]) - accuracy_score(TRUTH, base)
    spread = metrics.difference(TRUTH, base, unlike)
    assert spread.value == pytest.approx(mean)
    assert spread.runs == (1, 3)
    assert "3 seeds" in spread.evidence
    same, one = metrics.difference(TRUTH, base, alike), metrics.difference(TRUTH, base, alike[0])
    assert (same.value, same.low, same.high) == pytest.approx((one.value, one.low, one.high))
    assert spread.high - spread.low > 1.2 * (same.high - same.low)


def test_seeds_may_be_rows_of_an_array_and_must_fit_the_truth():
    runs = np.stack([noisy(0.2, seed) for seed in range(3)])
    assert metrics.difference(TRUTH, runs, list(runs)).value == pytest.approx(0)
    with pytest.raises(ValueError, match="600 true labels but 10 predictions"):
        metrics.difference(TRUTH, runs, runs[:, :10])


def test_equally_good_needs_a_margin_named_beforehand():
    gain = metrics.Difference(0.001, -0.008, 0.012)
    assert not gain.clear
    assert gain.within(0.02)
    assert not gain.within(0.01)
