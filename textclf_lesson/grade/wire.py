"""The messages between the grader and a submission's process.

Grader → submission: pickles, since nothing in them is secret. Submission → grader: JSON and raw
arrays only. Nothing that comes back is ever executed, so a submission cannot smuggle code into the grader.
"""

import base64
import io
import json
import struct
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from textclf_lesson.base.errors import WireError

LARGEST = 200_000_000  # bytes of one message; what a submission returns is small
MISSING = "Missing"  # the kind of error for a name that the submission does not define
PLAIN = "biufU"  # kinds of arrays that are only numbers or text
_HEAD = struct.Struct("!Q")


def frame(body: bytes) -> bytes:
    return _HEAD.pack(len(body)) + body


def read(receive: Callable[[int], bytes], largest: int = LARGEST) -> bytes:
    """The next message's body; `receive(n)` gives up to n bytes, none at the end. Raises EOFError, WireError."""
    (size,) = _HEAD.unpack(_exactly(receive, _HEAD.size))
    if size > largest:
        raise WireError(f"a message of {size / 1e6:,.0f} MB, larger than {largest / 1e6:,.0f} MB")
    return _exactly(receive, size)


def _exactly(receive: Callable[[int], bytes], size: int) -> bytes:
    parts, left = [], size
    while left:
        part = receive(min(left, 1 << 20))
        if not part:
            raise EOFError
        parts.append(part)
        left -= len(part)
    return b"".join(parts)


# --- values, submission → grader --------------------------------------------------------------------------------------


def dump(message: Any, keep: Callable[[Any], int]) -> bytes:
    """A message as JSON. A value that is not plain stays where it is: `keep(value)` returns its number there."""
    return json.dumps(_pack(message, keep)).encode()


def load(body: bytes, known: Callable[[int, str], Any]) -> Any:
    """A message from its JSON; `known(number, type)` returns the stand-in of a kept value. Raises WireError."""
    try:
        return _unpack(json.loads(body), known)
    except WireError:
        raise
    except Exception as problem:  # whatever a malicious sender thought of
        raise WireError(f"a message that cannot be read ({type(problem).__name__})") from None


def _pack(value: Any, keep: Callable[[Any], int]) -> Any:
    if value is None or type(value) in (bool, int, float, str):
        return value
    if hasattr(value, "detach") and hasattr(value, "numpy"):  # a tensor of torch
        value = value.detach().cpu().float().numpy() if value.dtype.is_floating_point else value.cpu().numpy()
    if isinstance(value, np.generic):
        return _pack(value.item(), keep)
    if isinstance(value, np.ndarray) and value.dtype.kind in PLAIN:
        file = io.BytesIO()
        np.save(file, value, allow_pickle=False)
        return {"array": base64.b64encode(file.getvalue()).decode()}
    if isinstance(value, np.ndarray):
        return {"objects": [_pack(entry, keep) for entry in value.ravel().tolist()], "shape": list(value.shape)}
    if isinstance(value, pd.DataFrame):
        columns = [_pack(value[name].to_numpy(), keep) for name in value.columns]
        return {"table": columns, "names": _pack(list(value.columns), keep), "index": _pack(list(value.index), keep)}
    if isinstance(value, pd.Series):
        return {"series": _pack(value.to_numpy(), keep), "index": _pack(list(value.index), keep)}
    if isinstance(value, list | tuple | set | frozenset):
        name = next(n for n in _SEQUENCES if isinstance(value, _SEQUENCES[n]))
        return {name: [_pack(entry, keep) for entry in value]}
    if isinstance(value, dict):
        return {"dict": [[_pack(key, keep), _pack(entry, keep)] for key, entry in value.items()]}
    return {"kept": keep(value), "type": type(value).__name__[:80]}


_SEQUENCES = {"list": list, "tuple": tuple, "set": (set, frozenset)}


def _unpack(value: Any, known: Callable[[int, str], Any]) -> Any:
    if not isinstance(value, dict):
        if isinstance(value, list):
            raise WireError("a list without its kind")
        return value
    if "array" in value:
        return np.load(io.BytesIO(base64.b64decode(value["array"])), allow_pickle=False)
    if "objects" in value:
        return _objects([_unpack(entry, known) for entry in value["objects"]], value["shape"])
    if "table" in value:
        columns, names = [_unpack(column, known) for column in value["table"]], _unpack(value["names"], known)
        table = pd.concat([pd.Series(column) for column in columns], axis=1) if columns else pd.DataFrame()
        return table.set_axis(names, axis=1).set_axis(_unpack(value["index"], known), axis=0)
    if "series" in value:
        return pd.Series(_unpack(value["series"], known), index=_unpack(value["index"], known))
    if "dict" in value:
        return {_unpack(key, known): _unpack(entry, known) for key, entry in value["dict"]}
    if "kept" in value:
        return known(int(value["kept"]), str(value["type"]))
    (name, entries), *more = value.items()
    if more or name not in _SEQUENCES:
        raise WireError("a value of an unknown kind")
    make = {"list": list, "tuple": tuple, "set": set}[name]
    return make(_unpack(entry, known) for entry in entries)


def _objects(entries: list, shape: list[int]) -> np.ndarray:
    array = np.empty(len(entries), dtype=object)
    array[:] = entries
    return array.reshape(shape)
