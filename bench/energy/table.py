"""A cost table: what each elementary operation costs, with the source and the scope of the numbers."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from bench.energy.memory import Bits, Memory, Price
from bench.energy.status import ASSUMED, DEFAULT, NOT_SAID, checked_statuses
from bench.errors import MOST_PROBLEMS, TableError, UnknownNameError, nearest
from bench.files.toml_file import read_toml
from bench.plugins.installed import Installed, chosen, installed_files

TABLES = Path(__file__).parent / "tables"

# What counting can find. `ac` is one accumulate of a weight, `mac` one multiply-accumulate; `select` is a choice
# between two values, as a product with a spike is, `shift` a product with a power of two, `logic` an AND, OR or NOT of
# spikes.
OPERATIONS = (
    "mac",
    "ac",
    "add",
    "sub",
    "mul",
    "div",
    "compare",
    "select",
    "shift",
    "logic",
    "sigmoid",
    "tanh",
    "exp",
    "erf",
    "log",
    "sqrt",
    "random",
)

# What the prices of a table may leave out, and what it would be.
Lacking = Literal["memory", "addressing", "routing", "leakage"]
LACKS: dict[Lacking, str] = {
    "memory": "fetching weights, keeping states, moving activations",
    "addressing": "working out where a spike goes",
    "routing": "carrying spikes and activations over a chip",
    "leakage": "what idle neurons and the chip draw while time passes",
}

# What is taken to cost as much as another operation, which can do it, where a table has a price for that one alone.
_AT_MOST = {"select": "mul", "shift": "mul", "logic": "compare"}

# What else of a table may rest on an assumption.
TOPICS = ("source", "memory", "addressing", "neuron_update", "spike", "included", "bits")

# What a table is given when it is read, and why its file does not say it.
_NOT_IN_FILES = {
    "name": "a table is named by its file; leave the key out",
    "rest_table": "the table of the rest is named: rest = 'NAME'",
}


class CostTable(BaseModel):
    """One file of `tables/`, or a user's own.

    node_nm: process node, nanometre.  scope: what the prices cover.  operation_pj: picojoule per operation; one that
    is missing has no price.  assumptions: operation or topic -> how its price was made where the source gives none.
    bits: width of the operands.  memory: the price of accesses; without it they are outside the scope.
    neuron_update_pj: of one update of one state word of a spiking neuron, whatever it computes; neuron_update_idle_pj:
    of one that ends in no spike, where that is another price.  spike_pj: of sending one spike; spike_bit_pj: of each
    bit of its address in its layer, beside that.  included: columns whose work the price of an accumulate or of an
    update already contains.  status: what each price rests on, by the name it has in `price_names`, or `default`.
    operating_point: the price of an accumulate is the power of a whole chip over its events at one load, static power
    in it.  lacks: what of `LACKS` its prices leave out; without it that is not known.  rest: the table, by name or by
    a path beside this file, that prices what is not spiking where this one has no price; rest_table: that table, read.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    name: str
    title: str
    source: str
    node_nm: Annotated[float, Field(gt=0.0, le=1e6)]
    precision: str
    scope: str
    operation_pj: dict[str, Price]
    assumptions: dict[str, str] = {}
    status: dict[str, str] = {}
    bits: Bits | None = None
    memory: Memory | None = None
    neuron_update_pj: Price | None = None
    neuron_update_idle_pj: Price | None = None
    spike_pj: Price | None = None
    spike_bit_pj: Price | None = None
    included: Annotated[list[Literal["neuron", "bias"]], Field(max_length=2)] = []
    operating_point: bool = False
    lacks: Annotated[list[Lacking], Field(max_length=4)] | None = None
    rest: str | None = None
    rest_table: CostTable | None = None

    @field_validator("operation_pj")
    @classmethod
    def _known_operations(cls, value: dict[str, Any]) -> dict[str, Any]:
        return _known(value, OPERATIONS, "operation")

    @model_validator(mode="after")
    def _prices_filled_in(self) -> CostTable:
        checked_statuses(self.status, self.price_names)
        for operation, other in _AT_MOST.items():
            if operation not in self.operation_pj and other in self.operation_pj:
                self.operation_pj[operation] = self.operation_pj[other]
                self.assumptions.setdefault(operation, f"has no price of its own; at most that of a {other}")
                self.status[operation] = ASSUMED
        return self

    @model_validator(mode="after")
    def _operating_point_alone(self) -> CostTable:
        apart = [name for name in self.price_names if name.startswith(("neuron_update", "spike"))]
        if self.operating_point and apart:
            raise ValueError(f"operating_point: it contains all that a chip does; leave out {apart[0]}_pj")
        if self.operating_point and "neuron" not in self.included:
            raise ValueError("operating_point: it contains all that a chip does; say included = ['neuron', 'bias']")
        return self

    @model_validator(mode="after")
    def _lacks_nothing_that_it_prices(self) -> CostTable:
        priced = {
            "memory": self.memory,
            "routing": self.spike_pj if self.spike_pj is not None else self.spike_bit_pj,
            "leakage": self.operating_point or None,
        }
        for what in self.lacks or ():
            if priced.get(what) is not None:
                raise ValueError(f"lacks: the table prices {what}; leave it out of the list")
        return self

    @field_validator("assumptions")
    @classmethod
    def _known_topics(cls, value: dict[str, Any]) -> dict[str, Any]:
        return _known(value, (*OPERATIONS, *TOPICS), "operation")

    @property
    def label(self) -> str:
        """The table's name, with that of its rest, as every total of a hybrid is labelled."""
        return self.name if self.rest_table is None else f"{self.name}+{self.rest_table.name}"

    @property
    def memories(self) -> tuple[Memory, ...]:
        """The memories that it prices, and those of its rest."""
        tables = (self, self.rest_table)
        return tuple(table.memory for table in tables if table is not None and table.memory is not None)

    @property
    def prices_memory(self) -> bool:
        """Whether the memory of all networks is in its prices, or contained in them; of a hybrid, in its rest's too."""
        tables = (self, self.rest_table)
        return all(
            each.memory is not None or (each.lacks is not None and "memory" not in each.lacks)
            for each in tables
            if each is not None
        )

    @property
    def price_names(self) -> tuple[str, ...]:
        """The table's prices: operations, `memory` and purposes of accesses, neuron updates and spikes."""
        memory = [] if self.memory is None else [*(["memory"] if self.memory.price else []), *self.memory.prices]
        others = {
            "neuron_update": self.neuron_update_pj,
            "neuron_update_idle": self.neuron_update_idle_pj,
            "spike": self.spike_pj,
            "spike_bit": self.spike_bit_pj,
        }
        return (*self.operation_pj, *memory, *(name for name, price in others.items() if price is not None))

    @property
    def statuses(self) -> dict[str, str]:
        """What each price rests on: one of `status.STATUSES`, or that it is not said."""
        default = self.status.get(DEFAULT, NOT_SAID)
        return {name: self.status.get(name, default) for name in self.price_names}

    def scaled(self, operation: str, factor: float) -> CostTable:
        """Return the table with the price of one operation multiplied; a missing price stays missing."""
        prices = {name: price * (factor if name == operation else 1.0) for name, price in self.operation_pj.items()}
        return self.model_copy(update={"operation_pj": prices})


def _known(value: dict[str, Any], names: tuple[str, ...], what: str) -> dict[str, Any]:
    for name in value:
        if name not in names:
            raise ValueError(f"unknown {what} '{name:.60}'; {nearest(name, names)}")
    return value


def table_names() -> list[str]:
    """Return the names of the tables that come with the package."""
    return sorted(path.stem for path in TABLES.glob("*.toml"))


def installed_tables() -> dict[str, Installed]:
    """Return the tables that other distributions bring, by name; they are data, and nothing is imported for them.

    One that cannot be used says so.
    """
    return installed_files("table", table_names())


def load_table(name_or_path: str | Path) -> CostTable:
    """Return a table by name, built in or installed, or from a user's own file whose path ends in `.toml`.

    `CHIP+TABLE` is the table of a chip that leaves the rest to another one than its file says.

    Raises UnknownNameError for a name that does not exist, TableError, naming file and key, for a file that is wrong.
    """
    text = str(name_or_path)
    chip, plus, rest = text.rpartition("+")
    named = bool(plus) and not text.endswith(".toml")
    path = _file_of(chip if named else text)
    table = _read(path)
    if named and table.rest is None:
        raise TableError(f"{text}: '{chip}' prices all that it prices by itself and leaves no rest; say '{chip}'")
    if named:
        table = table.model_copy(update={"rest": rest})
    return table if table.rest is None else table.model_copy(update={"rest_table": _rest_of(table.rest, path)})


def _file_of(text: str) -> Path:
    if re.search(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]", text):  # the name stands in headings and commands
        raise TableError(f"{text!r:.200}: a cost table's name has no control characters; rename the file")
    if text.endswith(".toml"):
        return Path(text)
    if text in table_names():
        return TABLES / f"{text}.toml"
    theirs = installed_tables()
    found = chosen(theirs, text)
    if found is None:
        raise UnknownNameError("table", text, {*table_names(), *theirs})
    return Path(found.value)


def _rest_of(name: str, path: Path) -> CostTable:
    """Return the table that the one of `path` leaves the rest to: one that prices a whole network by itself."""
    itself = TableError(f"{path}: rest: a table cannot leave the rest to itself; name another")
    try:
        file = _file_of(str(path.parent / name) if name.endswith(".toml") else name)
        if os.path.realpath(file) == os.path.realpath(path):
            raise itself
        table = _read(file)
    except UnknownNameError as error:
        raise itself if name == path.stem else TableError(f"{path}: rest: {error}") from None
    except TableError as error:
        raise error if error is itself else TableError(f"{path}: rest: {error}") from None
    if wrong := _why_no_rest(table):
        raise TableError(f"{path}: rest: '{name:.60}' {wrong}; name a table that prices a whole network")
    return table


def _why_no_rest(table: CostTable) -> str | None:
    if table.rest is not None:
        return "leaves its own rest to another"
    if table.operating_point:
        return "is an operating point"
    return None if "mac" in table.operation_pj else "has no price of a mac"


def _read(path: Path) -> CostTable:
    try:
        data = read_toml(path, "a cost table")
    except OSError as error:
        raise TableError(
            f"{path}: cannot be read: {error.strerror}; known tables: {', '.join(table_names())}"
        ) from None
    except ValueError as error:
        raise TableError(f"{path}: {error}") from None
    for key, why in _NOT_IN_FILES.items():
        if key in data:
            raise TableError(f"{path}: {key}: {why}")
    try:
        return CostTable(name=path.stem, **data)
    except ValidationError as error:
        raise TableError("\n".join(_problems(path, error))) from None


def _problems(path: Path, error: ValidationError) -> list[str]:
    found = [f"{path}: {_problem(detail)}" for detail in error.errors()[:MOST_PROBLEMS]]
    more = error.error_count() - len(found)
    return [*found, f"{path}: and {more:,} more problems"] if more else found


def _problem(detail: Any) -> str:
    key = ".".join(f"{part!s:.60}" for part in detail["loc"])
    if detail["type"] == "extra_forbidden":
        known = [name for name in CostTable.model_fields if name not in _NOT_IN_FILES]
        return f"{key}: unknown key; {nearest(key, known)}"
    where = f"{key}: " if key else ""  # what is wrong with several keys names them
    return f"{where}{detail['msg'].removeprefix('Value error, ')}"
