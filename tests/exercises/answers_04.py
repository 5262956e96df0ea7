"""Answers to the items of lesson 4."""

import numpy as np
from scipy import stats

from tests.exercises.answers import right, wrong
from textclf_lesson.check import ex04 as items
from textclf_lesson.evaluate import evidence


def _spell(word, vocabulary, mark="##", ends=reversed, give_up=True):
    tokens, rest = [], word
    while rest:
        begin = mark if tokens else ""
        end = next((e for e in ends(range(1, len(rest) + 1)) if begin + rest[:e] in vocabulary), None)
        if end is None:
            if give_up:
                return ["[UNK]"]
            tokens, end = [*tokens, "[UNK]"], len(rest)
        else:
            tokens.append(begin + rest[:end])
        rest = rest[end:]
    return tokens


@wrong("word_tokens", "Where is its ##?")
def without_marks(word, vocabulary):
    return [token.removeprefix("##") for token in _spell(word, vocabulary)]


@wrong("word_tokens", "Take the *longest* that fits")
def shortest_first(word, vocabulary):
    return _spell(word, vocabulary, ends=iter)


@wrong("word_tokens", "Where is its ##?")
def looks_up_the_rest_without_marks(word, vocabulary):
    return _spell(word, vocabulary, mark="")


@wrong("word_tokens", "the whole word is one token, [UNK]")
def nothing_for_the_unknown(word, vocabulary):
    return [token for token in _spell(word, vocabulary) if token != "[UNK]"]


@wrong("word_tokens", "the whole word is one token, [UNK]", seed=3)
def unknown_rest_only(word, vocabulary):
    return _spell(word, vocabulary, give_up=False)


@right("word_tokens")
def asks_the_tokeniser(word, vocabulary):
    from pathlib import Path

    from tokenizers import Tokenizer

    from textclf_lesson.models import encoders

    tokenizer = Tokenizer.from_file(str(Path(encoders.locate("minilm")) / "tokenizer.json"))
    tokenizer.no_padding()
    return tokenizer.encode(word, add_special_tokens=False).tokens


@right("word_tokens", seed=3)
def from_the_left_by_recursion(word, vocabulary):
    def spell(rest, mark=""):
        for end in range(len(rest), 0, -1):
            if mark + rest[:end] in vocabulary:
                return [mark + rest[:end], *(spell(rest[end:], "##") if rest[end:] else [])]
        raise LookupError(rest)

    try:
        return spell(word)
    except LookupError:
        return ["[UNK]"]


def _softmax(scores, axis=1):
    powers = np.exp(scores - scores.max(axis=axis, keepdims=True))
    return powers / powers.sum(axis=axis, keepdims=True)


@wrong("attend", "not divided by √d")
def without_the_root(queries, keys, values):
    return _softmax(queries @ keys.T) @ values


@wrong("attend", "the square root of d")
def divided_by_d(queries, keys, values):
    return _softmax(queries @ keys.T / queries.shape[1]) @ values


@wrong("attend", "along the wrong axis", seed=3)
def weights_of_each_key(queries, keys, values):
    return _softmax(queries @ keys.T / queries.shape[1] ** 0.5, axis=0) @ values


@wrong("attend", "Asked is what each token receives")
def weights_alone(queries, keys, values):
    return _softmax(queries @ keys.T / queries.shape[1] ** 0.5)


@wrong("attend", "the softmax is missing")
def scores_for_weights(queries, keys, values):
    return queries @ keys.T / queries.shape[1] ** 0.5 @ values


@wrong("attend", "exp overflows")
def largest_score_left(queries, keys, values):
    with np.errstate(all="ignore"):
        powers = np.exp(queries @ keys.T / queries.shape[1] ** 0.5)
        return powers / powers.sum(axis=1, keepdims=True) @ values


@right("attend", seed=3)
def asks_pytorch(queries, keys, values):
    import torch
    import torch.nn.functional as F

    return F.scaled_dot_product_attention(*(torch.from_numpy(part) for part in (queries, keys, values)))


@right("attend")
def token_by_token(queries, keys, values):
    received = []
    for query in queries:
        scores = [query @ key / len(query) ** 0.5 for key in keys]
        weights = [np.exp(score - max(scores)) for score in scores]
        received.append(sum(w * value for w, value in zip(weights, values, strict=True)) / sum(weights))
    return received


SAME = ("output_dir", "learning_rate", "num_train_epochs", "per_device_train_batch_size")


def _today(old, **changes):
    new = {name: old[name] for name in SAME} | {"warmup_steps": old["warmup_ratio"], "use_cpu": old["no_cuda"]}
    new |= {"eval_strategy": "epoch", "save_strategy": "epoch", "load_best_model_at_end": True}
    new |= {"train_sampling_strategy": "group_by_length" if old["group_by_length"] else "random"}
    new |= {"metric_for_best_model": "accuracy"} | changes
    return {name: value for name, value in new.items() if value is not None}


@wrong("todays_settings", "is an old name")
def as_it_was(old):
    return old


@wrong("todays_settings", "The last need not be the best")
def last_state(old):
    return _today(old, load_best_model_at_end=None, metric_for_best_model=None)


@wrong("todays_settings", "not that of the highest accuracy")
def best_by_the_loss(old):
    return _today(old, metric_for_best_model=None)


@wrong("todays_settings", "not that of the highest accuracy")
def the_worst_is_best(old):
    return _today(old, greater_is_better=False)


@wrong("todays_settings", "refuses these settings")
def never_stored(old):
    return _today(old, save_strategy=None)


@wrong("todays_settings", "should rise during the first")
def warmup_lost(old):
    return _today(old, warmup_steps=None)


@wrong("todays_settings", "no longer what the old snippet asked for")
def order_of_rows_lost(old):
    return _today(old, train_sampling_strategy=None)


@wrong("todays_settings", "`learning_rate` was")
def rate_lost(old):
    return _today(old, learning_rate=None)


@right("todays_settings")
def renames_what_has_a_new_name(old):
    names = {"evaluation_strategy": "eval_strategy", "warmup_ratio": "warmup_steps", "no_cuda": "use_cpu"}
    new = {names.get(name, name): value for name, value in old.items()}
    if new.pop("group_by_length"):
        new["train_sampling_strategy"] = "group_by_length"
    del new["overwrite_output_dir"], new["logging_dir"]
    best = {"metric_for_best_model": "eval_accuracy", "greater_is_better": True, "save_total_limit": 2}
    return new | best | {"save_strategy": new["eval_strategy"], "load_best_model_at_end": True}


def _padded(lengths, batch_size, max_length, arrange=sorted):
    def computed(rows):
        batches = [rows[start : start + batch_size] for start in range(0, len(rows), batch_size)]
        return sum(len(batch) * max(batch) for batch in batches)

    found = {"fixed": 128 * len(lengths), "longest": computed(lengths), "alike": computed(arrange(lengths))}
    return found | {"lost": sum(max(0, length - max_length) for length in lengths) / sum(lengths)}


@wrong("padded_tokens", "Which rows should share a batch?")
def never_put_together(lengths, batch_size, max_length):
    return _padded(lengths, batch_size, max_length, arrange=list)


@wrong("padded_tokens", "as wide as *its own* longest row")
def longest_of_all(lengths, batch_size, max_length):
    return _padded(lengths, batch_size, max_length) | {"longest": max(lengths) * len(lengths)}


@wrong("padded_tokens", "count its rows")
def last_batch_taken_for_full(lengths, batch_size, max_length):
    starts = range(0, len(lengths), batch_size)
    wide = sum(batch_size * max(lengths[start : start + batch_size]) for start in starts)
    return _padded(lengths, batch_size, max_length) | {"longest": wide}


@wrong("padded_tokens", "the last batch is missing")
def full_batches_only(lengths, batch_size, max_length):
    full = lengths[: len(lengths) // batch_size * batch_size]
    return _padded(full, batch_size, max_length) | {"fixed": 128 * len(lengths)}


@wrong("padded_tokens", "the padding is missing")
def counts_text(lengths, batch_size, max_length):
    return dict.fromkeys(["fixed", "longest", "alike", "lost"], sum(lengths))


@wrong("padded_tokens", "share of *rows*")
def rows_truncated(lengths, batch_size, max_length):
    return _padded(lengths, batch_size, max_length) | {"lost": np.mean(np.array(lengths) > max_length)}


@wrong("padded_tokens", "the share that is kept")
def share_kept(lengths, batch_size, max_length):
    found = _padded(lengths, batch_size, max_length)
    return found | {"lost": 1 - found["lost"]}


@wrong("padded_tokens", "must not count below zero")
def short_rows_count_below_zero(lengths, batch_size, max_length):
    return _padded(lengths, batch_size, max_length) | {"lost": np.sum(np.array(lengths) - max_length) / sum(lengths)}


@right("padded_tokens")
def filled_up_and_reshaped(lengths, batch_size, max_length):
    def computed(rows):
        left = -len(rows) % batch_size
        table = np.append(rows, np.zeros(left, int)).reshape(-1, batch_size)
        return (table.max(axis=1) * (table > 0).sum(axis=1)).sum()

    return {
        "fixed": np.full(len(lengths), 128).sum(),
        "longest": computed(lengths),
        "alike": computed(np.sort(lengths)[::-1]),
        "lost": 1 - np.minimum(lengths, max_length).sum() / lengths.sum(),
    }


def _around(a, b, factor, ddof=1, share=None):
    width = factor * np.sqrt((np.var(a, ddof=ddof) + np.var(b, ddof=ddof)) / 2 * (share or 2 / len(a)))
    return np.mean(b) - np.mean(a) - width, np.mean(b) - np.mean(a) + width


@wrong("seed_or_setting", "1.96 is for many runs")
def as_if_normal(a, b):
    return _around(a, b, 1.96)


@wrong("seed_or_setting", "ddof=1")
def numpys_own_spread(a, b):
    return _around(a, b, stats.t.ppf(0.975, 2 * len(a) - 2), ddof=0)


@wrong("seed_or_setting", "a 90 % interval")
def five_per_cent_on_each_side(a, b):
    return _around(a, b, stats.t.ppf(0.95, 2 * len(a) - 2))


@wrong("seed_or_setting", "count again")
def freedom_of_one_setting(a, b):
    return _around(a, b, stats.t.ppf(0.975, len(a) - 1))


@wrong("seed_or_setting", "Means vary less")
def spread_of_single_runs(a, b):
    return _around(a, b, stats.t.ppf(0.975, 2 * len(a) - 2), share=1)


@wrong("seed_or_setting", "The sign is turned")
def a_minus_b(a, b):
    return _around(b, a, stats.t.ppf(0.975, 2 * len(a) - 2))


@right("seed_or_setting")
def by_scipy(a, b):
    interval = stats.ttest_ind(b, a).confidence_interval(0.95)
    return [interval.low, interval.high]


def _decision(**other):
    found = {"hundred": "frozen", "two_thousand": "fine-tune", "topics": "stay"} | other
    for key, n in {"hundred": 100, "two_thousand": 2000}.items():
        gain = items._gain(n, found[key])
        found.setdefault(f"{key}_gain", (gain.low, gain.high))
    return {"topics_at_most": 1 - evidence.baseline("reuters-r8").score} | found


@wrong("where_it_pays", "Even a model without a mistake")
def encoders_everywhere():
    return _decision(topics="frozen")


@wrong("where_it_pays", "no level that gains enough?")
def stays_for_ever():
    return _decision(hundred="stay")


@wrong("where_it_pays", "against both parts of the rule")
def frozen_with_many_rows():
    return _decision(two_thousand="frozen")


@wrong("where_it_pays", "the *cheapest* level")
def the_best_level():
    return _decision(hundred="fine-tune")


@wrong("where_it_pays", "of a single draw")
def one_draw():
    gain = items._gain(2000, "fine-tune", draws=1)
    return _decision(two_thousand_gain=(gain.low, gain.high))


@wrong("where_it_pays", "sign turned")
def baseline_minus_choice():
    gain = items._gain(100, "frozen")
    return _decision(hundred_gain=(-gain.high, -gain.low))


@wrong("where_it_pays", "what is left above it?")
def accuracy_itself():
    return _decision(topics_at_most=evidence.baseline("reuters-r8").score)


@wrong("where_it_pays", "on the validation rows")
def left_on_validation():
    return _decision(topics_at_most=1 - evidence.baseline("reuters-r8").validation)


@right("where_it_pays")
def rounded():
    decision = _decision()
    return {key: tuple(round(end, 3) for end in value) if isinstance(value, tuple) else value
            for key, value in decision.items()}  # fmt: skip


@wrong("quiz", "every token of it is computed", lesson="04")
def pads_are_free():
    return {"padding": "c", "best": "c", "rate": "b", "save": "c", "curves": "b", "lora": "c"}


@wrong("quiz", "the validation rows chose it", lesson="04")
def reports_what_chose():
    return {"padding": "a", "best": "b", "rate": "b", "save": "c", "curves": "b", "lora": "c"}


@wrong("quiz", "A conclusion names them", lesson="04")
def lora_as_good_everywhere():
    return {"padding": "a", "best": "c", "rate": "b", "save": "c", "curves": "b", "lora": "b"}


@right("quiz", lesson="04")
def in_brackets_and_capitals():
    return {"padding": "(a)", "best": "C", "rate": "b", "save": "c", "curves": "b", "lora": "c"}
