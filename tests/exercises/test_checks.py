"""The graders graded: what `check.<item>` says of right, blank and typically wrong answers."""

import importlib
import inspect
from pathlib import Path

import numpy as np
import pytest

from tests.exercises import answers
from textclf_lesson import check
from textclf_lesson.base.errors import CheckFailed, NotYet
from textclf_lesson.check import ex01
from textclf_lesson.check.core import Answer, item
from textclf_lesson.check.quiz import LETTERS, questions, questions_of, quiz
from textclf_lesson.check.values import compare

HERE = Path(__file__).parent
for path in sorted(HERE.glob("answers_*.py")):
    importlib.import_module(f"tests.exercises.{path.stem}")
QUIZZES = sorted(path.stem for path in (Path(check.__file__).parent / "quizzes").glob("*.toml"))
CHECKS = {"quiz": quiz} | {name: one for number in QUIZZES for name, one in check.items(number).items()}
ASKED = [(name, {}) for name in CHECKS if name != "quiz"] + [("quiz", {"lesson": number}) for number in QUIZZES]


def ids(value):
    return value[0] + value[1].get("lesson", "") if isinstance(value, tuple) else getattr(value, "name", "")


@pytest.mark.parametrize("case", answers.CASES, ids=ids)
def test_an_answer_gets_the_sentence_meant_for_it(case, capsys):
    judge = CHECKS[case.item]
    if case.hint is None:
        judge(case.answer, **case.options)
        sign = "◐ " if case.item == "f1_by_label" else "✓ "  # some labels earn points, others do not
        assert capsys.readouterr().out.startswith(sign)
    else:
        with pytest.raises(CheckFailed) as failed:
            judge(case.answer, **case.options)
        assert case.hint in str(failed.value)
        assert failed.value.__suppress_context__
        assert "✓" not in capsys.readouterr().out


@pytest.mark.parametrize("asked", ASKED, ids=ids)
def test_each_item_is_held_against_wrong_answers_and_a_right_one_written_differently(asked):
    name, options = asked
    mine = [case for case in answers.CASES if case.item == name and case.options == options]
    assert len({case.hint for case in mine if case.hint}) >= 2
    assert any(case.hint is None for case in mine)


@pytest.mark.parametrize("asked", ASKED, ids=ids)
def test_a_blank_is_told_that_it_is_one(asked):
    def blank(*_):
        raise NotYet()

    for nothing in (blank, None, ...):
        with pytest.raises(CheckFailed, match=f"^Nothing returned yet in `{asked[0]}`. Replace the line"):
            CHECKS[asked[0]](nothing, **asked[1])


class Hostile:
    """A value that lies about itself."""

    def __eq__(self, other):
        raise RuntimeError("no")

    def __len__(self):
        return -1

    def __float__(self):
        raise RuntimeError("no")

    __hash__ = None


ODD = ["", "x", 0, True, -1, 10**400, 10**5000, float("nan"), float("inf"), b"x", print, object(), Hostile(), NotYet]
ODD += [[], [[1], [2, 3]], {}, {"ship": [1]}, set(), (1, 2), (2, 1), (None, None), iter([])]
ODD += [np.zeros((2, 2)), np.full(1, np.nan), np.array([None]), np.array(["a"])]


@pytest.mark.parametrize("asked", ASKED, ids=ids)
def test_whatever_is_returned_the_learner_gets_a_sentence(asked):
    for odd in ODD:
        with pytest.raises(CheckFailed) as failed:
            CHECKS[asked[0]](lambda *_, odd=odd: odd, **asked[1])
        assert "could not test" not in str(failed.value), odd
        assert len(str(failed.value)) < 400


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (3, "`focal_loss` should be a function; here it is an int."),
        (lambda: 1, "`focal_loss` raised TypeError: "),
        (lambda *_: None, "`focal_loss` returned None. Does its last line begin with `return`?"),
        (
            lambda *_: 1 / 0,
            "(called with an array of the shape (6, 3) of float64, an array of the shape (6, 3) of int64, ",
        ),
    ],
)
def test_mistakes_before_the_answer_are_named(answer, sentence):
    with pytest.raises(CheckFailed) as failed:
        ex01.focal_loss(answer)
    assert sentence in str(failed.value)


def test_a_fault_of_a_check_is_told_as_ours():
    @item
    def spoilt(answer):
        yield str(1 / 0)

    with pytest.raises(CheckFailed, match="could not test `spoilt`: ZeroDivisionError"):
        spoilt(len)


def test_an_answer_cannot_change_what_it_is_held_against():
    def greedy(p, truth, gamma):
        p[:] = 0.5
        truth[:] = 1
        return np.where(truth == 1, -np.log(p), 0) * (1 - p) ** gamma

    with pytest.raises(CheckFailed):
        ex01.focal_loss(greedy)


def test_in_a_notebook_a_learner_sees_one_line():
    from IPython.core.interactiveshell import InteractiveShell
    from IPython.utils.capture import capture_output

    shell = InteractiveShell()
    with capture_output() as shown:
        shell.run_cell("from textclf_lesson.check import ex01 as check\ncheck.focal_loss(lambda *_: None)")
    assert shown.stdout.strip() == "✗ `focal_loss` returned None. Does its last line begin with `return`?"
    with capture_output() as shown:
        shell.run_cell("from textclf_lesson.check import NotYet\nraise NotYet()")
    assert shown.stdout.strip() == "✗ Not answered yet: replace the line `raise NotYet()` by your answer."


def test_a_misspelt_check_is_guessed():
    with pytest.raises(AttributeError, match=r"There is no check.kapa. Did you mean 'kappa'\?"):
        ex01.kapa  # noqa: B018
    assert set(dir(ex01)) >= {"focal_loss", "quiz", "questions"}


def test_every_item_is_listed_once_and_judges_its_own_name():
    names = [name for number in QUIZZES for name in check.items(number)]
    assert len(names) == len(set(names)) and [f"ex{number}" for number in QUIZZES] == check.EXERCISES
    for name, one in CHECKS.items():
        assert one.__name__ == name
        assert inspect.isgeneratorfunction(one.__wrapped__)


def test_compare_needs_the_same_shape():
    with pytest.raises(CheckFailed, match=r"^no$"):
        compare([1.0, 1.0], 1.0, {}, "no")
    compare(1.0, 1.0, {"hint": 1.0}, "no")


def test_numbers_come_in_many_forms():
    answer = Answer("x", lambda value: value)
    for one in (1, 1.0, True, np.float32(1), np.array([1]), [1]):
        assert answer.number(one) == 1.0


# --- quizzes ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("lesson", QUIZZES)
def test_a_quiz_has_one_right_option_and_explains_all(lesson):
    asked = questions_of(lesson)
    assert 3 <= len(asked) <= 6
    assert len({question["name"] for question in asked}) == len(asked)
    for question in asked:
        assert 3 <= len(question["option"]) <= len(LETTERS)
        assert sum(option.get("right", False) for option in question["option"]) == 1
        assert all(len(option["why"].split()) >= 6 and option["text"] for option in question["option"])
        assert len({option["why"] for option in question["option"]}) == len(question["option"])
    keys = {LETTERS[[o.get("right", False) for o in question["option"]].index(True)] for question in asked}
    assert len(keys) > 1, "always the same letter"


@pytest.mark.parametrize("lesson", QUIZZES)
def test_every_wrong_option_gets_its_own_explanation(lesson):
    asked = questions_of(lesson)
    key = {q["name"]: LETTERS[[o.get("right", False) for o in q["option"]].index(True)] for q in asked}
    for question in asked:
        for letter, option in zip(LETTERS, question["option"], strict=False):
            if not option.get("right"):
                given = key | {question["name"]: letter}
                with pytest.raises(CheckFailed) as failed:
                    quiz(lambda given=given: given, lesson=lesson)
                assert option["why"] in str(failed.value)


def test_an_unknown_quiz_is_said():
    with pytest.raises(ValueError, match=r"^There is no quiz for lesson '99'"):
        questions("99")
