"""What the service counts for those who watch it, in Prometheus' form, and the log of predictions.

Neither holds a text. Several worker processes count into files of one folder (PROMETHEUS_MULTIPROC_DIR, which must be
set before prometheus_client is imported), and whichever of them is asked adds them up.
"""

import csv
import io
import os
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import prometheus_client
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest, multiprocess

SHARED = "PROMETHEUS_MULTIPROC_DIR"
NONE = "(none)"  # counted where a text has none of several labels
CONFIDENCES = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 1.0)
SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5)

prometheus_client.disable_created_metrics()  # when each counter began: a line more for every line


class Counters:
    """The counters of one app; `text` is what /metrics answers. labels: all there may be, so that 0 is seen too."""

    def __init__(self, labels: Iterable[str]) -> None:
        self.registry = own = CollectorRegistry()
        self.requests = Counter("textclf_requests", "Answers to POST /classify, by status", ["status"], registry=own)
        self.predictions = Counter("textclf_predictions", "Predictions, by label", ["label"], registry=own)
        self.confidence = Histogram("textclf_confidence", "Their confidence", buckets=CONFIDENCES, registry=own)
        self.latency = Histogram("textclf_latency_seconds", "From request to answer", buckets=SECONDS, registry=own)
        self.depth = Gauge("textclf_queue_depth", "Texts that wait", registry=own, multiprocess_mode="livesum")
        self._labels = {label: self.predictions.labels(label) for label in labels}
        self._statuses = {}

    def request(self, status: int, seconds: float) -> None:
        """One answer to a request."""
        if status not in self._statuses:
            self._statuses[status] = self.requests.labels(str(status))
        self._statuses[status].inc()
        self.latency.observe(seconds)

    def predicted(self, said: Iterable[tuple[str, float]]) -> None:
        """Labels and their confidences."""
        for label, confidence in said:
            self._labels[label].inc()
            self.confidence.observe(confidence)

    def text(self) -> bytes:
        """All counts in Prometheus' text format, those of the other workers included."""
        if SHARED not in os.environ:
            return generate_latest(self.registry)
        together = CollectorRegistry()
        multiprocess.MultiProcessCollector(together)
        return generate_latest(together)


def forget_the_dead() -> None:
    """Take the queue depth of workers that are no more out of the sum; each worker does this when it starts."""
    for path in Path(os.environ.get(SHARED, os.devnull)).glob("gauge_live*_*.db"):
        pid = int(path.stem.rpartition("_")[2])
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            multiprocess.mark_process_dead(pid)


class Log:
    """Predictions as lines of a CSV file: time (UTC, ISO 8601), label, confidence. Workers may share the file.

    Raises OSError if the file cannot be written.
    """

    def __init__(self, path: str | os.PathLike) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        if not os.fstat(self._file).st_size:
            os.write(self._file, b"time,label,confidence\n")

    def write(self, said: Sequence[tuple[str, float]]) -> None:
        """One write for all, so that lines of several workers never mix."""
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        lines = io.StringIO()
        csv.writer(lines, lineterminator="\n").writerows((now, label, confidence) for label, confidence in said)
        os.write(self._file, lines.getvalue().encode())

    def close(self) -> None:
        os.close(self._file)
