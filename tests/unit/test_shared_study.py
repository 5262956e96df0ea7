"""The study that makes the shared classifiers anew: what it calls the same, and what not."""

import numpy as np
import pytest

from studies import shared
from textclf_lesson.models import checkpoints


def test_a_score_is_held_to_where_another_seed_would_lie():
    rng = np.random.default_rng(0)
    inside = [shared.within(drawn[3], list(drawn[:3]))[0] for drawn in rng.normal(0.8, 0.05, (4000, 4))]
    assert np.mean(inside) == pytest.approx(0.95, abs=0.012)
    assert shared.within(0.8, [0.8, 0.8, 0.8]) == (True, pytest.approx(0.79), pytest.approx(0.81))
    assert not shared.within(0.75, [0.80, 0.801, 0.799])[0]


def test_scores_outside_and_missing_seeds_are_told(monkeypatch):
    import pandas as pd

    facts = checkpoints.read_card(checkpoints.SHARED / "sentiment")
    accuracy = facts["scores"]["validation"]["accuracy"][0]
    own = {"name": "sentiment", "recipe": facts["recipe"]}
    stored = [own | {"seed": seed, "scores": {"accuracy": accuracy + 0.1}} for seed in (0, 1, 2)]
    monkeypatch.setattr(shared.evidence, "runs", lambda name: pd.DataFrame(stored))
    told = shared.check()
    assert told[0].startswith(f"✗ sentiment, accuracy: {accuracy:.3f}, 3 seeds: [")
    assert told[1] == "✗ toxicity: 0 of 3 seeds are stored, two are the least: make remade"


def test_without_a_stored_run_it_is_said_what_to_do(monkeypatch):
    def nothing(name):
        raise ValueError(f"Nothing is stored under {name!r}.")

    monkeypatch.setattr(shared.evidence, "runs", nothing)
    assert shared.check() == ["✗ no run is stored yet: make remade"]
