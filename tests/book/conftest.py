"""The book is built once for all tests; each file's pages are looked at in one Chromium."""

import os

import pytest
from filelock import FileLock

from tools import book, browser


@pytest.fixture(scope="session")
def built(tmp_path_factory):
    """The folder of the web book. Workers share it: the first builds, the others find it done."""
    mine = tmp_path_factory.getbasetemp()
    shared = mine.parent if "PYTEST_XDIST_WORKER" in os.environ else mine
    pages, out = shared / "book-pages", shared / "book"
    with FileLock(shared / "book.lock"):
        if not out.exists():
            book.lay_out(pages)
            assert book.build(pages, out) == 0, "Sphinx has told what is wrong"
    return out


@pytest.fixture(scope="module")  # no longer: while one is open, Playwright's event loop runs, and none can beside it
def chromium():
    if browser.CHROMIUM is None:
        pytest.skip(browser.MISSING)
    with browser.browser(1280, 900) as context:
        yield context


@pytest.fixture
def page(chromium):
    """A page that keeps what it asked for and the problems of its scripts."""
    page = chromium.new_page()
    page.asked, page.problems = [], []
    page.on("request", lambda request: page.asked.append(request.url))
    page.on("pageerror", lambda error: page.problems.append(str(error)))
    yield page
    page.close()
