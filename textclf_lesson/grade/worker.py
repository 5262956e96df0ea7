"""The process of one submission: runs its cells and calls its functions, without knowing the expected answers.

Started by `sandbox` as `python -m textclf_lesson.grade.worker SOCKET SETTINGS`. Whatever it sends is read as an answer
and never as a verdict, so code that takes over this process gains only what it could have returned anyway.
"""

import errno
import io
import json
import os
import pickle
import re
import select
import socket
import sys
import threading
from pathlib import Path
from typing import Any

from textclf_lesson.base.errors import AssetError, NotYet
from textclf_lesson.grade import fences, hosted, wire
from textclf_lesson.grade.sandbox import FULL
from textclf_lesson.grade.wire import MISSING


class Worker:
    """`home`: the course's cache. `room`: bytes that may be written where the kernel does not count them, else 0."""

    def __init__(self, connection: socket.socket, shell: Any, home: str = "", room: int = 0):
        self.connection, self.shell, self.home, self.room = connection, shell, home, room
        self.kept: list[Any] = []

    def serve(self) -> None:
        """Answer the grader until it hangs up."""
        while True:
            try:
                order, *arguments = self.receive()
            except EOFError:
                return
            try:
                reply = {"value": getattr(self, f"do_{order}")(*arguments)}
            except BaseException as error:  # SystemExit too: no error of an answer ends the connection
                reply = {"error": self.describe(error)}
            self.send(reply)

    # --- orders -------------------------------------------------------------------------------------------------------

    def do_run(self, source: str) -> list[str]:
        """Run one cell, as a notebook would. Returns its lines that only a front end or a system shell could run."""
        self.shell.left_out = []
        hosted.stand_in(source, self.shell)
        result = self.shell.run_cell(source, store_history=False, silent=True)
        if error := result.error_before_exec or result.error_in_exec:
            raise error
        return self.shell.left_out

    def do_get(self, name: str) -> Any:
        if name not in self.shell.user_ns:
            raise LookupError(MISSING)
        return self.shell.user_ns[name]

    def do_call(self, number: int, arguments: tuple, options: dict) -> Any:
        return self.kept[number](*arguments, **options)

    def do_attribute(self, number: int, name: str) -> Any:
        return getattr(self.kept[number], name)

    # --- the connection -----------------------------------------------------------------------------------------------

    def receive(self) -> Any:
        unpickler = pickle.Unpickler(io.BytesIO(wire.read(self.connection.recv)))
        unpickler.persistent_load = self.find
        return unpickler.load()

    def send(self, reply: dict) -> None:
        try:
            body = wire.dump(reply, self.keep)
        except Exception as error:  # a value that refuses to be looked at
            body = wire.dump({"error": self.describe(error)}, self.keep)
        self.connection.sendall(wire.frame(body))

    def keep(self, value: Any) -> int:
        self.kept.append(value)
        return len(self.kept) - 1

    def find(self, reference: tuple[str, int]) -> Any:
        """The object of a persistent id in the grader's pickles: one kept here, or a function of the grader."""
        side, number = reference
        if side == "here":
            return self.kept[number]

        def ask_grader(*arguments: Any) -> Any:
            self.send({"callback": number, "arguments": list(arguments)})
            kind, value = self.receive()
            if kind == "raise":
                raise RuntimeError(value)
            return value

        return ask_grader

    # --- errors -------------------------------------------------------------------------------------------------------

    def describe(self, error: BaseException) -> dict[str, Any]:
        """An error as a message. `fault`: what the machine lacked, if that caused the error and not the answer."""
        kind = MISSING if isinstance(error, LookupError) and error.args == (MISSING,) else type(error).__name__
        try:
            text = re.sub(r"\(<ipython-input[^>]*>, ", "(", str(error))
        except Exception:
            text = ""
        return {"kind": kind, "text": text[:500], "blank": isinstance(error, NotYet), "fault": self.fault(error)}

    def fault(self, error: BaseException | None) -> str:
        """What the machine lacked, by the error or one of its causes; "" if the error is the answer's own."""
        seen: set[int] = set()
        while error is not None and id(error) not in seen:
            seen.add(id(error))
            where = getattr(error, "where", None) or getattr(error, "filename", None)
            if isinstance(error, AssetError):
                return f"the cache lacks what the submission reads: {error}"[:300]
            if isinstance(error, OSError) and error.errno in FULL and self.room and _size(Path.cwd()) < self.room:
                return "the disk is full"
            if isinstance(error, OSError) and error.errno in (errno.EIO, errno.ENFILE):
                return f"the system failed: {os.strerror(error.errno)}"
            if isinstance(error, OSError) and self.home and _is_inside(where, self.home):
                return f"{where} in the course's cache is missing, or cannot be used"[:300]
            error = error.__cause__ or error.__context__
        return ""


def _is_inside(path: Any, folder: str) -> bool:
    if not isinstance(path, str | os.PathLike):
        return False
    return os.path.realpath(path).startswith(os.path.join(os.path.realpath(folder), ""))


def _size(folder: Path) -> int:
    return sum(path.lstat().st_size for path in folder.rglob("*") if path.is_file())


def _shell() -> Any:
    """A notebook's shell without a front end: lines that only that or a system shell can run are noted and left out.

    They stop no cell in a notebook either: `!pip install x` prints pip's output, and the cell continues.
    """
    from IPython.core.interactiveshell import InteractiveShell
    from IPython.utils.text import LSString, SList

    class Shell(InteractiveShell):
        left_out: list[str]

        def leave_out(self, line: str) -> None:
            self.left_out.append(line.strip()[:80])

        def enable_gui(self, gui: Any = None) -> None:
            """There is no window."""

        def ask_exit(self) -> None:
            self.leave_out("exit")

        def system(self, cmd: str) -> None:
            self.leave_out(f"!{cmd}")

        system_raw = system_piped = system

        def getoutput(self, cmd: str, split: bool = True, depth: int = 0) -> Any:
            self.leave_out(f"!{cmd}")
            return SList() if split else LSString("")

        def run_line_magic(self, magic_name: str, line: str, _stack_depth: int = 1) -> Any:
            return self._magic(f"%{magic_name} {line}", magic_name, super().run_line_magic, line, _stack_depth + 2)

        def run_cell_magic(self, magic_name: str, line: str, cell: str) -> Any:
            return self._magic(f"%%{magic_name} {line}", magic_name, super().run_cell_magic, line, cell)

        def _magic(self, shown: str, name: str, run: Any, *arguments: Any) -> Any:
            if name in FRONT_END:
                return self.leave_out(shown)
            try:
                return run(name, *arguments)
            except Exception:
                if name in RUN_CODE:  # then it is the learner's code that failed
                    raise
                return self.leave_out(shown)

    Shell.left_out = []
    return Shell.instance(colors="nocolor")


# Magics of front ends and system shells, which are not tried, and those that run the learner's own code.
FRONT_END = {"matplotlib", "gui", "config", "debug", "pdb", "edit", "notebook", "tensorboard", "pip", "conda", "mamba"}
FRONT_END |= {"micromamba", "uv", "sx", "system", "!", "sh", "bash", "cmd", "script", "perl", "ruby", "python", "pypy"}
FRONT_END |= {"python2", "python3", "js", "javascript", "html", "HTML", "svg", "SVG", "latex", "markdown"}
RUN_CODE = {"time", "timeit", "capture", "prun"}


def _end_with_the_grader(connection: socket.socket) -> None:
    """End this process when the grader was killed, even if the submission sleeps."""

    def watch() -> None:
        line = select.poll()
        line.register(connection, 0)  # reports only that the other side has closed
        line.poll()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def main(handle: int, settings: dict[str, Any]) -> None:
    scratch, hidden = Path(settings["scratch"]), [Path(folder) for folder in settings["hidden"]]
    fences.limit(settings["memory"], settings["cpu"], settings["file_size"], settings["walls"])
    # Imported before the fences go up: the libraries can still use their caches, and the first cell does not wait.
    import matplotlib.pyplot  # noqa: F401
    from IPython.core.history import HistoryManager

    from textclf_lesson.evaluate import metrics  # noqa: F401

    HistoryManager.enabled = False
    if settings["walls"]:
        fences.wall_in(scratch, hidden, settings["file_size"])
    os.chdir(scratch)
    shell = _shell()
    connection = socket.socket(fileno=handle)
    _end_with_the_grader(connection)
    fences.watch_calls(scratch, hidden)
    Worker(connection, shell, settings["home"], 0 if settings["walls"] else settings["file_size"]).serve()


if __name__ == "__main__":
    main(int(sys.argv[1]), json.loads(sys.argv[2]))
