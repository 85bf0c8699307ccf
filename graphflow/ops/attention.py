"""Attention: queries look keys up and get a weighted mean of the values. All are compositions of products and `exp`.

Conventions of all functions here: a boolean mask is true where a query may see a key; a query that may see none gets
zeros, and gradients of zero, not NaN. 16-bit floats are computed in float32 and the results rounded once.
Memory: an array [..., queries, keys] of scores is held: one, two with a mask or for gradients, four with dropout.
"""

from __future__ import annotations

import math
from typing import Any

from graphflow.errors import ArgumentError, DTypeError, ShapeError
from graphflow.graph import Tensor, name_scope
from graphflow.op import F, public
from graphflow.ops.arguments import flag
from graphflow.ops.constant import operands, python_number
from graphflow.ops.ufunc import operand, reals
from graphflow.types import SUPPORTED, DimLike, as_index, dims_equal

__all__ = ["additive_attention", "attention_tensors", "scaled_dot_product_attention"]

FLOAT32 = SUPPORTED["float32"]


# --- what they share ------------------------------------------------------------------------------


def attention_tensors(what: str, needed: dict[str, Any], optional: dict[str, Any]) -> dict[str, Tensor]:
    """Arguments, the optional ones where they are given, as real tensors of one dtype.

    Raises ShapeError where queries, keys or values have less than two axes.
    """
    there = needed | {name: value for name, value in optional.items() if value is not None}
    made = dict(zip(there, operands(*[reals(what, v) for v in there.values()]), strict=True))
    for name in ("q", "k", "v", "query", "key", "value"):
        t = made.get(name)
        if t is not None and t.type.shape is not None and len(t.type.shape) < 2:
            raise ShapeError(f"{what}: {name} must have the axes [..., length, depth], got {t!r}")
    return made


def _wide(t: Tensor) -> Tensor:
    return F.cast(t, FLOAT32) if t.type.dtype.itemsize == 2 else t


def _same(what: str, one: str, a: Tensor, other: str, b: Tensor, axis: int, meaning: str) -> None:
    """Raise ShapeError where two tensors surely differ in an axis."""
    if a.type.shape is None or b.type.shape is None:
        return
    if dims_equal(a.type.shape[axis], b.type.shape[axis]) is False:
        raise ShapeError(f"{what}: {one} {a.type} and {other} {b.type} differ in {meaning}")


def _mask(what: str, mask: Any) -> Tensor:
    t = operand(what, mask)
    if t.type.dtype.kind != "b":
        raise DTypeError(
            f"{what}: the mask must be bool, got {t!r}; numbers to add to the scores are the bias"
        )
    return t


def _earlier(scores: Tensor) -> Tensor:
    """bool[queries, keys]: which keys stand at the query's own position or before it."""
    sizes = F.shape(scores)
    return F.greater_equal(F.expand_dims(F.arange(sizes[-2]), 1), F.expand_dims(F.arange(sizes[-1]), 0))  # type: ignore[no-any-return]


Dropout = tuple[float, int | None]
"""(rate, seed)"""


def _dropout(what: str, dropout_rate: Any, seed: Any) -> Dropout:
    """Raises ArgumentError for a rate outside [0, 1) or a seed that is no integer."""
    rate = python_number(dropout_rate, f"{what}: dropout_rate")
    if not 0 <= rate < 1:
        raise ArgumentError(f"{what}: dropout_rate must be in [0, 1), got {rate}")
    return rate, None if seed is None else as_index(seed, f"{what}: seed")


def _looked_up(
    scores: Tensor,
    values: Tensor,
    mask: Tensor | None,
    causal: bool,
    dropout: Dropout,
    return_weights: bool,
) -> tuple[Tensor, Tensor | None]:
    """The means of the values, and the weights where they are asked for.

    The exponentials are not divided by their sum before the product, but the product is: it has fewer elements.
    """
    if causal:
        mask = _earlier(scores) if mask is None else F.logical_and(mask, _earlier(scores))
    if mask is not None:
        scores = F.where(mask, scores, -math.inf)
    top = F.stop_gradient(F.max(scores, axis=-1, keepdims=True))
    top = F.where(F.equal(top, -math.inf), 0, top)  # nothing to see: exp(-inf - 0) is 0, not NaN
    e = F.exp(scores - top)
    total = F.sum(e, axis=-1, keepdims=True)
    total = F.where(F.equal(total, 0), 1, total)
    weights = e / total if return_weights else None
    if dropout[0]:
        e = F.dropout(e, dropout[0], seed=dropout[1])
    return _grouped_product(e, values) / total, weights


# --- heads that share keys and values ---------------------------------------------------------------


def _groups(q: Tensor, k: Tensor) -> int:
    """How many heads of the queries share one of the keys; 1 where that is not known."""
    if q.type.shape is None or k.type.shape is None or min(len(q.type.shape), len(k.type.shape)) < 3:
        return 1
    heads, shared = q.type.shape[-3], k.type.shape[-3]
    if type(heads) is not int or type(shared) is not int or not shared or heads % shared:
        return 1
    return heads // shared


def _grouped_product(a: Tensor, b: Tensor, transpose: bool = False) -> Tensor:
    """`a @ b`, where each matrix of `b` may be for several of `a`'s, which are then put one above the other."""
    groups = _groups(a, b)
    if groups < 2:
        return F.matmul(a, b, transpose_b=transpose)  # type: ignore[no-any-return]
    shared = b.type.dims[-3]
    rows = F.shape(a)[-2]
    tall = F.flatten(F.unflatten(a, -3, (shared, groups)), -3, -2)
    product = F.matmul(tall, b, transpose_b=transpose)
    return F.flatten(F.unflatten(product, -2, (groups, rows)), -4, -3)  # type: ignore[no-any-return]


# --- public ---------------------------------------------------------------------------------------


@public
def scaled_dot_product_attention(
    q: Any,
    k: Any,
    v: Any,
    mask: Any = None,
    bias: Any = None,
    causal: bool = False,
    scale: float | None = None,
    dropout_rate: float = 0.0,
    seed: int | None = None,
    return_weights: bool = False,
    name: str | None = None,
) -> Any:
    """`softmax(q @ kᵀ * scale + bias) @ v`. A composition; see the top of the file for masks and memory.

    q: [..., queries, depth], k: [..., keys, depth], v: [..., keys, size]; leading axes, such as batch and heads, are
        broadcast. Where the third axis from the end, that of the heads, is known and is a multiple of that of k and v,
        each head of keys serves so many heads of queries, one after another.
    mask: bools, bias: numbers to add; both broadcast to [..., queries, keys].
    causal: query i sees keys 0 to i only. With other offsets, as when keys are remembered: `gf.nn.causal_mask`.
    scale: 1 / sqrt(depth) where left out. dropout_rate: of the weights, in [0, 1); seed as for `gf.nn.dropout`.
    Returns [..., queries, size]; with return_weights the pair of that and the weights (before dropout).
    Raises ShapeError where sizes do not fit or there are no keys, DTypeError for a mask that is not bool.
    Sources: Vaswani et al. 2017; Ainslie et al. 2023 for heads that share keys.
    """
    what = "scaled_dot_product_attention"
    given = attention_tensors(what, {"q": q, "k": k, "v": v}, {})
    _same(what, "q", given["q"], "k", given["k"], -1, "depth")
    _same(what, "k", given["k"], "v", given["v"], -2, "the number of keys")
    allowed = None if mask is None else _mask(what, mask)
    added = None if bias is None else reals(what, bias)
    causal, return_weights = flag(causal, what, "causal"), flag(return_weights, what, "return_weights")
    dropout = _dropout(what, dropout_rate, seed)
    factor = None if scale is None else python_number(scale, f"{what}: scale")
    dtype = given["q"].type.dtype
    with name_scope(what if name is None else name):
        queries, keys, values = (_wide(t) for t in given.values())
        scores = _grouped_product(_scaled(queries, factor), keys, transpose=True)
        if added is not None:
            scores = scores + F.cast(added, scores.type.dtype)
        result, weights = _looked_up(scores, values, allowed, causal, dropout, return_weights)
        made = F.cast(result, dtype)
        return made if weights is None else (made, F.cast(weights, dtype))


def _scaled(q: Tensor, factor: float | None) -> Tensor:
    """Queries times the scale: fewer numbers than the scores."""
    if factor is not None:
        return q * factor  # type: ignore[no-any-return]
    depth: DimLike | None = None if q.type.shape is None else q.type.shape[-1]
    if isinstance(depth, int):
        return q / math.sqrt(depth) if depth else q
    return q * F.rsqrt(F.cast(F.size(q, axis=-1), q.type.dtype))  # type: ignore[no-any-return]


@public
def additive_attention(
    query: Any,
    key: Any,
    value: Any = None,
    scale: Any = None,
    mask: Any = None,
    causal: bool = False,
    dropout_rate: float = 0.0,
    seed: int | None = None,
    return_weights: bool = False,
    name: str | None = None,
) -> Any:
    """Means of the values by the softmax of `sum(scale * tanh(query + key))` over the depth. A composition.

    query: [..., queries, depth], key: [..., keys, depth], value: [..., keys, size], the keys themselves where left
        out. scale: [depth], a weight for each, or None for ones. Other arguments, result and errors as for
        `scaled_dot_product_attention`. Queries and keys are expected to be projected already.
    Memory: all pairs, [..., queries, keys, depth], are held besides.
    Source: Bahdanau, Cho and Bengio 2014.
    """
    what = "additive_attention"
    given = attention_tensors(what, {"query": query, "key": key}, {"value": value, "scale": scale})
    _same(what, "query", given["query"], "key", given["key"], -1, "depth")
    values = given.get("value", given["key"])
    _same(what, "key", given["key"], "value", values, -2, "the number of keys")
    if scale is not None:
        weights = given["scale"]
        if weights.type.shape is not None and len(weights.type.shape) != 1:
            raise ShapeError(f"{what}: scale must be a vector, got {weights!r}")
        _same(what, "scale", weights, "key", given["key"], -1, "depth")
    allowed = None if mask is None else _mask(what, mask)
    causal, return_weights = flag(causal, what, "causal"), flag(return_weights, what, "return_weights")
    dropout, dtype = _dropout(what, dropout_rate, seed), values.type.dtype
    with name_scope(what if name is None else name):
        pairs = F.tanh(F.expand_dims(_wide(given["query"]), -2) + F.expand_dims(_wide(given["key"]), -3))
        scores = F.sum(pairs, axis=-1) if scale is None else F.matmul(pairs, _wide(given["scale"]))
        result, seen = _looked_up(scores, _wide(values), allowed, causal, dropout, return_weights)
        made = F.cast(result, dtype)
        return made if seen is None else (made, F.cast(seen, dtype))
