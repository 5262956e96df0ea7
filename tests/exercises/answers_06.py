"""Answers to the items of lesson 6."""

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from sklearn.metrics import classification_report, f1_score
from sklearn.model_selection import KFold, StratifiedKFold

from tests.exercises.answers import right, wrong
from textclf_lesson.check import ex06 as items


def _behind(truth, predictions, **changed):
    table = pd.DataFrame(classification_report(truth, predictions, output_dict=True, zero_division=0)).T
    topics = table.iloc[:-3]
    known = {"blind": topics["support"].max() / len(truth), "macro_f1": topics["f1-score"].mean()}
    return known | {"never_found": len(topics.query("recall == 0"))} | changed


@wrong("behind_accuracy", "every *row* counts the same")
def micro_for_macro(truth, predictions):
    return _behind(truth, predictions, macro_f1=f1_score(truth, predictions, average="micro"))


@wrong("behind_accuracy", "large topics count more")
def weighted_for_macro(truth, predictions):
    return _behind(truth, predictions, macro_f1=f1_score(truth, predictions, average="weighted"))


@wrong("behind_accuracy", "never *predicted*")
def never_predicted(truth, predictions):
    return _behind(truth, predictions, never_found=len(set(truth) - set(predictions)))


@wrong("behind_accuracy", "the model's own accuracy")
def accuracy_for_blindness(truth, predictions):
    return _behind(truth, predictions, blind=np.mean([a == b for a, b in zip(truth, predictions, strict=True)]))


@wrong("behind_accuracy", "accuracy of random guessing")
def one_of_many(truth, predictions):
    return _behind(truth, predictions, blind=1 / len(set(truth)))


@right("behind_accuracy")
def from_the_report(truth, predictions):
    return _behind(truth, predictions)


def _p_t(logits, targets):
    p = torch.sigmoid(logits)
    return torch.where(targets == 1, p, 1 - p)


def _finish(loss, reduction):
    return loss if reduction == "none" else loss.mean()


@wrong("multilabel_focal_loss", "no softmax")
def softmax_for_sigmoid(logits, targets, alpha, gamma=2.0, reduction="mean"):
    p = logits.softmax(dim=1)
    p_t = torch.where(targets == 1, p, 1 - p)
    return _finish(-((1 - p_t) ** gamma) * p_t.log(), reduction)


@wrong("multilabel_focal_loss", "sigmoid was applied twice")
def sigmoid_twice(logits, targets, alpha, gamma=2.0, reduction="mean"):
    ce = F.binary_cross_entropy_with_logits(logits.sigmoid(), targets, reduction="none")
    return _finish((1 - torch.exp(-ce)) ** gamma * ce, reduction)


@wrong("multilabel_focal_loss", "it is the sum")
def sum_for_mean(logits, targets, alpha, gamma=2.0, reduction="mean"):
    ce = F.binary_cross_entropy_with_logits(logits, targets, reduction="none")
    loss = torch.where(targets == 1, alpha, 1.0) * (1 - torch.exp(-ce)) ** gamma * ce
    return loss if reduction == "none" else loss.sum()


@wrong("multilabel_focal_loss", "larger by the factor labels")
def sums_over_labels(logits, targets, alpha, gamma=2.0, reduction="mean"):
    ce = F.binary_cross_entropy_with_logits(logits, targets, reduction="none")
    return ce if reduction == "none" else ce.sum(dim=1).mean()


@wrong("multilabel_focal_loss", "not to −γ")
def gamma_with_the_other_sign(logits, targets, alpha, gamma=2.0, reduction="mean"):
    p_t = _p_t(logits, targets)
    return _finish(-((1 - p_t) ** -gamma) * p_t.log(), reduction)


@wrong("multilabel_focal_loss", "uses 1 − p for all")
def one_factor_for_both_sides(logits, targets, alpha, gamma=2.0, reduction="mean"):
    ce = F.binary_cross_entropy_with_logits(logits, targets, reduction="none")
    return _finish((1 - logits.sigmoid()) ** gamma * ce, reduction)


@wrong("multilabel_focal_loss", "α belongs to positives")
def alpha_on_negatives_too(logits, targets, alpha, gamma=2.0, reduction="mean"):
    ce = F.binary_cross_entropy_with_logits(logits, targets, reduction="none")
    return _finish(alpha * (1 - torch.exp(-ce)) ** gamma * ce, reduction)


@wrong("multilabel_focal_loss", "The rare positives should get more weight")
def alpha_on_the_wrong_class(logits, targets, alpha, gamma=2.0, reduction="mean"):
    ce = F.binary_cross_entropy_with_logits(logits, targets, reduction="none")
    return _finish(torch.where(targets == 0, alpha, 1.0) * (1 - torch.exp(-ce)) ** gamma * ce, reduction)


@wrong("multilabel_focal_loss", "Weight last")
def p_t_of_a_weighted_loss(logits, targets, alpha, gamma=2.0, reduction="mean"):
    ce = F.binary_cross_entropy_with_logits(logits, targets, pos_weight=alpha, reduction="none")
    return _finish((1 - torch.exp(-ce)) ** gamma * ce, reduction)


@wrong("multilabel_focal_loss", "Not finite")
def logarithm_of_the_sigmoid(logits, targets, alpha, gamma=2.0, reduction="mean"):
    p_t = _p_t(logits, targets)
    return _finish(-torch.where(targets == 1, alpha, 1.0) * (1 - p_t) ** gamma * p_t.log(), reduction)


@wrong("multilabel_focal_loss", "Is something clipped")
def clips_the_probability(logits, targets, alpha, gamma=2.0, reduction="mean"):
    p_t = _p_t(logits, targets).clamp_min(1e-7)
    return _finish(-torch.where(targets == 1, alpha, 1.0) * (1 - p_t) ** gamma * p_t.log(), reduction)


@right("multilabel_focal_loss")
def with_logsigmoid(logits, targets, alpha, gamma=2.0, reduction="mean"):
    yes, no = F.logsigmoid(logits), F.logsigmoid(-logits)
    loss = -alpha * targets * no.exp() ** gamma * yes - (1 - targets) * yes.exp() ** gamma * no
    return {"mean": loss.mean(), "none": loss}[reduction]


@wrong("resampled_folds", "Which comes first, copying or splitting?")
def copies_before_dividing(labels, k):
    yes, no = np.flatnonzero(labels == 1), np.flatnonzero(labels == 0)
    rows = np.concatenate([no, np.random.default_rng(0).choice(yes, len(no))])
    folds = StratifiedKFold(k, shuffle=True, random_state=0).split(rows, labels[rows])
    return [(rows[train], rows[test]) for train, test in folds]


@wrong("resampled_folds", "copies among its validation rows")
def copies_the_judged_rows_too(labels, k):
    def even(rows):
        yes, no = rows[labels[rows] == 1], rows[labels[rows] == 0]
        return np.concatenate([no, np.resize(yes, len(no))])

    folds = StratifiedKFold(k, shuffle=True, random_state=0).split(labels, labels)
    return [(even(train), even(test)) for train, test in folds]


@wrong("resampled_folds", "sorted by label")
def folds_in_the_given_order(labels, k):
    return [tuple(rows) for rows in KFold(k).split(labels)]


@wrong("resampled_folds", "leave none out")
def leaves_rows_out(labels, k):
    folds = []
    for train, test in StratifiedKFold(k).split(labels, labels):
        yes, no = train[labels[train] == 1], train[labels[train] == 0]
        folds.append((np.concatenate([yes, no[: len(yes)]]), test))
    return folds


@wrong("resampled_folds", "Copy positives until there are as many")
def copies_nothing(labels, k):
    return list(StratifiedKFold(k).split(labels, labels))


@right("resampled_folds")
def by_hand(labels, k):
    number = np.empty(len(labels), dtype=int)
    for value in (0, 1):
        rows = np.flatnonzero(labels == value)
        number[np.random.default_rng(value).permutation(rows)] = np.arange(len(rows)) % k
    folds = []
    for fold in range(k):
        no = np.flatnonzero((number != fold) & (labels == 0)).tolist()
        yes = np.flatnonzero((number != fold) & (labels == 1)).tolist()
        folds.append([(yes * len(no))[: len(no)] + no, np.flatnonzero(number == fold).tolist()])
    return folds


def _decision(remedy="threshold", rows="validation", **changed):
    _, _, best = items._threats()
    half, tuned, weighted = ("as it is", "half"), ("as it is", rows), ("weights", rows)
    known = {"remedy": remedy, "threshold": best[rows], "threshold_over_half": items._gain(half, tuned)}
    return known | {"weights_on_top": items._gain(tuned, weighted)} | changed


@wrong("remedy", "Weights look good")
def believes_the_first_table():
    return _decision(remedy="weights")


@wrong("remedy", "*clearly* better")
def takes_all_there_is():
    return _decision(remedy="both")


@wrong("remedy", "best threshold on *test*")
def threshold_tuned_on_test():
    return _decision(rows="test")


@wrong("remedy", "is the default threshold")
def one_half_for_ever():
    return _decision(threshold=0.5)


@wrong("remedy", "Tune both thresholds")
def evidence_at_one_half():
    return _decision(weights_on_top=items._gain(("as it is", "half"), ("weights", "half")))


@wrong("remedy", "sign turned: with weights minus as it is")
def other_way_round():
    return _decision(weights_on_top=items._gain(("weights", "validation"), ("as it is", "validation")))


@right("remedy")
def rounded_by_hand():
    return {
        "remedy": "threshold",
        "threshold": 0.18,
        "threshold_over_half": [0.22, 0.48],
        "weights_on_top": [-0.04, 0.05],
    }


@wrong("quiz", "A model that never reads reaches that too", lesson="06")
def ships_it():
    return {"accuracy": "c", "gamma": "c", "weights": "a", "smote": "b", "harm": "c"}


@wrong("quiz", "does not know what is rare", lesson="06")
def focal_for_class_weights():
    return {"accuracy": "b", "gamma": "a", "weights": "a", "smote": "b", "harm": "c"}


@right("quiz", lesson="06")
def in_capitals():
    return {"accuracy": "B", "gamma": "C", "weights": "A", "smote": "B", "harm": "C"}
