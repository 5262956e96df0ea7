"""Write the timed tables of docs/teaching.md from docs/teaching.toml and the lessons' minutes; `--check` compares.

A section takes twice its reading minutes (once to run and read it, once to guess and to talk) and its wait, as
docs/timings.json and the notebook have them; an exercise's item three minutes a point. All is rounded up to five
minutes: nobody keeps to less. A plan that does not fit its time is an error.
"""

import json
import math
import re
import sys
import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import nbformat

from tools import notebooks, pages

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "teaching.md"
PLANS = ROOT / "docs" / "teaching.toml"
TIMINGS = ROOT / "docs" / "timings.json"
ITEMS = ROOT / "textclf_lesson" / "check" / "exercises.json"
STEP = 5  # minutes to which all is rounded up
TALKED = 2  # times its reading minutes that a section takes in class
A_POINT = 3  # minutes
LONGEST = 95  # minutes between two breaks
REGION = re.compile(r"(<!-- (\w[\w-]*):start -->\n).*?(<!-- \2:end -->)", re.DOTALL)


class PlanError(ValueError):
    """A plan that does not fit its time, or names what there is not."""


@dataclass(frozen=True)
class Row:
    """A line of a timetable. where: a link to what is taught. minutes: of the session; 0 for homework."""

    kind: str
    what: str
    where: str
    minutes: int
    homework: int = 0


@cache
def lesson(number: str) -> Path:
    """The notebook of a lesson. Raises PlanError if there is none."""
    found = sorted((ROOT / "notebooks").glob(f"{number}_*.ipynb"))
    if not found:
        raise PlanError(f"there is no lesson {number}")
    return found[0]


@cache
def sections(number: str) -> dict[str, tuple[str, float]]:
    """Of a lesson, each section's title, and its minutes in class: twice the reading, and the wait."""
    path = lesson(number)
    entry = json.loads(TIMINGS.read_text(encoding="utf-8"))["lessons"].get(path.stem, {})
    measured = next((entry[column] for column in ("without_amx", "with_amx") if column in entry), {})
    waits = {int(cell): seconds for cell, seconds in measured.get("long_cells_s", {}).items()}
    found, current, code = {}, None, 0
    for cell in nbformat.read(path, as_version=4).cells:
        if title := re.search(r"^## (\d+\.\d+) (.+)$", cell.source, re.MULTILINE):
            current, found[title[1]] = title[1], (title[2], 0.0)
        if cell.cell_type == "code":
            code += 1
            minutes = TALKED * notebooks.MINUTES_A_CELL + waits.get(code, 0) / 60
        else:
            minutes = TALKED * len(cell.source.split()) / notebooks.WORDS_A_MINUTE
        if current:
            found[current] = (found[current][0], found[current][1] + minutes)
    return found


def at_home(number: str) -> float:
    """Minutes to read and run a lesson and to do its exercise."""
    entry = json.loads(TIMINGS.read_text(encoding="utf-8"))["lessons"][lesson(number).stem]
    measured = next((entry[column] for column in ("without_amx", "with_amx") if column in entry), {})
    points = sum(item["points"] for item in _items(number))
    return entry["read_min"] + measured.get("wait_s", 0) / 60 + A_POINT * points


def row(step: str) -> Row:
    """One step of a plan. Raises PlanError for one that names what there is not."""
    kind, _, rest = step.partition(" ")
    if kind == "section":
        number = rest.split(".")[0].zfill(2)
        if rest not in sections(number):
            raise PlanError(f"lesson {number} has no section {rest}")
        title, minutes = sections(number)[rest]
        return Row(kind, title, f"[{rest}](../notebooks/{lesson(number).name})", _up(minutes))
    if kind == "exercise":
        number, name = rest.split()
        item = next((item for item in _items(number) if item["name"] == name), None)
        if item is None:
            raise PlanError(f"exercise {number} has no item {name}")
        number_of, _, title = item["title"].partition(" · ")
        path = f"../exercises/{lesson(number).name}"
        return Row(kind, title, f"[exercise, {number_of}]({path})", _up(A_POINT * item["points"]))
    if kind == "homework":
        what = f"Homework: lesson {int(rest)} and its exercise"
        return Row(kind, what, f"[lesson {int(rest)}](../notebooks/{lesson(rest).name})", 0, _up(at_home(rest)))
    minutes, _, what = rest.partition(" ")
    if kind not in ("talk", "demo", "break") or not minutes.isdecimal():
        raise PlanError(f"{step!r} is no step: the head of docs/teaching.toml lists the kinds")
    return Row(kind, what or "Break", "`textclf demo`" if kind == "demo" else "", int(minutes))


def rows(plan: dict, session: dict) -> list[Row]:
    """The lines of a session. Raises PlanError if they do not fit, or people sit for too long without a break."""
    try:
        found = [row(step) for step in session["steps"]]
    except PlanError as error:
        raise PlanError(f"{session['title']}: {error}") from None
    used, homework, sat = sum(r.minutes for r in found), sum(r.homework for r in found), 0
    if used > plan["session"]:
        raise PlanError(f"{session['title']}: {used} minutes do not fit {plan['session']}: leave a section out")
    if homework > plan.get("homework", 0):
        raise PlanError(f"{session['title']}: {homework} minutes of homework are more than {plan.get('homework', 0)}")
    for line in found:
        sat = 0 if line.kind == "break" else sat + line.minutes
        if sat > LONGEST:
            raise PlanError(f"{session['title']}: {sat} minutes without a break, at {line.what!r}")
    return found


def table(plan: dict) -> str:
    """A plan in Markdown: a table for each session, its clock beginning at 0:00."""
    parts = []
    for session in plan["sessions"]:
        lines, clock = ["| from | minutes | what | where |", "|---|---|---|---|"], 0
        for line in rows(plan, session):
            begins = "at home" if line.homework else f"{clock // 60}:{clock % 60:02}"
            lines.append(f"| {begins} | {line.minutes or line.homework} | {line.what} | {line.where} |")
            clock += line.minutes
        left = plan["session"] - clock
        heading = f"**{session['title']}**: {clock} of {plan['session']} minutes"
        parts.append("\n".join([f"{heading}{f', {left} for questions' if left else ''}.", "", *lines]))
    return "\n\n".join(parts) + "\n"


def page() -> str:
    """docs/teaching.md with its tables made anew. Raises PlanError if a plan does not fit."""
    plans = {plan["id"]: plan for plan in tomllib.loads(PLANS.read_text(encoding="utf-8"))["plan"]}
    text = PAGE.read_text(encoding="utf-8")
    there = {region[2] for region in REGION.finditer(text)}
    if there != set(plans):
        raise PlanError(f"docs/teaching.md and docs/teaching.toml differ in their plans: {sorted(there ^ set(plans))}")
    return REGION.sub(lambda region: f"{region[1]}{table(plans[region[2]])}{region[3]}", text)


def problems() -> list[str]:
    """One sentence if the page is not what the plans and the lessons give, or a plan does not fit."""
    try:
        return pages.problems(PAGE, page, "docs/teaching.toml and the lessons' minutes", "teaching")
    except PlanError as error:
        return [f"docs/teaching.toml: {error}."]


def _items(number: str) -> list[dict]:
    items = json.loads(ITEMS.read_text(encoding="utf-8"))
    if number not in items:
        raise PlanError(f"there is no exercise {number}")
    return items[number]


def _up(minutes: float) -> int:
    return STEP * math.ceil(minutes / STEP)


if __name__ == "__main__":
    sys.exit(pages.main(PAGE, page, problems))
