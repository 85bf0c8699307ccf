"""What queries may see of keys, by their positions: masks, and ALiBi's biases. Compositions."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphflow.errors import ArgumentError, DTypeError, ShapeError
from graphflow.graph import Tensor, composition
from graphflow.op import F, public
from graphflow.ops.arguments import flag, one_dim
from graphflow.ops.ufunc import operand
from graphflow.types import as_dtype, as_index, default_float, is_floating, is_integer

__all__ = ["alibi_bias", "alibi_slopes", "causal_mask", "sliding_window_mask"]

MAX_HEADS = 2**20


def _distance(what: str, query_length: Any, key_length: Any, offset: Any) -> Tensor:
    """int64[queries, keys]: how far each key stands before each query; negative for those behind it."""
    queries = _line(what, "query_length", query_length)
    keys = queries if key_length is None else _line(what, "key_length", key_length)
    first = operand(what, offset)
    if not is_integer(first.type.dtype):
        raise DTypeError(f"{what}: offset must be an integer, got {first!r}")
    if first.type.shape not in (None, ()):
        raise ShapeError(f"{what}: offset must be a scalar, got {first!r}")
    positions = F.expand_dims(queries + F.cast(first, "int64"), 1)
    return F.subtract(positions, F.expand_dims(keys, 0))  # type: ignore[no-any-return]


def _line(what: str, argument: str, length: Any) -> Tensor:
    """0, 1, ... up to a size: an int, a dimension, or a scalar tensor."""
    if hasattr(type(length), "__graphflow_tensor__"):
        t = operand(what, length)
        if t.type.shape != () or not is_integer(t.type.dtype):
            raise ShapeError(f"{what}: {argument} must be a size, got {t!r}")
        return F.cast(F.arange(t), "int64")  # type: ignore[no-any-return]
    return F.arange(one_dim(length, f"{what}: {argument}"))  # type: ignore[no-any-return]


@public
def causal_mask(
    query_length: Any, key_length: Any = None, offset: Any = 0, name: str | None = None
) -> Tensor:
    """bool[queries, keys]: true where the key does not stand behind the query.

    query_length, key_length: sizes, ints or such as `gf.shape(x)[1]`; as many keys as queries by default.
    offset: the position of the first query among the keys, an int or a scalar tensor: how many keys are remembered
        from before.
    Raises ShapeError for what is no size, DTypeError for an offset that is no integer.
    """
    with composition("causal_mask" if name is None else name):
        return F.greater_equal(_distance("causal_mask", query_length, key_length, offset), 0)  # type: ignore[no-any-return]


@public
def sliding_window_mask(
    window: Any,
    query_length: Any,
    key_length: Any = None,
    causal: bool = True,
    offset: Any = 0,
    name: str | None = None,
) -> Tensor:
    """bool[queries, keys]: true where a key stands less than `window` positions before its query.

    window: a positive int: a query sees itself and the `window - 1` keys before it; without `causal` as many behind
        it too. Other arguments and errors as for `causal_mask`.
    Source: Beltagy, Peters and Cohan 2020.
    """
    what = "sliding_window_mask"
    width = as_index(window, f"{what}: window")
    if width < 1 or width >= 2**63:
        raise ArgumentError(f"{what}: window must be positive, got {width}")
    both = flag(causal, what, "causal")
    with composition(what if name is None else name):
        distance = _distance(what, query_length, key_length, offset)
        if not both:
            return F.less(F.abs(distance), width)  # type: ignore[no-any-return]
        return F.logical_and(F.greater_equal(distance, 0), F.less(distance, width))  # type: ignore[no-any-return]


# --- ALiBi ----------------------------------------------------------------------------------------


def _slopes(count: int) -> list[float]:
    """2^(-8/n), 2^(-16/n), ... for a power of two n; for other counts what n below gives, and every second of 2n."""
    power = 1 << (count.bit_length() - 1)
    exact = [2.0 ** (-8.0 * (k + 1) / power) for k in range(power)]
    between = [2.0 ** (-4.0 * (2 * k + 1) / power) for k in range(count - power)]
    return exact + between


def _heads(what: str, num_heads: Any) -> int:
    count = as_index(num_heads, f"{what}: num_heads")
    if not 1 <= count <= MAX_HEADS:
        raise ArgumentError(f"{what}: num_heads must be from 1 to {MAX_HEADS}, got {count}")
    return count


def _float(what: str, dtype: Any) -> np.dtype[Any]:
    wanted = default_float() if dtype is None else as_dtype(dtype)
    if not is_floating(wanted) or wanted.kind == "c":
        raise DTypeError(f"{what}: dtype must be a real floating type, not {wanted.name}")
    return wanted


@public
def alibi_slopes(num_heads: int, dtype: Any = None, name: str | None = None) -> Tensor:
    """How steeply ALiBi's bias falls with the distance: one number for each head, [num_heads].

    dtype: the default float where left out. Raises ArgumentError for fewer than one head.
    Source: Press, Smith and Lewis 2021, and their published code for counts that are no power of two.
    """
    count, wanted = _heads("alibi_slopes", num_heads), _float("alibi_slopes", dtype)
    return F.constant(np.array(_slopes(count)), dtype=wanted, name="alibi_slopes" if name is None else name)  # type: ignore[no-any-return]


@public
def alibi_bias(
    num_heads: int,
    query_length: Any,
    key_length: Any = None,
    offset: Any = 0,
    dtype: Any = None,
    name: str | None = None,
) -> Tensor:
    """A bias for `scaled_dot_product_attention`: -slope * |distance|, [num_heads, queries, keys].

    query_length, key_length, offset: as for `causal_mask`; dtype: the default float where left out.
    It takes the place of positional encodings. Source: as for `alibi_slopes`.
    """
    what = "alibi_bias"
    count, wanted = _heads(what, num_heads), _float(what, dtype)
    with composition(what if name is None else name):
        distance = F.abs(_distance(what, query_length, key_length, offset))
        slopes = F.constant(np.array(_slopes(count)).reshape(-1, 1, 1), dtype=wanted)
        return F.multiply(slopes, F.cast(-distance, wanted))  # type: ignore[no-any-return]
