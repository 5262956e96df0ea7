"""What the order of the words is worth to a fine-tuned MiniLM on movie-snippets (lesson 4).

Fine-tuned on 500 sentences as they were written, and on the same sentences with their words in random order; each is
scored on 1,000 test sentences treated alike. Both see the same words, so the difference is what their order gives.
"""

import random

from studies import common, films

GRID = [{"words": words, "seed": seed} for seed in (0, 1, 2) for words in ("as written", "shuffled")]


def measure(words: str, seed: int) -> dict[str, float | str]:
    texts, labels = films.draw(films.FEW, seed)
    test = films.test_rows()
    scored = test["text"].tolist()
    if words == "shuffled":
        texts, scored = shuffled(texts, seed), shuffled(scored, seed)
    return films.scored(films.fine_tune(texts, labels, seed).predict(scored) == test["label"])


def shuffled(texts, seed: int) -> list[str]:
    """Each text with its words in random order; punctuation stays at its word."""
    rng = random.Random(seed)
    words = [text.split() for text in texts]
    return [" ".join(rng.sample(some, len(some))) for some in words]


if __name__ == "__main__":
    common.run("word_order", GRID, measure, ("torch", "transformers", "tokenizers"))
