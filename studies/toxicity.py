"""The search for the recipe of the six-label toxicity classifier, and its verdict (lessons 5 and 8).

Two parts. "search": each way, one seed, judged on the validation split alone: average precision, which needs no
threshold, and F1 with thresholds tuned on one half of validation and judged on the other, both ways round, five times.
"verdict": the way that was chosen by it, three seeds, thresholds from validation, judged on test and test_natural.
The verdict was run once, after the choice was made.
"""

import functools
import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from studies import common

LABELS_TO_LIFT = ["severe_toxic", "threat", "identity_hate"]
PLAIN = {"epochs": 4, "learning_rate": 2e-4}
WAYS: dict[str, dict[str, Any]] = {
    "3 epochs": {"epochs": 3},
    "4 epochs": {},
    "8,000 binary rows first": {"warm_up": 8000},
    "focal loss with weights": {"focal": True},
    "batches of 16": {"batch_size": 16},
    "focal loss with weights, batches of 16": {"focal": True, "batch_size": 16},
    "focal loss with weights, EDA on rare labels": {"focal": True, "eda": True},
}
COMPANIONS = ("words and character n-grams", "frozen vectors")
CHOSEN = "focal loss with weights + words and character n-grams + frozen vectors"  # the highest macro F1 of the search
GRID = [{"part": "search", "way": way, "seed": 0} for way in WAYS]
GRID += [{"part": "search", "way": f"{way} + {' + '.join(COMPANIONS)}", "seed": 0} for way in WAYS]
if CHOSEN:
    GRID += [{"part": "verdict", "way": CHOSEN, "seed": seed} for seed in range(3)]


def measure(part: str, way: str, seed: int) -> dict[str, Any]:
    """Scores of each label: F1 and AP; of the verdict with the ends of their intervals, on both test splits."""
    from textclf_lesson.evaluate import metrics, thresholds

    truth, labels = truths(), label_names()
    proba = probabilities(way, seed)
    if part == "search":
        return scores_by_halves(truth["validation"], proba["validation"], labels)
    tuned = thresholds.tune(truth["validation"], proba["validation"], labels)
    result = {}
    for split in ("test", "test_natural"):
        report = metrics.multilabel_report(truth[split], proba[split], labels, tuned)
        columns = ["f1", "f1_low", "f1_high", "ap", "auc", "support"]
        result[split] = report.per_label[columns].round(4).to_dict("index") | {"macro_f1": round(report.macro_f1, 4)}
    return result


def scores_by_halves(truth: np.ndarray, proba: np.ndarray, labels: list[str]) -> dict[str, Any]:
    """AP, and F1 at thresholds that were tuned on other rows, of each label and their means."""
    from sklearn.metrics import average_precision_score, f1_score

    from textclf_lesson.evaluate import thresholds

    f1 = []
    for draw in range(5):
        half = np.random.default_rng(draw).permutation(len(truth)) < len(truth) // 2
        for tune, judge in ((half, ~half), (~half, half)):
            tuned = thresholds.tune(truth[tune], proba[tune], labels, min_support=1)
            f1.append(f1_score(truth[judge], tuned.apply(proba[judge]), average=None))
    ap = average_precision_score(truth, proba, average=None)
    found = {"f1": np.mean(f1, axis=0), "ap": ap}
    table = {name: dict(zip(labels, map(float, values.round(4)), strict=True)) for name, values in found.items()}
    return table | {f"macro_{name}": round(float(values.mean()), 4) for name, values in found.items()}


def probabilities(way: str, seed: int) -> dict[str, np.ndarray]:
    """What a way, and its companions if it has any, says of each judged split, shape (rows, labels)."""
    from scipy.special import expit

    from textclf_lesson.models import ensemble

    transformer, *others = way.split(" + ")
    members = [logits(transformer, seed), *(logits(other, seed) for other in others)]
    weights = None
    if others:
        weights = ensemble.best_weights([m["validation"] for m in members], truths()["validation"], multi_label=True)
    return {split: expit(ensemble.average_logits([m[split] for m in members], weights)) for split in members[0]}


def logits(way: str, seed: int) -> dict[str, np.ndarray]:
    """A member's logits on each judged split; kept in the course's cache, for members are slow and used twice."""
    from textclf_lesson.assets import cache
    from textclf_lesson.models import ensemble

    kept = Path(cache.home()) / "studies" / f"toxicity-{way}-{seed}.npz"
    if not kept.exists():
        model = companion(way, seed) if way in COMPANIONS else fine_tuned(seed, **WAYS[way])
        found = {
            split: ensemble.to_logits(model, rows["text"][:], multi_label=True) for split, rows in judged().items()
        }
        kept.parent.mkdir(parents=True, exist_ok=True)
        np.savez(kept.with_suffix(".partial.npz"), **found)
        os.replace(kept.with_suffix(".partial.npz"), kept)
    with np.load(kept) as arrays:
        return dict(arrays)


def fine_tuned(seed: int, warm_up: int = 0, focal: bool = False, eda: bool = False, **settings: Any) -> Any:
    """MiniLM by one of WAYS. `focal`: gamma 1, and each label's positives weighed by the root of how rare they are.
    `warm_up`: so many rows of wiki-binary, half of them offensive, are learned first, in one pass: an intermediate task
    (Phang et al. 2018)."""
    from textclf_lesson import data
    from textclf_lesson.models.transformer import TransformerClassifier
    from textclf_lesson.training import imbalance, losses

    settings = PLAIN | settings | {"problem_type": "multi_label_classification", "seed": seed}
    learn = rows()["train"]
    if focal:
        alpha = np.sqrt(imbalance.class_weights(data.columns(learn)[1], "balanced"))
        settings["loss"] = losses.FocalLoss(gamma=1.0, alpha=alpha, multi_label=True)
    if eda:
        learn = with_variants(learn)
    with tempfile.TemporaryDirectory() as folder:
        if warm_up:
            first = TransformerClassifier(learning_rate=PLAIN["learning_rate"], epochs=1, seed=seed)
            first.fit(*offensive_or_not(warm_up)).save(folder)
            settings["model"] = folder
        judge = data.columns(rows()["validation"])
        return TransformerClassifier(**settings).fit(*data.columns(learn), eval_set=judge)


def offensive_or_not(n: int) -> tuple[list[str], list[int]]:
    """Comments of wiki-binary, as many offensive as clean; what wiki-toxicity judges on is not among them."""
    from textclf_lesson import data

    some = data.load("wiki-binary")["train"].to_pandas().groupby("label").sample(n // 2, random_state=0)
    return some["text"].tolist(), some["label"].tolist()


def with_variants(train: Any) -> Any:
    """The training rows, and two EDA variants of each that carries a rare label."""
    from datasets import Dataset

    from textclf_lesson.training import augment

    table = train.to_pandas()
    rare = table[table[LABELS_TO_LIFT].any(axis=1)]
    variants = augment.EDA(seed=0).augment_all(rare["text"].tolist(), n=2)
    more = rare.assign(text=variants).explode("text").dropna(subset="text")
    both = np.concatenate([table.to_dict("records"), more.to_dict("records")]).tolist()
    return Dataset.from_list(both, features=train.features)


def companion(kind: str, seed: int) -> Any:
    """A model of another kind: TF-IDF of words and character n-grams, or a small network on frozen sentence vectors."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.multiclass import OneVsRestClassifier
    from sklearn.neural_network import MLPClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer

    from textclf_lesson.models import baselines, embeddings

    texts, table = rows()["train"]["text"][:], rows()["train"].select_columns(label_names()).to_pandas().to_numpy()
    if kind == "words and character n-grams":
        features = baselines.pipeline("tfidf-2gram+char")["features"].set_params(characters__min_df=3)
        return make_pipeline(features, OneVsRestClassifier(LogisticRegression(C=10, max_iter=1000))).fit(texts, table)
    network = MLPClassifier((64,), alpha=1e-3, learning_rate_init=3e-3, max_iter=25, random_state=seed)
    return make_pipeline(FunctionTransformer(embeddings.embed), network).fit(texts, table)


@functools.cache
def rows() -> Any:
    from textclf_lesson import data

    return data.load("wiki-toxicity")


def judged() -> dict[str, Any]:
    return {split: table for split, table in rows().items() if split != "train"}


def label_names() -> list[str]:
    from textclf_lesson import data

    return data.label_names(rows())


def truths() -> dict[str, np.ndarray]:
    return {split: table.select_columns(label_names()).to_pandas().to_numpy() for split, table in judged().items()}


if __name__ == "__main__":
    common.run("toxicity", GRID, measure, ("torch", "transformers", "scikit-learn"))
