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
import itertools
import json
import sys
import types
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import ml_dtypes
import numpy as np
import pytest

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


class Memory:
    """One allocation."""

    def __init__(self, nbytes: int, device: int) -> None:
        self.bytes = np.zeros(nbytes, np.uint8)
        self.device = device


class MemoryPointer:
    """A place in an allocation, which it keeps alive."""

    def __init__(self, mem: Memory, offset: int) -> None:
        self.mem, self.offset = mem, offset

    def __add__(self, nbytes: int) -> MemoryPointer:
        return MemoryPointer(self.mem, self.offset + nbytes)


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
        self.ndarray = _array_class(self)
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
            setattr(module, inner, _Lazy(f"cupy.{inner}", lambda n, s=source, k=names: self._function(n, k, s)))
        module.linalg.LinAlgError = np.linalg.LinAlgError
        for name in (*self.api["values"], *self.api["functions"], *self.api["ufuncs"]):
            if name not in vars(module) and (hasattr(np, name) or name == "asnumpy"):
                setattr(module, name, self._attribute(name))
        return module

    def _cupyx(self) -> dict[str, types.ModuleType]:
        import scipy.special

        def scatter_add(target: Any, key: Any, value: Any) -> None:
            np.add.at(_plain(target), _plain(key), _plain(value))

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
                result = function(*[_plain(a) for a in args], **{k: _plain(v) for k, v in kwargs.items()})
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

    def _array(self, value: Any, dtype: Any = None, copy: bool = True, order: str = "K", **options: Any) -> Any:
        if isinstance(value, self.ndarray):
            self.check_devices(value)
            self.note("launch", "copy")
            return self.wrap(np.array(_plain(value), dtype=dtype, copy=True, order=order))
        plain = np.array(value, dtype=dtype)
        self.note("to device", plain.nbytes)
        return self.wrap(plain)

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
        return self._wrapped(lambda *x, **k: np.take(*x, mode="wrap", **k), "take")(a, indices, axis=axis, out=out)

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
            for ins, result in table:
                if all(np.can_cast(a.dtype, t) for a, t in zip(full, ins, strict=True)):
                    value = np.asarray(function(*[a.astype(t) for a, t in zip(full, ins, strict=True)]))
                    value = value.astype(result) if dtype is None else value.astype(dtype)
                    break
            else:
                raise TypeError(f"cupy.{name}: no loop for {[str(a.dtype) for a in full]}")
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


@functools.cache
def _loops(table: str) -> list[tuple[tuple[np.dtype[Any], ...], np.dtype[Any]]]:
    """A ufunc's loops, as CuPy lists them: input dtypes, output dtype."""
    return [_loop(text) for text in table.split()]


def _loop(text: str) -> tuple[tuple[np.dtype[Any], ...], np.dtype[Any]]:
    ins, _, result = text.partition("->")
    return tuple(_dtype(c) for c in ins), _dtype(result[0])


def _dtype(code: str) -> np.dtype[Any]:
    return _CODES.get(code) or np.dtype(code)


def _weak(value: Any, strong: list[np.dtype[Any]]) -> Any:
    """A Python scalar in the dtype that it takes beside arrays."""
    if isinstance(value, (bool, int, float, complex)):
        return np.asarray(value, np.result_type(*strong, value) if strong else None)
    raise TypeError(f"Unsupported type {type(value)}")


def _plain(value: Any) -> Any:
    """NumPy's view of arguments."""
    if hasattr(value, "_host"):
        return value._host
    if isinstance(value, (tuple, list)):
        return type(value)(_plain(v) for v in value)
    return value


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

        def __exit__(self, *error: Any) -> None:
            fake.device = self._outer.pop()

        def synchronize(self) -> None:
            fake.note("synchronize", self.id)

    return Device


_BINARY = ["add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "and", "or", "xor", "lshift", "rshift", "matmul"]
_COMPARE = ["lt", "le", "gt", "ge", "eq", "ne"]
_NAMES = {
    "sub": "subtract",
    "mul": "multiply",
    "truediv": "true_divide",
    "floordiv": "floor_divide",
    "mod": "remainder",
    "pow": "power",
    "and": "bitwise_and",
    "or": "bitwise_or",
    "xor": "bitwise_xor",
    "lshift": "left_shift",
    "rshift": "right_shift",
    "lt": "less",
    "le": "less_equal",
    "gt": "greater",
    "ge": "greater_equal",
    "eq": "equal",
    "ne": "not_equal",
}


def _array_class(fake: Fake) -> Any:
    """`cupy.ndarray` for one fake."""

    class ndarray:  # noqa: N801 the name that it has in CuPy
        __array_ufunc__ = None
        __hash__ = None  # type: ignore[assignment]

        def __init__(self, shape: Any, dtype: Any = float, memptr: MemoryPointer | None = None) -> None:
            dtype = np.dtype(dtype)
            nbytes = int(np.prod(shape, dtype=object)) * dtype.itemsize
            memory = Memory(nbytes, fake.device) if memptr is None else memptr.mem
            offset = 0 if memptr is None else memptr.offset
            self._memory = memory
            self._host = memory.bytes[offset : offset + nbytes].view(dtype).reshape(shape)
            self.on = memory.device

        @classmethod
        def over(cls, host: np.ndarray[Any, Any], memory: Memory | None = None) -> Any:
            made = cls.__new__(cls)
            made._host, made._memory, made.on = host, memory, fake.device
            return made

        def __array__(self, *args: Any, **kwargs: Any) -> Any:
            raise TypeError("Implicit conversion to a NumPy array is not allowed. Please use `.get()`")

        def get(self, stream: Any = None, order: str = "C", out: Any = None) -> Any:
            fake.note("to host", self._host.nbytes)
            return np.array(self._host, order=order)

        @property
        def shape(self) -> tuple[int, ...]:
            return self._host.shape

        @shape.setter
        def shape(self, value: Any) -> None:
            raise AttributeError("kernels must not change the shape of an array")

        real = property(lambda self: self._part("real"), lambda self, value: self._set_part("real", value))
        imag = property(lambda self: self._part("imag"), lambda self, value: self._set_part("imag", value))

        def _part(self, name: str) -> Any:
            return type(self).over(getattr(self._host, name), self._memory)

        def _set_part(self, name: str, value: Any) -> None:
            fake.check_devices(self, value)
            setattr(self._host, name, _plain(value))

        def __getattr__(self, name: str) -> Any:
            if name not in fake.api["ndarray"] or name.startswith("_"):
                raise AttributeError(f"'cupy.ndarray' object has no attribute {name!r}")
            value = getattr(self._host, name)
            if isinstance(value, np.ndarray):
                return type(self).over(value, self._memory)
            if not callable(value):
                return value
            if name == "item":
                fake.note("to host", self._host.itemsize)
                return value

            def method(*args: Any, **kwargs: Any) -> Any:
                result = fake._wrapped(value, name)(*args, **kwargs)
                if isinstance(result, type(self)):
                    result._memory = self._memory
                return result

            return method

        def __getitem__(self, key: Any) -> Any:
            result = fake.wrap(self._host[_plain(key)])
            result._memory = self._memory
            return result

        def __setitem__(self, key: Any, value: Any) -> None:
            fake.check_devices(self, value)
            self._host[_plain(key)] = _plain(value)

        def __len__(self) -> int:
            return len(self._host)

        def __iter__(self) -> Iterator[Any]:
            return (self[i] for i in range(len(self)))

        def __bool__(self) -> bool:
            return bool(self.item())

        def __int__(self) -> int:
            return int(self.item())

        def __float__(self) -> float:
            return float(self.item())

        def __complex__(self) -> complex:
            return complex(self.item())

        def __index__(self) -> int:
            return self.item().__index__()

        def __neg__(self) -> Any:
            return fake.cupy.negative(self)

        def __invert__(self) -> Any:
            return fake.cupy.invert(self)

        def __abs__(self) -> Any:
            return fake.cupy.abs(self)

    def operator(name: str, swapped: bool) -> Callable[[Any, Any], Any]:
        def run(self: Any, other: Any) -> Any:
            function = getattr(fake.cupy, _NAMES.get(name, name))
            return function(other, self) if swapped else function(self, other)

        return run

    for name in itertools.chain(_BINARY, _COMPARE):
        setattr(ndarray, f"__{name}__", operator(name, False))
        if name in _BINARY:
            setattr(ndarray, f"__r{name}__", operator(name, True))
    return ndarray


def install(patch: pytest.MonkeyPatch, **options: Any) -> Fake:
    """Put a fake in place of CuPy for one test, and forget the backends that were made with another."""
    from graphflow.backends import registry

    fake = Fake(**options)
    patch.setitem(sys.modules, "cupy", fake.cupy)
    for name, module in fake.cupyx.items():
        patch.setitem(sys.modules, name, module)
    patch.setattr(registry, "_instances", {})
    return fake
