"""From torch to ONNX: a folder that onnxruntime serves alone, its operators fused, and the same in eight bits."""

import contextlib
import copy
import json
import logging
import os
import shutil
import sys
import tempfile
import warnings
from collections.abc import Iterable, Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_dynamic, quantize_static
from onnxruntime.tools.symbolic_shape_infer import SymbolicShapeInference
from onnxruntime.transformers import optimizer
from tokenizers import Tokenizer

from textclf_lesson.base.errors import ModelError
from textclf_lesson.base.inputs import check_texts, check_thresholds, plain
from textclf_lesson.deploy.onnx_classifier import MULTI, OnnxClassifier
from textclf_lesson.models import encoders, modelcard, tokens
from textclf_lesson.models.modelcard import KEY
from textclf_lesson.models.transformer import TransformerClassifier

OPSET = 17  # the first with LayerNormalization; every onnxruntime since 1.12 reads it
TOLERANCE = 1e-4  # of a logit: what float32 sums in another order may differ by
SENTENCES = (  # short, long, and what tokenisers stumble over: parity is checked on these unless texts are given
    "Yes.",
    "It was neither as bad as the trailer promised nor as good as the poster.",
    "Ça alors! 10,000 e-mails (and 1 \N{SNOWMAN}) in <b>one</b> day… who'd've thought?",
    " ".join(["The second half repeats the first, only more slowly, and with the sound turned up."] * 40),
)
# A scale for each column of a matrix: with one for the whole matrix three times as many answers changed. Seven bits of
# the eight: processors without VNNI add pairs of products in sixteen bits, which eight could overflow.
INT8 = {"weight_type": QuantType.QInt8, "per_channel": True, "reduce_range": True}
# The quantiser knows no Attention with fixed scales: it stays in float32. QUInt8: what processors are built to multiply
# signed weights by.
STATIC = {
    "quant_format": QuantFormat.QOperator,
    "activation_type": QuantType.QUInt8,
    "op_types_to_quantize": ["MatMul", "EmbedLayerNormalization"],
}
USE = """\
from textclf_lesson.deploy.onnx_classifier import OnnxClassifier  # needs numpy, tokenizers and onnxruntime

OnnxClassifier("this/folder").predict_proba(["..."])"""


class Logits(torch.nn.Module):
    """A classifier of transformers as a function of its inputs, in the order `names`, whose only output are logits."""

    def __init__(self, model: torch.nn.Module, names: Sequence[str]):
        super().__init__()
        self.model, self.names = model, list(names)

    def forward(self, *inputs: torch.Tensor) -> torch.Tensor:
        return self.model(**dict(zip(self.names, inputs, strict=True))).logits


def to_onnx(
    model: TransformerClassifier | str | os.PathLike,
    folder: str | os.PathLike,
    *,
    texts: Iterable[str] = SENTENCES,
    fuse: bool = True,
    thresholds: dict[str, float] | None = None,
) -> Path:
    """Write a fitted classifier as an exported folder: model.onnx, tokeniser, config.json, README.md.

    model: a TransformerClassifier or the folder of one. texts: what parity is checked on;
    the logits of each must be those of torch, to 1e-4. fuse: True joins operators into those
    of onnxruntime (six layers of BERT are then six Attention nodes), False keeps to standard
    ONNX, which other runtimes read too. thresholds: for several labels, the cut of each, 0 to
    1, as `check_thresholds` takes it; stored as thresholds.json. Files of these names in
    `folder` are replaced at the end.

    Raises ModelError if the model cannot be read, reads fewer tokens than its `max_length`,
    has operations that ONNX lacks, or the exported one computes something else; TypeError or
    ValueError for texts that are none and thresholds that do not fit the labels.
    """
    classifier = model if isinstance(model, TransformerClassifier) else TransformerClassifier.load(model)
    texts = check_texts(texts)
    if thresholds is not None:
        thresholds = _named_thresholds(classifier, thresholds)
    _check_length(classifier)
    expected = classifier.logits(texts)
    with _replacing(folder) as partial:
        network = copy.deepcopy(classifier.model_).cpu().eval()
        _trace(network, classifier.tokenizer_, partial / "model.onnx")
        fused = _fuse(partial / "model.onnx", network.config) if fuse else {}
        facts = {"opset": OPSET, "fused": fused, "numbers": "float32"}
        _describe(network.config, classifier, facts, partial)
        _save_tokenizer(classifier, partial)
        if thresholds is not None:
            cuts = json.dumps(thresholds, indent=1)
            (partial / "thresholds.json").write_text(cuts, encoding="utf-8")
        apart = float(np.abs(OnnxClassifier(partial).logits(texts) - expected).max())
        if not apart <= TOLERANCE:
            message = f"The exported model's logits differ from torch's by {apart:.1e}"
            raise ModelError(f"{message}: nothing was written.")
    return Path(folder)


def quantize_int8(folder: str | os.PathLike, to: str | os.PathLike, calibration: Iterable[str] | None = None) -> Path:
    """Write the exported folder again with eight-bit weights: about a quarter of the size.

    Without `calibration` the scale of what flows between the layers is found anew for each
    batch (dynamic). With it, scales are fixed beforehand, from what these texts give
    (static): some hundred, like those to come.

    Raises ModelError if `folder` is none of `to_onnx`, is quantised already, or holds what
    onnxruntime cannot quantise; TypeError or ValueError for texts that are none.
    """
    source = OnnxClassifier(folder)
    config = _unquantised(source.folder)
    texts = None if calibration is None else check_texts(calibration)
    graph = onnx.load(source.folder / "model.onnx")
    with _replacing(to) as partial:
        with _quiet(), _told(f"{folder} cannot be quantised"):
            if texts is None:
                # Fused operators do not say what they give.
                options = {"DefaultTensorType": onnx.TensorProto.FLOAT}
                quantize_dynamic(graph, partial / "model.onnx", **INT8, extra_options=options)
            else:
                graph = SymbolicShapeInference.infer_shapes(graph, auto_merge=True)
                reader = _Calibration(source, texts)
                quantize_static(graph, partial / "model.onnx", reader, **INT8, **STATIC)
        _finish_quantised(source.folder, partial, config, f"int8 ({'dynamic' if texts is None else 'static'})")
    return Path(to)


def shrink_weights(folder: str | os.PathLike, to: str | os.PathLike) -> Path:
    """Write a standard exported folder (`fuse=False`) again, its weights in eight bits and its arithmetic in float.

    Each column of a matrix, each row of an embedding, has a scale of its own: w ≈ scale · q, q from -127 to 127. The
    file is a quarter of the size. It is quick where the runtime multiplies by such weights itself, as OpenVINO does;
    onnxruntime unpacks them for each call.

    Raises ModelError if `folder` is none of `to_onnx`, is fused, or is quantised already.
    """
    source = OnnxClassifier(folder)
    config = _unquantised(source.folder)
    if config[KEY]["export"].get("fused"):
        raise ModelError(f"{folder} has operators of onnxruntime's own: export it with fuse=False.")
    graph = onnx.load(source.folder / "model.onnx")
    _store_in_eight_bits(graph.graph)
    with _replacing(to) as partial:
        onnx.save(graph, partial / "model.onnx")
        _finish_quantised(source.folder, partial, config, "int8 weights")
    return Path(to)


def _store_in_eight_bits(graph: onnx.GraphProto) -> None:
    """Matrices that are multiplied by or looked up in, each as whole numbers, scales, and what puts them together."""
    unpacking = []
    for matrix in [tensor for tensor in graph.initializer if len(tensor.dims) == 2]:
        name = matrix.name
        users = {(node.op_type, list(node.input).index(name)) for node in graph.node if name in node.input}
        if not users or not users <= {("MatMul", 1), ("Gemm", 1), ("Gather", 0)}:
            continue
        axis = 1 if ("MatMul", 1) in users else 0
        weights = onnx.numpy_helper.to_array(matrix)
        scales = np.maximum(np.abs(weights).max(axis=1 - axis), np.finfo(np.float32).tiny) / 127
        whole = np.round(weights / np.expand_dims(scales, 1 - axis)).astype(np.int8)
        parts = [f"{name}_int8", f"{name}_scale"]
        unpacking.append(onnx.helper.make_node("DequantizeLinear", parts, [name], axis=axis))
        graph.initializer.remove(matrix)
        graph.initializer.extend(map(onnx.numpy_helper.from_array, (whole, scales), parts))
    nodes = [*unpacking, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)


def _unquantised(folder: Path) -> dict:
    """config.json of an exported folder that holds float32."""
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    export = config.setdefault(KEY, {}).setdefault("export", {})
    if "int8" in export.get("numbers", ""):
        raise ModelError(f"{folder} is quantised already: take the folder that to_onnx wrote.")
    return config


def _finish_quantised(source: Path, partial: Path, config: dict, numbers: str) -> None:
    """All but the model: what it shares with its source, and what is said of its numbers. Then it is opened once."""
    for name in ("tokenizer.json", "tokenizer_config.json", "thresholds.json", "README.md"):
        if (source / name).exists():
            shutil.copy(source / name, partial)
    config[KEY]["export"]["numbers"] = numbers
    written = json.dumps(config, indent=2, ensure_ascii=False)
    (partial / "config.json").write_text(written, encoding="utf-8")
    with open(partial / "README.md", "a", encoding="utf-8") as card:
        card.write(f"\nQuantised: {numbers}. Measure it before you rely on it.\n")
    OnnxClassifier(partial)


class _Calibration(CalibrationDataReader):
    """Hands the quantiser one batch after the other."""

    def __init__(self, classifier: OnnxClassifier, texts: list[str]):
        self.batches = (classifier.asked(inputs) for _, inputs in classifier.batches(texts))

    def get_next(self) -> dict[str, np.ndarray] | None:
        return next(self.batches, None)


def _trace(network: torch.nn.Module, tokenizer, path: Path) -> None:
    """The older exporter follows one run with plain ("eager") attention. Its file is the one that can be fused: that of
    the newer exporter (dynamo=True), or of fused attention, has a form that onnxruntime's optimizer does not know."""
    network.set_attn_implementation("eager")
    example = dict(tokenizer(["one", "one and two"], padding=True, return_tensors="pt"))
    axes = {name: {0: "batch", 1: "tokens"} for name in example} | {"logits": {0: "batch"}}
    failed = f"A {type(network).__name__} cannot be written as ONNX: serve it with torch, or fine-tune one like BERT"
    with warnings.catch_warnings(), encoders.quiet(), _no_output(), _told(failed):
        # That it is deprecated, and that a trace does not see branches: parity is checked.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            Logits(network, list(example)),
            tuple(example.values()),
            path,
            input_names=list(example),
            output_names=["logits"],
            dynamic_axes=axes,
            opset_version=OPSET,
            dynamo=False,
        )


def _named_thresholds(classifier: TransformerClassifier, thresholds: Any) -> dict[str, float]:
    labels = [str(label) for label in classifier.classes_]
    if classifier.problem_type != MULTI:
        raise ValueError(f"This classifier gives one label of {len(labels)}, the likeliest: it takes no thresholds.")
    return dict(zip(labels, check_thresholds(thresholds, labels).tolist(), strict=True))


def _check_length(classifier: TransformerClassifier) -> None:
    """A text longer than the model reads would be refused only when it comes."""
    limit = tokens.longest(classifier.model_)
    if limit is not None and classifier.max_length > limit:
        raise ModelError(
            f"max_length={classifier.max_length} is too long: {classifier.model} reads at most {limit} tokens. "
            f"Export it after classifier.set_params(max_length={limit})."
        )


def _save_tokenizer(classifier: TransformerClassifier, folder: Path) -> None:
    """tokenizer.json cuts texts where the model was trained to, whoever reads it."""
    with encoders.quiet():
        classifier.tokenizer_.save_pretrained(folder)
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(int(classifier.max_length))
    tokenizer.save(str(folder / "tokenizer.json"))


def _fuse(path: Path, config) -> dict[str, int]:
    """Join operators in place; how many there are of each joint one. What it does not know stays as it is."""
    heads, width = getattr(config, "num_attention_heads", 0), getattr(config, "hidden_size", 0)
    model = optimizer.optimize_model(str(path), model_type="bert", num_heads=heads, hidden_size=width)
    fused = {name: count for name, count in model.get_fused_operator_statistics().items() if count}
    _part_norms(model.model.graph)
    model.save_model_to_file(str(path))
    return {name: count for name, count in fused.items() if name != "SkipLayerNormalization"}


def _part_norms(graph: onnx.GraphProto) -> None:
    """SkipLayerNormalization back into sums and LayerNormalization: onnxruntime has a vectorised kernel (AVX2, since
    1.31) for the latter only, five times as quick."""
    nodes = []
    for node in graph.node:
        if node.op_type != "SkipLayerNormalization" or any(node.output[1:]):
            nodes.append(node)
            continue
        values, skip, weight, bias, *linear = node.input
        for added in (*filter(None, linear), skip):
            total = f"{node.output[0]}_plus_{added}"
            nodes.append(onnx.helper.make_node("Add", [values, added], [total]))
            values = total
        epsilon = next(attribute.f for attribute in node.attribute if attribute.name == "epsilon")
        inputs = [values, weight, bias]
        nodes.append(onnx.helper.make_node("LayerNormalization", inputs, node.output[:1], epsilon=epsilon))
    del graph.node[:]
    graph.node.extend(nodes)


def _describe(config, classifier: TransformerClassifier, export: dict, folder: Path) -> None:
    """config.json and README.md, both complete even if the model did not come from this course."""
    note = dict(getattr(config, KEY, None) or {})
    note["classes"] = classifier.classes_.tolist()
    note["settings"] = note.get("settings", {}) | {
        "max_length": plain(classifier.max_length),
        "problem_type": classifier.problem_type,
    }
    note["export"] = export | {"versions": {name: version(name) for name in ("torch", "onnx", "onnxruntime")}}
    config.update({KEY: note, "problem_type": classifier.problem_type})
    config.save_pretrained(folder)
    if "rows" in note:
        card = modelcard.write(config, USE)
    else:
        names = ", ".join(map(str, note["classes"]))
        card = f"# A classifier of texts: {names}\n\nExported from {classifier.model}.\n\n```python\n{USE}\n```\n"
    fused = ", ".join(f"{count} {name}" for name, count in export["fused"].items()) or "none"
    card += f"\n## Export\n\nONNX, opset {OPSET}, inputs int64 (batch, tokens). Operators fused: {fused}.\n"
    (folder / "README.md").write_text(card, encoding="utf-8")


@contextlib.contextmanager
def _told(failed: str) -> Iterator[None]:
    """A block whose errors, of a dozen kinds in torch and onnxruntime, become one sentence."""
    try:
        yield
    except Exception as error:
        first = (str(error) or type(error).__name__).splitlines()[0]
        raise ModelError(f"{failed} ({first}).") from error


@contextlib.contextmanager
def _no_output() -> Iterator[None]:
    """A block that prints nothing, not from C++ either: of what it cannot export, torch prints the whole graph."""
    sys.stdout.flush()
    kept = os.dup(1)
    try:
        with open(os.devnull, "w", encoding="utf-8") as nowhere:
            os.dup2(nowhere.fileno(), 1)
        yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without the quantiser's advice to prepare the model, which fusing has done, and onnxruntime's own remarks."""
    level = logging.root.level
    logging.root.setLevel(logging.ERROR)
    onnxruntime.set_default_logger_severity(3)
    try:
        yield
    finally:
        onnxruntime.set_default_logger_severity(2)  # what it is by default
        logging.root.setLevel(level)


@contextlib.contextmanager
def _replacing(folder: str | os.PathLike) -> Iterator[Path]:
    """A folder to write into, whose files then replace those of `folder`, all or none. Old thresholds do not stay: they
    belong to another model."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}.") as partial:
        yield Path(partial)
        (folder / "thresholds.json").unlink(missing_ok=True)
        for file in Path(partial).iterdir():
            os.replace(file, folder / file.name)
