"""Behavioural tests of a toxicity classifier (after CheckList, Ribeiro et al. 2020): attacks, checks, and one defence.

An attack rewrites the words that an attacker would hide, those that `data.mask` knows, so that a person still reads
them. A good classifier does not change its mind. No list of slurs is in here.
"""

import hashlib
import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from importlib import resources

import pandas as pd

from textclf_lesson import data
from textclf_lesson.base.inputs import check_labels, check_same_rows, check_texts
from textclf_lesson.evaluate.calibration import wilson

Predict = Callable[[list[str]], Iterable[int]]

LEET = dict(zip("aceiosACEIOS", "@¢310$@¢310$", strict=True))
LOOKALIKES = dict(zip("aceiopxyukACEHIKMOPTXY", "асеіорхуυкАСЕНІКМОРТХУ", strict=True))  # Cyrillic, one Greek
FRIENDLY = " Thank you very much for your help, and have a lovely day!"
_WORD = re.compile(r"[^\W_]+")
_TOKEN = re.compile(r"[^\s.,;:?()\[\]\"]+")
_SPACED = re.compile(r"(?<!\S)(?:[^\W\d_] ){2,}[^\W\d_](?!\w)")

_INSULTS = ("idiot", "fool", "liar", "coward", "moron", "stupid person")
_DENIALS = (
    "You are not a {}.", "Nobody here thinks that you are a {}.", "I never said that he is a {}.",
    "She apologised for having called him a {}.",
)  # fmt: skip
_ABROAD = (
    "Du bist ein Idiot, halt die Klappe!", "Verpiss dich, du dummes Schwein.", "Tu es un idiot, ferme ta gueule !",
    "Casse-toi, pauvre con.", "Eres un idiota, cállate la boca.", "Vete al infierno, imbécil.",
    "Sei un idiota, chiudi il becco!", "Vai all'inferno, stronzo.", "Você é um idiota, cale a boca!",
    "Je bent een idioot, hou je bek.", "Jesteś idiotą, zamknij się.", "Ты идиот, заткнись!",
)  # fmt: skip


def is_rude(word: str) -> bool:
    """Whether `data.mask` would mask this word."""
    return data.mask(word) != word


def attack(kind: str, text: str) -> str:
    """`text` with its rude words rewritten by one of ATTACKS; unchanged if it has none.

    Raises ValueError for an unknown kind.
    """
    if kind not in ATTACKS:
        raise ValueError(f"There is no attack {kind!r}. There are: {', '.join(ATTACKS)}.")
    return _WORD.sub(lambda match: ATTACKS[kind](match[0]) if is_rude(match[0]) else match[0], text)


def _leetspeak(word: str) -> str:
    return "".join(LEET.get(letter, letter) for letter in word)


def _spacing(word: str) -> str:
    return " ".join(word)


def _lookalikes(word: str) -> str:
    return "".join(LOOKALIKES.get(letter, letter) for letter in word)


def _asterisk(word: str) -> str:
    starred = word[0] + re.sub("[aeiouAEIOU]", "*", word[1:], count=1)
    return starred if starred != word else word[0] + "*" + word[2:]


ATTACKS: dict[str, Callable[[str], str]] = {
    "leetspeak": _leetspeak,
    "spacing": _spacing,
    "lookalikes": _lookalikes,
    "asterisk": _asterisk,
}


def plain(text: str) -> str:
    """The defence: hidden rude words as they are usually spelt; all others as they are.

    It undoes ATTACKS by a guess: a letter for each digit, sign, look-alike or asterisk,
    single letters joined. The guess replaces what stood there only if `is_rude` knows it.
    So "3d" and "a b c" are safe, and whatever the word list lacks gets through.
    """
    text = _SPACED.sub(_join, unicodedata.normalize("NFKC", text))
    return _TOKEN.sub(lambda match: _spelt_out(match[0]), text)


def failure_table(predict: Predict, texts: Sequence[str], labels: Sequence[int]) -> pd.DataFrame:
    """How often `predict` fails each check, with Wilson's 95 % interval: cases, failures, rate, low, high.

    predict: texts -> 0 or 1 (toxic) for each. texts, labels: real comments, 1 for toxic, of which the checks of the
    first kind are made. Only comments that are predicted rightly unchanged become cases.

    - invariance: the attacked, padded or sweetened comment is still toxic. "after 128 tokens": 160
      words of clean comments stand before it, so that a model which reads 128 tokens does not get there.
    - direction: denials of an insult are not toxic; insults in other languages are.
    - refusal: a blank text is an error, ValueError or TypeError, and not an answer.

    Raises as `check_texts` and `check_labels` do, also for what `predict` returns: a probability is refused.
    """
    check_same_rows(texts=texts, labels=labels)
    texts = check_texts(texts)
    labels = check_labels(labels, texts, allowed=(0, 1))
    predictions = _predictions(predict, texts)
    right = [text for text, is_toxic, found in zip(texts, labels, predictions, strict=True) if is_toxic and found]
    clean = " ".join(text for text, is_toxic in zip(texts, labels, strict=True) if not is_toxic)
    padding = " ".join(clean.split()[:160])  # a word is a token or more
    checks = {
        ("invariance", kind): ([new for text in right if (new := attack(kind, text)) != text], 1) for kind in ATTACKS
    }
    checks["invariance", "friendly words appended"] = ([text + FRIENDLY for text in right], 1)
    checks["invariance", "after 128 tokens"] = ([f"{padding} {text}" for text in right], 1)
    checks["direction", "an insult denied"] = ([form.format(word) for form in _DENIALS for word in _INSULTS], 0)
    checks["direction", "other languages"] = (list(_ABROAD), 1)
    rows = {name: _failures(predict, cases, wanted) for name, (cases, wanted) in checks.items()}
    rows["refusal", "blank text"] = [not _refuses(predict, blank) for blank in ("", " ", "\n\t")]
    table = pd.DataFrame({name: (len(failed), sum(failed)) for name, failed in rows.items() if failed}).T
    table.columns, table.index.names = ["cases", "failures"], ["kind", "check"]
    table["rate"] = table["failures"] / table["cases"]
    table["low"], table["high"] = wilson(table["failures"], table["cases"])
    return table


def causes(texts: Sequence[str]) -> list[str]:
    """Why the course's ensemble took each of these harmless comments for toxic, as a person read it; "not read" else.

    The reading covers the harmless comments of wiki-toxicity's `test` and `test_natural` that scored highest. It is
    stored by the texts' hashes, in the package's data.
    """
    texts = check_texts(texts)
    with resources.as_file(resources.files(data) / "wiki_toxicity" / "false_positives.csv") as path:
        read = pd.read_csv(path, dtype=str).set_index("text_sha256_16")["cause"].to_dict()
    return [read.get(hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:16], "not read") for text in texts]


def _failures(predict: Predict, cases: list[str], wanted: int) -> list[bool]:
    return [found != wanted for found in _predictions(predict, cases)] if cases else []


def _predictions(predict: Predict, texts: list[str]) -> list[int]:
    """What `predict` gives, 0 or 1 for each text and nothing else."""
    found = predict(texts)
    if isinstance(found, str | bytes) or not isinstance(found, Iterable):
        raise TypeError(f"predict returns one {type(found).__name__}: it must return 0 or 1 for each text.")
    try:
        return check_labels(found, texts, allowed=(0, 1), at_least=1).tolist()
    except (TypeError, ValueError) as error:
        raise type(error)(f"predict must return 0 or 1 (toxic) for each text. {error}") from None


def _refuses(predict: Predict, text: str) -> bool:
    try:
        predict([text])
    except (ValueError, TypeError):
        return True
    return False


def _join(match: re.Match) -> str:
    joined = match[0].replace(" ", "")
    return joined if is_rude(joined) else match[0]


_BACK = {ord(new): old for old, new in (*LEET.items(), *LOOKALIKES.items()) if new != old}


def _spelt_out(token: str) -> str:
    if (token.isalpha() and token.isascii()) or is_rude(token):
        return token
    guess = token.translate(_BACK)
    guesses = (guess.replace("*", vowel) for vowel in ("aeiou" if "*" in guess else [""]))
    return next((full for full in guesses if is_rude(full)), token)
