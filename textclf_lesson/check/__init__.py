"""Feedback for learners: `check.<item>(answer)` prints what is right, or says in one sentence what to look at next.

A check tests what an answer does, never how it is written, and does not show the solution. The items of a lesson stand
in one module, its quiz in `quizzes/NN.toml`. "Writing an exercise" in CONTRIBUTING.md says how to add one.
"""

import difflib
from importlib import import_module
from typing import Any

from textclf_lesson.check.core import CheckFailed, NotYet
from textclf_lesson.check.quiz import questions, quiz
from textclf_lesson.check.rubric import rubric

__all__ = ["ITEMS", "CheckFailed", "NotYet", "questions", "quiz", "rubric"]

# module of a lesson's items: its items. A module is imported when one of them is asked for.
ITEMS = {
    "framing": ["kind_of_problem", "price", "split_then_copy", "promise", "kappa"],
    "baselines": ["tfidf_weight", "unseen_probabilities", "paired_interval", "surest_mistakes", "choose"],
    "fasttext": ["letter_pieces", "training_lines", "repair", "shrink_cost", "level_for_the_shop"],
    "finetuning": ["word_pieces", "todays_settings", "padded_places"],
    "gains": ["seed_or_setting", "where_it_pays"],
    "prompting": ["few_shot_turns", "without_liking", "ask_within"],
    "billing": ["bill", "launch"],
    "serving": ["answer_body", "serve_burst"],
    "monitoring": ["drift", "alarm_line", "blind_spots"],
    "focal": ["multilabel_focal_loss"],
    "imbalance": ["behind_accuracy", "resampled_folds", "remedy"],
    "capstone": ["explore", "weighted_focal", "enlarge_training", "multilabel_probabilities"],
    "judging": ["report_labels", "verdicts", "false_alarms", "single_label_ceiling"],
    "stress": ["latency_of", "survivors"],
    "handing_in": ["predictions_file", "f1_by_label", "served_model"],
    "attention": ["head_attention", "habits", "cls_flow", "show_which"],
    "toxicity": ["head_step", "cut_and_judge"],
    "multilabel": ["labels_reached", "foreseen_f1", "one_or_six"],
    "deployment": ["export_file", "same_answers", "on_your_mix"],
    "quantising": ["int8_columns", "how_few_bits"],
    "opinions": ["pooled", "calibrated"],
    "errors": ["sort_alarms", "whom_it_hits", "failure_rate"],
    "choice": ["worth_a_look", "run_again"],
    "planning": ["pick_level", "two_weeks"],
    "augmentation": ["replaced", "read_variants", "augmented_split", "afternoon"],
}


def __getattr__(name: str) -> Any:
    for module, items in ITEMS.items():
        if name in items:
            return getattr(import_module(f"{__name__}.{module}"), name)
    near = difflib.get_close_matches(name, __dir__(), n=1)
    guess = f" Did you mean check.{near[0]}?" if near else ""
    raise AttributeError(f"There is no check.{name}.{guess}")


def __dir__() -> list[str]:
    return [*__all__, *(name for items in ITEMS.values() for name in items)]
