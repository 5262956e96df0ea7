"""Whole articles: what frozen and fine-tuned MiniLM reach where texts are long (lesson 4).

Reuters-r8 and newsgroups, all training rows, texts truncated after 256 tokens. "fine-tuned": three seeds, two epochs,
the state of the best accuracy on validation. "frozen": MiniLM's sentence vectors and logistic regression, its C chosen
on validation; it has no seed, and is run at 64 tokens too, so that the loss by truncation can be seen. Judged on the
whole test split; each run stores its predictions, a letter a row ("a" is the first class), so that a lesson can compare
two models on the same rows. The rival is `evidence.best`, which reads whole texts; it trains in seconds and is not
stored here.
"""

import string

import numpy as np

from studies import common

SEEDS = [0, 1, 2]
C = [1, 3, 10, 30, 100]
FINE_TUNING = {"epochs": 2, "learning_rate": 2e-4, "batch_size": 32, "metric": "accuracy"}
GRID = [
    *({"task": "reuters-r8", "model": "frozen", "max_length": length, "seed": 0} for length in (64, 256)),
    *({"task": "reuters-r8", "model": "fine-tuned", "max_length": 256, "seed": seed} for seed in SEEDS),
    *({"task": "newsgroups", "model": "frozen", "max_length": length, "seed": 0} for length in (64, 256)),
    *({"task": "newsgroups", "model": "fine-tuned", "max_length": 256, "seed": seed} for seed in SEEDS),
]


def measure(task: str, model: str, max_length: int, seed: int) -> dict[str, float | str]:
    """Accuracy and macro F1 on the test split, its predictions, and the accuracy on validation."""
    from sklearn.metrics import accuracy_score, f1_score

    from textclf_lesson import data

    splits = data.load(task)
    train, held, test = (data.columns(splits[split]) for split in ("train", "validation", "test"))
    letter = dict(zip(data.label_names(splits), string.ascii_letters, strict=False))
    predict = _fine_tuned if model == "fine-tuned" else _frozen
    validation, predictions = predict(train, held, test[0], max_length, seed)
    return {
        "accuracy": round(float(accuracy_score(test[1], predictions)), 4),
        "macro_f1": round(float(f1_score(test[1], predictions, average="macro")), 4),
        "validation": round(validation, 4),
        "predictions": "".join(letter[label] for label in predictions),
    }


def _fine_tuned(train, held, texts, max_length: int, seed: int) -> tuple[float, np.ndarray]:
    from textclf_lesson.models.transformer import TransformerClassifier

    model = TransformerClassifier("minilm", max_length=max_length, seed=seed, **FINE_TUNING).fit(*train, eval_set=held)
    return max(epoch["accuracy"] for epoch in model.history_), model.predict(texts)


def _frozen(train, held, texts, max_length: int, seed: int) -> tuple[float, np.ndarray]:
    from sklearn.linear_model import LogisticRegression

    from textclf_lesson.models import embeddings

    learned, judged, new = (embeddings.embed(part, max_length=max_length) for part in (train[0], held[0], texts))
    models = [LogisticRegression(C=c, max_iter=1000).fit(learned, train[1]) for c in C]
    scores = [model.score(judged, held[1]) for model in models]
    return float(max(scores)), models[int(np.argmax(scores))].predict(new)


if __name__ == "__main__":
    common.run("whole_articles", GRID, measure, ("torch", "transformers", "tokenizers", "scikit-learn"))
