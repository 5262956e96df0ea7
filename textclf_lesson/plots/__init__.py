"""Pictures of the lessons, each with its text for those who cannot see it."""

import lazy_loader

from textclf_lesson.base import extras

extras.needs("course", "matplotlib")

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules=["attention", "calibration", "charts", "diagrams", "explorer"],
    submod_attrs={
        "calibration": ["reliability_diagram"],
        "charts": [
            "DASHES",
            "MARKERS",
            "PALETTE",
            "confusion_matrix",
            "learning_curve",
            "loss_curves",
            "quality_against",
            "show",
            "strongest_words",
            "use_style",
        ],
        "explorer": ["threshold_explorer", "threshold_slider"],
    },
)
