"""The newest checkpoint of a run as a file, whatever is in it: read, and put in front of the one before. No torch."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

from bench.errors import CorruptError, StoreError
from bench.files.durable import check_sealed, set_aside, sync_folder
from bench.store.folder import RunFolder, older


def put_newest(path: Path, parts: Sequence[bytes | memoryview]) -> None:
    """Write a checkpoint's sealed content whole or not at all; the one that was there becomes the older one.

    Raises StoreError where there is no room or no leave to write: both checkpoints are then as they were.
    """
    partial: str | None = None
    try:
        descriptor, partial = tempfile.mkstemp(dir=path.parent, prefix=path.name + ".", suffix=".part")
        with os.fdopen(descriptor, "wb") as handle:
            for part in parts:
                handle.write(part)
            handle.flush()
            os.fsync(handle.fileno())
        os.chmod(partial, 0o644)
        if path.exists():
            os.replace(path, older(path))
        os.replace(partial, path)
        sync_folder(path.parent)
    except OSError as error:
        if partial is not None:
            with contextlib.suppress(OSError):
                os.unlink(partial)
        reason = error.strerror or str(error)
        raise StoreError(f"{path}: cannot be written: {reason}; the older checkpoint is kept") from error


def newest(folder: RunFolder) -> tuple[bytes | None, list[str]]:
    """Return the content of a run's newest sound checkpoint, None where there is none, and what is wrong with others.

    Those are set aside. Raises StoreError where that is impossible.
    """
    wrong: list[str] = []
    for path in (folder.checkpoint, folder.older_checkpoint):
        try:
            data = path.read_bytes()
            check_sealed(path, data)
            return data, wrong
        except FileNotFoundError:
            continue
        except IsADirectoryError:
            wrong.append(f"{CorruptError(path, 'is a folder')}; kept as {set_aside(path).name}")
        except CorruptError as error:
            wrong.append(f"{error}; kept as {set_aside(path).name}")
        except OSError as error:
            raise StoreError(f"{path}: cannot be read: {error.strerror}") from None
    return None, wrong
