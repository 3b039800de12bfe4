"""Models of torchvision and timm through the counter, against torch's own counter of FLOPs and brute force."""

import pytest
import torch
from support.brute_force import brute
from support.foreign_library import library

import bench


def pairs(counts):
    """Pairs of a non-zero input and a non-zero weight: of random weights one in millions is 0."""
    without = [(layer.synops_without_zero_weights_total, layer.effective_synops_total) for layer in counts.layers]
    return sum(every if some is None else some for some, every in without)


def check(model, x):
    """Count a network of analog values: all is counted, has a price and equals what torch and brute force say."""
    counts = bench.count_operations(model, [x])
    assert (pairs(counts), sum(layer.dense_macs_total for layer in counts.layers)) == brute(model, x)
    assert not counts.not_counted and not counts.warnings and counts.coverage_fraction == 1.0
    price = bench.estimate_energy(counts, "horowitz-fp32")
    assert price.total_pj_per_sample == pytest.approx(price.at_least_pj_per_sample) and not price.left_out
    assert {layer.operation for layer in price.layers} == {"mac"}
    return counts


# With the dense MACs that fvcore and torch find of a thousand classes at 64 x 64 pixels, where they are known.
TORCHVISION = {
    "resnet18": 148_557_824,
    "squeezenet1_0": None,
    "shufflenet_v2_x0_5": None,
    "googlenet": None,
    "densenet121": None,
    "mobilenet_v3_small": 6_516_480,
    "efficientnet_b0": None,
    "convnext_tiny": None,
    "swin_t": 771_645_312,
    "vit_b_32": None,
}
OPTIONS = {"vit_b_32": {"image_size": 64}, "googlenet": {"init_weights": False, "aux_logits": False}}
SLOW = {"densenet121": [pytest.mark.slow]}


@pytest.mark.parametrize("name", [pytest.param(name, marks=SLOW.get(name, ())) for name in TORCHVISION])
def test_torchvisions_models_equal_torchs_flop_counter_and_have_an_energy(name):
    torch.manual_seed(0)
    counts = check(getattr(library("torchvision.models"), name)(**OPTIONS.get(name, {})), torch.rand(1, 3, 64, 64))
    assert TORCHVISION[name] in (None, counts.dense_macs_per_sample)


# With the dense MACs of a sample at 64 x 64 pixels, as torch's counter finds them; pairs of products in attention.
TIMM = {
    "vit_tiny_patch16_224": ({"img_size": 64}, 93_936_000, 12),
    "swin_tiny_patch4_window7_224": ({"img_size": 64}, 424_552_320, 12),
    "convnext_atto": ({}, 44_657_280, 0),
    "efficientnet_b0": ({}, 31_979_392, 0),
    "mobilenetv3_small_100": ({}, 5_502_720, 0),
}


@pytest.mark.parametrize("name", TIMM)
def test_timms_models_equal_torchs_flop_counter_and_have_an_energy(name):
    options, dense, blocks = TIMM[name]
    torch.manual_seed(0)
    model = library("timm").create_model(name, pretrained=False, num_classes=10, **options)
    x = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    counts = check(model, x)
    assert counts.samples == 2 and counts.dense_macs_per_sample == dense
    products = [layer for layer in counts.layers if layer.kind == "matmul"]
    assert len(products) == 2 * blocks
    assert {(layer.input_kind, layer.second_kind) for layer in products} <= {("analog", "analog")}


def test_attention_of_timm_has_the_macs_of_its_tokens():
    """Sixteen patches and a class: 17 x 17 products of 64 in each of 3 heads, twice a block."""
    model = library("timm").create_model("vit_tiny_patch16_224", pretrained=False, depth=1, img_size=64)
    counts = bench.count_operations(model, [torch.rand(2, 3, 64, 64)])
    found = [layer.dense_macs_per_sample for layer in counts.layers if layer.kind == "matmul"]
    assert found == [17 * 17 * 64 * 3] * 2
