"""A class of forty graded by `textclf grade`: the exercise of lesson 1, each solved, with one worker and one per core.

Each submission gets processes of its own, started anew after whatever had to be stopped; that is what the time goes to.
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks import common

ASSIGNMENT, CLASS, TURNS = "01_framing", 40, 2
SOLUTION = Path(__file__).parents[1] / "solutions" / f"{ASSIGNMENT}.ipynb"


def child(jobs: int) -> None:
    """One measurement; its last line is JSON: seconds for the class, and the points that each got."""
    with tempfile.TemporaryDirectory() as folder:
        for number in range(CLASS):
            student = Path(folder) / "class" / f"student{number:02}"
            student.mkdir(parents=True)
            shutil.copy(SOLUTION, student)
        command = [str(Path(sys.executable).with_name("textclf")), "grade", str(student.parent)]
        out = Path(folder) / "marks.json"
        began = time.perf_counter()
        subprocess.run([*command, "--jobs", str(jobs), "--json", str(out)], check=True, capture_output=True)
        seconds = time.perf_counter() - began
        marks = json.loads(out.read_text(encoding="utf-8"))
    print(json.dumps({"seconds": seconds, "right": sum(one["points"] == one["out_of"] for one in marks)}))


def main() -> None:
    """Measure in turns and store."""
    cores = common.machine()["cores"]
    runs = {jobs: [] for jobs in sorted({1, cores})}
    for _ in range(TURNS):
        for jobs, found in runs.items():
            found.append(common.measure("benchmarks.grading", "--child", str(jobs)))
    seconds = {jobs: [run["seconds"] for run in found] for jobs, found in runs.items()}
    table = [
        {
            "at a time": jobs,
            "submissions": CLASS,
            "all points": min(run["right"] for run in runs[jobs]),
            "minutes": common.spread([value / 60 for value in seconds[jobs]]),
            "times the speed of one": common.ratio(seconds[1], seconds[jobs]) if jobs > 1 else 1,
        }
        for jobs in runs
    ]
    common.write(
        "grading",
        "Grading a class",
        f"How long does `textclf grade` take for {CLASS} submissions of the exercise of lesson 1?",
        table,
        notes=[f"{TURNS} turns. The submissions are the solution, so that every item runs to its end."],
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--child", type=int, metavar="JOBS", help="one measurement only, as JSON")
    options = parser.parse_args()
    child(options.child) if options.child else main()
