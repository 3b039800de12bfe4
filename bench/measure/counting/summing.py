"""Operators that sum products, and those of which nobody knows whether they do."""

from __future__ import annotations

from typing import Any

import torch

from bench.measure.counting.nests import tensors

# Inputs meet weights in these; a synaptic layer runs one of them once.
CONTRACTIONS = frozenset(
    "mm addmm bmm baddbmm addbmm addmv mv dot vdot linear convolution _convolution convolution_overrideable _trilinear"
    " _scaled_dot_product_flash_attention _scaled_dot_product_flash_attention_for_cpu"
    " _scaled_dot_product_efficient_attention _scaled_dot_product_cudnn_attention"
    " mkldnn_rnn_layer _cudnn_rnn _native_multi_head_attention _transformer_encoder_layer_fwd"
    " quantized.linear_dynamic _cdist_forward _fft_r2c _fft_c2c _fft_c2r _embedding_bag _embedding_bag_forward_only"
    " _scaled_mm _grouped_mm _int_mm _weight_int8pack_mm _weight_int4pack_mm _addmm_activation _sparse_mm"
    " _sparse_addmm sspaddmm hspmm _sparse_semi_structured_linear _sparse_semi_structured_mm"
    " _sparse_semi_structured_addmm _cslt_sparse_mm".split()
)

# Not known, and no sums of products.
_MOVES_MATRICES = frozenset(
    "scatter_reduce index_reduce masked_scatter masked_select searchsorted isin take put".split()
)

# A product that is added to their first operand.
SUMMED_INTO = frozenset(["addmm", "baddbmm", "addbmm", "addmv"])


def may_sum_products(func: Any, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    """Whether an operator that nobody knows may meet inputs with weights.

    One of torch's needs two operands of two axes or more; anybody else's, a second operand, or weights that are packed.
    """
    if name in CONTRACTIONS:
        return True
    if name in _MOVES_MATRICES or torch.Tag.pointwise in getattr(func, "tags", ()):
        return False
    operands = list(tensors((args, kwargs)))
    if getattr(func, "namespace", "aten") == "aten":
        return sum(tensor.dim() > 1 for tensor in operands) > 1
    packed = any(isinstance(value, torch.ScriptObject) for value in (*args, *kwargs.values()))
    return packed or (len(operands) > 1 and any(tensor.dim() > 1 for tensor in operands))
