"""What a run is made of: network, encoder, data set, loaders, and the sequences it is fed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from bench.data.base import Arrays, Dataset, Split, check_arrays, hold_out
from bench.data.feed.loader import DeviceLoader
from bench.encoders.base import Encoder
from bench.models.build import build_model
from bench.plugins import registry
from bench.seeding import seed_for
from bench.suite.run_spec import RunSpec

# Fifty images of 28x28 are 1.5 times as fast on one CPU thread as 200, whose activations leave the caches; of smaller
# images more fit.
EVALUATION_PIXELS, EVALUATION_BATCH = 40_000, (50, 500)

CLIP_PIXELS = 500_000  # of event recordings, whose every frame differs and is in memory


def make_dataset(spec: RunSpec) -> Dataset:
    """Construct the data set of a run; one of event recordings is told how many slices to cut."""
    dataset: Dataset = registry.create(
        "dataset", spec.dataset.name, {"_timesteps": spec.timesteps}, **spec.dataset.params
    )
    return dataset


def distinct_data(specs: Iterable[RunSpec]) -> list[RunSpec]:
    """Return one spec for each data set, with its parameters and timesteps, that `specs` name."""
    return list({(spec.dataset.model_dump_json(), spec.timesteps): spec for spec in specs}.values())


def encode_batch(spec: RunSpec, encoder: Encoder, images: Tensor, epoch: int, step: int) -> Tensor:
    """Encode images [N, C, H, W] or clips [N, T, C, H, W] as [T, N, C, H, W]; every batch has its random numbers."""
    generator = torch.Generator().manual_seed(seed_for("encode", spec.seed, epoch, step))
    return encoder.encode(images, spec.timesteps, generator)


def evaluation_sequences(spec: RunSpec, encoder: Encoder, source: DeviceLoader) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield every sample of `source` in order: sequences [T, N, C, H, W] and labels [N]."""
    for step, (images, labels) in enumerate(source.evaluation_batches()):
        yield encode_batch(spec, encoder, images, -1, step), labels


def make_loader(
    spec: RunSpec, split: Split, arrays: Arrays, encoder: Encoder, device: torch.device, *, train: bool = False
) -> DeviceLoader:
    """Return the loader of a split: as the run trains, or plain batches to evaluate on."""
    return DeviceLoader(
        split,
        arrays,
        batch_size=spec.train.batch_size if train else evaluation_batch(split.images.shape[1:]),
        seed=spec.seed,
        augment=spec.train.augment if train else [],
        normalise=encoder.normalised,
        channels_last=spec.train.channels_last,
        device=device,
    )


def evaluation_batch(sample_shape: Sequence[int]) -> int:
    """Return how many images [C, H, W], or clips [T, C, H, W], are evaluated at a time."""
    *clip, _, height, width = sample_shape
    fewest, most = EVALUATION_BATCH
    if clip:
        return min(most, max(1, CLIP_PIXELS // (clip[0] * height * width)))
    return min(most, max(fewest, EVALUATION_PIXELS // (height * width)))


def load_arrays(dataset: Dataset, spec: RunSpec, data: Path, *, offline: bool) -> Arrays:
    """Load a run's data from the folder `data`, the validation part held out of training. Raises DataError."""
    arrays = dataset.load(data, offline=offline)
    check_arrays(arrays, f"data set '{spec.dataset.name}'")
    return hold_out(arrays, spec.dataset.validation_fraction, spec.seed)


def assemble(spec: RunSpec) -> tuple[nn.Module, Encoder, Dataset]:
    """Build the network with its initial weights, the encoder and the (unloaded) data set of a run."""
    dataset = make_dataset(spec)
    encoder: Encoder = registry.create("encoder", spec.encoder.name, **spec.encoder.params)
    model = build_model(
        spec.model.name,
        neuron=spec.neuron.name,
        neuron_params=spec.neuron.params,
        in_channels=dataset.in_channels,
        classes=dataset.classes,
        image_size=dataset.image_size,
        batch_norm=spec.model.batch_norm,
        weight_seed=seed_for("weights", spec.seed),
        **spec.model.params,
    )
    return model, encoder, dataset


def layout(spec: RunSpec) -> torch.memory_format:
    """Return the memory format of a run's parameters and images."""
    return torch.channels_last if spec.train.channels_last else torch.contiguous_format
