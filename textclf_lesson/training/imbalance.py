"""Rare classes: weights for the loss, and rows copied, left out or made up."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
from imblearn.over_sampling import SMOTE, RandomOverSampler
from imblearn.under_sampling import RandomUnderSampler

from textclf_lesson.base.inputs import check_label_table, check_labels, check_same_rows, is_table, whole_number
from textclf_lesson.training.losses import FocalLoss

METHODS = ("balanced", "effective")
STRATEGIES = ("over", "under", "smote")
NEIGHBOURS = 5  # SMOTE's own default
STEPS = 800  # of fit_head


def class_weights(y: Any, method: str = "balanced", beta: float = 0.999) -> pd.Series:
    """A weight for each class, the larger the rarer it is, indexed by class.

    method: "balanced", 1/n for n rows of a class; or "effective", (1 - beta) / (1 - beta^n) (Cui et al. 2019): the
        n-th row of a class is worth less than the first, so weights stop growing apart beyond 1 / (1 - beta) rows.
    beta: 0 to below 1, for "effective" only. 0 weighs all the same; towards 1 it becomes "balanced".

    y: one label per row: the weights average 1 over the rows ("balanced", as in scikit-learn) or over the classes
    ("effective"). Or a table of 0 and 1, shape (rows, labels): the weight of each label's positives where negatives
    weigh 1, as `FocalLoss(alpha=…)` and torch's `pos_weight` take it.

    Raises ValueError for an unknown method, a beta out of range, one class only, a label without positives or
    negatives; TypeError or ValueError as `check_labels` and `check_label_table` do.
    """
    if method not in METHODS:
        raise ValueError(f"method={method!r} is unknown: choose one of {', '.join(METHODS)}.")
    if not 0 <= beta < 1:
        raise ValueError(f"beta={beta!r} does not fit: it lies from 0 to below 1, say 0.999.")

    def worth(n: np.ndarray) -> np.ndarray:
        return n if method == "balanced" else -np.expm1(n * np.log(beta)) if beta else np.ones(len(n))

    if is_table(y):
        table = check_label_table(y)
        yes = table.sum().to_numpy(dtype=float)
        for name, count in zip(table.columns, yes, strict=True):
            if count in (0, len(table)):
                lacks = "negatives" if count else "positives"
                raise ValueError(f"Label {name!r} has no {lacks} in {len(table)} rows: no weight can make up for that.")
        return pd.Series(worth(len(table) - yes) / worth(yes), index=table.columns, name="weight")
    classes, counts = np.unique(check_labels(y), return_counts=True)
    weights = 1 / worth(counts.astype(float))
    weights *= (counts.sum() if method == "balanced" else 1) / (len(counts) if method == "balanced" else weights.mean())
    return pd.Series(weights, index=classes, name="weight")


def resample(
    vectors: np.ndarray, y: Any, strategy: str, rows: int | None = None, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Vectors (rows, features) and one label per row, evened out. For training rows only.

    strategy: "over" copies rows at random until each class has `rows` (by default as many as
        the largest); "smote" makes new ones between a row and one of its nearest five of the
        same class (Chawla et al. 2002), and copies in a class of a single row, which has no
        neighbour; "under" leaves rows out until no class has more than `rows` (by default as
        many as the smallest).

    Raises ValueError for an unknown strategy, rows below 1, vectors that are not a table of finite
    numbers or not as many as the labels, and as `check_labels` does.
    """
    if strategy not in STRATEGIES:
        known = ", ".join(STRATEGIES)
        raise ValueError(f"strategy={strategy!r} is unknown: choose one of {known}.")
    rows = None if rows is None else whole_number("rows", rows)
    vectors, y = _check_rows(vectors, y)
    counts = dict(zip(*np.unique(y, return_counts=True), strict=True))
    if strategy == "under":
        most = min(counts.values()) if rows is None else rows
        chosen = {label: min(n, most) for label, n in counts.items()}
        sampler = RandomUnderSampler(sampling_strategy=chosen, random_state=seed)
        return sampler.fit_resample(vectors, y)
    least = max(counts.values()) if rows is None else rows
    wanted = {label: max(n, least) for label, n in counts.items()}
    if strategy == "smote":
        # Each class by its own means: as many neighbours as it has, at most five.
        near = {label: min(n - 1, NEIGHBOURS) for label, n in counts.items() if n > 1}
        for neighbours in sorted(set(near.values())):
            some = {label: wanted[label] for label, k in near.items() if k == neighbours}
            smote = SMOTE(sampling_strategy=some, k_neighbors=neighbours, random_state=seed)
            vectors, y = smote.fit_resample(vectors, y)
    sampler = RandomOverSampler(sampling_strategy=wanted, random_state=seed)
    return sampler.fit_resample(vectors, y)


def fit_head(
    vectors: np.ndarray,
    y: np.ndarray,
    *,
    strategy: str | None = None,
    rows: int | None = None,
    weights: str | Sequence[float] | None = None,
    gamma: float = 0.0,
    bias: Sequence[float] | None = None,
    seed: int = 0,
) -> Callable[[np.ndarray], np.ndarray]:
    """A small network on fixed vectors (rows, features), in a second: to compare remedies.

    One hidden layer of 128, dropout 0.2, AdamW, 800 batches of 128, however many rows a remedy
    copies or leaves out. y: whole numbers from 0, shape (rows,). strategy, rows: see
    `resample`. weights: a method of `class_weights`, or a weight for each class. gamma: of
    `FocalLoss`. bias: what the last layer adds to each class's logit before training; None: as
    torch draws it. ln of each class's share makes the first predictions the prior, so that the
    many easy rows do not shake the first steps (Lin et al. 2017). Returns a function from
    vectors to probabilities, shape (rows, classes). Raises ValueError as `resample` does, and
    for labels that are names or below 0, or a bias of another length.
    """
    vectors, y = _check_rows(vectors, y)
    if y.dtype.kind != "i" or y.min() < 0:
        example = "np.unique(y, return_inverse=True)[1]"
        raise ValueError(f"Labels must be whole numbers from 0: {example} makes them of names.")
    if strategy:
        vectors, y = resample(vectors, y, strategy, rows, seed)
    loss = FocalLoss(gamma, class_weights(y, weights) if isinstance(weights, str) else weights)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        inputs = torch.as_tensor(vectors, dtype=torch.float32)
        targets = torch.as_tensor(y, dtype=torch.int64)
        head = torch.nn.Sequential(
            torch.nn.Linear(inputs.shape[1], 128),
            torch.nn.ReLU(),
            torch.nn.Dropout(0.2),
            torch.nn.Linear(128, int(targets.max()) + 1),
        )
        if bias is not None:
            if np.shape(bias) != (len(head[-1].bias),):
                raise ValueError(f"bias needs a number for each of {len(head[-1].bias)} classes.")
            head[-1].bias.data = torch.as_tensor(np.asarray(bias), dtype=torch.float32)
        optimiser = torch.optim.AdamW(head.parameters(), lr=3e-3, weight_decay=0.01)
        schedule = torch.optim.lr_scheduler.LinearLR(optimiser, 1.0, 0.0, total_iters=STEPS)
        for _ in range(STEPS):
            batch = torch.randint(len(inputs), (128,))
            batch_loss = loss(head(inputs[batch]), targets[batch])
            batch_loss.backward()
            optimiser.step()
            schedule.step()
            optimiser.zero_grad()
    head.eval()

    @torch.inference_mode()
    def probabilities(vectors: np.ndarray) -> np.ndarray:
        return head(torch.as_tensor(vectors, dtype=torch.float32)).softmax(dim=1).numpy()

    return probabilities


def _check_rows(vectors: Any, y: Any) -> tuple[np.ndarray, np.ndarray]:
    """Finite vectors (rows, features) and one label for each."""
    check_same_rows(vectors=vectors, labels=y)
    if np.ndim(vectors) != 2 or np.asarray(vectors).dtype.kind not in "fiu":
        raise ValueError("Vectors must be numbers, (rows, features): embed the texts first.")
    vectors = np.asarray(vectors)
    y = check_labels(y, vectors)
    if not np.isfinite(vectors).all():
        raise ValueError("The vectors hold NaN or infinity: np.isfinite(vectors) shows where.")
    return vectors, y
