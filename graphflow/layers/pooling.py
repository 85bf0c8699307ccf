"""Pooling layers, without variables: `tf.layers`' names for what `gf.nn` has."""

from __future__ import annotations

from typing import Any

from graphflow.graph import Tensor
from graphflow.layers.convolutional import data_format_of, padding_of
from graphflow.layers.weights import per_axis
from graphflow.op import F

__all__ = [
    "average_pooling1d",
    "average_pooling2d",
    "average_pooling3d",
    "max_pooling1d",
    "max_pooling2d",
    "max_pooling3d",
]


def _pool(
    kind: str,
    rank: int,
    inputs: Any,
    pool_size: Any,
    strides: Any,
    padding: str,
    data_format: str,
    name: str | None,
) -> Tensor:
    what = f"{'average' if kind == 'avg' else 'max'}_pooling{rank}d"
    layout, _ = data_format_of(what, data_format, rank)
    size, step = per_axis(what, pool_size, rank, "pool_size"), per_axis(what, strides, rank, "strides")
    function, label = getattr(F, f"{kind}_pool{rank}d"), what if name is None else name
    return function(inputs, size, step, padding_of(what, padding), layout, name=label)  # type: ignore[no-any-return]


def max_pooling1d(
    inputs: Any,
    pool_size: Any,
    strides: Any,
    padding: str = "valid",
    data_format: str = "channels_last",
    name: str | None = None,
) -> Tensor:
    """The largest of each window of one axis: [batch, width, channels]."""
    return _pool("max", 1, inputs, pool_size, strides, padding, data_format, name)


def max_pooling2d(
    inputs: Any,
    pool_size: Any,
    strides: Any,
    padding: str = "valid",
    data_format: str = "channels_last",
    name: str | None = None,
) -> Tensor:
    """The largest of each window: [batch, height, width, channels]."""
    return _pool("max", 2, inputs, pool_size, strides, padding, data_format, name)


def max_pooling3d(
    inputs: Any,
    pool_size: Any,
    strides: Any,
    padding: str = "valid",
    data_format: str = "channels_last",
    name: str | None = None,
) -> Tensor:
    """The largest of each window: [batch, depth, height, width, channels]."""
    return _pool("max", 3, inputs, pool_size, strides, padding, data_format, name)


def average_pooling1d(
    inputs: Any,
    pool_size: Any,
    strides: Any,
    padding: str = "valid",
    data_format: str = "channels_last",
    name: str | None = None,
) -> Tensor:
    """The mean of each window of one axis: [batch, width, channels]; padding does not count."""
    return _pool("avg", 1, inputs, pool_size, strides, padding, data_format, name)


def average_pooling2d(
    inputs: Any,
    pool_size: Any,
    strides: Any,
    padding: str = "valid",
    data_format: str = "channels_last",
    name: str | None = None,
) -> Tensor:
    """The mean of each window: [batch, height, width, channels]; padding does not count."""
    return _pool("avg", 2, inputs, pool_size, strides, padding, data_format, name)


def average_pooling3d(
    inputs: Any,
    pool_size: Any,
    strides: Any,
    padding: str = "valid",
    data_format: str = "channels_last",
    name: str | None = None,
) -> Tensor:
    """The mean of each window: [batch, depth, height, width, channels]; padding does not count."""
    return _pool("avg", 3, inputs, pool_size, strides, padding, data_format, name)
