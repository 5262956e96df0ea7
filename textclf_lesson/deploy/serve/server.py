"""Running the application: one port, one or several workers, and an end at which nothing accepted is lost."""

import errno
import functools
import gc
import os
import signal
import socket
import sys
import tempfile
from contextlib import suppress
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.supervisors import Multiprocess

from textclf_lesson.base.errors import ServiceError
from textclf_lesson.base.runtime import cores
from textclf_lesson.deploy.serve.app import create_app
from textclf_lesson.deploy.serve.counters import SHARED

LINGER = 2  # seconds that an idle connection is kept open at the end
DRAIN = 30  # seconds for all answers, then the rest is given up
BACKLOG = 1024
HOSTS = "Give one of its addresses, as --host 127.0.0.1, or --host 0.0.0.0 for all of them."


class Protocol(HttpToolsProtocol):
    """uvicorn's, but at the end an idle connection stays open for a moment: a request may be on its way to it.

    uvicorn closes the port first, then calls `shutdown` on each connection.
    """

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        if self.app_state["stopping"].is_set():  # it was waiting at the port when that was closed
            self.shutdown()

    def on_headers_complete(self) -> None:
        super().on_headers_complete()
        if self.app_state["stopping"].is_set():
            self.cycle.keep_alive = False  # the answer says so, and the sender goes elsewhere

    def shutdown(self) -> None:
        self.app_state["stopping"].set()
        if self.cycle is None or self.cycle.response_complete:
            self.loop.call_later(LINGER, super().shutdown)
        else:
            super().shutdown()


def serve(
    folder: str | os.PathLike, host: str = "127.0.0.1", port: int = 8000, workers: int = 1, **options: Any
) -> None:
    """Serve an exported folder until SIGTERM or Ctrl+C; then answer what was accepted, and return.

    port: 0 takes a free one. workers: processes that share it; each holds the model and computes with its share of the
    cores. options: those of `create_app`. The address is printed as soon as the port is open.

    Raises ServiceError if the port is taken or the host is not this machine's, ModelError, ValueError and OSError as
    `create_app` does. Ends the process by SystemExit(0) when a signal stops it.
    """
    if workers < 1:
        raise ServiceError(f"{workers} workers cannot serve: it takes at least 1.")
    with listen(host, port) as listener, tempfile.TemporaryDirectory(prefix="textclf-") as counts:
        for sign in (signal.SIGTERM, signal.SIGINT):  # while uvicorn runs it handles them itself, then passes them on
            signal.signal(sign, lambda *_: sys.exit(0))
        settings = {"http": Protocol, "lifespan": "on", "log_level": "warning", "access_log": False}
        settings |= {"timeout_graceful_shutdown": DRAIN, "backlog": BACKLOG, "server_header": False, "workers": workers}
        if workers == 1:
            app = create_app(folder, **options)
            _announce(folder, listener)
            uvicorn.Server(uvicorn.Config(app, **settings)).run([listener])
        else:
            _try(folder, options)
            os.environ[SHARED] = counts  # the workers inherit it
            options["threads"] = options.get("threads") or max(1, cores() // workers)
            app = functools.partial(create_app, folder, **options)
            _announce(folder, listener)
            Workers(uvicorn.Config(app, factory=True, **settings), [listener]).run()


class Workers(Multiprocess):
    """uvicorn's, but the port is closed here, too, before the workers stop: else it would go on taking connections that
    nobody serves."""

    def terminate_all(self) -> None:
        for listener in self.sockets:
            listener.close()
        super().terminate_all()


def _try(folder: str | os.PathLike, options: dict[str, Any]) -> None:
    """An error in them is to be reported once, and not by every worker."""
    create_app(folder, **options)
    gc.collect()  # the workers load their own


def listen(host: str, port: int) -> socket.socket:
    """An open port of this machine; 0 takes a free one. Raises ServiceError if it is taken or the host is another's."""
    if _is_every_address(host) and host not in ("0.0.0.0", "::"):
        raise ServiceError(f"The host {host!r} would open every address of this machine. {HOSTS}")
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family, backlog=BACKLOG)
    except (OSError, OverflowError, TypeError) as error:
        # create_server raises a plain OSError for a name that nobody knows, a TypeError for one that cannot be a name.
        is_unknown = isinstance(error.__context__, socket.gaierror) or isinstance(error, TypeError)
        if is_unknown or getattr(error, "errno", 0) == errno.EADDRNOTAVAIL:
            raise ServiceError(f"The host {host!r} is not an address of this machine ({error}). {HOSTS}") from error
        raise ServiceError(
            f"Port {port} of {host} cannot be opened ({error}). If another server runs there, stop it or take another "
            "port: --port 0 takes any that is free."
        ) from error


def _is_every_address(host: str) -> bool:
    """Whether the system takes it for all addresses: an empty host, and zero in whatever form, as "0" or "0x0"."""
    with suppress(OSError):
        return socket.inet_aton(host) == bytes(4)
    with suppress(OSError):
        return socket.inet_pton(socket.AF_INET6, host) == bytes(16)
    return not host.strip()


def _announce(folder: str | os.PathLike, listener: socket.socket) -> None:
    host, port = listener.getsockname()[:2]
    print(f"Serving {folder} at http://{f'[{host}]' if ':' in host else host}:{port}", flush=True)
