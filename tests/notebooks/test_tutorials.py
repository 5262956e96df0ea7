"""The page that holds tutorials' statements against the course's numbers is what the stored results give."""

import pytest

from tools import tutorials


def test_the_page_is_what_the_stored_results_give():
    assert tutorials.problems() == []


def test_every_statement_has_a_verdict_and_a_lesson():
    found = [rule() for rule in tutorials.ROWS]
    assert len(found) == 17
    assert all(one.measured and one.verdict and one.where for one in found)


def test_what_no_lesson_found_true_is_not_quoted():
    with pytest.raises(ValueError, match="Lesson 09 has no claim found true that says 'attention is best'"):
        tutorials.claimed("09", "attention is best")
