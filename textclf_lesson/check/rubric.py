"""What earns points in the practical: `rubrics/NN.toml`, shown in the notebook, and used by `textclf grade`.

[[item]]
name = "verdicts"
points = 4
earns = "each label's verdict follows from its whole interval"
artefact = true  # answered by a file that is handed in, and not by a function
by_hand = true   # marked by a teacher, and by no check
"""

import tomllib
from functools import cache
from importlib import resources
from typing import Any


@cache
def rubric_of(lesson: str) -> list[dict[str, Any]]:
    """The items of a practical ("15") with `name`, `points`, `earns`, `artefact`, `by_hand`; other lessons: none."""
    path = resources.files(__package__).joinpath("rubrics", f"{lesson}.toml")
    if not path.is_file():
        return []
    items = tomllib.loads(path.read_text(encoding="utf-8"))["item"]
    return [{"artefact": False, "by_hand": False} | entry for entry in items]


def rubric(lesson: str) -> None:
    """Show the rubric of a practical ("15") below the cell. Raises ValueError for a lesson without one."""
    from IPython.display import display

    if not (items := rubric_of(lesson)):
        raise ValueError(f"There is no rubric for lesson {lesson!r}; the practical is '15'.")
    lines = ["| item | points | what earns them |", "|---|---|---|"]
    lines += [f"| `{entry['name']}` | {entry['points']} | {entry['earns']} |" for entry in items]
    lines.append(f"| together | {sum(entry['points'] for entry in items)} | |")
    text = "\n".join(lines)
    display({"text/markdown": text, "text/plain": text}, raw=True)
