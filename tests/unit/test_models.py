"""Weights by name, and the cache of trained classifiers: filled once, known by all that determines it."""

import os
import subprocess
import sys
import textwrap

import numpy as np
import pytest
import tokenizers
import torch
import transformers

from textclf_lesson import assets, data, models
from textclf_lesson.transformer import TransformerClassifier

QUICK = models.Recipe("movie-snippets", {"epochs": 1, "max_length": 16, "freeze_embeddings": True})


def first_line(error) -> str:
    return str(error.value).splitlines()[0]


# --- names ------------------------------------------------------------------------------------------------------------


def test_the_encoder_knows_what_is_alike():
    model, tokenizer = models.encoder("minilm")
    texts = ["A wonderful film.", "I loved this movie.", "The train leaves at nine."]
    inputs = tokenizer(texts, padding=True, return_tensors="pt")
    with torch.inference_mode():
        vectors = model(**inputs).last_hidden_state.mul(inputs["attention_mask"][..., None]).sum(dim=1)
    a, b, c = torch.nn.functional.normalize(vectors)
    assert a @ b > 0.5 > 0.2 > a @ c
    assert not model.training and vectors.dtype == torch.float32


def test_eager_attention_gives_its_weights():
    model, tokenizer = models.encoder("minilm", attn_implementation="eager")
    inputs = tokenizer("two words", return_tensors="pt")
    attentions = model(**inputs, output_attentions=True).attentions
    assert len(attentions) == 6 and attentions[0].shape == (1, 12, 4, 4)


def test_loading_says_nothing(capfd):
    with models.loading("minilm") as where:
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
    with pytest.raises(models.ModelError) as error:
        models.encoder(name)
    assert hint in str(error.value)
    assert "\n" not in hint and ("minilm" in str(error.value) or "hub id like" in first_line(error))


def test_an_empty_folder_is_no_model(tmp_path):
    with pytest.raises(models.ModelError) as error:
        models.encoder(tmp_path)
    assert "lacks config.json" in first_line(error)


def test_columns_are_what_fit_takes():
    movies, wiki = data.load("movie-snippets")["validation"], data.load("wiki-toxicity")["validation"]
    texts, labels = models.columns(movies)
    assert texts[0] == movies["text"][0] and set(labels) == {"negative", "positive"}
    assert [label == "positive" for label in labels] == [bool(label) for label in movies["label"]]
    texts, table = models.columns(wiki)
    assert list(table.columns) == data.TOXICITY and len(table) == len(texts) == len(wiki)


# --- checkpoints ------------------------------------------------------------------------------------------------------


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """A cache of its own with the real assets, a quick recipe named "quick", and a hundred real sentences."""
    (tmp_path / "assets").symlink_to(assets.home() / "assets")
    monkeypatch.setenv("TEXTCLF_HOME", str(tmp_path))
    monkeypatch.setitem(models.RECIPES, "quick", QUICK)
    whole = data.load("movie-snippets")
    few = {split: whole[split].shuffle(seed=0).select(range(n)) for split, n in {"train": 64, "validation": 32}.items()}
    monkeypatch.setattr(data, "load", lambda name: few)
    return tmp_path / "checkpoints"


def folders(cache) -> list[str]:
    return sorted(path.name for path in cache.iterdir() if not path.name.startswith("."))


@pytest.fixture
def trainings(monkeypatch) -> list:
    """Grows by one whenever something is trained."""
    count, fit = [], TransformerClassifier.fit

    def counting(self, *arguments, **others):
        count.append(1)
        return fit(self, *arguments, **others)

    monkeypatch.setattr(TransformerClassifier, "fit", counting)
    return count


def test_a_checkpoint_is_trained_once(cache, trainings):
    first, second = models.checkpoint("quick"), models.checkpoint("quick")
    assert len(trainings) == 1 and folders(cache) == [second.folder_.name]
    texts = data.load("movie-snippets")["validation"]["text"][:]
    np.testing.assert_array_equal(first.predict_proba(texts), second.predict_proba(texts))
    assert second.classes_.tolist() == ["negative", "positive"] and second.history_
    assert not list(cache.glob("*.partial"))


def test_it_is_trained_anew_when_what_determines_it_changes(cache, trainings, monkeypatch):
    keys = {models.checkpoint("quick").folder_.name}
    changed = models.Recipe(QUICK.dataset, QUICK.settings | {"seed": 1})
    monkeypatch.setitem(models.RECIPES, "quick", changed)
    keys.add(models.checkpoint("quick").folder_.name)
    few = data.load("movie-snippets")
    monkeypatch.setattr(data, "load", lambda name: few | {"train": few["train"].select(range(63))})
    keys.add(models.checkpoint("quick").folder_.name)
    monkeypatch.setattr(tokenizers, "__version__", "0.1.0")
    keys.add(models.checkpoint("quick").folder_.name)
    assert len(keys) == len(trainings) == 4
    assert len(folders(cache)) == models.KEPT  # older ones make room


def test_a_checkpoint_with_a_missing_file_is_trained_again(cache, trainings):
    folder = models.checkpoint("quick").folder_
    (folder / "model.safetensors").unlink()
    assert models.checkpoint("quick").folder_ == folder and len(trainings) == 2


def test_the_rest_of_a_killed_training_is_no_checkpoint(cache, trainings, monkeypatch):
    monkeypatch.setattr(TransformerClassifier, "save", lambda self, folder: (folder.mkdir(), 1 / 0))
    with pytest.raises(ZeroDivisionError):
        models.checkpoint("quick")
    assert folders(cache) == []
    monkeypatch.undo()


def test_two_processes_train_one_checkpoint(cache):
    """Both begin with an empty cache; the one that comes second waits, and loads what the first has made."""
    code = textwrap.dedent("""
        from textclf_lesson import data, models
        from textclf_lesson.transformer import TransformerClassifier
        whole, fit = data.load("movie-snippets"), TransformerClassifier.fit
        few = {s: whole[s].shuffle(seed=0).select(range(n)) for s, n in {"train": 64, "validation": 32}.items()}
        data.load = lambda name: few
        TransformerClassifier.fit = lambda self, *a, **o: (print("trained"), fit(self, *a, **o))[1]
        settings = {"epochs": 1, "max_length": 16, "freeze_embeddings": True}
        models.RECIPES["quick"] = models.Recipe("movie-snippets", settings)
        print(models.checkpoint("quick").folder_.name)
    """)
    environment = os.environ | {"TEXTCLF_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    pair = [
        subprocess.Popen([sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    lines = [process.communicate(timeout=300)[0].split() for process in pair]
    assert all(process.returncode == 0 for process in pair)
    assert sum(line.count("trained") for line in lines) == 1
    assert {line[-1] for line in lines} == set(folders(cache))


def test_an_unknown_checkpoint_is_named():
    with pytest.raises(ValueError, match="There is no checkpoint 'sentimental'"):
        models.checkpoint("sentimental")


def test_a_cache_that_cannot_be_written_is_told_before_training(cache, trainings):
    cache.write_text("a file where the folder should be")
    with pytest.raises(models.ModelError) as error:
        models.checkpoint("quick")
    assert "cannot be kept" in first_line(error) and "TEXTCLF_HOME" in first_line(error)
    assert not trainings
