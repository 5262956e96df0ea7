"""The items of exercise 12: serving."""

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import numpy as np

from textclf_lesson.base.errors import CheckFailed
from textclf_lesson.check.core import Answer, guess, item
from textclf_lesson.check.quiz import questions, quiz  # noqa: F401
from textclf_lesson.check.sources import film_classifier, tables

__getattr__ = guess(__name__)

LARGEST = 64_000
WRONG_BODIES = {
    "a misspelt key": b'{"txt": "A warm, funny film."}',
    "a number instead of a text": b'{"text": 42}',
    "a body that is not JSON": b"text=A warm, funny film.",
    "a list instead of an object": b'["A warm, funny film."]',
    "the JSON word null": b"null",
    "bytes that are not UTF-8": b'{"text": "\xff\xfe"}',
    "a text of blanks only": b'{"text": "  "}',
}


def _texts(seed: int, n: int) -> list[str]:
    return tables("movie-snippets")["validation"]["text"].sample(n, random_state=seed).tolist()


@item
def answer_body(answer: Answer, seed: int = 0) -> Iterator[str]:
    """Takes the bytes of a request and the model; returns (status, dictionary)."""
    asked: list[list[str]] = []

    def classify(texts: list[str]) -> list[str]:
        asked.append(texts)
        return [["negative", "positive"][label] for label in film_classifier().predict(texts)]

    text = _texts(seed, 1)[0]
    status, reply = _reply(answer, answer(json.dumps({"text": text}).encode(), classify), "a good request")
    expected = classify([text])[0]
    if status != 200 or reply.get("label") != expected:
        raise CheckFailed(
            f"A good request should be answered with 200 and its label, {expected!r}; you return {status} and "
            f"{str(reply)[:60]}."
        )
    yield "a text gets its label"
    for what, body in WRONG_BODIES.items():
        try:
            value = answer(body, classify)
        except CheckFailed as failed:
            if f"`{answer.name}` raised " not in str(failed):
                raise
            raise CheckFailed(
                f"For {what} your handler raises an exception, so the sender gets 500, *the service is broken*. Whose "
                "fault is it?"
            ) from None
        status, reply = _reply(answer, value, what)
        if status != 422:
            raise CheckFailed(f"For {what} the status should be 422, the sender's mistake; you return {status:g}.")
        if "text" not in str(reply.get("detail", "")):
            raise CheckFailed(
                f"For {what} the message does not say what to send: `detail` should be a sentence that names the key."
            )
    yield "a wrong request gets 422 and says what to send"
    asked.clear()
    status, _ = _reply(answer, answer(json.dumps({"text": text * LARGEST}).encode(), classify), "a huge body")
    if asked:
        raise CheckFailed("A body of several megabytes reached the model. Check the size first.")
    if status != 413:
        raise CheckFailed(f"A body of more than 64,000 bytes should get 413; it gets {status:g}.")
    yield "too large a body gets 413"

    def broken(texts: list[str]) -> list[str]:
        raise RuntimeError("the model's file is damaged")

    try:
        status, _ = _reply(answer, answer(json.dumps({"text": text}).encode(), broken), "a broken model")
    except CheckFailed as failed:
        if f"`{answer.name}` raised " not in str(failed):
            raise
        status = 500
    if status != 500:
        raise CheckFailed(
            f"Here the *model* raised an error, and you return {status:g}. The operators of the service must see it: "
            "catch only errors that a wrong request can cause."
        )
    yield "an error of the model gets 500"


def _reply(answer: Answer, value: Any, what: str) -> tuple[float, Mapping]:
    if not isinstance(value, tuple | list) or len(value) != 2 or not isinstance(value[1], Mapping):
        raise CheckFailed(f"For {what} return a pair, (status, dictionary).")
    return answer.as_number(value[0], f"the status for {what}"), value[1]


@item
def serve_burst(answer: Answer, seed: int = 0) -> Iterator[str]:
    """Takes requests (lists of texts), the queue's size in texts, the model; returns (status, results) for each."""
    sizes, room = ([3, 2, 4, 1, 2, 1], 8) if seed % 2 == 0 else ([2, 5, 3, 1, 4, 1], 8)
    texts, requests, passes = _texts(seed, sum(sizes)), [], []
    for size in sizes:
        requests.append(texts[:size])
        texts = texts[size:]
    chances = {
        t: f"{p:.6f}" for own in requests for t, p in zip(own, film_classifier().predict_proba(own)[:, 1], strict=True)
    }

    def compute(some: list[str]) -> list[str]:
        passes.append(list(some))
        return [chances[text] for text in some]

    fits, taken = [], 0
    for size in sizes:
        fits.append(taken + size <= room)
        taken += size * fits[-1]
    value = answer(requests, room, compute)
    pairs = value if isinstance(value, list | tuple) else []
    if len(pairs) != len(sizes) or not all(isinstance(pair, tuple | list) and len(pair) == 2 for pair in pairs):
        raise CheckFailed("Return a list with one pair for each request: (200, its results) or (503, None).")
    statuses = [answer.as_number(status, "a status") for status, _ in pairs]
    first, last = fits.index(False), len(fits) - 1 - fits[::-1].index(True)
    if all(status == 200 for status in statuses):
        raise CheckFailed("You accept everything. In a queue without a limit, everybody waits until they give up.")
    if statuses[first:] == [503] * (len(sizes) - first):
        raise CheckFailed(
            "After the first refusal you refuse all others. A refused request takes no space: a later, smaller one "
            "may still fit."
        )
    if statuses[last] != 200 and statuses[:last] == [200 if fit else 503 for fit in fits[:last]]:
        raise CheckFailed("A request that fills the queue exactly still fits.")
    if statuses != [200 if fit else 503 for fit in fits]:
        raise CheckFailed(
            f"Requests of {sizes} texts, a queue of {room}: the statuses should not be {list(map(int, statuses))}. "
            "Subtract the texts of accepted requests only."
        )
    yield "a request that does not fit gets 503"
    if len(passes) != 1:
        raise CheckFailed(f"The model was called {len(passes)} times. One pass over all accepted texts is faster.")
    if len(passes[0]) != taken:
        raise CheckFailed(
            f"The model got {len(passes[0])} texts, but {taken} were accepted. Leave out the refused ones."
        )
    yield "one pass for all"
    for own, fit, (_, results) in zip(requests, fits, pairs, strict=True):
        if not fit and results is not None:
            raise CheckFailed("With a 503 return None: there are no results.")
        if fit and (not isinstance(results, list | tuple | np.ndarray) or list(results) != [chances[t] for t in own]):
            raise CheckFailed(
                "A request got the results of another. Where do the results of each request begin and end?"
            )
    yield "each request gets its own results"


KEPT = ("time", "label", "confidence", "version", "truncated")


@item
def log_line(answer: Answer, seed: int = 0) -> Iterator[str]:
    """Takes what a service knows of an answer; returns the line of the log, without the text."""
    rng = np.random.default_rng(seed)
    for text in _texts(seed + 50, 4):
        confidence, moment = float(rng.uniform(0.5, 1)), int(rng.integers(1_700_000_000, 1_900_000_000))
        label, version = str(rng.choice(["negative", "positive"])), f"{rng.integers(16**11, 16**12):x}"
        record = {"text": text, "label": label, "confidence": confidence, "scores": {label: confidence}}
        record |= {"truncated": bool(rng.integers(2)), "version": version, "time": moment}
        value = answer(record)
        if not isinstance(value, Mapping):
            raise CheckFailed("Return a dictionary: the line of the log by the names of its columns.")
        if any(text[:20] in str(one) for one in value.values()):
            raise CheckFailed("The text stands in the line. A log lives for years and is copied: leave it out.")
        if more := [key for key in value if key not in KEPT]:
            raise CheckFailed(
                f"Leave out {more[0]!r}. Whoever guesses a text can compare its hash, its length or its scores."
            )
        if lacking := [key for key in KEPT if key not in value]:
            raise CheckFailed(f"The line has no {lacking[0]!r}.")
        written, due = str(value["time"]), datetime.fromtimestamp(moment, UTC).isoformat()
        if written != due:
            zone = " Say which time zone: UTC." if "+00:00" not in written else ""
            raise CheckFailed(f"For the second {moment} write {due!r}, not {written!r}.{zone}")
        if answer.as_number(value["confidence"], "confidence") != round(confidence, 3):
            raise CheckFailed(
                f"Round the confidence {confidence} to three decimals: all its digits are nearly a fingerprint of "
                "the text."
            )
        if any(value[key] != record[key] for key in ("label", "version", "truncated")):
            raise CheckFailed("Take label, version and truncated as they are: they say which model answered.")
    yield "time, label, confidence, version and truncated"
    yield "nothing that tells the text"
