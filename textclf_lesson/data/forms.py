"""A data set in the other form of labels: one class a text, or a no/yes column for each label.

A lesson is written for one of the two forms. With these two functions it takes data of either.
"""

from collections.abc import Callable

import pandas as pd

from textclf_lesson.base.extras import needed
from textclf_lesson.data.builtin import label_names

with needed("train"):
    import datasets


def as_columns(splits: datasets.DatasetDict) -> datasets.DatasetDict:
    """The same rows with a no/yes column for each label.

    splits: as `load` and `read` return them. A multi-label set is returned as it is. Of a set with one class a text,
    each class becomes a column (called "is NAME" where a column of that name exists), and each row has one yes.
    """
    if "label" not in splits["train"].features:
        return splits
    kept = [column for column in splits["train"].features if column != "label"]
    columns = [f"is {name}" if name in (*kept, "label") else name for name in label_names(splits)]

    def table(rows: datasets.Dataset) -> pd.DataFrame:
        label = pd.Series(rows["label"][:])
        return pd.DataFrame({column: (label == number).astype("int64") for number, column in enumerate(columns)})

    return _replaced(splits, kept, {name: datasets.ClassLabel(names=["no", "yes"]) for name in columns}, table)


def as_classes(splits: datasets.DatasetDict) -> datasets.DatasetDict:
    """The same rows with one class a text, in the column `label`.

    splits: as `load` and `read` return them. A set with one class a text is returned as it is. A multi-label set
    becomes one question of yes or no, about the label NAME that most training rows carry, with the classes "not NAME"
    and "NAME".
    """
    if "label" in splits["train"].features:
        return splits
    labels = label_names(splits)
    most = splits["train"].select_columns(labels).to_pandas().sum().idxmax()
    kept = [column for column in splits["train"].features if column not in labels]
    kind = {"label": datasets.ClassLabel(names=[f"not {most}", most])}
    return _replaced(splits, kept, kind, lambda rows: pd.DataFrame({"label": rows[most][:]}))


def _replaced(
    splits: datasets.DatasetDict,
    kept: list[str],
    kinds: dict[str, datasets.ClassLabel],
    table: Callable[[datasets.Dataset], pd.DataFrame],
) -> datasets.DatasetDict:
    """The columns `kept` of each split, and beside them those of `table(split)`."""
    result = datasets.DatasetDict()
    for split, rows in splits.items():
        features = datasets.Features({name: rows.features[name] for name in kept} | kinds)
        frame = pd.concat([rows.select_columns(kept).to_pandas(), table(rows)], axis=1)
        result[split] = datasets.Dataset.from_pandas(frame, features, preserve_index=False)
    return result
