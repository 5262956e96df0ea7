"""The classifiers that several lessons share. They come with the package, each as an adapter of an encoder.

A folder of `shared/` holds one: `adapter_model.safetensors` and `adapter_config.json` as peft writes them (Hu et al.
2021), and `card.json`, which says how it was made and what it scores. `textclf train NAME` makes one anew (`recipes`).
"""

import atexit
import json
import os
import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from textclf_lesson.assets import cache
from textclf_lesson.assets.unpack import sha256
from textclf_lesson.base.errors import ModelError
from textclf_lesson.models.modelcard import KEY

if TYPE_CHECKING:
    from textclf_lesson.models.transformer import TransformerClassifier

SHARED = Path(__file__).parent / "shared"
WEIGHTS = "adapter_model.safetensors"
MERGED = "model.safetensors"
SEAL = "sha256"  # the file beside merged weights that holds their hash


@dataclass(frozen=True)
class Card:
    """What one should know of a shared classifier; shown as Markdown in a notebook. `facts` is card.json."""

    facts: dict[str, Any]

    def __str__(self) -> str:
        facts = self.facts
        lines = [f"**{facts['name']}**: {facts['summary']}", ""]
        lines += [f"- {what}: {facts[what]}" for what in ("data", "limits") if what in facts]
        lines.append(f"- recipe {facts['recipe']}, by `textclf train {facts['name']}`: {facts['minutes']:.0f} minutes")
        lines[-1] += f" on {facts['processor']}; seeds {', '.join(map(str, facts['seeds']))}"
        for step in facts["steps"]:
            lines.append(f"  - {step}")
        lines.append(f"- {facts['bytes'] / 1e6:.1f} MB, SHA-256 {facts['sha256']}")
        lines.append(f"- versions: {', '.join(f'{name} {number}' for name, number in facts['versions'].items())}")
        for split, scores in facts.get("scores", {}).items():
            lines += ["", f"| {split} | score | 95 % interval |", "|---|---|---|"]
            lines += [f"| {k} | {v[0]:.3f} | {v[1]:.3f} to {v[2]:.3f} |" for k, v in scores.items()]
        return "\n".join(lines)

    _repr_markdown_ = __str__


def names() -> list[str]:
    """The shared classifiers."""
    return sorted(path.parent.name for path in SHARED.glob("*/card.json"))


def card(name: str) -> Card:
    """How a shared classifier was made, on which data, and what it scores. Raises ValueError for an unknown name."""
    return Card(read_card(_known(name)))


def load(name: str, folder: Path | None = None) -> "TransformerClassifier":
    """A shared classifier, ready to predict: the adapter is merged into its encoder, float32, in a few seconds.

    Every machine gets the same weights, bit for bit. The merged model is kept in the cache, where its `folder_` is; if
    the cache cannot be written, or its disk is full, in a temporary folder of this process. folder: where an adapter of
    yours lies that `textclf train NAME --into FOLDER` has made; default: the package's own.

    Raises ValueError for an unknown name; ModelError if the adapter is missing, damaged or not for this encoder, or if
    there is no room in the temporary folder either; AssetError if the encoder cannot be had.
    """
    from textclf_lesson.models.transformer import TransformerClassifier

    folder = Path(folder) if folder else _known(name)
    facts = read_card(folder)
    kept = cache.home() / "checkpoints" / f"{name}-{facts['sha256'][:12]}"
    if not _is_whole(kept):
        classifier = merged(facts, folder)
        try:
            _keep(classifier, kept)
        except (OSError, ModelError) as error:  # `save` reports a full disk as a ModelError
            kept = Path(tempfile.mkdtemp(prefix=f"textclf-{name}-")) / name
            print(f"The cache cannot be written ({error}): {name} is merged anew in each process.", file=sys.stderr)
            atexit.register(shutil.rmtree, kept.parent, ignore_errors=True)
            _keep(classifier, kept)
    return TransformerClassifier.load(kept)


checkpoint = load  # `models.checkpoint("toxicity")`


def read_card(folder: Path) -> dict[str, Any]:
    """card.json of an adapter, once the adapter beside it is the one that the card speaks of. Raises ModelError."""
    remedy = "Install the package again (`pip install --force-reinstall --no-deps .`), or make it: `textclf train NAME`"
    try:
        facts = json.loads((folder / "card.json").read_text(encoding="utf-8"))
        found = sha256(folder / WEIGHTS)
        wanted, base = facts["sha256"], facts["base"]["sha256"]
    except FileNotFoundError as error:
        raise ModelError(f"{folder} lacks {Path(error.filename).name}. {remedy}.") from None
    except (ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{folder / 'card.json'} is damaged ({error}). {remedy}.") from None
    if found != wanted:
        raise ModelError(f"{folder / WEIGHTS} is damaged: its SHA-256 is not the one of its card. {remedy}.")
    if base not in _hashes_of(facts["base"]["name"]):
        raise ModelError(f"{folder} is an adapter for another {facts['base']['name']!r} than the catalogue has.")
    return facts


def encoder_hash(name: str) -> str:
    """The SHA-256 of an encoder's weights, as the catalogue has it."""
    return _hashes_of(name)[0]


def write_card(folder: Path, facts: dict[str, Any]) -> None:
    """Write card.json in one step."""
    partial = folder / ".card.json.partial"
    partial.write_text(json.dumps(facts, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    os.replace(partial, folder / "card.json")


def _hashes_of(name: str) -> list[str]:
    known = cache.catalog()
    carriers = known[name].carriers if name in known else []
    return [m.sha256 for carrier in carriers for m in carrier.members if m.name == MERGED]


def _known(name: str) -> Path:
    if name not in names():
        raise ValueError(f"There is no checkpoint {name!r}. There are: {', '.join(names())}.")
    return SHARED / name


def _keep(classifier: "TransformerClassifier", kept: Path) -> None:
    """Save beside `kept` and move into place: readers see a whole folder or none."""
    kept.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix=f".{kept.name}-", dir=kept.parent))
    try:
        classifier.save(partial)
        (partial / SEAL).write_text(sha256(partial / MERGED), encoding="ascii")
        os.chmod(partial, 0o755)  # mkdtemp's folders are for their owner alone, a cache may be for a class
        try:
            partial.rename(kept)
        except OSError:
            if not _is_whole(kept):  # else another process was quicker
                shutil.rmtree(kept)
                partial.rename(kept)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def merged(facts: dict[str, Any], folder: Path) -> "TransformerClassifier":
    """A fitted classifier from an adapter and its card."""
    from textclf_lesson.models import adapters, encoders
    from textclf_lesson.models.transformer import TransformerClassifier

    classes, settings = facts["classes"], facts["settings"]
    model, tokenizer = encoders.with_head(facts["base"]["name"], classes, problem_type=settings["problem_type"])
    model = adapters.apply(model, folder)
    tokenizer.model_max_length = settings["max_length"]
    note = {name: facts[name] for name in ("classes", "rows", "counts", "settings", "versions")}
    model.config.update({KEY: note | {"history": []}})
    classifier = TransformerClassifier(**settings)
    classifier.classes_, classifier.history_ = np.array(classes), []
    classifier.model_, classifier.tokenizer_ = model.eval(), tokenizer
    return classifier


def _is_whole(kept: Path) -> bool:
    try:
        return (kept / SEAL).read_text(encoding="ascii") == sha256(kept / MERGED)
    except (OSError, ValueError):
        return False
