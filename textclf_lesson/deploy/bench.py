"""One classifier in several forms, side by side: each in a process of its own, timed in turns on the same tokens."""

import inspect
import multiprocessing
import os
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd

from textclf_lesson.base.extras import needed

Inputs = dict[str, np.ndarray]  # input_ids, token_type_ids and attention_mask, int64, shape (batch, tokens)
Forward = Callable[[Inputs], np.ndarray]  # logits, float32, shape (batch, classes)

SHAPES = ((1, 16), (1, 128), (1, 512), (16, 64))  # batch × tokens: a remark, a paragraph, a page; a queue of remarks
ORDER = ("input_ids", "token_type_ids", "attention_mask")  # of what traced and exported modules take
WARM_UP = 2  # runs before the first that counts, each time


@dataclass(frozen=True)
class Bench:
    """What `bench` measured. `times`: one row per run, columns variant, shape ("1×16"), turn, ms.

    `variants`: one row for each, with file_mb (10^6 bytes on disk), peak_mb (the most memory its process held,
    libraries included) and, if labels were given, accuracy, f1 (macro) with f1_low and f1_high (95 %), and agreement:
    the share of texts that get the same class as from the first variant.
    """

    times: pd.DataFrame
    variants: pd.DataFrame

    def latency(self) -> pd.DataFrame:
        """For each variant and shape: median, p95 and p99 in ms, texts per second, and how many runs that rests on."""
        groups = self.times.groupby(["variant", "shape"], sort=False)["ms"]
        table = groups.quantile([0.5, 0.95, 0.99]).unstack().set_axis(["median", "p95", "p99"], axis=1)
        batch = table.index.get_level_values("shape").str.partition("×").get_level_values(0).astype(int)
        return table.assign(texts_per_s=1000 * batch / table["median"], runs=groups.size())

    def speedup(self) -> pd.DataFrame:
        """How many times as quick as the first variant, by medians; one row per variant, one column per shape."""
        median = self.latency()["median"].unstack(sort=False)
        return median.iloc[0] / median


def bench(
    variants: Mapping[str, tuple[Callable[[str], Forward], str | os.PathLike]],
    texts: Iterable[str],
    labels: Iterable[str] | None = None,
    *,
    shapes: Iterable[tuple[int, int]] = SHAPES,
    seconds: float = 0.25,
    turns: int = 4,
) -> Bench:
    """Time variants of one classifier at each shape (batch, tokens), and score them on all texts if there are labels.

    variants: name → (loader, path). A loader is a function of a module, say `load_onnx` here, that turns the path into
    a function from tokens to logits. At least one must be `load_onnx`: its tokeniser reads for all. texts: real ones;
    the tokens timed are theirs. shapes: () times nothing. seconds: how long one variant runs in each of the `turns`, 3
    times at least.

    Raises ValueError if there is no `load_onnx`, there are no texts or labels do not fit, all before anything is timed;
    RuntimeError if a variant cannot be loaded or run.
    """
    from textclf_lesson.base.inputs import check_labels, check_same_rows, check_texts, positive_number, whole_number
    from textclf_lesson.deploy.onnx_classifier import OnnxClassifier

    check_same_rows(texts=texts, labels=labels)
    texts, shapes = check_texts(texts), [tuple(whole_number("shape", size) for size in shape) for shape in shapes]
    seconds, turns = positive_number("seconds", seconds), whole_number("turns", turns)
    if labels is not None:
        labels = check_labels(labels, texts, at_least=1)
    reader = next((OnnxClassifier(path, threads=1) for loader, path in variants.values() if loader is load_onnx), None)
    if reader is None:
        raise ValueError("One of the variants must have the loader load_onnx: its tokeniser reads the texts for all.")
    tokens = _stream(reader.folder, texts) if shapes else None
    times = []
    with ExitStack() as stack:
        processes = {name: stack.enter_context(_Process(name, *variant)) for name, variant in variants.items()}
        for turn in range(turns):
            for shape in shapes:
                for name, process in processes.items():
                    ms = process.ask(_time, _cut(tokens, shape), seconds)
                    times += [(name, f"{shape[0]}×{shape[1]}", turn, value) for value in ms]
        found = {name: {"file_mb": _size(path) / 1e6} for name, (_, path) in variants.items()}
        if labels is not None:
            rows, batches = zip(*reader.batches(texts), strict=True)
            order = np.argsort(np.concatenate(rows))
            predictions = {
                name: reader.classes_[process.ask(_answer, batches)[order].argmax(axis=1)]
                for name, process in processes.items()
            }
            first = next(iter(predictions.values()))
            found = {name: found[name] | _score(list(labels), predictions[name], first) for name in found}
        for name, process in processes.items():
            found[name]["peak_mb"] = process.ask(_peak_mb)
    table = pd.DataFrame.from_dict(found, orient="index").rename_axis("variant")
    return Bench(pd.DataFrame(times, columns=["variant", "shape", "turn", "ms"]), table)


class _Process:
    """A process that has loaded one variant and does what it is asked, one thing at a time."""

    def __init__(self, name: str, loader: Callable[[str], Forward], path: str | os.PathLike):
        context = multiprocessing.get_context("spawn")  # inherits nothing of what is loaded here
        self.name, (self.pipe, other) = name, context.Pipe()
        self.process = context.Process(target=_serve, args=(other, loader, os.fspath(path)), daemon=True)
        self.process.start()
        other.close()  # so that the end of the process is seen here

    def __enter__(self) -> Self:
        return self

    def ask(self, task: Callable, *arguments: Any) -> Any:
        try:
            self.pipe.send((task, arguments))
            answer = self.pipe.recv()
        except (EOFError, OSError) as error:
            raise RuntimeError(f"The process of {self.name!r} ended: too little memory?") from error
        if isinstance(answer, Exception):
            raise RuntimeError(f"The variant {self.name!r} fails: {answer}") from answer
        return answer

    def __exit__(self, *error: Any) -> None:
        self.pipe.close()  # ends the process's loop
        self.process.join(timeout=10)
        self.process.terminate()


def _serve(pipe: Any, loader: Callable[[str], Forward], path: str) -> None:
    try:
        forward: Forward | Exception = loader(path)
    except Exception as error:
        forward = RuntimeError(f"{type(error).__name__}: {error}")  # of a kind that surely travels
    while True:
        try:
            task, arguments = pipe.recv()
        except EOFError:
            return
        try:
            pipe.send(forward if isinstance(forward, Exception) else task(forward, *arguments))
        except Exception as error:
            pipe.send(RuntimeError(f"{type(error).__name__}: {error}"))


def _time(forward: Forward, inputs: Inputs, seconds: float) -> list[float]:
    for _ in range(WARM_UP):
        forward(inputs)
    times = []
    end = time.perf_counter() + seconds
    while len(times) < 3 or time.perf_counter() < end:
        began = time.perf_counter()
        forward(inputs)
        times.append(1000 * (time.perf_counter() - began))
    return times


def _answer(forward: Forward, batches: Iterable[Inputs]) -> np.ndarray:
    return np.concatenate([forward(inputs) for inputs in batches])


def _peak_mb(forward: Forward) -> float:
    status = Path("/proc/self/status")  # Linux; there getrusage also counts what the parent held when it started us
    if status.exists():
        return next(int(line.split()[1]) * 1024 for line in status.open() if line.startswith("VmHWM")) / 1e6
    if sys.platform == "win32":
        import psutil

        return psutil.Process().memory_info().peak_wset / 1e6
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


def _score(truth: list[str], predictions: np.ndarray, reference: np.ndarray) -> dict[str, float]:
    from textclf_lesson.evaluate import metrics

    report = metrics.report(truth, predictions)
    low, high = report.interval("macro_f1")
    scores = {"accuracy": report.accuracy, "f1": report.macro_f1, "f1_low": low, "f1_high": high}
    return scores | {"agreement": float((predictions == reference).mean())}


def _stream(folder: Path, texts: list[str]) -> np.ndarray:
    """The tokens of all texts in a row, special ones left out."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_truncation()
    return np.concatenate([encoded.ids for encoded in tokenizer.encode_batch(texts, add_special_tokens=False)])


def _cut(tokens: np.ndarray, shape: tuple[int, int]) -> Inputs:
    ids = np.resize(tokens, shape).astype(np.int64)
    return {"input_ids": ids, "token_type_ids": np.zeros_like(ids), "attention_mask": np.ones_like(ids)}


def _size(path: str | os.PathLike) -> int:
    path = Path(path)
    files = [path] if path.is_file() else [*path.glob("*.safetensors"), *path.glob("*.onnx")]
    return sum(file.stat().st_size for file in files)


def load_torch(folder: str, half: bool = False) -> Forward:
    """A TransformerClassifier as it was saved. half: True computes products in bfloat16."""
    with needed("train"):
        import torch

    from textclf_lesson.models.transformer import TransformerClassifier

    model = TransformerClassifier.load(folder).model_
    known = inspect.signature(model.forward).parameters  # not every architecture has token types

    @torch.inference_mode()
    def forward(inputs: Inputs) -> np.ndarray:
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            tokens = {name: torch.from_numpy(values) for name, values in inputs.items() if name in known}
            return model(**tokens).logits.float().numpy()

    return forward


def load_torchscript(path: str) -> Forward:
    """A file of `torch.jit.save`, whose module takes its inputs in ORDER and returns logits."""
    with needed("train"):
        import torch

    return _call(torch.jit.load(path))


def load_exported(path: str) -> Forward:
    """A file of `torch.export.save`, likewise."""
    with needed("train"):
        import torch

    return _call(torch.export.load(path).module())


def load_onnx(folder: str) -> Forward:
    """An exported folder, by onnxruntime."""
    from textclf_lesson.deploy.onnx_classifier import OnnxClassifier

    return OnnxClassifier(folder).forward


def load_openvino(folder: str) -> Forward:
    """An exported folder of standard operators, by OpenVINO; in bfloat16 where the processor multiplies that quickly.

    Needs the extra `openvino`: pip install "textclf-lesson[openvino]".
    """
    try:
        with needed("openvino"):
            import openvino
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError('OpenVINO is not installed: pip install "textclf-lesson[openvino]".') from error
    model = openvino.Core().compile_model(Path(folder) / "model.onnx", "CPU", {"PERFORMANCE_HINT": "LATENCY"})
    request = model.create_infer_request()
    names = [wanted.get_any_name() for wanted in model.inputs]
    return lambda inputs: next(iter(request.infer({name: inputs[name] for name in names}).values())).copy()


def _call(module: Any) -> Forward:
    with needed("train"):
        import torch

    @torch.inference_mode()
    def forward(inputs: Inputs) -> np.ndarray:
        return module(*(torch.from_numpy(inputs[name]) for name in ORDER)).numpy()

    return forward
