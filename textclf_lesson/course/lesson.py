"""What every lesson begins with and leans on: `setup`, `claim`, `show_source`, `progress`."""

import inspect
import logging
import os
import textwrap
import types
from typing import Any

from textclf_lesson.base.errors import ClaimError
from textclf_lesson.base.runtime import limit_threads, progress, seed_everything, shows_progress, switch_off_tqdm
from textclf_lesson.course import cell_errors

__all__ = ["ClaimError", "claim", "limit_threads", "progress", "seed_everything", "setup", "show_source"]

# Read by the libraries when they are imported, hence set before any of them is. The values a learner chose win.
QUIET = {
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "TOKENIZERS_PARALLELISM": "false",  # else a warning after every fork
    "TRANSFORMERS_VERBOSITY": "error",
}


_claims = {"strict": True}


def setup(seed: int = 0, *, strict: bool = True) -> None:
    """Make this notebook repeatable and quiet: seeds, threads, plotting style, tables, logging, progress bars.

    Call it in the first code cell, before other imports. With `strict=False`, a `claim` that fails is printed and
    stops nothing: for a lesson that runs on other data than its own.

    Reads `TEXTCLF_THREADS` (how many threads the numerical libraries may use; all of this process's cores by default)
    and `TEXTCLF_PROGRESS` (0: no progress bars).

    Raises ValueError if `TEXTCLF_THREADS` is not a positive whole number.
    """
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    limit_threads()
    if not shows_progress():
        switch_off_tqdm()
    # "Building the font cache" is logged once per machine: noise in a stored notebook.
    logging.getLogger("matplotlib.font_manager").setLevel(logging.ERROR)

    import pandas as pd

    from textclf_lesson.plots import charts

    charts.use_style()
    pd.set_option("display.precision", 3, "display.max_rows", 20, "display.max_colwidth", 100, "display.width", 110)
    seed_everything(seed)
    _claims["strict"] = strict
    cell_errors.install()
    print(f"Ready: seed {seed}." if strict else f"Ready: seed {seed}. A claim that does not hold stops nothing.")


def claim(text: str, condition: bool, detail: object = "", *, id: str = "") -> None:
    """Print `✓ text (detail) [id]` if the condition holds; raise `ClaimError` with `✗ text (detail)` if not.

    After `setup(strict=False)` it prints `✗ not so here: text (detail)` instead of raising.

    This is how prose stays true: the sentence that rests on a number is checked in the run that made the number.
    `condition` must be one True or False (NumPy's count). Anything else, a NaN for one, raises TypeError: a number
    that is merely not zero would pass for a proof.

    detail: the numbers. A comparison (`metrics.difference`, `metrics.multilabel_difference`) may be passed whole: it
    prints its interval, how many pairs of rows, how many seeds, and on which data. id: "04.order", lesson and a word,
    by which the lesson's recap names the claim that a sentence rests on.
    """
    import numpy as np

    if not isinstance(condition, bool | np.bool_):
        raise TypeError(
            f"claim needs one True or False, not {type(condition).__name__} {str(condition)[:40]!r}: "
            "compare it with something, or reduce many answers to one by .all() or .any()."
        )
    detail = str(getattr(detail, "evidence", detail))
    sentence = f"{text} ({detail})" if detail else text
    if not condition and _claims["strict"]:
        raise ClaimError(f"✗ {sentence}")
    sentence += f" [{id}]" if id else ""
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
        raise TypeError(f"show_source shows functions, classes and modules of textclf_lesson; {obj!r} is not one.")
    source = textwrap.dedent(inspect.getsource(obj))
    # Styles are written into the tags: a stored notebook has no style sheet. Both colours are set, for dark themes.
    paper = "background: #f7f7f7; color: #000; font-family: monospace"
    formatter = HtmlFormatter(
        noclasses=True, style="xcode", cssstyles=f"{paper}; padding: .5em 1em; overflow-x: auto", prestyles=paper
    )
    display({"text/html": highlight(source, PythonLexer(), formatter), "text/plain": source}, raw=True)
