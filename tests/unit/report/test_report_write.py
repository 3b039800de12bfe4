import json
import shutil
import subprocess
import threading
import time

import pytest
from support.reports import cells, failed, make_record, make_records, make_suite

import bench.report.write
from bench.errors import RecordError, StoreError
from bench.records.lines import read_records
from bench.report.diff import diff, load_side
from bench.report.evidence.comparison import held
from bench.report.evidence.evidence import Evidence
from bench.report.write import check_report, make_report, records_text, write_report
from bench.store.store import Store


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """A report written once; tests that change it work on a copy."""
    folder = tmp_path_factory.mktemp("written")
    suite = make_suite()
    return folder, write_report(Evidence.of(suite, make_records(suite)), folder)


@pytest.fixture
def folder(written, tmp_path):
    return shutil.copytree(written[0], tmp_path / "tiny")


def rows(text):
    return cells(text.split("\n\n")[1])[1:]


def test_the_folder_holds_records_page_and_figures(written):
    folder, paths = written
    names = {path.relative_to(folder).as_posix() for path in paths}
    assert names >= {"records.jsonl", "report.md", "figures/figures.json", "figures/accuracy_energy.svg"}
    assert names == {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    page = (folder / "report.md").read_text("utf-8")
    linked = [part.split(")")[0] for part in page.split("](")[1:]]
    assert linked and all((folder / link).is_file() for link in linked)


def test_records_are_sorted_by_entry_and_seed_and_failed_ones_kept(suite, records, tmp_path):
    broken = failed(suite.runs[8], "out of memory")
    (tmp_path / "records.jsonl").write_text(records_text(held(suite, [broken, *reversed(records[:8])])), "utf-8")
    lines = (tmp_path / "records.jsonl").read_text("utf-8").splitlines()
    assert [(json.loads(line)["label"], json.loads(line)["seed"]) for line in lines] == [
        (label, seed) for label in ("ANN", "LIF", "CLIF") for seed in (0, 1, 2)
    ]
    assert json.loads(lines[8])["status"] == "failed"
    assert read_records(tmp_path / "records.jsonl") == [*records[:8], broken]


def test_writing_again_from_what_was_written_changes_nothing_figures_neither(suite, folder):
    first = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    write_report(Evidence.of(suite, read_records(folder / "records.jsonl")[::-1]), folder)
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == first


def test_check_is_silent_when_all_agrees(suite, folder):
    assert check_report(suite, folder) == []


@pytest.mark.parametrize("name", ["report.md", "figures/figures.json"])
def test_check_finds_one_changed_byte(suite, folder, name):
    path = folder / name
    data = bytearray(path.read_bytes())
    place = data.index(b"9")
    data[place] = ord("8")
    path.write_bytes(data)
    found = check_report(suite, folder)
    assert found[0] == f"{path}: not what the records give"
    assert found[1].startswith("  @@") and found[2].startswith("  -") and found[3].startswith("  +")


def test_check_finds_changed_and_missing_files(suite, folder):
    (folder / "figures" / "figures.json").unlink()
    lines = (folder / "records.jsonl").read_text("utf-8").splitlines(keepends=True)
    (folder / "records.jsonl").write_text("".join(lines[::-1]), "utf-8")
    found = [line for line in check_report(suite, folder) if not line.startswith("  ")]
    assert found == [
        f"{folder / 'records.jsonl'}: not what the records give",
        f"{folder / 'figures' / 'figures.json'}: missing",
    ]
    (folder / "records.jsonl").unlink()
    assert "run `spikebench report suites/tiny.toml`" in check_report(suite, folder)[0]


def test_a_broken_line_is_named(suite, folder):
    with (folder / "records.jsonl").open("a") as handle:
        handle.write('{"schema": 1}\n')
    with pytest.raises(RecordError, match=r"records\.jsonl:10: corrupt: not a run record"):
        check_report(suite, folder)


def test_a_folder_that_cannot_be_made_is_an_error(suite, records, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot be written"):
        write_report(Evidence.of(suite, records), tmp_path / "file")


def test_nothing_finished_can_be_written_and_checked(suite, tmp_path):
    write_report(Evidence.of(suite, []), tmp_path)
    assert (tmp_path / "records.jsonl").read_text() == ""
    assert check_report(suite, tmp_path) == []


def test_diff_of_the_same_numbers_shows_training_time_alone(records):
    slower = [r.model_copy(update={"wall_clock": {"train_s": 22.0}}) for r in records]
    text = diff(records, slower)
    assert text.startswith("No measured number differs.")
    assert rows(text) == [[label, "training, s", "11", "22", "2.0000"] for label in ("ANN", "LIF", "CLIF")]


def test_diff_shows_before_after_and_ratio_of_seed_means(suite, records):
    new = [
        make_record(run, kind="CLIF", accuracy_fraction=0.5) if run.label == "LIF" else record
        for run, record in zip(suite.runs, records, strict=True)
    ]
    found = [row for row in rows(diff(records, new)) if row[1] != "training, s"]
    # Means: accuracy 89.8 and 50 %, rates 0.2 and 0.05, synops 1060 and 1020 per sample.
    assert found == [
        ["LIF", "accuracy, %", "89.8000", "50", "0.5568"],
        ["LIF", "firing rate", "0.200000", "0.0500000", "0.2500"],
        ["LIF", "effective synops per sample", "1,060", "1,020", "0.9623"],
    ]


def test_diff_says_what_is_missing(records):
    found = rows(diff(records, records[:3]))
    assert ["LIF", "finished runs", "3", "0", "0.0000"] in found
    assert ["LIF", "accuracy, %", "89.8000", "n/a", "n/a"] in found
    assert ["CLIF", "training, s", "11", "n/a", "n/a"] in found
    assert diff([], []) == "No measured number differs."


def test_diff_of_sides_that_share_no_entry_is_one_line(records):
    other = [record.model_copy(update={"label": f"other/{n}"}) for n, record in enumerate(records)]
    assert diff(records, other) == (
        "No entry is on both sides: before has ANN, LIF, CLIF; after has other/0, other/1, other/2, other/3 and 5 more."
    )


def test_diff_names_the_kinds_of_machine_when_the_sides_are_of_different_ones(records):
    def made_on(records, instructions):
        machine = {"instructions": instructions, "kernels": "AVX2", "onednn": "3.7.1"}
        return [r.model_copy(update={"provenance": {**r.provenance, "machine": machine}}) for r in records]

    here, there = made_on(records, "AVX2"), made_on(records, "AVX-512")
    assert diff(here, there).splitlines()[2] == (
        "Made on different kinds of machine, which alone moves trained numbers: "
        "before on AVX2, AVX2 kernels, oneDNN 3.7.1, torch 2.11.0 - "
        "after on AVX-512, AVX2 kernels, oneDNN 3.7.1, torch 2.11.0."
    )
    elsewhere = [record.model_copy(update={"label": "XNN"}) for record in there]  # of an entry that is not compared
    assert not any("kinds of machine" in diff(here, new) for new in (here, records, [*here, *elsewhere]))


def test_diff_labels_cannot_break_the_table(suite, records):
    text = diff([records[0].model_copy(update={"label": "a|b<i>"})], [])
    assert len({line.count("|") for line in text.splitlines()[2:]}) == 1 and "<i>" not in text


def test_a_side_is_a_file_or_a_revision(written, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = shutil.copytree(written[0], tmp_path / "reports" / "tiny")
    identity = ["-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false"]
    for command in (["init", "-q"], ["add", "reports"], [*identity, "commit", "-qm", "records"]):
        subprocess.run(["git", *command], check=True)
    committed = load_side("HEAD")
    assert [record.label for record in committed[::3]] == ["tiny/ANN", "tiny/LIF", "tiny/CLIF"]
    assert load_side("reports/tiny/records.jsonl") == load_side("reports/tiny") == committed
    assert diff(committed, load_side(str(folder))).startswith("No measured number differs.")


@pytest.mark.parametrize("source", ["no-such-revision", "--output=x"])
def test_neither_file_nor_revision(source, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RecordError, match="neither a records file nor a git revision"):
        load_side(source)
    assert not list(tmp_path.iterdir())


def test_two_reports_at_once_never_interleave(suite, records, tmp_path, monkeypatch):
    """Each collects and writes while the other waits, so that the page is always that of the records beside it."""
    folder, writing, overlaps = tmp_path / "reports" / suite.name, [], []
    real = bench.report.write.write_report

    def watched(evidence, folder, formats):
        writing.append(1)
        overlaps.append(len(writing))
        time.sleep(0.05)
        real(evidence, folder, formats)
        assert check_report(suite, folder) == []
        writing.pop()

    monkeypatch.setattr(bench.report.write, "write_report", watched)

    class Some(Store):
        def collect(self, suite, reports):
            return records[: len(overlaps) % len(records) + 1]

    threads = [threading.Thread(target=make_report, args=(suite, Some(tmp_path), folder)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert overlaps == [1] * 4 and check_report(suite, folder) == [] and not list(folder.glob(".lock*"))


def test_a_folder_in_place_of_a_page_is_a_finding_and_nothing_is_half_written(suite, folder):
    (folder / "report.md").unlink()
    (folder / "report.md").mkdir()
    assert check_report(suite, folder) == [f"{folder / 'report.md'}: cannot be read: Is a directory"]
    before = (folder / "records.jsonl").read_bytes()
    with pytest.raises(StoreError, match=r"report\.md: cannot be written: Is a directory"):
        write_report(Evidence.of(suite, []), folder)
    assert (folder / "records.jsonl").read_bytes() == before
