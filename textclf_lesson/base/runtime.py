"""What this process may use of the machine, and its random state: threads, seeds, progress bars.

It knows nothing of the lessons: the service needs it without them.
"""

import contextlib
import os
import random
import sys
from collections.abc import Iterable, Iterator

from textclf_lesson.base.extras import needed


def cores() -> int:
    """How many processor cores this process may use, 1 or more."""
    allowed = getattr(os, "sched_getaffinity", None)  # Linux: a container may grant fewer cores than there are
    return len(allowed(0)) if allowed else os.cpu_count() or 1


def limit_threads(shares: int = 1) -> int:
    """Let the numerical libraries, loaded or not, use this process's cores divided by `shares`; how many that is.

    `TEXTCLF_THREADS`, where it is set, is used instead. OpenBLAS, which NumPy and scikit-learn compute with, gets one
    thread in any case: solvers ask it for one short sum after the other, and sharing each of them out takes longer than
    the sum, several times on an idle machine and many times on a busy one (`benchmarks/threads.py`).

    Raises ValueError if `TEXTCLF_THREADS` is not a positive whole number.
    """
    from threadpoolctl import threadpool_limits

    wanted = os.environ.get("TEXTCLF_THREADS", str(max(1, cores() // shares)))
    if not wanted.isdecimal() or int(wanted) < 1:
        raise ValueError(f"TEXTCLF_THREADS must be a whole number from 1 up, not {wanted!r}.")
    count = int(wanted)
    os.environ |= {"OMP_NUM_THREADS": wanted, "MKL_NUM_THREADS": wanted, "OPENBLAS_NUM_THREADS": "1"}
    threadpool_limits({"openmp": count, "blas": 1})
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(count)
    return count


def seed_everything(seed: int) -> None:
    """Seed Python, NumPy and, where it is imported already, PyTorch with one non-negative number below 2**32.

    Importing PyTorch takes seconds, so this does not: a lesson that uses it calls this again after the import.
    """
    import numpy as np

    random.seed(seed)
    np.random.seed(seed)
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(seed)


def progress(iterable: Iterable, desc: str, total: int | None = None) -> Iterator:
    """Go through `iterable` behind a progress bar named `desc`, which leaves nothing in the notebook when done.

    `total` is the number of items, needed only where `len(iterable)` is unknown. With `TEXTCLF_PROGRESS=0`: no bar.
    """
    from tqdm.auto import tqdm

    return iter(tqdm(iterable, desc=desc, total=total, leave=False, disable=not shows_progress()))


def shows_progress() -> bool:
    """Whether progress bars are drawn: not with `TEXTCLF_PROGRESS=0`."""
    return os.environ.get("TEXTCLF_PROGRESS") != "0"


def is_static() -> bool:
    """Whether the page is one that is stored (`TEXTCLF_STATIC=1`), where nobody can move a slider."""
    return os.environ.get("TEXTCLF_STATIC") == "1"


def switch_off_tqdm() -> None:
    """Silence the bars that libraries draw. `TQDM_DISABLE` would do so in a terminal; in notebooks tqdm ignores it."""
    from tqdm import std

    draw = std.tqdm.__init__
    std.tqdm.__init__ = lambda bar, *args, **options: draw(bar, *args, **options | {"disable": True})


@contextlib.contextmanager
def random_state_kept() -> Iterator[None]:
    """Puts the random state of Python, NumPy and torch back afterwards: Trainer seeds all three."""
    import numpy as np

    with needed("train"):
        import torch

    before = random.getstate(), np.random.get_state(), torch.get_rng_state()
    try:
        yield
    finally:
        random.setstate(before[0])
        np.random.set_state(before[1])
        torch.set_rng_state(before[2])
