"""Items of lesson 13: a table, and a slice of it run again."""

from collections.abc import Iterator
from statistics import geometric_mean
from typing import Any

import numpy as np

from textclf_lesson.check.core import Answer, CheckFailed, compare, item
from textclf_lesson.check.sources import levels_of

TASKS = ("movie-snippets", "wiki-toxicity", "newsgroups")


@item
def worth_a_look(answer: Answer, seed: int = 0) -> Iterator[str]:
    """Takes levels with score and ms; returns the names that no other beats, the quickest first."""
    for task in TASKS:
        levels = {name: {"score": row["score"], "ms": row["ms"]} for name, row in levels_of(task).items()}
        _same_names(_names(answer, levels), levels, f"On {task}")
    yield "the upper left edge, on three tasks"
    rng = np.random.default_rng(seed)
    for _ in range(20):
        scores, ms = rng.integers(70, 76, 6) / 100, rng.integers(1, 6, 6).astype(float)
        levels = {f"level {at}": {"score": s, "ms": t} for at, (s, t) in enumerate(zip(scores, ms, strict=True), 1)}
        _same_names(_names(answer, levels), levels, "Among levels with the same score, or the same time,")
    yield "those as good but slower left out"
    yield "the quickest first"


def _names(answer: Answer, levels: dict) -> list[str]:
    value = answer(levels)
    if not isinstance(value, list | tuple | set) or not all(isinstance(name, str) and name in levels for name in value):
        raise CheckFailed("Return a list of names of levels.")
    return list(value)


def _same_names(said: list[str], levels: dict[str, dict], where: str) -> None:
    def beats(a: dict, b: dict) -> bool:
        return a["score"] >= b["score"] and a["ms"] <= b["ms"] and a != b

    left = [name for name in levels if not any(beats(other, levels[name]) for other in levels.values())]
    for name in said:
        if name not in left:
            other = next(n for n in left if beats(levels[n], levels[name]))
            raise CheckFailed(
                f"{where} {other} beats {name}: {_numbers(levels[other])} against {_numbers(levels[name])}."
            )
    for name in left:
        if name not in said:
            raise CheckFailed(f"{where} nobody beats {name}, {_numbers(levels[name])}, and it is not in your list.")
    times = [levels[name]["ms"] for name in said]
    if times != sorted(times):
        raise CheckFailed("The right names, but not in order: the quickest comes first.")


def _numbers(level: dict) -> str:
    return f"a score of {level['score']:.3g} in {level['ms']:.3g} ms"


@item
def run_again(answer: Answer, seed: int = 0) -> Iterator[str]:
    """Takes what a study stored and what was run again; returns (whether it is confirmed, ms of each level here)."""
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
    believed, ms = _pair(answer, answer(stored, now), stored)
    factors = {name: now[name]["ms"] / stored[name]["ms"] for name in now}
    slower = geometric_mean(factors.values())
    plain = np.array([stored[name]["ms"] for name in stored])
    hints = {
        "Those are the study's milliseconds. Your machine is another.": plain,
        "You divide by the factor: where texts take longer, the times grow.": plain / slower,
        "That is the arithmetic mean of the factors. Twice as slow and twice as quick should cancel out.": plain
        * np.mean(list(factors.values())),
        "You divide sums of milliseconds, so the slowest level decides alone. Take the factors.": plain
        * sum(row["ms"] for row in now.values())
        / sum(stored[name]["ms"] for name in now),
        "That factor is one level's. Take all that were run again.": plain * factors["TF-IDF"],
        "What is slower *multiplies* each time; you add a difference.": plain
        + np.mean([now[name]["ms"] - stored[name]["ms"] for name in now]),
    }
    mixed = np.array([now[name]["ms"] if name in now else slower * stored[name]["ms"] for name in stored])
    hints["For the levels run again, too, the stored time times the factor is asked."] = mixed
    compare(ms, slower * plain, hints, "The times are not the stored ones times the geometric mean of the factors.")
    yield "times carried over by their ratio"
    if not believed:
        raise CheckFailed(
            "Today's scores lie in their intervals, a little below the stored score, and you do not believe the study. "
            "Scores need not be *equal*."
        )
    for wrong in ({"TFIDF": stored["TF-IDF"]["low"] - 0.02}, {"fastText": stored["fastText"]["high"] + 0.01}):
        if _pair(answer, answer(stored, today(**wrong)), stored)[0]:
            level = "TF-IDF lies below" if "TFIDF" in wrong else "fastText lies above"
            raise CheckFailed(
                f"Today {level} its interval, and you believe the study. Every level must lie in its own, at both ends."
            )
    yield "believed as far as every interval goes"


def _pair(answer: Answer, value: Any, stored: dict) -> tuple[bool, np.ndarray]:
    if not isinstance(value, tuple | list) or len(value) != 2 or not isinstance(value[1], dict):
        raise CheckFailed("Return two things: True or False, and a dictionary of milliseconds.")
    believed = answer.as_number(value[0], "the first thing you return")
    if believed not in (0, 1):
        raise CheckFailed("The first thing you return should be True or False.")
    if missing := [name for name in stored if name not in value[1]]:
        raise CheckFailed(f"How long does {missing[0]} take here? Give the times of all levels of the study.")
    ms = [answer.as_number(value[1][name], f"the time of {name}") for name in stored]
    return bool(believed), np.array(ms)
