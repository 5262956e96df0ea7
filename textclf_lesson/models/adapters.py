"""Low-rank adapters (LoRA, Hu et al. 2021): the encoder stays as it was pretrained, a few MB beside it are trained.

A linear layer with the weight W, shape (out, in), gets two factors, A of shape (rank, in) and B of shape (out, rank),
and computes with W + alpha / rank · B A. Training is peft's and so is the file format: `PeftModel.from_pretrained`
loads what `save` writes. Merging is done here, for its bits must not depend on the processor.
"""

import json
import warnings
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textclf_lesson.base.extras import needed
from textclf_lesson.base.inputs import positive_number, whole_number
from textclf_lesson.models.adapter_files import (
    Adapter,
    check_fits,
    check_plain,
    ends_in,
    fingerprint,
    labels_of,
    linear_layers,
    read,
    setting_of,
    take_labels,
    write,
)
from textclf_lesson.models.modelcard import replacing

with needed("train"):
    import torch
    from torch import nn


if TYPE_CHECKING:  # importing peft takes seconds: only training needs it
    import os

    from peft import LoraConfig, PeftModel
    from transformers import PreTrainedModel

__all__ = ["Adapter", "LoRA", "apply", "as_lora", "attach", "extract", "load_into", "merge", "read", "save", "write"]


@dataclass(frozen=True)
class LoRA:
    """How an adapter is trained.

    rank: columns of B, a whole number from 1 up. alpha: the factors' product is scaled by alpha / rank; above 0.
    target_modules: which linear layers of the encoder get factors, by the last parts of their names (BERT's, RoBERTa's
    and ELECTRA's by default), or "all-linear". The classification head is not among them: it is trained whole.

    Raises ValueError or TypeError for values out of range. `dataclasses.asdict` gives what JSON can hold.

    >>> LoRA(rank=8).rank
    8
    """

    rank: int = 16
    alpha: float = 16
    target_modules: tuple[str, ...] | str = ("query", "key", "value", "dense")

    def __post_init__(self):
        rank, alpha = whole_number("rank", self.rank), positive_number("alpha", self.alpha)
        targets = self.target_modules.tolist() if hasattr(self.target_modules, "tolist") else self.target_modules
        if targets != "all-linear":
            if isinstance(targets, str) or not targets or not all(isinstance(name, str) and name for name in targets):
                raise TypeError(f"target_modules={targets!r} does not fit: list names of layers, or 'all-linear'.")
            targets = tuple(map(str, targets))
        alpha = int(alpha) if alpha.is_integer() else alpha
        for name, value in (("rank", rank), ("alpha", alpha), ("target_modules", targets)):
            object.__setattr__(self, name, value)  # in Python's own types, and frozen from now on


def as_lora(value: "LoRA | dict[str, Any] | None") -> LoRA | None:
    """The settings as LoRA, from a dict of them too; None stays None. Raises ValueError or TypeError for others."""
    if value is None or isinstance(value, LoRA):
        return value
    if not isinstance(value, dict):
        raise TypeError(f"adapter={value!r} does not fit: pass LoRA(rank=16), a dict of its settings, or None.")
    if unknown := sorted(set(map(str, value)) - set(LoRA.__dataclass_fields__)):
        known = ", ".join(LoRA.__dataclass_fields__)
        raise ValueError(f"adapter has no setting {', '.join(unknown)}: there are {known}.")
    return LoRA(**value)


def attach(model: "PreTrainedModel", lora: LoRA | dict[str, Any], *, whole: Collection[str] = ()) -> "PeftModel":
    """A classifier of transformers with untrained factors at its linear layers: only they and the head will be trained.

    `model` is changed in place. whole: further modules to train whole, by full name: those that the encoder's file has
    no weights for, such as BERT's pooler for some, which would be new random ones each time it is loaded. The factors
    are drawn from torch's random state and change nothing yet, for B is 0.

    Raises ValueError if a target module matches no linear layer of the encoder (and says which there are), or if the
    model has no encoder under a head.
    """
    import peft

    lora = as_lora(lora)
    head = _head(model)
    whole = [*head, *(name for name in whole if name.partition(".")[0] not in head)]
    targets = _targets(model, lora, whole)
    config = peft.LoraConfig(
        r=lora.rank, lora_alpha=lora.alpha, target_modules=targets, modules_to_save=whole, lora_dropout=0.0
    )
    return _adapted(model, config)


def merge(model: "PeftModel") -> "PreTrainedModel":
    """The plain classifier of transformers, float32, its factors added to its weights; `model` is used up.

    The bits are the same for every number of threads and on every processor of one platform: the products are summed
    in float64, one rank after the other, and each sum is rounded to float32 once. No matrix product is called, for
    its order of summation is the library's choice.

    Raises ModelError for an adapter that is not a plain LoRA (DoRA, say).
    """
    adapter = extract(model, base=None)
    plain = model.base_model.unload()
    _add(plain, adapter)
    return _plain(plain)


def apply(model: "PreTrainedModel", folder: "str | os.PathLike | Adapter") -> "PreTrainedModel":
    """The same bits as `merge(load_into(model, folder))`, and quicker, for peft is not imported; `model` is changed.

    model: a classifier of transformers, made from the adapter's encoder. folder: of a stored adapter, or one that was
    read. Raises ModelError as `load_into` does; `model` is then as it was.
    """
    adapter = folder if isinstance(folder, Adapter) else read(folder)
    check_fits(adapter, model, "The adapter" if folder is adapter else f"The adapter in {folder}")
    _add(model, adapter)
    with torch.no_grad():
        weights = dict(model.named_parameters())
        for name, value in adapter.whole.items():
            weights[name].data = value.to(weights[name].device, torch.float32, copy=True)
    take_labels(model, adapter)
    return _plain(model)


def extract(model: "PeftModel", *, base: str | None) -> Adapter:
    """The adapter of a peft model, copied out of it: float32. base: the name of its encoder, to be noted.

    Raises ModelError if it is not a plain LoRA, or if a weight is not finite.
    """
    from peft import get_peft_model_state_dict

    config = model.peft_config["default"].to_dict()
    config = {key: sorted(value) if isinstance(value, set) else value for key, value in config.items()}
    config = {**config, "base_model_name_or_path": base, "inference_mode": True}
    weights = get_peft_model_state_dict(model, save_embedding_layers=False)
    weights = {name: weight.detach().to("cpu", torch.float32, copy=True) for name, weight in sorted(weights.items())}
    plain = model.get_base_model()
    note = {"labels": labels_of(plain)}
    if base is not None:  # what is not to be stored needs no hash
        note |= {"base": base, "base_sha256": fingerprint(plain, config["modules_to_save"] or ())}
    adapter = Adapter(json.loads(json.dumps(config)), weights, note)
    check_plain(adapter, "The adapter")
    return adapter


def save(
    model: "PeftModel | Adapter", folder: "str | os.PathLike", *, base: str | None = None, dtype: str = "float16"
) -> Path:
    """Write an adapter as peft does: adapter_config.json and adapter_model.safetensors, each replaced in one move.

    model: what `attach` made and training has changed, before `merge`; or what `extract` took from it. base: the name
    of the encoder, "minilm", a hub id or a folder; it is needed for a peft model. dtype: "float16" halves the file
    and rounds every weight to 11 bits, the head's too; "float32" keeps all. The file's metadata tell which weights
    (SHA-256) and labels it belongs to.

    Raises ModelError if the folder cannot be written (an older adapter is then still there), or a weight is too large
    for float16; ValueError for another dtype or no base.
    """
    if not isinstance(model, Adapter):
        if base is None:
            raise ValueError("save needs base, the name of the encoder that the adapter belongs to, say 'minilm'.")
        model = extract(model, base=base)
    with replacing(folder) as partial:
        write(model, partial, dtype)
    return Path(folder)


def load_into(model: "PreTrainedModel", folder: "str | os.PathLike") -> "PeftModel":
    """A stored adapter at a plain classifier of transformers, made from the adapter's encoder: `model`, changed.

    Its head takes the adapter's weights; where its labels have no names yet, also the adapter's names. It can be
    trained on, or merged. Needs no network.

    Raises ModelError, and leaves `model` as it was, if a file is missing, damaged or a pickle, or if the adapter was
    made for another encoder or other labels.
    """
    import peft

    adapter = read(folder)
    check_fits(adapter, model, f"The adapter in {folder}")
    config = peft.LoraConfig.from_peft_type(**adapter.config)
    config.inference_mode = False
    adapted = _adapted(model, config, low_cpu_mem_usage=True)  # without first weights, which would be random
    peft.set_peft_model_state_dict(adapted, dict(adapter.weights), low_cpu_mem_usage=True)
    take_labels(model, adapter)
    return adapted


def _head(model: "PreTrainedModel") -> list[str]:
    """The names of the modules above the encoder that have weights."""
    encoder = getattr(model, "base_model_prefix", "")
    if not encoder or not isinstance(getattr(model, encoder, None), nn.Module):
        raise ValueError(f"{type(model).__name__} has no encoder under a head: pass a classifier of transformers.")
    return [name for name, child in model.named_children() if name != encoder and any(True for _ in child.parameters())]


def _adapted(model: "PreTrainedModel", config: "LoraConfig", **options: Any) -> "PeftModel":
    import peft

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # of transformers, at a name that peft still uses
        return peft.PeftModel(model, config, **options)


def _targets(model: nn.Module, lora: LoRA, whole: Collection[str]) -> list[str]:
    """The full names of the layers that get factors."""
    layers = linear_layers(model, whole)
    if lora.target_modules == "all-linear":
        return layers
    lost = [target for target in lora.target_modules if not any(ends_in(name, target) for name in layers)]
    if lost:
        there = ", ".join(dict.fromkeys(name.rpartition(".")[2] for name in layers)) or "none"
        raise ValueError(
            f"target_modules: no linear layer of this encoder ({type(model).__name__}) is called "
            f"{' or '.join(map(repr, lost))}. There are: {there}. 'all-linear' takes all of them."
        )
    return [name for name in layers if any(ends_in(name, target) for target in lora.target_modules)]


@torch.no_grad()
def _add(model: nn.Module, adapter: Adapter) -> None:
    """W + scale · B A for each layer. The product of two float32 numbers is exact in float64, with or without a fused
    multiply-add, and elementwise operations are IEEE's: nothing is left to the processor."""
    for name, (a, b) in adapter.layers.items():
        rank = setting_of(adapter.config, "rank_pattern", name, "r")
        alpha = setting_of(adapter.config, "alpha_pattern", name, "lora_alpha")
        scale = alpha / (rank**0.5 if adapter.config.get("use_rslora") else rank)
        weight = model.get_submodule(name).weight
        a, b = a.to(weight.device, torch.float64), b.to(weight.device, torch.float64)
        delta = torch.zeros_like(weight, dtype=torch.float64)
        for k in range(len(a)):
            delta.addcmul_(b[:, k, None], a[None, k])
        weight.data = (weight.double() + delta * scale).float()


def _plain(model: "PreTrainedModel") -> "PreTrainedModel":
    return model.float().requires_grad_(True)
