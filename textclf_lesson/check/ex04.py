"""The items of exercise 4: fine-tuning a transformer."""

import tempfile
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from textclf_lesson import data
from textclf_lesson.base.errors import CheckFailed
from textclf_lesson.check.core import Answer, compare, guess, item, short
from textclf_lesson.check.quiz import questions, quiz  # noqa: F401
from textclf_lesson.check.sources import levels_of, runs
from textclf_lesson.evaluate import metrics
from textclf_lesson.models import baselines, encoders

__getattr__ = guess(__name__)

# --- finetuning -------------------------------------------------------------------------------------------------------

FULL = 128  # pieces of a row, where tutorials fill up to a fixed length
PLAIN = str | int | float | bool | None


@cache
def _tokenizer() -> Any:
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(Path(encoders.locate("minilm")) / "tokenizer.json"))
    tokenizer.no_padding()
    return tokenizer


@item
def word_pieces(answer: Answer, seed: int = 0) -> Iterator[str]:
    """Takes a word and the set of all pieces; returns the pieces that spell it, as a transformer reads them."""
    vocabulary = set(_tokenizer().get_vocab())
    for word in ["unwatchable", "overlong", "dullards", "gem☺"] if seed else ["unfilmable", "blandness", "film", "☺"]:
        value = answer(word, vocabulary)
        if not isinstance(value, list | tuple) or not all(isinstance(piece, str) for piece in value):
            raise CheckFailed("Return a list of strings, the pieces in the order of the word.")
        got, right = list(value), _spelt(word, vocabulary)
        bare = [piece.removeprefix("##") for piece in right]
        hints = {
            "A piece that continues a word is another entry than the same letters at its start. Where is its mark?": (
                bare
            ),
            "Those are pieces of the list, but shorter than need be. Take the *longest* that fits, from the left.": (
                _spelt(word, vocabulary, shortest=True)
            ),
        }
        if got != right:
            unknown = f"No piece fits somewhere in {word!r}. Then the whole word is one piece, [UNK]."
            otherwise = unknown if right == ["[UNK]"] else f"{word!r} is not spelt as the tokeniser spells it."
            raise CheckFailed(next((hint for hint, wrong in hints.items() if got == wrong), otherwise))
        yield " · ".join(right)


def _spelt(word: str, vocabulary: set[str], shortest: bool = False) -> list[str]:
    pieces, at = [], 0
    while at < len(word):
        ends = range(at + 1, len(word) + 1) if shortest else range(len(word), at, -1)
        found = next((end for end in ends if "##" * (at > 0) + word[at:end] in vocabulary), None)
        if found is None:
            return ["[UNK]"]
        pieces.append("##" * (at > 0) + word[at:found])
        at = found
    return pieces


@item
def todays_settings(answer: Answer, seed: int = 0) -> Iterator[str]:
    """Takes the settings of an old snippet; returns today's, so that the state of the best accuracy is kept."""
    old = {"output_dir": "out", "evaluation_strategy": "epoch", "warmup_ratio": 0.1 + seed / 100, "no_cuda": not seed}
    old |= {"group_by_length": not seed, "overwrite_output_dir": True, "logging_dir": "logs"}
    kept = {"learning_rate": 1e-4 / (1 + seed), "num_train_epochs": 3 + seed, "per_device_train_batch_size": 16}
    said = answer(old | kept)
    if not isinstance(said, Mapping) or not all(isinstance(k, str) and isinstance(v, PLAIN) for k, v in said.items()):
        raise CheckFailed("Return a dictionary of settings, their names and plain values.")
    built = _arguments(dict(said), old)
    for name, value in kept.items():
        if getattr(built, name) != value:
            raise CheckFailed(f"`{name}` was {short(value)} in the old snippet, and yours is {getattr(built, name)}.")
    if built.warmup_steps != old["warmup_ratio"]:
        raise CheckFailed(
            f"The rate should rise during the first {old['warmup_ratio']:.0%} of the steps. In yours it does so for "
            f"{built.warmup_steps:g}: a number below one is a share, one from one on counts steps."
        )
    if (
        built.use_cpu != old["no_cuda"]
        or (built.train_sampling_strategy == "group_by_length") != old["group_by_length"]
    ):
        raise CheckFailed(
            "The processor, or how rows are put into batches, is no longer what the old snippet asked for."
        )
    yield "today's names, the old values"
    if not built.load_best_model_at_end:
        raise CheckFailed("Trainer would end with its last state. The last need not be the best.")
    if built.eval_strategy != "epoch" or built.save_strategy != "epoch":
        raise CheckFailed("To go back to the best epoch, each has to be judged *and* stored. Look at both strategies.")
    if str(built.metric_for_best_model).removeprefix("eval_") != "accuracy" or not built.greater_is_better:
        raise CheckFailed("By these settings the best state is not that of the highest accuracy. What is it judged by?")
    yield "the state with the best accuracy is kept"


def _arguments(settings: dict[str, Any], old: dict[str, Any]) -> Any:
    """The TrainingArguments of these settings. Raises CheckFailed with what is wrong with them."""
    import inspect

    from transformers import TrainingArguments

    for name in settings.keys() - set(inspect.signature(TrainingArguments).parameters):
        gone = "is a name of old" if name in old else "is no setting"
        raise CheckFailed(f"`{name}` {gone}: today's TrainingArguments would stop there. The table in 4.2 may help.")
    with tempfile.TemporaryDirectory() as folder:
        try:
            return TrainingArguments(**settings | {"output_dir": folder})
        except Exception as error:
            first = " ".join(str(error).split())[:160]
            raise CheckFailed(f"TrainingArguments refuses these settings: {first}") from None


@cache
def _lengths() -> np.ndarray:
    """How many pieces each film sentence has, [CLS] and [SEP] counted."""
    texts = data.load("movie-snippets")["train"].shuffle(seed=0).select(range(2000))["text"][:]
    return np.array([len(row.ids) for row in _tokenizer().encode_batch(texts)])


@item
def padded_places(answer: Answer, seed: int = 0) -> Iterator[str]:
    """Takes the lengths of rows and a batch size; returns {"fixed", "longest", "alike"}, the places computed."""
    lengths, size = np.random.default_rng(seed).permutation(_lengths())[: 1990 - seed], 32 + seed
    said = answer.record(["fixed", "longest", "alike"], lengths, size)
    got = {key: answer.as_number(said[key], f"`{key}`") for key in ("fixed", "longest", "alike")}
    compare(got["fixed"], FULL * len(lengths), {
        "`fixed` is the sum of the lengths: the pads are missing, and the model computes them too.": lengths.sum(),
        "`fixed` counts full batches only; each row takes 128 places, those of the last batch too.": (
            FULL * (len(lengths) // size) * size
        ),
    }, "`fixed`: every row takes 128 places, whatever it holds.")  # fmt: skip
    for key, rows in {"longest": lengths, "alike": np.sort(lengths)}.items():
        batches = _batches(rows, size)
        if key == "alike" and got[key] == _places(_batches(rows[::-1], size)):
            continue  # the longest first: as good, only the last batch is another
        compare(got[key], _places(batches), {
            f"`{key}`: the last batch is smaller; count its rows.": sum(size * b.max() for b in batches),
            f"`{key}`: the last batch is missing. It is smaller, but it is computed too.": _places(batches[:-1]),
            f"`{key}` is the sum of the lengths: no pads are counted.": lengths.sum(),
            f"`{key}`: a batch is as wide as *its own* longest row, not as the longest of all.": (
                lengths.max() * len(lengths)
            ),
            f"`{key}`: here rows stay in the order given; only `alike` puts like lengths together.": (
                _places(_batches(np.sort(lengths), size))
            ),
            f"`{key}`: rows are in the order given. Which rows should share a batch?": _places(_batches(lengths, size)),
        }, f"`{key}` is off: for each batch, its rows times its longest row; then the sum.")  # fmt: skip
    for key, places in got.items():
        yield f"{key}: {lengths.sum() / places:.0%} text"


def _batches(rows: np.ndarray, size: int) -> list[np.ndarray]:
    return [rows[start : start + size] for start in range(0, len(rows), size)]


def _places(batches: list[np.ndarray]) -> int:
    return sum(len(batch) * int(batch.max()) for batch in batches)


# --- gains ------------------------------------------------------------------------------------------------------------

GROUPS = {
    "negation": r"\b(?:not|no|never|nothing|neither|nor|without|hardly|barely|cannot)\b|n't",
    "contrast": r"\b(?:but|although|though|however|yet|despite|while)\b",
}


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
    for one, two in [(5e-5, 4e-4), (2e-4, 4e-4)] if seed else [(2e-5, 2e-4), (1e-4, 2e-4)]:
        a, b = np.array(rates[one]), np.array(rates[two])
        n, gain = len(a), b.mean() - a.mean()

        def around(factor: float, ddof: int = 1, share: float = 2 / n, a=a, b=b, gain=gain) -> tuple[float, float]:
            width = factor * np.sqrt((a.var(ddof=ddof) + b.var(ddof=ddof)) / 2 * share)
            return gain - width, gain + width

        t = stats.t.ppf(0.975, 2 * n - 2)
        low, high = around(t)
        hints = {
            "The sign is turned: asked is b minus a.": (-high, -low),
            "1.96 is for many runs. With so few, the spread itself is uncertain: where does t come from?": around(1.96),
            "Your spreads divide by n. Of three runs take n − 1: in NumPy that is ddof=1.": around(t, ddof=0),
            "That t leaves five per cent on *each* side: a 90 % interval. How much may lie above t?": around(
                stats.t.ppf(0.95, 2 * n - 2)
            ),
            "t has as many degrees of freedom as there are runs, less the two means: count again.": around(
                stats.t.ppf(0.975, n - 1)
            ),
            "That is the spread of single runs. Means of several vary less: where do 1/n and 1/n stand?": around(
                t, share=1
            ),
        }
        said = answer.as_pair(answer(a.tolist(), b.tolist()))
        otherwise = "It is off: go through the formula, the spread first, then its factor."
        compare(said, (low, high), hints, otherwise, 1e-4)
        verdict = "a better setting" if low > 0 else "a worse setting" if high < 0 else "perhaps a luckier seed"
        yield f"{one:g} → {two:g}: {verdict}"


@cache
def _words() -> tuple[dict[str, float], metrics.Report]:
    """The accuracy of word counts in each group of film sentences, and their report on Reuters' topics."""
    tests, said = {}, {}
    for name, kind in {"movie-snippets": "logreg", "reuters-r8": "svm"}.items():
        train, tests[name] = (data.load(name)[split].to_pandas() for split in ("train", "test"))
        model = baselines.pipeline("tfidf", kind).fit(train["text"], train["label"])
        said[name] = model.predict(tests[name]["text"])
    films, topics = tests.values()
    in_group = {name: films["text"].str.contains(pattern, case=False) for name, pattern in GROUPS.items()}
    in_group["neither"] = ~(in_group["negation"] | in_group["contrast"])
    right = said["movie-snippets"] == films["label"]
    report = metrics.report(topics["label"], said["reuters-r8"])
    return {name: float(right[rows].mean()) for name, rows in in_group.items()}, report


@item
def where_it_pays(answer: Answer) -> Iterator[str]:
    """Returns {"films", "topics", "weak_spot", "films_gain", "topics_at_most"}: where to fine-tune, and why."""
    said = answer.record(["films", "topics", "weak_spot", "films_gain", "topics_at_most"])
    films, topics = (answer.choice(said, key, ["fine-tune", "stay"]) for key in ("films", "topics"))
    groups, report = _words()
    study = levels_of("movie-snippets")["MiniLM"]  # as studies/levels.py measured it
    gain, *interval = study["difference"]
    if films != ("fine-tune" if gain >= 0.04 and interval[0] > 0 else "stay"):
        raise CheckFailed("`films`: hold what the study measured, the gain and its interval, against the rule.")
    if topics != "stay":
        raise CheckFailed(
            "`topics`: how many points are there left to win? Not even a model without a mistake wins more."
        )
    yield "each task by the rule"
    weak = answer.choice(said, "weak_spot", groups)
    if groups[weak] > min(groups.values()):
        raise CheckFailed(
            f"`weak_spot`: of '{weak}' the counts get {groups[weak]:.0%} right, and of another group less. A large "
            "group has many mistakes because it is large."
        )
    hints = {
        "`films_gain` is the interval of one model's accuracy; asked is that of the difference.": study["interval"],
        "`films_gain` has its sign turned: it is the transformer minus TF-IDF.": (-interval[1], -interval[0]),
    }
    otherwise = "`films_gain` is not the interval of the difference that the study gives for the film sentences."
    compare(answer.as_pair(said["films_gain"], "`films_gain`"), interval, hints, otherwise, 0.002)
    yield "where counts fail, and what a transformer gains"
    hints = {
        "`topics_at_most` is the accuracy of TF-IDF; what is left above it?": report.accuracy,
        "`topics_at_most` is what is left of the macro F1; the rule speaks of accuracy.": 1 - report.macro_f1,
        "`topics_at_most` should be a share between 0 and 1, not a percentage.": 100 * (1 - report.accuracy),
    }
    otherwise = "`topics_at_most` is not what a model without a mistake would be above TF-IDF."
    compare(answer.as_number(said["topics_at_most"], "`topics_at_most`"), 1 - report.accuracy, hints, otherwise, 0.002)
    yield "and where there is nothing to gain"
