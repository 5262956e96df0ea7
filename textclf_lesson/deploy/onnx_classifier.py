"""An exported classifier as a service runs it: with numpy, tokenizers and onnxruntime, without torch."""

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from tokenizers import Encoding, Tokenizer

from textclf_lesson.base.errors import ModelError, brief
from textclf_lesson.base.inputs import check_texts, check_thresholds, whole_number
from textclf_lesson.evaluate.thresholds import DEFAULT
from textclf_lesson.models import tokens
from textclf_lesson.models.modelcard import KEY, PICKLES

MULTI = "multi_label_classification"
TOKENS_AT_ONCE = 2048  # padding included
LONG = ("truncate", "window")  # what may be done with a text that is longer than the model reads
MAX_WINDOWS = 64  # of a text: one of 10,000 characters is to cost a bounded number of forward passes
# Architectures that count positions from behind that of the padding: of 514, 512 can be used.
FROM_PADDING = (
    *("roberta", "xlm-roberta", "xlm-roberta-xl", "camembert", "roberta-prelayernorm", "data2vec-text", "ibert"),
    *("longformer", "mpnet", "luke", "xmod", "esm", "layoutlmv3"),
)


class OnnxClassifier:
    """A classifier from a folder made by `export.to_onnx` or `export.quantize_int8`. It can be used by many threads.

    Args:
        folder: holds model.onnx, tokenizer.json and config.json; README.md and thresholds.json may be there.
        threads: how many one call computes with, 1 or more. By default OMP_NUM_THREADS, else one for each core.

    Attributes: `classes_` (names or numbers, in the order of the scores), `problem_type`, `max_length` (tokens of a
    text that are read), `thresholds` (for each label one from 0 to 1, or None), `card` (README.md, or ""),
    `sha256` (of the weights, 64 hex digits; `version` is its first 12), `overlap` (tokens that two neighbouring windows
    of a long text share).

    Raises ModelError if a file is missing or damaged, if configuration and model do not have the same number of
    labels, or if the folder holds a pickle: reading one can run code, so it has no place beside a model to be served.
    Raises ValueError for `threads` that are not a whole number from 1 up.

    >>> model = OnnxClassifier("exported/sentiment")  # doctest: +SKIP
    >>> model.predict(["A warm, funny film."])  # doctest: +SKIP
    array(['positive'], dtype='<U8')
    """

    def __init__(self, folder: str | os.PathLike, threads: int | None = None):
        self.folder = Path(folder)
        _check_files(self.folder)
        config = _read_json(self.folder / "config.json")
        note = config.get(KEY) or {}
        names = config.get("id2label") or {}
        self.classes_ = np.array(note.get("classes") or [names[at] for at in sorted(names, key=int)])
        self.problem_type = config.get("problem_type") or "single_label_classification"
        self.max_length = _longest(config, note.get("settings", {}).get("max_length"))
        self._pad = config.get("pad_token_id") or 0
        self._tokenizer = _open_tokenizer(self.folder / "tokenizer.json", self.max_length)
        self.overlap = self._tokenizer.truncation["stride"]
        threads = None if threads is None else whole_number("threads", threads)
        self._session = _open_session(self.folder / "model.onnx", threads)
        self.sha256 = _sha256(self.folder)
        self._check_labels()
        self.thresholds = self._read_thresholds()
        card = self.folder / "README.md"
        self.card = card.read_text(encoding="utf-8") if card.exists() else ""

    @property
    def version(self) -> str:
        """Which weights these are: the first 12 hex digits of their SHA-256."""
        return self.sha256[:12]

    def predict(self, texts: Iterable[str], long: str = "truncate") -> np.ndarray:
        """The most probable class of each text; with several labels 0 or 1 for each, shape (texts, labels): 1 from
        its threshold up, or from one half where there are no `thresholds`. long: as in `logits`."""
        probabilities = self.predict_proba(texts, long)
        if self.problem_type != MULTI:
            return self.classes_[probabilities.argmax(axis=1)]
        thresholds = [*self.thresholds.values()] if self.thresholds else DEFAULT
        return (probabilities >= thresholds).astype(int)

    def predict_proba(self, texts: Iterable[str], long: str = "truncate") -> np.ndarray:
        """Probabilities, float32, shape (texts, classes), in the order of `classes_`; rows add up to 1 unless
        multi-label. long: as in `logits`."""
        return self.probabilities(self.logits(texts, long))

    def probabilities(self, logits: np.ndarray) -> np.ndarray:
        """The sigmoid of each logit with several labels, else the softmax of each row; shape (texts, classes)."""
        if self.problem_type == MULTI:
            return np.exp(-np.logaddexp(0, -logits))  # the sigmoid, without overflow
        powers = np.exp(logits - logits.max(axis=1, keepdims=True))
        return powers / powers.sum(axis=1, keepdims=True)

    def logits(self, texts: Iterable[str], long: str = "truncate") -> np.ndarray:
        """Scores before softmax or sigmoid, float32, shape (texts, classes).

        long: of a text with more tokens than `max_length`, "truncate" reads the first `max_length` alone; "window"
        reads overlapping windows and merges their logits (see `windows` and `merge`).

        Raises TypeError or ValueError if a text is missing, blank or not a string; ValueError for another `long`.
        """
        windows, _ = self.windows(check_texts(texts), long)
        flat = [window for own in windows for window in own]
        scores = np.empty((len(flat), len(self.classes_)), dtype=np.float32)
        for rows, inputs in self._batches(flat):
            scores[rows] = self.forward(inputs)
        return self.merge(scores, [len(own) for own in windows])

    def windows(self, texts: Sequence[str], long: str = "truncate") -> tuple[list[list[Encoding]], list[bool]]:
        """What is read of each text: its windows, up to `max_length` tokens each; and whether the text is truncated,
        that is, whether there are tokens in none of them.

        long: "truncate" gives the first window alone. "window" gives all, in order, up to MAX_WINDOWS; two neighbours
        share `overlap` tokens (a quarter of a window), so that a short phrase is whole in one of them.
        """
        if long not in LONG:
            raise ValueError(f"long={long!r} is unknown: choose 'truncate' or 'window'.")
        most = 1 if long == "truncate" else MAX_WINDOWS
        # Half of a surrogate pair cannot be encoded, and comes from text that was split in the wrong place.
        encoded = self._tokenizer.encode_batch([text.encode("utf-8", "replace").decode() for text in texts])
        windows = [[one, *one.overflowing] for one in encoded]
        return [own[:most] for own in windows], [len(own) > most for own in windows]

    def merge(self, logits: np.ndarray, counts: Sequence[int]) -> np.ndarray:
        """One row for each text from the logits of its windows; counts: how many windows each has, at least 1.

        With several labels the maximum: a label holds for a text if it holds for some part of it. With one label the
        mean, which is the logarithmic opinion pool of the windows (Genest and Zidek 1986): a window counts for as much
        as it is sure.
        """
        starts = np.cumsum([0, *counts[:-1]])
        if self.problem_type == MULTI:
            return np.maximum.reduceat(logits, starts)
        return np.add.reduceat(logits, starts) / np.asarray(counts, dtype=np.float32)[:, None]

    def batches(self, texts: list[str]) -> Iterator[tuple[list[int], dict[str, np.ndarray]]]:
        """The texts in batches of like length, the longest first: row numbers, and int64 arrays (batch, tokens)."""
        return self._batches([first for first, *_ in self.windows(texts)[0]])

    def _batches(self, encoded: list[Encoding]) -> Iterator[tuple[list[int], dict[str, np.ndarray]]]:
        for rows in tokens.batches([len(one) for one in encoded], TOKENS_AT_ONCE):
            yield rows, self.pad([encoded[row] for row in rows])

    def pad(self, encoded: Sequence[Encoding]) -> dict[str, np.ndarray]:
        """Windows as inputs of one forward pass: int64 arrays of shape (windows, tokens of the longest)."""
        shape = len(encoded), max(map(len, encoded))
        inputs = {name: np.zeros(shape, dtype=np.int64) for name in ("attention_mask", "token_type_ids")}
        inputs["input_ids"] = np.full(shape, self._pad, dtype=np.int64)
        for at, window in enumerate(encoded):
            length = len(window)
            inputs["input_ids"][at, :length] = window.ids
            inputs["token_type_ids"][at, :length] = window.type_ids
            inputs["attention_mask"][at, :length] = 1
        return inputs

    def forward(self, inputs: dict[str, np.ndarray]) -> np.ndarray:
        """The logits (batch, classes) of one batch of tokens."""
        return self._session.run(None, self.asked(inputs))[0]

    def asked(self, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Those of the inputs that the model has: RoBERTa and DistilBERT, for two, know no token types."""
        return {wanted.name: inputs[wanted.name] for wanted in self._session.get_inputs()}

    def _check_labels(self) -> None:
        """Predict once: an error that shows only when the model runs is to show now, and not at the first request."""
        try:
            found = self.forward(next(self.batches(["x"]))[1]).shape
        except Exception as error:  # of onnxruntime's own kinds, or a KeyError for an input that no text has
            what = f"{self.folder / 'model.onnx'} is not a classifier of texts"
            raise ModelError(f"{what}: {brief(error)}") from error
        if found != (1, len(self.classes_)):
            raise ModelError(
                f"{self.folder} names {len(self.classes_)} labels in config.json, but its model gives {found[-1]}: the "
                "two are not of the same model. Export it again."
            )

    def _read_thresholds(self) -> dict[str, float] | None:
        path = self.folder / "thresholds.json"
        if not path.exists():
            return None
        labels = [*map(str, self.classes_)]
        try:
            return dict(zip(labels, check_thresholds(_read_json(path), labels).tolist(), strict=True))
        except ValueError as error:
            raise ModelError(f"{path} does not fit the model. {error} Export it again.") from None


def _longest(config: dict[str, Any], stored: Any) -> int:
    """How many tokens the model reads: what `to_onnx` has stored, within RoBERTa's positions."""
    positions = config.get("max_position_embeddings")
    positions = positions if isinstance(positions, int) and positions > 0 else 512
    if config.get("model_type") not in FROM_PADDING:
        return stored or positions
    padding = config.get("pad_token_id")
    positions -= 2 if padding is None else padding + 1
    return min(stored or positions, positions)


def _check_files(folder: Path) -> None:
    if not folder.is_dir():
        raise ModelError(f"There is no folder {folder}: check the path, or make it with export.to_onnx(model, folder).")
    files = sorted(path.name for path in folder.iterdir())
    if pickled := [name for name in files if name.endswith(PICKLES)]:
        raise ModelError(
            f"{folder} holds {pickled[0]}, a pickle, which can run code when it is read: refused. An exported folder "
            "needs ONNX and JSON files only; remove it, or export the model into a folder of its own."
        )
    if "model.onnx" not in files and "model.safetensors" in files:
        raise ModelError(
            f"{folder} is a model of torch, not yet exported: export.to_onnx({str(folder)!r}, new_folder)."
        )
    for name, what in (("model.onnx", "the model"), ("config.json", "its labels"), ("tokenizer.json", "its tokeniser")):
        if name not in files:
            raise ModelError(f"{folder} lacks {name}, {what}: it is not an exported folder, or not a whole one.")
    with open(folder / "model.onnx", "rb") as file:
        if file.read(2) in (b"PK", b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05"):
            raise ModelError(f"{folder / 'model.onnx'} is a pickle under another name, which can run code: refused.")


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise ModelError(f"{path} is damaged ({brief(error)}): export or copy the model again.") from error
    if not isinstance(content, dict):
        raise ModelError(f"{path} is damaged (no JSON object): export or copy the model again.")
    return content


def _open_tokenizer(path: Path, max_length: int) -> Tokenizer:
    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:  # the library raises a bare Exception
        raise ModelError(f"{path} is damaged ({brief(error)}): export or copy the model again.") from error
    tokenizer.no_padding()
    own = max_length - tokenizer.num_special_tokens_to_add(False)
    tokenizer.enable_truncation(max_length, stride=max(0, own // 4))  # what is truncated comes in overlapping windows
    return tokenizer


def _open_session(path: Path, threads: int | None) -> onnxruntime.InferenceSession:
    given = os.environ.get("OMP_NUM_THREADS", "")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads or (int(given) if given.isdecimal() else 0)
    options.log_severity_level = 3
    # Idle threads are to sleep: spinning, they take the cores from whatever else runs there.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        return onnxruntime.InferenceSession(
            path,
            options,
            providers=["CPUExecutionProvider"],
            disabled_optimizers=["SkipLayerNormFusion"],  # the joint operator is the slower one: export._part_norms
        )
    except Exception as error:  # onnxruntime has a dozen kinds, without a common one
        raise ModelError(f"{path} cannot be read as ONNX: {brief(error)}") from error


def _sha256(folder: Path) -> str:
    """Of model.onnx, as `sha256sum` gives it; of weights beside it, too, if a large model keeps them there."""
    found = hashlib.sha256()
    for name in ("model.onnx", "model.onnx.data", "model.onnx_data"):
        if (folder / name).exists():
            with open(folder / name, "rb") as file:
                while part := file.read(1 << 20):
                    found.update(part)
    return found.hexdigest()
