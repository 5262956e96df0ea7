"""The fences of a submission's process: put up by itself, before it reads a line of the submission's code.

There are two, one behind the other. The outer one is the kernel's (Linux, where it lets users make namespaces): no
network, no sight of other processes, every file read-only but the scratch folder, hidden folders empty, no way to get
rights back. The inner one works on every POSIX system and is Python's: limits of the process, and an audit hook that
refuses to start programs, to reach other machines, and to open hidden or foreign files. It stops accidents and mischief
in Python, not a determined attacker who writes machine code: docs/grading.md says what to do about those.
"""

import ctypes
import os
import sys
from contextlib import suppress
from pathlib import Path

from textclf_lesson.base.errors import Refused

MS_REC, MS_PRIVATE = 0x4000, 0x40000
MOUNT_SETATTR, AT_FDCWD, AT_RECURSIVE, READ_ONLY = 442, -100, 0x8000, 1
PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS, CAPABILITY_VERSION_3 = 24, 38, 0x20080522
TASKS = 1024  # processes and threads: numerical libraries start one per core, some of them twice

STARTS = ("os.fork", "os.forkpty", "os.system", "os.exec", "os.posix_spawn", "os.spawn", "pty.spawn")
STARTS += ("subprocess.Popen",)
LISTS = ("os.listdir", "os.scandir", "glob.glob", "os.chdir")
CHANGES = ("os.remove", "os.rename", "os.rmdir", "os.mkdir", "os.truncate", "os.link", "os.symlink", "os.chmod")
CHANGES += ("os.chown", "shutil.rmtree", "shutil.move")


class _Attributes(ctypes.Structure):
    _fields_ = [(name, ctypes.c_uint64) for name in ("set", "clear", "propagation", "namespace")]


class _Header(ctypes.Structure):
    _fields_ = [("version", ctypes.c_uint32), ("pid", ctypes.c_int)]


def limit(memory: int, cpu: int, file_size: int, alone: bool) -> None:
    """Limits of this process and its children: bytes, seconds, bytes. A limit already lower stays.

    `alone`: in namespaces of its own. Otherwise the kernel counts all of the user's processes, the editor included.
    """
    import resource  # not on Windows, where this module is imported all the same

    wanted = {"RLIMIT_CPU": cpu, "RLIMIT_FSIZE": file_size, "RLIMIT_CORE": 0}
    wanted |= {"RLIMIT_NPROC": TASKS} if alone else {}
    # DATA counts memory that can be written, not memory only reserved; numerical libraries reserve gigabytes.
    wanted["RLIMIT_DATA" if sys.platform == "linux" else "RLIMIT_AS"] = memory
    for name, value in wanted.items():
        with suppress(AttributeError, ValueError, OSError):
            which = getattr(resource, name)
            _, hard = resource.getrlimit(which)
            value = value if hard == resource.RLIM_INFINITY else min(value, hard)
            # CPU time ends with its own signal, SIGXCPU. So a SIGKILL is never ours: the system killed the process.
            soft = max(value - 10, 1) if name == "RLIMIT_CPU" else value
            resource.setrlimit(which, (soft, value))


def wall_in(scratch: Path, hidden: list[Path], size: int) -> None:
    """Put up the kernel's fence; call it as process 1 of new namespaces. Raises OSError if that is not possible."""
    libc = ctypes.CDLL(None, use_errno=True)

    def do(what: str, result: int) -> None:
        if result != 0:
            raise OSError(ctypes.get_errno(), f"{what}: {os.strerror(ctypes.get_errno())}")

    with suppress(OSError):  # Linux 6.14 and later: a limit of processes that holds for root too
        Path("/proc/sys/kernel/pid_max").write_text(str(TASKS))
    do("private mounts", libc.mount(None, b"/", None, MS_REC | MS_PRIVATE, None))
    sizes = {scratch: size, **{folder: 4096 for folder in hidden if folder.is_dir()}}
    if Path("/dev/shm").is_dir():
        sizes[Path("/dev/shm")] = size
    for folder, largest in sizes.items():
        do(f"an empty {folder}", libc.mount(b"tmpfs", os.fsencode(folder), b"tmpfs", 0, f"size={largest}".encode()))

    def set_attributes(path: Path | str, flags: int, **change: int) -> int:
        wanted = _Attributes(**change)
        return libc.syscall(
            MOUNT_SETATTR, AT_FDCWD, os.fsencode(path), flags, ctypes.byref(wanted), ctypes.sizeof(wanted)
        )

    do("read-only files", set_attributes("/", AT_RECURSIVE, set=READ_ONLY))
    for folder in sizes.keys() - set(hidden):
        do(f"a writable {folder}", set_attributes(folder, 0, clear=READ_ONLY))
    _loopback_up()
    for capability in range(64):
        libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)
    do("no new rights", libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
    header, nothing = _Header(CAPABILITY_VERSION_3, 0), (ctypes.c_uint32 * 6)()
    do("no rights", libc.capset(ctypes.byref(header), nothing))


def _loopback_up() -> None:
    """Switch on the loopback of a new network namespace, which a served model needs."""
    import fcntl
    import socket
    import struct

    with suppress(OSError), socket.socket() as any_socket:
        fcntl.ioctl(any_socket, 0x8914, struct.pack("16sh14x", b"lo", 0x41))  # SIOCSIFFLAGS: up and running


def watch_calls(scratch: Path, hidden: list[Path]) -> None:
    """Put up Python's fence: from now on this process refuses forbidden calls. It cannot be removed."""
    closed = tuple(os.path.realpath(folder) for folder in hidden)
    # /dev: null, shm. What is written elsewhere would outlive the grading.
    mine = (os.path.realpath(scratch), "/dev")
    join = os.path.join

    def within(path: object, folders: tuple[str, ...]) -> bool:
        if not isinstance(path, str | bytes | os.PathLike):
            return False
        real = os.path.realpath(os.fsdecode(path))
        return any(real == folder or real.startswith(join(folder, "")) for folder in folders)

    def hook(event: str, args: tuple) -> None:
        if event == "open":
            path, mode, flags = args
            if within(path, closed):
                raise Refused("a graded answer may not read the grader's files", path)
            writes = flags & (os.O_WRONLY | os.O_RDWR) if isinstance(flags, int) else "r" not in (mode or "r")
            if writes and isinstance(path, str | bytes | os.PathLike) and not within(path, mine):
                raise Refused("a graded answer may write only into its own folder, the current one", path)
        elif event in STARTS:
            raise Refused("a graded answer may not start other programs or processes")
        elif event in LISTS and args and within(args[0], closed):
            raise Refused("a graded answer may not read the grader's files")
        elif event in CHANGES and args and isinstance(args[0], str | bytes | os.PathLike) and not within(args[0], mine):
            raise Refused("a graded answer may change only its own folder, the current one", args[0])
        elif event in ("os.kill", "os.killpg", "signal.pthread_kill"):
            raise Refused("a graded answer may not send signals")

    sys.addaudithook(hook)
