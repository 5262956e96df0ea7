"""What is handed in beside a notebook: predictions, read as text, and a model, served by the course's own code.

Both stand in for the submission's functions of the same names, which are not called. The file is read here, as text and
never as objects. The model is loaded in a fenced process of its own, in which no cell of the submission runs.
"""

import csv
import hashlib
import io
import json
import os
import socket
import stat
import threading
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from textclf_lesson.base.errors import AnswerError, CheckFailed, CheckFault, Missing, Stopped
from textclf_lesson.grade.sandbox import Sandbox
from textclf_lesson.grade.sitting import Sitting, printable

FOLDER, PREDICTIONS, MODEL = "submission", "predictions.csv", "model"
LARGEST_TABLE, LARGEST_MODEL = 1_000_000, 500_000_000  # bytes
PATIENCE = 100  # seconds for an answer of the service


class Artefacts:
    """The files of one submission. `folder` is where they should lie; None if several students share that folder."""

    def __init__(self, folder: Path | None, sandbox: Sandbox):
        self.folder = folder and folder.absolute()  # the fenced process works elsewhere
        hidden = tuple(other for other in sandbox.hidden if folder is None or not _is_inside(folder, other))
        self.sandbox = replace(sandbox, hidden=hidden)
        self._sitting: Sitting | None = None
        self._ask: Callable | None = None

    def close(self) -> None:
        if self._sitting is not None:
            self._sitting.close()
            self._sitting = self._ask = None

    @property
    def fault(self) -> str:
        """What this machine lacked when the model was served; "" if nothing."""
        return self._sitting.fault if self._sitting else ""

    @property
    def short(self) -> bool:
        return bool(self._sitting and self._sitting.short)

    def named(self, name: str) -> Callable:
        """The stand-in for the submission's function of this name. Raises LookupError for another name."""
        return {"predictions_file": self.predictions, "served_model": self.served}[name]

    def predictions(self) -> pd.DataFrame:
        """The table in predictions.csv: an entry is a float where it can be read as one, else text; `id` is text.

        Raises CheckFailed for a file that cannot be read as a table, Missing, and CheckFault if the fault is ours.
        """
        with _our_fault(PREDICTIONS):
            text = _text(self._find(PREDICTIONS), LARGEST_TABLE)
        try:
            rows = list(csv.reader(io.StringIO(text), strict=True))
        except csv.Error as error:
            raise CheckFailed(f"{PREDICTIONS} is not a CSV file: {error}.") from None
        rows = [row for row in rows if row]
        if len(rows) < 2:
            raise CheckFailed(f"{PREDICTIONS} holds no rows.")
        head = [printable(name, 40) for name in rows[0]]
        for number, row in enumerate(rows[1:], 2):
            if len(row) != len(head):
                raise CheckFailed(f"{PREDICTIONS}: row {number} has {len(row)} entries, the first one {len(head)}.")
        columns = {at: [row[at] for row in rows[1:]] for at in range(len(head))}
        table = pd.DataFrame(
            {at: values if head[at] == "id" else map(_number, values) for at, values in columns.items()}
        )
        return table.set_axis(head, axis=1)

    def served(self, texts: list[str]) -> Any:
        """What a service of the model answers, one result a text. Raises CheckFailed, Missing, Stopped, CheckFault."""
        with _our_fault(MODEL):
            folder = self._find(MODEL)
            _check_model(folder)
            if self._ask is None:
                self._sitting = Sitting(self.sandbox)
                self._sitting.start()
                self._sitting.run(f"from {__name__} import ask")
                self._ask = self._sitting.get("ask")
        try:
            self._sitting.started()
            return self._ask(str(folder), texts)
        except AnswerError as error:
            message = str(error).replace(f"{folder}{os.sep}", f"{MODEL}/").replace(str(folder), f"{MODEL}/")
            raise CheckFailed(f"`{MODEL}/` cannot be served: {message}") from None
        except Stopped:
            self.close()
            raise

    def _find(self, name: str) -> Path:
        """The path of a file or folder. No step of it may be a link, which could lead into a neighbour's folder."""
        if self.folder is None:
            raise Missing(
                f"Whose {name} is it? Several practicals lie in one folder: give each a folder of its own, with its "
                f"`{FOLDER}/` beside the notebook."
            )
        for step in (self.folder, self.folder / name):
            if step.is_symlink():
                raise CheckFailed(f"`{step.name}` is a link. Hand in the file or folder itself.")
        if not (self.folder / name).exists():
            raise Missing(
                f"There is no {name}, neither in `{FOLDER}/` beside the notebook nor beside the notebook itself."
            )
        return self.folder / name


@contextmanager
def _our_fault(name: str) -> Iterator[None]:
    """A block in which no code of the submission runs and none of its files is parsed: errors there are not its own."""
    try:
        yield
    except (OSError, AnswerError) as error:
        raise CheckFault(f"{name} could not be read on this machine: {error}.") from error


def beside(notebook: Path) -> Path:
    """The folder of a notebook's artefacts: `submission` beside it, or the folder of the notebook itself."""
    folder = notebook.parent / FOLDER
    return folder if folder.is_dir() or folder.is_symlink() else notebook.parent


def fingerprint(folder: Path | None) -> bytes:
    """A digest of the artefacts in a folder, links and pipes unread; b"" for None."""
    if folder is None:
        return b""
    parts = []
    for path in (folder / PREDICTIONS, *sorted((folder / MODEL).glob("*"))):
        mode = path.lstat().st_mode if path.exists() else 0
        with path.open("rb") if stat.S_ISREG(mode) else io.BytesIO() as file:
            parts.append(f"{path.name} {mode} {hashlib.file_digest(file, 'sha256').hexdigest()}")
    return "\n".join(parts).encode()


def _text(path: Path, largest: int) -> str:
    if not stat.S_ISREG(path.lstat().st_mode):  # a folder, or a pipe that never ends
        raise CheckFailed(f"`{path.name}` is not a file.")
    if path.lstat().st_size > largest:
        size = path.lstat().st_size / 1e6
        raise CheckFailed(f"{path.name} has {size:,.0f} MB; {largest / 1e6:g} MB are allowed.")
    try:
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError:
        raise CheckFailed(f"{path.name} is not written in UTF-8.") from None


def _number(entry: str) -> float | str:
    try:
        return float(entry) if entry.strip() else float("nan")
    except ValueError:
        return printable(entry, 40)


def _check_model(folder: Path) -> None:
    if not folder.is_dir():
        raise CheckFailed(f"`{MODEL}` is not a folder.")
    files = list(folder.rglob("*"))
    if link := next((path for path in files if path.is_symlink()), None):
        raise CheckFailed(f"`{MODEL}/{printable(link.name, 40)}` is a link. Hand in the file itself.")
    if other := next((path for path in files if not path.is_file() and not path.is_dir()), None):
        raise CheckFailed(f"`{MODEL}/{printable(other.name, 40)}` is not a file.")
    size = sum(path.stat().st_size for path in files)
    if size > LARGEST_MODEL:
        raise CheckFailed(f"`{MODEL}/` has {size / 1e6:,.0f} MB; {LARGEST_MODEL / 1e6:g} MB are allowed.")


def _is_inside(folder: Path, other: Path) -> bool:
    return folder.resolve().is_relative_to(other.resolve())


# --- inside the fence -------------------------------------------------------------------------------------------------


def ask(folder: str, texts: list[str]) -> list[dict[str, Any]]:
    """Serve the model in a folder and classify texts with it: over HTTP on loopback, or by calling the application.

    Called inside the fence, where only the course's own code runs, on foreign files. Returns one result a text. Raises
    ModelError for a folder that cannot be served (a pickle in it, files missing or damaged).
    """
    from textclf_lesson.deploy.serve.app import create_app
    from textclf_lesson.deploy.serve.wire import MAX_TEXTS

    app = create_app(folder)
    batches = [texts[start : start + MAX_TEXTS] for start in range(0, len(texts), MAX_TEXTS)]
    try:
        listener = socket.create_server(("127.0.0.1", 0))
    except OSError:
        return _directly(app, batches)
    with listener:
        return _over_http(app, listener, batches)


def _over_http(app: Any, listener: socket.socket, batches: list[list[str]]) -> list[dict[str, Any]]:
    import uvicorn

    server = uvicorn.Server(uvicorn.Config(app, lifespan="on", log_level="error", access_log=False))
    thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
    thread.start()
    url = f"http://127.0.0.1:{listener.getsockname()[1]}/classify"
    direct, results = urllib.request.build_opener(urllib.request.ProxyHandler({})), []
    try:
        for batch in batches:
            request = urllib.request.Request(url, json.dumps({"texts": batch}).encode())
            with direct.open(request, timeout=PATIENCE) as reply:
                results += json.load(reply)["results"]
    finally:
        server.should_exit = True
        thread.join(PATIENCE)
    return results


def _directly(app: Any, batches: list[list[str]]) -> list[dict[str, Any]]:
    from starlette.testclient import TestClient

    with TestClient(app) as client:
        replies = [client.post("/classify", json={"texts": batch}).json() for batch in batches]
    return [result for reply in replies for result in reply["results"]]
