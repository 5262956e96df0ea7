"""What the tests of the service share: asking it, counting, changing an exported folder, starting the command."""

import csv
import json
import subprocess
import sys
from contextlib import contextmanager


def sentence(response, status):
    """The detail of an answer that must have this status and be a sentence."""
    assert response.status_code == status, response.text
    detail = response.json()["detail"]
    assert detail[0].isalpha() and detail[-1] in ".", detail
    return detail


def counts(client):
    """The samples of /metrics by name and labels."""
    lines = [line.rpartition(" ") for line in client.get("/metrics").text.splitlines() if line[0] != "#"]
    return {name: float(value) for name, _, value in lines}


def gains(client, before):
    """By how much each of them has grown since."""
    return {name: value - before.get(name, 0) for name, value in counts(client).items()}


def copy(folder, to, **changes):
    """The exported folder again, with changes to its config.json."""
    to.mkdir()
    for path in folder.iterdir():
        (to / path.name).symlink_to(path)
    if changes:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        (to / "config.json").unlink()
        (to / "config.json").write_text(json.dumps(config | changes), encoding="utf-8")
    return to


def renamed(folder, to, names):
    """The exported folder again, its labels under other names."""
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    note = config["textclf_lesson"] | {"classes": names}
    return copy(folder, to, textclf_lesson=note, id2label={str(at): str(name) for at, name in enumerate(names)})


def logged(path):
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@contextmanager
def textclf_serve(*arguments, settings="pass"):
    """The command in a process of its own. settings: what it sets first, for limits too long to wait for."""
    code = f"from textclf_lesson import cli; from textclf_lesson.deploy.serve import app, server; {settings}; cli.app()"
    command = [sys.executable, "-c", code, "serve", "--port", "0", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as child:
        try:
            yield child
        finally:
            child.kill()  # if it is still there, the test has failed


def failure(*arguments):
    """What `textclf serve` says when it does not start: one sentence or two, no traceback."""
    with textclf_serve(*arguments) as child:
        output, errors = child.communicate(timeout=60)
    assert (child.returncode, output) == (1, "") and "Traceback" not in errors
    return errors
