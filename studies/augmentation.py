"""What augmentation buys at 100 to 2,000 training rows, for three kinds of model, on movie-snippets (lesson 7).

- "words": TF-IDF and logistic regression · "frozen": MiniLM's sentence vectors and logistic regression. The penalty on
  their weights is kept as strong, against all rows together, as it was without the new ones (C falls as the rows
  grow): else we would measure a change of C.
- "fine-tuned": MiniLM trained as a whole. Each row has as many turns with every method, so nobody wins by training
  longer; at a turn the model sees the row itself or one of its variants, whichever chance names.
- "EDA" makes four variants of each row, "paraphrase" one, by SmolLM2; "mixup" makes four blends a row (fine-tuned: it
  blends hidden states in each step).

SmolLM2 writes slowly: the rows it rewrites end at 500. It writes them once for all models, and since they are texts
of others, they stay in the course's cache. Judged on the validation split. Each run stores which of its rows were
right, as hexadecimal digits, so that the lesson can compare two methods on the same rows.
"""

import functools
import json

import numpy as np

from studies import common

ROWS, SEEDS = [100, 250, 500, 1000, 2000], [0, 1, 2]
REWRITTEN = [rows for rows in ROWS if rows <= 500]
AT_ONCE = 50  # rewritten, then kept; divides all sizes
VARIANTS = 4
C = 10  # as in `baselines`
TURNS = {100: 10, 250: 8, 500: 5, 1000: 3, 2000: 2}  # of each row in fine-tuning: the fewer rows, the more
METHODS = {
    "words": {"none": ROWS, "EDA": ROWS, "paraphrase": REWRITTEN},
    "frozen": {"none": ROWS, "EDA": ROWS, "mixup": ROWS, "paraphrase": REWRITTEN},
    "fine-tuned": {"none": ROWS, "EDA": ROWS, "mixup": ROWS, "paraphrase": REWRITTEN},
}
GRID = [
    {"model": model, "method": method, "rows": n, "seed": seed}
    for model, methods in METHODS.items()
    for method, sizes in methods.items()
    for n in sizes
    for seed in SEEDS
]
GRID.sort(key=lambda run: (run["method"] == "paraphrase", run["rows"], run["seed"]))  # the quick ones first


def measure(model: str, method: str, rows: int, seed: int) -> dict[str, float | str]:
    """Accuracy on validation after training on the first `rows` of the training split, shuffled with this seed."""
    from textclf_lesson import data

    judged = data.load("movie-snippets")["validation"]
    texts, labels = _training_rows(rows, seed)
    train = _fine_tuned if model == "fine-tuned" else _words if model == "words" else _frozen
    right = train(method, texts, labels, seed, judged["text"][:]) == np.array(judged["label"])
    return {"accuracy": round(float(right.mean()), 4), "right": np.packbits(right).tobytes().hex()}


def _training_rows(rows: int, seed: int) -> tuple[list[str], np.ndarray]:
    from textclf_lesson import data

    table = data.load("movie-snippets")["train"].shuffle(seed=seed).select(range(rows))
    return table["text"][:], np.array(table["label"])


def _variants(method: str, texts: list[str], seed: int) -> list[list[str]]:
    """New texts for each row; none of them by the methods that make no texts."""
    from textclf_lesson.training.augment import EDA

    if method == "EDA":
        return EDA(seed).augment_all(texts, VARIANTS)
    if method == "paraphrase":
        return _paraphrases(len(texts), seed)
    return [[] for _ in texts]


def _paraphrases(rows: int, seed: int) -> list[list[str]]:
    """Of the first `rows` training rows, written in batches that all sizes share."""
    from textclf_lesson.assets import cache
    from textclf_lesson.training.paraphrase import Paraphraser

    texts, _ = _training_rows(max(REWRITTEN), seed)
    folder = cache.home() / "studies" / "paraphrases"
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for start in range(0, rows, AT_ONCE):
        path = folder / f"seed-{seed}-from-{start}.json"
        if not path.exists():
            rewritten = Paraphraser(seed=seed).augment_all(texts[start : start + AT_ONCE], 1)
            path.write_text(json.dumps(rewritten), encoding="utf-8")
        written += json.loads(path.read_text(encoding="utf-8"))
    return written[:rows]


def _enlarged(method: str, texts: list[str], labels: np.ndarray, seed: int) -> tuple[list[str], np.ndarray]:
    variants = _variants(method, texts, seed)
    positions = np.repeat(np.arange(len(texts)), [len(found) for found in variants])
    return texts + [new for found in variants for new in found], np.r_[labels, labels[positions]]


def _words(method: str, texts: list[str], labels: np.ndarray, seed: int, judged: list[str]) -> np.ndarray:
    from textclf_lesson.models import baselines

    many, labels = _enlarged(method, texts, labels, seed)
    return baselines.pipeline("tfidf", classifier__C=C * len(texts) / len(many)).fit(many, labels).predict(judged)


def _frozen(method: str, texts: list[str], labels: np.ndarray, seed: int, judged: list[str]) -> np.ndarray:
    from sklearn.linear_model import LogisticRegression

    from textclf_lesson.models.embeddings import embed
    from textclf_lesson.training.mixup import mix_rows

    many, labels = _enlarged(method, texts, labels, seed)
    vectors, weights = embed(many), np.ones(len(many))
    if method == "mixup":
        vectors, labels, weights = mix_rows(vectors, labels, VARIANTS * len(texts), seed=seed)
    head = LogisticRegression(C=C * len(texts) / weights.sum(), max_iter=1000)
    return head.fit(vectors, labels, weights).predict(_vectors(tuple(judged)))


@functools.cache
def _vectors(texts: tuple[str, ...]) -> np.ndarray:
    from textclf_lesson.models.embeddings import embed

    return embed(texts)


def _fine_tuned(method: str, texts: list[str], labels: np.ndarray, seed: int, judged: list[str]) -> np.ndarray:
    from textclf_lesson.training.mixup import MixupClassifier

    rng = np.random.default_rng(seed)
    choices = [[text, *new] for text, new in zip(texts, _variants(method, texts, seed), strict=True)]
    turns = np.tile(np.arange(len(texts)), TURNS[len(texts)])
    shown = [choices[row][rng.integers(len(choices[row]))] for row in turns]
    model = MixupClassifier(alpha=0.2 if method == "mixup" else 0.0, layer=3, epochs=1, seed=seed)
    return model.fit(shown, labels[turns]).predict(judged)


if __name__ == "__main__":
    common.run("augmentation", GRID, measure, ("torch", "transformers", "scikit-learn"))
