"""The items of lesson 4 that ask whether a gain is one, and where to look for it."""

from collections.abc import Iterator
from functools import cache

import numpy as np

from textclf_lesson import baselines, data, metrics
from textclf_lesson.check.core import Answer, CheckFailed, compare, item
from textclf_lesson.check.sources import levels_of, runs

GROUPS = {
    "negation": r"\b(?:not|no|never|nothing|neither|nor|without|hardly|barely|cannot)\b|n't",
    "contrast": r"\b(?:but|although|though|however|yet|despite|while)\b",
}


@cache
def _seeds() -> dict[float, list[float]]:
    """Accuracies of three seeds at each learning rate, a thousand rows (studies/learning_rate.py)."""
    rows = runs("learning_rate").query("rows == 1000")
    return {rate: group.tolist() for rate, group in rows.groupby("learning_rate")["accuracy"]}


@item
def seed_or_setting(answer: Answer, seed: int = 0) -> Iterator[str]:
    """Takes the accuracies of two settings' seeds; returns the 95 % interval of the difference of means, b minus a."""
    from scipy import stats

    rates = _seeds()
    for one, two in [(5e-5, 4e-4), (2e-4, 4e-4)] if seed else [(2e-5, 2e-4), (1e-4, 2e-4)]:
        a, b = np.array(rates[one]), np.array(rates[two])
        n, gain = len(a), b.mean() - a.mean()

        def around(factor: float, ddof: int = 1, share: float = 2 / n, a=a, b=b, gain=gain) -> tuple[float, float]:
            width = factor * np.sqrt((a.var(ddof=ddof) + b.var(ddof=ddof)) / 2 * share)
            return gain - width, gain + width

        t = stats.t.ppf(0.975, 2 * n - 2)
        low, high = around(t)
        hints = {
            "The sign is turned: asked is b minus a.": (-high, -low),
            "1.96 is for many runs. With so few, the spread itself is uncertain: where does t come from?": around(1.96),
            "Your spreads divide by n. Of three runs take n − 1: in NumPy that is ddof=1.": around(t, ddof=0),
            "That t leaves five per cent on *each* side: a 90 % interval. How much may lie above t?": around(
                stats.t.ppf(0.95, 2 * n - 2)
            ),
            "t has as many degrees of freedom as there are runs, less the two means: count again.": around(
                stats.t.ppf(0.975, n - 1)
            ),
            "That is the spread of single runs. Means of several vary less: where do 1/n and 1/n stand?": around(
                t, share=1
            ),
        }
        said = answer.as_pair(answer(a.tolist(), b.tolist()))
        otherwise = "It is off: go through the formula, the spread first, then its factor."
        compare(said, (low, high), hints, otherwise, 1e-4)
        verdict = "a better setting" if low > 0 else "a worse setting" if high < 0 else "perhaps a luckier seed"
        yield f"{one:g} → {two:g}: {verdict}"


@cache
def _words() -> tuple[dict[str, float], metrics.Report]:
    """The accuracy of word counts in each group of film sentences, and their report on Reuters' topics."""
    tests, said = {}, {}
    for name, kind in {"movie-snippets": "logreg", "reuters-r8": "svm"}.items():
        train, tests[name] = (data.load(name)[split].to_pandas() for split in ("train", "test"))
        model = baselines.pipeline("tfidf", kind).fit(train["text"], train["label"])
        said[name] = model.predict(tests[name]["text"])
    films, topics = tests.values()
    in_group = {name: films["text"].str.contains(pattern, case=False) for name, pattern in GROUPS.items()}
    in_group["neither"] = ~(in_group["negation"] | in_group["contrast"])
    right = said["movie-snippets"] == films["label"]
    report = metrics.report(topics["label"], said["reuters-r8"])
    return {name: float(right[rows].mean()) for name, rows in in_group.items()}, report


@item
def where_it_pays(answer: Answer) -> Iterator[str]:
    """Returns {"films", "topics", "weak_spot", "films_gain", "topics_at_most"}: where to fine-tune, and why."""
    said = answer.record(["films", "topics", "weak_spot", "films_gain", "topics_at_most"])
    films, topics = (answer.choice(said, key, ["fine-tune", "stay"]) for key in ("films", "topics"))
    groups, report = _words()
    study = levels_of("movie-snippets")["MiniLM"]  # as studies/levels.py measured it
    gain, *interval = study["difference"]
    if films != ("fine-tune" if gain >= 0.04 and interval[0] > 0 else "stay"):
        raise CheckFailed("`films`: hold what the study measured, the gain and its interval, against the rule.")
    if topics != "stay":
        raise CheckFailed(
            "`topics`: how many points are there left to win? Not even a model without a mistake wins more."
        )
    yield "each task by the rule"
    weak = answer.choice(said, "weak_spot", groups)
    if groups[weak] > min(groups.values()):
        raise CheckFailed(
            f"`weak_spot`: of '{weak}' the counts get {groups[weak]:.0%} right, and of another group less. A large "
            "group has many mistakes because it is large."
        )
    hints = {
        "`films_gain` is the interval of one model's accuracy; asked is that of the difference.": study["interval"],
        "`films_gain` has its sign turned: it is the transformer minus TF-IDF.": (-interval[1], -interval[0]),
    }
    otherwise = "`films_gain` is not the interval of the difference that the study gives for the film sentences."
    compare(answer.as_pair(said["films_gain"], "`films_gain`"), interval, hints, otherwise, 0.002)
    yield "where counts fail, and what a transformer gains"
    hints = {
        "`topics_at_most` is the accuracy of TF-IDF; what is left above it?": report.accuracy,
        "`topics_at_most` is what is left of the macro F1; the rule speaks of accuracy.": 1 - report.macro_f1,
        "`topics_at_most` should be a share between 0 and 1, not a percentage.": 100 * (1 - report.accuracy),
    }
    otherwise = "`topics_at_most` is not what a model without a mistake would be above TF-IDF."
    compare(answer.as_number(said["topics_at_most"], "`topics_at_most`"), 1 - report.accuracy, hints, otherwise, 0.002)
    yield "and where there is nothing to gain"
