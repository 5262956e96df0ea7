"""What a misspelt name may have meant."""

import difflib
from collections.abc import Iterable
from typing import Any


def did_you_mean(name: Any, known: Iterable[Any], n: int = 1, cutoff: float = 0.6) -> str:
    """The question " Did you mean 'a' or 'b'?" with up to n of the `known` names, case ignored; "" if none is like it.

    cutoff: how alike two names must be, 0 (all are) to 1 (the same), by `difflib.SequenceMatcher`. The sentence begins
    with a space, so that it can be put behind another.
    """
    spelling = {str(other).lower(): str(other) for other in known}
    near = difflib.get_close_matches(str(name).lower(), spelling, n=n, cutoff=cutoff)
    return f" Did you mean {' or '.join(repr(spelling[other]) for other in near)}?" if near else ""
