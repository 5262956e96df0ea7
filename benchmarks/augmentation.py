"""EDA against nlpaug and textaugment doing the same operations on the same sentences, in turns, and over workers.

The peers are here for this comparison only, in no extra and not in the lock: nlpaug has had no release since 2022, and
textaugment brings word vectors and a web service along. Install them by hand: `pip install nltk nlpaug==1.1.11` and
`pip install --no-deps textaugment==3.0.0`; of the latter one module is loaded, its EDA.

They read the course's WordNet, with nltk. They are helped twice: textaugment is given our stop words,
for it would download its own; nlpaug's tagger, for which no weights are on the package index, costs it nothing and
says of no word what it is, so that synonyms of all senses fit, as in EDA. nlpaug has no insertion of synonyms and is
compared over three operations. Texts are counted as they come out; each operation makes one of each sentence.
"""

import argparse
import importlib.machinery
import importlib.util
import json
import shutil
import tempfile
import time
from pathlib import Path

from benchmarks import common

ROWS, TURNS = 5000, 5
SHARE = 0.1
SIDES = {
    "textaugment": "textaugment, four operations",
    "eda": "EDA, the same four",
    "nlpaug": "nlpaug, all but insertion",
    "eda-3": "EDA, the same three",
    "eda-long": "EDA on ten times the rows",
    "eda-long-all": "EDA on ten times the rows, a worker for each core",
}
AGAINST = {"eda": "textaugment", "eda-3": "nlpaug", "eda-long-all": "eda-long"}


def give_nltk_our_wordnet() -> None:
    """Both peers read WordNet with nltk, which wants the nouns in one file and lists of irregular forms: empty ones."""
    import nltk
    from nltk.corpus.reader.wordnet import WordNetCorpusReader

    from textclf_lesson.assets import cache

    source, home = cache.fetch("wordnet"), Path(tempfile.mkdtemp())
    shutil.copytree(source, home / "corpora" / "wordnet")
    nouns = b"\n".join((source / f"data.noun{part}").read_bytes() for part in (1, 2))
    (home / "corpora" / "wordnet" / "data.noun").write_bytes(nouns)
    for part in ("noun", "verb", "adj", "adv"):
        (home / "corpora" / "wordnet" / f"{part}.exc").touch()
    nltk.data.path.insert(0, str(home))  # nltk opens no file outside its data path
    nltk.corpus.wordnet = WordNetCorpusReader(nltk.data.FileSystemPathPointer(str(home / "corpora" / "wordnet")), None)


def textaugment(texts: list[str]) -> int:
    """How many texts it made."""
    import nltk

    from textclf_lesson.training.wordnet import STOP_WORDS

    nltk.download = lambda name: True  # it downloads when it is made
    path = Path(importlib.util.find_spec("textaugment").origin).with_name("eda.py")
    module = importlib.machinery.SourceFileLoader("textaugment_eda", str(path)).load_module()
    eda = module.EDA(stop_words=STOP_WORDS)
    made = 0
    for text in texts:
        words = max(1, int(SHARE * len(text.split())))
        for new in (
            eda.synonym_replacement(text, words),
            eda.random_insertion(text, words),
            eda.random_swap(text, words),
            eda.random_deletion(text, SHARE),
        ):
            made += new != text
    return made


def nlpaug(texts: list[str]) -> int:
    """How many texts it made."""
    from nlpaug.augmenter import word
    from nlpaug.model.word_dict import WordNet

    from textclf_lesson.training.wordnet import STOP_WORDS

    WordNet.pos_tag = classmethod(lambda cls, tokens: [(token, "unknown") for token in tokens])
    options = {"aug_p": SHARE, "aug_max": None}
    operations = [
        word.SynonymAug(stopwords=list(STOP_WORDS), **options),
        word.RandomWordAug("swap", **options),
        word.RandomWordAug("delete", **options),
    ]
    return sum(new != text for text in texts for operation in operations for new in operation.augment(text))


def child(side: str) -> None:
    """One measurement; its last line is JSON: texts made, and made in a second, after a warm start of 100 rows."""
    from textclf_lesson import data
    from textclf_lesson.training.augment import EDA

    texts = data.load("movie-snippets")["train"]["text"][: ROWS + 100]
    if side.startswith("eda"):
        eda = EDA(insertions=0) if side == "eda-3" else EDA()
        workers = common.machine()["cores"] if side == "eda-long-all" else 1
        times = 10 if "long" in side else 1
        n = 3 if side == "eda-3" else 4

        def make(rows: list[str]) -> int:
            return sum(map(len, eda.augment_all(rows * times, n, workers=workers)))
    else:
        give_nltk_our_wordnet()  # before they import it
        make = {"textaugment": textaugment, "nlpaug": nlpaug}[side]
    make(texts[ROWS:])
    began = time.perf_counter()
    made = make(texts[:ROWS])
    print(json.dumps({"made": made, "texts_per_s": made / (time.perf_counter() - began)}))


def main() -> None:
    """Measure in turns and store."""
    runs = {side: [] for side in SIDES}
    for turn in range(TURNS):
        for side, results in runs.items():
            results.append(common.measure("benchmarks.augmentation", "--child", side))
            print(f"turn {turn + 1} of {TURNS}, {side}: {results[-1]}", flush=True)
    speed = {side: [run["texts_per_s"] for run in results] for side, results in runs.items()}
    table = [
        {
            "augmenter": name,
            "texts made": runs[side][0]["made"],
            "texts/s": common.spread(speed[side]),
            "times the row above": common.ratio(speed[side], speed[AGAINST[side]]) if side in AGAINST else 1,
        }
        for side, name in SIDES.items()
    ]
    common.write(
        "augmentation",
        "EDA",
        "How many texts does EDA make in a second, beside two packages doing the same operations with the same "
        "WordNet, and with more workers?",
        table,
        notes=[
            f"{ROWS:,} sentences of movie-snippets, {TURNS} turns, a start on 100 other sentences before the clock. A "
            "text that is the sentence itself does not count; EDA tries again instead, and gives no text twice. "
            "textaugment is spared its download of stop words, nlpaug its tagger. "
            f"Workers: {common.machine()['cores']}, started before the clock."
        ],
        packages=["nlpaug", "textaugment", "nltk"],
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--child", choices=SIDES, help="one measurement only, as JSON")
    options = parser.parse_args()
    child(options.child) if options.child else main()
