"""The command line: `graphflow demo | devices | render | plan | bench`, also as `python -m graphflow`.

Exit status: 0 when all is well, 1 for an error (said in one line on stderr), 2 for a wrong use of the command line, 130
after an interrupt.

    loading.py    FILE on the command line -> a graph
    commands.py   what each command does
    terminal.py   what is printed, and how

Errors are said without a traceback; that of a program's own fault names its line.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

import graphflow
from graphflow.cli.commands import bench, demo, devices, plan, render
from graphflow.cli.terminal import complain, complain_of, prepare
from graphflow.errors import GraphflowError

__all__ = ["main"]

_HANDED_ON = {"demo": demo, "bench": bench}
"""Commands that are programs of their own: all that follows is handed on to them."""

OK, FAILED, USAGE, INTERRUPTED = 0, 1, 2, 130

_FILE = """\
FILE is a Python program that builds a graph in the default graph, or a file that gf.save_graph wrote. A program runs with
__name__ set to "__graphflow__", so that what it does under `if __name__ == "__main__":`, such as training, is left out;
--main runs that too."""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        complain(f"{message}; see `{self.prog} --help`")
        raise SystemExit(USAGE)


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="graphflow", description=graphflow.__doc__.strip().partition("\n")[0])
    parser.add_argument("--version", action="version", version=f"graphflow {graphflow.__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    def command(function: object, summary: str, note: str = "") -> argparse.ArgumentParser:
        name = getattr(function, "__name__", "")
        made = commands.add_parser(name, help=summary, description=f"{summary}.", epilog=note)
        made.set_defaults(function=function)
        return made

    command(demo, "run the demo of a clone of graphflow; its own --help says how")
    command(devices, "list the devices, those that cannot be used with the reason")

    made = command(render, "draw a graph, or print it in the terminal", _FILE)
    _add_file(made)
    made.add_argument(
        "-o", "--output", metavar="PATH", help="picture to write: .svg, .dot, .png, .pdf or .txt"
    )
    made.add_argument("--all", action="store_true", help="show initializers and reads of variables too")
    made.add_argument(
        "--engine", choices=["auto", "builtin", "dot"], default="auto", help="what draws (auto)"
    )
    made.add_argument(
        "--theme", choices=["auto", "light", "dark"], default="auto", help="colours of an SVG (auto)"
    )

    made = command(plan, "say what a run would cost, without running anything", _FILE)
    _add_file(made)
    made.add_argument(
        "--fetch",
        metavar="NAME",
        action="append",
        default=[],
        help="tensor or operation to plan for; may be repeated. Left out: the last training step, or else the "
        "tensors that nothing uses",
    )
    made.add_argument(
        "--feed",
        metavar="NAME=SHAPE",
        action="append",
        default=[],
        help="shape of a fed tensor, such as x=32,784, or rate= for a scalar; may be repeated",
    )
    made.add_argument("--device", help="device to plan for, such as cpu or gpu:1")
    made.add_argument(
        "--memory-limit", metavar="SIZE", help="such as 2GB; status 1 if the run would need more"
    )

    command(bench, "run the benchmarks of a clone of graphflow; its own --help says how")
    return parser


def _add_file(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", help="Python program or saved graph, see below")
    parser.add_argument("--main", action="store_true", help='run a program as if it were "__main__"')


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command line (that of the process if None); gives the exit status and raises nothing."""
    prepare()
    try:
        try:
            options = _parsed(sys.argv[1:] if argv is None else list(argv))
        except SystemExit as stop:  # argparse has said why
            return stop.code if isinstance(stop.code, int) else OK
        status: int = options.function(options)
        sys.stdout.flush()
    except BrokenPipeError:  # the reader, such as `head`, has seen enough
        _drop_stdout()
        return FAILED
    except KeyboardInterrupt:
        complain("interrupted")
        return INTERRUPTED
    except (GraphflowError, OSError, ModuleNotFoundError) as error:
        complain_of(error)
        return FAILED
    return status


def _parsed(words: list[str]) -> argparse.Namespace:
    if words and words[0] in _HANDED_ON:
        return argparse.Namespace(function=_HANDED_ON[words[0]], arguments=words[1:])
    return _parser().parse_args(words)


def _drop_stdout() -> None:
    """Let what is still buffered go nowhere, or the interpreter complains about the pipe when it ends."""
    try:
        descriptor = os.open(os.devnull, os.O_WRONLY)
        os.dup2(descriptor, sys.stdout.fileno())
        os.close(descriptor)
    except (OSError, ValueError):
        pass
