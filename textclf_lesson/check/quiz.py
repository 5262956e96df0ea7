"""Multiple choice: the questions of a lesson, shown and judged. They stand in `quizzes/NN.toml`, options explained.

[[question]]
name = "leak"
ask = "Through which of these does the test leak to the model?"

[[question.option]]
text = "Fitting the vectoriser on all texts, then splitting"
why = "The vocabulary and the document counts have seen the test."
right = true
"""

import tomllib
from collections.abc import Iterator
from functools import cache
from importlib import resources
from typing import Any

from textclf_lesson.base.errors import Blank, CheckFailed
from textclf_lesson.check.core import Answer, item

LETTERS = "abcdefgh"


@cache
def questions_of(lesson: str) -> list[dict[str, Any]]:
    """The questions of a lesson ("01"), each with `name`, `ask` and its `option`s.

    Raises ValueError for a lesson without a quiz.
    """
    path = resources.files(__package__).joinpath("quizzes", f"{lesson}.toml")
    if not path.is_file():
        raise ValueError(f"There is no quiz for lesson {lesson!r}; a lesson is named by two digits, like '01'.")
    return tomllib.loads(path.read_text(encoding="utf-8"))["question"]


def questions(lesson: str) -> None:
    """Show the quiz of a lesson ("01") below the cell."""
    from IPython.display import display

    text = as_markdown(lesson)
    display({"text/markdown": text, "text/plain": text}, raw=True)


def as_markdown(lesson: str) -> str:
    """The questions of a lesson ("01") and their lettered options, without the answers."""
    lines = []
    for question in questions_of(lesson):
        lines += [f"**{question['name']}**: {question['ask']}", ""]
        lines += [f"- ({letter}) {o['text']}" for letter, o in zip(LETTERS, question["option"], strict=False)] + [""]
    return "\n".join(lines)


@item
def quiz(answer: Answer, lesson: str) -> Iterator[str]:
    """`check.quiz(quiz, lesson="01")`: is each question answered by the letter of its right option?

    All questions are judged at once. Raises CheckFailed with a sentence for each that is not right yet, Blank if none
    is answered.
    """
    asked = questions_of(lesson)
    letters, wrong = answer.record([]), []
    chosen = {question["name"]: _letter(letters.get(question["name"])) for question in asked}
    if not any(chosen.values()):
        raise Blank(f'No question is answered yet in `quiz`: return {{{asked[0]["name"]!r}: "a", …}}.')
    for question in asked:
        name, options = question["name"], dict(zip(LETTERS, question["option"], strict=False))
        letter = chosen[name]
        if letter not in options:
            wrong.append(f"Question **{name}**: answer with one letter, {LETTERS[0]} to {max(options)}.")
        elif options[letter].get("right"):
            yield f"**{name}**: {options[letter]['why']}"
        else:
            wrong.append(f"Question **{name}**, ({letter}): {options[letter]['why']}")
    if wrong:
        raise CheckFailed(*wrong)


def _letter(given: Any) -> str:
    """As learners write it: "b", "B", " (b)"; "" for nothing."""
    return "" if given is None or given is ... else str(given).strip().strip("()").lower()
