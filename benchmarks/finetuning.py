"""Fine-tuning MiniLM on movie-snippets: the textbook recipe against ours, in turns, each in a process of its own.

The textbook recipe is what most tutorials show: every text padded to a fixed length, float32, Trainer as it comes. Ours
is `TransformerClassifier`. Both see the same rows with the same batch size, learning rate, epochs and seed: what
differs is how the work is done. Each turn has another seed, and both are judged on the test split.
"""

import argparse
import json
import tempfile
import time

from benchmarks import common

ROWS, TURNS = 4096, 3  # four minutes a turn of the textbook recipe on two cores
PADDED_TO = 128
SHARED = {"batch_size": 32, "learning_rate": 1e-4, "epochs": 1}


def textbook(learn, judge, seed):
    """The recipe of the tutorials, in today's names: trains, and returns how to get its accuracy on `judge`."""
    from torch.utils.data import Dataset
    from transformers import AutoModelForSequenceClassification, AutoTokenizer, Trainer, TrainingArguments

    from textclf_lesson.models import encoders

    where = encoders.locate("minilm")
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
        seed=seed,
        save_strategy="no",
        disable_tqdm=True,
    )
    trainer = Trainer(model, arguments, train_dataset=Rows(learn))
    trainer.train()
    truth = judge["label"][:]
    return lambda: float((trainer.predict(Rows(judge)).predictions.argmax(axis=1) == truth).mean())


def ours(learn, judge, seed):
    """The same with `TransformerClassifier`."""
    from textclf_lesson.models.transformer import TransformerClassifier

    classifier = TransformerClassifier(**SHARED, seed=seed, max_length=PADDED_TO)
    classifier.fit(learn["text"][:], learn["label"][:])
    return lambda: classifier.score(judge["text"][:], judge["label"][:])


def child(recipe: str, seed: int) -> None:
    """One measurement; its last line is JSON: rows per second and the accuracy on the test split."""
    import torch
    from transformers.utils import logging

    from textclf_lesson import data

    logging.set_verbosity_error()
    torch.manual_seed(seed)
    movies = data.load("movie-snippets")
    learn = movies["train"].shuffle(seed=0).select(range(ROWS))
    began = time.perf_counter()
    accuracy = {"textbook": textbook, "ours": ours}[recipe](learn, movies["test"], seed)
    seconds = time.perf_counter() - began
    print(json.dumps({"rows_per_s": len(learn) / seconds, "accuracy": accuracy()}))


def main() -> None:
    """Measure in turns and store."""
    runs = {"textbook": [], "ours": []}
    for turn in range(TURNS):
        for recipe, results in runs.items():
            results.append(common.measure("benchmarks.finetuning", "--child", recipe, "--seed", str(turn)))
            print(f"turn {turn + 1} of {TURNS}, {recipe}: {results[-1]}", flush=True)
    values = {recipe: {key: [run[key] for run in results] for key in results[0]} for recipe, results in runs.items()}
    gain = common.ratio(values["ours"]["rows_per_s"], values["textbook"]["rows_per_s"])
    names = {"textbook": f"textbook: padded to {PADDED_TO}, float32, Trainer's defaults", "ours": "ours"}
    table = [
        {
            "recipe": names[recipe],
            "rows/s": common.spread(own["rows_per_s"]),
            "times the textbook's": gain if recipe == "ours" else 1,
            "peak memory, MB": common.spread(own["peak_mb"]),
            "test accuracy after one epoch": common.spread(own["accuracy"]),
        }
        for recipe, own in values.items()
    ]
    common.write(
        "finetuning",
        "Fine-tuning a transformer",
        "How much faster is fine-tuning with padding to the batch, like lengths together and bfloat16, than the "
        "textbook recipe on the same rows, batch size, learning rate and epochs?",
        table,
        notes=[
            f"One epoch on {ROWS:,} rows of movie-snippets, from the texts to the trained model, {TURNS} turns with a "
            "seed each; ratios are of neighbours in time."
        ],
        packages=["torch", "transformers", "accelerate"],
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--child", choices=["textbook", "ours"], help="one measurement only, as JSON")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    child(options.child, options.seed) if options.child else main()
