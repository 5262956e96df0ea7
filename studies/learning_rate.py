"""How far learning rate and seed move the accuracy of a fine-tuned MiniLM on movie-snippets (lesson 4).

Every run is scored on the validation split, for that is where a recipe is chosen; the test split is not touched.
"""

from studies import common

RATES = {1000: [2e-5, 5e-5, 1e-4, 2e-4, 4e-4, 8e-4], 7000: [1e-4]}  # all rows at one rate only: minutes each
SEEDS = [0, 1, 2]
GRID = [
    {"rows": rows, "learning_rate": rate, "seed": seed}
    for rows, rates in RATES.items()
    for rate in rates
    for seed in SEEDS
]


def measure(rows: int, learning_rate: float, seed: int) -> dict[str, float]:
    """Accuracy on validation after training on the first `rows` of the shuffled training split, with that seed."""
    from textclf_lesson import data
    from textclf_lesson.models.transformer import TransformerClassifier

    movies = data.load("movie-snippets")
    learn = movies["train"].shuffle(seed=0).select(range(rows))
    settings = {"model": "minilm", "max_length": 64, "metric": "accuracy", "learning_rate": learning_rate, "seed": seed}
    classifier = TransformerClassifier(**settings).fit(*data.columns(learn))
    return {"accuracy": round(classifier.score(*data.columns(movies["validation"])), 4)}


if __name__ == "__main__":
    common.run("learning_rate", GRID, measure, ("torch", "transformers", "tokenizers"))
