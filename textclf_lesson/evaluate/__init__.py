"""Evaluation: metrics with intervals, thresholds, calibration, robustness, explanations, stored evidence, choosing."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules=["calibration", "choosing", "evidence", "explain", "metrics", "robustness", "subwords", "thresholds"],
    submod_attrs={
        "calibration": ["Temperature"],
        "choosing": ["choose"],
        "thresholds": ["Thresholds"],
    },
)
