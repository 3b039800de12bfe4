"""The library's counter: every operation of any model on batches of inputs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any, Literal, TypedDict, Unpack

from torch import Tensor, nn

from bench.errors import BenchError
from bench.measure.counting.axes import batch_axes, single_steps
from bench.measure.counting.batch import Layout, check_layout
from bench.measure.counting.called import Called, call, calls
from bench.measure.counting.counter import Counter
from bench.measure.counting.handed import equal, fresh, hand_over, input_of
from bench.measure.counting.libraries import reset as reset_libraries
from bench.measure.counting.nests import tensors
from bench.measure.counting.operators import in_operators
from bench.measure.counting.refused import countable
from bench.measure.counting.told import confirmed_layout
from bench.measure.mode import device_of
from bench.records.counts import Counts
from bench.records.source import InputKind

Forward = Callable[[nn.Module, Any], Any]
Reset = Literal["auto"] | Callable[[nn.Module], Any] | None
_SAID = object()


class More(TypedDict, total=False):
    """What else `count_operations` may be told."""

    kinds: Mapping[str, InputKind] | None
    reset: Reset
    forward: Forward | None


def count_operations(
    model: nn.Module,
    batches: Iterable[Any],
    time_axis: Any = _SAID,
    input_kind: InputKind | Literal["values"] | None = None,
    *,
    layout: Layout | None = None,
    **more: Unpack[More],
) -> Counts:
    """Count what `model` does on `batches`: synops, dense MACs, spikes, neuron updates and all other operations.

    batches: inputs, or tuples and lists whose first item is the input; dicts are handed to the model by keyword. Every
    run is given a copy, and what has no samples is passed over.
    layout: what the axes of an input are: "TN" [T, N, ...], "NT" [N, T, ...], or "N" [N, ...] for a network without
    timesteps or one that makes them. Without it the network has to tell; where it does not, that is an error.
    time_axis: the same in older calls: 0, 1 or None.
    input_kind: what the network's own input is, "binary", "ternary", "graded" for event counts, which are then levels
    of 1 however high, or "analog", which it is taken for where nothing is said; "values" lets the values decide.
    kinds: what the input of a layer is, by the layer's name, whatever it descends from.
    reset: makes the network forget between batches: a function of the model, None for nothing, or "auto", which knows
    SpikingJelly's, snnTorch's and sinabs' neurons.
    forward: runs the model on a batch, forward(model, batch), where it takes something else. Where it calls the model
    several times, as once per timestep, all of that is what a sample needs, and `layout` is the batch's.
    Runs in eval mode without gradients or autocast; the model's training flags are restored and no hook stays.
    Work of unknown cost is in `Counts.not_counted`, and what may be wrong in `Counts.warnings`. Raises BenchError where
    a layer cannot be counted or the axes are not known.
    """
    for name in more.keys() - More.__annotations__.keys():
        raise TypeError(f"count_operations() got an unexpected keyword argument '{name}'")
    forget = _resetter(more.get("reset", "auto"))
    run = more.get("forward") or hand_over
    with countable(model):
        return _counted(model, batches, _layout(time_axis, layout), input_kind, more.get("kinds"), forget, run)


def _counted(
    model: nn.Module,
    batches: Iterable[Any],
    layout: Layout | None,
    input_kind: InputKind | Literal["values"] | None,
    kinds: Mapping[str, InputKind] | None,
    forget: Callable[[nn.Module], Any],
    run: Forward,
) -> Counts:
    counter: Counter | None = None
    first, said = None, None
    whole, counted = model, run
    for batch in batches:
        x = input_of(batch)
        if _is_empty(x, layout):
            continue
        copied = partial(fresh, batch, device_of(model, x))
        if counter is None and any(map(nn.parameter.is_lazy, model.parameters())):
            run(model, copied())  # which draws the weights that wait for a first input: no work of the network's
        if counter is None and run is not hand_over:
            forget(model)
            if calls(model, run, copied()) != 1:
                whole, counted = Called(model, run), call
        forget(model)
        if counter is None:
            layout = layout or confirmed_layout(model, copied, x, run)
            forget(model)
            axes = _axes(model, copied(), x, layout, run)
            kind: InputKind | None = None if input_kind == "values" else input_kind or "analog"
            counter = Counter(whole, layout=layout, input_kind=kind, kinds=kinds, axes=axes)
        with counter:
            output = counted(whole, copied())
        if first is None:
            first, said = copied(), [tensor.clone() for tensor in tensors(output)]
    if counter is None:
        raise BenchError("no batch was counted: give at least one")
    counts = counter.counts()
    forget(model)
    with in_operators(model.modules()):
        again = list(tensors(counted(whole, first)))
    same = len(again) == len(said or []) and all(map(equal, again, said or []))
    return counts if same else counts.model_copy(update={"warnings": [*counts.warnings, _LEAKS]})


def _is_empty(x: Tensor, layout: Layout | None) -> bool:
    """Whether an input has no samples."""
    return 0 in x.shape[: 1 if layout == "N" else 2]


def _axes(model: nn.Module, batch: Any, x: Tensor, layout: Layout, run: Forward) -> dict[tuple[str, int], int]:
    if layout == "N" or x.dim() < 2:
        return batch_axes(model, batch, x.shape[0], run)
    at = 1 if layout == "TN" else 0
    return single_steps(model, batch, x.shape[at], x.shape[1 - at], at, run)


_LEAKS = (
    "the first batch, run again, gives another output: state is carried from batch to batch, or numbers are drawn; "
    "give reset= a function that makes the network forget"
)


def _layout(time_axis: Any, layout: Layout | None) -> Layout | None:
    check_layout(layout)
    if time_axis is _SAID:
        return layout
    meant: dict[Any, Layout] = {0: "TN", 1: "NT", None: "N"}
    if time_axis not in meant or (layout is not None and meant[time_axis] != layout):
        raise BenchError(f"time_axis={time_axis!r}: should be 0, 1 or None, and agree with layout={layout!r}")
    return meant[time_axis]


def _resetter(reset: Reset) -> Callable[[nn.Module], Any]:
    if reset == "auto":
        return reset_libraries
    if reset is None:
        return lambda model: None
    if not callable(reset):
        raise BenchError(f"reset={reset!r}: should be 'auto', None or a function of the model")
    return reset
