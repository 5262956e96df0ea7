"""What is handed in beside the practical: a file of predictions and a model, good, missing, mangled, and malicious."""

import json
import os
import pickle
import shutil
import sys
from pathlib import Path

import nbformat
import numpy as np
import pandas as pd
import pytest

from tests.exercises import submissions
from tests.exercises.grading import grade, results
from textclf_lesson.base.errors import CheckFailed, Missing
from textclf_lesson.check import core, ex15
from textclf_lesson.deploy import export
from textclf_lesson.deploy.onnx_classifier import OnnxClassifier
from textclf_lesson.evaluate import thresholds
from textclf_lesson.grade import artefacts
from textclf_lesson.grade.artefacts import Artefacts
from textclf_lesson.grade.classroom import classroom
from textclf_lesson.grade.sandbox import Limits, Sandbox
from textclf_lesson.models import checkpoints

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="grading needs a POSIX system")
NAME = "15_toxicity_capstone"
LABELS = ex15.LABELS


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    """What a learner hands in: the course's own checkpoint, exported, and its predictions."""
    folder = tmp_path_factory.mktemp("good") / "submission"
    rows = ex15.comments()["validation"].head(300)
    model = export.to_onnx(checkpoints.load("toxicity"), folder / "model", texts=rows["text"].head(5))
    served = OnnxClassifier(model)
    tuned = thresholds.tune(rows[LABELS], served.predict_proba(rows["text"]), LABELS, min_support=1)
    (model / "thresholds.json").write_text(json.dumps(tuned.to_dict()), encoding="utf-8")
    write_predictions(folder, served.predict_proba(ex15.held_out()["text"]), tuned)
    return folder


def write_predictions(folder, probability, tuned):
    table = pd.DataFrame(probability, columns=LABELS)
    table.insert(0, "id", ex15.held_out()["id"])
    yes = pd.DataFrame(tuned.apply(probability), columns=[f"{label}_yes" for label in LABELS])
    pd.concat([table, yes], axis=1).to_csv(folder / "predictions.csv", index=False)


@pytest.fixture
def copy(good, tmp_path):
    """A copy of it, to be spoilt; the large file is the same one."""
    shutil.copytree(good, tmp_path / "submission", copy_function=os.link)
    return tmp_path / "submission"


@pytest.fixture(scope="module")
def fenced(good):
    """Serves one folder after another in one fenced process."""
    held = Artefacts(good, Sandbox(Limits(seconds=60), (submissions.SOLUTIONS,)))
    yield held
    held.close()


# --- the file of predictions ------------------------------------------------------------------------------------------


def read(folder):
    ex15.predictions_file(Artefacts(folder, Sandbox()).predictions)


def test_a_whole_file_is_right(good, capsys):
    read(good)
    assert "912 comments" in capsys.readouterr().out


def replaced(path, make):
    """Another file of this name; the copy shares its own with the good one."""
    path.unlink()
    make(path)


def a_pipe(path):
    os.mkfifo(path)


def a_huge_file(path):
    path.write_bytes(b"")
    os.truncate(path, 6_000_000)


MANGLED = {
    "is not a file": a_pipe,
    "`predictions.csv` is not a file": lambda path: path.mkdir(),
    "has 6 MB; 1 MB are allowed": a_huge_file,
    "not written in UTF-8": lambda path: path.write_bytes(b"id,t\xf6xic\n1,2\n"),
    "holds no rows": lambda path: path.write_text("id,toxic\n"),
    "row 3 has 2 entries, the first one 3": lambda path: path.write_text("id,a,b\n1,2,3\n1,2\n"),
    "is not a CSV file": lambda path: path.write_text('id,a\n"1"x,2\n'),
    "lacks id, toxic, severe_toxic, obscene": lambda path: path.write_text("\0\x1b[31m,b\n1,2\n"),
}


@pytest.mark.parametrize("sentence", MANGLED)
def test_a_mangled_file_is_told_in_a_sentence(copy, sentence):
    replaced(copy / "predictions.csv", MANGLED[sentence])
    with pytest.raises(CheckFailed) as failed:
        read(copy)
    assert sentence in str(failed.value)
    assert "could not test" not in str(failed.value)
    assert str(failed.value).isprintable()


CHANGED = {
    "lacks 3 of the 912 held-out comments": lambda table: table.iloc[3:],
    "twice: one row for each comment": lambda table: pd.concat([table, table.tail(2)]),
    "`threat` of": lambda table: table.assign(threat=table["threat"].where(table.index != 5)),
    "is inf, not a probability from 0 to 1": lambda table: table.assign(toxic=np.inf),
    "is -0.5, not a probability from 0 to 1": lambda table: table.assign(
        insult=table["insult"] - 0.5 - table["insult"]
    ),
    "is 'high', which is not a number": lambda table: table.assign(obscene="high"),
    "has 'note' too": lambda table: table.assign(note=1),
    "No single threshold gives `toxic_yes`": lambda table: table.assign(
        toxic_yes=table["toxic_yes"].sample(frac=1).to_numpy()
    ),
}


@pytest.mark.parametrize("sentence", CHANGED)
def test_a_file_with_a_fault_is_told_which(copy, sentence):
    table = pd.read_csv(copy / "predictions.csv")
    replaced(copy / "predictions.csv", lambda path: CHANGED[sentence](table).to_csv(path, index=False))
    with pytest.raises(CheckFailed) as failed:
        read(copy)
    assert sentence in str(failed.value)


def test_each_label_earns_its_point_and_shows_its_interval(good):
    lines = []
    listening = core.say.set(lines.append)
    points = ex15.f1_by_label(Artefacts(good, Sandbox()).predictions)
    core.say.reset(listening)
    shown = lines[0].split(" · ")
    assert [line.split()[1] for line in shown] == LABELS
    assert points == sum(line.startswith("✓") for line in shown) >= 3
    assert all("95 %" in line for line in shown)
    low, high = shown[LABELS.index("severe_toxic")].split("95 % ")[1].rstrip(": open").split(" to ")
    assert float(high) - float(low) > 0.15, "few positives, a wide interval"


# --- the model --------------------------------------------------------------------------------------------------------


def serve(fenced, folder, rows=12):
    fenced.folder = folder
    ex15.served_model(fenced.served, predictions=fenced.predictions, rows=rows)


def test_a_good_model_is_served_over_http_and_says_what_the_file_says(fenced, good, capsys):
    serve(fenced, good)
    fenced._sitting.run("from textclf_lesson.grade import artefacts; artefacts._directly = None")
    serve(fenced, good, rows=120)
    assert "the same as in predictions.csv" in capsys.readouterr().out


def test_without_loopback_the_application_is_asked_itself(good, monkeypatch):
    def refuse(*_):
        raise OSError

    texts = ex15.held_out()["text"].head(3).tolist()
    over_http = artefacts.ask(str(good / "model"), texts)
    monkeypatch.setattr(artefacts.socket, "create_server", refuse)
    assert artefacts.ask(str(good / "model"), texts) == over_http


def with_a_pickle(folder):
    (folder / "model" / "weights.pkl").write_bytes(pickle.dumps([1]))


def a_pickle_renamed(folder):
    replaced(folder / "model" / "model.onnx", lambda path: path.write_bytes(pickle.dumps([1])))


def cut_off(folder):
    first = (folder / "model" / "model.onnx").read_bytes()[:100_000]
    replaced(folder / "model" / "model.onnx", lambda path: path.write_bytes(first))


def with_labels(folder, labels):
    path = folder / "model" / "config.json"
    config = json.loads(path.read_text())
    config["textclf_lesson"]["classes"] = labels
    replaced(path, lambda path: path.write_text(json.dumps(config)))
    (folder / "model" / "thresholds.json").unlink()


def without_thresholds(folder):
    path = folder / "model" / "thresholds.json"
    replaced(path, lambda path: path.write_text(json.dumps(dict.fromkeys(LABELS, 0.999))))


def other_predictions(folder):
    (folder / "predictions.csv").unlink()
    p, rows = ex15.scored(), ex15.comments()["validation"]
    write_predictions(folder, p["test"], thresholds.tune(rows[LABELS], p["validation"], LABELS))


def a_link_inside(folder):
    (folder / "model" / "vocab.txt").symlink_to("/etc/hostname")


def a_link_to_it(folder):
    (folder / "model").rename(folder / "elsewhere")
    (folder / "model").symlink_to(folder / "elsewhere")


SPOILT = {
    "`model/` cannot be served: model/ holds weights.pkl, a pickle": with_a_pickle,
    "model/model.onnx is a pickle under another name": a_pickle_renamed,
    "model/model.onnx cannot be read as ONNX": cut_off,
    "is that the model you trained on them?": lambda folder: with_labels(folder, list("abcdef")),
    "The service and predictions.csv disagree on": lambda folder: with_labels(
        folder, ["threat", *LABELS[1:3], "toxic", *LABELS[4:]]
    ),
    "the service uses another threshold": without_thresholds,
    "Write the file with the model that you serve.": other_predictions,
    "`model/vocab.txt` is a link": a_link_inside,
    "`model` is a link": a_link_to_it,
    "There is no model,": lambda folder: shutil.rmtree(folder / "model"),
    "There is no predictions.csv,": lambda folder: (folder / "predictions.csv").unlink(),
}


@pytest.mark.parametrize("sentence", SPOILT)
def test_a_spoilt_model_is_told_in_a_sentence(fenced, copy, sentence):
    SPOILT[sentence](copy)
    with pytest.raises(CheckFailed) as failed:
        serve(fenced, copy, rows=24)
    assert sentence in str(failed.value)
    assert str(copy) not in str(failed.value)
    assert isinstance(failed.value, Missing) == sentence.startswith("There is no")


def test_a_file_of_a_model_in_eight_bits_is_told_why_it_differs(good, copy):
    """Nearly the same, but not quite: the usual reason is named."""
    table = pd.read_csv(good / "predictions.csv")
    table[LABELS] = np.where(table[LABELS] > 0.95, table[LABELS] - 0.04, table[LABELS])
    replaced(copy / "predictions.csv", lambda path: table.to_csv(path, index=False))
    texts = ex15.held_out()["text"]
    answers = dict(zip(texts, pd.read_csv(good / "predictions.csv").to_dict("records"), strict=True))

    def service(texts):
        rows = [answers[text] for text in texts]
        own_labels = [[label for label in LABELS if row[f"{label}_yes"]] for row in rows]
        return [{"labels": s, "scores": {n: row[n] for n in LABELS}} for s, row in zip(own_labels, rows, strict=True)]

    with pytest.raises(CheckFailed, match="is it the model in eight bits"):
        ex15.served_model(service, predictions=Artefacts(copy, Sandbox()).predictions)


# --- a class ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def graded(good, tmp_path_factory):
    folder = tmp_path_factory.mktemp("class")
    for name in ("ada", "bob"):
        (folder / name).mkdir()
    shutil.copy(submissions.SOLUTIONS / f"{NAME}.ipynb", folder / "ada")
    shutil.copytree(good, folder / "ada" / "submission")
    liar = submissions.solved(NAME, ("quiz",))  # says in its functions what it would like to have handed in
    lies = "from textclf_lesson.check import ex15\ndef predictions_file():\n    return ex15._gold()\n"
    liar.cells.insert(1, nbformat.v4.new_code_cell(lies + "def served_model(texts):\n    return []"))
    submissions.write(liar, folder / "bob" / f"{NAME}.ipynb")
    run = grade(folder, "--assignment", 15, "--jobs", 2, "--json", folder / "all.json")
    return folder, results(run, folder / "all.json")


def test_the_solution_gets_all_but_what_no_honest_model_reaches(graded):
    marks = graded[1][f"ada/{NAME}"]
    labels = marks.pop("f1_by_label")
    assert {item: mark["hint"] for item, mark in marks.items() if mark["verdict"] != "right"} == {}
    assert 3 <= labels["points"] <= labels["out_of"] == 6
    assert labels["verdict"] == ("right" if labels["points"] == 6 else "partly")
    assert "threat" in labels["hint"] and "95 %" in labels["hint"]


def test_what_was_not_handed_in_is_missing_whatever_the_functions_say(graded):
    marks = graded[1][f"bob/{NAME}"]
    assert marks["quiz"]["verdict"] == "right"
    for item in ("predictions_file", "f1_by_label", "served_model"):
        assert (marks[item]["verdict"], marks[item]["points"]) == ("missing", 0)
        assert marks[item]["hint"].startswith("There is no")


def test_a_folder_between_two_practicals_is_nobody_s(copy):
    for name in ("cyd", "dan"):
        submissions.write(submissions.exercise(NAME), copy.parent / f"{name}.ipynb")
    both = classroom(copy.parent, submissions.SOLUTIONS, "15").submissions
    assert [submission.files for submission in both] == [None, None]
    with pytest.raises(Missing, match=r"^Whose predictions.csv is it\?"):
        Artefacts(None, Sandbox()).predictions()
    (copy.parent / "dan.ipynb").unlink()
    assert [alone.files for alone in classroom(copy.parent, submissions.SOLUTIONS, None).submissions] == [copy]


def test_a_folder_named_from_here_is_found_from_elsewhere(copy, monkeypatch):
    monkeypatch.chdir(copy.parent)
    assert Artefacts(Path("submission"), Sandbox()).folder == copy


def test_another_artefact_is_graded_anew(good, copy):
    assert artefacts.fingerprint(copy) == artefacts.fingerprint(good)
    with_a_pickle(copy)
    assert artefacts.fingerprint(copy) != artefacts.fingerprint(good)
    assert artefacts.fingerprint(None) == b""


def test_artefacts_lie_in_submission_or_beside_the_notebook(copy):
    assert artefacts.beside(copy.parent / f"{NAME}.ipynb") == copy
    assert artefacts.beside(copy / f"{NAME}.ipynb") == copy
