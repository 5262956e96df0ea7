"""What the two prompted classifiers share: labels, and which labelled texts stand in the prompt as examples."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.feature_extraction.text import TfidfVectorizer

from textclf_lesson.inputs import check_labels, check_texts
from textclf_lesson.prompts import TEMPLATES, Label, Message, Template, as_labels, messages, warn_if_cut

SELECTIONS = ("fixed", "random", "similar")


class PromptedClassifier(ClassifierMixin, BaseEstimator):
    """Base of `LLMClassifier` and `LocalLLM`. Nothing is trained: `fit` keeps the labels and the pool of examples.

    Parameters that both have:
        labels: {"name": "what it means"}, or {value: "name: what it means"} for values that are no names; `predict`
            returns values, the model sees names and meanings. None takes the labels of `fit` as their own names.
        template: a `Template` or a name in `TEMPLATES`.
        shots: how many labelled texts of the pool to show before the question (0: zero-shot).
        selection: "fixed" takes the first of each class in turn; "random" the same from a shuffled pool (`seed`);
            "similar", for each text, the nearest other texts by TF-IDF cosine, the nearest last; not balanced.
        max_chars: of a longer text only so many characters are read, with a TextsCutWarning.
    """

    labels: Mapping | None
    template: str | Template
    shots: int
    selection: str
    seed: int
    max_chars: int

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
            self._vectoriser = TfidfVectorizer(sublinear_tf=True)
            self._vectors = self._vectoriser.fit_transform(self.texts_)
            self._rows_of: dict[str, list[int]] = {}
            for row, text in enumerate(self.texts_):
                self._rows_of.setdefault(text, []).append(row)
        return self

    def predict(self, texts: Iterable[str]) -> np.ndarray:
        """The most probable class of each text, shape (texts,)."""
        best = self.predict_proba(texts).argmax(axis=1)
        return self.classes_[best]

    def predict_proba(self, texts: Iterable[str]) -> np.ndarray:
        """Probabilities, shape (texts, classes), rows sum to 1."""
        raise NotImplementedError

    def conversation(self, text: str, as_json: bool = False) -> list[Message]:
        """What would be sent for one text: the way to see what the model sees."""
        (examples,) = self._examples([text])
        return self._messages(text, examples, as_json)

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "labels_")

    def _checked(self, texts: Iterable[str]) -> list[str]:
        if not self.__sklearn_is_fitted__():
            from sklearn.exceptions import NotFittedError

            raise NotFittedError(f"Call fit before predict: this {type(self).__name__} knows no labels yet.")
        texts = check_texts(texts)
        warn_if_cut(texts, self.max_chars)
        return texts

    def _messages(self, text: str, examples: Sequence[tuple[str, str]], as_json: bool = False) -> list[Message]:
        template = self.template if isinstance(self.template, Template) else TEMPLATES[self.template]
        return messages(text, self.labels_, template, examples, as_json, self.max_chars)

    def _examples(self, texts: Sequence[str]) -> list[tuple[tuple[str, str], ...]]:
        """For each text the (text, label name) pairs to show; the same object for all unless they are chosen by it."""
        if not self.shots:
            return [()] * len(texts)
        if self.selection == "similar":
            return [
                examples for start in range(0, len(texts), 1000) for examples in self._nearest(texts[start:][:1000])
            ]
        order = range(len(self.pool_))
        if self.selection == "random":
            order = np.random.default_rng(self.seed).permutation(len(self.pool_))
        return [self._in_turn([self.pool_[row] for row in order])] * len(texts)

    def _nearest(self, texts: Sequence[str]) -> list[tuple[tuple[str, str], ...]]:
        closeness = (self._vectoriser.transform(texts) @ self._vectors.T).toarray()
        for row, text in enumerate(texts):  # the question itself, with its answer, is no example
            closeness[row, self._rows_of.get(text, [])] = -1
        nearest = np.argsort(closeness, axis=1, kind="stable")[:, -self.shots :]
        return [tuple(self.pool_[row] for row in rows) for rows in nearest]

    def _in_turn(self, pool: list[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
        """The first `shots` examples, a class at a time: the first of each class, then the second of each, ..."""
        seen: dict[str, int] = {}
        turns = []
        for place, (_, name) in enumerate(pool):
            turns.append((seen.get(name, 0), place))
            seen[name] = seen.get(name, 0) + 1
        return tuple(pool[place] for _, place in sorted(turns)[: self.shots])

    def _check_settings(self) -> None:
        if not isinstance(self.template, Template) and self.template not in TEMPLATES:
            raise ValueError(f"There is no template {self.template!r}. There are: {', '.join(TEMPLATES)}.")
        if self.selection not in SELECTIONS:
            raise ValueError(f"There is no selection {self.selection!r}. There are: {', '.join(SELECTIONS)}.")
        if self.shots < 0 or self.max_chars < 1:
            raise ValueError(f"shots={self.shots} must be 0 or more, max_chars={self.max_chars} 1 or more.")
