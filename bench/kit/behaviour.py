"""What a neuron promises of its form and of its outputs, line by line."""

from __future__ import annotations

import copy
import pickle
import random
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from bench.kit.contract import ONE, SMALL, check
from bench.kit.subject import Subject, Unpolished, drive, loop, polish, require
from bench.models import weights_digest
from bench.models.build import build_model
from bench.neurons.base import Neuron

DTYPES = (torch.float32, torch.float64, torch.bfloat16, torch.float16)


@check(
    "schema",
    "a Neuron; keyword-only, annotated constructor arguments whose defaults are of the type they say",
    shapes=ONE,
    uses_input=False,
)
def _schema(subject: Subject, x: Tensor) -> None:
    require(issubclass(subject.cls, Neuron), f"{subject.cls.__name__} is not a subclass of bench.neurons.Neuron")
    require(isinstance(subject.cls.spiking, bool), "the class attribute 'spiking' should be True or False")
    for parameter in subject.info.parameters:
        problem = None if parameter.required else parameter.problem(parameter.default)
        require(problem is None, f"the default of '{parameter.name}' {problem}")


@check(
    "documentation",
    "the docstring says the equation, its source and every parameter; parameters have defaults",
    shapes=ONE,
    uses_input=False,
)
def _documentation(subject: Subject, x: Tensor) -> None:
    doc, summary, parameters = subject.cls.__doc__ or "", subject.info.summary, subject.info.parameters
    undefined = ", ".join(f"'{parameter.name}'" for parameter in parameters if parameter.required)
    unsaid = ", ".join(f"'{parameter.name}: ...'" for parameter in parameters if f"{parameter.name}:" not in doc)
    lacking = [
        ("" if "=" in summary and len(summary) <= 120 else "the equation as its first line, at most 120 long"),
        ("" if "Source" in doc else "its source ('Source: ...')"),
        (unsaid and f"what its parameters are ({unsaid})"),
    ]
    said = "; ".join(filter(None, lacking))
    words = [said and f"the docstring could say: {said}", undefined and f"without a default: {undefined}"]
    polish(not any(words), "; ".join(filter(None, words)))


@check(
    "construction",
    "constructing draws no random numbers, so that every network starts from the same weights",
    shapes=ONE,
    uses_input=False,
)
def _construction(subject: Subject, x: Tensor) -> None:
    before = (torch.get_rng_state(), random.getstate(), str(np.random.get_state()))
    settings = _global_settings()
    first = subject.make(x)
    require(_global_settings() == settings, "its constructor changes settings of the whole program")
    second = subject.make(x)
    require(torch.equal(torch.get_rng_state(), before[0]), "its constructor draws from torch's random numbers")
    require(random.getstate() == before[1], "its constructor draws from Python's random numbers")
    require(str(np.random.get_state()) == before[2], "its constructor draws from NumPy's random numbers")
    require(_equal_states(first, second), "two fresh ones differ in their parameters or buffers")


@check(
    "matched weights",
    "a network with it starts from the synaptic weights of the same network with ReLU",
    shapes=ONE,
    uses_input=False,
)
def _matched(subject: Subject, x: Tensor) -> None:
    def network(neuron: Any) -> str:
        return weights_digest(
            build_model(
                "convnet", neuron=neuron, in_channels=1, classes=3, image_size=8, weight_seed=0, width=3, stages=1
            )
        )

    require(
        network(lambda: subject.make(x)) == network(nn.ReLU), "synaptic weights differ from those of the ReLU network"
    )


@check("shapes", "x [T, N, ...] gives an output of the shape, dtype and device of x; states are [N, ...]; T = 1 works")
def _shapes(subject: Subject, x: Tensor) -> None:
    for dtype in DTYPES:
        out = subject.make(x.to(dtype))(x.to(dtype))
        require(out.shape == x.shape, f"the output of an input {list(x.shape)} is {list(out.shape)}")
        require(out.dtype == dtype, f"the output of an input in {dtype} is in {out.dtype}")
    state = tuple(subject.make(x).initial_state(x[0]))
    for after in [state, *loop(subject.make(x), x)[1]]:
        require(len(after) == len(state), "the number of states changes")
        for part in after:
            require(part.shape == x.shape[1:], f"a state for an input {list(x.shape[1:])} is {list(part.shape)}")


@check("binary", "the output is 0 or 1 if and only if `spiking` is True", shapes=(*SMALL, (12, 8, 8)))
def _binary(subject: Subject, x: Tensor) -> None:
    out = subject.make(x)(x)
    others = sorted(set(out.detach().flatten().tolist()) - {0.0, 1.0})
    if subject.cls.spiking:
        require(not others, f"it says that it spikes, and puts out {others[:1]}")
    elif x.numel() > 500:
        require(bool(others), "it says that it does not spike, and puts out nothing but 0 and 1")


@check("alive", "on currents around the threshold it is neither silent nor always on", shapes=((12, 8, 8),))
def _alive(subject: Subject, x: Tensor) -> None:
    share = float((subject.make(x)(x) != 0).float().mean())
    require(share > 0, "its output is 0 on every input")
    require(share < 1, "its output is never 0")


@check("no memory", "nothing is kept between calls: equal inputs give equal outputs, whatever ran in between")
def _no_memory(subject: Subject, x: Tensor) -> None:
    neuron = subject.make(x)
    before, random_state = copy.deepcopy(neuron.state_dict()), torch.get_rng_state()
    first = neuron(x)
    require(torch.equal(torch.get_rng_state(), random_state), "a forward pass draws random numbers")
    neuron(drive(3, 2, *x.shape[2:], seed=1))
    require(torch.equal(neuron(x), first), "the same input gave another output the second time")
    require(torch.equal(subject.make(x)(x), first), "a fresh one gives another output than one that has run")
    after = neuron.state_dict()
    require(all(torch.equal(after[key], before[key]) for key in before), "a forward pass changed a parameter or buffer")


@check("modes", "training and eval mode are the same to it: it is measured in eval mode")
def _modes(subject: Subject, x: Tensor) -> None:
    neuron = subject.make(x)
    same = torch.equal(neuron.train()(x), neuron.eval()(x))
    require(same, "the output in eval mode is not that in training mode")


@check("samples", "samples do not mix: permuting the batch permutes the output, and a sample alone gives its own")
def _samples(subject: Subject, x: Tensor) -> None:
    out = subject.make(x)(x)
    require(torch.equal(subject.make(x)(x.flip(1)), out.flip(1)), "reversing the batch does not reverse the output")
    require(torch.equal(subject.make(x)(x[:, :1]), out[:, :1]), "the first sample alone gives another output")


@check("causality", "the future does not reach the past")
def _causality(subject: Subject, x: Tensor) -> None:
    out = subject.make(x)(x)
    for cut in range(1, len(x)):
        changed = torch.cat([x[:cut], 3 - x[cut:]])
        same = torch.equal(subject.make(x)(changed)[:cut], out[:cut])
        require(same, f"another input from timestep {cut + 1} on changes the output before it")
        require(torch.equal(subject.make(x)(x[:cut]), out[:cut]), f"{cut} timesteps alone give another output")


@check("pure step", "`step` changes neither its input nor its state in place, and `forward` is the loop over it")
def _pure_step(subject: Subject, x: Tensor) -> None:
    neuron, kept = subject.make(x), x.clone()
    out = neuron(x)
    require(torch.equal(x, kept), "a forward pass changed its input in place")
    state = tuple(neuron.initial_state(x[0]))
    for current in x:
        copies = [part.clone() for part in state]
        _, following = neuron.step(current, state)
        unchanged = all(torch.equal(part, copied) for part, copied in zip(state, copies, strict=True))
        require(unchanged, "`step` changed the state that it was given in place")
        state = tuple(following)
    require(torch.equal(x, kept), "`step` changed its input in place")
    require(torch.equal(out, loop(subject.make(x), x)[0]), "`forward` gives another output than stepping by hand")


@check("copies", "deepcopy and pickle give a neuron that does the same")
def _copies(subject: Subject, x: Tensor) -> None:
    neuron = subject.make(x)
    expected = neuron(x)
    require(torch.equal(copy.deepcopy(neuron)(x), expected), "a deep copy gives another output")
    try:
        twin = pickle.loads(pickle.dumps(neuron))
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        raise Unpolished(f"it cannot be pickled, as torch.save of a whole network would: {error}") from error
    require(torch.equal(twin(x), expected), "an unpickled copy gives another output")


@check("precision", "states stay in float32 under autocast and in half precision")
def _precision(subject: Subject, x: Tensor) -> None:
    neuron, seen = subject.make(x), set()
    step = neuron.step

    def spy(current: Tensor, state: tuple[Tensor, ...]) -> Any:
        seen.update([current.dtype, *(part.dtype for part in state)])
        return step(current, state)

    neuron.step = spy
    with torch.autocast("cpu", dtype=torch.bfloat16):
        neuron(x.bfloat16())
    require(seen <= {torch.float32}, f"`step` works in {', '.join(sorted(map(str, seen)))}")


@check("layouts", "the output does not depend on the memory layout", shapes=ONE)
def _layouts(subject: Subject, x: Tensor) -> None:
    channels_last = x.flatten(0, 1).contiguous(memory_format=torch.channels_last).view(x.shape)
    require(torch.equal(subject.make(x)(channels_last), subject.make(x)(x)), "channels_last input gives another output")


@check("elementwise", "`elementwise = True` promises that every number is treated alone")
def _elementwise(subject: Subject, x: Tensor) -> None:
    neuron = subject.make(x)
    if neuron.elementwise:
        mixed = loop(subject.make(x), x.flatten(1).flip(1).unsqueeze(1))[0].squeeze(1).flip(1).view(x.shape)
        require(torch.equal(mixed, loop(subject.make(x), x)[0]), "neurons in another order give another output")


def _global_settings() -> tuple[object, ...]:
    return (
        torch.get_default_dtype(),
        torch.get_num_threads(),
        torch.is_grad_enabled(),
        torch.is_anomaly_enabled(),
        torch.are_deterministic_algorithms_enabled(),
        torch.backends.cuda.matmul.allow_tf32,
    )


def _equal_states(first: nn.Module, second: nn.Module) -> bool:
    ours, theirs = first.state_dict(), second.state_dict()
    return ours.keys() == theirs.keys() and all(torch.equal(ours[key], theirs[key]) for key in ours)
