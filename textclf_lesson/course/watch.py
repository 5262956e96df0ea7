"""Watches a notebook at work: which cell runs, for how long, whether it goes on, how much memory its kernel takes."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
from nbformat import NotebookNode

from textclf_lesson.course import waits

# All in seconds. A cell may take as long as it likes while it computes or prints.
STUCK = 600  # without either, it is stopped
LONG_WAIT = 60  # after this many a line says what is running; another after twice as many, four times, …
IDLE = 1 / 600  # of one core: an idle kernel was seen to use a seventh of that
LOOK = 0.5  # between two looks at a running kernel
ASLEEP = 60  # a gap between two looks in which the whole machine slept, or this process was halted


class Watch:
    """Follows the cells of one notebook by `start` and `stop`, and its kernel by a look every LOOK seconds.

    Args: name: of the notebook. tell: called with (cells done, cells) after each. say: called with a line when a cell
    waits long. measured: the notebook's column of the book of times, see `waits`. stuck, long_wait: seconds, as STUCK
    and LONG_WAIT.

    Attributes: `seconds` of each finished cell by its number, `peak_mb` (the most memory of the kernel and of what it
    started, 10^6 bytes), `stopped` (whether the kernel was killed because the cell was stuck).
    """

    def __init__(
        self,
        name: str,
        notebook: NotebookNode,
        tell: Callable[[int, int], None],
        say: Callable[[str], None],
        measured: dict[str, Any],
        stuck: float = STUCK,
        long_wait: float = LONG_WAIT,
    ):
        self.name, self.tell, self.say, self.measured = name, tell, say, measured
        self.stuck, self.long_wait = stuck, long_wait
        self.cells = [cell for cell in notebook.cells if cell.cell_type == "code" and cell.source.strip()]
        self.seconds: dict[int, float] = {}
        self.peak_mb, self.stopped = 0, False
        self.kernel: Callable[[], psutil.Process | None] = lambda: None
        self.number, self.running = 0, False
        self.began = self.moved = self.looked = self.next_line = self.cpu = 0.0
        for cell in self.cells:  # else the cells after a failing one would still show an earlier run
            cell.outputs, cell.execution_count = [], None

    def start(self, **_) -> None:
        self.number += 1
        self.began = self.moved = self.looked = time.monotonic()
        self.next_line = self.long_wait
        self.running = True

    def stop(self, **_) -> None:
        self.running = False
        self.seconds[self.number] = time.monotonic() - self.began
        with suppress(psutil.Error):  # what a short cell took must not fall between two looks
            if process := self.kernel():
                self.note_memory(process, _family(process))
        self.tell(self.number, len(self.cells))

    def hear(self) -> None:
        """The cell has put something out."""
        self.moved = time.monotonic()

    @contextmanager
    def looking_at(self, kernel: Callable[[], psutil.Process | None]) -> Iterator[None]:
        """While the block runs, a thread looks at the kernel that the function returns, if there is one."""
        done, self.kernel = threading.Event(), kernel

        def look() -> None:
            while not done.wait(LOOK):
                with suppress(psutil.Error):  # it has just ended
                    if process := kernel():
                        self.look(process)

        thread = threading.Thread(target=look, daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()

    def look(self, kernel: psutil.Process) -> None:
        """Note the kernel's memory; if a cell waits long, say so; if it is stuck, end the kernel."""
        family = _family(kernel)
        self.note_memory(kernel, family)
        now, last = time.monotonic(), self.looked
        self.looked = now
        cpu = sum(process["cpu"] for process in family)
        # Less processor time than before: a process that the kernel started has ended.
        if abs(cpu - self.cpu) > IDLE * self.stuck or now - last > ASLEEP:
            self.cpu, self.moved = cpu, now
        if not self.running:
            return
        if now - self.began > self.next_line:
            self.next_line *= 2
            expected = waits.cell_s(self.measured, self.number)
            line = f"{self.where()} has been running for {duration(now - self.began)}"
            self.say(f"{line} ({expected})" if expected else line)
        if now - self.moved > self.stuck:
            self.stopped = True
            for process in [*kernel.children(recursive=True), kernel]:
                with suppress(psutil.Error):
                    process.kill()

    def note_memory(self, kernel: psutil.Process, family: list[dict[str, float]]) -> None:
        """Keep the most memory seen so far; `family` as `_family` gives it."""
        memory = max(sum(process["rss"] for process in family), _highest(kernel.pid))
        self.peak_mb = max(self.peak_mb, round(memory / 1e6))

    def where(self) -> str:
        """The notebook, the cell that runs or ran last, and its first line."""
        if not self.number:
            return self.name
        return f"{self.name}, cell [{self.number}] `{self.cells[self.number - 1].source.strip().splitlines()[0]}`"


def _family(kernel: psutil.Process) -> list[dict[str, float]]:
    """Of the kernel and the processes it started: `rss`, bytes of memory, and `cpu`, seconds of processor time.

    Memory that a forked process shares with its parent counts twice. Processes that this user may not look at are left
    out; of those that have ended, the processor time is that of their parent's children.
    """
    found = []
    with suppress(psutil.Error):
        for process in [kernel, *kernel.children(recursive=True)]:
            with suppress(psutil.Error):
                found.append({"rss": process.memory_info().rss, "cpu": sum(process.cpu_times()[:4])})
    return found


def _highest(pid: int) -> int:
    """The most memory, in bytes, that a process has had since it began, where the system keeps that (Linux); else 0."""
    with suppress(OSError, StopIteration):
        lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
        return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:"))
    return 0


def duration(seconds: float) -> str:
    """A time in words, to the nearest second or minute."""
    return f"{seconds:.0f} s" if seconds < 60 else f"{seconds / 60:.0f} min"
