"""The notebook around a learner's code: whether somebody sits before it, and in which line an error happened."""

import linecache
import sys
from types import FrameType, TracebackType

CELL = "__main__"  # the module that the cells of a notebook, and the lines of a script, are run in
LONGEST = 80  # characters of a source line that are shown


def attended() -> bool:
    """Whether somebody sits before the notebook that runs this; False outside notebooks.

    Jupyter's own protocol tells: a front end with a person before it says in each request that it can ask for input.
    """
    loaded = sys.modules.get("IPython")  # within a notebook it is; the package works without it
    shell = loaded.get_ipython() if loaded else None
    request = shell.get_parent() if hasattr(shell, "get_parent") else {}
    return bool(request.get("content", {}).get("allow_stdin"))


def line_of(trace: TracebackType | None, module: str = CELL) -> str:
    """The innermost line of a traceback that belongs to this module, as "line 4: `return a / b`".

    Lines are counted from 1 within their cell. Returns "" where no line of the traceback is the module's.
    """
    found = ""
    while trace is not None:
        if trace.tb_frame.f_globals.get("__name__") == module:
            found = _line(trace.tb_frame, trace.tb_lineno)
        trace = trace.tb_next
    return found


def _line(frame: FrameType, number: int) -> str:
    source = linecache.getline(frame.f_code.co_filename, number, frame.f_globals).strip()
    if not source:
        return f"line {number}"
    return f"line {number}: `{source if len(source) <= LONGEST else source[: LONGEST - 1] + '…'}`"
