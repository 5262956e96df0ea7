"""Focal loss, for one label of many and for several labels at once."""

from collections.abc import Sequence
from numbers import Real

import numpy as np
import torch
import torch.nn.functional as F
from torch.autograd.function import once_differentiable

from textclf_lesson.base.inputs import plain

REDUCTIONS = ("mean", "sum", "none")


class FocalLoss(torch.nn.Module):
    """Cross-entropy in which an example counts less the better it is predicted (Lin et al. 2017).

        FL(p_t) = -alpha_t (1 - p_t)^gamma log p_t

    p_t is the predicted probability of the true class. With gamma = 0 it is cross-entropy, weights and
    reduction included.

    Args:
        gamma: 0 or more. The larger, the less an example counts that is predicted well.
        alpha: positive weights, one per class; None weighs all the same. One label of many: of
            the rows of a class. Several labels: of a label's positives; negatives weigh 1. (The
            paper's a and 1 - a are a / (1 - a) here.)
        multi_label: False: a softmax over classes, targets int64 of shape (batch,). True: a
            sigmoid per label, targets 0 to 1, floating, of the logits' shape.
        label_smoothing: 0 to below 1, the share of the truth that is spread evenly.
        reduction: "mean" (one label of many: over the sum of the weights), "sum" or "none".

    `loss(logits, targets)`: logits are floating, shape (batch, classes), as large as they like.
    It raises ValueError or TypeError for an empty batch, other shapes or types, targets out of
    range, and a loss that is not a number.

    >>> logits, targets = torch.tensor([[2.0, 0.0]]), torch.tensor([0])
    >>> [round(FocalLoss(gamma)(logits, targets).item(), 4) for gamma in (0, 2)]
    [0.1269, 0.0018]
    """

    def __init__(
        self,
        gamma: float = 2.0,
        alpha: Sequence[float] | None = None,
        *,
        multi_label: bool = False,
        label_smoothing: float = 0.0,
        reduction: str = "mean",
    ):
        super().__init__()
        if not isinstance(gamma, Real) or not 0 <= gamma < float("inf"):
            raise ValueError(f"gamma={plain(gamma)!r} does not fit: it must be 0 or more; 2 is usual.")
        if not isinstance(label_smoothing, Real) or not 0 <= label_smoothing < 1:
            raise ValueError(f"label_smoothing={plain(label_smoothing)!r} must lie from 0 to below 1.")
        if reduction not in REDUCTIONS:
            known = ", ".join(REDUCTIONS)
            raise ValueError(f"reduction={reduction!r} is unknown: choose one of {known}.")
        self.gamma, self.multi_label = float(gamma), bool(multi_label)
        self.label_smoothing, self.reduction = float(label_smoothing), str(reduction)
        if alpha is not None:
            alpha = _weights(alpha)
        self.register_buffer("alpha", alpha)

    def forward(self, logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        self._check(logits, targets)
        logits = logits if logits.dtype == torch.float64 else logits.float()
        alpha = None if self.alpha is None else self.alpha.to(logits)
        kind = self._sigmoid if self.multi_label else self._softmax
        loss, weight = kind(logits, targets, alpha)
        if self.reduction == "mean":
            loss = loss.sum() / (loss.numel() if weight is None else weight.sum())
        elif self.reduction == "sum":
            loss = loss.sum()
        if loss.detach().sum().isnan():
            raise ValueError("The loss is not a number: the logits hold NaN or infinity.")
        return loss

    def _sigmoid(self, logits, targets, alpha):
        targets = targets.to(logits.dtype)
        if not self.label_smoothing and torch.equal(targets, targets.round()):  # 0 or 1: one term of the two is 0
            loss = _Focal.apply(logits * (1 - 2 * targets), self.gamma)
            return (loss if alpha is None else loss * torch.where(targets > 0, alpha, 1)), None
        targets = targets * (1 - self.label_smoothing) + self.label_smoothing / 2
        positive = targets if alpha is None else targets * alpha
        return positive * _Focal.apply(-logits, self.gamma) + (1 - targets) * _Focal.apply(logits, self.gamma), None

    def _softmax(self, logits, targets, alpha):
        weight = None if alpha is None else alpha.index_select(0, targets)
        if self.label_smoothing:
            every = self._focus(-F.log_softmax(logits, dim=1))
            every = every if alpha is None else every * alpha
            truth = every.gather(1, targets.unsqueeze(1)).squeeze(1)
            loss = torch.lerp(truth, every.mean(dim=1), self.label_smoothing)
        else:
            loss = self._focus(F.cross_entropy(logits, targets, reduction="none"))
            loss = loss if weight is None else loss * weight
        return loss, weight

    def _focus(self, minus_log_p):
        """(1 - p)^gamma (-log p)."""
        missing = -torch.expm1(-minus_log_p)  # 1 - p, exact where p is nearly 1
        if 0 < self.gamma < 1:  # the slope of such a power is infinite at 0
            missing = missing.clamp_min(torch.finfo(missing.dtype).tiny)
        return missing**self.gamma * minus_log_p

    def _check(self, logits, targets):
        shape, found = tuple(logits.shape), tuple(targets.shape)
        wanted = shape if self.multi_label else shape[:1]
        if logits.ndim != 2 or logits.numel() == 0:
            raise ValueError(f"Logits must be (batch, classes), 1 row or more; here {shape}.")
        if self.alpha is not None and len(self.alpha) != shape[1]:
            raise ValueError(f"alpha has {len(self.alpha)} weights for {shape[1]} classes.")
        if found != wanted:
            raise ValueError(
                f"Targets have the shape {found}; {wanted} is needed. One label of many: "
                "positions, multi_label=False. Several: 0 or 1 each, multi_label=True."
            )
        if not (targets.is_floating_point() if self.multi_label else targets.dtype == torch.int64):
            need = "targets.float()" if self.multi_label else "targets.long()"
            raise TypeError(f"Targets are {targets.dtype}: pass {need}.")
        low, high = (end.item() for end in targets.aminmax())
        most = 1 if self.multi_label else shape[1] - 1
        if not (low >= 0 and high <= most):
            raise ValueError(f"Targets lie from {low:g} to {high:g}, not from 0 to {most}.")


class _Focal(torch.autograd.Function):
    """q^gamma · (-log(1 - q)) of each logit, where q = sigmoid(logit) is the probability of the false answer.

    Its slope is q^gamma (gamma (1 - q) (-log(1 - q)) + q). It is written out, so that
    autograd need not differentiate a chain of small steps, and is finite for every gamma.
    """

    @staticmethod
    def forward(ctx, logits, gamma):
        loss, q = F.softplus(logits, threshold=40), torch.sigmoid(logits)  # softplus(z) = -log(1 - q)
        weight = q**gamma
        slope = torch.addcmul(loss, q, loss, value=-1)
        ctx.save_for_backward(slope.mul_(gamma).add_(q).mul_(weight))
        return loss.mul_(weight)

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient):
        (slope,) = ctx.saved_tensors
        return gradient * slope, None


def _weights(alpha: Sequence[float]) -> torch.Tensor:
    try:
        alpha = torch.tensor(np.asarray(alpha, dtype=np.float32))
    except (TypeError, ValueError):
        alpha = torch.zeros(1)  # no numbers: refused below
    if alpha.ndim != 1 or not ((alpha > 0) & alpha.isfinite()).all():
        raise ValueError("alpha must be one positive, finite weight per class.")
    return alpha
