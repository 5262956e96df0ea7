"""docs/tutorials_measured.md: what widely read tutorials say of text classification, beside what this course measured.

    python -m tools.tutorials            # write the page
    python -m tools.tutorials --check    # only compare

Every number is read from a stored study, benchmark, baseline or model card, and what is quoted is a claim that a
lesson's stored run has found true: a study or lesson that is run again changes the page, or stops this tool.
"""

import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from textclf_lesson.evaluate import evidence, metrics
from textclf_lesson.models import checkpoints
from tools import pages

PAGE = pages.ROOT / "docs" / "tutorials_measured.md"
STORED = pages.ROOT / "textclf_lesson" / "evaluate" / "evidence"
HEAD = """# What tutorials say, and what was measured here

This page is written by `python -m tools.tutorials` from stored results. The statements are those of widely read
tutorials, in our words. *Measured here* names the data; no verdict reaches further than they do. Intervals are 95 %,
paired where two models are compared. Milliseconds are of one text on the processor that the study names, with AMX.

| | statement | measured here | verdict | where |
|---|---|---|---|---|"""
HOLDS, NOT, OPEN = "**holds** here", "**does not hold** here", "**not measured** here"


@dataclass
class Row:
    """A statement, what was measured, what follows, and the lessons that measure it."""

    statement: str
    measured: str
    verdict: str
    where: str


ROWS: list[Callable[[], Row]] = []


@cache
def table_of(benchmark: str) -> list[dict[str, Any]]:
    """The rows of a stored benchmark, of each measured figure its median."""
    stored = json.loads((STORED / "benchmarks" / f"{benchmark}.json").read_text(encoding="utf-8"))["table"]
    return [
        {name: value["median"] if isinstance(value, dict) else value for name, value in row.items()} for row in stored
    ]


def line(benchmark: str, first: str) -> dict[str, Any]:
    """The row of a benchmark whose first cell begins so; an error if there are none or several."""
    found = [row for row in table_of(benchmark) if str(next(iter(row.values()))).startswith(first)]
    (row,) = [row for row in found if next(iter(row.values())) == first] or found
    return row


@cache
def levels(task: str) -> dict[str, dict[str, Any]]:
    """What each level of approach reached on a data set (studies/levels.py)."""
    runs = json.loads((STORED / "studies" / "levels.json").read_text(encoding="utf-8"))["runs"]
    (found,) = [run["result"] for run in runs if run["settings"] == {"part": "levels", "task": task}]
    return found


def gap(numbers: list[float]) -> str:
    """A paired difference with its interval."""
    return "{:+.3f} [{:+.3f}, {:+.3f}]".format(*numbers)


def score(numbers: list[float]) -> str:
    return "{:.3f} [{:.3f}, {:.3f}]".format(*numbers)


def claimed(lesson: str, text: str) -> str:
    """A claim that a lesson's stored run has found true, quoted; an error if it has not."""
    (path,) = (pages.ROOT / "notebooks").glob(f"{lesson}_*.ipynb")
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    outputs = [output for cell in cells if cell["cell_type"] == "code" for output in cell["outputs"]]
    if not any(f"✓ {text}" in "".join(output.get("text", "")) for output in outputs):
        raise ValueError(f"Lesson {lesson} has no claim found true that says {text!r}.")
    return f"“{text}” ✓"


def row(rule: Callable[[], Row]) -> Callable[[], Row]:
    ROWS.append(rule)
    return rule


@row
def parameters() -> Row:
    cheap = evidence.runs("labelled_rows").groupby(["rows", "model"])["accuracy"].mean().unstack()
    runs = json.loads((STORED / "studies" / "levels.json").read_text(encoding="utf-8"))["runs"]
    tuned = {
        run["settings"]["rows"]: run["result"]["score"]
        for run in runs
        if run["settings"].get("level") == "MiniLM" and run["settings"]["task"] == "movie-snippets"
    }
    best = {rows: (cheap.loc[rows].idxmax(), cheap.loc[rows].max()) for rows in sorted({*cheap.index} & {*tuned})}
    told = ", ".join(
        f"{rows:,} rows: {name} {value:.2f}, fine-tuned {tuned[rows]:.2f}" for rows, (name, value) in best.items()
    )
    changes = len({name for name, _ in best.values()}) > 1
    return Row(
        "Five things decide the approach: number of classes, labelled rows (500 or more a class), language, latency, "
        "interpretability.",
        f"movie-snippets, accuracy on validation, the better of two cheap levels beside the fine-tuned one: {told}.",
        "**holds** here for rows: which cheap level is best changes with them"
        if changes
        else "no level changes with the rows that were tried here",
        "1.8, 4.5, 14",
    )


@row
def simple_first() -> Row:
    film = levels("movie-snippets")
    difference, quick = film["MiniLM"]["difference"], film["TF-IDF"]["ms"]
    return Row(
        "Jumping to BERT is a mistake where logistic regression solves the task in 50 ms.",
        f"movie-snippets: TF-IDF needs {quick:.1f} ms a text; MiniLM is better by {gap(difference)} accuracy "
        f"and needs {film['MiniLM']['ms']:.0f} ms.",
        "**holds only when** the simple model *solves* the task: on film sentences it does not"
        if difference[1] > 0
        else HOLDS,
        "2.8, 4.6",
    )


@row
def classic_accuracy() -> Row:
    found = {name: evidence.baseline(name) for name in evidence.names()}
    accuracy = {name: one.scores["accuracy"][0] for name, one in found.items() if "accuracy" in one.scores}
    inside = [name for name, value in accuracy.items() if 0.85 <= value <= 0.92]
    quick = max(levels(task)["TF-IDF"]["ms"] for task in ("movie-snippets", "newsgroups", "wiki-toxicity"))
    spread = f"{min(accuracy.values()):.2f} ({min(accuracy, key=accuracy.get)}) to {max(accuracy.values()):.2f}"
    return Row(
        "TF-IDF with a linear model or boosted trees: 85 to 92 % accuracy on typical tasks, below 10 ms a text.",
        f"best cheap model of {len(accuracy)} sets: accuracy {spread} ({max(accuracy, key=accuracy.get)}); "
        f"{len(inside)} of {len(accuracy)} lie between 0.85 and 0.92. At most {quick:.1f} ms a text on three sets.",
        f"below 10 ms: {HOLDS if quick < 10 else NOT}; 85 to 92 %: {HOLDS if len(inside) == len(accuracy) else NOT}",
        "2",
    )


@row
def fasttext() -> Row:
    words, rival = line("fasttext_speed", "fastText, words"), line("fasttext_speed", "TF-IDF + logistic regression")
    seconds, ms = 100_000 / words["rows/s in training"], words["µs for one text"] / 1000
    behind = [gap(levels(task)["fastText"]["difference"]) for task in ("movie-snippets", "newsgroups")]
    return Row(
        "fastText: 100,000 rows in under 30 s, about 1 ms a text, close to BERT for topics.",
        f"wiki-binary: {seconds:.0f} s for 100,000 comments (TF-IDF with logistic regression: "
        f"{100_000 / rival['rows/s in training']:.0f} s), {ms:.2f} ms a text. Against TF-IDF: {behind[0]} on "
        f"movie-snippets, {behind[1]} on newsgroups, not searched there. No transformer was run on whole topics yet.",
        f"speed: {HOLDS if seconds < 30 and ms < 1 else NOT}; close to BERT for topics: {OPEN}",
        "3",
    )


@row
def fine_tuning() -> Row:
    film, toxic = levels("movie-snippets")["MiniLM"], levels("wiki-toxicity")["MiniLM"]
    return Row(
        "A fine-tuned transformer for complex classes or few labels; 2 to 10 epochs, 15 to 60 minutes on a GPU.",
        f"MiniLM, 23 million parameters, against TF-IDF: {gap(film['difference'])} accuracy on movie-snippets in "
        f"{film['training_minutes']:.1f} minutes, {gap(toxic['difference'])} macro F1 on wiki-toxicity in "
        f"{toxic['training_minutes']:.1f} minutes, on two processor cores without a GPU.",
        f"better: {HOLDS if min(film['difference'][1], toxic['difference'][1]) > 0 else NOT}; for a small encoder and "
        "thousands of short texts no GPU is needed",
        "4, 5",
    )


@row
def prompting() -> Row:
    toy = levels("movie-snippets")["SmolLM2"]
    return Row(
        "A prompted language model: no labels, quick start, 500 ms to 2 s a text, costly at scale.",
        f"movie-snippets: SmolLM2, 135 million parameters, {toy['ms']:.0f} ms a text on two cores and accuracy "
        f"{score([toy['score'], *toy['interval']])}: a toy. Nothing larger is stored.",
        f"latency of a large model: {OPEN}",
        "10",
    )


@row
def imbalance() -> Row:
    runs = {
        (run["settings"]["task"], run["settings"]["remedy"]): run["result"]
        for run in json.loads((STORED / "studies" / "imbalance.json").read_text(encoding="utf-8"))["runs"]
    }
    rare = {
        remedy: [runs["reuters-r52", remedy]["1 to 19 rows"][part] for part in ("gain", "low", "high")]
        for remedy in ("weights, balanced", "SMOTE", "rows left out", "focal, γ = 2")
    }
    told = ", ".join(f"{remedy} {gap(numbers)}" for remedy, numbers in rare.items())
    return Row(
        'Class weights by `compute_class_weight("balanced")`, SMOTE on embeddings, undersampling only where the '
        "majority is too large, focal loss with γ = 2 for 1 to 100.",
        f"reuters-r52, a small network on frozen vectors, gain in F1 of topics with fewer than 20 rows: {told}.",
        f"weights and SMOTE: {HOLDS if min(rare['weights, balanced'][1], rare['SMOTE'][1]) > 0 else NOT}; focal loss "
        f"alone brings {rare['focal, γ = 2'][0]:.2f} there",
        "6",
    )


@row
def accuracy_hides() -> Row:
    found = evidence.baseline("reuters-r52").scores
    return Row(
        "95 % accuracy with a class of 5 % says nothing: F1 of each class, macro F1 as the main metric, the confusion "
        "matrix in the first assessment, a calibration curve where probabilities matter.",
        f"reuters-r52, best cheap model: accuracy {found['accuracy'][0]:.3f}, macro F1 {found['macro_f1'][0]:.3f}.",
        HOLDS if found["accuracy"][0] - found["macro_f1"][0] > 0.1 else NOT,
        "1.5, 6.1, 8",
    )


@row
def thresholds() -> Row:
    facts = checkpoints.card("toxicity").facts["scores"]["test"]
    f1 = {name.removeprefix("F1 "): values[0] for name, values in facts.items() if name.startswith("F1 ")}
    return Row(
        "Several labels: a sigmoid and binary cross-entropy for each, and a threshold for each that maximises F1.",
        "wiki-toxicity, thresholds tuned on validation, F1 on test: "
        + ", ".join(f"{label} {value:.2f}" for label, value in f1.items())
        + ".",
        "**holds only when** a label has enough validation rows: below 20 positives the best threshold is luck",
        "5.5",
    )


@row
def export() -> Row:
    fused, int8 = line("export", "ONNX Runtime, fused"), line("export", "ONNX Runtime, fused, INT8 dynamic")
    lengths = ("1×16", "1×128", "1×512", "16×64")
    speed = {name: [one[f"times torch at {name}"] for one in (fused, int8)] for name in lengths}
    lost = line("export", "torch, float32")["test accuracy"] - int8["test accuracy"]
    small = line("export", "torch, float32")["file, MB"] / int8["file, MB"]
    told = ", ".join(f"{name}: {a:.1f} and {b:.1f}" for name, (a, b) in speed.items())
    return Row(
        "ONNX is 2 to 4 times as fast as torch on a CPU; INT8 is 4 times smaller and loses less than 1 % accuracy; "
        "both together answer 512 tokens in 20 to 50 ms.",
        f"MiniLM, batch × tokens, times torch's speed for ONNX and for ONNX with INT8: {told}. INT8: {small:.1f} times "
        f"smaller, accuracy {-lost:+.4f}.",
        f"2 to 4 times by ONNX alone: **holds only when** texts are short; size and accuracy of INT8: "
        f"{HOLDS if small > 3.5 and lost < 0.01 else NOT}; 512 tokens in milliseconds: see lesson 11",
        "11",
    )


@row
def drift() -> Row:
    return Row(
        "Drift is seen by the KL divergence of the predicted classes; whatever leaves the historical corridor means "
        "retraining.",
        "film snippets → tweets, Amazon reviews, editorials: "
        + claimed("13", "the rule of thumb misses most windows of tweets")
        + "; corridors: "
        + claimed("13", "the naive one is exceeded more often"),
        f"seen by KL: {NOT} for tweets; an alarm is a reason to *look*, not yet to *retrain*",
        "13",
    )


@row
def timeline() -> Row:
    return Row(
        "A baseline takes 3 to 5 days with annotation, BERT 1 to 2 weeks, production with monitoring 3 to 5 weeks.",
        "A course cannot measure a team's weeks. What the machine needs of them is small: see the training minutes "
        "above.",
        OPEN,
        "14",
    )


@row
def augmentation() -> Row:
    runs = evidence.runs("augmentation")
    told, held = [], []
    for model, rows in (("words", 500), ("fine-tuned", 500)):
        own = runs[(runs["model"] == model) & (runs["rows"] == rows)]
        for method in ("eda", "paraphrase"):
            with_it = own[own["method"].str.lower() == method]
            without = own[own["method"] == "none"]
            if with_it.empty or without.empty:
                continue
            both = with_it.merge(without, on="seed", suffixes=("", "_none"))
            right = {end: np.stack([_bits(text) for text in both[f"right{end}"]]) for end in ("", "_none")}
            n = right[""].shape[1]
            truth = np.ones(n, int)
            found = metrics.difference(truth, [*right["_none"]], [*right[""]])
            numbers = [found.value, found.low, found.high]
            told.append(f"{method.upper() if method == 'eda' else method} for {model}: {gap(numbers)}")
            held.append(found.low > 0)
    return Row(
        "EDA (replace, insert, swap, delete; α = 0.1, 4 variants), back-translation, paraphrase by T5, mixup.",
        f"movie-snippets, 500 rows, gain in accuracy on validation over no augmentation: {'; '.join(told)}. "
        "Back-translation by a capable model is not stored yet.",
        f"{sum(held)} of {len(held)} gains are clear of zero",
        "7",
    )


def _bits(text: str) -> np.ndarray:
    return np.unpackbits(np.frombuffer(bytes.fromhex(text), np.uint8)).astype(int)


@row
def ensembles() -> Row:
    return Row(
        "An ensemble is the mean of the logits of several transformers.",
        "wiki-toxicity, unlike members with tuned weights: "
        + claimed("08", "on test the average is clearly better than the best baseline, and than fastText")
        + "; "
        + claimed("08", "than the transformer it is not worse"),
        f"better than the best member: {OPEN} beyond that",
        "8",
    )


@row
def attention() -> Row:
    return Row(
        "An attention heat map of one layer and head explains the model.",
        "movie-snippets, the words that each way points to deleted: "
        + claimed("09", "gradients name the deciding words better than attention")
        + "; "
        + claimed("09", "attention is better than nothing"),
        NOT,
        "9",
    )


@row
def handler() -> Row:
    textbook, ours = line("serving", "textbook"), line("serving", "`textclf serve`, INT8")
    return Row(
        "A FastAPI handler `async def` that runs the model inside.",
        f"32 connections: {textbook['requests/s']:.0f} requests a second, p99 {textbook['p99 latency, ms']:.0f} ms, "
        f"{textbook['lost when told to stop']} requests lost at a stop; the course's service with INT8: "
        f"{ours['requests/s']:.0f} a second, {ours['p99 latency, ms']:.0f} ms, {ours['lost when told to stop']} lost. "
        "Part of the factor is INT8's alone.",
        NOT if textbook["lost when told to stop"] else HOLDS,
        "12",
    )


@row
def jigsaw() -> Row:
    facts = checkpoints.card("toxicity").facts["scores"]["test"]
    f1 = {name.removeprefix("F1 "): values for name, values in facts.items() if name.startswith("F1 ")}
    above = [label for label, values in f1.items() if values[0] > 0.75]
    low = [f"{label} {score(values)}" for label, values in f1.items() if values[0] <= 0.75]
    return Row(
        "Multi-label BERT on the six Jigsaw labels with focal loss, EDA and thresholds: F1 above 0.75 on every label.",
        f"wiki-toxicity test, the shared model: {len(above)} of {len(f1)} labels above 0.75"
        + (f"; not {', '.join(low)}." if low else "."),
        HOLDS if not low else NOT,
        "5, 15",
    )


def page() -> str:
    """The page in Markdown."""
    return "\n".join([HEAD, *_lines()]) + "\n"


def _lines() -> Iterator[str]:
    for number, rule in enumerate(ROWS, 1):
        found = rule()
        yield f"| {number} | {found.statement} | {found.measured} | {found.verdict} | {found.where} |"


def problems() -> list[str]:
    """One sentence if the page is not what the stored results give."""
    return pages.problems(PAGE, page, "the stored results", "tutorials")


if __name__ == "__main__":
    sys.exit(pages.main(PAGE, page, problems))
