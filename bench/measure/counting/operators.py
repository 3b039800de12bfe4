"""Attention and recurrent layers run as the operators that they are made of, where they would be one kernel."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel


@contextlib.contextmanager
def in_operators(modules: Iterable[nn.Module]) -> Iterator[None]:
    """Let fused kernels of attention, and of the recurrent layers among `modules`, not be used in this block."""
    backend: Any = torch.backends.mha
    fast = backend.get_fastpath_enabled()
    with contextlib.ExitStack() as undo:
        undo.callback(backend.set_fastpath_enabled, fast)
        backend.set_fastpath_enabled(False)
        undo.enter_context(sdpa_kernel(SDPBackend.MATH))
        for module in modules:
            if isinstance(module, nn.RNNBase):
                plain = _Plain()
                undo.callback(module.register_forward_pre_hook(plain.begin).remove)
                undo.callback(module.register_forward_hook(plain.end, always_call=True).remove)
        yield


class _Plain:
    """Hooks of one recurrent layer: without the libraries that have a kernel for all of it."""

    def __init__(self) -> None:
        self._undo = contextlib.ExitStack()

    def begin(self, module: nn.Module, args: Any) -> None:
        """Before the layer runs."""
        libraries: tuple[Any, ...] = (torch.backends.mkldnn, torch.backends.cudnn)
        for library in libraries:
            self._undo.callback(setattr, library, "enabled", library.enabled)
            library.enabled = False

    def end(self, module: nn.Module, args: Any, output: Any) -> None:
        """Behind it, also where it fails."""
        self._undo.close()
