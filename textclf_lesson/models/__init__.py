"""Classifiers: word counts, fastText, frozen embeddings, fine-tuned transformers, ensembles, shared checkpoints."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules=[
        "adapter_files",
        "adapters",
        "baselines",
        "cards",
        "checkpoints",
        "embeddings",
        "encoders",
        "ensemble",
        "fasttext",
        "fasttext_engine",
        "modelcard",
        "naive_bayes",
        "own_labels",
        "tokens",
        "trainer",
        "transformer",
    ],
    submod_attrs={
        "adapters": ["LoRA"],
        "cards": ["card"],
        "checkpoints": ["checkpoint"],
        "encoders": ["encoder", "loading", "locate", "quiet"],
        "ensemble": ["Ensemble"],
        "fasttext": ["FastTextClassifier"],
        "own_labels": ["classifier_for"],
        "transformer": ["TransformerClassifier"],
    },
)
