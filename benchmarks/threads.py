"""scikit-learn's solvers with OpenBLAS on one thread and on all cores, alone on the machine and beside other programs.

What is timed are six logistic regressions on the TF-IDF of wiki-toxicity, one for each label, as lesson 8 fits them.
"""

import argparse
import json
import time

from benchmarks import common

TURNS = 3


def child(threads: int) -> None:
    """One measurement; its last line is JSON: the seconds that the six fits take with so many threads."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.multiclass import OneVsRestClassifier
    from threadpoolctl import threadpool_limits

    from textclf_lesson import data
    from textclf_lesson.models import baselines

    wiki = data.load("wiki-toxicity")
    comments, labels = wiki["train"].to_pandas(), data.label_names(wiki)
    rows = baselines.pipeline("tfidf")["features"].fit_transform(comments["text"])
    heads = OneVsRestClassifier(LogisticRegression(C=10, max_iter=1000))
    with threadpool_limits({"blas": threads}):
        began = time.perf_counter()
        heads.fit(rows, comments[labels])
    print(json.dumps({"seconds": time.perf_counter() - began}))


def main() -> None:
    """Measure in turns and store."""
    cores = common.machine()["cores"]
    table = []
    for programs in (0, cores):
        runs = {threads: [] for threads in (1, cores)}
        with common.busy(programs):
            for _ in range(TURNS):
                for threads in runs:
                    turn = common.measure("benchmarks.threads", "--child", str(threads))
                    runs[threads].append(turn["seconds"])
        table += [
            {
                "other programs that compute": programs,
                "threads of OpenBLAS": threads,
                "seconds": common.spread(seconds),
                "times as long": 1 if threads == 1 else common.ratio(seconds, runs[1]),
            }
            for threads, seconds in runs.items()
        ]
    common.write(
        "threads",
        "One thread for scikit-learn's solvers",
        "How long do six logistic regressions take when OpenBLAS shares its sums out among the cores?",
        table,
        notes=[
            f"The same six fits on the same rows in processes of their own, {TURNS} turns. `course.setup` sets one."
        ],
        packages=["scikit-learn", "numpy", "scipy"],
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--child", type=int, help="one measurement with so many threads, as JSON")
    options = parser.parse_args()
    child(options.child) if options.child else main()
