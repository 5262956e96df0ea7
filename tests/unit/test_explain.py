"""Attention and attributions on the real encoder: shapes, sums, and what an explanation must satisfy."""

import sys

import numpy as np
import pytest
import tiny_models
import torch

from textclf_lesson import data
from textclf_lesson.evaluate import explain
from textclf_lesson.models.transformer import TransformerClassifier
from textclf_lesson.plots import attention, charts, explorer

SENTENCE = "An unfilmable, never boring story."


@pytest.fixture(scope="module")
def classifier():
    """A classifier that has learned a little: how the tools work does not depend on how well it reads."""
    few = data.load("movie-snippets")["train"].shuffle(seed=0).select(range(200))
    return TransformerClassifier(epochs=1, max_length=32, learning_rate=2e-4).fit(*data.columns(few))


@pytest.fixture(scope="module")
def seen(classifier):
    return explain.attention(classifier.model_, classifier.tokenizer_, SENTENCE)


@pytest.fixture(scope="module")
def texts():
    sentences = data.load("movie-snippets")["validation"].shuffle(seed=0)["text"]
    return [text for text in sentences if 8 <= len(text.split()) <= 16][:6]


# --- attention --------------------------------------------------------------------------------------------------------


def test_shares_of_every_layer_and_head(seen):
    assert seen.tokens == ["[CLS]", "an", "un", "##film", "##able", ",", "never", "boring", "story", ".", "[SEP]"]
    assert seen.special == [True] + [False] * 9 + [True]
    assert seen.weights.shape == (6, 12, 11, 11) and seen.weights.dtype == np.float32
    np.testing.assert_allclose(seen.weights.sum(axis=3), 1, atol=1e-5)


def test_rows_look_and_columns_are_looked_at(seen):
    """Head 2 of the first layer reads the token before: the entries below the diagonal, not those above."""
    at = np.arange(1, 11)
    assert seen.weights[0, 2, at, at - 1].mean() > 0.9 > 0.1 > seen.weights[0, 2, at - 1, at].mean()


def test_the_model_computes_as_before(classifier):
    inputs = classifier.tokenizer_(SENTENCE, return_tensors="pt")
    before = classifier.model_.config._attn_implementation
    with torch.inference_mode():
        logits = classifier.model_(**inputs).logits
        explain.attention(classifier.model_, classifier.tokenizer_, SENTENCE)
        assert classifier.model_.config._attn_implementation == before
        torch.testing.assert_close(classifier.model_(**inputs).logits, logits)


def test_pieces_become_words(seen):
    words = seen.words()
    assert words.tokens == ["[CLS]", "an", "unfilmable", ",", "never", "boring", "story", ".", "[SEP]"]
    np.testing.assert_allclose(words.weights.sum(axis=3), 1, atol=1e-5)
    np.testing.assert_allclose(words.weights[1, 3, 1, 2], seen.weights[1, 3, 1, 2:5].sum(), rtol=1e-5)
    np.testing.assert_allclose(words.weights[1, 3, 2, 1], seen.weights[1, 3, 2:5, 1].mean(), rtol=1e-5)


def test_special_tokens_can_be_left_out(seen):
    content = seen.content()
    assert content.tokens == seen.tokens[1:-1] and not any(content.special)
    np.testing.assert_array_equal(content.weights, seen.weights[:, :, 1:-1, 1:-1])


def test_rollout_shares_out_one(seen):
    np.testing.assert_allclose(seen.rollout().sum(axis=1), 1, atol=1e-5)
    half = (seen.weights[0].mean(axis=0) + np.eye(11)) / 2
    one_layer = explain.Attention(seen.weights[:1], seen.tokens, seen.special)
    np.testing.assert_allclose(one_layer.rollout(), half, atol=1e-6)


def test_a_long_text_is_truncated_with_a_mark(classifier, capfd):
    shortened = explain.attention(classifier.model_, classifier.tokenizer_, "good film " * 300, max_length=8)
    assert shortened.tokens == ["[CLS]", "good", "film", "good", "film", "good", "film", explain.MARK, "[SEP]"]
    assert (
        shortened.weights.shape[2:] == (9, 9)
        and not shortened.weights[:, :, 7].any()
        and not shortened.weights[..., 7].any()
    )
    assert capfd.readouterr().err == ""
    whole = explain.attention(classifier.model_, classifier.tokenizer_, "good film good", max_length=8)
    assert explain.MARK not in whole.tokens


@pytest.mark.parametrize("text", ["", "  ", None, 3])
def test_a_text_that_is_none_is_refused(classifier, text):
    with pytest.raises((TypeError, ValueError)):
        explain.attention(classifier.model_, classifier.tokenizer_, text)


# --- attributions -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", explain.METHODS)
def test_a_score_for_each_token_but_the_special_ones(classifier, texts, method):
    for text, scores in zip(texts, explain.attributions(classifier, texts, method), strict=True):
        assert len(scores) == len(classifier.tokenizer_(text)["input_ids"])
        assert np.isneginf(scores[[0, -1]]).all() and np.isfinite(scores[1:-1]).all()


def test_occlusion_is_the_loss_of_probability(classifier):
    text = "never boring"
    scores = explain.attributions(classifier, [text], "occlusion")[0]
    whole, without = classifier.predict_proba([text, "never [MASK]"])
    assert scores[2] == pytest.approx(whole.max() - without[whole.argmax()], abs=1e-5)


def test_gradients_add_up_to_what_the_words_did(classifier, texts):
    """Completeness (Sundararajan et al. 2017): the scores sum to the logit's distance from that of the masks."""
    text = texts[0]
    scores = explain.attributions(classifier, [text], "gradients")[0]
    masks = " ".join(["[MASK]"] * np.isfinite(scores).sum())
    with_words, without = classifier.logits([text, masks])
    predicted = with_words.argmax()
    assert scores[1:-1].sum() == pytest.approx(with_words[predicted] - without[predicted], rel=0.2, abs=0.05)


def test_deletion_begins_at_the_prediction_and_ends_at_nothing_left(classifier, texts):
    scores = explain.attributions(classifier, texts, "random")
    curves = explain.deletion(classifier, texts, scores, [0, 1])
    assert curves.shape == (len(texts), 2)
    np.testing.assert_allclose(curves[:, 0], classifier.predict_proba(texts).max(axis=1), atol=1e-4)
    worst = explain.deletion(
        classifier, texts, [-score for score in explain.attributions(classifier, texts, "occlusion")], [0.3]
    )
    best = explain.deletion(classifier, texts, explain.attributions(classifier, texts, "occlusion"), [0.3])
    assert best.mean() < worst.mean()


def test_an_unknown_method_is_named(classifier):
    with pytest.raises(ValueError, match="choose one of attention, rollout"):
        explain.attributions(classifier, [SENTENCE], "magic")


# --- pictures ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def shown(monkeypatch):
    """The alt texts of what was shown, after the checks of `plots.show`."""
    alts, show = [], charts.show
    monkeypatch.setattr(charts, "show", lambda fig, alt: (alts.append(alt), show(fig, alt)))
    return alts


def test_every_picture_says_what_it_shows(seen, shown):
    attention.plot_attention(seen, 0, 2)
    attention.plot_lines(seen, 0, 2)
    attention.plot_heads(seen)
    attention.attention_explorer(seen.words(), 1, 1)
    assert "layer 0, head 2" in shown[0] and "6 layers by 12 heads" in shown[2] and len(shown) == 4


def test_the_explorer_has_sliders_where_they_can_be_moved(seen, monkeypatch):
    displayed = []
    monkeypatch.setenv("TEXTCLF_STATIC", "0")
    monkeypatch.setattr(explorer, "show", lambda fig, alt, box: displayed.append(box))
    attention.attention_explorer(seen, 1, 4)
    picture, layer, _, head, number, sentence = displayed[0].children
    assert (layer.value, layer.max, head.value, head.max) == (1, 5, 4, 11)
    number.value = 7  # the field, which the keyboard and a screen reader use
    assert head.value == 7 and "layer 1, head 7" in sentence.value and 'role="status"' in sentence.value
    assert "Heat map of layer 1, head 7." in picture.value


def test_without_widgets_the_explorer_shows_its_one_picture(seen, shown, monkeypatch):
    monkeypatch.setenv("TEXTCLF_STATIC", "0")
    monkeypatch.setitem(sys.modules, "ipywidgets", None)  # importing it now fails, as where it is not installed
    attention.attention_explorer(seen, 1, 4)
    assert len(shown) == 1 and "layer 1, head 4" in shown[0]


def test_heads_are_counted_once_each(seen):
    kinds = attention.head_kinds(seen)
    assert sum(kinds.values()) == 72 and kinds["at the token before"] >= 1


@pytest.mark.parametrize(("layer", "head"), [(6, 0), (0, 12), (-1, 0)])
def test_a_head_that_is_not_there_is_told(seen, layer, head):
    with pytest.raises(IndexError, match="layers are 0 to 5, heads 0 to 11"):
        attention.plot_attention(seen, layer, head)


# --- other architectures, several labels, sentinels -------------------------------------------------------------------


@pytest.fixture(scope="module", params=["byte_level", "sentence_piece"])
def foreign(request, tmp_path_factory):
    """A classifier of three labels, each with its own probability, of RoBERTa's architecture."""
    tokenizer = getattr(tiny_models, request.param)()
    folder = tiny_models.saved(tmp_path_factory.mktemp("foreign"), "Roberta", ["a", "b", "c"], tokenizer, multi=True)
    return TransformerClassifier.load(folder).set_params(max_length=32)


def test_words_are_those_of_the_tokeniser(foreign):
    text = "An unfilmable, never  boring story\u2026 \N{CLAPPER BOARD} na\u00efve"
    seen = explain.attention(foreign.model_, foreign.tokenizer_, text, 64)
    words = seen.words()
    assert len(seen.tokens) > len(words.tokens) and seen.truncated_at is None
    joined = [word for word in words.content().tokens if word.strip("\u2581\u0120")]
    assert "".join(joined) == "".join(text.split())
    assert {"An", "boring", "na\u00efve"} <= {*joined}, "a word is one piece again, spelt as in the text"
    np.testing.assert_allclose(words.weights.sum(axis=3), 1, atol=1e-5)
    assert words.content().tokens == seen.content().words().tokens


@pytest.mark.parametrize("text", ["good \u2026 film", "\u2026", "good film \u2026"])
def test_an_ellipsis_in_the_text_is_a_token_as_others(classifier, foreign, text):
    for model in (classifier, foreign):
        for method in ("attention", "rollout", "random", "occlusion"):
            (scores,) = explain.attributions(model, [text], method, label=model.classes_[0])
            assert len(scores) == len(model.tokenizer_(text)["input_ids"])
            assert np.isfinite(scores[1:-1]).all()
    seen = explain.attention(classifier.model_, classifier.tokenizer_, text)
    assert seen.truncated_at is None and explain.MARK in seen.words().content().tokens
    assert sum(attention.head_kinds(seen).values()) == 72


def test_the_mark_of_a_truncated_text_is_told_from_its_own_ellipses(classifier):
    seen = explain.attention(classifier.model_, classifier.tokenizer_, "good \u2026 film " * 40, max_length=8)
    assert seen.tokens[seen.truncated_at] == explain.MARK and seen.tokens.count(explain.MARK) == 3
    words = seen.words()
    assert words.tokens[words.truncated_at] == explain.MARK and not words.weights[:, :, words.truncated_at].any()
    assert words.content().truncated_at is None and words.content().tokens.count(explain.MARK) == 2
    (scores,) = explain.attributions(classifier, ["good \u2026 film " * 40], "attention")
    assert len(scores) == classifier.max_length


def test_of_several_labels_one_must_be_named_and_is_explained_by_its_own_probability(foreign):
    text = "good film"
    for method in ("occlusion", "gradients"):
        with pytest.raises(ValueError, match=r"say which to explain, label='a', of \['a', 'b', 'c'\]"):
            explain.attributions(foreign, [text], method)
        with pytest.raises(ValueError, match="'d', which is not in the set"):
            explain.attributions(foreign, [text], method, label="d")
    ids = foreign.tokenizer_(text)["input_ids"]
    for at, label in enumerate("abc"):
        (scores,) = explain.attributions(foreign, [text], "occlusion", label=label)
        masked = [*ids[:2], foreign.tokenizer_.mask_token_id, *ids[3:]]
        with torch.inference_mode():
            whole, without = foreign.model_(torch.tensor([ids, masked])).logits.sigmoid()[:, at].tolist()
        assert scores[2] == pytest.approx(whole - without, abs=1e-6) and np.any(scores[1:-1] != 0)
        curve = explain.deletion(foreign, [text], [scores], [0, 1], label=label)
        assert curve[0, 0] == pytest.approx(foreign.predict_proba([text])[0, at], abs=1e-5)
    with pytest.raises(ValueError, match="say which to explain"):
        explain.deletion(foreign, [text], [scores], [0, 1])


def test_a_single_label_with_its_own_probability_needs_no_name(tmp_path):
    only = TransformerClassifier.load(tiny_models.saved(tmp_path, "Roberta", ["toxic"], multi=True))
    (scores,) = explain.attributions(only.set_params(max_length=32), ["good film"], "occlusion")
    assert np.any(scores[1:-1] != 0)


def test_another_class_than_the_predicted_can_be_asked_for(classifier):
    first, second = (
        explain.attributions(classifier, [SENTENCE], "occlusion", label=name)[0][1:-1] for name in classifier.classes_
    )
    np.testing.assert_allclose(first, -second, atol=1e-5)


def test_a_model_without_a_mask_is_told_in_a_sentence(tmp_path):
    tokenizer = tiny_models.byte_level(mask_token=None)
    model = TransformerClassifier.load(tiny_models.saved(tmp_path, "Roberta", ["a", "b"], tokenizer))
    model.set_params(max_length=32)
    for call in (
        lambda: explain.attributions(model, ["good film"], "occlusion"),
        lambda: explain.attributions(model, ["good film"], "gradients"),
        lambda: explain.deletion(model, ["good film"], [[0.0] * 4], [0.5]),
    ):
        with pytest.raises(ValueError, match="has no mask token"):
            call()
    assert len(explain.attributions(model, ["good film"], "attention")) == 1


@pytest.mark.parametrize("kind", ["FNet", "Bart"])
def test_a_model_that_gives_no_attention_away_says_so(tmp_path, kind):
    model = TransformerClassifier.load(tiny_models.saved(tmp_path, kind, ["a", "b"]))
    with pytest.raises(ValueError, match=f"A {kind}ForSequenceClassification returns no attention"):
        explain.attention(model.model_, model.tokenizer_, "good film", 32)


@pytest.mark.parametrize(
    ("texts", "scores", "shares", "message"),
    [
        (["good film"], [np.zeros(3)], [0.5], "3 scores for 4 tokens"),
        (["good film"], [], [0.5], "1 texts need as many scores, not 0"),
        (["good film"], [np.zeros(4)], [1.5], "shares from 0 to 1"),
        ([""], [np.zeros(2)], [0.5], "blank"),
    ],
)
def test_scores_that_do_not_fit_are_refused(classifier, texts, scores, shares, message):
    with pytest.raises(ValueError, match=message):
        explain.deletion(classifier, texts, scores, shares)


def test_half_of_a_pair_is_read_as_in_training(classifier):
    assert explain.attributions(classifier, ["good \ud83d film"], "random")[0].shape == (5,)
    assert "?" in explain.attention(classifier.model_, classifier.tokenizer_, "good \ud83d film").tokens
