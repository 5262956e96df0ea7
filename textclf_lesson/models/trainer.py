"""What happens inside `TransformerClassifier.fit`: transformers' Trainer, set up to be quick.

Three things make it quick without changing what is learned. Texts are padded to the longest of their batch, not to a
fixed length; a batch holds texts of like length; and where the hardware has it, the products are bfloat16.
"""

import copy
import math
import tempfile
from collections.abc import Callable, Collection
from functools import partial
from typing import Any

from sklearn.metrics import accuracy_score, f1_score

from textclf_lesson.base import machine, runtime
from textclf_lesson.base.extras import needed

with needed("train"):
    import torch
    import torch.nn.functional as F
    from transformers import (
        DataCollatorWithPadding,
        EvalPrediction,
        PreTrainedModel,
        PreTrainedTokenizerBase,
        PrinterCallback,
        Trainer,
        TrainerCallback,
        TrainingArguments,
    )


METRICS = {
    "accuracy": accuracy_score,
    "macro_f1": partial(f1_score, average="macro", zero_division=0),
    "weighted_f1": partial(f1_score, average="weighted", zero_division=0),
}


def train(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    learn: list[dict],
    held: list[dict] | None,
    settings: dict[str, Any],
) -> list[dict[str, float]]:
    """Fine-tune `model` in place on the rows `learn`; returns its scores on the rows `held`, one dict per evaluation.

    `settings` are those of `TransformerClassifier`. The state kept is the best on `held`, or the last without it.
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
            bf16=settings["precision"] == "bf16" or (settings["precision"] == "auto" and machine.has_bf16()),
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
        best = BestState(evaluation_steps(len(learn), arguments.world_size, settings) if held else (), settings)
        trainer = RowTrainer(
            model,
            arguments,
            train_dataset=learn,
            eval_dataset=held,
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


def _columns() -> dict[str, str]:
    return {"epoch": "epoch", "loss": "eval_loss"} | {name: f"eval_{name}" for name in METRICS}


def _on_device(loss: Callable | None, device: torch.device) -> Callable | None:
    """A loss that is a module has a state, class weights for one, which must lie where the logits do."""
    return copy.deepcopy(loss).to(device) if isinstance(loss, torch.nn.Module) else loss


# --- what Trainer lacks ------------------------------------------------------------------------------------------


def evaluation_steps(n: int, processes: int, settings: dict[str, Any]) -> set[int]:
    """After which steps to evaluate: `evaluations` times an epoch, and after the last step.

    Several processes take fewer steps, of as many more rows; they evaluate as often, after the same share of the rows.
    """
    alone = math.ceil(n / settings["batch_size"])
    every = math.ceil(alone / settings["evaluations"])
    epochs, together = settings["epochs"], math.ceil(n / (settings["batch_size"] * processes))
    steps = {*range(every, epochs * alone, every), epochs * alone}
    return {math.ceil(step * together / alone) for step in steps}


@torch.no_grad()
def mean_loss(loss: Callable | None, predictions: EvalPrediction, device: torch.device) -> float:
    """The loss on all rows at once: means of batches would count the rows of a small last batch more than others.

    loss: as in `TransformerClassifier`; None is (binary) cross-entropy.
    """
    logits, targets = (torch.from_numpy(part).to(device) for part in (predictions.predictions, predictions.label_ids))
    if loss is None:
        loss = F.binary_cross_entropy_with_logits if targets.ndim == 2 else F.cross_entropy
    return float(loss(logits, targets))


class RowTrainer(Trainer):
    """Trainer, but for what it does to models with more outputs than logits, and to the order of rows."""

    def prediction_step(self, model, inputs, prediction_loss_only, ignore_keys=None):
        """No loss (it is computed on all rows together), the logits whatever else the model returns, the targets."""
        inputs = self._prepare_inputs(inputs)
        targets = inputs.pop("labels")
        with torch.no_grad():
            return None, model(**inputs).logits.float(), targets

    def _get_train_sampler(self, *arguments, **options):
        """Several processes must draw the same order, and dropout moves torch's random state on in each by another
        amount: they get a generator of their own."""
        sampler = super()._get_train_sampler(*arguments, **options)
        if self.args.world_size > 1:
            sampler.generator = torch.Generator().manual_seed(self.args.seed)
        return sampler


class BestState(TrainerCallback):
    """Evaluates after the given steps, remembers the best state, and stops when it has waited too long for a better.

    The state is kept in memory, by every process: all see the same scores, so that none needs another's files.
    """

    def __init__(self, steps: Collection[int], settings: dict[str, Any]):
        self.steps, self.metric, self.patience = steps, f"eval_{settings['metric']}", settings["patience"]
        self.score, self.state, self.waited = -math.inf, None, 0

    def on_step_end(self, args, state, control, **others):
        control.should_evaluate = state.global_step in self.steps

    def on_evaluate(self, args, state, control, metrics, model, **others):
        if metrics[self.metric] > self.score:
            frozen = {name for name, weight in model.named_parameters() if not weight.requires_grad}
            self.state = {
                name: value.detach().to("cpu", copy=True)
                for name, value in model.state_dict().items()
                if name not in frozen
            }
            self.score, self.waited = metrics[self.metric], 0
        else:
            self.waited += 1
            control.should_training_stop |= self.waited >= self.patience

    def restore(self, model: PreTrainedModel) -> None:
        """Put the best state back; without an evaluation there is none, and the last one stays."""
        if self.state is not None:
            model.load_state_dict(self.state, strict=False)


class ProgressBar(TrainerCallback):
    """The course's progress bar, one tick a step."""

    def on_train_begin(self, args, state, control, **others):
        steps = range(state.max_steps)  # of several processes one shows the bar
        self.bar = runtime.progress(steps, "training") if state.is_world_process_zero else (step for step in ())
        next(self.bar, None)  # shows it; from now on asking for the next step says that one is done

    def on_step_end(self, *arguments, **others):
        next(self.bar, None)

    def on_train_end(self, *arguments, **others):
        self.bar.close()
