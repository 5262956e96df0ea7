"""The application: questions in, labels out, and what those who run it ask for."""

import asyncio
import logging
import os
import platform
import time
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from fastapi import FastAPI, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.requests import ClientDisconnect

from textclf_lesson import __version__
from textclf_lesson.course import cores
from textclf_lesson.onnx_classifier import DEFAULT_CUT, MULTI, OnnxClassifier
from textclf_lesson.serve import wire
from textclf_lesson.serve.batching import QUEUE, Batcher, OverloadError
from textclf_lesson.serve.counters import NONE, Counters, Log, forget_the_dead
from textclf_lesson.serve.wire import Question, Refusal

PASS = 4  # texts in a forward pass: on a CPU, more of them are no quicker, only padded to a longer one
PATIENCE = 10  # seconds for a body to arrive
DIGITS = 6  # of a score
STOPPING = "The service is stopping."
PAGE = Path(__file__).with_name("page.html")
# The page loads nothing from elsewhere and talks to its own server only.
POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'"

logger = logging.getLogger("uvicorn.error")


class Model:
    """The classifier, its predictions counted and, if wanted, logged. `answer` blocks: it is called in a thread."""

    def __init__(self, folder: str | os.PathLike, threads: int | None = None, log: str | os.PathLike | None = None):
        # Several small passes at once, a thread each, rather than one at a time on all threads: these would wait for
        # each other after every operator.
        self.classifier = OnnxClassifier(folder, threads=1)
        self.threads = ThreadPoolExecutor(threads or cores(), "inference")
        self.labels = [str(name) for name in self.classifier.classes_]
        self.is_multi = self.classifier.problem_type == MULTI
        self.cuts = self.classifier.thresholds or dict.fromkeys(self.labels, DEFAULT_CUT)
        self.counters = Counters([*self.labels, NONE] if self.is_multi else self.labels)
        self.log = Log(log) if log else None

    def answer(self, texts: list[str]) -> list[dict[str, Any]]:
        """A result for each text."""
        results = self.results(texts)
        said = [prediction for result in results for prediction in self._said(result)]
        self.counters.predicted(said)
        if self.log:
            try:
                self.log.write(said)
            except OSError as error:  # a full disk is no reason to stop answering
                logger.error("The log of predictions cannot be written: %s", error)
        return results

    def results(self, texts: list[str]) -> list[dict[str, Any]]:
        """The same, neither counted nor logged."""
        table = self._probabilities(texts).round(DIGITS).tolist()
        every = [dict(zip(self.labels, row, strict=True)) for row in table]
        if self.is_multi:
            return [{"labels": [n for n in s if s[n] >= self.cuts[n]], "scores": s} for s in every]
        return [{"label": (best := max(s, key=s.get)), "confidence": s[best], "scores": s} for s in every]

    def _probabilities(self, texts: list[str]) -> np.ndarray:
        """Shape (texts, labels). A pass pads its texts to the longest, so it is given texts of like length."""
        order = sorted(range(len(texts)), key=lambda row: len(texts[row]))
        groups = [order[at : at + PASS] for at in range(0, len(order), PASS)]
        own = [[texts[row] for row in rows] for rows in groups]
        table = np.empty((len(texts), len(self.labels)))
        table[order] = np.concatenate([*self.threads.map(self.classifier.predict_proba, own)])
        return table

    def _said(self, result: dict[str, Any]) -> list[tuple[str, float]]:
        """Labels and confidences to count. That a text has none of several labels is a prediction, too."""
        if not self.is_multi:
            return [(result["label"], result["confidence"])]
        scores = result["scores"]
        said = [(label, scores[label]) for label in result["labels"]]
        return said or [(NONE, round(1 - max(scores.values()), DIGITS))]


def create_app(
    folder: str | os.PathLike,
    *,
    threads: int | None = None,
    queue: int = QUEUE,
    log: str | os.PathLike | None = None,
) -> FastAPI:
    """The application over an exported folder, which is loaded here and now, and asked once.

    threads: how many forward passes at once (default: one for each core). queue: so many texts may wait; at least as
    many as a request may hold. log: a CSV file for time, label, confidence.

    Raises ModelError for a folder that cannot be served, ValueError for a queue too short, OSError for a log that
    cannot be written.
    """
    if queue < wire.MAX_TEXTS:
        raise ValueError(f"A queue of {queue} is too short: a request may hold {wire.MAX_TEXTS} texts.")
    model = Model(folder, threads, log)
    example = model.results([wire.EXAMPLE])[0]

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[dict]:
        forget_the_dead()
        async with Batcher(model.answer, queue, on_depth=model.counters.depth.set) as app.state.batcher:
            yield {"stopping": asyncio.Event()}

    # FastAPI's own pages of documentation load their scripts from elsewhere.
    app = FastAPI(title="Text classifier", version=__version__, lifespan=lifespan, docs_url=None, redoc_url=None)
    _add_classify(app, model, example)
    _add_operations(app, model)
    return app


def _add_classify(app: FastAPI, model: Model, example: dict) -> None:
    result = wire.Labels if model.is_multi else wire.Label
    sentences = {408: "The body did not arrive in time", 413: "The body is too large", 422: "The request is wrong"}
    sentences[503] = "The queue is full: try again after `Retry-After` seconds; or the service is stopping"
    answers = {status: {"model": wire.Problem, "description": sentence} for status, sentence in sentences.items()}
    shown = {"a text": {"value": example}, "texts": {"value": {"results": [example]}}}
    answers[200] = {"model": result | wire.answers(result), "content": {"application/json": {"examples": shown}}}
    asked = {"required": True, "content": {"application/json": {"schema": Question.model_json_schema()}}}

    # The body is read and parsed here, not by FastAPI: it is to be limited while it arrives, and every refusal is to be
    # a sentence.
    @app.post("/classify", responses=answers, openapi_extra={"requestBody": asked})
    async def classify(request: Request) -> Response:
        """Classify one text, or several at once."""
        began = time.perf_counter()
        try:
            question = Question.read(await _body(request))
            one = question.texts is None
            results = await _ask(app.state.batcher, [question.text] if one else question.texts)
            response = JSONResponse(results[0] if one else {"results": results})
        except Refusal as refusal:
            response = JSONResponse({"detail": refusal.sentence}, refusal.status, refusal.headers)
        except asyncio.CancelledError:  # by uvicorn: the service is told to stop, and this would take too long
            response = JSONResponse({"detail": STOPPING}, 503, {"Connection": "close"})
        model.counters.request(response.status_code, time.perf_counter() - began)
        return response


async def _ask(batcher: Batcher, texts: list[str]) -> list[dict]:
    try:
        return await batcher.submit(texts)
    except OverloadError as overload:
        sentence = f"Too many texts wait already. Try again in {overload.wait} s."
        raise Refusal(503, sentence, {"Retry-After": str(overload.wait)}) from None


async def _body(request: Request) -> bytes:
    """What the request carries. Raises Refusal if it is too large, told as soon as that is known, or too slow."""
    too_large = Refusal(413, f"The body is larger than {wire.MAX_BODY:,} bytes: send fewer or shorter texts.")
    length = request.headers.get("content-length", "")
    if length.isdecimal() and int(length) > wire.MAX_BODY:
        raise too_large
    body = bytearray()
    try:
        async with asyncio.timeout(PATIENCE):
            async for chunk in request.stream():
                body += chunk
                if len(body) > wire.MAX_BODY:
                    raise too_large
    except TimeoutError:
        raise Refusal(408, f"The body did not arrive within {PATIENCE} s.", {"Connection": "close"}) from None
    except ClientDisconnect:
        raise Refusal(408, "The sender left.") from None  # nobody reads it, but it is counted
    return bytes(body)


def _add_operations(app: FastAPI, model: Model) -> None:
    problem = {503: {"model": wire.Problem, "description": "Not now"}}

    @app.get("/healthz")
    async def healthz() -> dict[str, str]:
        """Whether the process lives: restart it if this fails."""
        return {"status": "ok"}

    @app.get("/readyz", responses=problem)
    async def readyz(request: Request) -> dict[str, str]:
        """Whether to send requests here: not while the queue is full, nor when the service is stopping."""
        if request.state.stopping.is_set():
            return JSONResponse({"detail": STOPPING}, 503)
        if app.state.batcher.depth >= app.state.batcher.queue:
            return JSONResponse({"detail": "The queue is full."}, 503)
        return {"status": "ready"}

    @app.get("/metrics", response_class=Response, responses={200: {"content": {CONTENT_TYPE_LATEST: {}}}})
    async def metrics() -> Response:
        """Counters for Prometheus: requests, predictions by label, confidence, latency, texts that wait."""
        return Response(model.counters.text(), media_type=CONTENT_TYPE_LATEST)

    described = {
        "labels": model.labels,
        "problem_type": model.classifier.problem_type,
        "max_length": model.classifier.max_length,
        "thresholds": model.cuts if model.is_multi else None,
        "limits": {"bytes": wire.MAX_BODY, "characters": wire.MAX_CHARACTERS, "texts": wire.MAX_TEXTS},
        "versions": {"textclf_lesson": __version__, "python": platform.python_version()}
        | {name: version(name) for name in ("onnxruntime", "tokenizers")},
        "card": model.classifier.card,
    }

    @app.get("/model")
    async def about() -> dict[str, Any]:
        """What is served: labels, thresholds, limits, versions, and the model card as Markdown."""
        return described

    page = PAGE.read_text(encoding="utf-8")

    @app.get("/", response_class=HTMLResponse, include_in_schema=False)
    async def index() -> HTMLResponse:
        return HTMLResponse(page, headers={"Content-Security-Policy": POLICY})
