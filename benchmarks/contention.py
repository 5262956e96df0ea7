"""Training and a lesson, alone on the machine and beside busy programs, with OpenMP threads that sleep or spin.

Training is twelve steps of MiniLM on movie-snippets, with AMX (bfloat16, where this processor has it) and without
(float32, `ONEDNN_MAX_CPU_ISA=AVX512_CORE`). The lesson runs as `textclf run` runs it. In each turn the same work is
done alone, beside one busy program and beside two, so ratios are of neighbours in time.
"""

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks import common
from textclf_lesson import IDLE_THREADS
from textclf_lesson.base import machine, runtime

STEPS, BATCH, TURNS = 12, 32, 3
LESSON = "14"  # scikit-learn, fastText and onnxruntime; under a minute
PROGRAMS = (0, 1, 2)
FAIR = "Beside one busy program a fair share of two cores would take 1.5 times as long, beside two twice as long."
# What libgomp does by default, once it is named: a value that is set already, `import textclf_lesson` leaves alone.
THREADS = {"sleep (the course's setting)": IDLE_THREADS, "spin (OpenMP's default)": {"GOMP_SPINCOUNT": "300000"}}


def training() -> Callable[[], object]:
    """Twelve steps, ready to go: what is timed is `fit`, from the texts to the trained model."""
    from textclf_lesson import data
    from textclf_lesson.models.transformer import TransformerClassifier

    runtime.limit_threads()
    rows = data.load("movie-snippets")["train"].shuffle(seed=0).select(range(STEPS * BATCH))
    classifier = TransformerClassifier(epochs=1, batch_size=BATCH)
    return lambda: classifier.fit(rows["text"][:], rows["label"][:])


def one_lesson() -> Callable[[], object]:
    """One lesson in a fresh kernel, from its start to the last output."""
    from textclf_lesson.course import runner

    (path,) = Path("notebooks").glob(f"{LESSON}_*.ipynb")

    def run() -> None:
        if error := runner.execute(path).error:
            raise RuntimeError(error)

    return run


def child(work: str) -> None:
    """One measurement; its last line is JSON: the seconds that the work took."""
    run = {"training": training, "lesson": one_lesson}[work]()
    began = time.perf_counter()
    run()
    print(json.dumps({"seconds": time.perf_counter() - began}))


def works() -> dict[str, tuple[str, dict[str, str]]]:
    """What is measured here: its name in the table; the child's work and environment."""
    found = {f"{STEPS} training steps, with AMX": ("training", {})} if machine.has_amx() else {}
    found[f"{STEPS} training steps, without AMX"] = ("training", machine.NO_AMX)
    return found | {f"lesson {LESSON}": ("lesson", {})}


def main(turns: int, store: bool) -> None:
    """Measure in turns; store, or only print."""
    table = []
    for name, (work, environment) in works().items():
        seconds = {threads: {programs: [] for programs in PROGRAMS} for threads in THREADS}
        for turn in range(turns):
            for threads, setting in THREADS.items():
                own = dict.fromkeys(IDLE_THREADS) | setting | environment
                for programs in PROGRAMS:
                    with common.busy(programs):
                        took = common.measure("benchmarks.contention", "--child", work, environment=own)["seconds"]
                    seconds[threads][programs].append(took)
                    print(f"turn {turn + 1} of {turns}, {name}, {threads}, {programs}: {took:.1f} s", flush=True)
        first = next(iter(THREADS))
        table += [
            {
                "work": name,
                "idle threads": threads,
                "busy programs beside it": programs,
                "seconds": common.spread(own[programs]),
                "times as long as alone": common.ratio(own[programs], own[0]) if programs else 1,
                "times as long as asleep": common.ratio(own[programs], seconds[first][programs])
                if threads != first
                else 1,
            }
            for threads, own in seconds.items()
            for programs in PROGRAMS
        ]
    if not store:
        print(json.dumps(table, indent=1, ensure_ascii=False))
        return
    common.write(
        "contention",
        "Beside other programs",
        "How many times as long do training and a lesson take beside programs that keep one core busy each?",
        table,
        notes=[f"{turns} turns, each measurement in a process of its own.", FAIR],
        packages=["torch", "transformers", "scikit-learn"],
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--child", choices=["training", "lesson"], help="one measurement only, as JSON")
    parser.add_argument("--turns", type=int, default=TURNS)
    parser.add_argument("--try", dest="trying", action="store_true", help="print the results, store nothing")
    options = parser.parse_args()
    child(options.child) if options.child else main(options.turns, store=not options.trying)
