"""The items of exercise 4: fine-tuning a transformer."""

import tempfile
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from textclf_lesson import data
from textclf_lesson.base.errors import CheckFailed
from textclf_lesson.check.core import Answer, guess, item
from textclf_lesson.check.quiz import questions, quiz  # noqa: F401
from textclf_lesson.check.sources import runs
from textclf_lesson.check.values import compare, short
from textclf_lesson.evaluate import evidence, metrics
from textclf_lesson.models import encoders

__getattr__ = guess(__name__)

# --- finetuning -------------------------------------------------------------------------------------------------------

FULL = 128  # tokens of a row, where tutorials pad to a fixed length
PLAIN = str | int | float | bool | None


@cache
def _tokenizer() -> Any:
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(Path(encoders.locate("minilm")) / "tokenizer.json"))
    tokenizer.no_padding()
    return tokenizer


@item
def word_tokens(answer: Answer, seed: int = 0) -> Iterator[str]:
    """Takes a word and the vocabulary, a set of tokens; returns the WordPiece tokens that the word is split into."""
    vocabulary = set(_tokenizer().get_vocab())
    for word in ["unwatchable", "overlong", "dullards", "gem☺"] if seed else ["unfilmable", "blandness", "film", "☺"]:
        value = answer(word, vocabulary)
        if not isinstance(value, list | tuple) or not all(isinstance(token, str) for token in value):
            raise CheckFailed("Return a list of strings, the tokens in the order of the word.")
        got, expected = list(value), _split(word, vocabulary)
        bare = [token.removeprefix("##") for token in expected]
        hints = {
            "A token inside a word is another entry of the vocabulary than the same letters at its "
            "start. Where is its ##?": (bare),
            "Those tokens are in the vocabulary, but not the longest. Take the *longest* that fits, from the left.": (
                _split(word, vocabulary, shortest=True)
            ),
        }
        if got != expected:
            unknown = f"At some point no token fits in {word!r}. Then the whole word is one token, [UNK]."
            otherwise = unknown if expected == ["[UNK]"] else f"{word!r} is not split as the tokeniser splits it."
            raise CheckFailed(next((hint for hint, wrong in hints.items() if got == wrong), otherwise))
        yield " · ".join(expected)


def _split(word: str, vocabulary: set[str], shortest: bool = False) -> list[str]:
    tokens, at = [], 0
    while at < len(word):
        ends = range(at + 1, len(word) + 1) if shortest else range(len(word), at, -1)
        found = next((end for end in ends if "##" * (at > 0) + word[at:end] in vocabulary), None)
        if found is None:
            return ["[UNK]"]
        tokens.append("##" * (at > 0) + word[at:found])
        at = found
    return tokens


@cache
def _first_layer() -> tuple[np.ndarray, ...]:
    """Queries, keys and values of MiniLM's first layer for a sentence, each of shape (12 heads, 15 tokens, 32)."""
    import torch

    network, tokenizer = encoders.encoder("minilm")
    inputs = tokenizer("It's not a bad premise, just a bad movie.", return_tensors="pt")
    layer = network.encoder.layer[0].attention.self
    with torch.inference_mode():
        vectors = network.embeddings(input_ids=inputs["input_ids"])
        parts = [linear(vectors) for linear in (layer.query, layer.key, layer.value)]
    return tuple(part.view(-1, 12, 32).transpose(0, 1).numpy().astype(float) for part in parts)


@item
def attend(answer: Answer, seed: int = 0) -> Iterator[str]:
    """Takes queries (n, d), keys and values (m, d); returns for each query the weighted mean of the values (n, d)."""
    queries, keys, values = (part[seed] for part in _first_layer())
    queries = queries[:5]  # fewer than keys, so that a softmax along the wrong axis is noticed
    n, d = queries.shape
    got = answer(queries, keys, values)
    if isinstance(got, np.ndarray) and got.shape == (n, len(keys)):
        raise CheckFailed(
            f"You return {n} × {len(keys)} weights or scores. Asked is what each token receives: the mean of the "
            "values, weighted by them."
        )
    got = answer.array(queries, keys, values, shape=(n, d))
    scores = queries @ keys.T
    hints = {
        "The scores are not divided by √d. With long vectors the softmax would look at one token only.": (
            _softmax(scores) @ values
        ),
        "The scores are divided by d; it should be the square root of d.": _softmax(scores / d) @ values,
        "Each token's weights should add up to 1: the softmax runs along the wrong axis.": (
            _softmax(scores / d**0.5, axis=0) @ values
        ),
        "Those are the scores times the values: the softmax is missing.": scores / d**0.5 @ values,
        "That is the plain mean of all values, whatever the queries are.": np.tile(values.mean(axis=0), (n, 1)),
    }
    compare(got, _softmax(scores / d**0.5) @ values, hints, "It is off: scores, softmax, weighted mean.", 1e-4)
    yield "what five tokens of a sentence receive in MiniLM's first layer"
    got = answer.array(1000 * queries, keys, values, shape=(n, d))
    if not np.isfinite(got).all():
        raise CheckFailed(
            "With large scores your result is not finite: exp overflows. Subtract each row's largest score first; "
            "that changes no weight."
        )
    compare(got, _softmax(1000 * scores / d**0.5) @ values, {}, "With large scores it is off.", 1e-4)
    yield "large scores too"


def _softmax(scores: np.ndarray, axis: int = 1) -> np.ndarray:
    powers = np.exp(scores - scores.max(axis=axis, keepdims=True))
    return powers / powers.sum(axis=axis, keepdims=True)


@item
def todays_settings(answer: Answer, seed: int = 0) -> Iterator[str]:
    """Takes the settings of an old snippet; returns today's, which keep the epoch with the best accuracy."""
    old = {"output_dir": "out", "evaluation_strategy": "epoch", "warmup_ratio": 0.1 + seed / 100, "no_cuda": not seed}
    old |= {"group_by_length": not seed, "overwrite_output_dir": True, "logging_dir": "logs"}
    kept = {"learning_rate": 1e-4 / (1 + seed), "num_train_epochs": 3 + seed, "per_device_train_batch_size": 16}
    settings = answer(old | kept)
    if not isinstance(settings, Mapping) or not all(
        isinstance(k, str) and isinstance(v, PLAIN) for k, v in settings.items()
    ):
        raise CheckFailed("Return a dictionary of settings, their names and plain values.")
    built = _arguments(dict(settings), old)
    for name, value in kept.items():
        if getattr(built, name) != value:
            raise CheckFailed(f"`{name}` was {short(value)} in the old snippet; in yours it is {getattr(built, name)}.")
    if built.warmup_steps != old["warmup_ratio"]:
        raise CheckFailed(
            f"The rate should rise during the first {old['warmup_ratio']:.0%} of the steps. In yours warmup_steps "
            f"is {built.warmup_steps:g}: a number below 1 is a share of the steps, from 1 on it is a number of steps."
        )
    if (
        built.use_cpu != old["no_cuda"]
        or (built.train_sampling_strategy == "group_by_length") != old["group_by_length"]
    ):
        raise CheckFailed("`no_cuda` or `group_by_length` is no longer what the old snippet asked for.")
    yield "today's names with the old values"
    if not built.load_best_model_at_end:
        raise CheckFailed("Trainer would keep the last epoch. The last need not be the best.")
    if built.eval_strategy != "epoch" or built.save_strategy != "epoch":
        raise CheckFailed(
            "To go back to the best epoch, Trainer must evaluate *and* save each one. Look at both strategies."
        )
    if str(built.metric_for_best_model).removeprefix("eval_") != "accuracy" or not built.greater_is_better:
        raise CheckFailed(
            "With these settings the best epoch is not that of the highest accuracy. Which metric chooses it?"
        )
    yield "the epoch with the best accuracy is kept"


def _arguments(settings: dict[str, Any], old: dict[str, Any]) -> Any:
    """The TrainingArguments of these settings. Raises CheckFailed with what is wrong with them."""
    import inspect

    from transformers import TrainingArguments

    for name in settings.keys() - set(inspect.signature(TrainingArguments).parameters):
        gone = "is an old name" if name in old else "is not a setting"
        raise CheckFailed(f"`{name}` {gone}: today's TrainingArguments raises an error. The table in 4.3 may help.")
    with tempfile.TemporaryDirectory() as folder:
        try:
            return TrainingArguments(**settings | {"output_dir": folder})
        except Exception as error:
            first = " ".join(str(error).split())[:160]
            raise CheckFailed(f"TrainingArguments refuses these settings: {first}") from None


@cache
def _lengths() -> np.ndarray:
    """How many tokens each film sentence has, [CLS] and [SEP] included."""
    texts = data.load("movie-snippets")["train"].shuffle(seed=0).select(range(2000))["text"][:]
    return np.array([len(row.ids) for row in _tokenizer().encode_batch(texts)])


@item
def padded_tokens(answer: Answer, seed: int = 0) -> Iterator[str]:
    """Takes lengths of rows, a batch size, max_length; returns {"fixed", "longest", "alike", "lost"}."""
    lengths, size, most = np.random.default_rng(seed).permutation(_lengths())[: 1990 - seed], 32 + seed, 32 - seed
    record = answer.record(["fixed", "longest", "alike", "lost"], lengths, size, most)
    got = {key: answer.as_number(record[key], f"`{key}`") for key in ("fixed", "longest", "alike")}
    compare(got["fixed"], FULL * len(lengths), {
        "`fixed` is the sum of the lengths: the padding is missing, and the model computes it too.": lengths.sum(),
        "`fixed` counts full batches only; rows of the last batch have 128 tokens too.": (
            FULL * (len(lengths) // size) * size
        ),
    }, "`fixed`: every row has 128 tokens, whatever its length.")  # fmt: skip
    for key, rows in {"longest": lengths, "alike": np.sort(lengths)}.items():
        batches = _batches(rows, size)
        if key == "alike" and got[key] == _computed(_batches(rows[::-1], size)):
            continue  # the longest first: as good, only the last batch is another
        compare(got[key], _computed(batches), {
            f"`{key}`: the last batch is smaller; count its rows.": sum(size * b.max() for b in batches),
            f"`{key}`: the last batch is missing. It is smaller, but computed too.": _computed(batches[:-1]),
            f"`{key}` is the sum of the lengths: no padding is counted.": lengths.sum(),
            f"`{key}`: a batch is as wide as *its own* longest row, not as the longest of all.": (
                lengths.max() * len(lengths)
            ),
            f"`{key}`: here rows stay in the order given; only `alike` puts similar lengths together.": (
                _computed(_batches(np.sort(lengths), size))
            ),
            f"`{key}`: rows are in the order given. Which rows should share a batch?": (
                _computed(_batches(lengths, size))
            ),
        }, f"`{key}` is wrong: multiply the rows of each batch by its longest row, then sum.")  # fmt: skip
    for key, tokens in got.items():
        yield f"{key}: {lengths.sum() / tokens:.0%} of the tokens are text"
    expected = (lengths - lengths.clip(max=most)).sum() / lengths.sum()
    hints = {
        "`lost` is the share of *rows* that are truncated; what share of all *tokens* is dropped?": (
            (lengths > most).mean()
        ),
        "`lost` is the share that is kept; what share is dropped?": 1 - expected,
        "`lost` should be a share between 0 and 1, not a number of tokens.": expected * lengths.sum(),
        "`lost` should be a share between 0 and 1, not a percentage.": 100 * expected,
        "`lost` is less than it should be: short rows must not count below zero.": (
            (lengths - most).sum() / lengths.sum()
        ),
    }
    otherwise = "`lost` is not the tokens beyond `max_length` over all tokens."
    compare(answer.as_number(record["lost"], "`lost`"), expected, hints, otherwise, 0.002)
    yield f"truncated at {most}: {expected:.0%} of the tokens are dropped"


def _batches(rows: np.ndarray, size: int) -> list[np.ndarray]:
    return [rows[start : start + size] for start in range(0, len(rows), size)]


def _computed(batches: list[np.ndarray]) -> int:
    return sum(len(batch) * int(batch.max()) for batch in batches)


# --- gains ------------------------------------------------------------------------------------------------------------

LEVELS = ("stay", "frozen", "fine-tune")  # in the order of cost
N_ROWS = 1051  # validation rows of movie-snippets


@cache
def _seeds() -> dict[float, list[float]]:
    """Accuracies of three seeds at each learning rate, a thousand rows (studies/learning_rate.py)."""
    rows = runs("learning_rate").query("rows == 1000")
    return {rate: group.tolist() for rate, group in rows.groupby("learning_rate")["accuracy"]}


@item
def seed_or_setting(answer: Answer, seed: int = 0) -> Iterator[str]:
    """Takes the accuracies of two settings' seeds; returns the 95 % interval of the difference of means, b minus a."""
    from scipy import stats

    rates = _seeds()
    for one, two in [(5e-5, 4e-4), (5e-5, 2e-4)] if seed else [(2e-5, 2e-4), (1e-4, 2e-4), (2e-4, 4e-4)]:
        a, b = np.array(rates[one]), np.array(rates[two])
        n, gain = len(a), b.mean() - a.mean()

        def around(factor: float, ddof: int = 1, share: float = 2 / n, a=a, b=b, gain=gain) -> tuple[float, float]:
            width = factor * np.sqrt((a.var(ddof=ddof) + b.var(ddof=ddof)) / 2 * share)
            return gain - width, gain + width

        t = stats.t.ppf(0.975, 2 * n - 2)
        low, high = around(t)
        hints = {
            "The sign is turned: return b minus a.": (-high, -low),
            "1.96 is for many runs. With few runs the standard deviation itself is uncertain: use t.": around(1.96),
            "Your standard deviations divide by n. Divide by n − 1: in NumPy that is ddof=1.": around(t, ddof=0),
            "That t leaves 5 % on *each* side: a 90 % interval. How much may be above t?": around(
                stats.t.ppf(0.95, 2 * n - 2)
            ),
            "The degrees of freedom of t are the number of all runs minus 2, for the two means: count again.": around(
                stats.t.ppf(0.975, n - 1)
            ),
            "That is the standard deviation of single runs. Means vary less: where are 1/n and 1/n in "
            "your formula?": around(t, share=1),
        }
        got = answer.as_pair(answer(a.tolist(), b.tolist()))
        otherwise = "The interval is wrong: check the formula, first the standard deviation, then its factor."
        compare(got, (low, high), hints, otherwise, 1e-4)
        verdict = "a better setting" if low > 0 else "a worse setting" if high < 0 else "perhaps only a better seed"
        yield f"{one:g} → {two:g}: {verdict}"


@cache
def _films(n: int) -> dict[str, list[np.ndarray]]:
    """Which validation rows each level got right with n labelled sentences, a draw each (lesson 4.5)."""
    found = {
        "stay": evidence.right("labelled_rows", N_ROWS, model="baseline", rows=n, split=None),
        "frozen": evidence.right("labelled_rows", N_ROWS, model="frozen", rows=n, split=None),
    }
    found["fine-tune"] = evidence.right("augmentation", N_ROWS, model="fine-tuned", method="none", rows=n)
    return found


def _gain(n: int, level: str, draws: int = 3) -> metrics.Difference:
    """What a level gains over the baseline."""
    before, after = (_films(n)[name][:draws] for name in ("stay", level))
    return metrics.difference(np.ones(N_ROWS, int), before, after)


def _by_rule(n: int) -> str:
    """The cheapest level that gains at least four points, the whole interval above zero."""
    gains = {level: _gain(n, level) for level in LEVELS[1:]}
    return next((level for level, gain in gains.items() if gain.value >= 0.04 and gain.low > 0), "stay")


@item
def where_it_pays(answer: Answer) -> Iterator[str]:
    """Returns the level of each of three tasks, "stay", "frozen" or "fine-tune", and the evidence for it."""
    rows = {"hundred": 100, "two_thousand": 2000}
    record = answer.record([*rows, "topics", *(f"{key}_gain" for key in rows), "topics_at_most"])
    for key, n in rows.items():
        chosen, expected = answer.choice(record, key, LEVELS), _by_rule(n)
        if LEVELS.index(chosen) < LEVELS.index(expected):
            what = f"it gains {_gain(n, chosen)}" if chosen != "stay" else "is there no level that gains enough?"
            raise CheckFailed(f"`{key}`: hold {chosen!r} against both parts of the rule: {what}.".replace("?.", "?"))
        if chosen != expected:
            raise CheckFailed(f"`{key}`: {chosen!r} gains enough, but the rule takes the *cheapest* level that does.")
    if answer.choice(record, "topics", LEVELS) != "stay":
        raise CheckFailed("`topics`: how many points are left to gain? Even a model without a mistake gains no more.")
    yield "each task decided by the rule"
    for key, n in rows.items():
        name, gain, one_draw = f"`{key}_gain`", _gain(n, _by_rule(n)), _gain(n, _by_rule(n), draws=1)
        hints = {
            f"{name} has its sign turned: it is your choice minus the baseline.": (-gain.high, -gain.low),
            f"{name} is the interval of a single draw; pass the lists of all three.": (one_draw.low, one_draw.high),
        }
        otherwise = f"{name} is not the paired interval of your choice minus the baseline, draws and rows resampled."
        compare(answer.as_pair(record[f"{key}_gain"], name), (gain.low, gain.high), hints, otherwise, 0.006)
    yield "with what fine-tuning or frozen vectors gain on films"
    best = evidence.baseline("reuters-r8")
    hints = {
        "`topics_at_most` is the accuracy of the baseline; what is left above it?": best.score,
        "`topics_at_most` is what is left on the validation rows, which chose the baseline; take the test rows.": (
            1 - best.validation
        ),
        "`topics_at_most` should be a share between 0 and 1, not a percentage.": 100 * (1 - best.score),
    }
    otherwise = "`topics_at_most` is not what a model without a mistake would be above the baseline."
    at_most = answer.as_number(record["topics_at_most"], "`topics_at_most`")
    compare(at_most, 1 - best.score, hints, otherwise, 0.002)
    yield "and where there is nothing to gain"
