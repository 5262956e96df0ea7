"""The items of lesson 5 on reports, what to foresee, and one model or six; the others stand in `toxicity.py`."""

import warnings
from collections.abc import Iterator
from functools import cache

import numpy as np
import pandas as pd
from sklearn.metrics import f1_score

from textclf_lesson import metrics, thresholds
from textclf_lesson.check.core import Answer, CheckFailed, compare, item
from textclf_lesson.check.toxicity import comments, numbers_of, some_rows

WAYS = ("worst", "one", "six")
CUTS = [0.45, 0.15, 0.45, 0.2, 0.46, 0.27]  # of the labels in their order, near the best on validation
GRAVEST_FIRST = ("severe_toxic", "threat", "identity_hate", "obscene", "insult", "toxic")


@cache
def _reports(seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Scores of each label with their intervals, at CUTS and at one half."""
    rows, labels = some_rows("test", seed), comments()[0]
    return tuple(metrics.multilabel_report(*rows, labels, cuts).per_label for cuts in (CUTS, 0.5))


@item
def labels_reached(answer: Answer, seed: int = 0) -> Iterator[str]:
    """Takes truth, probabilities, cuts, an F1 wanted; returns {"f1", "low", "high", "reached"}, each per label."""
    truth, probability = some_rows("test", seed)
    labels = comments()[0]
    cuts, (report, half) = np.array(CUTS), _reports(seed)
    f1, low, high = (report[name].to_numpy() for name in ("f1", "f1_low", "f1_high"))
    for wanted in (0.75, 0.5):
        record = answer.record(["f1", "low", "high", "reached"], truth, probability, cuts, wanted)
        hints = {
            "`f1` was taken at one half; the cuts are given.": half["f1"],
            "`f1` is the average precision, which knows no cut.": report["ap"],
            "`f1` is precision alone.": report["precision"],
            "`f1` is accuracy.": ((probability >= cuts) == truth).mean(axis=0),
        }
        compare(numbers_of(record, "f1", 6), f1, hints, "`f1` is not the F1 of each label at its cut.", 1e-4)
        for key, right in {"low": low, "high": high}.items():
            other = high if key == "low" else low
            hints = {f"`{key}` is the other end of the interval.": other, f"`{key}` is the F1 itself.": f1}
            otherwise = f"`{key}` is not the {key} end of the 95 % bootstrap interval of each label's F1."
            compare(numbers_of(record, key, 6), right, hints, otherwise, 0.03)
        said = record["reached"].tolist() if isinstance(record["reached"], pd.Series) else record["reached"]
        if (
            not isinstance(said, list | tuple | np.ndarray)
            or len(said) != 6
            or not all(isinstance(s, str) for s in said)
        ):
            raise CheckFailed("`reached` should hold six words, one for each label: 'yes', 'no' or 'open'.")
        lows, highs = (numbers_of(record, key, 6) for key in ("low", "high"))  # the learner's own draws
        for label, word, bottom, middle, top in zip(labels, said, lows, f1, highs, strict=True):
            right = "yes" if bottom >= wanted else "no" if top < wanted else "open"
            if word != right:
                where = f"{label}: F1 {middle:.2f}, interval {bottom:.2f} to {top:.2f}, wanted {wanted}"
                why = "other rows might say otherwise" if right == "open" else "the whole interval lies on one side"
                raise CheckFailed(f"{where}. You say {str(word)[:12]!r}; {why}.")
    yield "each label with its interval"
    yield "and no verdict where these rows cannot give one"


@item
def foreseen_f1(answer: Answer, seed: int = 0) -> Iterator[str]:
    """Takes truth and verdicts (0, 1) of one label, and a share; returns the F1 to expect at that share."""
    truth, probability = some_rows("test", seed)
    for place, cut in [(4, 0.46), (3, 0.2), (2, 0.45)]:
        yes, said = truth[:, place], (probability[:, place] >= cut).astype(int)
        recall, alarms, now = said[yes == 1].mean(), said[yes == 0].mean(), f1_score(yes, said)
        for share in (0.02 + 0.01 * seed, yes.mean()):

            def f1(false: float, share: float = share, recall: float = recall) -> float:
                precision = recall * share / (recall * share + false * (1 - share))
                return 2 * precision * recall / (precision + recall)

            precision = recall * share / (recall * share + alarms * (1 - share))
            hints = {
                "That is the F1 of the test as it is. A rarer label brings more false alarms for the same hits.": now,
                "That is the precision to expect. F1 has recall in it too, which does not change.": precision,
                "You scale F1 by the share. Only precision changes, and not in proportion.": now * share / yes.mean(),
                "F1 is the harmonic mean of precision and recall, not their half-way.": (precision + recall) / 2,
                "The false-positive rate is asked of comments *without* the label, not of those that got a yes.": f1(
                    1 - yes[said == 1].mean()
                ),
                "The false-positive rate is a share of the comments without the label, not of all comments.": f1(
                    (said & (1 - yes)).mean()
                ),
            }
            otherwise = f"With a share of {share:.2f} the F1 to expect is another: recall and false-positive rate stay."
            compare(answer.number(yes, said, float(share)), f1(alarms), hints, otherwise)
    yield "recall and false alarms stay, precision pays"
    yield "and at the test's own share it is the test's F1"


@cache
def _judged() -> tuple[np.ndarray, dict[tuple[str, str], np.ndarray]]:
    """The truth of test, and each way's verdicts, cut where validation says or at one half. As the exercise's cells."""
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
    said = {}
    for name, predict in {
        "one": one.predict_proba,
        "six": lambda rows: np.column_stack([each.predict_proba(rows)[:, 1] for each in six]),
        "worst": lambda rows: np.clip(single.predict_proba(rows) @ classes, 0, 1),
    }.items():
        cuts = thresholds.tune(truth["validation"], predict(x["validation"]), labels)
        said[name, "tuned"] = cuts.apply(predict(x["test"]))
        said[name, "half"] = (predict(x["test"]) >= 0.5).astype(int)
    return truth["test"], said


@cache
def _gain(a: str, b: str, how: str = "tuned", average: str = "macro") -> tuple[float, float]:
    truth, said = _judged()
    gain = metrics.multilabel_difference(truth, said[a, how], said[b, how], average)
    return gain.low, gain.high


@item
def one_or_six(answer: Answer) -> Iterator[str]:
    """Returns {"ship", "macro_f1", "one_over_worst", "six_over_one"}: how many models, and on what evidence."""
    record = answer.record(["ship", "macro_f1", "one_over_worst", "six_over_one"])
    ship, (truth, said) = answer.choice(record, "ship", WAYS), _judged()
    if ship == "worst":
        raise CheckFailed("One label is the simplest to read. Is nothing that comes later *clearly* better than it?")
    if ship == "six":
        raise CheckFailed(
            "Six may be a little ahead. Is it *clearly* better than one? Look at the paired interval, then think of "
            "six encoders that run for each comment."
        )
    yield "one model: clearly better than one label, and not clearly worse than six"
    micro, half = (
        f1_score(truth, said[ship, how], average=average, zero_division=0)
        for how, average in [("tuned", "micro"), ("half", "macro")]
    )
    hints = {
        "`macro_f1` is the micro F1: all decisions in one pot, where frequent labels rule.": micro,
        "`macro_f1` was taken at one half, not at the tuned cuts.": half,
        "`macro_f1` is the mean over comments. Asked is the mean over labels.": f1_score(
            truth, said[ship, "tuned"], average="samples", zero_division=1
        ),
    }
    right = f1_score(truth, said[ship, "tuned"], average="macro")
    otherwise = "`macro_f1` is not that of what you ship, on test."
    compare(answer.as_number(record["macro_f1"], "`macro_f1`"), right, hints, otherwise, 0.006)
    for key, pair in {"one_over_worst": ("worst", "one"), "six_over_one": ("one", "six")}.items():
        hints = {
            f"`{key}` has its sign turned: it is {pair[1]} minus {pair[0]}.": _gain(*pair[::-1]),
            f"`{key}` was measured at one half. Both ways get cuts tuned on validation.": _gain(*pair, "half"),
            f"`{key}` compares micro F1, where frequent labels rule. Take macro.": _gain(*pair, "tuned", "micro"),
        }
        otherwise = f"`{key}` is not the paired interval of {pair[1]} minus {pair[0]} in macro F1 on test."
        compare(answer.as_pair(record[key], f"`{key}`"), _gain(*pair), hints, otherwise, 0.007)
    yield "the paired intervals say so"
