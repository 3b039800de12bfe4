"""The energy of the script behind a table of the CLIF paper: Lemaire's terms, with the errors that it has."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields

from bench.energy.conventions.base import SOURCE, Charge, Convention, Estimate, Prices, Step, counted, not_counted
from bench.records.counts import Counts, LayerCount, NeuronCount

INT32 = Prices(mac=3.2, ac=0.1)  # 45 nm, 32-bit integers: Horowitz, ISSCC 2014
# Per network: MACs of a leak, accumulates of a reset, reads and writes of the potential, addresses.
FACTORS = {"lif": (1, 1, 1, 1, 1), "clif": (3, 3, 4, 2, 2), "relu": (0, 0, 0, 0, 1)}
# The points of the price of an access, by what the script takes for the size of the memory.
POINTS = ((8 * 1024, 10.0), (32 * 1024, 20.0), (1024 * 1024, 100.0))


@dataclass(frozen=True)
class Totals:
    """What the script adds up over layers, per sample: synapses step by step, then what comes beside them."""

    taps: float = 0.0  # rate x inputs x outputs x kernel / stride x T: before its errors
    floored: float = 0.0  # kernel // stride
    once: float = 0.0  # without T
    synapses: float = 0.0  # the inputs of a linear layer twice: as charged
    leak_macs: float = 0.0
    reset_acs: float = 0.0
    bias_acs: float = 0.0
    address_macs: float = 0.0
    address_acs: float = 0.0
    read_inputs: float = 0.0
    read_weights: float = 0.0
    read_potentials: float = 0.0
    write_outputs: float = 0.0
    write_potentials: float = 0.0

    def __add__(self, other: Totals) -> Totals:
        """Add up two layers."""
        return Totals(*(getattr(self, each.name) + getattr(other, each.name) for each in fields(self)))


class ClifScript(Convention):
    """The script calculating_energy.py of the CLIF paper: Lemaire et al. 2022 on 32-bit integers, errors included."""

    name = "clif"
    title = "CLIF's script calculating_energy.py (Huang et al., ICML 2024, second energy table)"
    source = (
        "calculating_energy.py of github.com/HuuYuLong/Complementary-LIF, after Lemaire et al., arXiv:2210.13107; the "
        "paper's other energy table was made by hand and is of the convention sdt, say its authors"
    )
    status = SOURCE
    formula = (
        "E = 3.2 pJ x MACs + 0.1 pJ x accumulates + accesses x E(accesses). Spiking convolution: accumulates s x (K "
        "// stride)^2 x Cout + T x outputs + resets, s = inputs x rate; linear: s x Nin x Nout; leak T x outputs "
        "MACs; addresses 2 s MACs and s x Cout x K^2; weights and potentials s x Cout x K^2 + outputs. CLIF: leak x "
        "3, resets x 3, reads x 4, writes x 2, addresses x 2. ANN: dense MACs, a bias, a weight and an input read for "
        "each MAC"
    )
    rate = "firing rate of the neurons before a layer, per timestep and before pooling; of the first layer 1"
    errors = (
        "the first layer is charged accumulates of an input of ones, whatever it sees",
        "spikes, their accesses and addresses are of one timestep; leaks and biases are of T",
        "a linear layer's inputs are in the product twice; its reads of potentials are s x spikes",
        "kernel // stride: 3 // 2 is 1, so that a spike meets 1 weight in place of 2.25",
        "the rate before a pool is taken for the inputs behind it; taps beyond the border are charged",
        "the price of an access is looked up by the number of accesses, not by the size of a memory, and starts at 0 "
        "again above 8 kB and 32 kB",
        "pooling, batch norms, sigmoids, residual sums and 1x1 shortcuts cost nothing; the last layer has no output "
        "spikes",
    )
    not_in_number = (
        "the script as published multiplies an ANN by the T of its spiking networks, by a condition that is always "
        "true; its author says to set T = 1, as here",
        "published rates and layer lists are typed by hand, one of them with another size of the last layer",
    )

    def estimate(self, counts: Counts) -> Estimate:
        """Follow the script over a chain of layers and neurons; where counts are of another form, it has no number."""
        missing = not_counted(counts)
        neuron, chain = _neuron(counts), _chain(counts)
        if neuron is None:
            names = ", ".join(dict.fromkeys(each.neuron for each in counts.neurons)) or "none"
            missing.append(f"a formula for its neurons ({names}): the script knows LIF, CLIF and ReLU, one at a time")
        if chain is None:
            missing.append(
                "which neurons feed which layer: the script wants one chain of 2-d convolutions and linear ones"
            )
        if neuron is None or chain is None:
            return Estimate(INT32, (None,) * len(counts.layers), (), tuple(missing))
        charges = _charges(counts, chain, neuron)
        start = Step("counted", sum((INT32.of(*counted(layer)) for layer in counts.layers), 0.0))
        return Estimate(INT32, charges, (start, *_steps(counts, chain, neuron)), tuple(missing))


@dataclass(frozen=True)
class Link:
    """One layer of the chain, with the rates that the script takes: of the neurons before it, and behind it."""

    layer: LayerCount
    rate_in: float
    rate_out: float

    @property
    def inputs(self) -> int:
        """Inputs of one timestep."""
        return math.prod(self.layer.input_shape)

    @property
    def outputs(self) -> int:
        """Outputs of one timestep."""
        return math.prod(self.layer.output_shape)

    @property
    def linear(self) -> bool:
        """Whether it is no convolution."""
        return self.layer.kind == "linear"

    @property
    def fan_out(self) -> int:
        """Weights that an input meets, by the script: K^2 Cout, or the outputs of a linear layer."""
        return self.outputs if self.linear else math.prod(self.layer.weight_shape[2:]) * self.layer.output_shape[0]

    @property
    def dense(self) -> int:
        """MACs of one timestep by its shapes; groups are not looked at."""
        return self.inputs * self.outputs if self.linear else self.outputs * self.layer.input_shape[0] * self._kernel

    @property
    def by_stride(self) -> float:
        """Share of the kernel that an input meets on average."""
        return 1.0 if self.linear else 1.0 / math.prod(self.layer.stride)

    @property
    def by_stride_floored(self) -> float:
        """The same with kernel // stride."""
        sizes = zip(self.layer.weight_shape[2:], self.layer.stride, strict=True)
        return 1.0 if self.linear else math.prod(size // step for size, step in sizes) / self._kernel

    @property
    def _kernel(self) -> int:
        return math.prod(self.layer.weight_shape[2:])


def access_pj(accesses: float) -> float:
    """Return what the script takes for the price of one access, picojoule: by their number, each line from 0."""
    left, low = 0, 0.0
    for right, high in POINTS:
        if accesses <= right:
            return (high - low) / (right - left) * (accesses - left)
        left, low = right, high
    return low


def _neuron(counts: Counts) -> str | None:
    found = {neuron.neuron for neuron in counts.neurons}
    return next(iter(found)) if len(found) == 1 and found <= set(FACTORS) else None


def _chain(counts: Counts) -> list[Link] | None:
    """Return layers and their rates where each but the last is followed by neurons; 1x1 shortcuts are left out."""
    layers: Sequence[LayerCount] = counts.layers
    if len(layers) != len(counts.neurons) + 1:
        layers = [layer for layer in layers if layer.kind == "linear" or math.prod(layer.weight_shape[2:]) > 1]
    known = all(layer.kind in ("linear", "conv2d") and layer.second_kind is None for layer in layers)
    if not known or len(layers) != len(counts.neurons) + 1:
        return None
    followed: list[NeuronCount | None] = [*counts.neurons, None]
    if any(n is not None and n.units != math.prod(x.output_shape) for x, n in zip(layers, followed, strict=True)):
        return None
    rates = [1.0, *(neuron.firing_rate for neuron in counts.neurons), 0.0]
    return [Link(layer, *rates[index : index + 2]) for index, layer in enumerate(layers)]


def _charges(counts: Counts, chain: Sequence[Link], neuron: str) -> tuple[Charge | None, ...]:
    by_name = {link.layer.name: link for link in chain}
    found: list[Charge | None] = []
    for layer in counts.layers:
        link = by_name.get(layer.name)
        if link is None:
            found.append(None)
        elif neuron == "relu":
            macs = float(link.dense * counts.timesteps)
            found.append(Charge(layer.name, "mac", macs, macs, float(counts.timesteps)))
        else:
            acs = _spiking(link, counts.timesteps, "lif").synapses
            found.append(Charge(layer.name, "ac", acs, acs * counts.timesteps, 1.0, link.rate_in))
    return tuple(found)


def _spiking(link: Link, timesteps: int, neuron: str) -> Totals:
    leak, reset, reads, writes, addresses = FACTORS[neuron]
    spikes, spikes_out = link.inputs * link.rate_in, link.outputs * link.rate_out
    met = spikes * link.fan_out
    floored = met * link.by_stride_floored
    touched = met + link.outputs
    return Totals(
        taps=met * link.by_stride * timesteps,
        floored=floored * timesteps,
        once=floored,
        synapses=floored * (link.inputs if link.linear else 1),
        leak_macs=timesteps * link.outputs * leak,
        reset_acs=spikes_out * reset * (timesteps if link.linear else 1),
        bias_acs=0.0 if link.linear else timesteps * link.outputs,
        address_macs=0.0 if link.linear else 2 * spikes * addresses,
        address_acs=met * addresses,
        read_inputs=spikes,
        read_weights=touched,
        read_potentials=((spikes + 1) * spikes_out if link.linear else touched) * reads,
        write_outputs=spikes_out,
        write_potentials=touched * writes,
    )


def _conventional(link: Link) -> Totals:
    linear, kernel = link.linear, math.prod(link.layer.weight_shape[2:])
    return Totals(
        taps=link.dense,
        floored=link.dense,
        once=link.dense,
        synapses=link.dense,
        bias_acs=link.outputs,
        address_acs=link.inputs + link.outputs + (0 if linear else link.layer.output_shape[0] * kernel),
        read_inputs=link.inputs if linear else link.dense,
        read_weights=link.dense + link.outputs,
        write_outputs=link.outputs,
    )


def _steps(counts: Counts, chain: Sequence[Link], neuron: str) -> list[Step]:
    """Return one step per cause; an ANN's are those of one pass, times its passes."""
    spiking = neuron != "relu"
    passes = 1 if spiking else counts.timesteps
    price = INT32.ac if spiking else INT32.mac
    total = sum((_spiking(x, counts.timesteps, neuron) if spiking else _conventional(x) for x in chain), Totals())
    own = [counted(link.layer) for link in chain]
    energies = {
        "layers left out": sum((INT32.of(*each) for each in own), 0.0),
        "MAC or AC": sum((price * count for _, count in own), 0.0),
        "rate × taps": price * total.taps * passes,
        "kernel // stride": price * total.floored * passes,
        "T missing": price * total.once * passes,
        "Nin twice": price * total.synapses * passes,
    }
    steps = [Step(cause, energy) for cause, energy in energies.items()]
    reads = (total.read_inputs, total.read_weights, total.read_potentials)
    writes = (total.write_outputs, total.write_potentials)
    more = {
        "neurons": INT32.mac * total.leak_macs + INT32.ac * total.reset_acs,
        "bias": INT32.ac * total.bias_acs,
        "addressing": INT32.mac * total.address_macs + INT32.ac * total.address_acs,
        "memory": sum(count * access_pj(count) for count in (*reads, *writes)),
    }
    for cause, energy in more.items():
        steps.append(Step(cause, steps[-1].pj_per_sample + energy * passes))
    return steps
