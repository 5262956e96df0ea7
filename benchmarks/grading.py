"""A class of forty graded by `textclf grade`: the exercise of lesson 1, each solved; then once more, with nothing new.

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

ASSIGNMENT, CLASS = "01_framing", 40
SOLUTION = Path(__file__).parents[1] / "solutions" / f"{ASSIGNMENT}.ipynb"


def child() -> None:
    """The measurement; its last line is JSON: the seconds of both times, and how many got all points."""
    with tempfile.TemporaryDirectory() as folder:
        for number in range(CLASS):
            student = Path(folder) / "class" / f"student{number:02}"
            student.mkdir(parents=True)
            shutil.copy(SOLUTION, student)
        out, seconds = Path(folder) / "marks.json", []
        jobs = str(common.machine()["cores"])
        command = [str(Path(sys.executable).with_name("textclf")), "grade", str(student.parent)]
        for _ in range(2):
            began = time.perf_counter()
            subprocess.run([*command, "--jobs", jobs, "--json", str(out)], check=True, capture_output=True)
            seconds.append(time.perf_counter() - began)
        marks = json.loads(out.read_text(encoding="utf-8"))
    print(json.dumps({"seconds": seconds, "right": sum(one["points"] == one["out_of"] for one in marks)}))


def main() -> None:
    """Measure and store."""
    run = common.measure("benchmarks.grading", "--child")
    table = [
        {
            "the class is graded": when,
            "submissions": CLASS,
            "with all points": run["right"],
            "seconds": seconds,
            "seconds each": seconds / CLASS,
            "times as fast": run["seconds"][0] / seconds,
        }
        for when, seconds in zip(["for the first time", "again, nothing new"], run["seconds"], strict=True)
    ]
    common.write(
        "grading",
        "Grading a class",
        f"How long does `textclf grade` take for {CLASS} submissions of the exercise of lesson 1, one for each core at "
        "a time?",
        table,
        notes=["The submissions are the solution, so that every item runs to its end."],
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--child", action="store_true", help="the measurement only, as JSON")
    options = parser.parse_args()
    child() if options.child else main()
