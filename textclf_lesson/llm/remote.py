"""Level four: a prompted language model as a classifier, behind any OpenAI-compatible endpoint or on this machine."""

import asyncio
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from textclf_lesson.assets import cache
from textclf_lesson.base.errors import LLMError, RowError
from textclf_lesson.base.extras import needed
from textclf_lesson.base.inputs import plain
from textclf_lesson.base.runtime import progress
from textclf_lesson.llm.budget import Answers, Budget, Usage
from textclf_lesson.llm.prompted import Examples, PromptedClassifier
from textclf_lesson.llm.prompts import Template, parse, schema

__all__ = ["LLMClassifier", "LLMError", "Usage"]


class LLMClassifier(PromptedClassifier):
    """Zero- and few-shot classification by a language model behind an OpenAI-compatible endpoint.

    Args (for the others see `PromptedClassifier`):
        model: the model's name at the endpoint.
        base_url: the endpoint, such as "http://127.0.0.1:8080/v1".
        key_variable: the environment variable that holds the key. The key itself is read when a request is made and
            kept nowhere: not in the estimator, a message, a log or the cache.
        timeout: seconds for one attempt, from the first byte sent to the last received.
        retries: further attempts after a timeout, a broken connection, 408, 409, 429 or 5xx, with growing pauses.
        concurrency: how many requests may be under way at once.
        options: parameters of the request that differ from temperature 0, seed 0 and a short `max_tokens`; None takes
            one out, as for a model that wants {"max_tokens": None, "max_completion_tokens": 30}.
        token_budget, money_budget: limits of one `fit`, over all its `predict` calls. A request is sent only if its
            upper bound (a token for each byte) still fits, so a limit is never passed. None: no limit.
        prices: of a million prompt tokens and a million answer tokens, in the currency of `money_budget`.
        cache: file for the answers; True: below the cache folder of the course; None or False: none.

    Structured output (a JSON schema that allows the labels only) is used where the server takes it. Where it does not,
    the answer is parsed; one that is not a label is asked for again, once.

    `usage` counts requests, tokens and cost since `fit`. Clones, as in `cross_val_score`, count for themselves.

    >>> model = LLMClassifier("some-model", base_url="http://127.0.0.1:8080/v1", labels={"yes": "", "no": ""})
    >>> model.fit().predict(["A warm, funny film."])  # doctest: +SKIP
    array(['yes'], dtype='<U3')
    """

    def __init__(
        self,
        model: str,
        base_url: str,
        labels: Mapping | None = None,
        template: str | Template = "marked",
        shots: int = 0,
        selection: str = "random",
        seed: int = 0,
        max_chars: int = 2000,
        key_variable: str = "LLM_API_KEY",
        timeout: float = 30.0,
        retries: int = 3,
        concurrency: int = 4,
        options: Mapping[str, Any] | None = None,
        token_budget: int | None = None,
        money_budget: float | None = None,
        prices: tuple[float, float] | None = None,
        cache: bool | str | Path | None = True,
    ) -> None:
        super().__init__(labels, template, shots, selection, seed, max_chars)
        self.model = model
        self.base_url = base_url
        self.key_variable = key_variable
        self.timeout = timeout
        self.retries = retries
        self.concurrency = concurrency
        self.options = options
        self.token_budget = token_budget
        self.money_budget = money_budget
        self.prices = prices
        self.cache = cache

    def fit(self, texts: Iterable[str] | None = None, y: Iterable | None = None) -> "LLMClassifier":
        """As `PromptedClassifier.fit`; sends nothing, and sets `usage` to zero."""
        if self.money_budget is not None and not self.prices:
            raise ValueError("money_budget needs prices=(of a million prompt tokens, of a million answer tokens).")
        super().fit(texts, y)
        limited = self.token_budget is not None or self.money_budget is not None
        if limited and not {"max_tokens", "max_completion_tokens"} & set(self._body()):
            raise ValueError("A budget needs a longest answer: set max_tokens or max_completion_tokens in options.")
        self.usage = Usage()
        return self

    def predict_proba(self, texts: Iterable[str]) -> np.ndarray:
        """Shape (texts, classes): 1 for the model's answer and 0 else. `LocalLLM` has real probabilities.

        Raises LLMError, which holds the finished rows, if any text has no label; TypeError or ValueError, naming the
        row, for a text that is missing or blank; ValueError for an address, a key or a cache that cannot be used.
        """
        with needed("llm"):
            from anyio.from_thread import (
                start_blocking_portal,  # runs in a notebook too, where a loop is running already
            )

        texts = self._checked(texts)
        with start_blocking_portal() as portal:
            answers, failures = portal.call(self._label_all, texts)
        if failures:
            raise LLMError(answers, failures)
        return (np.array(answers)[:, None] == self.classes_).astype(float)

    def _body(self) -> dict[str, Any]:
        longest = 16 + max(len(label.name.encode()) for label in self.labels_)
        body = {"temperature": 0, "seed": 0, "max_tokens": longest} | dict(self.options or {})
        return {name: plain(value) for name, value in body.items() if value is not None}

    async def _label_all(self, texts: list[str]) -> tuple[list, dict[int, str]]:
        from textclf_lesson.llm.endpoint import Endpoint  # here: importing the client library takes a second

        default = cache.home() / "llm-cache" / "answers.sqlite"
        file = default if self.cache is True else Path(self.cache) if self.cache else None
        limits = [math.inf if limit is None else limit for limit in (self.token_budget, self.money_budget)]
        budget = Budget(self.usage, *limits, tuple(self.prices or (0.0, 0.0)))
        endpoint = Endpoint(
            self.base_url, self.model, self.key_variable, self.timeout, self.retries, self.concurrency, self._body(),
            budget, Answers(file),
        )  # fmt: skip
        answers, failures = [None] * len(texts), {}
        async with endpoint:
            pairs = enumerate(zip(texts, self._examples(texts), strict=True))
            rows = [asyncio.create_task(self._label_one(endpoint, row, *pair)) for row, pair in pairs]  # in this order
            for finished in progress(asyncio.as_completed(rows), "texts", total=len(rows)):
                row, value, failure = await finished
                answers[row] = value
                if failure:
                    failures[row] = failure
        return answers, dict(sorted(failures.items()))

    async def _label_one(self, endpoint: Any, row: int, text: str, examples: Examples) -> tuple[int, Any, str]:
        """The row, its class or None, and the reason why there is none."""
        try:
            answer = await endpoint.ask(
                lambda as_json: self._messages(text, examples, as_json),
                schema(self.labels_),
                lambda written: parse(written, self.labels_) is not None,
                f"Answer with exactly one of: {', '.join(label.name for label in self.labels_)}.",
            )
        except RowError as error:
            return row, None, str(error)
        return row, parse(answer, self.labels_).value, ""
