"""Mixup: train on blends of two examples, of their vectors and of their labels (Zhang et al. 2018).

Words cannot be blended, so for texts it happens where they are vectors already: on frozen sentence embeddings
(`mix_rows`), or between two layers of the transformer that is being trained (`MixupClassifier`).
"""

from collections.abc import Iterable
from typing import Any, Self

import numpy as np
import torch
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.validation import check_is_fitted
from torch.nn import functional as F

from textclf_lesson.base import machine, runtime
from textclf_lesson.base.inputs import check_labels, check_same_rows, check_texts, positive_number, whole_number
from textclf_lesson.models import encoders, tokens

TOKENS_AT_ONCE = 4096  # when predicting, padding included


def mix_rows(
    vectors: np.ndarray, y: Iterable[Any], n: int, alpha: float = 0.2, seed: int = 0
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The rows and n blends of two random ones each, for a classifier that takes weights.

    A blend is λ a + (1 - λ) b with λ drawn from Beta(alpha, alpha): a small alpha keeps it
    near one of the two. Its label is λ times that of a and 1 - λ times that of b, and since
    scikit-learn has no such labels, the blend is there twice, once with each label,
    weighted. For a loss that is a mean over rows that is the same.

    vectors: shape (rows, width); y: a label for each. Returns vectors (rows + 2n, width),
    labels and weights; all weights add up to rows + n.
    Raises ValueError if n < 0, alpha <= 0, lengths or pandas indexes differ or there are no
    rows, and as `check_labels` does.
    """
    check_same_rows(vectors=vectors, labels=y)
    vectors = np.asarray(vectors)
    if vectors.ndim != 2 or not len(vectors):
        raise ValueError(f"Vectors of shape {vectors.shape} do not fit: (rows, width), 1 row or more.")
    labels = check_labels(y, at_least=1)
    if len(vectors) != len(labels):
        raise ValueError(f"{len(vectors)} vectors, {len(labels)} labels do not fit: one per row.")
    n, alpha = whole_number("n", n, at_least=0), positive_number("alpha", alpha)
    rng = np.random.default_rng(seed)
    one, other = rng.integers(len(vectors), size=(2, n))
    share = rng.beta(alpha, alpha, size=n)
    blends = share[:, None] * vectors[one] + (1 - share[:, None]) * vectors[other]
    return (
        np.concatenate([vectors, blends, blends]).astype(vectors.dtype),
        np.concatenate([labels, labels[one], labels[other]]),
        np.concatenate([np.ones(len(vectors)), share, 1 - share]),
    )


class MixupClassifier(ClassifierMixin, BaseEstimator):
    """A BERT-like encoder, fine-tuned with the hidden states of two texts blended at one of its layers.

    Args:
        model: "minilm", a folder or a hub id; of BERT's architecture, for its layers are called one by one.
        alpha: λ is drawn from Beta(alpha, alpha) once a batch; 0 is plain fine-tuning.
        layer: blend what goes into this layer (TMix, Chen et al. 2020): 0 the embeddings of the tokens. As many as
            there are layers, or None, blends the texts' final vectors (Mixup-Transformer, Sun et al. 2020).
        epochs, learning_rate, batch_size, max_length, seed: as in `TransformerClassifier`.

    One label per text. The final vector is the mean over tokens, as in `embeddings.embed`.
    """

    def __init__(
        self,
        model: str = "minilm",
        *,
        alpha: float = 0.2,
        layer: int | None = None,
        epochs: int = 4,
        learning_rate: float = 1e-4,
        batch_size: int = 16,
        max_length: int = 64,
        seed: int = 0,
    ):
        self.model = model
        self.alpha = alpha
        self.layer = layer
        self.epochs = epochs
        self.learning_rate = learning_rate
        self.batch_size = batch_size
        self.max_length = max_length
        self.seed = seed

    def fit(self, texts: Iterable[str], y: Iterable[Any]) -> Self:
        """Fine-tune. Raises as `TransformerClassifier.fit` does, ValueError for an alpha or a layer out of range."""
        check_same_rows(texts=texts, labels=y)
        texts = check_texts(texts)
        labels = check_labels(y, texts)
        settings = self._settings()
        self.classes_, codes = np.unique(labels, return_inverse=True)
        self.encoder_, self.tokenizer_ = encoders.encoder(self.model)
        depth = len(self.encoder_.encoder.layer)
        at = depth if self.layer is None else whole_number("layer", self.layer, at_least=0)
        if at > depth:
            raise ValueError(f"alpha={self.alpha}, layer={at} do not fit: alpha >= 0, and layer from 0 to {depth}.")
        if settings["max_length"] > (limit := tokens.longest(self.encoder_) or settings["max_length"]):
            raise ValueError(f"max_length={self.max_length} is too long: {self.model} reads at most {limit} tokens.")
        rows = tokens.rows(self.tokenizer_, texts, settings["max_length"])
        with runtime.random_state_kept():
            torch.manual_seed(settings["seed"])
            self.head_ = torch.nn.Linear(self.encoder_.config.hidden_size, len(self.classes_))
            for part in (self.encoder_, self.head_):
                part.to("cuda" if torch.cuda.is_available() else "cpu")
            self._train(rows, torch.tensor(codes, device=self.encoder_.device), at, settings)
        self.encoder_.eval()
        return self

    def predict_proba(self, texts: Iterable[str]) -> np.ndarray:
        """Probabilities, shape (texts, classes), in the order of `classes_`."""
        check_is_fitted(self, "head_")
        rows = tokens.rows(self.tokenizer_, check_texts(texts), self._settings()["max_length"])
        result = np.empty((len(rows), len(self.classes_)))
        with torch.inference_mode():
            for batch in tokens.batches([len(row["input_ids"]) for row in rows], TOKENS_AT_ONCE):
                result[batch] = self._forward([rows[row] for row in batch]).softmax(dim=1).cpu().numpy()
        return result

    def predict(self, texts: Iterable[str]) -> np.ndarray:
        """The most probable class of each text."""
        best = self.predict_proba(texts).argmax(axis=1)
        return self.classes_[best]

    def _settings(self) -> dict[str, Any]:
        """The settings in Python's own numbers."""
        kept = {name: whole_number(name, getattr(self, name)) for name in ("epochs", "batch_size", "max_length")}
        kept |= {"learning_rate": positive_number("learning_rate", self.learning_rate)}
        kept |= {"seed": whole_number("seed", self.seed, at_least=0)}
        return kept | {"alpha": positive_number("alpha", self.alpha) if self.alpha != 0 else 0.0}

    def _train(self, rows: list[dict], y: torch.Tensor, layer: int, settings: dict[str, Any]) -> None:
        rng = np.random.default_rng(settings["seed"])
        lengths = np.array([len(row["input_ids"]) for row in rows])
        order = [batch for _ in range(settings["epochs"]) for batch in _shuffled(lengths, settings["batch_size"], rng)]
        weights = [*self.encoder_.parameters(), *self.head_.parameters()]
        optimiser = torch.optim.AdamW(weights, lr=settings["learning_rate"], fused=True)
        rise = max(1, len(order) // 10)  # up during the first tenth of the steps, then down to 0
        plan = torch.optim.lr_scheduler.LambdaLR(
            optimiser, lambda step: min((step + 1) / rise, (len(order) - step) / (len(order) - rise + 1))
        )
        self.encoder_.train()
        for batch in runtime.progress(order, "training"):
            partner = torch.from_numpy(rng.permutation(len(batch)))
            share = float(rng.beta(settings["alpha"], settings["alpha"])) if settings["alpha"] else 1.0
            logits = self._forward([rows[row] for row in batch], share, partner, layer)
            one, other = y[batch], y[batch][partner]
            loss = share * F.cross_entropy(logits, one) + (1 - share) * F.cross_entropy(logits, other)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(weights, 1.0)
            optimiser.step()
            plan.step()
            optimiser.zero_grad()

    def _forward(
        self,
        rows: list[dict],
        share: float = 1.0,
        partner: Any = None,
        layer: int = -1,
    ) -> torch.Tensor:
        """Logits of a batch; at `layer`, `share` of each text and the rest of its partner."""
        inputs = self.tokenizer_.pad(rows, return_tensors="pt").to(self.encoder_.device)
        read, blocks = inputs.pop("attention_mask"), self.encoder_.encoder.layer
        half, device = machine.has_bf16(), self.encoder_.device.type
        with torch.autocast(device, torch.bfloat16, enabled=half):
            hidden = self.encoder_.embeddings(**inputs)
            for number, block in enumerate(blocks):
                if number == layer:
                    hidden = share * hidden + (1 - share) * hidden[partner]
                    read = torch.maximum(read, read[partner])  # the longer of the two
                padding = (1 - read[:, None, None, :]) * torch.finfo(hidden.dtype).min
                hidden = block(hidden, padding)
        mean = (hidden.float() * read[..., None]).sum(dim=1) / read.sum(dim=1, keepdim=True)
        if layer == len(blocks):
            mean = share * mean + (1 - share) * mean[partner]
        return self.head_(mean)


def _shuffled(lengths: np.ndarray, size: int, rng: np.random.Generator) -> list[np.ndarray]:
    """All rows in random batches, but for this: a batch holds texts of like length, which spares padding."""
    order = rng.permutation(len(lengths))
    parts = np.split(order, range(8 * size, len(order), 8 * size))
    alike = np.concatenate([part[np.argsort(lengths[part], kind="stable")] for part in parts])
    batches = np.array_split(alike, -(-len(order) // size))
    return [batches[place] for place in rng.permutation(len(batches))]
