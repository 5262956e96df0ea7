"""What the service counts for those who watch it, in Prometheus' form, and the log of predictions.

Neither holds a text. Several worker processes count into files of one folder (PROMETHEUS_MULTIPROC_DIR, which must be
set before prometheus_client is imported), and whichever of them is asked adds them up.
"""

import contextlib
import csv
import io
import os
import stat
from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import prometheus_client
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest, multiprocess
from prometheus_client.core import GaugeMetricFamily, Metric

from textclf_lesson.deploy.traffic import COLUMNS, EDGES, VERSION

SHARED = "PROMETHEUS_MULTIPROC_DIR"
NONE = "(none)"  # counted where a text has none of several labels
SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5)
HEADER = ",".join([*COLUMNS, VERSION]).encode() + b"\n"
KEPT = 1_000_000  # bytes of the log that wait for a disk that is full

prometheus_client.disable_created_metrics()  # when each counter began: a line more for every line


def none_of(labels: Collection[str]) -> str:
    """The name that "none of these labels" is counted under: "(none)", in more parentheses if a label has that name."""
    name = NONE
    while name in labels:
        name = f"({name})"
    return name


class Counters:
    """The counters of one app; `text` is what /metrics answers.

    labels: all there may be, so that 0 is seen too. name, version: of the model.
    """

    def __init__(self, labels: Iterable[str], name: str = "", version: str = "") -> None:
        self.registry = own = CollectorRegistry()
        self.requests = Counter("textclf_requests", "Answers to POST /classify, by status", ["status"], registry=own)
        self.predictions = Counter("textclf_predictions", "Predictions, by label", ["label"], registry=own)
        self.confidence = Histogram("textclf_confidence", "Their confidence", buckets=EDGES, registry=own)
        self.texts = Counter("textclf_texts", "Texts that were classified", registry=own)
        self.truncated = Counter("textclf_truncated_texts", "Those whose end was not read", registry=own)
        self.latency = Histogram("textclf_latency_seconds", "From request to answer", buckets=SECONDS, registry=own)
        self.depth = Gauge("textclf_queue_depth", "Texts that wait", registry=own, multiprocess_mode="livesum")
        fields = ["name", "version"]
        model = Gauge("textclf_model", "The model served", fields, registry=own, multiprocess_mode="livemax")
        model.labels(name, version).set(1)
        self._labels = {label: self.predictions.labels(label) for label in labels}
        self._statuses = {}

    def request(self, status: int, seconds: float) -> None:
        """One answer to a request."""
        if status not in self._statuses:
            self._statuses[status] = self.requests.labels(str(status))
        self._statuses[status].inc()
        self.latency.observe(seconds)

    def predicted(self, predictions: Iterable[tuple[str, float]]) -> None:
        """Labels and their confidences."""
        for label, confidence in predictions:
            self._labels[label].inc()
            self.confidence.observe(confidence)

    def read(self, texts: int, truncated: int) -> None:
        """How many texts were classified, and how many of these the model did not read to their end."""
        self.texts.inc(texts)
        self.truncated.inc(truncated)

    def text(self) -> bytes:
        """All counts in Prometheus' text format, those of the other workers included."""
        registry = self.registry
        if SHARED in os.environ:
            registry = CollectorRegistry()
            multiprocess.MultiProcessCollector(registry)
        return generate_latest(_WithShare(registry))


class _WithShare:
    """What a registry collects, and the share of truncated texts: a ratio of sums, which no worker knows by itself."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.registry = registry

    def collect(self) -> list[Metric]:
        families = [*self.registry.collect()]
        value = {sample.name: sample.value for family in families for sample in family.samples}
        texts, truncated = value["textclf_texts_total"], value["textclf_truncated_texts_total"]
        share = GaugeMetricFamily("textclf_truncated_share", "The share of texts whose end was not read")
        share.add_metric([], truncated / texts if texts else 0.0)
        return [*families, share]


def forget_the_dead() -> None:
    """Take the gauges of workers that have ended out of the sum; each worker does this when it starts."""
    for path in Path(os.environ.get(SHARED, os.devnull)).glob("gauge_live*_*.db"):
        pid = int(path.stem.rpartition("_")[2])
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            multiprocess.mark_process_dead(pid)


class Log:
    """Predictions as lines of a CSV file: time (UTC, ISO 8601), label, confidence, and the model's version.

    Workers may share the file, and it may be rotated at any time: a file that was moved away is made anew, one that was
    emptied gets its header again. Lines that cannot be written, say since the disk is full, are kept and written later,
    up to a megabyte of them.

    Raises OSError if the file cannot be opened.
    """

    def __init__(self, path: str | os.PathLike, version: str = "") -> None:
        self.path, self.version = os.path.abspath(path), version
        self._file = self._open()
        self._lines, self._done = self._heading(), 0  # what is to be written, and how many bytes of it are
        self._missing = 0
        self._write()

    def write(self, predictions: Sequence[tuple[str, float]]) -> None:
        """One write for all, so that lines of several workers never mix.

        Raises OSError if they cannot be written now, or if earlier ones are missing from the file.
        """
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        text = io.StringIO()
        rows = ((now, label, confidence, self.version) for label, confidence in predictions)
        csv.writer(text, lineterminator="\n").writerows(rows)
        lines = text.getvalue().encode()
        if len(self._lines) + len(lines) <= KEPT:
            self._lines += lines
        else:
            self._missing += len(predictions)
        self._follow()
        self._write()
        if self._missing:
            missing, self._missing = self._missing, 0
            raise OSError(f"{self.path} can be written again, but {missing} predictions are missing from it")

    def close(self) -> None:
        self._file.close()

    def _open(self) -> io.FileIO:
        return open(self.path, "ab", buffering=0)

    def _heading(self) -> bytes:
        """What must stand before the first line: a header, unless the file begins with it."""
        found = os.fstat(self._file.fileno())
        if not stat.S_ISREG(found.st_mode) or not found.st_size:
            return HEADER
        with contextlib.suppress(OSError), open(self.path, "rb") as file:  # it may be ours to write and not to read
            is_known = file.readline(len(HEADER)) == HEADER
            file.seek(-1, os.SEEK_END)
            is_whole = file.read() == b"\n"  # if not, the machine failed in the middle of a line
            return (b"" if is_whole else b"\n") + (b"" if is_known else HEADER)
        return HEADER

    def _follow(self) -> None:
        """Go on in a new file if this one was moved away, and begin with a header if it is new or was emptied."""
        here = os.fstat(self._file.fileno())
        if not stat.S_ISREG(here.st_mode):
            return  # a pipe or a terminal
        try:
            is_moved = not os.path.samestat(here, os.stat(self.path))
        except FileNotFoundError:
            is_moved = True
        if is_moved:
            self._file, old, self._done = self._open(), self._file, 0
            old.close()
        if not os.fstat(self._file.fileno()).st_size:
            self._lines, self._done = HEADER + self._lines.removeprefix(HEADER), 0

    def _write(self) -> None:
        try:
            while self._done < len(self._lines):
                self._done += self._file.write(self._lines[self._done :])
        finally:  # of a line that is half written the beginning is kept, too: the file may be emptied before its end
            whole = self._lines.rfind(b"\n", 0, self._done) + 1
            self._lines, self._done = self._lines[whole:], self._done - whole
