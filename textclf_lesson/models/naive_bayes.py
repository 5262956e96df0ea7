"""Naive Bayes as a scale for words: each column weighted by its evidence for a class (Wang and Manning 2012)."""

from typing import Any, Self

import numpy as np
from scipy import sparse
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted


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
    """

    def __init__(self, smoothing: float = 1.0):
        self.smoothing = smoothing

    def fit(self, X: Any, y: Any) -> Self:
        X, y = sparse.csr_matrix(X), np.asarray(y)
        if not self.smoothing > 0:
            raise ValueError(f"smoothing={self.smoothing!r} must be above 0: a word of one class only divides by it.")
        if not np.isin(y, [0, 1]).all():
            raise ValueError("Naive Bayes weighs for one class at a time: y must be 0 or 1. Use OneVsRestClassifier.")
        if X.nnz and X.data.min() < 0:
            raise ValueError("Naive Bayes takes counts or TF-IDF weights, nothing below 0.")
        positive, negative = (self.smoothing + np.asarray(X[y == label].sum(axis=0)).ravel() for label in (1, 0))
        self.ratios_ = np.log(positive / positive.sum()) - np.log(negative / negative.sum())
        return self

    def transform(self, X: Any) -> sparse.csr_matrix:
        check_is_fitted(self)
        return sparse.csr_matrix(X) @ sparse.diags(self.ratios_)
