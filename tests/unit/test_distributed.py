"""Training by two processes, as `torchrun` and `accelerate launch` start them: gloo, a tiny BERT of random weights."""

import json
import math
import os
import subprocess
import sys
from pathlib import Path

import pytest
import transformers
from transformers import AutoTokenizer, BertConfig, BertModel

import textclf_lesson
from textclf_lesson.models import encoders, trainer

ROWS, JUDGED = 61, 37  # neither is a multiple of the batch: the last ones are filled up and must not count twice
SETTINGS = {"epochs": 2, "batch_size": 8, "evaluations": 2, "patience": 9, "max_length": 16, "learning_rate": 1e-2}
# Every text is a class of its own, so that the loss sees which rows it is given.
FIT = """
import hashlib, json, os, sys
from pathlib import Path

import torch
from torch.nn.functional import cross_entropy

from textclf_lesson.models.transformer import TransformerClassifier

where, seen, scales = Path(sys.argv[1]), [], []
settings, texts, adapter = (json.loads((where / f"{name}.json").read_text()) for name in sys.argv[3:])
rank = int(os.environ.get("RANK", 0))


def watched(logits, targets):
    loss = cross_entropy(logits, targets)
    if torch.is_grad_enabled():
        seen.append(targets.tolist())
        loss.register_hook(lambda gradient: scales.append(float(gradient)))  # what Trainer multiplies the loss by
    return loss


labels = [f"{at:02}" for at in range(len(texts["learn"]))]
judge = texts["judge"], labels[: len(texts["judge"])]
result = {}
for name, loss, lora in [("plain", None, None), ("watched", watched, None), ("adapted", None, adapter)]:
    classifier = TransformerClassifier(where / "tiny", loss=loss, adapter=lora, precision="fp32", **settings)
    classifier.fit(texts["learn"], labels, judge)
    digest = hashlib.sha256()
    for weight in classifier.model_.state_dict().values():
        digest.update(weight.numpy().tobytes())
    logits, targets = torch.from_numpy(classifier.logits(judge[0])), torch.arange(len(judge[0]))
    result[name] = {
        "weights": digest.hexdigest(),
        "history": classifier.history_,
        "cross_entropy": float(cross_entropy(logits, targets)),
    }
result |= {"seen": seen, "scales": scales}
classifier.save(where / sys.argv[2] / f"saved-by-{rank}")
(where / sys.argv[2] / f"rank-{rank}.json").write_text(json.dumps(result))
"""
FILES = ("settings", "texts", "adapter")
LAUNCHERS = {
    "alone": [],
    "torchrun": ["-m", "torch.distributed.run", "--nproc_per_node=2", "--redirects=3"],
    # By its --multi_gpu it starts processes as torchrun does, graphics cards or not; its --cpu would need mpirun.
    "accelerate": [
        *("-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes=2", "--num_machines=1"),
        *("--mixed_precision=no", "--dynamo_backend=no", "--main_process_port=0"),
    ],
}


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    """A folder with the script and what it reads: an encoder, texts of different lengths."""
    folder = tmp_path_factory.mktemp("distributed")
    tokenizer = AutoTokenizer.from_pretrained(encoders.locate("minilm"))
    transformers.set_seed(0)
    size = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
    BertModel(BertConfig(vocab_size=len(tokenizer), **size)).save_pretrained(folder / "tiny")
    tokenizer.save_pretrained(folder / "tiny")
    words = sorted(word for word in tokenizer.get_vocab() if word.isalpha() and word.isascii())
    lines = [" ".join(words[at * 97 : at * 97 + 1 + at % 13]) for at in range(ROWS + JUDGED)]
    (folder / "texts.json").write_text(json.dumps({"learn": lines[:ROWS], "judge": lines[ROWS:]}))
    (folder / "settings.json").write_text(json.dumps(SETTINGS))
    (folder / "adapter.json").write_text(json.dumps({"rank": 4, "alpha": 4}))
    (folder / "fit.py").write_text(FIT)
    return folder


@pytest.fixture(scope="module")
def run(work):
    """Starts the script by a launcher, once each; the results of its processes."""
    done = {}

    def start(launcher: str) -> list[dict]:
        if launcher not in done:
            out = work / launcher
            out.mkdir()
            logs = [f"--log-dir={out / 'logs'}"] if launcher == "torchrun" else []
            command = [sys.executable, *LAUNCHERS[launcher], *logs, str(work / "fit.py"), str(work), launcher, *FILES]
            package = str(Path(textclf_lesson.__file__).parents[1])
            keep = {
                name: value for name, value in os.environ.items() if not name.startswith(("RANK", "WORLD", "LOCAL"))
            }
            env = keep | {"PYTHONPATH": package, "OMP_NUM_THREADS": "1", "TEXTCLF_PROGRESS": "1"}
            finished = subprocess.run(command, env=env, capture_output=True, text=True)
            assert finished.returncode == 0, finished.stderr[-3000:]
            done[launcher] = [json.loads(path.read_text()) for path in sorted(out.glob("rank-*.json"))]
        return done[launcher]

    return start


TOGETHER = pytest.mark.parametrize("launcher", ["torchrun", "accelerate"])


@TOGETHER
def test_both_processes_end_with_the_same_weights_and_scores(run, launcher):
    first, second = run(launcher)
    for kind in ("plain", "watched", "adapted"):
        assert first[kind]["weights"] == second[kind]["weights"]
        assert first[kind]["history"] == second[kind]["history"]
    assert len({first[kind]["weights"] for kind in ("plain", "adapted")}) == 2


@TOGETHER
def test_they_evaluate_as_often_as_one_process(run, launcher):
    (alone,) = run("alone")
    for kind in ("plain", "watched", "adapted"):
        assert len(run(launcher)[0][kind]["history"]) == len(alone[kind]["history"]) == 4
        assert [entry["epoch"] for entry in run(launcher)[0][kind]["history"]] == [0.5, 1, 1.5, 2]


@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_the_loss_is_that_of_the_validation_rows(run, launcher):
    """The state that is kept is that of the best evaluation, whose loss plain cross-entropy gives again."""
    for result in run(launcher):
        for kind in ("plain", "watched", "adapted"):
            best = max(result[kind]["history"], key=lambda entry: entry["macro_f1"])
            assert best["loss"] == pytest.approx(result[kind]["cross_entropy"], rel=1e-5)


@TOGETHER
def test_an_epoch_gives_every_row_to_one_of_them_and_no_loss_counts_twice(run, launcher):
    results = run(launcher)
    steps = math.ceil(ROWS / 16)
    for epoch in range(SETTINGS["epochs"]):
        mine, others = (
            [row for batch in result["seen"][epoch * steps : (epoch + 1) * steps] for row in batch]
            for result in results
        )
        assert set(mine) | set(others) == set(range(ROWS))
        assert len(mine) + len(others) == 16 * steps  # three rows fill the last batch up
    assert all(scale == 1 for result in results for scale in result["scales"])


def test_one_of_them_shows_the_bar_and_saves(run, work):
    run("torchrun")
    shown = {int(path.parent.name): path.read_text() for path in (work / "torchrun" / "logs").rglob("stderr.log")}
    assert sorted(shown) == [0, 1]
    assert "training" in shown[0] and "training" not in shown[1]
    assert [path.name for path in (work / "torchrun").glob("saved-by-*")] == ["saved-by-0"]


@pytest.mark.parametrize("n", [5, 61, 640])
@pytest.mark.parametrize("processes", [1, 2, 3])
def test_evaluations_come_after_the_same_share_of_the_rows(n, processes):
    settings = {"batch_size": 8, "evaluations": 2, "epochs": 3}
    alone = trainer.evaluation_steps(n, 1, settings)
    steps = trainer.evaluation_steps(n, processes, settings)
    total = 3 * math.ceil(n / (8 * processes))
    assert max(steps) == total and len(steps) == min(len(alone), total)
