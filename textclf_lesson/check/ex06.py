"""The items of exercise 6: imbalance and focal loss."""

from collections.abc import Iterator
from functools import cache

import numpy as np
from sklearn.metrics import f1_score

from textclf_lesson import data
from textclf_lesson.base.errors import CheckFailed
from textclf_lesson.check.core import Answer, guess, item
from textclf_lesson.check.quiz import questions, quiz  # noqa: F401
from textclf_lesson.check.sources import tables
from textclf_lesson.check.values import close, compare
from textclf_lesson.evaluate import metrics, thresholds
from textclf_lesson.models import baselines

__getattr__ = guess(__name__)

# --- focal ------------------------------------------------------------------------------------------------------------


def _bce(logits: np.ndarray, yes: np.ndarray) -> np.ndarray:
    return np.logaddexp(0, np.where(yes == 1, -logits, logits))


@item
def multilabel_focal_loss(answer: Answer, seed: int = 0) -> Iterator[str]:
    """Takes logits and targets (batch, labels), α (labels,), γ, a reduction; returns class-weighted focal loss."""
    import torch

    rng = np.random.default_rng(seed)
    z, yes = rng.normal(0, 2, size=(6, 3)), rng.integers(0, 2, size=(6, 3))
    yes[0], yes[1] = 1, 0
    ones, alpha, gamma = np.ones(3), np.array([1.0, 3.0, 8.0]) + seed, 2.0 + seed % 2
    ce, p = _bce(z, yes), 1 / (1 + np.exp(-z))
    p_t = np.exp(-ce)

    def loss(z: np.ndarray, alpha: np.ndarray, gamma: float, *reduction: str, truth: np.ndarray = yes) -> np.ndarray:
        given = [torch.tensor(each, dtype=torch.float32) for each in (z, truth, alpha)]
        if not reduction:
            return answer.number(*given, gamma)
        return answer.array(*given, gamma, *reduction, shape=z.shape)

    softmax = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    hints = {
        "With γ = 0 your labels compete for a sum of one. Each label has its own sigmoid, no softmax.": -np.log(
            np.where(yes == 1, softmax, 1 - softmax)
        ),
        "With γ = 0 it is not BCE: it seems that the sigmoid was applied twice. The function takes logits.": _bce(
            p, yes
        ),
        "Your loss is negative: where is the minus sign of −log p_t?": -ce,
        "Your loss uses p also where the target is 0. There p_t is 1 − p.": -np.log(p),
        "With γ = 0 only the positives have a loss. A negative with a high probability has one too.": yes * ce,
    }
    otherwise = "With γ = 0 and α = 1 your loss should equal BCE; it does not."
    compare(loss(z, ones, 0.0, "none"), ce, hints, otherwise, 1e-4)
    hints = {
        "With γ = 0 your loss should equal BCE, and it is the sum: take the mean over all elements.": ce.sum(),
        "With γ = 0 your loss should equal BCE. Yours is larger by the factor labels: did you sum over one axis?": (
            ce.sum(axis=1).mean()
        ),
        "With γ = 0 your loss should equal BCE. Yours is larger by the factor batch: did you sum over one axis?": (
            ce.sum(axis=0).mean()
        ),
    }
    compare(loss(z, ones, 0.0), ce.mean(), hints, "Without reduction it is right, but the mean is not.", 1e-4)
    yield "γ = 0 is BCE"
    hints = {
        "Your γ makes the loss of easy rows *larger*: the factor is (1 − p_t) to the power γ, not to −γ.": (1 - p_t)
        ** -gamma,
        "Confident right rows get the largest loss: the factor is 1 − p_t, not p_t.": p_t**gamma,
        "The loss does not change with γ. Where is γ in your formula?": ones,
        "The factor uses 1 − p for all. Where the target is 0, p_t is 1 − p, so the factor is p.": ((1 - p) ** gamma),
        "You multiply by γ; it is an exponent.": gamma * (1 - p_t),
    }
    hints = {hint: factor * ce for hint, factor in hints.items()}
    focal = (1 - p_t) ** gamma * ce
    otherwise = f"γ = 0 is right, but with γ = {gamma:g} the factor (1 − p_t)^γ is not."
    compare(loss(z, ones, gamma, "none"), focal, hints, otherwise, 1e-4)
    yield "confident right rows have almost no loss"
    weight, spoilt = np.where(yes == 1, alpha, 1), np.exp(-np.where(yes == 1, alpha, 1) * ce)
    hints = {
        "α changed the loss of a label's *negatives*. α belongs to positives, where targets are 1.": (alpha * focal),
        "α weights the negatives and not the positives. The rare positives should get more weight.": (
            np.where(yes == 1, 1, alpha) * focal
        ),
        "Negatives have the weight 1 here, not 1 − α as in the paper.": np.where(yes == 1, alpha, 1 - alpha) * focal,
        "You compute p_t from a loss that is already weighted. Weight last: p_t does not depend on α.": (
            (1 - spoilt) ** gamma * weight * ce
        ),
        "α changes nothing. Which elements should get more weight?": focal,
    }
    otherwise = "With all α = 1 it is right, with others it is not: α[k] weights the positives of label k."
    compare(loss(z, alpha, gamma, "none"), weight * focal, hints, otherwise, 1e-4)
    expected = (weight * focal).mean()
    hints = {
        "The mean is over all elements, not over the sum of their weights.": (weight * focal).sum() / weight.sum(),
        "Without a reduction it should be the mean; yours is the sum.": (weight * focal).sum(),
    }
    compare(loss(z, alpha, gamma), expected, hints, "Without reduction it is right, but the mean is not.", 1e-4)
    yield "α weights only its own label's positives"
    far = np.array([[1e4, -1e4, 1e4], [-1e4, 1e4, -1e4]])
    far_yes = np.array([[0, 1, 1], [0, 1, 1]])
    got = loss(far, ones, gamma, "none", truth=far_yes)
    if not np.isfinite(got).all():
        raise CheckFailed(
            "Not finite at a logit of 10,000. There the logarithm of a sigmoid overflows; start from the logits."
        )
    if not close(got, _bce(far, far_yes), 1e-3):
        raise CheckFailed("A wrong prediction with a logit of 10,000 has a loss of 10,000. Is something clipped?")
    yield "finite"


# --- imbalance --------------------------------------------------------------------------------------------------------

REMEDIES = ("weights", "threshold", "both")


@cache
def _topics() -> tuple[np.ndarray, np.ndarray]:
    """Reuters' test topics, and the predictions of complement naive Bayes on counts."""
    from sklearn.feature_extraction.text import CountVectorizer
    from sklearn.naive_bayes import ComplementNB
    from sklearn.pipeline import make_pipeline

    reuters = data.load("reuters-r52")
    train, test = reuters["train"].to_pandas(), reuters["test"].to_pandas()
    names = np.array(data.label_names(reuters))
    predicted = (
        make_pipeline(CountVectorizer(), ComplementNB()).fit(train["text"], train["label"]).predict(test["text"])
    )
    return names[test["label"]], names[predicted]


def _some_topics(seed: int) -> tuple[list[str], list[str]]:
    """True and predicted topics of test articles, some of the two largest topics left out."""
    truth, predicted = _topics()
    kept = ~np.isin(truth, ["earn", "acq"]) | (np.random.default_rng(seed).random(len(truth)) < 0.8)
    return truth[kept].tolist(), predicted[kept].tolist()


@item
def behind_accuracy(answer: Answer, seed: int = 0) -> Iterator[str]:
    """Takes true and predicted topics, two lists; returns {"blind", "macro_f1", "never_found"}."""
    truth, topics = _some_topics(seed)
    record = answer.record(["blind", "macro_f1", "never_found"], truth, topics)
    true, predicted = np.array(truth), np.array(topics)
    names, counts = np.unique(true, return_counts=True)
    found = np.array([(predicted[true == name] == name).any() for name in names])
    hints = {
        "`blind` is the accuracy of random guessing. Always predicting the same topic gets more.": (1 / len(names)),
        "`blind` is the model's own accuracy. Return that of a colleague who never reads.": (true == predicted).mean(),
        "`blind` is how often the model *predicts* the most frequent topic. How often is it true?": (
            predicted == names[counts.argmax()]
        ).mean(),
    }
    blind = answer.as_number(record["blind"], "`blind`")
    compare(blind, counts.max() / len(true), hints, "`blind` is not the share of rows with the most frequent topic.")
    yield "the accuracy without reading"
    hints = {
        "`macro_f1` is the micro F1, which equals the accuracy if each row has one topic: every "
        "*row* counts the same.": (f1_score(true, predicted, average="micro")),
        "`macro_f1` is the weighted F1, in which large topics count more. Every topic is to count the same.": f1_score(
            true, predicted, average="weighted"
        ),
        "`macro_f1` is the mean recall. F1 uses precision too.": np.mean(
            [(predicted[true == name] == name).mean() for name in names]
        ),
    }
    macro = answer.as_number(record["macro_f1"], "`macro_f1`")
    compare(macro, f1_score(true, predicted, average="macro"), hints, "`macro_f1` is not the mean F1 of all topics.")
    yield "every topic counted the same"
    never_predicted = int((~np.isin(names, predicted)).sum())
    hints = {
        "`never_found` counts topics that are never *predicted*. A topic predicted only for wrong "
        "articles is not found either.": never_predicted,
        "`never_found` counts the topics that *are* found.": int(found.sum()),
        "`never_found` counts articles. Of how many topics was no article found?": int(counts[~found].sum()),
    }
    number = answer.as_number(record["never_found"], "`never_found`")
    compare(number, int((~found).sum()), hints, "`never_found` is not the number of topics with a recall of zero.")
    yield "the topics that are never found"


def _rows(part: object, size: int, what: str) -> np.ndarray:
    """Row numbers as the learner gave them. Raises CheckFailed for anything else."""
    try:
        rows = np.asarray(part)
    except (TypeError, ValueError, OverflowError, RuntimeError):  # ragged, or something that lies about itself
        rows = np.array(None)
    whole = rows.ndim == 1 and len(rows) and rows.dtype.kind in "iu"
    if not whole or rows.min() < 0 or rows.max() >= size:
        raise CheckFailed(f"{what} should be row numbers, whole and from 0 to below the number of rows.")
    return rows


@item
def resampled_folds(answer: Answer, seed: int = 0) -> Iterator[str]:
    """Takes labels (0, 1), as an array, and k; returns k pairs of row numbers (training rows, validation rows)."""
    k = 5 + seed % 2
    label = "threat" if seed % 2 == 0 else "identity_hate"
    labels = np.sort(tables("wiki-toxicity")["train"][label].sample(900, random_state=seed).to_numpy())
    value, size = answer(labels, k), len(labels)
    if not isinstance(value, list | tuple) or len(value) != k:
        raise CheckFailed(f"Return a list of k pairs, (training rows, validation rows); here k is {k}.")
    if not all(isinstance(pair, list | tuple) and len(pair) == 2 for pair in value):
        raise CheckFailed("Each fold should be a pair: its training rows and its validation rows.")
    folds = [(_rows(train, size, "Training"), _rows(held_out, size, "Judged")) for train, held_out in value]
    for number, (train, held_out) in enumerate(folds, 1):
        if both := len(np.intersect1d(train, held_out)):
            raise CheckFailed(
                f"{both} validation rows of fold {number} are in its training rows too. Which comes first, copying or "
                "splitting?"
            )
        if len(np.unique(held_out)) < len(held_out):
            raise CheckFailed(f"Fold {number} has copies among its validation rows. Copy training rows only.")
    yield "no row in training and validation of one fold"
    held_out = np.sort(np.concatenate([held_out for _, held_out in folds]))
    if not np.array_equal(held_out, np.arange(size)):
        raise CheckFailed(
            f"Over all folds, each of the {size} rows should be a validation row once; yours are "
            f"{len(np.unique(held_out))} of them, {len(held_out)} times in all."
        )
    for number, (train, held_out) in enumerate(folds, 1):
        share = labels[held_out].mean() / labels.mean()
        if not 0.5 < share < 2:
            raise CheckFailed(
                f"Fold {number} has {labels[held_out].sum()} positives among {len(held_out)} validation rows. "
                "Rows come "
                "sorted by label here, as in 6.1: each fold needs its share of the rare ones."
            )
        if len(np.union1d(train, held_out)) < size:
            raise CheckFailed(
                f"In fold {number} some rows are in neither part. Copy rows of the rare label, and leave none out."
            )
    yield "each row in validation once, rare ones in each fold"
    for number, (train, _) in enumerate(folds, 1):
        yes = labels[train].sum()
        if yes != len(train) - yes:
            raise CheckFailed(
                f"In fold {number} training has {yes} positives and {len(train) - yes} others. Copy positives until "
                "there are as many."
            )
        _, times = np.unique(train[labels[train] == 1], return_counts=True)
        if times.max() > 5 * times.mean():
            raise CheckFailed(
                f"In fold {number} one positive is in training {times.max()} times, a positive on average "
                f"{times.mean():.0f} times. Draw the copies at random among all of them."
            )
    yield "copies in training only"


@cache
def _threats() -> tuple[np.ndarray, dict[tuple[str, str], np.ndarray], dict[str, float]]:
    """Truth of test, predictions of each model with each threshold, and the thresholds of the model without weights."""
    rows, predictions, found = tables("wiki-toxicity"), {}, {}
    for name, weight in {"as it is": None, "weights": "balanced"}.items():
        options = {"classifier__C": 1, "classifier__class_weight": weight}
        model = baselines.pipeline("tfidf", **options).fit(rows["train"]["text"], rows["train"]["threat"])
        p = {split: model.predict_proba(rows[split]["text"])[:, [1]] for split in ("validation", "test")}
        tuned = {split: thresholds.tune(rows[split][["threat"]], p[split], ["threat"])["threat"] for split in p}
        for how, threshold in {"half": 0.5, **tuned}.items():
            predictions[name, how] = (p["test"] >= threshold).astype(int)
        found |= tuned if name == "as it is" else {}
    return rows["test"][["threat"]].to_numpy(), predictions, found


@cache
def _gain(a: tuple[str, str], b: tuple[str, str]) -> tuple[float, float]:
    truth, predictions, _ = _threats()
    gain = metrics.multilabel_difference(truth, predictions[a], predictions[b])
    return gain.low, gain.high


@item
def remedy(answer: Answer) -> Iterator[str]:
    """Returns {"remedy", "threshold", "threshold_over_half", "weights_on_top"}: a decision and its evidence."""
    record = answer.record(["remedy", "threshold", "threshold_over_half", "weights_on_top"])
    chosen, (_, _, best) = answer.choice(record, "remedy", REMEDIES), _threats()
    if chosen == "weights":
        raise CheckFailed(
            "Weights look good beside the unweighted model with the threshold 0.5. What is left of the gain once "
            "*both* thresholds are tuned?"
        )
    if chosen == "both":
        raise CheckFailed(
            "Is 'both' *clearly* better than the threshold alone? Look at the paired interval; your rule asks for "
            "it before you train again."
        )
    yield "the threshold: no training, and nothing is clearly better"
    threshold = answer.as_number(record["threshold"], "`threshold`")
    hints = {
        "`threshold` is the best threshold on *test*. Choose it on validation, so that the test stays unseen.": (
            best["test"]
        ),
        "`threshold` is the default threshold, with which the desk had trouble. Which is best on validation?": 0.5,
    }
    compare(
        threshold,
        best["validation"],
        hints,
        "`threshold` is not the threshold with the best F1 on validation, without weights.",
        0.006,
    )
    yield "chosen on validation"
    half, tuned = ("as it is", "half"), ("as it is", "validation")
    hints = {
        "`threshold_over_half` has its sign turned: it is tuned minus 0.5.": _gain(tuned, half),
        "`threshold_over_half` was measured with a threshold chosen on test.": _gain(half, ("as it is", "test")),
        "`threshold_over_half` is the gain of the weights at the threshold 0.5.": _gain(half, ("weights", "half")),
    }
    pair = answer.as_pair(record["threshold_over_half"], "`threshold_over_half`")
    compare(
        pair,
        _gain(half, tuned),
        hints,
        "`threshold_over_half` is not gain(half, tuned) without weights.",
        0.012,
    )
    both = ("weights", "validation")
    hints = {
        "`weights_on_top` was measured at 0.5, where the unweighted model finds too few. Tune both thresholds.": (
            _gain(half, ("weights", "half"))
        ),
        "`weights_on_top` compares a tuned threshold with 0.5. Tune that of the weighted model too, on validation.": (
            _gain(tuned, ("weights", "half"))
        ),
        "`weights_on_top` was measured with thresholds that were chosen on test.": _gain(
            ("as it is", "test"), ("weights", "test")
        ),
        "`weights_on_top` has its sign turned: with weights minus as it is.": _gain(both, tuned),
    }
    pair = answer.as_pair(record["weights_on_top"], "`weights_on_top`")
    otherwise = "`weights_on_top` is not the paired interval of 'weights' minus 'as it is', both with tuned thresholds."
    compare(pair, _gain(tuned, both), hints, otherwise, 0.008)
    yield "by the paired intervals"
