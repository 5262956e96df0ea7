"""Pictures that move with a slider, in a live notebook; elsewhere the same picture as it stands.

Each control is a slider as wide as the plot and, beside its name, a field for the number: for the keyboard, and for
screen readers, which read the field's name and value.
"""

import base64
import io
from html import escape
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from IPython.display import display
from matplotlib.figure import Figure
from sklearn.metrics import precision_recall_curve

from textclf_lesson.base import runtime
from textclf_lesson.base.label_tables import check_scores
from textclf_lesson.plots import charts

START = 0.5  # the threshold that is shown first


def threshold_explorer(truth: np.ndarray, probability: np.ndarray, alt: str) -> None:
    """Precision, recall and F1 of one label against the threshold, with a line at one threshold and its confusion
    matrix; in a live notebook both move with a slider below.

    truth: 0 or 1, shape (rows,). probability: in [0, 1], shape (rows,). The slider is left out, and the line stands at
    0.5, where nobody can move it (`TEXTCLF_STATIC=1`: stored notebooks, tests) and where ipywidgets is not installed.
    Raises ValueError as `check_scores` does, and as `charts.show`.
    """
    picture = ThresholdPicture(truth, probability)
    box = None if runtime.is_static() else _threshold_box(picture, alt)
    show(picture.figure, alt, box)


def threshold_slider(truth: np.ndarray, probability: np.ndarray) -> Any:
    """The explorer as a widget: field and slider for the threshold, the picture, and a sentence that says what the
    threshold does; None without ipywidgets. Raises ValueError as `check_scores` does."""
    picture = ThresholdPicture(truth, probability)
    box = _threshold_box(picture, "Precision, recall and F1 against the threshold, and the confusion matrix.")
    plt.close(picture.figure)
    return box


class ThresholdPicture:
    """The curves of one label over its base rate, a line at a threshold, and the confusion matrix there.

    truth: 0 or 1, shape (rows,). probability: in [0, 1], shape (rows,). A row is predicted positive if its probability
    is at least the threshold. Raises ValueError as `check_scores` does.
    """

    def __init__(self, truth: np.ndarray, probability: np.ndarray):
        truth, self.probability = check_scores(truth, probability)
        self.truth = truth.astype(bool)
        self.figure, (curves, matrix) = plt.subplots(1, 2, figsize=(8.4, 3.8), width_ratios=(3, 1))
        precision, recall, thresholds = precision_recall_curve(self.truth, self.probability)
        f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-12)
        names = ("precision", "recall", "F1")
        for name, values, dash in zip(names, (precision, recall, f1), charts.DASHES, strict=False):
            curves.plot(thresholds, values[:-1], linestyle=dash, label=name)
        # what precision would be if every row were predicted positive: no model that reads should be below
        curves.axhline(self.truth.mean(), color="black", linestyle=":", linewidth=1, label="base rate")
        self.line = curves.axvline(START, color="grey", linestyle="-", linewidth=1.5, label="threshold")
        curves.set(title="Precision and recall depend on the threshold", xlabel="threshold on the probability")
        curves.set(ylabel="precision, recall, F1 (0 to 1)", xlim=(0, 1), ylim=(-0.02, 1.02))
        curves.legend(loc="lower left", fontsize=8)
        self.image = matrix.imshow(np.zeros((2, 2)), cmap="Blues", vmin=0, vmax=1)
        self.counts = [matrix.text(at % 2, at // 2, "", ha="center", va="center") for at in range(4)]
        matrix.set(title=f"{len(self.truth):,} rows", xlabel="predicted", ylabel="true", xticks=(0, 1), yticks=(0, 1))
        matrix.set(xticklabels=("no", "yes"), yticklabels=("no", "yes"))
        self.curves = curves
        self.sentence = ""
        self.move(START)

    def confusion(self, threshold: float) -> np.ndarray:
        """Rows by truth (no, yes) and prediction (no, yes), shape (2, 2)."""
        at = 2 * self.truth + (self.probability >= threshold)
        return np.bincount(at, minlength=4).reshape(2, 2)

    def move(self, threshold: float) -> None:
        """Put the line at a threshold; the matrix and `sentence` follow."""
        counts = self.confusion(threshold)
        shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
        self.line.set_xdata([threshold, threshold])
        self.image.set_data(shares)
        for text, count, share in zip(self.counts, counts.flat, shares.flat, strict=True):
            text.set(text=f"{count:,}", color="white" if share > 0.5 else "black")
        (_, false_alarms), (missed, found) = counts.tolist()
        predicted, positives = found + false_alarms, found + missed
        self.sentence = (
            f"Threshold {threshold:.2f}: {predicted:,} rows are predicted yes, {false_alarms:,} of them wrongly "
            f"(precision {found / max(predicted, 1):.2f}). Of {positives:,} true rows, {missed:,} are missed (recall "
            f"{found / max(positives, 1):.2f})."
        )


def _threshold_box(picture: ThresholdPicture, alt: str) -> Any:
    if (widgets := ipywidgets_or_none()) is None:
        return None
    picture.figure.canvas.draw()  # only now is it known where the axis lies
    left, right = picture.curves.get_window_extent().intervalx
    bounds = {"value": START, "min": 0.01, "max": 0.99, "step": 0.01}
    field, slider = control(widgets.BoundedFloatText, widgets.FloatSlider, "threshold", left, right, **bounds)
    shown, sentence = widgets.HTML(), widgets.HTML()

    def renew(change: dict | None = None) -> None:
        picture.move(slider.value)
        shown.value = as_image(picture.figure, f"{alt} {picture.sentence}")
        sentence.value = f'<p role="status">{picture.sentence}</p>'

    slider.observe(renew, names="value")
    renew()
    return widgets.VBox([shown, slider, field, sentence])


# --- what every explorer is made of -----------------------------------------------------------------------------------


def ipywidgets_or_none() -> Any:
    """The library of the widgets; None where it is not installed."""
    try:
        import ipywidgets
    except ImportError:
        return None
    return ipywidgets


def control(field: Any, slider: Any, name: str, left: float, right: float, **bounds: Any) -> tuple[Any, Any]:
    """A field with its name, and a slider of the same value that reaches from `left` to `right`, in pixels."""
    half_a_handle = 8
    layout = {"width": f"{right - left + 2 * half_a_handle:.0f}px", "margin": f"0 0 0 {left - half_a_handle:.0f}px"}
    track = slider(**bounds, readout=False, layout=layout)
    box = field(**bounds, description=name)
    import ipywidgets

    ipywidgets.link((track, "value"), (box, "value"))
    return box, track


def as_image(figure: Figure, alt: str) -> str:
    """A figure as an `<img>` of its own size, with its alt text."""
    width, height = figure.get_size_inches() * figure.dpi
    source = f"data:image/png;base64,{_png(figure)}"
    return f'<img src="{source}" alt="{escape(alt)}" width="{width:.0f}" height="{height:.0f}" style="max-width: none">'


def _png(figure: Figure) -> str:
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=figure.dpi)
    return base64.b64encode(file.getvalue()).decode()


def show(figure: Figure, alt: str, box: Any) -> None:
    """Display a box of widgets, and where no widget is shown the figure; the figure alone if the box is None.

    Raises ValueError as `charts.show` does.
    """
    if box is None:
        charts.show(figure, alt)
        return
    charts.check(figure, alt)
    picture = {"image/png": _png(figure), "text/plain": alt}
    display(box._repr_mimebundle_() | picture, metadata={"image/png": {"alt": alt}}, raw=True)
    plt.close(figure)
