"""Talking to an OpenAI-compatible endpoint: deadline, budget, cache and the structured output it may or may not have.

Retries are the client library's: after a timeout, a broken connection, 408, 409, 429 or 5xx it waits as `Retry-After`
says (up to two minutes), else half a second, doubled each time up to eight, less a random quarter.
"""

import asyncio
import json
import os
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import httpx2
import openai

from textclf_lesson.answers import Answers
from textclf_lesson.budget import BadAnswerError, Budget, NoAnswerError, RowError, StopError

NO_KEY = "none"  # local servers want no key, the library wants one
PATIENCE = 3  # so many texts in a row without an answer, and the rest is not tried
SPARE_TOKENS = 64  # what a chat template may add to a prompt: marks, a system prompt of its own


class _Http(openai.DefaultAsyncHttpxClient):
    """Bounds each attempt as a whole. The library's own timeout starts anew with every byte that arrives, so a server
    that sends one byte a second never meets it. Reports the size of requests that were sent and not answered."""

    def __init__(self, seconds: float, broken_off: Callable[[int], None], proxies: bool) -> None:
        super().__init__(timeout=seconds, trust_env=proxies)
        self._seconds, self._broken_off = seconds, broken_off

    async def send(self, request: httpx2.Request, **options: Any) -> httpx2.Response:
        try:
            async with asyncio.timeout(self._seconds):
                return await super().send(request, **options)
        except (httpx2.ConnectError, httpx2.ConnectTimeout):
            raise
        except (TimeoutError, httpx2.TransportError) as error:
            self._broken_off(len(request.content))
            if isinstance(error, TimeoutError):
                raise httpx2.ReadTimeout("not answered in time", request=request) from None
            raise


class Endpoint:
    """One model behind one address. Used inside `async with`, from one event loop."""

    def __init__(
        self,
        base_url: str,
        model: str,
        key_variable: str,
        timeout: float,
        retries: int,
        concurrency: int,
        answer_tokens: int,
        options: dict[str, Any],
        budget: Budget,
        answers: Answers,
    ) -> None:
        self.base_url, self.model, self.key_variable = _checked(base_url, key_variable), model, key_variable
        self.retries, self.timeout = retries, timeout
        self.budget, self.usage, self.answers = budget, budget.usage, answers
        self._key = _key(key_variable)
        self._body = {"temperature": 0, "seed": 0, "max_tokens": answer_tokens} | options
        self._body = {name: value for name, value in self._body.items() if value is not None}
        limit = self._body.get("max_tokens") or self._body.get("max_completion_tokens")
        if not limit and budget.limited:
            raise ValueError("A budget needs a longest answer: set max_tokens or max_completion_tokens in options.")
        self.answer_tokens = limit or answer_tokens
        self._places = asyncio.Semaphore(concurrency)
        self._failures = 0  # texts in a row without an answer
        self._stop = ""  # why no further text is asked
        self._mode: int | None = None  # which of the modes below this server is known to take

    async def __aenter__(self) -> "Endpoint":
        local = urlsplit(self.base_url).hostname in ("127.0.0.1", "localhost", "::1")
        http = _Http(self.timeout, self._count_broken_off, proxies=not local)
        self._client = openai.AsyncOpenAI(
            base_url=self.base_url, api_key=self._key, timeout=self.timeout, max_retries=self.retries, http_client=http
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.close()

    async def ask(
        self,
        turns: Callable[[bool], list[dict]],
        schema: dict,
        logprobs: bool,
        good: Callable[[str | None], bool],
        reminder: str,
    ) -> dict:
        """The first answer that is `good`: {"content": str, "tokens": [[token, {alternative: logprob}], ...]}.

        `turns(as_json)` makes the messages. A bad answer is asked for once more, with `reminder` below the question.
        Raises RowError with the reason, StopError if other texts need not be tried.
        """
        question = [self.base_url, self.model, turns(True), self._body, schema, logprobs]
        kept = self.answers.get(question)
        if kept is not None and good(kept["content"]):
            self.usage.from_cache += 1
            return kept
        async with self._places:
            if self._stop:
                raise RowError(f"not asked, since {self._stop}")
            try:
                answer = await self._good_answer(turns, schema, logprobs, good, reminder)
            except (NoAnswerError, StopError) as error:
                self._failures += 1
                if isinstance(error, StopError) or self._failures >= PATIENCE:
                    self._stop = self._stop or str(error)
                raise
        self._failures = 0
        self.answers.put(question, answer)
        return answer

    async def _good_answer(
        self, turns: Callable, schema: dict, logprobs: bool, good: Callable[[str | None], bool], reminder: str
    ) -> dict:
        for again in ("", f"\n\n{reminder}"):
            try:
                answer = await self._in_some_mode(turns, again, schema, logprobs)
                if good(answer["content"]):
                    return answer
                problem = f"the answer is none of the labels: {self._shown(answer['content'])}"
            except BadAnswerError as error:
                problem = str(error)
        raise BadAnswerError(f"{problem} (asked twice)")

    async def _in_some_mode(self, turns: Callable, again: str, schema: dict, logprobs: bool) -> dict:
        """Feature detection: what a server refuses with 400 or 422 is left out, first log-probabilities, then schema.

        The first mode that passes is kept for all later requests; from then on a refusal is about the text.
        """
        form = {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema, "strict": True}}
        tops = {"logprobs": True, "top_logprobs": 20} if logprobs else {}
        modes = [{"response_format": form} | tops, {"response_format": form}, tops, {}]
        modes = modes if logprobs else modes[1::2]
        refusal = None
        for place in range(len(modes)) if self._mode is None else [self._mode]:
            messages = turns("response_format" in modes[place])
            messages[-1]["content"] += again
            try:
                answer = await self._send(messages, modes[place])
            except (openai.BadRequestError, openai.UnprocessableEntityError) as error:
                refusal = refusal or error
                continue
            self._mode = place if self._mode is None else self._mode
            return answer
        raise RowError(f"the server refused the request ({refusal.status_code}): {self._shown(refusal)}")

    async def _send(self, messages: list[dict], extra: dict[str, Any]) -> dict:
        body = self._body | extra
        size = len(json.dumps({"model": self.model, "messages": messages} | body))  # a token has one byte or more
        bound = (size + SPARE_TOKENS, self.answer_tokens)
        attempts = await self.budget.reserve(*bound, self.retries + 1)
        try:
            client = self._client.with_options(max_retries=attempts - 1)
            self.usage.requests += 1
            answer = await client.chat.completions.create(model=self.model, messages=messages, extra_body=body)
            self._count(answer, *bound)
            return _content(answer)
        except (openai.BadRequestError, openai.UnprocessableEntityError):
            raise
        except openai.OpenAIError as error:
            raise self._explained(error) from None  # the library's error holds the request, and so the key
        except ValueError as error:  # an answer, and it may have to be paid for, but no JSON
            self._count(None, *bound)
            raise BadAnswerError(f"the answer cannot be read: {self._shown(error)}") from None
        finally:
            self.budget.release(*bound, attempts)

    def _count(self, answer: Any, prompt_bound: int, answer_bound: int) -> None:
        used = getattr(answer, "usage", None)
        prompt = used.prompt_tokens if used and used.prompt_tokens is not None else prompt_bound
        completion = used.completion_tokens if used and used.completion_tokens is not None else answer_bound
        self.usage.prompt_tokens += prompt
        self.usage.completion_tokens += completion
        self.budget.spend(prompt, completion)

    def _count_broken_off(self, size: int) -> None:
        self.usage.broken_off += 1
        self.usage.broken_off_tokens += size + SPARE_TOKENS + self.answer_tokens
        self.budget.spend(size + SPARE_TOKENS, self.answer_tokens)

    def _explained(self, error: openai.OpenAIError) -> RowError:
        request = getattr(error, "request", None)
        attempts = 1 + int(request.headers.get("x-stainless-retry-count", 0)) if request else 1
        tried = f"after {attempts} attempts" if attempts > 1 else "in one attempt"
        status = getattr(error, "status_code", None)
        said = self._shown(error)
        if status in (401, 403):
            return StopError(
                f"the server refused the key ({status}): set the environment variable {self.key_variable} to a valid "
                f"one. It said: {said}"
            )
        if status == 404:
            return StopError(f"there is no model {self.model!r} at {self.base_url} (404). It said: {said}")
        if isinstance(error, openai.APITimeoutError):
            return NoAnswerError(f"no answer within {self.timeout:g} s, {tried}")
        if isinstance(error, openai.APIConnectionError):
            return NoAnswerError(f"no connection to {self.base_url}, {tried}: {self._shown(repr(error.__cause__))}")
        if status is not None:
            wait = error.response.headers.get("retry-after")
            return NoAnswerError(f"the server answered {status}, {tried}: {said}" + f" (wait {wait} s)" * bool(wait))
        return BadAnswerError(f"the answer cannot be read: {said}")

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
    except ValueError:  # a port that is none
        pass
    raise ValueError(
        "base_url must look like https://host/v1, without a name or key in it; a key belongs into the environment "
        f"variable {key_variable}."
    )


def _key(variable: str) -> str:
    """The key, without the line end that a key read from a file often has. Never quoted in a message."""
    key = os.environ.get(variable, "").strip()
    if not (key.isascii() and key.isprintable()) or " " in key:
        raise ValueError(f"The key in the environment variable {variable} is none: copy it again, and nothing else.")
    return key or NO_KEY


def _content(answer: Any) -> dict:
    """What of the library's answer is kept. The library does not check its form: a server may send anything."""
    try:
        choice = answer.choices[0]
        tokens = (choice.logprobs.content if choice.logprobs else None) or []
        return {
            "content": choice.message.content,
            "tokens": [[t.token, {t.token: t.logprob} | {o.token: o.logprob for o in t.top_logprobs}] for t in tokens],
        }
    except (AttributeError, IndexError, TypeError):
        raise BadAnswerError(f"the answer has not the form of a chat completion: {type(answer).__name__}") from None
