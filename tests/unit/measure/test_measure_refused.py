"""Networks that nothing can look into: one message that says what to do, or counted as they were written."""

import sys
import warnings

import pytest
import torch
from support.measured import Model
from torch import nn

from bench.errors import BenchError
from bench.measure.counting.count import count_operations

X = torch.rand(5, 4) + 0.1


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2))


def quietly(make):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch means to drop TorchScript
        return make()


def scripted():
    return quietly(lambda: torch.jit.script(network()))


@pytest.mark.parametrize(
    ("model", "said"),
    [
        (scripted, "the network is a ScriptModule"),
        (lambda: nn.Sequential(nn.ReLU(), scripted()), "'1' of the network is a ScriptModule"),
        (lambda: quietly(lambda: torch.jit.freeze(scripted().eval())), "the network is a ScriptModule"),
    ],
)
def test_a_script_is_refused_and_told_what_to_give(model, said):
    with pytest.raises(BenchError, match=f"^{said}, .* give the module that it was made from$"):
        count_operations(model(), [X], layout="N")


@pytest.mark.parametrize("wrapped", [lambda traced: traced, nn.Sequential])
def test_a_trace_is_counted(wrapped):
    counts = count_operations(wrapped(quietly(lambda: torch.jit.trace(network(), X))), [X], layout="N")
    assert [layer.dense_macs_total for layer in counts.layers] == [5 * 12, 5 * 6]
    assert not counts.not_counted and not counts.warnings


def test_what_is_mapped_over_samples_is_refused_and_told_what_to_write():
    model = Model(lambda m, x: torch.vmap(m.fc)(x), fc=nn.Linear(4, 3))
    with pytest.raises(BenchError, match=r"torch\.vmap.*call them on whole batches instead"):
        count_operations(model, [X], layout="N")
    assert not model.fc._forward_hooks and not model.fc._forward_pre_hooks and model.fc.training
    weights = Model(lambda m, x: torch.vmap(lambda row: m.fc.weight @ row)(x), fc=nn.Linear(4, 3))
    assert count_operations(weights, [X], layout="N").dense_macs_per_sample == 12  # no layer is called


def test_something_else_that_is_not_implemented_is_the_networks_own():
    def unwritten(m, x):
        raise NotImplementedError("later")

    with pytest.raises(NotImplementedError, match="later"):
        count_operations(Model(unwritten), [X], layout="N")


class Exported(nn.Module):
    """As the module of what torch.export makes, whose making takes seconds: it has one mode."""

    def train(self, mode=True):
        raise NotImplementedError("Calling eval() is not supported yet.")


def test_what_has_one_mode_is_refused_and_nothing_is_changed():
    model = nn.Sequential(nn.Linear(4, 3), Exported())
    with pytest.raises(
        BenchError, match=r"cannot be put into eval mode \(Calling.*torch.export made; give the network"
    ):
        count_operations(model, [X], layout="N")
    assert all(module.training for module in model.modules())


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_what_was_exported_is_refused():
    with pytest.raises(BenchError, match="cannot be put into eval mode"):
        count_operations(torch.export.export(network(), (X,)).module(), [X], layout="N")


@pytest.mark.parametrize(
    ("model", "said"),
    [
        (lambda x: x, "not a function"),
        (nn.Linear, "not the class Linear"),
        ({"a": 1}, "not a dict"),
        (None, "not a None"),
    ],
)
def test_what_is_no_module_is_told_so(model, said):
    with pytest.raises(BenchError, match=f"the model should be a torch.nn.Module, {said}"):
        count_operations(model, [X])


@pytest.mark.slow  # the compiler is imported
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("way", ["wrapped", "in place", "a part"])
def test_what_was_compiled_is_counted_as_it_was_written(way, capfd):
    compiled = []

    def backend(graph, inputs):
        compiled.append(graph)
        return graph.forward

    model = network()
    if way == "wrapped":
        model = torch.compile(model, backend=backend)
    elif way == "in place":
        model.compile(backend=backend)
    else:
        model = nn.Sequential(torch.compile(model, backend=backend), nn.ReLU())
    counts = count_operations(model, [X, X[:3]], layout="N")
    plain = count_operations(network(), [X, X[:3]], layout="N")
    assert [layer.effective_synops_total for layer in counts.layers] == [
        layer.effective_synops_total for layer in plain.layers
    ]
    assert [layer.dense_macs_total for layer in counts.layers] == [8 * 12, 8 * 6]
    assert not compiled and not any(capfd.readouterr())
    model(X)
    assert compiled, "afterwards it is compiled again"


def test_to_count_imports_no_compiler():
    before = "torch._dynamo" in sys.modules
    count_operations(network(), [X], layout="N")
    assert ("torch._dynamo" in sys.modules) == before
