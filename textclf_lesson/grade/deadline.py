"""When a file was handed in, and whether that was late. What lateness costs is the course's own rule: no points are
taken here.

Every moment has a time zone. What is told, is told in that of the due date.
"""

import os
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from textclf_lesson.base.errors import GradingError
from textclf_lesson.grade import names, tables
from textclf_lesson.grade.roster import Roster, Student
from textclf_lesson.grade.tables import NOTHING

UNTIL = ("due", "until")
BY_NBGRADER, BY_FILE = "timestamp.txt", "the file's last change"


@dataclass(frozen=True)
class Deadline:
    """When a class's work is due, with those students to whom another moment was granted."""

    due: datetime
    extensions: dict[str, datetime] = field(default_factory=dict)  # id of the student: due

    def of(self, student: Student | None) -> datetime:
        return self.extensions.get(student.id, self.due) if student else self.due

    def told(self) -> str:
        """The due date for the terminal, in its own zone and in UTC."""
        more = f"; {len(self.extensions)} extensions" if self.extensions else ""
        return f"Due {_shown(self.due)}, which is {self.due.astimezone(UTC):%Y-%m-%d %H:%M} UTC{more}."

    def check(self, submission: str, path: Path, student: Student | None) -> dict[str, str]:
        """`handed_in`, `time_from`, `due` and `late` of a submission: `late` is how long after, "" if it was in time.

        The moment is the one that nbgrader wrote down, else the time of the file's last change.
        """
        moment, source = handed_in_at(path)
        due = self.of(student)
        marked = any(found["late"] for part in submission.split("/") if (found := names.CANVAS.fullmatch(part)))
        late = span(moment - due) if moment and moment > due else ""
        if marked and not late and due == self.due:
            late = "marked by Canvas"
        told = moment.astimezone(self.due.tzinfo).isoformat(" ", "seconds") if moment else ""
        return {"handed_in": told, "time_from": source, "due": due.isoformat(" ", "minutes"), "late": late}


def read(due: str, extensions: Path | None, roster: Roster | None) -> Deadline:
    """The deadline `due`, and the extensions in a CSV file with the columns `id` and `due`.

    Raises GradingError for a moment without a time zone, an unknown student, or an extension that ends before `due`.
    """
    general = moment_of(due, "--due")
    granted: dict[str, datetime] = {}
    if extensions is None:
        return Deadline(general)
    if roster is None:
        raise GradingError(f"--extensions needs --roster, which says who the ids of {extensions} are. {NOTHING}")
    table = tables.read(extensions)
    ids, until = table.columns(["id"]), table.columns(UNTIL)
    if not ids or not until:
        raise GradingError(f"{extensions} needs the columns `id` and `due`; it has {table.named()}. {NOTHING}")
    for row in table.rows:
        where = f"{extensions}: row {row.number}"
        student = roster.by_id(row[ids[0]])
        if student is None:
            raise GradingError(f"{where} names {row[ids[0]]!r}, who is not in {roster.path.name}. {NOTHING}")
        if student.id in granted:
            raise GradingError(f"{where} names {student.id} a second time: keep one row. {NOTHING}")
        granted[student.id] = moment_of(row[until[0]], where)
        if granted[student.id] < general:
            raise GradingError(f"{where} ends before --due, so it takes time away: correct one of them. {NOTHING}")
    return Deadline(general, granted)


def moment_of(text: str, where: str) -> datetime:
    """`2026-11-20 23:59 Europe/Berlin`, or ISO 8601 with an offset: `2026-11-20T23:59+01:00`.

    Raises GradingError for anything else, and for a moment that the clocks of that zone show twice or never.
    """
    example = "as in '2026-11-20 23:59 Europe/Berlin' or '2026-11-20T23:59+01:00'"
    stamp, _, zone = text.strip().rpartition(" ")
    try:
        if zone[:1].isalpha():
            moment, known = datetime.fromisoformat(stamp.strip()), ZoneInfo(zone)
        else:
            stamp, zone = text.strip(), ""
            moment, known = datetime.fromisoformat(stamp), None
    except (ValueError, OSError, KeyError):  # ZoneInfoNotFoundError is a KeyError
        raise GradingError(f"{where}: {text!r} is no date, time and time zone, {example}. {NOTHING}") from None
    if len(stamp) <= 10:
        raise GradingError(f"{where}: {text!r} has no time of the day: write it {example}. {NOTHING}")
    if known is None and moment.tzinfo is None:
        raise GradingError(f"{where}: {text!r} has no time zone: write it {example}. {NOTHING}")
    if known is None:
        return moment
    if moment.tzinfo is not None:
        raise GradingError(f"{where}: {text!r} has both an offset and a time zone: leave one out. {NOTHING}")
    first, second = (moment.replace(tzinfo=known, fold=fold) for fold in (0, 1))
    if first.utcoffset() != second.utcoffset():
        raise GradingError(
            f"{where}: the clocks change at {text!r}, so that it is there twice or never: write the offset, {example}. "
            f"{NOTHING}"
        )
    return first


def handed_in_at(path: Path) -> tuple[datetime | None, str]:
    """When a notebook was handed in, and what says so."""
    try:
        noted = (path.parent / BY_NBGRADER).read_text(encoding="utf-8").strip()
        return moment_of(noted, BY_NBGRADER), f"nbgrader's {BY_NBGRADER}"
    except (OSError, UnicodeDecodeError, GradingError):
        pass
    try:
        return datetime.fromtimestamp(os.stat(path).st_mtime, UTC), BY_FILE
    except (OSError, ValueError, OverflowError):
        return None, "unknown"


def span(late: timedelta) -> str:
    """ "2 d 3 h 5 min"; a minute that has begun counts."""
    minutes = -(-late // timedelta(minutes=1))
    days, minutes = divmod(minutes, 24 * 60)
    hours, minutes = divmod(minutes, 60)
    return " ".join(f"{count} {unit}" for count, unit in ((days, "d"), (hours, "h"), (minutes, "min")) if count)


def _shown(moment: datetime) -> str:
    zone = moment.tzinfo.key if isinstance(moment.tzinfo, ZoneInfo) else f"{moment:%z}" if moment.utcoffset() else "UTC"
    return f"{moment:%Y-%m-%d %H:%M} {zone}"
