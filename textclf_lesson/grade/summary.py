"""What an instructor reads: a table on the terminal, one CSV and one HTML page for a class, JSON for programs."""

import csv
import io
import json
from collections import Counter
from contextlib import suppress
from importlib import resources
from pathlib import Path
from typing import Any

from jinja2 import Environment
from rich.table import Table
from rich.text import Text

from textclf_lesson.grade.marking import Mark, Marks

# How each kind of result begins: JSON, CSV, HTML.
HEADS = (b'[\n {\n  "submission": ', b"submission,assignment,points,", b"<!DOCTYPE html>\n<!-- textclf grade -->")
HEADS += (b"\xef\xbb\xbfpage,student,name,submissions",)  # of the folder of feedback
SIGNS = {"right": "✓", "partly": "◐", "wrong": "✗", "blank": "○", "missing": "–", "stopped": "■", "unjudged": "?"}
SIGNS |= {"unmarked": "✎"}
MEANINGS = {
    "right": "right",
    "partly": "right in part",
    "wrong": "wrong",
    "blank": "not answered",
    "missing": "the function or file is not there",
    "stopped": "ran over a limit",
    "unjudged": "not judged yet, by no fault of the learner",
    "unmarked": "to be marked by hand",
}
OPEN = ("unjudged", "unmarked")  # their points are not known yet
ABOUT = ("student", "name", "handed_in", "time_from", "due", "late", "comment")  # what may be known of a submission
# Files of which an instructor need not do anything: the notes of `handed_in` begin so.
HARMLESS = ("Not graded: an older version", "Not graded: the same file as", "Not graded: a hidden ")


def as_table(marks: Marks) -> Table:
    """One submission, for a terminal."""
    unjudged = f", {marks.unjudged:g} of them unjudged" if marks.unjudged else ""
    title = f"{marks.submission}: {marks.points:g} of {marks.out_of:g} points{unjudged}"
    table = Table("item", "", "points", "hint", title=Text(title))
    for mark in marks.marks:
        points = SIGNS[mark.verdict] if mark.verdict in OPEN else f"{mark.points:g}"
        table.add_row(mark.item, SIGNS[mark.verdict], f"{points} of {mark.out_of:g}", Text(mark.hint))
    return table


def as_json(graded: list[Marks]) -> str:
    return json.dumps([marks.as_dict() for marks in graded], ensure_ascii=False, indent=1) + "\n"


def as_csv(graded: list[Marks]) -> str:
    """One row a submission, one column an item; then a row without points for each file that was not graded.

    An item that is not judged or marked yet says so in the place of its points; `unjudged` is how many points no check
    could judge. With a class's list or a due date, columns say who and when. What a spreadsheet would take for a
    formula is defused.
    """
    about = [name for name in ABOUT if any(name in marks.about for marks in graded)]
    items = list(dict.fromkeys(mark.item for marks in graded for mark in marks.marks))
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(["submission", "assignment", "points", "out_of", "unjudged", *about, *items, "note"])
    for marks in graded:
        by_item = {m.item: m.verdict if m.verdict in OPEN else f"{m.points:g}" for m in marks.marks}
        points = [f"{marks.points:g}", f"{marks.out_of:g}", f"{marks.unjudged:g}"]
        if marks.unread:
            by_item, points = {}, [""] * 3
        told = (marks.about.get(name, "") for name in about)
        row = [marks.submission, marks.assignment, *points, *told, *(by_item.get(i, "") for i in items), marks.note]
        writer.writerow([f"'{entry}" if entry[:1] in ("=", "+", "-", "@", "\t", "\r") else entry for entry in row])
    return file.getvalue()


def as_html(graded: list[Marks]) -> str:
    """One page without scripts: what could not be read; learners by items; the items by how often they are missed; the
    spread of points; each submission's hints."""
    template = resources.files(__package__).joinpath("summary.html").read_text(encoding="utf-8")
    page = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True).from_string(template)
    marked, unread = [m for m in graded if not m.unread], [m for m in graded if m.unread]
    harmless = [marks for marks in unread if marks.note.startswith(HARMLESS)]
    return page.render(
        graded=marked,
        tables=tables(marked),
        unread=[marks for marks in unread if marks not in harmless],
        harmless=harmless,
        items=missed(marked),
        spread=spread(marked),
        signs=SIGNS,
        meanings=MEANINGS,
    )


def tables(graded: list[Marks]) -> dict[str, dict[str, Any]]:
    """For each assignment its `items`, and its `rows`: the number on the page, the marks, and the mark of each item."""
    found: dict[str, dict[str, Any]] = {}
    for number, marks in enumerate(graded, 1):
        table = found.setdefault(marks.assignment, {"items": {}, "rows": []})
        table["items"] |= {mark.item: mark.out_of for mark in marks.marks}
        table["rows"].append((number, marks, {mark.item: mark for mark in marks.marks}))
    return dict(sorted(found.items()))


def is_result(path: Path) -> bool:
    """Whether a file is a result that one of these functions wrote; False if it cannot be read."""
    with suppress(OSError), path.open("rb") as file:
        return file.read(100).startswith(HEADS)
    return False


def missed(graded: list[Marks]) -> list[dict[str, Any]]:
    """Every item with its share of right answers, verdicts and commonest hint; the most missed first.

    Only the hints of wrong answers count: a blank, and what was stopped, tell nothing of what a learner believes.
    """
    by_item: dict[tuple[str, str], list[Mark]] = {}
    for marks in graded:
        for mark in (mark for mark in marks.marks if mark.verdict != "unmarked"):
            by_item.setdefault((marks.assignment, mark.item), []).append(mark)
    rows = []
    for (assignment, item), those in by_item.items():
        hints = Counter(mark.hint for mark in those if mark.hint and mark.verdict in ("wrong", "partly")).most_common(1)
        verdicts = Counter(mark.verdict for mark in those)
        rows.append(
            {
                "assignment": assignment,
                "item": item,
                "of": len(those),
                "right": verdicts["right"],
                "verdicts": ", ".join(f"{count} {verdict}" for verdict, count in verdicts.most_common()),
                "hint": hints[0][0] if hints else "",
                "hinted": hints[0][1] if hints else 0,
            }
        )
    return sorted(rows, key=lambda row: row["right"] / row["of"])


def spread(graded: list[Marks], bins: int = 10) -> list[dict[str, Any]]:
    """How many submissions reached which tenth of the points; those that are judged in part are left out."""
    shares = [marks.points / marks.out_of for marks in graded if marks.out_of and not marks.open]
    counts = Counter(min(int(share * bins), bins - 1) for share in shares)
    return [
        {"from": 100 * k // bins, "to": 100 * (k + 1) // bins, "count": counts[k], "of": max(len(shares), 1)}
        for k in range(bins)
    ]
