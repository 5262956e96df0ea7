"""How far a learner is: the result of each check in this session, and the table in the last cell of an exercise."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from html import escape
from importlib import resources
from typing import Any

from textclf_lesson.base.errors import Blank, CheckFailed, CheckFault
from textclf_lesson.check import notebook
from textclf_lesson.check.notebook import LOOKS, Result

# What `note` knows of (lesson, item): the last result, and the points that it earned.
_noted: dict[tuple[str, str], tuple[Result, float]] = {}
WORDS = {"right": "right", "partly": "partly", "wrong": "not right yet", "blank": "not answered yet"}
WORDS |= {"unjudged": "not judged"}  # by no fault of the answer: data that cannot be had, a check that broke


@cache
def items_of(lesson: str) -> list[dict[str, Any]]:
    """The items of an exercise ("01") in order: `name`, `title`, `points`. `make exercises` writes them.

    Raises ValueError for a lesson without an exercise.
    """
    known = json.loads(resources.files(__package__).joinpath("exercises.json").read_text(encoding="utf-8"))
    if lesson not in known:
        raise ValueError(f"There is no exercise {lesson!r}; they are {', '.join(known)}.")
    return known[lesson]


def note(
    lesson: str, name: str, right: Sequence[str], wrong: Sequence[str], points: float | None, failed: CheckFailed | None
) -> Result:
    """Remember how an answer fared, and put it into words. `points`: of an item that is earned in parts."""
    out_of = _points(lesson, name)
    if failed is None:
        earned = out_of if points is None else points
        state = "right" if earned is None or earned == out_of else "partly" if earned else "wrong"
        headline = {"right": "Right", "partly": "Right in part", "wrong": "Not right yet"}[state]
    else:
        earned, wrong = 0, [*wrong, *map(str, failed.args)]
        kinds = {Blank: "blank", CheckFault: "unjudged"}
        state = next((state for kind, state in kinds.items() if isinstance(failed, kind)), "wrong")
        headline = {"blank": "Not answered yet", "unjudged": "Not judged", "wrong": "Not right yet"}[state]
    points_line = "" if out_of is None else f": {earned or 0:g} of {out_of:g} {'point' if out_of == 1 else 'points'}"
    result = Result(state, f"{headline}{points_line}.", right, wrong)
    _noted[lesson, name] = result, earned or 0
    return result


def _points(lesson: str, name: str) -> float | None:
    """What an item earns; None for one that stands in no exercise."""
    try:
        return next((item["points"] for item in items_of(lesson) if item["name"] == name), None)
    except ValueError:
        return None


@dataclass(frozen=True)
class Row:
    """One item in the table of progress."""

    title: str
    state: str
    earned: float
    points: float
    next: str  # what to do about it, as Markdown

    @property
    def sign(self) -> str:
        return LOOKS[self.state][0]


@dataclass(frozen=True)
class Progress:
    """The table of one exercise, as HTML and as plain text."""

    rows: list[Row]

    @property
    def headline(self) -> str:
        earned, points = sum(row.earned for row in self.rows), sum(row.points for row in self.rows)
        done = sum(row.state == "right" for row in self.rows)
        return f"{earned:g} of {points:g} points, {done} of {len(self.rows)} items right."

    @property
    def advice(self) -> str:
        """What to do next, in a sentence."""
        left = next((row for row in self.rows if row.state != "right"), None)
        return f"Next: {left.title}" if left else "Everything is right."

    @property
    def plain(self) -> str:
        cells = [("item", "points", "state", "what to do next")]
        cells += [(r.title, f"{r.earned:g} of {r.points:g}", f"{r.sign} {WORDS[r.state]}", r.next) for r in self.rows]
        wide = [max(len(row[column]) for row in cells) for column in range(3)]
        lines = ["  ".join([*(text.ljust(w) for text, w in zip(row, wide, strict=False)), row[3]]) for row in cells]
        return "\n".join([*(line.rstrip() for line in lines), self.headline, self.advice])

    @property
    def html(self) -> str:
        look, lines = "text-align: left; vertical-align: top; padding: .3em .6em; white-space: normal", ""
        cell = f'style="{look}"'
        for row in self.rows:
            _, border, paper, ink = LOOKS[row.state]
            state = f'style="{look}; background: {paper}; color: {ink}; border-left: .3em solid {border}"'
            lines += (
                f'<tr><th scope="row" {cell}>{notebook.inline(row.title)}</th><td {cell}>{row.earned:g} of '
                f"{row.points:g}</td><td {state}>{row.sign} {WORDS[row.state]}</td>"
                f"<td {cell}>{notebook.inline(row.next)}</td></tr>"
            )
        head = "".join(f'<th scope="col" {cell}>{text}</th>' for text in ("item", "points", "state", "what to do next"))
        return (
            f'<table style="max-width: 60em"><caption style="text-align: left">Your progress, as of the last run of '
            f"each check</caption><thead><tr>{head}</tr></thead><tbody>{lines}</tbody></table>"
            f'<p role="status"><strong>{escape(self.headline)}</strong> {notebook.inline(self.advice)}</p>'
        )


def of(lesson: str) -> Progress:
    """The progress in an exercise ("01"), by the checks that have run in this session. Raises ValueError."""
    return Progress([_row(lesson, item) for item in items_of(lesson)])


def _row(lesson: str, item: dict[str, Any]) -> Row:
    name = item["name"]
    if (lesson, name) not in _noted:
        return Row(item["title"], "blank", 0, item["points"], f"Answer `{name}`, and run the check below it.")
    result, earned = _noted[lesson, name]
    advice = {"right": "", "blank": f"Replace `raise NotYet()` in `{name}`, run the cell, then the check below it."}
    return Row(
        item["title"], result.state, earned, item["points"], advice.get(result.state, next(iter(result.wrong), ""))
    )


def show(lesson: str) -> None:
    """Show the table of an exercise ("01") below the cell. Raises ValueError for a lesson without one."""
    notebook.show(of(lesson))
