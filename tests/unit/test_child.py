"""A server in a process of its own: its address, what is quoted when it does not start, and that it ends."""

import sys
import time

import psutil
import pytest

from textclf_lesson.base import child
from textclf_lesson.base.hints import did_you_mean

SERVER = "import os, sys; print('loading'); print('ready', os.getpid(), flush=True); sys.stdin.read()"
FAILS = "import sys; print('loading', flush=True); sys.exit('no such file: a.gguf')"
DEAF = "import os, time; print('ready', os.getpid(), flush=True); time.sleep(600)"


def started(code, **options):
    return child.running([sys.executable, "-c", code], "ready ", "The server", timeout=60, **options)


def test_the_address_is_the_last_word_of_its_line_and_the_end_of_the_block_ends_it():
    with started(SERVER) as address:
        process = psutil.Process(int(address))
        assert process.is_running()
    assert not process.is_running()


def test_one_that_ends_is_quoted():
    with pytest.raises(RuntimeError) as error, started(FAILS):
        pass
    assert str(error.value) == "The server did not start: loading no such file: a.gguf"


def test_one_that_nobody_reaches_is_ended():
    seen = []

    def ready(address):
        seen.append(psutil.Process(int(address)))
        raise OSError("connection refused")

    with pytest.raises(RuntimeError, match="The server did not start"), started(SERVER, ready=ready):
        pass
    assert not seen[0].is_running()


def test_one_that_does_not_stop_is_killed():
    command = [sys.executable, "-c", DEAF]
    with child.running(command, "ready ", "The server", timeout=20) as address:
        process = psutil.Process(int(address))
    deadline = time.monotonic() + 60
    while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_what_the_block_raises_reaches_the_caller():
    with pytest.raises(KeyError, match="mine"), started(SERVER) as address:
        process = psutil.Process(int(address))
        raise KeyError("mine")
    assert not process.is_running()


@pytest.mark.parametrize(
    ("name", "known", "options", "hint"),
    [
        ("grian", ["grain", "earn"], {}, " Did you mean 'grain'?"),
        ("TEXT", ["Text", "label"], {}, " Did you mean 'Text'?"),
        ("filns", ["films", "film"], {"n": 2}, " Did you mean 'films' or 'film'?"),
        (11, [1, 120], {}, " Did you mean '1'?"),
        ("xyz", ["grain"], {}, ""),
        ("grain", [], {}, ""),
    ],
)
def test_a_misspelt_name_finds_what_it_may_have_meant(name, known, options, hint):
    assert did_you_mean(name, known, **options) == hint
