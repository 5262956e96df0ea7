"""What a service said, as counts: from predictions at hand, from the text of its /metrics, or from a log of its own."""

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd

EDGES = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 1.0)  # where bins of the confidence end
COLUMNS = ["time", "label", "confidence"]  # of a log


@dataclass(frozen=True)
class Window:
    """What a model said in a stretch of time, or since the service was started: counts, and no texts.

    labels: how often each class. bins: how many confidences (0 to 1) in each bin; a bin ends at its edge, that
    included. confidence: the sum of all confidences. time: when it ended, for people to read.
    """

    labels: dict[str, int]
    bins: tuple[int, ...]
    confidence: float
    edges: tuple[float, ...] = EDGES
    time: str = ""

    @classmethod
    def of(
        cls,
        labels: Iterable[Any],
        confidences: Iterable[float],
        classes: Iterable[Any],
        edges: Sequence[float] = EDGES,
        time: str = "",
    ) -> Self:
        """From predictions, one label and one confidence each. `classes`: all that the model knows.

        Raises ValueError for a label that is none of them, lengths that differ, a confidence outside 0 to 1 or NaN,
        the first such row named.
        """
        labels, sure, names = [*map(str, labels)], np.asarray([*confidences], dtype=float), [*map(str, classes)]
        if len(labels) != len(sure):
            raise ValueError(f"{len(labels)} labels but {len(sure)} confidences: pass one for each prediction.")
        if len(wrong := np.flatnonzero(~((sure >= 0) & (sure <= 1)))):  # NaN is neither
            raise ValueError(
                f"Row {wrong[0]} has the confidence {sure[wrong[0]]:g} ({len(wrong)} such rows; rows count from 0): it "
                "must lie in 0 to 1. Look at the model that wrote it, then drop these rows."
            )
        for row, label in enumerate(labels):
            if label not in names:
                raise ValueError(f"Row {row} has the label {label!r}; the classes are {names}. Is it another model's?")
        counts = Counter(labels)
        bins = np.bincount(np.searchsorted(edges, sure), minlength=len(edges))
        return cls({n: counts[n] for n in names}, tuple(bins.tolist()), float(sure.sum()), tuple(edges), str(time))

    @classmethod
    def from_metrics(cls, text: str, time: str = "") -> Self:
        """All that a service of this course has said since its start, from the text of its /metrics.

        Raises ValueError if that is not Prometheus' text format, or lacks textclf_predictions_total or
        textclf_confidence.
        """
        from prometheus_client.parser import text_string_to_metric_families

        try:
            found = {family.name: family.samples for family in text_string_to_metric_families(text)}
            said, sure = found["textclf_predictions"], found["textclf_confidence"]
            labels, upto = Counter(), Counter()
            for sample in said:
                labels[sample.labels["label"]] += int(sample.value) * sample.name.endswith("_total")
            for sample in sure:
                if sample.name.endswith("_bucket"):
                    upto[min(float(sample.labels["le"]), 1.0)] = int(sample.value)  # "+Inf" comes last
            total = sum(sample.value for sample in sure if sample.name.endswith("_sum"))
        except KeyError as error:
            raise ValueError(f"The metrics lack {error}: is this the /metrics of `textclf serve`?") from None
        except (ValueError, TypeError) as error:
            raise ValueError(f"This is no text of /metrics: {error}. Look at what the address answers.") from error
        bins = np.diff([0, *upto.values()])
        return cls(dict(labels), tuple(bins.tolist()), total, tuple(upto), time)

    def since(self, earlier: Self | None) -> Self:
        """What came after `earlier`, both read from one service's /metrics.

        Counters start at 0 with the service. If one has fallen, the service was started anew, and all that it counts
        is new (what Prometheus' increase() does). Raises ValueError if the bins changed.
        """
        if earlier is None:
            return self
        check_bins(earlier, self)
        pairs = [(count, earlier.labels.get(label, 0)) for label, count in self.labels.items()]
        pairs += [*zip(self.bins, earlier.bins, strict=True)]
        if any(now < before for now, before in pairs) or earlier.labels.keys() - self.labels.keys():
            return self
        new = [now - before for now, before in pairs]
        labels = dict(zip(self.labels, new, strict=False))
        sure = self.confidence - earlier.confidence
        return type(self)(labels, tuple(new[len(labels) :]), sure, self.edges, self.time)


def check_bins(one: Window, other: Window) -> None:
    """Raises ValueError if the two count confidences in different bins."""
    if one.edges != other.edges:
        raise ValueError(
            f"The bins of the confidences differ, {one.edges} and {other.edges}: make the reference with edges= of "
            "the service."
        )


def read_log(path: str | os.PathLike) -> pd.DataFrame:
    """A log of predictions, CSV with a header or Parquet, with the columns time, label, confidence, in order of time.

    time becomes UTC, label text, confidence a float. Raises ValueError for a file that is neither, lacks a column, or
    has a cell that cannot be read, the first such row named: say a line that was cut when the disk was full.
    """
    path = Path(path)
    try:
        if path.suffix == ".parquet":
            log = pd.read_parquet(path)
        else:
            log = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8")
    except (ValueError, OSError) as error:  # pandas' and pyarrow's errors are ValueErrors
        if isinstance(error, FileNotFoundError):
            raise
        raise ValueError(f"{path} is not a log that can be read: {error}. It takes CSV or Parquet.") from error
    if lacking := [name for name in COLUMNS if name not in log]:
        raise ValueError(f"{path} lacks the column {lacking[0]}: a log has {', '.join(COLUMNS)}.")
    times = pd.to_datetime(log["time"], utc=True, errors="coerce", format="ISO8601")
    sure = pd.to_numeric(log["confidence"], errors="coerce")
    unread = times.isna() | log["label"].isna() | (log["label"].astype(str) == "") | ~sure.between(0, 1)
    if unread.any():
        row = int(np.flatnonzero(unread)[0])
        raise ValueError(
            f"{path}: row {row} cannot be read, {log.iloc[row][COLUMNS].to_dict()} ({unread.sum()} such rows; "
            "rows count from 0). A time, a label and a confidence from 0 to 1 are needed: mend the row or drop it."
        )
    log = pd.DataFrame({"time": times, "label": log["label"].astype(str), "confidence": sure.astype(float)})
    return log.sort_values("time", kind="stable", ignore_index=True)


def windows(log: pd.DataFrame, size: int | str, classes: Iterable[Any], edges: Sequence[float] = EDGES) -> list[Window]:
    """Cut a log of `read_log` into windows: of `size` predictions each, the rest at the end left out; or of a time.

    size: a number, or a pandas frequency like "1h"; then a stretch without predictions is an empty window. `classes`:
    all that the model knows. Raises ValueError as `Window.of` does.
    """
    if isinstance(size, str):
        parts = [(end, part) for end, part in log.set_index("time", drop=False).resample(size)]
    else:
        if size < 1:
            raise ValueError(f"size={size} does not fit: a window holds one prediction at least.")
        ends = range(size, len(log) + 1, size)
        parts = [(log["time"].iloc[end - 1], log.iloc[end - size : end]) for end in ends]
    classes = [*classes]
    return [Window.of(part["label"], part["confidence"], classes, edges, str(end)) for end, part in parts]
