"""The film classifier in torch and exported: how many times as fast at four shapes, how large, and as right as before?

Each variant has a process of its own; they are timed in turns on the same tokens of real texts, and judged on the whole
test split. OpenVINO is measured where it is installed (the extra `openvino`); nothing in the course needs it.
"""

import argparse
import tempfile
import warnings
from functools import partial
from importlib.util import find_spec
from pathlib import Path

from benchmarks import common
from textclf_lesson.deploy import bench

SECONDS, TURNS = 1.0, 7
TORCH = "torch, float32"


def make(work: Path, calibration: list[str]) -> dict[str, tuple]:
    """Write all variants below `work`: name → (loader, path), torch first."""
    import torch

    from textclf_lesson.deploy import export
    from textclf_lesson.models import checkpoints

    classifier = checkpoints.load("sentiment")
    plain = export.to_onnx(classifier, work / "plain", fuse=False)
    fused = export.to_onnx(classifier, work / "fused")
    dynamic = export.quantize_int8(fused, work / "dynamic")
    example = classifier.tokenizer_(["A film.", "A long, long film."], padding=True, return_tensors="pt")
    with warnings.catch_warnings(), torch.inference_mode():
        warnings.simplefilter("ignore")
        module = export.Logits(classifier.model_, bench.ORDER).eval()
        traced = torch.jit.trace(module, tuple(example[name] for name in bench.ORDER), check_trace=False)
        torch.jit.save(torch.jit.freeze(traced), work / "traced.pt")
    variants = {
        TORCH: (bench.load_torch, classifier.folder_),
        "torch, bfloat16": (partial(bench.load_torch, half=True), classifier.folder_),
        "TorchScript": (bench.load_torchscript, work / "traced.pt"),
        "ONNX Runtime": (bench.load_onnx, plain),
        "ONNX Runtime, fused": (bench.load_onnx, fused),
        "ONNX Runtime, fused, INT8 dynamic": (bench.load_onnx, dynamic),
        "ONNX Runtime, fused, INT8 static": (
            bench.load_onnx,
            export.quantize_int8(fused, work / "static", calibration),
        ),
    }
    if find_spec("openvino"):
        variants["OpenVINO"] = (bench.load_openvino, plain)
        variants["OpenVINO, INT8 weights"] = (bench.load_openvino, export.shrink_weights(plain, work / "shrunk"))
    return variants


def main(seconds: float, turns: int) -> None:
    """Measure and store."""
    from textclf_lesson import data

    movies = data.load("movie-snippets")
    with tempfile.TemporaryDirectory() as work:
        variants = make(Path(work), movies["train"].shuffle(seed=0)["text"][:100])
        found = bench.bench(variants, *data.columns(movies["test"]), seconds=seconds, turns=turns)
    medians = found.times.groupby(["variant", "shape", "turn"])["ms"].median()
    torchs, scores = medians[TORCH], found.variants
    table = []
    for name in variants:
        gains = {
            shape: common.spread((torchs[shape] / medians[name, shape]).tolist())
            for shape in (f"{rows}×{tokens}" for rows, tokens in bench.SHAPES)
        }
        table.append(
            {"variant": name}
            | {f"times torch at {shape}": gain for shape, gain in gains.items()}
            | {
                "file, MB": scores.loc[name, "file_mb"],
                "peak memory, MB": round(scores.loc[name, "peak_mb"]),
                "test accuracy": scores.loc[name, "accuracy"],
                "agreement with torch": scores.loc[name, "agreement"],
            }
        )
    small = [row for row in table if row["file, MB"] < table[0]["file, MB"] / 3]
    best = max(small, key=lambda row: min(v["median"] for v in row.values() if isinstance(v, dict)))
    least = min(value["median"] for value in best.values() if isinstance(value, dict))
    smaller = table[0]["file, MB"] / best["file, MB"]
    points = 100 * (best["test accuracy"] - table[0]["test accuracy"])
    latency = found.latency().loc[[TORCH, best["variant"]]]
    tails = [
        f"{name} at {shape}: {row['median']:.1f}, {row['p95']:.1f}, {row['p99']:.1f}"
        for (name, shape), row in latency.iterrows()
    ]
    common.write(
        "export",
        "Exported classifiers",
        "How many times as fast as torch in float32 is the exported classifier at batch × tokens, how large is its "
        "file, and what does it cost in accuracy?",
        table,
        notes=[
            f"Of the small ones, best at its worst shape: {best['variant']}, {least:.1f} times torch at the least, "
            f"1/{smaller:.2f} of the size, accuracy {points:+.2f} points on {movies['test'].num_rows:,} texts.",
            f"{turns} turns of {seconds:g} s for each variant and shape; ratios are of medians of the same turn.",
            f"Median, p95 and p99 in ms: {'; '.join(tails)}.",
        ],
        packages=["torch", "transformers", "onnx", "onnxruntime", *(["openvino"] if find_spec("openvino") else [])],
    )
    print(found.speedup().round(2), scores.round(3), sep="\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=SECONDS)
    parser.add_argument("--turns", type=int, default=TURNS)
    main(**vars(parser.parse_args()))
