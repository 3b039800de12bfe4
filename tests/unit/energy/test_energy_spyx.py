"""The break-even rate of spyx's study, from our table: its formulas were read, its constants are those of the table.

github.com/kmheckel/spyx, research/new/honest_energy_accounting/honest_energy.py: 256 inputs, 128 LIF, 10 readouts with
a state; 8-bit weights in the spiking network, all at ceil(log2(T + 1)) bits in the other. The rates are in its
honest_energy_results.json.
"""

import pytest
from support.energy import SAMPLES, linear, network, neuron

from bench.energy.estimate import estimate_energy
from bench.energy.quantised import activation_bits
from bench.energy.table import load_table

RATES = {
    5: 0.0750292677297796,
    6: 0.06250729434889529,
    7: 0.05356302764826365,
    8: 0.06251846702744747,
    9: 0.055560573740450384,
    10: 0.04999425911085272,
}
SHAPES = ((256, 128), (128, 10))
YAN = load_table("yan-2024-22nm")


def layers(timesteps, **fields):
    """Both layers, every input of which is there `rate` of the time; none has a bias."""
    rate = fields.pop("rate", 1)
    return [
        linear(
            name=f"{inputs} to {outputs}",
            weight_shape=(outputs, inputs),
            input_shape=(inputs,),
            output_shape=(outputs,),
            has_bias=False,
            timesteps=timesteps,
            dense_macs_total=inputs * outputs * timesteps * SAMPLES,
            dense_macs_valid_total=inputs * outputs * timesteps * SAMPLES,
            effective_synops_total=inputs * outputs * timesteps * SAMPLES * rate,
            input_nonzero_total=inputs * timesteps * SAMPLES * rate,
            **fields,
        )
        for inputs, outputs in SHAPES
    ]


def spiking_pj(rate, timesteps):
    """The spiking network at a rate of 0 or 1: a comparison per LIF and timestep, a subtraction per spike.

    Not in the study, and in ours: a spike is moved to the next layer, and states are cleared (2 pJ each).
    """
    lif = neuron({"compare": 1.0, "sub": float(rate)}, 1, units=128, timesteps=timesteps)
    readout = neuron({}, 1, name="readout", units=10, timesteps=timesteps, spikes_total=0)
    counts = network(
        timesteps=timesteps,
        layers=layers(timesteps, rate=rate),
        neurons=[lif.model_copy(update={"spikes_total": 128 * timesteps * SAMPLES * rate}), readout],
        other_ops=[],
    )
    still = YAN.model_copy(update={"memory": YAN.memory.scaled(("output",), 0.0)})
    return estimate_energy(counts, still).total_pj_per_sample - 138 * 2.0


def quantised_pj(bits):
    """The network with all at `bits`: a MAC and a weight from DRAM per synapse, every activation moved one hop."""
    memory = YAN.memory.scaled(("weight", "output"), bits / 8)
    mac = 3.7 * (bits / 32) ** 2 + 0.9 * bits / 32
    narrow = YAN.model_copy(update={"memory": memory, "operation_pj": YAN.operation_pj | {"mac": mac}})
    relu = neuron({"compare": 2.0}, 0, neuron="relu", spiking=False, units=138, timesteps=1)
    counts = network(timesteps=1, layers=layers(1, input_kind="analog"), neurons=[relu], other_ops=[])
    inputs = 256 * bits * 0.25  # moved once; our rule has no price for it under this table
    return estimate_energy(counts, narrow).total_pj_per_sample + inputs


def break_even(timesteps):
    silent, full = (spiking_pj(rate, timesteps) for rate in (0, 1))
    return (quantised_pj(activation_bits(timesteps)) - silent) / (full - silent)


@pytest.mark.parametrize("timesteps", RATES)
def test_the_rate_at_which_both_take_as_much(timesteps):
    assert break_even(timesteps) == pytest.approx(RATES[timesteps], rel=1e-9)


def test_their_mean_is_the_5_99_percent_of_the_study():
    assert sum(map(break_even, RATES)) / len(RATES) == pytest.approx(0.0599, abs=5e-5)
