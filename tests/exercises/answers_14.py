"""Answers to the items of lesson 14."""

import numpy as np

from tests.exercises.answers import right, wrong
from textclf_lesson.check import ex14 as items


@wrong("worth_a_look", "no level beats")
def the_best_score_alone(levels):
    return [max(levels, key=lambda name: levels[name]["score"])]


@wrong("worth_a_look", " beats ")
def keeps_them_all(levels):
    return sorted(levels, key=lambda name: levels[name]["ms"])


@wrong("worth_a_look", "MiniLM INT8 beats MiniLM")
def more_milliseconds_are_better(levels):
    rows = levels.items()
    return [a for a, x in rows if not any(y["score"] > x["score"] and y["ms"] > x["ms"] for _, y in rows)]


@wrong("worth_a_look", "not in order")
def the_best_first(levels):
    return with_a_table(levels)[::-1]


@wrong("worth_a_look", " beats ")
def beaten_only_in_both(levels):
    rows = levels.items()
    kept = [a for a, x in rows if not any(y["score"] > x["score"] and y["ms"] < x["ms"] for _, y in rows)]
    return sorted(kept, key=lambda name: levels[name]["ms"])


@right("worth_a_look")
def with_a_table(levels):
    kept = []
    for name, row in sorted(levels.items(), key=lambda entry: (entry[1]["ms"], -entry[1]["score"])):
        if not kept or row["score"] > levels[kept[-1]]["score"] or row == levels[kept[-1]]:
            kept.append(name)
    return kept


def _slower(stored, today):
    return np.array([now["ms"] / stored[level]["ms"] for level, now in today.items()])


def _believed(stored, today):
    return all(stored[level]["low"] <= now["score"] <= stored[level]["high"] for level, now in today.items())


@wrong("run_again", "the arithmetic mean of the factors")
def arithmetic_mean(stored, today):
    slower = _slower(stored, today).mean()
    return _believed(stored, today), {level: slower * row["ms"] for level, row in stored.items()}


@wrong("run_again", "You divide by the factor")
def divides(stored, today):
    slower = np.exp(np.log(_slower(stored, today)).mean())
    return _believed(stored, today), {level: row["ms"] / slower for level, row in stored.items()}


@wrong("run_again", "This machine is another one")
def times_of_the_study(stored, today):
    return _believed(stored, today), {level: row["ms"] for level, row in stored.items()}


@wrong("run_again", "The time of MiniLM is missing")
def only_what_was_run(stored, today):
    return _believed(stored, today), {level: row["ms"] for level, row in today.items()}


@wrong("run_again", "need not be *equal*")
def wants_the_same_digits(stored, today):
    middle = {level: (row["low"] + row["high"]) / 2 for level, row in stored.items()}
    same = all(round(now["score"], 3) == round(middle[level], 3) for level, now in today.items())
    return same, by_logarithms(stored, today)[1]


@wrong("run_again", "fastText is above its interval")
def looks_at_the_lower_end(stored, today):
    believed = all(now["score"] >= stored[level]["low"] for level, now in today.items())
    return believed, by_logarithms(stored, today)[1]


@right("run_again")
def by_logarithms(stored, today):
    slower = np.exp(np.log(_slower(stored, today)).mean())
    outside = [1 for level, now in today.items() if not stored[level]["low"] <= now["score"] <= stored[level]["high"]]
    return not outside, {level: float(slower * row["ms"]) for level, row in stored.items()}


@wrong("pick_level", "Is it *clearly* better?")
def gain_above_zero(levels, limit):
    return items._rule(levels, limit, low=0)


@wrong("pick_level", "a faster level is not clearly worse")
def largest_gain(levels, limit):
    return items._rule(levels, limit, largest=True)


@wrong("pick_level", "95 of 100 texts must be")
def mean_time(levels, limit):
    return items._rule(levels, limit, ms="ms")


@wrong("pick_level", "the limit comes first")
def no_limit(levels, limit):
    return items._rule(levels, float("inf"))


@wrong("pick_level", "check the rule again")
def none_rather_than_worse(levels, limit):
    found = items._rule(levels, limit)
    return found if found == "none" or levels[found]["gain"][0] >= 0 else "none"


@right("pick_level")
def step_by_step(levels, limit):
    names = [n for n in levels if levels[n]["gain"] is not None and not levels[n]["p95_ms"] > limit]
    names.sort(key=lambda n: levels[n]["ms"])
    clear = [n for n in names if min(levels[n]["gain"]) > 0]
    for name in clear:
        if all(levels[name]["gain"][2] >= levels[other]["gain"][0] for other in clear):
            return name
    if "TF-IDF" in names:
        return "TF-IDF"
    return sorted(names, key=lambda n: levels[n]["gain"][0])[-1] if names else "none"


def _decision(**other):
    first, then = items._gains()
    decision = {"first": "model", "first_gain": first["model"], "second": "labels", "second_gain": then["labels"]}
    return decision | other


@wrong("two_weeks", "other two steps")
def labels_first():
    first, _ = items._gains()
    return _decision(first="labels", first_gain=first["labels"])


@wrong("two_weeks", "What helped TF-IDF need not help it")
def what_helped_words():
    first, _ = items._gains()
    return _decision(second="new texts", second_gain=first["new texts"])


@wrong("two_weeks", "By then you have the fine-tuned model")
def gain_of_the_old_model():
    first, _ = items._gains()
    return _decision(second_gain=first["labels"])


@wrong("two_weeks", "What does the second add?")
def both_together():
    first, then = items._gains()
    return _decision(second_gain=first["model"] + then["labels"])


@wrong("two_weeks", "a share, not points")
def in_points():
    return _decision(first_gain=100 * items._gains()[0]["model"])


@right("two_weeks")
def read_from_the_tables():
    return {name: round(value, 3) if isinstance(value, float) else value for name, value in _decision().items()}


@wrong("quiz", "the higher cost is certain", lesson="14")
def a_point_is_a_point():
    return {"limit": "b", "zero": "a", "few": "a", "stored": "b", "ship": "a"}


@wrong("quiz", "They could, at every size", lesson="14")
def too_few_labels():
    return {"limit": "b", "zero": "c", "few": "b", "stored": "b", "ship": "a"}


@right("quiz", lesson="14")
def in_capitals():
    return {"limit": "B", "zero": "C", "few": "A", "stored": "B", "ship": "A"}
