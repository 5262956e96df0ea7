"""Texts longer than the model reads: told, counted, and read in windows if asked."""

import hashlib

import httpx2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from service_client import copy, counts, gains
from tokenizers import Tokenizer

from textclf_lesson.deploy import serve
from textclf_lesson.deploy.onnx_classifier import MAX_WINDOWS, OnnxClassifier

POLITE = " ".join(["Thank you very much for your kind and thoughtful help with this article."] * 16)  # 208 words
INSULT = "You are a stupid idiot and a fucking moron."


@pytest.fixture(scope="module", params=["sentiment", "toxicity"])
def classifier(request):
    """A model of one label, and one of several."""
    return OnnxClassifier(request.getfixturevalue(request.param))


@pytest.fixture(scope="module")
def tagger(toxicity):
    return OnnxClassifier(toxicity)


def client(url):
    return httpx2.Client(base_url=url, trust_env=False, timeout=60)


@pytest.fixture(scope="module")
def cutting(toxicity):
    with serve.running(toxicity) as url, client(url) as service:
        yield service


@pytest.fixture(scope="module")
def windowed(toxicity):
    with serve.running(toxicity, long="window", name="comments") as url, client(url) as service:
        yield service


def spans(classifier, text):
    """The windows by hand: where each begins and ends, in tokens without the two special ones; and all tokens."""
    tokenizer = Tokenizer.from_file(str(classifier.folder / "tokenizer.json"))
    tokenizer.no_truncation()
    ids = tokenizer.encode(text).ids
    size = classifier.max_length - 2
    starts = [0]
    while starts[-1] + size < len(ids) - 2:
        starts.append(starts[-1] + size - size // 4)
    return [ids[:1] + ids[1:-1][start : start + size] + ids[-1:] for start in starts]


# --- windows ----------------------------------------------------------------------------------------------------------

words = st.lists(st.sampled_from(["good", "film", "an", "idiot", "unbelievably", "ça", "10,000", "🙂"]), min_size=1)


@given(words.map(lambda some: " ".join(some * 3)))
@settings(max_examples=40, deadline=None, derandomize=True, database=None)
def test_windows_hold_every_token_and_share_a_quarter_with_their_neighbour(tagger, text):
    (own,), (truncated,) = tagger.windows([text], "window")
    by_hand = spans(tagger, text)
    assert [window.ids for window in own] == by_hand[:MAX_WINDOWS]
    assert truncated == (len(by_hand) > MAX_WINDOWS)
    (first,), (is_cut,) = tagger.windows([text])
    assert [window.ids for window in first] == by_hand[:1] and is_cut == (len(by_hand) > 1)
    assert tagger.overlap == (tagger.max_length - 2) // 4


def test_several_labels_take_the_maximum_of_the_windows_and_one_label_the_mean_of_their_logits(classifier):
    texts = [POLITE + " " + INSULT, "A film.", INSULT + " " + POLITE]
    merged = classifier.logits(texts, "window")
    for row, text in zip(merged, texts, strict=True):
        single = []
        for ids in spans(classifier, text):
            inputs = {"input_ids": np.array([ids]), "attention_mask": np.ones((1, len(ids)), dtype=np.int64)}
            inputs["token_type_ids"] = np.zeros_like(inputs["input_ids"])
            single.append(classifier.forward(inputs)[0])
        is_multi = classifier.problem_type == "multi_label_classification"
        expected = np.max(single, axis=0) if is_multi else np.mean(single, axis=0)
        assert row == pytest.approx(expected, abs=1e-4)
    assert classifier.logits(["A film."], "window") == pytest.approx(classifier.logits(["A film."]), abs=1e-5)
    assert classifier.predict_proba(texts, "window") == pytest.approx(classifier.probabilities(merged), abs=1e-5)


def test_other_ways_with_long_texts_are_refused(tagger):
    with pytest.raises(ValueError, match="long='windows' is unknown: choose 'truncate' or 'window'"):
        tagger.logits(["a"], "windows")


def test_an_insult_behind_two_hundred_polite_words_is_found_by_windows_alone(cutting, windowed):
    text = f"{POLITE} {INSULT}"
    assert len(POLITE.split()) > 200
    cut, alone = (cutting.post("/classify", json={"text": one}).json() for one in (text, INSULT))
    found, polite = (windowed.post("/classify", json={"text": one}).json() for one in (text, POLITE))
    assert "insult" in alone["labels"] and polite["labels"] == []
    assert cut["labels"] == [] and cut["truncated"] is True
    assert found["labels"] == alone["labels"] and found["truncated"] is False
    assert found["scores"]["insult"] > 0.7 > 0.3 > cut["scores"]["insult"]


def test_a_request_of_long_and_short_texts_gives_each_its_own_answer(windowed):
    texts = [f"{POLITE} {INSULT}", POLITE, INSULT, "Fine.", f"{INSULT} {POLITE}"]
    together = windowed.post("/classify", json={"texts": texts}).json()["results"]
    for text, result in zip(texts, together, strict=True):
        alone = windowed.post("/classify", json={"text": text}).json()
        assert result["scores"] == pytest.approx(alone["scores"], abs=1e-4)
        assert result["labels"] == alone["labels"] and result["truncated"] is False
    assert [bool(result["labels"]) for result in together] == [True, False, True, False, True]


def test_a_text_with_more_windows_than_are_read_is_truncated_too(windowed):
    answer = windowed.post("/classify", json={"text": "a " * 4999}).json()
    assert answer["truncated"] is True
    assert windowed.get("/model").json()["long_texts"] == {"mode": "window", "windows": MAX_WINDOWS, "overlap": 7}


# --- told and counted -------------------------------------------------------------------------------------------------


def test_a_text_is_truncated_from_the_first_token_that_is_not_read(cutting, tagger):
    fits = tagger.max_length - 2  # of words that are one token each
    lengths = [1, fits - 1, fits, fits + 1, 5 * fits]
    results = cutting.post("/classify", json={"texts": ["film " * n for n in lengths]}).json()["results"]
    assert [result["truncated"] for result in results] == [False, False, False, True, True]


def test_truncated_texts_and_their_share_are_counted(toxicity):
    with serve.running(toxicity) as url, client(url) as service:
        assert counts(service)["textclf_truncated_share"] == 0
        service.post("/classify", json={"texts": [POLITE, "Fine.", "Fine."]})
        service.post("/classify", json={"text": "Fine."})
        service.post("/classify", content=b"{}")
        found = counts(service)
    assert (found["textclf_texts_total"], found["textclf_truncated_texts_total"]) == (4, 1)
    assert found["textclf_truncated_share"] == 0.25


def test_of_several_workers_the_share_is_that_of_all(toxicity):
    with serve.running(toxicity, workers=2) as url:
        for number in range(20):
            with client(url) as service:  # a connection of its own: either worker may get it
                service.post("/classify", json={"text": POLITE if number % 4 == 0 else "Fine."})
        with client(url) as service:
            found = counts(service)
    assert (found["textclf_texts_total"], found["textclf_truncated_texts_total"]) == (20, 5)
    assert found["textclf_truncated_share"] == 0.25


# --- name and version -------------------------------------------------------------------------------------------------


def test_every_answer_names_the_model_and_its_weights(cutting, windowed, toxicity):
    digest = hashlib.sha256((toxicity / "model.onnx").read_bytes()).hexdigest()
    assert OnnxClassifier(toxicity).version == digest[:12]
    for service, name in ((cutting, toxicity.name), (windowed, "comments")):
        before = counts(service)
        for question in ({"text": "Fine."}, {"texts": ["Fine.", POLITE]}):
            answer = service.post("/classify", json=question).json()
            assert (answer["model"], answer["version"]) == (name, digest[:12])
        assert gains(service, before)["textclf_texts_total"] == 3
        about = service.get("/model").json()
        assert (about["name"], about["version"], about["sha256"]) == (name, digest[:12], digest)
        assert about["thresholds"] == {"toxic": 0.5, "obscene": 0.5, "insult": 0.5}
        assert counts(service)[f'textclf_model{{name="{name}",version="{digest[:12]}"}}'] == 1


def test_other_weights_are_another_version_and_the_version_is_of_what_was_loaded(toxicity, tmp_path):
    folder = copy(toxicity, tmp_path / "model")
    before = OnnxClassifier(folder)
    (folder / "model.onnx").unlink()
    changed = (toxicity / "model.onnx").read_bytes() + b"\xa2\x06\x01x"  # an unknown field: the same graph
    (folder / "model.onnx").write_bytes(changed)
    after = OnnxClassifier(folder)
    assert after.version == hashlib.sha256(changed).hexdigest()[:12] != before.version
    assert before.version == OnnxClassifier(toxicity).version


def test_a_blank_name_and_an_unknown_mode_are_refused(toxicity):
    with pytest.raises(RuntimeError, match="The name of the model is blank"), serve.running(toxicity, name=" "):
        pass
    with pytest.raises(RuntimeError, match="long='all' is unknown"), serve.running(toxicity, long="all"):
        pass
