"""Dense layers, dropout, flattening and embeddings."""

from __future__ import annotations

import math
from typing import Any

from graphflow.errors import ArgumentError, DTypeError
from graphflow.graph import Tensor, check_name
from graphflow.initializers import RandomUniform
from graphflow.layers.weights import (
    Weights,
    channels_of,
    check_activation,
    floating_input,
    layer_scope,
    units_of,
)
from graphflow.op import F
from graphflow.ops.arguments import flag
from graphflow.ops.constant import as_tensor

__all__ = ["dense", "dropout", "embedding", "flatten"]


def dense(
    inputs: Any,
    units: int,
    activation: Any = None,
    use_bias: bool = True,
    kernel_initializer: Any = None,
    bias_initializer: Any = None,
    kernel_regularizer: Any = None,
    bias_regularizer: Any = None,
    activity_regularizer: Any = None,
    trainable: bool = True,
    name: str | None = None,
    reuse: Any = None,
) -> Tensor:
    """`activation(inputs @ kernel + bias)` along the last axis: [..., n] -> [..., units].

    kernel: [n, units], from `kernel_initializer` (Glorot's uniform if None); bias: [units], zeros if None.
    Raises ShapeError where n is not known, GraphError where the name is taken and not reused.
    """
    if activity_regularizer is not None:
        raise ArgumentError(
            "dense: activity_regularizer is not supported; add the penalty to the loss yourself"
        )
    x, n_units = floating_input("dense", inputs), units_of("dense", units, "units")
    n = channels_of("dense", x, -1) if x.type.rank else 0
    if not x.type.rank:
        raise ArgumentError(f"dense: inputs must have an axis, got {x.type}")
    act, with_bias = check_activation("dense", activation), flag(use_bias, "dense", "use_bias")
    with layer_scope("dense", name, reuse):
        weights = Weights(x.type.dtype, trainable)
        y = F.matmul(x, weights.make("kernel", (n, n_units), kernel_initializer, kernel_regularizer))
        y = weights.add_bias(y, n_units, with_bias, bias_initializer, bias_regularizer)
        return act(y)  # type: ignore[no-any-return]


def dropout(
    inputs: Any,
    rate: Any = 0.5,
    noise_shape: Any = None,
    seed: int | None = None,
    training: Any = False,
    name: str | None = None,
) -> Tensor:
    """`gf.nn.dropout` in training, `inputs` themselves else; a scalar bool tensor `training` decides in the run."""
    return F.dropout(  # type: ignore[no-any-return]
        inputs,
        rate=rate,
        noise_shape=noise_shape,
        seed=seed,
        training=training,
        name="dropout" if name is None else name,
    )


def flatten(inputs: Any, name: str | None = None) -> Tensor:
    """All axes but the first made one: [batch, ...] -> [batch, n]."""
    x = as_tensor(inputs)
    if x.type.shape is None or not x.type.rank:
        raise ArgumentError(f"flatten: inputs must have a batch axis and a known rank, got {x!r}")
    label = "flatten" if name is None else name
    check_name(label)
    dims = x.type.dims[1:]
    n: Any = math.prod(dims) if all(isinstance(d, int) for d in dims) else -1
    batch: Any = x.type.dims[0]
    if n == -1 and not isinstance(batch, int):
        return F.flatten(x, 1, -1, name=label) if x.type.rank > 2 else x
    return F.reshape(x, (batch if isinstance(batch, int) else -1, n), name=label)  # type: ignore[no-any-return]


def embedding(
    inputs: Any,
    input_dim: int,
    output_dim: int,
    embeddings_initializer: Any = None,
    embeddings_regularizer: Any = None,
    dtype: Any = None,
    trainable: bool = True,
    name: str | None = None,
    reuse: Any = None,
) -> Tensor:
    """A row of a learned table for each integer: int[...] -> [..., output_dim].

    The table: [input_dim, output_dim], uniform in [-0.05, 0.05] if no initializer is given.
    Raises IndexRangeError for an integer outside [0, input_dim), at the run.
    """
    ids = as_tensor(inputs)
    if ids.type.dtype.kind not in "iu":
        raise DTypeError(f"embedding: inputs must be integers, got {ids.type}")
    shape = (units_of("embedding", input_dim, "input_dim"), units_of("embedding", output_dim, "output_dim"))
    with layer_scope("embedding", name, reuse):
        table = Weights(dtype, trainable).make(
            "embeddings", shape, embeddings_initializer, embeddings_regularizer, RandomUniform(-0.05, 0.05)
        )
        return F.embedding_lookup(table, ids)  # type: ignore[no-any-return]
