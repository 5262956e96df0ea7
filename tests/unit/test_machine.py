"""What this machine is: AMX as torch sees it, the processor's name, and the memory that is really there."""

import os
import subprocess
import sys

import psutil
import pytest

from textclf_lesson.base import machine

CPU = """processor\t: 0
vendor_id\t: GenuineIntel
cpu family\t: 6
model\t\t: 207
model name\t: {name}
flags\t\t: fpu avx2 {flags}

processor\t: 1
model name\t: another
flags\t\t: fpu
"""


@pytest.fixture
def cpu(tmp_path, monkeypatch):
    """A function that puts another processor's description in the place of this one's."""

    def put(name: str = "Some Processor", flags: str = "") -> None:
        path = tmp_path / "cpuinfo"
        path.write_text(CPU.format(name=name, flags=flags))
        monkeypatch.setattr(machine, "CPUINFO", path)

    for name in ("ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA"):
        monkeypatch.delenv(name, raising=False)
    return put


MULTIPLY = """
from textclf_lesson.base import machine
import torch
table = torch.ones(64, 64, dtype=torch.bfloat16)
table @ table
print("has_amx", machine.has_amx())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="AMX is looked for on Linux only")
@pytest.mark.parametrize("most", ["", "AVX512_CORE", "avx2", "AVX10_1_512", "AVX512_CORE_AMX", "nonsense"])
def test_amx_is_there_where_torch_multiplies_with_it(most):
    """oneDNN itself says, when it is first used, which instructions it takes."""
    environment = os.environ | {"ONEDNN_VERBOSE": "1", "ONEDNN_MAX_CPU_ISA": most}
    command = [sys.executable, "-c", MULTIPLY]
    said = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout.splitlines()
    takes = [line for line in said if "cpu,isa:" in line]  # nothing, if it multiplies nothing in bfloat16
    assert said[-1] == f"has_amx {any('AMX' in line for line in takes)}"


def test_amx_needs_the_processor_and_the_environment(cpu, monkeypatch):
    cpu(flags="avx512f amx_bf16 amx_tile")
    assert machine.has_amx()
    monkeypatch.setenv("DNNL_MAX_CPU_ISA", "AVX512_CORE_BF16")
    assert not machine.has_amx()
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "DEFAULT")  # the newer name is asked first
    assert machine.has_amx()
    cpu(flags="avx512f avx512_bf16")
    assert not machine.has_amx()


def test_without_proc_there_is_no_amx(tmp_path, monkeypatch):
    monkeypatch.setattr(machine, "CPUINFO", tmp_path / "none")
    assert not machine.has_amx()
    assert machine.processor()


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("Intel(R) Core(TM) i5-8250U CPU @ 1.60GHz", "Intel Core i5-8250U CPU @ 1.60GHz"),
        ("AMD Ryzen 7 5800X 8-Core Processor", "AMD Ryzen 7 5800X 8-Core Processor"),
        ("Intel(R) Xeon(R) Processor", "Intel Xeon Processor (family 6, model 207)"),
    ],
)
def test_the_processor_is_named_as_it_is_sold(cpu, name, shown):
    cpu(name)
    assert machine.processor() == shown


def test_memory_is_that_of_the_machine_or_what_a_container_grants(tmp_path, monkeypatch):
    monkeypatch.setattr(machine, "CGROUP", tmp_path)
    total, free = machine.memory()
    assert total == psutil.virtual_memory().total and 0 < free <= total
    (tmp_path / "memory.max").write_text("max\n")
    assert machine.memory()[0] == total
    (tmp_path / "memory.max").write_text("100000000\n")
    (tmp_path / "memory.current").write_text("90000000\n")
    (tmp_path / "memory.stat").write_text("anon 5\ninactive_file 20000000\nactive_file 7\n")
    assert machine.memory() == (100_000_000, 30_000_000)
    (tmp_path / "memory.current").write_text("130000000\n")
    assert machine.memory() == (100_000_000, 0)


def test_load_counts_cores():
    assert 0 <= machine.load() < 10_000
