"""This machine, as far as waits depend on it: its processor, AMX, memory and load. Nothing here names the machine."""

import os
import platform
import re
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import psutil

from textclf_lesson.base.extras import needed

CPUINFO, CGROUP = Path("/proc/cpuinfo"), Path("/sys/fs/cgroup")
NO_AMX = {"ONEDNN_MAX_CPU_ISA": "AVX512_CORE"}  # what hides AMX from torch, once it stands in the environment


def processor() -> str:
    """The processor's model name; where a virtual machine hides the model, with its family and model number."""
    if name := _cpuinfo("model name"):
        name = " ".join(re.sub(r"\((?:R|TM|tm|r)\)", " ", name).split())
        hidden = not re.search(r"\d", name)
        return f"{name} (family {_cpuinfo('cpu family')}, model {_cpuinfo('model')})" if hidden else name
    if sys.platform == "darwin":
        with suppress(OSError, subprocess.SubprocessError):
            command = ["sysctl", "-n", "machdep.cpu.brand_string"]
            return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip()
    return platform.processor() or platform.machine()


def has_amx() -> bool:
    """Whether torch multiplies matrices with AMX here: the processor has AMX for bfloat16, and `amx_allowed()`.

    AMX (Advanced Matrix Extensions): matrix instructions of Intel's server processors since 2023. Training is several
    times quicker with them. Known on Linux only; elsewhere, where such processors are rare, the answer is False.
    """
    return "amx_bf16" in _cpuinfo("flags").split() and amx_allowed()


def amx_allowed() -> bool:
    """Whether the environment leaves AMX to oneDNN, the library in which torch multiplies matrices.

    False if `ONEDNN_MAX_CPU_ISA` (older name: `DNNL_MAX_CPU_ISA`) names a lesser set of instructions, AVX512_CORE say.
    A name that oneDNN does not know changes nothing there, and nothing here.
    """
    most = os.environ.get("ONEDNN_MAX_CPU_ISA") or os.environ.get("DNNL_MAX_CPU_ISA") or ""
    lesser = r"sse41|avx|avx2(_vnni)?(_2)?|avx512_core(_vnni|_bf16|_fp16)?|avx10_[12](_512)?"
    return not re.fullmatch(lesser, most.lower())


def has_bf16() -> bool:
    """Whether bfloat16 makes training quicker on this machine: a GPU that has it, or a processor with AMX.

    AVX512-BF16 alone does not: its products are quick, but the rest of a step costs more than they save (a MiniLM step
    took 1.5 times as long as in float32), and emulated bfloat16 is several times slower. With `ONEDNN_MAX_CPU_ISA` set
    to less than AMX there is none, as for oneDNN, which computes the products; torch's own list does not show it.
    """
    with needed("train"):
        import torch

    if torch.cuda.is_available():
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return (
        bool(torch.cpu.get_capabilities().get("amx_bf16")) and amx_allowed() and not torch.backends.mps.is_available()
    )


def memory() -> tuple[int, int]:
    """(total, free) bytes of memory; in a container with a limit, of what it may use.

    Free is what programs can have without swapping: the system gives back what it keeps of files.
    """
    total, free = psutil.virtual_memory()[:2]
    with suppress(OSError, ValueError, StopIteration):  # no cgroups of version 2, or no limit ("max")
        limit = int((CGROUP / "memory.max").read_text())
        statistics = (CGROUP / "memory.stat").read_text().splitlines()
        files = next(int(line.split()[1]) for line in statistics if line.startswith("inactive_file "))
        used = int((CGROUP / "memory.current").read_text()) - files
        total, free = min(total, limit), min(free, max(0, limit - used))
    return total, free


def load() -> float:
    """How many cores were asked for during the last minute, on average (the load average)."""
    return psutil.getloadavg()[0]


def _cpuinfo(field: str) -> str:
    """A field of the first processor in Linux's /proc/cpuinfo; empty elsewhere."""
    try:
        lines = CPUINFO.read_text(encoding="utf-8").splitlines()
    except OSError:
        return ""
    pairs = (line.partition(":") for line in lines)
    return next((value.strip() for name, _, value in pairs if name.strip() == field), "")
