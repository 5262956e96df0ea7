"""A page of docs/ that a tool writes: stored, or only compared with what it would write."""

import sys
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parents[1]


def problems(path: Path, page: Callable[[], str], source: str, tool: str) -> list[str]:
    """One sentence if the stored page is not what its source gives."""
    current = path.read_text(encoding="utf-8") if path.exists() else ""
    told = f"{path.relative_to(ROOT).as_posix()} does not fit {source}: run python -m tools.{tool}"
    return [] if current == page() else [told]


def main(path: Path, page: Callable[[], str], problems: Callable[[], list[str]]) -> int:
    """Write the page, or with `--check` compare it; 1 if it is out of date."""
    if "--check" in sys.argv[1:]:
        found = problems()
        print(*found, sep="\n")
        return len(found)
    path.write_text(page(), encoding="utf-8")
    return 0
