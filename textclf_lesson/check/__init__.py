"""Feedback for learners: `check.<item>(answer)` shows what is right, or says in one sentence what to look at next.

A check tests what an answer does, never how it is written, and does not show the solution. An exercise's items stand in
the module of its number, its quiz in `quizzes/NN.toml`: `from textclf_lesson.check import ex05 as check`. "Writing an
exercise" in CONTRIBUTING.md says how to add one.
"""

import lazy_loader

from textclf_lesson.base import extras

extras.needs("course", "IPython")

EXERCISES = [f"ex{number:02d}" for number in range(1, 16)]

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules=[*EXERCISES, "core", "needs", "notebook", "progress", "quiz", "rubric", "sources"],
    submod_attrs={"core": ["CheckFailed", "NotYet", "items"]},
)
