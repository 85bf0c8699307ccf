"""The state file: which checkpoints a folder keeps, oldest first, as JSON that is replaced whole."""

from __future__ import annotations

import errno
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from graphflow.errors import ArgumentError, FileError, FormatError, shorten
from graphflow.files import as_path, atomic_write, read_regular

__all__ = [
    "CheckpointState",
    "checkpoint_exists",
    "get_checkpoint_state",
    "latest_checkpoint",
    "update_checkpoint_state",
]

STATE_NAME = "checkpoint"
VERSION = 1
STATE_CAP_NBYTES = 1 << 24
_LATEST, _ALL = "model_checkpoint_path", "all_model_checkpoint_paths"


@dataclass(frozen=True, slots=True)
class CheckpointState:
    """The newest checkpoint of a folder and all that are kept, oldest first, as paths below the folder asked for."""

    model_checkpoint_path: str
    all_model_checkpoint_paths: tuple[str, ...]


def get_checkpoint_state(checkpoint_dir: Any, latest_filename: str | None = None) -> CheckpointState | None:
    """What the state file of a folder says, or None if there is no such file.

    latest_filename: the name of the state file, "checkpoint" where left out.
    Raises FormatError for a file that is no state file. Entries are names in that very folder and nothing else:
    one with a separator, an absolute one or `..` is refused.
    """
    folder: Path = as_path(checkpoint_dir)
    path = folder / state_name(latest_filename)
    shown = shorten(str(path))
    try:
        data = read_regular(path, STATE_CAP_NBYTES)
    except FileError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR):
            return None
        raise
    try:
        state = json.loads(data.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise FormatError(f"get_checkpoint_state: {shown} is malformed: {shorten(str(error))}") from None
    if not isinstance(state, dict) or type(state.get("version")) is not int:
        raise FormatError(f"get_checkpoint_state: {shown} is no checkpoint state file")
    if state["version"] != VERSION:
        raise FormatError(
            f"get_checkpoint_state: {shown} is of version {shorten(state['version'])}; this graphflow reads {VERSION}"
        )
    latest, listed = state.get(_LATEST), state.get(_ALL)
    if not (isinstance(listed, list) and isinstance(latest, str)) or not all(
        _is_plain_name(name) for name in [latest, *listed]
    ):
        raise FormatError(f"get_checkpoint_state: {shown} lists what is no file name in its folder")
    return CheckpointState(str(folder / latest), tuple(str(folder / name) for name in listed))


def _is_plain_name(name: Any) -> bool:
    return (
        isinstance(name, str)
        and name not in ("", ".", "..")
        and not any(c in name for c in "/\\:\0")
        and len(name) <= 1024
    )


def state_name(latest_filename: Any) -> str:
    """The state file's name. Raises ArgumentError for one that leaves the folder."""
    name = STATE_NAME if latest_filename is None else latest_filename
    if not _is_plain_name(name):
        raise ArgumentError(f"latest_filename must be a file name without folder, not {shorten(name)}")
    return str(name)


def update_checkpoint_state(folder: Path, names: Sequence[str], latest_filename: str | None = None) -> None:
    """Replace the state file of a folder. names: file names in it, oldest first, at least one."""
    state = {"version": VERSION, _LATEST: names[-1], _ALL: list(names)}
    atomic_write(folder / state_name(latest_filename), json.dumps(state, indent=1).encode("ascii") + b"\n")


def latest_checkpoint(checkpoint_dir: Any, latest_filename: str | None = None) -> str | None:
    """The newest checkpoint that the state file lists and that is there, or None."""
    state = get_checkpoint_state(checkpoint_dir, latest_filename)
    if state is None:
        return None
    for path in (state.model_checkpoint_path, *reversed(state.all_model_checkpoint_paths)):
        if checkpoint_exists(path):
            return path
    return None


def checkpoint_exists(checkpoint_prefix: Any) -> bool:
    """Whether there is a file at that path; `Saver.restore` says whether it can be used."""
    try:
        return as_path(checkpoint_prefix).is_file()
    except OSError:
        return False
