"""Talks: each reference into a stored notebook resolves, no number is typed by hand, bad input is one sentence."""

import re
import subprocess
import sys

import nbformat
import pytest

from textclf_lesson.assets import cache
from tools import slides, stored

TALKS = slides.talks()
ALONE = re.compile(r"(?<![\d.,-])\d+\.\d+(?![\d.])")  # a decimal
SECTION = re.compile(r"section \d+\.\d+|\b\de-\d")


@pytest.mark.parametrize("lesson", TALKS)
def test_a_talk_has_its_slides_notes_and_questions(lesson):
    talk = slides.slides(lesson)
    assert 20 <= len(talk) <= 30
    for number, (shown, notes) in enumerate(talk):
        assert re.match(r"##? \S", shown), f"slide {number + 1} has no heading"
        assert len(notes.split()) >= 8, f"slide {number + 1} has no speaker notes"
    assert sum("Ask" in notes for _, notes in talk) >= len(talk) // 3
    assert sum("Expect" in notes or "expect" in notes for _, notes in talk) >= len(talk) // 4


@pytest.mark.parametrize("lesson", TALKS)
def test_every_reference_resolves_and_becomes_html(lesson):
    page = slides.page(lesson)
    assert "{{" not in page and "@@" not in page
    talk = "".join(shown for shown, _ in slides.slides(lesson))
    assert page.count("<img ") == talk.count("{{picture ")
    assert page.count("<table>") >= talk.count("{{table ")


@pytest.mark.parametrize("lesson", TALKS)
def test_no_measured_number_is_typed_by_hand(lesson):
    for number, parts in enumerate(slides.slides(lesson)):
        text = SECTION.sub("", stored.REFERENCE.sub("", "\n".join(parts)))
        assert not ALONE.search(text), f"slide {number + 1}: take {ALONE.search(text)[0]} out of the notebook"


# --- references ------------------------------------------------------------------------------------------------------


@pytest.fixture
def lesson(tmp_path):
    """A stored notebook with a table, a picture, printed lines and a claim."""
    html = """<table><thead><tr><th></th><th>f1</th><th>note</th></tr></thead><tbody>
      <tr><th>toxic</th><td>0.92</td><td>good</td></tr><tr><th>threat</th><td>0.72</td><td>few</td></tr></tbody></table>"""
    cell = nbformat.v4.new_code_cell("a = 1\nb = 2\nprint(a)", id="cell")
    picture = nbformat.v4.new_output("display_data", {"image/png": "AAAA"}, metadata={"image/png": {"alt": "A curve."}})
    printed = "first 0.25\nsecond\n✓ it holds (0.5 of 8) [09.holds]\n"
    cell.outputs = [
        nbformat.v4.new_output("stream", text=printed),
        picture,
        nbformat.v4.new_output("execute_result", {"text/html": html, "text/plain": "..."}),
    ]
    path = tmp_path / "09_trial.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=[cell]), path)
    return stored.Lesson(path)


def resolve(lesson, text):
    return lesson.resolve(stored.REFERENCE.fullmatch(text))


def test_references_give_what_the_notebook_holds(lesson):
    assert resolve(lesson, "{{picture cell}}") == '<img src="data:image/png;base64,AAAA" alt="A curve.">'
    assert resolve(lesson, "{{output cell lines 2-2}}") == '<pre class="output">second</pre>'
    assert resolve(lesson, '{{number cell "first ([0-9.]+)"}}') == "0.25"
    assert resolve(lesson, '{{number cell "first ([0-9.]+)" percent}}') == "25 %"
    assert resolve(lesson, "{{claim 09.holds}}") == '<p class="claim">it holds<small>0.5 of 8</small></p>'
    table = resolve(lesson, "{{table cell rows 2-2 columns note}}")
    assert re.findall(r"<t[hd]\b[^>]*>(.*?)</t[hd]>", table) == ["", "note", "threat", "few"]
    assert "b" in re.sub("<[^>]+>", "", resolve(lesson, "{{code cell lines 2-2}}"))


@pytest.mark.parametrize(
    ("reference", "told"),
    [
        ("{{picture nobody}}", "no cell has the id 'nobody'"),
        ("{{video cell}}", "there is no 'video'"),
        ("{{output cell lines 2-9}}", "write `lines 1-3` or less"),
        ("{{table cell rows 1-3}}", "it has rows 1 to 2"),
        ("{{table cell columns recall}}", "no column 'recall'; there are , f1, note"),
        ("{{claim 09.other}}", "the notebook claims nothing of this id"),
        ('{{number cell "third (x)"}}', "the pattern finds 0 things"),
        ('{{number cell "first"}}', "write {{number ID"),
    ],
)
def test_a_reference_that_leads_nowhere_is_told(lesson, reference, told):
    with pytest.raises(stored.BadReference, match=re.escape(told)) as error:
        resolve(lesson, reference)
    assert "09_trial.ipynb" in str(error.value)


# --- the command ----------------------------------------------------------------------------------------------------


def test_a_lesson_without_a_talk_is_one_sentence(capsys):
    assert slides.main(["99"]) == 1
    told = capsys.readouterr().err.strip()
    assert told.startswith(f"Lesson 99 has no talk; lessons {', '.join(TALKS)} have one.") and "\n" not in told


def test_without_reveal_and_without_network_one_sentence_says_what_to_do(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("TEXTCLF_HOME", str(tmp_path))
    assert not any(tmp_path.iterdir())
    monkeypatch.setenv("TEXTCLF_OFFLINE", "1")
    assert slides.main(["--fetch"]) == 1
    assert "`python -m tools.slides --fetch` once while online" in capsys.readouterr().err
    monkeypatch.delenv("TEXTCLF_OFFLINE")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert slides.main(["--fetch"]) == 1
    assert "there is no npm to fetch it with: install Node.js" in capsys.readouterr().err
    assert not (cache.home() / "slides").exists()


def test_another_archive_than_the_pinned_one_is_refused(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("TEXTCLF_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("TEXTCLF_OFFLINE")
    npm = tmp_path / "npm"
    npm.write_text("#!/bin/sh\necho 'not reveal' > \"$5/reveal.js-6.0.2.tgz\"\n")
    npm.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert slides.main(["--fetch"]) == 1
    assert "its SHA-512 differs): nothing was kept" in capsys.readouterr().err
    assert not list((tmp_path / "home").rglob("*.js"))


def test_the_check_finds_nothing():
    command = [sys.executable, "-m", "tools.slides", "--check"]
    done = subprocess.run(command, cwd=slides.ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
