"""A JupyterHub for a class: two users log in with a browser, answer an exercise, hand it in; nbgrader and `textclf
grade` mark it. JupyterHub comes from the Python package index and its proxy from npm, into a throw-away environment.
"""

import json
import os
import re
import shutil
import site
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import ExitStack
from pathlib import Path

import nbformat
import psutil
import pytest
from playwright.sync_api import Page, expect

from tests.exercises import submissions
from tests.exercises.grading import grade, results
from tools import browser as pages

HUB, PROXY = "jupyterhub==6.1.1", "configurable-http-proxy@5.3.0"
LIMIT = 1800  # seconds; only ends what hangs
NAME, COURSE, ITEMS = "01_framing", "textclf", ("kappa", "quiz")
PASSWORD = "one for the test"
WRONG = "def kappa(a, b):\n    return 0.5"
USERS = {"ada": None, "bob": WRONG}  # what they answer to `kappa`; None: the solution

pytestmark = [
    pytest.mark.skipif(
        os.environ.get("TEXTCLF_HUB") != "1",
        reason="a hub, two servers and a browser take minutes and need the package registries: TEXTCLF_HUB=1 runs it",
    ),
    pytest.mark.skipif(sys.platform == "win32", reason="JupyterHub needs a POSIX system"),
    pytest.mark.skipif(pages.CHROMIUM is None, reason=pages.MISSING),
    pytest.mark.skipif(shutil.which("npm") is None, reason="there is no npm, which brings JupyterHub's proxy"),
]

CONFIG = """
import json
from pathlib import Path

given = json.loads({given!r})
c = get_config()
c.JupyterHub.bind_url = f"http://127.0.0.1:{{given['port']}}/"
c.JupyterHub.hub_bind_url = f"http://127.0.0.1:{{given['hub_port']}}"
c.ConfigurableHTTPProxy.api_url = f"http://127.0.0.1:{{given['proxy_port']}}"
c.ConfigurableHTTPProxy.command = [given["proxy"]]
c.JupyterHub.authenticator_class = "dummy"
c.DummyAuthenticator.password = given["password"]
c.Authenticator.allowed_users = set(given["users"])
c.JupyterHub.spawner_class = "simple"  # all servers run as one user of the system; a real hub has one for each
c.SimpleLocalProcessSpawner.home_dir_template = given["homes"] + "/{{username}}"
c.Spawner.environment = given["environment"]
c.Spawner.args = ["--allow-root"]
c.Spawner.default_url = "/lab"
c.Spawner.start_timeout = c.Spawner.http_timeout = {limit}
"""
NBGRADER = """
import os

c = get_config()
c.CourseDirectory.course_id = {course!r}
c.Exchange.root = {exchange!r}
if "JUPYTERHUB_USER" in os.environ:  # on a real hub, the user of the system says it
    c.CourseDirectory.student_id = os.environ["JUPYTERHUB_USER"]
"""


# --- from the registries ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def environment(tmp_path_factory) -> Path:
    """The folder of an environment with JupyterHub and its proxy, and with the packages that are installed here."""
    folder = tmp_path_factory.mktemp("environment")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    (packages,) = folder.glob("lib/*/site-packages")
    # JupyterLab, nbgrader and ipykernel are the course's own; only what they lack is installed.
    (packages / "beside.pth").write_text("\n".join(site.getsitepackages()) + "\n")
    options = ["--python", folder / "bin" / "python", "install", "--retries", "1"]
    options += ["--constraint", submissions.ROOT / "requirements.lock"]
    _installed([sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", *options, HUB], folder)
    _installed(["npm", "install", "--silent", "--no-audit", "--no-fund", "--prefix", folder, PROXY], folder)
    return folder


def _installed(command: list, folder: Path) -> None:
    done = subprocess.run([*map(str, command)], cwd=folder, capture_output=True, text=True)
    told = done.stderr + done.stdout
    if re.search(
        "Failed to establish a new connection|Name or service not known|ENOTFOUND|ECONNREFUSED|EAI_AGAIN", told
    ):
        pytest.skip(f"a package registry cannot be reached from here: {command[0]}")
    assert done.returncode == 0, told[-3000:]


# --- the course -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def course(tmp_path_factory) -> Path:
    """An instructor's folder of nbgrader: two items of exercise 1, released; `exchange/` lies beside it."""
    folder = tmp_path_factory.mktemp("class") / "course"
    exchange = folder.parent / "exchange"
    (folder / "source" / NAME).mkdir(parents=True)
    exchange.mkdir()
    exchange.chmod(0o777)  # as nbgrader asks for: every learner writes there
    ours = (submissions.SOLUTIONS / "nbgrader_config.py").read_text(encoding="utf-8")
    config = NBGRADER.format(course=COURSE, exchange=str(exchange)) + ours
    (folder / "nbgrader_config.py").write_text(config, encoding="utf-8")
    nbformat.write(short_solution(), folder / "source" / NAME / f"{NAME}.ipynb")
    nbgrader(folder, "generate_assignment", NAME, "--create")
    nbgrader(folder, "release_assignment", NAME)
    return folder


def short_solution():
    """The items whose checks read no data, so that kernels stay small."""
    notebook = nbformat.read(submissions.SOLUTIONS / f"{NAME}.ipynb", as_version=4)
    kept = {*ITEMS, *(f"{item}_check" for item in ITEMS)}
    notebook.cells = [
        cell
        for cell in notebook.cells
        if cell.cell_type == "markdown"
        or cell.metadata.get("nbgrader", {}).get("grade_id") in kept
        or "course.setup()" in cell.source
    ]
    return notebook


def nbgrader(folder: Path, *arguments: str) -> None:
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    command = [sys.executable, "-m", "nbgrader", *arguments]
    run = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=LIMIT, env=os.environ | {"PATH": path}
    )
    assert run.returncode == 0, run.stderr[-3000:]


# --- the hub ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def hub(environment, course, tmp_path_factory):
    """The address of a running hub."""
    place = tmp_path_factory.mktemp("hub")
    homes, settings = place / "homes", place / "jupyter"
    settings.mkdir()
    shutil.copy(course / "nbgrader_config.py", settings)
    for user in USERS:
        (homes / user).mkdir(parents=True)
    here = Path(sys.prefix)
    given = {
        **dict(zip(("port", "hub_port", "proxy_port"), _free_ports(3), strict=True)),
        "proxy": str(environment / "node_modules" / ".bin" / "configurable-http-proxy"),
        "password": PASSWORD, "users": list(USERS), "homes": str(homes),
        "environment": {
            "PATH": os.pathsep.join([str(environment / "bin"), os.environ["PATH"]]),
            "PYTHONPATH": str(submissions.ROOT),
            "JUPYTER_PATH": str(here / "share" / "jupyter"),
            "JUPYTER_CONFIG_PATH": os.pathsep.join([str(settings), str(here / "etc" / "jupyter")]),
            **{name: value for name, value in os.environ.items() if name.startswith("TEXTCLF_")},
        },
    }  # fmt: skip
    (place / "jupyterhub_config.py").write_text(CONFIG.format(given=json.dumps(given), limit=LIMIT), encoding="utf-8")
    env = {name: value for name, value in os.environ.items() if not name.startswith(("JUPYTER", "JPY_"))}
    env["PATH"] = given["environment"]["PATH"]
    with (place / "log").open("w") as log:
        process = subprocess.Popen(
            [environment / "bin" / "python", "-m", "jupyterhub"], cwd=place, env=env, stdout=log, stderr=log
        )
    try:
        address = f"http://127.0.0.1:{given['port']}/"
        _wait_for(f"{address}hub/api/", process, place / "log")
        yield address
    finally:
        family = [process.pid, *(child.pid for child in psutil.Process(process.pid).children(recursive=True))]
        process.terminate()
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
        left = [psutil.Process(pid) for pid in family if psutil.pid_exists(pid)]
        for one in left:
            one.kill()


def _free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [one.getsockname()[1] for one in sockets]


def _wait_for(url: str, process: subprocess.Popen, log: Path) -> None:
    until = time.monotonic() + LIMIT
    while time.monotonic() < until and process.poll() is None:
        try:
            with urllib.request.urlopen(url):
                return
        except OSError:
            time.sleep(0.3)
    raise AssertionError(log.read_text(encoding="utf-8")[-3000:])


@pytest.fixture(scope="module")
def handed_in(hub, course) -> dict[str, str]:
    """Each user works in a browser of their own; what the check told each about `kappa`. Their servers stay."""
    told = {}
    expect.set_options(timeout=LIMIT * 1000)
    for user, source in USERS.items():
        with pages.browser(1300, 1000) as context:
            context.set_default_timeout(LIMIT * 1000)
            page = context.new_page()
            log_in(page, hub, user)
            fetch(page)
            told[user] = answer(page, f"{hub}user/{user}/lab/tree/{NAME}/{NAME}.ipynb", source or solution_of("kappa"))
            submit(page)
    nbgrader(course, "collect", NAME)
    return told


def log_in(page: Page, address: str, user: str) -> None:
    page.goto(address)
    page.get_by_label("Username").fill(user)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("menuitem", name="Nbgrader", exact=True)).to_be_visible()


def assignments(page: Page) -> None:
    """Open nbgrader's list of assignments, as JupyterLab's menu has it."""
    page.get_by_role("menuitem", name="Nbgrader", exact=True).click()
    page.get_by_role("menuitem", name="Assignment List", exact=True).click()


def fetch(page: Page) -> None:
    assignments(page)
    page.get_by_role("button", name="Fetch", exact=True).click()
    expect(page.get_by_role("button", name="Submit", exact=True)).to_be_visible()


def submit(page: Page) -> None:
    assignments(page)
    page.get_by_role("button", name="Submit", exact=True).click()
    expect(page.locator("#submitted_assignments_list").get_by_text(NAME).first).to_be_visible()


def answer(page: Page, address: str, source: str) -> str:
    """Write and run the answer to `kappa`, and save; returns what its check tells."""
    page.goto(address)
    cell = page.locator(".jp-CodeCell").filter(has=page.locator(".jp-InputArea", has_text="def kappa(")).first
    first = page.locator(".jp-CodeCell").filter(has=page.locator(".jp-InputArea", has_text="course.setup()")).first
    expect(page.locator(".jp-Notebook-ExecutionIndicator[data-status='idle']")).to_be_attached()
    first.locator(".cm-content").click()
    page.keyboard.press("Shift+Enter")
    cell.locator(".cm-content").click()
    page.keyboard.press("Control+a")
    page.keyboard.insert_text(source)
    page.keyboard.press("Shift+Enter")
    page.keyboard.press("Shift+Enter")
    check = page.locator(".jp-CodeCell").filter(has=page.locator(".jp-InputArea", has_text="check.kappa(")).first
    told = check.locator(".jp-OutputArea [role=status]")
    expect(told).to_be_visible()
    text = told.inner_text()
    page.keyboard.press("Control+s")
    expect(page.locator(".jp-mod-dirty")).to_have_count(0)
    return text


def solution_of(item: str) -> str:
    notebook = nbformat.read(submissions.SOLUTIONS / f"{NAME}.ipynb", as_version=4)
    return re.sub(r" *### (BEGIN|END) SOLUTION\n?", "", submissions.blank_of(notebook, item).source)


# --- what comes of it -------------------------------------------------------------------------------------------------


def test_the_check_answers_each_user_in_jupyterlab(handed_in):
    assert "✓ Right: 3 of 3 points." in handed_in["ada"]
    assert "✗ Not right yet: 0 of 3 points." in handed_in["bob"]


def test_nbgrader_collects_what_each_user_wrote(handed_in, course):
    found = {path.parts[-3]: nbformat.read(path, as_version=4) for path in course.glob(f"submitted/*/{NAME}/*.ipynb")}
    assert found.keys() == USERS.keys()
    assert submissions.blank_of(found["bob"], "kappa").source == WRONG
    assert submissions.blank_of(found["ada"], "kappa").source.strip() == solution_of("kappa").strip()


def test_nbgrader_and_textclf_grade_agree(handed_in, course, tmp_path):
    from nbgrader.api import Gradebook

    nbgrader(course, "autograde", NAME, "--create")
    points = {}
    with Gradebook(f"sqlite:///{course / 'gradebook.db'}") as book:
        for user in USERS:
            for mark in book.find_submission_notebook(NAME, NAME, user).grades:
                points[user, mark.name.removesuffix("_check")] = mark.auto_score
    assert points == {("ada", "kappa"): 3, ("ada", "quiz"): 0, ("bob", "kappa"): 0, ("bob", "quiz"): 0}
    roster = tmp_path / "students.csv"
    roster.write_text("id,name\nada,Ada Lovelace\nbob,Bob Frankston\n", encoding="utf-8")
    arguments = ["--solutions", course / "source" / NAME, "--roster", roster, "--due", "2000-01-01T00:00Z"]
    run = grade(course / "submitted", *arguments, "--json", tmp_path / "all.json")
    marks = results(run, tmp_path / "all.json")
    assert {
        (name.split("/")[0], item): mark["points"] for name, items in marks.items() for item, mark in items.items()
    } == points
    about = {
        entry["about"]["student"]: entry["about"] for entry in json.loads((tmp_path / "all.json").read_text("utf-8"))
    }
    assert about.keys() == USERS.keys()
    assert {entry["time_from"] for entry in about.values()} == {"nbgrader's timestamp.txt"}
    assert all(entry["late"] for entry in about.values())


def test_one_hub_holds_a_server_for_each_user(handed_in):
    names = [
        " ".join(process.cmdline()) for process in psutil.Process().children(recursive=True) if process.is_running()
    ]
    assert sum("jupyterhub-singleuser" in name or "jupyterhub.singleuser" in name for name in names) == len(USERS)
