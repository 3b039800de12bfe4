"""What was measured, in the record of a run and in that of a deployed neuron; committed records stay as they are."""

import json

import pytest
from support import ROOT

from bench.errors import RecordError
from bench.files.canonical import CHECKSUM, canonical_json, sealed_json
from bench.records.lines import read_records
from bench.records.record import RunRecord

REPORTS = ROOT / "reports"
FILES = sorted(REPORTS.glob("*/records.jsonl"))


def line_with_a_deployment():
    lines = (REPORTS / "neurons" / "records.jsonl").read_text("utf-8").splitlines()
    return json.loads(next(line for line in lines if '"deployed"' in line))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.parent.name)
def test_a_committed_record_is_written_again_byte_for_byte(path):
    lines = path.read_text("utf-8").splitlines()
    assert [record.to_json() for record in read_records(path)] == lines


def test_a_record_and_a_deployment_hold_the_same_measurement():
    record = RunRecord.from_json(json.dumps(line_with_a_deployment()))
    assert record.measured.keys() == record.deployed.measured.keys()
    assert record.measured["layers"] is record.layers and record.deployed.measured["layers"] is record.deployed.layers
    assert not record.measured.keys() & {"label", "resolved", "code", "history"}


@pytest.mark.parametrize(("name", "value"), [("correct", None), ("layers", ...), ("parameters", ...)])
def test_a_deployment_that_was_not_measured_in_full_is_refused(name, value):
    line = line_with_a_deployment()
    if value is ...:
        del line["deployed"][name]
    else:
        line["deployed"][name] = value
    del line[CHECKSUM]
    clock = line.pop("wall_clock")
    with pytest.raises(RecordError, match=rf"corrupt: not a run record: deployed: .*has no {name}"):
        RunRecord.from_json(sealed_json(line, wall_clock=canonical_json(clock)))
