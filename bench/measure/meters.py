"""Energy counters of this machine: NVML on a GPU, RAPL on a CPU."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Protocol

import torch

from bench.errors import BenchError

RAPL = Path("/sys/class/powercap")


class MeterError(BenchError):
    """A counter that could be opened cannot be read any more."""


class Meter(Protocol):
    """A cumulative energy counter."""

    source: str

    def joules(self) -> float:
        """Return the energy spent since some fixed moment. Raises MeterError."""
        ...

    def about(self) -> dict[str, Any]:
        """Return what the reading depends on: device, driver, clocks."""
        ...


class NvmlMeter:
    """NVML's total-energy counter of one GPU (nvmlDeviceGetTotalEnergyConsumption, millijoules, Volta and later)."""

    source = "NVML total energy counter"

    def __init__(self, nvml: Any, handle: Any) -> None:
        self.nvml, self.handle = nvml, handle

    def joules(self) -> float:
        """Return joules since the driver was loaded. Raises MeterError."""
        try:
            return float(self.nvml.nvmlDeviceGetTotalEnergyConsumption(self.handle)) / 1000
        except self.nvml.NVMLError as error:
            raise MeterError(f"NVML gives no energy any more: {error}") from error

    def about(self) -> dict[str, Any]:
        """Return the GPU, its driver and its clocks now, each where it can be asked: a virtual one hides some."""
        nvml, found = self.nvml, {}
        asked: dict[str, Callable[[], Any]] = {
            "device": lambda: _text(nvml.nvmlDeviceGetName(self.handle)),
            "driver": lambda: _text(nvml.nvmlSystemGetDriverVersion()),
            "sm_clock_mhz": lambda: nvml.nvmlDeviceGetClockInfo(self.handle, nvml.NVML_CLOCK_SM),
            "memory_clock_mhz": lambda: nvml.nvmlDeviceGetClockInfo(self.handle, nvml.NVML_CLOCK_MEM),
        }
        for name, ask in asked.items():
            with suppress(nvml.NVMLError):
                found[name] = ask()
        return found


class RaplMeter:
    """RAPL's package counters of the CPUs (Linux powercap, microjoules), which wrap around.

    It covers whole processor packages: everything else that runs on the machine is in it.
    """

    source = "RAPL package counters"

    def __init__(self, domains: list[Path]) -> None:
        self.domains = domains
        self._range = {domain: _read(domain / "max_energy_range_uj") for domain in domains}
        self._last = {domain: _read(domain / "energy_uj") for domain in domains}
        self._total = 0

    def joules(self) -> float:
        """Return joules since this meter was made; call it at least once per wrap of the counter (minutes).

        Raises MeterError.
        """
        for domain in self.domains:
            try:
                now = _read(domain / "energy_uj")
            except (OSError, ValueError) as error:
                raise MeterError(f"{domain} gives no energy any more: {error}") from error
            self._total += (now - self._last[domain]) % (self._range[domain] + 1)
            self._last[domain] = now
        return self._total / 1e6

    def about(self) -> dict[str, Any]:
        """Return the packages that are covered."""
        return {"device": ", ".join((domain / "name").read_text("utf-8").strip() for domain in self.domains)}


@contextmanager
def open_meter(device: torch.device, rapl: Path = RAPL) -> Iterator[Meter | None]:
    """Give the meter of a device while the block runs, or None where its energy cannot be read."""
    if device.type != "cuda":
        yield _rapl_meter(rapl)
        return
    try:
        import pynvml
    except ImportError:  # the extra [gpu] is not installed
        yield None
        return
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        yield None
        return
    try:
        yield _nvml_meter(pynvml, device)
    finally:
        with suppress(pynvml.NVMLError):
            pynvml.nvmlShutdown()


def _nvml_meter(nvml: Any, device: torch.device) -> Meter | None:
    try:
        uuid = str(torch.cuda.get_device_properties(device).uuid)
        handle = nvml.nvmlDeviceGetHandleByUUID(uuid if uuid.startswith("GPU-") else f"GPU-{uuid}")
        nvml.nvmlDeviceGetTotalEnergyConsumption(handle)
    except nvml.NVMLError:  # too old, virtual or a part of a GPU: the counter is not there or not ours alone
        return None
    return NvmlMeter(nvml, handle)


def _rapl_meter(folder: Path) -> Meter | None:
    domains = sorted(path for path in folder.glob("intel-rapl:*") if path.name.count(":") == 1)
    try:
        return RaplMeter(domains) if domains else None
    except (OSError, ValueError):  # there, but readable by root alone
        return None


def _read(path: Path) -> int:
    return int(path.read_text("ascii"))


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value
