"""A two-layer network in counts: an analog 3x3 convolution of stride 1, LIF, and a spiking convolution of stride 2."""

from bench.records.counts import Counts, LayerCount, NeuronCount, OtherOps

SAMPLES, T = 10, 4
LIF = {"mul": 2.0, "add": 1.0, "sub": 1.0, "compare": 1.0}
CLIF = {"mul": 4.0, "add": 3.0, "sub": 1.0, "compare": 1.0, "sigmoid": 2.0}

# 2 x 8 x 8 -> 16 x 8 x 8: 288 weights, 2,048 outputs on padding 1, 18,432 MACs per pass; 128 inputs.
STEM_MACS = 16 * 8 * 8 * 2 * 9
# 16 x 8 x 8 -> 32 x 4 x 4, stride 2: 4,608 weights, 512 outputs, 73,728 MACs per pass; 50 spikes and 3,000 synops.
SPIKES, SYNOPS = 50, 3000


def conv(**changes):
    fields = {
        "name": "conv",
        "kind": "conv2d",
        "input_kind": "binary",
        "weight_shape": (32, 16, 3, 3),
        "input_shape": (16, 8, 8),
        "output_shape": (32, 4, 4),
        "stride": (2, 2),
        "has_bias": True,
        "samples": SAMPLES,
        "timesteps": T,
        "dense_macs_total": 73728 * T * SAMPLES,
        "dense_macs_valid_total": 61952 * T * SAMPLES,
        "effective_synops_total": SYNOPS * SAMPLES,
        "input_nonzero_total": SPIKES * SAMPLES,
    }
    return LayerCount(**(fields | changes))


def stem(timesteps=T, **changes):
    fields = {
        "name": "stem",
        "kind": "conv2d",
        "input_kind": "analog",
        "weight_shape": (16, 2, 3, 3),
        "input_shape": (2, 8, 8),
        "output_shape": (16, 8, 8),
        "stride": (1, 1),
        "has_bias": False,
        "samples": SAMPLES,
        "timesteps": timesteps,
        "dense_macs_total": STEM_MACS * timesteps * SAMPLES,
        "dense_macs_valid_total": STEM_MACS * timesteps * SAMPLES,
        "effective_synops_total": 10000 * timesteps * SAMPLES,
        "input_nonzero_total": 100 * timesteps * SAMPLES,
        "static_input": timesteps > 1,
    }
    return LayerCount(**(fields | changes))


def linear(**changes):
    fields = {
        "name": "fc",
        "kind": "linear",
        "input_kind": "binary",
        "weight_shape": (10, 512),
        "input_shape": (512,),
        "output_shape": (10,),
        "has_bias": True,
        "samples": SAMPLES,
        "timesteps": T,
        "dense_macs_total": 5120 * T * SAMPLES,
        "dense_macs_valid_total": 5120 * T * SAMPLES,
        "effective_synops_total": 70 * 10 * SAMPLES,
        "input_nonzero_total": 70 * SAMPLES,
    }
    return LayerCount(**(fields | changes))


def neuron(ops=LIF, words=1, **changes):
    """1,024 neurons after the stem, `SPIKES` spikes per sample."""
    fields = {
        "name": "neuron",
        "neuron": "lif",
        "spiking": True,
        "units": 1024,
        "samples": SAMPLES,
        "timesteps": T,
        "spikes_total": SPIKES * SAMPLES,
        "ops_per_update": ops,
        "state_words": words,
    }
    return NeuronCount(**(fields | changes))


def relu(**changes):
    return neuron({"compare": 1.0}, 0, neuron="relu", spiking=False, timesteps=1, **changes)


def network(**changes):
    """stem, LIF, conv with bias: what one sample costs."""
    fields = {
        "samples": SAMPLES,
        "timesteps": T,
        "layers": [stem(), conv()],
        "neurons": [neuron()],
        "other_ops": [OtherOps(name="conv", column="bias", ops_per_sample={"add": 512 * T})],
    }
    return Counts(**(fields | changes))


def ann():
    """The same network of one pass, with ReLU; half of the inputs of the second layer are zero."""
    second = conv(
        input_kind="analog",
        timesteps=1,
        dense_macs_total=73728 * SAMPLES,
        dense_macs_valid_total=61952 * SAMPLES,
        effective_synops_total=31000 * SAMPLES,
        input_nonzero_total=512 * SAMPLES,
    )
    bias = [OtherOps(name="conv", column="bias", ops_per_sample={"add": 512})]
    return network(timesteps=1, layers=[stem(1), second], neurons=[relu()], other_ops=bias)
