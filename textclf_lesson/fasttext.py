"""The old address of `models.fasttext`, which models saved before version 1 name."""

from textclf_lesson.models.fasttext import FastTextClassifier  # noqa: F401
