"""More training texts out of those one has: the four operations of Easy Data Augmentation (Wei and Zou 2019).

Each of them may change what a text says, and its label with it. Whether they help is measured, not supposed (lesson 7).
"""

import random
import re
from collections.abc import Callable, Iterable, Sequence
from numbers import Real
from typing import Protocol

import joblib
import numpy as np

from textclf_lesson.base.inputs import plain, whole_number
from textclf_lesson.training.wordnet import synonyms

TRIES = 10  # for each text wanted: an operation may change nothing, or repeat an earlier result
# What is moved or deleted as one: a word, and whatever would be torn at its marks ("$5.99" → "$99.5").
_WORD = re.compile(
    r"""(
    (?:(?:https?|ftp)://|www\.)\S*[^\s.,!?;:'")\]}>]     # an address on the web,
    | \w[\w-]*(?:\.\w[\w-]*)+/\S*[\w/]                    # also without its beginning: example.org/a?b=1
    | [\w.+%-]+@\w[\w-]*(?:\.\w[\w-]*)*                  # an e-mail address
    | &\#?\w+;                                           # an HTML entity
    | (?<!\w)[@\#]\w+(?:[.'’-]\w+)*                      # @name, #tag
    | (?:\b[^\W\d_]{1,3}\.){2,}(?:[^\W\d_]{1,3}\b)?     # U.S., e.g., Ph.D.
    | \b(?:Mr|Mrs|Ms|Dr|Prof|Sr|Jr|St|Mt|Gen|Sen|Rep|Gov|Capt|Lt|Col|Sgt|Rev|Hon|Inc|Ltd|Co|Corp|vs|etc|approx|dept)\.
    | (?:(?<!\w)[+−±-](?=\.?\d|[$€£¥₹₽]))?               # a number's sign
      (?:[A-Z]{0,3}[$€£¥₹₽](?=\.?\d))?                   # its currency
      (?:(?<![\w.])\.(?=\d))?
      (?:(?<!\w)['’](?=(?:tis|twas|em|til|cause|\d0s)\b))?
      \w+ (?:(?:[.'’&/-]|(?<=\d)[,:–](?=\d))\w+)*        # don't, well-known, AT&T, 1,000.50, 10:30, 24/7
      (?:(?<=\d)[%‰°€£¥₹₽$]\w*|(?<=\d)\+|(?<=\bC)(?:\+\+|\#))?  # 50%, 20°C, 18+, C++
    )""",
    re.VERBOSE,
)
_LETTERS = re.compile(
    r"[^\W\d_]+(?:['’-][^\W\d_]+)*"
)  # only such words have synonyms: none is sought for "5" or "U.S."

Find = Callable[[str], Sequence[str]]


class Augmenter(Protocol):
    """What EDA, a paraphraser and a back-translator have in common."""

    def augment(self, text: str, n: int = 4) -> list[str]:
        """Up to n texts that ought to say the same: all different, none of them `text`."""

    def augment_all(self, texts: Iterable[str], n: int = 4) -> list[list[str]]:
        """`augment` for each of many texts, in order."""


class EDA:
    """Easy Data Augmentation: synonym replacement, random insertion, random swap, random deletion (Wei and Zou 2019).

    Args:
        seed: the same seed and the same text give the same result, whatever was augmented before.
        synonyms: α of replacement. max(1, α · words) words that are not stop words each become one of their synonyms.
        insertions: α of insertion. max(1, α · words) times a synonym of a word is put anywhere.
        swaps: α of swapping. max(1, α · words) times two words are swapped.
        deletions: p of deletion. Each word goes with this probability; one word at least stays.

    All four lie in [0, 1]; 0 switches the operation off. A text comes from one operation, and the operations take
    turns. Synonyms are those of all senses that WordNet has for a word, the wrong ones included, as in the paper.
    Unlike the paper's code, this leaves case and punctuation as they are. Numbers, prices, abbreviations, addresses of
    pages and of people, @names, #tags and contractions are moved or deleted whole, and never replaced. English only.

    Raises ValueError if a share is not a number in [0, 1], or all four are 0.

    >>> EDA(seed=0).augment("A warm, funny film.", n=1)  # doctest: +SKIP
    ['A funny, warm film.']
    """

    def __init__(
        self,
        seed: int = 0,
        synonyms: float = 0.1,
        insertions: float = 0.1,
        swaps: float = 0.1,
        deletions: float = 0.1,
    ):
        self.seed = plain(seed)
        self.shares = plain({replace: synonyms, insert: insertions, swap: swaps, delete: deletions})
        for name, share in zip(("synonyms", "insertions", "swaps", "deletions"), self.shares.values(), strict=True):
            if not isinstance(share, Real) or not 0 <= share <= 1:
                raise ValueError(f"{name}={share!r} does not fit: it is a share of the words, 0 to 1.")
        if not any(self.shares.values()):
            raise ValueError("All four operations are switched off: set at least one share above 0, say synonyms=0.1.")

    def augment(self, text: str, n: int = 4) -> list[str]:
        """Up to n changed texts, all different, none of them `text`.

        There are fewer if the text does not give more: a blank text gives none, nor does one word without synonyms.
        Raises TypeError if `text` is not a string, ValueError if n is not a whole number from 0 up.
        """
        n = _check([text], n)
        return self._augment(text, n, synonyms)

    def augment_all(self, texts: Iterable[str], n: int = 4, workers: int = 1) -> list[list[str]]:
        """`augment` for each of the texts, in order, by `processes` processes. Their number does not change the result.

        Raises as `augment` does, and ValueError if `workers` is not a whole number from 1 up.
        """
        if isinstance(texts, str):
            raise TypeError("texts is one string, not a list of texts: use augment(text) for a single one.")
        texts = list(texts)
        n, workers = _check(texts, n), whole_number("workers", workers)
        if workers == 1:
            return [self._augment(text, n, synonyms) for text in texts]
        size = max(1, -(-len(texts) // (4 * workers)))
        chunks = [texts[start : start + size] for start in range(0, len(texts), size)]
        run = joblib.delayed(_augment_chunk)
        found = joblib.Parallel(workers)(run(self, chunk, n, _synonyms_in(chunk)) for chunk in chunks)
        return [texts for chunk in found for texts in chunk]

    def _augment(self, text: str, n: int, find: Find) -> list[str]:
        rng = random.Random(f"{self.seed} {text}".encode("utf-8", "surrogatepass"))
        operations = [(operation, share) for operation, share in self.shares.items() if share]
        rng.shuffle(operations)
        parts = _WORD.split(text)  # gap, word, gap, …, word, gap
        words = len(parts) // 2
        found: dict[str, None] = {}
        before = text.split()
        for attempt in range(TRIES * n if words else 0):
            if len(found) == n:
                break
            operation, share = operations[attempt % len(operations)]
            new = "".join(operation(parts.copy(), share, rng, find))
            if new.split() != before:
                found[new] = None
        return list(found)


def enlarge(augmenter: Augmenter, texts: Iterable[str], n: int = 4) -> tuple[list[str], np.ndarray]:
    """The texts and up to n variants of each, and for each row the position of the text that it comes from.

    `labels[positions]` are the labels that belong to it: each variant is given its original's. Only ever call this
    on training rows: a variant of a validation or test row is a leak.
    """
    texts = list(texts)
    many = augmenter.augment_all(texts, n)
    rows = texts + [variant for variants in many for variant in variants]
    positions = np.repeat(np.arange(len(texts)), [len(variants) for variants in many])
    return rows, np.concatenate([np.arange(len(texts)), positions])


def replace(parts: list[str], share: float, rng: random.Random, find: Find) -> list[str]:
    """max(1, share · words) words, no stop word among them, each become one of their synonyms."""
    left = _count(parts, share)
    for at in rng.sample(range(1, len(parts), 2), len(parts) // 2):
        if not left:
            break
        if choices := _sought(parts[at], find):
            parts[at] = _as_written(rng.choice(choices), parts[at])
            left -= 1
    return parts


def insert(parts: list[str], share: float, rng: random.Random, find: Find) -> list[str]:
    """max(1, share · words) times, a synonym of any of the words is put anywhere."""
    left = parts[1::2]  # words that may have synonyms: drawn until one has, as looking all of them up takes longer
    for _ in range(_count(parts, share)):
        choices = ()
        while left and not choices:
            number = rng.randrange(len(left))
            if not (choices := _sought(left[number], find)):
                del left[number]
        if not choices:
            break
        at = 2 * rng.randrange(len(parts) // 2 + 1)  # the gap before a word, or the last
        new = rng.choice(choices)
        if at == len(parts) - 1:
            parts[at:at] = [" ", new]
        else:
            parts[at : at + 1] = [parts[at], new, " "]
    return parts


def swap(parts: list[str], share: float, rng: random.Random, find: Find) -> list[str]:
    """max(1, share · words) times, two words are swapped."""
    if len(parts) > 3:
        for _ in range(_count(parts, share)):
            one, other = rng.sample(range(1, len(parts), 2), 2)
            parts[one], parts[other] = parts[other], parts[one]
    return parts


def delete(parts: list[str], share: float, rng: random.Random, find: Find) -> list[str]:
    """Each word but one goes with the probability `share`; what stood around it stays."""
    keep = rng.randrange(len(parts) // 2)
    for number in reversed(range(len(parts) // 2)):
        if number != keep and rng.random() < share:
            at = 2 * number
            parts[at : at + 3] = [re.sub(r"\s+", " ", parts[at] + parts[at + 2])]
    return parts


def _count(parts: list[str], share: float) -> int:
    return max(1, int(share * (len(parts) // 2)))


def _sought(word: str, find: Find) -> Sequence[str]:
    return find(word.lower()) if _LETTERS.fullmatch(word) else ()


def _as_written(new: str, old: str) -> str:
    return new[0].upper() + new[1:] if old[0].isupper() else new


def _check(texts: list[str], n: int) -> int:
    for row, text in enumerate(texts):
        if not isinstance(text, str):
            raise TypeError(f"Row {row} is of type {type(text).__name__}, not a string: augment takes texts.")
    return whole_number("n", n, at_least=0)


def _synonyms_in(texts: list[str]) -> dict[str, tuple[str, ...]]:
    """What the words of these texts have: sent along, so that no worker loads WordNet."""
    words = {word.lower() for text in texts for word in _WORD.findall(text) if _LETTERS.fullmatch(word)}
    return {word: found for word in words if (found := synonyms(word))}


def _augment_chunk(eda: EDA, texts: list[str], n: int, table: dict[str, tuple[str, ...]]) -> list[list[str]]:
    return [eda._augment(text, n, lambda word: table.get(word, ())) for text in texts]
