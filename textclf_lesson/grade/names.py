"""Reads the name of a file that was handed in: the student, the assignment, and which of several versions it is.

Canvas puts `lovelaceada_12345_678901_` before a file's name (`lovelaceada_LATE_12345_678901_` if it came late: sorted
name, number of the student, number of the file, which grows), Moodle `Ada Lovelace_12345_assignsubmission_file_`.
Browsers, Colab, Drive, VS Code, JupyterLab and the desktops mark a second copy each in their own way: `x (1)`, `x-1`,
`Copy of x`, `x copy 2`, `x - Copy`, `x-Copy1`. People write `x_v2`, `x_final`, `x resubmission`.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

CANVAS = re.compile(r"(?P<who>[^\W\d_][^_/]*?)(?P<late>_LATE)?_(?P<user>\d+)_(?P<file>\d+)_(?P<rest>[^/]+)")
MOODLE = re.compile(r"(?P<who>[^/]+?)_(?P<user>\d+)_assignsubmission_(?:file|onlinetext)_?(?P<rest>[^/]*)")
_COPY = r"(?:copy|kopie|copie|copia|cópia|копия)"
_BEFORE = re.compile(rf"^{_COPY}(?:[\s_]*\(?\d+\)?)?[\s_]+(?:(?:of|von|de|di|du|блокнота)[\s_]+)?|^late[\s_-]+", re.I)
_NUMBER = re.compile(r"[\s_-]*\((\d+)\)$|[\s-](\d{1,2})$")
_WORD = re.compile(
    rf"[\s_.-]+(?:{_COPY}|late|final|new|corrected|fixed|updated|draft|re-?submi(?:t|tted|ssion)|(?:v|version|attempt|try))"
    r"[\s_.-]*\(?(\d*)\)?$",
    re.I,
)


@dataclass(frozen=True)
class Named:
    """What can be read from a name.

    base: the file's own name, plain, without version marks.
    owner: the student, as Canvas and Moodle name them, with the folder of the file; else "".
    order: Canvas's number of the file, which grows with each version; else 0.
    number: of the copy, 0 if none is marked; a word such as "final" counts as a mark too.
    bare: the only mark is a number, which could also be a student's.
    """

    base: str
    owner: str = ""
    late: bool = False
    order: int = 0
    number: int = 0
    bare: bool = False


def plain(text: str) -> str:
    """Lower-case letters and digits, with one _ for everything between them."""
    return re.sub(r"[\W_]+", "_", text.casefold()).strip("_")


def read(name: str) -> Named:
    """What can be read from a file's name with its folders and archives; the file's ending left out."""
    owner, late, order, parts = "", False, 0, name.split("/")
    stem = parts[-1]
    for at, part in enumerate(parts):
        if found := MOODLE.fullmatch(part) or CANVAS.fullmatch(part):
            owner = "/".join([*parts[:at], f"{found['who']} {found['user']}"])
            late, order = bool(found.groupdict().get("late")), int(found.groupdict().get("file") or 0)
            stem = found["rest"] if at == len(parts) - 1 else stem
            break
    base, number, bare = _version(stem)
    base = base.removesuffix("_exercise") or base  # as it is called in a learner's working copy
    return Named(base, owner, late, order, number, bare)


def _version(stem: str) -> tuple[str, int, bool]:
    """A file's own name, the number of its version (0: none is marked), whether a bare number is the only mark."""
    number, words = 0, 0
    while True:
        if found := _BEFORE.match(stem):
            rest, words, found_number = stem[found.end() :], words + 1, 1
        elif found := _WORD.search(stem):
            rest, words, found_number = stem[: found.start()], words + 1, int(found[1] or 1)
        elif found := _NUMBER.search(stem):
            rest, found_number = stem[: found.start()], int(found[1] or found[2])
        else:
            break
        if not plain(rest):  # nothing but marks: then it is the name
            break
        stem, number = rest, max(number, found_number)
    return plain(stem), number, bool(number) and not words


def assignment_in(name: str, stems: Iterable[str]) -> str | None:
    """The assignment whose whole stem ("01_framing") is in a name: in that of the file, else in those of its folders.

    `lee_12_34_01_framing` is 01_framing. None if none does, or several do.
    """
    wanted = {stem: re.compile(rf"(?:^|_){re.escape(plain(stem))}(?:_|$)") for stem in stems}
    for part in reversed(name.split("/")):
        found = [stem for stem, pattern in wanted.items() if pattern.search(plain(part))]
        if len(found) == 1:
            return found[0]
    return None
