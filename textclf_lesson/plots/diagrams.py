"""Diagrams: where data change form. Few kinds, one look, so that a box means the same in every lesson.

A blue frame is data, an orange frame is something that learns or computes; arrows say what becomes of what. Drawn on
white, with frames and not colours telling things apart: they read the same in dark mode, in print and in greyscale.
"""

import textwrap
from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.patches import FancyBboxPatch

from textclf_lesson.plots import charts

DATA, MODEL = charts.PALETTE[0], charts.PALETTE[1]
SIZE = 9  # points, of all text


def flow(steps: Sequence[str | tuple[str, str]], alt: str, title: str, columns: int = 5) -> None:
    """Boxes in a row, each leading to the next; after `columns` boxes a new row begins.

    steps: the text of each box, one to four short lines; or (text, arrow) with a word or two for the arrow that leads
    to it. A text that begins with "*" is a step that learns or computes: its frame is dashed and orange.

    Raises ValueError for fewer than two steps, or as `plots.show` does for an empty alt text.
    """
    steps = [(step, "") if isinstance(step, str) else step for step in steps]
    if len(steps) < 2:
        raise ValueError("A flow needs two steps or more.")
    columns = min(columns, len(steps))
    rows = -(-len(steps) // columns)
    fig, axis = _canvas(title, columns, rows)
    for number, (text, arrow) in enumerate(steps):
        row, column = divmod(number, columns)
        x, y = column, rows - 1 - row
        _box(axis, x, y, text)
        if column:
            _arrow(axis, (x - 0.62, y), (x - 0.36, y))
            axis.text(x - 0.5, y + 0.12, arrow, ha="center", va="bottom", fontsize=SIZE - 1)
        elif row:
            _arrow(axis, (columns - 1, y + 0.68), (columns - 1, y + 0.5), head=False)
            _arrow(axis, (columns - 1, y + 0.5), (0, y + 0.5), head=False)
            _arrow(axis, (0, y + 0.5), (0, y + 0.32))
            axis.text(0.06, y + 0.52, arrow, ha="left", va="bottom", fontsize=SIZE - 1)
    charts.show(fig, alt)


def tree(children: Mapping[str, Sequence[str]], alt: str, title: str, root: str = "all") -> None:
    """A tree of two levels below its root, from left to right: each parent with its children in one box.

    children: the names below each parent, in the order to draw them. Raises ValueError for no parent, or as
    `plots.show` does.
    """
    if not children:
        raise ValueError("A tree needs at least one parent: {parent: [children]}.")
    lines = [max(1, len(names)) for names in children.values()]
    height = sum(lines) + 0.7 * len(lines)
    fig, axis = plt.subplots(figsize=(7.5, 0.21 * height + 0.6))
    axis.set(xlim=(-0.1, 3.2), ylim=(-height, 0))
    axis.set_axis_off()
    axis.set_title(title)
    top, middle = 0.0, -height / 2
    axis.text(0, middle, root, ha="left", va="center", fontsize=SIZE, bbox=_frame("*"))
    for (parent, names), count in zip(children.items(), lines, strict=True):
        y = top - (count + 0.7) / 2
        axis.plot([0.1, 1.0], [middle, y], color="black", linewidth=0.8, linestyle="-", zorder=0)
        axis.text(0.9, y, parent, ha="left", va="center", fontsize=SIZE, bbox=_frame("*" if len(names) > 1 else ""))
        if names:
            axis.plot([1.0, 1.95], [y, y], color="black", linewidth=0.8, linestyle="-", zorder=0)
            axis.text(1.9, y, "\n".join(names), ha="left", va="center", fontsize=SIZE, bbox=_frame(""))
        top -= count + 0.7
    charts.show(fig, alt)


def splits(alt: str) -> None:
    """Training, validation and test: what each is for, and that nothing leads back from the test."""
    fig, axis = _canvas("What each split is for", 3, 3)
    _box(axis, 0, 1, "all labelled\nrows")
    steps = {"training set": "*fit features\nand weights", "validation set": "*choose settings\nand thresholds",
             "test set": "*measure what\nwas chosen"}  # fmt: skip
    for y, (name, step) in zip((2, 1, 0), steps.items(), strict=True):
        _arrow(axis, (0.38, 1 + 0.2 * (y - 1)), (0.62, y))
        _box(axis, 1, y, name)
        _arrow(axis, (1.38, y), (1.62, y))
        _box(axis, 2, y, step)
        if y:
            _arrow(axis, (2, y - 0.32), (2, y - 0.68))
    charts.show(fig, alt)


def _canvas(title: str, columns: int, rows: int) -> tuple[plt.Figure, Axes]:
    fig, axis = plt.subplots(figsize=(1.9 * columns, 1.25 * rows + 0.4))
    axis.set(xlim=(-0.5, columns - 0.5), ylim=(-0.45, rows - 0.5))
    axis.set_axis_off()
    axis.set_title(title)
    return fig, axis


def _box(axis: Axes, x: float, y: float, text: str) -> None:
    learns = text.startswith("*")
    frame = FancyBboxPatch(
        (x - 0.34, y - 0.28), 0.68, 0.56, boxstyle="round,pad=0.02,rounding_size=0.05", facecolor="white",
        edgecolor=MODEL if learns else DATA, linestyle="--" if learns else "-", linewidth=1.5,
    )  # fmt: skip
    axis.add_patch(frame)
    lines = [textwrap.fill(line, 17) for line in text.removeprefix("*").split("\n")]  # what fits into a box
    axis.text(x, y, "\n".join(lines), ha="center", va="center", fontsize=SIZE, linespacing=1.3)


def _frame(text: str) -> dict:
    learns = text.startswith("*")
    return {"boxstyle": "round", "facecolor": "white", "edgecolor": MODEL if learns else DATA,
            "linestyle": "--" if learns else "-", "linewidth": 1.5}  # fmt: skip


def _arrow(axis: Axes, start: tuple[float, float], end: tuple[float, float], head: bool = True) -> None:
    look = {"arrowstyle": "->" if head else "-", "color": "black", "linewidth": 1, "shrinkA": 0, "shrinkB": 0}
    axis.annotate("", xy=end, xytext=start, arrowprops=look)
