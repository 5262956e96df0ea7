"""Write docs/glossary.md from docs/glossary.toml; `--check` only says whether the page is up to date."""

import sys
import tomllib
from pathlib import Path

from tools import pages

ROOT = Path(__file__).parents[1]
SOURCE, PAGE = ROOT / "docs" / "glossary.toml", ROOT / "docs" / "glossary.md"
HEAD = """\
# Glossary

Made by `python -m tools.glossary` from glossary.toml; do not edit. The field's terms as this course uses them, each
with the section that defines it by formula or example.
"""


def page() -> str:
    """The page in Markdown, terms in the order of the alphabet."""
    terms = tomllib.loads(SOURCE.read_text(encoding="utf-8"))["term"]
    return "\n".join([HEAD, *(entry(term) for term in sorted(terms, key=lambda term: term["term"].lower()))])


def entry(term: dict) -> str:
    """A heading that links can lead to, the definition, and where it stands."""
    (notebook,) = [path.name for path in (ROOT / "notebooks").glob(f"{term['lesson']}_*.ipynb")] or [""]
    where = f"section {term['section']}" if term.get("section") else f"lesson {int(term['lesson'])}"
    link = f"[{where}](../notebooks/{notebook})" if notebook else where
    forms = f" Also: {', '.join(term['forms'])}." if "forms" in term else ""
    return f"## {term['term']}\n\n{term['definition']}{forms} Defined in {link}.\n"


def problems() -> list[str]:
    """One sentence if the page is not what the source gives."""
    return pages.problems(PAGE, page, "docs/glossary.toml", "glossary")


if __name__ == "__main__":
    sys.exit(pages.main(PAGE, page, problems))
