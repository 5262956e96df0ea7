"""The items of exercise 15: the practical."""

import hashlib
import time
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
from sklearn.metrics import f1_score

from textclf_lesson import data
from textclf_lesson.base.errors import CheckFailed
from textclf_lesson.check.core import Answer, Part, guess, item
from textclf_lesson.check.ex05 import GRAVEST_FIRST
from textclf_lesson.check.quiz import questions, quiz  # noqa: F401
from textclf_lesson.check.rubric import rubric  # noqa: F401
from textclf_lesson.check.sources import tables
from textclf_lesson.check.values import close, compare, kind, short
from textclf_lesson.evaluate import metrics, robustness, thresholds
from textclf_lesson.training import augment

__getattr__ = guess(__name__)

# --- capstone ---------------------------------------------------------------------------------------------------------

LABELS = list(data.TOXICITY)
SPLITS = ("train", "validation", "test", "test_natural")


@cache
def comments() -> dict[str, pd.DataFrame]:
    """wiki-toxicity by split: text and the six labels."""
    splits = tables("wiki-toxicity")
    return {split: splits[split][["text", *LABELS]] for split in SPLITS}


@cache
def scored(words: int = 1) -> dict[str, np.ndarray]:
    """Probabilities (rows, labels) by split of naive Bayes on n-grams of up to `words` words: fast, real, mediocre."""
    from sklearn.feature_extraction.text import CountVectorizer
    from sklearn.multiclass import OneVsRestClassifier
    from sklearn.naive_bayes import ComplementNB
    from sklearn.pipeline import make_pipeline

    rows = comments()
    counts = CountVectorizer(binary=True, ngram_range=(1, words), min_df=2)
    model = make_pipeline(counts, OneVsRestClassifier(ComplementNB(alpha=0.5)))
    model.fit(rows["train"]["text"], rows["train"][LABELS].to_numpy())
    p = {split: np.clip(model.predict_proba(rows[split]["text"]), 1e-12, 1 - 1e-12) for split in SPLITS}
    # Naive Bayes is overconfident: this keeps the order, and a grid of thresholds is fine enough.
    return {split: 1 / (1 + ((1 - values) / values) ** 0.2) for split, values in p.items()}


def by_label(answer: Answer, value: Any, what: str) -> np.ndarray:
    """A dictionary or Series with a number for each label, in their order."""
    entries = value.to_dict() if isinstance(value, pd.Series) else value
    if not isinstance(entries, Mapping) or set(entries) != set(LABELS):
        raise CheckFailed(f"{what} should hold one number for each of the six labels, under its name.")
    return np.array([answer.as_number(entries[name], f"{what} of {name!r}") for name in LABELS])


@item
def explore(answer: Answer, seed: int = 0) -> Iterator[str]:
    """Takes tables by split; returns {"rows", "share", "no_label", "length"} of the training split."""
    splits = {name: rows.sample(frac=0.6, random_state=seed) for name, rows in comments().items()}
    record = answer.record(["rows", "share", "no_label", "length"], splits)
    train, every = splits["train"], pd.concat(splits.values())
    hints = {
        "You count the rows of all splits. What you see of the test influences your choices: use training only.": (
            len(every)
        ),
        "Those are the rows of the test split, which is used once, at the end.": len(splits["test"]),
        "You count training and validation. Choices are *measured* on validation, so explore training only.": (
            len(train) + len(splits["validation"])
        ),
    }
    rows = answer.as_number(record["rows"], "`rows`")
    compare(rows, len(train), hints, f"`rows` is {rows:g}; there are {len(train)} training comments in what was given.")
    yield "training only"
    share = by_label(answer, record["share"], "`share`")
    labelled = train[train[LABELS].any(axis=1)]
    hints = {
        "`share` was taken over all splits. Use training only.": every[LABELS].mean(),
        "`share` was taken on the test split.": splits["test"][LABELS].mean(),
        "`share` holds counts: divide by the number of comments.": train[LABELS].sum(),
        "`share` is a percentage; a share is between 0 and 1.": 100 * train[LABELS].mean(),
        "`share` was taken over comments with a label. Divide by all training comments.": labelled[LABELS].mean(),
        "`share` divides by the number of labels, not of comments.": train[LABELS].sum() / train[LABELS].sum().sum(),
    }
    compare(share, train[LABELS].mean(), hints, "`share` is not the share of training comments with each label.", 1e-3)
    yield "how rare each label is"
    none = 1 - len(labelled) / len(train)
    hints = {
        "`no_label` is the share *with* a label.": 1 - none,
        "`no_label` is a count: divide by the number of comments.": none * len(train),
    }
    compare(
        answer.as_number(record["no_label"], "`no_label`"),
        none,
        hints,
        "`no_label` is not the share of training comments without a label.",
        1e-3,
    )
    length = train["text"].str.len()
    hints = {
        "`length` is the mean. Return the length that 95 of 100 comments do not exceed.": length.mean(),
        "`length` is the longest comment, which one unusual row decides. Use the 95th percentile.": length.max(),
        "`length` counts words; count characters.": train["text"].str.split().str.len().quantile(0.95),
    }
    got = answer.as_number(record["length"], "`length`")
    compare(got, length.quantile(0.95), hints, "`length` is not the 95th percentile of the characters.", 0.02)
    yield "how many have no label, and how long they are"


@item
def weighted_focal(answer: Answer, seed: int = 0) -> Iterator[str]:
    """Takes logits and targets (batch, 6), positives (6,), rows, γ; returns the weighted focal loss, one number."""
    import torch

    train, rng = comments()["train"][LABELS], np.random.default_rng(seed)
    positives, rows = train.sum().to_numpy(dtype=float), len(train)
    some = train[train["threat"] + train["severe_toxic"] > 0].sample(6, random_state=seed)
    truth = pd.concat([some, train[~train.any(axis=1)].head(4)]).to_numpy(dtype=float)
    logits = rng.normal(scale=1.5, size=truth.shape)
    alpha, p = np.sqrt((rows - positives) / positives), 1 / (1 + np.exp(-logits))

    def given(scores: np.ndarray) -> tuple:
        return tuple(torch.tensor(array, dtype=torch.float32) for array in (scores, truth, positives))

    def loss(gamma: float, yes: Any = alpha, no: Any = 1.0, p: np.ndarray = p, hard: Any = None) -> float:
        p_t = np.where(truth == 1, p, 1 - p)
        hard = 1 - p_t if hard is None else hard
        return float((np.where(truth == 1, yes, no) * -np.log(p_t) * hard**gamma).mean())

    soft = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    plain = answer.number(*given(logits), rows, 0.0)
    hints = {
        "α is on the wrong class: it weights a label's *positives*; negatives have the weight 1.": loss(0, 1.0, alpha),
        "α weights negatives as well. It belongs to the positives only.": loss(0, alpha, alpha),
        "α is upside down: frequent labels get the large weight. It is √(negatives / positives).": loss(0, 1 / alpha),
        "The root is missing in α: without it the rarest label dominates the loss.": loss(0, alpha**2),
        "α is missing: each label's positives should have the weight √(negatives / positives).": loss(0, 1.0),
        "You sum over all elements. Take the mean, or the learning rate no longer fits.": (loss(0) * truth.size),
        "You sum over one axis. Take the mean over rows *and* labels.": loss(0) * truth.shape[1],
        "A softmax makes the labels compete. Each label has its own sigmoid.": loss(0, p=soft),
        "The sigmoid is applied twice: binary_cross_entropy_with_logits has one inside.": loss(
            0, p=1 / (1 + np.exp(-p))
        ),
    }
    compare(
        plain, loss(0), hints, "With γ = 0 it should be binary cross-entropy with weighted positives; it is not.", 1e-4
    )
    yield "γ = 0 is weighted cross-entropy"
    gamma, p_t = 2.0 + seed % 2, np.where(truth == 1, p, 1 - p)
    hints = {
        "The sign of γ is turned: easy rows get a larger loss. The factor is (1 − p_t) to the power γ.": loss(-gamma),
        "You weight by p_t to the power γ, so right rows get the largest loss. The factor is 1 − p_t.": loss(
            gamma, hard=p_t
        ),
        "Your factor is 1 − p for negatives too. Where the truth is 0, p_t is 1 − p.": loss(gamma, hard=1 - p),
        "The loss does not change with γ. Where is γ in your formula?": loss(0),
    }
    compare(
        answer.number(*given(logits), rows, gamma),
        loss(gamma),
        hints,
        f"With γ = {gamma:g} the factor (1 − p_t)^γ is not right.",
        1e-4,
    )
    yield "nearly right rows have a small loss"
    try:
        far = answer.number(*given(np.where(truth == 1, -10_000.0, 10_000.0)), rows, gamma)
    except CheckFailed:
        far = np.nan
    if not np.isfinite(far):
        raise CheckFailed(
            "At logits of ±10,000 the loss is not a number. Start from the logits, not from the log of a sigmoid."
        )
    yield "finite for large logits"


@item
def enlarge_training(answer: Answer, seed: int = 0) -> Iterator[str]:
    """Takes tables by split, rare labels, and a function from a text to its variants; returns the training table."""
    rare, eda = ["threat", "identity_hate"], augment.EDA(seed=seed, synonyms=0, insertions=0)
    given: dict[str, list[str]] = {}  # the variants of each text

    def vary(text: str) -> list[str]:
        given[text] = eda.augment(text, n=2)
        return list(given[text])

    splits = {name: _long(rows).sample(40, random_state=seed) for name, rows in comments().items()}
    train = splits["train"].reset_index(drop=True)
    splits["train"] = train
    table = answer({name: rows.copy() for name, rows in splits.items()}, rare, vary)
    if not isinstance(table, pd.DataFrame) or set(table.columns) != {"text", *LABELS}:
        raise CheckFailed("Return a table (DataFrame) with the columns `text` and the six labels, and no other.")
    strange = [text for text in table["text"] if not isinstance(text, str)]
    if strange:
        raise CheckFailed(f"Each row should hold one text; one of yours holds a {kind(strange[0])}.")
    elsewhere = {text for name, rows in splits.items() if name != "train" for text in rows["text"]}
    if elsewhere & set(given):
        raise CheckFailed(
            "You vary comments of validation or test too. Their variants in training are a leak, and a test with "
            "variants is another test: vary training rows only."
        )
    if elsewhere & set(table["text"]):
        raise CheckFailed("Comments of validation or test are in your table, on which the model is trained.")
    yield "training rows only"
    any_rare = train[rare].any(axis=1)
    if set(given) - set(train["text"][any_rare]):
        raise CheckFailed("You vary comments without a rare label too, which leaves rare labels as rare as before.")
    if set(train["text"][any_rare]) - set(given):
        raise CheckFailed(
            "Some comments with a rare label have no variants. One rare label is enough, *not* all of them."
        )
    if set(train["text"]) - set(table["text"]):
        raise CheckFailed("Training comments are missing. Add the variants to them.")
    yield "each comment with a rare label"
    made = [(new, row) for text, *row in train[any_rare].values.tolist() for new in given[text]]
    _compare_rows(table, [(text, row) for text, *row in train.values.tolist()] + made)
    yield "variants with the labels of their comment"


def _long(rows: pd.DataFrame) -> pd.DataFrame:
    """Comments of 8 to 40 words: each has two variants that no other comment has."""
    return rows[rows["text"].str.split().str.len().between(8, 40)]


def _compare_rows(table: pd.DataFrame, wanted: list[tuple[str, list]]) -> None:
    """Whether a table holds just these texts with these labels, in any order. Raises CheckFailed."""
    labels = dict(wanted)
    strange = [text for text in table["text"] if text not in labels]
    if strange:
        raise CheckFailed("Your table has texts that are neither training comments nor variants from `vary`.")
    if len(table) != len(wanted):
        raise CheckFailed(
            f"Your table has {len(table)} rows. It should have {len(wanted)}: each training comment once, and all "
            "variants from `vary`, each once."
        )
    found = table[LABELS].apply(pd.to_numeric, errors="coerce").to_numpy(dtype=float)
    for text, row in zip(table["text"], found, strict=True):
        if not close(row, np.array(labels[text], dtype=float)):
            raise CheckFailed("A row has other labels than its comment. A variant has the labels of its original.")


@item
def multilabel_probabilities(answer: Answer, seed: int = 0) -> Iterator[str]:
    """Takes a BERT for sequence classification and its inputs; returns probabilities (texts, 6)."""
    import torch
    from transformers import BertConfig, BertForSequenceClassification

    texts = comments()["train"]["text"].str.slice(0, 80).head(5)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        sizes = {"hidden_size": 24, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 24}
        config = BertConfig(vocab_size=256, num_labels=6, hidden_dropout_prob=0.4, **sizes, initializer_range=0.6)
        model = BertForSequenceClassification(config).eval()
    ids = torch.tensor([list(text.encode().ljust(80)[:80]) for text in texts])
    inputs = {"input_ids": ids, "attention_mask": (ids != 32).long()}
    with torch.inference_mode():
        logits = model(**inputs).logits.double().numpy()
    model.train()  # as it comes out of a training loop
    got = answer.array(model, inputs, shape=(5, 6))
    again = answer.array(model, inputs, shape=(5, 6))
    if not close(got, again):
        raise CheckFailed(
            "Two calls give two results: dropout is still on. Which method puts a model into evaluation mode?"
        )
    sigmoid, powers = 1 / (1 + np.exp(-logits)), np.exp(logits)
    hints = {
        "Those are logits. Which function turns each into a probability?": logits,
        "A softmax makes the labels sum to one, but a comment may have several labels.": (
            powers / powers.sum(axis=1, keepdims=True)
        ),
        "The sigmoid is applied twice.": 1 / (1 + np.exp(-sigmoid)),
        "Those are predictions, 0 or 1. Return probabilities; thresholds come later.": sigmoid > 0.5,
    }
    compare(got, sigmoid, hints, "Those are not the sigmoids of the model's logits.", 1e-4)
    yield "a sigmoid for each label"
    yield "dropout off"


# --- judging ----------------------------------------------------------------------------------------------------------

VERDICTS = ("reached", "open", "missed")


@item
def report_labels(answer: Answer, seed: int = 0) -> Iterator[str]:
    """Takes validation and test, each {"truth", "probability"}; returns a table: threshold, f1, low, high."""
    rows, p = comments(), scored(1 + seed % 2)
    given = [{"truth": rows[s][LABELS], "probability": pd.DataFrame(p[s], columns=LABELS, index=rows[s].index)}
             for s in ("validation", "test")]  # fmt: skip
    value = answer(*given)
    table = as_table(value, ["threshold", "f1", "low", "high"])
    truth, scores = ([side[key].to_numpy() for side in given] for key in ("truth", "probability"))
    tuned = table["threshold"].to_numpy()
    if np.ptp(tuned) < 1e-9:
        raise CheckFailed(
            "All thresholds are the same. A rare label needs another one than a frequent label: tune each."
        )

    def f1(side: int, tuned: np.ndarray, average: str | None = None) -> np.ndarray:
        return f1_score(truth[side], scores[side] >= tuned, average=average, zero_division=0)

    best = [np.array([*thresholds.tune(truth[side], scores[side], LABELS).by_label.values()]) for side in (0, 1)]
    if (f1(1, tuned) > f1(1, best[1]) - 0.002).all():
        raise CheckFailed(
            "The thresholds were tuned on the test, which makes the test scores too optimistic. Use validation."
        )
    short = f1(0, best[0]) - f1(0, tuned)
    if short.max() > 0.025:
        worst = LABELS[short.argmax()]
        raise CheckFailed(f"The threshold of {worst!r} is not the one with the highest F1 on validation, or near it.")
    yield "thresholds tuned on validation"
    expected = metrics.multilabel_report(truth[1], scores[1], LABELS, tuned, n=400).per_label
    seen = metrics.multilabel_report(truth[0], scores[0], LABELS, tuned, n=400).per_label
    hints = {
        "`f1` was measured on validation, where the thresholds were chosen: it is too optimistic. Use the test.": seen[
            "f1"
        ],
        "`f1` was measured with the threshold 0.5. Use your own thresholds.": f1(1, np.full(6, 0.5)),
        "`f1` is one micro average for all labels. Report each label by itself.": np.full(6, f1(1, tuned, "micro")),
        "`f1` is the macro average for all labels. Report each label by itself.": np.full(6, f1(1, tuned, "macro")),
        "`f1` holds the precision.": expected["precision"],
        "`f1` holds the recall.": expected["recall"],
    }
    compare(table["f1"], expected["f1"], hints, "`f1` is not the F1 of each label on test with your thresholds.", 2e-3)
    yield "each label measured on test"
    width, wanted = table["high"] - table["low"], expected["f1_high"] - expected["f1_low"]
    if close(table["low"], seen["f1_low"], 0.02) and close(table["high"], seen["f1_high"], 0.02):
        raise CheckFailed("The intervals are those of validation. Use the test rows.")
    if not (width / wanted).between(0.75, 1.33).all() or not close(table["low"], expected["f1_low"], 0.05):
        ends = expected[["f1_low", "f1_high"]].set_axis(["low", "high"], axis=1)
        label = (table[["low", "high"]] - ends).abs().sum(axis=1).idxmax()
        found, due = ("{:.2f} to {:.2f}".format(*rows.loc[label, ["low", "high"]]) for rows in (table, ends))
        raise CheckFailed(
            f"The interval of {label!r} goes from {found}; a bootstrap of the test rows gives about {due}."
        )
    yield "with its interval"


def as_table(value: Any, columns: list[str]) -> pd.DataFrame:
    """A table with these columns and a row for each label, as floats, in the labels' order."""
    if not isinstance(value, pd.DataFrame) or not set(columns) <= set(value.columns):
        raise CheckFailed(
            f"Return a table (DataFrame) with the columns {', '.join(columns)}, and a row for each label."
        )
    if sorted(map(str, value.index)) != sorted(LABELS):
        raise CheckFailed("The index of your table should be the names of the six labels.")
    try:
        table = value.loc[LABELS, columns].astype(float)
    except (TypeError, ValueError):
        raise CheckFailed("Your table should hold numbers only.") from None
    if table.isna().any(axis=None):
        raise CheckFailed("Your table holds NaN: a number is missing.")
    return table


@cache
def _report(words: int) -> pd.DataFrame:
    rows, p = comments(), scored(words)
    tuned = thresholds.tune(rows["validation"][LABELS], p["validation"], LABELS)
    scores = metrics.multilabel_report(rows["test"][LABELS], p["test"], LABELS, tuned, n=400).per_label
    return scores[["f1", "f1_low", "f1_high"]].set_axis(["f1", "low", "high"], axis=1)


@item
def verdicts(answer: Answer, seed: int = 0) -> Iterator[str]:
    """Takes a report (f1, low, high by label) and a goal; returns "reached", "open" or "missed" for each label."""
    report, wrong = _report(1 + seed % 2), {}
    for goal in (0.75, *report["f1"].round(3) - 0.004, *report["f1"].round(3) + 0.004):
        given = answer(report, float(goal))
        given = given.to_dict() if isinstance(given, pd.Series) else given
        if not isinstance(given, Mapping) or set(given) != set(LABELS):
            raise CheckFailed("Return a dictionary with a verdict for each of the six labels, under its name.")
        for label, (f1, low, high) in zip(LABELS, report.itertuples(index=False), strict=True):
            verdict = given[label]
            if not isinstance(verdict, str) or verdict not in VERDICTS:
                raise CheckFailed(f"The verdict for {label!r} should be one of {', '.join(VERDICTS)}.")
            expected = "reached" if low > goal else "missed" if high < goal else "open"
            if verdict != expected:
                facts = f"With a goal of {goal:.3f}, {label!r} has {f1:.3f}, 95 % {low:.3f} to {high:.3f}"
                wrong.setdefault(
                    verdict if "open" in (verdict, expected) else "turned", f"{facts}. You return {verdict!r}"
                )
    if "turned" in wrong:
        raise CheckFailed(f"{wrong['turned']}, but the whole interval is on the other side of the goal.")
    if "reached" in wrong:
        raise CheckFailed(f"{wrong['reached']}: on other comments of the same kind F1 may be below the goal.")
    yield "reached only if the whole interval is above"
    if "missed" in wrong:
        raise CheckFailed(f"{wrong['missed']}: the interval holds the goal, so these rows are not enough to decide.")
    if "open" in wrong:
        raise CheckFailed(f"{wrong['open']}, but the whole interval is on one side of the goal.")
    yield "open where the interval holds the goal"


@item
def false_alarms(answer: Answer, seed: int = 0) -> Iterator[str]:
    """Takes rows (toxic, probability, cause) and a threshold; returns {"rate", "false_share", "causes"}."""
    rows = pd.concat([comments()["test"], comments()["test_natural"]])
    p = np.concatenate([scored()[split][:, 0] for split in ("test", "test_natural")])
    given = pd.DataFrame(
        {"toxic": rows["toxic"].to_numpy(), "probability": p, "cause": robustness.causes(rows["text"])}
    )
    given = given.sample(frac=0.9, random_state=seed).reset_index(drop=True)
    threshold = 0.5 + 0.1 * (seed % 3)
    harmless, alarm = given["toxic"] == 0, given["probability"] >= threshold
    false = harmless & alarm
    record = answer.record(["rate", "false_share", "causes"], given, threshold)
    rate, false_share = false.sum() / harmless.sum(), false.sum() / alarm.sum()
    hints = {
        "`rate` divides by the alarms. Divide by the *harmless* comments.": false_share,
        "`rate` divides by all comments. Divide by the harmless ones.": false.mean(),
        "`rate` is the share of *toxic* comments that are found. Use those with toxic = 0.": alarm[~harmless].mean(),
        "`rate` is the share of toxic comments that are missed.": 1 - alarm[~harmless].mean(),
    }
    compare(
        answer.as_number(record["rate"], "`rate`"),
        rate,
        hints,
        "`rate` is not the share of harmless comments with an alarm.",
        1e-3,
    )
    hints = {
        "`false_share` is the precision: the share of alarms that are *right*.": 1 - false_share,
        "`false_share` divides by the harmless comments. Divide by the *alarms*.": rate,
    }
    got = answer.as_number(record["false_share"], "`false_share`")
    compare(got, false_share, hints, "`false_share` is not the share of alarms that are false.", 1e-3)
    yield "two shares, two denominators"
    causes, value = (
        given.loc[false & (given["cause"] != "not read"), "cause"].value_counts().to_dict(),
        record["causes"],
    )
    value = value.to_dict() if isinstance(value, pd.Series) else value
    if not isinstance(value, Mapping):
        raise CheckFailed("`causes` should be a dictionary from each cause to its number of false alarms.")
    if "not read" in value:
        raise CheckFailed("'not read' is not a cause: nobody has read those comments. Leave them out.")
    if dict(value) == given.loc[harmless & (given["cause"] != "not read"), "cause"].value_counts().to_dict():
        raise CheckFailed(
            "`causes` counts all harmless comments with a cause, also those without an alarm at this threshold."
        )
    if dict(value) != causes:
        raise CheckFailed("`causes` should count the false alarms at this threshold by their cause.")
    yield "and their causes"


@item
def single_label_ceiling(answer: Answer, seed: int = 0) -> Iterator[str]:
    """Takes a table of labels and their order, the gravest first; returns the best F1 of each label, by its name."""
    truth = comments()["test"][LABELS].sample(frac=0.8, random_state=seed)
    order = [*GRAVEST_FIRST] if seed % 2 == 0 else [*GRAVEST_FIRST[1:], GRAVEST_FIRST[0]]

    def kept(order: list[str]) -> np.ndarray:
        """The share of each label's comments that would be given it."""
        rows = truth[order].to_numpy()
        first = np.where(rows.any(axis=1), rows.argmax(axis=1), -1)
        share = {label: (first == at).sum() / rows[:, at].sum() for at, label in enumerate(order)}
        return np.array([share[label] for label in LABELS])

    recall = kept(order)
    got = by_label(answer, answer(truth, order), "What you return")
    hints = {
        "That is the recall. F1 is 2PR / (P + R), and a perfect model has precision 1.": recall,
        "The order is wrong: a comment keeps the first label of `gravest_first` that it has.": _f1(kept(order[::-1])),
        "F1 is not 1 for all: a comment with three labels keeps only one, and the other two are lost.": np.ones(6),
    }
    compare(got, _f1(recall), hints, "It is not the F1 of one gravest label for each comment.", 1e-3)
    yield "each comment keeps its gravest label"
    yield "the other labels cannot be predicted"


def _f1(recall: np.ndarray) -> np.ndarray:
    return 2 * recall / (1 + recall)


# --- stress -----------------------------------------------------------------------------------------------------------

WARM_UP, CALLS = 3, 30


@item
def latency_of(answer: Answer, seed: int = 0) -> Iterator[str]:
    """Takes a predict function, texts, n and warmup; returns {"median", "p95"} of n single calls, in ms."""
    texts, starts, sizes = comments()["train"]["text"].head(8).tolist(), [], []

    def predict(texts: list[str]) -> list[float]:
        """Slow at first, as models are; then quick, with every fifth call slower."""
        starts.append(time.perf_counter())
        call = len(starts) - 1
        time.sleep(0.2 if call < WARM_UP else 0.03 if call % 5 == seed % 5 else 0.004)
        sizes.append(len(texts) if isinstance(texts, list | tuple | np.ndarray) else -1)
        return [0.5] * max(sizes[-1], 1)

    record = answer.record(["median", "p95"], predict, texts, CALLS, WARM_UP)
    if set(sizes) != {1}:
        one = "one text" if -1 in sizes else f"a list of {max(sizes, default=0)} texts"
        raise CheckFailed(f"`predict` was given {one}. A user sends one text: time calls with a list of one text.")
    yield "one text at a time"
    if len(starts) != CALLS + WARM_UP:
        raise CheckFailed(
            f"`predict` was called {len(starts)} times; it should be {CALLS} timed calls after {WARM_UP} for warm-up."
        )
    got = np.array([answer.as_number(record[key], f"`{key}`") for key in ("median", "p95")])
    # From start to start: what the caller waits, the messages between two processes included.
    every = 1000 * np.diff(starts)
    counted = every[WARM_UP:]

    def both(times: np.ndarray) -> np.ndarray:
        return np.array([np.median(times), np.percentile(times, 95)])

    readings = {
        "": both(counted),
        "The unit is seconds. Return milliseconds: seconds times 1,000.": both(counted) / 1000,
        "The first calls are timed too. They fill caches and start threads: leave them out.": both(every),
        "`p95` is the median: it should be the time that 95 of 100 calls do not exceed.": np.repeat(
            np.median(counted), 2
        ),
        "Both numbers are the mean: one slow call in five changes a mean, but not a median.": np.repeat(
            counted.mean(), 2
        ),
        "`median` is the mean: one slow call in five changes a mean, but not a median.": np.array(
            [counted.mean(), np.percentile(counted, 95)]
        ),
    }
    if (got <= 0).any():
        raise CheckFailed("A time is zero or negative. Subtract the earlier reading of the clock from the later one.")
    # The nearest reading, by ratio: no machine measures exactly the same twice.
    hint = min(readings, key=lambda hint: np.abs(np.log(got / readings[hint])).sum())
    if hint:
        raise CheckFailed(hint)
    yield "warmed up first"
    yield "median and 95th percentile, in ms"


@cache
def quick() -> tuple[object, pd.DataFrame]:
    """A model of words for *toxic*, and test comments to attack it with."""
    from sklearn.feature_extraction.text import CountVectorizer
    from sklearn.naive_bayes import ComplementNB
    from sklearn.pipeline import make_pipeline

    train = comments()["train"]
    model = make_pipeline(CountVectorizer(binary=True), ComplementNB()).fit(train["text"], train["toxic"])
    return model, comments()["test"][["text", "toxic"]]


@item
def survivors(answer: Answer, seed: int = 0) -> Iterator[str]:
    """Takes predict, texts and 0/1 for toxic; returns each attack's share of cases still predicted toxic."""
    model, test = quick()
    some = test.sample(250, random_state=seed)
    texts, toxic = some["text"].tolist(), some["toxic"].to_numpy()

    def predict(texts: list[str]) -> list[int]:
        return [int(label) for label in model.predict(list(texts))]

    value = answer(predict, texts, toxic.tolist())
    value = value.to_dict() if isinstance(value, pd.Series) else value
    if not isinstance(value, Mapping) or set(value) != set(robustness.ATTACKS):
        names = ", ".join(robustness.ATTACKS)
        raise CheckFailed(f"Return a dictionary with a share for each attack: {names}.")
    got = np.array([answer.as_number(value[name], f"The share of {name!r}") for name in robustness.ATTACKS])
    caught, yes = np.array(predict(texts)) == 1, toxic == 1

    def shares(among: np.ndarray, changed_only: bool = True) -> np.ndarray:
        found = []
        for name in robustness.ATTACKS:
            pairs = [(texts[row], robustness.attack(name, texts[row])) for row in np.flatnonzero(among)]
            cases = [new for old, new in pairs if new != old or not changed_only]
            found.append(np.mean(predict(cases)) if cases else 0.0)
        return np.array(found)

    expected = shares(yes & caught)
    hints = {
        "You count comments that the attack does not change: keep only those that it changes.": shares(
            yes & caught, changed_only=False
        ),
        "You count comments that were missed before the attack: keep only those predicted toxic before.": (shares(yes)),
        "You attack harmless comments too. Keep the toxic ones.": shares(caught),
        "All comments are counted, harmless ones and unchanged ones too.": shares(np.full(len(yes), True), False),
        "Those are the shares that *escape*. Return the shares still predicted toxic.": 1 - expected,
    }
    compare(got, expected, hints, "For real comments and a model of words the shares are other numbers.", 1e-3)
    yield "cases are toxic, found before, and changed"
    yield "each attack by itself"


# --- handing in -------------------------------------------------------------------------------------------------------

GOAL = 0.75  # F1 of a label on test
SAME = 0.02  # the largest difference of one float model's probabilities on two machines
COMPANY = 0.3  # that of an 8-bit model, if its scale is computed anew for each batch
YES = [f"{label}_yes" for label in LABELS]
COLUMNS = ["id", *LABELS, *YES]


@cache
def held_out() -> pd.DataFrame:
    """The comments to predict, wiki-toxicity's `test`: id (twelve hex digits of the text's SHA-256) and text."""
    texts = comments()["test"]["text"].reset_index(drop=True)
    ids = [hashlib.sha256(text.encode()).hexdigest()[:12] for text in texts]
    return pd.DataFrame({"id": ids, "text": texts})


@cache
def _gold() -> pd.DataFrame:
    return comments()["test"][LABELS].set_axis(held_out()["id"], axis=0)


@item
def predictions_file(answer: Answer) -> Iterator[str]:
    """Returns the table of predictions.csv: id, a probability for each label, and `…_yes`, 0 or 1, for each."""
    table = _read(answer)
    yield f"{len(table)} comments, each once"
    for label in LABELS:
        yes, p = table[f"{label}_yes"] == 1, table[label]
        if yes.any() and not yes.all() and p[yes].min() < p[~yes].max():
            raise CheckFailed(
                f"No single threshold gives `{label}_yes`: a comment with {p[~yes].max():.4f} is a no, one with "
                f"{p[yes].min():.4f} a yes. Are the columns from one model, and in the same order?"
            )
    yield "one threshold for each label"


@item
def f1_by_label(answer: Answer) -> Iterator[Part]:
    """Returns the table of predictions.csv, as `predictions_file`; a point for each label with F1 above the goal."""
    predicted = _read(answer)[YES].to_numpy(dtype=float)
    for label, scores in metrics.multilabel_report(_gold(), predicted, LABELS).per_label.iterrows():
        text = f"{label} {scores['f1']:.3f}, 95 % {scores['f1_low']:.3f} to {scores['f1_high']:.3f}"
        is_open = scores["f1_low"] <= GOAL <= scores["f1_high"]
        yield Part(f"{text}: open" if is_open else text, points=int(scores["f1"] > GOAL))


@item
def served_model(answer: Answer, predictions: Any = None, rows: int = 24, seed: int = 0) -> Iterator[str]:
    """Takes texts; returns the results of a service of `model/`: for each text its `scores` by label, and `labels`.

    predictions: the learner's `predictions_file`, with which the results should agree.
    """
    some = held_out().sample(rows, random_state=seed)
    results = answer(some["text"].tolist())
    if not isinstance(results, list | tuple) or len(results) != rows:
        raise CheckFailed(
            f"For {rows} texts there should be a list of {rows} results; `served_model` returns {short(results)}."
        )
    scores, predicted = (np.array(column) for column in zip(*(_result(result) for result in results), strict=True))
    yield "a result for each text"
    gold = _gold().loc[some["id"], "toxic"].to_numpy()
    if scores[gold == 1, 0].mean() <= scores[gold == 0, 0].mean():
        raise CheckFailed(
            "Toxic comments get lower scores for 'toxic' than harmless ones. Are the labels of the model "
            "in another order, "
            "or are the results in another order than the texts?"
        )
    if predictions is not None:
        table = _read(Answer("predictions_file", predictions)).loc[some["id"]]
        _agree(scores, predicted, table)
        yield "the same as in predictions.csv"
    yield "toxic comments get higher scores"


def _agree(scores: np.ndarray, predicted: np.ndarray, table: pd.DataFrame) -> None:
    """Raises CheckFailed unless the service agrees with the file."""
    written, apart = table[LABELS].to_numpy(), np.abs(scores - table[LABELS].to_numpy())
    if apart.max() > SAME:
        row, column = np.unravel_index(apart.argmax(), apart.shape)
        share = (apart.max(axis=1) > SAME).mean()
        why = "Write the file with the model that you serve."
        if apart.max() < COMPANY and apart.mean() < SAME:
            why = "They are near: is it the model in eight bits? Its scores depend on the batch. Hand in floats."
        raise CheckFailed(
            f"The service and predictions.csv disagree on {share:.0%} of the comments asked: for {LABELS[column]!r} of "
            f"{table.index[row]} it gives {scores[row, column]:.3f}, the file {written[row, column]:.3f}. {why}"
        )
    for column, label in enumerate(LABELS):
        listed = table[f"{label}_yes"].to_numpy()
        other = (predicted[:, column] != listed).mean()
        if other > 0.05:
            raise CheckFailed(
                f"The scores agree, but not the yes and no of {label!r}: the service uses another threshold than "
                "`predictions.csv`. Are the thresholds in the model's folder?"
            )


def _result(result: Any) -> tuple[list[float], list[int]]:
    """The scores in the labels' order, and 1 for each label predicted, else 0."""
    if not isinstance(result, Mapping) or not {"labels", "scores"} <= set(result):
        raise CheckFailed('Each result should be a dictionary with "labels" and "scores", as the service sends it.')
    scores, names = result["scores"], result["labels"]
    if not isinstance(scores, Mapping) or set(scores) != set(LABELS):
        raise CheckFailed(f"The scores should be of {', '.join(LABELS)}: is that the model you trained on them?")
    if not all(isinstance(score, int | float) and 0 <= score <= 1 for score in scores.values()):
        raise CheckFailed("A score is not a probability from 0 to 1.")
    if not isinstance(names, list | tuple) or not all(isinstance(label, str) and label in LABELS for label in names):
        raise CheckFailed('"labels" should be the list of the labels predicted; it may be empty.')
    return [scores[label] for label in LABELS], [int(label in names) for label in LABELS]


def _read(answer: Answer) -> pd.DataFrame:
    """The table, its form checked, a row for each held-out comment in their order, indexed by id."""
    table = answer()
    if not isinstance(table, pd.DataFrame):
        raise CheckFailed("Return the table (DataFrame) of predictions.csv.")
    names = list(map(str, table.columns))
    if sorted(names) != sorted(COLUMNS):
        missing = [name for name in COLUMNS if name not in names]
        extra = [name for name in names if name not in COLUMNS] or [name for name in names if names.count(name) > 1]
        lacks = f"lacks {', '.join(missing[:4])}" if missing else f"has {short(extra[0])} too"
        raise CheckFailed(f"predictions.csv {lacks}. Its columns should be id, the six labels, and each with _yes.")
    table = table.set_axis(names, axis=1)
    ids, wanted = table["id"].astype(str), held_out()["id"]
    if ids.duplicated().any():
        raise CheckFailed(f"predictions.csv has {ids[ids.duplicated()].iloc[0][:20]} twice: one row for each comment.")
    foreign, left = set(ids) - set(wanted), len(set(wanted) - set(ids))
    if foreign:
        raise CheckFailed(f"predictions.csv has the id {min(foreign)[:20]!r}, which is not in the held-out list.")
    if left:
        raise CheckFailed(f"predictions.csv lacks {left} of the {len(wanted)} held-out comments.")
    table = table.set_axis(ids, axis=0).loc[wanted]
    for name in COLUMNS[1:]:
        column = pd.to_numeric(table[name], errors="coerce").astype(float)
        if column.isna().any():
            found = table.loc[column.isna(), name].iloc[0]
            what = "NaN or empty" if found != found or found in ("", None) else f"{short(found)}, which is not a number"
            raise CheckFailed(f"predictions.csv: `{name}` of {column.index[column.isna()][0]} is {what}.")
        wrong = ~column.isin([0, 1]) if name in YES else ~column.between(0, 1)
        if wrong.any():
            wants = "0 or 1" if name in YES else "a probability from 0 to 1"
            raise CheckFailed(
                f"predictions.csv: `{name}` of {column.index[wrong][0]} is {column[wrong].iloc[0]:g}, not {wants}."
            )
        table[name] = column
    return table
