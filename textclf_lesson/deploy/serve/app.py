"""The application: questions in, labels out, and what those who run it ask for."""

import asyncio
import logging
import os
import platform
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from textclf_lesson import __version__
from textclf_lesson.base.errors import OverloadError, Refusal
from textclf_lesson.deploy.onnx_classifier import LONG, MAX_WINDOWS
from textclf_lesson.deploy.serve import methods, wire
from textclf_lesson.deploy.serve.batching import QUEUE, Batcher
from textclf_lesson.deploy.serve.counters import forget_the_dead
from textclf_lesson.deploy.serve.model import Model
from textclf_lesson.deploy.serve.wire import Question

PATIENCE = 10  # seconds for a body to arrive
STOPPING = "The service is stopping."
PAGE = Path(__file__).with_name("page.html")
# The page loads nothing from elsewhere and talks to its own server only.
POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'"

logger = logging.getLogger("uvicorn.error")


def create_app(
    folder: str | os.PathLike,
    *,
    threads: int | None = None,
    queue: int = QUEUE,
    log: str | os.PathLike | None = None,
    long: str = "truncate",
    name: str | None = None,
) -> FastAPI:
    """The application over an exported folder, which is loaded here and now, and asked once.

    threads: how many forward passes at once (default: one for each core). queue: how many texts may wait; at least
    as many as a request may hold. log: a CSV file for time, label, confidence, version. long: what is done with a text
    longer than the model reads: "truncate" or "window" (`OnnxClassifier.logits`). name: of the model, in every answer;
    by default that of the folder.

    Raises ModelError for a folder that cannot be served, ValueError for a queue too short, another `long` or a blank
    name, OSError for a log that cannot be written.
    """
    if queue < wire.MAX_TEXTS:
        raise ValueError(f"A queue of {queue} is too short: a request may hold {wire.MAX_TEXTS} texts.")
    if long not in LONG:
        raise ValueError(f"long={long!r} is unknown: choose 'truncate' or 'window'.")
    if name is not None and not name.strip():
        raise ValueError("The name of the model is blank: leave it out, and it is that of the folder.")
    model = Model(folder, threads, log, long, name)
    example = model.results([wire.EXAMPLE])[0] | {"repaired": False}

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[dict]:
        forget_the_dead()
        async with Batcher(model.answer, queue, on_depth=model.counters.depth.set) as app.state.batcher:
            yield {"stopping": asyncio.Event()}

    # FastAPI's own pages of documentation load their scripts from elsewhere.
    app = FastAPI(title="Text classifier", version=__version__, lifespan=lifespan, docs_url=None, redoc_url=None)
    app.add_middleware(methods.HeadAsGet)
    app.add_exception_handler(HTTPException, methods.refuse)
    _add_classify(app, model, example)
    _add_operations(app, model)
    return app


def _add_classify(app: FastAPI, model: Model, example: dict) -> None:
    sentences = {408: "The body did not arrive in time", 413: "The body is too large", 422: "The request is wrong"}
    sentences |= {415: "The body is compressed, in another encoding than UTF-8, or not JSON", 500: "The model failed"}
    sentences[503] = "The queue is full: try again after `Retry-After` seconds; or the service is stopping"
    answers = {status: {"model": wire.Problem, "description": sentence} for status, sentence in sentences.items()}
    shown = {"a text": {"value": example | model.source}, "texts": {"value": {"results": [example]} | model.source}}
    result = wire.answers(wire.Labels if model.is_multi else wire.Label)
    answers[200] = {"model": result, "content": {"application/json": {"examples": shown}}}
    asked = {"required": True, "content": {"application/json": {"schema": Question.model_json_schema()}}}

    # The body is read and parsed here, not by FastAPI: it is to be limited while it arrives, and every refusal is to be
    # a sentence.
    @app.post("/classify", responses=answers, openapi_extra={"requestBody": asked})
    async def classify(request: Request) -> Response:
        """Classify one text, or several at once."""
        began = time.perf_counter()
        try:
            question = Question.read(await _body(request), request.headers.get("content-type", ""))
            results = await _ask(app.state.batcher, question.all_texts)
            pairs = zip(results, question.repaired, strict=True)
            results = [result | {"repaired": repaired} for result, repaired in pairs]
            response = JSONResponse((results[0] if question.texts is None else {"results": results}) | model.source)
        except Refusal as refusal:
            response = JSONResponse({"detail": refusal.sentence}, refusal.status, refusal.headers)
        except asyncio.CancelledError:  # by uvicorn: the service has to stop, and this would take too long
            response = JSONResponse({"detail": STOPPING}, 503, {"Connection": "close"})
        except Exception:
            logger.exception("A request could not be answered.")
            response = JSONResponse({"detail": "The model failed on this request. The service's output says why."}, 500)
        model.counters.request(response.status_code, time.perf_counter() - began)
        return response


async def _ask(batcher: Batcher, texts: list[str]) -> list[dict]:
    try:
        return await batcher.submit(texts)
    except OverloadError as overload:
        sentence = f"Too many texts wait already. Try again in {overload.wait} s."
        raise Refusal(503, sentence, {"Retry-After": str(overload.wait)}) from None


async def _body(request: Request) -> bytes:
    """What the request carries. Raises Refusal as soon as it is known to be too large, compressed or too slow."""
    coding = request.headers.get("content-encoding", "").strip().lower()
    if coding not in ("", "identity"):
        sentence = f"The body is compressed ({coding[:60]}): send it as it is."
        raise Refusal(415, sentence, {"Accept-Encoding": "identity"})
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
        """Counters for Prometheus: requests, predictions by label, confidence, truncated texts, latency, texts that
        wait."""
        return Response(model.counters.text(), media_type=CONTENT_TYPE_LATEST)

    described = {
        "name": model.source["model"],
        "version": model.source["version"],
        "sha256": model.classifier.sha256,
        "labels": model.labels,
        "problem_type": model.classifier.problem_type,
        "max_length": model.classifier.max_length,
        "long_texts": {"mode": model.long}
        | ({"windows": MAX_WINDOWS, "overlap": model.classifier.overlap} if model.long == "window" else {}),
        "thresholds": model.thresholds if model.is_multi else None,
        "counted_as_none": model.none if model.is_multi else None,
        "limits": {"bytes": wire.MAX_BODY, "characters": wire.MAX_CHARACTERS, "texts": wire.MAX_TEXTS},
        "versions": {"textclf_lesson": __version__, "python": platform.python_version()}
        | {name: version(name) for name in ("onnxruntime", "tokenizers")},
        "card": model.classifier.card,
    }

    @app.get("/model")
    async def about() -> dict[str, Any]:
        """What is served: name, version, hash, labels, thresholds, limits, and the model card as Markdown."""
        return described

    page = PAGE.read_text(encoding="utf-8")

    @app.get("/", response_class=HTMLResponse, include_in_schema=False)
    async def index() -> HTMLResponse:
        return HTMLResponse(page, headers={"Content-Security-Policy": POLICY})
