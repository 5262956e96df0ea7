"""A learner before a notebook: a fresh kernel whose requests say that somebody can be asked, as a front end's do."""

import os
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbformat import NotebookNode

from tests.exercises import submissions

LIMIT = 1800  # seconds a cell may take; only ends what hangs


class LearnersClient(NotebookClient):
    """nbclient's, before which somebody sits."""

    async def async_start_new_kernel_client(self, **options):
        client = await super().async_start_new_kernel_client(**options)
        client.allow_stdin = True
        return client


def run(notebook: NotebookNode, folder: Path, *, attended: bool = True, **options) -> NotebookNode:
    """Run all cells in a fresh kernel; raises CellExecutionError at the first that would stop the cells below."""
    client = (LearnersClient if attended else NotebookClient)(
        notebook, kernel_name="python3", timeout=LIMIT, startup_timeout=LIMIT,
        resources={"metadata": {"path": str(folder)}}, extra_arguments=["--log-level=CRITICAL"], **options,
    )  # fmt: skip
    client.execute(env={**os.environ, "PYTHONPATH": str(submissions.ROOT)})
    return notebook


def without_training(notebook: NotebookNode) -> NotebookNode:
    """Without the cells tagged `not-graded`."""
    notebook.cells = [cell for cell in notebook.cells if "not-graded" not in cell.metadata.get("tags", [])]
    return notebook


def shown(cell: NotebookNode) -> str:
    """A cell's outputs as plain text."""
    texts = []
    for output in cell.outputs:
        if output.output_type == "stream":
            texts.append(output.text)
        elif output.output_type == "error":
            texts.append("\n".join(output.traceback))
        else:
            texts.append(output.data.get("text/plain", ""))
    return "\n".join(texts)


def errors(notebook: NotebookNode) -> list[str]:
    """What was shown as an error, by cell."""
    return [shown(c) for c in notebook.cells if any(o.output_type == "error" for o in c.get("outputs", []))]


def notebook_of(*sources: str) -> NotebookNode:
    return nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in sources])
