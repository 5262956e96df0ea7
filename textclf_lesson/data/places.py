"""A file, a folder or an archive as tables of text."""

import io
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from textclf_lesson.base.errors import DataError
from textclf_lesson.base.hints import did_you_mean
from textclf_lesson.data.files import (
    DAMAGED,
    KINDS,
    PACKINGS,
    Table,
    decode,
    kind,
    read_file,
    split_of,
    stem_of,
    unpacked,
)

Place = Path | zipfile.Path


def tables(
    source: str | Place, wanted: set[str], member: str | None = None, encoding: str | None = None
) -> list[tuple[str | None, Table]]:
    """The tables of a file, folder or zip archive, each with the split that its name says, or None.

    A folder (or archive) holds one table; or tables named by splits; or a folder of texts for each class, which may
    stand in a folder for each split. `member` names the one table to read among others, by path, name or stem.
    wanted: names of columns, by which the separator of a CSV is found. encoding: of text files, if not UTF-8 or
    UTF-16 and UTF-32 with a byte order mark.

    Raises DataError for whatever cannot be read, with what to do.
    """
    place = Path(source).expanduser() if isinstance(source, str | Path) else source
    if isinstance(source, str) and "://" in source:
        raise DataError(f"{source[:80]} is an address: download the file, and give its path.")
    if not _exists(place):
        raise DataError(f"There is no file or folder {str(place).splitlines()[0][:200]}.")
    return list(_tables(place, None, wanted, member, encoding))


def _exists(place: Place) -> bool:
    try:
        return place.exists()
    except (OSError, ValueError):  # too long for a name, or with a zero byte: a table itself, say
        return False


def find(folder: Place, stem: str) -> Place | None:
    """The table called `stem` in a folder or archive, whatever its packing."""
    names = {stem + kind + pack for kind in KINDS for pack in ("", *PACKINGS)}
    return next((entry for entry in _entries(folder) if entry.name in names and entry.is_file()), None)


def opened(place: Place) -> Place:
    """The inside of a zip archive of several files as a folder; any other place as it is."""
    if place.is_file() and place.name.lower().endswith(".zip"):
        inside = _archive(place, place.read_bytes())
        if len(list(_entries(inside))) > 1:
            return inside
    return place


def _tables(
    place: Place, split: str | None, wanted: set[str], member: str | None, encoding: str | None
) -> Iterator[tuple[str | None, Table]]:
    if place.is_file():
        try:
            content = place.read_bytes()
        except (OSError, EOFError, RuntimeError, NotImplementedError, zipfile.BadZipFile, zlib.error) as error:
            encrypted = isinstance(error, RuntimeError) and "password" in str(error)
            advice = "Unpack it with its password first." if encrypted else _advice(error)
            raise DataError(f"{place} cannot be read as a table ({error}). {advice}") from error
        if content.startswith((b"PK\x03\x04", b"PK\x05\x06")) or place.name.lower().endswith(".zip"):
            yield from _tables(_archive(place, content), split, wanted, member, encoding)
        elif member is not None:
            raise DataError(f"{place} is one table, no archive or folder: leave out member={member!r}.")
        else:
            yield split, read_file(str(place), place.name, content, wanted, encoding)
        return
    if any((place / name).is_file() for name in ("dataset_info.json", "dataset_dict.json")):
        raise DataError(
            f"{place} was written by save_to_disk: data.read(datasets.load_from_disk({str(place)!r})) reads it."
        )
    if member is not None:
        yield from _tables(_member(place, member), split, wanted, None, encoding)
        return
    entries = list(_entries(place))
    files = [entry for entry in entries if entry.is_file() and kind(entry.name)]
    folders = [entry for entry in entries if entry.is_dir()]
    if len(files) == 1:
        yield from _tables(files[0], split, wanted, None, encoding)
    elif files and split is None and all(split_of(file.name) for file in files):
        for file in files:
            yield from _tables(file, split_of(file.name), wanted, None, encoding)
    elif files and split is not None:  # a folder of one split in several parts
        for file in files:
            yield from _tables(file, split, wanted, None, encoding)
    elif files:
        raise DataError(
            f"{place} holds {len(files)} tables ({', '.join(file.name for file in files[:8])}): name one, for example "
            f"member={files[0].name!r}, or give a dictionary of splits, {{'train': path, 'test': path}}."
        )
    elif folders and split is None and all(split_of(folder.name) for folder in folders):
        for folder in folders:
            yield from _tables(folder, split_of(folder.name), wanted, None, encoding)
    elif len(folders) == 1 and any(entry.is_dir() or kind(entry.name) for entry in _entries(folders[0])):
        yield from _tables(folders[0], split, wanted, None, encoding)
    elif folders:
        inner = next((file for file in _walk(place) if kind(file.name)), None)
        if inner is not None:
            raise DataError(f"{place} holds folders with tables in them: read one of those, such as {inner}.")
        yield split, _texts_by_class(place, folders, encoding)
    else:
        inside = ", ".join(entry.name for entry in entries[:8]) or "nothing"
        raise DataError(
            f"{place} cannot be read as a table: it holds no CSV, TSV, JSON lines or Parquet file and no folder of "
            f"texts for each class, only {inside}."
        )


def _entries(folder: Place) -> Iterator[Place]:
    """What stands in a folder, by name, without what an operating system hides there."""
    shown = (e for e in folder.iterdir() if not e.name.startswith(".") and e.name != "__MACOSX")
    return iter(sorted(shown, key=lambda entry: entry.name))


def _walk(folder: Place) -> Iterator[Place]:
    for entry in _entries(folder):
        yield from _walk(entry) if entry.is_dir() else [entry]


def _member(place: Place, member: str) -> Place:
    files = [file for file in _walk(place) if kind(file.name)] or list(_walk(place))
    path_of = {str(file)[len(str(place)) :].strip("/\\"): file for file in files}
    wanted = member.strip("/\\")
    for name in (str, lambda path: path_of[path].name, lambda path: stem_of(path_of[path].name), unpacked):
        matches = [path for path in path_of if name(path) == wanted]
        if len(matches) == 1:
            return path_of[matches[0]]
        if matches:
            raise DataError(f"{place} holds {len(matches)} files called {member}: {', '.join(matches[:8])}. Name one.")
    guess = did_you_mean(wanted, path_of)
    raise DataError(f"{place} holds no {member}.{guess} It holds: {', '.join(list(path_of)[:12]) or 'nothing'}.")


def _archive(place: Place, content: bytes) -> zipfile.Path:
    try:
        archive = zipfile.ZipFile(io.BytesIO(content))
    except (zipfile.BadZipFile, OSError, ValueError) as error:
        raise DataError(f"{place} cannot be read as a table ({error}). {DAMAGED}") from error
    if "[Content_Types].xml" in archive.namelist():
        raise DataError(f"{place} cannot be read as a table: it is a spreadsheet. Save it as CSV UTF-8, and read that.")
    archive.filename = str(place)
    return zipfile.Path(archive)


def _advice(error: Exception) -> str:
    return "May you read it?" if isinstance(error, PermissionError) else DAMAGED


def _texts_by_class(place: Place, folders: list[Place], encoding: str | None) -> Table:
    rows, bad = [], []
    for folder in folders:
        for file in _walk(folder):
            name = str(file)[len(str(place)) :].strip("/\\")
            try:
                rows.append((name, decode(file.read_bytes(), str(file), encoding), folder.name))
            except DataError as error:
                bad.append(dict(source=str(place), line=name, reason="the encoding is not known", row=str(error)))
    table = pd.DataFrame(rows, columns=["file", "text", "label"], dtype=object).set_index("file")
    return Table(table, str(place), "file", bad)
