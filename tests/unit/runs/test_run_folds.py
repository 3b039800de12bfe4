"""A run whose seed chooses its test samples."""

from support.runs import small_run

from bench.records.correct import unpack_correct
from bench.records.record import RunRecord
from bench.records.source import Fold
from bench.runs.run import run_one
from bench.runs.training import Place
from bench.store.checkpoints import Checkpoints
from bench.suite.run_spec import PlannedRun, RunMeasure


def test_a_record_says_which_samples_it_was_tested_on(tmp_path):
    plain = small_run(RunMeasure())
    dataset = plain.spec.dataset.model_validate({"name": "digits", "test_split": "folds", "validation_fraction": 0.1})
    spec = plain.spec.model_copy(update={"dataset": dataset, "seed": 7})
    record = run_one(PlannedRun("digits", "LIF", 7, spec), Place(Checkpoints(tmp_path / "checkpoint.pt"), tmp_path))
    assert record.test_samples == len(unpack_correct(record.correct, 359)) == record.samples_counted == 359
    assert record.fold == Fold(
        repetition=1, fold=2, folds=5, train_samples=record.fold.train_samples, test=record.fold.test
    )
    assert 1438 - record.fold.train_samples in range(140, 148) and len(record.fold.test) == 12
    assert record.history[-1].validation_accuracy_fraction is not None
    assert record.resolved["dataset"] == {} and record.spec["dataset"]["test_split"] == "folds"
    assert RunRecord.from_json(record.to_json()) == record
