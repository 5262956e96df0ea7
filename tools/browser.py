"""Chromium, driven by Playwright: for the pictures of the README, and for tests of pages."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from playwright.sync_api import BrowserContext, sync_playwright

CHROMIUM = next(
    (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None
)
MISSING = "there is no Chromium to open the page with: `apt install chromium`, or `brew install --cask chromium`"
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@contextmanager
def browser(width: int, height: int, **options: Any) -> Iterator[BrowserContext]:
    """A fresh Chromium with windows of this size, in pixels. `options`: of Playwright's `launch_persistent_context`.

    Raises RuntimeError if there is no Chromium.
    """
    if CHROMIUM is None:
        raise RuntimeError(MISSING)
    options = {"headless": True, "args": FLAGS, "viewport": {"width": width, "height": height}} | options
    with sync_playwright() as playwright, tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        context = playwright.chromium.launch_persistent_context(profile, executable_path=CHROMIUM, **options)
        try:
            yield context
        finally:
            context.close()
