"""The figures: real models drawn, shown in a real kernel, with the alt text where a reader's browser looks for it."""

from itertools import pairwise

import matplotlib
import matplotlib.pyplot as plt
import nbformat
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgb
from nbclient import NotebookClient

from textclf_lesson import data
from textclf_lesson.course import render
from textclf_lesson.evaluate import metrics
from textclf_lesson.models import baselines
from textclf_lesson.plots import charts

matplotlib.use("Agg")


@pytest.fixture
def shown(monkeypatch):
    """The figures that `show` would display, with their alt texts."""
    figures = []

    def collect(fig, metadata):
        fig.canvas.draw()
        figures.append((fig, metadata["image/png"]["alt"]))

    monkeypatch.setattr(charts, "display", collect)
    return figures


@pytest.fixture(scope="module")
def reuters():
    """Names, test labels and the predictions of a quick model on the eight topics."""
    splits = data.load("reuters-r8")
    rows, test = splits["train"][::3], splits["test"]
    model = baselines.pipeline("tfidf", "logreg", classifier__tol=0.01).fit(rows["text"], rows["label"])
    return data.label_names(splits), test["label"][:], model.predict(test["text"]), model


def drawn_texts(axis):
    return {text.get_text() for text in axis.texts} - {""}


def greyness(colour):
    return float(np.dot(to_rgb(colour), [0.299, 0.587, 0.114]))


def test_a_figure_is_stored_once_with_its_alt_text_where_html_readers_find_it():
    code = (
        "import matplotlib.pyplot as plt\nfrom textclf_lesson import plots\nplots.use_style()\n"
        "fig, axis = plt.subplots()\naxis.plot([1, 2])\naxis.set(title='t', xlabel='x', ylabel='y')\n"
        "plots.show(fig, alt='A line that  rises\\nfrom 1 to 2.')"
    )
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code)])
    NotebookClient(notebook, kernel_name="python3", timeout=120).execute()
    (output,) = notebook.cells[0].outputs  # one: not drawn a second time when the cell ends
    assert output.metadata["image/png"]["alt"] == "A line that rises from 1 to 2."
    assert len(output.data["image/png"]) < 40_000
    assert 'alt="A line that rises from 1 to 2."' in render.to_html(notebook, "a title")


@pytest.mark.parametrize(
    ("words", "alt", "complaint"),
    [
        ({}, "  ", "give alt="),
        ({"title": ""}, "a line", "axis 1 of the figure has no title"),
        ({"xlabel": ""}, "a line", "axis 1 of the figure has no x label"),
        ({"xlabel": "", "ylabel": ""}, "a line", "no x label, no y label"),
    ],
)
def test_show_refuses_a_figure_that_cannot_be_read(words, alt, complaint):
    fig, axis = plt.subplots()
    axis.set(**{"title": "t", "xlabel": "x", "ylabel": "y"} | words)
    with pytest.raises(ValueError, match=complaint):
        charts.show(fig, alt=alt)
    assert not plt.fignum_exists(fig.number), "a refused figure must not appear at the end of the cell"


def test_neighbours_in_the_palette_differ_in_grey_and_in_dash():
    greys = [greyness(colour) for colour in charts.PALETTE]
    assert min(abs(a - b) for a, b in pairwise(greys)) > 0.1
    assert len(set(map(str, charts.DASHES))) == len(set(charts.MARKERS)) == len(charts.PALETTE)


def test_the_confusion_matrix_shows_shares_of_each_true_class(reuters, shown):
    names, y, pred, _ = reuters
    charts.confusion_matrix(y, pred, names, alt="Most articles are on the diagonal.")
    (fig, alt) = shown[0]
    (axis,) = fig.axes
    assert alt == "Most articles are on the diagonal."
    assert [label.get_text() for label in axis.get_yticklabels()] == names
    recall = metrics.report(y, pred, names).per_class["recall"]
    cells = {text.get_position(): text.get_text() for text in axis.texts}
    for position, share in enumerate(recall):
        assert cells.get((position, position), "0") == f"{100 * share:.0f}"
    assert "0" not in drawn_texts(axis)


def test_strongest_words_draws_one_panel_per_class_with_its_words(reuters, shown):
    names, *_, model = reuters
    words = baselines.strongest_words(model, k=6)
    charts.strongest_words(words, names, alt="Words of trade.", columns=3)
    axes = [axis for axis in shown[0][0].axes if axis.axison]
    assert [axis.get_title() for axis in axes] == names
    for axis, (_, table) in zip(axes, words.groupby("class"), strict=True):
        assert [label.get_text() for label in axis.get_yticklabels()] == table["word"].tolist()
        assert [bar.get_width() for bar in axis.patches] == pytest.approx(table["weight"].tolist())


def test_learning_curve_draws_means_and_the_target(shown):
    scores = pd.DataFrame(
        {"model": ["a", "a", "a", "a", "b"], "rows": [10, 10, 20, 20, 10], "accuracy": [0.5, 0.7, 0.7, 0.8, 0.9]}
    )
    charts.learning_curve(scores, alt="Both rise.", target=0.75)
    (axis,) = shown[0][0].axes
    first = axis.containers[0].lines[0]
    assert first.get_xdata().tolist() == [10, 20]
    assert first.get_ydata().tolist() == pytest.approx([0.6, 0.75])
    assert [text.get_text() for text in axis.get_legend().get_texts()] == ["a", "b"]
    assert any(set(np.ravel(line.get_ydata())) == {0.75} for line in axis.lines)


def test_quality_against_draws_every_model_with_its_interval(reuters, shown):
    _, y, pred, _ = reuters
    low, high = metrics.interval(y, pred)
    row = {"accuracy": metrics.report(y, pred).accuracy, "low": low, "high": high, "ms": 0.5}
    charts.quality_against(pd.DataFrame({"tf-idf": row, "twin": row}).T, "ms", "ms per text", alt="Two twins.")
    (axis,) = shown[0][0].axes
    assert axis.get_xlabel() == "ms per text (logarithmic)"
    assert [text.get_text() for text in axis.get_legend().get_texts()] == ["tf-idf", "twin"]
    bars = axis.containers[0].lines[2][0].get_segments()[0]
    assert bars[:, 1].tolist() == pytest.approx([low, high])


def test_a_label_without_a_name_is_refused_and_not_left_out(shown):
    with pytest.raises(ValueError, match="label 2, which is not in the set"):
        charts.confusion_matrix([0, 1, 2], [0, 1, 1], ["a", "b"], alt="Two classes.")
    words = pd.DataFrame({"class": [0, -1], "word": ["x", "y"], "weight": [1.0, 2.0]})
    with pytest.raises(ValueError, match="label -1, which is not in the set"):
        charts.strongest_words(words, ["a", "b"], alt="Words.")
    charts.strongest_words(words.assign(**{"class": ["b", "a"]}), ["a", "b"], alt="Words of named classes.")
    assert [axis.get_title() for axis in shown[0][0].axes if axis.axison] == ["b", "a"]
    assert len(shown) == 1


def test_more_models_than_markers_are_all_drawn(shown):
    many = [f"model {number}" for number in range(9)]
    scores = pd.DataFrame({"model": many * 2, "rows": [10] * 9 + [20] * 9, "accuracy": np.linspace(0.5, 0.9, 18)})
    charts.learning_curve(scores, alt="Nine models.")
    charts.loss_curves(range(9), alt="Nine losses.")
    assert [len(fig.axes[0].get_legend().get_texts()) for fig, _ in shown] == [9, 9]
