"""A cost table for numbers of fewer bits than its own: what a quantised layer is charged.

A multiplier of a x b bits is taken to cost in proportion to a b, and an access in proportion to the bits that it moves;
an accumulate keeps its price, since sums do not fit into the width of their products.
"""

from __future__ import annotations

from bench.energy.memory import Memory, Purpose
from bench.energy.table import CostTable


def narrowed(
    table: CostTable, input_bits: int | None = None, weight_bits: int | None = None, *, outputs_too: bool = False
) -> CostTable | None:
    """Return `table` for inputs and weights of so many bits, None meaning its own width; wider ones cost as its own.

    outputs_too: what a layer writes is as wide as its inputs. None where the table does not say its own width or has no
    price of a MAC.
    """
    mac, ac = table.operation_pj.get("mac"), table.operation_pj.get("ac")
    if table.bits is None or mac is None or ac is None:
        return None
    inputs, weights = (1.0 if bits is None else min(1.0, bits / table.bits) for bits in (input_bits, weight_bits))
    prices = table.operation_pj | {"mac": ac + (mac - ac) * inputs * weights}
    memory = table.memory and _narrowed(table.memory, ("input", "output") if outputs_too else ("input",), inputs)
    memory = memory and _narrowed(memory, ("weight", "load"), weights)
    return table.model_copy(update={"operation_pj": prices, "memory": memory})


def _narrowed(memory: Memory, purposes: tuple[Purpose, ...], factor: float) -> Memory:
    priced = tuple(purpose for purpose in purposes if purpose in memory.prices or purpose != "load")
    return memory if factor == 1.0 else memory.scaled(priced, factor)
