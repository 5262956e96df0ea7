"""Chromium, driven by Playwright: for the pictures of the README, and for tests of pages and of JupyterLab."""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import BrowserContext, Page, sync_playwright

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
# What JupyterLab is set to before a program drives it: no news is asked for over the network, and all cells are in the
# page, also those out of sight.
SETTINGS = {
    "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
    "notebook-extension/tracker": {"windowingMode": "none"},
}
IN_FRONT = "name => window.jupyterapp?.shell.currentWidget?.context?.path === name"
# Notes when the notebook in front is loaded and its kernel has answered: what is asked for earlier may get lost.
LOADING = """() => {
    const panel = window.jupyterapp.shell.currentWidget;
    const loaded = async () => {
        await panel.context.ready;
        await panel.revealed;
        await panel.sessionContext.ready;
        await panel.sessionContext.session.kernel.info;
        window.loaded = true;
    };
    window.loaded = false;
    loaded();
}"""


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


@contextmanager
def jupyterlab(folder: Path, lesson: str, home: Path, **environment: str) -> Iterator[str]:
    """JupyterLab on the working copy `folder`, by `textclf start`; yields the address that it prints.

    home: an empty folder for all that Jupyter writes of its own; environment: variables to set.
    Raises RuntimeError with what it printed if it does not start.
    """
    for name, values in SETTINGS.items():
        _write(home / "settings" / "@jupyterlab" / f"{name}.jupyterlab-settings", values)
    _write(home / "config" / "jupyter_server_config.json", {"LabApp": {"expose_app_in_browser": True}})
    own = {"CONFIG_DIR": "config", "DATA_DIR": "data", "RUNTIME_DIR": "runtime"}
    environment = (
        {key: value for key, value in os.environ.items() if not key.startswith(("JUPYTER", "JPY_"))}
        | {f"JUPYTER_{key}": str(home / value) for key, value in own.items()}
        | {"JUPYTERLAB_SETTINGS_DIR": str(home / "settings"), "IPYTHONDIR": str(home / "ipython")}
        | {"JUPYTER_PREFER_ENV_PATH": "1", "PYTHONUNBUFFERED": "1"}
        | environment
    )
    program = "from textclf_lesson.cli import app; app()"
    command = [sys.executable, "-c", program, "start", lesson, "--into", str(folder), "--no-browser"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment) as lab:
        printed: list[str] = []
        reader = None
        try:
            for line in lab.stdout:
                printed.append(line)
                if found := re.search(r"http://(?:127\.0\.0\.1|localhost):\d+/lab\S*token=\w+", line):
                    break
            else:
                raise RuntimeError("JupyterLab did not start:\n" + "".join(printed))
            # Its log is read on: a full pipe would make the server wait for ever.
            reader = threading.Thread(target=printed.extend, args=(lab.stdout,), daemon=True)
            reader.start()
            yield found[0]
        finally:
            lab.terminate()
            if reader is not None:
                reader.join()


def open_notebook(page: Page, address: str, name: str) -> None:
    """Open a notebook of the working copy ("exercises/x.ipynb") in JupyterLab at `address`; its kernel is ready."""
    page.goto(re.sub(r"/lab(/tree/[^?]*)?\?", f"/lab/tree/{name}?", address))
    wait_for_notebook(page, name)


def wait_for_notebook(page: Page, name: str) -> None:
    """Until the notebook is the one in front, loaded, and its kernel ready."""
    page.wait_for_function(IN_FRONT, arg=name)
    page.evaluate(LOADING)
    page.wait_for_function("() => window.loaded")


def menu(page: Page, *path: str) -> None:
    """Choose an entry of JupyterLab's menus by its names, as ("Run", "Run All Cells")."""
    first, *others = path
    page.get_by_role("menubar").get_by_role("menuitem", name=first, exact=True).click()
    for name in others:  # an entry that opens a menu of its own has no role
        page.locator(".lm-Menu-item", has=page.get_by_text(name, exact=True)).click()


def _write(path: Path, values: Mapping[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(values), encoding="utf-8")
