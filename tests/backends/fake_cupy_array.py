"""The arrays of `fake_cupy`: NumPy's, behind CuPy's attributes, operators and refusals."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

__all__ = ["Memory", "MemoryPointer", "array_class", "plain"]


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


def plain(value: Any) -> Any:
    """NumPy's view of arguments."""
    if hasattr(value, "_host"):
        return value._host
    if isinstance(value, (tuple, list)):
        return type(value)(plain(v) for v in value)
    return value


_BINARY = [
    "add",
    "sub",
    "mul",
    "truediv",
    "floordiv",
    "mod",
    "pow",
    "and",
    "or",
    "xor",
    "lshift",
    "rshift",
    "matmul",
]
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


def array_class(fake: Any) -> Any:
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
            setattr(self._host, name, plain(value))

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
            result = fake.wrap(self._host[plain(key)])
            result._memory = self._memory
            return result

        def __setitem__(self, key: Any, value: Any) -> None:
            fake.check_devices(self, value)
            self._host[plain(key)] = plain(value)

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
