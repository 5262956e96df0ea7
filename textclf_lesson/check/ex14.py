"""The items of exercise 14: choosing by measurement."""

from collections.abc import Callable, Iterator
from functools import cache
from statistics import geometric_mean
from typing import Any

import numpy as np

from textclf_lesson.base.errors import CheckFailed
from textclf_lesson.check.core import Answer, guess, item
from textclf_lesson.check.quiz import questions, quiz  # noqa: F401
from textclf_lesson.check.sources import levels_of, runs
from textclf_lesson.check.values import compare, short

__getattr__ = guess(__name__)

# --- choice -----------------------------------------------------------------------------------------------------------

TASKS = ("movie-snippets", "wiki-toxicity", "newsgroups")


@item
def worth_a_look(answer: Answer, seed: int = 0) -> Iterator[str]:
    """Takes levels with score and ms; returns the names of those that no other beats, the fastest first."""
    for task in TASKS:
        levels = {name: {"score": row["score"], "ms": row["ms"]} for name, row in levels_of(task).items()}
        _same_names(_names(answer, levels), levels, f"On {task}")
    yield "the Pareto front, on three tasks"
    rng = np.random.default_rng(seed)
    for _ in range(20):
        scores, ms = rng.integers(70, 76, 6) / 100, rng.integers(1, 6, 6).astype(float)
        levels = {f"level {at}": {"score": s, "ms": t} for at, (s, t) in enumerate(zip(scores, ms, strict=True), 1)}
        _same_names(_names(answer, levels), levels, "Among levels with the same score, or the same time,")
    yield "without those that are as good but slower"
    yield "the fastest first"


def _names(answer: Answer, levels: dict) -> list[str]:
    value = answer(levels)
    if not isinstance(value, list | tuple | set) or not all(isinstance(name, str) and name in levels for name in value):
        raise CheckFailed("Return a list of names of levels.")
    return list(value)


def _same_names(names: list[str], levels: dict[str, dict], where: str) -> None:
    def beats(a: dict, b: dict) -> bool:
        return a["score"] >= b["score"] and a["ms"] <= b["ms"] and a != b

    left = [name for name in levels if not any(beats(other, levels[name]) for other in levels.values())]
    for name in names:
        if name not in left:
            other = next(n for n in left if beats(levels[n], levels[name]))
            raise CheckFailed(
                f"{where} {other} beats {name}: {_numbers(levels[other])} against {_numbers(levels[name])}."
            )
    for name in left:
        if name not in names:
            raise CheckFailed(f"{where} no level beats {name}, {_numbers(levels[name])}, and it is not in your list.")
    times = [levels[name]["ms"] for name in names]
    if times != sorted(times):
        raise CheckFailed("The right names, but not in order: the fastest comes first.")


def _numbers(level: dict) -> str:
    return f"a score of {level['score']:.3g} in {level['ms']:.3g} ms"


@item
def run_again(answer: Answer, seed: int = 0) -> Iterator[str]:
    """Takes what a study stored and what was run again; returns (whether it is confirmed, each level's ms here)."""
    levels = levels_of("movie-snippets")
    stored = {
        name: {"low": row["interval"][0], "high": row["interval"][1], "ms": row["ms"]} for name, row in levels.items()
    }
    rng = np.random.default_rng(seed)

    def today(**scores: float) -> dict[str, dict[str, float]]:
        factors = dict(zip(("TF-IDF", "fastText"), rng.uniform(1.2, 3, 2), strict=True))
        return {
            name: {
                "score": scores.get(name.replace("-", ""), levels[name]["score"] - 0.004),
                "ms": f * stored[name]["ms"],
            }
            for name, f in factors.items()
        }

    now = today()
    confirmed, ms = _pair(answer, answer(stored, now), stored)
    factors = {name: now[name]["ms"] / stored[name]["ms"] for name in now}
    slower = geometric_mean(factors.values())
    plain = np.array([stored[name]["ms"] for name in stored])
    hints = {
        "Those are the study's milliseconds. This machine is another one.": plain,
        "You divide by the factor: on a slower machine the times grow.": plain / slower,
        "That is the arithmetic mean of the factors. Twice as slow and twice as fast should cancel out.": plain
        * np.mean(list(factors.values())),
        "You divide sums of milliseconds, so the slowest level decides alone. Use the factors.": plain
        * sum(row["ms"] for row in now.values())
        / sum(stored[name]["ms"] for name in now),
        "That is the factor of one level. Use all levels that were run again.": plain * factors["TF-IDF"],
        "A slower machine *multiplies* each time; you add a difference.": plain
        + np.mean([now[name]["ms"] - stored[name]["ms"] for name in now]),
    }
    mixed = np.array([now[name]["ms"] if name in now else slower * stored[name]["ms"] for name in stored])
    hints["For the levels that were run again, too, return the stored time times the factor."] = mixed
    compare(ms, slower * plain, hints, "The times are not the stored ones times the geometric mean of the factors.")
    yield "times scaled by the mean factor"
    if not confirmed:
        raise CheckFailed(
            "Today's scores are in their intervals, a little below the stored score, and you return False. Scores "
            "need not be *equal*."
        )
    for wrong in ({"TFIDF": stored["TF-IDF"]["low"] - 0.02}, {"fastText": stored["fastText"]["high"] + 0.01}):
        if _pair(answer, answer(stored, today(**wrong)), stored)[0]:
            level = "TF-IDF is below" if "TFIDF" in wrong else "fastText is above"
            raise CheckFailed(
                f"Today {level} its interval, and you return True. Check every level, at both ends of its interval."
            )
    yield "confirmed only if every score is in its interval"


def _pair(answer: Answer, value: Any, stored: dict) -> tuple[bool, np.ndarray]:
    if not isinstance(value, tuple | list) or len(value) != 2 or not isinstance(value[1], dict):
        raise CheckFailed("Return a pair: True or False, and a dictionary of milliseconds.")
    confirmed = answer.as_number(value[0], "the first value you return")
    if confirmed not in (0, 1):
        raise CheckFailed("The first value you return should be True or False.")
    if missing := [name for name in stored if name not in value[1]]:
        raise CheckFailed(f"The time of {missing[0]} is missing. Return the times of all levels of the study.")
    ms = [answer.as_number(value[1][name], f"the time of {name}") for name in stored]
    return bool(confirmed), np.array(ms)


# --- planning ---------------------------------------------------------------------------------------------------------

STEPS = ("labels", "model", "new texts")
BASE = "TF-IDF"


def _rule(levels: dict[str, dict], limit: float, low: int = 1, ms: str = "p95_ms", largest: bool = False) -> str:
    """The level that the rule of 14c gives; `low`, `ms` and `largest` make a mistake in it."""
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
        # The intervals that a twentieth of the test rows would give.
        wide = {name: row | {"gain": row["gain"] and _wider(row["gain"], 20**0.5)} for name, row in levels.items()}
        cases.append((wide, 1000.0))
        if "MiniLM INT8" in levels:  # as if eight bits lost one point: still not clearly worse than the best
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
        "its *mean* time is within the limit, but 95 of 100 texts must be.": lambda x, t: _rule(x, t, ms="ms"),
        "its gain is above zero, but its interval holds zero. Is it *clearly* better?": lambda x, t: _rule(x, t, low=0),
        "its gain is the largest, but a faster level is not clearly worse.": lambda x, t: _rule(x, t, largest=True),
        "the limit comes first, and this level is slower.": lambda x, t: _rule(x, np.inf),
    }
    cases = _cases()
    for at in np.random.default_rng(seed).permutation(len(cases)) if seed else range(len(cases)):
        levels, limit = cases[at]
        picked, expected = answer(levels, limit), _rule(levels, limit)
        if not isinstance(picked, str) or picked not in (*levels, "none"):
            raise CheckFailed(f"Return the name of a level, or 'none'; you return {short(picked)}.")
        if picked == expected:
            continue
        if picked != "none" and levels[picked]["gain"] is None:
            raise CheckFailed(f"You pick {picked}, which was not measured against TF-IDF.")
        why = next(
            (hint for hint, wrong in mistakes.items() if wrong(levels, limit) == picked), "check the rule again."
        )
        raise CheckFailed(f"With a limit of {limit:.3g} ms you pick {picked}: {why}")
    yield "clearly better, or not at all"
    yield "the fastest of those that are not clearly worse"
    yield "within the limit, at the 95th percentile"


@cache
def _gains() -> tuple[dict[str, float], dict[str, float]]:
    """The gain of each step from TF-IDF with 500 labels, and from MiniLM with 500."""
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
    """Returns {"first", "first_gain", "second", "second_gain"}: how to spend two weeks, and on what evidence."""
    record = answer.record(["first", "first_gain", "second", "second_gain"])
    first, second = (answer.choice(record, key, STEPS) for key in ("first", "second"))
    gains, then = _gains()
    best = max(gains, key=gains.get)
    if first != best:
        raise CheckFailed(
            f"From TF-IDF with 500 labels, {first} gains {100 * gains[first]:+.1f} points. Compare that with the "
            "other two steps."
        )
    mine = answer.as_number(record["first_gain"], "`first_gain`")
    hints = {
        "`first_gain` should be a share, not points.": 100 * gains[best],
        "`first_gain` is the accuracy reached, not the gain.": runs("levels")
        .query("part == 'rows' and task == 'movie-snippets' and level == 'MiniLM' and rows == 500")["score"]
        .iloc[0],
    }
    compare(mine, gains[best], hints, f"`first_gain` is not what {first} gains with 500 labels.", 0.0015)
    yield "the step that gains most comes first"
    if second == first:
        raise CheckFailed("That step is done already. Which is next?")
    if then[second] < max(then.values()):
        raise CheckFailed(
            f"With the fine-tuned model, {second} gain {100 * then[second]:+.1f} points. What helped TF-IDF "
            "need not help it."
        )
    mine = answer.as_number(record["second_gain"], "`second_gain`")
    hints = {
        "That is the gain with TF-IDF. By then you have the fine-tuned model.": gains[second],
        "That is the gain of both weeks. What does the second add?": then[second] + gains[best],
        "`second_gain` should be a share, not points.": 100 * then[second],
    }
    compare(mine, then[second], hints, f"`second_gain` is not what {second} gain with the fine-tuned model.", 0.0015)
    yield "each step from the state after the last one"
