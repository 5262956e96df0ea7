"""Write docs/test_looks.md, which lesson looks at which test split; `--check` only says whether it is up to date.

Found in the code of the notebooks: the name of a data set is followed through assignments and calls; every cell that
takes "test" or "test_natural" from what was made of it looks at that split. Where one name serves several data sets, a
look too many is listed; none is left out.
"""

import ast
import json
import sys
import tomllib
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from tools import pages

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "test_looks.md"
SPLITS = ("test", "test_natural")
DATA_SETS = set(tomllib.loads((ROOT / "textclf_lesson" / "data" / "cards.toml").read_text(encoding="utf-8")))
HEAD = """\
# Who looks at which test set

Made by `python -m tools.test_looks` from the notebooks' code; do not edit. Whoever looks at a test set and then changes
a model, chooses by the test. So each look is written down here: the sections that read test rows, or scores on them.
"Measured once" in a lesson means: in this lesson, once. The course as a whole has looked at its test sets as often as
this table says, so a model that is chosen after all lessons needs rows that none of them has seen. Where one function
serves several sets, a row may name a section too many.
"""


def looks(notebook: dict) -> dict[tuple[str, str], list[str]]:
    """(data set, split) → the sections that look at it, in order; a stored result counts under the split "stored"."""
    names, found, section = defaultdict(set), defaultdict(list), "the beginning"
    cells = []
    for cell in notebook["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            section = next((line[3:].split()[0] for line in source.splitlines() if line.startswith("## ")), section)
        else:
            cells.append((section, ast.parse(source)))
    for _ in range(2):  # the second time with what functions were called with further down
        for _, tree in cells:
            _follow(tree, names)
    for where, tree in cells:
        for key in sorted(_looks(tree, names)):
            if where not in found[key]:
                found[key].append(where)
    return found


def _follow(tree: ast.AST, names: dict[str, set[str]]) -> None:
    """Note of each name which data sets are in it."""
    functions = {node.name: node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign | ast.AugAssign | ast.AnnAssign) and node.value is not None:
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            _give(targets, _sets(node.value, names), names)
        elif isinstance(node, ast.For | ast.comprehension):
            _give([node.target], _sets(node.iter, names), names)
        elif isinstance(node, ast.FunctionDef):
            functions[node.name] = node
            inside = {arg.arg for arg in node.args.args}
            body = [n for line in node.body for n in ast.walk(line) if isinstance(n, ast.Name) and n.id not in inside]
            names[node.name] |= set().union(*(names[n.id] for n in body if n.id != node.name))
            names[f"parameters of {node.name}"] = [arg.arg for arg in node.args.args]
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            parameters = names.get(f"parameters of {node.func.id}", [])
            for parameter, value in zip(parameters, node.args, strict=False):
                names[parameter] |= _sets(value, names)


def _give(targets: list[ast.expr], sets: set[str], names: dict[str, set[str]]) -> None:
    for target in targets:
        while isinstance(target, ast.Subscript | ast.Attribute | ast.Starred):
            target = target.value
        if isinstance(target, ast.Tuple | ast.List):
            _give(target.elts, sets, names)
        elif isinstance(target, ast.Name):
            names[target.id] |= sets


def _sets(node: ast.AST, names: dict[str, set[str]]) -> set[str]:
    """The data sets that an expression holds."""
    found = set()
    for part in ast.walk(node):
        if isinstance(part, ast.Constant) and part.value in DATA_SETS:
            found.add(part.value)
        elif isinstance(part, ast.Name):
            found |= names[part.id]
    return found


def _looks(tree: ast.AST, names: dict[str, set[str]]) -> set[tuple[str, str]]:
    """The test splits that a cell takes. In `a["test_natural"] if "test_natural" in a else a["test"]`, written for
    a learner's own data, what stands behind `else` is no look: the course's set has the split that is asked for."""
    found, fallback = set(), set()
    for node in ast.walk(tree):
        if isinstance(node, ast.IfExp) and isinstance(node.test, ast.Compare) and isinstance(node.test.ops[0], ast.In):
            fallback |= set(ast.walk(node.orelse))
    for line in ast.walk(tree):
        if not isinstance(line, ast.stmt):
            continue
        for node in ast.walk(line):
            if node in fallback:
                continue
            if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant) and node.slice.value in SPLITS:
                found |= {(name, node.slice.value) for name in _sets(node.value, names)}
            elif isinstance(node, ast.Call):
                given = [a.value for a in node.args if isinstance(a, ast.Constant)]
                call = ast.unparse(node.func)
                if call.startswith("evidence.") and call != "evidence.best" and given:
                    found.add((str(given[0]), "stored"))
                found |= {(name, split) for split in given if split in SPLITS for name in _sets(node, names)}
            elif isinstance(node, ast.For) and isinstance(node.target, ast.Name):
                over = [part.value for part in ast.walk(node.iter) if isinstance(part, ast.Constant)]
                found |= {(name, split) for split in SPLITS if split in over for name in _sets(line, names)}
                found |= {(name, "stored") for name in over if name in DATA_SETS and _asks(node, node.target.id)}
            elif isinstance(node, ast.For | ast.comprehension):
                over = [part.value for part in ast.walk(node.iter) if isinstance(part, ast.Constant)]
                found |= {(name, split) for split in SPLITS if split in over for name in _sets(line, names)}
    return found


def _asks(loop: ast.For, name: str) -> bool:
    """Whether a loop asks for a stored result by its variable: `evidence.baseline(name)`."""
    return any(
        isinstance(node, ast.Call)
        and ast.unparse(node.func).startswith("evidence.")
        and ast.unparse(node.func) != "evidence.best"
        and [ast.unparse(argument) for argument in node.args[:1]] == [name]
        for node in ast.walk(loop)
    )


def page() -> str:
    """The page in Markdown: a row for each test split, a column for lessons and one for exercises."""
    table, stored = defaultdict(lambda: defaultdict(list)), []
    for folder in ("notebooks", "solutions"):
        for path in sorted((ROOT / folder).glob("[0-9][0-9]_*.ipynb")):
            for (name, split), sections in looks(json.loads(path.read_text(encoding="utf-8"))).items():
                if split == "stored":
                    stored.append(f"| {path.name[:2]} {folder} | {name} | {', '.join(sections)} |")
                else:
                    table[name, split][folder] += sections if folder == "notebooks" else [path.name[:2]]
    return "\n".join(_page(table, stored)) + "\n"


def _page(table: dict, stored: list[str]) -> Iterator[str]:
    yield HEAD
    yield "| data set | split | sections of lessons | exercises |\n|---|---|---|---|"
    for (name, split), where in sorted(table.items()):
        yield f"| {name} | {split} | {', '.join(where['notebooks']) or '–'} | {', '.join(where['solutions']) or '–'} |"
    yield "\n## Stored results that lessons show\n"
    yield "Studies and baselines scored these test sets when they were made, outside the lessons.\n"
    yield "| lesson | stored result | sections |\n|---|---|---|"
    yield from stored


def problems() -> list[str]:
    """One sentence if the page is not what the notebooks give."""
    return pages.problems(PAGE, page, "the notebooks", "test_looks")


if __name__ == "__main__":
    sys.exit(pages.main(PAGE, page, problems))
