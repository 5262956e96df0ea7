"""The items of exercise 5: multi-label toxicity."""

import warnings
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
from sklearn.metrics import f1_score

from textclf_lesson import data
from textclf_lesson.base.errors import CheckFailed
from textclf_lesson.check.core import Answer, guess, item
from textclf_lesson.check.quiz import questions, quiz  # noqa: F401
from textclf_lesson.check.sources import tables
from textclf_lesson.check.values import close, compare
from textclf_lesson.evaluate import metrics, thresholds

__getattr__ = guess(__name__)

# --- toxicity ---------------------------------------------------------------------------------------------------------

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
def _scored() -> dict[str, Rows]:
    """Truth of validation and test rows, and a linear model's probability of each label."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.multiclass import OneVsRestClassifier

    _, truth, words = comments()
    model = OneVsRestClassifier(LogisticRegression(C=5, max_iter=1000)).fit(words["train"], truth["train"])
    return {split: (truth[split], model.predict_proba(words[split])) for split in ("validation", "test")}


def some_rows(split: str, seed: int, share: float = 0.9) -> Rows:
    """Some of a split's rows, drawn by the seed."""
    truth, probability = _scored()[split]
    kept = np.random.default_rng(seed).random(len(truth)) < share
    return truth[kept], probability[kept]


def _f1(truth: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    return f1_score(truth, predicted, average=None, zero_division=0)


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

    def gradient(vectors: Any, loss: Any) -> np.ndarray:
        weight = start.clone().requires_grad_()
        return torch.autograd.grad(loss(vectors @ weight.T, given[1]), weight)[0].numpy()

    bce = F.binary_cross_entropy_with_logits
    losses = {
        "The step does not fit one sigmoid for each label. Is there a softmax, whose outputs sum to one?": (
            F.cross_entropy
        ),
        "The step fits a loss with the sigmoid applied twice: the loss takes logits.": (
            lambda logits, targets: bce(logits.sigmoid(), targets)
        ),
        "The step is too long: the loss is the *mean* over all elements, not their sum.": (
            lambda logits, targets: bce(logits, targets, reduction="sum")
        ),
    }
    rate, before = 0.5 + 0.1 * seed, start.numpy()
    for scale in (1.0, 1000.0):
        texts = scale * given[0]
        expected, norm = gradient(texts, bce), np.linalg.norm(gradient(texts, bce))
        hints = {hint: before - rate * gradient(texts, loss) for hint, loss in losses.items()}
        hints["The loss would rise: the gradient points uphill, so subtract it."] = before + rate * expected
        hints["Nothing has moved. Do you return the new weights?"] = before
        if scale == 1:
            hints[
                "A gradient with a norm below 1 stays as it is; you made it longer. Or is your loss a sum, "
                "not the *mean*?"
            ] = before - rate * expected / norm
            after = before - rate * expected
            otherwise = "The new weights should be weights − rate · gradient of the mean BCE; yours are not."
        else:
            hints = {
                "One unusual batch moved the weights far away: the norm of the gradient is above 1. Clip it.": (
                    before - rate * expected
                ),
                "You clip each entry by itself, which changes the direction. Scale the *whole* gradient.": (
                    before - rate * np.clip(expected, -1, 1)
                ),
                "You clip label by label. Scale the whole gradient by one factor.": before
                - rate * expected / np.maximum(1, np.linalg.norm(expected, axis=1, keepdims=True)),
                "You clip the step, after the rate; clip the gradient, then multiply by the rate.": (
                    before - expected / norm * min(1, rate * norm)
                ),
            }
            after = before - rate * expected / norm
            otherwise = (
                "A usual batch is right. With a gradient norm above 1 the step should have the norm of the rate."
            )
        compare(answer.array(start, texts, given[1], rate, shape=before.shape), after, hints, otherwise, 1e-4)
        yield "downhill, each label by its own sigmoid" if scale == 1 else "clipped for an unusual batch"


@cache
def _limits(split: str, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Each label's highest F1, and highest accuracy, over all thresholds."""
    f1, accuracy = [], []
    for yes, p in zip(*(table.T for table in some_rows(split, seed, 0.55)), strict=True):
        predicted = p >= p[:, np.newaxis]  # a row for each threshold
        hits = predicted @ yes
        f1.append((2 * hits / (predicted.sum(axis=1) + yes.sum())).max())
        accuracy.append((predicted == yes).mean(axis=1).max())
    return np.array(f1), np.array(accuracy)


@item
def tune_and_score(answer: Answer, seed: int = 0) -> Iterator[str]:
    """Takes (truth, probability) of validation and of test; returns {"thresholds", "f1"}, a value for each label."""
    validation, test = some_rows("validation", seed, 0.55), some_rows("test", seed, 0.55)
    record = answer.record(["thresholds", "f1"], validation, test)
    tuned = numbers_of(record, "thresholds", 6)
    (best, accurate), (best_test, _) = _limits("validation", seed), _limits("test", seed)
    truth, probability = validation
    if (best - _f1(truth, probability >= tuned)).max() > 1e-6:
        if close(tuned, 0.5 + np.zeros(6)):
            raise CheckFailed("0.5 is only a convention. Try every probability as a threshold, label by label.")
        if np.ptp(tuned) < 1e-6:
            raise CheckFailed("One threshold for all labels suits the frequent ones. A rare label needs a lower one.")
        if (best - _f1(truth, probability > tuned)).max() < 1e-6:
            raise CheckFailed("A comment whose probability equals the threshold is a yes: compare with >=.")
        if (best_test - _f1(test[0], test[1] >= tuned)).max() < 1e-6:
            raise CheckFailed(
                "These thresholds are the best on *test*. Choose them on validation, so that the test stays unseen."
            )
        if (accurate - ((probability >= tuned) == truth).mean(axis=0)).max() < 1e-6:
            raise CheckFailed(
                "These thresholds give the best accuracy, which a rare label hardly changes. Choose them by F1."
            )
        label = comments()[0][int(np.argmax(best - _f1(truth, probability >= tuned)))]
        raise CheckFailed(
            f"The threshold of {label} does not give the best F1 on validation. Did you use test rows too?"
        )
    yield "a threshold for each label, from validation"
    found = _f1(test[0], test[1] >= tuned)
    hints = {
        "`f1` was measured on the rows that the thresholds were chosen on, which is too optimistic. "
        "Use the test rows.": _f1(truth, probability >= tuned),
        "`f1` was measured with the threshold 0.5. Use the thresholds that you chose.": _f1(test[0], test[1] >= 0.5),
        "`f1` is accuracy. With few positives, a model that never predicts yes has a high one.": (
            ((test[1] >= tuned) == test[0]).mean(axis=0)
        ),
    }
    compare(
        numbers_of(record, "f1", 6),
        found,
        hints,
        "`f1` is not F1 on test with your thresholds, predicting yes for p >= threshold.",
    )
    yield "measured on test"


# --- multilabel -------------------------------------------------------------------------------------------------------

WAYS = ("worst", "one", "six")
THRESHOLDS = [0.45, 0.15, 0.45, 0.2, 0.46, 0.27]  # of the labels in their order, near the best on validation
GRAVEST_FIRST = ("severe_toxic", "threat", "identity_hate", "obscene", "insult", "toxic")


@cache
def _reports(seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Scores of each label with their intervals, at the thresholds THRESHOLDS and at 0.5."""
    rows, labels = some_rows("test", seed), comments()[0]
    return tuple(metrics.multilabel_report(*rows, labels, tuned).per_label for tuned in (THRESHOLDS, 0.5))


@item
def labels_reached(answer: Answer, seed: int = 0) -> Iterator[str]:
    """Takes truth, probabilities, thresholds, an F1 goal; returns {"f1", "low", "high", "reached"}, each per label."""
    truth, probability = some_rows("test", seed)
    labels = comments()[0]
    tuned, (report, half) = np.array(THRESHOLDS), _reports(seed)
    f1, low, high = (report[name].to_numpy() for name in ("f1", "f1_low", "f1_high"))
    for wanted in (0.75, 0.5):
        record = answer.record(["f1", "low", "high", "reached"], truth, probability, tuned, wanted)
        hints = {
            "`f1` was measured with the threshold 0.5; use the thresholds given.": half["f1"],
            "`f1` is the average precision, which uses no threshold.": report["ap"],
            "`f1` is precision alone.": report["precision"],
            "`f1` is accuracy.": ((probability >= tuned) == truth).mean(axis=0),
        }
        compare(numbers_of(record, "f1", 6), f1, hints, "`f1` is not the F1 of each label at its threshold.", 1e-4)
        for key, expected in {"low": low, "high": high}.items():
            other = high if key == "low" else low
            hints = {f"`{key}` is the other end of the interval.": other, f"`{key}` is the F1 itself.": f1}
            otherwise = f"`{key}` is not the {key} end of the 95 % bootstrap interval of each label's F1."
            compare(numbers_of(record, key, 6), expected, hints, otherwise, 0.03)
        words = record["reached"].tolist() if isinstance(record["reached"], pd.Series) else record["reached"]
        if (
            not isinstance(words, list | tuple | np.ndarray)
            or len(words) != 6
            or not all(isinstance(s, str) for s in words)
        ):
            raise CheckFailed("`reached` should hold six words, one for each label: 'yes', 'no' or 'open'.")
        lows, highs = (numbers_of(record, key, 6) for key in ("low", "high"))  # the learner's own draws
        for label, word, bottom, middle, top in zip(labels, words, lows, f1, highs, strict=True):
            expected = "yes" if bottom >= wanted else "no" if top < wanted else "open"
            if word != expected:
                where = f"{label}: F1 {middle:.2f}, interval {bottom:.2f} to {top:.2f}, goal {wanted}"
                why = "the interval holds the goal" if expected == "open" else "the whole interval is on one side of it"
                raise CheckFailed(f"{where}. You return {str(word)[:12]!r}; {why}.")
    yield "each label with its interval"
    yield "and open where the interval holds the goal"


@item
def foreseen_f1(answer: Answer, seed: int = 0) -> Iterator[str]:
    """Takes truth and predictions (0, 1) of one label, and a share; returns the F1 to expect at that share."""
    truth, probability = some_rows("test", seed)
    for column, threshold in [(4, 0.46), (3, 0.2), (2, 0.45)]:
        yes, predicted = truth[:, column], (probability[:, column] >= threshold).astype(int)
        recall, alarms, now = predicted[yes == 1].mean(), predicted[yes == 0].mean(), f1_score(yes, predicted)
        for share in (0.02 + 0.01 * seed, yes.mean()):

            def f1(false: float, share: float = share, recall: float = recall) -> float:
                precision = recall * share / (recall * share + false * (1 - share))
                return 2 * precision * recall / (precision + recall)

            precision = recall * share / (recall * share + alarms * (1 - share))
            hints = {
                "That is the F1 of the test as it is. A rarer label brings more false alarms for the same hits.": now,
                "That is the precision to expect. F1 uses recall too, which does not change.": precision,
                "You scale F1 by the share. Only precision changes, and not in proportion.": now * share / yes.mean(),
                "F1 is the harmonic mean of precision and recall, not the arithmetic mean.": (precision + recall) / 2,
                "The false-positive rate is a share of the comments *without* the label, not of those "
                "predicted yes.": f1(1 - yes[predicted == 1].mean()),
                "The false-positive rate is a share of the comments without the label, not of all comments.": f1(
                    (predicted & (1 - yes)).mean()
                ),
            }
            otherwise = (
                f"With a share of {share:.2f}, F1 is another number: recall and false-positive rate stay the same."
            )
            compare(answer.number(yes, predicted, float(share)), f1(alarms), hints, otherwise)
    yield "recall and false-positive rate stay, precision falls"
    yield "and at the test's own share F1 is that of the test"


@cache
def _predicted_ways() -> tuple[np.ndarray, dict[tuple[str, str], np.ndarray]]:
    """Truth of test, and each way's predictions, with tuned thresholds and with 0.5; as in the exercise."""
    from sklearn.decomposition import TruncatedSVD
    from sklearn.neural_network import MLPClassifier

    labels, truth, words = comments()
    svd = TruncatedSVD(64, n_iter=3, random_state=0).fit(words["train"])
    x, y = {split: 10 * svd.transform(rows) for split, rows in words.items()}, truth["train"]
    worst, order = np.zeros_like(y), [labels.index(label) for label in GRAVEST_FIRST]
    for row, carried in zip(worst, y[:, order], strict=True):
        row[order[carried.argmax()]] = carried.any()
    classes, codes = np.unique(worst, axis=0, return_inverse=True)

    def network(target: np.ndarray) -> MLPClassifier:
        options = {"alpha": 1e-3, "learning_rate_init": 5e-3, "batch_size": 128, "max_iter": 12, "random_state": 0}
        with warnings.catch_warnings(action="ignore"):  # that 12 passes are not the very end
            return MLPClassifier((32,), **options).fit(x["train"], target)

    one, six, single = network(y), [network(column) for column in y.T], network(codes)
    predictions = {}
    for name, predict in {
        "one": one.predict_proba,
        "six": lambda rows: np.column_stack([each.predict_proba(rows)[:, 1] for each in six]),
        "worst": lambda rows: np.clip(single.predict_proba(rows) @ classes, 0, 1),
    }.items():
        tuned = thresholds.tune(truth["validation"], predict(x["validation"]), labels)
        predictions[name, "tuned"] = tuned.apply(predict(x["test"]))
        predictions[name, "half"] = (predict(x["test"]) >= 0.5).astype(int)
    return truth["test"], predictions


@cache
def _gain(a: str, b: str, how: str = "tuned", average: str = "macro") -> tuple[float, float]:
    truth, predictions = _predicted_ways()
    gain = metrics.multilabel_difference(truth, predictions[a, how], predictions[b, how], average)
    return gain.low, gain.high


@item
def one_or_six(answer: Answer) -> Iterator[str]:
    """Returns {"ship", "macro_f1", "one_over_worst", "six_over_one"}: how many models, and on what evidence."""
    record = answer.record(["ship", "macro_f1", "one_over_worst", "six_over_one"])
    ship, (truth, predictions) = answer.choice(record, "ship", WAYS), _predicted_ways()
    if ship == "worst":
        raise CheckFailed("One label is the simplest to read. Is nothing that comes later *clearly* better than it?")
    if ship == "six":
        raise CheckFailed(
            "Six may be a little ahead. Is it *clearly* better than one? Look at the paired interval, "
            "and remember that "
            "six encoders would run for each comment."
        )
    yield "one model: clearly better than one label, and not clearly worse than six"
    micro, half = (
        f1_score(truth, predictions[ship, how], average=average, zero_division=0)
        for how, average in [("tuned", "micro"), ("half", "macro")]
    )
    hints = {
        "`macro_f1` is the micro F1: it pools all predictions, so frequent labels dominate.": micro,
        "`macro_f1` was measured with the threshold 0.5, not with the tuned ones.": half,
        "`macro_f1` is the mean over comments. Return the mean over labels.": f1_score(
            truth, predictions[ship, "tuned"], average="samples", zero_division=1
        ),
    }
    expected = f1_score(truth, predictions[ship, "tuned"], average="macro")
    otherwise = "`macro_f1` is not that of what you ship, on test."
    compare(answer.as_number(record["macro_f1"], "`macro_f1`"), expected, hints, otherwise, 0.006)
    for key, pair in {"one_over_worst": ("worst", "one"), "six_over_one": ("one", "six")}.items():
        hints = {
            f"`{key}` has its sign turned: it is {pair[1]} minus {pair[0]}.": _gain(*pair[::-1]),
            f"`{key}` was measured with the threshold 0.5. Tune the thresholds of both ways on validation.": _gain(
                *pair, "half"
            ),
            f"`{key}` compares micro F1, which frequent labels dominate. Use macro F1.": _gain(*pair, "tuned", "micro"),
        }
        otherwise = f"`{key}` is not the paired interval of {pair[1]} minus {pair[0]} in macro F1 on test."
        compare(answer.as_pair(record[key], f"`{key}`"), _gain(*pair), hints, otherwise, 0.007)
    yield "by the paired intervals"
