"""How much work a run is, before any of it is done."""

import pytest
from support import ROOT
from support.runs import SUITE

from bench.execute.workload import macs_per_sample, work_of
from bench.records.lines import read_records
from bench.suite.load import load_suite


def spec(label):
    return SUITE.select(label, 0)[0].spec


def test_it_is_the_dense_macs_of_all_forward_passes():
    ann, lif = spec("ANN"), spec("LIF")
    assert macs_per_sample(ann) * lif.timesteps == macs_per_sample(lif) * ann.timesteps
    assert work_of(lif) == macs_per_sample(lif) * 1437 * lif.train.epochs


@pytest.mark.parametrize("path", sorted((ROOT / "reports").glob("*/records.jsonl")), ids=lambda path: path.parent.name)
def test_it_is_what_is_counted_on_trained_networks(path):
    runs = {run.key: run for run in load_suite(ROOT / "suites" / f"{path.parent.name}.toml").select(seed=0)}
    records = [record for record in read_records(path) if record.key in runs]
    assert records
    for record in records:
        assert macs_per_sample(runs[record.key].spec) == record.counts.dense_macs_per_sample, record.label


@pytest.mark.parametrize("path", sorted((ROOT / "suites").glob("*.toml")), ids=lambda path: path.stem)
def test_it_is_known_of_every_suite_without_its_data(path):
    suite = load_suite(path)
    assert all(work_of(run.spec) > 0 for run in suite.select(seed=suite.spec.seeds[0]))


def test_neither_seed_nor_neuron_changes_it():
    assert len({work_of(run.spec) for run in SUITE.runs if run.spec.timesteps == spec("LIF").timesteps}) == 1
