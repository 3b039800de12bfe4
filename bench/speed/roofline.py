"""The roofline of a training step: its multiplications at the measured matmul rate, its neurons at the copy rate."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from bench.neurons.base import is_neuron
from bench.sequences import repeated_frame

MEASURE_S = 0.3  # at least, for each rate
SIZES = {"cpu": (1024, 256 * 2**20), "cuda": (8192, 512 * 2**20)}  # side of the matrices, bytes of the copy


@dataclass(frozen=True)
class Work:
    """What a step cannot do without: floating-point operations of its layers, bytes of its neurons."""

    flops: float
    neuron_bytes: float


@dataclass(frozen=True)
class Rates:
    """What the device reaches on nothing but matrix products, and on nothing but copies (read and written bytes)."""

    flops_per_s: float | None  # None: too fast for the clock
    bytes_per_s: float | None


def work_of(model: nn.Module, forward: Callable[[], Tensor]) -> Work:
    """Return the work of one training step, `forward` being its forward pass on a batch.

    A layer takes one product forward and two backward, one where its input needs no gradient; a frame that is repeated
    over T is computed once. A neuron reads its input and writes its spikes, and backward reads the input and the
    gradient of the spikes and writes that of the input.
    """
    flops = neuron_bytes = 0.0

    def look(module: nn.Module, args: Any, output: Tensor) -> None:
        nonlocal flops, neuron_bytes
        x: Tensor = args[0]
        if is_neuron(module):
            frame = repeated_frame(x)
            current = x if frame is None else frame
            neuron_bytes += 3 * current.nbytes + 2 * x.numel() * x.element_size()
        elif isinstance(module, nn.Conv2d | nn.Linear):
            frame = repeated_frame(output)
            computed = output if frame is None else frame
            products = 3 if x.requires_grad else 2
            flops += products * 2.0 * computed.numel() * module.weight[0].numel()

    layers = [module for module in model.modules() if is_neuron(module) or isinstance(module, nn.Conv2d | nn.Linear)]
    hooks = [module.register_forward_hook(look) for module in layers]
    try:
        forward()
    finally:
        for hook in hooks:
            hook.remove()
    return Work(flops, neuron_bytes)


def measure_rates(device: torch.device, dtype: torch.dtype) -> Rates:
    """Measure the device: square matrix products in `dtype`, rounded as convolutions are; copies beyond the caches."""
    allowed = torch.backends.cuda.matmul.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32
    try:
        return _measure_rates(device, dtype)
    finally:
        torch.backends.cuda.matmul.allow_tf32 = allowed


def _measure_rates(device: torch.device, dtype: torch.dtype) -> Rates:
    side, size = SIZES[device.type]
    left, right = (torch.randn(side, side, device=device).to(dtype) for _ in range(2))
    product = torch.empty_like(left)
    source, target = (torch.zeros(size, dtype=torch.uint8, device=device) for _ in range(2))
    wait = partial(synchronise, device)
    return Rates(
        flops_per_s=rate(2 * side**3, lambda: torch.mm(left, right, out=product), wait),
        bytes_per_s=rate(2 * size, lambda: target.copy_(source), wait),
    )


def rate(
    amount: float,
    work: Callable[[], Any],
    wait: Callable[[], None] = lambda: None,
    clock: Callable[[], float] = time.perf_counter,
) -> float | None:
    """Return `amount` over the seconds of a call of `work`, at the best: a rate is what the device can do.

    The first call is not timed, at least one is, and others for `MEASURE_S`. None where the clock saw no time pass.
    """
    work()
    wait()
    best, began, calls = float("inf"), clock(), 1
    while True:
        start = clock()
        for _ in range(calls):
            work()
        wait()
        now = clock()
        best = min(best, (now - start) / calls)
        if now - began >= MEASURE_S or best <= 0:
            return amount / best if best > 0 else None
        calls = 3  # the wait is paid once


def synchronise(device: torch.device) -> None:
    """Wait for all that a device was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
