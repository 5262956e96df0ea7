"""Takes the named files out of an archive, and nothing else: no path outside, no byte more than stated."""

import contextlib
import gzip
import hashlib
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import IO

from textclf_lesson.assets.catalog import Carrier, Tree
from textclf_lesson.base.errors import CarrierError, brief

CHUNK = 1 << 20
# An archive comes here verified: if what is in it is not what the catalogue says, then the catalogue is wrong.
REMEDY = "The course's catalogue is at fault: update the course or report it, then"
UNREADABLE = (zipfile.BadZipFile, tarfile.TarError, gzip.BadGzipFile, zlib.error, EOFError)


def sha256(path: Path) -> str:
    """Hex digest of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def tree_sha256(files: dict[str, str]) -> str:
    """Hex digest of a folder, given path → sha256 of its files: the hash of what `sha256sum` prints, sorted by path."""
    lines = sorted((path.encode(), digest.encode()) for path, digest in files.items())
    return hashlib.sha256(b"".join(digest + b"  " + path + b"\n" for path, digest in lines)).hexdigest()


def unpack(archive: Path, carrier: Carrier, folder: Path) -> None:
    """Unpacks the carrier's members and tree from its archive into `folder`, verifying each.

    Raises CarrierError when something is missing, differs or would leave the folder.
    """
    try:
        if carrier.inner:
            path, size = carrier.inner
            inner = folder.with_name("inner")
            _members(archive, {path: (inner, size, None)}, carrier)
            archive = inner
        wanted = {
            carrier.folder + m.path: (_inside(folder, m.name, carrier), m.size, m.sha256) for m in carrier.members
        }
        _members(archive, wanted, carrier)
        if carrier.tree:
            _tree(archive, carrier, carrier.tree, folder)
    except UNREADABLE as error:
        raise CarrierError(f"{carrier.file} cannot be unpacked ({brief(error)})", REMEDY) from error


def _members(archive: Path, wanted: dict[str, tuple[Path, int, str | None]], carrier: Carrier) -> None:
    """Copies each wanted path to its (target, size, sha256); a hash of None is not checked."""
    missing = dict(wanted)
    with contextlib.closing(_entries(archive)) as entries:
        for path, opened in entries:
            if path not in missing:
                continue
            target, size, expected = missing.pop(path)
            copied, digest = _copy(opened, target, size)
            if copied != size or expected not in (None, digest):
                raise CarrierError(f"{path} in {carrier.file} is not the file that the catalogue names", REMEDY)
            if not missing:
                return
    if missing:
        raise CarrierError(f"{', '.join(missing)} is missing from {carrier.file}", REMEDY)


def _tree(archive: Path, carrier: Carrier, tree: Tree, folder: Path) -> None:
    found, left = {}, tree.size
    with contextlib.closing(_entries(archive)) as entries:
        for path, opened in entries:
            below = path.removeprefix(carrier.folder)
            if not path.startswith(carrier.folder) or not PurePosixPath(below).match(tree.match):
                continue
            name = f"{tree.name}/{below}"
            target = _inside(folder, name, carrier)
            copied, found[name] = _copy(opened, target, left)
            left -= copied
            if left < 0 or len(found) > tree.files:
                break
    if tree_sha256(found) != tree.sha256:
        raise CarrierError(f"{carrier.folder} in {carrier.file} is not the tree that the catalogue names", REMEDY)


def _entries(archive: Path) -> Iterator[tuple[str, Callable[[], IO[bytes]]]]:
    """(path, how to open it) of every file in the archive, in its order. A link is not a file, and passed over."""
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as opened:
            for info in opened.infolist():
                if not info.is_dir():  # zip knows no links: the content of what stands for one is a path
                    yield info.filename, lambda i=info: opened.open(i)
    else:
        with tarfile.open(archive) as opened:
            for info in opened:
                if info.isreg():
                    yield info.name, lambda i=info: opened.extractfile(i)


def _copy(opened: Callable[[], IO[bytes]], target: Path, size: int) -> tuple[int, str]:
    """Writes at most `size` bytes; returns how many there were (size + 1: too many) and the sha256 of those written."""
    target.parent.mkdir(parents=True, exist_ok=True)
    digest, copied = hashlib.sha256(), 0
    with opened() as source, target.open("xb") as file:
        while chunk := source.read(min(CHUNK, size - copied + 1)):
            copied += len(chunk)
            if copied > size:
                break
            digest.update(chunk)
            file.write(chunk)
    return copied, digest.hexdigest()


def _inside(folder: Path, name: str, carrier: Carrier) -> Path:
    """`folder / name`; refuses a name that would lead out of the folder."""
    parts = name.split("/")
    if name.startswith("/") or ".." in parts or "" in parts or "\\" in name or ":" in parts[0]:
        raise CarrierError(f"{carrier.file} holds a path that would leave the cache ({name})", REMEDY)
    return folder.joinpath(*parts)
