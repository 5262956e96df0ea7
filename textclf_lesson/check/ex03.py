"""The items of exercise 3: fastText."""

import re
from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np

from textclf_lesson import data
from textclf_lesson.base.errors import CheckFailed
from textclf_lesson.check.core import Answer, guess, item
from textclf_lesson.check.quiz import questions, quiz  # noqa: F401
from textclf_lesson.check.sources import tables
from textclf_lesson.check.values import close, compare, short
from textclf_lesson.evaluate import metrics
from textclf_lesson.models import baselines
from textclf_lesson.models.fasttext import FastTextClassifier

__getattr__ = guess(__name__)

# A word, minn, maxn, and a word to share n-grams with: misspelt, inflected, written without spaces.
WORDS = [("stuppidd", 3, 5, "stupid"), ("горшком", 3, 6, "горшок"), ("房间很大", 1, 3, "很大")]
OTHERS = [("vandaliam", 3, 5, "vandalism"), ("билетами", 3, 6, "билет"), ("服务不错", 1, 2, "不错")]
ENOUGH = 0.68  # accuracy on unseen Russian sentences; the default settings reach a sixth, the best about three quarters
SMALL = {"lr": 0.5, "epoch": 15, "dim": 10}
RIVALS = ["fastText, words", "fastText, subwords", "TF-IDF, words", "TF-IDF, subwords"]


@item
def letter_ngrams(answer: Answer, seed: int = 0) -> Iterator[str]:
    """Takes a word, minn and maxn; returns the character n-grams that fastText makes of it."""
    for word, minn, maxn, other in OTHERS if seed else WORDS:
        value = answer(word, minn, maxn)
        if not isinstance(value, list | tuple | set | np.ndarray) or not all(isinstance(p, str) for p in value):
            raise CheckFailed("Return a list of strings, the n-grams of the word.")
        marked, got = f"<{word}>", set(value)
        expected = _ngrams(marked, minn, maxn) - {"<", ">"}
        hints = {
            "Add the marks < and > to the word first: they show which n-grams begin or end a word.": (
                _ngrams(word, minn, maxn)
            ),
            "The longest n-grams are missing: they have maxn letters, and `range` stops before its end.": (
                expected & _ngrams(marked, minn, maxn - 1)
            ),
            "The last n-gram of each length is missing: what is the last position where n letters can begin?": {
                marked[i : i + n] for n in range(minn, maxn + 1) for i in range(len(marked) - n)
            }
            - {"<", ">"},
            "N-grams have minn *to* maxn letters; yours have one length only.": _ngrams(marked, minn, minn),
            "A mark alone is not an n-gram: it would be in every word.": _ngrams(marked, minn, maxn),
            "The whole word has a vector of its own; return only its n-grams.": expected | {word},
        }
        if got != expected:
            extra, missing = sorted(got - expected), sorted(expected - got)
            found = f"{short(missing[0])} is missing" if missing else f"{short(extra[0])} is not one of them"
            otherwise = f"The n-grams of '{word}' from {minn} to {maxn} letters are different: {found}."
            raise CheckFailed(next((hint for hint, wrong in hints.items() if got == wrong), otherwise))
        shared = sorted(expected & _ngrams(f"<{other}>", minn, maxn), key=lambda ngram: (len(ngram), ngram))
        yield f"'{word}' shares with '{other}': {' '.join(shared)}"


def _ngrams(marked: str, minn: int, maxn: int) -> set[str]:
    return {marked[i : i + n] for n in range(minn, maxn + 1) for i in range(len(marked) - n + 1)}


@item
def training_lines(answer: Answer, seed: int = 0) -> Iterator[str]:
    """Takes texts and labels (0, 1), sorted by label; returns the lines of the file that fastText trains on."""
    films = tables("movie-snippets")["train"].sample(frac=1, random_state=seed)
    texts, labels = [], []
    for label in (0, 1):  # reviews of two paragraphs
        some = films[films["label"] == label]["text"].tolist()[:200]
        texts += [f"{one}\n{two}" for one, two in zip(some[::2], some[1::2], strict=True)]
        labels += [label] * 100
    texts[7] = f"__label__1 {texts[7]}"  # a reviewer who knows fastText
    value = answer(texts, labels)
    if not isinstance(value, list | tuple | np.ndarray) or not all(isinstance(line, str) for line in value):
        raise CheckFailed("Return a list of strings, one line for each text.")
    lines = [line.removesuffix("\n") for line in value]
    if len(lines) > len(texts) or any(len(line.splitlines()) > 1 for line in lines):
        raise CheckFailed("A review of two paragraphs became two lines; its second half is a row without a label.")
    if len(lines) < len(texts):
        raise CheckFailed(f"You return {len(lines)} lines for {len(texts)} texts. Every text is a row.")
    yield "one line a text"
    rows = [re.fullmatch(r"__label__([01]) (.*)", line) for line in lines]
    for line, row in zip(lines, rows, strict=True):
        if not row:
            raise CheckFailed(f"A line begins with `__label__0 ` or `__label__1 `; one of yours is {short(line)}.")
        if re.search(r"(?<!\S)__label__", row[2]):
            raise CheckFailed(
                "A reviewer wrote `__label__1` into the text. A line may hold several labels, so fastText would "
                "read it as a second label: look at what follows your own label."
            )
    yield "no label but yours"
    if any(row[2] != row[2].lower() for row in rows):
        raise CheckFailed("Some words are still in upper case: to fastText, 'Film' and 'film' are two words.")
    truth = {_words(text): str(label) for text, label in zip(texts, labels, strict=True) if "__label__" not in text}
    found = {_words(row[2]): row[1] for row in rows}
    if not truth.keys() <= found.keys():
        raise CheckFailed("Some texts are not in your lines as they were: compare a line with its text, word by word.")
    if any(found[words] != label for words, label in truth.items()):
        raise CheckFailed("Some texts have another text's label. What has to be shuffled together?")
    yield "each text with its label"
    turns = sum(one[1] != two[1] for one, two in pairwise(rows))
    if turns < len(rows) / 5:
        raise CheckFailed(
            "The file is still sorted by label. fastText trains on rows in their order, and the last thousands of "
            "rows would all be of one class."
        )
    yield "in random order"


def _words(text: str) -> tuple[str, ...]:
    return tuple(re.findall(r"[^\W_]+", text.lower()))


@item
def repair(answer: Answer, seed: int = 0) -> Iterator[str]:
    """Takes texts, labels, held-out texts and labels; returns {"lr", "epoch", "accuracy"}, chosen on the held-out."""
    train, held, test = tables("russian-senses").values()
    train = train.sample(1400, random_state=seed)
    texts, labels = train["text"].tolist(), train["label"].tolist()
    held_out, truth = held["text"].tolist(), held["label"].tolist()
    record = answer.record(["lr", "epoch", "accuracy"], texts, labels, held_out, truth)
    lr, epoch, accuracy = (answer.as_number(record[key], f"`{key}`") for key in ("lr", "epoch", "accuracy"))
    if not 0 < lr < 1000 or epoch < 1 or epoch != int(epoch):
        raise CheckFailed(f"`lr` is a number above 0, `epoch` a whole one; yours are {lr:g} and {epoch:g}.")
    if epoch > 100:
        raise CheckFailed(f"{epoch:g} epochs are more than enough. Which other setting moves the vectors?")

    def train_with(lr: float, epoch: float) -> FastTextClassifier:
        return FastTextClassifier(lr=lr, epoch=int(epoch), dim=10).fit(texts, labels)

    try:
        model = train_with(lr, epoch)
    except ValueError:
        raise CheckFailed(f"With lr={lr:g} training diverges: the vectors overflow. Lower the learning rate.") from None
    unseen = model.score(test["text"], test["label"])
    if unseen < ENOUGH:
        further = train_with(lr, min(3 * epoch, 100)).score(test["text"], test["label"]) if lr < 5 else 0
        why = "More epochs do not help. Is the learning rate too high?"
        if further > unseen + 0.02:
            why = "With more epochs it still improves: raise the learning rate, the epochs, or both."
        raise CheckFailed(f"That model has an accuracy of {unseen:.0%} on sentences that you do not have. {why}")
    yield f"{unseen:.0%} right on unseen sentences"
    hints = {
        "`accuracy` was measured on the training rows. Measure it on rows that the model has not seen.": (
            model.score(texts, labels)
        ),
        "`accuracy` should be a share between 0 and 1, not a percentage.": 100 * model.score(held_out, truth),
    }
    otherwise = "`accuracy` is not what a model of dim=10 with these settings reaches on the held-out sentences."
    compare(accuracy, model.score(held_out, truth), hints, otherwise, 0.01)
    yield "its accuracy measured on held-out rows"


@cache
def _topics() -> tuple[FastTextClassifier, list[str], np.ndarray]:
    """A model of Reuters' eight topics, and test articles with their topics."""
    splits = data.load("reuters-r8")
    train, test = splits["train"].to_pandas().sample(2000, random_state=0), splits["test"].to_pandas()
    model = FastTextClassifier(**SMALL, min_count=2).fit(train["text"], train["label"])
    return model, test["text"].tolist(), test["label"].to_numpy()


@item
def shrink_cost(answer: Answer, seed: int = 0) -> Iterator[str]:
    """Takes a model, cutoff, texts and their labels; returns {"mb", "low", "high"} of its quantised copy."""
    (model, texts, truth), cutoff = _topics(), 300 + 20 * seed
    record = answer.record(["mb", "low", "high"], model, cutoff, texts, truth)
    mb, *ends = (answer.as_number(record[key], f"`{key}`") for key in ("mb", "low", "high"))
    small = model.quantize(cutoff=cutoff)
    size, full = baselines.size_bytes(small) / 1e6, baselines.size_bytes(model) / 1e6
    if not close(mb, size, 0.05):
        hints = {
            "`mb` is the size of the model as it was; return that of the small one.": full,
            "`mb` is in bytes; divide by 1e6.": 1e6 * size,
            "`mb` is of a model with all its words: pass `cutoff` on.": baselines.size_bytes(model.quantize()) / 1e6,
        }
        compare(mb, size, hints, "`mb` is not the size of the quantised model: baselines.size_bytes, over 1e6.", 0.05)
    yield f"{full / size:.0f} times smaller"
    before, after = model.predict(texts), small.predict(texts)
    low, high = answer.as_pair(ends, "the interval")
    expected, rows = metrics.difference(truth, before, after, "macro_f1"), metrics.difference(truth, before, after)
    if high - low < 1e-9:
        raise CheckFailed("The interval has no width, as with only one or two texts. How many do you use?")
    hints = {
        "The sign is turned: small minus large, so that a loss is below zero.": (-expected.high, -expected.low),
        "That is the interval of the *accuracy*, which 'earn' decides. In macro F1 each topic counts the same.": (
            rows.low,
            rows.high,
        ),
    }
    otherwise = "That is not the paired 95 % interval of macro F1, small minus large, on all the texts."
    if high - low > 1.4 * (expected.high - expected.low):
        otherwise = "Your interval is far wider than a paired one: score both models on the *same* draws of texts."
    compare((low, high), (expected.low, expected.high), hints, otherwise, 0.006)
    yield f"macro F1 {expected}"


@cache
def _shop() -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """True labels of the test lines and each rival's predictions, as the exercise's own cell computes them."""
    lines = tables("chinese-reviews")
    train, test = lines["train"].sample(2000, random_state=0), lines["test"]
    rivals: dict[str, Any] = {
        "fastText, words": FastTextClassifier(**SMALL),
        "fastText, subwords": FastTextClassifier(**SMALL, minn=1, maxn=3, bucket=50_000),
        "TF-IDF, words": baselines.pipeline("tfidf"),
        "TF-IDF, subwords": baselines.pipeline("char", features__ngram_range=(1, 2)),
    }
    predictions = {
        name: model.fit(train["text"], train["label"]).predict(test["text"]) for name, model in rivals.items()
    }
    return test["label"].to_numpy(), predictions


@item
def level_for_the_shop(answer: Answer) -> Iterator[str]:
    """Returns {"night", "stream", "subwords_gain", "night_gain"}: which model for which task, and why."""
    record = answer.record(["night", "stream", "subwords_gain", "night_gain"])
    night, stream = (answer.choice(record, key, RIVALS) for key in ("night", "stream"))
    for chosen, key in ((night, "night"), (stream, "stream")):
        if chosen.endswith(", words"):
            raise CheckFailed(
                f"`{key}`: Chinese is written without spaces. Look at the accuracies: what is a 'word' to {chosen}?"
            )
    if stream.startswith("TF-IDF"):
        raise CheckFailed(
            "`stream`: five thousand lines a second leave 200 µs for each. Compare the medians with that."
        )
    if night.startswith("fastText"):
        raise CheckFailed(
            "`night`: at night nobody waits, so speed does not matter. Which rival is clearly the most accurate?"
        )
    yield "the right level for each task"
    truth, answers = _shop()
    pairs = {"subwords_gain": ("fastText, words", "fastText, subwords"), "night_gain": (stream, night)}
    for key, (a, b) in pairs.items():
        value = answer.as_pair(record[key], f"`{key}`")
        expected = metrics.difference(truth, answers[a], answers[b])
        hints = {f"`{key}` has its sign turned: it is {b}, minus {a}.": (-expected.high, -expected.low)}
        otherwise = f"`{key}` is not the paired 95 % interval of the accuracy of {b}, minus that of {a}."
        compare(value, (expected.low, expected.high), hints, otherwise, 0.006)
    yield "character n-grams are clearly better than words"
    yield "and the cost of the speed is measured"


# Intervals of a difference, a margin, and what they say. The first of each pair of lists is the visible test's.
VERDICTS = [
    [(0.037, 0.076, 0.01, "better"), (-0.092, -0.078, 0.01, "worse"), (-0.003, 0.003, 0.01, "equal")],
    [(0.021, 0.047, 0.02, "better"), (-0.018, -0.002, 0.01, "worse"), (-0.006, 0.009, 0.02, "equal")],
]
VERDICTS[0] += [(-0.003, 0.024, 0.01, "undecided"), (0.001, 0.004, 0.01, "equal"), (-0.031, 0.008, 0.01, "undecided")]
VERDICTS[1] += [(-0.041, 0.012, 0.02, "undecided"), (-0.008, -0.001, 0.01, "equal"), (0.001, 0.024, 0.01, "better")]


@item
def verdict(answer: Answer, seed: int = 0) -> Iterator[str]:
    """Takes the ends of an interval and a margin; returns "better", "worse", "equal" or "undecided"."""
    for low, high, margin, expected in VERDICTS[bool(seed)]:
        value = answer(low, high, margin)
        words = ("better", "worse", "equal", "undecided")
        if not isinstance(value, str) or value not in words:
            raise CheckFailed(f"Return one of {', '.join(map(repr, words))}; yours is {short(value)}.")
        if value == expected:
            continue
        where = f"[{low:+.3f}, {high:+.3f}] with a margin of {margin}: "
        hints = {
            ("equal", "undecided"): "it holds zero, and also differences beyond the margin. Few rows are no proof of "
            "equality: the interval says that we cannot tell.",
            ("undecided", "equal"): "whatever the true difference in there is, it is too small to matter. Hold both "
            "ends against the margin.",
            ("better", "equal"): "it leaves out zero, but the whole of it lies inside the margin: too small to matter.",
            ("worse", "equal"): "it leaves out zero, but the whole of it lies inside the margin: too small to matter.",
            ("undecided", "better"): "the whole of it lies above zero, and some of it beyond the margin.",
            ("undecided", "worse"): "the whole of it lies below zero, and some of it beyond the margin.",
            ("better", "worse"): "all of it lies below zero. Which model is minus which?",
            ("worse", "better"): "all of it lies above zero. Which model is minus which?",
        }
        otherwise = f"this is {expected!r}; yours is {value!r}. Go through the four cases in their order."
        raise CheckFailed(where + hints.get((value, expected), otherwise))
    yield "better, worse, equal and undecided told apart"
