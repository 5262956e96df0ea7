"""What the studies of lesson 4 on movie-snippets share: the rows, the recipe, and how a run is stored."""

import functools

import numpy as np
import pandas as pd

FEW, TEST = 500, 1000  # training sentences of the short runs, and test sentences
RECIPE = {"max_length": 64, "metric": "accuracy", "epochs": 3, "learning_rate": 2e-4}


def scored(right: np.ndarray, **more: float) -> dict[str, float | str]:
    right = np.asarray(right)
    return {
        "accuracy": round(float(right.mean()), 4),
        "n": len(right),
        **more,
        "right": np.packbits(right).tobytes().hex(),
    }


@functools.cache
def splits(name: str):
    from textclf_lesson import data

    tables = {split: data.columns(table) for split, table in data.load(name).items()}
    return {split: pd.DataFrame({"text": texts, "label": labels}) for split, (texts, labels) in tables.items()}


def draw(rows: int, seed: int):
    """Training rows of movie-snippets as studies/augmentation.py draws them: texts and labels."""
    from textclf_lesson import data

    return data.columns(data.load("movie-snippets")["train"].shuffle(seed=seed).select(range(rows)))


def test_rows() -> pd.DataFrame:
    """The first sentences of the test split, shuffled."""
    return splits("movie-snippets")["test"].sample(TEST, random_state=0)


def fine_tune(texts, labels, seed: int, **settings):
    from textclf_lesson.models.transformer import TransformerClassifier

    return TransformerClassifier(**RECIPE | {"seed": seed} | settings).fit(texts, labels)
