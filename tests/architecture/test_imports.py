"""Imports point one way: parsed from the source, so that no test run can miss one."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BENCH = ROOT / "bench"
FILES = sorted(BENCH.rglob("*.py"))

NO_TORCH = (
    "errors",
    "canonical",
    "toml_file",
    "record_fields",
    "durable",
    "lock",
    "spec",
    "diagnostics",
    "record",
    "suite",
    "suite_checks",
    "registry",
    "signature",
    "store",
    "provenance",
    "seeding",
    "energy",
    "report",
    "cli",
    "cli_neurons",
    "cli_speed",
    "cli_upkeep",
    "clean",
    "doctor",
    "listing",
)
LIGHT = {
    *("errors", "spec", "diagnostics", "record", "suite", "signature", "registry", "store", "provenance", "seeding"),
    *("packing", "energy", "path", "canonical", "durable", "lock", "toml_file", "record_fields"),
}
# part -> parts of the package that it may import
ALLOWED = {
    "errors": set(),
    "canonical": {"errors"},
    "toml_file": {"canonical"},
    "record_fields": set(),
    "durable": {"errors"},
    "lock": {"errors"},
    "seeding": set(),
    "path": set(),
    "device": set(),
    "repeated": set(),
    "packing": {"errors"},
    "diagnostics": {"record_fields"},
    "record": {"canonical", "diagnostics", "errors", "record_fields"},
    "spec": {"record", "errors"},
    "signature": {"errors"},
    "registry": {"signature", "errors"},
    "energy": {"record", "errors", "toml_file"},
    "suite_checks": {"registry", "spec", "errors", "energy"},
    "suite": {"suite_checks", "spec", "errors", "toml_file"},
    "provenance": {"registry", "spec"},
    "listing": LIGHT,
    "store": LIGHT,
    "report": {"report", *LIGHT},
    "clean": LIGHT,
    "doctor": {"clean", "inputs", *LIGHT},
    "neurons": {"neurons", "repeated", *LIGHT},
    "encoders": {"encoders", "repeated", *LIGHT},
    "models": {"models", "neurons", "repeated", *LIGHT},
    "data": {"data", *LIGHT},
    "measure": {"measure", "neurons", "encoders", "models", "data", *LIGHT},
    "kit": {"measure", "neurons", "encoders", "models", "data", *LIGHT},
    "checkpoint": {"durable", "errors"},
    "graphed": {"repeated", "errors"},
    "train": {"checkpoint", "graphed", "neurons", "encoders", "models", "data", *LIGHT},
    "profiling": LIGHT,
    "fuse": {"train", "repeated", "measure", "neurons", "encoders", "models", "data", *LIGHT},
    "inputs": {"encoders", "data", *LIGHT},
    "run": {"fuse", "inputs", "device", "train", "measure", "neurons", "encoders", "models", "data", *LIGHT},
}
ALLOWED["speed"] = {"suite", "report", "execute", "run", "graphed", "repeated", *ALLOWED["run"]}
ENERGY_MAY = {"bench", "pydantic", *sys.stdlib_module_names}


def part_of(path: Path) -> str:
    return path.relative_to(BENCH).parts[0].removesuffix(".py")


def imported(path: Path, top_level_only: bool) -> set[str]:
    tree = ast.parse(path.read_text("utf-8"))
    nodes = tree.body if top_level_only else list(ast.walk(tree))
    found = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            package = ["bench", *path.relative_to(BENCH).parts[:-1]]
            base = ".".join(package[: len(package) - node.level + 1]) + "." if node.level else ""
            module = (base + (node.module or "")).rstrip(".")
            found |= {module} if module != "bench" else {f"bench.{alias.name}" for alias in node.names}
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(BENCH)))
def test_imports_point_one_way(path):
    part = part_of(path)
    if part not in ALLOWED:
        assert part in {
            "__init__",
            "__main__",
            "cli",
            "cli_neurons",
            "cli_speed",
            "cli_upkeep",
            "progress",
            "execute",
        }, f"{part}: say here what it may import"
        return
    used = {name.split(".")[1] for name in imported(path, False) if name.startswith("bench.")}
    assert used <= ALLOWED[part] | {part}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(BENCH)))
def test_no_torch_where_none_is_wanted(path):
    if part_of(path) in NO_TORCH:
        heavy = {name.split(".")[0] for name in imported(path, True)} & {"torch", "torchvision", "tonic", "fvcore"}
        assert not heavy
    if part_of(path) == "energy":
        assert {name.split(".")[0] for name in imported(path, False)} <= ENERGY_MAY


def test_the_light_parts_import_without_torch():
    code = (
        "import sys, bench, bench.cli, bench.suite, bench.store, bench.report.write, bench.energy.model\n"
        "bench.load_suite('suites/digits.toml')\n"
        "assert 'torch' not in sys.modules and 'tonic' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_tonic_is_imported_by_event_data_sets_alone():
    users = {path.relative_to(BENCH).as_posix() for path in FILES if any("tonic" in n for n in imported(path, False))}
    assert users <= {"data/events.py", "data/spike_trains.py"}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(BENCH)))
def test_files_stay_short_and_say_what_they_are(path):
    text = path.read_text("utf-8")
    assert ast.get_docstring(ast.parse(text))
    assert len(text.splitlines()) <= 320
