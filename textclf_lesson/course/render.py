"""An executed lesson as one HTML page that needs no network: nothing is loaded from elsewhere when it is opened.

nbconvert's page fetches require.js, MathJax and mermaid from a CDN. None is needed here: the course's pages hold no
script that would use them, and formulas become MathML, which browsers draw by themselves (Chrome since 109, Firefox,
Safari) and screen readers read. That costs one small dependency, latex2mathml, instead of a script of some megabytes.
nbconvert's template also drops the alt texts of figures; this one writes them.
"""

import functools
import re
import tomllib
from html import escape
from pathlib import Path

from latex2mathml.converter import convert
from nbconvert import HTMLExporter
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath
from nbformat import NotebookNode

GLOSSARY = Path(__file__).parents[2] / "docs" / "glossary.toml"
# What WCAG 2.2 AA asks for and nbconvert's theme lacks: contrast of prompts and code, underlined links, nothing that is
# cut off at the width of a phone or on paper (long lines of code wrap, wide tables scroll), no motion for whoever asks
# for none.
STYLE = """
.jp-InputPrompt, .jp-OutputPrompt { opacity: 1 !important; color: #475569 !important; }
.highlight .c, .highlight .c1, .highlight .cm { color: #2d6363; }
.highlight .o, .highlight .ow { color: #7719aa; }
.highlight .m, .highlight .mi, .highlight .mf, .highlight .mh, .highlight .il { color: #006400; }
.jp-RenderedHTMLCommon a:not(.anchor-link) { text-decoration: underline; }
.highlight pre, .jp-RenderedText pre { white-space: pre-wrap !important; overflow-wrap: anywhere; }
.jp-RenderedHTMLCommon pre { white-space: pre-wrap; }
.jp-RenderedHTML { overflow-x: auto; }
.jp-RenderedHTML:focus-visible { outline: 2px solid #0d47a1; }
.jp-RenderedMarkdown { overflow-wrap: anywhere; }
.jp-RenderedMarkdown table { display: block; overflow-x: auto; }
.jp-RenderedImage img { max-width: 100%; height: auto; }
@media (max-width: 40rem) {
  body.jp-Notebook { padding: .5rem; }
  .jp-Cell-inputWrapper, .jp-Cell-outputWrapper, .jp-InputArea, .jp-OutputArea-child { display: block; }
  .jp-InputPrompt, .jp-OutputPrompt { text-align: left; }
  .jp-MarkdownCell .jp-InputPrompt { display: none; }
}
@media print { .jp-RenderedImage, table, .jp-CodeCell .highlight { break-inside: avoid; } }
@media (prefers-reduced-motion: reduce) { * { animation: none !important; transition: none !important; } }
"""
TEMPLATE = """{% extends 'lab/index.html.j2' %}
{% block html_head_css %}<style>STYLE</style>{% endblock %}
{% block html_head_js %}{% endblock %}
{% block jupyter_widgets %}{% endblock %}
{% block html_head_js_mathjax %}{% endblock %}
{% block html_head_js_mermaidjs %}{% endblock %}
{% block data_png scoped %}
{% set alt = output | get_metadata('alt', 'image/png') %}
<div class="jp-RenderedImage jp-OutputArea-output {{ extra_class }}">
<img src="data:image/png;base64,{{ output.data['image/png'] }}" {% if alt %}alt="{{ alt | escape }}"{% endif %}>
</div>
{% endblock %}
{% block data_html scoped %}
<div class="jp-RenderedHTMLCommon jp-RenderedHTML jp-OutputArea-output {{ extra_class }}"
data-mime-type="text/html" tabindex="0" role="group" aria-label="output">
{{ output.data['text/html'] }}
</div>
{% endblock %}
""".replace("STYLE", STYLE)


def to_html(notebook: NotebookNode, title: str) -> str:
    """The whole page: Markdown, code and stored outputs. A formula that cannot be read stays as LaTeX."""
    exporter = _Exporter(raw_template=TEMPLATE)
    page, _ = exporter.from_notebook_node(notebook, resources={"metadata": {"name": title}})
    return page


class _Renderer(IPythonRenderer):
    def inline_math(self, body: str) -> str:
        return mathml(body, "inline")

    def block_math(self, body: str) -> str:
        return mathml(body, "block")

    def latex_environment(self, name: str, body: str) -> str:
        return mathml(rf"\begin{{{name}}}{body}\end{{{name}}}", "block")

    def link(self, text: str, url: str, title: str | None = None) -> str:
        """Links to other lessons lead to their pages beside this one; a term shows its definition on hover."""
        page, _, term = url.partition("#")
        if page == "../docs/glossary.md" and not title:
            title = definitions().get(term)
        lesson, suffix, anchor = url.partition(".ipynb")
        here = suffix and "/" not in lesson
        return super().link(text, f"{lesson}.html{anchor}" if here else url, title)


class _Exporter(HTMLExporter):
    def default_filters(self):
        yield from super().default_filters()
        yield "markdown2html", lambda source: MarkdownWithMath(_Renderer(escape=False)).render(source)


@functools.cache
def definitions() -> dict[str, str]:
    """The glossary's definitions by anchor; none where the package stands without the course's repository."""
    if not GLOSSARY.is_file():
        return {}
    terms = tomllib.loads(GLOSSARY.read_text(encoding="utf-8"))["term"]
    return {anchor(term["term"]): term["definition"] for term in terms}


def anchor(heading: str) -> str:
    """What a link to this heading ends in, as GitHub and the web book make it: "F1 (macro)" is at #f1-macro."""
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")


def mathml(latex: str, display: str) -> str:
    """A formula as MathML, `display` "inline" or "block"; one that cannot be read stays as LaTeX, shown as code."""
    try:
        return convert(latex, display=display)
    except Exception:  # latex2mathml's errors share no base class
        return f"<code>{escape(latex)}</code>"
