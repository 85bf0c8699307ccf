"""A file named on the command line as a graph: loaded if it is a saved one, else run as a Python program."""

from __future__ import annotations

import contextlib
import runpy
import sys
import traceback
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import graphflow as gf
from graphflow.errors import FormatError, GraphflowError, shorten
from graphflow.files import open_regular
from graphflow.graph import BodyGraph
from graphflow.save import load_graph
from graphflow.save.container import MAGIC

__all__ = ["RUN_NAME", "ProgramError", "graph_of", "run_as_program"]

RUN_NAME = "__graphflow__"
"""`__name__` of a program that is run for its graph."""


class ProgramError(GraphflowError):
    """A program that was run for its graph failed, or built none."""


def graph_of(path: str, as_main: bool = False) -> gf.Graph:
    """The graph in a file: loaded, or built by running it as a program.

    as_main: run the program with the name "__main__". What it prints goes to stderr.
    Raises FormatError or FileError for a file that cannot be read, ProgramError for a program that fails or builds
    no graph.
    """
    with open_regular(path) as (file, _):
        start = file.read(1024)
    if start.startswith(MAGIC):
        return load_graph(path)
    if b"\0" in start:
        raise FormatError(f"{shorten(path)} is neither a saved graph nor a Python program")
    gf.reset_default_graph()
    with contextlib.redirect_stdout(sys.stderr), run_as_program(path, []):
        try:
            names = runpy.run_path(path, run_name="__main__" if as_main else RUN_NAME)
        except SystemExit as stop:
            if stop.code not in (None, 0):
                raise ProgramError(f"{path} ended with status {stop.code}") from stop
            names = {}
        except Exception as error:
            raise ProgramError(_told(path, error)) from error
    return _chosen(path, names, as_main)


@contextlib.contextmanager
def run_as_program(path: str, arguments: list[str]) -> Iterator[None]:
    """What a program finds when Python starts it: its own name in `sys.argv`, its folder first in `sys.path`."""
    argv, places = sys.argv, list(sys.path)
    sys.argv = [path, *arguments]
    sys.path.insert(0, str(Path(path).resolve().parent))
    try:
        yield
    finally:
        sys.argv = argv
        sys.path[:] = places


def _told(path: str, error: Exception) -> str:
    """`model.py:12: ValueError: ...`, with the last line of the program itself that the error went through."""
    if isinstance(error, SyntaxError):
        return f"{error.filename}:{error.lineno}: {error.msg}"
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == path]
    place = f"{path}:{lines[-1]}" if lines else path
    kind = "" if isinstance(error, GraphflowError) else f"{type(error).__name__}: "
    return f"{place}: {kind}{error}"


def _chosen(path: str, names: Mapping[str, Any], as_main: bool) -> gf.Graph:
    """The default graph; where that is empty, the one graph that the program holds in a variable."""
    graph = gf.get_default_graph()
    if len(graph):
        return graph
    held = dict.fromkeys(
        v for v in names.values() if isinstance(v, gf.Graph) and not isinstance(v, BodyGraph) and len(v)
    )
    if len(held) == 1:
        return next(iter(held))
    if held:
        raise ProgramError(f"{path} builds {len(held)} graphs, none of them in the default graph")
    hint = "" if as_main else '; what stands under `if __name__ == "__main__":` runs only with --main'
    raise ProgramError(f"{path} builds no graph{hint}")
