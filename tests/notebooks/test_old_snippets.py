"""Lesson 4's table "If your snippet is older" holds against the versions that are installed."""

import inspect
import re
from pathlib import Path

import checks
import pytest
import transformers
from transformers import AutoTokenizer, Trainer, TrainingArguments

from textclf_lesson import models

LESSON = Path(__file__).parents[2] / "notebooks" / "04_bert_sentiment.ipynb"
KNOWN = set(inspect.signature(TrainingArguments).parameters)


@pytest.fixture(scope="module")
def table() -> dict[str, str]:
    """What is found on the web, with what to write."""
    cell = next(c for c in checks.read(LESSON).cells if c.source.startswith("### If your snippet is older"))
    rows = [line.strip("| ").split(" | ") for line in cell.source.splitlines() if line.startswith("|")]
    return {left: right for left, right in rows[2:]}


def names(text: str) -> set[str]:
    """The settings that a cell of the table names, those in its quotation marks left out."""
    return set(re.findall(r"\b[a-z]+(?:_[a-z0-9]+)+\b", re.sub(r'"[^"]*"', "", text)))


def test_settings_of_the_left_column_are_gone_and_those_of_the_right_are_there(table):
    settings = {left: right for left, right in table.items() if names(left) & {
        "evaluation_strategy", "warmup_ratio", "no_cuda", "group_by_length", "logging_dir"}}  # fmt: skip
    assert len(settings) == 5
    for left, right in settings.items():
        assert names(left).isdisjoint(KNOWN), left
        assert names(right) <= KNOWN, right


def test_the_other_old_names_are_gone(table):
    text = " ".join(table)
    assert "Trainer(tokenizer=" in text and "tokenizer" not in inspect.signature(Trainer).parameters
    assert "processing_class" in inspect.signature(Trainer).parameters
    assert "import AdamW" in text and not hasattr(transformers, "AdamW")
    tokenizer = AutoTokenizer.from_pretrained(models.locate("minilm"))
    for old in ("encode_plus", "batch_encode_plus"):
        assert old in text and not hasattr(tokenizer, old)
