"""What libraries say of themselves in this process: to Python's log at debug level, not to the user's terminal."""

from __future__ import annotations

import contextlib
import importlib.machinery
import logging
import os
import sys
import threading
import warnings
from collections.abc import Iterator, Sequence
from importlib.abc import Loader, MetaPathFinder
from pathlib import Path
from types import ModuleType
from typing import TextIO

_log = logging.getLogger(__name__)
_PACKAGE = Path(__file__).parents[1]
# Whose own affair a warning is. One that stands in the code of a user's plug-in is the user's.
_LIBRARIES = (
    "torch", "triton", "torchvision", "functorch", "numpy", "scipy", "sklearn", "matplotlib", "fvcore", "iopath",
)  # fmt: skip
_CPP_LEVEL = "TORCH_CPP_LOG_LEVEL"  # read once, when torch is imported


def quiet_libraries() -> None:
    """From now on libraries warn in the log, and so does this package where it makes them warn.

    Warnings about other files are shown as ever. Who asks torch for its log with TORCH_LOGS gets it, and who sets
    Python's warning filters (`python -W`, PYTHONWARNINGS) sees what they let through.
    """
    if not sys.warnoptions:
        shown = warnings.showwarning

        def show(
            message: Warning | str,
            category: type[Warning],
            filename: str,
            lineno: int,
            file: TextIO | None = None,
            line: str | None = None,
        ) -> None:
            if file is None and _is_of_a_library(filename):
                _log.debug("%s:%d: %s: %s", filename, lineno, category.__name__, message)
            else:
                shown(message, category, filename, lineno, file, line)

        warnings.showwarning = show
    sys.meta_path.insert(0, _TorchFinder({"torch", "triton"} - set(sys.modules)))


def _is_of_a_library(filename: str) -> bool:
    found = [getattr(sys.modules.get(name), "__file__", None) for name in _LIBRARIES]
    folders = [_PACKAGE, *(Path(file).parent for file in found if file)]
    return any(Path(filename).is_relative_to(folder) for folder in folders)


class _TorchFinder(MetaPathFinder):
    """Finds torch and Triton where they are and has them loaded quietly and whole, whichever verb imports them.

    A Ctrl-C or a SIGTERM waits until they are: raised in the C++ of an import it would abort the process.
    """

    def __init__(self, names: set[str]) -> None:
        self._names = names

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname not in self._names:
            return None
        self._names.discard(fullname)
        spec = importlib.machinery.PathFinder.find_spec(fullname, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader = _Whole(spec.loader)
        return spec


class _Whole(Loader):
    def __init__(self, loader: Loader) -> None:
        self._loader = loader

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        module.__loader__ = self._loader
        if module.__spec__ is not None:
            module.__spec__.loader = self._loader
        from bench.execute.interrupts import interrupts_deferred

        hears = threading.current_thread() is threading.main_thread()
        with interrupts_deferred() if hears else contextlib.nullcontext(), _quietly(module.__name__):
            self._loader.exec_module(module)


@contextlib.contextmanager
def _quietly(library: str) -> Iterator[None]:
    """Let a library that is imported in this block say to the log what it would say to the terminal."""
    if library != "torch" or "TORCH_LOGS" in os.environ:
        yield
        return
    asked = _CPP_LEVEL in os.environ
    os.environ.setdefault(_CPP_LEVEL, "ERROR")
    try:
        yield
    finally:
        if not asked:
            del os.environ[_CPP_LEVEL]  # what workers say is kept in the logs of their runs
    _hand_over(library)


def _hand_over(library: str) -> None:
    """Take the handlers off a library's loggers that write to the terminal, and hear them in their place."""
    loggers = [logging.getLogger(name) for name in list(logging.root.manager.loggerDict)]
    for logger in loggers:
        if logger.name == library or logger.name.startswith(f"{library}."):
            for handler in [handler for handler in logger.handlers if _writes_to_the_terminal(handler)]:
                logger.removeHandler(handler)
                logger.addHandler(_ToOurLog())


def _writes_to_the_terminal(handler: logging.Handler) -> bool:
    return getattr(handler, "stream", None) in (sys.stderr, sys.stdout)


class _ToOurLog(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        _log.debug("%s: %s", record.name, record.getMessage())
