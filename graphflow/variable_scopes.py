"""`get_variable` and `variable_scope`: variables found by name, so that a layer can be used twice with one set of weights.

    with gf.variable_scope("encoder"):
        w = gf.get_variable("w", [784, 64])
    with gf.variable_scope("encoder", reuse=True):
        assert gf.get_variable("w") is w

The rules are TensorFlow 1's: a variable's name is that of the variable scopes around it, whatever the name scopes are.
"""

from __future__ import annotations

import enum
import functools
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from typing import Any

from graphflow.errors import ArgumentError, DTypeError, GraphError, GraphflowError, ShapeError, shorten
from graphflow.graph import (
    BodyGraph,
    Graph,
    GraphKeys,
    Tensor,
    add_to_collection,
    check_name,
    control_dependencies,
    get_default_graph,
    name_scope,
    scoped,
)
from graphflow.initializers import VarianceScaling, Zeros
from graphflow.ops.arguments import flag
from graphflow.ops.constant import as_tensor
from graphflow.ops.state import Variable
from graphflow.types import as_dtype, default_float, is_floating, shape_from_user

__all__ = [
    "AUTO_REUSE",
    "Reuse",
    "VariableScope",
    "get_variable",
    "get_variable_scope",
    "undone_on_error",
    "variable_scope",
]


class Reuse(enum.Enum):
    """What `get_variable` does about a name that is known or not known yet, beside True and False."""

    AUTO_REUSE = enum.auto()  # take the variable of that name, or make it


AUTO_REUSE = Reuse.AUTO_REUSE

Regularizer = Callable[[Tensor], Tensor | None]


@dataclass(slots=True)
class _Store:
    """The variables that `get_variable` made in one graph, and the scopes that were opened in it."""

    variables: dict[str, Variable] = field(default_factory=dict)
    opened: dict[str, None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class VariableScope:
    """Where new variables belong and what they get by default; entered with `gf.variable_scope(scope)`.

    name: the full name, "" at the top. reuse: True, False or AUTO_REUSE.
    initializer, regularizer, dtype: for variables that say nothing else. custom_getter: called in place of
    `get_variable` with the getter below it, the full name and the other arguments as keywords.
    original_name_scope: the name scope that was opened with it, with its slash.
    """

    name: str = ""
    reuse: bool | Reuse = False
    initializer: Any = None
    regularizer: Regularizer | None = None
    dtype: Any = None
    custom_getter: Callable[..., Any] | None = None
    original_name_scope: str = ""

    def full_name(self, name: str) -> str:
        """The name of a variable or scope below this one."""
        return f"{self.name}/{name}" if self.name else name


_current: ContextVar[VariableScope] = ContextVar(
    "graphflow_variable_scope",
    default=VariableScope(),  # noqa: B039 frozen
)


def get_variable_scope() -> VariableScope:
    """The variable scope in force."""
    return _current.get()


def _outermost(graph: Graph) -> Graph:
    while isinstance(graph, BodyGraph) and graph.parent is not None:
        graph = graph.parent
    return graph


@contextmanager
def undone_on_error() -> Iterator[None]:
    """Forget the variables made inside, and whatever else has joined collections, if anything is raised.

    Their nodes stay, for a graph only grows, but no run, checkpoint or `get_variable` meets them.
    """
    graph = _outermost(get_default_graph())
    known, store = len(_store(graph).variables), _store(graph).variables
    lengths = {key: len(items) for key, items in graph._collections.items()}
    try:
        yield
    except BaseException:
        for key, items in graph._collections.items():
            del items[lengths.get(key, 0) :]
        for name in list(store)[known:]:
            del store[name]
        raise


def _store(graph: Graph) -> _Store:
    """The variables of a graph; those of a loop's body are the ones around it."""
    graph = _outermost(graph)
    if graph.variable_store is None:
        graph.variable_store = _Store()
    store: _Store = graph.variable_store
    return store


def _reuse(value: Any, outer: bool | Reuse) -> bool | Reuse:
    """None and False inherit, as in TensorFlow 1."""
    if value is None or value is False:
        return outer
    if value is True or value is AUTO_REUSE:
        return value
    raise ArgumentError(f"variable_scope: reuse is True, False, None or gf.AUTO_REUSE, not {shorten(value)}")


@contextmanager
def variable_scope(
    name_or_scope: str | VariableScope | None,
    default_name: str | None = None,
    values: Any = None,
    initializer: Any = None,
    regularizer: Regularizer | None = None,
    caching_device: Any = None,
    partitioner: Any = None,
    custom_getter: Callable[..., Any] | None = None,
    reuse: bool | Reuse | None = None,
    dtype: Any = None,
    auxiliary_name_scope: bool = True,
) -> Iterator[VariableScope]:
    """Put the variables of `get_variable` below a name, and say what they get by default.

    name_or_scope: a name below the scope in force, a VariableScope to enter it again, or None for
        `default_name`, made unique.
    reuse: True: variables must exist already; AUTO_REUSE: take them or make them; None or False: as outside.
    initializer, regularizer, dtype, custom_getter: see VariableScope; None keeps those from outside.
    auxiliary_name_scope: also open a name scope for the nodes made inside.
    values, caching_device, partitioner: TensorFlow 1's; not needed here and must be left out (`values` may be given).
    Raises NameError for a malformed name, ArgumentError for other bad arguments.
    """
    if caching_device is not None or partitioner is not None:
        raise ArgumentError(
            "variable_scope: caching_device and partitioner are not supported; leave them out"
        )
    named = flag(auxiliary_name_scope, "variable_scope", "auxiliary_name_scope")
    outer = _current.get()
    again = isinstance(name_or_scope, VariableScope)
    if again:
        entered: VariableScope = name_or_scope  # type: ignore[assignment]  # just tested
        full = entered.name
        entered = replace(entered, reuse=_reuse(reuse, entered.reuse or outer.reuse))
    else:
        full = _full_name(outer, name_or_scope, default_name)
        entered = replace(outer, name=full, reuse=_reuse(reuse, outer.reuse))
    for what, function in (("regularizer", regularizer), ("custom_getter", custom_getter)):
        if function is not None and not callable(function):
            raise ArgumentError(f"variable_scope: {what} must be a function, not {shorten(function)}")
    changes = {
        "initializer": initializer,
        "regularizer": regularizer,
        "custom_getter": custom_getter,
        "dtype": None if dtype is None else as_dtype(dtype),
    }
    entered = replace(entered, **{k: v for k, v in changes.items() if v is not None})
    if custom_getter is not None and outer.custom_getter is not None and not again:
        entered = replace(
            entered, custom_getter=functools.partial(_chained, custom_getter, outer.custom_getter)
        )
    if not named or (again and not full):
        yield from _in_force(entered)
        return
    with name_scope(full.rsplit("/", 1)[-1]) as prefix:
        yield from _in_force(entered if again else replace(entered, original_name_scope=prefix))


def _in_force(scope: VariableScope) -> Iterator[VariableScope]:
    token = _current.set(scope)
    try:
        yield scope
    finally:
        _current.reset(token)


def _chained(inner: Any, outer: Any, getter: Any, *args: Any, **kwargs: Any) -> Any:
    return inner(functools.partial(outer, getter), *args, **kwargs)


def _full_name(outer: VariableScope, name: Any, default_name: Any) -> str:
    """The full name of a scope to open. Enters it in the graph's list, for `default_name`s to keep clear of."""
    opened = _store(get_default_graph()).opened
    if default_name is not None:
        check_name(default_name)
    if name is None:
        if default_name is None:
            raise ArgumentError("variable_scope: give a name, or a default_name")
        if outer.reuse is True:
            raise ArgumentError(
                "variable_scope: a default_name finds nothing to reuse; give the scope's name"
            )
        full, n = outer.full_name(default_name), 0
        while full in opened:
            n += 1
            full = outer.full_name(f"{default_name}_{n}")
    else:
        check_name(name)
        full = outer.full_name(name)
    opened[full] = None
    return full


def get_variable(
    name: str,
    shape: Any = None,
    dtype: Any = None,
    initializer: Any = None,
    regularizer: Regularizer | None = None,
    trainable: bool = True,
    collections: Sequence[str] | None = None,
    *,
    custom_getter: Callable[..., Any] | None = None,
) -> Variable:
    """The variable of that name in the variable scope in force: made now, or found, as the scope's `reuse` says.

    shape: sizes, all known; may be left out where the variable exists or the initializer is a value.
    dtype: the scope's, else the default float.
    initializer: a value, a tensor, or a function of (shape, dtype) giving one, such as `gf.initializers.Zeros()`;
        the scope's, else Glorot's uniform for floats and zeros for the rest.
    regularizer: a function of the variable's value giving a scalar, which joins the collection
        `GraphKeys.REGULARIZATION_LOSSES` when the variable is made.
    Raises GraphError where the name is taken and not to be reused, or missing and to be reused; ShapeError and
    DTypeError where the variable found differs from what was asked.
    """
    scope = _current.get()
    check_name(name)
    if custom_getter is not None and not callable(custom_getter):
        raise ArgumentError(f"get_variable: custom_getter must be a function, not {shorten(custom_getter)}")
    full = scope.full_name(name)
    wanted = {
        "shape": shape,
        "dtype": scope.dtype if dtype is None else as_dtype(dtype),
        "initializer": scope.initializer if initializer is None else initializer,
        "regularizer": scope.regularizer if regularizer is None else regularizer,
        "trainable": trainable,
        "collections": collections,
    }
    getter = functools.partial(_get, reuse=scope.reuse, checked_dtype=dtype is not None)
    custom = scope.custom_getter if custom_getter is None else custom_getter
    if custom is None:
        return getter(full, **wanted)
    return custom(getter, full, **wanted)  # type: ignore[no-any-return]  # the user's function


def _get(full: str, *, reuse: bool | Reuse, checked_dtype: bool = True, **wanted: Any) -> Variable:
    store = _store(get_default_graph())
    known = store.variables.get(full)
    if known is not None:
        if reuse is False:
            raise GraphError(
                f"get_variable: '{full}' exists already, made at {known.op.origin}; to use it again, open its "
                f"scope with reuse=True or reuse=gf.AUTO_REUSE"
            )
        _check_same(known, full, wanted["shape"], wanted["dtype"] if checked_dtype else None)
        return known
    if reuse is True:
        raise GraphError(
            f"get_variable: there is no variable '{full}' to reuse; it must have been made by get_variable"
        )
    made = store.variables[full] = _make(full, **wanted)
    return made


def _check_same(known: Variable, full: str, shape: Any, dtype: Any) -> None:
    if shape is not None:
        dims = shape_from_user(shape, unknown=True, what="get_variable: shape")
        if len(dims) != len(known.shape) or any(
            type(d) is int and d != k for d, k in zip(dims, known.shape, strict=True)
        ):
            raise ShapeError(
                f"get_variable: '{full}' has shape {list(known.shape)}, not {shorten(shape)} as asked"
            )
    if dtype is not None and dtype != known.dtype:
        raise DTypeError(f"get_variable: '{full}' is {known.dtype.name}, not {dtype.name} as asked")


def _make(
    full: str,
    *,
    shape: Any,
    dtype: Any,
    initializer: Any,
    regularizer: Any,
    trainable: bool,
    collections: Sequence[str] | None,
) -> Variable:
    if regularizer is not None and not callable(regularizer):
        raise ArgumentError(f"get_variable: regularizer must be a function, not {shorten(regularizer)}")
    with undone_on_error(), scoped(prefix=""), control_dependencies(None):
        variable = Variable(
            functools.partial(_first_value, full, shape, dtype, initializer),
            name=full,
            trainable=trainable,
            collections=collections,
        )
        if regularizer is not None:
            with name_scope(f"{full}/Regularizer/"):
                loss = regularizer(variable.read())
            if loss is not None:
                loss = _converted(full, "regularizer gave", loss, None)
                if loss.type.shape not in ((), None):
                    raise ShapeError(f"get_variable: '{full}': regularizer must give a scalar, got {loss!r}")
                add_to_collection(GraphKeys.REGULARIZATION_LOSSES, loss)
    return variable


def _converted(full: str, what: str, value: Any, dtype: Any) -> Tensor:
    """A tensor of that dtype from an initializer or regularizer, with `what` in the error."""
    try:
        return as_tensor(value, dtype)
    except GraphflowError as error:
        raise type(error)(f"get_variable: '{full}': {what} no tensor: {error}") from error.__cause__


def _first_value(full: str, shape: Any, dtype: Any, initializer: Any) -> Tensor:
    """The tensor that a new variable starts from."""
    if isinstance(initializer, type):
        initializer = initializer()
    if initializer is not None and not callable(initializer):
        value = _converted(full, "initializer is no function of (shape, dtype), and", initializer, dtype)
        if shape is not None and list(value.type.dims) != list(
            shape_from_user(shape, what="get_variable: shape")
        ):
            raise ShapeError(
                f"get_variable: '{full}' of shape {shorten(shape)} cannot start from {value.type}"
            )
        return value
    if shape is None:
        raise ShapeError(f"get_variable: '{full}' is new and needs a shape, or a value to start from")
    dims = shape_from_user(shape, unknown=True, what="get_variable: shape")
    if not all(type(d) is int for d in dims):
        raise ShapeError(f"get_variable: the shape of '{full}' must be all ints, not {shorten(shape)}")
    wanted = default_float() if dtype is None else dtype
    if initializer is None:
        floats = is_floating(wanted) and wanted.kind != "c"
        initializer = VarianceScaling(1.0, "fan_avg", "uniform") if floats else Zeros()
    value = _converted(full, "initializer gave", initializer(dims, dtype=wanted), wanted)
    if value.type.shape is not None and value.type.shape != dims:
        raise ShapeError(f"get_variable: '{full}' of shape {list(dims)} cannot start from {value!r}")
    return value
