"""What a record says of a deployed neuron, as a record of its own."""

from __future__ import annotations

from bench.records.record import RunRecord


def deployed_record(record: RunRecord | None, label: str) -> RunRecord | None:
    """Return what a record says of the neuron that was deployed, as a record; a failed one is handed on as it is."""
    if record is None or record.deployed is None:
        return record
    deployed: dict[str, object] = {
        "label": label,
        "spec": record.spec | {"neuron": record.deployed.neuron},
        "resolved": record.resolved | {"neuron": record.deployed.resolved},
    }
    # What belongs to the training is not this row's.
    absent: dict[str, object] = {
        "best_accuracy_fraction": None,
        "history": [],
        "diagnostics": None,
        "deployed": None,
        "tested": [],
        "wall_clock": {},
    }
    return record.model_copy(update=record.deployed.measured | deployed | absent)
