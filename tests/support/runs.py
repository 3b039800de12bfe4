"""A run of a real suite, its record as it would be, and a small one that is trained in a moment."""

from bench.files.durable import atomic_write
from bench.records.record import Digests, RunRecord
from bench.runs import provenance
from bench.suite.load import load_suite
from bench.suite.run_spec import PlannedRun
from support import ROOT

SUITE = load_suite(ROOT / "suites" / "digits.toml")
RUN = SUITE.select("LIF", 0)[0]


def record(run=RUN, **changes):
    """A finished record of a run by today's code, with no more in it than it must have."""
    digests = Digests(initial_weights="w", sample_order="o", code=provenance.code_digest(run.spec))
    values = {
        "key": run.key,
        "measure_key": run.measure_key,
        "label": "an older label",
        "seed": run.seed,
        "spec": run.spec.to_json(),
        "resolved": provenance.resolve_parameters(run.spec),
        "status": "done",
        "accuracy_fraction": 0.5,
        "digests": digests,
    }
    return RunRecord(**(values | changes))


def put(store, run=RUN, **changes):
    """Put such a record where the store looks for it."""
    atomic_write(store.folder(run).record, record(run, **changes).to_json() + "\n")


def small_run(measure, label="LIF", **neuron):
    """A planned run of digits that takes a second: one epoch, one stage of four channels."""
    run = SUITE.select(label, 0)[0]
    model = run.spec.model.model_validate({"name": "convnet", "width": 4, "stages": 1})
    train = run.spec.train.model_copy(update={"epochs": 1, "batch_size": 200})
    changed = run.spec.neuron.model_validate(run.spec.neuron.model_dump() | neuron)
    spec = run.spec.model_copy(update={"model": model, "train": train, "neuron": changed})
    return PlannedRun("digits", label, 0, spec, measure)


def twin(path):
    """Return a record's line without its wall clock, which is what must be equal to the byte."""
    found = RunRecord.from_json(path.read_text())
    assert found.wall_clock["train_s"] > 0
    return found.model_copy(update={"wall_clock": {}}).to_json()


def contents(folder, but=()):
    """The bytes of every file in a folder by its path there, save those of these names."""
    files = [path for path in folder.rglob("*") if path.is_file() and path.name not in but]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}
