"""The items of exercise 1: framing the problem."""

from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np
import pandas as pd

from textclf_lesson import data
from textclf_lesson.base.errors import CheckFailed
from textclf_lesson.check.core import Answer, guess, item
from textclf_lesson.check.quiz import questions, quiz  # noqa: F401
from textclf_lesson.check.values import compare, short
from textclf_lesson.evaluate import metrics

__getattr__ = guess(__name__)

PATHS = ["comp.graphics", "comp.windows.x", "rec.autos", "sci.space", "comp.graphics"]  # classes of the newsgroups

# What each metric gives the same weight.
COUNTS_ALIKE = {"accuracy": "articles", "weighted_f1": "articles", "macro_f1": "topics"}


@cache
def _articles() -> pd.DataFrame:
    """Reuters' training articles, each text once: the agency sent some of them twice."""
    rows = data.load("reuters-r52")["train"].to_pandas()
    return rows[~rows["text"].map(data.normalise).duplicated()]


@cache
def _votes() -> pd.DataFrame:
    return data.agreement()


@cache
def _problems() -> list[tuple[list[list], str, str]]:
    """Labels of real rows, what kind of problem they are, and why."""
    films, names = data.load("movie-snippets"), data.label_names(data.load("reuters-r52"))
    verdicts = data.label_names(films)
    films = [[verdicts[label]] for label in films["validation"]["label"][:]]
    topics = [[names[label]] for label in _articles()["label"].head(300)]
    majority = _votes().groupby("id")[data.TOXICITY].mean() > 0.5
    comments = [[label for label in data.TOXICITY if row[label]] for _, row in majority.iterrows()]
    several_first = sorted(comments, key=len, reverse=True)
    one_first = sorted(comments, key=lambda labels: len(labels) != 1)
    at_most_one = [labels for labels in one_first if len(labels) < 2]
    return [
        (films, "binary", "Sentences from film reviews carry exactly one of two labels each"),
        (topics, "multi-class", "Newswire articles carry exactly one of many topics each"),
        (
            several_first,
            "multi-label",
            "Some comments carry several labels; how many labels *exist* is not what counts",
        ),
        (one_first, "multi-label", "Look at every row: the same comments in another order are the same problem"),
        (at_most_one, "multi-label", "Some comments here carry no label at all, which is no answer to 'which one?'"),
        ([[path] for path in PATHS], "hierarchical", "Labels like comp.graphics are paths: classes within classes"),
        (
            [[PATHS[0]], PATHS[:2]],
            "multi-label",
            "A row with two labels makes the problem multi-label, also where labels are paths",
        ),
    ]


@item
def kind_of_problem(answer: Answer) -> Iterator[str]:
    """Takes the labels of each row, a list of lists; returns "binary", "multi-class", "multi-label", "hierarchical"."""
    for rows, expected, why in _problems():
        value = answer(rows)
        if not isinstance(value, str) or value != expected:
            raise CheckFailed(f"{why}. You return {short(value)}.")
    yield "one of two, one of many, any subset"
    yield "a row without a label counts too"
    yield "and classes within classes"


@item
def focal_loss(answer: Answer, seed: int = 0) -> Iterator[str]:
    """Takes probabilities (rows, labels), their truth (0 or 1), γ; returns the focal loss of each element."""
    rng = np.random.default_rng(seed)
    p, truth = rng.uniform(0.02, 0.98, size=(6, 3)), rng.integers(0, 2, size=(6, 3))
    truth[0], truth[1] = 1, 0
    p_t = np.where(truth == 1, p, 1 - p)

    def focal(p_t: np.ndarray, gamma: float) -> np.ndarray:
        return -((1 - p_t) ** gamma) * np.log(p_t)

    plain = answer.array(p, truth, 0.0, shape=p.shape)
    hints = {
        "Where the truth is 0, a low p is right: there p_t is 1 − p. Your loss takes p itself.": focal(p, 0),
        "A loss is positive: the logarithm of a probability is negative, so the formula has a minus sign.": -focal(
            p_t, 0
        ),
        "The formula's log is the natural one (np.log); yours has another base.": focal(p_t, 0) / np.log(10),
        "That is the loss in bits; the formula's log is the natural one (np.log).": focal(p_t, 0) / np.log(2),
    }
    compare(plain, focal(p_t, 0), hints, "With γ = 0 the loss should be plain cross-entropy, −log p_t; yours is not.")
    yield "γ = 0 is cross-entropy"
    gamma = 2.0 + seed % 2
    got = answer.array(p, truth, gamma, shape=p.shape)
    hints = {
        "Your γ makes the loss of easy rows *larger*: the factor is (1 − p_t) to the power γ, not to −γ.": focal(
            p_t, -gamma
        ),
        "You weight by p_t to the power γ, so confident right rows get the largest loss. The factor is 1 − p_t.": (
            -(p_t**gamma) * np.log(p_t)
        ),
        "The loss does not change with γ. Where is γ in your formula?": focal(p_t, 0),
        "The factor is (1 − p_t), with p_t from the truth. Yours uses 1 − p also where the truth is 0.": (
            -((1 - p) ** gamma) * np.log(p_t)
        ),
    }
    compare(got, focal(p_t, gamma), hints, f"γ = 0 is right, but with γ = {gamma:g} the factor (1 − p_t)^γ is not.")
    yield "confident right rows have almost no loss"


@item
def split_then_copy(answer: Answer, seed: int = 0) -> Iterator[str]:
    """Takes rows with `text` and `label`, and how many each class needs; returns (training rows, test rows)."""
    least, rows = 12, _articles().sample(1200, random_state=seed)[["text", "label"]].reset_index(drop=True)
    value = answer(rows, least)
    if not isinstance(value, tuple | list) or len(value) != 2:
        raise CheckFailed("Return two tables, training rows and test rows, in this order.")
    for table in value:
        if not isinstance(table, pd.DataFrame) or not {"text", "label"} <= set(table.columns):
            raise CheckFailed("Both parts should be tables (DataFrames) with the columns `text` and `label`.")
    train, test = value
    leaked = len(data.leaks(train, test))
    if leaked:
        raise CheckFailed(
            f"{leaked} test rows are in training too, so the model has seen their labels. Which comes first, "
            "copying or splitting?"
        )
    yield "no text on both sides"
    if test["text"].duplicated().any():
        raise CheckFailed("Your test rows hold copies, so some rows count several times. Copy training rows only.")
    share = len(test) / len(rows)
    if not 0.15 < share < 0.25:
        raise CheckFailed(f"A fifth of the rows should be test rows; you return {share:.0%} of them.")
    yield "a fifth for the test, each row once"
    if set(train["text"]) | set(test["text"]) != set(rows["text"]):
        raise CheckFailed("Some rows are in neither part. Keep all of them, including those of rare classes.")
    counts = train["label"].value_counts()
    if counts.min() < least:
        raise CheckFailed(
            f"A class still has {counts.min()} training rows, fewer than the {least} asked for. Copy its rows until it "
            "has enough."
        )
    yield "rare classes filled up in training only"


@cache
def _measured(split: str) -> dict[str, metrics.Report]:
    """Reports of lesson 1.5's two models on a split of Reuters, as the exercise's own cell computes them."""
    reuters = data.load("reuters-r52")
    rows = reuters[split].to_pandas()
    return {
        name: metrics.report(rows["label"], model.predict(rows["text"]), data.label_names(reuters))
        for name, model in _trained().items()
    }


@cache
def _trained() -> dict[str, Any]:
    from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
    from sklearn.naive_bayes import MultinomialNB
    from sklearn.pipeline import make_pipeline
    from sklearn.svm import LinearSVC

    train = data.load("reuters-r52")["train"].to_pandas()
    models = {
        "naive Bayes": make_pipeline(CountVectorizer(), MultinomialNB()),
        "linear SVM": make_pipeline(TfidfVectorizer(sublinear_tf=True), LinearSVC()),
    }
    return {name: model.fit(train["text"], train["label"]) for name, model in models.items()}


@item
def promise(answer: Answer) -> Iterator[str]:
    """Returns {"metric", "model", "measured", "low", "promise"}: what to promise an archive, and on what evidence."""
    record = answer.record(["metric", "model", "measured", "low", "promise"])
    metric, model = answer.choice(record, "metric", COUNTS_ALIKE), answer.choice(record, "model", _trained())
    if COUNTS_ALIKE[metric] == "articles":
        raise CheckFailed(
            f"{metric} counts every *article* the same, so 'earn' decides it. The archive wants each "
            "*topic* to count the same."
        )
    yield "a number that counts topics"
    (other,) = _trained().keys() - {model}
    if _measured("validation")[model].macro_f1 < _measured("validation")[other].macro_f1:
        raise CheckFailed(f"Look at the table again: by macro F1, {model} is not the better of the two.")
    report = _measured("test")[model]
    measured, low = answer.as_number(record["measured"], "`measured`"), answer.as_number(record["low"], "`low`")
    hints = {
        "`measured` is the accuracy. Every topic is to count the same: which row does that?": report.accuracy,
        "`measured` is the weighted F1, in which large topics count more. Take the plain mean.": report.weighted_f1,
        "`measured` is the number on validation, by which you chose. Measure the chosen model on test.": (
            _measured("validation")[model].macro_f1
        ),
        "`measured` is the number of the other model.": _measured("test")[other].macro_f1,
        "`measured` should be a share between 0 and 1, not a percentage.": 100 * report.macro_f1,
    }
    compare(measured, report.macro_f1, hints, f"`measured` is not the macro F1 of {model} on test.", 0.006)
    bottom, top = report.interval("macro_f1")
    hints = {"`low` is the upper end of the interval; a promise rests on the lower one.": top}
    compare(low, bottom, hints, "`low` is not the lower end of the 95 % interval of that number.", 0.015)
    yield "the model and its interval, as measured"
    promised = answer.as_number(record["promise"], "`promise`")
    if promised > bottom + 0.005:
        raise CheckFailed(
            "You promise more than the lower end of the interval: with other articles of the same kind your "
            "model may score less. Which number can you promise?"
        )
    if promised < bottom - 0.1:
        raise CheckFailed(
            "That promise is safe, but so low that it says little about your model. Stay within 0.1 of the lower end."
        )
    yield "a promise that the interval supports"


@item
def kappa(answer: Answer, seed: int = 0) -> Iterator[str]:
    """Takes the labels that two people gave to the same rows; returns Cohen's kappa."""
    people = _votes().groupby("annotator", sort=True)
    one, two = [people.get_group(name).sort_values("id") for name in sorted(people.groups)[seed % 6 : seed % 6 + 2]]
    for label in ["toxic", "insult"]:
        a, b = one[label].tolist(), two[label].tolist()
        agreed, chance = _agreement(a, b)
        hints = {
            "That is how often they agree. Kappa subtracts the agreement that is expected by chance.": agreed,
            "Chance is not one half here: 'no' is far more common. Use how often *each of the two* says yes and no.": (
                2 * agreed - 1
            ),
            "You subtract P_e but do not divide by 1 − P_e, the most that is left above chance.": agreed - chance,
            "That is the chance agreement P_e alone.": chance,
        }
        compare(
            answer.number(a, b),
            (agreed - chance) / (1 - chance),
            hints,
            f"For two people's labels of '{label}' kappa is another number.",
        )
    yield "two annotators' votes"
    names = {0: "no", 1: "yes"}
    a, b = [names[vote] for vote in one["toxic"]], [names[vote] for vote in two["toxic"]]
    agreed, chance = _agreement(a, b)
    compare(answer.number(a, b), (agreed - chance) / (1 - chance), {}, "It should work for labels that are words too.")
    yield "any two label names"
    compare(answer.number(a, a), 1.0, {}, "Two identical lists have kappa 1.")
    yield "1 for full agreement"


def _agreement(a: list, b: list) -> tuple[float, float]:
    """How often two people agree, and how often they would by chance."""
    one, two = np.array(a), np.array(b)
    classes = sorted(set(a) | set(b))
    return float((one == two).mean()), float(sum((one == c).mean() * (two == c).mean() for c in classes))


@item
def live(answer: Answer, seed: int = 0) -> Iterator[str]:
    """Takes truth and predictions (lists of 0 and 1), a prevalence; returns precision, recall, f1, live_precision."""
    rng = np.random.default_rng(seed)
    truth = (rng.random(60) < 0.7).astype(int)
    pred = np.where(rng.random(60) < 0.75, truth, 1 - truth)
    tp, fp = int((truth & pred).sum()), int((pred & ~truth & 1).sum())
    fn, tn = int((truth & (1 - pred)).sum()), int(((1 - truth) & (1 - pred)).sum())
    prevalence = 0.05 + 0.01 * (seed % 4)
    record = answer.record(["precision", "recall", "f1", "live_precision"], truth.tolist(), pred.tolist(), prevalence)
    value = {key: answer.as_number(record[key], f"`{key}`") for key in ("precision", "recall", "f1", "live_precision")}
    precision, recall, alarms = tp / (tp + fp), tp / (tp + fn), fp / (fp + tn)
    hints = {
        "`precision` and `recall` are swapped: precision divides by what was *predicted*, recall by the truth.": recall,
        "`precision` is the accuracy. Look only at the rows that were predicted to have the label.": (tp + tn) / 60,
    }
    compare(value["precision"], precision, hints, "`precision` is not TP / (TP + FP) of these rows.")
    hints = {"`recall` is the share of rows *without* the label that were left alone. Take those with it.": 1 - alarms}
    compare(value["recall"], recall, hints, "`recall` is not TP / (TP + FN) of these rows.")
    hints = {
        "`f1` is the plain mean of precision and recall; F1 is their harmonic mean, 2·P·R / (P + R).": (
            (precision + recall) / 2
        ),
        "The 2 is missing in `f1`: 2·P·R / (P + R).": precision * recall / (precision + recall),
    }
    compare(value["f1"], 2 * tp / (2 * tp + fp + fn), hints, "`f1` is not 2·P·R / (P + R).")
    yield "precision, recall and F1 of these rows"
    found, called = prevalence * recall, (1 - prevalence) * alarms
    hints = {
        "`live_precision` is the precision of these rows. If the label is rarer, false alarms outnumber hits.": (
            precision
        ),
        "`live_precision` is not the precision times the prevalence. Count the live texts that are called so.": (
            precision * prevalence
        ),
        "The false alarm rate divides by the rows *without* the label; yours divides by all rows.": (
            found / (found + (1 - prevalence) * fp / 60)
        ),
        "The false alarm rate is not 1 − precision: it divides by the rows without the label.": (
            found / (found + (1 - prevalence) * (1 - precision))
        ),
    }
    compare(value["live_precision"], found / (found + called), hints, "`live_precision` is off: πR / (πR + (1 − π)F).")
    yield "and the precision to expect where the label is rare"
    never = answer.record(["precision", "recall", "f1", "live_precision"], [1, 0, 0, 1], [0, 0, 0, 0], 0.1)
    if any(answer.as_number(never[key], f"`{key}`") != 0 for key in ("precision", "recall", "f1", "live_precision")):
        raise CheckFailed("A model that never says yes has precision, recall and F1 of 0: nothing to divide by is 0.")
    yield "0 where there is nothing to divide by"
