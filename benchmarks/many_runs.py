"""What a store of many finished runs costs to look at: `python benchmarks/many_runs.py --runs 10000`.

In a folder of its own, a copy of `suites/digits.toml` with as many seeds as that takes and a valid record of each run,
made from the committed ones. Of every verb: processor time and peak memory of its process, and apart from them those of
one that only imports what the verb needs.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from bench.files.durable import seal
from bench.records.lines import read_records
from bench.records.record import RunRecord
from bench.runs.provenance import code_digest, resolve_parameters, training_digest
from bench.store.store import Store
from bench.suite.load import Suite, load_suite

ROOT = Path(__file__).parents[1]
SUITE = "digits.toml"
VERBS = {
    "first status": ["status", SUITE],
    "status": ["status", SUITE],
    "plan": ["run", SUITE, "--dry-run"],
    "first report": ["report", SUITE],
    "report": ["report", SUITE],
    "status beside the report": ["status", SUITE],
    "report --check": ["report", SUITE, "--check"],
}
PROGRAM = """
import os, resource, sys, time
import bench.commands.app, bench.execute.plan, bench.report.figures.draw, bench.report.write, scipy.stats
before = time.process_time(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
sys.argv = ["spikebench", *sys.argv[1:]]
code = 0
try:
    if sys.argv[1:]:
        bench.commands.app.main()
except SystemExit as end:
    code = end.code
after = time.process_time(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print("|", *before, *after, code, file=sys.stderr)
"""


def make(folder: Path, runs: int) -> Suite:
    """Write the suite, and a record of each of its runs; return it."""
    text = (ROOT / "suites" / SUITE).read_text("utf-8")
    entries = text.count("[[entries]]")
    seeds = list(range(-(-runs // entries)))
    (folder / SUITE).write_text(text.replace("seeds    = [0, 1, 2]", f"seeds = {seeds}"), "utf-8")
    suite, store = load_suite(folder / SUITE), Store(folder / "runs")
    committed: dict[str, list[RunRecord]] = {}
    for record in read_records(ROOT / "reports" / "digits" / "records.jsonl"):
        committed.setdefault(record.label, []).append(record)
    made = {run.label: (code_digest(run.spec), training_digest(run.spec)) for run in suite.select(seed=0)}
    for run in suite.runs:
        like = committed[run.label][run.seed % len(committed[run.label])]
        assert like.digests is not None
        code, training = made[run.label]
        changes = {
            "key": run.key,
            "measure_key": run.measure_key,
            "seed": run.seed,
            "spec": run.spec.to_json(),
            "resolved": resolve_parameters(run.spec),
            "digests": like.digests.model_copy(update={"code": code, "training": training}),
        }
        path = store.folder(run).record
        path.parent.mkdir(parents=True)
        path.write_text(like.model_copy(update=changes).to_json() + "\n", "utf-8")
        path.with_name("checkpoint.pt").write_bytes(seal(memoryview(b"")))
    return suite


def measure(arguments: list[str], folder: Path) -> tuple[float, float, float, float]:
    """Return processor seconds and peak MB of a process before the verb began, and when it had ended."""
    found = subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT), "COLUMNS": "160"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        check=True,
    )
    *_, line = found.stderr.strip().splitlines()
    begun_s, begun_kb, ended_s, ended_kb, code = line.removeprefix("|").split()
    if code not in ("0", "None"):
        raise SystemExit(found.stderr)
    return float(begun_s), int(begun_kb) / 1000, float(ended_s), int(ended_kb) / 1000


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=1000, help="finished runs (default: 1000)")
    parser.add_argument("--keep", type=Path, help="make them here, and leave them")
    parser.add_argument("--verbs", help="only these, parted by commas")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="many-runs-") as temporary:
        folder = options.keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        count = len(load_suite(folder / SUITE).runs if (folder / SUITE).is_file() else make(folder, options.runs).runs)
        print(f"{count:,} finished runs\n\n| | imports, s | the verb, s | peak memory, MB | of imports, MB |")
        print("|---|---|---|---|---|", flush=True)
        for name, arguments in VERBS.items():
            if options.verbs is None or name in options.verbs.split(","):
                begun_s, begun_mb, ended_s, ended_mb = measure(arguments, folder)
                print(
                    f"| {name} | {begun_s:.2f} | {ended_s - begun_s:.2f} | {ended_mb:.0f} | {begun_mb:.0f} |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
