"""An exported model in eight bits: smaller, and quick where the processor multiplies such numbers."""

import contextlib
import json
import logging
import os
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import onnxruntime

from textclf_lesson.base.errors import ModelError, brief
from textclf_lesson.base.extras import needed
from textclf_lesson.base.inputs import check_texts
from textclf_lesson.deploy.onnx_classifier import OnnxClassifier
from textclf_lesson.models.modelcard import KEY, replacing

with needed("train"):
    import onnx
    from onnxruntime.quantization import (
        CalibrationDataReader,
        QuantFormat,
        QuantType,
        quantize_dynamic,
        quantize_static,
    )
    from onnxruntime.tools.symbolic_shape_infer import SymbolicShapeInference

OLD = ["thresholds.json"]  # of the model that was in a folder before: those of another model do not stay
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


def quantize_int8(folder: str | os.PathLike, to: str | os.PathLike, calibration: Iterable[str] | None = None) -> Path:
    """Write the exported folder again with eight-bit weights: about a quarter of the size.

    Without `calibration` the scale of what flows between the layers is found anew for each
    batch (dynamic). With it, scales are fixed beforehand, from what these texts give
    (static): some hundred, like those to come.

    Raises ModelError if `folder` was not made by `to_onnx`, is quantised already, or holds what
    onnxruntime cannot quantise; TypeError or ValueError for items that are not strings.
    """
    source = OnnxClassifier(folder)
    config = _unquantised(source.folder)
    texts = None if calibration is None else check_texts(calibration)
    graph = onnx.load(source.folder / "model.onnx")
    with replacing(to, OLD) as partial:
        with _quiet(), as_model_error(f"{folder} cannot be quantised"):
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

    Raises ModelError if `folder` was not made by `to_onnx`, is fused, or is quantised already.
    """
    source = OnnxClassifier(folder)
    config = _unquantised(source.folder)
    if config[KEY]["export"].get("fused"):
        raise ModelError(f"{folder} has operators of onnxruntime's own: export it with fuse=False.")
    graph = onnx.load(source.folder / "model.onnx")
    _store_in_eight_bits(graph.graph)
    with replacing(to, OLD) as partial:
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
    """All but the model: what it shares with its source, and the kind of its numbers. Then it is opened once."""
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


@contextlib.contextmanager
def as_model_error(failed: str) -> Iterator[None]:
    """A block whose errors, of a dozen kinds in torch and onnxruntime, become a ModelError with `failed`."""
    try:
        yield
    except Exception as error:
        raise ModelError(f"{failed} ({brief(error)}).") from error


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
