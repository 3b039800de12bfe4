"""What libraries say in the main process is in Python's log, and not on the user's terminal."""

import os
import subprocess
import sys

import pytest
from support import ROOT

SPEAKERS = """
import logging, sys, warnings
from pathlib import Path
from bench.commands.libraries import quiet_libraries

if "heard" in sys.argv:
    logging.basicConfig(level=logging.DEBUG, stream=sys.stdout, format="%(name)s %(levelname)s %(message)s")
quiet_libraries()
import torch
import bench

logging.getLogger("torch.utils.cpp_extension").warning("no %s", "runtime")
logging.getLogger("torch._dynamo.anything").error("no graph")
warnings.warn_explicit("of torch", UserWarning, str(Path(torch.__file__).parent / "cuda" / "__init__.py"), 7)
warnings.warn_explicit("of ours", FutureWarning, str(Path(bench.__file__).parent / "models" / "layers.py"), 8)
warnings.warn_explicit("of theirs", UserWarning, "mylab/neurons.py", 9)
print(torch.__spec__.loader.__class__.__name__)
"""


def said(*arguments, flags=(), **variables):
    inherited = {name: value for name, value in os.environ.items() if name not in ("PYTHONWARNINGS", "TORCH_LOGS")}
    done = subprocess.run(
        [sys.executable, *flags, "-c", SPEAKERS, *arguments],
        env=inherited | {"PYTHONPATH": str(ROOT)} | variables,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done


def test_warnings_of_libraries_are_in_the_log_alone():
    done = said("heard")
    assert "of theirs" in done.stderr and "mylab/neurons.py:9" in done.stderr
    assert not [word for word in ("runtime", "graph", "of torch", "of ours") if word in done.stderr]
    lines = [line for line in done.stdout.splitlines() if line.startswith("bench.commands.libraries DEBUG")]
    assert [line.partition(" DEBUG ")[2] for line in lines[:2]] == [
        "torch.utils.cpp_extension: no runtime",
        "torch._dynamo.anything: no graph",
    ]
    assert "UserWarning: of torch" in lines[2] and "FutureWarning: of ours" in lines[3] and len(lines) == 4
    assert done.stdout.splitlines()[-1] == "SourceFileLoader"  # torch is loaded as ever


@pytest.mark.parametrize(("flags", "variables"), [(("-W", "always"), {"TORCH_LOGS": "+all"})])
def test_who_asks_for_them_sees_them(flags, variables):
    done = said(flags=flags, **variables)
    assert all(word in done.stderr for word in ("no runtime", "no graph", "of torch", "of ours", "of theirs"))


@pytest.mark.parametrize("number", ["SIGINT", "SIGTERM"])
def test_an_interrupt_waits_until_a_library_is_loaded(number, tmp_path):
    """Raised in the C++ of an import it would abort the process, with nobody's words."""
    (tmp_path / "triton.py").write_text(
        f"import os, signal\nos.kill(os.getpid(), signal.{number})\nopen('loaded', 'w').close()\n"
    )
    program = (
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from bench.commands.libraries import quiet_libraries\n"
        "from bench.execute.interrupts import terminate_like_interrupt\n"
        "quiet_libraries(); terminate_like_interrupt()\n"
        "try:\n    import triton\nexcept KeyboardInterrupt as asked:\n    print(type(asked).__name__)\n"
    )
    environment = os.environ | {"PYTHONPATH": f"{tmp_path}:{ROOT}"}
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120
    )
    assert done.stdout.strip() == {"SIGINT": "KeyboardInterrupt", "SIGTERM": "Terminated"}[number], done.stderr
    assert (tmp_path / "loaded").exists()
