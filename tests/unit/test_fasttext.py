"""fastText behind scikit-learn's interface: on real sentences, and on everything fastText itself trips over."""

import os
import pickle
import re
import subprocess
import sys
import zipfile

import fasttext
import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from textclf_lesson import data
from textclf_lesson.evaluate import metrics
from textclf_lesson.models import baselines
from textclf_lesson.models.fasttext import FastTextClassifier

# Small enough that a fit takes about a second, and good enough to tell a working model from a broken one.
QUICK = dict(lr=0.5, epoch=15, dim=16, bucket=20_000, minn=3, maxn=4)


@pytest.fixture(scope="module")
def movies():
    """3,000 training and 1,000 test sentences, with labels as names."""
    splits = data.load("movie-snippets")
    names = np.array(data.label_names(splits))
    train, test = splits["train"].to_pandas().head(3000), splits["test"].to_pandas().head(1000)
    return train["text"].tolist(), names[train["label"]], test["text"].tolist(), names[test["label"]]


@pytest.fixture(scope="module")
def model(movies):
    return FastTextClassifier(**QUICK).fit(movies[0], movies[1])


@pytest.fixture(scope="module")
def toxic():
    splits = data.load("wiki-toxicity")
    return splits["train"].to_pandas(), splits["test"].to_pandas()


def first_line(error) -> str:
    return str(error.value).splitlines()[0]


# -- the interface of scikit-learn -------------------------------------------------------------------------------------


def test_learns_and_gives_probabilities(model, movies):
    proba = model.predict_proba(movies[2])
    assert model.classes_.tolist() == ["negative", "positive"]
    assert proba.shape == (1000, 2) and np.allclose(proba.sum(axis=1), 1) and proba.min() >= 0
    assert (model.predict(movies[2]) == model.classes_[proba.argmax(axis=1)]).all()
    assert model.score(movies[2], movies[3]) > 0.65


@pytest.mark.parametrize("kind", [list, tuple, np.array, pd.Series, iter])
def test_takes_any_column_of_texts(model, movies, kind):
    assert (model.predict(kind(movies[2][:5])) == model.predict(movies[2][:5])).all()


def test_labels_come_back_as_they_went_in(movies):
    texts, names = movies[0][:400], movies[1][:400]
    for labels in ((names == "positive").astype(int), np.where(names == "positive", "très bon\n__label__", "no good")):
        fitted = FastTextClassifier(**QUICK).fit(texts, labels)
        assert fitted.classes_.tolist() == sorted(set(labels.tolist()))
        assert (fitted.predict(texts) == labels).mean() > 0.9


def test_every_class_keeps_its_own_column():
    splits = data.load("newsgroups")
    train, test = (splits[part].to_pandas().sample(n, random_state=0) for part, n in (("train", 3000), ("test", 500)))
    train = train.sort_values("label")  # as the set is shipped: fastText alone would learn the last class best
    for loss in ("softmax", "hs"):
        fitted = FastTextClassifier(lr=0.5, epoch=15, dim=16, loss=loss).fit(train["text"], train["label"])
        proba = fitted.predict_proba(test["text"])
        assert proba.shape == (500, 20) and np.allclose(proba.sum(axis=1), 1)
        assert (proba.argmax(axis=1) == test["label"]).mean() > 0.5


def test_works_in_cross_validation_clone_and_pipeline(movies):
    texts, labels = movies[0][:1500], movies[1][:1500]
    unfitted = FastTextClassifier(**QUICK)
    assert clone(unfitted).get_params() == unfitted.get_params()
    assert cross_val_score(unfitted, texts, labels, cv=3).mean() > 0.6
    piped = make_pipeline(FunctionTransformer(lambda column: [text[:200] for text in column]), unfitted)
    assert piped.fit(texts, labels).score(movies[2], movies[3]) > 0.6


def test_one_thread_and_a_seed_repeat_bit_for_bit(model, movies):
    again = FastTextClassifier(**QUICK).fit(movies[0], movies[1])
    other = FastTextClassifier(**QUICK, seed=1).fit(movies[0], movies[1])
    assert (again.predict_proba(movies[2]) == model.predict_proba(movies[2])).all()
    assert (other.predict_proba(movies[2]) != model.predict_proba(movies[2])).any()


# -- several labels per text -------------------------------------------------------------------------------------------


def test_several_labels_per_text(toxic):
    train, test = toxic
    fitted = FastTextClassifier(**QUICK | {"epoch": 30}, loss="ova").fit(train["text"], train[data.TOXICITY])
    proba = fitted.predict_proba(test["text"])
    assert fitted.classes_.tolist() == data.TOXICITY
    assert proba.shape == (len(test), 6) and (proba >= 0).all() and (proba <= 1).all()
    assert (fitted.predict(test["text"]) == (proba >= 0.5)).all()
    assert metrics.report(test["obscene"], fitted.predict(test["text"])[:, 2]).macro_f1 > 0.75
    # fastText skips rows without a label. Had it never seen a clean comment, it would call most of them toxic.
    clean = (test[data.TOXICITY].sum(axis=1) == 0).to_numpy()
    assert (proba[clean, 0] < 0.5).mean() > 0.7


def test_a_table_may_be_an_array_or_lists_and_a_label_without_a_yes_gets_zero(toxic):
    train = toxic[0].head(300)
    table = np.c_[train["toxic"], np.zeros(300, int)]
    by_array = FastTextClassifier(**QUICK, loss="ova").fit(train["text"], table)
    by_lists = FastTextClassifier(**QUICK, loss="ova").fit(train["text"].tolist(), table.tolist())
    assert by_array.classes_.tolist() == [0, 1]
    proba = by_array.predict_proba(train["text"])
    assert (proba == by_lists.predict_proba(train["text"])).all()
    assert (proba[:, 1] == 0).all() and proba[:, 0].std() > 0.1


@pytest.mark.parametrize(
    ("y", "hint"),
    [
        ([0, 1, 1], "needs y as a table of 0 and 1"),
        ([[0, 1], [1, 0]], "3 texts but 2 rows of labels"),
        ([[0, 1], [1, 2], [0, 0]], "Row 1 has 1 = 2, which is neither 0 nor 1"),
        ([[0, 1], [1, float("nan")], [0, 0]], "neither 0 nor 1"),
    ],
)
def test_a_wrong_table_of_labels_is_refused(movies, y, hint):
    with pytest.raises(ValueError) as error:
        FastTextClassifier(loss="ova").fit(movies[0][:3], y)
    assert hint in first_line(error)


def test_a_table_without_ova_says_so(movies):
    with pytest.raises(ValueError, match='several labels per text need loss="ova"'):
        FastTextClassifier().fit(movies[0][:3], np.eye(3))


# -- what fastText trips over ------------------------------------------------------------------------------------------


def test_what_is_syntax_to_fasttext_is_text_to_us(movies):
    """A newline ends fastText's rows, `__label__` makes a label, `</s>` ends its reading."""
    texts, labels = movies[0][:500], movies[1][:500]
    for tidy in (True, False):
        settings = QUICK | {"minn": 0, "maxn": 0, "tidy": tidy}
        plain = FastTextClassifier(**settings).fit(texts, labels)
        odd = ["__label__0 </s>\n__label__7\r\n" + text.replace(" ", "\x00\n\u2028\u3000 \t") for text in texts]
        fitted = FastTextClassifier(**settings).fit(odd, labels)
        assert fitted.classes_.tolist() == ["negative", "positive"]
        assert set(fitted.model_.labels) == {"__label__0", "__label__1"}
        assert set(plain.model_.words) <= set(fitted.model_.words)
        assert (fitted.predict(odd) == labels).mean() > 0.95
        # Had it stopped at the mark, what follows could not matter.
        marked = [f"</s> {text}" for text in movies[2][:50]]
        assert len({round(p, 4) for p in fitted.predict_proba(marked)[:, 0]}) > 25


def test_tidy_sets_marks_and_emoji_apart_and_lowers_case(model):
    assert (model.predict_proba(["GREAT,wonderful!😀"]) == model.predict_proba(["great , wonderful ! 😀"])).all()


ODD = {
    "emoji": "😀🤦🏽‍♀️👍",
    "control characters": "\x01\x02\x7f",
    "only NUL": "\x00",
    "half a surrogate pair": "great \ud83d film",
    "a word nobody wrote": "qqqqqqqqqqqq",
    "right to left": "\u202eسيئ جدا",
    "combining marks": "क्ष" * 50,
}


@pytest.mark.parametrize("name", ODD)
def test_odd_texts_get_probabilities(model, movies, name):
    proba = model.predict_proba([ODD[name], "a great film"])
    assert np.allclose(proba.sum(axis=1), 1)
    assert np.allclose(proba[1], model.predict_proba(["a great film"])[0])
    FastTextClassifier(**QUICK).fit([ODD[name], *movies[0][:20]], ["negative", *movies[1][:20]])


def test_a_text_without_known_words_is_judged_by_the_line_end_alone(movies):
    words_only = FastTextClassifier(**QUICK | {"minn": 0, "maxn": 0}).fit(movies[0], movies[1])
    proba = words_only.predict_proba(["qqqqq", "zzzz zzzz", "\x00"])
    assert (proba == proba[0]).all()


def test_a_text_of_100_000_characters(model, movies):
    long = (" ".join(movies[0]))[:100_000]
    assert len(long) == 100_000
    assert model.predict_proba([long, "x" * 100_000]).shape == (2, 2)


@pytest.mark.parametrize(
    ("texts", "error", "hint"),
    [
        ([], ValueError, "There is no text"),
        (["fine", ""], ValueError, "Row 1 of texts is blank"),
        (["fine", " \n"], ValueError, "Row 1 of texts is blank"),
        (["fine", None], ValueError, "Row 1 of texts is missing"),
        ([float("nan")], ValueError, "Row 0 of texts is missing"),
        ("one text", TypeError, "texts is one str"),
    ],
)
def test_texts_that_are_none_are_refused(model, texts, error, hint):
    for call in (model.predict, model.predict_proba, lambda rows: FastTextClassifier().fit(rows, [0, 1])):
        with pytest.raises(error) as raised:
            call(texts)
        assert hint in first_line(raised)


@pytest.mark.parametrize(
    ("labels", "hint"),
    [
        (["a", "a", "a"], "takes at least 2 classes"),
        (["a", "b"], "3 texts but 2 labels"),
        (["a", None, "b"], "missing"),
    ],
)
def test_labels_that_cannot_be_learned_are_refused(movies, labels, hint):
    with pytest.raises(ValueError) as error:
        FastTextClassifier().fit(movies[0][:3], labels)
    assert hint in first_line(error)


@pytest.mark.parametrize(
    ("settings", "hint"),
    [
        ({"thread": 0}, "thread must be a whole number above 0"),  # fastText divides by it and takes Python along
        ({"dim": 0}, "dim must be"),
        ({"epoch": 2.5}, "epoch must be"),
        ({"lr": float("nan")}, "lr must be a number above 0"),
        ({"minn": 4, "maxn": 3}, "1 <= minn <= maxn"),
        ({"maxn": 3}, "1 <= minn <= maxn"),
        ({"loss": "ns"}, "There is no loss 'ns'"),
        ({"autotune": -1}, "autotune must be"),
        ({"lr": 1e6}, "Training diverged"),
    ],
)
def test_settings_out_of_range_are_refused(movies, settings, hint):
    with pytest.raises(ValueError) as error:
        FastTextClassifier(**settings).fit(movies[0][:50], movies[1][:50])
    assert hint in first_line(error)


def test_not_fitted(movies, tmp_path):
    unfitted = FastTextClassifier()
    for call in (unfitted.predict, unfitted.quantize, unfitted.save, unfitted.knows):
        with pytest.raises(NotFittedError):
            call(*[movies[2]][: call != unfitted.quantize])


def test_training_prints_nothing_and_leaves_no_file(tmp_path):
    code = (
        "from textclf_lesson.models.fasttext import FastTextClassifier as F\n"
        "texts = ['good film', 'bad film'] * 50\n"
        "F(epoch=2, dim=5).fit(texts, [1, 0] * 50).predict(texts)\n"
        "F(dim=5, bucket=100, autotune=2).fit(texts, [1, 0] * 50).predict(texts)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env={**os.environ, "TMPDIR": str(tmp_path), "TEXTCLF_PROGRESS": "0"},
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert list(tmp_path.iterdir()) == []


# -- autotune ----------------------------------------------------------------------------------------------------------


def test_autotune_searches_within_what_was_fixed(movies):
    tuned = FastTextClassifier(dim=10, bucket=5000, epoch=7, autotune=4).fit(movies[0], movies[1], movies[2:])
    assert [tuned.settings_[name] for name in ("dim", "bucket", "epoch")] == [10, 5000, 7]
    assert tuned.model_.get_dimension() == 10
    assert {"lr", "epoch", "word_ngrams", "minn", "maxn"} <= set(tuned.settings_)
    by_hand = {k: v for k, v in tuned.settings_.items() if k in ("lr", "epoch", "word_ngrams", "minn", "maxn")}
    again = FastTextClassifier(dim=10, bucket=5000, **by_hand).fit(movies[0], movies[1])
    assert abs(again.score(*movies[2:]) - tuned.score(*movies[2:])) < 0.02  # what it reports is what it used


def test_autotune_shows_progress(movies, monkeypatch, capfd):
    monkeypatch.setenv("TEXTCLF_PROGRESS", "1")
    FastTextClassifier(dim=5, bucket=1000, autotune=2).fit(movies[0][:300], movies[1][:300])
    shown = capfd.readouterr()
    assert re.search(r"autotune: +[1-9]\d*%", shown.err) and "Trials" not in shown.err


def test_autotune_without_time_for_one_trial_says_so(movies):
    with pytest.raises(ValueError) as error:
        FastTextClassifier(dim=2000, autotune=1).fit(movies[0] * 30, list(movies[1]) * 30)
    assert "autotune found nothing in 1 s" in first_line(error) and "time" in first_line(error)


@pytest.mark.skipif(os.name == "nt", reason="signals")
def test_interrupting_autotune_ends_it_at_once(movies, tmp_path):
    code = (
        "import os, signal, sys, threading\n"
        "from textclf_lesson.models.fasttext import FastTextClassifier as F\n"
        "threading.Timer(2, os.kill, (os.getpid(), signal.SIGINT)).start()\n"
        "try: F(dim=5, bucket=100, autotune=500).fit(['good film', 'bad film'] * 50, [1, 0] * 50)\n"
        "except KeyboardInterrupt: print('interrupted')\n"
    )
    env = {**os.environ, "TMPDIR": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env, timeout=120)
    assert done.stdout == "interrupted\n"
    assert list(tmp_path.iterdir()) == []


# -- compressing, keeping, copying -------------------------------------------------------------------------------------


def test_a_quantised_copy_is_smaller_and_nearly_as_good(model, movies):
    before = model.predict_proba(movies[2])
    small = model.quantize()
    assert baselines.size_bytes(small) < baselines.size_bytes(model) / 2
    assert (small.predict(movies[2]) == model.predict(movies[2])).mean() > 0.9
    assert (model.predict_proba(movies[2]) == before).all()
    assert baselines.size_bytes(model.quantize(cutoff=3000)) < baselines.size_bytes(small) / 2
    with pytest.raises(ValueError, match="already quantized"):
        small.quantize()


@pytest.mark.parametrize("keep", ["pickle", "joblib", "save", "quantised save"])
def test_kept_models_say_the_same(model, movies, tmp_path, keep):
    kept = model.quantize() if keep.startswith("quantised") else model
    path = tmp_path / "model.zip"
    if keep == "pickle":
        again = pickle.loads(pickle.dumps(kept))
    elif keep == "joblib":
        joblib.dump(kept, path)
        again = joblib.load(path)
    else:
        kept.save(path)
        again = FastTextClassifier.load(path)
        assert os.listdir(tmp_path) == ["model.zip"]
    assert (again.predict_proba(movies[2]) == kept.predict_proba(movies[2])).all()
    assert again.get_params() == kept.get_params() and again.settings_ == kept.settings_
    assert again.classes_.tolist() == kept.classes_.tolist()


def test_plain_fasttext_reads_the_model_inside(model, movies, tmp_path):
    model.save(tmp_path / "model.zip")
    with zipfile.ZipFile(tmp_path / "model.zip") as archive:
        archive.extract("model.bin", tmp_path)
    plain = fasttext.load_model(str(tmp_path / "model.bin"))
    label = plain.predict("a great film")[0][0]
    assert model.classes_[int(label.removeprefix("__label__"))] == model.predict(["a great film"])[0]


@pytest.mark.parametrize("damage", ["cut", "flipped byte", "not a zip", "another zip", "unknown setting"])
def test_a_damaged_file_is_refused(model, tmp_path, damage):
    path = tmp_path / "model.zip"
    model.save(path)
    content = bytearray(path.read_bytes())
    if damage == "cut":
        path.write_bytes(content[: len(content) // 2])
    elif damage == "flipped byte":
        content[len(content) // 2] ^= 255
        path.write_bytes(content)
    elif damage == "not a zip":
        path.write_bytes(b"hello")
    else:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("classifier.json", '{"params": {"speed": 9}}' if damage == "unknown setting" else "{}")
            archive.writestr("model.bin", b"")
    with pytest.raises(ValueError) as error:
        FastTextClassifier.load(path)
    assert "is not a classifier that `save` wrote, or is damaged" in first_line(error)


def test_a_failed_save_keeps_the_file_that_was_there(model, tmp_path, monkeypatch):
    path = tmp_path / "model.zip"
    model.save(path)
    before = path.read_bytes()

    def full_disk(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("textclf_lesson.models.fasttext_engine.to_bytes", full_disk)
    with pytest.raises(OSError, match="No space left"):
        model.save(path)
    assert path.read_bytes() == before and os.listdir(tmp_path) == ["model.zip"]


# -- words and their pieces --------------------------------------------------------------------------------------------


def test_subwords_are_the_pieces_with_marked_ends(model):
    assert model.knows("film") and model.knows("FILM") and not model.knows("flim")
    assert model.subwords("film") == ["film", "<fi", "<fil", "fil", "film", "ilm", "ilm>", "lm>"]
    assert model.subwords("flim") == ["<fl", "<fli", "fli", "flim", "lim", "lim>", "im>"]


def test_neighbours_of_a_misspelt_word_are_those_nearest_by_its_pieces(model):
    slip = "entertainning"
    assert not model.knows(slip)
    pieces = [model.model_.get_input_vector(model.model_.get_subword_id(piece)) for piece in model.subwords(slip)]
    wanted, words = np.mean(pieces, axis=0), np.array(model.model_.words)
    vectors = np.array([model.model_.get_word_vector(word) for word in words])
    length = np.linalg.norm(vectors, axis=1) * np.linalg.norm(wanted)
    cosine = np.divide(vectors @ wanted, length, out=np.zeros(len(words)), where=length > 0)
    near = model.neighbours(slip, k=10)
    assert np.allclose(near["similarity"], np.sort(cosine)[::-1][:10], atol=1e-4)
    assert set(near["word"]) <= set(words[np.argsort(-cosine)[:15]])


def test_without_subwords_an_unknown_word_has_no_neighbours(movies):
    words_only = FastTextClassifier(dim=5, epoch=1).fit(movies[0][:100], movies[1][:100])
    assert words_only.subwords("entertainning") == []
    with pytest.raises(ValueError, match="train with minn and maxn"):
        words_only.neighbours("entertainning")


# -- NumPy's numbers, as searches over np.arange give them -------------------------------------------------------------


@pytest.mark.parametrize("scalar", [np.float32, np.float64])
def test_numpy_settings_are_kept_as_the_numbers_they_are(tmp_path, scalar):
    texts, labels = ["good film", "bad film", "fine film", "poor film"] * 5, ["yes", "no"] * 10
    given = {
        "lr": scalar(0.5),
        "epoch": np.int32(3),
        "dim": np.int64(4),
        "bucket": np.uint16(100),
        "tidy": np.bool_(True),
    }
    given |= {"seed": np.int16(7), "minn": np.int8(2), "maxn": np.int8(3), "thread": np.int64(1)}
    fitted = FastTextClassifier(**given).fit(texts, labels)
    assert {type(value) for value in fitted.settings_.values()} <= {int, float, str}
    assert fitted.settings_["lr"] == 0.5 and fitted.settings_["bucket"] == 100
    fitted.save(tmp_path / "kept")
    again = FastTextClassifier.load(tmp_path / "kept")
    assert again.settings_ == fitted.settings_ and again.get_params() == fitted.get_params()
    assert again.get_params()["lr"] == 0.5 and type(again.get_params()["tidy"]) is bool
    assert (again.predict_proba(texts) == fitted.predict_proba(texts)).all()
    plainly = FastTextClassifier(**{name: value.item() for name, value in given.items()}).fit(texts, labels)
    assert (plainly.predict_proba(texts) == fitted.predict_proba(texts)).all()
    assert clone(fitted).get_params() == fitted.get_params()


@pytest.mark.parametrize("settings", [{"seed": 0.5}, {"minn": 1.5, "maxn": 3}, {"maxn": "3", "minn": 1}])
def test_settings_that_are_no_whole_numbers_are_refused(settings):
    with pytest.raises(ValueError, match=r"must be a whole number, not"):
        FastTextClassifier(**settings).fit(["good", "bad"], [0, 1])
