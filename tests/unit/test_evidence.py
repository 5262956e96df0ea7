"""Stored results: what they are called, what they hold, and that a stored score is what the stored model reaches."""

import numpy as np
import pandas as pd
import pytest
from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import check_is_fitted

from textclf_lesson import data
from textclf_lesson.data.cards import cards
from textclf_lesson.evaluate import evidence
from textclf_lesson.models import baselines

STUDIES = ["augmentation", "imbalance", "learning_rate", "levels", "prompting", "toxicity"]


def test_every_set_that_comes_with_the_course_has_a_baseline():
    assert {*cards()} - {*evidence.names()} == {"jigsaw", "sst2"}, "these two are read from files of the reader's own"
    assert {*evidence.names()} <= {*cards()}


@pytest.mark.parametrize("name", evidence.names())
def test_a_baseline_is_whole_and_its_model_can_be_built(name):
    found = evidence.baseline(name)
    assert found.name == name and found.metric in ("accuracy", "macro_f1") and found.tried > 1
    assert 0 < found.low <= found.score <= found.high < 1 and 0 < found.validation < 1
    assert [found.score, found.low, found.high] == found.scores[found.metric]
    assert str(found) == (
        f"{found.metric} {found.score:.3f} [{found.low:.3f}, {found.high:.3f}]: {found.features}, {found.classifier}"
    )
    model = evidence.best(name)
    assert isinstance(model, baselines.TextPipeline)
    settings = model.get_params()
    assert {key: settings[key] for key in found.options} == found.options
    with pytest.raises(NotFittedError):
        check_is_fitted(model[-1])


def test_ranges_are_tuples_as_scikit_learn_wants_them():
    ranges = {key: value for name in evidence.names() for key, value in evidence.baseline(name).options.items()}
    assert not [key for key, value in ranges.items() if isinstance(value, list)]


def test_the_stored_score_is_what_the_model_reaches():
    splits, found = data.load("movie-snippets"), evidence.baseline("movie-snippets")
    model = evidence.best("movie-snippets").fit(splits["train"]["text"], splits["train"]["label"])
    assert model.score(splits["test"]["text"], splits["test"]["label"]) == pytest.approx(found.score, abs=0.0005)
    validation = splits["validation"]
    assert model.score(validation["text"], validation["label"]) == pytest.approx(found.validation, abs=0.0005)


@pytest.mark.parametrize("ask", [evidence.baseline, evidence.best])
def test_an_unknown_set_is_refused_with_the_nearest(ask):
    with pytest.raises(ValueError, match=r"no stored baseline of 'movie'.* There are: movie-snippets, "):
        ask("movie")
    with pytest.raises(ValueError, match=r"no stored baseline of 'newsgroup'\. Did you mean 'newsgroups'\? There are"):
        ask("newsgroup")


@pytest.mark.parametrize("name", STUDIES)
def test_the_runs_of_a_study_are_a_table(name):
    study, table = evidence.study(name), evidence.runs(name)
    assert study["command"] == f"python -m studies.{name}" and study["machine"]["processor"] and study["versions"]
    assert isinstance(table, pd.DataFrame) and len(table) == len(study["runs"]) > 0
    first = study["runs"][0]
    assert {*first["settings"], *first["result"]} <= {*table.columns}
    for key, value in first["settings"].items():
        assert table[key].iloc[0] == value


def test_a_benchmark_is_a_table_without_runs():
    found = evidence.study("benchmarks/export")
    assert found["command"].startswith("python -m benchmarks.export") and found["table"]
    with pytest.raises(ValueError, match=r"'benchmarks/export' has no runs.*study\('benchmarks/export'\)"):
        evidence.runs("benchmarks/export")


@pytest.mark.parametrize("ask", [evidence.study, evidence.runs])
@pytest.mark.parametrize("name", ["level", "benchmarks/exports", "", "levels.json"])
def test_an_unknown_study_is_refused_with_all_there_are(ask, name):
    with pytest.raises(ValueError, match=r"Nothing is stored under .* There are: .*benchmarks/export, .*levels"):
        ask(name)


@pytest.mark.parametrize(
    ("name", "n", "wanted"),
    [
        ("labelled_rows", 1051, {"model": "frozen", "rows": 250, "split": None}),
        ("augmentation", 1051, {"model": "fine-tuned", "method": "none", "rows": 500}),
        ("word_order", 1000, {"words": "shuffled"}),
    ],
)
def test_the_rows_that_were_right_give_the_stored_accuracy(name, n, wanted):
    found = evidence.right(name, n, **wanted)
    runs = evidence.runs(name)
    for key, value in wanted.items():
        runs = runs[runs[key].isna() if value is None else runs[key] == value] if key in runs else runs
    assert len(found) == len(runs) > 0
    for rows, accuracy in zip(found, runs["accuracy"], strict=True):
        assert rows.shape == (n,) and set(rows) == {0, 1}
        assert np.mean(rows) == pytest.approx(accuracy, abs=0.0001)


def test_rows_that_are_not_there_are_told_of():
    with pytest.raises(ValueError, match=r"No run of 'word_order' has words='sorted'"):
        evidence.right("word_order", 1000, words="sorted")
    with pytest.raises(ValueError, match=r"'learning_rate' did not store which rows were right"):
        evidence.right("learning_rate", 1051, rows=1000)
    with pytest.raises(ValueError, match=r"another number of rows than n=900"):
        evidence.right("word_order", 900, words="shuffled")
    with pytest.raises(ValueError, match=r"Nothing is stored under 'nothing'"):
        evidence.right("nothing", 10)
