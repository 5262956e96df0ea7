"""The items of lesson 8 on errors: their causes, whom they hit, and what no test split shows."""

import re
from collections.abc import Iterator
from functools import cache

import numpy as np
import pandas as pd

from textclf_lesson import baselines, calibration, robustness, thresholds
from textclf_lesson.check.core import Answer, CheckFailed, compare, item, short
from textclf_lesson.check.sources import tables

CAUSES = (
    "rude word without target",
    "quarrel without insult",
    "identity mention",
    "quotation or mention",
    "denial",
    "other",
)
# A piece of each comment, its cause, and what to ask when another one is named.
READING = [
    ("Comic Sans", "rude word without target", "there is a rude word. Is it said of a person?"),
    ("Obama is not", "denial", "what is said of him? Mind the smallest word of the first sentence."),
    ("said I'm a fool", "quotation or mention", "who calls whom a fool, and who only tells of it?"),
    ("WAY out of line", "quarrel without insult", "somebody is angry with somebody. Is anybody called a name?"),
    ("of having been born", "identity mention", "is anybody attacked? Which word has the model met in attacks?"),
    ("delete wikipedia", "other", "is anybody sworn at, attacked, quoted or spoken of at all?"),
]
MENTIONS = (
    r"\b(?:wom[ae]n|girls?|feminis\w+|m[ae]n|boys?|guys?|dudes?|gays?|lesbians?|homosexual\w*|lgbt\w*|queer|muslims?"
    r"|islam\w*|jew(?:s|ish)?|israel\w*|zionis\w+|christian\w*|catholic\w*|church|jesus|blacks?|negro\w*|african\w*"
    r"|whites?|caucasian\w*|asian\w*|chinese|indian\w*|pakistani\w*|korean\w*|japanese)\b"
)


@cache
def _model() -> tuple[object, float]:
    """A linear model of *toxic* over words, and its cut from validation, as in the exercise's cell."""
    rows = tables("wiki-toxicity")
    model = baselines.pipeline("tfidf").fit(rows["train"]["text"], rows["train"]["toxic"])
    early = model.predict_proba(rows["validation"]["text"])[:, [1]]
    return model, thresholds.tune(rows["validation"][["toxic"]], early, ["toxic"]).cuts["toxic"]


def _is_toxic(texts: list[str]) -> list[int]:
    model, cut = _model()
    return (model.predict_proba(list(texts))[:, 1] >= cut).astype(int).tolist()


@cache
def _rows() -> pd.DataFrame:
    """Comments of both test splits: split, text, toxic, said, mention."""
    wiki = tables("wiki-toxicity")
    parts = [wiki[split].assign(split=split) for split in ("test", "test_natural")]
    rows = pd.concat(parts, ignore_index=True)[["split", "text", "toxic"]]
    rows["said"] = _is_toxic(rows["text"])
    rows["mention"] = rows["text"].str.contains(MENTIONS, flags=re.IGNORECASE)
    return rows


@item
def sort_alarms(answer: Answer) -> Iterator[str]:
    """Returns {"causes", "largest"}: the cause of each of six false alarms, and the largest cause of all."""
    record = answer.record(["causes", "largest"])
    said = record["causes"]
    if not isinstance(said, list | tuple) or len(said) != len(READING):
        raise CheckFailed(f"`causes` should be a list of {len(READING)} causes, in the order of the comments.")
    for number, (cause, (_, right, question)) in enumerate(zip(said, READING, strict=True), 1):
        if not isinstance(cause, str) or cause not in CAUSES:
            raise CheckFailed(f"Comment {number}: {short(cause)} is none of the causes. They are: {', '.join(CAUSES)}.")
        if cause != right:
            raise CheckFailed(f"Comment {number}: {question} You say {cause!r}.")
    yield "six comments read"
    alarms = _rows().query("toxic == 0 and said == 1")
    causes = pd.Series(robustness.causes(alarms["text"])).value_counts().drop(["not read", "other"])
    largest = answer.choice(record, "largest", CAUSES)
    if largest == "other":
        raise CheckFailed("'other' is no cause but what is left. Which cause with a name has most alarms?")
    if largest != causes.idxmax():
        raise CheckFailed(f"{causes.get(largest, 0)} of the alarms are of {largest!r}. Count them all; which has most?")
    yield "and the largest cause counted"


def _interval(rows: pd.DataFrame) -> tuple[float, float]:
    low, high = calibration.wilson(rows["said"].sum(), len(rows))
    return float(low), float(high)


@item
def whom_it_hits(answer: Answer) -> Iterator[str]:
    """Returns {"decision", "mention", "others"}: may the filter be released, and on what evidence?"""
    record = answer.record(["decision", "mention", "others"])
    decision, rows = answer.choice(record, "decision", ("release", "stop", "collect")), _rows()
    natural, harmless = rows[rows["split"] == "test_natural"], rows[rows["toxic"] == 0]
    right = {}
    for key, is_mention in {"mention": True, "others": False}.items():
        mine = harmless[harmless["mention"] == is_mention]
        alarms = harmless.query("split == 'test_natural' and said == 1")
        share = calibration.wilson((alarms["mention"] == is_mention).sum(), len(alarms))
        right[key] = _interval(mine[mine["split"] == "test_natural"])
        hints = {
            f"`{key}` puts both splits into one pot. In the enriched one more is flagged, whoever is mentioned, and it "
            "holds more mentions: the difference between splits looks like one between people.": _interval(mine),
            f"`{key}` was measured on the enriched test. The rule speaks of rows as the site draws them.": _interval(
                mine[mine["split"] == "test"]
            ),
            f"`{key}` counts toxic comments too. A false alarm is one about a *harmless* comment.": _interval(
                natural[natural["mention"] == is_mention]
            ),
            f"`{key}` is a share of *flagged* comments. Asked is which share of comments of that kind is flagged.": (
                tuple(map(float, share))
            ),
        }
        otherwise = f"`{key}` is not Wilson's interval of the share that is flagged, of harmless comments of that kind."
        compare(answer.as_pair(record[key], f"`{key}`"), right[key], hints, otherwise, 0.006)
    yield "harmless comments of the site, with and without a mention"
    (low, high), (_, others) = right["mention"], right["others"]
    rule = "stop" if low > others else "release" if high <= 0.2 else "collect"
    why = {
        "stop": "Do the two intervals lie apart? Your rule asks for that before it condemns the filter.",
        "release": "At worst, how many harmless comments with a mention are flagged? Your rule sets a limit to that.",
        "collect": "By your rule these rows are enough for a verdict. Look at the two intervals again.",
    }
    if decision != rule:
        raise CheckFailed(why[decision])
    yield "as much as these rows can say"


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
            "That is how often the model *holds*. Asked is how often the attack works.": 1 - failed.sum() / cases.sum(),
            "You count comments that the model had missed as they stood. The attack did not do that.": (
                (changed & ~after).sum() / changed.sum()
            ),
            "You count all comments as cases. The attack had nothing to change in some, and some were missed anyway.": (
                failed.sum() / len(texts)
            ),
            "Comments in which the attack changes nothing are no cases: they make the model look strong.": (
                failed.sum() / before.sum()
            ),
            "That is the share that is missed after the attack, of all comments. How many were missed before?": (
                (~after).mean()
            ),
            "You divide by all that were changed. Count only those of them that were found as they stood.": (
                failed.sum() / changed.sum()
            ),
            "That is a number of comments, not a share of the cases.": failed.sum(),
        }
        otherwise = f"Against {kind!r} the rate is off. Which comments are cases, and which of them have failed?"
        compare(answer.number(_is_toxic, texts, attack), failed.sum() / cases.sum(), hints, otherwise)
    yield "only comments that were found, and that the attack changes"
    yield "the share that slips through"
