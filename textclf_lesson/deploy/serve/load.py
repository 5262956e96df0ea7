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
    """One connection after the other, for a server may close the one it has. A bare HTTP client, so that a measurement
    is of the server and not of a library."""
    place = urlsplit(url)
    while True:
        try:
            reader, writer = await asyncio.open_connection(place.hostname, place.port)
        except OSError:
            result.refused += 1
            return
        is_open = True
        try:
            while is_open:
                position, text = next(left, (None, ""))
                if position is None:
                    return
                body = json.dumps({"text": text}).encode()
                fields = f"Host: x\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
                began = time.perf_counter()
                writer.write(f"POST /classify HTTP/1.1\r\n{fields}\r\n\r\n".encode() + body)
                status, _, fields = (await reader.readuntil(b"\r\n\r\n")).partition(b"\r\n")
                headers = http.client.parse_headers(io.BytesIO(fields))
                answer = await reader.readexactly(int(headers["content-length"]))
                result.latencies.append(time.perf_counter() - began)
                result.answers.append((position, int(status.split()[1]), json.loads(answer)))
                on_answer(len(result.answers))
                is_open = headers.get("connection", "").lower() != "close"
        except (OSError, asyncio.IncompleteReadError):
            result.unanswered += 1
        finally:
            writer.close()
