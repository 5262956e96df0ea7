"""Real archives, a folder of them with the catalogue that names them, and a package index on loopback."""

import hashlib
import http.server
import io
import json
import tarfile
import threading
import time
import zipfile
from pathlib import Path
from urllib.parse import urlsplit


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def zipped(files: dict[str, bytes], link: str = "") -> bytes:
    """A zip archive; `link` is stored as a symbolic link to /etc/passwd."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, content in files.items():
            archive.writestr(path, content)
        if link:
            info = zipfile.ZipInfo(link)
            info.external_attr = 0o120777 << 16
            archive.writestr(info, "/etc/passwd")
    return buffer.getvalue()


def tarred(files: dict[str, bytes], link: str = "", kind: bytes = tarfile.SYMTYPE) -> bytes:
    """A tar.gz archive; `link` is a symbolic (or hard) link to /etc/passwd."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for path, content in files.items():
            info = tarfile.TarInfo(path)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
        if link:
            info = tarfile.TarInfo(link)
            info.type, info.linkname = kind, "/etc/passwd"
            archive.addfile(info)
    return buffer.getvalue()


def tree_of(files: dict[str, bytes], name: str, match: str = "*/*.txt") -> dict:
    """The catalogue's line for a tree of these files (path below the folder → content)."""
    lines = sorted((f"{name}/{path}", digest(content)) for path, content in files.items())
    return {
        "match": match,
        "as": name,
        "files": len(files),
        "size": sum(map(len, files.values())),
        "sha256": digest("".join(f"{sha}  {path}\n" for path, sha in lines).encode()),
    }


class Shelf:
    """Archives in `folder`; `add` puts one there and returns its catalogue entry, `list` writes the catalogue."""

    def __init__(self, root: Path):
        self.folder, self.home, self.catalog = root / "shelf", root / "home", root / "catalog.toml"
        self.folder.mkdir()

    def add(self, kind: str, content: bytes, members: dict[str, bytes] | None = None, **change) -> dict:
        """`members` is path → content, the name in the cache being the path's last part; `change` overrides."""
        package = change.get("package", "carrier")
        version = change.get("version", "1.0")
        ending = {"wheel": "-py3-none-any.whl", "sdist": ".tar.gz", "npm": ".tgz"}[kind]
        file = f"{package}-{version}{ending}"
        (self.folder / file).write_bytes(content)
        entry = {"kind": kind, "package": package, "version": version, "file": file, "size": len(content)}
        entry |= {"sha256": digest(content), "licence": "MIT"}
        if members:
            entry["members"] = [
                {"path": path, "as": path.rpartition("/")[2], "size": len(text), "sha256": digest(text)}
                for path, text in members.items()
            ]
        return entry | change

    def list(self, lesson: dict[str, str] | None = None, **assets: list[dict]) -> None:
        """Writes the catalogue: one asset for each keyword, of these carriers, for lesson 02 unless `lesson` tells."""
        lines = []
        for name, carriers in assets.items():
            lines += [f"[{name}]", f'title = "Texts of {name}"', f"size = {carriers[0]['size']}"]
            lines += [f'lessons = ["{(lesson or {}).get(name, "02")}"]']
            lines += ['licence = "MIT"', 'citation = "Anon (2020), Texts"']
            for carrier in carriers:
                lines += [f"[[{name}.carriers]]", *(f"{key} = {_toml(value)}" for key, value in carrier.items())]
        self.catalog.write_text("\n".join(lines))

    def cached(self) -> dict[str, bytes]:
        """Every file in the cache but the locks, which are empty files that stay."""
        files = (path for path in self.home.rglob("*") if path.is_file() and path.suffix != ".lock")
        return {path.relative_to(self.home).as_posix(): path.read_bytes() for path in files}


def _toml(value) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {_toml(item)}" for key, item in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return json.dumps(value)


DROP = 1 << 16  # bytes sent before an index that is not in a hurry waits


class Index(http.server.ThreadingHTTPServer):
    """A package index on loopback: pip's simple pages, archives behind a redirect as mirrors have it, npm's JSON;
    a proxy too, for any host, that answers itself.

    `log` holds the paths asked for; while `hurry` is cleared, only the first drop of an archive is sent;
    the next `hang_ups` archives end after it.
    """

    daemon_threads = True

    def __init__(self, shelf: Shelf):
        super().__init__(("127.0.0.1", 0), _Answer)
        self.shelf, self.log, self.hurry, self.hang_ups = shelf, [], threading.Event(), 0
        self.hurry.set()
        self.url = f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, request, client_address):
        """A client that hangs up is what some tests are about: no traceback for it."""

    def downloads(self) -> list[str]:
        return [path for path in self.log if path.startswith("/files/")]


class _Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        path = urlsplit(self.path).path  # the whole address when asked as a proxy
        self.server.log.append(path)
        kind, _, name = path.strip("/").partition("/")
        archives = {path.name: path for path in self.server.shelf.folder.iterdir()}
        if kind == "simple":
            links = "".join(f'<a href="/moved/{file}">{file}</a>' for file in archives if file.startswith(name + "-"))
            self._say(links.encode(), 200 if links else 404)
        elif kind == "moved":
            self._say(b"", 302, Location=f"/files/{name}")
        elif kind == "npm":
            self._say(json.dumps(self._package(name)).encode(), type="application/json")
        elif kind == "files" and name in archives:
            self._say(archives[name].read_bytes(), type="application/octet-stream")
        else:
            self._say(b"", 404)

    def _package(self, name: str) -> dict:
        dist = {"tarball": f"{self.server.url}/files/{name}-1.0.0.tgz"}
        version = {"name": name, "version": "1.0.0", "dist": dist}
        return {"name": name, "dist-tags": {"latest": "1.0.0"}, "versions": {"1.0.0": version}}

    def _say(self, body: bytes, status: int = 200, type: str = "text/html", **headers):
        self.send_response(status)
        for name, value in {"Content-Type": type, "Content-Length": len(body), **headers}.items():
            self.send_header(name, str(value))
        self.end_headers()
        for start in range(0, len(body), DROP):
            if start and self.server.hang_ups:
                self.server.hang_ups -= 1
                return
            while type == "application/octet-stream" and start and not self.server.hurry.is_set():
                time.sleep(0.05)
            self.wfile.write(body[start : start + DROP])

    def log_message(self, *_):
        pass
