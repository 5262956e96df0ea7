"""A load on the service: connections that each send a text when the one before is answered."""

import asyncio
import http.client
import io
import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import numpy as np


@dataclass
class Load:
    """What came of it. `answers` holds (position of the text, status, decoded body) as they came; `latencies` the
    seconds of each. `unanswered`: texts that were sent and got no whole answer; `refused`: connections that could not
    be made."""

    answers: list[tuple[int, int, Any]] = field(default_factory=list)
    latencies: list[float] = field(default_factory=list)
    unanswered: int = 0
    refused: int = 0
    seconds: float = 0.0

    @property
    def statuses(self) -> Counter:
        """How often each HTTP status was answered."""
        return Counter(status for _, status, _ in self.answers)

    @property
    def rate(self) -> float:
        """Answers a second."""
        return len(self.answers) / self.seconds

    def latency(self, percent: float) -> float:
        """A percentile of the latencies, 0 to 100, in seconds."""
        return float(np.percentile(self.latencies, percent))


def load(
    url: str, texts: Iterable[str], connections: int = 32, on_answer: Callable[[int], Any] = lambda n: None
) -> Load:
    """Send every text to URL/classify, one in a request, over `connections` kept-alive connections (a closed loop).

    It ends when all texts are answered. Once a connection is refused, its part ends there: so it also ends when the
    service does. `texts` may be endless. on_answer: called with the number of answers so far after each.
    """
    result, left = Load(), iter(enumerate(texts))

    async def run() -> None:
        began = time.perf_counter()
        await asyncio.gather(*(_caller(url, left, result, on_answer) for _ in range(connections)))
        result.seconds = time.perf_counter() - began

    thread = threading.Thread(target=lambda: asyncio.run(run()))  # a notebook has an event loop of its own already
    thread.start()
    thread.join()
    return result


async def _caller(url: str, left: Iterator[tuple[int, str]], result: Load, on_answer: Callable) -> None:
    """One connection after the other, for a server may close the one it has."""
    loop, place = asyncio.get_running_loop(), urlsplit(url)
    while True:
        line = _Line(left, result, on_answer)
        try:
            await loop.create_connection(lambda line=line: line, place.hostname, place.port)
        except OSError:
            result.refused += 1
            return
        await line.closed
        if line.is_done:
            return


class _Line(asyncio.Protocol):
    """One connection: a bare HTTP client, so that a measurement is of the server and not of a library."""

    def __init__(self, left: Iterator[tuple[int, str]], result: Load, on_answer: Callable) -> None:
        self.left, self.result, self.on_answer = left, result, on_answer
        self.closed = asyncio.get_running_loop().create_future()
        self.waiting, self.is_done, self.buffer = False, False, b""

    def connection_made(self, transport: asyncio.Transport) -> None:
        self.transport = transport
        self._send()

    def _send(self) -> None:
        self.position, text = next(self.left, (None, ""))
        if self.position is None:
            self.is_done = True
            self.transport.close()
            return
        body = json.dumps({"text": text}).encode()
        fields = f"Host: x\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
        head = f"POST /classify HTTP/1.1\r\n{fields}\r\n\r\n"
        self.waiting, self.buffer, self.began = True, b"", time.perf_counter()
        self.transport.write(head.encode() + body)

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        head, end, body = self.buffer.partition(b"\r\n\r\n")
        if not end:
            return
        status, _, fields = head.partition(b"\r\n")
        headers = http.client.parse_headers(io.BytesIO(fields + b"\r\n\r\n"))
        if len(body) < int(headers["content-length"]):
            return
        self.waiting = False
        self.result.latencies.append(time.perf_counter() - self.began)
        self.result.answers.append((self.position, int(status.split()[1]), json.loads(body)))
        self.on_answer(len(self.result.answers))
        if headers.get("connection", "").lower() == "close":
            self.transport.close()
        else:
            self._send()

    def connection_lost(self, error: Exception | None) -> None:
        self.result.unanswered += self.waiting
        self.closed.set_result(None)
