"""What several checks use: data sets as tables, results of studies, a film classifier. Each is made once."""

import re
from functools import cache
from typing import Any

import pandas as pd

from textclf_lesson import data
from textclf_lesson.evaluate import evidence
from textclf_lesson.models import baselines


@cache
def tables(name: str) -> dict[str, pd.DataFrame]:
    """A data set by split."""
    return {split: rows.to_pandas() for split, rows in data.load(name).items()}


def hurried(text: str) -> str:
    """Drop the middle letter of every word of four letters or more, as in lesson 2.4."""
    return re.sub(r"\w{4,}", lambda m: m[0][: len(m[0]) // 2] + m[0][len(m[0]) // 2 + 1 :], text)


@cache
def film_classifier() -> Any:
    """TF-IDF and logistic regression on movie-snippets: the model that learners export, serve and monitor."""
    train = tables("movie-snippets")["train"]
    return baselines.pipeline("tfidf", "logreg").fit(train["text"], train["label"])


runs = cache(evidence.runs)


@cache
def levels_of(task: str) -> dict[str, dict[str, Any]]:
    """The result of each level in the study of levels, on all rows of a task."""
    stored = evidence.study("levels")["runs"]
    return next(run["result"] for run in stored if run["settings"] == {"part": "levels", "task": task})
