"""From a suite file to a report on small real data: trained, stopped, gone on with, measured, reported."""

import json
import shutil
import signal
import time

import pytest
from support import ROOT
from support.command import spikebench, start
from support.runs import contents
from support.suites import entry, small_suite

from bench.records.record import RunRecord
from bench.store.checkpoints import read_state, write_state
from bench.store.store import Store
from bench.suite.load import load_suite


def suite(lif=None, clif=None, **changes):
    """The suite's text; `lif` and `clif` are changes of these entries."""
    return small_suite(
        "small",
        entry("ANN", "relu", 1),
        entry("LIF", "lif", 2) | (lif or {}),
        entry("CLIF", "clif", 2, encoder={"name": "rate"}) | (clif or {}),
        **{
            "energy": ["horowitz-fp32", "horowitz-int8"],
            "model": {"name": "convnet", "width": 8, "stages": 2, "dropout": 0.1},
            "train": {"schedule": {"name": "one-cycle"}},
        }
        | changes,
    )


def without_clock(path):
    record = json.loads(path.read_text())
    clock = record.pop("wall_clock")
    assert clock["train_s"] > 0 and clock["images_per_s"] > 0 and clock["peak_memory_bytes"] > 0
    return record


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("finished")
    (folder / "small.toml").write_text(suite())
    code, stdout, stderr = spikebench("run", "small.toml", cwd=folder)
    assert code == 0, stderr
    assert stdout.splitlines()[0] == "3 runs: 3 to do"
    return folder


@pytest.fixture
def copy(finished, tmp_path):
    shutil.copytree(finished, tmp_path / "copy")
    return tmp_path / "copy"


def records(folder):
    return {record.label: record for record in Store(folder / "runs").collect(load_suite(folder / "small.toml"))}


def test_runs_are_matched_and_measured(finished):
    found = records(finished)
    assert set(found) == {"ANN", "LIF", "CLIF"}
    assert len({record.digests.initial_weights for record in found.values()}) == 1
    assert len({record.digests.sample_order for record in found.values()}) == 1
    for record in found.values():
        assert record.status == "done" and record.test_samples == record.samples_counted == 360
        assert len(record.accuracy_by_timestep) == record.spec["timesteps"]
        assert record.accuracy_by_timestep[-1] == record.accuracy_fraction
        assert record.history[-1].test_accuracy_fraction == record.accuracy_fraction
        assert record.counts.effective_synops_per_sample > 0
    assert found["LIF"].counts.firing_rate > 0 and found["ANN"].counts.firing_rate is None
    kinds = {label: [layer.input_kind for layer in record.layers] for label, record in found.items()}
    assert kinds["LIF"] == ["analog", "binary", "binary"] and kinds["CLIF"] == ["binary"] * 3
    assert found["LIF"].layers[0].static_input and not found["CLIF"].layers[0].static_input
    encoding = {label: [ops for ops in record.other_ops if ops.column == "encoder"] for label, record in found.items()}
    assert encoding["ANN"] == encoding["LIF"] == []
    assert encoding["CLIF"][0].ops_per_sample == {"random": 2 * 64, "compare": 2 * 64}
    dense = {label: record.counts.dense_macs_per_sample for label, record in found.items()}
    assert dense["LIF"] == dense["CLIF"] == 2 * dense["ANN"] == 2 * (8 * 9 * 64 + 16 * 8 * 9 * 16 + 64 * 10)


def test_a_second_run_has_nothing_to_do(finished):
    assert spikebench("run", "small.toml", cwd=finished)[:2] == (0, "3 runs: 3 done, 0 to do\n")


def test_status_tells_each_run(finished):
    code, stdout, _ = spikebench("status", "small.toml", cwd=finished)
    assert code == 0 and stdout.splitlines()[0] == "small.toml: 3 done"


def test_only_what_changed_is_to_do(copy):
    path = copy / "small.toml"
    path.write_text("# a comment\n" + suite({"label": "Leaky"}, title="Smaller digits"))
    assert spikebench("run", "small.toml", cwd=copy)[1] == "3 runs: 3 done, 0 to do\n"
    path.write_text(suite({"neuron": {"name": "lif", "tau": 3.0}}))
    _, stdout, _ = spikebench("run", "small.toml", "--dry-run", cwd=copy)
    assert stdout.splitlines()[0] == "3 runs: 2 done, 1 to do" and stdout.splitlines()[1].startswith("small/LIF")


def test_a_run_made_by_other_code_is_stale_and_run_again_only_when_asked(copy):
    [path] = [p for p in (copy / "runs").glob("small/*/record.json") if '"label":"LIF"' in p.read_text()]
    record = RunRecord.from_json(path.read_text())
    older = record.model_copy(update={"digests": record.digests.model_copy(update={"code": "0" * 12})})
    path.write_text(older.to_json())
    assert spikebench("run", "small.toml", cwd=copy)[1] == "3 runs: 2 done, 1 stale, 0 to do\n"
    code, stdout, stderr = spikebench("run", "small.toml", "--stale", cwd=copy)
    assert code == 0 and stdout.splitlines()[0] == "3 runs: 2 done, 1 to do", stderr
    assert spikebench("run", "small.toml", cwd=copy)[1] == "3 runs: 3 done, 0 to do\n"
    # Its weights are of today's code, so it was only measured: to the same record, its clock of training too.
    again = RunRecord.from_json(path.read_text())
    assert "epoch" not in stdout and again.wall_clock["train_s"] == record.wall_clock["train_s"]
    assert again.model_copy(update={"wall_clock": {}}) == record.model_copy(update={"wall_clock": {}})


@pytest.mark.parametrize("lost", ["its weights are of older code", "its checkpoints are gone"])
def test_a_stale_run_without_todays_weights_is_trained(copy, lost):
    [path] = [p for p in (copy / "runs").glob("small/*/record.json") if '"label":"LIF"' in p.read_text()]
    record = RunRecord.from_json(path.read_text())
    update = {"code": "0" * 12} | ({"training": "0" * 12} if "weights" in lost else {})
    path.write_text(record.model_copy(update={"digests": record.digests.model_copy(update=update)}).to_json())
    for checkpoint in path.parent.glob("checkpoint*.pt") if "gone" in lost else ():
        checkpoint.unlink()
    code, _, stderr = spikebench("run", "small.toml", "--stale", cwd=copy)
    again = RunRecord.from_json(path.read_text())
    assert code == 0 and again.wall_clock["train_s"] != record.wall_clock["train_s"], stderr
    assert again.digests == record.digests and again.history == record.history


def test_measuring_otherwise_trains_nothing(copy):
    before = records(copy)
    (copy / "small.toml").write_text(suite(measure={"samples": 100}))
    code, stdout, stderr = spikebench("run", "small.toml", "--only", "LIF", cwd=copy)
    assert code == 0 and "1 to do (1 partial)" in stdout and "epoch" not in stdout, stderr
    after = records(copy)["LIF"]
    assert after.samples_counted == 100 and after.test_samples == 360
    assert after.history == before["LIF"].history and after.correct == before["LIF"].correct


@pytest.mark.long
def test_an_interrupted_run_ends_in_the_same_record(finished, tmp_path):
    (tmp_path / "small.toml").write_text(suite())
    command = ("run", "small.toml", "--jobs", 2)
    for number, expected in ((signal.SIGINT, 130), (signal.SIGTERM, 143)):
        before = set(tmp_path.glob("runs/small/*/checkpoint.pt"))
        process = start(*command, cwd=tmp_path)
        deadline = time.monotonic() + 120
        while set(tmp_path.glob("runs/small/*/checkpoint.pt")) == before and time.monotonic() < deadline:
            time.sleep(0.02)
        process.send_signal(number)
        if number == signal.SIGTERM:  # asked again while they save, as `timeout` and clusters do
            time.sleep(0.05)
            process.send_signal(number)
        stdout, stderr = process.communicate(timeout=120)
        assert process.returncode == expected, stderr
        last = stdout.splitlines()[-1]
        assert (
            last.startswith("interrupted: ")
            and "killed" not in last
            and " saved part of the way; the same command goes on" in last
        )
        assert "Traceback" not in stderr
    code, _, stderr = spikebench(*command, cwd=tmp_path)
    assert code == 0, stderr
    for path in finished.glob("runs/small/*/record.json"):
        assert without_clock(tmp_path / path.relative_to(finished)) == without_clock(path)


def test_an_interrupt_before_the_first_step_is_one_line_too(tmp_path):
    (tmp_path / "small.toml").write_text(suite())
    process = start("run", "small.toml", cwd=tmp_path)
    plan = process.stdout.readline()
    process.send_signal(signal.SIGINT)  # while torch is imported
    stdout, stderr = process.communicate(timeout=120)
    assert plan == "3 runs: 3 to do\n" and process.returncode == 130 and stderr == ""
    assert stdout == "interrupted: 0 of 3 runs done, 0 saved part of the way; the same command goes on\n"
    assert spikebench("status", "small.toml", cwd=tmp_path)[1].splitlines()[0] == "small.toml: 3 missing"


def test_a_failed_run_leaves_the_others_and_is_a_row(copy):
    for path in (copy / "runs" / "small").iterdir():
        shutil.rmtree(path)
    diverges = {"train": {"optimizer": {"learning_rate": 1e38}}, "unmatched": ["train"]}
    (copy / "small.toml").write_text(suite(clif=diverges))
    code, stdout, stderr = spikebench("run", "small.toml", cwd=copy)
    assert code == 1 and "failed: CLIF seed 0: the loss is" in stderr
    assert "small/LIF seed 0: done" in stdout
    [failure] = (copy / "runs").glob("small/*/failure.json")
    assert "Traceback" in json.loads(failure.read_text())["traceback"]
    code, _, stderr = spikebench("report", "small.toml", cwd=copy)
    assert code == 0, stderr
    report = (copy / "reports" / "small" / "report.md").read_text()
    assert "the loss is" in report and "failed" in report
    assert "train.optimizer.learning_rate" in report


def test_the_report_is_made_again_to_the_byte_and_checked(copy):
    code, stdout, stderr = spikebench("report", "small.toml", cwd=copy)
    assert code == 0 and "CLIF" in stdout, stderr
    folder = copy / "reports" / "small"
    first = contents(folder)
    assert {"report.md", "records.jsonl", "figures/accuracy_energy.svg", "figures/accuracy_energy.png"} <= set(first)
    shutil.rmtree(copy / "runs")  # the committed records are enough
    assert spikebench("report", "small.toml", cwd=copy)[0] == 0
    second = contents(folder)
    assert set(first) == set(second)
    for name in ("report.md", "records.jsonl", "figures/figures.json", "figures/accuracy_energy.svg"):
        assert first[name] == second[name], name
    assert spikebench("report", "small.toml", "--check", cwd=copy)[0] == 0
    (folder / "report.md").write_text((folder / "report.md").read_text().replace("LIF", "LAF", 1))
    code, stdout, _ = spikebench("report", "small.toml", "--check", cwd=copy)
    assert code == 1 and "report.md" in stdout


@pytest.mark.parametrize(("format", "expected"), [("csv", "entry,"), ("latex", "\\begin{tabular}")])
def test_other_table_formats(copy, format, expected):
    code, stdout, stderr = spikebench("report", "small.toml", "--format", format, cwd=copy)
    assert code == 0 and expected in stdout, stderr


def test_another_cost_table_needs_no_run_and_may_be_the_users_own(copy):
    text = (ROOT / "bench" / "energy" / "tables" / "horowitz-fp32.toml").read_text()
    (copy / "mine.toml").write_text(text.replace("mac = 4.6", "mac = 46.0").replace("Horowitz 2014", "My chip"))
    tables = ("--table", "mine.toml", "--table", "horowitz-fp16")
    code, stdout, stderr = spikebench("report", "small.toml", *tables, cwd=copy)
    assert code == 0 and "mine" in stdout and "horowitz-fp16" in stdout, stderr
    assert "My chip" in (copy / "reports" / "small" / "report.md").read_text()
    assert spikebench("report", "small.toml", "--check", *tables, cwd=copy)[0] == 0
    assert spikebench("report", "small.toml", "--check", cwd=copy)[0] == 1
    code, _, stderr = spikebench("report", "small.toml", "--table", "horowitz-fp33", cwd=copy)
    assert code == 2 and "did you mean 'horowitz-fp32'" in stderr


def test_the_counts_of_a_run_are_printed_exactly(copy):
    record = records(copy)["LIF"]
    code, stdout, stderr = spikebench("count", "small.toml", "--only", "LIF", cwd=copy)
    assert code == 0, stderr
    assert all(f"{layer.effective_synops_total:,}" in stdout for layer in record.layers)
    assert all(f"{neuron.spikes_total:,}" in stdout for neuron in record.neurons)
    code, stdout, _ = spikebench("count", "small.toml", "--only", "LIF", "--json", cwd=copy)
    assert code == 0 and json.loads(stdout) == json.loads(record.counts.model_dump_json())
    shutil.rmtree(copy / "runs")
    code, _, stderr = spikebench("count", "small.toml", "--only", "LIF", cwd=copy)
    assert code == 2 and "no finished run of 'LIF'" in stderr


def test_diagnostics_train_nothing_and_are_a_section_of_the_report(copy):
    before = records(copy)
    assert all(record.diagnostics is None for record in before.values())
    (copy / "small.toml").write_text(suite(measure={"diagnostics": True}))
    code, stdout, stderr = spikebench("run", "small.toml", cwd=copy)
    assert code == 0 and "3 to do (3 partial)" in stdout and "epoch" not in stdout, stderr
    after = records(copy)
    assert after["ANN"].diagnostics is None
    for label in ("LIF", "CLIF"):
        found = after[label].diagnostics
        assert (found.samples, found.timesteps) == (256, 2)
        assert [layer.units for layer in found.layers] == [8 * 64, 16 * 16]
        assert all(layer.gradient_norm_by_timestep[-1] > 0 for layer in found.layers)
        unchanged = {"measure_key", "diagnostics", "wall_clock"}
        assert after[label].model_dump(exclude=unchanged) == before[label].model_dump(exclude=unchanged)
    code, _, stderr = spikebench("report", "small.toml", cwd=copy)
    assert code == 0, stderr
    folder = copy / "reports" / "small"
    report = (folder / "report.md").read_text()
    assert "## Temporal gradient and membrane" in report and "At T = 2 the gradient that reaches t = 1 is" in report
    assert {"gradient_flow.svg", "gradient_flow.png", "membrane.svg"} <= {
        p.name for p in (folder / "figures").iterdir()
    }
    assert spikebench("report", "small.toml", "--check", cwd=copy)[0] == 0


def test_a_trained_run_is_diagnosed_and_nothing_is_written(copy):
    files = contents(copy)
    code, stdout, stderr = spikebench("diagnose", "small.toml", "--only", "CLIF", cwd=copy)
    assert code == 0 and stdout.startswith("CLIF, seed 0, T = 2: diagnosed on 256 test samples."), stderr
    assert "stages.1.neuron" in stdout and contents(copy) == files
    code, stdout, _ = spikebench("diagnose", "small.toml", "--only", "CLIF", "--json", "--seed", 0, cwd=copy)
    assert code == 0 and json.loads(stdout)["layers"][1]["units"] == 16 * 16
    code, _, stderr = spikebench("diagnose", "small.toml", "--only", "LIF", "--figure", "flow.svg", cwd=copy)
    assert code == 0 and "</svg>" in (copy / "flow.svg").read_text(), stderr


def test_what_cannot_be_diagnosed_is_said(copy):
    def refused(*arguments):
        code, stdout, stderr = spikebench("diagnose", "small.toml", *arguments, cwd=copy)
        assert code in (1, 2) and stdout == ""
        return code, stderr

    code, stderr = refused("--only", "ANN")
    assert code == 2 and "nothing to diagnose in 'ANN': neuron 'relu' does not spike" in stderr
    code, stderr = refused("--only", "LIF", "--figure", "flow.pdf")
    assert code == 2 and "unknown format 'pdf'" in stderr
    [checkpoint] = [path.parent / "checkpoint.pt" for path in record_files(copy) if '"label":"LIF"' in path.read_text()]
    write_state(checkpoint, read_state(checkpoint) | {"epoch": 1})
    code, stderr = refused("--only", "LIF")
    assert code == 2 and "(seed 0 has 1 of 2 epochs)" in stderr
    checkpoint.write_bytes(b"not a checkpoint")
    code, stderr = refused("--only", "LIF")
    assert code == 1 and "checkpoint.pt: corrupt: is not a file of this program" in stderr
    checkpoint.unlink()
    code, stderr = refused("--only", "LIF")
    assert code == 2 and "train it with: spikebench run small.toml --only LIF" in stderr


def record_files(folder):
    return (folder / "runs").glob("small/*/record.json")
