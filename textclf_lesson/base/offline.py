"""No network: with `TEXTCLF_OFFLINE=1` this process talks to its own machine and to nobody else.

Tests run every lesson so; a learner may do it too, to see that nothing is fetched behind their back.

**Covered**: whatever goes through Python's `socket` module, in every thread: urllib, requests, httpx, asyncio, UDP.
Loopback (127.0.0.0/8, ::1, `localhost`, this machine's wildcard address) and Unix sockets stay open, so a Jupyter
kernel and a local server go on working. Child processes inherit the variable, and are cut off as soon as they import
`textclf_lesson`.

**Not covered**: a child process that never imports the package (`pip`, `curl`), and libraries that open sockets in C or
Rust without asking Python. Of those the course uses, the Hugging Face libraries are the ones that do: they are told by
`HF_HUB_OFFLINE` instead. When a raw socket is connected to a *name*, the C library looks the name up before Python can
be asked; the connection is refused all the same.
"""

import ipaddress
import os
import socket
import sys

from textclf_lesson.base.errors import OfflineError

# The audit events of the socket module by which an address or a name leaves the process (Python docs, "Audit events").
LOOKUPS = frozenset({"socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr"})
SENDS = frozenset({"socket.connect", "socket.sendto", "socket.sendmsg"})

_on = False


def guard() -> None:
    """Refuse, from now to the end of this process, every lookup and connection that is not loopback.

    Afterwards such a call raises `OfflineError`. There is no way back: Python never removes an audit hook, which is
    what makes it trustworthy. Calling it again changes nothing.
    """
    global _on
    os.environ["HF_HUB_OFFLINE"] = os.environ["HF_DATASETS_OFFLINE"] = "1"
    if not _on:
        _on = True
        sys.addaudithook(_audit)


def _audit(event: str, args: tuple) -> None:
    """Called by Python on every audited event, so the common case leaves at once."""
    if event in LOOKUPS:
        host = args[0]
    elif event in SENDS:
        connection, address = args
        if address is None:  # sendmsg on a socket that is connected already, which was asked then
            return
        if connection.family == getattr(socket, "AF_UNIX", None):
            return
        if connection.family not in (socket.AF_INET, socket.AF_INET6):
            raise _refusal(address)
        host = address[0]
    else:
        return
    if not _is_local(host):
        raise _refusal(host)


def _is_local(host: str | bytes | None) -> bool:
    """Whether a host as given to the socket module is surely this machine; when in doubt, no."""
    if not host:  # None and "" stand for "this machine" in getaddrinfo and bind
        return True
    name = os.fsdecode(host).lower()
    if name == "localhost":
        return True
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return False
    address = getattr(address, "ipv4_mapped", None) or address
    return address.is_loopback or address.is_unspecified


def _refusal(target: object) -> OfflineError:
    return OfflineError(
        f"no connection to {target!r}: the network is cut by TEXTCLF_OFFLINE=1; start again without it to fetch"
    )
