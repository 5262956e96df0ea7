"""How wording, examples and calibration move the accuracy of a prompted small model on movie-snippets (lesson 10).

Every run is scored on the same 500 rows of the validation split, for that is where a prompt is chosen. Examples come
from the first 1,000 rows of the shuffled training split.
"""

from studies import common

TEMPLATES = ["labels", "marked", "question", "form", "expert"]
LABELS = {0: "negative: the reviewer dislikes the film", 1: "positive: the reviewer likes the film"}
GRID = [{"template": t, "shots": 0, "selection": "random", "seed": 0} for t in TEMPLATES]
GRID += [
    {"template": t, "shots": k, "selection": "random", "seed": s} for t in TEMPLATES for k in (2, 8) for s in range(3)
]
SIMILAR = [("labels", 2), ("form", 2), ("labels", 8)]  # slow: each text has a prompt of its own
GRID += [{"template": t, "shots": k, "selection": "similar", "seed": 0} for t, k in SIMILAR]


def rows(split: str, count: int) -> tuple[list[str], list[int]]:
    """Texts and labels of the first `count` rows of the shuffled split."""
    from textclf_lesson import data

    table = data.load("movie-snippets")[split].shuffle(seed=0).select(range(count))
    return table["text"][:], table["label"][:]


def measure(template: str, shots: int, selection: str, seed: int) -> dict[str, float | list[float]]:
    """Without calibration, with the content-free one and with that by texts: accuracy and its 95 % interval.

    `positive` is the share of rows that get that label without calibration; the truth is about one half. With similar
    examples there is no content-free run: its prior would differ from text to text, and take four times as long.
    """
    import numpy as np

    from textclf_lesson.evaluate import metrics
    from textclf_lesson.llm.local import LocalLLM

    learn, (texts, truth) = rows("train", 1000), rows("validation", 500)
    settings = {"labels": LABELS, "template": template, "shots": shots, "selection": selection, "seed": seed}
    raw = LocalLLM(**settings, calibrate=None).fit(*learn).predict_proba(texts)
    result = {"positive": round(float((raw[:, 1] > 0.5).mean()), 4)}
    for calibrate in (None, "texts") if selection == "similar" else (None, "content-free", "texts"):
        # The prior is the same for all texts, so one text shows it, at a fraction of the cost.
        calibrated = LocalLLM(**settings, calibrate=calibrate).fit(*learn).predict_proba(texts[:1])
        best = (raw * (calibrated / raw[:1])).argmax(axis=1)
        scores = [np.mean(best == truth), *metrics.interval(truth, best)]
        result[calibrate or "none"] = [round(float(score), 4) for score in scores]
    return result


if __name__ == "__main__":
    common.run("prompting", GRID, measure, ("torch", "transformers", "gguf"))
