"""The first level: a text becomes counts of words or letters, a linear model or trees weigh them.

Small, quick to train, explainable, and on many tasks within a few points of a transformer. Always measure it first.
"""

import io
from collections.abc import Iterator, Sequence
from typing import Any

import joblib
import numpy as np
import pandas as pd
from sklearn.calibration import CalibratedClassifierCV
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold
from sklearn.multiclass import OneVsRestClassifier
from sklearn.naive_bayes import ComplementNB
from sklearn.pipeline import FeatureUnion, Pipeline
from sklearn.svm import LinearSVC
from threadpoolctl import threadpool_limits

from textclf_lesson.base.extras import needed
from textclf_lesson.base.inputs import check_label_table, check_labels, check_same_rows, check_texts
from textclf_lesson.models.naive_bayes import NaiveBayesWeights

# One letter counts as a word, unlike in scikit-learn's default: the "t" of "don't" carries the negation.
WORDS = r"(?u)\b\w+\b"


def pipeline(
    features: str = "tfidf", classifier: str = "logreg", *, multi_label: bool = False, **options: Any
) -> Pipeline:
    """A classifier of texts in two steps, untrained.

    features: "bow" counts of words · "tfidf" weighted words · "tfidf-2gram" words and pairs of
        words · "char" n-grams of 2 to 5 letters within words · "tfidf-2gram+char" both together
    classifier: "logreg" logistic regression · "svm" linear SVM, calibrated so that it gives
        probabilities · "lightgbm" gradient-boosted trees · "nb" naive Bayes by what the other
        classes hold (Rennie et al. 2003) · "nb-logreg" logistic regression on words weighed by
        naive Bayes (Wang and Manning 2012), one for each class
    multi_label: a classifier for each label. `fit` takes a table of 0 and 1, shape (texts, labels),
        and `predict_proba` gives one probability for each label; they do not sum to 1.
    options: settings of a step, named as in a grid search: `features__min_df=2`; of the classifier
        within "nb-logreg": `classifier__estimator__linear__C`; within several labels:
        `classifier__estimator__C`

    Raises ValueError for a name or a setting that does not exist.
    """
    words = {"token_pattern": WORDS, "sublinear_tf": True}
    pairs = TfidfVectorizer(**words, ngram_range=(1, 2))
    characters = TfidfVectorizer(analyzer="char_wb", sublinear_tf=True, ngram_range=(2, 5))
    vectorisers = {
        "bow": CountVectorizer(token_pattern=WORDS, dtype=np.float64),  # for LightGBM: no integers
        "tfidf": TfidfVectorizer(**words),
        "tfidf-2gram": pairs,
        "char": characters,
        "tfidf-2gram+char": FeatureUnion([("words", pairs), ("characters", characters)]),
    }
    margins = LinearSVC(random_state=0)
    weighted = LogisticRegression(solver="liblinear", random_state=0)
    classifiers = {
        "logreg": LogisticRegression(C=10, max_iter=1000),
        "svm": CalibratedClassifierCV(margins, cv=HoldOutCommon(5), ensemble=False),
        "lightgbm": _trees() if classifier == "lightgbm" else None,
        "nb": ComplementNB(),
        "nb-logreg": OneVsRestClassifier(Pipeline([("weights", NaiveBayesWeights()), ("linear", weighted)])),
    }
    chosen = _choose(classifier, classifiers, "classifier")
    if multi_label and not isinstance(chosen, OneVsRestClassifier):
        chosen = OneVsRestClassifier(chosen)
    steps = [("features", _choose(features, vectorisers, "features")), ("classifier", chosen)]
    return TextPipeline(steps).set_params(**options)


class TextPipeline(Pipeline):
    """A scikit-learn Pipeline that checks texts and labels before it uses them (see `inputs`).

    After `fit`, `classes_`: the classes in order; of a multi-label table, the names of its columns.

    >>> model = pipeline("tfidf", "logreg").fit(["a good film", "a bad film", "good", "bad"], ["+", "-", "+", "-"])
    >>> model.predict(["so good"]).tolist(), model.classes_.tolist()
    (['+'], ['+', '-'])
    """

    def fit(self, X: Sequence[str], y: Sequence[Any] | None = None, **params: Any) -> "TextPipeline":
        check_same_rows(texts=X, labels=y)
        texts = check_texts(X)
        labels, self.label_names_ = self._labels(y, texts)
        # One thread: there is little to share out, and on a busy machine several wait for each other, some 100 times
        # as long as the work takes.
        with threadpool_limits(1):
            return super().fit(texts, labels, **params)

    def predict(self, X: Sequence[str], **params: Any) -> np.ndarray:
        return super().predict(check_texts(X), **params)

    def predict_proba(self, X: Sequence[str], **params: Any) -> np.ndarray:
        """Probabilities, shape (texts, classes), in the order of `classes_`."""
        return super().predict_proba(check_texts(X), **params)

    def score(self, X: Sequence[str], y: Sequence[Any] | None = None, **params: Any) -> float:
        """Accuracy, 0 to 1; of a multi-label table, the share of rows in which every label is right."""
        check_same_rows(texts=X, labels=y)
        texts = check_texts(X)
        labels, _ = self._labels(y, texts, at_least=1, names=getattr(self, "label_names_", None))
        return super().score(texts, labels, **params)

    @property
    def classes_(self) -> np.ndarray:
        names = getattr(self, "label_names_", None)
        return self.steps[-1][1].classes_ if names is None else names

    def _labels(
        self, y: Any, texts: list[str], at_least: int = 2, names: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray | None]:
        """The labels as scikit-learn takes them, and the names of the columns if they are a table."""
        if isinstance(self.steps[-1][1], OneVsRestClassifier) and np.ndim(y) == 2:
            table = check_label_table(y, texts, None if names is None else names.tolist())
            return table.to_numpy(dtype=int), np.array(list(table.columns))
        return check_labels(y, texts, at_least=at_least), None


class HoldOutCommon:
    """Stratified folds for calibration that also work with classes rarer than the number of folds.

    A class with one row cannot be held out: no model would know it. Here the rows of such classes are in every
    training part, and get a margin there too. Their margins flatter, but they are a handful; refusing to train (what
    scikit-learn does) or dropping the class would be worse. Without rare classes these are plain stratified folds.
    """

    def __init__(self, folds: int = 5):
        self.folds = folds

    def get_n_splits(self, X: Any = None, y: Any = None, groups: Any = None) -> int:
        return self.folds

    def split(self, X: Any, y: Any, groups: Any = None) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        y = np.asarray(y)
        _, which, counts = np.unique(y, return_inverse=True, return_counts=True)
        is_common = counts[which] >= self.folds
        common, rare = np.flatnonzero(is_common), np.flatnonzero(~is_common)
        if not len(common):
            raise ValueError(
                f"Too few rows to calibrate an SVM: no class has {self.folds}. Use more rows, or the logreg classifier."
            )
        for fold, (train, test) in enumerate(StratifiedKFold(self.folds).split(common, y[common])):
            yield np.r_[common[train], rare], np.r_[common[test], rare[fold :: self.folds]]


def strongest_words(model: Pipeline, k: int = 10, only: Any = None) -> pd.DataFrame:
    """The k words (or n-grams) with the largest weights for each class, strongest first: class, word, weight.

    `only` limits the table to one class. With two classes there is one weight per word; for the first class its sign
    is turned, so that large always speaks for the class. Weights compare only within one model.

    Raises TypeError for a model without weights (LightGBM), ValueError for a class it does not know.
    """
    classifier = model[-1]
    linear = (
        classifier.calibrated_classifiers_[0].estimator
        if hasattr(classifier, "calibrated_classifiers_")
        else classifier
    )
    if not hasattr(linear, "coef_"):
        raise TypeError(f"{type(linear).__name__} has no weight per word: fit a linear model, logreg or svm.")
    weights = linear.coef_ if len(classifier.classes_) > 2 else np.vstack([-linear.coef_, linear.coef_])
    classes = classifier.classes_.tolist()
    if only is not None:
        check_labels([only], allowed=classes, at_least=1)
    words = model[0].get_feature_names_out()
    tables = []
    for name, weight in zip(classes, weights, strict=True):
        if only in (None, name):
            top = np.argsort(-weight, kind="stable")[:k]
            tables.append(pd.DataFrame({"class": name, "word": words[top], "weight": weight[top]}))
    return pd.concat(tables, ignore_index=True)


def size_bytes(model: Any) -> int:
    """Size of the model as a file: what `joblib.dump`, scikit-learn's usual format, writes, uncompressed."""
    file = io.BytesIO()
    joblib.dump(model, file)
    return file.tell()


def _trees() -> Any:
    """Gradient-boosted trees, small since texts are short; one thread as in `TextPipeline.fit`, for `predict` too."""
    with needed("train"):
        from lightgbm import LGBMClassifier

    trees = {"n_estimators": 300, "num_leaves": 15, "min_child_samples": 5, "n_jobs": 1}
    repeatable = {"random_state": 0, "deterministic": True, "force_row_wise": True}
    return LGBMClassifier(**trees, **repeatable, verbose=-1)


def _choose(name: str, choices: dict[str, Any], what: str) -> Any:
    if name not in choices:
        raise ValueError(f"There is no {what} {name!r}. There are: {', '.join(choices)}.")
    return choices[name]
