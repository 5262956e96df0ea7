"""For every test, and for the kernels in which nbval runs the notebooks: the network cut, no progress bars, no widgets.

Set here, at the root, before any test module or kernel starts: notebooks/ and tests/ both see it, worker processes and
kernels inherit it.
"""

import os
import sys
from pathlib import Path

os.environ["TEXTCLF_OFFLINE"] = "1"
os.environ["TEXTCLF_PROGRESS"] = "0"
os.environ["TEXTCLF_STATIC"] = "1"
# As in an activated environment: messages then name a command as `textclf fetch`, not by its path.
os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
import textclf_lesson  # noqa: F401  # lets idle threads sleep, before a test module loads a numerical library

# nbval gives a cell that has ended so many seconds to print its last line, 5 by default: too few on a busy machine. How
# long a cell may take is `--nbval-cell-timeout`, in the Makefile.
LAST_OUTPUT_LIMIT = 600

# Workers share the cores: were each to start a thread per core, the threads would wait for each other. A notebook must
# give the same outputs with any number of threads, so this hides nothing. It is set in the workers alone: what their
# parent set, they would inherit.
if "PYTEST_XDIST_WORKER" in os.environ:
    share = max(1, (os.cpu_count() or 1) // int(os.environ["PYTEST_XDIST_WORKER_COUNT"]))
    for name in ("TEXTCLF_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, str(share))
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # as `course.limit_threads`


def pytest_collection_modifyitems(items):
    """nbval gives the last line of a cell time to arrive."""
    for item in items:
        if hasattr(item, "output_timeout"):
            item.output_timeout = LAST_OUTPUT_LIMIT
