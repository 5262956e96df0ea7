"""The optional parts of the package, and the message where one of them is not installed."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec

from textclf_lesson.base.errors import MissingExtra

# What each of them is for; pyproject.toml says which packages it brings.
EXTRAS = {
    "train": "training, data sets and torch models",
    "llm": "a language model behind an endpoint",
    "serve": "the web service",
    "openvino": "running exported models on OpenVINO",
    "course": "lessons and exercises",
    "grade": "grading",
}


@contextmanager
def needed(extra: str) -> Iterator[None]:
    """Around the imports that an extra brings: `with needed("train"): import torch`.

    Where one of these packages is not installed, `MissingExtra` (an ImportError) tells which, and the command that
    installs the extra. extra: a key of `EXTRAS`.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("textclf_lesson"):
            raise
        raise _missing(extra, error.name) from error


def needs(extra: str, module: str) -> None:
    """For the `__init__` of a package that needs an extra as a whole: is `module`, which stands for it, installed?

    Nothing is imported, so the package stays lazy. Raises MissingExtra as `needed` does.
    """
    if find_spec(module) is None:
        raise _missing(extra, module)


def _missing(extra: str, module: str | None) -> MissingExtra:
    text = f"{module} is not installed. It is needed for {EXTRAS[extra]}: pip install 'textclf-lesson[{extra}]'"
    return MissingExtra(text, name=module)
