"""A cost table: what each elementary operation costs, with the source and the scope of the numbers."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from bench.errors import TableError, UnknownNameError, nearest

TABLES = Path(__file__).parent / "tables"

# What counting can find. `ac` is one accumulate of a weight, `mac` one multiply-accumulate; `select` is a choice
# between two values.
OPERATIONS = (
    "mac",
    "ac",
    "add",
    "sub",
    "mul",
    "div",
    "compare",
    "select",
    "sigmoid",
    "tanh",
    "exp",
    "log",
    "sqrt",
    "random",
)

Price = Annotated[float, Field(ge=0.0)]


class CostTable(BaseModel):
    """One file of `tables/`, or a user's own.

    node_nm: process node, nanometre.  scope: what the prices cover.  operation_pj: picojoule per operation; one that
    is missing has no price.  assumptions: operation -> how its price was made where the source gives none.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    name: str
    title: str
    source: str
    node_nm: Annotated[float, Field(gt=0.0)]
    precision: str
    scope: str
    operation_pj: dict[str, Price]
    assumptions: dict[str, str] = {}

    @field_validator("operation_pj", "assumptions")
    @classmethod
    def _known_operations(cls, value: dict[str, Any]) -> dict[str, Any]:
        for operation in value:
            if operation not in OPERATIONS:
                raise ValueError(f"unknown operation '{operation}'; {nearest(operation, OPERATIONS)}")
        return value

    def scaled(self, operation: str, factor: float) -> CostTable:
        """Return the table with the price of one operation multiplied; a missing price stays missing."""
        prices = {name: price * (factor if name == operation else 1.0) for name, price in self.operation_pj.items()}
        return self.model_copy(update={"operation_pj": prices})


def table_names() -> list[str]:
    """Return the names of the tables that come with the package."""
    return sorted(path.stem for path in TABLES.glob("*.toml"))


def load_table(name_or_path: str | Path) -> CostTable:
    """Return a table by name, or from a user's own file whose path ends in `.toml`.

    Raises UnknownNameError for a name that does not exist, TableError, naming file and key, for a file that is wrong.
    """
    text = str(name_or_path)
    if text.endswith(".toml"):
        path = Path(text)
    elif text in table_names():
        path = TABLES / f"{text}.toml"
    else:
        raise UnknownNameError("table", text, table_names())
    try:
        data = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise TableError(
            f"{path}: cannot be read: {error.strerror}; known tables: {', '.join(table_names())}"
        ) from None
    except UnicodeDecodeError:
        raise TableError(f"{path}: not a text file") from None
    except tomllib.TOMLDecodeError as error:
        raise TableError(f"{path}: not TOML: {error}") from None
    if "name" in data:
        raise TableError(f"{path}: name: a table is named by its file; leave the key out")
    try:
        return CostTable(name=path.stem, **data)
    except ValidationError as error:
        raise TableError("\n".join(f"{path}: {_problem(detail)}" for detail in error.errors())) from None


def _problem(detail: Any) -> str:
    key = ".".join(str(part) for part in detail["loc"])
    if detail["type"] == "extra_forbidden":
        return f"{key}: unknown key; {nearest(key, [name for name in CostTable.model_fields if name != 'name'])}"
    return f"{key}: {detail['msg'].removeprefix('Value error, ')}"
