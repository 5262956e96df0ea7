"""The package as others get it: built, installed outside the repository, with all and with few of its extras."""

import ast
import json
import os
import re
import shlex
import shutil
import signal
import site
import subprocess
import sys
import textwrap
import urllib.request
import zipfile
from pathlib import Path

import nbformat
import pytest
import tiny_models
import yaml

from textclf_lesson import __version__
from textclf_lesson.assets import cache
from textclf_lesson.cli import app

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "textclf_lesson"
QUIET_PIP = ["-m", "pip", "--quiet", "--disable-pip-version-check"]


def run(*command: str | Path, cwd: Path, **env: str) -> subprocess.CompletedProcess:
    """Somewhere else than in the repository, of which nothing is on the path there."""
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | env
    return subprocess.run([*map(str, command)], cwd=cwd, env=env, capture_output=True, text=True)


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> Path:
    """The folder of a source archive and of the wheel that is built from it, as for a release.

    Made of a copy: what an earlier build left in the repository is not to be taken along.
    """
    source, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    shutil.copytree(PACKAGE, source / PACKAGE.name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE", "LICENSE-CONTENT"):
        shutil.copy(ROOT / name, source)
    done = run(sys.executable, "-m", "build", "--no-isolation", "--outdir", out, source, cwd=out)
    assert done.returncode == 0, done.stderr
    return out


@pytest.fixture(scope="module")
def wheel(built) -> Path:
    (found,) = built.glob("*.whl")
    return found


def test_a_release_is_one_version_everywhere_and_passes_twine_s_check(built):
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    changes = re.findall(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert __version__ == citation["version"] == changes[0]
    names = sorted(path.name for path in built.iterdir())
    assert names == [f"textclf_lesson-{__version__}-py3-none-any.whl", f"textclf_lesson-{__version__}.tar.gz"]
    done = run(sys.executable, "-m", "twine", "check", "--strict", *sorted(built.iterdir()), cwd=built)
    assert done.returncode == 0, done.stdout
    assert done.stdout.count("PASSED") == 2


# --- all of it, outside -----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def outside(wheel, tmp_path_factory) -> Path:
    """The interpreter of an environment with the wheel, and with the packages that are installed here."""
    folder = tmp_path_factory.mktemp("outside")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    (packages,) = folder.glob("lib/*/site-packages")
    # A path in a .pth file is searched, but its own .pth files are not read, by which this repository is installed.
    (packages / "beside.pth").write_text("\n".join(site.getsitepackages()) + "\n")
    python = folder / "bin" / "python"
    options = ["--python", python, "install", "--no-deps", "--no-index", "--ignore-installed"]
    done = run(sys.executable, *QUIET_PIP, *options, wheel, cwd=folder)
    assert done.returncode == 0, done.stderr
    return python


# Every file that this process opens, and every folder that it lists, within the repository.
WATCH = f"""
import sys
touched = []
def watch(event, args):
    if event in ("open", "os.listdir", "os.scandir") and isinstance(args[0], str):
        if args[0].startswith({str(ROOT)!r}) and not args[0].startswith({sys.prefix!r}):
            touched.append(args[0])
sys.addaudithook(watch)
"""


def ask(python: Path, script: str, cwd: Path) -> list[str]:
    """The lines that a script prints outside; the last of them says what it touched of the repository."""
    end = "\nprint(touched)\n"
    done = run(python, "-c", WATCH + textwrap.dedent(script) + end, cwd=cwd)
    assert done.returncode == 0, done.stderr
    *lines, touched = done.stdout.splitlines()
    assert touched == "[]"
    return lines


def test_the_wheel_holds_every_file_of_the_package(wheel):
    there = {path.relative_to(ROOT).as_posix() for path in PACKAGE.rglob("*") if path.is_file()}
    there = {name for name in there if "__pycache__" not in name}
    held = set(zipfile.ZipFile(wheel).namelist())
    assert {name for name in held if name.startswith(PACKAGE.name + "/")} == there
    assert {name.rpartition("/")[2] for name in held} >= {"LICENSE", "LICENSE-CONTENT", "entry_points.txt"}


def test_every_public_name_can_be_had_outside(outside, tmp_path):
    script = """
    import importlib, pkgutil, textclf_lesson
    packages = [m.name for m in pkgutil.walk_packages(textclf_lesson.__path__, "textclf_lesson.") if m.ispkg]
    for package in ["textclf_lesson", *packages]:
        module = importlib.import_module(package)
        for name in module.__all__:
            getattr(module, name)
    print(textclf_lesson.__file__, len(packages))
    """
    (line,) = ask(outside, script, tmp_path)
    file, packages = line.split()
    assert file.startswith(str(outside.parents[1]))
    assert int(packages) == len([*PACKAGE.rglob("__init__.py")]) - 1


def test_what_is_stored_can_be_had_outside(outside, tmp_path):
    script = """
    import tomllib
    from importlib import resources
    from textclf_lesson.assets import cache
    from textclf_lesson.check import quiz, rubric
    from textclf_lesson.data import cards
    from textclf_lesson.evaluate import evidence
    from textclf_lesson.models import checkpoints

    files = resources.files("textclf_lesson")
    print(len(cache.catalog()), len(cards.cards()), len([evidence.best(name) for name in evidence.names()]))
    print(len([tomllib.loads(q.read_text("utf-8")) for q in (files / "check" / "quizzes").iterdir()]))
    print(len([tomllib.loads(r.read_text("utf-8")) for r in (files / "check" / "rubrics").iterdir()]))
    for study in (files / "evaluate" / "evidence" / "studies").iterdir():
        evidence.study(study.name.removesuffix(".json"))
    print(len((files / "grade" / "summary.html").read_text("utf-8")) > 1000)
    for name in checkpoints.names():
        print(name, checkpoints.load(name).predict_proba(["A warm, funny film."]).shape)
    """
    counts, quizzes, rubrics, page, *shared = ask(outside, script, tmp_path)
    assert min(map(int, counts.split())) >= 10
    assert int(quizzes) == len([*(PACKAGE / "check" / "quizzes").iterdir()])
    assert int(rubrics) == len([*(PACKAGE / "check" / "rubrics").iterdir()])
    assert page == "True"
    assert shared == ["sentiment (1, 2)", "toxicity (1, 6)"]


def test_what_lessons_and_exercises_call_can_be_had_outside(outside, tmp_path):
    """Each name that they import from the package, and each attribute that they ask such a module for."""
    wanted = set()
    for folder in ("notebooks", "solutions"):
        for path in sorted((ROOT / folder).glob("*.ipynb")):
            wanted |= called(nbformat.read(path, as_version=4))
    assert len(wanted) > 150
    script = f"""
    import importlib
    for module, attribute in {sorted(wanted)}:
        try:
            importlib.import_module(f"{{module}}.{{attribute}}")
        except ModuleNotFoundError:
            if not hasattr(importlib.import_module(module), attribute):
                print(module, attribute)
    """
    assert ask(outside, script, tmp_path) == []


def called(notebook) -> set[tuple[str, str]]:
    """(module, attribute) for what a notebook's cells use of the package."""
    lines = (cell.source.splitlines() for cell in notebook.cells if cell.cell_type == "code")
    source = "\n".join(line for cell in lines for line in cell if not line.lstrip().startswith(("%", "!")))
    tree, found, modules = ast.parse(source), set(), {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("textclf_lesson"):
            found |= {(node.module, alias.name) for alias in node.names}
            for alias in node.names:
                path = PACKAGE.parent.joinpath(*node.module.split("."), alias.name)
                if path.is_dir() or path.with_suffix(".py").exists():
                    modules[alias.asname or alias.name] = f"{node.module}.{alias.name}"
    bound = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            name = node.value.id
            if name in modules and name not in bound:
                found.add((modules[name], node.attr))
    return found


@pytest.mark.parametrize("arguments", [["--help"], ["serve", "--help"], ["fetch", "--list"]])
def test_its_command_runs_outside(outside, tmp_path, arguments):
    done = run(outside.with_name("textclf"), *arguments, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout) > 500


# --- the service alone ------------------------------------------------------------------------------------------------

ABSENT = ["torch", "transformers", "datasets", "peft", "jupyterlab", "ipykernel", "ipython", "matplotlib", "openai"]


@pytest.fixture(scope="module")
def alone(wheel, tmp_path_factory) -> Path:
    """The interpreter of a fresh environment with `textclf-lesson[serve]` and nothing else, as the lock pins it.

    The one fixture that needs a package index. pip is asked, in a process that is not cut off.
    """
    folder = tmp_path_factory.mktemp("alone")
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    python = folder / "bin" / "python"
    options = ["install", "--constraint", ROOT / "requirements.lock", "--retries", "1"]
    done = run(python, *QUIET_PIP, *options, f"{wheel}[serve]", cwd=folder)
    if "Failed to establish a new connection" in done.stderr or "Name or service not known" in done.stderr:
        pytest.skip("no package index can be reached from here")
    assert done.returncode == 0, done.stderr
    return python


@pytest.fixture(scope="module")
def exported(tmp_path_factory) -> Path:
    from textclf_lesson.deploy import export

    folder = tmp_path_factory.mktemp("exported")
    model = tiny_models.saved(folder / "model", "Roberta", ["negative", "positive"])
    return export.to_onnx(model, folder / "onnx")


def test_the_service_needs_no_torch_and_no_jupyter(alone, tmp_path):
    script = "import sys, importlib.metadata as m; print(*{d.name.lower() for d in m.distributions()}, sep='\\n')"
    done = run(alone, "-c", script, cwd=tmp_path)
    installed = set(done.stdout.split())
    assert {"textclf-lesson", "onnxruntime", "tokenizers", "fastapi"} <= installed
    assert installed & set(ABSENT) == set()


def test_every_command_tells_its_use_in_an_empty_environment(alone, tmp_path):
    command = alone.with_name("textclf")
    assert run(command, "--version", cwd=tmp_path).stdout == f"textclf {__version__}\n"
    names = [one.name or one.callback.__name__.replace("_", "-") for one in app.registered_commands]
    assert {"start", "hand-in", "fetch", "grade", "serve"} <= set(names)
    script = f"""
    import contextlib, io
    from textclf_lesson.cli import app
    for name in {names}:
        shown = io.StringIO()
        with contextlib.redirect_stdout(shown):
            app([name, "--help"], standalone_mode=False)
        print(name, "Usage:" in shown.getvalue())
    """  # one process for all: each starts in a second
    done = run(alone, "-c", textwrap.dedent(script), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [f"{name} True" for name in names]
    listed = run(command, "fetch", "--list", cwd=tmp_path)
    assert listed.returncode == 0, listed.stderr
    assert [name for name in cache.catalog() if not re.search(rf"^{name} ", listed.stdout, re.MULTILINE)] == []


def test_the_service_alone_serves_an_exported_folder(alone, exported, tmp_path):
    from textclf_lesson.deploy.onnx_classifier import OnnxClassifier

    texts = ["good film", "It doesn't work at all."]
    command = [alone.with_name("textclf"), "serve", "--model", exported, "--port", "0"]
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    with subprocess.Popen(
        [*map(str, command)], cwd=tmp_path, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as service:
        try:
            first = service.stdout.readline()
            assert first.startswith(f"Serving {exported} at http"), service.stderr.read()
            url = first.split()[-1]
            direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
            answer = json.load(direct.open(f"{url}/classify", json.dumps({"texts": texts}).encode()))
        finally:
            service.send_signal(signal.SIGTERM)
    expected = OnnxClassifier(exported).predict_proba(texts)
    got = [[result["scores"][label] for label in ("negative", "positive")] for result in answer["results"]]
    assert got == [pytest.approx(row, abs=1e-5) for row in expected.tolist()]
    assert service.returncode == 0


@pytest.mark.parametrize(
    ("statement", "module", "extra"),
    [
        ("from textclf_lesson.models.transformer import TransformerClassifier", "torch", "train"),
        ("from textclf_lesson import data; data.load", "datasets", "train"),
        ("from textclf_lesson.training import losses", "torch", "train"),
        ("from textclf_lesson.models import baselines; baselines.pipeline('tfidf', 'lightgbm')", "lightgbm", "train"),
        ("from textclf_lesson.llm import endpoint", "openai", "llm"),
        ("from textclf_lesson.plots import charts", "matplotlib", "course"),
        ("from textclf_lesson.check import ex05", "IPython", "course"),
    ],
)
def test_a_missing_extra_is_told_in_one_sentence(alone, tmp_path, statement, module, extra):
    done = run(alone, "-c", statement, cwd=tmp_path)
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    told = rf"textclf_lesson\.base\.errors\.MissingExtra: {module} is not installed\. It is needed for [\w, ]+: "
    assert re.fullmatch(told + re.escape(f"pip install 'textclf-lesson[{extra}]'"), last)


@pytest.mark.parametrize(
    ("command", "extra"), [("doctor", "course"), ("grade .", "grade"), ("train toxicity", "train")]
)
def test_the_command_tells_it_without_a_traceback(alone, tmp_path, command, extra):
    done = run(alone.with_name("textclf"), *command.split(), cwd=tmp_path)
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert f"pip install 'textclf-lesson[{extra}]'" in done.stderr


LIGHT = """
from textclf_lesson.models import baselines
from textclf_lesson.evaluate import metrics, thresholds, calibration, evidence, choosing
from textclf_lesson.deploy import monitor, traffic, bench
texts, labels = ["good film", "bad film", "fine, good", "so bad"] * 5, [1, 0, 1, 0] * 5
predictions = baselines.pipeline("tfidf", "logreg").fit(texts, labels).predict(texts)
print(metrics.report(labels, predictions).accuracy)
"""


def test_baselines_and_metrics_need_no_extra(alone, tmp_path):
    done = run(alone, "-c", LIGHT, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) == 1.0


# --- Docker -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "extra"), [("serving", "serve"), ("grading", "grade")])
def test_an_image_installs_one_extra_pinned_by_the_lock(name, extra):
    """No image is built here: that takes a base image. The fixture `alone` makes an environment by the same line;
    `test_environment` holds the lock to what each extra declares."""
    text = (ROOT / "docs" / f"{name}.Dockerfile").read_text(encoding="utf-8")
    installs = [line for line in text.splitlines() if "pip install" in line]
    assert installs == [f'RUN pip install --no-cache-dir --constraint requirements.lock ".[{extra}]"']
    assert all(f"{word} " not in text for word in ("ADD", "ENV PIP_INDEX_URL"))


def test_what_the_image_of_the_service_runs_gets_healthy(alone, exported, tmp_path):
    """Its CMD and its HEALTHCHECK, as they stand in the Dockerfile but for the folder and the port."""
    text = (ROOT / "docs" / "serving.Dockerfile").read_text(encoding="utf-8")
    command = json.loads(re.search(r"^CMD (\[.*\])$", text, re.MULTILINE)[1])
    assert command[0] == "textclf"
    command = [str(alone.with_name("textclf")), *(str(exported) if part == "/model" else part for part in command[1:])]
    _, _, script = shlex.split(re.search(r"^HEALTHCHECK CMD (.*)$", text, re.MULTILINE)[1])
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    with subprocess.Popen(
        [*command, "--port", "0"], cwd=tmp_path, env=env, stdout=subprocess.PIPE, text=True
    ) as service:
        try:
            port = service.stdout.readline().rpartition(":")[2].strip()
            assert run(alone, "-c", script.replace("8000", port), cwd=tmp_path, no_proxy="127.0.0.1").returncode == 0
        finally:
            service.send_signal(signal.SIGTERM)
    assert service.returncode == 0
    assert run(alone, "-c", script.replace("8000", port), cwd=tmp_path, no_proxy="127.0.0.1").returncode != 0
