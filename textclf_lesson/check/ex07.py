"""The items of exercise 7: augmentation."""

from collections import Counter
from collections.abc import Iterator
from functools import cache

import numpy as np
import pandas as pd

from textclf_lesson.base.errors import CheckFailed
from textclf_lesson.check.core import Answer, compare, guess, item, short
from textclf_lesson.check.quiz import questions, quiz  # noqa: F401
from textclf_lesson.check.sources import tables
from textclf_lesson.models import baselines
from textclf_lesson.training import augment

__getattr__ = guess(__name__)

# As WordNet has them, of the words that are no stop words.
SYNONYMS = {
    "young": ["immature", "new", "youthful"],
    "actors": ["doers", "players", "thespians"],
    "give": ["hand", "pass", "yield"],
    "charming": ["magic", "sorcerous", "witching"],
    "performance": ["execution", "operation", "public presentation"],
    "film": ["flick", "motion picture", "movie"],
    "dull": ["boring", "deadening", "irksome"],
}
SENTENCES = (
    "not a great one but the young actors give a charming performance in it",
    "the film is dull and the performance of the young actors in the other film is never charming",
)
# A sentence's beginning, whether its variant keeps the label, and what to ask who says otherwise.
READING = [
    ("Elvira fans could", "flipped", "what could the fans do before, and what can they do now?"),
    ("It is bad, but", "kept", "which half of it carries the label? Which half still stands?"),
    ("Kinnear doesn't aim", "kept", "does the praise hang on the word that was lost?"),
    ("Diane Lane's sophisticated", "flipped", "does her performance save the film now?"),
    ("It doesn't matter that", "kept", "what does it still feel like?"),
    ("You'd have to be a most", "flipped", "who is moved by this drama now?"),
]


@item
def replaced(answer: Answer, seed: int = 0) -> Iterator[str]:
    """Takes words, a share, synonyms (a word to a list), a seed; returns the words, some replaced by a synonym."""

    def synonyms(word: str) -> list[str]:
        return SYNONYMS.get(word, [])

    changed_at, chosen = Counter(), set()
    for sentence, share in [(0, 0.1), (1, 0.2), (1, 0.9), (0, 0.3), (0, 0.05)]:
        words = SENTENCES[sentence].split()
        able = sum(word in SYNONYMS for word in words)
        wanted = min(able, max(1, int(share * len(words))))
        counts = []
        for number in range(24 if share == 0.1 else 8):
            new = _words(answer(words, share, synonyms, seed + number), words)
            where = [at for at, word in enumerate(words) if new[at] != word]
            for at in where:
                if new[at] not in SYNONYMS.get(words[at], []):
                    raise CheckFailed(f"{words[at]!r} became {short(new[at])}, which is none of its synonyms.")
            counts.append(len(where))
            if share == 0.1:
                changed_at.update(where)
                chosen |= {new[at] for at in where}
        if len(set(counts)) > 1 and max(counts) > wanted:
            raise CheckFailed(
                f"Of {len(words)} words and a share of {share} sometimes {min(counts)}, sometimes {max(counts)} are "
                "replaced. It is a number of words, max(1, share · words), not a chance for each word."
            )
        if min(counts) < wanted:
            raise CheckFailed(
                f"Of {len(words)} words and a share of {share} only {min(counts)} became another; it should be "
                f"{wanted}: one at least. Draw among the words that *have* synonyms, and draw none twice."
            )
        if max(counts) > wanted:
            raise CheckFailed(f"Of {len(words)} words and a share of {share} {wanted} change, not {max(counts)}.")
    yield "as many words as the share says, one at least"
    yield "no stop word, and only synonyms"
    if len(changed_at) == 1:
        raise CheckFailed("Whatever the seed, it is the same word that changes. Draw which.")
    if len(chosen) == len(changed_at):
        raise CheckFailed("A word always gets the same synonym. Draw that too.")
    words = SENTENCES[1].split()
    if any(list(answer(words, 0.3, synonyms, seed)) != list(answer(words, 0.3, synonyms, seed)) for _ in range(6)):
        raise CheckFailed("The same seed gives different texts. Make a generator of the seed, and draw from that one.")
    yield "drawn by the seed"


def _words(value: object, words: list[str]) -> list[str]:
    """The learner's words. Raises CheckFailed unless they are as many as there were."""
    value = value.tolist() if isinstance(value, np.ndarray) else value
    if not isinstance(value, list | tuple) or not all(isinstance(word, str) for word in value):
        raise CheckFailed("Return a list of words, as the one that came in.")
    if len(value) != len(words):
        raise CheckFailed(f"{len(words)} words came in and {len(value)} went out: each replaced word leaves one.")
    return list(value)


@item
def read_variants(answer: Answer) -> Iterator[str]:
    """Returns a list of six verdicts: "kept" or "flipped"."""
    said = answer()
    if not isinstance(said, list | tuple) or len(said) != len(READING):
        raise CheckFailed(f"Return a list of {len(READING)} words, one for each pair, in their order.")
    for number, (verdict, (_, right, question)) in enumerate(zip(said, READING, strict=True), 1):
        if not isinstance(verdict, str) or verdict not in ("kept", "flipped"):
            raise CheckFailed(f"Pair {number}: say 'kept' or 'flipped', not {short(verdict)}.")
        if verdict != right:
            raise CheckFailed(f"Pair {number}: read both aloud; {question}")
    yield "read: where the opinion hangs on one word, deletion turns it"


@item
def augmented_split(answer: Answer, seed: int = 0) -> Iterator[str]:
    """Takes texts, labels, augment (a text to its variants); returns training texts, labels, test texts, labels."""
    rows = tables("movie-snippets")["train"].drop_duplicates("text").sample(150, random_state=seed)
    texts, labels = rows["text"].tolist(), rows["label"].tolist()
    eda = augment.EDA(seed=seed, synonyms=0, insertions=0)  # the two that need no WordNet
    asked, variants = [], {}  # what was augmented; variant: its original

    def variants_of(text: str) -> list[str]:
        asked.append(text)
        new = eda.augment(text, n=1 + len(text) % 2)
        variants.update(dict.fromkeys(new, text))
        return new

    value = answer(texts, labels, variants_of)
    if not isinstance(value, list | tuple) or len(value) != 4:
        raise CheckFailed("Return four lists: training texts, their labels, test texts, their labels.")
    train, train_labels, test, test_labels = map(_listed, value)
    if len(train) != len(train_labels) or len(test) != len(test_labels):
        raise CheckFailed("There are not as many labels as texts: each variant needs a label too.")
    truth, learned = dict(zip(texts, labels, strict=True)), {variants.get(text, text) for text in train}
    both = learned & {variants.get(text, text) for text in test}
    if both:
        raise CheckFailed(
            f"{len(both)} sentences are in training and test, as they are or as a variant. Which comes first, "
            "splitting or augmenting?"
        )
    if not set(test) <= set(texts):
        raise CheckFailed("The test holds variants, which nobody wrote. Judge on sentences as they came.")
    if set(asked) & set(test):
        raise CheckFailed("Test rows were augmented too. Augment what you train on, nothing else.")
    yield "no variant of a test sentence in training"
    if not 0.15 < len(test) / len(texts) < 0.25 or len(set(test)) < len(test):
        raise CheckFailed(f"A fifth of the sentences should be test, each once; yours are {len(test)} of {len(texts)}.")
    if learned | set(test) != set(texts) or not set(texts) - set(test) <= set(train):
        raise CheckFailed("Some sentences got lost: what is not in the test belongs into training as it is.")
    if {text for text, old in variants.items() if old in learned} - set(train) or not variants:
        raise CheckFailed("The training rows are not all there with their variants. Is every one of them augmented?")
    wrong = [text for text, y in zip(train, train_labels, strict=True) if y != truth.get(variants.get(text, text))]
    wrong += [text for text, y in zip(test, test_labels, strict=True) if y != truth[text]]
    if wrong:
        raise CheckFailed(
            f"{len(wrong)} rows have a wrong label. Not every text has as many variants as the next: whose is which?"
        )
    yield "each variant with its original's label"


def _listed(part: object) -> list:
    part = part.tolist() if isinstance(part, np.ndarray | pd.Series) else part
    if not isinstance(part, list | tuple):
        raise CheckFailed("Return four lists: training texts, their labels, test texts, their labels.")
    return list(part)


@cache
def _right() -> dict[str, np.ndarray]:
    """For each way to train, (draws, sentences): which validation sentences are judged rightly. As the exercise's."""
    movies = tables("movie-snippets")
    train, judged = movies["train"], movies["validation"]

    def score(texts: list[str], labels: np.ndarray) -> np.ndarray:
        model = baselines.pipeline("tfidf", classifier__C=2000 / len(texts)).fit(texts, labels)
        return model.predict(judged["text"]) == judged["label"].to_numpy()

    found: dict[str, list] = {"few": [], "EDA": [], "more": [], "out of step": []}
    for draw in range(3):
        rows = train.sample(400, random_state=draw)
        texts, labels = rows["text"].tolist(), rows["label"].to_numpy()
        many, positions = augment.enlarge(augment.EDA(), texts[:200])
        found["few"].append(score(texts[:200], labels[:200]))
        found["EDA"].append(score(many, labels[positions]))
        found["out of step"].append(score(many, np.repeat(labels[:200], 5)[: len(many)]))
        found["more"].append(score(texts, labels))
    return {way: np.array(right) for way, right in found.items()}


@cache
def _gain(a: str, b: str) -> tuple[float, float]:
    gains, rng = _right()[b] * 1.0 - _right()[a], np.random.default_rng(0)
    draws, sentences = (rng.multinomial(n, np.full(n, 1 / n), 1000) / n for n in gains.shape)
    low, high = np.quantile(((draws @ gains) * sentences).sum(axis=1), [0.025, 0.975])
    return float(low), float(high)


@item
def afternoon(answer: Answer) -> Iterator[str]:
    """Returns {"do", "eda", "labels"}: how to spend the afternoon, and on what evidence."""
    record = answer.record(["do", "eda", "labels"])
    do = answer.choice(record, "do", ("EDA", "labels", "nothing"))
    why = {
        "EDA": "What was the colleague's model judged on: new sentences, or variants of those learned from? Look at "
        "what EDA gains on validation.",
        "nothing": "Does one of the two intervals lie wholly above zero? Then it is better than nothing, clearly.",
    }
    if do in why:
        raise CheckFailed(why[do])
    yield "what is clearly better than nothing"
    for key, way in {"eda": "EDA", "labels": "more"}.items():
        hints = {
            f"`{key}` has its sign turned: it is gain(few, …).": _gain(way, "few"),
            "`eda`: the enlarged rows have labels of other rows. `positions` tells whose variant each is.": _gain(
                "few", "out of step"
            ),
            "`labels` is compared with EDA. Both are compared with 200 rows as they are.": _gain("EDA", "more"),
        }
        hints = {hint: wrong for hint, wrong in hints.items() if f"`{key}`" in hint}
        otherwise = f"`{key}` is not the interval of its gain over 200 rows as they are."
        compare(answer.as_pair(record[key], f"`{key}`"), _gain("few", way), hints, otherwise, 0.003)
    yield "the paired intervals say so"
