"""The items of lesson 5 on training and cuts; those on reports and choices stand in `multilabel.py`."""

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import numpy as np
from sklearn.metrics import f1_score

from textclf_lesson import data
from textclf_lesson.check.core import Answer, CheckFailed, close, compare, item
from textclf_lesson.check.sources import tables

Rows = tuple[np.ndarray, np.ndarray]  # truth and probabilities, both (rows, labels)


@cache
def comments() -> tuple[list[str], dict[str, np.ndarray], dict[str, Any]]:
    """The labels; of each split the truth, (rows, labels), and words as TF-IDF, a sparse matrix."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    labels = list(data.TOXICITY)
    rows = {split: tables("wiki-toxicity")[split] for split in ("train", "validation", "test")}
    words = TfidfVectorizer(sublinear_tf=True, min_df=2).fit(rows["train"]["text"])
    truth = {split: table[labels].to_numpy() for split, table in rows.items()}
    return labels, truth, {split: words.transform(table["text"]) for split, table in rows.items()}


@cache
def _judged() -> dict[str, Rows]:
    """Of validation and test the truth, and what a linear model over words gives to each label."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.multiclass import OneVsRestClassifier

    _, truth, words = comments()
    model = OneVsRestClassifier(LogisticRegression(C=5, max_iter=1000)).fit(words["train"], truth["train"])
    return {split: (truth[split], model.predict_proba(words[split])) for split in ("validation", "test")}


def some_rows(split: str, seed: int, share: float = 0.9) -> Rows:
    """Some of a split's rows, drawn by the seed."""
    truth, probability = _judged()[split]
    kept = np.random.default_rng(seed).random(len(truth)) < share
    return truth[kept], probability[kept]


def _f1(truth: np.ndarray, said: np.ndarray) -> np.ndarray:
    return f1_score(truth, said, average=None, zero_division=0)


def numbers_of(record: Mapping[str, Any], key: str, size: int) -> np.ndarray:
    """An entry that is one number for each label. Raises CheckFailed for anything else."""
    try:
        numbers = np.asarray(record[key], dtype=float)
    except (TypeError, ValueError, OverflowError, RuntimeError):
        numbers = np.array(np.nan)
    if numbers.shape != (size,) or not np.isfinite(numbers).all():
        raise CheckFailed(f"`{key}` should hold {size} numbers, one for each label, in the order of the columns.")
    return numbers


@item
def head_step(answer: Answer, seed: int = 0) -> Iterator[str]:
    """Takes a head's weights (labels, width), texts' vectors (batch, width), targets, a rate; returns new weights."""
    import torch
    import torch.nn.functional as F

    _, truth, words = comments()
    rows = np.random.default_rng(seed).choice(len(truth["train"]), 48, replace=False)
    common = np.argsort(-np.asarray(words["train"].sum(axis=0)).ravel())[:60]  # words that occur in most comments
    vectors = words["train"][rows][:, common].toarray()
    given = [torch.tensor(each, dtype=torch.float32) for each in (vectors, truth["train"][rows])]
    start = torch.tensor(np.random.default_rng(seed + 1).normal(0, 0.5, size=(6, 60)), dtype=torch.float32)

    def slope(vectors: Any, loss: Any) -> np.ndarray:
        weight = start.clone().requires_grad_()
        return torch.autograd.grad(loss(vectors @ weight.T, given[1]), weight)[0].numpy()

    bce = F.binary_cross_entropy_with_logits
    losses = {
        "The step does not fit one sigmoid for each label. Is there a softmax, which shares out one unit?": (
            F.cross_entropy
        ),
        "The step is that of a loss with the sigmoid applied twice: the loss takes logits as they are.": (
            lambda logits, targets: bce(logits.sigmoid(), targets)
        ),
        "The step is too long: the loss is the *mean* over all elements, not their sum.": (
            lambda logits, targets: bce(logits, targets, reduction="sum")
        ),
    }
    rate, before = 0.5 + 0.1 * seed, start.numpy()
    for scale in (1.0, 1000.0):
        texts = scale * given[0]
        right, norm = slope(texts, bce), np.linalg.norm(slope(texts, bce))
        hints = {hint: before - rate * slope(texts, loss) for hint, loss in losses.items()}
        hints["The loss would rise: the slope points uphill, and you went along with it."] = before + rate * right
        hints["Nothing has moved. Do you return the new weights?"] = before
        if scale == 1:
            hints[
                "Slopes shorter than one stay as they are; you made them longer. Or is your loss a sum, not the *mean*?"
            ] = before - rate * right / norm
            after = before - rate * right
            otherwise = (
                "One step from the weights given should be weights − rate · slope of the mean BCE; yours is not."
            )
        else:
            hints = {
                "An odd batch has thrown the weights away: the slopes are together longer than one. Clip them.": (
                    before - rate * right
                ),
                "You clip each slope by itself, which turns the direction. All of them get shorter *together*.": (
                    before - rate * np.clip(right, -1, 1)
                ),
                "You clip label by label. All slopes get shorter together, by one factor.": before
                - rate * right / np.maximum(1, np.linalg.norm(right, axis=1, keepdims=True)),
                "You clip the step after the rate; clip the slopes, then multiply by the rate.": (
                    before - right / norm * min(1, rate * norm)
                ),
            }
            after = before - rate * right / norm
            otherwise = "A usual batch is right. With slopes longer than one the step should be as long as the rate."
        compare(answer.array(start, texts, given[1], rate, shape=before.shape), after, hints, otherwise, 1e-4)
        yield "downhill, each label by its own sigmoid" if scale == 1 else "clipped where a batch is odd"


@cache
def _limits(split: str, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Of each label the highest F1 that any of its probabilities gives as a cut, and the highest accuracy."""
    f1, accuracy = [], []
    for yes, p in zip(*(table.T for table in some_rows(split, seed, 0.55)), strict=True):
        said = p >= p[:, np.newaxis]  # a row for each cut
        hits = said @ yes
        f1.append((2 * hits / (said.sum(axis=1) + yes.sum())).max())
        accuracy.append((said == yes).mean(axis=1).max())
    return np.array(f1), np.array(accuracy)


@item
def cut_and_judge(answer: Answer, seed: int = 0) -> Iterator[str]:
    """Takes (truth, probability) of validation and of test; returns {"cuts", "f1"}, a number for each label."""
    validation, test = some_rows("validation", seed, 0.55), some_rows("test", seed, 0.55)
    record = answer.record(["cuts", "f1"], validation, test)
    cuts = numbers_of(record, "cuts", 6)
    (best, accurate), (best_test, _) = _limits("validation", seed), _limits("test", seed)
    truth, probability = validation
    if (best - _f1(truth, probability >= cuts)).max() > 1e-6:
        if close(cuts, 0.5 + np.zeros(6)):
            raise CheckFailed("One half is a habit. Try every probability as a cut, label by label.")
        if np.ptp(cuts) < 1e-6:
            raise CheckFailed("One cut for all labels suits the frequent ones. A rare label wants a lower one.")
        if (best - _f1(truth, probability > cuts)).max() < 1e-6:
            raise CheckFailed("A comment at the cut itself is a yes: compare with >=.")
        if (best_test - _f1(test[0], test[1] >= cuts)).max() < 1e-6:
            raise CheckFailed("These cuts are the best on *test*. Then the test judges its own choice: use validation.")
        if (accurate - ((probability >= cuts) == truth).mean(axis=0)).max() < 1e-6:
            raise CheckFailed("These cuts give the best accuracy, which a rare label hardly moves. Asked is F1.")
        label = comments()[0][int(np.argmax(best - _f1(truth, probability >= cuts)))]
        raise CheckFailed(f"The cut of {label} does not give the best F1 on validation. Did test rows take part?")
    yield "a cut for each label, from validation"
    found = _f1(test[0], test[1] >= cuts)
    hints = {
        "`f1` was taken on the rows that the cuts were chosen on. Those flatter; judge on test.": _f1(
            truth, probability >= cuts
        ),
        "`f1` was taken at one half. Use the cuts you have chosen.": _f1(test[0], test[1] >= 0.5),
        "`f1` is accuracy. With few positives that is high for who never says yes.": (
            ((test[1] >= cuts) == test[0]).mean(axis=0)
        ),
    }
    compare(numbers_of(record, "f1", 6), found, hints, "`f1` is not F1 on test at your cuts, where the cut is a yes.")
    yield "judged on test, once"
