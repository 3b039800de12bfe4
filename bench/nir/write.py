"""A trained network as a NIR graph, where NIR can say what it does to the last bit."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from bench.errors import BenchError
from bench.models.layers import AvgPool2d, Conv2d, Flatten, Linear, MaxPool2d
from bench.models.synapses import without_synapses
from bench.neurons.base import is_neuron
from bench.neurons.lif import LIF
from bench.nir import neurons
from bench.nir.fold import fold
from bench.nir.layers import Conv1d, Scale
from bench.nir.network import Network
from bench.nir.package import nir_library
from bench.nir.read import from_nir

DT = 1e-4  # seconds that a timestep is said to last: what readers of NIR assume that are told nothing
MOST_NAMED = 3  # layers of which the same is wrong
Shape = tuple[int, ...]


def nir_file(model: nn.Module, shape: Shape, metadata: Mapping[str, Any]) -> bytes:
    """Return the bytes of the NIR file of a trained network, read back and found to give the same bits.

    model: maps x [T, N, *shape] to [T, N, classes]; it is left in eval mode.  shape: of one sample at one timestep.
    metadata: of the graph; `dt`, in seconds, is added to it.

    Weights are those that are used, quantised or pruned where they go through a synapse. The file is that of the folded
    network (`bench.nir.fold`). Its graph's Output has the result of every timestep.
    Raises BenchError where `nir` is not installed and, naming every layer, where NIR cannot say what the network does.
    """
    nir = nir_library()
    network = fold(without_synapses(model.eval()), shape)
    file = io.BytesIO()
    nir.write(file, to_nir(network, shape, metadata))
    again = from_nir(nir.read(file))
    x = torch.randn(4, 2, *shape, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        if not torch.equal(network(x), again(x)):
            raise BenchError("the graph that was written does not give the same numbers when it is read")
    return file.getvalue()


def to_nir(network: Network, shape: Shape, metadata: Mapping[str, Any]) -> Any:
    """Return the nir.NIRGraph of a folded network for samples [*shape].

    Raises BenchError naming every layer of which NIR cannot say what it does.
    """
    nir = nir_library()
    with torch.no_grad():
        values = network.values(torch.zeros(1, 1, *shape))
    shapes = {name: tuple(value.shape[2:]) for name, value in values.items()}
    nodes = {
        network.entry: nir.Input(input_type={"input": np.array(shape)}),
        network.output: nir.Output(output_type={"output": np.array(shapes[network.output])}),
    }
    refused: dict[str, list[str]] = {}
    for name, module in network.nodes.items():
        if module is None:
            continue
        try:
            nodes[name] = _node(nir, module, shapes[network.sources[name][0]])
        except BenchError as error:
            refused.setdefault(str(error), []).append(f"'{name}'")
    if refused:
        raise BenchError("\n".join(f"{_listed(names)}: {why}" for why, names in refused.items()))
    edges = [(source, name) for name in nodes for source in network.sources[name]]
    try:
        return nir.NIRGraph(nodes, edges, {**metadata, "dt": DT})
    except ValueError as error:
        raise BenchError(f"nir {nir.version} refuses the graph: {error}") from error


def _listed(names: Sequence[str]) -> str:
    more = len(names) - MOST_NAMED
    return ", ".join(names[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "")


def _node(nir: Any, module: Any, shape: Shape) -> Any:
    """Return the node of a module that gets samples of a shape. Raises BenchError saying why there is none."""
    if is_neuron(module):
        return _neuron(nir, module, shape)
    if write := _WRITERS.get(type(module)):
        return write(nir, module, shape)
    raise BenchError(f"NIR has no node for {type(module).__name__}")


def _numbers(values: Tensor) -> neurons.Array:
    found: neurons.Array = values.detach().cpu().numpy().copy()
    return found


def _convolution(nir: Any, layer: Any, shape: Shape) -> Any:
    if layer.padding_mode != "zeros":
        raise BenchError(f"NIR pads with zeros, not with padding_mode '{layer.padding_mode}'")
    one = isinstance(layer, nn.Conv1d)
    sizes = {word: getattr(layer, word) for word in ("stride", "padding", "dilation")}
    if one:
        sizes = {word: size if isinstance(size, str) else size[0] for word, size in sizes.items()}
    return (nir.Conv1d if one else nir.Conv2d)(
        input_shape=shape[1] if one else shape[1:],
        weight=_numbers(layer.weight),
        bias=np.zeros(layer.out_channels, np.float32) if layer.bias is None else _numbers(layer.bias),
        groups=layer.groups,
        **sizes,
    )


def _linear(nir: Any, layer: Any, shape: Shape) -> Any:
    weight = _numbers(layer.weight)
    return nir.Linear(weight) if layer.bias is None else nir.Affine(weight, _numbers(layer.bias))


def _average(nir: Any, layer: Any, shape: Shape) -> Any:
    kernel, stride, padding = (
        np.array(size if isinstance(size, Sequence) else (size, size))
        for size in (layer.kernel_size, layer.stride, layer.padding)
    )
    if layer.ceil_mode or layer.divisor_override or (padding.any() and not layer.count_include_pad):
        raise BenchError("NIR's average pooling has no ceil_mode, divisor_override or count_include_pad = False")
    return nir.AvgPool2d(kernel, stride, padding)


def _flatten(nir: Any, layer: Any, shape: Shape) -> Any:
    if (layer.start_dim, layer.end_dim) != (1, -1):
        raise BenchError("only a Flatten of all axes of a sample is understood")
    return nir.Flatten({"input": np.array(shape)}, 0, -1)


def _scale(nir: Any, layer: Any, shape: Shape) -> Any:
    return nir.Scale(_numbers(layer.scale.expand(shape)))


def _maximum(nir: Any, layer: Any, shape: Shape) -> Any:
    raise BenchError("NIR has no maximum pooling; average pooling, as in vgg11 or resnet18, it has")


# By exact type: a subclass may compute something else with the same weights.
_WRITERS: dict[type[nn.Module], Callable[[Any, Any, Shape], Any]] = {
    Conv1d: _convolution,
    Conv2d: _convolution,
    Linear: _linear,
    nn.Linear: _linear,
    AvgPool2d: _average,
    MaxPool2d: _maximum,
    Flatten: _flatten,
    Scale: _scale,
}


def _neuron(nir: Any, neuron: Any, shape: Shape) -> Any:
    """Return the node of a layer of neurons.

    Ours fires at its threshold, NIR's above: NIR's is the next smaller float32, above which are the same float32
    numbers. A file has float32 where the coefficients that are read come out as ours, and float64 where they need it.
    """
    name = str(getattr(neuron, "name", type(neuron).__name__))
    if name == "relu":
        raise BenchError("NIR has no ReLU")
    if name == "if":
        raise BenchError("NIR's IF resets to v_reset; the soft reset of 'if', u - threshold, it cannot say")
    if type(neuron) is not LIF:
        raise BenchError(f"NIR has no neuron with the equations of '{name}'; a 'lif' with reset = 'hard' it has")
    if neuron.membrane.reset != "hard":
        raise BenchError(
            "NIR's LIF resets to v_reset; the soft reset, u - threshold, it cannot say; use reset = 'hard'"
        )
    if neuron.membrane.v_reset:
        raise BenchError("NIR cannot say that a membrane begins at v_reset; only v_reset = 0 is written")
    threshold = np.nextafter(np.float32(neuron.threshold), np.float32(-np.inf))
    for kind in (np.float32, np.float64):
        numbers = {
            "tau": np.full(shape, neuron.tau * DT, kind),
            "r": np.full(shape, 1 if neuron.membrane.decay_input else neuron.tau, kind),
            "v_leak": np.zeros(shape, kind),
            "v_threshold": np.full(shape, threshold, kind),
            "v_reset": np.zeros(shape, kind),
        }
        if _is_exact(neuron, numbers):
            return nir.LIF(**numbers)
    raise BenchError(f"no tau of NIR gives, at dt = {DT} s, the float32 leak of tau = {neuron.tau} timesteps")


def _is_exact(neuron: LIF, numbers: dict[str, neurons.Array]) -> bool:
    """Whether the coefficients of the neuron that is read are those of ours, in float32."""
    one = {name: values.flat[:1].astype(np.float64) for name, values in numbers.items()}
    read = neurons.LIF(**one, dt=DT, node="")
    leak = 1 / neuron.tau
    gain = torch.tensor(leak if neuron.membrane.decay_input else 1.0)
    same_gain = gain == 1 if read.gain is None else torch.equal(read.gain, gain)
    return bool(same_gain) and read.decay is not None and torch.equal(read.decay, torch.tensor(1 - leak))
