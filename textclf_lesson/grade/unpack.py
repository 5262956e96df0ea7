"""Unpacks archives member by member: a member that cannot be unpacked is reported, and the others are kept."""

import bz2
import gzip
import lzma
import os
import stat
import tarfile
import time
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path, PurePosixPath
from typing import IO

from textclf_lesson.base.errors import GradingError, Unopened
from textclf_lesson.grade.sandbox import FULL

ZIPS, TARS = {".zip"}, {".tar", ".tgz", ".gz", ".tbz", ".tbz2", ".bz2", ".txz", ".xz"}
ALONE = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}  # of one file, where there is no tar inside
OTHERS = {".7z", ".rar", ".zst", ".lz", ".lzma", ".z", ".cab", ".arj"}  # no library of Python opens them
LARGEST, MOST = 2_000_000_000, 20_000  # bytes and files of one archive
DAMAGE = (zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, EOFError, ValueError, NotImplementedError)
DAMAGE += (RuntimeError, OSError)

# name, whether it is a plain file, time of its last change, and how to open it
Member = tuple[str, bool, float, Callable[[], IO[bytes] | None]]


def is_archive(name: str) -> bool:
    return Path(name).suffix.lower() in ZIPS | TARS | OTHERS


def unpack(archive: Path, target: Path) -> list[tuple[str, str]]:
    """Unpack into the folder `target`; returns the members that could not be unpacked, each with the reason.

    Nothing is written outside `target`, whatever the members are called; links and devices are not made. Raises
    Unopened if nothing can be unpacked, GradingError if the disk is full.
    """
    problems: list[tuple[str, str]] = []
    room = LARGEST
    try:
        with closing(_members(archive)) as members:
            for number, (name, plain, changed, open_it) in enumerate(members):
                if number >= MOST or room <= 0:
                    problems.append((name, f"the archive holds more than {MOST:,} files or {LARGEST / 1e9:g} GB"))
                    break
                reason, size = _take(target, name, plain, changed, open_it, room)
                room -= size
                if reason:
                    problems.append((name, reason))
    except Unopened:
        raise
    except DAMAGE as error:
        _tell_if_full(error)
        if not any(target.iterdir()) and not problems:
            raise Unopened(f"the archive is damaged ({_brief(error)})") from None
        problems.append(("", f"the archive is damaged: what follows in it could not be read ({_brief(error)})"))
    return problems


def _members(archive: Path) -> Iterator[Member]:
    suffix = archive.suffix.lower()
    if suffix in OTHERS:
        raise Unopened(f"a {suffix} archive cannot be opened here: unpack it by hand, or ask for a .zip")
    if suffix in ZIPS:
        with zipfile.ZipFile(archive) as file:
            for info in file.infolist():
                if not info.is_dir():
                    kind = stat.S_IFMT(info.external_attr >> 16)
                    yield _zip_name(info), kind in (0, stat.S_IFREG), _time(info), lambda info=info: file.open(info)
        return
    if suffix in ALONE and not archive.stem.lower().endswith(".tar") and not _is_tar(archive):
        yield archive.stem, True, archive.stat().st_mtime, lambda: ALONE[suffix](archive)
        return
    with tarfile.open(archive, "r:*") as file:
        for info in file:
            if not info.isdir():
                yield info.name, info.isreg(), info.mtime, lambda info=info: file.extractfile(info)


def _is_tar(archive: Path) -> bool:
    try:
        return tarfile.is_tarfile(archive)
    except DAMAGE:
        return False


def _zip_name(info: zipfile.ZipInfo) -> str:
    """Some programs write UTF-8 without its flag; zipfile then reads the bytes as code page 437."""
    name = info.filename
    if not info.flag_bits & 0x800:
        with suppress(UnicodeError):
            name = name.encode("cp437").decode("utf-8")
    return name.replace("\\", "/")


def _time(info: zipfile.ZipInfo) -> float:
    try:
        return time.mktime((*info.date_time, 0, 0, -1))
    except (ValueError, OverflowError):
        return 0.0


def _take(target: Path, name: str, plain: bool, changed: float, open_it: Callable, room: int) -> tuple[str, int]:
    """Unpack one member. Returns why that failed ("" if it did not), and its size in bytes."""
    parts = [part for part in PurePosixPath(name).parts if part != "/"]
    if not parts or ".." in parts or name.startswith("/"):
        return "its name leads out of the archive", 0
    if not plain:
        return "it is a link or a device, not a file", 0
    place = target.joinpath(*parts)
    try:
        twice = place.exists()
        place.parent.mkdir(parents=True, exist_ok=True)
        with open_it() as source, place.open("wb") as sink:
            size = _copy(source, sink, room)
        if size > room:
            place.unlink()
            return f"the archive holds more than {LARGEST / 1e9:g} GB", size
        os.utime(place, (max(changed, 0), max(changed, 0)))
    except DAMAGE as error:
        _tell_if_full(error)
        with suppress(*DAMAGE):
            place.unlink(missing_ok=True)
        return f"it cannot be unpacked ({_brief(error)})", 0
    return ("it is in the archive twice: the last one counts", size) if twice else ("", size)


def _copy(source: IO[bytes], sink: IO[bytes], room: int) -> int:
    """Copy at most 1 MiB more than `room` bytes, whatever size the archive states. Returns the bytes copied."""
    size = 0
    while size <= room and (part := source.read(1 << 20)):
        sink.write(part)
        size += len(part)
    return size


def _tell_if_full(error: Exception) -> None:
    if isinstance(error, OSError) and error.errno in FULL:
        raise GradingError(
            f"There is no room to unpack an archive ({_brief(error)}): free some space, or set TMPDIR to a folder on "
            "another disk. Nothing was graded."
        ) from None


def _brief(error: Exception) -> str:
    text = str(error).lower()
    if isinstance(error, RuntimeError) and ("password" in text or "encrypted" in text):
        return "it is locked with a password"
    return str(getattr(error, "strerror", None) or error or type(error).__name__)[:120]
