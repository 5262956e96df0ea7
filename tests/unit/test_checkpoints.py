"""The classifiers that several lessons share, trained as anyone's first use of them trains them.

Every run begins with this file (see the conftest.py at the root).
"""

import pytest

from textclf_lesson import data, models

LEAST = {"sentiment": ("accuracy", 0.83), "toxicity": ("macro_f1", 0.7)}  # well under what training reaches


@pytest.mark.parametrize("name", models.RECIPES)
def test_a_checkpoint_is_trained_and_keeps_its_best_state(name):
    metric, least = LEAST[name]
    classifier = models.checkpoint(name)
    assert max(entry[metric] for entry in classifier.history_) > least
    texts, truth = models.columns(data.load(models.RECIPES[name].dataset)["validation"])
    assert classifier.predict(texts[:300]).shape[0] == 300
    if name == "sentiment":
        assert classifier.score(texts, truth) == pytest.approx(max(e[metric] for e in classifier.history_), abs=0.01)
