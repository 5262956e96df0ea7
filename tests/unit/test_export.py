"""Export, quantisation and the classifier without torch: on the real MiniLM, a little trained, and real texts."""

import json
import os
import pickle
import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnx
import pytest
import tiny_models
import torch
from transformers import AutoTokenizer, DistilBertConfig, DistilBertForSequenceClassification

from textclf_lesson import data
from textclf_lesson.base.errors import ModelError
from textclf_lesson.deploy import bench, export
from textclf_lesson.deploy.onnx_classifier import OnnxClassifier
from textclf_lesson.models import encoders
from textclf_lesson.models.modelcard import KEY
from textclf_lesson.models.transformer import TransformerClassifier

FILES = {"model.onnx", "config.json", "tokenizer.json", "tokenizer_config.json", "README.md"}
ODD = ["x", "é" * 300, "Half of a pair: \ud83d", "word " * 400, "<b>1,000</b>\t\n东京 🎬"]


@pytest.fixture(scope="module")
def movies():
    return data.columns(data.load("movie-snippets")["train"].shuffle(seed=0).select(range(500)))


@pytest.fixture(scope="module")
def classifier(movies):
    return TransformerClassifier(max_length=24, learning_rate=3e-4).fit(*movies)


@pytest.fixture(scope="module")
def exported(classifier, tmp_path_factory):
    return export.to_onnx(classifier, tmp_path_factory.mktemp("fp32"))


@pytest.fixture(scope="module")
def int8(exported, tmp_path_factory):
    return export.quantize_int8(exported, tmp_path_factory.mktemp("int8"))


@pytest.fixture(scope="module")
def toxicity():
    rows = data.load("wiki-toxicity")["train"].shuffle(seed=0).select(range(96))
    settings = {"problem_type": "multi_label_classification", "epochs": 1, "max_length": 32}
    return TransformerClassifier(**settings).fit(*data.columns(rows))


@pytest.fixture
def copy(int8, tmp_path):
    """A folder to be spoilt. Its files are links: replace, do not change."""
    return Path(shutil.copytree(int8, tmp_path / "copy", copy_function=os.link))


def replace(path: Path, content: str | bytes) -> None:
    path.unlink(missing_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)


def configured(folder: Path, **changes) -> None:
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    replace(folder / "config.json", json.dumps(config | changes))


def operators(folder: Path) -> set[str]:
    return {node.op_type for node in onnx.load(folder / "model.onnx").graph.node}


def python(code: str, *arguments: object) -> str:
    """What a fresh interpreter prints."""
    done = subprocess.run([sys.executable, "-c", code, *map(str, arguments)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


# --- it answers as torch does -----------------------------------------------------------------------------------------


def test_logits_are_those_of_torch(classifier, exported, movies):
    texts = [*movies[0][:60], *ODD]
    served = OnnxClassifier(exported)
    np.testing.assert_allclose(served.logits(texts), classifier.logits(texts), atol=1e-4)
    np.testing.assert_allclose(served.predict_proba(texts), classifier.predict_proba(texts), atol=1e-4)
    assert (served.predict(texts) == classifier.predict(texts)).all()
    assert served.logits(texts).dtype == served.predict_proba(texts).dtype == np.float32
    assert list(served.classes_) == list(classifier.classes_) and served.max_length == 24


def test_neither_order_nor_company_changes_an_answer(exported, movies):
    served, texts = OnnxClassifier(exported), movies[0][:20]
    together = served.logits(texts)
    np.testing.assert_allclose(served.logits(texts[::-1])[::-1], together, atol=1e-4)
    np.testing.assert_allclose([served.logits([text])[0] for text in texts], together, atol=1e-4)


def test_several_labels_are_cut_at_their_thresholds(toxicity, tmp_path):
    texts = data.load("wiki-toxicity")["validation"]["text"][:40]
    probabilities = toxicity.predict_proba(texts)
    cuts = dict(zip(toxicity.classes_.tolist(), np.median(probabilities, axis=0).tolist(), strict=True))
    served = OnnxClassifier(export.to_onnx(toxicity, tmp_path / "a", thresholds=cuts))
    assert served.problem_type == "multi_label_classification" and served.thresholds == cuts
    np.testing.assert_allclose(served.predict_proba(texts), probabilities, atol=1e-4)
    assert OnnxClassifier(export.quantize_int8(tmp_path / "a", tmp_path / "b")).thresholds == cuts
    far = abs(probabilities - list(cuts.values())) > 1e-4
    assert (served.predict(texts) == (probabilities >= list(cuts.values())))[far].all()
    export.to_onnx(toxicity, tmp_path / "b")  # thresholds of the model that was there do not stay
    plain = OnnxClassifier(tmp_path / "b")
    assert plain.thresholds is None and (plain.predict(texts) == toxicity.predict(texts)).all()


@pytest.mark.parametrize("threads", [np.int32(2), np.int64(1), 1])
def test_a_number_of_threads_may_be_numpys(exported, threads):
    assert OnnxClassifier(exported, threads=threads).predict(["fine"]).shape == (1,)


@pytest.mark.parametrize("threads", [0, -1, 1.5, True, "2"])
def test_another_number_of_threads_is_refused(exported, threads):
    with pytest.raises(ValueError, match="does not fit: it must be a whole number from 1 up"):
        OnnxClassifier(exported, threads=threads)


def test_many_threads_may_ask_at_once(exported, movies):
    served, texts = OnnxClassifier(exported, threads=1), movies[0][:40]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda text: served.logits([text])[0], texts))
    np.testing.assert_allclose(answers, served.logits(texts), atol=1e-4)


def test_a_model_of_another_kind_with_numbers_for_labels(tmp_path):
    """Not of this course: another architecture, without token types, and without our note in its configuration."""
    config = DistilBertConfig(dim=32, hidden_dim=64, n_heads=2, n_layers=2, num_labels=3, max_position_embeddings=40)
    torch.manual_seed(0)
    DistilBertForSequenceClassification(config).save_pretrained(tmp_path / "torch")
    AutoTokenizer.from_pretrained(encoders.locate("minilm")).save_pretrained(tmp_path / "torch")
    foreign = TransformerClassifier.load(tmp_path / "torch").set_params(max_length=40)
    served = OnnxClassifier(export.to_onnx(foreign, tmp_path / "onnx"))
    np.testing.assert_allclose(served.logits(ODD), foreign.logits(ODD), atol=1e-4)
    assert list(served.classes_) == ["LABEL_0", "LABEL_1", "LABEL_2"] and served.max_length == 40


def test_whole_numbers_stay_whole_numbers(movies, tmp_path):
    texts, labels = movies
    numbers = TransformerClassifier(epochs=1, max_length=8, freeze_embeddings=True)
    numbers.fit(texts[:32], [{"negative": 3, "positive": 7}[label] for label in labels[:32]])
    assert OnnxClassifier(export.to_onnx(numbers, tmp_path)).classes_.tolist() == [3, 7]


# --- the folder -------------------------------------------------------------------------------------------------------


def test_the_folder_is_complete(exported):
    assert {path.name for path in exported.iterdir()} == FILES
    model = onnx.load(exported / "model.onnx")
    assert next(entry.version for entry in model.opset_import if not entry.domain) == export.OPSET
    note = json.loads((exported / "config.json").read_text(encoding="utf-8"))[KEY]
    assert note["classes"] == ["negative", "positive"] and note["settings"]["max_length"] == 24
    assert note["export"]["opset"] == export.OPSET and "torch" in note["export"]["versions"]
    card = OnnxClassifier(exported).card
    assert "500 texts" in card and "OnnxClassifier(" in card and "transformers import pipeline" not in card


PLAIN = """
import json, sys, numpy, onnxruntime, tokenizers
folder, text = sys.argv[1:]
tokenizer = tokenizers.Tokenizer.from_file(folder + "/tokenizer.json")
config = json.load(open(folder + "/config.json"))
session = onnxruntime.InferenceSession(folder + "/model.onnx")
ids = numpy.array([tokenizer.encode(text).ids])
inputs = {"input_ids": ids, "attention_mask": ids * 0 + 1, "token_type_ids": ids * 0}
logits = session.run(["logits"], inputs)[0][0]
assert not {"torch", "transformers", "textclf_lesson"} & set(sys.modules)
print(config["id2label"][str(logits.argmax())], *logits)
"""


def test_a_plain_user_of_onnxruntime_needs_nothing_of_ours(classifier, exported, movies):
    label, *logits = python(PLAIN, exported, movies[0][0]).split()
    assert label == classifier.predict(movies[0][:1])[0]
    np.testing.assert_allclose(np.array(logits, dtype=float), classifier.logits(movies[0][:1])[0], atol=1e-4)


def test_serving_imports_neither_torch_nor_transformers():
    code = (
        "import sys, textclf_lesson.deploy.onnx_classifier; print(sorted({'torch', 'transformers'} & set(sys.modules)))"
    )
    assert python(code).strip() == "[]"


def test_operators_are_fused_or_standard(classifier, exported, tmp_path):
    assert {"Attention", "LayerNormalization", "BiasGelu", "EmbedLayerNormalization"} <= operators(exported)
    plain = export.to_onnx(classifier, tmp_path, fuse=False)
    assert {node.domain for node in onnx.load(plain / "model.onnx").graph.node} <= {"", "ai.onnx"}


def test_exporting_changes_nothing_in_the_classifier(classifier, tmp_path):
    before = classifier.model_.config.to_dict()
    export.to_onnx(classifier, tmp_path)
    assert classifier.model_.config.to_dict() == before
    assert classifier.model_.config._attn_implementation == "sdpa"


def test_a_model_that_computes_something_else_is_not_written(movies, tmp_path):
    """A trace follows one run: what depends on the length of the text is lost, and the check of parity sees it."""
    branching = TransformerClassifier(epochs=1, max_length=32, freeze_embeddings=True).fit(*(c[:32] for c in movies))
    branching.model_.bert.register_forward_hook(
        lambda module, inputs, output: output if output[0].shape[1] < 16 else type(output)(output[0] + 1, output[1] + 1)
    )
    (tmp_path / "model.onnx").write_text("the one before")
    with pytest.raises(ModelError, match=r"differ from torch's by .*: nothing was written"):
        export.to_onnx(branching, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["model.onnx"]
    assert (tmp_path / "model.onnx").read_text() == "the one before"


# --- eight bits -------------------------------------------------------------------------------------------------------


def test_a_quarter_of_the_size_and_nearly_the_same_answers(exported, int8, movies):
    sizes = [(folder / "model.onnx").stat().st_size for folder in (exported, int8)]
    assert sizes[0] / sizes[1] > 3.8
    a, b = (OnnxClassifier(folder).predict(movies[0][:100]) for folder in (exported, int8))
    assert (a == b).mean() > 0.9
    assert {"QAttention", "DynamicQuantizeLinear"} <= operators(int8)
    assert "int8 (dynamic)" in OnnxClassifier(int8).card


def test_with_fixed_scales_company_changes_nothing(exported, movies, tmp_path):
    static = export.quantize_int8(exported, tmp_path, calibration=movies[0][:24])
    assert "DynamicQuantizeLinear" not in operators(static)
    served, texts = OnnxClassifier(static), movies[0][:20]
    np.testing.assert_allclose([served.logits([text])[0] for text in texts], served.logits(texts), atol=1e-3)
    assert (served.predict(texts) == OnnxClassifier(exported).predict(texts)).mean() > 0.9


def test_weights_alone_in_eight_bits_change_next_to_nothing(classifier, movies, tmp_path):
    plain = export.to_onnx(classifier, tmp_path / "plain", fuse=False)
    small = export.shrink_weights(plain, tmp_path / "small")
    assert (small / "model.onnx").stat().st_size < (plain / "model.onnx").stat().st_size / 3.8
    assert {node.domain for node in onnx.load(small / "model.onnx").graph.node} <= {"", "ai.onnx"}
    before, after = (OnnxClassifier(folder).predict_proba(movies[0][:64]) for folder in (plain, small))
    assert 0 < np.abs(before - after).max() < 0.1 and np.abs(before - after).mean() < 0.005
    with pytest.raises(ModelError, match="is quantised already"):
        export.shrink_weights(small, tmp_path / "again")


def test_only_standard_operators_have_their_weights_shrunk(exported, tmp_path):
    with pytest.raises(ModelError, match="fuse=False"):
        export.shrink_weights(exported, tmp_path)


def test_openvino_answers_as_onnxruntime_does(classifier, movies, tmp_path):
    pytest.importorskip("openvino", reason='an extra: pip install "textclf-lesson[openvino]"')
    plain = export.to_onnx(classifier, tmp_path / "plain", fuse=False)
    reader = OnnxClassifier(plain)
    for folder in (plain, export.shrink_weights(plain, tmp_path / "small")):
        forward = bench.load_openvino(folder)
        for _, inputs in reader.batches(movies[0][:64]):
            np.testing.assert_allclose(forward(inputs), reader.forward(inputs), atol=0.3)  # bfloat16, eight bits


def test_quantised_twice_is_refused(int8, tmp_path):
    with pytest.raises(ModelError, match="quantised already: take the folder that to_onnx wrote"):
        export.quantize_int8(int8, tmp_path)


# --- what is refused --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (shutil.rmtree, "There is no folder"),
        (lambda f: (f / "config.json").unlink(), r"lacks config\.json, its labels"),
        (lambda f: (f / "tokenizer.json").unlink(), r"lacks tokenizer\.json, its tokeniser"),
        (lambda f: (f / "model.onnx").unlink(), r"lacks model\.onnx, the model"),
        (lambda f: replace(f / "config.json", "{"), r"config\.json is damaged"),
        (lambda f: replace(f / "config.json", b"\xff\xfe"), r"config\.json is damaged"),
        (lambda f: replace(f / "config.json", "[" * 10**6), r"config\.json is damaged"),
        (lambda f: replace(f / "config.json", "[]"), r"config\.json is damaged \(no JSON object"),
        (lambda f: replace(f / "tokenizer.json", "{}"), r"tokenizer\.json is damaged"),
        (lambda f: replace(f / "model.onnx", b"\x08\x01 not a model"), r"model\.onnx cannot be read as ONNX"),
        (lambda f: replace(f / "model.onnx", b""), r"model\.onnx cannot be read as ONNX"),
        (lambda f: replace(f / "model.onnx", pickle.dumps({})), r"model\.onnx is a pickle under another name"),
        (lambda f: torch.save({}, f / "weights.pt"), r"holds weights\.pt, a pickle, which can run code .* refused"),
        (lambda f: configured(f, **{KEY: {"classes": ["a", "b", "c"]}}), "names 3 labels .* its model gives 2"),
        (lambda f: configured(f, **{KEY: {}, "id2label": {"0": "a"}}), "names 1 labels .* its model gives 2"),
        (lambda f: replace(f / "thresholds.json", '{"negative": 0.5}'), r"labels of thresholds are \['negative'\]"),
        (lambda f: replace(f / "thresholds.json", '{"negative": 2, "positive": 1}'), "must be a number from 0 to 1"),
    ],
)
def test_a_spoilt_folder_is_refused_with_a_sentence(copy, spoil, sentence):
    spoil(copy)
    with pytest.raises(ModelError) as error:
        OnnxClassifier(copy)
    assert re.search(sentence, str(error.value).splitlines()[0])


def test_a_model_that_is_not_of_texts_is_refused(copy):
    pixels = onnx.helper.make_tensor_value_info("pixels", onnx.TensorProto.FLOAT, [1, 2])
    out = onnx.helper.make_tensor_value_info("out", onnx.TensorProto.FLOAT, [1, 2])
    graph = onnx.helper.make_graph([onnx.helper.make_node("Relu", ["pixels"], ["out"])], "g", [pixels], [out])
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8)
    replace(copy / "model.onnx", model.SerializeToString())
    with pytest.raises(ModelError, match="is not a classifier of texts: 'pixels'"):
        OnnxClassifier(copy)


def test_a_model_of_torch_is_told_how_to_be_exported(classifier, tmp_path):
    with pytest.raises(ModelError, match="not yet exported"):
        OnnxClassifier(classifier.save(tmp_path))


@pytest.mark.parametrize("texts", ["one text", ["good", ""], ["good", None], [], [3]])
def test_texts_are_checked_as_everywhere(int8, classifier, texts):
    with pytest.raises((TypeError, ValueError)) as ours:
        OnnxClassifier(int8).predict(texts)
    with pytest.raises((TypeError, ValueError)) as torchs:
        classifier.predict(texts)
    assert str(ours.value) == str(torchs.value)


# --- the bench --------------------------------------------------------------------------------------------------------


def test_bench_times_and_scores_every_variant(classifier, int8, movies, tmp_path):
    variants = {"torch": (bench.load_torch, classifier.save(tmp_path)), "INT8": (bench.load_onnx, int8)}
    texts, labels = (column[:50] for column in movies)
    found = bench.bench(variants, texts, labels, shapes=[(1, 8), (2, 40)], seconds=0.01, turns=2)
    latency = found.latency()
    assert list(latency.index) == [(name, shape) for name in variants for shape in ("1×8", "2×40")]
    assert (latency["runs"] >= 6).all() and (latency["median"] <= latency["p95"]).all()
    assert (latency["p95"] <= latency["p99"]).all()
    np.testing.assert_allclose(latency["texts_per_s"], np.tile([1000, 2000], 2) / latency["median"])
    assert list(found.speedup().columns) == ["1×8", "2×40"] and (found.speedup().loc["torch"] == 1).all()
    table, said = found.variants, classifier.predict(texts)
    assert table.loc["torch", "agreement"] == 1
    assert table.loc["torch", "accuracy"] == pytest.approx((said == labels).mean())
    assert table.loc["INT8", "agreement"] == pytest.approx((OnnxClassifier(int8).predict(texts) == said).mean())
    assert (table["f1_low"] <= table["f1"]).all() and (table["f1"] <= table["f1_high"]).all()
    assert table.loc["INT8", "file_mb"] == pytest.approx((int8 / "model.onnx").stat().st_size / 1e6)
    assert table.loc["INT8", "peak_mb"] < table.loc["torch", "peak_mb"]


def torchscript(module, example, path):
    torch.jit.save(torch.jit.trace(module, example, check_trace=False), path)
    return bench.load_torchscript(str(path))


def exported_program(module, example, path):
    free = ({0: torch.export.Dim.DYNAMIC, 1: torch.export.Dim.DYNAMIC},) * len(example)
    torch.export.save(torch.export.export(module, example, dynamic_shapes={"inputs": free}), path)
    return bench.load_exported(str(path))


@pytest.mark.filterwarnings("ignore")  # that tracing is deprecated
@pytest.mark.parametrize("form", [torchscript, exported_program])
def test_what_torch_has_stored_answers_as_torch_does(classifier, exported, movies, tmp_path, form):
    """Stored from an example of two short texts, asked with more and longer ones."""
    module = export.Logits(classifier.model_, bench.ORDER).eval()
    example = classifier.tokenizer_(["A film.", "A long, long film."], padding=True, return_tensors="pt")
    with encoders.quiet(), torch.no_grad():
        forward = form(module, tuple(example[name] for name in bench.ORDER), tmp_path / "stored.pt2")
    texts = [*movies[0][:9], *ODD]
    expected = classifier.logits(texts)
    for rows, inputs in OnnxClassifier(exported).batches(texts):
        answered = forward(inputs)
        assert answered.dtype == np.float32
        np.testing.assert_allclose(answered, expected[rows], atol=1e-4)


def test_bench_says_which_variant_fails(exported, tmp_path):
    variants = {"good": (bench.load_onnx, exported), "bad": (bench.load_torchscript, tmp_path / "none.pt")}
    with pytest.raises(RuntimeError, match="The variant 'bad' fails: "):
        bench.bench(variants, ["a text"], shapes=[(1, 8)])


def test_bench_needs_a_tokeniser(tmp_path):
    with pytest.raises(ValueError, match="must have the loader load_onnx"):
        bench.bench({"torch": (bench.load_torch, tmp_path)}, ["a text"])


# --- other architectures ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def roberta(tmp_path_factory):
    """RoBERTa's architecture, of 66 positions of which 64 can be used, with a tokeniser that states no limit."""
    folder = tiny_models.saved(tmp_path_factory.mktemp("roberta"), "Roberta", ["a", "b"], multi=True)
    return TransformerClassifier.load(folder).set_params(max_length=64)


@pytest.fixture(scope="module")
def exported_roberta(roberta, tmp_path_factory):
    return export.to_onnx(roberta, tmp_path_factory.mktemp("roberta_onnx"), thresholds={"b": np.float32(0.25), "a": 1})


def test_fixed_scales_are_found_for_a_model_without_token_types(roberta, exported_roberta, tmp_path):
    texts = ["good film", "An unfilmable, never boring story.", "word " * 100]
    static = export.quantize_int8(exported_roberta, tmp_path, calibration=texts * 3)
    assert "DynamicQuantizeLinear" not in operators(static)
    served = OnnxClassifier(static)
    assert "token_type_ids" not in served.asked(next(served.batches(texts))[1])
    assert np.abs(served.predict_proba(texts) - roberta.predict_proba(texts)).max() < 0.2


def test_texts_are_cut_where_roberta_has_no_more_positions(roberta, exported_roberta, tmp_path):
    served = OnnxClassifier(exported_roberta)
    long = ["word " * 300]
    assert served.max_length == 64
    np.testing.assert_allclose(served.logits(long), roberta.logits(long), atol=1e-4)
    foreign = Path(shutil.copytree(exported_roberta, tmp_path / "foreign"))  # without our note: configuration alone
    configured(foreign, **{KEY: {}})
    assert OnnxClassifier(foreign).max_length == 64 and np.isfinite(OnnxClassifier(foreign).logits(long)).all()
    with pytest.raises(ModelError, match=r"max_length=66 is too long: .* reads at most 64 tokens"):
        export.to_onnx(copy_of(roberta, max_length=66), tmp_path / "new")
    assert not (tmp_path / "new").exists()


def copy_of(classifier, **settings):
    other = TransformerClassifier.load(classifier.folder_)
    return other.set_params(**settings)


def test_thresholds_are_stored_by_name_in_pythons_numbers(roberta, exported_roberta, tmp_path):
    assert json.loads((exported_roberta / "thresholds.json").read_text(encoding="utf-8")) == {"a": 1.0, "b": 0.25}
    for wrong, message in (
        ({"a": 0.5}, "'b' is missing"),
        ({"a": 0.5, "b": 2}, "from 0 to 1"),
        ([0.5], "one for each"),
    ):
        with pytest.raises(ValueError, match=message):
            export.to_onnx(roberta, tmp_path / "new", thresholds=wrong)
    assert not (tmp_path / "new").exists()


def test_one_label_takes_no_thresholds(classifier, tmp_path):
    with pytest.raises(ValueError, match="it takes no thresholds"):
        export.to_onnx(classifier, tmp_path, thresholds={"negative": 0.5, "positive": 0.5})


def test_what_onnx_has_no_operator_for_is_told_in_a_sentence(tmp_path, capfd):
    fnet = TransformerClassifier.load(tiny_models.saved(tmp_path / "torch", "FNet", ["a", "b"]))
    capfd.readouterr()
    with pytest.raises(ModelError, match=r"A FNetForSequenceClassification cannot be written as ONNX: .*fft") as error:
        export.to_onnx(fnet.set_params(max_length=60), tmp_path / "onnx")
    assert "\n" not in str(error.value) and "graph(" not in capfd.readouterr().out
    assert not (tmp_path / "onnx" / "model.onnx").exists()


def test_bench_feeds_a_model_of_torch_what_it_knows(tmp_path):
    folder = tiny_models.saved(tmp_path, "DistilBert", ["a", "b"])
    ids = np.array([[0, 7, 8, 2]])
    forward = bench.load_torch(str(folder))
    tokens = {"input_ids": ids, "token_type_ids": np.zeros_like(ids), "attention_mask": np.ones_like(ids)}
    assert forward(tokens).shape == (1, 2)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"labels": ["negative"]}, "1 texts but 2 labels|2 texts but 1 labels"),
        ({"labels": ["negative", None]}, "Row 1 of labels is missing"),
        ({"turns": 0}, "turns=0 does not fit"),
        ({"seconds": float("nan")}, "seconds=nan does not fit"),
        ({"shapes": [(0, 8)]}, "shape=0 does not fit"),
    ],
)
def test_bench_refuses_before_it_begins(exported, options, message):
    with pytest.raises(ValueError, match=message):
        bench.bench({"ONNX": (bench.load_onnx, exported)}, ["a text", "another"], **options)
