"""The items of exercise 8: ensembles, calibration, errors."""

import re
from collections.abc import Iterator
from functools import cache

import numpy as np
import pandas as pd
from scipy.special import expit, logit

from textclf_lesson.base.errors import CheckFailed
from textclf_lesson.check.core import Answer, guess, item
from textclf_lesson.check.ex05 import comments
from textclf_lesson.check.quiz import questions, quiz  # noqa: F401
from textclf_lesson.check.sources import tables
from textclf_lesson.check.values import compare, short
from textclf_lesson.evaluate import calibration, robustness, thresholds
from textclf_lesson.models import baselines, ensemble

__getattr__ = guess(__name__)

# --- opinions ---------------------------------------------------------------------------------------------------------


@cache
def _members() -> dict[str, dict[str, np.ndarray]]:
    """Probabilities of three models of different kinds, of validation and of test, shape (rows, labels)."""
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
    """Takes members' probabilities, each (rows, labels), and their weights; returns the sigmoid of the mean logit."""
    rows = np.random.default_rng(seed).choice(len(comments()[1]["test"]), 200, replace=False)
    one, two, hard = (_safe(member["test"][rows]) for member in _members().values())
    even = expit((logit(one) + logit(two)) / 2)
    hints = {
        "That is the mean of the probabilities. A very confident member should count more: average logits.": (
            (one + two) / 2
        ),
        "Those are logits. Turn them back into probabilities.": (logit(one) + logit(two)) / 2,
        "You sum the logits and do not divide: two members that agree would be twice as confident.": expit(
            logit(one) + logit(two)
        ),
        "That is the geometric mean of the probabilities, which leaves out 1 − p. A logit uses both.": (
            np.sqrt(one * two)
        ),
        "Each label has its own sigmoid; your rows add up to one.": (even / even.sum(axis=1, keepdims=True)),
    }
    got = answer.array([one, two], [1, 1], shape=one.shape)
    compare(got, even, hints, "With equal weights it is not the sigmoid of the mean of the members' logits.", 1e-4)
    yield "a mean of logits"
    weights = [3 + seed, 1]
    share = weights[0] / sum(weights)
    expected = expit(share * logit(one) + (1 - share) * logit(two))
    hints = {
        "The weights change nothing.": even,
        "Weights need not add up to one: divide by their sum, or larger weights give higher confidence.": expit(
            weights[0] * logit(one) + logit(two)
        ),
        "The weights went to the other member.": expit((1 - share) * logit(one) + share * logit(two)),
    }
    compare(
        answer.array([one, two], weights, shape=one.shape), expected, hints, "With unequal weights it is wrong.", 1e-4
    )
    yield "weighted"
    raw = _members()["verdicts"]["test"][rows].astype(float)
    got = answer.array([one, raw, 1 - raw], [1, 1, 1], shape=one.shape)
    if not np.isfinite(got).all():
        raise CheckFailed(
            "Two members predict 0 and 1, and their logits are infinite. Keep probabilities 1e-6 away from both."
        )
    expected = expit((logit(one) + logit(hard) + logit(1 - hard)) / 3)
    compare(got, expected, {}, "With members that predict 0 or 1 it is wrong: keep 1e-6 away from both.", 1e-3)
    yield "no member outvotes all others"


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
            "Those are the probabilities as trained: nothing is calibrated."
            if factor == 1
            else "This model is *underconfident*, and nothing is calibrated. Can your temperature be below 1?"
        )
        hints = {
            as_trained: expit(unseen),
            "You multiply by the temperature. Dividing by a number above 1 lowers the confidence.": expit(unseen * t),
            "Those are logits. Turn them back into probabilities.": unseen / t,
            "That is the base rate for every row: calibrated, but useless.": np.full(len(unseen), yes.mean()),
        }
        got = answer.array(scores, yes, unseen, shape=unseen.shape)
        otherwise = "It is not the one temperature for all rows that has the best log-likelihood on validation."
        if (np.diff(got[np.argsort(unseen, kind="stable")]) < -1e-6).any():
            otherwise = "The order of the rows has changed. One temperature, above zero, leaves it as it is."
        compare(got, expit(unseen / t), hints, otherwise, 0.012)
        yield "an overconfident model" if factor == 1 else "and an underconfident one"


# --- errors -----------------------------------------------------------------------------------------------------------

CAUSES = (
    "rude word without target",
    "quarrel without insult",
    "identity mention",
    "quotation or mention",
    "denial",
    "other",
)
# A part of each comment, its cause, and a question for another answer.
READING = [
    ("Comic Sans", "rude word without target", "there is a rude word. Does it describe a person?"),
    ("Obama is not", "denial", "what does the comment claim of him? Mind the smallest word of the first sentence."),
    ("said I'm a fool", "quotation or mention", "who calls whom a fool, and who only reports it?"),
    ("WAY out of line", "quarrel without insult", "somebody is angry with somebody. Is anybody called a name?"),
    ("of having been born", "identity mention", "is anybody attacked? Which word has the model met in attacks?"),
    ("delete wikipedia", "other", "is anybody sworn at, attacked, quoted or mentioned at all?"),
]
MENTIONS = (
    r"\b(?:wom[ae]n|girls?|feminis\w+|m[ae]n|boys?|guys?|dudes?|gays?|lesbians?|homosexual\w*|lgbt\w*|queer|muslims?"
    r"|islam\w*|jew(?:s|ish)?|israel\w*|zionis\w+|christian\w*|catholic\w*|church|jesus|blacks?|negro\w*|african\w*"
    r"|whites?|caucasian\w*|asian\w*|chinese|indian\w*|pakistani\w*|korean\w*|japanese)\b"
)


@cache
def _model() -> tuple[object, float]:
    """A linear model of *toxic* over words, and its threshold from validation, as in the exercise's cell."""
    rows = tables("wiki-toxicity")
    model = baselines.pipeline("tfidf").fit(rows["train"]["text"], rows["train"]["toxic"])
    early = model.predict_proba(rows["validation"]["text"])[:, [1]]
    return model, thresholds.tune(rows["validation"][["toxic"]], early, ["toxic"])["toxic"]


def _is_toxic(texts: list[str]) -> list[int]:
    model, threshold = _model()
    return (model.predict_proba(list(texts))[:, 1] >= threshold).astype(int).tolist()


@cache
def _rows() -> pd.DataFrame:
    """Comments of both test splits: split, text, toxic, predicted, mention."""
    wiki = tables("wiki-toxicity")
    parts = [wiki[split].assign(split=split) for split in ("test", "test_natural")]
    rows = pd.concat(parts, ignore_index=True)[["split", "text", "toxic"]]
    rows["predicted"] = _is_toxic(rows["text"])
    rows["mention"] = rows["text"].str.contains(MENTIONS, flags=re.IGNORECASE)
    return rows


@item
def sort_alarms(answer: Answer) -> Iterator[str]:
    """Returns {"causes", "largest"}: the cause of each of six false alarms, and the largest cause of all."""
    record = answer.record(["causes", "largest"])
    causes_given = record["causes"]
    if not isinstance(causes_given, list | tuple) or len(causes_given) != len(READING):
        raise CheckFailed(f"`causes` should be a list of {len(READING)} causes, in the order of the comments.")
    for number, (cause, (_, expected, question)) in enumerate(zip(causes_given, READING, strict=True), 1):
        if not isinstance(cause, str) or cause not in CAUSES:
            raise CheckFailed(
                f"Comment {number}: {short(cause)} is not one of the causes. They are: {', '.join(CAUSES)}."
            )
        if cause != expected:
            raise CheckFailed(f"Comment {number}: {question} Your answer is {cause!r}.")
    yield "six comments read"
    alarms = _rows().query("toxic == 0 and predicted == 1")
    causes = pd.Series(robustness.causes(alarms["text"])).value_counts().drop(["not read", "other"])
    largest = answer.choice(record, "largest", CAUSES)
    if largest == "other":
        raise CheckFailed("'other' is what is left. Which named cause has most alarms?")
    if largest != causes.idxmax():
        raise CheckFailed(f"{causes.get(largest, 0)} of the alarms are of {largest!r}. Count them all; which has most?")
    yield "and the largest cause counted"


def _interval(rows: pd.DataFrame) -> tuple[float, float]:
    low, high = calibration.wilson(rows["predicted"].sum(), len(rows))
    return float(low), float(high)


@item
def whom_it_hits(answer: Answer) -> Iterator[str]:
    """Returns {"decision", "mention", "others"}: may the filter be released, and on what evidence?"""
    record = answer.record(["decision", "mention", "others"])
    decision, rows = answer.choice(record, "decision", ("release", "stop", "collect")), _rows()
    natural, harmless = rows[rows["split"] == "test_natural"], rows[rows["toxic"] == 0]
    expected = {}
    for key, is_mention in {"mention": True, "others": False}.items():
        mine = harmless[harmless["mention"] == is_mention]
        alarms = harmless.query("split == 'test_natural' and predicted == 1")
        share = calibration.wilson((alarms["mention"] == is_mention).sum(), len(alarms))
        expected[key] = _interval(mine[mine["split"] == "test_natural"])
        hints = {
            f"`{key}` pools both splits. The enriched one has more flagged comments, with and without mentions, and "
            "more mentions: the difference between the splits looks like one between groups of "
            "people.": _interval(mine),
            f"`{key}` was measured on the enriched test. The rule is about comments as they come on the "
            "site.": _interval(mine[mine["split"] == "test"]),
            f"`{key}` counts toxic comments too. A false alarm is one about a *harmless* comment.": _interval(
                natural[natural["mention"] == is_mention]
            ),
            f"`{key}` is a share of *flagged* comments. Return the share of comments of that kind that is flagged.": (
                tuple(map(float, share))
            ),
        }
        otherwise = (
            f"`{key}` is not the Wilson interval of the share of harmless comments of that kind that is flagged."
        )
        compare(answer.as_pair(record[key], f"`{key}`"), expected[key], hints, otherwise, 0.006)
    yield "harmless comments of the site, with and without a mention"
    (low, high), (_, others) = expected["mention"], expected["others"]
    rule = "stop" if low > others else "release" if high <= 0.2 else "collect"
    why = {
        "stop": "Are the two intervals apart? Your rule stops the filter only then.",
        "release": "At worst, how many harmless comments with a mention are flagged? Your rule has a limit for that.",
        "collect": "By your rule these rows are enough to decide. Look at the two intervals again.",
    }
    if decision != rule:
        raise CheckFailed(why[decision])
    yield "the decision that the rule gives"


@item
def failure_rate(answer: Answer, seed: int = 0) -> Iterator[str]:
    """Takes predict (texts to 0 or 1), toxic texts, an attack (text to text); returns how often it works."""
    texts = _rows().query("split == 'test' and toxic == 1")["text"].sample(160, random_state=seed).tolist()
    kinds = ["asterisk", "leetspeak", "lookalikes", "spacing"]
    before = np.array(_is_toxic(texts)) == 1
    for kind in [kinds[seed % 4], kinds[(seed + 2) % 4]]:

        def attack(text: str, kind: str = kind) -> str:
            return robustness.attack(kind, text)

        attacked = [attack(text) for text in texts]
        after = np.array(_is_toxic(attacked)) == 1
        changed = np.array([new != old for new, old in zip(attacked, texts, strict=True)])
        cases, failed = before & changed, before & changed & ~after
        hints = {
            "That is how often the attack *fails*. Return how often it works.": 1 - failed.sum() / cases.sum(),
            "You count comments that the model missed before the attack. The attack did not cause that.": (
                (changed & ~after).sum() / changed.sum()
            ),
            "You count all comments as cases. The attack does not change some of them, and some were missed before.": (
                failed.sum() / len(texts)
            ),
            "Comments that the attack does not change are not cases: they make the model look robust.": (
                failed.sum() / before.sum()
            ),
            "That is the share of all comments that is missed after the attack. How many were missed before?": (
                (~after).mean()
            ),
            "You divide by all changed comments. Count only those that the model found before the attack.": (
                failed.sum() / changed.sum()
            ),
            "That is a number of comments, not a share of the cases.": failed.sum(),
        }
        otherwise = (
            f"Against {kind!r} the rate is wrong. Which comments are cases, and which of them are missed "
            "after the attack?"
        )
        compare(answer.number(_is_toxic, texts, attack), failed.sum() / cases.sum(), hints, otherwise)
    yield "only comments that were found before, and that the attack changes"
    yield "the share that is missed after it"
