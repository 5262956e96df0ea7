"""How long a single call takes."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from textclf_lesson.base.inputs import check_texts, whole_number


@dataclass(frozen=True)
class Latency:
    """Times of single calls in milliseconds. Made by `latency`.

    >>> print(Latency(np.array([1.0, 2.0, 9.0])))
    median 2.00 ms, p95 8.30 ms
    """

    times: np.ndarray

    @property
    def median(self) -> float:
        return float(np.median(self.times))

    @property
    def p95(self) -> float:
        """The time that 95 of 100 calls stay under: what the unlucky user waits."""
        return float(np.percentile(self.times, 95))

    def __str__(self) -> str:
        return f"median {self.median:.2f} ms, p95 {self.p95:.2f} ms"


def latency(predict: Callable[[list[str]], Any], texts: Sequence[str], n: int = 200, warmup: int = 10) -> Latency:
    """Time n calls of `predict([text])`, one text each, going through `texts` as often as needed.

    The first `warmup` calls are not counted: they fill caches and start threads. Raises ValueError for n below 1 or a
    warmup below 0, and as `check_texts` does.
    """
    texts, n, warmup = check_texts(texts), whole_number("n", n), whole_number("warmup", warmup, at_least=0)
    times = []
    for call in range(warmup + n):
        text = [texts[call % len(texts)]]
        start = time.perf_counter()
        predict(text)
        times.append(time.perf_counter() - start)
    return Latency(np.array(times[warmup:]) * 1000)
