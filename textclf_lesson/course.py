"""What every lesson begins with and leans on: `setup`, `claim`, `show_source`, `progress`."""

import inspect
import logging
import os
import random
import sys
import textwrap
import types
from collections.abc import Iterable, Iterator
from typing import Any

from textclf_lesson.runtime import cores

# Read by the libraries when they are imported, hence set before any of them is. The values a learner chose win.
QUIET = {
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "TOKENIZERS_PARALLELISM": "false",  # else a warning after every fork
    "TRANSFORMERS_VERBOSITY": "error",
}


_claims = {"strict": True}


class ClaimError(AssertionError):
    """A sentence of the lesson is not true of this run."""


def setup(seed: int = 0, *, strict: bool = True) -> None:
    """Make this notebook repeatable and quiet: seeds, threads, plotting style, tables, logging, progress bars.

    Call it in the first code cell, before other imports. With `strict=False` a `claim` that does not hold is told and
    stops nothing: for a lesson that runs on other data than its own.

    Reads `TEXTCLF_THREADS` (how many threads the numerical libraries may use; all of this process's cores by default)
    and `TEXTCLF_PROGRESS` (0: no progress bars).

    Raises ValueError if `TEXTCLF_THREADS` is not a positive whole number.
    """
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    limit_threads()
    if not _shows_progress():
        _switch_off_tqdm()
    # "Building the font cache" is logged once per machine: noise in a stored notebook.
    logging.getLogger("matplotlib.font_manager").setLevel(logging.ERROR)

    import pandas as pd

    from textclf_lesson import plots

    plots.use_style()
    pd.set_option("display.precision", 3, "display.max_rows", 20, "display.max_colwidth", 100, "display.width", 110)
    seed_everything(seed)
    _claims["strict"] = strict
    print(f"Ready: seed {seed}." if strict else f"Ready: seed {seed}. A claim that does not hold stops nothing.")


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


def claim(text: str, condition: bool, detail: object = "") -> None:
    """Print `✓ text (detail)` if the condition holds; raise `ClaimError` with `✗ text (detail)` if not.

    After `setup(strict=False)` it prints `✗ not so here: text (detail)` instead of raising.

    This is how prose stays true: the sentence that rests on a number is checked in the run that made the number.
    `condition` must be one True or False (NumPy's count). Anything else, a NaN for one, raises TypeError: a number
    that is merely not zero would pass for a proof.
    """
    import numpy as np

    if not isinstance(condition, bool | np.bool_):
        raise TypeError(
            f"claim needs one True or False, not {type(condition).__name__} {str(condition)[:40]!r}: "
            "compare it with something, or reduce many answers to one by .all() or .any()."
        )
    sentence = f"{text} ({detail})" if str(detail) else text
    if not condition and _claims["strict"]:
        raise ClaimError(f"✗ {sentence}")
    print(f"✓ {sentence}" if condition else f"✗ not so here: {sentence}")


def show_source(obj: Any) -> None:
    """Show the source of a function, class or module of this package, highlighted, below the cell.

    Raises TypeError for anything that is not part of `textclf_lesson`: what a library does is linked, not shown.
    """
    from IPython.display import display
    from pygments import highlight
    from pygments.formatters import HtmlFormatter
    from pygments.lexers import PythonLexer

    obj = inspect.unwrap(obj)
    home = obj.__name__ if isinstance(obj, types.ModuleType) else getattr(obj, "__module__", None) or ""
    if home.partition(".")[0] != __name__.partition(".")[0] or not hasattr(obj, "__name__"):
        raise TypeError(f"show_source shows functions, classes and modules of textclf_lesson; {obj!r} is none.")
    source = textwrap.dedent(inspect.getsource(obj))
    # Styles are written into the tags: a stored notebook has no style sheet. Both colours are set, for dark themes.
    paper = "background: #f7f7f7; color: #000; font-family: monospace"
    formatter = HtmlFormatter(
        noclasses=True, style="xcode", cssstyles=f"{paper}; padding: .5em 1em; overflow-x: auto", prestyles=paper
    )
    display({"text/html": highlight(source, PythonLexer(), formatter), "text/plain": source}, raw=True)


def progress(iterable: Iterable, desc: str, total: int | None = None) -> Iterator:
    """Go through `iterable` behind a progress bar named `desc`, which leaves nothing in the notebook when done.

    `total` is the number of items, needed only where `len(iterable)` is unknown. With `TEXTCLF_PROGRESS=0`: no bar.
    """
    from tqdm.auto import tqdm

    return iter(tqdm(iterable, desc=desc, total=total, leave=False, disable=not _shows_progress()))


def _shows_progress() -> bool:
    return os.environ.get("TEXTCLF_PROGRESS") != "0"


def _switch_off_tqdm() -> None:
    """Silence the bars that libraries draw. `TQDM_DISABLE` would do so in a terminal; in notebooks tqdm ignores it."""
    from tqdm import std

    draw = std.tqdm.__init__
    std.tqdm.__init__ = lambda bar, *args, **options: draw(bar, *args, **options | {"disable": True})
