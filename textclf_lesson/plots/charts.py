"""The house style, and the figures that several lessons share."""

from collections.abc import Sequence
from itertools import cycle

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from IPython.display import display
from matplotlib import cycler
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator
from sklearn.metrics import ConfusionMatrixDisplay

from textclf_lesson.base.inputs import check_labels, check_names
from textclf_lesson.evaluate import metrics

# Okabe and Ito's colours (2008), told apart by the colour-blind, in an order that alternates dark and light so that
# neighbours differ in greyscale too.
PALETTE = ["#0072B2", "#E69F00", "#000000", "#56B4E9", "#D55E00", "#CC79A7"]
DASHES = ["-", "--", ":", "-.", (0, (5, 1, 1, 1, 1, 1)), (0, (1, 3))]
MARKERS = ["o", "^", "s", "D", "v", "P"]


def use_style() -> None:
    """Set the look of every figure: colours, dashes and sizes that keep a stored notebook small."""
    plt.rcParams.update(
        {
            "axes.prop_cycle": cycler(color=PALETTE) + cycler(linestyle=DASHES),
            "axes.spines.right": False,
            "axes.spines.top": False,
            "figure.dpi": 90,
            "figure.figsize": (7, 3.8),
            "figure.constrained_layout.use": True,
            "legend.frameon": False,
        }
    )


def show(fig: Figure, alt: str) -> None:
    """Display a figure once, with its alt text where renderers look for it, and close it.

    Raises ValueError as `check` does.
    """
    check(fig, alt)
    display(fig, metadata={"image/png": {"alt": " ".join(alt.split())}})
    plt.close(fig)


def check(fig: Figure, alt: str) -> None:
    """Raise ValueError, and close the figure, if the alt text is empty, or an axis has no title or no label: a reader
    who cannot see the picture, or sees it out of context, needs them."""
    if not alt.strip():
        plt.close(fig)
        raise ValueError("show: give alt=..., one or two sentences that say what the figure shows.")
    for number, axis in enumerate(fig.axes, start=1):
        if axis.get_label() == "<colorbar>" or not axis.axison:
            continue
        lacking = [
            name
            for name, text in (
                ("title", axis.get_title() or fig.get_suptitle()),
                ("x label", axis.get_xlabel() or fig.get_supxlabel()),
                ("y label", axis.get_ylabel() or fig.get_supylabel()),
            )
            if not text
        ]
        if lacking:
            plt.close(fig)
            raise ValueError(f"show: axis {number} of the figure has no {', no '.join(lacking)}.")


def confusion_matrix(y_true: Sequence, y_pred: Sequence, names: Sequence[str], alt: str) -> None:
    """Of each true class (a row), the percentage that was given each class (a column).

    Labels are positions in `names`, or names. Percentages below one half are left blank, so that the mistakes worth a
    look stand out. Raises as `metrics.report` does: a label that `names` lacks would be left out of the picture.
    """
    counts = metrics.report(y_true, y_pred, names).confusion
    names = list(names)
    matrix = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    side = 2.2 + 0.38 * len(names)
    fig, axis = plt.subplots(figsize=(side + 0.8, side))
    ConfusionMatrixDisplay(matrix, display_labels=names).plot(
        include_values=False, cmap="Blues", colorbar=False, xticks_rotation="vertical", ax=axis
    )
    for (row, column), share in np.ndenumerate(matrix):
        if share >= 0.005:
            colour = "white" if share > 0.5 else "black"
            axis.text(column, row, f"{100 * share:.0f}", ha="center", va="center", fontsize=8, color=colour)
    axis.set(title="Of 100 rows of a class, how many were called what", xlabel="predicted", ylabel="true")
    show(fig, alt)


def strongest_words(words: pd.DataFrame, names: Sequence[str], alt: str, columns: int = 4) -> None:
    """One panel per class with its strongest words as bars. `words` comes from `baselines.strongest_words`.

    The classes are positions in `names`, or names. Raises as `check_labels` does if one is neither.
    """
    names = check_names(names, "names")
    at = check_labels(words["class"], allowed=[*range(len(names)), *names], at_least=1)
    words = words.assign(**{"class": [names[name] if isinstance(name, int) else name for name in at.tolist()]})
    tables = list(words.groupby("class", sort=False))
    columns = min(columns, len(tables))
    rows, bars = -(-len(tables) // columns), max(len(table) for _, table in tables)
    fig, axes = plt.subplots(rows, columns, figsize=(2.5 * columns, 0.5 + rows * (0.6 + 0.2 * bars)), squeeze=False)
    for axis, (name, table) in zip(axes.flat, tables, strict=False):
        axis.barh(table["word"], table["weight"])
        axis.invert_yaxis()
        axis.set_title(name)
    for axis in axes.flat[len(tables) :]:
        axis.set_axis_off()
    fig.supxlabel("weight")
    fig.supylabel("word")
    show(fig, alt)


def learning_curve(scores: pd.DataFrame, alt: str, target: float | None = None) -> None:
    """Accuracy against the number of training rows, one line per model, with the spread over repetitions.

    scores: columns `model`, `rows`, `accuracy`, one row per repetition. target: drawn as a level to reach.
    """
    fig, axis = plt.subplots()
    looks = zip(cycle(MARKERS), cycle(DASHES), strict=False)  # of more models than looks, two look alike
    for (model, runs), (marker, dash) in zip(scores.groupby("model", sort=False), looks, strict=False):
        at = runs.groupby("rows")["accuracy"].agg(["mean", "min", "max"])
        bounds = [at["mean"] - at["min"], at["max"] - at["mean"]]
        axis.errorbar(at.index, at["mean"], yerr=bounds, marker=marker, linestyle=dash, capsize=3, label=model)
    if target is not None:
        axis.axhline(target, color="grey", linewidth=1)
    axis.set(title="What more rows buy", xlabel="training rows (logarithmic)", ylabel="accuracy")
    _log_with_plain_numbers(axis)
    axis.legend()
    show(fig, alt)


def quality_against(table: pd.DataFrame, x: str, label: str, alt: str) -> None:
    """Each model as a point: accuracy with its interval against a cost.

    table: one row per model, columns `accuracy`, `low`, `high` (0 to 1) and `x`. label: what x is, with its unit.
    """
    fig, axis = plt.subplots(figsize=(7, 4.2))
    for number, (model, row) in enumerate(table.iterrows()):
        axis.errorbar(
            row[x], row["accuracy"], yerr=[[row["accuracy"] - row["low"]], [row["high"] - row["accuracy"]]],
            marker=MARKERS[number % len(MARKERS)], color=PALETTE[number % len(PALETTE)],
            linestyle="none", capsize=3, label=model,
        )  # fmt: skip
    axis.set(title="Is the better model worth its cost?", xlabel=f"{label} (logarithmic)", ylabel="accuracy")
    _log_with_plain_numbers(axis)
    axis.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    show(fig, alt)


def _log_with_plain_numbers(axis: Axes) -> None:
    axis.set_xscale("log")
    axis.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.xaxis.set_major_formatter("{x:g}")
    axis.xaxis.set_minor_locator(NullLocator())


def loss_curves(gammas: Sequence[float], alt: str) -> None:
    """Focal loss against the probability of the truth, one curve for each gamma; gamma = 0 is cross-entropy.

    FL(p_t) = -(1 - p_t)^gamma log p_t (Lin et al., 2017).
    """
    p_t = np.linspace(0.005, 1, 400)
    fig, axis = plt.subplots(figsize=(7, 3.8))
    for gamma, colour, dash in zip(gammas, cycle(PALETTE), cycle(DASHES), strict=False):
        name = "cross-entropy (γ = 0)" if gamma == 0 else f"focal, γ = {gamma:g}"
        axis.plot(p_t, -((1 - p_t) ** gamma) * np.log(p_t), color=colour, linestyle=dash, label=name)
    axis.set(
        title="What a probability costs",
        xlabel="$p_t$, the probability given to the truth",
        ylabel="loss",
        ylim=(0, 4),
    )
    axis.legend()
    show(fig, alt)
