"""What a talk takes out of a stored notebook: pictures, outputs, tables, numbers, code, claims, each by an id.

A reference stands in double braces. ID is a cell's id, as the notebook's file has it; a claim's is the one it prints.

    {{picture ID}}                      the cell's picture, with its alt text
    {{output ID lines 1-3}}             what the cell printed, or these lines of it
    {{table ID rows 1-4 columns a, b}}  the table that the cell shows, or these rows and columns of it
    {{table ID columns "a, b", c}}     a column whose name has a comma stands in quotes
    {{code ID lines 5-9}}               the cell's code, or these lines of it
    {{claim 04.few}}                    the sentence that the notebook claims, and the numbers it rests on
    {{number ID "pattern" percent}}     what the group in the pattern finds in the cell's outputs; `percent`: as 77 %

So no number of a talk can be another than its lesson's: what is not found, or not found once, is an error.
"""

import csv
import json
import re
from collections.abc import Iterator
from html import escape
from pathlib import Path

from bs4 import BeautifulSoup
from nbconvert.filters import highlight

REFERENCE = re.compile(r"\{\{(\w+) +(\S+?)(?: +(.+?))?\}\}")
NUMBER = re.compile(r"[-+−]?\d|$")
WORDS = ' class="words"'
CLAIM = re.compile(r"^✓ (.*?)(?: \((.*)\))? \[([\w.-]+)\]$", re.MULTILINE)


class BadReference(ValueError):
    """A reference that leads nowhere: the message names the lesson, the reference and what is wrong."""


class Lesson:
    """A stored notebook, its cells by their ids."""

    def __init__(self, path: Path):
        self.name = path.name
        self.cells = {cell["id"]: cell for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]}

    def resolve(self, reference: re.Match) -> str:
        """The HTML that stands for a reference. Raises BadReference if it leads nowhere."""
        kind, target, options = reference[1], reference[2], reference[3] or ""
        makers = {"picture": self._picture, "output": self._output, "table": self._table, "code": self._code}
        makers |= {"claim": self._claim, "number": self._number}
        try:
            if kind not in makers:
                raise LookupError(f"there is no {kind!r}; there are {', '.join(makers)}")
            return makers[kind](target, options)
        except LookupError as error:
            raise BadReference(f"{self.name}: {reference[0]}: {error.args[0]}") from None

    def _cell(self, target: str) -> dict:
        if target not in self.cells:
            raise LookupError(f"no cell has the id {target!r}")
        return self.cells[target]

    def _outputs(self, target: str) -> list[dict]:
        return self._cell(target).get("outputs", [])

    def _data(self, target: str, kind: str) -> tuple[str, dict]:
        """The last output of this type, and its metadata."""
        for output in reversed(self._outputs(target)):
            if kind in output.get("data", {}):
                return "".join(output["data"][kind]), output.get("metadata", {}).get(kind, {})
        raise LookupError(f"the cell has no output of type {kind}")

    def _picture(self, target: str, options: str) -> str:
        png, metadata = self._data(target, "image/png")
        if not metadata.get("alt"):
            raise LookupError("its picture has no alt text")
        return f'<img src="data:image/png;base64,{png.strip()}" alt="{escape(metadata["alt"])}">'

    def _output(self, target: str, options: str) -> str:
        text = "".join("".join(o["text"]) for o in self._outputs(target) if o["output_type"] == "stream")
        if not text.strip():
            raise LookupError("the cell printed nothing")
        return f'<pre class="output">{escape(_lines(text.rstrip(), options))}</pre>'

    def _code(self, target: str, options: str) -> str:
        cell = self._cell(target)
        if cell["cell_type"] != "code":
            raise LookupError("the cell holds no code")
        source = _lines("".join(cell["source"]), options)
        return highlight.Highlight2HTML(pygments_lexer="python")(source)

    def _table(self, target: str, options: str) -> str:
        html, _ = self._data(target, "text/html")
        heading, body, leading = _grid(html)
        if rows := re.search(r"rows (\d+)-(\d+)", options):
            first, last = int(rows[1]), int(rows[2])
            if not 1 <= first <= last <= len(body):
                raise LookupError(f"it has rows 1 to {len(body)}")
            body = body[first - 1 : last]
        if columns := re.search(r"columns (.+)", options):
            wanted = next(csv.reader([columns[1]], skipinitialspace=True))
            if lost := [name for name in wanted if name not in heading]:
                raise LookupError(f"no column {lost[0]!r}; there are {', '.join(heading)}")
            kept = [*range(leading), *(heading.index(name) for name in wanted if name not in heading[:leading])]
            heading, body = [heading[at] for at in kept], [[row[at] for at in kept] for row in body]
        head = "".join(f'<th scope="col">{escape(name)}</th>' for name in heading)
        lines = []
        for row in body:
            cells = "".join(f'<th scope="row">{escape(text)}</th>' for text in row[:leading])
            cells += "".join(f"<td{'' if NUMBER.match(text) else WORDS}>{escape(text)}</td>" for text in row[leading:])
            lines.append(f"<tr>{cells}</tr>")
        return f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(lines)}</tbody></table>"

    def _claim(self, target: str, options: str) -> str:
        for sentence, detail, name in self.claims():
            if name == target:
                return f'<p class="claim">{escape(sentence)}<small>{escape(detail)}</small></p>'
        raise LookupError("the notebook claims nothing of this id")

    def claims(self) -> Iterator[tuple[str, str, str]]:
        """Each claim with an id: sentence, numbers, id."""
        for cell in self.cells.values():
            for output in cell.get("outputs", []):
                if output["output_type"] == "stream":
                    yield from CLAIM.findall("".join(output["text"]))

    def _number(self, target: str, options: str) -> str:
        wanted = re.fullmatch(r'"(.+)"( percent)?', options)
        if not wanted or re.compile(wanted[1]).groups != 1:
            raise LookupError('write {{number ID "text with one (group)"}}, and `percent` after it if wanted')
        texts = [
            "".join(o["text"]) if "text" in o else "".join(o["data"].get("text/plain", ""))
            for o in self._outputs(target)
        ]
        found = {match for text in texts for match in re.findall(wanted[1], text)}
        if len(found) != 1:
            raise LookupError(f"the pattern finds {len(found)} things in the cell's outputs, not one")
        number = found.pop()
        return f"{100 * float(number):.0f} %" if wanted[2] else escape(number)


def _grid(html: str) -> tuple[list[str], list[list[str]], int]:
    """The headings and rows of a table as pandas writes it, cells that span several repeated; how many columns lead."""
    soup = BeautifulSoup(html, "html.parser")
    parts = []
    for part in ("thead", "tbody"):
        rows: list[dict[int, str]] = [{} for _ in soup.select(f"{part} tr")]
        for at, line in enumerate(soup.select(f"{part} tr")):
            for cell in line.find_all(["th", "td"]):
                column = next(number for number in range(1000) if number not in rows[at])
                for down in range(int(cell.get("rowspan", 1))):
                    for right in range(int(cell.get("colspan", 1))):
                        rows[at + down][column + right] = cell.get_text(strip=True)
        parts.append([[text for _, text in sorted(row.items())] for row in rows])
    heads, body = parts
    if not body:
        raise LookupError("its HTML is no table with rows")
    heading = [" ".join(dict.fromkeys(name for name in names if name)) for names in zip(*heads, strict=True)]
    return heading, body, len(soup.select("tbody tr")[0].find_all("th"))


def _lines(text: str, options: str) -> str:
    wanted = re.fullmatch(r"lines (\d+)-(\d+)", options)
    if not options:
        return text
    lines = text.splitlines()
    if not wanted or not 1 <= int(wanted[1]) <= int(wanted[2]) <= len(lines):
        raise LookupError(f"write `lines 1-{len(lines)}` or less")
    return "\n".join(lines[int(wanted[1]) - 1 : int(wanted[2])])
