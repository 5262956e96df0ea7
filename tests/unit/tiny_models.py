"""Classifiers of other architectures, small and untrained, with tokenisers of their own: what a hub would bring."""

from pathlib import Path
from typing import Any

import torch
import transformers
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers

SPECIAL = {name: f"<{name.removesuffix('_token')}>" for name in ("pad_token", "unk_token", "mask_token")}
SPECIAL |= {"cls_token": "<s>", "sep_token": "</s>"}
MARKS = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
TEXTS = ["An unfilmable, never boring story.", "It doesn't work… at all 🎬 naïve!", "good film bad"] * 3
SMALL = {
    "vocab_size": 400,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 48,
    "max_position_embeddings": 66,
    "pad_token_id": 1,
    "bos_token_id": 0,
    "eos_token_id": 2,
}


def byte_level(**without: Any) -> transformers.PreTrainedTokenizerFast:
    """A tokeniser like RoBERTa's: "Ġ" before the first piece of a word, no token types, no limit of length."""
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer, tokenizer.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    trainer = trainers.BpeTrainer(vocab_size=290, special_tokens=MARKS, initial_alphabet=alphabet, show_progress=False)
    return _finish(tokenizer, trainer, without)


def sentence_piece(**without: Any) -> transformers.PreTrainedTokenizerFast:
    """A tokeniser like XLM-RoBERTa's: "▁" before the first piece of a word."""
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.pre_tokenizer, tokenizer.decoder = pre_tokenizers.Metaspace(), decoders.Metaspace()
    trainer = trainers.UnigramTrainer(vocab_size=60, special_tokens=MARKS, unk_token="<unk>", show_progress=False)
    return _finish(tokenizer, trainer, without)


def _finish(tokenizer: Tokenizer, trainer: Any, without: dict) -> transformers.PreTrainedTokenizerFast:
    tokenizer.train_from_iterator(TEXTS, trainer)
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0))
    return transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, **SPECIAL | without)


def saved(folder: Path, kind: str, labels: list[str], tokenizer: Any = None, multi: bool = False, **sizes: Any) -> Path:
    """The folder of an untrained classifier. kind: "Roberta", "DistilBert", "FNet" …, as transformers calls it."""
    config = getattr(transformers, f"{kind}Config")(
        **SMALL | sizes,
        id2label=dict(enumerate(labels)),
        label2id={label: at for at, label in enumerate(labels)},
        problem_type="multi_label_classification" if multi else "single_label_classification",
    )
    torch.manual_seed(0)
    model = getattr(transformers, f"{kind}ForSequenceClassification")(config)
    with torch.no_grad():  # larger weights: else all answers of an untrained model are nearly the same
        for weights in model.parameters():
            weights.mul_(4 if weights.ndim == 2 else 1)
    model.save_pretrained(folder)
    (tokenizer or byte_level()).save_pretrained(folder)
    return folder
