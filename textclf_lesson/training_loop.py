"""What `finetuning.train` adds to transformers' Trainer: when to evaluate, on what, and which state is kept.

All of it holds for several processes too (`torchrun`, `accelerate launch`).
"""

import math
from collections.abc import Callable, Collection
from typing import Any

import torch
import torch.nn.functional as F
from transformers import EvalPrediction, PreTrainedModel, Trainer, TrainerCallback

from textclf_lesson import course


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
        self.bar = course.progress(steps, "training") if state.is_world_process_zero else (step for step in ())
        next(self.bar, None)  # shows it; from now on asking for the next step says that one is done

    def on_step_end(self, *arguments, **others):
        next(self.bar, None)

    def on_train_end(self, *arguments, **others):
        self.bar.close()
