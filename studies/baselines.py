"""The strongest cheap classifier of each data set: what every other level of the course has to beat.

Cheap: counts of words or letters and a linear model or naive Bayes, which fits in about a minute on one thread.
"search": every setting is trained on the training split and scored on validation, one run for each kind of features.
"test": the best of them, trained on the training split alone, is scored on the test split, once, with a 95 % bootstrap
interval. "times": seconds to fit it and milliseconds for a single text, on one thread; measured with `--times` only,
each time anew: on a busy machine they are upper bounds, which `quiet: false` says. Scores do not depend on that.

Not tried: letter n-grams of long texts (newsgroups, wiki-binary, Reuters), and logistic regression for tens of classes
on more than words; so a better baseline of these sets is possible. Of several labels the metric is macro F1 at
thresholds tuned on validation. On validation itself that flatters, every setting alike; on the test it does not. Labels
without a positive training row are left out. wiki-binary is searched on 30,000 of its training rows and fitted on all.

The search is kept in evidence/studies/baselines.json of the package; what lessons read is evidence/baselines.json.
"""

import argparse
import functools
import json
import os
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from threadpoolctl import threadpool_limits

from benchmarks.common import machine
from studies import common
from textclf_lesson import data
from textclf_lesson.evaluate import evidence, metrics, thresholds
from textclf_lesson.models import baselines

EVIDENCE = Path(evidence.__file__).parent / "baselines.json"
PACKAGES = ("scikit-learn", "numpy", "scipy", "threadpoolctl")
CALLS = 200  # single texts timed
QUIET = 10  # per cent of all cores that other programs may take

# Features by name, with settings of their own: the arguments of `baselines.pipeline`.
WORDS, PAIRS, LETTERS, BOTH = ("tfidf", {}), ("tfidf-2gram", {}), ("char", {}), ("tfidf-2gram+char", {})
# Wang and Manning's: which words and pairs are there, not how often.
SEEN = ("bow", {"features__ngram_range": [1, 2], "features__binary": True})
RARE_OUT = {"features__min_df": 2}
SHORT = [WORDS, PAIRS, SEEN, LETTERS, BOTH]
LONG = [("tfidf", RARE_OUT), ("tfidf-2gram", RARE_OUT)]


@dataclass(frozen=True)
class Task:
    """metric: what is chosen by. balanced: try class weights too. rows: how many training rows the search takes."""

    features: list[tuple[str, dict[str, Any]]]
    metric: str = "accuracy"
    balanced: bool = False
    rows: int | None = None


TASKS = {
    "movie-snippets": Task(SHORT),
    "tweets": Task(SHORT, "macro_f1", balanced=True),
    "amazon-snippets": Task(SHORT, "macro_f1", balanced=True),
    "nyt-snippets": Task(SHORT, "macro_f1", balanced=True),
    "newsgroups": Task(LONG),
    "reuters-r8": Task(LONG),
    "wiki-toxicity": Task([PAIRS, LETTERS, BOTH], "macro_f1"),
    "russian-senses": Task([WORDS, LETTERS, BOTH]),
    "chinese-reviews": Task([WORDS, LETTERS, ("char", {"features__ngram_range": [1, 3]})]),
    "wiki-binary": Task(LONG, "macro_f1", balanced=True, rows=30_000),
    "reuters-r52": Task(LONG, "macro_f1", balanced=True),
    "disaster": Task([WORDS, PAIRS], "macro_f1"),
}
MANY_CLASSES = {"newsgroups", "reuters-r52", "russian-senses"}  # where logistic regression takes minutes on pairs

GRID = [
    run
    for name, task in TASKS.items()
    for run in (
        *({"part": "search", "task": name, "features": use, "options": options} for use, options in task.features),
        {"part": "test", "task": name},
    )
]
TIMES = [{"part": "times", "task": name} for name in TASKS]


def measure(part: str, task: str, **settings: Any) -> dict[str, Any]:
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # labels with few positives: their threshold stays at 0.5
        return {"search": search, "test": test, "times": times}[part](task, **settings)


# --- the search -------------------------------------------------------------------------------------------------------


def search(task: str, features: str, options: dict[str, Any]) -> dict[str, Any]:
    """Of each classifier and its settings on these features: the metric on validation, and the seconds it trained."""
    (texts, y), (held, held_y) = columns(task, "train", TASKS[task].rows), columns(task, "validation")
    several = is_multi_label(task)
    began = time.perf_counter()
    vectoriser = baselines.pipeline(features, **tuples(options))["features"]
    table = vectoriser.fit_transform(texts)
    held_table = vectoriser.transform(held)
    tried = []
    found = {"columns": table.shape[1], "seconds": round(time.perf_counter() - began, 1), "tried": tried}
    for classifier, more in classifiers(task, features):
        began = time.perf_counter()
        model = baselines.pipeline("tfidf", classifier, multi_label=several, **more)["classifier"].fit(table, y)
        seconds = round(time.perf_counter() - began, 1)
        score = validation_score(task, model, held_table, held_y)
        tried.append({"classifier": classifier, "options": more, "validation": score, "seconds": seconds})
    return found


def classifiers(task: str, features: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each classifier with each of its settings, fewer where a training is long."""
    few = is_multi_label(task) or task in MANY_CLASSES
    within = "classifier__estimator__" if is_multi_label(task) else "classifier__"
    weights = [None, "balanced"] if TASKS[task].balanced else [None]
    strengths = {
        "logreg": [10, 100] if few else [1, 3, 10, 30, 100],
        "svm": [0.3, 1] if few else [0.1, 0.3, 1],
        "nb-logreg": [3, 10] if few else [0.3, 1, 3, 10],
    }
    if task == "disaster":
        strengths = {"logreg": [1, 3], "svm": [0.1] if features == "tfidf" else [], "nb-logreg": [1]}
    if task in MANY_CLASSES and features != "tfidf":
        strengths |= {"logreg": [], "nb-logreg": []}
    inside = {
        "logreg": within,
        "svm": f"{within}estimator__",  # within its calibration
        "nb-logreg": "classifier__estimator__linear__",
    }
    for classifier, values in strengths.items():
        for strength in values:
            for weight in weights:
                options = {f"{inside[classifier]}C": strength}
                yield classifier, options | ({f"{inside[classifier]}class_weight": weight} if weight else {})
    for alpha in (0.1, 0.3, 1.0):
        yield "nb", {f"{within}alpha": alpha}


def validation_score(task: str, model: Any, table: Any, y: Any) -> float:
    if is_multi_label(task):
        proba, labels = model.predict_proba(table), list(y)
        y_pred = thresholds.tune(y, proba, labels).apply(proba)
        return rounded(metrics.multilabel_report(y, y_pred, labels, n=1).macro_f1)
    return rounded(getattr(metrics.report(y, model.predict(table)), TASKS[task].metric))


def best(task: str) -> dict[str, Any]:
    """The arguments of `baselines.pipeline` that did best on validation; of equals the first."""
    found = None
    runs = [run for run in stored() if run["settings"]["part"] == "search" and run["settings"]["task"] == task]
    for run in runs:
        for one in run["result"]["tried"]:
            if found is None or one["validation"] > found["validation"]:
                options = run["settings"]["options"] | one["options"]
                found = {"features": run["settings"]["features"], **one, "options": options}
    found["tried"] = sum(len(run["result"]["tried"]) for run in runs)
    return {name: value for name, value in found.items() if name != "seconds"}


# --- the test ---------------------------------------------------------------------------------------------------------


def fitted(task: str) -> tuple[Any, float]:
    """The best model, trained on the whole training split, and the seconds that took."""
    chosen = best(task)
    model = baselines.pipeline(
        chosen["features"], chosen["classifier"], multi_label=is_multi_label(task), **tuples(chosen["options"])
    )
    texts, y = columns(task, "train")
    began = time.perf_counter()
    model.fit(texts, y)
    return model, time.perf_counter() - began


def test(task: str) -> dict[str, Any]:
    """Scores on the test split, each with the ends of its interval."""
    model, _ = fitted(task)
    texts, y = columns(task, "test")
    chosen = best(task)
    if is_multi_label(task):
        held, held_y = columns(task, "validation")
        tuned = thresholds.tune(held_y, model.predict_proba(held), list(y))
        report = metrics.multilabel_report(y, model.predict_proba(texts), list(y), tuned)
        scores = {f"{name}_f1": report.averages.loc[name].tolist() for name in ("macro", "micro")}
        for label, row in report.per_label.iterrows():
            for metric in ("f1", "ap"):
                scores[f"{metric} {label}"] = row[[metric, f"{metric}_low", f"{metric}_high"]].tolist()
    else:
        report = metrics.report(y, model.predict(texts))
        scores = {name: [getattr(report, name), *report.interval(name)] for name in ("accuracy", "macro_f1")}
    scores = {name: [rounded(value) for value in values] for name, values in scores.items()}
    return {"chosen": chosen, "rows": len(texts), "scores": scores}


def times(task: str) -> dict[str, Any]:
    """Seconds to fit, milliseconds for a single text, and whether the machine had nothing else to do."""
    quiet = psutil.cpu_percent(interval=3) < QUIET
    model, seconds = fitted(task)
    call = model.predict_proba if is_multi_label(task) else model.predict
    wait = metrics.latency(call, columns(task, "test")[0][:CALLS], n=CALLS)
    processor = machine()["processor"]
    return {
        "fit_seconds": round(seconds, 1),
        "ms_per_text": rounded(wait.median),
        "processor": processor,
        "quiet": quiet,
    }


# --- data, and what is stored -----------------------------------------------------------------------------------------


@functools.cache
def splits(task: str) -> Any:
    return data.load(task)


def columns(task: str, split: str, rows: int | None = None) -> tuple[list[str], Any]:
    """Texts, and labels as numbers or as a table of the labels that have a positive training row."""
    found = splits(task)[split]
    if rows is not None:
        found = found.shuffle(seed=0).select(range(rows))
    if not is_multi_label(task):
        return found["text"][:], found["label"][:]
    labels = [name for name in data.label_names(splits(task)) if any(splits(task)["train"][name])]
    return found["text"][:], found.select_columns(labels).to_pandas()


def is_multi_label(task: str) -> bool:
    return "label" not in splits(task)["train"].features


def tuples(options: dict[str, Any]) -> dict[str, Any]:
    """JSON has lists only; scikit-learn wants the range of n-grams as a tuple."""
    return {name: tuple(value) if isinstance(value, list) else value for name, value in options.items()}


def stored() -> list[dict[str, Any]]:
    path = common.RESULTS / "baselines.json"
    return json.loads(path.read_text(encoding="utf-8"))["runs"] if path.exists() else []


def rounded(value: float) -> float | None:
    return None if np.isnan(value) else round(float(value), 4)


def write(runs: list[dict[str, Any]]) -> None:
    """What lessons read: of each data set the chosen settings, its scores and its times."""
    study = json.loads((common.RESULTS / "baselines.json").read_text(encoding="utf-8"))
    part = {(run["settings"]["part"], run["settings"]["task"]): run["result"] for run in runs}
    unknown = {"fit_seconds": None, "ms_per_text": None, "processor": None, "quiet": None}
    found = {}
    for name, task in TASKS.items():
        if ("test", name) not in part:  # the study was stopped before
            continue
        judged = part["test", name]
        score, low, high = judged["scores"][task.metric]
        found[name] = {
            **{key: judged["chosen"][key] for key in ("features", "classifier", "options")},
            "multi_label": is_multi_label(name),
            "metric": task.metric,
            **{"score": score, "low": low, "high": high, "validation": judged["chosen"]["validation"]},
            "scores": judged["scores"],
            "tried": judged["chosen"]["tried"],
            **part.get(("times", name), unknown),
        }
    about = {name: value for name, value in study.items() if name != "runs"}
    lines = ",\n  ".join(f"{json.dumps(name)}: {json.dumps(row, ensure_ascii=False)}" for name, row in found.items())
    text = json.dumps(about, indent=1, ensure_ascii=False)[:-2] + f',\n "baselines": {{\n  {lines}\n }}\n}}\n'
    partial = EVIDENCE.with_suffix(".partial")
    partial.write_text(text, encoding="utf-8")
    os.replace(partial, EVIDENCE)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--times", action="store_true", help="measure the times too, anew; on a quiet machine")
    if parser.parse_args().times:
        common.run("baselines", GRID, measure, PACKAGES, [0])  # drops the times of before
        wanted = TIMES
    else:
        wanted = [run["settings"] for run in stored() if run["settings"]["part"] == "times"]
    try:
        common.run("baselines", GRID + wanted, measure, PACKAGES, [0])
    finally:
        write(stored())
