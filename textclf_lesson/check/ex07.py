"""The items of exercise 7: augmentation."""

from collections import Counter
from collections.abc import Iterator
from functools import cache

import numpy as np
import pandas as pd

from textclf_lesson.base.errors import CheckFailed
from textclf_lesson.check.core import Answer, guess, item
from textclf_lesson.check.quiz import questions, quiz  # noqa: F401
from textclf_lesson.check.sources import tables
from textclf_lesson.check.values import compare, short
from textclf_lesson.models import baselines
from textclf_lesson.training import augment

__getattr__ = guess(__name__)

# From WordNet, for the words that are not stop words.
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
# A sentence's beginning, whether its variant keeps the label, and a question for the other answer.
READING = [
    ("Elvira fans could", "flipped", "what could the fans do before, and what can they do now?"),
    ("It is bad, but", "kept", "which half of it carries the label? Is that half still there?"),
    ("Kinnear doesn't aim", "kept", "does the praise depend on the word that was deleted?"),
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
                    raise CheckFailed(f"{words[at]!r} became {short(new[at])}, which is not one of its synonyms.")
            counts.append(len(where))
            if share == 0.1:
                changed_at.update(where)
                chosen |= {new[at] for at in where}
        if len(set(counts)) > 1 and max(counts) > wanted:
            raise CheckFailed(
                f"With {len(words)} words and a share of {share}, sometimes {min(counts)} and sometimes {max(counts)} "
                "are replaced. Replace exactly max(1, share · words) words, not each word with a probability."
            )
        if min(counts) < wanted:
            raise CheckFailed(
                f"With {len(words)} words and a share of {share}, only {min(counts)} changed; it should be {wanted}, "
                "and at least one. Draw among the words that *have* synonyms, and draw none twice."
            )
        if max(counts) > wanted:
            raise CheckFailed(f"With {len(words)} words and a share of {share}, {wanted} change, not {max(counts)}.")
    yield "the right number of words, at least one"
    yield "only words with synonyms"
    if len(changed_at) == 1:
        raise CheckFailed("For every seed the same word changes. Draw the word at random.")
    if len(chosen) == len(changed_at):
        raise CheckFailed("A word always gets the same synonym. Draw the synonym at random too.")
    words = SENTENCES[1].split()
    if any(list(answer(words, 0.3, synonyms, seed)) != list(answer(words, 0.3, synonyms, seed)) for _ in range(6)):
        raise CheckFailed("The same seed gives different texts. Make a generator from the seed, and draw only from it.")
    yield "repeatable by the seed"


def _words(value: object, words: list[str]) -> list[str]:
    """The learner's words. Raises CheckFailed unless they are as many as there were."""
    value = value.tolist() if isinstance(value, np.ndarray) else value
    if not isinstance(value, list | tuple) or not all(isinstance(word, str) for word in value):
        raise CheckFailed("Return a list of words, like the one given.")
    if len(value) != len(words):
        raise CheckFailed(
            f"{len(words)} words were given and {len(value)} returned: replace a word by one entry of the list."
        )
    return list(value)


@item
def read_variants(answer: Answer) -> Iterator[str]:
    """Returns a list of six verdicts: "kept" or "flipped"."""
    verdicts = answer()
    if not isinstance(verdicts, list | tuple) or len(verdicts) != len(READING):
        raise CheckFailed(f"Return a list of {len(READING)} words, one for each pair, in their order.")
    for number, (verdict, (_, expected, question)) in enumerate(zip(verdicts, READING, strict=True), 1):
        if not isinstance(verdict, str) or verdict not in ("kept", "flipped"):
            raise CheckFailed(f"Pair {number}: answer 'kept' or 'flipped', not {short(verdict)}.")
        if verdict != expected:
            raise CheckFailed(f"Pair {number}: read both sentences; {question}")
    yield "deleting the one word that carries the opinion flips the label"


@item
def augmented_split(answer: Answer, seed: int = 0) -> Iterator[str]:
    """Takes texts, labels, augment (a text to its variants); returns training texts, labels, test texts, labels."""
    rows = tables("movie-snippets")["train"].drop_duplicates("text").sample(150, random_state=seed)
    texts, labels = rows["text"].tolist(), rows["label"].tolist()
    eda = augment.EDA(seed=seed, synonyms=0, insertions=0)  # the two that need no WordNet
    asked, variants = [], {}  # the texts that were augmented; the original of each variant

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
        raise CheckFailed("The test holds variants, which nobody wrote. Test on the original sentences.")
    if set(asked) & set(test):
        raise CheckFailed("Test rows were augmented too. Augment training rows only.")
    yield "no variant of a test sentence in training"
    if not 0.15 < len(test) / len(texts) < 0.25 or len(set(test)) < len(test):
        raise CheckFailed(
            f"A fifth of the sentences should be test rows, each once; yours are {len(test)} of {len(texts)}."
        )
    if learned | set(test) != set(texts) or not set(texts) - set(test) <= set(train):
        raise CheckFailed(
            "Some sentences are missing: each one that is not in the test belongs in training, unchanged."
        )
    if {text for text, old in variants.items() if old in learned} - set(train) or not variants:
        raise CheckFailed("Some training rows lack their variants. Is every one of them augmented?")
    wrong = [text for text, y in zip(train, train_labels, strict=True) if y != truth.get(variants.get(text, text))]
    wrong += [text for text, y in zip(test, test_labels, strict=True) if y != truth[text]]
    if wrong:
        raise CheckFailed(
            f"{len(wrong)} rows have a wrong label. Texts have different numbers of variants: which "
            "original does each variant belong to?"
        )
    yield "each variant with its original's label"


def _listed(part: object) -> list:
    part = part.tolist() if isinstance(part, np.ndarray | pd.Series) else part
    if not isinstance(part, list | tuple):
        raise CheckFailed("Return four lists: training texts, their labels, test texts, their labels.")
    return list(part)


@cache
def _right() -> dict[str, np.ndarray]:
    """For each way to train, (draws, sentences): which validation sentences are predicted right, as in the exercise."""
    movies = tables("movie-snippets")
    train, held_out = movies["train"], movies["validation"]

    def score(texts: list[str], labels: np.ndarray) -> np.ndarray:
        model = baselines.pipeline("tfidf", classifier__C=2000 / len(texts)).fit(texts, labels)
        return model.predict(held_out["text"]) == held_out["label"].to_numpy()

    found: dict[str, list] = {"few": [], "EDA": [], "more": [], "out of step": []}
    for draw in range(3):
        rows = train.sample(400, random_state=draw)
        texts, labels = rows["text"].tolist(), rows["label"].to_numpy()
        many, positions = augment.enlarge(augment.EDA(), texts[:200])
        found["few"].append(score(texts[:200], labels[:200]))
        found["EDA"].append(score(many, labels[positions]))
        found["out of step"].append(score(many, np.repeat(labels[:200], 5)[: len(many)]))
        found["more"].append(score(texts, labels))
    return {way: np.array(expected) for way, expected in found.items()}


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
        "EDA": "Which rows measured the colleague's gain: new sentences, or variants of training sentences? Look at "
        "what EDA gains on validation.",
        "nothing": "Is one of the two intervals wholly above zero? Then it is clearly better than nothing.",
    }
    if do in why:
        raise CheckFailed(why[do])
    yield "the one that is clearly better than nothing"
    for key, way in {"eda": "EDA", "labels": "more"}.items():
        hints = {
            f"`{key}` has its sign turned: it is gain(few, …).": _gain(way, "few"),
            "`eda`: the variants have labels of other rows. `positions` gives the original row of each variant.": _gain(
                "few", "out of step"
            ),
            "`labels` is compared with EDA. Compare both with the 200 original rows.": _gain("EDA", "more"),
        }
        hints = {hint: wrong for hint, wrong in hints.items() if f"`{key}`" in hint}
        otherwise = f"`{key}` is not the interval of its gain over the 200 original rows."
        compare(answer.as_pair(record[key], f"`{key}`"), _gain("few", way), hints, otherwise, 0.003)
    yield "by the paired intervals"
