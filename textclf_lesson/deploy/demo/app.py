"""The page, and what it asks: an answer of one level, and variants of the sentence."""

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse
from pydantic import BaseModel, Field
from starlette.concurrency import run_in_threadpool

from textclf_lesson.base.errors import CourseError, brief
from textclf_lesson.deploy.demo import attacks
from textclf_lesson.deploy.demo.attacks import Rewritten
from textclf_lesson.deploy.demo.highlight import Span
from textclf_lesson.deploy.demo.levels import TASKS, Corpus, Level
from textclf_lesson.training.augment import EDA

PAGE = Path(__file__).with_name("page.html")
# The page loads nothing from elsewhere and talks to its own server only.
POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; img-src data:"
LONGEST = 2000  # characters of a sentence
TIMED = 3  # calls of which the middle one is the time told; the language model, which is slow, is called once
VARIANTS = 4
DIGITS = 4

Task = Literal["sentiment", "toxicity"]


class Sentence(BaseModel):
    """What is typed, and what is to be done with it before the models see it."""

    text: str = Field(min_length=1, max_length=LONGEST, pattern=r"\S")
    task: Task = "sentiment"
    attack: str = ""
    defend: bool = False
    unmask: bool = False
    label: str = ""


class Question(Sentence):
    level: str


class Room:
    """All levels behind the page. Its methods block, and are called one at a time, so that times are honest."""

    def __init__(self, levels: Sequence[Level], corpus: Corpus):
        self.levels = {level.id: level for level in levels}
        self.labels = {task: corpus.labels(task) for task in TASKS}
        self.padding = corpus.padding(attacks.PADDING_WORDS)
        self.eda = EDA(seed=0)
        self.eda.augment("A good film.")  # the first call loads WordNet, which takes seconds

    def about(self) -> dict[str, Any]:
        """What the page is to be made of."""
        levels = [
            {"id": level.id, "name": level.name, "how": level.how, "words_by": level.words_by}
            for level in self.levels.values()
        ]
        return {"levels": levels, "labels": self.labels, "attacks": attacks.NAMES, "longest": LONGEST}

    def answer(self, asked: Question) -> dict[str, Any]:
        """Probabilities of one level, with its milliseconds and words; under an attack, those before it too."""
        level, seen = self._level(asked.level), self.seen(asked)
        times = 1 if level.id == "prompted" else TIMED
        spent = []
        for _ in range(times):
            began = time.perf_counter()
            found = level.probabilities(asked.task, [seen.text])
            spent.append(1000 * (time.perf_counter() - began))
        is_changed = seen.text != asked.text
        before = level.probabilities(asked.task, [asked.text]) if is_changed else None
        words = [] if asked.attack == "padding" else level.words(asked.task, seen.text, self._column(asked))
        return {
            "scores": self._scores(asked.task, found)[0],
            "before": self._scores(asked.task, before)[0] if is_changed else None,
            "ms": round(float(np.median(spent)), 1),
            "parts": _parts(seen.text if asked.unmask else attacks.masked(seen), words),
        }

    def rewritten(self, asked: Sentence) -> dict[str, Any]:
        """The sentence after the attack, and the defence, as the page may show it."""
        seen = self.seen(asked)
        shown = seen.text if asked.unmask else attacks.masked(seen)
        if asked.attack == "padding":
            shown = f"{' '.join(shown.split()[:6])} … {shown[-len(asked.text) :]}"
        return {"shown": shown, "words": seen.words}

    def variants(self, asked: Sentence) -> dict[str, Any]:
        """Up to four texts of Easy Data Augmentation, each with the answers of all levels but the language model."""
        texts = self.eda.augment(asked.text, VARIANTS)
        shown = texts if asked.unmask else [attacks.masked(Rewritten(text, 0)) for text in texts]
        answers: list[dict] = [{} for _ in texts]
        for level in self.levels.values() if texts else ():
            if level.id != "prompted":
                scores = self._scores(asked.task, level.probabilities(asked.task, texts))
                for answer, score in zip(answers, scores, strict=True):
                    answer[level.id] = score
        rows = zip(texts, shown, answers, strict=True)
        return {"variants": [{"text": t, "shown": s, "answers": a} for t, s, a in rows]}

    def seen(self, asked: Sentence) -> Rewritten:
        """What the models are given. Raises ValueError for an attack or a label that there is not."""
        seen, column = Rewritten(asked.text, 0), self._column(asked)
        if asked.attack:
            spans = self.levels["counts"].words(asked.task, asked.text, column)
            if asked.task == "sentiment":  # the words of the answer that is given, whichever it is
                sign = np.sign(sum(span.score for span in spans)) or 1
                spans = [Span(start, end, sign * score) for start, end, score in spans]
            seen = attacks.rewrite(asked.attack, asked.text, spans, self.padding)
        return attacks.defend(seen) if asked.defend else seen

    def _level(self, name: str) -> Level:
        if name not in self.levels:
            raise ValueError(f"There is no level {name!r}. There are: {', '.join(self.levels)}.")
        return self.levels[name]

    def _column(self, asked: Sentence) -> int:
        names = self.labels[asked.task]
        wanted = asked.label or ("positive" if asked.task == "sentiment" else names[0])
        if wanted not in names:
            raise ValueError(f"There is no label {wanted!r}. There are: {', '.join(names)}.")
        return names.index(wanted)

    def _scores(self, task: str, table: np.ndarray) -> list[dict[str, float]]:
        return [dict(zip(self.labels[task], row, strict=True)) for row in table.round(DIGITS).tolist()]


def _parts(shown: str, spans: Sequence[Span]) -> list[tuple[str, float | None]]:
    """The text in parts: its words with their scores, and what stands between them with none."""
    parts, end = [], 0
    for span in spans:
        parts += [(shown[end : span.start], None), (shown[span.start : span.end], round(span.score, DIGITS))]
        end = span.end
    return [part for part in [*parts, (shown[end:], None)] if part[0]] if spans else []


def create_app(room: Room) -> FastAPI:
    """The application. Every refusal is a sentence, under "detail"."""
    app = FastAPI(title="textclf demo", docs_url=None, redoc_url=None, openapi_url=None)
    one_at_a_time = asyncio.Lock()
    page = PAGE.read_text(encoding="utf-8")

    async def ask(method: Any, asked: Sentence) -> Any:
        async with one_at_a_time:
            try:
                return await run_in_threadpool(method, asked)
            except (ValueError, TypeError, CourseError) as error:
                return JSONResponse({"detail": f"{brief(error)}."}, 422)

    @app.exception_handler(RequestValidationError)
    async def refuse(request: Request, error: RequestValidationError) -> JSONResponse:
        return JSONResponse({"detail": f"Type a sentence of 1 to {LONGEST:,} characters."}, 422)

    @app.get("/", response_class=HTMLResponse)
    async def index() -> HTMLResponse:
        return HTMLResponse(page, headers={"Content-Security-Policy": POLICY})

    @app.get("/about")
    async def about() -> dict[str, Any]:
        return room.about()

    @app.post("/answer")
    async def answer(asked: Question) -> Any:
        return await ask(room.answer, asked)

    @app.post("/rewritten")
    async def rewritten(asked: Sentence) -> Any:
        return await ask(room.rewritten, asked)

    @app.post("/variants")
    async def variants(asked: Sentence) -> Any:
        return await ask(room.variants, asked)

    return app
