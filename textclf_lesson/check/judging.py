"""The items of the practical that judge: the report, its verdicts, false alarms, one label against several."""

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
from sklearn.metrics import f1_score

from textclf_lesson import metrics, robustness, thresholds
from textclf_lesson.check.capstone import LABELS, by_label, comments, judged
from textclf_lesson.check.core import Answer, CheckFailed, close, compare, item

VERDICTS = ("reached", "open", "missed")
GRAVEST_FIRST = ["severe_toxic", "threat", "identity_hate", "obscene", "insult", "toxic"]


@item
def report_labels(answer: Answer, seed: int = 0) -> Iterator[str]:
    """Takes validation and test, each {"truth", "probability"}; returns a table: cut, f1, low, high of each label."""
    rows, p = comments(), judged(1 + seed % 2)
    given = [{"truth": rows[s][LABELS], "probability": pd.DataFrame(p[s], columns=LABELS, index=rows[s].index)}
             for s in ("validation", "test")]  # fmt: skip
    value = answer(*given)
    table = as_table(value, ["cut", "f1", "low", "high"])
    truth, scores = ([side[key].to_numpy() for side in given] for key in ("truth", "probability"))
    cuts = table["cut"].to_numpy()
    if np.ptp(cuts) < 1e-9:
        raise CheckFailed("All cuts are the same. A rare label wants another cut than a frequent one: tune each.")

    def f1(side: int, cuts: np.ndarray, average: str | None = None) -> np.ndarray:
        return f1_score(truth[side], scores[side] >= cuts, average=average, zero_division=0)

    best = [np.asarray(thresholds.tune(truth[side], scores[side], LABELS)) for side in (0, 1)]
    if (f1(1, cuts) > f1(1, best[1]) - 0.002).all():
        raise CheckFailed("The cuts were tuned on the test, so the test no longer judges. Tune them on validation.")
    short = f1(0, best[0]) - f1(0, cuts)
    if short.max() > 0.025:
        worst = LABELS[short.argmax()]
        raise CheckFailed(f"The cut of {worst!r} is not the one with the highest F1 on validation, or near it.")
    yield "cuts tuned on validation"
    right = metrics.multilabel_report(truth[1], scores[1], LABELS, cuts, n=400).per_label
    seen = metrics.multilabel_report(truth[0], scores[0], LABELS, cuts, n=400).per_label
    hints = {
        "`f1` was measured on validation, where the cuts were chosen: it flatters. The test gives the verdict.": seen[
            "f1"
        ],
        "`f1` was measured with the cut at one half. Use your own cuts.": f1(1, np.full(6, 0.5)),
        "`f1` is one micro-averaged number for all. Report each label by itself.": np.full(6, f1(1, cuts, "micro")),
        "`f1` is the macro mean for all. Report each label by itself.": np.full(6, f1(1, cuts, "macro")),
        "`f1` holds the precision.": right["precision"],
        "`f1` holds the recall.": right["recall"],
    }
    compare(table["f1"], right["f1"], hints, "`f1` is not the F1 of each label on test, at your cuts.", 2e-3)
    yield "each label judged on test"
    width, wanted = table["high"] - table["low"], right["f1_high"] - right["f1_low"]
    if close(table["low"], seen["f1_low"], 0.02) and close(table["high"], seen["f1_high"], 0.02):
        raise CheckFailed("The intervals are those of validation. Draw the test rows again.")
    if not (width / wanted).between(0.75, 1.33).all() or not close(table["low"], right["f1_low"], 0.05):
        ends = right[["f1_low", "f1_high"]].set_axis(["low", "high"], axis=1)
        label = (table[["low", "high"]] - ends).abs().sum(axis=1).idxmax()
        said, due = ("{:.2f} to {:.2f}".format(*rows.loc[label, ["low", "high"]]) for rows in (table, ends))
        raise CheckFailed(
            f"The interval of {label!r} goes from {said}; 95 % by drawing test rows again gives about {due}."
        )
    yield "with its interval"


def as_table(value: Any, columns: list[str]) -> pd.DataFrame:
    """A table with these columns and a row for each label, as floats, in the labels' order."""
    if not isinstance(value, pd.DataFrame) or not set(columns) <= set(value.columns):
        raise CheckFailed(
            f"Return a table (DataFrame) with the columns {', '.join(columns)}, and a row for each label."
        )
    if sorted(map(str, value.index)) != sorted(LABELS):
        raise CheckFailed("The index of your table should be the names of the six labels.")
    try:
        table = value.loc[LABELS, columns].astype(float)
    except (TypeError, ValueError):
        raise CheckFailed("Your table holds something else than numbers.") from None
    if table.isna().any(axis=None):
        raise CheckFailed("Your table holds NaN: a number is missing.")
    return table


@cache
def _report(words: int) -> pd.DataFrame:
    rows, p = comments(), judged(words)
    cuts = thresholds.tune(rows["validation"][LABELS], p["validation"], LABELS)
    scores = metrics.multilabel_report(rows["test"][LABELS], p["test"], LABELS, cuts, n=400).per_label
    return scores[["f1", "f1_low", "f1_high"]].set_axis(["f1", "low", "high"], axis=1)


@item
def verdicts(answer: Answer, seed: int = 0) -> Iterator[str]:
    """Takes a report (f1, low, high by label) and a goal; returns "reached", "open" or "missed" for each label."""
    report, wrong = _report(1 + seed % 2), {}
    for goal in (0.75, *report["f1"].round(3) - 0.004, *report["f1"].round(3) + 0.004):
        said = answer(report, float(goal))
        said = said.to_dict() if isinstance(said, pd.Series) else said
        if not isinstance(said, Mapping) or set(said) != set(LABELS):
            raise CheckFailed("Return a dictionary with a verdict for each of the six labels, under its name.")
        for label, (f1, low, high) in zip(LABELS, report.itertuples(index=False), strict=True):
            verdict = said[label]
            if not isinstance(verdict, str) or verdict not in VERDICTS:
                raise CheckFailed(f"The verdict on {label!r} should be one of {', '.join(VERDICTS)}.")
            right = "reached" if low > goal else "missed" if high < goal else "open"
            if verdict != right:
                told = f"With a goal of {goal:.3f}, {label!r} has {f1:.3f}, 95 % {low:.3f} to {high:.3f}"
                wrong.setdefault(verdict if "open" in (verdict, right) else "turned", f"{told}. You say {verdict!r}")
    if "turned" in wrong:
        raise CheckFailed(f"{wrong['turned']}, but the whole interval lies on the other side of the goal.")
    if "reached" in wrong:
        raise CheckFailed(f"{wrong['reached']}: on other comments of the same kind it may fall short. That is luck.")
    yield "reached only if the whole interval is above"
    if "missed" in wrong:
        raise CheckFailed(f"{wrong['missed']}: the interval holds the goal, so these rows cannot tell.")
    if "open" in wrong:
        raise CheckFailed(f"{wrong['open']}, but the whole interval lies on one side of the goal.")
    yield "open where the rows cannot tell"


@item
def false_alarms(answer: Answer, seed: int = 0) -> Iterator[str]:
    """Takes rows (toxic, probability, cause) and a cut; returns {"rate", "false_share", "causes"}."""
    rows = pd.concat([comments()["test"], comments()["test_natural"]])
    p = np.concatenate([judged()[split][:, 0] for split in ("test", "test_natural")])
    given = pd.DataFrame(
        {"toxic": rows["toxic"].to_numpy(), "probability": p, "cause": robustness.causes(rows["text"])}
    )
    given = given.sample(frac=0.9, random_state=seed).reset_index(drop=True)
    cut = 0.5 + 0.1 * (seed % 3)
    harmless, alarm = given["toxic"] == 0, given["probability"] >= cut
    false = harmless & alarm
    said = answer.record(["rate", "false_share", "causes"], given, cut)
    rate, false_share = false.sum() / harmless.sum(), false.sum() / alarm.sum()
    hints = {
        "`rate` divides by the alarms. Asked is how many *harmless* comments get one: divide by those.": false_share,
        "`rate` divides by all comments. Divide by the harmless ones.": false.mean(),
        "`rate` is how many *toxic* comments are found. Look at those with toxic = 0.": alarm[~harmless].mean(),
        "`rate` is how many toxic comments are missed.": 1 - alarm[~harmless].mean(),
    }
    compare(
        answer.as_number(said["rate"], "`rate`"), rate, hints, "`rate` is not the share of harmless comments.", 1e-3
    )
    hints = {
        "`false_share` is the precision: how many alarms are *right*.": 1 - false_share,
        "`false_share` divides by the harmless comments. Asked is how many of the *alarms* are false.": rate,
    }
    got = answer.as_number(said["false_share"], "`false_share`")
    compare(got, false_share, hints, "`false_share` is not the share of alarms that are false.", 1e-3)
    yield "two shares, two denominators"
    causes, value = given.loc[false & (given["cause"] != "not read"), "cause"].value_counts().to_dict(), said["causes"]
    value = value.to_dict() if isinstance(value, pd.Series) else value
    if not isinstance(value, Mapping):
        raise CheckFailed("`causes` should be a dictionary: each cause, and how many false alarms it explains.")
    if "not read" in value:
        raise CheckFailed("'not read' is no cause: nobody has looked at those comments. Leave them out, and say so.")
    if dict(value) == given.loc[harmless & (given["cause"] != "not read"), "cause"].value_counts().to_dict():
        raise CheckFailed(
            "`causes` counts all harmless comments with a cause, also those without an alarm at this cut."
        )
    if dict(value) != causes:
        raise CheckFailed("`causes` should count the false alarms at this cut by their cause.")
    yield "and why"


@item
def single_label_ceiling(answer: Answer, seed: int = 0) -> Iterator[str]:
    """Takes a table of labels and their order, the gravest first; returns the best F1 of each label, by its name."""
    truth = comments()["test"][LABELS].sample(frac=0.8, random_state=seed)
    order = GRAVEST_FIRST if seed % 2 == 0 else [*GRAVEST_FIRST[1:], GRAVEST_FIRST[0]]

    def kept(order: list[str]) -> np.ndarray:
        """The share of each label's comments that would be given it."""
        rows = truth[order].to_numpy()
        first = np.where(rows.any(axis=1), rows.argmax(axis=1), -1)
        share = {label: (first == at).sum() / rows[:, at].sum() for at, label in enumerate(order)}
        return np.array([share[label] for label in LABELS])

    recall = kept(order)
    got = by_label(answer, answer(truth, order), "What you return")
    hints = {
        "That is the recall. F1 is 2PR / (P + R), and a model that never errs has precision 1.": recall,
        "That is another order, or none: a comment keeps the first of `gravest_first` that it carries.": _f1(
            kept(order[::-1])
        ),
        "One for all: but a comment with three labels is given only one, and the other two are lost.": np.ones(6),
    }
    compare(got, _f1(recall), hints, "It is not the F1 of one gravest label for each comment.", 1e-3)
    yield "the gravest label takes it all"
    yield "the others cannot be had at any price"


def _f1(recall: np.ndarray) -> np.ndarray:
    return 2 * recall / (1 + recall)
