"""A web service over an exported classifier: lesson 12. It needs neither torch nor transformers.

`app` answers requests, `model` computes the answers, `batching` brings concurrent requests together, `wire` says what
may be asked and what comes back, `counters` is what a monitor reads, `server` runs it all and stops it without losing
what it has accepted. From a shell: `textclf serve --model FOLDER`; from a notebook: `with serve.running(folder)`.
"""

import lazy_loader

from textclf_lesson.base import extras

extras.needs("serve", "uvicorn")

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules=["app", "batching", "counters", "model", "server", "wire"],
    submod_attrs={"process": ["running"]},
)
