"""Text classification, taught by measurement: the helper package of the course."""

import os
from pathlib import Path

import lazy_loader

__version__ = "1.0.0"
__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules=[
        "assets",
        "base",
        "check",
        "course",
        "data",
        "deploy",
        "evaluate",
        "grade",
        "llm",
        "models",
        "plots",
        "training",
    ],
)

# Idle OpenMP threads are to sleep. By default they spin, and where two programs share the cores, both then take many
# times as long. GNU's OpenMP (of torch, scikit-learn and LightGBM on Linux) reads the first two, LLVM's and Intel's
# (macOS, Windows) the first and the last. To both PASSIVE alone means the same; the others leave nothing to a default.
# They are read when a numerical library is loaded, so this stands here, before any of them.
IDLE_THREADS = {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "0", "KMP_BLOCKTIME": "0"}

# Whoever has set one of them means something by it, which another of them would undo.
if not IDLE_THREADS.keys() & os.environ.keys():
    os.environ |= IDLE_THREADS

# A relative folder for the cache is meant from where the program was started, wherever it goes later.
if os.environ.get("TEXTCLF_HOME"):
    os.environ["TEXTCLF_HOME"] = str(Path(os.environ["TEXTCLF_HOME"]).expanduser().absolute())

if os.environ.get("TEXTCLF_OFFLINE") == "1":
    from textclf_lesson.base import offline

    offline.guard()
