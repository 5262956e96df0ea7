"""The packages of `textclf_lesson` import only downwards, and no two modules need each other to load.

Read from the source, so lazy imports in functions, those for type checkers and `python -m` count as well.
"""

import ast
import graphlib
import importlib
import inspect
import pickle
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import textclf_lesson
from textclf_lesson import deploy

ROOT = Path(textclf_lesson.__file__).parent

# From the top floor down: a package may import those to the right of it. `textclf_lesson` itself stands on base alone.
FLOORS = [
    "cli",
    "grade",
    "check",
    "course",
    "plots",
    "deploy",
    "training",
    "evaluate",
    "llm",
    "models",
    "data",
    "assets",
    "base",
]
# Addresses that saved models and exported folders of the time before version 1 name; nothing here may use them.
OLD_ADDRESSES = {"textclf_lesson.fasttext", "textclf_lesson.onnx_classifier"}


class House:
    """The modules of a package by name, and what each of them imports."""

    def __init__(self, root: Path):
        self.name = root.name
        self.trees = {}
        for path in sorted(root.rglob("*.py")):
            parts = path.relative_to(root.parent).with_suffix("").parts
            self.trees[".".join(parts).removesuffix(".__init__")] = ast.parse(path.read_text(encoding="utf-8"))
        self.packages = {
            path.relative_to(root.parent).parent.as_posix().replace("/", ".") for path in root.rglob("__init__.py")
        }

    def imports(self, module: str) -> Iterator[str]:
        """The modules that it imports anywhere in its text, or names in a string (`python -m textclf_lesson...`)."""
        tree = self.trees[module]
        docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
        for node in ast.walk(tree):
            yield from self._imported(node, module)
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
                for name in re.findall(rf"\b{self.name}(?:\.\w+)+", node.value):
                    yield self._longest(name)

    def loads(self, module: str) -> set[str]:
        """The modules that must be loaded before it is: what it imports outside functions and type checks."""
        found, nodes = set(), [self.trees[module]]
        while nodes:
            node = nodes.pop()
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
                continue
            if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
                nodes += node.orelse
                continue
            found |= set(self._imported(node, module))
            nodes += ast.iter_child_nodes(node)
        return found - {module}

    def _imported(self, node: ast.AST, module: str) -> Iterator[str]:
        if isinstance(node, ast.Import):
            yield from (self._longest(a.name) for a in node.names if a.name.split(".")[0] == self.name)
        elif isinstance(node, ast.ImportFrom):
            parent = node.module or ""
            if node.level:  # relative: from here upwards
                here = module if module in self.packages else module.rpartition(".")[0]
                for _ in range(node.level - 1):
                    here = here.rpartition(".")[0]
                parent = f"{here}.{parent}".rstrip(".")
            if parent.split(".")[0] == self.name:
                yield from (self._longest(f"{parent}.{a.name}") for a in node.names)

    def _longest(self, name: str) -> str:
        """The module that a dotted name leads to; for what a lazy package offers, the module that it lies in."""
        rest = []
        while name not in self.trees:
            name, _, last = name.rpartition(".")
            rest.insert(0, last)
        if name in self.packages and rest:
            offered = self._offers(name)
            return f"{name}.{offered[rest[0]]}" if rest[0] in offered else name
        return name

    def _offers(self, package: str) -> dict[str, str]:
        """What a package's `lazy_loader.attach` hands on: name -> module of the package."""
        for node in ast.walk(self.trees[package]):
            if isinstance(node, ast.keyword) and node.arg == "submod_attrs":
                table = ast.literal_eval(node.value)
                return {name: module for module, names in table.items() for name in names}
        return {}

    def upward(self, floors: list[str]) -> list[str]:
        """Each import of a package by one that stands below it."""
        found = []
        for module in self.trees:
            for target in set(self.imports(module)):
                here, there = (name.split(".")[1] if "." in name else None for name in (module, target))
                if here == there or there is None or module in OLD_ADDRESSES:
                    continue
                is_up = there != "base" if here is None else floors.index(there) < floors.index(here)
                if is_up:
                    found.append(f"{module} imports {target}")
        return sorted(found)

    def circle(self) -> list[str]:
        """Modules that need each other to load, in their order; empty if there are none."""
        try:
            graphlib.TopologicalSorter({name: self.loads(name) for name in self.trees}).prepare()
        except graphlib.CycleError as error:
            return error.args[1]
        return []


@pytest.fixture(scope="module")
def house():
    return House(ROOT)


# --- the house as it is -----------------------------------------------------------------------------------------------


def test_every_package_has_a_floor(house):
    rooms = {name.split(".")[1] for name in house.trees if "." in name and name not in OLD_ADDRESSES}
    assert rooms == set(FLOORS)


def test_imports_go_downwards(house):
    assert house.upward(FLOORS) == []


def test_no_two_modules_need_each_other_to_load(house):
    assert house.circle() == []


def test_nothing_uses_an_old_address(house):
    assert [name for name in house.trees if OLD_ADDRESSES & {*house.imports(name)}] == []


def test_what_was_saved_under_the_old_addresses_still_loads():
    from textclf_lesson.models.fasttext import FastTextClassifier
    from textclf_lesson.onnx_classifier import OnnxClassifier

    saved = pickle.dumps(FastTextClassifier(dim=7), protocol=0)  # names stand in it as text
    older = saved.replace(b"textclf_lesson.models.fasttext", b"textclf_lesson.fasttext")
    assert older != saved and pickle.loads(older).dim == 7
    assert OnnxClassifier is deploy.OnnxClassifier


# --- and that a fault would be seen -----------------------------------------------------------------------------------


def build(folder: Path, **sources: str) -> House:
    """A house of these modules, named as `package__module`."""
    for name, source in sources.items():
        path = folder / "small" / (name.replace("__", "/", 1) + ".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        (path.parent / "__init__.py").touch()
        path.write_text(source, encoding="utf-8")
    (folder / "small" / "__init__.py").touch()
    return House(folder / "small")


@pytest.mark.parametrize(
    "source",
    [
        "import small.top.roof",
        "from small.top import roof",
        "from small.top.roof import tiles",
        "from ..top import roof",
        "from .. import top",
        "def late():\n    from small.top import roof\n",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from small.top.roof import tiles\n",
        "with open('x'):\n    import small.top.roof\n",
        "command = ['-m', 'small.top.roof']",
        "def late(n):\n    return f'small.top.roof{n}'\n",
    ],
)
def test_an_upward_import_is_found_however_it_is_written(tmp_path, source):
    house = build(tmp_path, top__roof="tiles = 1", base__floor=source)
    assert [line.split(".")[:3] for line in house.upward(["top", "base"])] == [["small", "base", "floor imports small"]]


def test_a_downward_import_and_a_docstring_are_none(tmp_path):
    house = build(tmp_path, top__roof="from small.base import floor", base__floor='"""See small.top.roof."""')
    assert house.upward(["top", "base"]) == []


def test_a_circle_is_found_through_a_lazy_package(tmp_path):
    house = build(tmp_path, base__a="from small.base import thing", base__b="from small.base import a\nthing = 1")
    assert house.circle() == []  # as long as the package does not hand `thing` on
    lazy = "__getattr__, __dir__, __all__ = lazy_loader.attach(__name__, submod_attrs={'b': ['thing']})"
    (tmp_path / "small" / "base" / "__init__.py").write_text(lazy, encoding="utf-8")
    assert set(House(tmp_path / "small").circle()) == {"small.base.a", "small.base.b"}


def test_a_circle_within_functions_is_allowed(tmp_path):
    late = "def late():\n    from small.base import a\n"
    assert build(tmp_path, base__a="from small.base import b", base__b=late).circle() == []


# --- what each package offers -----------------------------------------------------------------------------------------

PACKAGES = ["textclf_lesson"] + [
    found.name for found in pkgutil.walk_packages([str(ROOT)], "textclf_lesson.") if found.ispkg
]
OFFERED = [(name, public) for name in PACKAGES for public in importlib.import_module(name).__all__]


@pytest.mark.parametrize("name", PACKAGES)
def test_a_package_lists_what_it_offers_in_order(name):
    offered = importlib.import_module(name).__all__
    assert offered
    assert offered == sorted(set(offered))


@pytest.mark.parametrize(("package", "name"), OFFERED, ids=lambda value: value)
def test_what_a_package_offers_is_there_and_documented(package, name):
    found = getattr(importlib.import_module(package), name)
    if inspect.ismodule(found) or inspect.isclass(found) or inspect.isroutine(found):
        assert len((found.__doc__ or "").split()) >= 3
    assert not name.startswith("_") or name == "__version__"


def test_a_packages_init_imports_no_other_package():
    """`textclf --help` and a service without torch depend on it. `extras.needs` is all that one may ask for."""
    for name in PACKAGES[1:]:
        tree = ast.parse(Path(importlib.import_module(name).__file__).read_text(encoding="utf-8"))
        eager = [node for node in tree.body if isinstance(node, ast.ImportFrom)]
        assert {ast.unparse(node) for node in eager} <= {"from textclf_lesson.base import extras"}, name
