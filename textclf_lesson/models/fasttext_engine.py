"""What fastText's C++ takes and gives: a line per text, a training run, a search for settings, a model's bytes."""

import functools
import json
import re
import subprocess
import sys
import tempfile
import unicodedata
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from textclf_lesson.base import runtime
from textclf_lesson.base.extras import needed
from textclf_lesson.base.inputs import plain

with needed("train"):
    import fasttext


PREFIX = "__label__"

# Runs in a process of its own: autotune prints to the terminal, which cannot be switched off, and takes over Ctrl-C.
TUNE = """
import json, sys, fasttext
job = json.load(sys.stdin)
model = fasttext.train_supervised(job["train"], verbose=0, autotuneValidationFile=job["held"],
    autotuneDuration=job["seconds"], **job["settings"])
model.save_model(job["model"])
names = dict(lr="lr", epoch="epoch", word_ngrams="wordNgrams", minn="minn", maxn="maxn")
print(json.dumps({name: getattr(model, theirs) for name, theirs in names.items()}))
"""


def lines(texts: list[str], tidy: bool) -> list[str]:
    """Each text as one line in which fastText sees nothing but words; tidy: as `FastTextClassifier` explains."""
    if tidy:
        texts = [text.lower().translate(_apart()) for text in texts]
    else:  # at "</s>" fastText would stop reading, and a word that begins with "__label__" would be a label
        texts = [text.replace("</s>", "< /s>").replace(PREFIX, "__ label__") for text in texts]
    return [" ".join(text.split()).encode("utf8", "replace").decode() for text in texts]


def rows(targets: list[str], texts: list[str], tidy: bool) -> list[str]:
    """Lines to train on: the text's labels, then the text."""
    return [f"{target} {line}\n" for target, line in zip(targets, lines(texts, tidy), strict=True)]


def train(rows: list[str], settings: dict) -> Any:
    """A fastText model. Raises ValueError if its numbers overflow, which a large learning rate does."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "train.txt"
        path.write_text("".join(rows), encoding="utf8")
        try:
            return fasttext.train_supervised(str(path), verbose=0, **plain(settings))
        except RuntimeError as error:
            raise ValueError(f"Training diverged ({error}): choose an lr below {settings['lr']}.") from error


def autotune(rows: list[str], held: list[str], fixed: dict, seconds: int) -> tuple[Any, dict]:
    """The model trained with the settings that were best on `held`, and its lr, epoch, word_ngrams, minn and maxn.

    Searches for `seconds` among the settings that are not fixed, then trains with the best. Raises ValueError if the
    time was too short for one trial.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "train.txt").write_text("".join(rows), encoding="utf8")
        (folder / "held.txt").write_text("".join(held), encoding="utf8")
        job = {part: str(folder / f"{part}.txt") for part in ("train", "held", "model")}
        found = _run(job | {"seconds": seconds, "settings": fixed})
        return fasttext.load_model(job["model"]), found


def _run(job: dict) -> dict:
    pipe = subprocess.PIPE
    command = [sys.executable, "-P", "-c", TUNE]  # -P: a fasttext.py in the current folder is not meant
    child = subprocess.Popen(command, text=True, encoding="utf8", stdin=pipe, stdout=pipe, stderr=pipe)
    output: list[str] = []
    with child.stdin, child.stdout, child.stderr:
        try:
            json.dump(plain(job), child.stdin)  # NumPy's numbers come from grid searches
            child.stdin.close()
            for _ in runtime.progress(_percents(child.stderr, output), "autotune", total=100):
                pass
            found = child.stdout.read()
            if child.wait():
                raise ValueError(f"autotune found nothing in {job['seconds']} s: {output[-1].strip()}")
            return json.loads(found)
        finally:
            child.kill()  # if the user interrupts
            child.wait()


def _percents(lines: Iterable[str], output: list[str]) -> Iterator[int]:
    """1, 2, … 100 as autotune reports them; every line goes into `output`."""
    done = 0
    for line in lines:
        output.append(line)
        if at := re.match(r"Progress: +(\d+)", line):
            yield from range(done + 1, int(at[1]) + 1)
            done = int(at[1])


def to_bytes(model: Any) -> bytes:
    """The model in fastText's file format. It writes and reads files only, so this goes through one."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.bin"
        model.save_model(str(path))
        return path.read_bytes()


def from_bytes(content: bytes) -> Any:
    """The model that `to_bytes` wrote."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.bin"
        path.write_bytes(content)
        return fasttext.load_model(str(path))


@functools.cache
def _apart() -> dict[int, str]:
    """Punctuation, symbols and emoji → themselves between spaces."""
    marks = (code for code in range(0x20000) if unicodedata.category(chr(code))[0] in "PS")
    return {code: f" {chr(code)} " for code in marks}
