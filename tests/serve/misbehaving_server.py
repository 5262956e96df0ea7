"""A real HTTP server on loopback that looks like an OpenAI-compatible endpoint and misbehaves as it is told.

What it does next is a name in a list, the last one for ever: "ok" answers by a rule (label 0 if the question holds the
word "bad", else label 1), the others are the ways in which real endpoints fail. It keeps what it received.
"""

import json
import socket
import struct
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

USAGE = {"prompt_tokens": 50, "completion_tokens": 5, "total_tokens": 55}


class MisbehavingServer(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, *behaviours: str, names: tuple[str, str] = ("negative", "positive")) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.behaviours, self.names = list(behaviours) or ["ok"], names
        self.received: list[dict] = []
        self.times: list[float] = []
        self.under_way = self.most_under_way = 0
        self.lock = threading.Lock()
        self.closing = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"

    def __enter__(self) -> "MisbehavingServer":
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.closing.set()
        self.shutdown()
        self.server_close()

    def handle_error(self, *_: object) -> None:
        """A client that hung up is what some tests are about; no traceback for it."""

    def next_behaviour(self, body: dict) -> str:
        with self.lock:
            self.received.append(body)
            self.times.append(time.monotonic())
            return self.behaviours.pop(0) if len(self.behaviours) > 1 else self.behaviours[0]


class _Handler(BaseHTTPRequestHandler):
    server: MisbehavingServer
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with self.server.lock:
            self.server.under_way += 1
            self.server.most_under_way = max(self.server.most_under_way, self.server.under_way)
        try:
            getattr(self, f"do_{self.server.next_behaviour(body)}")(body)
        finally:
            with self.server.lock:
                self.server.under_way -= 1

    def do_ok(self, body: dict, content: str | None = None, **changes: object) -> None:
        if content is None:
            name = self.server.names["bad" not in body["messages"][-1]["content"]]
            content = json.dumps({"label": name}) if "response_format" in body else name
        message = {"role": "assistant", "content": content}
        choices = [{"index": 0, "message": message, "finish_reason": "stop", "logprobs": None}]
        answer = {"id": "1", "object": "chat.completion", "created": 0, "model": body["model"], "choices": choices}
        self.reply(200, answer | {"usage": USAGE} | changes)

    def do_linger(self, body: dict) -> None:
        time.sleep(0.1)
        self.do_ok(body)

    def do_no_usage(self, body: dict) -> None:
        self.do_ok(body, usage=None)

    def do_time_out(self, _: dict) -> None:
        self.server.closing.wait(30)

    def do_trickle(self, _: dict) -> None:
        """A byte every tenth of a second: for a client that restarts its clock with each byte, never too late."""
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", "10000")
        self.end_headers()
        while not self.server.closing.wait(0.1):
            self.wfile.write(b" ")
            self.wfile.flush()

    def do_reset(self, _: dict) -> None:
        """RST instead of an answer."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
        self.connection.close()

    def do_cut(self, _: dict) -> None:
        """Half of what was announced, then the end."""
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", "1000")
        self.end_headers()
        self.wfile.write(b'{"id": "1", "choices"')
        self.close_connection = True

    def do_429(self, _: dict) -> None:
        self.reply(429, {"error": {"message": "slow down"}}, {"Retry-After": "1"})

    def do_429_for_an_hour(self, _: dict) -> None:
        self.reply(429, {"error": {"message": "quota exhausted"}}, {"Retry-After": "3600"})

    def do_500(self, _: dict) -> None:
        self.reply(500, {"error": {"message": "out of memory"}})

    def do_502_html(self, _: dict) -> None:
        self.reply(502, b"<html>Bad gateway</html>", {"Content-Type": "text/html"})

    def do_401(self, _: dict) -> None:
        """Echoes the key, as some do."""
        self.reply(401, {"error": {"message": f"Incorrect API key provided: {self.headers['Authorization']}"}})

    def do_404(self, _: dict) -> None:
        self.reply(404, {"error": {"message": "no such model"}})

    def do_no_schema(self, body: dict) -> None:
        """A server without structured output."""
        self.reply(400, {"error": {"message": "unknown field"}}) if "response_format" in body else self.do_ok(body)

    def do_too_long(self, _: dict) -> None:
        self.reply(400, {"error": {"message": "context length exceeded"}})

    def do_invalid_json(self, _: dict) -> None:
        self.reply(200, b'{"choices": [{"mess')

    def do_html(self, _: dict) -> None:
        self.reply(200, b"<html>Log in to the guest network</html>", {"Content-Type": "text/html"})

    def do_no_choices(self, body: dict) -> None:
        self.do_ok(body, choices=[])

    def do_odd_choices(self, body: dict) -> None:
        self.do_ok(body, choices=["positive"])

    def do_null_content(self, body: dict) -> None:
        self.do_ok(body, choices=[{"index": 0, "message": {"role": "assistant", "content": None}}])

    def do_unknown_label(self, body: dict) -> None:
        self.do_ok(body, content='{"label": "mixed feelings"}')

    def do_echo_key(self, body: dict) -> None:
        self.do_ok(body, content=f"Your key is {self.headers['Authorization']}")

    def reply(self, status: int, body: dict | bytes, headers: dict | None = None) -> None:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        for name, value in ({"Content-Type": "application/json"} | (headers or {})).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        pass
