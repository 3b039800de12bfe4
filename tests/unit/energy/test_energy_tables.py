"""Cost tables: the prices they hold, and what is said about a file that is wrong."""

import tracemalloc

import pytest

from bench.energy.status import READ, STATUSES, in_numbers
from bench.energy.table import OPERATIONS, load_table, table_names
from bench.errors import TableError, UnknownNameError
from bench.measure.counting.ops import elementary_operations
from bench.measure.counting.spikes import THRESHOLDS

# Horowitz 2014, 45 nm, pJ: addition, multiplication
HOROWITZ = {"fp32": (0.9, 3.7), "fp16": (0.4, 1.1), "int8": (0.03, 0.2), "int8-acc32": (0.1, 0.2), "int32": (0.1, 3.1)}

GOOD = """
title = "Mine"
source = "measured"
node_nm = 7
precision = "int4"
scope = "compute"
[operation_pj]
ac = 1
mac = 2.5
"""


@pytest.mark.parametrize("precision", sorted(HOROWITZ))
def test_horowitz_prices(precision):
    table = load_table(f"horowitz-{precision}")
    add, multiply = HOROWITZ[precision]
    prices = table.operation_pj
    assert prices["add"] == prices["ac"] == prices["sub"] == prices["compare"] == prices["select"] == add
    assert prices["mul"] == multiply
    assert prices["mac"] == pytest.approx(add + multiply, rel=1e-12)
    for smooth in ("sigmoid", "tanh", "exp", "erf", "log"):
        assert prices[smooth] == pytest.approx(4 * (add + multiply), rel=1e-12)
    assert prices["div"] == pytest.approx(2 * add + 5 * multiply, rel=1e-12)
    assert prices["sqrt"] == pytest.approx(2 * add + 7 * multiply, rel=1e-12)
    assert set(table.assumptions) - {"bits", "source"} == set(prices) - {"mac", "ac", "add", "mul"}
    assert (table.node_nm, table.precision) == (45, precision)


def test_mac_prices_are_the_ones_usually_quoted():
    quoted = {"fp32": (4.6, 0.9), "fp16": (1.5, 0.4), "int8": (0.23, 0.03), "int32": (3.2, 0.1)}
    for precision, prices in quoted.items():
        table = load_table(f"horowitz-{precision}").operation_pj
        assert (table["mac"], table["ac"]) == prices


def test_tables_are_found_by_file_name():
    assert {f"horowitz-{precision}" for precision in HOROWITZ} <= set(table_names())
    assert all(load_table(name).name == name for name in table_names())


def test_every_price_of_every_table_says_what_it_rests_on():
    for name in table_names():
        statuses = load_table(name).statuses
        assert statuses and set(statuses.values()) <= set(STATUSES), name


def test_a_price_that_rests_on_an_assumption_is_not_said_to_be_read():
    made = {"mac", "ac", "add", "mul", "memory", "bits", "source", "addressing", "neuron_update", "included", "spike"}
    for name in table_names():
        table = load_table(name)
        if "mac" in table.operation_pj:
            assert {table.statuses[key] for key in set(table.assumptions) - made} == {"assumed"}, name
    read = {name for name in table_names() if READ in load_table(name).statuses.values()}
    assert read == {"odin", "reckon"}


def test_a_table_without_statuses_says_so_and_a_price_filled_in_is_assumed(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(GOOD + "compare = 1\n")
    assert load_table(path).statuses == {"ac": "not said", "mac": "not said", "compare": "not said", "logic": "assumed"}
    path.write_text(GOOD + '[status]\ndefault = "read in the source"\nac = "assumed"\n')
    assert load_table(path).statuses == {"ac": "assumed", "mac": "read in the source"}


def test_statuses_are_by_the_name_of_the_price():
    assert list(load_table("loihi").statuses) == ["ac", "neuron_update", "neuron_update_idle", "spike"]
    assert {"memory", "load"} < set(load_table("horowitz-memory").statuses)
    assert in_numbers(load_table("horowitz-fp32").statuses) == "4 quoted second-hand, 13 assumed"


def test_every_operation_that_counting_finds_is_a_word_that_tables_know():
    assert elementary_operations() <= set(OPERATIONS)
    assert THRESHOLDS.isdisjoint(OPERATIONS)


def test_a_users_own_table(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(GOOD)
    table = load_table(path)
    assert (table.name, table.operation_pj, table.assumptions) == ("mine", {"ac": 1.0, "mac": 2.5}, {})
    assert load_table(str(path)) == table


def test_an_unknown_name_gets_the_nearest_one():
    with pytest.raises(UnknownNameError, match=r"unknown table 'horowitz-fp23'; did you mean 'horowitz-fp32'\?"):
        load_table("horowitz-fp23")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("ac = 1", "ac = -1", r"operation_pj\.ac: Input should be greater than or equal to 0"),
        ("ac = 1", "ac = nan", r"operation_pj\.ac: Input should be"),
        ("ac = 1", "ac = inf", r"operation_pj\.ac: Input should be a finite number"),
        ("ac = 1", 'ac = "1"', r"operation_pj\.ac: Input should be a valid number"),
        ("ac = 1", "ac = true", r"operation_pj\.ac: Input should be a valid number"),
        ("ac = 1", "sigmod = 1", r"operation_pj: unknown operation 'sigmod'; did you mean 'sigmoid'\?"),
        ("scope =", "scop =", r"scop: unknown key; did you mean 'scope'\?"),
        ('scope = "compute"', "", "scope: Field required"),
        ("node_nm = 7", "node_nm = 0", "node_nm: Input should be greater than 0"),
        ("node_nm = 7", 'name = "x"\nnode_nm = 7', "name: a table is named by its file"),
        ("node_nm = 7", "node_nm = ", "not valid TOML: Invalid value"),
        ("node_nm = 7", "node_nm = " + "9" * 5000, "not valid TOML: Exceeds the limit"),
        ("node_nm = 7", "node_nm = 0x" + "f" * 9000, "not valid TOML: a number of more than 4,300 digits"),
        ("node_nm = 7", "node_nm = " + "[" * 3000, "not valid TOML: nested too deeply"),
        ("node_nm = 7", f"node_nm = {'[' * 40}{']' * 40}", "nested too deeply; a cost table has at most 32 levels"),
        ("node_nm = 7", "node_nm = 1e308", "node_nm: Input should be less than"),
        ("node_nm = 7", "node_nm = 7\nbits = 1" + "0" * 400, "bits: Input should be less than"),
        (
            "[operation_pj]",
            'status = { ac = "raed in the source" }\n[operation_pj]',
            r"mine\.toml: status\.ac: unknown status 'raed in the source'; did you mean 'read in the source'\?",
        ),
        (
            "[operation_pj]",
            'status = { mca = "assumed" }\n[operation_pj]',
            r"status\.mca: the table has no such price; did you mean 'mac'\?",
        ),
        (
            "[operation_pj]",
            'status = { sigmoid = "assumed" }\n[operation_pj]',
            r"status\.sigmoid: the table has no such price; known: ac, mac, default",
        ),
        ("ac = 1", "ac = 1e300", r"operation_pj\.ac: Input should be less than or equal to 1000000000000000"),
        (
            "[operation_pj]",
            f"memory = {{ accesses = 'lemaire', word_bits = 1{'0' * 400} }}\n[operation_pj]",
            r"memory\.word_bits: Input should be less than",
        ),
    ],
)
def test_a_wrong_file_is_named_with_its_key(tmp_path, old, new, message):
    path = tmp_path / "mine.toml"
    assert old in GOOD
    path.write_text(GOOD.replace(old, new))
    with pytest.raises(TableError, match=message) as caught:
        load_table(path)
    assert str(path) in str(caught.value)


def test_all_problems_of_a_file_are_told_at_once(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(GOOD.replace("ac = 1", "ac = -1").replace("node_nm = 7", "node_nm = 0"))
    with pytest.raises(TableError) as caught:
        load_table(path)
    assert len(str(caught.value).splitlines()) == 2


def test_a_file_that_cannot_be_read(tmp_path):
    with pytest.raises(TableError, match=r"gone\.toml: cannot be read: No such file.*horowitz-fp32"):
        load_table(tmp_path / "gone.toml")
    binary = tmp_path / "binary.toml"
    binary.write_bytes(b"\xff\xfe\x00\x01")
    with pytest.raises(TableError, match=r"binary\.toml: not a text file"):
        load_table(binary)
    with pytest.raises(TableError, match=r"nul\\x00\.toml': a cost table's name has no control characters"):
        load_table(tmp_path / "nul\0.toml")
    with pytest.raises(TableError, match="a cost table's name has no control characters; rename the file"):
        load_table(tmp_path / "a\n```\n.toml")
    folder = tmp_path / "folder.toml"
    folder.mkdir()
    with pytest.raises(TableError, match=r"folder\.toml: cannot be read"):
        load_table(folder)


def test_a_huge_file_is_refused_without_reading_it(tmp_path):
    path = tmp_path / "huge.toml"
    with path.open("wb") as file:
        file.truncate(100 * 2**20)
    tracemalloc.start()
    try:
        with pytest.raises(TableError, match=r"huge\.toml: larger than 200 kB; a cost table is a page of TOML"):
            load_table(path)
        assert tracemalloc.get_traced_memory()[1] < 2_000_000
    finally:
        tracemalloc.stop()


def test_of_very_many_problems_the_first_are_told(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text("\n".join(f"key{n} = 1" for n in range(3000)) + GOOD)
    with pytest.raises(TableError, match=r"and 2,900 more problems$") as caught:
        load_table(path)
    assert len(str(caught.value).splitlines()) == 101


def test_every_table_says_what_its_prices_leave_out():
    said = {name: load_table(name).lacks for name in table_names()}
    assert None not in said.values()
    assert said["horowitz-fp32"] == ["memory", "addressing", "routing", "leakage"] and said["truenorth-2014"] == []
    with_memory = {name for name in said if load_table(name).memory is not None}
    assert {name for name in with_memory if "memory" in said[name]} == set() and len(with_memory) == 5
    compute_only = {name for name in said if load_table(name).scope.startswith("compute only")}
    assert compute_only == {name for name in said if "memory" in said[name]}


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ('lacks = ["heat"]', "lacks"),
        ('lacks = ["routing"]\nspike_pj = 1', "lacks: the table prices routing; leave it out of the list"),
        (
            'lacks = ["leakage"]\noperating_point = true\nincluded = ["neuron", "bias"]',
            "lacks: the table prices leakage",
        ),
    ],
)
def test_a_table_cannot_lack_what_it_prices(tmp_path, more, message):
    path = tmp_path / "mine.toml"
    path.write_text(more + GOOD)
    with pytest.raises(TableError, match=message):
        load_table(path)
