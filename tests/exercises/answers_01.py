"""Answers to the items of lesson 1."""

import math

import numpy as np
import pandas as pd
from sklearn.metrics import cohen_kappa_score
from sklearn.model_selection import train_test_split

from tests.exercises.answers import right, wrong
from textclf_lesson.check import ex01


@wrong("kind_of_problem", "how many labels *exist*")
def counts_labels_only(rows):
    return "binary" if len({label for labels in rows for label in labels}) == 2 else "multi-class"


@wrong("kind_of_problem", "Look at every row")
def first_row_only(rows):
    different = {label for labels in rows for label in labels}
    return "multi-label" if len(rows[0]) > 1 else "binary" if len(different) == 2 else "multi-class"


@wrong("kind_of_problem", "no label at all")
def forgets_rows_without_a_label(rows):
    if max(len(labels) for labels in rows) > 1:
        return "multi-label"
    return "binary" if len({label for labels in rows for label in labels}) == 2 else "multi-class"


@wrong("kind_of_problem", "classes within classes")
def forgets_the_tree(rows):
    if any(len(labels) != 1 for labels in rows):
        return "multi-label"
    return "binary" if len({labels[0] for labels in rows}) == 2 else "multi-class"


@wrong("kind_of_problem", "also where labels are paths")
def looks_for_dots_first(rows):
    if any("." in label for labels in rows for label in labels):
        return "hierarchical"
    if any(len(labels) != 1 for labels in rows):
        return "multi-label"
    return "binary" if len({labels[0] for labels in rows}) == 2 else "multi-class"


@right("kind_of_problem")
def with_pandas(rows):
    if set(map(len, rows)) != {1}:
        return "multi-label"
    if pd.Series(rows).str[0].str.contains(".", regex=False).any():
        return "hierarchical"
    return {2: "binary"}.get(pd.Series(rows).str[0].nunique(), "multi-class")


@wrong("focal_loss", "there p_t is 1 − p")
def takes_p_itself(p, truth, gamma):
    return -((1 - p) ** gamma) * np.log(p)


@wrong("focal_loss", "minus sign")
def forgets_the_minus(p, truth, gamma):
    p_t = np.where(truth == 1, p, 1 - p)
    return (1 - p_t) ** gamma * np.log(p_t)


@wrong("focal_loss", "not to −γ")
def turns_gamma(p, truth, gamma):
    p_t = np.where(truth == 1, p, 1 - p)
    return -((1 - p_t) ** -gamma) * np.log(p_t)


@wrong("focal_loss", "confident right rows get the largest loss")
def weighs_by_p_t(p, truth, gamma):
    p_t = np.where(truth == 1, p, 1 - p)
    return -(p_t**gamma) * np.log(p_t)


@wrong("focal_loss", "should return numbers of the shape (6, 3)")
def returns_the_mean(p, truth, gamma):
    p_t = np.where(truth == 1, p, 1 - p)
    return (-((1 - p_t) ** gamma) * np.log(p_t)).mean()


@right("focal_loss")
def with_lists(p, truth, gamma):
    def one(p, yes):
        wrong_by = 1 - p if yes else p
        return -(wrong_by**gamma) * math.log1p(-wrong_by)

    return [[one(*cell) for cell in zip(*row, strict=True)] for row in zip(p, truth, strict=True)]


@wrong("split_then_copy", "Which comes first")
def copies_first(rows, least):
    groups = [g.sample(max(least, len(g)), replace=len(g) < least) for _, g in rows.groupby("label")]
    return train_test_split(pd.concat(groups), test_size=0.2, random_state=0)


@wrong("split_then_copy", "Your test rows hold copies")
def fills_up_the_test_too(rows, least):
    def fill(table):
        return pd.concat([g.sample(max(least, len(g)), replace=len(g) < least) for _, g in table.groupby("label")])

    train, test = train_test_split(rows, test_size=0.2, random_state=0)
    return pd.concat([train, fill(train)]), fill(test)


@wrong("split_then_copy", "fewer than the 12")
def copies_nothing(rows, least):
    return train_test_split(rows, test_size=0.2, random_state=0)


@wrong("split_then_copy", "in neither part")
def drops_rare_classes(rows, least):
    kept = rows[rows.groupby("label")["label"].transform("size") >= 2 * least]
    return train_test_split(kept, test_size=0.2, random_state=0)


@right("split_then_copy")
def by_hand(rows, least):
    shuffled = rows.sample(frac=1, random_state=5)
    fifth = len(rows) // 5
    test, train = shuffled.iloc[:fifth], shuffled.iloc[fifth:]
    parts = [train]
    for label, count in train["label"].value_counts().items():
        mine = train[train["label"] == label]
        parts += [mine] * (math.ceil(least / count) - 1)
    return [pd.concat(parts, ignore_index=True), test]


def _contract(metric="macro_f1", model="linear SVM", **changed):
    report = ex01._measured("test")[model]
    low, high = report.interval("macro_f1")
    known = {"metric": metric, "model": model, "measured": report.macro_f1, "low": low, "promise": low - 0.01}
    return known | {key: {"high": high}.get(value, value) for key, value in changed.items()}


@wrong("promise", "each *topic* to count the same")
def promises_accuracy():
    return _contract(metric="accuracy")


@wrong("promise", "more than the lower end")
def promises_what_was_measured():
    return _contract(promise=ex01._measured("test")["linear SVM"].macro_f1)


@wrong("promise", "says little about your model")
def promises_next_to_nothing():
    return _contract(promise=0.3)


@wrong("promise", "large topics count more")
def weighted_for_macro():
    return _contract(measured=ex01._measured("test")["linear SVM"].weighted_f1)


@wrong("promise", "is not the better of the two")
def takes_the_weaker_model():
    return _contract(model="naive Bayes")


@wrong("promise", "on validation, by which you chose")
def promises_what_it_chose_by():
    return _contract(measured=ex01._measured("validation")["linear SVM"].macro_f1)


@wrong("promise", "upper end")
def reads_the_wrong_end():
    return _contract(low="high")


@wrong("promise", "lacks 'low'")
def gives_no_interval():
    return {"metric": "macro_f1", "model": "linear SVM", "measured": 0.76, "promise": 0.7}


@right("promise")
def typed_from_the_table():
    return {"metric": "macro_f1", "model": "linear SVM", "measured": 0.76, "low": 0.711, "promise": 0.65}


@wrong("kappa", "how often they agree")
def plain_agreement(a, b):
    return sum(x == y for x, y in zip(a, b, strict=True)) / len(a)


@wrong("kappa", "Chance is not one half")
def chance_of_a_coin(a, b):
    agreed = sum(x == y for x, y in zip(a, b, strict=True)) / len(a)
    return (agreed - 0.5) / 0.5


@wrong("kappa", "do not divide")
def does_not_divide(a, b):
    agreed = np.mean(np.array(a) == np.array(b))
    return agreed - sum(np.mean(np.array(a) == c) * np.mean(np.array(b) == c) for c in set(a))


@wrong("kappa", "raised")
def zeros_and_ones_only(a, b):
    agreed = np.mean(np.array(a) == np.array(b))
    chance = np.mean(a) * np.mean(b) + (1 - np.mean(a)) * (1 - np.mean(b))
    return (agreed - chance) / (1 - chance)


@right("kappa")
def with_scikit_learn(a, b):
    return cohen_kappa_score(a, b)


@wrong("live", "swapped")
def swaps_precision_and_recall(y_true, y_pred, prevalence):
    pairs = list(zip(y_true, y_pred, strict=True))
    tp, fp, fn = (pairs.count(kind) for kind in [(1, 1), (0, 1), (1, 0)])
    f1 = 2 * tp / (2 * tp + fp + fn)
    return {"precision": tp / (tp + fn), "recall": tp / (tp + fp), "f1": f1, "live_precision": 0.1}


@wrong("live", "plain mean of precision and recall")
def plain_mean_for_f1(y_true, y_pred, prevalence):
    pairs = list(zip(y_true, y_pred, strict=True))
    tp, fp, fn = (pairs.count(kind) for kind in [(1, 1), (0, 1), (1, 0)])
    precision, recall = tp / (tp + fp), tp / (tp + fn)
    return {"precision": precision, "recall": recall, "f1": (precision + recall) / 2, "live_precision": 0.1}


@wrong("live", "false alarms outnumber hits")
def forgets_the_prevalence(y_true, y_pred, prevalence):
    pairs = list(zip(y_true, y_pred, strict=True))
    tp, fp, fn = (pairs.count(kind) for kind in [(1, 1), (0, 1), (1, 0)])
    precision, recall = tp / (tp + fp), tp / (tp + fn)
    f1 = 2 * precision * recall / (precision + recall)
    return {"precision": precision, "recall": recall, "f1": f1, "live_precision": precision}


@wrong("live", "not 1 − precision")
def one_minus_precision_for_false_alarms(y_true, y_pred, prevalence):
    pairs = list(zip(y_true, y_pred, strict=True))
    tp, fp, fn = (pairs.count(kind) for kind in [(1, 1), (0, 1), (1, 0)])
    precision, recall = tp / (tp + fp), tp / (tp + fn)
    f1 = 2 * precision * recall / (precision + recall)
    found = prevalence * recall
    live = found / (found + (1 - prevalence) * (1 - precision))
    return {"precision": precision, "recall": recall, "f1": f1, "live_precision": live}


@wrong("live", "raised ZeroDivisionError")
def divides_by_zero(y_true, y_pred, prevalence):
    pairs = list(zip(y_true, y_pred, strict=True))
    tp, fp, fn, tn = (pairs.count(kind) for kind in [(1, 1), (0, 1), (1, 0), (0, 0)])
    precision, recall, alarms = tp / (tp + fp), tp / (tp + fn), fp / (fp + tn)
    f1 = 2 * precision * recall / (precision + recall)
    live = prevalence * recall / (prevalence * recall + (1 - prevalence) * alarms)
    return {"precision": precision, "recall": recall, "f1": f1, "live_precision": live}


@right("live")
def of_a_million_texts(y_true, y_pred, prevalence):
    y_true, y_pred = np.array(y_true), np.array(y_pred)
    recall, alarms = y_pred[y_true == 1].mean(), y_pred[y_true == 0].mean()
    hits, false = 1e6 * prevalence * recall, 1e6 * (1 - prevalence) * alarms
    precision = y_true[y_pred == 1].mean() if y_pred.any() else 0
    f1 = 2 / (1 / precision + 1 / recall) if precision * recall else 0
    live = hits / (hits + false) if hits else 0
    return {"precision": precision, "recall": recall, "f1": f1, "live_precision": live}


@wrong("quiz", "This mail is both", lesson="01")
def softmax_for_several():
    return {"shape": "a", "leak": "b", "focal": "a", "kappa": "b", "rows": "c"}


@wrong("quiz", "Class weights look at the class", lesson="01")
def focal_for_class_weights():
    return {"shape": "b", "leak": "b", "focal": "c", "kappa": "b", "rows": "c"}


@wrong("quiz", "one letter, a to c", lesson="01")
def no_such_option():
    return {"shape": "b", "leak": "e", "focal": "a", "kappa": "b", "rows": "c"}


@wrong("quiz", "not the number of classes", lesson="01")
def more_classes_more_rows():
    return {"shape": "b", "leak": "b", "focal": "a", "kappa": "b", "rows": "b"}


@right("quiz", lesson="01")
def in_capitals():
    return {"shape": "(B)", "leak": "B ", "focal": "A", "kappa": "B", "rows": "c", "by the way": 1}
