"""Focal loss against the cross-entropies of torch, forward and backward on 4096 rows of 52 classes, in turns.

A turn is a process that calls all losses by turns, on the same logits. In processes of their own each would be timed
with the mood of its memory allocator, which counted for more than the losses. The logits are random: the time does not
depend on them.
"""

import argparse
import json
import statistics
import time

from benchmarks import common

ROWS, CLASSES = 4096, 52
TURNS, REPEATS = 7, 300
SIDES = {
    "cross": "cross-entropy, torch's",
    "focal": "focal loss, γ = 2",
    "cross-weighted": "cross-entropy with weights, torch's",
    "focal-weighted": "focal loss with weights, γ = 2",
    "binary": "binary cross-entropy of 52 labels, torch's",
    "focal-labels": "focal loss of 52 labels, γ = 2",
}
AGAINST = {"focal": "cross", "focal-weighted": "cross-weighted", "focal-labels": "binary"}


def loss(side: str):
    """The function of logits and targets that is timed."""
    import torch
    import torch.nn.functional as F

    from textclf_lesson.losses import FocalLoss

    weights = 1 + torch.arange(CLASSES) / CLASSES
    return {
        "cross": F.cross_entropy,
        "cross-weighted": torch.nn.CrossEntropyLoss(weights),
        "binary": F.binary_cross_entropy_with_logits,
        "focal": FocalLoss(2),
        "focal-weighted": FocalLoss(2, weights),
        "focal-labels": FocalLoss(2, multi_label=True),
    }[side]


def child() -> None:
    """One measurement; its last line is JSON: the median time of a forward and backward pass of each side, in ms."""
    import torch

    torch.manual_seed(0)
    logits = (3 * torch.randn(ROWS, CLASSES)).requires_grad_()
    classes, several = torch.randint(CLASSES, (ROWS,)), torch.randint(2, (ROWS, CLASSES)).float()
    losses = {side: loss(side) for side in SIDES}
    seconds = {side: [] for side in SIDES}
    for _ in range(REPEATS):
        for side, price in losses.items():
            targets = several if side in ("binary", "focal-labels") else classes
            logits.grad = None
            began = time.perf_counter()
            price(logits, targets).backward()
            seconds[side].append(time.perf_counter() - began)
    print(json.dumps({side: 1000 * statistics.median(found) for side, found in seconds.items()}))


def main() -> None:
    """Measure in turns and store."""
    turns = [common.measure("benchmarks.focal_loss", "--child") for _ in range(TURNS)]
    runs = {side: [turn[side] for turn in turns] for side in SIDES}
    table = [
        {
            "loss": name,
            "ms": common.spread(runs[side]),
            "times torch's": common.ratio(runs[side], runs[AGAINST[side]]) if side in AGAINST else 1,
        }
        for side, name in SIDES.items()
    ]
    common.write(
        "focal_loss",
        "Focal loss",
        f"How much longer than torch's cross-entropy does focal loss take, forward and backward, on {ROWS} rows of "
        f"{CLASSES} classes?",
        table,
        notes=[f"{TURNS} turns, medians of {REPEATS} passes; the checks of shapes, targets and result included."],
        packages=["torch"],
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--child", action="store_true", help="one measurement only, as JSON")
    options = parser.parse_args()
    child() if options.child else main()
