"""What checks share: data sets as tables, what the course's studies found, a film classifier. Made once."""

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


@cache
def film_classifier() -> Any:
    """TF-IDF and logistic regression on movie-snippets, which the items of deployment give a learner to ship."""
    train = tables("movie-snippets")["train"]
    return baselines.pipeline("tfidf", "logreg").fit(train["text"], train["label"])


runs = cache(evidence.runs)


@cache
def levels_of(task: str) -> dict[str, dict[str, Any]]:
    """What the study of levels says of each, on all rows of a task."""
    stored = evidence.study("levels")["runs"]
    return next(run["result"] for run in stored if run["settings"] == {"part": "levels", "task": task})
