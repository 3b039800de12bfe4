"""Where the time of a training step goes: a torch profiler trace and a table of its operators."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch.autograd import DeviceType  # type: ignore[attr-defined]
from torch.profiler import ProfilerActivity, profile

WARM_STEPS, STEPS, ROWS = 3, 10, 25


@dataclass(frozen=True)
class StepProfile:
    """The operators of a step as a table of self time, and what writes the trace (for Perfetto) to a path."""

    table: str
    write_trace: Callable[[str], None]


def profile_steps(step: Callable[[], Any], device: torch.device, path: str) -> StepProfile:
    """Profile `step`, some times over.

    path: the one that the run takes; the step given is never graphed. The table is of self time: on a GPU that of its
    kernels, on a CPU that of the operators.
    """
    for _ in range(WARM_STEPS):
        step()
    on_gpu = device.type == "cuda"
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if on_gpu else [])]
    with profile(activities=activities, acc_events=True) as profiler:  # without it torch 2.11 warns
        for _ in range(STEPS):
            step()
        if on_gpu:
            torch.cuda.synchronize(device)
    title = f"path: {path}{', here without its graph' if path == 'graphed' else ''}; {STEPS} steps\n"
    return StepProfile(title + time_table(profiler.events(), on_gpu), profiler.export_chrome_trace)


def time_table(events: Any, on_gpu: bool) -> str:
    """Return the operators of STEPS steps by their share of the time, the most expensive first."""
    microseconds: dict[str, float] = defaultdict(float)
    calls: dict[str, int] = defaultdict(int)
    for event in events:
        if on_gpu and event.device_type != DeviceType.CPU:
            continue  # a kernel, whose time its operator has too
        spent = event.self_device_time_total if on_gpu else event.self_cpu_time_total
        if spent > 0:
            name = _name(event)
            microseconds[name] += spent
            calls[name] += 1
    total = sum(microseconds.values())
    rows = sorted(microseconds.items(), key=lambda item: -item[1])
    lines = [f"{'operator':<52} {'calls/step':>10} {'ms/step':>10} {'share':>7}"]
    lines += [_row(name, calls[name], spent, total) for name, spent in rows[:ROWS]]
    rest = rows[ROWS:]
    if rest:
        others = [name for name, _ in rest]
        lines.append(_row(f"{len(rest)} others", sum(calls[name] for name in others), sum(t for _, t in rest), total))
    lines.append(_row("a step", STEPS, total, total))
    return "\n".join(lines) + "\n"


def _row(name: str, calls: int, microseconds: float, total: float) -> str:
    share = microseconds / total if total else 0.0
    return f"{name[:52]:<52} {calls / STEPS:>10.1f} {microseconds / STEPS / 1000:>10.3f} {share:>7.1%}"


def _name(event: Any) -> str:
    """The operator's name; what torch.compile made for the neurons is called so, by its direction."""
    names, parent = [], event
    while parent is not None:
        names.append(parent.name)
        parent = parent.cpu_parent
    if not any("CompiledFx" in name for name in names):
        return str(event.name).removeprefix("aten::")
    backward = any("CompiledFunctionBackward" in name for name in names)
    return f"fused neurons, {'backward' if backward else 'forward'}"
