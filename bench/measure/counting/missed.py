"""How much there is to contractions that are not counted by operand: their dense MACs, by their shapes."""

from __future__ import annotations

from torch import Tensor

from bench.measure.counting.nodes import Contraction

# Each output is a sum over what the last axis of the first operand holds.
_OVER_LAST_AXIS = frozenset(["quantized.linear_dynamic", "_cdist_forward", "linear", "_weight_int8pack_mm"])


def dense_products(call: Contraction) -> int | None:
    """Return the dense MACs of one call, half the FLOPs that torch's own formulae say; None where nobody says.

    A product of complex numbers is four of real ones.
    """
    if call.op in _OVER_LAST_AXIS:
        first: Tensor = call.args[0]
        return call.out.numel() * int(first.shape[-1])
    from torch.utils.flop_counter import flop_registry

    formula = flop_registry.get(getattr(call.overload, "overloadpacket", None))
    if formula is None:
        return None
    each = 4 if call.out.is_complex() else 1
    return each * (int(formula(*call.args, **call.kwargs, out_val=call.out)) // 2)
