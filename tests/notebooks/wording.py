"""What a lesson's words must keep to: the field's terms defined before use, no private words, recaps bound to claims.

docs/glossary.toml holds the terms. A lesson that was written before these rules stands in `STILL_TO_DO`; the list may
only shrink.
"""

import ast
import functools
import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from checks import MARKDOWN, name, of_kind
from nbformat import NotebookNode

GLOSSARY = Path(__file__).parents[2] / "docs" / "glossary.toml"
STILL_TO_DO = ["00", "05", "06", "07", "08", "09", "10", "11", "12", "13", "14"]


@dataclass(frozen=True)
class Term:
    """A term of the field. forms: every spelling of it; lesson, section: where it is defined, "" where not yet."""

    term: str
    definition: str
    lesson: str
    section: str = ""
    forms: tuple[str, ...] = ()
    avoid: tuple[str, ...] = ()

    @functools.cached_property
    def pattern(self) -> re.Pattern:
        spellings = "|".join(re.escape(form) for form in sorted((self.term, *self.forms), key=len, reverse=True))
        plural = "(?:s|es)?"
        flags = 0 if self.term.isupper() else re.IGNORECASE
        return re.compile(rf"(?<![\w-])(?:{spellings}){plural}(?![\w-])", flags)


@functools.cache
def glossary() -> list[Term]:
    entries = tomllib.loads(GLOSSARY.read_text(encoding="utf-8"))["term"]
    return [Term(**{k: tuple(v) if isinstance(v, list) else v for k, v in entry.items()}) for entry in entries]


@functools.cache
def private_words() -> dict[re.Pattern, str]:
    """Words that only this course used, each with what to write instead."""
    entries = tomllib.loads(GLOSSARY.read_text(encoding="utf-8"))["private"]
    return {re.compile(rf"\b(?:{entry['words']})\b", re.IGNORECASE): entry["instead"] for entry in entries}


# --- terms before their definition ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Run:
    """A stretch of prose. bold, linked: whether it stands in bold, or in a link; section: of the heading above it."""

    text: str
    bold: bool
    linked: bool
    section: str
    cell: NotebookNode


def prose(nb: NotebookNode) -> Iterator[Run]:
    """The words of all Markdown cells but the title's, in order, without headings, code and formulas."""
    section = ""
    for cell in of_kind(nb, "markdown")[1:]:
        heading = False
        for block in MARKDOWN.parse(cell.source):
            if block.type in ("heading_open", "heading_close"):
                heading = block.type == "heading_open"
            if heading and block.type == "inline" and re.match(r"\d+\.\d+", block.content):
                section = block.content.split()[0]
            if heading or block.type != "inline":
                continue
            bold = link = 0
            for token in block.children or []:
                bold += (token.type == "strong_open") - (token.type == "strong_close")
                link += (token.type == "link_open") - (token.type == "link_close")
                if token.type == "text":
                    yield Run(token.content, bold > 0, link > 0, section, cell)


def terms_first(nb: NotebookNode, lesson: str) -> list[str]:
    """A term of this lesson or a later one stands in prose before it is defined in bold, or linked to where it is."""
    bad = []
    waiting = {term for term in glossary() if term.lesson >= lesson}
    by_length = sorted(glossary(), key=lambda term: -len(term.term))
    for run in prose(nb):
        text = run.text
        for term in by_length:  # what was found is taken out: "macro F1" is no use of "F1"
            text, found = term.pattern.subn(" ", text)
            if not found or term not in waiting:
                continue
            if run.linked or (run.bold and term.lesson == lesson and run.section == term.section):
                waiting.remove(term)
            elif not (run.bold and term.lesson == lesson):
                where = f"{term.section or 'lesson ' + term.lesson}"
                bad.append(
                    f"{name(run.cell)} uses {term.term!r} before its definition in {where}: define it or link it"
                )
                waiting.remove(term)
    return bad


def terms_are_defined(nb: NotebookNode, lesson: str) -> list[str]:
    """Each term that the glossary places in this lesson stands there in bold, in the section that it names."""
    bold = [(run.section, run.text) for run in prose(nb) if run.bold]
    return [
        f"the glossary defines {term.term!r} in {term.section or 'no section'}, where it does not stand in bold"
        for term in glossary()
        if term.lesson == lesson
        and not any(section == term.section and term.pattern.search(text) for section, text in bold)
    ]


# --- private words ----------------------------------------------------------------------------------------------------


def no_private_words(nb: NotebookNode, lesson: str) -> list[str]:
    """In prose, in code, in what claims and pictures tell: nowhere a word that nobody outside this course uses so."""
    return [
        f"{name(cell)} has the private word {hit[0]!r}: write {instead}"
        for cell in nb.cells
        for pattern, instead in private_words().items()
        for hit in pattern.finditer(cell.source)
    ]


# --- claims and recaps ------------------------------------------------------------------------------------------------


def claim_ids(nb: NotebookNode) -> Iterator[tuple[NotebookNode, str]]:
    """Each call of `claim` with the id it gives, "" if it gives none."""
    for cell in of_kind(nb, "code"):
        for node in ast.walk(ast.parse(cell.source)):
            if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("claim"):
                given = [keyword.value for keyword in node.keywords if keyword.arg == "id"]
                yield cell, str(given[0].value) if given and isinstance(given[0], ast.Constant) else ""


def claims_have_ids(nb: NotebookNode, lesson: str) -> list[str]:
    """Every claim has an id of its own, the lesson's number and a word: "04.order"."""
    found = list(claim_ids(nb))
    ids = [given for _, given in found]
    bad = [
        f'{name(cell)} has a claim with the id {given!r}; write id="{lesson}.word"'
        for cell, given in found
        if not re.fullmatch(rf"{lesson}\.[a-z0-9][a-z0-9-]*", given)
    ]
    return bad + [
        f"the claim id {given!r} is given twice" for given in sorted(set(ids)) if given and ids.count(given) > 1
    ]


def recap_is_bound(nb: NotebookNode, lesson: str) -> list[str]:
    """Every bullet of the recap names, as code, the claims that it rests on, and they exist."""
    cells = [cell for cell in of_kind(nb, "markdown") if re.search(r"^## Recap", cell.source, re.MULTILINE)]
    if len(cells) != 1:
        return ["there is not exactly one Recap"]
    known = {given for _, given in claim_ids(nb)}
    recap = cells[0].source[cells[0].source.index("## Recap") :].split("\n**")[0]
    bullets = re.split(r"^- ", recap, flags=re.MULTILINE)[1:]
    bad = [] if bullets else ["the Recap has no bullets"]
    for bullet in bullets:
        named = re.findall(r"`(\d\d\.[a-z0-9-]+)`", bullet)
        first = " ".join(bullet.split())[:60]
        bad += [] if named else [f"the recap's bullet '{first}' names no claim"]
        bad += [
            f"the recap's bullet '{first}' names {given}, which no claim has" for given in named if given not in known
        ]
    return bad


RULES = {
    rule.__name__: rule for rule in (terms_first, terms_are_defined, no_private_words, claims_have_ids, recap_is_bound)
}
