"""What a language model's answers cost, a limit that is never passed, and a cache: nothing is paid for twice."""

import asyncio
import hashlib
import json
import math
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from textclf_lesson.base.errors import StopError

Tokens = tuple[int, int]  # of the prompt, of the answer


@dataclass
class Usage:
    """What was used since `fit`: tokens as the server reports them, or their bound where no report came."""

    requests: int = 0
    from_cache: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost: float = 0.0  # in the currency of `prices`

    @property
    def tokens(self) -> int:
        return self.prompt_tokens + self.completion_tokens


@dataclass
class Budget:
    """Lets a request go only if its upper bound still fits, so that a limit is never passed, whatever the answer.

    >>> budget = Budget(Usage(), prices=(1.0, 2.0))
    >>> budget.price((1000, 500))
    0.002
    """

    usage: Usage
    tokens: float = math.inf
    money: float = math.inf
    prices: tuple[float, float] = (0.0, 0.0)  # of a million prompt tokens, of a million answer tokens
    promised_tokens: int = 0  # to requests under way
    promised_money: float = 0.0

    def price(self, tokens: Tokens) -> float:
        return (tokens[0] * self.prices[0] + tokens[1] * self.prices[1]) / 1e6

    async def reserve(self, bound: Tokens) -> None:
        """Sets aside the upper bound of one request. Raises StopError if it will not fit."""
        money = self.price(bound)
        while (
            self.usage.tokens + self.promised_tokens + sum(bound) > self.tokens
            or self.usage.cost + self.promised_money + money > self.money
        ):
            if not self.promised_tokens:
                raise StopError(
                    f"the budget is used up: {self.usage.tokens} tokens and {self.usage.cost:.4g} "
                    f"in money are spent, the next text may take {sum(bound)} and {money:.4g}"
                )
            await asyncio.sleep(0.01)  # others are under way; they may need less than set aside
        self._promise(bound, 1)

    def settle(self, bound: Tokens, used: Tokens) -> None:
        """The request is over: what it used is spent, what was set aside is free again."""
        self._promise(bound, -1)
        self.usage.prompt_tokens += used[0]
        self.usage.completion_tokens += used[1]
        self.usage.cost += self.price(used)

    def _promise(self, bound: Tokens, sign: int) -> None:
        self.promised_tokens += sign * sum(bound)
        self.promised_money += sign * self.price(bound)


class Answers:
    """Answers by question; `path=None` keeps nothing. Any number of processes may use one file.

    The key is the SHA-256 of all that determines an answer: endpoint, model, messages, parameters. Only this key and
    the answer are stored: neither texts, nor prompts, nor credentials. Raises ValueError if the file cannot be used.
    """

    def __init__(self, path: Path | None) -> None:
        self._connection = None
        if path is None:
            return
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._connection = sqlite3.connect(path, timeout=30, isolation_level=None)  # each answer at once on disk
            self._connection.execute("CREATE TABLE IF NOT EXISTS answers (key TEXT PRIMARY KEY, answer TEXT NOT NULL)")
        except (OSError, sqlite3.Error) as error:
            raise ValueError(
                f"The cache {path} cannot be used ({error}): delete it, or pass another cache=FILE, or cache=None."
            ) from error

    def get(self, question: Any) -> str | None:
        """The answer kept for this question (anything that JSON can hold), or None."""
        if not self._connection:
            return None
        row = self._connection.execute("SELECT answer FROM answers WHERE key = ?", (_key(question),)).fetchone()
        return row[0] if row else None

    def put(self, question: Any, answer: str) -> None:
        if self._connection:
            self._connection.execute("INSERT OR REPLACE INTO answers VALUES (?, ?)", (_key(question), answer))

    def close(self) -> None:
        if self._connection:
            self._connection.close()


def _key(question: Any) -> str:
    return hashlib.sha256(json.dumps(question, sort_keys=True).encode()).hexdigest()
