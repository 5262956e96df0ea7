"""The assets that grading an assignment needs in the cache: for its checks, and for the cells of the exercise."""

from textclf_lesson.assets import cache

# Assignment: assets. tests/exercises/test_fairness.py compares this table with the code.
ASSETS = {
    "01": ("snippets", "newsgroups-reuters"),
    "02": ("snippets",),
    "03": ("snippets", "newsgroups-reuters", "russian-senses", "chinese-reviews"),
    "04": ("snippets", "minilm"),
    "05": ("wiki-comments",),
    "06": ("newsgroups-reuters", "wiki-comments"),
    "07": ("snippets", "wordnet"),
    "08": ("wiki-comments",),
    "09": ("snippets", "minilm"),
    "10": ("snippets", "newsgroups-reuters"),
    "11": ("snippets", "minilm"),
    "12": ("snippets",),
    "13": ("snippets",),
    "14": (),
    "15": ("wiki-comments",),
}


def missing(assignment: str) -> list[str]:
    """The assets that an assignment ("01_framing") needs and the cache lacks, or holds damaged; reads every file."""
    return [name for name in ASSETS.get(assignment[:2], ()) if cache.verify(name)]


def prepare(assignment: str) -> None:
    """Make the files that are made on first use. A submission cannot: its cache is read-only.

    Raises AssetError, ModelError or OSError if that is not possible.
    """
    if "wordnet" in ASSETS.get(assignment[:2], ()):
        from textclf_lesson.training import wordnet

        wordnet.synonyms("film")
    if assignment[:2] == "09":
        from textclf_lesson.models import checkpoints

        checkpoints.load("sentiment")
