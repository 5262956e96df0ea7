"""Answers to the items of lesson 2."""

import math

import numpy as np
import pandas as pd
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from tests.exercises.answers import right, wrong
from textclf_lesson.check import ex02 as items
from textclf_lesson.evaluate import metrics


@wrong("tfidf_weight", "natural logarithm")
def base_ten(count, texts, texts_with_word):
    return (1 + math.log10(count)) * (1 + math.log10((1 + texts) / (1 + texts_with_word)))


@wrong("tfidf_weight", "not three times the weight")
def count_as_it_is(count, texts, texts_with_word):
    return count * (1 + math.log((1 + texts) / (1 + texts_with_word)))


@wrong("tfidf_weight", "The ones are missing")
def not_smoothed(count, texts, texts_with_word):
    return (1 + math.log(count)) * (1 + math.log(texts / texts_with_word))


@wrong("tfidf_weight", "upside down")
def upside_down(count, texts, texts_with_word):
    return (1 + math.log(count)) * (1 + math.log((1 + texts_with_word) / (1 + texts)))


@wrong("tfidf_weight", "raised ValueError")
def forgets_the_absent_word(count, texts, texts_with_word):
    return (1 + math.log(count)) * (1 + math.log((1 + texts) / (1 + texts_with_word)))


@right("tfidf_weight")
def with_numpy(count, texts, texts_with_word):
    idf = 1 - np.log((1 + texts_with_word) / (1 + texts))
    return np.where(count, 1 + np.log(max(count, 1)), 0) * idf


@wrong("unseen_probabilities", "fitted on the test")
def vectoriser_has_seen_the_test(texts, labels, values, unseen):
    words = TfidfVectorizer().fit([*texts, *unseen])
    model = LogisticRegression(C=max(values)).fit(words.transform(texts), labels)
    return max(values), model.predict_proba(words.transform(unseen))[:, 1]


@wrong("unseen_probabilities", "raised ValueError: X has")
def two_vectorisers(texts, labels, values, unseen):
    model = LogisticRegression().fit(TfidfVectorizer().fit_transform(texts), labels)
    return max(values), model.predict_proba(TfidfVectorizer().fit_transform(unseen))[:, 1]


@wrong("unseen_probabilities", "take the one with the best mean")
def takes_the_first(texts, labels, values, unseen):
    words = TfidfVectorizer().fit(texts)
    model = LogisticRegression().fit(words.transform(texts), labels)
    return values[0], model.predict_proba(words.transform(unseen))[:, 1]


@wrong("unseen_probabilities", "You return labels")
def labels_only(texts, labels, values, unseen):
    words = TfidfVectorizer().fit(texts)
    return max(values), LogisticRegression().fit(words.transform(texts), labels).predict(words.transform(unseen))


@wrong("unseen_probabilities", "probabilities of label 0")
def the_other_column(texts, labels, values, unseen):
    words = TfidfVectorizer().fit(texts)
    model = LogisticRegression().fit(words.transform(texts), labels)
    return max(values), model.predict_proba(words.transform(unseen))[:, 0]


@wrong("unseen_probabilities", "Which column of predict_proba")
def both_columns(texts, labels, values, unseen):
    words = TfidfVectorizer().fit(texts)
    model = LogisticRegression().fit(words.transform(texts), labels)
    return max(values), model.predict_proba(words.transform(unseen))


@wrong("unseen_probabilities", "the chosen C and the probabilities")
def forgets_the_choice(texts, labels, values, unseen):
    words = TfidfVectorizer().fit(texts)
    model = LogisticRegression().fit(words.transform(texts), labels)
    return model.predict_proba(words.transform(unseen))[:, 1]


@right("unseen_probabilities")
def with_a_grid(texts, labels, values, unseen):
    pipe = make_pipeline(CountVectorizer(binary=True), LogisticRegression())
    search = GridSearchCV(pipe, {"logisticregression__C": values}, cv=5).fit(texts, labels)
    return [search.best_params_["logisticregression__C"], search.predict_proba(unseen)[:, 1].tolist()]


@wrong("paired_interval", "its own test sentences")
def unpaired(truth, a, b):
    rng = np.random.default_rng(0)
    n = len(truth)
    gains = [
        (b == truth)[rng.integers(0, n, n)].mean() - (a == truth)[rng.integers(0, n, n)].mean() for _ in range(1000)
    ]
    return np.quantile(gains, [0.025, 0.975])


@wrong("paired_interval", "The sign is turned")
def a_minus_b(truth, a, b):
    rng = np.random.default_rng(0)
    gain = (a == truth).astype(float) - (b == truth)
    return np.quantile([rng.choice(gain, len(gain)).mean() for _ in range(1000)], [0.025, 0.975])


@wrong("paired_interval", "too narrow")
def ninety_per_cent(truth, a, b):
    rng = np.random.default_rng(0)
    gain = (b == truth).astype(float) - (a == truth)
    return np.quantile([rng.choice(gain, len(gain)).mean() for _ in range(1000)], [0.05, 0.95])


@wrong("paired_interval", "too wide")
def draws_half_as_many_rows(truth, a, b):
    rng = np.random.default_rng(0)
    gain = (b == truth).astype(float) - (a == truth)
    return np.quantile([rng.choice(gain, len(gain) // 6).mean() for _ in range(1000)], [0.025, 0.975])


@wrong("paired_interval", "two numbers, (low, high)")
def the_difference_alone(truth, a, b):
    return (b == truth).mean() - (a == truth).mean()


@right("paired_interval")
def row_by_row(truth, a, b):
    table, gains = pd.DataFrame({"a": a == truth, "b": b == truth}), []
    for seed in range(1000):
        drawn = table.sample(len(table), replace=True, random_state=seed)
        gains.append(drawn["b"].mean() - drawn["a"].mean())
    gains.sort()
    return gains[25], gains[974]


@wrong("surest_mistakes", "Keep only the mistakes")
def sure_and_right_too(truth, probability, k):
    return np.argsort(-np.maximum(probability, 1 - probability))[:k]


@wrong("surest_mistakes", "*least* confident")
def least_sure(truth, probability, k):
    wrong_rows = np.flatnonzero((probability > 0.5) != truth)
    return wrong_rows[np.argsort(np.maximum(probability, 1 - probability)[wrong_rows])][:k]


@wrong("surest_mistakes", "is also confident")
def one_side_only(truth, probability, k):
    wrong_rows = np.flatnonzero((probability > 0.5) != truth)
    return wrong_rows[np.argsort(-probability[wrong_rows])][:k]


@wrong("surest_mistakes", "positions within the mistakes")
def positions_among_mistakes(truth, probability, k):
    wrong_rows = (probability > 0.5) != truth
    return np.argsort(-np.maximum(probability, 1 - probability)[wrong_rows])[:k]


@wrong("surest_mistakes", "not in order")
def sorted_by_row(truth, probability, k):
    certainty = np.where((probability > 0.5) != truth, np.abs(probability - 0.5), 0)
    return sorted(np.argsort(-certainty)[:k])


@right("surest_mistakes")
def by_a_table(truth, probability, k):
    rows = pd.DataFrame({"truth": truth, "p": probability})
    rows["sure"] = (rows["p"] - 0.5).abs()
    return rows[rows["p"].round() != rows["truth"]].nlargest(k, "sure").index.to_list()


def _decision(ship="characters", how="misspelt", turn=1, megabytes=None):
    truth, predictions = items._predictions()
    found = {}
    for key, (a, b) in {"over_words": ("words", "characters"), "both_over_it": ("characters", "both")}.items():
        gain = metrics.difference(truth, predictions[a, how], predictions[b, how])
        found[key] = (gain.low, gain.high)[::turn]
    return {"ship": ship, **found, "megabytes": megabytes or items._megabytes(ship)}


@wrong("choose", "*clearly* better")
def takes_the_largest():
    return _decision(ship="both")


@wrong("choose", "How much accuracy is lost")
def takes_the_smallest():
    return _decision(ship="words")


@wrong("choose", "on clean sentences")
def evidence_from_clean_sentences():
    return _decision(how="clean")


@wrong("choose", "lower end first")
def ends_swapped():
    return _decision(turn=-1)


@wrong("choose", "sign turned")
def words_minus_letters():
    low, high = _decision()["over_words"]
    return _decision() | {"over_words": (-high, -low)}


@wrong("choose", "divided by 1e6")
def bytes_for_megabytes():
    return _decision(megabytes=1_274_656)


@right("choose")
def rounded_by_hand():
    return {"ship": "characters", "over_words": [0.02, 0.09], "both_over_it": (-0.03, 0.02), "megabytes": 1.3}


def _steps(path):
    return {path[:at] for at, letter in enumerate(path) if letter == "."} | {path}


@wrong("hierarchical_f1", "Where are the ancestors?")
def plain_accuracy(y_true, y_pred):
    return float(np.mean(np.array(y_true) == np.array(y_pred)))


@wrong("hierarchical_f1", "Add up over all rows first")
def mean_over_rows(y_true, y_pred):
    pairs = [(_steps(t), _steps(p)) for t, p in zip(y_true, y_pred, strict=True)]
    return float(np.mean([2 * len(t & p) / (len(t) + len(p)) for t, p in pairs]))


@wrong("hierarchical_f1", "more than two steps")
def branch_and_leaf_only(y_true, y_pred):
    pairs = [({t, t.split(".")[0]}, {p, p.split(".")[0]}) for t, p in zip(y_true, y_pred, strict=True)]
    return 2 * sum(len(t & p) for t, p in pairs) / sum(len(t) + len(p) for t, p in pairs)


@wrong("hierarchical_f1", "only the first step")
def branches_alone(y_true, y_pred):
    return float(np.mean([t.split(".")[0] == p.split(".")[0] for t, p in zip(y_true, y_pred, strict=True)]))


@right("hierarchical_f1")
def precision_and_recall_first(y_true, y_pred):
    common = true = predicted = 0
    for t, p in zip(y_true, y_pred, strict=True):
        t, p = t.split("."), p.split(".")
        same = 0
        while same < min(len(t), len(p)) and t[same] == p[same]:
            same += 1
        common, true, predicted = common + same, true + len(t), predicted + len(p)
    precision, recall = common / predicted, common / true
    return 2 * precision * recall / (precision + recall) if common else 0


@wrong("quiz", "the sign might turn", lesson="02")
def half_a_point_is_half_a_point():
    return {"pipeline": "b", "interval": "a", "weights": "b", "latency": "c", "search": "b"}


@wrong("quiz", "Question **latency**: answer with one letter, a to c", lesson="02")
def leaves_one_out():
    return {"pipeline": "b", "interval": "c", "weights": "b", "search": "b"}


@wrong("quiz", "best of thirty", lesson="02")
def the_best_score_is_the_quality():
    return {"pipeline": "b", "interval": "c", "weights": "b", "latency": "c", "search": "a"}


@right("quiz", lesson="02")
def in_brackets():
    return {"pipeline": "(b)", "interval": "(c)", "weights": "(b)", "latency": "(c)", "search": "(b)"}
