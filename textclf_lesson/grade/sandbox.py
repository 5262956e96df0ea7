"""The process of a submission, fenced in by `fences`: how the grader starts, watches and ends it."""

import errno
import functools
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from textclf_lesson import IDLE_THREADS
from textclf_lesson.assets import cache
from textclf_lesson.grade import fences

NAMESPACES = ["unshare", "--map-root-user", "--net", "--ipc", "--pid", "--fork", "--kill-child", "--mount-proc"]
KEPT = ("PATH", "HOME", "LANG", "LC_ALL", "VIRTUAL_ENV", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")
KEPT += ("OMP_NUM_THREADS", "TEXTCLF_HOME", "TEXTCLF_THREADS")
KEPT += (*IDLE_THREADS, "ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA")  # these only change how fast it computes

FULL = {errno.ENOSPC, errno.EDQUOT}  # a disk


@dataclass(frozen=True)
class Limits:
    """What one submission may use."""

    seconds: float = 120.0  # for each cell, and for each item's check
    total: float = 1200.0  # for the whole submission
    memory: int = 6_000_000_000  # bytes, of all its processes together
    output: int = 5_000_000  # bytes printed
    file_size: int = 500_000_000  # bytes of a file, and of the scratch folder where the kernel can bound it
    processes: int = 64


@dataclass(frozen=True)
class Sandbox:
    """What a submission may use, and the folders that it may not see."""

    limits: Limits = Limits()
    hidden: tuple[Path, ...] = ()


@functools.cache
def has_namespaces() -> bool:
    """Whether the kernel's fence is available (most Linux systems; not macOS, not every container)."""
    if not shutil.which("unshare"):
        return False
    try_it = f"import pathlib; from {fences.__name__} import wall_in; wall_in(pathlib.Path.cwd(), [], 4096)"
    with tempfile.TemporaryDirectory() as folder:
        command = [*NAMESPACES, sys.executable, "-P", "-c", try_it]
        try:
            return subprocess.run(command, cwd=folder, capture_output=True, timeout=60).returncode == 0
        except (subprocess.TimeoutExpired, OSError):
            return False


def launch(scratch: Path, sandbox: Sandbox, handle: int) -> subprocess.Popen:
    """Start `worker` in `scratch`, fenced in, connected to the grader by the socket `handle`."""
    walls, limits = has_namespaces(), sandbox.limits
    settings = {
        "scratch": str(scratch),
        "hidden": [str(folder.resolve()) for folder in sandbox.hidden],
        "walls": walls,
        "memory": limits.memory,
        "cpu": int(2 * limits.total),
        "file_size": limits.file_size,
        "home": str(cache.home()),
    }
    command = [sys.executable, "-P", "-m", f"{__package__}.worker", str(handle), json.dumps(settings)]
    return subprocess.Popen(
        [*NAMESPACES, *command] if walls else command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        pass_fds=[handle],
        env=_environment(scratch),
        start_new_session=True,
    )


def _environment(scratch: Path) -> dict[str, str]:
    """The variables that the submission needs, and no others: no tokens, no keys."""
    return {name: os.environ[name] for name in KEPT if name in os.environ} | {
        # As it is here: it may depend on a variable or a working directory that the submission does not have.
        "TEXTCLF_HOME": str(cache.home()),
        "TEXTCLF_OFFLINE": "1",
        "TEXTCLF_PROGRESS": "0",
        "TEXTCLF_STATIC": "1",
        "MPLBACKEND": "Agg",
        "TMPDIR": str(scratch),
        "IPYTHONDIR": str(scratch / "ipython"),
        "HF_HOME": str(scratch / "hf"),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONUNBUFFERED": "1",
    }


def excess(process: subprocess.Popen, limits: Limits) -> str:
    """Which limit the process and its descendants exceed, in words; "" if none."""
    family = _family(process)
    if len(family) > limits.processes:
        return f"it started more than {limits.processes} processes"
    if sum(map(_memory, family)) > limits.memory:
        return f"it used more than {limits.memory / 1e9:g} GB of memory"
    return ""


def was_killed(process: subprocess.Popen, printed: bytes) -> bool:
    """Whether this process, which has ended, was killed from outside: by the system for lack of memory, or by somebody.

    `printed` is the end of its output: some versions of `unshare`, its parent, report the signal there only.
    """
    kills = {signal.SIGKILL, signal.SIGTERM, signal.SIGHUP, signal.SIGINT}
    return -(process.returncode or 0) in kills or printed.lstrip().startswith(b"unshare: sigprocmask unblock failed")


def lacks_memory(process: subprocess.Popen, limits: Limits) -> bool:
    """Whether this machine has less memory than the limit allows: then running out is not the submission's fault."""
    had = sum(map(_memory, _family(process)))
    return psutil.virtual_memory().available + had < limits.memory


def end(process: subprocess.Popen) -> None:
    """Kill a process, its group and its descendants. In namespaces the first kill ends all."""
    for _ in range(50):
        family = _family(process)
        for victim in family:
            with suppress(psutil.Error):
                victim.kill()
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        if len(family) <= 1:
            break
    process.wait()
    process.stdout.close()


def _family(process: subprocess.Popen) -> list[psutil.Process]:
    try:
        first = psutil.Process(process.pid)
        return [first, *first.children(recursive=True)]
    except psutil.Error:
        return []


def _memory(process: psutil.Process) -> int:
    try:
        return process.memory_info().rss
    except psutil.Error:
        return 0
