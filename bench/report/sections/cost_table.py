"""A cost table in words: its source and scope, its prices and what they assume."""

from __future__ import annotations

from bench.energy.memory import AccessPrice
from bench.energy.status import by_status
from bench.energy.table import LACKS, CostTable
from bench.report.formats.document import Bullets
from bench.report.formats.inline import Emphasis, Inline, Said, Text, join, text


def about(costs: CostTable) -> Bullets:
    """Return what a reader has to know of a cost table."""
    rest = costs.rest_table
    lines = [
        text(Said(costs.title), f". Node: {costs.node_nm:g} nm. Precision: ", Said(costs.precision), "."),
        text("Source: ", Said(costs.source.rstrip(".")), "."),
        text("Scope: ", Said(costs.scope.rstrip(".")), "."),
        lacking(costs, explained=True),
        *([] if rest is None else [Said(hybrid(costs, rest))]),
        *([_OPERATING_POINT] if costs.operating_point else []),
        *_prices(costs),
        *([] if rest is None else _prices(rest, f" of {rest.name}")),
    ]
    notes = [text(Emphasis(Said(name)), ": ", Said(why.rstrip("."))) for name, why in costs.assumptions.items()]
    return Bullets([*lines, text("Assumptions and notes. ", join("; ", notes), ".")] if notes else lines)


def lacking(costs: CostTable, *, explained: bool = False) -> str:
    """Say what a table's prices leave out."""
    if costs.lacks is None:
        return "What its prices leave out is not said."
    found = [f"{what} ({LACKS[what]})" if explained else what for what in costs.lacks]
    if not found:
        return "Its prices leave out nothing of a chip."
    return f"Its prices leave out {' and '.join(filter(None, [', '.join(found[:-1]), found[-1]]))}."


_OPERATING_POINT = (
    "An operating point: the power of a whole chip, static power included, over its events at one load. How it grows "
    "with the firing rate cannot be told from it, so no break-even rate is computed, and no neuron energy is added."
)


def hybrid(costs: CostTable, rest: CostTable) -> str:
    """Say who prices what in a hybrid total, on which node (nanometre) and in which scope."""
    flattered = " The chip's prices contain its memory and theirs do not, which flatters networks without spikes."
    apart = "" if rest.memory else flattered
    return (
        f"Hybrid: spiking layers and neurons on the chip ({costs.node_nm:g} nm), all else and networks without spikes "
        f"by {rest.name} ({rest.node_nm:g} nm; {rest.scope.rstrip('.')}); nothing is scaled from node to node.{apart}"
    )


def _prices(costs: CostTable, of: str = "") -> list[Inline]:
    prices = ", ".join(f"{name} {pj:g}" for name, pj in costs.operation_pj.items())
    return [text(Said(f"Prices{of}, pJ: {prices}"), "."), *_about_memory(costs), _rests_on(costs)]


def _rests_on(costs: CostTable) -> Text:
    """Say of every price whether it was read in the source, quoted by others or assumed."""
    found = by_status(costs.statuses).items()
    clauses = (text(f"{status} ({len(names)}): ", Said(", ".join(names))) for status, names in found)
    return text("What the prices rest on: ", join("; ", clauses), ".")


def _about_memory(costs: CostTable) -> list[Inline]:
    lines: list[Inline] = []
    if costs.memory is not None:
        prices = [*([("any access", costs.memory.price)] if costs.memory.price else []), *costs.memory.prices.items()]
        found = "; ".join(f"{name}: {_access_price(price)}" for name, price in prices)
        lines.append(f"Memory, pJ per {costs.memory.word_bits}-bit word: {found}.")
    if costs.neuron_update_pj is not None:
        idle = costs.neuron_update_idle_pj
        without = "" if idle is None else f"; one that ends in no spike: {idle:g}"
        lines.append(f"A neuron update, pJ per state word: {costs.neuron_update_pj:g}{without}.")
    if costs.spike_pj is not None:
        lines.append(f"A routed spike, pJ (in the column addressing): {costs.spike_pj:g}.")
    if costs.spike_bit_pj is not None:
        lines.append(f"Each bit of a spike's address, pJ (in the column addressing): {costs.spike_bit_pj:g}.")
    if costs.included:
        lines.append(f"Contained in these prices, not priced apart: {', '.join(costs.included)}.")
    return lines


def _access_price(price: AccessPrice) -> str:
    points = [f"{pj:g} at {size:,.0f} bytes" for size, pj in zip(price.sizes_bytes, price.pj, strict=True)]
    parts = [f"{price.base_pj:g}"] if price.base_pj else []
    parts += [f"{price.pj_per_bit:g} per bit of the memory"] if price.pj_per_bit else []
    parts += [", ".join(points)] if points else []
    return " + ".join(parts) or "0"
