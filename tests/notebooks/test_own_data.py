"""Each lesson runs on a set of the learner's own: one data line changed, and `course.setup(strict=False)`.

Three foreign shapes, made of the course's sets by renaming and mixing: a CSV file with two oddly named classes, JSON
lines with a list of labels in each cell, a Parquet file with four named classes.

By default lessons 0, 1, 3 and 14 are run, which train nothing larger than word counts, each shape at least once: a
minute or two. `TEXTCLF_OWN_DATA=once` runs every lesson on one shape, `TEXTCLF_OWN_DATA=all` every lesson on every
shape: an hour or more on two cores. Run these after a change of a lesson's code, of `data.read` or of `data.as_classes`
and `data.as_columns`.
"""

import json
import os
import re
from pathlib import Path

import nbformat
import numpy as np
import pandas as pd
import pytest
from nbclient import NotebookClient

from textclf_lesson import data

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
ROWS = 240

# A line that loads a built-in set: a learner puts `data.read` in its place.
LOAD = re.compile(r'^(\w+) = data\.load\("([\w-]+)"(?:, labels="score")?\)(?=$|  #)', re.M)
# What else a lesson loads, and why that line is not for texts of one's own.
FIXED = {
    ("01", "reuters-r8"): "a set to compare with",
    ("01", "newsgroups"): "a set to compare with",
    ("03", "russian-senses"): "the language is the question",
    ("03", "chinese-reviews"): "the language is the question",
    ("05", "jigsaw"): "the same comments at full size",
    ("13", "movie-snippets"): "what the model was trained on",
    ("13", "amazon-snippets"): "a kind to compare with",
    ("13", "tweets"): "a kind to compare with",
}
QUICK = [("00", "csv"), ("00", "jsonl"), ("00", "parquet"), ("01", "parquet"), ("03", "csv"), ("14", "jsonl")]
LESSONS = sorted(path.name[:2] for path in NOTEBOOKS.glob("[0-9]*.ipynb"))
ALL = [(lesson, shape) for lesson in LESSONS for shape in ("csv", "jsonl", "parquet")]
ONCE = [(lesson, ("csv", "jsonl", "parquet")[number % 3]) for number, lesson in enumerate(LESSONS)]
CASES = {"all": ALL, "once": ONCE}.get(os.environ.get("TEXTCLF_OWN_DATA", ""), QUICK)


def some(name: str, n: int, **options) -> pd.DataFrame:
    rows = data.load(name, **options)["train"].to_pandas()
    return rows.sample(n, random_state=1).reset_index(drop=True)


def csv(folder: Path) -> dict:
    """Semicolons, two classes whose names are no identifiers, three of four rows in the first."""
    rows = some("wiki-toxicity", 4 * ROWS)
    sizes = {0: 3 * ROWS // 4, 1: ROWS // 4}
    rows = pd.concat([rows[rows["insult"] == y].head(n) for y, n in sizes.items()])
    verdict = np.where(rows["insult"] == 1, "not OK (2)", "0 – fine")
    table = pd.DataFrame({"Nr.": range(len(rows)), "what they wrote": rows["text"], "Verdict?": verdict})
    table.to_csv(folder / "mine.csv", sep=";", index=False)
    return {"source": str(folder / "mine.csv"), "text": "what they wrote", "labels": "Verdict?"}


def jsonl(folder: Path) -> dict:
    """A list of tags for each text, an empty one where none applies."""
    tags = {"toxic": "harsh", "obscene": "dirty words", "insult": "at a person", "threat": "42"}
    rows = some("wiki-toxicity", ROWS)
    lines = [
        json.dumps({"body": row["text"], "tags": [new for old, new in tags.items() if row[old]]})
        for row in rows.to_dict("records")
    ]
    (folder / "mine.jsonl").write_text("\n".join(lines), encoding="utf-8")
    return {"source": str(folder / "mine.jsonl"), "text": "body", "labels": "tags"}


def parquet(folder: Path) -> dict:
    """Which of four places a sentence comes from."""
    kinds = {
        "film review": "movie-snippets",
        "Tweet": "tweets",
        "shop": "amazon-snippets",
        "news/opinion": "nyt-snippets",
    }
    parts = [some(name, ROWS // 4, labels="score").assign(origin=kind) for kind, name in kinds.items()]
    table = pd.concat(parts)[["text", "origin"]].rename(columns={"text": "snippet"})
    table.sample(frac=1, random_state=0).to_parquet(folder / "mine.parquet")
    return {"source": str(folder / "mine.parquet"), "text": "snippet", "labels": "origin"}


SHAPES = {"csv": csv, "jsonl": jsonl, "parquet": parquet}


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    folder = tmp_path_factory.mktemp("own")
    return {name: make(folder) for name, make in SHAPES.items()}


def read_line(where: dict) -> str:
    return f"data.read({where['source']!r}, text={where['text']!r}, labels={where['labels']!r})"


def changed(lesson: str, where: dict) -> nbformat.NotebookNode:
    """The lesson with the lines changed that a learner changes, all in the same run, and without its outputs."""
    (path,) = NOTEBOOKS.glob(f"{lesson}_*.ipynb")
    notebook = nbformat.read(path, as_version=4)
    setups = loads = 0

    def read_instead(match: re.Match) -> str:
        nonlocal loads
        if (lesson, match[2]) in FIXED:
            return match[0]
        loads += 1
        return f"{match[1]} = {read_line(where)}"

    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = []
            cell.source, n = re.subn(r"^course\.setup\(\)$", "course.setup(strict=False)", cell.source, flags=re.M)
            setups += n
            cell.source = LOAD.sub(read_instead, cell.source)
    assert setups == 1 and loads > 0
    return notebook


@pytest.mark.parametrize(("lesson", "shape"), CASES)
def test_a_lesson_runs_on_a_set_of_your_own(lesson, shape, own, monkeypatch):
    monkeypatch.setenv("TEXTCLF_PROGRESS", "0")
    notebook = changed(lesson, own[shape])
    NotebookClient(
        notebook, timeout=900, kernel_name="python3", resources={"metadata": {"path": str(NOTEBOOKS)}}
    ).execute()  # raises at the first cell that fails
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert all(cell.execution_count for cell in code)


def test_every_set_that_a_lesson_loads_can_be_changed_or_has_a_reason_not_to_be():
    for path in NOTEBOOKS.glob("[0-9]*.ipynb"):
        code = [cell.source for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
        named = re.findall(r'data\.load\("([\w-]+)"', "\n".join(code))
        alone = {name for source in code for _, name in LOAD.findall(source)}
        for name in named:
            assert name in alone or (path.name[:2], name) in FIXED, f"{path.name}: {name} has no line of its own"


@pytest.mark.parametrize("shape", SHAPES)
def test_each_shape_takes_both_forms(shape, own):
    splits = data.read(own[shape]["source"], text=own[shape]["text"], labels=own[shape]["labels"])
    single, several = data.as_classes(splits), data.as_columns(splits)
    names = data.label_names(splits)
    assert "label" in single["train"].features
    assert data.label_names(several) == names
    for split, rows in splits.items():
        assert single[split]["text"][:] == several[split]["text"][:] == rows["text"][:]
        table = several[split].to_pandas()[names].to_numpy()
        if "label" in rows.features:
            assert single[split]["label"][:] == rows["label"][:] == table.argmax(axis=1).tolist()
            assert (table.sum(axis=1) == 1).all()
        else:
            (_, most) = data.label_names(single)
            assert single[split]["label"][:] == rows[most][:] == table[:, names.index(most)].tolist()
            assert all(sum(splits["train"][most]) >= sum(splits["train"][other]) for other in names)


def test_a_class_may_be_called_like_a_column():
    rows = [{"text": f"text {n}", "label": ["text", "id", "no"][n % 3]} for n in range(60)]
    splits = data.read(rows)
    several = data.as_columns(splits)
    assert "is text" in data.label_names(several)
    assert sum(sum(several[split]["is text"]) for split in several) == 20
