"""Weights by name: encoders to start from, and classifiers that the course trains once and keeps."""

import ast
import contextlib
import hashlib
import inspect
import json
import os
import shutil
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout

from textclf_lesson import assets, data
from textclf_lesson.modelcard import PICKLES, ModelError

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from textclf_lesson.transformer import TransformerClassifier

CARRIED = ("minilm",)  # encoders that the catalogue has; any other name is a folder or a hub id
TOKENISERS = {"tokenizer.json", "vocab.txt", "spiece.model", "sentencepiece.bpe.model"}
KEPT = 2  # checkpoints of one name in the cache: today's, and one for who works with two versions of the course


@dataclass(frozen=True)
class Recipe:
    """How a checkpoint is made: `TransformerClassifier(**settings)` on a data set's train and validation split.

    gamma: of focal loss, in which each label's positives weigh the root of negatives / positives; None: cross-entropy.
    """

    dataset: str
    settings: dict[str, Any]
    gamma: float | None = None


# Chosen on validation rows; test rows were not looked at (studies/learning_rate.py, studies/toxicity.py).
RECIPES = {
    "sentiment": Recipe("movie-snippets", {"model": "minilm", "max_length": 64, "metric": "accuracy"}),
    "toxicity": Recipe(
        "wiki-toxicity",
        {"model": "minilm", "problem_type": "multi_label_classification", "epochs": 4, "learning_rate": 2e-4},
        gamma=1.0,
    ),
}


def encoder(name: str = "minilm", **options: Any) -> "tuple[PreTrainedModel, PreTrainedTokenizerBase]":
    """An encoder without a head, in evaluation mode, its weights float32, and its tokeniser.

    name: "minilm" (all-MiniLM-L6-v2, Wang et al. 2020: 6 layers, hidden size 384), a folder, or any hub id.
    options: for `AutoModel.from_pretrained`, say `attn_implementation="eager"` to be given attention weights.

    Raises ModelError or AssetError if the weights cannot be had.
    """
    from transformers import AutoModel, AutoTokenizer

    with loading(name) as where:
        tokenizer = AutoTokenizer.from_pretrained(where)
        return AutoModel.from_pretrained(where, use_safetensors=True, **options).eval(), tokenizer


def checkpoint(name: str) -> "TransformerClassifier":
    """A classifier that the course has trained, from the cache; the first time it is trained, in about a minute.

    name: a key of RECIPES. The cache knows a checkpoint by all that determines it: recipe, data, encoder, the code of
    the training, versions of the libraries. If one of them changes, it is trained anew. The machine is not among them:
    a cache that several machines share is filled once.

    Raises ValueError for an unknown name, ModelError if the cache cannot be written, AssetError or DataError if data
    or encoder cannot be had.
    """
    from textclf_lesson.transformer import TransformerClassifier

    if name not in RECIPES:
        raise ValueError(f"There is no checkpoint {name!r}. There are: {', '.join(RECIPES)}.")
    splits = data.load(RECIPES[name].dataset)
    folder = assets.home() / "checkpoints" / f"{name}-{_key(RECIPES[name], splits)}"
    if not _is_whole(folder):
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
            with _alone(FileLock(folder.with_name(f".{folder.name}.lock")), name):
                if not _is_whole(folder):  # another process may have trained it while this one waited
                    _make(RECIPES[name], splits, folder)
        except OSError as error:
            raise ModelError(
                f"The checkpoint {name!r} cannot be kept: {error}. Make {folder.parent} writable and free 200 MB, or "
                "set TEXTCLF_HOME to another folder; then try again."
            ) from error
    return TransformerClassifier.load(folder)


def locate(name: str | os.PathLike) -> str:
    """What `from_pretrained` takes for this name: the folder of an asset, a folder of yours, or a hub id as it is.

    A folder is looked through first. Raises ModelError if it is not there, lacks configuration, weights or tokeniser,
    or has its weights as a pickle, which can run code when it is read; AssetError if an asset cannot be fetched.
    """
    name = os.fspath(name)
    if name in CARRIED:
        return str(assets.fetch(name))
    folder = Path(name).expanduser()
    if folder.is_dir():
        _check_folder(folder)
        return str(folder)
    if folder.is_absolute() or name.startswith((".", "~")) or name.count("/") > 1 or "\\" in name:
        raise ModelError(f"There is no folder {name}: check the path, or pass a hub id like 'FacebookAI/roberta-base'.")
    return name


@contextlib.contextmanager
def loading(name: str | os.PathLike) -> Iterator[str]:
    """A block in which `name` is loaded: yields what `from_pretrained` takes, keeps the library's reports silent.

    Raises ModelError where the library would raise its own: no such id, no answer from the hub, damaged weights.
    """
    from safetensors import SafetensorError

    where = locate(name)
    try:
        with quiet():
            yield where
    except (SafetensorError, json.JSONDecodeError) as error:
        raise ModelError(f"A file of {str(name)!r} is damaged ({error}): copy or download it again.") from error
    except OSError as error:
        if where != os.fspath(name) or Path(where).is_dir():
            raise ModelError(f"{str(name)!r} cannot be loaded: {str(error).splitlines()[0]}") from error
        raise ModelError(
            f"{where!r} is no folder, is not in this machine's Hugging Face cache, and the hub did not give it. Check "
            f"spelling and network, pass a folder, or use 'minilm', which the course brings.\n{error}"
        ) from error


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """A block in which transformers shows no bars of its own and reports errors only."""
    from transformers.utils import logging

    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()


def columns(rows: Any) -> tuple[Any, Any]:
    """The texts and the labels of a split as `fit` takes them: names of classes, or a table of 0 and 1."""
    if "label" in rows.features:
        return rows["text"][:], [rows.features["label"].names[label] for label in rows["label"]]
    labels = [name for name, kind in rows.features.items() if hasattr(kind, "names")]
    return rows["text"][:], rows.select_columns(labels).to_pandas()


def _make(recipe: Recipe, splits: Any, folder: Path) -> None:
    """Train, save beside `folder`, and move into place. Runs under the checkpoint's lock."""
    from textclf_lesson.transformer import TransformerClassifier

    partial = folder.with_name(f".{folder.name}.partial")
    for rest in (partial, folder):  # of a run that was killed; of a folder that somebody has taken a file from
        shutil.rmtree(rest, ignore_errors=True)
    learn, judge = columns(splits["train"]), columns(splits["validation"])
    classifier = TransformerClassifier(**recipe.settings, loss=_loss(recipe, learn[1]))
    classifier.fit(*learn, eval_set=judge).save(partial)
    partial.rename(folder)
    name = folder.name.rpartition("-")[0]
    older = sorted(folder.parent.glob(f"{name}-*"), key=lambda path: path.stat().st_mtime)[:-KEPT]
    for path in older:
        shutil.rmtree(path, ignore_errors=True)


def _loss(recipe: Recipe, y: Any) -> Any:
    from textclf_lesson import imbalance, losses

    if recipe.gamma is None:
        return None
    return losses.FocalLoss(recipe.gamma, imbalance.class_weights(y) ** 0.5, multi_label=True)


def _key(recipe: Recipe, splits: Any) -> str:
    """Sixteen hex digits of a hash over all that determines a checkpoint."""
    import tokenizers
    import torch
    import transformers

    from textclf_lesson import finetuning, imbalance, losses, transformer

    parts = [asdict(recipe), [m.__version__ for m in (torch, transformers, tokenizers)]]
    # The code without its comments and layout, so that only what is run counts.
    code = (finetuning, transformer) if recipe.gamma is None else (finetuning, transformer, losses, imbalance)
    parts += [ast.dump(ast.parse(inspect.getsource(module))) for module in code]
    digest = hashlib.sha256(json.dumps(parts, sort_keys=True, default=repr).encode())
    for split in ("train", "validation"):
        digest.update(splits[split].to_pandas().to_csv(index=False).encode())
    where = Path(locate(transformer.TransformerClassifier(**recipe.settings).model))
    if where.is_dir():
        digest.update((where / "model.safetensors").read_bytes())
    return digest.hexdigest()[:16]


def _alone(lock: FileLock, name: str):
    try:
        return lock.acquire(timeout=0)
    except Timeout:
        print(f"Another process is training {name}; waiting for it.", file=sys.stderr)
        return lock.acquire()


def _is_whole(folder: Path) -> bool:
    try:
        _check_folder(folder)
    except (ModelError, OSError):
        return False
    return True


def _check_folder(folder: Path) -> None:
    files = {path.name for path in folder.iterdir()}
    if "config.json" not in files:
        raise ModelError(f"{folder} lacks config.json: it is not a saved model, or not a whole one. Save it again.")
    try:
        json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except ValueError as error:
        raise ModelError(f"{folder / 'config.json'} is damaged ({error}): save or copy the model again.") from error
    if not files & {"model.safetensors", "model.safetensors.index.json"}:
        if pickled := sorted(name for name in files if name.endswith(PICKLES)):
            raise ModelError(
                f"{folder} holds its weights as {pickled[0]}, a pickle, which can run code when it is read: refused. "
                "Load it where you trust it and save it with save_pretrained, which writes safetensors."
            )
        raise ModelError(f"{folder} lacks model.safetensors, the weights: copy or save the model again.")
    if not files & TOKENISERS:
        raise ModelError(f"{folder} lacks tokenizer.json: save the tokeniser into the same folder.")
