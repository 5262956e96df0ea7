"""Weights by name."""

import pytest
import torch
import transformers

from textclf_lesson import data
from textclf_lesson.base.errors import ModelError
from textclf_lesson.models import encoders


def first_line(error) -> str:
    return str(error.value).splitlines()[0]


# --- names ------------------------------------------------------------------------------------------------------------


def test_the_encoder_knows_what_is_alike():
    model, tokenizer = encoders.encoder("minilm")
    texts = ["A wonderful film.", "I loved this movie.", "The train leaves at nine."]
    inputs = tokenizer(texts, padding=True, return_tensors="pt")
    with torch.inference_mode():
        vectors = model(**inputs).last_hidden_state.mul(inputs["attention_mask"][..., None]).sum(dim=1)
    a, b, c = torch.nn.functional.normalize(vectors)
    assert a @ b > 0.5 > 0.2 > a @ c
    assert not model.training and vectors.dtype == torch.float32


def test_eager_attention_gives_its_weights():
    model, tokenizer = encoders.encoder("minilm", attn_implementation="eager")
    inputs = tokenizer("two words", return_tensors="pt")
    attentions = model(**inputs, output_attentions=True).attentions
    assert len(attentions) == 6 and attentions[0].shape == (1, 12, 4, 4)


def test_loading_says_nothing(capfd):
    with encoders.loading("minilm") as where:
        transformers.AutoModelForSequenceClassification.from_pretrained(where, num_labels=3)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("google-bert/bert-base-uncased", "the hub did not give it. Check spelling and network"),
        ("no such name", "the hub did not give it"),
        ("./nowhere", "There is no folder ./nowhere"),
        ("/nowhere/at/all", "There is no folder /nowhere/at/all"),
        ("one/two/three", "There is no folder one/two/three"),
    ],
)
def test_a_name_that_cannot_be_had(name, hint):
    with pytest.raises(ModelError) as error:
        encoders.encoder(name)
    assert hint in str(error.value)
    assert "\n" not in hint and ("minilm" in str(error.value) or "hub id like" in first_line(error))


def test_an_empty_folder_is_no_model(tmp_path):
    with pytest.raises(ModelError) as error:
        encoders.encoder(tmp_path)
    assert "lacks config.json" in first_line(error)


def test_columns_are_what_fit_takes():
    movies, wiki = data.load("movie-snippets")["validation"], data.load("wiki-toxicity")["validation"]
    texts, labels = data.columns(movies)
    assert texts[0] == movies["text"][0] and set(labels) == {"negative", "positive"}
    assert [label == "positive" for label in labels] == [bool(label) for label in movies["label"]]
    texts, table = data.columns(wiki)
    assert list(table.columns) == data.TOXICITY and len(table) == len(texts) == len(wiki)
