"""The files of a class's folder: notebooks, also those in archives, and others with the reason they are not graded.

Of several versions of one notebook by one student the newest counts. Every file is graded or listed.
"""

import filecmp
import os
import stat
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cmp_to_key
from pathlib import Path

from textclf_lesson.base.errors import GradingError, Unopened, Unreadable
from textclf_lesson.grade import names, summary, unpack
from textclf_lesson.grade.assignment import notebook_cells

DEEPEST = 4  # archives inside archives
LIKE_NOTEBOOKS = {".json", ".txt", ""}  # endings that browsers and mail programs give a notebook, or add to its own
APART = 60  # seconds; files closer in time were probably copied or unpacked together, so their order says nothing
SHORTCUTS = {".gdoc", ".gnotebook", ".url", ".webloc", ".lnk", ".icloud", ".desktop"}
BY_NBGRADER = ("timestamp.txt", "submission_secret.txt")  # what it writes beside a notebook that it collects
UNFINISHED = {".crdownload", ".part", ".download", ".partial"}


@dataclass(frozen=True)
class Found:
    """A file: its path, and its name relative to the class's folder, archives included."""

    path: Path
    name: str
    notes: tuple[str, ...] = ()  # for the note of its marks

    @property
    def shown(self) -> str:
        """Its name in the results: without `.ipynb`."""
        name = self.name[: -len(".ipynb")] if self.name.endswith(".ipynb") else self.name
        return os.fsencode(name).decode("utf-8", "replace")


@dataclass
class HandedIn:
    """Notebooks, and other files with the reason why they are not graded."""

    notebooks: list[Found] = field(default_factory=list)
    others: list[tuple[Found, str]] = field(default_factory=list)
    unpacked: tempfile.TemporaryDirectory | None = None  # is removed with this object

    def leave(self, found: Found, reason: str) -> None:
        self.others.append((found, reason))


def collect(path: Path, own: set[Path]) -> HandedIn:
    """All files of a folder or an archive, or the one file. `own`: the grader's files and folders, left out."""
    handed = HandedIn()
    own = {path.resolve() for path in own}
    if path.is_dir():
        _walk(path, "", handed, own, 0)
    else:
        _file(Found(path, path.name), handed, 0)
    _leave_copies(handed)
    return handed


def is_candidate(path: Path) -> bool:
    """Whether a file is, by its name, a notebook or an archive."""
    return ".ipynb" in path.name.lower() or unpack.is_archive(path.name)


def _leave_copies(handed: HandedIn) -> None:
    """A class's archive is often left beside what was unpacked from it."""
    outside = {found.name: found for found in handed.notebooks}
    for found in list(handed.notebooks):
        parts = found.name.split("/")
        inside = next((at for at, part in enumerate(parts[:-1]) if unpack.is_archive(part)), None)
        if inside is None:
            continue
        other = outside.get("/".join([*parts[:inside], *parts[inside + 1 :]]))
        if other and _same(other.path, found.path):
            handed.notebooks.remove(found)
            handed.leave(found, f"the same file as {other.name}, which was unpacked from here")


def _same(one: Path, other: Path) -> bool:
    try:
        return filecmp.cmp(one, other, shallow=False)
    except OSError:
        return False


def _walk(folder: Path, prefix: str, handed: HandedIn, own: set[Path], depth: int) -> None:
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        return handed.leave(Found(folder, prefix), f"the folder cannot be opened ({error.strerror})")
    for entry in entries:
        found = Found(Path(entry.path), f"{prefix}{entry.name}")
        if found.path.resolve() in own:
            continue
        if entry.is_dir(follow_symlinks=False):
            inside = replace(found, name=f"{found.name}/")
            if entry.name.startswith(".") or entry.name == "__MACOSX":
                files = sum(len(files) for _, _, files in os.walk(entry.path))
                if files:
                    handed.leave(inside, f"a hidden folder ({files} files), which programs make for themselves")
            else:
                _walk(found.path, inside.name, handed, own, depth)
        elif entry.is_symlink() and found.path.is_dir():
            handed.leave(found, "a link to a folder: links to folders are not followed")
        else:
            _file(found, handed, depth)


def _file(found: Found, handed: HandedIn, depth: int) -> None:
    name = Path(found.name).name
    suffix = Path(name).suffix.lower()
    try:
        mode, size = found.path.stat().st_mode, found.path.stat().st_size
    except OSError as error:
        reason = "a link that leads nowhere" if found.path.is_symlink() else f"it cannot be read ({error.strerror})"
        return handed.leave(found, reason)
    if not stat.S_ISREG(mode):
        return handed.leave(found, "it is not a file")
    if name.startswith("."):
        return handed.leave(found, "a hidden file, which programs make for themselves")
    if suffix == ".ipynb":
        return handed.notebooks.append(found)
    if unpack.is_archive(name):
        return _archive(found, handed, depth)
    if ".ipynb" in name.lower() or suffix in LIKE_NOTEBOOKS:
        try:
            notebook_cells(found.path)
        except (Unreadable, OSError):
            pass
        else:
            notes = (f"the file is called {name}, but is a notebook",)
            return handed.notebooks.append(replace(found, notes=notes))
    if summary.is_result(found.path):  # of an earlier grading, with --json or --html in this folder
        return None
    if name in BY_NBGRADER and any(found.path.parent.glob("*.ipynb")):
        return None
    return handed.leave(found, _why_no_notebook(suffix, size, ".ipynb" in name.lower()))


def _why_no_notebook(suffix: str, size: int, called_so: bool) -> str:
    if not size:
        return "the file is empty"
    if suffix in UNFINISHED:
        return "a download that was not finished"
    if suffix in SHORTCUTS:
        return "a shortcut, not the file itself: download the notebook"
    if called_so:
        return "the file is called like a notebook, but is not one"
    if suffix in (".py", ".html", ".pdf", ".md"):
        return f"a {suffix} file, not the notebook: hand in the .ipynb"
    return "it is not a notebook"


def _archive(found: Found, handed: HandedIn, depth: int) -> None:
    if depth >= DEEPEST:
        return handed.leave(found, f"an archive inside {DEEPEST} others: unpack it by hand")
    try:
        if handed.unpacked is None:
            handed.unpacked = tempfile.TemporaryDirectory(prefix="textclf-class-")
        target = Path(tempfile.mkdtemp(dir=handed.unpacked.name))
    except OSError as error:
        raise GradingError(f"There is no folder to unpack {found.name} in ({error}): set TMPDIR to one.") from None
    before = len(handed.notebooks) + len(handed.others)
    try:
        problems = unpack.unpack(found.path, target)
    except Unopened as problem:
        return handed.leave(found, str(problem))
    for name, reason in problems:
        handed.leave(Found(found.path, f"{found.name}/{name}" if name else found.name), reason)
    _walk(target, f"{found.name}/", handed, set(), depth + 1)
    if len(handed.notebooks) + len(handed.others) == before:
        handed.leave(found, "an empty archive")
    return None


# --- versions ---------------------------------------------------------------------------------------------------------


def newest(notebooks: list[Found], answers: Callable[[Found], str], stems: list[str]) -> HandedIn:
    """The newest version of each notebook, in the old order; `others` are the older ones.

    `answers` gives the assignment of a notebook, "" if it is unknown. Two files are versions of one notebook if Canvas
    or Moodle name one student for both, or if they are in one folder and their names differ only by version marks. In
    the class's folder itself a name without a student's ("01_framing (1)") could be anybody's: both are graded.
    """
    groups: dict[tuple, list[tuple[Found, names.Named]]] = {}
    tops = {found.name.partition("/")[0] for found in notebooks}
    top = tops.pop() if len(tops) == 1 else ""
    root = _folder(f"{top}/x") if unpack.is_archive(top) else ""  # a class's one archive is as the class's folder
    for found in notebooks:
        named = names.read(_stem(found.name))
        owner = (named.owner,) if named.owner else (_folder(found.name), named.base)
        groups.setdefault((*owner, answers(found)), []).append((found, named))
    kept: dict[str, Found] = {}
    result = HandedIn()
    for group in groups.values():
        for count in _counting(group, stems, root):
            *older, last = sorted(count, key=cmp_to_key(_later))
            kept[last[0].name] = _noted(last, older)
            result.others += [(one[0], f"an older version: {last[0].name} counts") for one in older]
    result.notebooks = [kept[found.name] for found in notebooks if found.name in kept]
    return result


def _counting(group: list, stems: list[str], root: str) -> list[list]:
    """The whole group if its files are certainly versions of one notebook, else each file by itself."""
    if len(group) == 1 or group[0][1].owner:
        return [group]
    base, folder = group[0][1].base, _folder(group[0][0].name)
    nobody = folder in ("", root) and base in {names.plain(stem) for stem in stems}
    marked = any(not named.number for _, named in group) or names.assignment_in(base, stems)
    if nobody or (not marked and any(named.bare for _, named in group)):
        others = ", ".join(found.name for found, _ in group)
        note = (
            f"{others} were all graded, since no name says whose they are: if one student handed them in, keep the "
            "newest only"
        )
        return [[(replace(found, notes=(*found.notes, note)), named)] for found, named in group]
    return [group]


def _later(one: tuple[Found, names.Named], other: tuple[Found, names.Named]) -> float:
    """Above 0 if the first is the later version: by Canvas's numbers, else by time, else by the number in the name."""
    (found_a, a), (found_b, b) = one, other
    if a.order and b.order:
        return a.order - b.order or a.number - b.number
    apart = _changed(found_a.path) - _changed(found_b.path)
    return apart if abs(apart) > APART else (a.number - b.number or apart)


def _changed(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def _noted(last: tuple[Found, names.Named], older: list) -> Found:
    found, named = last
    notes = list(found.notes)
    if named.late:
        notes.append("handed in late")
    if older:
        notes.append(f"the newest of {len(older) + 1} versions; older: {', '.join(one.name for one, _ in older)}")
    return replace(found, notes=tuple(notes))


def _stem(name: str) -> str:
    """Without the endings of notebooks: x.ipynb, x.ipynb.txt, x.json."""
    folder, slash, file = name.rpartition("/")
    lower = file.lower()
    file = file[: lower.index(".ipynb")] if ".ipynb" in lower else file.rpartition(".")[0] or file
    return f"{folder}{slash}{file}"


def _folder(name: str) -> str:
    """The folders of a name; an archive counts as a folder of its name."""
    parts = name.split("/")[:-1]
    return "/".join(part[: -len(Path(part).suffix)] if unpack.is_archive(part) else part for part in parts)
