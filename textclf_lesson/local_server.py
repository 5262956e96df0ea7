"""A real OpenAI-compatible endpoint on this machine: llama.cpp's server over the course's own small model.

It runs in a child process, which ends when this one does, however that happens: the child reads from a pipe of which
this process holds the other end, and stops when the pipe closes.
"""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from queue import Empty, Queue

from textclf_lesson import assets
from textclf_lesson.local_llm import GGUF

KEY = "LOCAL_SERVER_KEY"  # in the child's environment: a command line can be read by every user of the machine
CONTEXT = 4096  # tokens for each of the slots
SLOTS = 2


@contextmanager
def local_server(key: str | None = None, timeout: float = 120) -> Iterator[str]:
    """Starts the server on a free port of 127.0.0.1 and yields its base_url; it answers from the first line on.

    `key`: what clients must send as their key; None: any. `timeout`: seconds to wait for it to be ready.
    Raises RuntimeError if it does not start, with its last words; AssetError if the weights cannot be fetched.
    """
    weights = assets.fetch("smollm2") / GGUF
    environment = os.environ | ({KEY: key} if key else {})
    command = [sys.executable, "-m", "textclf_lesson.local_server", str(weights)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    with subprocess.Popen(command, env=environment, text=True, **pipes) as child:
        try:
            yield _address(child, timeout) + "/v1"
        finally:
            child.stdin.close()
            try:
                child.wait(10)
            except subprocess.TimeoutExpired:
                child.kill()


def _address(child: subprocess.Popen, timeout: float) -> str:
    """The address that the child prints when it is ready. A thread goes on reading, or a full pipe would halt it."""
    lines: Queue[str] = Queue()

    def read() -> None:
        for line in child.stdout:
            lines.put(line)
        lines.put("")

    threading.Thread(target=read, daemon=True).start()
    said = []
    try:
        while line := lines.get(timeout=timeout):
            if line.startswith("ready http://127.0.0.1:"):
                return line.split()[1]
            said.append(line)
    except Empty:
        said.append(f"(not ready after {timeout:g} s)")
    raise RuntimeError("The local server did not start: " + " ".join("".join(said[-5:]).split()))


def _serve(weights: str) -> None:
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = weights
    params.model_alias = {"smollm2"}
    params.hostnames, params.port = ["127.0.0.1"], 0
    params.n_ctx, params.n_parallel = CONTEXT * SLOTS, SLOTS
    # Its threads spin while they wait for each other: where others compute too, two are many times slower than one.
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
    if KEY in os.environ:
        params.api_keys = [os.environ.pop(KEY)]
    params.verbosity = -1
    server = xllamacpp.Server(params)  # returns when the model is loaded
    print("ready", server.listening_address, flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    _serve(sys.argv[1])
