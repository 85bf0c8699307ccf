"""Samples of transposed convolutions and of TensorFlow's gradients of convolutions."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np

import graphflow as gf
from graphflow.ops.convolution import conv, conv2d
from graphflow.ops.convolution_backprop import (
    conv2d_backprop_filter,
    conv2d_backprop_input,
    depthwise_conv2d_native_backprop_filter,
    depthwise_conv2d_native_backprop_input,
)
from graphflow.ops.convolution_transpose import (
    conv1d_transpose,
    conv2d_transpose,
    conv3d_transpose,
    conv_transpose,
)
from tests.ops.convolution_reference import filter_gradient, input_gradient
from tests.ops.table import Sample, array

G1, W1 = array(2, 5, 4, seed=1), array(3, 3, 4, seed=2)
G2, W2 = array(2, 3, 4, 4, seed=3), array(3, 2, 3, 4, seed=4)
G2F = array(2, 4, 3, 4, seed=5)
G3, W3 = array(1, 2, 3, 2, 3, seed=6), array(2, 3, 2, 2, 3, seed=7)
COMPLEX = G2 + 1j * array(2, 3, 4, 4, seed=8)


def _sample(label: str, g: Any, w: Any, shape: Any, rtol: float = 1e-6, **options: Any) -> Sample:
    """A sample of `conv_transpose` that gives `shape`; the options are those of `input_gradient`."""
    first = options.get("first", False)
    arguments = {name: value for name, value in options.items() if name != "first"}
    padding = arguments.setdefault("padding", "SAME")
    reference = {**options, "padding": padding}
    return Sample(
        f"conv_transpose-{label}",
        lambda g, w: conv_transpose(g, w, shape, data_format="NC..." if first else None, **arguments),
        (g, w),
        lambda g, w: input_gradient(g, w, shape, **reference),
        grad=g.dtype == np.float64,
        rtol=rtol,
        atol=1e-12 if g.dtype.itemsize >= 8 else 1e-6,
        unranked=False,
    )


def _given_shapes() -> list[Sample]:
    cases: list[tuple[str, Any, Any, Any, dict[str, Any]]] = [
        ("1d", G1, W1, (2, 5, 3), {}),
        ("1d-strided", G1, W1, (2, 9, 3), {"strides": 2}),
        ("1d-valid", G1, W1, (2, 12, 3), {"strides": 2, "padding": "VALID"}),
        ("2d-strided", G2, W2, (2, 6, 8, 3), {"strides": 2}),
        ("2d-shorter", G2, W2, (2, 5, 7, 3), {"strides": 2}),
        ("2d-valid", G2, W2, (2, 8, 5, 3), {"strides": (2, 1), "padding": "VALID"}),
        ("2d-far-strides", G2, W2, (2, 13, 12, 3), {"strides": (5, 3)}),
        ("2d-dilated", G2, W2, (2, 3, 4, 3), {"dilations": 2}),
        ("2d-pairs", G2, W2, (2, 4, 3, 3), {"padding": ((0, 1), (1, 1))}),
        ("2d-first", G2F, W2, (2, 3, 6, 7), {"strides": 2, "first": True}),
        ("2d-first-plain", G2F, W2, (2, 3, 3, 4), {"first": True}),
        ("2d-one-window", G2[:, :1, :1], W2, (2, 3, 2, 3), {"padding": "VALID"}),
        ("2d-one-channel", G2, W2[:, :, :1], (2, 3, 4, 1), {}),
        ("2d-point", G2, W2[:1, :1], (2, 3, 4, 3), {}),
        ("2d-point-strided", G2, W2[:1, :1], (2, 5, 7, 3), {"strides": 2}),
        ("3d", G3, W3, (1, 3, 3, 4, 2), {"strides": (2, 1, 2)}),
        ("grouped", G2, array(3, 2, 3, 4, seed=9), (2, 3, 4, 6), {"groups": 2}),
        ("grouped-strided", G2, array(3, 2, 1, 4, seed=10), (2, 6, 4, 4), {"groups": 4, "strides": (2, 1)}),
        (
            "grouped-first",
            G2F,
            array(3, 2, 3, 4, seed=9),
            (2, 6, 6, 4),
            {"groups": 2, "strides": (2, 1), "first": True},
        ),
        ("empty-batch", G2[:0], W2, (0, 3, 4, 3), {}),
        ("empty-size", G2[:, :0], W2, (2, 0, 4, 3), {}),
        ("empty-channels", G2[..., :0], W2[..., :0], (2, 3, 4, 3), {}),
        ("strides-of-views", G2[::-1, :, ::2], W2[::-1, :, :, ::-1], (2, 3, 2, 3), {}),
    ]
    return [_sample(label, g, w, shape, **options) for label, g, w, shape, options in cases]


def _dtypes() -> list[Sample]:
    ints = (W2 * 9).astype(np.int32)
    samples = [
        _sample(f"{np.dtype(d).name}", G2.astype(d), W2.astype(d), (2, 6, 8, 3), rtol, strides=2)
        for d, rtol in ((np.float32, 1e-5), (np.float16, 5e-3), (ml_dtypes.bfloat16, 3e-2))
    ]
    return [
        *samples,
        _sample("float16-plain", G2.astype(np.float16), W2.astype(np.float16), (2, 3, 4, 3), 5e-3),
        _sample("complex128", COMPLEX, W2 * (1 - 1j), (2, 3, 4, 3)),
        _sample("complex-strided", COMPLEX, W2 * (1 - 1j), (2, 6, 8, 3), strides=2),
        _sample("int32", (G2 * 9).astype(np.int32), ints, (2, 6, 8, 3), strides=2),
        _sample("int8", G2.astype(np.int8), ints.astype(np.int8) % 4, (2, 6, 8, 3), strides=2),
    ]


def _computed_shapes() -> list[Sample]:
    """The output's size is left out, or said otherwise."""
    cases: list[tuple[str, dict[str, Any], Any]] = [
        ("same", {"strides": 2}, (2, 6, 8, 3)),
        ("valid", {"strides": (2, 1), "padding": "VALID"}, (2, 7, 5, 3)),
        ("valid-far-strides", {"strides": 4, "padding": "VALID"}, (2, 12, 16, 3)),
        ("pairs", {"strides": 2, "padding": [(1, 0), (0, 1)]}, (2, 6, 7, 3)),
        ("padded", {"strides": 2, "padding": "VALID", "output_padding": (1, 0)}, (2, 8, 8, 3)),
        ("same-padded", {"strides": 2, "padding": "SAME", "output_padding": 1}, (2, 6, 7, 3)),
        ("sizes", {"strides": 2, "output_shape": (5, 7)}, (2, 5, 7, 3)),
    ]
    return [
        Sample(
            f"conv_transpose-shape-{label}",
            lambda g, w, options=options: conv_transpose(g, w, **options),
            (G2, W2),
            lambda g, w, options=options, shape=shape: input_gradient(
                g, w, shape, options["strides"], options.get("padding", "SAME")
            ),
            grad=True,
            symbolic=label not in ("valid", "valid-far-strides", "pairs", "padded", "same-padded"),
            unranked=False,
        )
        for label, options, shape in cases
    ]


def _functions() -> list[Sample]:
    deep = array(3, 2, 3, 2, seed=11)
    images = array(2, 5, 6, 3, seed=12)
    back = array(2, 3, 3, 6, seed=13)
    images_first = array(2, 3, 5, 6, seed=14)

    def grouped(w: Any) -> Any:
        return w.reshape(3, 2, 1, 6)

    return [
        Sample(
            "conv1d_transpose",
            lambda g, w: conv1d_transpose(g, w, [2, 10, 3], 2),
            (G1, W1),
            lambda g, w: input_gradient(g, w, (2, 10, 3), 2, "SAME"),
            grad=True,
        ),
        Sample(
            "conv2d_transpose",
            lambda g, w: conv2d_transpose(g, w, [2, 6, 8, 3], [1, 2, 2, 1]),
            (G2, W2),
            lambda g, w: input_gradient(g, w, (2, 6, 8, 3), 2, "SAME"),
            grad=True,
        ),
        Sample(
            "conv2d_transpose-NCHW",
            lambda g, w: conv2d_transpose(g, w, [2, 3, 5, 5], 1, "VALID", "NCHW"),
            (G2F, W2),
            lambda g, w: input_gradient(g, w, (2, 3, 5, 5), 1, "VALID", first=True),
            grad=True,
        ),
        Sample(
            "conv2d_transpose-size-tensor",
            lambda g, w: conv2d_transpose(g, w, gf.stack([gf.shape(g)[0], 6, 8, 3]), 2),
            (G2, W2),
            lambda g, w: input_gradient(g, w, (2, 6, 8, 3), 2, "SAME"),
            grad=True,
            unranked=False,
        ),
        Sample(
            "conv3d_transpose",
            lambda g, w: conv3d_transpose(g, w, [1, 3, 5, 3, 2], 1, "VALID"),
            (G3, W3),
            lambda g, w: input_gradient(g, w, (1, 3, 5, 3, 2)),
            grad=True,
        ),
        Sample(
            "conv2d_backprop_input",
            lambda w, g: conv2d_backprop_input([2, 6, 8, 3], w, g, [1, 2, 2, 1], "SAME"),
            (W2, G2),
            lambda w, g: input_gradient(g, w, (2, 6, 8, 3), 2, "SAME"),
            grad=True,
        ),
        Sample(
            "conv2d_backprop_filter",
            lambda x, g: conv2d_backprop_filter(x, [3, 2, 3, 6], g, [1, 2, 2, 1], "SAME"),
            (images, back),
            lambda x, g: filter_gradient(x, g, (3, 2, 3, 6), 2, "SAME"),
            grad=True,
        ),
        Sample(
            "conv2d_backprop_filter-few",
            lambda x, g: conv2d_backprop_filter(x, [3, 2, 4, 1], g, 1, "SAME"),
            (array(2, 5, 4, 4, seed=15), array(2, 5, 4, 1, seed=16)),
            lambda x, g: filter_gradient(x, g, (3, 2, 4, 1), 1, "SAME"),
            grad=True,
        ),
        Sample(
            "conv2d_backprop_filter-NCHW-float16",
            lambda x, g: conv2d_backprop_filter(x, [3, 2, 3, 6], g, 2, "SAME", data_format="NCHW"),
            (images_first.astype(np.float16), array(2, 6, 3, 3, seed=17).astype(np.float16)),
            lambda x, g: filter_gradient(x, g, (3, 2, 3, 6), 2, "SAME", first=True),
            rtol=5e-3,
        ),
        Sample(
            "conv2d_backprop_filter-int16",
            lambda x, g: conv2d_backprop_filter(x, [3, 2, 3, 6], g, 2, "SAME"),
            ((images * 9).astype(np.int16), (back * 9).astype(np.int16)),
            lambda x, g: filter_gradient(x, g, (3, 2, 3, 6), 2, "SAME").astype(np.int16),
        ),
        Sample(
            "depthwise_conv2d_native_backprop_input",
            lambda w, g: depthwise_conv2d_native_backprop_input([2, 5, 6, 3], w, g, [1, 2, 2, 1], "SAME"),
            (deep, back),
            lambda w, g: input_gradient(g, grouped(w), (2, 5, 6, 3), 2, "SAME", groups=3),
            grad=True,
        ),
        Sample(
            "depthwise_conv2d_native_backprop_filter",
            lambda x, g: depthwise_conv2d_native_backprop_filter(x, [3, 2, 3, 2], g, 2, "SAME", "NCHW"),
            (images_first, array(2, 6, 3, 3, seed=18)),
            lambda x, g: filter_gradient(x, g, (3, 2, 1, 6), 2, "SAME", groups=3, first=True).reshape(
                3, 2, 3, 2
            ),
            grad=True,
        ),
        Sample(
            "conv-gradient-of-unknown-sizes",
            lambda x, w: gf.gradients(gf.sum(conv(x, w, 2, "SAME") ** 2), [x, w]),
            (images, W2),
            lambda x, w: _squared_gradients(x, w),
            grad=True,
            unranked=False,
        ),
        Sample(
            "conv2d-gradient-of-unknown-rank",
            lambda x, w: gf.gradients(gf.sum(conv2d(x, w, 2, "SAME") ** 2), [x, w]),
            (images, W2),
            lambda x, w: _squared_gradients(x, w),
        ),
    ]


def _squared_gradients(x: Any, w: Any) -> tuple[Any, Any]:
    from tests.ops.convolution_reference import convolved

    g = 2 * convolved(x, w, 2, "SAME")
    return input_gradient(g, w, x.shape, 2, "SAME"), filter_gradient(x, g, w.shape, 2, "SAME")


SAMPLES: list[Sample] = [*_given_shapes(), *_dtypes(), *_computed_shapes(), *_functions()]
