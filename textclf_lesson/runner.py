"""Runs lessons from top to bottom in fresh kernels and tells how it went: what `make course` does."""

import os
import re
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbformat import NotebookNode
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from textclf_lesson.render import to_html

CELL_LIMIT = 600  # seconds; ten times what any cell of the course may take on two quiet cores
KERNEL_START_LIMIT = 120  # seconds


class NotebookError(ValueError):
    """A file that is no notebook, or none that can be read."""


@dataclass
class Outcome:
    """How one lesson went. `error` is empty if every cell ran; `notebook` is None if the file could not be read."""

    path: Path
    notebook: NotebookNode | None = None
    seconds: float = 0.0  # from the start of the kernel to the last output: what a learner waits
    longest: float = 0.0  # seconds of the slowest cell
    error: str = ""

    @property
    def claims(self) -> int:
        """How many claims held."""
        return count_claims(self.notebook) if self.notebook else 0


def run(notebooks: Iterable[Path], out: Path) -> int:
    """Run the notebooks one after another; write an executed copy and an HTML page of each into `out`.

    Shows progress (live on a terminal, else a line per lesson) and ends with a table. A lesson that fails does not
    stop the others. Returns 0 if all went well, 1 if any lesson failed or there was none to run.
    """
    notebooks = list(notebooks)
    console = Console()
    if not notebooks:
        console.print("There is no notebook to run.")
        return 1
    outcomes = []
    for outcome in run_all(notebooks, console):
        outcomes.append(outcome)
        save(outcome, out)
    console.print(_table(outcomes))
    failed = tell_failures(outcomes, console)
    console.print(f"Read them in {out}/*.html. To work through them yourself: make lab", soft_wrap=True)
    return 1 if failed else 0


def run_all(notebooks: Iterable[Path], console: Console) -> Iterator[Outcome]:
    """Execute each notebook in a kernel of its own, with progress on the console; yield each when it is done."""
    live = console.is_terminal
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("cells")
    with Progress(*columns, TimeElapsedColumn(), console=console, disable=not live) as bars:
        for path in notebooks:
            task = bars.add_task(path.stem, total=None)
            if not live:
                console.print(f"{path.stem} ...", highlight=False)

            def tell(done: int, cells: int, task=task) -> None:
                bars.update(task, completed=done, total=cells)

            outcome = execute(path, tell)
            bars.stop_task(task)
            if not live:
                state = "failed" if outcome.error else "ok"
                console.print(f"{path.stem} {state} after {outcome.seconds:.1f} s", highlight=False)
            yield outcome


def execute(
    path: Path, tell: Callable[[int, int], None] = lambda done, cells: None, limit: int = CELL_LIMIT
) -> Outcome:
    """Run one notebook, cell by cell, in a fresh kernel whose working directory is the notebook's folder.

    `tell(done, cells)` is called after every cell; `limit` is the time in seconds that one cell may take. Whatever goes
    wrong (no such file, not a notebook, a failing cell, a cell over the limit, a dead kernel) ends up in the outcome's
    `error`: the notebook, the cell, its first line, and what happened. The file itself is left as it is.
    """
    try:
        notebook = read(path)
    except NotebookError as problem:
        return Outcome(path, error=str(problem))
    outcome = Outcome(path, notebook)
    watch = _Watch(notebook, outcome, tell)
    client = NotebookClient(
        notebook,
        kernel_name="python3",
        timeout=limit,
        startup_timeout=KERNEL_START_LIMIT,
        record_timing=False,
        store_widget_state=False,
        resources={"metadata": {"path": str(path.parent)}},
        coalesce_streams=True,
        extra_arguments=["--log-level=ERROR"],  # else every kernel warns of loopback on the terminal
        on_cell_execute=watch.start,
        on_cell_executed=watch.stop,
    )
    began = time.perf_counter()
    try:
        client.execute(env={**os.environ, "TEXTCLF_PROGRESS": "0"})
    except CellExecutionError as failure:
        outcome.error = f"{watch.where()}: {failure.ename}: {failure.evalue}"
    except CellTimeoutError:
        outcome.error = f"{watch.where()}: it took longer than {limit} seconds"
    except DeadKernelError:
        outcome.error = f"{watch.where()}: the kernel died (out of memory, or a crash in a library)"
    except AssertionError:
        # nbclient answers Ctrl-C by ending its kernel, and then stumbles over the kernel's absence.
        if client.km is None:
            raise KeyboardInterrupt from None
        raise
    except RuntimeError as failure:  # raised by jupyter_client when a kernel does not come up
        outcome.error = f"{path.name}: the kernel did not start: {failure}"
    outcome.seconds = time.perf_counter() - began
    return outcome


class _Watch:
    """Knows which cell is running, and for how long."""

    def __init__(self, notebook: NotebookNode, outcome: Outcome, tell: Callable[[int, int], None]):
        self.outcome, self.tell = outcome, tell
        self.cells = [cell for cell in notebook.cells if cell.cell_type == "code" and cell.source.strip()]
        self.number = 0
        self.began = 0.0
        for cell in self.cells:  # else the cells after a failing one would still show an earlier run
            cell.outputs, cell.execution_count = [], None

    def start(self, **_) -> None:
        self.number += 1
        self.began = time.perf_counter()

    def stop(self, **_) -> None:
        self.outcome.longest = max(self.outcome.longest, time.perf_counter() - self.began)
        self.tell(self.number, len(self.cells))

    def where(self) -> str:
        source = self.cells[self.number - 1].source.strip()
        first = source.splitlines()[0] if source else ""
        return f"{self.outcome.path.name}, cell [{self.number}] `{first}`"


def read(path: Path) -> NotebookNode:
    """The notebook in a file, validated. Raises NotebookError with one clear sentence."""
    try:
        notebook = nbformat.reads(path.read_text(encoding="utf-8"), as_version=4)
        nbformat.validate(notebook)
    except FileNotFoundError:
        raise NotebookError(f"{path}: there is no such notebook") from None
    except OSError as problem:
        raise NotebookError(f"{path}: cannot be read: {problem.strerror}") from problem
    except (UnicodeDecodeError, nbformat.reader.NotJSONError):
        raise NotebookError(f"{path}: not a notebook (no valid JSON); restore it: git checkout {path}") from None
    except (nbformat.ValidationError, AttributeError, KeyError, TypeError) as problem:
        reason = str(problem).splitlines()[0]
        raise NotebookError(f"{path}: JSON, but not a notebook ({reason}); restore it: git checkout {path}") from None
    return notebook


def save(outcome: Outcome, out: Path) -> None:
    """Write the executed copy and its page into the folder `out`, which is made if need be."""
    if notebook := outcome.notebook:
        out.mkdir(parents=True, exist_ok=True)
        stem = outcome.path.stem
        write(out / f"{stem}.ipynb", nbformat.writes(notebook) + "\n")
        write(out / f"{stem}.html", to_html(notebook, title=lesson_title(notebook) or stem))


def write(path: Path, text: str) -> None:
    """Replace a file in one step: a reader sees the old one or the new one, never half of it."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        part.write_text(text, encoding="utf-8")
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def lesson_title(notebook: NotebookNode) -> str:
    """The notebook's first heading, without its mark; empty if there is none."""
    for cell in notebook.cells:
        if cell.cell_type == "markdown" and cell.source.startswith("# "):
            return cell.source.splitlines()[0].removeprefix("# ").strip()
    return ""


def lesson_aim(notebook: NotebookNode) -> str:
    """What follows **You will learn** in the notebook's first cell, a sentence or a list, as one line."""
    _, _, rest = notebook.cells[0].source.partition("**You will learn**")
    aim = rest.partition("**Before you start**")[0].strip().removeprefix("to")
    return " ".join(re.sub(r"^- ", "", aim, flags=re.MULTILINE).split())


def count_claims(notebook: NotebookNode) -> int:
    """The claims that held, by their marks in the printed output."""
    printed = [
        output.text
        for cell in notebook.cells
        for output in cell.get("outputs", [])
        if output.output_type == "stream" and output.name == "stdout"
    ]
    return sum(line.startswith("✓ ") for text in printed for line in text.splitlines())


def tell_failures(outcomes: list[Outcome], console: Console) -> list[Outcome]:
    """Print what went wrong, one paragraph a lesson; return the lessons that failed."""
    failed = [outcome for outcome in outcomes if outcome.error]
    for outcome in failed:
        console.print(f"✗ {outcome.error}", style="bold red", markup=False, highlight=False, soft_wrap=True)
    return failed


def _table(outcomes: list[Outcome]) -> Table:
    table = Table("lesson")
    for column in "wait (s)", "longest cell (s)", "claims held":
        table.add_column(column, justify="right")
    table.add_column("")
    for outcome in outcomes:
        state = "[bold red]failed" if outcome.error else "[green]ok"
        times = f"{outcome.seconds:.1f}", f"{outcome.longest:.1f}"
        table.add_row(outcome.path.stem, *times, str(outcome.claims), state)
    return table
