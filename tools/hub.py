"""Write the table of memory into docs/hub.md, from what the lessons' kernels took; `--check` only compares.

How much a hub's machine needs, by how many learners run a lesson at the same time: the hub itself, and for each of them
a server and a kernel.
"""

import json
import math
import re
import sys

from tools import pages

PAGE, TIMES = pages.ROOT / "docs" / "hub.md", pages.ROOT / "docs" / "timings.json"
CLASSES = (10, 20, 40)  # learners at the same time
HUB, SERVER = 1.0, 0.2  # GB: the system, JupyterHub and its proxy; a learner's JupyterLab before any kernel
BLOCK = re.compile(r"(?<=<!-- memory:start -->\n).*?(?=<!-- memory:end -->)", re.DOTALL)


def kernel(peak_mb: float) -> float:
    """What a kernel is given, in GB: its measured peak, rounded up to the next half."""
    return math.ceil(2 * peak_mb / 1000) / 2


def machine(peak_mb: float, learners: int) -> int:
    """The memory of a machine on which so many run the lesson at the same time, in whole GB."""
    return math.ceil(HUB + learners * (SERVER + kernel(peak_mb)))


def table(lessons: dict[str, dict]) -> str:
    """A row a lesson: the limit of a learner, and the machine for each class. The highest measured peak counts."""
    lines = [
        f"| lesson | measured | limit a learner | {' | '.join(f'{count} learners' for count in CLASSES)} |",
        f"|---|---|---|{'---|' * len(CLASSES)}",
    ]
    for lesson in lessons.values():
        peaks = [run["peak_mb"] for run in lesson.values() if isinstance(run, dict) and run.get("peak_mb")]
        if not peaks:
            lines.append(f"| {lesson['title']} | not yet | {'– | ' * (1 + len(CLASSES))}".rstrip())
            continue
        sizes = " | ".join(f"{machine(max(peaks), count)} GB" for count in CLASSES)
        limit = SERVER + kernel(max(peaks))
        lines.append(f"| {lesson['title']} | {max(peaks) / 1000:.1f} GB | {limit:.1f} GB | {sizes} |")
    return "\n".join(lines) + "\n"


def page() -> str:
    lessons = json.loads(TIMES.read_text(encoding="utf-8"))["lessons"]
    return BLOCK.sub(lambda _: table(lessons), PAGE.read_text(encoding="utf-8"))


def problems() -> list[str]:
    """One sentence if the table is not that of the measured times."""
    return pages.problems(PAGE, page, "docs/timings.json", "hub")


if __name__ == "__main__":
    sys.exit(pages.main(PAGE, page, problems))
