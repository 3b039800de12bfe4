"""bf16 where the processor does not multiply it: sums of products in float32 over rounded operands."""

import contextlib

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from bench.models.build import build_model
from bench.neurons import CLIF
from bench.processor import multiplies_bf16
from bench.train.machine import autocast as module
from bench.train.machine.autocast import autocast, product_dtype

CPU = torch.device("cpu")
NATIVE = torch.autocast("cpu", dtype=torch.bfloat16)


@contextlib.contextmanager
def emulated(monkeypatch):
    monkeypatch.setattr(module, "multiplies_bf16", lambda: False)
    with autocast(CPU, "bf16"):
        yield


def test_operands_and_result_are_rounded_forward_and_backward(monkeypatch):
    x = torch.tensor([[1 + 2**-9, 1.0]], requires_grad=True)  # rounded to 1
    weight = torch.tensor([[1.0, 2**-7]], requires_grad=True)
    bias = torch.tensor([2**-8], requires_grad=True)
    with emulated(monkeypatch):
        y = F.linear(x, weight, bias)
    assert y.dtype == torch.bfloat16
    assert y.item() == 1 + 2**-6  # 1 + 3 * 2**-8, a tie, goes to the even neighbour
    y.backward(torch.ones_like(y))
    assert weight.grad.tolist() == [[1.0, 1.0]]
    assert x.grad.tolist() == [[1.0, 2**-7]]
    assert bias.grad.tolist() == [1.0]
    assert {weight.grad.dtype, x.grad.dtype} == {torch.float32}


def test_a_gradient_is_rounded_once_it_is_summed(monkeypatch):
    weight = torch.ones(2, 1, requires_grad=True)
    x = torch.ones(3, 2, 1)
    with emulated(monkeypatch):
        y = x.reshape(6, 1) @ weight.T
    y.backward(torch.tensor([256.0, 1, 1, 1, 1, 1], dtype=torch.bfloat16)[:, None].expand(6, 2))
    assert weight.grad.flatten().tolist() == [260.0, 260.0]  # 261 lies between 260 and 262, a tie to even


@pytest.mark.parametrize("options", [{}, {"stride": 2, "padding": 1}, {"groups": 2, "bias": False}])
def test_a_convolution_of_small_whole_numbers_is_exactly_autocasts(options, monkeypatch):
    generator = torch.Generator().manual_seed(0)  # every sum is a whole number below 256: exact in bf16
    conv = nn.Conv2d(4, 4, 3, **options).to(memory_format=torch.channels_last)
    with torch.no_grad():
        for parameter in conv.parameters():
            parameter.copy_(torch.randint(-1, 2, parameter.shape, generator=generator))
    images = torch.randint(-2, 3, (2, 4, 6, 6), generator=generator).float()
    found = []
    for context in (emulated(monkeypatch), NATIVE):
        conv.zero_grad()
        x = images.clone().requires_grad_()
        with context:
            y = conv(x)
        y.backward(torch.ones_like(y))
        found.append([y.detach(), x.grad, *(p.grad for p in conv.parameters())])
    for ours, theirs in zip(*found, strict=True):
        assert ours.dtype == theirs.dtype
        assert torch.equal(ours, theirs)


PRODUCTS = {
    "mm": lambda a, b: torch.mm(a[0], b[0]),
    "bmm": torch.bmm,
    "matmul": torch.matmul,
    "operator": lambda a, b: a @ b,
    "method": lambda a, b: a.matmul(b),
    "addmm": lambda a, b: torch.addmm(a[0] @ b[0], a[0], b[0]),
    "baddbmm": lambda a, b: torch.baddbmm(a @ b, a, b),
    "einsum": lambda a, b: torch.einsum("bij,bjk->bik", a, b),
    "conv1d": F.conv1d,
}


@pytest.mark.parametrize("product", PRODUCTS.values(), ids=PRODUCTS)
def test_a_product_of_small_whole_numbers_is_exactly_autocasts(product, monkeypatch):
    generator = torch.Generator().manual_seed(0)
    first, second = (torch.randint(-2, 3, (3, 3, 3), generator=generator).float() for _ in range(2))
    with emulated(monkeypatch):
        ours = product(first, second)
    with NATIVE:
        theirs = product(first, second)
    assert ours.dtype == theirs.dtype == torch.bfloat16
    assert torch.equal(ours, theirs)


AS_THEY_ARE = {
    "whole numbers": lambda a, b: (1000 * a.long() + 1) @ (1000 * b.long() + 1),
    "float64": lambda a, b: F.linear(a[0].double() / 3, b[0].double()),
    "mv": lambda a, b: torch.mv(a[0] / 3, b[0, 0]),
    "einsum without a sum of products": lambda a, b: torch.einsum("bij->bi", a / 3),
    "out": lambda a, b: torch.mm(a[0] / 3, b[0], out=torch.empty(3, 3)),
}


@pytest.mark.parametrize("function", AS_THEY_ARE.values(), ids=AS_THEY_ARE)
def test_what_autocast_leaves_alone_is_left_alone(function, monkeypatch):
    first, second = torch.rand(2, 3, 3, 3, generator=torch.Generator().manual_seed(0)).mul(9).floor()
    with emulated(monkeypatch):
        ours = function(first, second)
    with NATIVE:
        theirs = function(first, second)
    assert ours.dtype == theirs.dtype and torch.equal(ours, theirs)


@pytest.mark.parametrize("way", ["emulated", "native"])
def test_a_convolution_is_the_exact_sum_within_the_rounding_of_float32_and_bf16(way, monkeypatch):
    if way == "native" and not multiplies_bf16():
        pytest.skip("this processor has no arithmetic in bf16, or the libraries may not use it")
    generator = torch.Generator().manual_seed(0)
    x, weight, output_gradient = (
        torch.randn(shape, generator=generator).bfloat16().float().requires_grad_()
        for shape in [(4, 16, 8, 8), (16, 16, 3, 3), (4, 16, 6, 6)]
    )
    with emulated(monkeypatch) if way == "emulated" else NATIVE:
        y = F.conv2d(x, weight)
    y.backward(output_gradient.detach().bfloat16())
    exact = [tensor.detach().double().requires_grad_() for tensor in (x, weight)]
    sizes = [tensor.detach().double().abs().requires_grad_() for tensor in (x, weight)]
    sums = F.conv2d(*exact)
    sums.backward(output_gradient.detach().double())
    F.conv2d(*sizes).backward(output_gradient.detach().double().abs())
    magnitudes = [F.conv2d(*sizes), sizes[0].grad, sizes[1].grad]
    terms = [16 * 9, 16 * 9, 4 * 6 * 6]  # of each sum
    for ours, theirs, magnitude, count in zip(
        [y, x.grad, weight.grad], [sums, exact[0].grad, exact[1].grad], magnitudes, terms, strict=True
    ):
        in_float32 = count * 2**-23 * magnitude  # (n - 1) u sum|ab|, and as much for what is flushed or truncated
        bound = in_float32 + 2**-8 * (theirs.abs() + in_float32)
        assert bool(((ours.double() - theirs).abs() <= bound).all())


def seen_dtypes(model):
    """Return a list that a pass fills with the dtypes that each layer is given and gives."""
    seen = []
    for layer in model.modules():
        if not list(layer.children()):
            layer.register_forward_hook(lambda _, inputs, output: seen.append((inputs[0].dtype, output.dtype)))
    return seen


@pytest.mark.parametrize("fused", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_a_networks_activations_and_gradients_have_the_dtypes_of_native_bf16(fused, monkeypatch):
    """Their values differ by the order of sums, which a spike near its threshold carries any distance."""
    images = torch.rand(2, 1, 1, 8, 8, generator=torch.Generator().manual_seed(0)).expand(2, 8, 1, 8, 8)
    found = []
    for context in (emulated(monkeypatch), NATIVE):
        model = build_model("convnet", neuron="clif", weight_seed=0, in_channels=1, classes=10, image_size=8)
        for layer in model.modules():
            if isinstance(layer, CLIF):
                layer.use_fused(fused)
        dtypes = seen_dtypes(model)
        with context:
            logits = model(images)
        logits.float().mean(0).square().sum().backward()
        found.append((dtypes, logits, [parameter.grad for parameter in model.parameters()]))
    (ours, logits, gradients), (theirs, expected, others) = found
    assert ours == theirs
    assert logits.shape == expected.shape
    assert all(one.dtype == other.dtype for one, other in zip(gradients, others, strict=True))
    assert all(bool(gradient.isfinite().all()) for gradient in gradients)


def test_inside_a_neuron_and_in_float32_nothing_is_rounded(monkeypatch):
    precise = torch.tensor([[1 + 2**-20]])
    with emulated(monkeypatch), torch.autocast("cpu", enabled=False):
        assert torch.equal(precise @ precise.T, precise.square())
    with autocast(CPU, "fp32"):
        assert F.linear(precise, torch.ones(1, 1)).item() == 1 + 2**-20


@pytest.mark.parametrize(
    ("native", "precision", "dtype"),
    [(True, "bf16", torch.bfloat16), (False, "bf16", torch.float32), (False, "fp32", torch.float32)],
)
def test_products_are_measured_in_what_they_are_computed_in(native, precision, dtype, monkeypatch):
    monkeypatch.setattr(module, "multiplies_bf16", lambda: native)
    assert product_dtype(CPU, precision) == dtype
