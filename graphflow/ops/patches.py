"""Windows of an array laid out as rows, and rows added up as windows: `im2col`, `col2im`, TensorFlow's patches."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from graphflow.errors import ArgumentError, ShapeError, shorten
from graphflow.graph import Tensor, composition, make_node
from graphflow.op import Op, Trait, declare, public
from graphflow.ops.arguments import dims_argument, known_shape, typed
from graphflow.ops.axes import permute_dims
from graphflow.ops.cast import dtype_of, numpy_dtype
from graphflow.ops.constant import as_tensor
from graphflow.ops.convolution_arguments import spatial_axes
from graphflow.ops.convolution_layout import as_dtype, placed_taps, taps
from graphflow.ops.convolution_types import Each, Paddings, window_counts, windows_of
from graphflow.ops.numpy_settings import buffers_nbytes
from graphflow.ops.reduction import is_half
from graphflow.ops.window import padding_argument, window_argument
from graphflow.types import SUPPORTED, Shape, TensorType, dim_product, dims_equal, exact_quotient

__all__ = ["col2im", "extract_image_patches", "extract_volume_patches", "im2col", "patches_of"]


# --- im2col ---------------------------------------------------------------------------------------


def _infer_im2col(
    x: TensorType, *, kernel: Shape, strides: Each, padding: Paddings, dilations: Each, fill: str
) -> TensorType:
    n = len(kernel)
    if x.rank != n + 2:
        raise ShapeError(f"windows of {n} axes need an input of {n + 2}, got {x}")
    counts = window_counts(x.dims[1:-1], kernel, strides, dilations, padding)
    return typed(x.dtype, (x.dims[0], *counts, dim_product(kernel) * x.dims[-1]))


def lowest(dtype: np.dtype[Any]) -> Any:
    """The least value of a dtype, as a Python number."""
    if dtype.kind in "iu":
        return int(np.iinfo(dtype).min)
    return False if dtype.kind == "b" else -math.inf


def _im2col_kernel(
    xp: Any,
    x: Any,
    *,
    kernel: tuple[int, ...],
    strides: Each,
    padding: Paddings,
    dilations: Each,
    fill: str,
    out: Any = None,
) -> Any:
    w = windows_of(tuple(x.shape[1:-1]), kernel, strides, dilations, padding)
    batch, channels = x.shape[0], x.shape[-1]
    if out is None:
        out = xp.empty((batch, *w.counts, math.prod(kernel) * channels), dtype=x.dtype)
    rows = xp.reshape(out, (batch, *w.counts, *kernel, channels))
    dtype = numpy_dtype(x)
    nothing = lowest(dtype) if fill == "lowest" or dtype.kind == "b" else 0
    tile = ((0, batch), *[(0, count) for count in w.counts])
    placed = {at.tap: at for at in placed_taps(w, tile)}
    for tap in taps(kernel):
        at = placed.get(tap)
        if at is None or not at.whole:
            rows[(..., *tap, slice(None))] = nothing
        if at is not None:
            rows[(slice(None), *at.windows, *tap, slice(None))] = x[(slice(None), *at.positions, slice(None))]
    return out


def _attrs(node: Any) -> dict[str, Any]:
    return {name: node.attrs[name] for name in ("kernel", "strides", "padding", "dilations")}


def _im2col_vjp(node: Any, g: Tensor) -> tuple[Tensor]:
    (x,) = node.inputs
    shape = known_shape(x)
    inputs = (g,) if shape is not None else (g, x)
    return (make_node(COL2IM, inputs, {"shape": shape, **_attrs(node)}).outputs[0],)


IM2COL: Op = declare(
    Op(
        "im2col",
        _infer_im2col,
        _im2col_kernel,
        _im2col_vjp,
        Trait.OUT,
        flops=lambda inputs, outputs, **attrs: 0,
        default_name="Im2Col",
        doc="The windows that slide over an array, each laid out as one row.",
    )
)


# --- col2im ---------------------------------------------------------------------------------------


def _infer_col2im(
    cols: TensorType, like: TensorType | None = None, *, shape: Shape | None, **attrs: Any
) -> TensorType:
    target = typed(cols.dtype, shape if like is None else like.dims)  # type: ignore[arg-type]  # one is given
    expected = _infer_im2col(target, fill="zero", **attrs)
    if cols.rank != expected.rank or any(
        dims_equal(a, b) is False for a, b in zip(cols.dims, expected.dims, strict=True)
    ):
        raise ShapeError(f"the windows of {target} would be {list(expected.dims)}, but the input is {cols}")
    return target


def _col2im_kernel(
    xp: Any,
    cols: Any,
    like: Any = None,
    *,
    shape: tuple[int, ...] | None,
    kernel: tuple[int, ...],
    strides: Each,
    padding: Paddings,
    dilations: Each,
    out: Any = None,
) -> Any:
    """16-bit floats are added up in float32; NumPy converts them as it adds."""
    target = tuple(like.shape if shape is None else shape)
    w = windows_of(target[1:-1], kernel, strides, dilations, padding)
    rows = xp.reshape(cols, (target[0], *w.counts, *kernel, target[-1]))
    dtype = numpy_dtype(cols)
    out = xp.empty(target, dtype=dtype_of(xp, dtype)) if out is None else out
    total = xp.empty(target, dtype=dtype_of(xp, SUPPORTED["float32"])) if is_half(dtype) else out
    total[...] = 0
    tile = ((0, target[0]), *[(0, count) for count in w.counts])
    for at in placed_taps(w, tile):
        part = rows[(slice(None), *at.windows, *at.tap, slice(None))]
        part = part if xp is np else as_dtype(xp, part, total.dtype)
        total[(slice(None), *at.positions, slice(None))] += part
    if total is not out:
        out[...] = total if xp is np else as_dtype(xp, total, dtype)
    return out


def _col2im_nbytes(inputs: Sequence[TensorType], outputs: Sequence[TensorType], **attrs: Any) -> int:
    """Of 16-bit floats, the sums in float32; and the buffers of adding a tap's windows where they lie."""
    y, work = outputs[0], SUPPORTED["float32"] if is_half(outputs[0].dtype) else outputs[0].dtype
    size: Any = y.size
    rows: Any = exact_quotient(inputs[0].size, dim_product(attrs["kernel"]))
    return (size * work.itemsize if work != y.dtype else 0) + buffers_nbytes(rows, work, work, work)


def _col2im_dtype(cols: TensorType, *like: TensorType, shape: Shape | None, **attrs: Any) -> TensorType:
    return TensorType(cols.dtype, like[0].shape if shape is None else shape)


COL2IM: Op = declare(
    Op(
        "col2im",
        _infer_col2im,
        _col2im_kernel,
        lambda node, g: (
            make_node(IM2COL, (g,), {**_attrs(node), "fill": "zero"}).outputs[0],
            *[None for _ in node.inputs[1:]],
        ),
        Trait.OUT,
        dtype=_col2im_dtype,
        flops=lambda inputs, outputs, **attrs: int(inputs[0].size),
        workspace=_col2im_nbytes,
        default_name="Col2Im",
        doc="Rows added up where the windows lie that they stand for.",
    )
)


# --- public functions -----------------------------------------------------------------------------


def patches_of(
    x: Tensor,
    kernel: Shape,
    strides: Each,
    padding: Paddings,
    dilations: Each,
    fill: str = "zero",
    name: str | None = None,
) -> Tensor:
    """An `im2col` node, with channels last; fill: what lies around `x`, "zero" or "lowest"."""
    attrs = {"kernel": kernel, "strides": strides, "padding": padding, "dilations": dilations, "fill": fill}
    return make_node(IM2COL, (x,), attrs, name).outputs[0]


def _window(
    op: str, spatial: int, first: bool, kernel_size: Any, strides: Any, padding: Any, dilations: Any
) -> tuple[Each, Each, Paddings, Each]:
    """kernel, strides, padding, dilations, one for each spatial axis."""
    return (
        window_argument(op, "kernel_size", kernel_size, spatial, first=first),
        window_argument(op, "strides", strides, spatial, first=first),
        padding_argument(op, padding, spatial, first=first),
        window_argument(op, "dilations", dilations, spatial, first=first),
    )


def _channels_behind(x: Tensor, n: int) -> Tensor:
    return permute_dims(x, (0, *range(2, n + 2), 1))


def _channels_second(x: Tensor, n: int) -> Tensor:
    return permute_dims(x, (0, n + 1, *range(1, n + 1)))


@public
def im2col(
    x: Any,
    kernel_size: Any,
    strides: Any = 1,
    padding: Any = "VALID",
    data_format: Any = None,
    dilations: Any = 1,
    name: str | None = None,
) -> Tensor:
    """The windows that slide over `x`, each laid out along the channels: its elements in C order, channels last.

    x: [batch, *sizes, channels] gives [batch, *windows, elements * channels]; where channels come first,
    [batch, channels, *sizes] gives [batch, elements * channels, *windows], in the same order.
    kernel_size: the elements of a window along each spatial axis, an int or one for each. The other arguments are
    those of `gf.nn.conv`; there are zeros around `x`. A primitive (channels last): it has a kernel of its own;
    with channels first, a composition with two transpositions.
    Raises ShapeError for a window larger than the padded input, ArgumentError for sizes below 1.
    """
    t = as_tensor(x)
    n, first = spatial_axes("im2col", data_format, t)
    window = _window("im2col", n, first, kernel_size, strides, padding, dilations)
    if not first:
        return patches_of(t, *window, name=name)
    with composition("Im2Col" if name is None else name):
        return _channels_second(patches_of(_channels_behind(t, n), *window), n)


@public
def col2im(
    cols: Any,
    output_shape: Any,
    kernel_size: Any,
    strides: Any = 1,
    padding: Any = "VALID",
    data_format: Any = None,
    dilations: Any = 1,
    name: str | None = None,
) -> Tensor:
    """Windows added up where they lie: the transpose of `im2col`, not its inverse where windows overlap.

    cols: what `im2col` gives for an array of shape `output_shape` (ints, or a tensor of sizes, for every axis) with
    the same other arguments. A primitive (channels last): it has a kernel of its own.
    Raises ShapeError where `cols` has not the shape of those windows, and as `im2col` does.
    """
    t = as_tensor(cols)
    n, first = spatial_axes("col2im", data_format, t)
    kernel, steps, pads, gaps = _window("col2im", n, first, kernel_size, strides, padding, dilations)
    shape = dims_argument(output_shape, "col2im: output_shape")
    if len(shape) != n + 2:
        raise ShapeError(f"col2im: output_shape needs {n + 2} sizes, got {shorten(output_shape)}")
    attrs = {"kernel": kernel, "strides": steps, "padding": pads, "dilations": gaps}
    if not first:
        return make_node(COL2IM, (t,), {"shape": shape, **attrs}, name).outputs[0]
    with composition("Col2Im" if name is None else name):
        shape = (shape[0], *shape[2:], shape[1])
        image = make_node(COL2IM, (_channels_behind(t, n),), {"shape": shape, **attrs}).outputs[0]
        return _channels_second(image, n)


def _extracted(
    op: str, images: Any, spatial: int, ksizes: Any, strides: Any, rates: Any, padding: Any, name: str
) -> Tensor:
    t = as_tensor(images)
    n, _ = spatial_axes(op, None, t, spatial=spatial)
    if not isinstance(padding, str):
        raise ArgumentError(f"{op}: padding must be 'SAME' or 'VALID', not {shorten(padding)}")
    kernel = window_argument(op, "ksizes", ksizes, n)
    steps, gaps = window_argument(op, "strides", strides, n), window_argument(op, "rates", rates, n)
    return patches_of(t, kernel, steps, padding_argument(op, padding, n), gaps, name=name)


@public
def extract_image_patches(
    images: Any, ksizes: Any, strides: Any, rates: Any, padding: Any, name: str | None = None
) -> Tensor:
    """`im2col` of [batch, height, width, channels] by TensorFlow 1's arguments. A primitive: see `im2col`.

    ksizes, strides, rates (the dilation): [1, rows, columns, 1], or without the ones. padding: "SAME" or "VALID".
    """
    name = "ExtractImagePatches" if name is None else name
    return _extracted("extract_image_patches", images, 2, ksizes, strides, rates, padding, name)


@public
def extract_volume_patches(
    input: Any, ksizes: Any, strides: Any, padding: Any, name: str | None = None
) -> Tensor:
    """`im2col` of [batch, depth, height, width, channels] by TensorFlow 1's arguments. A primitive: see `im2col`.

    ksizes, strides: [1, planes, rows, columns, 1], or without the ones. padding: "SAME" or "VALID".
    """
    name = "ExtractVolumePatches" if name is None else name
    return _extracted("extract_volume_patches", input, 3, ksizes, strides, 1, padding, name)
