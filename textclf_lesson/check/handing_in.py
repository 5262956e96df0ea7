"""The practical's artefacts: a file of predictions for the held-out texts, and a model that is served.

In a notebook a check calls the learner's function. `textclf grade` puts its own in the place of that: one that reads
the file that was handed in, and one that serves the folder that was handed in, with no code of the submission.
"""

import hashlib
from collections.abc import Generator, Iterator, Mapping
from functools import cache
from typing import Any

import numpy as np
import pandas as pd

from textclf_lesson import metrics
from textclf_lesson.check.capstone import LABELS, comments
from textclf_lesson.check.core import Answer, CheckFailed, item, short

GOAL = 0.75  # F1 of a label on test
SAME = 0.02  # how far two probabilities may lie apart that are one model's, in floats, on another machine
COMPANY = 0.3  # and those of a model in eight bits, if the scale is found anew for each batch
YES = [f"{label}_yes" for label in LABELS]
COLUMNS = ["id", *LABELS, *YES]


@cache
def held_out() -> pd.DataFrame:
    """The comments to predict, wiki-toxicity's `test`: id (twelve hex digits of the text's SHA-256) and text."""
    texts = comments()["test"]["text"].reset_index(drop=True)
    ids = [hashlib.sha256(text.encode()).hexdigest()[:12] for text in texts]
    return pd.DataFrame({"id": ids, "text": texts})


@cache
def _gold() -> pd.DataFrame:
    return comments()["test"][LABELS].set_axis(held_out()["id"], axis=0)


@item
def predictions_file(answer: Answer) -> Iterator[str]:
    """Returns the table of predictions.csv: id, a probability for each label, and `…_yes`, 0 or 1, for each."""
    table = _read(answer)
    yield f"{len(table)} comments, each once"
    for label in LABELS:
        yes, p = table[f"{label}_yes"] == 1, table[label]
        if yes.any() and not yes.all() and p[yes].min() < p[~yes].max():
            raise CheckFailed(
                f"No one cut gives `{label}_yes`: a comment with {p[~yes].max():.4f} is a no, one with "
                f"{p[yes].min():.4f} a yes. Are the columns of the same model, and in the same order?"
            )
    yield "one cut for each label"


@item
def f1_by_label(answer: Answer) -> Generator[str, None, int]:
    """Returns the table of predictions.csv, as `predictions_file`; a point for each label with F1 above the goal."""
    said = _read(answer)[YES].to_numpy(dtype=float)
    reached = 0
    for label, scores in metrics.multilabel_report(_gold(), said, LABELS).per_label.iterrows():
        told = f"{label} {scores['f1']:.3f}, 95 % {scores['f1_low']:.3f} to {scores['f1_high']:.3f}"
        is_open = scores["f1_low"] <= GOAL <= scores["f1_high"]
        reached += scores["f1"] > GOAL
        yield f"{'' if scores['f1'] > GOAL else '✗ '}{told}{': open' if is_open else ''}"
    return int(reached)


@item
def served_model(answer: Answer, predictions: Any = None, rows: int = 24, seed: int = 0) -> Iterator[str]:
    """Takes texts; returns what the service over `model/` answers: for each its `scores` by label, and `labels`.

    predictions: the learner's `predictions_file`, to be held against it.
    """
    some = held_out().sample(rows, random_state=seed)
    results = answer(some["text"].tolist())
    if not isinstance(results, list | tuple) or len(results) != rows:
        raise CheckFailed(
            f"For {rows} texts there should be a list of {rows} results; `served_model` returns {short(results)}."
        )
    scores, said = (np.array(column) for column in zip(*(_result(result) for result in results), strict=True))
    yield "an answer for each text"
    gold = _gold().loc[some["id"], "toxic"].to_numpy()
    if scores[gold == 1, 0].mean() <= scores[gold == 0, 0].mean():
        raise CheckFailed(
            "Toxic comments get lower scores for 'toxic' than harmless ones. Do the labels stand in another order in "
            "the model, or are the results in another order than the texts?"
        )
    if predictions is not None:
        table = _read(Answer("predictions_file", predictions)).loc[some["id"]]
        _agree(scores, said, table)
        yield "the same as in predictions.csv"
    yield "toxic comments score higher"


def _agree(scores: np.ndarray, said: np.ndarray, table: pd.DataFrame) -> None:
    """Raises CheckFailed unless the service says what the file says."""
    written, apart = table[LABELS].to_numpy(), np.abs(scores - table[LABELS].to_numpy())
    if apart.max() > SAME:
        row, column = np.unravel_index(apart.argmax(), apart.shape)
        share = (apart.max(axis=1) > SAME).mean()
        why = "Write the file with the model that you serve."
        if apart.max() < COMPANY and apart.mean() < SAME:
            why = "They are near: is the model in eight bits? Then answers depend on their company. Hand in floats."
        raise CheckFailed(
            f"The service and predictions.csv disagree on {share:.0%} of the comments asked: for {LABELS[column]!r} of "
            f"{table.index[row]} it says {scores[row, column]:.3f}, the file {written[row, column]:.3f}. {why}"
        )
    for column, label in enumerate(LABELS):
        listed = table[f"{label}_yes"].to_numpy()
        other = (said[:, column] != listed).mean()
        if other > 0.05:
            raise CheckFailed(
                f"The scores agree, but {label!r} is a yes elsewhere: the service cuts at another threshold than "
                "`predictions.csv`. Do the thresholds lie in the model's folder?"
            )


def _result(result: Any) -> tuple[list[float], list[int]]:
    """The scores in the labels' order, and 0 or 1 for each label that is said."""
    if not isinstance(result, Mapping) or not {"labels", "scores"} <= set(result):
        raise CheckFailed('Each result should be a dictionary with "labels" and "scores", as the service sends it.')
    scores, said = result["scores"], result["labels"]
    if not isinstance(scores, Mapping) or set(scores) != set(LABELS):
        raise CheckFailed(f"The scores should be of {', '.join(LABELS)}: is that the model you trained on them?")
    if not all(isinstance(score, int | float) and 0 <= score <= 1 for score in scores.values()):
        raise CheckFailed("A score is no probability from 0 to 1.")
    if not isinstance(said, list | tuple) or not all(isinstance(label, str) and label in LABELS for label in said):
        raise CheckFailed('"labels" should be the list of the labels said, perhaps empty.')
    return [scores[label] for label in LABELS], [int(label in said) for label in LABELS]


def _read(answer: Answer) -> pd.DataFrame:
    """The table, its form checked, a row for each held-out comment in their order, indexed by id."""
    table = answer()
    if not isinstance(table, pd.DataFrame):
        raise CheckFailed("Return the table (DataFrame) that stands in predictions.csv.")
    names = list(map(str, table.columns))
    if sorted(names) != sorted(COLUMNS):
        missing = [name for name in COLUMNS if name not in names]
        extra = [name for name in names if name not in COLUMNS] or [name for name in names if names.count(name) > 1]
        lacks = f"lacks {', '.join(missing[:4])}" if missing else f"has {short(extra[0])} too"
        raise CheckFailed(f"predictions.csv {lacks}. Its columns should be id, the six labels, and each with _yes.")
    table = table.set_axis(names, axis=1)
    ids, wanted = table["id"].astype(str), held_out()["id"]
    if ids.duplicated().any():
        raise CheckFailed(f"predictions.csv has {ids[ids.duplicated()].iloc[0][:20]} twice: one row for each comment.")
    foreign, left = set(ids) - set(wanted), len(set(wanted) - set(ids))
    if foreign:
        raise CheckFailed(f"predictions.csv has the id {min(foreign)[:20]!r}, which is none of the held-out list.")
    if left:
        raise CheckFailed(f"predictions.csv lacks {left} of the {len(wanted)} held-out comments.")
    table = table.set_axis(ids, axis=0).loc[wanted]
    for name in COLUMNS[1:]:
        column = pd.to_numeric(table[name], errors="coerce").astype(float)
        if column.isna().any():
            found = table.loc[column.isna(), name].iloc[0]
            what = "NaN or empty" if found != found or found in ("", None) else f"{short(found)}, which is no number"
            raise CheckFailed(f"predictions.csv: `{name}` of {column.index[column.isna()][0]} is {what}.")
        wrong = ~column.isin([0, 1]) if name in YES else ~column.between(0, 1)
        if wrong.any():
            wants = "0 or 1" if name in YES else "a probability from 0 to 1"
            raise CheckFailed(
                f"predictions.csv: `{name}` of {column.index[wrong][0]} is {column[wrong].iloc[0]:g}, not {wants}."
            )
        table[name] = column
    return table
