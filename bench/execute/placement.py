"""Which device a run is given, where several runs share one: by the memory that runs of its kind were seen to need."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from bench.execute.messages import Event, Job

CONTEXT_BYTES = 600_000_000  # of a process's CUDA context, which torch's allocator does not see
OUT_OF_MEMORY = "out of memory"  # how the error of a run begins that found no room


def kind_of(job: Job) -> str:
    """Return what runs have in common that need as much memory: all but the seed."""
    return job.spec.model_copy(update={"seed": 0}).model_dump_json() + job.measure.model_dump_json()


@dataclass
class Placement:
    """Places runs on devices, `per_device` at most on each.

    The first run of a kind has a device for itself until it has said what it needs; a run joins others where the need
    of all is known and there is room. One that has found no room beside others is tried alone.
    """

    devices: Sequence[str]
    per_device: int = 1
    running: dict[str, tuple[str, str]] = field(default_factory=dict)  # by key: (device, kind)
    needs: dict[str, int] = field(default_factory=dict)  # bytes, by kind
    rooms: dict[str, int] = field(default_factory=dict)  # bytes, by device
    shared: set[str] = field(default_factory=set)  # keys of runs that have had company
    alone: set[str] = field(default_factory=set)  # keys of those that want none

    def place(self, job: Job) -> str | None:
        """Return the device that a job may start on, which it then has; None where it has to wait."""
        kind = kind_of(job)
        open_ = [device for device in self.devices if self._takes(device, job.key, kind)]
        if not open_:
            return None
        device = min(open_, key=lambda name: len(self._on(name)))
        company = self._on(device)
        self.running[job.key] = device, kind
        if company:
            self.shared.update(company, [job.key])
        return device

    def _on(self, device: str) -> list[str]:
        return [key for key, (other, _) in self.running.items() if other == device]

    def _takes(self, device: str, key: str, kind: str) -> bool:
        company = self._on(device)
        if not company:
            return True
        if len(company) >= self.per_device or key in self.alone or not self.alone.isdisjoint(company):
            return False
        if device == "cpu":
            return True
        kinds = [kind, *(self.running[other][1] for other in company)]
        if device not in self.rooms or any(each not in self.needs for each in kinds):
            return False
        return sum(self.needs[each] for each in kinds) <= self.rooms[device]

    def heard(self, key: str, event: Event) -> bool:
        """Take in what a run says; whether its end was for want of room, and it is to be tried alone."""
        device, kind = self.running[key]
        if event.memory_bytes:
            self.needs[kind] = max(self.needs.get(kind, 0), event.memory_bytes + CONTEXT_BYTES)
            self.rooms[device] = event.device_bytes
        if not event.final:
            return False
        del self.running[key]
        found_no_room = event.kind == "failed" and event.error.startswith(OUT_OF_MEMORY)
        if found_no_room and key in self.shared and key not in self.alone:
            self.alone.add(key)
            return True
        return False
