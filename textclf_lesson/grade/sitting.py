"""One running submission: its process, its limits, and the connection to it.

The grader waits for a submission only in `_wait`, which therefore also checks time, memory, processes and output.
"""

import io
import os
import pickle
import selectors
import shutil
import socket
import subprocess
import tempfile
import threading
import time
import types
from contextlib import suppress
from pathlib import Path
from typing import Any

from textclf_lesson.base.errors import AnswerError, Killed, NotYet, Stopped, WireError
from textclf_lesson.check import values
from textclf_lesson.grade import sandbox, wire
from textclf_lesson.grade.sandbox import Sandbox

LOOK = 0.1  # seconds between two checks of a running submission
LONGEST_GAP = 2.0  # seconds counted between two checks: if more pass, the grader itself was not running
START_LIMIT = 120  # seconds to start Python and import the libraries, on a busy machine
interrupted = threading.Event()  # set when the grader should stop: every sitting ends at its next check


class Sitting:
    """A submission's process. `run`, `get` and calls raise Stopped if it had to be ended; `start` begins anew.

    `spent`: the seconds that the submission has used. `fault`: what this machine lacked when something in the process
    failed, else "". `short`: the memory limit was reached, so that a higher one may give another mark.
    """

    def __init__(self, sandbox: Sandbox):
        self.sandbox, self.limits = sandbox, sandbox.limits
        self.process: subprocess.Popen | None = None
        self.left = self.spent = self.ticked = self.looked = 0.0
        self.fault, self.short, self.starting = "", False, False

    def __enter__(self) -> "Sitting":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def start(self) -> None:
        """Start a new process; the state of an earlier one is lost."""
        self.close()
        self.scratch = Path(tempfile.mkdtemp(prefix="textclf-grade-")).resolve()
        ours, theirs = socket.socketpair()
        self.process = sandbox.launch(self.scratch, self.sandbox, theirs.fileno())
        theirs.close()
        self.line, self.printed, self.tail, self.calls, self.fault = ours, 0, b"", [], ""
        self.started(START_LIMIT)
        self.starting = True
        try:
            self._ask("get", "__name__")
        except Stopped as reason:  # no line of the submission has run
            raise Killed(f"its process did not start: {reason}") from None
        finally:
            self.starting = False

    def started(self, seconds: float | None = None) -> None:
        """From now on the submission has `seconds` (default: of the limits); the grader's own time is not counted."""
        self.left = seconds or self.limits.seconds

    def close(self) -> None:
        """End the process and all that it started, and remove its folder."""
        if self.process is None:
            return
        sandbox.end(self.process)
        self.line.close()
        self.process = None
        shutil.rmtree(self.scratch, ignore_errors=True)

    # --- orders -------------------------------------------------------------------------------------------------------

    def run(self, source: str) -> list[str]:
        """Run a cell. Returns its lines that only a front end can run. Raises AnswerError, NotYet, Stopped."""
        self.started()
        left_out = self._ask("run", source)
        return [printable(line, 80) for line in left_out] if isinstance(left_out, list) else []

    def get(self, name: str) -> Any:
        """The submission's value of this name: a plain value, or a Remote. Raises AnswerError."""
        return self._ask("get", name)

    def _ask(self, *order: Any) -> Any:
        self.ticked = time.monotonic()
        try:
            reply = self._exchange(order)
        finally:
            self._tick()
        if "error" in reply:
            error = reply["error"] if isinstance(reply["error"], dict) else {}
            kind, text = printable(error.get("kind", "an error"), 80), printable(error.get("text", ""), 500)
            if error.get("blank"):
                raise NotYet()
            self.fault = self.fault or printable(error.get("fault", ""), 300)
            if kind == "MemoryError":
                self.short = True
                if sandbox.lacks_memory(self.process, self.limits):
                    self.fault = f"this machine has less memory free than the {self.limits.memory / 1e9:g} GB granted"
            raise AnswerError(kind, text)
        return reply.get("value")

    def _tick(self) -> None:
        """Count the time since the last tick. A long gap is not counted in full: the grader was stopped, or the machine
        slept."""
        now = time.monotonic()
        passed, self.ticked = min(max(now - self.ticked, 0.0), LONGEST_GAP), now
        self.left -= passed
        self.spent += 0.0 if self.starting else passed

    def _exchange(self, order: tuple) -> dict:
        """Send an order, answer the submission's callbacks, return its reply."""
        self._send(order)
        while True:
            reply = self._receive()
            if not isinstance(reply, dict):
                raise self._stopped("it broke the connection to the grader")
            if "callback" not in reply:
                return reply
            self._send(self._called(reply))

    def _called(self, reply: dict) -> tuple[str, Any]:
        """Run one of the grader's own functions, which the submission got as an argument."""
        try:
            return "value", self.calls[reply["callback"]](*reply["arguments"])
        except Exception as error:
            return "raise", str(error)
        finally:
            self.ticked = time.monotonic()  # this was the grader's time

    # --- the line -----------------------------------------------------------------------------------------------------

    def _send(self, message: Any) -> None:
        file = io.BytesIO()
        pickler = pickle.Pickler(file)
        pickler.persistent_id = self._reference
        pickler.dump(message)
        self.line.settimeout(max(LOOK, self.left))
        try:
            self.line.sendall(wire.frame(file.getvalue()))
        except TimeoutError:
            raise self._stopped(self._too_long()) from None
        except OSError:
            raise self._died() from None

    def _reference(self, value: Any) -> tuple[str, int] | None:
        """A submission's objects go back by number; functions that cannot be imported there are called back here."""
        if isinstance(value, Remote):
            return "here", value.remote_number
        if isinstance(value, types.FunctionType) and ("<" in value.__qualname__ or value.__module__ == "__main__"):
            self.calls.append(value)
            return "there", len(self.calls) - 1
        return None

    def _receive(self) -> Any:
        try:
            body = wire.read(self._wait)
            return wire.load(body, lambda number, name: Remote(self, number, name))
        except EOFError:
            raise self._died() from None
        except WireError as problem:
            raise self._stopped(f"it sent {problem}") from None

    def _wait(self, size: int) -> bytes:
        """Up to `size` bytes from the connection. Meanwhile the submission runs, and its limits are checked."""
        with selectors.DefaultSelector() as selector:
            selector.register(self.line, selectors.EVENT_READ)
            selector.register(self.process.stdout, selectors.EVENT_READ)
            while True:
                ready = [key.fileobj for key, _ in selector.select(LOOK)]
                if self.process.stdout in ready:
                    printed = self._printed()
                    if not printed:
                        selector.unregister(self.process.stdout)
                self._tick()
                if abs(time.monotonic() - self.looked) > LOOK:
                    self.looked = time.monotonic()
                    self._look()
                if self.line in ready:
                    return self._read(size)

    def _read(self, size: int) -> bytes:
        try:
            return self.line.recv(size)
        except OSError:
            return b""

    def _printed(self) -> bytes:
        printed = os.read(self.process.stdout.fileno(), 1 << 20)
        self.printed, self.tail = self.printed + len(printed), (self.tail + printed)[-200:]
        return printed

    def _look(self) -> None:
        """Raises Stopped if a limit is exceeded, KeyboardInterrupt if the grader should stop."""
        if interrupted.is_set():
            self.close()
            raise KeyboardInterrupt
        if self.left < 0:
            raise self._stopped(self._too_long())
        if self.printed > self.limits.output:
            raise self._stopped(f"it printed more than {self.limits.output / 1e6:g} MB")
        if reason := sandbox.excess(self.process, self.limits):
            raise self._stopped(reason)

    def _too_long(self) -> str:
        return f"it took longer than {self.limits.seconds:g} seconds"

    def _died(self) -> Stopped:
        """Why the process has ended. Only its own doing counts against the submission."""
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(timeout=5)
        with suppress(OSError, ValueError):
            os.set_blocking(self.process.stdout.fileno(), False)
            while self._printed():
                pass
        killed = sandbox.was_killed(self.process, self.tail)
        self.close()
        if killed:
            return Killed("its process was killed by the system, which may be short of memory (fewer --jobs need less)")
        return Stopped("its Python ended (a crash, or os._exit)")

    def _stopped(self, reason: str) -> Stopped:
        self.close()
        return Stopped(reason)


class Remote(values.Remote):
    """A value that stayed in the submission's process: it can be called, and its public attributes can be read."""

    def __init__(self, sitting: Sitting, number: int, name: str):
        self.remote_sitting, self.remote_number, self.remote_type = sitting, number, printable(name, 80)

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        return self.remote_sitting._ask("call", self.remote_number, arguments, options)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        try:
            return self.remote_sitting._ask("attribute", self.remote_number, name)
        except AnswerError as error:
            raise AttributeError(str(error)) from None

    def __deepcopy__(self, memo: dict) -> "Remote":
        return self


def printable(text: object, longest: int) -> str:
    """A submission's text, cut to `longest` characters, without control characters for a terminal."""
    return "".join(letter if letter.isprintable() else " " for letter in str(text)[:longest])
