"""Every difference between our energy and that of others, on drawn networks, has named causes: residual 0."""

import dataclasses
import math
import subprocess
import sys

import pytest
import torch
from support import ROOT
from support.conforming import page, rows
from support.conforming.by_sanafe import by_sanafe
from support.conforming.by_spikingjelly import Twin
from support.conforming.causes import Comparison, energy
from support.conforming.networks import Drawn, Step, draw, networks
from support.conforming.qualia import memory, qualia
from support.crosscheck_peers import peer

NUMBER = 40
COMMITTED = ROOT / "benchmarks" / "conformance.md"


@pytest.fixture(scope="module")
def drawn():
    return networks(NUMBER)


def name_of(row):
    return f"{row.model} against {row.table}"


def check_explained(row, found):
    """Nothing is left, and something would be left without any cause that changes a number."""
    for one in found:
        assert abs(one.residual) < page.ROUNDING, (one.network, one.residual)
        for name in filter(one.changed_by, one.causes):
            without = dataclasses.replace(one, causes=one.causes | {name: 0.0})
            assert abs(without.residual) > page.ROUNDING, (one.network, name)
    assert any(abs(one.theirs / one.ours - 1) > 1e-4 for one in found)
    assert all(any(one.changed_by(name) for one in found) for name in found[0].causes), "a cause that never acts"
    assert page.overview([(row, found)])[-1] in COMMITTED.read_text("utf-8"), "benchmarks/conformance.md is out of date"


@pytest.mark.parametrize("row", rows.SPIKINGJELLY, ids=name_of)
def test_spikingjelly(drawn, row):
    with peer("spikingjelly"):
        import spikingjelly.activation_based.op_counter  # noqa: F401
    check_explained(row, rows.comparisons(row, drawn))


@pytest.mark.parametrize("row", rows.QUALIA, ids=name_of)
def test_qualia(drawn, row):
    check_explained(row, rows.comparisons(row, drawn))


def test_sanafe():
    """Its simulator finds the spikes and the synaptic operations that we count, and all of its energy is explained."""
    with peer("sanafe"):
        small = networks(3, chip=True)
    simulated = dict(zip(small, by_sanafe(small), strict=True))
    for network, chip in simulated.items():
        counts = network.counts
        assert chip.synapse == pytest.approx(35.5 * counts.effective_synops_per_sample, rel=1e-9)
        spikes = sum(neuron.spikes_per_sample for neuron in counts.neurons) + network.x.sum().item()
        assert chip.spikes == spikes > 0
    found = rows.comparisons(rows.sanafe_row(simulated), small)
    assert max(abs(one.residual) for one in found) < page.ROUNDING


def test_spikingjelly_prices_a_sample_by_the_batch_that_it_is_in():
    """Its buffers are those of the whole batch: a sample alone and the same three times differ. Ours do not."""
    with peer("spikingjelly"):
        from spikingjelly.activation_based.op_counter import estimate_lemaire_energy
    alone = chain(1)
    thrice = dataclasses.replace(alone, samples=3)
    thrice.__dict__["x"] = alone.x.expand(-1, 3, -1, -1, -1).contiguous()
    with torch.no_grad():
        single, batch = (estimate_lemaire_energy(Twin(one).eval(), one.x).total_pj for one in (alone, thrice))
    assert batch / 3 > 1.1 * single
    ours = [energy(one, "lemaire").total_pj_per_sample for one in (alone, thrice)]
    assert ours[0] == pytest.approx(ours[1], rel=1e-12)


def test_neuromc_refuses_a_relu():
    with peer("spikingjelly"):
        from spikingjelly.activation_based.op_counter import estimate_neuromc_runtime_energy
    ann = next(network for network in networks(NUMBER) if network.kind == "ann")
    with torch.no_grad(), pytest.raises(ValueError, match=r"aten\.relu"):
        estimate_neuromc_runtime_energy(Twin(ann).eval(), ann.x)


def chain(samples):
    """A 3x3 convolution of stride 2 on 2 x 6 x 6 with 4 x 3 x 3 LIF, then 36 -> 5 without neurons; biases on both."""
    steps = (Step(2, 4, 3, 2, 1), Step(36, 5))
    return Drawn(7, "spikes", "lif", 2, samples, 2, 6, 0.4, steps, ends_in_neurons=False)


def test_qualia_by_hand():
    """a spikes come in, b leave the convolution: 72 and 180 weights, 36 and 5 outputs, T = 2, queues of 1,000 words."""
    network = chain(1)
    a, b = (layer.input_nonzero_total for layer in network.counts.layers)
    assert (a, b) == (network.x.sum(), network.counts.neurons[0].spikes_total) and b > 0
    convolution = (
        a * memory(1000) + a * 36 * memory(72) + 72 * memory(4) + 2 * (a * 36 + 72) * memory(36) + b * memory(1000)
    )
    convolution += 72 * 3.2 + (a * 4 * 4 + 72 + b) * 0.1 + 2 * a * 3.2 + a * 9 * 0.1
    linear = b * memory(1000) + b * 5 * memory(180) + 10 * memory(5) + 2 * (b * 5 + 10) * memory(5)
    linear += (b * 5 + 10) * 0.1 + b / 36 * 5 * 0.1
    assert qualia(network.counts, formal=False) == pytest.approx(convolution + linear, rel=1e-12)
    assert memory(32768) == pytest.approx(13.2 + 11.429478, rel=1e-6)


def test_what_is_drawn(drawn):
    """A seed is a network; every kind, neuron and stride is among them, and no weight is 0."""
    assert draw(3) == draw(3) != draw(4) and torch.equal(draw(3).weights[0][0], drawn[3].weights[0][0])
    assert {network.kind for network in drawn} == {"spikes", "images", "ann"}
    assert {network.neuron for network in drawn} == {"if", "lif", "lif-hard", "relu"}
    assert {network.timesteps for network in drawn} == set(range(1, 9))
    steps = [step for network in drawn for step in network.steps]
    assert {(step.stride, step.padding) for step in steps} == {(1, 0), (1, 1), (2, 0), (2, 1)}
    assert all((weight != 0).all() for network in drawn for weight, _ in network.weights)


def test_page_of_known_numbers():
    some = [Comparison(i, "spikes", ours, theirs, {"why": theirs - ours}) for i, (ours, theirs) in enumerate(KNOWN)]
    (row, *_) = rows.QUALIA
    assert page.ratios(some) == ("0.5", "1.26", "4") and page.correlation(some) == 0.5
    assert page.overview([(row, some)])[-1].endswith("| 3 | 0.5 | 1.26 | 4 | 0.500 | 0 (below 1e-12) |")
    assert "| why | 2 | +83.3 | -50 | +300 |" in page.causes(row, some)
    wrong = dataclasses.replace(some[1], causes={"why": 0.0})
    assert wrong.residual == 0.75 and page.worst([*some, wrong]) == "0.75"


KNOWN = ((1.0, 1.0), (2.0, 8.0), (4.0, 2.0))


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["--networks", "2"], "2: should be a whole number from 3 to 10,000"),
        (["--networks", "many"], "many: should be a whole number"),
        (["--out", "nowhere/page.md"], "nowhere is not a folder"),
    ],
)
def test_bad_options_are_one_message(given, said, tmp_path):
    command = [sys.executable, ROOT / "benchmarks" / "conformance.py", *given]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, encoding="utf-8", check=False)
    assert done.returncode == 2 and said in done.stderr and "Traceback" not in done.stderr


def test_ratio_of_theirs_is_the_sum_of_causes(drawn):
    (row, _) = rows.QUALIA
    for one in rows.comparisons(row, drawn[:5]):
        assert one.theirs / one.ours == pytest.approx(1 + math.fsum(one.causes.values()) / one.ours, rel=1e-12)
