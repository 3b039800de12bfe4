"""Files that survive: written whole or not at all, sealed with a checksum, set aside when damaged. No torch."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from bench.errors import CorruptError, StoreError

_MAGIC = b"spikebench sealed 1 "
_DIGITS = 64  # of a sha256 in hex
_HEADER = len(_MAGIC) + _DIGITS + 1
_BLOCK = 1 << 22


def atomic_write(path: Path, content: str | bytes) -> None:
    """Write a file so that readers see the old one or the whole new one, and that it is still there after a power cut.

    Temporary file, fsync, rename, fsync of the folder. Raises StoreError when the disk is full or the folder read-only;
    the old file is then untouched.
    """
    atomic_write_all({path: content})


def atomic_write_all(contents: Mapping[Path, str | bytes | Iterable[str]]) -> None:
    """Write several files, each as `atomic_write` does; none gets its name before all of them are on disk.

    A content may also be its parts one by one, so that it is never in memory as a whole. Raises StoreError, naming the
    file, when that is impossible; all the old files are then untouched.
    """
    partial: dict[Path, str] = {}
    path = Path()
    try:
        for path, content in contents.items():
            make_folder(path.parent)
            if path.is_dir():
                raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
            descriptor, partial[path] = tempfile.mkstemp(dir=path.parent, prefix=path.name + ".", suffix=".part")
            with os.fdopen(descriptor, "wb") as handle:
                handle.writelines(_encoded(content))
                handle.flush()
                os.fsync(handle.fileno())
            os.chmod(partial[path], 0o644)
        for path in contents:
            os.replace(partial[path], path)
        for folder in {path.parent for path in contents}:
            sync_folder(folder)
    except OSError as error:
        raise StoreError(f"{path}: cannot be written: {error.strerror}") from None
    finally:
        for name in partial.values():
            with contextlib.suppress(OSError):
                os.unlink(name)


def _encoded(content: str | bytes | Iterable[str]) -> Iterator[bytes]:
    if isinstance(content, bytes):
        yield content
    else:
        parts = [content] if isinstance(content, str) else content
        yield from (part.encode("utf-8", "backslashreplace") for part in parts)


def make_folder(folder: Path) -> None:
    """Make a folder, and those above it, so that it is still there after a power cut. Raises OSError."""
    missing = [place for place in (folder, *folder.parents) if not os.path.lexists(place)]
    for place in reversed(missing):
        place.mkdir(exist_ok=True)
        sync_folder(place.parent)
    folder.mkdir(exist_ok=True)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder last: a rename is on disk only when its folder is."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno != errno.EINVAL:  # a file system that has no such thing for folders
            raise
    finally:
        os.close(descriptor)


def seal(payload: bytes | memoryview) -> bytes:
    """Return the header that stands before a payload in its file: what it is, and its sha256."""
    return _MAGIC + hashlib.sha256(payload).hexdigest().encode() + b"\n"


def unsealed(path: Path) -> bytes:
    """Return the payload of a sealed file. Raises CorruptError, naming the file, where it is not what was written."""
    try:
        data = path.read_bytes()
    except IsADirectoryError:
        raise CorruptError(path, "is a folder") from None
    except OSError as error:
        raise StoreError(f"{path}: cannot be read: {error.strerror}") from None
    check_sealed(path, data)
    return data[_HEADER:]


def check_sealed(path: Path, data: bytes) -> None:
    """Raise CorruptError, naming the file, where `data` is not the content of a sealed file as it was written."""
    _compare(path, data[:_HEADER], hashlib.sha256(memoryview(data)[_HEADER:]).hexdigest())


def check_seal(path: Path) -> None:
    """Read a sealed file block by block. Raises CorruptError where it is not what was written.

    Raises FileNotFoundError where it is gone, StoreError where it cannot be read.
    """
    digest = hashlib.sha256()
    try:
        with path.open("rb") as handle:
            header = handle.read(_HEADER)
            while block := handle.read(_BLOCK):
                digest.update(block)
    except FileNotFoundError:
        raise
    except IsADirectoryError:
        raise CorruptError(path, "is a folder") from None
    except OSError as error:
        raise StoreError(f"{path}: cannot be read: {error.strerror}") from None
    _compare(path, header, digest.hexdigest())


def _compare(path: Path, header: bytes, digest: str) -> None:
    if not header:
        raise CorruptError(path, "is empty")
    if not header.startswith(_MAGIC):
        raise CorruptError(path, "is not a file of this program")
    if header != _MAGIC + digest.encode() + b"\n":
        raise CorruptError(path, "was cut short or changed: its checksum does not match")


def set_aside(path: Path) -> Path:
    """Rename a damaged file so that nothing takes it for a good one, and return its new name; nothing is deleted."""
    number = 1
    while (aside := path.with_name(f"{path.name}.corrupt-{number}")).exists():
        number += 1
    try:
        os.replace(path, aside)
        sync_folder(path.parent)
    except OSError as error:
        raise StoreError(f"{path}: is damaged and cannot be set aside: {error.strerror}") from None
    return aside
