"""What memory accesses cost: a price by the size of the memory, never by how often it is used."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from bench.errors import BenchError
from bench.plugins import registry

# What an access is for. `load`: a weight fetched once per sample into the memory that the layer works from.
Purpose = Literal["weight", "bias", "input", "output", "potential", "state", "load"]

Price = Annotated[float, Field(ge=0.0, le=1e15)]  # picojoule; a kilojoule is a slip
Bits = Annotated[int, Field(gt=0, le=4096)]
_STRICT = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class AccessPrice(BaseModel):
    """Picojoule of one access of one word: `base_pj` + `pj_per_bit` x the memory's bits + a line through points.

    The line goes from (0, 0) through (sizes_bytes, pj), is straight between them and flat above the last.
    """

    model_config = _STRICT

    base_pj: Price = 0.0
    pj_per_bit: Price = 0.0
    sizes_bytes: Annotated[list[Annotated[float, Field(gt=0.0, le=1e18)]], Field(max_length=1000)] = []
    pj: Annotated[list[Price], Field(max_length=1000)] = []

    @model_validator(mode="after")
    def _points_in_order(self) -> AccessPrice:
        if len(self.sizes_bytes) != len(self.pj):
            raise ValueError("sizes_bytes and pj must be equally long")
        if sorted(set(self.sizes_bytes)) != self.sizes_bytes:
            raise ValueError("sizes_bytes must grow")
        return self

    def of(self, size_bytes: float) -> float:
        """Return the price of one access to a memory of `size_bytes`."""
        return self.base_pj + self.pj_per_bit * 8 * size_bytes + self._on_line(size_bytes)

    def scaled(self, factor: float) -> AccessPrice:
        """Return the price multiplied, whatever the size."""
        return AccessPrice(
            base_pj=self.base_pj * factor,
            pj_per_bit=self.pj_per_bit * factor,
            sizes_bytes=self.sizes_bytes,
            pj=[price * factor for price in self.pj],
        )

    def _on_line(self, size_bytes: float) -> float:
        left, low = 0.0, 0.0
        for right, high in zip(self.sizes_bytes, self.pj, strict=True):
            if size_bytes <= right:
                return low + (high - low) * (size_bytes - left) / (right - left)
            left, low = right, high
        return low


class Memory(BaseModel):
    """The memories of a cost table.

    accesses: the rule that says which accesses a network makes, a plug-in.  word_bits: width of every word.
    fifo_words: size of the queue that spikes go through (rule `lemaire`).  price: of every access but `load` that has
    none in `prices`; an access without either is outside the table's scope.
    """

    model_config = _STRICT

    accesses: str
    word_bits: Bits
    fifo_words: Annotated[int, Field(gt=0, le=10**12)] = 1000
    price: AccessPrice | None = None
    prices: dict[Purpose, AccessPrice] = {}

    @field_validator("accesses")
    @classmethod
    def _known_rule(cls, value: str) -> str:
        try:
            registry.find("rule", value)
        except BenchError as error:
            raise ValueError(str(error)) from None
        return value

    def access_pj(self, purpose: Purpose, words: float) -> float | None:
        """Return the price of one access to a memory of `words`, None where it is outside the table's scope."""
        price = self.prices.get(purpose, None if purpose == "load" else self.price)
        return None if price is None else price.of(words * self.word_bits / 8)

    def scaled(self, purposes: tuple[Purpose, ...], factor: float) -> Memory:
        """Return the memories with the prices of some purposes multiplied."""
        found = {purpose: self.prices.get(purpose, self.price) for purpose in purposes}
        changed = {purpose: price.scaled(factor) for purpose, price in found.items() if price is not None}
        return self.model_copy(update={"prices": {**self.prices, **changed}})
