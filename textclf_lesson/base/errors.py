"""Every exception of the course in one tree: catch `CourseError`, or the branch that you can do something about.

    CourseError
    ├── AssetError            data or weights that cannot be had
    ├── CarrierError          one of the archives they lie in
    ├── DataError             a data set that cannot be read as asked
    ├── ModelError            a saved model that is missing, damaged or refused
    ├── LLMError              texts that a language model gave no label
    ├── RowError              one such text
    │   ├── StopError         the next text would fare no better
    │   ├── BadAnswerError    an answer that is not one of the labels
    │   └── NoAnswerError     no answer
    ├── LogError              a log of predictions with other columns or rows
    ├── ServiceError          a service that cannot start
    ├── OverloadError         a full queue
    ├── Refusal               a request that is not answered
    ├── NotebookError         a file that is not a notebook
    ├── DeskError             a working copy that cannot be made, found or handed in
    ├── OfflineError          a connection that was tried while the network is cut
    ├── MissingExtra          an optional part of the package that is not installed
    ├── ClaimError            a sentence of a lesson that is not true of this run
    ├── NotYet                a blank
    ├── CheckFailed           an answer that is not right yet
    │   ├── Blank             one that is not answered yet
    │   ├── CheckFault        a check that failed by itself
    │   └── Missing           a hand-in without a file that was asked for
    ├── GradingError          grading cannot begin
    ├── Unreadable            a submission that is not a notebook
    ├── Unopened              an archive that cannot be opened
    ├── AnswerError           what a submission's code raised
    ├── WireError             a broken message from its process
    └── Refused               something that a graded answer must not do

Most have a built-in parent as well (`DataError` is a ValueError), for callers who know nothing of the course. Three
pass through `except Exception`, as they must: `Stopped` and `Killed` (the process that held an answer had to be ended)
and `Interrupted` (Ctrl+C).
"""

from textclf_lesson.base.cells import line_of


def brief(error: BaseException) -> str:
    """The first line of an error's message, fit to stand inside a sentence; the name of its type if it has none."""
    return str(error).partition("\n")[0].rstrip(":. ") or type(error).__name__


class CourseError(Exception):
    """The root of the course's exceptions. The first line of a message says what is wrong and what to do.

    A notebook shows the message and the line of the cell that it happened in; no source of the package.
    """

    def _render_traceback_(self) -> list[str]:
        """What IPython shows instead of a traceback."""
        line = line_of(self.__traceback__)
        return [f"✗ {self}", *([f"  In {line}"] if line else [])]


class AssetError(CourseError, RuntimeError):
    """An asset cannot be had. The first line says why, what was kept and what to do next."""


class CarrierError(CourseError):
    """One carrier failed. `reason` ends the phrase "could not be fetched: ..."; `remedy` comes before ": COMMAND"."""

    def __init__(self, reason: str, remedy: str):
        super().__init__(reason)
        self.reason, self.remedy = reason, remedy


class DataError(CourseError, ValueError):
    """A data set cannot be had as asked: the message says why and what to do."""


class ModelError(CourseError, RuntimeError):
    """Weights that are not there, not whole, or of a kind that is refused. The first line says what to do."""


class LLMError(CourseError, RuntimeError):
    """Some texts have no label. What was finished is here, and in the cache: the next call asks only for the rest.

    Attributes:
        answers: for each text its class, or None.
        failures: {row: reason}.
    """

    def __init__(self, answers: list, failures: dict[int, str]) -> None:
        first, done = min(failures), len(answers) - len(failures)
        reason = next((text for text in failures.values() if not text.startswith("not asked")), failures[first])
        kept = f" The other {done} are in error.answers; predict again to ask for the rest only." if done else ""
        super().__init__(f"{len(failures)} of {len(answers)} texts have no label (first: row {first}): {reason}.{kept}")
        self.answers, self.failures = answers, failures

    def __reduce__(self) -> tuple:
        """So that it comes back whole from a worker process."""
        return LLMError, (self.answers, self.failures)


class RowError(CourseError, RuntimeError):
    """One text has no label; the others may still get theirs."""


class StopError(RowError):
    """The next text would fare no better: a refused key, a budget that is spent."""


class BadAnswerError(RowError):
    """There is an answer, but it cannot be read, or is not one of the labels."""


class NoAnswerError(RowError):
    """The server did not answer, or answered that it failed. `wait`: the pause it asks for, in seconds, if it does."""

    def __init__(self, reason: str, wait: str | None = None) -> None:
        self.wait = float(wait) if wait and wait.isdigit() else None
        super().__init__(reason + f" (wait {wait} s)" * bool(self.wait))


class LogError(CourseError, ValueError):
    """A log whose rows or columns are not those of a log."""


class ServiceError(CourseError, RuntimeError):
    """The service cannot start. The message says why and what to do."""


class OverloadError(CourseError):
    """The queue is full. `wait`: whole seconds until there should be room."""

    def __init__(self, wait: int) -> None:
        self.wait = wait
        super().__init__(f"the queue is full; try again in {wait} s")


class Refusal(CourseError):
    """A request that is not answered: the HTTP status, a sentence for the sender, and headers."""

    def __init__(self, status: int, sentence: str, headers: dict[str, str] | None = None) -> None:
        self.status, self.sentence, self.headers = status, sentence, headers
        super().__init__(sentence)


class NotebookError(CourseError, ValueError):
    """A file that is not a notebook, or cannot be read."""


class DeskError(CourseError):
    """A learner's working copy cannot be made, found or handed in; the message says why and what to do."""


class OfflineError(CourseError, OSError):
    """A connection or a name lookup was refused, since the network is cut."""


class MissingExtra(CourseError, ImportError):
    """An optional part of the package that is not installed. The message says by which command to get it."""


class ClaimError(CourseError, AssertionError):
    """A sentence of the lesson is not true of this run."""

    def _render_traceback_(self) -> list[str]:
        return [
            str(self),
            "  The text of this lesson rests on it. If you are trying something of your own, call "
            "`course.setup(strict=False)` in the first cell: a claim that fails is then printed, and the notebook "
            "continues.",
        ]


class NotYet(CourseError, NotImplementedError):
    """What a blank raises until it is filled in."""

    def __init__(self, text: str = "Not answered yet: replace the line `raise NotYet()` by your answer."):
        super().__init__(text)

    def _render_traceback_(self) -> list[str]:
        return [f"✗ {self}"]


class CheckFailed(CourseError, AssertionError):
    """The answer is not right yet. Its text is one sentence for the learner, or one for each question of a quiz; a
    notebook shows that and no more."""

    def __str__(self) -> str:
        return " ".join(map(str, self.args))

    def _render_traceback_(self) -> list[str]:
        return [f"✗ {self}"]


class Blank(CheckFailed):
    """The answer is still the blank. It says nothing about what the learner believes."""


class CheckFault(CheckFailed):
    """The check itself failed: a fault of the course or of the machine. It says nothing about the answer, so
    `textclf grade` takes no point for it."""


class Missing(CheckFailed):
    """Nothing was handed in under this name."""


class GradingError(CourseError):
    """Grading cannot begin; the first line says why, and what to do."""


class Unreadable(CourseError, ValueError):
    """A submission that is not a notebook."""


class Unopened(CourseError, ValueError):
    """An archive that cannot be opened; the text says why."""


class AnswerError(CourseError):
    """The submission's code raised something; `kind` is the name of its type."""

    def __init__(self, kind: str, text: str):
        super().__init__(text)
        self.kind = kind


class WireError(CourseError, ValueError):
    """A message that is broken, too large, or not of the kinds allowed."""


class Refused(CourseError, PermissionError):
    """Something that a graded answer must not do. `where`: the file that it would have done that to, if any."""

    def __init__(self, text: str, where: object = None):
        super().__init__(text)
        self.where = where


class Stopped(BaseException):
    """The process that held the answer had to be ended. No Exception: a check must not take it for the learner's."""


class Killed(Stopped):
    """The process was ended by somebody else (the system, short of memory, or an administrator), or did not start."""


class Interrupted(KeyboardInterrupt):
    """Ctrl+C, SIGTERM or a notebook's stop button; the message says what was running."""

    def _render_traceback_(self) -> list[str]:
        return [f"✗ {self}"]
