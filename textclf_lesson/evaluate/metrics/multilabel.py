"""Several labels per row: a report for each label and over all, with bootstrap intervals of rows drawn again."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from textclf_lesson.base.inputs import (
    align_tables,
    check_label_table,
    check_names,
    check_probabilities,
    check_same_rows,
    check_thresholds,
    whole_number,
)
from textclf_lesson.evaluate.metrics.bootstrap import middle, ratio
from textclf_lesson.evaluate.metrics.single import Difference

AVERAGES = ("micro", "macro", "samples")
AT_ONCE = 100  # resampled test sets in memory


@dataclass(frozen=True)
class MultilabelReport:
    """Scores of several labels, made by `multilabel_report`. NaN: undefined, for the label has no positives.

    `per_label`: precision, recall, f1, ap (average precision), auc (area under the ROC curve), each 0 to 1, support
    (positive rows), and the ends of 95 % intervals: f1_low, f1_high, and so for ap and auc.
    `averages`: value, low and high of F1 "micro" (of all decisions in one pot), "macro" (the mean over labels) and
    "samples" (the mean over rows; a row with no label that is given none counts as 1).

    >>> multilabel_report(y_true, probabilities, labels).macro_f1  # doctest: +SKIP
    0.71
    """

    per_label: pd.DataFrame
    averages: pd.DataFrame

    @property
    def macro_f1(self) -> float:
        return float(self.averages.loc["macro", "value"])

    def summary(self) -> pd.DataFrame:
        """Each label's scores, the intervals as text, rounded for print."""
        table = self.per_label[["support", "precision", "recall"]].copy()
        for name in ("f1", "ap", "auc"):
            table[name] = self.per_label[name]
            ends = self.per_label[[f"{name}_low", f"{name}_high"]].to_numpy()
            table[f"{name} 95 %"] = [f"{low:.2f} to {high:.2f}" if low == low else "–" for low, high in ends]
        return table.round(3)


def multilabel_report(
    y_true: Any, probabilities: Any, labels: Sequence[str], thresholds: Any = 0.5, n: int = 1000, seed: int = 0
) -> MultilabelReport:
    """Score probabilities of several labels, both of shape (rows, labels), and the yes and no that follow from them.

    labels: their names, in the order of the report and of arrays, which have none; named columns and thresholds find
    their label by name. thresholds: one number, one for each label, a dict or Series by label, or
    `thresholds.Thresholds`. n: how many test sets are drawn, rows with replacement (Efron 1979), for the intervals.

    A label without positives has NaN for all but its support, a UserWarning names it, and the macro mean leaves it out.
    Raises ValueError for no rows, shapes or names that do not fit, pandas indexes that differ, truth other than 0 and
    1, NaN, or values outside 0 to 1.
    """
    labels, n = check_names(labels), whole_number("n", n)
    check_same_rows(truth=y_true, probabilities=probabilities)
    probabilities = check_probabilities(probabilities, labels)
    values = check_thresholds(thresholds, labels)
    truth = check_label_table(y_true, probabilities, labels, what="truth", known="asked for are").to_numpy(dtype=float)
    _check_rows(truth)
    if empty := [name for name, count in zip(labels, truth.sum(axis=0), strict=True) if not count]:
        warnings.warn(f"No positive rows: {', '.join(empty)}. Their scores are undefined (NaN).", stacklevel=2)
    predictions = (probabilities >= values).astype(float)
    once = np.ones((1, len(truth)))
    weighted = (once, *_resampled(len(truth), n, seed))
    draws = [_scores(weights, truth, predictions, probabilities) for weights in weighted]
    value = {name: scores[0] for name, scores in draws[0].items()}
    drawn = {name: np.concatenate([draw[name] for draw in draws[1:]]) for name in value}
    per_label = pd.DataFrame(index=pd.Index(labels, name="label"))
    for name in ("precision", "recall", "f1", "ap", "auc"):
        per_label[name] = value[name]
        if name in ("f1", "ap", "auc"):
            per_label[[f"{name}_low", f"{name}_high"]] = [middle(column) for column in drawn[name].T]
    per_label["support"] = truth.sum(axis=0).astype(int)
    averages = {name: (value[name], *middle(drawn[name])) for name in AVERAGES}
    return MultilabelReport(per_label, pd.DataFrame.from_dict(averages, "index", columns=["value", "low", "high"]))


def multilabel_difference(
    y_true: Any, pred_a: Any, pred_b: Any, average: str = "macro", n: int = 1000, seed: int = 0, scope: str = ""
) -> Difference:
    """F1 of b minus F1 of a on the same rows, with its paired 95 % bootstrap interval (see `difference`).

    All three are tables of 0 and 1, shape (rows, labels); named columns find each other by name. average: "micro",
    "macro" or "samples". scope: data and models in a few words. Raises ValueError as `multilabel_report` does.
    """
    if average not in AVERAGES:
        raise ValueError(f"There is no average {average!r}: choose one of {', '.join(AVERAGES)}.")
    n = whole_number("n", n)
    tables = {"truth": y_true, "predictions a": pred_a, "predictions b": pred_b}
    for what, table in tables.items():
        check_label_table(table, what=what)
    truth, a, b = align_tables(tables)
    _check_rows(truth)
    gains = [
        _f1s(weights, truth, b)[average] - _f1s(weights, truth, a)[average]
        for weights in (np.ones((1, len(truth))), *_resampled(len(truth), n, seed))
    ]
    interval = middle(np.concatenate(gains[1:]))
    return Difference(float(gains[0][0]), *interval, f"{average} F1", len(truth), scope=scope)


def _check_rows(truth: np.ndarray) -> None:
    if not len(truth):
        raise ValueError("There are no rows to score: check the filter or the split they come from.")


def _resampled(rows: int, n: int, seed: int):
    """How often each row is drawn, in blocks of shape (draws, rows)."""
    rng = np.random.default_rng(seed)
    for start in range(0, n, AT_ONCE):
        size = min(AT_ONCE, n - start)
        yield rng.multinomial(rows, np.full(rows, 1 / rows), size=size).astype(float)


def _f1s(weights: np.ndarray, truth: np.ndarray, predictions: np.ndarray) -> dict[str, np.ndarray]:
    """Of each draw: f1 (draws, labels), and its averages (draws,)."""
    hits, yes, positive = weights @ (truth * predictions), weights @ predictions, weights @ truth
    f1 = np.where(positive > 0, ratio(2 * hits, yes + positive), np.nan)
    both = truth.sum(axis=1) + predictions.sum(axis=1)
    by_row = np.where(both > 0, ratio(2 * (truth * predictions).sum(axis=1), both), 1.0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # no label has positives: the mean of nothing is NaN
        macro = np.nanmean(f1, axis=1)
    micro = ratio(2 * hits.sum(axis=1), yes.sum(axis=1) + positive.sum(axis=1))
    return {"f1": f1, "micro": micro, "macro": macro, "samples": weights @ by_row / weights.sum(axis=1)}


def _scores(weights, truth, predictions, probabilities) -> dict[str, np.ndarray]:
    scores = _f1s(weights, truth, predictions)
    hits, yes, positive = weights @ (truth * predictions), weights @ predictions, weights @ truth
    scores["precision"] = np.where(positive > 0, ratio(hits, yes), np.nan)
    scores["recall"] = ratio(hits, positive)
    ranked = [_ranking(weights, *columns) for columns in zip(truth.T, probabilities.T, strict=True)]
    scores["ap"], scores["auc"] = (np.stack(columns, axis=1) for columns in zip(*ranked, strict=True))
    return scores


def _ranking(weights: np.ndarray, is_yes: np.ndarray, score: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Average precision and the area under the ROC curve of each draw, shape (draws,): one walk down the scores."""
    order = np.argsort(-score, kind="stable")
    last = np.append(np.diff(score[order]) != 0, True)  # of those with the same score
    hits = np.cumsum(weights[:, order] * is_yes[order], axis=1)[:, last]
    false = np.cumsum(weights[:, order] * (1 - is_yes[order]), axis=1)[:, last]
    new_hits, new_false = np.diff(hits, prepend=0), np.diff(false, prepend=0)
    precision = np.nan_to_num(ratio(hits, hits + false))
    ap = ratio((new_hits * precision).sum(axis=1), hits[:, -1])
    # A false one costs all hits ranked below it, and half of those that tie with it.
    auc = ratio((new_false * (hits - new_hits / 2)).sum(axis=1), hits[:, -1] * false[:, -1])
    return ap, auc
