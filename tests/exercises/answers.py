"""Answers that learners give, each with what must be said of it. They stand in answers_NN.py, one file a lesson."""

import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Case:
    """An answer to an item. `hint` is a part of the sentence it must get; None: it is right."""

    item: str
    answer: Callable
    hint: str | None
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return f"{self.item}: {self.answer.__name__}"

    @property
    def lesson(self) -> str:
        """As "01", from the file that it stands in."""
        return self.answer.__module__.rpartition("_")[2]

    @property
    def source(self) -> str:
        """The answer as a learner would have written it in the item's cell."""
        source = inspect.getsource(self.answer)
        return re.sub(r"def \w+\(", f"def {self.item}(", source[source.index("def ") :], count=1)


CASES: list[Case] = []


def wrong(item: str, hint: str, **options: Any) -> Callable:
    """Register a function as a wrong answer to an item, and a part of the hint meant for it."""

    def register(answer: Callable) -> Callable:
        CASES.append(Case(item, answer, hint, options))
        return answer

    return register


def right(item: str, **options: Any) -> Callable:
    """Register a function as a right answer that is written unlike the solution."""

    def register(answer: Callable) -> Callable:
        CASES.append(Case(item, answer, None, options))
        return answer

    return register
