"""What grading an assignment needs in the cache: what its checks read, and the cells of the exercise itself."""

from textclf_lesson.assets import cache

# Assignment: assets. tests/exercises/test_fairness.py holds the table against the code.
ASSETS = {
    "01": ("snippets", "newsgroups-reuters"),
    "02": ("snippets",),
    "03": ("snippets", "newsgroups-reuters", "russian-senses", "chinese-reviews"),
    "04": ("snippets", "newsgroups-reuters", "minilm"),
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
    """The assets that an assignment ("01_framing") needs and the cache lacks, or holds damaged; every file is read."""
    return [name for name in ASSETS.get(assignment[:2], ()) if cache.verify(name)]


def prepare(assignment: str) -> None:
    """Make in the cache what is made on first use. A submission could not: to it, the cache is read-only.

    Raises AssetError, ModelError or OSError if that is not possible.
    """
    if "wordnet" in ASSETS.get(assignment[:2], ()):
        from textclf_lesson.training import wordnet

        wordnet.synonyms("film")
    if assignment[:2] == "09":
        from textclf_lesson.models import checkpoints

        checkpoints.load("sentiment")
