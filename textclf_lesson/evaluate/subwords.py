"""Which tokens make up which word: BERT's "##", RoBERTa's "Ġ" and SentencePiece's "▁" alike."""

from typing import Any

from textclf_lesson.base.extras import needed
from textclf_lesson.base.inputs import check_texts

with needed("train"):
    from transformers import PreTrainedTokenizerBase


def readable(text: str) -> str:
    """One text; half of a surrogate pair, which cannot be encoded, becomes "?", as in training."""
    return check_texts([text])[0].encode("utf-8", "replace").decode()


def berts_words(tokens: list[str]) -> list[str | None]:
    """Of each token the word that begins there, or None, by BERT's spelling alone."""
    begins: list[str | None] = []
    for at, token in enumerate(tokens):
        end = next((end for end in range(at + 1, len(tokens)) if not tokens[end].startswith("##")), len(tokens))
        word = token + "".join(part.removeprefix("##") for part in tokens[at + 1 : end])
        begins.append(None if token.startswith("##") and at else word)
    return begins


def words(tokenizer: PreTrainedTokenizerBase, inputs: Any, text: str, places: list[list[int]]) -> list[str | None]:
    """Of each token the word that begins there, or None: as the tokeniser splits, and at white space in any case."""
    tokens, numbers, starts = inputs.tokens(), inputs.word_ids(), []
    for at, (number, (start, _)) in enumerate(zip(numbers, places, strict=True)):
        between = text[places[at - 1][1] : start + 1] if at else ""
        if number is None or at == 0 or number != numbers[at - 1] or any(map(str.isspace, between)):
            starts.append(at)
    begins: list[str | None] = [None] * len(tokens)
    for start, end in zip(starts, [*starts[1:], len(tokens)], strict=True):
        parts = tokens[start:end]
        begins[start] = tokenizer.convert_tokens_to_string(parts).strip() or "".join(parts)
    return begins
