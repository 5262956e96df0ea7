"""One door for tables of labels: whoever takes one aligns it by column name or refuses it. Proved for all who do.

`DECISIONS` names every public function of the topic modules with a parameter that may be such a table. A new one fails
`test_nobody_takes_a_table_without_a_decision` until it stands there: as a case that is tried with spoilt tables, or
with the reason why names cannot go wrong in it.
"""

import ast
from itertools import permutations
from pathlib import Path

import hypothesis.strategies as st
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import scipy.sparse
import torch
from datasets import Dataset
from hypothesis import given, settings
from sklearn.preprocessing import MultiLabelBinarizer

import textclf_lesson
from textclf_lesson.base import inputs
from textclf_lesson.evaluate import calibration, metrics, robustness, thresholds
from textclf_lesson.llm.local import LocalLLM
from textclf_lesson.models import baselines, ensemble
from textclf_lesson.models.fasttext import FastTextClassifier
from textclf_lesson.models.transformer import TransformerClassifier
from textclf_lesson.plots import explorer
from textclf_lesson.training import imbalance
from textclf_lesson.training.mixup import MixupClassifier

PARAMETERS = {
    *("y", "y_true", "y_pred", "truth", "probabilities", "probability", "proba", "logits", "pred_a", "pred_b"),
    *("thresholds", "cuts", "eval_set", "targets", "predictions", "p", "q", "counts", "reference"),
}
ELSEWHERE = {"check", "grade", "serve", "data"}  # graders, HTTP and readers: what they get has been through a door

LABELS, ROWS = ["toxic", "insult", "threat"], 60
RNG = np.random.default_rng(0)
TRUTH = pd.DataFrame(RNG.random((ROWS, 3)) < [0.5, 0.3, 0.2], columns=LABELS).astype(int)
PROBABILITIES = (0.25 + 0.5 * TRUTH + RNG.uniform(-0.24, 0.24, (ROWS, 3))).clip(0, 1)
OTHER = (0.3 + 0.3 * TRUTH + RNG.uniform(-0.3, 0.3, (ROWS, 3))).clip(0, 1)
LOGITS, OTHERS = (np.log(p.clip(0.01, 0.99) / (1 - p.clip(0.01, 0.99))) for p in (PROBABILITIES, OTHER))
SAID, SAID_B = (PROBABILITIES > 0.45).astype(int), (OTHER > 0.45).astype(int)
CUTS = {"toxic": 0.3, "insult": 0.5, "threat": 0.7}
TEXTS = [f"text number {row}" for row in range(ROWS)]


class Member:
    """A fitted model with names for its classes and logits that were computed beforehand."""

    classes_ = np.array(LABELS)

    def __init__(self, logits: pd.DataFrame):
        self.table = logits.to_numpy()

    def logits(self, texts):
        return self.table


def interval_of(gain):
    return [gain.value, gain.low, gain.high]


# For each function: what it computes from tables, and these tables, any of which may be spoilt.
CASES = {
    "metrics.multilabel.multilabel_report": (
        lambda truth, probabilities: metrics.multilabel_report(truth, probabilities, LABELS, CUTS, n=2).per_label,
        {"truth": TRUTH, "probabilities": PROBABILITIES},
    ),
    "metrics.multilabel.multilabel_difference": (
        lambda truth, a, b: interval_of(metrics.multilabel_difference(truth, a, b, n=2)),
        {"truth": TRUTH, "a": SAID, "b": SAID_B},
    ),
    "thresholds.tune": (
        lambda truth, probabilities: [*thresholds.tune(truth, probabilities, LABELS, min_support=1).by_label.items()],
        {"truth": TRUTH, "probabilities": PROBABILITIES},
    ),
    "thresholds.Thresholds.apply": (
        lambda probabilities: thresholds.Thresholds(CUTS).apply(probabilities),
        {"probabilities": PROBABILITIES},
    ),
    "calibration.ece": (calibration.ece, {"probabilities": PROBABILITIES, "y": TRUTH}),
    "calibration.brier": (calibration.brier, {"probabilities": PROBABILITIES, "y": TRUTH}),
    "calibration.reliability": (calibration.reliability, {"probabilities": PROBABILITIES, "y": TRUTH}),
    "calibration.Temperature.fit": (
        lambda logits, y: calibration.Temperature(multi_label=True).fit(logits, y).temperature_,
        {"logits": LOGITS, "y": TRUTH},
    ),
    "ensemble.average_logits": (
        lambda a, b: pd.DataFrame(ensemble.average_logits([a, b], [2, 1]), columns=a.columns)[LABELS],
        {"a": LOGITS, "b": OTHERS},
    ),
    "ensemble.best_weights": (
        lambda a, b, y: ensemble.best_weights([a, b], y, True),
        {"a": LOGITS, "b": OTHERS, "y": TRUTH},
    ),
    "ensemble.Ensemble.tune": (
        lambda y: ensemble.Ensemble([Member(LOGITS), Member(OTHERS)], True).tune(TEXTS, y).weights,
        {"y": TRUTH},
    ),
}
# Those whose result has the names of its one table, so that any names and any order are right.
NAMED = {
    "imbalance.class_weights": lambda y: imbalance.class_weights(y)[[*y.columns]],
    "fasttext.FastTextClassifier.fit": lambda y: pd.Series(
        FastTextClassifier(loss="ova", dim=4, bucket=100, epoch=2, lr=0.5).fit(TEXTS, y).predict_proba(TEXTS).mean(0),
        FastTextClassifier(loss="ova", dim=4, bucket=100, epoch=1).fit(TEXTS, y).classes_,
    )[[*y.columns]],
}
COLUMN = "one label per row: a table is refused by check_labels, tested in test_inputs"
TENSOR = "tensors of the training loop: positions, no names"
DECISIONS = {
    **dict.fromkeys([*CASES, *NAMED], "tried here"),
    **dict.fromkeys(["baselines.TextPipeline.fit", "baselines.TextPipeline.score"], COLUMN),
    **dict.fromkeys(["imbalance.resample", "imbalance.fit_head"], COLUMN),
    **dict.fromkeys(["remote.LLMClassifier.fit", "local.LocalLLM.fit", "prompted.PromptedClassifier.fit"], COLUMN),
    **dict.fromkeys(["metrics.single.report", "metrics.single.interval", "metrics.single.difference"], COLUMN),
    **dict.fromkeys(["mixup.mix_rows", "mixup.MixupClassifier.fit", "charts.confusion_matrix"], COLUMN),
    **dict.fromkeys(
        ["explorer.threshold_explorer", "explorer.threshold_slider"], "one label: check_scores, tried here"
    ),
    "baselines.HoldOutCommon.split": "scikit-learn calls it, with the labels that TextPipeline has checked",
    "baselines.HoldOutCommon.get_n_splits": "scikit-learn calls it, and it looks at no label",
    "calibration.Temperature.predict_proba": "cell by cell: the result is in the order of what came in",
    "export.to_onnx": "thresholds by name: check_thresholds, tried here and in test_export",
    "inputs.check_labels": COLUMN,
    **dict.fromkeys(["monitor.smooth", "monitor.kl", "monitor.psi"], "by name, tried in test_monitor"),
    "monitor.corridor": "the counts of one window: nothing to be compared with",
    "metrics.agreement.fleiss_kappa": "one table, in which the order of the columns does not count",
    "metrics.bootstrap.resample": "an array of counted rows",
    **dict.fromkeys(
        [f"label_tables.{name}" for name in ("is_table", "check_label_table", "check_probabilities")], "the door"
    ),
    **dict.fromkeys([f"label_tables.{name}" for name in ("check_thresholds", "check_scores")], "the door"),
    "losses.FocalLoss.forward": TENSOR,
    "tokens.rows": TENSOR,
    "trainer.score": TENSOR,
    "trainer.mean_loss": TENSOR,
    "recipes.known_labels_only": TENSOR,
    "recipes.soft_cross_entropy": TENSOR,
    "fasttext_engine.rows": "lines that FastTextClassifier has made",
    "modelcard.note": "targets that fit has made",
    "naive_bayes.NaiveBayesWeights.fit": "within a TextPipeline, which has checked the labels",
    **dict.fromkeys(["onnx_classifier.OnnxClassifier.probabilities"], "cell by cell, arrays of its own"),
    **dict.fromkeys(["onnx_classifier.OnnxClassifier.merge"], "row by row, arrays of its own"),
    "thresholds.Thresholds.from_dict": "a dict: names cannot lose their numbers",
    "transformer.TransformerClassifier.fit": "check_label_table, for the eval_set with the labels of training",
}


def takers():
    """Every public function and method with a parameter that is called like a table of labels."""
    root = Path(textclf_lesson.__file__).parent
    for path in sorted(root.rglob("*.py")):
        package, *where = path.relative_to(root).with_suffix("").parts
        if ELSEWHERE & {package, *where}:
            continue
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            members = node.body if isinstance(node, ast.ClassDef) else [node]
            prefix = (*where, node.name) if isinstance(node, ast.ClassDef) else where
            for member in members:
                if isinstance(member, ast.FunctionDef) and not any(n.startswith("_") for n in (*prefix, member.name)):
                    parameters = [a.arg for a in (*member.args.args, *member.args.kwonlyargs)]
                    if PARAMETERS & {*parameters}:
                        yield ".".join((*prefix, member.name))


def test_nobody_takes_a_table_without_a_decision():
    found = set(takers())
    assert len(found) > 40
    assert found <= DECISIONS.keys(), f"not decided: {sorted(found - DECISIONS.keys())}; see DECISIONS"
    assert found >= {*CASES, *NAMED}


EACH = [(name, argument) for name, (_, tables) in CASES.items() for argument in tables]


def same(a, b) -> bool:
    a, b = (np.array([*map(str, x)]) if isinstance(x, list) and isinstance(x[0], tuple) else x for x in (a, b))
    return np.array_equal(a, b) if np.asarray(a).dtype.kind in "UO" else np.allclose(a, b, equal_nan=True)


def aligned_or_refused(name, spoilt):
    """The result of the right tables, or one clear sentence."""
    function, tables = CASES[name]
    try:
        found = function(**tables | spoilt)
    except ValueError as error:
        assert len(str(error)) > 40 and "\n" not in str(error)
        return
    assert same(found, function(**tables))


@pytest.mark.parametrize(("name", "argument"), EACH)
def test_columns_in_another_order_are_aligned_or_refused(name, argument):
    table = CASES[name][1][argument]
    for order in permutations(LABELS):
        aligned_or_refused(name, {argument: table[list(order)]})


@pytest.mark.parametrize("name", CASES)
@given(data=st.data())
@settings(max_examples=8, deadline=None)
def test_so_are_all_tables_at_once_beside_arrays(name, data):
    tables = CASES[name][1]
    spoilt = {}
    for argument, table in tables.items():
        order = data.draw(st.permutations(LABELS), label=argument)
        spoilt[argument] = table[list(order)]
    bare = data.draw(st.sampled_from([None, *tables]))
    if bare is not None and name != "ensemble.average_logits":
        spoilt[bare] = tables[bare].to_numpy()  # without names: in the order of LABELS, which nothing may move
    named = [[*table.columns] for table in spoilt.values() if hasattr(table, "columns")]
    if bare is None or any(order == LABELS for order in named) or not named:
        aligned_or_refused(name, spoilt)


SPOIL = {
    "missing": lambda table: table[["toxic", "insult"]],
    "extra": lambda table: table.assign(obscene=0),
    "renamed": lambda table: table.rename(columns={"threat": "obscene"}),
    "twice": lambda table: table.set_axis(["toxic", "insult", "insult"], axis=1),
    "1 and '1'": lambda table: table.set_axis(["toxic", 1, "1"], axis=1),
    "doubled": lambda table: table[["toxic", "insult", "threat", "threat"]],
    "strings": lambda table: table.astype(str),
    "nan": lambda table: table.astype(float).where(table.index != 3),
    "ragged": lambda table: [*table.to_numpy().tolist()[:-1], [0]],
    "column": lambda table: table["toxic"],
    "short": lambda table: table.set_axis(np.arange(ROWS) + 7, axis=0).iloc[:-1],
    "empty": lambda table: table.iloc[:0],
    "reversed": lambda table: table.iloc[::-1],
    "reindexed": lambda table: table.set_axis(table.index[::-1], axis=0),
}


def spoilt_cases():
    """Each table of each function with each fault, but for those that are none there."""
    for name, argument in EACH:
        no_fault = set()
        if len(CASES[name][1]) == 1:  # no other table whose rows could be others
            no_fault |= {"reversed", "reindexed"} | (set() if name == "ensemble.Ensemble.tune" else {"short", "empty"})
        if name in ("calibration.ece", "calibration.brier", "calibration.reliability") and argument == "y":
            no_fault |= {"column"}  # beside a table it holds the positions of classes
        yield from ((name, argument, kind) for kind in SPOIL if kind not in no_fault)


@pytest.mark.parametrize(("name", "argument", "kind"), [*spoilt_cases()])
def test_what_cannot_be_aligned_is_refused_in_a_sentence(name, argument, kind):
    function, tables = CASES[name]
    with pytest.raises((ValueError, TypeError)) as error:
        function(**tables | {argument: SPOIL[kind](tables[argument])})
    assert str(error.value).count("\n") == 0 and len(str(error.value)) > 30


@pytest.mark.parametrize("name", NAMED)
def test_the_result_carries_the_names(name):
    right = NAMED[name](TRUTH)
    for order in list(permutations(LABELS))[1:3]:
        found = NAMED[name](TRUTH[list(order)])
        assert list(found.index) == list(order)
        if name == "imbalance.class_weights":
            assert np.allclose(found[LABELS], right)
    for names in (["a", "b", "b"], [0, 1, "1"]):
        with pytest.raises(ValueError, match="occurs twice"):
            NAMED[name](TRUTH.set_axis(names, axis=1))


def _fits():
    """Every way to learn from a column of texts and a column, or a table, of labels."""
    pipeline, several = baselines.pipeline("bow"), baselines.pipeline("bow", multi_label=True)
    small = FastTextClassifier(dim=4, bucket=100, epoch=1)
    network = TransformerClassifier(model="nowhere")  # it is refused before a model is looked for
    binary = TransformerClassifier(model="nowhere", problem_type="multi_label_classification")
    return {
        "TextPipeline": (pipeline.fit, TRUTH["toxic"]),
        "TextPipeline, a table": (several.fit, TRUTH),
        "TextPipeline.score": (baselines.pipeline("bow").fit(TEXTS, TRUTH["toxic"]).score, TRUTH["toxic"]),
        "FastTextClassifier": (small.fit, TRUTH["toxic"]),
        "FastTextClassifier, a table": (FastTextClassifier(loss="ova").fit, TRUTH),
        "TransformerClassifier": (network.fit, TRUTH["toxic"]),
        "TransformerClassifier, a table": (binary.fit, TRUTH),
        "TransformerClassifier, eval_set": (lambda x, y: network.fit(TEXTS, TRUTH["toxic"], (x, y)), TRUTH["toxic"]),
        "MixupClassifier": (MixupClassifier().fit, TRUTH["toxic"]),
        "LocalLLM": (LocalLLM(labels=None).fit, TRUTH["toxic"]),
        "failure_table": (lambda x, y: robustness.failure_table(len, x, y), TRUTH["toxic"]),
    }


@pytest.mark.parametrize("way", [*_fits()])
def test_texts_and_labels_in_different_orders_are_refused(way):
    learn, y = _fits()[way]
    texts = pd.Series(TEXTS)
    for x, labels in ((texts, y.iloc[::-1]), (texts.sample(frac=1, random_state=0), y)):
        with pytest.raises(ValueError, match=r"The rows of .* are not the same: row 0 has the index"):
            learn(x, labels)


def test_an_evaluation_set_of_fasttext_finds_its_labels_by_name():
    learner = FastTextClassifier(loss="ova")
    classes, right = learner._targets(TEXTS, TRUTH)
    assert learner._targets(TEXTS, TRUTH[LABELS[::-1]], classes)[1] == right
    for spoilt in (TRUTH[["toxic"]], TRUTH.assign(obscene=0)):
        with pytest.raises(ValueError, match="training had"):
            FastTextClassifier(loss="ova", autotune=1).fit(TEXTS, TRUTH, (TEXTS, spoilt))
    with pytest.raises(ValueError, match="The rows of texts and labels are not the same"):
        FastTextClassifier(loss="ova").fit(pd.Series(TEXTS), TRUTH.iloc[::-1])


# -- thresholds by name ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "given_as", [dict, pd.Series, thresholds.Thresholds, lambda cuts: pd.Series(cuts)[LABELS[::-1]]]
)
def test_thresholds_find_their_label_by_name(given_as):
    shuffled = {label: CUTS[label] for label in LABELS[::-1]}
    assert inputs.check_thresholds(given_as(shuffled), LABELS).tolist() == [0.3, 0.5, 0.7]


@pytest.mark.parametrize(
    ("cuts", "message"),
    [
        ({"toxic": 0.3, "insult": 0.5}, "'threat' is missing"),
        (CUTS | {"obscene": 0.5}, "'obscene' is not among them"),
        ({"toxic": 0.3, "insult": 0.5, "threat": "0.7"}, "but must be a number from 0 to 1"),
        ([0.3, 0.5], "one for each of 3 labels"),
        ([0.3, 0.5, None], "one number from 0 to 1"),
        ("0.5", "one number from 0 to 1"),
        (None, "one number from 0 to 1"),
        (np.nan, "one number from 0 to 1"),
        (pd.Series([0.3, 0.5, 0.7], ["toxic", "insult", "insult"]), "occurs twice"),
    ],
)
def test_thresholds_that_do_not_fit_are_named(cuts, message):
    for function in (
        inputs.check_thresholds,
        lambda cuts, labels: metrics.multilabel_report(TRUTH, SAID, labels, cuts),
    ):
        with pytest.raises(ValueError, match=message):
            function(cuts, LABELS)


def test_thresholds_become_pythons_own_numbers():
    cuts = thresholds.Thresholds({label: np.float32(0.5) for label in LABELS})
    assert {type(cut) for cut in cuts.to_dict().values()} == {float}
    assert inputs.check_thresholds(np.float32(0.5), LABELS).tolist() == [0.5] * 3
    with pytest.raises(ValueError, match="occurs twice"):
        thresholds.Thresholds({1: 0.5, "1": 0.4})


# -- tables of every kind ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "has_names"),
    [
        (lambda table: table, True),
        (lambda table: table.astype(bool), True),
        (lambda table: table.astype("Int64"), True),
        (lambda table: table.astype(object), True),
        (lambda table: table.astype("bool[pyarrow]"), True),
        (lambda table: table.astype(pd.SparseDtype(int, 0)), True),
        (lambda table: pa.Table.from_pandas(table), True),
        (lambda table: Dataset.from_pandas(table), True),
        (lambda table: table.to_dict("list"), True),
        (lambda table: table.to_dict("records"), True),
        (lambda table: [row for _, row in table.iterrows()], True),
        (lambda table: table.to_records(index=False), True),
        (lambda table: table.to_numpy(), False),
        (lambda table: pd.DataFrame(table.to_numpy()), False),
        (lambda table: table.to_numpy().tolist(), False),
        (lambda table: [tuple(row) for row in table.to_numpy()], False),
        (lambda table: scipy.sparse.csr_matrix(table.to_numpy()), False),
        (lambda table: torch.tensor(table.to_numpy()), False),
        (lambda table: torch.tensor(table.to_numpy(), dtype=torch.bfloat16, requires_grad=True), False),
    ],
)
def test_a_table_of_any_kind_is_read_by_its_names(make, has_names):
    for order in permutations(LABELS):
        table = TRUTH[list(order)] if has_names else TRUTH
        read = inputs.check_label_table(make(table), TEXTS, LABELS)
        assert list(read.columns) == LABELS and (read.to_numpy() == TRUTH.to_numpy()).all()
        assert read.to_numpy().dtype == np.int64
        assert inputs.is_table(make(table))
        assert (inputs.check_probabilities(make(table), LABELS) == TRUTH.to_numpy()).all()


def test_numbers_for_names_are_names_where_they_are_written_and_positions_where_not():
    """Labels 1 and 0: an array is in that order, a table with such columns says its own."""
    array = TRUTH.to_numpy()[:, :2]
    assert (inputs.check_label_table(array, None, [1, 0]).to_numpy() == array).all()
    named = pd.DataFrame({0: array[:, 0], 1: array[:, 1]})
    assert (inputs.check_label_table(named, None, [1, 0]).to_numpy() == array[:, ::-1]).all()
    assert (inputs.check_probabilities(array, [1, 0]) == array).all()
    assert list(inputs.check_label_table(pd.DataFrame({"1": [0], "0": [1]}), None, [0, 1]).iloc[0]) == [1, 0]


@pytest.mark.parametrize(
    ("y", "message"),
    [
        ([["toxic"], ["toxic", "insult"], []], "not equally long.*MultiLabelBinarizer"),
        ([["toxic"], ["insult"], ["threat"]], "'toxic', a string .*MultiLabelBinarizer"),
        ([{"toxic"}, {"insult"}, set()], "lists or sets.*MultiLabelBinarizer"),
        (pd.Series([["toxic"], ["insult", "toxic"], []]), "lists or sets.*MultiLabelBinarizer"),
        ([["0", "1"], ["1", "0"], ["0", "0"]], r"Row 0 has 0 = '0', a string \(.astype\(float\) makes"),
        ([[0, 1], [1, "x"], [0, 0]], "Row 1 has 1 = 'x', a string"),
        (pd.DataFrame({"a": [0, [1], 1]}), r"Row 1 has a = \[1\], a list, which is neither 0 nor 1"),
        (pd.DataFrame({"a": [0, 1, None]}), "Row 2 has a = nan, which is neither 0 nor 1"),
        (pd.DataFrame({"a": pd.array([0, 1, None], "Int64")}), "Row 2 has a = (<NA>|nan), which is neither"),
        ({"a": [0, 1], "b": [0]}, "are not a table"),
        (pd.DataFrame(index=range(3)), "Several labels need a table"),
        (7, "Several labels need a table"),
    ],
)
def test_what_is_no_table_of_0_and_1_is_told_with_its_cure(y, message):
    with pytest.raises(ValueError, match=message) as error:
        inputs.check_label_table(y)
    assert "\n" not in str(error.value)


def test_the_cure_for_lists_of_labels_works():
    lists = [["toxic"], ["toxic", "insult"], []]
    binariser = MultiLabelBinarizer()
    table = pd.DataFrame(binariser.fit_transform(lists), columns=binariser.classes_)
    assert inputs.check_label_table(table)["toxic"].tolist() == [1, 1, 0]


@pytest.mark.parametrize("off", [1e-7, -1e-7, 9e-7, np.float32(1.0000001) - 1])
def test_rounding_is_no_mistake(off):
    table = np.array([[1 + off, 0 - abs(off), 0.5]])
    assert inputs.check_probabilities(table, LABELS).tolist() == [[min(1, 1 + off), 0, 0.5]]
    assert calibration.brier(np.array([1 + abs(off), 0.0]), [1, 0]) == 0
    with pytest.raises(ValueError, match="which is not a probability"):
        inputs.check_probabilities(table + 1e-4, LABELS)


@pytest.mark.parametrize(
    ("probabilities", "message"),
    [
        ([["0.1", "0.2", "0.3"]], "Row 0 of probabilities has .* = '0.1', a string"),
        ([["high", 0.2, 0.3]], "'high', a string"),
        ([[0.1, 0.2], [0.3]], "not equally long"),
        ([[None, 0.2, 0.3]], "toxic = nan, which is not a probability"),
        (np.zeros((2, 3, 2)), r"shape \(2, 3, 2\); \(rows, labels\) is needed"),
        ([0.1, 0.2, 0.3], r"shape \(3,\); \(rows, labels\) is needed"),
        (0.5, "is needed"),
    ],
)
def test_probabilities_that_are_none_are_named(probabilities, message):
    with pytest.raises(ValueError, match=message):
        inputs.check_probabilities(probabilities, LABELS)


@pytest.mark.parametrize("labels", ["abc", 3, None])
def test_one_name_is_not_a_list_of_them(labels):
    with pytest.raises(TypeError, match="not a list of names"):
        metrics.multilabel_report(TRUTH, PROBABILITIES, labels)


@pytest.mark.parametrize("labels", [[], ["toxic", "toxic", "threat"], [1, "1", 2]])
def test_names_must_tell_labels_apart(labels):
    for call in (
        lambda: metrics.multilabel_report(TRUTH.to_numpy(), PROBABILITIES.to_numpy(), labels),
        lambda: thresholds.tune(TRUTH.to_numpy(), PROBABILITIES.to_numpy(), labels),
        lambda: metrics.report([0, 1], [0, 1], labels),
    ):
        with pytest.raises(ValueError, match=r"occurs twice|There is no name"):
            call()


# -- the index ---------------------------------------------------------------------------------------------------------


def test_an_index_that_merely_counts_says_nothing():
    """A slice of a larger table beside fresh probabilities is the usual case, and right."""
    part = TRUTH.set_axis(np.arange(100, 100 + ROWS), axis=0)
    right = calibration.brier(PROBABILITIES, TRUTH)
    assert calibration.brier(PROBABILITIES, part) == right == calibration.brier(PROBABILITIES.to_numpy(), part)
    assert calibration.brier(PROBABILITIES.set_axis(part.index, axis=0), part) == right


def test_columns_of_other_rows_are_refused_too():
    y, said = TRUTH["toxic"], SAID["toxic"]
    for call in (
        lambda: metrics.report(y, said.iloc[::-1]),
        lambda: metrics.difference(y, said, SAID_B["toxic"].iloc[::-1]),
        lambda: calibration.ece(PROBABILITIES["toxic"].iloc[::-1], y),
        lambda: explorer.threshold_slider(y, PROBABILITIES["toxic"].iloc[::-1]),
        lambda: imbalance.resample(PROBABILITIES, y.iloc[::-1], "over"),
        lambda: robustness.failure_table(lambda texts: [1] * len(texts), pd.Series(TEXTS), y.iloc[::-1]),
    ):
        with pytest.raises(ValueError, match="are not the same: row 0 has the index"):
            call()


# -- one label ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("truth", "probability", "message"),
    [
        ([0, 1], [0.1], "2 rows of truth, 1 probabilities"),
        ([], [], "1 or more"),
        ([0, 2], [0.1, 0.2], "Row 1 of truth has the label = 2, which is neither 0 nor 1"),
        (["no", "yes"], [0.1, 0.2], "'no', a string"),
        ([0, 1], [0.1, 1.2], "which is not a probability"),
        (TRUTH, PROBABILITIES, "must be one column"),
        (TRUTH["toxic"], PROBABILITIES, "must be one column"),
        (3, [0.1], "must be one column"),
    ],
)
def test_one_label_needs_two_columns(truth, probability, message):
    for function in (explorer.threshold_slider, lambda *columns: explorer.threshold_explorer(*columns, alt="a figure")):
        with pytest.raises(ValueError, match=message):
            function(truth, probability)


# -- NumPy's numbers ---------------------------------------------------------------------------------------------------

SCALARS = st.one_of(
    st.integers(-100, 100).map(np.int16), st.integers(0, 2**40).map(np.int64), st.booleans().map(np.bool_)
) | st.floats(allow_nan=False, width=32).map(np.float32)


@given(st.recursive(SCALARS | st.text(max_size=3), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))
@settings(max_examples=100, deadline=None)
def test_plain_leaves_no_numpy_behind_and_changes_no_value(value):
    def kinds(value):
        inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
        return {type(value)}.union(*map(kinds, inner))

    assert inputs.plain(value) == value
    assert kinds(inputs.plain(value)) <= {int, float, bool, str, list, dict}


@pytest.mark.parametrize("value", [0, -1, 2.5, True, "3", None, np.float64(3), float("nan")])
def test_what_is_no_whole_number_is_refused(value):
    with pytest.raises(ValueError, match=r"epochs=.* must be a whole number from 1 up"):
        inputs.whole_number("epochs", value)
    assert type(inputs.whole_number("epochs", np.uint8(3))) is int
