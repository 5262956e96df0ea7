"""What each remedy for imbalance does to rare and to frequent classes, five seeds each (lesson 6).

A small network on frozen sentence vectors learns from the training split with a remedy, and without; both are judged on
the same test rows. An interval holds the middle 95 % of the difference when seeds and test rows are drawn again.
"""

import functools
from typing import Any

import numpy as np

from studies import common

TASKS = ["reuters-r52", "severe_toxic", "threat", "identity_hate"]
REMEDIES: dict[str, dict[str, Any]] = {
    "none": {},
    "weights, balanced": {"weights": "balanced"},
    "weights, effective": {"weights": "effective"},
    "rows copied": {"strategy": "over"},
    "SMOTE": {"strategy": "smote"},
    "rows left out": {"strategy": "under"},
    "focal, γ = 1": {"gamma": 1.0},
    "focal, γ = 2": {"gamma": 2.0},
    "focal, γ = 5": {"gamma": 5.0},
    "focal, γ = 2, weights": {"gamma": 2.0, "weights": "effective"},
}
ROWS = {"over": 200, "smote": 200, "under": 50}  # of each topic; the binary tasks are evened out fully
GROUPS = {"1 to 19 rows": (1, 20), "20 to 99 rows": (20, 100), "100 rows and more": (100, 10_000)}
SEEDS, DRAWS = range(5), 200
GRID = [{"task": task, "remedy": remedy} for task in TASKS for remedy in REMEDIES]


@functools.cache
def splits(task: str) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Vectors and labels of each split; a text is cut after 64 tokens."""
    from textclf_lesson import data

    name = task if task in data.names() else "wiki-toxicity"
    loaded = data.load(name)
    column = "label" if name == task else task
    return vectors(name), {split: np.array(loaded[split][column]) for split in ("train", "validation", "test")}


@functools.cache
def vectors(name: str) -> dict[str, np.ndarray]:
    from textclf_lesson import data
    from textclf_lesson.models import embeddings

    rows = data.load(name)
    return {split: embeddings.embed(rows[split]["text"], max_length=64) for split in ("train", "validation", "test")}


@functools.cache
def scores(task: str, remedy: str) -> dict[str, np.ndarray]:
    """Each score of each seed on each draw of the test rows, shape (seeds, draws)."""
    from textclf_lesson.evaluate import thresholds
    from textclf_lesson.training import imbalance

    x, y = splits(task)
    settings = REMEDIES[remedy]
    if task == "reuters-r52" and "strategy" in settings:
        settings = settings | {"rows": ROWS[settings["strategy"]]}
    draws = np.random.default_rng(0).multinomial(len(y["test"]), np.full(len(y["test"]), 1 / len(y["test"])), DRAWS)
    draws = np.vstack([np.ones(len(y["test"])), draws])  # the first is the test itself
    found = []
    for seed in SEEDS:
        predict = imbalance.fit_head(x["train"], y["train"], **settings, seed=seed)
        probability = predict(x["test"])
        if task == "reuters-r52":
            found.append(by_group(draws, y["test"], probability.argmax(axis=1), np.bincount(y["train"])))
        else:
            yes = predict(x["validation"])[:, 1:]
            tuned = thresholds.tune(y["validation"][:, None], yes, [task])[task]
            found.append(by_threshold(draws, y["test"], probability[:, 1], tuned))
    return {name: np.stack([one[name] for one in found]) for name in found[0]}


def f1(draws: np.ndarray, truth: np.ndarray, predictions: np.ndarray) -> np.ndarray:
    """F1 of 0 and 1 on each draw; 0 where there is neither."""
    return 2 * (draws @ (truth & predictions)) / np.maximum(draws @ truth + draws @ predictions, 1)


def by_group(
    draws: np.ndarray, truth: np.ndarray, predictions: np.ndarray, counts: np.ndarray
) -> dict[str, np.ndarray]:
    """Accuracy, and the mean F1 of the topics that have `counts` training articles; topics not drawn left out."""
    of_topic = np.stack([f1(draws, (truth == topic) * 1, (predictions == topic) * 1) for topic in range(len(counts))])
    drawn = np.stack([draws @ (truth == topic) for topic in range(len(counts))]) > 0
    of_topic = np.where(drawn, of_topic, np.nan)
    found = {"accuracy": draws @ (truth == predictions) / draws.sum(axis=1), "macro F1": np.nanmean(of_topic, axis=0)}
    for name, (least, below) in GROUPS.items():
        found[name] = np.nanmean(of_topic[(counts >= least) & (counts < below)], axis=0)
    return found


def by_threshold(
    draws: np.ndarray, truth: np.ndarray, probability: np.ndarray, threshold: float
) -> dict[str, np.ndarray]:
    """F1 at one half and at the threshold tuned on validation, and average precision, which needs no threshold."""
    from sklearn.metrics import average_precision_score

    ap = [average_precision_score(truth, probability, sample_weight=weights) for weights in draws]
    at_half, at_tuned = ((probability >= at) * 1 for at in (0.5, threshold))
    return {
        "F1 at 0.5": f1(draws, truth, at_half),
        "F1 at tuned threshold": f1(draws, truth, at_tuned),
        "AP": np.array(ap),
    }


def measure(task: str, remedy: str) -> dict[str, dict[str, float]]:
    """The mean score over the seeds, and how much it is above that of no remedy, with the ends of the interval."""
    own, none = scores(task, remedy), scores(task, "none")
    rng, result = np.random.default_rng(1), {}
    for name, values in own.items():
        gain = values - none[name]
        drawn = [gain[rng.integers(0, len(gain), len(gain)), draw].mean() for draw in range(1, gain.shape[1])]
        low, high = np.quantile(drawn, [0.025, 0.975])
        numbers = {"score": values[:, 0].mean(), "gain": gain[:, 0].mean(), "low": low, "high": high}
        result[name] = {key: round(float(number), 4) for key, number in numbers.items()}
    return result


if __name__ == "__main__":
    common.run("imbalance", GRID, measure, ("torch", "transformers", "scikit-learn", "imbalanced-learn"), SEEDS)
