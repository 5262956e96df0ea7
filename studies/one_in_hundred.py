"""Remedies for one offensive comment in a hundred: frozen vectors and fine-tuned MiniLM (lesson 6).

Focal loss was made for thousands of easy negatives for each positive, so that is what it gets here. Two sets:
wiki-binary (100 offensive comments and 10,000 clean ones to train on) and newsgroups (40 posts of one group, 4,000 of
the others). "frozen": a small network on MiniLM's vectors (`imbalance.fit_head`). "fine-tuned": the whole encoder, one
pass. Three seeds each; the training rows are drawn anew with every seed, for a hundred positives are few.

The threshold of every model is chosen on validation rows, at the same 1 to 100; no other choice is made. The rival of
every remedy is "none" with that threshold. In this two-class case logit adjustment (Menon et al. 2021) moves all logits
by one constant: it is a threshold, the prior, which costs no validation row; it is scored as such ("F1 at the prior").
An interval holds the middle 95 % of the gain when seeds and test rows are drawn again.
"""

import functools
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import expit, logit

from studies import common

SEEDS, DRAWS = [0, 1, 2], 300
SIZES = {"wiki-binary": (100, 70, 100), "newsgroups": (40, 30, 60)}  # positives to train, choose and test on
RARE = {"wiki-binary": 1, "newsgroups": 13}  # offensive; sci.med
REMEDIES: dict[str, dict[str, Any]] = {
    "none": {},
    "weights": {"weights": "balanced"},
    "focal, γ = 2": {"gamma": 2.0},
    "focal, γ = 2, α = 0.25": {"gamma": 2.0, "weights": "paper"},
    "focal, γ = 2, weights": {"gamma": 2.0, "weights": "balanced"},
    "prior in the bias": {"prior": True},
    "focal, γ = 2, prior in the bias": {"gamma": 2.0, "prior": True},
    "focal, γ = 1": {"gamma": 1.0},
    "focal, γ = 5": {"gamma": 5.0},
    "rows left out": {"strategy": "under"},
    "rows copied": {"strategy": "over"},
    "SMOTE": {"strategy": "smote"},  # of vectors only
}
PAPER = [1.0, 1 / 3]  # alpha = 0.25 for the rare class, 0.75 for the frequent one (Lin et al. 2017)
FINE_TUNING = {"max_length": 64, "epochs": 1, "learning_rate": 2e-4}
KEPT = Path("build/studies/one_in_hundred")  # logits of each run, so that gains are taken on the same rows

GRID = [{"task": "wiki-binary", "model": "TF-IDF", "remedy": remedy} for remedy in ("none", "weights")]
GRID += [{"task": task, "model": "frozen", "remedy": remedy} for task in SIZES for remedy in REMEDIES]
GRID += [{"task": "wiki-binary", "model": "fine-tuned", "remedy": name} for name in REMEDIES if name != "SMOTE"]


@functools.cache
def rows(task: str) -> dict[str, pd.DataFrame]:
    """The rows of each split: `text`, and `label`, 1 for the rare class."""
    from textclf_lesson import data

    splits = {split: table.to_pandas() for split, table in data.as_classes(data.load(task)).items()}
    return {split: table.assign(label=(table["label"] == RARE[task]).astype(int)) for split, table in splits.items()}


@functools.cache
def drawn(task: str, split: str, seed: int) -> pd.DataFrame:
    """A hundred rows of the others for each of the rare class, shuffled."""
    positives = dict(zip(("train", "validation", "test"), SIZES[task], strict=True))[split]
    table = rows(task)[split]
    sizes = {1: positives, 0: min(100 * positives, int((table["label"] == 0).sum()))}
    parts = [table[table["label"] == label].sample(n, random_state=seed) for label, n in sizes.items()]
    return pd.concat(parts).sample(frac=1, random_state=seed)


def logits(task: str, model: str, remedy: str, seed: int) -> dict[str, np.ndarray]:
    """Log-odds of the rare class for the validation and the test rows (these are the same for all seeds)."""
    kept = KEPT / f"{task} {model} {remedy} {seed}.npz".replace(" ", "_")
    if not kept.exists():
        train, new = drawn(task, "train", seed), {split: drawn(task, split, 0) for split in ("validation", "test")}
        how = {"TF-IDF": _tf_idf, "frozen": _frozen, "fine-tuned": _fine_tuned}[model]
        kept.parent.mkdir(parents=True, exist_ok=True)
        np.savez(kept, **how(task, train, new, REMEDIES[remedy], seed))
    with np.load(kept) as stored:
        return {split: stored[split] for split in stored.files}


def _tf_idf(task: str, train: pd.DataFrame, new: dict[str, pd.DataFrame], remedy: dict, seed: int):
    from textclf_lesson.models import baselines

    options = {"classifier__class_weight": "balanced"} if remedy else {}
    model = baselines.pipeline("tfidf-2gram", "logreg", **options).fit(train["text"], train["label"])
    return {
        split: logit(np.clip(model.predict_proba(part["text"])[:, 1], 1e-6, 1 - 1e-6)) for split, part in new.items()
    }


@functools.cache
def vectors(task: str) -> dict[int, np.ndarray]:
    """The vector of every text that any seed needs, by its hash."""
    from textclf_lesson.models import embeddings

    parts = [drawn(task, "train", seed) for seed in SEEDS] + [drawn(task, split, 0) for split in ("validation", "test")]
    texts = pd.concat(parts)["text"].unique()
    return dict(zip(map(hash, texts), embeddings.embed(texts, max_length=64), strict=True))


def _frozen(task: str, train: pd.DataFrame, new: dict[str, pd.DataFrame], remedy: dict, seed: int):
    from textclf_lesson.training import imbalance

    def of(part: pd.DataFrame) -> np.ndarray:
        return np.stack([vectors(task)[hash(text)] for text in part["text"]])

    settings = {name: value for name, value in remedy.items() if name != "prior"}
    if settings.get("weights") == "paper":
        settings["weights"] = PAPER
    first = np.log(np.bincount(train["label"]) / len(train)) if "prior" in remedy else None
    predict = imbalance.fit_head(of(train), train["label"].to_numpy(), **settings, bias=first, seed=seed)
    return {split: logit(np.clip(predict(of(part))[:, 1], 1e-6, 1 - 1e-6)) for split, part in new.items()}


def _fine_tuned(task: str, train: pd.DataFrame, new: dict[str, pd.DataFrame], remedy: dict, seed: int):
    import torch

    from textclf_lesson.models.transformer import TransformerClassifier
    from textclf_lesson.training import imbalance
    from textclf_lesson.training.losses import FocalLoss

    prior = np.log(np.bincount(train["label"]) / len(train))
    alpha = {None: None, "paper": PAPER}.get(remedy.get("weights"), imbalance.class_weights(train["label"], "balanced"))

    class Classifier(TransformerClassifier):
        def _build(self, settings: dict[str, Any]):
            model, *others = super()._build(settings)
            if "prior" in remedy:
                model.classifier.bias.data = torch.tensor(prior, dtype=torch.float32)
            return model, *others

    epochs = FINE_TUNING["epochs"]
    if "strategy" in remedy:
        row = np.arange(len(train))[:, None]
        chosen, _ = imbalance.resample(row, train["label"].to_numpy(), remedy["strategy"], seed=seed)
        train = train.iloc[chosen[:, 0]].sample(frac=1, random_state=seed)
        epochs = max(1, round(1600 / len(train)))  # rows left out: 200 rows are too few for one pass
    settings = FINE_TUNING | {"epochs": epochs, "loss": FocalLoss(remedy.get("gamma", 0.0), alpha), "seed": seed}
    model = Classifier("minilm", **settings).fit(train["text"].tolist(), train["label"].to_numpy())
    found = {split: model.logits(part["text"].tolist()) for split, part in new.items()}
    return {split: values[:, 1] - values[:, 0] for split, values in found.items()}


def scores(task: str, model: str, remedy: str, seed: int) -> dict[str, np.ndarray]:
    """Each score on each draw of the test rows, shape (draws,); the first draw is the test itself."""
    from sklearn.metrics import average_precision_score

    from studies.imbalance import f1
    from textclf_lesson.evaluate import thresholds

    found, truth = logits(task, model, remedy, seed), drawn(task, "test", 0)["label"].to_numpy()
    known = drawn(task, "validation", 0)["label"].to_numpy()
    tuned = thresholds.tune(known[:, None], expit(found["validation"])[:, None], ["rare"])["rare"]
    p, n = expit(found["test"]), len(truth)
    weights = np.random.default_rng(0).multinomial(n, np.full(n, 1 / n), DRAWS)
    weights = np.vstack([np.ones(n), weights])
    prior = drawn(task, "train", seed)["label"].mean()
    order = np.argsort(-p, kind="stable")
    hits, asked = np.cumsum(weights[:, order] * truth[order], axis=1), np.cumsum(weights[:, order], axis=1)
    reached = np.where(hits >= 0.8 * np.maximum(asked, 1), hits, 0).max(axis=1) / np.maximum(weights @ truth, 1)
    return {
        "AP": np.array([average_precision_score(truth, p, sample_weight=draw) for draw in weights]),
        "F1 at 0.5": f1(weights, truth, (p >= 0.5) * 1),
        "F1 at the prior": f1(weights, truth, (p >= prior) * 1),
        "F1 at tuned threshold": f1(weights, truth, (p >= tuned) * 1),
        "recall at precision 0.8": reached,
        "log loss": weights @ -np.log(np.where(truth == 1, p, 1 - p).clip(1e-6)) / n,
    }


def measure(task: str, model: str, remedy: str) -> dict[str, dict[str, float]]:
    """The mean score over the seeds, how much it is above that of no remedy, and the ends of the gain's interval."""
    own = [scores(task, model, remedy, seed) for seed in SEEDS]
    none = [scores(task, model, "none", seed) for seed in SEEDS]
    rng, result = np.random.default_rng(1), {}
    for name in own[0]:
        values = np.stack([one[name] for one in own])
        gain = values - np.stack([one[name] for one in none])
        again = [gain[rng.integers(0, len(SEEDS), len(SEEDS)), draw].mean() for draw in range(1, DRAWS + 1)]
        low, high = np.quantile(again, [0.025, 0.975])
        numbers = {"score": values[:, 0].mean(), "gain": gain[:, 0].mean(), "low": low, "high": high}
        result[name] = {key: round(float(number), 4) for key, number in numbers.items()}
    return result


if __name__ == "__main__":
    common.run("one_in_hundred", GRID, measure, ("torch", "transformers", "scikit-learn", "imbalanced-learn"), SEEDS)
