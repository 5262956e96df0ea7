"""How good the cheap levels get with 100 to 7,000 labelled sentences of movie-snippets (lesson 4).

The strongest cheap baseline (`evidence.best`), and MiniLM's frozen sentence vectors with logistic regression, three
draws each. Fine-tuning on the same draws, up to 2,000, is in studies/augmentation.py. Scored on the validation split,
as there; each run stores which rows were right.

The baseline's settings were chosen on those validation rows, so its scores there are too high. Where the two levels
meet, with 500 rows and with all, they are scored on the test split as well.
"""

import functools

import numpy as np

from studies import common, films

GRID = [
    {"model": model, "rows": rows, "seed": seed}
    for model in ("baseline", "frozen")
    for rows in (100, 250, 500, 1000, 2000, 7000)
    for seed in (0, 1, 2)
]
ON_TEST = [{"rows": 500, "seed": 0}, {"rows": 500, "seed": 1}, {"rows": 500, "seed": 2}, {"rows": 7000, "seed": 0}]
GRID += [{"model": model, **draw, "split": "test"} for model in ("baseline", "frozen") for draw in ON_TEST]


@functools.cache
def film_vectors(split: str) -> np.ndarray:
    from textclf_lesson.models import embeddings

    return embeddings.embed(films.splits("movie-snippets")[split]["text"], max_length=64)


def measure(model: str, rows: int, seed: int, split: str = "validation") -> dict[str, float | str]:
    from sklearn.linear_model import LogisticRegression

    from textclf_lesson.evaluate import evidence

    held = films.splits("movie-snippets")[split]
    texts, labels = films.draw(rows, seed)
    if model == "baseline":
        right = evidence.best("movie-snippets").fit(texts, labels).predict(held["text"]) == held["label"]
    else:
        where = {text: at for at, text in enumerate(films.splits("movie-snippets")["train"]["text"])}
        vectors = film_vectors("train")[[where[text] for text in texts]]
        head = LogisticRegression(C=10, max_iter=1000).fit(vectors, labels)
        right = head.predict(film_vectors(split)) == held["label"]
    return films.scored(right)


if __name__ == "__main__":
    common.run("labelled_rows", GRID, measure, ("scikit-learn", "torch", "transformers", "tokenizers"))
