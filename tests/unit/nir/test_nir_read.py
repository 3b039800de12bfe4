"""Graphs that are read: their layers, their edges, the time step, and what is refused by name."""

import sys

import nir
import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

import bench


def ends(shape, result):
    return {"in": nir.Input(np.array(shape)), "out": nir.Output(np.array(result))}


def chain(node, shape, result, **options):
    return nir.NIRGraph(ends(shape, result) | {"node": node}, [("in", "node"), ("node", "out")], **options)


def lif(*shape, tau=2.0):
    ones = np.ones(shape)
    return nir.LIF(tau=tau * ones, r=tau * ones, v_leak=0 * ones, v_threshold=ones)


def recurrent(rng, **nodes):
    nodes = ends([3], [3]) | {"lif": lif(3), "back": nir.Affine(rng.normal(size=(3, 3)), rng.normal(size=3))} | nodes
    return nir.NIRGraph(nodes, [("in", "lif"), ("lif", "back"), ("back", "lif"), ("lif", "out")])


def refusal(graph, **settings):
    with pytest.raises(bench.BenchError) as caught:
        bench.from_nir(graph, **settings)
    assert caught.value.exit_code == 2
    return str(caught.value)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.mark.parametrize("padding", [1, (2, 1), "same", "valid"])
def test_convolutions_are_torchs_with_the_weights_copied(rng, padding):
    weight, bias = rng.normal(size=(4, 2, 3, 3)).astype(np.float32), rng.normal(size=4).astype(np.float32)
    node = nir.Conv2d((8, 6), weight, 1, padding, 1, 1, bias)
    network = bench.from_nir(nir.NIRGraph.from_list(node))
    [layer] = [module for module in network.modules() if isinstance(module, nn.Conv2d)]
    assert np.array_equal(layer.weight.detach().numpy(), weight) and np.array_equal(layer.bias.detach().numpy(), bias)
    x = torch.randn(3, 2, 2, 8, 6)
    expected = functional.conv2d(x.flatten(0, 1), torch.tensor(weight), torch.tensor(bias), padding=padding)
    assert torch.equal(network(x).flatten(0, 1), expected)


def test_groups_strides_and_dilation_are_read(rng):
    weight = rng.normal(size=(4, 1, 3, 3)).astype(np.float32)
    node = nir.Conv2d((9, 9), weight, (2, 1), 0, (1, 2), 2, np.zeros(4, np.float32))
    network = bench.from_nir(chain(node, [2, 9, 9], [4, 4, 5], type_check=False))
    x = torch.randn(2, 2, 2, 9, 9)
    expected = functional.conv2d(x.flatten(0, 1), torch.tensor(weight), None, (2, 1), 0, (1, 2), 2)
    assert torch.allclose(network(x).flatten(0, 1), expected, atol=1e-6)


def test_one_dimensional_convolutions_are_read(rng):
    weight, bias = rng.normal(size=(4, 2, 3)).astype(np.float32), rng.normal(size=4).astype(np.float32)
    network = bench.from_nir(nir.NIRGraph.from_list(nir.Conv1d(8, weight, 2, 1, 1, 1, bias)))
    x = torch.randn(3, 2, 2, 8)
    expected = functional.conv1d(x.flatten(0, 1), torch.tensor(weight), torch.tensor(bias), 2, 1)
    assert torch.equal(network(x).flatten(0, 1), expected)


@pytest.mark.parametrize(
    ("node", "shape", "result", "expected"),
    [
        (nir.SumPool2d(*map(np.array, ((2, 2), (2, 2), (0, 0)))), (1, 2, 2), (1, 1, 1), [10.0]),
        (nir.AvgPool2d(*map(np.array, ((2, 2), (2, 2), (0, 0)))), (1, 2, 2), (1, 1, 1), [2.5]),
        (nir.Flatten({"input": np.array([1, 2, 2])}, 0, -1), (1, 2, 2), (4,), [1.0, 2.0, 3.0, 4.0]),
        (nir.Scale(np.array([1.0, 2.0, 0.0, -1.0])), (4,), (4,), [1.0, 4.0, 0.0, -4.0]),
        (nir.Linear(np.array([[1.0, 0.0, 0.0, 1.0]])), (4,), (1,), [5.0]),
        (nir.Affine(np.array([[1.0, 0.0, 0.0, 1.0]]), np.array([0.5])), (4,), (1,), [5.5]),
    ],
    ids=lambda value: type(value).__name__,
)
def test_layers_without_memory(node, shape, result, expected):
    network = bench.from_nir(chain(node, shape, result))
    given = network(torch.arange(1.0, 5.0).reshape(1, 1, *shape))
    assert given.shape == (1, 1, *result) and given.flatten().tolist() == expected


def test_a_flatten_takes_the_axes_of_a_sample():
    node = nir.Flatten({"input": np.array([2, 3, 4])}, 1, 2)
    assert bench.from_nir(chain(node, [2, 3, 4], [2, 12]))(torch.zeros(5, 1, 2, 3, 4)).shape == (5, 1, 2, 12)


def test_every_element_has_its_own_delay():
    network = bench.from_nir(nir.NIRGraph.from_list(nir.Delay(np.array([0.0, 1e-3, 3e-3]))), dt=1e-3)
    x = torch.arange(1.0, 5).reshape(4, 1, 1).expand(4, 2, 3)
    assert network(x)[:, 1].T.tolist() == [[1, 2, 3, 4], [0, 1, 2, 3], [0, 0, 0, 1]]


def test_a_delay_between_two_timesteps_is_refused():
    graph = nir.NIRGraph.from_list(nir.Delay(np.array([1.5e-3])))
    expected = "node 'delay': a delay should be a whole number of time steps of 0.001, and none negative"
    assert refusal(graph, dt=1e-3) == expected


def test_edges_that_meet_are_added():
    nodes = ends([2], [2]) | {"once": nir.Scale(np.ones(2)), "twice": nir.Scale(np.full(2, 2.0))}
    edges = [("in", "once"), ("in", "twice"), ("once", "out"), ("twice", "out")]
    assert bench.from_nir(nir.NIRGraph(nodes, edges))(torch.ones(1, 1, 2)).tolist() == [[[3.0, 3.0]]]


def test_inputs_of_different_shapes_are_not_added():
    nodes = ends([2], [2]) | {"once": nir.Linear(np.ones((1, 2))), "twice": nir.Scale(np.full(2, 2.0))}
    edges = [("in", "once"), ("in", "twice"), ("once", "out"), ("twice", "out")]
    network = bench.from_nir(nir.NIRGraph(nodes, edges, type_check=False))
    with pytest.raises(bench.BenchError, match=r"node 'out': cannot add inputs of different shapes, \(1,\) and \(2,\)"):
        network(torch.ones(1, 1, 2))


def test_the_output_of_a_cycle_comes_back_a_timestep_later(rng):
    graph = recurrent(rng)
    x = torch.from_numpy(rng.normal(1, 1, (9, 4, 3)))
    weight, bias = graph.nodes["back"].weight, graph.nodes["back"].bias
    v, spikes, expected = np.zeros((4, 3)), np.zeros((4, 3)), []
    for current in x.numpy():
        v = v + 0.5 * (0 - v + 2 * (current + spikes @ weight.T + bias))
        spikes = (v > 1).astype(float)
        v = np.where(v > 1, 0, v)
        expected.append(spikes)
    network = bench.from_nir(graph, dt=1.0, dtype=torch.float64)
    assert 0 < np.mean(expected) < 1
    assert np.array_equal(network(x).detach().numpy(), np.stack(expected))
    counts = bench.count_operations(network, [x])
    assert [layer.dense_macs_total for layer in counts.layers] == [9 * 4 * 9]
    assert counts.layers[0].input_nonzero_total == np.sum(expected[:-1])
    assert counts.neurons[0].spikes_total == np.sum(expected) and counts.not_counted == []


def test_a_cycle_within_a_graph_in_the_graph_is_run_too(rng):
    inner = recurrent(rng)
    outer = nir.NIRGraph(ends([3], [3]) | {"cell": inner}, [("in", "cell"), ("cell", "out")], type_check=False)
    x = torch.randn(5, 2, 3)
    assert torch.equal(bench.from_nir(outer, dt=1.0)(x), bench.from_nir(inner, dt=1.0)(x))


def test_cycles_of_another_kind_are_refused(rng):
    two = recurrent(rng, back=lif(3))
    assert refusal(two, dt=1.0).startswith("a cycle through 2 neurons is not understood, only one through one: ")
    delayed = recurrent(rng, back=nir.Delay(np.ones(3)))
    assert refusal(delayed, dt=1.0).startswith("node 'back': a delay in a cycle is not understood: ")
    none = recurrent(rng, lif=nir.Scale(np.ones(3)))
    assert refusal(none, dt=1.0).startswith("a cycle through 0 neurons is not understood")


@pytest.mark.parametrize("made", [str, lambda path: path])
def test_a_file_is_what_was_written_there(rng, tmp_path, made):
    graph = recurrent(rng)
    graph.metadata["dt"] = 1.0
    nir.write(tmp_path / "a.nir", graph)
    x = torch.randn(5, 2, 3)
    assert torch.equal(bench.from_nir(made(tmp_path / "a.nir"))(x), bench.from_nir(graph)(x))


def test_the_time_step_is_the_arguments_or_else_the_metadatas():
    def gains(graph, **settings):
        network = bench.from_nir(graph, **settings)
        return network(torch.ones(1, 1, 1)).item()

    graph = nir.NIRGraph.from_list(nir.I(np.full(1, 8.0)))
    assert refusal(graph) == "node 'i' needs a time step: the graph's metadata has no 'dt'; pass dt to from_nir"
    graph.metadata["dt"] = 0.5
    assert (gains(graph), gains(graph, dt=0.25)) == (4.0, 2.0)
    assert refusal(graph, dt=0.0) == "dt should be above 0, not 0.0"
    graph.metadata["dt"] = "soon"
    assert refusal(graph) == "dt should be a number, not 'soon'"


def test_a_graph_is_counted_as_any_network():
    graph = nir.NIRGraph.from_list(nir.Affine(np.ones((3, 2)), np.zeros(3)), lif(3), nir.Linear(np.ones((1, 3))))
    counts = bench.count_operations(bench.from_nir(graph, dt=1.0), [torch.full((4, 5, 2), 0.7)])
    assert [layer.kind for layer in counts.layers] == ["linear", "linear"]
    # u is 1.4 at each timestep and reset to 0: all three fire always.
    assert counts.layers[1].input_kind == "binary" and counts.neurons[0].spikes_total == 3 * 4 * 5
    # At dt/tau = 1/2 the leak is a shift; the hard reset is u (1 - s), a NOT and a select.
    assert counts.neurons[0].ops_per_update == {"shift": 1, "add": 1, "compare": 1, "logic": 1, "select": 1}
    assert counts.not_counted == []


UNDERSTOOD = (
    "understood: Affine, AvgPool2d, Conv1d, Conv2d, CubaLI, CubaLIF, Delay, Flatten, I, IF, Input, LI, LIF, "
    "Linear, NIRGraph, Output, Scale, SumPool2d, Threshold"
)


class Izhikevich(nir.NIRNode):
    def __init__(self):
        self.input_type, self.output_type, self.metadata = {"input": np.array([2])}, {"output": np.array([2])}, {}


def test_a_node_of_a_type_that_is_not_understood_is_named():
    expected = f"nodes that are not understood: 'node' (Izhikevich); {UNDERSTOOD}"
    assert refusal(chain(Izhikevich(), [2], [2])) == expected


def test_a_node_of_a_file_that_nir_itself_does_not_know_is_named(tmp_path):
    h5py = pytest.importorskip("h5py")
    nir.write(tmp_path / "a.nir", chain(nir.Scale(np.ones(2)), [2], [2]))
    with h5py.File(tmp_path / "a.nir", "r+") as file:
        del file["node/nodes/node/type"]
        file["node/nodes/node/type"] = "Izhikevich"
    assert refusal(tmp_path / "a.nir") == f"nodes that are not understood: 'node' (Izhikevich); {UNDERSTOOD}"


def test_a_file_that_is_no_graph_is_one_message(tmp_path):
    h5py = pytest.importorskip("h5py")
    assert refusal(tmp_path / "none.nir") == f"{tmp_path / 'none.nir'}: no such file"
    (tmp_path / "text.nir").write_text("text", "utf-8")
    assert refusal(tmp_path / "text.nir").startswith(f"{tmp_path / 'text.nir'}: is not a NIR graph: ")
    with h5py.File(tmp_path / "other.nir", "w") as file:
        file["x"] = 1
    assert refusal(tmp_path / "other.nir").startswith(f"{tmp_path / 'other.nir'}: is not a NIR graph: ")
    assert refusal(tmp_path).startswith(f"{tmp_path}: is not a NIR graph: ")
    assert refusal(3) == "expected a nir.NIRGraph or a path, not int"


def test_a_graph_without_one_way_in_and_one_out_is_refused():
    graph = chain(nir.Scale(np.ones(2)), [2], [2])
    graph.nodes["more"] = nir.Input(np.array([2]))
    assert refusal(graph) == "the graph should have one Input, not 2"
    graph.nodes["more"] = nir.Scale(np.ones(2))
    assert refusal(graph) == "node 'more': nothing feeds it, and it is no Input"
    graph.edges.append(("nowhere", "more"))
    assert refusal(graph) == "an edge from 'nowhere' to 'more': there is no node 'nowhere'"


def test_an_input_of_another_shape_is_refused():
    network = bench.from_nir(chain(nir.Scale(np.ones(2)), [2], [2]))
    with pytest.raises(bench.BenchError, match=r"^expected x \[T, N, 2\], not one of shape \(1, 1, 3\)$"):
        network(torch.ones(1, 1, 3))


def test_weights_that_do_not_fit_are_refused_by_name():
    graph = chain(nir.Affine(np.ones((2, 2)), np.ones(3)), [2], [2])
    assert refusal(graph) == "node 'node': a bias of shape (3,) for 2 outputs"
    graph = chain(nir.Linear(np.ones((2, 2, 2))), [2, 2], [2, 2])
    assert refusal(graph) == "node 'node': a weight of 2 axes is expected, not of shape (2, 2, 2)"


@pytest.mark.parametrize("name", ["a.b", "type", "keys", "a/b"])
def test_a_node_may_have_any_name(name):
    nodes = ends([2], [2]) | {name: nir.Scale(np.full(2, 3.0)), "a_b": nir.Scale(np.full(2, 2.0))}
    graph = nir.NIRGraph(nodes, [("in", name), (name, "a_b"), ("a_b", "out")])
    assert bench.from_nir(graph)(torch.ones(1, 1, 2)).tolist() == [[[6.0, 6.0]]]


def test_without_the_package_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "nir", None)
    assert refusal("a.nir") == "NIR graphs need the package nir: pip install spikebench[nir]"
