"""The classifier as the service asks it: several small passes at once, predictions counted and logged."""

import logging
import os
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from tokenizers import Encoding

from textclf_lesson.base.errors import ModelError
from textclf_lesson.base.runtime import cores
from textclf_lesson.deploy.onnx_classifier import MULTI, OnnxClassifier
from textclf_lesson.deploy.serve.counters import Counters, Log, none_of
from textclf_lesson.evaluate.thresholds import DEFAULT

PASS = 4  # texts in a forward pass: on a CPU, more of them are no quicker, only padded to a longer one
DIGITS = 6  # of a score

logger = logging.getLogger("uvicorn.error")


class Model:
    """The classifier, its predictions counted and, if wanted, logged. `answer` blocks: it is called in a thread."""

    def __init__(
        self,
        folder: str | os.PathLike,
        threads: int | None = None,
        log: str | os.PathLike | None = None,
        long: str = "truncate",
        name: str | None = None,
    ):
        # Several small passes at once, a thread each, rather than one at a time on all threads: these would wait for
        # each other after every operator.
        self.classifier = OnnxClassifier(folder, threads=1)
        self.threads = ThreadPoolExecutor(threads or cores(), "inference")
        self.labels = _distinct([str(label) for label in self.classifier.classes_], folder)
        self.is_multi = self.classifier.problem_type == MULTI
        self.thresholds = self.classifier.thresholds or dict.fromkeys(self.labels, DEFAULT)
        self.long, self.none = long, none_of(self.labels)
        # The name of a folder need not be UTF-8, and that of the folder "." is elsewhere.
        name = name or os.path.basename(os.path.abspath(folder)) or "model"
        self.source = {"model": name.encode("utf-8", "replace").decode(), "version": self.classifier.version}
        counted = [*self.labels, self.none] if self.is_multi else self.labels
        self.counters = Counters(counted, *self.source.values())
        self.log = Log(log, self.classifier.version) if log else None

    def answer(self, texts: list[str]) -> list[dict[str, Any]]:
        """A result for each text."""
        results = self.results(texts)
        predictions = [prediction for result in results for prediction in self._predictions(result)]
        self.counters.predicted(predictions)
        self.counters.read(len(results), sum(result["truncated"] for result in results))
        if self.log:
            try:
                self.log.write(predictions)
            except OSError as error:  # a full disk is no reason to stop answering
                logger.error("The log of predictions: %s", error)
        return results

    def results(self, texts: list[str]) -> list[dict[str, Any]]:
        """The same, neither counted nor logged."""
        windows, truncated = self.classifier.windows(texts, self.long)
        table = self._probabilities(windows).round(DIGITS).tolist()
        every = [dict(zip(self.labels, row, strict=True)) for row in table]
        if self.is_multi:
            results = [{"labels": [n for n in s if s[n] >= self.thresholds[n]], "scores": s} for s in every]
        else:
            results = [{"label": (best := max(s, key=s.get)), "confidence": s[best], "scores": s} for s in every]
        return [result | {"truncated": flag} for result, flag in zip(results, truncated, strict=True)]

    def _probabilities(self, windows: list[list[Encoding]]) -> np.ndarray:
        """Shape (texts, labels). A pass pads to the longest window in it, so it is given windows of like length."""
        flat = [window for own in windows for window in own]
        order = sorted(range(len(flat)), key=lambda row: len(flat[row]))
        passes = [order[at : at + PASS] for at in range(0, len(order), PASS)]
        compute = lambda rows: self.classifier.forward(self.classifier.pad([flat[row] for row in rows]))  # noqa: E731
        logits = np.empty((len(flat), len(self.labels)), dtype=np.float32)
        logits[order] = np.concatenate([*self.threads.map(compute, passes)])
        merged = self.classifier.merge(logits, [len(own) for own in windows])
        return self.classifier.probabilities(merged).astype(np.float64)

    def _predictions(self, result: dict[str, Any]) -> list[tuple[str, float]]:
        """Labels and confidences to count. That a text has none of several labels is a prediction, too."""
        if not self.is_multi:
            return [(result["label"], result["confidence"])]
        scores = result["scores"]
        predictions = [(label, scores[label]) for label in result["labels"]]
        return predictions or [(self.none, round(1 - max(scores.values()), DIGITS))]


def _distinct(labels: list[str], folder: str | os.PathLike) -> list[str]:
    """The labels. Raises ModelError if an answer, which names each of them, cannot hold them all."""
    twice = [label for label, count in Counter(labels).items() if count > 1]
    if twice:
        raise ModelError(
            f"{folder} names the label {twice[0]!r} more than once in config.json (1 and '1' are one name, too): an "
            "answer has one score for each name. Give the columns different names and train it again."
        )
    return labels
