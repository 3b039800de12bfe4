"""How much work a run is, before any of it is done."""

from support import ROOT
from support.runs import SUITE

from bench.execute.workload import macs_per_sample, work_of
from bench.records.lines import read_records


def spec(label):
    return SUITE.select(label, 0)[0].spec


def test_it_is_the_dense_macs_of_all_forward_passes():
    ann, lif = spec("ANN"), spec("LIF")
    assert macs_per_sample(ann) * lif.timesteps == macs_per_sample(lif) * ann.timesteps
    assert work_of(lif) == macs_per_sample(lif) * 1437 * lif.train.epochs


def test_it_is_what_is_counted_on_trained_networks():
    records = read_records(ROOT / "reports" / "digits" / "records.jsonl")
    counted = {record.key: record.counts.dense_macs_per_sample for record in records}
    for run in SUITE.runs:
        assert macs_per_sample(run.spec) == counted[run.key]


def test_neither_seed_nor_neuron_changes_it():
    assert len({work_of(run.spec) for run in SUITE.runs if run.spec.timesteps == spec("LIF").timesteps}) == 1
