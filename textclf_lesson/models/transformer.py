"""Level three: a pretrained transformer, fine-tuned by transformers' Trainer, behind scikit-learn's interface."""

import os
from collections.abc import Callable, Iterable
from numbers import Integral, Real
from pathlib import Path
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.validation import check_is_fitted

from textclf_lesson.base import runtime
from textclf_lesson.base.errors import AssetError, ModelError, brief
from textclf_lesson.base.extras import needed
from textclf_lesson.base.inputs import check_label_table, check_labels, check_same_rows, check_texts
from textclf_lesson.models import adapters, encoders, modelcard, tokens, trainer

with needed("train"):
    import torch
    from safetensors import SafetensorError
    from transformers import (
        AutoConfig,
        AutoModelForSequenceClassification,
        AutoTokenizer,
        PreTrainedModel,
        PreTrainedTokenizerBase,
    )


CHOICES = {
    "problem_type": ("single_label_classification", "multi_label_classification"),
    "metric": tuple(trainer.METRICS),
    "precision": ("auto", "bf16", "fp32"),
}
WHOLE_NUMBERS = {"epochs": 1, "batch_size": 1, "max_length": 1, "evaluations": 1, "patience": 1, "seed": 0}  # the least
SHARES = {
    "learning_rate": "above 0 and below 1, say 1e-4",
    "warmup": "a share of the steps, from 0 to below 1, say 0.1",
}
ADAPTER = "adapter"  # the folder for it inside that of a saved model
TOKENS_AT_ONCE = 4096  # when predicting, padding included


class TransformerClassifier(ClassifierMixin, BaseEstimator):
    """A pretrained encoder with a classification head (Devlin et al. 2019), fine-tuned as a whole or by an adapter.

    Args:
        model: "minilm", a folder of a saved model, or any hub id, say "FacebookAI/roberta-base".
        problem_type: "single_label_classification" (softmax) or "multi_label_classification" (a sigmoid per label).
        epochs: passes over the training rows, 1 or more.
        learning_rate: the peak; it rises linearly during the first `warmup` (share of the steps, 0 to below 1), then
            falls linearly to 0. Small encoders bear 1e-4 to 2e-4, those of BERT's size 2e-5 to 5e-5, adapters about ten
            times as much.
        batch_size: texts per step.
        max_length: how many tokens of a text are read, the two special ones included. What comes later is not.
        weight_decay: of AdamW (Loshchilov and Hutter 2019).
        freeze_embeddings: True keeps the vectors of the tokens as they were pretrained: half of a small encoder.
        adapter: LoRA(rank=16), or a dict of its settings, trains low-rank factors beside the encoder's linear layers
            and the head (Hu et al. 2021; `adapters.LoRA`); the rest stays as it was pretrained. None trains all.
        loss: a function (logits, targets) -> scalar tensor, to replace (binary) cross-entropy. Logits are float32 of
            shape (batch, classes); targets are int64 (batch,) or, with several labels, float32 (batch, labels).
        metric: "accuracy", "macro_f1" or "weighted_f1": what decides, on `eval_set`, which state is kept.
        evaluations: how often per epoch that is measured.
        patience: training stops early after this many evaluations in a row without a better one.
        precision: "bf16" and "fp32" say how training computes; "auto" takes bf16 where the hardware has it. The
            weights and all predictions are float32 in any case.
        seed: of the head's first weights, dropout and the order of the rows. It repeats a run exactly on one machine;
            processors differ in the last digits.

    Attributes, after `fit` or `load`: `classes_`, `model_` and `tokenizer_` (transformers' own objects), `history_`
    (a dict per evaluation: epoch, the loss on all rows of `eval_set`, and each metric), `adapter_` (an
    `adapters.Adapter`, already merged into `model_`; or None), `folder_` (where it lies; after `save` or `load`).

    Under `torchrun` or `accelerate launch`, `fit` shares every step out among the processes: it then takes
    `batch_size` texts in each. All end with the same weights.

    >>> model = TransformerClassifier("minilm", epochs=2, max_length=64)
    >>> model.fit(texts, labels).predict(["A warm, funny film."])  # doctest: +SKIP
    array(['positive'], dtype='<U8')
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
        adapter: adapters.LoRA | dict[str, Any] | None = None,
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
        self.adapter = adapter
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
        settings = self._settings()
        check_same_rows(texts=texts, labels=y)
        texts = check_texts(texts)
        classes, targets = self._targets(y, texts)
        held = None
        if eval_set is not None:
            check_same_rows(**{"texts of eval_set": eval_set[0], "its labels": eval_set[1]})
            held = check_texts(eval_set[0])
            held_targets = self._targets(eval_set[1], held, classes)[1]
        self.classes_ = np.array(classes)
        with runtime.random_state_kept(), encoders.quiet():
            torch.manual_seed(settings["seed"])
            model, tokenizer, new = self._build(settings)
            adapted = adapters.attach(model, settings["adapter"], whole=new) if settings["adapter"] else None
            learn = tokens.rows(tokenizer, texts, settings["max_length"], targets)
            held = held and tokens.rows(tokenizer, held, settings["max_length"], held_targets)
            self.history_ = trainer.train(model, tokenizer, learn, held, settings)
            self.adapter_ = adapted and adapters.extract(adapted, base=_name_of_base(settings["model"]))
            model = adapters.merge(adapted) if adapted else model
        self.model_, self.tokenizer_ = model.eval(), tokenizer
        modelcard.note(model.config, self, targets, settings)
        return self

    def predict(self, texts: Iterable[str]) -> np.ndarray:
        """The most probable class of each text; with several labels 0 or 1 for each, shape (texts, labels), 1 from
        probability one half up (`thresholds.tune` finds better thresholds)."""
        logits = self.logits(texts)
        return (logits > 0).astype(int) if self._is_multi else self.classes_[logits.argmax(axis=1)]

    def predict_proba(self, texts: Iterable[str]) -> np.ndarray:
        """Probabilities, shape (texts, classes), in the order of `classes_`; rows add up to 1 unless multi-label."""
        logits = torch.from_numpy(self.logits(texts))
        return (logits.sigmoid() if self._is_multi else logits.softmax(dim=1)).numpy()

    @torch.inference_mode()
    def logits(self, texts: Iterable[str]) -> np.ndarray:
        """Scores before softmax or sigmoid, float32, shape (texts, classes); tokens after `max_length` are not read.

        Raises NotFittedError before `fit`, TypeError or ValueError if a text is missing, blank or not a string.
        """
        check_is_fitted(self, "model_")
        rows = tokens.rows(self.tokenizer_, check_texts(texts), int(self.max_length))
        batches = tokens.batches([len(row["input_ids"]) for row in rows], TOKENS_AT_ONCE)
        scores = torch.empty(len(rows), len(self.classes_))
        for batch in runtime.progress(batches, "classifying") if len(batches) > 10 else batches:
            inputs = self.tokenizer_.pad([rows[row] for row in batch], return_tensors="pt").to(self.model_.device)
            scores[batch] = self.model_(**inputs).logits.float().cpu()
        return scores.numpy()

    def save(self, folder: str | os.PathLike, *, whole: bool = True) -> Path:
        """Write weights (safetensors), configuration, tokeniser and model card; `load` and transformers read it.

        `transformers.pipeline("text-classification", folder)` works on it. Labels become names there; `load` gives
        whole numbers back as such. A `loss` function is not stored: it is needed in training only. A classifier that
        was trained by an adapter has it in the folder `adapter` too, as `peft.PeftModel.from_pretrained` reads it.

        whole: False leaves out the weights of the encoder: a few MB, which `load` joins with the encoder named by
        `model`, and nothing else reads. Of several processes the first one writes; the others return immediately.

        Raises ModelError if there is no room or no permission (what was in the folder before is then still there),
        ValueError for whole=False without an adapter.
        """
        check_is_fitted(self, "model_")
        folder, adapter = Path(folder), getattr(self, "adapter_", None)
        if not whole and adapter is None:
            raise ValueError("There is no adapter to save: fit with adapter=LoRA(), or save the model whole.")
        if not (torch.distributed.is_initialized() and torch.distributed.get_rank()):
            # What an earlier model has left in the folder does not belong to this one.
            old = ["model*.safetensors*", f"{ADAPTER}/adapter_*"]
            with modelcard.replacing(folder, old) as partial, encoders.quiet():
                try:
                    (self.model_ if whole else self.model_.config).save_pretrained(partial)
                except SafetensorError as error:  # how a full disk is reported there
                    raise OSError(str(error)) from error
                self.tokenizer_.save_pretrained(partial)
                card = modelcard.write(self.model_.config, modelcard.PIPELINE if whole else modelcard.ALONE)
                (partial / "README.md").write_text(card, encoding="utf-8")
                if adapter:
                    (partial / ADAPTER).mkdir()
                    adapters.write(adapter, partial / ADAPTER, "float32")
        self.folder_ = folder
        return folder

    @classmethod
    def load(cls, folder: str | os.PathLike) -> Self:
        """A fitted classifier from a folder made by `save`, or any trained sequence classifier of transformers.

        Raises ModelError if a file is missing, damaged or a pickle, if the model has no trained head, or if the folder
        holds an adapter alone and its encoder cannot be had.
        """
        path = Path(folder).expanduser()
        adapter = adapters.read(path / ADAPTER) if any((path / ADAPTER).glob("adapter_*")) else None
        if adapter and not any(path.glob("model*.safetensors*")):
            model, tokenizer = _joined(path, adapter)
        else:
            model, tokenizer = _whole(folder)
        config = model.config
        kept = getattr(config, modelcard.KEY, None) or {}
        names = kept.get("classes") or [config.id2label[at] for at in range(config.num_labels)]
        longest = _longest(model, tokenizer)
        own = {"model": str(folder), "max_length": min(longest, 512)}
        if config.problem_type:
            own["problem_type"] = config.problem_type
        own |= {k: v for k, v in kept.get("settings", {}).items() if k in cls().get_params() and k != "loss"}
        own |= {"max_length": min(own["max_length"], longest), "adapter": adapters.as_lora(own.get("adapter"))}
        self = cls(**own)
        self.classes_, self.history_, self.adapter_ = np.array(names), kept.get("history", []), adapter
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

    def _settings(self) -> dict[str, Any]:
        """The settings in Python's own types (a search may set NumPy's), `adapter` as LoRA. Raises ValueError."""
        settings = self.get_params(deep=False)
        for name, allowed in CHOICES.items():
            if settings[name] not in allowed:
                raise ValueError(f"{name}={settings[name]!r} is unknown: choose one of {', '.join(allowed)}.")
        for name, least in WHOLE_NUMBERS.items():
            value = settings[name]
            if not isinstance(value, Integral) or isinstance(value, bool) or value < least:
                raise ValueError(f"{name}={value!r} does not fit: it must be a whole number from {least} up.")
        for name, range_ in SHARES.items():
            value = settings[name]
            if not isinstance(value, Real) or not 0 <= value < 1 or (name == "learning_rate" and not value):
                raise ValueError(f"{name}={value!r} does not fit: it must be {range_}.")
        if not isinstance(self.weight_decay, Real) or not 0 <= self.weight_decay < float("inf"):
            raise ValueError(
                f"weight_decay={self.weight_decay!r} does not fit: it must be a number from 0 up, say 0.01."
            )
        as_it_is = {"model": os.fspath(self.model), "loss": self.loss, "adapter": adapters.as_lora(self.adapter)}
        return {name: modelcard.plain(value) for name, value in settings.items()} | as_it_is

    def _targets(self, y: Any, texts: list[str], allowed: list | None = None) -> tuple[list, list]:
        """The classes, and for each text the position of its class, or with several labels a 0.0 or 1.0 for each."""
        if self._is_multi:
            table = check_label_table(y, texts, allowed)
            return list(table.columns), table.to_numpy(dtype=float).tolist()
        labels = check_labels(y, texts, allowed, at_least=1 if allowed else 2)
        classes = np.unique(labels) if allowed is None else np.array(allowed)
        return classes.tolist(), np.searchsorted(classes, labels).tolist()

    def _build(self, settings: dict[str, Any]) -> tuple[PreTrainedModel, PreTrainedTokenizerBase, list[str]]:
        """The encoder under a new head for `classes_`, its tokeniser, and the modules its file has no weights for."""
        (model, info), tokenizer = encoders.with_head(
            self.model,
            self.classes_,
            problem_type=settings["problem_type"],
            ignore_mismatched_sizes=True,  # a head for other classes is replaced
            dtype=torch.float32,
            return_dict=True,
            output_loading_info=True,
        )
        limit = _longest(model, tokenizer)
        if settings["max_length"] > limit:
            raise ValueError(
                f"max_length={settings['max_length']} is too long: {self.model} reads at most {limit} tokens."
            )
        tokenizer.model_max_length = settings["max_length"]  # stored: where transformers' own pipeline truncates
        if settings["freeze_embeddings"]:
            model.get_input_embeddings().requires_grad_(False)
        return model, tokenizer, sorted({weight.rpartition(".")[0] for weight in info["missing_keys"]})


def _longest(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> int:
    """How many tokens of a text the model can read, by its tokeniser and its positions."""
    stated = getattr(model.config, "max_position_embeddings", None)
    limits = [tokenizer.model_max_length, stated or 0, tokens.longest(model) or 0]
    return int(min(limit for limit in limits if limit > 0))


def _name_of_base(model: str) -> str:
    """The encoder's name as it can be found again from another folder."""
    folder = Path(model).expanduser()
    return str(folder.resolve()) if model not in encoders.CARRIED and folder.is_dir() else model


def _whole(folder: str | os.PathLike) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """A trained classifier of transformers from one folder."""
    with encoders.loading(folder) as where:
        model, info = AutoModelForSequenceClassification.from_pretrained(
            where, use_safetensors=True, dtype=torch.float32, return_dict=True, output_loading_info=True
        )
        tokenizer = AutoTokenizer.from_pretrained(where)
    if missing := sorted(info["missing_keys"]):
        raise ModelError(
            f"{str(folder)!r} is not a trained classifier: the weights lack {', '.join(missing)}. "
            f"To train one from it: TransformerClassifier({str(folder)!r}).fit(texts, labels)."
        )
    return model, tokenizer


def _joined(folder: Path, adapter: adapters.Adapter) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """A classifier from a folder without the encoder's weights: they come from where the adapter's note says."""
    try:
        with encoders.quiet():
            config, tokenizer = AutoConfig.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    except (OSError, ValueError) as error:
        raise ModelError(f"{folder} lacks a file, or one is damaged ({brief(error)}): save it again.") from error
    base = adapter.note.get("base") or str(adapter.config.get("base_model_name_or_path"))
    try:
        with runtime.random_state_kept(), encoders.loading(base) as where:
            model, _ = encoders.load(
                AutoModelForSequenceClassification,
                where,
                config=config,
                ignore_mismatched_sizes=True,
                dtype=torch.float32,
            )
    except (ModelError, AssetError) as error:
        raise ModelError(f"{folder} holds an adapter alone, and its encoder {base!r} cannot be had: {error}") from error
    return adapters.apply(model, adapter), tokenizer
