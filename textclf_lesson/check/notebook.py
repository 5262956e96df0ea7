"""A learner's notebook: results of checks are shown in colour, and no error stops the cells below.

To a grader, the same result is an exception. The two are told apart by Jupyter's own protocol: a front end with a
person before it says in each request that it can ask for input (`allow_stdin`), as JupyterLab, Notebook and VS Code do.
What runs notebooks by itself cannot: nbclient, and with it nbgrader, nbconvert and `make exercises`; and nbval.
"""

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from markdown_it import MarkdownIt

from textclf_lesson.base.cells import attended, line_of
from textclf_lesson.course import cell_errors

# Sign, border, paper and ink of each state. All are set, so that a dark theme changes none; ink on paper: over 7 : 1.
LOOKS = {
    "right": ("✓", "#1b7f3b", "#eaf6ec", "#0f3d1d"),
    "partly": ("◐", "#b36b00", "#fdf3e1", "#4d2e00"),
    "wrong": ("✗", "#c5221f", "#fdecea", "#6b1210"),
    "blank": ("–", "#c5221f", "#fdecea", "#6b1210"),
    "unjudged": ("?", "#5f6368", "#f1f3f4", "#202124"),
}
# Words are broken between letters only where one alone is wider than the page.
BOX = (
    "border-left: .3em solid {border}; background: {paper}; color: {ink}; padding: .4em .8em; max-width: 60em; "
    "overflow-wrap: break-word; word-break: normal"
)
_markdown = MarkdownIt("commonmark", {"html": False})


def keep_running() -> None:
    """From now on, the cells below an error of this notebook run all the same, unless somebody pressed stop."""
    from IPython import get_ipython

    shell = get_ipython()
    if not hasattr(shell, "get_parent"):  # no notebook
        return
    cell_errors.install(NameError, _show_missing_name)
    if _go_on not in shell.events.callbacks["post_run_cell"]:
        shell.events.register("post_run_cell", _go_on)


def _go_on(result: Any) -> None:
    """Tell the kernel that the cell succeeded: it would drop the requests of the cells below. The error was shown."""
    if attended() and not isinstance(result.error_in_exec, KeyboardInterrupt):
        result.error_before_exec = result.error_in_exec = None


def _show_missing_name(shell: Any, error: BaseException, trace: TracebackType) -> bool:
    name = getattr(error, "name", None)
    if not attended() or not name or isinstance(error, UnboundLocalError):
        return False
    line = line_of(trace)
    show(Result("wrong", f"This cell stopped{line and ' in '}{line}.", wrong=[missing(name, shell.user_ns)]))
    return True


def missing(name: str, known: Any) -> str:
    """What to do about a name that is not defined. `known`: the names that are."""
    if name == "NotYet":
        return "`NotYet` comes from the first cell of this notebook: run that one, then this one again."
    near = difflib.get_close_matches(name, [one for one in known if not one.startswith("_")], n=1, cutoff=0.8)
    guess = f" Or did you mean `{near[0]}`?" if near else ""
    return f"`{name}` is not defined. If a cell above defines it, run that cell first, then this one again.{guess}"


@dataclass(frozen=True)
class Result:
    """What is shown of an answer. The texts are Markdown; `state` is one of LOOKS."""

    state: str
    headline: str
    right: Sequence[str] = ()
    wrong: Sequence[str] = ()

    @property
    def plain(self) -> str:
        """Without colours, a line for each thing."""
        return "\n".join([f"{LOOKS[self.state][0]} {self.headline}", *(f"  {entry}" for entry in self.entries)])

    @property
    def entries(self) -> list[str]:
        """Each thing with its sign."""
        sign = LOOKS[self.state][0] if self.state in ("blank", "unjudged") else "✗"
        return [*(f"✓ {text}" for text in self.right), *(f"{sign} {text}" for text in self.wrong)]

    @property
    def html(self) -> str:
        """A coloured box with a list, announced by screen readers."""
        sign, border, paper, ink = LOOKS[self.state]
        listed = "".join(f'<li style="margin: .1em 0">{inline(text)}</li>' for text in self.entries)
        listed = f'<ul style="list-style: none; margin: .2em 0 0; padding: 0">{listed}</ul>' if listed else ""
        box = BOX.format(border=border, paper=paper, ink=ink)
        return f'<div role="status" style="{box}"><strong>{sign} {inline(self.headline)}</strong>{listed}</div>'


def show(result: Any) -> None:
    """Show what has `html` and `plain` below the cell; outside notebooks, print it."""
    from IPython import get_ipython
    from IPython.display import display

    if get_ipython() is None:
        print(result.plain)
    else:
        display({"text/html": result.html, "text/plain": result.plain}, raw=True)


def inline(text: str) -> str:
    """Markdown within a line as HTML; what is HTML already is shown as it stands."""
    code = '<code style="background: none; color: inherit; padding: 0">'
    return _markdown.renderInline(text).replace("<code>", code)
