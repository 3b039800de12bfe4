"""The counts of the first timesteps: those of a network that is run for so many."""

import pytest
import torch

from bench import estimate_energy, first_timesteps
from bench.measure.counting.count import count_operations
from bench.models.build import build_model

T = 3


@pytest.mark.parametrize("neuron", ["lif", "clif"])
@pytest.mark.parametrize("model", ["convnet", "resnet18"])
def test_stopping_early_is_running_for_fewer_timesteps(model, neuron):
    network = build_model(model, neuron=neuron, in_channels=2, classes=5, image_size=8, weight_seed=0)
    torch.manual_seed(0)
    x = (torch.rand(T, 2, 2, 8, 8) < 0.3).float()
    whole = count_operations(network, [x], layout="TN", input_kind="binary")
    for t in range(1, T + 1):
        early = first_timesteps(whole, t)
        run = count_operations(network, [x[:t]], layout="TN", input_kind="binary")
        assert early.timesteps == run.timesteps == t
        assert [_plain(layer) for layer in early.layers] == [_plain(layer) for layer in run.layers]
        assert [_plain(each) for each in early.neurons] == [_plain(each) for each in run.neurons]
        for table in ("horowitz-fp32", "horowitz-memory", "lemaire"):
            energies = [estimate_energy(counts, table).total_pj_per_sample for counts in (early, run)]
            assert energies[0] == pytest.approx(energies[1], rel=1e-12)


def _plain(part):
    """A count without its list of one timestep, which one timestep does not need."""
    return part.model_dump(exclude={name for name in type(part).model_fields if name.endswith("_by_timestep")})


def test_what_was_not_told_apart_has_none_and_other_numbers_are_refused():
    network = build_model("mlp", neuron="lif", in_channels=2, classes=5, image_size=8, weight_seed=0)
    whole = count_operations(network, [torch.rand(T, 2, 2, 8, 8)], layout="TN", input_kind="analog")
    old = [layer.model_copy(update={"effective_synops_by_timestep": None}) for layer in whole.layers]
    assert first_timesteps(whole.model_copy(update={"layers": old}), 2) is None
    assert first_timesteps(whole, T) is whole
    for timesteps in (0, T + 1):
        with pytest.raises(ValueError, match=f"from 1 to {T}"):
            first_timesteps(whole, timesteps)
