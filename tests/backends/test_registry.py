"""Which backends there are: by entry point, by hand, broken ones, and what is said when none fits."""

from __future__ import annotations

import importlib.metadata
import types
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import graphflow as gf
from graphflow.backends import (
    Backend,
    DeviceInfo,
    backend_for,
    canonical,
    list_devices,
    register,
    registry,
    unregister,
)
from graphflow.backends.numpy import NumpyBackend


class Other(NumpyBackend):
    """NumPy under another name."""

    name = "other"
    kinds = ("odd",)

    @classmethod
    def devices(cls) -> list[DeviceInfo]:
        return [DeviceInfo("odd:0", "other", True, "for tests")]


@pytest.fixture
def other() -> Iterator[type[Backend]]:
    register(Other)
    yield Other
    unregister(Other)


@pytest.fixture
def fresh(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Nothing searched for yet."""
    for name, value in {"_registered": {}, "_found": {}, "_instances": {}}.items():
        monkeypatch.setattr(registry, name, value)
    return monkeypatch


def _entry_points(monkeypatch: pytest.MonkeyPatch, **entries: Any) -> None:
    def load(value: Any) -> Any:
        if isinstance(value, Exception):
            raise value
        return value

    made = [types.SimpleNamespace(name=n, load=lambda v=v: load(v)) for n, v in entries.items()]
    monkeypatch.setattr(importlib.metadata, "entry_points", lambda group: made)


# --- names ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "device"),
    [
        (None, "cpu:0"),
        ("cpu", "cpu:0"),
        ("/CPU:0", "cpu:0"),
        ("numpy", "numpy:0"),
        ("gpu", "gpu:0"),
        ("gpu:1", "gpu:1"),
        ("/device:GPU:1", "gpu:1"),
        ("cupy", "gpu:0"),
        ("cupy:2", "gpu:2"),
    ],
)
def test_canonical_names(asked: str | None, device: str) -> None:
    assert canonical(asked) == device


@pytest.mark.parametrize("name", ["tpu", "tpu:0", "/xla_cpu:3"])
def test_a_kind_that_nobody_serves_names_those_that_are(name: str) -> None:
    with pytest.raises(gf.errors.BackendError, match=r"no backend serves device.*known: .*cpu.*gpu.*numpy"):
        gf.Session(device=name)


@pytest.mark.parametrize("name", ["", "cpu:x", "cpu:-1", 3, "cpu:0:0", "a b", "/", "cpu\n", "x" * 1000])
def test_what_is_no_device_name(name: Any) -> None:
    with pytest.raises(gf.errors.ArgumentError, match="is not a device name"):
        gf.Session(device=name)


def test_a_device_that_does_not_exist_names_those_that_do() -> None:
    with pytest.raises(gf.errors.BackendError, match=r"'cpu:7' does not exist; have cpu:0"):
        backend_for("cpu:7")


def test_one_instance_serves_a_device() -> None:
    assert backend_for("cpu") is backend_for("/cpu:0")


def test_every_device_is_listed_once_with_its_state() -> None:
    names = [row.name for row in list_devices()]
    assert names[:2] == ["cpu:0", "numpy:0"]
    assert len(set(names)) == len(names)
    for row in list_devices():
        assert row.name in str(row)
        assert ("ok" if row.available else "missing") in str(row)
        assert row.detail


# --- by hand --------------------------------------------------------------------------------------


def test_a_registered_backend_serves_its_kind(other: type[Backend]) -> None:
    assert "odd:0" in [row.name for row in list_devices()]
    with gf.device("odd"):
        y = gf.constant(2.0) * 3.0
    assert gf.Session().run(y) == 6.0
    assert gf.Session(device="other").device == "odd:0"


def test_the_last_one_registered_serves_a_kind(other: type[Backend]) -> None:
    class Newer(Other):
        name = "newer"

    register(Newer)
    try:
        assert isinstance(backend_for("odd"), Newer)
    finally:
        unregister(Newer)
    assert not isinstance(backend_for("odd"), Newer)
    assert isinstance(backend_for("odd"), Other)


class Nameless(Backend):
    kinds = ("odd",)


class Kindless(Backend):
    name = "kindless"


@pytest.mark.parametrize("value", [None, "cpu", Backend, Nameless, Kindless, NumpyBackend(), int])
def test_what_cannot_be_registered(value: Any) -> None:
    with pytest.raises(gf.errors.ArgumentError, match="register"):
        register(value)


def test_only_what_is_registered_is_unregistered() -> None:
    with pytest.raises(gf.errors.ArgumentError, match="is not registered"):
        unregister(NumpyBackend)


# --- by entry point -------------------------------------------------------------------------------


def test_a_package_s_backend_is_found(fresh: pytest.MonkeyPatch) -> None:
    _entry_points(fresh, other=Other)
    assert isinstance(backend_for("odd"), Other)
    assert canonical("cpu") == "cpu:0"


@pytest.mark.parametrize("fault", [ImportError("no libodd.so"), RuntimeError("boom"), int, Nameless, "text"])
def test_a_package_that_is_broken_is_listed_and_stops_nothing(fresh: pytest.MonkeyPatch, fault: Any) -> None:
    _entry_points(fresh, odd=fault)
    row = next(row for row in list_devices() if row.name == "odd:0")
    assert not row.available
    assert "broken" in row.detail
    if isinstance(fault, Exception):
        assert str(fault) in row.detail
    assert gf.Session().run(gf.constant(1.0) + 1.0) == 2.0
    with pytest.raises(gf.errors.BackendError, match=r"'odd:0' cannot be used.*broken"):
        backend_for("odd")


def test_a_package_cannot_take_a_name_that_is_taken(fresh: pytest.MonkeyPatch) -> None:
    class Impostor(Other):
        name = "numpy"
        kinds = ("cpu", "numpy")

    _entry_points(fresh, numpy=NumpyBackend, impostor=Impostor)
    assert type(backend_for("cpu")) is NumpyBackend


def test_devices_that_cannot_be_listed_are_missing(fresh: pytest.MonkeyPatch) -> None:
    class Moody(Other):
        @classmethod
        def devices(cls) -> list[DeviceInfo]:
            raise OSError("driver hung")

    _entry_points(fresh, other=Moody)
    row = next(row for row in list_devices() if row.name == "odd:0")
    assert (row.available, row.detail) == (False, "OSError: driver hung")
    with pytest.raises(gf.errors.BackendError, match="driver hung"):
        backend_for("odd")


def test_a_backend_that_does_not_start_is_a_backend_error(fresh: pytest.MonkeyPatch) -> None:
    class Weak(Other):
        def __init__(self, index: int = 0) -> None:
            raise OSError("no permission")

    _entry_points(fresh, other=Weak)
    with pytest.raises(gf.errors.BackendError, match=r"'odd:0' cannot be used: OSError: no permission"):
        gf.Session(device="odd")


# --- what the base class gives --------------------------------------------------------------------


class Bare(Backend):
    """A backend that overrides nothing."""

    name = "bare"
    kinds = ("bare",)


@pytest.mark.parametrize(
    "call",
    [
        lambda b: type(b).devices(),
        lambda b: b.allocate(8),
        lambda b: b.view(None, 0, np.dtype("f4"), (1,)),
        lambda b: b.from_host(np.ones(1)),
        lambda b: b.to_host(np.ones(1)),
    ],
)
def test_what_a_backend_must_say_itself(call: Any) -> None:
    with pytest.raises(gf.errors.BackendError, match="'bare'"):
        call(Bare())
