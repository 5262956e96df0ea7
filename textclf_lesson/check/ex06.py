"""The items of exercise 6: imbalance and focal loss."""

from collections.abc import Iterator
from functools import cache

import numpy as np
from sklearn.metrics import f1_score

from textclf_lesson import data
from textclf_lesson.base.errors import CheckFailed
from textclf_lesson.check.core import Answer, close, compare, guess, item
from textclf_lesson.check.quiz import questions, quiz  # noqa: F401
from textclf_lesson.check.sources import tables
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
        "With γ = 0 yours shares out one unit among the labels. Each label has its own sigmoid, no softmax.": -np.log(
            np.where(yes == 1, softmax, 1 - softmax)
        ),
        "With γ = 0 it is not BCE: it looks as if the sigmoid was applied twice. The function takes logits.": _bce(
            p, yes
        ),
        "Your loss is negative: where does the minus sign of −log p_t stand?": -ce,
        "You price p itself also where the target is 0. There the truth was given 1 − p.": -np.log(p),
        "With γ = 0 only the positives cost something. A negative that is called likely costs as well.": yes * ce,
    }
    otherwise = "With γ = 0 and α = 1 your loss should equal BCE; it does not."
    compare(loss(z, ones, 0.0, "none"), ce, hints, otherwise, 1e-4)
    hints = {
        "With γ = 0 your loss should equal BCE, and it is the sum: the mean over all elements is asked.": ce.sum(),
        "With γ = 0 your loss should equal BCE. Yours is larger by the factor labels: did you sum over one axis?": (
            ce.sum(axis=1).mean()
        ),
        "With γ = 0 your loss should equal BCE. Yours is larger by the factor batch: did you sum over one axis?": (
            ce.sum(axis=0).mean()
        ),
    }
    compare(loss(z, ones, 0.0), ce.mean(), hints, "Element by element it is right, but not the mean.", 1e-4)
    yield "γ = 0 is BCE"
    hints = {
        "Your γ makes easy answers *dearer*: the factor is (1 − p_t) to the power γ, not to −γ.": (1 - p_t) ** -gamma,
        "What is right and certain pays most: the factor is 1 − p_t, not p_t.": p_t**gamma,
        "Nothing changes with γ. Where does it stand in your formula?": ones,
        "The factor uses 1 − p for all. Where the target is 0, the truth was given 1 − p, so it is p that counts.": (
            (1 - p) ** gamma
        ),
        "You multiply by γ; it is a power.": gamma * (1 - p_t),
    }
    hints = {hint: factor * ce for hint, factor in hints.items()}
    focal = (1 - p_t) ** gamma * ce
    otherwise = f"γ = 0 is right, but with γ = {gamma:g} the factor (1 − p_t)^γ is not."
    compare(loss(z, ones, gamma, "none"), focal, hints, otherwise, 1e-4)
    yield "confident and right costs nothing"
    weight, spoilt = np.where(yes == 1, alpha, 1), np.exp(-np.where(yes == 1, alpha, 1) * ce)
    hints = {
        "A label's weight changed the loss of its *negatives*. α belongs to positives: look where targets are 1.": (
            alpha * focal
        ),
        "α lifts the negatives and leaves the positives alone. It is the rare yes that should weigh more.": (
            np.where(yes == 1, 1, alpha) * focal
        ),
        "Negatives weigh 1 here, not 1 − α as in the paper.": np.where(yes == 1, alpha, 1 - alpha) * focal,
        "You get p_t back from a price that is weighted already. Weigh last: p_t knows nothing of α.": (
            (1 - spoilt) ** gamma * weight * ce
        ),
        "α changes nothing. Which elements should weigh more?": focal,
    }
    otherwise = "With all α = 1 it is right, with others it is not: α[k] weighs the positives of label k."
    compare(loss(z, alpha, gamma, "none"), weight * focal, hints, otherwise, 1e-4)
    right = (weight * focal).mean()
    hints = {
        "The mean is over all elements, not over the sum of their weights.": (weight * focal).sum() / weight.sum(),
        "Without a reduction it should be the mean; yours is the sum.": (weight * focal).sum(),
    }
    compare(loss(z, alpha, gamma), right, hints, "Element by element it is right, but not the mean.", 1e-4)
    yield "α lifts only its own label's positives"
    far = np.array([[1e4, -1e4, 1e4], [-1e4, 1e4, -1e4]])
    far_yes = np.array([[0, 1, 1], [0, 1, 1]])
    got = loss(far, ones, gamma, "none", truth=far_yes)
    if not np.isfinite(got).all():
        raise CheckFailed(
            "Not finite at a logit of 10 000. Taking the sigmoid first and its logarithm after goes wrong there; start "
            "from the logits."
        )
    if not close(got, _bce(far, far_yes), 1e-3):
        raise CheckFailed("A wrong answer with a logit of 10 000 costs 10 000. Is something clipped?")
    yield "finite"


# --- imbalance --------------------------------------------------------------------------------------------------------

REMEDIES = ("weights", "cut", "both")


@cache
def _topics() -> tuple[np.ndarray, np.ndarray]:
    """Reuters' test topics, and what a complement naive Bayes on counts says of the articles."""
    from sklearn.feature_extraction.text import CountVectorizer
    from sklearn.naive_bayes import ComplementNB
    from sklearn.pipeline import make_pipeline

    reuters = data.load("reuters-r52")
    train, test = reuters["train"].to_pandas(), reuters["test"].to_pandas()
    names = np.array(data.label_names(reuters))
    said = make_pipeline(CountVectorizer(), ComplementNB()).fit(train["text"], train["label"]).predict(test["text"])
    return names[test["label"]], names[said]


def _some_topics(seed: int) -> tuple[list[str], list[str]]:
    """Articles of all topics, some of the two large ones left out, and what is said of them."""
    truth, said = _topics()
    kept = ~np.isin(truth, ["earn", "acq"]) | (np.random.default_rng(seed).random(len(truth)) < 0.8)
    return truth[kept].tolist(), said[kept].tolist()


@item
def behind_accuracy(answer: Answer, seed: int = 0) -> Iterator[str]:
    """Takes true and said topics, two lists; returns {"blind", "macro_f1", "never_found"}."""
    truth, said = _some_topics(seed)
    record = answer.record(["blind", "macro_f1", "never_found"], truth, said)
    true, guess = np.array(truth), np.array(said)
    names, counts = np.unique(true, return_counts=True)
    found = np.array([(guess[true == name] == name).any() for name in names])
    hints = {
        "`blind` is what somebody gets who draws a topic at random. Somebody who always says the same gets more.": (
            1 / len(names)
        ),
        "`blind` is the model's own accuracy. Asked is that of a colleague who never reads.": (true == guess).mean(),
        "`blind` is how often the model *says* the most frequent topic. How often is it true?": (
            guess == names[counts.argmax()]
        ).mean(),
    }
    blind = answer.as_number(record["blind"], "`blind`")
    compare(blind, counts.max() / len(true), hints, "`blind` is not the share of rows with the most frequent topic.")
    yield "what blindness reaches"
    hints = {
        "`macro_f1` is the micro F1, which with one topic a row is the accuracy again: every *row* counts the same.": (
            f1_score(true, guess, average="micro")
        ),
        "`macro_f1` is the weighted F1, in which large topics count more. Every topic is to count the same.": f1_score(
            true, guess, average="weighted"
        ),
        "`macro_f1` is the mean recall. F1 has precision in it too.": np.mean(
            [(guess[true == name] == name).mean() for name in names]
        ),
    }
    macro = answer.as_number(record["macro_f1"], "`macro_f1`")
    compare(macro, f1_score(true, guess, average="macro"), hints, "`macro_f1` is not the mean F1 of all topics.")
    yield "every topic counted"
    never_said = int((~np.isin(names, guess)).sum())
    hints = {
        "`never_found` counts topics that are never *said*. One that is said only of wrong articles is not found.": (
            never_said
        ),
        "`never_found` counts the topics that *are* found.": int(found.sum()),
        "`never_found` counts articles. How many topics are there of which not one article was found?": int(
            counts[~found].sum()
        ),
    }
    number = answer.as_number(record["never_found"], "`never_found`")
    compare(number, int((~found).sum()), hints, "`never_found` is not the number of topics with a recall of zero.")
    yield "the topics that nobody gets"


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
    """Takes labels (0, 1), as an array, and k; returns k pairs of row numbers (training rows, judged rows)."""
    k = 5 + seed % 2
    label = "threat" if seed % 2 == 0 else "identity_hate"
    labels = np.sort(tables("wiki-toxicity")["train"][label].sample(900, random_state=seed).to_numpy())
    value, size = answer(labels, k), len(labels)
    if not isinstance(value, list | tuple) or len(value) != k:
        raise CheckFailed(f"Return a list of k pairs, (training rows, judged rows); here k is {k}.")
    if not all(isinstance(pair, list | tuple) and len(pair) == 2 for pair in value):
        raise CheckFailed("Each fold should be a pair: its training rows, and the rows it is judged on.")
    folds = [(_rows(train, size, "Training"), _rows(judged, size, "Judged")) for train, judged in value]
    for number, (train, judged) in enumerate(folds, 1):
        if both := len(np.intersect1d(train, judged)):
            raise CheckFailed(
                f"{both} rows that fold {number} is judged on stand in its training too. Which comes first, copying or "
                "dividing?"
            )
        if len(np.unique(judged)) < len(judged):
            raise CheckFailed(f"Fold {number} judges copies: some comments count many times. Only training is filled.")
    yield "nothing judged that was trained on"
    judged = np.sort(np.concatenate([judged for _, judged in folds]))
    if not np.array_equal(judged, np.arange(size)):
        raise CheckFailed(
            f"Over all folds each of the {size} rows should be judged once; yours judge {len(np.unique(judged))} of "
            f"them, {len(judged)} times in all."
        )
    for number, (train, judged) in enumerate(folds, 1):
        share = labels[judged].mean() / labels.mean()
        if not 0.5 < share < 2:
            raise CheckFailed(
                f"Fold {number} is judged on {labels[judged].sum()} positives of {len(judged)} rows. Rows come sorted "
                "by label here, as in 6.1: each fold wants its share of the rare ones."
            )
        if len(np.union1d(train, judged)) < size:
            raise CheckFailed(
                f"In fold {number} some rows are neither judged nor trained on. Copy rows of the rare label, and "
                "leave none out."
            )
    yield "each row judged once, rare ones in each fold"
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
                f"In fold {number} one positive stands in training {times.max()} times, a positive on average "
                f"{times.mean():.0f} times. Draw the copies at random among all of them."
            )
    yield "copies in training only"


@cache
def _threats() -> tuple[np.ndarray, dict[tuple[str, str], np.ndarray], dict[str, float]]:
    """The truth of test, what is said of it by each model with each cut, and the cuts of the model without weights."""
    rows, said, found = tables("wiki-toxicity"), {}, {}
    for name, weight in {"as it is": None, "weights": "balanced"}.items():
        options = {"classifier__C": 1, "classifier__class_weight": weight}
        model = baselines.pipeline("tfidf", **options).fit(rows["train"]["text"], rows["train"]["threat"])
        p = {split: model.predict_proba(rows[split]["text"])[:, [1]] for split in ("validation", "test")}
        tuned = {split: thresholds.tune(rows[split][["threat"]], p[split], ["threat"])["threat"] for split in p}
        for how, cut in {"half": 0.5, **tuned}.items():
            said[name, how] = (p["test"] >= cut).astype(int)
        found |= tuned if name == "as it is" else {}
    return rows["test"][["threat"]].to_numpy(), said, found


@cache
def _gain(a: tuple[str, str], b: tuple[str, str]) -> tuple[float, float]:
    truth, said, _ = _threats()
    gain = metrics.multilabel_difference(truth, said[a], said[b])
    return gain.low, gain.high


@item
def remedy(answer: Answer) -> Iterator[str]:
    """Returns {"remedy", "cut", "cut_over_half", "weights_on_top"}: what the desk needs, and on what evidence."""
    said = answer.record(["remedy", "cut", "cut_over_half", "weights_on_top"])
    chosen, (_, _, cuts) = answer.choice(said, "remedy", REMEDIES), _threats()
    if chosen == "weights":
        raise CheckFailed(
            "Weights look splendid beside the model as it is, cut at one half. What is left of that once the cut of "
            "*both* is tuned?"
        )
    if chosen == "both":
        raise CheckFailed(
            "Is 'both' *clearly* better than the cut alone? Look at the paired interval between the two; your rule "
            "asks for it before you train anew."
        )
    yield "the cut: no training, and nothing that is clearly better"
    cut = answer.as_number(said["cut"], "`cut`")
    hints = {
        "`cut` is the best one on *test*. The verdict falls there, so the choice must not: tune on validation.": (
            cuts["test"]
        ),
        "`cut` is the habit that brought the desk into trouble. Which one is best on validation?": 0.5,
    }
    compare(cut, cuts["validation"], hints, "`cut` is not the one with the best F1 on validation, as it is.", 0.006)
    yield "chosen on validation"
    half, tuned = ("as it is", "half"), ("as it is", "validation")
    hints = {
        "`cut_over_half` has its sign turned: tuned minus one half.": _gain(tuned, half),
        "`cut_over_half` was measured with a cut that was chosen on test.": _gain(half, ("as it is", "test")),
        "`cut_over_half` is the gain of the weights at one half.": _gain(half, ("weights", "half")),
    }
    pair = answer.as_pair(said["cut_over_half"], "`cut_over_half`")
    compare(pair, _gain(half, tuned), hints, "`cut_over_half` is not gain(half, tuned) of the model as it is.", 0.012)
    both = ("weights", "validation")
    hints = {
        "`weights_on_top` was measured at one half, where the model as it is finds too few. Tune both cuts.": (
            _gain(half, ("weights", "half"))
        ),
        "`weights_on_top` compares a tuned cut with one half. Tune the cut of the weighted model too, on validation.": (
            _gain(tuned, ("weights", "half"))
        ),
        "`weights_on_top` was measured with cuts that were chosen on test.": _gain(
            ("as it is", "test"), ("weights", "test")
        ),
        "`weights_on_top` has its sign turned: with weights minus as it is.": _gain(both, tuned),
    }
    pair = answer.as_pair(said["weights_on_top"], "`weights_on_top`")
    otherwise = "`weights_on_top` is not the paired interval of 'weights' minus 'as it is', both at their tuned cuts."
    compare(pair, _gain(tuned, both), hints, otherwise, 0.008)
    yield "the paired intervals say so"
