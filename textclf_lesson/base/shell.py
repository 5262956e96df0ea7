"""Commands that can be pasted into the shell at hand: quoted, and with the path of `textclf` where it needs one."""

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path


def textclf(*words: object) -> str:
    """The command `textclf` with these words, quoted.

    Plain `textclf` where the shell finds that of this environment. Else its path: from the working directory if it lies
    below it (`.venv/bin/textclf`), or in full.
    """
    return quoted(_program("textclf"), *words)


def pip_install(*requirements: str) -> str:
    """The command that installs these requirements ("numpy>=2") into this environment."""
    return quoted(_short(Path(sys.executable)), "-m", "pip", "install", *requirements)


def quoted(*words: object) -> str:
    """These words as one command line, each of them one word to the shell."""
    texts = [str(word) for word in words]
    return subprocess.list2cmdline(texts) if os.name == "nt" else shlex.join(texts)


def _program(name: str) -> str:
    """How this shell calls a program that was installed beside this Python."""
    ours = Path(sys.executable).with_name(f"{name}.exe" if os.name == "nt" else name)
    found = shutil.which(name)
    if not ours.exists() or (found and Path(found).resolve() == ours.resolve()):
        return name
    return _short(ours)


def _short(path: Path) -> str:
    """The path from the working directory on where it lies below it. Links are not followed: a venv's Python is one."""
    try:
        return str(path.relative_to(Path.cwd()))
    except (ValueError, OSError):
        return str(path)
