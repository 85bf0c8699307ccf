"""What each command of the command line does; each gives the exit status."""

from __future__ import annotations

import runpy
import sys
from argparse import Namespace
from pathlib import Path
from typing import Any

import graphflow as gf
from graphflow.cli.loading import ProgramError, graph_of, run_as_program
from graphflow.cli.terminal import say
from graphflow.errors import ArgumentError, FeedError
from graphflow.graph import Graph, Node, Tensor
from graphflow.op import Trait
from graphflow.plan import format_nbytes, parse_nbytes

__all__ = ["bench", "default_fetches", "demo", "devices", "plan", "render"]

_ROOT = Path(gf.__file__).resolve().parent.parent
"""The folder of a clone, in which `examples` and `benchmarks` lie beside the package."""


def devices(options: Namespace) -> int:
    """List devices, one a line, with their memory and libraries."""
    for info in gf.list_devices():
        memory = "" if info.memory_nbytes is None else f", {format_nbytes(info.memory_nbytes)}"
        say(f"{info}{memory}")
        for library in info.libraries:
            say(f"{'':27}{library}")
    return 0


def render(options: Namespace) -> int:
    """Draw to a file, or print rows to the terminal."""
    from graphflow.visualize import render as draw
    from graphflow.visualize import to_text

    graph = graph_of(options.file, options.main)
    if options.output is None:
        say(to_text(graph, all=options.all))
    else:
        draw(graph, options.output, all=options.all, engine=options.engine, theme=options.theme)
    return 0


def demo(options: Namespace) -> int:
    """Run `examples/demo.py` of a clone."""
    return _run_file(_ROOT / "examples" / "demo.py", "the demo", options.arguments)


def bench(options: Namespace) -> int:
    """Run `python -m benchmarks` of a clone."""
    return _run_file(_ROOT / "benchmarks" / "__main__.py", "the benchmarks", options.arguments)


def _run_file(file: Path, what: str, arguments: list[str]) -> int:
    if not file.is_file():
        raise ProgramError(
            f"{what}: not part of the installed package, only of the source; clone the repository and run the same "
            f"command there (looked for {file})"
        )
    with run_as_program(str(file), arguments):
        sys.path[0] = str(_ROOT)
        try:
            runpy.run_path(str(file), run_name="__main__")
        except SystemExit as stop:
            if isinstance(stop.code, str):
                raise ProgramError(stop.code) from None
            return stop.code or 0
        except ModuleNotFoundError as error:
            raise ProgramError(
                f'{what}: {error.name} is not installed; pip install "graphflow-engine[demo]"'
            ) from error
    return 0


# --- plan -------------------------------------------------------------------------------------------


def plan(options: Namespace) -> int:
    """Print the plan of one run; status 1 if it does not keep to the memory limit."""
    limit = None if options.memory_limit is None else parse_nbytes(options.memory_limit, "--memory-limit")
    feeds = dict(_feed(text) for text in options.feed)
    graph = graph_of(options.file, options.main)
    fetches: list[Any] = options.fetch or default_fetches(graph)
    if not fetches:
        raise ArgumentError(f"plan: {options.file} computes nothing; say what to plan for with --fetch NAME")
    session = gf.Session(graph, device=options.device)
    _check_sizes(graph, fetches, feeds)
    found = session.plan(fetches, feeds)
    if not options.fetch:
        names = ", ".join(f.name for f in fetches[:5]) + (
            f" and {len(fetches) - 5} more" if len(fetches) > 5 else ""
        )
        say(f"for {names}; choose with --fetch")
    say(found.explain())
    if limit is None:
        return 0
    fits = found.fits(limit)
    say(f"limit     {format_nbytes(limit)}: {'kept' if fits else 'not kept'}")
    return 0 if fits else 1


def _feed(text: str) -> tuple[str, tuple[int, ...]]:
    """A name and a shape from `x=32,784`; `x=` is a scalar."""
    name, equals, sizes = text.partition("=")
    try:
        shape = tuple(int(size) for size in sizes.split(",")) if sizes else ()
    except ValueError:
        shape = (-1,)
    if not name or not equals or any(size < 0 for size in shape):
        raise ArgumentError(f"--feed {text}: say NAME=SHAPE, such as x=32,784")
    return name, shape


def default_fetches(graph: Graph) -> list[Node] | list[Tensor]:
    """What a user most likely runs: the last training step; in a graph without one, the tensors that nothing uses.

    A training step is an operation that waits for writes of variables which are not their initializers.
    """
    initializers = {v.initializer for v in graph.get_collection("variables")}
    writes: set[Node] = set()
    used: set[Node] = set()
    step: Node | None = None
    for node in graph.operations:
        waits = set(node.control_inputs)
        used.update(waits, (t.op for t in node.inputs))
        if node.op.name == "assign" and node not in initializers:
            writes.add(node)
        elif waits & writes and not node.outputs:
            writes.add(node)
            step = node
    if step is not None:
        return [step]
    ignored = Trait.SOURCE | Trait.STATEFUL
    ends = [n for n in graph.operations if n not in used and not n.op.traits & ignored]
    return [t for n in ends for t in n.outputs]


def _check_sizes(graph: Graph, fetches: list[Any], feeds: dict[str, tuple[int, ...]]) -> None:
    """Say, in the words of the command line, which shapes do not fit and which placeholders still need one."""
    given: dict[Tensor, tuple[int, ...]] = {}
    for name, shape in feeds.items():
        t = graph.get_tensor_by_name(name if ":" in name else f"{name}:0")
        given[t] = shape
        if t.type.shape is not None and len(t.type.shape) != len(shape):
            wanted = ",".join(map(str, t.type.shape))
            raise FeedError(
                f"--feed {name}={','.join(map(str, shape))}: {t.op.name} is {t.type}; say {name}={wanted}"
            )
    elements = [graph.as_graph_element(f) for f in fetches]
    stack = [e.op if isinstance(e, Tensor) else e for e in elements if e not in given]
    seen: set[Node] = set()
    while stack:
        node = stack.pop()
        if node not in seen:
            seen.add(node)
            stack.extend(t.op for t in node.inputs if t not in given)
            stack.extend(node.control_inputs)
    tensors = [n.outputs[0] for n in sorted(seen, key=lambda n: n.id) if n.op.name == "placeholder"]
    missing = [t for t in tensors if t not in given and not t.type.is_static]
    if missing:
        told = ", ".join(f"--feed {t.op.name}=... ({t.type})" for t in missing)
        raise FeedError(f"plan: these placeholders need a shape: {told}")
