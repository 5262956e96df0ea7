"""Fair under bad luck: a point is lost for a reason that is the learner's; what the machine did is graded again."""

import csv
import errno
import io
import itertools
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import nbformat
import psutil
import pytest
from filelock import FileLock
from rich.console import Console

from tests.exercises import submissions
from tests.exercises.grading import COMMAND, ROOT, grade
from textclf_lesson.assets import cache
from textclf_lesson.base.errors import CheckFault, GradingError, Killed, Stopped
from textclf_lesson.check import CheckFailed, needs
from textclf_lesson.check.core import item
from textclf_lesson.check.values import Remote
from textclf_lesson.grade import classroom, sandbox, sitting, summary
from textclf_lesson.grade.artefacts import Artefacts
from textclf_lesson.grade.assignment import Assignment, Item, Submission
from textclf_lesson.grade.marking import Mark, Marks, mark
from textclf_lesson.grade.sandbox import Limits, Sandbox
from textclf_lesson.grade.sitting import Sitting

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="grading needs a POSIX system")
HEAD = "from textclf_lesson.check import NotYet\n"


def marked(tmp_path: Path, cells: list[str], tests: dict[str, str], **limits) -> tuple[dict[str, Mark], Marks]:
    """The marks of a notebook of these cells (those named as an item are its blank) for items of these tests."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in cells])
    for cell in notebook.cells:
        if (name := re.search(r"^def (\w+)\(", cell.source, re.M)) and name[1] in tests:
            cell.metadata["nbgrader"] = {"grade_id": name[1], "solution": True}
    path = tmp_path / "01_x.ipynb"
    submissions.write(notebook, path)
    assignment = Assignment("01_x", tuple(Item(name, 2, test) for name, test in tests.items()), tuple(tests))
    marks = mark(Submission(path, "x", assignment), Sandbox(Limits(**limits)))
    return {one.item: one for one in marks.marks}, marks


def plainly(name: str, value: object) -> str:
    """A test: the function must return this value."""
    return (
        "from textclf_lesson.check.core import CheckFailed, Answer\n"
        f"if Answer({name!r}, {name})() != {value!r}:\n    raise CheckFailed('another value')\nNone"
    )


# --- notebook lines ---------------------------------------------------------------------------------------------------

LINES = ["%matplotlib inline", "%matplotlib widget", "%config InlineBackend.figure_format = 'retina'", "!pip install x"]
LINES += [
    "files = !ls",
    "%pip install x",
    "%no_such_magic 1",
    "%load_ext tensorboard",
    "%tensorboard --logdir x",
    "exit",
]
LINES += ["%load_ext autoreload\n%autoreload 2", "%cd /nowhere", "get_ipython().system('ls')", "?print", "%run gone.py"]
LINES += ["exit", "get_ipython().run_line_magic('matplotlib', 'inline')"]
CELLS = ["%%bash\nrm -rf x", "%%html\n<b>", "%%no_such\n1", "%%script bash\nls", "%%javascript\nalert(1)"]


def test_lines_for_the_front_end_and_the_shell_stop_nothing_and_are_noted(tmp_path):
    answer = "\n".join([*LINES, "def answer():\n    return 7"])
    timed = "%%time\ndef timed():\n    return 8"
    tests = {"answer": plainly("answer", 7), "timed": plainly("timed", 8)}
    marks, whole = marked(tmp_path, [*CELLS, answer, timed], tests)
    assert {one.verdict for one in marks.values()} == {"right"}
    assert "left out, since only a notebook's front end can run it: %%bash, %%html, %%no_such, " in whole.note
    assert re.search(r" and \d+ more", whole.note)
    assert "raised" not in whole.note


def test_only_the_course_s_own_blank_is_a_blank(tmp_path):
    raising = "def other():\n    raise NotImplementedError('no such kernel')"
    mine = "class NotYet2(NotImplementedError): pass\ndef mine():\n    raise NotYet2('mine')"
    blank = f"{HEAD}def blank():\n    raise NotYet()"
    before = "raise NotImplementedError('before')\ndef before(): return 1"
    tests = {name: plainly(name, 1) for name in ("other", "mine", "blank", "before")}
    marks, _ = marked(tmp_path, [raising, mine, blank, before], tests)
    verdicts = {name: one.verdict for name, one in marks.items()}
    assert verdicts == {"other": "wrong", "mine": "wrong", "blank": "blank", "before": "wrong"}
    assert "`other` raised NotImplementedError: no such kernel" in marks["other"].hint
    assert "`mine` raised NotYet2: mine" in marks["mine"].hint
    assert marks["blank"].hint.startswith("Nothing returned yet in `blank`.")
    assert marks["before"].hint == "Its cell does not run: NotImplementedError: before"


def test_errors_of_cells_without_an_item_are_noted(tmp_path):
    copy_of_a_test = "from textclf_lesson.check import ex01 as check\ncheck.focal_loss(lambda *_: None)"
    cells = ["import no_such_module", "%%time\n1 / 0", copy_of_a_test, f"{HEAD}raise NotYet()", "def a(): return 1"]
    marks, whole = marked(tmp_path, cells, {"a": plainly("a", 1)})
    assert marks["a"].verdict == "right"
    assert "cell 1 raised ModuleNotFoundError: No module named 'no_such_module'" in whole.note
    assert "cell 2 raised ZeroDivisionError" in whole.note
    assert "cell 3" not in whole.note and "cell 4" not in whole.note


# --- the machine's faults ---------------------------------------------------------------------------------------------


def test_what_the_machine_lacks_is_unjudged_and_what_the_learner_did_is_not(tmp_path, monkeypatch):
    """One submission: each function fails for another reason."""
    (tmp_path / "home").mkdir()
    monkeypatch.setenv("TEXTCLF_HOME", str(tmp_path / "home"))
    load = "    from textclf_lesson import data\n    return len(data.load('movie-snippets')['train'])"
    cells = [
        f"def lacks():\n{load}",
        "def wraps():\n    try:\n        lacks()\n    except RuntimeError as e:\n        raise ValueError('no') from e",
        "def writes():\n    open(__import__('os').environ['TEXTCLF_HOME'] + '/prepared', 'w')",
        "def broken():\n    raise OSError(5, 'Input/output error')",
        "def reads():\n    return open('mine.csv').read()",
        "def wrong():\n    return 2",
        "def right():\n    return 1",
        "def killed():\n    import os, signal\n    return 1",
    ]
    tests = {re.search(r"def (\w+)", cell)[1]: plainly(re.search(r"def (\w+)", cell)[1], 1) for cell in cells}
    tests["killed"] = "killed()\nNone"
    tests["crash"] = "from tests.exercises.test_fairness import spoilt\nspoilt(right)"
    marks, whole = marked(tmp_path, cells, tests)
    verdicts = {name: one.verdict for name, one in marks.items()}
    fair = dict.fromkeys(("lacks", "wraps", "writes", "broken", "crash"), "unjudged")
    assert verdicts == fair | {"reads": "wrong", "wrong": "wrong", "right": "right", "killed": "right"}
    assert "'snippets' is not in the cache" in marks["lacks"].hint
    assert "Grade again." in marks["wraps"].hint
    assert "This check could not test `spoilt`: ZeroDivisionError" in marks["crash"].hint
    assert whole.unjudged == 10
    assert whole.as_dict()["unjudged"] == 10


@item
def spoilt(answer):
    yield str(answer() / 0)


def test_a_cell_that_failed_for_want_of_something_takes_no_other_item_s_points(tmp_path, monkeypatch):
    (tmp_path / "home").mkdir()
    monkeypatch.setenv("TEXTCLF_HOME", str(tmp_path / "home"))
    cells = ["from textclf_lesson import data\nrows = data.load('reuters-r52')", "def a():\n    return len(rows)"]
    marks, whole = marked(tmp_path, [*cells, "def b():\n    return 1"], {n: plainly(n, 1) for n in "ab"})
    assert [marks[name].verdict for name in "ab"] == ["unjudged", "right"]
    assert "cell 1 raised AssetError" in whole.note


def test_a_check_that_breaks_is_no_wrong_answer():
    with pytest.raises(CheckFault, match="could not test `spoilt`"):
        spoilt(lambda: 1)
    assert issubclass(CheckFault, CheckFailed), "in a notebook the learner reads one line"

    @item
    def lacking(answer):
        yield str(cache.fetch("no such asset"))

    with pytest.raises(CheckFault, match="could not test `lacking`: No asset is called"):
        lacking(lambda: 1)


def the_worker(room: Sitting) -> psutil.Process:
    """The process that holds the submission, behind `unshare` where that stands between."""
    first = psutil.Process(room.process.pid)
    return next(iter(first.children(recursive=True)), first)


@pytest.mark.parametrize("walls", [True, False])
def test_a_process_that_the_system_killed_is_told_from_one_that_ended(monkeypatch, walls):
    if not walls:
        monkeypatch.setattr(sandbox, "has_namespaces", lambda: False)
    elif not sandbox.has_namespaces():
        pytest.skip("this system grants no namespaces")
    with Sitting(Sandbox()) as room:
        room.start()
        room.run("def kill_me(): return sleep(60)\nfrom time import sleep")
        worker = the_worker(room)
        subprocess.Popen([sys.executable, "-c", f"import time, os; time.sleep(1); os.kill({worker.pid}, 9)"])
        with pytest.raises(Killed, match="killed by the system, which may be short of memory"):
            room.run("kill_me()")
        room.start()
        with pytest.raises(Stopped, match="its Python ended") as stopped:
            room.run("import os; os._exit(1)")
        assert not isinstance(stopped.value, Killed)


def test_killed_from_outside_is_unjudged_after_a_second_try(tmp_path, monkeypatch):
    starts = itertools.count()
    run = Sitting.run

    def killing(room, source):
        if source == "slowly = 1":
            next(starts)
            the_worker(room).kill()
        return run(room, source)

    monkeypatch.setattr(Sitting, "run", killing)
    marks, whole = marked(tmp_path, ["slowly = 1", "def a(): return slowly"], {"a": plainly("a", 1)})
    assert marks["a"].verdict == "unjudged"
    assert next(starts) == 2
    assert "cell 1 was not run: its process was killed by the system" in whole.note
    assert not whole.limited


def test_memory_that_the_machine_has_not_is_not_the_submission_s(tmp_path):
    cells = ["def greedy():\n    return len(bytearray(10**15))", "def right():\n    return 1"]
    tests = {"greedy": plainly("greedy", 1), "right": plainly("right", 1)}
    promised, _ = marked(tmp_path, cells, tests, memory=10**16)
    assert (promised["greedy"].verdict, promised["right"].verdict) == ("unjudged", "right")
    assert "this machine has less memory free than the" in promised["greedy"].hint
    kept, whole = marked(tmp_path, cells, tests, memory=2 * 10**9)
    assert (kept["greedy"].verdict, kept["right"].verdict) == ("wrong", "right")
    assert whole.limited, "with more memory it may be another mark"


def test_a_full_disk_is_told_from_a_submission_that_fills_it(tmp_path, monkeypatch):
    monkeypatch.setattr(sandbox, "has_namespaces", lambda: False)
    cells = ["def disk():\n    raise OSError(28, 'No space left on device')"]
    assert marked(tmp_path, cells, {"disk": "disk()"})[0]["disk"].verdict == "unjudged"
    cells = ["def disk():\n    open('x', 'wb').write(bytes(2000))\n    raise OSError(28, 'No space left on device')"]
    assert marked(tmp_path, cells, {"disk": "disk()"}, file_size=1000)[0]["disk"].verdict == "wrong"


def test_a_model_that_nobody_could_serve_is_unjudged(tmp_path, monkeypatch):
    """The room for its process is wanting; the model itself may be as good as any."""
    (tmp_path / "model").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "nowhere"))
    with pytest.raises(CheckFault, match=r"model could not be read on this machine: .*No such file or directory"):
        Artefacts(tmp_path, Sandbox()).served(["a text"])


def test_a_fault_on_the_way_to_the_answer_is_no_wrong_answer():
    class Far(Remote):
        remote_type = "function"

        def __call__(self, *_):
            raise MemoryError

    with pytest.raises(CheckFault, match="could not test `spoilt`: MemoryError"):
        spoilt(Far())


# --- time -------------------------------------------------------------------------------------------------------------


class JumpingClock:
    """The grader's clock; each reading after `jump` is set comes an hour later, as after a suspension."""

    def __init__(self, clock):
        self.clock, self.ahead, self.jump = clock, 0.0, 0.0

    def monotonic(self) -> float:
        self.ahead, self.jump = self.ahead + self.jump, 0.0
        return self.clock() + self.ahead


def test_a_clock_that_jumps_stops_nobody_and_a_loop_is_stopped_all_the_same(monkeypatch):
    clock = JumpingClock(time.monotonic)
    monkeypatch.setattr(sitting.time, "monotonic", clock.monotonic)
    with Sitting(Sandbox(Limits(seconds=20))) as room:
        room.start()
        looks = itertools.count()
        look = Sitting._look

        def jumping(one):
            if next(looks) < 3:
                clock.jump = 3600.0
            return look(one)

        monkeypatch.setattr(Sitting, "_look", jumping)
        room.run("import time; time.sleep(1.5); done = 1")
        assert room.get("done") == 1
        assert clock.ahead >= 3600
        assert room.spent < 15
        room.limits = replace(room.limits, seconds=2)
        with pytest.raises(Stopped, match="longer than 2 seconds"):
            room.run("while True: pass")


def test_a_grader_that_was_stopped_for_a_while_does_not_blame_the_submission(tmp_path):
    notebook = submissions.solved("01_framing", ("quiz",))
    notebook.cells.insert(1, nbformat.v4.new_code_cell("import time\ntime.sleep(3)"))
    submissions.write(notebook, tmp_path / "01_a.ipynb")
    out = tmp_path / "all.json"
    with subprocess.Popen([*COMMAND, str(tmp_path), "--seconds", "8", "--json", str(out)], cwd=ROOT) as run:
        grader = psutil.Process(run.pid)
        while not any("textclf_lesson.grade.worker" in part for c in grader.children(True) for part in c.cmdline()):
            time.sleep(0.1)
        run.send_signal(signal.SIGSTOP)
        time.sleep(12)
        run.send_signal(signal.SIGCONT)
        assert run.wait(timeout=300) == 0
    (marks,) = json.loads(out.read_text())
    assert {one["item"]: one["verdict"] for one in marks["marks"]}["quiz"] == "right"
    assert "stopped" not in marks["note"]


def test_a_submission_that_sleeps_does_not_outlive_a_grader_that_was_killed(tmp_path):
    script = """
import sys
from pathlib import Path
from textclf_lesson.grade import sandbox
from textclf_lesson.grade.sitting import Sitting
sandbox.has_namespaces = lambda: False
room = Sitting(sandbox.Sandbox())
room.start()
print(room.process.pid, flush=True)
room.run("import time; time.sleep(10**6)")
"""
    env = os.environ | {"TMPDIR": str(tmp_path)}
    command = [sys.executable, "-c", script]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, env=env) as run:
        worker = psutil.Process(int(run.stdout.readline()))
        time.sleep(1)
        run.kill()
    worker.wait(timeout=60)
    assert not worker.is_running()


# --- what is kept -----------------------------------------------------------------------------------------------------


@pytest.fixture
def one(tmp_path):
    """A class of one solved quiz."""
    submissions.write(submissions.solved("01_framing", ("quiz",)), tmp_path / "01_a.ipynb")
    return tmp_path


def room_of(folder: Path) -> classroom.Classroom:
    return classroom.classroom(folder, submissions.SOLUTIONS, None)


def marks_of(room: classroom.Classroom, limits: Limits, monkeypatch, marks: list[Mark], limited=False) -> tuple:
    """What grading the class gives, and how many were graded anew: those get `marks`."""
    anew = []

    def marking(submission, _):
        anew.append(submission.name)
        return Marks(submission.name, submission.assignment.name, marks, limited=limited)

    monkeypatch.setattr(classroom, "mark", marking)
    graded = classroom.grade(room, limits, 1, Console(file=io.StringIO()), keep=True)
    return graded, len(anew)


RIGHT, STOPPED = [Mark("quiz", 2, 2, "right")], [Mark("quiz", 0, 2, "stopped", "too long")]
UNJUDGED = [Mark("quiz", 0, 2, "unjudged", "no assets"), Mark("kappa", 3, 3, "right")]


def test_what_was_stopped_at_a_limit_is_graded_again_with_a_larger_one_only(one, monkeypatch):
    short, long = Limits(seconds=5, total=50), Limits(seconds=60, total=600)
    assert marks_of(room_of(one), short, monkeypatch, STOPPED, limited=True)[1] == 1
    assert marks_of(room_of(one), short, monkeypatch, RIGHT)[1] == 0
    assert marks_of(room_of(one), replace(short, seconds=4), monkeypatch, RIGHT)[1] == 0
    assert marks_of(room_of(one), replace(short, memory=10**11), monkeypatch, STOPPED, limited=True)[1] == 1
    graded, anew = marks_of(room_of(one), long, monkeypatch, RIGHT)
    assert (anew, graded[0].points) == (1, 2)
    graded, anew = marks_of(room_of(one), short, monkeypatch, STOPPED, limited=True)
    assert (anew, graded[0].points) == (0, 2), "what was right within more time is not taken back"


def test_what_is_unjudged_is_graded_again_and_told_until_then(one, monkeypatch):
    for _ in range(2):
        graded, anew = marks_of(room_of(one), Limits(), monkeypatch, UNJUDGED)
        assert anew == 1
    row = next(csv.DictReader(io.StringIO(summary.as_csv(graded))))
    assert (row["points"], row["unjudged"], row["quiz"], row["kappa"]) == ("3", "2", "unjudged", "3")
    page = summary.as_html(graded)
    assert "Not final:" in page and "3 of 5, 2 of them unjudged" in page
    shown = io.StringIO()
    Console(file=shown, width=100).print(summary.as_table(graded[0]))
    assert "3 of 5 points, 2 of them unjudged" in " ".join(shown.getvalue().split())
    assert "? of 2" in shown.getvalue() and "? of 2" in page
    assert summary.spread(graded)[0]["of"] == 1 and sum(bar["count"] for bar in summary.spread(graded)) == 0
    assert marks_of(room_of(one), Limits(), monkeypatch, RIGHT)[1] == 1
    assert marks_of(room_of(one), Limits(), monkeypatch, STOPPED)[1] == 0


@pytest.mark.parametrize("spoil", ["", "{}", "[]", "null", "[" * 100_000, '{"limits": 3}', "\xff"])
def test_a_spoilt_result_is_graded_again(one, monkeypatch, spoil):
    marks_of(room_of(one), Limits(), monkeypatch, RIGHT)
    (kept,) = (one / ".grades").glob("*.json")
    kept.write_text(spoil, encoding="latin-1")
    graded, anew = marks_of(room_of(one), Limits(), monkeypatch, RIGHT)
    assert (anew, graded[0].points) == (1, 2)


CHANGED = ["check/ex01.py", "check/core.py", "check/quizzes/01.toml", "check/rubrics/15.toml", "assets/catalog.toml"]
CHANGED += ["data/wiki_toxicity/labels.csv", "data/masked_words.txt", "evaluate/evidence/baselines.json"]
CHANGED += ["evaluate/evidence/studies/levels.json", "evaluate/evidence/benchmarks/export.json"]
CHANGED += ["models/shared/sentiment/adapter_model.safetensors", "models/shared/toxicity/card.json", "new.py"]


def test_any_change_of_the_course_grades_anew(one, monkeypatch, tmp_path_factory):
    """Of a check, a quiz's key, a rubric, a data set, a stored result, a trained model: all that a mark may rest on."""
    package = tmp_path_factory.mktemp("course") / "textclf_lesson"
    shutil.copytree(classroom.PACKAGE, package, ignore=shutil.ignore_patterns("__pycache__"))
    before = classroom._checks()
    monkeypatch.setattr(classroom, "PACKAGE", package)
    assert classroom._checks() == before
    for name in CHANGED:
        with (package / name).open("ab") as file:
            file.write(b"\n")
        after = classroom._checks()
        assert after != before, name
        before = after
    for other in ("check/__pycache__/core.pyc", "../README.md"):
        (package / other).parent.mkdir(exist_ok=True)
        (package / other).write_text("x")
        assert classroom._checks() == before, other


def test_a_corrected_quiz_key_grades_anew(one, monkeypatch, tmp_path_factory):
    package = tmp_path_factory.mktemp("course") / "textclf_lesson"
    shutil.copytree(classroom.PACKAGE / "check", package / "check", ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(classroom, "PACKAGE", package)
    assert marks_of(room_of(one), Limits(), monkeypatch, RIGHT)[1] == 1
    assert marks_of(room_of(one), Limits(), monkeypatch, RIGHT)[1] == 0
    key = package / "check" / "quizzes" / "01.toml"
    key.write_text(key.read_text(encoding="utf-8").replace("right = true\n", "", 1), encoding="utf-8")
    assert marks_of(room_of(one), Limits(), monkeypatch, RIGHT)[1] == 1


def test_the_digest_is_part_of_where_a_result_is_kept(one):
    room = room_of(one)
    places = {replace(room, checks=checks).kept_at(room.submissions[0]) for checks in (room.checks, b"", b"other")}
    assert len(places) == 3
    assert len(room.checks) == 32


def test_a_result_that_cannot_be_kept_is_not_lost(one, monkeypatch):
    (one / ".grades").write_text("a file in the place of the folder")
    room = room_of(one)
    graded, _ = marks_of(room, Limits(), monkeypatch, RIGHT)
    assert graded[0].points == 2
    assert len(room.unsaved) == 1


# --- before it begins -------------------------------------------------------------------------------------------------


def test_without_the_assignment_s_assets_grading_does_not_begin(one, tmp_path_factory, monkeypatch):
    empty = tmp_path_factory.mktemp("empty")
    monkeypatch.setenv("TEXTCLF_HOME", str(empty))
    with pytest.raises(GradingError) as refused:
        marks_of(room_of(one), Limits(), monkeypatch, RIGHT)
    assert str(refused.value).startswith(
        "Nothing was graded: 01_framing cannot be, without snippets, newsgroups-reuters"
    )
    assert "`textclf fetch snippets newsgroups-reuters`" in str(refused.value)
    assert str(empty) in str(refused.value)
    assert not (one / ".grades").exists()


def test_a_cache_that_is_hidden_from_submissions_is_told(one, monkeypatch):
    room = room_of(one)
    with pytest.raises(GradingError, match=r"is hidden from submissions\. Move it, and set TEXTCLF_HOME"):
        marks_of(replace(room, hidden=(cache.home().parent,)), Limits(), monkeypatch, RIGHT)


USES = {
    "snippets": r'(?:load|tables|_lengths)\("(movie-snippets|tweets|amazon-snippets|nyt-snippets)|film_classifier\(',
    "wiki-comments": r'(?:load|tables)\("wiki-',
    "newsgroups-reuters": r'(?:load|tables|_lengths)\("(newsgroups|reuters)|"reuters-r8": "svm"',
    "russian-senses": r'(?:load|tables)\("russian-senses',
    "chinese-reviews": r'(?:load|tables)\("chinese-reviews',
    "minilm": r'locate\("minilm|fetch\("minilm|checkpoints\.load\(',
    "wordnet": r"\bEDA\(\)",
    "smollm2": r"\b(LocalLLM|LocalServer)\(",
}


@pytest.mark.parametrize("stem", sorted(path.stem for path in submissions.SOLUTIONS.glob("*.ipynb")))
def test_the_assets_that_an_assignment_uses_are_those_it_is_refused_without(stem):
    from textclf_lesson import check

    modules = [f"ex{stem[:2]}"]
    for module in modules:  # and what it takes from others
        source = Path(check.__file__).with_name(f"{module}.py").read_text(encoding="utf-8")
        modules += re.findall(r"from textclf_lesson\.check\.(ex\d\d) import", source)
    sources = [Path(check.__file__).with_name(f"{module}.py").read_text(encoding="utf-8") for module in modules]
    notebook = nbformat.read(submissions.SOLUTIONS / f"{stem}.ipynb", as_version=4)
    sources += [
        c.source for c in notebook.cells if c.cell_type == "code" and "not-graded" not in c.metadata.get("tags", [])
    ]
    used = {name for name, pattern in USES.items() if re.search(pattern, "\n".join(sources))}
    assert used == set(needs.ASSETS[stem[:2]])
    assert needs.missing(stem) == []


@pytest.mark.parametrize("name", ["file.txt/all.json", "file.txt/x/all.html", "folder"])
def test_what_cannot_be_written_is_found_before_grading(one, name):
    (one / "file.txt").write_text("a file")
    (one / "folder").mkdir()
    run = grade(one, "--json", one / name)
    assert run.returncode == 1
    assert run.stdout.startswith(f"Nothing was graded: {one / name} cannot be written (")
    assert sorted(path.name for path in one.iterdir()) == [".grades", "01_a.ipynb", "file.txt", "folder"]


def test_a_class_s_folder_that_cannot_be_written_is_found_before_grading(one):
    (one / ".grades").write_text("a file in the place of the folder")
    run = grade(one)
    assert run.returncode == 1
    assert run.stdout.startswith(f"Nothing was graded: {one / '.grades'} cannot be written (")


def test_a_disk_that_fills_up_while_results_are_written_loses_nothing(tmp_path, monkeypatch):
    from textclf_lesson.grade import command

    out = tmp_path / "all.json"
    out.write_text("the last results")

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    assert command._write(out, "new").endswith(
        "could not be written (No space left on device): the results stand above."
    )
    assert out.read_text() == "the last results"
    assert list(tmp_path.iterdir()) == [out]
    assert "No space left" in command._write(Path("/dev/full"), "x" * 10_000)


def test_a_result_with_half_an_emoji_is_written(tmp_path):
    from textclf_lesson.grade import command

    assert command._write(tmp_path / "x.csv", "\ud83d") == ""
    assert (tmp_path / "x.csv").read_bytes() == b"?"


def test_two_graders_in_one_folder(one):
    (one / ".grades").mkdir()
    with FileLock(one / ".grades" / "lock"):
        run = grade(one)
    assert run.returncode == 1
    assert run.stdout.startswith(f"Another `textclf grade` is at work in {one}: wait until it has ended")
    assert sorted(path.name for path in one.iterdir()) == [".grades", "01_a.ipynb"]


# --- the command ------------------------------------------------------------------------------------------------------


def test_a_relative_home_a_plain_terminal_and_files_that_are_none(one):
    """As an instructor starts it, from a folder beside the cache: right marks, every file told, no letter refused."""
    (one / "notes.pdf").write_bytes(b"%PDF")
    settings = {"TEXTCLF_HOME": os.path.relpath(cache.home(), ROOT), "PYTHONIOENCODING": "latin-1"}
    run = grade(one, "--json", one / "all.json", env=os.environ | settings, encoding="latin-1")
    assert run.returncode == 0, run.stdout + run.stderr
    marks, other = json.loads((one / "all.json").read_text(encoding="utf-8"))
    assert {mark["item"]: mark["verdict"] for mark in marks["marks"]}["quiz"] == "right"
    assert other["note"] == "Not graded: a .pdf file, not the notebook: hand in the .ipynb."
    assert "1 submissions graded" in run.stdout and "notes.pdf: Not graded: a .pdf file" in run.stdout
    rows = list(csv.DictReader((one / "grades.csv").open(encoding="utf-8")))
    assert [(row["submission"], row["points"]) for row in rows] == [("01_a", "2"), ("notes.pdf", "")]
    assert "notes.pdf" in (one / "grades.html").read_text(encoding="utf-8")
    single = grade(one / "01_a.ipynb", env=os.environ | settings, encoding="latin-1")
    assert single.returncode == 0, single.stderr
    assert re.search(r"quiz +\| \+ ", single.stdout), single.stdout
