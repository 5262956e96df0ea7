"""Submissions for the tests of the grader: made from the exercises, as learners make them, or mangled."""

import copy
import json
from pathlib import Path

import nbformat
from nbformat import NotebookNode

ROOT = Path(__file__).parents[2]
SOLUTIONS = ROOT / "solutions"


def exercise(name: str) -> NotebookNode:
    return nbformat.read(ROOT / "exercises" / f"{name}.ipynb", as_version=4)


def blank_of(notebook: NotebookNode, item: str) -> NotebookNode:
    return next(c for c in notebook.cells if c.metadata.get("nbgrader", {}).get("grade_id") == item)


def answered(name: str, **sources: str) -> NotebookNode:
    """The exercise with these cells filled in: item = the whole source of its cell."""
    notebook = exercise(name)
    for item, source in sources.items():
        blank_of(notebook, item).source = source
    return notebook


def solved(name: str, only: tuple[str, ...]) -> NotebookNode:
    """The exercise with some items solved, and without the cells that the others need."""
    solution = nbformat.read(SOLUTIONS / f"{name}.ipynb", as_version=4)
    notebook = answered(name, **{item: blank_of(solution, item).source for item in only})
    wanted = {*only, *(f"{item}_check" for item in only)}
    notebook.cells = [
        cell
        for cell in notebook.cells
        if cell.cell_type == "markdown" or cell.metadata.get("nbgrader", {}).get("grade_id") in wanted
    ]
    notebook.cells.insert(0, nbformat.v4.new_code_cell("import numpy as np\nfrom textclf_lesson.check import NotYet"))
    return notebook


def write(notebook: NotebookNode | str, path: Path) -> None:
    """Without validation: mangled notebooks are what is wanted."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(notebook if isinstance(notebook, str) else json.dumps(notebook), encoding="utf-8")


# --- mangled ----------------------------------------------------------------------------------------------------------

WITNESSES = (
    "kind_of_problem",
    "focal_loss",
    "kappa",
    "quiz",
)  # the items that attackers may spoil, and those that must live


def _attack(**cells: str) -> NotebookNode:
    """Right answers to the witnesses, but for these cells."""
    notebook = solved("01_framing", WITNESSES)
    for item, source in cells.items():
        blank_of(notebook, item).source = source
    return notebook


def _function(name: str, *lines: str) -> str:
    return f"def {name}(*given):\n" + "".join(f"    {line}\n" for line in lines)


def looping() -> NotebookNode:
    return _attack(focal_loss="while True:\n    pass", kappa=_function("kappa", "import time", "time.sleep(10**6)"))


def greedy() -> NotebookNode:
    return _attack(
        focal_loss=_function("focal_loss", "return bytearray(20 * 10**9)"),
        kappa=_function("kappa", "line = 'x' * 10**6", "for _ in range(1000):", "    print(line)"),
        quiz=_function("quiz", "import mmap", "room = mmap.mmap(-1, 20 * 10**9)",
                       "for at in range(0, 20 * 10**9, 4096):", "    room[at] = 1"),
    )  # fmt: skip


def forking() -> NotebookNode:
    by_machine_code = "import ctypes\nfork = ctypes.CDLL(None).fork\nwhile True:\n    fork()"
    return _attack(focal_loss="import os\nwhile True:\n    os.fork()", kappa=by_machine_code)


def leaving() -> NotebookNode:
    return _attack(
        kind_of_problem="import sys\nsys.exit()",
        focal_loss=_function("focal_loss", "import os", "os._exit(0)"),
        kappa=_function("kappa", "import ctypes", "ctypes.string_at(0)"),
    )


def spying(secret: Path) -> NotebookNode:
    """Tries to read, write and reach what it must not, and tells in its answers how that went."""
    read = f"open({str(SOLUTIONS / '01_framing.ipynb')!r}).read()"
    lists = f"os.listdir({str(ROOT / 'tests')!r})"
    connect = "socket.create_connection(('192.0.2.1', 80), timeout=5)"
    write_home = f"open({str(secret)!r}, 'w').write('was here')"
    by_c = f"ctypes.CDLL(None).open({str(SOLUTIONS / '01_framing.ipynb')!r}.encode(), 0)"
    return _attack(
        kind_of_problem=_function("kind_of_problem", f"return {read}[:100]"),
        focal_loss=_function("focal_loss", "import os", f"return {lists}"),
        kappa=_function("kappa", "import socket", f"return {connect}"),
        quiz=_function(
            "quiz", "import ctypes", f"if {by_c} >= 0:", "    raise RuntimeError('read by C')", f"return {write_home}"
        ),
    )


def forging() -> NotebookNode:
    """Wrong answers, and every trick to be told right."""
    tricks = """
import textclf_lesson.check as check, textclf_lesson.check.core as core
from textclf_lesson.check import values
from textclf_lesson import course
from textclf_lesson.check import ex01
check.focal_loss = ex01.focal_loss = lambda *a, **k: print("✓")
course.claim = lambda *a, **k: None
values.compare = values.close = ex01.compare = lambda *a, **k: True
core.CheckFailed.__init__ = lambda *a: None
check = type("check", (), {"__getattr__": lambda self, name: lambda *a, **k: None})()
class Yes(float):
    def __eq__(self, other): return True
def focal_loss(*given): return Yes(1)
"""
    frame = '{"value": {"array": "gARjb3MKc3lzdGVtCg=="}}'
    speak = f"""
import os
for fd in range(3, 64):
    try:
        os.write(fd, (2**40).to_bytes(8, "big") + {frame!r}.encode())
    except OSError:
        pass
"""
    notebook = _attack(kind_of_problem=_function("kind_of_problem", "return 'binary'"), focal_loss=tricks, kappa=speak)
    own_test = blank_of(notebook, "focal_loss_check")
    own_test.source = "print('3 of 3 points')"
    own_test.metadata["nbgrader"]["points"] = 300
    return notebook


def untidy() -> NotebookNode:
    """Deleted, duplicated, reordered, renamed, and one with a syntax error. What can be graded is."""
    notebook = _attack(kappa="def kappa(a, b)\n    return 1")
    notebook.cells.remove(blank_of(notebook, "quiz"))
    first = copy.deepcopy(blank_of(notebook, "focal_loss"))
    first.source = "def focal_loss(*given): return 0"
    blank_of(notebook, "kind_of_problem").metadata["nbgrader"]["grade_id"] = "something_else"
    blank_of(notebook, "focal_loss_check").metadata["nbgrader"] = ["not", "a", "record"]
    notebook.cells = [first, *reversed(notebook.cells)]
    return notebook
