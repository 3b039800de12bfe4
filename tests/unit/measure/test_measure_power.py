"""Joules of the simulation: arithmetic with a made-up counter and clock, and no figure where there is no counter."""

import sys
import types

import pytest
import torch

from bench.measure.meters import MeterError, RaplMeter, open_meter
from bench.measure.power import measure_energy


class World:
    """A clock and a counter: 10 W at rest, 60 W at work, 0.5 s a step."""

    source = "made up"

    def __init__(self):
        self.now, self.spent = 0.0, 0.0

    def joules(self):
        return self.spent

    def about(self):
        return {"device": "world"}

    def pass_time(self, seconds, watts):
        self.now += seconds
        self.spent += seconds * watts

    def train(self):
        self.pass_time(0.5, 60.0)
        return 4

    def infer(self):
        self.pass_time(0.5, 35.0)
        return 20


def test_idle_power_is_subtracted_and_windows_are_long_enough():
    world = World()
    found = measure_energy(
        world,
        {"training": world.train, "inference": world.infer},
        window_s=5.0,
        repeats=3,
        clock=lambda: world.now,
        sleep=lambda seconds: world.pass_time(seconds, 10.0),
    )
    assert found["idle_w"] == pytest.approx(10.0)
    assert found["training"]["j_per_sample"] == pytest.approx(0.5 * (60 - 10) / 4)
    assert found["inference"]["j_per_sample"] == pytest.approx(0.5 * (35 - 10) / 20)
    assert found["training"]["sd_j_per_sample"] == pytest.approx(0.0, abs=1e-12)
    assert found["training"]["mean_w"] == pytest.approx(60.0)
    assert (found["source"], found["device"], found["repeats"]) == ("made up", "world", 3)
    assert world.now == pytest.approx(2 * 0.5 + 3 * 5.0 + 3 * 5.0 + 3 * 5.0)


def test_the_device_is_waited_for_now_and_then_and_before_a_counter_is_read():
    world, waits = World(), []
    found = measure_energy(
        world,
        {"training": lambda: world.pass_time(0.0625, 60.0) or 4, "inference": world.infer},
        lambda: waits.append(world.now),
        window_s=1.0,
        repeats=1,
        clock=lambda: world.now,
        sleep=lambda seconds: world.pass_time(seconds, 10.0),
    )
    assert found["training"]["j_per_sample"] == pytest.approx(0.0625 * (60 - 10) / 4)
    began = 0.0625 + 0.5 + 1.0  # after the first steps and a second of rest
    assert [now - began for now in sorted(set(waits)) if began <= now <= began + 1.0] == [0.0, 0.25, 0.5, 0.75, 1.0]


def powercap(folder, name, value, top=999_999):
    domain = folder / name
    domain.mkdir(parents=True, exist_ok=True)
    (domain / "energy_uj").write_text(f"{value}\n")
    (domain / "max_energy_range_uj").write_text(f"{top}\n")
    (domain / "name").write_text("package-0\n")
    return domain


def test_rapl_adds_packages_and_survives_the_wrap_of_its_counters(tmp_path):
    domains = [powercap(tmp_path, f"intel-rapl:{number}", 900_000) for number in range(2)]
    meter = RaplMeter(domains)
    powercap(tmp_path, "intel-rapl:0", 950_000)
    powercap(tmp_path, "intel-rapl:1", 50_000)  # wrapped: 100,000 to the top, 50,000 on
    assert meter.joules() == pytest.approx((50_000 + 150_000) / 1e6)
    assert meter.joules() == pytest.approx(0.2)


def test_only_whole_packages_are_read(tmp_path):
    powercap(tmp_path, "intel-rapl:0", 1)
    powercap(tmp_path, "intel-rapl:0:0", 1)  # a part of the package: it is in it already
    with open_meter(torch.device("cpu"), tmp_path) as meter:
        assert [domain.name for domain in meter.domains] == ["intel-rapl:0"]
        assert meter.about() == {"device": "package-0"}


def test_no_counter_is_no_figure(tmp_path, monkeypatch):
    with open_meter(torch.device("cpu"), tmp_path / "nothing") as meter:
        assert meter is None
    powercap(tmp_path, "intel-rapl:0", 1)
    (tmp_path / "intel-rapl:0" / "energy_uj").unlink()
    with open_meter(torch.device("cpu"), tmp_path) as meter:
        assert meter is None
    monkeypatch.setitem(sys.modules, "pynvml", None)
    with open_meter(torch.device("cuda")) as meter:
        assert meter is None


def fake_nvml(supported=True):
    class NVMLError(Exception):
        pass

    def total(handle):
        if not supported:
            raise NVMLError("Not Supported")
        return 12_345  # mJ

    nvml = types.ModuleType("pynvml")
    nvml.__dict__.update(
        NVMLError=NVMLError,
        NVML_CLOCK_SM=1,
        NVML_CLOCK_MEM=2,
        nvmlInit=lambda: None,
        nvmlShutdown=lambda: None,
        nvmlDeviceGetHandleByUUID=lambda uuid: uuid,
        nvmlDeviceGetTotalEnergyConsumption=total,
        nvmlDeviceGetName=lambda handle: b"Some GPU",
        nvmlSystemGetDriverVersion=lambda: "580.1",
        nvmlDeviceGetClockInfo=lambda handle, kind: 1000 * kind,
    )
    return nvml


@pytest.fixture
def gpu(monkeypatch):
    properties = types.SimpleNamespace(uuid="00000000-1111")
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: properties)


def test_nvml_counts_millijoules_of_the_gpu_that_is_used(gpu, monkeypatch):
    monkeypatch.setitem(sys.modules, "pynvml", fake_nvml())
    with open_meter(torch.device("cuda")) as meter:
        assert meter.handle == "GPU-00000000-1111"
        assert meter.joules() == 12.345
        expected = {"device": "Some GPU", "driver": "580.1", "sm_clock_mhz": 1000, "memory_clock_mhz": 2000}
        assert meter.about() == expected


def test_a_gpu_without_the_counter_has_no_figure(gpu, monkeypatch):
    monkeypatch.setitem(sys.modules, "pynvml", fake_nvml(supported=False))
    with open_meter(torch.device("cuda")) as meter:
        assert meter is None


def test_what_a_virtual_gpu_hides_is_left_out_and_a_counter_that_fails_is_an_error(gpu, monkeypatch):
    nvml = fake_nvml()
    monkeypatch.setitem(sys.modules, "pynvml", nvml)

    def hidden(*_):
        raise nvml.NVMLError("Not Supported")

    with open_meter(torch.device("cuda")) as meter:
        nvml.nvmlDeviceGetClockInfo = hidden
        assert meter.about() == {"device": "Some GPU", "driver": "580.1"}
        nvml.nvmlDeviceGetTotalEnergyConsumption = nvml.nvmlShutdown = hidden
        with pytest.raises(MeterError, match="no energy any more: Not Supported"):
            meter.joules()


def test_a_package_counter_that_fails_is_an_error(tmp_path):
    meter = RaplMeter([powercap(tmp_path, "intel-rapl:0", 1)])
    (tmp_path / "intel-rapl:0" / "energy_uj").unlink()
    with pytest.raises(MeterError, match="intel-rapl:0 gives no energy any more"):
        meter.joules()
