"""Low-rank adapters: tiny encoders of the well-known shapes, random weights, and MiniLM where its size matters."""

import json
import os
import shutil
import subprocess
import sys
import warnings
from dataclasses import asdict
from pathlib import Path

import numpy as np
import peft
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from transformers import AutoConfig, AutoModel, AutoModelForSequenceClassification

from textclf_lesson.base.errors import ModelError
from textclf_lesson.models import adapters, encoders
from textclf_lesson.models.adapters import LoRA

SIZE = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64, "vocab_size": 99}
ALL = LoRA(4, 8, "all-linear")
KINDS = {  # shape, which layers get factors, the head's modules
    "bert": (SIZE, LoRA(4, 8), {"classifier"}),
    "roberta": (SIZE | {"pad_token_id": 1}, LoRA(4, 8), {"classifier"}),
    "electra": (SIZE | {"embedding_size": 16}, LoRA(4, 8), {"classifier"}),
    "distilbert": (
        {"dim": 32, "n_layers": 2, "n_heads": 2, "hidden_dim": 64, "vocab_size": 99},
        LoRA(4, 8, ("q_lin", "v_lin")),
        {"pre_classifier", "classifier"},
    ),
    "deberta-v2": (SIZE | {"relative_attention": True, "position_biased_input": False}, ALL, {"pooler", "classifier"}),
    "modernbert": (SIZE | {"pad_token_id": 0, "cls_token_id": 2, "sep_token_id": 3}, ALL, {"head", "classifier"}),
    "xlnet": ({"d_model": 32, "n_layer": 2, "n_head": 2, "d_inner": 64, "vocab_size": 99}, ALL, {"sequence_summary"}),
}
NAMES = ["calm", "rude", "vile"]
IDS = torch.arange(3, 35).reshape(4, 8)


def config_of(kind: str, labels: list[str] | None = None, **changes):
    names = dict(enumerate(labels)) if labels else None
    options = {"id2label": names, "label2id": {name: at for at, name in names.items()}} if names else {"num_labels": 3}
    return AutoConfig.for_model(kind, **KINDS[kind][0] | changes, **options)


def classifier(kind: str = "bert", labels: list[str] | None = None, seed: int = 0, **changes):
    """An encoder, the same for the same seed, under a head of random weights, another one each time."""
    config = config_of(kind, labels, **changes)
    torch.manual_seed(seed)
    encoder = AutoModel.from_config(config)
    torch.seed()
    model = AutoModelForSequenceClassification.from_config(config)
    model.base_model.load_state_dict(encoder.state_dict(), strict=False)
    return model.eval()


def trained(model, lora, **options):
    """With an adapter whose weights are no longer the first ones."""
    adapted = adapters.attach(model, lora, **options)
    torch.manual_seed(1)
    for weight in adapted.parameters():
        if weight.requires_grad:
            torch.nn.init.normal_(weight, std=0.1)
    return adapted.eval()


@pytest.fixture
def stored(tmp_path):
    """A folder with an adapter of the tiny BERT, and the logits of the model it was taken from."""
    adapted = trained(classifier(labels=NAMES), LoRA(4, 8))
    with torch.inference_mode():
        logits = adapted(IDS).logits
    return adapters.save(adapted, tmp_path / "adapter", base="tiny", dtype="float32"), logits


def logits_of(model) -> torch.Tensor:
    with torch.inference_mode():
        return model.eval()(IDS).logits


def same(one, other) -> bool:
    one, other = one.state_dict(), other.state_dict()
    return list(one) == list(other) and all(torch.equal(one[name], other[name]) for name in one)


# --- settings ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "hint"),
    [
        ({"rank": 0}, "rank=0 does not fit: it must be a whole number from 1 up"),
        ({"rank": -4}, "rank=-4 does not fit"),
        ({"rank": 2.5}, "rank=2.5 does not fit"),
        ({"rank": True}, "rank=True does not fit"),
        ({"alpha": 0}, "alpha=0 does not fit: it must be a number above 0"),
        ({"alpha": float("nan")}, "alpha=nan does not fit"),
        ({"target_modules": "query"}, "target_modules='query' does not fit: list names of layers"),
        ({"target_modules": ()}, "target_modules=() does not fit"),
        ({"ranks": 3}, "adapter has no setting ranks: there are rank, alpha, target_modules"),
    ],
)
def test_wrong_settings_are_refused(settings, hint):
    with pytest.raises((ValueError, TypeError)) as error:
        adapters.as_lora(settings)
    assert str(error.value).startswith(hint)


def test_settings_survive_json_and_numpy():
    lora = LoRA(np.int32(8), np.float32(4), np.array(["query", "value"]))
    assert adapters.as_lora(json.loads(json.dumps(asdict(lora)))) == lora == LoRA(8, 4, ("query", "value"))
    assert adapters.as_lora(None) is None
    with pytest.raises(TypeError, match="pass LoRA"):
        adapters.as_lora("lora")


# --- attached ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_factors_and_head_are_trained_and_nothing_else(kind):
    _, lora, head = KINDS[kind]
    model = classifier(kind)
    before = logits_of(model)
    adapted = adapters.attach(model, lora)
    torch.testing.assert_close(logits_of(adapted), before)  # B is 0: nothing is changed yet
    trainable = [name for name, weight in adapted.named_parameters() if weight.requires_grad]
    factors = [name for name in trainable if ".lora_" in name]
    whole = {name.split(".")[2] for name in trainable if ".lora_" not in name}
    assert whole >= head and not any(name.split(".")[2] in whole for name in factors)
    assert factors and all(".modules_to_save." in name for name in set(trainable) - set(factors))
    logits = adapted(IDS).logits
    logits.square().sum().backward()
    touched = {name for name, weight in adapted.named_parameters() if weight.grad is not None}
    assert touched <= set(trainable) and any("lora_B" in name for name in touched)


def test_target_modules_that_match_nothing_are_told():
    with pytest.raises(ValueError) as error:
        adapters.attach(classifier("distilbert"), LoRA())
    assert "no linear layer of this encoder (DistilBertForSequenceClassification) is called" in str(error.value)
    assert "'query' or 'key' or 'value' or 'dense'. There are: q_lin, k_lin, v_lin, out_lin, lin1, lin2." in str(
        error.value
    )
    with pytest.raises(ValueError, match="is called 'classifier'"):  # the head is trained whole, not by factors
        adapters.attach(classifier(), {"target_modules": ["query", "classifier"]})
    with pytest.raises(ValueError, match="BertModel has no encoder under a head"):
        adapters.attach(AutoModel.from_config(config_of("bert")), LoRA())


def test_modules_without_pretrained_weights_are_stored_whole(tmp_path):
    adapted = trained(classifier(), LoRA(4), whole=["bert.pooler.dense", "classifier"])
    expected = logits_of(adapted)
    folder = adapters.save(adapted, tmp_path, base="tiny", dtype="float32")
    other = classifier()
    torch.nn.init.normal_(other.bert.pooler.dense.weight)  # as new and random as each time the encoder is loaded
    torch.testing.assert_close(logits_of(adapters.load_into(other, folder)), expected)


# --- merged -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_merged_it_is_the_plain_model_and_computes_the_same(kind, tmp_path):
    adapted = trained(classifier(kind), KINDS[kind][1])
    expected = logits_of(adapted)
    folder = adapters.save(adapted, tmp_path, base="tiny", dtype="float32")
    merged = adapters.merge(adapted)
    plain = classifier(kind)
    assert type(merged) is type(plain) and not hasattr(merged, "peft_config")
    assert list(merged.state_dict()) == list(plain.state_dict())
    assert all(weight.requires_grad and weight.dtype == torch.float32 for weight in merged.parameters())
    torch.testing.assert_close(logits_of(merged), expected, rtol=1e-4, atol=1e-5)
    assert same(adapters.merge(adapters.load_into(classifier(kind), folder)), merged)
    assert same(adapters.apply(plain, folder), merged)


def test_merged_weights_are_float64_sums_rounded_once(stored):
    weights = {name: weight.numpy() for name, weight in load_file(stored[0] / "adapter_model.safetensors").items()}
    base = classifier().state_dict()
    merged = adapters.apply(classifier(labels=NAMES), stored[0]).state_dict()
    changed = [name for name in base if name.startswith("bert") and not torch.equal(base[name], merged[name])]
    assert len(changed) == 2 * 6 + 1  # query, key, value, three dense; and the pooler's
    for name in changed:
        layer = "base_model.model." + name.removesuffix(".weight")
        a, b = (weights[f"{layer}.lora_{factor}.weight"].astype(np.float64) for factor in "AB")
        total = np.zeros(base[name].shape)
        for k in range(4):
            total = total + b[:, k : k + 1] * a[k : k + 1]
        np.testing.assert_array_equal(merged[name].numpy(), (base[name].numpy() + total * 2).astype(np.float32))


MERGE = """
import hashlib, sys
import torch
from transformers import AutoModelForSequenceClassification
from textclf_lesson import models
from textclf_lesson.models import adapters

with models.loading("minilm") as where:
    model = AutoModelForSequenceClassification.from_pretrained(where, num_labels=3, use_safetensors=True)
digest = hashlib.sha256()
for weight in adapters.apply(model, sys.argv[1]).state_dict().values():
    digest.update(weight.numpy().tobytes())
assert "peft" not in sys.modules, "its import takes seconds"
print(torch.backends.cpu.get_cpu_capability(), torch.get_num_threads(), digest.hexdigest())
"""


def test_the_bits_do_not_depend_on_threads_or_instruction_set(tmp_path):
    with encoders.loading("minilm") as where:
        model = AutoModelForSequenceClassification.from_pretrained(where, num_labels=3, use_safetensors=True)
    adapters.save(trained(model, LoRA(32)), tmp_path, base="minilm")
    assert (tmp_path / "adapter_model.safetensors").stat().st_size < 4e6
    environments = [
        {"OMP_NUM_THREADS": "2"},
        {"OMP_NUM_THREADS": "1", "ONEDNN_MAX_CPU_ISA": "AVX512_CORE"},
        {"OMP_NUM_THREADS": "1", "ATEN_CPU_CAPABILITY": "avx2", "MKL_ENABLE_INSTRUCTIONS": "AVX2"},
        {"OMP_NUM_THREADS": "2", "ATEN_CPU_CAPABILITY": "default", "ONEDNN_MAX_CPU_ISA": "AVX2"},
    ]
    results = []
    for environment in environments:
        command = [sys.executable, "-c", MERGE, str(tmp_path)]
        done = subprocess.run(command, env=os.environ | environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        results.append(done.stdout.split())
    assert len({(isa, threads) for isa, threads, _ in results}) >= 3  # they did compute in different ways
    assert len({digest for *_, digest in results}) == 1


# --- saved and loaded -------------------------------------------------------------------------------------------------


def test_plain_peft_reads_what_is_saved(stored):
    folder, expected = stored
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # "Found missing adapter keys" is one
        warnings.simplefilter("ignore", FutureWarning)
        adapted = peft.PeftModel.from_pretrained(classifier(), folder)
    torch.testing.assert_close(logits_of(adapted), expected)
    config = peft.PeftConfig.from_pretrained(folder)
    assert (config.r, config.lora_alpha, config.base_model_name_or_path) == (4, 8, "tiny")
    assert sorted(path.name for path in folder.iterdir()) == ["adapter_config.json", "adapter_model.safetensors"]


def test_what_plain_peft_saves_is_read(tmp_path):
    config = peft.LoraConfig(r=3, lora_alpha=5, target_modules=["query", "value"], task_type="SEQ_CLS", use_rslora=True)
    theirs = peft.get_peft_model(classifier(), config)
    for weight in theirs.parameters():
        if weight.requires_grad:
            torch.nn.init.normal_(weight, std=0.1)
    expected = logits_of(theirs)
    theirs.save_pretrained(tmp_path)
    torch.testing.assert_close(logits_of(adapters.load_into(classifier(), tmp_path)), expected)
    torch.testing.assert_close(logits_of(adapters.apply(classifier(), tmp_path)), expected, rtol=1e-4, atol=1e-5)


def test_a_loaded_adapter_can_be_trained_on_and_saved_again(stored, tmp_path):
    adapted = adapters.load_into(classifier(), stored[0])
    assert sum(weight.requires_grad for weight in adapted.parameters()) == 2 * 13 + 2
    logits_before = logits_of(adapted)
    adapted(IDS).logits.sum().backward()
    assert any(weight.grad is not None for name, weight in adapted.named_parameters() if "lora_A" in name)
    again = adapters.save(adapted, tmp_path / "again", base="tiny", dtype="float32")
    for name in ("adapter_config.json", "adapter_model.safetensors"):
        assert (again / name).read_bytes() == (stored[0] / name).read_bytes()
    torch.testing.assert_close(logits_before, stored[1])


def test_half_precision_halves_the_file_and_rounds(stored, tmp_path):
    adapter = adapters.read(stored[0])
    for dtype in ("float16", "float32"):
        adapters.save(adapter, tmp_path / dtype, dtype=dtype)
    half, full = (load_file(tmp_path / name / "adapter_model.safetensors") for name in ("float16", "float32"))
    assert all(torch.equal(half[name], full[name].half()) for name in full)
    assert all(torch.equal(full[name], weight) for name, weight in adapter.weights.items())
    adapter.weights["base_model.model.classifier.bias"][0] = 1e5
    with pytest.raises(ModelError, match=r"classifier.bias has weights that float16 cannot hold: nothing was written"):
        adapters.save(adapter, tmp_path / "float16")
    assert torch.equal(
        load_file(tmp_path / "float16" / "adapter_model.safetensors")[next(iter(half))], half[next(iter(half))]
    )
    with pytest.raises(ValueError, match="dtype='int8' is unknown"):
        adapters.save(adapter, tmp_path, dtype="int8")
    with pytest.raises(ValueError, match="save needs base"):
        adapters.save(adapters.load_into(classifier(), stored[0]), tmp_path / "nameless")


def test_the_file_says_what_it_is_for(stored):
    note = adapters.read(stored[0]).note
    assert note["base"] == "tiny" and note["labels"] == NAMES and len(note["base_sha256"]) == 64
    with safe_open(stored[0] / "adapter_model.safetensors", "pt") as file:
        assert file.metadata()["format"] == "pt"


def test_names_of_labels_are_taken_where_there_are_none(stored):
    for read in (adapters.load_into, adapters.apply):
        model = classifier()
        read(model, stored[0])
        assert list(model.config.id2label.values()) == NAMES and model.config.label2id["vile"] == 2


def test_loading_draws_nothing_from_the_random_state(stored):
    models_ = [classifier() for _ in range(2)]
    torch.manual_seed(7)
    expected = torch.rand(1)
    torch.manual_seed(7)
    adapters.load_into(models_[0], stored[0])
    adapters.apply(models_[1], stored[0])
    assert torch.equal(torch.rand(1), expected)


def spoil(change):
    """An adapter's files, changed."""

    def change_weights(folder: Path) -> None:
        path = folder / "adapter_model.safetensors"
        with safe_open(path, "pt") as file:
            metadata = file.metadata()
        weights = load_file(path)
        change(weights)
        save_file(weights, path, metadata)

    return change_weights


def set_config(**settings):
    def change(folder: Path) -> None:
        path = folder / "adapter_config.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | settings))

    return change


def to_pickle(folder: Path) -> None:
    torch.save(load_file(folder / "adapter_model.safetensors"), folder / "adapter_model.bin")
    (folder / "adapter_model.safetensors").unlink()


def cut(name: str):
    return lambda folder: (folder / name).write_bytes((folder / name).read_bytes()[:-99])


FACTOR = "base_model.model.bert.encoder.layer.0.attention.self.query.lora_B.weight"
BROKEN = {
    "no configuration": (lambda f: (f / "adapter_config.json").unlink(), "lacks adapter_config.json"),
    "no weights": (lambda f: (f / "adapter_model.safetensors").unlink(), "lacks adapter_model.safetensors"),
    "no folder": (shutil.rmtree, "lacks adapter_config.json: it is not a saved adapter"),
    "a pickle": (to_pickle, "adapter_model.bin, a pickle, which can run code when it is read: refused"),
    "half a file": (cut("adapter_model.safetensors"), "is damaged"),
    "half a configuration": (cut("adapter_config.json"), "is damaged"),
    "a list": (lambda f: (f / "adapter_config.json").write_text("[]"), "is damaged"),
    "no rank": (set_config(r=None), "r and lora_alpha must be positive numbers"),
    "another rank": (set_config(r=5), "do not fit each other"),
    "DoRA": (set_config(use_dora=True), "is not a plain LoRA (use_dora): load it with peft itself"),
    "another method": (set_config(peft_type="IA3"), "is not a plain LoRA (type IA3"),
    "a factor missing": (spoil(lambda w: w.pop(FACTOR)), "it lacks bert.encoder.layer.0.attention.self.query"),
    "no head": (spoil(lambda w: w.pop("base_model.model.classifier.weight")), "it lacks classifier.weight"),
    "not a number": (spoil(lambda w: w[FACTOR].fill_(float("nan"))), "not finite, in base_model.model.bert.encoder"),
    "weights too many": (
        spoil(lambda w: w.update({"base_model.model.bert.pooler.dense.bias": torch.zeros(32)})),
        "its weights are not those it lists",
    ),
}
OTHER = {
    "weights": ({"seed": 5}, "was made for 'tiny', whose weights are other ones than this model's: load that encoder"),
    "width": ({"hidden_size": 64}, "was made for 'tiny', with a layer bert.encoder.layer.0"),
    "depth": ({"num_hidden_layers": 1}, "was made for 'tiny', with a layer bert.encoder.layer.1"),
    "more layers": ({"num_hidden_layers": 3}, "was made for 'tiny', whose weights are other ones"),
    "kind": ({"kind": "electra"}, "which this model lacks. Load that encoder"),
    "labels": ({"labels": ["a", "b", "c"]}, "knows the labels calm, rude, vile; those of this model are a, b, c"),
    "fewer labels": ({"labels": ["a", "b"]}, "knows 3 labels (calm, rude, vile), this model has 2"),
}


def refused(model, folder: Path, hint: str) -> None:
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    for read in (adapters.load_into, adapters.apply):
        with pytest.raises(ModelError) as error:
            read(model, folder)
        assert hint in str(error.value) and "\n" not in str(error.value)
    after = model.state_dict()
    assert list(after) == list(before) and all(torch.equal(after[name], before[name]) for name in before)


@pytest.mark.parametrize(("change", "hint"), BROKEN.values(), ids=BROKEN)
def test_a_broken_adapter_is_refused_and_the_model_stays(stored, change, hint):
    change(stored[0])
    refused(classifier(), stored[0], hint)


@pytest.mark.parametrize(("options", "hint"), OTHER.values(), ids=OTHER)
def test_another_model_is_refused_and_stays(stored, options, hint):
    refused(classifier(**options), stored[0], hint)


def test_without_a_note_shapes_are_checked_still(stored):
    path = stored[0] / "adapter_model.safetensors"
    save_file(load_file(path), path, {"format": "pt"})
    refused(classifier(labels=["a", "b"]), stored[0], "with classifier.bias of 3; here it is 2")
    refused(classifier(hidden_size=64), stored[0], "was made for 'tiny', with a layer")
    torch.testing.assert_close(logits_of(adapters.load_into(classifier(), stored[0])), stored[1])


SAVE = """
import resource, signal, sys
from textclf_lesson.models import adapters
from textclf_lesson.models.modelcard import ModelError
adapter = adapters.read(sys.argv[1])
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # then writing fails as on a full disk
resource.setrlimit(resource.RLIMIT_FSIZE, (9000, 9000))
try:
    adapters.save(adapter, sys.argv[2], dtype="float32")
except ModelError as error:
    print(error)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="limits the size of files as POSIX systems do")
@pytest.mark.parametrize("is_there", [True, False])
def test_a_full_disk_leaves_the_old_adapter_or_nothing(stored, tmp_path, is_there):
    folder = tmp_path / "kept"
    if is_there:
        shutil.copytree(stored[0], folder)
        (folder / "notes.txt").write_text("mine")
    before = {path.name: path.read_bytes() for path in folder.iterdir()} if is_there else None
    listed = sorted(path.name for path in tmp_path.iterdir())
    done = subprocess.run([sys.executable, "-c", SAVE, stored[0], folder], capture_output=True, text=True)
    assert f"{folder} cannot be written: the disk is full; what was there before is kept" in done.stdout, done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == listed
    assert not is_there or {path.name: path.read_bytes() for path in folder.iterdir()} == before
