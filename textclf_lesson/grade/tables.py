"""CSV files of others, read so that they can be written back: encoding, byte order mark, delimiter and quotes stay.

A row that is not changed is written as it was read, byte for byte.
"""

import codecs
import csv
import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from textclf_lesson.base.errors import GradingError

MARKS = {codecs.BOM_UTF8: "utf-8", codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}
DELIMITERS = ",;\t|"
LARGEST = 50_000_000  # bytes
NOTHING = "Nothing was graded."


@dataclass
class Row:
    """A record of the file: its number in a spreadsheet (the head is 1), its entries, and its text with the line end.

    `changed`: its text is made anew from its entries.
    """

    number: int
    entries: list[str]
    text: str
    changed: bool = False

    def __getitem__(self, at: int) -> str:
        return self.entries[at].strip() if at < len(self.entries) else ""

    def __setitem__(self, at: int, entry: str) -> None:
        self.entries += [""] * (at + 1 - len(self.entries))
        self.entries[at] = entry
        self.changed = True


@dataclass
class Table:
    """A CSV file. `rows` are its records after the head, blank lines left out; `records` are all, as they stand."""

    path: Path
    head: list[str]
    rows: list[Row]
    records: list[Row]
    mark: bytes
    encoding: str
    delimiter: str

    def columns(self, names: Iterable[str]) -> list[int]:
        """Where the columns of these names stand, in the order of `names`; upper and lower case are the same.

        Raises GradingError if one of them is there twice.
        """
        plain, found = [entry.strip().casefold() for entry in self.head], []
        for name in dict.fromkeys(name.strip().casefold() for name in names):
            if plain.count(name) > 1:
                raise GradingError(f"{self.path} has {plain.count(name)} columns `{name}`: rename one. {NOTHING}")
            found += [plain.index(name)] if name in plain else []
        return found

    def named(self) -> str:
        """Its columns, for a message."""
        return ", ".join(f"`{name.strip()}`" for name in self.head)

    def as_bytes(self) -> bytes:
        """The file, with the rows that were changed."""
        return self.mark + "".join(self._text(record) for record in self.records).encode(self.encoding)

    def _text(self, record: Row) -> str:
        if not record.changed:
            return record.text
        body = record.text.rstrip("\r\n")
        end = record.text[len(body) :]
        before = next(csv.reader(io.StringIO(body, newline=""), delimiter=self.delimiter))
        quoted = self._line(before, csv.QUOTE_ALL) == body
        return self._line(record.entries, csv.QUOTE_ALL if quoted else csv.QUOTE_MINIMAL) + end

    def _line(self, entries: list[str], quoting: int) -> str:
        file = io.StringIO()
        csv.writer(file, delimiter=self.delimiter, quoting=quoting, lineterminator="").writerow(entries)
        return file.getvalue()


def read(path: Path) -> Table:
    """Read a CSV file with a head: UTF-8, UTF-16 with a byte order mark, else Windows-1252, as old Excel writes it.

    Raises GradingError for a file that is missing, or no such table.
    """
    try:
        if not path.is_file():
            raise GradingError(f"There is no file {path}. {NOTHING}")
        if path.stat().st_size > LARGEST:
            raise GradingError(f"{path} is larger than {LARGEST / 1e6:g} MB: it is no list of a class. {NOTHING}")
        content = path.read_bytes()
    except OSError as error:
        raise GradingError(f"{path} cannot be read ({error.strerror}). {NOTHING}") from None
    text, mark, encoding = _decoded(content)
    if "\0" in text:
        raise GradingError(f"{path} is not a CSV file: save it as CSV. {NOTHING}")
    first = next((line for line in io.StringIO(text) if line.strip()), "")
    delimiter = max(DELIMITERS, key=lambda sign: len(next(csv.reader([first], delimiter=sign), [])))
    try:
        records = list(_records(text, delimiter))
    except csv.Error as error:
        raise GradingError(f"{path} is not a CSV file ({error}): save it as CSV. {NOTHING}") from None
    filled = [record for record in records if any(entry.strip() for entry in record.entries)]
    if not filled:
        raise GradingError(f"{path} is empty. {NOTHING}")
    return Table(path, filled[0].entries, filled[1:], records, mark, encoding, delimiter)


def _decoded(content: bytes) -> tuple[str, bytes, str]:
    for mark, encoding in MARKS.items():
        if content.startswith(mark):
            return content[len(mark) :].decode(encoding, "replace"), mark, encoding
    for encoding in ("utf-8", "cp1252"):
        try:
            return content.decode(encoding), b"", encoding
        except UnicodeDecodeError:
            pass
    return content.decode("latin-1"), b"", "latin-1"


def _records(text: str, delimiter: str) -> Iterator[Row]:
    """Each record with the lines that it was read from: an entry in quotes may hold line ends."""
    taken: list[str] = []

    def lines() -> Iterator[str]:
        for line in io.StringIO(text, newline=""):
            taken.append(line)
            yield line

    for number, entries in enumerate(csv.reader(lines(), delimiter=delimiter), 1):
        yield Row(number, entries, "".join(taken))
        taken.clear()
