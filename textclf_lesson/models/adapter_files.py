"""An adapter as files: peft's format, what is noted in it, and the questions asked before it is put into a model.

Neither reading nor writing needs peft, whose import takes seconds.
"""

import hashlib
import json
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from numbers import Real
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textclf_lesson.base.errors import ModelError
from textclf_lesson.base.extras import needed
from textclf_lesson.models.modelcard import KEY, PICKLES

with needed("train"):
    import torch
    from safetensors import SafetensorError, safe_open
    from safetensors.torch import save as to_safetensors
    from torch import nn


if TYPE_CHECKING:
    import os

    from transformers import PreTrainedModel

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"  # peft's names
DTYPES = {"float16": torch.float16, "float32": torch.float32}
PREFIX = "base_model.model."  # what peft puts before the names of a model's weights
# What peft can do beside the plain factors, and `merge` does not know.
BEYOND = ("use_dora", "lora_bias", "fan_in_fan_out", "target_parameters", "trainable_token_indices", "use_bdlora")


@dataclass(frozen=True)
class Adapter:
    """A trained adapter apart from its model: peft's configuration, the weights by name, and what it was made for.

    note: "base" (the name of the encoder), "base_sha256" (of its weights, the adapted and the others), "labels".
    Of an adapter that was not made here, the note may be empty.
    """

    config: dict[str, Any]
    weights: dict[str, torch.Tensor] = field(repr=False)
    note: dict[str, Any]

    @property
    def layers(self) -> dict[str, tuple[torch.Tensor, torch.Tensor]]:
        """The factors A and B of each adapted layer, by its name in the model."""
        ends = (".lora_A.weight", ".lora_B.weight")
        names = sorted({name.removesuffix(end) for name in self.weights for end in ends if name.endswith(end)})
        return {
            name.removeprefix(PREFIX): tuple(self.weights[name + end] for end in ends)
            for name in names
            if all(name + end in self.weights for end in ends)
        }

    @property
    def whole(self) -> dict[str, torch.Tensor]:
        """The weights that were trained whole, the head above all, by their names in the model."""
        return {name.removeprefix(PREFIX): w for name, w in self.weights.items() if ".lora_" not in name}


def read(folder: "str | os.PathLike") -> Adapter:
    """A stored adapter, its weights float32; no model is needed for it.

    Raises ModelError if a file is missing or damaged, if the weights are a pickle, or if it is not a plain LoRA.
    """
    folder = Path(folder)
    files = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    if WEIGHTS not in files and (pickled := sorted(name for name in files if name.endswith(PICKLES))):
        raise ModelError(
            f"{folder} holds its weights as {pickled[0]}, a pickle, which can run code when it is read: refused. "
            "Load it where you trust it and save it with peft's save_pretrained, which writes safetensors."
        )
    if missing := next((name for name in (CONFIG, WEIGHTS) if name not in files), None):
        raise ModelError(f"{folder} lacks {missing}: it is not a saved adapter, or not a whole one. Save it again.")
    try:
        config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
        if not isinstance(config, dict):
            raise ValueError("it holds no settings")
        with safe_open(folder / WEIGHTS, "pt") as file:
            weights = {name: file.get_tensor(name).float() for name in file.keys()}  # noqa: SIM118 (no mapping)
            note = json.loads((file.metadata() or {}).get(KEY, "{}"))
        if not isinstance(note, dict):
            raise ValueError("its metadata hold no settings")
    except (SafetensorError, ValueError) as error:
        raise ModelError(f"A file of the adapter in {folder} is damaged ({error}): copy or save it again.") from error
    except OSError as error:
        raise ModelError(f"The adapter in {folder} cannot be read: {error}.") from error
    adapter = Adapter(config, weights, note)
    check_plain(adapter, f"The adapter in {folder}")
    return adapter


def write(adapter: Adapter, folder: "str | os.PathLike", dtype: str) -> None:
    """Write an adapter's two files into a folder that is there; see `adapters.save`, which replaces them as one."""
    if dtype not in DTYPES:
        raise ValueError(f"dtype={dtype!r} is unknown: choose one of {', '.join(DTYPES)}.")
    weights = {name: weight.to(DTYPES[dtype]).contiguous() for name, weight in adapter.weights.items()}
    if large := next((name for name, weight in weights.items() if not weight.isfinite().all()), None):
        raise ModelError(f"{large} has weights that {dtype} cannot hold: nothing was written. Use dtype='float32'.")
    note = json.dumps(adapter.note, ensure_ascii=False, sort_keys=True)
    config = json.dumps(adapter.config, indent=2, sort_keys=True) + "\n"
    (Path(folder) / CONFIG).write_text(config, encoding="utf-8")
    content = _in_order(to_safetensors(weights, metadata={"format": "pt", KEY: note}))
    (Path(folder) / WEIGHTS).write_bytes(content)


def _in_order(content: bytes) -> bytes:
    """The same file with its metadata in order: safetensors writes them in another one each time, and the same adapter
    should have the same hash. The file begins with the length of its header, eight bytes, and the header as JSON."""
    end = 8 + int.from_bytes(content[:8], "little")
    header = json.loads(content[8:end])
    header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    ordered = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    ordered += b" " * (-len(ordered) % 8)  # tensors begin at a multiple of eight bytes
    return len(ordered).to_bytes(8, "little") + ordered + content[end:]


def labels_of(model: "PreTrainedModel") -> list[str]:
    """The names of a model's labels, in the order of its logits."""
    return [model.config.id2label[at] for at in range(model.config.num_labels)]


def fingerprint(model: nn.Module, whole: Collection[str]) -> str:
    """SHA-256 over the weights of the encoder as float32, whether factors are attached to it or not."""
    digest = hashlib.sha256()
    for name, weight in _frozen(model, whole):
        digest.update(name.encode())
        digest.update(weight.detach().to("cpu", torch.float32).contiguous().numpy().data)
    return digest.hexdigest()


def _frozen(model: nn.Module, whole: Collection[str]) -> Iterator[tuple[str, torch.Tensor]]:
    for name, weight in model.named_parameters():
        if ".lora_" not in name and not lies_in(name, whole):
            yield name.replace(".base_layer.", "."), weight


def check_plain(adapter: Adapter, what: str) -> None:
    """Raises ModelError, which begins with `what`, unless `merge` knows how such an adapter computes."""
    config = adapter.config
    extra = [key for key in BEYOND if config.get(key)]
    if config.get("peft_type") != "LORA" or extra or config.get("bias", "none") != "none":
        kind = ", ".join(extra) or f"type {config.get('peft_type')}, bias {config.get('bias')}"
        raise ModelError(f"{what} is not a plain LoRA ({kind}): load it with peft itself.")
    if odd := next((name for name, weight in adapter.weights.items() if not weight.isfinite().all()), None):
        raise ModelError(f"{what} holds numbers that are not finite, in {odd}: copy it or train it again.")
    scales = [config.get("r"), config.get("lora_alpha"), *_patterns(config)]
    if not all(isinstance(number, Real) and number > 0 for number in scales):
        raise ModelError(f"{what} is damaged (r and lora_alpha must be positive numbers): copy or save it again.")


def _patterns(config: dict) -> list:
    return [*(config.get("rank_pattern") or {}).values(), *(config.get("alpha_pattern") or {}).values()]


def check_fits(adapter: Adapter, model: "PreTrainedModel", what: str) -> None:
    """Raises ModelError unless every weight has its place in `model`, of its shape, and encoder and labels agree."""
    made = adapter.note.get("base") or adapter.config.get("base_model_name_or_path")
    hint = f"{what} was made for {repr(made) if made else 'an encoder that it does not name'}"
    _check_labels(adapter, model, what)
    sizes = {name: tuple(weight.shape) for name, weight in model.named_parameters()}
    for name, (a, b) in adapter.layers.items():
        shape = sizes.get(f"{name}.weight")
        if shape != (b.shape[0], a.shape[1]):
            found = f"here it is {_times(shape)}" if shape else "which this model lacks"
            raise ModelError(
                f"{hint}, with a layer {name} of {_times((b.shape[0], a.shape[1]))}; {found}. Load that encoder."
            )
        if a.shape[0] != b.shape[1] or a.shape[0] != setting_of(adapter.config, "rank_pattern", name, "r"):
            raise ModelError(f"{what} is damaged (the factors of {name} do not fit each other): copy or save it again.")
    for name, weight in adapter.whole.items():
        if sizes.get(name) != tuple(weight.shape):
            found = f"here it is {_times(sizes[name])}" if name in sizes else "which this model lacks"
            raise ModelError(
                f"{hint}, with {name} of {_times(weight.shape)}; {found}. Load that encoder, with as many labels."
            )
    saved = adapter.config.get("modules_to_save") or ()
    wanted = {name for name in sizes if lies_in(name, saved)}
    targets = adapter.config.get("target_modules")
    if isinstance(targets, list):
        wanted |= {n for n in linear_layers(model, saved) if any(ends_in(n, target) for target in targets)}
    if lost := sorted(wanted - set(adapter.layers) - set(adapter.whole)):
        raise ModelError(f"{hint}; for this model it lacks {lost[0]}: load that encoder, or save the adapter again.")
    if set(adapter.whole) - wanted or 2 * len(adapter.layers) + len(adapter.whole) != len(adapter.weights):
        raise ModelError(f"{what} is damaged (its weights are not those it lists): copy or save it again.")
    known = adapter.note.get("base_sha256")
    if known and known != fingerprint(model, saved):
        raise ModelError(f"{hint}, whose weights are other ones than this model's: load that encoder.")


def _check_labels(adapter: Adapter, model: "PreTrainedModel", what: str) -> None:
    labels, own = adapter.note.get("labels"), labels_of(model)
    if labels and len(labels) != len(own):
        raise ModelError(f"{what} knows {len(labels)} labels ({', '.join(labels)}), this model has {len(own)}.")
    if labels and labels != own and not _are_nameless(own):
        raise ModelError(f"{what} knows the labels {', '.join(labels)}; those of this model are {', '.join(own)}.")


def _are_nameless(labels: list[str]) -> bool:
    return labels == [f"LABEL_{at}" for at in range(len(labels))]  # transformers' own, where none were given


def take_labels(model: "PreTrainedModel", adapter: Adapter) -> None:
    """Give the model's labels the names that the adapter knows."""
    if labels := adapter.note.get("labels"):
        model.config.id2label = dict(enumerate(labels))
        model.config.label2id = {label: at for at, label in enumerate(labels)}


def _times(shape: tuple[int, ...]) -> str:
    return " × ".join(map(str, shape))


def setting_of(config: dict, pattern: str, layer: str, otherwise: str) -> Any:
    """A setting of one layer, by peft's rule: that of the first pattern which its name ends in, else the common one."""
    for key, value in (config.get(pattern) or {}).items():
        if re.match(rf"(.*\.)?({key})$", layer):
            return value
    return config[otherwise]


def linear_layers(model: nn.Module, without: Collection[str]) -> list[str]:
    """The full names of the linear layers that do not lie in one of the modules `without`."""
    return [name for name, m in model.named_modules() if isinstance(m, nn.Linear) and not lies_in(name, without)]


def lies_in(name: str, modules: Collection[str]) -> bool:
    """Whether a module or weight of this full name belongs to one of the modules."""
    return any(name == module or name.startswith(f"{module}.") for module in modules)


def ends_in(name: str, target: str) -> bool:
    """Whether the last parts of a full name are `target`: peft's rule for target modules."""
    return name == target or name.endswith(f".{target}")
