"""Every data set on its real rows, and every way a file of the user's can be wrong."""

import gzip
import itertools
import os
import random
import re
import subprocess
import sys
import warnings
import zipfile
from pathlib import Path

import datasets
import pandas as pd
import pytest

from textclf_lesson import data
from textclf_lesson.base.errors import DataError
from textclf_lesson.data import splits
from textclf_lesson.data.cards import Card

CARRIED = [name for name in data.names() if name not in ("sst2", "jigsaw")]
FULL_DATA = Path(os.environ.get("TEXTCLF_FULL_DATA", Path(__file__).parents[3] / "shared" / "data"))


@pytest.fixture(scope="module")
def loaded():
    """Each carried set, loaded once for the module."""
    return {name: data.load(name) for name in CARRIED}


@pytest.mark.parametrize("name", CARRIED)
def test_no_text_stands_in_two_splits(loaded, name):
    # A cruder normal form than the package's own, so that the check does not lean on what it checks.
    seen = {split: {re.sub(r"\W|_", "", text.lower()) for text in rows["text"]} for split, rows in loaded[name].items()}
    for a, b in itertools.combinations(seen, 2):
        assert not seen[a] & seen[b], f"{a} and {b} share texts"


@pytest.mark.parametrize("name", CARRIED)
def test_every_set_is_typed_and_without_blank_texts(loaded, name):
    for rows in loaded[name].values():
        assert rows.features["text"] == datasets.Value("string")
        assert all(text.strip() for text in rows["text"])
        labels = [column for column, kind in rows.features.items() if isinstance(kind, datasets.ClassLabel)]
        assert labels == (["label"] if "label" in rows.features else data.label_names(loaded[name]))
        for label in labels:
            assert set(rows.unique(label)) <= set(range(rows.features[label].num_classes))


# The rows of the pinned files as they come out today. A change here is a change of every number in the course.
ROWS = {
    "movie-snippets": [7000, 1051, 1992],
    "tweets": [2395, 311, 656],
    "amazon-snippets": [2081, 295, 567],
    "nyt-snippets": [1958, 305, 525],
    "newsgroups": [10165, 1121, 7528],
    "reuters-r8": [4934, 545, 2189],
    "reuters-r52": [5892, 631, 2568],
    "wiki-binary": [153573, 9165, 18422],
    "wiki-toxicity": [4239, 909, 912, 1900],
    "disaster": [20844, 2553, 2620],
    "russian-senses": [1624, 231, 616],
    "chinese-reviews": [12135, 1689, 3496],
}


@pytest.mark.parametrize("name", CARRIED)
def test_splits_are_fixed(loaded, name):
    assert [len(rows) for rows in loaded[name].values()] == ROWS[name]


def test_splits_do_not_depend_on_a_random_generator(loaded):
    code = (
        "import random, numpy; random.seed({0}); numpy.random.seed({0})\n"
        "from textclf_lesson import data; print(data.load('movie-snippets')['test']['text'][:50])"
    )
    orders = {
        subprocess.run(
            [sys.executable, "-c", code.format(seed)],
            env={**os.environ, "PYTHONHASHSEED": str(seed)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in (1, 2)
    }
    assert orders == {f"{loaded['movie-snippets']['test']['text'][:50]}\n"}


def test_binary_labels_leave_out_the_middle(loaded):
    binary = loaded["movie-snippets"]["train"].to_pandas()
    assert (binary["score"].abs() > 0.5).all()
    assert ((binary["score"] > 0) == (binary["label"] == 1)).all()
    three = data.load("movie-snippets", labels="three")["train"].to_pandas()
    assert (three.loc[three["label"] == 0, "score"] < -0.5).all()
    assert (three.loc[three["label"] == 1, "score"].abs() <= 0.5).all()
    assert (three.loc[three["label"] == 2, "score"] > 0.5).all()
    assert len(set(three["label"])) == 3
    assert "label" not in data.load("movie-snippets", labels="score")["train"].features


def test_wiki_binary_does_not_train_on_what_wiki_toxicity_judges(loaded):
    wiki = loaded["wiki-toxicity"]
    judged = pd.concat(wiki[split].to_pandas() for split in ("validation", "test", "test_natural"))
    assert len(data.leaks(loaded["wiki-binary"]["train"], judged)) == 0
    # ... though these comments do come from that file: some stand in the splits that nobody trains on.
    assert len(data.leaks(loaded["wiki-binary"]["test"], judged)) > 100


def test_wiki_toxicity_has_the_labels_that_are_shipped(loaded):
    readme = (Path(splits.__file__).parent / "wiki_toxicity" / "README.md").read_text(encoding="utf8")
    for split, rows in loaded["wiki-toxicity"].items():
        row = re.search(rf"^\| {split} \|(.*)\|$", readme, re.M)
        expected = [int(cell.replace(",", "")) for cell in row[1].split("|")]
        assert [len(rows), *(sum(rows[label]) for label in data.TOXICITY)] == expected


def test_every_topic_of_r52_can_be_learned(loaded):
    assert len(set(loaded["reuters-r52"]["train"]["label"])) == 52


def test_russian_contexts_hold_their_noun_and_every_sense_can_be_learned(loaded):
    rows = loaded["russian-senses"]["train"].to_pandas()
    names = data.label_names(loaded["russian-senses"])
    nouns = rows["label"].map(lambda label: names[label].partition(":")[0])
    stem = nouns.str.slice(0, -1)  # Russian nouns change their endings
    inside = [s in text.lower() for s, text in zip(stem, rows["text"], strict=True)]
    # The fleeting vowel of горшок and the like shifts the stem in a few forms.
    assert pd.Series(inside).groupby(nouns.to_numpy()).mean().median() > 0.95
    assert set(rows["label"]) == set(range(len(names))) and nouns.nunique() == 7


def test_chinese_reviews_are_chinese_and_each_line_stands_once(loaded):
    rows = pd.concat(part.to_pandas() for part in loaded["chinese-reviews"].values())
    assert rows["text"].str.contains("[\u4e00-\u9fff]").mean() > 0.99
    assert not rows["text"].map(data.normalise).duplicated().any()


def test_agreement_is_eight_annotators_of_forty_comments():
    table = data.agreement()
    assert len(table) == 320 and (table.groupby("id").size() == 8).all()
    assert table[data.TOXICITY].isin([0, 1]).all(axis=None)


# -- normalising and leaks ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("A great film!", "a  GREAT film"),
        ("don't", "dont"),
        ("snake_case", "snakecase"),
        ("ﬁne", "FINE"),
        ("Straße", "strasse"),
        ("...", "!?"),
    ],
)
def test_normalise_sees_through_typography(a, b):
    assert data.normalise(a) == data.normalise(b)


def test_normalise_keeps_what_differs():
    assert len({data.normalise(text) for text in ("good film", "good films", "bad film", "Über", "uber")}) == 5


def test_leaks_finds_the_row_and_only_it(loaded):
    train = loaded["movie-snippets"]["train"]
    test = loaded["movie-snippets"]["test"].to_pandas()
    test.loc[7, "text"] = train["text"][3].upper() + " !!"
    assert list(data.leaks(train, test).index) == [7]


def test_carve_leaves_rare_classes_alone():
    rows = pd.DataFrame({"text": [f"text {i}" for i in range(109)], "label": ["often"] * 100 + ["rare"] * 9})
    cut = splits.carve(rows, 0.1, by="label")
    assert cut["validation"]["label"].value_counts().to_dict() == {"often": 10}
    assert len(cut["train"]) == 99


def test_mask_spares_the_reader_and_nothing_else(loaded):
    comments = loaded["wiki-toxicity"]["test"].to_pandas()
    changed = [data.mask(text) != text for text in comments["text"]]
    obscene = comments["obscene"] == 1
    assert pd.Series(changed)[obscene].mean() > 0.85  # the rest is obscene without a swear word, or misspelt
    assert pd.Series(changed)[comments["obscene"] == 0].mean() < 0.1
    assert all(len(data.mask(text)) == len(text) for text in comments["text"])
    film = "Classic assessment: Scunthorpe's peacocks, Dickens and a cocktail of analysis."
    assert data.mask(film).count("*") == 9  # the town is masked (a piece of it is a swear word), nothing else


# -- cards -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", data.names())
def test_cards_show_facts_and_counts(name, loaded):
    card = Card(name, loaded.__getitem__) if name in CARRIED else data.card(name)
    for shown in (str(card), card._repr_html_()):
        assert all(word in shown for word in ("origin", "licence", "faults", "citation"))
    if name in CARRIED:
        assert card.counts.loc["all rows"].tolist() == ROWS[name]
    else:
        assert "Download" in str(card)  # and the counts appear once the file is there


# -- names and options -------------------------------------------------------------------------------------


def first_line(error) -> str:
    return str(error.value).splitlines()[0]


def test_unknown_name_names_the_nearest():
    with pytest.raises(DataError) as error:
        data.load("movie-snipets")
    assert "Did you mean 'movie-snippets'" in first_line(error)
    with pytest.raises(DataError, match="no data set 'zzz'"):
        data.card("zzz")


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (dict(name="newsgroups", labels="three"), "does not fit newsgroups"),
        (dict(name="tweets", labels="five"), "labels='five' does not fit"),
        (dict(name="tweets", source="somewhere.csv"), "comes with the package index only"),
        (dict(name="sst2", source="/no/such/place"), "no file or folder /no/such/place"),
    ],
)
def test_options_that_do_not_fit(arguments, hint):
    with pytest.raises(DataError) as error:
        data.load(**arguments)
    assert hint in first_line(error)


def test_a_missing_full_set_says_what_to_download_and_where_to_put_it(tmp_path, monkeypatch):
    monkeypatch.setenv("TEXTCLF_HOME", str(tmp_path))
    with pytest.raises(DataError) as error:
        data.load("jigsaw")
    assert "Kaggle" in first_line(error) and str(tmp_path / "local" / "jigsaw") in first_line(error)


# -- files of the user's own: real comments with the columns of Kaggle's file -------------------------------


@pytest.fixture(scope="module")
def kaggle(loaded):
    """300 labelled comments as Kaggle lays them out."""
    rows = loaded["wiki-toxicity"]["train"].to_pandas().head(300).rename(columns={"text": "comment_text"})
    return rows[["id", "comment_text", *data.TOXICITY]]


def write(table: pd.DataFrame, path: Path) -> Path:
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr(path.stem, table.to_csv(index=False))
    elif path.suffix == ".parquet":
        table.to_parquet(path)
    else:
        table.to_csv(path, index=False, sep="\t" if ".tsv" in path.name else ",")
    return path


@pytest.mark.parametrize("ending", ["csv", "csv.gz", "csv.zip", "parquet"])
def test_jigsaw_reads_every_packing(kaggle, tmp_path, ending):
    path = write(kaggle, tmp_path / f"train.{ending}")
    by_file, by_folder = data.load("jigsaw", source=path), data.load("jigsaw", source=str(tmp_path))
    assert sum(map(len, by_file.values())) == 300
    assert {s: r["text"][:] for s, r in by_file.items()} == {s: r["text"][:] for s, r in by_folder.items()}
    assert data.label_names(by_file) == data.TOXICITY


def test_jigsaw_takes_kaggles_test_rows_that_were_scored(kaggle, tmp_path):
    write(kaggle.head(200), tmp_path / "train.csv.zip")
    write(kaggle.tail(100)[["id", "comment_text"]], tmp_path / "test.csv")
    verdicts = kaggle.tail(100)[["id", *data.TOXICITY]].copy()
    verdicts.iloc[:30, 1:] = -1
    write(verdicts, tmp_path / "test_labels.csv")
    result = data.load("jigsaw", source=tmp_path)
    assert result["test"]["id"][:] == kaggle["id"].tolist()[230:]
    assert len(result["train"]) + len(result["validation"]) == 200


def test_jigsaw_reads_a_folder_laid_out_like_a_hub_data_set(kaggle, tmp_path):
    (tmp_path / "data").mkdir()
    write(kaggle, tmp_path / "data" / "train-00000-of-00001.parquet")
    assert sum(map(len, data.load("jigsaw", source=f"hub:{tmp_path}").values())) == 300


def test_blank_comments_of_a_users_file_are_left_out_with_a_warning(kaggle, tmp_path):
    table = kaggle.copy()
    table.loc[4, "comment_text"] = "  "
    with pytest.warns(UserWarning, match="1 rows without text"):
        result = data.load("jigsaw", source=write(table, tmp_path / "train.csv"))
    assert sum(map(len, result.values())) == 299


def spoil_columns(table):
    return table.drop(columns=["threat", "insult"])


def spoil_label(table):
    table = table.copy()
    table.loc[17, "obscene"] = 2
    return table


def spoil_missing_label(table):
    table = table.astype({"toxic": "object"})
    table.loc[3, "toxic"] = ""
    return table


@pytest.mark.parametrize(
    ("spoil", "hint"),
    [
        (spoil_columns, "lacks the columns threat, insult"),
        (spoil_label, "line {17} has obscene = '2', which is neither 0 nor 1"),
        (spoil_missing_label, "line {3} has toxic = ''"),
    ],
)
def test_a_spoilt_table_is_refused_in_one_line(kaggle, tmp_path, spoil, hint):
    # The line a row begins in, as an editor counts: the header, the rows before, and the line ends inside them.
    before = kaggle["comment_text"].str.count("\r\n|\r|\n").cumsum().shift(fill_value=0)
    hint = re.sub(r"\{(\d+)\}", lambda row: str(2 + int(row[1]) + before[int(row[1])]), hint)
    with pytest.raises(DataError) as error:
        data.load("jigsaw", source=write(spoil(kaggle), tmp_path / "train.csv"))
    assert hint in first_line(error)


@pytest.mark.parametrize("kind", ["empty", "truncated gzip", "not a zip", "binary", "other file in the zip"])
def test_a_broken_file_is_refused_in_one_line(kaggle, tmp_path, kind):
    path = tmp_path / {"truncated gzip": "train.csv.gz", "not a zip": "train.csv.zip"}.get(kind, "train.csv")
    packed = gzip.compress(kaggle.to_csv(index=False).encode())
    if kind == "other file in the zip":
        path = tmp_path / "train.csv.zip"
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("readme.txt", "nothing here")
    else:
        noise = random.Random(0).randbytes(5000)
        content = {"empty": b"", "truncated gzip": packed[: len(packed) // 2], "not a zip": b"PK", "binary": noise}
        path.write_bytes(content[kind])
    with pytest.raises(DataError) as error:
        data.load("jigsaw", source=path)
    assert "cannot be read as a table" in first_line(error)
    damaged = kind not in ("binary", "other file in the zip")
    assert ("Download it again" in first_line(error)) == damaged


def test_a_file_cut_in_the_middle_is_not_taken_for_a_smaller_one(kaggle, tmp_path):
    whole = kaggle.to_csv(index=False)
    for name, end in (("in a comment", len(whole) - 30), ("between cells", whole.rindex(","))):
        path = tmp_path / f"{name}.csv"
        path.write_text(whole[:end], encoding="utf8", newline="")
        with pytest.raises(DataError, match=r"line \d+ has .*Download it again"):
            data.load("jigsaw", source=path)
    path.write_text(whole[: whole.index("\n") + 1], encoding="utf8")
    with pytest.raises(DataError, match="has a header but no rows"):
        data.load("jigsaw", source=path)


def test_ids_and_texts_of_digits_stay_text(kaggle, tmp_path):
    table = kaggle.assign(id=[f"{i:08}" for i in range(300)], comment_text=[f"{i:03}" for i in range(300)])
    for name in ("train.csv", "train.csv.zip", "train.parquet"):
        result = data.load("jigsaw", source=write(table, tmp_path / name))
        ids = {row["id"]: row["text"] for rows in result.values() for row in rows}
        assert ids == dict(zip(table["id"], table["comment_text"], strict=True))


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16", "utf-16-le", "utf-8-sig"])
def test_a_file_in_another_encoding_is_read_or_its_encoding_asked_for(kaggle, tmp_path, encoding):
    table = kaggle.assign(comment_text=[f"caf\u00e9 {i}" for i in range(300)])
    path = tmp_path / "train.csv"
    path.write_bytes(table.to_csv(index=False).encode(encoding))
    if encoding in ("utf-16", "utf-8-sig"):  # these say what they are
        result = data.load("jigsaw", source=path)
        assert {text for rows in result.values() for text in rows["text"]} == set(table["comment_text"])
    else:
        with pytest.raises(DataError, match="encoding=") as error:
            data.load("jigsaw", source=path)
        assert "Download it again" not in first_line(error)


def test_jigsaw_reads_kaggles_whole_archive(kaggle, tmp_path):
    for name, rows in (("train", kaggle.head(200)), ("test", kaggle.tail(100)), ("sample_submission", kaggle)):
        write(rows, tmp_path / f"{name}.csv.zip")
    archive = tmp_path / "jigsaw-toxic-comment-classification-challenge.zip"
    with zipfile.ZipFile(archive, "w") as whole:
        for path in tmp_path.glob("*.csv.zip"):
            whole.write(path, path.name)
    result, unpacked = (data.load("jigsaw", source=source) for source in (archive, tmp_path))
    assert len(result["test"]) == 100
    assert {s: r["text"][:] for s, r in result.items()} == {s: r["text"][:] for s, r in unpacked.items()}


def test_a_column_that_stands_twice_is_refused(kaggle, tmp_path):
    table = pd.concat([kaggle, kaggle["toxic"]], axis="columns")
    with pytest.raises(DataError) as error:
        data.load("jigsaw", source=write(table, tmp_path / "train.csv"))
    assert "2 columns called toxic" in first_line(error)


def test_sst2_reads_tsv_and_judges_on_glues_validation(loaded, tmp_path):
    rows = loaded["movie-snippets"]["train"].to_pandas().rename(columns={"text": "sentence"})[["sentence", "label"]]
    rows = rows[~rows["sentence"].str.contains('"')]
    write(rows.iloc[:500], tmp_path / "train.tsv")
    write(rows.iloc[490:600], tmp_path / "dev.tsv")
    result = data.load("sst2", source=tmp_path)
    assert len(result["test"]) == 110
    assert len(result["train"]) + len(result["validation"]) == 490  # ten stood in both, and test keeps them


# -- the full-size sets, where they are at hand -------------------------------------------------------------


@pytest.mark.skipif(not (FULL_DATA / "sst2").is_dir(), reason="no SST-2 at hand (TEXTCLF_FULL_DATA names its folder)")
def test_full_sst2():
    result = data.load("sst2", source=FULL_DATA / "sst2")
    assert len(result["test"]) == 872 and len(result["train"]) > 60_000
    assert len(data.leaks(result["train"], result["test"])) == 0


@pytest.mark.skipif(not (FULL_DATA / "jigsaw_sample").is_dir(), reason="no Jigsaw at hand (TEXTCLF_FULL_DATA)")
def test_full_jigsaw():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result = data.load("jigsaw", source=FULL_DATA / "jigsaw_sample" / "train.csv.gz")
    assert result["train"].features == data.load("wiki-toxicity")["train"].features
    assert all(sum(result["train"][label]) > 0 for label in data.TOXICITY)
