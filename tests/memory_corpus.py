"""Samples made so big that their plans take a MiB, and what NumPy's allocations show of a run."""

from __future__ import annotations

import gc
import math
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

import graphflow as gf
from graphflow.errors import GraphflowError
from graphflow.graph import Graph, Tensor
from graphflow.op import F
from graphflow.plan import Plan
from graphflow.program import Kind, Program
from tests.ops.table import Sample

__all__ = ["MIB", "Big", "big_version", "graphs_of_given_sizes", "measured_nbytes"]

MIB = 1 << 20
MAX_NBYTES = 8 * MIB
MAX_FLOPS = 200_000_000
_LARGE_PART = MIB // 4

Places = tuple[tuple[int, int | None], ...]
"""Axes along which inputs are repeated together: (number of the input, axis, or None for a new first axis)."""


@dataclass(frozen=True, slots=True)
class Big:
    """A graph whose plan takes a MiB or more. ops: the names of those with a quarter of a MiB of operands and more."""

    name: str
    graph: Graph
    fetches: list[Tensor]
    feeds: dict[Tensor, Any]
    ops: frozenset[str]


def big_version(sample: Sample) -> Big | None:
    """The sample with its inputs repeated along some axes; None where no way to do so leads to a plan of known size."""
    inputs = [np.asarray(x) for x in sample.inputs]
    for places in dict.fromkeys(_ways(inputs)):
        found = _grown(sample, inputs, places)
        if found is not None:
            return found
    return None


def graphs_of_given_sizes() -> Iterator[Big]:
    """Graphs of ops whose results have the sizes that their attributes say: no input of theirs can be made big."""
    count, shape = 1 << 18, (512, 512)
    rows, signal = np.arange(count) % 512, np.ones((64, 4097), np.complex128)
    turned, segments = np.arange(count)[::-1].copy(), np.arange(count) // 512
    built: dict[str, Callable[..., Any]] = {
        "eye": lambda: gf.eye(512),
        "linspace": lambda: gf.linspace(0.0, 1.0, count),
        "window": lambda: F.hann_window(count),
        "random_int": lambda: F.random_int(shape, 0, 100),
        "truncated_normal": lambda: gf.random.truncated_normal(shape),
        "random_gumbel": lambda: F.random_gumbel(shape),
        "random_laplace": lambda: F.random_laplace(shape),
        "random_logistic": lambda: F.random_logistic(shape),
        "scatter_nd": lambda: gf.scatter_nd(rows[:, None], np.ones(count), (count,)),
        "fftfreq": lambda: gf.fft.fftfreq(count),
        "crop_or_pad": lambda: gf.fft.fft(signal, n=8000),
        "scatter_along_axis": lambda: _gradient(lambda x: gf.take_along_axis(x, turned, 0), np.ones(count)),
        "segment_spread": lambda: _gradient(lambda x: gf.segment_sum(x, segments), np.ones(count)),
        "weigh_mirrored": lambda: _gradient(lambda x: gf.abs(gf.fft.rfft(x)), np.ones((64, 4096))),
        "logical_or": lambda: gf.logical_or(np.ones((1024, 1024), bool), np.zeros((1024, 1024), bool)),
    }
    for name, build in built.items():
        sample = Sample(f"{name}, large", build)
        graph, fetches, feeds = _built(sample, [])
        plan = gf.Session(graph, optimize=False, threads=1).plan(fetches, feeds)
        yield Big(sample.name, graph, fetches, feeds, _large_ops(plan.program))


def _gradient(function: Callable[[Any], Any], at: Any) -> Any:
    x = gf.constant(at)
    return gf.gradients(gf.sum(function(x)), x)


def _ways(inputs: Sequence[Any]) -> Iterator[Places]:
    """Which axes to repeat along together: first those that are likely batches."""
    if not inputs:
        return
    ranks = [x.ndim for x in inputs]
    top = ranks.index(max(ranks))
    if ranks[top]:
        yield tuple([(k, 0) for k, x in enumerate(inputs) if x.shape[:1] == inputs[top].shape[:1]])
    yield tuple([(k, None) for k in range(len(inputs))])
    yield tuple([(k, None) for k in range(len(inputs)) if ranks[k] == ranks[top]])
    yield ((0, None),)
    sizes: dict[int, list[tuple[int, int | None]]] = {}
    for k, x in enumerate(inputs):
        for axis, size in enumerate(x.shape):
            sizes.setdefault(size, []).append((k, axis))
    for alike in sizes.values():
        yield tuple(alike)
        yield tuple({k: (k, axis) for k, axis in reversed(alike)}.values())
        yield tuple({k: (k, axis) for k, axis in alike}.values())
    for back in range(1, 4):
        yield tuple([(k, rank - back) for k, rank in enumerate(ranks) if rank >= back])
    for k, rank in enumerate(ranks):
        yield from [((k, axis),) for axis in range(rank)]


def _repeated(inputs: Sequence[Any], places: Places, times: int) -> list[Any]:
    made = list(inputs)
    for k in {k for k, _ in places}:
        axes = [axis for input_, axis in places if input_ == k]
        each = times if len(axes) == 1 else max(2, round(times ** (1 / len(axes))))
        for axis in axes:
            if axis is None:
                made[k] = np.ascontiguousarray(np.broadcast_to(inputs[k], (each, *inputs[k].shape)))
            else:
                made[k] = np.tile(made[k], [each if a == axis else 1 for a in range(made[k].ndim)])
    return made


def _grown(sample: Sample, inputs: Sequence[Any], places: Places) -> Big | None:
    own = sum([inputs[k].nbytes for k in {k for k, _ in places}])
    times = max(2, MIB // 2 // own) if own else 0
    for _ in range(5):
        if not times or own * times > 4 * MAX_NBYTES:
            return None
        try:
            graph, fetches, feeds = _built(sample, _repeated(inputs, places, times))
            plan = gf.Session(graph, optimize=False, threads=1).plan(fetches, feeds)
        except GraphflowError:
            return None
        peak = plan.peak_nbytes
        if plan.unknown or plan.flops > MAX_FLOPS or peak > MAX_NBYTES or peak < 64:
            return None
        if peak >= MIB:
            return _checked(Big(sample.name, graph, fetches, feeds, _large_ops(plan.program)))
        times = 1 + math.ceil(times * min(64.0, 1.1 * MIB / peak))
    return None


def _built(sample: Sample, inputs: Sequence[Any]) -> tuple[Graph, list[Tensor], dict[Tensor, Any]]:
    with gf.Graph().as_default() as graph:
        gf.random.set_seed(7)
        fed = [gf.placeholder(x.dtype, x.shape) for x in inputs]
        made = sample.build(*fed)
        fetches = list(made) if isinstance(made, (tuple, list)) else [made]
    return graph, fetches, dict(zip(fed, inputs, strict=True))


def _large_ops(program: Program) -> frozenset[str]:
    def nbytes(slots: Sequence[int]) -> int:
        return sum([program.slots[s].type.nbytes or 0 for s in slots])

    large = [
        i for i in program.instructions if nbytes((*i.inputs, *i.outputs)) + i.workspace_nbytes >= _LARGE_PART
    ]
    return frozenset([i.op.name for i in large])


def _checked(big: Big) -> Big | None:
    """None where the values that were repeated are refused when they are met."""
    try:
        gf.Session(big.graph, optimize=False, threads=1).run(big.fetches, big.feeds)
    except GraphflowError:
        return None
    return big


def measured_nbytes(session: gf.Session, plan: Plan, fetches: Any, feeds: Any) -> int:
    """The most bytes that a run held: what its program keeps, and what was allocated beside it meanwhile.

    Python's own objects of the run, some KiB, are among them; variables have to be initialised.
    """
    arrays = [tracemalloc.DomainFilter(inclusive=True, domain=np.lib.tracemalloc_domain)]
    gc.collect()
    tracemalloc.start()
    try:
        session.run(fetches, feeds)  # loads the program: its arena, and constants that are copied
        kept = sum([t.size for t in tracemalloc.take_snapshot().filter_traces(arrays).traces])
        before = tracemalloc.get_traced_memory()[0]
        tracemalloc.reset_peak()
        session.run(fetches, feeds)
        return kept + tracemalloc.get_traced_memory()[1] - before + _held_nbytes(session, plan.program)
    finally:
        tracemalloc.stop()


def _held_nbytes(session: gf.Session, program: Program) -> int:
    """Bytes of constants, variables and counters, each array once."""
    owners: dict[int, int] = {}
    programs = [program]
    for p in programs:  # grows: bodies may have bodies
        for s in p.slots:
            array = s.value if s.kind is Kind.CONSTANT else session._store.arrays.get(s.key)
            while array is not None and isinstance(array.base, np.ndarray):
                array = array.base
            if array is not None:
                owners[id(array)] = array.nbytes
        programs.extend([body for i in p.instructions for body in i.bodies])
    return sum(owners.values())
