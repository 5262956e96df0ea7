"""Runs lessons from top to bottom in fresh kernels and reports how it went: what `make course` does."""

import asyncio
import os
import re
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nbformat
import psutil
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, DeadKernelError
from nbformat import NotebookNode
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from textclf_lesson.base import shell
from textclf_lesson.base.errors import Interrupted, NotebookError
from textclf_lesson.course import waits
from textclf_lesson.course.render import to_html
from textclf_lesson.course.watch import LONG_WAIT, STUCK, Watch, duration

# Seconds. On a machine so busy that these are passed, no lesson would come to an end.
KERNEL_START_LIMIT = 1800
LAST_OUTPUT_LIMIT = 600  # from the end of a cell to the last line it printed


@dataclass
class Outcome:
    """How one lesson went. `error` is empty if every cell ran; `notebook` is None if the file could not be read."""

    path: Path
    notebook: NotebookNode | None = None
    seconds: float = 0.0  # from the start of the kernel to the last output: what a learner waits
    cells: dict[int, float] = field(default_factory=dict)  # seconds of each, by the number the notebook shows
    peak_mb: int = 0  # the most memory at once of the kernel and the processes it started, in 10^6 bytes
    error: str = ""

    @property
    def longest(self) -> float:
        """Seconds of the slowest cell."""
        return max(self.cells.values(), default=0.0)

    @property
    def claims(self) -> int:
        """How many claims held."""
        return count_claims(self.notebook) if self.notebook else 0


def run(notebooks: Iterable[Path], out: Path) -> int:
    """Run the notebooks one after another; write an executed copy and an HTML page of each into `out`.

    Tells the wait to expect, shows progress (live on a terminal, else a line per lesson) and ends with a table. A
    lesson that fails does not stop the others. Returns 0 if all went well, 1 if any lesson failed or there was none to
    run, 130 if Ctrl+C ended it: what had finished by then is reported, and kept.
    """
    notebooks = list(notebooks)
    console = Console()
    if not notebooks:
        console.print("There is no notebook to run.")
        return 1
    for line in waits.forecast(notebooks):
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    outcomes, interrupted = [], None
    try:
        for outcome in run_all(notebooks, console):
            save(outcome, out)
            outcomes.append(outcome)
    except KeyboardInterrupt as stop:
        interrupted = stop
    if outcomes:
        console.print(_table(outcomes))
    failed = tell_failures(outcomes, console)
    if outcomes:
        console.print(f"Read them in {out}/*.html. To work through them yourself: make lab", soft_wrap=True)
    if interrupted is not None:
        for line in farewell(interrupted, notebooks, len(outcomes)):
            console.print(line, markup=False, highlight=False, soft_wrap=True)
        return 130
    return 1 if failed else 0


def farewell(stop: KeyboardInterrupt, notebooks: list[Path], finished: int, command: str | None = None) -> list[str]:
    """What was done before an interruption, and how to go on; one line each."""
    names = [path.stem for path in notebooks]
    done = f"Finished and kept: {', '.join(names[:finished])}." if finished else "No lesson was finished."
    left = " ".join(path.name[:2] for path in notebooks[finished:])
    lines = [f"Interrupted{f' at {stop}' if str(stop) else ''}.", done]
    return [*lines, f"The rest: {command or shell.textclf('run')} {left}"] if left else lines


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

            def say(line: str) -> None:
                console.print(line, markup=False, highlight=False, soft_wrap=True)

            outcome = execute(path, tell, say)
            bars.stop_task(task)
            if not live:
                state = "failed" if outcome.error else "ok"
                console.print(f"{path.stem} {state} after {outcome.seconds:.1f} s", highlight=False)
            yield outcome


def execute(
    path: Path,
    tell: Callable[[int, int], None] = lambda done, cells: None,
    say: Callable[[str], None] = lambda line: None,
    *,
    stuck: float = STUCK,
    long_wait: float = LONG_WAIT,
    keep_going: bool = False,
) -> Outcome:
    """Run one notebook, cell by cell, in a fresh kernel whose working directory is the notebook's folder.

    `tell(done, cells)` is called after every cell. A cell may take any time while it computes or prints. After
    `long_wait` seconds, and again each time that its wait has doubled, `say(line)` is called with a line that says
    which cell is running, how long, and what is known of its usual time. A cell that for `stuck` seconds has used no
    processor time (its kernel and the processes of it together) and put out nothing is stopped. With `keep_going`, a
    cell that fails stops nothing: its error is among its outputs.

    Whatever goes wrong (no such file, not a notebook, a failing cell, a stuck one, a dead kernel) ends up in the
    outcome's `error`: the notebook, the cell, its first line, and what happened. The file itself is left as it is.
    Raises Interrupted at Ctrl+C or SIGTERM, when the kernel has ended.
    """
    try:
        notebook = read(path)
    except NotebookError as problem:
        return Outcome(path, error=str(problem))
    outcome = Outcome(path, notebook)
    measured = waits.beside(path).get(path.stem, {}).get(waits.this_column(), {})
    watch = Watch(path.name, notebook, tell, say, measured, stuck, long_wait)
    client = _Client(
        notebook,
        kernel_name="python3",
        timeout=None,
        startup_timeout=KERNEL_START_LIMIT,
        iopub_timeout=LAST_OUTPUT_LIMIT,
        record_timing=False,
        store_widget_state=False,
        allow_errors=keep_going,
        resources={"metadata": {"path": str(path.parent)}},
        coalesce_streams=True,
        # Else every kernel warns of loopback on the terminal, and one that Ctrl+C ends prints a traceback of its own.
        extra_arguments=["--log-level=CRITICAL"],
        on_cell_execute=watch.start,
        on_cell_executed=watch.stop,
    )
    client.watch = watch
    began = time.perf_counter()
    failure = None
    try:
        with watch.looking_at(client.kernel):
            client.execute(env={**os.environ, "TEXTCLF_PROGRESS": "0", "TEXTCLF_STATIC": "1"})
    except (Exception, asyncio.CancelledError) as problem:
        failure = problem
    if client.was_interrupted():  # whatever nbclient made of it: a dead kernel, a failed assertion, nothing
        raise Interrupted(watch.where()) from None
    outcome.seconds = time.perf_counter() - began
    outcome.cells, outcome.peak_mb = watch.seconds, watch.peak_mb
    match failure:
        case CellExecutionError():
            outcome.error = f"{watch.where()}: {failure.ename}: {failure.evalue}"
        case DeadKernelError() if watch.stopped:
            outcome.error = (
                f"{watch.where()}: stopped, because for {duration(stuck)} it neither computed nor printed: "
                "it waits for something that does not come"
            )
        case DeadKernelError():
            outcome.error = f"{watch.where()}: the kernel died (out of memory, or a crash in a library)"
        case RuntimeError():  # raised by jupyter_client when a kernel does not come up
            outcome.error = f"{path.name}: the kernel did not start: {failure}"
        case BaseException():
            raise failure
    return outcome


class _Client(NotebookClient):
    """nbclient's, with a watch that hears of every output."""

    watch: Watch

    def process_message(self, msg: dict[str, Any], cell: NotebookNode, cell_index: int) -> NotebookNode | None:
        self.watch.hear()
        return super().process_message(msg, cell, cell_index)

    async def _async_poll_kernel_alive(self) -> None:
        """Until the kernel is gone: nbclient's would then print a traceback, some time later, that nobody can use."""
        try:
            await super()._async_poll_kernel_alive()
        except AssertionError:
            if self.kc is not None:
                raise

    def was_interrupted(self) -> bool:
        """Whether nbclient has answered Ctrl+C or SIGTERM: it then ends its kernel, and notes that in this future."""
        return hasattr(self, "_async_cleanup_kernel_future")

    def kernel(self) -> psutil.Process | None:
        """The kernel's process, None if it does not run (yet, or any more)."""
        pid = getattr(getattr(self.km, "provisioner", None), "pid", None)
        with suppress(psutil.Error):
            return psutil.Process(pid) if pid else None


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
    for column in "wait (s)", "longest cell (s)", "peak memory (MB)", "claims held":
        table.add_column(column, justify="right")
    table.add_column("")
    for outcome in outcomes:
        state = "[bold red]failed" if outcome.error else "[green]ok"
        measured = f"{outcome.seconds:.1f}", f"{outcome.longest:.1f}", f"{outcome.peak_mb:,}"
        table.add_row(outcome.path.stem, *measured, str(outcome.claims), state)
    return table
