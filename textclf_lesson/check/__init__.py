"""Feedback for learners: `check.<item>(answer)` prints what is right, or says in one sentence what to look at next.

A check tests what an answer does, never how it is written, and does not show the solution. The items of a lesson stand
in one module, its quiz in `quizzes/NN.toml`. "Writing an exercise" in CONTRIBUTING.md says how to add one.
"""

import difflib
from importlib import import_module
from typing import Any

from textclf_lesson.check.core import CheckFailed, NotYet
from textclf_lesson.check.quiz import questions, quiz

__all__ = ["ITEMS", "CheckFailed", "NotYet", "questions", "quiz"]

# module of a lesson's items: its items. A module is imported when one of them is asked for.
ITEMS = {
    "framing": ["kind_of_problem", "price", "split_then_copy", "promise", "kappa"],
    "baselines": ["tfidf_weight", "unseen_probabilities", "paired_interval", "surest_mistakes", "choose"],
}


def __getattr__(name: str) -> Any:
    for module, items in ITEMS.items():
        if name in items:
            return getattr(import_module(f"{__name__}.{module}"), name)
    near = difflib.get_close_matches(name, __dir__(), n=1)
    guess = f" Did you mean check.{near[0]}?" if near else ""
    raise AttributeError(f"There is no check.{name}.{guess}")


def __dir__() -> list[str]:
    return [*__all__, *(name for items in ITEMS.values() for name in items)]
