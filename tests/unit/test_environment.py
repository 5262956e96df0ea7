"""The lock, environment.yml, pyproject.toml and the imports say the same."""

import ast
import functools
import re
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from itertools import product
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]
DECLARED = [*PROJECT["dependencies"], *EXTRAS["course"], *EXTRAS["serve"], *EXTRAS["dev"]]

# The part of the package that only runs in the course; all else must do with the dependencies of a service.
BESIDE_JUPYTER = {
    "attention_views.py",
    "course.py",
    "local_server.py",
    "plots.py",
    "render.py",
    "runner.py",
    "watch.py",
}


def locked() -> list[Requirement]:
    lines = (ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines()
    return [Requirement(line.partition("#")[0]) for line in lines if line.partition("#")[0].strip()]


def names(requirements: list[str]) -> set[str]:
    return {canonicalize_name(Requirement(line).name) for line in requirements}


# --- the lock ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("declared", DECLARED)
def test_the_lock_has_each_declared_requirement_at_one_version_that_fits(declared):
    wanted = Requirement(declared)
    pins = [pin for pin in locked() if canonicalize_name(pin.name) == canonicalize_name(wanted.name)]
    for python, system in product(["3.11", "3.12", "3.13"], ["linux", "darwin"]):
        here = {"python_version": python, "python_full_version": f"{python}.0", "sys_platform": system}
        (pin,) = [pin for pin in pins if pin.marker is None or pin.marker.evaluate(here)]
        (only,) = pin.specifier
        assert only.operator == "=="
        assert wanted.specifier.contains(only.version)


def test_torch_comes_first_and_pinned_as_in_pyproject():
    assert str(locked()[0]) in PROJECT["dependencies"]
    assert locked()[0].name == "torch"


def test_every_version_is_pinned_and_from_the_users_own_index():
    lines = (ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines()
    pin = r"[a-z0-9.-]+==[\w.]+( ; [^#@]+)? *(# via .+)?"
    assert [line for line in lines if not re.fullmatch(pin, line) and not line.startswith("# Made by")] == []


def test_no_package_of_the_gpu_is_locked():
    """A universal lock would bring gigabytes of them to machines without one; torch brings what its wheel needs."""
    assert [pin.name for pin in locked() if re.match("nvidia|cuda|triton", pin.name)] == []


def test_what_is_installed_here_is_what_is_locked():
    freeze = subprocess.run(
        [sys.executable, "-m", "pip", "freeze", "--all"], capture_output=True, text=True, check=True
    ).stdout
    installed = dict(line.lower().split("==") for line in freeze.splitlines() if "==" in line and line[0] != "#")
    installed = {canonicalize_name(name): version.partition("+")[0] for name, version in installed.items()}
    wanted = {
        canonicalize_name(pin.name): next(iter(pin.specifier)).version
        for pin in locked()
        if pin.marker is None or pin.marker.evaluate()
    }
    assert {name: installed.get(name) for name in wanted} == wanted


# --- environment.yml --------------------------------------------------------------------------------------------------


def test_conda_users_get_the_same_versions():
    """By reading the same file, and nothing else, so there is no second list to go stale."""
    python, pip, packages = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))["dependencies"]
    name, version = python.split("=")
    assert name == "python"
    assert SpecifierSet(PROJECT["requires-python"]).contains(version)
    assert pip == "pip"
    assert packages == {"pip": ["-r requirements.lock", "-e ."]}


# --- the Makefile -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", [(3, 10), (3, 11), (3, 12), (3, 13), (3, 14)])
def test_the_makefile_accepts_the_pythons_of_pyproject(version):
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    low, high = re.search(r"not \((\d, \d+)\) <= sys.version_info < \((\d, \d+)\)", makefile).groups()
    accepted = tuple(map(int, low.split(","))) <= version < tuple(map(int, high.split(",")))
    assert accepted == SpecifierSet(PROJECT["requires-python"]).contains("{}.{}".format(*version))


def test_every_target_of_the_readme_is_a_target():
    named = set(re.findall(r"\bmake ([a-z]+)\b", (ROOT / "README.md").read_text(encoding="utf-8")))
    helped = subprocess.run(["make", "-s", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert {"course", "test", "lab"} <= named <= set(re.findall(r"^make ([a-z]+)", helped, re.MULTILINE))


# --- the imports ------------------------------------------------------------------------------------------------------


origins = functools.cache(packages_distributions)  # module: its distributions; to look takes a third of a second


def imported(path: Path) -> set[str]:
    """Distributions that a module imports, wherever in the file; a module of unknown origin by its own name."""
    modules = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            modules |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            modules.add(node.module.partition(".")[0])
    origin = origins()
    ours = {"textclf_lesson", "studies", "tests", "tools"} | {path.stem for path in (ROOT / "tests").rglob("*.py")}
    return {canonicalize_name(origin.get(name, [name])[0]) for name in modules - ours - sys.stdlib_module_names}


@pytest.mark.parametrize("path", sorted((ROOT / "textclf_lesson").rglob("*.py")), ids=lambda path: path.name)
def test_the_package_imports_only_what_it_declares(path):
    extra = EXTRAS["course"] if path.name in BESIDE_JUPYTER else []
    extra = EXTRAS["serve"] if path.parent.name == "serve" else extra
    extra = EXTRAS["course"] if path.parent.name == "check" else extra
    extra = EXTRAS["course"] + EXTRAS["serve"] if path.parent.name == "grade" else extra  # it serves what is handed in
    extra = EXTRAS["openvino"] if path.name == "bench.py" else extra
    assert imported(path) - names(PROJECT["dependencies"] + extra) == set()


@pytest.mark.parametrize("folder", ["tests", "tools", "."])
def test_tests_and_tools_import_only_what_is_declared(folder):
    paths = (ROOT / folder).glob("*.py") if folder == "." else (ROOT / folder).rglob("*.py")
    assert set().union(*map(imported, paths)) - names(DECLARED) == set()
