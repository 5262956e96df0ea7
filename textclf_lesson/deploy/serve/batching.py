"""Texts of requests that come at the same time, computed together, in threads beside the event loop.

While one batch is computed, requests gather; those that wait when it is done make up the next. So batches grow
with the load by themselves, texts of like length can share a pass, and a lone request waits only the few milliseconds
of `wait`.
"""

import asyncio
import contextlib
import math
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from textclf_lesson.base.errors import OverloadError

BATCH = 32  # texts; a request is never divided, so the last one may go beyond
WAIT = 0.002  # seconds that a batch waits for more texts
QUEUE = 512  # texts that may wait


class Batcher:
    """A bounded queue before one thread. Used inside `async with`, from one event loop.

    compute: called in the thread with a list of texts, gives a result for each; what it raises reaches all requests of
    its batch. queue: how many texts may wait; texts beyond it are refused, accepted ones are computed.
    on_depth: called with the number of waiting texts whenever it changes.
    """

    def __init__(
        self,
        compute: Callable[[list[str]], Sequence[Any]],
        queue: int = QUEUE,
        batch: int = BATCH,
        wait: float = WAIT,
        on_depth: Callable[[int], None] = lambda depth: None,
    ) -> None:
        self.compute, self.queue, self.batch, self.wait, self.on_depth = compute, queue, batch, wait, on_depth
        self.depth = 0  # texts that wait
        self._waiting: deque[tuple[list[str], asyncio.Future]] = deque()
        self._news = asyncio.Event()
        self._pace = 0.0  # seconds a text, of the last batches

    async def __aenter__(self) -> "Batcher":
        self._thread = ThreadPoolExecutor(1, "batches")
        self._batches = asyncio.create_task(self._run())
        return self

    async def __aexit__(self, *_: object) -> None:
        """To be called when all requests are answered: those that still waited would get no result."""
        self._batches.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._batches
        self._thread.shutdown()

    def submit(self, texts: list[str]) -> asyncio.Future:
        """The results for these texts, to be awaited. Raises OverloadError if there is no room for all of them."""
        if self.depth + len(texts) > self.queue:
            raise OverloadError(max(1, math.ceil(self.depth * self._pace)))
        future = asyncio.get_running_loop().create_future()
        self._waiting.append((texts, future))
        self._count(len(texts))
        return future

    def _count(self, texts: int) -> None:
        self.depth += texts
        self.on_depth(self.depth)
        self._news.set()

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            requests = await self._gather()
            texts = [text for own, _ in requests for text in own]
            began = time.perf_counter()
            try:
                results = await loop.run_in_executor(self._thread, self.compute, texts)
            except Exception as error:
                for _, future in requests:
                    if not future.done():
                        future.set_exception(error)
                continue
            took = (time.perf_counter() - began) / len(texts)
            self._pace = took if not self._pace else 0.9 * self._pace + 0.1 * took
            at = 0
            for own, future in requests:
                if not future.done():  # done already: its request was cancelled
                    future.set_result(results[at : at + len(own)])
                at += len(own)

    async def _gather(self) -> list[tuple[list[str], asyncio.Future]]:
        """The requests of the next batch: when it is full, or `wait` after the first was there."""
        while not self._waiting:
            self._news.clear()
            await self._news.wait()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self.wait):
                while self.depth < self.batch:
                    self._news.clear()
                    await self._news.wait()
        requests, texts = [], 0
        while self._waiting and texts < self.batch:
            requests.append(self._waiting.popleft())
            texts += len(requests[-1][0])
        self._count(-texts)
        return requests
