"""Python operators, methods and NumPy's protocols, shared by tensors and variables.

Each looks its function up by name in the table of public functions, so that this file
imports nothing from `ops/`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from graphflow import hooks
from graphflow.errors import ArgumentError, DTypeError, GraphError, GraphflowError, shorten
from graphflow.op import F

__all__ = ["API_VERSION", "API_VERSIONS", "NUMPY_FUNCTIONS", "NUMPY_REDUCTIONS", "ExportError", "Operators"]

API_VERSION = "2024.12"
"""The version of the Array API that the namespace follows."""

API_VERSIONS = ("2021.12", "2022.12", "2023.12", API_VERSION)
"""The versions that can be asked for; each contains those before it."""

NUMPY_FUNCTIONS: dict[Callable[..., Any], Callable[..., Any]] = {}
"""NumPy functions and ufuncs with what builds their node; filled by `ops/numpy_protocol.py`."""

NUMPY_REDUCTIONS: dict[np.ufunc, Callable[..., Any]] = {}
"""ufunc -> builder of its `reduce`; filled by `ops/numpy_protocol.py`."""

_HOST = (1, 0)
"""The host in DLPack's terms: kDLCPU, and the number of the device."""


class ExportError(GraphflowError, BufferError):
    """An exchange by DLPack that cannot be: of a dtype it does not know, to another device, or without the copy."""


def _binary(name: str) -> Any:
    def method(self: Any, other: Any) -> Any:
        return F.table[name](self, other)

    return method


def _reflected(name: str) -> Any:
    def method(self: Any, other: Any) -> Any:
        return F.table[name](other, self)

    return method


def _unary(name: str) -> Any:
    def method(self: Any) -> Any:
        return F.table[name](self)

    return method


class Operators:
    """Mixin for whatever stands for a tensor: gives `__graphflow_tensor__()`."""

    __slots__ = ()
    __array_priority__ = 1000

    if TYPE_CHECKING:  # said for the checker alone: Tensor and Variable, which mix this in, define it

        def __graphflow_tensor__(self) -> Any: ...

    __add__, __radd__ = _binary("add"), _reflected("add")
    __sub__, __rsub__ = _binary("subtract"), _reflected("subtract")
    __mul__, __rmul__ = _binary("multiply"), _reflected("multiply")
    __truediv__, __rtruediv__ = _binary("divide"), _reflected("divide")
    __floordiv__, __rfloordiv__ = _binary("floor_divide"), _reflected("floor_divide")
    __mod__, __rmod__ = _binary("remainder"), _reflected("remainder")
    __pow__, __rpow__ = _binary("pow"), _reflected("pow")
    __matmul__, __rmatmul__ = _binary("matmul"), _reflected("matmul")
    __and__, __rand__ = _binary("bitwise_and"), _reflected("bitwise_and")
    __or__, __ror__ = _binary("bitwise_or"), _reflected("bitwise_or")
    __xor__, __rxor__ = _binary("bitwise_xor"), _reflected("bitwise_xor")
    __lshift__, __rlshift__ = _binary("bitwise_left_shift"), _reflected("bitwise_left_shift")
    __rshift__, __rrshift__ = _binary("bitwise_right_shift"), _reflected("bitwise_right_shift")
    __eq__ = _binary("equal")
    __ne__ = _binary("not_equal")
    __lt__ = _binary("less")
    __le__ = _binary("less_equal")
    __gt__ = _binary("greater")
    __ge__ = _binary("greater_equal")
    __neg__ = _unary("negative")
    __pos__ = _unary("positive")
    __abs__ = _unary("abs")
    __invert__ = _unary("bitwise_invert")
    __hash__ = object.__hash__

    def __getitem__(self, key: Any, /) -> Any:
        return F.getitem(self, key)

    def __setitem__(self, key: Any, value: Any, /) -> None:
        raise GraphError(
            f"setitem: {self!r} holds state, which a key cannot write; say .assign(gf.setitem(v, key, value)) "
            "or .scatter_update"
        )

    def __iter__(self) -> Iterator[Any]:
        shape = self.__graphflow_tensor__().type.shape
        if not shape or not isinstance(shape[0], int):
            raise DTypeError(f"{self!r} cannot be iterated: the length of its first axis is not known here")
        return iter([F.getitem(self, i) for i in range(shape[0])])

    def __contains__(self, item: Any) -> bool:
        raise DTypeError("`in` is not defined for tensors; use gf.any(t == value), or `is` for identity")

    def __len__(self) -> int:
        shape = self.__graphflow_tensor__().type.shape
        if not shape or not isinstance(shape[0], int):
            raise DTypeError(f"len(): the length of the first axis of {self!r} is not known here")
        return int(shape[0])

    # --- values on demand ---

    def __bool__(self) -> bool:
        return bool(self._scalar("bool"))

    def __int__(self) -> int:
        return int(self._real("int"))

    def __float__(self) -> float:
        return float(self._real("float"))

    def __complex__(self) -> complex:
        return complex(self._scalar("complex"))

    def __index__(self) -> int:
        if self.dtype.kind not in "iu":
            raise DTypeError(f"{self!r} is not an integer and cannot be an index")
        return int(self._scalar("index"))

    def _real(self, what: str) -> Any:
        if self.dtype.kind == "c":
            raise DTypeError(f"{what}(): {self!r} is complex; take gf.real or gf.abs of it, or complex()")
        return self._scalar(what)

    def _scalar(self, what: str) -> Any:
        tensor = self.__graphflow_tensor__()
        size = tensor.type.size if tensor.type.is_static else None
        if size in (1, None):
            value = np.asarray(hooks.evaluate(tensor))
            if value.size == 1:
                return value.reshape(())[()]
            size = value.size
        raise DTypeError(f"{what}() needs a tensor of one element, but {tensor!r} has {size}")

    def item(self) -> Any:
        """The value of a one-element tensor as a Python scalar."""
        return self._scalar("item").item()

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray[Any, Any]:
        if copy is False:
            raise GraphError("np.asarray(tensor, copy=False): the value is computed, so it is always new")
        value = np.asarray(hooks.evaluate(self.__graphflow_tensor__()))
        return value if dtype is None else value.astype(dtype)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        if kwargs.get("out") is not None:
            raise DTypeError(
                f"np.{ufunc.__name__} cannot write a tensor into an array; convert with np.asarray first"
            )
        tables: dict[str, Any] = {"__call__": NUMPY_FUNCTIONS, "reduce": NUMPY_REDUCTIONS}
        function = tables.get(method, {}).get(ufunc)
        if function is None:
            spelled = f"np.{ufunc.__name__}" + ("" if method == "__call__" else f".{method}")
            raise DTypeError(f"{spelled} has no graphflow counterpart; use np.asarray(tensor) for its value")
        return function(*inputs, **kwargs)

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        function = NUMPY_FUNCTIONS.get(func)
        if function is None:
            raise DTypeError(
                f"np.{func.__name__} has no graphflow counterpart; use np.asarray(tensor) for its value"
            )
        return function(*args, **kwargs)

    def __array_namespace__(self, /, *, api_version: str | None = None) -> Any:
        import graphflow

        if api_version not in (None, *API_VERSIONS):
            raise ArgumentError(
                f"Array API version {shorten(api_version)} is not known here; versions: {', '.join(API_VERSIONS)}"
            )
        return graphflow

    def __dlpack__(
        self,
        /,
        *,
        stream: Any = None,
        max_version: tuple[int, int] | None = None,
        dl_device: tuple[Any, int] | None = None,
        copy: bool | None = None,
    ) -> Any:
        """The value as a DLPack capsule on the host. It is computed, so it is always new, whatever `copy` says."""
        if stream is not None:
            raise ExportError(
                f"__dlpack__: the value is on the host, where there is no stream {shorten(stream)}"
            )
        if dl_device is not None and tuple(map(int, dl_device)) != _HOST:
            raise ExportError(
                f"__dlpack__: the value can only be given on the host, {_HOST}, not on {shorten(dl_device)}"
            )
        value = np.array(self.__array__())
        try:
            return value.__dlpack__(max_version=max_version)
        except BufferError as error:
            raise ExportError(f"__dlpack__: {self!r} cannot be given: {error}") from error

    def __dlpack_device__(self) -> tuple[int, int]:
        """Where `__dlpack__` gives the value: on the host, (kDLCPU, 0)."""
        return _HOST

    def to_device(self, device: Any, /, *, stream: Any = None) -> Any:
        """The same value on another device, as the Array API has it; see `gf.device`."""
        return F.to_device(self, device, stream=stream)

    # --- types ---

    @property
    def dtype(self) -> np.dtype[Any]:
        """Element type."""
        return self.__graphflow_tensor__().type.dtype  # type: ignore[no-any-return]

    @property
    def shape(self) -> Any:
        """Ints, named dimensions, and None for what is unknown."""
        return self.__graphflow_tensor__().shape

    @property
    def ndim(self) -> int:
        """Number of dimensions. Raises ShapeError where the rank is unknown."""
        return self.__graphflow_tensor__().type.rank  # type: ignore[no-any-return]

    @property
    def size(self) -> Any:
        """Number of elements, or None where it is unknown."""
        tensor = self.__graphflow_tensor__()
        return tensor.type.size if tensor.type.is_static else None

    # --- methods, as NumPy has them ---

    @property
    def T(self) -> Any:
        """The axes reversed, as in NumPy."""
        return F.permute_dims(self, tuple(reversed(range(self.ndim))))

    @property
    def mT(self) -> Any:
        """The last two axes swapped."""
        return F.matrix_transpose(self)

    def astype(self, dtype: Any, copy: bool = True) -> Any:
        """`gf.astype`."""
        return F.astype(self, dtype, copy=copy)

    def reshape(self, *shape: Any) -> Any:
        """`gf.reshape`."""
        return F.reshape(self, shape[0] if len(shape) == 1 else shape)

    def transpose(self, *axes: Any) -> Any:
        """Axes permuted; reversed if none are given."""
        order = axes[0] if len(axes) == 1 and isinstance(axes[0], (tuple, list)) else axes
        return F.permute_dims(self, tuple(order) if order else tuple(reversed(range(self.ndim))))

    def flatten(self) -> Any:
        """One axis."""
        return F.reshape(self, (-1,))

    def sum(self, axis: Any = None, *, keepdims: bool = False) -> Any:
        """`gf.sum`."""
        return F.sum(self, axis=axis, keepdims=keepdims)

    def prod(self, axis: Any = None, *, keepdims: bool = False) -> Any:
        """`gf.prod`."""
        return F.prod(self, axis=axis, keepdims=keepdims)

    def mean(self, axis: Any = None, *, keepdims: bool = False) -> Any:
        """`gf.mean`."""
        return F.mean(self, axis=axis, keepdims=keepdims)

    def max(self, axis: Any = None, *, keepdims: bool = False) -> Any:
        """`gf.max`."""
        return F.max(self, axis=axis, keepdims=keepdims)

    def min(self, axis: Any = None, *, keepdims: bool = False) -> Any:
        """`gf.min`."""
        return F.min(self, axis=axis, keepdims=keepdims)

    def var(self, axis: Any = None, *, keepdims: bool = False) -> Any:
        """`gf.var`."""
        return F.var(self, axis=axis, keepdims=keepdims)

    def std(self, axis: Any = None, *, keepdims: bool = False) -> Any:
        """`gf.std`."""
        return F.std(self, axis=axis, keepdims=keepdims)

    def any(self, axis: Any = None, *, keepdims: bool = False) -> Any:
        """`gf.any`."""
        return F.any(self, axis=axis, keepdims=keepdims)

    def all(self, axis: Any = None, *, keepdims: bool = False) -> Any:
        """`gf.all`."""
        return F.all(self, axis=axis, keepdims=keepdims)

    def argmax(self, axis: Any = None, *, keepdims: bool = False) -> Any:
        """`gf.argmax`."""
        return F.argmax(self, axis=axis, keepdims=keepdims)

    def argmin(self, axis: Any = None, *, keepdims: bool = False) -> Any:
        """`gf.argmin`."""
        return F.argmin(self, axis=axis, keepdims=keepdims)

    def dot(self, other: Any) -> Any:
        """`gf.matmul`."""
        return F.matmul(self, other)
