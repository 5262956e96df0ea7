"""The second level: a text is the mean of the vectors of its words and of their subwords; a linear layer decides.

Joulin, Grave, Bojanowski and Mikolov (2017), Bag of Tricks for Efficient Text Classification; subwords are of
Bojanowski et al. (2017), the compression of Joulin et al. (2016), FastText.zip. Training is fastText's own, in
C++; this module gives it scikit-learn's interface, checks what goes in, and makes models that can be kept.
"""

import copy
import json
import os
import random
import tempfile
import zipfile
from collections.abc import Sequence
from numbers import Integral, Real
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.validation import check_is_fitted

from textclf_lesson.base.inputs import check_label_table, check_labels, check_same_rows, check_texts, is_table, plain
from textclf_lesson.models import fasttext_engine as engine

NONE = f"{engine.PREFIX}none"  # stands for "no label at all" in multi-label training
SETTINGS = ("lr", "epoch", "dim", "word_ngrams", "minn", "maxn", "min_count", "bucket", "loss", "thread", "seed")
SEARCHED = ("lr", "epoch", "word_ngrams", "minn", "maxn")
VALIDATION = 0.1  # share of the rows that autotune compares settings on, if it is given no others


class FastTextClassifier(ClassifierMixin, BaseEstimator):
    """fastText as a scikit-learn classifier of texts.

    lr: learning rate, > 0; it falls to 0 during training · epoch: passes over the rows · dim: length of a vector
    word_ngrams: 2 adds pairs of words, 3 triples · minn, maxn: subwords of minn to maxn characters; 0, 0 for none
    min_count: rarer words get no vector of their own
    bucket: rows of the table that subwords and word n-grams share by hashing; it takes 4 · bucket · dim bytes. The
        default is a tenth of fastText's 2,000,000, which are 800 MB.
    loss: "softmax", "hs" (hierarchical softmax, for hundreds of classes), or "ova" (one sigmoid per label: y is then
        a 0/1 table of shape (texts, labels))
    thread: 1 repeats bit for bit with the same seed; more are faster, but write into each other's work ("Hogwild"), so
        that no two runs agree
    tidy: lower-case, and set punctuation apart from words
    autotune: seconds to search for better values of lr, epoch, word_ngrams, minn and maxn, as far as they are left at
        their defaults; 0 for no search. A random search: what it finds depends on the time and the machine.

    After `fit`: `classes_`, the labels in order; `settings_`, what the model was trained with.

    >>> model = FastTextClassifier(word_ngrams=2, minn=3, maxn=5)
    >>> model.fit(texts, labels).predict(["A warm, funny film."])  # doctest: +SKIP
    array(['positive'], dtype='<U8')
    """

    def __init__(
        self,
        *,
        lr: float = 0.1,
        epoch: int = 5,
        dim: int = 100,
        word_ngrams: int = 1,
        minn: int = 0,
        maxn: int = 0,
        min_count: int = 1,
        bucket: int = 200_000,
        loss: str = "softmax",
        thread: int = 1,
        seed: int = 0,
        tidy: bool = True,
        autotune: int = 0,
    ):
        self.lr = lr
        self.epoch = epoch
        self.dim = dim
        self.word_ngrams = word_ngrams
        self.minn = minn
        self.maxn = maxn
        self.min_count = min_count
        self.bucket = bucket
        self.loss = loss
        self.thread = thread
        self.seed = seed
        self.tidy = tidy
        self.autotune = autotune

    def fit(self, texts: Sequence[str], y: Any, eval_set: tuple[Sequence[str], Any] | None = None) -> Self:
        """Train on texts and their labels: one per text, or with loss="ova" a 0/1 table (texts, labels).

        eval_set: (texts, y) that autotune compares settings on; without it, a tenth of the rows.

        Raises as `check_texts`, `check_labels` and `check_label_table` do; ValueError for a setting out of range, for
        texts and labels of different pandas indexes, or if training diverges.
        """
        self._check_settings()
        check_same_rows(texts=texts, labels=y)
        texts = check_texts(texts)
        self.classes_, targets = self._targets(texts, y)
        self.settings_ = {name: plain(getattr(self, name)) for name in SETTINGS}
        rows = engine.rows(targets, texts, self.tidy)
        # fastText reads them in order: sorted by class, it would forget.
        random.Random(self.settings_["seed"]).shuffle(rows)
        if not self.autotune:
            self.model_ = engine.train(rows, self.settings_)
            return self
        if eval_set is None:
            held = max(1, round(VALIDATION * len(rows)))
            rows, kept = rows[held:], rows[:held]
        else:
            check_same_rows(texts=eval_set[0], labels=eval_set[1])
            held = check_texts(eval_set[0])
            kept = engine.rows(self._targets(held, eval_set[1], self.classes_)[1], held, self.tidy)
        defaults = type(self)().get_params()
        free = {name for name in SEARCHED if self.settings_[name] == defaults[name]}
        fixed = {name: value for name, value in self.settings_.items() if name not in free}
        self.model_, found = engine.autotune(rows, kept, fixed, int(self.autotune))
        self.settings_ |= found
        return self

    def predict_proba(self, texts: Sequence[str]) -> np.ndarray:
        """Probabilities, shape (texts, classes), in the order of `classes_`. With loss="ova" rows do not sum to 1.

        A text without any known word or subword has the vector of the line's end alone, which every training row has:
        its probabilities are about the frequencies of the classes.
        """
        check_is_fitted(self)
        found, scores = self.model_.predict(engine.lines(check_texts(texts), self.tidy), k=-1)
        column = {f"{engine.PREFIX}{index}": index for index in range(len(self.classes_))} | {NONE: len(self.classes_)}
        proba = np.zeros((len(found), len(column)))
        for row, labels, values in zip(proba, found, scores, strict=True):
            row[[column[label] for label in labels]] = values
        proba = np.clip(proba[:, :-1] - 1e-5, 0, 1)  # fastText adds 1e-5 before it takes a logarithm
        return proba if self.loss == "ova" else proba / proba.sum(axis=1, keepdims=True)

    def predict(self, texts: Sequence[str]) -> np.ndarray:
        """The likeliest class of each text; with loss="ova" a 0/1 table: the labels of probability 0.5 and more."""
        proba = self.predict_proba(texts)
        return (proba >= 0.5).astype(int) if self.loss == "ova" else self.classes_[proba.argmax(axis=1)]

    def quantize(self, cutoff: int = 0) -> Self:
        """A compressed copy: groups of two numbers of a vector become one byte, the number of the nearest of 256 pairs.

        cutoff: how many words and buckets are kept, those with the longest vectors; 0 for all. Raises ValueError if
        the model is compressed already or too small (under 256 words and buckets).
        """
        check_is_fitted(self)
        small = copy.deepcopy(self)
        small.model_.quantize(cutoff=cutoff, qnorm=True)
        return small

    def knows(self, word: str) -> bool:
        """Whether the word stood in the training texts, and so has a vector of its own."""
        check_is_fitted(self)
        return self.model_.get_word_id(word.lower() if self.tidy else word) >= 0

    def subwords(self, word: str) -> list[str]:
        """What the word's vector is the mean of: the word, if known, and its subwords. "<" and ">" mark its ends."""
        check_is_fitted(self)
        return self.model_.get_subwords(word.lower() if self.tidy else word)[0]

    def neighbours(self, word: str, k: int = 5) -> pd.DataFrame:
        """The k known words whose vectors point most nearly the same way: word, similarity (cosine, -1 to 1).

        A word that is not known is looked up by its subwords. Raises ValueError if it has none of either.
        """
        if not self.subwords(word):
            raise ValueError(f"{word!r} was not in the training texts and has no subwords: train with minn and maxn.")
        found = self.model_.get_nearest_neighbors(word.lower() if self.tidy else word, k=k)
        return pd.DataFrame([(other, similarity) for similarity, other in found], columns=["word", "similarity"])

    def save(self, path: str | os.PathLike) -> None:
        """Write one file, a zip of fastText's own model.bin and classifier.json; a file already there is replaced.

        Labels in model.bin are "__label__" and the position in `classes_`.
        """
        check_is_fitted(self)
        about = plain({"params": self.get_params(), "settings": self.settings_, "classes": self.classes_.tolist()})
        path = Path(path)
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=".saving-") as folder:
            with zipfile.ZipFile(Path(folder) / "new", "w") as archive:
                archive.writestr("classifier.json", json.dumps(about, ensure_ascii=False))
                archive.writestr("model.bin", engine.to_bytes(self.model_))
            os.replace(Path(folder) / "new", path)

    @classmethod
    def load(cls, path: str | os.PathLike) -> Self:
        """The classifier that `save` wrote. Nothing in the file is run. Raises ValueError if it is damaged."""
        try:
            with zipfile.ZipFile(path) as archive:
                about = json.loads(archive.read("classifier.json"))
                model = archive.read("model.bin")  # its checksum is compared here: fastText would not notice
            loaded = cls(**about["params"])
            loaded.settings_, loaded.classes_ = about["settings"], np.array(about["classes"])
            loaded.model_ = engine.from_bytes(model)
        except (zipfile.BadZipFile, KeyError, TypeError, json.JSONDecodeError) as error:
            raise ValueError(f"{path} is not a classifier that `save` wrote, or is damaged ({error}).") from error
        return loaded

    def __getstate__(self) -> dict:
        state = dict(super().__getstate__())
        return state | {"model_": engine.to_bytes(state["model_"])} if "model_" in state else state

    def __setstate__(self, state: dict) -> None:
        super().__setstate__(state)
        if "model_" in state:
            self.model_ = engine.from_bytes(state["model_"])

    def _check_settings(self) -> None:
        """fastText takes a dim of 0 in silence and dies, with all of Python, of 0 threads."""
        for name in ("lr", "epoch", "dim", "word_ngrams", "min_count", "bucket", "thread"):
            value, kind = getattr(self, name), Real if name == "lr" else Integral
            if not isinstance(value, kind) or not value > 0:
                raise ValueError(f"{name} must be a {'' if kind is Real else 'whole '}number above 0, not {value!r}.")
        for name in ("minn", "maxn", "seed"):
            if not isinstance(getattr(self, name), Integral):
                raise ValueError(f"{name} must be a whole number, not {getattr(self, name)!r}.")
        if not isinstance(self.autotune, Integral) or self.autotune < 0:
            raise ValueError(f"autotune must be a whole number of seconds, or 0, not {self.autotune!r}.")
        if not 0 <= self.minn <= self.maxn or (self.maxn and not self.minn):
            raise ValueError(f"Subwords need 1 <= minn <= maxn, or both 0 for none: not {self.minn} and {self.maxn}.")
        if self.loss not in ("softmax", "hs", "ova"):
            raise ValueError(f'There is no loss {self.loss!r}: "softmax", "hs", or "ova" for several labels per text.')

    def _targets(self, texts: list[str], y: Any, classes: np.ndarray | None = None) -> tuple[np.ndarray, list[str]]:
        """The classes, and each text's labels as fastText writes them."""
        if self.loss == "ova":
            if not is_table(y):
                given = getattr(y, "shape", None) or f"one {type(y).__name__}"
                raise ValueError(f'loss="ova" needs y as a table of 0 and 1, shape (texts, labels), not {given}.')
            table = check_label_table(y, texts, None if classes is None else classes.tolist())
            names, table = np.array(table.columns), table.to_numpy()
            marks = [" ".join(f"{engine.PREFIX}{index}" for index in np.flatnonzero(row)) or NONE for row in table]
            return names, marks  # NONE, since fastText skips a row without a label: it would never see a clean text
        if is_table(y):
            raise ValueError('y is a table: several labels per text need loss="ova".')
        allowed = None if classes is None else classes.tolist()
        labels = check_labels(y, texts, allowed, at_least=2 if classes is None else 1)
        classes = np.unique(labels) if classes is None else classes
        return classes, [f"{engine.PREFIX}{index}" for index in np.searchsorted(classes, labels)]
