"""Attacks and defence on real comments; the table of failures on a real model and on rules whose failures are known."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from textclf_lesson import data
from textclf_lesson.evaluate import robustness
from textclf_lesson.evaluate.robustness import ATTACKS, attack, failure_table, is_rude, plain
from textclf_lesson.models import baselines


@pytest.fixture(scope="module")
def comments():
    rows = data.load("wiki-toxicity")["train"].shuffle(seed=0).select(range(1500))
    return rows["text"][:], rows["toxic"][:]


@pytest.fixture(scope="module")
def rude(comments):
    """Comments with a word that `data.mask` knows."""
    return [text for text in comments[0] if data.mask(text) != text]


def test_real_comments_are_attacked_and_clean_ones_left_alone(comments, rude):
    assert len(rude) > 300
    for text in comments[0][:300]:
        for kind in ATTACKS:
            assert (attack(kind, text) != text) <= (data.mask(text) != text)


@pytest.mark.parametrize("kind", ATTACKS)
def test_an_attack_hides_the_words_from_the_list(kind, rude):
    changed = [(text, attack(kind, text)) for text in rude]
    hidden = [sum(map(is_rude, robustness._WORD.findall(new))) < sum(map(is_rude, robustness._WORD.findall(old)))
              for old, new in changed if old != new]  # fmt: skip
    assert len(hidden) > 0.9 * len(rude) and np.mean(hidden) > 0.9


@pytest.mark.parametrize("kind", ATTACKS)
def test_the_defence_undoes_the_attack(kind, rude):
    attacked = [(text, attack(kind, text)) for text in rude if attack(kind, text) != text]
    restored = [data.normalise(plain(new)) == data.normalise(plain(old)) for old, new in attacked]
    assert np.mean(restored) > 0.8


def test_the_defence_leaves_clean_comments_alone(comments):
    clean = [text for text, toxic in zip(*comments, strict=True) if not toxic]
    changed = [text for text in clean if data.normalise(plain(text)) != data.normalise(text)]
    assert len(changed) < 0.02 * len(clean)


@pytest.mark.parametrize(
    "text", ["a b c", "3d and 2nd", "v 1 0", "very few have 5 stars * * *", "Это по-русски", "f(x*y)"]
)
def test_what_looks_like_an_attack_and_is_none(text):
    assert plain(text) == text


@given(st.text(max_size=80))
def test_any_text_passes(text):
    for kind in ATTACKS:
        attack(kind, text)
    assert plain(plain(text)) == plain(text) or len(text) > 0


def test_the_table_counts_what_rules_get_wrong(comments):
    texts, labels = comments

    def list_of_words(texts):
        return [int(data.mask(text) != text) for text in texts]

    table = failure_table(list_of_words, texts, labels)
    assert table.loc[("invariance", "leetspeak"), "rate"] > 0.5
    assert table.loc[("invariance", "friendly words appended"), "failures"] == 0
    assert table.loc[("invariance", "after 128 tokens"), "failures"] == 0
    assert table.loc[("refusal", "blank text"), "failures"] == 3
    defended = failure_table(lambda texts: list_of_words(map(plain, texts)), texts, labels)
    assert defended.loc["invariance", "rate"].max() < 0.3
    always = failure_table(lambda texts: [1] * len(texts), texts, labels)
    assert always.loc[("direction", "an insult denied"), "rate"] == 1
    assert always.loc[("direction", "other languages"), "rate"] == 0
    assert (table["low"] <= table["rate"]).all() and (table["rate"] <= table["high"]).all()


def test_a_real_model_has_failures_and_refuses_blank_texts(comments):
    texts, labels = comments
    model = baselines.pipeline("tfidf").fit(texts, labels)
    table = failure_table(model.predict, texts, labels)
    assert table.loc[("refusal", "blank text"), "failures"] == 0
    assert table.loc[("invariance", "leetspeak"), "failures"] > 0
    assert table.loc[("direction", "an insult denied"), "rate"] > 0.5, "a bag of words knows no negation"
    assert table["cases"].min() >= 3


def test_a_model_that_reads_128_tokens_does_not_see_what_comes_after(comments):
    texts, labels = comments

    def short_sighted(texts):
        return [int(data.mask(cut) != cut) for cut in (" ".join(text.split()[:128]) for text in texts)]

    table = failure_table(short_sighted, texts, labels)
    assert table.loc[("invariance", "after 128 tokens"), "rate"] > 0.9


def test_every_cause_that_was_read_is_of_a_harmless_comment():
    wiki = data.load("wiki-toxicity")
    read = [
        (cause, row["toxic"])
        for split in ("test", "test_natural")
        for row, cause in zip(wiki[split], robustness.causes(wiki[split]["text"]), strict=True)
        if cause != "not read"
    ]
    assert len(read) > 150 and not any(toxic for _, toxic in read)
    assert {"quarrel without insult", "identity mention", "denial", "other"} < {cause for cause, _ in read}
    assert robustness.causes(["A text that nobody has read."]) == ["not read"]


def test_bad_input_is_named():
    with pytest.raises(ValueError, match="no attack 'rot13'"):
        attack("rot13", "text")
    with pytest.raises(ValueError, match="3 texts but 2 labels"):
        failure_table(lambda texts: [0] * len(texts), ["a", "b", "c"], [0, 1])
    with pytest.raises(ValueError, match="label 2"):
        failure_table(lambda texts: [0] * len(texts), ["a", "b", "c"], [0, 1, 2])


@pytest.mark.parametrize(
    ("predict", "message"),
    [
        (lambda texts: [0.7] * len(texts), "must return 0 or 1"),
        (lambda texts: ["toxic"] * len(texts), "must return 0 or 1"),
        (lambda texts: [[0, 1]] * len(texts), "must return 0 or 1"),
        (lambda texts: [1], "must return 0 or 1"),
        (lambda texts: 1, "must return 0 or 1"),
    ],
)
def test_what_is_no_verdict_is_refused(predict, message):
    """A probability of 0.1 would count as a yes, and a name too."""
    with pytest.raises((ValueError, TypeError), match=message):
        robustness.failure_table(predict, ["You are an idiot!", "Have a lovely day."], [1, 0])
