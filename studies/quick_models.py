"""Which quick model is best on the film sentences, and how far a search flatters (lesson 2).

"search": every kind of model with several settings each, trained on the training split, scored on validation. "folds":
each kind with its best setting, in the five folds of lesson 2: which training rows a model of the other folds predicts
right. Kinds differ in one thing at a time, features or classifier, so that a gain can be put down to one of them.

"luck": 300 sentences whose labels a coin decided, so that no setting can be better than one half. Thirty settings, each
of them 100 columns drawn at random, are searched by cross-validation; the best score of the search is stored, the score
of the same search in nested cross-validation, and the accuracy on 300 other sentences with labels of that coin.
"""

import functools
import json
from typing import Any

import numpy as np
from sklearn.feature_extraction.text import HashingVectorizer
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from threadpoolctl import threadpool_limits

from studies import common

TREES = [  # number, leaves, learning rate
    *[(100, 15, 0.1), (300, 15, 0.1), (600, 7, 0.1), (600, 15, 0.1)],
    *[(600, 31, 0.1), (1200, 15, 0.1), (600, 31, 0.05)],
]
KINDS = {
    "bow, lightgbm": [{"n_estimators": n, "num_leaves": leaves, "learning_rate": r} for n, leaves, r in TREES],
    "bow, logreg": [{"C": c} for c in (0.03, 0.1, 0.3, 1, 10)],
    "bow, nb": [{"alpha": a} for a in (0.1, 0.3, 1, 3)],
    "tfidf-2gram, svm": [{"C": c} for c in (0.1, 0.3, 1, 3)],
    "tfidf-2gram+char, logreg": [{"C": c} for c in (1, 3, 10, 30)],
    "tfidf-2gram+char, nb": [{"alpha": a} for a in (0.1, 0.3, 1)],
}
DRAWS, ROWS, SETTINGS, COLUMNS = 50, 300, 30, 100
FIVE = StratifiedKFold(5, shuffle=True, random_state=0)

GRID = [{"part": "search", "kind": kind, "options": options} for kind, grid in KINDS.items() for options in grid]
GRID += [{"part": "folds", "kind": kind} for kind in KINDS]
GRID += [{"part": "luck", "draw": draw} for draw in range(DRAWS)]


def measure(part: str, **settings: Any) -> dict[str, Any]:
    with threadpool_limits(1):
        return {"search": search, "folds": folds, "luck": luck}[part](**settings)


@functools.cache
def films(split: str) -> Any:
    from textclf_lesson import data

    return data.load("movie-snippets")[split].to_pandas()


def untrained(kind: str, options: dict[str, float]) -> Any:
    from textclf_lesson.models import baselines

    within = "classifier__estimator__" if kind.endswith("svm") else "classifier__"
    return baselines.pipeline(*kind.split(", "), **{within + name: value for name, value in options.items()})


def search(kind: str, options: dict[str, float]) -> dict[str, float]:
    model = untrained(kind, options).fit(films("train")["text"], films("train")["label"])
    return {"accuracy": round(model.score(films("validation")["text"], films("validation")["label"]), 4)}


def folds(kind: str) -> dict[str, Any]:
    """The options that did best on validation, of equals the first; and a 1 for each training row predicted right."""
    runs = json.loads((common.RESULTS / "quick_models.json").read_text(encoding="utf-8"))["runs"]
    tried = [run for run in runs if run["settings"].get("kind") == kind and run["settings"]["part"] == "search"]
    best = max(tried, key=lambda run: run["result"]["accuracy"])["settings"]["options"]
    train = films("train")
    y_pred = cross_val_predict(untrained(kind, best), train["text"], train["label"], cv=FIVE)
    right = "".join("01"[int(hit)] for hit in y_pred == train["label"])
    return {"best": best, "right": right}


def luck(draw: int) -> dict[str, float]:
    """As lesson 2 computes it for draw 0."""
    rng = np.random.default_rng(draw)
    rows = films("train").sample(2 * ROWS, random_state=draw)
    X = HashingVectorizer(n_features=2**12, alternate_sign=False, norm=None).transform(rows["text"]).toarray()
    y = rng.permutation(np.arange(len(rows)) % 2)
    settings = [rng.choice(X.shape[1], COLUMNS, replace=False) for _ in range(SETTINGS)]
    best, chosen = searched(X[:ROWS], y[:ROWS], settings)
    outer = []
    for fit_rows, held_out in FIVE.split(X[:ROWS], y[:ROWS]):
        _, inner = searched(X[fit_rows], y[fit_rows], settings)
        outer.append(score(X, y, fit_rows, held_out, inner))
    fresh = score(X, y, np.arange(ROWS), np.arange(ROWS, 2 * ROWS), chosen)
    return {"best": round(best, 4), "nested": round(float(np.mean(outer)), 4), "fresh": round(fresh, 4)}


def searched(X: np.ndarray, y: np.ndarray, settings: list[np.ndarray]) -> tuple[float, np.ndarray]:
    """The best cross-validated accuracy of the settings, and the setting that has it."""
    scores = [np.mean([score(X, y, *rows, columns) for rows in FIVE.split(X, y)]) for columns in settings]
    return float(max(scores)), settings[int(np.argmax(scores))]


def score(X: np.ndarray, y: np.ndarray, fit_rows: np.ndarray, held_out: np.ndarray, columns: np.ndarray) -> float:
    """Accuracy on the rows held out, of a naive Bayes that reads these columns of the others."""
    known, labels = X[np.ix_(fit_rows, columns)], y[fit_rows]
    counts = np.stack([known[labels == label].sum(axis=0) + 1 for label in (0, 1)])
    weight = np.diff(np.log(counts / counts.sum(axis=1, keepdims=True)), axis=0)[0]
    return float(((X[np.ix_(held_out, columns)] @ weight > 0) == y[held_out]).mean())


if __name__ == "__main__":
    common.run("quick_models", GRID, measure, ("scikit-learn", "lightgbm", "numpy"), range(DRAWS))
