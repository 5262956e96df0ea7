"""What the two prompted classifiers share: labels, and which labelled texts stand in the prompt as examples."""

import warnings
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.exceptions import NotFittedError

from textclf_lesson.base.inputs import check_labels, check_same_rows, check_texts
from textclf_lesson.llm.prompts import TEMPLATES, Label, Message, Template, as_labels, messages

Examples = tuple[tuple[str, str], ...]  # (text, label name), in the order shown


class PromptedClassifier(ClassifierMixin, BaseEstimator):
    """Base of `LLMClassifier` and `LocalLLM`. Nothing is trained: `fit` keeps the labels and the pool of examples.

    Parameters that both have:
        labels: {"name": "what it means"}, or {value: "name: what it means"} for values that are no names; `predict`
            returns values, the model sees names and meanings. None takes the labels of `fit` as their own names.
        template: a `Template` or a name in `TEMPLATES`.
        shots: how many labelled texts of the pool to show before the question (0: zero-shot).
        selection: "random" draws them by `seed`, a class at a time; "similar" takes, for each text, the nearest other
            texts by the cosine of MiniLM's vectors, the nearest last; these are not balanced.
        max_chars: how many characters of a text are read; a longer one gives a warning.
    """

    def __init__(
        self, labels: Mapping | None, template: str | Template, shots: int, selection: str, seed: int, max_chars: int
    ) -> None:
        self.labels = labels
        self.template = template
        self.shots = shots
        self.selection = selection
        self.seed = seed
        self.max_chars = max_chars

    def fit(self, texts: Iterable[str] | None = None, y: Iterable | None = None) -> "PromptedClassifier":
        """Keep the labels, the texts and, if `y` is given, the pool of examples that it makes of them.

        Without `y` the labels must be given as a parameter, and there are no examples: zero-shot.
        Sets `classes_` (the values, sorted). Raises ValueError or TypeError, naming the row, for bad texts or labels,
        an unknown template or selection, and a pool smaller than `shots`.
        """
        self._check_settings()
        if y is None and self.labels is None:
            raise ValueError("There are no labels to choose from: pass labels={...}, or call fit(texts, y).")
        given = as_labels(self.labels) if self.labels is not None else None
        check_same_rows(texts=texts, labels=y)
        self.texts_ = check_texts(texts) if texts is not None else []
        if y is not None:
            allowed = [label.value for label in given] if given else None
            y = check_labels(y, self.texts_, allowed, at_least=1 if given else 2)
        self.labels_: list[Label] = given or as_labels(np.unique(y).tolist())
        self.classes_ = np.array([label.value for label in self.labels_])
        names = {label.value: label.name for label in self.labels_}
        self.pool_ = [] if y is None else [(text, names[value]) for text, value in zip(self.texts_, y, strict=True)]
        if len(self.pool_) < self.shots:
            raise ValueError(f"shots={self.shots} examples are wanted, but fit got {len(self.pool_)} labelled texts.")
        if self.shots and self.selection == "similar":
            from textclf_lesson.models.embeddings import embed  # here: it loads torch

            self._vectors = embed(self.texts_)
        return self

    def predict(self, texts: Iterable[str]) -> np.ndarray:
        """The most probable class of each text, shape (texts,)."""
        best = self.predict_proba(texts).argmax(axis=1)
        return self.classes_[best]

    def conversation(self, text: str) -> list[Message]:
        """What would be sent for one text: the way to see what the model sees."""
        return self._messages(text, self._examples([text])[0])

    def _checked(self, texts: Iterable[str]) -> list[str]:
        if not hasattr(self, "labels_"):
            raise NotFittedError(f"Call fit before predict: this {type(self).__name__} knows no labels yet.")
        texts = check_texts(texts)
        long = [row for row, text in enumerate(texts) if len(text) > self.max_chars]
        if long:
            message = (
                f"{len(long)} of {len(texts)} texts are longer than {self.max_chars} characters (first: row {long[0]})"
            )
            warnings.warn(f"{message}: only their beginnings are read; raise max_chars to read more.", stacklevel=3)
        return texts

    def _messages(self, text: str, examples: Examples, as_json: bool = False) -> list[Message]:
        template = self.template if isinstance(self.template, Template) else TEMPLATES[self.template]
        return messages(text, self.labels_, template, examples, as_json, self.max_chars)

    def _examples(self, texts: Sequence[str]) -> list[Examples]:
        """What to show before each text."""
        if self.shots and self.selection == "similar":
            return self._nearest(texts)
        seen: dict[str, int] = {}
        turns = []  # the first of each class, then the second of each, ...
        order = np.random.default_rng(self.seed).permutation(len(self.pool_)) if self.shots else ()
        for place, row in enumerate(order):
            name = self.pool_[row][1]
            turns.append((seen.get(name, 0), place, row))
            seen[name] = seen.get(name, 0) + 1
        return [tuple(self.pool_[row] for *_, row in sorted(turns)[: self.shots])] * len(texts)

    def _nearest(self, texts: Sequence[str]) -> list[Examples]:
        from textclf_lesson.models.embeddings import embed

        closeness = embed(texts) @ self._vectors.T
        closeness[np.array(texts, object)[:, None] == np.array(self.texts_, object)] = -1  # no text is its own example
        nearest = np.argsort(closeness, axis=1, kind="stable")[:, -self.shots :]
        return [tuple(self.pool_[row] for row in rows) for rows in nearest]

    def _check_settings(self) -> None:
        if not isinstance(self.template, Template) and self.template not in TEMPLATES:
            raise ValueError(f"There is no template {self.template!r}. There are: {', '.join(TEMPLATES)}.")
        if self.selection not in ("random", "similar"):
            raise ValueError(f'There is no selection {self.selection!r}. There are: "random" and "similar".')
        if self.shots < 0 or self.max_chars < 1:
            raise ValueError(f"shots={self.shots} must be 0 or more, max_chars={self.max_chars} 1 or more.")
