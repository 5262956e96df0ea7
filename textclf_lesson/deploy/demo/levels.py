"""The levels of approach, each as a classifier of sentiment and one of toxicity.

The small ones are trained when the demo starts: word counts in a second, each time; fastText and the weights over
frozen embeddings once, and kept in the cache as fastText's own file and as arrays, neither of which can run anything.
"""

import os
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path

import numpy as np
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

from textclf_lesson import data
from textclf_lesson.assets import cache
from textclf_lesson.base.inputs import check_texts
from textclf_lesson.deploy.demo import highlight
from textclf_lesson.deploy.demo.highlight import Span
from textclf_lesson.models import baselines, checkpoints, encoders
from textclf_lesson.models.embeddings import embed_with
from textclf_lesson.models.fasttext import FastTextClassifier

TASKS = {"sentiment": "movie-snippets", "toxicity": "wiki-toxicity"}
MAX_LENGTH = 64  # tokens, as the course's fine-tuned classifiers
ENCODER = "minilm"
FASTTEXT = {"lr": 0.5, "dim": 50, "word_ngrams": 2, "minn": 3, "maxn": 5, "bucket": 50_000}
EPOCHS = {"sentiment": 10, "toxicity": 25}
MEANINGS = {
    "toxic": "rude, disrespectful or hateful",
    "severe_toxic": "extremely hateful or aggressive",
    "obscene": "uses obscene words",
    "threat": "threatens to hurt somebody",
    "insult": "insults a person or a group",
    "identity_hate": "hateful against a group of people, such as a religion or an origin",
}
Probabilities = Callable[[list[str]], np.ndarray]


@dataclass(frozen=True)
class Level:
    """One approach. `probabilities(task, texts)`: shape (texts, labels), in the order of the task's labels.

    id, name, how: a word, a title and a line for the page. words_by: how its words are found; "" if they are not.
    """

    id: str
    name: str
    how: str
    words_by: str
    models: dict[str, Probabilities]
    linear: dict[str, baselines.TextPipeline] | None = None

    def probabilities(self, task: str, texts: Sequence[str]) -> np.ndarray:
        return np.asarray(self.models[task](list(texts)), dtype=np.float64)

    def words(self, task: str, text: str, column: int) -> list[Span]:
        """What each word is worth to the label in this column; none where the words are not asked about."""
        if self.linear:
            return highlight.weights(self.linear[task], text, column)
        return highlight.left_out(partial(self.probabilities, task), text, column) if self.words_by else []


@dataclass(frozen=True)
class Corpus:
    """The training rows of both tasks. rows: at most so many of each; None: all."""

    rows: int | None = None

    def labels(self, task: str) -> list[str]:
        """The names of the columns that every level's probabilities have."""
        return data.label_names(self._sets[task])

    def training(self, task: str) -> tuple[list[str], object]:
        """Texts, and their labels: one name each, or a table of 0 and 1."""
        train = self._sets[task]["train"]
        return data.columns(train.select(range(min(self.rows or len(train), len(train)))))

    def padding(self, words: int) -> str:
        """So many words of harmless comments, of the validation rows: no model was trained on them."""
        texts, table = data.columns(self._sets["toxicity"]["validation"])
        clean = [text for text, carried in zip(texts, table.sum(axis=1), strict=True) if not carried]
        return " ".join(" ".join(clean).split()[:words])

    @cached_property
    def _sets(self) -> dict:
        return {task: data.load(name) for task, name in TASKS.items()}


def steps(corpus: Corpus, llm: bool = False) -> Iterator[tuple[str, Callable[[], Level]]]:
    """What is to be made, in its order: a name for the progress bar, and the function that makes the level."""
    yield "word counts", partial(_counts, corpus)
    yield "fastText", partial(_fasttext, corpus)
    yield "frozen embeddings", partial(_frozen, corpus)
    yield "fine-tuned transformer", _tuned
    if llm:
        yield "prompted language model", partial(_prompted, corpus)


def _counts(corpus: Corpus) -> Level:
    fitted = {
        task: baselines.pipeline("tfidf", "logreg", multi_label=task == "toxicity").fit(*corpus.training(task))
        for task in TASKS
    }
    models = {task: _ordered(model, corpus.labels(task)) for task, model in fitted.items()}
    how = "TF-IDF, logistic regression"
    return Level("counts", "Word counts", how, "weight × value of each word", models, fitted)


def _fasttext(corpus: Corpus) -> Level:
    models = {}
    for task in TASKS:
        loss = "ova" if task == "toxicity" else "softmax"
        settings = FASTTEXT | {"epoch": EPOCHS[task], "loss": loss}
        path = _kept(f"fasttext-{task}", corpus.rows, "zip")
        try:
            model = FastTextClassifier.load(path)
            if model.get_params() != FastTextClassifier(**settings).get_params():
                raise ValueError("made with other settings")
        except (OSError, ValueError):
            model = FastTextClassifier(**settings).fit(*corpus.training(task))
            _keep(path, model.save)
        models[task] = _ordered(model, corpus.labels(task))
    return Level("fasttext", "fastText", "words, pairs, parts of words", "each word left out", models)


def _frozen(corpus: Corpus) -> Level:
    network, tokenizer = encoders.encoder(ENCODER)
    models = {}

    def embed(texts: Sequence[str]) -> np.ndarray:
        return embed_with(network, tokenizer, check_texts(texts), MAX_LENGTH)

    for task in TASKS:
        path = _kept(f"frozen-{task}-{checkpoints.encoder_hash(ENCODER)[:12]}", corpus.rows, "npz")
        try:
            with np.load(path, allow_pickle=False) as file:
                weights, biases = file["weights"], file["biases"]
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
            weights, biases = _on_top(corpus, task, embed)
            _keep(path, partial(_write_arrays, weights=weights, biases=biases))
        models[task] = partial(_from_vectors, embed, weights, biases, task == "toxicity")
    how = "MiniLM as it is, logistic regression on top"
    return Level("frozen", "Frozen embeddings", how, "each word left out", models)


def _tuned() -> Level:
    models = {task: checkpoints.load(task).predict_proba for task in TASKS}
    return Level("tuned", "Fine-tuned transformer", "MiniLM, trained for the task", "each word left out", models)


def _prompted(corpus: Corpus) -> Level:
    from textclf_lesson.llm.local import LocalLLM

    names = corpus.labels("sentiment")
    films = LocalLLM({"positive": "the writer liked it", "negative": "the writer did not"}).fit()
    questions = [LocalLLM({"yes": MEANINGS.get(label, label), "no": "not that"}).fit() for label in MEANINGS]
    yes = questions[0].classes_.tolist().index("yes")

    def toxicity(texts: list[str]) -> np.ndarray:
        return np.column_stack([question.predict_proba(texts)[:, yes] for question in questions])

    films.predict_proba(["A film."])  # the first call loads the weights
    models = {"sentiment": _ordered(films, names), "toxicity": toxicity}
    return Level("prompted", "Prompted SmolLM2", "135 million weights, no training", "", models)


def _ordered(model: object, labels: list[str]) -> Probabilities:
    """Probabilities in the order of `labels`."""
    order = [list(model.classes_).index(label) for label in labels]
    return lambda texts: model.predict_proba(texts)[:, order]


def _on_top(corpus: Corpus, task: str, embed: Probabilities) -> tuple[np.ndarray, np.ndarray]:
    """Weights, shape (hidden size, columns), and biases of logistic regressions, one for each label; sentiment: one."""
    texts, labels = corpus.training(task)
    vectors = embed(texts)
    last = corpus.labels(task)[-1]
    columns = labels.to_numpy().T if task == "toxicity" else [np.array(labels) == last]
    fits = [LogisticRegression(C=10, max_iter=1000).fit(vectors, column) for column in columns]
    return np.column_stack([fit.coef_[0] for fit in fits]), np.array([fit.intercept_[0] for fit in fits])


def _from_vectors(
    embed: Probabilities, weights: np.ndarray, biases: np.ndarray, multi: bool, texts: list[str]
) -> np.ndarray:
    chances = expit(embed(texts) @ weights + biases)
    return chances if multi else np.hstack([1 - chances, chances])


def _kept(name: str, rows: int | None, suffix: str) -> Path:
    return cache.home() / "demo" / f"{name}{f'-{rows}rows' if rows else ''}.{suffix}"


def _keep(path: Path, save: Callable[[Path], None]) -> None:
    """Write beside it and move into place. A cache that cannot be written only means that it is trained again."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=".saving-") as folder:
            save(Path(folder) / path.name)
            os.replace(Path(folder) / path.name, path)
    except OSError:
        return


def _write_arrays(path: Path, **arrays: np.ndarray) -> None:
    with path.open("wb") as file:
        np.savez(file, **arrays)
