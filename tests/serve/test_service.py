"""The service, as a client sees it: the real server in a process of its own, on a free port of this machine."""

import asyncio
import json
import select
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from http.client import HTTPConnection, HTTPResponse
from itertools import cycle, islice
from urllib.parse import urlsplit

import httpx2
import numpy as np
import pytest
import schemathesis
from hypothesis import given, settings
from schemathesis import GenerationMode
from service_client import copy, counts, failure, gains, logged, renamed, sentence, textclf_serve

from textclf_lesson import data
from textclf_lesson.base.errors import ModelError, OverloadError, ServiceError
from textclf_lesson.deploy import serve
from textclf_lesson.deploy.onnx_classifier import OnnxClassifier
from textclf_lesson.deploy.serve import server, wire
from textclf_lesson.deploy.serve.app import create_app
from textclf_lesson.deploy.serve.batching import Batcher
from textclf_lesson.deploy.serve.load import load
from textclf_lesson.deploy.traffic import Window, read_log

GOOD = "A lovely, funny, moving film."


@pytest.fixture(scope="module")
def texts():
    return data.load("movie-snippets")["test"]["text"][:]


@pytest.fixture(scope="module")
def folder(sentiment):
    return sentiment


@pytest.fixture(scope="module")
def service(folder):
    with serve.running(folder) as url, httpx2.Client(base_url=url, trust_env=False, timeout=60) as client:
        yield client


@pytest.fixture(scope="module")
def tagging(folder, texts, tmp_path_factory):
    """The folder of the same model, read as one of two independent labels: half of the texts reach each threshold."""
    multi = copy(folder, tmp_path_factory.mktemp("tagging") / "model", problem_type="multi_label_classification")
    medians = np.median(OnnxClassifier(multi).predict_proba(texts[:60]), axis=0).round(6).tolist()
    (multi / "thresholds.json").write_text(json.dumps(dict(zip(["negative", "positive"], medians, strict=True))))
    return multi


@pytest.fixture(scope="module")
def tagger(tagging):
    with serve.running(tagging) as url, httpx2.Client(base_url=url, trust_env=False, timeout=60) as client:
        yield client


# --- answers ----------------------------------------------------------------------------------------------------------


def test_one_text_and_several_get_what_the_model_says(service, folder, texts):
    expected = OnnxClassifier(folder).predict_proba(texts[:40])
    one = service.post("/classify", json={"text": texts[0]}).json()
    several = service.post("/classify", json={"texts": texts[:40]}).json()["results"]
    assert np.array([[*answer["scores"].values()] for answer in several]) == pytest.approx(expected, abs=1e-4)
    assert one["scores"] == pytest.approx(several[0]["scores"], abs=1e-4)
    for answer in [one, *several]:
        assert answer["label"] == max(answer["scores"], key=answer["scores"].get)
        assert answer["confidence"] == answer["scores"][answer["label"]]
    assert service.post("/classify", json={"text": GOOD}).json()["label"] == "positive"


def test_concurrent_requests_each_get_their_own_answer(service, folder, texts):
    """They are computed together: an answer must not go to a neighbour."""
    result = load(str(service.base_url), texts[:150])
    expected = OnnxClassifier(folder).predict_proba(texts[:150])
    found = {position: [*body["scores"].values()] for position, status, body in result.answers if status == 200}
    assert sorted(found) == [*range(150)]
    assert np.array([found[position] for position in range(150)]) == pytest.approx(expected, abs=1e-4)


def test_of_several_labels_those_above_their_thresholds(tagger, tagging, texts):
    model, before = OnnxClassifier(tagging), counts(tagger)
    is_yes = model.predict(texts[:60]).astype(bool)
    expected = [[n for n, yes in zip(["negative", "positive"], row, strict=True) if yes] for row in is_yes]
    answers = tagger.post("/classify", json={"texts": texts[:60]}).json()["results"]
    empty = tagger.post("/classify", json={"text": "the"}).json()
    assert [answer["labels"] for answer in answers] == expected
    assert tagger.get("/model").json()["thresholds"] == model.thresholds
    predicted, gained = [*expected, empty["labels"]], gains(tagger, before)
    for label in ("negative", "positive"):
        assert gained[f'textclf_predictions_total{{label="{label}"}}'] == sum(label in own for own in predicted) > 0
    assert gained['textclf_predictions_total{label="(none)"}'] == predicted.count([])


@pytest.mark.parametrize("names", [["(none)", "b"], ["((none))", "(none)"], ["none", "(None)"]])
def test_a_label_that_is_called_none_is_not_none_of_the_labels(tagging, texts, tmp_path, names):
    folder = renamed(tagging, tmp_path / "model", names)
    kept = json.loads((tagging / "thresholds.json").read_text())
    (folder / "thresholds.json").unlink()
    (folder / "thresholds.json").write_text(json.dumps(dict(zip(names, kept.values(), strict=True))))
    log = tmp_path / "log.csv"
    with serve.running(folder, log=log) as url, httpx2.Client(base_url=url, trust_env=False, timeout=60) as client:
        answers = client.post("/classify", json={"texts": [*texts[:60], "the"]}).json()["results"]
        none, found = client.get("/model").json()["counted_as_none"], counts(client)
        window = Window.from_metrics(client.get("/metrics").text)
    given = [label for answer in answers for label in answer["labels"] or [None]]
    assert none not in names and set(given) >= {*names, None}
    expected = {name: given.count(name) for name in names} | {none: given.count(None)}
    assert {name: found[f'textclf_predictions_total{{label="{name}"}}'] for name in expected} == expected
    assert window.labels == Window.of(read_log(log)["label"], read_log(log)["confidence"], expected).labels == expected


# --- what is refused --------------------------------------------------------------------------------------------------

WRONG = {
    "no JSON": (b"GOOD", "Invalid JSON"),
    "empty": (b"", "Invalid JSON"),
    "cut off": (b'{"text": "a', "Invalid JSON"),
    "invalid UTF-8": (b'{"text": "\xff\xfe"}', "Invalid JSON"),
    "deep": (b"[" * 200_000, "recursion"),
    "a list": (b'["a"]', "object"),
    "neither": (b"{}", 'either "text" or "texts"'),
    "both": (b'{"text": "a", "texts": ["b"]}', 'either "text" or "texts"'),
    "null": (b'{"text": null}', "text: "),
    "a number": (b'{"text": 7}', "text: Input should be a valid string"),
    "a number among texts": (b'{"texts": ["a", 7]}', "texts.1: Input should be a valid string"),
    "one text as texts": (b'{"texts": "a"}', "texts: Input should be a valid array"),
    "no text": (b'{"texts": []}', "at least 1"),
    "an empty text": (b'{"text": ""}', "at least 1 character"),
    "a blank text": (b'{"texts": ["a", " \\n\\u001c"]}', "texts.1: the text is blank"),
    "an unknown field": (b'{"text": "a", "model": "b"}', "model: "),
    "a long text": (json.dumps({"text": "a" * (wire.MAX_CHARACTERS + 1)}).encode(), "at most 10000 characters"),
    "many texts": (json.dumps({"texts": ["a"] * 10_000}).encode(), "at most 100 items"),
}


@pytest.mark.parametrize("body, reason", WRONG.values(), ids=WRONG)
def test_a_wrong_request_is_answered_with_a_sentence(service, body, reason):
    assert reason in sentence(service.post("/classify", content=body), 422)


def test_a_body_too_large_is_refused_whether_or_not_it_tells_its_length(service):
    body = json.dumps({"text": "a" * 1_000_000}).encode()
    assert "larger than 1,000,000 bytes" in sentence(service.post("/classify", content=body), 413)
    parts = (b"a" * 10_000 for _ in range(500))
    assert "larger than 1,000,000 bytes" in sentence(service.post("/classify", content=parts), 413)
    assert service.post("/classify", json={"text": GOOD}).status_code == 200


def test_the_limits_themselves_are_allowed(service):
    assert len(service.post("/classify", json={"texts": ["a"] * wire.MAX_TEXTS}).json()["results"]) == wire.MAX_TEXTS
    assert service.post("/classify", json={"text": "é" * wire.MAX_CHARACTERS}).status_code == 200


def test_a_sender_that_leaves_in_the_middle_does_no_harm(service):
    host, port = service.base_url.host, service.base_url.port
    with socket.create_connection((host, port)) as connection:
        connection.sendall(b"POST /classify HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{")
    assert service.post("/classify", json={"text": GOOD}).status_code == 200


@pytest.mark.parametrize("mode", GenerationMode)
@pytest.mark.parametrize("kind", ["service", "tagger"])
def test_the_service_does_as_its_openapi_document_says(kind, mode, request):
    """Schemathesis sends what fits the document, and what does not: the answers must be those it tells of."""
    schema = schemathesis.openapi.from_url(f"{request.getfixturevalue(kind).base_url}/openapi.json")

    @given(schema["/classify"]["post"].as_strategy(generation_mode=mode))
    @settings(max_examples=40, deadline=None, derandomize=True, database=None)
    def ask(case):
        case.call_and_validate()

    ask()
    for path in ("/healthz", "/readyz", "/metrics", "/model"):
        schema[path]["get"].Case().call_and_validate()


@pytest.mark.parametrize("kind", ["service", "tagger"])
def test_the_examples_of_the_document_are_answered_as_it_says(kind, request):
    client = request.getfixturevalue(kind)
    operation = client.get("/openapi.json").json()["paths"]["/classify"]["post"]
    one, several = operation["requestBody"]["content"]["application/json"]["schema"]["examples"]
    shown = operation["responses"]["200"]["content"]["application/json"]["examples"]
    assert client.post("/classify", json=one).json() == shown["a text"]["value"]
    assert set(client.post("/classify", json=several).json()) == set(shown["texts"]["value"])


# --- operations -------------------------------------------------------------------------------------------------------


def test_the_counters_count_and_the_monitor_reads_them(service, texts):
    before, window = counts(service), Window.from_metrics(service.get("/metrics").text)
    answers = service.post("/classify", json={"texts": texts[:50]}).json()["results"]
    service.post("/classify", content=b"{}")
    after, gained = counts(service), gains(service, before)
    labels = [answer["label"] for answer in answers]
    for label in ("negative", "positive"):
        assert gained[f'textclf_predictions_total{{label="{label}"}}'] == labels.count(label) > 0
    assert gained['textclf_requests_total{status="200"}'] == gained['textclf_requests_total{status="422"}'] == 1
    assert gained["textclf_confidence_count"] == 50
    assert gained["textclf_confidence_sum"] == pytest.approx(sum(answer["confidence"] for answer in answers))
    assert gained["textclf_latency_seconds_count"] == 2
    assert after["textclf_queue_depth"] == 0
    since = Window.from_metrics(service.get("/metrics").text).since(window)
    assert since.labels == {label: labels.count(label) for label in ("negative", "positive")}


def test_health_and_the_model(service, folder):
    assert service.get("/healthz").json() == {"status": "ok"}
    assert service.get("/readyz").json() == {"status": "ready"}
    about = service.get("/model").json()
    assert about["labels"] == ["negative", "positive"] and about["thresholds"] is None
    assert about["card"] == (folder / "README.md").read_text(encoding="utf-8")
    assert {"onnxruntime", "tokenizers", "textclf_lesson"} <= set(about["versions"])


HEAVY = ["textclf_lesson.course", "matplotlib", "torch", "transformers", "datasets", "sklearn", "scipy", "IPython"]


def test_the_service_loads_neither_the_lessons_nor_what_trains(folder):
    """As `textclf serve` starts it, and after it has answered."""
    ask = "c.post('/classify', json={'text': 'a'}).json()['version']; c.get('/metrics'); c.get('/model')"
    code = (
        "import sys; from textclf_lesson import cli; from textclf_lesson.deploy.serve import server, __main__ as child;"
        "from starlette.testclient import TestClient\n"
        f"with TestClient(server.create_app(sys.argv[1])) as c: {ask}\n"
        f"print(*[name for name in {HEAVY} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code, folder], capture_output=True, text=True, check=True)
    assert done.stdout == "\n"


# --- batching ---------------------------------------------------------------------------------------------------------


def batched(requests, **settings):
    """Submit all requests at once; their results (or errors), and the sizes of the passes."""
    sizes = []

    def lengths(texts):
        sizes.append(len(texts))
        if "bad" in texts:
            raise ZeroDivisionError("of the computation")
        return [len(text) for text in texts]

    async def run():
        async with Batcher(lengths, **settings) as batcher:
            futures = []
            for request in requests:
                try:
                    futures.append(batcher.submit(request))
                except OverloadError as error:
                    futures.append(asyncio.sleep(0, error))
            return await asyncio.gather(*futures, return_exceptions=True)

    return asyncio.run(run()), sizes


def test_requests_of_one_moment_share_passes_and_none_is_divided():
    requests = [["a" * n] for n in range(1, 51)] + [["b"] * 40, ["cc"]]
    results, sizes = batched(requests, batch=32)
    assert results == [[len(text) for text in request] for request in requests]
    assert sizes == [32, 18 + 40, 1]


def test_what_has_no_room_is_told_at_once_and_the_rest_is_computed():
    results, _ = batched([["a"]] * 15, queue=10)
    assert results[:10] == [[1]] * 10
    assert [result.wait for result in results[10:]] == [1] * 5


def test_an_error_reaches_the_requests_of_its_pass_only():
    results, _ = batched([["a"], ["bad"], ["c"], ["d"]], batch=2)
    assert [type(result) for result in results] == [ZeroDivisionError, ZeroDivisionError, list, list]


def test_a_batch_that_is_not_full_waits_for_company():
    sizes = []

    async def run():
        batcher = Batcher(lambda own: sizes.append(len(own)) or own, batch=3, wait=600)
        async with asyncio.timeout(30), batcher:
            first = batcher.submit(["a"])
            await asyncio.sleep(0.05)
            return await asyncio.gather(first, batcher.submit(["b"]), batcher.submit(["c"]))

    assert asyncio.run(run()) == [["a"], ["b"], ["c"]] and sizes == [3]


def test_the_longer_texts_have_taken_the_later_one_is_to_come_back():
    async def run():
        async with Batcher(lambda own: time.sleep(0.05 * len(own)) or own, queue=100) as batcher:
            await batcher.submit(["a"])
            batcher.submit(["b"] * 100)
            with pytest.raises(OverloadError) as overload:
                batcher.submit(["c"])
            return overload.value.wait

    assert asyncio.run(run()) >= 100 * 0.05


def test_a_request_that_is_given_up_leaves_the_others_of_its_pass_their_own_answers():
    async def run():
        async with asyncio.timeout(30), Batcher(lambda own: [text.upper() for text in own]) as batcher:
            first, given_up, last = (batcher.submit(texts) for texts in (["a"], ["b", "c"], ["d"]))
            given_up.cancel()
            return await first, await last, await batcher.submit(["e"])

    assert asyncio.run(run()) == (["A"], ["D"], ["E"])


def test_while_texts_are_computed_the_event_loop_answers(service):
    """Of two large requests one waits for the other to be computed, and all the while somebody must be at the door.

    A loop that computes can answer a question or two between the two requests, and no more.
    """
    body = json.dumps({"texts": ["word " * 200] * wire.MAX_TEXTS})
    place = service.base_url.host, service.base_url.port
    for _ in range(5):  # the machine may have slept meanwhile
        alive = 0
        with closing(HTTPConnection(*place, timeout=60)) as one, closing(HTTPConnection(*place, timeout=60)) as other:
            for line in (one, other):
                line.request("POST", "/classify", body)
            while not select.select([one.sock, other.sock], [], [], 0)[0]:
                one_waits = counts(service)["textclf_queue_depth"] == wire.MAX_TEXTS
                alive += one_waits and service.get("/healthz").json() == {"status": "ok"}
            assert one.getresponse().status == other.getresponse().status == 200
        if alive >= 5:
            break
    assert alive >= 5


# --- load, overload, the end ------------------------------------------------------------------------------------------


def test_overload_is_told_and_nothing_accepted_is_lost(folder, tmp_path):
    """Long texts by many senders at once, more than the queue holds: each is answered, by a label or by 503."""
    log = tmp_path / "predictions.csv"
    long = ["word " * 30] * 400
    with serve.running(folder, queue=100, log=log) as url:
        result = load(url, long, connections=200)
        with httpx2.Client(base_url=url, trust_env=False, timeout=60) as client:
            shed = client.post("/classify", json={"texts": ["a"] * wire.MAX_TEXTS})
            assert shed.status_code == 200 and client.get("/readyz").status_code == 200  # it has recovered
            metrics = counts(client)
    assert result.unanswered == result.refused == 0
    assert set(result.statuses) == {200, 503} and result.statuses.total() == 400
    assert len(logged(log)) == result.statuses[200] + wire.MAX_TEXTS
    assert metrics['textclf_requests_total{status="503"}'] == result.statuses[503]
    detail = next(body["detail"] for _, status, body in result.answers if status == 503)
    assert detail.startswith("Too many texts wait already. Try again in ")


def test_a_full_queue_says_when_to_come_back(folder):
    def ask():
        return httpx2.post(f"{url}/classify", json={"texts": ["word " * 20] * 100}, trust_env=False, timeout=60)

    with serve.running(folder, queue=100) as url, ThreadPoolExecutor(12) as senders:
        asked, ready = [senders.submit(ask) for _ in range(18)], []
        while not all(answer.done() for answer in asked):
            ready.append(httpx2.get(f"{url}/readyz", trust_env=False, timeout=60))
    answers = [answer.result() for answer in asked]
    refused = [answer for answer in answers if answer.status_code == 503]
    assert refused and len(refused) < 18
    for answer in refused:
        assert int(answer.headers["retry-after"]) >= 1
        sentence(answer, 503)
    full = [answer for answer in ready if answer.status_code == 503]
    assert full and {sentence(answer, 503) for answer in full} == {"The queue is full."}


SLOW = b'POST /classify HTTP/1.1\r\nHost: x\r\nContent-Length: 300\r\n\r\n{"text": "'


def test_a_body_that_comes_too_slowly_is_refused_though_it_never_rests(folder):
    with textclf_serve("--model", folder, settings="app.PATIENCE = 0.5") as child:
        url = child.stdout.readline().split()[-1]
        place = urlsplit(url)
        with socket.create_connection((place.hostname, place.port), timeout=60) as line:
            line.sendall(SLOW)
            while not select.select([line], [], [], 0.05)[0]:
                line.sendall(b"a")
            with closing(HTTPResponse(line)) as answer:
                answer.begin()
                assert json.load(answer) == {"detail": "The body did not arrive within 0.5 s."}
        assert (answer.status, answer.getheader("connection")) == (408, "close")
        with httpx2.Client(base_url=url, trust_env=False, timeout=60) as client:
            assert client.post("/classify", json={"text": GOOD}).status_code == 200
            assert counts(client)['textclf_requests_total{status="408"}'] == 1


@pytest.mark.parametrize("workers", [1, 2])
def test_told_to_stop_under_load_it_answers_all_that_it_accepted(folder, tmp_path, texts, workers):
    log = tmp_path / "predictions.csv"
    with textclf_serve("--model", folder, "--workers", str(workers), "--log", log) as child:
        url = child.stdout.readline().split()[-1]
        stop = lambda n: n == 150 and child.send_signal(signal.SIGTERM)  # noqa: E731
        result = load(url, cycle(texts), connections=32, on_answer=stop)
        output, errors = child.communicate(timeout=60)
    assert (child.returncode, output, errors) == (0, "", "")
    assert result.unanswered == 0 and result.refused == 32
    assert set(result.statuses) == {200}
    assert len(logged(log)) == len(result.answers) >= 150


def test_a_request_on_its_way_when_the_port_closes_is_answered(folder):
    """A kept-alive connection is idle when the service is told to stop, and used before its sender can know."""
    body = json.dumps({"text": GOOD})
    with textclf_serve("--model", folder) as child:
        place = urlsplit(child.stdout.readline().split()[-1])
        lines = [HTTPConnection(place.hostname, place.port, timeout=60) for _ in range(2)]
        with closing(lines[0]) as line, closing(lines[1]) as watching:
            line.request("POST", "/classify", body)
            first = line.getresponse()
            assert first.read() and first.status == 200
            watching.request("GET", "/readyz")
            assert watching.getresponse().read() == b'{"status":"ready"}'
            child.send_signal(signal.SIGTERM)
            with pytest.raises(OSError):
                while True:
                    socket.create_connection((place.hostname, place.port)).close()
            line.request("POST", "/classify", body)
            answer = line.getresponse()
            assert answer.read() and answer.status == 200
            watching.request("GET", "/readyz")
            assert (unready := watching.getresponse()).status == 503
            assert json.load(unready) == {"detail": "The service is stopping."}
        assert answer.getheader("connection") == unready.getheader("connection") == "close"
        child.communicate(timeout=60)
    assert child.returncode == 0


def test_what_takes_longer_than_the_end_may_is_given_up_and_told_so(folder):
    body = json.dumps({"texts": ["word " * 200] * wire.MAX_TEXTS})
    with textclf_serve("--model", folder, settings="server.DRAIN = 0.01") as child, ExitStack() as stack:
        place = urlsplit(child.stdout.readline().split()[-1])
        lines = [stack.enter_context(closing(HTTPConnection(place.hostname, place.port, timeout=60))) for _ in range(5)]
        for line in lines:
            line.request("POST", "/classify", body)
        first = select.select([line.sock for line in lines], [], [], 60)[0]
        child.send_signal(signal.SIGTERM)
        answers = [line.getresponse() for line in lines]
        details = [json.load(answer).get("detail") for answer in answers]
        output, errors = child.communicate(timeout=60)
    assert first and {answer.status for answer in answers} == {200, 503}
    assert {detail for detail in details if detail} == {"The service is stopping."}
    assert (child.returncode, output) == (0, "") and "Traceback" not in errors


def test_several_workers_count_together(folder, texts):
    with serve.running(folder, workers=2) as url, httpx2.Client(base_url=url, trust_env=False, timeout=60) as client:
        load(url, islice(texts, 80), connections=8)
        totals = {counts(client)["textclf_confidence_count"] for _ in range(5)}
        metrics = counts(client)
    assert totals == {80}
    assert metrics['textclf_requests_total{status="200"}'] == 80 and metrics["textclf_queue_depth"] == 0


def test_the_log_holds_time_label_confidence_and_version_and_no_text(folder, tmp_path):
    log = tmp_path / "predictions.csv"
    with serve.running(folder, log=log) as url:
        answer = httpx2.post(f"{url}/classify", json={"text": GOOD}, trust_env=False, timeout=60).json()
    (row,) = logged(log)
    assert [*row] == ["time", "label", "confidence", "version"]
    assert (row["label"], float(row["confidence"])) == (answer["label"], answer["confidence"])
    assert row["version"] == answer["version"]
    assert "film" not in log.read_text(encoding="utf-8")


# --- what does not start ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_second_server_on_a_port_is_told_so(service, folder, workers):
    port = str(service.base_url.port)
    printed = failure("--model", folder, "--port", port, "--workers", workers)
    assert printed.startswith(f"Port {port} of 127.0.0.1 cannot be opened") and "--port 0" in printed
    assert len(printed.splitlines()) == 1
    assert service.get("/healthz").status_code == 200


def test_a_folder_that_cannot_be_served_is_refused(folder, tmp_path):
    lacking = copy(folder, tmp_path / "lacking")
    (lacking / "config.json").unlink()
    with pytest.raises(ModelError, match=r"lacks config\.json"):
        create_app(lacking)
    printed = failure("--model", lacking)
    assert "lacks config.json" in printed and len(printed.splitlines()) == 1
    other = copy(folder, tmp_path / "other", textclf_lesson={}, id2label={"0": "a", "1": "b", "2": "c"})
    assert "names 3 labels in config.json, but its model gives 2" in failure("--model", other, "--workers", "2")
    pickled = copy(folder, tmp_path / "pickled")
    (pickled / "pytorch_model.bin").write_bytes(b"\x80\x04.")
    assert "pickle" in failure("--model", pickled)


@pytest.mark.parametrize(
    ("names", "twice"),
    [(["a", "a"], "'a'"), (["1", 1], "'1'"), ([1, 1], "'1'"), ([True, "True"], "'True'"), ([1.0, "1.0"], "'1.0'")],
)
def test_labels_of_one_name_are_refused_for_an_answer_cannot_hold_them(folder, tmp_path, names, twice):
    with pytest.raises(ModelError, match=f"names the label {twice} more than once.*Give the columns different names"):
        create_app(renamed(folder, tmp_path / "model", names))


def test_several_workers_refuse_in_one_sentence_too(folder, tmp_path):
    reason = failure("--model", renamed(folder, tmp_path / "model", ["a", "a"]), "--workers", "2")
    assert "names the label 'a' more than once" in reason and len(reason.splitlines()) == 1


def test_settings_that_cannot_work_are_refused_before_anything_is_opened(tmp_path):
    with pytest.raises(ValueError, match="A queue of 99 is too short: a request may hold 100 texts"):
        create_app(tmp_path / "nowhere", queue=99)
    with pytest.raises(ServiceError, match="0 workers cannot serve"):
        server.serve(tmp_path / "nowhere", workers=0)


def test_a_log_that_cannot_be_written_stops_it_at_once(folder, tmp_path):
    assert "No such file" in failure("--model", folder, "--log", tmp_path / "nowhere" / "log.csv")


def test_in_a_notebook_the_reason_is_raised(tmp_path):
    with pytest.raises(RuntimeError, match="did not start: There is no folder"), serve.running(tmp_path / "nowhere"):
        pass
