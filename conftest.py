"""For every test, and for the kernels in which nbval runs the notebooks: the network cut, no progress bars.

Set here, at the root, before any test module or kernel starts: notebooks/ and tests/ both see it, worker processes and
kernels inherit it.
"""

import os

os.environ["TEXTCLF_OFFLINE"] = "1"
os.environ["TEXTCLF_PROGRESS"] = "0"
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as the package does, before a test module loads a library

# Several workers at once share the cores: without a limit every one of them starts a thread per core, and the threads
# wait for each other. A notebook must give the same outputs with any number of threads, so this hides nothing.
workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
os.environ.setdefault("TEXTCLF_THREADS", str(max(1, (os.cpu_count() or 1) // workers)))
