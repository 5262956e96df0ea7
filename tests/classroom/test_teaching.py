"""The teaching guide: every plan fits its time, its tables are those of the lessons, and its links lead somewhere."""

import re
import tomllib

import pytest

from tools import teaching

PLANS = {plan["id"]: plan for plan in tomllib.loads(teaching.PLANS.read_text(encoding="utf-8"))["plan"]}
SESSIONS = [(name, session) for name, plan in PLANS.items() for session in plan["sessions"]]


@pytest.mark.parametrize(("name", "session"), SESSIONS, ids=[s["title"][:30] for _, s in SESSIONS])
def test_a_session_fits_its_time(name, session):
    plan = PLANS[name]
    rows = teaching.rows(plan, session)
    assert sum(row.minutes for row in rows) <= plan["session"]
    assert sum(row.homework for row in rows) <= plan.get("homework", 0)
    assert any(row.kind == "section" for row in rows)


def test_there_are_the_plans_that_the_guide_promises():
    assert [plan["session"] for plan in PLANS.values()] == [90, 90, 90, 90, 420]
    assert [len(plan["sessions"]) for plan in PLANS.values()] == [1, 1, 1, 7, 2]


def test_the_stored_page_is_the_one_that_the_lessons_give():
    assert teaching.problems() == []


def test_a_section_takes_longer_if_the_lesson_does(monkeypatch):
    before = teaching.row("section 2.5").minutes
    monkeypatch.setattr(teaching.notebooks, "WORDS_A_MINUTE", teaching.notebooks.WORDS_A_MINUTE / 3)
    teaching.sections.cache_clear()
    try:
        assert teaching.row("section 2.5").minutes > before
        assert teaching.problems() != []
    finally:
        teaching.sections.cache_clear()


def test_every_lesson_has_its_notes():
    page = teaching.PAGE.read_text(encoding="utf-8")
    notes = page.partition("## Lesson by lesson")[2].partition("\n## ")[0]
    for number in range(15):
        own = re.search(rf"^### {number} · .*?(?=^### )", notes, re.MULTILINE | re.DOTALL)[0]
        for kind in ("Live", "Skip", "Ask", "Stumble"):
            assert f"- **{kind}**:" in own, f"lesson {number}: {kind}"
        for section in re.findall(r"(?<![\d.])(\d+\.\d+)(?![\d.])", own):
            lesson = section.split(".")[0].zfill(2)
            assert section in teaching.sections(lesson), f"lesson {number} names a section {section}"


def test_links_of_the_guide_lead_to_files():
    page = teaching.PAGE.read_text(encoding="utf-8")
    for target in set(re.findall(r"\]\(([^)#]+)", page)):
        assert (teaching.PAGE.parent / target).exists(), target


# --- plans that do not work -------------------------------------------------------------------------------------------


def plan(*steps: str, **limits: int) -> tuple[dict, dict]:
    session = {"title": "A trial", "steps": list(steps)}
    return {"session": 90, "sessions": [session]} | limits, session


@pytest.mark.parametrize(
    ("steps", "told"),
    [
        (["section 2.99"], "A trial: lesson 02 has no section 2.99"),
        (["section 99.1"], "A trial: there is no lesson 99"),
        (["exercise 02 nobody"], "A trial: exercise 02 has no item nobody"),
        (["exercise 99 nobody"], "A trial: there is no exercise 99"),
        (["dance 10"], "A trial: 'dance 10' is no step"),
        (["talk 80 Long", "section 2.5"], "minutes do not fit 90: leave a section out"),
        (["homework 02"], "minutes of homework are more than 0"),
    ],
)
def test_a_plan_that_does_not_work_is_told(steps, told):
    with pytest.raises(teaching.PlanError, match=re.escape(told)):
        teaching.rows(*plan(*steps))


def test_people_need_a_break():
    with pytest.raises(teaching.PlanError, match="minutes without a break"):
        teaching.rows(*plan("talk 60 One", "talk 60 Two", session=400))
    rows = teaching.rows(*plan("talk 60 One", "break 15", "talk 60 Two", session=400))
    assert [row.minutes for row in rows] == [60, 15, 60]
