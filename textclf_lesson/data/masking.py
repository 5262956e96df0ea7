"""Slurs and obscenities, masked before a lesson prints them."""

import functools
import hashlib
import re
from importlib import resources

_WORD = re.compile(r"[^\W_]+")


def mask(text: str) -> str:
    """`text` with swear words and slurs reduced to their first letter and asterisks.

    For reading only: a model must see the words. New spellings slip through; this spares a reader, it does not filter.
    """
    return _WORD.sub(lambda match: _masked(match[0]), text)


def _masked(word: str) -> str:
    inside, whole = _hashes()
    lower = word.lower()
    parts = (lower[i : i + n] for n in inside for i in range(len(lower) - n + 1))
    if _hash(lower) in whole or any(_hash(part) in inside[len(part)] for part in parts):
        return word[0] + "*" * (len(word) - 1)
    return word


@functools.cache
def _hashes() -> tuple[dict[int, set[str]], set[str]]:
    """What to mask: parts of words (by length) and whole words. Stored as hashes, so that no list of slurs ships."""
    inside, whole = {}, set()
    lines = (resources.files(__package__) / "masked_words.txt").read_text(encoding="ascii").splitlines()
    for where, length, code in map(str.split, lines):
        if where == "whole":
            whole.add(code)
        else:
            inside.setdefault(int(length), set()).add(code)
    return inside, whole


@functools.lru_cache(maxsize=50_000)
def _hash(piece: str) -> str:
    return hashlib.sha256(piece.encode()).hexdigest()[:12]
