"""What a service predicted, as counts: from predictions at hand, the text of its /metrics, or its log."""

import bz2
import csv
import gzip
import lzma
import os
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd

from textclf_lesson.base.errors import LogError
from textclf_lesson.base.extras import needed

EDGES = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 1.0)  # where bins of the confidence end
COLUMNS = ["time", "label", "confidence"]  # of every log
VERSION = "version"  # the last column of a log, absent from older ones: which model predicted
OPEN = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}


@dataclass(frozen=True)
class Window:
    """What a model predicted in a stretch of time, or since the service was started: counts, and no texts.

    labels: how often each class. bins: how many confidences (0 to 1) in each bin; a bin ends at its edge, that
    included. confidence: the sum of all confidences. time: when it ended, for people to read. version: of the model, ""
    if unknown.
    """

    labels: dict[str, int]
    bins: tuple[int, ...]
    confidence: float
    edges: tuple[float, ...] = EDGES
    time: str = ""
    version: str = ""

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

        Raises ValueError for a label that is not one of them, lengths that differ, a confidence outside 0 to 1 or NaN,
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
        """All that a service of this course has predicted since its start, from the text of its /metrics.

        Raises ValueError if that is not Prometheus' text format, or lacks textclf_predictions_total or
        textclf_confidence.
        """
        with needed("serve"):
            from prometheus_client.parser import text_string_to_metric_families

        try:
            found = {family.name: family.samples for family in text_string_to_metric_families(text)}
            predictions, sure = found["textclf_predictions"], found["textclf_confidence"]
            labels, upto = Counter(), Counter()
            for sample in predictions:
                labels[sample.labels["label"]] += int(sample.value) * sample.name.endswith("_total")
            for sample in sure:
                if sample.name.endswith("_bucket"):
                    upto[min(float(sample.labels["le"]), 1.0)] = int(sample.value)  # "+Inf" comes last
            total = sum(sample.value for sample in sure if sample.name.endswith("_sum"))
        except KeyError as error:
            raise ValueError(f"The metrics lack {error}: is this the /metrics of `textclf serve`?") from None
        except (ValueError, TypeError) as error:
            raise ValueError(f"This is not the text of /metrics: {error}. Look at what the address answers.") from error
        bins = np.diff([0, *upto.values()])
        versions = {s.labels.get("version", "") for s in found.get("textclf_model", []) if s.value}
        version = versions.pop() if len(versions) == 1 else ""
        return cls(dict(labels), tuple(bins.tolist()), total, tuple(upto), time, version)

    def since(self, earlier: Self | None) -> Self:
        """What came after `earlier`, both read from one service's /metrics.

        Counters start at 0 with the service. If one has fallen (which Prometheus' increase() looks for), or the model
        has another version, the service was started anew, and all that it counts is new. Raises ValueError if the bins
        changed.
        """
        if earlier is None:
            return self
        check_bins(earlier, self)
        if self.version and earlier.version and self.version != earlier.version:
            return self
        pairs = [(count, earlier.labels.get(label, 0)) for label, count in self.labels.items()]
        pairs += [*zip(self.bins, earlier.bins, strict=True)]
        if any(now < before for now, before in pairs) or earlier.labels.keys() - self.labels.keys():
            return self
        new = [now - before for now, before in pairs]
        labels = dict(zip(self.labels, new, strict=False))
        sure = self.confidence - earlier.confidence
        return type(self)(labels, tuple(new[len(labels) :]), sure, self.edges, self.time, self.version)


def check_bins(one: Window, other: Window) -> None:
    """Raises ValueError if the two count confidences in different bins."""
    if one.edges != other.edges:
        raise ValueError(
            f"The bins of the confidences differ, {one.edges} and {other.edges}: make the reference with edges= of "
            "the service."
        )


def read_log(path: str | os.PathLike) -> pd.DataFrame:
    """A log of predictions with the columns time, label, confidence and version, in order of time.

    path: CSV, plain or compressed by logrotate (.gz, .bz2, .xz), or Parquet. time becomes UTC, label and version text,
    confidence a float; version is "" where the log has none, which was so before services wrote it.

    A CSV file may hold several headers, as after `cat log.csv.1 log.csv`, when a newer service wrote on below an older
    one's lines, or when several workers made the file anew. It may have none, as when it was cut or rotated in an
    unlucky moment: then the columns are time, label, confidence, and version if there are four. An empty file is a log
    without predictions.

    Raises ValueError for another kind of file, one that lacks a column, or a cell that cannot be read, the first such
    row named: say a line that was cut when the disk was full.
    """
    path = Path(path)
    try:
        log = pd.read_parquet(path) if path.suffix == ".parquet" else _read_csv(path)
    except (ValueError, OSError, EOFError, csv.Error, lzma.LZMAError) as error:  # pandas' and pyarrow's are ValueErrors
        if isinstance(error, FileNotFoundError | LogError):
            raise
        raise ValueError(f"{path} is not a log that can be read: {error}. It takes CSV or Parquet.") from error
    _check_columns(path, log.columns)
    times = pd.to_datetime(log["time"], utc=True, errors="coerce", format="ISO8601")
    sure = pd.to_numeric(log["confidence"], errors="coerce")
    unread = times.isna() | log["label"].isna() | (log["label"].astype(str) == "") | ~sure.between(0, 1)
    if unread.any():
        row = int(np.flatnonzero(unread)[0])
        place = "" if path.suffix == ".parquet" else f"; line {log.index[row]} of the file"
        raise LogError(
            f"{path}: row {row} cannot be read, {log.iloc[row][COLUMNS].to_dict()} ({unread.sum()} such rows; "
            f"rows count from 0{place}). A time, a label and a confidence from 0 to 1 are needed: mend the row or drop "
            "it."
        )
    versions = log[VERSION].fillna("").astype(str) if VERSION in log else ""
    log = {"time": times, "label": log["label"].astype(str), "confidence": sure.astype(float), VERSION: versions}
    return pd.DataFrame(log).sort_values("time", kind="stable", ignore_index=True)


def _check_columns(path: Path, names: Iterable[str]) -> None:
    if lacking := [name for name in COLUMNS if name not in names]:
        raise LogError(f"{path} lacks the column {lacking[0]}: a log has {', '.join([*COLUMNS, VERSION])}.")


def _read_csv(path: Path) -> pd.DataFrame:
    """The cells as text, each row under the header above it; cells that a row lacks are None. Index: line numbers."""
    parts, header, width = [], [], 0  # (header, rows, lines) from each header to the next
    with OPEN.get(path.suffix, open)(path, "rt", encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file, strict=True)
        for cells in reader:
            is_header = set(COLUMNS) <= set(cells)  # no row is like this: its confidence is a number
            if is_header or (cells and not parts):
                header = cells if is_header or not _is_row(cells) else [*COLUMNS, VERSION]
                _check_columns(path, header)
                width = len(header)
                parts.append((header, [], []))
            if is_header or not cells:
                continue
            if len(cells) > width:
                raise LogError(
                    f"{path}: line {reader.line_num} cannot be read, {cells}: it has more cells than the header above "
                    f"it, {', '.join(header)}. Mend the line or drop it."
                )
            parts[-1][1].append(cells + [None] * (width - len(cells)))
            parts[-1][2].append(reader.line_num)
    empty = pd.DataFrame(columns=[*COLUMNS, VERSION], dtype=object)
    return pd.concat([empty, *(pd.DataFrame(rows, lines, columns, object) for columns, rows, lines in parts)])


def _is_row(cells: list[str]) -> bool:
    """Whether these are the cells of a prediction, and not names of columns."""
    try:
        return len(cells) in (3, 4) and datetime.fromisoformat(cells[0]) is not None and 0 <= float(cells[2]) <= 1
    except ValueError:
        return False


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
