"""Looking inside a fine-tuned transformer: its attention, and three other answers to "which words decided?".

Attention says where a layer looked. Whether that is why the model decided is another question, which `deletion` puts to
a test: take away the words an explanation names first, and see how fast the decision falls.
"""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from textclf_lesson.base import runtime
from textclf_lesson.base.extras import needed
from textclf_lesson.base.inputs import check_labels, check_texts, whole_number
from textclf_lesson.evaluate import subwords
from textclf_lesson.models import encoders

with needed("train"):
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


if TYPE_CHECKING:
    from textclf_lesson.models.transformer import TransformerClassifier

MARK = (
    "…"  # shows where a text was truncated; `Attention.truncated_at` says so, for a text may have this character itself
)
STEPS = 10  # of the path that integrated gradients adds up


@dataclass(frozen=True)
class Attention:
    """What each token looked at. `weights[layer, head, i, j]`: how much token i took from token j, 0 to 1.

    weights: float32, shape (layers, heads, tokens, tokens); each row sums to 1 until `content` leaves tokens out.
    tokens: their spelling by the tokeniser. special: which of them it added. begins: of each token the word that begins
    there, or None if it goes on with one; by default what BERT's spelling says, `##` before a piece that goes on.
    truncated_at: where the mark of a truncated text stands among the tokens, or None.
    """

    weights: np.ndarray
    tokens: list[str]
    special: list[bool]
    begins: list[str | None] | None = None
    truncated_at: int | None = None

    def words(self) -> "Attention":
        """Tokens merged to words: what a word receives is the sum over its tokens, what it gives their mean."""
        begins = subwords.berts_words(self.tokens) if self.begins is None else self.begins
        starts = [at for at, word in enumerate(begins) if word is not None]
        sizes = np.diff([*starts, len(self.tokens)])
        received = np.add.reduceat(self.weights, starts, axis=3)
        given = np.add.reduceat(received, starts, axis=2) / sizes[:, None]
        return self._of(starts, given, begins, [begins[start] for start in starts])

    def content(self) -> "Attention":
        """Without the special tokens. Rows then sum to less than 1: the rest went to [CLS] and [SEP]."""
        kept = [at for at, special in enumerate(self.special) if not special]
        return self._of(kept, self.weights[:, :, kept][..., kept], self.begins, [self.tokens[at] for at in kept])

    def _of(self, kept: list[int], weights: np.ndarray, begins: list | None, tokens: list[str]) -> "Attention":
        return Attention(
            weights,
            tokens,
            [self.special[at] for at in kept],
            begins and [begins[at] for at in kept],
            kept.index(self.truncated_at) if self.truncated_at in kept else None,
        )

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

    A text of more than `max_length` tokens is truncated, and "…" marks it among `tokens` (a row and column of zeros),
    at `Attention.truncated_at`. The model computes as it did before: eager attention, the only kind that returns
    its weights, is switched on for this call only.

    Raises TypeError or ValueError if the text is blank or not a string, the model returns no attention, or the
    tokeniser does not say which token is of which word.
    """
    text = subwords.readable(text)
    if not tokenizer.is_fast:
        raise ValueError(f"{type(tokenizer).__name__} does not say where its tokens stand: load its fast version.")
    max_length = whole_number("max_length", max_length)
    inputs = tokenizer(
        text,
        truncation=True,
        max_length=max_length,
        return_tensors="pt",
        return_special_tokens_mask=True,
        return_offsets_mapping=True,
    )
    special = [bool(flag) for flag in inputs.pop("special_tokens_mask")[0]]
    places = inputs.pop("offset_mapping")[0].tolist()
    with _eager(model):
        found = getattr(model(**inputs.to(model.device), output_attentions=True), "attentions", None)
    if not found or any(layer is None for layer in found):
        raise ValueError(f"A {type(model).__name__} returns no attention of its layers: use an encoder like BERT.")
    weights = torch.cat(found).float().cpu().numpy()
    tokens, begins = inputs.tokens(), subwords.words(tokenizer, inputs, text, places)
    with encoders.quiet():  # it warns of texts that are longer than the model can read
        whole = len(tokenizer(text)["input_ids"])
    if whole == len(tokens):
        return Attention(weights, tokens, special, begins)
    end = len(tokens) - [*special[::-1], False].index(False)  # before the special tokens that stand last
    weights = np.insert(np.insert(weights, end, 0, axis=2), end, 0, axis=3)
    for column, entry in ((tokens, MARK), (special, True), (begins, MARK)):
        column.insert(end, entry)
    return Attention(weights, tokens, special, begins, end)


METHODS = ("attention", "rollout", "gradients", "occlusion", "random")


def attributions(
    classifier: "TransformerClassifier", texts: Sequence[str], method: str, seed: int = 0, label: Any = None
) -> list[np.ndarray]:
    """For each text a score per token, shape (tokens,): how much it speaks for a class.

    label: which one. By default the one that the classifier predicts; where it answers several labels, each with its
    own probability (a sigmoid), there is none, and `label` must be given.

    "attention": the last layer's, from [CLS], mean of the heads. "rollout": `Attention.rollout`, from [CLS].
    "gradients": integrated gradients (Sundararajan et al. 2017) from a text of [MASK], by captum. "occlusion": how
    much probability is lost if the token becomes [MASK] (Zeiler and Fergus 2014). "random": to compare with.

    "attention" and "rollout" know no label. Special tokens score -inf: nobody can take them away.

    Raises ValueError for an unknown method or label, for none where one is needed, and for a tokeniser without [MASK]
    or [CLS] where the method needs it; TypeError or ValueError as `check_texts` does.
    """
    at = _label(classifier, label, method in ("gradients", "occlusion"))
    if method not in METHODS:
        raise ValueError(f"There is no method {method!r}: choose one of {', '.join(METHODS)}.")
    rng = np.random.default_rng(seed)
    found = []
    texts = check_texts(texts)
    if method in ("gradients", "occlusion"):
        _mask(classifier)
    for text in runtime.progress(texts, method):
        ids, special = _encode(classifier, text)
        if method == "random":
            scores = rng.random(len(ids))
        elif method == "gradients":
            scores = _integrated_gradients(classifier, ids, special, at)
        elif method == "occlusion":
            scores = _occlusion(classifier, ids, at)
        else:
            seen = attention(classifier.model_, classifier.tokenizer_, text, classifier.max_length)
            real = [token for token in range(len(seen.tokens)) if token != seen.truncated_at]
            flow = seen.rollout() if method == "rollout" else seen.weights[-1].mean(axis=0)
            scores = flow[_first(classifier, ids), real]
        found.append(np.where(special, -np.inf, scores))
    return found


def deletion(
    classifier: "TransformerClassifier",
    texts: Sequence[str],
    scores: Sequence[np.ndarray],
    shares: Sequence[float],
    label: Any = None,
) -> np.ndarray:
    """Probability of a class after the highest-scored tokens became [MASK], shape (texts, shares).

    scores: one per token of each text, as `attributions` gives them. shares: parts of a text's tokens to take away, 0
    to 1. label: as in `attributions`. An explanation is the better, the faster this falls (Samek et al. 2017; DeYoung
    et al. 2020 call it comprehensiveness).

    Raises ValueError as `attributions` does, for scores that are not as many as the tokens, and other shares.
    """
    at, mask, texts, scores = _label(classifier, label), _mask(classifier), check_texts(texts), list(scores)
    if len(scores) != len(texts) or not all(0 <= share <= 1 for share in shares):
        raise ValueError(
            f"{len(texts)} texts need as many scores, not {len(scores)}, and shares from 0 to 1: {shares}."
        )
    curves = np.empty((len(texts), len(shares)))
    for row, (text, score) in enumerate(zip(runtime.progress(texts, "deleting"), scores, strict=True)):
        ids, special = _encode(classifier, text)
        if len(score) != len(ids):
            raise ValueError(f"Row {row} has {len(score)} scores for {len(ids)} tokens: pass those of `attributions`.")
        order = np.argsort(-score, kind="stable")[: (~special).sum()]
        variants = ids.repeat(len(shares), 1)
        for variant, share in zip(variants, shares, strict=True):
            variant[order[: round(share * len(order))]] = mask
        chances = _probabilities(classifier, variants)
        chosen = _probabilities(classifier, ids[None])[0].argmax() if at is None else at
        curves[row] = chances[:, chosen]
    return curves


def _is_multi(classifier: "TransformerClassifier") -> bool:
    return classifier.problem_type == "multi_label_classification"


def _label(classifier: "TransformerClassifier", label: Any, needed: bool = True) -> int | None:
    """The position of the class to explain; None for the one that is predicted."""
    names = classifier.classes_.tolist()
    if label is not None:
        return names.index(check_labels([label], allowed=names, at_least=1).tolist()[0])
    if not _is_multi(classifier) or len(names) == 1 or not needed:
        return 0 if len(names) == 1 else None
    raise ValueError(f"This classifier answers several labels: say which to explain, label={names[0]!r}, of {names}.")


def _mask(classifier: "TransformerClassifier") -> int:
    found = classifier.tokenizer_.mask_token_id
    if found is None:
        raise ValueError(
            f"The tokeniser of {classifier.model!r} has no mask token to put in a word's place: ask for the method "
            "'attention', 'rollout' or 'random', which take no words away."
        )
    return found


def _first(classifier: "TransformerClassifier", ids: torch.Tensor) -> int:
    """Where [CLS] stands, whose vector the decision is made from."""
    found = (ids == (-1 if (cls := classifier.tokenizer_.cls_token_id) is None else cls)).nonzero()
    if not len(found):
        raise ValueError(f"The tokeniser of {classifier.model!r} has no [CLS] token, from which to look.")
    return int(found[0, 0])


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
    encoded = classifier.tokenizer_(
        subwords.readable(text), truncation=True, max_length=limit, return_special_tokens_mask=True
    )
    return torch.tensor(encoded["input_ids"]), np.array(encoded["special_tokens_mask"], dtype=bool)


@torch.inference_mode()
def _probabilities(classifier: "TransformerClassifier", ids: torch.Tensor) -> np.ndarray:
    logits = classifier.model_(input_ids=ids.to(classifier.model_.device)).logits.float()
    return (logits.sigmoid() if _is_multi(classifier) else logits.softmax(dim=1)).cpu().numpy()


def _occlusion(classifier: "TransformerClassifier", ids: torch.Tensor, label: int | None) -> np.ndarray:
    variants = ids.repeat(len(ids) + 1, 1)  # row i lacks token i, the last row lacks none
    variants[range(len(ids)), range(len(ids))] = _mask(classifier)
    chances = _probabilities(classifier, variants)
    chosen = chances[-1].argmax() if label is None else label
    return chances[-1, chosen] - chances[:-1, chosen]


def _integrated_gradients(
    classifier: "TransformerClassifier", ids: torch.Tensor, special: np.ndarray, label: int | None
) -> np.ndarray:
    from captum.attr import LayerIntegratedGradients

    model = classifier.model_
    ids = ids[None].to(model.device)
    blank = torch.where(torch.tensor(special, device=ids.device), ids, _mask(classifier))
    explainer = LayerIntegratedGradients(lambda batch: model(input_ids=batch).logits, model.get_input_embeddings())
    chosen = int(_probabilities(classifier, ids)[0].argmax()) if label is None else label
    parts = explainer.attribute(ids, blank, target=chosen, n_steps=STEPS, internal_batch_size=STEPS)
    return parts.sum(dim=2)[0].detach().cpu().numpy()
