"""Texts as token ids: rows of a data set, batches of like length, and how long a text a network can read."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


def rows(
    tokenizer: "PreTrainedTokenizerBase", texts: list[str], max_length: int, targets: Sequence[Any] | None = None
) -> list[dict]:
    """Each text as a dict of its token ids, at most `max_length` and not padded; with its target under "labels"."""
    # Half of a surrogate pair cannot be encoded, and comes from text that was split in the wrong place.
    texts = [text.encode("utf-8", "replace").decode() for text in texts]
    encoded = tokenizer(texts, truncation=True, max_length=max_length)
    if targets is not None:
        encoded["labels"] = targets
    return [dict(zip(encoded, row, strict=True)) for row in zip(*encoded.values(), strict=True)]


def batches(lengths: Sequence[int], tokens: int) -> list[list[int]]:
    """Row numbers in batches of like length, the longest first, each of at most `tokens` tokens after padding."""
    order = sorted(range(len(lengths)), key=lambda row: -lengths[row])
    found = []
    while order:
        size = max(1, tokens // max(1, lengths[order[0]]))
        found.append(order[:size])
        order = order[size:]
    return found


def longest(network: Any) -> int | None:
    """The most tokens of a text, special ones included; None if positions are relative or computed, without a limit.

    RoBERTa and its relatives count positions from behind that of the padding (`padding_idx` + 1), so of 514 rows 512
    can be used; the row of the padding itself and those before it never stand for a token.
    """
    for name, part in network.named_modules():
        if name.endswith("position_embeddings") and hasattr(part, "num_embeddings"):
            padding = getattr(part, "padding_idx", None)
            return part.num_embeddings - (0 if padding is None else padding + 1)
    return None
