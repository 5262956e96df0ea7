"""From torch to ONNX: a folder that onnxruntime serves alone, its operators fused (in eight bits: `quantize`)."""

import contextlib
import copy
import json
import os
import sys
import warnings
from collections.abc import Iterable, Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from tokenizers import Tokenizer

from textclf_lesson.base.errors import ModelError
from textclf_lesson.base.extras import needed
from textclf_lesson.base.inputs import check_texts, check_thresholds, plain
from textclf_lesson.deploy.onnx_classifier import MULTI, OnnxClassifier
from textclf_lesson.deploy.quantize import OLD, as_model_error, quantize_int8, shrink_weights
from textclf_lesson.models import encoders, modelcard, tokens
from textclf_lesson.models.modelcard import KEY
from textclf_lesson.models.transformer import TransformerClassifier

with needed("train"):
    import onnx
    import torch
    from onnxruntime.transformers import optimizer


__all__ = ["Logits", "quantize_int8", "shrink_weights", "to_onnx"]

OPSET = 17  # the first with LayerNormalization; every onnxruntime since 1.12 reads it
TOLERANCE = 1e-4  # of a logit: what float32 sums in another order may differ by
SENTENCES = (  # short, long, and what tokenisers stumble over: parity is checked on these unless texts are given
    "Yes.",
    "It was neither as bad as the trailer promised nor as good as the poster.",
    "Ça alors! 10,000 e-mails (and 1 \N{SNOWMAN}) in <b>one</b> day… who'd've thought?",
    " ".join(["The second half repeats the first, only more slowly, and with the sound turned up."] * 40),
)
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
    ONNX, which other runtimes read too. thresholds: for several labels, one for each, 0 to 1, as
    `check_thresholds` takes them; stored as thresholds.json. Files of these names in
    `folder` are replaced at the end.

    Raises ModelError if the model cannot be read, reads fewer tokens than its `max_length`,
    has operations that ONNX lacks, if the exported one computes something else, or if the
    folder cannot be written; TypeError or ValueError for items that are not strings and
    thresholds that do not fit the labels.
    """
    classifier = model if isinstance(model, TransformerClassifier) else TransformerClassifier.load(model)
    texts = check_texts(texts)
    if thresholds is not None:
        thresholds = _named_thresholds(classifier, thresholds)
    _check_length(classifier)
    expected = classifier.logits(texts)
    with modelcard.replacing(folder, OLD) as partial:
        network = copy.deepcopy(classifier.model_).cpu().eval()
        _trace(network, classifier.tokenizer_, partial / "model.onnx")
        fused = _fuse(partial / "model.onnx", network.config) if fuse else {}
        facts = {"opset": OPSET, "fused": fused, "numbers": "float32"}
        _describe(network.config, classifier, facts, partial)
        _save_tokenizer(classifier, partial)
        if thresholds is not None:
            written = json.dumps(thresholds, indent=1)
            (partial / "thresholds.json").write_text(written, encoding="utf-8")
        apart = float(np.abs(OnnxClassifier(partial).logits(texts) - expected).max())
        if not apart <= TOLERANCE:
            message = f"The exported model's logits differ from torch's by {apart:.1e}"
            raise ModelError(f"{message}: nothing was written.")
    return Path(folder)


def _trace(network: torch.nn.Module, tokenizer, path: Path) -> None:
    """The older exporter follows one run with plain ("eager") attention. Its file is the one that can be fused: that of
    the newer exporter (dynamo=True), or of fused attention, has a form that onnxruntime's optimizer does not know."""
    network.set_attn_implementation("eager")
    example = dict(tokenizer(["one", "one and two"], padding=True, return_tensors="pt"))
    axes = {name: {0: "batch", 1: "tokens"} for name in example} | {"logits": {0: "batch"}}
    failed = f"A {type(network).__name__} cannot be written as ONNX: serve it with torch, or fine-tune one like BERT"
    with warnings.catch_warnings(), encoders.quiet(), _no_output(), as_model_error(failed):
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
    """tokenizer.json makes every reader truncate texts where the model was trained to."""
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
