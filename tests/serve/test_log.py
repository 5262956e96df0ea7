"""The log of predictions: rotated, emptied, taken over from an older service, on a full disk. No line is lost."""

import gzip
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import httpx2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from service_client import logged

from textclf_lesson.deploy import serve
from textclf_lesson.deploy.serve.counters import Log
from textclf_lesson.deploy.traffic import read_log

LABELS = ["positive", "(none)", 'say "no", then\nyes', "ça 🙂", "time", "label,confidence"]


class Older:
    """The log as services wrote it before the version: a header only when the file is new."""

    def __init__(self, path):
        self.file = open(path, "ab", buffering=0)  # noqa: SIM115
        if not os.fstat(self.file.fileno()).st_size:
            self.file.write(b"time,label,confidence\n")

    def write(self, predictions):
        quoted = [(label.replace('"', '""'), confidence) for label, confidence in predictions]
        lines = "".join(f'2026-01-01T00:00:00.000+00:00,"{label}",{confidence}\n' for label, confidence in quoted)
        self.file.write(lines.encode())

    def close(self):
        self.file.close()


STEPS = ["write", "copytruncate", "move", "second worker", "restart", "older service", "no header"]


@given(st.lists(st.sampled_from(STEPS), min_size=1, max_size=14))
@settings(max_examples=150, deadline=None, derandomize=True, database=None)
def test_rotated_and_taken_over_every_prediction_is_read_back(steps):
    """Each file is read by itself, and all after each other as one."""
    with tempfile.TemporaryDirectory() as folder:
        path, old, written = Path(folder) / "log.csv", [], []
        logs = [Log(path, "v1")]
        for number, step in enumerate(steps):
            if step == "copytruncate" and path.exists():
                old.append(shutil.copy(path, path.with_name(f"log.{number}.csv")))
                os.truncate(path, 0)
            elif step == "move" and path.exists():
                old.append(path.rename(path.with_name(f"log.{number}.csv")))
            elif step == "second worker":
                logs.append(Log(path, "v2"))
            elif step == "restart":
                logs.pop().close()
                logs.append(Log(path, "v3"))
            elif step == "older service" and path.exists():  # it would write on into a file that was moved away
                older = Older(path)
                older.write([("positive", number / 100)])
                older.close()
                written.append(("positive", number / 100, ""))
            elif step == "no header" and path.exists():  # as the older one left it after copytruncate
                old.append(path.rename(path.with_name(f"log.{number}.csv")))
                path.write_text(f"2026-01-01T00:00:00.000+00:00,positive,{number / 100}\n")
                written.append(("positive", number / 100, ""))
            log = logs[number % len(logs)]
            predictions = [(LABELS[(number + at) % len(LABELS)], (number + at) / 100) for at in range(3)]
            log.write(predictions)
            written += [(*prediction, log.version) for prediction in predictions]
        for log in logs:
            log.close()
        files = [*old, path]
        apart = [row for file in files for row in rows(file)]
        whole = Path(folder) / "whole.csv"
        whole.write_bytes(b"".join(Path(file).read_bytes() for file in files))
        assert sorted(apart) == sorted(rows(whole)) == sorted(written)


def rows(path):
    log = read_log(path)
    return [*log[["label", "confidence", "version"]].itertuples(index=False, name=None)]


@pytest.mark.parametrize("way", ["copytruncate", "move", "move and create"])
@pytest.mark.parametrize("workers", [1, 2])
def test_the_service_writes_on_when_its_log_is_rotated(sentiment, tmp_path, way, workers):
    log, old = tmp_path / "log.csv", tmp_path / "log.csv.1"
    with serve.running(sentiment, log=log, workers=workers) as url:
        ask(url, 5)
        if way == "copytruncate":
            shutil.copy(log, old)
            os.truncate(log, 0)
        else:
            log.rename(old)
        if way == "move and create":
            log.touch()
        assert not log.exists() or read_log(log).empty
        version = ask(url, 7)
    assert len(read_log(old)) == 5 and len(read_log(log)) == 7
    assert set(read_log(log)["version"]) == {version}
    assert log.read_text().startswith("time,label,confidence,version\n")
    packed = tmp_path / "log.csv.2.gz"
    packed.write_bytes(gzip.compress(old.read_bytes()))
    assert rows(packed) == rows(old)


def ask(url, times):
    for _ in range(times):
        with httpx2.Client(base_url=url, trust_env=False, timeout=60) as client:  # either worker may get it
            answer = client.post("/classify", json={"text": "A film."}).json()
    return answer["version"]


def test_a_log_of_an_older_service_goes_on_with_the_version(sentiment, tmp_path):
    path = tmp_path / "log.csv"
    older = Older(path)
    older.write([("positive", 0.75)])
    older.close()
    with serve.running(sentiment, log=path) as url:
        version = ask(url, 2)
    assert read_log(path)["version"].tolist() == ["", version, version]


def test_a_line_that_a_crash_cut_does_not_swallow_the_next(tmp_path):
    path = tmp_path / "log.csv"
    log = Log(path, "v1")
    log.write([("positive", 0.5)])
    log.close()
    with open(path, "ab") as file:
        file.write(b"2026-01-01T00:00:00.000+00:00,posi")
    log = Log(path, "v1")
    log.write([("negative", 0.6)])
    log.close()
    assert [row["label"] for row in logged(path)] == ["positive", "posi", "negative"]
    with pytest.raises(ValueError, match=r"row 1 cannot be read.*'posi'.*line 3 of the file"):
        read_log(path)


FULL = """
import resource, sys
from textclf_lesson.deploy.serve.counters import Log
from textclf_lesson.deploy.serve import counters
counters.KEPT = int(sys.argv[3])
log, lines = Log(sys.argv[1], "v1"), 0
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), resource.RLIM_INFINITY))  # the disk is full from here
for number in range(40):
    try:
        log.write([("positive", number / 100)])
    except OSError as error:
        lines += 1
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))  # and here it is not
for number in range(40, 45):
    try:
        log.write([("positive", number / 100)])
    except OSError as error:
        print(error)
print(lines)
"""


@pytest.mark.parametrize("size", [31, 60, 500, 777, 1000])
def test_what_a_full_disk_could_not_take_is_written_when_there_is_room(tmp_path, size):
    path = tmp_path / "log.csv"
    command = [sys.executable, "-c", FULL, path, str(size), "1000000"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert int(done.stdout) > 0
    assert read_log(path)["confidence"].tolist() == [number / 100 for number in range(45)]


def test_what_is_too_much_to_keep_is_told(tmp_path):
    path = tmp_path / "log.csv"
    command = [sys.executable, "-c", FULL, path, "100", "500"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    missing = 45 - len(read_log(path))
    assert missing > 0 and f"can be written again, but {missing} predictions are missing from it" in done.stdout


@pytest.mark.parametrize("target", ["/dev/null", "pipe"])
def test_a_log_need_not_be_a_file(tmp_path, target):
    if target == "pipe":
        read, write = os.pipe()
        target = f"/dev/fd/{write}"
    log = Log(target, "v1")
    for _ in range(2):
        log.write([("positive", 0.5)])
    log.close()
    if target != "/dev/null":
        os.close(write)
        with os.fdopen(read) as lines:
            assert [line.count(",") for line in lines] == [3, 3, 3]
