"""Four ways to read posts that are longer than the encoder is wide (lesson 4): newsgroups, frozen vectors of MiniLM.

Logistic regression on the vector of the first 128 tokens, of the first and last 64, of the first 256, and on the mean
of the vectors of all chunks of 128 tokens; 1,000 posts to train and 600 to test. Each run stores which rows were right.
"""

import functools

import numpy as np

from studies import common, films

WAYS = ["first 128", "first 64 and last 64", "mean of all chunks", "first 256"]
GRID = [{"way": way} for way in WAYS]


@functools.cache
def posts():
    """1,000 training and 600 test posts of newsgroups, their token ids without the special ones."""
    from textclf_lesson.models import encoders

    parts = films.splits("newsgroups")
    train, test = parts["train"].sample(1000, random_state=0), parts["test"].sample(600, random_state=0)
    _, tokenizer = encoders.encoder("minilm")
    ids = {
        name: tokenizer(part["text"].tolist(), add_special_tokens=False)["input_ids"]
        for name, part in (("train", train), ("test", test))
    }
    return ids, train["label"].to_numpy(), test["label"].to_numpy()


def vectors_of_ids(rows: list[list[int]]) -> np.ndarray:
    """As `embeddings.embed`, of texts that are token ids already: the mean of the last layer, of length 1."""
    import torch

    from textclf_lesson.base import machine
    from textclf_lesson.models import encoders, tokens

    network, tokenizer = encoders.encoder("minilm")
    inputs = [{"input_ids": [tokenizer.cls_token_id, *ids, tokenizer.sep_token_id]} for ids in rows]
    vectors = np.zeros((len(rows), network.config.hidden_size), np.float32)
    for batch in tokens.batches([len(row["input_ids"]) for row in inputs], 4096):
        padded = tokenizer.pad([inputs[row] for row in batch], return_tensors="pt")
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=machine.has_bf16()):
            states = network(**padded).last_hidden_state.float()
        mask = padded["attention_mask"].unsqueeze(-1)
        mean = (states * mask).sum(dim=1) / mask.sum(dim=1)
        vectors[batch] = torch.nn.functional.normalize(mean).numpy()
    return vectors


def read(ids: list[list[int]], way: str) -> np.ndarray:
    if way == "first 128":
        return vectors_of_ids([row[:126] for row in ids])
    if way == "first 256":
        return vectors_of_ids([row[:254] for row in ids])
    if way == "first 64 and last 64":
        return vectors_of_ids([row if len(row) <= 126 else row[:63] + row[-63:] for row in ids])
    chunks = [[row[at : at + 126] for at in range(0, max(len(row), 1), 126)][:16] for row in ids]  # 2,000 tokens
    vectors = iter(vectors_of_ids([chunk for some in chunks for chunk in some]))
    return np.stack([np.mean([next(vectors) for _ in some], axis=0) for some in chunks])


def measure(way: str) -> dict[str, float | str]:
    from sklearn.linear_model import LogisticRegression

    ids, labels, truth = posts()
    learned, judged = read(ids["train"], way), read(ids["test"], way)
    right = LogisticRegression(C=10, max_iter=1000).fit(learned, labels).predict(judged) == truth
    tokens_read = {"first 256": 254}.get(way, 126)
    longer = np.mean([len(row) > tokens_read for row in ids["test"]])
    return films.scored(right, longer=round(float(longer), 4))


if __name__ == "__main__":
    common.run("long_texts", GRID, measure, ("torch", "transformers", "tokenizers", "scikit-learn"))
