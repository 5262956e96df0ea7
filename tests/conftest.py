"""Shared by the tests: small notebooks to run, written into a temporary folder."""

import signal
from pathlib import Path

import nbformat
import pytest

# A shell without job control starts `make test &` with SIGINT ignored, and so would all that the tests start and
# interrupt. Whoever handles a signal hands its default down.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def make_notebook(tmp_path):
    """A function that writes a notebook of the given sources and returns its path; `# …` sources are Markdown."""

    def make(*sources: str, name: str = "07_trial.ipynb") -> Path:
        notebook = nbformat.v4.new_notebook()
        for source in sources:
            kind = nbformat.v4.new_markdown_cell if source.startswith("# ") else nbformat.v4.new_code_cell
            notebook.cells.append(kind(source))
        path = tmp_path / name
        nbformat.write(notebook, path)
        return path

    return make
