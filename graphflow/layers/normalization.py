"""Normalising layers: over the batch, over the features of one element, or over groups of channels."""

from __future__ import annotations

from typing import Any

from graphflow.errors import ArgumentError, shorten
from graphflow.graph import Tensor
from graphflow.initializers import Ones, Zeros
from graphflow.layers.weights import Weights, channels_of, floating_input, layer_scope, units_of
from graphflow.op import F
from graphflow.ops.arguments import flag
from graphflow.types import normalize_axis

__all__ = ["batch_normalization", "group_normalization", "layer_normalization"]


def batch_normalization(
    inputs: Any,
    axis: int = -1,
    momentum: float = 0.99,
    epsilon: float = 1e-3,
    center: bool = True,
    scale: bool = True,
    beta_initializer: Any = None,
    gamma_initializer: Any = None,
    moving_mean_initializer: Any = None,
    moving_variance_initializer: Any = None,
    training: Any = False,
    trainable: bool = True,
    name: str | None = None,
    reuse: Any = None,
) -> Tensor:
    """Normalised over all axes but `axis`: in training with the batch's moments, else with moving averages of them.

    In training the averages are updated by operations in the collection `GraphKeys.UPDATE_OPS`, as in TensorFlow 1:
    run them with the training step, or make it depend on them. training: a bool, or a scalar bool tensor.
    Variables: gamma, beta (trainable), moving_mean, moving_variance, each of the size of `axis`.
    """
    x = floating_input("batch_normalization", inputs)
    at = normalize_axis(axis, x.type.rank)
    shape = (channels_of("batch_normalization", x, at),)
    scaled, centered = (
        flag(scale, "batch_normalization", "scale"),
        flag(center, "batch_normalization", "center"),
    )
    with layer_scope("batch_normalization", name, reuse):
        dtype = x.type.dtype if x.type.dtype.itemsize > 2 else "float32"
        weights = Weights(dtype, trainable)
        gamma = beta = None
        if scaled:
            gamma = weights.make("gamma", shape, gamma_initializer, default=Ones())
        if centered:
            beta = weights.make("beta", shape, beta_initializer, default=Zeros())
        moving = Weights(dtype, trainable=False)
        mean = moving.make("moving_mean", shape, moving_mean_initializer, default=Zeros())
        variance = moving.make("moving_variance", shape, moving_variance_initializer, default=Ones())
        return F.batch_norm(  # type: ignore[no-any-return]
            x,
            mean,
            variance,
            offset=beta,
            scale=gamma,
            epsilon=epsilon,
            training=training,
            momentum=momentum,
            axis=at,
        )


def layer_normalization(
    inputs: Any,
    axis: int = -1,
    epsilon: float = 1e-5,
    center: bool = True,
    scale: bool = True,
    trainable: bool = True,
    name: str | None = None,
    reuse: Any = None,
) -> Tensor:
    """Normalised along `axis` for each element alone, then scaled by gamma and moved by beta."""
    x = floating_input("layer_normalization", inputs)
    at = normalize_axis(axis, x.type.rank)
    n = channels_of("layer_normalization", x, at)
    scaled, centered = (
        flag(scale, "layer_normalization", "scale"),
        flag(center, "layer_normalization", "center"),
    )
    with layer_scope("layer_normalization", name, reuse):
        weights = Weights(x.type.dtype, trainable)
        across = (n, *[1] * (x.type.rank - at - 1))
        gamma = beta = None
        if scaled:
            gamma = F.reshape(weights.make("gamma", (n,), Ones()).read(), across)
        if centered:
            beta = F.reshape(weights.make("beta", (n,), Zeros()).read(), across)
        return F.layer_norm(x, gamma, beta, axis=at, epsilon=epsilon)  # type: ignore[no-any-return]


def group_normalization(
    inputs: Any,
    groups: int = 32,
    epsilon: float = 1e-5,
    trainable: bool = True,
    name: str | None = None,
    reuse: Any = None,
) -> Tensor:
    """Normalised over `groups` groups of the channels, the last axis, and all axes between batch and channels."""
    x, n_groups = (
        floating_input("group_normalization", inputs),
        units_of("group_normalization", groups, "groups"),
    )
    if x.type.rank < 2:
        raise ArgumentError(f"group_normalization: inputs must have 2 axes or more, got {x.type}")
    n = channels_of("group_normalization", x, -1)
    if n % n_groups:
        raise ArgumentError(f"group_normalization: groups {shorten(groups)} must divide {n} channels")
    with layer_scope("group_normalization", name, reuse):
        weights = Weights(x.type.dtype, trainable)
        gamma, beta = weights.make("gamma", (n,), Ones()), weights.make("beta", (n,), Zeros())
        return F.group_norm(x, n_groups, gamma, beta, epsilon=epsilon)  # type: ignore[no-any-return]
