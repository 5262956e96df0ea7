"""Focal loss against the cross-entropies of torch, forward and backward on 4096 rows of 52 classes, in pairs.

A turn is a process that calls one of our losses and torch's of the same kind, in random order, on the same logits. In
processes of their own each would be timed with the mood of its memory allocator, which counted for more than the
losses; together with a third loss, which takes its memory in other blocks, so it was again. The logits are random: the
time does not depend on them.
"""

import argparse
import json
import random
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

    from textclf_lesson.training.losses import FocalLoss

    weights = 1 + torch.arange(CLASSES) / CLASSES
    return {
        "cross": F.cross_entropy,
        "cross-weighted": torch.nn.CrossEntropyLoss(weights),
        "binary": F.binary_cross_entropy_with_logits,
        "focal": FocalLoss(2),
        "focal-weighted": FocalLoss(2, weights),
        "focal-labels": FocalLoss(2, multi_label=True),
    }[side]


def child(side: str) -> None:
    """One measurement; its last line is JSON: median times of a forward and backward pass, in ms, of it and torch's."""
    import torch

    torch.manual_seed(0)
    logits = (3 * torch.randn(ROWS, CLASSES)).requires_grad_()
    several = side == "focal-labels"
    targets = torch.randint(2, (ROWS, CLASSES)).float() if several else torch.randint(CLASSES, (ROWS,))
    pair = [side, AGAINST[side]]
    losses = {name: loss(name) for name in pair}
    seconds = {name: [] for name in pair}
    rng = random.Random(0)
    for _ in range(REPEATS):
        for name in rng.sample(pair, 2):
            logits.grad = None
            began = time.perf_counter()
            losses[name](logits, targets).backward()
            seconds[name].append(time.perf_counter() - began)
    print(json.dumps({name: 1000 * statistics.median(found) for name, found in seconds.items()}))


def main() -> None:
    """Measure in turns and store."""
    runs = {side: [] for side in SIDES}
    for _ in range(TURNS):
        for side, other in AGAINST.items():
            turn = common.measure("benchmarks.focal_loss", "--child", side)
            for name in (side, other):
                runs[name].append(turn[name])
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
    parser.add_argument("--child", choices=AGAINST, help="one measurement of this loss and torch's, as JSON")
    options = parser.parse_args()
    child(options.child) if options.child else main()
