"""Which line of the user's code made a node: recorded in well under a microsecond, decoded when shown.

A node keeps the code object and the index of the last instruction (`f_lasti`) of the first
frame that is not graphflow's own. Reading `f_lineno` instead would cost time that grows with
the length of the function. Frames are told apart by file name: hashing or comparing code
objects is hundreds of times slower.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from types import CodeType

import numpy as np

__all__ = ["UNKNOWN", "Origin", "decode", "mark_internal", "user_frame"]

_internal_folders: list[str] = []
_is_internal: dict[str, bool] = {}
_HELPERS = ("<frozen ", os.path.dirname(np.__file__) + os.sep)


@dataclass(frozen=True, slots=True)
class Origin:
    """A place in the user's code; prints as `model.py:41`."""

    file: str
    line: int
    function: str

    def __str__(self) -> str:
        return f"{os.path.basename(self.file)}:{self.line}"


UNKNOWN = Origin("<unknown>", 0, "<unknown>")


def mark_internal(folder: str) -> None:
    """Frames of files below `folder` are graphflow's own, never the user's."""
    _internal_folders.append(folder.rstrip(os.sep) + os.sep)
    _is_internal.clear()


def _classify(filename: str) -> bool:
    internal = filename.startswith((*_internal_folders, *_HELPERS)) or filename.endswith(
        (os.sep + "contextlib.py", os.sep + "functools.py")
    )
    _is_internal[filename] = internal
    return internal


def user_frame() -> tuple[CodeType | None, int]:
    """Code object and instruction index of the innermost frame outside graphflow."""
    frame = sys._getframe(1)
    known = _is_internal
    while True:
        filename = frame.f_code.co_filename
        internal = known.get(filename)
        if internal is None:
            internal = _classify(filename)
        if not internal and not (
            filename == "<string>" and frame.f_globals.get("__name__", "").startswith("graphflow.")
        ):  # a dataclass' generated methods have no file, but the globals of its module
            return frame.f_code, frame.f_lasti
        if frame.f_back is None:
            return None, 0
        frame = frame.f_back


def decode(code: CodeType | Origin | None, lasti: int) -> Origin:
    """File, line and function of a recorded frame; a node that was loaded from a file has them ready."""
    if code is None:
        return UNKNOWN
    if isinstance(code, Origin):
        return code
    line = code.co_firstlineno
    for start, stop, number in code.co_lines():
        if start <= lasti < stop and number is not None:
            line = number
            break
    return Origin(code.co_filename, line, code.co_name)


mark_internal(os.path.dirname(os.path.abspath(__file__)))
