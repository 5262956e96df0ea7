"""The process that holds one submission: runs its cells, calls its functions, and knows nothing of what is expected.

Started by `sitting` as `python -m textclf_lesson.grade.worker SOCKET SETTINGS`. Everything it says is taken for an
answer and never for a verdict, so code that takes over this process gains what it could have returned anyway.
"""

import io
import json
import os
import pickle
import re
import socket
import sys
from pathlib import Path
from typing import Any

from textclf_lesson.grade import jail, wire

MISSING = "Missing"  # the kind of error for a name that the submission does not define


class Worker:
    def __init__(self, connection: socket.socket, shell: Any):
        self.connection, self.shell = connection, shell
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
            except BaseException as error:  # SystemExit too: nothing that an answer raises ends the conversation
                reply = {"error": _describe(error)}
            self.send(reply)

    # --- orders -------------------------------------------------------------------------------------------------------

    def do_run(self, source: str) -> None:
        """Run one cell, as a notebook would."""
        result = self.shell.run_cell(source, store_history=False, silent=True)
        if error := result.error_before_exec or result.error_in_exec:
            raise error

    def do_get(self, name: str) -> Any:
        if name not in self.shell.user_ns:
            raise LookupError(MISSING)
        return self.shell.user_ns[name]

    def do_call(self, number: int, arguments: tuple, options: dict) -> Any:
        return self.kept[number](*arguments, **options)

    def do_attribute(self, number: int, name: str) -> Any:
        return getattr(self.kept[number], name)

    # --- the line -----------------------------------------------------------------------------------------------------

    def receive(self) -> Any:
        unpickler = pickle.Unpickler(io.BytesIO(wire.read(self.connection.recv)))
        unpickler.persistent_load = self.find
        return unpickler.load()

    def send(self, reply: dict) -> None:
        try:
            body = wire.dump(reply, self.keep)
        except Exception as error:  # a value that refuses to be looked at
            body = wire.dump({"error": _describe(error)}, self.keep)
        self.connection.sendall(wire.frame(body))

    def keep(self, value: Any) -> int:
        self.kept.append(value)
        return len(self.kept) - 1

    def find(self, reference: tuple[str, int]) -> Any:
        """What a persistent id of the grader's pickles stands for: something kept here, or a function kept there."""
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


def _describe(error: BaseException) -> dict[str, str]:
    kind = MISSING if isinstance(error, LookupError) and error.args == (MISSING,) else type(error).__name__
    blank = isinstance(error, NotImplementedError)
    try:
        text = re.sub(r"\(<ipython-input[^>]*>, ", "(", str(error))
    except Exception:
        text = ""
    return {"kind": "NotYet" if blank else kind, "text": text[:500]}


def main(handle: int, settings: dict[str, Any]) -> None:
    scratch, hidden = Path(settings["scratch"]), [Path(folder) for folder in settings["hidden"]]
    jail.limit(settings["memory"], settings["cpu"], settings["file_size"], settings["walls"])
    # Imported before the fences go up: their caches are found where they are, and the first cell does not wait.
    import matplotlib.pyplot  # noqa: F401
    from IPython.core.history import HistoryManager
    from IPython.core.interactiveshell import InteractiveShell

    from textclf_lesson import check, course, data, metrics  # noqa: F401

    HistoryManager.enabled = False
    if settings["walls"]:
        jail.wall_in(scratch, hidden, settings["file_size"])
    os.chdir(scratch)
    shell = InteractiveShell.instance(colors="nocolor")
    jail.watch_calls(scratch, hidden, [])
    Worker(socket.socket(fileno=handle), shell).serve()


if __name__ == "__main__":
    main(int(sys.argv[1]), json.loads(sys.argv[2]))
