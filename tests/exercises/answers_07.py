"""Answers to the items of lesson 7."""

import random

import numpy as np
from sklearn.model_selection import train_test_split

from tests.exercises.answers import right, wrong
from textclf_lesson.check import ex07 as items


@wrong("replaced", "not each word with a probability")
def a_chance_for_each_word(words, share, synonyms, seed):
    rng = random.Random(seed)
    return [rng.choice(synonyms(w)) if synonyms(w) and rng.random() < 2 * share else w for w in words]


@wrong("replaced", "Draw among the words that *have* synonyms")
def draws_stop_words_too(words, share, synonyms, seed):
    rng, new = random.Random(seed), list(words)
    for at in rng.sample(range(len(words)), max(1, int(share * len(words)))):
        new[at] = rng.choice(synonyms(words[at]) or [words[at]])
    return new


@wrong("replaced", "the same word changes")
def always_the_first_words(words, share, synonyms, seed):
    rng, new = random.Random(seed), list(words)
    able = [at for at, word in enumerate(words) if synonyms(word)]
    for at in able[: max(1, int(share * len(words)))]:
        new[at] = rng.choice(synonyms(words[at]))
    return new


@wrong("replaced", "always gets the same synonym")
def always_the_first_synonym(words, share, synonyms, seed):
    rng, new = random.Random(seed), list(words)
    able = [at for at, word in enumerate(words) if synonyms(word)]
    for at in rng.sample(able, min(len(able), max(1, int(share * len(words))))):
        new[at] = synonyms(words[at])[0]
    return new


@wrong("replaced", "The same seed gives different texts")
def without_a_seed(words, share, synonyms, seed):
    return in_random_order(words, share, synonyms, None)


@wrong("replaced", "not one of its synonyms")
def any_synonym_anywhere(words, share, synonyms, seed):
    rng, new = random.Random(seed), list(words)
    able = [word for word in words if synonyms(word)]
    new[rng.randrange(len(words))] = rng.choice(synonyms(rng.choice(able)))
    return new


@right("replaced")
def in_random_order(words, share, synonyms, seed):
    rng, left, new = np.random.default_rng(seed), max(1, int(share * len(words))), list(words)
    for at in rng.permutation(len(words)):
        choices = synonyms(words[at])
        if left and choices:
            new[at], left = str(rng.choice(choices)), left - 1
    return tuple(new)


@wrong("read_variants", "what could the fans do before")
def all_kept():
    return ["kept"] * 6


@wrong("read_variants", "Is that half still there")
def all_flipped():
    return ["flipped"] * 6


@right("read_variants")
def as_a_tuple():
    return tuple(verdict for _, verdict, _ in items.READING)


def _enlarged(texts, labels, augment):
    pairs = [(new, y) for text, y in zip(texts, labels, strict=True) for new in [text, *augment(text)]]
    return [list(column) for column in zip(*pairs, strict=True)]


def _split(*lists):
    return train_test_split(*lists, test_size=0.2, random_state=1)


@wrong("augmented_split", "Which comes first, splitting or augmenting?")
def augments_first(texts, labels, augment):
    learn, test, y, y_test = _split(*_enlarged(texts, labels, augment))
    return learn, y, test, y_test


@wrong("augmented_split", "The test holds variants")
def augments_both_sides(texts, labels, augment):
    learn, test, y, y_test = _split(texts, labels)
    return (*_enlarged(learn, y, augment), *_enlarged(test, y_test, augment))


@wrong("augmented_split", "Test rows were augmented too")
def augments_all_and_throws_away(texts, labels, augment):
    made = {text: augment(text) for text in texts}
    learn, test, y, y_test = _split(texts, labels)
    return (*_enlarged(learn, y, made.get), test, y_test)


@wrong("augmented_split", "a wrong label")
def labels_out_of_step(texts, labels, augment):
    learn, test, y, y_test = _split(texts, labels)
    many = learn + [new for text in learn for new in augment(text)]
    return many, (y * 3)[: len(many)], test, y_test


@wrong("augmented_split", "not as many labels as texts")
def forgets_the_labels(texts, labels, augment):
    learn, test, y, y_test = _split(texts, labels)
    return learn + [new for text in learn for new in augment(text)], y, test, y_test


@wrong("augmented_split", "Is every one of them augmented?")
def augments_nothing(texts, labels, augment):
    learn, test, y, y_test = _split(texts, labels)
    return learn, y, test, y_test


@wrong("augmented_split", "Some sentences are missing")
def variants_only(texts, labels, augment):
    learn, test, y, y_test = _split(texts, labels)
    made = [(new, label) for text, label in zip(learn, y, strict=True) for new in augment(text)]
    return [new for new, _ in made], [label for _, label in made], test, y_test


@right("augmented_split")
def every_fifth(texts, labels, augment):
    kept = [row for row in range(len(texts)) if row % 5]
    many, y = _enlarged([texts[row] for row in kept], [labels[row] for row in kept], augment)
    return np.array(many, dtype=object), np.array(y), texts[::5], labels[::5]


def _decision(do="labels", **changed):
    return {"do": do, "eda": items._gain("few", "EDA"), "labels": items._gain("few", "more")} | changed


@wrong("afternoon", "variants of training sentences?")
def believes_the_colleague():
    return _decision("EDA")


@wrong("afternoon", "Is one of the two intervals")
def does_nothing():
    return _decision("nothing")


@wrong("afternoon", "labels of other rows")
def labels_of_other_rows():
    return _decision(eda=items._gain("few", "out of step"))


@wrong("afternoon", "`labels` has its sign turned")
def other_way_round():
    return _decision(labels=items._gain("more", "few"))


@wrong("afternoon", "is compared with EDA")
def compared_with_each_other():
    return _decision(labels=items._gain("EDA", "more"))


@right("afternoon")
def rounded_by_hand():
    return _decision(eda=[round(end, 3) for end in items._gain("few", "EDA")])


@wrong("quiz", "has a variant of itself in training", lesson="07")
def shuffles_well():
    return {"negation": "b", "mixup": "c", "cosine": "a", "file": "a", "generated": "b"}


@wrong("quiz", "Rounded, the blend would teach", lesson="07")
def rounds_the_label():
    return {"negation": "b", "mixup": "a", "cosine": "a", "file": "c", "generated": "b"}


@right("quiz", lesson="07")
def in_brackets():
    return {"negation": "(b)", "mixup": "(c)", "cosine": "(a)", "file": "(c)", "generated": "(b)"}
