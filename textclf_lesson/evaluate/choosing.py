"""Which level for which task: the limits of a task, held to what studies/levels.py measured."""

import json
import locale
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache
from numbers import Integral, Real
from pathlib import Path
from typing import Any

from textclf_lesson.evaluate import evidence

EVIDENCE = Path(evidence.__file__).parent / "studies" / "levels.json"
LEVELS = ("TF-IDF", "fastText", "MiniLM", "MiniLM INT8", "SmolLM2")
BASE, PROMPTED = "TF-IDF", "SmolLM2"  # with logistic regression; the one LLM that was measured
ENGLISH_ONLY = {"MiniLM", "MiniLM INT8", PROMPTED}
CLASSES = {"movie-snippets": 2, "newsgroups": 20, "wiki-toxicity": 6}  # of the tasks that were measured
PROMPT_ROWS = 500  # labelled rows that chose the best prompt; with fewer, what counts is the default one
# Two-letter codes (ISO 639-1) of the languages that Python's own tables know.
CODES = {code for code in (alias.partition("_")[0] for alias in locale.locale_alias) if len(code) == 2}


@dataclass
class Option:
    """A level, held to a task. gain: quality minus that of TF-IDF, and its 95 % interval; None if not measured."""

    level: str
    gain: tuple[float, float, float] | None
    ms: float
    p95_ms: float
    hours: float  # of two cores: one training and a million answers
    evidence: str
    reasons: list[str]
    against: list[str] = field(default_factory=list)  # the limits it breaks

    @property
    def fits(self) -> bool:
        return not self.against


@dataclass(frozen=True)
class Recommendation:
    """The levels, best first; those that break a limit come last. choice: the first, or None if none fits."""

    options: list[Option]

    @property
    def choice(self) -> str | None:
        return self.options[0].level if self.options[0].fits else None

    def __str__(self) -> str:
        lines = [] if self.choice else ["No measured level keeps to all limits: give one up, or label some rows."]
        for place, option in enumerate(self.options, start=1):
            mark, why = f"{place}." if option.fits else "✗ ", "; ".join(option.against + option.reasons)
            lines += [f"{mark} {option.level}: {why}", f"   {option.evidence}"]
        return "\n".join(lines)


def choose(
    n_classes: int,
    n_labelled: int,
    languages: str | Iterable[str] = "en",
    latency_ms: float | None = None,
    interpretable: bool = False,
    budget: float | None = None,
    *,
    like: str = "movie-snippets",
    slower: float = 1.0,
    evidence: str | os.PathLike = EVIDENCE,
) -> Recommendation:
    """Rank the levels of the course for a task, by what was measured on a task like it.

    n_classes: 2 or more. n_labelled: rows, 0 or more. languages: two-letter codes. latency_ms: what 95 of 100 single
    texts may take. interpretable: True if each weight must be readable. budget: hours for one training and a million
    answers. None: no limit. like: the measured task most like yours: "movie-snippets" (the order of words decides),
    "newsgroups" (topics), "wiki-toxicity" (several labels a text). slower: your machine's times as a multiple of the
    study's. Rows count by class: 300 of 12 classes are looked up as 500 of the 20 newsgroups.

    A level ranks above TF-IDF only if the 95 % interval of its gain lies above zero. Of those that cannot be told from
    the best, the quickest comes first. The order does not depend on the limits: these only rule out.

    Raises TypeError or ValueError for a value out of range, FileNotFoundError if there is no evidence.
    """
    _check("n_classes", n_classes, least=2)
    _check("n_labelled", n_labelled, least=0)
    for name, value in {"latency_ms": latency_ms, "budget": budget, "slower": slower}.items():
        if name == "slower" or value is not None:
            _check(name, value)
    if like not in CLASSES:
        raise ValueError(f"{like!r} was not measured: name the task most like yours, of {', '.join(CLASSES)}.")
    foreign = _check_languages(languages) - {"en"}
    rows = n_labelled if like == "wiki-toxicity" else n_labelled / n_classes * CLASSES[like]
    options = [_measured(level, like, rows, slower, Path(evidence)) for level in LEVELS]
    for option in options:
        if foreign and option.level in ENGLISH_ONLY:
            option.gain = None
            option.reasons = [f"measured in English only: for {', '.join(sorted(foreign))} try a multilingual one"]
        if n_labelled < n_classes and option.level == PROMPTED:
            option.reasons.insert(0, "needs no labelled rows")
        elif n_labelled < n_classes:
            option.against.append(f"{n_labelled} labelled rows for {n_classes} classes are too few")
        if latency_ms is not None and option.p95_ms > latency_ms:
            option.against.append(f"{option.p95_ms:.3g} ms at p95 are over {latency_ms:g}")
        if interpretable and option.level != BASE:
            option.against.append("its weights cannot be read")
        if budget is not None and option.hours > budget:
            option.against.append(f"{option.hours:.3g} hours for a million are over {budget:g}")
    return Recommendation(sorted(_ranked(options), key=lambda option: not option.fits))


def _ranked(options: list[Option]) -> list[Option]:
    """Clearly better than TF-IDF, TF-IDF itself, not told apart, clearly worse, not measured."""

    def group(option: Option) -> int:
        if option.level == BASE:
            return 1
        if option.gain is None:
            return 4
        _, low, high = option.gain
        return 0 if low > 0 else 3 if high < 0 else 2

    best = max((option.gain[0] for option in options if group(option) == 0), default=0.0)

    def place(option: Option) -> tuple:
        behind = group(option) == 0 and option.gain[2] < best  # surely worse than the best
        return group(option), behind, -option.gain[0] if behind else option.ms

    return sorted(options, key=place)


def _measured(level: str, like: str, rows: float, slower: float, path: Path) -> Option:
    """What the study says of a level after `rows` training rows: at the largest number measured up to it."""
    full, curves = _read(path)
    there = full[like].get(level)
    known = there or next(task[level] for task in full.values() if level in task)  # its costs, on another task
    sizes, all_rows = sorted(n for task, name, n in curves if (task, name) == (like, BASE)), full[like][BASE]["rows"]
    few = bool(sizes) and rows < all_rows
    size = max((size for size in sizes if size <= rows), default=sizes[0]) if few else all_rows
    run = curves.get((like, level.removesuffix(" INT8"), size)) if few else there
    yours = "" if size <= rows <= all_rows else f" (you: {rows:,.0f})"
    gain, where = None, like if level == PROMPTED else f"{like}, {size:,} rows{yours}"
    if there and level == PROMPTED:
        best = rows >= PROMPT_ROWS
        ends = [there["score"], *there["interval"]] if best else there["zero_shot"]
        base = curves[like, BASE, size]["score"] if few else full[like][BASE]["score"]
        gain = tuple(end - base for end in ends)
        prompt = f"the best of {there['prompts_tried']} prompts" if best else "the default prompt"
        where += f", {prompt}: accuracy {ends[0]:.3f}"
    elif run:
        gain = tuple(run["difference"] or (0.0, 0.0, 0.0))
        where += f": {run['metric']} {run['score']:.3f}"
        where += " (before it was made INT8)" if few and "INT8" in level else ""
    else:
        where += ": not measured"
    ms, p95_ms, minutes = (slower * known[name] for name in ("ms", "p95_ms", "training_minutes"))
    hours = minutes / 60 + ms / 3.6
    where += f" · {ms:.3g} ms, p95 {p95_ms:.3g} · {known['mb']:.3g} MB · {hours:.3g} h/million"
    return Option(level, gain, ms, p95_ms, hours, where, [_verdict(level, gain)])


def _verdict(level: str, gain: tuple[float, float, float] | None) -> str:
    if level == BASE:
        return "the baseline, which others must clearly beat"
    if gain is None:
        return "not measured on such a task"
    how = "clearly better than" if gain[1] > 0 else "clearly worse than" if gain[2] < 0 else "cannot be told from"
    return f"{how} TF-IDF, {gain[0]:+.3f} [{gain[1]:+.3f}, {gain[2]:+.3f}]"


@cache
def _read(path: Path) -> tuple[dict[str, Any], dict[tuple[str, str, int], Any]]:
    """For each task its levels on all rows; for each (task, level, rows) a point of the learning curve."""
    if not path.exists():
        raise FileNotFoundError(
            f"There is no evidence at {path}: pass evidence=, the file that studies/levels.py writes."
        )
    runs = json.loads(path.read_text(encoding="utf-8"))["runs"]
    found = [(run["settings"], run["result"]) for run in runs]
    full = {run["task"]: result for run, result in found if run["part"] == "levels"}
    return full, {(run["task"], run["level"], run["rows"]): result for run, result in found if run["part"] == "rows"}


def _check(name: str, value: Any, least: int | None = None) -> None:
    """A whole number of `least` or more; without `least` any number above 0."""
    whole = least is not None
    if not isinstance(value, Integral if whole else Real) or isinstance(value, bool):
        raise TypeError(f"{name} must be a {'whole ' if whole else ''}number, not {value!r}.")
    if not (value >= least if whole else value > 0):  # a NaN is neither
        raise ValueError(f"{name} must be {f'{least} or more' if whole else 'above 0'}, not {value}.")


def _check_languages(languages: str | Iterable[str]) -> set[str]:
    codes = {languages} if isinstance(languages, str) else set(languages)
    if not codes or codes - CODES:
        wrong = f"{min(map(str, codes - CODES))!r} is no language that is known" if codes else "languages is empty"
        raise ValueError(f"{wrong}: name two-letter codes (ISO 639-1), say 'en' or ['en', 'de'].")
    return codes
