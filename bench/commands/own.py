"""Code of somebody's own that the command line names: imported, called, iterated, and told in words where it fails."""

from __future__ import annotations

import contextlib
import importlib
import inspect
import traceback
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from bench.errors import BenchError, RunFailedError, in_one_line
from bench.plugins.signature import PACKAGE
from bench.plugins.trust import TRUST_VARIABLE, trusted
from bench.plugins.trust import trust as trust_modules

# What code of others may raise when it is wrong, as plug-ins may.
_WRONG = (
    RuntimeError, TypeError, ValueError, LookupError, AttributeError, ArithmeticError, AssertionError, NameError,
    SyntaxError, OSError, ImportError, EOFError, MemoryError,
)  # fmt: skip
_OF_TORCH = (RuntimeError, TypeError, ValueError, IndexError)  # raised by its operators, below whatever frame


def named(name: str, trust: bool) -> Any:
    """Import `module:attribute`. Raises BenchError where it is not trusted, not there, or fails to be imported."""
    module, colon, attribute = name.partition(":")
    if not (colon and module and attribute):
        raise BenchError(f"{name}: name it as module:attribute, as mylab.nets:build")
    if trust:
        trust_modules([module])
    if not trusted(module):
        raise BenchError(f"{name}: runs code from outside this package; pass --trust or set {TRUST_VARIABLE}={module}")
    try:
        found = importlib.import_module(module)
    except ImportError as error:
        raise BenchError(f"{name}: cannot be imported: {error}{_place(error)}") from None
    except SystemExit as error:
        raise BenchError(
            f"{name}: '{module}' ends Python when it is imported{_place(error)}; put what it does as a program under "
            "if __name__ == '__main__'"
        ) from None
    except _WRONG as error:
        raise BenchError(
            f"{name}: cannot be imported: {_words(error)}; to see all of it: python -c 'import {module}'"
        ) from None
    try:
        for part in attribute.split("."):
            found = getattr(found, part)
    except AttributeError as error:
        raise BenchError(f"{name}: cannot be imported: {error}") from None
    return found


def made(name: str, found: Any) -> Any:
    """Return what was named, or what it makes where it is a class or a function without arguments.

    Raises BenchError where it needs arguments, or fails.
    """
    import torch

    if isinstance(found, torch.nn.Module) or not callable(found):
        return found
    with contextlib.suppress(ValueError):  # there is no signature to read
        try:
            inspect.signature(found).bind()
        except TypeError as error:
            raise BenchError(
                f"{name}: {error}, and it is called without any; name a function of no arguments that calls it"
            ) from None
    try:
        return found()
    except _WRONG as error:
        module, _, attribute = name.partition(":")
        raise BenchError(
            f"{name}: failed when it was called: {_words(error)}; to see all of it: python -c 'import {module}; "
            f"{module}.{attribute}()'"
        ) from None


def batches_of(name: str, trust: bool) -> Iterable[Any]:
    """Return the batches that are named: what holds several, or one tensor or dict. Raises BenchError for no batches.

    Whatever goes wrong in the code that yields them is a RunFailedError.
    """
    import torch
    from torch.utils.data import Dataset, IterableDataset

    found = named(name, trust)
    found = found if isinstance(found, torch.Tensor | Mapping) else made(name, found)
    if isinstance(found, torch.Tensor | Mapping):
        return [found]
    if isinstance(found, Dataset) and not isinstance(found, IterableDataset):
        raise BenchError(f"--batches {name}: is a Dataset, of samples; name a DataLoader of it, which makes batches")
    if isinstance(found, str | bytes) or not (hasattr(found, "__iter__") or hasattr(found, "__getitem__")):
        raise BenchError(
            f"--batches {name}: should be a list, a loader or a generator of batches, or make one, not "
            f"{type(found).__name__}"
        )
    return _told(name, found)


def _told(name: str, batches: Iterable[Any]) -> Iterator[Any]:
    with failing(f"--batches {name}: failed"):
        rest = iter(batches)
    while True:
        with failing(f"--batches {name}: failed"):
            try:
                batch = next(rest)
            except StopIteration:
                return
        yield batch


@contextlib.contextmanager
def failing(what: str) -> Iterator[None]:
    """Within the block code of others runs: what it raises is a RunFailedError that begins with `what`.

    A mistake of the counter's own is none of that, and goes on as it is.
    """
    try:
        yield
    except _WRONG as error:
        if not isinstance(error, _OF_TORCH) and _is_ours(error):
            raise
        raise RunFailedError(f"{what}: {_words(error)}") from error


def went_through(error: BaseException | None, functions: Iterable[str]) -> bool:
    """Whether an error was raised within a function of torch's of one of these names."""
    frames = [] if error is None else _frames(error)
    return any(frame.name in functions and _within(frame.filename, _torch()) for frame in frames)


def _words(error: BaseException) -> str:
    said = f"{type(error).__name__}: {in_one_line(error)}" if str(error) else type(error).__name__
    return said + ("" if isinstance(error, SyntaxError) else _place(error))


def _place(error: BaseException) -> str:
    """Return where somebody's own code was at last, ` (file.py, line 3)`, or nothing."""
    others = PACKAGE, _torch(), Path(importlib.__file__).parent
    files = [frame for frame in _frames(error) if Path(frame.filename).is_file()]
    own = [frame for frame in files if not _within(frame.filename, *others)]
    return f" ({own[-1].filename}, line {own[-1].lineno})" if own else ""


def _is_ours(error: BaseException) -> bool:
    frames = _frames(error)
    return bool(frames) and _within(frames[-1].filename, PACKAGE / "measure")


def _frames(error: BaseException) -> list[traceback.FrameSummary]:
    return list(traceback.extract_tb(error.__traceback__))


def _torch() -> Path:
    import torch

    return Path(str(torch.__file__)).parent


def _within(filename: str, *folders: Path) -> bool:
    return any(Path(filename).is_relative_to(folder) for folder in folders)
