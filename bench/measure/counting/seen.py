"""Hooks that others have put on a network: what changes what passes is work, and what only looks at it is none."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import ExitStack
from typing import Any

from torch import Tensor, nn

from bench.measure.counting.contractions import Contractions
from bench.measure.counting.nests import tensors
from bench.measure.counting.nodes import Contraction, Value
from bench.measure.counting.tape import Tape


class HooksOfOthers:
    """The hooks that are on `modules` already; `remove()` puts them back as they were."""

    def __init__(self, modules: Iterable[nn.Module], contractions: Contractions) -> None:
        self._undo = ExitStack()
        for module in modules:
            for hooks in (module._forward_pre_hooks, module._forward_hooks):
                for key, hook in list(hooks.items()):
                    hooks[key] = _Heard(hook, contractions)
                    self._undo.callback(_put_back, hooks, key, hook)

    def remove(self) -> None:
        """Put the hooks back."""
        self._undo.close()


def _put_back(hooks: Any, key: int, hook: Any) -> None:
    if key in hooks:  # it may have removed itself
        hooks[key] = hook


class _Heard:
    """A hook, what it does being forgotten where it has changed nothing: neither returned nor overwritten a value."""

    def __init__(self, hook: Any, contractions: Contractions) -> None:
        self._hook, self._contractions = hook, contractions

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        tape = self._contractions.batch.tape
        if tape is None or not tape.recording:
            return self._hook(*args, **kwargs)
        before = _Before(tape, self._contractions, list(tensors((args, kwargs))))
        with before.takes():
            result = self._hook(*args, **kwargs)
        if result is None and before.same():
            before.restore()
        return result


class _Before:
    """What was recorded before a hook."""

    def __init__(self, tape: Tape, contractions: Contractions, shown: list[Tensor]) -> None:
        self._tape, self._contractions = tape, contractions
        self._shown = [(tensor, tape.value(tensor)) for tensor in shown]
        self._recorded = tape.recorded()
        self._counted: Any = None

    def takes(self) -> ExitStack:
        """Keep, in this block, what was counted before the first contraction: a copy costs something."""
        undo, tape, take = ExitStack(), self._tape, self._tape.take

        def first(tape: Tape, call: Contraction) -> Value | None:
            self._counted = self._counted or self._contractions.kept()
            return None if take is None else take(tape, call)

        undo.callback(setattr, tape, "take", take)
        tape.take = first
        return undo

    def same(self) -> bool:
        """Whether all that the hook was shown is what it was."""
        return all(self._tape.value(tensor) is value for tensor, value in self._shown)

    def restore(self) -> None:
        """Forget what has happened since."""
        self._tape.forget(self._recorded)
        if self._counted is not None:
            self._contractions.restore(self._counted)
