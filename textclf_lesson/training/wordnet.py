"""Synonyms from WordNet 3.0 (Fellbaum 1998; Miller 1995), offline: nltk's reader over the course's own copy of it.

A reader of our own was tried: five times as fast on a word's first look-up, no faster afterwards, for answers are kept.
Not worth a second parser of WordNet's files: nltk stays.
"""

import functools
import os
import re
import shutil
import tempfile
import warnings
from pathlib import Path

from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS

from textclf_lesson.assets import cache

# Its 318 words hold the negations ("not", "never", "no"), so no operation but deletion and swapping touches those.
STOP_WORDS = ENGLISH_STOP_WORDS
_CLEAN = re.compile(r"[a-z]+(?:[ -][a-z]+)*")  # a synonym of letters: no "1" for "one"


@functools.cache
def synonyms(word: str) -> tuple[str, ...]:
    """The synonyms of a lower-case word in WordNet 3.0 (Fellbaum 1998), sorted; never the word, nor its base form.

    Looked up once per word. Irregular forms ("children") are not found. Raises AssetError if WordNet cannot be had.
    """
    if word in STOP_WORDS:
        return ()
    net = _wordnet()
    synsets = net.synsets(word)
    # A base form is asked for only where there are senses: where there are none it has none either.
    parts = {"a" if synset.pos() == "s" else synset.pos() for synset in synsets}
    same = {word, *(net.morphy(word, part) for part in parts)}
    names = {name.replace("_", " ").lower() for synset in synsets for name in synset.lemma_names()}
    return tuple(sorted(name for name in names - same if _CLEAN.fullmatch(name)))


@functools.cache
def _wordnet():
    """nltk's reader over the course's copy of WordNet."""
    import nltk
    from nltk.corpus.reader.wordnet import WordNetCorpusReader

    folder = _prepared()
    nltk.data.path.insert(0, str(folder))  # nltk opens no file outside its data path
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # that other languages are not there
        net = WordNetCorpusReader(nltk.data.FileSystemPathPointer(str(folder / "corpora" / "wordnet")), None)
    return net


def _prepared() -> Path:
    """WordNet's files as nltk wants them: the noun data in one piece, and lists of irregular forms, which are empty.

    The folder is filled under another name and moved into place, so that it is whole or not there.
    """
    source, target = cache.fetch("wordnet"), cache.home() / "prepared" / "wordnet"
    if target.exists():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".wordnet-") as work:
        files = Path(work) / "wordnet" / "corpora" / "wordnet"
        shutil.copytree(source, files)
        (files / "data.noun").write_bytes(b"\n".join((files / f"data.noun{part}").read_bytes() for part in (1, 2)))
        for part in ("noun", "verb", "adj", "adv"):
            (files / f"{part}.exc").touch()
        try:
            os.rename(Path(work) / "wordnet", target)
        except OSError:
            if not target.exists():  # else another process was quicker
                raise
    return target
