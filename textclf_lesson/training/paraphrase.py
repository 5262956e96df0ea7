"""Other words for the same thing: a language model that rewrites, and a pair of translators that go there and back.

Both have EDA's interface: `augment(text, n)` and `augment_all(texts, n)`.
"""

import functools
from collections.abc import Iterable, Sequence
from numbers import Integral

import torch

from textclf_lesson.base import machine, runtime
from textclf_lesson.base.inputs import check_texts
from textclf_lesson.llm import local
from textclf_lesson.models import encoders

REWRITE = "Rewrite the sentence in other words. Keep its meaning and its opinion. Answer with one sentence only."
EXAMPLES = (  # shown before the text, for small models follow an example better than an instruction
    (
        "The plot makes no sense, but I laughed all the way through.",
        "I never stopped laughing, though the story is absurd.",
    ),
    ("Nobody should have to sit through this.", "Do not make anyone watch it."),
)
BATCH = 32  # texts that are written at once
LONGEST = 60  # tokens of an answer
_QUOTES = "\"'“”‘’ "


class Paraphraser:
    """A language model with the instruction to rewrite a sentence.

    Args:
        model: "smollm2" (SmolLM2-135M-Instruct, which the course brings: small, and often wrong), a folder or a hub id
            of an instruction-tuned model, say "Qwen/Qwen3-4B-Instruct-2507".
        instruction: Another one makes another rewriter: "Translate the sentence into German."
        examples: pairs (sentence, answer) that are shown first.
        temperature: above 0. Low repeats the text, high leaves its meaning. The lesson measures it.
        seed: the same seed and the same list of texts give the same result on the same machine.

    >>> Paraphraser(seed=0).augment("A warm, funny film.", n=2)  # doctest: +SKIP
    ['A funny and warm film.', 'The film is warm and funny.']
    """

    def __init__(
        self,
        model: str = "smollm2",
        instruction: str = REWRITE,
        examples: Sequence[tuple[str, str]] = EXAMPLES,
        temperature: float = 0.7,
        seed: int = 0,
    ):
        self.model = model
        self.instruction = instruction
        self.examples = examples
        self.temperature = temperature
        self.seed = seed

    def augment(self, text: str, n: int = 4) -> list[str]:
        """Up to n rewritings, all different, none of them `text`; as the model wrote them, right or wrong."""
        return self.augment_all([text], n)[0]

    def augment_all(self, texts: Iterable[str], n: int = 4) -> list[list[str]]:
        """`augment` for each of the texts, in order, many at a time.

        Raises TypeError or ValueError if a text is missing, blank or not a string, or n is not a whole number from 0
        up; ModelError or AssetError if the model cannot be had.
        """
        texts = check_texts(texts)
        tokenizer, model = _writer(self.model)
        chats = [self._chat(text) for text in texts]
        prompts = [tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True) for chat in chats]
        written = _write(tokenizer, model, prompts, n, self.seed, temperature=self.temperature, top_p=0.9)
        return [_kept(text, variants) for text, variants in zip(texts, written, strict=True)]

    def _chat(self, text: str) -> list[dict[str, str]]:
        chat = []
        for sentence, answer in (*self.examples, (text, None)):
            chat += [{"role": "user", "content": f"{self.instruction}\n\nSentence: {sentence}"}]
            chat += [{"role": "assistant", "content": answer}] if answer else []
        return chat


class BackTranslator:
    """Into another language and back again (Sennrich et al. 2016; for classifiers Xie et al. 2020, UDA).

    there, back: folders or hub ids of translation models with safetensors weights. The course brings none: no archive
    of the package index carries sound ones. The defaults (Tiedemann and Thottingal 2020, OPUS-MT; about 300 MB each)
    are fetched from the hub, and their tokenisers need `pip install sentencepiece sacremoses`.
    seed: as in `Paraphraser`. Variety comes from sampling on the way there; the way back is the likeliest one.
    """

    def __init__(
        self, there: str = "Helsinki-NLP/opus-mt-en-de", back: str = "Helsinki-NLP/opus-mt-de-en", seed: int = 0
    ):
        self.there = there
        self.back = back
        self.seed = seed

    def augment(self, text: str, n: int = 4) -> list[str]:
        """Up to n texts that came back, all different, none of them `text`."""
        return self.augment_all([text], n)[0]

    def augment_all(self, texts: Iterable[str], n: int = 4) -> list[list[str]]:
        """`augment` for each of the texts, in order. Raises as `Paraphraser.augment_all` does."""
        texts = check_texts(texts)
        abroad = _write(*_writer(self.there, translates=True), texts, n, self.seed, temperature=1.0, top_p=0.9)
        back = _write(*_writer(self.back, translates=True), [text for row in abroad for text in row], 1, self.seed)
        home = iter(text for (text,) in back)
        return [_kept(text, [next(home) for _ in row]) for text, row in zip(texts, abroad, strict=True)]


@torch.inference_mode()
def _write(tokenizer, model, prompts: list[str], n: int, seed: int, **sampling) -> list[list[str]]:
    """What the model writes after each prompt, n times; greedily unless `sampling` says how to draw."""
    if not isinstance(n, Integral) or n < 0:
        raise ValueError(f"n={n!r} does not fit: how many texts you want is a whole number from 0 up.")
    options = {"do_sample": bool(sampling), "num_return_sequences": n, "pad_token_id": tokenizer.pad_token_id}
    written: list[list[str]] = [[] for _ in prompts]
    order = sorted(range(len(prompts)), key=lambda row: len(prompts[row]))  # like lengths together: little padding
    side = "right" if model.config.is_encoder_decoder else "left"  # where an answer is written on, padding comes before
    with runtime.random_state_kept():
        torch.manual_seed(seed)
        for start in runtime.progress(range(0, len(order) if n else 0, BATCH), "writing"):
            rows = order[start : start + BATCH]
            asked = [prompts[row] for row in rows]
            inputs = tokenizer(asked, return_tensors="pt", padding=True, padding_side=side, truncation=True)
            inputs = {name: inputs[name].to(model.device) for name in ("input_ids", "attention_mask")}
            tokens = model.generate(**inputs, max_new_tokens=LONGEST, **options, **sampling)
            if not model.config.is_encoder_decoder:
                tokens = tokens[:, inputs["input_ids"].shape[1] :]  # without the prompt
            texts = tokenizer.batch_decode(tokens, skip_special_tokens=True)
            for place, row in enumerate(rows):
                written[row] = texts[place * n : (place + 1) * n]
    return written


def _kept(text: str, variants: list[str]) -> list[str]:
    """The first line of each, without quotation marks around it; without repetitions, blanks and the text itself."""
    lines = [variant.strip().partition("\n")[0].removeprefix("Sentence:").strip(_QUOTES) for variant in variants]
    return [line for line in dict.fromkeys(lines) if line and line != text.strip(_QUOTES)]


@functools.lru_cache(maxsize=2)
def _writer(name: str, translates: bool = False):
    """Tokeniser and model, on the GPU if there is one, in bfloat16 where the hardware computes with it."""
    from transformers import AutoModelForCausalLM, AutoModelForSeq2SeqLM, AutoTokenizer

    if name == "smollm2":
        return local.smollm2()
    kind = AutoModelForSeq2SeqLM if translates else AutoModelForCausalLM
    with encoders.loading(name) as source:
        tokenizer = AutoTokenizer.from_pretrained(source)
        dtype = torch.bfloat16 if machine.has_bf16() else torch.float32
        model = kind.from_pretrained(source, dtype=dtype, use_safetensors=True).eval()
    return tokenizer, model.to("cuda" if torch.cuda.is_available() else "cpu")
