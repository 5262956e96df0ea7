"""A submission's process: what gets across, and what the two fences keep in."""

import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.exercises import submissions
from textclf_lesson.base.errors import AnswerError, Stopped, WireError
from textclf_lesson.grade import sandbox, wire
from textclf_lesson.grade.sandbox import Limits, Sandbox
from textclf_lesson.grade.sitting import Remote, Sitting

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="grading needs a POSIX system")
SECRET = submissions.SOLUTIONS / "01_framing.ipynb"


@pytest.fixture(scope="module", params=["walls", "no walls"])
def room(request):
    """A process with the kernel's fence, and one with Python's alone, as on systems without namespaces."""
    if request.param == "walls" and not sandbox.has_namespaces():
        pytest.skip("this system grants no namespaces")
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "no walls":
            patch.setattr(sandbox, "has_namespaces", lambda: False)
        with Sitting(Sandbox(Limits(seconds=60), (submissions.SOLUTIONS,))) as held:
            held.start()
            held.name = request.param
            yield held


def value_of(room: Sitting, expression: str, setup: str = ""):
    room.run(f"{setup}\nanswer = {expression}")
    return room.get("answer")


def test_colabs_own_lines_are_left_out_and_the_rest_of_their_cell_runs(room):
    cell = "from google.colab import drive, files\nimport google.colab\ndrive.mount('/content/drive')\nfiles.upload()\n"
    assert room.run(cell + "answer = 42") == ["google.colab.drive.mount(…)", "google.colab.files.upload(…)"]
    assert room.get("answer") == 42


def test_kaggles_client_of_secrets_is_left_out_and_no_library_takes_this_for_kaggle(room):
    room.run("import importlib.util\nhosted = importlib.util.find_spec('kaggle' + '_secrets') is not None")
    assert room.get("hosted") is False
    cell = "from kaggle_secrets import UserSecretsClient\nkey = UserSecretsClient().get_secret('HF_TOKEN')\n"
    assert room.run(cell + "answer = 43") == ["kaggle_secrets.get_secret(…)"]
    assert (room.get("answer"), room.get("key")) == (43, None)


# --- what gets across -------------------------------------------------------------------------------------------------

VALUES = ["None", "True", "3", "2.5", "float('nan')", "'ä'", "[1, (2, 'x'), {3}]", "{'a': [1], 2: None}"]


@pytest.mark.parametrize("expression", VALUES)
def test_plain_values_come_back_as_they_are(room, expression):
    assert repr(value_of(room, expression)) == repr(eval(expression))


def test_arrays_and_tables_come_back(room):
    numbers = value_of(room, "np.arange(6.).reshape(2, 3)", "import numpy as np")
    assert numbers.tolist() == [[0, 1, 2], [3, 4, 5]]
    assert value_of(room, "np.array(['a', None], dtype=object)").tolist() == ["a", None]
    assert type(value_of(room, "np.float32(0.5)")) is float
    table = value_of(room, "pd.DataFrame({'x': [1, 2], 'y': ['a', 'b']}, index=[5, 7])", "import pandas as pd")
    pd.testing.assert_frame_equal(table, pd.DataFrame({"x": [1, 2], "y": ["a", "b"]}, index=[5, 7]), check_dtype=False)
    assert value_of(room, "pd.Series([1.5], index=['k'])")["k"] == 1.5


def test_functions_are_called_where_they_are(room):
    double = value_of(room, "double", "def double(x, times=2):\n    return x * times")
    assert isinstance(double, Remote)
    assert double(np.array([1, 2])).tolist() == [2, 4]
    assert double("a", times=3) == "aaa"
    with pytest.raises(AnswerError, match=r"unsupported operand|can't multiply") as raised:
        double([], {})
    assert raised.value.kind == "TypeError"


def test_objects_stay_there_and_can_be_asked_and_given_back(room):
    lines = [
        "class Model:",
        "    classes_ = [0, 1]",
        "    def predict(self, texts):",
        "        return [len(t) for t in texts]",
    ]
    model = value_of(room, "Model()", "\n".join(lines))
    assert model.remote_type == "Model"
    assert model.classes_ == [0, 1]
    assert model.predict(["ab"]) == [2]
    assert not hasattr(model, "predict_proba")
    ask = value_of(room, "ask", "def ask(model, text):\n    return isinstance(model, Model), model.predict([text])")
    assert ask(model, "abc") == (True, [3])


def test_a_function_of_the_grader_can_be_called_back(room):
    seen = []

    def predict(texts):
        seen.append(len(texts))
        return [0.5] * len(texts)

    slowly = value_of(room, "slowly", "def slowly(predict, texts):\n    return [predict([t])[0] for t in texts]")
    assert slowly(predict, ["a", "b"]) == [0.5, 0.5]
    assert seen == [1, 1]


def test_a_missing_name_is_told_apart(room):
    with pytest.raises(AnswerError) as raised:
        room.get("nothing_of_this_name")
    assert raised.value.kind == "Missing"


def test_the_process_knows_no_secrets_of_the_environment(room, monkeypatch):
    monkeypatch.setenv("SOME_TOKEN", "abc")
    with Sitting(Sandbox()) as other:
        other.start()
        assert "SOME_TOKEN" not in value_of(other, "dict(os.environ)", "import os")


EVIL = [b"", b"[1]", b"[]x", b"\xff", b'{"a": 1, "b": 2}', b'{"array": "AAAA"}', b'{"kept": "x", "type": 1}']
EVIL += [b'{"table": 3}', b'{"list": 5}', b'{"objects": [1], "shape": [9]}', b"[" * 100_000]


@pytest.mark.parametrize("body", EVIL, ids=range(len(EVIL)))
def test_what_cannot_be_read_is_refused(body):
    with pytest.raises(WireError):
        wire.load(body, Remote)


def test_pickles_are_not_read_from_a_submission():
    import base64
    import io
    import pickle

    file = io.BytesIO()
    np.save(file, np.array([print], dtype=object), allow_pickle=True)
    for evil in (file.getvalue(), pickle.dumps(print)):
        with pytest.raises(WireError):
            wire.load(json.dumps({"array": base64.b64encode(evil).decode()}).encode(), Remote)


# --- what is kept in --------------------------------------------------------------------------------------------------

BY_PYTHON = {
    "read": f"open({str(SECRET)!r}).read(1)",
    "list": f"__import__('os').listdir({str(SECRET.parent)!r})",
    "write": f"open({str(Path.home() / 'textclf-was-here')!r}, 'w')",
    "remove": f"__import__('os').remove({str(submissions.ROOT / 'README.md')!r})",
    "start": "__import__('subprocess').run(['true'])",
    "shell": "__import__('os').system('true')",
    "fork": "__import__('os').fork()",
    "kill": "__import__('os').kill(__import__('os').getppid(), 9)",
    "connect": "__import__('socket').create_connection(('192.0.2.1', 80), 2)",
}


@pytest.mark.parametrize("deed", BY_PYTHON)
def test_python_refuses_what_an_answer_must_not_do(room, deed):
    with pytest.raises(AnswerError) as raised:
        room.run(BY_PYTHON[deed])
    assert raised.value.kind in ("Refused", "OfflineError", "FileNotFoundError")
    assert (submissions.ROOT / "README.md").exists()
    assert not (Path.home() / "textclf-was-here").exists()


def test_the_scratch_folder_is_free_to_use(room):
    assert value_of(room, "open('notes.txt').read()", "open('notes.txt', 'w').write('hello')") == "hello"


MACHINE_CODE = f"""
import ctypes, os, socket
libc = ctypes.CDLL(None, use_errno=True)
read = libc.open({str(SECRET)!r}.encode(), os.O_RDONLY)
write = libc.open({str(submissions.ROOT / "README.md")!r}.encode(), os.O_WRONLY)
number = libc.socket(socket.AF_INET, socket.SOCK_DGRAM, 0)
address = (2).to_bytes(2, "little") + (53).to_bytes(2, "big") + bytes([192, 0, 2, 1]) + bytes(8)
send = libc.sendto(number, b"x", 1, 0, address, 16)
unmount = libc.umount2({str(SECRET.parent)!r}.encode(), 2)
processes = len([name for name in os.listdir("/proc") if name.isdigit()])
"""


def test_the_kernel_refuses_it_to_machine_code_too(room):
    if room.name != "walls":
        pytest.skip("without namespaces machine code is not held: docs/grading.md says so")
    room.run(MACHINE_CODE)
    assert [room.get(name) for name in ("read", "write", "send", "unmount")] == [-1, -1, -1, -1]
    assert room.get("processes") < 5, "it sees other processes than its own"


def test_a_stopped_process_can_be_started_again(room):
    with pytest.raises(Stopped, match="its Python ended"):
        room.run("import os; os._exit(1)")
    room.start()
    assert value_of(room, "1 + 1") == 2
