"""What every encoder and every data set plug-in must do, whatever it computes."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.data.base import Dataset
from bench.encoders.base import Encoder
from bench.plugins import registry

ENCODERS = registry.plugins("encoder")
DATASETS = registry.plugins("dataset")


def seeded(seed):
    return torch.Generator().manual_seed(seed)


def intensities(shape, seed=0):
    return torch.randint(256, shape, generator=seeded(seed)).float() / 255


def inputs(encoder, shape, timesteps, seed=0):
    """What the encoder takes: images [N, C, H, W], or the frames [N, T, C, H, W] of recordings."""
    if not encoder.events:
        return intensities(shape, seed)
    return torch.randint(3, (shape[0], timesteps, *shape[1:]), generator=seeded(seed)).float()


@pytest.fixture(params=ENCODERS)
def encoder(request):
    return registry.create("encoder", request.param)


@pytest.mark.parametrize("name", ENCODERS)
def test_an_encoder_declares_what_the_harness_asks(name):
    cls = ENCODERS[name].load()
    assert issubclass(cls, Encoder) and cls.name == name
    assert {type(getattr(cls, flag)) for flag in ("analog", "static", "normalised", "events", "single")} == {bool}
    assert not (cls.events and (cls.analog or cls.normalised))  # event counts are not an image's intensities


@pytest.mark.parametrize("kind", ["encoder", "dataset"])
def test_parameters_are_a_schema(kind):
    for name, info in registry.plugins(kind).items():
        assert info.summary.endswith(".") and len(info.summary) < 140, name
        for parameter in info.parameters:
            assert parameter.types and not parameter.required, f"{name}.{parameter.name}"
            assert parameter.problem(parameter.default) is None, f"{name}.{parameter.name}"


@pytest.mark.parametrize("timesteps", [1, 2, 7])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_sequence_has_the_images_shape_dtype_and_device(encoder, timesteps, dtype):
    images = inputs(encoder, (3, 2, 4, 5), timesteps).to(dtype)
    before = images.clone()
    sequence = encoder.encode(images, timesteps, seeded(0))
    assert sequence.shape == (timesteps, 3, 2, 4, 5)
    assert (sequence.dtype, sequence.device) == (images.dtype, images.device)
    assert torch.equal(images, before)


def test_the_declared_kind_is_the_real_one(encoder):
    sequence = encoder.encode(inputs(encoder, (8, 1, 6, 6), 9), 9, seeded(0))
    assert encoder.analog or encoder.events or set(sequence.unique().tolist()) == {0.0, 1.0}
    assert encoder.static == all(torch.equal(frame, sequence[0]) for frame in sequence)


@settings(max_examples=20, deadline=None)
@given(st.sampled_from(sorted(ENCODERS)), st.integers(0, 2**63 - 1), st.integers(1, 6))
def test_equal_generators_give_equal_sequences(name, seed, timesteps):
    encoder = registry.create("encoder", name)
    images = inputs(encoder, (2, 1, 3, 3), timesteps, seed % 1000)
    torch.manual_seed(0)
    before = torch.get_rng_state()
    first = encoder.encode(images, timesteps, seeded(seed))
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(first, encoder.encode(images, timesteps, seeded(seed)))


def test_black_never_spikes_and_is_zero(encoder):
    assert not encoder.encode(torch.zeros_like(inputs(encoder, (2, 1, 3, 3), 5)), 5, seeded(0)).any()


def test_encoding_goes_without_a_generator(encoder):
    images = inputs(encoder, (2, 1, 3, 3), 4)
    torch.manual_seed(3)
    first = encoder.encode(images, 4, None)
    torch.manual_seed(3)
    assert torch.equal(first, encoder.encode(images, 4, None))


@pytest.mark.parametrize("name", [name for name, info in ENCODERS.items() if info.flags.get("events")])
def test_frames_of_another_number_are_refused(name):
    with pytest.raises(ValueError, match="recordings of 3 slices do not fill 2 timesteps"):
        registry.create("encoder", name).encode(torch.zeros(2, 3, 1, 4, 4), 2)


@pytest.mark.parametrize("name", DATASETS)
def test_a_data_set_is_known_without_loading_it(name):
    with torch.device("meta"):  # as a plan is checked: nothing may be allocated
        dataset = registry.create("dataset", name)
    assert isinstance(dataset, Dataset) and type(dataset).name == name
    assert dataset.in_channels >= 1 and dataset.classes >= 2 and dataset.train_samples > dataset.test_samples >= 20
    height, width = dataset.image_size
    assert height > 0 and width > 0
    assert len(dataset.mean) == len(dataset.std) == dataset.in_channels
    assert all(0 <= mean <= 1 for mean in dataset.mean) and all(std > 0 for std in dataset.std)
    assert dataset.input_kind in ("binary", "ternary", "graded", "analog")
    assert dataset.sample_shape[-3:] == (dataset.in_channels, height, width)
    assert dataset.events == DATASETS[name].flags.get("events", False) == (len(dataset.sample_shape) == 4)
    assert not (dataset.events and dataset.input_kind == "analog")
