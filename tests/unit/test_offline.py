"""The guard refuses what is not loopback, in a real kernel; and without it the same calls do go out."""

import socket
import subprocess
import sys

import pytest

from textclf_lesson.base import offline
from textclf_lesson.base.errors import OfflineError
from textclf_lesson.course import runner

# 192.0.2.1 and 2001:db8::1 are addresses for documentation (RFC 5737, RFC 3849): nobody answers there.
# A helper in the notebook tells the whole chain of an exception, since libraries wrap it in their own.
HELPER = """
import textclf_lesson

def outcome(attempt):
    try:
        attempt()
    except BaseException as error:
        chain = []
        while error is not None:
            chain.append(type(error).__name__)
            error = getattr(error, "reason", None) or error.__cause__ or error.__context__
        print("refused" if "OfflineError" in chain else "failed otherwise", *chain)
    else:
        print("not refused")
"""

ATTEMPTS = {
    "a connection": """
import socket
outcome(lambda: socket.create_connection(("192.0.2.1", 80), timeout=0.2))""",
    "a connection without waiting": """
import socket
sock = socket.socket()
sock.setblocking(False)
outcome(lambda: sock.connect_ex(("192.0.2.1", 80)))""",
    "a connection over IPv6": """
import socket
sock = socket.socket(socket.AF_INET6)
sock.settimeout(0.2)
outcome(lambda: sock.connect(("2001:db8::1", 80)))""",
    "a datagram": """
import socket
outcome(lambda: socket.socket(type=socket.SOCK_DGRAM).sendto(b"hello", ("192.0.2.1", 53)))""",
    "a datagram by sendmsg": """
import socket
outcome(lambda: socket.socket(type=socket.SOCK_DGRAM).sendmsg([b"hello"], [], 0, ("192.0.2.1", 53)))""",
    "a name lookup": """
import socket
outcome(lambda: socket.getaddrinfo("example.org", 443))""",
    "an old-fashioned name lookup": """
import socket
outcome(lambda: socket.gethostbyname("example.org"))""",
    "urllib": """
import urllib.request
outcome(lambda: urllib.request.urlopen("http://192.0.2.1/", timeout=0.2))""",
    "requests": """
import requests
outcome(lambda: requests.get("http://example.org/", timeout=0.2))""",
    "httpx": """
import httpx
outcome(lambda: httpx.get("http://example.org/", timeout=0.2))""",
    "asyncio, in another thread": """
import asyncio, threading
attempt = lambda: asyncio.run(asyncio.wait_for(asyncio.open_connection("192.0.2.1", 80), 0.2))
thread = threading.Thread(target=outcome, args=[attempt])
thread.start(); thread.join()""",
}


def outputs(path) -> list[str]:
    """What each code cell printed, after running the notebook in a real kernel."""
    result = runner.execute(path)
    assert not result.error
    return ["".join(output.get("text", "") for output in cell.outputs) for cell in result.notebook.cells]


def test_a_kernel_refuses_every_way_out(make_notebook, monkeypatch):
    monkeypatch.setenv("TEXTCLF_OFFLINE", "1")
    _, *printed = outputs(make_notebook(HELPER, *ATTEMPTS.values()))
    told = dict(zip(ATTEMPTS, printed, strict=True))
    assert {name: text.split()[0] for name, text in told.items()} == dict.fromkeys(ATTEMPTS, "refused")


def test_without_the_variable_nothing_is_refused(make_notebook, monkeypatch):
    """Else the test above would also pass on a machine whose network is cut by other means."""
    monkeypatch.delenv("TEXTCLF_OFFLINE")
    direct = [ATTEMPTS[name] for name in ("a connection", "a datagram", "urllib")]
    assert "OfflineError" not in "".join(outputs(make_notebook(HELPER, *direct)))


def test_the_hub_libraries_know_that_they_are_offline(make_notebook, monkeypatch):
    monkeypatch.setenv("TEXTCLF_OFFLINE", "1")
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    source = "import textclf_lesson, huggingface_hub.constants as c; print(c.HF_HUB_OFFLINE)"
    assert outputs(make_notebook(source)) == ["True\n"]


def test_loopback_stays_open(make_notebook, monkeypatch):
    monkeypatch.setenv("TEXTCLF_OFFLINE", "1")
    greet = """
import socket, textclf_lesson
from threading import Thread

def echo(family, address):
    with socket.create_server(address, family=family) as server:
        def serve():
            with server.accept()[0] as peer:
                peer.sendall(peer.recv(100))
        Thread(target=serve, daemon=True).start()
        with socket.socket(family) as client:
            client.connect(server.getsockname())
            client.sendall(b"hello")
            print(client.recv(100).decode())

echo(socket.AF_INET, ("127.0.0.1", 0))
print(socket.getaddrinfo("localhost", 80)[0][4][1])
"""
    over_ipv6 = 'echo(socket.AF_INET6, ("::1", 0))' if socket.has_ipv6 and _has_ipv6_loopback() else "print('hello')"
    by_datagram = """
inbox = socket.socket(type=socket.SOCK_DGRAM); inbox.bind(("127.0.0.1", 0))
socket.socket(type=socket.SOCK_DGRAM).sendto(b"hello", inbox.getsockname())
print(inbox.recv(100).decode())"""
    assert outputs(make_notebook(greet, over_ipv6, by_datagram)) == ["hello\n80\n", "hello\n", "hello\n"]


def _has_ipv6_loopback() -> bool:
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False


def test_a_child_process_is_cut_off_once_it_imports_the_package(monkeypatch):
    monkeypatch.setenv("TEXTCLF_OFFLINE", "1")
    attempt = "import textclf_lesson, socket; socket.create_connection(('192.0.2.1', 80), timeout=0.2)"
    child = subprocess.run([sys.executable, "-c", attempt], capture_output=True, text=True)
    assert child.returncode != 0
    assert "OfflineError: no connection to '192.0.2.1': the network is cut by TEXTCLF_OFFLINE=1" in child.stderr


LOCAL = [None, "", b"", "localhost", "LOCALHOST", b"localhost", "127.0.0.1", "127.8.9.1", "0.0.0.0", "::1", "::"]
LOCAL += ["::ffff:127.0.0.1", "::1%lo"]
ELSEWHERE = ["192.0.2.1", "2001:db8::1", "::ffff:192.0.2.1", "example.org", b"example.org", "localhost.example.org"]
ELSEWHERE += ["127.0.0.1.example.org", "127.1", "2130706433", "10.0.0.1", "fe80::1%eth0", " 127.0.0.1"]


@pytest.mark.parametrize("event", sorted(offline.LOOKUPS))
@pytest.mark.parametrize("host", LOCAL)
def test_this_machine_may_be_looked_up(event, host):
    offline._audit(event, (host,))


@pytest.mark.parametrize("event", sorted(offline.LOOKUPS))
@pytest.mark.parametrize("host", ELSEWHERE)
def test_nobody_else_may_be_looked_up(event, host):
    with pytest.raises(OfflineError, match="the network is cut"):
        offline._audit(event, (host,))


@pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="no Unix sockets on this system")
def test_unix_sockets_stay_open():
    offline._audit("socket.connect", (socket.socket(socket.AF_UNIX), "/tmp/any"))


@pytest.mark.skipif(not hasattr(socket, "AF_NETLINK"), reason="only Linux has a third kind of socket to try")
def test_a_kind_of_socket_the_guard_knows_nothing_about_is_refused():
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW) as other, pytest.raises(OfflineError):
        offline._audit("socket.connect", (other, (0, 0)))


def test_these_tests_themselves_run_with_the_network_cut():
    """conftest.py sets the variable for this process and thereby for the kernels in which nbval runs the lessons."""
    with pytest.raises(OfflineError):
        socket.create_connection(("192.0.2.1", 80), timeout=0.2)
