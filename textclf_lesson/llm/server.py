"""A real OpenAI-compatible endpoint on this machine: llama.cpp's server over the course's own small model.

It runs in a child process, which ends when this one does.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from textclf_lesson.assets import cache
from textclf_lesson.base import child
from textclf_lesson.base.extras import needed
from textclf_lesson.llm.local import GGUF

CONTEXT = 4096  # tokens for each of the slots
SLOTS = 2
TIMEOUT = 120  # seconds to load the model


@contextmanager
def local_server() -> Iterator[str]:
    """Starts the server on a free port of 127.0.0.1 and yields its base_url; it answers from the first line on.

    Raises RuntimeError, with the last lines of its output, if it does not start; AssetError if the weights cannot be
    fetched.
    """
    command = [sys.executable, "-m", "textclf_lesson.llm.server", str(cache.fetch("smollm2") / GGUF)]
    with child.running(command, "ready ", "The local server", TIMEOUT) as address:
        yield address + "/v1"


def _serve(weights: str) -> None:
    with needed("llm"):
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
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # from here on nobody reads its output, and a full pipe would halt it
    os.dup2(1, 2)
    sys.stdin.read()


if __name__ == "__main__":
    _serve(sys.argv[1])
