"""Facts as a notebook shows them: the table of a card, of a data set or of a model."""

import html
import re
from collections.abc import Mapping


def table(name: str, facts: Mapping[str, str | list[str]]) -> str:
    """HTML: the name above, a row for each fact; a list of several as bullets, `code` as code."""
    rows = "".join(
        f"<tr><th style='text-align:left;vertical-align:top'>{fact}</th>"
        f"<td style='text-align:left'>{_items(value)}</td></tr>"
        for fact, value in facts.items()
    )
    return f"<table><caption><b>{name}</b></caption><tbody>{rows}</tbody></table>"


def _items(value: str | list[str]) -> str:
    if isinstance(value, str):
        return re.sub(r"`(.+?)`", r"<code>\1</code>", html.escape(value))
    return "<ul>" + "".join(f"<li>{_items(item)}</li>" for item in value) + "</ul>"
