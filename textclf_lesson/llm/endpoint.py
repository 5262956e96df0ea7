"""Talking to an OpenAI-compatible endpoint: deadline, retries, budget, cache, and structured output if it has that."""

import asyncio
import json
import os
import random
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import httpx2

from textclf_lesson.base.errors import BadAnswerError, NoAnswerError, RowError, StopError
from textclf_lesson.base.extras import needed
from textclf_lesson.llm.budget import Answers, Budget, Tokens

with needed("llm"):
    import openai


NO_KEY = "none"  # local servers want no key, the library wants one
PATIENCE = 3  # after this many texts in a row without an answer, the rest is not tried
LONGEST_WAIT = 120  # seconds; a server that asks for more is not waited for
SPARE_TOKENS = 64  # what a chat template may add to a prompt: marks, a system prompt of its own


class Endpoint:
    """One model behind one address. Used inside `async with`, from one event loop.

    A timeout (of the whole attempt), a broken connection, 408, 409, 429 and 5xx are tried again up to `retries` times,
    after the pause that the server asks for, else half a second, doubled each time up to eight, less a random quarter.
    """

    def __init__(
        self, base_url: str, model: str, key_variable: str, timeout: float, retries: int, concurrency: int,
        body: dict[str, Any], budget: Budget, answers: Answers,
    ) -> None:  # fmt: skip
        self.base_url, self.model, self.key_variable = _checked(base_url, key_variable), model, key_variable
        self.retries, self.timeout, self.body = retries, timeout, body
        self.budget, self.usage, self.answers = budget, budget.usage, answers
        self._key = _key(key_variable)
        self._places = asyncio.Semaphore(concurrency)
        self._failures = 0  # texts in a row without an answer
        self._stop = ""  # why no further text is asked
        self._takes_schema: bool | None = None

    async def __aenter__(self) -> "Endpoint":
        local = urlsplit(self.base_url).hostname in ("127.0.0.1", "localhost", "::1")
        http = openai.DefaultAsyncHttpxClient(trust_env=not local)  # no proxy for this machine
        # The library's own timeout starts anew with every byte that comes, its retries know no budget: both are ours.
        self._client = openai.AsyncOpenAI(
            base_url=self.base_url, api_key=self._key, timeout=None, max_retries=0, http_client=http
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.close()
        self.answers.close()

    async def ask(
        self, turns: Callable[[bool], list[dict]], schema: dict, good: Callable[[str], bool], reminder: str
    ) -> str:
        """The first answer that is `good`.

        `turns(as_json)` makes the messages. A bad answer is asked for again, once, with `reminder` below the question.
        Raises RowError with the reason, StopError if other texts need not be tried.
        """
        question = [self.base_url, self.model, turns(True), self.body, schema]
        kept = self.answers.get(question)
        if kept is not None and good(kept):
            self.usage.from_cache += 1
            return kept
        async with self._places:
            if self._stop:
                raise RowError(f"not asked, since {self._stop}")
            try:
                answer = await self._good_answer(turns, schema, good, reminder)
            except (NoAnswerError, StopError) as error:
                self._failures += 1
                if isinstance(error, StopError) or self._failures >= PATIENCE:
                    self._stop = self._stop or str(error)
                raise
        self._failures = 0
        self.answers.put(question, answer)
        return answer

    async def _good_answer(self, turns: Callable, schema: dict, good: Callable[[str], bool], reminder: str) -> str:
        for again in ("", f"\n\n{reminder}"):
            try:
                answer = await self._in_some_form(turns, again, schema)
                if good(answer):
                    return answer
                problem = f"the answer is not one of the labels: {self._shown(answer)}"
            except BadAnswerError as error:
                problem = str(error)
        raise BadAnswerError(f"{problem} (asked twice)")

    async def _in_some_form(self, turns: Callable, again: str, schema: dict) -> str:
        """With the schema, and without if the server refuses that; which of the two passed is kept for later texts."""
        form = {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema, "strict": True}}
        for with_schema in (True, False) if self._takes_schema is None else (self._takes_schema,):
            messages = turns(with_schema)
            messages[-1]["content"] += again
            try:
                answer = await self._with_retries(messages, {"response_format": form} if with_schema else {})
            except (openai.BadRequestError, openai.UnprocessableEntityError) as error:
                refusal = f"the server refused the request ({error.status_code}): {self._shown(error)}"
                continue
            self._takes_schema = with_schema
            return answer
        raise RowError(refusal)

    async def _with_retries(self, messages: list[dict], form: dict) -> str:
        for attempt in range(self.retries + 1):
            try:
                return await self._attempt(messages, self.body | form)
            except NoAnswerError as error:
                wait = error.wait or min(8, 0.5 * 2**attempt) * random.uniform(0.75, 1)
                if attempt == self.retries or wait > LONGEST_WAIT:
                    raise NoAnswerError(f"{error}; attempts: {attempt + 1}") from None
            await asyncio.sleep(wait)
        raise AssertionError("not reached")

    async def _attempt(self, messages: list[dict], body: dict) -> str:
        size = len(json.dumps({"model": self.model, "messages": messages} | body))  # a token has one byte or more
        bound = (size + SPARE_TOKENS, body.get("max_tokens") or body.get("max_completion_tokens") or 0)
        await self.budget.reserve(bound)
        self.usage.requests += 1
        used = bound  # unless we learn better: a server may charge for an answer that was lost on the way
        try:
            async with asyncio.timeout(self.timeout):
                answer = await self._client.chat.completions.create(
                    model=self.model, messages=messages, extra_body=body
                )
            used = _used(answer, bound)
            return _content(answer)
        except TimeoutError:
            raise NoAnswerError(f"no answer within {self.timeout:g} s") from None
        except openai.APIConnectionError as error:
            used = (0, 0) if isinstance(error.__cause__, httpx2.ConnectError) else bound
            reason = f"no connection to {self.base_url}: {self._shown(repr(error.__cause__))}"
            raise NoAnswerError(reason) from None  # the library's error holds the request, and so the key
        except openai.APIStatusError as error:
            used = (0, 0)
            raise self._explained(error) from None
        except (ValueError, openai.OpenAIError) as error:
            raise BadAnswerError(f"the answer cannot be read: {self._shown(error)}") from None
        finally:
            self.budget.settle(bound, used)

    def _explained(self, error: openai.APIStatusError) -> Exception:
        status, message = error.status_code, self._shown(error)
        if status in (400, 422):
            return error
        if status in (401, 403):
            return StopError(
                f"the server refused the key ({status}): set the environment variable {self.key_variable} to a valid "
                f"one. Its message: {message}"
            )
        if status in (408, 409, 429) or status >= 500:
            return NoAnswerError(f"the server answered {status}: {message}", error.response.headers.get("retry-after"))
        return StopError(f"there is no model {self.model!r} at {self.base_url} ({status}). Its message: {message}")

    def _shown(self, text: object) -> str:
        """Part of an answer for a message: on one line, short, the key taken out should the server echo it."""
        line = re.sub(r"^Error code: \d+ - ", "", " ".join(str(text).split()))
        line = line if self._key == NO_KEY else line.replace(self._key, "[key]")
        return line if len(line) <= 200 else line[:200] + " …"


def _checked(base_url: str, key_variable: str) -> str:
    try:
        address = urlsplit(base_url)
        if address.scheme in ("http", "https") and address.hostname and address.port != 0 and "@" not in address.netloc:
            return base_url
    except ValueError:  # not a port
        pass
    raise ValueError(
        "base_url must look like https://host/v1, without a name or key in it; a key belongs into the environment "
        f"variable {key_variable}."
    )


def _key(variable: str) -> str:
    """The key, without the line end that a key read from a file often has. Never quoted in a message."""
    key = os.environ.get(variable, "").strip()
    if not (key.isascii() and key.isprintable()) or " " in key:
        raise ValueError(f"The environment variable {variable} does not hold a key: copy it again, and nothing else.")
    return key or NO_KEY


def _used(answer: Any, bound: Tokens) -> Tokens:
    usage = getattr(answer, "usage", None)
    counts = (getattr(usage, "prompt_tokens", None), getattr(usage, "completion_tokens", None))
    return tuple(most if count is None else count for count, most in zip(counts, bound, strict=True))


def _content(answer: Any) -> str:
    """What the model wrote. The library does not check an answer's form: a server may send anything."""
    try:
        return answer.choices[0].message.content or ""
    except (AttributeError, IndexError, TypeError):
        raise BadAnswerError(f"the answer has not the form of a chat completion: {type(answer).__name__}") from None
