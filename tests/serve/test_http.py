"""What HTTP allows beside a plain POST of JSON: each is answered, or refused in a sentence that says what to send."""

import codecs
import gzip
import json
import socket
from urllib.parse import urlsplit

import httpx2
import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper
from service_client import copy, counts, failure, gains, sentence, textclf_serve
from tokenizers import Tokenizer

from textclf_lesson.base.errors import ServiceError
from textclf_lesson.deploy import serve
from textclf_lesson.deploy.serve import server, wire

GOOD = "A lovely, funny, moving film."
BODY = json.dumps({"text": GOOD}).encode()
ACCENTED = '{"text": "Un café."}'
HALVES = [chr(code) for code in (0xD800, 0xD83D, 0xDBFF, 0xDC00, 0xDE00, 0xDFFF)]


@pytest.fixture(scope="module")
def service(sentiment):
    with serve.running(sentiment) as url, httpx2.Client(base_url=url, trust_env=False, timeout=60) as client:
        yield client


# --- methods ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics", "/model", "/openapi.json", "/"])
def test_head_is_get_without_the_body(service, path):
    head, get = service.head(path), service.get(path)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-type"] == get.headers["content-type"]
    assert abs(int(head.headers["content-length"]) - len(get.content)) < 10  # counters may have gained a digit
    assert service.get("/healthz").json() == {"status": "ok"}  # on the same connection: nothing was left on it


@pytest.mark.parametrize(("path", "allowed"), [("/classify", "OPTIONS, POST"), ("/healthz", "GET, HEAD, OPTIONS")])
def test_options_tells_the_methods_and_gives_pages_of_other_sites_no_permission(service, path, allowed):
    origin = {"Origin": "http://elsewhere.example", "Access-Control-Request-Method": "POST"}
    for headers in ({}, origin):
        answer = service.options(path, headers=headers)
        assert (answer.status_code, answer.content, answer.headers["allow"]) == (204, b"", allowed)
        assert not [name for name in answer.headers if name.startswith("access-control")]


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/classify", "OPTIONS, POST"),
        ("PUT", "/classify", "OPTIONS, POST"),
        ("POST", "/healthz", "GET, HEAD, OPTIONS"),
        ("DELETE", "/model", "GET, HEAD, OPTIONS"),
        ("PATCH", "/", "GET, HEAD, OPTIONS"),
    ],
)
def test_a_wrong_method_is_told_the_right_ones(service, method, path, allowed):
    answer = service.request(method, path)
    assert f"{method} is not possible at {path}: use " in sentence(answer, 405)
    assert answer.headers["allow"] == allowed


@pytest.mark.parametrize("path", ["/classify/", "/predict", "/docs", "/caf%C3%A9", "/%ED%A0%BD", "/" + "a" * 3000])
def test_an_address_that_there_is_not_is_told_where_to_ask(service, path):
    answer = service.post(path, content=BODY, follow_redirects=False)
    assert answer.status_code == 307 or "POST to /classify" in sentence(answer, 404)


# --- bodies -----------------------------------------------------------------------------------------------------------

REFUSED = {
    "gzip": (gzip.compress(BODY), {"Content-Encoding": "gzip"}, "compressed (gzip)"),
    "gzip, not announced": (gzip.compress(BODY), {}, "compressed"),
    "brotli": (b"\x0b\x0d\x80", {"Content-Encoding": "br"}, "compressed (br)"),
    "plain, announced as gzip": (BODY, {"Content-Encoding": "GZIP"}, "compressed (gzip)"),
    "two codings": (BODY, {"Content-Encoding": "deflate, gzip"}, "compressed (deflate, gzip)"),
    "latin-1": (ACCENTED.encode("latin-1"), {"Content-Type": "application/json; charset=latin-1"}, "in latin-1"),
    "UTF-8 announced as latin-1": (ACCENTED.encode(), {"Content-Type": "text/plain;charset=ISO-8859-1"}, "iso-8859-1"),
    "UTF-16": (BODY.decode().encode("utf-16-le"), {"Content-Type": "application/json; charset=utf-16"}, "in utf-16"),
    "UTF-16 with its mark": (ACCENTED.encode("utf-16"), {}, "in UTF-16"),
    "XML": (b"<text>A film</text>", {"Content-Type": "application/xml"}, "application/xml, not JSON"),
    "plain text": (b"A film", {"Content-Type": "text/plain; charset=utf-8"}, "text/plain, not JSON"),
    "a form with files": (b"--x\r\n", {"Content-Type": "multipart/form-data; boundary=x"}, "multipart/form-data"),
}


@pytest.mark.parametrize(("body", "headers", "reason"), REFUSED.values(), ids=REFUSED)
def test_what_is_not_plain_json_in_utf8_is_415_and_counted(service, body, headers, reason):
    before = counts(service)
    answer = service.post("/classify", content=body, headers=headers)
    assert reason in sentence(answer, 415)
    assert ("compressed" in reason) == (answer.headers.get("accept-encoding") == "identity")
    assert gains(service, before)['textclf_requests_total{status="415"}'] == 1


TAKEN = {
    "curl -d": "application/x-www-form-urlencoded",
    "plain text": "text/plain",
    "JSON": "application/json",
    "a quoted charset": 'application/json; charset="UTF-8"',
    "capitals": "Application/JSON;Charset=UTF-8",
    "a JSON of its own": "application/vnd.api+json",
    "ASCII in latin-1": "text/plain; charset=ISO-8859-1",
}


@pytest.mark.parametrize("kind", TAKEN.values(), ids=TAKEN)
def test_json_is_taken_whatever_its_name(service, kind):
    expected = service.post("/classify", json={"text": GOOD}).json()
    assert service.post("/classify", content=BODY, headers={"Content-Type": kind}).json() == expected
    marked = codecs.BOM_UTF8 + BODY
    assert service.post("/classify", content=marked, headers={"Content-Encoding": "identity"}).json() == expected


def test_a_form_is_told_to_be_json(service):
    answer = service.post("/classify", data={"text": GOOD})
    assert 'Send JSON: {"text": "…"}' in sentence(answer, 422)


# --- half an emoji ----------------------------------------------------------------------------------------------------


@given(
    st.lists(st.sampled_from([*HALVES, "a", "Ж", "🙂", " ", "?"]), min_size=1, max_size=12).map("".join),
    st.sampled_from([1, 3]),
)
@settings(max_examples=80, deadline=None, derandomize=True, database=None)
def test_half_an_emoji_is_read_as_a_question_mark_and_told(service, text, times):
    whole = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")  # pairs of halves are characters
    text = json.loads(json.dumps(text))
    mended = text.encode("utf-8", "replace").decode()
    if not mended.strip():
        return
    assert len(whole) == len(mended)
    bodies = {"text": text} if times == 1 else {"texts": [GOOD, text, GOOD]}
    answer = service.post("/classify", content=json.dumps(bodies).encode()).json()
    result = answer if times == 1 else answer["results"][1]
    expected = service.post("/classify", json={"text": mended}).json()
    assert result["scores"] == pytest.approx(expected["scores"], abs=1e-4)
    assert result["repaired"] == (mended != text) and expected["repaired"] is False
    if times == 3:
        assert [answer["results"][at]["repaired"] for at in (0, 2)] == [False, False]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (rb'{"te\ud83dxt": "a"}', "te?xt"),
        (rb'{"text": "\ud83d", "texts": ["a"]}', 'either "text" or "texts"'),
        (rb'["\ud83d"]', "object"),
        (rb'{"texts": ["\ud83d", 7]}', "texts.1: Input should be a valid string"),
        (rb'{"texts": ["\ud83d", " "]}', "texts.1: the text is blank"),
        (rb'{"text": "\ud83d"', "Invalid JSON"),
        (b'{"text": "cut \xf0\x9f\x99"}', "Invalid JSON"),  # cut in its bytes: this is not UTF-8
        (b'{"text": "\xed\xa0\xbd"}', "Invalid JSON"),
        (json.dumps({"text": "\ud83d" * (wire.MAX_CHARACTERS + 1)}).encode(), "at most 10000 characters"),
    ],
)
def test_what_else_is_wrong_beside_half_an_emoji_is_told(service, body, reason):
    assert reason in sentence(service.post("/classify", content=body), 422)


# --- a model that fails -----------------------------------------------------------------------------------------------


def test_a_model_that_fails_on_a_text_is_our_fault_told_counted_and_survived(sentiment, tmp_path):
    """The vectors of the rarest words are missing, as when the tokeniser is of a newer model."""
    rows = 25_000
    vectors = np.random.default_rng(0).normal(size=(rows, 2)).astype(np.float32)
    ids = helper.make_tensor_value_info("input_ids", TensorProto.INT64, ["batch", "tokens"])
    logits = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", 2])
    nodes = [
        helper.make_node("Gather", ["vectors", "input_ids"], ["found"], axis=0),
        helper.make_node("ReduceMean", ["found"], ["logits"], axes=[1], keepdims=0),
    ]
    graph = helper.make_graph(nodes, "bag", [ids], [logits], [numpy_helper.from_array(vectors, "vectors")])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    folder = copy(sentiment, tmp_path / "model")
    (folder / "model.onnx").unlink()
    onnx.save(model, folder / "model.onnx")
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    rare = next(word for at in range(rows, 30_000) if (word := tokenizer.id_to_token(at)).isascii() and word.isalpha())
    with textclf_serve("--model", folder) as child:
        url = child.stdout.readline().split()[-1]
        with httpx2.Client(base_url=url, trust_env=False, timeout=60) as client:
            assert client.post("/classify", json={"text": GOOD}).status_code == 200
            assert "The model failed on this request" in sentence(client.post("/classify", json={"text": rare}), 500)
            assert client.post("/classify", json={"text": GOOD}).status_code == 200
            found = counts(client)
        child.terminate()
        _, errors = child.communicate(timeout=60)
    assert found['textclf_requests_total{status="500"}'] == 1 and found["textclf_texts_total"] == 2
    assert "indices element out of data bounds" in errors and rare not in errors


# --- hosts ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["", " ", "0", "00", "0x0", "0.0", "0:0:0:0:0:0:0:0", "::0.0.0.0"])
def test_a_host_that_opens_every_address_without_saying_so_is_refused(host):
    with pytest.raises(ServiceError, match=r"every address of this machine\. .* --host 0\.0\.0\.0 for all of them\.$"):
        server.serve("nowhere", host, 0)


@pytest.mark.parametrize("host", ["127.0.0.1:80", "[::1]", "http://127.0.0.1", "192.0.2.1", "a..b", "ü" * 70])
def test_a_host_that_is_none_of_this_machine_is_refused(host):
    with pytest.raises(ServiceError, match=r"is not an address of this machine \(.*\)\. .* --host 127\.0\.0\.1"):
        server.serve("nowhere", host, 0)


def test_the_command_says_so_in_one_line(sentiment):
    reason = failure("--model", sentiment, "--host", "")
    assert reason.startswith("The host '' would open every address") and len(reason.splitlines()) == 1


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "0.0.0.0"])
def test_the_address_that_is_announced_answers(sentiment, host):
    with textclf_serve("--model", sentiment, "--host", host) as child:
        port = urlsplit(child.stdout.readline().split()[-1]).port
        with socket.create_connection(("127.0.0.1", port), timeout=60) as line:
            line.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            assert line.recv(100).startswith(b"HTTP/1.1 200")
        child.terminate()
        child.communicate(timeout=60)
    assert child.returncode == 0
