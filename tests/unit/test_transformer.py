"""The fine-tuned level, on the real MiniLM and real sentences; small sets, for these tests ask how, not how well."""

import itertools
import os
import pickle
import random
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import peft
import pytest
import torch
import transformers
from huggingface_hub import ModelCard
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from tokenizers import ByteLevelBPETokenizer
from transformers import AutoConfig, AutoModelForSequenceClassification, AutoTokenizer

from textclf_lesson import data
from textclf_lesson.base import machine
from textclf_lesson.base.errors import ModelError
from textclf_lesson.deploy import export
from textclf_lesson.deploy.onnx_classifier import OnnxClassifier
from textclf_lesson.models import encoders, tokens
from textclf_lesson.models.adapters import LoRA
from textclf_lesson.models.transformer import TransformerClassifier

FULL_DATA = Path(os.environ.get("TEXTCLF_FULL_DATA", Path(__file__).parents[3] / "shared" / "data"))
TINY = {"epochs": 1, "max_length": 32, "freeze_embeddings": True, "precision": "fp32"}


def sample(name: str, split: str, n: int):
    return data.columns(data.load(name)[split].shuffle(seed=0).select(range(n)))


@pytest.fixture(scope="module")
def movies():
    """(texts, labels) to learn from, and others to judge on."""
    return sample("movie-snippets", "train", 800), sample("movie-snippets", "validation", 200)


@pytest.fixture(scope="module")
def fitted(movies):
    return TransformerClassifier(epochs=1, max_length=48, learning_rate=2e-4, metric="accuracy").fit(
        *movies[0], movies[1]
    )


@pytest.fixture(scope="module")
def saved(fitted, tmp_path_factory):
    return fitted.save(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def comments():
    """Comments and their six labels, as a table."""
    return sample("wiki-toxicity", "train", 96)


def first_line(error) -> str:
    return str(error.value).splitlines()[0]


# --- it learns, as a classifier of scikit-learn does ------------------------------------------------------------------


def test_it_learns(fitted, movies):
    assert fitted.score(*movies[1]) > 0.7  # 25 steps; a coin gets one half
    assert list(fitted.classes_) == ["negative", "positive"]
    assert set(fitted.predict(movies[1][0])) == {"negative", "positive"}


def test_probabilities_belong_to_classes(fitted, movies):
    texts = movies[1][0]
    probabilities = fitted.predict_proba(texts)
    assert probabilities.shape == (200, 2)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)
    assert (fitted.classes_[probabilities.argmax(axis=1)] == fitted.predict(texts)).all()


def test_neither_order_nor_company_changes_a_prediction(fitted, movies):
    texts = movies[1][0][:20]
    together = fitted.predict_proba(texts)
    np.testing.assert_allclose(fitted.predict_proba(texts[::-1])[::-1], together, atol=1e-5)
    np.testing.assert_allclose([fitted.predict_proba([text])[0] for text in texts], together, atol=1e-5)


def test_settings_are_kept_and_cloned():
    classifier = TransformerClassifier(learning_rate=3e-5, seed=7, loss=torch.nn.CrossEntropyLoss())
    copy = clone(classifier)
    assert copy.get_params()["learning_rate"] == 3e-5 and copy.get_params()["seed"] == 7
    assert isinstance(copy.loss, torch.nn.CrossEntropyLoss)
    assert copy.set_params(seed=8).seed == 8 and classifier.seed == 7


def test_cross_validation_in_a_pipeline(movies):
    texts, labels = (column[:48] for column in movies[0])
    strip = FunctionTransformer(lambda rows: [row.strip() for row in rows])
    scores = cross_val_score(make_pipeline(strip, TransformerClassifier(**TINY)), texts, labels, cv=2)
    assert len(scores) == 2 and all(0 <= score <= 1 for score in scores)


def test_a_fitted_classifier_can_be_pickled(fitted, movies):
    texts = movies[1][0][:5]
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(fitted)).predict_proba(texts), fitted.predict_proba(texts))


def test_the_seed_repeats_a_run_and_disturbs_no_other(movies):
    texts, labels = (column[:64] for column in movies[0])
    random.seed(1), np.random.seed(1), torch.manual_seed(1)
    expected = random.random(), np.random.random(), torch.rand(1).item()
    random.seed(1), np.random.seed(1), torch.manual_seed(1)
    a, b, other = (TransformerClassifier(**TINY, seed=seed).fit(texts, labels).logits(texts) for seed in (3, 3, 4))
    assert (random.random(), np.random.random(), torch.rand(1).item()) == expected
    np.testing.assert_array_equal(a, b)
    assert not np.allclose(a, other)


def test_predictions_are_float32_after_training_in_bfloat16(movies, tmp_path):
    texts, labels = (column[:64] for column in movies[0])
    classifier = TransformerClassifier(**TINY | {"precision": "bf16"}).fit(texts, labels)
    scores = classifier.logits(texts)
    again = TransformerClassifier.load(classifier.save(tmp_path))  # which has never heard of autocast
    np.testing.assert_array_equal(again.logits(texts), scores)


@pytest.mark.skipif(not Path("/proc/cpuinfo").exists() or torch.accelerator.is_available(), reason="asks Linux's CPU")
def test_bfloat16_is_used_where_the_processor_has_it():
    flags = set(re.search(r"^flags\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.M)[1].split())
    assert machine.has_bf16() == ("amx_bf16" in flags)


@pytest.mark.skipif(torch.accelerator.is_available(), reason="asks what oneDNN computes with")
@pytest.mark.parametrize(
    ("name", "limit", "allowed"),
    [
        ("ONEDNN_MAX_CPU_ISA", "avx512_core_amx", True),
        ("ONEDNN_MAX_CPU_ISA", "DEFAULT", True),
        ("ONEDNN_MAX_CPU_ISA", "no such name", True),  # ignored there too
        ("ONEDNN_MAX_CPU_ISA", "AVX512_CORE", False),
        ("ONEDNN_MAX_CPU_ISA", "avx10_1_512", False),
        ("DNNL_MAX_CPU_ISA", "AVX512_CORE_BF16", False),
        ("DNNL_MAX_CPU_ISA", "AVX2", False),
    ],
)
def test_the_limit_of_onednn_is_respected(name, limit, allowed):
    """What we say is held against oneDNN's own report of the instruction set that it uses."""
    ask = "import torch; a = torch.ones(64, 64); torch.mm(a, a); torch.nn.functional.linear(a.bfloat16(), a.bfloat16())"
    ask += "\nfrom textclf_lesson.base import machine; print('answer', machine.has_bf16())"
    keep = {key: value for key, value in os.environ.items() if not key.endswith("_MAX_CPU_ISA")}
    env = keep | {name: limit, "ONEDNN_VERBOSE": "1"}
    done = subprocess.run([sys.executable, "-c", ask], env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    answer = "answer True" in done.stdout
    assert answer == (allowed and bool(torch.cpu.get_capabilities().get("amx_bf16")))
    for line in done.stdout.splitlines():
        if ",isa:" in line:
            assert answer == ("AMX" in line)


def test_training_shows_a_bar_unless_told_not_to(movies, capfd, monkeypatch, tmp_path):
    texts, labels = (column[:64] for column in movies[0])
    TransformerClassifier(**TINY).fit(texts, labels, (texts[:9], labels[:9])).save(tmp_path)
    assert capfd.readouterr() == ("", "")
    monkeypatch.setenv("TEXTCLF_PROGRESS", "1")
    TransformerClassifier(**TINY).fit(texts, labels)
    shown = capfd.readouterr()
    assert "training" in shown.err and "1/2" in shown.err and shown.out == ""


# --- the state that is kept -------------------------------------------------------------------------------------------


class Spoiler(torch.nn.Module):
    """Cross-entropy for some steps, then its opposite: from there on, training makes things worse."""

    def __init__(self, good_steps: int):
        super().__init__()
        self.good_steps, self.steps = good_steps, 0

    def forward(self, logits, targets):
        self.steps += torch.is_grad_enabled()
        sign = 1 if self.steps <= self.good_steps else -5
        return sign * torch.nn.functional.cross_entropy(logits, targets)


def test_the_best_state_is_kept_and_training_stops_early(movies):
    (texts, labels), judge = movies
    judge = tuple(column[:100] for column in judge)
    settings = TINY | {"epochs": 4, "batch_size": 16, "evaluations": 4, "patience": 2, "metric": "accuracy"}
    classifier = TransformerClassifier(**settings, loss=Spoiler(25)).fit(texts[:320], labels[:320], judge)
    scores = [entry["accuracy"] for entry in classifier.history_]
    best = scores.index(max(scores))
    assert best < len(scores) - 1 == best + 2  # two evaluations after the best brought nothing better
    assert classifier.history_[-1]["epoch"] < 4
    assert classifier.score(*judge) == pytest.approx(max(scores))


def test_the_loss_is_given_logits_and_targets(movies, comments):
    seen = []

    def watching(loss):
        def watched(logits, targets):
            seen.append((logits.dtype, tuple(logits.shape), targets.dtype, tuple(targets.shape)))
            return loss(logits, targets)

        return watched

    texts, labels = (column[:32] for column in movies[0])
    own = TransformerClassifier(**TINY, loss=watching(torch.nn.functional.cross_entropy)).fit(texts, labels)
    assert seen.pop() == (torch.float32, (32, 2), torch.int64, (32,))
    builtin = TransformerClassifier(**TINY).fit(texts, labels)
    np.testing.assert_allclose(own.logits(texts), builtin.logits(texts), atol=1e-5)
    bce = watching(torch.nn.functional.binary_cross_entropy_with_logits)
    texts, table = comments[0][:32], comments[1][:32]
    TransformerClassifier(problem_type="multi_label_classification", **TINY, loss=bce).fit(texts, table)
    assert seen.pop() == (torch.float32, (32, 6), torch.float32, (32, 6))


def test_frozen_embeddings_stay(movies):
    texts, labels = (column[:64] for column in movies[0])
    before = encoders.encoder("minilm")[0].get_input_embeddings().weight
    for frozen in (True, False):
        classifier = TransformerClassifier(**TINY | {"freeze_embeddings": frozen}).fit(texts, labels)
        after = classifier.model_.get_input_embeddings().weight
        assert torch.equal(before, after) == frozen


# --- several labels ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def toxicity(comments):
    return TransformerClassifier("minilm", "multi_label_classification", **TINY).fit(*comments)


def test_several_labels(toxicity, comments, tmp_path):
    texts, _ = comments
    probabilities = toxicity.predict_proba(texts)
    assert list(toxicity.classes_) == data.TOXICITY and probabilities.shape == (96, 6)
    assert not np.allclose(probabilities.sum(axis=1), 1)
    np.testing.assert_array_equal(toxicity.predict(texts), probabilities > 0.5)
    again = TransformerClassifier.load(toxicity.save(tmp_path))
    np.testing.assert_array_equal(again.predict(texts), toxicity.predict(texts))
    classify = transformers.pipeline("text-classification", str(tmp_path), top_k=None, truncation=True)
    scores = {entry["label"]: entry["score"] for entry in classify(texts[:1])[0]}
    np.testing.assert_allclose([scores[label] for label in data.TOXICITY], probabilities[0], atol=1e-5)


def test_a_label_that_no_row_has_is_learned_as_a_no(comments, tmp_path):
    """As rare labels are in a small sample: it fits, says no, and neither scores nor card stumble over the label."""
    texts, table = comments[0], comments[1].assign(threat=0)
    settings = TINY | {"max_length": 16, "learning_rate": 1e-3}
    classifier = TransformerClassifier("minilm", "multi_label_classification", **settings)
    classifier.fit(texts, table, (texts[:32], table[:32]))
    at = data.TOXICITY.index("threat")
    assert (classifier.predict_proba(texts)[:, at] < 0.5).all() and not classifier.predict(texts)[:, at].any()
    assert classifier.history_ and np.isfinite([[*entry.values()] for entry in classifier.history_]).all()
    card = ModelCard.load(classifier.save(tmp_path) / "README.md").text
    assert "| threat | 0 |" in card


@pytest.mark.parametrize(
    ("spoil", "hint"),
    [
        (lambda table: table["toxic"], "Several labels need a table of 0 and 1"),
        (lambda table: table.head(95), "96 texts but 95 rows of labels"),
        (lambda table: table.assign(insult=table["insult"] * 2), "insult = 2, which is neither 0 nor 1"),
        (lambda table: table.assign(threat=[0, 1, None] * 32), "Row 2 has threat = nan, which is neither 0 nor 1"),
        (lambda table: table.to_numpy()[:, :, None], "labels has the shape (96, 6, 1)"),
    ],
)
def test_a_wrong_table_of_labels_is_refused(comments, spoil, hint):
    texts, table = comments
    with pytest.raises(ValueError) as error:
        TransformerClassifier("minilm", "multi_label_classification").fit(texts, spoil(table))
    assert hint in first_line(error)


def test_an_evaluation_set_with_other_labels_is_refused(comments):
    texts, table = comments
    with pytest.raises(ValueError, match="training had"):
        TransformerClassifier("minilm", "multi_label_classification").fit(texts, table, (texts, table.iloc[:, :5]))


# --- saved and loaded -------------------------------------------------------------------------------------------------


def test_what_is_loaded_is_what_was_saved(fitted, saved, movies):
    again = TransformerClassifier.load(saved)
    assert again.get_params() == fitted.get_params() and again.history_ == fitted.history_
    np.testing.assert_array_equal(again.predict_proba(movies[1][0]), fitted.predict_proba(movies[1][0]))


def test_the_folder_holds_safetensors_and_nothing_that_runs(saved):
    files = sorted(path.name for path in saved.iterdir())
    assert files == ["README.md", "config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"]


def test_transformers_reads_the_folder_without_this_package(fitted, saved, movies):
    texts = [*movies[1][0][:8], "What a film! " * 500]
    classify = transformers.pipeline("text-classification", str(saved))
    answers = classify(texts, truncation=True)
    assert [answer["label"] for answer in answers] == fitted.predict(texts).tolist()
    np.testing.assert_allclose([a["score"] for a in answers], fitted.predict_proba(texts).max(axis=1), atol=1e-5)


def test_the_model_card_is_one(saved, fitted):
    card = ModelCard.load(saved / "README.md")
    assert card.data.pipeline_tag == "text-classification" and card.data.base_model == "minilm"
    assert "800 texts" in card.text and "| negative |" in card.text and "after 48 tokens" in card.text
    assert f"{fitted.history_[-1]['accuracy']:.4g}" in card.text


def test_whole_numbers_come_back_as_such(movies, tmp_path):
    texts, labels = movies[0][0][:32], [5 if label == "positive" else -1 for label in movies[0][1][:32]]
    TransformerClassifier(**TINY).fit(texts, labels).save(tmp_path)
    again = TransformerClassifier.load(tmp_path)
    assert again.classes_.tolist() == [-1, 5]
    assert set(again.predict(texts).tolist()) <= {-1, 5}
    assert AutoConfig.from_pretrained(tmp_path).id2label == {0: "-1", 1: "5"}


@pytest.mark.parametrize("gone", ["config.json", "model.safetensors", "tokenizer.json"])
def test_a_missing_file_is_named(saved, tmp_path, gone):
    folder = shutil.copytree(saved, tmp_path / "copy")
    (folder / gone).unlink()
    with pytest.raises(ModelError) as error:
        TransformerClassifier.load(folder)
    assert f"lacks {gone}" in first_line(error)


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "tokenizer.json"])
def test_a_damaged_file_is_refused(saved, tmp_path, name):
    folder = shutil.copytree(saved, tmp_path / "copy")
    content = (folder / name).read_bytes()
    (folder / name).write_bytes(content[: len(content) // 2])
    with pytest.raises(ModelError) as error:
        TransformerClassifier.load(folder)
    assert "damaged" in first_line(error)


def test_pickled_weights_are_refused(saved, tmp_path):
    folder = shutil.copytree(saved, tmp_path / "copy")
    torch.save(torch.nn.Linear(2, 2).state_dict(), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    with pytest.raises(ModelError, match="a pickle, which can run code"):
        TransformerClassifier.load(folder)


def test_an_encoder_is_not_taken_for_a_classifier():
    with pytest.raises(ModelError) as error:
        TransformerClassifier.load(encoders.locate("minilm"))
    assert "not a trained classifier" in first_line(error) and ".fit(texts, labels)" in first_line(error)


def test_fine_tuning_goes_on_from_a_folder_with_other_classes(saved, comments):
    texts, table = comments
    next_one = TransformerClassifier(saved, "multi_label_classification", **TINY).fit(texts[:32], table[:32])
    assert next_one.predict_proba(texts[:2]).shape == (2, 6)


# --- an adapter instead of all weights --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def adapted(movies):
    settings = {"epochs": 1, "max_length": 48, "learning_rate": 2e-3, "metric": "accuracy"}
    return TransformerClassifier(**settings, adapter=LoRA(8, 16)).fit(*movies[0], movies[1])


def test_an_adapter_learns_and_leaves_the_rest(adapted, movies):
    assert adapted.score(*movies[1]) > 0.65
    before = encoders.encoder("minilm")[0].state_dict()
    after = adapted.model_.bert.state_dict()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert len(changed) == 6 * 6 + 1 and all(name.endswith("weight") for name in changed)
    assert not hasattr(adapted.model_, "peft_config") and adapted.adapter_.note["base"] == "minilm"
    assert {weight.dtype for weight in adapted.model_.parameters()} == {torch.float32}


def test_the_whole_model_and_its_adapter_are_saved(adapted, movies, tmp_path):
    texts = movies[1][0][:8]
    adapted.save(tmp_path)
    again = TransformerClassifier.load(tmp_path)
    np.testing.assert_array_equal(again.logits(texts), adapted.logits(texts))
    assert again.get_params() == adapted.get_params() and again.adapter == LoRA(8, 16)
    classify = transformers.pipeline("text-classification", str(tmp_path))
    assert [answer["label"] for answer in classify(texts)] == adapted.predict(texts).tolist()
    base = AutoModelForSequenceClassification.from_pretrained(encoders.locate("minilm"), num_labels=2)
    plain = peft.PeftModel.from_pretrained(base, tmp_path / "adapter").eval()
    with torch.inference_mode():
        logits = plain(**adapted.tokenizer_(texts, padding=True, return_tensors="pt")).logits
    np.testing.assert_allclose(logits, adapted.logits(texts), atol=1e-4)
    card = ModelCard.load(tmp_path / "README.md").text
    assert "a low-rank adapter" in card and "rank 8, alpha 16" in card
    exported = OnnxClassifier(export.to_onnx(again, tmp_path / "onnx", fuse=False))
    np.testing.assert_allclose(exported.logits(texts), adapted.logits(texts), atol=1e-4)


def test_the_adapter_alone_is_a_few_megabytes_and_enough(adapted, movies, tmp_path):
    texts = movies[1][0][:8]
    adapted.save(tmp_path)
    adapted.save(tmp_path, whole=False)  # the whole model that was there must not be taken for this one's
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert not (tmp_path / "model.safetensors").exists() and sum(path.stat().st_size for path in files) < 5e6
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    again = TransformerClassifier.load(tmp_path)
    assert torch.equal(torch.rand(1), expected)
    np.testing.assert_array_equal(again.logits(texts), adapted.logits(texts))
    assert again.history_ == adapted.history_ and again.classes_.tolist() == adapted.classes_.tolist()
    assert 'TransformerClassifier.load("this/folder")' in (tmp_path / "README.md").read_text()
    (tmp_path / "config.json").unlink()
    with pytest.raises(ModelError, match="lacks a file, or one is damaged"):
        TransformerClassifier.load(tmp_path)


def test_an_adapter_whose_encoder_is_gone_is_told(tmp_path, movies):
    texts, labels = (column[:16] for column in movies[0])
    encoder = trained_here(tmp_path / "electra", "electra", texts)
    TransformerClassifier(encoder, **TINY, adapter={"rank": 2}).fit(texts, labels).save(tmp_path / "a", whole=False)
    assert TransformerClassifier.load(tmp_path / "a").adapter.rank == 2
    encoder.rename(tmp_path / "elsewhere")
    with pytest.raises(ModelError) as error:
        TransformerClassifier.load(tmp_path / "a")
    assert "holds an adapter alone, and its encoder" in first_line(error) and "cannot be had" in first_line(error)


def test_without_an_adapter_there_is_none_to_save(fitted, adapted, tmp_path):
    with pytest.raises(ValueError, match="There is no adapter to save"):
        fitted.save(tmp_path, whole=False)
    adapted.save(tmp_path)
    fitted.save(tmp_path)  # the adapter of an earlier model goes
    assert not list((tmp_path / "adapter").glob("*")) and TransformerClassifier.load(tmp_path).adapter_ is None


def test_adapters_are_searched_over_and_cloned(tmp_path, movies):
    texts, labels = (column[:32] for column in movies[0])
    settings = TINY | {"adapter": {"rank": 2, "target_modules": "all-linear"}}
    classifier = clone(TransformerClassifier(trained_here(tmp_path, "distilbert", texts), **settings))
    grid = {"adapter": [None, LoRA(2, 2, ("q_lin",))], "batch_size": np.array([8, 16])}
    search = GridSearchCV(classifier, grid, cv=2, error_score="raise").fit(texts, labels)
    assert (
        search.best_params_["adapter"] in grid["adapter"] and np.isfinite(search.cv_results_["mean_test_score"]).all()
    )


def test_settings_of_numpy_are_taken_and_stored_as_numbers(tmp_path, movies):
    texts, labels = (column[:16] for column in movies[0])
    settings = {
        **{"epochs": np.int64(1), "batch_size": np.int32(8), "max_length": np.int16(16), "seed": np.uint8(3)},
        **{"learning_rate": np.float32(0.5e-3), "warmup": np.float16(0.25), "freeze_embeddings": np.bool_(True)},
        "adapter": {"rank": np.int32(2), "alpha": np.float32(4)},
    }
    encoder = trained_here(tmp_path / "electra", "electra", texts)
    classifier = TransformerClassifier(encoder, **settings).fit(texts, labels)
    again = TransformerClassifier.load(classifier.save(tmp_path / "saved"))
    plain = {"epochs": 1, "batch_size": 8, "max_length": 16, "seed": 3, "warmup": 0.25, "freeze_embeddings": True}
    kept = again.get_params()
    assert {name: kept[name] for name in plain} == plain and kept["adapter"] == LoRA(2, 4)
    assert kept["learning_rate"] == pytest.approx(0.5e-3) and type(kept["learning_rate"]) is float
    np.testing.assert_array_equal(again.logits(texts), classifier.logits(texts))


# --- other encoders: the shapes of the well-known ones, random weights, for theirs are not on the package index -------

SMALL = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
ENCODERS = {
    "distilbert": {"dim": 32, "n_layers": 2, "n_heads": 2, "hidden_dim": 64},
    "electra": SMALL | {"embedding_size": 32},
    "deberta-v2": SMALL | {"max_position_embeddings": 64, "relative_attention": True, "position_biased_input": False},
    "modernbert": SMALL | {"pad_token_id": 0, "cls_token_id": 2, "sep_token_id": 3},
}


def trained_here(folder: Path, kind: str, texts: list[str]) -> Path:
    folder.mkdir(exist_ok=True)
    if kind == "roberta":  # byte pairs, no token types, positions that begin after the padding id
        pieces = ByteLevelBPETokenizer()
        pieces.train_from_iterator(texts, 600, special_tokens=["<s>", "<pad>", "</s>", "<unk>", "<mask>"])
        pieces.save(str(folder / "plain.json"))
        tokenizer = transformers.RobertaTokenizer(tokenizer_file=str(folder / "plain.json"), model_max_length=62)
        size = {"max_position_embeddings": 64, "pad_token_id": 1, "bos_token_id": 0, "eos_token_id": 2}
        config = AutoConfig.for_model(kind, vocab_size=len(tokenizer), **SMALL, **size)
    else:
        tokenizer = AutoTokenizer.from_pretrained(encoders.locate("minilm"))
        config = AutoConfig.for_model(kind, vocab_size=len(tokenizer), **ENCODERS[kind])
    transformers.AutoModel.from_config(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.mark.parametrize("kind", ["roberta", *ENCODERS])
def test_another_encoder_by_its_name_alone(movies, tmp_path, kind):
    (texts, labels), judge = movies
    encoder = trained_here(tmp_path, kind, texts)
    classifier = TransformerClassifier(encoder, epochs=1, max_length=24).fit(texts[:64], labels[:64], judge)
    again = TransformerClassifier.load(classifier.save(tmp_path / "trained"))
    assert again.model_.config.model_type == kind
    np.testing.assert_allclose(again.predict_proba(judge[0]), classifier.predict_proba(judge[0]), atol=1e-6)


def test_a_model_that_returns_more_than_logits(movies, tmp_path):
    (texts, labels), judge = movies
    encoder = trained_here(tmp_path, "distilbert", texts)
    config = AutoConfig.from_pretrained(encoder, output_hidden_states=True, output_attentions=True, num_labels=2)
    config.save_pretrained(encoder)
    classifier = TransformerClassifier(encoder, **TINY).fit(texts[:32], labels[:32], (judge[0][:40], judge[1][:40]))
    assert len(classifier.model_(torch.tensor([[101, 102]])).hidden_states) == 3
    assert classifier.history_[-1]["accuracy"] == classifier.score(judge[0][:40], judge[1][:40])


def test_the_loss_is_the_mean_over_all_rows_of_the_evaluation_set(movies):
    (texts, labels), (others, truth) = movies
    judge = others[:70], truth[:70]  # a batch of 64 and one of 6
    classifier = TransformerClassifier(**TINY).fit(texts[:32], labels[:32], judge)
    targets = torch.from_numpy(np.searchsorted(classifier.classes_, judge[1]))
    expected = torch.nn.functional.cross_entropy(torch.from_numpy(classifier.logits(judge[0])), targets)
    assert classifier.history_[-1]["loss"] == pytest.approx(expected.item(), rel=1e-5)


def test_positions_limit_the_length_where_the_tokenizer_does_not(movies, tmp_path):
    texts, labels = (column[:16] for column in movies[0])
    encoder = trained_here(tmp_path / "roberta", "roberta", texts)
    settings = encoder / "tokenizer_config.json"
    settings.write_text(re.sub(r'"model_max_length": \d+', '"model_max_length": 1000000', settings.read_text()))
    long = [text + " and so on" * 60 for text in texts]
    with pytest.raises(ValueError, match=r"max_length=63 is too long: .* reads at most 62 tokens"):
        TransformerClassifier(encoder, **TINY | {"max_length": 63}).fit(long, labels)
    classifier = TransformerClassifier(encoder, **TINY | {"max_length": 62}).fit(long, labels)
    assert np.isfinite(classifier.logits(long)).all()
    AutoModelForSequenceClassification.from_pretrained(encoder).save_pretrained(tmp_path / "foreign")
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(encoder / name, tmp_path / "foreign")
    foreign = TransformerClassifier.load(tmp_path / "foreign")
    assert foreign.max_length == 62 and np.isfinite(foreign.logits(long)).all()


def test_a_classifier_made_without_this_package_is_loaded(tmp_path, movies):
    folder = encoders.locate("minilm")
    names = {0: "bad", 1: "good", 2: "so-so"}
    AutoModelForSequenceClassification.from_pretrained(folder, id2label=names, num_labels=3).save_pretrained(tmp_path)
    AutoTokenizer.from_pretrained(folder).save_pretrained(tmp_path)
    classifier = TransformerClassifier.load(tmp_path)
    assert classifier.classes_.tolist() == ["bad", "good", "so-so"] and classifier.max_length == 512
    assert classifier.predict_proba(movies[1][0][:3]).shape == (3, 3)


@pytest.mark.skipif(not (FULL_DATA / "sst2").is_dir(), reason="no SST-2 at hand (TEXTCLF_FULL_DATA names its folder)")
def test_the_same_lines_on_sst2():
    sst2 = data.load("sst2", source=FULL_DATA / "sst2")
    rows = sst2["train"].shuffle(seed=0).select(range(800))
    classifier = TransformerClassifier(epochs=2, max_length=48, learning_rate=2e-4)
    classifier.fit(*data.columns(rows))
    assert classifier.score(*data.columns(sst2["test"])) > 0.7


# --- odd and wrong input ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    ["a", "!", "\x00\x07\x1b", "😀" * 40, "тексты", "\ud800 half a pair", "a" * 100_000, "word " * 20_000, "\u200b"],
    ids=["letter", "mark", "control", "emoji", "cyrillic", "surrogate", "one-word", "many-words", "zero-width"],
)
def test_any_text_is_answered(fitted, text):
    probabilities = fitted.predict_proba([text])
    assert probabilities.shape == (1, 2) and np.isfinite(probabilities).all()


def test_a_long_text_is_cut(fitted):
    beginning = "a dull , slow film " * 20
    long = beginning + "but the end is wonderful , moving and funny " * 2000
    np.testing.assert_allclose(fitted.predict_proba([long]), fitted.predict_proba([beginning]), atol=1e-6)


WRONG_TEXTS = {
    "one string": ("a film", TypeError, "write [text]"),
    "none at all": ([], ValueError, "texts is empty"),
    "a blank": (["fine", "  "], ValueError, "Row 1 of texts is blank"),
    "no characters": ([""], ValueError, "Row 0 of texts is blank"),
    "None": (["fine", None], ValueError, "Row 1 of texts is missing"),
    "NaN": ([float("nan"), "fine"], ValueError, "Row 0 of texts is missing"),
    "a number": (["fine", 3], TypeError, "Row 1 of texts is of type int"),
}


@pytest.mark.parametrize(("texts", "kind", "hint"), WRONG_TEXTS.values(), ids=WRONG_TEXTS)
def test_wrong_texts_are_refused(fitted, texts, kind, hint):
    for call in (fitted.predict, lambda rows: TransformerClassifier().fit(rows, ["a", "b"])):
        with pytest.raises(kind) as error:
            call(texts)
        assert hint in first_line(error)


WRONG_LABELS = {
    "too few": (["a"], "2 texts but 1 labels"),
    "one class": (["a", "a"], "it takes at least 2 classes"),
    "missing": (["a", None], "Row 1 of labels is missing"),
}


@pytest.mark.parametrize(("labels", "hint"), WRONG_LABELS.values(), ids=WRONG_LABELS)
def test_wrong_labels_are_refused(labels, hint):
    with pytest.raises(ValueError) as error:
        TransformerClassifier().fit(["good", "bad"], labels)
    assert hint in first_line(error)


def test_a_label_that_training_does_not_have(movies, fitted):
    (texts, labels), (others, truth) = movies
    with pytest.raises(ValueError, match=r"Row 0 has the label 'Positive'.*Did you mean 'positive'"):
        TransformerClassifier().fit(texts, labels, (others[:1], ["Positive"]))
    unseen = ["mixed", *truth[1:]]  # as scikit-learn has it: nobody predicts it, so it counts as a mistake
    assert fitted.score(others, unseen) == np.mean(fitted.predict(others) == np.array(unseen))


WRONG_SETTINGS = [
    ({"problem_type": "multi"}, "problem_type='multi' is unknown: choose one of single_label"),
    ({"metric": "f1"}, "metric='f1' is unknown"),
    ({"precision": "fp16"}, "precision='fp16' is unknown"),
    ({"epochs": 0}, "epochs=0 does not fit"),
    ({"batch_size": 2.5}, "batch_size=2.5 does not fit"),
    ({"learning_rate": 0}, "learning_rate=0 does not fit"),
    ({"seed": -1}, "seed=-1 does not fit: it must be a whole number from 0 up"),
    ({"warmup": 5}, "warmup=5 does not fit: it must be a share of the steps, from 0 to below 1"),
    ({"weight_decay": -1}, "weight_decay=-1 does not fit"),
    ({"adapter": {"rank": -4}}, "rank=-4 does not fit: it must be a whole number from 1 up"),
    ({"adapter": LoRA(target_modules=("nope",))}, "target_modules: no linear layer of this encoder"),
    ({"max_length": 1000}, "max_length=1000 is too long: minilm reads at most 512 tokens"),
]


@pytest.mark.parametrize(("settings", "hint"), WRONG_SETTINGS, ids=[next(iter(s)) for s, _ in WRONG_SETTINGS])
def test_wrong_settings_are_refused(settings, hint):
    with pytest.raises(ValueError) as error:
        TransformerClassifier(**settings).fit(["good", "bad"], ["a", "b"])
    assert hint in first_line(error)


def test_diverging_training_is_told(movies):
    texts, labels = (column[:32] for column in movies[0])
    with pytest.raises(ValueError, match="Training diverged, the loss is nan"):
        TransformerClassifier(**TINY, loss=lambda logits, targets: logits.sum() * float("nan")).fit(texts, labels)


def test_prediction_needs_training():
    with pytest.raises(NotFittedError):
        TransformerClassifier().predict(["a film"])


def test_batches_hold_every_row_once_and_few_tokens():
    lengths = [random.Random(0).randint(1, 600) for _ in range(500)]
    batches = tokens.batches(lengths, 512)
    assert sorted(itertools.chain(*batches)) == list(range(500))
    assert all(len(batch) == 1 or max(lengths[row] for row in batch) * len(batch) <= 512 for batch in batches)
    sizes = [[lengths[row] for row in batch] for batch in batches]
    assert all(min(longer) >= max(shorter) for longer, shorter in itertools.pairwise(sizes))
