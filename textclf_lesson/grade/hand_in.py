"""`textclf hand-in`: one archive with all that an exercise asks for, and what is missing in it."""

import shutil
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from nbformat import NotebookNode

from textclf_lesson.base.errors import CheckFailed, DeskError, Interrupted, ModelError, NotebookError
from textclf_lesson.check.rubric import rubric_of
from textclf_lesson.course import desk, runner
from textclf_lesson.grade import artefacts
from textclf_lesson.grade.sandbox import Sandbox

FOLDER = "hand-in"  # in the working copy
# What a blank and its check raise, and what the check of a wrong answer does: these cells have a sentence of their own.
UNANSWERED = ("NotYet", "Blank")
TOLD = {"CheckFailed": "Not right yet", "Missing": "Not right yet", "CheckFault": "Not judged"}
MODEL_FILES = ("model.onnx", "config.json", "tokenizer.json", "thresholds.json")


@dataclass
class HandIn:
    """What was written, what lies in it, and what is amiss; one sentence each."""

    archive: Path
    members: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def hand_in(folder: Path, lesson: str, run: bool = True, say: Callable[[str], None] = lambda line: None) -> HandIn:
    """Run the exercise of a lesson ("01") in the working copy `folder` from top to bottom, and pack what is asked for.

    The notebook is run as it was saved, in a folder of its own: nothing of the learner's is changed by it. It is packed
    whatever comes of that, Ctrl+C included, for a deadline may be near; `problems` says what is missing or does not
    run. `say(line)` is called when a cell takes long, with a line that says which. Raises DeskError if there is no such
    exercise, or the archive cannot be written.
    """
    path = desk.notebook(folder, lesson, exercise=True)
    try:
        notebook = runner.read(path)
    except NotebookError as problem:
        raise DeskError(f"Nothing was written: {problem}") from None
    handed = HandIn(folder / FOLDER / f"{path.stem}.zip", problems=_unanswered(notebook))
    if run:
        handed.problems += _run(path, say)
    files = [path]
    if any(entry["artefact"] for entry in rubric_of(lesson)):
        beside = path.parent / artefacts.FOLDER
        handed.problems += _artefacts(beside)
        wanted = [beside / artefacts.PREDICTIONS, *sorted((beside / artefacts.MODEL).rglob("*"))]
        files += [file for file in wanted if file.is_file() and not file.is_symlink()]
    handed.members = [file.relative_to(path.parent).as_posix() for file in files]
    _pack(files, handed)
    return handed


def _unanswered(notebook: NotebookNode) -> list[str]:
    blank = [
        cell.metadata["nbgrader"]["grade_id"]
        for cell in notebook.cells
        if cell.metadata.get("nbgrader", {}).get("solution") and "raise NotYet()" in cell.source
    ]
    names = ", ".join(f"`{name}`" for name in blank)
    return [f"Not answered yet: {names}."] if blank else []


def _run(path: Path, say: Callable[[str], None]) -> list[str]:
    """What keeps the notebook from running from top to bottom, then the items that are not right yet."""
    with tempfile.TemporaryDirectory(prefix="textclf-hand-in-") as place:
        others = shutil.ignore_patterns("*.ipynb", ".*")
        shutil.copytree(path.parent, place, ignore=others, dirs_exist_ok=True)
        copy = Path(shutil.copy(path, place))
        try:
            outcome = runner.execute(copy, say=say, keep_going=True)
        except Interrupted as stop:
            return [f"It was not run to its end: you stopped it at {stop}. Does a loop never end?"]
    if outcome.error:
        return [f"It does not run from top to bottom: {outcome.error}."]
    problems, wrong = [], []
    for number, cell in enumerate(outcome.notebook.cells, 1):
        for output in cell.get("outputs", []):
            if output.output_type != "error" or output.ename in UNANSWERED:
                continue
            if output.ename in TOLD:
                name = cell.metadata.get("nbgrader", {}).get("grade_id", "").removesuffix("_check")
                wrong.append(f"{TOLD[output.ename]}, `{name}`: {output.evalue}")
            else:
                problems.append(f"Cell {number} stops with {output.ename}: {output.evalue}")
    return problems + wrong


def _artefacts(folder: Path) -> list[str]:
    """What the practical's files lack, as the grader would find."""
    from textclf_lesson.deploy.onnx_classifier import OnnxClassifier

    problems = []
    try:
        artefacts.Artefacts(folder, Sandbox()).predictions()
    except CheckFailed as lacking:
        problems.append(str(lacking))
    model = folder / artefacts.MODEL
    missing = [name for name in MODEL_FILES if not (model / name).is_file()]
    if missing:
        problems.append(f"There is no {', no '.join(missing)} in `{artefacts.FOLDER}/{artefacts.MODEL}/`.")
    else:
        try:
            OnnxClassifier(model)
        except (ModelError, ValueError) as refused:
            problems.append(f"The model cannot be served: {refused}")
    return problems


def _pack(files: list[Path], handed: HandIn) -> None:
    """Write the archive, whole or not at all; the one of an earlier hand-in is replaced."""
    part = handed.archive.with_suffix(".part")
    try:
        handed.archive.parent.mkdir(exist_ok=True)
        with zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED) as archive:
            for file, name in zip(files, handed.members, strict=True):
                archive.write(file, name)
        part.replace(handed.archive)
    except OSError as error:
        raise DeskError(f"{handed.archive} cannot be written ({error.strerror or error}): make room there.") from None
    finally:
        part.unlink(missing_ok=True)
