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
from graphflow.backends.namespace import __array_namespace_info__
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
from graphflow.operators import API_VERSION as _API_VERSION
from graphflow.ops import numpy_protocol as _numpy_protocol  # noqa: F401 fills the tables of NumPy functions
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
from graphflow.ops.broadcasting import broadcast_arrays, broadcast_shapes, broadcast_to
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
from graphflow.ops.data_types import can_cast, finfo, iinfo, isdtype, result_type
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
from graphflow.ops.interchange import asarray, from_dlpack
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
    tensor_scatter_nd_div,
    tensor_scatter_nd_max,
    tensor_scatter_nd_min,
    tensor_scatter_nd_mul,
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
    local_variables,
    local_variables_initializer,
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
from graphflow.types import BY_NAME as _BY_NAME
from graphflow.types import Dim, TensorType

__version__ = "0.1.0"
__array_api_version__ = _API_VERSION

bool = bool_ = _BY_NAME["bool"]
int8 = _BY_NAME["int8"]
int16 = _BY_NAME["int16"]
int32 = _BY_NAME["int32"]
int64 = _BY_NAME["int64"]
uint8 = _BY_NAME["uint8"]
uint16 = _BY_NAME["uint16"]
uint32 = _BY_NAME["uint32"]
uint64 = _BY_NAME["uint64"]
float16 = _BY_NAME["float16"]
float32 = _BY_NAME["float32"]
float64 = _BY_NAME["float64"]
complex64 = _BY_NAME["complex64"]
complex128 = _BY_NAME["complex128"]
bfloat16 = _BY_NAME["bfloat16"]
string = _BY_NAME["string"]

if TYPE_CHECKING:
    from graphflow import (
        data,
        debug,
        fft,
        image,
        initializers,
        layers,
        losses,
        metrics,
        sparse,
        strings,
        train,
    )
    from graphflow.ops.sparse_tensor import SparseTensor, SparseTensorValue
    from graphflow.save import load_graph, save_graph
    from graphflow.save.plan_file import load_plan
    from graphflow.train import clip_by_global_norm, clip_by_norm, global_norm
    from graphflow.variable_scopes import (
        AUTO_REUSE,
        VariableScope,
        get_variable,
        get_variable_scope,
        variable_scope,
    )

# --- functions loaded on demand
if TYPE_CHECKING:
    # loaded when first asked for
    from graphflow.ops.activations import sigmoid
    from graphflow.ops.band import band_part as matrix_band_part
    from graphflow.ops.band import matrix_diag_part, matrix_set_diag
    from graphflow.ops.blocks import batch_to_space_nd, space_to_batch_nd
    from graphflow.ops.cholesky import cholesky, cholesky_solve
    from graphflow.ops.counting import bincount, confusion_matrix
    from graphflow.ops.cross import cross
    from graphflow.ops.determinant import det as matrix_determinant
    from graphflow.ops.determinant import slogdet as log_matrix_determinant
    from graphflow.ops.eigen import eigh as self_adjoint_eig
    from graphflow.ops.eigen import eigvalsh as self_adjoint_eigvals
    from graphflow.ops.expm import expm as matrix_exponential
    from graphflow.ops.fft_aliases import fft2d, fft3d, ifft2d, ifft3d
    from graphflow.ops.histograms import histogram, histogram_fixed_width, histogram_fixed_width_bins
    from graphflow.ops.index_arithmetic import ravel_multi_index, unravel_index
    from graphflow.ops.linalg_aliases import adjoint, matrix_inverse, matrix_solve, matrix_solve_ls
    from graphflow.ops.linalg_aliases import qr_of as qr
    from graphflow.ops.linalg_aliases import svd_suv as svd
    from graphflow.ops.matrix_products import kron
    from graphflow.ops.patches import col2im, extract_image_patches, extract_volume_patches, im2col
    from graphflow.ops.quantiles import median, percentile, quantile
    from graphflow.ops.quantization import dequantize_linear, quantize_linear
    from graphflow.ops.random_choice import multinomial, random_crop
    from graphflow.ops.random_counts import random_poisson
    from graphflow.ops.random_gamma import random_gamma
    from graphflow.ops.ranged_quantization import (
        dequantize,
        fake_quant_with_min_max_args,
        fake_quant_with_min_max_vars,
        fake_quant_with_min_max_vars_per_channel,
        quantize,
    )
    from graphflow.ops.ranking import nth_element, top_k
    from graphflow.ops.running import cumulative_logsumexp, cumulative_max, cumulative_min, diff
    from graphflow.ops.scatter_variables import (
        scatter_add,
        scatter_div,
        scatter_max,
        scatter_min,
        scatter_mul,
        scatter_nd_add,
        scatter_nd_max,
        scatter_nd_min,
        scatter_nd_sub,
        scatter_nd_update,
        scatter_sub,
        scatter_update,
    )
    from graphflow.ops.searching import (
        argwhere,
        bucketize,
        digitize,
        flatnonzero,
        isin,
        nonzero,
        searchsorted,
    )
    from graphflow.ops.segments import (
        segment_max,
        segment_mean,
        segment_min,
        segment_prod,
        segment_sum,
        sparse_segment_mean,
        sparse_segment_sqrt_n,
        sparse_segment_sum,
        unsorted_segment_max,
        unsorted_segment_mean,
        unsorted_segment_min,
        unsorted_segment_prod,
        unsorted_segment_sqrt_n,
        unsorted_segment_sum,
    )
    from graphflow.ops.sequences import reverse_sequence, sequence_mask
    from graphflow.ops.sets import (
        setdiff1d,
        unique,
        unique_all,
        unique_counts,
        unique_inverse,
        unique_values,
        unique_with_counts,
    )
    from graphflow.ops.sorting import argsort, invert_permutation, sort
    from graphflow.ops.space_depth import depth_to_space, space_to_depth
    from graphflow.ops.sparse import (
        sparse_add,
        sparse_concat,
        sparse_reduce_max,
        sparse_reduce_sum,
        sparse_reorder,
        sparse_reshape,
        sparse_retain,
        sparse_softmax,
        sparse_tensor_dense_matmul,
        sparse_tensor_to_dense,
        sparse_to_dense,
        sparse_transpose,
    )
    from graphflow.ops.sparse_tensor import sparse_placeholder
    from graphflow.ops.special_bessel import bessel_i0, bessel_i0e, bessel_i1, bessel_i1e
    from graphflow.ops.special_curves import cumulative_trapezoid, interp, polyval, trapezoid
    from graphflow.ops.special_elementary import (
        deg2rad,
        entr,
        fmod,
        gcd,
        heaviside,
        lcm,
        nan_to_num,
        rad2deg,
        sinc,
        xdivy,
        xlog1py,
        xlogy,
    )
    from graphflow.ops.special_gamma import betainc, betaln, gammainc, gammaincc, igamma, igammac, lbeta, zeta
    from graphflow.ops.special_normal import erfcx, expit, log_ndtr, logit, ndtr, ndtri
    from graphflow.ops.strings import (
        as_string,
        reduce_join,
        regex_replace,
        string_join,
        string_split,
        string_strip,
        string_to_hash_bucket,
        string_to_number,
        substr,
    )
    from graphflow.ops.triangular_solve import triangular_solve as matrix_triangular_solve
# --- end

# What not every program needs is imported when it is first asked for: that halves the time of `import graphflow`.
# The names of each module, "" for the module itself; the ops' functions are found by `F`.
_LATER = {
    "graphflow.data": "",
    "graphflow.debug": "",
    "graphflow.fft": "",
    "graphflow.image": "",
    "graphflow.initializers": "",
    "graphflow.layers": "",
    "graphflow.losses": "",
    "graphflow.metrics": "",
    "graphflow.ops.sparse_tensor": "SparseTensor SparseTensorValue",
    "graphflow.save": "load_graph save_graph",
    "graphflow.save.plan_file": "load_plan",
    "graphflow.sparse": "",
    "graphflow.strings": "",
    "graphflow.train": "",
    "graphflow.train.clipping": "clip_by_global_norm clip_by_norm global_norm",
    "graphflow.variable_scopes": "AUTO_REUSE VariableScope get_variable get_variable_scope variable_scope",
}
_MODULES = {name: module for module, names in _LATER.items() for name in names.split()}
_RENAMED: dict[str, str] = {
    "log_matrix_determinant": "slogdet",
    "matrix_band_part": "band_part",
    "matrix_determinant": "det",
    "matrix_exponential": "expm",
    "matrix_triangular_solve": "triangular_solve",
    "qr": "qr_of",
    "self_adjoint_eig": "eigh",
    "self_adjoint_eigvals": "eigvalsh",
    "svd": "svd_suv",
}


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
    "AUTO_REUSE",
    "Assert",
    "Dim",
    "Graph",
    "GraphKeys",
    "Operation",
    "Plan",
    "Print",
    "Session",
    "SparseTensor",
    "SparseTensorValue",
    "Tensor",
    "TensorType",
    "Variable",
    "VariableScope",
    "__array_api_version__",
    "__array_namespace_info__",
    "__version__",
    "abs",
    "accumulate_n",
    "acos",
    "acosh",
    "add",
    "add_n",
    "add_to_collection",
    "adjoint",
    "all",
    "angle",
    "any",
    "arange",
    "arg_max",
    "arg_min",
    "argmax",
    "argmin",
    "argsort",
    "argwhere",
    "as_string",
    "asarray",
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
    "batch_to_space_nd",
    "bessel_i0",
    "bessel_i0e",
    "bessel_i1",
    "bessel_i1e",
    "betainc",
    "betaln",
    "bfloat16",
    "bincount",
    "bitwise_and",
    "bitwise_invert",
    "bitwise_left_shift",
    "bitwise_or",
    "bitwise_right_shift",
    "bitwise_xor",
    "bool",
    "bool_",
    "boolean_mask",
    "broadcast_arrays",
    "broadcast_shapes",
    "broadcast_to",
    "bucketize",
    "can_cast",
    "case",
    "cast",
    "cbrt",
    "ceil",
    "cholesky",
    "cholesky_solve",
    "clip",
    "clip_by_global_norm",
    "clip_by_norm",
    "clip_by_value",
    "col2im",
    "complex",
    "complex128",
    "complex64",
    "complex_abs",
    "concat",
    "cond",
    "config",
    "confusion_matrix",
    "conj",
    "constant",
    "control_dependencies",
    "convert_to_tensor",
    "copysign",
    "cos",
    "cosh",
    "count_nonzero",
    "cross",
    "cumprod",
    "cumsum",
    "cumulative_logsumexp",
    "cumulative_max",
    "cumulative_min",
    "cumulative_prod",
    "cumulative_sum",
    "cumulative_trapezoid",
    "custom_gradient",
    "data",
    "debug",
    "deg2rad",
    "depth_to_space",
    "dequantize",
    "dequantize_linear",
    "device",
    "diagonal",
    "diff",
    "digamma",
    "digitize",
    "div",
    "div_no_nan",
    "divide",
    "dot",
    "e",
    "eager",
    "einsum",
    "empty",
    "empty_like",
    "entr",
    "equal",
    "erf",
    "erfc",
    "erfcx",
    "erfinv",
    "errors",
    "exp",
    "exp2",
    "expand_dims",
    "expit",
    "expm1",
    "extract_image_patches",
    "extract_volume_patches",
    "eye",
    "fake_quant_with_min_max_args",
    "fake_quant_with_min_max_vars",
    "fake_quant_with_min_max_vars_per_channel",
    "fft",
    "fft2d",
    "fft3d",
    "fill",
    "finfo",
    "flatnonzero",
    "flatten",
    "flip",
    "float16",
    "float32",
    "float64",
    "floor",
    "floor_divide",
    "floordiv",
    "floormod",
    "fmod",
    "foldl",
    "foldr",
    "from_dlpack",
    "full",
    "full_like",
    "function",
    "gammainc",
    "gammaincc",
    "gather",
    "gather_nd",
    "gcd",
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
    "heaviside",
    "hessian",
    "histogram",
    "histogram_fixed_width",
    "histogram_fixed_width_bins",
    "hypot",
    "identity",
    "ifft2d",
    "ifft3d",
    "igamma",
    "igammac",
    "iinfo",
    "im2col",
    "imag",
    "image",
    "inf",
    "initializers",
    "int16",
    "int32",
    "int64",
    "int8",
    "interp",
    "inv",
    "invert_permutation",
    "is_finite",
    "is_inf",
    "is_nan",
    "isdtype",
    "isfinite",
    "isin",
    "isinf",
    "isnan",
    "jacobian",
    "jvp",
    "kron",
    "layers",
    "lbeta",
    "lcm",
    "less",
    "less_equal",
    "lgamma",
    "lin_space",
    "linalg",
    "linear_recurrence",
    "linspace",
    "list_devices",
    "load_graph",
    "load_plan",
    "local_variables",
    "local_variables_initializer",
    "log",
    "log10",
    "log1p",
    "log2",
    "log_matrix_determinant",
    "log_ndtr",
    "logaddexp",
    "logical_and",
    "logical_not",
    "logical_or",
    "logical_xor",
    "logit",
    "logsumexp",
    "losses",
    "map_fn",
    "matmul",
    "matrix_band_part",
    "matrix_determinant",
    "matrix_diag",
    "matrix_diag_part",
    "matrix_exponential",
    "matrix_inverse",
    "matrix_norm",
    "matrix_set_diag",
    "matrix_solve",
    "matrix_solve_ls",
    "matrix_transpose",
    "matrix_triangular_solve",
    "max",
    "maximum",
    "mean",
    "median",
    "meshgrid",
    "metrics",
    "min",
    "minimum",
    "mod",
    "moveaxis",
    "mul",
    "multinomial",
    "multiply",
    "name_scope",
    "nan",
    "nan_to_num",
    "ndtr",
    "ndtri",
    "neg",
    "negative",
    "newaxis",
    "nextafter",
    "nn",
    "no_op",
    "nonzero",
    "norm",
    "not_equal",
    "nth_element",
    "one_hot",
    "ones",
    "ones_like",
    "outer",
    "pack",
    "pad",
    "percentile",
    "permute_dims",
    "pi",
    "placeholder",
    "polygamma",
    "polyval",
    "positive",
    "pow",
    "print",
    "prod",
    "py_func",
    "qr",
    "quantile",
    "quantize",
    "quantize_linear",
    "rad2deg",
    "random",
    "random_crop",
    "random_gamma",
    "random_normal",
    "random_poisson",
    "random_shuffle",
    "random_uniform",
    "range",
    "rank",
    "ravel_multi_index",
    "real",
    "realdiv",
    "reciprocal",
    "reduce_all",
    "reduce_any",
    "reduce_join",
    "reduce_logsumexp",
    "reduce_max",
    "reduce_mean",
    "reduce_min",
    "reduce_prod",
    "reduce_std",
    "reduce_sum",
    "reduce_variance",
    "regex_replace",
    "remainder",
    "render",
    "repeat",
    "reset_default_graph",
    "reshape",
    "result_type",
    "reverse",
    "reverse_sequence",
    "rint",
    "roll",
    "round",
    "rsqrt",
    "save_graph",
    "scalar_mul",
    "scan",
    "scatter_add",
    "scatter_div",
    "scatter_max",
    "scatter_min",
    "scatter_mul",
    "scatter_nd",
    "scatter_nd_add",
    "scatter_nd_max",
    "scatter_nd_min",
    "scatter_nd_sub",
    "scatter_nd_update",
    "scatter_sub",
    "scatter_update",
    "searchsorted",
    "segment_max",
    "segment_mean",
    "segment_min",
    "segment_prod",
    "segment_sum",
    "select",
    "self_adjoint_eig",
    "self_adjoint_eigvals",
    "sequence_mask",
    "set_random_seed",
    "setdiff1d",
    "setitem",
    "shape",
    "sigmoid",
    "sign",
    "signbit",
    "sin",
    "sinc",
    "sinh",
    "size",
    "sort",
    "space_to_batch_nd",
    "space_to_depth",
    "sparse",
    "sparse_add",
    "sparse_concat",
    "sparse_placeholder",
    "sparse_reduce_max",
    "sparse_reduce_sum",
    "sparse_reorder",
    "sparse_reshape",
    "sparse_retain",
    "sparse_segment_mean",
    "sparse_segment_sqrt_n",
    "sparse_segment_sum",
    "sparse_softmax",
    "sparse_tensor_dense_matmul",
    "sparse_tensor_to_dense",
    "sparse_to_dense",
    "sparse_transpose",
    "split",
    "sqrt",
    "square",
    "squared_difference",
    "squeeze",
    "stack",
    "std",
    "stop_gradient",
    "strided_slice",
    "string",
    "string_join",
    "string_split",
    "string_strip",
    "string_to_hash_bucket",
    "string_to_number",
    "strings",
    "sub",
    "substr",
    "subtract",
    "sum",
    "svd",
    "swapaxes",
    "switch_case",
    "take",
    "take_along_axis",
    "tan",
    "tanh",
    "tensor_scatter_nd_add",
    "tensor_scatter_nd_div",
    "tensor_scatter_nd_max",
    "tensor_scatter_nd_min",
    "tensor_scatter_nd_mul",
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
    "top_k",
    "trace",
    "train",
    "trainable_variables",
    "transpose",
    "trapezoid",
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
    "unique",
    "unique_all",
    "unique_counts",
    "unique_inverse",
    "unique_values",
    "unique_with_counts",
    "unpack",
    "unravel_index",
    "unsorted_segment_max",
    "unsorted_segment_mean",
    "unsorted_segment_min",
    "unsorted_segment_prod",
    "unsorted_segment_sqrt_n",
    "unsorted_segment_sum",
    "unstack",
    "var",
    "variable_scope",
    "variables_initializer",
    "vecdot",
    "vector_norm",
    "where",
    "while_loop",
    "xdivy",
    "xlog1py",
    "xlogy",
    "zeros",
    "zeros_like",
    "zeta",
]
