"""Items of lesson 11: exporting, proving, timing."""

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from textclf_lesson.check.core import Answer, CheckFailed, close, compare, item, kind
from textclf_lesson.check.sources import film_classifier, tables

STORED = Path(__file__).parents[2] / "benchmarks" / "results" / "export.json"
INPUTS = ["input_ids", "attention_mask"]


@cache
def _network() -> Any:
    """The film classifier as a network of torch: each word votes, as its weight says."""
    from textclf_lesson.check.network import Votes

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
    except Exception:  # onnxruntime has a dozen kinds, without a common one
        raise CheckFailed("ONNX Runtime cannot read these bytes. Do they come from torch.onnx.export?") from None
    names = [entry.name for entry in session.get_inputs()]
    outputs = [entry.name for entry in session.get_outputs()]
    if sorted(names) != sorted(INPUTS) or outputs != ["logits"]:
        raise CheckFailed(
            f"The inputs are called {', '.join(names)}, the output {', '.join(outputs)}. Whoever loads the file will "
            "ask for input_ids, attention_mask and logits: give names."
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
    """Takes torch's logits, those of an export, and a tolerance; returns whether it is the same model."""
    model, test = film_classifier(), tables("movie-snippets")["test"]
    margin = model.decision_function(test["text"].sample(400, random_state=seed))
    expected = np.stack([-margin, margin], axis=1) / 2
    noise = np.random.default_rng(seed).normal(0, 1e-6, expected.shape)
    one_off, not_there = expected.copy(), expected.copy()
    one_off[7 + seed, 0] += 0.02
    not_there[11 + seed] = np.nan

    def said(found: np.ndarray) -> bool:
        value = answer.as_number(answer(expected, found, 1e-3))
        if value not in (0, 1):
            raise CheckFailed(f"Return True or False; yours is {value:.4g}.")
        return bool(value)

    if not said(expected + noise):
        raise CheckFailed(
            "Numbers added in another order differ in the sixth digit, which is no other model. How far off may "
            "a logit be?"
        )
    yield "the last digits may differ"
    off = [said(expected + shift) for shift in (0.5, -0.5)]
    if all(off):
        raise CheckFailed("The labels agree, but all logits are off by a half. Compare the logits themselves.")
    if any(off):
        raise CheckFailed(
            "All logits are off by a half in one direction, and you say True. What has the sign to do with it?"
        )
    yield "labels alone prove nothing"
    if said(one_off):
        raise CheckFailed("One logit of eight hundred is off by twenty tolerances. A mean hides it; ask for the worst.")
    yield "the worst logit counts"
    if said(not_there):
        raise CheckFailed("Some logits are NaN, and you say True: with a NaN both `<` and `>` are False.")
    yield "a NaN is not near"
    few = expected[:1]
    try:
        fooled = bool(answer.as_number(answer(np.repeat(few, 400, axis=0), few, 1e-3)))
    except CheckFailed:
        raise CheckFailed("For logits of too few texts return False; yours ends in an error.") from None
    if fooled:
        raise CheckFailed("The export answered one text of four hundred, and you say True: NumPy repeated its row.")
    yield "each text has its answer"


@item
def on_your_mix(answer: Answer, seed: int = 0) -> Iterator[str]:
    """Takes shares of texts, torch's ms and a variant's factors, by shape; returns the factor on the mix."""
    table = json.loads(STORED.read_text(encoding="utf-8"))["table"]
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
        right = total / sum(after.values())
        hints = {
            "That is the mean of the factors. Nobody waits for a factor; add up the milliseconds.": sum(
                shares[shape] * times[shape] for shape in shapes
            ),
            "You weigh by how many texts there are, but a page takes longer than a remark: it is milliseconds that "
            "add up.": 1 / sum(shares[shape] / times[shape] for shape in shapes),
            "You weigh the factors by torch's time. The time that is left is a sum of quotients.": sum(
                before[shape] * times[shape] for shape in shapes
            )
            / total,
            "All lengths count alike in yours. Where does `shares` stand?": sum(ms.values()) / sum(means.values()),
            "That is the best factor of all, which is what advertisements show.": max(times.values()),
            "It is upside down: more than one should mean faster.": 1 / right,
        }
        otherwise = f"For {row['variant']} it is not torch's time for the mix, divided by the variant's."
        compare(answer.number(shares, ms, times), right, hints, otherwise)
    yield "milliseconds add up, factors do not"
    yield "the long texts decide"
