"""Answers to the items of lesson 8."""

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import expit, logit
from sklearn.isotonic import IsotonicRegression
from sklearn.metrics import log_loss

from tests.exercises.answers import right, wrong
from textclf_lesson.check import ex08 as items
from textclf_lesson.evaluate import calibration
from textclf_lesson.models import ensemble


def _safe(members):
    return np.clip(np.stack(members), 1e-6, 1 - 1e-6)


@wrong("pooled", "mean of the probabilities")
def mean_of_probabilities(members, weights):
    return np.average(members, axis=0, weights=weights)


@wrong("pooled", "Those are logits")
def forgets_the_way_back(members, weights):
    return np.average(logit(_safe(members)), axis=0, weights=weights)


@wrong("pooled", "twice as confident")
def sum_of_logits(members, weights):
    return expit((logit(_safe(members)) * np.reshape(weights, (-1, 1, 1))).sum(axis=0))


@wrong("pooled", "your rows add up to one")
def softmax_for_sigmoid(members, weights):
    p = expit(np.average(logit(_safe(members)), axis=0, weights=weights))
    return p / p.sum(axis=1, keepdims=True)


@wrong("pooled", "The weights change nothing")
def all_weigh_the_same(members, weights):
    return expit(logit(_safe(members)).mean(axis=0))


@wrong("pooled", "their logits are infinite")
def infinite_logits(members, weights):
    with np.errstate(all="ignore"):
        z = [w * np.log(p / (1 - p)) for p, w in zip(members, weights, strict=True)]
        return 1 / (1 + np.exp(-sum(z) / sum(weights)))


@right("pooled")
def with_odds(members, weights):
    odds = 1.0
    for p, weight in zip(members, weights, strict=True):
        p = np.minimum(np.maximum(p, 1e-6), 1 - 1e-6)
        odds = odds * (p / (1 - p)) ** (weight / sum(weights))
    return odds / (1 + odds)


@right("pooled")
def with_the_package(members, weights):
    return expit(ensemble.average_logits(logit(_safe(members)), weights))


def _temperature(logits, truth, low=-3.0, high=3.0):
    found = minimize_scalar(lambda t: log_loss(truth, expit(logits / np.exp(t))), bounds=(low, high), method="bounded")
    return np.exp(found.x)


@wrong("calibrated", "nothing is calibrated")
def as_trained(logits, truth, unseen):
    return expit(unseen)


@wrong("calibrated", "You multiply by the temperature")
def multiplies(logits, truth, unseen):
    return expit(unseen * _temperature(logits, truth))


@wrong("calibrated", "Those are logits")
def returns_logits(logits, truth, unseen):
    return unseen / _temperature(logits, truth)


@wrong("calibrated", "*underconfident*")
def never_below_one(logits, truth, unseen):
    return expit(unseen / _temperature(logits, truth, low=0.0))


@wrong("calibrated", "not the one temperature for all rows")
def isotonic(logits, truth, unseen):
    return IsotonicRegression(out_of_bounds="clip").fit(logits, truth).predict(unseen)


@wrong("calibrated", "the base rate for every row")
def base_rate(logits, truth, unseen):
    return np.full(len(unseen), truth.mean())


@right("calibrated")
def by_the_package(logits, truth, unseen):
    return calibration.Temperature(multi_label=True).fit(logits, truth).predict_proba(unseen)


@right("calibrated")
def by_an_optimiser(logits, truth, unseen):
    return list(1 / (1 + np.exp(-unseen / _temperature(logits, truth))))


RIGHT = [cause for _, cause, _ in items.READING]


@wrong("sort_alarms", "who calls whom a fool")
def quotation_for_a_quarrel():
    return {"causes": [*RIGHT[:2], "quarrel without insult", *RIGHT[3:]], "largest": RIGHT[3]}


@wrong("sort_alarms", "Mind the smallest word")
def mention_for_a_denial():
    return {"causes": [RIGHT[0], "identity mention", *RIGHT[2:]], "largest": RIGHT[3]}


@wrong("sort_alarms", "is not one of the causes")
def cause_of_ones_own():
    return {"causes": ["swearing", *RIGHT[1:]], "largest": RIGHT[3]}


@wrong("sort_alarms", "Count them all")
def largest_by_feeling():
    return {"causes": RIGHT, "largest": "identity mention"}


@right("sort_alarms")
def as_a_tuple():
    return {"causes": tuple(RIGHT), "largest": "quarrel without insult"}


def _decision(decision="collect", kept=lambda rows: (rows["split"] == "test_natural") & (rows["toxic"] == 0)):
    rows = items._rows()
    rows = rows[kept(rows)]
    found = {
        key: items._interval(rows[rows["mention"] == value]) for key, value in [("mention", True), ("others", False)]
    }
    return {"decision": decision, **found}


@wrong("whom_it_hits", "pools both splits")
def as_the_colleague_shows_it():
    return _decision("stop", lambda rows: rows["toxic"] == 0)


@wrong("whom_it_hits", "measured on the enriched test")
def enriched():
    return _decision("collect", lambda rows: (rows["split"] == "test") & (rows["toxic"] == 0))


@wrong("whom_it_hits", "counts toxic comments too")
def all_comments():
    return _decision("collect", lambda rows: rows["split"] == "test_natural")


@wrong("whom_it_hits", "Are the two intervals apart?")
def condemns_too_soon():
    return _decision("stop")


@wrong("whom_it_hits", "At worst, how many")
def releases_too_soon():
    return _decision("release")


@wrong("whom_it_hits", "share of *flagged* comments")
def the_other_way_round():
    rows = items._rows().query("split == 'test_natural' and toxic == 0 and predicted == 1")
    low, high = calibration.wilson(rows["mention"].sum(), len(rows))
    return _decision() | {"mention": (low, high)}


@right("whom_it_hits")
def by_hand():
    rows = items._rows().query("split == 'test_natural' and toxic == 0")
    found = {}
    for key, some in [("mention", rows[rows["mention"]]), ("others", rows[~rows["mention"]])]:
        n, p, z = len(some), some["predicted"].mean(), 1.96
        reach = z * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
        found[key] = [(p + z**2 / (2 * n) + sign * reach) / (1 + z**2 / n) for sign in (-1, 1)]
    return {"decision": "collect", **found}


@wrong("failure_rate", "missed before the attack")
def counts_what_was_missed_before(predict, texts, attack):
    cases = [attack(text) for text in texts if attack(text) != text]
    return 1 - np.mean(predict(cases))


@wrong("failure_rate", "they make the model look robust")
def counts_what_did_not_change(predict, texts, attack):
    found = [text for text, value in zip(texts, predict(texts), strict=True) if value]
    return 1 - np.mean(predict([attack(text) for text in found]))


@wrong("failure_rate", "of all comments")
def recall_after_the_attack(predict, texts, attack):
    return 1 - np.mean(predict([attack(text) for text in texts]))


@wrong("failure_rate", "how often the attack *fails*")
def how_often_it_holds(predict, texts, attack):
    return 1 - in_a_loop(predict, texts, attack)


@right("failure_rate")
def in_a_loop(predict, texts, attack):
    cases = failures = 0
    for text in texts:
        disguised = attack(text)
        if disguised != text and predict([text])[0]:
            cases += 1
            failures += not predict([disguised])[0]
    return failures / cases


@wrong("quiz", "errs on the same comments", lesson="08")
def two_copies():
    return {"copies": "a", "rate": "c", "ece": "a", "quotation": "c", "defence": "b"}


@wrong("quiz", "keeps the order, so quotations stay", lesson="08")
def temperature_for_everything():
    return {"copies": "b", "rate": "c", "ece": "a", "quotation": "b", "defence": "b"}


@right("quiz", lesson="08")
def in_capitals():
    return {"copies": "B", "rate": "C", "ece": "A", "quotation": "C", "defence": "B"}
