# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 4 · Fine-tuning a transformer
#
# **You will learn** to
#
# - see a sentence as a model sees it, in word pieces;
# - fine-tune an encoder with today's `Trainer`: metrics, best state kept, saved so that anybody can load it;
# - say what padding costs, and stop paying it;
# - tell a better setting from a luckier seed;
# - find the sentences where a transformer beats word counts, and the task where it does not.
#
# **Before you start**: lesson 2, for the baseline that has to be beaten. Everything here runs on its own.

# %% [markdown] tags=["times"]
# | read | wait on 2 cores |
# |---|---|

# %%
from textclf_lesson import course

course.setup()

# %% [markdown]
# ## 4.1 What does the model read?
#
# To a bag of words, a sentence is a heap: *not a bad premise, just a bad movie* and *not a bad movie, just a bad
# premise* are the same. A **transformer** reads words in their order, each in the light of all others (Vaswani et al.,
# 2017). BERT (Devlin et al., 2019) is one that was trained beforehand, on books and Wikipedia, to guess words that had
# been blanked out. So it knows English before it has seen one film review. We only teach it the last step.
#
# Our encoder is **MiniLM**: six layers, small enough for a laptop. It has some thirty thousand *pieces* of words, and
# every text is spelled with them.

# %%
from transformers import AutoTokenizer

from textclf_lesson import data, models

movies = data.load("movie-snippets")
encoder = models.locate("minilm")  # a folder; the id of a model on the Hugging Face hub would do as well
tokenizer = AutoTokenizer.from_pretrained(encoder)

sentence = next(text for text in movies["train"]["text"] if "not a bad premise" in text)
print(sentence)
print(*tokenizer(sentence).tokens(), sep=" · ")
print(*tokenizer("unfilmable").tokens(), sep=" · ")

# %% [markdown]
# `[CLS]` opens every text: what the model finds out about the *whole* is read off there. `[SEP]` closes it. A word that
# the list does not hold is spelled from pieces, and `##` marks a piece that continues a word. There is no unknown word.
#
# A batch is a rectangle, and sentences are not equally long. The short ones are filled up with `[PAD]`, and a mask says
# which places count.

# %%
import pandas as pd

batch = tokenizer(["A gem!", sentence], padding=True)
rows = []
for number in range(2):
    rows += [batch.tokens(number), batch["attention_mask"][number]]
table = pd.DataFrame(rows, index=["first", "counts", "second", "counts"])
table.columns = [""] * table.shape[1]
table

# %%
pads = sum(piece == "[PAD]" for piece in batch.tokens(0))
course.claim("more than half of the first row is padding", pads > len(batch.tokens(0)) / 2)

# %% [markdown]
# Keep those pads in mind: the model multiplies them like words. In 4.4 we measure what they cost.

# %% [markdown]
# ## 4.2 How do you fine-tune, step by step?
#
# This is the recipe of the textbooks, in the names of today, on a thousand sentences so that it is quick. First, text
# into numbers. `map` does it for every row of a split.

# %%
import datasets

small = datasets.DatasetDict(
    train=movies["train"].shuffle(seed=0).select(range(1000)),
    validation=movies["validation"].shuffle(seed=0).select(range(400)),
)
encoded = small.map(lambda rows: tokenizer(rows["text"], truncation=True, max_length=64), batched=True)
encoded = encoded.select_columns(["input_ids", "attention_mask", "label"])
encoded["train"][0]

# %% [markdown]
# Next the model: the pretrained encoder, and on top of `[CLS]` a new layer with one output per class. The new layer
# starts from random numbers, so there is a seed. Give the classes their names now; whoever loads the model later will
# be grateful.

# %%
import torch
from transformers import AutoModelForSequenceClassification

names = data.label_names(movies)
torch.manual_seed(0)
with models.quiet():
    model = AutoModelForSequenceClassification.from_pretrained(
        encoder, num_labels=2, id2label=dict(enumerate(names)), label2id={name: i for i, name in enumerate(names)}
    )
pieces = model.get_input_embeddings().weight.numel()
print(f"{model.num_parameters() / 1e6:.1f} million parameters, {pieces / 1e6:.1f} of them the vectors of word pieces")
print(f"the new layer: {model.classifier.weight.numel() + model.classifier.bias.numel()}")

# %% [markdown]
# What shall it be judged by? `Trainer` hands over outputs and truth, and shows whatever the function returns.
# *Weighted* means: computed for each class, then averaged, each class counting as often as it occurs.

# %%
from sklearn.metrics import accuracy_score, precision_recall_fscore_support


def compute_metrics(prediction):
    """Accuracy, and weighted precision, recall and F1, of the outputs (rows, classes) that Trainer hands over."""
    truth, guess = prediction.label_ids, prediction.predictions.argmax(axis=1)
    scores = precision_recall_fscore_support(truth, guess, average="weighted", zero_division=0)
    return {"accuracy": accuracy_score(truth, guess)} | dict(zip(["precision", "recall", "f1"], scores, strict=False))


# %% [markdown]
# Then the settings. Five of them deserve a thought:
#
# - `learning_rate`: how far each step moves the weights. Too small learns nothing, too large destroys what was
#   pretrained. Section 4.5 shows both.
# - `warmup_steps=0.1`: during the first tenth of the steps it rises from zero, then it falls to zero again.
# - `eval_strategy` and `save_strategy`: judge and keep the state after each epoch (one pass over the rows).
# - `load_best_model_at_end`: go back to the best of those states. The last need not be the best.

# %%
import tempfile

from transformers import DataCollatorWithPadding, PrinterCallback, Trainer, TrainingArguments

from textclf_lesson import finetuning

arguments = TrainingArguments(
    output_dir=tempfile.mkdtemp(),
    num_train_epochs=2,
    per_device_train_batch_size=16,
    learning_rate=1e-4,
    warmup_steps=0.1,
    eval_strategy="epoch",
    save_strategy="epoch",
    load_best_model_at_end=True,
    metric_for_best_model="accuracy",
    seed=0,
)
trainer = Trainer(
    model,
    arguments,
    train_dataset=encoded["train"],
    eval_dataset=encoded["validation"],
    processing_class=tokenizer,
    data_collator=DataCollatorWithPadding(tokenizer),
    compute_metrics=compute_metrics,
    callbacks=[finetuning.ProgressBar],
)
trainer.remove_callback(PrinterCallback)  # our bar instead of its lines

# %% [markdown]
# Two passes over a thousand sentences. **Guess**: what accuracy on sentences it has not seen? (A coin gets one half;
# TF-IDF on all seven thousand rows gets about eight in ten.)

# %% tags=["nbval-ignore-output"]
trainer.train()
history = pd.DataFrame(trainer.state.log_history).dropna(subset="eval_accuracy").set_index("epoch")
history = history.filter(regex="eval_(loss|accuracy|precision|recall|f1)").rename(columns=lambda c: c[5:])
history.round(3)

# %%
course.claim("a thousand sentences are enough to be far better than a coin", history["accuracy"].max() > 0.7)

# %% [markdown]
# Last, save it. A folder with the weights (*safetensors*: numbers only, nothing that runs when it is read), the
# configuration and the tokeniser is all that another program needs. Here that program is transformers' own `pipeline`.

# %%
from pathlib import Path

from transformers import pipeline

folder = Path(tempfile.mkdtemp())
trainer.save_model(folder)
with models.quiet():
    classify = pipeline("text-classification", model=str(folder))
answer = classify("A gem: funny, moving and beautifully acted.")[0]
print(answer["label"])
print(*sorted(path.name for path in folder.iterdir() if path.suffix != ".bin"))

# %%
course.claim("it reads praise as praise", answer["label"] == "positive")

# %% [markdown]
# ### If your snippet is older
#
# Most of what is found on the web about this was written for transformers 4. Here is what stops it today:
#
# | you find | write |
# |---|---|
# | `TrainingArguments(evaluation_strategy=…)` | `eval_strategy=…` |
# | `warmup_ratio=0.1` | `warmup_steps=0.1` (below one it is a share) |
# | `no_cuda=True` | `use_cpu=True` |
# | `group_by_length=True` | `train_sampling_strategy="group_by_length"` |
# | `logging_dir`, `overwrite_output_dir`, `save_safetensors` | leave out |
# | `Trainer(tokenizer=…)` | `processing_class=…` |
# | `from transformers import AdamW` | `torch.optim.AdamW` |
# | `tokenizer.encode_plus(…)`, `batch_encode_plus(…)` | `tokenizer(…)` |
# | `pipeline(…, return_all_scores=True)` | `top_k=None`; the old name is ignored in silence |
# | `load_dataset("glue", "sst2")` | `load_dataset("nyu-mll/glue", "sst2")` |
# | `torch.load("model.bin")` | `save_pretrained` and `from_pretrained`, which use safetensors |
#
# The left column is checked here against what is installed, so this table cannot grow old unnoticed.

# %%
import inspect

import transformers

known = set(inspect.signature(TrainingArguments).parameters)
old = ["evaluation_strategy", "warmup_ratio", "no_cuda", "group_by_length", "logging_dir", "overwrite_output_dir",
       "save_safetensors"]  # fmt: skip
course.claim("these settings are gone", known.isdisjoint(old))
course.claim("these are there", known.issuperset(["eval_strategy", "warmup_steps", "use_cpu", "train_sampling_strategy"]))
course.claim("Trainer's tokenizer is gone", "tokenizer" not in inspect.signature(Trainer).parameters)
course.claim("so is AdamW", not hasattr(transformers, "AdamW"))
course.claim("and encode_plus", not hasattr(tokenizer, "encode_plus"))

# %% [markdown]
# ## 4.3 What do all rows give, and is it better than words?
#
# The package has the same recipe behind the interface you know from lesson 2: `fit`, `predict`, `predict_proba`. Its
# heart is one function around `Trainer`. **Read it and find** the three lines that make it quick.

# %%
course.show_source(finetuning.train)

# %% [markdown]
# `models.checkpoint` trains such a classifier on all rows, once, and keeps it: the lessons on attention, export and
# serving use the same one. The first time takes about a minute on two cores. Its recipe was chosen on validation rows;
# the test rows below take part for the first time.

# %%
sentiment = models.checkpoint("sentiment")
pd.Series(models.RECIPES["sentiment"].settings, name="recipe").to_frame()

# %% [markdown]
# Now the strongest of lesson 2's quick models on the same rows. The table has 95 % intervals from the bootstrap.
# **Guess first**: how many points lie between them?

# %% tags=["nbval-ignore-output"]
from textclf_lesson import baselines, metrics

words = baselines.pipeline("tfidf-2gram", "logreg").fit(*models.columns(movies["train"]))
texts, truth = models.columns(movies["test"])
said = {"TF-IDF": words.predict(texts), "transformer": sentiment.predict(texts)}
reports = {name: metrics.report(truth, guess) for name, guess in said.items()}
gain = metrics.difference(truth, said["TF-IDF"], said["transformer"])
print(f"accuracy of the transformer minus TF-IDF's, with its interval: {gain}")
pd.concat({name: report.summary() for name, report in reports.items()}).unstack(0).swaplevel(axis=1).sort_index(axis=1)

# %%
course.claim("the transformer beats TF-IDF by five points and more", gain.value >= 0.05)
course.claim("and that is no luck of the test rows", gain.clear)

# %% [markdown]
# A clear win, and what does it cost? Minutes instead of a second to train, megabytes to ship, milliseconds for every
# answer.

# %% tags=["nbval-ignore-output"]
weights = sentiment.folder_ / "model.safetensors"
latency = {name: metrics.latency(m.predict, texts, n=50) for name, m in {"TF-IDF": words, "transformer": sentiment}.items()}
cost = pd.DataFrame(
    {"megabytes": [baselines.size_bytes(words) / 1e6, weights.stat().st_size / 1e6],
     "ms per text": [entry.median for entry in latency.values()]}, index=latency
)  # fmt: skip
cost["accuracy"] = [report.accuracy for report in reports.values()]
cost.round(2)

# %%
course.claim("the better model is the heavier one", cost["megabytes"].is_monotonic_increasing)

# %% [markdown]
# ## 4.4 What does padding cost?
#
# The tutorials write `padding="max_length"`: every text is filled up to a fixed length, often 128. It is simple, and
# every batch has the same shape. **Before you run the next cell, guess**: of the places that the model computes, what
# share holds a real piece of a word?

# %%
import numpy as np

lengths = np.array([len(ids) for ids in tokenizer(movies["train"]["text"][:], truncation=True)["input_ids"]])
rng = np.random.default_rng(0)


def places(batches):
    """How many places the model computes, if each batch is as wide as its longest text."""
    return sum(len(batch) * batch.max() for batch in batches)


mixed = np.split(rng.permutation(lengths)[:6976], 218)  # batches of 32
alike = np.split(np.sort(np.concatenate(mixed)), 218)
filled = pd.Series(
    {"filled to 128": 128 * 6976, "filled to the batch's longest": places(mixed), "and batches of like length": places(alike)},
    name="places computed",
).to_frame()
filled["share that is text"] = sum(batch.sum() for batch in mixed) / filled["places computed"]
filled.round(3)

# %%
share = filled["share that is text"]
course.claim("filled to 128, four of five places are padding", share.iloc[0] < 0.25)
course.claim("with batches of like length hardly any is", share.iloc[2] > 0.95)

# %% [markdown]
# `DataCollatorWithPadding` fills to the longest of the batch, `train_sampling_strategy="group_by_length"` puts like
# lengths together. A third saving has nothing to do with padding: newer processors multiply **bfloat16**, numbers of
# the same range with fewer digits, several times as fast as float32. The weights stay float32, only the products are
# rounded. `finetuning.has_bf16()` says whether yours can.
#
# What is that in seconds? This is one step of training, four times over, as `Trainer` does it inside.

# %%
import copy
import time


def time_steps(batches, bf16=False, **padding):
    """Seconds for a training step on each batch (a list of rows without padding)."""
    model_copy = copy.deepcopy(model).train()
    optimiser = torch.optim.AdamW(model_copy.parameters(), lr=1e-4, fused=True)
    began = time.perf_counter()
    for batch in batches:
        inputs = tokenizer.pad(batch, **{"padding": True} | padding, return_tensors="pt").to(model_copy.device)
        with torch.autocast(model_copy.device.type, torch.bfloat16, enabled=bf16):
            loss = model_copy(**inputs).loss
        loss.backward()
        optimiser.step()
        optimiser.zero_grad()
    return time.perf_counter() - began


# %% [markdown]
# Five batches of 32, on your machine, right now. **Which of the three savings will be the largest?**

# %% tags=["nbval-ignore-output"]
rows = finetuning.rows(tokenizer, movies["train"].shuffle(seed=1)["text"][:160], 128, [0, 1] * 80)
cut = lambda rows: [rows[start : start + 32] for start in range(0, 160, 32)]  # noqa: E731
alike = cut(sorted(rows, key=lambda row: len(row["input_ids"])))
variants = {
    "filled to 128": (cut(rows), {"padding": "max_length", "max_length": 128}),
    "filled to the batch's longest": (cut(rows), {}),
    "and batches of like length": (alike, {}),
    "and bfloat16, if the machine has it": (alike, {"bf16": finetuning.has_bf16()}),
}
time_steps(alike[:1])  # the first step of a process is always slow
seconds = {name: time_steps(*v[:1], **v[1]) for name, v in course.progress(variants.items(), "four ways")}
seconds = pd.Series(seconds, name="seconds").to_frame()
seconds["times as fast"] = seconds["seconds"].iloc[0] / seconds["seconds"]
seconds.round(1)

# %%
model.eval()
with torch.inference_mode():
    narrow = model(**tokenizer.pad(alike[0], padding=True, return_tensors="pt")).logits
    wide = model(**tokenizer.pad(alike[0], padding="max_length", max_length=128, return_tensors="pt")).logits
course.claim("padding changes no answer: the mask hides it", torch.allclose(narrow, wide, atol=1e-4))

# %% [markdown]
# Seconds on a busy machine are rough. [The benchmark page](../docs/benchmarks.md) has the comparison in five turns with
# its spread, and shows that both ways arrive at the same accuracy. **For you this means**: before you ask for a GPU,
# look at what share of the work is padding.

# %% [markdown]
# ## 4.5 Is it the setting, or the seed?
#
# Two colleagues fine-tune the same model. One has a learning rate of her own and is half a point better. Is it the rate?
# The seed decides over the new layer's first weights and the order of the rows, and it too moves the result (Dodge et
# al., 2020). The only way to know is to run each setting with several seeds.
#
# Here that is thirty-six runs, too long for a lesson, so they were made once by `studies/learning_rate.py` and stored.
# **Guess before you look**: how far apart are three seeds with everything else the same? And what happens at eight
# times the rate of our recipe?

# %%
import json

import matplotlib.pyplot as plt

from textclf_lesson import plots

study = json.loads(Path("../studies/results/learning_rate.json").read_text(encoding="utf-8"))
runs = pd.DataFrame([run["settings"] | run["result"] for run in study["runs"]])
fig, axis = plt.subplots(figsize=(7, 3.8))
for (size, group), marker, dash in zip(runs.groupby("rows"), plots.MARKERS, plots.DASHES, strict=False):
    at = group.groupby("learning_rate")["accuracy"].agg(["mean", "min", "max"])
    bounds = [at["mean"] - at["min"], at["max"] - at["mean"]]
    axis.errorbar(at.index, at["mean"], yerr=bounds, marker=marker, linestyle=dash, capsize=4, label=f"{size:,} rows")
axis.set(title="Three seeds at each learning rate: mean, least and greatest", xscale="log",
         xlabel="learning rate (logarithmic)", ylabel="accuracy on validation")  # fmt: skip
axis.legend(title="trained on")
plots.show(
    fig,
    alt="Accuracy on validation against the learning rate, for training on 1,000 and on 7,000 sentences, each with the "
    "spread over three seeds. Both curves rise, have a broad top, and fall towards the largest rate.",
)

# %%
full = runs[runs["rows"] == 7000].groupby("learning_rate")["accuracy"].agg(["mean", "std", "min", "max"])
full.round(3)

# %% [markdown]
# How large a difference means anything? With three seeds, mean $m$ and standard deviation $s$, a *further* run falls
# within $m \pm t\,s\sqrt{1 + 1/3}$ in 95 of 100 cases, where $t$ for three values is about four. That is wide, and it is
# the honest width: three runs say little of the fourth.

# %%
from scipy.stats import t


def next_run(accuracies):
    """95 % prediction interval for one more run with another seed, runs taken as normally distributed."""
    mean, spread, n = accuracies.mean(), accuracies.std(), len(accuracies)
    width = t.ppf(0.975, n - 1) * spread * np.sqrt(1 + 1 / n)
    return mean - width, mean + width


best = full["mean"].idxmax()
recipe = sentiment.get_params()["learning_rate"]
same = runs[(runs["rows"] == 1000) & (runs["learning_rate"] == recipe)]["accuracy"]
low, high = next_run(same)
print(f"the rate with the best mean: {best:g}; our recipe's: {recipe:g}")
print(f"1,000 rows at our rate: three seeds gave {same.min():.3f} to {same.max():.3f}; the next is expected in "
      f"{low:.3f} to {high:.3f}")  # fmt: skip

# %% [markdown]
# A stored result can be wrong, or be of another model than the one you have. So we run one more, here and now, with a
# seed that the study did not use.

# %% tags=["nbval-ignore-output"]
from textclf_lesson.transformer import TransformerClassifier

few = movies["train"].shuffle(seed=0).select(range(1000))
live = TransformerClassifier(**models.RECIPES["sentiment"].settings | {"seed": 3}).fit(*models.columns(few))
accuracy = live.score(*models.columns(movies["validation"]))
print(f"{accuracy:.3f}")

# %%
course.claim("the run of today lies where the study says it should", low <= accuracy <= high)
course.claim("a rate many times too large ruins the model", full["mean"].iloc[-1] < full["mean"].max() - 0.02)

# %% [markdown]
# **The rule**: a difference smaller than the spread over seeds is no result. Report the mean of several seeds, or say
# that you ran one. And choose on validation rows: the test is for the one recipe that is left.

# %% [markdown]
# ## 4.6 Where does it beat words, and where not?
#
# An average hides *which* sentences were won. The transformer reads order, so it should win where one word turns
# another around: **negation** (*not*, *never*, *hardly*) and **contrast** (*but*, *although*). **Guess**: in which of
# the three groups below does it win most, and does it lose any?

# %% tags=["nbval-ignore-output"]
test = movies["test"].to_pandas()
patterns = {
    "negation": r"\b(?:not|no|never|nothing|neither|nor|without|hardly|barely|cannot)\b|n't",
    "contrast": r"\b(?:but|although|though|however|yet|despite|while)\b",
}
groups = {name: test["text"].str.contains(pattern, case=False) for name, pattern in patterns.items()}
groups["neither"] = ~(groups["negation"] | groups["contrast"])
right = pd.DataFrame({name: guess == np.array(truth) for name, guess in said.items()})
table = {}
for name, mask in groups.items():
    difference = metrics.difference(*(np.array(column)[mask] for column in (truth, *said.values())))
    table[name] = [mask.sum(), *right[mask].mean(), difference.value, difference.low, difference.high]
table = pd.DataFrame(table, index=["sentences", *said, "difference", "low", "high"]).T
table.astype({"sentences": int}).round(3)

# %%
course.claim("it wins where there is negation, beyond chance", table.loc["negation", "low"] > 0)
course.claim("and where there is neither", table.loc["neither", "low"] > 0)

# %% [markdown]
# Numbers say that; sentences say why. These are the ones where the two disagree most: the transformer is right and sure,
# TF-IDF is wrong and sure.

# %% tags=["nbval-ignore-output"]
positive = pd.DataFrame(
    {"TF-IDF": words.predict_proba(texts)[:, 1], "transformer": sentiment.predict_proba(texts)[:, 1]}
)
looks = pd.concat([test["text"], positive.round(2)], axis=1).assign(truth=truth)
apart = (positive["transformer"] - positive["TF-IDF"]).abs()
won = looks[right["transformer"] & ~right["TF-IDF"]].assign(apart=apart).nlargest(8, "apart")
won[["truth", "TF-IDF", "transformer", "text"]]

# %%
both_ways = (right["transformer"] & ~right["TF-IDF"]).sum(), (~right["transformer"] & right["TF-IDF"]).sum()
course.claim("there are sentences that each reads better", min(both_ways) > 20)

# %% [markdown]
# And these it loses, though TF-IDF gets them. **Look for a pattern**: irony? Names? A sentence whose last words turn it
# around?

# %% tags=["nbval-ignore-output"]
lost = looks[~right["transformer"] & right["TF-IDF"]].assign(apart=apart).nlargest(8, "apart")
lost[["truth", "TF-IDF", "transformer", "text"]]

# %%
course.claim("the transformer wins more of them than it loses", both_ways[0] > both_ways[1])

# %% [markdown]
# Now the other side. A review's verdict hangs on how words are put together. The topic of a newswire article hangs on
# *which* words there are. Both models learn from the same thousand articles of Reuters, eight topics. **Guess who wins,
# and by how much.**

# %% tags=["nbval-ignore-output"]
reuters = data.load("reuters-r8")
learn = models.columns(reuters["train"].shuffle(seed=0).select(range(1000)))
judge = models.columns(reuters["test"].shuffle(seed=0).select(range(800)))
svm = baselines.pipeline("tfidf", "svm").fit(*learn)
topic = TransformerClassifier(max_length=64, epochs=2, learning_rate=2e-4).fit(*learn)
answers = {"TF-IDF + SVM": svm.predict(judge[0]), "transformer": topic.predict(judge[0])}
topics = {name: metrics.report(judge[1], answer) for name, answer in answers.items()}
pd.DataFrame({name: [r.accuracy, r.macro_f1] for name, r in topics.items()}, index=["accuracy", "macro F1"]).T.round(3)

# %%
edge = metrics.difference(judge[1], *answers.values())
course.claim("on topics the transformer is not five points better", edge.low < 0.05)

# %% [markdown]
# **For you this means**: ask what carries the answer. If single words do, stay with level one, which trains in a second
# and answers in a fraction of a millisecond. If their order does, the minute is well spent.

# %% [markdown]
# ## 4.7 Another data set, another encoder
#
# Nothing above was about films. The same lines run on any set of `data.load`, and with any encoder: change a name.
#
# ```python
# reviews = data.load("sst2", source="hub")            # or source="folder/with/train.tsv"
# model = TransformerClassifier("google-bert/bert-base-uncased", learning_rate=3e-5, max_length=64)
# model.fit(*models.columns(reviews["train"]), eval_set=models.columns(reviews["validation"]))
# model.save("my-model")
# ```
#
# | encoder | its id on the hub | learning rate to begin with |
# |---|---|---|
# | BERT, English | `google-bert/bert-base-uncased` | 3e-5 |
# | RoBERTa | `FacebookAI/roberta-base` | 2e-5 |
# | DeBERTa v3 | `microsoft/deberta-v3-base` | 2e-5 |
# | ruBERT, Russian | `DeepPavlov/rubert-base-cased` | 3e-5 |
# | ModernBERT | `answerdotai/ModernBERT-base` | 5e-5 |
#
# These are four to eight times as large as MiniLM: on all of SST-2 take a machine with a GPU, which the same lines use
# by themselves. Larger encoders want smaller rates, which is the first thing to check when one learns nothing.

# %% [markdown]
# ## Recap
#
# - A tokeniser spells every text from pieces; `[CLS]` stands for the whole, `[PAD]` for nothing.
# - Fine-tuning is: pretrained encoder, new layer, small learning rate with warm-up, judge on validation, keep the best
#   state, save as safetensors with the tokeniser beside.
# - Pad to the longest of the batch, put like lengths together, use bfloat16 where there is hardware for it.
# - Three seeds before you believe in a setting.
# - A transformer earns its price where the order of words matters. Where words alone tell, it does not.
#
# **To go further**: Vaswani et al. 2017, *Attention Is All You Need*; Devlin et al. 2019, *BERT*; Wang et al. 2020,
# *MiniLM*; Sun et al. 2019, *How to Fine-Tune BERT for Text Classification?*; Dodge et al. 2020, *Fine-Tuning
# Pretrained Language Models: Weight Initializations, Data Orders, and Early Stopping*.
#
# **Now you**, in the cells above:
#
# 1. In 4.2, train with `learning_rate=2e-3`. What does the table of epochs show, and what does `load_best_model_at_end`
#    save you from?
# 2. In 4.6, write a pattern of your own (questions? sentences under eight words? names?). Is there a group where the
#    transformer loses, beyond chance?
# 3. Your product gets forty million short texts a day and the two models above are what you have. Which one do you ship,
#    and what would change your mind?
#
# **Next**: lesson 5 lets one text carry several labels, and writes the training loop by hand.
