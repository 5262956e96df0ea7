"""Which words of a sentence speak for a label: exactly for a linear model, by leaving words out for all others."""

import re
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from textclf_lesson.models.baselines import WORDS, TextPipeline

WORD = re.compile(r"\w+(?:['’]\w+)*")
MOST = 60  # words that are left out, one after the other: a longer text is a slide nobody reads


class Span(NamedTuple):
    """A word of a text, `text[start:end]`, and how much it speaks for the label: below 0, it speaks against."""

    start: int
    end: int
    score: float


def weights(model: TextPipeline, text: str, column: int) -> list[Span]:
    """Of a linear model over TF-IDF of single words: each word's weight × its value in this text.

    model: `baselines.pipeline("tfidf", "logreg")`, fitted, for one or several labels. column: of its probabilities. The
    scores of all words together are the label's logit without the intercept; a word that stands twice shares its score.
    """
    vectoriser, classifier = model[0], model[-1]
    if hasattr(classifier, "estimators_"):
        weight = classifier.estimators_[column].coef_[0]
    else:  # two classes have one row of weights, that of the second
        weight = classifier.coef_[0] * (1 if column else -1)
    values = vectoriser.transform([text]).toarray()[0]
    found = [(match.start(), match.end(), match[0].lower()) for match in re.finditer(WORDS, text)]
    words = [word for *_, word in found]
    known = vectoriser.vocabulary_
    scores = {word: weight[known[word]] * values[known[word]] / words.count(word) for word in words if word in known}
    return [Span(start, end, float(scores.get(word, 0.0))) for start, end, word in found]


def left_out(predict: Callable[[list[str]], np.ndarray], text: str, column: int) -> list[Span]:
    """Of any model: how much probability the label loses if a word is left out (Zeiler and Fergus 2014).

    predict: texts → probabilities, shape (texts, labels). The first 60 words are asked about; a text of one word has
    nothing to compare with, and that word scores 0.
    """
    found = list(WORD.finditer(text))[:MOST]
    without = [text[: match.start()] + text[match.end() :] for match in found]
    asked = [(match, other) for match, other in zip(found, without, strict=True) if WORD.search(other)]
    if not asked:
        return [Span(match.start(), match.end(), 0.0) for match in found]
    chances = predict([text, *(other for _, other in asked)])[:, column]
    return [
        Span(match.start(), match.end(), float(chances[0] - chance))
        for (match, _), chance in zip(asked, chances[1:], strict=True)
    ]
