"""Kinds of machine that made records, as they name them."""

import pytest

from bench.records.machines import kinds_of_machine

AVX2 = {"processor": "Core i5", "instructions": "AVX2", "kernels": "AVX2", "onednn": "3.7.1", "mkl": "2024.2"}


def made_on(record, machine):
    return record.model_copy(update={"provenance": {**record.provenance, "machine": machine}})


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"instructions": "AVX-512"}, "AVX-512, AVX2 kernels, oneDNN 3.7.1, MKL 2024.2, torch 2.11.0"),
        ({"kernels": "DEFAULT"}, "AVX2, DEFAULT kernels, oneDNN 3.7.1, MKL 2024.2, torch 2.11.0"),
        ({"onednn": "3.8"}, "AVX2, AVX2 kernels, oneDNN 3.8, MKL 2024.2, torch 2.11.0"),
        ({"limits": {"MKL_CBWR": "AVX2"}}, "AVX2, AVX2 kernels, oneDNN 3.7.1, MKL 2024.2, torch 2.11.0, MKL_CBWR=AVX2"),
    ],
)
def test_what_may_move_a_number_makes_another_kind(records, change, words):
    first, second = made_on(records[0], AVX2), made_on(records[1], AVX2 | change)
    assert kinds_of_machine([first, second]) == {
        "AVX2, AVX2 kernels, oneDNN 3.7.1, MKL 2024.2, torch 2.11.0": [first],
        words: [second],
    }


def test_another_model_of_processor_is_the_same_kind_and_who_names_none_is_left_out(records):
    first, second = made_on(records[0], AVX2), made_on(records[1], AVX2 | {"processor": "Core i7"})
    [(_, found)] = kinds_of_machine([first, second, *records]).items()
    assert found == [first, second]


def test_a_run_in_fp32_is_of_the_kind_of_those_in_bf16_beside_it_and_two_ways_to_bf16_are_two_kinds(records):
    plain, native = made_on(records[0], AVX2), made_on(records[1], AVX2 | {"bf16": "native"})
    assert list(kinds_of_machine([plain, native]).values()) == [[plain, native]]
    rounded = made_on(records[2], AVX2 | {"bf16": "in fp32"})
    assert [kind.rpartition(", ")[2] for kind in kinds_of_machine([native, rounded])] == ["bf16 native", "bf16 in fp32"]


def test_another_torch_makes_another_kind(records):
    first, second = made_on(records[0], AVX2), made_on(records[1], AVX2)
    newer = second.model_copy(update={"provenance": {**second.provenance, "versions": {"torch": "2.12.0"}}})
    assert [kind.rpartition(", ")[2] for kind in kinds_of_machine([first, newer])] == ["torch 2.11.0", "torch 2.12.0"]


def test_portable_runs_are_of_one_kind_on_every_processor_and_not_of_that_of_others(records):
    def portable(record, machine):
        found = made_on(record, machine)
        return found.model_copy(update={"provenance": {**found.provenance, "algorithms": "portable"}})

    old, new = portable(records[0], AVX2), portable(records[1], AVX2 | {"instructions": "AVX-512 with bf16"})
    other = made_on(records[2], AVX2)
    assert kinds_of_machine([old, new, other]) == {
        "portable, AVX2 kernels, oneDNN 3.7.1, MKL 2024.2, torch 2.11.0": [old, new],
        "AVX2, AVX2 kernels, oneDNN 3.7.1, MKL 2024.2, torch 2.11.0": [other],
    }


def test_runs_on_gpus_are_of_one_kind_by_the_gpu_and_not_by_its_host(records):
    def on(record, device, machine):
        found = made_on(record, machine)
        return found.model_copy(update={"provenance": {**found.provenance, "device": device}})

    one, other_host = on(records[0], "NVIDIA H100", AVX2), on(records[1], "NVIDIA H100", AVX2 | {"kernels": "AVX512"})
    older, cpu = on(records[2], "NVIDIA GTX 1080", AVX2), on(records[3], "cpu, 1 thread", AVX2)
    assert kinds_of_machine([one, other_host, older, cpu]) == {
        "NVIDIA H100, torch 2.11.0": [one, other_host],
        "NVIDIA GTX 1080, torch 2.11.0": [older],
        "AVX2, AVX2 kernels, oneDNN 3.7.1, MKL 2024.2, torch 2.11.0": [cpu],
    }
