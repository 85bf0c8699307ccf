"""`python -m benchmarks [name ...]`: run benchmarks and print one line a figure.

Exit code 1 when a figure with a limit is missed.
"""

from __future__ import annotations

import argparse
import platform
import sys
from collections.abc import Callable, Iterator

import numpy as np

import graphflow as gf
from benchmarks import contract, lanes, limits, machine, ops, optimizer, orders, packing, spine
from benchmarks.timing import Result

BENCHMARKS: dict[str, Callable[[], Iterator[Result]]] = {
    "spine": spine.run,
    "ops": ops.run,
    "optimizer": optimizer.run,
    "orders": orders.run,
    "packing": packing.run,
    "lanes": lanes.run,
    "limits": limits.run,
    "contract": contract.run,
    "machine": machine.run,
}


def main(arguments: list[str] | None = None) -> int:
    """Run the named benchmarks, all of them by default."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="name", help=f"one of: {', '.join(BENCHMARKS)}")
    names = parser.parse_args(arguments).names or list(BENCHMARKS)
    unknown = [n for n in names if n not in BENCHMARKS]
    if unknown:
        parser.error(f"unknown benchmark {unknown[0]!r}; there are: {', '.join(BENCHMARKS)}")
    print(f"Python {platform.python_version()}, NumPy {np.__version__}, {platform.machine()}")
    for info in gf.list_devices():
        print(f"  {info}  {', '.join(info.libraries)}")
    missed = 0
    for name in names:
        for result in BENCHMARKS[name]():
            print(result, flush=True)
            missed += not result.met
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
