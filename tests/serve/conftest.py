"""Exported models for the tests of the service: real ones, small, trained in seconds and once for a whole test run."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from filelock import FileLock

from textclf_lesson import data

TAGS = ["toxic", "obscene", "insult"]
ROWS = 640  # of two epochs of 32: forty steps


@pytest.fixture(scope="session")
def sentiment(tmp_path_factory) -> Path:
    """A classifier of films, exported in float32: there a text's scores do not depend on its company."""

    def train():
        rows = data.load("movie-snippets")["train"].shuffle(seed=0).select(range(ROWS))
        return _fitted(rows["text"], [("negative", "positive")[label] for label in rows["label"]], max_length=64)

    return _once(tmp_path_factory, "sentiment", train)


@pytest.fixture(scope="session")
def toxicity(tmp_path_factory) -> Path:
    """A classifier of comments with three labels, which reads 32 tokens."""

    def train():
        table = data.load("wiki-toxicity")["train"].to_pandas()
        marks = table[TAGS].sum(axis=1)
        halves = [table[marks > 1], table[marks == 0]]
        rows = pd.concat([half.sample(ROWS // 2, random_state=0) for half in halves])
        rows = rows.sample(frac=1, random_state=0, ignore_index=True)
        several = {"problem_type": "multi_label_classification", "max_length": 32}
        return _fitted(rows["text"].tolist(), rows[TAGS], **several)

    return _once(tmp_path_factory, "toxicity", train)


def _fitted(texts, labels, **settings):
    from textclf_lesson.models.transformer import TransformerClassifier

    return TransformerClassifier(epochs=2, learning_rate=2e-4, freeze_embeddings=True, **settings).fit(texts, labels)


def _once(tmp_path_factory, name: str, train: Callable) -> Path:
    base = tmp_path_factory.getbasetemp()
    base = base.parent if base.name.startswith("popen-") else base  # of pytest-xdist's workers
    folder = base / f"exported-{name}"
    with FileLock(f"{folder}.lock"):
        if not (folder / "config.json").exists():
            from textclf_lesson.deploy import export

            export.to_onnx(train(), folder)
    return folder
