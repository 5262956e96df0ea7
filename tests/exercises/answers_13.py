"""Answers to the items of exercise 13."""

import numpy as np
from scipy.stats import entropy

from tests.exercises.answers import right, wrong
from textclf_lesson.check import ex13 as items
from textclf_lesson.deploy import monitor
from textclf_lesson.evaluate.calibration import wilson


def _new(now, before, reference):
    new = [now[label] - before.get(label, 0) for label in reference]
    return [now[label] for label in reference] if min(new) < 0 else new


@wrong("drift", "divergence of the reference from the window")
def the_wrong_way_round(now, before, reference):
    p, q = monitor.smooth(_new(now, before, reference)), monitor.smooth(list(reference.values()))
    return (q * np.log(q / p)).sum()


@wrong("drift", "That is in bits")
def in_bits(now, before, reference):
    p, q = monitor.smooth(_new(now, before, reference)), monitor.smooth(list(reference.values()))
    return (p * np.log2(p / q)).sum()


@wrong("drift", "monitor.smooth both")
def not_smoothed(now, before, reference):
    return entropy(_new(now, before, reference), list(reference.values()))


@wrong("drift", "raised KeyError")
def every_label_was_there_before(now, before, reference):
    new = [now[label] - before[label] for label in reference]
    return monitor.kl(monitor.smooth(new), monitor.smooth(list(reference.values())))


@wrong("drift", "Take those *between* the two readings")
def since_the_beginning(now, before, reference):
    return monitor.kl(monitor.smooth([now[k] for k in reference]), monitor.smooth(list(reference.values())))


@wrong("drift", "Which counts are new then?")
def knows_no_new_start(now, before, reference):
    new = [now[label] - before.get(label, 0) for label in reference]
    return monitor.kl(monitor.smooth(new), monitor.smooth(list(reference.values())))


@wrong("drift", "the whole of the others is new too")
def starts_one_label_anew(now, before, reference):
    new = [now[k] - before.get(k, 0) if now[k] >= before.get(k, 0) else now[k] for k in reference]
    return monitor.kl(monitor.smooth(new), monitor.smooth(list(reference.values())))


@wrong("drift", "it does not mean that there were no predictions")
def cuts_at_zero(now, before, reference):
    new = [max(0, now[label] - before.get(label, 0)) for label in reference]
    return monitor.kl(monitor.smooth(new), monitor.smooth(list(reference.values())))


@right("drift")
def with_scipy(now, before, reference):
    anew = any(now[label] < counted for label, counted in before.items())
    new = [now[label] - (0 if anew else before.get(label, 0)) for label in reference]
    return entropy(monitor.smooth(new), monitor.smooth([*reference.values()]))


@wrong("alarm_line", "You take the shares of the reference as exact")
def takes_the_reference_for_the_truth(counts, n, level):
    drawn = np.random.default_rng(0).multinomial(n, counts / counts.sum(), 10_000)
    return np.quantile(monitor.kl(monitor.smooth(drawn), monitor.smooth(counts)), 1 - level)


@wrong("alarm_line", "which quantile is that?")
def the_other_end(counts, n, level):
    rng = np.random.default_rng(0)
    drawn = rng.multinomial(n, rng.dirichlet(counts + 0.5, 10_000))
    return np.quantile(monitor.kl(monitor.smooth(drawn), monitor.smooth(counts)), level)


@wrong("alarm_line", "the PSI's rule of thumb")
def as_one_always_does(counts, n, level):
    return 0.25


@wrong("alarm_line", "with windows of 200 and a level of 5%")
def windows_as_large_as_the_reference(counts, n, level):
    rng = np.random.default_rng(0)
    drawn = rng.multinomial(sum(counts), rng.dirichlet(counts + 0.5, 10_000))
    return np.quantile(monitor.kl(monitor.smooth(drawn), monitor.smooth(counts)), 1 - level)


@right("alarm_line")
def by_drawing_rows(counts, n, level):
    rng, rows = np.random.default_rng(5), np.repeat(np.arange(len(counts)), counts)
    distances = []
    for _ in range(8000):
        again = np.bincount(rng.choice(rows, len(rows)), minlength=len(counts))
        window = np.bincount(rng.choice(len(counts), n, p=again / again.sum()), minlength=len(counts))
        distances.append(monitor.kl(monitor.smooth(window), monitor.smooth(counts)))
    distances.sort()
    return distances[round((1 - level) * len(distances))]


def _decision(**other):
    right_ones = items._hurried()["right"].to_numpy()[:200]
    low, high = wilson(right_ones.sum(), 200)
    return {"false_alarm": "fan club", "silent": "phones", "accuracy": (low, high), "labels": 100} | other


@wrong("blind_spots", "far below the reference")
def an_alarm_is_an_error():
    return _decision(false_alarm="press office")


@wrong("blind_spots", "Who lost accuracy")
def the_loudest_is_the_silent_one():
    return _decision(silent="press office")


@wrong("blind_spots", "two hundred labels only")
def from_all_rows():
    right_ones = items._hurried()["right"].to_numpy()
    return _decision(accuracy=wilson(right_ones.sum(), len(right_ones)))


@wrong("blind_spots", "not of the phones")
def accuracy_at_home():
    right_ones = items._films()["right"].to_numpy()[:200]
    return _decision(accuracy=wilson(right_ones.sum(), 200))


@wrong("blind_spots", "it should show in 90 %")
def saves_labels():
    return _decision(labels=50)


@wrong("blind_spots", "fewer are enough")
def takes_no_risk():
    return _decision(labels=400)


@right("blind_spots")
def typed_from_the_screen():
    return {"false_alarm": "fan club", "silent": "phones", "accuracy": [0.52, 0.65], "labels": 100.0}


@wrong("quiz", "Windows differ by chance", lesson="13")
def nothing_changes_so_nothing_calls():
    return {"weekly": "b", "retrain": "b", "window": "b", "shares": "a"}


@wrong("quiz", "learn its own mistakes", lesson="13")
def lets_it_teach_itself():
    return {"weekly": "a", "retrain": "a", "window": "b", "shares": "a"}


@wrong("quiz", "small windows lie further from the reference", lesson="13")
def the_same_distance_means_the_same():
    return {"weekly": "a", "retrain": "b", "window": "a", "shares": "a"}


@wrong("quiz", "The alarm does not read texts", lesson="13")
def the_alarm_reads_texts():
    return {"weekly": "a", "retrain": "b", "window": "b", "shares": "b"}


@right("quiz", lesson="13")
def in_capitals():
    return {"weekly": "A", "retrain": "B", "window": "B", "shares": "A"}
