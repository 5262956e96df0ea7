"""Files that are no tables of text, known by their first bytes, and what to do with each."""

from textclf_lesson.base.errors import DataError

_UNPACK = "Unpack it, and read what is inside"
_SAVE = "Open it in the program that made it, and save it as CSV UTF-8"
_FIRST_BYTES = [
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive", _UNPACK),
    (b"Rar!\x1a\x07", "a RAR archive", _UNPACK),
    (b"\x28\xb5\x2f\xfd", "packed by Zstandard", _UNPACK),
    (b"\x04\x22\x4d\x18", "packed by LZ4", _UNPACK),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old spreadsheet or document", _SAVE),
    (b"%PDF", "a PDF document", _SAVE),
    (b"{\\rtf", "an RTF document", _SAVE),
    (b"SQLite format 3\0", "a database of SQLite", "Read it by pandas.read_sql, and give the table"),
    (b"ARROW1", "a Feather or Arrow file", "Read it by pandas.read_feather, and give the table"),
    (b"ORC", "an ORC file", "Read it by pandas.read_orc, and give the table"),
    (b"Obj\x01", "an Avro file", "Save it as Parquet"),
    (b"\x89HDF", "an HDF5 file", "Read it by pandas.read_hdf, and give the table"),
    (b"\x93NUMPY", "an array of NumPy", "Load it by numpy.load, and give a dictionary of columns"),
    (b"\x80", "a pickle", "Load it yourself, if you trust who made it, and give the table"),
    (b"\x89PNG", "a picture", "Choose another file"),
    (b"\xff\xd8\xff", "a picture", "Choose another file"),
    (b"GIF8", "a picture", "Choose another file"),
    (b"\x7fELF", "a program", "Choose another file"),
]


def refuse_foreign(path: str, content: bytes) -> None:
    """Raises DataError if `content` begins as a known kind of file does that is no table of text."""
    if content[257:262] == b"ustar":
        raise DataError(f"{path} cannot be read as a table: it is a tar archive. {_UNPACK}.")
    for start, what, advice in _FIRST_BYTES:
        # One byte alone may be a letter of an old encoding: a pickle has the number of its protocol behind it.
        if content.startswith(start) and (len(start) > 1 or content[1:2] in b"\x02\x03\x04\x05"):
            raise DataError(f"{path} cannot be read as a table: it is {what}. {advice}.")
