"""The multilingual encoder: multilingual-e5-small (Wang et al. 2024), read from the file in which a package carries it.

A BERT of 12 layers and hidden size 384 for a hundred languages: 118 million parameters, 96 million of them in the
vectors of its 250,037 tokens. The file holds the weights in 4 bits (Q4_0, as GGUF has it: blocks of 32 weights, one
float16 scale, weight = scale · (q - 8)). It is data, and nothing in it is run. Its layout, little-endian:

    "E5S1", u32 version · i32 hidden, layers, heads, intermediate, vocabulary, positions, types · f32 epsilon of the
    layer norms · i32 block size · i32 tokens, and the ids of begin, end, padding, unknown · u64 length of the tokens'
    text, u32 offsets [tokens + 1], f32 scores [tokens], the text in UTF-8 · i32 count and u32 length of a table of
    characters (not used here: tokenizers knows the same rules as NMT and NFKC) · i32 tensors, and for each: u16 length
    of its name, the name, u8 type (0 float32, 1 Q4_0), u32 numbers, u64 offset in the file, u64 bytes

The encoder was trained on texts that begin with "query: " or "passage: ". The tokeniser puts the first before every
text, as three tokens more after `<s>`, so that whoever uses it need not know.
"""

import itertools
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from textclf_lesson.base.errors import ModelError
from textclf_lesson.base.extras import needed

if TYPE_CHECKING:
    import torch
    from transformers import BertConfig, PreTrainedTokenizerFast

NAME = "e5-small-multilingual"
FILE = "e5-small-q4.bin"
PREFIX = ["▁que", "ry", ":"]  # the tokens of "query:"
MAGIC, VERSION, BLOCK = b"E5S1", 1, 32
LAYER = {  # the file's names of a layer's parts, and BertModel's
    "q": "attention.self.query",
    "k": "attention.self.key",
    "v": "attention.self.value",
    "ao": "attention.output.dense",
    "aln": "attention.output.LayerNorm",
    "fi": "intermediate.dense",
    "fo": "output.dense",
    "oln": "output.LayerNorm",
}


def read(path: Path) -> "tuple[BertConfig, dict[str, torch.Tensor], PreTrainedTokenizerFast]":
    """Configuration, float32 weights under the names of `BertModel`, and tokeniser of the file at `path`.

    Raises ModelError if it is not such a file, or damaged; OSError if it cannot be read.
    """
    with needed("train"):
        import torch
        from transformers import BertConfig

    try:
        file = _File(path.read_bytes())
        if file.take(4) != MAGIC or file.number("u4") != VERSION:
            raise ModelError(f"{path} is not multilingual-e5-small in 4 bits, as the catalogue has it.")
        hidden, layers, heads, intermediate, vocabulary, positions, types = file.numbers("i4", 7).tolist()
        epsilon, block = file.number("f4"), file.number("i4")
        if block != BLOCK:
            raise ModelError(f"{path} has blocks of {block} weights: only {BLOCK} can be read.")
        tokenizer = _tokenizer(file, positions)
        stored = dict(_tensors(file))
        shapes = {"emb.word": (vocabulary, hidden), "emb.pos": (positions, hidden), "emb.type": (types, hidden)}
        for layer in range(layers):
            shapes |= {f"l{layer}.{part}.w": (hidden, hidden) for part in ("q", "k", "v", "ao")}
            shapes |= {f"l{layer}.fi.w": (intermediate, hidden), f"l{layer}.fo.w": (hidden, intermediate)}
        weights = {
            _name_in_bert(name): torch.from_numpy(values.reshape(shapes.get(name, -1)))
            for name, values in stored.items()
        }
    except (ValueError, KeyError, struct.error) as error:
        raise ModelError(f"{path} is damaged ({error}). Fetch it again: textclf fetch {NAME}") from error
    config = BertConfig(
        vocab_size=vocabulary,
        hidden_size=hidden,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        intermediate_size=intermediate,
        max_position_embeddings=positions,
        type_vocab_size=types,
        layer_norm_eps=epsilon,
        pad_token_id=tokenizer.pad_token_id,
    )
    return config, weights, tokenizer


class _File:
    """Numbers of a little-endian file, one after the other. Raises ValueError where it ends too early."""

    def __init__(self, content: bytes):
        self.content, self.at = memoryview(content), 0

    def take(self, count: int) -> bytes:
        part = self.content[self.at : self.at + count]
        if len(part) < count:
            raise ValueError(f"it ends after {len(self.content):,} bytes")
        self.at += count
        return bytes(part)

    def numbers(self, kind: str, count: int) -> np.ndarray:
        return np.frombuffer(self.take(count * int(kind[1:])), f"<{kind}")

    def number(self, kind: str) -> int | float:
        return self.numbers(kind, 1).item()


def _tokenizer(file: _File, positions: int) -> "PreTrainedTokenizerFast":
    """SentencePiece's unigram model (Kudo 2018): a text becomes the most probable sequence of tokens."""
    from tokenizers import Regex, Tokenizer, normalizers, pre_tokenizers, processors
    from tokenizers.models import Unigram
    from transformers import PreTrainedTokenizerFast

    count, *special = file.numbers("i4", 5).tolist()
    length = file.number("u8")
    offsets, scores = file.numbers("u4", count + 1).tolist(), file.numbers("f4", count).tolist()
    text = file.take(length)
    tokens = [text[start:end].decode("utf-8") for start, end in itertools.pairwise(offsets)]
    _, characters = file.number("i4"), file.number("u4")
    file.take(characters)
    begin, end, padding, unknown = (tokens[number] for number in special)

    tokenizer = Tokenizer(Unigram(list(zip(tokens, scores, strict=True)), unk_id=special[-1]))
    spaces = normalizers.Replace(Regex(r"\s+"), " ")
    tokenizer.normalizer = normalizers.Sequence([normalizers.Nmt(), normalizers.NFKC(), spaces, normalizers.Strip()])
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    prefix = {"id": "prefix", "ids": [tokenizer.token_to_id(token) for token in PREFIX], "tokens": PREFIX}
    tokenizer.post_processor = processors.TemplateProcessing(
        single=[begin, "prefix", "$A", end], special_tokens=[(begin, special[0]), prefix, (end, special[1])]
    )
    names = {"bos_token": begin, "eos_token": end, "pad_token": padding, "unk_token": unknown}
    names |= {"cls_token": begin, "sep_token": end, "mask_token": tokens[-1]}
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_max_length=positions, **names)


def _tensors(file: _File) -> Iterator[tuple[str, np.ndarray]]:
    for _ in range(file.number("i4")):
        name = file.take(file.number("u2")).decode("ascii")
        kind, count, offset, size = struct.unpack("<BIQQ", file.take(21))
        content = file.content[offset : offset + size]
        if kind == 0:
            yield name, np.frombuffer(content, "<f4", count).astype(np.float32)
        else:
            blocks = np.frombuffer(content, [("scale", "<f2"), ("q", "u1", BLOCK // 2)], count // BLOCK)
            values = np.hstack([blocks["q"] & 15, blocks["q"] >> 4]).astype(np.float32) - 8
            yield name, (values * blocks["scale"].astype(np.float32)[:, None]).reshape(-1)


def _name_in_bert(name: str) -> str:
    """`l0.q.w` → `encoder.layer.0.attention.self.query.weight`. Raises KeyError for an unknown part."""
    place, part, *kind = name.split(".")
    end = {"w": "weight", "b": "bias"}.get(*kind) if kind else "weight"
    if place == "emb":
        known = {"word": "word_embeddings", "pos": "position_embeddings", "type": "token_type_embeddings"}
        return f"embeddings.{(known | {'ln': 'LayerNorm'})[part]}.{end}"
    return f"encoder.layer.{place[1:]}.{LAYER[part]}.{end}"
