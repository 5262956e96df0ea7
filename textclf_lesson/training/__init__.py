"""What changes the training: losses, class imbalance, augmentation, and the recipes of the shared classifiers."""

import lazy_loader

from textclf_lesson.base import extras

extras.needs("train", "torch")

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules=["augment", "imbalance", "losses", "mixup", "paraphrase", "recipes", "wordnet"],
    submod_attrs={
        "augment": ["EDA"],
        "losses": ["FocalLoss"],
        "paraphrase": ["Paraphraser"],
    },
)
