"""Every public function and class of graphflow, each with arguments that it accepts."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

import graphflow as gf
from tests.parameter_kinds import kind_of

__all__ = ["Entry", "entries"]

MODULES = (
    *("", "nn", "linalg", "random", "train", "initializers"),
    *("fft", "sparse", "strings", "image", "losses", "metrics", "layers", "nn.rnn_cell"),
)

EXCLUDED = {
    "SparseTensor",
    "SparseTensorValue",
    "VariableScope",
    "finfo",
    "iinfo",
    "nn.rnn_cell.LSTMStateTuple",
    "nn.rnn_cell.RNNCell",
    "losses.Reduction",
    "losses.get_total_loss",
    "sparse.SparseTensor",
    "sparse.SparseTensorValue",
    "losses.get_losses",
    "losses.get_regularization_losses",
    "local_variables_initializer",
    "Dim",
    "Graph",
    "GraphKeys",
    "Operation",
    "Plan",
    "Tensor",
    "TensorType",
    "train.CheckpointState",
    "train.Optimizer",
    "train.update_checkpoint_state",
    "eager",
    "reset_default_graph",
    "list_devices",
    "get_default_graph",
    "get_variable_scope",
    "get_default_session",
    "global_variables_initializer",
    "render",
}
"""Records that programs read and do not make, functions without parameters, and drawing, which has tests of its own."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A public callable: its name, what calls it, and arguments it accepts, made anew for each call."""

    name: str
    call: Callable[..., Any]
    good: Callable[[], dict[str, Any]]
    parameters: tuple[str, ...]
    positional: tuple[str, ...] = ()
    positional_only: tuple[str, ...] = ()
    variadic: str | None = None
    required: tuple[str, ...] = ()

    def __str__(self) -> str:
        return self.name


def _float(*shape: int) -> Any:
    return gf.placeholder("float32", shape)


def _int(*shape: int) -> Any:
    return gf.placeholder("int64", shape)


def _bool(*shape: int) -> Any:
    return gf.placeholder("bool", shape)


def _variable() -> Any:
    return gf.Variable(np.zeros((3, 3), np.float32))


def _loss(x: str, y: str, **more: Any) -> dict[str, Any]:
    w = _float(3)
    return {x: gf.sum(w * w), y: w, **more}


def _small(*shape: int) -> Any:
    return gf.placeholder("int8", shape)


def _sparse() -> Any:
    return gf.SparseTensor([[0, 1], [2, 0]], _float(2), [3, 3])


def _cell(units: int = 2) -> Any:
    return gf.nn.rnn_cell.GRUCell(units, name="mine")


_BY_KIND: dict[str, Callable[[], Any]] = {
    "tensor": lambda: _float(3, 3),
    "scalar": lambda: 0.5,
    "ints": lambda: _int(3, 3),
    "bools": lambda: _bool(3, 3),
    "tensors": lambda: [_float(3, 3), _float(3, 3)],
    "axis": lambda: 0,
    "size": lambda: 2,
    "sizes": lambda: [3, 3],
    "number": lambda: 0.5,
    "key": lambda: 0,
    "seed": lambda: 1,
    "dtype": lambda: "float32",
    "dtypes": lambda: "float32",
    "texts": lambda: ["text"],
    "lookup": lambda: "saved.ckpt",
    "name": lambda: "name",
    "function": lambda: lambda *args: args[0],
    "path": lambda: "missing",
    "flag": lambda: True,
    "sparse": _sparse,
    "text": lambda: ["a", "b"],
    "any dtype": lambda: "float32",
}
"""A good value for a required parameter, by its kind."""

_BY_NAME: dict[str, Callable[[], Any]] = {
    "image": lambda: _float(1, 16, 16, 3),
    "images": lambda: _float(1, 16, 16, 3),
    "img1": lambda: _float(1, 16, 16, 3),
    "img2": lambda: _float(1, 16, 16, 3),
    "padding": lambda: "SAME",
    "ref": _variable,
    "boxes": lambda: _float(3, 4),
    "boxes1": lambda: _float(3, 4),
    "boxes2": lambda: _float(3, 4),
    "scores": lambda: _float(3),
    "pool_size": lambda: 2,
    "thresholds": lambda: [0.25, 0.5],
    "kernel_size": lambda: 2,
    "segment_ids": lambda: _int(3),
    "label_length": lambda: _int(3),
    "logit_length": lambda: _int(3),
    "sequence_length": lambda: _int(3),
    "T": lambda: "int8",
    "sp_inputs": lambda: [_sparse(), _sparse()],
    "rewrite": lambda: "b",
    "pattern": lambda: "a",
    "pooling_type": lambda: "MAX",
    "unique": lambda: True,
    "size": lambda: [3, 3],
}
"""A good value for a required parameter of that name."""


def _convolved(filters: tuple[int, ...], name: str = "filter", **more: Any) -> dict[str, Any]:
    x = "input_sizes" if "input_sizes" in more else "input"
    return {x: _float(1, 6, 6, 2), name: _float(*filters), "strides": [1, 1, 1, 1], "padding": "SAME", **more}


_GOOD: dict[str, Callable[[], dict[str, Any]]] = {
    "Assert": lambda: {"condition": _bool()},
    "add_to_collection": lambda: {"name": "collection", "value": 1},
    "arange": lambda: {"start": 3},
    "assign": lambda: {"ref": _variable()},
    "assign_add": lambda: {"ref": _variable()},
    "assign_sub": lambda: {"ref": _variable()},
    "case": lambda: {"pred_fn_pairs": [(_bool(), lambda: 1.0)], "default": lambda: 2.0},
    "cond": lambda: {"pred": _bool(), "true_fn": lambda: 1.0, "false_fn": lambda: 2.0},
    "control_dependencies": lambda: {"nodes": [gf.no_op()]},
    "custom_gradient": lambda: {"f": lambda x: (x, lambda g: g)},
    "device": lambda: {"name": "cpu"},
    "einsum": lambda: {"equation": "ij,jk"},
    "foldl": lambda: {"fn": lambda a, x: a + x},
    "foldr": lambda: {"fn": lambda a, x: a + x},
    "gather": lambda: {"indices": _int(3)},
    "gather_nd": lambda: {"indices": _int(3, 2)},
    "get_collection": lambda: {"name": "collection"},
    "gradients": lambda: _loss("ys", "xs"),
    "group": lambda: {"inputs": gf.no_op()},
    "hessian": lambda: _loss("y", "x"),
    "jacobian": lambda: _loss("y", "x"),
    "jvp": lambda: _loss("ys", "xs", tangents=gf.ones(3)),
    "linspace": lambda: {"start": 0.0, "stop": 1.0},
    "matrix_diag": lambda: {"v": _float(3)},
    "moveaxis": lambda: {"destination": 1},
    "pad": lambda: {"paddings": [[1, 1], [0, 0]]},
    "permute_dims": lambda: {"axes": [1, 0]},
    "polygamma": lambda: {"n": 1},
    "py_func": lambda: {"func": lambda x, y: x + y},
    "scalar_mul": lambda: {"scalar": 2.0},
    "scan": lambda: {"fn": lambda a, x: a + x},
    "scatter_nd": lambda: {"indices": _int(3, 1), "shape": [3, 3]},
    "split": lambda: {"num_or_size_splits": 3},
    "squeeze": lambda: {"x": _float(1, 3)},
    "strided_slice": lambda: {"slices": [(0, 2, 1)]},
    "swapaxes": lambda: {"axis2": 1},
    "switch_case": lambda: {"branch_index": _int(), "branch_fns": [lambda: 1.0, lambda: 2.0]},
    "variables_initializer": lambda: {"var_list": [_variable()]},
    "bitwise_and": lambda: {"x": _int(3, 3), "y": _int(3, 3)},
    "logical_and": lambda: {"x": _bool(3, 3), "y": _bool(3, 3)},
    "bitwise_or": lambda: {"x": _int(3, 3), "y": _int(3, 3)},
    "logical_or": lambda: {"x": _bool(3, 3), "y": _bool(3, 3)},
    "bitwise_xor": lambda: {"x": _int(3, 3), "y": _int(3, 3)},
    "logical_xor": lambda: {"x": _bool(3, 3), "y": _bool(3, 3)},
    "bitwise_left_shift": lambda: {"x": _int(3, 3), "y": _int(3, 3)},
    "bitwise_right_shift": lambda: {"x": _int(3, 3), "y": _int(3, 3)},
    "bitwise_invert": lambda: {"x": _int(3, 3)},
    "logical_not": lambda: {"x": _bool(3, 3)},
    "Variable": lambda: {"initial_value": np.zeros(3, np.float32)},
    "constant": lambda: {"value": [1.0, 2.0]},
    "cumulative_prod": lambda: {"x": _float(3)},
    "cumulative_sum": lambda: {"x": _float(3)},
    "meshgrid": lambda: {"arrays": _float(3)},
    "outer": lambda: {"x": _float(3), "y": _float(3)},
    "setitem": lambda: {"value": 1.0},
    "take": lambda: {"indices": _int(3), "axis": 0},
    "tensor_scatter_nd_add": lambda: {"indices": _int(3, 1)},
    "tensor_scatter_nd_div": lambda: {"indices": _int(3, 1)},
    "tensor_scatter_nd_max": lambda: {"indices": _int(3, 1)},
    "tensor_scatter_nd_mul": lambda: {"indices": _int(3, 1)},
    "tensor_scatter_nd_min": lambda: {"indices": _int(3, 1)},
    "tensor_scatter_nd_sub": lambda: {"indices": _int(3, 1)},
    "tensor_scatter_nd_update": lambda: {"indices": _int(3, 1)},
    "nn.fused_batch_norm": lambda: {
        **{p: _float(3) for p in ("scale", "offset", "mean", "variance")},
        "is_training": False,
    },
    "nn.bias_add": lambda: {"bias": _float(3)},
    "nn.dropout": lambda: {"rate": 0.5},
    "nn.sparse_softmax_cross_entropy": lambda: {"labels": _int(3)},
    "nn.sparse_softmax_cross_entropy_with_logits": lambda: {"labels": _int(3)},
    "random.randint": lambda: {"maxval": 10},
    "train.Saver": lambda: {"var_list": [_variable()]},
    "train.piecewise_constant": lambda: {"x": _int(), "boundaries": [1], "values": [0.5, 0.25]},
    "train.global_step": lambda: {"sess": gf.Session(), "global_step_tensor": gf.constant(1)},
    "fill": lambda: {"value": 1.0},
    "load_graph": lambda: {"path": "saved.gfg"},
    "load_plan": lambda: {"path": "saved.plan"},
    "select": lambda: {"x": _float(3, 3), "y": 0.0},
    "train.CheckpointReader": lambda: {"path": "saved.ckpt"},
    "train.list_variables": lambda: {"path": "saved.ckpt"},
    "train.load_checkpoint": lambda: {"path": "saved.ckpt"},
    "train.load_variable": lambda: {"path": "saved.ckpt", "name": "w"},
    "dequantize": lambda: {"input": _small(3, 3), "min_range": 0.0, "max_range": 1.0},
    "dequantize_linear": lambda: {"x": _small(3, 3), "scale": 0.5},
    "quantize": lambda: {"min_range": 0.0, "max_range": 1.0},
    "quantize_linear": lambda: {"scale": 0.5},
    "digitize": lambda: {"bins": [0.0, 1.0]},
    "bucketize": lambda: {"boundaries": [0.0, 1.0]},
    "extract_image_patches": lambda: {"ksizes": [1, 2, 2, 1], "strides": [1, 1, 1, 1], "rates": [1, 1, 1, 1]},
    "extract_volume_patches": lambda: {
        "input": _float(1, 3, 3, 3, 1),
        "ksizes": [1, 2, 2, 2, 1],
        "strides": [1] * 5,
    },
    "fake_quant_with_min_max_vars": lambda: {"inputs": _float(3, 3), "min": -1.0, "max": 1.0},
    "fake_quant_with_min_max_vars_per_channel": lambda: {
        "inputs": _float(2, 3),
        "min": _float(3),
        "max": _float(3),
    },
    **{name: lambda: {"input": gf.placeholder("complex64", (2, 2, 2))} for name in ("fft3d", "ifft3d")},
    "fft.rfft3d": lambda: {"input_tensor": _float(2, 2, 2)},
    "fft.irfft3d": lambda: {"input_tensor": gf.placeholder("complex64", (2, 2, 2))},
    **{name: lambda: {"x1": _int(3), "x2": _int(3)} for name in ("gcd", "lcm")},
    "get_variable": lambda: {"name": "mine", "shape": [3]},
    "asarray": lambda: {"obj": [1.0, 2.0]},
    "broadcast_shapes": lambda: {"shapes": [[3, 1], [3]]},
    "from_dlpack": lambda: {"x": np.zeros(3, np.float32)},
    "nn.group_norm": lambda: {"groups": 3},
    "nn.normalize_moments": lambda: {"counts": 3.0},
    "nn.weighted_moments": lambda: {"axes": [0]},
    "histogram_fixed_width": lambda: {"value_range": [0.0, 1.0]},
    "histogram_fixed_width_bins": lambda: {"value_range": [0.0, 1.0]},
    "im2col": lambda: {"x": _float(1, 4, 4, 2)},
    "col2im": lambda: {"cols": _float(1, 3, 3, 8), "output_shape": [1, 4, 4, 2]},
    "interp": lambda: {"xp": [0.0, 1.0], "fp": [0.0, 1.0]},
    "invert_permutation": lambda: {"x": _int(3)},
    "isdtype": lambda: {"dtype": gf.float32, "kind": "integral"},
    "can_cast": lambda: {"from_": gf.float32, "to": gf.float64},
    "matrix_set_diag": lambda: {"diagonal": _float(3)},
    "nth_element": lambda: {"n": 1},
    "percentile": lambda: {"q": 50.0},
    "quantile": lambda: {"q": 0.5},
    "polyval": lambda: {"coeffs": [1.0, 2.0]},
    "ravel_multi_index": lambda: {"multi_index": _int(2, 3), "dims": [4, 4]},
    "reduce_join": lambda: {"inputs": ["a", "b"]},
    "reverse_sequence": lambda: {"seq_lengths": _int(3), "seq_axis": 1},
    "space_to_batch_nd": lambda: {
        "input": _float(1, 4, 4, 1),
        "block_shape": [2, 2],
        "paddings": [[0, 0], [0, 0]],
    },
    "batch_to_space_nd": lambda: {
        "input": _float(4, 2, 2, 1),
        "block_shape": [2, 2],
        "crops": [[0, 0], [0, 0]],
    },
    "space_to_depth": lambda: {"input": _float(1, 4, 4, 1)},
    "depth_to_space": lambda: {"input": _float(1, 2, 2, 4)},
    "sparse_add": lambda: {"a": _sparse(), "b": _sparse()},
    "sparse_placeholder": lambda: {"shape": [3, 3]},
    "sparse_retain": lambda: {"to_retain": [True, False]},
    "sparse_reshape": lambda: {"shape": [9]},
    "sparse_segment_sum": lambda: {"indices": _int(3)},
    "sparse_segment_mean": lambda: {"indices": _int(3)},
    "sparse_segment_sqrt_n": lambda: {"indices": _int(3)},
    "sparse_to_dense": lambda: {"sparse_indices": [[0, 1]], "output_shape": [2, 2], "sparse_values": [1.0]},
    **{
        f"scatter_{how}": lambda: {"indices": _int(3)}
        for how in ("add", "div", "max", "min", "mul", "sub", "update")
    },
    **{
        f"scatter_nd_{how}": lambda: {"indices": _int(3, 1)} for how in ("add", "max", "min", "sub", "update")
    },
    "string_join": lambda: {"inputs": ["a", "b"]},
    "string_split": lambda: {"source": ["a b"]},
    "string_strip": lambda: {"input": ["a "]},
    "string_to_hash_bucket": lambda: {"input": ["a "]},
    "string_to_number": lambda: {"string_tensor": ["1"]},
    "substr": lambda: {"input": ["abc"], "pos": 0, "len": 1},
    "regex_replace": lambda: {"input": ["abc"]},
    "strings.regex_full_match": lambda: {"input": ["abc"]},
    **{f"strings.{f}": lambda: {"input": ["abc"]} for f in ("length", "lower", "upper")},
    "strings.LookupTable": lambda: {"values": [1, 2], "default_value": 0},
    "strings.lookup_table": lambda: {"values": [1, 2], "default_value": 0},
    "nn.adaptive_avg_pool": lambda: {"value": _float(1, 4, 4, 2), "output_size": 2},
    "nn.adaptive_max_pool": lambda: {"value": _float(1, 4, 4, 2), "output_size": 2},
    **{f"nn.{k}_pool": lambda: {"value": _float(1, 4, 4, 2), "ksize": 2} for k in ("avg", "max", "lp")},
    **{f"nn.global_{k}_pool": lambda: {"value": _float(1, 4, 4, 2)} for k in ("avg", "max")},
    **{
        f"nn.{k}_pool{n}d": lambda n=n: {"input": _float(1, *[4] * n, 2), "ksize": 2}  # type: ignore[misc]
        for k in ("avg", "max")
        for n in (1, 2, 3)
    },
    "nn.max_pool_with_argmax": lambda: {"input": _float(1, 4, 4, 2), "ksize": 2},
    "nn.max_unpool": lambda: {
        "x": _float(1, 2, 2, 2),
        "value": _float(1, 2, 2, 2),
        "argmax": _int(1, 2, 2, 2),
        "indices": _int(1, 2, 2, 2),
        "output_shape": [1, 4, 4, 2],
    },
    "nn.pool": lambda: {"input": _float(1, 4, 4, 2), "window_shape": [2, 2]},
    "nn.lrn": lambda: {"input": _float(1, 4, 4, 2)},
    "nn.local_response_normalization": lambda: {"input": _float(1, 4, 4, 2)},
    "nn.additive_attention": lambda: {"key": _float(3, 3)},
    "nn.scaled_dot_product_attention": lambda: {"k": _float(3, 3), "v": _float(3, 3)},
    "nn.multi_head_attention": lambda: {
        **{n: _float(3, 4) for n in ("query", "key", "value")},
        **{n: _float(4, 4) for n in ("w_q", "w_k", "w_v", "w_o")},
    },
    "nn.conv": lambda: {"x": _float(1, 6, 6, 2), "filters": _float(3, 3, 2, 4)},
    "nn.conv1d": lambda: {
        "value": _float(1, 6, 2),
        "filters": _float(3, 2, 4),
        "stride": 1,
        "padding": "SAME",
    },
    "nn.conv2d": lambda: _convolved((3, 3, 2, 4)),
    "nn.conv3d": lambda: {
        **_convolved((3, 3, 3, 2, 4), input=_float(1, 4, 4, 4, 2)),
        "strides": [1] * 5,
    },
    "nn.convolution": lambda: {"input": _float(1, 6, 6, 2), "filter": _float(3, 3, 2, 4), "padding": "SAME"},
    "nn.atrous_conv2d": lambda: {"value": _float(1, 6, 6, 2), "filters": _float(3, 3, 2, 4), "rate": 2},
    "nn.depthwise_conv2d": lambda: _convolved((3, 3, 2, 1)),
    "nn.depthwise_conv2d_native": lambda: _convolved((3, 3, 2, 1)),
    "nn.separable_conv2d": lambda: {
        **_convolved((3, 3, 2, 1), "depthwise_filter"),
        "pointwise_filter": _float(1, 1, 2, 4),
    },
    "nn.conv_integer": lambda: {"x": _small(1, 6, 6, 2), "filters": _small(3, 3, 2, 4)},
    "nn.qlinear_conv": lambda: {
        "x": _small(1, 6, 6, 2),
        "filters": _small(3, 3, 2, 4),
        **{f"{n}_scale": 0.5 for n in ("x", "filters", "y")},
        **{f"{n}_zero_point": np.int8(0) for n in ("x", "filters", "y")},
    },
    "nn.matmul_integer": lambda: {"a": _small(3, 3), "b": _small(3, 3)},
    "nn.qlinear_matmul": lambda: {
        "a": _small(3, 3),
        "b": _small(3, 3),
        **{f"{n}_scale": 0.5 for n in ("a", "b", "y")},
        **{f"{n}_zero_point": np.int8(0) for n in ("a", "b", "y")},
    },
    "nn.conv_transpose": lambda: {
        "x": _float(1, 3, 3, 4),
        "filters": _float(3, 3, 2, 4),
        "output_shape": [1, 3, 3, 2],
    },
    "nn.conv1d_transpose": lambda: {
        "input": _float(1, 3, 4),
        "filters": _float(3, 2, 4),
        "output_shape": [1, 3, 2],
        "strides": 1,
    },
    "nn.conv2d_transpose": lambda: {
        "value": _float(1, 3, 3, 4),
        "filter": _float(3, 3, 2, 4),
        "output_shape": [1, 3, 3, 2],
        "strides": [1] * 4,
    },
    "nn.conv3d_transpose": lambda: {
        "value": _float(1, 3, 3, 3, 4),
        "filter": _float(3, 3, 3, 2, 4),
        "output_shape": [1, 3, 3, 3, 2],
        "strides": [1] * 5,
    },
    "nn.conv2d_backprop_input": lambda: {
        **_convolved((3, 3, 2, 4), input_sizes=[1, 6, 6, 2]),
        "out_backprop": _float(1, 6, 6, 4),
    },
    "nn.conv2d_backprop_filter": lambda: {
        "input": _float(1, 6, 6, 2),
        "filter_sizes": [3, 3, 2, 4],
        "strides": [1] * 4,
        "out_backprop": _float(1, 6, 6, 4),
    },
    "nn.depthwise_conv2d_native_backprop_input": lambda: {
        **_convolved((3, 3, 2, 1), input_sizes=[1, 6, 6, 2]),
        "out_backprop": _float(1, 6, 6, 2),
    },
    "nn.depthwise_conv2d_native_backprop_filter": lambda: {
        "input": _float(1, 6, 6, 2),
        "filter_sizes": [3, 3, 2, 1],
        "strides": [1] * 4,
        "out_backprop": _float(1, 6, 6, 2),
    },
    "nn.dilation2d": lambda: {
        "input": _float(1, 6, 6, 2),
        "filter": _float(3, 3, 2),
        "filters": _float(3, 3, 2),
        "strides": [1] * 4,
        "rates": [1] * 4,
    },
    "nn.erosion2d": lambda: {
        "value": _float(1, 6, 6, 2),
        "kernel": _float(3, 3, 2),
        "strides": [1] * 4,
        "rates": [1] * 4,
    },
    "nn.cosine_distance": lambda: {"axis": 1},
    "losses.cosine_distance": lambda: {"axis": 1},
    "nn.ctc_loss": lambda: {"labels": _int(3, 2), "logits": _float(5, 3, 4)},
    "nn.ctc_greedy_decoder": lambda: {"inputs": _float(5, 3, 4)},
    "nn.ctc_beam_search_decoder": lambda: {"inputs": _float(5, 3, 4)},
    "nn.in_top_k": lambda: {"targets": _int(3)},
    "nn.embedding_bag": lambda: {"ids": _int(3, 2)},
    "nn.geglu": lambda: {"x": _float(3, 4)},
    "nn.glu": lambda: {"x": _float(3, 4)},
    "nn.reglu": lambda: {"x": _float(3, 4)},
    "nn.swiglu": lambda: {"x": _float(3, 4)},
    "nn.maxout": lambda: {"x": _float(3, 4)},
    "nn.rotary_embedding": lambda: {"x": _float(3, 4)},
    "nn.kv_cache_update": lambda: {"cache": _float(1, 5, 4), "new": _float(1, 1, 4), "position": 0},
    "nn.gru": lambda: {"x": _float(1, 3, 2), "w": _float(2, 9), "u": _float(3, 9)},
    "nn.lstm": lambda: {"x": _float(1, 3, 2), "w": _float(2, 12), "u": _float(3, 12)},
    "nn.rnn": lambda: {"x": _float(1, 3, 2), "w": _float(2, 3), "u": _float(3, 3)},
    "nn.bidirectional": lambda: {
        "layer": gf.nn.rnn,
        "x": _float(1, 3, 2),
        **{side: (_float(2, 3), _float(3, 3)) for side in ("forward", "backward")},
    },
    "nn.stacked": lambda: {
        "layer": gf.nn.rnn,
        "x": _float(1, 3, 2),
        "weights": [(_float(2, 3), _float(3, 3))],
    },
    **{
        f"nn.rnn_cell.{c}": lambda: {"num_units": 3}
        for c in ("BasicLSTMCell", "BasicRNNCell", "GRUCell", "LSTMCell")
    },
    **{f"nn.rnn_cell.{c}": lambda: {"cell": _cell(3)} for c in ("DropoutWrapper", "ResidualWrapper")},
    "nn.rnn_cell.DeviceWrapper": lambda: {"cell": _cell(3), "device": "cpu"},
    "nn.rnn_cell.MultiRNNCell": lambda: {"cells": [_cell(3)]},
    "nn.dynamic_rnn": lambda: {"cell": _cell(), "inputs": _float(2, 3, 2)},
    "nn.static_rnn": lambda: {"cell": _cell(), "inputs": [_float(2, 3), _float(2, 3)]},
    "nn.bidirectional_dynamic_rnn": lambda: {
        "cell_fw": _cell(),
        "cell_bw": _cell(),
        "inputs": _float(2, 3, 2),
    },
    "nn.static_bidirectional_rnn": lambda: {
        "cell_fw": _cell(),
        "cell_bw": _cell(),
        "inputs": [_float(2, 3), _float(2, 3)],
    },
    "nn.stack_bidirectional_dynamic_rnn": lambda: {
        "cells_fw": [_cell()],
        "cells_bw": [_cell()],
        "inputs": _float(2, 3, 2),
    },
    "nn.nce_loss": lambda: {
        "weights": _float(9, 4),
        "biases": _float(9),
        "labels": _int(3, 1),
        "inputs": _float(3, 4),
        "num_sampled": 2,
        "num_classes": 9,
    },
    "nn.sampled_softmax_loss": lambda: {
        "weights": _float(9, 4),
        "biases": _float(9),
        "labels": _int(3, 1),
        "inputs": _float(3, 4),
        "num_sampled": 2,
        "num_classes": 9,
    },
    "nn.log_uniform_candidate_sampler": lambda: {"true_classes": _int(3, 2), "range_max": 9},
    "nn.uniform_candidate_sampler": lambda: {"true_classes": _int(3, 2), "range_max": 9},
    "nn.nll_loss": lambda: {"labels": _int(3)},
    "nn.sparse_categorical_cross_entropy": lambda: {"labels": _int(3)},
    "losses.sparse_softmax_cross_entropy": lambda: {"labels": _int(3)},
    "nn.spectral_norm": lambda: {"u": _float(3)},
    "nn.weight_norm": lambda: {"g": _float(3)},
    "linalg.lu_solve": lambda: {"perm": _int(3)},
    "linalg.matrix_power": lambda: {"n": 2},
    "linalg.cross": lambda: {"x": _float(3, 3), "y": _float(3, 3)},
    "fft.convolve": lambda: {"a": _float(4), "v": _float(2)},
    "fft.correlate": lambda: {"a": _float(4), "v": _float(2)},
    "fft.fftfreq": lambda: {"n": 4},
    "fft.rfftfreq": lambda: {"n": 4},
    "image.convert_image_dtype": lambda: {"dtype": "uint8"},
    "image.crop_and_resize": lambda: {"box_ind": _int(3), "crop_size": [2, 2]},
    "image.draw_bounding_boxes": lambda: {"boxes": _float(1, 3, 4)},
    "image.grayscale_to_rgb": lambda: {"images": _float(1, 4, 4, 1)},
    "image.pad_to_bounding_box": lambda: {"target_height": 20, "target_width": 20},
    "image.psnr": lambda: {"a": _float(1, 4, 4, 3), "b": _float(1, 4, 4, 3), "max_val": 1.0},
    "image.upsample_nearest": lambda: {"scale": 2},
    "metrics.mean_iou": lambda: {"labels": _int(3), "predictions": _int(3)},
    "metrics.mean_per_class_accuracy": lambda: {"labels": _int(3), "predictions": _int(3)},
    **{
        f"layers.{k}_pooling{n}d": lambda n=n: {"inputs": _float(1, *[4] * n, 2), "strides": 1}  # type: ignore[misc]
        for k in ("average", "max")
        for n in (1, 2, 3)
    },
    **{
        f"layers.{c}": lambda c=c: {"inputs": _float(1, *[4] * int(c[4]), 2)}  # type: ignore[misc]
        for c in ("conv1d", "conv2d", "conv3d", "conv2d_transpose", "conv3d_transpose")
    },
    "layers.depthwise_conv2d": lambda: {"inputs": _float(1, 4, 4, 2)},
    "layers.separable_conv2d": lambda: {"inputs": _float(1, 4, 4, 2)},
    "layers.embedding": lambda: {"inputs": _int(3)},
    "layers.group_normalization": lambda: {"groups": 3},
    **{f"layers.{c}": lambda: {"inputs": _float(1, 3, 2)} for c in ("lstm", "gru", "simple_rnn")},
    "bincount": lambda: {"x": _int(3)},
    "confusion_matrix": lambda: {"labels": _int(3), "predictions": _int(3)},
    "nn.log_poisson_loss": lambda: {"log_input": _float(3, 3)},
    "image.random_contrast": lambda: {"upper": 1.5},
    "image.random_saturation": lambda: {"upper": 1.5},
    "while_loop": lambda: {"cond": lambda a, b: False, "body": lambda a, b: (a, b)},
}
"""Good values for the parameters of single functions, where the kind's own would not do."""


# --- what is done with what a class or a decorator gives ------------------------------------------


def _entered(made: Any) -> Any:
    with made:
        return gf.add(1.0, 2.0)


def _with_variable(scope: Any) -> Any:
    with scope:
        return gf.get_variable(f"v{len(gf.global_variables())}", [3])


def _minimized(optimizer: Any) -> Any:
    w = gf.Variable(np.ones(3, np.float32), name="mine")
    return optimizer.minimize(gf.sum(w * w))


def _averaged(average: Any) -> Any:
    return average.apply([gf.Variable(np.ones(3, np.float32), name="mine")])


def _stepped(cell: Any) -> Any:
    with gf.variable_scope(None, "mine"):
        return cell(_float(2, 3), cell.zero_state(2))[0]


_USES: tuple[tuple[tuple[str, ...], Callable[[Any], Any]], ...] = (
    (("name_scope", "device", "control_dependencies"), _entered),
    (("variable_scope",), _with_variable),
    (("custom_gradient",), lambda made: made(gf.ones(3))),
    (("Optimizer",), _minimized),
    (("ExponentialMovingAverage",), _averaged),
    (("rnn_cell.",), _stepped),
    (("initializer", "initializers."), lambda made: made([3, 3])),
)


def _used(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """`function`, and then the first use of what it gives: some mistakes can be known only there."""
    for names, use in _USES:
        if any(part in name for part in names) and name != "initializers.compute_fans":
            if name.endswith("variables_initializer"):
                continue

            def call(*args: Any, _use: Any = use, **kwargs: Any) -> Any:
                return _use(function(*args, **kwargs))

            return call
    return function


def _good(name: str, required: list[str], taken: list[str]) -> dict[str, Any]:
    given = {p: v for p, v in _GOOD.get(name, dict)().items() if p in taken}
    return {
        p: given[p] if p in given else _BY_NAME[p]() if p in _BY_NAME else _BY_KIND[kind_of(name, p)]()
        for p in [*required, *given]
    }


def entries() -> Iterator[Entry]:
    """Every public callable once, however many names it has."""
    seen: set[Any] = set()
    for module in MODULES:
        home: Any = gf
        for part in module.split(".") if module else ():
            home = getattr(home, part)
        for short in home.__all__:
            name = f"{module}.{short}".lstrip(".")
            value = getattr(home, short)
            if not callable(value) or name in EXCLUDED or value in seen or isinstance(value, np.dtype):
                continue
            seen.add(value)
            parameters = inspect.signature(value).parameters.values()
            single = [p for p in parameters if p.kind is not p.VAR_KEYWORD]
            required = [p.name for p in single if p.default is p.empty]
            taken = [p.name for p in single]
            variadic = [p.name for p in single if p.kind is p.VAR_POSITIONAL]
            yield Entry(
                name,
                _used(name, value),
                lambda name=name, required=required, taken=taken: _good(name, required, taken),  # type: ignore[misc]
                tuple(p.name for p in single),
                tuple(p.name for p in single if p.kind is p.POSITIONAL_OR_KEYWORD),
                tuple(p.name for p in single if p.kind is p.POSITIONAL_ONLY),
                variadic[0] if variadic else None,
                tuple(name for name in required if name not in variadic),
            )
