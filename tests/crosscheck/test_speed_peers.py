"""What `spikebench speed --against` times beside ours is the same neuron, so that only its speed differs."""

import importlib.metadata

import pytest
import torch
from support.crosscheck_peers import peer

from bench.neurons import make_factory
from bench.plugins.registry import find
from bench.speed.peers import PeerLacksError, peer_factory
from bench.suite.fields import PluginSpec


def both(library, name, **params):
    spec = PluginSpec.model_validate({"name": name, **params})
    return make_factory(name, **params)(1).double(), peer_factory(library, spec, find("neuron", name).resolve(params))()


FORMS = [
    ("if", {}),
    ("lif", {"tau": 3.0, "surrogate": "atan"}),
    ("lif", {"reset": "hard", "v_reset": -0.06, "decay_input": True, "detach_reset": True}),
    ("plif", {"tau": 1.5}),
    ("klif", {"threshold": 0.7}),
    ("clif", {"tau": 1.7, "surrogate": "triangle"}),
]


@pytest.mark.parametrize(("name", "params"), FORMS, ids=str)
def test_spikingjellys_is_the_same_neuron_every_time(name, params):
    with peer("spikingjelly"):
        ours, theirs = both("spikingjelly", name, **params)
    generator = torch.Generator().manual_seed(0)
    for _ in range(2):  # its state is put back before every sequence
        x = 1.5 * torch.randn(6, 3, 40, dtype=torch.float64, generator=generator) + 0.3
        cotangent = torch.randn(6, 3, 40, dtype=torch.float64, generator=generator)
        results = []
        for neuron in (ours, theirs.double()):
            given = x.clone().requires_grad_()
            spikes = neuron(given)
            spikes.backward(cotangent)
            results.append((spikes.detach(), given.grad))
        torch.testing.assert_close(results[1], results[0], rtol=0, atol=1e-10)
        assert 0 < results[0][0].mean() < 1


def test_snntorchs_leaky_gives_lifs_spikes():
    """Below twice the threshold; above it resets a membrane that stays high a second time."""
    if importlib.util.find_spec("snntorch") is None:
        pytest.skip("snntorch is needed (extra 'crosscheck'); it is not installed")
    with peer("spikingjelly"):
        ours, theirs = both("snntorch", "lif", tau=2.0)
    x = torch.randn(6, 3, 40, generator=torch.Generator().manual_seed(0)).clamp(max=1.2)  # its state is float32
    spikes = ours(x.double()).float()
    assert torch.equal(spikes, theirs(x)) and 0 < spikes.mean() < 1


def test_a_neuron_that_a_library_lacks_is_named():
    with peer("spikingjelly"), pytest.raises(PeerLacksError, match="spikingjelly has no neuron like 'glif'"):
        both("spikingjelly", "glif")
    with peer("spikingjelly"), pytest.raises(PeerLacksError, match="snntorch has no neuron like this 'lif'"):
        both("snntorch", "lif", reset="hard")
    with peer("spikingjelly"), pytest.raises(PeerLacksError, match="spikingjelly has no surrogate like 'lab:Wide'"):
        peer_factory("spikingjelly", PluginSpec(name="if"), {"threshold": 1.0, "surrogate": "lab:Wide"})
