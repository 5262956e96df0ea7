"""What augmentation buys at 100 to 2,000 training rows, for three kinds of model, on movie-snippets (lesson 7).

- "words": TF-IDF and logistic regression · "frozen": MiniLM's sentence vectors and logistic regression ·
  "fine-tuned": MiniLM trained as a whole. The last always takes the same number of steps, so that nobody wins by
  training longer: with five times the rows it makes a fifth of the epochs.
  For the other two the penalty on the weights is kept as strong, against all rows together, as it was without the new
  ones (C falls as the rows grow): else we would measure a change of C.
- "EDA" adds four variants of each row, "mixup" four blends a row (fine-tuned: it blends in each step), "paraphrase" one
  rewriting by SmolLM2.

Judged on the validation split. Each run stores which of its rows were right, as hexadecimal digits, so that the lesson
can compare two methods on the same rows.
"""

import functools

import numpy as np

from studies import common

ROWS, SEEDS = [100, 250, 500, 1000, 2000], [0, 1, 2]
VARIANTS = 4
C = 10  # as in `baselines`
METHODS = {
    "words": {"none": ROWS, "EDA": ROWS, "paraphrase": ROWS[:2]},
    "frozen": {"none": ROWS, "EDA": ROWS, "mixup": ROWS, "paraphrase": ROWS[:2]},
    "fine-tuned": {"none": [100, 500, 2000], "EDA": [100, 500, 2000], "mixup": [100, 500, 2000]},
}
GRID = [
    {"model": model, "method": method, "rows": n, "seed": seed}
    for model, methods in METHODS.items()
    for method, sizes in methods.items()
    for n in sizes
    for seed in SEEDS
]
GRID.sort(key=lambda run: (run["method"] == "paraphrase", run["seed"]))  # a seed's paraphrases are written once


def measure(model: str, method: str, rows: int, seed: int) -> dict[str, float | str]:
    """Accuracy on validation after training on the first `rows` of the training split, shuffled with this seed."""
    from textclf_lesson import data

    judged = data.load("movie-snippets")["validation"]
    texts, labels = _training_rows(rows, seed)
    if model == "fine-tuned":
        said = _fine_tuned(method, texts, labels, seed).predict(judged["text"][:])
    else:
        said = _on_features(model, method, texts, labels, seed, judged["text"][:])
    right = said == np.array(judged["label"])
    return {"accuracy": round(float(right.mean()), 4), "right": np.packbits(right).tobytes().hex()}


def _training_rows(rows: int, seed: int) -> tuple[list[str], np.ndarray]:
    from textclf_lesson import data

    table = data.load("movie-snippets")["train"].shuffle(seed=seed).select(range(rows))
    return table["text"][:], np.array(table["label"])


def _enlarged(method: str, texts: list[str], labels: np.ndarray, seed: int) -> tuple[list[str], np.ndarray]:
    from textclf_lesson.augment import EDA, enlarge

    if method == "EDA":
        texts, positions = enlarge(EDA(seed), texts, VARIANTS)
    elif method == "paraphrase":
        written = [list(variants) for variants in _paraphrases(seed)[: len(texts)]]
        positions = np.r_[: len(texts), np.repeat(np.arange(len(texts)), [len(variants) for variants in written])]
        texts = texts + [variant for variants in written for variant in variants]
    else:
        return texts, labels
    return texts, labels[positions]


@functools.cache
def _paraphrases(seed: int) -> list[list[str]]:
    """Of the largest training set that needs them; the smaller ones are its beginnings."""
    from textclf_lesson.paraphrase import Paraphraser

    texts, _ = _training_rows(max(METHODS["frozen"]["paraphrase"]), seed)
    return Paraphraser(seed=seed).augment_all(texts, 1)


def _on_features(model: str, method: str, texts: list[str], labels: np.ndarray, seed: int, judged: list[str]):
    from sklearn.linear_model import LogisticRegression

    from textclf_lesson import baselines
    from textclf_lesson.embeddings import embed
    from textclf_lesson.mixup import mix_rows

    rows = len(texts)
    texts, labels = _enlarged(method, texts, labels, seed)
    if model == "words":
        return baselines.pipeline("tfidf", classifier__C=C * rows / len(texts)).fit(texts, labels).predict(judged)
    vectors, weights = embed(texts), np.ones(len(texts))
    if method == "mixup":
        vectors, labels, weights = mix_rows(vectors, labels, VARIANTS * rows, seed=seed)
    head = LogisticRegression(C=C * rows / weights.sum(), max_iter=1000)
    return head.fit(vectors, labels, weights).predict(_vectors(tuple(judged)))


@functools.cache
def _vectors(texts: tuple[str, ...]) -> np.ndarray:
    from textclf_lesson.embeddings import embed

    return embed(texts)


def _fine_tuned(method: str, texts: list[str], labels: np.ndarray, seed: int):
    from textclf_lesson.mixup import MixupClassifier

    epochs = 10 if len(texts) < 2000 else 5
    if method == "EDA":
        epochs //= VARIANTS + 1
        texts, labels = _enlarged(method, texts, labels, seed)
    alpha = 0.2 if method == "mixup" else 0.0
    return MixupClassifier(alpha=alpha, layer=3, epochs=epochs, seed=seed).fit(texts, labels)


if __name__ == "__main__":
    common.run("augmentation", GRID, measure, ("torch", "transformers", "nltk", "scikit-learn"))
