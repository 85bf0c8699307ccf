"""A stand-in for CuPy where there is no GPU: NumPy behind CuPy's names, parameters, dtype rules and refusals.

`install(monkeypatch)` puts it in place of the modules `cupy` and `cupyx`. What it knows of CuPy is recorded in
`cupy_api.json`, so that a kernel that calls what CuPy has not, or with arguments that it does not take, fails
here too. As in CuPy, an array of the device becomes a NumPy array by `.get()` alone, ufuncs choose their loop
by CuPy's tables, `take` wraps what is out of range, and arrays belong to the device that was current. Every
transfer, allocation and launch is noted in `Fake.events`.
"""

from __future__ import annotations

import functools
import inspect
import json
import sys
import types
import weakref
from collections.abc import Callable
from typing import Any

import ml_dtypes
import numpy as np
import pytest

from tests.backends.fake_cupy_array import Memory, MemoryPointer, array_class, plain
from tests.backends.record_cupy_api import API_FILE

__all__ = ["VERSIONS", "Fake", "install"]

_API: dict[str, Any] = json.loads(API_FILE.read_text("utf-8"))
VERSIONS = tuple(sorted(_API))
_CODES = {"E": np.dtype(ml_dtypes.bfloat16)}
_NUMPY_NAMES = {"conj": "conjugate", "fix": "trunc", "amax": "max", "amin": "min"}


@functools.cache
def _signature(text: str) -> inspect.Signature:
    """The signature that `record_cupy_api.parameters` wrote down."""
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    made = []
    for word in text.split():
        if word == "*":
            kind = inspect.Parameter.KEYWORD_ONLY
        elif word.startswith("**"):
            made.append(inspect.Parameter(word[2:], inspect.Parameter.VAR_KEYWORD))
        elif word.startswith("*"):
            made.append(inspect.Parameter(word[1:], inspect.Parameter.VAR_POSITIONAL))
            kind = inspect.Parameter.KEYWORD_ONLY
        else:
            default = None if word.endswith("=") else inspect.Parameter.empty
            made.append(inspect.Parameter(word.rstrip("="), kind, default=default))
    return inspect.Signature(made)


class CUDARuntimeError(RuntimeError):
    """CuPy's class for errors of CUDA."""


class OutOfMemoryError(MemoryError):
    """CuPy's class for a failed allocation."""


class Fake:
    """The modules and what happened in them.

    events: ("to device" | "to host" | "allocate", bytes), ("launch", name), ("synchronize", device) in order.
    used: bytes of arenas and variables that something refers to. held: those, and freed ones not given back.
    limit: bytes that the device has. device: the current one.
    """

    def __init__(self, version: str = VERSIONS[-1], devices: int = 1, limit: int = 1 << 30) -> None:
        self.version = version
        self.api = _API[version]
        self.limit = limit
        self.events: list[tuple[str, Any]] = []
        self.used = self.held = 0
        self.device = 0
        self.count = devices
        self.failure: Exception | None = None  # what CUDA says when asked anything at all
        self.ndarray = array_class(self)
        self.cupy = self._cupy()
        self.cupyx = self._cupyx()

    def of(self, kind: str) -> list[Any]:
        """What was noted with the events of one kind."""
        return [value for k, value in self.events if k == kind]

    def note(self, kind: str, value: Any) -> None:
        self.events.append((kind, value))

    def forget(self) -> None:
        """Forget the events so far."""
        self.events.clear()

    # --- modules ---

    def _cupy(self) -> types.ModuleType:
        module = _Lazy("cupy", self._attribute)
        runtime = types.SimpleNamespace(
            getDeviceCount=self._ask(lambda: self.count),
            driverGetVersion=self._ask(lambda: 12080),
            runtimeGetVersion=self._ask(lambda: 12060),
            memGetInfo=self._ask(lambda: (self.limit - self.held, self.limit)),
            getDeviceProperties=self._ask(
                lambda index: {"name": b"Fake GPU", "totalGlobalMem": self.limit, "major": 9, "minor": 0}
            ),
        )
        module.cuda = types.SimpleNamespace(runtime=runtime, alloc=self._alloc, Device=_device_class(self))
        module.__version__ = self.version
        module.ndarray = self.ndarray
        pool = types.SimpleNamespace(free_all_blocks=self._free_all, used_bytes=lambda: self.used)
        module.get_default_memory_pool = lambda: pool
        module.get_default_pinned_memory_pool = lambda: types.SimpleNamespace(free_all_blocks=lambda: None)
        for inner, source in (("linalg", np.linalg), ("fft", np.fft)):
            names = self.api[inner]
            setattr(
                module, inner, _Lazy(f"cupy.{inner}", lambda n, s=source, k=names: self._function(n, k, s))
            )
        module.linalg.LinAlgError = np.linalg.LinAlgError
        for name in (*self.api["values"], *self.api["functions"], *self.api["ufuncs"]):
            if name not in vars(module) and (hasattr(np, name) or name == "asnumpy"):
                setattr(module, name, self._attribute(name))
        return module

    def _cupyx(self) -> dict[str, types.ModuleType]:
        import scipy.special

        def scatter_add(target: Any, key: Any, value: Any) -> None:
            np.add.at(plain(target), plain(key), plain(value))

        special = _Lazy("cupyx.scipy.special", lambda n: self._special(n, scipy.special))
        scipy_module = types.ModuleType("cupyx.scipy")
        scipy_module.special = special  # type: ignore[attr-defined]
        cupyx = types.ModuleType("cupyx")
        cupyx.scipy = scipy_module  # type: ignore[attr-defined]
        cupyx.scatter_add = scatter_add  # type: ignore[attr-defined]
        cupyx.rsqrt = self._wrapped(lambda x: 1 / np.sqrt(x), "rsqrt")  # type: ignore[attr-defined]
        return {"cupyx": cupyx, "cupyx.scipy": scipy_module, "cupyx.scipy.special": special}

    def _attribute(self, name: str) -> Any:
        if name in self.api["ufuncs"]:
            return self._ufunc(name)
        if name in self.api["functions"]:
            return self._function(name, self.api["functions"], np)
        if name in self.api["values"] and hasattr(np, name):
            return getattr(np, name)
        raise AttributeError(f"module 'cupy' has no attribute {name!r}")

    # --- memory ---

    def _ask(self, answer: Callable[..., Any]) -> Callable[..., Any]:
        def asked(*args: Any) -> Any:
            if self.failure is not None:
                raise self.failure
            return answer(*args)

        return asked

    def _alloc(self, nbytes: int) -> MemoryPointer:
        if self.used + nbytes > self.limit:
            raise OutOfMemoryError(f"Out of memory allocating {nbytes} bytes")
        self.held = max(self.held, self.used + nbytes)
        self.used += nbytes
        self.note("allocate", nbytes)
        memory = Memory(nbytes, self.device)
        weakref.finalize(memory, self._unused, nbytes)
        return MemoryPointer(memory, 0)

    def _unused(self, nbytes: int) -> None:
        self.used -= nbytes

    def _free_all(self) -> None:
        self.held = self.used

    # --- functions ---

    def wrap(self, value: Any) -> Any:
        """NumPy's results as arrays of the device."""
        if isinstance(value, (np.ndarray, np.generic)):
            return self.ndarray.over(np.asarray(value))
        if isinstance(value, tuple):
            return tuple(self.wrap(v) for v in value)
        return [self.wrap(v) for v in value] if isinstance(value, list) else value

    def check_devices(self, *arguments: Any) -> None:
        """CuPy refuses, or is slow with, arrays of a device that is not the current one."""
        for x in arguments:
            if isinstance(x, self.ndarray) and x.on != self.device:
                raise ValueError(f"array of device {x.on} used while device {self.device} is current")
            if isinstance(x, np.ndarray):
                raise TypeError(f"Unsupported type {type(x)}")

    def _wrapped(self, function: Callable[..., Any], name: str) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            self.check_devices(*args, *kwargs.values())
            self.note("launch", name)
            with np.errstate(all="ignore"):
                result = function(*[plain(a) for a in args], **{k: plain(v) for k, v in kwargs.items()})
            out = kwargs.get("out")
            if out is None:
                out = next((a for a in args if isinstance(a, self.ndarray) and a._host is result), None)
            return out if out is not None else self.wrap(result)

        call.__name__ = name
        return call

    def _function(self, name: str, known: dict[str, str | None], source: Any) -> Callable[..., Any]:
        if name not in known:
            raise AttributeError(f"{source.__name__} in CuPy has no attribute {name!r}")
        special = {"array": self._array, "asarray": self._asarray, "take": self._take, "copyto": self._copyto}
        special |= {"asnumpy": lambda x: x.get(), "sum": self._sum(np.sum), "prod": self._sum(np.prod)}
        special |= {n: self._wrapped(_stable(getattr(np, n)), n) for n in ("sort", "argsort")}
        if name in special:
            run = special[name]
        else:
            run = self._wrapped(getattr(source, _NUMPY_NAMES.get(name, name)), name)
        text = known[name]
        signature = None if text is None else _signature(text)

        def call(*args: Any, **kwargs: Any) -> Any:
            if signature is not None:
                try:
                    signature.bind(*args, **kwargs)
                except TypeError as error:
                    raise TypeError(f"cupy.{name}: {error}") from None
            return run(*args, **kwargs)

        return call

    def _array(
        self, value: Any, dtype: Any = None, copy: bool = True, order: str = "K", **options: Any
    ) -> Any:
        if isinstance(value, self.ndarray):
            self.check_devices(value)
            self.note("launch", "copy")
            return self.wrap(np.array(plain(value), dtype=dtype, copy=True, order=order))
        host = np.array(value, dtype=dtype)
        self.note("to device", host.nbytes)
        return self.wrap(host)

    def _asarray(self, value: Any, dtype: Any = None, **options: Any) -> Any:
        same = isinstance(value, self.ndarray) and dtype in (None, value.dtype) and not options.get("copy")
        return value if same else self._array(value, dtype)

    def _sum(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """CuPy adds and multiplies 16-bit floats in 32 bits."""

        def run(x: Any, *, dtype: Any = None, out: Any = None, **options: Any) -> Any:
            result = np.dtype(dtype or x.dtype)
            half = result.itemsize == 2 and result.kind in "fV"
            total = np.asarray(function(x, dtype=np.float32 if half else dtype, **options))
            if out is None:
                return total.astype(result) if half else total
            np.copyto(out, total, casting="same_kind")
            return out

        return self._wrapped(run, function.__name__)

    def _take(self, a: Any, indices: Any, axis: int | None = None, out: Any = None) -> Any:
        return self._wrapped(lambda *x, **k: np.take(*x, mode="wrap", **k), "take")(
            a, indices, axis=axis, out=out
        )

    def _copyto(self, dst: Any, src: Any, casting: str = "same_kind", where: Any = None) -> None:
        mask = True if where is None else where
        self._wrapped(lambda d, s, m: np.copyto(d, s, casting, where=m), "copyto")(dst, src, mask)

    def _special(self, name: str, source: Any) -> Callable[..., Any]:
        if name not in self.api["special"]:
            raise AttributeError(f"module 'cupyx.scipy.special' has no attribute {name!r}")

        def single(*args: Any, out: Any = None) -> Any:
            result = getattr(source, name)(*args)
            if out is None:
                return result
            np.copyto(out, result, casting="same_kind")
            return out

        return self._wrapped(single, name)

    def _ufunc(self, name: str) -> Callable[..., Any]:
        function = getattr(np, _NUMPY_NAMES.get(name, name), None)
        table = _loops(self.api["ufuncs"][name])
        if function is None:
            raise AttributeError(f"NumPy has no ufunc {name!r} to stand in for CuPy's")

        def compute(*args: Any, out: Any = None, dtype: Any = None) -> Any:
            args, out = (args[:-1], args[-1]) if len(args) > len(table[0][0]) else (args, out)
            arrays = [a for a in args if isinstance(a, (np.ndarray, np.generic))]
            strong = [a.dtype for a in arrays]
            full = [a if isinstance(a, (np.ndarray, np.generic)) else _weak(a, strong) for a in args]
            found = _loop_for(self.api["ufuncs"][name], tuple(a.dtype for a in full))
            if found is None:
                raise TypeError(f"cupy.{name}: no loop for {[str(a.dtype) for a in full]}")
            ins, result = found
            value = np.asarray(function(*[a.astype(t) for a, t in zip(full, ins, strict=True)]))
            value = value.astype(result if dtype is None else dtype)
            if out is None:
                return value
            if out.shape != value.shape:
                raise ValueError(f"cupy.{name}: out has shape {out.shape}, the result {value.shape}")
            np.copyto(out, value, casting="same_kind")
            return out

        return self._wrapped(compute, name)


def _stable(function: Callable[..., Any]) -> Callable[..., Any]:
    """CuPy's sorts are stable as they are."""
    return lambda x, axis=-1, kind=None: function(x, axis=axis, kind="stable")


Loop = tuple[tuple[np.dtype[Any], ...], np.dtype[Any]]


@functools.cache
def _loops(table: str) -> list[Loop]:
    """A ufunc's loops, as CuPy lists them: input dtypes, output dtype."""
    return [_loop(text) for text in table.split()]


@functools.cache
def _loop_for(table: str, dtypes: tuple[np.dtype[Any], ...]) -> Loop | None:
    """The first loop that takes these dtypes."""
    fits = (
        loop for loop in _loops(table) if all(np.can_cast(a, t) for a, t in zip(dtypes, loop[0], strict=True))
    )
    return next(fits, None)


def _loop(text: str) -> Loop:
    ins, _, result = text.partition("->")
    return tuple(_dtype(c) for c in ins), _dtype(result[0])


def _dtype(code: str) -> np.dtype[Any]:
    return _CODES.get(code) or np.dtype(code)


def _weak(value: Any, strong: list[np.dtype[Any]]) -> Any:
    """A Python scalar in the dtype that it takes beside arrays."""
    if isinstance(value, (bool, int, float, complex)):
        return np.asarray(value, np.result_type(*strong, value) if strong else None)
    raise TypeError(f"Unsupported type {type(value)}")


class _Lazy(types.ModuleType):
    """A module that makes its attributes when asked."""

    def __init__(self, name: str, make: Callable[[str], Any]) -> None:
        super().__init__(name)
        self._make = make

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return self._make(name)


def _device_class(fake: Fake) -> type:
    class Device:
        def __init__(self, index: int = 0) -> None:
            self.id = index
            self._outer: list[int] = []

        def __enter__(self) -> Any:
            self._outer.append(fake.device)
            fake.device = self.id
            return self

        def __exit__(self, *error: object) -> None:
            fake.device = self._outer.pop()

        def synchronize(self) -> None:
            fake.note("synchronize", self.id)

    return Device


def install(patch: pytest.MonkeyPatch, **options: Any) -> Fake:
    """Put a fake in place of CuPy for one test, and forget the GPUs' backends that were made with another."""
    from graphflow.backends import registry

    fake = Fake(**options)
    patch.setitem(sys.modules, "cupy", fake.cupy)
    for name, module in fake.cupyx.items():
        patch.setitem(sys.modules, name, module)
    others = {device: b for device, b in registry._instances.items() if not device.startswith("gpu")}
    patch.setattr(registry, "_instances", others)
    return fake
