"""Augmentations against slow per-image references, and that every draw comes from the given generator."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchvision.transforms import v2

from bench.data.augmentations import rotation
from bench.data.augmentations.cutout import cutout, cutout_side
from bench.data.feed.augment import build_augmenter
from bench.errors import ParameterError, UnknownNameError
from bench.plugins import registry

NAMES = [
    *("random-crop", "random-flip", "cutout", "trivial-augment-wide", "auto-augment", "mixup", "cutmix"),
    *("roll", "rotation", "shear"),
]
EVENT_NAMES = ["random-crop", "random-flip", "roll", "rotation", "shear", "event-drop", "cutout", "mixup", "cutmix"]


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def raw_images(samples, channels=3, height=32, width=32, seed=9):
    return torch.randint(1, 256, (samples, channels, height, width), generator=seeded(seed), dtype=torch.uint8)


def one(name, images, generator, **data):
    """What one augmentation makes of images."""
    return registry.create("augmentation", name, data).augment(images, generator)


def shifted(image, dy, dx):
    """Move `image` [C, H, W] by dy down and dx right, pixel by pixel; black comes in."""
    out = torch.zeros_like(image)
    _, height, width = image.shape
    for y in range(height):
        for x in range(width):
            if 0 <= y - dy < height and 0 <= x - dx < width:
                out[:, y, x] = image[:, y - dy, x - dx]
    return out


def test_crop_is_a_shift_by_the_drawn_offsets():
    images = raw_images(6, height=7, width=9)
    cropped = one("random-crop", images, seeded(3))
    rows, columns = torch.randint(9, (2, 6), generator=seeded(3)).tolist()
    assert cropped.dtype == torch.uint8 and len(set(zip(rows, columns, strict=True))) > 1
    for image, result, row, column in zip(images, cropped, rows, columns, strict=True):
        assert torch.equal(result, shifted(image, 4 - row, 4 - column))


def test_every_crop_offset_occurs_about_equally_often():
    position = torch.zeros(1, 1, 9, 9, dtype=torch.uint8)
    position[0, 0, 4, 4] = 1
    where = (
        one("random-crop", position.expand(8100, 1, 9, 9), seeded()).flatten(1).int().argmax(1).bincount(minlength=81)
    )
    assert where.sum() == 8100 and where.min() > 0
    # 100 expected in each of 81 cells: chi-square with 80 degrees of freedom stays below 132 with probability 0.9998
    assert ((where - 100.0) ** 2 / 100).sum() < 132


def test_flip_mirrors_whole_images_and_half_of_them():
    images = raw_images(1000, height=5, width=6)
    flipped = one("random-flip", images, seeded(1))
    mirrored = 0
    for image, result in zip(images, flipped, strict=True):
        reversed_rows = torch.stack([image[:, :, 5 - x] for x in range(6)], dim=2)
        assert torch.equal(result, image) or torch.equal(result, reversed_rows)
        mirrored += torch.equal(result, reversed_rows)
    assert 420 < mirrored < 580  # 5 standard deviations of a fair coin


@settings(max_examples=25, deadline=None)
@given(st.integers(3, 12), st.integers(3, 12), st.integers(1, 8), st.integers(0, 1000))
def test_cutout_clears_the_square_around_the_drawn_centre(height, width, side, seed):
    images = raw_images(5, height=height, width=width).float()
    found = cutout(images, side, seeded(seed))
    generator = seeded(seed)
    centre_y, centre_x = (torch.randint(size, (5,), generator=generator).tolist() for size in (height, width))
    for image, result, cy, cx in zip(images, found, centre_y, centre_x, strict=True):
        expected = image.clone()
        for y in range(max(0, cy - side // 2), min(height, cy - side // 2 + side)):
            for x in range(max(0, cx - side // 2), min(width, cx - side // 2 + side)):
                expected[:, y, x] = 0
        assert torch.equal(result, expected)


@pytest.mark.parametrize(("size", "side"), [((32, 32), 16), ((64, 64), 32), ((28, 28), 14), ((8, 8), 4), ((1, 1), 1)])
def test_cutout_is_half_the_side(size, side):
    assert cutout_side(size) == side


def test_mixup_and_cutmix_mix_labels_as_they_mix_images():
    images = torch.arange(4.0).view(4, 1, 1, 1).expand(4, 1, 8, 8).clone()  # image n is n everywhere
    labels = torch.arange(4)
    for name in ("mixup", "cutmix"):
        build = build_augmenter([name], classes=5, image_size=(8, 8))
        mixed, soft = build.on_batch(images, labels, seeded(4))
        assert mixed.shape == images.shape and soft.shape == (4, 5)
        assert torch.allclose(soft.sum(1), torch.ones(4))
        own = soft.diagonal()
        assert 0 < own[0] < 1
        if name == "mixup":
            expected = own * torch.arange(4.0) + (1 - own) * torch.tensor([3.0, 0.0, 1.0, 2.0])
            assert torch.allclose(mixed, expected.view(4, 1, 1, 1).expand_as(mixed), atol=1e-6)
        else:
            assert torch.allclose((mixed == images).float().mean((1, 2, 3)), own, atol=1e-6)


def test_with_mixup_and_cutmix_one_of_them_is_drawn_for_each_batch():
    images = torch.arange(4.0).view(4, 1, 1, 1).expand(4, 1, 8, 8)
    both = build_augmenter(["cutmix", "mixup"], classes=4, image_size=(8, 8))
    whole = [bool((both.on_batch(images, torch.arange(4), seeded(seed))[0] % 1 == 0).all()) for seed in range(40)]
    assert 8 <= sum(whole) <= 32  # cutmix keeps whole numbers; 3.8 standard deviations


def test_the_policies_are_torchvisions_image_by_image():
    images = raw_images(4)
    for name, policy in (
        ("auto-augment", v2.AutoAugment(v2.AutoAugmentPolicy.CIFAR10)),
        ("trivial-augment-wide", v2.TrivialAugmentWide()),
    ):
        found = build_augmenter([name], classes=10, image_size=(32, 32)).on_raw(images, seeded(2))
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(int(torch.randint(2**62, (), generator=seeded(2))))
            expected = torch.stack([policy(image) for image in images])
        assert found.dtype == torch.uint8 and torch.equal(found, expected) and not torch.equal(found, images)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("channels", [1, 3])
def test_each_draws_from_the_given_generator_alone(name, channels):
    augmenter = build_augmenter([name], classes=10, image_size=(32, 32), in_channels=channels)
    labels = torch.arange(16) % 10

    def run(seed):
        generator = seeded(seed)
        images = augmenter.on_normalised(augmenter.on_raw(raw_images(16, channels), generator).float(), generator)
        return augmenter.on_batch(images, labels, generator)

    torch.manual_seed(1)
    before = torch.get_rng_state()
    first = run(5)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(2)
    second, other = run(5), run(6)
    assert first[0].shape == (16, channels, 32, 32)
    assert torch.equal(first[0], second[0]) and torch.equal(first[1], second[1])
    assert not torch.equal(first[0], other[0])


def test_the_order_of_the_names_does_not_matter():
    names = ["random-crop", "random-flip", "trivial-augment-wide", "cutout"]
    results = []
    for order in (names, names[::-1], [*names, "cutout"]):
        augmenter, generator = build_augmenter(order, classes=10, image_size=(32, 32)), seeded()
        results.append(augmenter.on_normalised(augmenter.on_raw(raw_images(8), generator).float(), generator))
    assert torch.equal(results[0], results[1]) and torch.equal(results[0], results[2])


def test_no_names_change_nothing():
    images, labels = raw_images(2), torch.tensor([0, 1])
    none = build_augmenter([], classes=2, image_size=(32, 32))
    assert none.on_raw(images, seeded()) is images and none.on_normalised(images, seeded()) is images
    assert none.on_batch(images, labels, seeded()) == (images, labels)


def test_an_unknown_name_is_told_the_nearest():
    assert set(registry.plugins("augmentation")) == {*NAMES, *EVENT_NAMES}
    with pytest.raises(UnknownNameError, match="unknown augmentation 'random-flap'; did you mean 'random-flip'"):
        build_augmenter(["random-flap"], classes=2, image_size=(8, 8))


def test_policies_refuse_what_is_not_a_picture():
    with pytest.raises(ParameterError, match="'auto-augment' needs images of 1 or 3 channels, these have 2"):
        build_augmenter(["auto-augment"], classes=2, image_size=(8, 8), in_channels=2)


def test_roll_moves_each_image_around_the_borders():
    images = raw_images(40, channels=2, height=7, width=9)
    rolled = one("roll", images, seeded(5))
    shifts = (torch.randint(11, (2, 40), generator=seeded(5)) - 5).T.tolist()
    assert rolled.dtype == torch.uint8 and len({tuple(shift) for shift in shifts}) > 10
    for image, result, shift in zip(images, rolled, shifts, strict=True):
        assert torch.equal(result, image.roll(shift, (1, 2)))


def moved(image, matrix):
    """Fetch every pixel of `image` [C, H, W] from where `matrix` sends its centre, in pixels from the middle."""
    out = torch.zeros_like(image)
    _, height, width = image.shape
    for y in range(height):
        for x in range(width):
            dx, dy = x - (width - 1) / 2, y - (height - 1) / 2
            column = matrix[0][0] * dx + matrix[0][1] * dy + (width - 1) / 2
            row = matrix[1][0] * dx + matrix[1][1] * dy + (height - 1) / 2
            if min(abs(row % 1 - 0.5), abs(column % 1 - 0.5)) < 1e-3:
                out[:, y, x] = -1  # on the edge between two pixels: either will do
            elif 0 <= round(row) < height and 0 <= round(column) < width:
                out[:, y, x] = image[:, round(row), round(column)]
    return out


@pytest.mark.parametrize("name", ["rotation", "shear"])
def test_rotation_and_shear_fetch_the_nearest_pixel(name):
    images = raw_images(12, channels=3, height=11, width=14).float()
    found = one(name, images, seeded(2))
    degrees = (30 * torch.rand(12, generator=seeded(2)) - 15).tolist()
    assert min(degrees) < -5 and max(degrees) > 5
    for image, result, angle in zip(images, found, degrees, strict=True):
        turn = math.radians(angle)
        matrix = [[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]]
        expected = moved(image, matrix if name == "rotation" else [[1.0, math.tan(turn)], [0.0, 1.0]])
        certain = expected >= 0
        assert certain.float().mean() > 0.9 and torch.equal(result[certain], expected[certain])
        assert not torch.equal(result, image) or abs(angle) < 6


@settings(max_examples=40, deadline=None)
@given(
    *(st.integers(1, size) for size in (4, 5, 2)),
    *(st.integers(1, 14), st.integers(1, 14)),
    st.sampled_from([torch.float32, torch.float64]),
    st.integers(0, 1000),
)
def test_a_rotation_turns_all_frames_of_a_recording_alike(samples, timesteps, polarities, height, width, dtype, seed):
    counts = torch.randint(0, 9, (samples, timesteps, polarities, height, width), generator=seeded(seed)).to(dtype)
    turned = one("rotation", counts.flatten(1, 2), seeded(seed + 1))
    assert turned.shape == (samples, timesteps * polarities, height, width) and turned.dtype == dtype
    assert torch.equal(turned, one("rotation", counts.flatten(1, 2), seeded(seed + 1)))
    assert bool(torch.isin(turned, torch.cat([counts.flatten(), torch.zeros(1, dtype=dtype)])).all())  # none mixed
    for step in range(timesteps):  # each frame as if it stood alone
        assert torch.equal(
            turned.unflatten(1, (timesteps, -1))[:, step], one("rotation", counts[:, step], seeded(seed + 1))
        )


def test_a_rotation_by_nothing_is_the_recording(monkeypatch):
    monkeypatch.setattr(rotation, "MOST_DEGREES", 0.0)
    recordings = clips(20, height=11, width=14)
    assert torch.equal(one("rotation", recordings, seeded()), recordings)


def test_every_recording_is_turned_by_an_angle_of_its_own_within_15_degrees():
    spots = torch.zeros(200, 1, 101, 101)
    spots[:, :, 49:52, 89:92] = 1  # 40 pixels to the right of the middle
    turned = one("rotation", spots, seeded(3))[:, 0]
    away = torch.arange(101.0) - 50
    rows, columns = turned.sum(2) @ away, turned.sum(1) @ away
    degrees = torch.rad2deg(torch.atan2(rows, columns))
    # a pixel is 1.4 degrees there; that none of 200 angles is beyond 12 on one side has a probability of 0.9^200
    assert degrees.abs().max() < 16.4 and degrees.min() < -10.6 and degrees.max() > 10.6
    assert degrees.mean().abs() < 3.1  # 5 standard deviations of the mean, 15 / sqrt(3 * 200)


def clips(samples, timesteps=6, polarities=2, height=10, width=12):
    """Clips [N, T*P, H, W] without an empty pixel, so that what is dropped shows."""
    return torch.randint(1, 9, (samples, timesteps * polarities, height, width), generator=seeded(4)).float()


def test_events_are_dropped_by_time_by_area_by_pixel_or_not_at_all():
    before = clips(400)
    after = one("event-drop", before, seeded(1), _timesteps=6)
    assert bool(((after == before) | (after == 0)).all())  # no event is made up or moved
    seen = {"none": 0, "time": 0, "area": 0, "pixel": 0}
    for clip in (after == 0).unflatten(1, (6, 2)):  # [T, P, H, W]
        assert torch.equal(clip, clip[:, :1].expand_as(clip))  # both polarities alike
        dropped = clip[:, 0]
        if not dropped.any():
            seen["none"] += 1
            continue
        empty = dropped.flatten(1).all(1)
        if empty.any():
            seen["time"] += 1
            steps = empty.nonzero().flatten().tolist()
            assert steps == list(range(steps[0], steps[-1] + 1)) and 1 <= len(steps) <= 5
            assert not dropped[~empty].any()
            continue
        assert torch.equal(dropped, dropped[:1].expand_as(dropped))  # the same at all timesteps
        rows, columns = dropped[0].any(1), dropped[0].any(0)
        box = rows[:, None] & columns[None, :]
        if torch.equal(dropped[0], box) and rows.sum() <= 3 and columns.sum() <= 4:
            seen["area"] += 1
            assert rows.nonzero().diff(dim=0).eq(1).all() and columns.nonzero().diff(dim=0).eq(1).all()
        else:
            seen["pixel"] += 1
            assert 0 < dropped[0].float().mean() < 1
    assert min(seen.values()) > 60, seen  # 100 expected of each


@pytest.mark.parametrize("name", EVENT_NAMES)
def test_a_clip_meets_one_transform_at_all_timesteps(name):
    """Frames that are alike before are alike after, but for what is dropped by time."""
    still = clips(60, timesteps=1, height=32, width=32).repeat(1, 5, 1, 1)  # the same frame five times
    augmenter = build_augmenter([name], classes=10, image_size=(32, 32), in_channels=2, timesteps=5)
    images = augmenter.on_normalised(augmenter.on_raw(still.to(torch.uint8), seeded()).float(), seeded())
    images, _ = augmenter.on_batch(images, torch.arange(60) % 10, seeded())
    assert not torch.equal(images, still)
    frames = images.unflatten(1, (5, 2))
    kept = frames.flatten(2).any(2)
    assert bool(kept.all()) == (name != "event-drop")
    for clip, there in zip(frames, kept, strict=True):
        assert all(torch.equal(frame, clip[there][0]) for frame in clip[there])


def test_event_drop_is_for_recordings():
    with pytest.raises(ParameterError, match="'event-drop' is for event recordings, and these are images"):
        build_augmenter(["event-drop"], classes=10, image_size=(8, 8))
