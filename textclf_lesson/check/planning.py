"""Items of lesson 13: a rule, and a plan."""

from collections.abc import Callable, Iterator
from functools import cache

import numpy as np

from textclf_lesson.check.core import Answer, CheckFailed, compare, item, short
from textclf_lesson.check.sources import levels_of, runs

TASKS = ("movie-snippets", "wiki-toxicity", "newsgroups")
STEPS = ("labels", "model", "new texts")
BASE = "TF-IDF"


def _rule(levels: dict[str, dict], limit: float, low: int = 1, ms: str = "p95_ms", largest: bool = False) -> str:
    """What 13c's rule gives; with `low`, `ms` and `largest` what it gives with a mistake."""
    kept = {name: row for name, row in levels.items() if row["gain"] and row[ms] <= limit}
    better = {name: row for name, row in kept.items() if row["gain"][low] > 0}
    if better:
        most = max(row["gain"][0] for row in better.values())
        rest = [name for name, row in better.items() if row["gain"][2] >= most]
        return max(better, key=lambda n: better[n]["gain"][0]) if largest else min(rest, key=lambda n: better[n]["ms"])
    return BASE if BASE in kept else max(kept, key=lambda name: kept[name]["gain"][0], default="none")


@cache
def _cases() -> list[tuple[dict[str, dict], float]]:
    """Levels of real tasks with limits; some with the intervals that fewer test rows would have given."""
    cases = []
    for task in TASKS:
        levels = {
            name: {"gain": row.get("difference") and tuple(row["difference"]), "ms": row["ms"], "p95_ms": row["p95_ms"]}
            for name, row in levels_of(task).items()
        }
        edges = {edge for row in levels.values() for edge in (row["ms"] * 1.1, row["p95_ms"] * 1.01)}
        cases += [(levels, limit) for limit in (1000.0, 0.01, *sorted(edges))]
        # Judged on a twentieth of the rows, intervals would be so much wider.
        wide = {name: row | {"gain": row["gain"] and _wider(row["gain"], 20**0.5)} for name, row in levels.items()}
        cases.append((wide, 1000.0))
        if "MiniLM INT8" in levels:  # as if eight bits cost a point: it is still not told from the best
            int8 = levels["MiniLM INT8"]
            worse = int8 | {"gain": tuple(end - 0.01 for end in int8["gain"])}
            cases.append((levels | {"MiniLM INT8": worse}, 1000.0))
    return cases


def _wider(gain: tuple, factor: float) -> tuple[float, float, float]:
    value, low, high = gain
    return value, value + factor * (low - value), value + factor * (high - value)


@item
def pick_level(answer: Answer, seed: int = 0) -> Iterator[str]:
    """Takes levels with gain, ms and p95_ms, and a limit; returns the name that the rule gives, or "none"."""
    mistakes: dict[str, Callable[[dict, float], str]] = {
        "by the *mean* time it keeps to the limit; of 100 texts 95 must.": lambda x, t: _rule(x, t, ms="ms"),
        "its gain is above zero, but its interval is not. Is it *clearly* better?": lambda x, t: _rule(x, t, low=0),
        "its gain is the largest, yet a quicker one cannot be told from it.": lambda x, t: _rule(x, t, largest=True),
        "the limit comes first, and this level does not keep to it.": lambda x, t: _rule(x, np.inf),
    }
    cases = _cases()
    for at in np.random.default_rng(seed).permutation(len(cases)) if seed else range(len(cases)):
        levels, limit = cases[at]
        said, right = answer(levels, limit), _rule(levels, limit)
        if not isinstance(said, str) or said not in (*levels, "none"):
            raise CheckFailed(f"Return the name of a level, or 'none'; you return {short(said)}.")
        if said == right:
            continue
        if said != "none" and levels[said]["gain"] is None:
            raise CheckFailed(f"You pick {said}, which was not measured against TF-IDF.")
        why = next(
            (hint for hint, wrong in mistakes.items() if wrong(levels, limit) == said), "go through the rule again."
        )
        raise CheckFailed(f"With a limit of {limit:.3g} ms you pick {said}: {why}")
    yield "clearly better, or not at all"
    yield "the quickest of those that cannot be told apart"
    yield "within the limit, at the 95th percentile"


@cache
def _gains() -> tuple[dict[str, float], dict[str, float]]:
    """What each step gains from TF-IDF with 500 labels, and what from MiniLM with 500."""
    films = runs("levels").query("part == 'rows' and task == 'movie-snippets'")
    rows = films.pivot_table(index="level", columns="rows", values="score")
    extra = runs("augmentation").query("rows == 500 and method in ('none', 'EDA')")
    method = extra.pivot_table(index="model", columns="method", values="accuracy")
    eda = method["EDA"] - method["none"]
    words, tuned = rows.loc["TF-IDF"], rows.loc["MiniLM"]
    first = {"labels": words[2000] - words[500], "model": tuned[500] - words[500], "new texts": eda["words"]}
    return first, {"labels": tuned[2000] - tuned[500], "new texts": eda["fine-tuned"]}


@item
def two_weeks(answer: Answer) -> Iterator[str]:
    """Returns {"first", "first_gain", "second", "second_gain"}: where two weeks go, and on what evidence."""
    said = answer.record(["first", "first_gain", "second", "second_gain"])
    first, second = (answer.choice(said, key, STEPS) for key in ("first", "second"))
    gains, then = _gains()
    best = max(gains, key=gains.get)
    if first != best:
        raise CheckFailed(
            f"From where you stand, {first} gains {100 * gains[first]:+.1f} points. Compare that with the other "
            "two, all from TF-IDF with 500 labels."
        )
    mine = answer.as_number(said["first_gain"], "`first_gain`")
    hints = {
        "`first_gain` should be a share, not points.": 100 * gains[best],
        "`first_gain` is the accuracy reached, not what was gained.": runs("levels")
        .query("part == 'rows' and task == 'movie-snippets' and level == 'MiniLM' and rows == 500")["score"]
        .iloc[0],
    }
    compare(mine, gains[best], hints, f"`first_gain` is not what {first} gains with 500 labels.", 0.0015)
    yield "the step that gains most comes first"
    if second == first:
        raise CheckFailed("That is done already. What comes next?")
    if then[second] < max(then.values()):
        raise CheckFailed(
            f"With the fine-tuned model {second} give {100 * then[second]:+.1f} points. What helped words "
            "need not help it."
        )
    mine = answer.as_number(said["second_gain"], "`second_gain`")
    hints = {
        "That is what it would gain with TF-IDF. By then you have another model.": gains[second],
        "That is what both weeks gain together. What does the second add?": then[second] + gains[best],
        "`second_gain` should be a share, not points.": 100 * then[second],
    }
    compare(mine, then[second], hints, f"`second_gain` is not what {second} gain with the fine-tuned model.", 0.0015)
    yield "each step from where the last one ended"
