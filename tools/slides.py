"""Talks from docs/slides/NN.md, as reveal.js slides that need no network: `make slides LESSONS="05"`.

    python -m tools.slides 01 05     build/slides/01.html and 05.html; without a number: all there are
    python -m tools.slides --fetch   only fetch reveal.js, once, into the cache
    python -m tools.slides --check   write nothing, only tell which reference into a notebook leads nowhere

A talk is not the lesson chopped up, so it has a file of its own: Markdown, slides parted by lines of `---`, speaker
notes after a line `Note:`. Its pictures, tables and numbers come out of the stored notebook (`tools.stored`).
"""

import argparse
import base64
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from html import escape
from pathlib import Path

from markdown_it import MarkdownIt

from textclf_lesson.assets import cache
from textclf_lesson.course import render
from tools import stored

ROOT = Path(__file__).parents[1]
TALKS = ROOT / "docs" / "slides"
BUILD = ROOT / "build" / "slides"
STYLE = Path(__file__).with_name("slides.css")
# Pinned: npm's name and version, and the SHA-512 of the archive, as the registry signs it.
REVEAL = "reveal.js@6.0.2"
SHA512 = "JYIg5D9aoxoaLeb84O+OvAwsKWdIavVgEDScxtYEXFCT6t6TQrhNtSgogcjdCpdLsWglhJn3zyE3fUOwiH5KEg=="
FILES = ["LICENSE", "dist/reset.css", "dist/reveal.css", "dist/reveal.js", "dist/plugin/notes.js"]
WIDTH, HEIGHT = 1280, 720  # of a slide, in pixels


class SlidesError(Exception):
    """What keeps the slides from being made, in one sentence."""


def main(arguments: list[str]) -> int:
    """0 if the talks were written; 1 if something is wrong, which a sentence has told."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("lessons", nargs="*", metavar="NN", help="lessons that have a talk; default: all of these")
    parser.add_argument("--fetch", action="store_true", help="only fetch reveal.js into the cache")
    parser.add_argument("--check", action="store_true", help="write nothing, only look references up")
    options = parser.parse_args(arguments)
    try:
        if options.fetch:
            reveal()
            return 0
        lessons = chosen(options.lessons)
        if options.check:
            for lesson in lessons:
                page(lesson)
            return 0
        copy_reveal(BUILD / "reveal")
        for lesson in lessons:
            path = BUILD / f"{lesson}.html"
            path.write_text(page(lesson), encoding="utf-8")
            print(
                f"{path.relative_to(ROOT)}: {len(slides(lesson))} slides; S opens the speaker's notes, ? lists all keys"
            )
    except (SlidesError, stored.BadReference) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def talks() -> list[str]:
    """The lessons that have a talk."""
    return sorted(path.stem for path in TALKS.glob("[0-9][0-9].md"))


def chosen(lessons: list[str]) -> list[str]:
    """The lessons as two digits; all that have a talk if none is named. Raises SlidesError for one that has none."""
    wanted = [lesson.zfill(2) for lesson in lessons] or talks()
    if lost := [lesson for lesson in wanted if lesson not in talks()]:
        raise SlidesError(
            f"Lesson {lost[0]} has no talk; lessons {', '.join(talks())} have one. To write it, make "
            f"docs/slides/{lost[0]}.md after the model of docs/slides/{talks()[0]}.md."
        )
    return wanted


def slides(lesson: str) -> list[tuple[str, str]]:
    """The slides of a talk, as Markdown: what is shown, and the speaker's notes."""
    text = (TALKS / f"{lesson}.md").read_text(encoding="utf-8")
    parts = re.split(r"^---$", text, flags=re.MULTILINE)
    return [tuple(half.strip() for half in (part.partition("\nNote:\n")[::2])) for part in parts]


def page(lesson: str) -> str:
    """The whole talk as HTML. Raises stored.BadReference if a reference into the notebook leads nowhere."""
    notebook = stored.Lesson(next((ROOT / "notebooks").glob(f"{lesson}_*.ipynb")))
    sections = []
    for number, (shown, notes) in enumerate(slides(lesson)):
        kind = ' class="title"' if not number else ""
        sections.append(
            f"<section{kind}>\n{_html(shown, notebook)}\n"
            f'<aside class="notes">\n{_html(notes, notebook)}\n</aside>\n</section>'
        )
    title = re.sub(r"^#+ ", "", slides(lesson)[0][0].splitlines()[0])
    body = "\n".join(sections)
    settings = f"width: {WIDTH}, height: {HEIGHT}, margin: 0, center: false, display: 'flex', hash: true"
    settings += ", slideNumber: 'c/t', controlsTutorial: false"
    settings += ", transition: matchMedia('(prefers-reduced-motion: reduce)').matches ? 'none' : 'slide'"
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(title)}</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="reveal/dist/reset.css">
<link rel="stylesheet" href="reveal/dist/reveal.css">
<style>
{STYLE.read_text(encoding="utf-8")}</style>
</head>
<body>
<main class="reveal"><div class="slides">
{body}
</div></main>
<script src="reveal/dist/reveal.js"></script>
<script src="reveal/dist/plugin/notes.js"></script>
<script>Reveal.initialize({{{settings}, plugins: [RevealNotes]}});</script>
</body>
</html>
"""


def _html(text: str, notebook: stored.Lesson) -> str:
    """Markdown with references and formulas as HTML. What is put in is kept from the Markdown reader."""
    made: list[str] = []

    def keep(html: str) -> str:
        made.append(html)
        return f"@@{len(made) - 1}@@"

    text = stored.REFERENCE.sub(lambda reference: keep(notebook.resolve(reference)), text)
    text = re.sub(r"\$([^$\n]+)\$", lambda formula: keep(render.mathml(formula[1], "inline")), text)
    html = MarkdownIt("commonmark").enable("table").render(text)
    html = re.sub(r"<p>@@(\d+)@@</p>", lambda found: _block(made[int(found[1])]), html)
    return re.sub(r"@@(\d+)@@", lambda found: made[int(found[1])], html)


def _block(html: str) -> str:
    """What stands alone: text and formulas in a paragraph of their own, tables, pictures and code as they are."""
    return html if re.match(r"<(p|table|pre|div|img)\b", html) else f"<p>{html}</p>"


def reveal() -> Path:
    """The folder in the cache with reveal.js; it is fetched by npm the first time, and its hash compared.

    Raises SlidesError if it is not in the cache, and cannot be fetched.
    """
    folder = cache.home() / "slides" / REVEAL.replace("@", "-")
    if all((folder / name).is_file() for name in FILES):
        return folder
    how = f"{REVEAL} is not in the cache ({folder})"
    if os.environ.get("TEXTCLF_OFFLINE") == "1":
        raise SlidesError(f"{how}, and the network is cut: run `python -m tools.slides --fetch` once while online.")
    npm = shutil.which("npm")
    if npm is None:
        raise SlidesError(
            f"{how}, and there is no npm to fetch it with: install Node.js, which brings npm, or copy that folder from "
            "a machine that has it."
        )
    with tempfile.TemporaryDirectory() as work:
        command = [npm, "pack", REVEAL, "--silent", "--pack-destination", work]
        run = subprocess.run(command, capture_output=True, text=True, cwd=work)
        archives = list(Path(work).glob("*.tgz"))
        if run.returncode or not archives:
            told = (run.stderr.strip().splitlines() or ["it told nothing"])[0]
            raise SlidesError(f"{how}, and npm could not fetch it ({told}): try again while online.")
        _unpack(archives[0], folder)
    return folder


def _unpack(archive: Path, folder: Path) -> None:
    """Compare the archive's hash, and put the files that a talk needs in place as one folder."""
    found = base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
    if found != SHA512:
        raise SlidesError(
            f"What npm fetched is not {REVEAL} as it was published (its SHA-512 differs): nothing was kept."
        )
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".fetching-") as work:
        with tarfile.open(archive) as members:
            for name in FILES:
                members.extract(f"package/{name}", work, filter="data")
        shutil.rmtree(folder, ignore_errors=True)
        (Path(work) / "package").rename(folder)


def copy_reveal(target: Path) -> None:
    """Put reveal.js beside the talks."""
    shutil.copytree(reveal(), target, dirs_exist_ok=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
