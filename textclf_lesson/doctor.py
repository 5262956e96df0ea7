"""What is missing for a lesson, and how to get it; nothing about what is there."""

import importlib
import importlib.metadata as metadata
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from textclf_lesson import assets

DISTRIBUTION = "textclf-lesson"
EXTRAS = ("course", "serve")  # of what the lessons need
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
            missing.append(Missing(f"the package {wanted.name}", "`make setup`"))
            continue
        if not wanted.specifier.contains(version, prereleases=True):
            missing.append(Missing(f"{wanted.name} {wanted.specifier} (installed: {version})", "`make setup`"))
        elif wanted.name in COMPILED:
            missing += _unloadable(wanted.name, COMPILED[wanted.name])
    return missing


def _unloadable(distribution: str, module: str) -> list[Missing]:
    try:
        importlib.import_module(module)
    except (ImportError, OSError) as error:
        remedy = "install the library that the message names (OpenMP: `brew install libomp`, `apt install libgomp1`)"
        return [Missing(f"{distribution} is installed but does not load ({error})", remedy)]
    return []


def _data(lessons: list[str]) -> list[Missing]:
    """Assets that are not in the cache, and room for them if that is too little."""
    wanted = [a for a in assets.catalog().values() if set(a.lessons) & set(lessons) and not assets.is_ready(a.name)]
    missing = [
        Missing(f"{a.name}: {a.title} ({a.carriers[0].size / 1e6:,.0f} MB to download)", f"`textclf fetch {a.name}`")
        for a in wanted
    ]
    # One archive at a time is on the disk beside what has been unpacked.
    need = sum(a.size for a in wanted) + max((a.carriers[0].size for a in wanted), default=0)
    free = shutil.disk_usage(_nearest(assets.home())).free
    if need > free:
        room = f"{need / 1e6:,.0f} MB of disk space at {assets.home()} ({free / 1e6:,.0f} MB are free)"
        missing.append(Missing(room, "free some, or set TEXTCLF_HOME to a folder on another disk"))
    return missing


def _nearest(path: Path) -> Path:
    """The path, or its nearest parent that exists."""
    return next(p for p in [path, *path.absolute().parents] if p.exists())
