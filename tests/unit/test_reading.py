"""`data.read` on files as people have them: nothing lost, nothing guessed in silence, errors in one sentence.

All texts are made up here: what is tested is how a file is written, not what stands in it.
"""

import csv
import gzip
import io
import itertools
import json
import pickle
import tarfile
import zipfile
from pathlib import Path

import datasets
import numpy as np
import pandas as pd
import pyarrow
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from textclf_lesson import data
from textclf_lesson.base.errors import DataError
from textclf_lesson.data.labels import lists
from textclf_lesson.models.baselines import pipeline

WORDS = ["film", "plot", "cast", "scene", "music", "ending", "joke", "script", "hero", "camera"]
TEXTS = [f"{a} {b} number {i}" for i, (a, b) in enumerate(itertools.product(WORDS, WORDS))]


@pytest.fixture
def table():
    """A hundred texts with an id of leading zeros, a class, and two labels of 0 and 1."""
    return pd.DataFrame(
        {
            "id": [f"{i:08}" for i in range(100)],
            "comment": TEXTS,
            "mood": ["bad" if i % 3 else "good" for i in range(100)],
            "rude": [str(int(i % 4 == 0)) for i in range(100)],
            "spam": [str(int(i % 5 == 0)) for i in range(100)],
        }
    )


def by_text(splits, column="label") -> dict:
    """Each text of all splits with its label, by name."""
    kinds = splits["train"].features[column]
    return {row["text"]: kinds.int2str(row[column]) for rows in splits.values() for row in rows}


def message(error) -> str:
    text = str(error.value)
    assert "\n" not in text
    return text


def refused(*arguments, **options) -> str:
    with pytest.raises(DataError) as error:
        data.read(*arguments, **options)
    return message(error)


# -- every kind of source gives the same -------------------------------------------------------------------


def zipped(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def as_bytes(table: pd.DataFrame, kind: str) -> bytes:
    if kind == "parquet":
        buffer = io.BytesIO()
        table.to_parquet(buffer)
        return buffer.getvalue()
    if kind == "jsonl":
        return "".join(json.dumps(row) + "\n" for row in table.to_dict("records")).encode()
    if kind == "json":
        return json.dumps(table.to_dict("records"), indent=1).encode()
    if kind == "lists.json":
        return json.dumps(table.to_dict("list")).encode()
    if kind == "columns.json":
        return table.to_json().encode()
    if kind == "excel.csv":
        return b"sep=;\r\n" + as_bytes(table, "semicolons.csv")
    separator = {"csv": ",", "tsv": "\t", "semicolons.csv": ";", "bars.txt": "|"}[kind]
    return table.to_csv(index=False, sep=separator).encode()


FILES = {
    **{f"data.{kind}": kind for kind in ("csv", "tsv", "semicolons.csv", "bars.txt", "jsonl", "json", "parquet")},
    "data.csv.gz": "csv", "data.jsonl.gz": "jsonl", "data.csv.zip": "csv", "data.parquet.zip": "parquet",
    "gzip without its ending.csv": "csv", "lists.json": "lists.json", "columns.json": "columns.json",
    "excel.csv": "excel.csv",
}  # fmt: skip


@pytest.mark.parametrize("name", FILES)
def test_every_kind_of_file_gives_the_same_splits(table, tmp_path, name):
    content = as_bytes(table, FILES[name])
    if "gz" in name:
        content = gzip.compress(content)
    if name.endswith(".zip"):
        content = zipped({"__MACOSX/._data": b"x", name.removesuffix(".zip"): content})
    (tmp_path / name).write_bytes(content)
    splits = data.read(tmp_path / name, text="comment", labels="mood", keep=["spam"])
    assert by_text(splits) == dict(zip(table["comment"], table["mood"], strict=True))
    assert {len(rows) for rows in splits.values()} == {
        len(rows) for rows in data.read(table, "comment", "mood").values()
    }
    ids = {row["text"]: (row["id"], row["spam"]) for rows in splits.values() for row in rows}
    assert ids == {c: (i, s) for c, i, s in zip(table["comment"], table["id"], table["spam"], strict=True)}


@pytest.mark.parametrize(
    "turn",
    [
        lambda t: t,
        lambda t: t.astype({"mood": "category"}).set_index(pd.Index([7] * 100)),
        pyarrow.Table.from_pandas,
        datasets.Dataset.from_pandas,
        lambda t: datasets.Dataset.from_pandas(t).class_encode_column("mood"),
        lambda t: t.to_dict("records"),
        lambda t: t.to_dict("list"),
    ],
    ids=["pandas", "categories", "arrow", "datasets", "ClassLabel", "records", "columns"],
)
def test_every_kind_of_object_gives_the_same_splits(table, turn):
    splits = data.read(turn(table), text="comment", labels="mood")
    assert by_text(splits) == dict(zip(table["comment"], table["mood"], strict=True))
    assert splits["train"]["text"][:] == data.read(table, "comment", "mood")["train"]["text"][:]
    assert sorted(i for rows in splits.values() for i in rows["id"]) == table["id"].tolist()


@pytest.mark.parametrize("pack", [False, True], ids=["folder", "archive"])
def test_a_folder_of_texts_for_each_class(table, tmp_path, pack):
    files = {f"corpus/{mood}/{i}.txt": text.encode() for i, text, mood in table[["id", "comment", "mood"]].to_numpy()}
    files["corpus/bad/broken.txt"] = "caf\u00e9".encode("latin-1")
    if pack:
        source = tmp_path / "corpus.zip"
        source.write_bytes(zipped(files))
    else:
        source = tmp_path
        for name, content in files.items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_bytes(content)
    splits = data.read(source)
    assert by_text(splits) == dict(zip(table["comment"], table["mood"], strict=True))
    assert splits.rejected["line"].tolist() == ["bad/broken.txt"]


@pytest.mark.parametrize("layout", ["files", "folders", "archive", "dictionary", "column", "DatasetDict"])
def test_given_splits_are_kept(table, tmp_path, layout):
    parts = {"train": table[:60], "dev": table[60:80], "test": table[80:]}
    options = {}
    if layout == "files":
        for name, part in parts.items():
            part.to_csv(tmp_path / f"{name}.csv", index=False)
        source = tmp_path
    elif layout == "folders":
        for name, part in parts.items():
            (tmp_path / "all" / name).mkdir(parents=True)
            for i, half in enumerate((part[:10], part[10:])):
                half.to_csv(tmp_path / "all" / name / f"{i}.csv", index=False)
        source = tmp_path
    elif layout == "archive":
        source = tmp_path / "all.zip"
        source.write_bytes(zipped({f"all/{name}.csv": as_bytes(part, "csv") for name, part in parts.items()}))
    elif layout == "dictionary":
        parts["train"].to_csv(tmp_path / "a.csv", index=False)
        source = {"train": tmp_path / "a.csv", "validation": parts["dev"], "test": parts["test"]}
    elif layout == "column":
        source, options = pd.concat(part.assign(fold=name) for name, part in parts.items()), {"split": "fold"}
    else:
        source = datasets.DatasetDict(
            {name.replace("dev", "validation"): datasets.Dataset.from_pandas(part) for name, part in parts.items()}
        )
    splits = data.read(source, text="comment", labels="mood", **options)
    assert list(splits) == ["train", "validation", "test"]
    for name, part in zip(splits, parts.values(), strict=True):
        assert splits[name]["id"][:] == part["id"].tolist()


def test_a_missing_split_is_taken_from_train_and_the_given_one_stays_whole(table):
    source = {"train": table[:80], "test": pd.concat([table[80:], table[:3]])}
    splits = data.read(source, "comment", "mood")
    assert set(splits["test"]["text"]) == set(table["comment"][80:]) | set(table["comment"][:3])
    assert len(splits["validation"]) and len(splits["train"]) + len(splits["validation"]) == 77
    assert splits.rejected["line"].tolist() == [0, 1, 2]
    assert set(splits.rejected["reason"]) == {"the text is in a later split"}


def test_a_whole_archive_of_a_competition(table, tmp_path):
    inner = zipped({"train.csv": as_bytes(table, "csv")})
    archive = tmp_path / "competition.zip"
    archive.write_bytes(zipped({"train.csv.zip": inner, "sample_submission.csv.zip": inner, "test.csv.zip": inner}))
    assert "name one, for example member='sample_submission.csv.zip'" in refused(archive, "comment", "mood")
    assert "Did you mean 'train.csv.zip'" in refused(archive, "comment", "mood", member="trian.csv.zip")
    for member in ("train.csv.zip", "train.csv", "train"):
        splits = data.read(archive, "comment", "mood", member=member)
        assert sum(map(len, splits.values())) == 100


def test_what_load_returns_can_be_read_and_is_the_same():
    for name, labels in (("wiki-toxicity", data.TOXICITY), ("russian-senses", "label")):
        loaded = data.load(name)
        splits = data.read(loaded, labels=labels)
        assert list(splits) == list(loaded) and not len(splits.rejected)
        for split in loaded:
            assert splits[split].features == loaded[split].features
            assert splits[split].to_pandas().equals(loaded[split].to_pandas())


# -- labels ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cells", [["0", "1"], ["0.0", "1.0"], [0, 1], [0.0, 1.0]], ids=str)
def test_numbers_become_classes_that_names_can_name(table, cells):
    table["rude"] = [cells[int(value)] for value in table["rude"]]
    assert data.label_names(data.read(table, "comment", "rude")) == ["0", "1"]
    for names in (["calm", "rude"], {0: "calm", "1": "rude"}, {"1.0": "rude", "0.0": "calm"}):
        splits = data.read(table, "comment", "rude", names=names)
        assert data.label_names(splits) == list(names if isinstance(names, list) else names.values())
        assert {text for text, label in by_text(splits).items() if label == "rude"} == set(table["comment"][::4])


def test_numbers_are_ordered_as_numbers(table):
    table["stars"] = [str(i % 11) for i in range(100)]
    assert data.label_names(data.read(table, "comment", "stars")) == [str(i) for i in range(11)]
    table["code"] = [f"0{i % 2}" for i in range(100)]  # zeros in front are part of a code
    assert data.label_names(data.read(table, "comment", "code")) == ["00", "01"]


@pytest.mark.parametrize(
    "write",
    [
        lambda own: own,
        lambda own: "|".join(own) or "[]",
        lambda own: json.dumps(own),
        repr,
        lambda own: own + own,
        frozenset,
        np.array,
        lambda own: str(np.array(own)),
        lambda own: str(np.array(own)).replace(" ", "\n "),
    ],
    ids=["lists", "bars", "JSON", "Python", "twice", "sets", "arrays", "NumPy", "NumPy in lines"],
)
def test_lists_of_labels_in_a_cell_equal_columns_of_labels(table, write):
    table["tags"] = [write([n for n in ("rude", "spam") if row[n] == "1"]) for _, row in table.iterrows()]
    in_cells, in_columns = (data.read(table, "comment", labels) for labels in ("tags", ["rude", "spam"]))
    assert data.label_names(in_cells) == ["rude", "spam"]
    for split in in_columns:
        assert in_cells[split].to_pandas().equals(in_columns[split].to_pandas())


@given(st.lists(st.lists(st.text("abc '.1,", min_size=1).filter(str.strip), max_size=4, unique=True), min_size=4))
def test_written_lists_give_the_labels_that_were_written(rows):
    expected = [list(dict.fromkeys(label.strip() for label in row if label.strip() != "nan")) for row in rows]
    for write in (json.dumps, repr, lambda row: str(np.array(row, dtype=object)) if len(row) != 1 else repr(row)):
        cells = pd.Series([write(row) for row in rows])
        if not cells.str.contains('\\\\|"').any():  # NumPy escapes nothing
            assert lists(cells, "|")[0].tolist() == expected


@pytest.mark.parametrize("write", [list, np.array, json.dumps, lambda own: str(np.array(own))])
def test_a_vector_in_a_cell_is_no_list_of_names(table, write):
    vectors = table[["rude", "spam"]].astype(int).to_numpy().tolist()
    table["tags"] = [write(vector) for vector in vectors]
    assert "vector of 2 numbers, 0 or 1, not a list of names" in refused(table, "comment", "tags")
    table[["a", "b"]] = vectors  # as the sentence says
    assert data.label_names(data.read(table, "comment", ["a", "b"])) == ["a", "b"]


def test_what_is_no_label_is_put_aside_or_noted(table, capsys):
    table["tags"] = [[{"a": 1}], [["rude"]], ["rude"], []] * 25
    rejected = data.read(table, "comment", "tags").rejected
    assert rejected["reason"].tolist() == ["a label is itself a list"] * 50
    table["mood"] = [{"good": 1.0}, b"good", "good", "bad"] * 25
    rejected = data.read(table, "comment", "mood").rejected
    assert rejected["reason"].tolist() == ["mood is no name or number"] * 50
    table["tags"] = ["rude, spam", "spam", "rude", "calm; or not"] * 25
    assert "looks like a list of others, if it is one: separator=','" in data.read(table, "comment", "tags").notes[0]
    assert data.label_names(data.read(table, "comment", "tags", separator=",")) == ["calm; or not", "rude", "spam"]


def test_columns_of_labels_may_say_yes_and_no_and_true_and_false(table):
    table["spam"] = table["spam"].map({"1": "Yes", "0": "no"})
    table["rude"] = table["rude"] == "1"
    splits = data.read(table, "comment", ["rude", "spam"])
    assert splits["train"].features == datasets.Features(
        {
            "id": datasets.Value("string"),
            "text": datasets.Value("string"),
            **dict.fromkeys(["rude", "spam"], datasets.ClassLabel(names=["no", "yes"])),
        }
    )
    assert {t for t, label in by_text(splits, "rude").items() if label == "yes"} == set(table["comment"][::4])


def test_label_columns_may_be_called_like_what_the_reader_uses_itself(table):
    named = table.rename(columns={"rude": "split", "spam": "part"}).assign(key="1", place="0", source="1")
    named.loc[0, "key"] = "0"
    splits = data.read(named, "comment", ["split", "part", "key", "source", "place"])
    assert {t for t, label in by_text(splits, "split").items() if label == "yes"} == set(table["comment"][::4])
    assert {t for t, label in by_text(splits, "key").items() if label == "no"} == {TEXTS[0]}


# -- rows that cannot be used ------------------------------------------------------------------------------


def test_unusable_rows_are_put_aside_with_their_lines_and_reasons(tmp_path, capsys):
    lines = [
        "id,comment,mood",
        *(f"{i:08},{text},{'bad' if i % 3 else 'good'}" for i, text in enumerate(TEXTS)),  # lines 2 to 101
        "00000100,  ,good",
        '00000101,"two',
        'lines",bad',
        "00000102,no label,",
        "00000103,a comma, too many,bad",
        "00000104,too few",
        "",
        "00000106,twice,good",
        "00000107,twice ,bad",
        '00000108,"open "quote",bad',
        "00000109,the last,good",
    ]
    path = tmp_path / "rows.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf8")
    splits = data.read(path, "comment", "mood")
    reasons = dict(zip(splits.rejected["line"], splits.rejected["reason"], strict=True))
    assert reasons == {
        102: "the text is blank",
        105: "mood is missing",
        106: "another number of cells than the 3 names of the header",
        107: "another number of cells than the 3 names of the header",
        109: "the same text has different labels",
        110: "the same text has different labels",
        111: "a quotation mark that is not closed, or not doubled inside a quoted cell",
    }
    rows = splits.rejected.set_index("line")["row"]
    assert rows[102] == {"id": "00000100", "comment": "  ", "mood": "good"} and rows[107] == lines[107 - 1]
    texts = {text for part in splits.values() for text in part["text"]}
    assert texts == {*TEXTS, "two\nlines", "the last"}
    printed = capsys.readouterr().out
    assert printed.count("\n") == 1 and "7 rows are put aside in .rejected" in printed and "first: line 102" in printed
    assert len(pickle.loads(pickle.dumps(splits)).rejected) == 7


def test_a_file_of_usable_rows_is_read_without_a_word(table, capsys):
    splits = data.read(table, "comment", "mood")
    assert capsys.readouterr().out == "" and splits.notes == [] and not len(splits.rejected)
    assert splits.counts.loc["all rows"].sum() == 100
    assert splits.counts.loc["good"].sum() == 34


def test_a_label_outside_0_and_1_is_put_aside(table):
    table.loc[3, "rude"], table.loc[4, "spam"], table.loc[5, "spam"] = "2", "-1", float("nan")
    rejected = data.read(table, "comment", ["rude", "spam"]).rejected
    assert rejected[["line", "reason"]].to_numpy().tolist() == [
        [3, "rude is neither 0 nor 1"], [4, "spam is neither 0 nor 1"], [5, "spam is missing"],
    ]  # fmt: skip
    assert "no row that can be used: 100 × rude is neither 0 nor 1 (first: row 0)" in refused(
        table.assign(rude="0.5"), "comment", ["rude"]
    )


def test_names_put_other_labels_aside(table):
    table.loc[9, "mood"] = "unsure"
    splits = data.read(table, "comment", "mood", names=["good", "bad"])
    assert data.label_names(splits) == ["good", "bad"]
    assert splits.rejected["line"].tolist() == [9]


def test_texts_are_kept_as_they_are(tmp_path):
    texts = [
        ' "quoted" ',
        "a,b;c\td",
        "two\nlines",
        "a\u2028b \x0bc \x85d",
        "nan",
        "NA",
        "null",
        "1.50",
        "é\u0301 😀",
        "\\n \\",
    ]
    source = pd.DataFrame({"text": texts * 3, "label": ["a", "b"] * 15}).drop_duplicates()
    source = source.drop_duplicates("text").assign(label=["a", "b"] * 5)
    for name, quoting in (("minimal.csv", csv.QUOTE_MINIMAL), ("all.csv", csv.QUOTE_ALL), ("all.tsv", csv.QUOTE_ALL)):
        source.to_csv(tmp_path / name, index=False, quoting=quoting, sep="\t" if "tsv" in name else ",")
        assert by_text(data.read(tmp_path / name)) == dict(zip(source["text"], source["label"], strict=True)), name


def test_quotation_marks_in_tsv_are_characters_where_nothing_shows_a_writer_that_quotes(tmp_path):
    lines = ['" so it is "\ta', '"open\tb', 'five" tall\ta', "plain\tb"]
    (tmp_path / "glue.tsv").write_text("text\tlabel\n" + "\n".join(lines), encoding="utf8")
    assert by_text(data.read(tmp_path / "glue.tsv")) == dict(line.split("\t") for line in lines)


def test_backslashes_escape_quotation_marks_where_the_file_is_written_so(tmp_path):
    lines = ['"He said \\"go\\", and went",a', '"plain, but with a comma",b', '"so \\"so\\"",a']
    (tmp_path / "mysql.csv").write_text("text,label\n" + "\n".join(lines), encoding="utf8")
    splits = data.read(tmp_path / "mysql.csv")
    assert set(by_text(splits)) == {'He said "go", and went', "plain, but with a comma", 'so "so"'}


def test_half_an_emoji_and_numbers_as_texts(tmp_path, capsys):
    rows = [{"text": "cut \ud83d", "label": "a"}, {"text": 12, "label": "b"}, {"text": "x", "label": "a"}]
    (tmp_path / "x.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf8")
    assert set(by_text(data.read(tmp_path / "x.jsonl"))) == {"cut ?", "12", "x"}
    capsys.readouterr()
    splits = data.read(pd.DataFrame({"text": range(50), "label": ["a", "b"] * 25}))
    assert by_text(splits)["7"] == "b" and "all texts are numbers" in capsys.readouterr().out


# -- encodings ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_encodings_that_say_what_they_are(table, tmp_path, encoding):
    table["comment"] += " café, привет 😀"
    (tmp_path / "x.csv").write_bytes(table.to_csv(index=False, lineterminator="\r\n").encode(encoding))
    splits = data.read(tmp_path / "x.csv", "comment", "mood")
    assert by_text(splits) == dict(zip(table["comment"], table["mood"], strict=True))
    assert splits["train"].column_names[0] == "id"  # the byte order mark is no part of the first name


@pytest.mark.parametrize("encoding", ["latin-1", "cp1251", "gb18030", "utf-16-le", "utf-16-be"])
def test_encodings_that_do_not_are_asked_for(table, tmp_path, encoding):
    table["comment"] += {"latin-1": " café", "gb18030": " 很好"}.get(encoding, " привет")
    path = tmp_path / "x.csv"
    path.write_bytes(table.to_csv(index=False).encode(encoding))
    refusal = refused(path, "comment", "mood")
    assert 'encoding="' in refusal and "Download it again" not in refusal
    splits = data.read(path, "comment", "mood", encoding=encoding)
    assert by_text(splits) == dict(zip(table["comment"], table["mood"], strict=True))


# -- what cannot be read at all ----------------------------------------------------------------------------


CSV = ("text,label\n" + "".join(f"{text},{'ab'[i % 2]}\n" for i, text in enumerate(TEXTS))).encode()


def as_tar(files: dict[str, bytes], packing: str) -> bytes:
    with tarfile.open(fileobj=(packed := io.BytesIO()), mode=f"w:{packing}") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return packed.getvalue()


DAMAGED = {
    "empty.csv": b"",
    "blank.csv": b"\n\n",
    "half.csv.gz": gzip.compress(CSV)[:300],
    "half.zip": zipped({"x.csv": CSV})[:300],
    "half.parquet": as_bytes(pd.DataFrame({"text": TEXTS, "label": "a"}), "parquet")[:1000],
    "other.parquet": b"text,label\n",
    "not.zip": b"PK",
    "half.json": b'[{"text": "a", "label": "b"},',
}


@pytest.mark.parametrize("name", DAMAGED)
def test_a_damaged_file_is_to_be_downloaded_again(tmp_path, name):
    (tmp_path / name).write_bytes(DAMAGED[name])
    refusal = refused(tmp_path / name)
    assert "cannot be read as a table" in refusal and "Download it again" in refusal and name in refusal


@pytest.mark.parametrize(
    ("name", "content", "hint"),
    [
        ("header.csv", b"text,label\n", "has a header but no rows"),
        ("page.csv", b"<!DOCTYPE html><html>", "it is a web page"),
        ("pointer.csv", b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
        ("book.xlsx", zipped({"[Content_Types].xml": b"", "xl/a.xml": b""}), "it is a spreadsheet. Save it as CSV"),
        ("rows.csv", b"7z\xbc\xaf\x27\x1c" + bytes(40), "it is a 7z archive. Unpack it"),
        ("rows.tar.gz", as_tar({"x.csv": CSV}, "gz"), "it is a tar archive. Unpack it"),
        ("rows.csv.zst", b"\x28\xb5\x2f\xfd" + bytes(40), "packed by Zstandard"),
        ("rows.pkl", pickle.dumps({"text": TEXTS}), "it is a pickle. Load it yourself"),
        ("rows.arrow", b"ARROW1\0\0" + bytes(40), "pandas.read_feather"),
        ("rows.txt", b"%PDF-1.7\n" + bytes(40), "it is a PDF document"),
        ("notes.zip", zipped({"readme.txt": b"hello"}), "it holds no CSV"),
        ("empty.jsonl", b"[]", "it is empty"),
        ("lines.jsonl", b"text\nlabel\n", "line 1 is no JSON object"),
        ("columns.csv", b"Text,Labels\na,b\n", "lacks the column 'text'. Did you mean 'Text'? It has: Text, Labels"),
        ("twice.csv", b"text,label,label\na,b,c\n", "has 2 columns called 'label'"),
        ("one.csv", b"text,label\na,b\nc,b\n", "all usable rows have the label 'b'"),
        ("none.csv", b"text,label\na,\nc,nan\n", "no row that can be used: 2 × label is missing (first: line 2)"),
        ("all.csv", b"text,label\n" + b"".join(b"t%d,%d.5\n" % (i, i) for i in range(30)), "not a column of classes"),
    ],
)  # fmt: skip
def test_a_file_that_does_not_fit_is_refused_in_one_sentence(tmp_path, name, content, hint):
    (tmp_path / name).write_bytes(content)
    refusal = refused(tmp_path / name)
    assert hint in refusal
    assert "Download it again" not in refusal


@pytest.mark.parametrize(
    ("options", "hint"),
    [
        (dict(text="coment"), "Did you mean 'comment'"),
        (dict(labels=["rude", "sspam"]), "Did you mean 'spam'"),
        (dict(labels=["rude", "rude"]), "occurs twice"),
        (dict(labels="comment"), "occurs twice"),
        (dict(labels=[]), "called by name"),
        (dict(labels=3), "called by name"),
        (dict(text=0), "called by name"),
        (dict(keep=5), "is no list of names"),
        (dict(labels="id"), "is not a column of classes"),
        (dict(split=(0.6, 0.6)), "give the fractions"),
        (dict(split="train"), "lacks the column 'train'"),
        (dict(split="mood"), "mood names no split"),
        (dict(names="good"), "is no list of names"),
        (dict(names=["a", "a"]), "twice"),
        (dict(labels=["rude"], names=["a", "b"]), "names= is for labels in one column"),
        (dict(keep="id"), "write keep=['id']"),
        (dict(keep=["colour"]), "lacks the column 'colour'"),
    ],
)
def test_options_that_do_not_fit(table, options, hint):
    assert hint in refused(table, **{"text": "comment", "labels": "mood", **options})


def test_sources_that_are_none(tmp_path):
    assert "no file or folder" in refused(tmp_path / "nowhere.csv")
    assert "it holds no CSV" in refused(tmp_path)
    assert "is not a table" in refused(12)
    assert "is not a table" in refused(pd.Series(TEXTS))
    assert "is an address: download the file" in refused("https://example.org/rows.csv")
    for table_itself in (CSV.decode(), CSV.decode() * 50):
        assert refused(table_itself).endswith("There is no file or folder text,label.")
    rows = datasets.Dataset.from_dict({"text": TEXTS, "label": ["a", "b"] * (len(TEXTS) // 2)})
    assert "this one has train, unsupervised" in refused({"train": rows, "unsupervised": rows.select([0])})
    rows.save_to_disk(tmp_path / "saved")
    assert "datasets.load_from_disk" in refused(tmp_path / "saved")
    assert "keys train, validation and test" in refused({"trian": tmp_path})
    assert "gives no split called train" in refused({"test": pd.DataFrame({"text": ["a", "b"], "label": ["x", "y"]})})
    (tmp_path / "x.csv").write_bytes(CSV)
    for encoding in ("utf-9", "base64", "", 5):
        assert f"no encoding {encoding!r}" in refused(tmp_path / "x.csv", encoding=encoding)
    assert len(refused(tmp_path / "x.csv", encoding="utf-16")) < 300  # all of it became one name of a column
    assert "leave out member" in refused(tmp_path / "x.csv", member="x")


def test_columns_called_1_and_one_are_told_apart_or_refused(table):
    table = table.rename(columns={"rude": 1, "spam": "1"})
    assert "2 columns called '1'" in refused(table, "comment", ["1"])


# -- whatever the table ------------------------------------------------------------------------------------

cell = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12)
few = st.sampled_from(["good film", "Good film!", "bad", " bad", "", "  ", "😀", "?", "x"])
rows_of_text = st.lists(st.tuples(st.one_of(few, cell), st.sampled_from(["a", "b", "c", "", "nan"])), min_size=1)


def read_or_none(source, **options):
    try:
        return data.read(source, **options)
    except DataError as error:  # nothing to learn from: which tables those are is tested above
        assert "no row that can be used" in str(error) or "the label" in str(error), error
        return None


def check(splits, rows: list) -> None:
    """Nothing lost, no text in two splits, and the same again."""
    texts = {name: part["text"][:] for name, part in splits.items()}
    assert sum(map(len, texts.values())) + len(splits.rejected) == len(rows)
    keys = {name: set(map(data.normalise, part)) for name, part in texts.items()}
    assert not any(keys[a] & keys[b] for a, b in itertools.combinations(keys, 2))
    assert all(text.strip() for part in texts.values() for text in part)


@settings(deadline=None, max_examples=60)
@given(rows=rows_of_text)
def test_no_row_is_lost_and_no_text_stands_in_two_splits(rows):
    splits = read_or_none(pd.DataFrame(rows, columns=["text", "label"]), separator=None)
    if splits is not None:
        check(splits, rows)
        kept = [(row["text"], part.features["label"].int2str(row["label"])) for part in splits.values() for row in part]
        aside = [(row["text"], row["label"]) for row in splits.rejected["row"]]
        assert sorted(kept + aside) == sorted(rows)


@settings(deadline=None, max_examples=40)
@given(rows=rows_of_text, order=st.randoms(use_true_random=False))
def test_splits_are_the_same_in_any_order_and_when_read_again(rows, order):
    splits = read_or_none(pd.DataFrame(rows, columns=["text", "label"]))
    if splits is None:
        return
    texts = {name: sorted(part["text"]) for name, part in splits.items()}
    order.shuffle(rows)
    assert {n: sorted(p["text"]) for n, p in data.read(pd.DataFrame(rows, columns=["text", "label"])).items()} == texts
    usable = pd.concat(part.to_pandas() for part in splits.values())
    usable["label"] = usable["label"].map(splits["train"].features["label"].int2str)
    again = data.read(usable)
    assert {name: sorted(part["text"]) for name, part in again.items()} == texts and not len(again.rejected)
    assert again["train"].features == splits["train"].features


@settings(deadline=None, max_examples=40)
@given(parts=st.fixed_dictionaries({"train": rows_of_text, "validation": rows_of_text, "test": rows_of_text}))
def test_given_splits_lose_nothing_and_share_nothing(parts):
    source = {name: pd.DataFrame(rows, columns=["text", "label"]) for name, rows in parts.items()}
    splits = read_or_none(source, separator=None)
    if splits is not None:
        check(splits, list(itertools.chain(*parts.values())))


@settings(deadline=None, max_examples=40)
@given(rows=rows_of_text, ending=st.sampled_from(["csv", "tsv", "jsonl"]))
def test_files_give_what_the_table_gives(rows, ending, tmp_path_factory):
    path = Path(tmp_path_factory.mktemp("rows")) / f"x.{ending}"
    source = pd.DataFrame(rows, columns=["text", "label"])
    if ending == "jsonl":
        path.write_bytes(as_bytes(source, "jsonl"))
    else:
        source.to_csv(path, index=False, sep="\t" if ending == "tsv" else ",", quoting=csv.QUOTE_ALL)
    splits, expected = read_or_none(path, separator=None), read_or_none(source, separator=None)
    assert (splits is None) == (expected is None)
    if splits is not None:
        assert {n: p.to_pandas().to_dict("list") for n, p in splits.items()} == {
            n: p.to_pandas().to_dict("list") for n, p in expected.items()
        }
        assert len(splits.rejected) == len(expected.rejected)


@settings(deadline=None, max_examples=60)
@given(lines=st.lists(st.text('ab,;"\t\\ ', max_size=8), min_size=3), ending=st.sampled_from(["csv", "tsv", "txt"]))
def test_every_line_of_a_broken_file_is_a_row_or_is_put_aside(lines, ending, tmp_path_factory):
    path = Path(tmp_path_factory.mktemp("lines")) / f"x.{ending}"
    separator = "\t" if ending == "tsv" else ","
    lines = [f"t0{separator}yes", f"t1{separator}no", *lines]
    path.write_text("\n".join([f"text{separator}label", *lines]) + "\n", encoding="utf8")
    splits = data.read(path, separator=None)
    used = [(row["text"], p.features["label"].int2str(row["label"])) for p in splits.values() for row in p]
    inside = sum(text.count("\n") for text, _ in used)  # a quoted text of several lines is one row
    aside = sum(  # a row is its cells, or the lines as they stand where they could not be parted into cells
        sum(str(cell).count("\n") for cell in (row.values() if isinstance(row, dict) else [row]))
        for row in splits.rejected["row"]
    )
    blank = sum(not line.strip() and separator not in line for line in lines)
    with path.open(encoding="utf8", newline="") as file:  # white space around a cell goes, its newlines too
        cells = [cell for row in csv.reader(file, delimiter=separator) for cell in row]
    blank += sum(cell.count("\n") - cell.strip().count("\n") for cell in cells)
    skipped = len(lines) - len(used) - len(splits.rejected) - inside - aside
    assert 0 <= skipped <= blank


# -- what is read is learned from like a set of the course ---------------------------------------------------


def test_every_level_takes_what_is_read(table, tmp_path):
    table.to_csv(tmp_path / "mine.csv", index=False)
    splits = data.read(tmp_path / "mine.csv", text="comment", labels="mood")
    model = pipeline().fit(splits["train"]["text"], splits["train"]["label"])
    assert len(model.predict(splits["test"]["text"])) == len(splits["test"])
    assert len(data.leaks(splits["train"], splits["test"])) == 0
