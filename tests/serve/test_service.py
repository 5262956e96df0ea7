"""The service, as a client sees it: the real server in a process of its own, on a free port of this machine."""

import asyncio
import csv
import json
import signal
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from http.client import HTTPConnection
from itertools import cycle, islice
from urllib.parse import urlsplit

import httpx2
import numpy as np
import pytest
import schemathesis
from hypothesis import given, settings
from schemathesis import GenerationMode

from textclf_lesson import data, serve
from textclf_lesson.modelcard import ModelError
from textclf_lesson.monitor import Window
from textclf_lesson.onnx_classifier import OnnxClassifier
from textclf_lesson.serve import wire
from textclf_lesson.serve.app import create_app
from textclf_lesson.serve.batching import Batcher, OverloadError
from textclf_lesson.serve.load import load

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


def sentence(response, status):
    """The detail of an answer that must have this status and be a sentence."""
    assert response.status_code == status, response.text
    detail = response.json()["detail"]
    assert detail[0].isalpha() and detail[-1] in ".", detail
    return detail


def counts(client):
    """The samples of /metrics by name and labels."""
    lines = [line.rpartition(" ") for line in client.get("/metrics").text.splitlines() if line[0] != "#"]
    return {name: float(value) for name, _, value in lines}


def copy(folder, to, **changes):
    """The exported folder again, with changes to its config.json."""
    to.mkdir()
    for path in folder.iterdir():
        (to / path.name).symlink_to(path)
    if changes:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        (to / "config.json").unlink()
        (to / "config.json").write_text(json.dumps(config | changes), encoding="utf-8")
    return to


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


def test_of_several_labels_those_above_their_thresholds(folder, tmp_path, texts):
    """The same model, read as one of two independent labels: half of the texts are to reach each threshold."""
    multi = copy(folder, tmp_path / "multi", problem_type="multi_label_classification")
    medians = np.median(OnnxClassifier(multi).predict_proba(texts[:60]), axis=0).round(6).tolist()
    (multi / "thresholds.json").write_text(json.dumps(dict(zip(["negative", "positive"], medians, strict=True))))
    is_yes = OnnxClassifier(multi).predict(texts[:60]).astype(bool)
    expected = [[n for n, yes in zip(["negative", "positive"], row, strict=True) if yes] for row in is_yes]
    with serve.running(multi) as url, httpx2.Client(base_url=url, trust_env=False, timeout=60) as client:
        answers = client.post("/classify", json={"texts": texts[:60]}).json()["results"]
        empty = client.post("/classify", json={"text": "the"}).json()
        about, metrics = client.get("/model").json(), counts(client)
    assert [answer["labels"] for answer in answers] == expected
    assert about["thresholds"] == dict(zip(["negative", "positive"], medians, strict=True))
    said = [*expected, empty["labels"]]
    for label in ("negative", "positive"):
        assert metrics[f'textclf_predictions_total{{label="{label}"}}'] == sum(label in own for own in said) > 0
    assert metrics['textclf_predictions_total{label="(none)"}'] == said.count([])


# --- what is refused --------------------------------------------------------------------------------------------------

WRONG = {
    "no JSON": (b"GOOD", "Invalid JSON"),
    "empty": (b"", "Invalid JSON"),
    "cut off": (b'{"text": "a', "Invalid JSON"),
    "invalid UTF-8": (b'{"text": "\xff\xfe"}', "Invalid JSON"),
    "half a surrogate pair": (rb'{"text": "\ud83d"}', "Invalid JSON"),
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
def test_the_service_does_as_its_openapi_document_says(service, mode):
    """Schemathesis sends what fits the document, and what does not: the answers must be those it tells of."""
    schema = schemathesis.openapi.from_url(f"{service.base_url}/openapi.json")

    @given(schema["/classify"]["post"].as_strategy(generation_mode=mode))
    @settings(max_examples=40, deadline=None, derandomize=True, database=None)
    def ask(case):
        case.call_and_validate()

    ask()
    for path in ("/healthz", "/readyz", "/metrics", "/model"):
        schema[path]["get"].Case().call_and_validate()


def test_the_examples_of_the_document_are_answered_as_it_says(service):
    operation = service.get("/openapi.json").json()["paths"]["/classify"]["post"]
    one, several = operation["requestBody"]["content"]["application/json"]["schema"]["examples"]
    shown = operation["responses"]["200"]["content"]["application/json"]["examples"]
    assert service.post("/classify", json=one).json() == shown["a text"]["value"]
    assert set(service.post("/classify", json=several).json()) == set(shown["texts"]["value"])


# --- operations -------------------------------------------------------------------------------------------------------


def test_the_counters_count_and_the_monitor_reads_them(service, texts):
    before, window = counts(service), Window.from_metrics(service.get("/metrics").text)
    answers = service.post("/classify", json={"texts": texts[:50]}).json()["results"]
    service.post("/classify", content=b"{}")
    after = counts(service)
    gained = {name: after[name] - before.get(name, 0) for name in after}
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


def test_the_service_needs_neither_torch_nor_transformers(folder):
    code = (
        "import sys; from textclf_lesson.serve import server; server.create_app(sys.argv[1]);"
        "print({'torch', 'transformers', 'sklearn'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code, folder], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


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


# --- load, overload, the end ------------------------------------------------------------------------------------------


def logged(path):
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


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
    def ask(_):
        return httpx2.post(f"{url}/classify", json={"texts": ["word " * 20] * 100}, trust_env=False, timeout=60)

    with serve.running(folder, queue=100) as url, ThreadPoolExecutor(12) as senders:
        answers = list(senders.map(ask, range(18)))
    refused = [answer for answer in answers if answer.status_code == 503]
    assert refused and len(refused) < 18
    for answer in refused:
        assert int(answer.headers["retry-after"]) >= 1
        sentence(answer, 503)


@contextmanager
def textclf_serve(*arguments):
    command = [sys.executable, "-c", "from textclf_lesson.cli import app; app()", "serve", "--port", "0", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as child:
        try:
            yield child
        finally:
            child.kill()  # if it is still there, the test has failed


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
        with closing(HTTPConnection(place.hostname, place.port, timeout=60)) as line:
            line.request("POST", "/classify", body)
            first = line.getresponse()
            assert first.read() and first.status == 200
            child.send_signal(signal.SIGTERM)
            with pytest.raises(OSError):
                while True:
                    socket.create_connection((place.hostname, place.port)).close()
            line.request("POST", "/classify", body)
            answer = line.getresponse()
            assert answer.read() and answer.status == 200
        assert answer.getheader("connection") == "close"
        child.communicate(timeout=60)
    assert child.returncode == 0


def test_several_workers_count_together(folder, texts):
    with serve.running(folder, workers=2) as url, httpx2.Client(base_url=url, trust_env=False, timeout=60) as client:
        load(url, islice(texts, 80), connections=8)
        totals = {counts(client)["textclf_confidence_count"] for _ in range(5)}
        metrics = counts(client)
    assert totals == {80}
    assert metrics['textclf_requests_total{status="200"}'] == 80 and metrics["textclf_queue_depth"] == 0


def test_the_log_holds_time_label_and_confidence_and_no_text(folder, tmp_path):
    log = tmp_path / "predictions.csv"
    log.write_text("time,label,confidence\n2026-01-01T00:00:00.000+00:00,positive,0.75\n", encoding="utf-8")
    with serve.running(folder, log=log) as url:
        answer = httpx2.post(f"{url}/classify", json={"text": GOOD}, trust_env=False, timeout=60).json()
    before, row = logged(log)  # of an earlier run: it goes on below
    assert (row["label"], float(row["confidence"])) == (answer["label"], answer["confidence"])
    assert [*row] == ["time", "label", "confidence"] and row["time"] > before["time"]
    assert "film" not in log.read_text(encoding="utf-8")


# --- what does not start ----------------------------------------------------------------------------------------------


def failure(*arguments):
    """What `textclf serve` says when it does not start: one sentence or two, no traceback."""
    with textclf_serve(*arguments) as child:
        output, errors = child.communicate(timeout=60)
    assert (child.returncode, output) == (1, "") and "Traceback" not in errors
    return errors


def test_a_second_server_on_a_port_is_told_so(service, folder):
    port = str(service.base_url.port)
    said = failure("--model", folder, "--port", port)
    assert f"Port {port} of 127.0.0.1 cannot be opened" in said and "--port 0" in said
    assert service.get("/healthz").status_code == 200


def test_a_folder_that_cannot_be_served_is_refused(folder, tmp_path):
    lacking = copy(folder, tmp_path / "lacking")
    (lacking / "config.json").unlink()
    with pytest.raises(ModelError, match=r"lacks config\.json"):
        create_app(lacking)
    other = copy(folder, tmp_path / "other", textclf_lesson={}, id2label={"0": "a", "1": "b", "2": "c"})
    assert "names 3 labels in config.json, but its model gives 2" in failure("--model", other, "--workers", "2")
    pickled = copy(folder, tmp_path / "pickled")
    (pickled / "pytorch_model.bin").write_bytes(b"\x80\x04.")
    assert "pickle" in failure("--model", pickled)


def test_a_log_that_cannot_be_written_stops_it_at_once(folder, tmp_path):
    assert "No such file" in failure("--model", folder, "--log", tmp_path / "nowhere" / "log.csv")


def test_in_a_notebook_the_reason_is_raised(tmp_path):
    with pytest.raises(RuntimeError, match="did not start: There is no folder"), serve.running(tmp_path / "nowhere"):
        pass
