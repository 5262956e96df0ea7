"""Stored results; `stored` reads them."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__, submod_attrs={"stored": ["Baseline", "baseline", "best", "names", "right", "runs", "study"]}
)
