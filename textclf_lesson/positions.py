"""How many tokens a network can read: as many as its table of positions has usable rows."""

from typing import Any


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
