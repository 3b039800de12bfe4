"""What the kit found: every check run on inputs of growing size, the first failure made as small as it goes."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from bench.kit import behaviour, derivatives  # noqa: F401 - each adds its lines to CHECKS
from bench.kit.contract import CHECKS, Check
from bench.kit.shrink import as_text, shrink
from bench.kit.subject import Broken, Skipped, Subject, Unpolished, drive, modules_said, subject_of
from bench.plugins.trust import trusting_also

SEEDS = 3  # inputs of each shape
# What a neuron's own code may raise when it is wrong; the kit must go on to the other checks.
_WRONG = (
    Broken, RuntimeError, TypeError, ValueError, LookupError, AttributeError, ArithmeticError, AssertionError,
    NotImplementedError,
)  # fmt: skip


@dataclass(frozen=True)
class Finding:
    """One line of the contract: kept (`problem` is None), or broken, with the smallest input that shows it.

    hint: what a rule of this package would have otherwise, in a neuron of somebody else's; it is kept all the same.
    """

    name: str
    contract: str
    problem: str | None = None
    example: str | None = None  # Python that makes the input x [T, N, C, ...]
    skipped: str | None = None  # why it could not be tested here
    hint: str | None = None


def check_neuron(
    neuron: str | type[Any], params: Mapping[str, Any] | None = None, *, slow: bool = True
) -> list[Finding]:
    """Check a neuron, by name or class, against every line of the contract.

    params: constructor parameters to test it with.  slow: include what takes more than seconds (compiling).
    The module of `package.module:Class` is trusted until the check ends. Raises UnknownNameError or ParameterError when
    there is no such neuron or parameter, ParameterError for an installed neuron that is not trusted.
    """
    with trusting_also(modules_said(neuron)):
        subject = subject_of(neuron, params)
        return [find(subject, check) for check in checks(slow=slow)]


def checks(*, slow: bool = True) -> Iterable[Check]:
    """Return the checks of the kit."""
    return [check for check in CHECKS if slow or not check.slow]


def find(subject: Subject, check: Check) -> Finding:
    """Run one check. The caller's random numbers are left as they were."""
    modes = [subject, replace(subject, training=False)] if check.uses_input and not check.slow else [subject]
    hint = None
    with torch.random.fork_rng(devices=[]):
        for shape, variant in itertools.product(check.shapes, modes):
            for seed in range(SEEDS if check.uses_input and not check.slow else 1):
                x = subject.threshold * drive(*shape, seed=seed, dtype=check.dtype)
                try:
                    problem, unpolished = _seen(variant, check, x)
                except Skipped as reason:
                    return Finding(check.name, check.contract, skipped=str(reason))
                if problem is not None:
                    return _finding(variant, check, x, problem)
                hint = hint or unpolished
    return Finding(check.name, check.contract, hint=hint)


def _finding(subject: Subject, check: Check, x: Tensor, problem: str) -> Finding:
    if not check.uses_input:
        return Finding(check.name, check.contract, problem)
    if not check.slow:
        x = shrink(x, lambda candidate: _problem(subject, check, candidate) is not None)
    mode = "" if subject.training else "in eval mode: "
    return Finding(check.name, check.contract, mode + (_problem(subject, check, x) or problem), as_text(x))


def _problem(subject: Subject, check: Check, x: Tensor) -> str | None:
    return _seen(subject, check, x)[0]


def _seen(subject: Subject, check: Check, x: Tensor) -> tuple[str | None, str | None]:
    """Return the problem that an input shows, and the hint that it gives."""
    try:
        check.test(subject, x)
    except Broken as broken:
        hint = isinstance(broken, Unpolished) and subject.info.outside
        return (None, str(broken)) if hint else (str(broken), None)
    except _WRONG as error:
        return f"{type(error).__name__}: {error}".partition("\n")[0], None
    return None, None
