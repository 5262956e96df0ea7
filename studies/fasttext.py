"""How good fastText gets when it is searched as carefully as its rivals (lesson 3).

- "search": for each data set, one thing after the other, each time keeping what does best on validation: learning rate
  and passes together, then the length of the vectors, then pairs and triples of words, then subwords.
- "test": the chosen settings, trained with three seeds on the training split, on the whole test split. The predictions
  are stored, a letter a row ("a" is the first class), so that a lesson can compare two models on the same rows.
- "rival" is `evidence.best`, which was searched on the same validation rows; its predictions are stored likewise.

One thread, so that every run repeats.
"""

import json
import string
import time

import numpy as np

from studies import common

START = {"lr": 0.5, "epoch": 25, "dim": 20, "word_ngrams": 1, "minn": 0, "maxn": 0}
SETS = {  # passes, lengths of vectors, word n-grams, subwords: the fewer, the longer the texts are
    "russian-senses": ([25, 50, 100], [10, 100], [2, 3], [(2, 4), (3, 6)]),
    "movie-snippets": ([25, 50], [10, 100], [2, 3], [(2, 4), (3, 6)]),
    "reuters-r8": ([25], [100], [2], [(3, 5)]),
    "newsgroups": ([25], [100], [2], [(3, 5)]),
    "chinese-reviews": ([10], [100], [2], [(1, 3)]),
}
TASKS = [task for task in SETS if task != "newsgroups"]  # which takes longest, and has a study of its own
NAMES = ["fasttext", "fasttext_newsgroups"]
RATES = [0.2, 0.5, 1.0]
STEPS = ["rate and passes", "length of vectors", "word n-grams", "subwords"]
SEEDS = [0, 1, 2]


def grid(tasks) -> list[dict]:
    return [
        run
        for task in tasks
        for run in (
            *({"part": "search", "task": task, "step": step} for step in STEPS),
            *({"part": "test", "task": task, "seed": seed} for seed in SEEDS),
            {"part": "rival", "task": task},
        )
    ]


def measure(part: str, **settings) -> dict:
    return {"search": search, "test": test, "rival": rival}[part](**settings)


def splits(task: str) -> dict:
    from textclf_lesson import data

    return {split: data.columns(rows) for split, rows in data.load(task).items()}


def trained(task: str, **settings):
    """The model, and the seconds that it took."""
    from textclf_lesson.models.fasttext import FastTextClassifier

    train = splits(task)["train"]
    began = time.perf_counter()
    model = FastTextClassifier(**settings).fit(*train)
    return model, round(time.perf_counter() - began, 1)


def search(task: str, step: str) -> dict:
    """The settings tried in this step, their validation accuracy, and the best, from which the next step goes on."""
    before = [run for run in stored() if run["settings"]["part"] == "search" and run["settings"]["task"] == task]
    best = before[-1]["result"]["chosen"] if before else START
    passes, lengths, ngrams, subwords = SETS[task]
    changes = {
        "rate and passes": [{"lr": lr, "epoch": epoch} for lr in RATES for epoch in passes],
        "length of vectors": [{"dim": dim} for dim in lengths],
        "word n-grams": [{"word_ngrams": n} for n in ngrams],
        "subwords": [{"minn": least, "maxn": most} for least, most in subwords],
    }[step]
    tried = [before[-1]["result"]["best"]] if before else []  # what it has to beat
    for change in changes:
        model, seconds = trained(task, **best | change)
        accuracy = round(model.score(*splits(task)["validation"]), 4)
        tried.append({"settings": best | change, "accuracy": accuracy, "seconds": seconds})
    chosen = max(tried, key=lambda run: run["accuracy"])  # the first of equals, which is the simpler one
    return {"chosen": chosen["settings"], "best": chosen, "tried": tried}


def test(task: str, seed: int) -> dict:
    settings = next(run["result"]["chosen"] for run in reversed(stored()) if run["settings"].get("task") == task
                    and run["settings"]["part"] == "search")  # fmt: skip
    model, seconds = trained(task, **settings, seed=seed)
    return on_test(task, model) | {"seconds": seconds}


def rival(task: str) -> dict:
    from textclf_lesson.evaluate import evidence

    return on_test(task, evidence.best(task).fit(*splits(task)["train"]))


def on_test(task: str, model) -> dict:
    from textclf_lesson import data

    texts, truth = splits(task)["test"]
    predictions = model.predict(texts)
    letter = dict(zip(data.label_names(data.load(task)), string.ascii_letters, strict=False))
    accuracy = round(float(np.mean(np.array(predictions) == np.array(truth))), 4)
    return {"accuracy": accuracy, "predictions": "".join(letter[label] for label in predictions)}


def stored() -> list[dict]:
    """The runs of this study, and of studies/fasttext_newsgroups.py, until now."""
    paths = [path for path in (common.RESULTS / f"{name}.json" for name in NAMES) if path.exists()]
    return [run for path in paths for run in json.loads(path.read_text(encoding="utf-8"))["runs"]]


if __name__ == "__main__":
    common.run("fasttext", grid(TASKS), measure, ("fasttext-community", "scikit-learn"))
