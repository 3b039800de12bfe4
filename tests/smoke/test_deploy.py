"""Train with one neuron, deploy with another: a row of its own, and nothing is trained for it."""

import json

import pytest
from support.command import spikebench
from support.suites import entry, small_suite

from bench.report.evidence.comparison import compare
from bench.store.failures import write_failure
from bench.store.store import Store
from bench.suite.load import load_suite


def suite(neuron="clif", deploy=None, ann="ANN"):
    deploy = deploy or {"name": "lif", "reset": "hard", "v_reset": -0.06}
    return small_suite("deployed", entry(ann, "relu", 1), entry("CLIF", neuron, 3, deploy=deploy))


def record_of(folder):
    found = Store(folder / "runs").collect(load_suite(folder / "deployed.toml"), folder / "reports")
    return next(record for record in found if record.label == "CLIF")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("deployed")
    (folder / "deployed.toml").write_text(suite())
    done = spikebench("run", "deployed.toml", cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.mark.long
def test_the_weights_are_measured_with_the_other_neuron(folder):
    record = record_of(folder)
    assert record.neurons[0].neuron == "clif" and record.deployed.neurons[0].neuron == "lif"
    assert record.deployed.resolved | {"reset": "hard", "v_reset": -0.06} == record.deployed.resolved
    assert record.deployed.layers[0] == record.layers[0]  # the stem sees the image
    assert record.deployed.layers[1:] != record.layers[1:]  # and what follows other spikes
    assert record.deployed.test_samples == record.test_samples == 360
    assert record.deployed.neurons[0].state_words == 1 and record.neurons[0].state_words == 2
    assert type(record).from_json(record.to_json()) == record


def test_both_rows_are_in_the_report_and_one_run_is_counted(folder):
    done = spikebench("report", "deployed.toml", cwd=folder)
    assert done.returncode == 0, done.stderr
    page = (folder / "reports" / "deployed" / "report.md").read_text()
    assert "2 entries, seeds 0; 2 of 2 runs finished" in page
    assert "CLIF as lif is not trained: it has the weights of CLIF." in page
    main = page.partition("## Comparison")[2].partition("## ")[0]
    rows = [line for line in main.splitlines() if line.startswith("| CLIF")]
    accuracies = [100 * record_of(folder).accuracy_fraction, 100 * record_of(folder).deployed.accuracy_fraction]
    assert [row.split("|")[1].strip() for row in rows] == ["CLIF", "CLIF as lif"]
    assert all(f"{accuracy:.2f}" in row for accuracy, row in zip(accuracies, rows, strict=True))
    assert spikebench("report", "deployed.toml", "--check", cwd=folder).returncode == 0
    assert "CLIF as lif" in spikebench("report", "deployed.toml", "--format", "csv", cwd=folder).stdout
    lines = (folder / "reports" / "deployed" / "records.jsonl").read_text().splitlines()
    assert ["deployed" in json.loads(line) for line in lines] == [False, True]


def test_another_neuron_to_deploy_measures_again_and_trains_nothing(folder):
    before, path = record_of(folder), folder / "deployed.toml"
    path.write_text(suite(deploy={"name": "clif", "tau": 2.0}))  # the neuron that was trained, written otherwise
    try:
        done = spikebench("run", "deployed.toml", cwd=folder)
        assert done.returncode == 0 and "2 runs: 1 done, 1 to do (1 partial)" in done.stdout
        assert "epoch" not in done.stdout
        after = record_of(folder)
    finally:
        path.write_text(suite())
    assert after.history == before.history and after.layers == before.layers
    same = {name: getattr(after, name) for name in ("accuracy_fraction", "correct", "layers", "neurons", "other_ops")}
    assert same == {name: getattr(after.deployed, name) for name in same}  # the very neuron that was trained


def test_without_records_the_row_is_there_and_no_run_of_its_own(folder):
    comparison = compare(load_suite(folder / "deployed.toml"), [])
    assert [entry.label for entry in comparison.entries] == ["ANN", "CLIF", "CLIF as lif"]
    assert [entry.label for entry in comparison.trained] == ["ANN", "CLIF"]
    assert not any(entry.done for entry in comparison.entries)


@pytest.mark.parametrize(
    ("deploy", "expected"),
    [
        ({"name": "liff"}, "entries[1] (CLIF).deploy.name: unknown neuron 'liff'; did you mean 'lif'?"),
        ({"name": "lif", "tua": 2.0}, "entries[1] (CLIF).deploy.tua: unknown key; did you mean 'tau'?"),
        (
            {"name": "relu"},
            "entries[1] (CLIF).deploy: a network that does not spike computes the same at each of the 3",
        ),
        ({"name": "clif"}, "entries[1] (CLIF).deploy: is the neuron of the entry itself"),
        ({"name": "lif", "v_reset": 0.5}, "v_reset is for reset = 'hard' alone"),
    ],
)
def test_a_wrong_deployment_is_explained(tmp_path, deploy, expected):
    (tmp_path / "deployed.toml").write_text(suite(deploy=deploy))
    done = spikebench("check", "deployed.toml", cwd=tmp_path)
    assert done.returncode == 2 and expected in done.stderr


def test_a_label_that_the_row_would_take_is_refused(tmp_path):
    (tmp_path / "deployed.toml").write_text(suite(ann="CLIF as lif"))
    done = spikebench("check", "deployed.toml", cwd=tmp_path)
    assert done.returncode == 2 and "labelled 'CLIF as lif', as another entry is" in done.stderr


def test_what_the_same_neuron_has_learned_is_carried(tmp_path):
    deploy = {"name": "plif", "surrogate": "atan"}  # another backward pass, the same forward one
    (tmp_path / "deployed.toml").write_text(suite("plif", deploy))
    assert spikebench("run", "deployed.toml", "--only", "CLIF", cwd=tmp_path).returncode == 0
    record = record_of(tmp_path)
    assert record.neurons[0].parameters["w"] != [0.0]
    assert record.deployed.neurons == record.neurons and record.deployed.correct == record.correct


def test_a_changed_deployed_neuron_is_measured_again(folder, monkeypatch):
    assert spikebench("run", "deployed.toml", cwd=folder).returncode == 0
    [run] = load_suite(folder / "deployed.toml").select("CLIF")
    store = Store(folder / "runs")
    assert store.state(run) == "done"
    monkeypatch.setattr("bench.runs.provenance.neuron_digest", lambda neuron: "0" * 12)
    assert store.state(run) == "partial"


def test_a_report_of_a_run_that_waits_for_its_measurement_agrees_with_itself(folder):
    path = folder / "deployed.toml"
    path.write_text(suite(deploy={"name": "lif", "reset": "hard", "v_reset": -0.1}))
    try:
        assert spikebench("report", "deployed.toml", cwd=folder).returncode == 0
        assert spikebench("report", "deployed.toml", "--check", cwd=folder).returncode == 0
        [run] = load_suite(path).select("CLIF")
        write_failure(Store(folder / "runs").folder(run), "measuring went wrong", "")
        assert Store(folder / "runs").state(run) == "failed"
        assert record_of(folder).error == "measuring went wrong"
    finally:
        path.write_text(suite())
        Store(folder / "runs").folder(run).failure.unlink()
    assert record_of(folder).status == "done"
