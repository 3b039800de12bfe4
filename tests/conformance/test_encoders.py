"""What every encoder and every data set plug-in must do, whatever it computes."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from bench import registry
from bench.data.base import Dataset
from bench.encoders.base import Encoder

ENCODERS = registry.plugins("encoder")
DATASETS = registry.plugins("dataset")


def seeded(seed):
    return torch.Generator().manual_seed(seed)


def intensities(shape, seed=0):
    return torch.randint(256, shape, generator=seeded(seed)).float() / 255


@pytest.fixture(params=ENCODERS)
def encoder(request):
    return registry.create("encoder", request.param)


@pytest.mark.parametrize("name", ENCODERS)
def test_an_encoder_declares_what_the_harness_asks(name):
    cls = ENCODERS[name].load()
    assert issubclass(cls, Encoder) and cls.name == name
    assert {type(getattr(cls, flag)) for flag in ("analog", "static", "normalised")} == {bool}


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
    images = intensities((3, 2, 4, 5)).to(dtype)
    before = images.clone()
    sequence = encoder.encode(images, timesteps, seeded(0))
    assert sequence.shape == (timesteps, 3, 2, 4, 5)
    assert (sequence.dtype, sequence.device) == (images.dtype, images.device)
    assert torch.equal(images, before)


def test_the_declared_kind_is_the_real_one(encoder):
    sequence = encoder.encode(intensities((8, 1, 6, 6)), 9, seeded(0))
    assert encoder.analog or set(sequence.unique().tolist()) == {0.0, 1.0}
    assert encoder.static == all(torch.equal(frame, sequence[0]) for frame in sequence)


@settings(max_examples=20, deadline=None)
@given(st.sampled_from(sorted(ENCODERS)), st.integers(0, 2**63 - 1), st.integers(1, 6))
def test_equal_generators_give_equal_sequences(name, seed, timesteps):
    encoder, images = registry.create("encoder", name), intensities((2, 1, 3, 3), seed % 1000)
    torch.manual_seed(0)
    before = torch.get_rng_state()
    first = encoder.encode(images, timesteps, seeded(seed))
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(first, encoder.encode(images, timesteps, seeded(seed)))


def test_black_never_spikes_and_is_zero(encoder):
    assert not encoder.encode(torch.zeros(2, 1, 3, 3), 5, seeded(0)).any()


def test_encoding_goes_without_a_generator(encoder):
    torch.manual_seed(3)
    first = encoder.encode(intensities((2, 1, 3, 3)), 4, None)
    torch.manual_seed(3)
    assert torch.equal(first, encoder.encode(intensities((2, 1, 3, 3)), 4, None))


@pytest.mark.parametrize("name", DATASETS)
def test_a_data_set_is_known_without_loading_it(name):
    with torch.device("meta"):  # as a plan is checked: nothing may be allocated
        dataset = registry.create("dataset", name)
    assert isinstance(dataset, Dataset) and type(dataset).name == name
    assert dataset.in_channels >= 1 and dataset.classes >= 2 and dataset.train_samples > dataset.test_samples >= 100
    height, width = dataset.image_size
    assert height > 0 and width > 0
    assert len(dataset.mean) == len(dataset.std) == dataset.in_channels
    assert all(0 <= mean <= 1 for mean in dataset.mean) and all(std > 0 for std in dataset.std)
    assert dataset.input_kind in ("binary", "ternary", "graded", "analog")
