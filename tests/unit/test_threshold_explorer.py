"""The threshold explorer where somebody can move it, and where nobody can."""

import sys

import numpy as np
import pytest
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import precision_score, recall_score
from sklearn.pipeline import make_pipeline

from textclf_lesson import data
from textclf_lesson.plots import charts


@pytest.fixture(scope="module")
def films():
    """Truth and probability of praise on validation, from a quick model."""
    splits = data.load("movie-snippets")
    model = make_pipeline(TfidfVectorizer(), LogisticRegression())
    model.fit(splits["train"]["text"], splits["train"]["label"])
    return np.array(splits["validation"]["label"]), model.predict_proba(splits["validation"]["text"])[:, 1]


@pytest.mark.parametrize("threshold", [0.01, 0.3, 0.77, 0.99])
def test_moving_the_slider_tells_precision_and_recall(films, threshold):
    truth, probability = films
    slider, sentence = charts.threshold_slider(truth, probability).children
    slider.value = threshold
    said = probability >= threshold
    assert f"precision {precision_score(truth, said, zero_division=0):.2f}" in sentence.value
    assert f"recall {recall_score(truth, said):.2f}" in sentence.value


def shown(films, monkeypatch, live: bool):
    monkeypatch.setenv("TEXTCLF_STATIC", "0" if live else "1")
    InteractiveShell.instance()  # displays are captured where there is a shell to show them in
    with capture_output() as captured:
        charts.threshold_explorer(*films, alt="Precision and recall against the threshold.")
    return captured.outputs


def test_a_live_notebook_gets_figure_and_slider(films, monkeypatch):
    figure, slider = shown(films, monkeypatch, live=True)
    assert figure.metadata["image/png"]["alt"].startswith("Precision")
    assert "application/vnd.jupyter.widget-view+json" in slider.data


def test_a_stored_notebook_gets_the_figure_alone(films, monkeypatch):
    assert len(shown(films, monkeypatch, live=False)) == 1


def test_without_widgets_the_figure_remains(films, monkeypatch):
    monkeypatch.setitem(sys.modules, "ipywidgets", None)  # importing it now fails, as where it is not installed
    assert len(shown(films, monkeypatch, live=True)) == 1
