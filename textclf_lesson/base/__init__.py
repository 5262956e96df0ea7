"""What the rest stands on: input checks, errors, the cut network, the machine, threads and seeds."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules=[
        "cells",
        "child",
        "errors",
        "extras",
        "facts",
        "hints",
        "inputs",
        "label_tables",
        "machine",
        "offline",
        "runtime",
    ],
    submod_attrs={
        "errors": ["CourseError"],
    },
)
