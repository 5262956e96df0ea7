"""A study: it goes on where it stopped, its file is whole at any moment, and holds what is asked for, no more."""

import json

import pytest

from studies import common

GRID = [{"rate": rate, "seed": seed} for rate in (0.1, 0.2) for seed in (0, 1)]


@pytest.fixture
def path(tmp_path, monkeypatch):
    """Where the results of the study "trial" go: its folder is not there yet."""
    monkeypatch.setattr(common, "RESULTS", tmp_path / "results")
    return tmp_path / "results" / "trial.json"


@pytest.fixture
def measured():
    """The settings measured so far."""
    return []


@pytest.fixture
def study(path, measured):
    """A function that runs the study over a grid; it is stopped by Ctrl+C at the settings `stop_at`."""

    def run(grid, stop_at=None):
        def measure(**settings):
            if settings == stop_at:
                raise KeyboardInterrupt
            measured.append(settings)
            return {"score": settings["rate"] + settings["seed"], "text": "naïve – 东京"}

        return common.run("trial", grid, measure, ("numpy",), seeds=iter([0, 1]))

    return run


def stored(path):
    return json.loads(path.read_text(encoding="utf-8"))


def settings(runs):
    return [run["settings"] for run in runs]


def test_it_goes_on_where_it_stopped(study, path, measured):
    with pytest.raises(KeyboardInterrupt):
        study(GRID, stop_at=GRID[2])
    assert settings(stored(path)["runs"]) == measured == GRID[:2]
    before = stored(path)["runs"]
    runs = study(GRID)
    assert measured == GRID, "each once"
    assert settings(runs) == GRID and runs[:2] == before and stored(path)["runs"] == runs
    assert runs[3]["result"] == {"score": 1.2, "text": "naïve – 东京"}


def test_a_study_that_is_complete_measures_and_writes_nothing(study, path, measured):
    runs, content, changed = study(GRID), path.read_text(encoding="utf-8"), path.stat().st_mtime_ns
    assert study([dict(reversed(one.items())) for one in GRID]) == runs, "the order of the settings' names says nothing"
    assert measured == GRID
    assert (path.read_text(encoding="utf-8"), path.stat().st_mtime_ns) == (content, changed)


@pytest.mark.parametrize("deleted", GRID)
def test_a_run_whose_line_was_deleted_is_done_again(study, path, measured, deleted):
    study(GRID)
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    left = [line for line in lines if json.dumps(deleted) not in line]
    assert len(left) == len(lines) - 1
    path.write_text("".join(left), encoding="utf-8")
    assert settings(study(GRID)) == GRID and measured == [*GRID, deleted]


@pytest.mark.parametrize("more", [[], [{"rate": 0.3, "seed": 0}]])
def test_runs_that_are_no_longer_asked_for_are_dropped(study, path, measured, more):
    study(GRID)
    asked = [GRID[3], *more, GRID[0]]
    assert settings(study(asked)) == settings(stored(path)["runs"]) == asked
    assert measured == [*GRID, *more]


def test_who_reads_while_results_are_stored_reads_them_whole(study, path):
    study(GRID[:2])
    whole = path.read_bytes()
    with path.open("rb") as reading:
        begun = reading.read(10)
        study(GRID)
        assert begun + reading.read() == whole
    assert [file.name for file in path.parent.iterdir()] == ["trial.json"]


def test_results_that_cannot_be_stored_leave_those_before_as_they_were(study, path):
    study(GRID[:2])
    whole = path.read_bytes()
    with pytest.raises(TypeError, match="not JSON serializable"):
        common.run("trial", GRID, lambda **settings: {"score": object()}, ())
    path.with_suffix(".partial").mkdir()  # nothing can be written there, as on a full disk
    with pytest.raises(OSError):
        study(GRID)
    assert path.read_bytes() == whole


def test_the_file_says_how_it_came_about(study, path):
    study(GRID)
    about = stored(path)
    assert about["command"] == "python -m studies.trial" and "numpy" in about["versions"]
    assert about["seeds"] == [0, 1]
    assert {"processor", "cores", "python"} <= set(about["machine"])
    assert about["minutes"] >= 0 and all(run["minutes"] >= 0 for run in about["runs"])
