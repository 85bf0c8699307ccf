"""graphflow: a lazy computational graph that says what a run will cost before it runs.

    import graphflow as gf

The names are those of the Array API standard and of TensorFlow 1; see `docs/`.
"""

from __future__ import annotations

import importlib as _importlib
import math as _math
from typing import TYPE_CHECKING
from typing import Any as _Any

from graphflow import backends, config, errors, linalg, nn, random
from graphflow.backends import list_devices
from graphflow.eager import eager
from graphflow.function import function
from graphflow.gradients import gradients, hessian, jacobian, jvp
from graphflow.graph import (
    Graph,
    GraphKeys,
    Operation,
    Tensor,
    add_to_collection,
    control_dependencies,
    device,
    get_collection,
    get_default_graph,
    name_scope,
    reset_default_graph,
)
from graphflow.hooks import render
from graphflow.op import F as _F
from graphflow.ops import numpy_protocol as _numpy_protocol  # noqa: F401 fills the tables of NumPy functions
from graphflow.ops.activations import sigmoid
from graphflow.ops.aliases import (
    arg_max,
    arg_min,
    clip_by_value,
    div,
    div_no_nan,
    random_shuffle,
    reduce_all,
    reduce_any,
    reduce_logsumexp,
    reduce_max,
    reduce_mean,
    reduce_min,
    reduce_prod,
    reduce_std,
    reduce_sum,
    reduce_variance,
    scalar_mul,
    squared_difference,
    to_bfloat16,
    to_complex64,
    to_complex128,
    to_double,
    to_float,
    to_int32,
    to_int64,
)
from graphflow.ops.axes import flip, matrix_transpose, moveaxis, permute_dims, reverse, swapaxes, transpose
from graphflow.ops.bitwise import (
    bitwise_and,
    bitwise_invert,
    bitwise_left_shift,
    bitwise_or,
    bitwise_right_shift,
    bitwise_xor,
)
from graphflow.ops.broadcasting import broadcast_arrays, broadcast_to
from graphflow.ops.cast import astype, cast
from graphflow.ops.comparison import (
    equal,
    greater,
    greater_equal,
    isfinite,
    isinf,
    isnan,
    less,
    less_equal,
    logical_and,
    logical_not,
    logical_or,
    logical_xor,
    not_equal,
)
from graphflow.ops.complex_numbers import angle, complex, conj, imag, real
from graphflow.ops.conditional import case, cond, switch_case
from graphflow.ops.constant import constant, convert_to_tensor
from graphflow.ops.creation import (
    empty,
    empty_like,
    eye,
    fill,
    full,
    full_like,
    ones,
    ones_like,
    zeros,
    zeros_like,
)
from graphflow.ops.cumulative import cumprod, cumsum, cumulative_prod, cumulative_sum, linear_recurrence
from graphflow.ops.diagonal import diagonal, matrix_diag, meshgrid, trace, tril, triu
from graphflow.ops.effects import Assert, Print, py_func
from graphflow.ops.effects import print_ as print
from graphflow.ops.einsum import einsum
from graphflow.ops.elementwise import (
    abs,
    add,
    cbrt,
    divide,
    hypot,
    multiply,
    negative,
    positive,
    reciprocal,
    rsqrt,
    sign,
    sqrt,
    square,
    subtract,
)
from graphflow.ops.extrema import argmax, argmin, max, min
from graphflow.ops.functional import custom_gradient, group, identity, no_op, stop_gradient
from graphflow.ops.functional import tuple_ as tuple
from graphflow.ops.indexing import setitem
from graphflow.ops.joining import concat, split, stack, unstack
from graphflow.ops.linalg import dot, matmul, outer, tensordot, vecdot
from graphflow.ops.loop import while_loop
from graphflow.ops.masking import boolean_mask
from graphflow.ops.norms import matrix_norm, norm, vector_norm
from graphflow.ops.padding import pad
from graphflow.ops.placeholder import placeholder
from graphflow.ops.powers import floor_divide, pow, remainder
from graphflow.ops.random import random_uniform
from graphflow.ops.random_normal import random_normal, truncated_normal
from graphflow.ops.random_seed import set_seed as set_random_seed
from graphflow.ops.ranges import arange, linspace
from graphflow.ops.reduction import all, any, prod, sum
from graphflow.ops.repetition import repeat, roll, tile
from graphflow.ops.rounding import ceil, copysign, floor, nextafter, round, signbit, trunc
from graphflow.ops.scan import foldl, foldr, map_fn, scan
from graphflow.ops.scatter import (
    scatter_nd,
    tensor_scatter_nd_add,
    tensor_scatter_nd_max,
    tensor_scatter_nd_min,
    tensor_scatter_nd_sub,
    tensor_scatter_nd_update,
)
from graphflow.ops.selection import add_n, clip, maximum, minimum, where
from graphflow.ops.shape import expand_dims, flatten, reshape, squeeze
from graphflow.ops.sizes import rank, shape, size
from graphflow.ops.slicing import strided_slice
from graphflow.ops.special import digamma, erf, erfc, erfinv, lgamma, polygamma
from graphflow.ops.state import (
    Variable,
    assign,
    assign_add,
    assign_sub,
    global_variables,
    global_variables_initializer,
    trainable_variables,
    variables_initializer,
)
from graphflow.ops.statistics import count_nonzero, logsumexp, mean, std, var
from graphflow.ops.take import gather, gather_nd, one_hot, take, take_along_axis
from graphflow.ops.transcendental import (
    acos,
    acosh,
    asin,
    asinh,
    atan,
    atan2,
    atanh,
    cos,
    cosh,
    exp,
    exp2,
    expm1,
    log,
    log1p,
    log2,
    log10,
    logaddexp,
    sin,
    sinh,
    tan,
    tanh,
)
from graphflow.plan import Plan
from graphflow.session import Session, get_default_session
from graphflow.types import SUPPORTED as _SUPPORTED
from graphflow.types import Dim, TensorType

__version__ = "0.1.0"

bool_ = _SUPPORTED["bool"]
int8 = _SUPPORTED["int8"]
int16 = _SUPPORTED["int16"]
int32 = _SUPPORTED["int32"]
int64 = _SUPPORTED["int64"]
uint8 = _SUPPORTED["uint8"]
uint16 = _SUPPORTED["uint16"]
uint32 = _SUPPORTED["uint32"]
uint64 = _SUPPORTED["uint64"]
float16 = _SUPPORTED["float16"]
float32 = _SUPPORTED["float32"]
float64 = _SUPPORTED["float64"]
complex64 = _SUPPORTED["complex64"]
complex128 = _SUPPORTED["complex128"]
bfloat16 = _SUPPORTED["bfloat16"]

if TYPE_CHECKING:
    from graphflow import data, initializers, train
    from graphflow.save import load_graph, save_graph
    from graphflow.train import clip_by_global_norm, clip_by_norm, global_norm
    from graphflow.variable_scope import (
        AUTO_REUSE,
        VariableScope,
        get_variable,
        get_variable_scope,
        variable_scope,
    )

# --- functions loaded on demand
# --- end

# What not every program needs is imported when it is first asked for: that halves the time of `import graphflow`.
# The names of each module, "" for the module itself; the ops' functions are found by `F`.
_LATER = {
    "graphflow.data": "",
    "graphflow.initializers": "",
    "graphflow.save": "load_graph save_graph",
    "graphflow.train": "",
    "graphflow.train.clipping": "clip_by_global_norm clip_by_norm global_norm",
    "graphflow.variable_scope": "AUTO_REUSE VariableScope get_variable get_variable_scope variable_scope",
}
_MODULES = {name: module for module, names in _LATER.items() for name in names.split()}
_RENAMED: dict[str, str] = {}


def __getattr__(name: str) -> _Any:
    if name in _MODULES:
        found = getattr(_importlib.import_module(_MODULES[name]), name)
    elif f"graphflow.{name}" in _LATER:
        found = _importlib.import_module(f"graphflow.{name}")
    elif name in __all__:
        found = getattr(_F, _RENAMED.get(name, name))
    else:
        raise AttributeError(f"module 'graphflow' has no attribute {name!r}")
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted(__all__)


e, inf, nan, newaxis, pi = _math.e, _math.inf, _math.nan, None, _math.pi

# TensorFlow 1's names; the table is `graphflow.ops.aliases.ALIASES`
accumulate_n = add_n
batch_matmul = matmul
complex_abs = abs
floordiv = floor_divide
floormod = remainder
inv = reciprocal
is_finite = isfinite
is_inf = isinf
is_nan = isnan
lin_space = linspace
mod = remainder
mul = multiply
neg = negative
pack = stack
range = arange
realdiv = divide
rint = round
select = where
sub = subtract
truediv = divide
unpack = unstack
__all__ = [
    "data",
    "AUTO_REUSE",
    "Assert",
    "Dim",
    "Graph",
    "GraphKeys",
    "Operation",
    "Plan",
    "Print",
    "Session",
    "Tensor",
    "TensorType",
    "Variable",
    "VariableScope",
    "__version__",
    "abs",
    "accumulate_n",
    "acos",
    "acosh",
    "add",
    "add_n",
    "add_to_collection",
    "all",
    "angle",
    "any",
    "arange",
    "arg_max",
    "arg_min",
    "argmax",
    "argmin",
    "asin",
    "asinh",
    "assign",
    "assign_add",
    "assign_sub",
    "astype",
    "atan",
    "atan2",
    "atanh",
    "backends",
    "batch_matmul",
    "bfloat16",
    "bitwise_and",
    "bitwise_invert",
    "bitwise_left_shift",
    "bitwise_or",
    "bitwise_right_shift",
    "bitwise_xor",
    "bool_",
    "boolean_mask",
    "broadcast_arrays",
    "broadcast_to",
    "case",
    "cast",
    "cbrt",
    "ceil",
    "clip",
    "clip_by_global_norm",
    "clip_by_norm",
    "clip_by_value",
    "complex",
    "complex128",
    "complex64",
    "complex_abs",
    "concat",
    "cond",
    "config",
    "conj",
    "constant",
    "control_dependencies",
    "convert_to_tensor",
    "copysign",
    "cos",
    "cosh",
    "count_nonzero",
    "cumprod",
    "cumsum",
    "cumulative_prod",
    "cumulative_sum",
    "custom_gradient",
    "device",
    "diagonal",
    "digamma",
    "div",
    "div_no_nan",
    "divide",
    "dot",
    "e",
    "eager",
    "einsum",
    "empty",
    "empty_like",
    "equal",
    "erf",
    "erfc",
    "erfinv",
    "errors",
    "exp",
    "exp2",
    "expand_dims",
    "expm1",
    "eye",
    "fill",
    "flatten",
    "flip",
    "float16",
    "float32",
    "float64",
    "floor",
    "floor_divide",
    "floordiv",
    "floormod",
    "foldl",
    "foldr",
    "full",
    "full_like",
    "function",
    "gather",
    "gather_nd",
    "get_collection",
    "get_default_graph",
    "get_default_session",
    "get_variable",
    "get_variable_scope",
    "global_norm",
    "global_variables",
    "global_variables_initializer",
    "gradients",
    "greater",
    "greater_equal",
    "group",
    "hessian",
    "hypot",
    "identity",
    "imag",
    "inf",
    "initializers",
    "int16",
    "int32",
    "int64",
    "int8",
    "inv",
    "is_finite",
    "is_inf",
    "is_nan",
    "isfinite",
    "isinf",
    "isnan",
    "jacobian",
    "jvp",
    "less",
    "less_equal",
    "lgamma",
    "lin_space",
    "linalg",
    "linear_recurrence",
    "linspace",
    "list_devices",
    "load_graph",
    "log",
    "log10",
    "log1p",
    "log2",
    "logaddexp",
    "logical_and",
    "logical_not",
    "logical_or",
    "logical_xor",
    "logsumexp",
    "map_fn",
    "matmul",
    "matrix_diag",
    "matrix_norm",
    "matrix_transpose",
    "max",
    "maximum",
    "mean",
    "meshgrid",
    "min",
    "minimum",
    "mod",
    "moveaxis",
    "mul",
    "multiply",
    "name_scope",
    "nan",
    "neg",
    "negative",
    "newaxis",
    "nextafter",
    "nn",
    "no_op",
    "norm",
    "not_equal",
    "one_hot",
    "ones",
    "ones_like",
    "outer",
    "pack",
    "pad",
    "permute_dims",
    "pi",
    "placeholder",
    "polygamma",
    "positive",
    "pow",
    "print",
    "prod",
    "py_func",
    "random",
    "random_normal",
    "random_shuffle",
    "random_uniform",
    "range",
    "rank",
    "real",
    "realdiv",
    "reciprocal",
    "reduce_all",
    "reduce_any",
    "reduce_logsumexp",
    "reduce_max",
    "reduce_mean",
    "reduce_min",
    "reduce_prod",
    "reduce_std",
    "reduce_sum",
    "reduce_variance",
    "remainder",
    "render",
    "repeat",
    "reset_default_graph",
    "reshape",
    "reverse",
    "rint",
    "roll",
    "round",
    "rsqrt",
    "save_graph",
    "scalar_mul",
    "scan",
    "scatter_nd",
    "select",
    "set_random_seed",
    "setitem",
    "shape",
    "sigmoid",
    "sign",
    "signbit",
    "sin",
    "sinh",
    "size",
    "split",
    "sqrt",
    "square",
    "squared_difference",
    "squeeze",
    "stack",
    "std",
    "stop_gradient",
    "strided_slice",
    "sub",
    "subtract",
    "sum",
    "swapaxes",
    "switch_case",
    "take",
    "take_along_axis",
    "tan",
    "tanh",
    "tensor_scatter_nd_add",
    "tensor_scatter_nd_max",
    "tensor_scatter_nd_min",
    "tensor_scatter_nd_sub",
    "tensor_scatter_nd_update",
    "tensordot",
    "tile",
    "to_bfloat16",
    "to_complex128",
    "to_complex64",
    "to_double",
    "to_float",
    "to_int32",
    "to_int64",
    "trace",
    "train",
    "trainable_variables",
    "transpose",
    "tril",
    "triu",
    "truediv",
    "trunc",
    "truncated_normal",
    "tuple",
    "uint16",
    "uint32",
    "uint64",
    "uint8",
    "unpack",
    "unstack",
    "var",
    "variable_scope",
    "variables_initializer",
    "vecdot",
    "vector_norm",
    "where",
    "while_loop",
    "zeros",
    "zeros_like",
]
