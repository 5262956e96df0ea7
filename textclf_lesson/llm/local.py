"""A language model on this machine as a classifier: it writes nothing, it is asked how likely each label would be."""

import functools
from collections.abc import Iterable, Mapping, Sequence
from copy import deepcopy
from itertools import takewhile
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import softmax

from textclf_lesson.assets import cache
from textclf_lesson.base.extras import needed
from textclf_lesson.base.runtime import progress
from textclf_lesson.llm.prompted import Examples, PromptedClassifier
from textclf_lesson.llm.prompts import Template

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

GGUF = "SmolLM2-135M-Instruct.Q4_1.gguf"
CONTENT_FREE = ("N/A", "[MASK]", "")  # the three of Zhao et al. (2021)
PRIOR_TEXTS = 50
BATCH_TOKENS = 2048


class LocalLLM(PromptedClassifier):
    """Zero- and few-shot classification by label log-likelihoods, with no generation and no network.

    Each text becomes the same conversation that `LLMClassifier` sends. The score of a label is the log-probability
    that the model answers with its name, summed over the name's tokens. Calibration divides the label probabilities
    by a prior, which takes out the model's liking for one name whatever the text says.

    Args (for the others see `PromptedClassifier`):
        calibrate: what the prior is. "content-free": the mean answer, in the same prompt, to "N/A", "[MASK]" and ""
            (contextual calibration: Zhao et al., 2021, *Calibrate Before Use*). "texts": the mean answer to fifty
            texts of `fit`, whose labels are not looked at; it supposes the classes to be about equally frequent
            (Zhou et al., 2024, *Batch Calibration*). None: no prior.

    What prompts have in common is computed once. On the same machine the same call gives the same result. The weights
    are held once for all instances and by none of them, so clones and pickles stay small.

    >>> model = LocalLLM({"positive": "the writer liked it", "negative": "the writer did not"})
    >>> model.fit().predict(["A warm, funny film."])  # doctest: +SKIP
    array(['positive'], dtype='<U8')
    """

    def __init__(
        self,
        labels: Mapping | None = None,
        template: str | Template = "labels",
        shots: int = 0,
        selection: str = "random",
        seed: int = 0,
        max_chars: int = 2000,
        calibrate: str | None = "content-free",
    ) -> None:
        super().__init__(labels, template, shots, selection, seed, max_chars)
        self.calibrate = calibrate

    def fit(self, texts: Iterable[str] | None = None, y: Iterable | None = None) -> "LocalLLM":
        """As `PromptedClassifier.fit`. Raises ValueError too if `calibrate` is unknown or there are no texts for it."""
        if self.calibrate not in ("content-free", "texts", None):
            raise ValueError(f'calibrate={self.calibrate!r} must be "content-free", "texts" or None.')
        super().fit(texts, y)
        if self.calibrate == "texts" and not self.texts_:
            raise ValueError('calibrate="texts" needs texts: call fit(texts), with or without labels.')
        self._prior = None
        return self

    def predict_proba(self, texts: Iterable[str]) -> np.ndarray:
        """Probabilities, shape (texts, classes), in the order of `classes_`.

        Raises TypeError or ValueError for a text that is missing, blank, or with its examples longer than the model's
        window; AssetError if the weights cannot be fetched.
        """
        texts = self._checked(texts)
        examples = self._examples(texts)
        result = self._likely(texts, examples) / self._priors(examples)
        return result / result.sum(axis=1, keepdims=True)

    def count_tokens(self, text: str) -> int:
        """How many tokens the whole prompt for this text has."""
        return len(self._tokens(text, self._examples([text])[0]))

    def _priors(self, examples: list[Examples]) -> np.ndarray | float:
        """How likely each label is whatever the text says, after these examples; shape (texts or 1, classes)."""
        if self.calibrate is None:
            return 1.0
        if self.calibrate == "texts":
            if self._prior is None:
                draw = np.random.default_rng(self.seed).permutation(len(self.texts_))[:PRIOR_TEXTS]
                texts = [self.texts_[row] for row in draw]
                self._prior = self._likely(texts, self._examples(texts)).mean(axis=0)
            return self._prior
        distinct = {shown: place for place, shown in enumerate(dict.fromkeys(examples))}
        asked = [(text, shown) for shown in distinct for text in CONTENT_FREE]
        priors = self._likely(*zip(*asked, strict=True)).reshape(len(distinct), len(CONTENT_FREE), -1).mean(axis=1)
        return priors[[distinct[shown] for shown in examples]]

    def _likely(self, texts: Sequence[str], examples: Sequence[Examples]) -> np.ndarray:
        """Uncalibrated probabilities, shape (texts, classes)."""
        prompts = [self._tokens(text, shown) for text, shown in zip(texts, examples, strict=True)]
        return softmax(self._label_scores(prompts), axis=1)

    def _tokens(self, text: str, examples: Examples) -> list[int]:
        tokenizer, model = smollm2()
        turns = self._messages(text, examples)
        tokens = tokenizer.apply_chat_template(turns, add_generation_prompt=True, return_dict=False)
        room = model.config.max_position_embeddings - 32  # for the label
        if len(tokens) > room:
            raise ValueError(
                f"The prompt has {len(tokens)} tokens and the model reads {room}: lower shots or max_chars. The text "
                f"begins {text[:40]!r}."
            )
        return tokens

    def _label_scores(self, prompts: list[list[int]]) -> np.ndarray:
        """Log-probability of each label's name after each prompt, shape (prompts, classes)."""
        with needed("train"):
            import torch

        from textclf_lesson.models.tokens import batches

        tokenizer, model = smollm2()
        names = [tokenizer(label.name, add_special_tokens=False)["input_ids"] for label in self.labels_]
        columns = zip(*(prompt[:-1] for prompt in prompts), strict=False)  # one token at least is left to each
        shared = [column[0] for column in takewhile(lambda column: len(set(column)) == 1, columns)]
        result = np.empty((len(prompts), len(names)))
        with torch.inference_mode():
            prefix = model(torch.tensor([shared], device=model.device), logits_to_keep=1).past_key_values
            for rows in progress(batches([len(prompt) - len(shared) for prompt in prompts], BATCH_TOKENS), "batches"):
                rests = [prompts[row][len(shared) :] for row in rows]
                result[rows] = _continuations(model, prefix, len(shared), rests, names)
        return result


def _continuations(model, prefix, shared: int, rests: list[list[int]], names: list[list[int]]) -> np.ndarray:
    """Scores each name after `prefix` + rest, for one batch; shape (rests, names).

    The first tokens of all names come out of one pass over the rests (padded on the left, so that all end together).
    Only names of several tokens take a second pass, over the names alone.
    """
    with needed("train"):
        import torch

    longest = max(map(len, rests))
    tokens = torch.tensor([[0] * (longest - len(rest)) + rest for rest in rests], device=model.device)
    read = torch.tensor([[1] * shared + [0] * (longest - len(rest)) + [1] * len(rest) for rest in rests])
    cache = deepcopy(prefix)  # each pass writes into what it is given
    cache.batch_repeat_interleave(len(rests))
    scores = _forward(model, tokens, read, cache, keep=1)[:, -1, [name[0] for name in names]]
    tail = max(map(len, names)) - 1
    if tail:
        cache.batch_repeat_interleave(len(names))
        fed = torch.tensor([name[:-1] + [0] * (tail + 1 - len(name)) for name in names] * len(rests))
        room = torch.ones(len(rests) * len(names), tail, dtype=torch.long)
        read = torch.cat([read.repeat_interleave(len(names), 0), room], 1)
        logits = _forward(model, fed.to(model.device), read, cache, keep=tail).view(len(rests), len(names), tail, -1)
        for column, name in enumerate(names):
            for place, token in enumerate(name[1:]):
                scores[:, column] += logits[:, column, place, token]
    return scores.cpu().numpy()


def _forward(model, tokens, read, cache, keep: int):
    """Log-probabilities after the last `keep` tokens. `read` marks what of cache and tokens together is no padding."""
    read = read.to(model.device)
    places = (read.cumsum(-1) - 1).clamp(min=0)[:, -tokens.shape[1] :]
    out = model.base_model(tokens, attention_mask=read, position_ids=places, past_key_values=cache)
    head = model.get_output_embeddings().weight.float()  # in bfloat16 a log-probability of -8 would have steps of 0.06
    return (out.last_hidden_state[:, -keep:].float() @ head.T).log_softmax(-1)


@functools.cache
def smollm2() -> "tuple[PreTrainedTokenizerBase, PreTrainedModel]":
    """SmolLM2-135M-Instruct, loaded once in a process: on the GPU if there is one, in bfloat16 where the hardware
    computes with it, else in float32. Raises AssetError if the weights cannot be fetched."""
    with needed("train"):
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    from textclf_lesson.base.machine import has_bf16
    from textclf_lesson.models import encoders

    folder, dtype = cache.fetch("smollm2"), torch.bfloat16 if has_bf16() else torch.float32
    whole = GgufConfig(dequantize=True)  # else each product unpacks its four-bit weights anew
    with encoders.quiet():
        tokenizer = AutoTokenizer.from_pretrained(folder, gguf_file=GGUF)
        model = AutoModelForCausalLM.from_pretrained(folder, gguf_file=GGUF, quantization_config=whole, dtype=dtype)
    return tokenizer, model.eval().to("cuda" if torch.cuda.is_available() else "cpu")
