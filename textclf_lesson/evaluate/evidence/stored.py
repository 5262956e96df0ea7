"""Results that lessons compare against, measured once and stored: best cheap baselines, studies, benchmarks.

`studies/` and `benchmarks/` of the course's repository write them; each file holds its command, seeds, processor and
versions.
"""

import json
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING, Any

from textclf_lesson.base.hints import did_you_mean

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from sklearn.pipeline import Pipeline


@dataclass(frozen=True)
class Baseline:
    """The strongest cheap classifier that was found for a data set (studies/baselines.py).

    features, classifier, multi_label, options: the arguments of `baselines.pipeline`, chosen on the validation split.
    metric: "accuracy" or "macro_f1", by which they were chosen. validation: what the choice reached there.
    score, low, high: the metric on the test split and its 95 % bootstrap interval, after `fit` on the training split
        alone; labels of a multi-label set have the thresholds that `thresholds.tune` finds on validation.
    scores: further metrics of the same predictions, each (value, low, high); per label for a multi-label set.
    fit_seconds, ms_per_text: seconds for `fit` and milliseconds for a single text, one thread of `processor`. `quiet`
        is False if other programs kept the processor busy meanwhile: then take them for upper bounds. All four are
        None until they are measured: `python -m studies.baselines --times`.
    tried: how many settings were compared.

    >>> found = baseline("movie-snippets")
    >>> found.low < found.score < found.high
    True
    """

    name: str
    features: str
    classifier: str
    multi_label: bool
    options: dict[str, Any]
    metric: str
    score: float
    low: float
    high: float
    validation: float
    scores: dict[str, list[float]]
    tried: int
    fit_seconds: float | None
    ms_per_text: float | None
    processor: str | None
    quiet: bool | None

    def __str__(self) -> str:
        return f"{self.metric} {self.score:.3f} [{self.low:.3f}, {self.high:.3f}]: {self.features}, {self.classifier}"


def names() -> list[str]:
    """The data sets that have a stored baseline."""
    return list(_stored())


def baseline(name: str) -> Baseline:
    """The stored baseline of a data set. Raises ValueError for a name that has none; the message lists those there are.

    `best(name)` makes the untrained model.
    """
    stored = _stored()
    if name not in stored:
        guess = did_you_mean(name, stored)
        raise ValueError(f"There is no stored baseline of {name!r}.{guess} There are: {', '.join(stored)}.")
    found = Baseline(name=name, **stored[name])
    # JSON has no tuples.
    ranges = {key: tuple(value) for key, value in found.options.items() if isinstance(value, list)}
    found.options.update(ranges)
    return found


def best(name: str) -> "Pipeline":
    """The strongest cheap classifier that was found for a data set, untrained: the rival that others must beat.

    name: one of `names()`. Features, classifier and settings were searched on the validation split by
    studies/baselines.py; what `best(name)` scores on the test split after `fit` on the training split is stored with
    its interval: `baseline(name)`. A multi-label set gives a model that takes a table of 0 and 1.

    Raises ValueError for a name without a stored baseline.
    """
    from textclf_lesson.models import baselines

    found = baseline(name)
    return baselines.pipeline(found.features, found.classifier, multi_label=found.multi_label, **found.options)


def study(name: str) -> dict[str, Any]:
    """What a study stored, or a benchmark (`"benchmarks/export"`): its runs or table, command, seeds and versions.

    Raises ValueError for a name without stored results; the message lists those there are.
    """
    folder = resources.files(__package__)
    path = folder / f"{name}.json" if name.startswith("benchmarks/") else folder / "studies" / f"{name}.json"
    if not path.is_file():
        there = [entry.name.removesuffix(".json") for entry in (folder / "studies").iterdir()]
        there += [f"benchmarks/{entry.name.removesuffix('.json')}" for entry in (folder / "benchmarks").iterdir()]
        raise ValueError(f"Nothing is stored under {name!r}. There are: {', '.join(sorted(there))}.")
    return json.loads(path.read_text(encoding="utf-8"))


def runs(name: str) -> "pd.DataFrame":
    """The runs of a stored study, a row each: settings and result.

    Raises ValueError as `study` does, and for what was stored as one table.
    """
    import pandas as pd

    found = study(name)
    if "runs" not in found:
        raise ValueError(f"{name!r} has no runs, it is one table: evidence.study({name!r}) gives it.")
    return pd.DataFrame([run["settings"] | run["result"] for run in found["runs"]])


def right(name: str, n: int, /, **settings: Any) -> "list[np.ndarray]":
    """Which rows the runs of a study got right: 1 or 0 for each of its `n` rows, whole numbers, an array for each run.

    settings: those that a run must have; None for a setting that it must not have. With 1 as the truth of every row,
    two such lists go into `metrics.difference`.

    Raises ValueError as `study` does; if no run has these settings; if runs did not store their rows, or not `n`.

    >>> [run.mean() for run in right("labelled_rows", 1051, model="frozen", rows=100, split=None)][0].round(2).item()
    0.67
    """
    import numpy as np

    found = [
        run for run in study(name).get("runs", []) if all(run["settings"].get(k) == v for k, v in settings.items())
    ]
    if not found:
        wanted = ", ".join(f"{key}={value!r}" for key, value in settings.items())
        raise ValueError(
            f"No run of {name!r} has {wanted or 'its settings stored'}: evidence.runs({name!r}) shows all."
        )
    if any("right" not in run["result"] for run in found):
        raise ValueError(f"{name!r} did not store which rows were right: evidence.runs({name!r}) has its scores.")
    packed = [np.frombuffer(bytes.fromhex(run["result"]["right"]), np.uint8) for run in found]
    if any(
        8 * len(bits) - n not in range(8) or run["result"].get("n", n) != n
        for bits, run in zip(packed, found, strict=True)
    ):
        raise ValueError(f"The runs of {name!r} scored another number of rows than n={n}.")
    return [np.unpackbits(bits)[:n].astype(int) for bits in packed]


def _stored() -> dict[str, dict[str, Any]]:
    text = (resources.files(__package__) / "baselines.json").read_text(encoding="utf-8")
    return json.loads(text)["baselines"]
