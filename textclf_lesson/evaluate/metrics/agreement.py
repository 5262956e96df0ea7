"""How far annotators agree."""

from typing import Any

import numpy as np


def fleiss_kappa(counts: Any) -> float:
    """Agreement of several annotators beyond chance (Fleiss 1971): 1 is perfect, 0 what chance would give.

    `counts`, shape (items, categories): how many annotators put the item into the category. Every item needs the
    same number of annotators, two or more. With P the share of agreeing pairs and P_e the share expected from the
    categories' frequencies alone, kappa = (P − P_e) / (1 − P_e).

    Raises ValueError for another shape, unequal or too few annotators, or if all ratings are in one category.
    """
    counts = np.asarray(counts, dtype=float)
    if counts.ndim != 2 or counts.size == 0:
        raise ValueError(f"counts must be a table (items, categories) of counts, not of shape {counts.shape}.")
    if not (counts >= 0).all():
        raise ValueError("counts must be a table (items, categories) of numbers from 0 up: one is missing or negative.")
    raters = counts.sum(axis=1)
    if raters.min() != raters.max() or raters[0] < 2:
        here = f"{raters.min():g} to {raters.max():g}"
        raise ValueError(f"Every item needs the same number of annotators, at least 2; here {here}.")
    agreeing = (counts * (counts - 1)).sum(axis=1) / (raters * (raters - 1))
    by_chance = ((counts.sum(axis=0) / counts.sum()) ** 2).sum()
    if by_chance == 1:
        raise ValueError("All ratings are in one category: kappa is undefined, agreement by chance is certain.")
    return float((agreeing.mean() - by_chance) / (1 - by_chance))
