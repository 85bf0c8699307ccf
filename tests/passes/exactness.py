"""What tests of passes on single expressions share: values of every dtype that tell rules apart, kernels run one by one.

A table row says how an expression is built, of which dtypes, and which ops are left of it.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import ml_dtypes
import numpy as np

import graphflow as gf
from graphflow.subgraph import Subgraph, cut
from graphflow.types import SUPPORTED, dtype_name
from graphflow.verify import verify

__all__ = [
    "BOOL",
    "COMPLEX",
    "FLOATS",
    "INTS",
    "NUMBERS",
    "REALS",
    "Row",
    "applied",
    "bits",
    "check_close",
    "check_exact",
    "check_kept",
    "operand_values",
    "ops_of",
    "run",
]

BOOL = ("bool",)
INTS = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")
FLOATS = ("float16", "bfloat16", "float32", "float64")
COMPLEX = ("complex64", "complex128")
REALS = (*INTS, *FLOATS)
NUMBERS = (*REALS, *COMPLEX)

Pass = Callable[[Subgraph], Subgraph]


@dataclass(frozen=True)
class Row:
    """before: builds the expression from placeholders. left: the ops after the pass, without constants."""

    text: str
    before: Callable[..., Any]
    left: str
    dtypes: Sequence[str]

    def __str__(self) -> str:
        return self.text


def _specials(dtype: np.dtype[Any]) -> np.ndarray[Any, Any]:
    """Numbers at which rules break: zeros, infinities, NaN, the largest and the smallest, and some plain ones."""
    if dtype.kind == "b":
        return np.array([False, True])
    if dtype.kind in "iu":
        limits = np.iinfo(dtype)
        low, high = int(limits.min), int(limits.max)
        listed = [0, 1, 2, 3, 7, 16, 100, low, low + 1, high, high - 1]
        return np.array(listed + ([-1, -2, -3, -16, -100] if low else []), dtype)
    limits = ml_dtypes.finfo(dtype)
    sizes = [0, 1, 2, 0.5, 3, 1 / 3, 100, np.inf, np.nan]
    sizes += [float(v) for v in (limits.max, limits.tiny, limits.smallest_subnormal, limits.eps)]
    sizes += [float(limits.tiny) * 0.75, float(limits.max) * 0.75]
    return np.array([*sizes, *[-v for v in sizes]]).astype(dtype)


def operand_values(dtype: np.dtype[Any], count: int) -> list[np.ndarray[Any, Any]]:
    """`count` arrays of one length: special numbers in all combinations, then random ones."""
    rng = np.random.default_rng(7)
    if dtype.kind == "c":
        part = np.dtype(f"float{4 * dtype.itemsize}")
        parts = operand_values(part, 2)
        whole = (parts[0] + np.zeros((), dtype)).astype(dtype)
        whole.real, whole.imag = parts
        picks = [rng.permutation(len(whole))[:600] for _ in range(count)]
        return [whole[p] for p in picks]
    specials = _specials(dtype)
    combined = np.array(list(itertools.product(range(len(specials)), repeat=min(count, 2)))).T
    n = 300
    columns = []
    for k in range(count):
        taken = specials[combined[k]] if k < 2 else rng.choice(specials, combined.shape[1])
        if dtype.kind == "b":
            more = rng.integers(0, 2, n).astype(bool)
        elif dtype.kind in "iu":
            limits = np.iinfo(dtype)
            more = rng.integers(limits.min, limits.max, n, dtype=dtype, endpoint=True)
        else:
            more = np.concatenate([rng.normal(size=n // 2), rng.uniform(-3, 3, n - n // 2)]).astype(dtype)
        columns.append(np.concatenate([taken, more]))
    return columns


def run(subgraph: Subgraph, feeds: Iterable[Any]) -> list[np.ndarray[Any, Any]]:
    """The outputs, by the kernels one by one; what a kernel writes lies in rows, as in the buffers of a session."""
    env: dict[gf.Tensor, Any] = dict(zip(subgraph.inputs, feeds, strict=True))
    with np.errstate(all="ignore"):
        for node in subgraph.nodes:
            if node.type == "constant":
                env[node.outputs[0]] = node.attrs["value"].array
            elif node.type != "placeholder":
                assert node.op.kernel is not None
                result = node.op.kernel(np, *[env[t] for t in node.inputs], **node.attrs)
                values = result if len(node.outputs) > 1 else (result,)
                if not node.op.is_view or node.type in ("reshape", "flatten", "reshape_like"):
                    values = [np.ascontiguousarray(v).reshape(v.shape) for v in values]
                env.update(zip(node.outputs, values, strict=True))
    return [np.asarray(env[t]) for t in subgraph.outputs]


def bits(array: np.ndarray[Any, Any]) -> bytes:
    """The bytes, with one NaN for all."""
    array = np.array(array, order="C")
    if array.dtype.kind == "c":
        for part in (array.real, array.imag):
            part[np.isnan(part)] = np.nan
    elif array.dtype.kind in "fV":
        array[np.isnan(array)] = np.nan
    return array.tobytes()


def ops_of(subgraph: Subgraph) -> str:
    """The ops of a subgraph in order, without constants and placeholders."""
    return " ".join(n.type for n in subgraph.nodes if n.type not in ("constant", "placeholder"))


def applied(
    function: Pass, before: Callable[..., Any], dtype: str, shape: tuple[Any, ...] | None = None
) -> tuple[Subgraph, Subgraph, list[np.ndarray[Any, Any]]]:
    """The expression cut out, and what the pass makes of it, verified; with values for its placeholders."""
    kind = SUPPORTED[dtype]
    count = before.__code__.co_argcount
    values = operand_values(kind, count)
    if shape is not None:
        values = [np.resize(v, [3 if type(d) is not int else d for d in shape]) for v in values]
    with gf.Graph().as_default():
        feeds = [gf.placeholder(kind, v.shape if shape is None else shape) for v in values]
        built = before(*feeds)
        subgraph = cut(built if isinstance(built, list) else [built], feeds)
        after = function(subgraph)
    verify(after)
    assert [str(t.type) for t in after.outputs] == [str(t.type) for t in subgraph.outputs]
    assert function(after) is after, "twice is more than once"
    return subgraph, after, values


def check_exact(function: Pass, row: Row, shape: tuple[Any, ...] | None = None) -> None:
    """The row's ops are left, and every bit stays, for each dtype; operands are of that shape."""
    for dtype in row.dtypes:
        before, after, values = applied(function, row.before, dtype, shape)
        assert ops_of(after) == row.left, dtype
        for old, new in zip(run(before, values), run(after, values), strict=True):
            assert dtype_name(old.dtype) == dtype_name(new.dtype)
            assert bits(old) == bits(new), f"{row.text} of {dtype}"


def check_kept(function: Pass, row: Row, shape: tuple[Any, ...] | None = None) -> None:
    """The pass leaves the expression as it is."""
    for dtype in row.dtypes:
        before, after, _ = applied(function, row.before, dtype, shape)
        assert after is before, f"{row.text} of {dtype} became {ops_of(after)}"


def check_close(function: Pass, row: Row, shape: tuple[Any, ...] | None = None, operations: int = 8) -> None:
    """The row's ops are left, and results of numbers in [0.2, 3] stay within `operations` roundings of the largest."""
    for dtype in row.dtypes:
        before, after, values = applied(function, row.before, dtype, shape)
        assert ops_of(after) == row.left, dtype
        rng = np.random.default_rng(3)
        plain = [rng.uniform(0.2, 3, v.shape).astype(v.dtype) for v in values]
        eps = float(ml_dtypes.finfo(SUPPORTED[dtype]).eps)
        for old, new in zip(run(before, plain), run(after, plain), strict=True):
            wide = np.complex128 if old.dtype.kind == "c" else np.float64
            a, b = old.astype(wide), new.astype(wide)
            largest = max(1.0, float(np.max(np.abs(a))))
            assert np.max(np.abs(a - b)) <= operations * eps * largest, f"{row.text} of {dtype}"
