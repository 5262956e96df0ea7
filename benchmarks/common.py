"""What the benchmarks share: the machine in words, one measurement in a process of its own, results as JSON.

Run a benchmark from the repository's root: `python -m benchmarks.finetuning`; all of them: `make bench`.
"""

import json
import os
import platform
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import textclf_lesson  # noqa: F401  # lets idle threads sleep, also in children that load a library first
from textclf_lesson.evaluate import evidence

RESULTS = Path(evidence.__file__).parent / "benchmarks"
BUSY = "while True: pass"


def machine() -> dict[str, Any]:
    """The processor, its cores and relevant instructions, memory, system and Python: nothing that names the machine."""
    return {
        "processor": _cpuinfo("model name") or platform.processor() or platform.machine(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "instructions": sorted({"avx2", "avx512f", "avx512_bf16", "amx_bf16"} & set(_cpuinfo("flags").split())),
        "memory_gb": round(_memory_kb() / 1e6) or None,
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
    }


def measure(module: str, *arguments: str, timeout: float = 3600, environment: dict | None = None) -> dict[str, Any]:
    """Run `python -m MODULE ARGUMENTS` in a process of its own; the JSON of its last line, and `peak_mb`.

    `peak_mb` is the most memory the process held at once, libraries and data included, in 10^6 bytes. A process of its
    own, for memory once taken is seldom given back, and nothing warm is inherited. environment: variables for it beside
    this process's, None to take one of them away. Raises RuntimeError if it fails.
    """
    variables = {**os.environ, "TEXTCLF_PROGRESS": "0", **(environment or {})}
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-m", module, *arguments],
        stdout=subprocess.PIPE,
        text=True,
        env={name: value for name, value in variables.items() if value is not None},
    )
    killer = threading.Timer(timeout, process.kill)
    killer.start()
    try:
        lines = process.stdout.read().splitlines()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    finally:
        killer.cancel()
    if status:
        raise RuntimeError(
            f"{module} {' '.join(arguments)} failed with the status {os.waitstatus_to_exitcode(status)}."
        )
    unit = 1 if sys.platform == "darwin" else 1024  # of ru_maxrss: bytes on macOS, KiB elsewhere
    return json.loads(lines[-1]) | {"peak_mb": round(usage.ru_maxrss * unit / 1e6)}


@contextmanager
def busy(programs: int) -> Iterator[None]:
    """So many other programs compute."""
    others = [subprocess.Popen([sys.executable, "-c", BUSY]) for _ in range(programs)]
    try:
        yield
    finally:
        for other in others:
            other.kill()
            other.wait()


def spread(values: Sequence[float]) -> dict[str, float]:
    """Median, least and greatest of repeated measurements."""
    return {"median": statistics.median(values), "low": min(values), "high": max(values)}


def ratio(fast: Sequence[float], slow: Sequence[float]) -> dict[str, float]:
    """How many times as much `fast` is as `slow`: the spread of the ratios of neighbours in time.

    The two were measured in turns, so what slows the machine for a while slows both of a pair.
    """
    return spread([a / b for a, b in zip(fast, slow, strict=True)])


def write(
    name: str,
    title: str,
    question: str,
    table: list[dict[str, Any]],
    notes: Sequence[str] = (),
    packages: Sequence[str] = (),
) -> Path:
    """Store the results of one benchmark as NAME.json in the package; `tools/benchmarks.py` makes a page of all.

    table: the rows, dicts with the same keys, which head the columns; a value is text, a number, or a `spread`.
    notes: sentences below the table; what they say of numbers is computed, not typed. packages: whose versions matter.
    """
    record = {
        "title": title,
        "question": question,
        "table": table,
        "notes": list(notes),
        "command": f"python -m benchmarks.{name}",
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "machine": machine(),
        "versions": {package: version(package) for package in packages},
    }
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    path.write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return path


def _cpuinfo(field: str) -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return ""
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(field)), "")


def _memory_kb() -> int:
    try:
        return int(Path("/proc/meminfo").read_text(encoding="utf-8").split()[1])
    except OSError:
        return 0
