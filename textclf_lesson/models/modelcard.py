"""What a saved classifier says of itself: a note inside config.json, and the README.md beside the weights.

It imports neither torch nor transformers: `OnnxClassifier`, which serves without them, reads the note too.
"""

import contextlib
import errno
import os
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, is_dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from textclf_lesson.base.errors import ModelError
from textclf_lesson.base.extras import needed

if TYPE_CHECKING:
    from transformers import PreTrainedConfig

PICKLES = (".bin", ".pt", ".pth", ".pkl", ".pickle", ".joblib")  # weights that can run code when they are read
FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
KEY = "textclf_lesson"  # the entry of config.json that holds what transformers has no field for

CARD = """\
# A classifier of texts: {classes}

{model}, fine-tuned on {rows:,} texts by the TransformerClassifier of textclf_lesson{how}.

## Use

```python
{use}
```

Texts are truncated after {max_length} tokens: what comes later is not read. {scores}

## Training data

{rows:,} texts. {counts}

| class | texts |
|---|---|
{table}

## Training

{settings}

Versions: {versions}.

## Results on the evaluation set

{history}

## Limits

It knows the language, the kind of text and the classes it was trained on, and answers with one of them for any text.
Its probabilities are not calibrated. Measure it on your own labelled texts before you rely on it.
"""

PIPELINE = """\
from transformers import pipeline

classify = pipeline("text-classification", "this/folder", {options})
classify("...")"""

ALONE = """\
from textclf_lesson.models.transformer import TransformerClassifier

TransformerClassifier.load("this/folder").predict(["..."])  # the folder holds an adapter; load fetches its encoder"""
ADAPTED = ": a low-rank adapter (LoRA, Hu et al. 2021), which the folder `adapter` holds as peft reads it"


@contextlib.contextmanager
def replacing(folder: str | os.PathLike, old: Iterable[str] = ()) -> Iterator[Path]:
    """A folder to write into, whose files then replace those of the same names in `folder`; what else lies there stays.

    old: patterns of files that belong to the model which was there before: those that are not replaced are deleted. If
    the block fails, `folder` is as it was. Raises ModelError where writing is not possible: no room, no permission.
    """
    folder, written = Path(folder), set()
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}.") as partial:
            yield Path(partial)
            for file in sorted(path for path in Path(partial).rglob("*") if path.is_file()):
                target = folder / file.relative_to(partial)
                target.parent.mkdir(parents=True, exist_ok=True)
                os.replace(file, target)
                written.add(target)
            for target in {path for pattern in old for path in folder.glob(pattern)} - written:
                target.unlink()
    except OSError as error:
        reason = "the disk is full" if error.errno in FULL else str(error)
        raise ModelError(
            f"{folder} cannot be written: {reason}; what was there before is kept. Free some space, make the folder "
            "writable, or choose another one."
        ) from error


def note(
    config: "PreTrainedConfig", classifier: Any, targets: Sequence[Any], settings: dict[str, Any] | None = None
) -> None:
    """Put into `config` what `TransformerClassifier.load` and `write` need, all of it JSON.

    `targets` are those of training: class positions, or rows of 0 and 1. settings: default: the classifier's own.
    """
    classes = classifier.classes_.tolist()
    table = np.asarray(targets)
    counts = table.sum(axis=0) if table.ndim == 2 else np.bincount(table, minlength=len(classes))
    note = {
        "classes": classes,
        "rows": len(targets),
        "counts": [int(count) for count in counts],
        "settings": {name: plain(value) for name, value in (settings or classifier.get_params()).items()},
        "history": classifier.history_,
        "versions": {package: version(package) for package in ("torch", "transformers")},
    }
    config.update({KEY: note})


def write(config: "PreTrainedConfig", use: str = PIPELINE) -> str:
    """The model card as Markdown (Mitchell et al. 2019, in short), from the note in `config`. use: Python code."""
    with needed("train"):
        from huggingface_hub import ModelCard, ModelCardData

    kept = getattr(config, KEY)
    settings, history = kept["settings"], kept["history"]
    multi = settings["problem_type"] == "multi_label_classification"
    best = _lines([{k: round(v, 4) for k, v in entry.items()} for entry in history])
    data = ModelCardData(library_name="transformers", pipeline_tag="text-classification", base_model=settings["model"])
    text = CARD.format(
        model=settings["model"],
        how=ADAPTED if settings.get("adapter") else "",
        classes=", ".join(map(str, kept["classes"])),
        rows=kept["rows"],
        use=use.format(options="truncation=True, top_k=None" if multi else "truncation=True"),
        max_length=settings["max_length"],
        scores="Each label has its own probability (sigmoid)."
        if multi
        else "The probabilities add up to one (softmax).",
        counts="A text may carry several labels or none." if multi else "Each has one label.",
        table="\n".join(f"| {c} | {n:,} |" for c, n in zip(kept["classes"], kept["counts"], strict=True)),
        settings=_lines(
            [{"setting": k, "value": _shown(v)} for k, v in settings.items() if k not in ("model", "problem_type")]
        ),
        versions=", ".join(f"{k} {v}" for k, v in kept["versions"].items()),
        history=best if history else "None was given in training.",
    )
    return str(ModelCard(f"---\n{data.to_yaml()}\n---\n\n{text}"))


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_shown(item)}" for name, item in value.items())
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)


def _lines(rows: list[dict]) -> str:
    """A Markdown table of dicts with the same keys."""
    lines = [list(rows[0]), ["---"] * len(rows[0])] + [list(row.values()) for row in rows] if rows else []
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


def plain(value: Any) -> Any:
    """A setting in Python's own types, as JSON can hold it: NumPy's scalars as numbers, settings in a dataclass as a
    dict, a function by its name."""
    if is_dataclass(value) and not isinstance(value, type):
        value = asdict(value)
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, np.generic):
        return value.item()
    return value if isinstance(value, int | float | None) else str(value)
