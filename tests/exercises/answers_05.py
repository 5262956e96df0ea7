"""Answers to the items of lesson 5."""

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from sklearn.metrics import f1_score, precision_recall_curve, precision_score

from tests.exercises.answers import right, wrong
from textclf_lesson.check import ex05 as items
from textclf_lesson.evaluate import metrics, thresholds


def _step(weight, vectors, targets, rate, loss=F.binary_cross_entropy_with_logits, clip=True):
    head = torch.nn.Linear(weight.shape[1], weight.shape[0], bias=False)
    head.weight.data = weight.clone()
    loss(head(vectors), targets).backward()
    if clip:
        torch.nn.utils.clip_grad_norm_(head.parameters(), 1.0)
    torch.optim.SGD(head.parameters(), lr=rate).step()
    return head.weight


@wrong("head_step", "applied twice")
def sigmoid_twice(weight, vectors, targets, rate):
    return _step(weight, vectors, targets, rate, lambda z, y: F.binary_cross_entropy_with_logits(z.sigmoid(), y))


@wrong("head_step", "Is there a softmax")
def softmax_for_sigmoid(weight, vectors, targets, rate):
    return _step(weight, vectors, targets, rate, F.cross_entropy, clip=False)


@wrong("head_step", "points uphill")
def uphill(weight, vectors, targets, rate):
    return 2 * weight - _step(weight, vectors, targets, rate)


@wrong("head_step", "moved the weights far away")
def does_not_clip(weight, vectors, targets, rate):
    return _step(weight, vectors, targets, rate, clip=False)


@wrong("head_step", "clip each entry by itself")
def clips_each_slope(weight, vectors, targets, rate):
    head = weight.clone().requires_grad_()
    F.binary_cross_entropy_with_logits(vectors @ head.T, targets).backward()
    torch.nn.utils.clip_grad_value_(head, 1.0)
    return weight - rate * head.grad


@wrong("head_step", "you made it longer")
def always_of_length_one(weight, vectors, targets, rate):
    head = weight.clone().requires_grad_()
    F.binary_cross_entropy_with_logits(vectors @ head.T, targets).backward()
    return weight - rate * head.grad / head.grad.norm()


@right("head_step")
def with_an_optimiser(weight, vectors, targets, rate):
    return _step(weight, vectors, targets, rate)


@right("head_step")
def by_the_formula(weight, vectors, targets, rate):
    slope = (torch.sigmoid(vectors @ weight.T) - targets).T @ vectors / targets.numel()
    return (weight - rate * slope / max(1.0, slope.norm())).numpy()


def _f1(truth, predictions):
    return 2 * (truth * predictions).sum() / (truth.sum() + predictions.sum())


def _search(rows, score=_f1, together=False):
    truth, p = rows
    if together:
        tried = np.linspace(0, 1, 101)
        return [tried[np.argmax([f1_score(truth, p >= t, average="macro") for t in tried])]] * truth.shape[1]
    columns = [(truth[:, label], p[:, label]) for label in range(truth.shape[1])]
    return [max(np.unique(p), key=lambda threshold, t=t, p=p: score(t, p >= threshold)) for t, p in columns]


def _scored(tuned, rows):
    return {"thresholds": tuned, "f1": f1_score(rows[0], rows[1] >= tuned, average=None)}


@wrong("tune_and_score", "best on *test*")
def tuned_on_test(validation, test):
    return _scored(_search(test), test)


@wrong("tune_and_score", "One threshold for all labels")
def one_threshold_for_all(validation, test):
    return _scored(_search(validation, together=True), test)


@wrong("tune_and_score", "best accuracy")
def for_accuracy(validation, test):
    return _scored(_search(validation, lambda truth, predictions: (truth == predictions).mean()), test)


@wrong("tune_and_score", "0.5 is only a convention")
def one_half(validation, test):
    return _scored([0.5] * 6, test)


@wrong("tune_and_score", "which is too optimistic")
def judged_where_chosen(validation, test):
    return _scored(_search(validation), validation)


@wrong("tune_and_score", "Did you use test rows too")
def tuned_on_all_rows(validation, test):
    both = [np.concatenate(parts) for parts in zip(validation, test, strict=True)]
    return _scored(_search(both), test)


@wrong("tune_and_score", "6 numbers, one for each label")
def one_number_for_all(validation, test):
    tuned = _search(validation)
    return {"thresholds": tuned, "f1": f1_score(test[0], test[1] >= tuned, average="micro")}


@right("tune_and_score")
def with_the_package(validation, test):
    tuned = thresholds.tune(*validation, [*"abcdef"])
    return {
        "thresholds": [*tuned.to_dict().values()],
        "f1": pd.Series(f1_score(test[0], tuned.apply(test[1]), average=None)),
    }


@right("tune_and_score")
def along_the_curve(validation, test):
    tuned = []
    for truth, p in zip(validation[0].T, validation[1].T, strict=True):
        precision, recall, tried = precision_recall_curve(truth, p)
        tuned.append(tried[np.argmax((2 * precision * recall / np.maximum(precision + recall, 1e-9))[:-1])])
    return _scored(tuned, test)


def _reached(truth, probability, tuned, wanted, by=("f1_low", "f1_high"), **changed):
    table = metrics.multilabel_report(truth, probability, range(6), tuned).per_label
    low, high = (table[name] for name in by)
    words = ["yes" if a >= wanted else "no" if b < wanted else "open" for a, b in zip(low, high, strict=True)]
    known = {"f1": table["f1"], "low": table["f1_low"], "high": table["f1_high"], "reached": words}
    return known | {key: table[name] for key, name in changed.items()}


@wrong("labels_reached", "the interval holds the goal")
def no_interval_in_the_verdict(truth, probability, tuned, wanted):
    return _reached(truth, probability, tuned, wanted, by=("f1", "f1"))


@wrong("labels_reached", "measured with the threshold 0.5")
def forgets_the_thresholds(truth, probability, tuned, wanted):
    return _reached(truth, probability, 0.5, wanted)


@wrong("labels_reached", "uses no threshold")
def average_precision(truth, probability, tuned, wanted):
    return _reached(truth, probability, tuned, wanted, f1="ap")


@wrong("labels_reached", "`low` is not the low end")
def interval_of_another_score(truth, probability, tuned, wanted):
    return _reached(truth, probability, tuned, wanted, low="auc_low", high="auc_high")


@right("labels_reached")
def own_bootstrap(truth, probability, tuned, wanted):
    predictions, rng = (probability >= tuned).astype(int), np.random.default_rng(7)
    drawn = []
    for _ in range(2000):
        rows = rng.integers(0, len(truth), len(truth))
        hits = (truth[rows] * predictions[rows]).sum(axis=0)
        drawn.append(2 * hits / (truth[rows].sum(axis=0) + predictions[rows].sum(axis=0)))
    low, high = np.quantile(drawn, [0.025, 0.975], axis=0)
    words = ["open" if a < wanted <= b else "yes" if a >= wanted else "no" for a, b in zip(low, high, strict=True)]
    return {"f1": f1_score(truth, predictions, average=None), "low": low, "high": high, "reached": words}


@wrong("foreseen_f1", "F1 of the test as it is")
def nothing_changes(truth, predictions, share):
    return f1_score(truth, predictions)


@wrong("foreseen_f1", "the precision to expect")
def precision_alone(truth, predictions, share):
    r, f = predictions[truth == 1].mean(), predictions[truth == 0].mean()
    return r * share / (r * share + f * (1 - share))


@wrong("foreseen_f1", "not of those predicted yes")
def false_discoveries(truth, predictions, share):
    r, f = predictions[truth == 1].mean(), 1 - precision_score(truth, predictions)
    precision = r * share / (r * share + f * (1 - share))
    return 2 * precision * r / (precision + r)


@wrong("foreseen_f1", "scale F1 by the share")
def in_proportion(truth, predictions, share):
    return f1_score(truth, predictions) * share / truth.mean()


@right("foreseen_f1")
def with_weights(truth, predictions, share):
    weight = np.where(truth == 1, share / truth.mean(), (1 - share) / (1 - truth.mean()))
    return f1_score(truth, predictions, sample_weight=weight)


def _decision(ship="one", how="tuned", average="macro", **changed):
    truth, predictions = items._predicted_ways()
    known = {"ship": ship, "macro_f1": f1_score(truth, predictions["one", how], average=average)}
    pairs = {"one_over_worst": ("worst", "one"), "six_over_one": ("one", "six")}
    return known | {key: items._gain(*pair, how, average) for key, pair in pairs.items()} | changed


@wrong("one_or_six", "Is it *clearly* better than one?")
def takes_the_highest():
    return _decision(ship="six")


@wrong("one_or_six", "Is nothing that comes later")
def takes_the_simplest():
    return _decision(ship="worst")


@wrong("one_or_six", "so frequent labels dominate")
def micro_for_macro():
    return _decision(average="micro")


@wrong("one_or_six", "not with the tuned ones")
def threshold_one_half():
    return _decision(how="half")


@wrong("one_or_six", "`one_over_worst` was measured with the threshold 0.5")
def half_of_the_evidence_at_one_half():
    return _decision(one_over_worst=items._gain("worst", "one", "half"))


@wrong("one_or_six", "it is six minus one")
def other_way_round():
    return _decision(six_over_one=items._gain("six", "one"))


@right("one_or_six")
def from_the_decision_s_own_numbers():
    return _decision() | {"why": "six encoders for a difference that these rows cannot see"}


@wrong("quiz", "Add the three up", lesson="05")
def unsure_about_all():
    return {"output": "a", "stuck": "a", "average": "c", "flattery": "b", "natural": "a"}


@wrong("quiz", "It pools all predictions", lesson="05")
def micro_into_the_contract():
    return {"output": "b", "stuck": "a", "average": "a", "flattery": "b", "natural": "a"}


@right("quiz", lesson="05")
def in_brackets():
    return {"output": "(b)", "stuck": "(a)", "average": "(c)", "flattery": "(b)", "natural": "(a)"}
