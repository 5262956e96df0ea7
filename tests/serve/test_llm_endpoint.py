"""`LLMClassifier` against real servers on loopback: one that misbehaves on command, and llama.cpp over real weights."""

import io
import logging
import pickle
import signal
import subprocess
import sys
import time
import traceback
import warnings

import numpy as np
import pytest
from misbehaving_server import USAGE, MisbehavingServer
from sklearn.base import clone
from sklearn.model_selection import cross_val_score

from textclf_lesson import data
from textclf_lesson.base.errors import LLMError
from textclf_lesson.llm.remote import LLMClassifier
from textclf_lesson.llm.server import local_server

FILM = {0: "negative: the reviewer dislikes the film", 1: "positive: the reviewer likes the film"}
TEXTS = ["a good film", "a bad film", "another bad one", "nice", "fine"]
EXPECTED = [1, 0, 0, 1, 1]  # by the rule of the misbehaving server when it behaves
CANARY = "sk-canary-0123456789"
EACH = USAGE["total_tokens"]


SILENT = ("time_out", "trickle")


def classifier(server, rows=(), **settings):
    """One request at a time, so that what comes when is certain; quick to give up where the server will not answer."""
    patience = 1 if set(SILENT) & set(server.behaviours) else 30
    usual = {"labels": FILM, "cache": None, "timeout": patience, "retries": 1, "concurrency": 1}
    return LLMClassifier("m", server.url, **(usual | settings)).fit(*rows)


@pytest.fixture(autouse=True)
def key(monkeypatch):
    monkeypatch.setenv("LLM_API_KEY", CANARY)


# --- a server that behaves --------------------------------------------------------------------------------------------


def test_labels_come_back_in_order_through_a_schema():
    with MisbehavingServer() as server:
        llm = classifier(server, concurrency=4)
        assert llm.predict(TEXTS).tolist() == EXPECTED
    for body in server.received:
        assert body["response_format"]["json_schema"]["schema"]["properties"]["label"]["enum"] == [
            "negative",
            "positive",
        ]
        assert body["temperature"] == 0 and body["model"] == "m"
    assert (llm.usage.requests, llm.usage.tokens) == (5, 5 * EACH)


@pytest.mark.parametrize("values", [("no", "yes"), (0, 1), (-1, 7)])
def test_labels_may_be_names_or_numbers(values):
    with MisbehavingServer(names=tuple(map(str, values))) as server:
        llm = classifier(server, (["x", "y"], list(values)), labels=None)
        assert llm.predict(TEXTS).tolist() == [values[label] for label in EXPECTED]
        assert llm.predict_proba(["bad"]).tolist() == [[1.0, 0.0]]
        assert llm.predict([TEXTS[1]]).tolist() == [values[0]]


def test_it_works_in_cross_validation_and_its_clones_are_whole():
    with MisbehavingServer() as server:
        names = ["negative" if label == 0 else "positive" for label in EXPECTED]
        llm = classifier(server, (TEXTS, names), labels=None, shots=2)
        assert cross_val_score(clone(llm), TEXTS, names, cv=2).tolist() == [1.0, 1.0]
    roles = [turn["role"] for turn in server.received[0]["messages"]]
    assert roles == ["system", "user", "assistant", "user", "assistant", "user"]


def test_no_more_requests_are_under_way_than_allowed():
    with MisbehavingServer("linger") as server:
        classifier(server, concurrency=3).predict(TEXTS * 4)
        assert 2 <= server.most_under_way <= 3


def test_options_change_the_request_and_none_takes_one_out():
    with MisbehavingServer() as server:
        classifier(server, options={"max_tokens": None, "max_completion_tokens": 9, "top_p": 0.5}).predict(["nice"])
    (body,) = server.received
    assert "max_tokens" not in body and body["max_completion_tokens"] == 9 and body["top_p"] == 0.5


def test_numbers_of_numpy_are_taken_and_sent_as_such(tmp_path):
    numbers = {"options": {"max_tokens": np.int64(9), "top_p": np.float32(0.5)}, "retries": np.int8(1)}
    numbers |= {"timeout": np.float32(30), "concurrency": np.int16(2), "token_budget": np.int64(10_000)}
    with MisbehavingServer() as server:
        classifier(server, cache=tmp_path / "answers.sqlite", **numbers).predict(["nice"])
    (body,) = server.received
    assert (body["max_tokens"], body["top_p"]) == (9, 0.5)


def test_it_runs_where_an_event_loop_is_running_already(make_notebook):
    """As in a notebook."""
    from textclf_lesson.course import runner

    with MisbehavingServer() as server:
        source = (
            "from textclf_lesson.llm import LLMClassifier\n"
            f"print(LLMClassifier('m', {server.url!r}, {FILM!r}, cache=None).fit().predict({TEXTS!r}))"
        )
        outcome = runner.execute(make_notebook(source))
    assert not outcome.error
    assert outcome.notebook.cells[0].outputs[0].text == "[1 0 0 1 1]\n"


# --- servers that do not ----------------------------------------------------------------------------------------------

NEVER_ANSWERS = {
    "time_out": "no answer within 1 s; attempts: 2",
    "trickle": "no answer within 1 s; attempts: 2",
    "reset": "no connection to http://127.0.0.1:",
    "cut": "no connection to http://127.0.0.1:",
    "500": "the server answered 500: out of memory; attempts: 2",
    "502_html": "the server answered 502: ",
    "429_for_an_hour": "the server answered 429: quota exhausted (wait 3600 s); attempts: 1",
    "401": "the server refused the key (401): set the environment variable LLM_API_KEY to a valid one",
    "404": "there is no model 'm' at http://127.0.0.1:",
}
ANSWERS_BADLY = {
    "invalid_json": "the answer cannot be read",
    "html": "the answer has not the form of a chat completion: str (asked twice)",
    "no_choices": "the answer has not the form of a chat completion",
    "odd_choices": "the answer has not the form of a chat completion",
    "null_content": "the answer is not one of the labels:  (asked twice)",
    "unknown_label": 'the answer is not one of the labels: {"label": "mixed feelings"} (asked twice)',
    "too_long": "the server refused the request (400): context length exceeded",
}


@pytest.mark.parametrize(("behaviour", "reason"), (NEVER_ANSWERS | ANSWERS_BADLY).items())
def test_the_first_line_says_what_is_wrong_and_finished_rows_are_kept(behaviour, reason):
    with MisbehavingServer("ok", "ok", behaviour) as server, pytest.raises(LLMError) as caught:
        classifier(server).predict(TEXTS)
    error = caught.value
    first_line = str(error).splitlines()[0]
    assert first_line.startswith("3 of 5 texts have no label (first: row ") and reason in first_line
    assert "The other 2 are in error.answers" in first_line
    assert sum(answer is not None for answer in error.answers) == 2
    assert all(answer in (None, right) for answer, right in zip(error.answers, EXPECTED, strict=True))
    assert sorted(error.failures) == [row for row, answer in enumerate(error.answers) if answer is None]


@pytest.mark.parametrize("behaviour", ["429", "500", "502_html", "reset", "cut", "time_out", "trickle"])
def test_what_passes_is_tried_again(behaviour):
    with MisbehavingServer("ok", behaviour, "ok") as server:
        llm = classifier(server)
        assert llm.predict(TEXTS).tolist() == EXPECTED
    assert len(server.received) == 6
    assert llm.usage.requests == 6
    assert (llm.usage.tokens > 5 * EACH) == (behaviour in ("reset", "cut", *SILENT))  # those may have to be paid for


def test_it_waits_as_long_as_the_server_says():
    with MisbehavingServer("429", "ok") as server:
        classifier(server).predict(["nice"])
    first, second = server.times
    assert second - first >= 1  # Retry-After: 1. A wait may be longer on a busy machine, never shorter.


def test_waits_grow():
    with MisbehavingServer("500") as server, pytest.raises(LLMError):
        classifier(server, retries=2).predict(["nice"])
    first, second, third = server.times
    assert second - first >= 0.375 and third - second >= 0.75  # half a second, then one, less a quarter at most


@pytest.mark.parametrize("behaviour", ["invalid_json", "no_choices", "null_content", "unknown_label"])
def test_a_bad_answer_is_asked_for_once_more_with_a_reminder(behaviour):
    with MisbehavingServer(behaviour, "ok") as server:
        assert classifier(server).predict(["nice"]).tolist() == [1]
    first, second = server.received
    assert "Answer with exactly one of: negative, positive." in second["messages"][-1]["content"]
    assert "Answer with exactly one of" not in first["messages"][-1]["content"]


def test_a_server_that_is_down_is_not_asked_for_every_row():
    with MisbehavingServer("500") as server, pytest.raises(LLMError) as caught:
        classifier(server, retries=0).predict(["text"] * 50)
    assert len(server.received) == 3
    assert sum(
        reason.startswith("not asked, since the server answered 500") for reason in caught.value.failures.values()
    )


def test_rows_with_bad_answers_do_not_stop_the_others():
    with MisbehavingServer(*["unknown_label"] * 10, "ok") as server, pytest.raises(LLMError) as caught:
        classifier(server).predict(["nice"] * 8)
    assert len(caught.value.failures) == 5
    assert server.behaviours == ["ok"]


def test_without_structured_output_the_bare_answer_is_parsed_and_the_question_is_put_for_it():
    with MisbehavingServer("no_schema") as server:
        assert classifier(server).predict(TEXTS).tolist() == EXPECTED
    with_schema = ["response_format" in body for body in server.received]
    assert with_schema == [True] + [False] * 5  # found out once
    assert "JSON" in str(server.received[0]["messages"]) and "JSON" not in str(server.received[1]["messages"])


def test_the_error_comes_back_whole_from_another_process():
    with MisbehavingServer("ok", "500") as server, pytest.raises(LLMError) as caught:
        classifier(server, retries=0).predict(TEXTS)
    back = pickle.loads(pickle.dumps(caught.value))
    assert (str(back), back.answers, back.failures) == (str(caught.value), caught.value.answers, caught.value.failures)


def test_nobody_is_there():
    with MisbehavingServer() as server:
        pass
    with pytest.raises(LLMError, match=r"^1 of 1 texts have no label \(first: row 0\): no connection to http://127"):
        classifier(server).predict(["nice"])


@pytest.mark.parametrize(
    "address", ["ftp://host/v1", "host:8080", "", "http://host:99999/v1", "http://me:secret@host/v1"]
)
def test_an_address_that_is_none_is_refused(address):
    with pytest.raises(ValueError, match=r"^base_url must look like https://host/v1") as caught:
        LLMClassifier("m", address, FILM, cache=None).fit().predict(["nice"])
    assert "secret" not in str(caught.value)


# --- the key ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("behaviour", ["ok", "401", "echo_key", "500", "time_out", "reset"])
def test_the_key_is_nowhere_but_in_the_request(behaviour, tmp_path, caplog, capfd):
    """Everything that could hold it is searched: messages, tracebacks, locals, logs, output, repr, pickle, cache."""
    caplog.set_level(logging.DEBUG)
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    logging.getLogger().addHandler(handler)
    told = []
    try:
        with MisbehavingServer("ok", behaviour) as server, warnings.catch_warnings(record=True) as raised:
            llm = classifier(server, cache=tmp_path / "answers.sqlite")
            try:
                llm.predict(TEXTS)
            except LLMError as error:
                told += [str(error), repr(error), str(error.failures), repr(vars(error))]
                told += traceback.TracebackException.from_exception(error, capture_locals=True).format()
    finally:
        logging.getLogger().removeHandler(handler)
    told += [caplog.text, stream.getvalue(), *capfd.readouterr(), *(str(item.message) for item in raised)]
    told += [repr(llm), str(llm.get_params()), repr(vars(llm)), repr(llm.usage)]
    told += [pickle.dumps(llm).decode("latin-1"), *(file.read_bytes().decode("latin-1") for file in tmp_path.iterdir())]
    assert server.received and stream.getvalue()
    assert not [text for text in told if CANARY in text]


def test_the_key_is_sent_as_a_bearer_token_and_no_other_key_is(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-not-for-this-server")
    with MisbehavingServer("echo_key") as server, pytest.raises(LLMError) as caught:
        classifier(server).predict(["nice"])
    assert "Your key is Bearer [key]" in str(caught.value)
    monkeypatch.delenv("LLM_API_KEY")
    with MisbehavingServer("echo_key") as server, pytest.raises(LLMError) as caught:
        classifier(server).predict(["nice"])
    assert "Your key is Bearer none" in str(caught.value)


@pytest.mark.parametrize("ending", ["\n", " ", "\r\n"])
def test_a_key_read_from_a_file_may_end_its_line(ending, monkeypatch):
    monkeypatch.setenv("LLM_API_KEY", CANARY + ending)
    with MisbehavingServer("echo_key") as server, pytest.raises(LLMError) as caught:
        classifier(server).predict(["nice"])
    assert "Your key is Bearer [key]" in str(caught.value) and CANARY not in str(caught.value)


@pytest.mark.parametrize("key", [f"{CANARY}\nX-Evil: 1", f"“{CANARY}”", f"my {CANARY}"])
def test_what_cannot_be_a_key_is_refused_unquoted(key, monkeypatch):
    monkeypatch.setenv("LLM_API_KEY", key)
    with (
        MisbehavingServer() as server,
        pytest.raises(ValueError, match=r"^The environment variable LLM_API_KEY does not hold a key") as caught,
    ):
        classifier(server).predict(["nice"])
    assert not server.received and CANARY not in str(caught.value)


# --- the cache --------------------------------------------------------------------------------------------------------


def test_what_was_answered_once_is_not_asked_again_even_by_another_process(tmp_path):
    file = tmp_path / "new folder" / "answers.sqlite"
    with MisbehavingServer() as server:
        assert classifier(server, cache=file).predict(TEXTS[:3]).tolist() == EXPECTED[:3]
        again = classifier(server, cache=str(file))
        assert again.predict(TEXTS).tolist() == EXPECTED
        assert (again.usage.from_cache, again.usage.requests) == (3, 2)
        code = (
            "from textclf_lesson.llm import LLMClassifier\n"
            f"llm = LLMClassifier('m', {server.url!r}, {FILM!r}, cache={str(file)!r}).fit()\n"
            f"print(llm.predict({TEXTS!r}).tolist(), llm.usage.from_cache)"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[1, 0, 0, 1, 1] 5\n"
    assert len(server.received) == 5


def test_after_a_failure_only_the_rest_is_asked_for(tmp_path):
    with MisbehavingServer("ok", "ok", "500") as server:
        llm = classifier(server, cache=tmp_path / "answers.sqlite", retries=0)
        with pytest.raises(LLMError):
            llm.predict(TEXTS)
        server.behaviours = ["ok"]
        before = len(server.received)
        assert llm.predict(TEXTS).tolist() == EXPECTED
        assert len(server.received) - before == 3


def test_bad_answers_are_not_cached(tmp_path):
    with MisbehavingServer("unknown_label", "unknown_label", "ok") as server:
        llm = classifier(server, cache=tmp_path / "answers.sqlite")
        with pytest.raises(LLMError, match="not one of the labels"):
            llm.predict(["nice"])
        assert llm.predict(["nice"]).tolist() == [1]


@pytest.mark.parametrize(
    "change",
    [{"model": "other"}, {"template": "form"}, {"options": {"temperature": 1}}, {"max_chars": 3},
     {"labels": {0: "negative", 1: "positive"}}],
    ids=str,
)  # fmt: skip
def test_another_question_is_another_key(change, tmp_path):
    with MisbehavingServer() as server:
        llm = classifier(server, cache=tmp_path / "answers.sqlite")
        llm.predict(["nice"])
        with warnings.catch_warnings(action="ignore"):
            other = clone(llm).set_params(**change).fit()
            other.predict(["nice"])
    assert (other.usage.from_cache, other.usage.requests) == (0, 1)


def test_the_cache_holds_no_text(tmp_path):
    with MisbehavingServer() as server:
        classifier(server, cache=tmp_path / "answers.sqlite").predict(["a very private sentence"])
    stored = (tmp_path / "answers.sqlite").read_bytes()
    assert b"positive" in stored and b"private" not in stored and b"reviewer" not in stored


def test_a_cache_that_is_damaged_is_named_before_anything_is_sent(tmp_path):
    file = tmp_path / "answers.sqlite"
    file.write_bytes(b"no database at all, but long enough to be looked at as one" * 40)
    with MisbehavingServer() as server:
        with pytest.raises(ValueError, match=r"^The cache .*answers\.sqlite cannot be used .*: delete it, or pass"):
            classifier(server, cache=file).predict(TEXTS)
        assert not server.received


def test_by_default_the_cache_lies_below_the_home_of_the_course(tmp_path, monkeypatch):
    monkeypatch.setenv("TEXTCLF_HOME", str(tmp_path))
    with MisbehavingServer() as server:
        classifier(server, cache=True).predict(["nice"])
    assert (tmp_path / "llm-cache" / "answers.sqlite").is_file()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows sends no SIGINT to one process")
def test_ctrl_c_loses_no_finished_row(tmp_path):
    """The second answer never comes; the process is interrupted, and ends; the first answer is in the cache."""
    file = tmp_path / "answers.sqlite"
    with MisbehavingServer("ok", "time_out") as server:
        code = (
            "from textclf_lesson.llm import LLMClassifier\n"
            f"LLMClassifier('m', {server.url!r}, {FILM!r}, cache={str(file)!r}, concurrency=1).fit().predict({TEXTS!r})"
        )
        child = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True)
        while len(server.received) < 2:
            assert child.poll() is None
            time.sleep(0.05)
        child.send_signal(signal.SIGINT)
        _, printed = child.communicate(timeout=60)
        server.behaviours = ["ok"]
        llm = classifier(server, cache=file)
        llm.predict(TEXTS)
    assert "KeyboardInterrupt" in printed
    assert llm.usage.from_cache == 1


# --- the budget -------------------------------------------------------------------------------------------------------


def bound(texts, **settings):
    """The upper bound of one request, read off a budget that is too small for it."""
    with MisbehavingServer() as server, pytest.raises(LLMError) as caught:
        classifier(server, token_budget=1, **settings).predict(texts)
    assert not server.received
    return int(str(caught.value).split("may take ")[1].split()[0])


def test_a_token_budget_stops_before_it_is_passed():
    most = bound(["nice"])
    budget = 3 * EACH + most
    with MisbehavingServer() as server, pytest.raises(LLMError) as caught:
        llm = classifier(server, token_budget=budget, retries=0)
        llm.predict(["nice"] * 50)
    done = sum(answer is not None for answer in caught.value.answers)
    assert done == 4 and len(server.received) == 4
    assert llm.usage.tokens == 4 * EACH <= budget
    assert "the budget is used up: 220 tokens" in str(caught.value)


@pytest.mark.parametrize("concurrency", [1, 8])
def test_a_money_budget_stops_before_it_is_passed(concurrency):
    """Prices are per million: here a prompt token costs 1, an answer token 10."""
    prices = (1e6, 10e6)
    cost = USAGE["prompt_tokens"] + 10 * USAGE["completion_tokens"]
    with MisbehavingServer("linger") as server, pytest.raises(LLMError) as caught:
        llm = classifier(server, prices=prices, money_budget=2000, concurrency=concurrency)
        llm.predict(["nice"] * 50)
    done = sum(answer is not None for answer in caught.value.answers)
    assert llm.usage.cost == pytest.approx(done * cost) and llm.usage.cost <= 2000
    assert 5 <= done == len(server.received)


def test_attempts_that_break_off_count_with_their_upper_bound():
    """A server may charge for what it did before the line broke, so the budget supposes that it does."""
    most = bound(["nice"])
    with MisbehavingServer("time_out") as server, pytest.raises(LLMError):
        llm = classifier(server, token_budget=2 * most, retries=5)
        llm.predict(["nice"])
    assert len(server.received) == 2  # not six: a third might have passed the budget
    assert most * 1.5 < llm.usage.tokens <= 2 * most


def test_a_server_that_does_not_count_tokens_is_charged_the_upper_bound():
    most = bound(["nice"])
    with MisbehavingServer("no_usage") as server:
        llm = classifier(server)
        llm.predict(["nice"])
    assert llm.usage.tokens == most


def test_the_budget_is_that_of_all_calls_since_fit():
    most = bound(["nice"])
    with MisbehavingServer() as server:
        llm = classifier(server, token_budget=most + EACH, retries=0)
        llm.predict(["nice"])
        llm.predict(["nice"])
        with pytest.raises(LLMError):
            llm.predict(["nice"])
        assert llm.fit().predict(["nice"]).tolist() == [1]


def test_money_needs_prices():
    with pytest.raises(ValueError, match=r"^money_budget needs prices"):
        LLMClassifier("m", "http://127.0.0.1:9/v1", FILM, money_budget=1).fit()


def test_a_budget_needs_a_longest_answer():
    with MisbehavingServer() as server:
        with pytest.raises(ValueError, match=r"^A budget needs a longest answer"):
            classifier(server, token_budget=10_000, options={"max_tokens": None})
        assert not server.received
        classifier(server, token_budget=10_000, options={"max_tokens": None, "max_completion_tokens": 9}).predict(
            ["nice"]
        )
        classifier(server, options={"max_tokens": None}).predict(["nice"])


# --- a real model behind a real server --------------------------------------------------------------------------------

CLEAR = {
    "A wonderful, moving, brilliant film.": 1,
    "I loved every minute of it.": 1,
    "A terrible, boring, stupid film.": 0,
    "I hated every minute of it.": 0,
}


@pytest.fixture(scope="module")
def llama():
    with local_server() as url:
        yield url


def real(url, **settings):
    return LLMClassifier("smollm2", url, **({"labels": FILM, "cache": None, "timeout": 120, "retries": 0} | settings))


def test_a_real_server_is_held_to_the_labels(llama):
    llm = real(llama, labels={0: "thumbs down", 1: "thumbs up", 2: "shrug"}).fit()
    assert set(llm.predict(list(CLEAR)).tolist()) <= {0, 1, 2}
    assert llm.usage.requests == len(CLEAR)  # the schema held: nothing was asked twice
    assert llm.usage.prompt_tokens > 100 and llm.usage.completion_tokens >= len(CLEAR)


def test_the_upper_bound_of_tokens_is_one(llama):
    """What the budget rests on: no text has more tokens than bytes, here counted by the server."""
    for text in ["🎬🍿" * 30, "прекрасный фильм", "x" * 500, "film " * 100]:
        most = bound([text], max_chars=5000)
        llm = real(llama, max_chars=5000).fit()
        llm.predict([text])
        assert llm.usage.tokens <= most


def test_a_long_text_is_more_than_the_server_reads_and_the_error_says_so(llama):
    llm = real(llama, max_chars=100_000).fit()
    with pytest.raises(LLMError, match=r"the server refused the request \(400\)"):
        llm.predict(["A film about everything and more. " * 2900])


def test_few_shot_over_rows_of_a_real_set(llama):
    rows = data.load("movie-snippets")["train"].select(range(12))
    llm = real(llama, shots=2, concurrency=2).fit(rows["text"][:8], rows["label"][:8])
    assert set(llm.predict(rows["text"][8:]).tolist()) <= {0, 1}


def test_the_server_listens_on_this_machine_only_and_ends_with_its_user():
    code = (
        "import os, sys, time\n"
        "from textclf_lesson.llm.server import local_server\n"
        "with local_server() as url:\n"
        "    print(url, flush=True)\n"
        "    time.sleep(600)\n"
    )
    user = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    url = user.stdout.readline().strip()
    assert url.startswith("http://127.0.0.1:")
    assert real(url).fit().predict(["fine"]).shape == (1,)
    user.kill()  # no time to say good-bye
    user.wait()
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            real(url).fit().predict(["fine"])
        except LLMError as error:
            assert "no connection" in str(error)
            return
        time.sleep(0.2)
    pytest.fail("the server outlived its user")


def test_a_server_that_cannot_start_says_why(monkeypatch):
    monkeypatch.setattr("textclf_lesson.llm.server.GGUF", "asset.json")
    with pytest.raises(RuntimeError, match=r"^The local server did not start: ."), local_server():
        pass
