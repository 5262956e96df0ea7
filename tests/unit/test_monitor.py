"""The watch over a service: distances against scipy, predictions of a real model, and all that can be odd."""

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import rel_entr

from textclf_lesson import data
from textclf_lesson.deploy.monitor import Monitor, corridor, kl, psi, smooth
from textclf_lesson.deploy.serve.counters import Counters, Log
from textclf_lesson.deploy.traffic import EDGES, Window, read_log, windows
from textclf_lesson.models import baselines

CLASSES = ["negative", "positive"]
counts = st.integers(2, 30).flatmap(lambda k: st.lists(st.integers(0, 10_000), min_size=k, max_size=k).filter(any))


@st.composite
def two_counts(draw):
    k = draw(st.integers(2, 30))
    return [draw(st.lists(st.integers(0, 10_000), min_size=k, max_size=k).filter(any)) for _ in range(2)]


@pytest.fixture(scope="module")
def said():
    """What a real classifier of film sentences says of unseen films, and of three other kinds of text."""
    movies = data.load("movie-snippets")
    model = baselines.pipeline("tfidf").fit(movies["train"]["text"][:], movies["train"]["label"][:])

    def answers(texts):
        chances = model.predict_proba(texts)
        return pd.DataFrame(
            {"label": np.take(CLASSES, chances.argmax(axis=1)), "confidence": chances.max(axis=1)}
        ).sample(frac=1, random_state=0)

    unseen = answers(movies["validation"]["text"][:] + movies["test"]["text"][:])
    return {"movies": unseen, "tweets": answers(data.load("tweets")["train"]["text"][:])}


def window(rows, classes=CLASSES):
    return Window.of(rows["label"], rows["confidence"], classes)


def parts(rows, size=200):
    return [window(rows.iloc[at : at + size]) for at in range(0, len(rows) - size + 1, size)]


@pytest.fixture
def monitor(said):
    return Monitor(window(said["movies"][:1000]))


# --- distances --------------------------------------------------------------------------------------------------------


@given(two_counts())
def test_distances_are_not_negative_and_finite_and_agree_with_scipy(both):
    p, q = map(smooth, both)
    assert 0 <= kl(p, q) < np.inf and 0 <= psi(p, q) < np.inf
    assert kl(p, q) == pytest.approx(rel_entr(p, q).sum(), abs=1e-12)
    assert psi(p, q) == pytest.approx((rel_entr(p, q) + rel_entr(q, p)).sum(), abs=1e-12)
    assert psi(p, q) == pytest.approx(psi(q, p), abs=1e-12)


@given(counts, st.integers(1, 50))
def test_equal_shares_are_at_zero_whatever_the_size(some, times):
    p, q = smooth(some), smooth(np.multiply(some, times))
    assert kl(p, p) == psi(p, p) == 0
    assert kl(p, q) == pytest.approx(0, abs=1e-12) and psi(p, q) == pytest.approx(0, abs=1e-12)


@given(two_counts())
def test_distances_see_that_shares_differ(both):
    p, q = (np.divide(some, sum(some)) for some in both)
    if abs(p - q).max() > 1e-3:
        assert kl(smooth(both[0]), smooth(both[1])) > 1e-8  # Pinsker: KL >= 2 (total variation)^2


def test_by_hand_and_over_rows():
    p, q = [0.5, 0.5], [0.25, 0.75]
    assert kl(p, q) == pytest.approx(0.5 * np.log(2) + 0.5 * np.log(2 / 3))
    assert kl([p, q], q) == pytest.approx([kl(p, q), 0])
    assert kl([0, 1], q) == pytest.approx(np.log(4 / 3)) and np.isinf(kl(q, [0, 1]))
    assert smooth([[3, 1], [0, 9]], 0.1) == pytest.approx(np.array([[0.725, 0.275], [0.05, 0.95]]))


@given(two_counts(), st.randoms())
def test_shares_with_names_are_compared_class_by_class(both, random):
    p, q = (smooth(pd.Series(some, [f"class {k}" for k in range(len(some))])) for some in both)
    order = random.sample(list(p.index), len(p))
    for distance in (kl, psi):
        right = distance(p.to_numpy(), q.to_numpy())
        assert distance(p, q[order]) == pytest.approx(right, abs=1e-12)
        assert distance(p[order].to_frame().T, q).tolist() == pytest.approx([right], abs=1e-12)


def test_shares_of_other_classes_are_refused():
    p, q = pd.Series({"spam": 0.5, "ham": 0.5}), pd.Series({"spam": 0.5, "eggs": 0.5})
    for other in (q, q[["spam"]] * 2, pd.Series([0.5, 0.25, 0.25], ["ham", "spam", "spam"])):
        with pytest.raises(ValueError, match="The classes of the two are not the same"):
            kl(p, other)
    assert kl(p, q.to_numpy()) == 0


@pytest.mark.parametrize("wrong", [[0.5, 0.6], [1.5, -0.5], [np.nan, 1], 1.0, [3, 4]])
def test_what_is_no_distribution_is_refused(wrong):
    with pytest.raises(ValueError, match="no shares"):
        kl(wrong, [0.5, 0.5])
    with pytest.raises(ValueError, match="no shares"):
        psi([0.5, 0.5], wrong)


@pytest.mark.parametrize("wrong", [[0, 0], [-1, 2], [np.nan, 1], [[1, 2], [0, 0]]])
def test_counts_that_have_no_shares_are_refused(wrong):
    with pytest.raises(ValueError, match="an empty window has no shares"):
        smooth(wrong)


# --- corridor and verdicts --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("rows", "n", "shares"), [(400, 400, [0.5, 0.5]), (300, 50, [0.8, 0.15, 0.05])])
def test_the_corridor_keeps_its_level_for_windows_and_references_of_one_truth(rows, n, shares):
    rng, outside = np.random.default_rng(0), []
    for _ in range(400):
        reference = rng.multinomial(rows, shares)
        bounds = corridor(reference, n, (0.05, 0.01), draws=2000)
        outside.append(kl(smooth(rng.multinomial(n, shares)), smooth(reference)) > bounds)
    # three standard errors above 0.05 and 0.01 on 400 windows
    assert (np.mean(outside, axis=0) <= [0.083, 0.025]).all()


def test_larger_windows_have_a_narrower_corridor_and_levels_are_nested():
    inner, outer = np.transpose([corridor([600, 400], n, (0.05, 0.01)) for n in (50, 200, 800)])
    assert (np.diff(inner) < 0).all() and (np.diff(outer) < 0).all() and (inner < outer).all()


def test_films_are_mostly_ok_and_tweets_are_not(monitor, said):
    at_home = [monitor.check(part).verdict for part in parts(said["movies"][1000:])]
    assert "retrain" not in at_home and at_home.count("ok") >= 0.85 * len(at_home)
    away = [monitor.check(part).verdict for part in parts(said["tweets"], 400)]
    assert away == ["watch"] + ["retrain"] * (len(said["tweets"]) // 400 - 1)


def test_retrain_takes_patience_and_empty_windows_do_not_break_it(said):
    shifted, nothing = parts(said["tweets"])[0], Window.of([], [], CLASSES)
    for patience in (1, 2, 3):
        monitor = Monitor(window(said["movies"]), patience=patience)
        verdicts = [monitor.check(part).verdict for part in [shifted, nothing, shifted, shifted]]
        assert verdicts[1] == "empty"
        assert [v for v in verdicts if v != "empty"] == ["watch"] * (patience - 1) + ["retrain"] * (4 - patience)


def test_a_window_in_which_nobody_asked(monitor):
    reading = monitor.check(Window.of([], [], CLASSES, time="12:00"))
    assert (reading.verdict, reading.n, reading.kl, reading.time) == ("empty", 0, None, "12:00")
    assert monitor.table()["kl"].isna().all()


def test_a_class_that_the_reference_lacks_is_rare_and_not_impossible(said):
    classes = [*CLASSES, "unsure"]
    monitor = Monitor(window(said["movies"][:1000], classes))
    once = said["movies"][1200:1400].copy()
    once.iloc[0, 0] = "unsure"
    assert monitor.check(window(once, classes)).verdict == "ok"
    often = once.assign(label=["unsure"] * 40 + once["label"].tolist()[40:])
    reading = monitor.check(window(often, classes))
    assert reading.verdict == "watch" and np.isfinite([reading.kl, reading.psi]).all()


def test_a_reference_of_one_class_alone_leaves_room(said):
    only = said["movies"].query("label == 'positive'")
    monitor = Monitor(window(only[:500]))
    one = pd.concat([only[:99], said["movies"].query("label == 'negative'")[:1]])
    assert monitor.check(window(one)).verdict == "ok"


def test_confidence_is_watched_on_its_own(monitor, said):
    """Half the certainty is gone, the classes are the same: the verdict stays, the view beside it does not."""
    rows = said["movies"][1000:1300]
    calm = monitor.check(window(rows))
    unsure = monitor.check(window(rows.assign(confidence=0.5 + (rows["confidence"] - 0.5) / 4)))
    assert unsure.kl == calm.kl and unsure.verdict == calm.verdict == "ok"
    assert calm.confidence_psi < calm.confidence_outer < unsure.confidence_psi
    assert unsure.confidence < calm.confidence == pytest.approx(rows["confidence"].mean())


# --- state ------------------------------------------------------------------------------------------------------------


def test_a_restored_monitor_gives_the_same_verdicts(monitor, said, tmp_path):
    stream = parts(said["movies"][1000:1500]) + parts(said["tweets"][:500])
    for part in stream[:6]:  # the restored one must know that the last was outside
        monitor.check(part)
    monitor.save(tmp_path / "state.json")
    other = Monitor.load(tmp_path / "state.json")
    assert [other.check(part) for part in stream[6:]] == [monitor.check(part) for part in stream[6:]]
    assert "retrain" in set(other.table()["verdict"]) and other == monitor
    pd.testing.assert_frame_equal(other.table(), monitor.table())


def test_saving_replaces_the_file_at_once_or_not_at_all(monitor, tmp_path, monkeypatch):
    path = tmp_path / "state.json"
    monitor.save(path)
    before = path.read_text()

    def full(*_, **__):
        raise OSError("No space left on device")

    monkeypatch.setattr("pathlib.Path.replace", full)
    monitor.check(Window.of([], [], CLASSES))
    with pytest.raises(OSError, match="No space"):
        monitor.save(path)
    assert path.read_text() == before


@pytest.mark.parametrize("spoil", [lambda s: s[: len(s) // 2], lambda s: "[]", lambda s: s.replace('"kl"', '"kI"')])
def test_a_damaged_state_is_named(monitor, said, tmp_path, spoil):
    path = tmp_path / "state.json"
    monitor.check(window(said["movies"][:50]))
    monitor.save(path)
    path.write_text(spoil(path.read_text()))
    with pytest.raises(ValueError, match=r"state.json is no state of a monitor"):
        Monitor.load(path)


@pytest.mark.parametrize(
    "options",
    [
        {"levels": (0.01, 0.05)},
        {"levels": (0.05, 0)},
        {"levels": (0.05,)},
        {"levels": ("0.05", "0.01")},
        {"patience": 0},
        {"patience": 1.5},
        {"reference": Window.of([], [], "ab")},
    ],
)
def test_a_monitor_that_cannot_work_is_refused(said, options):
    with pytest.raises(ValueError, match=r"levels=|patience=|reference needs"):
        Monitor(**{"reference": window(said["movies"])} | options)


def test_numbers_of_numpy_are_stored_as_such(tmp_path):
    usual = Window({"a": np.int64(90), "b": np.int64(10)}, (*np.arange(8), np.int64(72)), np.float64(95.0))
    monitor = Monitor(usual, levels=np.array([0.05, 0.01], dtype=np.float16), patience=np.int8(2))
    monitor.check(Window.of(np.array(["a", "b"]), np.array([0.9, 0.8], dtype=np.float32), ["a", "b"]))
    monitor.save(tmp_path / "state.json")
    again = Monitor.load(tmp_path / "state.json")
    assert again == monitor and again.levels == (float(np.float16(0.05)), float(np.float16(0.01)))


# --- what windows are made of -----------------------------------------------------------------------------------------


class Service:
    """The counters of the course's service, without its port: `say(rows)` counts, `text()` is its /metrics."""

    def __init__(self, version=""):
        self.counters = Counters(CLASSES, "films", version)

    def say(self, rows):
        self.counters.predicted(zip(rows["label"], rows["confidence"], strict=True))

    def text(self):
        return self.counters.text().decode()


def same(one, other):
    assert (one.labels, one.bins, one.edges) == (other.labels, other.bins, other.edges)
    assert one.confidence == pytest.approx(other.confidence)


def test_two_scrapes_differ_by_what_was_said_between_them(said):
    service, rows = Service(), said["movies"]
    service.say(rows[:50])
    first = Window.from_metrics(service.text())
    same(first, window(rows[:50]))
    service.say(rows[50:120])
    same(Window.from_metrics(service.text()).since(first), window(rows[50:120]))
    same(Window.from_metrics(service.text()).since(None), window(rows[:120]))


def test_a_restart_is_noticed(said):
    one, other = Service(), Service()
    one.say(said["movies"][:50])
    other.say(said["movies"][50:70])
    same(Window.from_metrics(other.text()).since(Window.from_metrics(one.text())), window(said["movies"][50:70]))
    nothing = Window.from_metrics(Service().text())
    same(nothing.since(Window.from_metrics(one.text())), Window.of([], [], CLASSES))


def test_a_restart_with_another_model_is_noticed_though_no_counter_fell(said):
    one, other = Service("v1"), Service("v2")
    one.say(said["movies"][:20])
    other.say(pd.concat([said["movies"][:20], said["movies"][50:200]]))
    first, second = Window.from_metrics(one.text()), Window.from_metrics(other.text())
    assert (first.version, second.version) == ("v1", "v2")
    assert sum(second.since(first).labels.values()) == 170
    assert sum(second.since(Window.from_metrics(Service("v2").text())).labels.values()) == 170


def test_a_monitor_follows_the_counters_over_a_restart_of_its_own(monitor, said, tmp_path):
    service = Service()
    assert monitor.check_metrics(service.text()).verdict == "empty"
    service.say(said["movies"][1000:1200])
    assert monitor.check_metrics(service.text(), "10:00").verdict == "ok"
    assert monitor.check_metrics(service.text(), "11:00").verdict == "empty"
    monitor.save(tmp_path / "state.json")
    later = Monitor.load(tmp_path / "state.json")
    service.say(said["tweets"][:200])
    reading = later.check_metrics(service.text(), "12:00")
    assert (reading.n, reading.verdict, reading.time) == (200, "watch", "12:00")


def test_what_is_not_the_metrics_of_the_service_is_named():
    with pytest.raises(ValueError, match=r"lack 'textclf_predictions'.*textclf serve"):
        Window.from_metrics("# HELP python_info x\n# TYPE python_info gauge\npython_info 1.0\n")
    for text in ("<html>502 Bad Gateway</html>", 'textclf_predictions_total{label="a} 3', "textclf_confidence_sum x"):
        with pytest.raises(ValueError, match=r"metrics"):
            Window.from_metrics(text)


def test_labels_and_bins_must_be_those_of_the_reference(monitor):
    with pytest.raises(ValueError, match="no class 'spam': for a new model"):
        monitor.check(Window.of(["spam"], [0.9], ["negative", "spam"]))
    with pytest.raises(ValueError, match="make the reference with edges="):
        monitor.check(Window.of(["negative"], [0.9], CLASSES, edges=(0.5, 1.0)))
    assert monitor.history == []


@pytest.mark.parametrize(
    ("labels", "confidences", "message"),
    [
        (["positive", "negative"], [0.9, float("nan")], r"Row 1 has the confidence nan \(1 such rows"),
        (["positive"], [1.2], "Row 0 has the confidence 1.2"),
        (["positive"], [0.9, 0.8], "1 labels but 2 confidences"),
        (["positive", "neutral"], [0.9, 0.8], r"Row 1 has the label 'neutral'.*another model"),
    ],
)
def test_predictions_that_are_odd_are_named(labels, confidences, message):
    with pytest.raises(ValueError, match=message):
        Window.of(labels, confidences, CLASSES)


@given(st.lists(st.floats(0, 1), max_size=50))
def test_every_confidence_lies_in_one_bin(confidences):
    made = Window.of(["a"] * len(confidences), confidences, ["a", "b"])
    below = [sum(c <= edge for c in confidences) for edge in EDGES]
    assert made.bins == tuple(np.diff([0, *below]))


# --- logs -------------------------------------------------------------------------------------------------------------


@pytest.fixture
def log(said):
    times = pd.date_range("2026-01-01", periods=600, freq="1min", tz="UTC")
    return said["movies"][:600].assign(time=times)


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_log_comes_back_in_order_and_in_windows(log, tmp_path, kind):
    path = tmp_path / f"log.{kind}"
    shuffled = log.sample(frac=1, random_state=1)
    shuffled.to_csv(path, index=False) if kind == "csv" else shuffled.to_parquet(path)
    read = read_log(path)
    assert read["label"].tolist() == log["label"].tolist()
    made = windows(read, 250, CLASSES)
    assert len(made) == 2  # a hundred rows are left over
    for one, rows in zip(made, (log[:250], log[250:500]), strict=True):
        same(one, window(rows))
    assert made[0].time == "2026-01-01 04:09:00+00:00"


def test_the_log_of_the_service_is_read(said, tmp_path):
    rows = said["movies"][:30]
    log = Log(tmp_path / "log.csv")
    for at in (0, 10, 20):
        log.write([*rows[["label", "confidence"]][at : at + 10].itertuples(index=False)])
    log.close()
    (made,) = windows(read_log(tmp_path / "log.csv"), 30, CLASSES)
    same(made, window(rows))


def test_hours_without_requests_are_empty_windows(monitor, log, tmp_path):
    log = pd.concat([log[:120], log[300:420]])
    log.to_csv(tmp_path / "log.csv", index=False)
    verdicts = [monitor.check(w).verdict for w in windows(read_log(tmp_path / "log.csv"), "1h", CLASSES)]
    assert [v == "empty" for v in verdicts] == [False, False, True, True, True, False, False]


def test_labels_stay_what_they_are(tmp_path):
    """pandas would read these as a number, a missing value and a truth value."""
    (tmp_path / "log.csv").write_text(
        "time,label,confidence\n" + "".join(f"2026-01-01,{n},0.9\n" for n in ("1", "NA", "True"))
    )
    assert read_log(tmp_path / "log.csv")["label"].tolist() == ["1", "NA", "True"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("time,label\n2026-01-01,positive\n", "lacks the column confidence"),
        ("time,label,confidence\n2026-01-01,positive,0.9\n2026-01-01,pos", r"row 1 cannot be read.*'pos'"),
        ("time,label,confidence\n2026-01-01,positive,high\n", r"row 0 cannot be read.*'high'"),
        ("time,label,confidence\nyesterday,positive,0.9\n", r"row 0 cannot be read.*yesterday"),
        ("time,label,confidence\n2026-01-01,positive,nan\n", "row 0 cannot be read"),
        ("time,label,confidence\n2026-01-01,positive,1.7\n", "row 0 cannot be read"),
        ("time,label,confidence\n2026-01-01,,0.7\n", "row 0 cannot be read"),
        ("time,label,confidence\n2026-01-01,a,0.7,0.8,0.9\n", "cannot be read"),
        ("time,label,confidence\n2026-01-01,a,0.7\n2026-01-01,a,0.7,0.8,0.9\n", "line 3 cannot be read.*more cells"),
        ("time,label,confidence\n2026-01-01,a,0.7,v1\n", "line 2 cannot be read.*more cells"),
        ("2026-01-01,a\n", "lacks the column time"),
        ("2026-01-01,a,high\n", "lacks the column time"),
        ("day,label,confidence\n2026-01-01,a,0.7\n", "lacks the column time"),
        ('time,label,confidence\n2026-01-01,"a,0.7\n2026-01-01,a,0.7\n', "not a log that can be read"),
        (
            "time,label,confidence,version\n2026-01-01,a,0.7,v1\ntime,label\n2026-01-02,a,0.7,v1\n",
            "row 1 cannot be read",
        ),
    ],
)
def test_a_mangled_log_is_named(tmp_path, text, message):
    (tmp_path / "log.csv").write_text(text)
    with pytest.raises(ValueError, match=message) as caught:
        read_log(tmp_path / "log.csv")
    assert "log.csv" in str(caught.value).splitlines()[0]


ONE = ("2026-01-01", "a", 0.7)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("\n\n", []),
        ("time,label,confidence\n", []),
        ("time,label,confidence,version\n", []),
        ("2026-01-01,a,0.7\n", [(*ONE, "")]),
        ("2026-01-01T00:00:00.000+00:00,a,0.7,v1", [(*ONE, "v1")]),
        ("2026-01-01 00:00:00,a,0.7\n2026-01-01,a,0.7,v2\n", [(*ONE, ""), (*ONE, "v2")]),
        ("time,label,confidence\n2026-01-01,a,0.7\ntime,label,confidence,version\n2026-01-01,a,0.7,v1\n",
         [(*ONE, ""), (*ONE, "v1")]),
        ("time,label,confidence,version\n2026-01-01,a,0.7\n", [(*ONE, "")]),
        ("confidence,more,label,time\n0.7,x,a,2026-01-01\n", [(*ONE, "")]),
        ("\ufefftime,label,confidence\r\n2026-01-01,a,0.7\r\n", [(*ONE, "")]),
    ],
)  # fmt: skip
def test_a_log_with_any_header_or_none_is_read(tmp_path, text, expected):
    """Emptied by logrotate, cut between two lines, of an older service, of both after each other."""
    (tmp_path / "log.csv").write_bytes(text.encode())
    read = read_log(tmp_path / "log.csv")
    assert [*read] == ["time", "label", "confidence", "version"]
    found = read.assign(time=read["time"].dt.strftime("%Y-%m-%d")).itertuples(index=False, name=None)
    assert [*found] == expected
    assert len(windows(read, 1, ["a"])) == len(expected)
    assert windows(read, "1h", ["a"]) or not expected


def test_a_parquet_log_may_have_a_version(log, tmp_path):
    log.assign(version="v1").to_parquet(tmp_path / "log.parquet")
    assert set(read_log(tmp_path / "log.parquet")["version"]) == {"v1"}


@pytest.mark.parametrize("name", ["log.csv", "log.parquet"])
def test_bytes_that_are_no_log_are_named(tmp_path, name):
    (tmp_path / name).write_bytes(bytes(range(256)) * 20)
    with pytest.raises(ValueError, match="not a log that can be read"):
        read_log(tmp_path / name)


def test_other_bad_input_of_logs(log, tmp_path):
    with pytest.raises(FileNotFoundError):
        read_log(tmp_path / "nowhere.csv")
    with pytest.raises(ValueError, match="size=0"):
        windows(log, 0, CLASSES)
    with pytest.raises(ValueError, match="Row 0 has the label"):
        windows(log, 100, ["other", "classes"])


def test_the_state_is_plain_json(monitor, said, tmp_path):
    monitor.check(window(said["movies"][:50]))
    monitor.check(Window.of([], [], CLASSES))
    monitor.save(tmp_path / "state.json")
    state = json.loads((tmp_path / "state.json").read_text(), parse_constant=lambda name: pytest.fail(name))
    assert state["history"][1]["kl"] is None and not list(tmp_path.glob(".*"))
