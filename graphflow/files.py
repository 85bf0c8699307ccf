"""Files that appear whole or not at all, and files that are read only if they are plain files of a bounded size."""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

from graphflow.errors import ArgumentError, FileError, FormatError, GraphflowError, MemoryLimitError, shorten

__all__ = ["as_path", "atomic_write", "open_regular", "read_exactly", "read_regular"]

_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}
# flags that not every system has; without O_NONBLOCK, a pipe put in a file's place would block the open
_READ = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0) | getattr(os, "O_BINARY", 0)
_WRITE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)


def as_path(path: Any) -> Path:
    """A path from a str, bytes or path-like object. Raises ArgumentError for anything else and for "" and NUL."""
    try:
        text = os.fsdecode(path)
    except (TypeError, ValueError):
        raise ArgumentError(f"{shorten(path)} is not a path") from None
    if not text or "\0" in text:
        raise ArgumentError(f"{shorten(text)} is not the name of a file")
    return Path(text)


def _reason(error: OSError | ValueError) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


@contextmanager
def open_regular(path: Any) -> Iterator[tuple[BinaryIO, int]]:
    """Open a regular file for reading; gives it and its size in bytes.

    Raises ArgumentError for what is no path, FileError for a file that cannot be opened or read, FormatError for a
    folder, pipe, socket or device, which are not even opened.
    """
    name = as_path(path)
    try:
        _check_regular(name, name.stat())
        descriptor = os.open(name, _READ)
    except (OSError, ValueError) as error:
        if isinstance(error, FormatError):
            raise
        raise FileError(f"cannot read {shorten(str(name))}: {_reason(error)}", error) from error
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        _check_regular(name, status)
        try:
            yield file, status.st_size
        except OSError as error:
            if isinstance(error, FormatError):
                raise
            raise FileError(f"cannot read {shorten(str(name))}: {_reason(error)}", error) from error


def _check_regular(name: Path, status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        kind = _KINDS.get(stat.S_IFMT(status.st_mode), "no regular file")
        raise FormatError(f"{shorten(str(name))} is {kind}, not a file")


def read_exactly(file: BinaryIO, n: int, name: Any) -> bytes:
    """The next `n` bytes. Raises FormatError where the file has fewer, MemoryLimitError where memory has."""
    try:
        data = file.read(n)
    except (MemoryError, OverflowError):
        raise MemoryLimitError(f"{shorten(str(name))}: {n} bytes do not fit into memory") from None
    if len(data) != n:
        raise FormatError(
            f"{shorten(str(name))} ends {n - len(data)} bytes too early; it is cut off, or is being written"
        )
    return data


def read_regular(path: Any, limit: int) -> bytes:
    """All bytes of a regular file.

    limit: bytes; a larger file raises MemoryLimitError before anything of it is read. Else as `open_regular`.
    """
    with open_regular(path) as (file, size):
        if size > limit:
            raise MemoryLimitError(
                f"{shorten(str(path))} has {size:,} bytes, more than the {limit:,} allowed"
            )
        data = read_exactly(file, size, path)
        if file.read(1):
            raise FormatError(f"{shorten(str(path))} grew while it was read")
        return data


def atomic_write(path: Any, data: bytes | Iterable[bytes]) -> None:
    """Put a file in place whole, on disk when this returns; after any failure what was there before is still there.

    The bytes go to a new file `graphflow-....tmp` in the same folder, are synced, and take the name by a rename; an
    error removes that file. A link of that name is replaced, not followed. An existing file's permissions are kept.
    data: the bytes, or pieces of them in order.
    Raises ArgumentError for what is no path and for the name of a folder, pipe or device, FileError for a disk that
    is full, a folder that is missing or read-only, and the like.
    """
    name = as_path(path)
    try:
        mode = _existing_mode(name)
        temporary = name.with_name(f"graphflow-{secrets.token_hex(8)}.tmp")
        try:
            _write_synced(temporary, [data] if isinstance(data, bytes) else data, mode)
            temporary.replace(name)
        except BaseException:  # an interrupt too must not leave half a file behind
            with suppress(OSError):
                temporary.unlink(missing_ok=True)
            raise
    except GraphflowError:
        raise
    except (OSError, ValueError) as error:
        raise FileError(f"cannot write {shorten(str(name))}: {_reason(error)}", error) from error
    _sync_folder(name.parent)


def _existing_mode(name: Path) -> int | None:
    try:
        mode = name.lstat().st_mode
    except FileNotFoundError:
        return None
    if stat.S_ISREG(mode):
        return stat.S_IMODE(mode)
    if not stat.S_ISLNK(mode):
        kind = _KINDS.get(stat.S_IFMT(mode), "no regular file")
        raise ArgumentError(f"{shorten(str(name))} is {kind}; give the name of a file")
    return None


def _write_synced(name: Path, pieces: Iterable[bytes], mode: int | None) -> None:
    descriptor = os.open(name, _WRITE, 0o666)
    with os.fdopen(descriptor, "wb") as file:
        if mode is not None and hasattr(os, "fchmod"):
            os.fchmod(descriptor, mode)
        for piece in pieces:
            file.write(piece)
        file.flush()
        os.fsync(descriptor)


def _sync_folder(folder: Path) -> None:
    """Make a rename last through a power cut, on systems that can sync folders; the file itself is in place already."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
