"""An adapter against full fine-tuning: MiniLM on 500 sentences of movie-snippets (lesson 4).

The adapter's learning rate is chosen on validation rows with seed 0; then three seeds on 1,000 test sentences. Full
fine-tuning on the same sentences is in studies/word_order.py ("as written").
"""

from studies import common, films

RATES = [1e-3, 2e-3]
GRID = [{"part": "rate", "learning_rate": rate, "seed": 0} for rate in RATES]
GRID += [{"part": "test", "learning_rate": "the best", "seed": seed} for seed in (0, 1, 2)]


def measure(part: str, learning_rate: float | str, seed: int) -> dict[str, float | str]:
    from textclf_lesson.evaluate import evidence
    from textclf_lesson.models.adapters import LoRA

    if part == "test":
        tried = evidence.runs("lora").query("part == 'rate'")
        learning_rate = float(tried.loc[tried["accuracy"].idxmax(), "learning_rate"])
    rows = films.test_rows() if part == "test" else films.splits("movie-snippets")["validation"]
    model = films.fine_tune(*films.draw(films.FEW, seed), seed, adapter=LoRA(rank=16), learning_rate=learning_rate)
    return films.scored(model.predict(rows["text"]) == rows["label"], rate=learning_rate)


if __name__ == "__main__":
    common.run("lora", GRID, measure, ("torch", "transformers", "tokenizers", "peft"))
