"""Test sets that might have been (Efron 1979), which every interval of this package rests on."""

import numpy as np


def resample(counts: np.ndarray, n: int, seed: int) -> np.ndarray:
    """Counts (cells,) of n test sets of the same size drawn with replacement, shape (n, cells)."""
    full = np.flatnonzero(counts)  # most cells of a large confusion matrix are empty and stay so
    draws = np.zeros((n, len(counts)), dtype=np.int64)
    total = counts.sum()
    draws[:, full] = np.random.default_rng(seed).multinomial(total, counts[full] / total, size=n)
    return draws


def ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """part / whole, NaN where whole is 0."""
    return np.divide(part, whole, out=np.full(np.shape(whole), np.nan), where=whole > 0)


def middle(values: np.ndarray) -> tuple[float, float]:
    """The ends of the middle 95 %: the percentile interval. Draws without a value are left out; NaN if all are."""
    values = values[~np.isnan(values)]
    return tuple(np.quantile(values, [0.025, 0.975]).tolist()) if len(values) else (np.nan, np.nan)
