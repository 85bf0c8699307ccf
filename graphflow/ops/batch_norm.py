"""Batch normalisation: with moments that are given, with those of the batch, and with averages kept of these.

All are compositions.
"""

from __future__ import annotations

from typing import Any

from graphflow.errors import ArgumentError, DTypeError, ShapeError, shorten
from graphflow.graph import GraphKeys, Tensor, composition, control_dependencies, name_scope
from graphflow.op import F, public
from graphflow.ops.arguments import flag
from graphflow.ops.moments import centre, wide
from graphflow.ops.normalization import along, channel_axis
from graphflow.ops.parameters import at_least_zero, choice, fraction
from graphflow.ops.state import Variable
from graphflow.ops.ufunc import operand, reals
from graphflow.types import dims_equal

__all__ = ["batch_norm", "batch_normalization", "fused_batch_norm"]


def _normalized(t: Tensor, mean: Any, variance: Any, offset: Any, scale: Any, small: float) -> Tensor:
    factor = F.rsqrt(operand("batch_norm", variance) + small)
    if scale is not None:
        factor = factor * scale
    shift = -F.multiply(mean, factor) if offset is None else offset - F.multiply(mean, factor)
    return t * factor + shift  # type: ignore[no-any-return]


@public
def batch_norm(
    x: Any,
    mean: Any,
    variance: Any,
    offset: Any = None,
    scale: Any = None,
    epsilon: float = 1e-3,
    training: Any = False,
    momentum: float = 0.99,
    axis: int | None = None,
    updates_collections: str | None = GraphKeys.UPDATE_OPS,
    name: str | None = None,
) -> Tensor:
    """`(x - mean) / sqrt(variance + epsilon) * scale + offset`: with moments that are given, or in training the batch's.

    mean, variance, offset, scale: tensors that broadcast with `x`, such as one number for each channel; the
        last two may be None.
    training: True normalises with the mean and the (biased) variance of the batch over all axes but the
        channels'; `mean` and `variance` are then variables, one number for each channel, that take on
        `momentum * old + (1 - momentum) * batch's`, of the unbiased variance. A scalar bool tensor decides in the run.
    axis: the axis of the channels: the last one in training where left out. Given, `mean` and its kin are vectors
        along it.
    updates_collections: the collection that the two assignments join, to be run beside a training step
        (`gf.control_dependencies(gf.get_collection("update_ops"))`); with None, they run whenever the result does.
    Raises ArgumentError for a negative epsilon or a momentum outside [0, 1], or unless variables are given to
    train; ShapeError where the rank must be known and is not.
    Source: Ioffe and Szegedy 2015; the order of the first arguments is TensorFlow 1's.
    """
    what = "batch_norm"
    t, small = reals(what, x), at_least_zero(what, "epsilon", epsilon)
    on = training if hasattr(type(training), "__graphflow_tensor__") else flag(training, what, "training")
    keep = fraction(what, "momentum", momentum)
    if updates_collections is not None and not isinstance(updates_collections, str):
        raise ArgumentError(f"{what}: updates_collections is a name, not {shorten(updates_collections)}")
    channel = -1
    with composition("batchnorm" if name is None else name):
        if on is not False or axis is not None:
            channel, _ = channel_axis(what, t, -1 if axis is None else axis, 1)
            offset = along(what, t, channel, "offset", offset)
            scale = along(what, t, channel, "scale", scale)
        if on is False:
            if axis is not None:
                mean = along(what, t, channel, "mean", mean)
                variance = along(what, t, channel, "variance", variance)
            return _normalized(t, mean, variance, offset, scale, small)
        used, updates = _trained(t, _averages(t, channel, mean, variance), channel, on, keep)
        middle, spread = [
            along(what, t, channel, n, v) for n, v in zip(("mean", "variance"), used, strict=True)
        ]
        if updates_collections is not None:
            for update in updates:
                t.graph.add_to_collection(updates_collections, update)
        with control_dependencies([] if updates_collections is not None else updates):
            factor = F.rsqrt(spread + small)
            y = (wide(t) - middle) * (factor if scale is None else factor * scale)
            return F.cast(y if offset is None else y + offset, t.type.dtype)  # type: ignore[no-any-return]


def _averages(t: Tensor, channel: int, *given: Any) -> list[Variable]:
    for what, value in zip(("mean", "variance"), given, strict=True):
        if not isinstance(value, Variable):
            raise ArgumentError(f"batch_norm: training needs a variable as its {what}, not {shorten(value)}")
        dims = value.handle.type.dims
        if len(dims) != 1 or dims_equal(dims[0], t.type.dims[channel]) is False:
            raise ShapeError(f"batch_norm: {what} needs one number for each channel of {t!r}, got {value!r}")
    return list(given)


def _trained(
    t: Tensor, averages: list[Variable], channel: int, training: Any, momentum: float
) -> tuple[list[Tensor], list[Tensor]]:
    """The moments to normalise with, and the assignments of the averages."""

    def batch() -> list[Tensor]:
        mean, variance, unbiased = _batch_moments(t, channel)
        fresh = [F.cast(m, v.dtype) for m, v in zip((mean, unbiased), averages, strict=True)]
        new = [v * momentum + m * (1 - momentum) for v, m in zip(averages, fresh, strict=True)]
        return [*[F.cast(m, v.dtype) for m, v in zip((mean, variance), averages, strict=True)], *new]

    def kept() -> list[Tensor]:
        return [F.identity(v) for v in averages] * 2

    if training is True:
        values = batch()
    else:
        decision = operand("batch_norm", training)
        if decision.type.dtype.kind != "b":
            raise DTypeError(f"batch_norm: training must be a scalar bool, got {decision!r}")
        values = F.cond(decision, batch, kept)
    return values[:2], [v.assign(new) for v, new in zip(averages, values[2:], strict=True)]


def _batch_moments(t: Tensor, channel: int) -> tuple[Tensor, Tensor, Tensor]:
    """Mean, variance and unbiased variance of each channel, as vectors; 16-bit floats as float32."""
    folded = tuple([k for k in range(len(t.type.dims)) if k != channel])
    _, mean, variance = centre(wide(t), folded)
    mean, variance = F.squeeze(mean, folded), F.squeeze(variance, folded)
    return mean, variance, _unbiased(t, folded, variance)


def _unbiased(t: Tensor, folded: tuple[int, ...], variance: Tensor) -> Tensor:
    """n / (n - 1) times the variance; itself where n is 1."""
    count = F.cast(F.size(t, folded), variance.type.dtype)
    return variance * (count / F.maximum(count - 1, 1))  # type: ignore[no-any-return]


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
    """`batch_norm` with given moments, by TensorFlow 1's name and arguments. A composition."""
    return batch_norm(x, mean, variance, offset, scale, variance_epsilon, name=name)


_FORMATS = ("NHWC", "NDHWC", "N...C", "NCHW", "NCDHW", "NC...")


@public
def fused_batch_norm(
    x: Any,
    scale: Any,
    offset: Any,
    mean: Any = None,
    variance: Any = None,
    epsilon: float = 1e-3,
    data_format: str = "NHWC",
    is_training: bool = True,
    name: str | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """(y, mean, variance): `x` normalised with its own moments, or with those given outside training. A composition.

    x: of known rank, 2 or more; data_format "NHWC", "NDHWC" or "N...C" has the channels in the last axis, "NCHW",
        "NCDHW" or "NC..." in the second.
    scale, offset, mean, variance: one number for each channel; the last two are needed when is_training is False,
        and are then given back, and not looked at when it is True.
    In training y is made with the biased variance; the one that is given back is unbiased, for moving averages.
    16-bit floats are normalised in float32, in which the moments stay.
    Raises ArgumentError for another format, a negative epsilon or missing moments; ShapeError for a shape that does
    not fit. Source: TensorFlow 1's function of that name.
    """
    what = "fused_batch_norm"
    t, small = reals(what, x), at_least_zero(what, "epsilon", epsilon)
    last = choice(what, "data_format", data_format, _FORMATS) in _FORMATS[:3]
    channel, _ = channel_axis(what, t, -1 if last else 1)
    train = flag(is_training, what, "is_training")
    if not train and (mean is None or variance is None):
        raise ArgumentError(f"{what}: give mean and variance where is_training is False")
    with name_scope("FusedBatchNorm" if name is None else name):
        factor, shift = along(what, t, channel, "scale", scale), along(what, t, channel, "offset", offset)
        broad = wide(t)
        if train:
            folded = tuple([k for k in range(len(t.type.dims)) if k != channel])
            centred, middle, spread = centre(broad, folded)
            given = F.squeeze(middle, folded), _unbiased(t, folded, F.squeeze(spread, folded))
        else:
            given = _vector(what, "mean", mean), _vector(what, "variance", variance)
            centred = broad - along(what, t, channel, "mean", given[0])
            spread = along(what, t, channel, "variance", given[1])
        y = centred * (F.rsqrt(spread + small) * factor) + shift
        return F.cast(y, t.type.dtype), *given


def _vector(what: str, named: str, value: Any) -> Tensor:
    t = reals(what, value)
    if t.type.shape is not None and len(t.type.shape) != 1:
        raise ShapeError(f"{what}: {named} needs one number for each channel, got {t!r}")
    return t
