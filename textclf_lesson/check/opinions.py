"""The items of lesson 8 on averages and calibration; those on errors stand in `errors.py`."""

from collections.abc import Iterator
from functools import cache

import numpy as np
from scipy.special import expit, logit

from textclf_lesson import calibration, ensemble
from textclf_lesson.check.core import Answer, CheckFailed, compare, item
from textclf_lesson.check.toxicity import comments


@cache
def _members() -> dict[str, dict[str, np.ndarray]]:
    """What three models of different kinds give to each label: of validation and of test, shape (rows, labels)."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.multiclass import OneVsRestClassifier
    from sklearn.naive_bayes import MultinomialNB
    from sklearn.svm import LinearSVC

    _, truth, words = comments()
    counts = {split: (rows > 0).astype(float) for split, rows in words.items()}
    found = {}
    for name, model, x, ask in [
        ("regression", LogisticRegression(C=5, max_iter=1000), words, "predict_proba"),
        ("naive Bayes", MultinomialNB(), counts, "predict_proba"),
        ("verdicts", LinearSVC(C=0.2, random_state=0), words, "predict"),
    ]:
        fitted = OneVsRestClassifier(model).fit(x["train"], truth["train"])
        found[name] = {split: np.asarray(getattr(fitted, ask)(x[split])) for split in ("validation", "test")}
    return found


def _safe(p: np.ndarray) -> np.ndarray:
    return np.clip(p, ensemble.SMALLEST, 1 - ensemble.SMALLEST)


@item
def pooled(answer: Answer, seed: int = 0) -> Iterator[str]:
    """Takes members' probabilities, each (rows, labels), and their weights; returns their average by way of logits."""
    rows = np.random.default_rng(seed).choice(len(comments()[1]["test"]), 200, replace=False)
    one, two, hard = (_safe(member["test"][rows]) for member in _members().values())
    even = expit((logit(one) + logit(two)) / 2)
    hints = {
        "That is the mean of the probabilities. A member that is very sure should pull more: average logits.": (
            (one + two) / 2
        ),
        "Those are logits. Turn them back into probabilities.": (logit(one) + logit(two)) / 2,
        "You add the logits up and do not divide: two members who agree would be twice as sure.": expit(
            logit(one) + logit(two)
        ),
        "That is the root of the product of probabilities: the other side, 1 − p, is left out. A logit has both.": (
            np.sqrt(one * two)
        ),
        "These are several labels, each with a sigmoid of its own; yours add up to one in each row.": (
            even / even.sum(axis=1, keepdims=True)
        ),
    }
    got = answer.array([one, two], [1, 1], shape=one.shape)
    compare(got, even, hints, "With even weights it is not the sigmoid of the mean of the members' logits.", 1e-4)
    yield "a mean of evidence"
    weights = [3 + seed, 1]
    share = weights[0] / sum(weights)
    right = expit(share * logit(one) + (1 - share) * logit(two))
    hints = {
        "The weights change nothing.": even,
        "Weights need not add up to one: divide by their sum, else more weight is more certainty.": expit(
            weights[0] * logit(one) + logit(two)
        ),
        "The weights went to the other member.": expit((1 - share) * logit(one) + share * logit(two)),
    }
    compare(answer.array([one, two], weights, shape=one.shape), right, hints, "With uneven weights it is off.", 1e-4)
    yield "weighed"
    raw = _members()["verdicts"]["test"][rows].astype(float)
    got = answer.array([one, raw, 1 - raw], [1, 1, 1], shape=one.shape)
    if not np.isfinite(got).all():
        raise CheckFailed(
            "Two members said 0 and 1, and their logits are infinite. Keep probabilities 1e-6 away from both ends."
        )
    right = expit((logit(one) + logit(hard) + logit(1 - hard)) / 3)
    compare(got, right, {}, "With members that say 0 or 1 it is off: keep 1e-6 away from both ends.", 1e-3)
    yield "nobody outvotes all others"


@cache
def _logits(name: str, factor: float, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
    """Of one label: a member's logits times a factor, their truth, other logits, and the temperature they need."""
    truth, place = comments()[1]["validation"], [0, 4, 2][seed % 3]
    kept = np.random.default_rng(seed).random(len(truth)) < 0.9
    scores = {split: factor * logit(_safe(p[:, place])) for split, p in _members()[name].items()}
    yes = truth[kept, place]
    fitted = calibration.Temperature(multi_label=True).fit(scores["validation"][kept], yes)
    return scores["validation"][kept], yes, scores["test"], fitted.temperature_


@item
def calibrated(answer: Answer, seed: int = 0) -> Iterator[str]:
    """Takes validation logits, their truth (0, 1) and other logits, all (rows,); returns the others' probabilities."""
    for name, factor in {"naive Bayes": 1.0, "regression": 0.4}.items():
        scores, yes, unseen, t = _logits(name, factor, seed)
        as_trained = (
            "Those are the probabilities as trained: nothing is mended."
            if factor == 1
            else "This model is too *modest*, and nothing is mended. May your temperature get below one?"
        )
        hints = {
            as_trained: expit(unseen),
            "You multiply by the temperature. Dividing by more than one makes a model more modest.": expit(unseen * t),
            "Those are logits. Turn them back into probabilities.": unseen / t,
            "That is the base rate for everybody: calibrated, and of no use.": np.full(len(unseen), yes.mean()),
        }
        got = answer.array(scores, yes, unseen, shape=unseen.shape)
        otherwise = "It is not one temperature for all rows, the one with the best log-likelihood on validation."
        if (np.diff(got[np.argsort(unseen, kind="stable")]) < -1e-6).any():
            otherwise = "The order of the rows has changed. One temperature, above zero, leaves it as it is."
        compare(got, expit(unseen / t), hints, otherwise, 0.012)
        yield "a model that is too sure" if factor == 1 else "and one that is too modest"
