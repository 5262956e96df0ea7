"""What comes back from an answer: how it is compared, and how a hint names it."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from textclf_lesson.base.errors import CheckFailed


class Remote:
    """A value that stayed in the process of a graded answer; `remote_type` is the name of its type.

    The grader's own class derives from this one. Here no value is remote: a learner's function runs in this process.
    """

    remote_type: str


def compare(got: Any, expected: Any, mistakes: Mapping[str, Any], otherwise: str, tolerance: float = 1e-6) -> None:
    """Pass if `got` is as expected; else raise CheckFailed with the hint whose wrong value it is, or with `otherwise`.

    `mistakes` maps a hint to what an answer gives that makes this mistake: number or array, as `got`. If several are
    within the tolerance, the nearest tells.
    """
    if close(got, expected, tolerance):
        return
    near = {hint: wrong for hint, wrong in mistakes.items() if close(got, wrong, tolerance)}
    raise CheckFailed(min(near, key=lambda hint: np.abs(np.subtract(got, near[hint])).sum(), default=otherwise))


def close(got: Any, wanted: Any, tolerance: float = 1e-6) -> bool:
    """Whether two numbers or arrays of one shape agree, to a part of their size or absolutely, both `tolerance`."""
    got, wanted = np.asarray(got, dtype=float), np.asarray(wanted, dtype=float)
    return got.shape == wanted.shape and bool(np.allclose(got, wanted, rtol=tolerance, atol=tolerance))


def kind(value: Any) -> str:
    """The name of a value's type, also of one in another process."""
    name = value.remote_type if isinstance(value, Remote) else type(value).__name__
    return {"ndarray": "array"}.get(name, name)


def numeric(value: Any) -> np.ndarray | None:
    """As an array of floats; None if it is not made of numbers."""
    if isinstance(value, str | bytes | Mapping):
        return None
    try:
        array = np.asarray(value.detach() if hasattr(value, "detach") else value)
        return array.astype(float) if array.dtype.kind in "biuf" else None
    except (TypeError, ValueError, OverflowError):  # ragged lists, objects, whole numbers beyond a float
        return None


def shape_of(value: Any) -> str:
    """Its type and shape, or its length, in words."""
    if isinstance(value, Remote):
        return article(kind(value))
    if hasattr(value, "shape"):
        return f"{article(kind(value))} of the shape {tuple(value.shape)}"
    if isinstance(value, list | tuple):
        return f"{article(kind(value))} of length {len(value)}"
    return f"{article(kind(value))}, {short(value)}" if isinstance(value, str | int | float) else article(kind(value))


def article(noun: str) -> str:
    """The noun behind "a" or "an"."""
    return f"an {noun}" if noun[:1].lower() in "aeiou" else f"a {noun}"


def short(value: Any) -> str:
    """A value in a few words, for a sentence."""
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, int):
        return str(value) if abs(value) < 10**20 else "a very large number"
    if isinstance(value, str):
        return repr(value if len(value) < 30 else value[:27] + "…")
    if getattr(value, "ndim", 0):
        of = f" of {value.dtype}" if hasattr(value, "dtype") else ""
        return f"{article(kind(value))} of the shape {tuple(value.shape)}{of}"
    if isinstance(value, list | tuple | dict | set):
        return f"{article(kind(value))} of length {len(value)}"
    return article(kind(value))


def capital(text: str) -> str:
    """The text with its first letter as a capital."""
    return text[:1].upper() + text[1:]
