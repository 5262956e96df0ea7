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

from textclf_lesson.assets import cache
from textclf_lesson.llm.local import GGUF

CONTEXT = 4096  # tokens for each of the slots
SLOTS = 2
TIMEOUT = 120  # seconds to load the model


@contextmanager
def local_server() -> Iterator[str]:
    """Starts the server on a free port of 127.0.0.1 and yields its base_url; it answers from the first line on.

    Raises RuntimeError if it does not start, with its last words; AssetError if the weights cannot be fetched.
    """
    command = [sys.executable, "-m", "textclf_lesson.llm.server", str(cache.fetch("smollm2") / GGUF)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    with subprocess.Popen(command, text=True, **pipes) as child:
        too_late = threading.Timer(TIMEOUT, child.kill)
        too_late.start()
        said = []
        try:
            while not (line := child.stdout.readline()).startswith("ready "):
                if not line:
                    raise RuntimeError("The local server did not start: " + " ".join("".join(said[-5:]).split()))
                said.append(line)
            too_late.cancel()
            yield line.split()[1] + "/v1"
        finally:
            too_late.cancel()
            child.stdin.close()
            try:
                child.wait(10)
            except subprocess.TimeoutExpired:
                child.kill()


def _serve(weights: str) -> None:
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = weights
    params.model_alias = {"smollm2"}
    params.hostnames, params.port = ["127.0.0.1"], 0
    params.n_ctx, params.n_parallel = CONTEXT * SLOTS, SLOTS
    # Its threads spin while they wait for each other: where others compute too, two are many times slower than one.
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
    params.verbosity = -1
    server = xllamacpp.Server(params)  # returns when the model is loaded
    print("ready", server.listening_address, flush=True)
    os.dup2(
        os.open(os.devnull, os.O_WRONLY), 1
    )  # from here on nobody reads what it says, and a full pipe would halt it
    os.dup2(1, 2)
    sys.stdin.read()


if __name__ == "__main__":
    _serve(sys.argv[1])
