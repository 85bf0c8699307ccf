"""Attention of several heads, with the products before and behind it."""

from __future__ import annotations

from typing import Any

from graphflow.errors import ArgumentError, ShapeError, shorten
from graphflow.graph import name_scope
from graphflow.op import F, public
from graphflow.ops.attention import attention_tensors, scaled_dot_product_attention
from graphflow.ops.ufunc import reals
from graphflow.types import as_index

__all__ = ["multi_head_attention"]


@public
def multi_head_attention(
    query: Any,
    key: Any,
    value: Any,
    w_q: Any,
    w_k: Any,
    w_v: Any,
    w_o: Any,
    num_heads: int,
    num_kv_heads: int | None = None,
    biases: Any = None,
    mask: Any = None,
    bias: Any = None,
    causal: bool = False,
    scale: float | None = None,
    dropout_rate: float = 0.0,
    seed: int | None = None,
    return_weights: bool = False,
    name: str | None = None,
) -> Any:
    """`scaled_dot_product_attention` of several heads, each with projections of its own. A composition.

    query: [..., queries, depth]. key: [..., keys, depth], or None for the queries themselves; value likewise, or
        None for the keys.
    w_q: [depth, num_heads * size], w_k and w_v: [depth, num_kv_heads * size]: the heads' columns one after another.
    w_o: [num_heads * size, outputs]. num_kv_heads: fewer heads of keys and values than of queries, which divide them.
    biases: None, or four vectors (or Nones) to add after the four products.
    mask, bias: broadcast to [..., num_heads, queries, keys]; give them an axis of size 1 for the heads.
    Returns [..., queries, outputs]; with return_weights also the weights, [..., num_heads, queries, keys].
    Raises ArgumentError for numbers of heads that do not divide, else as `scaled_dot_product_attention`.
    Source: Vaswani et al. 2017.
    """
    what = "multi_head_attention"
    heads = _count(what, "num_heads", num_heads)
    shared = heads if num_kv_heads is None else _count(what, "num_kv_heads", num_kv_heads)
    if heads % shared:
        raise ArgumentError(f"{what}: num_kv_heads {shared} does not divide num_heads {heads}")
    if biases is not None and (not isinstance(biases, (tuple, list)) or len(biases) != 4):
        raise ArgumentError(f"{what}: biases must be a list of four vectors or Nones, not {shorten(biases)}")
    to_add = [None if b is None else reals(what, b) for b in biases or (None,) * 4]
    needed = {"query": query, "w_q": w_q, "w_k": w_k, "w_v": w_v, "w_o": w_o}
    given = attention_tensors(what, needed, {"key": key, "value": value})
    for label in ("w_q", "w_k", "w_v", "w_o"):
        shape = given[label].type.shape
        if shape is not None and len(shape) != 2:
            raise ShapeError(f"{what}: {label} must be a matrix, got {given[label]!r}")
    sources = {"w_q": given["query"], "w_k": given.get("key", given["query"])}
    sources["w_v"] = given.get("value", sources["w_k"])
    with name_scope(what if name is None else name):
        parts = []
        for (label, source), count, b in zip(sources.items(), (heads, shared, shared), to_add, strict=False):
            columns = given[label].type.shape
            if columns is not None and type(columns[1]) is int and columns[1] % count:
                raise ShapeError(
                    f"{what}: the columns of {label}, {given[label].type}, do not divide into {count} heads"
                )
            product = F.matmul(source, given[label])
            product = product if b is None else product + b
            parts.append(F.swapaxes(F.unflatten(product, -1, (count, -1)), -3, -2))
        q, k, v = parts
        found = scaled_dot_product_attention(
            q,
            k,
            v,
            mask=mask,
            bias=bias,
            causal=causal,
            scale=scale,
            dropout_rate=dropout_rate,
            seed=seed,
            return_weights=return_weights,
        )
        result, weights = found if isinstance(found, tuple) else (found, None)
        joined = F.matmul(F.flatten(F.swapaxes(result, -3, -2), -2, -1), given["w_o"])
        joined = joined if to_add[3] is None else joined + to_add[3]
        return joined if weights is None else (joined, weights)


def _count(what: str, argument: str, value: Any) -> int:
    number = as_index(value, f"{what}: {argument}")
    if number < 1:
        raise ArgumentError(f"{what}: {argument} must be positive, got {number}")
    return number
