"""The classifiers that several lessons share: the same weights for everybody, and refused where something is wrong."""

import json
import os
import shutil
import subprocess
import sys
import textwrap

import numpy as np
import pytest

from textclf_lesson import data
from textclf_lesson.assets import cache
from textclf_lesson.base.errors import ModelError
from textclf_lesson.models import checkpoints
from textclf_lesson.models.transformer import TransformerClassifier
from textclf_lesson.training import recipes

NAMES = ("sentiment", "toxicity")


@pytest.fixture
def own_cache(tmp_path, monkeypatch):
    """A cache of its own, with the real assets."""
    home = tmp_path / "home"
    home.mkdir()
    (home / "assets").symlink_to(cache.home() / "assets")
    monkeypatch.setenv("TEXTCLF_HOME", str(home))
    return home / "checkpoints"


@pytest.fixture
def copy(tmp_path):
    """A copy of the sentiment adapter, to be spoilt."""
    return shutil.copytree(checkpoints.SHARED / "sentiment", tmp_path / "copy")


def folders(folder) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def alter_card(folder, **facts) -> None:
    path = folder / "card.json"
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | facts), encoding="utf-8")


def test_there_are_two():
    assert checkpoints.names() == list(NAMES) == sorted(recipes.RECIPES)


@pytest.mark.parametrize("name", NAMES)
def test_it_scores_on_validation_what_its_card_says(name):
    stored, again = checkpoints.card(name).facts["scores"]["validation"], recipes.scores(name, "validation")
    assert stored.keys() == again.keys()
    for score, (value, low, high) in stored.items():
        assert low <= value <= high and again[score][0] == pytest.approx(value, abs=0.003), score


@pytest.mark.parametrize("name", NAMES)
def test_the_card_tells_how_it_was_made(name):
    card = checkpoints.card(name)
    assert card.facts["bytes"] == (checkpoints.SHARED / name / checkpoints.WEIGHTS).stat().st_size <= 4e6
    assert card.facts["recipe"] == recipes.RECIPES[name]
    text = card._repr_markdown_()
    for word in (card.facts["sha256"], "seeds", "AMX", "minutes", "peft", "validation", "test", "interval"):
        assert word in text


def test_everybody_gets_the_same_weights(own_cache):
    """Merged in another process, on one thread, without AMX: not a bit differs."""
    here = checkpoints.load("sentiment")
    other = own_cache.parent.parent / "other"
    other.mkdir()
    (other / "assets").symlink_to(cache.home() / "assets")
    code = "from textclf_lesson import models; print(models.checkpoint('sentiment').folder_)"
    environment = os.environ | {"TEXTCLF_HOME": str(other), "OMP_NUM_THREADS": "1", "ONEDNN_MAX_CPU_ISA": "AVX2"}
    printed = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    there = TransformerClassifier.load(printed.stdout.split()[-1])
    assert there.folder_ != here.folder_
    ours, theirs = here.model_.state_dict(), there.model_.state_dict()
    assert ours.keys() == theirs.keys() and all(ours[name].equal(theirs[name]) for name in ours)
    assert all(weight.dtype.is_floating_point is False or weight.dtype.itemsize == 4 for weight in ours.values())


def test_it_is_merged_once_and_then_read(own_cache, monkeypatch):
    first = checkpoints.load("sentiment")
    assert folders(own_cache) == [first.folder_.name]
    monkeypatch.setattr(checkpoints, "merged", lambda *arguments: pytest.fail("merged a second time"))
    second = checkpoints.load("sentiment")
    texts = data.load("movie-snippets")["validation"]["text"][:40]
    np.testing.assert_array_equal(first.predict_proba(texts), second.predict_proba(texts))
    assert second.classes_.tolist() == ["negative", "positive"] and second.max_length == 64


def test_a_damaged_copy_in_the_cache_is_merged_anew(own_cache):
    folder = checkpoints.load("sentiment").folder_
    weights = folder / checkpoints.MERGED
    whole = weights.read_bytes()
    weights.write_bytes(whole[:-8] + b"\x00" * 8)
    assert checkpoints.load("sentiment").folder_ == folder and weights.read_bytes() == whole
    weights.unlink()
    assert checkpoints.load("sentiment").folder_ == folder and weights.read_bytes() == whole
    assert folders(own_cache) == [folder.name]


def test_a_cache_that_cannot_be_written_halts_nobody(own_cache, capsys):
    own_cache.write_text("a file where the folder should be")
    classifier = checkpoints.load("sentiment")
    assert classifier.predict(["A wonderful film."])[0] == "positive"
    assert "cannot be written" in capsys.readouterr().err


FULL_UNTIL_TOLD = """
import resource, signal, sys
from textclf_lesson.models import checkpoints

class Freed:
    def write(self, text):
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
        return sys.__stderr__.write(text)
    def flush(self):
        sys.__stderr__.flush()

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # then writing fails as on a full disk
hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, hard))
sys.stderr = Freed()
classifier = checkpoints.load("sentiment")
print(classifier.predict(["A wonderful film."])[0], classifier.folder_.parent.exists())
"""


@pytest.mark.skipif(sys.platform == "win32", reason="limits the size of files as POSIX systems do")
def test_a_full_disk_under_the_cache_halts_nobody(own_cache):
    """The disk is full until the message comes, so that the cache has no room and the temporary folder has."""
    done = subprocess.run([sys.executable, "-c", FULL_UNTIL_TOLD], capture_output=True, text=True)
    assert done.stdout.split() == ["positive", "True"], done.stderr
    assert "The cache cannot be written" in done.stderr and "File too large" in done.stderr
    assert folders(own_cache) == []


def test_two_processes_at_once(own_cache):
    code = textwrap.dedent("""
        from textclf_lesson import models
        print(models.checkpoint("sentiment").folder_.name)
    """)
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    pair = [
        subprocess.Popen([sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    printed = {process.communicate(timeout=600)[0].split()[-1] for process in pair}
    assert all(process.returncode == 0 for process in pair) and printed == set(folders(own_cache))


def test_an_unknown_name_is_told():
    with pytest.raises(ValueError, match=r"There is no checkpoint 'sentimental'\. There are: sentiment, toxicity"):
        checkpoints.load("sentimental")
    with pytest.raises(ValueError, match="There is no recipe 'sentimental'"):
        recipes.make("sentimental", "anywhere")


def spoil(folder, how) -> None:
    weights = folder / checkpoints.WEIGHTS
    if how == "missing":
        weights.unlink()
    elif how == "damaged":
        weights.write_bytes(weights.read_bytes()[:-1] + b"!")
    elif how == "card missing":
        (folder / "card.json").unlink()
    elif how == "card cut":
        (folder / "card.json").write_text('{"name": ', encoding="utf-8")
    elif how == "card empty":
        (folder / "card.json").write_text("{}", encoding="utf-8")
    elif how == "other encoder":
        alter_card(folder, base={"name": "minilm", "sha256": "0" * 64})
    elif how == "unknown encoder":
        alter_card(folder, base={"name": "maxilm", "sha256": "0" * 64})
    elif how == "other labels":
        alter_card(folder, classes=["no", "yes", "perhaps"])


@pytest.mark.parametrize(
    ("how", "sentence"),
    [
        ("missing", "lacks adapter_model.safetensors"),
        ("damaged", "its SHA-256 is not the one of its card"),
        ("card missing", "lacks card.json"),
        ("card cut", "card.json' is damaged"),
        ("card empty", "is damaged"),
        ("other encoder", "adapter for another 'minilm'"),
        ("unknown encoder", "adapter for another 'maxilm'"),
        ("other labels", "label"),
    ],
)
def test_what_is_not_right_is_refused_in_a_sentence(own_cache, copy, how, sentence):
    spoil(copy, how)
    with pytest.raises(ModelError) as error:
        checkpoints.load("sentiment", copy)
    assert sentence.replace("'", "") in str(error.value).splitlines()[0].replace("'", "")
    assert not own_cache.exists() or folders(own_cache) == []


@pytest.mark.parametrize("name", NAMES)
def test_a_recipe_runs_and_goes_on_where_it_was_stopped(own_cache, tmp_path, name, monkeypatch, capsys):
    monkeypatch.setattr(recipes.adapters, "save", saved_once := stopping_at(recipes.adapters.save, 2))
    with pytest.raises(KeyboardInterrupt):
        recipes.make(name, tmp_path / "made", rows=40)
    first = capsys.readouterr().out
    monkeypatch.setattr(recipes.adapters, "save", saved_once.original)
    folder = recipes.make(name, tmp_path / "made", rows=40)
    again = capsys.readouterr().out
    assert " minutes" in first and first.splitlines()[0] not in again  # the first step is not trained a second time
    assert checkpoints.read_card(folder)["name"] == name
    assert checkpoints.load(name, folder).predict(["a text"]).shape[0] == 1
    assert not list((own_cache.parent / "training").iterdir())


def stopping_at(save, count):
    """`save`, but its call number `count` is interrupted, as by Ctrl+C."""
    calls = []

    def saving(*arguments, **others):
        calls.append(1)
        if len(calls) == count:
            raise KeyboardInterrupt
        return save(*arguments, **others)

    saving.original = save
    return saving
