"""The practical's data, and its items before anything is judged: looking, the loss, the model."""

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import numpy as np
import pandas as pd

from textclf_lesson import augment, data
from textclf_lesson.check.core import Answer, CheckFailed, close, compare, item, kind
from textclf_lesson.check.sources import tables

LABELS = list(data.TOXICITY)
SPLITS = ("train", "validation", "test", "test_natural")


@cache
def comments() -> dict[str, pd.DataFrame]:
    """wiki-toxicity by split: text and the six labels."""
    splits = tables("wiki-toxicity")
    return {split: splits[split][["text", *LABELS]] for split in SPLITS}


@cache
def judged(words: int = 1) -> dict[str, np.ndarray]:
    """Probabilities (rows, labels) by split from naive Bayes on runs of up to so many words: quick, real, mediocre."""
    from sklearn.feature_extraction.text import CountVectorizer
    from sklearn.multiclass import OneVsRestClassifier
    from sklearn.naive_bayes import ComplementNB
    from sklearn.pipeline import make_pipeline

    rows = comments()
    counts = CountVectorizer(binary=True, ngram_range=(1, words), min_df=2)
    model = make_pipeline(counts, OneVsRestClassifier(ComplementNB(alpha=0.5)))
    model.fit(rows["train"]["text"], rows["train"][LABELS].to_numpy())
    p = {split: np.clip(model.predict_proba(rows[split]["text"]), 1e-12, 1 - 1e-12) for split in SPLITS}
    # Naive Bayes is far too sure of itself: the order stays, and a grid of cuts finds its way.
    return {split: 1 / (1 + ((1 - values) / values) ** 0.2) for split, values in p.items()}


def by_label(answer: Answer, value: Any, what: str) -> np.ndarray:
    """A dictionary or Series with a number for each label, in their order."""
    entries = value.to_dict() if isinstance(value, pd.Series) else value
    if not isinstance(entries, Mapping) or set(entries) != set(LABELS):
        raise CheckFailed(f"{what} should hold one number for each of the six labels, under its name.")
    return np.array([answer.as_number(entries[name], f"{what} of {name!r}") for name in LABELS])


@item
def explore(answer: Answer, seed: int = 0) -> Iterator[str]:
    """Takes tables by split; returns {"rows", "share", "no_label", "length"} of what may be looked at."""
    splits = {name: rows.sample(frac=0.6, random_state=seed) for name, rows in comments().items()}
    said = answer.record(["rows", "share", "no_label", "length"], splits)
    train, every = splits["train"], pd.concat(splits.values())
    hints = {
        "You count the rows of all splits. What you see of the test will guide your choices: look at training only.": (
            len(every)
        ),
        "Those are the rows of the test. It is opened once, at the very end.": len(splits["test"]),
        "Training and validation together: choices are *judged* on validation, so it is not looked at either.": (
            len(train) + len(splits["validation"])
        ),
    }
    rows = answer.as_number(said["rows"], "`rows`")
    compare(rows, len(train), hints, f"`rows` is {rows:g}; there are {len(train)} training comments in what was given.")
    yield "training only"
    share = by_label(answer, said["share"], "`share`")
    labelled = train[train[LABELS].any(axis=1)]
    hints = {
        "`share` was taken over all splits. The test is none of your business yet.": every[LABELS].mean(),
        "`share` was taken on the test split.": splits["test"][LABELS].mean(),
        "`share` holds counts: divide by the number of comments.": train[LABELS].sum(),
        "`share` is a percentage; a share lies between 0 and 1.": 100 * train[LABELS].mean(),
        "`share` was taken over comments with a label. Divide by all training comments.": labelled[LABELS].mean(),
        "`share` divides by the number of labels given, not of comments.": train[LABELS].sum()
        / train[LABELS].sum().sum(),
    }
    compare(share, train[LABELS].mean(), hints, "`share` is not the share of training comments with each label.", 1e-3)
    yield "how rare each label is"
    none = 1 - len(labelled) / len(train)
    hints = {
        "`no_label` is the share *with* a label.": 1 - none,
        "`no_label` is a count: divide by the number of comments.": none * len(train),
    }
    compare(answer.as_number(said["no_label"], "`no_label`"), none, hints, "`no_label` is off.", 1e-3)
    length = train["text"].str.len()
    hints = {
        "`length` is the mean. Asked is the length that 95 of 100 comments stay under.": length.mean(),
        "`length` is the longest comment: one odd row decides it. Take the 95th percentile.": length.max(),
        "`length` counts words; asked are characters.": train["text"].str.split().str.len().quantile(0.95),
    }
    got = answer.as_number(said["length"], "`length`")
    compare(got, length.quantile(0.95), hints, "`length` is not the 95th percentile of the characters.", 0.02)
    yield "how many have none, and how long they are"


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
        "α is on the wrong class: it should weigh a label's *positives*, and negatives weigh 1.": loss(0, 1.0, alpha),
        "α weighs negatives as well. It belongs to the positives only.": loss(0, alpha, alpha),
        "α is upside down: frequent labels get the large weight. It is negatives over positives, under the root.": loss(
            0, 1 / alpha
        ),
        "The root is missing in α: as it stands, the rarest label outweighs all others.": loss(0, alpha**2),
        "No α yet: each label's positives should weigh √(negatives / positives).": loss(0, 1.0),
        "You sum over everything. Take the mean over all elements, or the learning rate no longer fits.": (
            loss(0) * truth.size
        ),
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
        "The sign of γ is turned: what is nearly right gets dearer. The factor is (1 − p_t) to the power γ.": loss(
            -gamma
        ),
        "You weigh by p_t to the power γ, so that what is right pays most. The factor is 1 − p_t.": loss(
            gamma, hard=p_t
        ),
        "Your factor is 1 − p for negatives too. Where the truth is 0, p_t is 1 − p.": loss(gamma, hard=1 - p),
        "The loss does not change with γ. Where does γ stand in it?": loss(0),
    }
    compare(answer.number(*given(logits), rows, gamma), loss(gamma), hints, f"With γ = {gamma:g} it is off.", 1e-4)
    yield "what is nearly right costs little"
    try:
        far = answer.number(*given(np.where(truth == 1, -10_000.0, 10_000.0)), rows, gamma)
    except CheckFailed:
        far = np.nan
    if not np.isfinite(far):
        raise CheckFailed(
            "At logits of ±10,000 the loss is no number. Start from the logits, not from the log of a sigmoid."
        )
    yield "finite far out"


@item
def enlarge_training(answer: Answer, seed: int = 0) -> Iterator[str]:
    """Takes tables by split, rare labels, and what makes a text's variants; returns the table to train on."""
    rare, eda = ["threat", "identity_hate"], augment.EDA(seed=seed, synonyms=0, insertions=0)
    given: dict[str, list[str]] = {}  # the variants of each text that was varied

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
            "You vary comments of validation or test too. A variant of a judged comment in training is a leak, and a "
            "varied test is another test: training rows only."
        )
    if elsewhere & set(table["text"]):
        raise CheckFailed("Comments of validation or test stand in your table. It is what the model is trained on.")
    yield "training rows only"
    any_rare = train[rare].any(axis=1)
    if set(given) - set(train["text"][any_rare]):
        raise CheckFailed("You vary comments without a rare label: the shares of the labels stay as they were.")
    if set(train["text"][any_rare]) - set(given):
        raise CheckFailed("Not each comment with a rare label has variants. It needs to carry *one* of them, not all.")
    if set(train["text"]) - set(table["text"]):
        raise CheckFailed("Training comments are missing. Variants come on top of the comments that are there.")
    yield "each that carries a rare label"
    made = [(new, row) for text, *row in train[any_rare].values.tolist() for new in given[text]]
    _compare_rows(table, [(text, row) for text, *row in train.values.tolist()] + made)
    yield "variants with the labels of their comment"


def _long(rows: pd.DataFrame) -> pd.DataFrame:
    """Comments of 8 to 40 words: each has two variants, different from those of any other."""
    return rows[rows["text"].str.split().str.len().between(8, 40)]


def _compare_rows(table: pd.DataFrame, wanted: list[tuple[str, list]]) -> None:
    """Whether a table holds just these texts with these labels, in any order. Raises CheckFailed."""
    labels = dict(wanted)
    strange = [text for text in table["text"] if text not in labels]
    if strange:
        raise CheckFailed("There are texts in your table that are neither training comments nor what `vary` gave.")
    if len(table) != len(wanted):
        raise CheckFailed(
            f"Your table has {len(table)} rows. {len(wanted)} are due: each training comment once, and all variants "
            "that `vary` gave, each once."
        )
    found = table[LABELS].apply(pd.to_numeric, errors="coerce").to_numpy(dtype=float)
    for text, row in zip(table["text"], found, strict=True):
        if not close(row, np.array(labels[text], dtype=float)):
            raise CheckFailed("A row has other labels than its comment. Whose labels does a variant get?")


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
        raise CheckFailed("Two calls, two answers: dropout is still on. Which method puts a model into evaluation?")
    sigmoid, powers = 1 / (1 + np.exp(-logits)), np.exp(logits)
    hints = {
        "Those are logits, numbers without bounds. What turns each into a probability?": logits,
        "A softmax shares out one unit among the labels, but a comment may be several things.": (
            powers / powers.sum(axis=1, keepdims=True)
        ),
        "The sigmoid is applied twice.": 1 / (1 + np.exp(-sigmoid)),
        "Those are yes and no. Return probabilities; cuts come later.": sigmoid > 0.5,
    }
    compare(got, sigmoid, hints, "Those are not the sigmoids of the model's logits.", 1e-4)
    yield "a sigmoid for each label"
    yield "dropout off"
