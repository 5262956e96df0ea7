"""Level three: a pretrained transformer, fine-tuned by transformers' Trainer, behind scikit-learn's interface."""

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.validation import check_is_fitted
from transformers import AutoModelForSequenceClassification, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from textclf_lesson import course, finetuning, modelcard, models
from textclf_lesson.inputs import check_label_table, check_labels, check_texts

CHOICES = {
    "problem_type": ("single_label_classification", "multi_label_classification"),
    "metric": tuple(finetuning.METRICS),
    "precision": ("auto", "bf16", "fp32"),
}
WHOLE_NUMBERS = ("epochs", "batch_size", "max_length", "evaluations", "patience")
TOKENS_AT_ONCE = 4096  # when predicting, padding included


class TransformerClassifier(ClassifierMixin, BaseEstimator):
    """A pretrained encoder with a classification head (Devlin et al. 2019), fine-tuned as a whole.

    Args:
        model: "minilm", a folder of a saved model, or any hub id, say "FacebookAI/roberta-base".
        problem_type: "single_label_classification" (softmax) or "multi_label_classification" (a sigmoid per label).
        epochs: passes over the training rows, 1 or more.
        learning_rate: the peak; it rises linearly during the first `warmup` (share of the steps, 0 to 1), then falls
            linearly to 0. Small encoders bear 1e-4 to 2e-4, those of BERT's size 2e-5 to 5e-5.
        batch_size: texts per step.
        max_length: texts are cut after so many tokens, the two special ones included. What comes later is not read.
        weight_decay: of AdamW (Loshchilov and Hutter 2019).
        freeze_embeddings: True keeps the vectors of the word pieces as they were pretrained: half of a small encoder.
        loss: a function (logits, targets) -> scalar tensor, to replace (binary) cross-entropy. Logits are float32 of
            shape (batch, classes); targets are int64 (batch,) or, with several labels, float32 (batch, labels).
        metric: "accuracy", "macro_f1" or "weighted_f1": what decides, on `eval_set`, which state is kept.
        evaluations: how often per epoch that is measured.
        patience: training stops early when so many evaluations in a row brought nothing better.
        precision: "bf16" and "fp32" say how training computes; "auto" takes bf16 where the hardware has it. The
            weights and all predictions are float32 in any case.
        seed: of the head's first weights, dropout and the order of the rows. It repeats a run exactly on one machine;
            processors differ in the last digits.

    Attributes, after `fit` or `load`: `classes_`, `model_` and `tokenizer_` (transformers' own objects), `history_`
    (a dict per evaluation: epoch, loss, and each metric), `folder_` (where it lies; after `save` or `load`).
    """

    def __init__(
        self,
        model: str | os.PathLike = "minilm",
        problem_type: str = "single_label_classification",
        *,
        epochs: int = 2,
        learning_rate: float = 1e-4,
        batch_size: int = 32,
        max_length: int = 128,
        warmup: float = 0.1,
        weight_decay: float = 0.01,
        freeze_embeddings: bool = False,
        loss: Callable[[torch.Tensor, torch.Tensor], torch.Tensor] | None = None,
        metric: str = "macro_f1",
        evaluations: int = 1,
        patience: int = 2,
        precision: str = "auto",
        seed: int = 0,
    ):
        self.model = model
        self.problem_type = problem_type
        self.epochs = epochs
        self.learning_rate = learning_rate
        self.batch_size = batch_size
        self.max_length = max_length
        self.warmup = warmup
        self.weight_decay = weight_decay
        self.freeze_embeddings = freeze_embeddings
        self.loss = loss
        self.metric = metric
        self.evaluations = evaluations
        self.patience = patience
        self.precision = precision
        self.seed = seed

    def fit(self, texts: Iterable[str], y: Any, eval_set: tuple[Iterable[str], Any] | None = None) -> Self:
        """Fine-tune on texts and their labels; with `eval_set` (texts, labels) keep the best state, else the last.

        y: one name or whole number per text; for several labels a table of 0 and 1, shape (texts, labels), whose
        column names, if it is a DataFrame, become the classes.

        Raises TypeError or ValueError for input that cannot be learned from, a label in `eval_set` that training does
        not have, or a setting out of range; ModelError or AssetError when the encoder cannot be had; ValueError when
        training diverges. The random state of Python, NumPy and torch is afterwards as it was.
        """
        self._check_settings()
        texts = check_texts(texts)
        classes, targets = self._targets(y, texts)
        judge = None
        if eval_set is not None:
            judge = check_texts(eval_set[0])
            judge_targets = self._targets(eval_set[1], judge, classes)[1]
        self.classes_ = np.array(classes)
        with finetuning.random_state_kept(), models.quiet():
            torch.manual_seed(self.seed)
            model, tokenizer = self._build()
            learn = finetuning.rows(tokenizer, texts, self.max_length, targets)
            judge = judge and finetuning.rows(tokenizer, judge, self.max_length, judge_targets)
            self.history_ = finetuning.train(model, tokenizer, learn, judge, self.get_params())
        self.model_, self.tokenizer_ = model.eval(), tokenizer
        modelcard.note(model.config, self, targets)
        return self

    def predict(self, texts: Iterable[str]) -> np.ndarray:
        """The most probable class of each text; with several labels 0 or 1 for each, shape (texts, labels), cut at
        probability one half (`thresholds.tune` finds better cuts)."""
        logits = self.logits(texts)
        return (logits > 0).astype(int) if self._is_multi else self.classes_[logits.argmax(axis=1)]

    def predict_proba(self, texts: Iterable[str]) -> np.ndarray:
        """Probabilities, shape (texts, classes), in the order of `classes_`; rows add up to 1 unless multi-label."""
        logits = torch.from_numpy(self.logits(texts))
        return (logits.sigmoid() if self._is_multi else logits.softmax(dim=1)).numpy()

    @torch.inference_mode()
    def logits(self, texts: Iterable[str]) -> np.ndarray:
        """Scores before softmax or sigmoid, float32, shape (texts, classes). Texts are cut at `max_length` tokens.

        Raises NotFittedError before `fit`, TypeError or ValueError if a text is missing, blank or not a string.
        """
        check_is_fitted(self, "model_")
        rows = finetuning.rows(self.tokenizer_, check_texts(texts), self.max_length)
        batches = finetuning.batches([len(row["input_ids"]) for row in rows], TOKENS_AT_ONCE)
        scores = torch.empty(len(rows), len(self.classes_))
        for batch in course.progress(batches, "classifying") if len(batches) > 10 else batches:
            inputs = self.tokenizer_.pad([rows[row] for row in batch], return_tensors="pt").to(self.model_.device)
            scores[batch] = self.model_(**inputs).logits.float().cpu()
        return scores.numpy()

    def save(self, folder: str | os.PathLike) -> Path:
        """Write weights (safetensors), configuration, tokeniser and model card; `load` and transformers read it.

        `transformers.pipeline("text-classification", folder)` works on it. Labels become names there; `load` gives
        whole numbers back as such. A `loss` function is not stored: it is needed in training only.
        """
        check_is_fitted(self, "model_")
        self.folder_ = Path(folder)
        self.folder_.mkdir(parents=True, exist_ok=True)
        with models.quiet():
            self.model_.save_pretrained(self.folder_)
            self.tokenizer_.save_pretrained(self.folder_)
        (self.folder_ / "README.md").write_text(modelcard.write(self.model_.config), encoding="utf-8")
        return self.folder_

    @classmethod
    def load(cls, folder: str | os.PathLike) -> Self:
        """A fitted classifier from a folder made by `save`, or any trained sequence classifier of transformers.

        Raises ModelError if a file is missing, damaged or a pickle, or if the model has no trained head.
        """
        with models.loading(folder) as where:
            model, info = AutoModelForSequenceClassification.from_pretrained(
                where, use_safetensors=True, output_loading_info=True
            )
            tokenizer = AutoTokenizer.from_pretrained(where)
        if missing := sorted(info["missing_keys"]):
            raise models.ModelError(
                f"{str(folder)!r} is not a trained classifier: the weights lack {', '.join(missing)}. "
                f"To train one from it: TransformerClassifier({str(folder)!r}).fit(texts, labels)."
            )
        config = model.config
        kept = getattr(config, modelcard.KEY, None) or {}
        names = kept.get("classes") or [config.id2label[at] for at in range(config.num_labels)]
        own = {"model": str(folder), "max_length": min(tokenizer.model_max_length, 512)}
        if config.problem_type:
            own["problem_type"] = config.problem_type
        own |= {k: v for k, v in kept.get("settings", {}).items() if k in cls().get_params() and k != "loss"}
        self = cls(**own)
        self.classes_, self.history_ = np.array(names), kept.get("history", [])
        self.model_, self.tokenizer_, self.folder_ = model.eval(), tokenizer, Path(folder)
        return self

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array, tags.input_tags.string = False, True
        tags.classifier_tags.multi_label = True
        return tags

    @property
    def _is_multi(self) -> bool:
        return self.problem_type == "multi_label_classification"

    def _check_settings(self) -> None:
        for name, allowed in CHOICES.items():
            if getattr(self, name) not in allowed:
                raise ValueError(f"{name}={getattr(self, name)!r} is unknown: choose one of {', '.join(allowed)}.")
        for name in WHOLE_NUMBERS:
            value = getattr(self, name)
            if not isinstance(value, int | np.integer) or value < 1:
                raise ValueError(f"{name}={value!r} does not fit: it must be a whole number from 1 up.")
        if not 0 < self.learning_rate < 1:
            raise ValueError(f"learning_rate={self.learning_rate!r} does not fit: it lies between 0 and 1, say 1e-4.")

    def _targets(self, y: Any, texts: list[str], allowed: list | None = None) -> tuple[list, list]:
        """The classes, and for each text the position of its class, or with several labels a 0.0 or 1.0 for each."""
        if self._is_multi:
            table = check_label_table(y, texts, allowed)
            return list(table.columns), table.to_numpy(dtype=float).tolist()
        labels = check_labels(y, texts, allowed, at_least=1 if allowed else 2)
        classes = np.unique(labels) if allowed is None else np.array(allowed)
        return classes.tolist(), np.searchsorted(classes, labels).tolist()

    def _build(self) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
        """The encoder under a new head for `classes_`, and its tokeniser."""
        names = [str(name) for name in self.classes_]
        with models.loading(self.model) as where:
            tokenizer = AutoTokenizer.from_pretrained(where)
            model = AutoModelForSequenceClassification.from_pretrained(
                where,
                problem_type=self.problem_type,
                num_labels=len(names),
                id2label=dict(enumerate(names)),
                label2id={name: at for at, name in enumerate(names)},
                ignore_mismatched_sizes=True,  # a head for other classes is replaced
                use_safetensors=True,
            )
        limit = min(tokenizer.model_max_length, getattr(model.config, "max_position_embeddings", self.max_length))
        if self.max_length > limit:
            raise ValueError(f"max_length={self.max_length} is too long: {self.model} reads at most {limit} tokens.")
        tokenizer.model_max_length = self.max_length  # stored with it: where transformers' own pipeline will cut
        if self.freeze_embeddings:
            model.get_input_embeddings().requires_grad_(False)
        return model, tokenizer
