"""Rows of a user's table shared out into splits: by what the source says, else by the hash of each text."""

import pandas as pd

from textclf_lesson.base.errors import DataError
from textclf_lesson.data.ledger import Ledger
from textclf_lesson.data.splits import SPLITS, divide_evenly, keyed, separate


def shared(
    rows: pd.DataFrame, table: pd.DataFrame, ledger: Ledger, fractions: tuple[float, float], notes: list[str]
) -> dict[str, pd.DataFrame]:
    """The rows of each split: where the source gives splits, those, and what they lack taken from train; else by hash.

    rows: with the columns `text` and `split` (None: not given). table: their labels, by the same index. Rows whose text
    is in a later split, or beside them with other labels, are put aside in `ledger`. `notes` grows.

    Raises DataError if splits are given but no train, or nothing is left.
    """
    used = ledger.left(rows)
    if used["split"].isna().all():
        _reject_conflicts(used, table, ledger)
        frames, few = divide_evenly(ledger.left(used), *fractions)
        return _in_order(frames, notes, few)
    frames = dict(iter(keyed(used).groupby("split")))
    if "train" not in frames:
        if "train" in set(rows["split"]):
            raise DataError(f"{ledger.where} has no row that can be used in train: {ledger.summary()}.")
        raise DataError(f"{ledger.where} gives no split called train, only {', '.join(frames)}.")
    # A text in two splits stays in the later one. Only then are conflicts looked for, inside each split: a test
    # set is not changed for what somebody put into train.
    parted = separate(frames)
    for name, part in frames.items():
        ledger.reject_where(pd.Series(~part.index.isin(parted[name].index), part.index), "the text is in a later split")
        _reject_conflicts(parted[name], table, ledger)
    parted = {name: ledger.left(part) for name, part in parted.items()}
    missing = [0.0 if name in parted else part for name, part in zip(("validation", "test"), fractions, strict=True)]
    if not any(missing):
        return _in_order(parted, notes)
    frames, few = divide_evenly(parted["train"], *missing)
    return _in_order(parted | frames, notes, few)


def _in_order(frames: dict[str, pd.DataFrame], notes: list[str], few: str = "") -> dict[str, pd.DataFrame]:
    notes += [few] if few else []
    return {name: frames[name] for name in SPLITS if name in frames}


def _reject_conflicts(rows: pd.DataFrame, table: pd.DataFrame, ledger: Ledger) -> None:
    """Put aside texts that stand in `rows` with different labels. White space alone makes no other text."""
    same = rows["text"].map(lambda text: " ".join(text.split()))
    answers = pd.Series(list(map(tuple, table.loc[rows.index].to_numpy())), rows.index, dtype=object)
    ledger.reject_where(answers.groupby(same).transform("nunique") > 1, "the same text has different labels")
