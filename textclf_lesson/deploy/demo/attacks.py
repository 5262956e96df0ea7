"""A sentence rewritten as somebody would who wants to be overlooked; a person still reads it.

The spellings are those of `evaluate.robustness`, lesson 8. There, rude words are rewritten. In a lecture hall one does
not want to type any: where a sentence has none, the words are taken that the linear model leans on most.
"""

import re
import unicodedata
from collections.abc import Callable, Sequence
from typing import NamedTuple

from textclf_lesson import data
from textclf_lesson.deploy.demo.highlight import Span
from textclf_lesson.evaluate import robustness

WORD = re.compile(r"[^\W_]+")
LEANED_ON = 3  # words that are rewritten where none is rude
PADDING_WORDS = 160  # as in `robustness.failure_table`: a model that reads 64 or 128 tokens does not get to the text


class Rewritten(NamedTuple):
    """The sentence as the models see it, how many words were changed, and the new forms of those that are rude."""

    text: str
    words: int
    forms: tuple[str, ...] = ()


def typo(word: str) -> str:
    """Two letters inside the word change places: the first two that differ; the first letter stays."""
    for at in range(1, len(word) - 1):
        if word[at] != word[at + 1]:
            return word[:at] + word[at + 1] + word[at] + word[at + 2 :]
    return word


SPELLINGS: dict[str, Callable[[str], str]] = {"typo": typo} | robustness.ATTACKS
NAMES = {
    "typo": "typos",
    "leetspeak": "leetspeak: a → @",
    "spacing": "spaces: b a d",
    "lookalikes": "look-alike letters",
    "asterisk": "asterisks: b*d",
    "friendly": "friendly words appended",
    "padding": f"{PADDING_WORDS} harmless words before",
}


def rewrite(kind: str, text: str, spans: Sequence[Span], padding: str) -> Rewritten:
    """`text` after one of NAMES.

    spans: the words of the text and what each is worth to the linear model, for the label in question.
    padding: harmless words to put before the text.

    Raises ValueError for an unknown kind.
    """
    if kind == "friendly":
        return Rewritten(text + robustness.FRIENDLY, 0)
    if kind == "padding":
        return Rewritten(f"{padding} {text}", 0)
    if kind not in SPELLINGS:
        raise ValueError(f"There is no attack {kind!r}. There are: {', '.join(NAMES)}.")
    chosen, forms = _chosen(text, spans), []

    def respell(match: re.Match) -> str:
        if match.start() not in chosen:
            return match[0]
        new = SPELLINGS[kind](match[0])
        if robustness.is_rude(match[0]):
            forms.append(new)
        return new

    return Rewritten(WORD.sub(respell, text), len(chosen), tuple(forms))


def defend(rewritten: Rewritten) -> Rewritten:
    """Lesson 8's defence: hidden rude words as they are usually spelt (`robustness.plain`)."""
    return rewritten._replace(text=robustness.plain(rewritten.text))


def masked(rewritten: Rewritten) -> str:
    """The text as a room may see it, of the same length: of a rude word, hidden or not, the first character is left."""
    shown = data.mask(rewritten.text)
    for form in rewritten.forms:
        for spelling in {form, unicodedata.normalize("NFKC", form)}:
            shown = shown.replace(spelling, spelling[0] + re.sub(r"\S", "*", spelling[1:]))
    return shown


def _chosen(text: str, spans: Sequence[Span]) -> set[int]:
    """Where the words begin that are rewritten."""
    words = list(WORD.finditer(text))
    if rude := {match.start() for match in words if robustness.is_rude(match[0])}:
        return rude
    longer = {match.start() for match in words if len(match[0]) > 2}
    best = sorted((span for span in spans if span.score > 0 and span.start in longer), key=lambda span: -span.score)
    return {span.start for span in best[:LEANED_ON]}
