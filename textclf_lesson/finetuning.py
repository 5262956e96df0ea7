"""What happens inside `TransformerClassifier.fit`: rows of tokens, and Trainer set up to be quick.

Three things make it quick without changing what is learned. Texts are padded to the longest of their batch, not to a
fixed length; a batch holds texts of like length; and where the hardware has it, the products are bfloat16.
"""

import contextlib
import copy
import math
import random
import tempfile
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from sklearn.metrics import accuracy_score, f1_score
from transformers import (
    DataCollatorWithPadding,
    EvalPrediction,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    PrinterCallback,
    TrainingArguments,
)

from textclf_lesson import machine
from textclf_lesson.training_loop import BestState, ProgressBar, RowTrainer, evaluation_steps, mean_loss

METRICS = {
    "accuracy": accuracy_score,
    "macro_f1": partial(f1_score, average="macro", zero_division=0),
    "weighted_f1": partial(f1_score, average="weighted", zero_division=0),
}


def has_bf16() -> bool:
    """Whether bfloat16 makes training quicker on this machine: a GPU that has it, or a processor with AMX.

    AVX512-BF16 alone does not: its products are quick, but the rest of a step costs more than they save (a MiniLM step
    took 1.5 times as long as in float32), and emulated bfloat16 is several times slower. With `ONEDNN_MAX_CPU_ISA` set
    to less than AMX there is none, as for oneDNN, which computes the products; torch's own list does not tell.
    """
    if torch.cuda.is_available():
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return (
        bool(torch.cpu.get_capabilities().get("amx_bf16"))
        and machine.amx_allowed()
        and not torch.backends.mps.is_available()
    )


def rows(
    tokenizer: PreTrainedTokenizerBase, texts: list[str], max_length: int, targets: Sequence[Any] | None = None
) -> list[dict]:
    """Each text as a dict of its token ids, cut at `max_length` and not padded; with its target under "labels"."""
    # Half of a surrogate pair cannot be encoded, and comes from text that was cut in the wrong place.
    texts = [text.encode("utf-8", "replace").decode() for text in texts]
    encoded = tokenizer(texts, truncation=True, max_length=max_length)
    if targets is not None:
        encoded["labels"] = targets
    return [dict(zip(encoded, row, strict=True)) for row in zip(*encoded.values(), strict=True)]


def batches(lengths: Sequence[int], tokens: int) -> list[list[int]]:
    """Row numbers in batches of like length, the longest first, each of at most `tokens` tokens after padding."""
    order = sorted(range(len(lengths)), key=lambda row: -lengths[row])
    found = []
    while order:
        size = max(1, tokens // max(1, lengths[order[0]]))
        found.append(order[:size])
        order = order[size:]
    return found


def train(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    learn: list[dict],
    judge: list[dict] | None,
    settings: dict[str, Any],
) -> list[dict[str, float]]:
    """Fine-tune `model` in place on the rows `learn`; returns its scores on the rows `judge`, one dict per evaluation.

    `settings` are those of `TransformerClassifier`. The state kept is the best on `judge`, or the last without it.
    Under `torchrun` or `accelerate launch` each process computes on its share of every batch of `batch_size` times the
    number of processes; all end with the same weights and the same scores.

    Raises ValueError if the loss stops being a number.
    """
    on_gpu = torch.accelerator.is_available()
    with tempfile.TemporaryDirectory() as folder:  # Trainer insists on one; nothing is written there
        arguments = TrainingArguments(
            folder,
            num_train_epochs=settings["epochs"],
            per_device_train_batch_size=settings["batch_size"],
            per_device_eval_batch_size=64,
            learning_rate=settings["learning_rate"],
            warmup_steps=settings["warmup"],
            weight_decay=settings["weight_decay"],
            optim="adamw_torch_fused",
            train_sampling_strategy="group_by_length",
            bf16=settings["precision"] == "bf16" or (settings["precision"] == "auto" and has_bf16()),
            seed=settings["seed"],
            report_to="none",
            save_strategy="no",
            logging_strategy="no",
            logging_nan_inf_filter=False,
            average_tokens_across_devices=False,  # the loss is a mean over a process's rows, gradients one over those
            disable_tqdm=True,  # for our own bar
            use_cpu=not on_gpu,  # Trainer would find this out by itself, but not together with bf16
            dataloader_pin_memory=on_gpu,
        )
        loss = _on_device(settings["loss"], arguments.device)
        best = BestState(evaluation_steps(len(learn), arguments.world_size, settings) if judge else (), settings)
        trainer = RowTrainer(
            model,
            arguments,
            train_dataset=learn,
            eval_dataset=judge,
            processing_class=tokenizer,
            data_collator=DataCollatorWithPadding(tokenizer),
            compute_metrics=lambda scores: score(scores) | {"loss": mean_loss(loss, scores, arguments.device)},
            compute_loss_func=loss and (lambda outputs, targets, **_: loss(outputs.logits.float(), targets)),
            callbacks=[ProgressBar(), best],
        )
        trainer.remove_callback(PrinterCallback)
        result = trainer.train()
        trainer.accelerator.unwrap_model(model, keep_fp32_wrapper=False)  # else predictions would be bfloat16 too
        vars(model).pop("forward", None)  # what is left of the wrapper: a copy of the class's own
    if not math.isfinite(result.training_loss):
        raise ValueError(
            f"Training diverged, the loss is {result.training_loss}: learning_rate={settings['learning_rate']:g} is "
            "too large for this model, or the loss function is at fault. Try a tenth of it."
        )
    best.restore(model)
    logs = [entry for entry in trainer.state.log_history if "eval_loss" in entry]
    return [{name: float(entry[key]) for name, key in _columns().items()} for entry in logs]


def score(predictions: EvalPrediction) -> dict[str, float]:
    """Every metric of METRICS on logits and targets as Trainer hands them over."""
    logits, truth = predictions.predictions, predictions.label_ids
    guess = logits > 0 if truth.ndim == 2 else logits.argmax(axis=1)
    return {name: metric(truth.astype(int), guess.astype(int)) for name, metric in METRICS.items()}


@contextlib.contextmanager
def random_state_kept() -> Iterator[None]:
    """Puts the random state of Python, NumPy and torch back afterwards: Trainer seeds all three."""
    before = random.getstate(), np.random.get_state(), torch.get_rng_state()
    try:
        yield
    finally:
        random.setstate(before[0])
        np.random.set_state(before[1])
        torch.set_rng_state(before[2])


def _columns() -> dict[str, str]:
    return {"epoch": "epoch", "loss": "eval_loss"} | {name: f"eval_{name}" for name in METRICS}


def _on_device(loss: Callable | None, device: torch.device) -> Callable | None:
    """A loss that is a module has a state, class weights for one, which must lie where the logits do."""
    return copy.deepcopy(loss).to(device) if isinstance(loss, torch.nn.Module) else loss
