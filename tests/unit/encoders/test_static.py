"""The built-in encoders, each against its definition."""

import pytest
import torch

import bench.encoders
from bench.encoders.direct import Direct
from bench.encoders.latency import Latency
from bench.encoders.rate import Rate


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def test_direct_repeats_the_image_without_a_copy():
    images = torch.randn(2, 3, 4, 5)
    sequence = Direct().encode(images, 6)
    assert sequence.shape == (6, 2, 3, 4, 5) and sequence.stride(0) == 0
    assert sequence.data_ptr() == images.data_ptr()
    assert all(torch.equal(frame, images) for frame in sequence)


def test_direct_keeps_the_memory_format():
    images = torch.randn(2, 3, 4, 5).contiguous(memory_format=torch.channels_last)
    assert Direct().encode(images, 2)[1].is_contiguous(memory_format=torch.channels_last)


def test_rate_spikes_as_often_as_a_pixel_is_bright():
    levels = torch.tensor([0.0, 0.1, 0.5, 0.9, 1.0])
    images = levels.view(1, 1, 1, 5).expand(100, 1, 4, 5)
    spikes = Rate().encode(images, 50, seeded())
    rate = spikes.mean((0, 1, 2, 3))
    assert (rate[0], rate[4]) == (0.0, 1.0)
    sd = (levels * (1 - levels) / 20_000).sqrt()
    assert ((rate - levels).abs() <= 4 * sd).all()


def test_rate_timesteps_are_independent():
    spikes = Rate().encode(torch.full((100, 1, 20, 20), 0.5), 2, seeded())
    assert (spikes[0] == spikes[1]).float().mean().item() == pytest.approx(0.5, abs=0.01)  # 4 sd of 40,000 coins


def test_rate_compares_the_generators_uniform_numbers():
    images = torch.rand(3, 1, 4, 4, generator=seeded(1))
    expected = torch.rand(5, 3, 1, 4, 4, generator=seeded(2)) < images
    assert torch.equal(Rate().encode(images, 5, seeded(2)), expected.float())


def test_latency_is_the_hand_computed_time():
    images = torch.tensor([0.0, 0.1, 0.25, 0.5, 0.8, 1.0]).view(1, 1, 1, 6)
    spikes = Latency().encode(images, 5)[:, 0, 0, 0]  # [T, 6]
    assert spikes.sum(0).tolist() == [0, 1, 1, 1, 1, 1]
    assert spikes.argmax(0)[1:].tolist() == [4, 3, 2, 1, 0]  # (1 - x) * 4 = 3.6, 3, 2, 0.8, 0


def test_latency_with_one_timestep_fires_all_that_is_not_black():
    images = torch.tensor([0.0, 1 / 255, 1.0]).view(1, 1, 1, 3)
    assert Latency().encode(images, 1).flatten().tolist() == [0, 1, 1]


def test_encoders_are_imported_by_name():
    assert bench.encoders.Rate is Rate and {"Encoder", "Direct"} <= set(dir(bench.encoders))
    with pytest.raises(AttributeError, match="has no attribute 'Rat'"):
        _ = bench.encoders.Rat


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_cuda_gives_the_cpus_spikes():
    images = torch.rand(4, 3, 8, 8, generator=seeded())
    for encoder in (Direct(), Rate(), Latency()):
        found = encoder.encode(images.cuda(), 5, seeded(1))
        assert found.is_cuda and torch.equal(found.cpu(), encoder.encode(images, 5, seeded(1)))
