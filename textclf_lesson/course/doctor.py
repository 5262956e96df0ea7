"""What is missing for a lesson, and how to get it; and which of the course's waits hold on this machine."""

import importlib
import importlib.metadata as metadata
import importlib.util
import shutil
import sys
import webbrowser
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from textclf_lesson.assets import cache
from textclf_lesson.base import machine, runtime, shell
from textclf_lesson.course import waits

DISTRIBUTION = "textclf-lesson"
EXTRAS = ("course", "train", "llm", "serve")  # what the lessons need
CHROMIUMS = ("chromium", "chromium-browser", "google-chrome")
KERNEL_MB = 2000  # what the course keeps a lesson's memory to; of use where it was not measured
# Installed is not yet usable: these are compiled and lean on system libraries (LightGBM on OpenMP, for one), so they
# are really imported. Distribution → module.
COMPILED = {
    "numpy": "numpy",
    "scikit-learn": "sklearn",
    "lightgbm": "lightgbm",
    "fasttext-community": "fasttext",
    "torch": "torch",
}


@dataclass(frozen=True)
class Missing:
    """Something a lesson needs and this machine lacks. `remedy` tells how to get it."""

    what: str
    remedy: str


def check(lessons: list[str]) -> list[Missing]:
    """What these lessons ("02") need and this machine lacks: Python, packages, data, disk space."""
    return [*_python(), *_packages(), *_data(lessons)]


def this_machine(lessons: list[str], book: dict[str, dict[str, Any]]) -> list[str]:
    """What this machine has for these lessons: processor, memory, room on the disk, a browser; warnings where it lacks.

    book: of times, as `waits.read` gives it; a lesson that is not in it is taken to need KERNEL_MB.
    """
    total, free = machine.memory()
    cores, column = runtime.cores(), waits.COLUMNS[waits.this_column()]
    words = [
        f"This machine: {cores} {'core' if cores == 1 else 'cores'} {column}, {machine.processor()}, "
        f"{total / 1e9:.0f} GB of memory.",
        f"Of a lesson's two waits, the one {column} holds here.",
    ]
    entries = {number: [e for stem, e in book.items() if stem.startswith(f"{number}_")] for number in lessons}
    needs = {number: max(map(_peak_mb, found), default=KERNEL_MB) for number, found in entries.items()}
    most = max(needs, key=needs.get, default=None)
    if most and needs[most] * 1e6 > free:
        words.append(
            f"⚠ Only {free / 1e9:.1f} GB of memory are free, and lesson {most} needs {needs[most] / 1e3:.1f} GB: "
            "close other programs, or it may be very slow or end with a dead kernel."
        )
    return [*words, _disk(), *_browsers()]


def _disk() -> str:
    """Free space where data go, and what those of all lessons take."""
    free = shutil.disk_usage(_nearest(cache.home())).free
    all_sizes = sum(asset.size for asset in cache.catalog().values() if asset.lessons)
    return (
        f"Disk: {free / 1e9:.1f} GB are free at {cache.home()}; "
        f"the data and weights of all lessons take {all_sizes / 1e9:.1f} GB there."
    )


def _browsers() -> Iterator[str]:
    """What opens JupyterLab; and, where Playwright is installed, what it could drive."""
    try:
        yield f"Browser for JupyterLab: {webbrowser.get().name}."
    except webbrowser.Error:
        yield (
            "⚠ No browser was found for JupyterLab: open the address that "
            f"`{shell.textclf('start', '--no-browser')}` prints in one that can reach this machine."
        )
    if importlib.util.find_spec("playwright"):
        found = next(filter(None, map(shutil.which, CHROMIUMS)), None)
        missing = "none, so the tests of pages are skipped: `apt install chromium`, or `brew install --cask chromium`"
        yield f"Browser for Playwright (tests of pages, pictures): {found or missing}."


def _peak_mb(entry: dict[str, Any]) -> int:
    return waits.peak_mb(entry) or KERNEL_MB


def _python() -> list[Missing]:
    wanted = SpecifierSet(metadata.metadata(DISTRIBUTION)["Requires-Python"])
    version = ".".join(map(str, sys.version_info[:3]))
    if version in wanted:
        return []
    return [Missing(f"Python {wanted} (this is {version})", "install one, then `make setup PYTHON=/path/to/it`")]


def _packages() -> list[Missing]:
    """Each requirement of the package and of EXTRAS that is not installed, too old, or does not load."""
    missing = []
    for line in metadata.requires(DISTRIBUTION):
        wanted = Requirement(line)
        if wanted.marker and not any(wanted.marker.evaluate({"extra": extra}) for extra in EXTRAS):
            continue
        try:
            version = metadata.version(wanted.name)
        except metadata.PackageNotFoundError:
            missing.append(Missing(f"the package {wanted.name}", _installing(wanted)))
            continue
        if not wanted.specifier.contains(version, prereleases=True):
            missing.append(Missing(f"{wanted.name} {wanted.specifier} (installed: {version})", _installing(wanted)))
        elif wanted.name in COMPILED:
            missing += _unloadable(wanted.name, COMPILED[wanted.name])
    return missing


def _installing(wanted: Requirement) -> str:
    """`make setup` in the folder of the course, which installs what the lock names; elsewhere pip's command."""
    return "`make setup`" if Path("Makefile").exists() else f"`{shell.pip_install(f'{wanted.name}{wanted.specifier}')}`"


def _unloadable(distribution: str, module: str) -> list[Missing]:
    try:
        importlib.import_module(module)
    except (ImportError, OSError) as error:
        remedy = "install the library that the message names (OpenMP: `brew install libomp`, `apt install libgomp1`)"
        return [Missing(f"{distribution} is installed but does not load ({error})", remedy)]
    return []


def _data(lessons: list[str]) -> list[Missing]:
    """Assets that are not in the cache, and room for them if that is too little."""
    wanted = [a for a in cache.catalog().values() if set(a.lessons) & set(lessons) and not cache.is_ready(a.name)]
    missing = [
        Missing(
            f"{a.name}: {a.title} ({a.carriers[0].size / 1e6:,.0f} MB to download)",
            f"`{shell.textclf('fetch', a.name)}`",
        )
        for a in wanted
    ]
    # One archive at a time is on the disk beside what has been unpacked.
    need = sum(a.size for a in wanted) + max((a.carriers[0].size for a in wanted), default=0)
    free = shutil.disk_usage(_nearest(cache.home())).free
    if need > free:
        room = f"{need / 1e6:,.0f} MB of disk space at {cache.home()} ({free / 1e6:,.0f} MB are free)"
        missing.append(Missing(room, "free some, or set TEXTCLF_HOME to a folder on another disk"))
    return missing


def _nearest(path: Path) -> Path:
    """The path, or its nearest parent that exists."""
    return next(p for p in [path, *path.absolute().parents] if p.exists())
