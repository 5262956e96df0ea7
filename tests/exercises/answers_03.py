"""Answers to the items of lesson 3."""

import random
import re

from sklearn.metrics import f1_score

from tests.exercises.answers import right, wrong
from textclf_lesson.check import ex03 as items
from textclf_lesson.evaluate import metrics
from textclf_lesson.models import baselines
from textclf_lesson.models.fasttext import FastTextClassifier


@wrong("letter_ngrams", "marks < and > to the word first")
def without_marks(word, minn, maxn):
    return [word[i : i + n] for n in range(minn, maxn + 1) for i in range(len(word) - n + 1)]


@wrong("letter_ngrams", "`range` stops before its end")
def stops_before_maxn(word, minn, maxn):
    word = f"<{word}>"
    return [word[i : i + n] for n in range(minn, maxn) for i in range(len(word) - n + 1)]


@wrong("letter_ngrams", "the last position where n letters can begin")
def loses_the_last_of_each(word, minn, maxn):
    word = f"<{word}>"
    return [word[i : i + n] for n in range(minn, maxn + 1) for i in range(len(word) - n)]


@wrong("letter_ngrams", "one length only")
def one_length(word, minn, maxn):
    word = f"<{word}>"
    return [word[i : i + minn] for i in range(len(word) - minn + 1)]


@wrong("letter_ngrams", "A mark alone")
def marks_alone(word, minn, maxn):
    word = f"<{word}>"
    return [word[i : i + n] for n in range(minn, maxn + 1) for i in range(len(word) - n + 1)]


@wrong("letter_ngrams", "different: '<st' is missing")
def letters_of_the_word(word, minn, maxn):
    return list(word)


@right("letter_ngrams")
def asks_fasttext_itself(word, minn, maxn):
    model = FastTextClassifier(dim=2, bucket=1000, minn=minn, maxn=maxn).fit(["a gem", "a bore"], [1, 0])
    return model.subwords(word)


@wrong("training_lines", "became two lines")
def text_as_it_is(texts, labels):
    return [f"__label__{label} {text.lower()}" for text, label in zip(texts, labels, strict=True)]


@wrong("training_lines", "A reviewer wrote")
def believes_the_writer(texts, labels):
    rows = [f"__label__{label} {' '.join(text.lower().split())}" for text, label in zip(texts, labels, strict=True)]
    return random.sample(rows, len(rows))


@wrong("training_lines", "A line begins with")
def label_without_its_prefix(texts, labels):
    return [f"{label} {' '.join(text.lower().split())}" for text, label in zip(texts, labels, strict=True)]


@wrong("training_lines", "upper case")
def case_left(texts, labels):
    rows = [
        f"__label__{label} {' '.join(text.replace('__', ' ').split())}"
        for text, label in zip(texts, labels, strict=True)
    ]
    return random.sample(rows, len(rows))


@wrong("training_lines", "still sorted by label")
def in_the_order_given(texts, labels):
    return [
        f"__label__{label} {' '.join(text.lower().replace('__', ' ').split())}"
        for text, label in zip(texts, labels, strict=True)
    ]


@wrong("training_lines", "have another text's label")
def labels_shuffled_apart(texts, labels):
    random.seed(0)
    random.shuffle(labels)
    return [
        f"__label__{label} {' '.join(text.lower().replace('__', ' ').split())}"
        for text, label in zip(texts, labels, strict=True)
    ]


@wrong("training_lines", "lines for 200 texts")
def no_text_twice_no_trouble(texts, labels):
    rows = zip(texts, labels, strict=True)
    return [f"__label__{label} {' '.join(text.lower().split())}" for text, label in rows if "__label__" not in text]


@right("training_lines")
def words_by_a_pattern(texts, labels):
    rows = list(zip(texts, labels, strict=True))
    random.Random(5).shuffle(rows)
    words = [re.findall(r"[^\W_]+|[^\w\s]", text.lower()) for text, _ in rows]
    return [" ".join([f"__label__{label}", *some]) + "\n" for some, (_, label) in zip(words, rows, strict=True)]


def _fitted(lr, epoch, texts, labels):
    return FastTextClassifier(lr=lr, epoch=epoch, dim=10).fit(texts, labels)


@wrong("repair", "it still improves")
def the_default(texts, labels, held_texts, held_labels):
    return {"lr": 0.1, "epoch": 5, "accuracy": _fitted(0.1, 5, texts, labels).score(held_texts, held_labels)}


@wrong("repair", "are more than enough")
def passes_alone(texts, labels, held_texts, held_labels):
    return {"lr": 0.001, "epoch": 2000, "accuracy": 0.7}


@wrong("repair", "training diverges")
def steps_too_large(texts, labels, held_texts, held_labels):
    return {"lr": 50, "epoch": 15, "accuracy": 0.7}


@wrong("repair", "on the training rows")
def judged_on_training_rows(texts, labels, held_texts, held_labels):
    return {"lr": 0.5, "epoch": 15, "accuracy": _fitted(0.5, 15, texts, labels).score(texts, labels)}


@wrong("repair", "not what a model of dim=10")
def longer_vectors(texts, labels, held_texts, held_labels):
    return {"lr": 0.5, "epoch": 15, "accuracy": 0.9}


@right("repair")
def by_hand(texts, labels, held_texts, held_labels):
    answers = _fitted(0.8, 20, texts, labels).predict(held_texts)
    return {"lr": 0.8, "epoch": 20.0, "accuracy": (answers == held_labels).mean()}


def _cost(model, small, texts, truth, metric="macro_f1"):
    loss = metrics.difference(truth, model.predict(texts), small.predict(texts), metric)
    return {"mb": baselines.size_bytes(small) / 1e6, "low": loss.low, "high": loss.high}


@wrong("shrink_cost", "pass `cutoff` on")
def keeps_all_words(model, cutoff, texts, truth):
    return _cost(model, model.quantize(), texts, truth)


@wrong("shrink_cost", "as it was")
def size_of_the_large_one(model, cutoff, texts, truth):
    small = model.quantize(cutoff=cutoff)
    return _cost(model, small, texts, truth) | {"mb": baselines.size_bytes(model) / 1e6}


@wrong("shrink_cost", "in bytes")
def bytes_for_megabytes(model, cutoff, texts, truth):
    small = model.quantize(cutoff=cutoff)
    return _cost(model, small, texts, truth) | {"mb": baselines.size_bytes(small)}


@wrong("shrink_cost", "How many do you use?")
def on_three_texts(model, cutoff, texts, truth):
    return _cost(model, model.quantize(cutoff=cutoff), texts[:3], truth[:3])


@wrong("shrink_cost", "on the *same* draws")
def two_intervals_apart(model, cutoff, texts, truth):
    small = model.quantize(cutoff=cutoff)
    before, after = (metrics.interval(truth, m.predict(texts), "macro_f1") for m in (model, small))
    return _cost(model, small, texts, truth) | {"low": after[0] - before[1], "high": after[1] - before[0]}


@wrong("shrink_cost", "of the *accuracy*")
def accuracy_for_macro(model, cutoff, texts, truth):
    return _cost(model, model.quantize(cutoff=cutoff), texts, truth, "accuracy")


@wrong("shrink_cost", "The sign is turned")
def large_minus_small(model, cutoff, texts, truth):
    small = model.quantize(cutoff=cutoff)
    return _cost(small, model, texts, truth) | {"mb": baselines.size_bytes(small) / 1e6}


@right("shrink_cost")
def a_bootstrap_of_ones_own(model, cutoff, texts, truth):
    import numpy as np

    small, rng = model.quantize(cutoff=cutoff), np.random.default_rng(7)
    before, after = model.predict(texts), small.predict(texts)
    draws = rng.integers(0, len(truth), size=(500, len(truth)))
    scores = [[f1_score(truth[d], predictions[d], average="macro") for predictions in (before, after)] for d in draws]
    low, high = np.quantile(np.diff(scores, axis=1), [0.025, 0.975])
    return {"mb": round(baselines.size_bytes(small) / 1e6, 3), "low": low, "high": high}


def _decision(night="TF-IDF, subwords", stream="fastText, subwords", turn=1):
    truth, predictions = items._shop()
    found = {}
    pairs = {"subwords_gain": ("fastText, words", "fastText, subwords"), "night_gain": (stream, night)}
    for key, (a, b) in pairs.items():
        gain = metrics.difference(truth, predictions[a], predictions[b])
        found[key] = (gain.low, gain.high) if turn == 1 else (-gain.high, -gain.low)
    return {"night": night, "stream": stream, **found}


@wrong("level_for_the_shop", "nobody waits")
def fast_at_night_too():
    return _decision(night="fastText, subwords")


@wrong("level_for_the_shop", "leave 200 µs for each")
def most_accurate_everywhere():
    return _decision(stream="TF-IDF, subwords")


@wrong("level_for_the_shop", "what is a 'word' to fastText")
def quickest_of_all():
    return _decision(stream="fastText, words")


@wrong("level_for_the_shop", "sign turned")
def stream_minus_night():
    return _decision(turn=-1)


@wrong("level_for_the_shop", "two numbers, (low, high)")
def a_difference_without_its_interval():
    return _decision() | {"night_gain": 0.025}


@right("level_for_the_shop")
def rounded_to_thousandths():
    return {key: value if isinstance(value, str) else [round(end, 3) for end in value]
            for key, value in _decision().items()}  # fmt: skip


@wrong("verdict", "Few rows are no proof of equality")
def equal_if_it_holds_zero(low, high, margin):
    return "better" if low > 0 else "worse" if high < 0 else "equal"


@wrong("verdict", "Hold both ends against the margin")
def nothing_is_equal(low, high, margin):
    return "better" if low > 0 else "worse" if high < 0 else "undecided"


@wrong("verdict", "too small to matter")
def zero_before_the_margin(low, high, margin):
    if low > 0 or high < 0:
        return "better" if low > 0 else "worse"
    return "equal" if -margin < low and high < margin else "undecided"


@wrong("verdict", "Return one of 'better'")
def yes_or_no(low, high, margin):
    return low > 0


@right("verdict")
def by_the_larger_end(low, high, margin):
    if max(-low, high) < margin:
        return "equal"
    return {(True, True): "better", (False, False): "worse"}.get((low > 0, high > 0), "undecided")


@right("verdict", seed=3)
def asks_the_difference_itself(low, high, margin):
    difference = metrics.Difference((low + high) / 2, low, high)
    if difference.within(margin):
        return "equal"
    return ("better" if low > 0 else "worse") if difference.clear else "undecided"


@wrong("quiz", "the best of many tries is partly luck", lesson="03")
def reports_the_best_try():
    return {"default": "c", "autotune": "b", "subwords": "b", "threads": "b", "rival": "b"}


@wrong("quiz", "Longer vectors leave", lesson="03")
def longer_vectors_first():
    return {"default": "a", "autotune": "a", "subwords": "b", "threads": "b", "rival": "b"}


@right("quiz", lesson="03")
def capital_letters():
    return {"default": "C", "autotune": "A", "subwords": "B", "threads": "B", "rival": "B"}
