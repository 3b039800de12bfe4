"""Dropped events."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from bench.data.augmentations.base import ImageAugmentation
from bench.data.augmentations.draws import below, to_device, uniform, within
from bench.errors import ParameterError


class EventDrop(ImageAugmentation):
    """Drop events of each recording: by lot none, those of a time, of an area, or of some pixels.

    By time: of 10 to 90 % of the timesteps, which follow one another. By area: of a box with sides of 5 to 30 % of the
    image's. By pixel: of 10 to 90 % of the pixels, at all timesteps. Source: Gu et al. 2021, "EventDrop: Data
    Augmentation for Event-based Learning", whose third way drops single events.
    """

    name = "event-drop"
    order = 30

    def __init__(self, *, _timesteps: int | None = None) -> None:
        if _timesteps is None:
            raise ParameterError("augment: 'event-drop' is for event recordings, and these are images; leave it out")
        self.timesteps = _timesteps

    def augment(self, images: Tensor, generator: Generator) -> Tensor:
        """Return recordings [N, T*C, H, W] with fewer events."""
        samples, timesteps, (height, width) = len(images), self.timesteps, images.shape[-2:]
        way = below(4, samples, generator)
        share = (below(9, samples, generator) + 1) / 10
        lasting = (share * timesteps).round().long().clamp(min=1)
        begin = (torch.rand(samples, generator=generator) * (timesteps - lasting + 1)).long()
        time = within(begin, lasting, timesteps)[:, :, None, None]
        sides = uniform(0.05, 0.3, 2 * samples, generator).view(2, samples)
        lengths = [(side * size).round().long().clamp(min=1) for side, size in zip(sides, (height, width), strict=True)]
        top, left = (
            (torch.rand(samples, generator=generator) * (size - length + 1)).long()
            for size, length in zip((height, width), lengths, strict=True)
        )
        box = within(top, lengths[0], height)[:, None, :, None] & within(left, lengths[1], width)[:, None, None, :]
        pixels = torch.rand(samples, 1, height, width, generator=generator) < share[:, None, None, None]
        chosen = way[:, None, None, None]
        keep_time = to_device(~((chosen == 1) & time), images.device)
        keep_place = to_device(~(((chosen == 2) & box) | ((chosen == 3) & pixels)), images.device)
        by_time = images.unflatten(1, (timesteps, -1))
        return (by_time * keep_time[:, :, None] * keep_place[:, None]).flatten(1, 2)
