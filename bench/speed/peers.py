"""Other libraries' neurons in this project's networks, so that a step differs in the neuron alone."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from bench.errors import BenchError
from bench.suite.fields import PluginSpec

Factory = Callable[[], nn.Module]


class PeerLacksError(BenchError):
    """The peer has no neuron like the one asked for."""


def peer_factory(peer: str, neuron: PluginSpec, resolved: Mapping[str, Any]) -> Factory:
    """Return a function that makes the peer's neuron of the same kind, from x [T, N, ...] to spikes.

    resolved: the parameters of `neuron` with defaults filled in. Raises PeerLacksError where the peer has none.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what a library warns about at import is its own affair
        return {"spikingjelly": _spikingjelly, "snntorch": _snntorch}[peer](neuron.name, resolved)


def _spikingjelly(name: str, given: Mapping[str, Any]) -> Factory:
    from spikingjelly.activation_based import functional, surrogate
    from spikingjelly.activation_based import neuron as nodes

    kinds = {
        "if": nodes.IFNode,
        "lif": nodes.LIFNode,
        "plif": nodes.ParametricLIFNode,
        "klif": nodes.KLIFNode,
        "clif": nodes.ComplementaryLIFNode,
    }
    if name not in kinds:
        raise PeerLacksError(f"spikingjelly has no neuron like '{name}'; known: {', '.join(kinds)}")
    surrogates = {
        "rectangle": lambda: surrogate.Rect(alpha=1.0),
        "atan": lambda: surrogate.ATan(alpha=2.0),
        "sigmoid": lambda: surrogate.Sigmoid(alpha=4.0),
        "triangle": lambda: surrogate.PiecewiseQuadratic(alpha=1.0),
    }
    if given["surrogate"] not in surrogates:
        raise PeerLacksError(
            f"spikingjelly has no surrogate like '{given['surrogate']}'; known: {', '.join(surrogates)}"
        )
    options: dict[str, Any] = {"v_threshold": given["threshold"], "step_mode": "m"}
    if name != "if":
        options["init_tau" if name == "plif" else "tau"] = given["tau"]
    if name not in ("if", "clif"):
        options["decay_input"] = given["decay_input"]
        options["detach_reset"] = given["detach_reset"]
    if name != "clif":  # its only form: soft reset, input not decayed
        options["v_reset"] = given["v_reset"] if given.get("reset") == "hard" else None
    if name == "klif":
        options["scale_reset"] = given["scale_reset"]

    class Reset(nn.Module):
        """Their multi-step node, whose state is put back before every sequence, as their training loops do."""

        def __init__(self) -> None:
            super().__init__()
            self.node = kinds[name](**options, surrogate_function=surrogates[given["surrogate"]]())

        def forward(self, x: Tensor) -> Tensor:
            functional.reset_net(self.node)
            spikes: Tensor = self.node(x)
            return spikes

    return Reset


def _snntorch(name: str, given: Mapping[str, Any]) -> Factory:
    import snntorch

    if name != "lif" or given["reset"] != "soft" or given["decay_input"]:
        raise PeerLacksError(f"snntorch has no neuron like this '{name}'; known: lif with a soft reset")

    class Stepped(nn.Module):
        """Their Leaky, called once a timestep. Its reset is detached and its surrogate the arctangent.

        Where the membrane stays above the threshold after a reset, theirs resets a second time.
        """

        def __init__(self) -> None:
            super().__init__()
            self.node = snntorch.Leaky(beta=1 - 1 / given["tau"], threshold=given["threshold"], reset_delay=False)

        def forward(self, x: Tensor) -> Tensor:
            membrane, spikes = torch.zeros_like(x[0]), []
            for current in x.unbind(0):
                spike, membrane = self.node(current, membrane)
                spikes.append(spike)
            return torch.stack(spikes)

    return Stepped
