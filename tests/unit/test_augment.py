"""EDA's operations, mixup and rewriting, on real sentences and with the course's own WordNet and weights."""

import collections
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.exceptions import NotFittedError

from textclf_lesson import data
from textclf_lesson.base.errors import AssetError
from textclf_lesson.training import augment, mixup, paraphrase, wordnet
from textclf_lesson.training.augment import EDA, enlarge
from textclf_lesson.training.wordnet import STOP_WORDS, synonyms

SENTENCE = "This is not a great movie, but the young actors give a charming performance."
OPERATIONS = ("synonyms", "insertions", "swaps", "deletions")


def only(operation: str, share: float = 0.1, seed: int = 0) -> EDA:
    return EDA(seed, **{name: share if name == operation else 0 for name in OPERATIONS})


def words(text: str) -> list[str]:
    return augment._WORD.findall(text)


@pytest.fixture(scope="module")
def movies():
    rows = data.load("movie-snippets")["train"].shuffle(seed=0).select(range(200))
    return rows["text"][:], rows["label"][:]


def test_synonyms_come_from_wordnet_and_are_never_the_word():
    assert {"film", "picture", "flick"} <= set(synonyms("movie"))
    assert "movie" not in synonyms("movie") + synonyms("movies")
    assert synonyms("the") == synonyms("not") == synonyms("qwzx") == ()
    assert not any(name in synonyms("one") for name in ("1", "i"))


def test_nouns_of_the_second_file_are_joined_on_where_the_index_points():
    net = wordnet._wordnet()
    (century,) = net.synsets("twentieth_century", "n")
    assert century.offset() > 7_716_357  # the size of data.noun1
    assert century.hypernyms() == [net.synset("century.n.01")]


@pytest.mark.parametrize(
    ("word", "base"),
    [pair.split() for pair in ("movies movie", "boxes box", "wolves wolf", "amused amuse", "finest fine")],
)
def test_inflected_words_have_the_synonyms_of_their_base_form(word, base):
    of_base = set(synonyms(base)) - {word}
    assert of_base and set(synonyms(word)) & of_base and base not in synonyms(word)


@settings(max_examples=100, deadline=None)
@given(st.one_of(st.text(max_size=20), st.sampled_from(["boxes", "well-known", "better", "children", "a b"])))
def test_whatever_the_word_synonyms_are_sorted_letters_and_never_itself(word):
    found = synonyms(word)
    assert list(found) == sorted(set(found)) and word not in found
    assert all(re.fullmatch(r"[a-z]+([ -][a-z]+)*", name) for name in found)


def test_without_wordnet_the_error_is_the_assets(tmp_path, monkeypatch):
    monkeypatch.setenv("TEXTCLF_HOME", str(tmp_path))
    monkeypatch.setenv("TEXTCLF_OFFLINE", "1")
    with pytest.raises(AssetError, match="wordnet"):
        wordnet._wordnet.__wrapped__()


def test_replacement_changes_as_many_words_as_alpha_says_and_no_stop_word():
    for share, expected in ((0.1, 1), (0.3, 4), (0.5, 7)):
        for text in only("synonyms", share).augment(SENTENCE, 6):
            lost = collections.Counter(words(SENTENCE)) - collections.Counter(words(text))
            assert 1 <= sum(lost.values()) <= expected
            assert not {word.lower() for word in lost} & STOP_WORDS


def test_replacement_keeps_everything_else_in_place():
    for text in only("synonyms").augment(SENTENCE, 8):
        old = next(w for w in words(SENTENCE) if w not in words(text))
        left, right = SENTENCE.split(old)
        assert text.startswith(left) and text.endswith(right)
        assert text[len(left) : len(text) - len(right)].lower() in synonyms(old.lower())


def test_insertion_adds_synonyms_and_leaves_the_order():
    for text in only("insertions", 0.2).augment(SENTENCE, 8):
        rest = iter(words(text))
        assert all(word in rest for word in words(SENTENCE)), "the sentence is a subsequence of the result"
        assert len(words(text)) > len(words(SENTENCE))


def test_swaps_keep_the_words_and_the_punctuation():
    for text in only("swaps").augment(SENTENCE, 8):
        assert sorted(words(text)) == sorted(words(SENTENCE))
        assert sum(a != b for a, b in zip(words(text), words(SENTENCE), strict=True)) == 2
        assert text.count(",") == 1 and text.endswith(".")


def test_deletion_takes_its_share_and_leaves_one_word():
    long = " ".join(SENTENCE for _ in range(100))
    kept = np.mean([len(words(text)) / len(words(long)) for text in only("deletions", 0.3).augment(long, 10)])
    assert 0.67 < kept < 0.73
    assert {len(words(text)) for text in only("deletions", 1.0).augment(SENTENCE, 10)} == {1}


def test_the_operations_take_turns():
    kinds = collections.Counter()
    for text in EDA().augment(SENTENCE, 4):
        kinds[len(words(text)) - len(words(SENTENCE)), sorted(words(text)) == sorted(words(SENTENCE))] += 1
    assert kinds[0, True] == 1  # the swap
    assert any(length < 0 for length, _ in kinds)  # the deletion


def test_the_same_seed_gives_the_same_texts_in_any_order_and_with_any_number_of_workers(movies):
    texts = movies[0][:40]
    alone = [EDA(seed=3).augment(text) for text in texts]
    assert EDA(seed=3).augment_all(texts) == alone
    assert EDA(seed=3).augment_all(texts[::-1], workers=2) == alone[::-1]
    assert EDA(seed=4).augment_all(texts) != alone


@pytest.mark.parametrize("text", ["", "  \n", "!!! ...", "the", "qwzx", "🙂"])
def test_texts_that_give_nothing_give_an_empty_list(text):
    assert EDA().augment(text) == []


def test_one_word_with_synonyms_is_safe():
    found = EDA(deletions=1.0).augment("Movie", 50)
    assert found and all("Movie" in text or text[0].isupper() for text in found)


def test_more_texts_than_a_sentence_gives_are_not_given():
    found = EDA().augment("fine film", 500)
    assert 1 < len(found) < 500 and len(set(found)) == len(found)
    assert only("swaps").augment("fine film", 500) == ["film fine"]
    assert EDA().augment("fine film", 0) == []


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=60), st.integers(0, 6), st.integers(0, 3))
def test_whatever_the_text_results_are_few_new_and_repeat(text, n, seed):
    found = EDA(seed).augment(text, n)
    assert len(found) <= n and len(set(found)) == len(found)
    assert all(new.split() != text.split() and new.strip() for new in found)
    assert EDA(seed).augment(text, n) == found


WHOLE = st.one_of(
    st.decimals(0, 99_999, places=2).map(lambda price: f"${price:,}"),
    st.decimals(-100, 100, places=1).map(lambda number: f"{number}%"),
    st.integers(-10_000, 10_000).map(str),
    st.integers(-10_000, 10_000).map("{:,}".format),
    st.times().map(lambda time: f"{time:%H:%M}"),
    st.dates().map(str),
    st.from_regex(r"https?://[a-z]{1,8}\.(com|org)(/[a-z0-9_-]{1,5}){0,2}(\?[a-z]=[0-9]{1,3})?", fullmatch=True),
    st.from_regex(r"[a-z]{1,5}([.+-][a-z]{1,4})?@[a-z]{1,6}\.(com|co\.uk)", fullmatch=True),
    st.from_regex(r"[@#][A-Za-z_]{1,9}[0-9]{0,2}", fullmatch=True),
    st.from_regex(r"([A-Z]\.){2,4}", fullmatch=True),
    st.sampled_from(["e.g.", "i.e.", "a.m.", "Ph.D.", "Mr.", "Dr.", "vs.", "etc."]),
    st.sampled_from(["don't", "it's", "I’m", "we'd've", "o'clock", "rock'n'roll", "'90s", "well-known", "film's"]),
    st.sampled_from(["AT&T", "R&B", "24/7", "and/or", "C++", "C#", "20°C", "18+", "US$5", "5€", "&amp;", ".5", "5–10"]),
)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.one_of(WHOLE, st.sampled_from(SENTENCE.split())), min_size=1, max_size=10),
    st.sampled_from(["", ",", "!", "?", ";"]),
    st.sampled_from(OPERATIONS),
)
def test_prices_abbreviations_addresses_names_and_contractions_are_never_torn(tokens, mark, operation):
    """Whatever a result holds between spaces stood so in the text, or is a word of letters that WordNet lists."""
    text = " ".join(token + mark for token in tokens)
    known = {token.rstrip(",!?;") for token in text.split()}
    invented = {word for token in known for name in synonyms(token.strip(".,").lower()) for word in name.split()}
    for new in only(operation, 0.4).augment(text, 4):
        found = collections.Counter(token.strip(",!?;") for token in new.split()) - collections.Counter([""])
        others = {token.strip(".").lower() for token in set(found) - known} - {
            token.strip(".").lower() for token in known
        }
        assert others <= invented | {""}  # a full stop may be left alone
        before, after = (collections.Counter(token.strip(".,!?;") for token in one.split()) for one in (text, new))
        assert all(count <= before[token] for token, count in after.items() if re.search(r"[\d@#$]", token))


@pytest.mark.parametrize("word", ["5", "$5.99", "U.S.", "@movie", "#film", "film.com", "1,000"])
def test_what_is_no_plain_word_is_not_replaced(word):
    assert only("synonyms").augment(word) == only("insertions").augment(word) == []


def test_words_are_looked_up_only_until_enough_have_synonyms():
    asked = []

    def find(word):
        asked.append(word)
        return synonyms(word)

    assert len(only("insertions", 0.01)._augment(" ".join(["film"] * 100), 1, find)) == 1
    assert asked == ["film"]


def test_an_insertion_finds_the_one_word_that_has_synonyms():
    text = " ".join(["the"] * 60 + ["movie"] + ["of"] * 60)
    assert only("insertions", 0.001).augment(text, 3)


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_settings_may_be_numpys(kind):
    ours = EDA(np.int64(3), *[kind(0.25)] * 4)
    assert ours.augment(SENTENCE, np.int32(4)) == EDA(3, *[0.25] * 4).augment(SENTENCE, 4)
    assert all(type(share) is float for share in ours.shares.values())
    assert ours.augment_all([SENTENCE], np.int64(2), workers=np.int32(1)) == [ours.augment(SENTENCE, 2)]


@settings(max_examples=50, deadline=None)
@given(st.lists(st.sampled_from(SENTENCE.split()), min_size=1, max_size=12), st.sampled_from(OPERATIONS))
def test_no_operation_invents_a_word_that_wordnet_does_not_list(tokens, operation):
    text = " ".join(tokens)
    known = set(words(text.lower())) | {w for word in words(text.lower()) for s in synonyms(word) for w in words(s)}
    assert all(set(words(new.lower())) <= known for new in only(operation, 0.5).augment(text, 3))


def test_bad_input_is_named():
    with pytest.raises(ValueError, match=r"swaps=1\.5"):
        EDA(swaps=1.5)
    with pytest.raises(ValueError, match="switched off"):
        EDA(synonyms=0, insertions=0, swaps=0, deletions=0)
    with pytest.raises(TypeError, match="NoneType"):
        EDA().augment(None)
    with pytest.raises(TypeError, match="Row 1 is of type float"):
        EDA().augment_all(["fine", float("nan")])
    with pytest.raises(TypeError, match="one string"):
        EDA().augment_all("fine")
    with pytest.raises(ValueError, match="n=-1"):
        EDA().augment("fine", -1)
    with pytest.raises(ValueError, match="workers=0"):
        EDA().augment_all(["fine"], workers=0)
    with pytest.raises(ValueError, match=r"deletions='0\.1' does not fit"):
        EDA(deletions="0.1")


def test_enlarging_keeps_each_variant_with_its_label(movies):
    texts, labels = movies[0][:50], np.array(movies[1][:50])
    rows, positions = enlarge(EDA(), texts, 3)
    assert rows[:50] == texts and len(rows) == len(positions) > 150
    assert rows[50:] == [new for text in texts for new in EDA().augment(text, 3)]
    assert all(rows[i] in EDA().augment(texts[positions[i]], 3) for i in range(50, 90))
    assert len(labels[positions]) == len(rows)


def test_mixed_rows_lie_between_two_and_weigh_one_together():
    vectors, y = np.eye(4, 3, dtype=np.float32), np.array([0, 1, 0, 1])
    mixed, labels, weights = mixup.mix_rows(vectors, y, n=500, alpha=0.4)
    assert mixed.shape == (1004, 3) and mixed.dtype == np.float32
    assert np.allclose(weights[4:504] + weights[504:], 1) and np.isclose(weights.sum(), 504)
    assert np.array_equal(mixed[4:504], mixed[504:])
    assert 0.4 < np.mean(weights[4:504]) < 0.6 and np.mean((weights[4:504] > 0.9) | (weights[4:504] < 0.1)) > 0.4
    for row in (4, 77, 300):  # a blend of the classes, made from rows of these classes
        assert any(
            np.allclose(mixed[row], weights[row] * vectors[a] + weights[row + 500] * vectors[b], atol=1e-6)
            for a in range(4)
            for b in range(4)
            if y[a] == labels[row] and y[b] == labels[row + 500]
        )


@settings(max_examples=100, deadline=None)
@given(
    arrays(np.float32, st.tuples(st.integers(1, 6), st.integers(1, 3)), elements=st.floats(-1e3, 1e3, width=32)),
    st.integers(0, 20),
    st.floats(0.05, 5),
)
def test_whatever_is_mixed_lies_within_the_rows_and_weighs_what_they_weigh(vectors, n, alpha):
    mixed, labels, weights = mixup.mix_rows(vectors, np.arange(len(vectors)), n, alpha)
    assert len(mixed) == len(labels) == len(weights) == len(vectors) + 2 * n
    assert np.isclose(weights.sum(), len(vectors) + n) and ((weights >= 0) & (weights <= 1)).all()
    slack = 1e-3
    assert (mixed >= vectors.min(axis=0) - slack).all() and (mixed <= vectors.max(axis=0) + slack).all()


def test_mixing_refuses_what_does_not_fit():
    with pytest.raises(ValueError, match="do not fit"):
        mixup.mix_rows(np.eye(3), [0, 1], n=2)
    with pytest.raises(ValueError, match="alpha"):
        mixup.mix_rows(np.eye(2), [0, 1], n=2, alpha=0)
    with pytest.raises(ValueError, match="do not fit"):
        mixup.mix_rows(np.zeros((0, 3)), [], n=2)
    with pytest.raises(ValueError, match="n=-1"):
        mixup.mix_rows(np.eye(2), [0, 1], n=-1)
    for options, texts, y, message in (
        ({"layer": 7}, ["good", "bad"], [1, 0], "layer from 0 to 6"),
        ({"alpha": -1}, ["good", "bad"], [1, 0], "alpha=-1"),
        ({}, ["good", " "], [1, 0], "blank"),
        ({}, ["good", "bad"], [1, 1], "All 2 labels are 1"),
        ({}, ["good", "bad"], [1], "2 texts but 1 labels"),
    ):
        with pytest.raises(ValueError, match=message):
            mixup.MixupClassifier(**options).fit(texts, y)
    with pytest.raises(NotFittedError):
        mixup.MixupClassifier().predict(["good"])


def test_names_of_classes_come_back(movies):
    names = np.where(np.array(movies[1][:16]) == 1, "good", "bad")
    model = mixup.MixupClassifier(epochs=1, max_length=16).fit(movies[0][:16], names)
    assert model.classes_.tolist() == ["bad", "good"] and set(model.predict(movies[0][16:24])) <= {"bad", "good"}


def test_the_transformer_learns_from_blended_states(movies):
    texts, labels = movies
    model = mixup.MixupClassifier(layer=3, alpha=0.2, epochs=2, max_length=32, learning_rate=2e-4)
    model.fit(texts[:96], labels[:96])
    assert model.score(texts[:96], labels[:96]) > 0.7
    proba = model.predict_proba(texts[96:100])
    assert proba.shape == (4, 2) and np.allclose(proba.sum(axis=1), 1, atol=1e-5)


def test_blending_at_the_end_is_blending_logits(movies):
    """Linear from there on: the one place where what mixup does can be computed in another way."""
    import torch

    model = mixup.MixupClassifier(epochs=1, max_length=32).fit(movies[0][:8], movies[1][:8])
    rows = model.tokenizer_(movies[0][:4], truncation=True, max_length=32)
    rows = [dict(zip(rows, row, strict=True)) for row in zip(*rows.values(), strict=True)]
    partner = torch.tensor([1, 0, 3, 2])
    with torch.inference_mode():
        plain, mixed = model._forward(rows), model._forward(rows, 0.3, partner, 6)
    assert torch.allclose(mixed, 0.3 * plain + 0.7 * plain[partner], atol=1e-4)


def test_a_language_model_rewrites_and_repeats_itself():
    texts = ["The actors are charming and the story is moving.", "It is a long and boring film."]
    first = paraphrase.Paraphraser(seed=1).augment_all(texts, 1)
    assert paraphrase.Paraphraser(seed=1).augment_all(texts, 1) == first
    assert any(first) and all(len(variants) <= 1 for variants in first)
    assert all(
        line and line != text and "\n" not in line for text, row in zip(texts, first, strict=True) for line in row
    )


def test_a_rewriter_refuses_what_it_cannot_rewrite():
    rewriter = paraphrase.Paraphraser()
    for text, n, error, message in (
        (" ", 1, ValueError, "blank"),
        (None, 1, ValueError, "missing"),
        (3, 1, TypeError, "not a string"),
        ("A fine film.", -1, ValueError, "n=-1"),
        ("A fine film.", 1.5, ValueError, r"n=1\.5"),
    ):
        with pytest.raises(error, match=message):
            rewriter.augment(text, n)
    assert rewriter.augment("A fine film.", 0) == []


def test_several_rewritings_differ_and_random_numbers_stay_where_they_were():
    import torch

    state = torch.random.get_rng_state()
    found = paraphrase.Paraphraser(temperature=1.0).augment("The actors are charming.", 3)
    assert len(found) == len(set(found)) > 1
    assert torch.equal(state, torch.random.get_rng_state())


def test_what_a_model_wrote_is_tidied():
    kept = paraphrase._kept(
        "So it is.", ['"It is so."\n\nI hope this helps!', "It is so.", "So it is.", "", " 'Fine' "]
    )
    assert kept == ["It is so.", "Fine"]


def test_translators_go_there_and_back(tmp_path):
    """No translation weights are to be had here, so two small models with random ones: the way is the same."""
    from transformers import BartConfig, BartForConditionalGeneration

    from textclf_lesson.models import encoders

    _, tokenizer = encoders.encoder("minilm")
    ids = {"bos_token_id": 101, "eos_token_id": 102, "pad_token_id": 0, "decoder_start_token_id": 101}
    small = {"d_model": 16, "encoder_layers": 1, "decoder_layers": 1, "encoder_ffn_dim": 16, "decoder_ffn_dim": 16}
    heads = {"encoder_attention_heads": 2, "decoder_attention_heads": 2, "forced_eos_token_id": 102}
    for name in ("there", "back"):
        BartForConditionalGeneration(BartConfig(vocab_size=len(tokenizer), **ids, **small, **heads)).save_pretrained(
            tmp_path / name
        )
        tokenizer.save_pretrained(tmp_path / name)
    translator = paraphrase.BackTranslator(tmp_path / "there", tmp_path / "back")
    found = translator.augment_all(["A fine film.", "A dull one."], 2)
    assert len(found) == 2 and all(len(set(texts)) == len(texts) <= 2 for texts in found)
    assert any(found) and translator.augment_all(["A fine film.", "A dull one."], 2) == found


def test_without_the_hub_the_error_says_what_is_missing():
    from textclf_lesson.base.errors import ModelError

    with pytest.raises(ModelError, match="opus-mt-en-de"):
        paraphrase.BackTranslator().augment("A fine film.")
