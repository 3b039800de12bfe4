"""What a line of the contract is to the kit: a promise in words, and its test on one input."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from bench.kit.subject import Subject

SMALL = ((1, 1, 1), (2, 1, 1), (3, 2, 2), (5, 4, 3, 2, 2), (12, 16, 2))  # [T, N, C, ...], the first that fails is shown
ONE = ((5, 4, 3, 2, 2),)
LONG = ((20, 3, 8),)


@dataclass(frozen=True)
class Check:
    """One line of the contract; `test` raises Broken on an input x [T, N, C, ...] that shows it is not kept.

    Of a neuron outside this package Unpolished, a kind of Broken, breaks nothing.
    """

    name: str
    contract: str
    test: Callable[[Subject, Tensor], None]
    shapes: tuple[tuple[int, ...], ...] = SMALL
    dtype: torch.dtype = torch.float32
    slow: bool = False
    uses_input: bool = True


CHECKS: list[Check] = []


def check(name: str, contract: str, **options: Any) -> Callable[[Callable[[Subject, Tensor], None]], Any]:
    """Add a function to the checks, in the order of the file."""

    def add(test: Callable[[Subject, Tensor], None]) -> Callable[[Subject, Tensor], None]:
        CHECKS.append(Check(name, contract, test, **options))
        return test

    return add
