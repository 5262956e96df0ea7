"""What the demo's page is made of: which words decided, and how an attack rewrites them."""

import re

import numpy as np
import pytest

from textclf_lesson import data
from textclf_lesson.deploy.demo import attacks, highlight
from textclf_lesson.deploy.demo.highlight import Span
from textclf_lesson.evaluate import robustness
from textclf_lesson.models import baselines

TEXTS = ["a warm funny film", "warm and moving", "funny", "a dull film", "dull and long", "a bore"]
LABELS = ["positive"] * 3 + ["negative"] * 3


def words(text, spans):
    return {text[span.start : span.end]: span.score for span in spans}


@pytest.mark.parametrize("column", [0, 1])
def test_a_linear_models_words_add_up_to_its_logit(column):
    model = baselines.pipeline("tfidf", "logreg").fit(TEXTS, LABELS)
    text = "Funny, warm; but a DULL dull film."
    spans = highlight.weights(model, text, column)
    logit = float(model.decision_function([text])[0]) - model[-1].intercept_[0]
    assert sum(span.score for span in spans) == pytest.approx(logit * (1 if column else -1))
    found = words(text, spans)
    assert found["DULL"] == found["dull"] != 0 and found["but"] == 0
    assert (found["Funny"] > 0) is bool(column)


def test_a_label_of_several_has_its_own_weights():
    table = np.array([[1, 0], [1, 0], [1, 0], [0, 1], [0, 1], [0, 0]])
    model = baselines.pipeline("tfidf", "logreg", multi_label=True).fit(TEXTS, table)
    one, other = (words("warm dull", highlight.weights(model, "warm dull", column)) for column in (0, 1))
    assert one["warm"] > 0 > one["dull"] and other["dull"] > 0 > other["warm"]


def test_a_word_left_out_is_worth_what_the_probability_loses():
    asked = []

    def predict(texts):
        asked.append(texts)
        return np.array([[0, 0.9 if "bad" in text else 0.2] for text in texts])

    found = words("not bad, is it?", highlight.left_out(predict, "not bad, is it?", 1))
    assert found == pytest.approx({"not": 0, "bad": 0.7, "is": 0, "it": 0})
    assert len(asked) == 1 and "not , is it?" in asked[0]
    assert words("bad", highlight.left_out(predict, "bad", 1)) == {"bad": 0}  # nothing is left to compare with
    assert highlight.left_out(predict, "!?", 1) == []
    assert len(highlight.left_out(predict, "word " * 200, 1)) == highlight.MOST


def test_a_typo_keeps_the_letters_and_the_first_of_them():
    assert attacks.typo("idiot") == "iidot" and attacks.typo("film") == "flim"
    assert attacks.typo("ab") == "ab" and attacks.typo("aooo") == "aooo"


def rude():
    """A rude word, without writing one: the first word of the training comments that the course masks."""
    comments = data.load("wiki-toxicity")["train"]["text"]
    return next(word for text in comments for word in re.findall(r"[a-z]{5,9}", text) if robustness.is_rude(word))


@pytest.mark.parametrize("kind", attacks.SPELLINGS)
def test_rude_words_are_rewritten_and_nothing_of_them_is_shown(kind):
    word = rude()
    text = f"You are one {word}, my friend."
    rewritten = attacks.rewrite(kind, text, [Span(0, 3, 9.0)], "")
    assert rewritten.words == 1 and rewritten.text.startswith("You are one ") and word not in rewritten.text
    for seen in (rewritten, attacks.defend(rewritten)):
        shown = attacks.masked(seen)
        assert len(shown) == len(seen.text)
        hidden = shown.removeprefix("You are one ").partition(", my")[0]
        assert set(hidden[1:]) <= {"*", " "}, "more than the first letter is shown"


def test_where_no_word_is_rude_those_are_rewritten_that_the_model_leans_on():
    text = "What an awful, boring film it is"
    spans = [Span(8, 13, 2.0), Span(15, 21, 1.0), Span(27, 29, 5.0), Span(0, 4, -3.0)]
    rewritten = attacks.rewrite("leetspeak", text, spans, "")
    assert rewritten.text == "What an @wful, b0r1ng film it is" and rewritten.words == 2
    assert attacks.masked(rewritten) == rewritten.text


def test_padding_and_friendly_words_leave_the_sentence_as_it_is():
    assert attacks.rewrite("padding", "A dull film.", [], "so and so").text == "so and so A dull film."
    assert attacks.rewrite("friendly", "A dull film.", [], "").text == "A dull film." + robustness.FRIENDLY


def test_an_unknown_attack_is_told():
    with pytest.raises(ValueError, match=r"There is no attack 'magic'\. There are: typo, leetspeak"):
        attacks.rewrite("magic", "A film.", [], "")
