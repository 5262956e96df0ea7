"""Pictures of an `explain.Attention`: one head as a heat map or as lines, all heads at once, and an explorer."""

from html import escape
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from textclf_lesson.base import runtime
from textclf_lesson.evaluate.explain import Attention
from textclf_lesson.plots import charts, explorer

LEGIBLE = 16  # up to this many tokens a heat map has room for numbers


def plot_attention(seen: Attention, layer: int, head: int) -> None:
    """One head as a heat map: row i shows how token i shared out its attention. layer and head count from 0.

    Raises IndexError if there is no such layer or head.
    """
    charts.show(*_heat_map(seen, layer, head))


def _heat_map(seen: Attention, layer: int, head: int) -> tuple[Figure, str]:
    """The figure of one head, and its alt text."""
    weights = _head(seen, layer, head)
    side = 1.6 + 0.36 * len(seen.tokens)
    fig, axis = plt.subplots(figsize=(side + 0.9, side))
    image = axis.imshow(weights, cmap="Blues", vmin=0, vmax=1)
    if len(seen.tokens) <= LEGIBLE:
        for (row, column), weight in np.ndenumerate(weights):
            if weight >= 0.1:
                colour = "white" if weight > 0.5 else "black"
                axis.text(column, row, f"{weight:.1f}"[1:] if weight < 0.95 else "1", ha="center", va="center",
                          fontsize=8, color=colour)  # fmt: skip
    axis.set_xticks(range(len(seen.tokens)), seen.tokens, rotation="vertical")
    axis.set_yticks(range(len(seen.tokens)), seen.tokens)
    axis.set(title=f"Layer {layer}, head {head}", xlabel="looked at", ylabel="token that looks")
    fig.colorbar(image, label="attention", shrink=0.7)
    return fig, f"Heat map of layer {layer}, head {head}. {_summary(seen, weights)}"


def plot_heads(seen: Attention) -> None:
    """All heads at once, a row for each layer: not to read tokens, but to see the patterns."""
    layers, heads = seen.weights.shape[:2]
    fig, axes = plt.subplots(layers, heads, figsize=(0.72 * heads, 0.78 * layers + 0.4), squeeze=False)
    for (layer, head), axis in np.ndenumerate(axes):
        axis.imshow(seen.weights[layer, head], cmap="Blues", vmin=0, vmax=1)
        axis.set(xticks=[], yticks=[])
        if layer == 0:
            axis.set_title(head, fontsize=8)
        if head == 0:
            axis.set_ylabel(layer, rotation="horizontal", ha="right", va="center", fontsize=8)
    fig.suptitle("Every head on one sentence; dark is much attention")
    fig.supxlabel("head; in each square, columns are looked at")
    fig.supylabel("layer; in each square, rows look")
    kinds = ", ".join(f"{count} look mostly {kind}" for kind, count in head_kinds(seen).items())
    charts.show(fig, f"A grid of {layers} layers by {heads} heads, each a small heat map. Of the heads, {kinds}.")


def plot_lines(seen: Attention, layer: int, head: int, at_least: float = 0.1) -> None:
    """One head as lines from each token, on the left, to those it looks at, on the right; thicker is more.

    Lines below `at_least` are left out. Raises IndexError if there is no such layer or head.
    """
    weights = _head(seen, layer, head)
    fig, axis = plt.subplots(figsize=(4.6, 0.9 + 0.27 * len(seen.tokens)))
    for (row, column), weight in np.ndenumerate(weights):
        if weight >= at_least:
            axis.plot([0, 1], [row, column], color=charts.PALETTE[0], alpha=min(1, weight + 0.1), lw=3 * weight, ls="-")
    for at, token in enumerate(seen.tokens):
        axis.text(-0.03, at, token, ha="right", va="center")
        axis.text(1.03, at, token, ha="left", va="center")
    axis.set(title=f"Layer {layer}, head {head}: who looks at whom", xlim=(-0.6, 1.6), xticks=[], yticks=[])
    axis.set(xlabel="left looks, right is looked at", ylabel="tokens, in their order")
    axis.invert_yaxis()
    charts.show(fig, f"Lines of layer {layer}, head {head}, from token to token. {_summary(seen, weights)}")


def attention_explorer(seen: Attention, layer: int, head: int) -> None:
    """`plot_attention` with sliders for layer and head in a live notebook; elsewhere the one picture.

    The sliders are left out where nobody can move them (`TEXTCLF_STATIC=1`: stored notebooks, tests) and where
    ipywidgets is not installed. Raises IndexError if there is no such layer or head.
    """
    fig, alt = _heat_map(seen, layer, head)
    box = None if runtime.is_static() else _explorer_box(seen, layer, head)
    explorer.show(fig, alt, box)


def _explorer_box(seen: Attention, layer: int, head: int) -> Any:
    """Fields and sliders for layer and head, the picture, and a sentence on it; None without ipywidgets."""
    if (widgets := explorer.ipywidgets_or_none()) is None:
        return None
    layers, heads = seen.weights.shape[:2]
    shown, sentence = widgets.HTML(), widgets.HTML()
    fig, _ = _heat_map(seen, layer, head)
    left, right = 20, max(320, fig.get_size_inches()[0] * fig.dpi - 20)
    plt.close(fig)
    rows, sliders = [], []
    for name, value, count in (("layer", layer, layers), ("head", head, heads)):
        bounds = {"value": value, "min": 0, "max": count - 1, "step": 1}
        field, slider = explorer.control(widgets.BoundedIntText, widgets.IntSlider, name, left, right, **bounds)
        rows += [slider, field]
        sliders.append(slider)

    def renew(change: dict | None = None) -> None:
        fig, alt = _heat_map(seen, *(slider.value for slider in sliders))
        shown.value, sentence.value = explorer.as_image(fig, alt), f'<p role="status">{escape(alt)}</p>'
        plt.close(fig)

    for slider in sliders:
        slider.observe(renew, names="value")
    renew()
    return widgets.VBox([shown, *rows, sentence])


def head_kinds(seen: Attention) -> dict[str, int]:
    """How many heads spend more than half their attention on one thing, the first that fits, by what it is."""
    weights = seen.weights.reshape(-1, *seen.weights.shape[2:])
    tokens = range(len(seen.tokens))
    special = np.array([seen.special[at] and at != seen.truncated_at for at in tokens])
    looking = ~special  # where a special token looks says little
    shares = {
        "at the special tokens": weights[:, looking][:, :, special].sum(axis=2).mean(axis=1),
        "at the token before": weights[:, tokens[1:], tokens[:-1]].mean(axis=1),
        "at the token after": weights[:, tokens[:-1], tokens[1:]].mean(axis=1),
        "at themselves": weights[:, tokens, tokens].mean(axis=1),
    }
    table = np.array(list(shares.values()))
    kinds = np.where(table.max(axis=0) > 0.5, table.argmax(axis=0), len(table))
    counts = np.bincount(kinds, minlength=len(table) + 1).tolist()
    return dict(zip([*shares, "elsewhere or all about"], counts, strict=True))


def _head(seen: Attention, layer: int, head: int) -> np.ndarray:
    layers, heads = seen.weights.shape[:2]
    if not (0 <= layer < layers and 0 <= head < heads):
        raise IndexError(
            f"There is no layer {layer}, head {head}: layers are 0 to {layers - 1}, heads 0 to {heads - 1}."
        )
    return seen.weights[layer, head]


def _summary(seen: Attention, weights: np.ndarray) -> str:
    row, column = np.unravel_index(weights.argmax(), weights.shape)
    most = seen.tokens[weights.sum(axis=0).argmax()]
    return (
        f"{seen.tokens[row]!r} looks most strongly, with {weights[row, column]:.2f}, at {seen.tokens[column]!r}; "
        f"all together look most at {most!r}."
    )
