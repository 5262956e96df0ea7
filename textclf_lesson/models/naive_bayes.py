"""Naive Bayes as a scale for words: each column weighted by its evidence for a class (Wang and Manning 2012)."""

from typing import Any, Self

import numpy as np
from scipy import sparse
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted, validate_data


class NaiveBayesWeights(TransformerMixin, BaseEstimator):
    """Multiply each column by its log-count ratio, so that a linear model starts from what naive Bayes knows.

        r = log((p / ‖p‖₁) / (q / ‖q‖₁)),   p = smoothing + Σ positive rows,   q = smoothing + Σ the other rows

    A linear SVM on columns so weighted is the paper's NB-SVM, there the best of the compared linear models on most of
    the sentiment sets.
    For several classes there is one r for each, hence `OneVsRestClassifier` around it (see `baselines.pipeline`).

    smoothing: above 0, added to each column's sum; 1 in the paper.

    `fit(X, y)`: X of shape (rows, columns), sparse or dense, nothing below 0; y is 0 or 1 for each row. After it,
    `ratios_`, shape (columns,). `transform(X)` gives a sparse matrix of the same shape. Raises ValueError for values
    below 0, a smoothing that is not above 0, or y that holds anything but 0 and 1.

    >>> NaiveBayesWeights().fit([[2, 0], [0, 2]], [1, 0]).ratios_.round(2).tolist()
    [1.1, -1.1]
    """

    def __init__(self, smoothing: float = 1.0):
        self.smoothing = smoothing

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = tags.input_tags.positive_only = tags.target_tags.required = True
        return tags

    def fit(self, X: Any, y: Any) -> Self:
        X, y = validate_data(self, X, y, accept_sparse="csr", dtype=[np.float64, np.float32])
        X = sparse.csr_matrix(X)
        if not self.smoothing > 0:
            raise ValueError(f"smoothing={self.smoothing!r} must be above 0: a word of one class only divides by it.")
        if X.nnz and X.data.min() < 0:
            raise ValueError("Negative values in data: naive Bayes takes counts or TF-IDF weights, nothing below 0.")
        if not np.isin(y, [0, 1]).all():
            raise ValueError("Naive Bayes weighs for one class at a time: y must be 0 or 1. Use OneVsRestClassifier.")
        positive, negative = (self.smoothing + np.asarray(X[y == label].sum(axis=0)).ravel() for label in (1, 0))
        self.ratios_ = np.log(positive / positive.sum()) - np.log(negative / negative.sum())
        return self

    def transform(self, X: Any) -> sparse.csr_matrix:
        check_is_fitted(self)
        X = validate_data(self, X, reset=False, accept_sparse="csr", dtype=[np.float64, np.float32])
        return sparse.csr_matrix(X) @ sparse.diags(self.ratios_)
