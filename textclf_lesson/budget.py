"""What a language model's answers cost, and a limit that is never passed: the next request must fit before it goes."""

import asyncio
import math
from dataclasses import dataclass, field


class RowError(RuntimeError):
    """One text has no label; the others may still get theirs."""


class BadAnswerError(RowError):
    """There is an answer, but it cannot be read, or is none of the labels."""


class NoAnswerError(RowError):
    """The server did not answer, or answered that it failed."""


class StopError(RowError):
    """The next text would fare no better: a refused key, a budget that is spent."""


@dataclass
class Usage:
    """What was used since `fit`. Tokens as the server reports them; where it does not, their upper bound."""

    requests: int = 0
    from_cache: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    fallbacks: int = 0  # texts that got the fallback class
    broken_off: int = 0  # attempts that got no answer; a server may charge for them
    broken_off_tokens: int = 0  # upper bound
    cost: float = 0.0  # of all the above, in the currency of `prices`

    @property
    def tokens(self) -> int:
        return self.prompt_tokens + self.completion_tokens + self.broken_off_tokens


@dataclass
class Budget:
    """Lets a request go only if its upper bound still fits, so that a limit is never passed, whatever the answer."""

    usage: Usage
    tokens: float = math.inf
    money: float = math.inf
    prices: tuple[float, float] = (0.0, 0.0)  # of a million prompt tokens, of a million answer tokens
    _promised: list[float] = field(default_factory=lambda: [0, 0.0])

    @property
    def limited(self) -> bool:
        return min(self.tokens, self.money) < math.inf

    def price(self, prompt: float, answer: float) -> float:
        return (prompt * self.prices[0] + answer * self.prices[1]) / 1e6

    async def reserve(self, prompt: int, answer: int, attempts: int) -> int:
        """Sets aside the upper bound of up to `attempts` attempts; returns how many fit. StopError if none does."""
        bound = (prompt + answer, self.price(prompt, answer))
        while True:
            free = (
                self.tokens - self.usage.tokens - self._promised[0],
                self.money - self.usage.cost - self._promised[1],
            )
            fit = min(attempts, *(left // one for left, one in zip(free, bound, strict=True) if one))
            if fit >= 1:
                self._promise(bound, fit)
                return int(fit)
            if not self._promised[0]:
                raise StopError(
                    f"the budget is used up: {self.usage.tokens} tokens and {self.usage.cost:.4g} in money are spent, "
                    f"and the next text may take up to {bound[0]} tokens and {bound[1]:.4g}"
                )
            await asyncio.sleep(0.01)  # others are under way, and will need less than was set aside for them

    def release(self, prompt: int, answer: int, attempts: int) -> None:
        self._promise((prompt + answer, self.price(prompt, answer)), -attempts)

    def spend(self, prompt: int, answer: int) -> None:
        self.usage.cost += self.price(prompt, answer)

    def _promise(self, bound: tuple[float, float], times: float) -> None:
        self._promised = [held + one * times for held, one in zip(self._promised, bound, strict=True)]
