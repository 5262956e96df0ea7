"""Answers to the items of lesson 12."""

import json

import numpy as np
from scipy.stats import entropy

from tests.exercises.answers import right, wrong
from textclf_lesson import monitor
from textclf_lesson.calibration import wilson
from textclf_lesson.check import monitoring as items


@wrong("answer_body", "For a misspelt key your handler ends in an exception")
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


@wrong("answer_body", "Here the *model* broke, and the sender is told 422")
def catches_everything(body, classify):
    if len(body) > 64_000:
        return 413, {"detail": "Too large."}
    try:
        text = json.loads(body)["text"]
        assert isinstance(text, str) and text.strip()
        return 200, {"label": classify([text])[0]}
    except Exception:
        return 422, {"detail": 'Send JSON like {"text": "A film."}.'}


@wrong("answer_body", "the sender is not told what to send")
def says_wrong_and_no_more(body, classify):
    try:
        text = json.loads(body)["text"]
    except (ValueError, LookupError, TypeError):
        return 422, {"detail": "Unprocessable entity"}
    return 200, {"label": classify([text])[0]}


@wrong("answer_body", "Look at the size before anything else")
def reads_whatever_comes(body, classify):
    try:
        text = json.loads(body)["text"]
        assert isinstance(text, str) and text.strip()
    except Exception:
        return 422, {"detail": 'Send JSON like {"text": "A film."}.'}
    label = classify([text])[0]
    return (413, {"detail": "Too large."}) if len(body) > 64_000 else (200, {"label": label})


@wrong("answer_body", "return two things, a status and a dictionary")
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


@wrong("serve_burst", "to the last place still fits")
def one_place_too_few(requests, room, compute):
    taken, replies = 0, []
    for own in requests:
        fits = taken + len(own) < room
        taken += len(own) if fits else 0
        replies.append((200, compute(own)) if fits else (503, None))
    return replies


@wrong("serve_burst", "other people's results")
def counts_refused_ones(requests, room, compute):
    accepted, at, replies = [], 0, []
    for own in requests:
        fits = len(accepted) + len(own) <= room
        accepted += own if fits else []
        replies.append((200, slice(at, at + len(own))) if fits else (503, None))
        at += len(own)
    results = compute(accepted)
    return [(status, results[part] if part else None) for status, part in replies]


@wrong("serve_burst", "were accepted. Nobody waits")
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


def _new(now, before, reference):
    new = [now[label] - before.get(label, 0) for label in reference]
    return [now[label] for label in reference] if min(new) < 0 else new


@wrong("drift", "divergence of the reference from the window")
def the_wrong_way_round(now, before, reference):
    p, q = monitor.smooth(_new(now, before, reference)), monitor.smooth(list(reference.values()))
    return (q * np.log(q / p)).sum()


@wrong("drift", "Those are bits")
def in_bits(now, before, reference):
    p, q = monitor.smooth(_new(now, before, reference)), monitor.smooth(list(reference.values()))
    return (p * np.log2(p / q)).sum()


@wrong("drift", "monitor.smooth both")
def not_smoothed(now, before, reference):
    return entropy(_new(now, before, reference), list(reference.values()))


@wrong("drift", "raised KeyError")
def every_label_was_there_before(now, before, reference):
    new = [now[label] - before[label] for label in reference]
    return monitor.kl(monitor.smooth(new), monitor.smooth(list(reference.values())))


@wrong("drift", "What came *in between*?")
def since_the_beginning(now, before, reference):
    return monitor.kl(monitor.smooth([now[k] for k in reference]), monitor.smooth(list(reference.values())))


@wrong("drift", "What is new then?")
def knows_no_new_start(now, before, reference):
    new = [now[label] - before.get(label, 0) for label in reference]
    return monitor.kl(monitor.smooth(new), monitor.smooth(list(reference.values())))


@wrong("drift", "the others are new as a whole, too")
def starts_one_label_anew(now, before, reference):
    new = [now[k] - before.get(k, 0) if now[k] >= before.get(k, 0) else now[k] for k in reference]
    return monitor.kl(monitor.smooth(new), monitor.smooth(list(reference.values())))


@wrong("drift", "it does not mean that nothing was said")
def cuts_at_zero(now, before, reference):
    new = [max(0, now[label] - before.get(label, 0)) for label in reference]
    return monitor.kl(monitor.smooth(new), monitor.smooth(list(reference.values())))


@right("drift")
def with_scipy(now, before, reference):
    anew = any(now[label] < said for label, said in before.items())
    new = [now[label] - (0 if anew else before.get(label, 0)) for label in reference]
    return entropy(monitor.smooth(new), monitor.smooth([*reference.values()]))


@wrong("alarm_line", "You take the reference for the truth")
def takes_the_reference_for_the_truth(counts, n, level):
    drawn = np.random.default_rng(0).multinomial(n, counts / counts.sum(), 10_000)
    return np.quantile(monitor.kl(monitor.smooth(drawn), monitor.smooth(counts)), 1 - level)


@wrong("alarm_line", "which quantile is that?")
def the_other_end(counts, n, level):
    rng = np.random.default_rng(0)
    drawn = rng.multinomial(n, rng.dirichlet(counts + 0.5, 10_000))
    return np.quantile(monitor.kl(monitor.smooth(drawn), monitor.smooth(counts)), level)


@wrong("alarm_line", "the rule of thumb")
def as_one_always_does(counts, n, level):
    return 0.25


@wrong("alarm_line", "with windows of 200 and a level of 5%")
def windows_as_large_as_the_reference(counts, n, level):
    rng = np.random.default_rng(0)
    drawn = rng.multinomial(sum(counts), rng.dirichlet(counts + 0.5, 10_000))
    return np.quantile(monitor.kl(monitor.smooth(drawn), monitor.smooth(counts)), 1 - level)


@right("alarm_line")
def by_drawing_rows(counts, n, level):
    rng, rows = np.random.default_rng(5), np.repeat(np.arange(len(counts)), counts)
    distances = []
    for _ in range(8000):
        again = np.bincount(rng.choice(rows, len(rows)), minlength=len(counts))
        window = np.bincount(rng.choice(len(counts), n, p=again / again.sum()), minlength=len(counts))
        distances.append(monitor.kl(monitor.smooth(window), monitor.smooth(counts)))
    distances.sort()
    return distances[round((1 - level) * len(distances))]


def _decision(**other):
    right_ones = items._hurried()["right"].to_numpy()[:200]
    low, high = wilson(right_ones.sum(), 200)
    return {"false_alarm": "fan club", "silent": "phones", "accuracy": (low, high), "labels": 100} | other


@wrong("blind_spots", "far below that at home")
def an_alarm_is_an_error():
    return _decision(false_alarm="press office")


@wrong("blind_spots", "Who has lost accuracy")
def the_loudest_is_the_silent_one():
    return _decision(silent="press office")


@wrong("blind_spots", "two hundred labels only")
def from_all_rows():
    right_ones = items._hurried()["right"].to_numpy()
    return _decision(accuracy=wilson(right_ones.sum(), len(right_ones)))


@wrong("blind_spots", "not of the phones")
def accuracy_at_home():
    right_ones = items._films()["right"].to_numpy()[:200]
    return _decision(accuracy=wilson(right_ones.sum(), 200))


@wrong("blind_spots", "nine in ten were asked")
def saves_labels():
    return _decision(labels=50)


@wrong("blind_spots", "fewer would do")
def takes_no_risk():
    return _decision(labels=400)


@right("blind_spots")
def typed_from_the_screen():
    return {"false_alarm": "fan club", "silent": "phones", "accuracy": [0.52, 0.65], "labels": 100.0}


@wrong("quiz", "The model's pass has none", lesson="12")
def async_is_parallel():
    return {"loop": "a", "full": "c", "log": "c", "weekly": "a", "retrain": "b"}


@wrong("quiz", "learn its own mistakes", lesson="12")
def lets_it_teach_itself():
    return {"loop": "b", "full": "c", "log": "c", "weekly": "a", "retrain": "a"}


@right("quiz", lesson="12")
def in_capitals():
    return {"loop": "B", "full": "C", "log": "C", "weekly": "A", "retrain": "B"}
