"""Dtype rules: every function with every pair of dtypes, and the functions that tell of dtypes themselves."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import array_api_strict as strict
import numpy as np
import pytest

import graphflow as gf
from graphflow.errors import ArgumentError, DTypeError, GraphflowError
from tests.array_api.drawn import names_of
from tests.array_api.test_elementwise import BINARY, OPERATORS, UNARY

NAMES = names_of("any")

OTHERS: dict[str, Callable[[Any, Any, Any], Any]] = {
    "all": lambda xp, x, y: xp.all(x),
    "any": lambda xp, x, y: xp.any(x),
    "argmax": lambda xp, x, y: xp.argmax(x),
    "argmin": lambda xp, x, y: xp.argmin(x),
    "clip": lambda xp, x, y: xp.clip(x, y, y),
    "concat": lambda xp, x, y: xp.concat([x, y]),
    "count_nonzero": lambda xp, x, y: xp.count_nonzero(x),
    "cumulative_prod": lambda xp, x, y: xp.cumulative_prod(x),
    "cumulative_sum": lambda xp, x, y: xp.cumulative_sum(x),
    "expand_dims": lambda xp, x, y: xp.expand_dims(x, axis=0),
    "flip": lambda xp, x, y: xp.flip(x),
    "full_like": lambda xp, x, y: xp.full_like(x, True),
    "matmul": lambda xp, x, y: xp.matmul(x, y),
    "max": lambda xp, x, y: xp.max(x),
    "mean": lambda xp, x, y: xp.mean(x),
    "min": lambda xp, x, y: xp.min(x),
    "ones_like": lambda xp, x, y: xp.ones_like(x),
    "outer": lambda xp, x, y: xp.linalg.outer(x, y),
    "prod": lambda xp, x, y: xp.prod(x),
    "repeat": lambda xp, x, y: xp.repeat(x, 2),
    "reshape": lambda xp, x, y: xp.reshape(x, (2, 1)),
    "roll": lambda xp, x, y: xp.roll(x, 1),
    "stack": lambda xp, x, y: xp.stack([x, y]),
    "std": lambda xp, x, y: xp.std(x),
    "sum": lambda xp, x, y: xp.sum(x),
    "take": lambda xp, x, y: xp.take(x, xp.asarray([0])),
    "tensordot": lambda xp, x, y: xp.tensordot(x, y, axes=1),
    "tile": lambda xp, x, y: xp.tile(x, (2,)),
    "trace": lambda xp, x, y: xp.linalg.trace(xp.reshape(x, (1, 2))),
    "tril": lambda xp, x, y: xp.tril(xp.reshape(x, (1, 2))),
    "unstack": lambda xp, x, y: xp.unstack(x)[0],
    "var": lambda xp, x, y: xp.var(x),
    "vecdot": lambda xp, x, y: xp.vecdot(x, y),
    "where": lambda xp, x, y: xp.where(xp.asarray([True, False]), x, y),
    "zeros_like": lambda xp, x, y: xp.zeros_like(x),
    "[]": lambda xp, x, y: x[0],
}

CALLS: dict[str, Callable[[Any, Any, Any], Any]] = {
    **{name: lambda xp, x, y, name=name: getattr(xp, name)(x) for name in UNARY},
    **{name: lambda xp, x, y, name=name: getattr(xp, name)(x, y) for name in BINARY},
    **{f"x {symbol} y": lambda xp, x, y, f=f: f(x, y) for symbol, (f, _) in OPERATORS.items()},
    **{f"x {symbol} 1": lambda xp, x, y, f=f: f(x, _one(x)) for symbol, (f, _) in OPERATORS.items()},
    **{f"1 {symbol} x": lambda xp, x, y, f=f: f(_one(x), x) for symbol, (f, _) in OPERATORS.items()},
    **OTHERS,
}


def _one(x: Any) -> Any:
    """A Python number of the kind of an array."""
    name = str(x.dtype).rpartition(".")[2]
    if name == "bool":
        return True
    return 1.0 if name.startswith("float") else 1j if name.startswith("complex") else 1


def _result(call: Callable[..., Any], xp: Any, x: Any, y: Any) -> str | None:
    """The name of the dtype that comes out, or None where the call is refused."""
    try:
        with np.errstate(all="ignore"):
            return str(call(xp, x, y).dtype).rpartition(".")[2]
    except (TypeError, ValueError, OverflowError) as error:
        if xp is gf and not isinstance(error, GraphflowError):
            raise
        return None


def _partners(name: str, left: str) -> list[str]:
    """What the second operand may be: all that the standard promotes with the first, if there is one."""
    if name == "clip" or name.endswith(" 1") or name.startswith("1 ") or name in UNARY:
        return [left]
    found = []
    for right in NAMES:
        try:
            strict.result_type(getattr(strict, left), getattr(strict, right))
        except TypeError:
            continue
        found.append(right)
    return found


@pytest.mark.parametrize("name", list(CALLS))
def test_the_dtype_of_every_result_is_the_standards(name: str) -> None:
    """Where array_api_strict refuses a dtype, graphflow may too, or have an answer of its own."""
    call = CALLS[name]
    wrong = []
    arrays = {dtype: strict.ones(2, dtype=getattr(strict, dtype)) for dtype in NAMES}
    tensors = {dtype: gf.ones(2, dtype=dtype) for dtype in NAMES}
    for left in NAMES:
        for right in _partners(name, left):
            wanted = _result(call, strict, arrays[left], arrays[right])
            found = _result(call, gf, tensors[left], tensors[right])
            if wanted is not None and found != wanted:
                wrong.append(f"{name} of {left} and {right} is {found}, not {wanted}")
    assert not wrong, "\n".join(wrong)


# --- promotion ------------------------------------------------------------------------------------


@pytest.mark.parametrize("left", NAMES)
def test_result_type_of_every_pair(left: str) -> None:
    for right in NAMES:
        try:
            wanted = str(strict.result_type(getattr(strict, left), getattr(strict, right))).rpartition(".")[2]
        except TypeError:
            continue
        pair = (getattr(gf, left), getattr(gf, right))
        assert gf.result_type(*pair).name == wanted
        assert gf.result_type(gf.zeros(2, dtype=left), pair[1]).name == wanted
        assert gf.result_type(pair[0], np.zeros(2, right), gf.zeros((), dtype=left)).name == wanted
        assert gf.can_cast(pair[0], pair[1]) == (wanted == right)
        assert gf.can_cast(gf.zeros(2, dtype=left), pair[1]) == (wanted == right)


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        ((gf.float32,), "float32"),
        ((gf.int8, 1), "int8"),
        ((gf.int8, True), "int8"),
        ((gf.bool_, True), "bool"),
        ((gf.bool_, 1), "int64"),
        ((gf.float64, 1, 2.0), "float64"),
        ((gf.float64, 1j), "complex128"),
        ((gf.float32, 1j), "complex64"),
        ((gf.int16, 2.5), "float32"),
        ((1, 2.5), "float32"),
        ((True,), "bool"),
        ((gf.int64, gf.float32), "float32"),
        ((gf.bfloat16, gf.float16), "float32"),
        (("int8", np.uint8(3)), "int16"),
    ],
)
def test_result_type_with_numbers_and_beyond_the_standard(arguments: Any, wanted: str) -> None:
    assert gf.result_type(*arguments).name == wanted


def test_result_type_says_what_is_wrong() -> None:
    with pytest.raises(ArgumentError, match="at least one"):
        gf.result_type()
    with pytest.raises(DTypeError, match="uint64 and int8 have no common integer type"):
        gf.result_type(gf.uint64, gf.int8)
    with pytest.raises(DTypeError, match="'no dtype' is not a dtype"):
        gf.result_type("no dtype")
    assert not gf.can_cast(gf.uint64, gf.int64)
    assert not gf.can_cast(gf.float64, gf.float32)
    with pytest.raises(DTypeError, match="is not a dtype"):
        gf.can_cast(gf.int8, "no dtype")


# --- kinds and limits -----------------------------------------------------------------------------

KINDS = (
    *(
        "bool",
        "signed integer",
        "unsigned integer",
        "integral",
        "real floating",
        "complex floating",
        "numeric",
    ),
    ("bool", "integral"),
    ("complex floating", "signed integer"),
    (),
)


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_kinds_are_the_standards(kind: Any) -> None:
    for name in NAMES:
        assert gf.isdtype(getattr(gf, name), kind) is strict.isdtype(getattr(strict, name), kind)


def test_a_dtype_is_a_kind_of_its_own() -> None:
    assert gf.isdtype(gf.float32, gf.float32)
    assert not gf.isdtype(gf.float32, gf.float64)
    assert gf.isdtype(gf.float32, (gf.float64, "integral", gf.float32))
    assert gf.isdtype(gf.bfloat16, "real floating")
    assert gf.isdtype(gf.float16, "numeric")
    with pytest.raises(ArgumentError, match="'real' is neither a dtype nor one of 'bool', "):
        gf.isdtype(gf.float32, "real")
    with pytest.raises(DTypeError, match="is not a dtype"):
        gf.isdtype("real floating", "numeric")


@pytest.mark.parametrize("name", ["float32", "float64", "complex64", "complex128"])
def test_the_limits_of_floats_are_the_standards(name: str) -> None:
    wanted = strict.finfo(getattr(strict, name))
    for argument in (getattr(gf, name), gf.ones(2, dtype=name), name):
        info = gf.finfo(argument)
        for field in ("bits", "eps", "max", "min", "smallest_normal"):
            assert getattr(info, field) == getattr(wanted, field)
            assert type(getattr(info, field)) is (int if field == "bits" else float)
        assert info.dtype == (gf.float32 if name in ("float32", "complex64") else gf.float64)


def test_the_limits_of_16_bit_floats() -> None:
    assert gf.finfo(gf.float16).max == 65504.0
    info = gf.finfo(gf.bfloat16)
    assert (info.bits, info.eps, info.dtype) == (16, 2.0**-7, gf.bfloat16)
    assert info.max == -info.min == (2 - 2.0**-7) * 2.0**127
    assert info.smallest_normal == 2.0**-126


@pytest.mark.parametrize("name", names_of("integer"))
def test_the_limits_of_integers(name: str) -> None:
    bits, signed = int(name.lstrip("uint")), name.startswith("i")
    for argument in (getattr(gf, name), gf.ones(2, dtype=name)):
        info = gf.iinfo(argument)
        assert (info.bits, info.dtype) == (bits, getattr(gf, name))
        assert info.max == 2 ** (bits - signed) - 1
        assert info.min == (-(2 ** (bits - 1)) if signed else 0)


def test_limits_of_the_wrong_kind_are_refused() -> None:
    with pytest.raises(DTypeError, match="finfo: int32 is no floating dtype"):
        gf.finfo(gf.int32)
    with pytest.raises(DTypeError, match="iinfo: float32 is no integer dtype"):
        gf.iinfo(gf.float32)
    with pytest.raises(DTypeError, match="iinfo: bool is no integer dtype"):
        gf.iinfo(gf.bool_)
    with pytest.raises(DTypeError, match="is not a dtype"):
        gf.finfo("nothing")


# --- astype ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("source", NAMES)
def test_astype_between_all_dtypes(source: str) -> None:
    array = np.array([0, 1, 1, 0]).astype(source)
    x = gf.asarray(array)
    for target in NAMES:
        if source.startswith("complex") and not target.startswith(("complex", "bool")):
            with pytest.raises(DTypeError, match=r"take gf\.real"):
                gf.astype(x, getattr(gf, target))
            continue
        y = gf.astype(x, getattr(gf, target))
        assert y.dtype.name == target
        np.testing.assert_array_equal(np.asarray(y), array.astype(target))
        assert y is not x
        assert (gf.astype(x, target, copy=False) is x) == (source == target)
        assert x.astype(target).dtype.name == target


def test_a_copy_can_be_changed_alone() -> None:
    x = gf.asarray([1.0, 2.0])
    y = gf.astype(x, gf.float32)
    y[0] = 5.0
    assert np.asarray(x).tolist() == [1.0, 2.0]
    assert np.asarray(y).tolist() == [5.0, 2.0]
    with pytest.raises(ArgumentError, match="astype: copy must be True or False"):
        gf.astype(x, gf.float32, copy="yes")
