"""Imports point one way: parsed from the source, so that no test run can miss one."""

import ast
import re
import subprocess
import sys

import pytest
from support import ROOT
from support.source import BENCH, FILES, imported, parts_of, rooms

# What stands earlier may be imported by what stands later, never the other way round; nothing is exempt.
ORDER = {
    "": (
        *("version", "errors", "processor", "seeding", "sequences"),
        *("files", "plugins"),
        *("records", "synapses", "neurons", "encoders"),
        *("energy", "models", "data", "measure"),
        *("suite", "kit"),
        *("train", "interop", "nir", "runs", "store"),
        *("execute", "report", "upkeep"),
        *("trackers", "speed"),
        *("commands", "__init__", "__main__"),
    ),
    "data": ("base", "recordings", "augmentations", "feed"),
    "energy": ("table", "work", "rules", "estimate", "conventions"),
    "execute": (
        *("messages", "plan", "workload", "campaign", "placement", "executor", "scheduler"),
        *("slurm", "afar", "engines", "station", "suites"),
    ),
    "measure": ("mode", "meters", "counting", "evaluate", "watch", "tally", "diagnose", "power"),
    "report": ("formats", "evidence", "figures", "sections", "page", "write"),
    "train": ("keeper", "optimizers", "schedules", "losses", "step", "machine", "learner", "loop"),
}
WINGS = [("report/figures", "report/sections"), ("execute/engines", "execute/scheduler")]  # two of each
APART = {pair for one, other in WINGS for pair in ((one, other), (other, one))}
NO_TORCH = {
    "version",
    "errors",
    "processor",
    "seeding",
    "files",
    "plugins",
    "records",
    "energy",
    "suite",
    "store",
    "report",
    "upkeep",
    "commands",
}
ENERGY_MAY = {"bench", "pydantic", *sys.stdlib_module_names}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(BENCH)))
def test_imports_point_one_way(path):
    own = parts_of(path)
    assert own[0] in ORDER[""], f"{own[0]}: give it its place in the order"
    for used in rooms(path):
        where = ".".join(["bench", *used])
        assert ORDER[""].index(used[0]) <= ORDER[""].index(own[0]), f"imports {where}, which stands above it"
        assert ("/".join(own[:2]), "/".join(used[:2])) not in APART, f"imports {where}, another wing"
        order = ORDER.get(own[0], ())
        if used[0] == own[0] and len(own) > 1 and len(used) > 1 and {own[1], used[1]} <= set(order):
            assert order.index(used[1]) <= order.index(own[1]), f"imports {where}, which stands above it"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(BENCH)))
def test_no_torch_where_none_is_wanted(path):
    part = parts_of(path)[0]
    if part in NO_TORCH and path != BENCH / "store" / "checkpoints.py":
        heavy = {name.split(".")[0] for name in imported(path, True)} & {"torch", "torchvision", "tonic", "fvcore"}
        assert not heavy
    if part == "energy":
        assert {name.split(".")[0] for name in imported(path, False)} <= ENERGY_MAY


def test_the_light_parts_import_without_torch():
    code = (
        "import sys, bench, bench.commands.app, bench.suite.load, bench.store.store, bench.report.write\n"
        "import bench.energy.estimate\n"
        "bench.load_suite('suites/digits.toml')\n"
        "assert 'torch' not in sys.modules and 'tonic' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_tonic_is_imported_by_event_data_sets_alone():
    users = {path.relative_to(BENCH).as_posix() for path in FILES if any("tonic" in n for n in imported(path, False))}
    assert users <= {"data/events.py", "data/spike_trains.py"}


def test_a_name_is_handed_on_by_the_faces_of_packages_alone():
    faces = {BENCH / name / "__init__.py" for name in ("", "neurons", "encoders", "models", "kit")}
    handed_on = [
        f"{path.relative_to(ROOT)}: {alias.name}"
        for path in set(FILES) - faces
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
        if alias.asname == alias.name
    ]
    assert not handed_on


def test_the_map_for_contributors_is_in_this_order():
    lines = (ROOT / "CONTRIBUTING.md").read_text("utf-8").split("## The life")[0].splitlines()
    named = [
        name
        for line in lines
        if line.startswith("| `")
        for name in re.findall(r"`(\w+)(?:/|\.py)`", line.split("|")[1])
    ]
    assert named == [
        name for name in ORDER[""] if (BENCH / name).is_dir() or name in ("errors", "processor", "seeding", "sequences")
    ]
