"""The processor that a record names: its instruction set, how it computes in bf16, and what limited the libraries."""

import pytest
import torch

from bench import processor
from bench.processor import code_tag, instruction_set, multiplies_bf16
from bench.train.machine.processor import describe_processor

pytestmark = pytest.mark.usefixtures("unlimited")
OLD = "model name\t: Core i5\nflags\t\t: fpu sse4_1 avx avx2 fma\n\nmodel name\t: the second core\nflags\t\t: fpu\n"
NEW = "model name\t: Xeon\nflags\t\t: fpu sse4_1 avx avx2 avx512f avx512_bf16\n"
ARM = "processor\t: 0\nFeatures\t: fp asimd bf16\n"


@pytest.fixture
def cpuinfo(monkeypatch, tmp_path):
    """Give the machine another processor's description."""

    def give(said):
        path = tmp_path / f"cpuinfo{len(list(tmp_path.iterdir()))}"  # no machine changes its processor
        path.write_text(said, encoding="utf-8")
        monkeypatch.setattr(processor, "CPUINFO", path)

    return give


@pytest.mark.parametrize(
    ("said", "instructions", "native"),
    [(OLD, "AVX2", False), (NEW, "AVX-512 with bf16", True), (NEW.replace("avx512_bf16", ""), "AVX-512", False)],
)
def test_the_instruction_set_is_the_widest_that_the_first_core_has(cpuinfo, said, instructions, native):
    cpuinfo(said)
    assert (instruction_set(), multiplies_bf16()) == (instructions, native)


def test_an_arm_processor_is_named_by_its_architecture(cpuinfo, monkeypatch):
    cpuinfo(ARM)
    monkeypatch.setattr(processor.platform, "machine", lambda: "aarch64")
    assert (instruction_set(), multiplies_bf16()) == ("aarch64 with bf16", True)


def test_a_machine_that_describes_no_processor_has_no_bf16(monkeypatch, tmp_path):
    monkeypatch.setattr(processor, "CPUINFO", tmp_path / "missing")
    assert not multiplies_bf16()
    assert instruction_set() == processor.platform.machine()


@pytest.mark.parametrize(
    ("limit", "native"),
    [
        ("AVX2", False),
        ("avx512_core", False),
        ("AVX512_CORE_BF16", True),
        ("AVX512_CORE_AMX_FP16", True),
        ("ALL", True),
    ],
)
def test_a_limit_of_the_library_takes_bf16_away(cpuinfo, monkeypatch, limit, native):
    cpuinfo(NEW)
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", limit)
    assert multiplies_bf16() is native


def test_a_record_names_processor_libraries_and_limits(cpuinfo, monkeypatch):
    cpuinfo(OLD)
    monkeypatch.setenv("ATEN_CPU_CAPABILITY", "avx2")
    said = describe_processor(bf16=True)
    assert said["processor"] == "Core i5"
    assert said["bf16"] == "in fp32"
    assert said["limits"] == {"ATEN_CPU_CAPABILITY": "avx2"}
    assert said["kernels"] == torch.backends.cpu.get_cpu_capability()
    assert "bf16" not in describe_processor(bf16=False)


def test_compiled_code_is_told_apart_by_processor_and_limits(cpuinfo, monkeypatch):
    tags = []
    for said in (OLD, NEW):
        cpuinfo(said)
        tags.append(code_tag())
    monkeypatch.setenv("ATEN_CPU_CAPABILITY", "avx2")
    tags.append(code_tag())
    assert len(set(tags)) == 3
