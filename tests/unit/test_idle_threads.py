"""Wherever Python is started, idle threads are told to sleep before the first numerical library is loaded.

A spy stands in the search path of the children: whenever one imports such a library for the first time, it notes what
the environment says at that moment. Each child is what users start, in an environment that says nothing of threads.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import textclf_lesson
from textclf_lesson.grade.sandbox import Sandbox
from textclf_lesson.grade.sitting import Sitting

ROOT = Path(__file__).parents[2]
SPY = """
import json, os, sys

NAMES = ("torch", "numpy", "onnxruntime", "sklearn", "lightgbm")

class Spy:
    def find_spec(name, path=None, target=None):
        if name in NAMES and name not in sys.modules:
            keys = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME")
            seen = {key: os.environ.get(key) for key in keys}
            with open(os.environ["SPY"], "a") as file:
                file.write(json.dumps({"library": name, "program": sys.orig_argv[1:], "seen": seen}) + chr(10))

sys.meta_path.insert(0, Spy)
"""
ASLEEP = {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "0", "KMP_BLOCKTIME": "0"}


@pytest.fixture
def spy(tmp_path, monkeypatch):
    """A function: the notes of the spy on a library, one for each process that imported it."""
    (tmp_path / "spy").mkdir()
    (tmp_path / "spy" / "sitecustomize.py").write_text(SPY)
    notes = tmp_path / "notes"
    notes.touch()
    monkeypatch.setenv("SPY", str(notes))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "spy"))
    for name in ASLEEP:
        monkeypatch.delenv(name, raising=False)

    def on(library: str) -> list[dict]:
        found = map(json.loads, notes.read_text().splitlines())
        return [note for note in found if note["library"] == library]

    return on


def start(*command: str, code: int = 0, cwd: Path = ROOT) -> str:
    """Run `python COMMAND`; standard output and error in one. It must exit with the code."""
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    silent, held_open = os.pipe()  # the service stops when its input ends
    try:
        done = subprocess.run([sys.executable, *command], stdin=silent, cwd=cwd, check=False, **pipes)
    finally:
        os.close(silent)
        os.close(held_open)
    assert done.returncode == code, done.stdout
    return done.stdout


def test_the_package_says_so_and_nothing_is_loaded_before(spy, tmp_path):
    start("-c", "import textclf_lesson, torch", cwd=tmp_path)
    assert [note["seen"] for note in spy("torch")] == [ASLEEP]
    assert textclf_lesson.IDLE_THREADS == ASLEEP


@pytest.mark.parametrize(
    "chosen", [{"GOMP_SPINCOUNT": "1000"}, {"OMP_WAIT_POLICY": "ACTIVE"}, {"KMP_BLOCKTIME": "200"}]
)
def test_what_a_user_chose_wins_and_is_not_undone_by_the_others(spy, tmp_path, monkeypatch, chosen):
    for name, value in chosen.items():
        monkeypatch.setenv(name, value)
    start("-c", "import textclf_lesson, numpy", cwd=tmp_path)
    assert [note["seen"] for note in spy("numpy")] == [dict.fromkeys(ASLEEP) | chosen]


@pytest.mark.skipif(sys.platform != "linux", reason="another OpenMP is used elsewhere")
def test_openmp_itself_says_that_it_does_not_spin(monkeypatch):
    """GNU's library prints its settings when it is loaded; torch and scikit-learn bring a copy each."""
    for name in ASLEEP:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("OMP_DISPLAY_ENV", "VERBOSE")
    libraries = "sklearn.utils, torch"
    spins = [line.strip() for line in start("-c", f"import {libraries}").splitlines() if "GOMP_SPINCOUNT" in line]
    assert spins and "GOMP_SPINCOUNT = '0'" not in spins  # by default it does
    told = start("-c", f"import textclf_lesson, {libraries}")
    assert {line.strip() for line in told.splitlines() if "GOMP_SPINCOUNT" in line} == {"GOMP_SPINCOUNT = '0'"}


RUN = """
import sys
from pathlib import Path
from textclf_lesson.course import runner
sys.exit(runner.run([Path(sys.argv[1])], Path(sys.argv[2])))
"""


def test_the_kernel_of_a_lesson_that_loads_a_library_before_the_package(spy, make_notebook, tmp_path):
    """It inherits it from the runner."""
    start("-c", RUN, str(make_notebook("import numpy")), str(tmp_path / "out"))
    (note,) = spy("numpy")
    assert "ipykernel_launcher" in note["program"]
    assert note["seen"] == ASLEEP


def test_the_tests(spy):
    """Of a module of tests that imports numpy in its first lines, before the package."""
    start("-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", "tests/unit/test_metrics.py")
    assert [note["seen"] for note in spy("numpy")] == [ASLEEP]


def test_the_kernels_of_nbval(spy):
    cell = "notebooks/00_start_here.ipynb::Cell 0"
    start("-m", "pytest", "--nbval", "-q", "-p", "no:cacheprovider", cell)
    kernels = [note for note in spy("numpy") if "ipykernel_launcher" in note["program"]]
    assert [note["seen"] for note in kernels] == [ASLEEP]


def test_the_grader(spy, monkeypatch):
    """A submission, in the process that holds it. The spy does not get in there: nothing of PYTHONPATH is handed on."""
    look = "import os, sys\nseen = {name: os.environ.get(name) for name in names}\nloaded = 'torch' in sys.modules"
    with Sitting(Sandbox()) as sitting:
        sitting.start()
        sitting.run(f"names = {list(ASLEEP)}\n{look}")
        assert (sitting.get("seen"), sitting.get("loaded")) == (ASLEEP, False)
    monkeypatch.setenv("GOMP_SPINCOUNT", "1000")
    with Sitting(Sandbox()) as sitting:
        sitting.start()
        sitting.run(f"names = {list(ASLEEP)}\n{look}")
        assert sitting.get("seen") == dict.fromkeys(ASLEEP) | {"GOMP_SPINCOUNT": "1000"}


@pytest.mark.parametrize(
    "command",
    [
        ["-m", "textclf_lesson.deploy.serve", '{"folder": "nowhere", "port": 0}'],
        ["-c", "from textclf_lesson.cli import app; app()", "serve", "--model", "nowhere"],
    ],
    ids=["as a child", "textclf serve"],
)
def test_the_service(spy, tmp_path, command):
    """It finds no model here, but only after its libraries are loaded."""
    assert "nowhere" in start(*command, code=1, cwd=tmp_path)
    assert [note["seen"] for note in spy("onnxruntime")] == [ASLEEP]
    assert {json.dumps(note["seen"]) for note in spy("numpy")} == {json.dumps(ASLEEP)}


TRAIN = """
import textclf_lesson.models.modelcard
import torch.distributed
torch.distributed.init_process_group("gloo")
"""


def test_the_processes_of_torchrun(spy, tmp_path):
    (tmp_path / "train.py").write_text(TRAIN)
    start("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", str(tmp_path / "train.py"))
    ranks = [note["seen"] for note in spy("torch") if "torch.distributed.run" not in note["program"]]
    assert ranks == [ASLEEP, ASLEEP]


def test_the_benchmarks(spy, tmp_path, monkeypatch):
    """Their children load libraries before the package, and inherit it from the process that measures."""
    (tmp_path / "child.py").write_text("import numpy; print('{}')")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path / "spy"), str(tmp_path)]))
    start("-c", "from benchmarks import common; common.measure('child')")
    assert [note["seen"] for note in spy("numpy")] == [ASLEEP]
