"""Every comparison there is: which table of ours against which model of others, on which networks."""

from collections.abc import Callable
from dataclasses import dataclass

from support.conforming import horowitz, lemaire, loihi, machines
from support.conforming.by_spikingjelly import by_spikingjelly
from support.conforming.causes import Comparison, compared, other_table
from support.conforming.qualia import qualia


@dataclass(frozen=True)
class Row:
    """One of our tables against one model of others.

    theirs: a drawn network -> picojoule per sample, or None where the model does not express it.  causes: the same ->
    what each cause adds to our `base`; where `table` is another, the way from one to the other is the first cause.
    """

    peer: str
    model: str
    table: str
    base: str
    theirs: Callable
    causes: Callable

    def of(self, drawn):
        """Compare one network; None where the other model does not express it."""
        theirs = self.theirs(drawn)
        if theirs is None:
            return None
        return compared(drawn, self.table, theirs, other_table(drawn, self.table, self.base) | self.causes(drawn))


def estimated(name):
    """The number that SpikingJelly's model of this name gives."""
    return lambda drawn: getattr(by_spikingjelly(drawn), name)


def computed(precision):
    """What SpikingJelly's simple model computes, without memory."""
    return Row(
        "SpikingJelly",
        f"simple ({precision}), its MACs and ACs alone",
        f"horowitz-{precision}",
        f"horowitz-{precision}",
        lambda drawn: by_spikingjelly(drawn).compute[precision],
        lambda drawn: horowitz.to_compute(drawn, by_spikingjelly(drawn).neuron_acs, precision),
    )


def to_simple(drawn):
    """The causes of SpikingJelly's simple model, with the additions that its trace finds in neurons."""
    return horowitz.to_simple(drawn, by_spikingjelly(drawn).neuron_acs)


SPIKINGJELLY = (
    Row("SpikingJelly", "Lemaire", "lemaire", "lemaire", estimated("lemaire"), lemaire.to_spikingjelly),
    Row("SpikingJelly", "Lemaire", "lemaire-regression", "lemaire", estimated("lemaire"), lemaire.to_spikingjelly),
    Row("SpikingJelly", "simple (fp32)", "horowitz-memory", "horowitz-memory", estimated("simple"), to_simple),
    Row("SpikingJelly", "simple (fp32)", "horowitz-fp32", "horowitz-memory", estimated("simple"), to_simple),
    *map(computed, ("fp32", "fp16", "int8")),
    Row("SpikingJelly", "SpikeSim", "lemaire", "lemaire", estimated("spikesim"), machines.to_spikesim),
    Row("SpikingJelly", "NeuroMC", "horowitz-memory", "horowitz-memory", estimated("neuromc"), machines.to_neuromc),
)


def by_qualia(drawn):
    """What Qualia's formulas give."""
    return qualia(drawn.counts, formal=drawn.kind == "ann")


QUALIA = tuple(
    Row("Qualia", "Lemaire, as formulas", table, "lemaire-regression", by_qualia, lemaire.to_qualia)
    for table in ("lemaire-regression", "lemaire")
)


def sanafe_row(chips):
    """SANA-FE's Loihi, of networks that were simulated: drawn network -> Chip."""
    return Row("SANA-FE", "Loihi", "loihi", "loihi", lambda drawn: chips[drawn].total, loihi.to_sanafe)


def comparisons(row, drawn_networks) -> list[Comparison]:
    """Every network under one row, those left out that the other model does not express."""
    found = (row.of(drawn) for drawn in drawn_networks)
    return [one for one in found if one is not None]
