"""Sphinx's settings for the web book. `make book` lays the pages out in a folder and builds them with these."""

from docutils.nodes import SkipNode
from sphinx.application import Sphinx

import textclf_lesson
from textclf_lesson.course import render
from tools.docstrings import to_rst

project = "Text classification, by measurement"
author = "The textclf-lesson maintainers"
copyright = "prose and figures CC BY 4.0, code MIT"
version = release = textclf_lesson.__version__
language = "en"

extensions = ["myst_nb", "sphinx.ext.autodoc"]
myst_enable_extensions = ["amsmath", "dollarmath"]
myst_heading_anchors = 3
nb_execution_mode = "off"  # the stored outputs are shown: nothing runs
nb_merge_streams = True
default_role = "code"  # `name` in docstrings
autodoc_default_options = {"members": True, "member-order": "bysource", "ignore-module-all": True}
autodoc_default_options["exclude-members"] = ", ".join(
    f"set_{method}_request" for method in ["fit", "partial_fit", "predict", "predict_proba", "score", "transform"]
)  # which scikit-learn gives to every estimator
autodoc_inherit_docstrings = False  # scikit-learn's are written for its own book
autodoc_typehints = "none"  # signatures stay short; the docstrings say shapes and ranges

html_theme = "sphinx_book_theme"
html_title = project
html_static_path = ["_static"]
html_css_files = ["book.css"]
html_js_files = ["book.js"]
html_math_renderer = "mathml"
html_show_sourcelink = html_copy_source = False
html_theme_options = {"use_download_button": False, "show_toc_level": 2, "navbar_persistent": []}


def formula(writer, node):
    """MathML in the page: browsers draw it without a script, and screen readers read it."""
    writer.body.append(render.mathml(node.astext(), "inline" if node.tagname == "math" else "block"))
    raise SkipNode


def docstring(app, what, name, obj, options, lines: list[str]) -> None:
    lines[:] = to_rst("\n".join(lines)).split("\n")


def setup(app: Sphinx) -> None:
    app.add_html_math_renderer("mathml", inline_renderers=(formula, None), block_renderers=(formula, None))
    app.connect("autodoc-process-docstring", docstring)
