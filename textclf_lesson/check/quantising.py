"""Items of lesson 11: fewer bits."""

from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np

from textclf_lesson import metrics
from textclf_lesson.check.core import Answer, CheckFailed, compare, item, kind
from textclf_lesson.check.sources import film_classifier, tables

BITS = (8, 6, 4, 3, 2)
MAY_BE_LOST = 0.01  # of accuracy


@cache
def _matrix() -> np.ndarray:
    """A real matrix of MiniLM, shape (1536, 384): what a layer's inner part is multiplied by."""
    from safetensors import safe_open

    from textclf_lesson import assets

    with safe_open(assets.fetch("minilm") / "model.safetensors", "numpy") as file:
        return file.get_tensor("encoder.layer.5.output.dense.weight").T.astype(float)


@item
def int8_columns(answer: Answer, seed: int = 0) -> Iterator[str]:
    """Takes a matrix of weights; returns its whole numbers (int8) and a scale for each column."""
    columns = np.random.default_rng(seed).choice(_matrix().shape[1], 96, replace=False)
    matrix = _matrix()[:, columns]
    q, scale = _whole(answer, answer(matrix), matrix.shape)
    largest = np.abs(matrix)
    right = largest.max(axis=0) / 127
    hints = {
        "All columns share one scale. A single large weight then makes the steps coarse for everybody.": np.full(
            96, largest.max() / 127
        ),
        "The scale divides the largest weight by 127: −128 stays unused, so that zero is in the middle.": right
        * 127
        / 128,
        "You use all 255 steps above zero. Half of them are for negative weights.": right * 127 / 255,
        "The largest weight is the largest *without its sign*.": matrix.max(axis=0) / 127,
        "Those are one over the scales.": 1 / right,
    }
    compare(scale, right, hints, "The scales are not max |x| / 127 of each column.", 1e-5)
    yield "a scale for each column"
    wanted = np.round(matrix / right)
    hints = {
        "You cut the digits off. Rounding to the nearest halves the error.": np.trunc(matrix / right),
        "np.floor always goes down, and so shifts every weight. Round to the nearest.": np.floor(matrix / right),
    }
    compare(q, wanted, hints, "The whole numbers are not round(x / s).", 1e-9)
    yield "rounded to the nearest"
    empty = matrix.copy()
    empty[:, 5] = 0
    with np.errstate(all="ignore"):
        q, scale = _whole(answer, answer(empty), matrix.shape)
    if not np.isfinite(scale).all() or (scale == 0).any():
        raise CheckFailed("One column is all zero, and so is its scale. Whoever divides by it gets NaN: take another.")
    if q[:, 5].any():
        raise CheckFailed("A column of zeros should stay one.")
    yield "a column of zeros does no harm"


def _whole(answer: Answer, value: Any, shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    if not isinstance(value, tuple | list) or len(value) != 2:
        raise CheckFailed("Return two arrays: the whole numbers, and the scales.")
    forms = ("array", "Tensor", "list", "float", "float32", "float64")
    q, scale = (np.asarray(part) if kind(part) in forms else None for part in value)
    if q is None or q.shape != shape:
        raise CheckFailed(f"The whole numbers should be an array of the matrix' shape, {shape}.")
    if q.dtype != np.int8:
        raise CheckFailed(f"The whole numbers should be of the type int8, one byte each; yours are {q.dtype}.")
    if scale is not None and scale.shape in [(shape[0],), (shape[0], 1)]:
        raise CheckFailed(
            "That is a scale for each *row*. A column is what one output is made of: axis 0 is the way down."
        )
    if scale is None or scale.dtype.kind not in "fiu" or scale.size not in (1, shape[1]):
        raise CheckFailed(f"The scales should be {shape[1]} numbers, one for each column.")
    return q.astype(float), np.broadcast_to(scale.ravel().astype(float), shape[1:])


@cache
def _said() -> tuple[np.ndarray, dict[int, np.ndarray]]:
    """The truth of the test sentences, and what the classifier says with weights of so many bits; 32 are floats."""
    model, test = film_classifier(), tables("movie-snippets")["test"]
    rows, weights = model[:-1].transform(test["text"]), model[-1].coef_[0]
    said = {32: model.predict(test["text"])}
    for bits in BITS:
        scale = np.abs(weights).max() / (2 ** (bits - 1) - 1)
        said[bits] = (rows @ (scale * np.round(weights / scale)) + model[-1].intercept_[0] > 0).astype(int)
    return test["label"].to_numpy(), said


@cache
def _lost(bits: int) -> tuple[float, float]:
    truth, said = _said()
    gap = metrics.difference(truth, said[32], said[bits])
    return gap.low, gap.high


@item
def how_few_bits(answer: Answer) -> Iterator[str]:
    """Returns {"bits", "lost", "changed"}: how many bits a weight gets, and on what evidence."""
    said = answer.record(["bits", "lost", "changed"])
    bits = answer.as_number(said["bits"], "`bits`")
    if bits not in BITS:
        raise CheckFailed(f"`bits` should be one of {', '.join(map(str, BITS))}.")
    bits, (truth, labels) = int(bits), _said()
    low, high = _lost(bits)
    if low <= -MAY_BE_LOST and high >= 0:
        raise CheckFailed(
            f"With {bits} bits the interval holds zero, but it also holds a loss of {-100 * low:.1f} points. Your rule "
            "allows one."
        )
    if low <= -MAY_BE_LOST:
        raise CheckFailed(f"With {bits} bits up to {-100 * low:.0f} points may be lost. Your rule allows one.")
    if any(fewer < bits and _lost(fewer)[0] > -MAY_BE_LOST for fewer in BITS):
        raise CheckFailed(f"{bits} bits keep your rule, and so do fewer. Go through the intervals of all.")
    yield "the fewest that keep the rule"
    lost = answer.as_pair(said["lost"], "`lost`")
    if abs(lost[0]) < 1e-9 and abs(lost[1]) < 1e-9:
        raise CheckFailed("An interval without width? A handful of texts cannot show what is lost; take all.")
    hints = {"`lost` has its sign turned: it is few bits minus floats.": (-high, -low)}
    compare(lost, (low, high), hints, f"`lost` is not the paired interval of {bits} bits minus floats.", 0.002)
    yield "shown on all test sentences"
    changed = (labels[bits] != labels[32]).mean()
    gap = abs((labels[bits] == truth).mean() - (labels[32] == truth).mean())
    hints = {
        "That is how the *accuracy* changed. Labels change in both directions, and cancel out in it.": gap,
        "That is the share that stayed.": 1 - changed,
        "`changed` should be a share between 0 and 1, not a percentage.": 100 * changed,
        "`changed` counts against the floats' labels, not against the truth.": (labels[bits] != truth).mean(),
    }
    share = answer.as_number(said["changed"], "`changed`")
    compare(
        share,
        changed,
        hints,
        f"`changed` is not the share of sentences whose label with {bits} bits is another than with floats.",
        0.0008,
    )
    yield "more labels change than the accuracy shows"
