"""Diagrams hold every text they are given, none outside the picture, and need an alt text."""

import matplotlib.pyplot as plt
import pytest

from textclf_lesson.plots import charts, diagrams

STEPS = ["a text", ("*tokenizer", "reads"), ("ids\n(1, 12)", "gives"), "vectors", "*layers", "logits"]
TREE = {"comp": ["graphics", "windows"], "misc": ["forsale"], "sci": ["space", "med", "crypt"]}


@pytest.fixture
def drawn(monkeypatch):
    """The figures that were shown, kept open."""
    figures = []
    monkeypatch.setattr(charts, "display", lambda fig, **_: figures.append(fig))
    monkeypatch.setattr(charts.plt, "close", lambda fig: None)
    yield figures
    monkeypatch.undo()
    plt.close("all")


DRAW = {
    "flow": (lambda alt: diagrams.flow(STEPS, alt, "Inside", columns=4), ["tokenizer", "reads", "ids\n(1, 12)"]),
    "tree": (lambda alt: diagrams.tree(TREE, alt, "Groups"), ["all", "comp", "space\nmed\ncrypt"]),
    "splits": (diagrams.splits, ["test set", "training set"]),
}


@pytest.mark.parametrize("kind", DRAW)
def test_every_text_is_in_the_picture(kind, drawn):
    draw, wanted = DRAW[kind]
    draw("a picture of it")
    (fig,) = drawn
    fig.canvas.draw()
    texts = {text.get_text(): text for text in fig.axes[0].texts if text.get_text()}
    assert set(wanted) <= texts.keys()
    frame = fig.bbox
    for text in texts.values():
        box = text.get_window_extent()
        assert frame.x0 <= box.x0, text
        assert box.x1 <= frame.x1, text
        assert frame.y0 <= box.y0, text
        assert box.y1 <= frame.y1, text


@pytest.mark.parametrize("kind", DRAW)
def test_a_picture_needs_words(kind):
    with pytest.raises(ValueError, match="give alt="):
        DRAW[kind][0](" ")


def test_too_little_to_draw():
    with pytest.raises(ValueError, match="two steps"):
        diagrams.flow(["one"], "a picture", "x")
    with pytest.raises(ValueError, match="at least one parent"):
        diagrams.tree({}, "a picture", "x")
