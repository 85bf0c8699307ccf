"""The memory contract in resident memory: what the system gives a process for a training step, beside the forecast.

`python -m benchmarks contract`. Each step runs in a process of its own. Variables and feeds are there before measuring
begins; what a step then takes at most is the arena, what kernels allocate, and the Python objects of its program.
"""

from __future__ import annotations

import gc
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

import graphflow as gf
from benchmarks.packing import attention, convolutional, perceptron, recurrent
from benchmarks.timing import Result

__all__ = ["run"]

STEPS: dict[str, Callable[[], list[Any]]] = {
    "MLP of 16, Adam": lambda: perceptron(16, 512, batch=8192, optimizer="adam"),
    "CNN of 3": lambda: convolutional((16, 32, 64), 64, 128),
    "LSTM of 100 steps": lambda: recurrent(100, 256, batch=256),
    "attention blocks, 4": lambda: attention(4, 512, 1024),
}
OPTIONS: dict[str, dict[str, Any]] = {
    "": {},
    ", one thread": {"threads": 1},
    ", not optimised": {"optimize": False},
    ", under a limit of 92 %": {"threads": 1},
}


def _status(field: str) -> int:
    """Bytes, of this process, as Linux counts them."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1]) * 1024
    raise RuntimeError(f"no {field} here")


def _measure(name: str, option: str) -> dict[str, Any]:
    """What one step is said to take beyond variables, and takes."""
    with gf.Graph().as_default() as graph:
        fetches = STEPS[name]()
        placeholders = [n.outputs[0] for n in graph.operations if n.type == "placeholder"]
        feeds = {t: np.zeros(t.type.dims, t.type.dtype) for t in placeholders}  # type: ignore[arg-type]  # static
        for array in feeds.values():
            array.fill(0)  # so that its pages are there
        options = dict(OPTIONS[option])
        if "limit" in option:
            options["memory_limit"] = int(
                0.92 * gf.Session(graph, **options).plan(fetches, feeds).peak_nbytes
            )
        session = gf.Session(graph, **options)
        session.run(gf.global_variables_initializer())
        plan = session.plan(fetches, feeds)
        said = plan.peak_nbytes - plan.memory.variables - plan.memory.constants
        gc.collect()
        before = _status("VmRSS")
        Path("/proc/self/clear_refs").write_text("5")  # forget the most so far
        session.run(fetches, feeds)
        return {"said": said, "took": _status("VmHWM") - before, "nodes": len(plan.order)}


def run() -> Iterator[Result]:
    """Forecast over what was taken: 1 at least, as no run may take more than is said, and 1.05 at most."""
    if not Path("/proc/self/clear_refs").exists():
        return  # only Linux says what a process took at most since a given moment
    for name in STEPS:
        for option in OPTIONS:
            command = [sys.executable, "-m", "benchmarks.contract", name, option]
            found = json.loads(subprocess.check_output(command, text=True))
            note = f"{found['took'] / 1e6:.0f} MB taken, {found['nodes']:,} nodes"
            yield Result(f"{name}{option}: forecast / taken", found["said"] / found["took"], "", 1.05, note)


if __name__ == "__main__":
    print(json.dumps(_measure(*sys.argv[1:])))
