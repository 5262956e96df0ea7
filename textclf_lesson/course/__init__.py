"""What a lesson begins with and what runs lessons: setup, claims, the runner, waits, the doctor."""

import lazy_loader

from textclf_lesson.base import extras

extras.needs("course", "nbformat")

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules=["cell_errors", "doctor", "lesson", "render", "runner", "waits", "watch"],
    submod_attrs={
        "lesson": ["ClaimError", "claim", "limit_threads", "progress", "seed_everything", "setup", "show_source"],
    },
)
