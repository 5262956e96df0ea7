"""A cache of a language model's answers on disk: what was paid for once is not paid for twice."""

import hashlib
import json
import sqlite3
import warnings
from contextlib import closing
from pathlib import Path
from typing import Any

from textclf_lesson import assets


def default_file() -> Path:
    """Where answers are kept unless told otherwise: in the cache folder of the course."""
    return assets.home() / "llm-cache" / "answers.sqlite"


class Answers:
    """Answers by question. Any number of processes may use one file.

    The key is the SHA-256 of all that determines an answer: endpoint, model, messages, parameters. Only this key and
    the answer are stored: neither texts, nor prompts, nor credentials. A file that cannot be read or written costs a
    warning and the cache, never an answer. `path=None`: nothing is kept.
    """

    def __init__(self, path: Path | None) -> None:
        self.path = path
        if path is None:
            return
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._run("CREATE TABLE IF NOT EXISTS answers (key TEXT PRIMARY KEY, answer TEXT NOT NULL)")
        except (OSError, sqlite3.Error) as error:
            self._give_up(error)

    def get(self, question: Any) -> dict | None:
        """The answer kept for this question (anything that JSON can hold), or None."""
        rows = self._try("SELECT answer FROM answers WHERE key = ?", (key(question),))
        return json.loads(rows[0][0]) if rows else None

    def put(self, question: Any, answer: dict) -> None:
        """Keep an answer, on disk when this returns."""
        self._try("INSERT OR REPLACE INTO answers VALUES (?, ?)", (key(question), json.dumps(answer)))

    def _try(self, statement: str, values: tuple) -> list[tuple]:
        try:
            return self._run(statement, values) if self.path else []
        except (OSError, sqlite3.Error) as error:
            self._give_up(error)
            return []

    def _run(self, statement: str, values: tuple = ()) -> list[tuple]:
        with closing(sqlite3.connect(self.path, timeout=30)) as connection, connection:
            return connection.execute(statement, values).fetchall()

    def _give_up(self, error: Exception) -> None:
        path, self.path = self.path, None
        warnings.warn(
            f"Answers are not cached from here on: {path} cannot be used ({error}). Delete it or pass another "
            "cache=FILE; nothing else is affected.",
            stacklevel=3,
        )


def key(question: Any) -> str:
    """SHA-256 of a question in one fixed spelling."""
    return hashlib.sha256(json.dumps(question, sort_keys=True).encode()).hexdigest()
