"""What a neuron promises of its gradients, its cost and its fused form, line by line."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from bench.errors import BenchError
from bench.kit.contract import LONG, ONE, check
from bench.kit.subject import Broken, Skipped, Subject, Unpolished, drive, require
from bench.measure.counting.neurons import trace_step
from bench.measure.counting.ops import elementary_operations
from bench.neurons.base import CompileError
from bench.neurons.lif import LIF


@check("zero input", "zero input gives finite output and finite gradients")
def _zero(subject: Subject, x: Tensor) -> None:
    _finite(subject, torch.zeros_like(x))


@check("large input", "inputs of a million thresholds give finite output and finite gradients", shapes=LONG)
def _large(subject: Subject, x: Tensor) -> None:
    _finite(subject, x * 1e6)


@check("gradients", "gradients of the input and of every learnable parameter are finite and not zero", shapes=LONG)
def _gradients(subject: Subject, x: Tensor) -> None:
    surrogates = next((p.choices for p in subject.info.parameters if p.name == "surrogate"), ()) or (None,)
    for surrogate in surrogates:
        given = {} if surrogate is None else {"surrogate": surrogate}
        neuron = Subject(subject.info, subject.cls, {**subject.params, **given}).make(x)
        for name, gradient in _backward(neuron, x).items():
            where = f"{name} with surrogate {surrogate}" if surrogate else name
            if gradient is None or not bool(gradient.any()):
                raise Broken(f"no gradient reaches {where}")
            require(bool(gradient.isfinite().all()), f"the gradient of {where} is not finite")


@check(
    "derivatives",
    "with a smooth spike in place of `fire`, gradients are the derivatives of the output",
    shapes=((1, 1, 1), (2, 1, 2), (4, 2, 3)),
    dtype=torch.float64,
)
def _derivatives(subject: Subject, x: Tensor) -> None:
    neuron = subject.make(x)
    distance = torch.linspace(-2, 2, 65, dtype=x.dtype, requires_grad=True)
    (slope,) = torch.autograd.grad(neuron.fire(distance).sum(), distance)
    require(bool((slope >= 0).all() and slope.any()), "the derivative of its `fire` is negative, or 0 everywhere")
    if not neuron.exact_gradient:
        return
    neuron.fire = lambda distance: torch.sigmoid(3 * distance)
    inputs = [x.clone().requires_grad_(), *neuron.parameters()]
    if not neuron(inputs[0]).requires_grad:
        raise Broken("no gradient reaches its input")
    try:
        torch.autograd.gradcheck(lambda current, *_: neuron(current), inputs, eps=1e-6, atol=1e-5, rtol=1e-4)
    except RuntimeError as error:
        reason = "gradients differ from finite differences"
        raise Broken(f"{reason}; if on purpose (a detached reset), say exact_gradient = False") from error


@check("cost", "the cost of every operation of `step` is known, and none depends on the data")
def _cost(subject: Subject, x: Tensor) -> None:
    try:
        profile = trace_step(subject.make(x), x[0])
    except BenchError as error:
        raise Broken(str(error)) from error
    unknown = set(profile.ops_per_update) - elementary_operations()
    require(not unknown, f"operations that no cost table can price: {', '.join(sorted(unknown))}")


@check("fused", "the fused loop gives the output and the gradients of the plain one", shapes=ONE, slow=True)
def _fused(subject: Subject, x: Tensor) -> None:
    try:
        _backward(_fused_one(LIF()), x)
    except CompileError as error:
        raise Skipped("nothing can be compiled on this machine") from error
    plain, fused = subject.make(x), _fused_one(subject.make(x))
    expected = _backward(plain, x)
    try:
        found = _backward(fused, x)
    except CompileError as error:
        why = f"{error}".partition("\n")[0]
        raise Unpolished(f"it trains on the plain path alone, which takes longer: {why}") from error
    for name, gradient in expected.items():
        other = found[name]
        same = gradient is None or (other is not None and torch.allclose(gradient, other, rtol=1e-4, atol=1e-5))
        require(same, f"the fused loop gives another gradient of {name}")
    fused.train()
    require(torch.equal(fused(x.clone().requires_grad_()), plain(x)), "the fused loop gives another output")


def _fused_one(neuron: Any) -> Any:
    neuron.use_fused(True)
    return neuron


def _finite(subject: Subject, x: Tensor) -> None:
    neuron = subject.make(x)
    require(bool(neuron(x).isfinite().all()), "the output is not finite")
    for name, gradient in _backward(neuron, x).items():
        require(gradient is None or bool(gradient.isfinite().all()), f"the gradient of {name} is not finite")


def _backward(neuron: Any, x: Tensor) -> dict[str, Tensor | None]:
    current = x.clone().requires_grad_()
    neuron.train()
    out = neuron(current)
    if not out.requires_grad:
        raise Broken("no gradient reaches its input")
    out.backward(drive(*x.shape, seed=2, dtype=x.dtype))
    parameters = {f"parameter '{name}'": parameter.grad for name, parameter in neuron.named_parameters()}
    return {"the input": current.grad, **parameters}
