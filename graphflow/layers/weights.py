"""What the layers share: checked arguments, and weights made below the layer's name."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from graphflow.errors import ArgumentError, ShapeError, shorten
from graphflow.graph import Tensor
from graphflow.initializers import Zeros
from graphflow.op import F
from graphflow.ops.constant import as_tensor
from graphflow.ops.state import Variable
from graphflow.types import as_index, is_floating
from graphflow.variable_scopes import get_variable, undone_on_error, variable_scope

__all__ = [
    "Weights",
    "channels_of",
    "check_activation",
    "floating_input",
    "layer_scope",
    "per_axis",
    "units_of",
]


def floating_input(what: str, inputs: Any, rank: int | None = None) -> Tensor:
    """The inputs as a tensor of floats of known rank, of that rank if it is given."""
    x = as_tensor(inputs)
    if not is_floating(x.type.dtype):
        raise ArgumentError(f"{what}: inputs must be floats, got {x.type}; cast them first")
    if x.type.shape is None:
        raise ShapeError(f"{what}: the rank of {x!r} must be known")
    if rank is not None and x.type.rank != rank:
        raise ShapeError(f"{what}: inputs must have {rank} axes, got {x.type}")
    return x


def units_of(what: str, value: Any, name: str) -> int:
    """A positive size."""
    number = as_index(value, f"{what}: {name}")
    if number < 1:
        raise ArgumentError(f"{what}: {name} must be at least 1, got {number}")
    return number


def per_axis(what: str, value: Any, count: int, name: str) -> tuple[int, ...]:
    """A positive int for each of `count` axes, from one for all of them or a sequence."""
    if isinstance(value, (list, tuple)):
        if len(value) != count:
            raise ArgumentError(f"{what}: {name} needs {count} ints, got {shorten(value)}")
        return tuple([units_of(what, v, name) for v in value])
    return (units_of(what, value, name),) * count


def channels_of(what: str, x: Tensor, axis: int) -> int:
    """The size of the axis that weights depend on, which must be known."""
    size = x.type.dims[axis]
    if not isinstance(size, int):
        raise ShapeError(f"{what}: the size of axis {axis} of {x!r} must be known: the weights depend on it")
    return size


def check_activation(what: str, activation: Any) -> Callable[[Tensor], Any]:
    """The activation, or one that changes nothing for None. Raises ArgumentError for what is no function."""
    if activation is None:
        return _unchanged
    if not callable(activation):
        raise ArgumentError(f"{what}: activation must be a function, got {shorten(activation)}")
    function: Callable[[Tensor], Any] = activation
    return function


def _unchanged(y: Tensor) -> Tensor:
    return y


@contextmanager
def layer_scope(what: str, name: str | None, reuse: Any) -> Iterator[None]:
    """The variable scope of one layer, of whose variables none is left over where it cannot be made."""
    with undone_on_error(), variable_scope(name, what, reuse=reuse):
        yield


@dataclass(frozen=True, slots=True)
class Weights:
    """How a layer makes its variables: their dtype, and whether training changes them."""

    dtype: Any
    trainable: bool = True

    def make(
        self,
        name: str,
        shape: tuple[int, ...],
        initializer: Any = None,
        regularizer: Any = None,
        default: Any = None,
    ) -> Variable:
        """The layer's variable of that name, started by `default` where no initializer is given."""
        initializer = default if initializer is None else initializer
        return get_variable(name, shape, self.dtype, initializer, regularizer, self.trainable)

    def add_bias(
        self,
        y: Tensor,
        n: int,
        use_bias: bool,
        initializer: Any,
        regularizer: Any,
        channels_first: bool = False,
    ) -> Tensor:
        """`y` plus a bias for each of `n` channels, if the layer has one."""
        if not use_bias:
            return y
        bias = self.make("bias", (n,), initializer, regularizer, Zeros()).read()
        if channels_first:
            bias = F.reshape(bias, (n, *[1] * (y.type.rank - 2)))
        made: Tensor = F.add(y, bias)
        return made
