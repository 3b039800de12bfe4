"""The loader: batches from images held on the device, in an order and with augmentation that only the seed decides."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from bench.data.augmentations.draws import to_device
from bench.data.base import Arrays, Split
from bench.data.feed.augment import build_augmenter
from bench.seeding import seed_for

# Share of the free GPU memory that a split's images may take: several runs may share a GPU, and training needs more.
RESIDENT_FRACTION = 0.25


@dataclass(frozen=True)
class Kept:
    """Where a loader keeps the images of its split, and in which layout; no value depends on it.

    resident: keep all images on the device; None: always on a CPU, on CUDA where their bytes are at most a quarter of
    the free memory. Otherwise they stay in host memory and each batch is copied through a pinned buffer.
    """

    device: torch.device | str = "cpu"
    resident: bool | None = None
    channels_last: bool = False


class DeviceLoader:
    """Batches of one split on a device, normalised by the data set's mean and std or scaled to 0..1.

    normalise: False keeps intensities 0..1, for encoders that need them.
    The sample order depends on seed and epoch, augmentation on seed, epoch and step; nothing else enters.
    """

    def __init__(
        self,
        split: Split,
        arrays: Arrays,
        *,
        batch_size: int,
        seed: int = 0,
        augment: Iterable[str] = (),
        normalise: bool = True,
        kept: Kept | None = None,
    ) -> None:
        if batch_size < 1:
            raise ValueError(f"batch_size should be at least 1, not {batch_size}")
        kept = kept or Kept()
        self.device = torch.device(kept.device)
        self.batch_size, self.seed, self.samples = batch_size, seed, len(split)
        self.steps = max(1, self.samples // batch_size)
        self.resident = _fits(split.images, self.device) if kept.resident is None else kept.resident
        self._images = split.images.to(self.device) if self.resident else split.images
        self._labels = split.labels.to(self.device)
        self._layout = torch.channels_last if kept.channels_last else torch.contiguous_format
        self._augmenter = build_augmenter(
            augment,
            classes=arrays.classes,
            image_size=arrays.image_size,
            in_channels=arrays.in_channels,
            timesteps=split.images.shape[1] if split.images.dim() == 5 else None,
        )
        unit = 255.0 if split.images.dtype == torch.uint8 and arrays.input_kind == "analog" else 1.0
        mean, std = (value.double().view(1, -1, 1, 1) for value in (arrays.mean, arrays.std))
        self._unit, self._normalise = unit, normalise
        self._scale, self._shift = (value.float().to(self.device) for value in (1 / (unit * std), -mean / std))

    def batches(self, epoch: int, start_step: int = 0) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """Yield indices [N] (on the CPU), float32 images [N, C, H, W], and labels [N] or probabilities [N, classes].

        Recordings are clips [N, T, C, H, W], each augmented as a whole. The last incomplete batch is dropped unless it
        is the only one. Starting at a step gives the batches that going there would have given.
        """
        order = torch.randperm(self.samples, generator=_generator("order", self.seed, epoch))
        for step in range(start_step, self.steps):
            indices = order[step * self.batch_size : (step + 1) * self.batch_size]
            generator = _generator("augment", self.seed, epoch, step)
            on_device = to_device(indices, self.device)
            raw, clip = _folded(self._gather(indices, on_device))
            raw = self._augmenter.on_raw(raw, generator)
            images = self._augmenter.on_normalised(self._to_float(raw), generator)
            images, labels = self._augmenter.on_batch(images, self._labels[on_device], generator)
            yield indices, laid_out(images.unflatten(1, clip), self._layout), labels

    def evaluation_batches(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield float32 images [N, C, H, W] and labels [N] of every sample, in order and without augmentation."""
        for start in range(0, self.samples, self.batch_size):
            part = slice(start, start + self.batch_size)
            raw = self._images[part] if self.resident else to_device(self._images[part], self.device)
            folded, clip = _folded(raw)
            yield laid_out(self._to_float(folded).unflatten(1, clip), self._layout), self._labels[part]

    def _gather(self, indices: Tensor, on_device: Tensor) -> Tensor:
        if self.resident:
            return self._images[on_device]
        pinned = self.device.type == "cuda"
        batch = torch.empty(len(indices), *self._images.shape[1:], dtype=self._images.dtype, pin_memory=pinned)
        torch.index_select(self._images, 0, indices, out=batch)
        return batch.to(self.device, non_blocking=True)

    def _to_float(self, images: Tensor) -> Tensor:
        if self._normalise:
            return (images * self._scale).add_(self._shift)
        return images / self._unit  # a division, so that 255 becomes exactly 1


def laid_out(images: Tensor, layout: torch.memory_format) -> Tensor:
    """Return images [N, C, H, W] in a memory format; of clips [N, T, C, H, W] the frames of a timestep together."""
    if images.dim() == 4:
        return images.contiguous(memory_format=layout)
    by_time = images.transpose(0, 1)
    frames = by_time.flatten(0, 1).contiguous(memory_format=layout)
    return frames.unflatten(0, by_time.shape[:2]).transpose(0, 1)


def _folded(images: Tensor) -> tuple[Tensor, tuple[int, ...]]:
    """Clips [N, T, C, H, W] as images [N, T*C, H, W], which one transform serves whole; and what to unfold them to."""
    clip = tuple(images.shape[1:-2])
    return images.flatten(1, -3), clip


def _generator(purpose: str, *parts: int) -> Generator:
    return torch.Generator().manual_seed(seed_for(purpose, *parts))


def _fits(images: Tensor, device: torch.device) -> bool:
    if device.type != "cuda":
        return True
    free_bytes, _ = torch.cuda.mem_get_info(device)
    return images.numel() * images.element_size() <= RESIDENT_FRACTION * free_bytes
