"""The items of exercise 9: attention."""

import contextlib
import os
from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np

from textclf_lesson import data
from textclf_lesson.base.errors import CheckFailed
from textclf_lesson.check.core import Answer, close, compare, guess, item
from textclf_lesson.check.quiz import questions, quiz  # noqa: F401

__getattr__ = guess(__name__)

SENTENCES = 20
COVERED = 0.25  # of a sentence's words
HEADS = ((0, 2), (2, 3), (4, 7))  # layer and head: the one of lesson 9.2, and two that are less tidy
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
        right = _softmax(scores / np.sqrt(d), 1)
        hints = {
            "Your columns add up to one. A token shares out its own look, so each *row* must.": _softmax(
                scores / np.sqrt(d), 0
            ),
            "Row and column are swapped: row i is the token that looks, with its query.": right.T,
            "That is what keys look for in queries. The rows belong to q.": _softmax(scores.T / np.sqrt(d), 1),
            "The square root of d is missing: without it long vectors make every look a stare.": _softmax(scores, 1),
            "You divide by d, not by its square root.": _softmax(scores / d, 1),
            "Those are the scores. A softmax makes shares of them.": scores / np.sqrt(d),
            "All entries together add up to one; each row should.": _softmax(scores.ravel() / np.sqrt(d), 0).reshape(
                right.shape
            ),
        }
        got = answer.array(q, k, shape=right.shape)
        where = f"For head {head} of layer {layer} on a real sentence it is not the softmax of q · k / √d."
        compare(got, right, hints, where, 1e-5)
    yield "each row shared out whole"
    yield "as the model itself computes it"
    if not close(answer.array(40 * q, 40 * k, shape=right.shape), _softmax(1600 * scores / np.sqrt(d), 1), 1e-5):
        raise CheckFailed(
            "With large numbers it is no longer right: take the largest score of a row from it before exp."
        )
    yield "finite for large numbers, too"


@item
def habits(answer: Answer, seed: int = 0) -> Iterator[str]:
    """Takes a layer's attention (heads, tokens, tokens); returns (heads, 4): before, itself, after, special."""
    names = (BEFORE, ITSELF, AFTER, SPECIAL)
    for layer in (0, 3):
        weights = _seen(seed)[layer]
        right, all_look = _habits(weights), _habits(weights, slice(None))
        got = answer.array(weights, shape=right.shape)
        hints = {
            "Rows and columns are swapped: weights[head, i, j] is how much i looks at j.": _habits(
                weights.transpose(0, 2, 1)
            ),
            "You let [CLS] and [SEP] look as well. The mean is over words only.": all_look,
            "Before and after are swapped: what stands before token i is token i − 1.": right[:, [2, 1, 0, 3]],
            "For [CLS] or [SEP] add the two shares; you give their mean.": right * [1, 1, 1, 0.5],
            "Those are sums over the words. Asked is a mean: what one word does.": right * (weights.shape[1] - 2),
        }
        wrong = [name for name, mine, true in zip(names, got.T, right.T, strict=True) if not close(mine, true, 1e-5)]
        special = weights[:, 1:-1]
        if wrong == [SPECIAL] and any(close(got[:, 3], special[..., end].mean(axis=1), 1e-5) for end in (0, -1)):
            raise CheckFailed("The last column counts only one of [CLS] and [SEP]. A head may park at either.")
        compare(got, right, hints, f"In layer {layer} the column for {' and '.join(wrong)} is off.", 1e-5)
        yield "the first layer reads its neighbours" if layer == 0 else "later ones park at [CLS] and [SEP]"


def _habits(weights: np.ndarray, words: slice = slice(1, -1)) -> np.ndarray:
    tokens = np.arange(weights.shape[1])[words]
    columns = []
    for step in (-1, 0, 1):
        there = tokens[(tokens + step >= 0) & (tokens + step < weights.shape[1])]
        columns.append(weights[:, there, there + step].mean(axis=1))
    return np.stack([*columns, weights[:, words][..., [0, -1]].sum(axis=2).mean(axis=1)], axis=1)


@item
def cls_flow(answer: Answer, seed: int = 0) -> Iterator[str]:
    """Takes the attention of all layers (layers, heads, tokens, tokens) and the share kept; returns [CLS]'s parts."""
    weights, tokens = _seen(seed), _seen(seed).shape[-1]
    same = np.eye(tokens)

    def flow(kept: float, layers: np.ndarray) -> np.ndarray:
        total = same
        for layer in layers:
            total = (kept * same + (1 - kept) * layer) @ total
        return total

    mean = weights.mean(axis=1)
    for kept in (0.3, 0.8):
        right = flow(kept, mean)[0]
        hints = {
            "You multiply in the wrong order: the last layer looks at what the first has mixed, not the other way "
            "round.": flow(kept, mean[::-1])[0],
            "That is who collects from [CLS], a column. What it is made of stands in its row.": flow(kept, mean)[:, 0],
            "Nothing passes on untouched: where does `kept` stand?": flow(0, mean)[0],
            "The shares are swapped: `kept` is what passes on untouched.": flow(1 - kept, mean)[0],
            "That is one layer, the last. Follow it through all of them.": flow(kept, mean[-1:])[0],
            "`kept` is not always a half.": flow(0.5, mean)[0],
        }
        got = answer.array(weights, kept, shape=(tokens,))
        if abs(got.sum() - 1) > 1e-4 and not any(close(got, wrong, 1e-5) for wrong in hints.values()):
            raise CheckFailed(
                f"The parts should add up to one; yours give {got.sum():.3g}. Is the *mean* of heads taken?"
            )
        compare(got, right, hints, f"With kept = {kept:g} it is not what rollout gives.", 1e-5)
    yield "the first layer first"
    yield "what is kept and what is collected make one"
    if not close(answer.array(weights, 1.0, shape=(tokens,)), same[0], 1e-5):
        raise CheckFailed("If all is kept, [CLS] stays what it was: itself, and nothing else.")
    yield "if all is kept, nothing moves"


@cache
def _left() -> dict[str, np.ndarray]:
    """How probable each sentence's verdict is when the words that an explanation names are covered."""
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
    said = answer.record(["show", "gain", "passes", "when"])
    show = answer.choice(said, "show", ("attention", "occlusion"))
    when = answer.choice(said, "when", ("always", "on demand"))
    left = _left()
    fell = left["attention"] - left["occlusion"]
    low, high = _interval(fell)
    if show == "attention" and low > 0:
        raise CheckFailed(
            "Cover the words that attention names, and the verdict falls clearly less than with those of "
            "occlusion. Would you show people words that did not decide?"
        )
    yield "the words that decide"
    gain = answer.as_pair(said["gain"], "`gain`")
    unpaired = 3.92 * np.sqrt(left["attention"].var() / SENTENCES + left["occlusion"].var() / SENTENCES)
    if abs(sum(gain) + low + high) < 0.05 < abs(low + high):
        raise CheckFailed("The sign is turned: `gain` is how much *lower* it falls, attention minus occlusion.")
    if close(gain, (np.quantile(fell, 0.025), np.quantile(fell, 0.975)), 0.02):
        raise CheckFailed("That is how much single sentences differ. Asked is the interval of their *mean*: draw it.")
    if abs(sum(gain) - low - high) < 0.05 and abs(gain[1] - gain[0] - unpaired) < 0.02 < abs(high - low - unpaired):
        raise CheckFailed("Draw sentences once, and take both explanations of each: the interval is to be paired.")
    compare(gain, (low, high), {}, "`gain` is not the paired 95 % interval of attention minus occlusion.", 0.02)
    yield "by an interval that does not hold zero"
    passes, tokens = answer.as_number(said["passes"], "`passes`"), left["tokens"].mean()
    hints = {
        "Once for the sentence as it is comes on top.": tokens,
        "`passes` is a mean over the sentences, not the sum of all.": (tokens + 1) * SENTENCES,
        "[CLS] and [SEP] are covered, too.": tokens - 1,
    }
    compare(passes, tokens + 1, hints, "`passes`: one for the sentence, and one for each of its tokens.", 0.004)
    if when == "always":
        raise CheckFailed("More than five passes for a sentence: what does your rule say of that?")
    yield "and what it costs"
