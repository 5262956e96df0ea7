"""The service under load: the handler of the tutorials against `textclf serve`, in turns, each with fresh processes.

The textbook handler is what most tutorials show: `async def`, one forward pass a request, float32 torch, on the event
loop. Ours is `textclf serve` as it comes, over the same classifier exported and quantised. The client is the same: 32
connections, each with its next text as soon as the last is answered. Client and server share the machine.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain, cycle, repeat
from pathlib import Path

from benchmarks import common

CONNECTIONS, TURNS = 32, 3
ROUNDS = {"textbook": 1, "ours": 4}  # through the test split; the quicker one needs more for as long a measurement
WARM_UP = 200  # requests before
STOP_AFTER = 300  # answers, then the server is told to stop


def textbook_app(folder: str):
    """The tutorials' handler over a saved classifier of transformers."""
    import torch
    from fastapi import FastAPI
    from pydantic import BaseModel
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    app = FastAPI()

    class Question(BaseModel):
        text: str

    @app.post("/classify")
    async def classify(question: Question):
        inputs = tokenizer(question.text, truncation=True, return_tensors="pt")
        with torch.no_grad():
            scores = model(**inputs).logits.softmax(dim=1)[0]
        best = int(scores.argmax())
        return {"label": model.config.id2label[best], "confidence": float(scores[best])}

    return app


def textbook_server(folder: str) -> None:
    """Serve it, as `uvicorn app:app` does, but for the port, which is printed, and without a line for each request."""
    import socket

    import uvicorn

    listener = socket.create_server(("127.0.0.1", 0), backlog=2048)
    app = textbook_app(folder)
    print(f"Serving at http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
    uvicorn.Server(uvicorn.Config(app, log_level="error", access_log=False)).run([listener])


@contextmanager
def server(recipe: str, folders: Path) -> Iterator[tuple[str, subprocess.Popen]]:
    """The address and process of one of the two; ended by SIGTERM."""
    if recipe == "textbook":
        command = ["-m", "benchmarks.serving", "--child", "textbook-server", "--folders", str(folders)]
    else:
        entry = "from textclf_lesson.cli import app; app()"
        command = ["-c", entry, "serve", "--model", str(folders / "int8"), "--port", "0"]
    with subprocess.Popen([sys.executable, *command], stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process.stdout.readline().split()[-1], process
        finally:
            process.send_signal(signal.SIGTERM)


def measure(recipe: str, folders: Path) -> dict:
    """Requests a second, latency and accuracy over the test split; then what is lost when the server is stopped."""
    from textclf_lesson import data
    from textclf_lesson.deploy.serve.load import load

    texts, labels = data.columns(data.load("movie-snippets")["test"])
    rounds = ROUNDS[recipe]
    with server(recipe, folders) as (url, process):
        load(url, texts[:WARM_UP], CONNECTIONS)
        full = load(url, chain.from_iterable(repeat(texts, rounds)), CONNECTIONS)
        stop = lambda n: n == STOP_AFTER and process.send_signal(signal.SIGTERM)  # noqa: E731
        last = load(url, cycle(texts), CONNECTIONS, on_answer=stop)
    if set(full.statuses) != {200} or full.unanswered or full.refused:
        raise RuntimeError(f"Not all was answered: {full.statuses}, {full.unanswered} not, {full.refused} refused.")
    right = sum(body["label"] == labels[position % len(texts)] for position, _, body in full.answers)
    return {
        "rate": full.rate,
        "p50_ms": 1000 * full.latency(50),
        "p99_ms": 1000 * full.latency(99),
        "accuracy": right / len(full.answers),
        "lost": last.unanswered,
    }


def prepare(folders: Path) -> None:
    """The classifier of lesson 4 as both sides need it: saved by transformers, and exported in eight-bit numbers."""
    from textclf_lesson.deploy import export
    from textclf_lesson.models import checkpoints

    classifier = checkpoints.load("sentiment")
    os.symlink(classifier.folder_.absolute(), folders / "torch")
    export.quantize_int8(export.to_onnx(classifier, folders / "fp32"), folders / "int8")
    print("{}")


def main() -> None:
    """Measure in turns and store."""
    runs = {"textbook": [], "ours": []}
    with tempfile.TemporaryDirectory() as folders:
        common.measure("benchmarks.serving", "--child", "prepare", "--folders", folders)
        for turn in range(TURNS):
            for recipe, results in runs.items():
                results.append(common.measure("benchmarks.serving", "--child", recipe, "--folders", folders))
                print(f"turn {turn + 1} of {TURNS}, {recipe}: {results[-1]}", flush=True)
    values = {recipe: {key: [run[key] for run in results] for key in results[0]} for recipe, results in runs.items()}
    gain = common.ratio(values["ours"]["rate"], values["textbook"]["rate"])
    names = {"textbook": "textbook: async def, one float32 pass a request", "ours": "`textclf serve`, INT8"}
    table = [
        {
            "service": names[recipe],
            "requests/s": common.spread(own["rate"]),
            "times the textbook's": gain if recipe == "ours" else 1,
            "median latency, ms": common.spread(own["p50_ms"]),
            "p99 latency, ms": common.spread(own["p99_ms"]),
            "test accuracy": common.spread(own["accuracy"]),
            "lost when told to stop": max(own["lost"]),
        }
        for recipe, own in values.items()
    ]
    common.write(
        "serving",
        "A service under load",
        f"How many requests a second does the service answer over {CONNECTIONS} connections, and how long does one "
        "wait, against the handler that tutorials show?",
        table,
        notes=[
            "Requests hold one sentence of movie-snippets' test split each; ratios are of neighbours in time, "
            f"{TURNS} turns. Client and server share the cores. Lost: requests sent and never answered when the server "
            "got SIGTERM under the same load; the greatest of all turns.",
        ],
        packages=["fastapi", "uvicorn", "onnxruntime", "torch", "transformers"],
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--child", choices=["prepare", "textbook-server", "textbook", "ours"], help="one part only")
    parser.add_argument("--folders", type=Path, help="where the prepared models are")
    options = parser.parse_args()
    if options.child == "prepare":
        prepare(options.folders)
    elif options.child == "textbook-server":
        textbook_server(str(options.folders / "torch"))
    elif options.child:
        print(json.dumps(measure(options.child, options.folders)))
    else:
        main()
