"""Measured energy of the simulation: joules from a hardware counter over timed windows, idle power subtracted.

What a GPU or CPU spends on simulating a network is not what the network would cost on its own hardware: a spiking
network of T timesteps costs about T times the ANN here. Where no counter can be read there is no figure, never 0.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

from bench.measure.meters import Meter

WINDOW_S = 5.0  # NVML's counter moves every 20 to 100 ms, so shorter windows mostly measure that

REPEATS = 3
LOOK_S = 0.2  # between waits for the device, in which it has nothing to do


def measure_energy(
    meter: Meter,
    work: dict[str, Callable[[], int]],
    synchronise: Callable[[], None] = lambda: None,
    *,
    window_s: float = WINDOW_S,
    repeats: int = REPEATS,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> dict[str, Any]:
    """Return joules per sample for each kind of work, idle power subtracted, with what the reading depends on.

    work: name -> a function that does some of it and returns how many samples that was; it is called over and over
    for `repeats` windows of at least `window_s` seconds. synchronise waits for the device before a counter is read.
    Each result holds the mean, the sd over windows, and the mean power, watts, with idle included. Raises MeterError
    when the counter fails.
    """

    def window(step: Callable[[], int]) -> tuple[float, float, int]:
        synchronise()
        began, before, samples = clock(), meter.joules(), 0
        looked = began
        while True:
            samples += step()
            if clock() - looked < min(LOOK_S, window_s):
                continue
            synchronise()
            looked = clock()
            if looked - began >= window_s:
                return meter.joules() - before, clock() - began, samples

    def idle() -> int:
        sleep(window_s)
        return 0

    for step in work.values():
        step()  # what happens only once, as compiling, is not of the work
    rests = [window(idle) for _ in range(repeats)]
    idle_w = statistics.fmean(joules / seconds for joules, seconds, _ in rests)
    result: dict[str, Any] = {"source": meter.source, "idle_w": idle_w, "window_s": window_s, "repeats": repeats}
    for name, step in work.items():
        windows = [window(step) for _ in range(repeats)]
        each = [(joules - idle_w * seconds) / samples for joules, seconds, samples in windows]
        result[name] = {
            "j_per_sample": statistics.fmean(each),
            "sd_j_per_sample": statistics.stdev(each) if repeats > 1 else None,
            "mean_w": statistics.fmean(joules / seconds for joules, seconds, _ in windows),
        }
    return result | meter.about()
