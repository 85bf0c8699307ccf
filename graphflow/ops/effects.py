"""What a run does besides computing: Python callbacks, printing, assertions.

They run when they are fetched, or when something fetched depends on them; inside the body of a loop
or branch they run whenever the body does.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from graphflow.errors import (
    ArgumentError,
    AssertError,
    CallbackError,
    DTypeError,
    GraphflowError,
    ShapeError,
    shorten,
)
from graphflow.graph import Node, Tensor, apply, make_node
from graphflow.op import Op, Trait, declare, public
from graphflow.ops.arguments import flag, items_of, text
from graphflow.ops.constant import as_array, as_tensor
from graphflow.ops.functional import hand_on, same_bytes
from graphflow.ops.tracing import describe_function
from graphflow.types import TensorType, as_dtype, as_index, shape_from_user

__all__ = ["Assert", "Print", "print_", "py_func"]


def _host(xp: Any, x: Any) -> np.ndarray[Any, Any]:
    return np.asarray(xp.asnumpy(x) if hasattr(xp, "asnumpy") else x)


# --- py_func ----------------------------------------------------------------------------------------


class Callback:
    """A Python function as an attribute: compared by identity, shown by name and line. It cannot be saved."""

    __slots__ = ("function",)

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Callback) and other.function is self.function

    def __hash__(self) -> int:
        return id(self.function)

    def __repr__(self) -> str:
        return describe_function(self.function)


def _infer_callback(
    *inputs: TensorType, callback: Callback, types: tuple[TensorType, ...], single: bool
) -> tuple[TensorType, ...]:
    return types


def _call_back(
    xp: Any, *inputs: Any, callback: Callback, types: tuple[TensorType, ...], single: bool
) -> tuple[Any, ...] | Any:
    arrays = []
    for x in inputs:
        view = _host(xp, x).view()
        view.flags.writeable = False
        arrays.append(view)
    try:
        result = callback.function(*arrays)
    except (Exception, SystemExit) as error:
        raise CallbackError(
            f"py_func: {callback!r} raised {type(error).__name__}: {shorten(str(error))}"
        ) from error
    if not types:
        return ()
    values = list(result) if not single and isinstance(result, (list, tuple)) else [result]
    if len(values) != len(types):
        raise CallbackError(
            f"py_func: {callback!r} gave {len(values)} values, but Tout promises {len(types)}"
        )
    outputs = [
        xp.asarray(_kept_promise(callback, k, v, t))
        for k, (v, t) in enumerate(zip(values, types, strict=True))
    ]
    return outputs[0] if len(outputs) == 1 else tuple(outputs)


def _kept_promise(callback: Callback, k: int, value: Any, promised: TensorType) -> np.ndarray[Any, Any]:
    """A copy of what a callback gave. Raises CallbackError if it is not what was promised."""
    try:
        strong = hasattr(value, "dtype")
        array = as_array(value, None if strong else promised.dtype)
    except GraphflowError as error:
        raise CallbackError(f"py_func: value {k} of {callback!r}: {error}") from error
    same_rank = promised.shape is None or len(promised.shape) == array.ndim
    sizes = [d == n for d, n in zip(promised.shape or (), array.shape, strict=False) if isinstance(d, int)]
    if array.dtype != promised.dtype or not same_rank or not all(sizes):
        got = TensorType(array.dtype, array.shape)
        raise CallbackError(f"py_func: {callback!r} gave {got} for value {k}, but promised {promised}")
    return np.array(array, order="C", copy=True)


def _given_nbytes(inputs: Sequence[TensorType], outputs: Sequence[TensorType], **attrs: Any) -> int:
    """The callback's own arrays, alive while they are copied."""
    return sum(t.nbytes or 0 for t in outputs)


PY_FUNC = declare(
    Op(
        "py_func",
        _infer_callback,
        _call_back,
        None,
        Trait.EFFECT | Trait.FALLIBLE,
        dtype=_infer_callback,
        flops=lambda inputs, outputs, **attrs: 0,
        workspace=_given_nbytes,
        takes_strings=True,
        doc="A Python function called while the graph runs.",
        no_gradient="what a Python function computes is not known",
    )
)
PURE_PY_FUNC = declare(
    Op(
        "pure_py_func",
        _infer_callback,
        _call_back,
        None,
        Trait.FALLIBLE,
        dtype=_infer_callback,
        flops=lambda inputs, outputs, **attrs: 0,
        workspace=_given_nbytes,
        default_name="py_func",
        takes_strings=True,
        doc="A Python function without side effects, called while the graph runs.",
        no_gradient="what a Python function computes is not known",
    )
)


@public
def py_func(
    func: Any, inp: Any, Tout: Any, stateful: bool = True, name: str | None = None, shapes: Any = None
) -> Any:
    """Call a Python function while the graph runs.

    func: takes read-only NumPy arrays, gives one value or a list of them; what it gives is copied.
    inp: a list of tensors. Tout: a dtype for one value, or a list of dtypes for a list of values.
    shapes: one shape, or a list of them as Tout is, with None for sizes that are not known; checked.
    stateful: False says that equal inputs give equal values and nothing else happens: then equal calls may
        be merged, and gradients of loops may call again.
    Returns a tensor, or a list as Tout is; an operation for an empty Tout. It has no gradient, and a graph
    with it cannot be saved. At run time an exception of `func`, or a value that is not as promised, is a
    CallbackError.
    """
    if not callable(func):
        raise ArgumentError(f"py_func: func must be a function, not {shorten(func)}")
    single = Tout is not None and not isinstance(Tout, (list, tuple))
    dtypes = [as_dtype(d) for d in ([Tout] if single else () if Tout is None else Tout)]
    given = (
        [None] * len(dtypes)
        if shapes is None
        else [shapes]
        if single
        else items_of(shapes, "py_func: shapes")
    )
    if len(given) != len(dtypes):
        raise ArgumentError(f"py_func: {len(given)} shapes for {len(dtypes)} dtypes")
    types = tuple(
        TensorType(d, None if s is None else shape_from_user(s, unknown=True, what="py_func: shape"))
        for d, s in zip(dtypes, given, strict=True)
    )
    tensors = tuple([as_tensor(x) for x in (inp if isinstance(inp, (list, tuple)) else [inp])])
    attrs = {"callback": Callback(func), "types": types, "single": single}
    node = make_node(PY_FUNC if flag(stateful, "py_func", "stateful") else PURE_PY_FUNC, tensors, attrs, name)
    if not types:
        return node
    return node.outputs[0] if single else list(node.outputs)


# --- printing ---------------------------------------------------------------------------------------

Parts = tuple[str | None, ...]
"""Texts, and None for each place where the value of a tensor comes."""


def _parts(values: Any, what: str) -> tuple[list[Tensor], Parts]:
    if isinstance(values, str) or not isinstance(values, (list, tuple)):
        values = [values]
    tensors: list[Tensor] = []
    parts: list[str | None] = []
    for value in values:
        if isinstance(value, (str, bytes)):
            parts.append(value if isinstance(value, str) else value.decode(errors="replace"))
        else:
            tensors.append(as_tensor(value))
            parts.append(None)
    return tensors, tuple(parts)


def _summarize(value: Any, what: str) -> int:
    if value is None:
        return -1
    count = as_index(value, f"{what}: summarize")
    if count < -1:
        raise ArgumentError(f"{what}: summarize must be at least -1 (everything), got {count}")
    return count


def _shown(array: np.ndarray[Any, Any], summarize: int) -> str:
    """`[1 2 3...]`: the first elements in row-major order; a scalar without brackets."""
    if array.ndim == 0:
        return str(array[()])
    first = array.reshape(-1) if summarize < 0 else array.reshape(-1)[:summarize]
    return f"[{' '.join(map(str, first))}{'...' if first.size < array.size else ''}]"


def _texts(xp: Any, values: Sequence[Any], parts: Parts, summarize: int) -> list[str]:
    shown = iter([_shown(_host(xp, v), summarize) for v in values])
    return [next(shown) if part is None else part for part in parts]


def _bracketed(text: str) -> str:
    return text if text.startswith("[") else f"[{text}]"


def _print_through(
    xp: Any, x: Any, *values: Any, message: str, parts: Parts, summarize: int, out: Any = None
) -> Any:
    texts = _texts(xp, values, parts, summarize)
    sys.stderr.write(message + "".join(map(_bracketed, texts)) + "\n")
    return hand_on(xp, x, out=out)


PRINT_THROUGH = declare(
    Op(
        "print_through",
        lambda x, *values, **attrs: x,
        _print_through,
        lambda node, g: (g, *[None] * (len(node.inputs) - 1)),
        Trait.EFFECT | Trait.OUT,
        flops=lambda inputs, outputs, **attrs: 0,
        view=same_bytes,
        default_name="Print",
        doc="The first input's value; prints the others to stderr.",
    )
)


@public
def Print(  # noqa: N802 TensorFlow 1's name
    x: Any, data: Any = (), message: str = "", summarize: int | None = 3, name: str | None = None
) -> Tensor:
    """The value of `x`; whenever it is computed, `message` and the values of `data` go to stderr.

    data: a list of tensors and texts. summarize: how many elements of each to show; None or -1: all.
    """
    tensors, parts = _parts(data, "Print")
    return apply(  # type: ignore[no-any-return]
        PRINT_THROUGH,
        as_tensor(x),
        *tensors,
        name=name,
        message=text(message, "Print: message"),
        parts=parts,
        summarize=_summarize(summarize, "Print"),
    )


def _print(xp: Any, *values: Any, parts: Parts, summarize: int, end: str) -> tuple[()]:
    sys.stderr.write(" ".join(_texts(xp, values, parts, summarize)) + end)
    return ()


PRINT = declare(
    Op(
        "print",
        lambda *values, **attrs: (),
        _print,
        None,
        Trait.EFFECT,
        dtype=lambda *values, **attrs: (),
        flops=lambda inputs, outputs, **attrs: 0,
        takes_strings=True,
        doc="Prints its inputs to stderr.",
    )
)


@public
def print_(*values: Any, summarize: int | None = 3, end: str = "\n", name: str | None = None) -> Node:
    """An operation that prints texts and values of tensors to stderr, with spaces between them.

    summarize: how many elements of each tensor to show; None or -1: all.
    """
    tensors, parts = _parts(list(values), "print")
    attrs = {"parts": parts, "summarize": _summarize(summarize, "print"), "end": text(end, "print: end")}
    return make_node(PRINT, tuple(tensors), attrs, name)


# --- Assert -----------------------------------------------------------------------------------------


def _infer_assert(condition: TensorType, *data: TensorType, **attrs: Any) -> tuple[()]:
    if condition.dtype.kind != "b":
        raise DTypeError(f"Assert: the condition must be a scalar bool, got {condition}")
    if condition.shape not in (None, ()):
        raise ShapeError(f"Assert: the condition must be a scalar bool, got {condition}; use gf.all of it")
    return ()


def _assert(xp: Any, condition: Any, *data: Any, message: str, parts: Parts, summarize: int) -> tuple[()]:
    if condition.ndim:
        raise AssertError(f"Assert: the condition must be a scalar, got shape {list(condition.shape)}")
    if not bool(condition):
        texts = _texts(xp, data, parts, summarize)
        raise AssertError(
            ": ".join(["Assert: the condition is false", *filter(None, [message, " ".join(texts)])])
        )
    return ()


ASSERT = declare(
    Op(
        "assert",
        _infer_assert,
        _assert,
        None,
        Trait.EFFECT | Trait.FALLIBLE,
        dtype=_infer_assert,
        flops=lambda inputs, outputs, **attrs: 0,
        default_name="Assert",
        doc="Fails the run if its condition is false.",
    )
)


@public
def Assert(  # noqa: N802 TensorFlow 1's name
    condition: Any,
    data: Any = (),
    summarize: int | None = 3,
    message: str | None = None,
    name: str | None = None,
) -> Node:
    """An operation that fails the run with an AssertError if `condition`, a scalar bool, is false.

    data: a list of tensors and texts that the error shows. summarize: how many elements of each.
    It runs when it is fetched or is a control dependency of what is: `with control_dependencies([Assert(...)])`.
    Raises DTypeError or ShapeError if the condition is no scalar bool.
    """
    tensors, parts = _parts(data, "Assert")
    attrs = {
        "message": text(message, "Assert: message"),
        "parts": parts,
        "summarize": _summarize(summarize, "Assert"),
    }
    return make_node(ASSERT, (as_tensor(condition), *tensors), attrs, name)
