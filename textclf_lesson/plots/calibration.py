"""A picture of `evaluate.calibration.reliability`: predicted probability against the share that came true."""

from collections.abc import Mapping

import matplotlib.pyplot as plt
import pandas as pd

from textclf_lesson.plots import charts


def reliability_diagram(tables: Mapping[str, pd.DataFrame], alt: str) -> None:
    """A panel per table of `reliability`: the share that came true against the probability, and the rows.

    On the diagonal a model is calibrated; below it, it is too sure.
    """
    if not tables:
        raise ValueError("There is no table to draw: pass {name: reliability(...)}.")
    fig, axes = plt.subplots(1, len(tables), figsize=(3.4 * len(tables), 3.5), sharey=True, squeeze=False)
    for axis, (name, table) in zip(axes.flat, tables.items(), strict=True):
        axis.plot([0, 1], [0, 1], color="grey", linewidth=1)
        axis.bar(table["probability"], table["rows"] / table["rows"].max(), width=0.03, color="#cccccc")
        gaps = [table["came true"] - table["low"], table["high"] - table["came true"]]
        axis.errorbar(table["probability"], table["came true"], yerr=gaps, marker="o", markersize=4, capsize=2)
        axis.set(title=name, xlim=(0, 1), ylim=(0, 1))
    fig.supxlabel("probability")
    fig.supylabel("share that came true")
    charts.show(fig, alt)
