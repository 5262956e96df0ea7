"""The threshold explorer where somebody can move it, and where nobody can."""

import base64
import io
import re
import sys

import matplotlib.image
import numpy as np
import pytest
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import confusion_matrix, precision_score, recall_score
from sklearn.pipeline import make_pipeline

from textclf_lesson import data
from textclf_lesson.plots import explorer

ALT = "Precision and recall against the threshold."


@pytest.fixture(scope="module")
def films():
    """Truth and probability of praise on validation, from a quick model."""
    splits = data.load("movie-snippets")
    model = make_pipeline(TfidfVectorizer(), LogisticRegression())
    model.fit(splits["train"]["text"], splits["train"]["label"])
    return np.array(splits["validation"]["label"]), model.predict_proba(splits["validation"]["text"])[:, 1]


def pixels(html: str) -> np.ndarray:
    """The picture in an `<img>` that holds its own data."""
    encoded = re.search(r'src="data:image/png;base64,([^"]+)"', html)[1]
    return matplotlib.image.imread(io.BytesIO(base64.b64decode(encoded)))


@pytest.mark.parametrize("threshold", [0.01, 0.3, 0.77, 0.99])
def test_moving_the_slider_moves_line_matrix_and_sentence(films, threshold):
    truth, probability = films
    picture = explorer.ThresholdPicture(truth, probability)
    picture.move(threshold)
    y_pred = probability >= threshold
    assert f"precision {precision_score(truth, y_pred, zero_division=0):.2f}" in picture.sentence
    assert f"recall {recall_score(truth, y_pred):.2f}" in picture.sentence
    assert picture.line.get_xdata() == [threshold, threshold]
    counts = confusion_matrix(truth, y_pred)
    assert (picture.confusion(threshold) == counts).all()
    assert [text.get_text() for text in picture.counts] == [f"{count:,}" for count in counts.flat]


def test_slider_and_field_are_one_value_and_renew_the_picture(films):
    shown, slider, field, sentence = explorer.threshold_slider(*films).children
    before = shown.value
    field.value = 0.8  # what the keyboard and a screen reader use
    assert slider.value == 0.8
    assert "Threshold 0.80" in sentence.value and 'role="status"' in sentence.value
    assert "Threshold 0.80" in re.search(r'alt="([^"]*)"', shown.value)[1]
    assert field.description == "threshold"
    assert not np.array_equal(pixels(before), pixels(shown.value))
    slider.value = 0.5
    assert field.value == 0.5 and np.array_equal(pixels(before), pixels(shown.value))


def test_the_slider_reaches_from_one_end_of_the_axis_to_the_other(films):
    _, slider, _, _ = explorer.threshold_slider(*films).children
    picture = explorer.ThresholdPicture(*films)
    picture.figure.canvas.draw()
    left, right = picture.curves.get_window_extent().intervalx
    margin = float(slider.layout.margin.split()[-1].removesuffix("px"))
    width = float(slider.layout.width.removesuffix("px"))
    assert abs(margin - left) < 10 and abs(margin + width - right) < 10


def shown(films, monkeypatch, live: bool):
    monkeypatch.setenv("TEXTCLF_STATIC", "0" if live else "1")
    InteractiveShell.instance()  # displays are captured where there is a shell to show them in
    with capture_output() as captured:
        explorer.threshold_explorer(*films, alt=ALT)
    return captured.outputs


def test_a_live_notebook_gets_the_widget_and_the_figure_for_where_no_widget_is_shown(films, monkeypatch):
    (output,) = shown(films, monkeypatch, live=True)
    assert "application/vnd.jupyter.widget-view+json" in output.data
    assert output.data["image/png"] and output.metadata["image/png"]["alt"] == ALT
    assert output.data["text/plain"] == ALT


def test_a_stored_notebook_gets_the_figure_alone(films, monkeypatch):
    (output,) = shown(films, monkeypatch, live=False)
    assert "application/vnd.jupyter.widget-view+json" not in output.data
    assert output.metadata["image/png"]["alt"] == ALT


def test_without_widgets_the_figure_remains(films, monkeypatch):
    monkeypatch.setitem(sys.modules, "ipywidgets", None)  # importing it now fails, as where it is not installed
    (output,) = shown(films, monkeypatch, live=True)
    assert output.metadata["image/png"]["alt"] == ALT and explorer.threshold_slider(*films) is None


def test_a_figure_without_words_is_refused_live_too(films, monkeypatch):
    monkeypatch.setenv("TEXTCLF_STATIC", "0")
    with pytest.raises(ValueError, match="give alt="):
        explorer.threshold_explorer(*films, alt=" ")
