"""Layers' small parts: embeddings and biases; and the other `gf.nn` functions that every program loads, by one name.

All are compositions of other ops.
"""

from __future__ import annotations

from typing import Any

from graphflow.errors import ArgumentError, ShapeError, shorten
from graphflow.graph import Tensor, composition
from graphflow.op import F, public
from graphflow.ops.activations import (
    elu,
    gelu,
    leaky_relu,
    log_sigmoid,
    log_softmax,
    relu,
    relu6,
    selu,
    sigmoid,
    silu,
    softmax,
    softplus,
    softsign,
    swish,
)
from graphflow.ops.arguments import flag
from graphflow.ops.batch_norm import batch_norm, batch_normalization
from graphflow.ops.dropout import dropout
from graphflow.ops.losses import (
    sigmoid_cross_entropy_with_logits,
    softmax_cross_entropy_with_logits,
    sparse_softmax_cross_entropy_with_logits,
)
from graphflow.ops.moments import moments
from graphflow.ops.normalization import l2_normalize, layer_norm
from graphflow.ops.parameters import choice
from graphflow.ops.transcendental import tanh
from graphflow.ops.ufunc import operand, reals
from graphflow.types import dims_equal

__all__ = [
    "batch_norm",
    "batch_normalization",
    "bias_add",
    "dropout",
    "elu",
    "embedding_lookup",
    "gelu",
    "l2_loss",
    "l2_normalize",
    "layer_norm",
    "leaky_relu",
    "log_sigmoid",
    "log_softmax",
    "moments",
    "relu",
    "relu6",
    "selu",
    "sigmoid",
    "sigmoid_cross_entropy_with_logits",
    "silu",
    "softmax",
    "softmax_cross_entropy_with_logits",
    "softplus",
    "softsign",
    "sparse_softmax_cross_entropy_with_logits",
    "swish",
    "tanh",
    "xw_plus_b",
]


@public
def embedding_lookup(
    params: Any,
    ids: Any,
    partition_strategy: str = "mod",
    name: str | None = None,
    validate_indices: bool = True,
    max_norm: float | None = None,
) -> Tensor:
    """The rows of `params` that the integers `ids` name: ids.shape + params.shape[1:].

    params: one table, or a list of tables over which the rows are spread: with partition_strategy "mod" row i is in
        table i % n, with "div" each table holds a run of rows.
    max_norm: rows are scaled down to this length. validate_indices: ignored; indices are always checked.
    Raises IndexRangeError for a row that there is not.
    """
    choice("embedding_lookup", "partition_strategy", partition_strategy, ("mod", "div"))
    flag(validate_indices, "embedding_lookup", "validate_indices")
    if max_norm is None and not isinstance(params, (list, tuple)):
        return F.gather(params, ids, name="embedding_lookup" if name is None else name)  # type: ignore[no-any-return]
    return F.partitioned_lookup(params, ids, partition_strategy, max_norm, name)  # type: ignore[no-any-return]


@public
def bias_add(value: Any, bias: Any, data_format: str | None = None, name: str | None = None) -> Tensor:
    """`value + bias` with one number of `bias` for each channel.

    data_format: None, "NHWC" or "N...C" for channels in the last axis, "NCHW" or "NC..." for the second.
    Raises ArgumentError for another format, ShapeError unless `bias` is 1-d and as long as there are channels.
    """
    t, b = operand("bias_add", value), operand("bias_add", bias)
    if data_format not in (None, "NHWC", "N...C", "NCHW", "NC..."):
        raise ArgumentError(f"bias_add: data_format is 'NHWC' or 'NCHW', not {shorten(data_format)}")
    first = data_format in ("NCHW", "NC...")
    if b.type.shape is not None and len(b.type.shape) != 1:
        raise ShapeError(f"bias_add: bias must have one axis, got {b!r}")
    if t.type.shape is not None:
        if len(t.type.shape) < 1 + first:
            raise ShapeError(f"bias_add: {t!r} has no channel axis")
        channels = t.type.shape[1 if first else -1]
        if b.type.shape is not None and dims_equal(b.type.shape[0], channels) is False:
            raise ShapeError(f"bias_add: {b.type} does not fit the channels of {t.type}")
    if first and t.type.rank > 2:
        b = F.expand_dims(b, tuple(range(1, t.type.rank - 1)))
    return F.add(t, b, name="BiasAdd" if name is None else name)  # type: ignore[no-any-return]


@public
def xw_plus_b(x: Any, weights: Any, biases: Any, name: str | None = None) -> Tensor:
    """`matmul(x, weights) + biases`."""
    with composition("xw_plus_b" if name is None else name) as scope:
        return F.add(F.matmul(x, weights), biases, name=scope)  # type: ignore[no-any-return]


@public
def l2_loss(t: Any, name: str | None = None) -> Tensor:
    """`sum(t²) / 2`: a scalar."""
    x = reals("l2_loss", t)
    with composition("L2Loss" if name is None else name) as scope:
        return F.multiply(F.sum(F.square(x)), 0.5, name=scope)  # type: ignore[no-any-return]
