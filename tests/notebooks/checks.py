"""What must be true of every stored lesson. A check takes a notebook (and its folder) and returns complaints.

Notebooks are read as plain JSON, not by `nbformat.read`, which would mend duplicate cell ids in silence.
"""

import ast
import json
import re
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token
from mdit_py_plugins.dollarmath import dollarmath_plugin
from nbformat import NotebookNode
from nbformat.v4 import nbjson

MARKDOWN = MarkdownIt("commonmark").enable("table").use(dollarmath_plugin)
PICTURES = ("image/png", "image/jpeg", "image/svg+xml")
WIDGET = "application/vnd.jupyter.widget-view+json"
MAX_BYTES, MAX_LINES, MAX_IGNORED = 1_000_000, 30, 0.4
IGNORE = "nbval-ignore-output"

Check = Callable[[NotebookNode, Path], list[str]]
CHECKS: dict[str, Check] = {}


def check(function: Check) -> Check:
    """Register a check by its name."""
    CHECKS[function.__name__] = function
    return function


def read(path: Path) -> NotebookNode:
    """The notebook as it is stored, only with its lines joined."""
    return nbjson.JSONReader().reads(path.read_text(encoding="utf-8"))


# --- parts of a notebook ----------------------------------------------------------------------------------------------


def of_kind(nb: NotebookNode, kind: str) -> list[NotebookNode]:
    return [cell for cell in nb.cells if cell.cell_type == kind]


def name(cell: NotebookNode) -> str:
    first = cell.source.strip().splitlines()[:1]
    return f"the cell `{first[0][:60] if first else ''}`"


def outputs(nb: NotebookNode) -> Iterator[tuple[NotebookNode, NotebookNode]]:
    return ((cell, output) for cell in of_kind(nb, "code") for output in cell.outputs)


def texts(output: NotebookNode) -> Iterator[str]:
    """All text of an output: what was printed, and every form of a shown value that is not a picture."""
    if output.output_type == "stream":
        yield output.text
    for mime, data in output.get("data", {}).items():
        if mime not in PICTURES:
            yield data if isinstance(data, str) else json.dumps(data)


def tokens(source: str) -> Iterator[Token]:
    """Every Markdown token, those inside a line included."""
    for token in MARKDOWN.parse(source):
        yield token
        yield from token.children or []


def headings(nb: NotebookNode) -> list[tuple[int, str]]:
    """(level, text) of each heading, in order."""
    found = []
    for cell in of_kind(nb, "markdown"):
        parsed = MARKDOWN.parse(cell.source)
        found += [(int(token.tag[1]), text.content) for token, text in pairwise(parsed) if token.type == "heading_open"]
    return found


def has_claim(cell: NotebookNode) -> bool:
    return re.search(r"\bclaim\(", cell.source) is not None


# --- stored, and stored clean -----------------------------------------------------------------------------------------


@check
def executed_in_order(nb: NotebookNode, folder: Path) -> list[str]:
    counts = [cell.execution_count for cell in of_kind(nb, "code")]
    wanted = list(range(1, len(counts) + 1))
    return [] if counts == wanted else [f"not executed from top to bottom: execution counts {counts}; make notebooks"]


@check
def no_errors(nb: NotebookNode, folder: Path) -> list[str]:
    return [
        f"{name(cell)} stores an error or a warning"
        for cell, output in outputs(nb)
        if output.output_type == "error" or output.get("name") == "stderr"
    ]


@check
def cell_ids(nb: NotebookNode, folder: Path) -> list[str]:
    ids = [cell.get("id", "") for cell in nb.cells]
    bad = [i for i in ids if not re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", i)]
    twice = sorted({i for i in ids if ids.count(i) > 1})
    return [f"cell id {i!r} is missing or not valid" for i in bad] + [f"cell id {i!r} stands twice" for i in twice]


@check
def metadata_is_reduced(nb: NotebookNode, folder: Path) -> list[str]:
    """No timing, no widget state, no traces of one person's editor."""
    extra = sorted(set(nb.metadata) - {"kernelspec", "language_info"})
    bad = [f"notebook metadata {key!r} is stored" for key in extra]
    if nb.metadata.get("kernelspec", {}).get("name") != "python3":
        bad.append("the kernel is not python3")
    return bad + [f"{name(c)} stores metadata {k!r}" for c in nb.cells for k in c.metadata if k != "tags"]


@check
def small(nb: NotebookNode, folder: Path) -> list[str]:
    size = len(json.dumps(nb, ensure_ascii=False).encode())
    return [f"{size:,} bytes; the limit is {MAX_BYTES:,}"] if size > MAX_BYTES else []


@check
def no_machine_paths(nb: NotebookNode, folder: Path) -> list[str]:
    path = re.compile(r"(?<![\w./:~-])/(?:home|root|Users|tmp|var|opt|usr|mnt|srv|private|work)/[\w.-]+|\b[A-Z]:\\\w+")
    found = ((cell, path.search(text)) for cell, output in outputs(nb) for text in texts(output))
    return [f"{name(cell)} shows a path of one machine: {hit[0]}" for cell, hit in found if hit]


@check
def no_progress_bars(nb: NotebookNode, folder: Path) -> list[str]:
    bar = re.compile(r"\r|\d+%\||it/s\]|HBox\(")
    return [f"{name(cell)} stores a progress bar" for cell, o in outputs(nb) for t in texts(o) if bar.search(t)]


# --- for every reader -------------------------------------------------------------------------------------------------


@check
def headings_in_order(nb: NotebookNode, folder: Path) -> list[str]:
    levels = [level for level, _ in headings(nb)]
    if levels[:1] != [1] or levels.count(1) != 1 or not nb.cells[0].source.startswith("# "):
        return ["there is not exactly one level-1 heading, at the very top"]
    skips = [text for (above, _), (level, text) in pairwise(headings(nb)) if level > above + 1]
    return [f"the heading {text!r} skips a level" for text in skips]


@check
def alt_texts(nb: NotebookNode, folder: Path) -> list[str]:
    bad = [
        f"{name(cell)} shows a picture without alt text of at least three words"
        for cell, output in outputs(nb)
        for mime in output.get("data", {})
        if mime in PICTURES and len(output.metadata.get(mime, {}).get("alt", "").split()) < 3
    ]
    for cell in of_kind(nb, "markdown"):
        bad += [
            f"{name(cell)} has an image without alt text"
            for t in tokens(cell.source)
            if t.type == "image" and not t.content
        ]
    html = [(cell, text) for cell, output in outputs(nb) for text in texts(output)]
    html += [(cell, cell.source) for cell in of_kind(nb, "markdown")]
    return bad + [
        f"{name(cell)} has an <img> without alt text"
        for cell, text in html
        for tag in re.findall(r"<img\b[^>]*>", text)
        if not re.search(r"""\balt=(["'])\s*(?!\1)\S""", tag)
    ]


@check
def nothing_remote(nb: NotebookNode, folder: Path) -> list[str]:
    """No image, script or frame that is fetched when the page is opened."""
    remote = re.compile(r"""<(?:img|script|iframe|link|video|source)\b[^>]*(?:src|href)\s*=\s*["']?(?:https?:)?//""")
    bad = [
        f"{name(cell)} shows a remote image"
        for cell in of_kind(nb, "markdown")
        for token in tokens(cell.source)
        if token.type == "image" and re.match(r"(https?:)?//", token.attrs["src"])
    ]
    html = [(cell, text) for cell, output in outputs(nb) for text in texts(output)]
    html += [(cell, cell.source) for cell in of_kind(nb, "markdown")]
    return bad + [f"{name(cell)} loads something remote" for cell, text in html if remote.search(text)]


@check
def no_widgets(nb: NotebookNode, folder: Path) -> list[str]:
    """A notebook just opened runs no widget and shows an error; with TEXTCLF_STATIC=1 a picture stands there."""
    return [f"{name(cell)} stores a widget" for cell, output in outputs(nb) if WIDGET in output.get("data", {})]


@check
def links_resolve(nb: NotebookNode, folder: Path) -> list[str]:
    bad = []
    for cell in of_kind(nb, "markdown"):
        for token in tokens(cell.source):
            url = str(token.attrs.get("href") or token.attrs.get("src") or "")
            if not url or re.match(r"https://|mailto:|attachment:|data:", url):
                continue
            target, _, anchor = url.partition("#")
            other = read(folder / target) if target.endswith(".ipynb") and (folder / target).is_file() else nb
            anchors = {text.replace(" ", "-") for _, text in headings(other)}
            if target.endswith(".md") and (folder / target).is_file():
                page = (folder / target).read_text(encoding="utf-8")
                titles = re.findall(r"^#+ (.+)$", page, re.MULTILINE)
                anchors = {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}
            if not (folder / target).exists() or (anchor and anchor not in anchors):
                bad.append(f"{name(cell)} links to {url}, which is not there")
    return bad


# --- true prose -------------------------------------------------------------------------------------------------------


@check
def no_typed_results(nb: NotebookNode, folder: Path) -> list[str]:
    """No decimal in prose: it would come from a run. A cell prints it, or a claim guards the sentence.

    Allowed: formulas and code, the numbers of this lesson's sections, and what is named as a section or a version.
    """
    sections = {text.split()[0] for _, text in headings(nb) if text}
    named = r"(?:sections?|lessons?|§|version|Python|and) $"
    bad = []
    for cell in of_kind(nb, "markdown"):
        for token in tokens(cell.source):
            if token.type != "text":
                continue
            for hit in re.finditer(r"(?<![\w.])\d+[.,]\d+(?!\d*\.\d)\s?%?", token.content):
                number, before = hit[0].strip(), token.content[: hit.start()]
                thousands = re.fullmatch(r"\d{1,3},\d{3}", number)
                if not (thousands or number in sections or re.search(named, before)):
                    bad.append(f"{name(cell)} types {number} in prose: print it, or guard the sentence by a claim")
    return bad


@check
def ignored_outputs_are_few_and_guarded(nb: NotebookNode, folder: Path) -> list[str]:
    """`nbval-ignore-output` on at most 40 % of the code cells; a claim in the same cell or in the next code cell."""
    code = of_kind(nb, "code")
    ignored = [i for i, cell in enumerate(code) if IGNORE in cell.metadata.get("tags", [])]
    bad = []
    if len(ignored) > MAX_IGNORED * len(code):
        bad.append(f"{len(ignored)} of {len(code)} code cells are tagged {IGNORE}; at most {MAX_IGNORED:.0%} may be")
    return bad + [
        f"{name(code[i])} is tagged {IGNORE}, and no claim follows"
        for i in ignored
        if not any(map(has_claim, code[i : i + 2]))
    ]


@check
def claims_compare(nb: NotebookNode, folder: Path) -> list[str]:
    """`claim("...", True)` guards nothing."""
    trees = [(cell, ast.walk(ast.parse(cell.source))) for cell in of_kind(nb, "code")]
    calls = [(cell, node) for cell, tree in trees for node in tree if isinstance(node, ast.Call) and len(node.args) > 1]
    return [
        f"{name(cell)} claims a constant"
        for cell, call in calls
        if ast.unparse(call.func).endswith("claim") and isinstance(call.args[1], ast.Constant)
    ]


@check
def no_other_way_around_nbval(nb: NotebookNode, folder: Path) -> list[str]:
    tags = [(cell, tag) for cell in nb.cells for tag in cell.metadata.get("tags", [])]
    bad = [f"{name(cell)} has the unknown tag {tag!r}" for cell, tag in tags if tag not in (IGNORE, "times")]
    magic = re.compile(r"#\s*(NBVAL_|PYTEST_VALIDATE)")
    return bad + [
        f"{name(cell)} has an NBVAL comment; use the tag" for cell in of_kind(nb, "code") if magic.search(cell.source)
    ]


# --- a lesson's shape -------------------------------------------------------------------------------------------------


@check
def opening(nb: NotebookNode, folder: Path) -> list[str]:
    first = nb.cells[0].source
    bad = [] if re.match(r"# \d{1,2} · \S", first) else ["the title is not of the form '# 6 · When one class is rare'"]
    bad += [
        f"the first cell lacks **{part}**"
        for part in ("You will learn", "Before you start")
        if f"**{part}**" not in first
    ]
    if sum("times" in cell.metadata.get("tags", []) for cell in of_kind(nb, "markdown")) != 1:
        bad.append("there is not exactly one Markdown cell tagged 'times'")
    return bad


@check
def begins_with_setup(nb: NotebookNode, folder: Path) -> list[str]:
    first = [line for line in of_kind(nb, "code")[0].source.splitlines() if line.strip()]
    wanted = ["from textclf_lesson import course", "course.setup()"]
    return [] if first == wanted else [f"the first code cell is not {wanted}"]


@check
def ends_in_recap(nb: NotebookNode, folder: Path) -> list[str]:
    last = [text for level, text in headings(nb) if level <= 2][-1:]
    bad = [] if last == ["Recap"] else ["the last section is not '## Recap'"]
    parts = ("To go further", "Now you")
    prose = "\n".join(cell.source for cell in of_kind(nb, "markdown")[-3:])
    return bad + [f"the end lacks **{part}**" for part in parts if f"**{part}**" not in prose]


@check
def short_cells(nb: NotebookNode, folder: Path) -> list[str]:
    lines = [(cell, len(cell.source.splitlines())) for cell in of_kind(nb, "code")]
    bad = [f"{name(cell)} has {n} lines; the limit is {MAX_LINES}" for cell, n in lines if n > MAX_LINES]
    return bad + ["there is an empty code cell" for _, n in lines if n == 0]


@check
def prose_before_code(nb: NotebookNode, folder: Path) -> list[str]:
    """Only a cell with a claim may follow another code cell: it belongs to the result above it."""
    return [
        f"{name(cell)} comes without Markdown before it"
        for above, cell in pairwise(nb.cells)
        if cell.cell_type == "code" and above.cell_type == "code" and not has_claim(cell)
    ]
