"""Dropout and its kin: elements, or whole features, left out by chance while training.

All are compositions of a uniform draw and a choice.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from graphflow.errors import ArgumentError, DTypeError, ShapeError, shorten
from graphflow.graph import Tensor, check_name, composition
from graphflow.op import F, public
from graphflow.ops.arguments import dims_argument, flag, items_of
from graphflow.ops.constant import python_number
from graphflow.ops.parameters import choice
from graphflow.ops.random_parameters import checked_seed
from graphflow.ops.ufunc import operand, reals
from graphflow.types import is_floating

__all__ = ["alpha_dropout", "dropout", "spatial_dropout"]


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
    """Each element 0 with probability `rate`, else divided by `1 - rate`, so that the mean stays. A composition.

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
    chances = _chances("dropout", "rate", rate) if keep_prob is None else _kept(keep_prob)
    return _dropped("dropout", t, chances, training, noise_shape, seed, "dropout" if name is None else name)


def _dropped(
    what: str,
    t: Tensor,
    chances: tuple[Any, Any],
    training: Any,
    noise_shape: Sequence[Any] | None,
    seed: int | None,
    label: str,
) -> Tensor:
    dropped, kept = chances
    on, sizes = _switch(what, training), _noise_sizes(what, t, noise_shape)
    checked_seed(what, seed)
    if on is False or (type(dropped) is float and dropped == 0.0):
        check_name(label)
        return t
    with composition(label) as scope:
        noise = _noise(t, sizes, seed)
        result: Tensor = F.where(F.greater_equal(noise, dropped), t / kept, 0, name=scope)
        return result if on is True else F.where(on, result, t)


def _switch(what: str, training: Any) -> Any:
    """True or False, or a scalar bool tensor."""
    if hasattr(type(training), "__graphflow_tensor__"):
        return _scalar(what, "training", training, "bool")
    return flag(training, what, "training")


def _chances(what: str, named: str, value: Any) -> tuple[Any, Any]:
    """(chance of dropping, chance of keeping) from the first."""
    if hasattr(type(value), "__graphflow_tensor__"):
        value = _scalar(what, named, value, "float")
        return value, 1 - value
    number = python_number(value, f"{what}: {named}")
    if not 0 <= number < 1:
        raise ArgumentError(f"{what}: {named} must be in [0, 1), got {number}")
    return number, 1 - number


def _kept(value: Any) -> tuple[Any, Any]:
    """(chance of dropping, chance of keeping) from the second, by TensorFlow 1's name."""
    if hasattr(type(value), "__graphflow_tensor__"):
        value = _scalar("dropout", "keep_prob", value, "float")
        return 1 - value, value
    number = python_number(value, "dropout: keep_prob")
    if not 0 < number <= 1:
        raise ArgumentError(f"dropout: keep_prob must be in (0, 1], got {number}")
    return 1 - number, number


def _scalar(what: str, named: str, value: Any, kind: str) -> Tensor:
    t = operand(what, value)
    fits = t.type.dtype.kind == "b" if kind == "bool" else is_floating(t.type.dtype)
    if not fits:
        raise DTypeError(f"{what}: {named} must be a scalar {kind}, got {t!r}")
    if t.type.shape is not None and len(t.type.shape):
        raise ShapeError(f"{what}: {named} must be a scalar, got {t!r}")
    return t


def _noise_sizes(what: str, t: Tensor, noise_shape: Any) -> list[Any] | None:
    """The checked items of `noise_shape`: sizes, and None for that in `t`."""
    if noise_shape is None:
        return None
    items = items_of(noise_shape, f"{what}: noise_shape")
    if t.type.shape is None or len(items) != len(t.type.shape):
        raise ShapeError(f"{what}: noise_shape {shorten(noise_shape)} needs one size for each axis of {t!r}")
    dims_argument([1 if size is None else size for size in items], f"{what}: noise_shape")
    return items


def _noise(t: Tensor, items: list[Any] | None, seed: int | None) -> Tensor:
    if items is None:
        return F.random_uniform_like(t, seed=seed)  # type: ignore[no-any-return]
    if all(size is None or (type(size) is int and size == 1) for size in items):
        lender = t[tuple([slice(None) if size is None else slice(0, 1) for size in items])]
        return F.random_uniform_like(lender, seed=seed)  # type: ignore[no-any-return]
    sizes = [d if size is None else size for size, d in zip(items, t.type.dims, strict=True)]
    return F.random_uniform(sizes, dtype=t.type.dtype, seed=seed)  # type: ignore[no-any-return]


# --- whole features -------------------------------------------------------------------------------

_LAST = ("NHWC", "NDHWC", "NWC", "N...C")
_SECOND = ("NCHW", "NCDHW", "NCW", "NC...")


@public
def spatial_dropout(
    x: Any,
    rate: Any,
    data_format: str = "NHWC",
    training: Any = True,
    seed: int | None = None,
    name: str | None = None,
) -> Tensor:
    """`dropout` of whole channels: an example's feature map stays or goes as one. A composition.

    x: of known rank, 2 or more; data_format "NHWC", "NDHWC", "NWC" or "N...C" has the channels in the last axis,
        "NCHW", "NCDHW", "NCW" or "NC..." in the second. The other arguments are those of `dropout`.
    Raises ArgumentError for another format or rate, ShapeError for an unknown or lower rank.
    Source: Tompson et al. 2015.
    """
    what = "spatial_dropout"
    t, chances = reals(what, x), _chances(what, "rate", rate)
    last = choice(what, "data_format", data_format, _LAST + _SECOND) in _LAST
    if t.type.shape is None or len(t.type.shape) < 2:
        raise ShapeError(f"{what}: x needs a known rank of at least 2, got {t!r}")
    rank = len(t.type.shape)
    channel = rank - 1 if last else 1
    shape = [None if k in (0, channel) else 1 for k in range(rank)]
    return _dropped(what, t, chances, training, shape, seed, what if name is None else name)


# --- self-normalising networks --------------------------------------------------------------------

_FLOOR = -1.7580993408473766
"""What `selu` tends to far below 0: its scale times its alpha, negative."""


@public
def alpha_dropout(
    x: Any,
    rate: Any,
    training: Any = True,
    noise_shape: Sequence[Any] | None = None,
    seed: int | None = None,
    name: str | None = None,
) -> Tensor:
    """Each element the floor of `selu` with probability `rate`, and all of it brought back to its mean and variance.

    A composition; for inputs of mean 0 and variance 1, which come out so. The arguments are those of `dropout`.
    Raises ArgumentError for a rate outside [0, 1). Source: Klambauer et al. 2017.
    """
    what = "alpha_dropout"
    t = reals(what, x)
    dropped, kept = _chances(what, "rate", rate)
    label = what if name is None else name
    on, sizes = _switch(what, training), _noise_sizes(what, t, noise_shape)
    checked_seed(what, seed)
    if on is False or (type(dropped) is float and dropped == 0.0):
        check_name(label)
        return t
    with composition(label) as scope:
        square = kept * (dropped * _FLOOR**2 + 1)
        factor = square**-0.5 if type(square) is float else F.rsqrt(square)
        noise = _noise(t, sizes, seed)
        chosen = F.where(F.greater_equal(noise, dropped), t, _FLOOR)
        result: Tensor = F.add(chosen * factor, dropped * factor * -_FLOOR, name=scope)
        return result if on is True else F.where(on, result, t)
