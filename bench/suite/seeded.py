"""The runs of one entry, seed by seed: they differ in the seed alone, and their keys are reckoned from what differs."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import replace

from bench.files.canonical import canonical_json
from bench.suite.run_spec import PlannedRun


def seeded(run: PlannedRun, seeds: Iterable[int]) -> Iterator[PlannedRun]:
    """Yield a planned run with other seeds, each with its keys: those that the run itself would give, without work."""
    key, measure_key = _parts(run)
    for seed in seeds:
        spec = run.spec.model_copy(update={"seed": seed})
        object.__setattr__(spec, "__pydantic_fields_set__", run.spec.model_fields_set)  # held once for all of them
        other = replace(run, seed=seed, spec=spec)
        if key is not None and measure_key is not None:
            found = _digest(str(seed).join(key))
            vars(other).update(key=found, measure_key=_digest(found.join(measure_key)))  # where cached properties look
        yield other


def _parts(run: PlannedRun) -> tuple[tuple[str, str] | None, tuple[str, str] | None]:
    """Return what stands around the seed in what a key is the hash of, and around the key for the measure key.

    None where the keys are not made so, which they then are one by one.
    """
    spec = run.spec.to_json()
    before = canonical_json({name: value for name, value in spec.items() if name < "seed"})
    after = canonical_json({name: value for name, value in spec.items() if name > "seed"})
    key = f'{before[:-1]},"seed":', f",{after[1:]}"
    options = {"samples": run.measure.samples} | run.measure.model_dump(mode="json", exclude_defaults=True)
    measure_key = f'{{"measure":{canonical_json(options)},"run":"', '"}'
    return (
        key if _digest(str(run.seed).join(key)) == run.key else None,
        measure_key if _digest(run.key.join(measure_key)) == run.measure_key else None,
    )


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]
