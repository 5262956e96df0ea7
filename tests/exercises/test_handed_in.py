"""Whatever a class hands in is graded or listed: names of seven platforms, versions, archives, files of every kind."""

import gzip
import io
import json
import lzma
import os
import stat
import tarfile
import time
import zipfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.exercises import submissions
from textclf_lesson.base.errors import GradingError, Unreadable
from textclf_lesson.grade import assignment, handed_in, names, summary, unpack
from textclf_lesson.grade.assignment import cells_to_run, notebook_cells, read_assignments
from textclf_lesson.grade.classroom import Classroom, classroom
from textclf_lesson.grade.marking import Mark, Marks

ASSIGNMENTS = read_assignments(submissions.SOLUTIONS)
FRAMING = json.dumps(submissions.exercise("01_framing"))
NAKED = json.dumps({"cells": [{"cell_type": "code", "source": "x = 1"}], "nbformat": 4})


def place(folder: Path, name: str, content: str | bytes = FRAMING, age: float = 0) -> Path:
    """A file, `age` seconds old."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    os.utime(path, (time.time() - age, time.time() - age))
    return path


def zipped(files: dict[str, str | bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return file.getvalue()


def look(folder: Path) -> Classroom:
    return classroom(folder, submissions.SOLUTIONS, None)


def counted(folder: Path) -> list[str]:
    return [submission.name for submission in look(folder).submissions]


def reasons(folder: Path) -> dict[str, str]:
    return {marks.submission: marks.note for marks in look(folder).left}


# --- which assignment -------------------------------------------------------------------------------------------------

NAMES = {
    "lee_12_34_01_framing.ipynb": "01_framing",  # Canvas
    "lee_LATE_12_34_02_baselines-1.ipynb": "02_baselines",
    "Ada Lovelace_123_assignsubmission_file_03_fasttext.ipynb": "03_fasttext",  # Moodle
    "Ada Lovelace_123_assignsubmission_file_/03_fasttext.ipynb": "03_fasttext",
    "Ada Lovelace - 04_bert_sentiment.ipynb": "04_bert_sentiment",  # Google Classroom
    "Copy of 05_multilabel_toxicity (1).ipynb": "05_multilabel_toxicity",  # Colab, Drive
    "Copy_of_05_multilabel_toxicity.ipynb": "05_multilabel_toxicity",
    "01-framing.ipynb": "01_framing",  # Kaggle
    "01_framing copy 2.ipynb": "01_framing",  # VS Code
    "01_framing-Copy1.ipynb": "01_framing",  # JupyterLab
    "01_framing_exercise.ipynb": "01_framing",  # a learner's working copy
    "lee_12_34_01_framing_exercise (1).ipynb": "01_framing",
    "submitted/ada/06_imbalance_focal_loss/work.ipynb": "06_imbalance_focal_loss",  # nbgrader
    "12_34_01_framing.ipynb": "01_framing",
    "2024_01_15_02_baselines.ipynb": "02_baselines",
    "01_framing/02_baselines.ipynb": "02_baselines",
    "101_framing.ipynb": None,
    "lee_12_34_homework.ipynb": None,
    "12_lee.ipynb": None,
    "01_framing_and_02_baselines.ipynb": None,
}


@pytest.mark.parametrize("name", NAMES)
def test_without_metadata_the_whole_stem_in_the_name_tells_the_assignment(tmp_path, name):
    found = assignment.of_submission(place(tmp_path, name, NAKED), ASSIGNMENTS, name)
    assert (found and found.name) == NAMES[name]


def test_cells_tell_before_the_name_and_functions_where_nothing_else_does(tmp_path):
    assert assignment.of_submission(place(tmp_path, "02_baselines.ipynb"), ASSIGNMENTS).name == "01_framing"
    notebook = json.loads(FRAMING)
    for cell in notebook["cells"]:
        cell["metadata"] = {}
    bare = place(tmp_path, "notebook1a2b.ipynb", json.dumps(notebook))
    assert assignment.of_submission(bare, ASSIGNMENTS).name == "01_framing"


# --- versions ---------------------------------------------------------------------------------------------------------

# files with their age in seconds, the newest last; all by one student
VERSIONS = {
    "Canvas": {"lee_12_34_01_framing.ipynb": 0, "lee_LATE_12_56_01_framing-1.ipynb": 0},
    "Canvas, an archive": {"lee_12_34_01_framing.ipynb": 0, "lee_12_99_homework.zip": 500},
    "Moodle": {"Ada L_7_assignsubmission_file_a.ipynb": 500, "Ada L_7_assignsubmission_file_/b.ipynb": 0},
    "Google Classroom": {"Ada L - 01_framing.ipynb": 0, "Ada L - 01_framing (1).ipynb": 0},
    "Colab": {"ada/01_framing.ipynb": 500, "ada/Copy_of_01_framing.ipynb": 0},
    "Kaggle": {"ada/01-framing.ipynb": 500, "ada/01_framing (2).ipynb": 0},
    "VS Code": {"ada/01_framing copy.ipynb": 500, "ada/01_framing.ipynb": 0},  # the copy was the backup
    "JupyterLab": {"ada/01_framing.ipynb": 0, "ada/01_framing-Copy1.ipynb": 0, "ada/01_framing-Copy2.ipynb": 0},
    "a working copy": {"ada/01_framing.ipynb": 500, "ada/01_framing_exercise (1).ipynb": 0},
    "by hand": {"bob_draft.ipynb": 0, "bob_final.ipynb": -500, "bob_v2.ipynb": -900},
    "one unpacked": {"zoe.zip": 500, "zoe/01_framing.ipynb": 0},
}


@pytest.mark.parametrize("platform", VERSIONS)
def test_the_newest_version_counts_and_the_others_are_told(tmp_path, platform):
    for name, age in VERSIONS[platform].items():
        inside = json.dumps(json.loads(FRAMING) | {"of": name})
        place(tmp_path, name, zipped({"01_framing.ipynb": inside}) if name.endswith(".zip") else FRAMING, age)
    for archive in tmp_path.glob("*.zip"):  # a member's time is the archive's own
        with zipfile.ZipFile(archive, "w") as file:
            info = zipfile.ZipInfo("01_framing.ipynb", time.localtime(archive.stat().st_mtime - 600)[:6])
            file.writestr(info, FRAMING.replace("Six questions", "6 questions"))
    room = look(tmp_path)
    *older, newest = VERSIONS[platform]
    (submission,) = room.submissions
    assert submission.path.name == "01_framing.ipynb" if newest.endswith(".zip") else tmp_path / newest
    assert submission.name.startswith(newest.removesuffix(".ipynb"))
    assert any(f"the newest of {len(older) + 1} versions" in told for told in submission.notes)
    assert len(room.left) == len(older)
    assert all("Not graded: an older version: " in marks.note and newest in marks.note for marks in room.left)
    assert ("handed in late" in submission.notes) == ("LATE" in newest)


APART = {
    "students in files": ["ada.ipynb", "bob.ipynb"],
    "students with numbers": ["student 1.ipynb", "student 2.ipynb", "s-1.ipynb", "s-2.ipynb", "s1.ipynb"],
    "nobody's name": ["01_framing.ipynb", "01_framing (1).ipynb", "01_framing (2).ipynb"],
    "folders": ["ada/01_framing.ipynb", "bob/01_framing.ipynb", "cyd/01_framing (1).ipynb"],
    "Moodle namesakes": ["A L_1_assignsubmission_file_/a.ipynb", "A L_2_assignsubmission_file_/a.ipynb"],
    "Canvas": ["lee_12_34_01_framing.ipynb", "lee_13_35_01_framing.ipynb"],
    "dates": ["ada/2024_01_15_01_framing.ipynb", "bob/2024_01_15_01_framing.ipynb"],
    "Cyrillic": ["Анна Иванова - 01_framing.ipynb", "Борис Котов - 01_framing.ipynb"],
}


@pytest.mark.parametrize("what", APART)
def test_what_may_be_two_students_is_graded_twice(tmp_path, what):
    for name in APART[what]:
        place(tmp_path, name)
    room = look(tmp_path)
    assert len(room.submissions) == len(APART[what])
    assert room.left == []
    told = any("keep the newest only" in sentence for s in room.submissions for sentence in s.notes)
    assert told == (what in ("nobody's name", "students with numbers"))


MARKS = [" (1)", "(2)", "-1", " 2", "-Copy1", " copy", " copy 2", " - Copy", " - Copy (2)", "_v2", "_final", " late"]
MARKS += ["_resubmission", " - Kopie", " копия"]
stems = st.from_regex(r"[a-zé]{2,8}( [a-z]{3,8})?_0[1-9]_[a-z]{4,9}x", fullmatch=True)


@settings(max_examples=200, deadline=None)
@given(stems, st.lists(st.sampled_from(MARKS), max_size=3), st.sampled_from(["", "Copy of ", "Copy_of_", "Kopie von "]))
def test_marks_of_a_version_are_no_part_of_the_name(stem, marks, before):
    told = names.read(f"{before}{stem}{''.join(marks)}")
    assert told.base == names.plain(stem)
    assert bool(told.number) == bool(marks or before)
    assert names.read(f"ann/{stem}").number == 0


# --- files ------------------------------------------------------------------------------------------------------------

FILES = {
    "ada.ipynb.txt": (FRAMING, None),
    "b.json": (FRAMING, None),
    "C.IPYNB": (FRAMING, None),
    "d.ipynb.ipynb": (FRAMING, None),
    "no ending": (FRAMING, None),
    "e.ipynb.txt": ("not JSON", "called like a notebook, but is not one"),
    "f.py": ("x = 1", "a .py file, not the notebook"),
    "g.pdf": (b"%PDF", "a .pdf file, not the notebook"),
    "h.txt": ("", "the file is empty"),
    "i.gdoc": ("{}", "a shortcut"),
    "j.ipynb.crdownload": (FRAMING[:100], "a download that was not finished"),
    "k.rar": (b"Rar!", "a .rar archive cannot be opened here"),
    "l.7z": (b"7z", "a .7z archive cannot be opened here"),
    "m.zip": (b"PK\3\4 damaged", "the archive is damaged"),
    "n.tar.gz": (b"\x1f\x8b damaged", "the archive is damaged"),
    "n.ipynb.gz": (gzip.compress(FRAMING.encode()), None),
    "n.ipynb.xz": (lzma.compress(FRAMING.encode()), None),
    "n.ipynb.bz2": (b"BZh damaged", "it cannot be unpacked"),
    "r.ipynb": (f"<<<<<<< HEAD\n{FRAMING}\n=======\n{FRAMING}\n>>>>>>> ada\n", "two versions that git could not merge"),
    "o.zip": (zipped({}), "an empty archive"),
    ".hidden.ipynb": (FRAMING, "a hidden file"),
    ".ipynb_checkpoints/ada-checkpoint.ipynb": (FRAMING, "a hidden folder (1 files)"),
    "__MACOSX/._ada.ipynb": (b"\0", "a hidden folder (1 files)"),
    "p.docx": (b"PK", "it is not a notebook"),
    "q/readme.md": ("hello", "a .md file"),
}


@pytest.mark.parametrize("name", FILES)
def test_every_file_is_graded_or_listed_with_the_reason(tmp_path, name):
    content, reason = FILES[name]
    place(tmp_path, name, content)
    place(tmp_path, "zed/01_framing.ipynb")
    room = look(tmp_path)
    if reason is None:
        assert len(room.submissions) == 2
        assert room.left == []
    else:
        (marks,) = room.left
        assert reason in marks.note
        assert marks.note.startswith("Not graded: ")
        assert marks.submission.startswith(name.split("/")[0].removesuffix(".ipynb"))
        assert [s.name for s in room.submissions] == ["zed/01_framing"]


def test_links_and_pipes_are_listed_and_read_by_nobody(tmp_path):
    place(tmp_path, "zed/01_framing.ipynb")
    (tmp_path / "nowhere.ipynb").symlink_to(tmp_path / "gone")
    (tmp_path / "folder").symlink_to(tmp_path / "zed")
    os.mkfifo(tmp_path / "pipe.ipynb")
    assert {name: note.removeprefix("Not graded: ") for name, note in reasons(tmp_path).items()} == {
        "nowhere": "a link that leads nowhere.",
        "folder": "a link to a folder: links to folders are not followed.",
        "pipe": "it is not a file.",
    }


def test_a_name_that_is_no_utf8_can_be_shown(tmp_path):
    with open(os.fsencode(tmp_path) + b"/01_framing-\xff.ipynb", "w") as file:
        file.write(FRAMING)
    (name,) = counted(tmp_path)
    assert name.encode() == b"01_framing-\xef\xbf\xbd"


def test_nothing_but_other_files_is_said_with_their_reasons(tmp_path):
    place(tmp_path, "a.py")
    with pytest.raises(GradingError, match=r"^There is no notebook in .*Found: a\.py \(a \.py file, not the notebook"):
        look(tmp_path)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_a_notebook_is_read_in_every_encoding_that_editors_write(tmp_path, encoding, newline):
    text = json.dumps(submissions.exercise("01_framing"), ensure_ascii=False, indent=1).replace("\n", newline)
    path = place(tmp_path, "x.ipynb", text.encode(encoding))
    assert notebook_cells(path) == json.loads(FRAMING)["cells"]


def test_what_is_no_notebook_is_told_why(tmp_path):
    for content, reason in {
        "": "empty",
        " \n": "empty",
        "<!DOCTYPE html>": "a web page",
        "[]": "not a notebook",
        '{"cells": 3}': "not a notebook",
        "[" * 100_000: "not a notebook",
        "<<<<<<< HEAD\n{}": "a web page",
    }.items():
        with pytest.raises(Unreadable, match=reason):
            notebook_cells(place(tmp_path, "x.ipynb", content))


def test_nbformat_3_and_cells_in_other_languages(tmp_path):
    old = {"worksheets": [{"cells": [{"cell_type": "code", "input": ["x = 1\n", "y = 2"]}]}], "nbformat": 3}
    (cell,) = cells_to_run(place(tmp_path, "old.ipynb", json.dumps(old)), ASSIGNMENTS["01_framing"])
    assert cell.source == "x = 1\ny = 2"
    shell = {"cell_type": "code", "source": "ls", "metadata": {"vscode": {"languageId": "shellscript"}}}
    python = {"cell_type": "code", "source": "z = 3", "metadata": {"vscode": {"languageId": "python"}}}
    path = place(tmp_path, "vscode.ipynb", json.dumps({"cells": [shell, python]}))
    assert [cell.source for cell in cells_to_run(path, ASSIGNMENTS["01_framing"])] == ["z = 3"]


# --- archives ---------------------------------------------------------------------------------------------------------


def test_a_class_comes_in_one_archive_with_folders_and_archives_inside(tmp_path):
    zoe = zipped({"hand-in/01_framing.ipynb": FRAMING, "hand-in/notes.pdf": b"%PDF"})
    whole = {"ada/01_framing.ipynb": FRAMING, "zoe_9_assignsubmission_file_/zoe.zip": zoe, "bob\\work.ipynb": FRAMING}
    place(tmp_path, "class.zip", zipped(whole))
    names_ = {"class.zip/ada/01_framing", "class.zip/bob/work"}
    names_ |= {"class.zip/zoe_9_assignsubmission_file_/zoe.zip/hand-in/01_framing"}
    assert set(counted(tmp_path)) == set(counted(tmp_path / "class.zip")) == names_
    assert list(reasons(tmp_path)) == ["class.zip/zoe_9_assignsubmission_file_/zoe.zip/hand-in/notes.pdf"]


def test_an_archive_left_beside_what_was_unpacked_is_graded_once(tmp_path):
    place(tmp_path, "class.zip", zipped({"ada/01_framing.ipynb": FRAMING, "bob/01_framing.ipynb": FRAMING}))
    place(tmp_path, "ada/01_framing.ipynb")
    assert counted(tmp_path) == ["ada/01_framing", "class.zip/bob/01_framing"]
    assert "the same file as ada/01_framing.ipynb" in reasons(tmp_path)["class.zip/ada/01_framing"]


def test_a_practical_in_an_archive_keeps_what_lies_beside_it(tmp_path):
    practical = json.dumps(submissions.exercise("15_toxicity_capstone"))
    files = {"submission/predictions.csv": "id\n", "submission/model/config.json": "{}", "submission/old.txt": "old"}
    place(tmp_path, "ada.zip", zipped({"15_toxicity_capstone.ipynb": practical, **files}))
    room = look(tmp_path)
    assert (room.submissions[0].files / "predictions.csv").read_text() == "id\n"
    assert [marks.submission for marks in room.left] == ["ada.zip/submission/old.txt"]
    assert any(room.submissions[0].path.is_relative_to(folder) for folder in room.hidden), "neighbours must not see it"


def tarred(files: dict[str, str], mode: str = "w:gz") -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode=mode) as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content.encode()))
    return file.getvalue()


@pytest.mark.parametrize(
    ("name", "mode"),
    [
        ("a.tar", "w"),
        ("a.tgz", "w:gz"),
        ("a.tar.bz2", "w:bz2"),
        ("a.txz", "w:xz"),
        ("a.tbz", "w:bz2"),
        ("a.gz", "w:gz"),
    ],
)
def test_tar_archives_are_unpacked_too(tmp_path, name, mode):
    place(tmp_path, name, tarred({"01_framing.ipynb": FRAMING}, mode))
    assert counted(tmp_path) == [f"{name}/01_framing"]


paths = st.lists(
    st.sampled_from(["..", ".", "a", "b.ipynb", "", "/", "C:", "\\", "ä", "x" * 300]), min_size=1, max_size=4
)


@settings(max_examples=60, deadline=None)
@given(st.lists(paths.map("/".join), min_size=1, max_size=4, unique=True))
def test_no_member_is_written_outside_and_each_is_unpacked_or_told(tmp_path_factory, members):
    folder = tmp_path_factory.mktemp("archive")
    target = folder / "in" / "here"
    target.mkdir(parents=True)
    archive = place(folder, "evil.zip", zipped(dict.fromkeys(filter(None, members), "x")))
    with zipfile.ZipFile(archive) as file:
        files = [info.filename for info in file.infolist() if not info.is_dir()]
    problems = unpack.unpack(archive, target)
    written = [path for path in folder.rglob("*") if path.is_file() and path != archive]
    assert all(path.is_relative_to(target) for path in written)
    assert len(written) + len(problems) >= len(files)


def test_a_member_that_cannot_be_had_costs_no_other(tmp_path):
    content = bytearray(zipped({"bad.ipynb": FRAMING, "good.ipynb": FRAMING}))
    content[content.index(b"questions on")] ^= 1  # its checksum no longer holds
    place(tmp_path, "a.zip", bytes(content))
    assert counted(tmp_path) == ["a.zip/good"]
    assert "it cannot be unpacked (Bad CRC-32" in reasons(tmp_path)["a.zip/bad"]


def test_links_bombs_and_locked_members_are_refused(tmp_path, monkeypatch):
    link = zipfile.ZipInfo("link.ipynb")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    locked = bytearray(zipped({"locked.ipynb": "x"}))
    for at in (locked.index(b"PK\3\4") + 6, locked.index(b"PK\1\2") + 8):
        locked[at] |= 1
    place(tmp_path, "locked.zip", bytes(locked))
    monkeypatch.setattr(unpack, "LARGEST", 1_000_000)
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr(link, "/etc/passwd")
        file.writestr("01_framing.ipynb", FRAMING)
        file.writestr("bomb.txt", bytes(20_000_000))
        file.writestr("after.txt", "x")
    told = reasons(tmp_path)
    assert "a link or a device" in told["a.zip/link"]
    assert "locked with a password" in told["locked.zip/locked"]
    assert "more than" in told["a.zip/bomb.txt"]
    assert counted(tmp_path) == ["a.zip/01_framing"]


def test_archives_inside_archives_end(tmp_path):
    content = zipped({"01_framing.ipynb": FRAMING})
    for _ in range(handed_in.DEEPEST):
        content = zipped({"in.zip": content})
    place(tmp_path, "out.zip", content)
    with pytest.raises(GradingError, match="inside 4 others: unpack it by hand"):
        look(tmp_path)


def test_what_was_unpacked_is_removed(tmp_path):
    place(tmp_path, "a.zip", zipped({"01_framing.ipynb": FRAMING}))
    room = look(tmp_path)
    unpacked = room.submissions[0].path
    assert unpacked.exists()
    room.handed.unpacked.cleanup()
    assert not unpacked.exists()


def test_without_room_to_unpack_grading_does_not_begin(tmp_path, monkeypatch):
    place(tmp_path, "a.zip", zipped({"01_framing.ipynb": FRAMING}))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "nowhere"))
    with pytest.raises(GradingError, match="set TMPDIR to one"):
        look(tmp_path)


def test_results_of_an_earlier_grading_are_no_hand_ins(tmp_path):
    """They were written where --json and --html said, and are not named again this time."""
    place(tmp_path, "ada/01_framing.ipynb")
    marks = [Marks("ada/01_framing", "01_framing", [Mark("quiz", 2, 2, "right")])]
    for name, write in {
        "all.json": summary.as_json,
        "ada/old.html": summary.as_html,
        "old.csv": summary.as_csv,
    }.items():
        place(tmp_path, name, write(marks))
    place(tmp_path, "data.json", "[]")
    assert counted(tmp_path) == ["ada/01_framing"]
    assert list(reasons(tmp_path)) == ["data.json"]


def test_results_are_not_written_over_a_submission(tmp_path):
    path = place(tmp_path, "ada.ipynb")
    with pytest.raises(GradingError, match="is a submission: write the results elsewhere"):
        classroom(tmp_path, submissions.SOLUTIONS, None, {path})
