"""Fixtures of the tests that fetch: pip and the cache, pointed at folders of their own."""

import os
import threading

import pytest
from local_index import Index, Shelf

from textclf_lesson.assets import catalog


@pytest.fixture
def shelf(tmp_path, monkeypatch):
    """An empty shelf. pip looks there and nowhere else; the cache is empty; fetching is allowed."""
    shelf = Shelf(tmp_path)
    for name in [*os.environ]:
        if name.lower().startswith(("pip_", "npm_config_")) or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.delenv("TEXTCLF_OFFLINE", raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(shelf.folder))
    monkeypatch.setenv("TEXTCLF_HOME", str(shelf.home))
    monkeypatch.setattr(catalog, "CATALOG", shelf.catalog)
    return shelf


@pytest.fixture
def index(shelf, monkeypatch):
    """The shelf behind an HTTP index, which pip is set to use instead of the folder."""
    with Index(shelf) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        monkeypatch.delenv("PIP_FIND_LINKS")
        monkeypatch.delenv("PIP_NO_INDEX")
        monkeypatch.setenv("PIP_INDEX_URL", f"{server.url}/simple")
        yield server
        server.hurry.set()
        server.shutdown()
