"""Weights by name: encoders to start from, and the classifiers that lessons share."""

import contextlib
import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textclf_lesson.assets import cache
from textclf_lesson.base.errors import ModelError, brief
from textclf_lesson.base.extras import needed
from textclf_lesson.models import e5
from textclf_lesson.models.modelcard import PICKLES

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


CARRIED = ("minilm", e5.NAME)  # encoders that the catalogue has; any other name is a folder or a hub id
TOKENISERS = {"tokenizer.json", "vocab.txt", "spiece.model", "sentencepiece.bpe.model"}


def encoder(name: str = "minilm", **options: Any) -> "tuple[PreTrainedModel, PreTrainedTokenizerBase]":
    """An encoder without a head, in evaluation mode, its weights float32, and its tokeniser.

    name: "minilm" (all-MiniLM-L6-v2, Wang et al. 2020: 6 layers, hidden size 384, English), "e5-small-multilingual"
        (Wang et al. 2024: 12 layers, hidden size 384, a hundred languages), a folder, or any hub id.
    options: for `AutoModel.from_pretrained`, say `attn_implementation="eager"` to be given attention weights.

    Raises ModelError or AssetError if the weights cannot be had.
    """
    with needed("train"):
        from transformers import AutoModel

    with loading(name) as where:
        model, tokenizer = load(AutoModel, where, **options)
    return model.eval(), tokenizer


def with_head(name: str | os.PathLike, classes: Sequence[Any], **options: Any) -> tuple:
    """An encoder under an untrained head with a logit for each class, and its tokeniser: (model, tokeniser).

    options: for `AutoModelForSequenceClassification.from_pretrained`; with `output_loading_info=True` the first of the
    two is (model, info). Raises as `encoder`.
    """
    with needed("train"):
        from transformers import AutoModelForSequenceClassification

    names = [str(label) for label in classes]
    labels = {"id2label": dict(enumerate(names)), "label2id": {label: at for at, label in enumerate(names)}}
    with loading(name) as where:
        return load(AutoModelForSequenceClassification, where, **options | {"num_labels": len(names)} | labels)


def load(kind: Any, where: str, **options: Any) -> tuple:
    """A model of `kind`, one of transformers' Auto classes, from what `locate` gives, and its tokeniser.

    options: for its `from_pretrained`. The model's half of the pair is then what that returns.
    """
    with needed("train"):
        from transformers import AutoTokenizer

    if not (file := Path(where) / e5.FILE).is_file():
        return kind.from_pretrained(where, use_safetensors=True, **options), AutoTokenizer.from_pretrained(where)
    config, weights, tokenizer = e5.read(file)  # no format of transformers
    config = options.pop("config", config)
    config.update({key: options.pop(key) for key in [*options] if hasattr(config, key)})
    model = kind._model_mapping[type(config)]
    return model.from_pretrained(None, config=config, state_dict=weights, **options), tokenizer


def locate(name: str | os.PathLike) -> str:
    """What `from_pretrained` takes for this name: the folder of an asset, a folder of yours, or a hub id as it is.

    A folder is looked through first. Raises ModelError if it is not there, lacks configuration, weights or tokeniser,
    or has its weights as a pickle, which can run code when it is read; AssetError if an asset cannot be fetched.
    """
    name = os.fspath(name)
    if name in CARRIED:
        return str(cache.fetch(name))
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
    with needed("train"):
        from safetensors import SafetensorError

    where = locate(name)
    try:
        with quiet():
            yield where
    except (SafetensorError, json.JSONDecodeError) as error:
        raise ModelError(f"A file of {str(name)!r} is damaged ({error}): copy or download it again.") from error
    except OSError as error:
        if where != os.fspath(name) or Path(where).is_dir():
            raise ModelError(f"{str(name)!r} cannot be loaded: {brief(error)}") from error
        raise ModelError(
            f"{where!r} is not a folder, is not in this machine's Hugging Face cache, and the hub did not give it. "
            f"Check spelling and network, pass a folder, or use 'minilm', which the course brings.\n{error}"
        ) from error


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """A block in which transformers shows no bars of its own and reports errors only."""
    with needed("train"):
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
