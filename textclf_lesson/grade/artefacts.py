"""What is handed in beside a notebook: a file of predictions, read as text, and a model, served by code of the course.

Both stand in for the functions of the same names: the submission's functions are not asked. The file is read here, as
text and never as objects. The model is loaded in a fenced process of its own, in which no cell of the submission runs:
what comes back is what the folder says, and nobody's opinion of it.
"""

import csv
import hashlib
import io
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd

from textclf_lesson.base.errors import AnswerError, CheckFailed, CheckFault, Missing, Stopped
from textclf_lesson.grade.process import Limits
from textclf_lesson.grade.sitting import Sitting, printable

FOLDER, PREDICTIONS, MODEL = "submission", "predictions.csv", "model"
LARGEST_TABLE, LARGEST_MODEL = 1_000_000, 500_000_000  # bytes


class Artefacts:
    """The files of one submission. `folder` is where they should lie; None: they could be anybody's."""

    def __init__(self, folder: Path | None, limits: Limits, hidden: list[Path]):
        self.folder, self.limits = folder and folder.absolute(), limits  # the fenced process works elsewhere
        self.hidden = [other for other in hidden if folder is None or not _is_inside(folder, other)]
        self._sitting: Sitting | None = None
        self._ask: Callable | None = None

    def close(self) -> None:
        if self._sitting is not None:
            self._sitting.close()
            self._sitting = self._ask = None

    @property
    def fault(self) -> str:
        """What this machine lacked when the model was served, if anything."""
        return self._sitting.fault if self._sitting else ""

    @property
    def short(self) -> bool:
        return bool(self._sitting and self._sitting.short)

    def named(self, name: str) -> Callable:
        """What stands in for the submission's function of this name. Raises LookupError for another name."""
        return {"predictions_file": self.predictions, "served_model": self.served}[name]

    def predictions(self) -> pd.DataFrame:
        """The table in predictions.csv; numbers as numbers, else as text. Raises CheckFailed, Missing, CheckFault."""
        with _ours(PREDICTIONS):
            text = _text(self._place(PREDICTIONS), LARGEST_TABLE)
        try:
            rows = list(csv.reader(io.StringIO(text), strict=True))
        except csv.Error as error:
            raise CheckFailed(f"{PREDICTIONS} is no CSV file: {error}.") from None
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
        """What a service over the folder answers. Raises CheckFailed, Missing, Stopped, CheckFault."""
        with _ours(MODEL):
            folder = self._place(MODEL)
            _check_model(folder)
            if self._ask is None:
                self._sitting = Sitting(self.limits, self.hidden)
                self._sitting.start()
                self._sitting.run("from textclf_lesson.grade.serving import ask")
                self._ask = self._sitting.get("ask")
        try:
            self._sitting.started()
            return self._ask(str(folder), texts)
        except AnswerError as error:
            told = str(error).replace(f"{folder}{os.sep}", f"{MODEL}/").replace(str(folder), f"{MODEL}/")
            raise CheckFailed(f"`{MODEL}/` cannot be served: {told}") from None
        except Stopped:
            self.close()
            raise

    def _place(self, name: str) -> Path:
        """Where it lies. No step on the way may be a link, which could lead into a neighbour's folder."""
        if self.folder is None:
            raise Missing(
                f"Whose {name} is it? Several practicals lie in one folder: give each a folder of its own, with its "
                f"`{FOLDER}/` beside the notebook."
            )
        for step in (self.folder, self.folder / name):
            if step.is_symlink():
                raise CheckFailed(f"`{step.name}` is a link. Hand in the thing itself.")
        if not (self.folder / name).exists():
            raise Missing(
                f"There is no {name}, neither in `{FOLDER}/` beside the notebook nor beside the notebook itself."
            )
        return self.folder / name


@contextmanager
def _ours(name: str) -> Iterator[None]:
    """A block in which no code of the submission runs and nothing of it is read but bytes: its errors are not its."""
    try:
        yield
    except (OSError, AnswerError) as error:
        raise CheckFault(f"{name} could not be looked at here: {error}.") from error


def beside(notebook: Path) -> Path:
    """The folder of a notebook's artefacts: `submission` beside it, or where it lies itself."""
    folder = notebook.parent / FOLDER
    return folder if folder.is_dir() or folder.is_symlink() else notebook.parent


def fingerprint(folder: Path | None) -> bytes:
    """Another one if an artefact is another one."""
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
        raise CheckFailed(f"`{path.name}` is no file.")
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
        raise CheckFailed(f"`{MODEL}` is no folder.")
    files = list(folder.rglob("*"))
    if link := next((path for path in files if path.is_symlink()), None):
        raise CheckFailed(f"`{MODEL}/{printable(link.name, 40)}` is a link. Hand in the thing itself.")
    if other := next((path for path in files if not path.is_file() and not path.is_dir()), None):
        raise CheckFailed(f"`{MODEL}/{printable(other.name, 40)}` is no file.")
    size = sum(path.stat().st_size for path in files)
    if size > LARGEST_MODEL:
        raise CheckFailed(f"`{MODEL}/` has {size / 1e6:,.0f} MB; {LARGEST_MODEL / 1e6:g} MB are allowed.")


def _is_inside(folder: Path, other: Path) -> bool:
    return folder.resolve().is_relative_to(other.resolve())
