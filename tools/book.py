"""The course as a web book, from the stored notebooks: `make book`. Nothing is run.

    python -m tools.book                     build/book/, for everyone
    python -m tools.book --for instructors   build/book-instructors/, with answers and solutions
    python -m tools.book --check             write nothing, only tell which in-text task has no answer

The pages are laid out in a folder beside it (notebooks whose links and alt texts Sphinx can read), then Sphinx builds
them with docs/book/conf.py. A warning of Sphinx, a link that leads nowhere among them, ends the build.
"""

import argparse
import os
import re
import shutil
import sys
import tomllib
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_markdown_cell

from textclf_lesson.check import quiz
from textclf_lesson.course import render
from tools import answers

ROOT = Path(__file__).parents[1]
FRAME = ROOT / "docs" / "book"
BUILD = ROOT / "build"
REPOSITORY = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "CODE_OF_CONDUCT.md"]
GLOSSARY = "../docs/glossary.md"


def main(arguments: list[str]) -> int:
    """0 if the book was built; 1 if something is wrong, which Sphinx or a sentence has told."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--for", dest="reader", choices=["everyone", "instructors"], default="everyone")
    parser.add_argument("--check", action="store_true", help="build nothing, only compare answers and tasks")
    options = parser.parse_args(arguments)
    if problems := answers.problems():
        print(*problems, sep="\n", file=sys.stderr)
        return 1
    if options.check:
        return 0
    for_instructors = options.reader == "instructors"
    out = BUILD / ("book-instructors" if for_instructors else "book")
    lay_out(out.with_name(f"{out.name}-pages"), for_instructors)
    return build(out.with_name(f"{out.name}-pages"), out)


def lay_out(pages: Path, for_instructors: bool = False) -> None:
    """Write the sources of all pages into a folder; one that has not changed keeps its time, and is not built again."""
    wanted = sources(for_instructors)
    for path in [path for path in pages.rglob("*") if path.is_file()]:
        if path.relative_to(pages).as_posix() not in wanted:
            path.unlink()
    for name, content in wanted.items():
        path = pages / name
        if not path.exists() or path.read_bytes() != content:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)


def sources(for_instructors: bool) -> dict[str, bytes]:
    """The content of each page and file that Sphinx reads, by its path in the book."""
    found = {"api.rst": (FRAME / "api.rst").read_bytes()}
    found |= {
        f"api/{name}.rst": reference(name).encode() for name in re.findall(r"api/(\w+)", found["api.rst"].decode())
    }
    found |= {name: (ROOT / name).read_bytes() for name in REPOSITORY}
    found |= {f"docs/{path.name}": path.read_bytes() for path in sorted((ROOT / "docs").glob("*.md"))}
    found["docs/glossary.md"] = to_sections(found["docs/glossary.md"].decode()).encode()
    for folder in ["notebooks", "exercises", *(["solutions"] if for_instructors else [])]:
        for path in sorted((ROOT / folder).glob("[0-9]*.ipynb")):
            found[f"{folder}/{path.name}"] = page(path).encode()
    if for_instructors:
        for path in sorted((ROOT / "notebooks").glob("[0-9]*.ipynb")):
            found[f"instructors/{path.stem}.md"] = to_glossary(answers.page(path)).encode()
    while more := dict(linked(found)):
        found |= more
    pages = [path.with_suffix("").as_posix() for path in map(Path, found) if path.suffix in (".md", ".rst", ".ipynb")]
    index = contents((FRAME / "index.md").read_text(encoding="utf-8"), pages)
    return found | {"index.md": index.encode()}


def reference(package: str) -> str:
    """The page of a package: its docstring, and a section for each module; of the checks, not those of one exercise."""
    lines = []
    for path in sorted((ROOT / "textclf_lesson" / package).rglob("*.py"), key=lambda path: path.parts):
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        if not re.search(r"\.(__main__|ex\d\d)$", name):
            line = "-" if lines else "="
            lines += [name, line * len(name), "", f".. automodule:: {name}", ""]
    return "\n".join(lines)


def linked(pages: dict[str, bytes]) -> Iterator[tuple[str, bytes]]:
    """The repository's files that pages in Markdown lead to, or show: they come along."""
    for name, content in pages.items():
        for target in re.findall(r"\]\(([^)#\s:]+)", content.decode() if name.endswith(".md") else ""):
            path = (ROOT / name).parent.joinpath(target).resolve()
            here = path.relative_to(ROOT).as_posix() if path.is_relative_to(ROOT) and path.is_file() else ""
            if here and here not in pages:
                yield here, path.read_bytes()


def contents(index: str, pages: list[str]) -> str:
    """The index whose tables of contents name these pages: a pattern stands for those that are named nowhere else."""
    named = set(re.findall(r"^[\w/]+$", index, re.MULTILINE))

    def expand(entry: re.Match) -> str:
        those = [page for page in sorted(pages) if fnmatch(page, entry[0]) and (page == entry[0] or page not in named)]
        return "\n".join(those)

    index = re.sub(r"^[\w/\[\]*?-]*[/*A-Z][\w/\[\]*?-]*$", expand, index, flags=re.MULTILINE)
    return re.sub(r"```{toctree}\n(:.+\n)+\n+```\n", "", index)


def page(path: Path) -> str:
    """A notebook as Sphinx reads it: alt texts where it looks for them, terms that lead to the glossary, the quiz."""
    notebook = nbformat.read(path, as_version=4)
    lesson, cells = path.name[:2], []
    terms = [term for term in glossary() if term["lesson"] == lesson] if path.parent.name == "notebooks" else []
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = re.sub(r"^## ([\d.]+) ", r"(section-\1)=\n\g<0>", cell.source) if terms else cell.source
            cell.source = to_glossary(define(cell.source, terms))
        cells.append(linked_outputs(alt_texts(cell)))
        if cell.cell_type == "code" and "check.questions(" in cell.source:
            cells.append(new_markdown_cell(quiz.as_markdown(lesson)))
    notebook.cells = cells
    return nbformat.writes(notebook)


def alt_texts(cell: NotebookNode) -> NotebookNode:
    """myst-nb reads the options of a cell's pictures in the metadata of the cell, not in those of the output."""
    for output in cell.get("outputs", []):
        if alt := output.get("metadata", {}).get("image/png", {}).get("alt"):
            cell.metadata["mystnb"] = {"image": {"alt": alt}}
    return cell


def linked_outputs(cell: NotebookNode) -> NotebookNode:
    """Links in what a cell printed lead to pages of the book: Sphinx follows those in the text only."""
    for output in cell.get("outputs", []):
        shown = output.get("data", {})
        for kind in shown.keys() & {"text/html", "text/markdown"}:
            shown[kind] = re.sub(r'((?:href="|\]\()[^":)\s]+)\.ipynb(?=["#)])', r"\1.html", shown[kind])
    return cell


def glossary() -> list[dict]:
    return tomllib.loads((ROOT / "docs" / "glossary.toml").read_text(encoding="utf-8"))["term"]


def define(text: str, terms: list[dict]) -> str:
    """Each term's definition, where it stands in bold first, leads to the glossary. Takes what it finds off `terms`."""
    for term in list(terms):
        names = "|".join(re.escape(name) for name in [term["term"], *term.get("forms", [])])
        linked = rf"[**\1**]({GLOSSARY}#{render.anchor(term['term'])})"
        text, count = re.subn(rf"(?<!\[)\*\*({names})\*\*", linked, text, count=1, flags=re.IGNORECASE)
        if count:
            terms.remove(term)
    return text


def to_glossary(text: str) -> str:
    """Links to a term show its definition on hover."""

    def titled(link: re.Match) -> str:
        definition = render.definitions().get(link[1], "").replace('"', r"\"")
        return f']({GLOSSARY}#{link[1]} "{definition}")'

    return re.sub(rf"\]\({re.escape(GLOSSARY)}#([^)\s]+)\)", titled, text)


def to_sections(text: str) -> str:
    """The glossary's links lead to the section itself, not only to its lesson."""
    return re.sub(r"\[section ([\d.]+)\]\([^)]+\)", r"[section \1](#section-\1)", text)


def build(pages: Path, out: Path) -> int:
    """Run Sphinx; its exit status."""
    os.environ["NO_COLOR"] = "1"
    from sphinx.cmd.build import main as sphinx

    doctrees = pages.with_name(f"{pages.name}-doctrees")
    options = ["--fail-on-warning", "--quiet", "--builder", "html", "--jobs", "auto"]
    status = sphinx([*options, "--conf-dir", str(FRAME), "--doctree-dir", str(doctrees), str(pages), str(out)])
    if status:  # or a second run would take the pages that gave a warning for built
        shutil.rmtree(doctrees, ignore_errors=True)
    else:
        index = out / "index.html"
        print(f"The book: {index.relative_to(ROOT) if index.is_relative_to(ROOT) else index}")
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
