"""Scores and how far to trust them: reports, bootstrap intervals, paired comparisons, agreement, latency."""

from textclf_lesson.metrics.agreement import fleiss_kappa
from textclf_lesson.metrics.multilabel import MultilabelReport, multilabel_difference, multilabel_report
from textclf_lesson.metrics.single import (
    METRICS,
    Difference,
    Metric,
    Report,
    accuracy,
    difference,
    f1,
    interval,
    macro_f1,
    report,
    weighted_f1,
)
from textclf_lesson.metrics.speed import Latency, latency

__all__ = [
    "METRICS",
    "Difference",
    "Latency",
    "Metric",
    "MultilabelReport",
    "Report",
    "accuracy",
    "difference",
    "f1",
    "fleiss_kappa",
    "interval",
    "latency",
    "macro_f1",
    "multilabel_difference",
    "multilabel_report",
    "report",
    "weighted_f1",
]
