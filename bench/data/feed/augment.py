"""Training augmentations over whole batches, drawn from a CPU generator so that every device sees the same ones.

They are applied in this order, whatever the order of their names: on raw images random-crop, random-flip, roll,
auto-augment and trivial-augment-wide; on normalised images rotation, shear, event-drop and cutout; on images and labels
mixup or cutmix (with both, one of them is drawn for each batch). Images that an encoder wants as intensities pass the
same stages without being normalised. The frames of a recording come as the channels of one image, [N, T*C, H, W], so
that all of them meet the same transform.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Generator, Tensor
from torch.nn import functional as F

from bench.errors import ParameterError, UnknownNameError

CROP_PADDING_PIXELS = 4
ROLL_PIXELS = 5
ROTATION_DEGREES = SHEAR_DEGREES = 15.0
OnImages = Callable[[Tensor, Generator], Tensor]
OnBatch = Callable[[Tensor, Tensor, Generator], tuple[Tensor, Tensor]]


@dataclass(frozen=True)
class Augmenter:
    """The stages that a list of names comes to; without names every method returns what it is given."""

    raw: tuple[OnImages, ...] = ()
    normalised: tuple[OnImages, ...] = ()
    mixing: tuple[OnBatch, ...] = ()

    def on_raw(self, images: Tensor, generator: Generator) -> Tensor:
        """Augment images [N, C, H, W] as they are stored."""
        for stage in self.raw:
            images = stage(images, generator)
        return images

    def on_normalised(self, images: Tensor, generator: Generator) -> Tensor:
        """Augment float images [N, C, H, W]."""
        for stage in self.normalised:
            images = stage(images, generator)
        return images

    def on_batch(self, images: Tensor, labels: Tensor, generator: Generator) -> tuple[Tensor, Tensor]:
        """Mix samples: images [N, C, H, W], labels [N] -> images, probabilities [N, classes]."""
        if not self.mixing:
            return images, labels
        chosen = _below(len(self.mixing), 1, generator).item() if len(self.mixing) > 1 else 0
        return self.mixing[int(chosen)](images, labels, generator)


def build_augmenter(
    names: Iterable[str],
    *,
    classes: int,
    image_size: tuple[int, int],
    in_channels: int = 3,
    timesteps: int | None = None,
) -> Augmenter:
    """Return the augmenter for `names` as in a suite's `train.augment`; image_size is (height, width), pixels.

    timesteps: frames of a recording; None for images.
    Raises UnknownNameError for another name, ParameterError for one that these data have no use for.
    """
    wanted = set(names)
    side = cutout_side(image_size)
    raw: Mapping[str, OnImages] = {
        "random-crop": random_crop,
        "random-flip": random_flip,
        "roll": roll,
        "auto-augment": lambda images, generator: _each(_auto_augment(), images, generator),
        "trivial-augment-wide": lambda images, generator: _each(_v2().TrivialAugmentWide(), images, generator),
    }
    normalised: Mapping[str, OnImages] = {
        "rotation": rotation,
        "shear": shear,
        "event-drop": lambda clips, generator: event_drop(clips, timesteps or 1, generator),
        "cutout": lambda images, generator: cutout(images, side, generator),
    }
    mixing: Mapping[str, OnBatch] = {
        "mixup": lambda images, labels, generator: _mix(_v2().MixUp(num_classes=classes), images, labels, generator),
        "cutmix": lambda images, labels, generator: _mix(_v2().CutMix(num_classes=classes), images, labels, generator),
    }
    for name in sorted(wanted - set(raw) - set(normalised) - set(mixing)):
        raise UnknownNameError("augmentation", name, [*raw, *normalised, *mixing])
    if timesteps is None and "event-drop" in wanted:
        raise ParameterError("augment: 'event-drop' is for event recordings, and these are images; leave it out")
    policies = sorted(wanted & {"auto-augment", "trivial-augment-wide"})
    if policies and in_channels not in (1, 3):
        raise ParameterError(f"augment: '{policies[0]}' needs images of 1 or 3 channels, these have {in_channels}")
    return Augmenter(
        raw=tuple(stage for name, stage in raw.items() if name in wanted),
        normalised=tuple(stage for name, stage in normalised.items() if name in wanted),
        mixing=tuple(stage for name, stage in mixing.items() if name in wanted),
    )


def random_crop(images: Tensor, generator: Generator) -> Tensor:
    """Pad images [N, C, H, W] by 4 black pixels and cut out an H x W window at a random place, for each sample."""
    height, width = images.shape[-2:]
    padded = F.pad(images, (CROP_PADDING_PIXELS,) * 4)
    windows = padded.unfold(2, height, 1).unfold(3, width, 1)  # a view [N, C, 9, 9, H, W]
    rows, columns = _below(2 * CROP_PADDING_PIXELS + 1, (2, len(images)), generator, images.device)
    return windows[torch.arange(len(images), device=images.device), :, rows, columns]


def random_flip(images: Tensor, generator: Generator) -> Tensor:
    """Mirror each of images [N, C, H, W] left to right with probability one half."""
    flipped = _below(2, len(images), generator, images.device).bool()
    return torch.where(flipped[:, None, None, None], images.flip(3), images)


def roll(images: Tensor, generator: Generator) -> Tensor:
    """Shift each of images [N, C, H, W] by up to 5 pixels along either axis; what leaves comes in on the other side."""
    height, width = images.shape[-2:]
    shifts = _below(2 * ROLL_PIXELS + 1, (2, len(images)), generator, images.device) - ROLL_PIXELS
    rows, columns = (
        (torch.arange(size, device=images.device) - shift[:, None]) % size
        for size, shift in zip((height, width), shifts, strict=True)
    )
    sample = torch.arange(len(images), device=images.device)[:, None, None]
    return images.movedim(1, -1)[sample, rows[:, :, None], columns[:, None, :]].movedim(-1, 1)


def rotation(images: Tensor, generator: Generator) -> Tensor:
    """Turn each of float images [N, C, H, W] about its centre by up to 15 degrees either way."""
    angle = torch.deg2rad(_uniform(-ROTATION_DEGREES, ROTATION_DEGREES, len(images), generator))
    height, width = images.shape[-2:]
    sin, cos = angle.sin(), angle.cos()  # grid_sample's axes run from -1 to 1 whatever the sides are
    return _mapped(images, torch.stack([cos, -sin * height / width, sin * width / height, cos], 1))


def shear(images: Tensor, generator: Generator) -> Tensor:
    """Slant each of float images [N, C, H, W] left or right by up to 15 degrees, its middle row staying in place."""
    slope = torch.deg2rad(_uniform(-SHEAR_DEGREES, SHEAR_DEGREES, len(images), generator)).tan()
    height, width = images.shape[-2:]
    one, none = torch.ones_like(slope), torch.zeros_like(slope)
    return _mapped(images, torch.stack([one, slope * height / width, none, one], 1))


def _mapped(images: Tensor, matrix: Tensor) -> Tensor:
    """Fetch every pixel from where `matrix` [N, 4] (row by row) sends it: the nearest one, or 0 outside the image.

    No pixel is mixed of several, so event counts stay whole numbers.
    """
    theta = F.pad(matrix.view(-1, 2, 2), (0, 1))
    grid = F.affine_grid(to_device(theta, images.device), [len(images), 1, *images.shape[-2:]], align_corners=False)
    return F.grid_sample(images, grid.to(images.dtype), mode="nearest", align_corners=False)


def event_drop(clips: Tensor, timesteps: int, generator: Generator) -> Tensor:
    """Drop events of clips [N, T*C, H, W]: for each by lot none, those of a time, of an area, or of some pixels.

    By time: of 10 to 90 % of the timesteps, which follow one another. By area: of a box with sides of 5 to 30 % of the
    image's. By pixel: of 10 to 90 % of the pixels, at all timesteps. Source: Gu et al. 2021, "EventDrop: Data
    Augmentation for Event-based Learning", whose third way drops single events.
    """
    samples, (height, width) = len(clips), clips.shape[-2:]
    way = _below(4, samples, generator)
    share = (_below(9, samples, generator) + 1) / 10
    lasting = (share * timesteps).round().long().clamp(min=1)
    begin = (torch.rand(samples, generator=generator) * (timesteps - lasting + 1)).long()
    time = _within(begin, lasting, timesteps)[:, :, None, None]
    sides = _uniform(0.05, 0.3, 2 * samples, generator).view(2, samples)
    lengths = [(side * size).round().long().clamp(min=1) for side, size in zip(sides, (height, width), strict=True)]
    top, left = (
        (torch.rand(samples, generator=generator) * (size - length + 1)).long()
        for size, length in zip((height, width), lengths, strict=True)
    )
    box = _within(top, lengths[0], height)[:, None, :, None] & _within(left, lengths[1], width)[:, None, None, :]
    pixels = torch.rand(samples, 1, height, width, generator=generator) < share[:, None, None, None]
    chosen = way[:, None, None, None]
    keep_time = to_device(~((chosen == 1) & time), clips.device)
    keep_place = to_device(~(((chosen == 2) & box) | ((chosen == 3) & pixels)), clips.device)
    by_time = clips.unflatten(1, (timesteps, -1))
    return (by_time * keep_time[:, :, None] * keep_place[:, None]).flatten(1, 2)


def cutout(images: Tensor, side: int, generator: Generator) -> Tensor:
    """Set one square of `side` pixels to 0 in each of images [N, C, H, W]: on normalised images, the mean colour.

    The centre is uniform over the image and the square is clipped at the borders (DeVries & Taylor 2017).
    """
    height, width = images.shape[-2:]
    top, left = (_below(size, len(images), generator) - side // 2 for size in (height, width))
    keep = ~(_within(top, side, height)[:, None, :, None] & _within(left, side, width)[:, None, None, :])
    return images * to_device(keep, images.device)


def cutout_side(image_size: tuple[int, int]) -> int:
    """Return the side of cutout's square, pixels: half the shorter side of the image, so 16 for 32x32.

    DeVries & Taylor 2017 use 16 for CIFAR-10 and 8 for CIFAR-100; later recipes use 16 for both.
    """
    return max(1, min(image_size) // 2)


def to_device(values: Tensor, device: torch.device) -> Tensor:
    """Copy from the CPU to `device` without waiting for it, which needs pinned memory on CUDA."""
    return values.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else values.to(device)


def _within(start: Tensor, length: int | Tensor, size: int) -> Tensor:
    """Return [N, size]: whether a position lies in start .. start + length - 1; length one for all, or [N]."""
    offset = torch.arange(size) - start[:, None]
    return (offset >= 0) & (offset < (length[:, None] if isinstance(length, Tensor) else length))


def _v2() -> Any:
    # Imported where it is needed: it costs more than a second, and most recipes do without it.
    from torchvision.transforms import v2

    return v2


def _auto_augment() -> Any:
    """The policy learned on CIFAR-10 (Cubuk et al. 2019) serves every data set, as is usual for small images."""
    return _v2().AutoAugment(_v2().AutoAugmentPolicy.CIFAR10)


def _each(policy: Callable[[Tensor], Tensor], images: Tensor, generator: Generator) -> Tensor:
    """Apply a torchvision policy to every image by itself; it draws from torch's global generator, restored after."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(_seed(generator))
        return torch.stack([policy(image) for image in images])


def _mix(
    mix: Callable[[Tensor, Tensor], Any], images: Tensor, labels: Tensor, generator: Generator
) -> tuple[Tensor, Tensor]:
    """Apply torchvision's mixup or cutmix; it draws from torch's global generator, restored after."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(_seed(generator))
        mixed, probabilities = mix(images, labels)
    return mixed, probabilities


def _seed(generator: Generator) -> int:
    return int(torch.randint(2**62, (), generator=generator))


def _below(bound: int, size: int | tuple[int, ...], generator: Generator, device: torch.device | None = None) -> Tensor:
    """Draw integers 0 .. bound - 1 on the CPU and move them to `device`."""
    shape = (size,) if isinstance(size, int) else size
    drawn = torch.randint(bound, shape, generator=generator)
    return drawn if device is None else to_device(drawn, device)


def _uniform(low: float, high: float, size: int, generator: Generator) -> Tensor:
    """Draw numbers low .. high on the CPU."""
    return low + (high - low) * torch.rand(size, generator=generator)
