"""Classifiers keep scikit-learn's contract, and each public class shows how it is used."""

import doctest
import importlib
import inspect

import pytest
from sklearn.utils import estimator_checks
from sklearn.utils.estimator_checks import parametrize_with_checks

import textclf_lesson
from textclf_lesson.base.errors import CourseError
from textclf_lesson.llm.local import LocalLLM
from textclf_lesson.llm.remote import LLMClassifier
from textclf_lesson.models import baselines
from textclf_lesson.models.fasttext import FastTextClassifier
from textclf_lesson.models.naive_bayes import NaiveBayesWeights
from textclf_lesson.models.transformer import TransformerClassifier
from textclf_lesson.training.mixup import MixupClassifier

# --- scikit-learn's own checks ----------------------------------------------------------------------------------------

OF_TEXTS = [
    baselines.pipeline(),
    FastTextClassifier(),
    TransformerClassifier(),
    MixupClassifier(),
    LocalLLM(),
    LLMClassifier("a-model", "http://127.0.0.1:1/v1"),
]

# The checks of scikit-learn that need no data. Its other checks call `fit` with numbers, and these classifiers learn
# from texts alone: for them scikit-learn has no checks. What they do with bad texts and labels is tested in
# test_inputs.py and in their own tests.
WITHOUT_DATA = [
    "check_do_not_raise_errors_in_init_or_set_params",
    "check_estimator_cloneable",
    "check_estimator_repr",
    "check_estimator_tags_renamed",
    "check_get_params_invariance",
    "check_mixin_order",
    "check_no_attributes_set_in_init",
    "check_parameters_default_constructible",
    "check_set_params",
    "check_valid_tag_types",
]


@pytest.mark.parametrize("name", WITHOUT_DATA)
@pytest.mark.parametrize("estimator", OF_TEXTS, ids=lambda estimator: type(estimator).__name__)
def test_a_classifier_of_texts_passes_the_checks_that_need_no_data(estimator, name):
    getattr(estimator_checks, name)(type(estimator).__name__, estimator)


# Naive Bayes weighs for one class against the others, so y is 0 or 1; these checks fit it to classes of their own.
OTHER_CLASSES = [
    "check_dict_unchanged",
    "check_dont_overwrite_parameters",
    "check_dtype_object",
    "check_estimator_sparse_array",
    "check_estimator_sparse_matrix",
    "check_estimator_sparse_tag",
    "check_estimators_dtypes",
    "check_estimators_fit_returns_self",
    "check_estimators_overwrite_params",
    "check_f_contiguous_array_estimator",
    "check_fit2d_predict1d",
    "check_fit_score_takes_y",
    "check_methods_sample_order_invariance",
    "check_methods_subset_invariance",
    "check_n_features_in_after_fitting",
    "check_readonly_memmap_input",
]


def exceptions(estimator: NaiveBayesWeights) -> dict[str, str]:
    return dict.fromkeys(OTHER_CLASSES, "y must be 0 or 1 here, and this check has other classes")


@parametrize_with_checks([NaiveBayesWeights()], expected_failed_checks=exceptions)
def test_what_takes_numbers_passes_all_checks(estimator, check):
    check(estimator)


# --- examples in docstrings -------------------------------------------------------------------------------------------

PACKAGES = [*textclf_lesson.__all__, "evaluate.metrics", "evaluate.evidence", "deploy.serve"]


def public_classes() -> list[type]:
    found = {NaiveBayesWeights, baselines.TextPipeline}
    for name in PACKAGES:
        package = importlib.import_module(f"textclf_lesson.{name}")
        offered = [getattr(package, public) for public in package.__all__]
        found |= {each for each in offered if inspect.isclass(each) and not issubclass(each, CourseError)}
    return sorted(found, key=lambda each: each.__name__)


@pytest.mark.parametrize("public", public_classes(), ids=lambda public: public.__name__)
def test_the_example_of_a_public_class_gives_what_it_shows(public):
    """Those that train for longer or need an exported folder are marked with SKIP, line by line."""
    module = importlib.import_module(public.__module__)
    (test,) = doctest.DocTestFinder(recurse=False).find(public, globs=dict(vars(module)))
    assert test.examples
    output = []
    failed, _ = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(test, out=output.append)
    assert failed == 0, "".join(output)
