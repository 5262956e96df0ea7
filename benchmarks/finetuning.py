"""Fine-tuning MiniLM on movie-snippets: the textbook recipe against ours, in turns, each in a process of its own.

The textbook recipe is what most tutorials show: every text padded to a fixed length, float32, Trainer as it comes. Ours
is `TransformerClassifier`. Both see the same rows with the same batch size, learning rate and epochs, so that what
differs is how the work is done. One full pass of each then says whether they arrive at the same accuracy.
"""

import argparse
import json
import tempfile
import time

from benchmarks import common

SPEED_ROWS, SPEED_TURNS = 384, 5  # twelve steps of 32, in each of five turns
PADDED_TO = 128
SHARED = {"batch_size": 32, "learning_rate": 1e-4, "epochs": 1, "seed": 0}


def textbook(learn, judge):
    """The recipe of the tutorials, in today's names: (fit, accuracy on `judge`), both to be called."""
    from torch.utils.data import Dataset
    from transformers import AutoModelForSequenceClassification, AutoTokenizer, Trainer, TrainingArguments

    from textclf_lesson import models

    where = models.locate("minilm")
    tokenizer = AutoTokenizer.from_pretrained(where)

    class Rows(Dataset):
        def __init__(self, rows):
            self.encoded = tokenizer(
                rows["text"][:], padding="max_length", truncation=True, max_length=PADDED_TO, return_tensors="pt"
            )
            self.labels = rows["label"][:]

        def __len__(self):
            return len(self.labels)

        def __getitem__(self, row):
            return {name: column[row] for name, column in self.encoded.items()} | {"labels": self.labels[row]}

    model = AutoModelForSequenceClassification.from_pretrained(where, num_labels=2)
    folder = tempfile.mkdtemp()
    arguments = TrainingArguments(
        folder,
        per_device_train_batch_size=SHARED["batch_size"],
        learning_rate=SHARED["learning_rate"],
        num_train_epochs=SHARED["epochs"],
        seed=SHARED["seed"],
        save_strategy="no",
        disable_tqdm=True,
    )
    trainer = Trainer(model, arguments, train_dataset=Rows(learn))
    truth = judge["label"][:]
    return trainer.train, lambda: float((trainer.predict(Rows(judge)).predictions.argmax(axis=1) == truth).mean())


def ours(learn, judge):
    """The same with `TransformerClassifier`."""
    from textclf_lesson.transformer import TransformerClassifier

    classifier = TransformerClassifier(**SHARED, max_length=PADDED_TO)
    fit = lambda: classifier.fit(learn["text"][:], learn["label"][:])  # noqa: E731
    return fit, lambda: classifier.score(judge["text"][:], judge["label"][:])


def child(recipe: str, rows: int, judged: bool) -> None:
    """One measurement; its last line is JSON: rows per second and, if judged, the accuracy on the test split."""
    from transformers.utils import logging

    from textclf_lesson import data

    logging.set_verbosity_error()
    movies = data.load("movie-snippets")
    learn = movies["train"].shuffle(seed=0).select(range(rows or len(movies["train"])))
    fit, accuracy = {"textbook": textbook, "ours": ours}[recipe](learn, movies["test"])
    began = time.perf_counter()
    fit()
    seconds = time.perf_counter() - began
    print(json.dumps({"rows_per_s": len(learn) / seconds, "accuracy": accuracy() if judged else None}))


def main() -> None:
    """Measure in turns, then once in full, and store."""
    speeds, peaks = {"textbook": [], "ours": []}, {"textbook": [], "ours": []}
    for turn in range(SPEED_TURNS):
        for recipe in speeds:
            result = common.measure("benchmarks.finetuning", "--child", recipe, "--rows", str(SPEED_ROWS))
            speeds[recipe].append(result["rows_per_s"])
            peaks[recipe].append(result["peak_mb"])
            print(f"turn {turn + 1} of {SPEED_TURNS}, {recipe}: {result['rows_per_s']:.1f} rows/s", flush=True)
    full = {recipe: common.measure("benchmarks.finetuning", "--child", recipe, "--judged") for recipe in speeds}
    gain = common.ratio(speeds["ours"], speeds["textbook"])
    names = {"textbook": f"textbook: padded to {PADDED_TO}, float32, Trainer's defaults", "ours": "ours"}
    table = [
        {
            "recipe": names[recipe],
            "rows/s": common.spread(speeds[recipe]),
            "times the textbook's": gain if recipe == "ours" else 1,
            "peak memory, MB": common.spread(peaks[recipe]),
            "test accuracy after one epoch": round(full[recipe]["accuracy"], 3),
            "rows/s in that epoch": round(full[recipe]["rows_per_s"], 1),
        }
        for recipe in names
    ]
    common.write(
        "finetuning",
        "Fine-tuning a transformer",
        "How much faster is fine-tuning with padding to the batch, like lengths together and bfloat16, than the "
        "textbook recipe on the same rows, batch size, learning rate and epochs?",
        table,
        notes=[
            f"Speed: {SPEED_ROWS} rows of movie-snippets, start of the Trainer included, {SPEED_TURNS} turns; ratios "
            "are of neighbours in time. Accuracy: one epoch on the whole training split, judged on the test split."
        ],
        packages=["torch", "transformers", "accelerate"],
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--child", choices=["textbook", "ours"], help="one measurement only, as JSON")
    parser.add_argument("--rows", type=int, default=0)
    parser.add_argument("--judged", action="store_true")
    options = parser.parse_args()
    child(options.child, options.rows, options.judged) if options.child else main()
