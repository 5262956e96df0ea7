"""Looking inside a fine-tuned transformer: its attention, and three other answers to "which words decided?".

Attention says where a layer looked. Whether that is why the model decided is another question, which `deletion` puts to
a test: take away the words an explanation names first, and see how fast the decision falls.
"""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from textclf_lesson import course, models
from textclf_lesson.inputs import check_texts

if TYPE_CHECKING:
    from textclf_lesson.transformer import TransformerClassifier

MARK = "…"  # stands last among the tokens of a text that was cut
STEPS = 10  # of the path that integrated gradients adds up


@dataclass(frozen=True)
class Attention:
    """What each token looked at. `weights[layer, head, i, j]`: how much token i took from token j, 0 to 1.

    weights: float32, shape (layers, heads, tokens, tokens); each row sums to 1 until `content` leaves tokens out.
    tokens: their spelling, `##` before a piece that continues a word. special: which of them the tokeniser added.
    """

    weights: np.ndarray
    tokens: list[str]
    special: list[bool]

    def words(self) -> "Attention":
        """Pieces merged to words: what a word receives is the sum over its pieces, what it gives their mean."""
        starts = [at for at, token in enumerate(self.tokens) if not token.startswith("##")]
        sizes = np.diff([*starts, len(self.tokens)])
        received = np.add.reduceat(self.weights, starts, axis=3)
        given = np.add.reduceat(received, starts, axis=2) / sizes[:, None]
        pieces = [self.tokens[start : start + size] for start, size in zip(starts, sizes, strict=True)]
        names = ["".join(token.removeprefix("##") for token in word) for word in pieces]
        return replace(self, weights=given, tokens=names, special=[self.special[start] for start in starts])

    def content(self) -> "Attention":
        """Without the special tokens. Rows then sum to less than 1: the rest went to [CLS] and [SEP]."""
        kept = [at for at, special in enumerate(self.special) if not special]
        weights = self.weights[:, :, kept][..., kept]
        return replace(self, weights=weights, tokens=[self.tokens[at] for at in kept], special=[False] * len(kept))

    def rollout(self) -> np.ndarray:
        """Attention followed through all layers, shape (tokens, tokens), rows sum to 1 (Abnar and Zuidema 2020).

        Each layer passes on half of its input untouched (the residual connection) and half by the mean of its heads.
        """
        flow = np.eye(len(self.tokens))
        for layer in self.weights.mean(axis=1):
            flow = (layer + np.eye(len(layer))) / 2 @ flow
        return flow


@torch.inference_mode()
def attention(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, text: str, max_length: int = 128
) -> Attention:
    """The attention of every layer and head for one text.

    A text of more than `max_length` tokens is cut, and "…" marks the place among `tokens` (a row and column of zeros).
    The model computes as it did before: eager attention, which alone gives its weights away, is switched on for this
    call only. Raises TypeError or ValueError if the text is blank or not a string.
    """
    text = check_texts([text])[0]
    inputs = tokenizer(
        text, truncation=True, max_length=max_length, return_tensors="pt", return_special_tokens_mask=True
    )
    special = [bool(flag) for flag in inputs.pop("special_tokens_mask")[0]]
    with _eager(model):
        found = model(**inputs.to(model.device), output_attentions=True).attentions
    weights = torch.cat(found).float().cpu().numpy()
    tokens = inputs.tokens()
    with models.quiet():  # it warns of texts that are longer than the model can read
        whole = len(tokenizer(text)["input_ids"])
    if whole > len(tokens):
        end = len(tokens) - 1  # before the last special token
        weights = np.insert(np.insert(weights, end, 0, axis=2), end, 0, axis=3)
        tokens, special = [*tokens[:end], MARK, *tokens[end:]], [*special[:end], True, *special[end:]]
    return Attention(weights, tokens, special)


METHODS = ("attention", "rollout", "gradients", "occlusion", "random")


def attributions(
    classifier: "TransformerClassifier", texts: Sequence[str], method: str, seed: int = 0
) -> list[np.ndarray]:
    """For each text a score per token, shape (tokens,): how much it speaks for the class the classifier predicts.

    "attention": the last layer's, from [CLS], mean of the heads. "rollout": `Attention.rollout`, from [CLS].
    "gradients": integrated gradients (Sundararajan et al. 2017) from a text of [MASK], by captum. "occlusion": how
    much probability is lost if the token becomes [MASK] (Zeiler and Fergus 2014). "random": to compare with.

    Special tokens score -inf: nobody can take them away. Raises ValueError for an unknown method.
    """
    if method not in METHODS:
        raise ValueError(f"There is no method {method!r}: choose one of {', '.join(METHODS)}.")
    rng = np.random.default_rng(seed)
    found = []
    for text in course.progress(check_texts(texts), method):
        ids, special = _encode(classifier, text)
        if method == "random":
            scores = rng.random(len(ids))
        elif method == "gradients":
            scores = _integrated_gradients(classifier, ids, special)
        elif method == "occlusion":
            scores = _occlusion(classifier, ids, special)
        else:
            seen = attention(classifier.model_, classifier.tokenizer_, text, classifier.max_length)
            real = [at for at, token in enumerate(seen.tokens) if token != MARK]
            flow = seen.rollout() if method == "rollout" else seen.weights[-1].mean(axis=0)
            scores = flow[0, real]
        found.append(np.where(special, -np.inf, scores))
    return found


def deletion(
    classifier: "TransformerClassifier", texts: Sequence[str], scores: Sequence[np.ndarray], shares: Sequence[float]
) -> np.ndarray:
    """Probability of the predicted class after the highest-scored tokens became [MASK], shape (texts, shares).

    shares: parts of a text's tokens to take away, 0 to 1. An explanation is the better, the faster this falls (Samek et
    al. 2017; DeYoung et al. 2020 call it comprehensiveness).
    """
    curves = np.empty((len(texts), len(shares)))
    for row, (text, score) in enumerate(zip(course.progress(texts, "deleting", len(texts)), scores, strict=True)):
        ids, special = _encode(classifier, text)
        order = np.argsort(-score, kind="stable")[: (~special).sum()]
        variants = ids.repeat(len(shares), 1)
        for at, share in enumerate(shares):
            variants[at, order[: round(share * len(order))]] = classifier.tokenizer_.mask_token_id
        chances = _probabilities(classifier, variants)
        predicted = _probabilities(classifier, ids[None])[0].argmax()
        curves[row] = chances[:, predicted]
    return curves


@contextlib.contextmanager
def _eager(model: PreTrainedModel) -> Iterator[None]:
    before = model.config._attn_implementation
    model.set_attn_implementation("eager")
    try:
        yield
    finally:
        model.set_attn_implementation(before)


def _encode(classifier: "TransformerClassifier", text: str) -> tuple[torch.Tensor, np.ndarray]:
    """Token ids, int64 (tokens,), and which of them are special, bool (tokens,)."""
    limit = classifier.max_length
    encoded = classifier.tokenizer_(text, truncation=True, max_length=limit, return_special_tokens_mask=True)
    return torch.tensor(encoded["input_ids"]), np.array(encoded["special_tokens_mask"], dtype=bool)


@torch.inference_mode()
def _probabilities(classifier: "TransformerClassifier", ids: torch.Tensor) -> np.ndarray:
    logits = classifier.model_(input_ids=ids.to(classifier.model_.device)).logits.float()
    return logits.softmax(dim=1).cpu().numpy()


def _occlusion(classifier: "TransformerClassifier", ids: torch.Tensor, special: np.ndarray) -> np.ndarray:
    variants = ids.repeat(len(ids) + 1, 1)  # row i lacks token i, the last row lacks none
    variants[range(len(ids)), range(len(ids))] = classifier.tokenizer_.mask_token_id
    chances = _probabilities(classifier, variants)
    predicted = chances[-1].argmax()
    return chances[-1, predicted] - chances[:-1, predicted]


def _integrated_gradients(classifier: "TransformerClassifier", ids: torch.Tensor, special: np.ndarray) -> np.ndarray:
    from captum.attr import LayerIntegratedGradients

    model = classifier.model_
    ids = ids[None].to(model.device)
    blank = torch.where(torch.tensor(special, device=ids.device), ids, classifier.tokenizer_.mask_token_id)
    explainer = LayerIntegratedGradients(lambda batch: model(input_ids=batch).logits, model.get_input_embeddings())
    predicted = int(_probabilities(classifier, ids)[0].argmax())
    parts = explainer.attribute(ids, blank, target=predicted, n_steps=STEPS, internal_batch_size=STEPS)
    return parts.sum(dim=2)[0].detach().cpu().numpy()
