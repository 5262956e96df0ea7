"""Data cards: what one should know before training on a set, as a table."""

import functools
import html
import tomllib
from collections.abc import Callable
from importlib import resources

import pandas as pd

from textclf_lesson.base import facts
from textclf_lesson.base.extras import needed

with needed("train"):
    import datasets


_FACTS = ("about", "origin", "licence", "splits", "faults", "citation")


@functools.cache
def cards() -> dict[str, dict]:
    """The facts of every data set, by name."""
    return tomllib.loads((resources.files(__package__) / "cards.toml").read_text(encoding="utf8"))


def agreement() -> pd.DataFrame:
    """Eight annotators' labels for the same 40 comments: one row for each comment and annotator."""
    with resources.as_file(resources.files(__package__) / "wiki_toxicity" / "eight_annotators.csv") as path:
        return pd.read_csv(path, dtype={"text_sha256_16": str}).rename(columns={"text_sha256_16": "id"})


def counts(splits: datasets.DatasetDict) -> pd.DataFrame:
    """Rows of each label (index) in each split (columns); the first row counts all."""
    table = {}
    for split, rows in splits.items():
        frame = rows.with_format("pandas")[:]
        if "label" in frame:
            names = rows.features["label"].names
            by_label = frame["label"].value_counts().reindex(range(len(names)), fill_value=0).set_axis(names)
        else:
            kinds = [c for c, kind in rows.features.items() if isinstance(kind, datasets.ClassLabel)]
            by_label = frame[kinds].sum()
        table[split] = pd.concat([pd.Series({"all rows": len(frame)}), by_label])
    return pd.DataFrame(table)


class Card:
    """The card of one data set; a notebook shows it as a table.

    Facts are read at once; rows and labels are counted from the data when they are asked for.
    """

    def __init__(self, name: str, load: Callable[[str], datasets.DatasetDict]):
        self.name = name
        self.facts = {fact: cards()[name][fact] for fact in _FACTS}
        self.crowd_kappa: dict[str, float] | None = cards()[name].get("crowd_kappa")
        self._load = load

    @functools.cached_property
    def counts(self) -> pd.DataFrame:
        """Rows of each label (index) in each split (columns); the first row counts all."""
        return counts(self._load(self.name))

    def _counted(self) -> pd.DataFrame | str:
        """The counts, or why there are none: a full set may not be on this machine yet."""
        try:
            return self.counts
        except (ValueError, RuntimeError) as error:
            return str(error)

    def __str__(self) -> str:
        lines = [self.name, *(f"  {fact:9} {_flat(value)}" for fact, value in self.facts.items())]
        return "\n".join([*lines, str(self._counted())])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        counted = self._counted()
        if isinstance(counted, pd.DataFrame):
            counted = counted.head(13).to_html() + (
                f"<p>… and {len(counted) - 13} more labels</p>" if len(counted) > 13 else ""
            )
        else:
            counted = f"<p>{html.escape(counted)}</p>"
        return facts.table(self.name, self.facts) + counted


def _flat(value: str | list[str]) -> str:
    return value if isinstance(value, str) else "; ".join(value)
