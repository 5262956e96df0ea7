"""What a lesson uses, `textclf fetch --lesson` brings: else its first reader without a network stands there alone."""

import re
from pathlib import Path

import nbformat
import pytest

from textclf_lesson.assets import cache

LESSONS = sorted((Path(__file__).parents[2] / "notebooks").glob("*.ipynb"))
# What a cell must say to need an asset. A checkpoint needs the texts it is trained on, and the encoder.
USES = {
    "snippets": r'load\("(movie-snippets|tweets|amazon-snippets|nyt-snippets)|checkpoint\("sentiment"',
    "wiki-comments": r'load\("wiki-|checkpoint\("toxicity"',
    "newsgroups-reuters": r'load\("(newsgroups|reuters)',
    "russian-senses": r'load\("russian-senses',
    "chinese-reviews": r'load\("chinese-reviews',
    "disaster": r'load\("disaster',
    "minilm": r"\b(TransformerClassifier|checkpoint|encoder|embed|locate)\(",
    "smollm2": r"\b(LocalLLM|LocalServer|local_server\.\w+|Paraphraser?)\(",
    "wordnet": r"\bEDA\(",
}


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_the_catalogue_names_the_lesson(path):
    code = "\n".join(cell.source for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code")
    used = [name for name, pattern in USES.items() if re.search(pattern, code)]
    lacking = [name for name in used if path.name[:2] not in cache.catalog()[name].lessons]
    assert not lacking, f'add "{path.name[:2]}" to the lessons of {lacking} in catalog.toml'


def test_the_patterns_are_of_assets_and_find_them():
    assert set(USES) <= set(cache.catalog())
    code = 'x = data.load("wiki-binary"); y = models.checkpoint("sentiment")'
    found = [name for name, pattern in USES.items() if re.search(pattern, code)]
    assert found == ["snippets", "wiki-comments", "minilm"]
