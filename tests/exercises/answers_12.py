"""Answers to the items of exercise 12."""

import hashlib
import json
from datetime import UTC, datetime, timedelta

from tests.exercises.answers import right, wrong


@wrong("answer_body", "For a misspelt key your handler raises an exception")
def as_the_textbook(body, classify):
    return 200, {"label": classify([json.loads(body)["text"]])[0]}


@wrong("answer_body", "For a number instead of a text the status should be 422")
def any_value_is_a_text(body, classify):
    if len(body) > 64_000:
        return 413, {"detail": "Too large."}
    try:
        return 200, {"label": classify([str(json.loads(body)["text"])])[0]}
    except (ValueError, LookupError, TypeError):
        return 422, {"detail": 'Send JSON like {"text": "A film."}.'}


@wrong("answer_body", "Here the *model* raised an error, and you return 422")
def catches_everything(body, classify):
    if len(body) > 64_000:
        return 413, {"detail": "Too large."}
    try:
        text = json.loads(body)["text"]
        assert isinstance(text, str) and text.strip()
        return 200, {"label": classify([text])[0]}
    except Exception:
        return 422, {"detail": 'Send JSON like {"text": "A film."}.'}


@wrong("answer_body", "the message does not say what to send")
def says_wrong_and_no_more(body, classify):
    try:
        text = json.loads(body)["text"]
    except (ValueError, LookupError, TypeError):
        return 422, {"detail": "Unprocessable entity"}
    return 200, {"label": classify([text])[0]}


@wrong("answer_body", "Check the size first")
def reads_whatever_comes(body, classify):
    try:
        text = json.loads(body)["text"]
        assert isinstance(text, str) and text.strip()
    except Exception:
        return 422, {"detail": 'Send JSON like {"text": "A film."}.'}
    label = classify([text])[0]
    return (413, {"detail": "Too large."}) if len(body) > 64_000 else (200, {"label": label})


@wrong("answer_body", "return a pair, (status, dictionary)")
def the_label_alone(body, classify):
    return classify([json.loads(body)["text"]])[0]


@right("answer_body")
def with_a_match(body, classify):
    if len(body) > 64_000:
        return [413, {"detail": "at most 64,000 bytes"}]
    try:
        question = json.loads(body.decode("utf-8"))
    except ValueError:
        question = None
    match question:
        case {"text": str(text)} if not text.isspace() and text:
            try:
                return [200, {"label": classify([text])[0]}]
            except RuntimeError:
                return [500, {"detail": "The model failed."}]
    return [422, {"detail": "The key text is missing, or holds no text."}]


@wrong("serve_burst", "The model was called 4 times")
def one_at_a_time(requests, room, compute):
    replies = []
    for own in requests:
        fits = room >= len(own)
        room -= len(own) if fits else 0
        replies.append((200, compute(own)) if fits else (503, None))
    return replies


@wrong("serve_burst", "You accept everything")
def without_an_end(requests, room, compute):
    results = iter(compute([text for own in requests for text in own]))
    return [(200, [next(results) for _ in own]) for own in requests]


@wrong("serve_burst", "may still fit")
def closes_the_door(requests, room, compute):
    replies, full = [], False
    for own in requests:
        full = full or len(own) > room
        room -= len(own)
        replies.append((503, None) if full else (200, compute(own)))
    return replies


@wrong("serve_burst", "fills the queue exactly still fits")
def one_place_too_few(requests, room, compute):
    taken, replies = 0, []
    for own in requests:
        fits = taken + len(own) < room
        taken += len(own) if fits else 0
        replies.append((200, compute(own)) if fits else (503, None))
    return replies


@wrong("serve_burst", "got the results of another")
def counts_refused_ones(requests, room, compute):
    accepted, at, replies = [], 0, []
    for own in requests:
        fits = len(accepted) + len(own) <= room
        accepted += own if fits else []
        replies.append((200, slice(at, at + len(own))) if fits else (503, None))
        at += len(own)
    results = compute(accepted)
    return [(status, results[part] if part else None) for status, part in replies]


@wrong("serve_burst", "were accepted. Leave out the refused ones")
def computes_all_the_same(requests, room, compute):
    results, replies = compute([text for own in requests for text in own]), []
    for own in requests:
        fits, room = len(own) <= room, room - len(own) * (len(own) <= room)
        replies.append((200, results[: len(own)]) if fits else (503, None))
        results = results[len(own) :]
    return replies


@right("serve_burst")
def by_an_iterator(requests, room, compute):
    accepted = {}
    for number, own in enumerate(requests):
        if sum(map(len, accepted.values())) + len(own) <= room:
            accepted[number] = own
    results = iter(compute([text for own in accepted.values() for text in own]))
    return [[200, [next(results) for _ in own]] if n in accepted else [503, None] for n, own in enumerate(requests)]


@wrong("log_line", "leave it out")
def keeps_all(record):
    return record | {"time": datetime.fromtimestamp(record["time"], UTC).isoformat()}


@wrong("log_line", "can compare its hash")
def a_hash_of_the_text(record):
    kept = {key: record[key] for key in ("label", "version", "truncated")}
    moment = datetime.fromtimestamp(record["time"], UTC).isoformat()
    code = hashlib.sha256(record["text"].encode()).hexdigest()
    return kept | {"time": moment, "confidence": round(record["confidence"], 3), "hash": code}


@wrong("log_line", "Say which time zone")
def without_a_zone(record):
    kept = {key: record[key] for key in ("label", "version", "truncated")}
    moment = datetime.fromtimestamp(record["time"], UTC).replace(tzinfo=None).isoformat()
    return kept | {"time": moment, "confidence": round(record["confidence"], 3)}


@wrong("log_line", "nearly a fingerprint")
def every_digit(record):
    kept = {key: record[key] for key in ("label", "version", "truncated", "confidence")}
    return kept | {"time": datetime.fromtimestamp(record["time"], UTC).isoformat()}


@right("log_line")
def by_leaving_out(record):
    line = {key: value for key, value in record.items() if key not in ("text", "scores")}
    line["confidence"] = float(f"{record['confidence']:.3f}")
    line["time"] = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=record["time"])).isoformat()
    return line


@wrong("quiz", "The model's pass has none", lesson="12")
def async_is_parallel():
    return {"loop": "a", "full": "c", "log": "c"}


@wrong("quiz", "a hash of it is as good", lesson="12")
def logs_a_hash():
    return {"loop": "b", "full": "c", "log": "b"}


@right("quiz", lesson="12")
def in_capitals():
    return {"loop": "B", "full": "C", "log": "C"}
