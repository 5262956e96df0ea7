"""A server in a process of its own, which ends when this one does, however that happens.

The child reads from a pipe of which this process holds the other end, and stops when the pipe closes.
"""

import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

LAST = 5  # lines of output that an error quotes


@contextmanager
def running(
    command: Sequence[str], sign: str, name: str, timeout: float, ready: Callable[[str], Any] = lambda address: None
) -> Iterator[str]:
    """Start `command`, and yield the address that it prints: the last word of the first line that begins with `sign`.

    At the end of the block the child's standard input is closed, at which it has to stop. timeout: seconds that it may
    take to start, and to stop; then it is killed. name: what messages call it. ready: called with the address; returns
    when the server answers there, and raises OSError if it does not.

    Raises RuntimeError, with the child's last lines, if it does not start.
    """
    with tempfile.TemporaryFile("w+", errors="replace") as errors:
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": errors}
        with subprocess.Popen(command, text=True, errors="replace", **pipes) as child:
            limit = threading.Timer(timeout, child.kill)
            limit.start()
            lines: list[str] = []
            try:
                while not (line := child.stdout.readline()).startswith(sign):
                    if not line:
                        raise OSError("it has ended")
                    lines.append(line)
                ready(address := line.split()[-1])
            except OSError as error:
                errors.seek(0)
                last = [*lines, *errors][-LAST:] or [str(error)]
                raise RuntimeError(f"{name} did not start: {' '.join(' '.join(last).split())}") from None
            else:
                limit.cancel()
                yield address
            finally:
                limit.cancel()
                child.stdin.close()
                try:
                    child.wait(timeout)
                except subprocess.TimeoutExpired:
                    child.kill()
