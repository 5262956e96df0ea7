"""What every check leans on: how an answer is called, and how the learner gets the result.

A check is a generator named like the learner's function. It yields a few words for each thing that is right, and raises
`CheckFailed` with one sentence at the first that is not. It may call the answer and look at what comes back, nothing
else: when a submission is graded, the answer lives in another process, and only calls and plain values get across.
"""

import copy
import functools
import importlib
import inspect
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import numpy as np

from textclf_lesson.base.cells import CELL, line_of
from textclf_lesson.base.errors import AnswerError, AssetError, Blank, CheckFailed, CheckFault, Interrupted, NotYet
from textclf_lesson.base.hints import did_you_mean
from textclf_lesson.check import notebook, progress
from textclf_lesson.check.values import Remote, article, capital, kind, numeric, shape_of, short

# Where a check's ticks go, as one line. None: below the cell. The grader, which runs several checks at once, listens.
say: ContextVar[Callable[[str], None] | None] = ContextVar("say", default=None)

BLANK = "Nothing returned yet in `{name}`. Replace the line `raise NotYet()` by your answer."

notebook.keep_running()


@dataclass(frozen=True)
class Part:
    """One part of an item that is earned in parts: what was found, in a few words, and the points that it earns."""

    text: str
    points: float


def item(generator: Callable[..., Iterator[str | Part]]) -> Callable[..., float | None]:
    """Turn a generator of ticks into the check that learners call: `check.<name>(<their function>)`.

    Where a learner sits before the notebook, the check shows what is right and what is not, and returns. Elsewhere it
    raises what a grader counts: CheckFailed with one sentence (Blank for a blank), CheckFault if it breaks itself. The
    generator of an item that is earned in parts yields each Part; the check returns their points together, where
    nbgrader and the grader find them.
    """
    name = generator.__name__

    @functools.wraps(generator)
    def check(answer: Any, **options: Any) -> float | None:
        ticks: list[str | Part] = []
        failed = None
        try:
            for tick in generator(Answer(name, answer), **options):
                ticks.append(tick)
        except CheckFailed as error:
            failed = error.with_traceback(None)
        except AssetError as lacking:
            failed = CheckFault(f"This check could not test `{name}`: {lacking}")
            failed.__cause__ = lacking
        except Interrupted:
            raise
        except KeyboardInterrupt:
            if say.get() is not None:
                raise
            raise Interrupted(f"Interrupted while `check.{name}` was at work, outside your function.") from None
        except Exception as bug:
            failed = CheckFault(
                f"This check could not test `{name}`: {type(bug).__name__}: {bug}. "
                "That is a fault of the course; please tell whoever teaches it what you returned."
            )
            failed.__cause__ = bug
        parts = [tick.points for tick in ticks if isinstance(tick, Part)]
        points = sum(parts) if parts and failed is None else None
        right = [_text(tick) for tick in ticks if not isinstance(tick, Part) or tick.points]
        wrong = [_text(tick) for tick in ticks if isinstance(tick, Part) and not tick.points]
        if say.get() is not None:
            if failed is None:
                say.get()(" · ".join(f"{'✗' if _text(tick) in wrong else '✓'} {_text(tick)}" for tick in ticks))
        else:
            lesson = options.get("lesson") or generator.__module__[-2:]
            result = progress.note(lesson, name, right, wrong, points, failed)
            if failed is None or notebook.attended():
                notebook.show(result)
                failed = None
        if failed is not None:
            raise failed from failed.__cause__
        return points

    check.is_item = True
    return check


def _text(tick: str | Part) -> str:
    return tick.text if isinstance(tick, Part) else tick


def items(exercise: str) -> dict[str, Callable]:
    """The checks of an exercise ("05") by the names of its items, in their order; its quiz is not among them."""
    module = importlib.import_module(f"textclf_lesson.check.ex{exercise}")
    return {
        name: one
        for name, one in vars(module).items()
        if getattr(one, "is_item", False) and one.__module__ == module.__name__
    }


def guess(module: str) -> Callable[[str], Any]:
    """A `__getattr__` for the module of an exercise: its `progress`, and what a misspelt check may have meant."""

    def missing(name: str) -> Any:
        if name == "progress":
            return functools.partial(progress.show, module[-2:])
        raise AttributeError(f"There is no check.{name}.{did_you_mean(name, vars(sys.modules[module]))}")

    return missing


class Answer:
    """The learner's function. Calling it gives what it returns, or a CheckFailed that says what is in the way."""

    def __init__(self, name: str, function: Any):
        self.name, self._function = name, function

    def __call__(self, *arguments: Any) -> Any:
        """What the learner's function returns for copies of these arguments; never None."""
        if self._function is None or self._function is ...:
            raise Blank(BLANK.format(name=self.name))
        if not callable(self._function):
            raise CheckFailed(f"`{self.name}` should be a function; here it is {article(kind(self._function))}.")
        try:
            value = self._function(*copy.deepcopy(arguments))
        except NotYet:  # and no other NotImplementedError, which can come from any library
            raise Blank(BLANK.format(name=self.name)) from None
        except CheckFailed:  # of a stand-in of ours: the grader's for a file that was handed in
            raise
        except KeyboardInterrupt as stop:
            if isinstance(self._function, Remote):
                raise  # whoever grades has pressed Ctrl+C
            where = line_of(stop.__traceback__, self._module)
            raise Interrupted(f"Interrupted in `{self.name}`{where and ', '}{where}. Does a loop never end?") from None
        except Exception as error:
            if isinstance(self._function, Remote) and not isinstance(error, AnswerError):
                raise  # the grader's own, on the way to the answer's process or back
            if isinstance(error, NameError) and getattr(error, "name", None) == "NotYet":  # its import did not run
                raise Blank(BLANK.format(name=self.name)) from None
            raise CheckFailed(self._what_happened(error, arguments)) from None
        if value is None:
            raise CheckFailed(f"`{self.name}` returned None. Does its last line begin with `return`?")
        return value

    @property
    def _module(self) -> str:
        """Where the learner's function was written."""
        return CELL if isinstance(self._function, Remote) else getattr(self._function, "__module__", None) or CELL

    def _what_happened(self, error: Exception, arguments: tuple) -> str:
        """An exception of the learner's function in a sentence: what, in which line, called how."""
        name = error.kind if isinstance(error, AnswerError) else type(error).__name__
        text, where = " ".join(str(error).split()), line_of(error.__traceback__, self._module)
        sentence = f"`{self.name}` raised {name}: {text[:200]}{where and ', in '}{where} ({self._called(arguments)})."
        unknown = getattr(error, "name", None)
        if isinstance(error, NameError) and unknown and not isinstance(error, UnboundLocalError):
            known = getattr(inspect.unwrap(self._function), "__globals__", {})
            sentence += f" {notebook.missing(unknown, known)}"
        return sentence

    def _called(self, arguments: tuple) -> str:
        """As "called with p = an array of the shape (6, 3), gamma = 2"."""
        try:
            names = [*inspect.signature(self._function).bind(*arguments).arguments]
        except (TypeError, ValueError):  # not callable so, or of another process
            names = []
        named = [f"{name} = " for name in names] if len(names) == len(arguments) else [""] * len(arguments)
        given = ", ".join(f"{name}{short(value)}" for name, value in zip(named, arguments, strict=True))
        return f"called with {given or 'nothing'}"

    def number(self, *arguments: Any) -> float:
        """As a call, for answers that are one number; not NaN."""
        return self.as_number(self(*arguments))

    def as_number(self, value: Any, what: str = "") -> float:
        """A value as a float; `what` names it if it is only a part of the answer."""
        what = what or f"what `{self.name}` returns"
        array = numeric(value)
        if array is None or array.size != 1:
            raise CheckFailed(f"{capital(what)} should be one number; it is {shape_of(value)}.")
        if np.isnan(array).any():
            raise CheckFailed(f"{capital(what)} is NaN, not a number. Is something divided by zero?")
        return float(array.ravel()[0])

    def array(self, *arguments: Any, shape: tuple[int, ...]) -> np.ndarray:
        """As a call, for answers that are an array of this shape, as floats; a list or a Series will do."""
        value = self(*arguments)
        array = numeric(value)
        if array is None or array.shape != shape:
            wanted = f"{shape[0]} numbers" if len(shape) == 1 else f"numbers of the shape {shape}"
            raise CheckFailed(
                f"`{self.name}` should return {wanted}, in the order given; it returns {shape_of(value)}."
            )
        return array

    def as_pair(self, value: Any, what: str = "") -> tuple[float, float]:
        """A value as two numbers, the lower first."""
        what = what or f"what `{self.name}` returns"
        array = numeric(value)
        if array is None or array.shape != (2,) or np.isnan(array).any():
            raise CheckFailed(f"{capital(what)} should be two numbers, (low, high); it is {shape_of(value)}.")
        if array[0] > array[1]:
            raise CheckFailed(
                f"{capital(what)} should give the lower end first; it is ({array[0]:.3f}, {array[1]:.3f})."
            )
        return float(array[0]), float(array[1])

    def record(self, keys: Sequence[str], *arguments: Any) -> dict[str, Any]:
        """As a call, for answers that are a dictionary with these keys; more are allowed."""
        value = self(*arguments)
        if not isinstance(value, Mapping):
            raise CheckFailed(f"`{self.name}` should return a dictionary; it returns {shape_of(value)}.")
        entries = {key: value.get(key) for key in keys}  # of any kind: a Series cannot be compared with ""
        missing = [key for key, e in entries.items() if e is None or e is ... or (isinstance(e, str) and not e)]
        if missing:
            raise CheckFailed(f"The dictionary of `{self.name}` lacks {' and '.join(map(repr, missing))}.")
        return dict(value)

    def choice(self, record: Mapping[str, Any], key: str, allowed: Iterable[str]) -> str:
        """The entry of a record that must be one of a few names."""
        if not isinstance(record[key], str) or record[key] not in allowed:
            raise CheckFailed(f"`{key}` should be one of {', '.join(allowed)}; you say {short(record[key])}.")
        return record[key]
