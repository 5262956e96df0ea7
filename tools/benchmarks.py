"""Write docs/benchmarks.md from the stored results; `--check` only says whether the page is up to date."""

import json
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "benchmarks.md"
HEAD = """\
# Benchmarks

Made by `make bench` from the results stored in the package; do not edit. Each comparison was measured in one run, its
sides in turns. Trust the ratios: absolute times belong to the machine named below each table, and it was not always
idle. A value with a range is the median with the least and the greatest.
"""


def page(results: list[dict]) -> str:
    """The page in Markdown."""
    return "\n".join([HEAD, *map(section, results)])


def section(result: dict) -> str:
    """One benchmark: its question, its table, what to know of it."""
    columns = list(result["table"][0])
    rows = [columns, ["---"] * len(columns), *([value(row[c]) for c in columns] for row in result["table"])]
    table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    machine = result["machine"]
    memory = f", {machine['memory_gb']} GB" if machine["memory_gb"] else ""
    extras = f" ({', '.join(machine['instructions'])})" if machine["instructions"] else ""
    foot = (
        f"`{result['command']}`, {result['date']}: {machine['cores']} cores of {machine['processor']}{extras}{memory}, "
        f"{machine['system']}, Python {machine['python']}"
        + "".join(f", {package} {version}" for package, version in result["versions"].items())
        + "."
    )
    return "\n\n".join([f"## {result['title']}", result["question"], table, *result["notes"], foot]) + "\n"


def value(cell: object) -> str:
    """A cell as text; a spread as its median and range."""
    if isinstance(cell, dict):
        return f"{number(cell['median'])} ({number(cell['low'])} to {number(cell['high'])})"
    return number(cell) if isinstance(cell, int | float) else str(cell)


def number(x: float) -> str:
    """Three significant digits, whole numbers whole, thousands separated."""
    if isinstance(x, int) or abs(x) >= 100:
        return f"{round(x):,}"
    return f"{x:.3g}"


def main() -> int:
    """Write the page, or compare it; 1 if it is out of date."""
    files = sorted((ROOT / "textclf_lesson" / "evaluate" / "evidence" / "benchmarks").glob("*.json"))
    text = page([json.loads(file.read_text(encoding="utf-8")) for file in files])
    if "--check" in sys.argv[1:]:
        current = PAGE.read_text(encoding="utf-8") if PAGE.exists() else ""
        if current != text:
            print(f"{PAGE.relative_to(ROOT)} does not fit the stored results: run python tools/benchmarks.py")
        return int(current != text)
    PAGE.write_text(text, encoding="utf-8")
    print(f"{PAGE.relative_to(ROOT)}: {len(files)} benchmarks")
    return 0


if __name__ == "__main__":
    sys.exit(main())
