"""A learner's working copy of the course, outside its repository: made, opened, brought up to date, handed back fresh.

    textclf-course/
    ├── notebooks/01_framing.ipynb           the lessons
    ├── exercises/01_framing_exercise.ipynb  under a name of their own: two tabs with one name are hard to tell apart
    ├── docs/                                what the lessons link to
    └── .textclf/                            where the course lies, and each file as the course gave it

What the course gave is kept, so that `update` can tell the learner's changes from the course's: a merge of three, cell
by cell. Nothing that a learner wrote is ever lost: what cannot stay in its place is kept beside it, and the message
says where.
"""

import importlib.metadata as metadata
import importlib.util
import itertools
import json
import os
import re
import sys
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

import nbformat

from textclf_lesson.base import shell
from textclf_lesson.base.errors import DeskError
from textclf_lesson.course import merging

DEFAULT = Path("~/textclf-course")
KEPT = ".textclf"  # the folder for what a learner need not see
SUFFIX = "_exercise"
NOTEBOOK = "[0-9][0-9]_*.ipynb"
BOOK = "docs/timings.json"  # the times of the lessons, which `textclf run` and `textclf doctor` read

UNREADABLE = (ValueError, AttributeError, KeyError, TypeError, nbformat.ValidationError)  # no notebook any more

# JupyterLab's panels for teachers, and its question about news, which would ask the network.
HIDDEN = ("@jupyter/nbgrader", "@jupyterlab/apputils-extension:announcements")


def start(folder: Path, course: Path | None = None) -> list[str]:
    """Make the working copy `folder` if it is not there, or fill in what it lacks; messages, one line each.

    Nothing that is there is changed. `course` is the repository's folder; None: the working directory, or the one that
    the working copy was made from, or where this package was installed from.

    Raises DeskError if there is no course, or if `folder` holds something else or lies inside the course.
    """
    folder = folder.expanduser().absolute()
    course = _course(folder, course)
    if folder.resolve().is_relative_to(course):
        raise DeskError(
            f"{folder} lies inside the course ({course}), whose files should stay as they are: "
            "name a folder elsewhere, --into DIR."
        )
    if folder.exists() and not folder.is_dir():
        raise DeskError(f"{folder} is a file: name another folder, --into DIR.")
    if folder.is_dir() and not _is_desk(folder) and any(folder.iterdir()):
        raise DeskError(f"{folder} holds something else: name another folder, --into DIR, or an empty one.")
    existed = _is_desk(folder)
    newer = False
    _remember(folder, course)
    for name, text in _given(course).items():
        if not (folder / name).exists():
            _give(folder, name, text)
        newer = newer or _original(folder, name) != text
    messages = [f"Your working copy {'of the course is' if existed else 'of the course was made:'} {folder}"]
    if newer:
        messages.append(
            f"The course has changed since: {_command('update', folder)} brings that here, and keeps your answers."
        )
    return messages


def notebook(folder: Path, lesson: str, exercise: bool = False) -> Path:
    """A notebook of the working copy by its lesson's number ("01"). Raises DeskError if there is none."""
    pattern = f"exercises/{lesson}_*{SUFFIX}.ipynb" if exercise else f"notebooks/{lesson}_*.ipynb"
    known = [name for name in _names(folder) if Path(name).match(pattern)]
    if not known:
        raise DeskError(f"There is no {'exercise' if exercise else 'lesson'} {lesson} in {folder}.")
    return folder / known[0]


def open_lab(folder: Path, opened: Path, browser: bool = True) -> None:
    """Become JupyterLab in the working copy, with a notebook of it open; does not return.

    Raises DeskError if JupyterLab is not installed.
    """
    if importlib.util.find_spec("jupyterlab") is None:
        raise DeskError(f"JupyterLab is not installed: {shell.pip_install('jupyterlab>=4.5,<5')}, then start again.")
    settings = folder / KEPT / "jupyter"
    _write(settings / "labconfig" / "page_config.json", json.dumps({"disabledExtensions": dict.fromkeys(HIDDEN, True)}))
    paths = [str(settings), os.environ.get("JUPYTER_CONFIG_PATH")]
    os.environ["JUPYTER_CONFIG_PATH"] = os.pathsep.join(filter(None, paths))
    # Which tabs were open is kept with the copy: else those of other projects would come up here, and these there.
    os.environ.setdefault("JUPYTERLAB_WORKSPACES_DIR", str(settings / "workspaces"))
    url = f"/lab/tree/{quote(opened.relative_to(folder).as_posix())}"
    options = [f"--ServerApp.root_dir={folder}", f"--LabApp.default_url={url}"]
    options += [] if browser else ["--no-browser"]
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        options.append("--allow-root")  # in a container everybody is root, and Jupyter would refuse to start
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, "-m", "jupyterlab", *options])


def find(folder: Path | None) -> Path:
    """The working copy that is meant: the one named, else the one around the working directory, else the default.

    Raises DeskError if that is not one.
    """
    if folder is None:
        here = Path.cwd()
        folder = next((place for place in (here, *here.parents) if _is_desk(place)), DEFAULT)
    folder = folder.expanduser().absolute()
    if not _is_desk(folder):
        raise DeskError(f"{folder} is not a working copy of the course: make one with {shell.textclf('start')}")
    return folder


def reset(folder: Path, lesson: str, exercise: bool = True) -> str:
    """Put a notebook back as the course has it, with the learner's kept beside it; a message of one line.

    Raises DeskError if there is no such notebook, or no course any more.
    """
    path = notebook(folder, lesson, exercise)
    name = path.relative_to(folder).as_posix()
    text = _given(_course(folder)).get(name)
    if text is None:
        raise DeskError(f"The course no longer has {path.name}; yours stays as it is.")
    if path.exists() and path.read_bytes() == text.encode():
        _give(folder, name, text)
        return f"{path.name} is as the course has it: there is nothing to put back."
    old = _set_aside(path) if path.exists() else None
    _give(folder, name, text)
    kept = f" What you had is kept: {old}" if old else ""
    return f"{path.name} is fresh again.{kept}"


def update(folder: Path, course: Path | None = None) -> list[str]:
    """Bring the course as it is now into the working copy, and keep every answer; messages, one line each.

    Cells are matched by their ids. What only the course changed is taken over; what only the learner changed stays;
    where both changed a cell, both are kept, one below the other. The learner's own cells stay where they are.
    Raises DeskError if there is no course.
    """
    course = _course(folder, course)
    given, messages = _given(course), []
    for name, text in given.items():
        path, base = folder / name, _original(folder, name)
        if not path.exists():
            messages.append(f"{name}: {'new' if base is None else 'was missing, and is there again'}")
            _give(folder, name, text)
        elif base != text:
            messages += _bring(path, name, base, text)
            _write(_kept_at(folder, name), text)
    for name in sorted(_names(folder) - given.keys()):
        path, base = folder / name, _original(folder, name)
        if path.exists() and not _is_unchanged(path, base):
            messages.append(f"{name}: the course no longer has it; yours stays")
        else:
            path.unlink(missing_ok=True)
            messages.append(f"{name}: the course no longer has it; it was removed, for you had changed nothing in it")
        _kept_at(folder, name).unlink()
    _remember(folder, course)
    return messages or ["Everything is as the course has it: nothing to do."]


def _bring(path: Path, name: str, base: str | None, text: str) -> list[str]:
    """Bring the course's new text into a file of the learner's; messages."""
    if _is_unchanged(path, base) or _is_unchanged(path, text):
        _write(path, text)
        return [f"{name}: brought up to date"]
    if path.suffix == ".ipynb" and base is not None:
        try:
            mine = merging.read(path.read_text(encoding="utf-8"))
            merged, conflicts = merging.merge(merging.read(base), mine, merging.read(text))
        except UNREADABLE:
            pass
        else:
            _write(path, nbformat.writes(merged) + "\n")
            cells = "1 cell was" if conflicts == 1 else f"{conflicts} cells were"
            both = f"; {cells} changed by you and by the course: both versions are there" if conflicts else ""
            return [f"{name}: brought up to date, your answers kept{both}"]
    old = _set_aside(path)
    _write(path, text)
    return [f"{name}: brought up to date; what you had could not be merged with it, and is now {old.name}"]


def _is_unchanged(path: Path, base: str | None) -> bool:
    """Whether a learner has changed nothing in it; outputs, and JupyterLab's way to write a notebook, do not count."""
    mine = path.read_bytes().decode("utf-8", "replace")
    if mine == base:
        return True
    if path.suffix != ".ipynb" or base is None:
        return False
    try:
        one, other = ([(cell.get("id"), cell.source) for cell in merging.read(text).cells] for text in (mine, base))
    except UNREADABLE:
        return False
    return one == other


# --- files ------------------------------------------------------------------------------------------------------------


def _given(course: Path) -> dict[str, str]:
    """What a working copy gets: the name in it → the text, links between lessons and exercises already right."""
    given, linked = {}, {BOOK}
    for source in sorted(path for kind in ("notebooks", "exercises") for path in course.glob(f"{kind}/{NOTEBOOK}")):
        text = source.read_text(encoding="utf-8")
        linked |= _links(text, source, course)
        stem = f"{source.stem}{SUFFIX}" if source.parent.name == "exercises" else source.stem
        given[f"{source.parent.name}/{stem}.ipynb"] = _rewritten(text, source.parent.name == "exercises")
    for name in sorted(linked):
        if (course / name).is_file():
            given[name] = (course / name).read_text(encoding="utf-8")
    return given


def _rewritten(text: str, is_exercise: bool) -> str:
    """A notebook's text with the exercises under the names that they have here."""
    text = re.sub(r"exercises/(\d\d_\w+?)\.ipynb", rf"exercises/\1{SUFFIX}.ipynb", text)
    return re.sub(r"\]\((\d\d_\w+?)\.ipynb", rf"](\1{SUFFIX}.ipynb", text) if is_exercise else text


def _links(text: str, source: Path, course: Path) -> set[str]:
    """The course's text files that a notebook links to, other notebooks left out; names from the course's folder on."""
    found = set()
    for url in re.findall(r"\]\(([^)\s]+)\)", text):
        parts = urlsplit(url)
        path = (source.parent / unquote(parts.path)).resolve()
        if not parts.scheme and path.suffix in (".md", ".toml", ".svg") and path.is_relative_to(course.resolve()):
            found.add(path.relative_to(course.resolve()).as_posix())
    return found


def _course(folder: Path, course: Path | None = None) -> Path:
    """The repository's folder. Raises DeskError if there is none."""
    remembered = _state(folder).get("course")
    places = [course] if course else [Path.cwd(), *([Path(remembered)] if remembered else []), *_installed_from()]
    for place in places:
        if any(place.glob(f"notebooks/{NOTEBOOK}")) and (place / "exercises").is_dir() and not _is_desk(place):
            return place.resolve()
    raise DeskError(
        "The lessons are not here: they lie in the course's repository, not in the installed package. "
        "Run this in the folder of the course."
    )


def _installed_from() -> list[Path]:
    """The folder that `pip install -e` was given, by what pip noted (PEP 610)."""
    try:
        noted = json.loads(metadata.distribution("textclf-lesson").read_text("direct_url.json") or "{}")
    except (metadata.PackageNotFoundError, ValueError):
        return []
    if not noted.get("dir_info", {}).get("editable"):
        return []
    return [Path(unquote(urlsplit(noted["url"]).path))]


def _is_desk(folder: Path) -> bool:
    return (folder / KEPT / "desk.json").is_file()


def _state(folder: Path) -> dict[str, str]:
    try:
        return json.loads((folder / KEPT / "desk.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}


def _remember(folder: Path, course: Path) -> None:
    _write(folder / KEPT / "desk.json", json.dumps({"course": str(course)}, indent=1) + "\n")


def _names(folder: Path) -> set[str]:
    """The files that the course gave, as it called them then."""
    originals = folder / KEPT / "originals"
    return {path.relative_to(originals).as_posix() for path in originals.rglob("*") if path.is_file()}


def _kept_at(folder: Path, name: str) -> Path:
    return folder / KEPT / "originals" / name


def _original(folder: Path, name: str) -> str | None:
    """A file as the course gave it; None if it gave none of that name."""
    try:
        return _kept_at(folder, name).read_text(encoding="utf-8")
    except FileNotFoundError:
        return None


def _give(folder: Path, name: str, text: str) -> None:
    """The file first: interrupted between the two, the next `update` finds both alike."""
    _write(folder / name, text)
    _write(_kept_at(folder, name), text)


def _set_aside(path: Path) -> Path:
    """Rename a file out of the way, to a name that is free: x_old.ipynb, x_old2.ipynb."""
    for number in itertools.count(1):
        old = path.with_name(f"{path.stem}_old{number if number > 1 else ''}{path.suffix}")
        if not old.exists():
            return path.rename(old)


def _write(path: Path, text: str) -> None:
    """Whole or not at all. Raises DeskError where nothing can be written."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_text(text, encoding="utf-8")
        part.replace(path)
    except OSError as error:
        reason = error.strerror or error
        raise DeskError(f"{path} cannot be written ({reason}): make room, or name a folder of yours.") from None
    finally:
        part.unlink(missing_ok=True)


def _command(name: str, folder: Path) -> str:
    """A command for this working copy, to be pasted."""
    elsewhere = folder != DEFAULT.expanduser().absolute()
    return shell.textclf(name, *(["--in", folder] if elsewhere else []))
