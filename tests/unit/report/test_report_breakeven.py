"""Break-even, the bit-matched baseline and the published bounds in the report, by hand."""

import re

import pytest
from support.reports import cells, layer, make_records, make_suite, section
from support.suites import entry

from bench.energy.table import TABLES
from bench.report.evidence.comparison import compare
from bench.report.evidence.pricing import DENSE, price
from bench.report.page import render_report


def part(suite, records, heading, tables=None):
    energy = section(render_report(suite, records, tables), "Energy")
    found = re.search(rf"### {heading}\n\n(.*?)(?=\n\n###|\Z)", energy, re.S)
    return found[1].strip().split("\n\n") if found else None


def test_break_even_rates_and_sides(suite):
    note, rates, lines = part(suite, make_records(suite), "Break-even")
    assert "equals that of ANN under the same table" in note
    lif_dense, lif_skipping = 0.2 * (13845 - 9658) / 54, 0.2 * (6025 - 5058) / 54
    assert lif_dense > 1 and lif_skipping > 1
    assert cells(rates)[1:] == [
        ["horowitz-fp32", "LIF", "0.2000", "any: less even at 1", "any: less even at 1"],
        ["horowitz-fp32", "CLIF", "0.0500", "any: less even at 1", "none: more even without a spike"],
    ]
    lif, clif = lines.splitlines()
    assert lif == (
        "* **LIF** fires at 0.2000. Against ANN computed densely it is on the side of less energy under horowitz-fp32. "
        "Against ANN with zeros skipped on both sides it is on the side of less energy under horowitz-fp32."
    )
    assert clif.endswith("it is on the side of more energy at any firing rate under horowitz-fp32.")


def test_memory_that_spikes_cause_moves_with_the_rate(suite):
    comparison = compare(suite, make_records(suite))
    (priced,) = price(comparison, ["yan-2024-22nm"])
    lif = comparison.entries[1]
    # 60 synops x (0.05448 + 160 pJ) and 8 spikes written at 2 pJ per sample
    driven = 60 * 160.05448 + 8 * 2
    total, base = priced.mean(lif, "total", DENSE), priced.mean(comparison.baseline, "total", DENSE)
    assert priced.break_even_rate(lif, DENSE) == pytest.approx(0.2 * (base - (total - driven)) / driven)


def test_the_bit_matched_baseline_is_labelled_analytical(suite):
    note, found = part(suite, make_records(suite), re.escape("ANN with matched activation bits (analytical)"))
    assert "No such network was trained or counted" in note and "Yan et al. 2024" in note
    # T = 2: 2 bits. 3000 MACs x (0.9 + 3.7 x 2/32), 30 additions, 20 comparisons; zero-skipping 1300 MACs.
    dense, skipping = (macs * (0.9 + 3.7 * 2 / 32) + 27 + 18 for macs in (3000, 1300))
    rows = cells(found)[1:]
    assert rows[0][:5] == ["horowitz-fp32", "LIF", "2", "2", f"{dense / 1000:.3f} nJ"]
    assert rows[0][5] == f"{9712 / dense:.2f}×"
    assert rows[0][6:] == [f"{skipping / 1000:.3f} nJ", f"{5112 / skipping:.2f}×"]


@pytest.fixture
def chip(tmp_path):
    """A chip's table that prices nothing else."""
    path = tmp_path / "chip.toml"
    loihi = (TABLES / "loihi.toml").read_text()
    path.write_text(re.sub(r'^rest = ".*"\n', "", loihi, flags=re.M))
    return str(path)


def test_a_chip_is_on_neither_side_and_has_no_row(suite, chip):
    blocks = part(suite, make_records(suite), "Break-even", [chip])
    assert len(blocks) == 2 and "on neither side (some work has no price) under chip" in blocks[1]
    assert part(suite, make_records(suite), re.escape("ANN with matched activation bits (analytical)"), [chip]) is None
    energy = section(render_report(suite, make_records(suite), [chip]), "Energy")
    unpriced = cells(re.search(r"\| entry   \| no price for.*?(?=\n\n)", energy, re.S)[0])
    lif = next(row for row in unpriced if row[0] == "LIF")
    assert lif[1:] == ["stem: mac", "fc", "1.416"]
    assert "Contained in these prices, not priced apart: bias." in energy


def test_a_hybrid_has_a_ratio_and_says_what_it_is(suite):
    report = render_report(suite, make_records(suite), ["odin"])
    name = "odin+horowitz-int8-acc32"
    said = (
        "Hybrid: spiking layers and neurons on the chip (28 nm), all else and networks without spikes by horowitz-int8"
    )
    for heading in ("Verdict", "Energy"):
        assert section(report, heading).count(f"{said}-acc32 (45 nm; compute only:") == 1
        assert "The chip's prices contain its memory and theirs do not" in section(report, heading)
    assert f"Under {name} it is" in section(report, "Verdict") and f"### {name}" in section(report, "Energy")
    assert "Prices of odin: 1 read in the source; of horowitz-int8-acc32: 3 quoted" in section(report, "Verdict")
    rows = {row[1]: row for row in cells(part(suite, make_records(suite), "Break-even", ["odin"])[1])[1:]}
    assert rows["LIF"][0] == name


def test_no_break_even_rate_is_computed_from_an_operating_point(suite):
    blocks = part(suite, make_records(suite), "Break-even", ["truenorth-2014"])
    why = "on neither side (the power of a whole chip at one load has no break-even rate) under truenorth-2014+horowitz"
    assert len(blocks) == 2 and blocks[1].count(why) == 4
    comparison = compare(suite, make_records(suite))
    (priced,) = price(comparison, ["truenorth-2014"])
    lif = comparison.entries[1]
    assert priced.ratio(lif, "total", DENSE) is not None and priced.break_even_rate(lif, DENSE) is None
    energy = section(render_report(suite, make_records(suite), ["truenorth-2014"]), "Energy")
    assert "so no break-even rate is computed, and no neuron energy is added." in energy


def test_a_table_with_memory_prints_its_prices(suite):
    energy = section(render_report(suite, make_records(suite), ["lemaire", "lemaire-regression"]), "Energy")
    assert "Memory, pJ per 32-bit word: any access: 10 at 8,192 bytes, 20 at 32,768 bytes" in energy
    assert "13.2 + 1.09e-05 per bit of the memory" in energy


@pytest.mark.parametrize(
    ("synops", "side"),
    [
        (200, "0.1000 spikes per synapse are below 0.15: less energy than a conventional network in every case"),
        (
            1000,
            "0.5000 spikes per synapse are between 0.15 and 1.38: less energy than a conventional network in some",
        ),
        (2760, "1.380 spikes per synapse are not below 1.38: more energy than a conventional network in every case"),
    ],
)
def test_spikes_per_synapse_against_the_published_band(suite, synops, side):
    changed = [
        r.model_copy(update={"layers": [r.layers[0], layer("fc", 2, "binary", 2000, 2000, synops)]})
        if r.label == "LIF"
        else r
        for r in make_records(suite)
    ]
    _, lines, _ = part(suite, changed, "Against published bounds")
    assert lines.splitlines()[0].startswith(f"* **LIF**: {side}")


def test_firing_rates_against_the_other_bounds(suite):
    note, lines, _ = part(suite, make_records(suite), "Against published bounds")
    assert "as quoted by others" in note
    lif, clif = lines.splitlines()
    assert "a firing rate of 20.00 % is not below 6.4 %, which was derived for T of 5 to 10 and not for 2" in lif
    assert "0.4000 spikes per neuron are below 1.72" in lif
    assert "a firing rate of 5.00 % is below 6.4 %" in clif


def test_the_later_bound_holds_at_5_timesteps():
    names = (("ANN", "relu", 1), ("LIF", "lif", 5))
    suite = make_suite(entries=[{"label": a, "neuron": {"name": n}, "timesteps": t} for a, n, t in names])
    _, lines, _ = part(suite, make_records(suite), "Against published bounds")
    assert "% is not below 5.7 %;" in lines or "% is below 5.7 %;" in lines


def test_nothing_that_spikes_leaves_no_section():
    entries = [entry("ANN", "relu", 1), entry("ANN 2", "relu", 1, encoder={"name": "rate"})]
    suite = make_suite(entries=entries)
    records = make_records(suite)
    for heading in ("Break-even", "Against published bounds"):
        assert part(suite, records, heading) is None


def test_a_network_without_spikes_that_reads_events_is_held_against_no_bound(suite):
    events = [
        r.model_copy(update={"layers": [r.layers[0], layer("fc", 1, "graded", 2000, 2000, 500)]})
        if r.label == "ANN"
        else r
        for r in make_records(suite)
    ]
    _, lines, table = part(suite, events, "Against published bounds")
    assert "ANN" not in lines and "| ANN" not in table and "LIF" in lines
