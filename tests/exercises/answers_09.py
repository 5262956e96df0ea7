"""Answers to the items of lesson 9."""

import numpy as np
import torch
from scipy.special import softmax

from tests.exercises.answers import right, wrong
from textclf_lesson.check import ex09 as items


@wrong("head_attention", "each *row* must")
def columns_add_up(q, k):
    return softmax(q @ k.T / np.sqrt(q.shape[1]), axis=0)


@wrong("head_attention", "Rows and columns are swapped")
def row_and_column_swapped(q, k):
    return softmax(q @ k.T / np.sqrt(q.shape[1]), axis=1).T


@wrong("head_attention", "The rows belong to q")
def keys_ask(q, k):
    return softmax(k @ q.T / np.sqrt(q.shape[1]), axis=1)


@wrong("head_attention", "square root of d is missing")
def not_scaled(q, k):
    return softmax(q @ k.T, axis=1)


@wrong("head_attention", "Those are the scores")
def no_softmax(q, k):
    return q @ k.T / np.sqrt(q.shape[1])


@wrong("head_attention", "subtract the largest score of each row")
def overflows(q, k):
    with np.errstate(all="ignore"):
        powers = np.exp(q @ k.T / np.sqrt(q.shape[1]))
        return powers / powers.sum(axis=1, keepdims=True)


@right("head_attention")
def with_torch(q, k):
    return torch.softmax(torch.tensor(q) @ torch.tensor(k).T * q.shape[1] ** -0.5, dim=-1)


@wrong("habits", "Rows and columns are swapped")
def who_is_looked_at(weights):
    at = np.arange(1, weights.shape[1] - 1)
    near = [weights[:, at + step, at].mean(axis=1) for step in (-1, 0, 1)]
    return np.stack([*near, weights[:, [0, -1]][:, :, 1:-1].sum(axis=1).mean(axis=1)], axis=1)


@wrong("habits", "You include the rows of [CLS] and [SEP]")
def all_tokens_look(weights):
    near = [np.diagonal(weights, step, axis1=1, axis2=2).mean(axis=1) for step in (-1, 0, 1)]
    return np.stack([*near, weights[:, :, [0, -1]].sum(axis=2).mean(axis=1)], axis=1)


@wrong("habits", "Before and after are swapped")
def before_is_after(weights):
    at = np.arange(1, weights.shape[1] - 1)
    near = [weights[:, at, at + step].mean(axis=1) for step in (1, 0, -1)]
    return np.stack([*near, weights[:, 1:-1][:, :, [0, -1]].sum(axis=2).mean(axis=1)], axis=1)


@wrong("habits", "only one of [CLS] and [SEP]")
def cls_alone(weights):
    at = np.arange(1, weights.shape[1] - 1)
    near = [weights[:, at, at + step].mean(axis=1) for step in (-1, 0, 1)]
    return np.stack([*near, weights[:, 1:-1, 0].mean(axis=1)], axis=1)


@wrong("habits", "Return the mean over words")
def adds_up(weights):
    at = np.arange(1, weights.shape[1] - 1)
    near = [weights[:, at, at + step].sum(axis=1) for step in (-1, 0, 1)]
    return np.stack([*near, weights[:, 1:-1][:, :, [0, -1]].sum(axis=(1, 2))], axis=1)


@right("habits")
def word_by_word(weights):
    rows = []
    for head in weights:
        words = range(1, len(head) - 1)
        each = [[head[i][i - 1], head[i][i], head[i][i + 1], head[i][0] + head[i][-1]] for i in words]
        rows.append([float(sum(column) / len(each)) for column in zip(*each, strict=True)])
    return rows


def _flow(layers, kept):
    same = np.eye(layers.shape[-1])
    flow = same
    for layer in layers:
        flow = (kept * same + (1 - kept) * layer) @ flow
    return flow


@wrong("cls_flow", "multiply in the wrong order")
def last_layer_first(weights, kept):
    same = np.eye(weights.shape[-1])
    flow = same
    for layer in weights.mean(axis=1):
        flow = flow @ (kept * same + (1 - kept) * layer)
    return flow[0]


@wrong("cls_flow", "the column of [CLS]")
def the_column_of_cls(weights, kept):
    return _flow(weights.mean(axis=1), kept)[:, 0]


@wrong("cls_flow", "Nothing is passed on unchanged")
def no_residual(weights, kept):
    return _flow(weights.mean(axis=1), 0)[0]


@wrong("cls_flow", "The shares are swapped")
def shares_swapped(weights, kept):
    return _flow(weights.mean(axis=1), 1 - kept)[0]


@wrong("cls_flow", "not always 0.5")
def always_a_half(weights, kept):
    return _flow(weights.mean(axis=1), 0.5)[0]


@wrong("cls_flow", "Do you take the *mean* of the heads?")
def sum_of_heads(weights, kept):
    return _flow(weights.sum(axis=1), kept)[0]


@right("cls_flow")
def backwards_from_cls(weights, kept):
    row = np.eye(weights.shape[-1])[0]
    for layer in reversed(weights):
        row = kept * row + (1 - kept) * np.mean([row @ head for head in layer], axis=0)
    return row.tolist()


def _decision(**other):
    left = items._left()
    gain = items._interval(left["attention"] - left["occlusion"])
    passes = left["tokens"].mean() + 1
    return {"show": "occlusion", "gain": gain, "passes": passes, "when": "on demand"} | other


@wrong("show_which", "words that did not decide")
def the_heat_map():
    return _decision(show="attention", when="always")


@wrong("show_which", "The sign is turned")
def occlusion_minus_attention():
    low, high = _decision()["gain"]
    return _decision(gain=(-high, -low))


@wrong("show_which", "the interval of their *mean*")
def how_single_sentences_differ():
    left = items._left()
    return _decision(gain=np.quantile(left["attention"] - left["occlusion"], [0.025, 0.975]))


@wrong("show_which", "both explanations of each")
def unpaired():
    left, rng = items._left(), np.random.default_rng(0)
    one, two = (rng.choice(left[name], (5000, 20)).mean(axis=1) for name in ("attention", "occlusion"))
    return _decision(gain=np.quantile(one - two, [0.025, 0.975]))


@wrong("show_which", "one pass for the sentence as it is")
def forgets_the_first_pass():
    return _decision(passes=items._left()["tokens"].mean())


@wrong("show_which", "what does your rule say about that?")
def for_every_visitor():
    return _decision(when="always")


@right("show_which")
def rounded():
    low, high = _decision()["gain"]
    return _decision(gain=[round(low, 2), round(high, 2)], passes=round(_decision()["passes"], 1))


@wrong("quiz", "it has no sign", lesson="09")
def attention_has_a_sign():
    return {"empty": "c", "stripe": "b", "mixture": "a", "sign": "a", "test": "c"}


@wrong("quiz", "what persuades people", lesson="09")
def asks_people():
    return {"empty": "c", "stripe": "b", "mixture": "a", "sign": "b", "test": "a"}


@right("quiz", lesson="09")
def with_brackets():
    return {"empty": "(c)", "stripe": "(b)", "mixture": "(a)", "sign": "(b)", "test": "(c)"}
