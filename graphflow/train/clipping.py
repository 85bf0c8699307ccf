"""Limits on gradients: by value, by a tensor's norm, by the norm of all together. All are compositions."""

from __future__ import annotations

import math
from typing import Any

from graphflow.errors import ArgumentError, DTypeError, shorten
from graphflow.graph import Tensor, name_scope
from graphflow.op import F
from graphflow.ops.aliases import clip_by_value
from graphflow.train.parameters import number_or_tensor, valued
from graphflow.types import is_floating, promote

__all__ = ["clip_by_average_norm", "clip_by_global_norm", "clip_by_norm", "clip_by_value", "global_norm"]


def clip_by_norm(t: Any, clip_norm: Any, axes: Any = None, name: str | None = None) -> Tensor:
    """`t * clip_norm / max(clip_norm, norm)`, with the Euclidean norm of `t` along `axes` (all for None).

    t: real floating. clip_norm: above 0, or a scalar tensor. A part whose norm does not exceed `clip_norm` keeps
    every bit. The gradient at norm 0 is that of the identity.
    """
    x = _floats(t, "clip_by_norm")
    limit = number_or_tensor(clip_norm, "clip_by_norm: clip_norm", above=True)
    with name_scope("clip_by_norm" if name is None else name):
        squares = F.sum(F.square(x), axis=axes, keepdims=axes is not None)
        return _scaled(x, _root(squares), valued(limit, x.dtype))


def clip_by_average_norm(t: Any, clip_norm: Any, name: str | None = None) -> Tensor:
    """`clip_by_norm` with the norm divided by the number of elements."""
    x = _floats(t, "clip_by_average_norm")
    limit = number_or_tensor(clip_norm, "clip_by_average_norm: clip_norm", above=True)
    with name_scope("clip_by_average_norm" if name is None else name):
        norm = _root(F.sum(F.square(x))) / F.cast(F.maximum(F.size(x), 1), x.dtype)
        return _scaled(x, norm, valued(limit, x.dtype))


def global_norm(t_list: Any, name: str | None = None) -> Tensor:
    """`sqrt(sum of all squares)` over a list of tensors, None entries left out; 0 for none at all.

    In the widest dtype of the list.
    """
    tensors = [t for t in _listed(t_list, "global_norm") if t is not None]
    with name_scope("global_norm" if name is None else name):
        if not tensors:
            return F.constant(0.0)  # type: ignore[no-any-return]
        dtype = tensors[0].dtype
        for t in tensors[1:]:
            dtype = promote(dtype, t.dtype)
        sums = [F.cast(F.sum(F.square(t)), dtype) for t in tensors]
        return _root(F.add_n(sums))


def clip_by_global_norm(
    t_list: Any, clip_norm: Any, use_norm: Any = None, name: str | None = None
) -> tuple[list[Tensor | None], Tensor]:
    """Scale a list of tensors down together so that their global norm is `clip_norm` at most.

    t_list: real floating tensors; None entries stay None. clip_norm: above 0, or a scalar tensor.
    use_norm: the global norm, where it is known already.
    Returns the list and the norm from before. Nothing changes by a bit where the norm does not exceed
    `clip_norm`; where it is not finite, every result is NaN, so that the fault is seen.
    Source: Pascanu, Mikolov and Bengio 2013, "On the difficulty of training recurrent neural networks".
    """
    label = "clip_by_global_norm"
    tensors = _listed(t_list, label)
    limit = number_or_tensor(clip_norm, f"{label}: clip_norm", above=True)
    with name_scope(label if name is None else name):
        norm = F.convert_to_tensor(use_norm) if use_norm is not None else global_norm([*tensors])
        bound = valued(limit, norm.dtype)
        ratio = bound / F.maximum(norm, bound)
        scale = F.where(F.isfinite(norm), ratio, math.nan)
        return [None if t is None else t * F.cast(scale, t.dtype) for t in tensors], norm


def _root(squares: Tensor) -> Tensor:
    """The square root, with gradient 0 at 0."""
    positive = squares > 0
    root = F.sqrt(F.where(positive, squares, 1.0))
    return F.where(positive, root, squares)  # type: ignore[no-any-return]  # NaN stays NaN


def _scaled(x: Tensor, norm: Tensor, limit: Any) -> Tensor:
    return x * (limit / F.maximum(norm, limit))  # type: ignore[no-any-return]


def _floats(value: Any, label: str) -> Tensor:
    tensor: Tensor = F.convert_to_tensor(value)
    if not is_floating(tensor.dtype) or tensor.dtype.kind == "c":
        raise DTypeError(f"{label}: a real floating tensor is needed, got {tensor!r}")
    return tensor


def _listed(values: Any, label: str) -> list[Any]:
    if isinstance(values, (str, bytes, dict)) or hasattr(type(values), "__graphflow_tensor__"):
        raise ArgumentError(f"{label}: t_list must be a list of tensors, not {shorten(values)}")
    try:
        return [None if v is None else _floats(v, label) for v in values]
    except TypeError as error:
        if isinstance(error, DTypeError):
            raise
        raise ArgumentError(f"{label}: t_list must be a list of tensors, not {shorten(values)}") from None
