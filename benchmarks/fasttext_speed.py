"""fastText against TF-IDF with logistic regression on 150,000 comments, in turns, each in a process of its own.

Both see the same rows and are judged on the same test split. Time to train includes all that turns texts into numbers;
time for one text is a call of `predict` with a list of one, checks included.
"""

import argparse
import json
import time

from benchmarks import common

TURNS = 3
RECIPES = {
    "tfidf": "TF-IDF + logistic regression",
    "words": "fastText, words",
    "words-all-cores": "fastText, words, a thread for each core",
    "subwords": "fastText, words and subwords of 3 to 5 letters",
}


def classifier(recipe: str):
    """The untrained model of a recipe."""
    from textclf_lesson.models import baselines
    from textclf_lesson.models.fasttext import FastTextClassifier

    if recipe == "tfidf":
        return baselines.pipeline()
    pieces = {"minn": 3, "maxn": 5} if recipe == "subwords" else {}
    threads = common.machine()["cores"] if recipe == "words-all-cores" else 1
    return FastTextClassifier(dim=20, thread=threads, **pieces)


def child(recipe: str) -> None:
    """One measurement; its last line is JSON. The recipe "none" only loads the data: what memory that takes."""
    from textclf_lesson import data
    from textclf_lesson.course import lesson
    from textclf_lesson.evaluate import metrics
    from textclf_lesson.models import baselines

    lesson.setup()
    wiki = data.load("wiki-binary")
    texts, labels, judged = wiki["train"]["text"][:], wiki["train"]["label"][:], wiki["test"]["text"][:]
    if recipe == "none":
        print(json.dumps({}))
        return
    model = classifier(recipe)
    began = time.perf_counter()
    model.fit(texts, labels)
    seconds = time.perf_counter() - began
    result = {
        "rows_per_s": len(texts) / seconds,
        "us_per_text": 1000 * metrics.latency(model.predict, judged[:1000], n=1000).median,
        "size_mb": baselines.size_bytes(model) / 1e6,
        "macro_f1": metrics.report(wiki["test"]["label"][:], model.predict(judged)).macro_f1,
    }
    print(json.dumps(result))


def main() -> None:
    """Measure in turns and store."""
    runs = {recipe: [] for recipe in RECIPES}
    for turn in range(TURNS):
        for recipe, results in runs.items():
            results.append(common.measure("benchmarks.fasttext_speed", "--child", recipe))
            print(f"turn {turn + 1} of {TURNS}, {recipe}: {results[-1]}", flush=True)
    values = {recipe: {key: [run[key] for run in results] for key in results[0]} for recipe, results in runs.items()}
    base = values["tfidf"]
    table = []
    for recipe, name in RECIPES.items():
        own, is_base = values[recipe], recipe == "tfidf"
        row = {
            "recipe": name,
            "rows/s in training": common.spread(own["rows_per_s"]),
            "times TF-IDF's": 1 if is_base else common.ratio(own["rows_per_s"], base["rows_per_s"]),
            "µs for one text": common.spread(own["us_per_text"]),
            "times as fast": 1 if is_base else common.ratio(base["us_per_text"], own["us_per_text"]),
            "model, MB": round(own["size_mb"][0], 1),
            "peak memory, MB": common.spread(own["peak_mb"]),
            "test macro F1": common.spread(own["macro_f1"]),
        }
        table.append(row)
    held = common.measure("benchmarks.fasttext_speed", "--child", "none")["peak_mb"]
    common.write(
        "fasttext_speed",
        "fastText",
        "How fast does fastText learn and answer, on the same comments as TF-IDF with logistic regression?",
        table,
        notes=[
            f"wiki-binary, {TURNS} turns. Libraries and data alone take {held:,} MB of the peak memory. Vectors of 20 "
            "numbers; 5 epochs. One thread repeats bit for bit, several do not."
        ],
        packages=["fasttext-community", "scikit-learn"],
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--child", choices=[*RECIPES, "none"], help="one measurement only, as JSON")
    options = parser.parse_args()
    child(options.child) if options.child else main()
