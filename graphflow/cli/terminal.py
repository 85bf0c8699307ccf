"""What the command line prints: text for people on stdout, errors in one line on stderr."""

from __future__ import annotations

import re
import sys
from typing import TextIO

__all__ = ["complain", "complain_of", "prepare", "say"]

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
"""What a terminal may take as a command, or as a change of the direction of writing; tab and newline are not."""


def prepare() -> None:
    """Let characters that the terminal's encoding lacks be escaped instead of failing the program."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def say(text: str) -> None:
    """Print lines to stdout."""
    _write(sys.stdout, text)


def complain(text: str) -> None:
    """Print an error to stderr, in one line."""
    lines = [line.strip() for line in text.splitlines()]
    _write(sys.stderr, f"graphflow: error: {'; '.join(line.rstrip(';') for line in lines if line)}")


def complain_of(error: BaseException) -> None:
    """Print what an exception says, in one line."""
    if isinstance(error, OSError) and error.filename is not None and error.strerror:
        complain(f"{error.filename}: {error.strerror}")
    else:
        complain(str(error) or type(error).__name__)


def _write(stream: TextIO | None, text: str) -> None:
    if stream is not None:  # there is none in a program without a console
        stream.write(_CONTROL.sub(_escaped, text.rstrip("\n")) + "\n")


def _escaped(match: re.Match[str]) -> str:
    return match[0].encode("unicode_escape").decode("ascii")
