"""Errors of a notebook's cells as the learner's own lines and one sentence, without the source of libraries."""

import sys
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any

from textclf_lesson.base.cells import CELL, attended, line_of
from textclf_lesson.base.errors import Interrupted
from textclf_lesson.base.hints import did_you_mean

# What a kind of error is shown as: a function of the error and its traceback that shows it and returns True, or leaves
# it to IPython and returns False.
Shower = Callable[[Any, BaseException, TracebackType], bool]
_showers: dict[type[BaseException], Shower] = {}


def install(kind: type[BaseException] | None = None, show: Shower | None = None) -> None:
    """Show errors of this kind by `show`, interruptions by the line that was running, and other errors by the lines of
    cells alone. Outside IPython: nothing."""
    from IPython import get_ipython

    if (shell := get_ipython()) is None:
        return
    _showers.setdefault(KeyboardInterrupt, _show_interruption)
    _showers.setdefault(Exception, _show_own_lines)
    if kind is not None and show is not None:
        _showers[kind] = show
    shell.set_custom_exc(tuple(_showers), _handle)  # IPython knows one handler at a time, so all go through this one


def _handle(
    shell: Any, kind: type[BaseException], error: BaseException, trace: TracebackType, tb_offset: int | None = None
) -> None:
    for known in kind.__mro__:
        if known in _showers and _showers[known](shell, error, trace):
            return
    shell.showtraceback((kind, error, trace), tb_offset=tb_offset)


def _show_interruption(shell: Any, error: BaseException, trace: TracebackType) -> bool:
    """In one line. It stays an error: whoever presses stop means the cells below too."""
    if not isinstance(error, Interrupted):
        line = line_of(trace)
        error = Interrupted(f"Interrupted in {line}" if line else "Interrupted.")
    shell.showtraceback((Interrupted, error, None))
    return True


def _show_own_lines(shell: Any, error: BaseException, trace: TracebackType) -> bool:
    """The traceback down to the last line that is a cell's, and what a misspelt name may have meant. %tb shows all."""
    steps = list(_steps(trace))
    own = [number for number, step in enumerate(steps) if step.tb_frame.f_globals.get("__name__") == CELL]
    if not attended() or not own or hasattr(error, "_render_traceback_"):
        return False
    shown = None
    for step in reversed(steps[: own[-1] + 1]):
        shown = TracebackType(shown, step.tb_frame, step.tb_lasti, step.tb_lineno)
    chain = error.__cause__, error.__context__, error.__suppress_context__
    notes = list(getattr(error, "__notes__", []))
    error.__cause__ = error.__context__ = None
    error.__notes__ = [*notes, *_advice(error, is_cut=len(steps) > own[-1] + 1)]
    shell.showtraceback((type(error), error, shown))
    error.__cause__, error.__context__, error.__suppress_context__ = chain
    error.__notes__, sys.last_traceback = notes, trace
    return True


def _advice(error: BaseException, is_cut: bool) -> Iterator[str]:
    if isinstance(error, AttributeError) and error.name:
        known = [name for name in dir(error.obj) if not name.startswith("_")]
        if meant := did_you_mean(error.name, known).strip():
            yield meant
    if is_cut:
        yield "The lines of libraries are left out; the command %tb in a cell of its own shows them."


def _steps(trace: TracebackType | None) -> Iterator[TracebackType]:
    while trace is not None:
        yield trace
        trace = trace.tb_next
