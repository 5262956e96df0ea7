"""A page for the front of a room: type a sentence, and all levels of approach answer side by side.

`levels` are the classifiers, `highlight` says which words decided, `attacks` rewrites a sentence, `app` is the page and
what it asks, `command` runs it all: `textclf demo`. Nothing leaves this machine, and nothing that is typed is kept.
"""

import lazy_loader

from textclf_lesson.base import extras

extras.needs("serve", "uvicorn")
extras.needs("train", "torch")

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__, submodules=["app", "attacks", "command", "highlight", "levels"]
)
