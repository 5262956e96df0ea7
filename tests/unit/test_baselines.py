"""Every pipeline trained on real rows: it learns, repeats, explains itself and refuses bad input."""

import io
import warnings

import joblib
import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GridSearchCV, cross_val_score

from textclf_lesson import data
from textclf_lesson.models import baselines
from textclf_lesson.models.naive_bayes import NaiveBayesWeights

FEATURES = ["bow", "tfidf", "tfidf-2gram", "char", "tfidf-2gram+char"]
CLASSIFIERS = ["logreg", "svm", "lightgbm"]


@pytest.fixture(scope="module")
def movies():
    """1,400 training and 526 validation rows: texts and 0 or 1. Every so many rows, for the file is sorted by label."""
    splits = data.load("movie-snippets")
    train, validation = splits["train"][::5], splits["validation"][::2]
    return train["text"], train["label"], validation["text"], validation["label"]


@pytest.fixture(scope="module")
def linear(movies):
    texts, labels, *_ = movies
    return baselines.pipeline("tfidf", "svm").fit(texts, labels)


@pytest.mark.parametrize("classifier", CLASSIFIERS)
@pytest.mark.parametrize("features", FEATURES)
def test_every_pair_of_steps_learns_without_a_warning(features, classifier, movies):
    texts, labels, test_texts, test_labels = movies
    few_trees = {"classifier__n_estimators": 20} if classifier == "lightgbm" else {}
    model = baselines.pipeline(features, classifier, **few_trees)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.fit(texts, labels)
        probabilities = model.predict_proba(test_texts)
        assert model.score(test_texts, test_labels) > 0.58  # guessing: 0.5
    assert probabilities.shape == (len(test_texts), 2)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    assert (model.predict(test_texts) == probabilities.argmax(axis=1)).all()


@pytest.mark.parametrize("classifier", CLASSIFIERS)
def test_training_twice_gives_the_same_model(classifier, movies):
    texts, labels, test_texts, _ = movies
    model = baselines.pipeline("tfidf", classifier)
    first = model.fit(texts, labels).predict_proba(test_texts)
    second = clone(model).fit(texts, labels).predict_proba(test_texts)
    assert (first == second).all()


@pytest.mark.parametrize("classifier", CLASSIFIERS)
@pytest.mark.parametrize("names", [["bad", "good"], [-1, 1], [3, 7]], ids=str)
def test_labels_may_be_names_or_any_numbers(names, classifier, movies):
    texts, labels, test_texts, test_labels = movies
    model = baselines.pipeline("tfidf", classifier).fit(texts, [names[label] for label in labels])
    predicted = model.predict(test_texts)
    assert set(predicted.tolist()) == set(names)
    assert np.mean(predicted == np.array(names)[test_labels]) > 0.6


def test_columns_of_every_kind_give_the_same_model(movies):
    texts, labels, test_texts, _ = movies
    rows = data.load("movie-snippets")["train"].select(range(0, 7000, 5))
    model = baselines.pipeline("tfidf", "logreg")
    expected = model.fit(texts, labels).predict_proba(test_texts)
    for x, y in [
        (rows["text"], rows["label"]),
        (pd.Series(texts, index=range(5, 1405)), pd.Series(labels)),
        (np.array(texts, dtype=object), np.array(labels)),
        (tuple(texts), tuple(labels)),
    ]:
        assert (clone(model).fit(x, y).predict_proba(pd.Series(test_texts)) == expected).all()


def test_cross_validation_and_grid_search_work(movies):
    texts, labels, *_ = movies
    model = baselines.pipeline("tfidf", "svm")
    scores = cross_val_score(model, texts, labels, cv=3)
    assert scores.min() > 0.58
    search = GridSearchCV(model, {"classifier__estimator__C": [1e-5, 1.0]}, cv=3).fit(texts, labels)
    assert search.best_params_ == {"classifier__estimator__C": 1.0}


def test_options_reach_their_step_and_typing_errors_do_not_pass():
    model = baselines.pipeline("tfidf", "logreg", features__min_df=2, classifier__C=0.5)
    assert model["features"].min_df == 2
    assert model["classifier"].C == 0.5
    with pytest.raises(ValueError, match=r"There is no features 'tf-idf'. There are: bow, tfidf"):
        baselines.pipeline("tf-idf")
    with pytest.raises(ValueError, match=r"There is no classifier 'bert'. There are: logreg, svm, lightgbm"):
        baselines.pipeline("tfidf", "bert")
    with pytest.raises(ValueError, match="Invalid parameter 'c' for estimator LogisticRegression"):
        baselines.pipeline(classifier__c=1)


@pytest.mark.parametrize(
    ("texts", "labels", "error", "first_line"),
    [
        (["good", "bad"], ["pos", "pos"], ValueError, "All 2 labels are 'pos': it takes at least 2 classes"),
        (["good", "", "bad"], [1, 0, 0], ValueError, "Row 1 of texts is blank"),
        (["good", None, "bad"], [1, 0, 0], ValueError, "Row 1 of texts is missing"),
        (["good", float("nan"), "bad"], [1, 0, 0], ValueError, "Row 1 of texts is missing (nan"),
        (["good", "bad"], [1, float("nan")], ValueError, "Row 1 of labels is missing (nan"),
        (["good", "bad"], [1], ValueError, "2 texts but 1 labels"),
        (["good", "bad"], None, TypeError, "labels is one NoneType, not a list of labels"),
        ("good or bad", [1], TypeError, "texts is one str, not a list of texts"),
    ],
)
@pytest.mark.parametrize("classifier", CLASSIFIERS)
def test_fit_refuses_bad_input_in_the_first_line(classifier, texts, labels, error, first_line):
    with pytest.raises(error) as caught:
        baselines.pipeline("tfidf", classifier).fit(texts, labels)
    assert str(caught.value).splitlines()[0].startswith(first_line)


@pytest.mark.parametrize("method", ["predict", "predict_proba"])
@pytest.mark.parametrize(
    ("texts", "error", "first_line"),
    [
        ("a bare string", TypeError, "texts is one str, not a list of texts: write [text]"),
        (["fine", "  "], ValueError, "Row 1 of texts is blank"),
        ([], ValueError, "There is no text"),
    ],
)
def test_prediction_refuses_bad_input_in_the_first_line(linear, method, texts, error, first_line):
    with pytest.raises(error) as caught:
        getattr(linear, method)(texts)
    assert str(caught.value).splitlines()[0].startswith(first_line)


def test_score_refuses_labels_of_another_length(linear):
    with pytest.raises(ValueError, match="2 texts but 1 labels"):
        linear.score(["good", "bad"], [1])


def test_a_text_of_unknown_words_gets_an_answer(linear):
    assert linear.predict_proba(["zzyzx qwrtp"]).sum() == pytest.approx(1)


def test_the_svm_takes_classes_with_a_single_row():
    splits = data.load("reuters-r52")
    names, counts = data.label_names(splits), np.bincount(splits["train"]["label"])
    assert counts.min() < 5, "the set has no rare class any more: this test proves nothing"
    model = baselines.pipeline("tfidf", "svm", features__min_df=2)
    model.fit(splits["train"]["text"], splits["train"]["label"])
    assert model.classes_.tolist() == list(range(len(names)))
    y = np.array(splits["test"]["label"])
    predicted = model.predict(splits["test"]["text"])
    assert np.mean(predicted == y) > 0.9
    rare = np.isin(y, np.flatnonzero(counts < 5))
    assert (predicted[rare] == y[rare]).any()


def test_calibrated_folds_judge_every_row_once_and_train_on_all_rare_ones():
    y = np.array([0] * 12 + [1] * 3 + [2] * 1 + [3] * 7)
    folds = list(baselines.HoldOutCommon(5).split(y, y))
    assert sorted(np.concatenate([test for _, test in folds]).tolist()) == list(range(len(y)))
    for train, test in folds:
        assert {12, 13, 14, 15} <= set(train.tolist())
        assert not set(train.tolist()) & set(test.tolist()) - {12, 13, 14, 15}
        assert len(set(train.tolist())) == len(train)


def test_an_svm_on_too_few_rows_says_so():
    with pytest.raises(ValueError, match="Too few rows to calibrate an SVM: no class has 5"):
        baselines.pipeline("tfidf", "svm").fit(["good", "nice", "bad", "poor"], [1, 1, 0, 0])


def test_the_svms_probabilities_are_calibrated(movies):
    """Of the texts it gives 80 %, some 80 % should be positive: within the sampling error of the bin."""
    splits = data.load("movie-snippets")
    model = baselines.pipeline("tfidf", "svm").fit(splits["train"]["text"], splits["train"]["label"])
    y = np.array(splits["validation"]["label"])
    p = model.predict_proba(splits["validation"]["text"])[:, 1]
    bins = np.digitize(p, [0.2, 0.4, 0.6, 0.8])
    for bin_ in range(5):
        inside = bins == bin_
        error = abs(p[inside].mean() - y[inside].mean())
        assert error < 4 * np.sqrt(0.25 / inside.sum())


def test_strongest_words_speak_for_their_class(linear):
    table = baselines.strongest_words(linear, k=15)
    assert table.columns.tolist() == ["class", "word", "weight"]
    assert table["class"].tolist() == [0] * 15 + [1] * 15
    assert (table["weight"] > 0).all()
    assert table.groupby("class")["weight"].apply(lambda weight: weight.is_monotonic_decreasing).all()
    assert {"bad", "too"} & set(table["word"][:15])
    assert {"and", "best", "great", "funny"} & set(table["word"][15:])
    only = baselines.strongest_words(linear, k=15, only=1)
    pd.testing.assert_frame_equal(only, table[15:].reset_index(drop=True))


def test_strongest_words_of_many_classes_have_their_names():
    splits = data.load("reuters-r8")
    names, rows = data.label_names(splits), splits["train"][::3]
    model = baselines.pipeline("bow", "logreg", classifier__tol=0.01, features__min_df=3)
    model.fit(rows["text"], [names[label] for label in rows["label"]])
    table = baselines.strongest_words(model, k=5)
    assert table["class"].unique().tolist() == sorted(names)
    assert "grain" in table.loc[table["class"] == "grain", "word"].tolist()
    with pytest.raises(ValueError, match=r"the label 'grian', which is not in the set. Did you mean 'grain'"):
        baselines.strongest_words(model, only="grian")


def test_trees_have_no_word_weights(movies):
    texts, labels, *_ = movies
    trees = baselines.pipeline("bow", "lightgbm", classifier__n_estimators=5).fit(texts, labels)
    with pytest.raises(TypeError, match="LGBMClassifier has no weight per word"):
        baselines.strongest_words(trees)


def test_size_is_that_of_the_saved_file(linear, tmp_path, movies):
    joblib.dump(linear, tmp_path / "model.joblib")
    assert baselines.size_bytes(linear) == (tmp_path / "model.joblib").stat().st_size
    file = io.BytesIO()
    joblib.dump(linear, file)
    file.seek(0)
    texts = movies[2]
    assert (joblib.load(file).predict_proba(texts) == linear.predict_proba(texts)).all()


# --- naive Bayes as weights, several labels ---------------------------------------------------------------------------


def test_naive_bayes_weights_are_the_log_count_ratios_of_the_paper():
    X, y = np.array([[2.0, 0, 1], [1, 0, 0], [0, 3, 1]]), [1, 1, 0]
    p, q = np.array([4.0, 1, 2]), np.array([1.0, 4, 2])  # sums of the rows, and 1
    r = np.log((p / 7) / (q / 7))
    for rows in (X, sparse.csr_matrix(X)):
        weights = NaiveBayesWeights().fit(rows, y)
        np.testing.assert_allclose(weights.ratios_, r)
        np.testing.assert_allclose(weights.transform(rows).toarray(), X * r)
    assert weights.ratios_[0] > 0 > weights.ratios_[1] and weights.ratios_[2] == pytest.approx(0)
    heavier = NaiveBayesWeights(smoothing=100.0).fit(X, y)
    assert np.abs(heavier.ratios_).max() < np.abs(r).max() / 10


@pytest.mark.parametrize(
    ("X", "y", "smoothing", "message"),
    [
        ([[1.0], [2.0]], [0, 1], 0, "smoothing=0 must be above 0"),
        ([[1.0], [2.0]], [0, 1], float("nan"), "smoothing=nan must be above 0"),
        ([[1.0], [2.0]], [0, 2], 1, "y must be 0 or 1"),
        ([[1.0], [2.0]], ["a", "b"], 1, "y must be 0 or 1"),
        ([[1.0], [-2.0]], [0, 1], 1, "nothing below 0"),
    ],
)
def test_naive_bayes_weights_refuse_what_they_cannot_weigh(X, y, smoothing, message):
    with pytest.raises(ValueError, match=message):
        NaiveBayesWeights(smoothing).fit(X, y)


def test_naive_bayes_weights_before_fit():
    with pytest.raises(NotFittedError):
        NaiveBayesWeights().transform([[1.0]])


@pytest.mark.parametrize("classifier", ["nb", "nb-logreg"])
def test_naive_bayes_learns_two_classes_and_several(classifier, movies):
    texts, labels, test_texts, test_labels = movies
    model = baselines.pipeline("tfidf", classifier).fit(texts, labels)
    assert model.score(test_texts, test_labels) > 0.65  # guessing: 0.5
    three = [text[0].lower() < "h" if row % 2 else 2 for row, text in enumerate(texts)]
    several = baselines.pipeline("tfidf", classifier).fit(texts, [int(label) for label in three])
    probabilities = several.predict_proba(test_texts)
    assert probabilities.shape == (len(test_texts), 3)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)


@pytest.fixture(scope="module")
def comments():
    """Rows of wiki-toxicity: training texts with a table of three labels, validation texts with theirs."""
    splits, labels = data.load("wiki-toxicity"), ["toxic", "obscene", "insult"]
    train, validation = (splits[name].to_pandas() for name in ("train", "validation"))
    return train["text"], train[labels], validation["text"], validation[labels]


@pytest.mark.parametrize("classifier", ["logreg", "svm", "nb", "nb-logreg"])
def test_a_classifier_for_each_of_several_labels(classifier, comments):
    texts, table, test_texts, test_table = comments
    model = baselines.pipeline("tfidf", classifier, multi_label=True).fit(texts, table)
    assert model.classes_.tolist() == [*table.columns]
    probabilities = model.predict_proba(test_texts)
    assert probabilities.shape == test_table.shape
    assert not np.allclose(probabilities.sum(axis=1), 1), "each label has its own probability"
    for column, label in enumerate(table):
        assert roc_auc_score(test_table[label], probabilities[:, column]) > 0.8, label
    turned = test_table[test_table.columns[::-1]]  # labels are found by their names
    assert model.score(test_texts, turned) == model.score(test_texts, test_table)


def test_several_labels_are_learned_one_by_one(comments):
    """The probability of one label does not depend on which others are asked for."""
    texts, table, test_texts, _ = comments
    all_three = baselines.pipeline("tfidf", multi_label=True).fit(texts, table)
    one = baselines.pipeline("tfidf").fit(texts, table["insult"])
    np.testing.assert_allclose(all_three.predict_proba(test_texts)[:, 2], one.predict_proba(test_texts)[:, 1])


def test_a_table_of_other_labels_is_refused(comments):
    texts, table, *_ = comments
    model = baselines.pipeline("bow", "nb", multi_label=True).fit(texts, table)
    with pytest.raises(ValueError, match="'insult' is missing"):
        model.score(texts, table.rename(columns={"insult": "rude"}))
