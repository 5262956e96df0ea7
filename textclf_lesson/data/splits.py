"""Which row goes into which split, and how a text that is in two of them is found."""

import hashlib
import re
import unicodedata

import pandas as pd

SPLITS = ("train", "validation", "test", "test_natural")
_NOT_WORD = re.compile(r"[\W_]+")


def normalise(text: str) -> str:
    """`text` without case, white space, punctuation and typographic variants.

    Two texts with the same normal form say the same thing to a model that has seen one of them, so splits are
    compared by it. A text of punctuation alone has the normal form "".
    """
    letters = _NOT_WORD.sub("", text)
    if letters.isascii():
        return letters.lower()
    return _NOT_WORD.sub("", unicodedata.normalize("NFKC", letters).casefold())


def position(key: str) -> float:
    """A number in [0, 1) that depends on `key` alone.

    A split made by it is the same on every machine and with every version of every library, which a random
    generator does not promise; and equal texts always land on the same side.
    """
    return int(hashlib.sha256(key.encode()).hexdigest()[:13], 16) / 16**13


def keyed(rows: pd.DataFrame) -> pd.DataFrame:
    """`rows` with the column `key`, the normalised text: made once and carried along, for it is the slow part."""
    return rows if "key" in rows else rows.assign(key=rows["text"].map(normalise))


def divide(rows: pd.DataFrame, validation: float, test: float) -> dict[str, pd.DataFrame]:
    """Cut `rows` into train, validation and test by the position of each normalised text.

    validation, test: fractions in (0, 1), reached up to chance.
    """
    rows = keyed(rows)
    place = rows["key"].map(position)
    return {
        "train": rows[place >= validation + test],
        "validation": rows[(place >= test) & (place < validation + test)],
        "test": rows[place < test],
    }


def divide_evenly(rows: pd.DataFrame, validation: float, test: float) -> tuple[dict[str, pd.DataFrame], str]:
    """`divide` that leaves no split empty: of few texts, those with the first positions go into test and validation.

    A fraction of 0 makes no split. The second value says what to know where the texts are few, or "".
    """
    rows = keyed(rows)
    sizes = {name: size for name, size in (("validation", validation), ("test", test)) if size}
    frames = {name: part for name, part in divide(rows, validation, test).items() if name in ("train", *sizes)}
    if all(map(len, frames.values())):
        return frames, ""
    order = sorted(set(rows["key"]), key=position)
    counts = {name: max(1, round(size * len(order))) for name, size in sizes.items()}
    if sum(counts.values()) >= len(order):
        return {"train": rows, **dict.fromkeys(sizes, rows[:0])}, f"too few different texts to split ({len(order)})"
    frames, start = {}, 0
    for name, count in counts.items():
        frames[name] = rows[rows["key"].isin(order[start : start + count])]
        start += count
    frames["train"] = rows[rows["key"].isin(order[start:])]
    return frames, f"so few texts ({len(order)}) that one more may move another into another split"


def carve(rows: pd.DataFrame, fraction: float, by: str | None = None) -> dict[str, pd.DataFrame]:
    """Take a validation split out of a training split that was shipped without one.

    With `by` (a label column) the cut is made inside each class and rounded down: a class with fewer than
    1 / fraction rows gives no row away, so no class vanishes from training.
    """
    rows = keyed(rows)
    place = rows["key"].map(position)
    if by is None:
        chosen = place < fraction
    else:
        rank = place.groupby(rows[by]).rank(method="max")
        chosen = rank <= (rows.groupby(by)["text"].transform("size") * fraction).astype(int)
    return {"train": rows[~chosen], "validation": rows[chosen]}


def leaks(a: pd.DataFrame, b: pd.DataFrame) -> pd.DataFrame:
    """The rows of `b` whose text, normalised, is in `a` as well.

    Both need a column `text`; a `datasets.Dataset` will do.
    """
    a, b = (rows if isinstance(rows, pd.DataFrame) else rows.to_pandas() for rows in (a, b))
    return b[keyed(b)["key"].isin(set(keyed(a)["key"]))]


def separate(frames: dict[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """Drop from each split the rows whose text is in a later one.

    Later means nearer to the test (train, validation, test): the rows that scores rest on stay whole, those that are
    learned from give way.
    """
    kept, seen = {}, set()
    for split in reversed([s for s in SPLITS if s in frames]):
        rows = keyed(frames[split])
        kept[split] = rows[~rows["key"].isin(seen)].drop(columns="key")
        seen |= set(rows["key"])
    return {split: kept[split] for split in SPLITS if split in kept}
