"""What a run is made of: network, encoder, data set, device; and the loaders and sequences that they give."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor, nn

from bench.data.base import Arrays, Dataset, Split, check_arrays, hold_out
from bench.data.feed.loader import DeviceLoader, Kept
from bench.data.folds import fold_of
from bench.encoders.base import Encoder
from bench.errors import ParameterError
from bench.models.build import build_model
from bench.neurons.base import Neuron, is_neuron, time_stays
from bench.plugins import registry
from bench.seeding import seed_for
from bench.suite.run_spec import RunSpec

# Fifty images of 28x28 are 1.5 times as fast on one CPU thread as 200, whose activations leave the caches; of smaller
# images more fit.
EVALUATION_PIXELS, EVALUATION_BATCH = 40_000, (50, 500)
GPU_EVALUATION_PIXELS = 1_000_000  # a GPU waits for launches where batches are small: 976 images of 32x32

CLIP_PIXELS = 500_000  # of event recordings, whose every frame differs and is in memory


@dataclass(frozen=True)
class Assembly:
    """The parts of one run: its network, with initial weights at first, and all that feeds it."""

    spec: RunSpec
    model: nn.Module
    encoder: Encoder
    dataset: Dataset  # not loaded
    device: torch.device

    @property
    def layout(self) -> torch.memory_format:
        """The memory format of parameters and images."""
        return torch.channels_last if self.spec.train.channels_last else torch.contiguous_format

    def on(self, device: torch.device) -> Assembly:
        """Return the assembly with its network, the same one, moved to a device and laid out."""
        return replace(self, model=self.model.to(device).to(memory_format=self.layout), device=device)

    def load(self, data: Path, *, offline: bool) -> Arrays:
        """Load the data from the folder `data`, split as the run asks, the validation part held out of training.

        Raises DataError.
        """
        arrays, spec = self.dataset.load(data, offline=offline), self.spec.dataset
        check_arrays(arrays, f"data set '{spec.name}'")
        split = fold_of if spec.test_split == "folds" else hold_out
        return split(arrays, spec.validation_fraction, self.spec.seed)

    def training_loader(self, arrays: Arrays) -> DeviceLoader:
        """Return the loader of the training split: shuffled batches, augmented as the run asks."""
        spec = self.spec.train
        return self._loader(arrays.train, arrays, spec.batch_size, spec.augment)

    def loader(self, split: Split, arrays: Arrays) -> DeviceLoader:
        """Return the loader of a split to evaluate on: plain batches, in order.

        What an encoder draws depends on the batches, so theirs are the same on every device.
        """
        device = self.device if self.encoder.static else torch.device("cpu")
        return self._loader(split, arrays, evaluation_batch(split.images.shape[1:], device), [])

    def encode(self, images: Tensor, epoch: int, step: int) -> Tensor:
        """Encode images [N, C, H, W] or clips [N, T, C, H, W] as [T, N, C, H, W]; each batch has its own draws."""
        generator = torch.Generator().manual_seed(seed_for("encode", self.spec.seed, epoch, step))
        return self.encoder.encode(images, self.spec.timesteps, generator)

    def sequences(self, loader: DeviceLoader) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield every sample of a loader to evaluate on, in order: sequences [T, N, C, H, W] and labels [N]."""
        for step, (images, labels) in enumerate(loader.evaluation_batches()):
            yield self.encode(images, -1, step), labels

    def _loader(self, split: Split, arrays: Arrays, batch_size: int, augment: Iterable[str]) -> DeviceLoader:
        return DeviceLoader(
            split,
            arrays,
            batch_size=batch_size,
            seed=self.spec.seed,
            augment=augment,
            normalise=self.encoder.normalised,
            kept=Kept(self.device, channels_last=self.spec.train.channels_last),
        )


@dataclass(frozen=True)
class TrainingSequences:
    """The batches that a run trains on, encoded."""

    assembly: Assembly
    loader: DeviceLoader

    @property
    def steps(self) -> int:
        """Batches in an epoch."""
        return self.loader.steps

    def batches(self, epoch: int, start_step: int = 0) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """Yield sample indices [N], sequences [T, N, C, H, W] and labels [N] or probabilities [N, classes]."""
        for step, (indices, images, labels) in enumerate(self.loader.batches(epoch, start_step), start_step):
            yield indices, self.assembly.encode(images, epoch, step), labels


def assemble(spec: RunSpec) -> Assembly:
    """Build the parts of a run on the CPU, its network with the initial weights.

    Raises ParameterError for a value that a part refuses, and where gradients are to flow through space alone and a
    neuron steps through time by itself.
    """
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
        synapse=None if spec.model.synapse is None else spec.model.synapse.model_dump(),
        **spec.model.params,
    )
    if spec.train.gradient == "space":
        _cut_time(model, registry.find("neuron", spec.neuron.name).load())
    return Assembly(spec, model, encoder, dataset, torch.device("cpu"))


def _cut_time(model: nn.Module, neuron: type[nn.Module]) -> None:
    """Have gradients flow through space alone in a network of neurons of one class; of others' nothing is known."""
    for module in model.modules():
        if isinstance(module, Neuron):
            module.cut_time(True)
        elif is_neuron(module) or isinstance(module, neuron):
            raise ParameterError(time_stays(getattr(module, "name", type(module).__name__)))


def make_dataset(spec: RunSpec) -> Dataset:
    """Construct the data set of a run; one of event recordings is told how many slices to cut."""
    dataset: Dataset = registry.create(
        "dataset", spec.dataset.name, {"_timesteps": spec.timesteps}, **spec.dataset.params
    )
    return dataset


def distinct_data(specs: Iterable[RunSpec]) -> list[RunSpec]:
    """Return one spec for each data set, with its parameters and timesteps, that `specs` name."""
    return list({(spec.dataset.model_dump_json(), spec.timesteps): spec for spec in specs}.values())


def evaluation_batch(sample_shape: Sequence[int], device: torch.device) -> int:
    """Return how many images [C, H, W], or clips [T, C, H, W], are evaluated at a time on a device."""
    *clip, _, height, width = sample_shape
    fewest, most = EVALUATION_BATCH
    if clip:
        return min(most, max(1, CLIP_PIXELS // (clip[0] * height * width)))
    if device.type == "cuda":
        return max(fewest, min(2 * most, GPU_EVALUATION_PIXELS // (height * width)))
    return min(most, max(fewest, EVALUATION_PIXELS // (height * width)))
