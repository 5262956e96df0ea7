"""Recommendations, held to the study they rest on (studies/levels.py)."""

import json
import math
import subprocess
import sys

import hypothesis.strategies as st
import pytest
from hypothesis import assume, given, settings

from textclf_lesson.evaluate.choosing import BASE, CLASSES, EVIDENCE, LEVELS, PROMPTED, choose

RUNS = json.loads(EVIDENCE.read_text(encoding="utf-8"))["runs"]
TASKS = {run["settings"]["task"]: run["result"] for run in RUNS if run["settings"]["part"] == "levels"}
TRANSFORMERS = {"MiniLM", "MiniLM INT8"}

limits = st.none() | st.floats(1e-3, 1e4)
tasks = st.fixed_dictionaries(
    {
        "n_classes": st.integers(2, 200),
        "n_labelled": st.integers(0, 100_000),
        "languages": st.sampled_from(["en", "de", ("en", "ru")]),
        "interpretable": st.booleans(),
        "like": st.sampled_from(sorted(CLASSES)),
        "slower": st.floats(0.1, 10),
    }
)


def chosen(recommendation):
    return recommendation.options[0] if recommendation.choice else None


def test_the_study_has_every_level_on_every_task_it_can_do():
    assert set(TASKS) == set(CLASSES)
    assert set(TASKS["movie-snippets"]) == set(LEVELS)
    assert set(TASKS["newsgroups"]) == {BASE, "fastText"}
    assert set(TASKS["wiki-toxicity"]) == set(LEVELS) - {PROMPTED}
    for levels in TASKS.values():
        for level, row in levels.items():
            low, high = row["interval"]
            assert 0 < low < row["score"] < high < 1
            assert row["ms"] > 0 and row["p95_ms"] > 0 and row["mb"] > 0
            assert (row["difference"] is None) == (level == PROMPTED)  # its rows are others: nothing to pair


@given(tasks, limits, limits)
@settings(max_examples=300, deadline=None)
def test_what_is_chosen_keeps_to_every_limit_and_all_levels_are_ranked(task, latency, budget):
    found = choose(**task, latency_ms=latency, budget=budget)
    assert {option.level for option in found.options} == set(LEVELS)
    fits = [option.fits for option in found.options]
    assert fits == sorted(fits, reverse=True)
    for option in found.options:
        breaks = [
            option.p95_ms > (latency or math.inf),
            option.hours > (budget or math.inf),
            task["interpretable"] and option.level != BASE,
            task["n_labelled"] < task["n_classes"] and option.level != PROMPTED,
        ]
        assert len(option.against) == sum(breaks)
        assert option.level in str(found) and option.reasons


@given(tasks, st.sampled_from(["latency_ms", "budget"]), limits, limits)
@settings(max_examples=300, deadline=None)
def test_a_tighter_limit_never_brings_a_slower_or_dearer_level(task, name, one, other):
    wide, tight = sorted((one or math.inf, other or math.inf), reverse=True)
    before, after = (chosen(choose(**task, **{name: limit})) for limit in (wide, tight))
    if after is None:
        return
    assert before is not None
    cost = "p95_ms" if name == "latency_ms" else "hours"
    assert getattr(after, cost) <= getattr(before, cost)


@given(tasks, limits)
@settings(max_examples=300, deadline=None)
def test_nothing_ranks_above_the_baseline_unless_clearly_better(task, latency):
    found = choose(**task, latency_ms=latency)
    order = [option.level for option in found.options if option.fits]
    assume(BASE in order)
    for option in found.options[: order.index(BASE)]:
        assert option.gain[1] > 0


@given(tasks)
@settings(max_examples=100, deadline=None)
def test_without_labels_only_a_prompt_is_left(task):
    found = choose(**task | {"n_labelled": 0, "interpretable": False})
    assert found.choice == PROMPTED
    assert choose(**task | {"n_labelled": 0, "interpretable": True}).choice is None


@pytest.mark.parametrize("level", sorted(TRANSFORMERS))
def test_within_the_interval_the_baseline_stays(tmp_path, level):
    """The real study, but with intervals of the transformers that just reach zero."""
    study = json.loads(EVIDENCE.read_text(encoding="utf-8"))
    for run in study["runs"]:
        rows = [run["result"][name] for name in TRANSFORMERS & set(run["result"])]
        for row in rows if run["settings"]["part"] == "levels" else []:
            row["difference"][1] = 0.0
    path = tmp_path / "levels.json"
    path.write_text(json.dumps(study), encoding="utf-8")
    assert choose(2, 7000).choice in TRANSFORMERS
    found = choose(2, 7000, evidence=path)
    assert found.choice == BASE
    assert "cannot be told from" in next(o for o in found.options if o.level == level).reasons[0]


def test_of_two_that_cannot_be_told_apart_the_quicker_comes_first():
    first, second = choose(2, 7000).options[:2]
    assert {first.level, second.level} == TRANSFORMERS
    if second.gain[0] <= first.gain[2]:
        assert first.ms < second.ms or second.gain[2] < first.gain[0]


def test_another_language_has_no_evidence_for_an_english_model():
    found = choose(2, 7000, ["en", "de"])
    assert found.choice not in TRANSFORMERS
    assert all(option.gain is None and "de" in option.reasons[0] for option in found.options[-3:])


def test_a_slower_machine_needs_as_much_more():
    one, two = ({o.level: o for o in choose(2, 500, slower=factor).options} for factor in (1, 2))
    for level in LEVELS:
        assert two[level].p95_ms == pytest.approx(2 * one[level].p95_ms)
        assert two[level].hours == pytest.approx(2 * one[level].hours)


def test_few_rows_are_judged_by_few_rows():
    """250 rows of 2 classes are looked up at 250, of 20 classes at 25 rows' worth: the fewest there are."""
    points = {run["settings"]["rows"]: run["result"] for run in RUNS if is_point(run, "fastText", "movie-snippets")}
    gain = {rows: next(o for o in choose(2, rows).options if o.level == "fastText").gain for rows in (100, 250, 499)}
    assert gain[250] == tuple(points[250]["difference"]) == gain[499]
    assert gain[100] == tuple(points[100]["difference"])
    many = next(o for o in choose(20, 250).options if o.level == "fastText")
    assert many.gain == tuple(points[100]["difference"])


def is_point(run, level, task):
    asked = run["settings"]
    return asked["part"] == "rows" and (asked["level"], asked["task"]) == (level, task)


@pytest.mark.parametrize(
    ("wrong", "kind", "says"),
    [
        ({"n_classes": 1}, ValueError, "n_classes must be 2 or more"),
        ({"n_classes": 0}, ValueError, "n_classes must be 2 or more"),
        ({"n_classes": 2.5}, TypeError, "n_classes must be a whole number"),
        ({"n_classes": True}, TypeError, "n_classes must be a whole number"),
        ({"n_labelled": -1}, ValueError, "n_labelled must be 0 or more"),
        ({"n_labelled": None}, TypeError, "n_labelled must be a whole number"),
        ({"latency_ms": -5}, ValueError, "latency_ms must be above 0"),
        ({"latency_ms": 0}, ValueError, "latency_ms must be above 0"),
        ({"latency_ms": math.nan}, ValueError, "latency_ms must be above 0"),
        ({"latency_ms": "fast"}, TypeError, "latency_ms must be a number"),
        ({"budget": -1.0}, ValueError, "budget must be above 0"),
        ({"slower": 0}, ValueError, "slower must be above 0"),
        ({"slower": None}, TypeError, "slower must be a number"),
        ({"languages": "xx"}, ValueError, "'xx' is no language"),
        ({"languages": "english"}, ValueError, "'english' is no language"),
        ({"languages": ["en", 7]}, ValueError, "'7' is no language"),
        ({"languages": []}, ValueError, "languages is empty"),
        ({"like": "sst2"}, ValueError, "'sst2' was not measured"),
        ({"evidence": "nowhere.json"}, FileNotFoundError, "no evidence at nowhere.json"),
    ],
)
def test_bad_input_is_told_in_the_first_line(wrong, kind, says):
    with pytest.raises(kind) as caught:
        choose(**{"n_classes": 2, "n_labelled": 100} | wrong)
    assert says in str(caught.value).splitlines()[0]


def test_it_imports_no_torch():
    code = "import sys, textclf_lesson.evaluate.choosing as c; c.choose(2, 100); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
