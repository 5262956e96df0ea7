"""The items of exercise 9: attention."""

import contextlib
import os
from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np

from textclf_lesson import data
from textclf_lesson.base.errors import CheckFailed
from textclf_lesson.check.core import Answer, guess, item
from textclf_lesson.check.quiz import questions, quiz  # noqa: F401
from textclf_lesson.check.values import close, compare

__getattr__ = guess(__name__)

SENTENCES = 20
COVERED = 0.25  # share of a sentence's tokens
HEADS = ((0, 2), (2, 3), (4, 7))  # layer and head: the one of lesson 9.2, and two with a less clear pattern
BEFORE, ITSELF, AFTER, SPECIAL = "the token before", "the token itself", "the token after", "[CLS] or [SEP]"


@cache
def _sentiment() -> Any:
    from textclf_lesson.models import checkpoints

    return checkpoints.load("sentiment")


@cache
def _sentences() -> list[str]:
    shuffled = data.load("movie-snippets")["test"].shuffle(seed=0)["text"]
    return [text for text in shuffled if 8 <= len(text.split()) <= 14]


@cache
def _seen(at: int) -> np.ndarray:
    """All attention for a sentence, shape (layers, heads, tokens, tokens)."""
    from textclf_lesson.evaluate import explain

    found = explain.attention(_sentiment().model_, _sentiment().tokenizer_, _sentences()[at])
    return found.weights.astype(float)


def _vectors(at: int, layer: int, head: int) -> tuple[np.ndarray, np.ndarray]:
    """Queries and keys of a head for a sentence, both of shape (tokens, size)."""
    import torch

    model, tokenizer = _sentiment().model_, _sentiment().tokenizer_
    with torch.inference_mode():
        inputs = tokenizer(_sentences()[at], return_tensors="pt")
        hidden = model(**inputs, output_hidden_states=True).hidden_states[layer]
        own = model.bert.encoder.layer[layer].attention.self
        size = own.attention_head_size
        part = slice(head * size, (head + 1) * size)
        q, k = (linear(hidden)[0, :, part].numpy().astype(float) for linear in (own.query, own.key))
    return q, k


def _softmax(scores: np.ndarray, axis: int) -> np.ndarray:
    powers = np.exp(scores - scores.max(axis=axis, keepdims=True))
    return powers / powers.sum(axis=axis, keepdims=True)


@item
def head_attention(answer: Answer, seed: int = 0) -> Iterator[str]:
    """Takes queries and keys, both (tokens, d); returns the head's attention, (tokens, tokens)."""
    for layer, head in HEADS:
        q, k = _vectors(seed, layer, head)
        scores, d = q @ k.T, q.shape[1]
        expected = _softmax(scores / np.sqrt(d), 1)
        hints = {
            "Your columns sum to one. Each token distributes its own attention, so each *row* must.": _softmax(
                scores / np.sqrt(d), 0
            ),
            "Rows and columns are swapped: row i belongs to the query of token i.": expected.T,
            "You multiply k by q. The rows belong to q.": _softmax(scores.T / np.sqrt(d), 1),
            "The square root of d is missing: without it, attention goes to one token almost alone.": _softmax(
                scores, 1
            ),
            "You divide by d, not by its square root.": _softmax(scores / d, 1),
            "Those are the scores. Apply a softmax to each row.": scores / np.sqrt(d),
            "All entries together sum to one; each row should.": _softmax(scores.ravel() / np.sqrt(d), 0).reshape(
                expected.shape
            ),
        }
        got = answer.array(q, k, shape=expected.shape)
        where = f"For head {head} of layer {layer} on a real sentence it is not the softmax of q · k / √d."
        compare(got, expected, hints, where, 1e-5)
    yield "each row sums to one"
    yield "as the model itself computes it"
    if not close(answer.array(40 * q, 40 * k, shape=expected.shape), _softmax(1600 * scores / np.sqrt(d), 1), 1e-5):
        raise CheckFailed(
            "With large numbers it is no longer right: subtract the largest score of each row before exp."
        )
    yield "finite for large numbers too"


@item
def habits(answer: Answer, seed: int = 0) -> Iterator[str]:
    """Takes a layer's attention (heads, tokens, tokens); returns (heads, 4): before, itself, after, special."""
    names = (BEFORE, ITSELF, AFTER, SPECIAL)
    for layer in (0, 3):
        weights = _seen(seed)[layer]
        expected, all_look = _habits(weights), _habits(weights, slice(None))
        got = answer.array(weights, shape=expected.shape)
        hints = {
            "Rows and columns are swapped: weights[head, i, j] is the attention of token i to token j.": _habits(
                weights.transpose(0, 2, 1)
            ),
            "You include the rows of [CLS] and [SEP]. The mean is over words only.": all_look,
            "Before and after are swapped: before token i comes token i − 1.": expected[:, [2, 1, 0, 3]],
            "For [CLS] or [SEP] add the two shares; you give their mean.": expected * [1, 1, 1, 0.5],
            "Those are sums over the words. Return the mean over words.": expected * (weights.shape[1] - 2),
        }
        wrong = [name for name, mine, true in zip(names, got.T, expected.T, strict=True) if not close(mine, true, 1e-5)]
        special = weights[:, 1:-1]
        if wrong == [SPECIAL] and any(close(got[:, 3], special[..., end].mean(axis=1), 1e-5) for end in (0, -1)):
            raise CheckFailed("The last column counts only one of [CLS] and [SEP]. Add the attention to both.")
        compare(got, expected, hints, f"In layer {layer} the column for {' and '.join(wrong)} is wrong.", 1e-5)
        yield "the first layer attends to neighbours" if layer == 0 else "a later one to [CLS] and [SEP]"


def _habits(weights: np.ndarray, words: slice = slice(1, -1)) -> np.ndarray:
    tokens = np.arange(weights.shape[1])[words]
    columns = []
    for step in (-1, 0, 1):
        there = tokens[(tokens + step >= 0) & (tokens + step < weights.shape[1])]
        columns.append(weights[:, there, there + step].mean(axis=1))
    return np.stack([*columns, weights[:, words][..., [0, -1]].sum(axis=2).mean(axis=1)], axis=1)


@item
def cls_flow(answer: Answer, seed: int = 0) -> Iterator[str]:
    """Takes attention (layers, heads, tokens, tokens) and the share kept; returns the parts of [CLS], (tokens,)."""
    weights, tokens = _seen(seed), _seen(seed).shape[-1]
    same = np.eye(tokens)

    def flow(kept: float, layers: np.ndarray) -> np.ndarray:
        total = same
        for layer in layers:
            total = (kept * same + (1 - kept) * layer) @ total
        return total

    mean = weights.mean(axis=1)
    for kept in (0.3, 0.8):
        expected = flow(kept, mean)[0]
        hints = {
            "You multiply in the wrong order: the last layer mixes what the first one made, not the other way "
            "round.": flow(kept, mean[::-1])[0],
            "That is the column of [CLS]: what other tokens take from it. What [CLS] is made of is in its row.": flow(
                kept, mean
            )[:, 0],
            "Nothing is passed on unchanged: where is `kept` in your formula?": flow(0, mean)[0],
            "The shares are swapped: `kept` is what is passed on unchanged.": flow(1 - kept, mean)[0],
            "That is the last layer alone. Multiply the matrices of all layers.": flow(kept, mean[-1:])[0],
            "`kept` is not always 0.5.": flow(0.5, mean)[0],
        }
        got = answer.array(weights, kept, shape=(tokens,))
        if abs(got.sum() - 1) > 1e-4 and not any(close(got, wrong, 1e-5) for wrong in hints.values()):
            raise CheckFailed(
                f"The parts should sum to one; yours give {got.sum():.3g}. Do you take the *mean* of the heads?"
            )
        compare(got, expected, hints, f"With kept = {kept:g} it is not what rollout gives.", 1e-5)
    yield "the first layer first"
    yield "the parts sum to one"
    if not close(answer.array(weights, 1.0, shape=(tokens,)), same[0], 1e-5):
        raise CheckFailed("With kept = 1, [CLS] consists of itself alone.")
    yield "with kept = 1, nothing is mixed"


@cache
def _left() -> dict[str, np.ndarray]:
    """The probability of each sentence's predicted label once the words that an explanation names are masked."""
    from textclf_lesson.evaluate import explain

    some, found = _sentences()[:SENTENCES], {}
    with _without_bars():
        for name in ("attention", "occlusion"):
            scores = explain.attributions(_sentiment(), some, name)
            found[name] = explain.deletion(_sentiment(), some, scores, [COVERED])[:, 0]
            found["tokens"] = np.array([len(score) for score in scores])
    return found


@contextlib.contextmanager
def _without_bars() -> Iterator[None]:
    before = os.environ.get("TEXTCLF_PROGRESS")
    os.environ["TEXTCLF_PROGRESS"] = "0"
    try:
        yield
    finally:
        del os.environ["TEXTCLF_PROGRESS"]
        if before is not None:
            os.environ["TEXTCLF_PROGRESS"] = before


def _interval(values: np.ndarray) -> tuple[float, float]:
    draws = np.random.default_rng(0).integers(0, len(values), (5000, len(values)))
    low, high = np.quantile(values[draws].mean(axis=1), [0.025, 0.975])
    return low, high


@item
def show_which(answer: Answer) -> Iterator[str]:
    """Returns {"show", "gain", "passes", "when"}: which explanation is shown, and on what evidence."""
    record = answer.record(["show", "gain", "passes", "when"])
    show = answer.choice(record, "show", ("attention", "occlusion"))
    when = answer.choice(record, "when", ("always", "on demand"))
    left = _left()
    fell = left["attention"] - left["occlusion"]
    low, high = _interval(fell)
    if show == "attention" and low > 0:
        raise CheckFailed(
            "If the words that attention names are masked, the probability falls clearly less than with those of "
            "occlusion. Would you show people words that did not decide?"
        )
    yield "the words that change the probability more"
    gain = answer.as_pair(record["gain"], "`gain`")
    unpaired = 3.92 * np.sqrt(left["attention"].var() / SENTENCES + left["occlusion"].var() / SENTENCES)
    if abs(sum(gain) + low + high) < 0.05 < abs(low + high):
        raise CheckFailed(
            "The sign is turned: `gain` is the probability left by attention minus that left by occlusion."
        )
    if close(gain, (np.quantile(fell, 0.025), np.quantile(fell, 0.975)), 0.02):
        raise CheckFailed("That is the range of single sentences. Return the interval of their *mean*, by bootstrap.")
    if abs(sum(gain) - low - high) < 0.05 and abs(gain[1] - gain[0] - unpaired) < 0.02 < abs(high - low - unpaired):
        raise CheckFailed("Draw sentences once, and take both explanations of each: the interval should be paired.")
    compare(gain, (low, high), {}, "`gain` is not the paired 95 % interval of attention minus occlusion.", 0.02)
    yield "by an interval without zero"
    passes, tokens = answer.as_number(record["passes"], "`passes`"), left["tokens"].mean()
    hints = {
        "Add one pass for the sentence as it is.": tokens,
        "`passes` is a mean over the sentences, not the sum of all.": (tokens + 1) * SENTENCES,
        "[CLS] and [SEP] are masked too.": tokens - 1,
    }
    compare(passes, tokens + 1, hints, "`passes`: one for the sentence, and one for each of its tokens.", 0.004)
    if when == "always":
        raise CheckFailed("More than five passes for a sentence: what does your rule say about that?")
    yield "and its cost in passes"
