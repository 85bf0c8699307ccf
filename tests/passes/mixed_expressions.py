"""What random programs are made of: expressions that rules look for, ways to join values, ways to say the same again."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

import graphflow as gf
from graphflow.types import is_floating
from tests.passes import (
    test_accumulate_sums,
    test_cancel_movement,
    test_canonicalize,
    test_einsum_path,
    test_factor,
    test_fold_batch_norm,
    test_fold_products,
    test_simplify,
    test_stabilize,
)
from tests.passes.exactness import COMPLEX, FLOATS, INTS, Row

__all__ = ["AGAIN", "CONTROL", "EXPRESSIONS", "FORMULAS", "JOINS", "ROUNDING", "Expression", "kind_of"]

CUBE, SQUARE = (2, 3, 4), (6, 6)
"""Shapes that the tables of expressions are written for."""

WIDE = ("float32", "float64")

Shape = tuple[Any, ...]


def kind_of(dtype: np.dtype[Any]) -> str:
    """`b`, `i`, `u`, `f` or `c`; another letter for text."""
    return "f" if is_floating(dtype) and dtype.kind != "c" else dtype.kind


@dataclass(frozen=True)
class Expression:
    """build: makes a tensor, or a list of them, from operands of these shapes, all of one of the dtypes.

    sized: whether it needs their sizes.
    """

    name: str
    build: Callable[..., Any]
    shapes: tuple[Shape, ...]
    dtypes: Sequence[str]
    sized: bool = True


# --- expressions that the tests of single passes have in tables -------------------------------------------


def _of_rows(rows: Sequence[Row], shape: Shape) -> Iterator[Expression]:
    for row in rows:
        if row.dtypes:
            yield Expression(row.text, row.before, (shape,) * row.before.__code__.co_argcount, row.dtypes)


EXPRESSIONS: tuple[Expression, ...] = (
    *_of_rows(test_simplify.EXACT, CUBE),
    *_of_rows(test_simplify.KEPT, CUBE),
    *_of_rows(test_cancel_movement.EXACT, CUBE),
    *_of_rows(test_cancel_movement.KEPT, CUBE),
    *_of_rows(test_canonicalize.ROWS, CUBE),
    *_of_rows(test_canonicalize.KEPT, CUBE),
    *_of_rows(test_accumulate_sums.CHAINS, CUBE),
    *_of_rows(test_factor.BOTH, SQUARE),
    *_of_rows(test_factor.KEPT, SQUARE),
    *_of_rows(test_fold_products.BOTH, SQUARE),
    *_of_rows(test_fold_products.KEPT, SQUARE),
)
"""Those that some exact rule looks for, or looks at and leaves."""

ROUNDING: tuple[Expression, ...] = (
    *_of_rows(test_simplify.FAST, CUBE),
    *_of_rows(test_cancel_movement.FAST, CUBE),
    *_of_rows(test_factor.ONLY_FAST, SQUARE),
    *_of_rows(test_fold_products.ONLY_FAST, SQUARE),
)
"""Those that some rule looks for that rounds anew."""


# --- formulas and parts of networks -----------------------------------------------------------------------


def _trained(build: Callable[..., Any]) -> Callable[..., Any]:
    """The mean of a loss with its gradient in the last operand."""

    def loss(*operands: gf.Tensor) -> list[gf.Tensor]:
        mean = gf.mean(build(*operands))
        return [mean, *gf.gradients(mean, operands[-1])]

    return loss


def _with_gradients(build: Callable[..., Any]) -> Callable[..., Any]:
    """What it makes, with the gradients in all operands."""

    def both(*operands: gf.Tensor) -> list[gf.Tensor]:
        made: gf.Tensor = build(*operands)
        return [made, *gf.gradients(gf.sum(gf.square(made)), list(operands), unconnected_gradients="zero")]

    return both


def _normalised(build: Callable[..., Any]) -> Callable[..., Any]:
    return lambda x, w, *moments: build(gf.nn.conv2d(x, w, 1, "SAME"), *moments)


def _scaled(build: Callable[..., Any], behind: int) -> Callable[..., Any]:
    """A product whose channels are scaled and shifted. behind: axes behind that of the channels."""

    def build_scaled(x: gf.Tensor, w: gf.Tensor) -> gf.Tensor:
        y: gf.Tensor = build(x, w)
        channels: Any = y.type.dims[-1 - behind]
        along = (channels,) + (1,) * behind
        mean = gf.reshape(gf.linspace(0.1, 0.9, channels, dtype=y.dtype), along)
        scaled: gf.Tensor = (y - mean) * gf.reshape(gf.linspace(0.5, 1.5, channels, dtype=y.dtype), along)
        return scaled

    return build_scaled


def _spread(axis: int | None) -> Callable[..., Any]:
    """Sums of what a broadcast may sink behind, which are added in another order if it does."""

    def summed(x: gf.Tensor, y: gf.Tensor) -> list[gf.Tensor]:
        wide = [gf.exp(gf.broadcast_to(t, (9, 20))) for t in (x, y)]
        return [*[gf.sum(t, axis) for t in wide], gf.sum(wide[0] * gf.broadcast_to(y, (9, 20)), axis)]

    return summed


def _attention(q: gf.Tensor, k: gf.Tensor, v: gf.Tensor) -> gf.Tensor:
    weights: gf.Tensor = gf.nn.softmax(gf.matmul(q, k, transpose_b=True) * 0.5)
    return gf.matmul(weights, v)


def _spelled_attention(q: gf.Tensor, k: gf.Tensor, v: gf.Tensor) -> gf.Tensor:
    e = gf.exp(gf.matmul(q, k, transpose_b=True) * 0.3)
    return gf.matmul(e / gf.sum(e, -1, True), v)


def _turned_network(x: gf.Tensor, w: gf.Tensor, b: gf.Tensor) -> gf.Tensor:
    """Channels last, first in between."""
    y = gf.nn.conv2d(gf.transpose(x, (0, 3, 1, 2)), w, 1, "SAME", data_format="NCHW")
    y = gf.nn.max_pool(gf.nn.relu(gf.nn.bias_add(y, b, "NCHW")), 2, data_format="NCHW")
    return gf.transpose(y, (0, 2, 3, 1))


def _einsum(equation: str) -> Callable[..., Any]:
    return lambda *terms: gf.einsum(equation, *terms)


_HEADS = ((2, 4, 10, 4), (2, 4, 12, 4), (2, 4, 12, 3))

FORMULAS: tuple[Expression, ...] = (
    *[Expression(f"{row[0]} {k}", row[1], (SQUARE,), WIDE) for k, row in enumerate(test_stabilize.SPELLINGS)],
    *[Expression(f"like {k}", build, (SQUARE,), WIDE) for k, build in enumerate(test_stabilize.NOT_FOUND)],
    *[
        Expression(f"trained {k}", _trained(row[0]), (SQUARE, SQUARE), WIDE, sized=False)
        for k, row in enumerate(test_stabilize.TRAINED)
    ],
    *[
        Expression(
            f"normalised {name}", _normalised(form[0]), ((4, 9, 9, 3), (3, 3, 3, 5), *[(5,)] * 4), WIDE
        )
        for name, form in test_fold_batch_norm.FORMS.items()
    ],
    *[
        Expression(f"scaled {name}", _scaled(build, behind), tuple(shapes), WIDE)
        for name, (shapes, build, behind) in test_fold_batch_norm.PRODUCTS.items()
    ],
    Expression("sum of five", lambda a, b, c: gf.add_n([a, b, c, a, b]), (SQUARE,) * 3, FLOATS),
    *[
        Expression(f"spread, then summed over {axis}", _spread(axis), ((9, 1), (1, 20)), FLOATS)
        for axis in (0, 1, None)
    ],
    Expression("attention", _attention, _HEADS, WIDE, sized=False),
    Expression("attention spelled out", _spelled_attention, _HEADS, WIDE, sized=False),
    Expression("attention with gradients", _with_gradients(_attention), _HEADS, WIDE, sized=False),
    Expression("turned network", _turned_network, ((2, 8, 8, 3), (3, 3, 3, 9), (9,)), WIDE),
    Expression(
        "turned network with gradients",
        _with_gradients(_turned_network),
        ((2, 8, 8, 3), (3, 3, 3, 9), (9,)),
        WIDE,
    ),
    *[
        Expression(equation, _einsum(equation), tuple(shapes), (*WIDE, "int64"), sized=False)
        for equation, shapes in test_einsum_path.EQUATIONS
    ],
    Expression(
        "chain", lambda a, b, v: a @ b @ v, ((30, 20), (20, 40), (40,)), (*WIDE, "int32", "complex128")
    ),
    Expression("long chain", lambda a, b, c: a @ b @ c @ a @ b, ((9, 4), (4, 8), (8, 9)), (*WIDE, *INTS)),
    Expression("outer", lambda a, b, c: (a * b) @ c, ((30, 1), (20,), (20,)), (*WIDE, "int64")),
    Expression("row times matrices", lambda v, a, b: v @ a @ b, ((4,), (4, 8), (8, 2)), (*WIDE, *COMPLEX)),
)
"""What passes look for that know larger patterns."""


# --- branches and loops -------------------------------------------------------------------------------------


def _first(made: Any) -> gf.Tensor:
    found: gf.Tensor = made[0] if isinstance(made, (tuple, list)) else made
    return found


def _loop(trips: int, step: Callable[..., Any], *start: gf.Tensor) -> list[gf.Tensor]:
    """A loop that counts."""
    made = gf.while_loop(lambda i, *now: i < trips, lambda i, *now: (i + 1, *step(*now)), (0, *start))
    return list(made[1:])


def _nested(x: gf.Tensor, y: gf.Tensor) -> list[gf.Tensor]:
    def step(a: gf.Tensor, b: gf.Tensor) -> tuple[gf.Tensor, gf.Tensor]:
        chosen = gf.cond(
            gf.max(a) > gf.max(b), lambda: a - gf.square(y) * 1, lambda: gf.cond(True, lambda: b, lambda: a)
        )
        return chosen + y, gf.transpose(gf.transpose(b))

    return _loop(4, step, x, y)


_CONTROL: tuple[tuple[str, Callable[[gf.Tensor, gf.Tensor], Any]], ...] = (
    ("known branch", lambda x, y: gf.cond(gf.constant(True), lambda: x * 2, lambda: y)),
    ("branch", lambda x, y: gf.cond(gf.max(x) > gf.max(y), lambda: (x + y, y - y), lambda: (x * 1, y))),
    ("branches alike", lambda x, y: gf.cond(gf.max(x) > 1, lambda: (x, y), lambda: (x, -y))),
    ("switch", lambda x, y: gf.switch_case(gf.constant(1), [lambda: x, lambda: y * x, lambda: y])),
    ("no trips", lambda x, y: _loop(0, lambda a, b: (a + b, b), x, y)),
    ("three trips", lambda x, y: _loop(3, lambda a: (a * 2 + gf.square(y),), x)),
    ("many trips", lambda x, y: _loop(15, lambda a: (gf.maximum(a, y) - gf.square(y) * 3,), x)),
    ("unused in loop", lambda x, y: _loop(9, lambda a, b, c: (a + y, b * 2, c), x, y, x + y)[0]),
    (
        "sums in loop",
        lambda x, y: _loop(9, lambda a: (a + gf.sum(gf.broadcast_to(y, (3, 3, 4)), 0, dtype=y.dtype),), x),
    ),
    ("views in loop", lambda x, y: _loop(9, lambda a, b: (b, a[::-1]), x, y)),
    ("nested", _nested),
    ("scan", lambda x, y: gf.scan(lambda now, row: now + row * gf.square(y[0]), x, y[1])),
    ("map", lambda x, y: gf.map_fn(lambda row: gf.abs(row) * 1 + gf.abs(row) + y[0] * 2, x)),
)

CONTROL: tuple[Expression, ...] = (
    *[Expression(name, build, ((3, 4), (3, 4)), (*WIDE, "int32", "int64")) for name, build in _CONTROL],
    *[
        Expression(
            f"{name} with gradients",
            _with_gradients(lambda x, y, b=build: _first(b(x, y))),
            ((3, 4), (3, 4)),
            WIDE,
        )
        for name, build in _CONTROL
    ],
)
"""What passes look for that know branches, loops and scans."""


# --- ways to join two values of one type --------------------------------------------------------------------

JOINS: tuple[tuple[str, Callable[[gf.Tensor, gf.Tensor], gf.Tensor]], ...] = (
    ("iufc", lambda a, b: a + b),
    ("iufc", lambda a, b: a - b),
    ("iufc", lambda a, b: a * b),
    ("fc", lambda a, b: a / b),
    ("iuf", gf.maximum),
    ("biufc", lambda a, b: gf.where(a == b, a, b)),
    ("biuf", lambda a, b: gf.where(a < b, b, a)),
    ("biufc", lambda a, b: gf.concat([a, b], 0) if a.ndim else gf.stack([a, b])),
    ("biufc", lambda a, b: gf.stack([a, b], -1)),
    ("iufc", lambda a, b: gf.add_n([a, b, a])),
    ("iufc", lambda a, b: gf.matmul(a, b, transpose_b=True) if a.ndim > 1 else a * b),
    ("biuf", lambda a, b: gf.sort(gf.reshape(a, (-1,)))),
    ("iufc", lambda a, b: gf.cumulative_sum(gf.reshape(a, (-1,)))),
    ("iufc", lambda a, b: gf.sum(a, 0) + gf.sum(b, 0) if a.ndim else a + b),
    ("iufc", lambda a, b: gf.sum(gf.transpose(a)) - gf.prod(b)),
    ("fc", lambda a, b: gf.mean(a, -1, keepdims=True) * b if a.ndim else a),
    ("iuf", lambda a, b: gf.max(gf.stack([a, b]), 0)),
    ("biufc", lambda a, b: gf.transpose(a)),
    ("biufc", lambda a, b: gf.reshape(a, (-1,))[::-1]),
    ("biufc", lambda a, b: gf.broadcast_to(a, (2, *a.type.dims))),
    ("iufc", lambda a, b: gf.sum(gf.broadcast_to(a, (3, *a.type.dims)) * 2, 0)),
    ("biufc", lambda a, b: gf.tile(gf.reshape(a, (-1,)), (2,))),
    ("f", lambda a, b: gf.exp(a) + gf.log(gf.abs(b))),
    ("f", lambda a, b: gf.tanh(a) * gf.sigmoid(b)),
    ("f", lambda a, b: gf.nn.softmax(gf.reshape(a, (-1,)))),
    ("f", lambda a, b: gf.sqrt(gf.square(a) + gf.square(b))),
    ("f", lambda a, b: gf.round(a) + gf.floor(b)),
    ("iu", lambda a, b: (a & b) ^ (a | ~b)),
    ("iu", lambda a, b: gf.where(b == 0, a, a // gf.where(b == 0, gf.ones_like(b), b))),
    ("b", lambda a, b: gf.logical_xor(gf.logical_not(a), b)),
    ("biufc", lambda a, b: a == b),
    ("biuf", lambda a, b: gf.logical_and(a < b, gf.logical_not(a >= b))),
    ("biufc", lambda a, b: gf.ones_like(a)),
    ("iufc", lambda a, b: gf.zeros_like(a) + b * (gf.cast(gf.size(a), b.dtype) * 2)),
    ("iuf", lambda a, b: gf.take(gf.reshape(a, (-1,)), gf.argmax(gf.reshape(b, (-1,)), 0))),
)
"""(kinds of dtypes, function)."""


# --- ways to say the same value again -------------------------------------------------------------------------

AGAIN: tuple[tuple[str, Callable[[gf.Tensor], gf.Tensor]], ...] = (
    ("biufc", gf.identity),
    ("biufc", lambda x: gf.transpose(gf.transpose(x))),
    ("biufc", lambda x: gf.reshape(gf.reshape(x, (-1,)), x.type.dims)),
    ("biufc", lambda x: gf.squeeze(gf.expand_dims(x, 0), 0)),
    ("biufc", lambda x: gf.where(True, x, x)),
    ("biufc", lambda x: gf.concat([x], 0) if x.ndim else x),
    ("biufc", lambda x: gf.broadcast_to(x, x.type.dims)),
    ("f", lambda x: gf.cast(gf.real(gf.cast(x, "complex128")), x.dtype)),
    ("biu", lambda x: gf.cast(gf.cast(x, "float64" if x.dtype.itemsize < 8 else "int64"), x.dtype)),
    ("biufc", lambda x: gf.split(x, 1, 0)[0] if x.ndim else x),
    ("ifc", lambda x: -gf.negative(x)),
    ("iuf", lambda x: x * 1),
    ("f", lambda x: x / 1),
    ("iufc", lambda x: gf.add_n([x])),
)
"""(kinds of dtypes, function): of tensors whose sizes are known; every bit of the value stays, but for a NaN's."""
