"""TensorFlow 1's names for functions that have another name here, or other argument names.

`ALIASES` is the table of plain renamings; the functions below it take TensorFlow 1's arguments too
(`reduction_indices`, `keep_dims`, `dimension`). Where both worlds use one name, the Array API's meaning holds:
`argmax(x)` is over all elements, `arg_max(x)` over the first axis.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from graphflow.errors import ArgumentError
from graphflow.graph import Tensor, composition
from graphflow.op import F, public
from graphflow.ops.ufunc import floats2, operands2
from graphflow.types import is_integer

__all__ = [
    "ALIASES",
    "arg_max",
    "arg_min",
    "clip_by_value",
    "div",
    "div_no_nan",
    "functions",
    "random_shuffle",
    "reduce_all",
    "reduce_any",
    "reduce_logsumexp",
    "reduce_max",
    "reduce_mean",
    "reduce_min",
    "reduce_prod",
    "reduce_std",
    "reduce_sum",
    "reduce_variance",
    "scalar_mul",
    "squared_difference",
    "to_bfloat16",
    "to_complex64",
    "to_complex128",
    "to_double",
    "to_float",
    "to_int32",
    "to_int64",
]

ALIASES: dict[str, str] = {
    # arithmetic
    "accumulate_n": "add_n",
    "complex_abs": "abs",
    "floordiv": "floor_divide",
    "floormod": "remainder",
    "inv": "reciprocal",
    "mod": "remainder",
    "mul": "multiply",
    "neg": "negative",
    "realdiv": "divide",
    "sub": "subtract",
    "truediv": "divide",
    # tests and rounding
    "is_finite": "isfinite",
    "is_inf": "isinf",
    "is_nan": "isnan",
    "rint": "round",
    # arrays
    "batch_matmul": "matmul",
    "lin_space": "linspace",
    "pack": "stack",
    "range": "arange",
    "select": "where",
    "unpack": "unstack",
}
"""Alias -> name of the public function that it stands for, argument for argument."""


def functions() -> dict[str, Callable[..., Any]]:
    """The aliases with the very functions they stand for. Call it once all of `ops/` is imported."""
    return {alias: F.table[target] for alias, target in ALIASES.items()}


# --- reductions -----------------------------------------------------------------------------------


def _reduction(target: str, also: str = "") -> Callable[..., Tensor]:
    name = f"reduce_{target}"

    def reduce(
        input_tensor: Any,
        axis: Any = None,
        keepdims: bool | None = None,
        name: str | None = None,
        reduction_indices: Any = None,
        keep_dims: bool | None = None,
    ) -> Tensor:
        axis = _one_of(reduce.__name__, "axis", axis, "reduction_indices", reduction_indices)
        keep = _one_of(reduce.__name__, "keepdims", keepdims, "keep_dims", keep_dims)
        return F.table[target](input_tensor, axis=axis, keepdims=False if keep is None else keep, name=name)  # type: ignore[no-any-return]

    reduce.__name__ = reduce.__qualname__ = also or name
    reduce.__doc__ = f"`{target}` with TensorFlow 1's arguments."
    return public(reduce)


def _one_of(what: str, name: str, value: Any, old_name: str, old: Any) -> Any:
    if value is not None and old is not None:
        raise ArgumentError(f"{what}: {name} and {old_name} are two names of one argument; give one")
    return value if old is None else old


reduce_all = _reduction("all")
reduce_any = _reduction("any")
reduce_logsumexp = _reduction("logsumexp")
reduce_max = _reduction("max")
reduce_mean = _reduction("mean")  # of integers: the default float, where TensorFlow rounds down
reduce_min = _reduction("min")
reduce_prod = _reduction("prod")
reduce_std = _reduction("std")
reduce_sum = _reduction("sum")
reduce_variance = _reduction("var", "reduce_variance")


@public
def arg_max(input: Any, dimension: Any = 0, name: str | None = None) -> Tensor:
    """`argmax` over `dimension`, the first axis where left out."""
    return F.argmax(input, axis=dimension, name=name)  # type: ignore[no-any-return]


@public
def arg_min(input: Any, dimension: Any = 0, name: str | None = None) -> Tensor:
    """`argmin` over `dimension`, the first axis where left out."""
    return F.argmin(input, axis=dimension, name=name)  # type: ignore[no-any-return]


@public
def random_shuffle(value: Any, seed: int | None = None, name: str | None = None) -> Tensor:
    """`shuffle` along the first axis."""
    return F.shuffle(value, seed=seed, name=name)  # type: ignore[no-any-return]


# --- arithmetic -----------------------------------------------------------------------------------


@public
def div(x: Any, y: Any, name: str | None = None) -> Tensor:
    """Division as in Python 2: `floor_divide` of integers, `divide` of floats."""
    a, b = operands2("div", x, y)
    return (F.floor_divide if is_integer(a.type.dtype) else F.divide)(a, b, name=name)  # type: ignore[no-any-return]


@public
def div_no_nan(x: Any, y: Any, name: str | None = None) -> Tensor:
    """`x / y`, and 0 where y is 0, with gradient 0 there."""
    a, b = floats2("div_no_nan", x, y)
    with composition("div_no_nan" if name is None else name) as scope:
        none = F.equal(b, 0)
        return F.where(none, 0, a / F.where(none, 1, b), name=scope)  # type: ignore[no-any-return]


@public
def squared_difference(x: Any, y: Any, name: str | None = None) -> Tensor:
    """`(x - y)²`."""
    with composition("SquaredDifference" if name is None else name) as scope:
        return F.square(F.subtract(x, y), name=scope)  # type: ignore[no-any-return]


@public
def scalar_mul(scalar: Any, x: Any, name: str | None = None) -> Tensor:
    """`scalar * x`."""
    return F.multiply(scalar, x, name=name)  # type: ignore[no-any-return]


@public
def clip_by_value(t: Any, clip_value_min: Any, clip_value_max: Any, name: str | None = None) -> Tensor:
    """`clip` with TensorFlow's arguments."""
    return F.clip(t, clip_value_min, clip_value_max, name=name)  # type: ignore[no-any-return]


# --- casts ----------------------------------------------------------------------------------------


@public
def to_float(x: Any, name: str | None = None) -> Tensor:
    """`cast` to float32."""
    return F.cast(x, "float32", name)  # type: ignore[no-any-return]


@public
def to_double(x: Any, name: str | None = None) -> Tensor:
    """`cast` to float64."""
    return F.cast(x, "float64", name)  # type: ignore[no-any-return]


@public
def to_int32(x: Any, name: str | None = None) -> Tensor:
    """`cast` to int32."""
    return F.cast(x, "int32", name)  # type: ignore[no-any-return]


@public
def to_int64(x: Any, name: str | None = None) -> Tensor:
    """`cast` to int64."""
    return F.cast(x, "int64", name)  # type: ignore[no-any-return]


@public
def to_bfloat16(x: Any, name: str | None = None) -> Tensor:
    """`cast` to bfloat16."""
    return F.cast(x, "bfloat16", name)  # type: ignore[no-any-return]


@public
def to_complex64(x: Any, name: str | None = None) -> Tensor:
    """`cast` to complex64."""
    return F.cast(x, "complex64", name)  # type: ignore[no-any-return]


@public
def to_complex128(x: Any, name: str | None = None) -> Tensor:
    """`cast` to complex128."""
    return F.cast(x, "complex128", name)  # type: ignore[no-any-return]
