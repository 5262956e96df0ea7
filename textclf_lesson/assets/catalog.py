"""The catalogue: what can be fetched, in which archives it lies, and the hashes that everything is held to."""

import tomllib
from dataclasses import dataclass, field
from pathlib import Path

from textclf_lesson.base import shell
from textclf_lesson.base.errors import AssetError
from textclf_lesson.base.hints import did_you_mean

CATALOG = Path(__file__).with_name("catalog.toml")


@dataclass(frozen=True)
class Member:
    """One file: `path` below the carrier's folder, `name` in the cache, size in bytes."""

    path: str
    name: str
    size: int
    sha256: str


@dataclass(frozen=True)
class Tree:
    """All files below the carrier's folder that fit the pattern `match`, kept in the folder `name`.

    `files` is their number, `size` their bytes together, `sha256` the hash of the lines "HASH  NAME/PATH" for each of
    them, sorted by path: what `sha256sum` prints.
    """

    match: str
    name: str
    files: int
    size: int
    sha256: str


@dataclass(frozen=True)
class Carrier:
    """An archive on an index that holds an asset. `inner` is (path, size) of an archive inside it, or None."""

    kind: str  # wheel, sdist or npm
    package: str
    version: str
    file: str
    size: int
    sha256: str
    licence: str
    folder: str = ""
    members: tuple[Member, ...] = ()
    tree: Tree | None = None
    inner: tuple[str, int] | None = None

    def __str__(self) -> str:
        return f"{self.package} {self.version} ({self.kind})"

    @property
    def parts(self) -> tuple[Member | Tree, ...]:
        return self.members + ((self.tree,) if self.tree else ())

    @property
    def contents(self) -> dict[str, str]:
        """Name in the cache → sha256: what a finished copy says of itself in its stamp."""
        return {part.name: part.sha256 for part in self.parts}


@dataclass(frozen=True)
class Asset:
    """Data or weights: what lessons ask for. `size` is bytes in the cache.

    sets: the data sets in it (`data.load`), where their names are not its own.

    >>> catalog()["newsgroups-reuters"].sets
    ['newsgroups', 'reuters-r8', 'reuters-r52']
    """

    name: str
    title: str
    lessons: list[str]
    size: int
    licence: str
    citation: str
    carriers: list[Carrier] = field(repr=False)
    sets: list[str] = field(default_factory=list)


def catalog() -> dict[str, Asset]:
    """All assets by name, in the catalogue's order."""
    entries = tomllib.loads(CATALOG.read_text(encoding="utf-8"))
    return {
        name: Asset(name=name, **entry | {"carriers": [_carrier(**c) for c in entry["carriers"]]})
        for name, entry in entries.items()
    }


def by_any_name() -> dict[str, Asset]:
    """All assets by their names, and by those of the data sets in them."""
    assets = catalog()
    return {data_set: asset for asset in assets.values() for data_set in asset.sets} | assets


def find(name: str) -> Asset:
    """The asset of that name, or the one that holds the data set of that name ("reuters-r52").

    Raises AssetError, with the nearest names, if there is none.
    """
    assets = by_any_name()
    if name not in assets:
        hint = did_you_mean(name, assets, n=3, cutoff=0.5)
        raise AssetError(f"No asset is called {name!r}.{hint} `{shell.textclf('fetch', '--list')}` shows them all.")
    return assets[name]


def _carrier(members: list[dict] = (), tree: dict | None = None, inner: dict | None = None, **rest) -> Carrier:
    return Carrier(
        members=tuple(
            Member(name=m.get("as", m["path"]), **{k: v for k, v in m.items() if k != "as"}) for m in members
        ),
        tree=Tree(name=tree["as"], **{k: v for k, v in tree.items() if k != "as"}) if tree else None,
        inner=(inner["path"], inner["size"]) if inner else None,
        **rest,
    )
