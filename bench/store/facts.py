"""What of a run's record says how far the run is, and what is odd about it."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from dataclasses import dataclass, field

from bench.records.health import oddities_of
from bench.records.record import RunRecord
from bench.runs import provenance
from bench.suite.run_spec import PlannedRun


@dataclass(frozen=True, slots=True)
class Facts:
    """What a sound record says of its run; `None` where it says nothing."""

    status: str
    measure_key: str
    code: str | None  # digests of the code that made it, of that which made the weights, of the neuron deployed
    training: str | None
    deployed: str | None
    oddities: Callable[[], str] = field(compare=False)  # in words; reckoned when it is asked

    @classmethod
    def of(cls, record: RunRecord) -> Facts:
        """Return what a record says."""
        digests, deployed = record.digests, record.deployed
        return cls(
            record.status,
            record.measure_key,
            None if digests is None else digests.code,
            None if digests is None else digests.training,
            None if deployed is None else deployed.code,
            functools.partial(oddities_of, record),
        )

    @classmethod
    def from_text(cls, text: str) -> Facts:
        """Return what `text` was made of."""
        status, measure_key, code, training, deployed, odd = json.loads(text)
        return cls(status, measure_key, code, training, deployed, lambda: str(odd))

    def to_text(self) -> str:
        """Return them all as text, which is pure ASCII."""
        return json.dumps(
            [self.status, self.measure_key, self.code, self.training, self.deployed, self.oddities()],
            separators=(",", ":"),
        )

    def measures(self, run: PlannedRun) -> bool:
        """Whether the record has what the suite now asks to measure, by today's code of the neuron that is deployed."""
        if self.measure_key != run.measure_key:
            return False
        deploy = run.measure.deploy
        return deploy is None or self.deployed == provenance.neuron_digest(deploy)
