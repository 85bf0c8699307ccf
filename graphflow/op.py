"""What an op is: one declaration that says everything about one kind of computation.

Inference, kernel, gradient, traits and cost stand together in one file of `graphflow/ops/`,
beside the public function that builds the node. Machinery asks an op for its traits and
rules, never for its name.
"""

from __future__ import annotations

import enum
import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from graphflow.errors import DTypeError, VerifyError
from graphflow.types import STRING, TensorType

__all__ = [
    "OPS",
    "F",
    "Kernel",
    "Op",
    "Trait",
    "ViewRule",
    "declare",
    "load_all",
    "lookup",
    "on_demand",
    "public",
    "zero_vjp",
]


class Trait(enum.Flag):
    """What optimizers and backends may assume about an op."""

    NONE = 0
    ELEMENTWISE = enum.auto()  # an output element depends on the input elements at its (broadcast) place
    COMMUTATIVE = enum.auto()  # the two inputs may change places, bit for bit
    REDUCTION = enum.auto()  # folds whole axes
    OUT = (
        enum.auto()
    )  # the kernel takes `out=`, an array of the output's type or a tuple of them, and fills it
    INPLACE = enum.auto()  # `out` may be the very array of an input of the same shape and dtype
    INPLACE_FIRST = enum.auto()  # the same, but of the first input alone
    SHAPE_ONLY = enum.auto()  # the value depends on the types of the inputs alone
    STATEFUL = enum.auto()  # reads or writes state: never merged, moved over a write, or folded
    EFFECT = enum.auto()  # seen from outside (prints, raises, calls back): kept even if its value is not used
    FALLIBLE = enum.auto()  # may raise because of the values it meets
    RANDOM = enum.auto()  # draws random numbers
    SOURCE = enum.auto()  # has no kernel: its value is supplied (placeholder, constant, variable)
    BLAS = enum.auto()  # calls a matrix library that may start threads
    CONTROL = enum.auto()  # holds sub-graphs in its attributes


_T = TypeVar("_T", bound=Callable[..., Any])
_V = TypeVar("_V")

_IMPURE = Trait.STATEFUL | Trait.EFFECT | Trait.RANDOM

Attrs = Mapping[str, Any]
Kernel = Callable[..., Any]
ViewRule = Callable[[TensorType, TensorType, Attrs, bool], bool | None]
"""(input type, output type, attrs, input is C-contiguous) -> the view is C-contiguous, or None: it must copy."""


def _no_view(x: TensorType, y: TensorType, attrs: Attrs, contiguous: bool) -> None:
    return None


@dataclass(frozen=True, slots=True, eq=False)
class Op:
    """One kind of computation, declared once.

    name: the Array API's name, or TensorFlow's where the standard has none.
    infer: `infer(*input_types, **attrs)` gives the output's TensorType (a tuple of them for several
        outputs) and raises the user's ShapeError, DTypeError or ArgumentError. It is called when the
        node is made and again when sizes are bound; it never meets an unknown rank.
    kernel: `kernel(xp, *inputs, **attrs)` gives the output array (a tuple for several outputs), written
        against the array module `xp`; takes `out=` if and only if Trait.OUT is set. None for SOURCE and
        CONTROL ops and for those a backend or the runtime gives a meaning.
    vjp: `vjp(node, *output_grads)` gives one gradient or None per input, built from graph ops. An output
        that nothing differentiable uses has the gradient None only for ops of several outputs. None as
        the rule: no gradient exists, and asking for one is an error.
    no_gradient: why there is no rule, where the output is a float.
    takes_strings: whether inputs may be text; its kernel then runs on the CPU, and on no bytes of the arena.
    dtype: `dtype(*input_types, **attrs)`, the output dtype (a tuple for several outputs) when some
        input's rank is unknown; the first input's dtype where left out.
    scalar_expr: the op on one element, for code generators: an expression over `x0, x1, ...` in C's
        operators and C99 function names. Only for ELEMENTWISE ops.
    flops: `flops(inputs, outputs, **attrs)` gives floating point (or integer) operations, given static types.
        Left out: one for each output element of ops that are no views.
    workspace: `workspace(inputs, outputs, **attrs)` gives the hidden temporary bytes of the kernel.
    view: for ops whose output can share the input's bytes: see ViewRule.
    doc: one line for the reference.
    """

    name: str
    infer: Callable[..., Any]
    kernel: Kernel | None = None
    vjp: Callable[..., Sequence[Any]] | None = None
    traits: Trait = Trait.NONE
    dtype: Callable[..., Any] | None = None
    scalar_expr: str | None = None
    flops: Callable[..., int] | None = None
    workspace: Callable[..., int] | None = None
    view: ViewRule = _no_view
    doc: str = ""
    default_name: str = ""
    no_gradient: str = ""
    takes_strings: bool = False

    # traits as plain bools: testing a Flag costs over a microsecond, and passes ask for every node
    is_view: bool = field(init=False)  # the output may share the input's bytes
    is_pure: bool = field(
        init=False
    )  # equal inputs and attributes mean an equal value, and nothing else happens
    is_source: bool = field(init=False)
    is_control: bool = field(init=False)
    is_elementwise: bool = field(init=False)
    is_commutative: bool = field(init=False)
    takes_out: bool = field(init=False)
    in_place: bool = field(init=False)
    n_donors: int = field(
        init=False
    )  # in place: how many of the first inputs may give their array; 0 for all
    shape_only: bool = field(init=False)
    fallible: bool = field(init=False)
    has_effect: bool = field(init=False)
    is_single_call: bool = field(
        init=False
    )  # one call that cannot fail half-way: may follow a variable's first write
    is_silent: bool = field(init=False)  # neither fails nor does anything: a view may stand for all runs

    def __post_init__(self) -> None:
        facts = {
            "is_view": self.view is not _no_view,
            "is_pure": not self.traits & _IMPURE,
            "is_source": bool(self.traits & Trait.SOURCE),
            "is_control": bool(self.traits & Trait.CONTROL),
            "is_elementwise": bool(self.traits & Trait.ELEMENTWISE),
            "is_commutative": bool(self.traits & Trait.COMMUTATIVE),
            "takes_out": bool(self.traits & Trait.OUT),
            "in_place": bool(self.traits & (Trait.INPLACE | Trait.INPLACE_FIRST)),
            "n_donors": int(bool(self.traits & Trait.INPLACE_FIRST)),
            "shape_only": bool(self.traits & Trait.SHAPE_ONLY),
            "fallible": bool(self.traits & Trait.FALLIBLE),
            "has_effect": bool(self.traits & Trait.EFFECT),
            "is_silent": not self.traits & (Trait.EFFECT | Trait.FALLIBLE),
            "is_single_call": bool(getattr(self.kernel, "single_call", False)),
        }
        for name, value in facts.items():
            object.__setattr__(self, name, value)

    def donors(self, inputs: tuple[_V, ...]) -> tuple[_V, ...]:
        """Those of a node's inputs whose array the result may take over: none that is read otherwise too."""
        if self.n_donors and inputs[0] in set(inputs[self.n_donors :]):
            return ()
        return inputs[: self.n_donors or None]

    def infer_types(self, inputs: Sequence[TensorType], attrs: Attrs) -> tuple[TensorType, ...]:
        """Output types, with unknown rank out where unknown rank comes in."""
        for t in inputs:
            if t.shape is None or t.dtype is STRING:
                self._refuse_text(inputs)
                if any(x.shape is None for x in inputs):
                    return self._infer_unranked(inputs, attrs)
                break
        result = self.infer(*inputs, **attrs)
        return (result,) if type(result) is TensorType else tuple(result)

    def _refuse_text(self, inputs: Sequence[TensorType]) -> None:
        text = next((t for t in inputs if t.dtype is STRING), None)
        if text is not None and not self.takes_strings:
            raise DTypeError(f"{text} is text, which {self.name} does not take")

    def _infer_unranked(self, inputs: Sequence[TensorType], attrs: Attrs) -> tuple[TensorType, ...]:
        dtypes = inputs[0].dtype if self.dtype is None else self.dtype(*inputs, **attrs)
        listed = dtypes if type(dtypes) is tuple else (dtypes,)
        return tuple(d if isinstance(d, TensorType) else TensorType(d, None) for d in listed)

    def __repr__(self) -> str:
        return f"Op({self.name})"

    def __reduce__(self) -> tuple[Callable[[str], Op], tuple[str]]:
        return lookup, (self.name,)

    def __copy__(self) -> Op:
        return self

    def __deepcopy__(self, memo: Any) -> Op:
        return self


OPS: dict[str, Op] = {}
"""Every declared op by name: filled while graphflow is imported, never after, but for a user's own ops."""


def declare(op: Op) -> Op:
    """Enter an op in the table. Raises VerifyError for a name that is taken."""
    if op.name in OPS:
        raise VerifyError(f"op {op.name!r} is declared twice")
    OPS[op.name] = op
    return op


def load_all() -> None:
    """Import every module that declares ops: those imported on first use, and those of ops that only plans hold."""
    for module in (*dict.fromkeys(F.later.values()), "graphflow.ops.fused", "graphflow.ops.spill"):
        importlib.import_module(module)


def lookup(name: str) -> Op:
    """The declared op of that name, wherever it is declared; KeyError if there is none."""
    if name not in OPS:
        load_all()
    return OPS[name]


def zero_vjp(node: Any, *grads: Any) -> tuple[Any, ...]:
    """The gradient of a piecewise constant op: explicit zeros."""
    return tuple(F.zeros_like(x) for x in node.inputs)


class _Functions:
    """Public functions by name, so that files below `ops/` and its siblings can call them: `F.exp(x)`.

    later: the module of each function whose file is imported when the function is first asked for.
    """

    def __init__(self) -> None:
        self.table: dict[str, Callable[..., Any]] = {}
        self.later: dict[str, str] = {}

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name not in self.table and name in self.later:
            importlib.import_module(self.later[name])
        try:
            return self.table[name]
        except KeyError:
            raise AttributeError(f"no public function {name!r}") from None


F = _Functions()


def public(function: _T) -> _T:
    """Register a public function under its own name, for `F` and for Tensor's methods.

    Raises VerifyError for a name that a function of another module has.
    """
    name = function.__name__.rstrip("_")
    taken = F.table.get(name)
    if taken is not None and taken.__module__ != function.__module__:
        raise VerifyError(f"{name} is a public function of {taken.__module__} and of {function.__module__}")
    F.table[name] = function
    return function


def on_demand(
    namespace: dict[str, Any], elsewhere: Mapping[str, str] | None = None, /, **renamed: str
) -> Callable[[str], Any]:
    """The `__getattr__` of a module of public functions, of which some are loaded when first asked for.

    namespace: the module's globals; it offers what its `__all__` lists.
    elsewhere: for what is no op's function the module that has it; a module of that name is offered itself.
    renamed: names under which the module offers a function, with the function's own.
    """

    others = elsewhere or {}

    def attribute(name: str) -> Any:
        if name not in namespace["__all__"]:
            raise AttributeError(f"module {namespace['__name__']!r} has no attribute {name!r}")
        if name in others:
            module = importlib.import_module(others[name])
            found = module if module.__name__.endswith(f".{name}") else getattr(module, name)
        else:
            found = getattr(F, renamed.get(name, name))
        namespace[name] = found
        return found

    return attribute
