"""The loader: order, augmentation and numbers of its batches, and going on in the middle of an epoch."""

import hashlib

import pytest
import torch

from bench.data.base import Arrays, Split
from bench.data.feed.loader import DeviceLoader, Kept
from bench.seeding import seed_for

MEAN, STD = torch.tensor([0.25, 0.5, 0.75]), torch.tensor([0.5, 0.2, 0.1])
EVERYTHING = ["random-crop", "random-flip", "trivial-augment-wide", "cutout", "mixup", "cutmix"]


def split(samples=23, dtype=torch.uint8, size=8):
    generator = torch.Generator().manual_seed(7)
    images = torch.randint(256, (samples, 3, size, size), generator=generator, dtype=torch.uint8)
    images = images if dtype == torch.uint8 else images.to(dtype) / 255
    return Split(images, torch.arange(samples) % 5)


def loader(samples=23, batch_size=5, dtype=torch.uint8, **settings):
    data = split(samples, dtype)
    return DeviceLoader(data, Arrays(data, data, None, 5, MEAN, STD), batch_size=batch_size, **settings)


def same(first, second):
    return all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
def test_images_are_normalised_per_channel(dtype):
    found = loader(dtype=dtype)
    data = split()
    expected = (data.images.double() / 255 - MEAN.double().view(3, 1, 1)) / STD.double().view(3, 1, 1)
    for indices, images, labels in found.batches(0):
        assert images.dtype == torch.float32
        # |x| is below 10; two roundings of float32, each of the scale and of the product
        assert torch.allclose(images.double(), expected[indices], rtol=0, atol=4 * 10 * 2**-24)
        assert torch.equal(labels, data.labels[indices])


def test_intensities_run_from_exactly_0_to_exactly_1():
    data = Split(torch.arange(256, dtype=torch.uint8).view(1, 1, 16, 16).expand(2, 3, 16, 16), torch.tensor([0, 1]))
    found = DeviceLoader(data, Arrays(data, data, None, 2, MEAN, STD), batch_size=2, normalise=False)
    [(images, _)] = found.evaluation_batches()
    assert images[0, 0].flatten().tolist() == (torch.arange(256) / 255).tolist()
    assert (images.min(), images.max()) == (0.0, 1.0)


@pytest.mark.parametrize(
    ("samples", "batch_size", "sizes"), [(23, 5, [5] * 4), (4, 5, [4]), (9, 5, [5]), (10, 5, [5, 5])]
)
def test_the_last_incomplete_batch_is_dropped_unless_it_is_the_only_one(samples, batch_size, sizes):
    found = loader(samples, batch_size)
    batches = list(found.batches(0))
    assert [len(images) for _, images, _ in batches] == sizes and found.steps == len(sizes)
    indices = torch.cat([indices for indices, _, _ in batches])
    assert len(indices.unique()) == len(indices)


def test_the_order_depends_on_seed_and_epoch_alone():
    def order(seed, epoch, **settings):
        return torch.cat([indices for indices, _, _ in loader(seed=seed, **settings).batches(epoch)]).tolist()

    expected = torch.randperm(23, generator=torch.Generator().manual_seed(seed_for("order", 3, 2)))[:20].tolist()
    torch.manual_seed(0)
    assert order(3, 2) == expected
    torch.manual_seed(1)
    assert order(3, 2, augment=EVERYTHING, normalise=False, kept=Kept(resident=False)) == expected
    assert len({tuple(order(seed, epoch)) for seed in (0, 1) for epoch in (0, 1)}) == 4


@pytest.mark.parametrize("start", [1, 3, 4])
def test_starting_in_the_middle_gives_the_batches_of_the_whole_epoch(start):
    whole = list(loader(augment=EVERYTHING, seed=1).batches(2))
    rest = list(loader(augment=EVERYTHING, seed=1).batches(2, start))
    assert len(rest) == 4 - start
    assert all(same(first, second) for first, second in zip(whole[start:], rest, strict=True))


def test_augmentation_differs_by_seed_epoch_and_step():
    def digests(seed, epoch):
        same_image = Split(split().images[:1].expand(20, 3, 8, 8), torch.arange(20) % 5)
        arrays = Arrays(same_image, same_image, None, 5, MEAN, STD)
        found = DeviceLoader(same_image, arrays, batch_size=10, seed=seed, augment=["random-crop", "random-flip"])
        return [hashlib.sha256(images.numpy().tobytes()).hexdigest() for _, images, _ in found.batches(epoch)]

    every = [digest for seed in (0, 1) for epoch in (0, 1) for digest in digests(seed, epoch)]
    assert len(set(every)) == len(every) == 8


def test_images_in_host_memory_give_the_same_batches():
    resident, host = (loader(augment=EVERYTHING, kept=Kept(resident=resident)) for resident in (True, False))
    assert all(same(a, b) for a, b in zip(resident.batches(1), host.batches(1), strict=True))
    assert all(same(a, b) for a, b in zip(resident.evaluation_batches(), host.evaluation_batches(), strict=True))


def test_channels_last_changes_the_layout_alone():
    plain, last = (
        loader(augment=["random-crop", "cutout"]),
        loader(augment=["random-crop", "cutout"], kept=Kept(channels_last=True)),
    )
    for first, second in zip(plain.batches(0), last.batches(0), strict=True):
        assert first[1].is_contiguous() and second[1].is_contiguous(memory_format=torch.channels_last)
        assert same(first, second)
    assert all(i.is_contiguous(memory_format=torch.channels_last) for i, _ in last.evaluation_batches())


def test_evaluation_sees_every_sample_once_in_order_without_augmentation():
    batches = list(loader(augment=EVERYTHING).evaluation_batches())
    assert [len(images) for images, _ in batches] == [5, 5, 5, 5, 3]
    data = split()
    assert torch.equal(torch.cat([labels for _, labels in batches]), data.labels)
    expected = (data.images / 255 - MEAN.view(3, 1, 1)) / STD.view(3, 1, 1)
    assert torch.allclose(torch.cat([images for images, _ in batches]), expected, atol=1e-5)


def test_cutout_leaves_the_mean_colour_and_black_for_intensities():
    data = Split(torch.full((4, 3, 8, 8), 255, dtype=torch.uint8), torch.tensor([0, 1, 0, 1]))
    arrays = Arrays(data, data, None, 2, MEAN, STD)
    for normalise, outside in ((True, (1 - MEAN) / STD), (False, torch.ones(3))):
        found = DeviceLoader(data, arrays, batch_size=4, augment=["cutout"], normalise=normalise)
        [(_, images, _)] = found.batches(0)
        cut = (images == 0).all(1)
        assert 0 < cut.sum() <= 4 * 16
        assert torch.allclose(images.permute(0, 2, 3, 1)[~cut], outside, atol=1e-5)


def recordings(samples=9, timesteps=3, dtype=torch.uint8):
    generator = torch.Generator().manual_seed(2)
    frames = torch.randint(4, (samples, timesteps, 2, 8, 8), generator=generator).to(dtype)
    data = Split(frames, torch.arange(samples) % 3)
    return data, Arrays(data, data, None, 3, torch.zeros(2), torch.ones(2), "graded")


@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("dtype", [torch.uint8, torch.int16, torch.int32])
@pytest.mark.parametrize("resident", [True, False])
def test_event_counts_come_as_they_are_with_the_frames_of_a_timestep_together(channels_last, dtype, resident):
    data, arrays = recordings(dtype=dtype)
    kept = Kept(resident=resident, channels_last=channels_last)
    found = DeviceLoader(data, arrays, batch_size=4, normalise=False, kept=kept)
    assert (arrays.in_channels, arrays.image_size) == (2, (8, 8))
    layout = torch.channels_last if channels_last else torch.contiguous_format
    batches = [*((i, x) for i, x, _ in found.batches(0)), *((None, x) for x, _ in found.evaluation_batches())]
    seen = 0
    for indices, images in batches:
        expected = data.images[indices] if indices is not None else data.images[seen : seen + len(images)]
        seen += 0 if indices is not None else len(images)
        assert images.dtype == torch.float32 and torch.equal(images, expected.float())
        assert images.transpose(0, 1).flatten(0, 1).is_contiguous(memory_format=layout)
    assert seen == len(data)


def test_a_recording_is_augmented_as_a_whole_and_stays_counts():
    data, arrays = recordings(samples=40)
    still = Split(data.images[:, :1].expand(-1, 3, -1, -1, -1), data.labels)  # the same frame three times
    names = ["random-crop", "random-flip", "roll", "rotation", "shear", "cutout"]
    found = DeviceLoader(still, arrays, batch_size=40, augment=names, normalise=False)
    [(indices, images, _)] = found.batches(0)
    assert torch.equal(images, images[:, :1].expand_as(images)) and not torch.equal(images, still.images[indices])
    assert set(images.unique().tolist()) <= {0.0, 1.0, 2.0, 3.0}


def test_a_batch_size_of_none_is_refused():
    with pytest.raises(ValueError, match="batch_size should be at least 1, not 0"):
        loader(batch_size=0)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("resident", [True, False])
def test_cuda_gives_the_cpus_batches_without_waiting(resident):
    names = ["random-crop", "random-flip", "cutout", "mixup", "cutmix"]
    expected = list(loader(augment=names, kept=Kept(channels_last=True)).batches(0))
    found = loader(augment=names, kept=Kept("cuda", resident, channels_last=True))
    torch.cuda.set_sync_debug_mode("error")
    try:
        batches = list(found.batches(0))
    finally:
        torch.cuda.set_sync_debug_mode("default")
    for (indices, images, labels), (cpu_indices, cpu_images, cpu_labels) in zip(batches, expected, strict=True):
        assert torch.equal(indices, cpu_indices)
        assert torch.allclose(images.cpu(), cpu_images, atol=1e-5) and torch.allclose(labels.cpu(), cpu_labels)
