"""The library's counter: every operation of any model on batches of inputs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from torch import nn

from bench.errors import DataError
from bench.measure.counting.counter import Counter
from bench.measure.counting.tape import first_tensor
from bench.measure.mode import device_of, measuring
from bench.records.counts import Counts, InputKind


def count_operations(
    model: nn.Module,
    batches: Iterable[Any],
    time_axis: int | None = 0,
    input_kind: InputKind | None = None,
) -> Counts:
    """Count what `model` does on `batches`: synops, dense MACs, spikes, neuron updates and all other operations.

    batches: inputs, or tuples whose first item is the input, each [T, N, ...] (time on `time_axis`, samples next); with
    time_axis=None [N, ...], T is 1, and a layer that the model calls several times is counted as it is called.
    input_kind: what the network's own input is, "analog" for images, "graded" for event counts, which are then levels
    of 1 however high; None lets the values decide.
    Runs in eval mode without gradients or autocast; the model's training flags are restored and no hook stays.
    Work of unknown cost is listed in `Counts.not_counted`. Raises BenchError when a layer cannot be counted.
    """
    with measuring(model), Counter(model, time_axis=time_axis, input_kind=input_kind) as counter:
        for batch in batches:
            x = first_tensor(batch)
            if x is None:
                raise DataError(
                    f"a batch should be a tensor or a tuple that starts with one, not {type(batch).__name__}"
                )
            model(x.to(device_of(model, x)))
    return counter.counts()
