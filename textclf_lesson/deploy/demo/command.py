"""`textclf demo`: open the port, make the levels behind a progress bar, answer until Ctrl+C."""

import os
import signal
import sys
import threading
import webbrowser

import uvicorn
from tqdm.auto import tqdm

from textclf_lesson.assets import cache
from textclf_lesson.base import runtime
from textclf_lesson.deploy.demo.app import Room, create_app
from textclf_lesson.deploy.demo.levels import TASKS, Corpus, steps
from textclf_lesson.deploy.serve.server import listen
from textclf_lesson.models import encoders

OPENING = 0.5  # seconds after which the browser is called: the server answers by then, or the browser waits for it


def run(
    host: str = "127.0.0.1", port: int = 8010, llm: bool = False, rows: int | None = None, show: bool = True
) -> None:
    """Serve the demo until SIGTERM or Ctrl+C; its address is printed once it answers.

    port: 0 takes a free one. llm: with the prompted language model. rows: train on so many rows of each set, to try it.
    show: open a browser.

    Raises ServiceError if the port is taken or the host is not this machine's, AssetError if data or weights cannot be
    had. Ends the process by SystemExit(0) when a signal stops it.
    """
    for sign in (signal.SIGTERM, signal.SIGINT):
        signal.signal(sign, lambda *_: sys.exit(0))
    with listen(host, port) as listener:
        # First the port, then the work: one that is taken is told at once. All assets before any training, too.
        for name in [*TASKS.values(), "minilm", "wordnet", *(["smollm2"] if llm else [])]:
            cache.fetch(name)
        runtime.limit_threads()
        corpus = Corpus(rows)
        levels = []
        with encoders.quiet():
            bar = tqdm(list(steps(corpus, llm)), leave=False, disable=not runtime.shows_progress())
            for name, make in bar:
                bar.set_description(f"making the levels: {name}")
                levels.append(make())
        os.environ["TEXTCLF_PROGRESS"] = "0"  # the terminal is quiet from here on: no bar for each sentence
        app = create_app(Room(levels, corpus))
        name, number = listener.getsockname()[:2]
        address = f"http://{f'[{name}]' if ':' in name else name}:{number}"
        print(f"The demo is at {address} until Ctrl+C. What is typed there is not kept.", flush=True)
        if show:
            opening = threading.Timer(OPENING, webbrowser.open, [address])
            opening.daemon = True
            opening.start()
        settings = {"log_level": "warning", "access_log": False, "server_header": False}
        uvicorn.Server(uvicorn.Config(app, **settings)).run([listener])
