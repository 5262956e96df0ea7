"""The service in a process of its own, for lessons and tests."""

import json
import os
import subprocess
import sys
import tempfile
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

TIMEOUT = 60  # seconds to start, and to stop


@contextmanager
def running(folder: str | os.PathLike, **options: Any) -> Iterator[str]:
    """Serve an exported folder on a free port of 127.0.0.1 while the block runs; yields the address, http://….

    options: `workers`, and those of `serve.app.create_app`: `threads`, `queue`, `log`. At the end the service is told
    to stop, and answers what it has accepted. It also stops when this process ends, however that happens.

    Raises RuntimeError if the service does not start, with its last words.
    """
    command = [sys.executable, "-m", "textclf_lesson.deploy.serve"]
    command.append(json.dumps({"folder": os.fspath(folder), "port": 0} | options, default=os.fspath))
    with tempfile.TemporaryFile("w+") as errors:
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": errors}
        with subprocess.Popen(command, text=True, **pipes) as child:
            limit = threading.Timer(TIMEOUT, child.kill)
            limit.start()
            try:
                url = child.stdout.readline().strip().rpartition(" ")[2]
                _wait_until_ready(url, errors)
                limit.cancel()
                yield url
            finally:
                limit.cancel()
                child.stdin.close()  # it reads from there, and stops at the end
                try:
                    child.wait(TIMEOUT)
                except subprocess.TimeoutExpired:
                    child.kill()


def _wait_until_ready(url: str, errors: Any) -> None:
    """The port is open before somebody answers there: the first request waits for that."""
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # no proxy for this machine
    try:
        direct.open(f"{url}/readyz", timeout=TIMEOUT).close()
    except (OSError, ValueError) as error:
        errors.seek(0)
        said = " ".join(errors.read().splitlines()[-5:]) or str(error)
        raise RuntimeError(f"The service did not start: {said}") from None
