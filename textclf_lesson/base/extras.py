"""The optional parts of the package, and what is told where one of them is not installed."""

from collections.abc import Iterator
from contextlib import contextmanager

from textclf_lesson.base.errors import MissingExtra

# pyproject.toml says which packages each of them brings.
EXTRAS = {
    "train": "training and torch models",
    "llm": "a language model behind an endpoint",
    "serve": "the web service",
    "openvino": "OpenVINO, another runtime for exported models",
    "course": "the lessons and exercises",
    "grade": "grading",
}


@contextmanager
def needed(extra: str) -> Iterator[None]:
    """Around the imports that an extra brings: `with needed("train"): import torch`.

    Where one of these packages is not installed, `MissingExtra` (an ImportError) says which, and by which command all
    of them are. extra: a key of `EXTRAS`.
    """
    what = EXTRAS[extra]
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("textclf_lesson"):
            raise
        raise MissingExtra(
            f"{what[0].upper()}{what[1:]} needs the package {error.name!r}, which is not installed: "
            f"pip install 'textclf-lesson[{extra}]'",
            name=error.name,
        ) from error
