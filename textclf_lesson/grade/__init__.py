"""Grading: `textclf grade SUBMISSION.ipynb|FOLDER`. What is defended and what is not stands in docs/grading.md.

A submission's code runs in a process of its own (`worker`, fenced in by `sandbox`, watched by `sitting`). The tests
run here, in the grader, on stand-ins for the learner's functions (`marking`): a submission returns answers and never
learns the expected ones.
"""

import lazy_loader

from textclf_lesson.base import extras

extras.needs("grade", "IPython")

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules=[
        "artefacts",
        "assignment",
        "classroom",
        "command",
        "feedback",
        "marking",
        "register",
        "sandbox",
        "sitting",
        "summary",
    ],
)
