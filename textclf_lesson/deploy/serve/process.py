"""The service in a process of its own, for lessons and tests."""

import json
import os
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from textclf_lesson.base import child

TIMEOUT = 60  # seconds to start, and to stop


@contextmanager
def running(folder: str | os.PathLike, **options: Any) -> Iterator[str]:
    """Serve an exported folder on a free port of 127.0.0.1 while the block runs; yields the address, http://….

    options: `workers`, and those of `serve.app.create_app`: `threads`, `queue`, `log`, `long`, `name`. At the end the
    service is asked to stop, and answers what it has accepted. It also stops when this process ends.

    Raises RuntimeError, with the last lines of its output, if the service does not start.
    """
    command = [sys.executable, "-m", "textclf_lesson.deploy.serve"]
    command.append(json.dumps({"folder": os.fspath(folder), "port": 0} | options, default=os.fspath))
    with child.running(command, "Serving ", "The service", TIMEOUT, _wait_until_ready) as url:
        yield url


def _wait_until_ready(url: str) -> None:
    """The port is open before the service answers there: the first request waits for that."""
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # no proxy for this machine
    direct.open(f"{url}/readyz", timeout=TIMEOUT).close()
