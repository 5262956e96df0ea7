"""Answers to the items of the practical."""

import csv
import io
import statistics
import time

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from sklearn.metrics import f1_score

from tests.exercises.answers import right, wrong
from textclf_lesson.check import ex15
from textclf_lesson.evaluate import metrics, robustness, thresholds

LABELS = ["toxic", "severe_toxic", "obscene", "threat", "insult", "identity_hate"]


# --- explore ----------------------------------------------------------------------------------------------------------


def _found(rows, **other):
    labels = rows[LABELS]
    none = (labels.sum(axis=1) == 0).mean()
    return {"rows": len(rows), "share": labels.mean().to_dict(), "no_label": none,
            "length": rows["text"].str.len().quantile(0.95)} | other  # fmt: skip


@wrong("explore", "rows of all splits")
def looks_at_everything(splits):
    return _found(pd.concat(splits.values()))


@wrong("explore", "the rows of the test split")
def looks_at_the_test(splits):
    return _found(splits["test"])


@wrong("explore", "explore training only")
def looks_at_validation_too(splits):
    return _found(pd.concat([splits["train"], splits["validation"]]))


@wrong("explore", "`share` was taken over all splits")
def shares_of_all_splits(splits):
    return _found(splits["train"], share=pd.concat(splits.values())[LABELS].mean())


@wrong("explore", "`share` holds counts")
def counts_for_shares(splits):
    return _found(splits["train"], share=splits["train"][LABELS].sum())


@wrong("explore", "share *with* a label")
def those_with_a_label(splits):
    return _found(splits["train"], no_label=splits["train"][LABELS].any(axis=1).mean())


@wrong("explore", "counts words")
def lengths_in_words(splits):
    return _found(splits["train"], length=splits["train"]["text"].str.split().str.len().quantile(0.95))


@wrong("explore", "one number for each of the six labels")
def forgets_a_label(splits):
    return _found(splits["train"], share=splits["train"][LABELS[1:]].mean())


@right("explore")
def row_by_row(splits):
    texts, labels = splits["train"]["text"].tolist(), splits["train"][LABELS].to_numpy()
    n = len(texts)
    return {
        "rows": n,
        "share": {label: np.count_nonzero(column) / n for label, column in zip(LABELS, labels.T, strict=True)},
        "no_label": 1 - np.count_nonzero(labels.max(axis=1)) / n,
        "length": sorted(map(len, texts))[int(0.95 * n)],
    }


# --- weighted_focal ---------------------------------------------------------------------------------------------------


def _focal(logits, targets, yes, no, gamma, mean=True):
    ce = F.binary_cross_entropy_with_logits(logits, targets, reduction="none")
    weight = torch.where(targets > 0.5, yes, no)
    loss = weight * (1 - torch.exp(-ce)) ** gamma * ce
    return loss.mean() if mean else loss.sum()


@wrong("weighted_focal", "on the wrong class")
def alpha_on_negatives(logits, targets, positives, rows, gamma=1.0):
    alpha = ((rows - positives) / positives) ** 0.5
    return _focal(logits, targets, torch.ones_like(alpha), alpha, gamma)


@wrong("weighted_focal", "The root is missing")
def no_root(logits, targets, positives, rows, gamma=1.0):
    alpha = (rows - positives) / positives
    return _focal(logits, targets, alpha, torch.ones_like(alpha), gamma)


@wrong("weighted_focal", "upside down")
def frequent_labels_louder(logits, targets, positives, rows, gamma=1.0):
    alpha = (positives / (rows - positives)) ** 0.5
    return _focal(logits, targets, alpha, torch.ones_like(alpha), gamma)


@wrong("weighted_focal", "α is missing")
def plain_cross_entropy(logits, targets, positives, rows, gamma=1.0):
    return F.binary_cross_entropy_with_logits(logits, targets)


@wrong("weighted_focal", "The sigmoid is applied twice")
def sigmoid_twice(logits, targets, positives, rows, gamma=1.0):
    alpha = ((rows - positives) / positives) ** 0.5
    return _focal(logits.sigmoid(), targets, alpha, torch.ones_like(alpha), gamma)


@wrong("weighted_focal", "You sum over all elements")
def sums(logits, targets, positives, rows, gamma=1.0):
    alpha = ((rows - positives) / positives) ** 0.5
    return _focal(logits, targets, alpha, torch.ones_like(alpha), gamma, mean=False)


@wrong("weighted_focal", "The sign of γ is turned")
def gamma_turned(logits, targets, positives, rows, gamma=1.0):
    alpha = ((rows - positives) / positives) ** 0.5
    return _focal(logits, targets, alpha, torch.ones_like(alpha), -gamma)


@wrong("weighted_focal", "The loss does not change with γ")
def gamma_forgotten(logits, targets, positives, rows, gamma=1.0):
    alpha = ((rows - positives) / positives) ** 0.5
    return _focal(logits, targets, alpha, torch.ones_like(alpha), 0)


@wrong("weighted_focal", "not a number. Start from the logits")
def log_of_a_sigmoid(logits, targets, positives, rows, gamma=1.0):
    alpha, p = ((rows - positives) / positives) ** 0.5, logits.sigmoid()
    yes, no = alpha * (1 - p) ** gamma * p.log(), p**gamma * (1 - p).log()
    return -(targets * yes + (1 - targets) * no).mean()


@right("weighted_focal")
def with_logsigmoid(logits, targets, positives, rows, gamma=1.0):
    weight = 1 + targets * (torch.sqrt(rows / positives - 1) - 1)
    log_p_t = F.logsigmoid(logits * (2 * targets - 1))
    return -(weight * (1 - log_p_t.exp()).pow(gamma) * log_p_t).sum() / targets.numel()


# --- enlarge_training -------------------------------------------------------------------------------------------------


def _enlarged(train, rare, vary, keep=slice(None), how="any"):
    some = train[getattr(train[rare], how)(axis=1)]
    new = [{**row, "text": text} for row in some.to_dict("records") for text in vary(row["text"])[keep]]
    return pd.concat([train, pd.DataFrame(new)], ignore_index=True)


@wrong("enlarge_training", "You vary comments of validation or test too")
def varies_all_splits(splits, rare, vary):
    return _enlarged(pd.concat(splits.values()), rare, vary)


@wrong("enlarge_training", "You vary comments of validation or test too")
def varies_the_test_split(splits, rare, vary):
    _enlarged(splits["test"], rare, vary)
    return _enlarged(splits["train"], rare, vary)


@wrong("enlarge_training", "Comments of validation or test are in your table")
def trains_on_all_splits(splits, rare, vary):
    return pd.concat([_enlarged(splits["train"], rare, vary), splits["validation"]])


@wrong("enlarge_training", "without a rare label")
def varies_every_comment(splits, rare, vary):
    return _enlarged(splits["train"].assign(every=1), ["every"], vary).drop(columns="every")


@wrong("enlarge_training", "One rare label is enough")
def only_those_with_all(splits, rare, vary):
    return _enlarged(splits["train"], rare, vary, how="all")


@wrong("enlarge_training", "Training comments are missing")
def variants_instead_of_comments(splits, rare, vary):
    return _enlarged(splits["train"], rare, vary)[len(splits["train"]) :]


@wrong("enlarge_training", "all variants")
def the_first_variant_only(splits, rare, vary):
    return _enlarged(splits["train"], rare, vary, keep=slice(1))


@wrong("enlarge_training", "A variant has the labels of its original")
def labels_of_the_next_row(splits, rare, vary):
    table, n = _enlarged(splits["train"], rare, vary), len(splits["train"])
    table.loc[n:, LABELS] = np.roll(table.loc[n:, LABELS], 1, axis=0)
    return table


@wrong("enlarge_training", "A variant has the labels of its original")
def variants_without_labels(splits, rare, vary):
    train = splits["train"]
    new = [text for old in train["text"][train[rare].any(axis=1)] for text in vary(old)]
    return pd.concat([train, pd.DataFrame({"text": new})])


@wrong("enlarge_training", "Each row should hold one text")
def lists_of_variants_in_a_cell(splits, rare, vary):
    train = splits["train"]
    some = train[train[rare].any(axis=1)]
    return pd.concat([train, some.assign(text=some["text"].map(vary))])


@wrong("enlarge_training", "a table (DataFrame)")
def a_list_of_texts(splits, rare, vary):
    return _enlarged(splits["train"], rare, vary)["text"].tolist()


@right("enlarge_training")
def row_after_row(splits, rare, vary):
    rows = []
    for row in splits["train"].to_dict("records"):
        rows.append(row)
        if any(row[label] for label in rare):
            rows += [row | {"text": text} for text in vary(row["text"])]
    return pd.DataFrame(rows)


# --- multilabel_probabilities -----------------------------------------------------------------------------------------


@wrong("multilabel_probabilities", "dropout is still on")
def still_training(model, inputs):
    return model(**inputs).logits.sigmoid()


@wrong("multilabel_probabilities", "A softmax makes the labels sum to one")
def softmax(model, inputs):
    return model.eval()(**inputs).logits.softmax(dim=1)


@wrong("multilabel_probabilities", "Those are logits")
def logits_only(model, inputs):
    return model.eval()(**inputs).logits


@wrong("multilabel_probabilities", "Those are predictions, 0 or 1")
def threshold_one_half(model, inputs):
    return model.eval()(**inputs).logits.sigmoid() > 0.5


@right("multilabel_probabilities")
def by_numpy(model, inputs):
    with torch.no_grad():
        logits = model.train(False)(input_ids=inputs["input_ids"], attention_mask=inputs["attention_mask"]).logits
    return 1 / (1 + np.exp(-logits.numpy().astype(float)))


# --- report_labels ----------------------------------------------------------------------------------------------------


def _report(validation, test, tune_on=None, score_on=None, **other):
    tune_on, score_on = tune_on or validation, score_on or test
    tuned = thresholds.tune(tune_on["truth"], tune_on["probability"], LABELS)
    scores = metrics.multilabel_report(score_on["truth"], score_on["probability"], LABELS, tuned, n=400).per_label
    table = pd.DataFrame(
        {"threshold": tuned.to_dict(), "f1": scores["f1"], "low": scores["f1_low"], "high": scores["f1_high"]}
    )
    return table.assign(**other)


@wrong("report_labels", "tuned on the test")
def tuned_on_test(validation, test):
    return _report(validation, test, tune_on=test)


@wrong("report_labels", "it is too optimistic")
def judged_on_validation(validation, test):
    return _report(validation, test, score_on=validation)


@wrong("report_labels", "All thresholds are the same")
def one_half_for_all(validation, test):
    return _report(validation, test, threshold=0.5)


@wrong("report_labels", "one micro average")
def micro_for_all(validation, test):
    table = _report(validation, test)
    predictions = test["probability"].to_numpy() >= table["threshold"].to_numpy()
    return table.assign(f1=f1_score(test["truth"], predictions, average="micro"))


@wrong("report_labels", "`f1` holds the recall")
def recall_for_f1(validation, test):
    table = _report(validation, test)
    predictions = test["probability"].to_numpy() >= table["threshold"].to_numpy()
    yes = test["truth"].to_numpy() == 1
    return table.assign(f1=(predictions & yes).sum(axis=0) / yes.sum(axis=0))


@wrong("report_labels", "a bootstrap of the test rows")
def one_standard_error(validation, test):
    table = _report(validation, test)
    half = (table["high"] - table["low"]) / 4
    return table.assign(low=table["f1"] - half, high=table["f1"] + half)


@wrong("report_labels", "names of the six labels")
def without_names(validation, test):
    return _report(validation, test).reset_index(drop=True)


@right("report_labels")
def by_hand(validation, test):
    rows, rng = {}, np.random.default_rng(7)
    for label in LABELS:
        yes, p = validation["truth"][label].to_numpy(), validation["probability"][label].to_numpy()
        f1s = {threshold: f1_score(yes, p >= threshold) for threshold in np.arange(0.02, 0.99, 0.01)}
        threshold = max(f1s, key=f1s.get)
        truth, predictions = test["truth"][label].to_numpy(), test["probability"][label].to_numpy() >= threshold
        draws = [rng.integers(0, len(truth), len(truth)) for _ in range(400)]
        again = [2 * (truth[d] & predictions[d]).sum() / (truth[d].sum() + predictions[d].sum()) for d in draws]
        rows[label] = [threshold, f1_score(truth, predictions), *np.quantile(again, [0.025, 0.975])]
    return pd.DataFrame(rows, index=["threshold", "f1", "low", "high"]).T


# --- verdicts ---------------------------------------------------------------------------------------------------------


@wrong("verdicts", "F1 may be below the goal")
def by_the_point_alone(report, goal):
    return {label: "reached" if row["f1"] > goal else "missed" for label, row in report.iterrows()}


@wrong("verdicts", "these rows are not enough")
def below_is_missed(report, goal):
    return {
        label: "reached" if row["low"] > goal else "open" if row["f1"] > goal else "missed"
        for label, row in report.iterrows()
    }


@wrong("verdicts", "on the other side of the goal")
def turned(report, goal):
    return {
        label: "missed" if row["low"] > goal else "reached" if row["high"] < goal else "open"
        for label, row in report.iterrows()
    }


@wrong("verdicts", "is on one side")
def never_commits(report, goal):
    return dict.fromkeys(report.index, "open")


@wrong("verdicts", "should be one of reached, open, missed")
def yes_and_no(report, goal):
    return {label: row["low"] > goal for label, row in report.iterrows()}


@right("verdicts")
def counts_the_ends_above(report, goal):
    above = (report[["low", "high"]] > goal).sum(axis=1)
    return above.map({0: "missed", 1: "open", 2: "reached"})


# --- false_alarms -----------------------------------------------------------------------------------------------------


def _alarms(rows, threshold, **other):
    false = rows[(rows["toxic"] == 0) & (rows["probability"] >= threshold)]
    causes = false.loc[false["cause"] != "not read", "cause"].value_counts().to_dict()
    rate, alarms = len(false) / (rows["toxic"] == 0).sum(), (rows["probability"] >= threshold).sum()
    return {"rate": rate, "false_share": len(false) / alarms, "causes": causes} | other


@wrong("false_alarms", "`rate` divides by the alarms")
def rate_among_alarms(rows, threshold):
    return _alarms(rows, threshold, rate=_alarms(rows, threshold)["false_share"])


@wrong("false_alarms", "divides by all comments")
def rate_among_all(rows, threshold):
    return _alarms(rows, threshold, rate=((rows["toxic"] == 0) & (rows["probability"] >= threshold)).mean())


@wrong("false_alarms", "is the precision")
def precision(rows, threshold):
    return _alarms(rows, threshold, false_share=1 - _alarms(rows, threshold)["false_share"])


@wrong("false_alarms", "'not read' is not a cause")
def counts_the_unread(rows, threshold):
    false = rows[(rows["toxic"] == 0) & (rows["probability"] >= threshold)]
    return _alarms(rows, threshold, causes=false["cause"].value_counts().to_dict())


@wrong("false_alarms", "also those without an alarm")
def causes_without_an_alarm(rows, threshold):
    return _alarms(rows, threshold, causes=_alarms(rows, -1)["causes"])


@right("false_alarms")
def in_a_loop(rows, threshold):
    harmless, alarms, false, causes = 0, 0, 0, {}
    for row in rows.itertuples():
        harmless += row.toxic == 0
        alarms += row.probability >= threshold
        if row.toxic == 0 and row.probability >= threshold:
            false += 1
            if row.cause != "not read":
                causes[row.cause] = causes.get(row.cause, 0) + 1
    return {"rate": false / harmless, "false_share": false / alarms, "causes": causes}


# --- single_label_ceiling ---------------------------------------------------------------------------------------------


def _kept(labels, order):
    left, share = labels.copy(), {}
    for label in order:
        share[label] = left[label].sum() / labels[label].sum()
        left = left[left[label] == 0]
    return share


@wrong("single_label_ceiling", "That is the recall")
def recall_alone(labels, gravest_first):
    return _kept(labels, gravest_first)


@wrong("single_label_ceiling", "The order is wrong")
def column_order(labels, gravest_first):
    return {label: 2 * r / (1 + r) for label, r in _kept(labels, list(labels.columns)).items()}


@wrong("single_label_ceiling", "The order is wrong")
def least_grave_first(labels, gravest_first):
    return {label: 2 * r / (1 + r) for label, r in _kept(labels, gravest_first[::-1]).items()}


@wrong("single_label_ceiling", "the other two are lost")
def perfect_is_perfect(labels, gravest_first):
    return dict.fromkeys(labels.columns, 1.0)


@right("single_label_ceiling")
def by_elimination(labels, gravest_first):
    return pd.Series({label: f1 for label, r in _kept(labels, gravest_first).items() for f1 in [2 / (1 + 1 / r)]})


# --- latency_of -------------------------------------------------------------------------------------------------------


def _times(predict, texts, n):
    times = []
    for call in range(n):
        began = time.perf_counter()
        predict([texts[call % len(texts)]])
        times.append(1000 * (time.perf_counter() - began))
    return np.array(times)


@wrong("latency_of", "The unit is seconds")
def in_seconds(predict, texts, n, warmup):
    times = _times(predict, texts, n + warmup)[warmup:] / 1000
    return {"median": np.median(times), "p95": np.percentile(times, 95)}


@wrong("latency_of", "The first calls are timed too")
def warm_up_counted(predict, texts, n, warmup):
    times = _times(predict, texts, n + warmup)
    return {"median": np.median(times), "p95": np.percentile(times, 95)}


@wrong("latency_of", "was given a list of")
def all_at_once(predict, texts, n, warmup):
    began = time.perf_counter()
    for _ in range(n + warmup):
        predict(texts)
    each = 1000 * (time.perf_counter() - began) / n / len(texts)
    return {"median": each, "p95": each}


@wrong("latency_of", "one slow call in five changes a mean")
def mean_for_median(predict, texts, n, warmup):
    times = _times(predict, texts, n + warmup)[warmup:]
    return {"median": times.mean(), "p95": np.percentile(times, 95)}


@wrong("latency_of", "it should be 30 timed calls")
def no_warm_up(predict, texts, n, warmup):
    times = _times(predict, texts, n)
    return {"median": np.median(times), "p95": np.percentile(times, 95)}


@right("latency_of")
def with_statistics(predict, texts, n, warmup):
    times = [*_times(predict, texts, warmup + n)]
    del times[:warmup]
    return {"median": statistics.median(times), "p95": sorted(times)[int(0.95 * n)]}


# --- survivors --------------------------------------------------------------------------------------------------------


def _shares(predict, texts, kinds=robustness.ATTACKS, changed=True):
    found = {}
    for kind in kinds:
        new = [(text, robustness.attack(kind, text)) for text in texts]
        found[kind] = np.mean(predict([b for a, b in new if a != b or not changed]))
    return found


@wrong("survivors", "that the attack does not change")
def unchanged_ones_too(predict, texts, toxic):
    predictions = predict(texts)
    found = [text for text, yes, p in zip(texts, toxic, predictions, strict=True) if yes and p]
    return _shares(predict, found, changed=False)


@wrong("survivors", "missed before the attack")
def never_found_ones_too(predict, texts, toxic):
    return _shares(predict, [text for text, yes in zip(texts, toxic, strict=True) if yes])


@wrong("survivors", "*escape*")
def those_that_escape(predict, texts, toxic):
    found = [text for text, yes, p in zip(texts, toxic, predict(texts), strict=True) if yes and p]
    return {kind: 1 - share for kind, share in _shares(predict, found).items()}


@wrong("survivors", "a share for each attack")
def one_attack_only(predict, texts, toxic):
    return _shares(predict, texts, kinds=["leetspeak"])


@right("survivors")
def text_by_text(predict, texts, toxic):
    hits = {kind: [] for kind in robustness.ATTACKS}
    for text, yes, predictions in zip(texts, toxic, predict(texts), strict=True):
        for kind, stays in hits.items():
            if yes and predictions and robustness.attack(kind, text) != text:
                stays.append(robustness.attack(kind, text))
    return {kind: sum(predict(stays)) / len(stays) for kind, stays in hits.items()}


# --- the artefacts ----------------------------------------------------------------------------------------------------


def _table():
    """A whole file of a mediocre model: `ex15.scored`, threshold where validation says."""
    rows, p = ex15.comments(), ex15.scored()
    tuned = thresholds.tune(rows["validation"][LABELS], p["validation"], LABELS)
    table = pd.DataFrame(p["test"], columns=LABELS)
    table.insert(0, "id", ex15.held_out()["id"])
    return table.assign(
        **{f"{label}_yes": column for label, column in zip(LABELS, tuned.apply(p["test"]).T, strict=True)}
    )


@wrong("predictions_file", "lacks toxic_yes, severe_toxic_yes")
def probabilities_only():
    return _table()[["id", *LABELS]]


@wrong("predictions_file", "has 'Unnamed: 0' too")
def with_its_index():
    return _table().assign(**{"Unnamed: 0": 0})


@wrong("predictions_file", "lacks 12 of the 912")
def some_rows_missing():
    return _table().iloc[12:]


@wrong("predictions_file", "twice: one row for each")
def a_row_twice():
    return pd.concat([_table(), _table().head(1)])


@wrong("predictions_file", "which is not in the held-out list")
def numbered_rows():
    return _table().assign(id=range(912))


@wrong("predictions_file", "is NaN or empty")
def nan_in_it():
    table = _table()
    table.loc[3, "threat"] = np.nan
    return table


@wrong("predictions_file", "a probability from 0 to 1")
def logits_in_it():
    return _table().assign(insult=lambda table: 8 * table["insult"] - 4)


@wrong("predictions_file", "which is not a number")
def words_in_it():
    return _table().assign(toxic_yes="yes")


@wrong("predictions_file", "No single threshold gives `obscene_yes`")
def sorted_by_itself():
    return _table().assign(obscene=lambda table: np.sort(table["obscene"]))


@right("predictions_file")
def as_text_in_another_order():
    text = _table().sample(frac=1, random_state=1).to_csv(index=False)
    head, *rows = csv.reader(io.StringIO(text))
    return pd.DataFrame(rows, columns=head)[[*reversed(head)]]


@wrong("f1_by_label", "lacks 1 of the 912")
def one_row_short():
    return _table().iloc[1:]


@wrong("f1_by_label", "`insult_yes` of")
def probabilities_for_yes():
    return _table().assign(insult_yes=lambda table: table["insult"])


@right("f1_by_label")
def good_enough():
    return _table()


def _service(texts, p=None):
    at = {text: row for row, text in enumerate(ex15.held_out()["text"])}
    p, table = ex15.scored()["test"] if p is None else p, _table()
    rows = [at[text] for text in texts]
    predictions = [[label for label in LABELS if table[f"{label}_yes"][row]] for row in rows]
    return [
        {"labels": s, "scores": dict(zip(LABELS, p[row].tolist(), strict=True))}
        for row, s in zip(rows, predictions, strict=True)
    ]


@wrong("served_model", "a list of 24 results")
def one_answer_for_all(texts):
    return _service(texts)[:1]


@wrong("served_model", 'a dictionary with "labels" and "scores"')
def scores_alone(texts):
    return [result["scores"] for result in _service(texts)]


@wrong("served_model", "is that the model you trained on them?")
def film_reviews(texts):
    return [{"labels": ["positive"], "scores": {"negative": 0.1, "positive": 0.9}} for _ in texts]


@wrong("served_model", "in another order than the texts")
def scores_turned_round(texts):
    return _service(texts, 1 - ex15.scored()["test"])


@wrong("served_model", "Write the file with the model that you serve", predictions=_table)
def another_model(texts):
    return _service(texts, ex15.scored(2)["test"])


@wrong("served_model", "uses another threshold", predictions=_table)
def cuts_left_behind(texts):
    return [result | {"labels": []} for result in _service(texts)]


@right("served_model", predictions=_table)
def agrees(texts):
    return tuple(reversed(_service(texts[::-1])))


@right("served_model")
def answers_alone(texts):
    return [_service([text])[0] for text in texts]


# --- the quiz ---------------------------------------------------------------------------------------------------------


@wrong("quiz", "it was chosen by luck", lesson="15")
def ships_the_lucky_seed():
    return {"rare": "b", "lucky": "a", "prevalence": "b", "pickle": "a", "silence": "c"}


@wrong("quiz", "Nobody reports more", lesson="15")
def believes_in_rows():
    return {"rare": "a", "lucky": "c", "prevalence": "b", "pickle": "a", "silence": "c"}


@right("quiz", lesson="15")
def all_five():
    return {"rare": "(b)", "lucky": "(c)", "prevalence": "(b)", "pickle": "(a)", "silence": "(c)"}
