"""A subject at work: its network built as for training, and blocks of steps on synthetic or real batches."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from torch import Tensor, nn

from bench.data.base import Arrays, Dataset
from bench.data.feed.loader import laid_out
from bench.encoders.base import Encoder
from bench.errors import DataError
from bench.models.build import build_model
from bench.plugins import registry
from bench.runs import provenance
from bench.runs.assembly import assemble, encode_batch, layout, load_arrays, make_loader
from bench.speed.job import Block, End, Subject, Warm
from bench.speed.peers import peer_factory
from bench.speed.roofline import measure_rates, synchronise, work_of
from bench.suite.run_spec import RunSpec
from bench.train.machine.choose import choose_path
from bench.train.machine.device import describe_device, peak_memory_bytes, use_device
from bench.train.machine.graphed import Graphed, make_capturable
from bench.train.pace import Sums
from bench.train.step import AUTOCAST, build_optimizer, train_step

WARM_STEPS = 5
BLOCK_S = 1.0  # about as long as a turn takes, at least one step

Batch = tuple[Tensor, Tensor]  # images [N, C, H, W], labels


class Steps:
    """Training steps of one subject. Raises BenchError when it cannot be built."""

    def __init__(self, subject: Subject) -> None:
        began = time.perf_counter()
        self.spec, self.device = subject.spec, torch.device(subject.device)
        use_device(self.device)
        torch.manual_seed(0)
        self.model, self.encoder, self.dataset = _assemble(subject)
        self.model = self.model.to(self.device).to(memory_format=layout(self.spec)).train()
        self.no_data: str | None = None
        arrays = self._arrays(subject)
        trained_on = int(self.dataset.train_samples * (1 - self.spec.dataset.validation_fraction))
        self.path, self.warning = "their own", None
        if subject.peer is None:
            self.path, self.warning = choose_path(
                subject.path,
                self.model,
                self.spec,
                self.dataset,
                self.encoder,
                self.device,
                trained_on if arrays is None else len(arrays.train),
            )
        self.optimizer = build_optimizer(self.model, self.spec.train.optimizer, self.device)
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=self.spec.train.precision == "fp16")
        self.sums = Sums(self.device)
        self._take: Callable[[Tensor, Tensor], Tensor] = self._update
        if self.path == "graphed":
            make_capturable(self.optimizer, self.device)
            self._take = Graphed(self._update)
        self.steps_per_epoch = max(1, trained_on // self.spec.train.batch_size)
        self._real: Iterator[Batch] | None = None
        if arrays is not None:
            loader = make_loader(self.spec, arrays.train, arrays, self.encoder, self.device, train=True)
            self.steps_per_epoch = loader.steps
            self._real = (batch[1:] for epoch in itertools.count() for batch in loader.batches(epoch))
        self._synthetic = itertools.repeat(_synthetic_batch(self.spec, self.dataset, self.device))
        first = self._timed(self._synthetic, WARM_STEPS)  # compiles, allocates, captures
        step_s = self._timed(self._synthetic, WARM_STEPS if first < BLOCK_S else 1)
        if self._real is not None:
            self._timed(self._real, 1)
        self.block_steps = max(1, round(BLOCK_S / step_s))
        self.start_s = time.perf_counter() - began
        self._give_room()

    def warm(self) -> Warm:
        """Say that the subject is ready."""
        return Warm(
            path=self.path,
            warning=self.warning,
            no_data=self.no_data,
            device=describe_device(self.device),
            precision=self.spec.train.precision,
            start_s=self.start_s,
            steps_per_epoch=self.steps_per_epoch,
            batch_size=len(next(self._synthetic)[0]),
            block_steps=self.block_steps,
        )

    def block(self) -> Block:
        """Take one turn: a block of steps on synthetic batches and one on real batches."""
        if self.device.type == "cuda":
            self._timed(self._synthetic, 1)  # what was given back is allocated again
        block = Block(
            synthetic_s=self._timed(self._synthetic, self.block_steps),
            real_s=None if self._real is None else self._timed(self._real, self.block_steps),
        )
        self._give_room()
        return block

    def end(self, roofline: bool) -> End:
        """Say how much memory was held; with `roofline` measure the device too, and what a step cannot do without."""
        said = End(peak_memory_bytes=peak_memory_bytes(self.device))
        if roofline:
            dtype = AUTOCAST.get(self.spec.train.precision, torch.float32)
            rates = measure_rates(self.device, dtype)
            images, _ = next(self._synthetic)

            def forward() -> Tensor:
                with torch.autocast(self.device.type, dtype=dtype, enabled=dtype != torch.float32):
                    logits: Tensor = self.model(encode_batch(self.spec, self.encoder, images, 0, 0))
                return logits

            work = work_of(self.model, forward)
            said.flops, said.neuron_bytes = work.flops, work.neuron_bytes
            said.flops_per_s, said.bytes_per_s = rates.flops_per_s, rates.bytes_per_s
        return said

    def _give_room(self) -> None:
        """Give back the memory that the allocator keeps: another subject's turn comes."""
        if self.device.type == "cuda":
            torch.cuda.empty_cache()

    def _timed(self, batches: Iterator[Batch], steps: int) -> float:
        synchronise(self.device)
        start = time.perf_counter()
        for step, (images, labels) in zip(range(steps), batches, strict=False):
            self.sums.total += self._take(encode_batch(self.spec, self.encoder, images, 0, step), labels)
        synchronise(self.device)
        return (time.perf_counter() - start) / steps

    def _update(self, sequence: Tensor, labels: Tensor) -> Tensor:
        return train_step(self.model, sequence, labels, self.optimizer, self.scaler, self.spec.train, self.device)

    def _arrays(self, subject: Subject) -> Arrays | None:
        try:
            return load_arrays(self.dataset, self.spec, Path(subject.data), offline=subject.offline)
        except DataError as error:
            self.no_data = str(error)
            return None


def _assemble(subject: Subject) -> tuple[nn.Module, Encoder, Dataset]:
    model, encoder, dataset = assemble(subject.spec)
    if subject.peer is not None:
        spec = subject.spec
        model = build_model(
            spec.model.name,
            neuron=peer_factory(subject.peer, spec.neuron, provenance.resolve_parameters(spec)["neuron"]),
            in_channels=dataset.in_channels,
            classes=dataset.classes,
            image_size=dataset.image_size,
            batch_norm=spec.model.batch_norm,
            weight_seed=0,
            **spec.model.params,
        )
    return model, encoder, dataset


def _synthetic_batch(spec: RunSpec, dataset: Dataset, device: torch.device) -> Batch:
    """Samples like normalised images and random labels (probabilities where the recipe mixes samples), made once."""
    generator = torch.Generator().manual_seed(0)
    samples = min(spec.train.batch_size, dataset.train_samples)
    images = torch.randn(samples, *dataset.sample_shape, generator=generator)
    labels = torch.randint(dataset.classes, (samples,), generator=generator)
    if any(registry.find("augmentation", name).flags.get("soft_labels", False) for name in spec.train.augment):
        labels = nn.functional.one_hot(labels, dataset.classes).float()
    return laid_out(images, layout(spec)).to(device), labels.to(device)
