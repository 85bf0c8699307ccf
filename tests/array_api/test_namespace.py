"""The namespace is complete: every name of the standard, with its signature, constants, versions and devices."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from inspect import Parameter
from typing import Any

import array_api_strict
import numpy as np
import pytest

import graphflow as gf
from graphflow.errors import ArgumentError

METHODS = [
    *("__abs__", "__add__", "__and__", "__array_namespace__", "__bool__", "__complex__", "__dlpack__"),
    *(
        "__dlpack_device__",
        "__eq__",
        "__float__",
        "__floordiv__",
        "__ge__",
        "__getitem__",
        "__gt__",
        "__index__",
    ),
    *(
        "__int__",
        "__invert__",
        "__le__",
        "__lshift__",
        "__lt__",
        "__matmul__",
        "__mod__",
        "__mul__",
        "__ne__",
    ),
    *(
        "__neg__",
        "__or__",
        "__pos__",
        "__pow__",
        "__rshift__",
        "__setitem__",
        "__sub__",
        "__truediv__",
        "__xor__",
    ),
    *(
        "__radd__",
        "__rand__",
        "__rfloordiv__",
        "__rlshift__",
        "__rmatmul__",
        "__rmod__",
        "__rmul__",
        "__ror__",
    ),
    *("__rpow__", "__rrshift__", "__rsub__", "__rtruediv__", "__rxor__", "to_device"),
]

ATTRIBUTES = ["dtype", "device", "mT", "ndim", "shape", "size", "T"]


def _functions() -> list[Any]:
    """Every function of the standard, as array_api_strict has it: those that are defined in a file of its own."""
    found = []
    spaces = [("", array_api_strict), ("linalg", array_api_strict.linalg), ("fft", array_api_strict.fft)]
    with array_api_strict.ArrayAPIStrictFlags(api_version="2025.12"):
        for space, module in spaces:
            for name in sorted(dir(module)):
                function = getattr(module, name)
                home = getattr(function, "__module__", "").removeprefix("array_api_strict._")
                if space and home != space:
                    continue
                if name.startswith("_") or home in ("flags", "array_object") or inspect.isclass(function):
                    continue
                if callable(function):
                    found.append(pytest.param(space, name, function, id=f"{space}.{name}".lstrip(".")))
    return found


def ours(space: str, name: str) -> Callable[..., Any]:
    """graphflow's function of that name."""
    function: Callable[..., Any] = getattr(getattr(gf, space) if space else gf, name)
    return function


@pytest.mark.parametrize(("space", "name", "function"), _functions())
def test_every_function_is_there_with_its_signature(space: str, name: str, function: Any) -> None:
    """Positions and keywords of the standard are accepted; more parameters, with defaults, may follow."""
    wanted = list(inspect.signature(function).parameters.values())
    given = inspect.signature(ours(space, name)).parameters
    places = list(given.values())
    for k, p in enumerate(wanted):
        if p.kind in (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD):
            assert places[k].kind in (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD), p
            if p.kind is Parameter.POSITIONAL_OR_KEYWORD:
                assert (places[k].name, places[k].kind) == (p.name, p.kind)
            if p.default is not Parameter.empty:
                assert places[k].default is not Parameter.empty, p
        elif p.kind is Parameter.VAR_POSITIONAL:
            assert places[k].kind is Parameter.VAR_POSITIONAL
        else:
            assert p.name in given, p
            assert given[p.name].kind in (Parameter.KEYWORD_ONLY, Parameter.POSITIONAL_OR_KEYWORD)
            if (
                isinstance(p.default, (bool, int, float, str, type(None)))
                and p.default is not Parameter.empty
            ):
                assert given[p.name].default == p.default
    required = [p for p in places if p.default is Parameter.empty and p.kind is not Parameter.VAR_POSITIONAL]
    assert len(required) <= len([p for p in wanted if p.default is Parameter.empty])


@pytest.mark.parametrize("name", METHODS)
def test_every_method_is_there(name: str) -> None:
    method = getattr(gf.Tensor, name)
    assert method is not getattr(object, name, None)
    parameters = list(inspect.signature(method).parameters)
    assert parameters[0] == "self"
    if name == "__dlpack__":
        assert parameters[1:] == ["stream", "max_version", "dl_device", "copy"]


@pytest.mark.parametrize("name", ATTRIBUTES)
def test_every_attribute_is_there(name: str) -> None:
    assert hasattr(gf.ones((2, 2)), name)


def test_constants_are_python_numbers() -> None:
    assert (gf.e, gf.pi, gf.inf, gf.newaxis) == (math.e, math.pi, math.inf, None)
    assert math.isnan(gf.nan)
    assert all(type(c) is float for c in (gf.e, gf.pi, gf.inf, gf.nan))


def test_dtypes_compare_with_themselves_alone() -> None:
    names = list(array_api_strict.__array_namespace_info__().dtypes())
    assert len(names) == 13
    dtypes = [getattr(gf, name) for name in names]
    for k, a in enumerate(dtypes):
        assert [a == b for b in dtypes] == [k == j for j in range(len(dtypes))]
        assert gf.zeros(1, dtype=a).dtype == a


def test_the_version_that_is_followed_can_be_asked_for() -> None:
    x = gf.zeros(2)
    assert gf.__array_api_version__ == "2024.12"
    assert x.__array_namespace__() is gf
    for version in ("2021.12", "2022.12", "2023.12", "2024.12", None):
        assert x.__array_namespace__(api_version=version) is gf
    for version in ("2020.10", "", 2024.12):
        with pytest.raises(ArgumentError, match="is not known here"):
            x.__array_namespace__(api_version=version)


# --- inspection -----------------------------------------------------------------------------------


def test_what_the_namespace_can_do() -> None:
    info = gf.__array_namespace_info__()
    assert info.capabilities() == {
        "boolean indexing": True,
        "data-dependent shapes": True,
        "max dimensions": 64,
    }
    assert gf.zeros((1,) * 64).ndim == 64
    assert info.default_device() is None
    assert "cpu:0" in info.devices()


@pytest.mark.parametrize("device", [None, "cpu:0"])
def test_default_dtypes_are_those_that_numbers_become(device: Any) -> None:
    defaults = gf.__array_namespace_info__().default_dtypes(device=device)
    assert defaults["real floating"] == gf.asarray(1.0).dtype
    assert defaults["complex floating"] == gf.asarray(1j).dtype
    assert defaults["integral"] == gf.asarray(1).dtype
    assert defaults["indexing"] == gf.argmax(gf.asarray([1, 2])).dtype
    with gf.config.override(default_float="float64"):
        changed = gf.__array_namespace_info__().default_dtypes(device=device)
        assert (changed["real floating"], changed["complex floating"]) == (gf.float64, gf.complex128)


@pytest.mark.parametrize(
    "kind",
    [
        None,
        *(
            "bool",
            "signed integer",
            "unsigned integer",
            "integral",
            "real floating",
            "complex floating",
            "numeric",
        ),
        ("bool", "signed integer"),
        ("real floating", "complex floating", "bool"),
    ],
)
def test_dtypes_of_a_kind_are_the_standards(kind: Any) -> None:
    ours = gf.__array_namespace_info__().dtypes(kind=kind)
    assert set(ours) == set(array_api_strict.__array_namespace_info__().dtypes(kind=kind))
    for name, dtype in ours.items():
        assert dtype == np.dtype(name)
        assert gf.empty(1, dtype=dtype).dtype == dtype


def test_an_unknown_kind_or_device_is_refused() -> None:
    info = gf.__array_namespace_info__()
    with pytest.raises(ArgumentError, match="'floats' is neither a dtype nor one of 'bool'"):
        info.dtypes(kind="floats")
    with pytest.raises(gf.errors.GraphflowError, match="not a device name"):
        info.dtypes(device="no such device")


@pytest.mark.parametrize("device", ["cpu:0", "cpu", "numpy"])
def test_what_is_made_on_a_device_is_there(device: str) -> None:
    made = {
        "asarray": gf.asarray([1.0, 2.0], device=device),
        "arange": gf.arange(3, device=device),
        "empty": gf.empty(3, device=device),
        "empty_like": gf.empty_like(gf.zeros(3), device=device),
        "eye": gf.eye(3, device=device),
        "from_dlpack": gf.from_dlpack(np.ones(3), device=device),
        "full": gf.full(3, 1.0, device=device),
        "full_like": gf.full_like(gf.zeros(3), 2.0, device=device),
        "linspace": gf.linspace(0, 1, 3, device=device),
        "ones": gf.ones(3, device=device),
        "ones_like": gf.ones_like(gf.zeros(3), device=device),
        "zeros": gf.zeros(3, device=device),
        "zeros_like": gf.zeros_like(gf.zeros(3), device=device),
        "astype": gf.astype(gf.zeros(3), gf.int32, device=device),
        "to_device": gf.zeros(3).to_device(device),
    }
    wanted = gf.zeros(1, device=device).device
    for name, tensor in made.items():
        assert tensor.device == wanted, name
        assert np.asarray(tensor).size > 0
        assert tensor.to_device(tensor.device) is tensor


def test_a_device_that_is_none_is_refused() -> None:
    with pytest.raises(ArgumentError, match="'no such device' is not a device name"):
        gf.zeros(2, device="no such device")
    with pytest.raises(ArgumentError, match="stream"):
        gf.zeros(2).to_device("cpu", stream=1)
    with pytest.raises(ArgumentError):
        gf.zeros(2).to_device(None)
