"""Answers to the items of lesson 11."""

import io
import tempfile
import warnings
from pathlib import Path

import numpy as np
import torch

from tests.exercises.answers import right, wrong
from textclf_lesson.check import ex11 as items


@wrong("export_file", "does not run on two longer texts")
def as_rigid_as_the_example(network, example):
    file = io.BytesIO()
    names = {"input_names": ["input_ids", "attention_mask"], "output_names": ["logits"]}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(network, example, file, dynamo=False, **names)
    return file.getvalue()


@wrong("export_file", "does not run on two longer texts")
def only_the_batch_is_free(network, example):
    file = io.BytesIO()
    names = {"input_names": ["input_ids", "attention_mask"], "output_names": ["logits"]}
    free = {"input_ids": {0: "batch"}, "attention_mask": {0: "batch"}, "logits": {0: "batch"}}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(network, example, file, dynamo=False, dynamic_axes=free, **names)
    return file.getvalue()


@wrong("export_file", "does not run on five texts")
def only_the_tokens_are_free(network, example):
    file = io.BytesIO()
    names = {"input_names": ["input_ids", "attention_mask"], "output_names": ["logits"]}
    free = {"input_ids": {1: "tokens"}, "attention_mask": {1: "tokens"}}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(network, example, file, dynamo=False, dynamic_axes=free, **names)
    return file.getvalue()


@wrong("export_file", "attention_mask and logits: give names")
def without_names(network, example):
    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(network, example, file, dynamo=False)
    return file.getvalue()


@wrong("export_file", "Do they come from torch.onnx.export?")
def torch_s_own_file(network, example):
    file = io.BytesIO()
    torch.save(network.state_dict(), file)
    return file.getvalue()


@right("export_file")
def by_a_file(network, example):
    free = {0: "rows", 1: "length"}
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        path = Path(folder) / "model.onnx"
        torch.onnx.export(
            network.eval(),
            example,
            str(path),
            input_names=["input_ids", "attention_mask"],
            output_names=["logits"],
            dynamic_axes={"input_ids": free, "attention_mask": free},
            opset_version=17,
            dynamo=False,
        )
        return path.read_bytes()


@wrong("same_answers", "sixth digit")
def equal_to_the_digit(expected, found, tolerance):
    return np.array_equal(expected, found)


@wrong("same_answers", "The labels agree")
def compares_labels(expected, found, tolerance):
    return (expected.argmax(axis=1) == found.argmax(axis=1)).all()


@wrong("same_answers", "Compare the absolute difference")
def forgets_the_sign(expected, found, tolerance):
    return (found - expected).max() <= tolerance


@wrong("same_answers", "A mean hides it")
def mean_distance(expected, found, tolerance):
    return np.abs(found - expected).mean() <= tolerance


@wrong("same_answers", "Some logits are NaN")
def nothing_is_too_far(expected, found, tolerance):
    return not (np.abs(found - expected) > tolerance).any()


@wrong("same_answers", "NumPy repeated the row")
def broadcasts(expected, found, tolerance):
    return np.allclose(found, expected, rtol=0, atol=tolerance)


@right("same_answers")
def row_by_row(expected, found, tolerance):
    try:
        return all(
            abs(a - b) <= tolerance
            for one, two in zip(expected, found, strict=True)
            for a, b in zip(one, two, strict=True)
        )
    except ValueError:
        return False


@wrong("int8_columns", "All columns share one scale")
def one_scale(matrix):
    scale = np.abs(matrix).max() / 127
    return np.round(matrix / scale).astype(np.int8), scale


@wrong("int8_columns", "a scale for each *row*")
def a_scale_for_each_row(matrix):
    scale = np.abs(matrix).max(axis=1, keepdims=True) / 127
    return np.round(matrix / scale).astype(np.int8), scale[:, 0]


@wrong("int8_columns", "You divide by 255")
def all_steps_above_zero(matrix):
    scale = np.abs(matrix).max(axis=0) / 255
    return np.round(matrix / scale).astype(np.int8), scale


@wrong("int8_columns", "*absolute* value")
def largest_with_its_sign(matrix):
    scale = matrix.max(axis=0) / 127
    return np.round(matrix / scale).astype(np.int8), scale


@wrong("int8_columns", "You truncate")
def cuts_off(matrix):
    scale = np.abs(matrix).max(axis=0) / 127
    return (matrix / scale).astype(np.int8), scale


@wrong("int8_columns", "yours are float64")
def floats_that_look_whole(matrix):
    scale = np.abs(matrix).max(axis=0) / 127
    return np.round(matrix / scale), scale


@wrong("int8_columns", "One column is all zero")
def forgets_the_empty_column(matrix):
    scale = np.abs(matrix).max(axis=0) / 127
    return np.round(matrix / scale).astype(np.int8), scale


@right("int8_columns")
def with_torch(matrix):
    weights = torch.tensor(matrix)
    scale = (weights.abs().amax(dim=0) / 127).clamp(min=1e-12)
    return (weights / scale).round().to(torch.int8), scale


def _decision(bits=4, **other):
    _, predictions = items._predictions()
    changed = (predictions[bits] != predictions[32]).mean()
    return {"bits": bits, "lost": items._lost(bits), "changed": changed} | other


@wrong("how_few_bits", "holds zero, but also a loss")
def cannot_be_told_apart():
    return _decision(3)


@wrong("how_few_bits", "and so do fewer")
def eight_as_everybody():
    return _decision(8)


@wrong("how_few_bits", "points may be lost")
def right_on_two_of_three():
    return _decision(2)


@wrong("how_few_bits", "A handful of texts cannot show")
def accuracy_on_three_texts():
    return _decision(lost=(0.0, 0.0))


@wrong("how_few_bits", "sign turned")
def floats_minus_few_bits():
    low, high = items._lost(4)
    return _decision(lost=(-high, -low))


@wrong("how_few_bits", "the change of the *accuracy*")
def labels_as_the_accuracy_tells():
    truth, predictions = items._predictions()
    return _decision(changed=abs((predictions[4] == truth).mean() - (predictions[32] == truth).mean()))


@right("how_few_bits")
def rounded():
    predictions = _decision()
    return {
        "bits": 4.0,
        "lost": [round(end, 3) for end in predictions["lost"]],
        "changed": round(predictions["changed"], 3),
    }


@wrong("on_your_mix", "the mean of the factors")
def mean_of_factors(shares, torch_ms, times):
    return sum(shares[shape] * times[shape] for shape in shares)


@wrong("on_your_mix", "a page takes longer than a remark")
def counts_texts(shares, torch_ms, times):
    return 1 / sum(shares[shape] / times[shape] for shape in shares)


@wrong("on_your_mix", "The variant's time is a sum of quotients")
def factors_weighed_by_time(shares, torch_ms, times):
    total = sum(shares[shape] * torch_ms[shape] for shape in shares)
    return sum(shares[shape] * torch_ms[shape] * times[shape] for shape in shares) / total


@wrong("on_your_mix", "It is upside down")
def upside_down(shares, torch_ms, times):
    total = sum(shares[shape] * torch_ms[shape] for shape in shares)
    return sum(shares[shape] * torch_ms[shape] / times[shape] for shape in shares) / total


@right("on_your_mix")
def a_thousand_texts(shares, torch_ms, times):
    names = list(shares)
    counts, ms, factor = (np.array([some[name] for name in names]) for some in (shares, torch_ms, times))
    return (1000 * counts @ ms) / (1000 * counts @ (ms / factor))


@wrong("quiz", "right on three in a row about half the time", lesson="11")
def three_texts_were_right():
    return {"half": "b", "three": "a", "company": "b", "fused": "a", "factor": "c"}


@wrong("quiz", "The graph begins with numbers of tokens", lesson="11")
def half_a_model():
    return {"half": "c", "three": "c", "company": "b", "fused": "a", "factor": "c"}


@right("quiz", lesson="11")
def in_brackets():
    return {"half": "(b)", "three": "(c)", "company": "(b)", "fused": "(a)", "factor": "(c)"}
