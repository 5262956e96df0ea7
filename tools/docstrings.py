"""The package's docstrings are plain text that reads well in an editor. Here they become reStructuredText for the book.

Parameters are explained line by line, `name: what it is`: these become lists of definitions. What is indented is shown
as it stands. `name` in single backticks is code.
"""

import re
from collections.abc import Iterator

NAMES = r"\*{0,2}\w+(?:, \*{0,2}\w+)*"
ENTRY = re.compile(rf"({NAMES}): (.*)|({NAMES}):$")
MARKED = re.compile(r"(`[^`]+`|\*\*[^*]+\*\*|\*\w[^*]*\*)")  # code and emphasis


def to_rst(text: str) -> str:
    """A docstring as reStructuredText.

    >>> print(to_rst("Cuts a text.\\n\\nlength: tokens,\\n    at most 512\\n`text`s: all of them"))
    Cuts a text.
    <BLANKLINE>
    ``length``
        tokens,
        at most 512
    <BLANKLINE>
    `text`\\ s: all of them
    """
    return "\n\n".join(block for paragraph in re.split(r"\n\s*\n", text.strip("\n")) for block in _blocks(paragraph))


def _blocks(paragraph: str) -> Iterator[str]:
    lines = paragraph.split("\n")
    if lines[0].lstrip().startswith(">>>"):
        yield paragraph
        return
    if lines[0].rstrip().endswith(":") and len(lines) > 1 and all(line.startswith("    ") for line in lines[1:]):
        yield _prose(lines[0])  # "Args:", and what belongs to it
        lines = lines[1:]
    indent = min(len(line) - len(line.lstrip()) for line in lines)
    lines = [line[indent:] for line in lines]
    if indent >= 4 and not ENTRY.match(lines[0]):
        yield "\n".join([".. code-block:: text", "", *(f"    {line}" for line in lines)])
        return
    for start, group in _groups(lines):
        if entry := start and ENTRY.match(group[0]):
            body = [entry[2] or "", *(line.strip() for line in group[1:])]
            text = _prose("\n".join(line for line in body if line))
            yield "\n".join([f"``{entry[1] or entry[3]}``", *(f"    {line}" for line in text.split("\n"))])
        else:
            yield _prose("\n".join(group))


def _groups(lines: list[str]) -> Iterator[tuple[bool, list[str]]]:
    """Entries with their further, indented lines; and the lines before, between and after them."""
    group, is_entry = [], False
    for line in lines:
        starts = bool(ENTRY.match(line)) and (not group or is_entry or not group[-1].rstrip().endswith(","))
        if group and (starts or (is_entry and not line.startswith(" "))):
            yield is_entry, group
            group = []
        is_entry = starts or (is_entry and bool(group))
        group.append(line)
    if group:
        yield is_entry, group


def _prose(text: str) -> str:
    """Signs that mean something in reStructuredText and nothing in the docstring."""
    parts = MARKED.split(text)
    for at in range(0, len(parts), 2):
        parts[at] = re.sub(r"[*|]", r"\\\g<0>", parts[at])
        if at and re.match(r"\w", parts[at]):
            parts[at] = rf"\ {parts[at]}"
    return "".join(parts)
