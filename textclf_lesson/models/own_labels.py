"""A lesson's transformer for whatever labels the data have: the shared one where it fits, else one trained here."""

import atexit
import tempfile

import numpy as np

from textclf_lesson import data
from textclf_lesson.base.extras import needed
from textclf_lesson.models import checkpoints
from textclf_lesson.models.transformer import TransformerClassifier

with needed("train"):
    import datasets


def classifier_for(splits: datasets.DatasetDict, name: str, rows: int = 4000) -> TransformerClassifier:
    """The shared classifier `name` if it knows the labels of `splits`, else one trained on their training rows.

    splits: as `data.load` and `data.read` return them, with one class a text or a column for each label. name: as for
    `checkpoints.load`. rows: train on this many at most, drawn at random. A line says that it trains; on two cores
    4,000 short texts take some minutes. Its `folder_` is a temporary one, gone when Python ends. The validation and
    test splits are not looked at.

    Raises as `checkpoints.load` and `TransformerClassifier.fit` do.
    """
    if list(checkpoints.load(name).classes_) == data.label_names(splits):
        return checkpoints.load(name)
    train = splits["train"]
    if len(train) > rows:
        train = train.select(np.random.default_rng(0).permutation(len(train))[:rows])
    kind = "single_label" if "label" in train.features else "multi_label"
    print(f"The shared classifier {name} has other labels: training one on {len(train):,} of your rows.")
    model = TransformerClassifier(
        problem_type=f"{kind}_classification",
        epochs=3,
        learning_rate=2e-4,
        batch_size=32,
        max_length=64,
        freeze_embeddings=True,
    )
    model.fit(*data.columns(train))
    folder = tempfile.TemporaryDirectory(prefix="textclf-own-")
    model.save(folder.name)
    atexit.register(folder.cleanup)
    return model
