"""The shared classifiers made anew from their recipes, three seeds each: is the one in the package what they give?

Every run is a whole recipe, an hour or two of two cores, judged on the validation split. `--check` trains nothing: it
holds the scores of each shared classifier to the interval in which another seed's would lie with a probability of 95 %
(mean ± t · sd · √(1 + 1/n), n seeds), never narrower than a hundredth, and says which lie outside. `make remade` runs
both. It is no part of `make test`, for it takes hours; its results are stored.
"""

import argparse
import sys
import tempfile
from pathlib import Path

import numpy as np
from scipy.stats import t

from studies import common
from textclf_lesson.evaluate import evidence
from textclf_lesson.models import checkpoints

SEEDS = [0, 1, 2]
NARROWEST = 0.01
GRID = [
    {"name": name, "recipe": checkpoints.read_card(checkpoints.SHARED / name)["recipe"], "seed": seed}
    for name in checkpoints.names()
    for seed in SEEDS
]


def measure(name: str, recipe: int, seed: int) -> dict[str, object]:
    """The scores on validation of a recipe's adapter, its hash and the minutes its steps took."""
    from textclf_lesson.training import recipes

    if recipes.RECIPES[name] != recipe:
        raise ValueError(f"{name} in the package is of recipe {recipe}, the code has {recipes.RECIPES[name]}.")
    with tempfile.TemporaryDirectory() as folder:
        facts = checkpoints.read_card(recipes.make(name, Path(folder), seed=seed))
    scores = {what: numbers[0] for what, numbers in facts["scores"]["validation"].items()}
    return {"scores": scores, "sha256": facts["sha256"], "processor": facts["processor"], "minutes": facts["minutes"]}


def within(shared: float, remade: list[float]) -> tuple[bool, float, float]:
    """Whether a score lies where one more seed's would lie, and the ends of that interval."""
    mean, n = float(np.mean(remade)), len(remade)
    half = max(NARROWEST, float(t.ppf(0.975, n - 1) * np.std(remade, ddof=1) * np.sqrt(1 + 1 / n)))
    return abs(shared - mean) <= half, mean - half, mean + half


def check() -> list[str]:
    """A line for each score of the shared classifiers; those outside begin with ✗."""
    try:
        runs, lines = evidence.runs("shared"), []
    except ValueError:  # nothing is stored under that name
        return ["✗ no run is stored yet: make remade"]
    for name in checkpoints.names():
        facts = checkpoints.read_card(checkpoints.SHARED / name)
        own = runs[(runs["name"] == name) & (runs["recipe"] == facts["recipe"])]
        if len(own) < 2:
            lines.append(f"✗ {name}: {len(own)} of {len(SEEDS)} seeds are stored, two are the least: make remade")
            continue
        for what, (score, *_) in facts["scores"]["validation"].items():
            remade = [scores[what] for scores in own["scores"]]
            fits, low, high = within(score, remade)
            where = f"{score:.3f}, {len(remade)} seeds: [{low:.3f}, {high:.3f}]"
            lines.append(f"{'✓' if fits else '✗'} {name}, {what}: {where}")
    return lines


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="train nothing, compare with what is stored")
    if not parser.parse_args().check:
        common.run("shared", GRID, measure, ("torch", "transformers", "peft", "tokenizers"))
    found = check()
    print(*found, sep="\n")
    sys.exit(any(line.startswith("✗") for line in found))
