"""Level four: a prompted language model as a classifier, behind any OpenAI-compatible endpoint or on this machine."""

import asyncio
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from textclf_lesson.answers import Answers, default_file
from textclf_lesson.budget import BadAnswerError, Budget, RowError, Usage
from textclf_lesson.course import progress
from textclf_lesson.inputs import check_texts
from textclf_lesson.local_llm import LocalLLM
from textclf_lesson.prompted import PromptedClassifier
from textclf_lesson.prompts import Template, label_probabilities, parse, schema

__all__ = ["LLMClassifier", "LLMError", "LocalLLM", "Usage"]


class LLMError(RuntimeError):
    """Some texts have no label. What was finished is here, and in the cache: the next call asks only for the rest.

    Attributes:
        answers: for each text its class, or None.
        proba: shape (texts, classes), NaN where there is no answer.
        failures: {row: reason}.
    """

    def __init__(self, classes: Sequence, proba: np.ndarray, failures: dict[int, str]) -> None:
        first, done = min(failures), len(proba) - len(failures)
        reason = next((text for text in failures.values() if not text.startswith("not asked")), failures[first])
        kept = f" The other {done} are in error.answers; predict again to ask for the rest only." if done else ""
        super().__init__(f"{len(failures)} of {len(proba)} texts have no label (first: row {first}): {reason}.{kept}")
        self.classes, self.proba, self.failures = classes, proba, failures
        self.answers = [None if row in failures else classes[p.argmax()] for row, p in enumerate(proba)]

    def __reduce__(self) -> tuple:
        """So that it comes back whole from a worker process."""
        return LLMError, (self.classes, self.proba, self.failures)


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
        logprobs: ask for token probabilities too. See `predict_proba`.
        options: parameters of the request that differ from temperature 0, seed 0 and a short `max_tokens`; None takes
            one out, as for a model that wants {"max_tokens": None, "max_completion_tokens": 30}.
        token_budget, money_budget: limits of one `fit`, over all its `predict` calls. A request is sent only if its
            upper bound (a token for each byte) still fits, so a limit is never passed. None: no limit.
        prices: of a million prompt tokens and a million answer tokens, in the currency of `money_budget`.
        cache: file for the answers; True: below the cache folder of the course; None or False: none.
        fallback: the class for a text to which the model twice gives no label; None makes that an error.

    Structured output (a JSON schema that allows the labels only) is used where the server takes it. Where it does not,
    the answer is parsed; one that is no label is asked for once more.

    `usage` counts requests, tokens and cost since `fit`. Clones, as in `cross_val_score`, count for themselves.
    """

    def __init__(
        self,
        model: str,
        base_url: str,
        labels: Mapping | None = None,
        template: str | Template = "marked",
        shots: int = 0,
        selection: str = "fixed",
        seed: int = 0,
        max_chars: int = 2000,
        key_variable: str = "LLM_API_KEY",
        timeout: float = 30.0,
        retries: int = 3,
        concurrency: int = 4,
        logprobs: bool = False,
        options: Mapping[str, Any] | None = None,
        token_budget: int | None = None,
        money_budget: float | None = None,
        prices: tuple[float, float] | None = None,
        cache: bool | str | Path | None = True,
        fallback: Any = None,
    ) -> None:
        self.model = model
        self.base_url = base_url
        self.labels = labels
        self.template = template
        self.shots = shots
        self.selection = selection
        self.seed = seed
        self.max_chars = max_chars
        self.key_variable = key_variable
        self.timeout = timeout
        self.retries = retries
        self.concurrency = concurrency
        self.logprobs = logprobs
        self.options = options
        self.token_budget = token_budget
        self.money_budget = money_budget
        self.prices = prices
        self.cache = cache
        self.fallback = fallback

    def fit(self, texts: Iterable[str] | None = None, y: Iterable | None = None) -> "LLMClassifier":
        """As `PromptedClassifier.fit`; sends nothing, and sets `usage` to zero."""
        if self.money_budget is not None and not self.prices:
            raise ValueError("money_budget needs prices=(of a million prompt tokens, of a million answer tokens).")
        super().fit(texts, y)
        if self.fallback is not None and self.fallback not in self.classes_:
            raise ValueError(f"fallback={self.fallback!r} is none of the labels: {self.classes_.tolist()}.")
        self.usage = Usage()
        return self

    def predict_proba(self, texts: Iterable[str]) -> np.ndarray:
        """Probabilities, shape (texts, classes).

        Without `logprobs` they are 1 for the model's answer and 0 else. With `logprobs`, where the server has them,
        they are the model's own at the token that tells the labels apart, upper and lower case taken together; a
        label outside the server's list of likely tokens gets 0. The most probable label may then differ from the
        written one, where the schema left the model no other word.

        Raises LLMError, which holds the finished rows, if any text has no label; TypeError or ValueError, naming the
        row, for a text that is missing or blank.
        """
        from anyio.from_thread import start_blocking_portal  # runs in a notebook too, where a loop is running already

        texts = self._checked(texts)
        with start_blocking_portal() as portal:
            proba, failures = portal.call(self._label_all, texts)
        if failures:
            raise LLMError(self.classes_.tolist(), proba, failures)
        return proba

    def estimate(self, texts: Iterable[str]) -> pd.Series:
        """What `predict` would use, without sending anything: tokens and cost, likely (four bytes a token, as in
        English) and at most (a byte a token, each text asked twice). The cache and broken attempts are not considered.
        """
        texts = check_texts(texts)
        sizes = [
            sum(len(turn["content"].encode()) for turn in self._messages(text, examples, as_json=True))
            for text, examples in zip(texts, self._examples(texts), strict=True)
        ]
        likely, bound, answer = sum(sizes) / 4, 2 * sum(sizes), len(texts) * self._answer_tokens()
        budget = self._budget()
        return pd.Series(
            {
                "texts": len(texts),
                "likely tokens": likely + answer / 3,
                "most tokens": bound + 2 * answer,
                "likely cost": budget.price(likely, answer / 3),
                "highest cost": budget.price(bound, 2 * answer),
            }
        )

    def _budget(self) -> Budget:
        limits = [math.inf if limit is None else limit for limit in (self.token_budget, self.money_budget)]
        return Budget(self.usage, *limits, tuple(self.prices or (0.0, 0.0)))

    def _answer_tokens(self) -> int:
        return 16 + max(len(label.name.encode()) for label in self.labels_)

    async def _label_all(self, texts: list[str]) -> tuple[np.ndarray, dict[int, str]]:
        from textclf_lesson.endpoint import Endpoint  # here: importing the client library takes a second

        file = default_file() if self.cache is True else Path(self.cache) if self.cache else None
        endpoint = Endpoint(
            self.base_url, self.model, self.key_variable, self.timeout, self.retries, self.concurrency,
            self._answer_tokens(), dict(self.options or {}), self._budget(), Answers(file),
        )  # fmt: skip
        proba, failures = np.full((len(texts), len(self.labels_)), np.nan), {}
        async with endpoint:
            pairs = enumerate(zip(texts, self._examples(texts), strict=True))
            rows = [self._label_one(endpoint, row, text, examples) for row, (text, examples) in pairs]
            for finished in progress(asyncio.as_completed(rows), "texts", total=len(rows)):
                row, result = await finished
                if isinstance(result, str):
                    failures[row] = result
                else:
                    proba[row] = result
        return proba, dict(sorted(failures.items()))

    async def _label_one(self, endpoint: Any, row: int, text: str, examples: Sequence) -> tuple[int, list | str]:
        """The row with its probabilities, or with the reason why there are none."""
        names = ", ".join(label.name for label in self.labels_)
        try:
            answer = await endpoint.ask(
                lambda as_json: self._messages(text, examples, as_json),
                schema(self.labels_),
                self.logprobs,
                lambda content: parse(content, self.labels_) is not None,
                f"Answer with exactly one of: {names}.",
            )
        except BadAnswerError as error:
            if self.fallback is None:
                return row, str(error)
            self.usage.fallbacks += 1
            return row, (self.classes_ == self.fallback).astype(float).tolist()
        except RowError as error:
            return row, str(error)
        return row, label_probabilities(answer["content"], answer["tokens"], self.labels_)
