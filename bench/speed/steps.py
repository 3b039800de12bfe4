"""A subject at work: its network built as for training, and blocks of steps on synthetic or real batches."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import Tensor, nn

from bench.data.base import Arrays
from bench.data.feed.loader import laid_out
from bench.errors import DataError
from bench.execute.messages import path_of_text
from bench.models.build import build_model
from bench.plugins import registry
from bench.runs import provenance
from bench.runs.assembly import Assembly, assemble
from bench.runs.choose import choose_path
from bench.speed.job import Block, End, Subject, Warm
from bench.speed.peers import peer_factory
from bench.speed.roofline import measure_rates, synchronise, work_of
from bench.train.learner import Learner
from bench.train.machine.autocast import autocast, product_dtype
from bench.train.machine.device import describe_device, peak_memory_bytes, use_device
from bench.train.pace import Sums

WARM_STEPS = 5
BLOCK_S = 1.0  # about as long as a turn takes, at least one step

Batch = tuple[Tensor, Tensor]  # images [N, C, H, W], labels


class Steps:
    """Training steps of one subject. Raises BenchError when it cannot be built."""

    def __init__(self, subject: Subject) -> None:
        began = time.perf_counter()
        spec, self.device = subject.spec, torch.device(subject.device)
        use_device(self.device)
        torch.manual_seed(0)
        self.assembly = _assemble(subject).on(self.device)
        self.assembly.model.train()
        self.no_data: str | None = None
        arrays = self._arrays(subject)
        trained_on = int(self.assembly.dataset.train_samples * (1 - spec.dataset.validation_fraction))
        self.path, self.warning = "their own", None
        if subject.peer is None:
            samples = trained_on if arrays is None else len(arrays.train)
            self.path, self.warning = choose_path(subject.path, self.assembly, samples)
        self.learner = Learner(self.assembly.model, spec.train, self.device, self.path)
        self.sums = Sums(self.device)
        self.steps_per_epoch = max(1, trained_on // spec.train.batch_size)
        self._real: Iterator[Batch] | None = None
        if arrays is not None:
            loader = self.assembly.training_loader(arrays)
            self.steps_per_epoch = loader.steps
            self._real = (batch[1:] for epoch in itertools.count() for batch in loader.batches(epoch))
        self._synthetic = itertools.repeat(_synthetic_batch(self.assembly))
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
            precision=self.learner.spec.precision,
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
            rates = measure_rates(self.device, product_dtype(self.device, self.learner.spec.precision))
            images, _ = next(self._synthetic)

            def forward() -> Tensor:
                with autocast(self.device, self.learner.spec.precision):
                    logits: Tensor = self.learner.model(self.assembly.encode(images, 0, 0))
                return logits

            work = work_of(self.learner.model, forward)
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
            self.sums.total += self.learner.update(self.assembly.encode(images, 0, step), labels)
        synchronise(self.device)
        return (time.perf_counter() - start) / steps

    def _arrays(self, subject: Subject) -> Arrays | None:
        try:
            return self.assembly.load(path_of_text(subject.data), offline=subject.offline)
        except DataError as error:
            self.no_data = str(error)
            return None


def _assemble(subject: Subject) -> Assembly:
    assembly, spec = assemble(subject.spec), subject.spec
    if subject.peer is None:
        return assembly
    model = build_model(
        spec.model.name,
        neuron=peer_factory(subject.peer, spec.neuron, provenance.resolve_parameters(spec)["neuron"]),
        in_channels=assembly.dataset.in_channels,
        classes=assembly.dataset.classes,
        image_size=assembly.dataset.image_size,
        batch_norm=spec.model.batch_norm,
        weight_seed=0,
        **spec.model.params,
    )
    return replace(assembly, model=model)


def _synthetic_batch(assembly: Assembly) -> Batch:
    """Samples like normalised images and random labels (probabilities where the recipe mixes samples), made once."""
    generator, dataset, train = torch.Generator().manual_seed(0), assembly.dataset, assembly.spec.train
    samples = min(train.batch_size, dataset.train_samples)
    images = torch.randn(samples, *dataset.sample_shape, generator=generator)
    labels = torch.randint(dataset.classes, (samples,), generator=generator)
    if any(registry.find("augmentation", name).flags.get("soft_labels", False) for name in train.augment):
        labels = nn.functional.one_hot(labels, dataset.classes).float()
    return laid_out(images, assembly.layout).to(assembly.device), labels.to(assembly.device)
