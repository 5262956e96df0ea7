"""The lock, environment.yml, pyproject.toml and the imports say the same."""

import ast
import functools
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterable
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
BASE = PROJECT["dependencies"]


def brought(extra: str) -> list[str]:
    """The requirements that an extra adds to the base, those of the extras that it includes among them."""
    found = []
    for line in EXTRAS[extra]:
        requirement = Requirement(line)
        is_ours = requirement.name == PROJECT["name"]
        found += [more for part in sorted(requirement.extras) for more in brought(part)] if is_ours else [line]
    return found


DECLARED = sorted({*BASE, *brought("dev")})


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
    assert str(locked()[0]) in EXTRAS["train"]
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


OURS = {"textclf_lesson", "studies", "benchmarks", "tests", "tools"} | {
    path.stem for path in (ROOT / "tests").rglob("*.py")
}


def imported(path: Path, in_types: bool = True) -> set[str]:
    """Distributions that a module imports, wherever in the file; a module of unknown origin by its own name."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for_types = [node for node in ast.walk(tree) if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)]
    skipped = set() if in_types else {id(node) for block in for_types for node in ast.walk(block)}
    return distributions(node for node in ast.walk(tree) if id(node) not in skipped)


def distributions(nodes: Iterable[ast.AST]) -> set[str]:
    """The distributions that these nodes of a syntax tree import."""
    modules = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            modules |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            modules.add(node.module.partition(".")[0])
    origin = origins()
    return {canonicalize_name(origin.get(name, [name])[0]) for name in modules - OURS - sys.stdlib_module_names}


@pytest.mark.parametrize("path", sorted((ROOT / "textclf_lesson").rglob("*.py")), ids=lambda path: path.name)
def test_the_package_imports_only_what_its_extras_bring(path):
    """Beside the base, what stands in `with needed("train"):`, or in a package that says `extras.needs("train", ...)`.

    What type checkers read is not imported.
    """
    allowed = names(BASE).union(*(names(brought(extra)) for extra in extras_of(path)))
    assert imported(path, in_types=False) - allowed == set()


def inits(path: Path) -> list[Path]:
    """The `__init__.py` of the packages within `textclf_lesson` that a module lies in."""
    return [folder / "__init__.py" for folder in path.parents if ROOT / "textclf_lesson" in folder.parents]


def extras_of(path: Path) -> set[str]:
    """The extras that a module, or a package it lies in, says it needs."""
    text = "".join(source.read_text(encoding="utf-8") for source in [path, *inits(path)])
    return set(re.findall(r'^ *(?:with needed|extras\.needs)\("(\w+)"', text, re.MULTILINE))


@pytest.mark.parametrize("path", sorted((ROOT / "textclf_lesson").rglob("*.py")), ids=lambda path: path.name)
def test_the_absence_of_an_optional_package_is_told(path):
    """A module that loads one at once does so in `with needed(...)`, of an extra that brings it, or lies in a package
    that needs that extra as a whole."""
    if "extras.needs(" in "".join(source.read_text(encoding="utf-8") for source in inits(path)):
        return
    tree = ast.parse(path.read_text(encoding="utf-8"))
    guards = [node for node in ast.walk(tree) if isinstance(node, ast.With) and "needed(" in ast.unparse(node.items[0])]
    for guard in guards:
        assert distributions(guard.body) <= names(BASE + brought(guard.items[0].context_expr.args[0].value))
    assert distributions(tree.body) - names(BASE) == set()


@pytest.mark.parametrize("folder", ["tests", "tools", "."])
def test_tests_and_tools_import_only_what_is_declared(folder):
    paths = (ROOT / folder).glob("*.py") if folder == "." else (ROOT / folder).rglob("*.py")
    assert set().union(*map(imported, paths)) - names(DECLARED) == set()
