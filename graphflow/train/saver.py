"""Saving the variables of a session to a file, and restoring them: all of them or none."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from graphflow.errors import ArgumentError, CheckpointError, GraphError, UninitializedError, shorten
from graphflow.files import as_path
from graphflow.graph import check_name
from graphflow.ops.state import Variable, global_variables
from graphflow.session import Session
from graphflow.train.checkpoint_file import Header, read_header, read_tensors, write_tensors
from graphflow.train.checkpoint_state import checkpoint_exists, state_name, update_checkpoint_state
from graphflow.train.parameters import integer
from graphflow.train.steps import global_step as step_value

__all__ = [
    "CheckpointReader",
    "NewCheckpointReader",
    "Saver",
    "list_variables",
    "load_checkpoint",
    "load_variable",
]

MOST_LISTED = 20


class Saver:
    """Saves and restores variables.

    var_list: a list of variables, or a dict from the names in the file to variables; for None all variables that
        the default graph has now. A saver of all restores only a file that holds just these; a saver with a
        list takes its own from a file that may hold more.
    max_to_keep: how many checkpoints of this saver's are kept; the oldest are deleted. None or 0 keeps all.
    name: how messages call it.
    Raises ArgumentError if there is nothing to save, GraphError for variables of two graphs.
    """

    def __init__(self, var_list: Any = None, max_to_keep: int | None = 5, name: str = "Saver") -> None:
        check_name(name)
        self._name = name
        self._all = var_list is None
        self._variables = _named(global_variables() if var_list is None else var_list, name)
        self._max_to_keep = 0 if max_to_keep is None else integer(max_to_keep, f"{name}: max_to_keep")
        self._kept: list[Path] = []
        self._lock = threading.Lock()

    @property
    def last_checkpoints(self) -> list[str]:
        """The checkpoints that this saver has made and kept, oldest first."""
        return [str(path) for path in self._kept]

    def set_last_checkpoints(self, last_checkpoints: Any) -> None:
        """Take over checkpoints of an earlier process: paths, oldest first; `max_to_keep` counts them from now on."""
        paths = [as_path(path) for path in last_checkpoints]
        with self._lock:
            self._kept = paths

    # --- saving ---

    def save(
        self,
        sess: Session,
        save_path: Any,
        global_step: Any = None,
        latest_filename: str | None = None,
        write_state: bool = True,
    ) -> str:
        """Write the values that the variables have now, and give the file's path.

        save_path: of the file; with `global_step` (an int, or a tensor or variable of the session's graph)
            `-1000` is appended. The folder must exist. latest_filename: of the state file, see
            `latest_checkpoint`. write_state: False leaves the state file alone and deletes no old checkpoint.
        All values are read in one run, so they belong together. The file appears complete or not at all.
        Raises UninitializedError, naming the variables that have no value; FileError (a FormatError and an OSError)
        for what the system refuses.
        """
        self._check_session(sess)
        state = state_name(latest_filename)
        path = as_path(save_path)
        if path.name in ("", ".", "..") or str(save_path).endswith(("/", "\\")):
            raise ArgumentError(f"save: {shorten(str(save_path))} names a folder; give a file name in it")
        if global_step is not None:
            is_node = hasattr(type(global_step), "__graphflow_tensor__")
            step = step_value(sess, global_step) if is_node else integer(global_step, "save: global_step")
            path = path.with_name(f"{path.name}-{step}")
        if path.name == state:
            raise ArgumentError(f"save: {shorten(str(path))} is the name of the state file; choose another")
        values = self._values(sess)
        with self._lock:
            if not write_state:
                write_tensors(path, values)
                return str(path)
            before = self._kept
            self._kept = [
                *(p for p in before if p != path),
                path,
            ]  # even if an interrupt follows the renaming
            try:
                write_tensors(path, values)
            except BaseException:
                if not checkpoint_exists(path):
                    self._kept = before
                raise
            self._record(path.parent, latest_filename)
        return str(path)

    def _values(self, sess: Session) -> dict[str, np.ndarray[Any, Any]]:
        variables = list(self._variables.values())
        missing = [v for v in variables if not sess.is_initialized(v)]
        if missing:
            raise UninitializedError(
                f"save: no value in this session: {_listing([v.op.name for v in missing])}; "
                "run gf.global_variables_initializer() or restore them first"
            ).at(missing[0].op.place)
        values = sess.run([v.handle for v in variables])
        return {name: np.asarray(value) for name, value in zip(self._variables, values, strict=True)}

    def _record(self, folder: Path, latest_filename: str | None) -> None:
        """Enter the newest checkpoint in the state file, then delete the oldest beyond `max_to_keep`."""
        surplus = max(len(self._kept) - self._max_to_keep, 0) if self._max_to_keep else 0
        old, kept = self._kept[:surplus], self._kept[surplus:]
        update_checkpoint_state(folder, [p.name for p in kept if p.parent == folder], latest_filename)
        self._kept = kept  # not before: what a failed save should have deleted, a later one deletes
        for p in old:
            with suppress(OSError):  # somebody else has deleted it
                p.unlink()

    # --- restoring ---

    def restore(self, sess: Session, save_path: Any) -> None:
        """Give the variables the values in a file: all of them, or after an error none.

        Nothing is converted: names, shapes and dtypes must be those of the variables.
        Raises CheckpointError, listing them all, for variables that do not fit; FormatError for a file that is
        missing, damaged, cut short, or something else.
        """
        self._check_session(sess)
        header = read_header(as_path(save_path), "restore")
        self._check_fit(header)
        values = read_tensors(header, self._variables, "restore")
        sess.load_all({v: values[name] for name, v in self._variables.items()})

    def _check_fit(self, header: Header) -> None:
        faults = []
        for name, v in self._variables.items():
            entry = header.entries.get(name)
            if entry is None:
                faults.append(f"{shorten(name)} is missing in the file")
            elif entry.type != v.handle.type:
                faults.append(
                    f"{shorten(name)} is {entry.type} in the file, but the variable is {v.handle.type}"
                )
        if self._all:
            surplus = [name for name in header.entries if name not in self._variables]
            faults.extend(
                f"{shorten(name)} is in the file, but no variable is called that" for name in surplus
            )
        if faults:
            shown = faults[:MOST_LISTED]
            rest = f"\n  and {len(faults) - len(shown)} more" if len(faults) > len(shown) else ""
            raise CheckpointError(
                f"restore: {shorten(str(header.path))} does not fit the variables:\n  "
                + "\n  ".join(shown)
                + rest
                + "\n  to restore a part, list its variables: Saver(var_list=[...])"
            )

    def _check_session(self, sess: Any) -> None:
        if not isinstance(sess, Session):
            raise ArgumentError(f"{self._name}: a session is needed, not {shorten(sess)}")
        first = next(iter(self._variables.values()))
        if sess.graph is not first.graph:
            raise GraphError(f"{self._name}: {first!r} belongs to another graph than the session")

    def __repr__(self) -> str:
        return f"<Saver '{self._name}' of {len(self._variables)} variables>"


def _named(var_list: Any, label: str) -> dict[str, Variable]:
    """Variables by their names in the file."""
    if isinstance(var_list, Mapping):
        pairs = list(var_list.items())
    elif isinstance(var_list, (list, tuple)):
        pairs = [(v.op.name if isinstance(v, Variable) else None, v) for v in var_list]
    else:
        raise ArgumentError(f"{label}: var_list must be a list or dict of variables, not {shorten(var_list)}")
    named: dict[str, Variable] = {}
    for name, v in pairs:
        if not isinstance(v, Variable):
            raise ArgumentError(f"{label}: var_list holds {shorten(v)}, which is no variable")
        if not isinstance(name, str) or name in ("", "__metadata__") or len(name) > 1024:
            raise ArgumentError(f"{label}: {shorten(name)} cannot be a name in a checkpoint")
        if name in named:
            raise ArgumentError(f"{label}: two variables would be saved as {shorten(name)}")
        named[name] = v
    if not named:
        raise ArgumentError(f"{label}: there is no variable to save")
    first = next(iter(named.values()))
    for v in named.values():
        if v.graph is not first.graph:
            raise GraphError(f"{label}: {v!r} and {first!r} belong to two graphs")
    return named


def _listing(names: list[str]) -> str:
    more = f" and {len(names) - MOST_LISTED} more" if len(names) > MOST_LISTED else ""
    return ", ".join(f"'{name}'" for name in names[:MOST_LISTED]) + more


# --- looking into a file --------------------------------------------------------------------------


class CheckpointReader:
    """Looks into a checkpoint: its header is read at once, a tensor when it is asked for.

    Raises as `Saver.restore` does for what is no checkpoint.
    """

    def __init__(self, path: Any) -> None:
        self._header = read_header(as_path(path), "checkpoint")

    def get_variable_to_shape_map(self) -> dict[str, list[int]]:
        """The shape of every tensor in the file, by name."""
        return {name: [int(d) for d in e.type.dims] for name, e in self._header.entries.items()}  # type: ignore[arg-type]  # ints in files

    def get_variable_to_dtype_map(self) -> dict[str, np.dtype[Any]]:
        """The dtype of every tensor in the file, by name."""
        return {name: e.type.dtype for name, e in self._header.entries.items()}

    def has_tensor(self, name: str) -> bool:
        """Whether the file holds a tensor of that name."""
        return name in self._header.entries

    def get_tensor(self, name: Any) -> np.ndarray[Any, Any]:
        """One tensor's value, verified. Raises CheckpointError, listing what there is, for an unknown name."""
        if not isinstance(name, str) or not self.has_tensor(name):
            there = _listing(sorted(self._header.entries)) or "nothing"
            raise CheckpointError(
                f"checkpoint: {shorten(str(self._header.path))} has no {shorten(name)}; it holds {there}"
            )
        return read_tensors(self._header, [name], "checkpoint")[name]


NewCheckpointReader = CheckpointReader
"""TensorFlow 1's name."""


def load_checkpoint(path: Any) -> CheckpointReader:
    """A reader for a checkpoint file."""
    return CheckpointReader(path)


def list_variables(path: Any) -> list[tuple[str, list[int]]]:
    """Name and shape of every tensor in a checkpoint, sorted by name."""
    return sorted(CheckpointReader(path).get_variable_to_shape_map().items())


def load_variable(path: Any, name: str) -> np.ndarray[Any, Any]:
    """The value of one tensor in a checkpoint."""
    return CheckpointReader(path).get_tensor(name)
