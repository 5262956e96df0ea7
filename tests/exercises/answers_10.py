"""Answers to the items of lesson 10."""

import numpy as np

from tests.exercises.answers import right, wrong
from textclf_lesson.check import ex10 as items
from textclf_lesson.llm import prompts


def _system(labels):
    return {"role": "system", "content": f"Classify the text. {labels}"}


def _clean(text):
    return text.replace("<|", "< |")


@wrong("few_shot_turns", "before the question")
def examples_in_the_system_turn(text, labels, examples):
    turns = _system(labels)
    turns["content"] += f"\nExamples: {examples}"
    return [turns, {"role": "user", "content": _clean(text)}]


@wrong("few_shot_turns", "does not say what 'negative' means")
def names_alone(text, labels, examples):
    turns = [_system(list(labels))]
    for example, name in examples:
        turns += [{"role": "user", "content": example}, {"role": "assistant", "content": name}]
    return [*turns, {"role": "user", "content": _clean(text)}]


@wrong("few_shot_turns", "ends its own turn")
def believes_the_text(text, labels, examples):
    turns = [_system(labels)]
    for example, name in examples:
        turns += [{"role": "user", "content": example}, {"role": "assistant", "content": name}]
    return [*turns, {"role": "user", "content": text}]


@wrong("few_shot_turns", "you want the bare label back")
def examples_answered_in_prose(text, labels, examples):
    turns = [_system(labels)]
    for example, name in examples:
        turns += [{"role": "user", "content": example}, {"role": "assistant", "content": f"I think it is {name}."}]
    return [*turns, {"role": "user", "content": _clean(text)}]


@wrong("few_shot_turns", "another wording than in the examples")
def question_in_another_form(text, labels, examples):
    turns = [_system(labels)]
    for example, name in examples:
        turns += [{"role": "user", "content": example}, {"role": "assistant", "content": name}]
    return [*turns, {"role": "user", "content": f"Which label fits this text? {_clean(text)}"}]


@wrong("few_shot_turns", "The last turn is the `user`'s")
def begins_the_answer(text, labels, examples):
    return [_system(labels), {"role": "user", "content": text}, {"role": "assistant", "content": "The label is"}]


@wrong("few_shot_turns", "one turn of the role `system`")
def no_system_turn(text, labels, examples):
    return [{"role": "user", "content": f"Is this {' or '.join(labels)}? {text}"}]


@right("few_shot_turns")
def by_the_package(text, labels, examples):
    return prompts.messages(text, prompts.as_labels(labels), prompts.TEMPLATES["labels"], examples)


@wrong("without_liking", "which doubles the bias")
def multiplied(proba, others):
    product = proba * others.mean(axis=0)
    return product / product.sum(axis=1, keepdims=True)


@wrong("without_liking", "no longer sum to one")
def not_scaled(proba, others):
    return proba / others.mean(axis=0)


@wrong("without_liking", "do not subtract")
def subtracted(proba, others):
    return proba - others.mean(axis=0)


@wrong("without_liking", "It should not depend on them")
def prior_of_the_judged(proba, others):
    divided = proba / proba.mean(axis=0)
    return divided / divided.sum(axis=1, keepdims=True)


@wrong("without_liking", "raised ValueError")
def mean_of_each_row(proba, others):
    return proba / others.mean(axis=1, keepdims=True)


@right("without_liking")
def in_logarithms(proba, others):
    scores = np.log(proba) - np.log(others.mean(axis=0))
    return np.exp(scores - np.logaddexp.reduce(scores, axis=1, keepdims=True))


@wrong("ask_within", "paid for twice")
def without_a_cache(texts, ask, bound, budget):
    answers, spent = [], 0
    for text in texts:
        label = None
        if spent + bound(text) <= budget:
            label, used = ask(text)
            spent += used
        answers.append(label)
    return answers


@wrong("ask_within", "after one timeout")
def one_attempt(texts, ask, bound, budget):
    known, spent = {}, 0
    for text in texts:
        if text not in known and spent + bound(text) <= budget:
            known[text], used = ask(text)
            spent += used
    return [known.get(text) for text in texts]


@wrong("ask_within", "was asked 5 times")
def five_attempts(texts, ask, bound, budget):
    known, spent = {}, 0
    for text in texts:
        for _ in range(5):
            if known.get(text) is None and spent + bound(text) <= budget:
                known[text], used = ask(text)
                spent += used
    return [known.get(text) for text in texts]


@wrong("ask_within", "When does your loop give up")
def until_it_answers(texts, ask, bound, budget):
    known = {}
    for text in texts:
        while known.get(text) is None:
            known[text], _ = ask(text)
    return [known[text] for text in texts]


@wrong("ask_within", "did not fit in the budget")
def looks_at_the_budget_too_late(texts, ask, bound, budget):
    known, spent = {}, 0
    for text in texts:
        for _ in range(2):
            if known.get(text) is None and spent < budget:
                known[text], used = ask(text)
                spent += used
    return [known.get(text) for text in texts]


@wrong("ask_within", "did not fit in the budget")
def failures_for_nothing(texts, ask, bound, budget):
    known, spent = {}, 0
    for text in texts:
        for _ in range(2):
            if known.get(text) is None and spent + bound(text) <= budget:
                known[text], used = ask(text)
                spent += used if known[text] else 0
    return [known.get(text) for text in texts]


@wrong("ask_within", "count the tokens it really used")
def pays_the_bound(texts, ask, bound, budget):
    known, spent = {}, 0
    for text in texts:
        for _ in range(2):
            if known.get(text) is None and spent + bound(text) <= budget:
                known[text], _used = ask(text)
                spent += bound(text)
    return [known.get(text) for text in texts]


@wrong("ask_within", "one for each text")
def what_is_finished_only(texts, ask, bound, budget):
    found = [ask(text)[0] for text in dict.fromkeys(texts)]
    return [label for label in found if label]


@right("ask_within")
def stops_at_the_first_that_does_not_fit(texts, ask, bound, budget):
    answers = dict.fromkeys(texts)
    for text in answers:
        attempts = 0
        while attempts < 2 and answers[text] is None:
            if bound(text) > budget:
                return [answers[text] for text in texts]
            answers[text], used = ask(text)
            budget, attempts = budget - used, attempts + 1
    return [answers[text] for text in texts]


def _bill(tokens_in, tokens_out, n, price_in, price_out, label_cost):
    money = (tokens_in * price_in + tokens_out * price_out) / 1e6
    return {"money": money, "even_at": label_cost / money * n}


@wrong("bill", "again with every text")
def instructions_once(fixed, texts, answer, *prices):
    return _bill(fixed + texts.sum(), len(texts) * answer, len(texts), *prices)


@wrong("bill", "at their own price")
def answers_for_nothing(fixed, texts, answer, *prices):
    return _bill(fixed * len(texts) + texts.sum(), 0, len(texts), *prices)


@wrong("bill", "prices are swapped")
def prices_swapped(fixed, texts, answer, price_in, price_out, labels):
    return _bill(fixed * len(texts) + texts.sum(), answer * len(texts), len(texts), price_out, price_in, labels)


@wrong("bill", "of a *million*")
def price_of_one_token(fixed, texts, answer, *prices):
    amount = _bill(fixed * len(texts) + texts.sum(), answer * len(texts), len(texts), *prices)
    return amount | {"money": amount["money"] * 1e6}


@wrong("bill", "return a number of texts")
def how_often_all_of_them(fixed, texts, answer, *prices):
    return _bill(fixed * len(texts) + texts.sum(), answer * len(texts), 1, *prices)


@right("bill")
def by_the_mean_text_and_rounded_up(fixed, texts, answer, price_in, price_out, label_cost):
    each = np.array([fixed + np.mean(texts), answer]) @ [price_in / 1e6, price_out / 1e6]
    return {"money": each * len(texts), "even_at": int(np.ceil(label_cost / each))}


def _launch(**other):
    expect = items._study().query("shots == 0")["accuracy"].mean()
    return {"tomorrow": "prompt", "expect": expect, "labels": 800, "then": "TF-IDF"} | other


@wrong("launch", "What could TF-IDF learn from")
def tfidf_at_once():
    return _launch(tomorrow="TF-IDF")


@wrong("launch", "Choosing it takes labelled rows")
def the_best_wording():
    return _launch(expect=items._study().query("shots == 0")["accuracy"].max())


@wrong("launch", "which is too optimistic")
def the_best_of_all():
    return _launch(expect=items._study()["accuracy"].max())


@wrong("launch", "only one draw")
def the_best_draw():
    return _launch(labels=400)


@wrong("launch", "which you cannot choose without labels")
def against_the_best_wording():
    return _launch(labels=1600)


@wrong("launch", "the last row of the curve")
def keeps_the_prompt():
    return _launch(then="prompt")


@right("launch")
def typed_from_the_tables():
    return {"tomorrow": "prompt", "expect": 0.647, "labels": 800.0, "then": "TF-IDF"}


@wrong("quiz", "Large models write sentences too", lesson="10")
def trusts_prose():
    return {"prose": "a", "hundred": "a", "prior": "c", "injection": "b", "control": "a"}


@wrong("quiz", "in the lesson it did not help", lesson="10")
def trusts_marks():
    return {"prose": "b", "hundred": "a", "prior": "c", "injection": "a", "control": "a"}


@right("quiz", lesson="10")
def with_spaces():
    return {"prose": " b ", "hundred": "a", "prior": "(c)", "injection": "B", "control": "a"}
