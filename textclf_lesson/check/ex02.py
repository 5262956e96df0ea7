"""The items of exercise 2: baselines."""

import math
from collections.abc import Iterator
from functools import cache

import numpy as np
import pandas as pd

from textclf_lesson import data
from textclf_lesson.base.errors import CheckFailed
from textclf_lesson.check.core import Answer, guess, item
from textclf_lesson.check.quiz import questions, quiz  # noqa: F401
from textclf_lesson.check.sources import hurried
from textclf_lesson.check.values import close, compare, numeric, shape_of
from textclf_lesson.evaluate import metrics
from textclf_lesson.models import baselines

__getattr__ = guess(__name__)

CANDIDATES = {"words": "tfidf", "characters": "char", "both": "tfidf-2gram+char"}
ROWS = 2000  # training sentences of the exercises: enough to see the point, quick enough to try twice


@cache
def _films() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Training and validation sentences, as the exercises use them."""
    movies = data.load("movie-snippets")
    return movies["train"].to_pandas().sample(ROWS, random_state=0), movies["validation"].to_pandas()


@item
def tfidf_weight(answer: Answer, seed: int = 0) -> Iterator[str]:
    """Takes a word's count in the text, how many texts there are, how many hold it; returns its TF-IDF weight."""

    def weight(count: int, n: int, n_w: int) -> float:
        return (1 + math.log(count)) * (1 + math.log((1 + n) / (1 + n_w)))

    n = 7000 + 13 * seed
    for count, n_w in [(1, 40), (3, 40), (2, n)]:
        tf, idf = 1 + math.log(count), 1 + math.log((1 + n) / (1 + n_w))
        hints = {
            "The formula's ln is the natural logarithm, math.log; yours has base 10.": (
                (1 + math.log10(count)) * (1 + math.log10((1 + n) / (1 + n_w)))
            ),
            "The formula uses 1 + ln c, so that three times the word is not three times the weight.": count * idf,
            "The ones are missing: (1 + n) / (1 + n_w), as if one more text held every word.": (
                tf * (1 + math.log(n / n_w))
            ),
            "The 1 + before the logarithm is missing: a word that is in every text would have the weight 0.": (
                tf * math.log((1 + n) / (1 + n_w))
            ),
            "The fraction is upside down: a word in few texts should weigh more.": tf
            * (1 + math.log((1 + n_w) / (1 + n))),
        }
        got = answer.number(count, n, n_w)
        where = f"for a word that occurs {count} times in the text, and in {n_w} of {n} texts"
        compare(got, weight(count, n, n_w), hints, f"The weight is wrong {where}: check the formula factor by factor.")
    yield "rare words get more weight"
    yield "a repeated word a little more"
    if not close(answer.number(0, n, 40), 0.0):
        raise CheckFailed("A word that is not in the text has the weight 0: for a count of 0, return 0.")
    yield "an absent one gets 0"


@item
def unseen_probabilities(answer: Answer, seed: int = 0) -> Iterator[str]:
    """Takes training texts, their labels (0, 1), values of C, test texts; returns the C that five folds of the training
    texts choose, and the probability of label 1 for each test text."""
    train, test = _films()
    train = train.sample(1000, random_state=seed)
    texts, labels = train["text"].tolist(), train["label"].tolist()
    some, truth = test["text"].tolist()[:400], test["label"].to_numpy()[:400]
    useless, useful = 1e-7, 1.0 + seed
    chosen, proba = _choice_and_probabilities(answer, texts, labels, [useful, useless], some)
    for values in ([useful, useless], [useless, useful]):
        if values[0] == useless:
            chosen, _ = _choice_and_probabilities(answer, texts, labels, values, some[:5])
        if not close(chosen, useful):
            raise CheckFailed(
                f"Of C = {useful:g} and C = {useless:g}, in this order or the other, the first is far better in five "
                f"folds of `texts`; you choose {chosen:g}. Score each value, and take the one with the best mean."
            )
    yield "C chosen by its score, not by its position"
    if proba.min() < 0 or proba.max() > 1:
        raise CheckFailed("Probabilities lie between 0 and 1; yours do not. Is that a margin (decision_function)?")
    if set(np.unique(proba)) <= {0.0, 1.0}:
        raise CheckFailed("You return labels, 0 or 1. Ask the model for probabilities: predict_proba.")
    accuracy = float(((proba > 0.5) == truth).mean())
    if accuracy < 0.4:
        raise CheckFailed("Those are the probabilities of label 0. The columns are in the order of classes_.")
    if accuracy < 0.6:
        raise CheckFailed(
            f"Only {accuracy:.0%} of 400 unseen sentences are predicted right. Does the model see the words?"
        )
    yield "probabilities of the right class"
    other = test["text"].tolist()[400:]
    _, again = _choice_and_probabilities(answer, texts, labels, [useful], some[:20] + other)
    again = again[:20]
    if not close(again, proba[:20], 1e-4):
        raise CheckFailed(
            "The probability of a sentence changes with the *other* test sentences. Something was fitted on the test: "
            "call fit on training texts only, and transform on the test."
        )
    yield "nothing learned from the test"


def _choice_and_probabilities(
    answer: Answer, texts: list[str], labels: list[int], values: list[float], unseen: list[str]
) -> tuple[float, np.ndarray]:
    """What the answer returns: the value it chose, and a probability for each unseen text."""
    value = answer(texts, labels, values, unseen)
    if not isinstance(value, tuple | list) or len(value) != 2:
        raise CheckFailed(f"Return two things, the chosen C and the probabilities; you return {shape_of(value)}.")
    chosen, proba = answer.as_number(value[0], "the chosen C"), numeric(value[1])
    if proba is None or proba.shape != (len(unseen),):
        raise CheckFailed(
            f"The second thing should be one number for each unseen text, {len(unseen)} in all; it is "
            f"{shape_of(value[1])}. Which column of predict_proba is label 1?"
        )
    return chosen, proba


@item
def paired_interval(answer: Answer, seed: int = 0) -> Iterator[str]:
    """Takes the truth and two models' labels; returns (low, high) of b's accuracy minus a's, 95 %, paired bootstrap."""
    truth, predictions = _predictions()
    pairs = [("words", "characters"), ("both", "words")]
    a, b = (predictions[name, "misspelt"] for name in pairs[seed % 2])
    value = answer.as_pair(answer(truth, a, b))
    expected = metrics.difference(truth, a, b)
    width = expected.high - expected.low
    hits_a, hits_b = a == truth, b == truth
    apart = 3.92 * np.sqrt(hits_a.var() / len(truth) + hits_b.var() / len(truth))
    off = abs((value[0] + value[1]) / 2 - expected.value)
    if abs((value[0] + value[1]) / 2 + expected.value) < width / 8:
        raise CheckFailed("The sign is turned: return b's accuracy minus a's.")
    if off > width / 6:
        raise CheckFailed(
            f"The middle of your interval, {sum(value) / 2:+.3f}, is far from the difference itself, "
            f"{expected.value:+.3f}."
        )
    got = value[1] - value[0]
    if 0.85 < got / apart < 1.15 and got > 1.1 * width:
        raise CheckFailed(
            "Your interval is as wide as if each model had its own test sentences. Draw rows once, and score *both* "
            "models on the rows drawn."
        )
    if not 0.9 < got / width < 1.1:
        raise CheckFailed(
            f"Your interval is {got:.3f} wide, {'too wide' if got > width else 'too narrow'} for 95 %: from the 2.5th "
            "to the 97.5th percentile of draws as large as the test."
        )
    yield "around the difference"
    yield "paired: both models on the same draws"


@item
def surest_mistakes(answer: Answer, seed: int = 0) -> Iterator[str]:
    """Takes the truth (0, 1), the probability of 1, and k; returns the k most confident mistakes, in order."""
    truth, probability = _probabilities()
    order = np.random.default_rng(seed).permutation(len(truth))
    truth, probability, k = truth[order], probability[order], 8 + seed % 3
    rows = answer.array(truth, probability, k, shape=(k,))
    certainty = np.maximum(probability, 1 - probability)
    wrong = (probability > 0.5).astype(int) != truth
    mistakes = np.flatnonzero(wrong)
    first = {
        "Those are the most confident rows, and some are right. Keep only the mistakes.": np.argsort(-certainty),
        "Those are the *least* confident mistakes. Sort the other way round.": mistakes[
            np.argsort(certainty[mistakes])
        ],
        "A probability of 0.02 is also confident: 98 % for label 0. You sorted by the probability of "
        "label 1 only.": mistakes[np.argsort(-probability[mistakes])],
        "You count positions within the mistakes. Return positions in the table that was given.": np.argsort(
            -certainty[mistakes]
        ),
    }
    expected = mistakes[np.argsort(-certainty[mistakes])]
    hints = {hint: rows_wrong[:k] for hint, rows_wrong in first.items()}
    if sorted(rows) == sorted(expected[:k]) and not close(rows, expected[:k]):
        raise CheckFailed("These are the right rows, but not in order: the most confident mistake comes first.")
    compare(
        rows, expected[:k], hints, "Those are not the most confident mistakes. Take one of your rows and look at it."
    )
    yield "only mistakes"
    yield "confident in either label"
    yield "the most confident first"


@item
def choose(answer: Answer) -> Iterator[str]:
    """Returns {"ship", "over_words", "both_over_it", "megabytes"}: which model goes on the phones, and why."""
    record = answer.record(["ship", "over_words", "both_over_it", "megabytes"])
    ship, (truth, predictions) = answer.choice(record, "ship", CANDIDATES), _predictions()
    if ship == "both":
        raise CheckFailed(
            "On hurried sentences, is 'both' *clearly* better than 'characters'? Look at the paired interval, then at "
            "the megabytes that every phone would load."
        )
    if ship == "words":
        raise CheckFailed(
            "The smallest file, but people will type in a hurry. How much accuracy is lost on hurried sentences?"
        )
    yield "characters: as good as it gets on hurried sentences, at about half the size of 'both'"
    for key, (a, b) in {"over_words": ("words", "characters"), "both_over_it": ("characters", "both")}.items():
        value = answer.as_pair(record[key], f"`{key}`")
        expected = metrics.difference(truth, predictions[a, "misspelt"], predictions[b, "misspelt"])
        clean = metrics.difference(truth, predictions[a, "clean"], predictions[b, "clean"])
        hints = {
            f"`{key}` was measured on clean sentences; the phones will send hurried ones.": (clean.low, clean.high),
            f"`{key}` has its sign turned: it is {b} minus {a}.": (-expected.high, -expected.low),
        }
        otherwise = f"`{key}` is not the paired 95 % interval of {b} minus {a} on hurried sentences."
        compare(value, (expected.low, expected.high), hints, otherwise, 0.008)
    yield "the paired intervals say so"
    size = answer.as_number(record["megabytes"], "`megabytes`")
    if abs(size / _megabytes("characters") - 1) > 0.1:
        raise CheckFailed("`megabytes` is not the size of the model you ship: baselines.size_bytes, divided by 1e6.")
    yield "and the size is right"


@cache
def _models() -> dict[str, object]:
    train, _ = _films()
    return {
        name: baselines.pipeline(features, "logreg").fit(train["text"], train["label"])
        for name, features in CANDIDATES.items()
    }


@cache
def _predictions() -> tuple[np.ndarray, dict[tuple[str, str], np.ndarray]]:
    """True labels of the validation sentences, and each model's predictions for them, clean and misspelt."""
    _, test = _films()
    spelt = {"clean": test["text"], "misspelt": test["text"].map(hurried)}
    predictions = {(name, how): model.predict(rows) for name, model in _models().items() for how, rows in spelt.items()}
    return test["label"].to_numpy(), predictions


@cache
def _probabilities() -> tuple[np.ndarray, np.ndarray]:
    _, test = _films()
    return test["label"].to_numpy(), _models()["words"].predict_proba(test["text"])[:, 1]


@cache
def _megabytes(name: str) -> float:
    return baselines.size_bytes(_models()[name]) / 1e6


PATHS = ["comp.graphics", "comp.sys.ibm", "comp.sys.mac", "rec.autos", "rec.sport.hockey", "sci.space", "misc"]


@item
def hierarchical_f1(answer: Answer, seed: int = 0) -> Iterator[str]:
    """Takes true and predicted classes as paths ("comp.sys.mac"); returns F1 over classes with their ancestors."""
    rng = np.random.default_rng(seed)
    truth = rng.choice(PATHS, 40).tolist()
    pred = [t if rng.random() < 0.5 else str(rng.choice(PATHS)) for t in truth]
    pairs = [(_ancestors(t), _ancestors(p)) for t, p in zip(truth, pred, strict=True)]
    common, sizes = sum(len(t & p) for t, p in pairs), sum(len(t) + len(p) for t, p in pairs)
    by_row = [2 * len(t & p) / (len(t) + len(p)) for t, p in pairs]
    first = np.mean([t.split(".")[0] == p.split(".")[0] for t, p in zip(truth, pred, strict=True)])
    last_two = [({t, t.split(".")[0]}, {p, p.split(".")[0]}) for t, p in zip(truth, pred, strict=True)]
    hints = {
        "That is the accuracy: a near miss counts as much as a far one. Where are the ancestors?": np.mean(
            np.array(truth) == np.array(pred)
        ),
        "You compare only the first step of each path. The class and every step between count too.": float(first),
        "You take an F1 for each row and average. Add up over all rows first, then divide once.": float(
            np.mean(by_row)
        ),
        "A path can have more than two steps: comp.sys lies between comp and comp.sys.mac.": (
            2 * sum(len(t & p) for t, p in last_two) / sum(len(t) + len(p) for t, p in last_two)
        ),
        "That is the precision alone: common over predicted.": common / sum(len(p) for _, p in pairs),
    }
    compare(answer.number(truth, pred), 2 * common / sizes, hints, "On 40 rows it is off. Try one row by hand.")
    yield "every class with its ancestors"
    stop = answer.number(["comp.sys.mac"], ["comp"])
    if not close(stop, 0.5):
        raise CheckFailed(
            "For true comp.sys.mac and predicted comp, one class is common, of three true and one predicted: "
            f"2 · 1 / (3 + 1) is one half. Yours is {stop:.3f}."
        )
    yield "a prediction may stop early"


def _ancestors(path: str) -> set[str]:
    """A class and all that it lies in."""
    steps = path.split(".")
    return {".".join(steps[: n + 1]) for n in range(len(steps))}
