"""How close the cost model's seconds are to measured ones: kernels of typical sizes on one core under NumPy.

The constants of `planning/cost.py` come from these measurements; run it again on another machine to judge them there.
Each kernel is measured in a row of equal ones, less what a run without any takes, at its fastest.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

import graphflow as gf
from benchmarks.timing import Result
from graphflow.analysis.cost import Machine, program_costs

__all__ = ["CASES", "Case", "measure", "run"]

SIDES = (64, 256, 1024)


@dataclass(frozen=True, slots=True)
class Case:
    """kind: whose figure it counts in. build: the tensor to compute from the inputs. shapes: theirs."""

    kind: str
    name: str
    dtype: str
    shapes: tuple[tuple[int, ...], ...]
    build: Callable[..., Any]


_UNARY = (
    "negative",
    "abs",
    "square",
    "sqrt",
    "exp",
    "log",
    "sin",
    "tanh",
    "sigmoid",
    "erf",
    "floor",
    "isnan",
)
_BINARY = ("add", "subtract", "multiply", "divide", "maximum", "less", "equal", "pow", "floor_divide")
_FOLDS = ("sum", "max", "prod", "argmax", "any")


def _cases() -> Iterator[Case]:
    for dtype in ("float32", "float64"):
        for side in SIDES:
            square = (side, side)
            for name in _UNARY:
                yield Case("elementwise", name, dtype, (square,), getattr(gf, name, None) or gf.nn.sigmoid)
            for name in _BINARY:
                yield Case("elementwise", name, dtype, (square, square), getattr(gf, name))
            yield Case("elementwise", "add of a row", dtype, (square, (side,)), gf.add)
            yield Case("elementwise", "multiply by a column", dtype, (square, (side, 1)), gf.multiply)
            yield Case("elementwise", "where", dtype, (square, square), lambda a, b: gf.where(a > b, a, b))
            yield Case("elementwise", "to int32", dtype, (square,), lambda a: gf.cast(a, gf.int32))
            for name in _FOLDS:
                fold = getattr(gf, name)
                for axis in (0, 1) if name == "argmax" else (None, 0, 1):
                    yield Case(
                        "reductions",
                        f"{name} along {axis}",
                        dtype,
                        (square,),
                        (lambda a, f=fold, x=axis: f(a > 0.5, axis=x))
                        if name == "any"
                        else (lambda a, f=fold, x=axis: f(a, axis=x)),
                    )
            yield Case("views", "transpose, reshape, slice", dtype, (square,), _views)
            yield Case("copies", "concat", dtype, (square, square), lambda a, b: gf.concat([a, b], axis=1))
            yield Case("copies", "pad", dtype, (square,), lambda a: gf.pad(a, [[1, 1], [1, 1]]))
            yield Case(
                "copies",
                "reshape of a transpose",
                dtype,
                (square,),
                lambda a: gf.reshape(gf.transpose(a), [-1]),
            )
            yield Case("copies", "tile", dtype, (square,), lambda a: gf.tile(a, [2, 2]))
            yield Case(
                "copies", "take of rows", dtype, (square,), lambda a, n=side: gf.take(a, _rows(n), axis=0)
            )
            yield Case("others", "cumulative_sum", dtype, (square,), lambda a: gf.cumulative_sum(a, axis=1))
            yield Case("others", "sort", dtype, (square,), gf.sort)
            yield Case("others", "argsort", dtype, (square,), gf.argsort)
            yield Case("others", "softmax", dtype, (square,), gf.nn.softmax)
            yield Case(
                "others", "uniform", dtype, (square,), lambda a: gf.random.uniform(a.shape, dtype=a.dtype)
            )
            yield Case(
                "others", "normal", dtype, (square,), lambda a: gf.random.normal(a.shape, dtype=a.dtype)
            )
        for m, k, n in (
            (8, 8, 8),
            (32, 32, 32),
            (64, 784, 128),
            (128, 128, 128),
            (256, 256, 256),
            (512, 512, 512),
        ):
            yield Case("matmul", f"{m} x {k} x {n}", dtype, ((m, k), (k, n)), gf.matmul)
        yield Case("matmul", "by a vector", dtype, ((512, 512), (512, 1)), gf.matmul)
        yield Case("matmul", "32 of 64", dtype, ((32, 64, 64), (32, 64, 64)), gf.matmul)
        yield Case("matmul", "256 of 16", dtype, ((256, 16, 16), (256, 16, 16)), gf.matmul)
        images = (8, 32, 32, 16)
        yield Case(
            "others",
            "conv 3 x 3",
            dtype,
            (images, (3, 3, 16, 32)),
            lambda x, w: gf.nn.conv2d(x, w, 1, "SAME"),
        )
        yield Case("others", "max_pool", dtype, (images,), lambda x: gf.nn.max_pool2d(x, 2, 2, "VALID"))
        yield Case("others", "avg_pool", dtype, (images,), lambda x: gf.nn.avg_pool2d(x, 2, 2, "VALID"))
        yield Case("others", "solve", dtype, ((200, 200), (200, 200)), gf.linalg.solve)
        yield Case("others", "inv", dtype, ((200, 200),), gf.linalg.inv)
        yield Case("others", "svd", dtype, ((100, 100),), lambda x: gf.linalg.svd(x)[0])


def _rows(n: int) -> Any:
    return gf.constant(np.random.default_rng(0).permutation(n))


def _views(a: Any) -> Any:
    return gf.transpose(gf.reshape(a, [4, -1])[1:3])


CASES: tuple[Case, ...] = tuple(_cases())


def _fastest(call: Callable[[], object], seconds: float = 0.02) -> float:
    call()
    begin = time.perf_counter()
    call()
    once = max(time.perf_counter() - begin, 1e-7)
    repeat = max(1, int(2e-4 / once))
    best = math.inf
    for _ in range(max(5, min(60, int(seconds / (once * repeat))))):
        begin = time.perf_counter()
        for _ in range(repeat):
            call()
        best = min(best, (time.perf_counter() - begin) / repeat)
    return best


def measure(case: Case) -> tuple[float, float]:
    """(predicted, measured) seconds of one use."""
    rng = np.random.default_rng(0)
    values = [rng.uniform(0.1, 0.9, s).astype(case.dtype) for s in case.shapes]
    copies = 2 if sum(v.nbytes for v in values) > 2**21 else 8
    found: list[float] = []
    predicted = 0.0
    for many in (0, copies):
        graph = gf.Graph()
        with graph.as_default():
            variables = [gf.Variable(v) for v in values]
            made = [case.build(*variables) for _ in range(many)]
            operations = [y.op for y in made] or [gf.no_op()]
            with gf.Session(graph, optimize=False, threads=1) as session:
                session.run(gf.global_variables_initializer())
                target = gf.group(*operations)
                program = session.plan(target).program
                predicted = math.fsum(c.seconds for c in program_costs(program, Machine())) / max(1, many)
                found.append(_fastest(session.make_callable(target, [])))
    return predicted, max(0.0, found[1] - found[0]) / copies


def summary(kind: str, pairs: Sequence[tuple[float, float]]) -> Iterator[Result]:
    """How far the model is off: the share of kernels beyond a factor of two, and the usual factor."""
    factors = [math.exp(abs(math.log(p / m))) for p, m in pairs]
    beyond = sum(f > 2 for f in factors) / len(factors)
    mean = math.exp(math.fsum(math.log(p / m) for p, m in pairs) / len(pairs))
    middle = sorted(factors)[len(factors) // 2]
    note = f"{len(pairs)} kernels, predicted / measured {mean:.2f} in the mean, off by {middle:.2f} in the median"
    yield Result(f"{kind}: beyond a factor of two", 100 * beyond, "%", None, note)


def run(verbose: bool = False) -> Iterator[Result]:
    """The figures by kind; with `verbose` every kernel too."""
    pairs: dict[str, list[tuple[float, float]]] = {}
    for case in CASES:
        predicted, measured = measure(case)
        if case.kind == "views":  # nothing runs: no ratio can be had
            yield Result(
                f"views of {case.shapes[0]}: predicted, measured",
                measured * 1e6,
                "us",
                None,
                f"{predicted * 1e6:.3f}",
            )
            continue
        measured = max(measured, 1e-7)
        pairs.setdefault(case.kind, []).append((predicted, measured))
        if verbose:
            yield Result(
                f"{case.name} {case.dtype} {list(case.shapes[0])}",
                measured * 1e6,
                "us",
                None,
                f"predicted {predicted / measured:.2f} of it",
            )
    for kind, found in pairs.items():
        yield from summary(kind, found)
