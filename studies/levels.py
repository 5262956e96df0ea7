"""The levels of the course side by side: quality, latency, size, training time; quality by labelled rows (lesson 14).

"levels", one run per task: each level learns from the training split and is scored on the test split, with its 95 %
interval and its paired difference to level one. Latency is that of single texts, one thread each, the levels in turns
in one process: compare within a run, as ratios. Level one is the strongest features of lesson 2, word pairs and letter
pieces; on the long newsgroup posts words alone. The prompted model is run for its latency only: its quality is that of
the study prompting, on 500 validation rows. Its prompt is the best of all tried there, which flatters it.

"rows": three random draws of so many training rows (of the fine-tuned model as many as are stored). movie-snippets is
judged on validation, where the fine-tuned model was judged by studies/augmentation.py, from whose results it is read;
newsgroups on 2,000 rows of the test.
"""

import functools
import itertools
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from studies import common

TFIDF, FASTTEXT, MINILM, INT8, SMOLLM2 = "TF-IDF", "fastText", "MiniLM", "MiniLM INT8", "SmolLM2"
FEATURES = {"movie-snippets": "tfidf-2gram+char", "newsgroups": "tfidf", "wiki-toxicity": "tfidf-2gram+char"}
SUBWORDS = {"dim": 50, "word_ngrams": 2, "minn": 3, "maxn": 5}
FASTTEXT_SETTINGS = {  # those of lessons 10, 3 and 8
    "movie-snippets": {"epoch": 25, "word_ngrams": 2},
    "newsgroups": {"lr": 0.5, "epoch": 15, "dim": 20},
    "wiki-toxicity": {"lr": 0.5, "epoch": 25, "loss": "ova"} | SUBWORDS,
}
FEW = {"lr": 0.5, "epoch": 50, "dim": 20}  # fastText on few rows: lesson 3
CHECKPOINTS = {"movie-snippets": "sentiment", "wiki-toxicity": "toxicity"}
TOXICITY = "focal loss with weights"  # the way of studies/toxicity.py that became the checkpoint's recipe
ROWS, SEEDS, JUDGED = [100, 250, 500, 1000, 2000], [0, 1, 2], 2000
TURNS, CALLS = 6, 40

GRID = [{"part": "levels", "task": task} for task in ("movie-snippets", "newsgroups", "wiki-toxicity")]
GRID += [
    {"part": "rows", "task": task, "level": level, "rows": rows}
    for task, levels in {"movie-snippets": (TFIDF, FASTTEXT, MINILM), "newsgroups": (TFIDF, FASTTEXT)}.items()
    for level in levels
    for rows in ROWS
]


def measure(part: str, task: str, **settings: Any) -> dict[str, Any]:
    return side_by_side(task) if part == "levels" else by_rows(task, **settings)


# --- all levels on one task -------------------------------------------------------------------------------------------


def side_by_side(task: str) -> dict[str, Any]:
    """Of each level: metric, score, low, high, difference to TF-IDF, ms, MB, minutes of training."""
    with tempfile.TemporaryDirectory() as folder:
        models, table = fitted(task, Path(folder))
        judge = several_labels if task == "wiki-toxicity" else one_label
        for level, scores in judge(task, models).items():
            table[level] |= scores
        if task == "movie-snippets":
            models[SMOLLM2], table[SMOLLM2] = prompted()
        for level, wait in latencies(task, models).items():
            table[level] |= wait
    return {level: {name: rounded(value) for name, value in row.items()} for level, row in table.items()}


def fitted(task: str, folder: Path) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """The trained levels, and what is known of each by now: MB on disk, minutes of training."""
    from textclf_lesson import data
    from textclf_lesson.deploy import export
    from textclf_lesson.models import baselines, checkpoints
    from textclf_lesson.models.fasttext import FastTextClassifier

    learn = data.columns(splits(task)["train"])
    found = {TFIDF: level_one(task), FASTTEXT: FastTextClassifier(**FASTTEXT_SETTINGS[task])}
    table = {}
    for level, model in found.items():
        began = time.perf_counter()
        model.fit(*learn)
        minutes = (time.perf_counter() - began) / 60
        table[level] = {"mb": baselines.size_bytes(model) / 1e6, "training_minutes": minutes}
    rows = {"rows": len(learn[0])}
    if task in CHECKPOINTS:
        found[MINILM] = checkpoints.load(CHECKPOINTS[task])
        began = time.perf_counter()
        export.quantize_int8(export.to_onnx(found[MINILM], folder / "onnx"), folder / "int8")
        found[INT8] = export.OnnxClassifier(folder / "int8", threads=1)
        minutes = fine_tuning_minutes(task)
        table[MINILM] = {"mb": size_mb(found[MINILM].folder_), "training_minutes": minutes}
        minutes += (time.perf_counter() - began) / 60
        table[INT8] = {"mb": size_mb(folder / "int8"), "training_minutes": minutes}
    return found, {level: rows | row for level, row in table.items()}


def level_one(task: str) -> Any:
    from sklearn.linear_model import LogisticRegression
    from sklearn.multiclass import OneVsRestClassifier
    from sklearn.pipeline import make_pipeline

    from textclf_lesson.models import baselines

    if task != "wiki-toxicity":
        return baselines.pipeline(FEATURES[task])
    features = baselines.pipeline(FEATURES[task])["features"].set_params(characters__min_df=3)
    return make_pipeline(features, OneVsRestClassifier(LogisticRegression(C=10, max_iter=1000)))


def fine_tuning_minutes(task: str) -> float:
    """As other studies timed it: the whole run, median over seeds."""
    if task == "movie-snippets":
        runs = [run for run in stored("learning_rate") if run["settings"]["rows"] == 7000]
    else:
        runs = [run for run in stored("toxicity") if run["settings"]["way"] == TOXICITY]
    return float(np.median([run["minutes"] for run in runs]))


def one_label(task: str, models: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Accuracy on the test split."""
    from textclf_lesson.data import columns
    from textclf_lesson.evaluate import metrics

    texts, truth = columns(splits(task)["test"])
    predictions = {level: model.predict(texts) for level, model in models.items()}
    return {
        level: {
            "metric": "accuracy",
            "score": metrics.report(truth, guess).accuracy,
            "interval": metrics.interval(truth, guess),
            "difference": spread(metrics.difference(truth, predictions[TFIDF], guess)),
            "to_float": spread(metrics.difference(truth, predictions[MINILM], guess)) if level == INT8 else None,
        }
        for level, guess in predictions.items()
    }


def several_labels(task: str, models: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Macro F1 of the labels on the test split, each cut where its F1 on validation is highest."""
    from textclf_lesson.data import columns
    from textclf_lesson.evaluate import metrics, thresholds

    (held, held_truth), (texts, truth) = (columns(splits(task)[split]) for split in ("validation", "test"))
    labels, found, predictions = list(truth), {}, {}
    for level, model in models.items():
        tuned = thresholds.tune(held_truth, model.predict_proba(held), labels)
        proba = model.predict_proba(texts)
        predictions[level] = tuned.apply(proba)
        score, *interval = metrics.multilabel_report(truth, proba, labels, tuned).averages.loc["macro"]
        found[level] = {"metric": "macro F1", "score": score, "interval": interval}
    for level, row in found.items():
        row["difference"] = spread(metrics.multilabel_difference(truth, predictions[TFIDF], predictions[level]))
        row["to_float"] = (
            spread(metrics.multilabel_difference(truth, predictions[MINILM], predictions[level]))
            if level == INT8
            else None
        )
    return found


def prompted() -> tuple[Any, dict[str, Any]]:
    """The best prompt of studies/prompting.py, and the default wording without examples, which needs no label."""
    from studies.prompting import LABELS, rows
    from textclf_lesson.assets import cache
    from textclf_lesson.llm.local import LocalLLM

    runs = stored("prompting")
    kinds = [(run, kind) for run in runs for kind, score in run["result"].items() if isinstance(score, list)]
    run, kind = max(kinds, key=lambda pair: pair[0]["result"][pair[1]][0])
    plain = next(run for run in runs if run["settings"]["template"] == "labels" and run["settings"]["shots"] == 0)
    model = LocalLLM(LABELS, **run["settings"], calibrate=None if kind == "none" else kind).fit(*rows("train", 1000))
    (score, *interval), (zero, *zero_interval) = run["result"][kind], plain["result"]["texts"]
    return model, {
        "mb": size_mb(cache.fetch("smollm2")),
        "training_minutes": 0.0,
        "metric": "accuracy",
        "score": score,
        "interval": interval,
        "difference": None,
        "zero_shot": [zero, *zero_interval],
        "prompts_tried": len(kinds),
    }


def latencies(task: str, models: dict[str, Any]) -> dict[str, dict[str, float]]:
    """Median and p95 in ms, of the quietest turn of each level, for other work on the machine can only add to them.

    The language model is called a fifth as often: a call of it takes a tenth of a second and more.
    """
    import torch
    from threadpoolctl import threadpool_limits

    from textclf_lesson.evaluate import metrics

    texts = splits(task)["test"].shuffle(seed=0)["text"][: TURNS * CALLS]
    times: dict[str, list[np.ndarray]] = {level: [] for level in models}
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with threadpool_limits(1):
        for turn, (level, model) in itertools.product(range(TURNS), models.items()):
            calls = CALLS // 5 if level == SMOLLM2 else CALLS
            call = model.predict_proba if task == "wiki-toxicity" else model.predict
            part = texts[turn * CALLS :][:calls]
            times[level].append(metrics.latency(call, part, n=calls, warmup=3).times)
    torch.set_num_threads(threads)
    quietest = {level: min(turns, key=np.median) for level, turns in times.items()}
    return {
        level: {"ms": float(np.median(turn)), "p95_ms": float(np.percentile(turn, 95))}
        for level, turn in quietest.items()
    }


# --- quality by labelled rows -----------------------------------------------------------------------------------------


def by_rows(task: str, level: str, rows: int) -> dict[str, Any]:
    """Mean accuracy over the draws, that of each, and the difference to TF-IDF on the same rows with its interval."""
    seeds = [seed for seed in SEEDS if level != MINILM or fine_tuned(rows, seed)]
    right = np.stack([is_right(task, level, rows, seed) for seed in seeds])
    base = np.stack([is_right(task, TFIDF, rows, seed) for seed in seeds])
    means = right.mean(axis=1).round(4).tolist()
    found = {"metric": "accuracy", "score": rounded(right.mean()), "draws": means, "judged": right.shape[1]}
    return found | {"difference": None if level == TFIDF else rounded(two_way(right - base))}


def two_way(gain: np.ndarray, n: int = 1000) -> list[float]:
    """Mean of gain (draws, judged rows), its 95 % bootstrap interval: training draws and judged rows are resampled."""
    rng = np.random.default_rng(0)
    draws, rows = gain.shape
    means = [gain[rng.integers(draws, size=draws)][:, rng.integers(rows, size=rows)].mean() for _ in range(n)]
    return [float(gain.mean()), *map(float, np.quantile(means, [0.025, 0.975]))]


@functools.cache
def is_right(task: str, level: str, rows: int, seed: int) -> np.ndarray:
    """1.0 for each judged row that is right after training on `rows` rows drawn with this seed."""
    from textclf_lesson.models.fasttext import FastTextClassifier

    if task == "movie-snippets":
        judged = splits(task)["validation"]
    else:
        judged = splits(task)["test"].shuffle(seed=0).select(range(JUDGED))
    if level == MINILM:
        bits = np.frombuffer(bytes.fromhex(fine_tuned(rows, seed)[0]["right"]), np.uint8)
        return np.unpackbits(bits)[: len(judged)].astype(float)
    learn = splits(task)["train"].shuffle(seed=seed).select(range(rows))
    model = level_one(task) if level == TFIDF else FastTextClassifier(**FEW)
    predictions = model.fit(learn["text"][:], learn["label"][:]).predict(judged["text"][:])
    return (predictions == np.array(judged["label"])).astype(float)


def fine_tuned(rows: int, seed: int) -> list[dict[str, Any]]:
    """The result of this run of studies/augmentation.py; nothing if it was not made."""
    settings = {"model": "fine-tuned", "method": "none", "rows": rows, "seed": seed}
    return [run["result"] for run in stored("augmentation") if run["settings"] == settings]


# --- small things -----------------------------------------------------------------------------------------------------


@functools.cache
def splits(task: str) -> Any:
    from textclf_lesson import data

    return data.load(task)


def stored(study: str) -> list[dict[str, Any]]:
    return json.loads((common.RESULTS / f"{study}.json").read_text(encoding="utf-8"))["runs"]


def spread(difference: Any) -> list[float]:
    return [difference.value, difference.low, difference.high]


def size_mb(folder: Path) -> float:
    return sum(file.stat().st_size for file in Path(folder).rglob("*") if file.is_file()) / 1e6


def rounded(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return [rounded(each) for each in value]
    return round(float(value), 4) if isinstance(value, float | np.floating) else value


if __name__ == "__main__":
    packages = ("scikit-learn", "fasttext-community", "torch", "transformers", "onnxruntime", "gguf")
    common.run("levels", GRID, measure, packages, SEEDS)
