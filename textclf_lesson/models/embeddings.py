"""Texts as vectors: the mean of an encoder's last layer, which is what MiniLM was trained to make comparable."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from textclf_lesson.base import machine, runtime
from textclf_lesson.base.extras import needed
from textclf_lesson.base.inputs import check_texts, whole_number
from textclf_lesson.models import encoders, tokens

with needed("train"):
    import torch


if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

TOKENS_AT_ONCE = 4096  # padding included


def embed(texts: Iterable[str], model: str = "minilm", max_length: int = 128) -> np.ndarray:
    """A vector for each text, float32, shape (texts, hidden size: 384 for "minilm"), each of length 1.

    It is the mean over a text's tokens, padding left out (Reimers and Gurevych 2019). The dot product of two of them
    is their cosine similarity, -1 to 1. Texts are truncated at `max_length` tokens.

    Raises TypeError or ValueError if a text is missing, blank or not a string, or `max_length` is not a whole number
    from 1 up, or more than the encoder reads; ModelError or AssetError if the encoder cannot be had.
    """
    texts, max_length = check_texts(texts), whole_number("max_length", max_length)
    network, tokenizer = encoders.encoder(model)
    if max_length > (limit := tokens.longest(network) or max_length):
        raise ValueError(f"max_length={max_length} is too long: {model} reads at most {limit} tokens.")
    return embed_with(network, tokenizer, texts, max_length)


@torch.inference_mode()
def embed_with(
    network: "PreTrainedModel", tokenizer: "PreTrainedTokenizerBase", texts: list[str], max_length: int
) -> np.ndarray:
    """The same by an encoder that is loaded (`models.encoder`), for whoever asks often; nothing is checked."""
    network.to("cuda" if torch.cuda.is_available() else "cpu")
    rows = tokens.rows(tokenizer, texts, max_length)
    vectors = torch.empty(len(rows), network.config.hidden_size)
    batches = tokens.batches([len(row["input_ids"]) for row in rows], TOKENS_AT_ONCE)
    half = torch.autocast(network.device.type, torch.bfloat16, enabled=machine.has_bf16())
    for batch in runtime.progress(batches, "embedding") if len(batches) > 10 else batches:
        inputs = tokenizer.pad([rows[row] for row in batch], return_tensors="pt").to(network.device)
        with half:
            states = network(**inputs).last_hidden_state.float()
        mask = inputs["attention_mask"].unsqueeze(-1)
        mean = (states * mask).sum(dim=1) / mask.sum(dim=1)
        vectors[batch] = torch.nn.functional.normalize(mean).cpu()
    return vectors.numpy()
