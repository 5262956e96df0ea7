"""fastText on the long posts of newsgroups (lesson 3): curves, and the search of studies/fasttext.py.

"curve": accuracy on validation for two learning rates, with passes continued until nothing is gained.
"""

from studies import common, fasttext

CURVE = [{"part": "curve", "lr": lr, "epoch": epoch} for epoch in (1, 4, 16, 64) for lr in (0.1, 0.5)]
GRID = [*CURVE, *fasttext.grid(["newsgroups"]), *({"part": "curve", "lr": lr, "epoch": 128} for lr in (0.1, 0.5))]


def measure(part: str, **settings) -> dict:
    return curve(**settings) if part == "curve" else fasttext.measure(part, **settings)


def curve(lr: float, epoch: int) -> dict:
    model, seconds = fasttext.trained("newsgroups", lr=lr, epoch=epoch, dim=20)
    accuracy = model.score(*fasttext.splits("newsgroups")["validation"])
    return {"accuracy": round(accuracy, 4), "seconds": seconds}


if __name__ == "__main__":
    common.run("fasttext_newsgroups", GRID, measure, ("fasttext-community", "scikit-learn"))
