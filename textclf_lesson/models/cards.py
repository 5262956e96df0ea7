"""Model cards of the encoders and language models that the course starts from (Mitchell et al. 2019, in short).

The classifiers that the course trained itself have theirs beside their weights: `checkpoints.card`.
"""

import functools
import tomllib
from importlib import resources

from textclf_lesson.assets import catalog
from textclf_lesson.base import facts
from textclf_lesson.base.hints import did_you_mean
from textclf_lesson.models import checkpoints

_FACTS = ("about", "origin", "training", "licence", "limits", "citation")


@functools.cache
def cards() -> dict[str, dict]:
    """The facts of every model that the course starts from, by name."""
    return tomllib.loads((resources.files(__package__) / "cards.toml").read_text(encoding="utf8"))


class Card:
    """The card of one model; a notebook shows it as a table. `facts`: what is known of it; size_bytes: of its files."""

    def __init__(self, name: str):
        self.name = name
        self.size_bytes: int = catalog.catalog()[name].size
        self.facts: dict[str, str | list[str]] = {fact: cards()[name][fact] for fact in _FACTS}
        self.facts["size"] = f"{cards()[name]['parameters']}; {self.size_bytes / 1e6:.0f} MB on disk"

    def __str__(self) -> str:
        flat = {fact: value if isinstance(value, str) else " ".join(value) for fact, value in self.facts.items()}
        return "\n".join([self.name, *(f"  {fact:9} {value}" for fact, value in flat.items())])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return facts.table(self.name, self.facts)


def card(name: str) -> "Card | checkpoints.Card":
    """What one should know of a model before building on it: what it is, how it was trained, licence, size, limits.

    name: an encoder or language model ("minilm", "smollm2"), or a classifier that the course trained
    (`checkpoints.names()`). Raises ValueError for another name; the message lists those there are.
    """
    if name in cards():
        return Card(name)
    if name in checkpoints.names():
        return checkpoints.card(name)
    known = [*cards(), *checkpoints.names()]
    raise ValueError(f"There is no model {name!r}.{did_you_mean(name, known)} There are: {', '.join(known)}.")
