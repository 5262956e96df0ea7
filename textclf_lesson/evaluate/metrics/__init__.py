"""Scores and how far to trust them: reports, bootstrap intervals, paired comparisons, agreement, latency."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "agreement": ["fleiss_kappa"],
        "multilabel": ["MultilabelReport", "multilabel_difference", "multilabel_report"],
        "single": [
            "METRICS",
            "Difference",
            "Metric",
            "Report",
            "accuracy",
            "difference",
            "f1",
            "interval",
            "macro_f1",
            "report",
            "weighted_f1",
        ],
        "speed": ["Latency", "latency"],
    },
)
