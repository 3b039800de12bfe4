"""A starting file for a neuron of one's own, and its test; both work as written. No torch."""

from __future__ import annotations

import importlib.util
import keyword
import re
import sys
from pathlib import Path

from bench.errors import BenchError

_NEURON = '''"""{title}: a spiking neuron for spikebench."""

from __future__ import annotations

import torch
from torch import Tensor

from bench.neurons import Neuron


class {cls}(Neuron):
    """u = (1 - 1/tau) v + x; s = [u >= threshold]; v = u - threshold s.

    This is a leaky integrate-and-fire neuron: change it into yours, and the line above, which is its documentation.

    tau: membrane time constant, timesteps (> 1).  threshold: in units of the input (> 0).
    surrogate: derivative of the spike in the backward pass, one of `spikebench list surrogates`.
    Source: where the equation comes from.
    """

    # Every neuron is computed from its own input alone, so one compiled kernel serves all layers. Leave this line out
    # where `step` looks across channels or has parameters of each channel (`_channels: int` then gives their number).
    elementwise = True

    # Keyword arguments with a type and a literal default are the neuron's schema: what a suite may set.
    def __init__(self, *, tau: float = 2.0, threshold: float = 1.0, surrogate: str = "rectangle") -> None:
        super().__init__(surrogate=surrogate)
        if not tau > 1:
            raise ValueError(f"tau should be above 1 timestep, not {{tau}}")  # shown with file, entry and parameter
        self.tau, self.threshold = tau, threshold  # a learnable one is torch.nn.Parameter(torch.tensor(tau))

    def initial_state(self, x: Tensor) -> tuple[Tensor, ...]:
        """Return the state variables before the first timestep, each of the shape of x [N, ...]."""
        return (torch.zeros_like(x),)

    def step(self, x: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Advance one timestep: input current x [N, ...] and state -> spikes [N, ...] and the new state.

        Pure: no random numbers, nothing kept on self, nothing changed in place, no Python `if` on values (torch.where).
        """
        (v,) = state
        u = (1 - 1 / self.tau) * v + x
        s = self.fire(u - self.threshold)  # 1 at the threshold and above, else 0; its gradient is the surrogate's
        return s, (u - self.threshold * s,)
'''

_TEST = '''"""{title} keeps the contract of a neuron, and does what its equation says."""

import pytest
import torch
from {module} import {cls}

from bench.kit import check_neuron


def test_the_contract_is_kept():
    assert [finding for finding in check_neuron({cls}) if finding.problem] == []


def test_one_neuron_by_hand():
    x = torch.tensor([0.6, 0.6, 0.6, 0.0]).view(4, 1, 1)  # [T, N, C]
    # u = 0.6, 0.9, 1.05 (a spike, 0.05 stays), 0.025
    assert {cls}(tau=2.0)(x).flatten().tolist() == [0, 0, 1, 0]


def test_a_value_that_makes_no_sense_is_refused():
    with pytest.raises(ValueError, match="tau"):
        {cls}(tau=0.5)
'''


def new_neuron(name: str, folder: Path) -> tuple[Path, Path, str]:
    """Write `folder/name.py` and `folder/test_name.py`; return both paths and the name for a suite.

    Raises BenchError for a name that is no Python module, or when one of the files exists: nothing is overwritten.
    """
    words = [word for word in re.split(r"[-_\s]+", name) if word]
    module = "_".join(words).lower()
    cls = "".join(word if word.isupper() else word.capitalize() for word in words)
    if not module.isidentifier() or keyword.iskeyword(module) or keyword.iskeyword(cls):
        raise BenchError(f"'{name}' cannot be a Python module; use letters, digits and underscores, as adaptive_lif")
    path, test = folder / f"{module}.py", folder / f"test_{module}.py"
    title = " ".join(words)
    for target in (path, test):
        if target.exists():
            raise BenchError(f"{target}: exists already; choose another name or folder")
    if module in sys.stdlib_module_names or importlib.util.find_spec(module) is not None:
        raise BenchError(f"'{name}' is the name of a module that is there already; choose another, as my_{module}")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for target, text in ((path, _NEURON), (test, _TEST)):
            target.write_text(text.format(title=title, module=module, cls=cls), "utf-8")
    except OSError as error:
        raise BenchError(f"{folder}: cannot be written: {error.strerror}") from None
    return path, test, f"{module}:{cls}"
