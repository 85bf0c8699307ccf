"""The `gf.nn` functions that are neither activations nor losses: normalisation, dropout, embeddings, biases.

All are compositions of other ops.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphflow.errors import ArgumentError, DTypeError, ShapeError, shorten
from graphflow.graph import Tensor, composition, name_scope
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
from graphflow.ops.arguments import flag, items_of
from graphflow.ops.constant import python_number
from graphflow.ops.losses import (
    sigmoid_cross_entropy_with_logits,
    softmax_cross_entropy_with_logits,
    sparse_softmax_cross_entropy_with_logits,
)
from graphflow.ops.transcendental import tanh
from graphflow.ops.ufunc import operand, reals
from graphflow.types import SUPPORTED, dims_equal, is_floating

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

# --- normalisation --------------------------------------------------------------------------------


def _wide(x: Tensor) -> Tensor:
    """16-bit floats as float32: their squares overflow, and their sums lose digits."""
    return F.cast(x, SUPPORTED["float32"]) if x.type.dtype.itemsize == 2 else x


@public
def moments(
    x: Any,
    axes: Any,
    shift: Any = None,
    name: str | None = None,
    keep_dims: Any = None,
    keepdims: bool = False,
) -> tuple[Tensor, Tensor]:
    """Mean and variance of `x` over `axes`, in the dtype of `x`.

    `shift` changes nothing: the mean is taken off first, which it was meant to approximate. `keep_dims` is
    TensorFlow 1's old name of `keepdims`. Raises ArgumentError for a bad axis.
    """
    t = reals("moments", x)
    keep = flag(keepdims if keep_dims is None else keep_dims, "moments", "keepdims")
    with name_scope("moments" if name is None else name):
        wide = _wide(t)
        mean = F.mean(wide, axis=axes, keepdims=True)
        variance = F.mean(F.square(wide - mean), axis=axes, keepdims=keep)
        if not keep:
            mean = F.mean(wide, axis=axes) if axes is None else F.squeeze(mean, axes)
        return F.cast(mean, t.type.dtype), F.cast(variance, t.type.dtype)


@public
def layer_norm(
    x: Any,
    scale: Any = None,
    offset: Any = None,
    axis: Any = -1,
    epsilon: float = 1e-5,
    name: str | None = None,
) -> Tensor:
    """`(x - mean) / sqrt(variance + epsilon) * scale + offset`, mean and variance over `axis`.

    scale, offset: None, or tensors that broadcast with `x`. Returns the dtype of `x`; 16-bit floats are
    normalised in float32. Raises ArgumentError for a bad axis or a negative epsilon.
    Source: Ba, Kiros and Hinton 2016.
    """
    t = reals("layer_norm", x)
    small = _epsilon("layer_norm", epsilon)
    with composition("layer_norm" if name is None else name):
        wide = _wide(t)
        centred = wide - F.mean(wide, axis=axis, keepdims=True)
        variance = F.mean(F.square(centred), axis=axis, keepdims=True)
        result = F.cast(centred * F.rsqrt(variance + small), t.type.dtype)
        if scale is not None:
            result = result * scale
        return result if offset is None else result + offset  # type: ignore[no-any-return]


@public
def batch_norm(
    x: Any,
    mean: Any,
    variance: Any,
    offset: Any = None,
    scale: Any = None,
    epsilon: float = 1e-3,
    name: str | None = None,
) -> Tensor:
    """`(x - mean) / sqrt(variance + epsilon) * scale + offset` with moments that are given.

    mean, variance, offset, scale: tensors that broadcast with `x`, such as one number for each channel; the
    last two may be None. Raises ArgumentError for a negative epsilon.
    Source: Ioffe and Szegedy 2015; the order of the arguments is TensorFlow 1's.
    """
    t = reals("batch_norm", x)
    small = _epsilon("batch_norm", epsilon)
    with composition("batchnorm" if name is None else name):
        factor = F.rsqrt(operand("batch_norm", variance) + small)
        if scale is not None:
            factor = factor * scale
        shift = -F.multiply(mean, factor) if offset is None else offset - F.multiply(mean, factor)
        return t * factor + shift  # type: ignore[no-any-return]


@public
def batch_normalization(
    x: Any,
    mean: Any,
    variance: Any,
    offset: Any,
    scale: Any,
    variance_epsilon: float,
    name: str | None = None,
) -> Tensor:
    """`batch_norm` by TensorFlow 1's name and arguments."""
    return batch_norm(x, mean, variance, offset, scale, variance_epsilon, name)


@public
def l2_normalize(
    x: Any, axis: Any = None, epsilon: float = 1e-12, name: str | None = None, dim: Any = None
) -> Tensor:
    """`x / sqrt(max(sum(x²), epsilon))`, the sum over `axis`, all axes by default. `dim`: old name of `axis`."""
    t = reals("l2_normalize", x)
    small = _epsilon("l2_normalize", epsilon)
    with composition("l2_normalize" if name is None else name) as scope:
        total = F.sum(F.square(t), axis=axis if dim is None else dim, keepdims=True)
        return F.multiply(t, F.rsqrt(F.maximum(total, small)), name=scope)  # type: ignore[no-any-return]


def _epsilon(what: str, value: Any) -> float:
    number = python_number(value, f"{what}: epsilon")
    if not number >= 0:
        raise ArgumentError(f"{what}: epsilon must not be negative, got {shorten(value)}")
    return number


# --- dropout --------------------------------------------------------------------------------------


@public
def dropout(
    x: Any,
    rate: Any = None,
    keep_prob: Any = None,
    training: Any = True,
    noise_shape: Sequence[Any] | None = None,
    seed: int | None = None,
    name: str | None = None,
) -> Tensor:
    """Each element 0 with probability `rate`, else divided by `1 - rate`, so that the mean stays.

    rate: a number in [0, 1), or a scalar tensor. keep_prob: `1 - rate` instead, as TensorFlow 1 says it: give
        one of the two, by name, since TensorFlow 1's second argument was keep_prob.
    training: False gives `x` itself; a scalar bool tensor decides in the run.
    noise_shape: a shape that broadcasts to that of `x`, for draws that whole axes share; None in it stands for
        the size in `x`.
    seed: as in `gf.random.uniform`. The draws differ from run to run.
    Raises ArgumentError for a rate outside its range, or unless exactly one of the two is given.
    """
    t = reals("dropout", x)
    if (rate is None) == (keep_prob is None):
        raise ArgumentError("dropout: give one of rate= and keep_prob=")
    dropped, kept = _chances(
        "rate" if keep_prob is None else "keep_prob", rate if keep_prob is None else keep_prob
    )
    if isinstance(training, (bool, np.bool_)):
        if not training or (type(dropped) is float and dropped == 0.0):
            return t
        training = None
    with composition("dropout" if name is None else name) as scope:
        noise = _noise(t, noise_shape, seed)
        result: Tensor = F.where(F.greater_equal(noise, dropped), t / kept, 0, name=scope)
        return result if training is None else F.where(_scalar("training", training, "bool"), result, t)


def _chances(what: str, value: Any) -> tuple[Any, Any]:
    """(chance of dropping, chance of keeping) from the one that is given."""
    if hasattr(type(value), "__graphflow_tensor__"):
        value = _scalar(what, value, "float")
        return (value, 1 - value) if what == "rate" else (1 - value, value)
    number = python_number(value, f"dropout: {what}")
    if not (0 <= number < 1 if what == "rate" else 0 < number <= 1):
        raise ArgumentError(
            f"dropout: {what} must be in {'[0, 1)' if what == 'rate' else '(0, 1]'}, got {number}"
        )
    return (number, 1 - number) if what == "rate" else (1 - number, number)


def _scalar(what: str, value: Any, kind: str) -> Tensor:
    t = operand("dropout", value)
    fits = t.type.dtype.kind == "b" if kind == "bool" else is_floating(t.type.dtype)
    if not fits:
        raise DTypeError(f"dropout: {what} must be a scalar {kind}, got {t!r}")
    if t.type.shape is not None and len(t.type.shape):
        raise ShapeError(f"dropout: {what} must be a scalar, got {t!r}")
    return t


def _noise(t: Tensor, noise_shape: Sequence[Any] | None, seed: int | None) -> Tensor:
    if noise_shape is None:
        return F.random_uniform_like(t, seed=seed)  # type: ignore[no-any-return]
    items = items_of(noise_shape, "dropout: noise_shape")
    if t.type.shape is None or len(items) != len(t.type.shape):
        raise ShapeError(f"dropout: noise_shape {shorten(noise_shape)} needs one size for each axis of {t!r}")
    sizes = [d if size is None else size for size, d in zip(items, t.type.shape, strict=True)]
    return F.random_uniform(sizes, dtype=t.type.dtype, seed=seed)  # type: ignore[no-any-return]


# --- embeddings and biases ------------------------------------------------------------------------


@public
def embedding_lookup(params: Any, ids: Any, name: str | None = None) -> Tensor:
    """The rows of `params` that the integers `ids` name: ids.shape + params.shape[1:]. It is `gather`.

    Raises ArgumentError for a list of several tables, IndexRangeError for a row that there is not.
    """
    if isinstance(params, (list, tuple)):
        if len(params) != 1:
            raise ArgumentError(
                "embedding_lookup: one table is needed; put the parts together with gf.concat"
            )
        params = params[0]
    return F.gather(params, ids, name="embedding_lookup" if name is None else name)  # type: ignore[no-any-return]


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
