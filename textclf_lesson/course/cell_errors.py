"""Errors of a notebook's cells that take one sentence, where IPython would unfold the source of libraries."""

from collections.abc import Callable
from types import TracebackType
from typing import Any

from textclf_lesson.base.cells import line_of
from textclf_lesson.base.errors import Interrupted

# What a kind of error is shown as: a function of the error and its traceback that shows it and returns True, or leaves
# it to IPython and returns False.
Shower = Callable[[Any, BaseException, TracebackType], bool]
_showers: dict[type[BaseException], Shower] = {}


def install(kind: type[BaseException] | None = None, show: Shower | None = None) -> None:
    """Show errors of this kind by `show`, and interruptions by the line that was running. Outside IPython: nothing."""
    from IPython import get_ipython

    if (shell := get_ipython()) is None:
        return
    _showers.setdefault(KeyboardInterrupt, _show_interruption)
    if kind is not None and show is not None:
        _showers[kind] = show
    shell.set_custom_exc(tuple(_showers), _handle)  # IPython knows one handler at a time, so all go through this one


def _handle(
    shell: Any, kind: type[BaseException], error: BaseException, trace: TracebackType, tb_offset: int | None = None
) -> None:
    show = next(_showers[known] for known in kind.__mro__ if known in _showers)
    if not show(shell, error, trace):
        shell.showtraceback((kind, error, trace), tb_offset=tb_offset)


def _show_interruption(shell: Any, error: BaseException, trace: TracebackType) -> bool:
    """In one line. It stays an error: whoever presses stop means the cells below too."""
    if not isinstance(error, Interrupted):
        line = line_of(trace)
        error = Interrupted(f"Interrupted in {line}" if line else "Interrupted.")
    shell.showtraceback((Interrupted, error, None))
    return True
