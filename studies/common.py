"""What the studies share: a grid of runs that goes on where it stopped, its results as JSON.

A study is what does not fit a lesson's wait. Run one from the repository's root: `python -m studies.learning_rate`.
"""

import json
import os
import time
from collections.abc import Callable, Iterable
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks.common import machine
from textclf_lesson.base import runtime
from textclf_lesson.evaluate import evidence

RESULTS = Path(evidence.__file__).parent / "studies"


def run(
    name: str,
    grid: list[dict[str, Any]],
    measure: Callable[..., dict[str, Any]],
    packages: tuple[str, ...],
    seeds: Iterable[int] = (),
) -> list[dict[str, Any]]:
    """Call `measure(**settings)` for each settings of the grid that is not stored yet; store after each; return all.

    The file is `evidence/studies/NAME.json` of the package, which `evidence.study` reads. Stop it when you like: what
    is done is kept. To do a run again, delete its line; to begin anew, delete the file. A run that is no longer in
    the grid is dropped. `seeds` are stored for whoever reads the file, where they are no part of the grid.
    """
    path, seeds = RESULTS / f"{name}.json", list(seeds)
    stored = _read(path) if path.exists() else []
    done = {_key(run["settings"]): run for run in stored}
    kept = [done[_key(s)] for s in grid if _key(s) in done]
    if kept != stored:
        _store(path, name, kept, packages, seeds)
    for settings in runtime.progress([s for s in grid if _key(s) not in done], name):
        began = time.perf_counter()
        result = measure(**settings)
        minutes = round((time.perf_counter() - began) / 60, 2)
        done[_key(settings)] = {"settings": settings, "result": result, "minutes": minutes}
        _store(path, name, [done[_key(s)] for s in grid if _key(s) in done], packages, seeds)
    return [done[_key(settings)] for settings in grid]


def _key(settings: dict[str, Any]) -> str:
    return json.dumps(settings, sort_keys=True)


def _read(path: Path) -> list[dict]:
    """The stored runs. Where somebody deleted the last line, a comma is left over."""
    return json.loads(path.read_text(encoding="utf-8").replace(",\n ]", "\n ]"))["runs"]


def _store(path: Path, name: str, runs: list[dict], packages: tuple[str, ...], seeds: list[int]) -> None:
    about = {
        "command": f"python -m studies.{name}",
        **({"seeds": seeds} if seeds else {}),
        "machine": machine(),
        "versions": {package: version(package) for package in packages},
        "minutes": round(sum(run["minutes"] for run in runs), 1),
    }
    lines = ",\n  ".join(json.dumps(run, ensure_ascii=False) for run in runs)  # a run a line, to read and to delete
    text = json.dumps(about, indent=1, ensure_ascii=False)[:-2] + f',\n "runs": [\n  {lines}\n ]\n}}\n'
    path.parent.mkdir(exist_ok=True)
    partial = path.with_suffix(".partial")
    partial.write_text(text, encoding="utf-8")
    os.replace(partial, path)
