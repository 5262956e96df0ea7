"""An exported model for the tests of the service: a real one, made once for all workers of a test run."""

from pathlib import Path

import pytest
from filelock import FileLock

from textclf_lesson import models


@pytest.fixture(scope="session")
def sentiment(tmp_path_factory) -> Path:
    """The folder of lesson 4's classifier, exported in float32: there a text's scores do not depend on its company."""
    base = tmp_path_factory.getbasetemp()
    base = base.parent if base.name.startswith("popen-") else base  # of pytest-xdist's workers
    folder = base / "exported-sentiment"
    with FileLock(f"{folder}.lock"):
        if not (folder / "config.json").exists():
            from textclf_lesson import export

            export.to_onnx(models.checkpoint("sentiment"), folder)
    return folder
