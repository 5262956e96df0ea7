"""The items of exercise 11: ONNX deployment."""

from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np

from textclf_lesson.base.errors import CheckFailed
from textclf_lesson.check.core import Answer, guess, item
from textclf_lesson.check.quiz import questions, quiz  # noqa: F401
from textclf_lesson.check.sources import film_classifier, tables
from textclf_lesson.check.values import close, compare, kind
from textclf_lesson.evaluate import evidence, metrics

__getattr__ = guess(__name__)

# --- deployment -------------------------------------------------------------------------------------------------------

INPUTS = ["input_ids", "attention_mask"]


@cache
def _network() -> Any:
    """The film classifier as a torch network: each word adds its weight to the logits."""
    from textclf_lesson.check.network import Votes  # torch is imported late; a class that travels has a module

    weights = np.concatenate([[0], film_classifier()[-1].coef_[0]])
    return Votes(np.stack([-weights, weights], axis=1) / 2, np.zeros(2)).eval()


def _numbers(texts: list[str], words: Any) -> tuple[np.ndarray, np.ndarray]:
    """Numbers of the words and their mask, int64, shape (texts, words of the longest)."""
    found = [
        [words.vocabulary_[word] + 1 for word in words.build_analyzer()(text) if word in words.vocabulary_]
        for text in texts
    ]
    ids = np.zeros((len(texts), max(map(len, found))), dtype=np.int64)
    for row, own in zip(ids, found, strict=True):
        row[: len(own)] = own
    return ids, (ids > 0).astype(np.int64)


@item
def export_file(answer: Answer, seed: int = 0) -> Iterator[str]:
    """Takes a network and an example of its inputs; returns the bytes of an ONNX file with free sizes."""
    import onnxruntime
    import torch

    model, test = film_classifier(), tables("movie-snippets")["test"]
    texts, words = test["text"].sample(12, random_state=seed).tolist(), model[0]
    ids, mask = _numbers(texts[:2], words)
    value = answer(_network(), (torch.tensor(ids), torch.tensor(mask)))
    if kind(value) not in ("bytes", "bytearray"):
        raise CheckFailed("Return the content of the file as bytes. An io.BytesIO gives it by getvalue().")
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    try:
        session = onnxruntime.InferenceSession(bytes.fromhex(value.hex()), options, providers=["CPUExecutionProvider"])
    except Exception:  # onnxruntime has a dozen exceptions, without a common class
        raise CheckFailed("ONNX Runtime cannot read these bytes. Do they come from torch.onnx.export?") from None
    names = [entry.name for entry in session.get_inputs()]
    outputs = [entry.name for entry in session.get_outputs()]
    if sorted(names) != sorted(INPUTS) or outputs != ["logits"]:
        raise CheckFailed(
            f"The inputs are called {', '.join(names)}, the output {', '.join(outputs)}. The program that "
            "loads the file "
            "needs input_ids, attention_mask and logits: give names."
        )
    yield "inputs and output have names"
    for what, some in {
        "two texts, as in your example": texts[:2],
        "two longer texts": sorted(texts, key=len)[-2:],
        "five texts": texts[:5],
        "a single text": texts[5:6],
    }.items():
        ids, mask = _numbers(some, words)
        with torch.inference_mode():
            expected = _network()(torch.tensor(ids), torch.tensor(mask)).numpy()
        try:
            found = session.run(["logits"], dict(zip(INPUTS, (ids, mask), strict=True)))[0]
        except Exception:
            raise CheckFailed(
                f"It does not run on {what}, {ids.shape[0]} × {ids.shape[1]}. Which "
                "sizes may change? Name them, for both inputs."
            ) from None
        if not close(found, expected, 1e-4):
            raise CheckFailed(f"For {what} the exported file gives other logits than torch.")
    yield "any number of tokens"
    yield "any number of texts"


@item
def same_answers(answer: Answer, seed: int = 0) -> Iterator[str]:
    """Takes torch's logits, those of an export, and a tolerance; returns whether they agree."""
    model, test = film_classifier(), tables("movie-snippets")["test"]
    margin = model.decision_function(test["text"].sample(400, random_state=seed))
    expected = np.stack([-margin, margin], axis=1) / 2
    noise = np.random.default_rng(seed).normal(0, 1e-6, expected.shape)
    one_off, not_there = expected.copy(), expected.copy()
    one_off[7 + seed, 0] += 0.02
    not_there[11 + seed] = np.nan

    def agrees(found: np.ndarray) -> bool:
        value = answer.as_number(answer(expected, found, 1e-3))
        if value not in (0, 1):
            raise CheckFailed(f"Return True or False; you return {value:.4g}.")
        return bool(value)

    if not agrees(expected + noise):
        raise CheckFailed(
            "Sums in another order differ in the sixth digit; it is the same model. How far apart may two logits be?"
        )
    yield "the last digits may differ"
    off = [agrees(expected + shift) for shift in (0.5, -0.5)]
    if all(off):
        raise CheckFailed("The labels agree, but all logits differ by 0.5. Compare the logits themselves.")
    if any(off):
        raise CheckFailed(
            "All logits differ by 0.5 in one direction, and you return True. Compare the absolute difference."
        )
    yield "equal labels are not enough"
    if agrees(one_off):
        raise CheckFailed("One logit of eight hundred differs by twenty tolerances. A mean hides it; use the maximum.")
    yield "the largest difference counts"
    if agrees(not_there):
        raise CheckFailed("Some logits are NaN, and you return True: with a NaN both `<` and `>` are False.")
    yield "a NaN is a difference"
    few = expected[:1]
    try:
        fooled = bool(answer.as_number(answer(np.repeat(few, 400, axis=0), few, 1e-3)))
    except CheckFailed:
        raise CheckFailed("For logits of too few texts return False; your function raises an error.") from None
    if fooled:
        raise CheckFailed(
            "The export returned one row for four hundred texts, and you return True: NumPy repeated the row."
        )
    yield "one row for each text"


@item
def on_your_mix(answer: Answer, seed: int = 0) -> Iterator[str]:
    """Takes shares of texts, torch's ms and a variant's factors, by shape; returns the speed-up on the mix."""
    table = evidence.study("benchmarks/export")["table"]
    rng = np.random.default_rng(seed)
    shapes = ["1×16", "1×128", "1×512"]
    for row in table[1:]:
        times = {shape: row[f"times torch at {shape}"]["median"] for shape in shapes}
        ms = dict(zip(shapes, (rng.integers(8, 14), rng.integers(24, 32), rng.integers(75, 110)), strict=True))
        ms = {shape: float(value) for shape, value in ms.items()}
        short = rng.integers(6, 9) / 10
        shares = {"1×16": short, "1×128": 0.9 - short, "1×512": 0.1}
        before = {shape: shares[shape] * ms[shape] for shape in shapes}
        after = {shape: before[shape] / times[shape] for shape in shapes}
        total, means = sum(before.values()), {shape: ms[shape] / times[shape] for shape in shapes}
        expected = total / sum(after.values())
        hints = {
            "That is the mean of the factors. Times add up, not factors: sum the milliseconds.": sum(
                shares[shape] * times[shape] for shape in shapes
            ),
            "You weight by the number of texts, but a page takes longer than a remark: the milliseconds add up.": 1
            / sum(shares[shape] / times[shape] for shape in shapes),
            "You weight the factors by torch's time. The variant's time is a sum of quotients.": sum(
                before[shape] * times[shape] for shape in shapes
            )
            / total,
            "All lengths count the same in yours. Where is `shares` in your formula?": sum(ms.values())
            / sum(means.values()),
            "That is the largest factor of all, for one length only.": max(times.values()),
            "It is upside down: more than one should mean faster.": 1 / expected,
        }
        otherwise = f"For {row['variant']} it is not torch's time for the mix, divided by the variant's."
        compare(answer.number(shares, ms, times), expected, hints, otherwise)
    yield "milliseconds add up, factors do not"
    yield "long texts take most of the time"


# --- quantising -------------------------------------------------------------------------------------------------------

BITS = (8, 6, 4, 3, 2)
MARGIN = 0.01  # the largest loss of accuracy that the rule allows


@cache
def _matrix() -> np.ndarray:
    """A weight matrix of MiniLM, shape (1536, 384): the output layer of a feed-forward block."""
    from safetensors import safe_open

    from textclf_lesson.assets import cache

    with safe_open(cache.fetch("minilm") / "model.safetensors", "numpy") as file:
        return file.get_tensor("encoder.layer.5.output.dense.weight").T.astype(float)


@item
def int8_columns(answer: Answer, seed: int = 0) -> Iterator[str]:
    """Takes a matrix of weights; returns its whole numbers (int8) and a scale for each column."""
    columns = np.random.default_rng(seed).choice(_matrix().shape[1], 96, replace=False)
    matrix = _matrix()[:, columns]
    q, scale = _whole(answer, answer(matrix), matrix.shape)
    largest = np.abs(matrix)
    expected = largest.max(axis=0) / 127
    hints = {
        "All columns share one scale. Then a single large weight makes the steps of all columns coarse.": np.full(
            96, largest.max() / 127
        ),
        "The scale divides the largest weight by 127: −128 is not used, so that the range is symmetric.": expected
        * 127
        / 128,
        "You divide by 255. Half of the steps are for negative weights.": expected * 127 / 255,
        "The largest weight is the largest *absolute* value.": matrix.max(axis=0) / 127,
        "Those are the reciprocals of the scales.": 1 / expected,
    }
    compare(scale, expected, hints, "The scales are not max |x| / 127 of each column.", 1e-5)
    yield "a scale for each column"
    wanted = np.round(matrix / expected)
    hints = {
        "You truncate. Rounding to the nearest halves the error.": np.trunc(matrix / expected),
        "np.floor always rounds down, and so shifts every weight. Round to the nearest.": np.floor(matrix / expected),
    }
    compare(q, wanted, hints, "The whole numbers are not round(x / s).", 1e-9)
    yield "rounded to the nearest"
    empty = matrix.copy()
    empty[:, 5] = 0
    with np.errstate(all="ignore"):
        q, scale = _whole(answer, answer(empty), matrix.shape)
    if not np.isfinite(scale).all() or (scale == 0).any():
        raise CheckFailed("One column is all zero, and so is its scale; division gives NaN. Use another scale there.")
    if q[:, 5].any():
        raise CheckFailed("A column of zeros should stay zero.")
    yield "a column of zeros stays zero"


def _whole(answer: Answer, value: Any, shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    if not isinstance(value, tuple | list) or len(value) != 2:
        raise CheckFailed("Return two arrays: the whole numbers, and the scales.")
    forms = ("array", "Tensor", "list", "float", "float32", "float64")
    q, scale = (np.asarray(part) if kind(part) in forms else None for part in value)
    if q is None or q.shape != shape:
        raise CheckFailed(f"The whole numbers should be an array of the same shape as the matrix, {shape}.")
    if q.dtype != np.int8:
        raise CheckFailed(f"The whole numbers should be of the type int8, one byte each; yours are {q.dtype}.")
    if scale is not None and scale.shape in [(shape[0],), (shape[0], 1)]:
        raise CheckFailed("That is a scale for each *row*. A column makes one output: take the maximum over axis 0.")
    if scale is None or scale.dtype.kind not in "fiu" or scale.size not in (1, shape[1]):
        raise CheckFailed(f"The scales should be {shape[1]} numbers, one for each column.")
    return q.astype(float), np.broadcast_to(scale.ravel().astype(float), shape[1:])


@cache
def _predictions() -> tuple[np.ndarray, dict[int, np.ndarray]]:
    """True labels of the test sentences, and predictions with weights of each number of bits; 32 means floats."""
    model, test = film_classifier(), tables("movie-snippets")["test"]
    rows, weights = model[:-1].transform(test["text"]), model[-1].coef_[0]
    predictions = {32: model.predict(test["text"])}
    for bits in BITS:
        scale = np.abs(weights).max() / (2 ** (bits - 1) - 1)
        predictions[bits] = (rows @ (scale * np.round(weights / scale)) + model[-1].intercept_[0] > 0).astype(int)
    return test["label"].to_numpy(), predictions


@cache
def _lost(bits: int) -> tuple[float, float]:
    truth, predictions = _predictions()
    gap = metrics.difference(truth, predictions[32], predictions[bits])
    return gap.low, gap.high


@item
def how_few_bits(answer: Answer) -> Iterator[str]:
    """Returns {"bits", "lost", "changed"}: how many bits a weight gets, and on what evidence."""
    record = answer.record(["bits", "lost", "changed"])
    bits = answer.as_number(record["bits"], "`bits`")
    if bits not in BITS:
        raise CheckFailed(f"`bits` should be one of {', '.join(map(str, BITS))}.")
    bits, (truth, labels) = int(bits), _predictions()
    low, high = _lost(bits)
    if low <= -MARGIN and high >= 0:
        raise CheckFailed(
            f"With {bits} bits the interval holds zero, but also a loss of {-100 * low:.1f} points. Your rule "
            "allows one."
        )
    if low <= -MARGIN:
        raise CheckFailed(f"With {bits} bits up to {-100 * low:.0f} points may be lost. Your rule allows one.")
    if any(fewer < bits and _lost(fewer)[0] > -MARGIN for fewer in BITS):
        raise CheckFailed(f"{bits} bits satisfy your rule, and so do fewer. Look at all intervals.")
    yield "the fewest bits that satisfy the rule"
    lost = answer.as_pair(record["lost"], "`lost`")
    if abs(lost[0]) < 1e-9 and abs(lost[1]) < 1e-9:
        raise CheckFailed("The interval has no width. A handful of texts cannot show a loss; use all.")
    hints = {"`lost` has its sign turned: it is few bits minus floats.": (-high, -low)}
    compare(lost, (low, high), hints, f"`lost` is not the paired interval of {bits} bits minus floats.", 0.002)
    yield "shown on all test sentences"
    changed = (labels[bits] != labels[32]).mean()
    gap = abs((labels[bits] == truth).mean() - (labels[32] == truth).mean())
    hints = {
        "That is the change of the *accuracy*. Changes in both directions cancel out in it.": gap,
        "That is the share of labels that did not change.": 1 - changed,
        "`changed` should be a share between 0 and 1, not a percentage.": 100 * changed,
        "`changed` compares with the labels of the float model, not with the truth.": (labels[bits] != truth).mean(),
    }
    share = answer.as_number(record["changed"], "`changed`")
    compare(
        share,
        changed,
        hints,
        f"`changed` is not the share of sentences whose label with {bits} bits differs from that with floats.",
        0.0008,
    )
    yield "more labels change than the accuracy shows"
