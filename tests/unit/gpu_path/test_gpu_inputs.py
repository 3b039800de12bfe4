"""Every augmentation and encoder on a GPU: its draws are the CPU's, devices never meet, and nobody waits for the GPU.

None is left out: where Python asks for a number, as torchvision's policies do, it is one that was drawn on the CPU.
"""

import pytest
import torch
from support.fake_gpu import FakeGpu, Undecided
from support.pretended_gpu import GPU, pretended_gpu

from bench.data.augmentations.base import MixingAugmentation
from bench.plugins.registry import create, plugins

SIZE, SAMPLES, TIMESTEPS = 16, 24, 3
AUGMENTATIONS, ENCODERS = sorted(plugins("augmentation")), sorted(plugins("encoder"))


def augmentation(name):
    frames = TIMESTEPS if name == "event-drop" else None
    data = {"_classes": 10, "_image_size": (SIZE, SIZE), "_in_channels": 3, "_timesteps": frames}
    return create("augmentation", name, data)


def apply(stage, images, labels):
    """What an augmentation makes of images and labels."""
    generator = torch.Generator().manual_seed(3)
    if isinstance(stage, MixingAugmentation):
        return stage.mix(images, labels, generator)
    return (stage.augment(images, generator),)


def kind_of_images(stage):
    return torch.uint8 if getattr(stage, "stored", False) else torch.float32


def channels(name):
    return 3 * (TIMESTEPS if name == "event-drop" else 1)


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_an_augmentation_keeps_to_its_device_and_never_waits_for_it(name):
    stage = augmentation(name)
    with FakeGpu() as gpu:
        images = gpu.tensor(SAMPLES, channels(name), SIZE, SIZE, dtype=kind_of_images(stage))
        labels = gpu.tensor(SAMPLES, dtype=torch.int64)
        made = apply(stage, images, labels)
        assert {x.device for x in made} == {GPU} and made[0].shape == images.shape


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_an_augmentation_makes_the_cpus_images(name):
    stage, generator = augmentation(name), torch.Generator().manual_seed(4)
    images = torch.randint(256, (SAMPLES, channels(name), SIZE, SIZE), generator=generator)
    images, labels = images.to(kind_of_images(stage)), torch.arange(SAMPLES) % 10
    expected = apply(stage, images, labels)
    with pretended_gpu():
        made = apply(stage, images.to(GPU), labels.to(GPU))
        assert all(x.device == GPU for x in made)
        made = [x.cpu() for x in made]
    for ours, theirs in zip(made, expected, strict=True):
        assert torch.equal(ours, theirs)


def encoded(name, images):
    return create("encoder", name).encode(images, timesteps_of(name), torch.Generator().manual_seed(5))


def timesteps_of(name):
    return 1 if plugins("encoder")[name].flags.get("single") else TIMESTEPS


def shape_of_images(name):
    clip = (timesteps_of(name),) if plugins("encoder")[name].flags.get("events") else ()
    return SAMPLES, *clip, 2, SIZE, SIZE


def test_asking_for_a_number_on_the_gpu_or_mixing_devices_is_noticed():
    with FakeGpu() as gpu:
        x = gpu.tensor(2)
        with pytest.raises(Undecided):
            bool(x.any())
        with pytest.raises(RuntimeError, match="devices"):
            x + torch.ones(2)


@pytest.mark.parametrize("name", ENCODERS)
def test_an_encoder_keeps_to_its_device_and_never_waits_for_it(name):
    with FakeGpu() as gpu:
        sequence = encoded(name, gpu.tensor(*shape_of_images(name)))
        assert sequence.device == GPU and sequence.shape[:2] == (timesteps_of(name), SAMPLES)


@pytest.mark.parametrize("name", ENCODERS)
def test_an_encoder_makes_the_cpus_sequence(name):
    images = torch.rand(*shape_of_images(name), generator=torch.Generator().manual_seed(6))
    expected = encoded(name, images)
    with pretended_gpu():
        sequence = encoded(name, images.to(GPU))
        assert sequence.device == GPU
        sequence = sequence.cpu()
    assert torch.equal(sequence, expected)
